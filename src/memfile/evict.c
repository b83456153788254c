/*
 * Eviction: owners of memory that they can make again (page caches) stand in a
 * queue, least recently used first. Under pressure the first is taken out of
 * it and told to drop what it can; what it keeps, it marks again.
 *
 * An owner may be freed by one thread while another is about to evict it:
 *
 *	memfile_evict()                 memfile_evict_owner_fini()
 *	  lock                            lock
 *	  evicting = o                    off the queue
 *	  unlock                          while (evicting == o)
 *	  o->evict()                         sleep on evict_turns  (A)
 *	  lock; evicting = NULL           unlock
 *	  evict_turns++, wake  (B)
 *
 * One eviction runs at a time; a second caller goes on without it.
 */
#include "memfile/internal.h"

#include "base/park.h"

void memfile_evict_owner_init(struct memfile_evict_owner *o, const struct memfile_evict_ops *ops)
{
	o->ops = ops;
	list_init(&o->link);
	o->evictable = 0;
}

void memfile_mark_evictable(struct memfile *mf, struct memfile_evict_owner *o, uint64_t start,
			    uint64_t end)
{
	mutex_lock(&mf->lock);
	if (o->evictable)
		list_del(&o->link);
	list_push_back(&mf->owners, &o->link);
	o->evictable += end - start;
	mutex_unlock(&mf->lock);
}

static void unmark_locked(struct memfile_evict_owner *o)
{
	if (o->evictable)
		list_del(&o->link);
	o->evictable = 0;
}

void memfile_mark_unevictable(struct memfile *mf, struct memfile_evict_owner *o)
{
	mutex_lock(&mf->lock);
	unmark_locked(o);
	mutex_unlock(&mf->lock);
}

void memfile_evict_owner_fini(struct memfile *mf, struct memfile_evict_owner *o)
{
	mutex_lock(&mf->lock);
	unmark_locked(o);
	while (mf->evicting == o && mf->evictor != park_tid()) {
		unsigned turn = atomic_load(&mf->evict_turns); /* pairs with (B) */

		mutex_unlock(&mf->lock);
		(void)park_wait(&mf->evict_turns, turn, PARK_FOREVER); /* (A) */
		mutex_lock(&mf->lock);
		unmark_locked(o);
	}
	mutex_unlock(&mf->lock);
}

/* The next owner to evict, marked as being evicted; NULL: none, or another
 * thread is at it. */
static struct memfile_evict_owner *begin_turn(struct memfile *mf)
{
	struct memfile_evict_owner *o = NULL;

	mutex_lock(&mf->lock);
	if (!mf->evicting && !list_empty(&mf->owners)) {
		o = list_first(&mf->owners, struct memfile_evict_owner, link);
		unmark_locked(o);
		mf->evicting = o;
		mf->evictor = park_tid();
	}
	mutex_unlock(&mf->lock);
	return o;
}

static void end_turn(struct memfile *mf)
{
	mutex_lock(&mf->lock);
	mf->evicting = NULL;
	atomic_fetch_add(&mf->evict_turns, 1); /* (B) pairs with (A) */
	mutex_unlock(&mf->lock);
	park_wake(&mf->evict_turns, UINT32_MAX);
}

static size_t count_owners(struct memfile *mf)
{
	size_t n = 0;

	mutex_lock(&mf->lock);
	list_for_each(o, &mf->owners, struct memfile_evict_owner, link) {
		(void)o;
		n++;
	}
	mutex_unlock(&mf->lock);
	return n;
}

uint64_t memfile_evict(struct memfile *mf, uint64_t bytes)
{
	/* An owner that marks everything again must not keep us here. */
	size_t turns = count_owners(mf);
	struct memfile_stats before, now;

	memfile_trim(mf);
	memfile_get_stats(mf, &before);
	now = before;
	while (turns-- && before.used - MIN(now.used, before.used) < bytes) {
		struct memfile_evict_owner *o = begin_turn(mf);

		if (!o)
			break;
		o->ops->evict(o, 0, UINT64_MAX);
		end_turn(mf);
		memfile_trim(mf);
		memfile_get_stats(mf, &now);
	}
	return before.used - MIN(now.used, before.used);
}
