/*
 * Claims on ports: which socket may use which local name, and who is connected to
 * whom. A claim is embedded in a socket; what stays of a TCP connection when its
 * socket has gone (TIME_WAIT) is a claim without one.
 *
 *	port 80 ──> listener ── its accepted connections ── some that wait
 *	tuples  ──> every claim that has a remote name, by (local, remote)
 *
 *	kind        is on         owner     next
 *	NONE        nothing       a socket  claim_bind, claim_connect, claim_accept
 *	BOUND       port          a socket  LISTENING, CONNECTED
 *	LISTENING   port          a socket  BOUND
 *	CONNECTED   port, tuples  a socket  NONE, BOUND, or it leaves a waiting one
 *	FIN_WAIT    port, tuples  nobody    our end is closed, the other is not
 *	TIME_WAIT   port, tuples  nobody    both are
 *
 *  1. Two claims of one table never have the same tuple (TCP).
 *  2. A claim with an owner is dropped before its owner dies.
 *  3. Waiting claims are in the order of their deadlines, and gone soon after.
 *
 * A table knows no socket's state but these kinds, and options that the owner's
 * `bits` hold. Lock: the table's own (LOCK_SOCKET_NAMES), taken by every function
 * here; a socket's lock may be held.
 */
#pragma once

#include "net/inet/name.h"
#include "net/internal.h"

enum claim_kind {
	CLAIM_NONE,
	CLAIM_BOUND,
	CLAIM_LISTENING,
	CLAIM_CONNECTED,
	CLAIM_FIN_WAIT,
	CLAIM_TIME_WAIT,
};

/* Who sets it up calls claim_init(); all else is the table's: [t] its lock. */
struct inet_claim {
	struct list port_link, listen_link, tuple_link; /* [t] */
	struct socket *owner;                           /* [I] borrowed */
	enum claim_kind kind;                           /* [t] */
	struct inet_name local, remote;                 /* [t] and the owner's lock to change */
	int family;                                     /* [I] of the socket */
	uint32_t uid;                                   /* [t] who bound it */
	bool v6only;                                    /* [t] */
	bool is_automatic;                              /* [t] the port was chosen by connect */
	bool waits_reuse, waits_reuseport;              /* [t] options of one without an owner */
};

struct port_table;
extern struct port_table tcp_ports, udp_ports, udplite_ports;

#define EPHEMERAL_FIRST 32768u
#define EPHEMERAL_LAST 60999u
#define PRIVILEGED_PORTS 1024u
#define TIME_WAIT_NS (60 * (uint64_t)1000000000)
#define TIME_WAIT_REUSE_NS ((uint64_t)1000000000) /* then connect may use the tuple anew */
#define TIME_WAIT_MAX 65536u

void claim_init(struct inet_claim *c, struct socket *owner);

/* NONE -> BOUND to name; port 0: one is chosen. -EADDRINUSE, -ENOMEM. */
int claim_bind(struct port_table *t, struct inet_claim *c, const struct inet_name *name,
	       bool v6only, uint32_t uid) MUST_CHECK;
/* BOUND -> LISTENING. -EADDRINUSE. */
int claim_listen(struct port_table *t, struct inet_claim *c) MUST_CHECK;
/* LISTENING -> BOUND. */
void claim_unlisten(struct port_table *t, struct inet_claim *c);
/* NONE, BOUND -> CONNECTED from local (its port counts only when there was none
 * and is chosen when 0) to remote. -EADDRNOTAVAIL: no port or tuple is free. */
int claim_connect(struct port_table *t, struct inet_claim *c, const struct inet_name *local,
		  const struct inet_name *remote, uint32_t uid) MUST_CHECK;
/* NONE -> CONNECTED, by one that is accepted at local. -EADDRINUSE: such a
 * connection exists. -ENOMEM. */
int claim_accept(struct port_table *t, struct inet_claim *c, const struct inet_name *local,
		 const struct inet_name *remote, uint32_t uid) MUST_CHECK;
/* CONNECTED -> BOUND to name, at the same port. */
void claim_disconnect(struct port_table *t, struct inet_claim *c, const struct inet_name *name);
/* A bound socket's address becomes another one (datagram sockets that connect). */
void claim_move(struct port_table *t, struct inet_claim *c, const struct inet_name *local,
		const struct inet_name *remote);
/* Any -> NONE. */
void claim_drop(struct port_table *t, struct inet_claim *c);

/* CONNECTED -> NONE, or BOUND to *name when that is not NULL; a waiting claim takes
 * its place. is_both: both ends are closed. */
void claim_wait(struct port_table *t, struct inet_claim *c, const struct inet_name *name,
		bool is_both);
/* The other end of a connection whose claim waits has closed it, or reset it. */
void claim_peer_closed(struct port_table *t, const struct inet_name *local,
		       const struct inet_name *remote);
void claim_peer_reset(struct port_table *t, const struct inet_name *local,
		      const struct inet_name *remote);

/* The listener that a connection from src to dst reaches, with a reference; of
 * several at one name (SO_REUSEPORT) one is chosen by the connection's names. NULL. */
struct socket *claim_find_listener(struct port_table *t, const struct inet_name *dst,
				   const struct inet_name *src) MUST_CHECK;
/* The socket that a datagram from src to dst reaches. */
struct socket *claim_find_receiver(struct port_table *t, const struct inet_name *dst,
				   const struct inet_name *src) MUST_CHECK;
/* Calls fn for each claim on the port, or on any (port 0), under the table's lock:
 * fn may look at the claim and take a reference to its owner, no more. false stops. */
void claim_for_each(struct port_table *t, uint16_t port,
		    bool (*fn)(const struct inet_claim *c, void *arg), void *arg);
/* A reference to the owner, unless it is going. */
struct socket *claim_owner_get(const struct inet_claim *c) MUST_CHECK;
/* When a waiting claim goes, in nanoseconds from now; for /proc. */
uint64_t claim_wait_left_ns(const struct inet_claim *c);
