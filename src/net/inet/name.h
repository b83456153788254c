/*
 * Names of internet sockets: an address and a port. Both families share one form:
 * an IPv4 address is kept as ::ffff:a.b.c.d, so that what a dual-stack socket and
 * an IPv4 socket say of the same place is equal byte by byte; the IPv4 wildcard is
 * ::ffff:0.0.0.0, the IPv6 one is ::.
 *
 * The sandbox has one interface, lo, with 127.0.0.1/8 and ::1/128. name_route() is
 * the one place that knows it.
 */
#pragma once

#include <string.h>

#include "net/loopback.h"
#include "net/socket.h"

struct inet_name {
	uint8_t addr[16];
	uint16_t port; /* host order */
};

enum inet_route {
	ROUTE_LOCAL,
	ROUTE_ANY, /* the wildcard address */
	ROUTE_MULTICAST,
	ROUTE_BROADCAST, /* of lo's network, or of all */
	ROUTE_LINK_LOCAL,
	ROUTE_NONE, /* nobody can be reached there */
};

extern const struct inet_name name_loopback4, name_loopback6, name_any4, name_any6;

bool name_is_v4(const struct inet_name *n);
bool name_is_any(const struct inet_name *n); /* of its own family */
static inline bool name_same_addr(const struct inet_name *a, const struct inet_name *b)
{
	return memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}
static inline bool name_equal(const struct inet_name *a, const struct inet_name *b)
{
	return a->port == b->port && name_same_addr(a, b);
}
/* The IPv4 address, in network order. */
uint32_t name_v4(const struct inet_name *n);
struct inet_name name_from_v4(uint32_t addr, uint16_t port);

enum inet_route name_route(const struct inet_name *n);
/* The address that lo answers with. */
const struct inet_name *name_loopback_for(const struct inet_name *n);

/* From a sockaddr of the socket's family, for connecting and sending: -EINVAL,
 * -EAFNOSUPPORT. */
int name_from_sockaddr(int family, const struct socket_addr *sa, struct inet_name *out) MUST_CHECK;
/* As a sockaddr of the family. An IPv6 name does not fit AF_INET: do not ask. */
void name_to_sockaddr(int family, const struct inet_name *n, struct socket_addr *out);
