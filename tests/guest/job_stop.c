/* Job control: stops and continues as the parent sees them through waitpid,
 * waitid and SIGCHLD; SIGKILL of a stopped process; threads stop together. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"
#include "waitfor.h"

static volatile sig_atomic_t chld;
static volatile int chld_code, chld_status;

static void on_chld(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	chld++;
	chld_code = si->si_code;
	chld_status = si->si_status;
}

static void catch_chld(int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_chld;
	sa.sa_flags = SA_SIGINFO | SA_RESTART | flags;
	CHECK(sigaction(SIGCHLD, &sa, NULL) == 0);
	chld = 0;
}

static pid_t spinner(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		for (;;)
			pause();
	}
	return pid;
}

static void stop_continue_kill(void)
{
	pid_t pid = spinner();
	int status;

	CHECK_EQ(waitpid(pid, &status, WNOHANG | WUNTRACED | WCONTINUED), 0);
	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK_EQ(status, 0x137f);
	/* Reported once. */
	CHECK_EQ(waitpid(pid, &status, WNOHANG | WUNTRACED | WCONTINUED), 0);
	CHECK(kill(pid, SIGCONT) == 0);
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK(WIFCONTINUED(status));
	CHECK_EQ(status, 0xffff);
	CHECK_EQ(waitpid(pid, &status, WNOHANG | WUNTRACED | WCONTINUED), 0);
	/* A stopped process takes SIGTERM when it continues, SIGKILL at once. */
	CHECK(setpgid(pid, pid) == 0); /* in an orphaned group SIGTSTP does nothing */
	CHECK(kill(pid, SIGTSTP) == 0);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK_EQ(WSTOPSIG(status), SIGTSTP);
	CHECK(kill(pid, SIGTERM) == 0);
	usleep(20000); /* that it could end in */
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK(kill(pid, SIGCONT) == 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	pid = spinner();
	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void by_waitid(void)
{
	pid_t pid = spinner();
	siginfo_t si;

	kill(pid, SIGSTOP);
	memset(&si, 0, sizeof(si));
	CHECK(waitid(P_PID, (id_t)pid, &si, WSTOPPED | WNOWAIT) == 0);
	CHECK_EQ(si.si_code, CLD_STOPPED);
	CHECK_EQ(si.si_status, SIGSTOP);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(si.si_signo, SIGCHLD);
	CHECK(waitid(P_PID, (id_t)pid, &si, WSTOPPED) == 0); /* still there */
	memset(&si, 0, sizeof(si));
	CHECK(waitid(P_PID, (id_t)pid, &si, WSTOPPED | WNOHANG) == 0);
	CHECK_EQ(si.si_pid, 0);
	kill(pid, SIGCONT);
	CHECK(waitid(P_PID, (id_t)pid, &si, WCONTINUED) == 0);
	CHECK_EQ(si.si_code, CLD_CONTINUED);
	CHECK_EQ(si.si_status, SIGCONT);
	kill(pid, SIGKILL);
	CHECK(waitid(P_PID, (id_t)pid, &si, WEXITED) == 0);
	CHECK_EQ(si.si_code, CLD_KILLED);
	CHECK_EQ(si.si_status, SIGKILL);
}

static void by_sigchld(void)
{
	int status;
	pid_t pid;

	catch_chld(0);
	pid = spinner();
	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	/* The stop can be seen a moment before the signal is sent, also on Linux. */
	WAIT_UNTIL(chld >= 1);
	CHECK_EQ(chld, 1);
	CHECK_EQ(chld_code, CLD_STOPPED);
	CHECK_EQ(chld_status, SIGSTOP);
	kill(pid, SIGCONT);
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	WAIT_UNTIL(chld >= 2);
	CHECK_EQ(chld_code, CLD_CONTINUED);
	CHECK_EQ(chld_status, SIGCONT);
	catch_chld(SA_NOCLDSTOP);
	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	kill(pid, SIGCONT);
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK_EQ(chld, 0);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(chld, 1);
	signal(SIGCHLD, SIG_DFL);
}

static void *count(void *arg)
{
	for (;;)
		((volatile long *)arg)[0]++;
	return NULL;
}

/* All threads of a process stop, and all go on. */
static void threads_stop(void)
{
	volatile long *n =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	CHECK(n != MAP_FAILED);
	pid = fork();
	if (pid == 0) {
		pthread_t th;

		pthread_create(&th, NULL, count, (void *)(uintptr_t)&n[1]);
		count((void *)(uintptr_t)&n[0]);
	}
	for (int round = 0; round < 3; round++) {
		long a = n[0], b = n[1];

		WAIT_UNTIL(n[0] != a && n[1] != b);
		kill(pid, SIGSTOP);
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status));
		a = n[0];
		b = n[1];
		usleep(20000);
		CHECK(n[0] == a && n[1] == b);
		kill(pid, SIGCONT);
		CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	}
	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	munmap((void *)(uintptr_t)n, 4096);
}

/* Handlers of stop signals run; SIGCONT's handler runs after continuing. */
static volatile sig_atomic_t conts, stops;

static void on_cont(int sig)
{
	if (sig == SIGCONT)
		conts++;
	else
		stops++;
}

static void caught(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGCONT, on_cont);
		signal(SIGTSTP, on_cont);
		raise(SIGTSTP);
		CHECK_EQ(stops, 1);
		raise(SIGSTOP);
		CHECK_EQ(conts, 1);
		_exit(3);
	}
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	kill(pid, SIGCONT);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

/* SIGCONT throws away pending stops, and a stop a pending SIGCONT. */
static void cancel_each_other(void)
{
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTSTP);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGTSTP));
	raise(SIGCONT);
	sigpending(&pending);
	CHECK(!sigismember(&pending, SIGTSTP) && sigismember(&pending, SIGCONT));
	raise(SIGTSTP);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGTSTP) && !sigismember(&pending, SIGCONT));
	raise(SIGCONT);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int main(void)
{
	stop_continue_kill();
	by_waitid();
	by_sigchld();
	threads_stop();
	caught();
	cancel_each_other();
	return 0;
}
