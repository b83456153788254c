/* Masks: sigprocmask, sa_mask, sigsuspend, sigpending, sigtimedwait, ppoll, and
 * that handlers see and restore the right ones. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "waitfor.h"

static volatile sig_atomic_t hits;
static sigset_t during;

static void handler(int sig)
{
	(void)sig;
	hits++;
	sigprocmask(SIG_BLOCK, NULL, &during);
}

static sigset_t set_of(int a, int b)
{
	sigset_t s;

	sigemptyset(&s);
	if (a)
		sigaddset(&s, a);
	if (b)
		sigaddset(&s, b);
	return s;
}

static void install(int sig, sigset_t mask)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = handler;
	sa.sa_mask = mask;
	CHECK(sigaction(sig, &sa, NULL) == 0);
}

static void block_and_unblock(void)
{
	sigset_t usr1 = set_of(SIGUSR1, 0), old, pending;

	install(SIGUSR1, set_of(SIGUSR2, 0));
	CHECK(sigprocmask(SIG_BLOCK, &usr1, &old) == 0);
	CHECK(!sigismember(&old, SIGUSR1));
	hits = 0;
	raise(SIGUSR1);
	raise(SIGUSR1);
	CHECK_EQ(hits, 0);
	CHECK(sigpending(&pending) == 0);
	CHECK(sigismember(&pending, SIGUSR1) && !sigismember(&pending, SIGUSR2));
	CHECK(sigprocmask(SIG_UNBLOCK, &usr1, NULL) == 0);
	CHECK_EQ(hits, 1); /* standard signals do not queue */
	CHECK(sigismember(&during, SIGUSR1) && sigismember(&during, SIGUSR2));
	sigprocmask(SIG_BLOCK, NULL, &old);
	CHECK(!sigismember(&old, SIGUSR1) && !sigismember(&old, SIGUSR2));
}

static void unblockable(void)
{
	sigset_t all, old;

	sigfillset(&all);
	CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &old) == 0);
	CHECK(!sigismember(&old, SIGKILL) && !sigismember(&old, SIGSTOP));
	CHECK(sigismember(&old, SIGTERM));
	sigemptyset(&all);
	CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
	CHECK_ERR(syscall(SYS_rt_sigprocmask, 77, &all, NULL, 8), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, 16), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *)8, NULL, 8), EFAULT);
}

static void suspend(void)
{
	sigset_t usr1 = set_of(SIGUSR1, 0), none = set_of(0, 0), now;

	sigprocmask(SIG_BLOCK, &usr1, NULL);
	hits = 0;
	raise(SIGUSR1);
	CHECK_ERR(sigsuspend(&none), EINTR);
	CHECK_EQ(hits, 1);
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
}

static void poll_with_mask(void)
{
	sigset_t usr1 = set_of(SIGUSR1, 0), none = set_of(0, 0), now;
	struct timespec long_time = { 10, 0 }, short_time = { 0, 1000000 };

	sigprocmask(SIG_BLOCK, &usr1, NULL);
	hits = 0;
	raise(SIGUSR1);
	CHECK_ERR(ppoll(NULL, 0, &long_time, &none), EINTR);
	CHECK_EQ(hits, 1);
	CHECK_EQ(ppoll(NULL, 0, &short_time, &none), 0);
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
}

static void timed_wait(void)
{
	sigset_t both = set_of(SIGUSR1, SIGUSR2);
	struct timespec zero = { 0, 0 }, some = { 0, 20000000 }, bad = { 0, 2000000000 };
	siginfo_t si;

	sigprocmask(SIG_BLOCK, &both, NULL);
	CHECK_ERR(sigtimedwait(&both, &si, &zero), EAGAIN);
	CHECK_ERR(sigtimedwait(&both, &si, &some), EAGAIN);
	CHECK_ERR(sigtimedwait(&both, &si, &bad), EINVAL);
	raise(SIGUSR2);
	raise(SIGUSR1);
	CHECK_EQ(sigtimedwait(&both, &si, &zero), SIGUSR1);
	CHECK_EQ(si.si_signo, SIGUSR1);
	CHECK_EQ(sigwaitinfo(&both, &si), SIGUSR2);
	CHECK_EQ(si.si_pid, getpid());
	sigprocmask(SIG_UNBLOCK, &both, NULL);
}

static void wait_for_another(void)
{
	sigset_t usr2 = set_of(SIGUSR2, 0);
	siginfo_t si;
	int status;
	pid_t self = getpid(), pid;

	sigprocmask(SIG_BLOCK, &usr2, NULL);
	hits = 0;
	pid = fork();
	if (pid == 0) {
		wait_asleep(self, SYS_rt_sigtimedwait);
		kill(self, SIGUSR1); /* caught: EINTR */
		wait_asleep(self, SYS_rt_sigtimedwait);
		kill(self, SIGUSR2);
		_exit(0);
	}
	CHECK_ERR(sigwaitinfo(&usr2, &si), EINTR);
	CHECK_EQ(hits, 1);
	CHECK_EQ(sigwaitinfo(&usr2, &si), SIGUSR2);
	CHECK_EQ(si.si_pid, pid);
	sigprocmask(SIG_UNBLOCK, &usr2, NULL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
}

static pthread_t taker;
static volatile int taken;
static volatile pid_t taker_tid;

static void *take(void *arg)
{
	sigset_t usr2 = set_of(SIGUSR2, 0);
	int sig;

	(void)arg;
	taker_tid = (pid_t)syscall(SYS_gettid);
	CHECK(sigwait(&usr2, &sig) == 0);
	taken = sig;
	return NULL;
}

/* A signal to the process goes to a thread that does not block it; one to a
 * thread goes there. */
static void threads(void)
{
	sigset_t usr2 = set_of(SIGUSR2, 0);

	pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	CHECK(pthread_create(&taker, NULL, take, NULL) == 0);
	WAIT_UNTIL(taker_tid);
	wait_asleep(taker_tid, SYS_rt_sigtimedwait);
	kill(getpid(), SIGUSR2);
	pthread_join(taker, NULL);
	CHECK_EQ(taken, SIGUSR2);
	taken = 0;
	CHECK(pthread_create(&taker, NULL, take, NULL) == 0);
	pthread_kill(taker, SIGUSR2);
	pthread_join(taker, NULL);
	CHECK_EQ(taken, SIGUSR2);
	pthread_sigmask(SIG_UNBLOCK, &usr2, NULL);
}

int main(void)
{
	block_and_unblock();
	unblockable();
	suspend();
	poll_with_mask();
	timed_wait();
	wait_for_another();
	threads();
	return 0;
}
