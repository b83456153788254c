/* vfork shares memory and holds the parent until exec or exit; posix_spawn and
 * exec pass arguments and environment; close-on-exec closes. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "check.h"

extern char **environ;
static volatile int shared;

static int child_main(int argc, char **argv)
{
	if (!strcmp(argv[1], "args")) {
		CHECK_EQ(argc, 5);
		CHECK(!strcmp(argv[2], "") && !strcmp(argv[3], "a b") && !strcmp(argv[4], "\xff"));
		CHECK(getenv("KEY") && !strcmp(getenv("KEY"), "VALUE"));
		CHECK(!getenv("PATH"));
		return 42;
	}
	if (!strcmp(argv[1], "fds")) {
		CHECK_EQ(fcntl(atoi(argv[2]), F_GETFD), 0);
		CHECK_ERR(fcntl(atoi(argv[3]), F_GETFD), EBADF);
		return 43;
	}
	if (!strcmp(argv[1], "signals")) {
		struct sigaction sa;
		sigset_t mask, pending;

		CHECK(sigaction(SIGUSR1, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL);
		CHECK(sigaction(SIGUSR2, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN);
		CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
		CHECK(sigismember(&mask, SIGHUP) && !sigismember(&mask, SIGINT));
		CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGHUP));
		return 44;
	}
	if (!strcmp(argv[1], "sleep")) {
		usleep(50000);
		return 0;
	}
	return 1;
}

static int wait_exit(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void vfork_shares(void)
{
	pid_t pid = vfork();

	CHECK(pid >= 0);
	if (pid == 0) {
		shared = 1;
		usleep(20000);
		shared = 2;
		_exit(5);
	}
	CHECK_EQ(shared, 2); /* it ran to its end first */
	CHECK_EQ(wait_exit(pid), 5);
}

static void vfork_then_exec(const char *self)
{
	char *argv[] = { (char *)self, "sleep", NULL };
	pid_t pid = vfork();

	if (pid == 0) {
		execve(self, argv, environ);
		_exit(127);
	}
	CHECK(pid > 0);
	shared = 7; /* our memory is still ours */
	CHECK_EQ(wait_exit(pid), 0);
}

static void exec_arguments(const char *self)
{
	char *argv[] = { (char *)self, "args", "", "a b", "\xff", NULL };
	char *envp[] = { "KEY=VALUE", NULL };
	pid_t pid;

	CHECK(posix_spawn(&pid, self, NULL, NULL, argv, envp) == 0);
	CHECK_EQ(wait_exit(pid), 42);
}

static void exec_descriptors(const char *self)
{
	int keep = open("/dev/null", O_RDONLY), gone = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char a[16], b[16];
	char *argv[] = { (char *)self, "fds", a, b, NULL };
	pid_t pid;

	CHECK(keep >= 0 && gone >= 0);
	sprintf(a, "%d", keep);
	sprintf(b, "%d", gone);
	pid = fork();
	if (pid == 0) {
		execve(self, argv, environ);
		_exit(127);
	}
	CHECK_EQ(wait_exit(pid), 43);
	CHECK(fcntl(gone, F_GETFD) == FD_CLOEXEC);
}

static void handler(int sig)
{
	(void)sig;
}

static void exec_signals(const char *self)
{
	char *argv[] = { (char *)self, "signals", NULL };
	pid_t pid = fork();

	if (pid == 0) {
		sigset_t mask;

		signal(SIGUSR1, handler);
		signal(SIGUSR2, SIG_IGN);
		sigemptyset(&mask);
		sigaddset(&mask, SIGHUP);
		sigprocmask(SIG_SETMASK, &mask, NULL);
		raise(SIGHUP);
		execve(self, argv, environ);
		_exit(127);
	}
	CHECK_EQ(wait_exit(pid), 44);
}

static void exec_errors(void)
{
	char *argv[] = { "x", NULL };
	char *volatile bad = (char *)8;
	int fd;

	CHECK_ERR(execve("/nonexistent/file", argv, environ), ENOENT);
	CHECK_ERR(execve("/", argv, environ), EACCES);
	fd = open("not-executable", O_WRONLY | O_CREAT, 0644);
	CHECK(fd >= 0 && close(fd) == 0);
	CHECK_ERR(execve("not-executable", argv, environ), EACCES);
	unlink("not-executable");
	CHECK_ERR(execve(bad, argv, environ), EFAULT);
}

int main(int argc, char **argv)
{
	char self[4096];
	ssize_t n;

	if (argc > 1)
		return child_main(argc, argv);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	CHECK(n > 0);
	self[n] = 0;
	vfork_shares();
	vfork_then_exec(self);
	exec_arguments(self);
	exec_descriptors(self);
	exec_signals(self);
	exec_errors();
	return 0;
}
