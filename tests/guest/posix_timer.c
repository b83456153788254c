/* timer_create and friends: signals with their values, thread targets, overruns
 * while blocked, absolute times, SIGEV_NONE, CPU clocks, errors. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "waitfor.h"

static volatile sig_atomic_t hits;
static volatile int value, code, overrun;
static volatile pid_t taker;

static void handler(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	value = si->si_value.sival_int;
	code = si->si_code;
	overrun = si->si_overrun;
	taker = (pid_t)syscall(SYS_gettid);
	hits++; /* last: the rest is there for who sees it */
}

static timer_t make(int clock, int notify, int value_in, pid_t tid)
{
	struct sigevent ev;
	timer_t t;

	memset(&ev, 0, sizeof(ev));
	ev.sigev_notify = notify;
	ev.sigev_signo = SIGUSR1;
	ev.sigev_value.sival_int = value_in;
	ev._sigev_un._tid = tid;
	CHECK(timer_create(clock, &ev, &t) == 0);
	return t;
}

static struct itimerspec its(long ms, long interval_ms)
{
	return (struct itimerspec){ .it_value = { ms / 1000, ms % 1000 * 1000000 },
				    .it_interval = { interval_ms / 1000,
						     interval_ms % 1000 * 1000000 } };
}

static void one_shot(void)
{
	timer_t t = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, 42, 0);
	struct itimerspec v = its(1000000, 0), got;

	hits = 0;
	CHECK(timer_settime(t, 0, &v, NULL) == 0);
	CHECK(timer_gettime(t, &got) == 0);
	CHECK(got.it_value.tv_sec >= 800 && got.it_value.tv_sec <= 1000);
	CHECK(got.it_value.tv_sec < 1000 || got.it_value.tv_nsec == 0);
	v = its(20, 0);
	CHECK(timer_settime(t, 0, &v, &got) == 0);
	CHECK(got.it_value.tv_sec >= 800 && got.it_value.tv_sec <= 1000);
	wait_signals(SIGUSR1, &hits, 1);
	CHECK_EQ(value, 42);
	CHECK_EQ(code, SI_TIMER);
	CHECK_EQ(overrun, 0);
	CHECK(timer_gettime(t, &got) == 0);
	CHECK(!got.it_value.tv_sec && !got.it_value.tv_nsec);
	CHECK(timer_delete(t) == 0);
	CHECK_ERR(syscall(SYS_timer_delete, 12345), EINVAL);
}

static int is_pending(int sig)
{
	sigset_t set;

	CHECK(sigpending(&set) == 0);
	return sigismember(&set, sig);
}

static void overruns(void)
{
	timer_t t = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, 1, 0);
	struct itimerspec v = its(2, 2), off = its(0, 0);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	hits = 0;
	CHECK(timer_settime(t, 0, &v, NULL) == 0);
	WAIT_UNTIL(is_pending(SIGUSR1));
	CHECK_EQ(hits, 0);
	CHECK(timer_settime(t, 0, &v, NULL) == 0);
	WAIT_UNTIL(is_pending(SIGUSR1));
	CHECK_EQ(hits, 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	WAIT_UNTIL(hits >= 1);
	CHECK(timer_settime(t, 0, &off, NULL) == 0);
	hits = 0;
	usleep(10000);
	CHECK_EQ(hits, 0);
	/* Counted when it is taken. */
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK(timer_settime(t, 0, &v, NULL) == 0);
	usleep(50000);
	hits = 0;
	overrun = -1;
	{
		siginfo_t si;

		CHECK_EQ(sigwaitinfo(&set, &si), SIGUSR1);
		CHECK(si.si_overrun >= 10);
		CHECK_EQ(timer_getoverrun(t), si.si_overrun);
	}
	CHECK(timer_delete(t) == 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void periodic(void)
{
	timer_t t = make(CLOCK_REALTIME, SIGEV_SIGNAL, 7, 0);
	struct itimerspec v = its(5, 5);

	hits = 0;
	CHECK(timer_settime(t, 0, &v, NULL) == 0);
	wait_signals(SIGUSR1, &hits, 5);
	CHECK_EQ(value, 7);
	CHECK(timer_delete(t) == 0);
}

static void absolute(void)
{
	timer_t t = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, 3, 0);
	struct timespec now, then;
	struct itimerspec v = its(0, 0);

	hits = 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	v.it_value = now;
	v.it_value.tv_sec -= 1; /* past: at once */
	CHECK(timer_settime(t, TIMER_ABSTIME, &v, NULL) == 0);
	while (!hits)
		usleep(1000);
	hits = 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	v.it_value = now;
	v.it_value.tv_nsec += 30000000;
	if (v.it_value.tv_nsec >= 1000000000) {
		v.it_value.tv_sec++;
		v.it_value.tv_nsec -= 1000000000;
	}
	CHECK(timer_settime(t, TIMER_ABSTIME, &v, NULL) == 0);
	wait_signals(SIGUSR1, &hits, 1);
	clock_gettime(CLOCK_MONOTONIC, &then);
	CHECK((then.tv_sec - now.tv_sec) * 1000000000L + then.tv_nsec - now.tv_nsec >= 29000000);
	CHECK(timer_delete(t) == 0);
}

static volatile int stop;

static void *thread(void *arg)
{
	*(volatile pid_t *)arg = (pid_t)syscall(SYS_gettid);
	while (!stop)
		usleep(1000);
	return NULL;
}

static void to_a_thread(void)
{
	volatile pid_t tid = 0;
	struct itimerspec v = its(5, 0);
	pthread_t th;
	timer_t t;

	pthread_create(&th, NULL, thread, (void *)&tid);
	while (!tid)
		usleep(1000);
	t = make(CLOCK_MONOTONIC, SIGEV_THREAD_ID, 9, tid);
	hits = 0;
	CHECK(timer_settime(t, 0, &v, NULL) == 0);
	while (!hits)
		usleep(1000);
	CHECK_EQ(taker, tid);
	stop = 1;
	pthread_join(th, NULL);
	v = its(1, 0); /* its thread is gone: nothing happens */
	hits = 0;
	CHECK(timer_settime(t, 0, &v, NULL) == 0);
	usleep(20000);
	CHECK_EQ(hits, 0);
	CHECK(timer_delete(t) == 0);
}

static void silent(void)
{
	timer_t t = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
	struct itimerspec v = its(10, 10), got;

	hits = 0;
	CHECK(timer_settime(t, 0, &v, NULL) == 0);
	usleep(35000);
	CHECK_EQ(hits, 0);
	CHECK(timer_gettime(t, &got) == 0);
	CHECK(got.it_value.tv_nsec > 0 && got.it_value.tv_nsec <= 10000000);
	CHECK(timer_delete(t) == 0);
}

static void cpu_clock(void)
{
	timer_t t = make(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, 5, 0);
	struct itimerspec v = its(200, 0);

	hits = 0;
	CHECK(timer_settime(t, 0, &v, NULL) == 0);
	usleep(300000); /* costs nothing */
	CHECK_EQ(hits, 0);
	while (!hits)
		;
	CHECK_EQ(value, 5);
	CHECK(timer_delete(t) == 0);
}

static volatile int ran;

static void notify(union sigval v)
{
	ran = v.sival_int;
}

/* glibc's SIGEV_THREAD, on a thread of its own. */
static void by_thread(void)
{
	struct itimerspec v = its(5, 0);
	struct sigevent ev;
	timer_t t;

	memset(&ev, 0, sizeof(ev));
	ev.sigev_notify = SIGEV_THREAD;
	ev.sigev_notify_function = notify;
	ev.sigev_value.sival_int = 77;
	CHECK(timer_create(CLOCK_MONOTONIC, &ev, &t) == 0);
	CHECK(timer_settime(t, 0, &v, NULL) == 0);
	while (!ran)
		usleep(1000);
	CHECK_EQ(ran, 77);
	CHECK(timer_delete(t) == 0);
}

static void errors(void)
{
	struct itimerspec bad = its(1, 0), ok = its(1, 0);
	struct sigevent ev;
	timer_t t;
	int id;

	memset(&ev, 0, sizeof(ev));
	ev.sigev_signo = 65;
	CHECK_ERR(timer_create(CLOCK_MONOTONIC, &ev, &t), EINVAL);
	ev.sigev_signo = SIGUSR1;
	ev.sigev_notify = 99;
	CHECK_ERR(timer_create(CLOCK_MONOTONIC, &ev, &t), EINVAL);
	ev.sigev_notify = SIGEV_THREAD_ID;
	ev._sigev_un._tid = 0x3fffffff;
	CHECK_ERR(timer_create(CLOCK_MONOTONIC, &ev, &t), EINVAL);
	CHECK_ERR(syscall(SYS_timer_create, 999, NULL, &id), EINVAL);
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, (void *)8), EFAULT);
	CHECK(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id) == 0);
	bad.it_value.tv_nsec = 1000000000;
	CHECK_ERR(syscall(SYS_timer_settime, id, 0, &bad, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_timer_settime, id + 1, 0, &ok, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_timer_gettime, id + 1, &ok), EINVAL);
	CHECK_ERR(syscall(SYS_timer_getoverrun, id + 1), EINVAL);
	CHECK(syscall(SYS_timer_delete, id) == 0);
}

int main(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = handler;
	sa.sa_flags = SA_SIGINFO | SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
	one_shot();
	overruns();
	periodic();
	absolute();
	to_a_thread();
	silent();
	cpu_clock();
	by_thread();
	errors();
	return 0;
}
