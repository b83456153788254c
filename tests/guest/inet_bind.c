/* Names of internet sockets: bind's errors, who may share a port (SO_REUSEADDR,
 * SO_REUSEPORT), wildcards, both families, IPV6_V6ONLY, privileged ports, balancing. */
#include <sys/wait.h>

#include "inet.h"

static int stream(void)
{
	return inet_sock(AF_INET, SOCK_STREAM);
}

static int stream6(void)
{
	return inet_sock(AF_INET6, SOCK_STREAM);
}

static void errors(void)
{
	int s = stream(), s6 = stream6();
	struct sockaddr_in sin = inet4("127.0.0.1", 0);
	struct sockaddr_in6 sin6 = inet6("::1", 0);

	CHECK_ERR(bind(s, (struct sockaddr *)&sin, sizeof(sin) - 1), EINVAL);
	CHECK_ERR(bind(s6, (struct sockaddr *)&sin6, 23), EINVAL);
	CHECK_ERR(bind(s6, (struct sockaddr *)&sin, sizeof(sin)), EINVAL);
	CHECK_ERR(bind(s, (struct sockaddr *)&sin6, sizeof(sin6)), EAFNOSUPPORT);
	CHECK_ERR(bind4(s, "198.51.100.7", 0), EADDRNOTAVAIL);
	CHECK_ERR(bind6(s6, "2001:db8::7", 0), EADDRNOTAVAIL);
	CHECK_ERR(bind6(s6, "::ffff:198.51.100.7", 0), EADDRNOTAVAIL);
	CHECK_ERR(bind6(s6, "fe80::1", 0), EINVAL);
	CHECK_ERR(bind6(s6, "ff02::1", 0), EINVAL);
	sin.sin_family = AF_UNSPEC;
	CHECK_ERR(bind(s, (struct sockaddr *)&sin, sizeof(sin)), EAFNOSUPPORT);
	sin.sin_addr.s_addr = 0;
	CHECK_EQ(bind(s, (struct sockaddr *)&sin, sizeof(sin)), 0);
	CHECK(port_of(s) >= 32768);
	CHECK_ERR(bind4(s, "127.0.0.1", 0), EINVAL);
	CHECK_EQ(bind6(s6, "::1", 0), 0);
	CHECK_ERR(bind6(s6, "::1", 0), EINVAL);
	close(s);
	close(s6);
}

static void every_loopback_address(void)
{
	int a = stream(), b = stream(), c = stream(), port;

	CHECK_EQ(bind4(a, "127.0.0.1", 0), 0);
	port = port_of(a);
	CHECK_EQ(bind4(b, "127.1.2.3", port), 0);
	CHECK_EQ(listen(b, 1), 0);
	CHECK_ERR(connect4(c, "127.0.0.1", port), ECONNREFUSED);
	CHECK_EQ(connect4(c, "127.1.2.3", port), 0);
	close(a);
	close(b);
	close(c);
}

/* May b be bound beside a? The result of bind, or of b's listen after it. */
static int beside(int family_a, const char *a, int family_b, const char *b, int option,
		  int a_listens)
{
	int sa = inet_sock(family_a, SOCK_STREAM), sb = inet_sock(family_b, SOCK_STREAM), r;

	if (option) {
		set_int(sa, SOL_SOCKET, option, 1);
		set_int(sb, SOL_SOCKET, option, 1);
	}
	CHECK_EQ(family_a == AF_INET ? bind4(sa, a, 0) : bind6(sa, a, 0), 0);
	if (a_listens)
		CHECK_EQ(listen(sa, 1), 0);
	r = family_b == AF_INET ? bind4(sb, b, port_of(sa)) : bind6(sb, b, port_of(sa));
	r = r < 0 ? errno : 0;
	if (!r && a_listens)
		r = listen(sb, 1) < 0 ? -errno : 0;
	close(sa);
	close(sb);
	return r;
}

static void shared_ports(void)
{
	const int v4 = AF_INET, v6 = AF_INET6;

	CHECK_EQ(beside(v4, "127.0.0.1", v4, "127.0.0.1", 0, 0), EADDRINUSE);
	CHECK_EQ(beside(v4, "127.0.0.1", v4, "0.0.0.0", 0, 0), EADDRINUSE);
	CHECK_EQ(beside(v4, "0.0.0.0", v4, "127.0.0.1", 0, 0), EADDRINUSE);
	CHECK_EQ(beside(v4, "127.0.0.1", v4, "127.0.0.2", 0, 1), 0);
	CHECK_EQ(beside(v6, "::", v4, "0.0.0.0", 0, 0), EADDRINUSE);
	CHECK_EQ(beside(v4, "127.0.0.1", v6, "::", 0, 0), EADDRINUSE);
	CHECK_EQ(beside(v4, "127.0.0.1", v6, "::1", 0, 1), 0);
	CHECK_EQ(beside(v6, "::1", v4, "0.0.0.0", 0, 1), 0);
	CHECK_EQ(beside(v6, "::ffff:127.0.0.1", v4, "127.0.0.1", 0, 0), EADDRINUSE);
	CHECK_EQ(beside(v6, "::", v6, "::1", 0, 0), EADDRINUSE);
	/* With SO_REUSEADDR while nobody listens there. */
	CHECK_EQ(beside(v4, "127.0.0.1", v4, "127.0.0.1", SO_REUSEADDR, 0), 0);
	CHECK_EQ(beside(v4, "0.0.0.0", v4, "127.0.0.1", SO_REUSEADDR, 0), 0);
	CHECK_EQ(beside(v4, "127.0.0.1", v4, "127.0.0.1", SO_REUSEADDR, 1), EADDRINUSE);
	CHECK_EQ(beside(v4, "127.0.0.1", v4, "127.0.0.1", SO_REUSEPORT, 0), 0);
	CHECK_EQ(beside(v4, "127.0.0.1", v4, "127.0.0.1", SO_REUSEPORT, 1), 0);
	CHECK_EQ(beside(v6, "::", v4, "0.0.0.0", SO_REUSEPORT, 1), 0);
}

static void both_may_bind_one_may_listen(void)
{
	int a = stream(), b = stream();

	set_int(a, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(b, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_EQ(bind4(a, "127.0.0.1", 0), 0);
	CHECK_EQ(bind4(b, "127.0.0.1", port_of(a)), 0);
	CHECK_EQ(listen(a, 1), 0);
	CHECK_ERR(listen(b, 1), EADDRINUSE);
	close(a);
	CHECK_EQ(listen(b, 1), 0);
	close(b);
}

static void v6only(void)
{
	int a = stream6(), b = stream(), c, one = 1;

	CHECK_EQ(int_option(a, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	set_int(a, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	CHECK_EQ(bind6(a, "::", 0), 0);
	CHECK_ERR(setsockopt(a, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), EINVAL);
	CHECK_EQ(bind4(b, "0.0.0.0", port_of(a)), 0);
	CHECK_EQ(listen(a, 1), 0);
	c = stream();
	CHECK_ERR(connect4(c, "127.0.0.1", port_of(a)), ECONNREFUSED);
	close(c);
	c = stream6();
	CHECK_EQ(connect6(c, "::1", port_of(a)), 0);
	close(c);
	close(a);
	close(b);
	a = stream6();
	set_int(a, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	CHECK_ERR(bind6(a, "::ffff:127.0.0.1", 0), EINVAL);
	CHECK_ERR(connect6(a, "::ffff:127.0.0.1", 1), ENETUNREACH);
	close(a);
	CHECK_ERR(setsockopt(stream(), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), ENOPROTOOPT);
}

/* An IPv6 listener at :: takes both, and shows IPv4 addresses as ::ffff:a.b.c.d. */
static void mapped(void)
{
	int l = stream6(), c = stream(), s;
	struct sockaddr_in6 got, want = inet6("::ffff:127.0.0.1", 0);
	socklen_t size = sizeof(got);

	CHECK_EQ(bind6(l, "::", 0), 0);
	CHECK_EQ(listen(l, 2), 0);
	CHECK_EQ(connect4(c, "127.0.0.1", port_of(l)), 0);
	s = accept(l, (struct sockaddr *)&got, &size);
	CHECK_EQ(size, sizeof(got));
	CHECK_EQ(got.sin6_family, AF_INET6);
	CHECK_EQ(memcmp(&got.sin6_addr, &want.sin6_addr, 16), 0);
	CHECK_EQ(ntohs(got.sin6_port), port_of(c));
	size = sizeof(got);
	CHECK_EQ(getsockname(s, (struct sockaddr *)&got, &size), 0);
	CHECK_EQ(memcmp(&got.sin6_addr, &want.sin6_addr, 16), 0);
	close(s);
	close(c);
	c = stream6();
	CHECK_EQ(connect6(c, "::ffff:127.0.0.1", port_of(l)), 0);
	size = sizeof(got);
	CHECK_EQ(getsockname(c, (struct sockaddr *)&got, &size), 0);
	CHECK_EQ(memcmp(&got.sin6_addr, &want.sin6_addr, 16), 0);
	close(c);
	close(accept(l, NULL, NULL));
	/* The wildcard as a destination is oneself. */
	c = stream6();
	CHECK_EQ(connect6(c, "::", port_of(l)), 0);
	want = inet6("::1", 0);
	size = sizeof(got);
	CHECK_EQ(getpeername(c, (struct sockaddr *)&got, &size), 0);
	CHECK_EQ(memcmp(&got.sin6_addr, &want.sin6_addr, 16), 0);
	close(c);
	c = stream();
	CHECK_EQ(connect4(c, "0.0.0.0", port_of(l)), 0);
	CHECK_EQ(peer_port_of(c), port_of(l));
	close(c);
	close(l);
}

/* Source addresses: what bind said, else lo's own. */
static void sources(void)
{
	int l = stream(), c = stream();
	struct sockaddr_in got;
	socklen_t size = sizeof(got);

	CHECK_EQ(bind4(l, "127.0.0.9", 0), 0);
	CHECK_EQ(listen(l, 2), 0);
	CHECK_EQ(connect4(c, "127.0.0.9", port_of(l)), 0);
	CHECK_EQ(getsockname(c, (struct sockaddr *)&got, &size), 0);
	CHECK_EQ(got.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	close(c);
	c = stream();
	CHECK_EQ(bind4(c, "127.0.0.33", 0), 0);
	CHECK_EQ(connect4(c, "127.0.0.9", port_of(l)), 0);
	close(accept(l, NULL, NULL));
	close(accept(l, (struct sockaddr *)&got, &size));
	CHECK_EQ(got.sin_addr.s_addr, inet_addr("127.0.0.33"));
	close(c);
	/* The port is chosen by connect only. */
	c = stream();
	set_int(c, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	CHECK_EQ(bind4(c, "127.0.0.34", 0), 0);
	CHECK_EQ(port_of(c), 0);
	CHECK_EQ(connect4(c, "127.0.0.9", port_of(l)), 0);
	CHECK(port_of(c) != 0);
	close(accept(l, (struct sockaddr *)&got, &size));
	CHECK_EQ(got.sin_addr.s_addr, inet_addr("127.0.0.34"));
	close(c);
	close(l);
}

static void privileged(void)
{
	int status;
	pid_t child;

	if (getuid() != 0)
		return;
	child = fork();
	if (!child) {
		int s = stream();

		CHECK_EQ(setuid(12345), 0);
		CHECK_ERR(bind4(s, "127.0.0.1", 99), EACCES);
		CHECK_ERR(bind6(stream6(), "::1", 1023), EACCES);
		CHECK_EQ(bind4(s, "127.0.0.1", 0), 0);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

/* Connections to one port are shared out among the listeners there. */
static void balancing(void)
{
	int l[4], n[4] = { 0 }, port = 0, s;

	for (int i = 0; i < 4; i++) {
		l[i] = inet_sock(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
		set_int(l[i], SOL_SOCKET, SO_REUSEPORT, 1);
		CHECK_EQ(bind4(l[i], "127.0.0.1", port), 0);
		CHECK_EQ(listen(l[i], 200), 0);
		port = port_of(l[0]);
	}
	for (int i = 0; i < 200; i++) {
		int c = stream();

		CHECK_EQ(connect4(c, "127.0.0.1", port), 0);
		close(c);
	}
	do {
		for (int i = 0; i < 4; i++) {
			while ((s = accept(l[i], NULL, NULL)) >= 0) {
				close(s);
				n[i]++;
			}
		}
	} while (n[0] + n[1] + n[2] + n[3] < 200);
	for (int i = 0; i < 4; i++) {
		CHECK(n[i] >= 10);
		close(l[i]);
	}
}

int main(void)
{
	errors();
	every_loopback_address();
	shared_ports();
	both_may_bind_one_may_listen();
	v6only();
	mapped();
	sources();
	privileged();
	balancing();
	return 0;
}
