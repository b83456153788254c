/* Which signal comes first, sigtimedwait, who may queue what, the limit of queued
 * signals, masks while waiting. */
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

#include "say.h"
#include "waitfor.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

static int order[200], n;
static pid_t me;
static void h(int s, siginfo_t *si, void *u)
{
	if (n < 200)
		order[n++] = s * 100 + (si->si_code == SI_QUEUE ? si->si_int : -1);
}
static void show(char *w)
{
	printf("%s:", w);
	for (int i = 0; i < n; i++)
		printf(" %d", order[i]);
	printf("\n");
	n = 0;
	fflush(stdout);
}
static void si_show(int r, siginfo_t *si)
{
	printf("  -> %d signo %d code %d pid %d uid %d int %d\n", r, si->si_signo, si->si_code,
	       si->si_pid == me, si->si_uid, si->si_code == SI_QUEUE ? si->si_int : 0);
}
static void *thr(void *a)
{
	wait_asleep(me, SYS_rt_sigtimedwait);
	pthread_kill(*(pthread_t *)a, SIGUSR2);
	return 0;
}
static volatile pid_t thr3_tid;
static void *thr3(void *a)
{
	thr3_tid = gettid();
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &s, 0);
	siginfo_t si;
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 3);
	struct timespec ts = { 60, 0 };
	long r = sigtimedwait(&s, &si, &ts);
	printf("thread took %ld\n", r - SIGRTMIN);
	return 0;
}
static struct sigaction sa;
static pthread_t self, t;
static sigset_t all, s, o;
static siginfo_t si;
static struct timespec z = { 0, 0 }, ms = { 0, 30000000 };
static union sigval v;
static int r;
static pid_t p;

static void first_part(void)
{
	me = getpid();
	sa = (struct sigaction){ .sa_sigaction = h, .sa_flags = SA_SIGINFO };
	sigfillset(&sa.sa_mask);
	for (int i = 1; i <= 64; i++)
		sigaction(i, &sa, 0);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &o);
	int q[] = { SIGRTMIN + 2, SIGRTMIN, SIGRTMIN + 2, SIGUSR2, SIGUSR1, SIGUSR1, SIGRTMIN + 1,
		    SIGTERM,      SIGRTMIN, SIGRTMAX,     SIGHUP,  SIGSEGV, SIGBUS };
	for (int i = 0; i < 13; i++) {
		v.sival_int = i;
		sigqueue(me, q[i], v);
	}
	sigpending(&s);
	for (int i = 1; i < 65; i++)
		if (sigismember(&s, i))
			printf("%d ", i);
	printf("\n");
	sigprocmask(SIG_SETMASK, &o, 0);
	show("order");
}

/* Thread directed goes first. */
static void thread_directed_goes_first(void)
{
	sigprocmask(SIG_SETMASK, &all, 0);
	kill(me, SIGUSR1);
	pthread_kill(pthread_self(), SIGUSR2);
	kill(me, SIGRTMIN);
	pthread_kill(pthread_self(), SIGRTMIN + 1);
	raise(SIGHUP);
	sigprocmask(SIG_SETMASK, &o, 0);
	show("thread first");
}

/* Timedwait. */
static void timedwait(void)
{
	sigprocmask(SIG_SETMASK, &all, 0);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigaddset(&s, SIGRTMIN + 3);
	sigaddset(&s, SIGRTMIN);
	SAY(sigtimedwait(&s, &si, &z));
	SAY(sigtimedwait(&s, &si, &ms));
	v.sival_int = 5;
	sigqueue(me, SIGRTMIN + 3, v);
	kill(me, SIGUSR1);
	v.sival_int = 6;
	sigqueue(me, SIGRTMIN, v);
	v.sival_int = 7;
	sigqueue(me, SIGRTMIN, v);
	for (int i = 0; i < 5; i++) {
		memset(&si, 0, sizeof si);
		r = sigtimedwait(&s, &si, &z);
		si_show(r, &si);
	}
	struct timespec bad = { 0, 1000000000 };
	SAY(sigtimedwait(&s, &si, &bad));
	bad.tv_nsec = -1;
	SAY(sigtimedwait(&s, &si, &bad));
	SAY(syscall(SYS_rt_sigtimedwait, &s, &si, &z, 4));
	SAY(syscall(SYS_rt_sigtimedwait, 8, &si, &z, 8));
	kill(me, SIGUSR1);
	SAY(syscall(SYS_rt_sigtimedwait, &s, 8, &z, 8));
	SAY(sigtimedwait(&s, NULL, &z));
	sigprocmask(SIG_SETMASK, &o, 0);
	show("left");
}

/* Interrupted by another. */
static void interrupted_by_another(void)
{
	self = pthread_self();
	sigprocmask(SIG_BLOCK, &s, 0);
	pthread_create(&t, 0, thr, &self);
	SAY(sigtimedwait(&s, &si, &(struct timespec){ 60, 0 }));
	pthread_join(t, 0);
	show("intr");
}

/* Ignored and waited for. */
static void ignored_and_waited_for(void)
{
	signal(SIGUSR1, SIG_IGN);
	p = fork();
	if (!p) {
		wait_asleep(me, SYS_rt_sigtimedwait);
		kill(me, SIGUSR1);
		_exit(0);
	}
	memset(&si, 0, sizeof si);
	r = sigtimedwait(&s, &si, &(struct timespec){ 60, 0 });
	printf("ignored: %d\n", r);
	reap(p);
	sigaction(SIGUSR1, &sa, 0);
	n = 0;
}

/* A thread waits in sigtimedwait, process signal goes to it. */
static void a_thread_waits_in_sigtimedwait_process_s(void)
{
	sigprocmask(SIG_BLOCK, &s, 0);
	pthread_create(&t, 0, thr3, 0);
	WAIT_UNTIL(thr3_tid);
	wait_asleep(thr3_tid, SYS_rt_sigtimedwait);
	kill(me, SIGRTMIN + 3);
	pthread_join(t, 0);
	show("proc");
}

/* Rt_sigqueueinfo rules. */
static void rt_sigqueueinfo_rules(void)
{
	memset(&si, 0, sizeof si);
	si.si_code = SI_USER;
	SAY(syscall(SYS_rt_sigqueueinfo, me, SIGUSR2, &si));
	si.si_code = SI_TKILL;
	SAY(syscall(SYS_rt_sigqueueinfo, me, SIGUSR2, &si));
	si.si_code = -60;
	SAY(syscall(SYS_rt_sigqueueinfo, me, SIGUSR2, &si));
	si.si_code = 5;
	SAY(syscall(SYS_rt_sigqueueinfo, me, SIGUSR2, &si));
	SAY(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &si));
	si.si_code = -1;
	SAY(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &si));
	SAY(syscall(SYS_rt_sigqueueinfo, me, 0, 8));
	SAY(syscall(SYS_rt_sigqueueinfo, me, 65, &si));
	SAY(syscall(SYS_rt_sigqueueinfo, 0x3fffffff, 0, &si));
	SAY(syscall(SYS_rt_tgsigqueueinfo, me, me, SIGUSR2, &si));
	SAY(syscall(SYS_rt_tgsigqueueinfo, 0, me, SIGUSR2, &si));
	SAY(syscall(SYS_tgkill, me, me + 1000000, 0));
	SAY(syscall(SYS_tgkill, me, 0, 0));
	SAY(syscall(SYS_tgkill, -1, me, 0));
	SAY(syscall(SYS_tkill, 0, 0));
	SAY(syscall(SYS_tkill, me, 0));
	SAY(kill(me, 65));
	SAY(kill(me, -1));
	SAY(kill(0x3fffffff, 0));
	SAY(kill(-0x3fffffff, 0));
	SAY(kill(INT_MIN, 0));
	show("queueinfo");
}

/* SIGPENDING limit. */
static void sigpending_limit(void)
{
	p = fork();
	if (!p) {
		setuid(65534);
		struct rlimit rl = { 4, 4 };
		SAY(setrlimit(RLIMIT_SIGPENDING, &rl));
		sigprocmask(SIG_SETMASK, &all, 0);
		for (int i = 0; i < 6; i++) {
			v.sival_int = i;
			SAY(sigqueue(getpid(), SIGRTMIN, v));
		}
		SAY(kill(getpid(), SIGRTMIN + 1));
		SAY(kill(getpid(), SIGUSR1));
		SAY(raise(SIGRTMIN + 2));
		timer_t tm;
		SAY(timer_create(CLOCK_MONOTONIC, NULL, &tm));
		FILE *f = fopen("/proc/self/status", "r");
		char l[200];
		while (fgets(l, 200, f))
			if (!strncmp(l, "SigQ", 4) || !strncmp(l, "ShdPnd", 6) ||
			    !strncmp(l, "SigPnd", 6))
				printf("%s", l);
		fflush(stdout);
		n = 0;
		sigprocmask(SIG_SETMASK, &o, 0);
		show("pending");
		_exit(0);
	}
	reap(p);
}

/* Sigsuspend, SA_NODEFER, RESETHAND. */
static void sigsuspend_sa_nodefer_resethand(void)
{
	struct sigaction s2 = { .sa_sigaction = h, .sa_flags = SA_SIGINFO | SA_RESETHAND };
	sigaction(SIGUSR1, &s2, 0);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_SETMASK, &s, 0);
	raise(SIGUSR1);
	sigemptyset(&s);
	SAY(sigsuspend(&s));
	show("susp");
	sigaction(SIGUSR1, NULL, &s2);
	SAY(s2.sa_handler == SIG_DFL);
	SAY(s2.sa_flags & ~0x04000000);
	SAY(sigaction(SIGKILL, &sa, 0));
	SAY(sigaction(SIGSTOP, NULL, &s2));
	SAY(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
	SAY(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8));
	SAY(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8));
	SAY(syscall(SYS_rt_sigprocmask, 5, &s, NULL, 8));
	SAY(syscall(SYS_rt_sigprocmask, 5, NULL, NULL, 8));
	SAY(syscall(SYS_rt_sigprocmask, 0, &s, NULL, 7));
	SAY(syscall(SYS_rt_sigpending, &s, 9));
	SAY(syscall(SYS_rt_sigpending, &s, 4));
	SAY(syscall(SYS_rt_sigsuspend, &s, 4));
}

int main(void)
{
	first_part();
	thread_directed_goes_first();
	timedwait();
	interrupted_by_another();
	ignored_and_waited_for();
	a_thread_waits_in_sigtimedwait_process_s();
	rt_sigqueueinfo_rules();
	sigpending_limit();
	sigsuspend_sa_nodefer_resethand();
	return 0;
}
