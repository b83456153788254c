/* UDP: sending and receiving with and without a peer, names, sizes, flags, errors of
 * ports that nobody has, the error queue, shutdown, poll, both families, sendmmsg. */
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
/* needs struct timespec */
#include <linux/errqueue.h>

#include "inet.h"

#define EV_WRITE (POLLOUT | POLLWRNORM)
#define EV_READ (POLLIN | POLLRDNORM)

static int dgram(void)
{
	return inet_sock(AF_INET, SOCK_DGRAM);
}

static int bound(void)
{
	int s = dgram();

	CHECK_EQ(bind4(s, "127.0.0.1", 0), 0);
	return s;
}

static ssize_t send_to4(int s, const void *buf, size_t n, const char *addr, int port)
{
	struct sockaddr_in sin = inet4(addr, port);

	return sendto(s, buf, n, 0, (struct sockaddr *)&sin, sizeof(sin));
}

/* A port at 127.0.0.1 that nobody has. */
static int free_port(void)
{
	int s = bound(), port = port_of(s);

	close(s);
	return port;
}

static void names(void)
{
	int a = bound(), b = dgram();
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char buf[16];

	CHECK_EQ(port_of(b), 0);
	CHECK_EQ(send_to4(b, "hello", 5, "127.0.0.1", port_of(a)), 5);
	CHECK(port_of(b) != 0);
	CHECK_EQ(recvfrom(a, buf, 16, 0, (struct sockaddr *)&from, &size), 5);
	CHECK_EQ(size, sizeof(from));
	CHECK_EQ(ntohs(from.sin_port), port_of(b));
	CHECK_EQ(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK_EQ(sendto(a, "back", 4, 0, (struct sockaddr *)&from, size), 4);
	CHECK_EQ(recv(b, buf, 16, 0), 4);
	CHECK_ERR(getpeername(b, (struct sockaddr *)&from, &size), ENOTCONN);
	CHECK_EQ(send_to4(b, "", 0, "0.0.0.0", port_of(a)), 0);
	CHECK_EQ(recv(a, buf, 16, 0), 0);
	close(a);
	close(b);
}

static void errors(void)
{
	struct sockaddr_in sin = inet4("127.0.0.1", 9);
	static char big[70000];
	int s = dgram(), r = bound();
	char buf[4];

	CHECK_ERR(send(s, "x", 1, 0), EDESTADDRREQ);
	CHECK_ERR(write(s, "x", 1), EDESTADDRREQ);
	CHECK_ERR(send_to4(s, "x", 1, "127.0.0.1", 0), EINVAL);
	CHECK_ERR(sendto(s, "x", 1, 0, (struct sockaddr *)&sin, 15), EINVAL);
	CHECK_ERR(sendto(s, "x", 1, MSG_OOB, (struct sockaddr *)&sin, 16), EOPNOTSUPP);
	sin.sin_family = AF_UNIX;
	CHECK_ERR(sendto(s, "x", 1, 0, (struct sockaddr *)&sin, sizeof(sin)), EAFNOSUPPORT);
	CHECK_ERR(send_to4(s, big, 65536, "127.0.0.1", 9), EMSGSIZE);
	CHECK_ERR(send_to4(s, big, 65508, "127.0.0.1", port_of(r)), EMSGSIZE);
	CHECK_EQ(send_to4(s, big, 65507, "127.0.0.1", port_of(r)), 65507);
	CHECK_EQ(recv(r, big, sizeof(big), 0), 65507);
	CHECK_ERR(recv(s, buf, 4, MSG_DONTWAIT), EAGAIN);
	CHECK_ERR(listen(s, 1), EOPNOTSUPP);
	CHECK_ERR(accept(s, NULL, NULL), EOPNOTSUPP);
	CHECK_ERR(shutdown(s, SHUT_WR), ENOTCONN);
	CHECK_ERR(send_to4(dgram(), "x", 1, "127.255.255.255", 9), EACCES);
	CHECK_ERR(connect4(dgram(), "127.255.255.255", 9), EACCES);
	CHECK_EQ(send_to4(r, (void *)16, 4, "127.0.0.1", 9), -1);
	close(s);
	close(r);
}

static void cut_short(void)
{
	int a = bound(), b = dgram(), n = -1;
	char buf[8] = { 0 };
	struct iovec v = { buf, 3 };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };

	CHECK_EQ(connect4(b, "127.0.0.1", port_of(a)), 0);
	CHECK_EQ(send(b, "abcdef", 6, 0), 6);
	CHECK_EQ(send(b, "gh", 2, 0), 2);
	CHECK_EQ(ioctl(a, FIONREAD, &n), 0);
	CHECK_EQ(n, 6);
	CHECK_EQ(ioctl(a, SIOCOUTQ, &n), 0);
	CHECK_EQ(n, 0);
	CHECK_EQ(recv(a, buf, 3, MSG_PEEK | MSG_TRUNC), 6);
	CHECK_EQ(recvmsg(a, &h, 0), 3);
	CHECK_EQ(h.msg_flags, MSG_TRUNC);
	CHECK_EQ(recv(a, buf, 8, 0), 2);
	close(a);
	close(b);
}

static void connected(void)
{
	int a = bound(), b = bound(), c = dgram();
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	char buf[8];

	CHECK_EQ(connect4(c, "127.0.0.1", port_of(a)), 0);
	CHECK(port_of(c) != 0);
	CHECK_EQ(peer_port_of(c), port_of(a));
	CHECK_EQ(send(c, "a", 1, 0), 1);
	CHECK_EQ(recv(a, buf, 8, 0), 1);
	/* Others do not reach it; it can still send elsewhere. */
	CHECK_EQ(send_to4(b, "no", 2, "127.0.0.1", port_of(c)), 2);
	CHECK_ERR(recv(c, buf, 8, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(send_to4(a, "yes", 3, "127.0.0.1", port_of(c)), 3);
	CHECK_EQ(recv(c, buf, 8, 0), 3);
	CHECK_EQ(send_to4(c, "b", 1, "127.0.0.1", port_of(b)), 1);
	CHECK_EQ(recv(b, buf, 8, 0), 1);
	CHECK_EQ(connect4(c, "127.0.0.1", port_of(b)), 0);
	CHECK_EQ(peer_port_of(c), port_of(b));
	CHECK_EQ(connect(c, &none, sizeof(none)), 0);
	CHECK_EQ(port_of(c), 0);
	CHECK_ERR(getpeername(c, &none, &(socklen_t){ 16 }), ENOTCONN);
	CHECK_ERR(send(c, "x", 1, 0), EDESTADDRREQ);
	CHECK(port_of(c) != 0); /* all the same */
	close(a);
	close(b);
	close(c);
}

static void refused(void)
{
	int c = dgram(), port = free_port(), u = dgram(), a = bound();
	char buf[8];

	CHECK_EQ(connect4(c, "127.0.0.1", port), 0);
	CHECK_EQ(send(c, "x", 1, 0), 1);
	CHECK_EQ(events_within(c, POLLIN, LONG_MS), POLLERR);
	CHECK_ERR(send(c, "x", 1, 0), ECONNREFUSED);
	CHECK_EQ(send(c, "x", 1, 0), 1);
	CHECK_ERR(recv(c, buf, 8, 0), ECONNREFUSED);
	CHECK_EQ(send(c, "x", 1, 0), 1);
	CHECK_EQ(int_option(c, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	CHECK_EQ(events_within(c, POLLIN, 0), 0);
	/* Without a peer nobody is told. */
	CHECK_EQ(send_to4(u, "x", 1, "127.0.0.1", port), 1);
	CHECK_EQ(send_to4(u, "x", 1, "127.0.0.1", port), 1);
	CHECK_ERR(recv(u, buf, 8, MSG_DONTWAIT), EAGAIN);
	close(a);
	close(c);
	close(u);
}

static void error_queue(void)
{
	int u = dgram(), port = free_port();
	char buf[16], control[256];
	struct sockaddr_in name;
	struct iovec v = { buf, sizeof(buf) };
	struct msghdr h = { .msg_name = &name,
			    .msg_namelen = sizeof(name),
			    .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct {
		struct sock_extended_err ee;
		struct sockaddr_in offender;
	} e;
	struct cmsghdr *c;

	CHECK_ERR(recvmsg(u, &h, MSG_ERRQUEUE), EAGAIN);
	set_int(u, IPPROTO_IP, IP_RECVERR, 1);
	CHECK_EQ(send_to4(u, "lost", 4, "127.0.0.1", port), 4);
	CHECK_EQ(events_within(u, POLLIN, LONG_MS), POLLERR);
	h.msg_namelen = sizeof(name);
	h.msg_controllen = sizeof(control);
	CHECK_EQ(recvmsg(u, &h, MSG_ERRQUEUE), 4);
	CHECK_EQ(h.msg_flags, MSG_ERRQUEUE);
	CHECK_EQ(memcmp(buf, "lost", 4), 0);
	CHECK_EQ(ntohs(name.sin_port), port);
	c = CMSG_FIRSTHDR(&h);
	CHECK(c);
	CHECK_EQ(c->cmsg_level, IPPROTO_IP);
	CHECK_EQ(c->cmsg_type, IP_RECVERR);
	CHECK_EQ(c->cmsg_len, CMSG_LEN(sizeof(e)));
	memcpy(&e, CMSG_DATA(c), sizeof(e));
	CHECK_EQ(e.ee.ee_errno, ECONNREFUSED);
	CHECK_EQ(e.ee.ee_origin, SO_EE_ORIGIN_ICMP);
	CHECK_EQ(e.ee.ee_type, 3);
	CHECK_EQ(e.ee.ee_code, 3);
	CHECK_EQ(e.offender.sin_family, AF_INET);
	CHECK_EQ(e.offender.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK_EQ(events_within(u, POLLIN, 0), 0);
	CHECK_ERR(recvmsg(u, &h, MSG_ERRQUEUE), EAGAIN);
	CHECK_EQ(send_to4(u, "again", 5, "127.0.0.1", port), 5);
	CHECK_ERR(send_to4(u, "x", 1, "127.0.0.1", port), ECONNREFUSED);
	CHECK_EQ(events_within(u, POLLIN, 0), POLLERR); /* the queue is not empty */
	close(u);
}

static void shut(void)
{
	int a = bound(), b = bound();
	char buf[8];

	CHECK_EQ(connect4(a, "127.0.0.1", port_of(b)), 0);
	CHECK_EQ(shutdown(a, SHUT_WR), 0);
	CHECK_ERR(send(a, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(events_now(a), EV_WRITE);
	CHECK_EQ(shutdown(a, SHUT_RD), 0);
	CHECK_EQ(events_now(a), EV_WRITE | EV_READ | POLLRDHUP | POLLHUP);
	CHECK_EQ(recv(a, buf, 8, 0), 0);
	CHECK_ERR(recv(a, buf, 8, MSG_DONTWAIT), EAGAIN);
	close(a);
	close(b);
}

static void overflow(void)
{
	static char buf[2000];
	int a = bound(), b = dgram(), got = 0;

	set_int(a, SOL_SOCKET, SO_RCVBUF, 10000);
	CHECK_EQ(connect4(b, "127.0.0.1", port_of(a)), 0);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(send(b, buf, sizeof(buf), 0), sizeof(buf)); /* lost, in part */
	while (recv(a, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		got++;
	CHECK(got >= 4 && got < 50);
	CHECK_EQ(send(b, "x", 1, 0), 1);
	CHECK_EQ(recv(a, buf, 10, 0), 1);
	close(a);
	close(b);
}

static void other_family(void)
{
	int six = inet_sock(AF_INET6, SOCK_DGRAM), four = dgram(), port;
	struct sockaddr_in6 from, to = inet6("::ffff:127.0.0.1", 0);
	struct sockaddr_in sin;
	socklen_t size = sizeof(from);
	char buf[8];

	CHECK_EQ(bind6(six, "::", 0), 0);
	port = port_of(six);
	CHECK_EQ(send_to4(four, "4", 1, "127.0.0.1", port), 1);
	CHECK_EQ(recvfrom(six, buf, 8, 0, (struct sockaddr *)&from, &size), 1);
	CHECK_EQ(size, sizeof(from));
	CHECK_EQ(memcmp(&from.sin6_addr, &to.sin6_addr, 16), 0);
	CHECK_EQ(ntohs(from.sin6_port), port_of(four));
	CHECK_EQ(sendto(six, "6", 1, 0, (struct sockaddr *)&from, size), 1);
	CHECK_EQ(recv(four, buf, 8, 0), 1);
	/* It takes addresses of the other family too. */
	sin = inet4("127.0.0.1", port_of(four));
	CHECK_EQ(sendto(six, "66", 2, 0, (struct sockaddr *)&sin, sizeof(sin)), 2);
	CHECK_EQ(recv(four, buf, 8, 0), 2);
	to = inet6("::1", port);
	CHECK_EQ(sendto(six, "me", 2, 0, (struct sockaddr *)&to, sizeof(to)), 2);
	CHECK_EQ(recv(six, buf, 8, 0), 2);
	CHECK_ERR(sendto(four, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), EAFNOSUPPORT);
	close(six);
	six = inet_sock(AF_INET6, SOCK_DGRAM);
	set_int(six, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	CHECK_ERR(sendto(six, "x", 1, 0, (struct sockaddr *)&sin, sizeof(sin)), ENETUNREACH);
	close(six);
	close(four);
}

static void many_at_once(void)
{
	int a = bound(), b = dgram();
	char in[4][8], out[4][8] = { "one", "two", "three", "four" };
	struct iovec vi[4], vo[4];
	struct mmsghdr mi[4] = { 0 }, mo[4] = { 0 };
	struct timespec ts = { .tv_nsec = 10000000 };

	for (int i = 0; i < 4; i++) {
		vi[i] = (struct iovec){ in[i], 8 };
		vo[i] = (struct iovec){ out[i], strlen(out[i]) };
		mi[i].msg_hdr = (struct msghdr){ .msg_iov = &vi[i], .msg_iovlen = 1 };
		mo[i].msg_hdr = (struct msghdr){ .msg_iov = &vo[i], .msg_iovlen = 1 };
	}
	CHECK_EQ(connect4(b, "127.0.0.1", port_of(a)), 0);
	CHECK_EQ(sendmmsg(b, mo, 3, 0), 3);
	CHECK_EQ(mo[2].msg_len, 5);
	CHECK_EQ(recvmmsg(a, mi, 4, MSG_WAITFORONE, NULL), 3);
	CHECK_EQ(mi[0].msg_len, 3);
	CHECK_EQ(memcmp(in[1], "two", 3), 0);
	CHECK_EQ(sendmmsg(b, mo, 4, 0), 4);
	CHECK_EQ(recvmmsg(a, mi, 4, 0, &ts), 4);
	close(a);
	close(b);
}

/* UDP_CORK and MSG_MORE join writes into one datagram; UDP_SEGMENT cuts one. */
static void joined_and_cut(void)
{
	int a = bound(), b = dgram();
	char buf[32];

	CHECK_EQ(connect4(b, "127.0.0.1", port_of(a)), 0);
	CHECK_EQ(send(b, "ab", 2, MSG_MORE), 2);
	CHECK_EQ(send(b, "cd", 2, MSG_MORE), 2);
	CHECK_ERR(recv(a, buf, 32, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(send(b, "ef", 2, 0), 2);
	CHECK_EQ(recv(a, buf, 32, 0), 6);
	CHECK_EQ(memcmp(buf, "abcdef", 6), 0);
	set_int(b, IPPROTO_UDP, 1 /* UDP_CORK */, 1);
	CHECK_EQ(send(b, "12", 2, 0), 2);
	CHECK_EQ(send(b, "34", 2, 0), 2);
	set_int(b, IPPROTO_UDP, 1, 0);
	CHECK_EQ(recv(a, buf, 32, 0), 4);
	set_int(b, IPPROTO_UDP, 103 /* UDP_SEGMENT */, 4);
	CHECK_EQ(send(b, "0123456789", 10, 0), 10);
	CHECK_EQ(recv(a, buf, 32, 0), 4);
	CHECK_EQ(recv(a, buf, 32, 0), 4);
	CHECK_EQ(recv(a, buf, 32, 0), 2);
	close(a);
	close(b);
}

/* UDP-Lite is UDP with ports of its own. */
static void lite(void)
{
	int a = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE), b, udp = dgram();
	char buf[8];

	if (a < 0)
		return; /* a kernel without it */
	b = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	CHECK_EQ(int_option(a, SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDPLITE);
	CHECK_EQ(bind4(a, "127.0.0.1", 0), 0);
	CHECK_EQ(bind4(udp, "127.0.0.1", port_of(a)), 0);
	set_int(a, IPPROTO_UDPLITE, 10 /* UDPLITE_SEND_CSCOV */, 3);
	CHECK_EQ(int_option(a, IPPROTO_UDPLITE, 10), 8);
	CHECK_EQ(send_to4(b, "lite", 4, "127.0.0.1", port_of(a)), 4);
	CHECK_EQ(recv(a, buf, 8, 0), 4);
	CHECK_ERR(recv(udp, buf, 8, MSG_DONTWAIT), EAGAIN);
	close(a);
	close(b);
	close(udp);
}

int main(void)
{
	names();
	errors();
	cut_short();
	connected();
	refused();
	error_queue();
	shut();
	overflow();
	other_family();
	many_at_once();
	joined_and_cut();
	lite();
	return 0;
}
