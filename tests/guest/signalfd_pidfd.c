/* signalfd reads blocked signals; pidfd_open, pidfd_send_signal, waitid(P_PIDFD)
 * and CLONE_PIDFD; both poll. */
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "waitfor.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents & POLLIN;
}

static void signals(void)
{
	struct signalfd_siginfo si[4];
	union sigval v = { .sival_int = 99 };
	sigset_t set;
	int fd, status;
	pid_t pid, self = getpid();

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(!readable(fd));
	CHECK_ERR(read(fd, si, sizeof(si)), EAGAIN);
	kill(self, SIGUSR1);
	sigqueue(self, SIGRTMIN, v);
	sigqueue(self, SIGRTMIN, v);
	CHECK(readable(fd));
	CHECK_EQ(read(fd, si, sizeof(si)), 3 * (ssize_t)sizeof(si[0]));
	CHECK_EQ(si[0].ssi_signo, SIGUSR1);
	CHECK_EQ(si[0].ssi_pid, self);
	CHECK_EQ(si[2].ssi_signo, SIGRTMIN);
	CHECK_EQ(si[2].ssi_int, 99);
	CHECK_EQ(si[2].ssi_code, SI_QUEUE);
	CHECK_ERR(read(fd, si, 10), EINVAL);
	/* Blocking, woken by a child. */
	CHECK(fcntl(fd, F_SETFL, 0) == 0);
	pid = signal_when_asleep(SIGUSR1, SYS_read, 1);
	CHECK_EQ(read(fd, si, sizeof(si)), (ssize_t)sizeof(si[0]));
	CHECK_EQ(si[0].ssi_pid, pid);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	/* Polling blocks and wakes too. */
	pid = signal_when_asleep(SIGUSR1, SYS_poll, 1);
	{
		struct pollfd p = { .fd = fd, .events = POLLIN };

		CHECK_EQ(poll(&p, 1, 60000), 1);
	}
	CHECK_EQ(read(fd, si, sizeof(si)), (ssize_t)sizeof(si[0]));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	/* Another mask. */
	sigdelset(&set, SIGUSR1);
	CHECK_EQ(signalfd(fd, &set, 0), fd);
	kill(self, SIGUSR1);
	CHECK(!readable(fd));
	CHECK_ERR(signalfd(0x1000, &set, 0), EBADF);
	CHECK_ERR(signalfd(-1, &set, 1), EINVAL);
	close(fd);
	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

static void pidfds(void)
{
	siginfo_t si;
	int fd;
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(!readable(fd));
	CHECK(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) == 0);
	CHECK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) == 0);
	{
		struct pollfd p = { .fd = fd, .events = POLLIN };

		CHECK_EQ(poll(&p, 1, 60000), 1);
	}
	memset(&si, 0, sizeof(si));
	CHECK(waitid(P_PIDFD, (id_t)fd, &si, WEXITED) == 0);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(si.si_status, SIGTERM);
	CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0), ESRCH);
	CHECK_ERR(waitid(P_PIDFD, (id_t)fd, &si, WEXITED), ECHILD);
	close(fd);
	CHECK_ERR(syscall(SYS_pidfd_open, 0x3fffffff, 0), ESRCH);
	CHECK_ERR(syscall(SYS_pidfd_open, -1, 0), EINVAL);
	CHECK_ERR(syscall(SYS_pidfd_open, getpid(), 1), EINVAL);
	CHECK_ERR(syscall(SYS_pidfd_send_signal, 0, SIGTERM, NULL, 0), EBADF);
}

/* pidfd_send_signal() also takes an open /proc/[pid]. */
static void proc_directory(void)
{
	pid_t pid = fork();
	char path[32];
	int fd, status;

	if (pid == 0) {
		pause();
		_exit(1);
	}
	snprintf(path, sizeof(path), "/proc/%d", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0);
	CHECK_EQ(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), 0);
	CHECK_EQ(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	close(fd);
	fd = open("/proc", O_RDONLY | O_DIRECTORY);
	CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), EBADF);
	close(fd);
}

static void from_clone(void)
{
	struct clone_args args;
	siginfo_t si;
	int fd = -1;
	long pid;

	memset(&args, 0, sizeof(args));
	args.flags = CLONE_PIDFD;
	args.pidfd = (unsigned long)&fd;
	args.exit_signal = SIGCHLD;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(21);
	CHECK(pid > 0 && fd >= 0);
	CHECK(waitid(P_PIDFD, (id_t)fd, &si, WEXITED) == 0);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(si.si_status, 21);
	close(fd);
}

int main(void)
{
	signals();
	pidfds();
	proc_directory();
	from_clone();
	return 0;
}
