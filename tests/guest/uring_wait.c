/* nacre:
 * nacre: --io-uring-pages
 * What waits: links, drains, timeouts, linked timeouts, polls, cancellation, and what
 * is left when a thread or a ring goes. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>

#include "ring.h"

static struct uring r;

static void nop(uint64_t data, unsigned flags)
{
	ring_sqe(&r, IORING_OP_NOP, data)->flags = (uint8_t)flags;
}

static struct io_uring_sqe *timeout(uint64_t data, const int64_t ts[2], unsigned count)
{
	struct io_uring_sqe *s = ring_sqe(&r, IORING_OP_TIMEOUT, data);

	s->addr = (uintptr_t)ts;
	s->len = 1;
	s->off = count;
	return s;
}

static struct io_uring_sqe *poll_add(uint64_t data, int fd)
{
	struct io_uring_sqe *s = ring_sqe(&r, IORING_OP_POLL_ADD, data);

	s->fd = fd;
	s->poll32_events = POLLIN;
	return s;
}

static struct io_uring_sqe *cancel(uint64_t data, uint64_t what, unsigned flags)
{
	struct io_uring_sqe *s = ring_sqe(&r, IORING_OP_ASYNC_CANCEL, data);

	s->addr = what;
	s->cancel_flags = flags;
	return s;
}

static void expect(uint64_t data, int res)
{
	struct io_uring_cqe cqe = ring_wait(&r);

	CHECK_EQ(cqe.user_data, data);
	CHECK_EQ(cqe.res, res);
}

/* In any order: n completions with data 1..n and these results. */
static void expect_all(const int *res, unsigned n)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < n; i++) {
		struct io_uring_cqe cqe = ring_wait(&r);

		CHECK(cqe.user_data >= 1 && cqe.user_data <= n);
		CHECK(!(seen & 1u << cqe.user_data));
		seen |= 1u << cqe.user_data;
		CHECK_EQ(cqe.res, res[cqe.user_data - 1]);
	}
	CHECK_EQ(ring_ready(&r), 0);
}

static void links(void)
{
	nop(1, IOSQE_IO_LINK);
	nop(2, IOSQE_IO_LINK);
	nop(3, 0);
	CHECK_EQ(ring_submit(&r, 3), 3);
	for (int i = 1; i <= 3; i++)
		expect((uint64_t)i, 0);
	/* One that fails takes the rest of its chain along. */
	nop(1, IOSQE_IO_LINK);
	cancel(2, 12345, 0)->flags = IOSQE_IO_LINK;
	nop(3, IOSQE_IO_LINK);
	nop(4, 0);
	CHECK_EQ(ring_submit(&r, 4), 4);
	expect_all((const int[]){ 0, -ENOENT, -ECANCELED, -ECANCELED }, 4);
	cancel(1, 12345, 0)->flags = IOSQE_IO_HARDLINK;
	nop(2, 0);
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect_all((const int[]){ -ENOENT, 0 }, 2);
	/* One that is wrong in itself breaks the whole chain. */
	nop(1, IOSQE_IO_LINK);
	ring_sqe(&r, 200, 2)->flags = IOSQE_IO_LINK;
	nop(3, 0);
	CHECK_EQ(ring_submit(&r, 3), 3);
	expect_all((const int[]){ -ECANCELED, -EINVAL, -ECANCELED }, 3);
}

static void drains(void)
{
	const int64_t soon[2] = { 0, 20000000 }, later[2] = { 0, 40000000 };

	timeout(1, soon, 0);
	timeout(2, later, 0)->flags = IOSQE_IO_DRAIN;
	nop(3, 0);
	CHECK_EQ(ring_submit(&r, 3), 3);
	expect(1, -ETIME);
	expect(2, -ETIME);
	expect(3, 0);
	timeout(1, soon, 0)->flags = IOSQE_IO_DRAIN;
	nop(2, 0);
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect(1, -ETIME);
	expect(2, 0);
}

static void timeouts(void)
{
	const int64_t soon[2] = { 0, 20000000 }, never[2] = { 1000, 0 };
	struct io_uring_cqe cqe;
	struct io_uring_sqe *s;

	timeout(1, never, 2);
	CHECK_EQ(ring_submit(&r, 0), 1);
	nop(2, 0);
	nop(3, 0);
	CHECK_EQ(ring_submit(&r, 0), 2);
	expect_all((const int[]){ 0, 0, 0 }, 3);
	timeout(1, soon, 0)->timeout_flags = IORING_TIMEOUT_ETIME_SUCCESS;
	CHECK_EQ(ring_submit(&r, 1), 1);
	expect(1, -ETIME);
	/* Time that is over is a failure to what follows, or none. */
	s = timeout(1, soon, 0);
	s->timeout_flags = IORING_TIMEOUT_ETIME_SUCCESS;
	s->flags = IOSQE_IO_LINK;
	nop(2, 0);
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect_all((const int[]){ -ETIME, 0 }, 2);
	timeout(1, soon, 0)->flags = IOSQE_IO_LINK;
	nop(2, 0);
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect_all((const int[]){ -ETIME, -ECANCELED }, 2);
	timeout(1, soon, 3)->timeout_flags = IORING_TIMEOUT_MULTISHOT;
	CHECK_EQ(ring_submit(&r, 1), 1);
	for (int i = 0; i < 3; i++) {
		cqe = ring_wait(&r);
		CHECK_EQ(cqe.res, -ETIME);
		CHECK_EQ(cqe.flags & IORING_CQE_F_MORE, i < 2 ? IORING_CQE_F_MORE : 0);
	}
	timeout(1, never, 0);
	s = ring_sqe(&r, IORING_OP_TIMEOUT_REMOVE, 2);
	s->addr = 1;
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect_all((const int[]){ -ECANCELED, 0 }, 2);
	timeout(1, never, 0);
	s = ring_sqe(&r, IORING_OP_TIMEOUT_REMOVE, 2);
	s->addr = 1;
	s->addr2 = (uintptr_t)soon;
	s->timeout_flags = IORING_TIMEOUT_UPDATE;
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect_all((const int[]){ -ETIME, 0 }, 2);
	s = timeout(1, never, 0);
	s->len = 2;
	CHECK_EQ(ring_submit(&r, 1), 1);
	expect(1, -EINVAL);
}

static void linked_timeouts(void)
{
	const int64_t soon[2] = { 0, 20000000 };
	int p[2];

	CHECK(pipe(p) == 0);
	poll_add(1, p[0])->flags = IOSQE_IO_LINK;
	timeout(2, soon, 0)->opcode = IORING_OP_LINK_TIMEOUT;
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect_all((const int[]){ -ECANCELED, -ETIME }, 2);
	CHECK_EQ(write(p[1], "x", 1), 1);
	poll_add(1, p[0])->flags = IOSQE_IO_LINK;
	timeout(2, soon, 0)->opcode = IORING_OP_LINK_TIMEOUT;
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect_all((const int[]){ POLLIN, -ECANCELED }, 2);
	timeout(1, soon, 0)->opcode = IORING_OP_LINK_TIMEOUT;
	CHECK_EQ(ring_submit(&r, 1), 1);
	expect(1, -EINVAL);
	close(p[0]);
	close(p[1]);
}

static void polls(void)
{
	struct io_uring_cqe cqe;
	int p[2], o;

	CHECK(pipe(p) == 0);
	poll_add(1, p[0]);
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(ring_ready(&r), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	expect(1, POLLIN);
	poll_add(2, p[0])->len = IORING_POLL_ADD_MULTI;
	CHECK_EQ(ring_submit(&r, 0), 1);
	for (int i = 0; i < 5; i++) {
		cqe = ring_wait(&r);
		CHECK_EQ(cqe.user_data, 2);
		CHECK_EQ(cqe.res, POLLIN);
		CHECK_EQ(cqe.flags, IORING_CQE_F_MORE);
		CHECK_EQ(write(p[1], "x", 1), 1);
	}
	expect(2, POLLIN);
	ring_sqe(&r, IORING_OP_POLL_REMOVE, 1)->addr = 2;
	CHECK_EQ(ring_submit(&r, 1), 1);
	expect_all((const int[]){ 0, -ECANCELED }, 2);
	poll_add(3, p[0])->len = IORING_POLL_ADD_MULTI | IORING_POLL_ADD_LEVEL;
	CHECK_EQ(ring_submit(&r, 1), 1);
	expect(3, -EINVAL);
	o = open("/", O_PATH);
	poll_add(4, o);
	CHECK_EQ(ring_submit(&r, 1), 1);
	expect(4, -EBADF);
	close(o);
	o = open("/proc/self/exe", O_RDONLY);
	poll_add(5, o)->len = IORING_POLL_ADD_MULTI;
	CHECK_EQ(ring_submit(&r, 1), 1);
	expect(5, POLLIN);
	close(o);
	close(p[0]);
	close(p[1]);
}

static void cancels(void)
{
	int p[2], q[2];

	CHECK(pipe(p) == 0 && pipe(q) == 0);
	poll_add(1, p[0]);
	cancel(2, 1, 0);
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect_all((const int[]){ -ECANCELED, 0 }, 2);
	poll_add(1, p[0]);
	poll_add(2, p[0]);
	cancel(3, 0, IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL)->fd = p[0];
	CHECK_EQ(ring_submit(&r, 3), 3);
	expect_all((const int[]){ -ECANCELED, -ECANCELED, 2 }, 3);
	poll_add(1, p[0]);
	poll_add(2, q[0]);
	cancel(3, 0, IORING_ASYNC_CANCEL_ANY);
	CHECK_EQ(ring_submit(&r, 3), 3);
	expect_all((const int[]){ -ECANCELED, -ECANCELED, 2 }, 3);
	cancel(1, 0, IORING_ASYNC_CANCEL_ANY);
	cancel(2, 0, 1u << 30);
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect_all((const int[]){ 0, -EINVAL }, 2);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

static int left_pipe[2];
static const int64_t left_time[2] = { 0, 50000000 };

static void *submit_and_leave(void *arg)
{
	poll_add(1, left_pipe[0]);
	timeout(2, left_time, 0);
	CHECK_EQ(ring_submit(&r, 0), 2);
	return arg;
}

/* What a thread leaves behind waits on, but is cancelled when it could go on. */
static void thread_leaves(void)
{
	pthread_t th;

	CHECK(pipe(left_pipe) == 0);
	CHECK(pthread_create(&th, NULL, submit_and_leave, NULL) == 0);
	CHECK(pthread_join(th, NULL) == 0);
	expect(2, -ETIME);
	CHECK_EQ(ring_ready(&r), 0);
	CHECK_EQ(write(left_pipe[1], "x", 1), 1);
	expect(1, -ECANCELED);
	close(left_pipe[0]);
	close(left_pipe[1]);
}

/* A process ends, and a ring is closed, with requests that wait. */
static void process_leaves(void)
{
	int status, p[2];
	pid_t pid;

	CHECK(pipe(p) == 0);
	pid = fork();
	if (pid == 0) {
		struct uring mine;

		ring_make(&mine, 8, 0);
		r = mine;
		poll_add(1, p[0]);
		poll_add(2, r.fd);
		CHECK_EQ(ring_submit(&r, 0), 2);
		_exit(7);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	close(p[0]);
	close(p[1]);
}

static void everything(unsigned flags)
{
	ring_make(&r, 32, flags);
	timeouts(); /* Linux counts no completions on a ring that has drained */
	links();
	drains();
	linked_timeouts();
	polls();
	cancels();
	ring_close(&r);
}

int main(void)
{
	ring_need();
	everything(0);
	everything(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	everything(IORING_SETUP_COOP_TASKRUN);
	ring_make(&r, 32, 0);
	thread_leaves();
	process_leaves();
	ring_close(&r);
	return 0;
}
