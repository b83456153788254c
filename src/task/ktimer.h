/*
 * Kernel timers: one host thread (started at the first use, asleep while no
 * timer is armed) calls a function when a CLOCK_MONOTONIC deadline has passed.
 *
 * Locks: LOCK_TIMER guards the heap; callbacks run without it, on the timer
 * thread, and must not block for long.
 */
#pragma once

#include "base/base.h"

struct ktimer {
	void (*fn)(struct ktimer *t);
	uint64_t deadline_ns; /* [timer] */
	size_t heap_index;    /* [timer] 0: not armed */
};

void ktimer_init(struct ktimer *t, void (*fn)(struct ktimer *t));
/* (Re)arms for the absolute deadline; one in the past fires at once. -ENOMEM. */
int ktimer_arm(struct ktimer *t, uint64_t deadline_ns);
/* Disarms and waits until a running callback has returned (unless called from
 * the callback itself). Returns whether it was armed. */
bool ktimer_cancel(struct ktimer *t);
/* Disarms without waiting; false when it was not armed (perhaps running). */
bool ktimer_try_cancel(struct ktimer *t);
void ktimer_shutdown(void); /* joins the thread; no timer may be armed */
