/* What tasks may know of the machine below: which CPU they are on, random bytes,
 * barriers among threads that run guest code. */
#pragma once

#include "base/base.h"

struct kernel;
struct task;

/* uname(2): what guests take for the kernel's version. */
#define MACHINE_RELEASE "6.18.0-nacre"
#define MACHINE_VERSION "#1 SMP nacre " NACRE_VERSION

/* The CPU that the caller runs on, as guests number them (below kernel.ncpus). */
unsigned machine_cpu(const struct kernel *k);
void machine_random(void *buf, size_t size);
void machine_yield(void);

/* membarrier(2): every thread of the sandbox that runs guest code passes a full
 * memory barrier between call and return. -ENOSYS: the host cannot. Slow (a
 * grace period of the host, milliseconds). */
int machine_barrier(void) MUST_CHECK;
bool machine_has_barrier(void);
