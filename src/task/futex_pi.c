/*
 * PI futexes: the word holds the owner's tid; waiters queue in order of arrival,
 * and the unlock hands the word to the first. Priorities are not inherited:
 * nothing here is scheduled by priority.
 *
 * Requeueing to a PI word (a condition variable's broadcast): the first waiter gets
 * the word if it is free, the others become its waiters as if they had asked for it
 * themselves. Nobody wakes before he owns it.
 *
 * An owner that ends hands over to whoever waits for him then (futex_exit_pi). Who
 * queues looks afterwards whether he was still there:
 *
 *	waiter                            owner
 *	npi_waiters++; queue              futex_left = FUTEX_LEAVING
 *	futex_left?                       npi_waiters? walk the queues
 *	  not: never mind                 futex_left = FUTEX_LEFT
 *	  leaving: wait for the end
 *	  left, and still queued: undo
 *
 * One of the two sees the other.
 *
 * Locks: those of futex.c.
 */
#include "abi/futex.h"
#include "task/futex.h"
#include "task/machine.h"

static atomic_uint npi_waiters; /* lets exits skip the search */

static struct futex_waiter *pi_first_locked(struct futex_bucket *bucket,
					    const struct futex_key *key, unsigned *count)
{
	struct futex_waiter *first = NULL;

	*count = 0;
	list_for_each(w, &bucket->waiters, struct futex_waiter, link) {
		if (!w->is_pi || !futex_key_equal(&w->key, key))
			continue;
		if (!first)
			first = w;
		(*count)++;
	}
	return first;
}

/* Gives the word, whose value is `now`, to the first waiter, or to nobody. */
static int pi_hand_over_locked(struct futex_bucket *bucket, const struct futex_key *key,
			       struct mm *mm, gva_t addr, uint32_t now, struct wake_batch *b)
{
	unsigned count;
	struct futex_waiter *w = pi_first_locked(bucket, key, &count);
	uint32_t desired = 0, seen;
	int r;

	if (w) {
		desired = (uint32_t)w->task->own_tid | (count > 1 ? FUTEX_WAITERS : 0);
		desired |= now & FUTEX_OWNER_DIED;
	}
	r = mm_cmpxchg32(mm, addr, now, desired, &seen);
	if (r < 0)
		return r;
	if (seen != now)
		return -EAGAIN;
	if (!w)
		return 0;
	list_for_each(other, &bucket->waiters, struct futex_waiter, link) {
		if (other->is_pi && futex_key_equal(&other->key, key))
			other->pi_owner = (uint32_t)w->task->own_tid;
	}
	futex_take_out(w, b);
	return 0;
}

/* => no bucket's lock */
static bool owner_lives(struct task *t, uint32_t tid)
{
	struct task *owner = task_find(t, (int32_t)tid);
	bool lives;

	/* It takes no longer than it needs to look at the queues: what it finds there is
	 * handed over, and the caller's own place may be among it. */
	while (owner && atomic_load(&owner->futex_left) == FUTEX_LEAVING)
		machine_yield();
	lives = owner && !atomic_load(&owner->futex_left);
	task_put(owner);
	return lives;
}

/* Tries to become owner. 1: owner; 0: *owner has it, and FUTEX_WAITERS is set;
 * -EAGAIN: look again. */
static int pi_try_locked(struct task *t, struct futex_bucket *bucket, const struct futex_key *key,
			 gva_t addr, uint32_t *owner)
{
	uint32_t now, desired, seen;
	unsigned count;
	int r;

	r = mm_load32(t->mm, addr, &now);
	if (r < 0)
		return r;
	*owner = now & FUTEX_TID_MASK;
	if (*owner == (uint32_t)t->own_tid)
		return -EDEADLK;
	if (*owner == 0) {
		(void)pi_first_locked(bucket, key, &count);
		desired = (uint32_t)t->own_tid | (now & FUTEX_OWNER_DIED) |
			  (count ? FUTEX_WAITERS : 0);
	} else {
		desired = now | FUTEX_WAITERS;
	}
	r = mm_cmpxchg32(t->mm, addr, now, desired, &seen);
	if (r < 0)
		return r;
	if (seen != now)
		return -EAGAIN;
	return *owner == 0;
}

/* Queues a PI waiter, or takes the lock: as pi_try_locked(). */
static int pi_queue(struct task *t, struct futex_waiter *w, bool may_wait)
{
	struct futex_bucket *bucket = futex_bucket_of(&w->key);
	uint32_t owner, now;
	int r;

	do {
		mutex_lock(&bucket->lock);
		r = pi_try_locked(t, bucket, &w->key, w->pi_addr, &owner);
		if (r == 0 && may_wait) {
			w->pi_owner = owner;
			atomic_fetch_add(&npi_waiters, 1);
			futex_queue_locked(bucket, w);
		}
		mutex_unlock(&bucket->lock);
	} while (r == -EAGAIN && !waiter_is_interrupted(&t->waiter));
	if (r == -EAGAIN)
		return -ERESTARTNOINTR;
	if (r != 0)
		return r;
	if (!may_wait)
		return -EAGAIN;
	/* It is queued: an owner that exits from now on hands over. One that
	 * was gone before never will. */
	if (!owner_lives(t, owner) && !futex_unqueue(w)) {
		atomic_fetch_sub(&npi_waiters, 1);
		r = mm_load32(t->mm, w->pi_addr, &now);
		if (r < 0)
			return r;
		/* It may have gone just now, with its robust list. */
		return (now & FUTEX_TID_MASK) == owner ? -ESRCH : -EAGAIN;
	}
	return 0;
}

long futex_lock_pi(struct task *t, const struct futex_request *req, bool may_wait)
{
	struct futex_waiter w;
	int r;

	futex_waiter_setup(&w, t, FUTEX_BITSET_MATCH_ANY);
	w.is_pi = true;
	w.pi_addr = req->addr;
	r = futex_get_key(t, req->addr, req->is_private, &w.key);
	if (r < 0)
		return r;
	waiter_prepare(&t->waiter);
	do
		r = pi_queue(t, &w, may_wait);
	while (r == -EAGAIN && may_wait);
	if (r != 0)
		return r < 0 ? r : 0;
	r = futex_wait_woken(t, &w, req->deadline_ns);
	atomic_fetch_sub(&npi_waiters, 1);
	return r == -ERESTARTSYS ? -ERESTARTNOINTR : r;
}

long futex_unlock_pi(struct task *t, const struct futex_request *req)
{
	struct wake_batch b = { .count = 0 };
	struct futex_key key;
	struct futex_bucket *bucket;
	uint32_t now;
	int r;

	r = futex_get_key(t, req->addr, req->is_private, &key);
	if (r < 0)
		return r;
	bucket = futex_bucket_of(&key);
	do {
		mutex_lock(&bucket->lock);
		r = mm_load32(t->mm, req->addr, &now);
		if (r == 0 && (now & FUTEX_TID_MASK) != (uint32_t)t->own_tid)
			r = -EPERM;
		if (r == 0)
			r = pi_hand_over_locked(bucket, &key, t->mm, req->addr, now, &b);
		mutex_unlock(&bucket->lock);
		wake_batch_flush(&b);
	} while (r == -EAGAIN && !waiter_is_interrupted(&t->waiter));
	return r == -EAGAIN ? -ERESTARTNOINTR : r;
}

/* One word that t owned: the first waiter gets it, marked. True: look again. */
static bool exit_pi_bucket(struct futex_bucket *bucket, uint32_t tid, struct wake_batch *b)
{
	list_for_each(w, &bucket->waiters, struct futex_waiter, link) {
		struct futex_key key = w->key;
		struct mm *mm = w->task->mm;
		uint32_t now, seen;
		gva_t addr = w->pi_addr;

		if (!w->is_pi || w->pi_owner != tid)
			continue;
		/* The waiter sleeps, so its memory stays. */
		if (mm_load32(mm, addr, &now) < 0 ||
		    mm_cmpxchg32(mm, addr, now, now | FUTEX_OWNER_DIED, &seen) < 0 ||
		    (seen == now && pi_hand_over_locked(bucket, &key, mm, addr,
							now | FUTEX_OWNER_DIED, b) == -EFAULT))
			w->pi_owner = 0; /* its memory is gone: never mind */
		return true;
	}
	return false;
}

/* All words of this bucket's waiters that the dead tid owned. */
static void hand_over_of(struct futex_bucket *bucket, uint32_t tid)
{
	struct wake_batch b = { .count = 0 };
	bool more;

	do {
		mutex_lock(&bucket->lock);
		more = exit_pi_bucket(bucket, tid, &b);
		mutex_unlock(&bucket->lock);
		wake_batch_flush(&b);
	} while (more);
}

void futex_exit_pi(struct task *t)
{
	atomic_store(&t->futex_left, FUTEX_LEAVING);
	for (size_t i = 0; i < FUTEX_BUCKETS && atomic_load(&npi_waiters); i++)
		hand_over_of(&futex_buckets[i], (uint32_t)t->own_tid);
	atomic_store(&t->futex_left, FUTEX_LEFT);
}

/* ---- requeueing ---- */

long futex_wait_requeue_pi(struct task *t, const struct futex_request *req)
{
	struct futex_waiter w;
	struct futex_key target;
	bool is_same;
	int r;

	if (req->addr == req->addr2)
		return -EINVAL;
	futex_waiter_setup(&w, t, FUTEX_BITSET_MATCH_ANY);
	w.requeue_pi = &target;
	w.pi_addr = req->addr2;
	r = futex_get_key(t, req->addr2, req->is_private, &target);
	if (r == 0)
		r = futex_get_key(t, req->addr, req->is_private, &w.key);
	if (r < 0)
		return r;
	is_same = futex_key_equal(&w.key, &target);
	waiter_prepare(&t->waiter);
	r = futex_queue_if_equal(t, &w, req->addr, req->val);
	if (r < 0)
		return r;
	if (is_same) {
		futex_unqueue(&w);
		return -EINVAL;
	}
	r = futex_wait_woken(t, &w, req->deadline_ns);
	if (w.is_pi)
		atomic_fetch_sub(&npi_waiters, 1);
	if (r != -ERESTARTSYS)
		return r;
	/* Once moved it cannot start again: the first word has changed. */
	return w.is_pi ? -EAGAIN : -ERESTARTNOINTR;
}

/* A call of futex_cmp_requeue_pi. */
struct pi_move {
	struct task *t;
	const struct futex_request *req;
	struct futex_key from, to;
	struct futex_bucket *from_bucket, *to_bucket;
	uint32_t owner; /* of the word that they are moved to; 0: nobody */
	bool lives;     /* he does */
	bool again;     /* the word has changed meanwhile */
	struct wake_batch woken;
};

/* May w be moved? -EINVAL: it does not wait like that; -EDEADLK: it owns the word. */
static int check_move_locked(const struct pi_move *m, const struct futex_waiter *w)
{
	if (!w->requeue_pi || w->is_pi || !futex_key_equal(w->requeue_pi, &m->to))
		return -EINVAL;
	return m->owner == (uint32_t)w->task->own_tid ? -EDEADLK : 0;
}

static struct futex_waiter *next_to_move_locked(const struct pi_move *m)
{
	list_for_each(w, &m->from_bucket->waiters, struct futex_waiter, link) {
		if (futex_key_equal(&w->key, &m->from))
			return w;
	}
	return NULL;
}

/* The word as it was when its owner was looked up becomes the first waiter's, or is
 * marked as waited for. 1: the former. */
static int claim_for_locked(struct pi_move *m, struct futex_waiter *first)
{
	uint32_t now, desired, seen;
	int r = mm_load32(m->t->mm, m->req->addr2, &now);

	if (r < 0)
		return r;
	m->again = (now & FUTEX_TID_MASK) != m->owner;
	if (m->again)
		return -EAGAIN;
	if (m->owner && !m->lives)
		return -ESRCH;
	desired = now | FUTEX_WAITERS;
	if (!m->owner)
		desired = (uint32_t)first->task->own_tid | (now & FUTEX_OWNER_DIED) |
			  (m->req->val2 ? FUTEX_WAITERS : 0);
	r = mm_cmpxchg32(m->t->mm, m->req->addr2, now, desired, &seen);
	if (r < 0)
		return r;
	m->again = seen != now;
	if (m->again)
		return -EAGAIN;
	if (m->owner)
		return 0;
	m->owner = (uint32_t)first->task->own_tid;
	m->lives = true;
	futex_take_out(first, &m->woken);
	return 1;
}

static void move_one_locked(struct pi_move *m, struct futex_waiter *w)
{
	list_del(&w->link);
	w->key = m->to;
	w->is_pi = true;
	w->pi_owner = m->owner;
	atomic_fetch_add(&npi_waiters, 1);
	futex_queue_locked(m->to_bucket, w);
}

/* How many were moved, or got the word. */
static int move_locked(struct pi_move *m)
{
	struct futex_waiter *w;
	uint32_t now;
	int r = mm_load32(m->t->mm, m->req->addr, &now), n;

	if (r == 0 && now != m->req->val3)
		r = -EAGAIN;
	w = next_to_move_locked(m);
	if (r < 0 || !w)
		return r;
	r = check_move_locked(m, w);
	if (r == 0)
		r = claim_for_locked(m, w);
	if (r < 0)
		return r;
	/* val2 beside the one that got it, or would have. */
	for (n = r; n - 1 < (int)m->req->val2 && (w = next_to_move_locked(m)); n++) {
		r = check_move_locked(m, w);
		if (r < 0)
			return r;
		move_one_locked(m, w);
	}
	return n;
}

static int find_owner(struct pi_move *m)
{
	uint32_t now;
	int r = mm_load32(m->t->mm, m->req->addr2, &now);

	m->owner = r == 0 ? now & FUTEX_TID_MASK : 0;
	m->lives = m->owner && owner_lives(m->t, m->owner);
	return r;
}

long futex_cmp_requeue_pi(struct task *t, const struct futex_request *req)
{
	struct pi_move m = { .t = t, .req = req };
	int r;

	if (req->val != 1 || (int)req->val2 < 0 || req->addr == req->addr2)
		return -EINVAL;
	r = futex_get_key(t, req->addr, req->is_private, &m.from);
	if (r == 0)
		r = futex_get_key(t, req->addr2, req->is_private, &m.to);
	if (r == 0 && futex_key_equal(&m.from, &m.to))
		r = -EINVAL;
	if (r < 0)
		return r;
	m.from_bucket = futex_bucket_of(&m.from);
	m.to_bucket = futex_bucket_of(&m.to);
	do {
		m.again = false;
		(void)find_owner(&m); /* what is wrong shows below, after the comparison */
		futex_lock_two(m.from_bucket, m.to_bucket);
		r = move_locked(&m);
		futex_unlock_two(m.from_bucket, m.to_bucket);
		wake_batch_flush(&m.woken);
	} while (m.again && !waiter_is_interrupted(&t->waiter));
	/* He may have ended before they queued for him. */
	if (m.lives && !owner_lives(t, m.owner))
		hand_over_of(m.to_bucket, m.owner);
	return m.again ? -ERESTARTNOINTR : r;
}
