/* Handlers, siginfo, SA_* flags, nested handlers, kill and its errors. */
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "check.h"

static volatile sig_atomic_t hits, last;
static volatile siginfo_t info; /* volatile: kill() is declared as a leaf */

static void simple(int sig)
{
	hits++;
	last = sig;
}

static void with_info(int sig, siginfo_t *si, void *uc)
{
	hits++;
	last = sig;
	info = *si;
	CHECK(!sigismember(&((ucontext_t *)uc)->uc_sigmask, sig));
}

static void install(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = fn;
	sa.sa_flags = SA_SIGINFO | flags;
	CHECK(sigaction(sig, &sa, NULL) == 0);
}

static void plain_handler(void)
{
	struct sigaction sa, old;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = simple;
	CHECK(sigaction(SIGUSR1, &sa, &old) == 0);
	CHECK(old.sa_handler == SIG_DFL);
	hits = 0;
	for (int i = 0; i < 100; i++)
		CHECK(raise(SIGUSR1) == 0);
	CHECK_EQ(hits, 100);
	CHECK(sigaction(SIGUSR1, NULL, &old) == 0);
	CHECK(old.sa_handler == simple);
}

static void info_of_kill(void)
{
	union sigval v = { .sival_int = 1234 };

	install(SIGUSR2, with_info, 0);
	CHECK(kill(getpid(), SIGUSR2) == 0);
	CHECK_EQ(info.si_signo, SIGUSR2);
	CHECK_EQ(info.si_code, SI_USER);
	CHECK_EQ(info.si_pid, getpid());
	CHECK_EQ(info.si_uid, getuid());
	CHECK(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR2) == 0);
	CHECK_EQ(info.si_code, SI_TKILL);
	CHECK(sigqueue(getpid(), SIGUSR2, v) == 0);
	CHECK_EQ(info.si_code, SI_QUEUE);
	CHECK_EQ(info.si_value.sival_int, 1234);
}

static void reset_and_nodefer(void)
{
	struct sigaction old;

	install(SIGUSR1, with_info, SA_RESETHAND);
	raise(SIGUSR1);
	CHECK(sigaction(SIGUSR1, NULL, &old) == 0);
	CHECK(old.sa_handler == SIG_DFL);
}

static volatile int depth, max_depth;

static void recurse(int sig, siginfo_t *si, void *uc)
{
	(void)si;
	(void)uc;
	depth++;
	if (depth > max_depth)
		max_depth = depth;
	if (depth < 3)
		raise(sig);
	depth--;
}

static void nesting(void)
{
	install(SIGUSR1, recurse, SA_NODEFER);
	depth = max_depth = 0;
	raise(SIGUSR1);
	CHECK_EQ(max_depth, 3);
	/* Without SA_NODEFER, the second waits until the first returns. */
	install(SIGUSR1, recurse, 0);
	depth = 2;
	max_depth = 0;
	raise(SIGUSR1);
	CHECK_EQ(max_depth, 3);
}

static sigjmp_buf env;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(env, 1);
}

static void jump_out(void)
{
	sigset_t mask;

	signal(SIGUSR1, jump);
	for (int i = 0; i < 5; i++) {
		if (sigsetjmp(env, 1) == 0) {
			raise(SIGUSR1);
			CHECK(0);
		}
		sigprocmask(SIG_BLOCK, NULL, &mask);
		CHECK(!sigismember(&mask, SIGUSR1));
	}
}

static void kill_errors(void)
{
	CHECK_ERR(kill(getpid(), 65), EINVAL);
	CHECK_ERR(kill(getpid(), -1), EINVAL);
	CHECK_ERR(kill(0x3fffffff, 0), ESRCH);
	CHECK_ERR(syscall(SYS_tgkill, getpid(), 0x3fffffff, 0), ESRCH);
	CHECK_ERR(syscall(SYS_tgkill, -1, getpid(), 0), EINVAL);
	CHECK_ERR(syscall(SYS_tkill, 0, 0), EINVAL);
	CHECK(kill(getpid(), 0) == 0);
	CHECK(kill(0, 0) == 0);
	CHECK_ERR(sigaction(SIGKILL, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL), EINVAL);
	CHECK_ERR(sigaction(SIGSTOP, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, NULL, 8), EFAULT);
}

static void child_signal(void)
{
	int status;
	pid_t pid;

	install(SIGCHLD, with_info, 0);
	hits = 0;
	pid = fork();
	if (pid == 0)
		_exit(9);
	while (!hits)
		usleep(1000);
	CHECK_EQ(info.si_code, CLD_EXITED);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_status, 9);
	CHECK_EQ(info.si_uid, getuid());
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	hits = 0;
	pid = fork();
	if (pid == 0) {
		raise(SIGKILL);
		_exit(9);
	}
	while (!hits)
		usleep(1000);
	CHECK_EQ(info.si_code, CLD_KILLED);
	CHECK_EQ(info.si_status, SIGKILL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	signal(SIGCHLD, SIG_DFL);
}

/* A signal that its handler ignores, or that SIG_DFL ignores, is gone. */
static void ignored(void)
{
	sigset_t set, pending;

	signal(SIGUSR1, SIG_IGN);
	CHECK(raise(SIGUSR1) == 0);
	signal(SIGWINCH, SIG_DFL);
	CHECK(raise(SIGWINCH) == 0);
	/* Blocked, it stays; becoming ignored throws it away. */
	signal(SIGUSR1, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGUSR1));
	signal(SIGUSR1, SIG_IGN);
	sigpending(&pending);
	CHECK(!sigismember(&pending, SIGUSR1));
	signal(SIGUSR1, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int main(void)
{
	plain_handler();
	info_of_kill();
	reset_and_nodefer();
	nesting();
	jump_out();
	kill_errors();
	child_signal();
	ignored();
	return 0;
}
