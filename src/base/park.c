#include "base/park.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/rawcall.h"

static _Thread_local uint32_t cached_tid;

int park_wait(atomic_uint *word, unsigned val, uint64_t deadline_ns)
{
	struct timespec ts, *timeout = NULL;
	long ret;

	if (deadline_ns != PARK_FOREVER) {
		ts.tv_sec = (time_t)(deadline_ns / 1000000000);
		ts.tv_nsec = (long)(deadline_ns % 1000000000);
		timeout = &ts;
	}
	do {
		/* WAIT_BITSET takes an absolute CLOCK_MONOTONIC time, so that a
		 * retry after EINTR does not move the deadline. */
		ret = rawcall6(SYS_futex, (long)word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
			       (long)val, (long)timeout, 0,
			       (long)FUTEX_BITSET_MATCH_ANY); /* host: futex */
	} while (ret == -EINTR);
	if (ret == -ETIMEDOUT)
		return -ETIMEDOUT;
	if (unlikely(ret != 0 && ret != -EAGAIN))
		panic("park_wait: futex failed with %ld", ret);
	return 0;
}

void park_wake(atomic_uint *word, unsigned count)
{
	if (count > INT_MAX)
		count = INT_MAX;
	rawcall3(SYS_futex, (long)word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG,
		 (long)count); /* host: futex */
}

uint32_t park_tid(void)
{
	if (unlikely(cached_tid == 0))
		cached_tid = (uint32_t)rawcall3(SYS_gettid, 0, 0, 0); /* host: gettid */
	return cached_tid;
}

void park_tid_reset(void)
{
	cached_tid = 0;
}
