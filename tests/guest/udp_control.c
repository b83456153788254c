/* UDP: what goes with datagrams: IP_PKTINFO and IPV6_PKTINFO both ways, hops and
 * classes, time stamps; sharing of ports; multicast and broadcast on lo. */
#include <net/if.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#include "inet.h"

static int dgram(int family)
{
	return inet_sock(family, SOCK_DGRAM);
}

struct received {
	char buf[64];
	struct sockaddr_in6 from;
	char control[512];
	struct msghdr h;
	ssize_t n;
};

static void receive(int s, struct received *r)
{
	static struct iovec v;

	memset(r, 0, sizeof(*r));
	v = (struct iovec){ r->buf, sizeof(r->buf) };
	r->h = (struct msghdr){ .msg_name = &r->from,
				.msg_namelen = sizeof(r->from),
				.msg_iov = &v,
				.msg_iovlen = 1,
				.msg_control = r->control,
				.msg_controllen = sizeof(r->control) };
	r->n = recvmsg(s, &r->h, MSG_DONTWAIT);
}

static const void *control(struct received *r, int level, int type, size_t size)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&r->h); c; c = CMSG_NXTHDR(&r->h, c)) {
		if (c->cmsg_level == level && c->cmsg_type == type) {
			CHECK_EQ(c->cmsg_len, CMSG_LEN(size));
			return CMSG_DATA(c);
		}
	}
	return NULL;
}

static ssize_t send_with(int s, const struct sockaddr *to, socklen_t size, int level, int type,
			 const void *data, size_t len)
{
	char buf[128] = { 0 };
	struct iovec v = { "ctl", 3 };
	struct msghdr h = { .msg_name = (void *)(uintptr_t)to,
			    .msg_namelen = size,
			    .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = buf,
			    .msg_controllen = CMSG_SPACE(len) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	return sendmsg(s, &h, 0);
}

static void pktinfo4(void)
{
	int a = dgram(AF_INET), b = dgram(AF_INET);
	struct sockaddr_in to;
	struct in_pktinfo info = { 0 };
	const struct in_pktinfo *got;
	struct received r;
	uint8_t tos = 0x20;
	int ttl = 7;

	CHECK_EQ(bind4(a, "0.0.0.0", 0), 0);
	set_int(a, IPPROTO_IP, IP_PKTINFO, 1);
	set_int(a, IPPROTO_IP, IP_RECVTTL, 1);
	set_int(a, IPPROTO_IP, IP_RECVTOS, 1);
	to = inet4("127.0.0.5", port_of(a));
	info.ipi_spec_dst.s_addr = inet_addr("127.0.0.9");
	CHECK_EQ(send_with(b, (struct sockaddr *)&to, sizeof(to), IPPROTO_IP, IP_PKTINFO, &info,
			   sizeof(info)),
		 3);
	receive(a, &r);
	CHECK_EQ(r.n, 3);
	CHECK_EQ(((struct sockaddr_in *)&r.from)->sin_addr.s_addr, inet_addr("127.0.0.9"));
	got = control(&r, IPPROTO_IP, IP_PKTINFO, sizeof(*got));
	CHECK(got);
	CHECK_EQ(got->ipi_ifindex, if_nametoindex("lo"));
	CHECK_EQ(got->ipi_addr.s_addr, inet_addr("127.0.0.5"));
	CHECK_EQ(got->ipi_spec_dst.s_addr, inet_addr("127.0.0.5"));
	CHECK_EQ(*(const int *)control(&r, IPPROTO_IP, IP_TTL, 4), 64);
	CHECK_EQ(*(const uint8_t *)control(&r, IPPROTO_IP, IP_TOS, 1), 0);
	CHECK_EQ(send_with(b, (struct sockaddr *)&to, sizeof(to), IPPROTO_IP, IP_TTL, &ttl, 4), 3);
	receive(a, &r);
	CHECK_EQ(*(const int *)control(&r, IPPROTO_IP, IP_TTL, 4), 7);
	CHECK_EQ(send_with(b, (struct sockaddr *)&to, sizeof(to), IPPROTO_IP, IP_TOS, &tos, 1), 3);
	receive(a, &r);
	CHECK_EQ(*(const uint8_t *)control(&r, IPPROTO_IP, IP_TOS, 1), 0x20);
	ttl = 0;
	CHECK_ERR(send_with(b, (struct sockaddr *)&to, sizeof(to), IPPROTO_IP, IP_TTL, &ttl, 4),
		  EINVAL);
	CHECK_ERR(send_with(b, (struct sockaddr *)&to, sizeof(to), IPPROTO_IP, 99, &ttl, 4),
		  EINVAL);
	info.ipi_spec_dst.s_addr = inet_addr("198.51.100.3");
	CHECK_ERR(send_with(b, (struct sockaddr *)&to, sizeof(to), IPPROTO_IP, IP_PKTINFO, &info,
			    sizeof(info)),
		  ENETUNREACH);
	info.ipi_spec_dst.s_addr = 0;
	info.ipi_ifindex = 12345;
	CHECK_ERR(send_with(b, (struct sockaddr *)&to, sizeof(to), IPPROTO_IP, IP_PKTINFO, &info,
			    sizeof(info)),
		  ENODEV);
	close(a);
	close(b);
}

static void pktinfo6(void)
{
	int a = dgram(AF_INET6), b = dgram(AF_INET6), four = dgram(AF_INET), class = 0x10;
	struct sockaddr_in6 to;
	struct sockaddr_in sin;
	const struct in6_pktinfo *got;
	struct received r;

	CHECK_EQ(bind6(a, "::", 0), 0);
	set_int(a, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	set_int(a, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	set_int(a, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	to = inet6("::1", port_of(a));
	CHECK_EQ(send_with(b, (struct sockaddr *)&to, sizeof(to), IPPROTO_IPV6, IPV6_TCLASS, &class,
			   4),
		 3);
	receive(a, &r);
	got = control(&r, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(*got));
	CHECK(got);
	CHECK_EQ(got->ipi6_ifindex, if_nametoindex("lo"));
	CHECK_EQ(memcmp(&got->ipi6_addr, &to.sin6_addr, 16), 0);
	CHECK_EQ(*(const int *)control(&r, IPPROTO_IPV6, IPV6_HOPLIMIT, 4), 64);
	CHECK_EQ(*(const int *)control(&r, IPPROTO_IPV6, IPV6_TCLASS, 4), 0x10);
	sin = inet4("127.0.0.4", port_of(a));
	CHECK_EQ(sendto(four, "4", 1, 0, (struct sockaddr *)&sin, sizeof(sin)), 1);
	receive(a, &r);
	to = inet6("::ffff:127.0.0.4", 0);
	got = control(&r, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(*got));
	CHECK(got);
	CHECK_EQ(memcmp(&got->ipi6_addr, &to.sin6_addr, 16), 0);
	close(a);
	close(b);
	close(four);
}

static void stamps(void)
{
	int a = dgram(AF_INET);
	struct sockaddr_in self;
	const struct timeval *tv;
	const struct timespec *ts;
	struct timespec now;
	struct received r;

	CHECK_EQ(bind4(a, "127.0.0.1", 0), 0);
	self = inet4("127.0.0.1", port_of(a));
	set_int(a, SOL_SOCKET, SO_TIMESTAMP, 1);
	CHECK_EQ(int_option(a, SOL_SOCKET, SO_TIMESTAMP), 1);
	CHECK_EQ(int_option(a, SOL_SOCKET, SO_TIMESTAMPNS), 0);
	CHECK_EQ(sendto(a, "x", 1, 0, (struct sockaddr *)&self, sizeof(self)), 1);
	receive(a, &r);
	clock_gettime(CLOCK_REALTIME, &now);
	tv = control(&r, SOL_SOCKET, SO_TIMESTAMP, sizeof(*tv));
	CHECK(tv);
	CHECK(tv->tv_sec >= now.tv_sec - 5 && tv->tv_sec <= now.tv_sec + 1);
	set_int(a, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	CHECK_EQ(int_option(a, SOL_SOCKET, SO_TIMESTAMP), 0);
	CHECK_EQ(sendto(a, "x", 1, 0, (struct sockaddr *)&self, sizeof(self)), 1);
	receive(a, &r);
	CHECK(!control(&r, SOL_SOCKET, SO_TIMESTAMP, sizeof(*tv)));
	ts = control(&r, SOL_SOCKET, SO_TIMESTAMPNS, sizeof(*ts));
	CHECK(ts);
	CHECK(ts->tv_sec >= now.tv_sec - 5 && ts->tv_sec <= now.tv_sec + 5);
	set_int(a, SOL_SOCKET, SO_TIMESTAMPNS, 0);
	CHECK_EQ(sendto(a, "x", 1, 0, (struct sockaddr *)&self, sizeof(self)), 1);
	receive(a, &r);
	CHECK_EQ(r.h.msg_controllen, 0);
	close(a);
}

/* Two sockets at one port: the better match gets it; of equals the last one bound. */
static void shared(void)
{
	int wild = dgram(AF_INET), exact = dgram(AF_INET), peer = dgram(AF_INET), conn, port;
	struct sockaddr_in to;
	struct received r;

	set_int(wild, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(exact, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_EQ(bind4(wild, "0.0.0.0", 0), 0);
	port = port_of(wild);
	CHECK_EQ(bind4(exact, "127.0.0.1", port), 0);
	CHECK_EQ(bind4(peer, "127.0.0.1", 0), 0);
	to = inet4("127.0.0.1", port);
	CHECK_EQ(sendto(peer, "e", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	receive(wild, &r);
	CHECK_EQ(r.n, -1);
	receive(exact, &r);
	CHECK_EQ(r.n, 1);
	to = inet4("127.0.0.2", port);
	CHECK_EQ(sendto(peer, "w", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	receive(wild, &r);
	CHECK_EQ(r.n, 1);
	conn = dgram(AF_INET);
	set_int(conn, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_EQ(bind4(conn, "127.0.0.1", port), 0);
	CHECK_EQ(connect4(conn, "127.0.0.1", port_of(peer)), 0);
	to = inet4("127.0.0.1", port);
	CHECK_EQ(sendto(peer, "c", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	receive(conn, &r);
	CHECK_EQ(r.n, 1);
	CHECK_ERR(bind4(dgram(AF_INET), "127.0.0.1", port), EADDRINUSE);
	close(wild);
	close(exact);
	close(conn);
	close(peer);
}

static void balanced(void)
{
	int s[3], n[3] = { 0 }, port = 0;
	struct sockaddr_in to;
	struct received r;

	for (int i = 0; i < 3; i++) {
		s[i] = dgram(AF_INET);
		set_int(s[i], SOL_SOCKET, SO_REUSEPORT, 1);
		CHECK_EQ(bind4(s[i], "127.0.0.1", port), 0);
		port = port_of(s[0]);
	}
	to = inet4("127.0.0.1", port);
	for (int i = 0; i < 120; i++) {
		int c = dgram(AF_INET);

		CHECK_EQ(sendto(c, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
		CHECK_EQ(sendto(c, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
		close(c);
	}
	for (int i = 0; i < 3; i++) {
		for (receive(s[i], &r); r.n == 1; receive(s[i], &r))
			n[i]++;
		CHECK(n[i] >= 10);
		CHECK_EQ(n[i] % 2, 0); /* one sender, one receiver */
		close(s[i]);
	}
	CHECK_EQ(n[0] + n[1] + n[2], 240);
}

static void multicast4(void)
{
	int a = dgram(AF_INET), b = dgram(AF_INET), c = dgram(AF_INET), port;
	struct ip_mreqn lo = { .imr_ifindex = (int)if_nametoindex("lo") };
	struct ip_mreq mreq = { .imr_interface.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in to;
	struct received r;
	struct in_addr got;
	socklen_t size = sizeof(got);

	set_int(a, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(b, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_EQ(bind4(a, "0.0.0.0", 0), 0);
	port = port_of(a);
	CHECK_EQ(bind4(b, "0.0.0.0", port), 0);
	set_int(b, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	mreq.imr_multiaddr.s_addr = inet_addr("239.1.2.3");
	CHECK_EQ(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq)), 0);
	CHECK_ERR(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq)), EADDRINUSE);
	lo.imr_multiaddr.s_addr = inet_addr("10.0.0.1");
	CHECK_ERR(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &lo, sizeof(lo)), EINVAL);
	lo.imr_multiaddr.s_addr = inet_addr("239.1.2.3");
	lo.imr_ifindex = 4321;
	CHECK_ERR(setsockopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &lo, sizeof(lo)), ENODEV);
	CHECK_EQ(setsockopt(c, IPPROTO_IP, IP_MULTICAST_IF, &mreq.imr_interface, 4), 0);
	CHECK_EQ(getsockopt(c, IPPROTO_IP, IP_MULTICAST_IF, &got, &size), 0);
	CHECK_EQ(got.s_addr, htonl(INADDR_LOOPBACK));
	set_int(c, IPPROTO_IP, IP_MULTICAST_TTL, 3);
	to = inet4("239.1.2.3", port);
	set_int(a, IPPROTO_IP, IP_RECVTTL, 1);
	CHECK_EQ(sendto(c, "group", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	receive(a, &r);
	CHECK_EQ(r.n, 5);
	CHECK_EQ(*(const int *)control(&r, IPPROTO_IP, IP_TTL, 4), 3);
	receive(b, &r);
	CHECK_EQ(r.n, -1);
	set_int(b, IPPROTO_IP, IP_MULTICAST_ALL, 1);
	CHECK_EQ(sendto(c, "group", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	receive(b, &r);
	CHECK_EQ(r.n, 5);
	receive(a, &r);
	/* Nobody is a member: it vanishes. */
	CHECK_EQ(setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &mreq, sizeof(mreq)), 0);
	CHECK_ERR(setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &mreq, sizeof(mreq)),
		  EADDRNOTAVAIL);
	CHECK_EQ(sendto(c, "group", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	receive(a, &r);
	CHECK_EQ(r.n, -1);
	CHECK_ERR(setsockopt(inet_sock(AF_INET, SOCK_STREAM), IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq,
			     sizeof(mreq)),
		  EPROTO);
	close(a);
	close(b);
	close(c);
}

/* lo has no route for IPv6 groups, though they can be joined there. */
static void multicast6(void)
{
	int a = dgram(AF_INET6), c = dgram(AF_INET6), lo = (int)if_nametoindex("lo");
	struct ipv6_mreq mreq = { .ipv6mr_interface = (unsigned)lo };
	struct sockaddr_in6 to;

	CHECK_EQ(bind6(a, "::", 0), 0);
	to = inet6("ff15::1234", port_of(a));
	mreq.ipv6mr_multiaddr = to.sin6_addr;
	CHECK_EQ(setsockopt(a, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &mreq, sizeof(mreq)), 0);
	CHECK_ERR(setsockopt(a, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &mreq, sizeof(mreq)),
		  EADDRINUSE);
	set_int(c, IPPROTO_IPV6, IPV6_MULTICAST_IF, lo);
	CHECK_ERR(sendto(c, "six", 3, 0, (struct sockaddr *)&to, sizeof(to)), ENETUNREACH);
	CHECK_EQ(setsockopt(a, IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, &mreq, sizeof(mreq)), 0);
	close(a);
	close(c);
}

static void broadcast(void)
{
	int a = dgram(AF_INET), b = dgram(AF_INET), c = dgram(AF_INET);
	struct sockaddr_in to;
	struct received r;

	set_int(a, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(b, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_EQ(bind4(a, "0.0.0.0", 0), 0);
	CHECK_EQ(bind4(b, "0.0.0.0", port_of(a)), 0);
	to = inet4("127.255.255.255", port_of(a));
	CHECK_ERR(sendto(c, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), EACCES);
	set_int(c, SOL_SOCKET, SO_BROADCAST, 1);
	CHECK_EQ(sendto(c, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	receive(a, &r);
	CHECK_EQ(r.n, 1);
	receive(b, &r);
	CHECK_EQ(r.n, 1);
	close(a);
	close(b);
	close(c);
}

int main(void)
{
	pktinfo4();
	pktinfo6();
	stamps();
	shared();
	balanced();
	multicast4();
	multicast6();
	broadcast();
	return 0;
}
