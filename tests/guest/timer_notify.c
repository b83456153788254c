/* POSIX timers of every kind of notification and clock, overruns, errors; itimers. */
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

#define sigev_notify_thread_id _sigev_un._tid
#define _SIGEV_TID 4
static volatile int n, code, val, over, tidgot;
static void h(int s, siginfo_t *si, void *u)
{
	code = si->si_code;
	val = si->si_int;
	over = si->si_overrun;
	tidgot = gettid();
	n++; /* last: the rest is there for who sees it */
}
static void set(timer_t t, long first_us, long int_us)
{
	struct itimerspec i = { { int_us / 1000000, int_us % 1000000 * 1000 },
				{ first_us / 1000000, first_us % 1000000 * 1000 } };
	if (timer_settime(t, 0, &i, 0))
		printf("settime %s\n", strerrorname_np(errno));
}
static volatile int tn;
static void tf(union sigval v)
{
	__sync_fetch_and_add(&tn, v.sival_int);
}
static volatile pid_t wt;
static volatile int leave;
static void *thr(void *a)
{
	wt = gettid();
	WAIT_UNTIL(leave);
	return 0;
}
static struct itimerspec b;
static timer_t t, t2;
static struct sigevent se;
static struct itimerspec g;
static sigset_t s, o;
static siginfo_t si;
static struct timespec minute = { 60, 0 }, z = { 0, 0 };
static struct sigaction sa = { .sa_sigaction = h, .sa_flags = SA_SIGINFO | SA_RESTART };

static void plain(void)
{
	sigaction(SIGUSR1, &sa, 0);
	sigaction(SIGALRM, &sa, 0);
	sigaction(SIGRTMIN, &sa, 0);
	SAY(timer_create(CLOCK_MONOTONIC, NULL, &t));
	set(t, 5000, 0);
	while (!n)
		usleep(1000);
	SAY(code == SI_TIMER);
	SAY(val == (int)(long)t);
	SAY(timer_gettime(t, &g));
	SAY(g.it_value.tv_sec || g.it_value.tv_nsec);
	SAY(timer_getoverrun(t));
	SAY(timer_delete(t));
	memset(&se, 0, sizeof se);
	se.sigev_notify = SIGEV_SIGNAL;
	se.sigev_signo = SIGUSR1;
	se.sigev_value.sival_int = 77;
	n = 0;
	SAY(timer_create(CLOCK_REALTIME, &se, &t));
	set(t, 3000, 3000);
	while (n < 4)
		usleep(500);
	SAY(val);
	SAY(timer_delete(t));
}

/* Overrun. */
static void overrun(void)
{
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigaddset(&s, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &s, &o);
	SAY(timer_create(CLOCK_MONOTONIC, &se, &t));
	set(t, 1000, 1000);
	usleep(50000);
	SAY(sigtimedwait(&s, &si, &minute) == SIGUSR1);
	SAY(si.si_overrun > 30);
	SAY(timer_getoverrun(t) == si.si_overrun);
	set(t, 0, 0);
	SAY(sigtimedwait(&s, &si, &z) >= -1);
}

static int is_pending(int sig)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, sig);
}

static int is_armed(void)
{
	timer_gettime(t, &g);
	return g.it_value.tv_sec || g.it_value.tv_nsec;
}

/* Disarm removes? delete with pending. */
static void disarm_removes_delete_with_pending(void)
{
	set(t, 1000, 0);
	WAIT_UNTIL(is_pending(SIGUSR1));
	set(t, 0, 0);
	SAY(is_pending(SIGUSR1));
	set(t, 1000, 0);
	WAIT_UNTIL(!is_armed());
	SAY(timer_delete(t));
	SAY(sigtimedwait(&s, &si, &z));
	sigprocmask(SIG_UNBLOCK, &s, 0);
}

/* Thread id. */
static void thread_id(void)
{
	pthread_t th;
	pthread_create(&th, 0, thr, 0);
	while (!wt)
		usleep(100);
	memset(&se, 0, sizeof se);
	se.sigev_notify = SIGEV_THREAD_ID;
	se.sigev_signo = SIGRTMIN;
	se.sigev_notify_thread_id = wt;
	n = 0;
	SAY(timer_create(CLOCK_MONOTONIC, &se, &t));
	set(t, 2000, 0);
	while (!n)
		usleep(500);
	SAY(tidgot == wt);
	se.sigev_notify_thread_id = 0x3fffff;
	SAY(timer_create(CLOCK_MONOTONIC, &se, &t2));
	se.sigev_notify_thread_id = getppid();
	SAY(timer_create(CLOCK_MONOTONIC, &se, &t2));
	leave = 1;
	pthread_join(th, 0);
	wait_gone(wt);
	n = 0;
	SAY(({
		struct itimerspec i = { { 0, 0 }, { 0, 1000000 } };
		timer_settime(t, 0, &i, 0);
	}));
	usleep(10000);
	SAY(n);
	SAY(timer_delete(t));
}

/* SIGEV_THREAD by libc. */
static void sigev_thread_by_libc(void)
{
	memset(&se, 0, sizeof se);
	se.sigev_notify = SIGEV_THREAD;
	se.sigev_notify_function = tf;
	se.sigev_value.sival_int = 3;
	SAY(timer_create(CLOCK_MONOTONIC, &se, &t));
	set(t, 2000, 2000);
	WAIT_UNTIL(tn >= 9);
	SAY(tn >= 9 && tn % 3 == 0);
	SAY(timer_delete(t));
}

/* NONE. */
static void none(void)
{
	memset(&se, 0, sizeof se);
	se.sigev_notify = SIGEV_NONE;
	SAY(timer_create(CLOCK_MONOTONIC, &se, &t));
	set(t, 1000000000, 0);
	SAY(timer_gettime(t, &g));
	SAY(g.it_value.tv_sec >= 800 && g.it_value.tv_sec <= 1000);
	set(t, 10000, 0);
	usleep(15000);
	SAY(timer_gettime(t, &g));
	SAY(g.it_value.tv_nsec);
	set(t, 10000, 20000);
	usleep(35000);
	SAY(timer_gettime(t, &g));
	SAY(g.it_value.tv_nsec > 0 && g.it_value.tv_nsec <= 20000000);
	SAY(timer_getoverrun(t));
	SAY(timer_delete(t));
}

/* Errors. */
static void errors(void)
{
	se.sigev_notify = 77;
	SAY(timer_create(CLOCK_MONOTONIC, &se, &t));
	se.sigev_notify = SIGEV_SIGNAL;
	se.sigev_signo = 0;
	SAY(timer_create(CLOCK_MONOTONIC, &se, &t));
	se.sigev_signo = 65;
	SAY(timer_create(CLOCK_MONOTONIC, &se, &t));
	se.sigev_signo = SIGUSR1;
	SAY(timer_create(55, &se, &t));
	SAY(syscall(SYS_timer_create, 1, &se, 8));
	SAY(syscall(SYS_timer_create, 1, 8, &t));
	SAY(syscall(SYS_timer_delete, 12345));
	SAY(syscall(SYS_timer_gettime, 12345, &g));
	SAY(syscall(SYS_timer_settime, 12345, 0, &g, 0));
	SAY(syscall(SYS_timer_getoverrun, 12345));
	SAY(timer_create(CLOCK_MONOTONIC, &se, &t));
	b = (struct itimerspec){ { 0, 0 }, { 0, 1000000000 } };
	SAY(timer_settime(t, 0, &b, 0));
	b.it_value.tv_nsec = 0;
	b.it_interval.tv_nsec = -1;
	SAY(timer_settime(t, 0, &b, 0));
	SAY(syscall(SYS_timer_settime, (int)(long)t, 0, 8, 0));
	SAY(syscall(SYS_timer_settime, (int)(long)t, 0, 0, 0));
	SAY(syscall(SYS_timer_gettime, (int)(long)t, 8));
}

/* An absolute time that is past; what was left. */
static void absolute_and_old(void)
{
	n = 0;
	b = (struct itimerspec){ { 0, 0 }, { 1, 0 } };
	SAY(timer_settime(t, TIMER_ABSTIME, &b, 0));
	WAIT_UNTIL(n);
	SAY(n);
	struct itimerspec old;
	set(t, 500000000, 300000);
	b.it_value.tv_sec = 100;
	SAY(timer_settime(t, 0, &b, &old));
	SAY(old.it_value.tv_sec >= 300 && old.it_value.tv_sec <= 500 &&
	    old.it_interval.tv_nsec == 300000000);
}

/* A child has none. */
static void fork_has_none(void)
{
	pid_t p = fork();
	if (!p) {
		SAY(timer_gettime(t, &g));
		fflush(stdout);
		_exit(0);
	}
	waitpid(p, 0, 0);
	SAY(timer_delete(t));
}

/* CPU timers. */
static void cpu_timers(void)
{
	memset(&se, 0, sizeof se);
	se.sigev_notify = SIGEV_SIGNAL;
	se.sigev_signo = SIGUSR1;
	n = 0;
	SAY(timer_create(CLOCK_PROCESS_CPUTIME_ID, &se, &t));
	set(t, 20000, 0);
	struct timespec c;
	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &c);
	while (!n);
	SAY(n);
	n = 0;
	SAY(timer_create(CLOCK_THREAD_CPUTIME_ID, &se, &t2));
	set(t2, 10000, 10000);
	while (n < 3)
		;
	SAY(n >= 3);
	set(t2, 0, 0);
	SAY(timer_delete(t));
	SAY(timer_delete(t2));
	usleep(20000);
	n = 0;
	usleep(20000);
	SAY(n);
}

/* Itimers. */
static void itimers(void)
{
	struct itimerval iv = { { 0, 0 }, { 0, 5000 } }, ov;
	n = 0;
	SAY(setitimer(ITIMER_REAL, &iv, 0));
	while (!n)
		usleep(1000);
	SAY(code == SI_KERNEL);
	alarm(500);
	unsigned left = alarm(0);
	SAY(left >= 300 && left <= 500);
	iv.it_interval.tv_usec = 2000;
	n = 0;
	setitimer(ITIMER_REAL, &iv, 0);
	while (n < 3)
		usleep(1000);
	iv = (struct itimerval){ { 0, 0 }, { 0, 0 } };
	SAY(setitimer(ITIMER_REAL, &iv, &ov));
	SAY(ov.it_interval.tv_usec);
	iv.it_value.tv_usec = 1000000;
	SAY(setitimer(ITIMER_REAL, &iv, 0));
	SAY(setitimer(3, &iv, 0));
	SAY(getitimer(7, &iv));
	SAY(setitimer(ITIMER_REAL, (void *)8, 0));
	sigaction(SIGVTALRM, &sa, 0);
	sigaction(SIGPROF, &sa, 0);
	iv = (struct itimerval){ { 0, 0 }, { 0, 10000 } };
	n = 0;
	SAY(setitimer(ITIMER_VIRTUAL, &iv, 0));
	while (!n)
		;
	SAY(n);
	n = 0;
	SAY(setitimer(ITIMER_PROF, &iv, 0));
	while (!n)
		;
	SAY(n);
	SAY(getitimer(ITIMER_PROF, &iv));
	SAY(iv.it_value.tv_usec);
}

int main(void)
{
	plain();
	overrun();
	disarm_removes_delete_with_pending();
	thread_id();
	sigev_thread_by_libc();
	none();
	errors();
	absolute_and_old();
	fork_has_none();
	cpu_timers();
	itimers();
	return 0;
}
