/* epoll: more events in one wait than a page of them, an epoll that is polled says what
 * a wait would find, wakes for what nobody asked for are none. */
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "check.h"

#define COUNT 900

static void all_at_once(void)
{
	static struct epoll_event got[2 * COUNT];
	static char seen[COUNT];
	int ep = epoll_create1(0), fd[COUNT];

	for (int i = 0; i < COUNT; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.u32 = (uint32_t)i };

		fd[i] = eventfd(1, 0);
		CHECK(fd[i] >= 0);
		CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &ev), 0);
		CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &ev), EEXIST);
	}
	CHECK_EQ(epoll_wait(ep, got, 2 * COUNT, 0), COUNT);
	for (int i = 0; i < COUNT; i++) {
		CHECK_EQ(got[i].events, EPOLLIN);
		CHECK(!seen[got[i].data.u32]);
		seen[got[i].data.u32] = 1;
	}
	/* Fewer than there are: all have their turn. */
	memset(seen, 0, sizeof(seen));
	for (int turn = 0; turn < 3; turn++) {
		CHECK_EQ(epoll_wait(ep, got, COUNT / 3, 0), COUNT / 3);
		for (int i = 0; i < COUNT / 3; i++) {
			CHECK(!seen[got[i].data.u32]);
			seen[got[i].data.u32] = 1;
		}
	}
	for (int i = 0; i < COUNT; i++) {
		CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_DEL, fd[i], NULL), 0);
		CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_DEL, fd[i], NULL), ENOENT);
		close(fd[i]);
	}
	close(ep);
}

static int readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static void polled(void)
{
	struct epoll_event ev = { .events = EPOLLIN }, got;
	int ep = epoll_create1(0), outer = epoll_create1(0), e = eventfd(0, EFD_NONBLOCK);
	uint64_t n = 1;

	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev), 0);
	CHECK_EQ(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &ev), 0);
	CHECK_EQ(readable(ep), 0);
	CHECK_EQ(write(e, &n, 8), 8);
	CHECK_EQ(readable(ep), POLLIN);
	CHECK_EQ(epoll_wait(outer, &got, 1, 0), 1);
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 1);
	CHECK_EQ(readable(ep), POLLIN); /* it is still there */
	CHECK_EQ(read(e, &n, 8), 8);
	CHECK_EQ(readable(ep), 0);
	CHECK_EQ(epoll_wait(outer, &got, 1, 0), 0);
	close(ep);
	close(outer);
	close(e);
}

/* Room to write is no event for who waits for data. */
static void only_what_was_asked(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET }, got;
	static char buf[1 << 20];
	int ep = epoll_create1(0), p[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), 0);
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 1);
	while (write(p[0], buf, sizeof(buf)) > 0)
		;
	while (read(p[1], buf, sizeof(buf)) > 0)
		;
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 0);
	CHECK_EQ(write(p[1], "y", 1), 1);
	CHECK_EQ(epoll_wait(ep, &got, 1, 0), 1);
	close(ep);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	struct rlimit rl = { 2 * COUNT, 2 * COUNT };

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &rl), 0);
	all_at_once();
	polled();
	only_what_was_asked();
	return 0;
}
