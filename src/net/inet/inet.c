/* What TCP and UDP share. See inet.h. */
#include "net/inet/inet.h"

#include <string.h>

#include "abi/errno.h"

/* ---- making ---- */

void inet_init(struct inet_sock *i)
{
	claim_init(&i->claim, &i->s);
	i->bound = *inet_any(i);
	i->is_port_fixed = i->v6only = false;
	inet_options_init(i);
}

const struct inet_name *inet_any(const struct inet_sock *i)
{
	return i->s.family == AF_INET ? &name_any4 : &name_any6;
}

/* socket(7) as inet_create() of Linux: the type is known first, then the protocol. */
static int create(int family, int type, int protocol, struct socket **out)
{
	if (protocol < 0 || protocol >= IPPROTO_MAX)
		return -EINVAL;
	switch (type) {
	case SOCK_STREAM:
		if (protocol && protocol != IPPROTO_TCP)
			return -EPROTONOSUPPORT;
		return tcp_create(family, IPPROTO_TCP, out);
	case SOCK_DGRAM:
		if (protocol == (family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
			return -EACCES; /* net.ipv4.ping_group_range is empty */
		if (protocol && protocol != IPPROTO_UDP && protocol != IPPROTO_UDPLITE)
			return -EPROTONOSUPPORT;
		return udp_create(family, protocol ? protocol : IPPROTO_UDP, out);
	case SOCK_RAW:
		return protocol ? -EPERM : -EPROTONOSUPPORT; /* as without CAP_NET_RAW */
	default:
		return -ESOCKTNOSUPPORT;
	}
}

static int create4(int type, int protocol, struct socket **out)
{
	return create(AF_INET, type, protocol, out);
}

static int create6(int type, int protocol, struct socket **out)
{
	return create(AF_INET6, type, protocol, out);
}

const struct net_family inet_family = { AF_INET, create4 };
const struct net_family inet6_family = { AF_INET6, create6 };

/* ---- bind ---- */

static int bind_name4(const struct socket_addr *addr, struct inet_name *out)
{
	struct sockaddr_in sin;

	if (addr->size < sizeof(sin))
		return -EINVAL;
	memcpy(&sin, addr->bytes, sizeof(sin));
	if (sin.sin_family != AF_INET &&
	    (sin.sin_family != AF_UNSPEC || sin.sin_addr.s_addr != htonl(INADDR_ANY)))
		return -EAFNOSUPPORT;
	*out = name_from_v4(sin.sin_addr.s_addr, ntohs(sin.sin_port));
	return 0;
}

/* May a socket be bound to the address? */
static int bind_check_addr(const struct inet_sock *i, const struct inet_name *n)
{
	bool is_mapped = i->s.family == AF_INET6 && name_is_v4(n);

	if (is_mapped && i->v6only)
		return -EINVAL;
	switch (name_route(n)) {
	case ROUTE_ANY:
	case ROUTE_LOCAL:
		return 0;
	case ROUTE_MULTICAST:
		return i->s.family == AF_INET6 && i->s.type == SOCK_STREAM ? -EINVAL : 0;
	case ROUTE_BROADCAST:
		return is_mapped ? -EADDRNOTAVAIL : 0;
	case ROUTE_LINK_LOCAL:
		return -EINVAL; /* without the number of an interface */
	default:
		return i->opt[IP4_FREEBIND] || i->opt[IP4_TRANSPARENT] || i->opt[IP6_FREEBIND] ||
				       i->opt[IP6_TRANSPARENT]
			       ? 0
			       : -EADDRNOTAVAIL;
	}
}

static int bind_locked(struct inet_sock *i, const struct inet_name *n, const struct vfs_ctx *ctx)
{
	int r;

	r = bind_check_addr(i, n);
	if (r < 0)
		return r;
	if (n->port && n->port < PRIVILEGED_PORTS && !cred_has_cap(ctx->cred, CAP_NET_BIND_SERVICE))
		return -EACCES;
	if (i->claim.kind != CLAIM_NONE)
		return -EINVAL;
	if (!n->port && i->opt[IP4_BIND_ADDRESS_NO_PORT]) { /* connect chooses it */
		i->bound = i->claim.local = *n;
		return 0;
	}
	r = claim_bind(inet_ports(i), &i->claim, n, i->v6only, ctx->cred->fsuid);
	if (r < 0)
		return r;
	i->bound = i->claim.local;
	i->is_port_fixed = n->port != 0;
	return 0;
}

int inet_bind(struct socket *s, const struct socket_addr *addr, const struct vfs_ctx *ctx)
{
	struct inet_sock *i = inet_of(s);
	struct inet_name n;
	int r = s->family == AF_INET ? bind_name4(addr, &n)
				     : name_from_sockaddr(AF_INET6, addr, &n);

	if (r < 0)
		return r;
	mutex_lock(&s->lock);
	r = bind_locked(i, &n, ctx);
	mutex_unlock(&s->lock);
	return r;
}

int inet_autobind_locked(struct inet_sock *i, const struct vfs_ctx *ctx)
{
	mutex_assert_held(&i->s.lock);
	if (i->claim.kind != CLAIM_NONE)
		return 0;
	return claim_bind(inet_ports(i), &i->claim, inet_any(i), i->v6only, ctx->cred->fsuid);
}

void inet_unclaim_locked(struct inet_sock *i)
{
	mutex_assert_held(&i->s.lock);
	if (i->is_port_fixed)
		claim_disconnect(inet_ports(i), &i->claim, &i->bound);
	else
		claim_drop(inet_ports(i), &i->claim);
}

void inet_inherit(struct inet_sock *child, const struct inet_sock *listener)
{
	child->v6only = listener->v6only;
	memcpy(child->opt, listener->opt, sizeof(child->opt));
}

/* ---- routes ---- */

int inet_route_locked(const struct inet_sock *i, struct inet_name *to, struct inet_name *from)
{
	const struct inet_name *local = &i->bound;
	bool has_local = !name_is_any(local);
	enum inet_route route = name_route(to);

	mutex_assert_held(&i->s.lock);
	if (route == ROUTE_ANY) {
		const struct inet_name *self = name_loopback_for(to);

		if (has_local && name_is_v4(local))
			self = name_is_v4(to) ? local : &name_loopback4;
		memcpy(to->addr, self->addr, sizeof(to->addr));
		route = ROUTE_LOCAL;
	}
	if (name_is_v4(to) && i->v6only)
		return -ENETUNREACH;
	if (has_local && name_is_v4(local) != name_is_v4(to))
		return name_is_v4(to) ? -EINVAL : -ENETUNREACH;
	if (route == ROUTE_LINK_LOCAL)
		return -EINVAL;
	if (route != ROUTE_LOCAL)
		return -ENETUNREACH;
	*from = has_local ? *local : *name_loopback_for(to);
	return 0;
}
