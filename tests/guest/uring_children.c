/* Children and futexes waited for by requests; what becomes of requests in flight when
 * their process ends or becomes another program. */
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "ring.h"
#include "waitfor.h"

#define SIZE_U32 2
#define PRIVATE 128

struct waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

static struct uring r;
static uint32_t word, words[3];

static struct io_uring_sqe *op(unsigned code, uint64_t data, int fd, const void *addr)
{
	struct io_uring_sqe *s = ring_sqe(&r, code, data);

	s->fd = fd;
	s->addr = (uintptr_t)addr;
	return s;
}

static int result(uint64_t data)
{
	CHECK_EQ(ring_submit(&r, 1), 1);
	return ring_result(&r, data);
}

static struct io_uring_sqe *futex(unsigned code, uint64_t data, uint32_t *at, uint64_t val)
{
	struct io_uring_sqe *s = op(code, data, SIZE_U32 | PRIVATE, at);

	s->addr2 = val;
	s->addr3 = FUTEX_BITSET_MATCH_ANY;
	return s;
}

static int wake(uint32_t *at, unsigned n)
{
	return (int)syscall(SYS_futex, at, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, NULL, NULL, 0);
}

static void futexes(void)
{
	struct waitv v[3];

	futex(IORING_OP_FUTEX_WAIT, 1, &word, 1);
	CHECK_EQ(result(1), -EAGAIN);
	futex(IORING_OP_FUTEX_WAIT, 1, &word, 0);
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(wake(&word, 1), 1);
	CHECK_EQ(ring_result(&r, 1), 0);
	futex(IORING_OP_FUTEX_WAIT, 1, &word, 0);
	futex(IORING_OP_FUTEX_WAIT, 1, &word, 0);
	futex(IORING_OP_FUTEX_WAIT, 1, &word, 0);
	CHECK_EQ(ring_submit(&r, 0), 3);
	futex(IORING_OP_FUTEX_WAKE, 2, &word, 2);
	CHECK_EQ(ring_submit(&r, 3), 1);
	for (int i = 0; i < 3; i++) {
		struct io_uring_cqe c = ring_wait(&r);

		CHECK_EQ(c.res, c.user_data == 2 ? 2 : 0);
	}
	op(IORING_OP_ASYNC_CANCEL, 3, 0, (void *)1);
	CHECK_EQ(ring_submit(&r, 2), 1);
	for (int i = 0; i < 2; i++) {
		struct io_uring_cqe c = ring_wait(&r);

		CHECK_EQ(c.res, c.user_data == 1 ? -ECANCELED : 1);
	}
	futex(IORING_OP_FUTEX_WAKE, 2, &word, 0);
	CHECK_EQ(result(2), 0);
	futex(IORING_OP_FUTEX_WAIT, 1, &word, 1ull << 32);
	CHECK_EQ(result(1), -EINVAL);
	futex(IORING_OP_FUTEX_WAIT, 1, &word, 0)->addr3 = 0;
	CHECK_EQ(result(1), -EINVAL);
	futex(IORING_OP_FUTEX_WAIT, 1, &word, 0)->fd = 1;
	CHECK_EQ(result(1), -EINVAL);
	for (int i = 0; i < 3; i++)
		v[i] = (struct waitv){ 0, (uintptr_t)&words[i], SIZE_U32 | PRIVATE, 0 };
	op(IORING_OP_FUTEX_WAITV, 1, 0, v)->len = 3;
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(wake(&words[1], 5), 1);
	CHECK_EQ(ring_result(&r, 1), 1);
	CHECK_EQ(wake(&words[0], 5), 0);
	v[2].val = 7;
	op(IORING_OP_FUTEX_WAITV, 1, 0, v)->len = 3;
	CHECK_EQ(result(1), -EAGAIN);
	op(IORING_OP_FUTEX_WAITV, 1, 0, v)->len = 0;
	CHECK_EQ(result(1), -EINVAL);
	op(IORING_OP_FUTEX_WAITV, 1, 0, v)->len = 129;
	CHECK_EQ(result(1), -EINVAL);
}

static struct io_uring_sqe *waitid_(uint64_t data, int which, int id, siginfo_t *si, int options)
{
	struct io_uring_sqe *s = op(IORING_OP_WAITID, data, id, NULL);

	s->len = (unsigned)which;
	s->file_index = (unsigned)options;
	s->addr2 = (uintptr_t)si;
	return s;
}

static void children(void)
{
	siginfo_t si = { 0 };
	int p[2];
	pid_t pid;
	char c;

	waitid_(1, P_ALL, 0, &si, WEXITED);
	CHECK_EQ(result(1), -ECHILD);
	CHECK(pipe(p) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(read(p[0], &c, 1), 1);
		_exit(42);
	}
	waitid_(1, P_PID, pid, &si, WEXITED | WNOHANG);
	CHECK_EQ(result(1), 0);
	CHECK_EQ(si.si_pid, 0);
	waitid_(1, P_PID, pid, &si, WEXITED);
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(ring_ready(&r), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(ring_result(&r, 1), 0);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(si.si_status, 42);
	CHECK_EQ(si.si_code, CLD_EXITED);
	waitid_(1, P_PID, 0, &si, WEXITED);
	CHECK_EQ(result(1), -EINVAL);
	waitid_(1, P_ALL, 0, &si, 0);
	CHECK_EQ(result(1), -EINVAL);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(read(p[0], &c, 1), 1);
		_exit(0);
	}
	waitid_(1, P_PID, pid, &si, WEXITED);
	op(IORING_OP_ASYNC_CANCEL, 2, 0, (void *)1);
	CHECK_EQ(ring_submit(&r, 2), 2);
	for (int i = 0; i < 2; i++) {
		struct io_uring_cqe cqe = ring_wait(&r);

		CHECK_EQ(cqe.res, cqe.user_data == 1 ? -ECANCELED : 1);
	}
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK(waitpid(pid, NULL, 0) == pid);
	close(p[0]);
	close(p[1]);
}

/* Everything that can wait. */
static void submit_all(const int p[2])
{
	static const int64_t never[2] = { 1000, 0 };
	static char buf[16];
	struct io_uring_sqe *s;

	op(IORING_OP_READ, 1, p[0], buf)->len = sizeof(buf);
	s = op(IORING_OP_READ, 2, p[0], buf);
	s->len = sizeof(buf);
	s->flags = IOSQE_ASYNC;
	op(IORING_OP_POLL_ADD, 3, p[0], NULL)->poll32_events = POLLIN;
	op(IORING_OP_TIMEOUT, 4, 0, never)->len = 1;
	futex(IORING_OP_FUTEX_WAIT, 5, &word, 0);
	waitid_(6, P_ALL, 0, NULL, WEXITED);
	op(IORING_OP_POLL_ADD, 7, r.fd, NULL)->poll32_events = POLLIN;
	s = op(IORING_OP_READ, 8, p[0], buf);
	s->len = sizeof(buf);
	s->flags = IOSQE_IO_LINK;
	op(IORING_OP_NOP, 9, 0, NULL)->flags = IOSQE_IO_LINK;
	op(IORING_OP_NOP, 10, 0, NULL);
	op(IORING_OP_NOP, 11, 0, NULL)->flags = IOSQE_IO_DRAIN;
	CHECK_EQ(ring_submit(&r, 0), 11);
}

static void *submit_in_thread(void *p)
{
	submit_all(p);
	return NULL;
}

enum how { EXITS, IS_KILLED, EXECS, THREAD_EXITS, CLOSES };

static void leave(enum how how, const int p[2])
{
	pthread_t th;

	if (how == THREAD_EXITS) {
		CHECK(pthread_create(&th, NULL, submit_in_thread, (void *)(uintptr_t)p) == 0);
		CHECK(pthread_join(th, NULL) == 0);
		_exit(3);
	}
	submit_all(p);
	usleep(10000);
	if (how == IS_KILLED)
		raise(SIGKILL);
	if (how == EXECS)
		execl("/bin/sh", "sh", "-c", "exit 3", NULL);
	if (how == CLOSES) {
		close(r.fd);
		munmap(r.rings, r.rings_size);
		munmap(r.sqes, r.sqes_size);
		usleep(10000);
	}
	_exit(3);
}

/* Its process ends at once, and what it held is free: the pipe has no reader left. */
static void leaves(enum how how, unsigned flags)
{
	int p[2], status;
	pid_t pid;

	CHECK(pipe2(p, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		ring_make(&r, 32, flags);
		leave(how, p);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (how == IS_KILLED)
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	else
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	/* Requests are let go in the background. */
	WAIT_UNTIL(write(p[1], "", 1) != 1);
	CHECK_ERR(write(p[1], "", 1), EPIPE);
	close(p[1]);
}

int main(void)
{
	static const unsigned flags[] = { 0,
					  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
					  IORING_SETUP_SQPOLL };

	ring_need();
	for (unsigned i = 0; i < 3; i++) {
		if (!(flags[i] & IORING_SETUP_SQPOLL)) {
			ring_make(&r, 16, flags[i]);
			futexes();
			children();
			ring_close(&r);
		}
		for (enum how how = EXITS; how <= CLOSES; how++) {
			if (how != THREAD_EXITS || flags[i] == 0)
				leaves(how, flags[i]);
		}
	}
	return 0;
}
