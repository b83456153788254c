/* TCP: connect, listen and accept, with their errors; non-blocking connects, backlogs,
 * connecting to oneself, disconnecting. */
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "inet.h"

#define EV_OPEN (POLLOUT | POLLWRNORM)
#define EV_READ (POLLIN | POLLRDNORM)

static void names(void)
{
	int l = listener4(8), c = inet_sock(AF_INET, SOCK_STREAM), s;
	struct sockaddr_in got;
	socklen_t size = sizeof(got);

	CHECK_EQ(port_of(c), 0);
	CHECK_ERR(getpeername(c, (struct sockaddr *)&got, &size), ENOTCONN);
	CHECK_EQ(connect4(c, "127.0.0.1", port_of(l)), 0);
	s = accept(l, (struct sockaddr *)&got, &size);
	CHECK(s >= 0);
	CHECK_EQ(size, sizeof(got));
	CHECK_EQ(got.sin_family, AF_INET);
	CHECK_EQ(got.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK_EQ(ntohs(got.sin_port), port_of(c));
	CHECK_EQ(port_of(s), port_of(l));
	CHECK_EQ(peer_port_of(c), port_of(l));
	CHECK_EQ(peer_port_of(s), port_of(c));
	CHECK(port_of(c) >= 1024);
	CHECK_ERR(connect4(c, "127.0.0.1", port_of(l)), EISCONN);
	CHECK_ERR(connect4(l, "127.0.0.1", port_of(l)), EISCONN);
	CHECK_ERR(listen(c, 1), EINVAL);
	CHECK_ERR(bind4(c, "127.0.0.1", 0), EINVAL);
	CHECK_ERR(accept(c, NULL, NULL), EINVAL);
	close(s);
	close(c);
	close(l);
}

static void errors(void)
{
	int c = inet_sock(AF_INET, SOCK_STREAM), l = listener4(1), port = port_of(l);
	struct sockaddr_in sin = inet4("127.0.0.1", port);

	close(l);
	CHECK_ERR(connect4(c, "127.0.0.1", port), ECONNREFUSED);
	CHECK_ERR(connect4(c, "127.0.0.1", port), ECONNREFUSED);
	CHECK_EQ(int_option(c, SOL_SOCKET, SO_ERROR), 0);
	CHECK_ERR(connect(c, (struct sockaddr *)&sin, sizeof(sin) - 1), EINVAL);
	CHECK_ERR(connect(c, (struct sockaddr *)&sin, 1), EINVAL);
	sin.sin_family = AF_INET6;
	CHECK_ERR(connect(c, (struct sockaddr *)&sin, sizeof(sin)), EAFNOSUPPORT);
	CHECK_ERR(connect4(c, "224.0.0.1", 80), ENETUNREACH);
	CHECK_ERR(send(c, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_ERR(recv(c, &sin, 1, 0), ENOTCONN);
	CHECK_ERR(shutdown(c, SHUT_RDWR), ENOTCONN);
	CHECK_ERR(shutdown(c, 3), EINVAL);
	CHECK_EQ(events_now(c), POLLHUP | EV_OPEN | EV_READ | POLLRDHUP);
	close(c);
	c = inet_sock(AF_INET, SOCK_STREAM);
	CHECK_EQ(events_now(c), POLLHUP | EV_OPEN);
	l = socket(AF_INET, SOCK_STREAM, IPPROTO_UDP);
	CHECK(l < 0 && errno == EPROTONOSUPPORT);
	CHECK_ERR(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT);
	CHECK_ERR(socket(AF_INET, SOCK_RAW, 0), EPROTONOSUPPORT);
	CHECK_ERR(socket(AF_INET, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	CHECK_ERR(socket(AF_INET, 11, 0), EINVAL);
	CHECK_ERR(socketpair(AF_INET, SOCK_STREAM, 0, (int[2]){ 0 }), EOPNOTSUPP);
	close(c);
}

static void without_blocking(void)
{
	int l = listener4(8), c = inet_sock(AF_INET, SOCK_STREAM | SOCK_NONBLOCK),
	    port = port_of(l);

	set_nonblock(l);
	CHECK_ERR(accept(l, NULL, NULL), EAGAIN);
	CHECK_EQ(events_now(l), 0);
	CHECK_ERR(connect4(c, "127.0.0.1", port), EINPROGRESS);
	CHECK_EQ(events_within(c, POLLOUT, LONG_MS), POLLOUT);
	CHECK_EQ(int_option(c, SOL_SOCKET, SO_ERROR), 0);
	CHECK_EQ(connect4(c, "127.0.0.1", port), 0);
	CHECK_ERR(connect4(c, "127.0.0.1", port), EISCONN);
	CHECK_EQ(events_within(l, POLLIN, LONG_MS), POLLIN);
	close(accept(l, NULL, NULL));
	close(c);
	close(l);

	c = inet_sock(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
	CHECK_ERR(connect4(c, "127.0.0.1", port), EINPROGRESS);
	CHECK_EQ(events_within(c, POLLOUT, LONG_MS), POLLOUT | POLLERR | POLLHUP);
	CHECK_EQ(int_option(c, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	CHECK_EQ(int_option(c, SOL_SOCKET, SO_ERROR), 0);
	CHECK_ERR(connect4(c, "127.0.0.1", port), ECONNABORTED);
	CHECK_ERR(connect4(c, "127.0.0.1", port), EINPROGRESS);
	CHECK_EQ(events_within(c, POLLOUT, LONG_MS), POLLOUT | POLLERR | POLLHUP);
	CHECK_ERR(connect4(c, "127.0.0.1", port), ECONNREFUSED);
	close(c);
}

/* A full queue: who connects then waits until somebody accepts. */
static void backlog(void)
{
	int l = listener4(0), first = inet_sock(AF_INET, SOCK_STREAM), port = port_of(l);
	int second = inet_sock(AF_INET, SOCK_STREAM | SOCK_NONBLOCK), a, b;
	char c;

	CHECK_EQ(connect4(first, "127.0.0.1", port), 0);
	CHECK_ERR(connect4(second, "127.0.0.1", port), EINPROGRESS);
	CHECK_EQ(events_within(second, POLLOUT | POLLIN, 100), 0);
	CHECK_ERR(connect4(second, "127.0.0.1", port), EALREADY);
	CHECK_ERR(send(second, "x", 1, 0), EAGAIN);
	CHECK_ERR(recv(second, &c, 1, 0), EAGAIN);
	CHECK_ERR(getpeername(second, (struct sockaddr[1]){ 0 }, &(socklen_t){ 16 }), ENOTCONN);
	CHECK(port_of(second) != 0);
	a = accept(l, NULL, NULL);
	CHECK(a >= 0);
	CHECK_EQ(events_within(second, POLLOUT, LONG_MS), POLLOUT);
	b = accept(l, NULL, NULL);
	CHECK(b >= 0);
	CHECK_EQ(send(second, "y", 1, 0), 1);
	CHECK_EQ(recv(b, &c, 1, 0), 1);
	CHECK_EQ(c, 'y');
	close(a);
	close(b);
	close(first);
	close(second);
	close(l);
}

static void closed_while_waiting(void)
{
	int l = listener4(0), first = inet_sock(AF_INET, SOCK_STREAM), port = port_of(l);
	int second = inet_sock(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
	char c;

	CHECK_EQ(connect4(first, "127.0.0.1", port), 0);
	CHECK_ERR(connect4(second, "127.0.0.1", port), EINPROGRESS);
	CHECK_EQ(events_within(second, POLLOUT | POLLIN, 50), 0);
	close(second); /* gives up */
	close(l);
	CHECK_EQ(events_within(first, POLLIN, LONG_MS), POLLIN | POLLERR | POLLHUP);
	CHECK_ERR(recv(first, &c, 1, 0), ECONNRESET);
	close(first);
}

static void nothing(int sig)
{
	(void)sig;
}

static void *interrupt_soon(void *arg)
{
	pthread_t *who = arg;

	wait_asleep(getpid(), SYS_connect);
	pthread_kill(*who, SIGUSR1);
	return NULL;
}

static void interrupted(void)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct timeval tv = { .tv_usec = 50000 };
	int l = listener4(0), first = inet_sock(AF_INET, SOCK_STREAM), port = port_of(l);
	int c = inet_sock(AF_INET, SOCK_STREAM);
	pthread_t self = pthread_self(), th;

	sigaction(SIGUSR1, &sa, NULL);
	CHECK_EQ(connect4(first, "127.0.0.1", port), 0);
	CHECK_EQ(pthread_create(&th, NULL, interrupt_soon, &self), 0);
	CHECK_ERR(connect4(c, "127.0.0.1", port), EINTR);
	CHECK_EQ(pthread_join(th, NULL), 0);
	CHECK_EQ(setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
	CHECK_ERR(connect4(c, "127.0.0.1", port), EALREADY);
	close(c);
	c = inet_sock(AF_INET, SOCK_STREAM);
	CHECK_EQ(setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
	CHECK_ERR(connect4(c, "127.0.0.1", port), EINPROGRESS);
	CHECK_EQ(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	close(accept(l, NULL, NULL));
	close(c);
	close(first);
	close(l);
}

static void to_oneself(void)
{
	int s = inet_sock(AF_INET, SOCK_STREAM), port;
	char buf[4];

	CHECK_EQ(bind4(s, "127.0.0.1", 0), 0);
	port = port_of(s);
	CHECK_EQ(connect4(s, "127.0.0.1", port), 0);
	CHECK_EQ(peer_port_of(s), port);
	CHECK_EQ(send(s, "me", 2, 0), 2);
	CHECK_EQ(recv(s, buf, 4, 0), 2);
	CHECK_EQ(shutdown(s, SHUT_WR), 0);
	CHECK_EQ(recv(s, buf, 4, 0), 0);
	close(s);
}

static void disconnected(void)
{
	int l = listener4(8), c = inet_sock(AF_INET, SOCK_STREAM), s;
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	char ch;

	CHECK_EQ(connect4(c, "127.0.0.1", port_of(l)), 0);
	s = accept(l, NULL, NULL);
	CHECK_EQ(connect(c, &none, sizeof(none)), 0);
	CHECK_ERR(recv(s, &ch, 1, 0), ECONNRESET);
	CHECK_EQ(recv(s, &ch, 1, 0), 0);
	CHECK_ERR(getpeername(c, (struct sockaddr[1]){ 0 }, &(socklen_t){ 16 }), ENOTCONN);
	CHECK_EQ(int_option(c, SOL_SOCKET, SO_ERROR), ECONNRESET);
	CHECK_EQ(connect4(c, "127.0.0.1", port_of(l)), 0);
	close(s);
	s = accept(l, NULL, NULL);
	CHECK_EQ(send(c, "z", 1, 0), 1);
	CHECK_EQ(recv(s, &ch, 1, 0), 1);
	/* A listener that stops. */
	CHECK_EQ(shutdown(l, SHUT_RD), 0);
	CHECK_ERR(accept(l, NULL, NULL), EINVAL);
	CHECK_EQ(int_option(l, SOL_SOCKET, SO_ACCEPTCONN), 0);
	CHECK_EQ(listen(l, 1), 0);
	CHECK_EQ(int_option(l, SOL_SOCKET, SO_ACCEPTCONN), 1);
	close(s);
	close(c);
	close(l);
}

static void inherited(void)
{
	int l = inet_sock(AF_INET, SOCK_STREAM), c = inet_sock(AF_INET, SOCK_STREAM), s;
	char ch;

	set_int(l, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(l, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(l, IPPROTO_TCP, TCP_KEEPIDLE, 33);
	set_int(l, SOL_SOCKET, SO_RCVBUF, 5000);
	set_nonblock(l);
	CHECK_EQ(listen(l, 1), 0); /* without a bind */
	CHECK(port_of(l) != 0);
	CHECK_EQ(connect4(c, "127.0.0.1", port_of(l)), 0);
	CHECK_EQ(send(c, "early", 5, 0), 5);
	CHECK_EQ(events_within(l, POLLIN, LONG_MS), POLLIN);
	s = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	CHECK_EQ(fcntl(s, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(s, F_GETFL) & O_NONBLOCK, 0);
	CHECK_EQ(int_option(s, SOL_SOCKET, SO_KEEPALIVE), 1);
	CHECK_EQ(int_option(s, IPPROTO_TCP, TCP_NODELAY), 1);
	CHECK_EQ(int_option(s, IPPROTO_TCP, TCP_KEEPIDLE), 33);
	CHECK_EQ(int_option(s, SOL_SOCKET, SO_RCVBUF), 10000);
	CHECK_EQ(recv(s, &ch, 1, 0), 1);
	CHECK_ERR(accept4(l, NULL, NULL, 1), EINVAL);
	close(s);
	close(c);
	close(l);
}

int main(void)
{
	names();
	errors();
	without_blocking();
	backlog();
	closed_while_waiting();
	interrupted();
	to_oneself();
	disconnected();
	inherited();
	return 0;
}
