/* Limits: read, lowered, raised, refused; of the caller, a child and nobody;
 * inherited by fork; they bite (NOFILE, FSIZE, AS). getrusage. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "tmpdir.h"

static long prlimit_raw(pid_t pid, unsigned res, const struct rlimit *new, struct rlimit *old)
{
	return syscall(SYS_prlimit64, pid, res, new, old);
}

static void get_and_errors(void)
{
	struct rlimit a, b;

	for (unsigned i = 0; i < 16; i++) {
		CHECK(syscall(SYS_getrlimit, i, &a) == 0);
		CHECK(prlimit_raw(0, i, NULL, &b) == 0);
		CHECK(a.rlim_cur == b.rlim_cur && a.rlim_max == b.rlim_max);
		CHECK(a.rlim_cur <= a.rlim_max);
	}
	CHECK_ERR(syscall(SYS_getrlimit, 16, &a), EINVAL);
	CHECK_ERR(prlimit_raw(0, 16, NULL, &a), EINVAL);
	CHECK_ERR(prlimit_raw(0x3fffff00, 0, NULL, &a), ESRCH);
	CHECK_ERR(syscall(SYS_getrlimit, RLIMIT_CORE, 1), EFAULT);
	CHECK_ERR(syscall(SYS_setrlimit, RLIMIT_CORE, 1), EFAULT);
}

static void set_rules(void)
{
	struct rlimit r = { 10, 5 }, now;

	CHECK_ERR(syscall(SYS_setrlimit, RLIMIT_CORE, &r), EINVAL);
	CHECK(syscall(SYS_getrlimit, RLIMIT_MSGQUEUE, &now) == 0);
	r.rlim_cur = r.rlim_max = now.rlim_max / 2;
	CHECK(syscall(SYS_setrlimit, RLIMIT_MSGQUEUE, &r) == 0);
	CHECK(prlimit_raw(getpid(), RLIMIT_MSGQUEUE, NULL, &now) == 0);
	CHECK_EQ(now.rlim_max, r.rlim_max);
	r.rlim_max++;
	if (geteuid() != 0)
		CHECK_ERR(syscall(SYS_setrlimit, RLIMIT_MSGQUEUE, &r), EPERM);
	r.rlim_cur = r.rlim_max = (rlim_t)1 << 40;
	CHECK_ERR(syscall(SYS_setrlimit, RLIMIT_NOFILE, &r), EPERM);
}

static void inherited_and_of_a_child(void)
{
	struct rlimit r = { 77, 99 }, now;
	int fd[2], back[2], status;
	pid_t pid;
	char c;

	CHECK(pipe(fd) == 0 && pipe(back) == 0);
	CHECK(syscall(SYS_getrlimit, RLIMIT_SIGPENDING, &now) == 0);
	r.rlim_max = now.rlim_max;
	CHECK(syscall(SYS_setrlimit, RLIMIT_SIGPENDING, &r) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK(syscall(SYS_getrlimit, RLIMIT_SIGPENDING, &now) == 0);
		CHECK_EQ(now.rlim_cur, 77);
		CHECK_EQ(write(back[1], "x", 1), 1);
		CHECK_EQ(read(fd[0], &c, 1), 1);
		CHECK(syscall(SYS_getrlimit, RLIMIT_SIGPENDING, &now) == 0);
		CHECK_EQ(now.rlim_cur, 55);
		_exit(0);
	}
	CHECK_EQ(read(back[0], &c, 1), 1);
	r.rlim_cur = 55;
	CHECK(prlimit_raw(pid, RLIMIT_SIGPENDING, &r, &now) == 0);
	CHECK_EQ(now.rlim_cur, 77);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void nofile_bites(void)
{
	struct rlimit r;
	int fd, last = -1;

	CHECK(getrlimit(RLIMIT_NOFILE, &r) == 0);
	r.rlim_cur = 20;
	CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
	while ((fd = dup(0)) >= 0)
		last = fd;
	CHECK_EQ(errno, EMFILE);
	CHECK_EQ(last, 19);
	CHECK_ERR(dup2(0, 20), EBADF);
	CHECK_ERR(fcntl(0, F_DUPFD, 20), EINVAL);
}

static volatile sig_atomic_t xfsz;

static void on_xfsz(int sig)
{
	(void)sig;
	xfsz++;
}

static void fsize_bites(void)
{
	struct rlimit r;
	char buf[4096] = { 0 };
	int fd;

	signal(SIGXFSZ, on_xfsz);
	tmpdir_enter();
	CHECK(getrlimit(RLIMIT_FSIZE, &r) == 0);
	r.rlim_cur = 5000;
	CHECK(setrlimit(RLIMIT_FSIZE, &r) == 0);
	fd = open("f", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, buf, 4096), 4096);
	CHECK_EQ(write(fd, buf, 4096), 904);
	CHECK_ERR(write(fd, buf, 1), EFBIG);
	CHECK_EQ(xfsz, 1);
	CHECK_ERR(ftruncate(fd, 5001), EFBIG);
	CHECK_EQ(xfsz, 2);
	close(fd);
	tmpdir_leave();
}

static void as_bites(void)
{
	struct rlimit r;

	CHECK(getrlimit(RLIMIT_AS, &r) == 0);
	r.rlim_cur = (rlim_t)256 << 20;
	CHECK(setrlimit(RLIMIT_AS, &r) == 0);
	CHECK(mmap(NULL, 512 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	CHECK_EQ(errno, ENOMEM);
}

static void usage(void)
{
	struct rusage ru;
	volatile unsigned x __attribute__((unused)) = 0;

	for (unsigned i = 0; i < 50000000; i++)
		x += i;
	CHECK(getrusage(RUSAGE_SELF, &ru) == 0);
	CHECK(ru.ru_utime.tv_sec > 0 || ru.ru_utime.tv_usec > 0);
	CHECK(ru.ru_maxrss > 100);
	CHECK(getrusage(RUSAGE_CHILDREN, &ru) == 0);
	CHECK(getrusage(RUSAGE_THREAD, &ru) == 0);
	CHECK_ERR(syscall(SYS_getrusage, 2, &ru), EINVAL);
	CHECK_ERR(syscall(SYS_getrusage, RUSAGE_SELF, 1), EFAULT);
}

static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		fn();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

int main(void)
{
	get_and_errors();
	in_child(set_rules);
	in_child(inherited_and_of_a_child);
	in_child(nofile_bites);
	in_child(fsize_bites);
	in_child(as_bites);
	usage();
	return 0;
}
