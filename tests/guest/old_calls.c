/* System calls whose newer forms are what libc makes, and the newest, which it does
 * not know: by number, main behaviour and main errors. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "check.h"

/* Newer than the headers. */
#define NR_fchmodat2 452
#define NR_futex_wake 454
#define NR_futex_wait 455
#define NR_futex_requeue 456
#define NR_setxattrat 463
#define NR_getxattrat 464
#define NR_listxattrat 465
#define NR_removexattrat 466

/* Kernels that are older than a call have not got it. */
static int is_missing(long r)
{
	return r == -1 && errno == ENOSYS;
}

static void files(void)
{
	char buf[4];
	long fd = syscall(SYS_creat, "made", 0640);
	struct stat st;

	CHECK(fd >= 0);
	CHECK_EQ(write((int)fd, "abc", 3), 3);
	CHECK_ERR(read((int)fd, buf, 1), EBADF);
	CHECK_EQ(syscall(SYS_fchown, fd, getuid(), getgid()), 0);
	CHECK_ERR(syscall(SYS_fchown, -1, 0, 0), EBADF);
	CHECK_EQ(syscall(SYS_fdatasync, fd), 0);
	CHECK_ERR(syscall(SYS_fdatasync, -1), EBADF);
	CHECK_EQ(syscall(SYS_sync_file_range, fd, 0, 3, 2), 0);
	CHECK_ERR(syscall(SYS_sync_file_range, fd, 0, 3, 8), EINVAL);
	CHECK_EQ(syscall(SYS_syncfs, fd), 0);
	CHECK_ERR(syscall(SYS_syncfs, -1), EBADF);
	CHECK_ERR(syscall(SYS_readahead, fd, 0, 3), EBADF);
	close((int)fd);
	fd = syscall(SYS_open, "made", O_RDONLY);
	CHECK(fd >= 0);
	CHECK_EQ(syscall(SYS_readahead, fd, 0, 3), 0);
	CHECK_EQ(read((int)fd, buf, 4), 3);
	close((int)fd);
	CHECK_ERR(syscall(SYS_open, "no", O_RDONLY), ENOENT);
	CHECK_ERR(syscall(SYS_open, (void *)1, O_RDONLY), EFAULT);
	CHECK_EQ(syscall(SYS_faccessat, AT_FDCWD, "made", R_OK), 0);
	CHECK_ERR(syscall(SYS_faccessat, AT_FDCWD, "made", 8), EINVAL);
	CHECK_ERR(syscall(SYS_faccessat, AT_FDCWD, "no", F_OK), ENOENT);
	CHECK_EQ(syscall(SYS_mknod, "fifo", S_IFIFO | 0600, 0), 0);
	CHECK_EQ(stat("fifo", &st), 0);
	CHECK(S_ISFIFO(st.st_mode));
	CHECK_ERR(syscall(SYS_mknod, "fifo", S_IFIFO | 0600, 0), EEXIST);
	CHECK_ERR(syscall(SYS_mknod, "dir", S_IFDIR | 0600, 0), EPERM);
	sync();
}

static void times(void)
{
	struct timeval tv[2] = { { 1000, 5 }, { 2000, 7 } };
	struct utimbuf ut = { 3000, 4000 };
	struct stat st;

	CHECK_EQ(syscall(SYS_utime, "made", &ut), 0);
	CHECK_EQ(stat("made", &st), 0);
	CHECK_EQ(st.st_atime, 3000);
	CHECK_EQ(st.st_mtime, 4000);
	CHECK_EQ(syscall(SYS_utimes, "made", tv), 0);
	CHECK_EQ(stat("made", &st), 0);
	CHECK_EQ(st.st_mtim.tv_nsec, 7000);
	tv[0].tv_sec = 5000;
	CHECK_EQ(syscall(SYS_futimesat, AT_FDCWD, "made", tv), 0);
	CHECK_EQ(stat("made", &st), 0);
	CHECK_EQ(st.st_atime, 5000);
	tv[1].tv_usec = 1000000;
	CHECK_ERR(syscall(SYS_utimes, "made", tv), EINVAL);
	CHECK_ERR(syscall(SYS_futimesat, AT_FDCWD, "made", tv), EINVAL);
	CHECK_ERR(syscall(SYS_utime, "no", &ut), ENOENT);
	/* Only what cannot succeed: the host's clock is not ours. */
	tv[0] = (struct timeval){ 0, 1000000 };
	CHECK_ERR(syscall(SYS_settimeofday, tv, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_settimeofday, (void *)1, NULL), EFAULT);
}

static void processes(void)
{
	int p[2], status, sfd;
	struct signalfd_siginfo si;
	sigset_t set;
	siginfo_t info = { .si_code = SI_QUEUE };
	long pid;
	char c;

	CHECK_EQ(syscall(SYS_pipe, p), 0);
	pid = syscall(SYS_fork);
	if (pid == 0)
		_exit(write(p[1], "x", 1) == 1 ? 3 : 4);
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(waitpid((pid_t)pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 3);
	CHECK_ERR(syscall(SYS_pipe, (void *)1), EFAULT);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	sfd = (int)syscall(SYS_signalfd, -1, &set, 8);
	CHECK(sfd >= 0);
	CHECK_ERR(syscall(SYS_signalfd, -1, &set, 4), EINVAL);
	info.si_signo = SIGUSR1;
	info.si_value.sival_int = 42;
	info.si_pid = getpid();
	CHECK_EQ(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &info), 0);
	CHECK_EQ(read(sfd, &si, sizeof(si)), sizeof(si));
	CHECK_EQ(si.ssi_int, 42);
	CHECK_EQ(si.ssi_code, SI_QUEUE);
	CHECK_ERR(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), 999, &info), EINVAL);
	CHECK_ERR(syscall(SYS_rt_tgsigqueueinfo, getpid(), 0, SIGUSR1, &info), EINVAL);
	CHECK_ERR(syscall(SYS_rt_tgsigqueueinfo, getpid(), 0x3fffffff, SIGUSR1, &info), ESRCH);
	close(sfd);
}

static void pidfd_getfd(void)
{
	int p[2], q, status;
	long pfd, fd;
	pid_t pid;

	CHECK_EQ(pipe(p), 0);
	q = fcntl(p[1], F_DUPFD, 100);
	CHECK(q >= 100);
	pid = fork();
	if (pid == 0) {
		char c;

		prctl(PR_SET_DUMPABLE, 1);
		close(p[1]);
		close(q);
		_exit(read(p[0], &c, 1) == 1 ? 0 : 5);
	}
	pfd = syscall(SYS_pidfd_open, pid, 0);
	CHECK(pfd >= 0);
	fd = syscall(SYS_pidfd_getfd, pfd, p[0], 0);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl((int)fd, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(syscall(SYS_pidfd_getfd, pfd, 99, 0), EBADF);
	CHECK_ERR(syscall(SYS_pidfd_getfd, pfd, 0, 1), EINVAL);
	CHECK_ERR(syscall(SYS_pidfd_getfd, p[0], 0, 0), EBADF);
	CHECK_EQ(write(p[1], "y", 1), 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_ERR(syscall(SYS_pidfd_getfd, pfd, 0, 0), ESRCH);
	close((int)pfd);
	close((int)fd);
}

static void links_xattrs(void)
{
	char list[64];
	ssize_t n;

	/* user.* is for files and directories, and not every file system has it. */
	n = llistxattr("made", list, sizeof(list));
	CHECK(n >= 0 || errno == EOPNOTSUPP);
	CHECK_ERR(llistxattr("no", list, sizeof(list)), ENOENT);
	CHECK(lremovexattr("made", "user.none") == -1 && (errno == ENODATA || errno == EOPNOTSUPP));
}

struct xattr_args {
	uint64_t value;
	uint32_t size, flags;
};

static void xattrat(void)
{
	char buf[8] = "value";
	struct xattr_args a = { (uintptr_t)buf, 5, 0 };
	long r = syscall(NR_setxattrat, AT_FDCWD, "made", 0, "user.at", &a, sizeof(a));

	if (is_missing(r) || (r == -1 && errno == EOPNOTSUPP))
		return;
	CHECK_EQ(r, 0);
	memset(buf, 0, sizeof(buf));
	a.size = sizeof(buf);
	CHECK_EQ(syscall(NR_getxattrat, AT_FDCWD, "made", 0, "user.at", &a, sizeof(a)), 5);
	CHECK(!memcmp(buf, "value", 5));
	CHECK_ERR(syscall(NR_getxattrat, AT_FDCWD, "made", 0, "user.at", &a, 4), EINVAL);
	CHECK(syscall(NR_listxattrat, AT_FDCWD, "made", 0, NULL, 0) >= 8);
	CHECK_ERR(syscall(NR_listxattrat, AT_FDCWD, "made", 1, NULL, 0), EINVAL);
	CHECK_EQ(syscall(NR_removexattrat, AT_FDCWD, "made", 0, "user.at"), 0);
	CHECK_ERR(syscall(NR_removexattrat, AT_FDCWD, "made", 0, "user.at"), ENODATA);
}

static void fchmodat2(void)
{
	struct stat st;
	long r = syscall(NR_fchmodat2, AT_FDCWD, "made", 0604, 0);

	if (is_missing(r))
		return;
	CHECK_EQ(r, 0);
	CHECK_EQ(stat("made", &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0604);
	CHECK_EQ(symlink("made", "link"), 0);
	CHECK_ERR(syscall(NR_fchmodat2, AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
	CHECK_ERR(syscall(NR_fchmodat2, AT_FDCWD, "made", 0600, 1), EINVAL);
}

struct waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

static void futex2(void)
{
	static uint32_t words[2];
	struct waitv w[2] = { { 0, (uintptr_t)&words[0], 2 | 128, 0 },
			      { 0, (uintptr_t)&words[1], 2 | 128, 0 } };
	struct timespec ts;
	long r = syscall(NR_futex_wake, words, 0xfffffffful, 1, 2 | 128);

	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	if (!is_missing(r)) {
		CHECK_EQ(r, 0);
		CHECK_ERR(syscall(NR_futex_wait, words, 1ul, 0xfffffffful, 2 | 128, NULL, 0),
			  EAGAIN);
		CHECK_ERR(syscall(NR_futex_wait, words, 0ul, 0xfffffffful, 2 | 128, &ts,
				  CLOCK_MONOTONIC),
			  ETIMEDOUT);
		CHECK_ERR(syscall(NR_futex_wait, words, 0ul, 0ul, 2 | 128, NULL, 0), EINVAL);
		CHECK_ERR(syscall(NR_futex_wake, words, 0xfffffffful, 1, 64), EINVAL);
		CHECK_EQ(syscall(NR_futex_requeue, w, 0, 1, 1), 0);
		w[0].val = 9;
		CHECK_ERR(syscall(NR_futex_requeue, w, 0, 1, 1), EAGAIN);
		CHECK_ERR(syscall(NR_futex_requeue, w, 1, 1, 1), EINVAL);
		w[0].val = 0;
	}
	CHECK_ERR(syscall(SYS_futex_waitv, w, 2, 0, &ts, CLOCK_MONOTONIC), ETIMEDOUT);
	CHECK_ERR(syscall(SYS_futex_waitv, w, 0, 0, NULL, 0), EINVAL);
	CHECK_ERR(syscall(SYS_futex_waitv, w, 129, 0, NULL, 0), EINVAL);
	w[1].val = 1;
	CHECK_ERR(syscall(SYS_futex_waitv, w, 2, 0, NULL, 0), EAGAIN);
}

int main(void)
{
	files();
	times();
	processes();
	pidfd_getfd();
	links_xattrs();
	xattrat();
	fchmodat2();
	futex2();
	return 0;
}
