/*
 * The ioctls about interfaces (netdevice(7)). There is one, lo; it is up, and nobody
 * may change it.
 */
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <string.h>

#include "abi/errno.h"
#include "net/internal.h"
#include "net/loopback.h"

static void put_addr(struct ifreq *r, uint32_t addr)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(addr) };

	memcpy(&r->ifr_addr, &sin, sizeof(sin));
}

/* Addresses: of AF_INET sockets only. -ENOTTY: it is not about that. */
static int get_address(unsigned cmd, struct ifreq *r)
{
	switch (cmd) {
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
		put_addr(r, INADDR_LOOPBACK);
		return 0;
	case SIOCGIFBRDADDR:
		put_addr(r, INADDR_ANY);
		return 0;
	case SIOCGIFNETMASK:
		put_addr(r, 0xff000000);
		return 0;
	}
	return -ENOTTY;
}

static int get_device(unsigned cmd, struct ifreq *r)
{
	switch (cmd) {
	case SIOCGIFFLAGS:
		r->ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
		return 0;
	case SIOCGIFMETRIC:
		r->ifr_metric = 0;
		return 0;
	case SIOCGIFMTU:
		r->ifr_mtu = LOOPBACK_MTU;
		return 0;
	case SIOCGIFINDEX:
		r->ifr_ifindex = LOOPBACK_INDEX;
		return 0;
	case SIOCGIFTXQLEN:
		r->ifr_qlen = LOOPBACK_TXQLEN;
		return 0;
	case SIOCGIFHWADDR:
		memset(&r->ifr_hwaddr, 0, sizeof(r->ifr_hwaddr));
		r->ifr_hwaddr.sa_family = ARPHRD_LOOPBACK;
		return 0;
	case SIOCGIFMAP:
		memset(&r->ifr_map, 0, sizeof(r->ifr_map));
		return 0;
	case SIOCGIFSLAVE:
		return -EINVAL;
	case SIOCETHTOOL:
	case SIOCGMIIPHY:
	case SIOCGMIIREG:
		return -EOPNOTSUPP;
	}
	return -ENOTTY;
}

static int set_device(unsigned cmd, const struct ifreq *r, const struct vfs_ctx *ctx)
{
	switch (cmd) {
	case SIOCSIFFLAGS: /* up it is, and stays */
		return (r->ifr_flags & IFF_UP) && cred_has_cap(ctx->cred, CAP_NET_ADMIN) ? 0
											 : -EPERM;
	case SIOCSIFADDR:
	case SIOCSIFDSTADDR:
	case SIOCSIFBRDADDR:
	case SIOCSIFNETMASK:
	case SIOCSIFMETRIC:
	case SIOCSIFMTU:
	case SIOCSIFNAME:
	case SIOCSIFHWADDR:
	case SIOCSIFHWBROADCAST:
	case SIOCSIFTXQLEN:
	case SIOCSIFMAP:
	case SIOCSIFSLAVE:
	case SIOCADDMULTI:
	case SIOCDELMULTI:
	case SIOCDIFADDR:
	case SIOCADDRT:
	case SIOCDELRT:
		return -EPERM;
	}
	return -ENOTTY;
}

/* SIOCGIFCONF: the interfaces with IPv4 addresses, as many as there is room for. */
static long get_list(uint64_t arg, const struct vfs_ctx *ctx)
{
	struct {
		int32_t size, pad;
		uint64_t buf;
	} conf;
	struct ifreq r = { .ifr_name = "lo" };
	int32_t size = sizeof(r);

	if (copy_in(ctx->mem, &conf, arg, sizeof(conf)) < 0)
		return -EFAULT;
	put_addr(&r, INADDR_LOOPBACK);
	if (conf.buf && conf.size < size)
		size = 0;
	else if (conf.buf && copy_out(ctx->mem, conf.buf, &r, sizeof(r)) < 0)
		return -EFAULT;
	return copy_out(ctx->mem, arg, &size, sizeof(size));
}

/* SIOCGIFNAME: by number. */
static long get_name(uint64_t arg, const struct vfs_ctx *ctx)
{
	struct ifreq r;

	if (copy_in(ctx->mem, &r, arg, sizeof(r)) < 0)
		return -EFAULT;
	if (r.ifr_ifindex != LOOPBACK_INDEX)
		return -ENODEV;
	strcpy(r.ifr_name, "lo");
	return copy_out(ctx->mem, arg, &r, sizeof(r));
}

long ifreq_ioctl(struct socket *s, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	bool is_get;
	struct ifreq r;
	int err;

	if (cmd == SIOCGIFCONF)
		return get_list(arg, ctx);
	if (cmd == SIOCGIFNAME)
		return get_name(arg, ctx);
	memset(&r, 0, sizeof(r));
	is_get = get_device(cmd, &r) != -ENOTTY ||
		 (s->family == AF_INET && get_address(cmd, &r) != -ENOTTY);
	if (!is_get && set_device(cmd, &r, ctx) == -ENOTTY)
		return -ENOTTY;
	if (copy_in(ctx->mem, &r, arg, sizeof(r)) < 0)
		return -EFAULT;
	r.ifr_name[IFNAMSIZ - 1] = '\0';
	if (!is_get)
		return set_device(cmd, &r, ctx);
	if (strcmp(r.ifr_name, "lo") != 0)
		return -ENODEV;
	err = get_device(cmd, &r);
	if (err == -ENOTTY)
		err = get_address(cmd, &r);
	return err < 0 ? err : copy_out(ctx->mem, arg, &r, sizeof(r));
}
