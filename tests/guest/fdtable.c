/* Descriptor tables: lowest free numbers, dup, dup2, dup3, close-on-exec flags,
 * close_range, limits, many descriptors, sharing between threads. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static int null_fd(void)
{
	int fd = open("/dev/null", O_RDWR);

	CHECK(fd >= 0);
	return fd;
}

static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void lowest_free(void)
{
	int a = null_fd(), b = null_fd(), c = null_fd(), d;

	CHECK_EQ(b, a + 1);
	CHECK_EQ(c, a + 2);
	CHECK(close(a) == 0);
	d = null_fd();
	CHECK_EQ(d, a);
	CHECK(close(b) == 0 && close(d) == 0);
	CHECK_EQ(dup(c), a);
	CHECK_EQ(dup(c), b);
	close(a);
	close(b);
	close(c);
	CHECK_ERR(close(c), EBADF);
	CHECK_ERR(close(-1), EBADF);
	CHECK_ERR(close(1 << 30), EBADF);
}

static void dups(void)
{
	int a = null_fd(), b;

	CHECK_EQ(dup2(a, 70), 70);
	CHECK_EQ(dup2(70, 70), 70);
	CHECK_EQ(dup2(a, 71), 71);
	CHECK_EQ(dup2(a, 71), 71);
	CHECK_ERR(dup2(99, 71), EBADF);
	CHECK_ERR(dup2(99, 99), EBADF);
	CHECK_ERR(dup2(a, -1), EBADF);
	CHECK_ERR(dup3(a, a, 0), EINVAL);
	CHECK_ERR(dup3(a, 72, O_RDWR), EINVAL);
	CHECK_EQ(dup3(a, 72, O_CLOEXEC), 72);
	CHECK_EQ(fcntl(72, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(dup2(72, 73), 73);
	CHECK_EQ(fcntl(73, F_GETFD), 0);
	CHECK(fcntl(73, F_SETFD, FD_CLOEXEC) == 0);
	CHECK_EQ(fcntl(73, F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(73, F_SETFD, 0) == 0);
	CHECK_EQ(fcntl(73, F_GETFD), 0);
	b = fcntl(a, F_DUPFD, 80);
	CHECK_EQ(b, 80);
	CHECK_EQ(fcntl(a, F_DUPFD_CLOEXEC, 80), 81);
	CHECK_EQ(fcntl(81, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(fcntl(a, F_DUPFD, -1), EINVAL);
	CHECK_ERR(fcntl(a, F_DUPFD, 1 << 30), EINVAL);
	for (int i = 70; i < 82; i++)
		close(i);
	close(a);
}

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#define CLOSE_RANGE_UNSHARE 2
#endif

static void ranges(void)
{
	int a = null_fd();

	for (int i = 100; i < 110; i++)
		CHECK_EQ(dup2(a, i), i);
	CHECK(syscall(SYS_close_range, 102, 104, 0) == 0);
	CHECK(is_open(101) && !is_open(102) && !is_open(104) && is_open(105));
	CHECK(syscall(SYS_close_range, 105, 106, CLOSE_RANGE_CLOEXEC) == 0);
	CHECK_EQ(fcntl(105, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(107, F_GETFD), 0);
	CHECK(syscall(SYS_close_range, 100, ~0u, CLOSE_RANGE_UNSHARE) == 0);
	for (int i = 100; i < 110; i++)
		CHECK(!is_open(i));
	CHECK(is_open(a));
	CHECK_ERR(syscall(SYS_close_range, 5, 4, 0), EINVAL);
	CHECK_ERR(syscall(SYS_close_range, 5, 6, 64), EINVAL);
	close(a);
}

static void limits(void)
{
	struct rlimit lim, old;
	int a = null_fd(), n;

	CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
	lim = old;
	lim.rlim_cur = 50;
	CHECK_EQ(dup2(a, 60), 60);
	CHECK(setrlimit(RLIMIT_NOFILE, &lim) == 0);
	CHECK(is_open(60)); /* what is open stays */
	CHECK_ERR(dup2(a, 50), EBADF);
	CHECK_ERR(fcntl(a, F_DUPFD, 50), EINVAL);
	for (n = 0; dup(a) >= 0; n++)
		CHECK(n < 100);
	CHECK_EQ(errno, EMFILE);
	CHECK_ERR(open("/dev/null", O_RDONLY), EMFILE);
	CHECK_ERR(fcntl(a, F_DUPFD, 10), EMFILE);
	CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
	syscall(SYS_close_range, a, ~0u, 0);
}

static void many(void)
{
	struct rlimit lim;
	int a = null_fd(), last = a, max;

	CHECK(getrlimit(RLIMIT_NOFILE, &lim) == 0);
	max = lim.rlim_cur > 1000 ? 1000 : (int)lim.rlim_cur - 10;
	while (last < max)
		last = dup(a);
	CHECK_EQ(last, max);
	for (int i = a + 1; i <= last; i += 2)
		close(i);
	for (int i = a + 1; i <= last; i += 2)
		CHECK_EQ(dup(a), i);
	syscall(SYS_close_range, a, ~0u, 0);
}

static void *opener(void *arg)
{
	*(int *)arg = null_fd();
	return NULL;
}

static void shared_by_threads(void)
{
	pthread_t th;
	int fd = -1, status;
	pid_t pid;

	pthread_create(&th, NULL, opener, &fd);
	pthread_join(th, NULL);
	CHECK(is_open(fd));
	/* A forked child has a copy. */
	pid = fork();
	if (pid == 0) {
		close(fd);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(is_open(fd));
	close(fd);
}

static void *closer(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		int fd = open("/dev/null", O_RDONLY);

		CHECK(fd >= 0);
		CHECK(close(fd) == 0);
	}
	return arg;
}

static void racing(void)
{
	pthread_t th[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&th[i], NULL, closer, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(th[i], NULL);
}

int main(void)
{
	syscall(SYS_close_range, 3, ~0u, 0);
	lowest_free();
	dups();
	ranges();
	limits();
	many();
	shared_by_threads();
	racing();
	return 0;
}
