/* Clocks and timers. */
#pragma once

#include <stdint.h>
#include <time.h>

struct abi_timespec {
	int64_t sec, nsec;
};
struct abi_timeval {
	int64_t sec, usec;
};
struct abi_itimerspec {
	struct abi_timespec interval, value;
};
struct abi_itimerval {
	struct abi_timeval interval, value;
};
struct abi_timezone {
	int32_t minuteswest, dsttime;
};
struct abi_tms {
	int64_t utime, stime, cutime, cstime;
};
struct abi_utimbuf {
	int64_t actime, modtime;
};
_Static_assert(sizeof(struct abi_timespec) == 16, "struct timespec");
_Static_assert(sizeof(struct abi_itimerspec) == 32, "struct itimerspec");
_Static_assert(sizeof(struct abi_itimerval) == 32, "struct itimerval");

/* adjtimex(2), clock_adjtime(2). */
struct abi_timex {
	uint32_t modes, pad0;
	int64_t offset, freq, maxerror, esterror;
	int32_t status, pad1;
	int64_t constant, precision, tolerance;
	struct abi_timeval time;
	int64_t tick, ppsfreq, jitter;
	int32_t shift, pad2;
	int64_t stabil, jitcnt, calcnt, errcnt, stbcnt;
	int32_t tai, pad3[11];
};
_Static_assert(sizeof(struct abi_timex) == 208, "struct timex");

#define ABI_USER_HZ 100 /* clock ticks of times(2), /proc and AT_CLKTCK */
#define ABI_NSEC_PER_SEC 1000000000ll

#ifndef CLOCK_TAI
#define CLOCK_TAI 11
#endif
/* A clock id that is negative names a task's CPU clock: ~pid << 3 | kind, or a
 * descriptor's when kind is ABI_CLOCK_KIND_FD (clock_getcpuclockid(3)). */
#define ABI_CLOCK_PERTHREAD 4
#define ABI_CLOCK_KIND_MASK 3
#define ABI_CLOCK_KIND_PROF 0
#define ABI_CLOCK_KIND_VIRT 1
#define ABI_CLOCK_KIND_SCHED 2
#define ABI_CLOCK_KIND_FD 3
#define ABI_CLOCK_PID(clock) (~((int32_t)(clock) >> 3))

#define ABI_UTIME_NOW ((1l << 30) - 1l)
#define ABI_UTIME_OMIT ((1l << 30) - 2l)

#ifndef TFD_TIMER_CANCEL_ON_SET
#define TFD_TIMER_CANCEL_ON_SET 2
#endif
