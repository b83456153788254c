/* UDP: the object. See udp.h. */
#include "net/inet/udp.h"

#include <linux/sockios.h>
#include <linux/udp.h>
#include <string.h>
#include <sys/ioctl.h>

#include "abi/errno.h"
#include "base/kmem.h"
#include "base/pool.h"

static POOL_DEFINE(udp_pool, struct udp_sock);

static const struct proto_ops udp_ops;

/* Not in the C library's headers. */
#define UDPLITE_SEND_CSCOV 10
#define UDPLITE_RECV_CSCOV 11
#define UDP_HEADER 8

#define EV_READ (EV_IN | EV_RDNORM)
#define EV_WRITE (EV_OUT | EV_WRNORM | EV_WRBAND)

/* ---- life ---- */

int udp_create(int family, int protocol, struct socket **out)
{
	struct udp_sock *u = pool_alloc(&udp_pool);

	*out = NULL;
	if (!u)
		return -ENOMEM;
	socket_init(&u->i.s, &udp_ops, family, SOCK_DGRAM, protocol);
	inet_init(&u->i);
	list_init(&u->queue);
	list_init(&u->errors);
	list_init(&u->groups);
	*out = &u->i.s;
	return 0;
}

static void udp_destroy(struct socket *s)
{
	struct udp_sock *u = udp_of(s);

	ASSERT(u->dead && list_empty(&u->queue) && list_empty(&u->errors));
	ASSERT(u->i.claim.kind == CLAIM_NONE && list_empty(&u->groups) && !u->cork);
	pool_free(&udp_pool, u);
}

static void udp_release(struct socket *s)
{
	struct udp_sock *u = udp_of(s);
	struct list msgs = LIST_INIT(msgs);
	uint8_t *cork;

	multicast_leave_all(u);
	mutex_lock(&s->read_lock); /* a reader copies from the first message */
	mutex_lock(&s->lock);
	u->dead = true; /* nothing is queued after it */
	claim_drop(inet_ports(&u->i), &u->i.claim);
	list_splice_back(&msgs, &u->queue);
	list_splice_back(&msgs, &u->errors);
	u->queued_charge = 0;
	cork = u->cork;
	u->cork = NULL;
	mutex_unlock(&s->lock);
	mutex_unlock(&s->read_lock);
	kmem_free(cork);
	udp_free_msgs(&msgs);
	waitq_wake_all(&s->waitq, EV_ALL);
}

/* ---- connecting: it names the only peer ---- */

static void disconnect_locked(struct udp_sock *u)
{
	const struct inet_name nobody = { 0 };

	u->is_connected = false;
	claim_move(inet_ports(&u->i), &u->i.claim, &u->i.bound, &nobody);
	if (!u->i.is_port_fixed) {
		claim_drop(inet_ports(&u->i), &u->i.claim);
		u->i.claim.local.port = 0;
	}
}

static int connect_locked(struct udp_sock *u, struct inet_name *to, const struct vfs_ctx *ctx)
{
	struct udp_sending how = { .to = *to };
	int r = inet_autobind_locked(&u->i, ctx);

	if (r == 0)
		r = udp_route_locked(u, &how);
	if (r < 0)
		return r;
	claim_move(inet_ports(&u->i), &u->i.claim, &how.from, &how.to);
	u->is_connected = true;
	return 0;
}

static int udp_connect(struct socket *s, const struct socket_addr *addr, struct sock_wait *w)
{
	struct udp_sock *u = udp_of(s);
	struct inet_name to;
	int r = 0;

	if (addr->size < sizeof(addr->family))
		return -EINVAL;
	if (addr->family == AF_UNSPEC) {
		mutex_lock(&s->lock);
		disconnect_locked(u);
		mutex_unlock(&s->lock);
		return 0;
	}
	r = udp_name_in(u, addr, &to);
	if (r < 0)
		return r;
	mutex_lock(&s->lock);
	r = connect_locked(u, &to, w->ctx);
	mutex_unlock(&s->lock);
	return r;
}

static int udp_shutdown(struct socket *s, int how)
{
	struct udp_sock *u = udp_of(s);
	int r;

	mutex_lock(&s->lock);
	u->shutdown |= (unsigned)how + 1; /* SHUT_RD 0, WR 1, RDWR 2 */
	r = u->is_connected ? 0 : -ENOTCONN;
	mutex_unlock(&s->lock);
	waitq_wake_all(&s->waitq, EV_ALL);
	return r;
}

/* ---- state ---- */

static int udp_getname(struct socket *s, enum sock_name which, struct socket_addr *out)
{
	struct udp_sock *u = udp_of(s);
	int r = 0;

	mutex_lock(&s->lock);
	if (which == SOCK_NAME_LOCAL)
		name_to_sockaddr(s->family, &u->i.claim.local, out);
	else if (u->is_connected && u->i.claim.remote.port)
		name_to_sockaddr(s->family, &u->i.claim.remote, out);
	else
		r = -ENOTCONN;
	mutex_unlock(&s->lock);
	return r;
}

static uint32_t udp_poll(struct socket *s, struct poll_table *pt)
{
	struct udp_sock *u = udp_of(s);
	uint32_t ev = EV_WRITE; /* sending never waits */

	poll_wait(pt, &s->waitq);
	mutex_lock(&s->lock);
	if (atomic_load(&s->err) || !list_empty(&u->errors))
		ev |= EV_ERR;
	if (u->shutdown & UDP_SHUT_RCV)
		ev |= EV_RDHUP | EV_READ;
	if (u->shutdown == UDP_SHUT_BOTH)
		ev |= EV_HUP;
	if (!list_empty(&u->queue))
		ev |= EV_READ;
	mutex_unlock(&s->lock);
	return ev;
}

/* What SIOCINQ tells: the size of the next datagram. */
static int next_size(struct udp_sock *u)
{
	int n = 0;

	mutex_lock(&u->i.s.lock);
	if (!list_empty(&u->queue))
		n = (int)list_first(&u->queue, struct udp_msg, link)->size;
	mutex_unlock(&u->i.s.lock);
	return n;
}

static long udp_ioctl(struct socket *s, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	int n = 0;

	switch (cmd) {
	case FIONREAD:
		n = next_size(udp_of(s));
		break;
	case SIOCOUTQ: /* it is at the receiver's already */
		break;
	default:
		return -ENOTTY;
	}
	return copy_out(ctx->mem, arg, &n, sizeof(n));
}

/* ---- options ---- */

/* udplite(7): 0, or at least the header. */
static int set_coverage(struct udp_sock *u, int name, int val)
{
	if (u->i.s.protocol != IPPROTO_UDPLITE)
		return -ENOPROTOOPT;
	if (val)
		val = MIN(MAX(val, UDP_HEADER), UINT16_MAX);
	u->coverage[name - UDPLITE_SEND_CSCOV] = val;
	return 0;
}

static int set_locked(struct udp_sock *u, int name, int val)
{
	switch (name) {
	case UDPLITE_SEND_CSCOV:
	case UDPLITE_RECV_CSCOV:
		return set_coverage(u, name, val);
	case UDP_CORK:
		u->is_corked = val;
		return 0;
	case UDP_SEGMENT:
		if (val < 0 || val > UINT16_MAX)
			return -EINVAL;
		u->segment = (uint16_t)val;
		return 0;
	case UDP_GRO: /* datagrams are never joined, which it allows */
		u->is_gro = val;
		return 0;
	case UDP_NO_CHECK6_TX:
		u->no_check6_tx = val;
		return 0;
	case UDP_NO_CHECK6_RX:
		u->no_check6_rx = val;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static bool is_own_level(int level)
{
	return level == IPPROTO_UDP || level == IPPROTO_UDPLITE;
}

static int udp_setsockopt(struct socket *s, int level, int name, const void *val, size_t size,
			  const struct vfs_ctx *ctx)
{
	struct udp_sock *u = udp_of(s);
	int n, r;

	if (!is_own_level(level)) {
		r = multicast_setsockopt(u, level, name, val, size);
		return r == -ENOPROTOOPT ? inet_setsockopt(s, level, name, val, size, ctx) : r;
	}
	if (size < sizeof(n))
		return -EINVAL;
	memcpy(&n, val, sizeof(n));
	mutex_lock(&s->lock);
	r = set_locked(u, name, n);
	mutex_unlock(&s->lock);
	if (name == UDP_CORK && !n)
		r = udp_uncork(u, ctx);
	return r;
}

static int get_locked(const struct udp_sock *u, int name)
{
	switch (name) {
	case UDPLITE_SEND_CSCOV:
	case UDPLITE_RECV_CSCOV:
		return u->coverage[name - UDPLITE_SEND_CSCOV];
	case UDP_CORK:
		return u->is_corked;
	case UDP_SEGMENT:
		return u->segment;
	case UDP_GRO:
		return u->is_gro;
	case UDP_NO_CHECK6_TX:
		return u->no_check6_tx;
	case UDP_NO_CHECK6_RX:
		return u->no_check6_rx;
	default:
		return -ENOPROTOOPT;
	}
}

static int udp_getsockopt(struct socket *s, int level, int name, void *val, size_t *size)
{
	struct udp_sock *u = udp_of(s);
	int n, r;

	if (!is_own_level(level)) {
		r = multicast_getsockopt(u, level, name, val, size);
		return r == -ENOPROTOOPT ? inet_getsockopt(s, level, name, val, size) : r;
	}
	mutex_lock(&s->lock);
	n = get_locked(u, name);
	mutex_unlock(&s->lock);
	if (n < 0)
		return -ENOPROTOOPT;
	*size = MIN(*size, sizeof(n));
	memcpy(val, &n, *size);
	return 0;
}

static const struct proto_ops udp_ops = {
	.release = udp_release,
	.destroy = udp_destroy,
	.bind = inet_bind,
	.connect = udp_connect,
	.getname = udp_getname,
	.sendmsg = udp_sendmsg,
	.recvmsg = udp_recvmsg,
	.shutdown = udp_shutdown,
	.poll = udp_poll,
	.ioctl = udp_ioctl,
	.setsockopt = udp_setsockopt,
	.getsockopt = udp_getsockopt,
};
