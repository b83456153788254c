/* Real-time signals queue in order, lowest number first, with their values;
 * RLIMIT_SIGPENDING bounds them; standard signals come before. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static volatile int order[64], values[64], count;

static void handler(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	CHECK(count < 64);
	order[count] = sig;
	values[count++] = si->si_code == SI_QUEUE ? si->si_value.sival_int : -1;
}

static void queue(int sig, int value)
{
	union sigval v = { .sival_int = value };

	CHECK(sigqueue(getpid(), sig, v) == 0);
}

static void in_order(void)
{
	sigset_t all, old;
	int rt = SIGRTMIN;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	queue(rt + 1, 1);
	queue(rt, 10);
	queue(rt + 1, 2);
	queue(rt, 11);
	queue(rt + 1, 3);
	queue(rt, 12);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	count = 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	/* Each frame is pushed over the one before, so the last taken runs first;
	 * those of a number follow each other as its handler returns. */
	CHECK_EQ(count, 7);
	CHECK_EQ(order[6], SIGUSR1);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(values[i], 1 + i);
		CHECK_EQ(values[3 + i], 10 + i);
	}
}

/* Taken one by one, the order is plain. */
static void taken_in_order(void)
{
	sigset_t set;
	siginfo_t si;
	int rt = SIGRTMIN;

	sigemptyset(&set);
	sigaddset(&set, rt);
	sigaddset(&set, rt + 3);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 5; i++) {
		queue(rt + 3, 100 + i);
		queue(rt, i);
	}
	kill(getpid(), SIGUSR1);
	CHECK_EQ(sigwaitinfo(&set, &si), SIGUSR1);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(sigwaitinfo(&set, &si), rt);
		CHECK_EQ(si.si_value.sival_int, i);
		CHECK_EQ(si.si_code, SI_QUEUE);
		CHECK_EQ(si.si_pid, getpid());
	}
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(sigwaitinfo(&set, &si), rt + 3);
		CHECK_EQ(si.si_value.sival_int, 100 + i);
	}
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void limit(void)
{
	union sigval v = { .sival_int = 0 };
	struct rlimit lim;
	sigset_t set;
	siginfo_t si;
	int rt = SIGRTMIN, n = 0;

	CHECK(getrlimit(RLIMIT_SIGPENDING, &lim) == 0);
	lim.rlim_cur = 20;
	CHECK(setrlimit(RLIMIT_SIGPENDING, &lim) == 0);
	sigemptyset(&set);
	sigaddset(&set, rt);
	sigprocmask(SIG_BLOCK, &set, NULL);
	while (n < 1000 && sigqueue(getpid(), rt, v) == 0)
		n++;
	CHECK_EQ(errno, EAGAIN);
	CHECK(n <= 20);
	/* kill(2) goes through without its information. */
	CHECK(kill(getpid(), SIGRTMIN) == 0);
	while (n--)
		CHECK_EQ(sigwaitinfo(&set, &si), rt);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void sigqueueinfo_errors(void)
{
	siginfo_t si;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	memset(&si, 0, sizeof(si));
	si.si_signo = SIGUSR1;
	si.si_code = SI_USER; /* only the kernel may say that to another */
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &si), EPERM);
	si.si_code = SI_TKILL;
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &si), EPERM);
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, (void *)8), EFAULT);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
}

int main(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = handler;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGUSR1, &sa, NULL);
	for (int i = 0; i < 4; i++)
		sigaction(SIGRTMIN + i, &sa, NULL);
	in_order();
	taken_in_order();
	sigqueueinfo_errors();
	limit();
	return 0;
}
