/* process_madvise(2): advice for the caller's and for another process's memory. */
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define SELF_THREAD (-10000)
#define SELF_THREAD_GROUP (-10001)
#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif

static char *p; /* 8 pages, the fifth missing */

static long advise(int pidfd, const struct iovec *v, size_t n, int advice, unsigned flags)
{
	return syscall(SYS_process_madvise, pidfd, v, n, advice, flags);
}

static int open_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	CHECK(fd >= 0);
	return fd;
}

static void ones_own_memory_takes_any_advice(int me)
{
	struct iovec v[3] = { { p, P }, { p + 2 * P, 2 * P }, { p + 5 * P, P } };

	memset(p, 1, 4 * P);
	CHECK_EQ(advise(me, v, 3, MADV_DONTNEED, 0), 4 * P);
	CHECK(p[0] == 0 && p[P] == 1 && p[2 * P] == 0 && p[3 * P] == 0);
	CHECK_EQ(advise(me, v, 1, MADV_WILLNEED, 0), P);
	CHECK_EQ(advise(me, NULL, 0, MADV_COLD, 0), 0);
	v[1].iov_len = 0;
	CHECK_EQ(advise(me, v, 3, MADV_COLD, 0), 2 * P);
	CHECK_EQ(advise(SELF_THREAD, v, 1, MADV_COLD, 0), P);
	CHECK_EQ(advise(SELF_THREAD_GROUP, v, 1, MADV_PAGEOUT, 0), P);
}

/* What was done before the first bad range counts. */
static void a_bad_range_ends_it(int me)
{
	struct iovec v[3] = { { p, P }, { p + 4 * P, P }, { p + 2 * P, P } };

	memset(p, 1, 4 * P);
	CHECK_EQ(advise(me, v, 3, MADV_DONTNEED, 0), P);
	CHECK(p[0] == 0 && p[2 * P] == 1);
	CHECK_ERR(advise(me, v + 1, 2, MADV_DONTNEED, 0), ENOMEM);
	/* A hole in the middle: all of the range is done, but not counted. */
	v[0] = (struct iovec){ p + 3 * P, 3 * P };
	p[3 * P] = p[5 * P] = 1;
	CHECK_ERR(advise(me, v, 1, MADV_DONTNEED, 0), ENOMEM);
	CHECK(p[3 * P] == 0 && p[5 * P] == 0);
	v[0].iov_base = p + 1;
	CHECK_ERR(advise(me, v, 1, MADV_COLD, 0), EINVAL);
}

static void bad_arguments(int me)
{
	struct iovec v = { p, P }, bad = { (void *)(uintptr_t)-4096, P }, big = { p, SIZE_MAX };

	CHECK_ERR(advise(me, &v, 1, MADV_COLD, 1), EINVAL);
	CHECK_ERR(advise(me, &v, 1, 12345, 0), EINVAL);
	CHECK_ERR(advise(me, &v, 1025, MADV_COLD, 0), EINVAL);
	CHECK_ERR(advise(me, (struct iovec *)8, 1, MADV_COLD, 0), EFAULT);
	CHECK_ERR(advise(me, &bad, 1, MADV_COLD, 0), EFAULT);
	CHECK_ERR(advise(me, &big, 1, MADV_COLD, 0), EINVAL);
	CHECK_ERR(advise(-1, &v, 1, MADV_COLD, 0), EBADF);
	CHECK_ERR(advise(0, &v, 1, MADV_COLD, 0), EBADF);
	CHECK_ERR(advise(-1, &v, 1, MADV_COLD, 1), EINVAL);
	CHECK_ERR(advise(-1, &bad, 1, MADV_COLD, 0), EFAULT);
}

static void others_keep_their_bytes(void)
{
	struct iovec v[2] = { { p, P }, { p + 4 * P, P } };
	int to[2], status, fd;
	pid_t pid;
	char c;

	memset(p, 1, 4 * P);
	CHECK(pipe(to) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		close(to[1]);
		CHECK(read(to[0], &c, 1) == 0);
		CHECK(p[0] == 1);
		_exit(0);
	}
	close(to[0]);
	fd = open_pidfd(pid);
	CHECK_EQ(advise(fd, v, 1, MADV_COLD, 0), P);
	CHECK_EQ(advise(fd, v, 2, MADV_WILLNEED, 0), P);
	CHECK_EQ(advise(fd, v, 1, MADV_PAGEOUT, 0), P);
	CHECK_ERR(advise(fd, v, 1, MADV_DONTNEED, 0), EINVAL);
	CHECK_ERR(advise(fd, v, 1, MADV_DONTFORK, 0), EINVAL);
	CHECK_ERR(advise(fd, v, 1, 12345, 0), EINVAL);
	CHECK_ERR(advise(fd, v + 1, 1, MADV_COLD, 0), ENOMEM);
	close(to[1]);
	/* Dead, waited for or not. */
	siginfo_t info;
	CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
	CHECK_ERR(advise(fd, v, 1, MADV_COLD, 0), ESRCH);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_ERR(advise(fd, v, 1, MADV_COLD, 0), ESRCH);
	close(fd);
}

/* Another user's process is EACCES. */
static void it_takes_a_right(void)
{
	struct iovec v = { p, P };
	int fd, status;
	pid_t pid;

	if (geteuid() != 0)
		return;
	fd = open_pidfd(getpid());
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(setgid(1000) == 0 && setuid(1000) == 0);
		CHECK_ERR(advise(fd, &v, 1, MADV_COLD, 0), EACCES);
		CHECK_ERR(advise(fd, &v, 1, MADV_DONTNEED, 0), EACCES);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	close(fd);
}

int main(void)
{
	int me = open_pidfd(getpid());

	p = mmap(NULL, 8 * P, RW, ANON, -1, 0);
	CHECK(p != MAP_FAILED && munmap(p + 4 * P, P) == 0);
	ones_own_memory_takes_any_advice(me);
	a_bad_range_ends_it(me);
	bad_arguments(me);
	others_keep_their_bytes();
	it_takes_a_right();
	return 0;
}
