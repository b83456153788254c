/* Times as guests write them, in nanoseconds and back. */
#pragma once

#include "abi/errno.h"
#include "abi/time.h"
#include "syscall/syscall.h"

static inline struct abi_timespec timespec_of_ns(uint64_t ns)
{
	return (struct abi_timespec){ .sec = (int64_t)(ns / ABI_NSEC_PER_SEC),
				      .nsec = (int64_t)(ns % ABI_NSEC_PER_SEC) };
}

static inline struct abi_timeval timeval_of_ns(uint64_t ns)
{
	return (struct abi_timeval){ .sec = (int64_t)(ns / ABI_NSEC_PER_SEC),
				     .usec = (int64_t)(ns % ABI_NSEC_PER_SEC / 1000) };
}

/* -EINVAL: not a time. What is beyond 292 years is cut to that. */
static inline int ns_of_timespec(const struct abi_timespec *ts, uint64_t *ns)
{
	if (ts->sec < 0 || ts->nsec < 0 || ts->nsec >= ABI_NSEC_PER_SEC)
		return -EINVAL;
	if (ts->sec >= INT64_MAX / ABI_NSEC_PER_SEC)
		*ns = INT64_MAX;
	else
		*ns = (uint64_t)ts->sec * ABI_NSEC_PER_SEC + (uint64_t)ts->nsec;
	return 0;
}

static inline int ns_of_timeval(const struct abi_timeval *tv, uint64_t *ns)
{
	struct abi_timespec ts = { .sec = tv->sec, .nsec = tv->usec * 1000 };

	if (tv->usec < 0 || tv->usec >= 1000000)
		return -EINVAL;
	return ns_of_timespec(&ts, ns);
}

/* The present time of a clock that exists. */
static inline uint64_t clock_now(struct task *t, int clock)
{
	uint64_t ns = 0;
	int r = task_clock_ns(t, clock, &ns);

	ASSERT(r == 0);
	return ns;
}

/* A time of a host clock as CLOCK_MONOTONIC, on which everything sleeps: 0 is
 * the past. */
static inline uint64_t monotonic_of(struct task *t, int clock, uint64_t ns)
{
	uint64_t now = clock_now(t, clock);

	if (clock == CLOCK_MONOTONIC)
		return ns;
	return ns <= now ? 1 : syscall_deadline(t, ns - now);
}
