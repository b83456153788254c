/* Sleeping and clocks: durations, absolute sleeps, errors; clocks advance and
 * agree with each other. */
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "check.h"
#include "waitfor.h"

static long long now_ns(int clock)
{
	struct timespec ts;

	CHECK(clock_gettime(clock, &ts) == 0);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void relative(void)
{
	struct timespec ts = { 0, 20000000 };
	long long start = now_ns(CLOCK_MONOTONIC);

	CHECK(nanosleep(&ts, NULL) == 0);
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 20000000);
	ts = (struct timespec){ 0, 0 };
	CHECK(nanosleep(&ts, NULL) == 0);
	ts = (struct timespec){ 0, 1 };
	for (int i = 0; i < 20; i++)
		CHECK(nanosleep(&ts, NULL) == 0);
}

static void absolute(int clock)
{
	long long start = now_ns(clock), end = start + 20000000;
	struct timespec ts = { end / 1000000000, end % 1000000000 }, past = { 1, 0 };

	CHECK_EQ(clock_nanosleep(clock, TIMER_ABSTIME, &ts, NULL), 0);
	CHECK(now_ns(clock) >= end);
	CHECK_EQ(clock_nanosleep(clock, TIMER_ABSTIME, &past, NULL), 0);
}

static void errors(void)
{
	struct timespec bad = { 0, 1000000000 }, neg = { -1, 0 }, ok = { 0, 1 };

	CHECK_ERR(nanosleep(&bad, NULL), EINVAL);
	CHECK_ERR(nanosleep(&neg, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_nanosleep, (void *)8, NULL), EFAULT);
	CHECK_EQ(clock_nanosleep(999, 0, &ok, NULL), EINVAL);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_clock_gettime, 999, &ok), EINVAL);
	CHECK_ERR(syscall(SYS_clock_getres, 999, &ok), EINVAL);
	CHECK_ERR(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, (void *)8), EFAULT);
}

static void clocks(void)
{
	static const int all[] = { CLOCK_REALTIME,
				   CLOCK_MONOTONIC,
				   CLOCK_MONOTONIC_RAW,
				   CLOCK_REALTIME_COARSE,
				   CLOCK_MONOTONIC_COARSE,
				   CLOCK_BOOTTIME,
				   CLOCK_TAI,
				   CLOCK_PROCESS_CPUTIME_ID,
				   CLOCK_THREAD_CPUTIME_ID };
	struct timespec res, ts;
	struct timespec before, after;
	struct timeval tv;
	time_t coarse;
	clockid_t id;

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		long long a = now_ns(all[i]), b;

		CHECK(clock_getres(all[i], &res) == 0);
		CHECK(res.tv_sec == 0 && res.tv_nsec >= 1);
		b = now_ns(all[i]);
		CHECK(b >= a);
		/* By the system call too, not only the vDSO. */
		CHECK(syscall(SYS_clock_gettime, all[i], &ts) == 0);
		CHECK(ts.tv_sec * 1000000000LL + ts.tv_nsec + 20000000 >= b);
	}
	CHECK(clock_gettime(CLOCK_REALTIME, &before) == 0);
	CHECK(gettimeofday(&tv, NULL) == 0);
	coarse = time(NULL); /* a tick behind */
	CHECK(clock_gettime(CLOCK_REALTIME, &after) == 0);
	ts = (struct timespec){ tv.tv_sec, tv.tv_usec * 1000 + 999 };
	CHECK(ts.tv_sec > before.tv_sec ||
	      (ts.tv_sec == before.tv_sec && ts.tv_nsec >= before.tv_nsec));
	ts.tv_nsec -= 999;
	CHECK(ts.tv_sec < after.tv_sec ||
	      (ts.tv_sec == after.tv_sec && ts.tv_nsec <= after.tv_nsec));
	CHECK(coarse >= tv.tv_sec - 1 && coarse <= after.tv_sec);
	CHECK(clock_getcpuclockid(0, &id) == 0);
	CHECK(now_ns(id) >= 0);
}

/* A sleep whose CPU time is below half of it. */
static int sleep_is_cheap(void)
{
	long long cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct timespec ts = { 0, 100000000 };

	nanosleep(&ts, NULL);
	return now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu < 50000000;
}

static void cpu_time(void)
{
	long long cpu, wall = now_ns(CLOCK_MONOTONIC);
	volatile unsigned long x = 0;

	WAIT_UNTIL(sleep_is_cheap());
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	while (now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu <= 10000000) {
		x++;
		CHECK(now_ns(CLOCK_MONOTONIC) - wall < WAIT_LIMIT_S * 1000000000ll);
	}
	CHECK(now_ns(CLOCK_THREAD_CPUTIME_ID) > 10000000);
}

int main(void)
{
	relative();
	absolute(CLOCK_MONOTONIC);
	absolute(CLOCK_REALTIME);
	absolute(CLOCK_BOOTTIME);
	errors();
	clocks();
	cpu_time();
	return 0;
}
