/*
 * Sending datagrams. Checks come in Linux's order: the size, the address, control
 * messages, the route, then what the socket itself says (an error that waits, a
 * shutdown).
 */
#include "net/inet/udp.h"

#include <linux/udp.h>
#include <string.h>
#include <time.h>

#include "abi/errno.h"
#include "base/fault.h"
#include "base/kmem.h"
#include "host/host.h"

/* What Linux charges beyond the bytes (its skb). */
#define MSG_OVERHEAD 576u
#define MSG_ALIGN 64u

/* ---- datagrams ---- */

static struct udp_msg *msg_new(size_t size)
{
	struct udp_msg *msg = FAULT_POINT("udp.message") ? NULL : kmem_alloc(sizeof(*msg) + size);

	if (!msg)
		return NULL;
	memset(msg, 0, sizeof(*msg));
	list_init(&msg->link);
	msg->size = size;
	msg->charge = (size + MSG_OVERHEAD + MSG_ALIGN - 1) & ~(size_t)(MSG_ALIGN - 1);
	return msg;
}

struct udp_msg *udp_msg_copy(const struct udp_msg *msg)
{
	struct udp_msg *copy = msg_new(msg->size);

	if (!copy)
		return NULL;
	memcpy(copy, msg, sizeof(*msg) + msg->size);
	list_init(&copy->link);
	return copy;
}

void udp_free_msgs(struct list *msgs)
{
	while (!list_empty(msgs)) {
		struct udp_msg *msg = list_first(msgs, struct udp_msg, link);

		list_del(&msg->link);
		kmem_free(msg);
	}
}

void udp_enqueue(struct udp_sock *u, struct udp_msg *msg)
{
	bool took = false;

	mutex_lock(&u->i.s.lock);
	if (!u->dead && u->queued_charge <= (size_t)u->i.s.opt.rcvbuf) {
		list_push_back(&u->queue, &msg->link);
		u->queued_charge += msg->charge;
		took = true;
	} else {
		u->drops++;
	}
	mutex_unlock(&u->i.s.lock);
	if (took)
		waitq_wake(&u->i.s.waitq, EV_IN | EV_RDNORM);
	else
		kmem_free(msg);
}

/* ---- where it goes ---- */

int udp_name_in(const struct udp_sock *u, const struct socket_addr *sa, struct inet_name *out)
{
	struct socket_addr as4;
	int family = u->i.s.family;

	if (family == AF_INET6 && sa->size >= sizeof(sa->family) && sa->family == AF_INET)
		family = AF_INET;
	if (family != AF_INET || sa->size < sizeof(struct sockaddr_in) || sa->family != AF_UNSPEC)
		return name_from_sockaddr(family, sa, out);
	as4 = *sa; /* AF_UNSPEC stands for AF_INET here */
	as4.family = AF_INET;
	return name_from_sockaddr(AF_INET, &as4, out);
}

/* IPv4's multicasts and broadcasts leave through lo when they are told to: there is
 * no other route for them. IPv6's have none at all, as with Linux's lo. */
static bool leaves_through_lo(const struct udp_sock *u, const struct udp_sending *how)
{
	if (!name_is_v4(&how->to))
		return false;
	return how->uses_lo || u->sends_to_lo || how->has_from ||
	       (name_is_v4(&u->i.bound) && name_route(&u->i.bound) == ROUTE_LOCAL);
}

static int route_to_many_locked(const struct udp_sock *u, struct udp_sending *how,
				enum inet_route route)
{
	bool is_limited = name_is_v4(&how->to) && name_v4(&how->to) == htonl(INADDR_BROADCAST);

	if ((route == ROUTE_MULTICAST || is_limited) && !leaves_through_lo(u, how))
		return -ENETUNREACH;
	if (route == ROUTE_BROADCAST && !sock_has(&u->i.s, SOCK_BIT_BROADCAST))
		return -EACCES;
	if (how->has_from)
		return 0;
	if (name_route(&u->i.bound) == ROUTE_LOCAL)
		how->from = u->i.bound;
	else if (name_is_v4(&how->to) && u->multicast_from.port) /* IP_MULTICAST_IF's address */
		how->from = u->multicast_from;
	else
		how->from = *name_loopback_for(&how->to);
	how->from.port = u->i.claim.local.port;
	return 0;
}

int udp_route_locked(const struct udp_sock *u, struct udp_sending *how)
{
	enum inet_route route = name_route(&how->to);
	struct inet_name from;
	int r;

	if (name_is_v4(&how->to) && u->i.v6only)
		return -ENETUNREACH;
	if (route == ROUTE_MULTICAST || route == ROUTE_BROADCAST)
		return route_to_many_locked(u, how, route);
	r = inet_route_locked(&u->i, &how->to, &from);
	if (r == 0 && !how->has_from)
		how->from = from;
	how->from.port = u->i.claim.local.port;
	return r;
}

/* ---- control messages (ip(7), ipv6(7)) ---- */

static int source_set(struct udp_sending *how, const struct inet_name *from, int index)
{
	enum inet_route route = name_route(from);

	if (index && index != LOOPBACK_INDEX)
		return -ENODEV;
	how->uses_lo = index;
	if (route == ROUTE_ANY)
		return 0;
	if (route != ROUTE_LOCAL)
		return name_is_v4(from) ? -ENETUNREACH : -EINVAL;
	how->from = *from;
	how->has_from = true;
	return 0;
}

static int pktinfo4(struct udp_sending *how, const void *data, size_t size)
{
	struct in_pktinfo info;
	struct inet_name from;

	if (size != sizeof(info))
		return -EINVAL;
	memcpy(&info, data, sizeof(info));
	from = name_from_v4(info.ipi_spec_dst.s_addr, 0);
	return source_set(how, &from, info.ipi_ifindex);
}

static int pktinfo6(struct udp_sending *how, const void *data, size_t size)
{
	struct in6_pktinfo info;
	struct inet_name from = { 0 };

	if (size < sizeof(info))
		return -EINVAL;
	memcpy(&info, data, sizeof(info));
	memcpy(from.addr, &info.ipi6_addr, sizeof(from.addr));
	return source_set(how, &from, (int)info.ipi6_ifindex);
}

static int small_number(const void *data, size_t size, int min, uint8_t *out)
{
	int n;

	if (size != sizeof(n))
		return -EINVAL;
	memcpy(&n, data, sizeof(n));
	if (n < min || n > 255)
		return -EINVAL;
	if (n >= 0)
		*out = (uint8_t)n;
	return 0;
}

static int control4(struct udp_sending *how, int type, const void *data, size_t size)
{
	switch (type) {
	case IP_PKTINFO:
		return pktinfo4(how, data, size);
	case IP_TTL:
		return small_number(data, size, 1, &how->hops);
	case IP_TOS:
		if (size == 1) {
			memcpy(&how->tos, data, 1);
			return 0;
		}
		return small_number(data, size, 0, &how->tos);
	case IP_RETOPTS:
		return 0;
	default:
		return -EINVAL;
	}
}

static int control6(struct udp_sending *how, int type, const void *data, size_t size)
{
	switch (type) {
	case IPV6_PKTINFO:
	case IPV6_2292PKTINFO:
		return pktinfo6(how, data, size);
	case IPV6_HOPLIMIT:
	case IPV6_2292HOPLIMIT:
		return small_number(data, size, -1, &how->hops);
	case IPV6_TCLASS:
		return small_number(data, size, -1, &how->tos);
	case IPV6_DONTFRAG:
		return size == sizeof(int) ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static int control_udp(struct udp_sending *how, int type, const void *data, size_t size)
{
	uint16_t segment;

	if (type != UDP_SEGMENT || size != sizeof(segment))
		return -EINVAL;
	memcpy(&segment, data, sizeof(segment));
	how->segment = segment;
	return 0;
}

static int control_in(struct udp_sending *how, const struct socket_control *c)
{
	const struct abi_cmsghdr *h;
	size_t at = 0;
	int r = 0;

	while (r == 0 && (h = socket_control_next(c, &at))) {
		size_t size = h->len - sizeof(*h);
		bool v4 = name_is_v4(&how->to);

		if (h->level == SOL_SOCKET)
			r = h->type == SO_MARK ? -EPERM : -EINVAL;
		else if (h->level == IPPROTO_UDP)
			r = control_udp(how, h->type, h + 1, size);
		else if (h->level == IPPROTO_IP && v4)
			r = control4(how, h->type, h + 1, size);
		else if (h->level == IPPROTO_IPV6 && (!v4 || h->type == IPV6_PKTINFO))
			r = control6(how, h->type, h + 1, size);
	}
	return r;
}

/* ---- sending ---- */

static void defaults_locked(const struct udp_sock *u, struct udp_sending *how)
{
	bool v4 = name_is_v4(&how->to), many = name_route(&how->to) == ROUTE_MULTICAST;
	enum inet_option hops = v4 ? (many ? IP4_MULTICAST_TTL : IP4_TTL)
				   : (many ? IP6_MULTICAST_HOPS : IP6_UNICAST_HOPS);

	how->hops = (uint8_t)inet_option(&u->i, hops);
	how->tos = (uint8_t)inet_option(&u->i, v4 ? IP4_TOS : IP6_TCLASS);
	how->segment = u->segment;
}

/* Who gets it; takes msg. */
static void deliver(struct udp_sock *u, struct udp_msg *msg)
{
	enum inet_route route = name_route(&msg->to);
	struct socket *to;

	msg->time_ns = host_clock_ns(CLOCK_REALTIME);
	if (route == ROUTE_MULTICAST || route == ROUTE_BROADCAST) {
		multicast_deliver(inet_ports(&u->i), msg);
		return;
	}
	to = claim_find_receiver(inet_ports(&u->i), &msg->to, &msg->from);
	if (to)
		udp_enqueue(udp_of(to), msg);
	else
		udp_refused(u, msg);
	socket_put(to);
}

static struct udp_msg *msg_for(const struct udp_sending *how, size_t size)
{
	struct udp_msg *msg = msg_new(size);

	if (!msg)
		return NULL;
	msg->from = how->from;
	msg->to = how->to;
	msg->hops = how->hops;
	msg->tos = how->tos;
	return msg;
}

/* One datagram, or several of a segment each (UDP_SEGMENT). */
static ssize_t send_bytes(struct udp_sock *u, const struct udp_sending *how, struct uio *data)
{
	size_t whole = data->remaining, part = how->segment ? how->segment : whole;

	if (how->segment && whole > part * UDP_SEGMENTS_MAX)
		return -EINVAL;
	do {
		size_t size = MIN(part, data->remaining);
		struct udp_msg *msg = msg_for(how, size);
		ssize_t r;

		if (!msg)
			return -ENOBUFS;
		r = size ? uio_read(data, msg->data, size) : 0;
		if (r < (ssize_t)size) {
			kmem_free(msg);
			return -EFAULT;
		}
		deliver(u, msg);
	} while (data->remaining);
	return (ssize_t)whole;
}

/* Keeps the bytes for a later send (UDP_CORK, MSG_MORE). */
static ssize_t keep(struct udp_sock *u, const struct udp_sending *how, struct uio *data)
{
	size_t n = data->remaining, max = name_is_v4(&how->to) ? UDP_SIZE_MAX4 : UDP_SIZE_MAX6;
	uint8_t *bytes = kmem_alloc(n), *grown;
	ssize_t r = (ssize_t)n;

	if (!bytes)
		return -ENOBUFS;
	if (n && uio_read(data, bytes, n) < (ssize_t)n) {
		kmem_free(bytes);
		return -EFAULT;
	}
	mutex_lock(&u->i.s.lock);
	grown = u->cork_size + n > max ? NULL : kmem_alloc(u->cork_size + n);
	if (grown) {
		if (!u->cork)
			u->cork_to = how->to;
		else
			memcpy(grown, u->cork, u->cork_size);
		memcpy(grown + u->cork_size, bytes, n);
		kmem_free(u->cork);
		u->cork = grown;
		u->cork_size += n;
	} else {
		r = u->cork_size + n > max ? -EMSGSIZE : -ENOBUFS;
	}
	mutex_unlock(&u->i.s.lock);
	kmem_free(bytes);
	return r;
}

int udp_uncork(struct udp_sock *u, const struct vfs_ctx *ctx UNUSED)
{
	struct udp_sending how = { 0 };
	struct uio_seg seg;
	struct uio data;
	uint8_t *bytes;
	size_t size;
	ssize_t r = 0;

	mutex_lock(&u->i.s.lock);
	bytes = u->cork;
	size = u->cork_size;
	u->cork = NULL;
	u->cork_size = 0;
	if (bytes) {
		how.to = u->cork_to;
		defaults_locked(u, &how);
		r = udp_route_locked(u, &how);
	}
	mutex_unlock(&u->i.s.lock);
	if (bytes && r == 0) {
		uio_init_kernel(&data, &seg, UIO_FROM_USER, bytes, size);
		r = send_bytes(u, &how, &data);
	}
	kmem_free(bytes);
	return r < 0 ? (int)r : 0;
}

/* The destination: as given, or the peer. => s.lock */
static int destination_locked(struct udp_sock *u, const struct socket_msg *m, struct inet_name *to)
{
	const struct socket_addr *name = m->name && m->name->size ? m->name : NULL;
	int r;

	if (name && u->i.s.family == AF_INET6 && name->size >= sizeof(name->family) &&
	    name->family == AF_UNSPEC)
		name = NULL;
	if (u->cork) {
		*to = u->cork_to;
		return 0;
	}
	if (!name) {
		*to = u->i.claim.remote;
		return u->is_connected ? 0 : -EDESTADDRREQ;
	}
	r = udp_name_in(u, name, to);
	return r < 0 ? r : to->port ? 0 : -EINVAL;
}

/* => s.lock */
static int prepare_locked(struct udp_sock *u, const struct socket_msg *m, struct udp_sending *how,
			  const struct vfs_ctx *ctx)
{
	int r = inet_autobind_locked(&u->i, ctx); /* also when nothing is sent */

	if (r == 0)
		r = destination_locked(u, m, &how->to);
	if (r < 0)
		return r;
	defaults_locked(u, how);
	if (m->control)
		r = control_in(how, m->control);
	if (r == 0)
		r = udp_route_locked(u, how);
	if (r == 0)
		r = sock_take_error(&u->i.s);
	if (r == 0 && (u->shutdown & UDP_SHUT_SND))
		r = -EPIPE;
	return r;
}

ssize_t udp_sendmsg(struct socket *s, struct socket_msg *m, unsigned flags, struct sock_wait *w)
{
	struct udp_sock *u = udp_of(s);
	struct udp_sending how = { 0 };
	bool is_kept, has_cork;
	ssize_t n;
	int r;

	if (m->data->remaining > UINT16_MAX)
		return -EMSGSIZE;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	mutex_lock(&s->lock);
	r = prepare_locked(u, m, &how, w->ctx);
	is_kept = u->is_corked || (flags & MSG_MORE);
	has_cork = u->cork;
	mutex_unlock(&s->lock);
	if (r < 0)
		return r;
	if (m->data->remaining > (name_is_v4(&how.to) ? UDP_SIZE_MAX4 : UDP_SIZE_MAX6))
		return -EMSGSIZE;
	if (!is_kept && !has_cork)
		return send_bytes(u, &how, m->data);
	n = keep(u, &how, m->data);
	if (n >= 0 && !is_kept)
		r = udp_uncork(u, w->ctx);
	return r < 0 ? r : n;
}
