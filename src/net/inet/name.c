/* Names of internet sockets. */
#include <netinet/in.h>
#include <string.h>

#include "abi/errno.h"
#include "net/inet/name.h"

#define V4_PREFIX 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
#define SIN6_SIZE_OLD 24u /* without sin6_scope_id (RFC 2133) */

const struct inet_name name_loopback4 = { .addr = { V4_PREFIX, 127, 0, 0, 1 } };
const struct inet_name name_loopback6 = { .addr = { [15] = 1 } };
const struct inet_name name_any4 = { .addr = { V4_PREFIX } };
const struct inet_name name_any6 = { 0 };

bool name_is_v4(const struct inet_name *n)
{
	return memcmp(n->addr, name_any4.addr, 12) == 0;
}

bool name_is_any(const struct inet_name *n)
{
	return name_same_addr(n, &name_any4) || name_same_addr(n, &name_any6);
}

uint32_t name_v4(const struct inet_name *n)
{
	uint32_t v;

	memcpy(&v, n->addr + 12, sizeof(v));
	return v;
}

struct inet_name name_from_v4(uint32_t addr, uint16_t port)
{
	struct inet_name n = name_any4;

	memcpy(n.addr + 12, &addr, sizeof(addr));
	n.port = port;
	return n;
}

/* ---- routes ---- */

static enum inet_route route_v4(uint32_t addr)
{
	uint32_t a = ntohl(addr);

	if (a == INADDR_ANY)
		return ROUTE_ANY;
	if (a == INADDR_BROADCAST || a == 0x7fffffff)
		return ROUTE_BROADCAST;
	if (a >> 24 == IN_LOOPBACKNET)
		return ROUTE_LOCAL;
	return IN_MULTICAST(a) ? ROUTE_MULTICAST : ROUTE_NONE;
}

enum inet_route name_route(const struct inet_name *n)
{
	if (name_is_v4(n))
		return route_v4(name_v4(n));
	if (name_is_any(n))
		return ROUTE_ANY;
	if (name_same_addr(n, &name_loopback6))
		return ROUTE_LOCAL;
	if (n->addr[0] == 0xff)
		return ROUTE_MULTICAST;
	if (n->addr[0] == 0xfe && (n->addr[1] & 0xc0) == 0x80)
		return ROUTE_LINK_LOCAL;
	return ROUTE_NONE;
}

const struct inet_name *name_loopback_for(const struct inet_name *n)
{
	return name_is_v4(n) ? &name_loopback4 : &name_loopback6;
}

/* ---- sockaddrs ---- */

static int from_sin(const struct socket_addr *sa, struct inet_name *out)
{
	struct sockaddr_in sin;

	if (sa->size < sizeof(sin))
		return -EINVAL;
	if (sa->family != AF_INET)
		return -EAFNOSUPPORT;
	memcpy(&sin, sa->bytes, sizeof(sin));
	*out = name_from_v4(sin.sin_addr.s_addr, ntohs(sin.sin_port));
	return 0;
}

int name_from_sockaddr(int family, const struct socket_addr *sa, struct inet_name *out)
{
	struct sockaddr_in6 sin6 = { 0 };

	if (family == AF_INET)
		return from_sin(sa, out);
	if (sa->size < SIN6_SIZE_OLD)
		return -EINVAL;
	if (sa->family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(&sin6, sa->bytes, MIN(sa->size, (uint32_t)sizeof(sin6)));
	memcpy(out->addr, &sin6.sin6_addr, sizeof(out->addr));
	out->port = ntohs(sin6.sin6_port);
	return 0;
}

void name_to_sockaddr(int family, const struct inet_name *n, struct socket_addr *out)
{
	if (family == AF_INET) {
		struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(n->port) };

		sin.sin_addr.s_addr = name_v4(n);
		memcpy(out->bytes, &sin, sizeof(sin));
		out->size = sizeof(sin);
	} else {
		struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(n->port) };

		memcpy(&sin6.sin6_addr, n->addr, sizeof(n->addr));
		memcpy(out->bytes, &sin6, sizeof(sin6));
		out->size = sizeof(sin6);
	}
}
