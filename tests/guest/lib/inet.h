/* Loopback sockets for guest tests. Ports are chosen by the kernel. */
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "check.h"
#include "waitfor.h"

static inline int inet_sock(int family, int type)
{
	int s = socket(family, type | SOCK_CLOEXEC, 0);

	CHECK(s >= 0);
	return s;
}

static inline struct sockaddr_in inet4(const char *addr, int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	CHECK_EQ(inet_pton(AF_INET, addr, &sin.sin_addr), 1);
	return sin;
}

static inline struct sockaddr_in6 inet6(const char *addr, int port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	CHECK_EQ(inet_pton(AF_INET6, addr, &sin6.sin6_addr), 1);
	return sin6;
}

static inline int bind4(int s, const char *addr, int port)
{
	struct sockaddr_in sin = inet4(addr, port);

	return bind(s, (struct sockaddr *)&sin, sizeof(sin));
}

static inline int bind6(int s, const char *addr, int port)
{
	struct sockaddr_in6 sin6 = inet6(addr, port);

	return bind(s, (struct sockaddr *)&sin6, sizeof(sin6));
}

static inline int connect4(int s, const char *addr, int port)
{
	struct sockaddr_in sin = inet4(addr, port);

	return connect(s, (struct sockaddr *)&sin, sizeof(sin));
}

static inline int connect6(int s, const char *addr, int port)
{
	struct sockaddr_in6 sin6 = inet6(addr, port);

	return connect(s, (struct sockaddr *)&sin6, sizeof(sin6));
}

/* The socket's own port, or its peer's; both families keep it at the same place. */
static inline int port_of(int s)
{
	struct sockaddr_in6 sin6 = { 0 };
	socklen_t size = sizeof(sin6);

	CHECK_EQ(getsockname(s, (struct sockaddr *)&sin6, &size), 0);
	return ntohs(sin6.sin6_port);
}

static inline int peer_port_of(int s)
{
	struct sockaddr_in6 sin6 = { 0 };
	socklen_t size = sizeof(sin6);

	CHECK_EQ(getpeername(s, (struct sockaddr *)&sin6, &size), 0);
	return ntohs(sin6.sin6_port);
}

static inline int int_option(int s, int level, int name)
{
	int val = -1;
	socklen_t size = sizeof(val);

	CHECK_EQ(getsockopt(s, level, name, &val, &size), 0);
	return val;
}

static inline void set_int(int s, int level, int name, int val)
{
	CHECK_EQ(setsockopt(s, level, name, &val, sizeof(val)), 0);
}

static inline void set_nonblock(int s)
{
	CHECK_EQ(fcntl(s, F_SETFL, fcntl(s, F_GETFL) | O_NONBLOCK), 0);
}

/* What poll says now, or within that time when nothing is there yet: 0 after it. */
#define LONG_MS 60000 /* for what comes */

static inline int events_within(int s, int events, int ms)
{
	struct pollfd p = { .fd = s, .events = (short)events };

	CHECK(poll(&p, 1, ms) >= 0);
	return p.revents;
}

static inline int events_now(int s)
{
	return events_within(s, POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM,
			     0);
}

/* What was sent is with the other end in a moment: a busy machine takes packets from
 * loopback in a thread of its own. */
#define EVENTS_BECOME(s, events) WAIT_UNTIL(events_now(s) == (events))

/* A listener at 127.0.0.1. */
static inline int listener4(int backlog)
{
	int l = inet_sock(AF_INET, SOCK_STREAM);

	CHECK_EQ(bind4(l, "127.0.0.1", 0), 0);
	CHECK_EQ(listen(l, backlog), 0);
	return l;
}

/* Two ends of a TCP connection: pair[0] connected, pair[1] was accepted. */
static inline void tcp_pair(int pair[2])
{
	int l = listener4(1);

	pair[0] = inet_sock(AF_INET, SOCK_STREAM);
	CHECK_EQ(connect4(pair[0], "127.0.0.1", port_of(l)), 0);
	pair[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	CHECK(pair[1] >= 0);
	close(l);
}
