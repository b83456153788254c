/*
 * Receiving datagrams. An error that waits goes before data, as in Linux.
 *
 * Beside the bytes a receiver may ask, with options of its own, where a datagram was
 * sent to and how; each answer is a control message.
 */
#include "net/inet/udp.h"

#include <string.h>

#include "abi/errno.h"
#include "base/kmem.h"

/* ---- control messages ---- */

static bool wants(const struct udp_sock *u, enum inet_option o)
{
	return u->i.opt[o];
}

static void describe4(const struct udp_sock *u, const struct udp_msg *msg, struct socket_control *c)
{
	struct in_pktinfo info = { .ipi_ifindex = LOOPBACK_INDEX };
	int hops = msg->hops;

	if (wants(u, IP4_PKTINFO)) {
		info.ipi_addr.s_addr = name_v4(&msg->to);
		info.ipi_spec_dst.s_addr = name_route(&msg->to) == ROUTE_LOCAL
						   ? info.ipi_addr.s_addr
						   : htonl(INADDR_LOOPBACK);
		socket_control_add(c, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	}
	if (wants(u, IP4_RECVTTL))
		socket_control_add(c, IPPROTO_IP, IP_TTL, &hops, sizeof(hops));
	if (wants(u, IP4_RECVTOS))
		socket_control_add(c, IPPROTO_IP, IP_TOS, &msg->tos, sizeof(msg->tos));
	if (wants(u, IP4_RECVORIGDSTADDR)) {
		struct socket_addr to;

		name_to_sockaddr(AF_INET, &msg->to, &to);
		socket_control_add(c, IPPROTO_IP, IP_RECVORIGDSTADDR, to.bytes, to.size);
	}
}

static void pktinfo6(const struct udp_msg *msg, int type, struct socket_control *c)
{
	struct in6_pktinfo info = { .ipi6_ifindex = LOOPBACK_INDEX };

	memcpy(&info.ipi6_addr, msg->to.addr, sizeof(msg->to.addr));
	socket_control_add(c, IPPROTO_IPV6, type, &info, sizeof(info));
}

static void describe6(const struct udp_sock *u, const struct udp_msg *msg, struct socket_control *c)
{
	int hops = msg->hops, class = msg->tos;

	if (wants(u, IP6_RECVHOPLIMIT))
		socket_control_add(c, IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops));
	if (wants(u, IP6_RECVTCLASS))
		socket_control_add(c, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class));
	if (wants(u, IP6_2292PKTINFO))
		pktinfo6(msg, IPV6_2292PKTINFO, c);
	if (wants(u, IP6_2292HOPLIMIT))
		socket_control_add(c, IPPROTO_IPV6, IPV6_2292HOPLIMIT, &hops, sizeof(hops));
	if (wants(u, IP6_RECVORIGDSTADDR)) {
		struct socket_addr to;

		name_to_sockaddr(AF_INET6, &msg->to, &to);
		socket_control_add(c, IPPROTO_IPV6, IPV6_ORIGDSTADDR, to.bytes, to.size);
	}
}

void udp_describe_locked(const struct udp_sock *u, const struct udp_msg *msg,
			 struct socket_control *c)
{
	if (!c)
		return;
	if (wants(u, IP6_RECVPKTINFO) && u->i.s.family == AF_INET6)
		pktinfo6(msg, IPV6_PKTINFO, c);
	if (name_is_v4(&msg->to))
		describe4(u, msg, c);
	else
		describe6(u, msg, c);
}

/* ---- receiving ---- */

/* The first datagram, or NULL and why. => read_lock */
static struct udp_msg *first_msg(struct udp_sock *u, bool nonblock, int *why)
{
	struct udp_msg *msg = NULL;

	mutex_lock(&u->i.s.lock);
	*why = sock_take_error(&u->i.s);
	if (*why == 0) {
		*why = -EAGAIN;
		if (!list_empty(&u->queue))
			msg = list_first(&u->queue, struct udp_msg, link);
		else if ((u->shutdown & UDP_SHUT_RCV) && !nonblock)
			*why = 0;
	}
	mutex_unlock(&u->i.s.lock);
	return msg;
}

/* => read_lock */
static ssize_t read_msg(struct udp_sock *u, const struct udp_msg *msg, struct socket_msg *m,
			unsigned flags)
{
	size_t n = MIN(msg->size, m->data->remaining);
	ssize_t r = n ? uio_write(m->data, msg->data, n) : 0;

	if (r < (ssize_t)n)
		return -EFAULT;
	if (n < msg->size)
		m->flags |= MSG_TRUNC;
	if (m->name)
		name_to_sockaddr(u->i.s.family, &msg->from, m->name);
	mutex_lock(&u->i.s.lock);
	if (m->control)
		sock_describe(&u->i.s, msg->time_ns, u->drops, m->control);
	udp_describe_locked(u, msg, m->control);
	mutex_unlock(&u->i.s.lock);
	return (ssize_t)(flags & MSG_TRUNC ? msg->size : n);
}

static void take_off(struct udp_sock *u, struct udp_msg *msg)
{
	mutex_lock(&u->i.s.lock);
	list_del(&msg->link);
	u->queued_charge -= msg->charge;
	mutex_unlock(&u->i.s.lock);
}

ssize_t udp_recvmsg(struct socket *s, struct socket_msg *m, unsigned flags, struct sock_wait *w)
{
	struct udp_sock *u = udp_of(s);
	struct udp_msg *msg;
	ssize_t r;
	int why;

	if (flags & MSG_ERRQUEUE)
		return udp_recv_error(u, m);
	for (;;) {
		mutex_lock(&s->read_lock);
		msg = first_msg(u, w->nonblock, &why);
		if (msg)
			break;
		mutex_unlock(&s->read_lock);
		if (why != -EAGAIN)
			return why;
		why = sock_wait(w, &s->waitq, EV_IN);
		if (why < 0)
			return why;
	}
	r = read_msg(u, msg, m, flags);
	if (!(flags & MSG_PEEK))
		take_off(u, msg);
	mutex_unlock(&s->read_lock);
	if (!(flags & MSG_PEEK))
		kmem_free(msg);
	return r;
}
