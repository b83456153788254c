/*
 * Parking: the futex wait and wake on which locks and wait queues stand. This
 * is the one place outside host/ and platform/ that calls the host kernel
 * (futex), so that base/ needs nothing above it.
 */
#pragma once

#include "base/base.h"

/* Sleeps while *word == val. deadline_ns is absolute CLOCK_MONOTONIC time, or
 * UINT64_MAX for ever. Returns 0 (woken, or *word differed, or spuriously) or
 * -ETIMEDOUT. Retries EINTR itself. */
int park_wait(atomic_uint *word, unsigned val, uint64_t deadline_ns);

/* Wakes at most count sleepers on word. */
void park_wake(atomic_uint *word, unsigned count);

#define PARK_FOREVER UINT64_MAX

/* The calling host thread's id (cached). */
uint32_t park_tid(void);
/* In the child of a fork that did not go through libc: forgets the cached id. */
void park_tid_reset(void);
