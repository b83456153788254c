/*
 * Eviction: ranges of memory whose owner can make them again (page caches)
 * stand in one queue, least recently used first. An owner names its ranges in
 * keys of its own (offsets of a file). Under pressure pieces are taken from the
 * front of the queue, and the owner is told to drop them; what it keeps, it
 * marks again, which puts it at the end.
 *
 *	owner a   keys  |==1==|     |==4==|
 *	owner b   keys     |==2==|==3==|
 *	queue           1, 2, 3, 4        evict: 1 first
 *
 * One eviction runs at a time. Relief waits for it, and then may find that it has
 * nothing left to do; others, who may hold locks that it needs, go on without.
 * An owner may be freed by one thread while another
 * evicts it:
 *
 *	memfile_evict()                 memfile_evict_owner_fini()
 *	  lock                            lock
 *	  evicting = o                    its ranges off the queue
 *	  unlock                          while (evicting == o)
 *	  o->evict()                         sleep on evict_turns  (A)
 *	  lock; evicting = NULL           unlock
 *	  evict_turns++, wake  (B)
 */
#include "memfile/internal.h"

#include "base/park.h"
#include "base/pool.h"

/* Handed to an owner at the least: calls are not free. */
#define PIECE_MIN ((uint64_t)1 << 20)

struct evictable {
	struct ivnode node; /* in its owner's keys */
	struct list link;   /* of the queue */
	struct memfile_evict_owner *owner;
};

static POOL_DEFINE(evictable_pool, struct evictable);

IVMAP_TYPE(evictables, struct evictable, node);

void memfile_evict_owner_init(struct memfile_evict_owner *o, const struct memfile_evict_ops *ops)
{
	o->ops = ops;
	ivmap_init(&o->ranges);
}

/* ---- marks ---- */

static struct evictable *evictable_create(struct memfile_evict_owner *o)
{
	struct evictable *e = pool_alloc(&evictable_pool);

	if (e) {
		list_init(&e->link);
		e->owner = o;
	}
	return e;
}

static void evictable_free(struct memfile *mf, struct evictable *e)
{
	mf->evictable -= e->node.end - e->node.start;
	ivmap_remove(&e->owner->ranges, &e->node);
	list_del(&e->link);
	pool_free(&evictable_pool, e);
}

static void evictable_resize(struct memfile *mf, struct evictable *e, uint64_t start, uint64_t end)
{
	mf->evictable -= e->node.end - e->node.start;
	ivmap_resize(&e->owner->ranges, &e->node, start, end);
	mf->evictable += end - start;
}

/* [start, end) lies inside e: what is behind it becomes a range of its own, as
 * old as e; without memory for that it is forgotten, which is allowed. */
static void cut_middle(struct memfile *mf, struct evictable *e, uint64_t start, uint64_t end)
{
	struct evictable *back = evictable_create(e->owner);
	uint64_t last = e->node.end;
	int err;

	evictable_resize(mf, e, e->node.start, start);
	if (!back)
		return;
	back->node.start = end;
	back->node.end = last;
	err = ivmap_insert(&e->owner->ranges, &back->node);
	ASSERT(err == 0);
	list_insert_between(&back->link, &e->link, e->link.next);
	mf->evictable += last - end;
}

static void unmark_locked(struct memfile *mf, struct memfile_evict_owner *o, uint64_t start,
			  uint64_t end)
{
	struct evictable *e;
	uint64_t pos = start;

	while ((e = evictables_walk(&o->ranges, &pos, end))) {
		bool head = e->node.start<start, tail = e->node.end> end;

		if (head && tail)
			cut_middle(mf, e, start, end);
		else if (head)
			evictable_resize(mf, e, e->node.start, start);
		else if (tail)
			evictable_resize(mf, e, end, e->node.end);
		else
			evictable_free(mf, e);
	}
}

/* A file that is read in order is one range, not thousands: the newest of the
 * queue grows. */
static bool grow_newest_locked(struct memfile *mf, struct memfile_evict_owner *o, uint64_t start,
			       uint64_t end)
{
	struct evictable *e = start ? evictables_at(&o->ranges, start - 1) : NULL;

	if (!e || e->node.end != start || e->link.next != &mf->evict_queue)
		return false;
	evictable_resize(mf, e, e->node.start, end);
	return true;
}

void memfile_mark_evictable(struct memfile *mf, struct memfile_evict_owner *o, uint64_t start,
			    uint64_t end)
{
	struct evictable *e;
	int err;

	if (start == end)
		return;
	mutex_lock(&mf->lock);
	unmark_locked(mf, o, start, end);
	e = grow_newest_locked(mf, o, start, end) ? NULL : evictable_create(o);
	if (e) {
		e->node.start = start;
		e->node.end = end;
		err = ivmap_insert(&o->ranges, &e->node);
		ASSERT(err == 0);
		list_push_back(&mf->evict_queue, &e->link);
		mf->evictable += end - start;
	}
	mutex_unlock(&mf->lock);
}

void memfile_unmark_evictable(struct memfile *mf, struct memfile_evict_owner *o, uint64_t start,
			      uint64_t end)
{
	mutex_lock(&mf->lock);
	unmark_locked(mf, o, start, end);
	mutex_unlock(&mf->lock);
}

void memfile_mark_unevictable(struct memfile *mf, struct memfile_evict_owner *o)
{
	memfile_unmark_evictable(mf, o, 0, UINT64_MAX);
}

void memfile_evict_owner_fini(struct memfile *mf, struct memfile_evict_owner *o)
{
	mutex_lock(&mf->lock);
	unmark_locked(mf, o, 0, UINT64_MAX);
	while (mf->evicting == o && mf->evictor != park_tid()) {
		unsigned turn = atomic_load(&mf->evict_turns); /* pairs with (B) */

		mutex_unlock(&mf->lock);
		(void)park_wait(&mf->evict_turns, turn, PARK_FOREVER); /* (A) */
		mutex_lock(&mf->lock);
		unmark_locked(mf, o, 0, UINT64_MAX);
	}
	mutex_unlock(&mf->lock);
}

/* ---- turns ---- */

static void end_step(struct memfile *mf) RELEASES(&mf->lock)
{
	atomic_fetch_add(&mf->evict_turns, 1); /* (B) pairs with (A) */
	mutex_unlock(&mf->lock);
	park_wake(&mf->evict_turns, UINT32_MAX);
}

/* False: somebody evicts already; waits for all others than this thread itself. */
static bool begin_eviction(struct memfile *mf, bool waits)
{
	bool mine;

	mutex_lock(&mf->lock);
	while (waits && mf->evictor && mf->evictor != park_tid()) {
		unsigned turn = atomic_load(&mf->evict_turns); /* pairs with (B) */

		mutex_unlock(&mf->lock);
		(void)park_wait(&mf->evict_turns, turn, PARK_FOREVER);
		mutex_lock(&mf->lock);
	}
	mine = !mf->evictor;
	if (mine)
		mf->evictor = park_tid();
	mutex_unlock(&mf->lock);
	return mine;
}

static void end_eviction(struct memfile *mf)
{
	mutex_lock(&mf->lock);
	mf->evictor = 0;
	end_step(mf);
}

/* Takes a piece of about `want` bytes from the front of the queue; its owner is
 * being evicted from now on. NULL: the queue is empty. */
static struct memfile_evict_owner *take_piece(struct memfile *mf, uint64_t want, uint64_t *start,
					      uint64_t *end)
{
	struct memfile_evict_owner *o = NULL;

	mutex_lock(&mf->lock);
	if (!list_empty(&mf->evict_queue)) {
		struct evictable *e = list_first(&mf->evict_queue, struct evictable, link);

		o = e->owner;
		*start = e->node.start;
		*end = e->node.end;
		if (*end - *start > MAX(want, PIECE_MIN))
			*end = *start + MAX(page_up(want), PIECE_MIN);
		unmark_locked(mf, o, *start, *end);
		mf->evicting = o;
	}
	mutex_unlock(&mf->lock);
	return o;
}

static void piece_done(struct memfile *mf)
{
	mutex_lock(&mf->lock);
	mf->evicting = NULL;
	end_step(mf);
}

static uint64_t evict_some(struct memfile *mf, uint64_t bytes)
{
	uint64_t before, now, budget, start, end;

	memfile_trim(mf);
	mutex_lock(&mf->lock);
	/* Owners that mark everything again must not keep us here. */
	budget = mf->evictable;
	mutex_unlock(&mf->lock);
	before = now = memfile_used(mf);
	while (budget && before - MIN(now, before) < bytes) {
		uint64_t missing = bytes - (before - MIN(now, before));
		struct memfile_evict_owner *o = take_piece(mf, missing, &start, &end);

		if (!o)
			break;
		o->ops->evict(o, start, end);
		piece_done(mf);
		budget -= MIN(budget, end - start);
		memfile_trim(mf);
		now = memfile_used(mf);
	}
	return before - MIN(now, before);
}

uint64_t memfile_evict(struct memfile *mf, uint64_t bytes)
{
	uint64_t freed;

	if (!begin_eviction(mf, false))
		return 0;
	freed = evict_some(mf, bytes);
	end_eviction(mf);
	return freed;
}

bool memfile_relieve(struct memfile *mf)
{
	uint64_t used;

	if (!memfile_over_limit(mf))
		return true;
	if (!begin_eviction(mf, true))
		return false;
	/* Whoever was before us may have done it. */
	used = memfile_used(mf);
	if (used > mf->limit)
		(void)evict_some(mf, used - mf->limit + mf->limit / RELIEF_FRACTION);
	end_eviction(mf);
	return !memfile_over_limit(mf);
}
