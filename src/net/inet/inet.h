/*
 * net/inet/: AF_INET and AF_INET6 inside the sandbox (ip(7), tcp(7), udp(7)). There
 * is one interface, lo, and there are no packets: a socket's bytes go straight to the
 * socket that they are for.
 *
 *	name.c     addresses, and which of them are ours
 *	claim.c    who has which port and which connection, TIME_WAIT
 *	inet.c     what TCP and UDP share: making sockets, bind, names
 *	ipopt.c    options of levels IPPROTO_IP and IPPROTO_IPV6
 *	tcp*.c     streams (tcp.h)
 *	udp*.c     datagrams (udp.h)
 *
 * An IPv6 socket that is not IPV6_V6ONLY is an IPv4 socket too: names have one form
 * for both (name.h), and nothing above them differs.
 *
 * Lock order: socket.lock (two by address), then a port table.
 */
#pragma once

#include <netinet/in.h>

#include "net/inet/claim.h"
#include "net/inet/name.h"
#include "net/internal.h"

/* Options of IPPROTO_IP and IPPROTO_IPV6 that are numbers; ipopt.c has the rules. */
enum inet_option {
	IP4_TOS,
	IP4_TTL,
	IP4_RECVOPTS,
	IP4_RETOPTS,
	IP4_PKTINFO,
	IP4_MTU_DISCOVER,
	IP4_RECVERR,
	IP4_RECVTTL,
	IP4_RECVTOS,
	IP4_FREEBIND,
	IP4_PASSSEC,
	IP4_TRANSPARENT,
	IP4_RECVORIGDSTADDR,
	IP4_MINTTL,
	IP4_CHECKSUM,
	IP4_BIND_ADDRESS_NO_PORT,
	IP4_RECVFRAGSIZE,
	IP4_RECVERR_RFC4884,
	IP4_MULTICAST_TTL,
	IP4_MULTICAST_LOOP,
	IP4_MULTICAST_ALL,
	IP4_UNICAST_IF,
	IP6_2292PKTINFO,
	IP6_2292HOPOPTS,
	IP6_2292DSTOPTS,
	IP6_2292RTHDR,
	IP6_2292HOPLIMIT,
	IP6_FLOWINFO,
	IP6_UNICAST_HOPS,
	IP6_MULTICAST_IF,
	IP6_MULTICAST_HOPS,
	IP6_MULTICAST_LOOP,
	IP6_MTU_DISCOVER,
	IP6_RECVERR,
	IP6_V6ONLY,
	IP6_MULTICAST_ALL,
	IP6_RECVERR_RFC4884,
	IP6_FLOWINFO_SEND,
	IP6_RECVPKTINFO,
	IP6_RECVHOPLIMIT,
	IP6_RECVHOPOPTS,
	IP6_RECVRTHDR,
	IP6_RECVDSTOPTS,
	IP6_RECVPATHMTU,
	IP6_DONTFRAG,
	IP6_RECVTCLASS,
	IP6_TCLASS,
	IP6_AUTOFLOWLABEL,
	IP6_MINHOPCOUNT,
	IP6_RECVORIGDSTADDR,
	IP6_TRANSPARENT,
	IP6_UNICAST_IF,
	IP6_RECVFRAGSIZE,
	IP6_FREEBIND,
	INET_OPTIONS,
};

/* Letters as in net/internal.h. */
struct inet_sock {
	struct socket s;
	struct inet_claim claim;
	/* [l] What bind(2) asked for. It stays when a connection ends. */
	struct inet_name bound;
	bool is_port_fixed; /* bind named a port */
	bool v6only;
	int opt[INET_OPTIONS]; /* by enum inet_option */
};

static inline struct inet_sock *inet_of(struct socket *s)
{
	return container_of(s, struct inet_sock, s);
}

static inline struct port_table *inet_ports(const struct inet_sock *i)
{
	if (i->s.type == SOCK_STREAM)
		return &tcp_ports;
	return i->s.protocol == IPPROTO_UDPLITE ? &udplite_ports : &udp_ports;
}

/* After socket_init(). */
void inet_init(struct inet_sock *i);
/* An accepted socket's options are its listener's. => both locks */
void inet_inherit(struct inet_sock *child, const struct inet_sock *listener);

/* The wildcard address of the socket's family. */
const struct inet_name *inet_any(const struct inet_sock *i);
int inet_bind(struct socket *s, const struct socket_addr *addr, const struct vfs_ctx *ctx);
/* A chosen port at the wildcard address, for a socket that has none. => s.lock */
int inet_autobind_locked(struct inet_sock *i, const struct vfs_ctx *ctx) MUST_CHECK;
/* The claim of a socket that is no longer connected: it keeps what bind asked for.
 * => s.lock */
void inet_unclaim_locked(struct inet_sock *i);
/* Where a packet from i to one host, *to, goes: the wildcard becomes the loopback
 * address, and *from the source address. -ENETUNREACH, -EINVAL. => s.lock */
int inet_route_locked(const struct inet_sock *i, struct inet_name *to, struct inet_name *from)
	MUST_CHECK;

/* ---- ipopt.c ---- */
void inet_options_init(struct inet_sock *i);
/* As numbers that are in force: defaults filled in. => s.lock */
int inet_option(const struct inet_sock *i, enum inet_option o);
/* All levels but the protocol's own: -ENOPROTOOPT for those that are unknown. */
int inet_setsockopt(struct socket *s, int level, int name, const void *val, size_t size,
		    const struct vfs_ctx *ctx);
int inet_getsockopt(struct socket *s, int level, int name, void *val, size_t *size);

/* ---- tcp.c, udp.c ---- */
int udp_create(int family, int protocol, struct socket **out) MUST_CHECK;
int tcp_create(int family, int protocol, struct socket **out) MUST_CHECK;
