/*
 * Datagrams that nobody takes. What ICMP would bring back (port unreachable) is an
 * error of the sender at once: of a connected socket always, of others when they ask
 * for errors (IP_RECVERR, IPV6_RECVERR), which then also wait, each with a copy of
 * what was sent, on the error queue (ip(7)).
 */
#include "net/inet/udp.h"

#include <string.h>
#include <time.h>
/* needs struct timespec */
#include <linux/errqueue.h>
#include <linux/icmp.h>

#include "abi/errno.h"
#include "base/kmem.h"

/* What ICMP quotes of a datagram: 576 bytes or 1280 in all, less the headers. */
#define QUOTED4 520u
#define QUOTED6 1184u
#define ICMP6_UNREACHABLE 1
#define ICMP6_PORT 4

void udp_refused(struct udp_sock *u, struct udp_msg *msg)
{
	bool v4 = name_is_v4(&msg->to), asks, tell;

	mutex_lock(&u->i.s.lock);
	asks = u->i.opt[v4 ? IP4_RECVERR : IP6_RECVERR];
	tell = asks || u->is_connected;
	if (asks && u->nr_errors < UDP_ERRORS_MAX && !u->dead) {
		msg->size = MIN(msg->size, v4 ? QUOTED4 : QUOTED6);
		list_push_back(&u->errors, &msg->link);
		u->nr_errors++;
		msg = NULL;
	}
	if (tell)
		atomic_store(&u->i.s.err, ECONNREFUSED);
	mutex_unlock(&u->i.s.lock);
	kmem_free(msg);
	if (tell)
		waitq_wake_all(&u->i.s.waitq, EV_ERR);
}

/* The error as a control message: what happened, and who said so. */
static void describe_error(const struct udp_msg *msg, struct socket_control *c)
{
	struct {
		struct sock_extended_err ee;
		uint8_t offender[sizeof(struct sockaddr_in6)];
	} e = { .ee = { .ee_errno = ECONNREFUSED } };
	bool v4 = name_is_v4(&msg->to);
	struct inet_name by = msg->to;
	struct socket_addr sa;

	e.ee.ee_origin = v4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6;
	e.ee.ee_type = v4 ? ICMP_DEST_UNREACH : ICMP6_UNREACHABLE;
	e.ee.ee_code = v4 ? ICMP_PORT_UNREACH : ICMP6_PORT;
	by.port = 0;
	name_to_sockaddr(v4 ? AF_INET : AF_INET6, &by, &sa);
	memcpy(e.offender, sa.bytes, sa.size);
	socket_control_add(c, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &e,
			   sizeof(e.ee) + sa.size);
}

ssize_t udp_recv_error(struct udp_sock *u, struct socket_msg *m)
{
	struct udp_msg *msg = NULL;
	size_t n;
	ssize_t r;

	mutex_lock(&u->i.s.lock);
	if (!list_empty(&u->errors)) {
		msg = list_first(&u->errors, struct udp_msg, link);
		list_del(&msg->link);
		u->nr_errors--;
		/* The pending error is that of the next one. */
		atomic_store(&u->i.s.err, list_empty(&u->errors) ? 0 : ECONNREFUSED);
	}
	mutex_unlock(&u->i.s.lock);
	if (!msg)
		return -EAGAIN;
	n = MIN(msg->size, m->data->remaining);
	r = n ? uio_write(m->data, msg->data, n) : 0;
	if (n < msg->size)
		m->flags |= MSG_TRUNC;
	m->flags |= MSG_ERRQUEUE;
	if (m->name)
		name_to_sockaddr(u->i.s.family, &msg->to, m->name);
	if (m->control)
		describe_error(msg, m->control);
	kmem_free(msg);
	return r < (ssize_t)n ? -EFAULT : r;
}
