/* TCP: how connections end: FIN either way, half closed, resets, SO_LINGER, what poll
 * and errors say at each point, TIME_WAIT and the ports it keeps. */
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>

#include "inet.h"

#define EV_OPEN (POLLOUT | POLLWRNORM)
#define EV_READ (POLLIN | POLLRDNORM)

static int state_of(int s)
{
	struct tcp_info ti;
	socklen_t size = sizeof(ti);

	CHECK_EQ(getsockopt(s, IPPROTO_TCP, TCP_INFO, &ti, &size), 0);
	return ti.tcpi_state;
}

static void they_close(void)
{
	int p[2];
	char buf[8];

	tcp_pair(p);
	CHECK_EQ(state_of(p[0]), TCP_ESTABLISHED);
	CHECK_EQ(events_now(p[0]), EV_OPEN);
	CHECK_EQ(send(p[1], "last", 4, 0), 4);
	close(p[1]);
	CHECK_EQ(events_within(p[0], POLLRDHUP, LONG_MS), POLLRDHUP);
	EVENTS_BECOME(p[0], EV_OPEN | EV_READ | POLLRDHUP);
	CHECK_EQ(state_of(p[0]), TCP_CLOSE_WAIT);
	CHECK_EQ(recv(p[0], buf, 8, 0), 4);
	CHECK_EQ(recv(p[0], buf, 8, 0), 0);
	CHECK_EQ(recv(p[0], buf, 8, MSG_DONTWAIT), 0);
	/* The first write is answered with a reset, the next meets it. */
	CHECK_EQ(send(p[0], "x", 1, MSG_NOSIGNAL), 1);
	EVENTS_BECOME(p[0], EV_OPEN | EV_READ | POLLRDHUP | POLLHUP | POLLERR);
	CHECK_ERR(send(p[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(recv(p[0], buf, 8, 0), 0);
	CHECK_EQ(state_of(p[0]), TCP_CLOSE);
	CHECK_ERR(getpeername(p[0], (struct sockaddr[1]){ 0 }, &(socklen_t){ 16 }), ENOTCONN);
	CHECK(port_of(p[0]) != 0);
	close(p[0]);
}

static void half_closed(void)
{
	int p[2];
	char buf[8];

	tcp_pair(p);
	CHECK_EQ(shutdown(p[0], SHUT_WR), 0);
	CHECK(state_of(p[0]) == TCP_FIN_WAIT1 || state_of(p[0]) == TCP_FIN_WAIT2);
	WAIT_UNTIL(state_of(p[1]) == TCP_CLOSE_WAIT);
	CHECK_ERR(send(p[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(events_now(p[0]), EV_OPEN);
	CHECK_EQ(recv(p[1], buf, 8, 0), 0);
	CHECK_EQ(send(p[1], "still", 5, 0), 5);
	CHECK_EQ(recv(p[0], buf, 8, 0), 5);
	CHECK_EQ(shutdown(p[1], SHUT_WR), 0);
	CHECK_EQ(recv(p[0], buf, 8, 0), 0);
	EVENTS_BECOME(p[0], EV_OPEN | EV_READ | POLLRDHUP | POLLHUP);
	EVENTS_BECOME(p[1], EV_OPEN | EV_READ | POLLRDHUP | POLLHUP);
	WAIT_UNTIL(state_of(p[0]) == TCP_CLOSE);
	WAIT_UNTIL(state_of(p[1]) == TCP_CLOSE);
	CHECK_ERR(shutdown(p[0], SHUT_WR), ENOTCONN);
	CHECK_ERR(connect4(p[0], "127.0.0.1", 1), EISCONN);
	close(p[0]);
	close(p[1]);
}

static void shut_for_reading(void)
{
	int p[2];
	char buf[8];

	tcp_pair(p);
	CHECK_EQ(shutdown(p[0], SHUT_RD), 0);
	CHECK_EQ(recv(p[0], buf, 8, 0), 0);
	CHECK_EQ(events_now(p[0]), EV_OPEN | EV_READ | POLLRDHUP);
	/* The other end does not hear of it, and what it sends can be read. */
	CHECK_EQ(events_now(p[1]), EV_OPEN);
	CHECK_EQ(send(p[1], "more", 4, 0), 4);
	CHECK_EQ(recv(p[0], buf, 8, 0), 4);
	CHECK_EQ(recv(p[0], buf, 8, 0), 0);
	CHECK_EQ(shutdown(p[0], SHUT_WR), 0);
	CHECK_EQ(events_now(p[0]), EV_OPEN | EV_READ | POLLRDHUP | POLLHUP);
	close(p[0]);
	close(p[1]);
}

static void reset_by_unread_data(void)
{
	int p[2];
	char buf[8];

	tcp_pair(p);
	CHECK_EQ(send(p[0], "unread", 6, 0), 6);
	CHECK_EQ(events_within(p[1], POLLIN, LONG_MS), POLLIN);
	CHECK_EQ(send(p[1], "hello", 5, 0), 5);
	CHECK_EQ(events_within(p[0], POLLIN, LONG_MS), POLLIN);
	close(p[1]);
	EVENTS_BECOME(p[0], EV_OPEN | EV_READ | POLLRDHUP | POLLHUP | POLLERR);
	CHECK_EQ(recv(p[0], buf, 8, 0), 5); /* what had come is there */
	CHECK_ERR(recv(p[0], buf, 8, 0), ECONNRESET);
	CHECK_EQ(recv(p[0], buf, 8, 0), 0);
	CHECK_ERR(send(p[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	close(p[0]);
}

static void reset_by_linger(void)
{
	struct linger l = { .l_onoff = 5, .l_linger = 0 }, got;
	socklen_t size = sizeof(got);
	int p[2];
	char buf[8];

	tcp_pair(p);
	CHECK_EQ(setsockopt(p[1], SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	CHECK_EQ(getsockopt(p[1], SOL_SOCKET, SO_LINGER, &got, &size), 0);
	CHECK_EQ(got.l_onoff, 1);
	close(p[1]);
	CHECK_ERR(recv(p[0], buf, 8, 0), ECONNRESET);
	close(p[0]);

	/* After their FIN a reset is EPIPE. */
	tcp_pair(p);
	CHECK_EQ(shutdown(p[1], SHUT_WR), 0);
	CHECK_EQ(recv(p[0], buf, 8, 0), 0);
	CHECK_EQ(setsockopt(p[1], SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	close(p[1]);
	WAIT_UNTIL(events_within(p[0], 0, 0) & POLLERR);
	CHECK_EQ(int_option(p[0], SOL_SOCKET, SO_ERROR), EPIPE);
	close(p[0]);

	/* Time enough: nothing is lost. */
	l.l_linger = 10;
	tcp_pair(p);
	CHECK_EQ(setsockopt(p[1], SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	CHECK_EQ(send(p[1], "bye", 3, 0), 3);
	close(p[1]);
	CHECK_EQ(recv(p[0], buf, 8, MSG_WAITALL), 3);
	close(p[0]);
}

static volatile sig_atomic_t pipes;

static void on_pipe(int sig)
{
	(void)sig;
	pipes++;
}

static void sigpipe(void)
{
	int p[2];

	signal(SIGPIPE, on_pipe);
	tcp_pair(p);
	CHECK_EQ(shutdown(p[0], SHUT_WR), 0);
	CHECK_ERR(send(p[0], "x", 1, 0), EPIPE);
	CHECK_EQ(pipes, 1);
	CHECK_ERR(write(p[0], "x", 1), EPIPE);
	CHECK_EQ(pipes, 2);
	CHECK_ERR(send(p[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(pipes, 2);
	close(p[0]);
	close(p[1]);
}

/* Edge-triggered: one event for each thing that comes. */
static void epoll_edges(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET }, got;
	int p[2], ep = epoll_create1(0);
	char buf[8];

	tcp_pair(p);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), 0);
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 1);
	CHECK_EQ(got.events, EPOLLOUT);
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 0);
	CHECK_EQ(send(p[1], "a", 1, 0), 1);
	CHECK_EQ(epoll_wait(ep, &got, 1, LONG_MS), 1);
	CHECK_EQ(got.events, EPOLLIN | EPOLLOUT);
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 0);
	CHECK_EQ(send(p[1], "b", 1, 0), 1);
	CHECK_EQ(epoll_wait(ep, &got, 1, LONG_MS), 1);
	CHECK_EQ(recv(p[0], buf, 8, 0), 2);
	CHECK_EQ(shutdown(p[1], SHUT_WR), 0);
	CHECK_EQ(epoll_wait(ep, &got, 1, LONG_MS), 1);
	CHECK_EQ(got.events, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 0);
	close(ep);
	close(p[0]);
	close(p[1]);
}

/* Who closes first keeps the port for a while. */
static void time_wait(void)
{
	int l = listener4(1), c = inet_sock(AF_INET, SOCK_STREAM), s, port = port_of(l), again;

	CHECK_EQ(connect4(c, "127.0.0.1", port), 0);
	s = accept(l, NULL, NULL);
	close(s);
	close(c);
	close(l);
	again = inet_sock(AF_INET, SOCK_STREAM);
	CHECK_ERR(bind4(again, "127.0.0.1", port), EADDRINUSE);
	CHECK_ERR(bind4(again, "0.0.0.0", port), EADDRINUSE);
	CHECK_EQ(bind4(again, "127.0.0.2", port), 0);
	close(again);
	/* SO_REUSEADDR must have been set on both. */
	again = inet_sock(AF_INET, SOCK_STREAM);
	set_int(again, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_ERR(bind4(again, "127.0.0.1", port), EADDRINUSE);
	close(again);

	l = inet_sock(AF_INET, SOCK_STREAM);
	set_int(l, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_EQ(bind4(l, "127.0.0.1", 0), 0);
	CHECK_EQ(listen(l, 1), 0);
	port = port_of(l);
	c = inet_sock(AF_INET, SOCK_STREAM);
	CHECK_EQ(connect4(c, "127.0.0.1", port), 0);
	s = accept(l, NULL, NULL);
	close(s);
	close(c);
	close(l);
	l = inet_sock(AF_INET, SOCK_STREAM);
	CHECK_ERR(bind4(l, "127.0.0.1", port), EADDRINUSE);
	set_int(l, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_EQ(bind4(l, "127.0.0.1", port), 0);
	CHECK_EQ(listen(l, 1), 0);
	close(l);
}

/* The one who connected closes first: its port is kept, the listener's is free. */
static void time_wait_of_client(void)
{
	int l = listener4(1), c = inet_sock(AF_INET, SOCK_STREAM), s, port = port_of(l), mine;

	CHECK_EQ(connect4(c, "127.0.0.1", port), 0);
	mine = port_of(c);
	s = accept(l, NULL, NULL);
	close(c);
	WAIT_UNTIL(state_of(s) == TCP_CLOSE_WAIT);
	close(s);
	close(l);
	l = inet_sock(AF_INET, SOCK_STREAM);
	CHECK_EQ(bind4(l, "127.0.0.1", port), 0);
	CHECK_EQ(listen(l, 1), 0);
	c = inet_sock(AF_INET, SOCK_STREAM);
	CHECK_ERR(bind4(c, "127.0.0.1", mine), EADDRINUSE);
	close(c);
	/* A reset leaves nothing behind. */
	c = inet_sock(AF_INET, SOCK_STREAM);
	CHECK_EQ(connect4(c, "127.0.0.1", port), 0);
	mine = port_of(c);
	s = accept(l, NULL, NULL);
	CHECK_EQ(setsockopt(c, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
			    sizeof(struct linger)),
		 0);
	close(c);
	close(s);
	c = inet_sock(AF_INET, SOCK_STREAM);
	CHECK_EQ(bind4(c, "127.0.0.1", mine), 0);
	close(c);
	close(l);
}

int main(void)
{
	they_close();
	half_closed();
	shut_for_reading();
	reset_by_unread_data();
	reset_by_linger();
	sigpipe();
	epoll_edges();
	time_wait();
	time_wait_of_client();
	return 0;
}
