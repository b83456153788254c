/*
 * UDP between sockets of the sandbox (udp(7)), and UDP-Lite (udplite(7)), which has ports
 * of its own and is the same where nothing is ever damaged.
 *
 *	udp.c        the object: making, connecting, poll, options
 *	udp_send.c   where a datagram goes, and its control messages
 *	udp_recv.c   receiving, and what is told beside the bytes
 *	udp_error.c  datagrams that nobody takes: errors and the error queue
 *	multicast.c  groups: who is a member, who gets a copy
 *
 * A datagram is made without any lock and put on the queue of each socket that it is
 * for. A queue that is full (SO_RCVBUF) loses it, as the network would. One that nobody
 * has bound the port of comes back as an error (ECONNREFUSED), as ICMP would bring it.
 *
 * Lock: socket.lock guards all of a socket's state; the port table finds receivers.
 */
#pragma once

#include <netinet/in.h>

#include "net/inet/inet.h"

#define UDP_SIZE_MAX4 65507u /* 64 KiB without the headers of IP and UDP */
#define UDP_SIZE_MAX6 65527u
#define UDP_SEGMENTS_MAX 128u
#define UDP_ERRORS_MAX 64u
#define GROUPS_MAX 20u /* net.ipv4.igmp_max_memberships */

#define UDP_SHUT_RCV 1u
#define UDP_SHUT_SND 2u
#define UDP_SHUT_BOTH 3u

/* On one queue; or on an error queue, with the error. */
struct udp_msg {
	struct list link;
	struct inet_name from, to;
	uint64_t time_ns; /* CLOCK_REALTIME: when it came */
	uint8_t hops, tos;
	size_t size, charge;
	uint8_t data[];
};

struct udp_group {
	struct list link; /* [l] */
	struct inet_name group;
};

struct udp_sock {
	struct inet_sock i;
	/* [l] all of these */
	bool dead, is_connected;
	unsigned shutdown;
	struct list queue, errors; /* of udp_msg */
	size_t queued_charge;
	unsigned nr_errors;
	uint32_t drops;
	struct list groups; /* of udp_group */
	unsigned nr_groups;
	bool sends_to_lo; /* IP_MULTICAST_IF names lo */
	struct inet_name multicast_from;
	/* UDP_CORK, MSG_MORE: what was not sent yet. */
	uint8_t *cork;
	size_t cork_size;
	struct inet_name cork_to;
	/* Options of IPPROTO_UDP. */
	bool is_corked, is_gro, no_check6_tx, no_check6_rx;
	uint16_t segment;
	int coverage[2]; /* of UDP-Lite: sent and received, recorded */
};

static inline struct udp_sock *udp_of(struct socket *s)
{
	return container_of(s, struct udp_sock, i.s);
}

/* How one datagram is sent: from the socket, changed by control messages. */
struct udp_sending {
	struct inet_name to, from;
	bool has_from; /* from was asked for */
	bool uses_lo;  /* lo was asked for: multicasts have somewhere to go */
	uint8_t hops, tos;
	unsigned segment; /* 0: one datagram */
};

/* ---- udp_send.c ---- */
ssize_t udp_sendmsg(struct socket *s, struct socket_msg *m, unsigned flags, struct sock_wait *w);
/* UDP_CORK is off again: what was kept goes. */
int udp_uncork(struct udp_sock *u, const struct vfs_ctx *ctx);
/* The address to send to or to connect to; of an IPv6 socket also a sockaddr_in. */
int udp_name_in(const struct udp_sock *u, const struct socket_addr *sa, struct inet_name *out)
	MUST_CHECK;
/* Where a datagram goes and comes from: -ENETUNREACH, -EACCES, -EINVAL. => s.lock */
int udp_route_locked(const struct udp_sock *u, struct udp_sending *how) MUST_CHECK;
/* Puts the datagram on u's queue, or loses it; either way takes it. */
void udp_enqueue(struct udp_sock *u, struct udp_msg *msg);
struct udp_msg *udp_msg_copy(const struct udp_msg *msg) MUST_CHECK; /* NULL: no memory */
void udp_free_msgs(struct list *msgs);

/* ---- udp_recv.c ---- */
ssize_t udp_recvmsg(struct socket *s, struct socket_msg *m, unsigned flags, struct sock_wait *w);
/* Control messages about how a datagram came. => s.lock */
void udp_describe_locked(const struct udp_sock *u, const struct udp_msg *msg,
			 struct socket_control *c);

/* ---- udp_error.c ---- */
/* Nobody takes msg, which u sent: takes it. */
void udp_refused(struct udp_sock *u, struct udp_msg *msg);
/* recvmsg(2) with MSG_ERRQUEUE. */
ssize_t udp_recv_error(struct udp_sock *u, struct socket_msg *m);

/* ---- multicast.c ---- */
/* Takes msg; of the sockets with its port in t every member of the group, or all of
 * them (broadcast), get a copy. */
void multicast_deliver(struct port_table *t, struct udp_msg *msg);
/* Options about groups and their interface: -ENOPROTOOPT when it is none. */
int multicast_setsockopt(struct udp_sock *u, int level, int name, const void *val, size_t size);
int multicast_getsockopt(struct udp_sock *u, int level, int name, void *val, size_t *size);
void multicast_leave_all(struct udp_sock *u);
