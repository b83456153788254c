/*
 * Options of levels IPPROTO_IP and IPPROTO_IPV6 (ip(7), ipv6(7)): a table says what
 * each may be. An IPv6 socket has both levels, as in Linux.
 */
#include <linux/in6.h>
#include <netinet/in.h>
#include <string.h>

#include "abi/errno.h"
#include "net/inet/inet.h"

/* Newer than the C library's headers. */
#ifndef IP_RECVERR_RFC4884
#define IP_RECVERR_RFC4884 26
#endif
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif
#ifndef IPV6_RECVERR_RFC4884
#define IPV6_RECVERR_RFC4884 31
#endif

#define HOPS_DEFAULT 64
#define ECN_MASK 3

#define RULE_FLAG 1u       /* 0 or 1, whatever is given */
#define RULE_NOT_STREAM 2u /* not for TCP: -EINVAL, of IPv6 -ENOPROTOOPT */
#define RULE_ADMIN 4u      /* to be set by CAP_NET_ADMIN or CAP_NET_RAW */
#define RULE_DEFAULT 8u    /* -1 stands for the default */
#define RULE_UNBOUND 16u   /* before bind only */

struct option_rule {
	int level, name;
	int min, max, initial;
	unsigned flags;
};

#define IP(name, ...) IPPROTO_IP, IP_##name, __VA_ARGS__
#define IP6(name, ...) IPPROTO_IPV6, IPV6_##name, __VA_ARGS__
#define FLAG 0, 1, 0, RULE_FLAG
#define ANY INT32_MIN, INT32_MAX

static const struct option_rule rules[] = {
	[IP4_TOS] = { IP(TOS, ANY, 0, 0) },
	[IP4_TTL] = { IP(TTL, 1, 255, -1, RULE_DEFAULT) },
	[IP4_RECVOPTS] = { IP(RECVOPTS, FLAG) },
	[IP4_RETOPTS] = { IP(RETOPTS, FLAG) },
	[IP4_PKTINFO] = { IP(PKTINFO, FLAG) },
	[IP4_MTU_DISCOVER] = { IP(MTU_DISCOVER, 0, 5, 1, 0) },
	[IP4_RECVERR] = { IP(RECVERR, FLAG) },
	[IP4_RECVTTL] = { IP(RECVTTL, FLAG) },
	[IP4_RECVTOS] = { IP(RECVTOS, FLAG) },
	[IP4_FREEBIND] = { IP(FREEBIND, FLAG) },
	[IP4_PASSSEC] = { IP(PASSSEC, FLAG) },
	[IP4_TRANSPARENT] = { IP(TRANSPARENT, 0, 1, 0, RULE_FLAG | RULE_ADMIN) },
	[IP4_RECVORIGDSTADDR] = { IP(RECVORIGDSTADDR, FLAG) },
	[IP4_MINTTL] = { IP(MINTTL, 0, 255, 0, 0) },
	[IP4_CHECKSUM] = { IP(CHECKSUM, FLAG) },
	[IP4_BIND_ADDRESS_NO_PORT] = { IP(BIND_ADDRESS_NO_PORT, FLAG) },
	[IP4_RECVFRAGSIZE] = { IP(RECVFRAGSIZE, 0, 1, 0, RULE_NOT_STREAM) },
	[IP4_RECVERR_RFC4884] = { IP(RECVERR_RFC4884, 0, 1, 0, 0) },
	[IP4_MULTICAST_TTL] = { IP(MULTICAST_TTL, 0, 255, 1, RULE_NOT_STREAM | RULE_DEFAULT) },
	[IP4_MULTICAST_LOOP] = { IP(MULTICAST_LOOP, 0, 1, 1, RULE_FLAG) },
	[IP4_MULTICAST_ALL] = { IP(MULTICAST_ALL, 0, 1, 1, 0) },
	[IP4_UNICAST_IF] = { IP(UNICAST_IF, ANY, 0, 0) },
	[IP6_2292PKTINFO] = { IP6(2292PKTINFO, FLAG) },
	[IP6_2292HOPOPTS] = { IP6(2292HOPOPTS, FLAG) },
	[IP6_2292DSTOPTS] = { IP6(2292DSTOPTS, FLAG) },
	[IP6_2292RTHDR] = { IP6(2292RTHDR, FLAG) },
	[IP6_2292HOPLIMIT] = { IP6(2292HOPLIMIT, FLAG) },
	[IP6_FLOWINFO] = { IP6(FLOWINFO, FLAG) },
	[IP6_UNICAST_HOPS] = { IP6(UNICAST_HOPS, 0, 255, -1, RULE_DEFAULT) },
	[IP6_MULTICAST_IF] = { IP6(MULTICAST_IF, ANY, 0, RULE_NOT_STREAM) },
	[IP6_MULTICAST_HOPS] = { IP6(MULTICAST_HOPS, 0, 255, -1, RULE_NOT_STREAM | RULE_DEFAULT) },
	[IP6_MULTICAST_LOOP] = { IP6(MULTICAST_LOOP, 0, 1, 1, 0) },
	[IP6_MTU_DISCOVER] = { IP6(MTU_DISCOVER, 0, 5, 1, 0) },
	[IP6_RECVERR] = { IP6(RECVERR, FLAG) },
	[IP6_V6ONLY] = { IP6(V6ONLY, 0, 1, 0, RULE_FLAG | RULE_UNBOUND) },
	[IP6_MULTICAST_ALL] = { IP6(MULTICAST_ALL, 0, 1, 1, 0) },
	[IP6_RECVERR_RFC4884] = { IP6(RECVERR_RFC4884, 0, 1, 0, 0) },
	[IP6_FLOWINFO_SEND] = { IP6(FLOWINFO_SEND, FLAG) },
	[IP6_RECVPKTINFO] = { IP6(RECVPKTINFO, FLAG) },
	[IP6_RECVHOPLIMIT] = { IP6(RECVHOPLIMIT, FLAG) },
	[IP6_RECVHOPOPTS] = { IP6(RECVHOPOPTS, FLAG) },
	[IP6_RECVRTHDR] = { IP6(RECVRTHDR, FLAG) },
	[IP6_RECVDSTOPTS] = { IP6(RECVDSTOPTS, FLAG) },
	[IP6_RECVPATHMTU] = { IP6(RECVPATHMTU, FLAG) },
	[IP6_DONTFRAG] = { IP6(DONTFRAG, FLAG) },
	[IP6_RECVTCLASS] = { IP6(RECVTCLASS, FLAG) },
	[IP6_TCLASS] = { IP6(TCLASS, 0, 255, -1, RULE_DEFAULT) },
	[IP6_AUTOFLOWLABEL] = { IP6(AUTOFLOWLABEL, 0, 1, 1, RULE_FLAG) },
	[IP6_MINHOPCOUNT] = { IP6(MINHOPCOUNT, 0, 255, 0, 0) },
	[IP6_RECVORIGDSTADDR] = { IP6(RECVORIGDSTADDR, FLAG) },
	[IP6_TRANSPARENT] = { IP6(TRANSPARENT, 0, 1, 0, RULE_FLAG | RULE_ADMIN) },
	[IP6_UNICAST_IF] = { IP6(UNICAST_IF, ANY, 0, 0) },
	[IP6_RECVFRAGSIZE] = { IP6(RECVFRAGSIZE, FLAG) },
	[IP6_FREEBIND] = { IP6(FREEBIND, FLAG) },
};
_Static_assert(ARRAY_SIZE(rules) == INET_OPTIONS, "a rule for each");

void inet_options_init(struct inet_sock *i)
{
	for (unsigned o = 0; o < INET_OPTIONS; o++)
		i->opt[o] = rules[o].initial;
}

int inet_option(const struct inet_sock *i, enum inet_option o)
{
	int val = i->opt[o];

	if (val >= 0 || !(rules[o].flags & RULE_DEFAULT))
		return val;
	return o == IP6_TCLASS ? 0 : o == IP6_MULTICAST_HOPS ? 1 : HOPS_DEFAULT;
}

static int find(int level, int name)
{
	for (int o = 0; o < INET_OPTIONS; o++) {
		if (rules[o].level == level && rules[o].name == name)
			return o;
	}
	return -1;
}

/* ---- setting ---- */

static int check(const struct inet_sock *i, const struct option_rule *rule, int val,
		 const struct vfs_ctx *ctx)
{
	if ((rule->flags & RULE_NOT_STREAM) && i->s.type == SOCK_STREAM)
		return rule->level == IPPROTO_IP ? -EINVAL : -ENOPROTOOPT;
	if ((rule->flags & RULE_ADMIN) && val && !cred_has_cap(ctx->cred, CAP_NET_ADMIN) &&
	    !cred_has_cap(ctx->cred, CAP_NET_RAW))
		return -EPERM;
	if ((rule->flags & RULE_UNBOUND) && i->claim.kind != CLAIM_NONE)
		return -EINVAL;
	if ((rule->flags & RULE_DEFAULT) && val == -1)
		return 0;
	if (!(rule->flags & RULE_FLAG) && (val < rule->min || val > rule->max))
		return -EINVAL;
	return 0;
}

static int set_locked(struct inet_sock *i, int o, int val, const struct vfs_ctx *ctx)
{
	int r = check(i, &rules[o], val, ctx);

	if (r < 0)
		return r;
	if (rules[o].flags & RULE_FLAG)
		val = !!val;
	if (o == IP4_TOS)
		val = (val & 0xff & ~ECN_MASK) | (i->s.type == SOCK_STREAM ? 0 : val & ECN_MASK);
	if (o == IP4_MULTICAST_TTL && val == -1)
		val = 1;
	if (o == IP6_MULTICAST_IF && val != 0 && val != LOOPBACK_INDEX)
		return -ENODEV;
	i->opt[o] = val;
	if (o == IP6_V6ONLY)
		i->v6only = val;
	return 0;
}

/* IPPROTO_IP takes a byte for a number. */
static int number_in(int level, const void *val, size_t size, int *out)
{
	uint8_t byte;

	if (size >= sizeof(*out)) {
		memcpy(out, val, sizeof(*out));
		return 0;
	}
	if (level != IPPROTO_IP || !size)
		return -EINVAL;
	memcpy(&byte, val, 1);
	*out = byte;
	return 0;
}

int inet_setsockopt(struct socket *s, int level, int name, const void *val, size_t size,
		    const struct vfs_ctx *ctx)
{
	int o = find(level, name), n, r;

	if (level == IPPROTO_IP && s->type == SOCK_STREAM) {
		if (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP)
			return -EPROTO;
		if (name == IP_MULTICAST_IF)
			return -EINVAL;
	}
	if (o < 0 || (level == IPPROTO_IPV6 && s->family != AF_INET6))
		return -ENOPROTOOPT;
	r = number_in(level, val, size, &n);
	if (r < 0)
		return r;
	mutex_lock(&s->lock);
	r = set_locked(inet_of(s), o, n, ctx);
	mutex_unlock(&s->lock);
	return r;
}

/* ---- getting ---- */

static int mtu_locked(const struct inet_sock *i)
{
	return i->claim.remote.port ? LOOPBACK_MTU : -ENOTCONN;
}

static int number_locked(struct inet_sock *i, int level, int name, int *out)
{
	int o = find(level, name);

	if (level == IPPROTO_IPV6 && i->s.family != AF_INET6)
		return -ENOPROTOOPT;
	if ((level == IPPROTO_IP && name == IP_MTU) ||
	    (level == IPPROTO_IPV6 && name == IPV6_MTU)) {
		*out = mtu_locked(i);
		return *out < 0 ? *out : 0;
	}
	if (o < 0)
		return -ENOPROTOOPT;
	*out = inet_option(i, o);
	return 0;
}

int inet_getsockopt(struct socket *s, int level, int name, void *val, size_t *size)
{
	int n = 0, r;

	if (level == IPPROTO_IP && name == IP_OPTIONS) { /* none are ever sent */
		*size = 0;
		return 0;
	}
	mutex_lock(&s->lock);
	r = number_locked(inet_of(s), level, name, &n);
	mutex_unlock(&s->lock);
	if (r < 0)
		return r;
	if (level == IPPROTO_IP && *size > 0 && *size < sizeof(n) && n >= 0 && n <= 255)
		*size = 1;
	*size = MIN(*size, sizeof(n));
	memcpy(val, &n, *size);
	return 0;
}
