/*
 * futex(2). A waiter hangs in the bucket of its key (mm_futex_key: memory object
 * and offset) until somebody takes it out.
 *
 * No wake is lost, because comparing and queueing is one step under the
 * bucket's lock, and so is taking out:
 *
 *	waiter                                 waker
 *	waiter_prepare()        (A)            the guest changes the word
 *	lock bucket                            futex(WAKE): lock bucket
 *	  word != val? leave, EAGAIN             take waiters out, woken = true (C)
 *	  queue                 (B)            unlock
 *	unlock                                 waiter_wake()                    (D)
 *	sleep until woken
 *
 * If the waker's section comes first, the waiter reads the changed word (the
 * guest wrote it before the call, and the lock orders them). If it comes
 * second, it finds the waiter queued at (B), and the wake (D) comes after (A):
 * the sleep ends at once. (D) happens outside the lock with a reference on the
 * task: the futex_waiter, on the waiter's stack, may be gone after (C).
 *
 * Locks: LOCK_FUTEX (one bucket; two by address), inside which guest memory is
 * read and changed. PI futexes are in futex_pi.c.
 */
#include <stdlib.h>

#include "abi/futex.h"
#include "base/hash.h"
#include "task/futex.h"

struct futex_bucket futex_buckets[FUTEX_BUCKETS];
static atomic_uint buckets_ready;
static struct mutex buckets_init_lock = MUTEX_INIT(LOCK_FUTEX);

/* ---- buckets ---- */

static void buckets_init(void)
{
	if (likely(atomic_load_explicit(&buckets_ready, memory_order_acquire)))
		return;
	mutex_lock(&buckets_init_lock);
	if (!atomic_load(&buckets_ready)) {
		for (size_t i = 0; i < FUTEX_BUCKETS; i++) {
			mutex_init(&futex_buckets[i].lock, LOCK_FUTEX);
			list_init(&futex_buckets[i].waiters);
		}
		atomic_store(&buckets_ready, 1);
	}
	mutex_unlock(&buckets_init_lock);
}

struct futex_bucket *futex_bucket_of(const struct futex_key *key)
{
	uint64_t h =
		hash_u64((uint64_t)(uintptr_t)key->object ^ key->offset * 0x9e3779b97f4a7c15ull);

	return &futex_buckets[h % FUTEX_BUCKETS];
}

LOCKS_UNCHECKED void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	if (a > b) {
		struct futex_bucket *tmp = a;

		a = b;
		b = tmp;
	}
	mutex_lock(&a->lock);
	if (a != b)
		mutex_lock_nested(&b->lock);
}

LOCKS_UNCHECKED void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	mutex_unlock(&a->lock);
	if (a != b)
		mutex_unlock(&b->lock);
}

bool futex_key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->object == b->object && a->offset == b->offset && a->shared == b->shared;
}

int futex_get_key(struct task *t, gva_t addr, bool is_private, struct futex_key *key)
{
	buckets_init();
	if (addr & 3)
		return -EINVAL;
	return mm_futex_key(t->mm, addr, is_private, key);
}

/* ---- waking ---- */

static void wake_batch_add(struct wake_batch *b, struct task *t)
{
	ASSERT(b->count < WAKE_BATCH);
	task_get(t);
	b->task[b->count++] = t;
}

void wake_batch_flush(struct wake_batch *b)
{
	for (unsigned i = 0; i < b->count; i++) {
		waiter_wake(&b->task[i]->waiter);
		task_put(b->task[i]);
	}
	b->count = 0;
}

void futex_take_out(struct futex_waiter *w, struct wake_batch *b)
{
	struct futex_async *fa = w->async;

	/* Who is told leaves the queue, which waits for the bucket's lock, or for (C). */
	if (fa)
		fa->woken(fa);
	else
		wake_batch_add(b, w->task);
	list_del(&w->link);
	atomic_store_explicit(&w->woken, true, memory_order_release); /* (C) */
}

/* At most max, and as many as the batch holds. -EINVAL: a PI waiter is there. */
static int wake_locked(struct futex_bucket *bucket, const struct futex_key *key, uint32_t bitset,
		       int max, struct wake_batch *b)
{
	int n = 0;

	list_for_each_safe(w, tmp, &bucket->waiters, struct futex_waiter, link) {
		if (n >= max || b->count == WAKE_BATCH)
			break;
		if (!futex_key_equal(&w->key, key) || !(w->bitset & bitset))
			continue;
		if (w->is_pi || w->requeue_pi)
			return -EINVAL;
		futex_take_out(w, b);
		n++;
	}
	return n;
}

static int wake_key(const struct futex_key *key, uint32_t bitset, int max)
{
	struct futex_bucket *bucket = futex_bucket_of(key);
	struct wake_batch b = { .count = 0 };
	int n = 0, r;
	bool full;

	do {
		mutex_lock(&bucket->lock);
		r = wake_locked(bucket, key, bitset, max - n, &b);
		mutex_unlock(&bucket->lock);
		full = b.count == WAKE_BATCH;
		wake_batch_flush(&b);
		if (r < 0)
			return n ? n : r;
		n += r;
	} while (full && n < max);
	return n;
}

int futex_wake_exactly(struct task *t, gva_t addr, bool is_private, uint32_t bitset, int count)
{
	struct futex_key key;
	int r;

	if (!bitset)
		return -EINVAL;
	r = futex_get_key(t, addr, is_private, &key);
	return r < 0 || count <= 0 ? r : wake_key(&key, bitset, count);
}

static long futex_wake(struct task *t, const struct futex_request *req, uint32_t bitset)
{
	struct futex_key key;
	int r;

	if (!bitset)
		return -EINVAL;
	r = futex_get_key(t, req->addr, req->is_private, &key);
	if (r < 0)
		return r;
	/* A count of 0 or less wakes one, as Linux always did. */
	return wake_key(&key, bitset, MAX((int)req->val, 1));
}

int futex_wake_addr(struct task *t, gva_t addr, int count)
{
	struct futex_key key;
	int r = futex_get_key(t, addr, false, &key);

	return r < 0 ? r : wake_key(&key, FUTEX_BITSET_MATCH_ANY, count);
}

/* ---- waiting ---- */

void futex_waiter_setup(struct futex_waiter *w, struct task *t, uint32_t bitset)
{
	*w = (struct futex_waiter){ .task = t, .bitset = bitset };
	list_init(&w->link);
}

void futex_queue_locked(struct futex_bucket *bucket, struct futex_waiter *w)
{
	atomic_store(&w->bucket, bucket);
	list_push_back(&bucket->waiters, &w->link);
}

int futex_queue_if_equal(struct task *t, struct futex_waiter *w, gva_t addr, uint32_t val)
{
	struct futex_bucket *bucket = futex_bucket_of(&w->key);
	uint32_t now;
	int r;

	mutex_lock(&bucket->lock);
	r = mm_load32(t->mm, addr, &now);
	if (r == 0 && now != val)
		r = -EAGAIN;
	if (r == 0)
		futex_queue_locked(bucket, w); /* (B) */
	mutex_unlock(&bucket->lock);
	return r;
}

/* The bucket in which w is, locked; a requeue may move it while we wait. */
LOCKS_UNCHECKED static struct futex_bucket *lock_bucket_of(struct futex_waiter *w)
{
	for (;;) {
		struct futex_bucket *bucket = atomic_load(&w->bucket);

		mutex_lock(&bucket->lock);
		if (bucket == atomic_load(&w->bucket))
			return bucket;
		mutex_unlock(&bucket->lock);
	}
}

LOCKS_UNCHECKED bool futex_unqueue(struct futex_waiter *w)
{
	struct futex_bucket *bucket;

	if (atomic_load_explicit(&w->woken, memory_order_acquire))
		return true;
	bucket = lock_bucket_of(w);
	list_del(&w->link);
	mutex_unlock(&bucket->lock);
	return atomic_load(&w->woken);
}

int futex_wait_woken(struct task *t, struct futex_waiter *w, uint64_t deadline_ns)
{
	int r = 0;

	while (!atomic_load_explicit(&w->woken, memory_order_acquire)) {
		r = waiter_wait(&t->waiter, deadline_ns);
		if (r < 0)
			break;
		waiter_prepare(&t->waiter);
	}
	return futex_unqueue(w) ? 0 : r;
}

static int wait_once(struct task *t, gva_t addr, bool is_private, uint32_t val, uint32_t bitset,
		     uint64_t deadline_ns)
{
	struct futex_waiter w;
	int r;

	futex_waiter_setup(&w, t, bitset);
	r = futex_get_key(t, addr, is_private, &w.key);
	if (r < 0)
		return r;
	waiter_prepare(&t->waiter); /* (A) */
	r = futex_queue_if_equal(t, &w, addr, val);
	return r < 0 ? r : futex_wait_woken(t, &w, deadline_ns);
}

static long futex_wait(struct task *t, const struct futex_request *req, uint32_t bitset)
{
	int r;

	if (!bitset)
		return -EINVAL;
	r = wait_once(t, req->addr, req->is_private, req->val, bitset, req->deadline_ns);
	if (r != -ERESTARTSYS || req->deadline_ns == PARK_FOREVER)
		return r;
	t->restart = (struct restart_block){
		.kind = RESTART_FUTEX,
		.deadline_ns = req->deadline_ns,
		.arg = { req->addr, req->val, bitset, req->is_private },
	};
	return -ERESTART_RESTARTBLOCK;
}

long futex_restart(struct task *t)
{
	const struct restart_block rb = t->restart;
	struct futex_request req = { .addr = rb.arg[0],
				     .val = (uint32_t)rb.arg[1],
				     .is_private = rb.arg[3],
				     .deadline_ns = rb.deadline_ns };

	return futex_wait(t, &req, (uint32_t)rb.arg[2]);
}

/* ---- futex_waitv ---- */

/* Leaves all queues; the last one that was woken, or -1. */
static int waitv_leave(struct futex_waiter *w, unsigned count)
{
	int woken = -1;

	for (unsigned i = 0; i < count; i++) {
		if (futex_unqueue(&w[i]))
			woken = (int)i;
	}
	return woken;
}

static bool waitv_any(struct futex_waiter *w, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (atomic_load_explicit(&w[i].woken, memory_order_acquire))
			return true;
	}
	return false;
}

static long waitv_queued(struct task *t, const struct futex_waitv_entry *v, struct futex_waiter *w,
			 unsigned count, uint64_t deadline_ns)
{
	unsigned queued;
	int r = 0, woken;

	waiter_prepare(&t->waiter);
	for (queued = 0; queued < count; queued++) {
		r = futex_queue_if_equal(t, &w[queued], v[queued].addr, v[queued].val);
		if (r < 0)
			break;
	}
	while (r == 0 && !waitv_any(w, count)) {
		r = waiter_wait(&t->waiter, deadline_ns);
		if (r == 0)
			waiter_prepare(&t->waiter);
	}
	woken = waitv_leave(w, queued);
	return woken >= 0 ? woken : r;
}

long futex_waitv_call(struct task *t, const struct futex_waitv_entry *v, unsigned count,
		      uint64_t deadline_ns)
{
	struct futex_waiter *w;
	long r = 0;

	if (count == 0 || count > FUTEX_WAITV_ENTRIES)
		return -EINVAL;
	w = calloc(count, sizeof(*w));
	if (!w)
		return -ENOMEM;
	for (unsigned i = 0; r == 0 && i < count; i++) {
		futex_waiter_setup(&w[i], t, FUTEX_BITSET_MATCH_ANY);
		r = futex_get_key(t, v[i].addr, v[i].is_private, &w[i].key);
	}
	if (r == 0)
		r = waitv_queued(t, v, w, count, deadline_ns);
	free(w);
	return r;
}

/* ---- waiting without a thread (io_uring) ---- */

int futex_async_wait(struct task *t, const struct futex_waitv_entry *v, unsigned count,
		     uint32_t bitset, struct futex_async *fa)
{
	struct futex_waiter *w = calloc(count, sizeof(*w));
	int r = w ? 0 : -ENOMEM, woken;

	fa->waiters = w;
	fa->count = 0;
	for (unsigned i = 0; r == 0 && i < count; i++) {
		futex_waiter_setup(&w[i], t, bitset);
		w[i].async = fa;
		r = futex_get_key(t, v[i].addr, v[i].is_private, &w[i].key);
	}
	while (r == 0 && fa->count < count) {
		r = futex_queue_if_equal(t, &w[fa->count], v[fa->count].addr, v[fa->count].val);
		fa->count += r == 0;
	}
	if (r == 0)
		return 0;
	/* One that is queued may have been woken meanwhile: then that counts. */
	woken = futex_async_leave(fa);
	return woken >= 0 ? woken + 1 : r;
}

int futex_async_leave(struct futex_async *fa)
{
	int woken = fa->waiters ? waitv_leave(fa->waiters, fa->count) : -1;

	free(fa->waiters);
	fa->waiters = NULL;
	fa->count = 0;
	return woken;
}

/* ---- requeue ---- */

/* -EINVAL: a PI waiter is there. */
static int requeue_locked(struct futex_bucket *from, const struct futex_key *key1,
			  struct futex_bucket *to, const struct futex_key *key2, int max)
{
	int n = 0;

	/* Onto itself: they stay, but count. */
	list_for_each_safe(w, tmp, &from->waiters, struct futex_waiter, link) {
		if (n >= max)
			break;
		if (!futex_key_equal(&w->key, key1))
			continue;
		if (w->is_pi || w->requeue_pi)
			return -EINVAL;
		n++;
		if (futex_key_equal(key1, key2))
			continue;
		list_del(&w->link);
		w->key = *key2;
		futex_queue_locked(to, w);
	}
	return n;
}

/* Under both locks: compare, wake, requeue. */
static int requeue_step(struct task *t, const struct futex_request *req, bool compare,
			const struct futex_key key[2], struct wake_batch *b)
{
	struct futex_bucket *from = futex_bucket_of(&key[0]), *to = futex_bucket_of(&key[1]);
	int r = 0, woken, moved;
	uint32_t now;

	futex_lock_two(from, to);
	if (compare) {
		r = mm_load32(t->mm, req->addr, &now);
		if (r == 0 && now != req->val3)
			r = -EAGAIN;
	}
	if (r == 0) {
		woken = wake_locked(from, &key[0], FUTEX_BITSET_MATCH_ANY, (int)req->val, b);
		r = woken;
	}
	if (r >= 0 && b->count < WAKE_BATCH) {
		moved = requeue_locked(from, &key[0], to, &key[1], (int)req->val2);
		r = moved < 0 ? moved : r + moved;
	}
	futex_unlock_two(from, to);
	return r;
}

static long futex_requeue(struct task *t, const struct futex_request *req, bool compare)
{
	struct wake_batch b = { .count = 0 };
	struct futex_request rest = *req;
	struct futex_key key[2];
	long done = 0;
	int r;

	if ((int)req->val < 0 || (int)req->val2 < 0)
		return -EINVAL;
	r = futex_get_key(t, req->addr, req->is_private, &key[0]);
	if (r == 0)
		r = futex_get_key(t, req->addr2, req->is_private, &key[1]);
	if (r < 0)
		return r;
	/* More wakes than a batch holds go in rounds; only the first compares. */
	for (;;) {
		bool full;

		r = requeue_step(t, &rest, compare, key, &b);
		full = b.count == WAKE_BATCH;
		wake_batch_flush(&b);
		if (r < 0)
			return r;
		done += r;
		if (!full)
			return done;
		rest.val -= (uint32_t)r;
		compare = false;
	}
}

/* ---- wake-op ---- */

static int32_t sign12(uint32_t v)
{
	return (int32_t)(v << 20) >> 20;
}

static int op_apply(uint32_t code, uint32_t old, uint32_t *out)
{
	uint32_t arg = (uint32_t)sign12(code >> 12);

	if (code >> 28 & FUTEX_OP_OPARG_SHIFT)
		arg = 1u << (arg & 31);
	switch (code >> 28 & 7) {
	case FUTEX_OP_SET:
		*out = arg;
		return 0;
	case FUTEX_OP_ADD:
		*out = old + arg;
		return 0;
	case FUTEX_OP_OR:
		*out = old | arg;
		return 0;
	case FUTEX_OP_ANDN:
		*out = old & ~arg;
		return 0;
	case FUTEX_OP_XOR:
		*out = old ^ arg;
		return 0;
	default:
		return -ENOSYS;
	}
}

/* 1: the old value matches, 0: not. */
static int op_compare(uint32_t code, int32_t old)
{
	int32_t arg = sign12(code);

	switch (code >> 24 & 15) {
	case FUTEX_OP_CMP_EQ:
		return old == arg;
	case FUTEX_OP_CMP_NE:
		return old != arg;
	case FUTEX_OP_CMP_LT:
		return old < arg;
	case FUTEX_OP_CMP_LE:
		return old <= arg;
	case FUTEX_OP_CMP_GT:
		return old > arg;
	case FUTEX_OP_CMP_GE:
		return old >= arg;
	default:
		return -ENOSYS;
	}
}

static int op_on_word(struct task *t, gva_t addr, uint32_t code)
{
	uint32_t old, seen, desired;
	int r;

	r = mm_load32(t->mm, addr, &old);
	while (r == 0) {
		r = op_apply(code, old, &desired);
		if (r == 0)
			r = mm_cmpxchg32(t->mm, addr, old, desired, &seen);
		if (r < 0 || seen == old)
			break;
		old = seen;
	}
	return r < 0 ? r : op_compare(code, (int32_t)old);
}

static long futex_wake_op(struct task *t, const struct futex_request *req)
{
	struct futex_key key1, key2;
	struct futex_bucket *b1, *b2;
	int r, matches, n;

	r = futex_get_key(t, req->addr, req->is_private, &key1);
	if (r == 0)
		r = futex_get_key(t, req->addr2, req->is_private, &key2);
	if (r < 0)
		return r;
	b1 = futex_bucket_of(&key1);
	b2 = futex_bucket_of(&key2);
	/* The operation is one step for whoever waits on either word; the wakes
	 * may follow it, for they only take out who is queued. */
	futex_lock_two(b1, b2);
	matches = op_on_word(t, req->addr2, req->val3);
	futex_unlock_two(b1, b2);
	if (matches < 0)
		return matches;
	n = wake_key(&key1, FUTEX_BITSET_MATCH_ANY, MAX((int)req->val, 1));
	if (n < 0 || !matches)
		return n;
	r = wake_key(&key2, FUTEX_BITSET_MATCH_ANY, MAX((int)req->val2, 1));
	return r < 0 ? r : n + r;
}

/* ---- the call ---- */

long futex_call(struct task *t, const struct futex_request *req)
{
	switch (req->op) {
	case FUTEX_WAIT:
		return futex_wait(t, req, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET:
		return futex_wait(t, req, req->val3);
	case FUTEX_WAKE:
		return futex_wake(t, req, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return futex_wake(t, req, req->val3);
	case FUTEX_REQUEUE:
		return futex_requeue(t, req, false);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(t, req, true);
	case FUTEX_WAKE_OP:
		return futex_wake_op(t, req);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return futex_lock_pi(t, req, true);
	case FUTEX_TRYLOCK_PI:
		return futex_lock_pi(t, req, false);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(t, req);
	case FUTEX_WAIT_REQUEUE_PI:
		return futex_wait_requeue_pi(t, req);
	case FUTEX_CMP_REQUEUE_PI:
		return futex_cmp_requeue_pi(t, req);
	default:
		return -ENOSYS;
	}
}
