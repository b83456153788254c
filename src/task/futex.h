/* What futex.c and futex_pi.c share: queues of waiters. */
#pragma once

#include "task/internal.h"

#define FUTEX_BUCKETS 256
#define WAKE_BATCH 32

struct futex_bucket {
	struct mutex lock;
	struct list waiters; /* struct futex_waiter, in order of arrival */
} __attribute__((aligned(64)));

struct futex_waiter {
	struct list link;                    /* [bucket] */
	struct futex_bucket *_Atomic bucket; /* changed under both locks by a requeue */
	struct futex_key key;                /* [bucket] */
	uint32_t bitset;
	struct task *task;
	atomic_bool woken; /* taken out: pairs (C) with the waiter's loop */

	/* futex_pi.c: one that waits for a PI word, or will be moved to one. */
	bool is_pi;                         /* [bucket] it waits for the word */
	const struct futex_key *requeue_pi; /* [I] where to, and nowhere else; or NULL */
	gva_t pi_addr;                      /* [I] the word, in the waiter's memory */
	uint32_t pi_owner;                  /* [bucket] tid that it waits for */
	struct futex_async *async;          /* who is told in place of the task, or NULL */
};

/* Tasks to wake when no lock is held. */
struct wake_batch {
	struct task *task[WAKE_BATCH];
	unsigned count;
};

void wake_batch_flush(struct wake_batch *b);

extern struct futex_bucket futex_buckets[FUTEX_BUCKETS]; /* in use once a key was made */

struct futex_bucket *futex_bucket_of(const struct futex_key *key);
void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b);
void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b);
bool futex_key_equal(const struct futex_key *a, const struct futex_key *b);
int futex_get_key(struct task *t, gva_t addr, bool is_private, struct futex_key *key) MUST_CHECK;

void futex_waiter_setup(struct futex_waiter *w, struct task *t, uint32_t bitset);
/* => the bucket's lock, for these two */
void futex_queue_locked(struct futex_bucket *bucket, struct futex_waiter *w);
/* Takes w out, to be woken; its memory is not ours any more. */
void futex_take_out(struct futex_waiter *w, struct wake_batch *b);
/* Compares and queues: 0, -EAGAIN, -EFAULT. waiter_prepare() comes before. */
int futex_queue_if_equal(struct task *t, struct futex_waiter *w, gva_t addr, uint32_t val)
	MUST_CHECK;
/* Leaves the queue; true: somebody had taken it out before. */
bool futex_unqueue(struct futex_waiter *w);
/* Sleeps until it is taken out, or leaves the queue. 0, -ETIMEDOUT, -ERESTARTSYS. */
int futex_wait_woken(struct task *t, struct futex_waiter *w, uint64_t deadline_ns) MUST_CHECK;

/* ---- futex_pi.c ---- */

long futex_lock_pi(struct task *t, const struct futex_request *req, bool may_wait);
long futex_unlock_pi(struct task *t, const struct futex_request *req);
long futex_wait_requeue_pi(struct task *t, const struct futex_request *req);
long futex_cmp_requeue_pi(struct task *t, const struct futex_request *req);
