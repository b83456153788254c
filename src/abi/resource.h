/* Limits and usage. */
#pragma once

#include <stdint.h>

#include "abi/time.h"

struct abi_rlimit {
	uint64_t cur, max; /* ~0: none */
};
#define ABI_RLIM_INFINITY (~(uint64_t)0)

struct abi_rusage {
	struct abi_timeval utime, stime;
	int64_t maxrss, ixrss, idrss, isrss, minflt, majflt, nswap;
	int64_t inblock, oublock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};
_Static_assert(sizeof(struct abi_rusage) == 144, "struct rusage");

#define ABI_RUSAGE_SELF 0
#define ABI_RUSAGE_CHILDREN (-1)
#define ABI_RUSAGE_BOTH (-2)
#define ABI_RUSAGE_THREAD 1
