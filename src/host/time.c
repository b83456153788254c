#include <time.h>

#include "host/host.h"
#include "host/internal.h"

int host_clock_gettime(int clock, struct timespec *ts)
{
	return (int)HOST_CALL(clock_gettime(clock, ts)); /* host: clock_gettime */
}

static uint64_t ns_from_timespec(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * 1000000000 + (uint64_t)ts->tv_nsec;
}

uint64_t host_clock_ns(int clock)
{
	struct timespec ts;
	int err = host_clock_gettime(clock, &ts);

	if (unlikely(err != 0))
		panic("host clock %d cannot be read: %d", clock, err);
	return ns_from_timespec(&ts);
}

int host_clock_getres(int clock, struct timespec *ts)
{
	return (int)HOST_CALL(clock_getres(clock, ts)); /* host: clock_getres */
}

int host_clock_nanosleep(int clock, int flags, const struct timespec *ts, struct timespec *left)
{
	/* Returns the error instead of setting errno. */
	return -clock_nanosleep(clock, flags, ts, left); /* host: clock_nanosleep */
}

uint64_t host_thread_cpu_ns(uint32_t tid)
{
	/* The clock id of a thread's CPU time, as clock_gettime(2) encodes it. */
	clockid_t clock = tid ? (clockid_t)(~tid << 3 | 6) : CLOCK_THREAD_CPUTIME_ID;
	struct timespec ts;

	if (host_clock_gettime(clock, &ts) != 0)
		return 0;
	return ns_from_timespec(&ts);
}
