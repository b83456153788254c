/* Clocks read and refused to be set, times, adjtimex, clock_nanosleep on every
 * clock, CPU clocks. */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>

#include "check.h"
#include "waitfor.h"

static void reading(void)
{
	static const int clocks[] = {
		CLOCK_REALTIME,          CLOCK_MONOTONIC,     CLOCK_PROCESS_CPUTIME_ID,
		CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
		CLOCK_MONOTONIC_COARSE,  CLOCK_BOOTTIME,      CLOCK_TAI
	};
	struct timespec a, b;

	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		CHECK(syscall(SYS_clock_gettime, clocks[i], &a) == 0);
		CHECK(syscall(SYS_clock_gettime, clocks[i], &b) == 0);
		CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
		CHECK(syscall(SYS_clock_getres, clocks[i], &a) == 0);
		CHECK(a.tv_sec == 0 && a.tv_nsec >= 1 && a.tv_nsec <= 10000000);
		CHECK(syscall(SYS_clock_getres, clocks[i], NULL) == 0);
	}
	CHECK_ERR(syscall(SYS_clock_gettime, 77, &a), EINVAL);
	CHECK_ERR(syscall(SYS_clock_getres, 77, &a), EINVAL);
	CHECK_ERR(syscall(SYS_clock_gettime, CLOCK_REALTIME, 1), EFAULT);
	CHECK_ERR(syscall(SYS_clock_gettime, -5, &a), EINVAL);
}

static void of_the_day(void)
{
	struct timeval tv;
	struct timespec ts, before;
	struct timezone tz = { 99, 99 };
	time_t t, u;

	CHECK(syscall(SYS_clock_gettime, CLOCK_REALTIME, &before) == 0);
	CHECK(syscall(SYS_gettimeofday, &tv, &tz) == 0);
	CHECK(tz.tz_minuteswest != 99);
	t = (time_t)syscall(SYS_time, &u);
	CHECK(syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts) == 0);
	CHECK(tv.tv_usec >= 0 && tv.tv_usec < 1000000);
	CHECK(tv.tv_sec > before.tv_sec ||
	      (tv.tv_sec == before.tv_sec && tv.tv_usec >= before.tv_nsec / 1000));
	CHECK(tv.tv_sec < ts.tv_sec || (tv.tv_sec == ts.tv_sec && tv.tv_usec <= ts.tv_nsec / 1000));
	/* A tick behind, it may be. */
	CHECK(t == u && t >= tv.tv_sec - 1 && t <= ts.tv_sec);
	CHECK(syscall(SYS_gettimeofday, NULL, NULL) == 0);
	CHECK_ERR(syscall(SYS_gettimeofday, 1, NULL), EFAULT);
	CHECK_ERR(syscall(SYS_time, 1), EFAULT);
}

static void setting(void)
{
	struct timespec bad = { 5, -1 };
	struct timex tx = { .modes = 0 };

	CHECK_ERR(syscall(SYS_clock_settime, CLOCK_REALTIME, 1), EFAULT);
	CHECK_ERR(syscall(SYS_clock_settime, CLOCK_REALTIME, &bad), EINVAL);
	CHECK_ERR(syscall(SYS_clock_settime, 77, &bad), EINVAL);
	CHECK_ERR(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &bad), EINVAL);
	CHECK(syscall(SYS_adjtimex, &tx) >= 0);
	CHECK(tx.tick > 0 && tx.time.tv_sec > 1000000000);
	tx.modes = 0;
	CHECK(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &tx) >= 0);
	CHECK_ERR(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &tx), EOPNOTSUPP);
	CHECK_ERR(syscall(SYS_adjtimex, 1), EFAULT);
	if (geteuid() != 0) {
		struct timespec now = { 1700000000, 0 };

		CHECK_ERR(syscall(SYS_clock_settime, CLOCK_REALTIME, &now), EPERM);
		tx.modes = ADJ_TICK;
		CHECK_ERR(syscall(SYS_adjtimex, &tx), EPERM);
	}
}

/* A sleep whose CPU time is below half of it. */
static int sleep_is_cheap(void)
{
	struct timespec a, b, sleep = { 0, 100000000 };

	CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a) == 0);
	CHECK(nanosleep(&sleep, NULL) == 0);
	CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b) == 0);
	return (b.tv_sec - a.tv_sec) * 1000000000l + b.tv_nsec - a.tv_nsec < 50000000;
}

static void process_times(void)
{
	struct tms tms, first;
	struct timespec a, b;
	clock_t t = times(&first);
	volatile unsigned x = 0;
	clockid_t own;

	CHECK(t != (clock_t)-1);
	CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a) == 0);
	do {
		for (int i = 0; i < 1000000; i++)
			x += (unsigned)i;
		CHECK(times(&tms) != (clock_t)-1);
	} while (tms.tms_utime < first.tms_utime + 2);
	(void)x;
	CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b) == 0);
	CHECK(b.tv_sec > a.tv_sec || b.tv_nsec - a.tv_nsec > 5000000);
	CHECK(clock_getcpuclockid(getpid(), &own) == 0);
	CHECK(clock_gettime(own, &a) == 0);
	CHECK(a.tv_sec > b.tv_sec || a.tv_nsec >= b.tv_nsec);
	/* Sleeping costs no CPU time. */
	WAIT_UNTIL(sleep_is_cheap());
	CHECK_ERR(syscall(SYS_times, 1), EFAULT);
}

static long sleep_on(int clock, int flags, long sec, long nsec)
{
	struct timespec ts = { sec, nsec };

	return syscall(SYS_clock_nanosleep, clock, flags, &ts, NULL);
}

static void sleeping(void)
{
	struct timespec a, b;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &a) == 0);
	CHECK(sleep_on(CLOCK_REALTIME, 0, 0, 10000000) == 0);
	CHECK(sleep_on(CLOCK_BOOTTIME, 0, 0, 10000000) == 0);
	CHECK(sleep_on(CLOCK_TAI, 0, 0, 10000000) == 0);
	CHECK(clock_gettime(CLOCK_MONOTONIC, &b) == 0);
	CHECK((b.tv_sec - a.tv_sec) * 1000000000l + b.tv_nsec - a.tv_nsec >= 30000000);
	CHECK(sleep_on(CLOCK_REALTIME, TIMER_ABSTIME, 1, 0) == 0);
	CHECK(sleep_on(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, 0, 1) == 0);
	CHECK_ERR(sleep_on(CLOCK_THREAD_CPUTIME_ID, 0, 0, 1), EOPNOTSUPP);
	CHECK_ERR(sleep_on(CLOCK_MONOTONIC_RAW, 0, 0, 1), EOPNOTSUPP);
	CHECK_ERR(sleep_on(CLOCK_MONOTONIC_COARSE, 0, 0, 1), EOPNOTSUPP);
	CHECK_ERR(sleep_on(77, 0, 0, 1), EINVAL);
	CHECK_ERR(sleep_on(CLOCK_MONOTONIC, 0, 0, 1000000000), EINVAL);
	CHECK_ERR(sleep_on(CLOCK_MONOTONIC, 0, -1, 0), EINVAL);
	CHECK_ERR(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, 1, NULL), EFAULT);
	CHECK_ERR(syscall(SYS_nanosleep, 1, NULL), EFAULT);
}

int main(void)
{
	reading();
	of_the_day();
	setting();
	process_times();
	sleeping();
	return 0;
}
