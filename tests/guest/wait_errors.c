/* wait4 and waitid: selection, flags, what ignoring SIGCHLD does, errors. */
#include <signal.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static pid_t child(int code)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(code);
	return pid;
}

static void errors(void)
{
	siginfo_t si;
	int status;

	CHECK_ERR(wait(&status), ECHILD);
	CHECK_ERR(waitpid(getpid(), &status, 0), ECHILD);
	CHECK_ERR(waitpid(1, &status, 0), ECHILD);
	CHECK_ERR(waitpid(-0x3fffffff, &status, 0), ECHILD);
	CHECK_ERR(syscall(SYS_wait4, -1, &status, 0x1234, NULL), EINVAL);
	CHECK_ERR(waitid(P_ALL, 0, &si, 0), EINVAL);
	CHECK_ERR(waitid(P_ALL, 0, &si, WNOHANG), EINVAL);
	CHECK_ERR(waitid(77, 0, &si, WEXITED), EINVAL);
	CHECK_ERR(waitid(P_PID, 0, &si, WEXITED), EINVAL);
	CHECK_ERR(waitid(P_ALL, 0, &si, WEXITED | WNOHANG), ECHILD);
	CHECK_ERR(syscall(SYS_wait4, 0x80000000, &status, 0, NULL), ESRCH);
}

static void selection(void)
{
	pid_t a = child(1), b = child(2), c;
	int status;

	CHECK_EQ(waitpid(b, &status, 0), b);
	CHECK_EQ(WEXITSTATUS(status), 2);
	CHECK_EQ(waitpid(a, &status, 0), a);
	/* By group. */
	c = fork();
	if (c == 0) {
		pause();
		_exit(0);
	}
	CHECK(setpgid(c, c) == 0);
	a = child(3);
	CHECK_EQ(waitpid(0, &status, 0), a);
	CHECK_ERR(waitpid(0, &status, 0), ECHILD);
	CHECK_EQ(waitpid(-c, &status, WNOHANG), 0);
	kill(c, SIGTERM);
	CHECK_EQ(waitpid(-c, &status, 0), c);
	CHECK(WIFSIGNALED(status));
}

static void look_without_taking(void)
{
	siginfo_t si;
	pid_t a = child(5);
	int status;

	memset(&si, 0, sizeof(si));
	CHECK(waitid(P_PID, (id_t)a, &si, WEXITED | WNOWAIT) == 0);
	CHECK_EQ(si.si_pid, a);
	CHECK_EQ(si.si_status, 5);
	CHECK_EQ(si.si_code, CLD_EXITED);
	CHECK_EQ(si.si_uid, getuid());
	CHECK(waitid(P_PID, (id_t)a, NULL, WEXITED | WNOWAIT) == 0);
	CHECK(kill(a, 0) == 0); /* a zombie is still there */
	CHECK_EQ(waitpid(a, &status, 0), a);
	CHECK_ERR(kill(a, 0), ESRCH);
}

static void ignored_children(void)
{
	struct sigaction sa;
	int status;

	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 3; i++)
		child(i);
	CHECK_ERR(wait(&status), ECHILD); /* waits for all, then says so */
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	sa.sa_flags = SA_NOCLDWAIT;
	CHECK(sigaction(SIGCHLD, &sa, NULL) == 0);
	child(1);
	CHECK_ERR(wait(&status), ECHILD);
	signal(SIGCHLD, SIG_DFL);
}

/* A child that does not report with SIGCHLD is a "clone" child. */
static void clone_children(void)
{
	int status;
	long pid = syscall(SYS_clone, 0, 0, NULL, NULL, 0);

	if (pid == 0)
		_exit(4);
	CHECK(pid > 0);
	CHECK_ERR(waitpid((pid_t)pid, &status, 0), ECHILD);
	CHECK_EQ(waitpid((pid_t)pid, &status, (int)__WCLONE), pid);
	CHECK_EQ(WEXITSTATUS(status), 4);
	pid = syscall(SYS_clone, SIGUSR1, 0, NULL, NULL, 0);
	if (pid == 0)
		_exit(6);
	CHECK_EQ(waitpid((pid_t)pid, &status, (int)__WALL), pid);
	CHECK_EQ(WEXITSTATUS(status), 6);
}

static void bad_pointers(void)
{
	pid_t a = child(1);

	CHECK_ERR(syscall(SYS_wait4, a, (void *)8, 0, NULL), EFAULT);
	CHECK_ERR(waitpid(a, NULL, 0), ECHILD); /* it is gone all the same */
}

int main(void)
{
	signal(SIGUSR1, SIG_IGN);
	errors();
	selection();
	look_without_taking();
	ignored_children();
	clone_children();
	bad_pointers();
	return 0;
}
