/*
 * Waiting: wait queues and waiters.
 *
 * A waiter is the thing that sleeps: one per task (and per kernel thread that
 * needs one). A wait queue is a list of entries to call when something happens
 * to an object. vfs/ knows no tasks: it is handed a waiter.
 *
 * To block for a condition:
 *
 *	struct waitq_entry e;
 *	waitq_entry_init(&e, w, EV_IN);
 *	waitq_add(&obj->waitq, &e);
 *	for (;;) {
 *		waiter_prepare(w);                     (A)
 *		if (condition, under the object's lock)
 *			break;
 *		r = waiter_wait(w, deadline_ns);       sleeps unless woken since (A)
 *		if (r < 0)
 *			break;                         -ERESTARTSYS, -ETIMEDOUT
 *	}
 *	waitq_remove(&obj->waitq, &e);
 *
 * The other side changes the condition under the object's lock, then calls
 * waitq_wake(). It may be lost by nobody: a wake between (A) and the sleep is
 * remembered in the waiter.
 *
 * Locks: LOCK_WAITQ is held while wake functions run: they may take only
 * LOCK_WAITER. So an epoll instance queues itself without its big lock.
 */
#pragma once

#include "abi/errno.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/park.h"

/* Event bits, as poll(2)'s. */
#define EV_IN 0x0001u
#define EV_PRI 0x0002u
#define EV_OUT 0x0004u
#define EV_ERR 0x0008u
#define EV_HUP 0x0010u
#define EV_NVAL 0x0020u
#define EV_RDNORM 0x0040u
#define EV_RDBAND 0x0080u
#define EV_WRNORM 0x0100u
#define EV_WRBAND 0x0200u
#define EV_RDHUP 0x2000u
#define EV_ALL 0xffffu

#define WAITER_WOKEN 1u
#define WAITER_INTERRUPTED 2u /* a signal waits: stays set until cleared */
#define WAITER_KILLED 4u      /* SIGKILL or group exit: for waiter_wait_killable */

enum waiter_state {
	WAITER_AWAKE,
	WAITER_SLEEPS,      /* a signal would wake it */
	WAITER_SLEEPS_DEEP, /* only what it waits for, or SIGKILL */
};

struct waiter {
	atomic_uint word;                 /* [a] futex word: WAITER_* bits */
	_Atomic enum waiter_state asleep; /* [a] for others to look at */
	/* Called by its thread before it sleeps; NULL: nothing to do. [I] */
	void (*on_sleep)(struct waiter *w);
};

void waiter_init(struct waiter *w);
/* Forgets earlier wakes (not interruptions). */
void waiter_prepare(struct waiter *w);
/* Sleeps until woken, interrupted or deadline_ns (absolute CLOCK_MONOTONIC,
 * PARK_FOREVER). 0, -ERESTARTSYS, -ETIMEDOUT. => sleeps; holds no lock. */
int waiter_wait(struct waiter *w, uint64_t deadline_ns) MUST_CHECK;
/* Only WAITER_KILLED interrupts (-ERESTARTSYS). */
int waiter_wait_killable(struct waiter *w, uint64_t deadline_ns) MUST_CHECK;
/* Nothing interrupts: only for what ends soon by itself. */
int waiter_wait_woken(struct waiter *w, uint64_t deadline_ns);
void waiter_wake(struct waiter *w);
/* The task layer: a signal became deliverable (killed: fatal), or none is. */
void waiter_interrupt(struct waiter *w, bool killed);
void waiter_clear_interrupt(struct waiter *w);
bool waiter_is_interrupted(const struct waiter *w);
/* What its thread does just now: one that has been woken or interrupted is awake,
 * also before it has run. */
enum waiter_state waiter_state(const struct waiter *w);

struct waitq_entry {
	struct list link; /* [q] */
	/* Called under the queue's lock with what happened. */
	void (*wake)(struct waitq_entry *e, uint32_t events);
	struct waiter *waiter; /* for the default wake */
	uint32_t events;       /* wakes that share no bit are not delivered;
				   EV_ERR and EV_HUP always are */
	bool exclusive;        /* at most one exclusive entry is woken */
};

struct waitq {
	struct mutex lock;
	struct list entries; /* [lock] */
	atomic_uint count;   /* [a] entries: lets wakers skip the lock; pairs
				with the fence in waitq_add() */
};

void waitq_init(struct waitq *q);
/* wake := waiter_wake(w). */
void waitq_entry_init(struct waitq_entry *e, struct waiter *w, uint32_t events);
void waitq_add(struct waitq *q, struct waitq_entry *e);
/* Harmless for an entry that is not queued. */
void waitq_remove(struct waitq *q, struct waitq_entry *e);
void waitq_wake(struct waitq *q, uint32_t events); /* all, but one exclusive */
void waitq_wake_all(struct waitq *q, uint32_t events);
