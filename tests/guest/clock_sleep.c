/* Every clock: read, slept on, interrupted; CPU clocks of others; setting refused. */
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

static long now(int c)
{
	struct timespec t;
	clock_gettime(c, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}
static volatile int stop;
static void h(int s)
{
}
static void *spin(void *a)
{
	volatile long x = 0;
	while (!stop)
		x++;
	return 0;
}
static void *ints(void *a)
{
	wait_asleep(getpid(), SYS_clock_nanosleep);
	usleep(30000); /* which it sleeps at least */
	pthread_kill(*(pthread_t *)a, SIGUSR1);
	return 0;
}
static pthread_t th;
static pid_t p;
/* Not 8 and 9, which are there when a clock chip is. */
static int cl[] = { 0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 16, 100 };
static struct timespec ms = { 0, 5000000 }, t, r, bad = { 0, 1000000000 }, neg = { -1, 0 },
		       z = { 0, 0 };

static void each_clock(void)
{
	for (unsigned i = 0; i < sizeof(cl) / sizeof(cl[0]); i++) {
		printf("clock %d: get %s", cl[i],
		       clock_gettime(cl[i], &t) ? strerrorname_np(errno) : "ok");
		printf(" res %s", clock_getres(cl[i], &r) ? strerrorname_np(errno) : "ok");
		if (cl[i] != 3 && cl[i] != 2) {
			long a = now(1);
			int e = clock_nanosleep(cl[i], 0, &ms, NULL);
			printf(" sleep %s %d", e ? strerrorname_np(e) : "ok",
			       e || now(1) - a >= 5000000);
		} else if (cl[i] == 3) {
			int e = clock_nanosleep(cl[i], 0, &ms, NULL);
			printf(" sleep %s", e ? strerrorname_np(e) : "ok");
		}
		printf(" set %s", clock_settime(cl[i], &bad) ? strerrorname_np(errno) : "ok");
		printf(" timer ");
		timer_t tm;
		struct sigevent se = { .sigev_notify = SIGEV_NONE };
		if (timer_create(cl[i], &se, &tm))
			printf("%s", strerrorname_np(errno));
		else {
			printf("ok");
			timer_delete(tm);
		}
		printf("\n");
		fflush(stdout);
	}
	SAY_ERROR(clock_nanosleep(1, 0, &bad, 0));
	SAY_ERROR(clock_nanosleep(1, 0, &neg, 0));
	SAY_ERROR(clock_nanosleep(1, 0, (void *)8, 0));
	SAY_ERROR(clock_nanosleep(1, TIMER_ABSTIME, &z, 0));
	SAY_ERROR(clock_nanosleep(0, TIMER_ABSTIME, &ms, 0));
	SAY_ERROR(clock_nanosleep(7, TIMER_ABSTIME, &ms, 0));
	SAY_ERROR(clock_nanosleep(11, TIMER_ABSTIME, &ms, 0));
	SAY_ERROR(clock_nanosleep(1, 2, &ms, 0));
}

static void interrupted(void)
{
	struct sigaction sa = { .sa_handler = h };
	sigaction(SIGUSR1, &sa, 0);
	pthread_t me = pthread_self();
	struct timespec hundred = { 100, 0 };
	int cs[] = { 0, 1, 7, 11 };
	for (int i = 0; i < 4; i++) {
		memset(&r, 0, sizeof r);
		pthread_create(&th, 0, ints, &me);
		long long begin = wait_now_ns();
		SAY_ERROR(clock_nanosleep(cs[i], 0, &hundred, &r));
		long long left = r.tv_sec * 1000000000ll + r.tv_nsec;
		printf("%d\n", left <= 100000000000ll - 30000000 &&
				       left >= 100000000000ll - (wait_now_ns() - begin));
		pthread_join(th, 0);
		clock_gettime(cs[i], &t);
		t.tv_sec += 100;
		r = z;
		pthread_create(&th, 0, ints, &me);
		SAY_ERROR(clock_nanosleep(cs[i], TIMER_ABSTIME, &t, &r));
		printf("%ld %ld\n", r.tv_sec, r.tv_nsec);
		pthread_join(th, 0);
	}
}

/* CPU clocks of others. */
static void cpu_clocks_of_others(void)
{
	clockid_t c;
	p = fork();
	if (!p) {
		spin(0);
	}
	SAY_ERROR(clock_getcpuclockid(p, &c));
	WAIT_UNTIL(now(c) > 20000000);
	long a = now(c);
	SAY_ERROR(clock_nanosleep(c, 0, &ms, 0));
	printf("adv %d\n", now(c) - a >= 5000000);
	struct sigevent se = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t tm;
	SAY(timer_create(c, &se, &tm));
	struct itimerspec its = { { 0, 0 }, { 0, 10000000 } };
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, 0);
	SAY(timer_settime(tm, 0, &its, 0));
	siginfo_t si;
	SAY(sigtimedwait(&s, &si, &(struct timespec){ 60, 0 }) == SIGUSR1);
	SAY(si.si_code == SI_TIMER);
	kill(p, 9);
	waitpid(p, 0, 0);
	SAY(clock_gettime(c, &t));
	SAY_ERROR(clock_nanosleep(c, 0, &ms, 0));
	SAY(timer_settime(tm, 0, &its, 0));
	SAY(timer_delete(tm));
	SAY(timer_create(c, &se, &tm));
	sigprocmask(SIG_UNBLOCK, &s, 0);
	SAY_ERROR(clock_getcpuclockid(0x3ffffff, &c));
	SAY_ERROR(clock_getcpuclockid(1, &c));
	printf("init clock %s\n", clock_gettime(c, &t) ? strerrorname_np(errno) : "ok");
	SAY_ERROR(clock_getcpuclockid(0, &c));
	printf("%d\n", c == CLOCK_PROCESS_CPUTIME_ID);
}

static void cpu_clocks_of_threads(void)
{
	clockid_t c;

	pthread_create(&th, 0, spin, 0);
	pthread_getcpuclockid(th, &c);
	WAIT_UNTIL(now(c) > 10000000);
	SAY_ERROR(clock_nanosleep(c, 0, &ms, 0));
	SAY_ERROR(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ms, 0));
	SAY_ERROR(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &ms, 0));
	stop = 1;
	pthread_join(th, 0);
}

/* Adjtimex. */
static void setting_is_refused(void)
{
	struct timex tx = { 0 };
	int st = adjtimex(&tx);
	printf("adj %d\n", st >= 0);
	SAY(tx.tick);
	tx.modes = ADJ_TICK;
	p = fork();
	if (!p) {
		setuid(65534);
		SAY(adjtimex(&tx));
		tx.modes = 0x8000;
		SAY(adjtimex(&tx));
		tx.modes = ADJ_OFFSET_SS_READ;
		SAY(adjtimex(&tx) >= 0);
		SAY(clock_adjtime(1, &tx));
		tx.modes = 0;
		SAY(clock_adjtime(0, &tx) >= 0);
		SAY(adjtimex((void *)8));
		SAY(settimeofday(&(struct timeval){ 1, 0 }, 0));
		SAY(settimeofday(&(struct timeval){ 1, 1000000 }, 0));
		SAY(clock_settime(0, &ms));
		SAY(clock_settime(1, &ms));
		fflush(stdout);
		_exit(0);
	}
	waitpid(p, 0, 0);
}

int main(void)
{
	each_clock();
	interrupted();
	cpu_clocks_of_others();
	cpu_clocks_of_threads();
	setting_is_refused();
	return 0;
}
