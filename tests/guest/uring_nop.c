/* nacre:
 * nacre: --io-uring-pages
 * Submission and completion with NOP: order, batches, wrap, overflow, bad indexes,
 * large entries, arguments of io_uring_enter. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <time.h>

#include "ring.h"

static void many(unsigned flags)
{
	struct uring r;

	ring_make(&r, 8, flags);
	for (uint64_t n = 0; n < 1000;) {
		unsigned batch = 1 + n % 8;

		for (unsigned i = 0; i < batch; i++)
			ring_sqe(&r, IORING_OP_NOP, n + i);
		CHECK_EQ(ring_submit(&r, batch), batch);
		for (unsigned i = 0; i < batch; i++)
			CHECK_EQ(ring_result(&r, n + i), 0);
		n += batch;
	}
	CHECK_EQ(*ring_word(&r, r.p.sq_off.dropped), 0);
	CHECK_EQ(*ring_word(&r, r.p.cq_off.overflow), 0);
	ring_close(&r);
}

/* More completions than the queue holds are kept, in order. */
static void overflow(void)
{
	struct uring r;
	struct pollfd p;

	ring_make(&r, 4, 0);
	for (uint64_t n = 0; n < 40; n++) {
		ring_sqe(&r, IORING_OP_NOP, n);
		CHECK_EQ(ring_submit(&r, 0), 1);
	}
	CHECK_EQ(ring_ready(&r), 8);
	CHECK_EQ(*ring_word(&r, r.p.sq_off.flags) & IORING_SQ_CQ_OVERFLOW, IORING_SQ_CQ_OVERFLOW);
	CHECK_EQ(*ring_word(&r, r.p.cq_off.overflow), 0);
	p = (struct pollfd){ r.fd, POLLIN | POLLOUT, 0 };
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN | POLLOUT);
	for (uint64_t n = 0; n < 40; n++)
		CHECK_EQ(ring_result(&r, n), 0);
	CHECK_EQ(*ring_word(&r, r.p.sq_off.flags) & IORING_SQ_CQ_OVERFLOW, 0);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT);
	ring_close(&r);
}

static void bad_index(void)
{
	struct uring r;

	ring_make(&r, 4, 0);
	ring_sqe(&r, IORING_OP_NOP, 1);
	ring_sqe(&r, IORING_OP_NOP, 2);
	ring_sqe(&r, IORING_OP_NOP, 3);
	ring_word(&r, r.p.sq_off.array)[1] = 4;
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(*ring_word(&r, r.p.sq_off.dropped), 1);
	CHECK_EQ(ring_result(&r, 1), 0);
	CHECK_EQ(io_enter(r.fd, 1, 0, 0, NULL, 0), 1);
	CHECK_EQ(ring_result(&r, 3), 0);
	ring_close(&r);
}

static void bad_entries(void)
{
	struct io_uring_sqe *s;
	struct uring r;

	ring_make(&r, 8, 0);
	ring_sqe(&r, 200, 1);
	ring_sqe(&r, IORING_OP_NOP, 2);
	CHECK_EQ(ring_submit(&r, 0), 1); /* the first that is wrong ends it */
	CHECK_EQ(ring_result(&r, 1), -EINVAL);
	CHECK_EQ(io_enter(r.fd, 1, 0, 0, NULL, 0), 1);
	CHECK_EQ(ring_result(&r, 2), 0);
	s = ring_sqe(&r, IORING_OP_NOP, 3);
	s->flags = 0x80;
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(ring_result(&r, 3), -EINVAL);
	s = ring_sqe(&r, IORING_OP_NOP, 4);
	s->flags = IOSQE_BUFFER_SELECT;
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(ring_result(&r, 4), -EOPNOTSUPP);
	s = ring_sqe(&r, IORING_OP_NOP, 5);
	s->ioprio = 1;
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(ring_result(&r, 5), -EINVAL);
	s = ring_sqe(&r, IORING_OP_NOP, 6);
	s->personality = 1;
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(ring_result(&r, 6), -EINVAL);
	s = ring_sqe(&r, IORING_OP_NOP, 7);
	s->nop_flags = 1u << 30;
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(ring_result(&r, 7), -EINVAL);
	s = ring_sqe(&r, IORING_OP_NOP, 8);
	s->nop_flags = IORING_NOP_INJECT_RESULT;
	s->len = (uint32_t)-77;
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(ring_result(&r, 8), -77);
	s = ring_sqe(&r, IORING_OP_NOP, 9);
	s->nop_flags = IORING_NOP_FILE;
	s->fd = 9999;
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(ring_result(&r, 9), -EBADF);
	ring_close(&r);

	ring_make(&r, 8, IORING_SETUP_SUBMIT_ALL);
	ring_sqe(&r, 200, 1);
	ring_sqe(&r, IORING_OP_NOP, 2);
	CHECK_EQ(ring_submit(&r, 0), 2);
	CHECK_EQ(ring_result(&r, 1), -EINVAL);
	CHECK_EQ(ring_result(&r, 2), 0);
	ring_close(&r);
}

static void big_cqes(void)
{
	struct io_uring_sqe *s;
	uint64_t *big;
	struct uring r;

	ring_make(&r, 4, IORING_SETUP_CQE32 | IORING_SETUP_SQE128);
	for (uint64_t n = 0; n < 20; n++) {
		s = ring_sqe(&r, IORING_OP_NOP, n);
		s->nop_flags = IORING_NOP_CQE32;
		s->off = n * 3;
		s->addr = n * 5;
		CHECK_EQ(ring_submit(&r, 1), 1);
		big = (void *)(r.rings + r.p.cq_off.cqes + (n & 7) * 32);
		CHECK_EQ(big[0], n);
		CHECK_EQ(big[2], n * 3);
		CHECK_EQ(big[3], n * 5);
		CHECK_EQ(ring_result(&r, n), 0);
	}
	ring_close(&r);
	ring_make(&r, 4, 0);
	s = ring_sqe(&r, IORING_OP_NOP, 1);
	s->nop_flags = IORING_NOP_CQE32;
	CHECK_EQ(ring_submit(&r, 1), 1);
	CHECK_EQ(ring_result(&r, 1), -EINVAL);
	ring_close(&r);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void enter_arguments(void)
{
	int64_t ts[2] = { 0, 30000000 };
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)ts };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval it = { .it_value.tv_usec = 50000 };
	unsigned ext = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
	uint64_t mask = 1ull << (SIGALRM - 1);
	struct uring r;
	double start;

	ring_make(&r, 4, 0);
	CHECK_ERR(io_enter(r.fd, 0, 0, 1u << 20, NULL, 0), EINVAL);
	CHECK_ERR(io_enter(0, 0, 0, 0, NULL, 0), EOPNOTSUPP);
	CHECK_ERR(io_enter(9999, 0, 0, 0, NULL, 0), EBADF);
	CHECK_EQ(io_enter(r.fd, 1, 0, 0, NULL, 0), 0); /* nothing is there */
	CHECK_EQ(io_enter(r.fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0), 0);
	CHECK_ERR(io_enter(r.fd, 0, 1, ext, &arg, 8), EINVAL);
	CHECK_ERR(io_enter(r.fd, 0, 1, ext, NULL, sizeof(arg)), EFAULT);
	CHECK_ERR(io_enter(r.fd, 0, 1, IORING_ENTER_GETEVENTS, &mask, 4), EINVAL);
	start = now();
	CHECK_ERR(io_enter(r.fd, 0, 1, ext, &arg, sizeof(arg)), ETIME);
	CHECK(now() - start >= 0.0295);
	/* An absolute time that has passed. */
	ts[0] = 1;
	CHECK_ERR(io_enter(r.fd, 0, 1, ext | IORING_ENTER_ABS_TIMER, &arg, sizeof(arg)), ETIME);
	/* A signal ends the wait, whatever SA_RESTART says. */
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
	CHECK_ERR(io_enter(r.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0), EINTR);
	/* But not one that the call's mask blocks. */
	ts[0] = 0;
	ts[1] = 150000000;
	arg.sigmask = (uintptr_t)&mask;
	arg.sigmask_sz = 8;
	CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
	CHECK_ERR(io_enter(r.fd, 0, 1, ext, &arg, sizeof(arg)), ETIME);
	/* A shorter minimal wait, then the first will do. */
	arg = (struct io_uring_getevents_arg){ .ts = (uintptr_t)ts, .min_wait_usec = 20000 };
	ring_sqe(&r, IORING_OP_NOP, 1);
	CHECK_EQ(ring_submit(&r, 0), 1);
	start = now();
	CHECK_EQ(io_enter(r.fd, 0, 4, ext, &arg, sizeof(arg)), 0);
	CHECK(now() - start >= 0.0195 && now() - start < 0.14);
	ring_close(&r);
}

static void *submit_some(void *arg)
{
	struct uring *r = arg;

	for (int i = 0; i < 2000; i++) {
		int n = io_enter(r->fd, 1, 0, 0, NULL, 0);

		CHECK(n == 1 || n == 0);
	}
	return NULL;
}

/* Two threads take entries from one queue: each is submitted once. */
static void two_submitters(void)
{
	unsigned seen[1000] = { 0 }, got = 0;
	pthread_t th[2];
	struct io_uring_cqe cqe;
	struct uring r;
	uint32_t *tail;

	ring_make(&r, 1024, 0);
	for (unsigned i = 0; i < 1000; i++)
		ring_sqe(&r, IORING_OP_NOP, i);
	tail = ring_word(&r, r.p.sq_off.tail);
	__atomic_store_n(tail, *tail + r.pending, __ATOMIC_RELEASE);
	r.pending = 0;
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&th[i], NULL, submit_some, &r) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(th[i], NULL) == 0);
	while (ring_peek(&r, &cqe)) {
		CHECK(cqe.user_data < 1000);
		seen[cqe.user_data]++;
		got++;
	}
	CHECK_EQ(got, 1000);
	for (unsigned i = 0; i < 1000; i++)
		CHECK_EQ(seen[i], 1);
	ring_close(&r);
}

static void event_fd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK), bad = 1;
	struct uring r;
	uint64_t n;

	ring_make(&r, 8, 0);
	CHECK_ERR(io_register(r.fd, IORING_REGISTER_EVENTFD, &bad, 1), EINVAL);
	CHECK_EQ(io_register(r.fd, IORING_REGISTER_EVENTFD, &fd, 1), 0);
	CHECK_ERR(io_register(r.fd, IORING_REGISTER_EVENTFD, &fd, 1), EBUSY);
	CHECK_ERR(read(fd, &n, 8), EAGAIN);
	ring_sqe(&r, IORING_OP_NOP, 1);
	CHECK_EQ(ring_submit(&r, 1), 1);
	CHECK_EQ(read(fd, &n, 8), 8);
	*ring_word(&r, r.p.cq_off.flags) = IORING_CQ_EVENTFD_DISABLED;
	ring_sqe(&r, IORING_OP_NOP, 2);
	CHECK_EQ(ring_submit(&r, 1), 1);
	CHECK_ERR(read(fd, &n, 8), EAGAIN);
	CHECK_EQ(io_register(r.fd, IORING_UNREGISTER_EVENTFD, NULL, 0), 0);
	CHECK_ERR(io_register(r.fd, IORING_UNREGISTER_EVENTFD, NULL, 0), ENXIO);
	ring_close(&r);
	close(fd);
}

int main(void)
{
	ring_need();
	many(0);
	many(IORING_SETUP_CQE32);
	many(IORING_SETUP_SQE128);
	many(IORING_SETUP_NO_SQARRAY);
	many(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	many(IORING_SETUP_SQPOLL);
	overflow();
	bad_index();
	bad_entries();
	big_cqes();
	enter_arguments();
	two_submitters();
	event_fd();
	return 0;
}
