/* TCP: bytes: flags of send and recv, full buffers, low water marks, urgent data,
 * ioctls, vectors, large transfers between processes, options and TCP_INFO. */
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "inet.h"

static int inq(int s)
{
	int n = -1;

	CHECK_EQ(ioctl(s, FIONREAD, &n), 0);
	return n;
}

static void flags(void)
{
	int p[2];
	char buf[16] = { 0 };

	tcp_pair(p);
	CHECK_ERR(recv(p[0], buf, 4, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(send(p[1], "abcdef", 6, 0), 6);
	WAIT_UNTIL(inq(p[0]) == 6);
	CHECK_EQ(recv(p[0], buf, 4, MSG_PEEK), 4);
	CHECK_EQ(memcmp(buf, "abcd", 4), 0);
	CHECK_EQ(recv(p[0], buf, 2, MSG_TRUNC), 2); /* thrown away */
	CHECK_EQ(recv(p[0], buf, 16, 0), 4);
	CHECK_EQ(memcmp(buf, "cdef", 4), 0);
	CHECK_EQ(send(p[1], "", 0, 0), 0);
	CHECK_EQ(recv(p[0], buf, 0, MSG_DONTWAIT), -1);
	CHECK_ERR(recv(p[0], buf, 4, MSG_ERRQUEUE), EAGAIN);
	CHECK_ERR(recv(p[0], (void *)16, 4, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(send(p[1], "q", 1, 0), 1);
	CHECK_ERR(recv(p[0], (void *)16, 4, 0), EFAULT);
	CHECK_EQ(recv(p[0], buf, 4, 0), 1);
	CHECK_ERR(send(p[1], (void *)16, 4, 0), EFAULT);
	CHECK_EQ(inq(p[0]), 0);
	close(p[0]);
	close(p[1]);
}

static void *late_writer(void *arg)
{
	int s = *(int *)arg;

	for (int i = 0; i < 4; i++) {
		wait_asleep(getpid(), SYS_recvfrom);
		CHECK_EQ(send(s, "12345", 5, 0), 5);
	}
	return NULL;
}

static void wait_for_all(void)
{
	struct timeval tv = { .tv_usec = 30000 };
	char buf[64];
	pthread_t th;
	int p[2];

	tcp_pair(p);
	CHECK_EQ(pthread_create(&th, NULL, late_writer, &p[1]), 0);
	CHECK_EQ(recv(p[0], buf, 20, MSG_WAITALL), 20);
	CHECK_EQ(pthread_join(th, NULL), 0);
	/* The low water mark. */
	set_int(p[0], SOL_SOCKET, SO_RCVLOWAT, 10);
	CHECK_EQ(send(p[1], "123456789", 9, 0), 9);
	CHECK_EQ(events_within(p[0], POLLIN, 0), 0);
	CHECK_EQ(send(p[1], "0", 1, 0), 1);
	CHECK_EQ(events_within(p[0], POLLIN, LONG_MS), POLLIN);
	CHECK_EQ(recv(p[0], buf, 64, 0), 10);
	/* The end of the time, or of the stream, ends the wait. */
	CHECK_EQ(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	CHECK_ERR(recv(p[0], buf, 64, 0), EAGAIN);
	CHECK_EQ(send(p[1], "abc", 3, 0), 3);
	WAIT_UNTIL(inq(p[0]) == 3);
	CHECK_EQ(recv(p[0], buf, 64, MSG_WAITALL), 3);
	CHECK_EQ(send(p[1], "abc", 3, 0), 3);
	close(p[1]);
	CHECK_EQ(events_within(p[0], POLLRDHUP, LONG_MS), POLLRDHUP);
	CHECK_EQ(recv(p[0], buf, 64, MSG_WAITALL), 3);
	CHECK_EQ(recv(p[0], buf, 64, MSG_WAITALL), 0);
	close(p[0]);
}

/* Fills a connection, then empties it. */
static void full(void)
{
	static char buf[1 << 16];
	struct timeval tv = { .tv_usec = 20000 };
	size_t sent = 0, got = 0;
	ssize_t n;
	int p[2], out = -1;

	tcp_pair(p);
	set_int(p[1], SOL_SOCKET, SO_SNDBUF, 20000);
	set_nonblock(p[1]);
	do {
		while ((n = send(p[1], buf, sizeof(buf), 0)) > 0)
			sent += (size_t)n;
		CHECK(n == -1 && errno == EAGAIN);
	} while (events_within(p[1], POLLOUT, 100)); /* until it stays full */
	CHECK(sent >= 20000);
	CHECK_EQ(events_within(p[1], POLLOUT, 0), 0);
	CHECK_EQ(ioctl(p[1], SIOCOUTQ, &out), 0);
	CHECK(out > 0 && (size_t)out <= sent);
	CHECK_EQ(fcntl(p[1], F_SETFL, 0), 0);
	CHECK_EQ(setsockopt(p[1], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
	CHECK_ERR(send(p[1], buf, 100000, 0), EAGAIN);
	while (got < sent) {
		n = recv(p[0], buf, sizeof(buf), 0);
		CHECK(n > 0);
		got += (size_t)n;
	}
	CHECK_EQ(got, sent);
	CHECK_EQ(events_within(p[1], POLLOUT, LONG_MS), POLLOUT);
	close(p[0]);
	close(p[1]);
}

static volatile sig_atomic_t urgent_signals;

static void on_urgent(int sig)
{
	(void)sig;
	urgent_signals++;
}

static void urgent(void)
{
	char buf[16];
	int p[2], mark = -1;

	signal(SIGURG, on_urgent);
	tcp_pair(p);
	CHECK_EQ(fcntl(p[0], F_SETOWN, getpid()), 0);
	CHECK_ERR(recv(p[0], buf, 1, MSG_OOB), EINVAL);
	CHECK_EQ(send(p[1], "abcU", 4, MSG_OOB), 4);
	CHECK_EQ(events_within(p[0], POLLPRI, LONG_MS), POLLPRI);
	WAIT_UNTIL(urgent_signals);
	CHECK_EQ(urgent_signals, 1);
	CHECK_EQ(send(p[1], "def", 3, 0), 3);
	CHECK_EQ(inq(p[0]), 3);
	CHECK_EQ(ioctl(p[0], SIOCATMARK, &mark), 0);
	CHECK_EQ(mark, 0);
	CHECK_EQ(recv(p[0], buf, 16, 0), 3); /* stops before it */
	CHECK_EQ(ioctl(p[0], SIOCATMARK, &mark), 0);
	CHECK_EQ(mark, 1);
	CHECK_EQ(recv(p[0], buf, 1, MSG_OOB | MSG_PEEK), 1);
	CHECK_EQ(recv(p[0], buf, 1, MSG_OOB), 1);
	CHECK_EQ(buf[0], 'U');
	CHECK_ERR(recv(p[0], buf, 1, MSG_OOB), EINVAL);
	CHECK_EQ(events_within(p[0], POLLPRI, 0), 0);
	CHECK_EQ(recv(p[0], buf, 16, 0), 3); /* and goes on behind it */
	CHECK_EQ(memcmp(buf, "def", 3), 0);

	/* Alone it is nothing to read. */
	CHECK_EQ(send(p[1], "V", 1, MSG_OOB), 1);
	CHECK_EQ(events_within(p[0], POLLPRI | POLLIN, LONG_MS), POLLPRI);
	CHECK_ERR(recv(p[0], buf, 16, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(send(p[1], "W", 1, MSG_OOB), 1);
	CHECK_EQ(send(p[1], "x", 1, 0), 1);
	CHECK_EQ(events_within(p[0], POLLIN, LONG_MS), POLLIN);
	CHECK_EQ(recv(p[0], buf, 1, MSG_OOB), 1);
	CHECK_EQ(buf[0], 'W');
	CHECK_EQ(recv(p[0], buf, 16, 0), 1);
	CHECK_EQ(buf[0], 'x');

	/* In line it is a byte like any other, but ends a read. */
	set_int(p[0], SOL_SOCKET, SO_OOBINLINE, 1);
	CHECK_EQ(send(p[1], "gh", 2, MSG_OOB), 2);
	CHECK_EQ(send(p[1], "i", 1, 0), 1);
	CHECK_ERR(recv(p[0], buf, 1, MSG_OOB), EINVAL);
	WAIT_UNTIL(inq(p[0]) == 3);
	CHECK_EQ(recv(p[0], buf, 16, 0), 1);
	CHECK_EQ(recv(p[0], buf, 16, 0), 2);
	CHECK_EQ(memcmp(buf, "hi", 2), 0);
	close(p[0]);
	close(p[1]);
}

#define BULK (6 << 20)

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 7 ^ i >> 9);
}

/* Odd sizes, through vectors, to another process. */
static void between_processes(void)
{
	static uint8_t buf[100000];
	size_t at = 0;
	int p[2], status;
	pid_t child;

	tcp_pair(p);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		close(p[0]);
		for (size_t n = 1; at < BULK; n = n * 5 % 99991 + 1) {
			n = n < BULK - at ? n : BULK - at;
			for (size_t i = 0; i < n; i++)
				buf[i] = pattern(at + i);
			struct iovec v[3] = { { buf, n / 3 },
					      { buf + n / 3, n / 3 },
					      { buf + n / 3 * 2, n - n / 3 * 2 } };

			CHECK_EQ(writev(p[1], v, 3), n);
			at += n;
		}
		_exit(0);
	}
	close(p[1]);
	for (;;) {
		ssize_t n = read(p[0], buf, sizeof(buf));

		CHECK(n >= 0);
		if (!n)
			break;
		for (ssize_t i = 0; i < n; i++, at++)
			CHECK_EQ(buf[i], pattern(at));
	}
	CHECK_EQ(at, BULK);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	close(p[0]);
}

static void options(void)
{
	static const struct {
		int name, good, bad, first;
	} rows[] = {
		{ TCP_NODELAY, 1, -1, 0 },        { TCP_KEEPIDLE, 100, 0, 7200 },
		{ TCP_KEEPINTVL, 10, 32768, 75 }, { TCP_KEEPCNT, 3, 128, 9 },
		{ TCP_SYNCNT, 2, 0, 6 },          { TCP_USER_TIMEOUT, 5000, -2, 0 },
		{ TCP_CORK, 1, -1, 0 },           { TCP_QUICKACK, 1, -1, 1 },
		{ TCP_MAXSEG, 1000, 40, 536 },    { TCP_LINGER2, 5, -1, 60 },
	};
	int s = inet_sock(AF_INET, SOCK_STREAM), p[2], val = 5;
	struct tcp_info ti;
	socklen_t size;
	char text[32];

	CHECK_EQ(int_option(s, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	CHECK_EQ(int_option(s, SOL_SOCKET, SO_DOMAIN), AF_INET);
	CHECK_EQ(int_option(s, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	CHECK_EQ(int_option(s, SOL_SOCKET, SO_SNDBUF), 16384);
	CHECK_EQ(int_option(s, SOL_SOCKET, SO_RCVBUF), 131072);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int name = rows[i].name, bad = rows[i].bad;

		CHECK_EQ(int_option(s, IPPROTO_TCP, name), rows[i].first);
		set_int(s, IPPROTO_TCP, name, rows[i].good);
		CHECK_EQ(int_option(s, IPPROTO_TCP, name), rows[i].good);
		if (bad != -1)
			CHECK_ERR(setsockopt(s, IPPROTO_TCP, name, &bad, sizeof(bad)), EINVAL);
	}
	set_int(s, IPPROTO_TCP, TCP_DEFER_ACCEPT, 4);
	CHECK_EQ(int_option(s, IPPROTO_TCP, TCP_DEFER_ACCEPT), 7);
	CHECK_ERR(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &val, 3), EINVAL);
	CHECK_ERR(setsockopt(s, IPPROTO_TCP, 9999, &val, sizeof(val)), ENOPROTOOPT);
	CHECK_ERR(setsockopt(s, 9999, 1, &val, sizeof(val)), ENOPROTOOPT);
	CHECK_ERR(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6), ENOENT);
	CHECK_EQ(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
	size = sizeof(text);
	CHECK_EQ(getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, text, &size), 0);
	CHECK_EQ(size, 16);
	CHECK_EQ(strcmp(text, "reno"), 0);
	set_int(s, IPPROTO_IP, IP_TOS, 0x10);
	CHECK_EQ(int_option(s, IPPROTO_IP, IP_TOS), 0x10);
	CHECK_EQ(int_option(s, IPPROTO_IP, IP_TTL), 64);
	val = 300;
	CHECK_ERR(setsockopt(s, IPPROTO_IP, IP_TTL, &val, sizeof(val)), EINVAL);
	CHECK_ERR(getsockopt(s, IPPROTO_IP, IP_MTU, &val, &size), ENOTCONN);
	close(s);

	tcp_pair(p);
	CHECK_EQ(send(p[0], "12345", 5, 0), 5);
	size = sizeof(ti);
	CHECK_EQ(getsockopt(p[1], IPPROTO_TCP, TCP_INFO, &ti, &size), 0);
	CHECK_EQ(size, sizeof(ti));
	CHECK_EQ(ti.tcpi_state, TCP_ESTABLISHED);
	CHECK_EQ(ti.tcpi_advmss, 65483);
	CHECK(ti.tcpi_options & TCPI_OPT_TIMESTAMPS);
	CHECK(int_option(p[0], SOL_SOCKET, SO_SNDBUF) >= 2626560);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	flags();
	wait_for_all();
	full();
	urgent();
	between_processes();
	options();
	return 0;
}
