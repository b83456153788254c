/*
 * Pages that go: truncate, fallocate, what others wrote into the backend's file,
 * invalidation, and eviction.
 *
 * All but eviction claim the range first, so that no fill or write-back is under
 * way in it, ask the backend, and then change what is cached. Mappings are taken
 * away after the claim is dropped, and before the pages are given up: a fault in
 * between finds what the file has now.
 */
#include <linux/falloc.h>

#include "pagecache/internal.h"

/* Looked at together when it matters what is mapped. */
#define EVICT_STEP ((uint64_t)2 << 20)

/* ---- truncate ---- */

static int shrink(struct pagecache *pc, uint64_t size)
{
	struct segment *cut = NULL;
	struct spares sp;
	struct claim c;
	int r = spares_get(&sp, 2, 2);

	if (r < 0)
		return r;
	rwlock_write(&pc->data_lock);
	claim_cut_relock(pc, &c, page_down(size), FILE_END);
	rwlock_write_unlock(&pc->data_lock);
	r = pc->ops->truncate(pc->owner, size);
	rwlock_write(&pc->data_lock);
	if (r == 0) {
		size_set_locked(pc, size);
		cut = segments_cut_locked(pc, page_up(size), FILE_END, &sp);
		dirty_remove_locked(pc, page_up(size), FILE_END, &sp);
	}
	claim_drop_locked(pc, &c);
	rwlock_write_unlock(&pc->data_lock);
	if (r == 0)
		mappings_forget(pc, page_up(size), FILE_END, true);
	segments_free(pc, cut);
	spares_put(&sp);
	dirty_done(pc);
	return r;
}

int pagecache_truncate(struct pagecache *pc, uint64_t size)
{
	int r;

	if (pc->mode != PAGECACHE_SHARED && size < pagecache_cached_size(pc))
		return shrink(pc, size);
	r = pc->ops->truncate(pc->owner, size);
	if (r < 0 || pc->mode == PAGECACHE_SHARED)
		return r;
	rwlock_write(&pc->data_lock);
	size_set_locked(pc, size);
	rwlock_write_unlock(&pc->data_lock);
	return 0;
}

/* ---- fallocate ---- */

/* The range reads as zeros: whole pages go, others are cleared. */
static int make_zeros(struct pagecache *pc, int mode, uint64_t off, uint64_t end)
{
	uint64_t first = page_up(off), last = page_down(end), size;
	struct segment *cut = NULL;
	struct spares sp;
	struct claim c;
	int r = spares_get(&sp, 2, 2);

	if (r < 0)
		return r;
	rwlock_write(&pc->data_lock);
	claim_cut_relock(pc, &c, page_down(off), page_up(end));
	rwlock_write_unlock(&pc->data_lock);
	r = pc->ops->fallocate(pc->owner, mode, off, end - off);
	rwlock_write(&pc->data_lock);
	if (r == 0) {
		size = atomic_load(&pc->size);
		if (!(mode & FALLOC_FL_KEEP_SIZE) && end > size)
			size_set_locked(pc, end);
		zero_locked(pc, off, MIN(first, end));
		zero_locked(pc, MAX(last, off), end);
		if (first < last) {
			cut = segments_cut_locked(pc, first, last, &sp);
			dirty_remove_locked(pc, first, last, &sp);
		}
	}
	claim_drop_locked(pc, &c);
	rwlock_write_unlock(&pc->data_lock);
	if (r == 0 && first < last)
		mappings_forget(pc, first, last, false);
	segments_free(pc, cut);
	spares_put(&sp);
	dirty_done(pc);
	return r;
}

/* Bytes from off on move: everything from there on is read anew. */
static int move_bytes(struct pagecache *pc, int mode, uint64_t off, uint64_t len)
{
	struct segment *cut = NULL;
	struct spares sp;
	struct claim c;
	uint64_t size;
	int r = pagecache_flush(pc, 0, FILE_END);

	if (r == 0)
		r = spares_get(&sp, 2, 2);
	if (r < 0)
		return r;
	rwlock_write(&pc->data_lock);
	claim_cut_relock(pc, &c, page_down(off), FILE_END);
	rwlock_write_unlock(&pc->data_lock);
	r = pc->ops->fallocate(pc->owner, mode, off, len);
	rwlock_write(&pc->data_lock);
	if (r == 0) {
		size = atomic_load(&pc->size);
		size = mode & FALLOC_FL_INSERT_RANGE ? size + len : size - MIN(len, size);
		atomic_store_explicit(&pc->size, size, memory_order_release);
		cut = segments_cut_locked(pc, page_down(off), FILE_END, &sp);
		dirty_remove_locked(pc, page_down(off), FILE_END, &sp);
	}
	claim_drop_locked(pc, &c);
	rwlock_write_unlock(&pc->data_lock);
	if (r == 0)
		mappings_forget(pc, page_down(off), FILE_END, true);
	segments_free(pc, cut);
	spares_put(&sp);
	dirty_done(pc);
	return r;
}

int pagecache_fallocate(struct pagecache *pc, int mode, uint64_t off, uint64_t size)
{
	int r;

	if (pc->mode == PAGECACHE_SHARED)
		return pc->ops->fallocate(pc->owner, mode, off, size);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return make_zeros(pc, mode, off, off + size);
	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE))
		return move_bytes(pc, mode, off, size);
	r = pc->ops->fallocate(pc->owner, mode, off, size);
	if (r < 0 || (mode & FALLOC_FL_KEEP_SIZE))
		return r;
	rwlock_write(&pc->data_lock);
	if (off + size > atomic_load(&pc->size))
		size_set_locked(pc, off + size);
	rwlock_write_unlock(&pc->data_lock);
	return 0;
}

/* ---- dropping clean pages ---- */

/* How far from pos on pages are all dirty, or all clean. */
static uint64_t alike_until_locked(const struct pagecache *pc, uint64_t pos, uint64_t end,
				   bool *is_dirty)
{
	uint64_t from, to;

	if (!rangeset_first(&pc->dirty, pos, end, &from, &to)) {
		*is_dirty = false;
		return end;
	}
	*is_dirty = from == pos;
	return *is_dirty ? to : from;
}

struct segment *drop_clean_locked(struct pagecache *pc, uint64_t start, uint64_t end, bool claimed)
{
	struct segment *list = NULL;

	while (start < end) {
		const struct ivnode *claim = ivmap_lower_bound(&pc->claims, start);
		struct segment *cut;
		struct spares sp;
		bool is_dirty;
		uint64_t stop = alike_until_locked(pc, start, end, &is_dirty);

		if (!claimed && claim && claim->start < stop) {
			if (claim->start <= start) {
				start = claim->end;
				continue;
			}
			stop = claim->start;
		}
		if (!is_dirty && spares_get(&sp, 2, 0) == 0) {
			cut = segments_cut_locked(pc, start, stop, &sp);
			spares_put(&sp);
			while (cut) {
				struct segment *next = cut->next;

				cut->next = list;
				list = cut;
				cut = next;
			}
		}
		start = stop;
	}
	return list;
}

/* Dirty pages of the range, which is claimed, take in what the backend has now: a
 * store through a mapping came in between. */
static void refresh_dirty(struct pagecache *pc, uint64_t start, uint64_t end)
{
	uint64_t from, to;

	while (start < end) {
		struct block blk[IO_BLOCKS];
		unsigned count = 0;
		bool is_dirty;

		rwlock_read(&pc->data_lock);
		is_dirty = rangeset_first(&pc->dirty, start, end, &from, &to);
		if (is_dirty)
			to = from + blocks_locked(pc, from, to - from, blk, IO_BLOCKS, &count);
		rwlock_read_unlock(&pc->data_lock);
		if (!is_dirty)
			return;
		for (unsigned i = 0; i < count; from += blk[i].size, i++) {
			int err;
			uint64_t got = backend_read(pc, blk[i].base, blk[i].size, from, &err);

			(void)got; /* a short one leaves what was stored */
		}
		start = to;
	}
}

ssize_t pagecache_replace(struct pagecache *pc, uint64_t off, uint64_t size,
			  ssize_t (*fn)(void *arg), void *arg)
{
	uint64_t start = page_down(off), end = page_up(off + size);
	struct segment *dropped;
	struct claim c;
	ssize_t n;
	int r;

	if (pc->mode == PAGECACHE_SHARED || !size)
		return fn(arg);
	r = pagecache_flush(pc, off, off + size);
	if (r < 0)
		return r;
	rwlock_write(&pc->data_lock);
	claim_cut_relock(pc, &c, start, end);
	rwlock_write_unlock(&pc->data_lock);
	n = fn(arg);
	if (n > 0 && (uint64_t)n > size)
		n = -EIO;
	rwlock_write(&pc->data_lock);
	if (n > 0 && off + (uint64_t)n > atomic_load(&pc->size))
		size_set_locked(pc, off + (uint64_t)n);
	rwlock_write_unlock(&pc->data_lock);
	if (n > 0)
		refresh_dirty(pc, off, off + (uint64_t)n);
	rwlock_write(&pc->data_lock);
	dropped = drop_clean_locked(pc, start, end, true);
	claim_drop_locked(pc, &c);
	rwlock_write_unlock(&pc->data_lock);
	if (dropped)
		mappings_forget(pc, start, end, false);
	segments_free(pc, dropped);
	return n;
}

int pagecache_invalidate(struct pagecache *pc, uint64_t start, uint64_t end)
{
	struct segment *dropped;
	struct claim c;
	uint64_t size;
	int r, err;

	if (pc->mode == PAGECACHE_SHARED)
		return 0;
	start = page_down(start);
	end = end > FILE_END ? FILE_END : page_up(end);
	err = pagecache_flush(pc, start, end);
	rwlock_write(&pc->data_lock);
	claim_cut_relock(pc, &c, start, end);
	rwlock_write_unlock(&pc->data_lock);
	r = pc->ops->size(pc->owner, &size);
	rwlock_write(&pc->data_lock);
	dropped = drop_clean_locked(pc, start, end, true);
	/* What is dirty may reach further than the backend knows. */
	if (r == 0 && size > atomic_load(&pc->size) && end == FILE_END)
		size_set_locked(pc, size);
	claim_drop_locked(pc, &c);
	rwlock_write_unlock(&pc->data_lock);
	if (dropped)
		mappings_forget(pc, start, end, false);
	segments_free(pc, dropped);
	return err;
}

/* ---- eviction ---- */

/* Ages are kept for pieces of this: for each page they would cost too much. */
#define EVICT_GRAIN ((uint64_t)256 << 10)

void evict_mark(struct pagecache *pc, uint64_t start, uint64_t end)
{
	uint64_t size = page_up(atomic_load(&pc->size));

	start &= ~(EVICT_GRAIN - 1);
	end = end > size ? size : MIN((end + EVICT_GRAIN - 1) & ~(EVICT_GRAIN - 1), size);
	if (start < end)
		memfile_mark_evictable(pc->set->mf, &pc->evict, start, end);
}

/* The next piece of [start, end) that is cached. */
static bool next_cached(struct pagecache *pc, uint64_t start, uint64_t end, uint64_t *from,
			uint64_t *to)
{
	const struct ivnode *n;

	rwlock_read(&pc->data_lock);
	n = ivmap_lower_bound(&pc->cache, start);
	if (n) {
		*from = MAX(n->start, start);
		*to = MIN(MIN(n->end, end), *from + EVICT_STEP);
	}
	rwlock_read_unlock(&pc->data_lock);
	return n && *from < end;
}

/* Writes the piece back and drops it, unless it is mapped: then it will be asked
 * for again, as the last. */
static void evict_piece(struct pagecache *pc, uint64_t start, uint64_t end)
{
	struct segment *dropped = NULL;
	bool is_mapped;
	int err;

	mutex_lock(&pc->maps_lock);
	is_mapped = mapping_set_is_mapped(&pc->maps, start, end);
	mutex_unlock(&pc->maps_lock);
	if (is_mapped) {
		evict_mark(pc, start, end);
		return;
	}
	err = writeback_range(pc, start, end, UINT64_MAX, true);
	(void)err; /* kept in pc->errors; those pages stay */
	mutex_lock(&pc->maps_lock);
	rwlock_write(&pc->data_lock);
	if (!mapping_set_is_mapped(&pc->maps, start, end))
		dropped = drop_clean_locked(pc, start, end, false);
	rwlock_write_unlock(&pc->data_lock);
	mutex_unlock(&pc->maps_lock);
	segments_free(pc, dropped);
}

/* Pages that are left otherwise get their mark again with their next use. */
static void evict_range(struct pagecache *pc, uint64_t start, uint64_t end)
{
	uint64_t from, to;

	while (start < end && next_cached(pc, start, end, &from, &to)) {
		evict_piece(pc, from, to);
		start = to;
	}
}

static void evict(struct memfile_evict_owner *o, uint64_t start, uint64_t end)
{
	struct pagecache *pc = container_of(o, struct pagecache, evict);

	evict_range(pc, page_down(start), end > FILE_END ? FILE_END : end);
	dirty_done(pc);
}

const struct memfile_evict_ops pagecache_evict_ops = { .evict = evict };

void pagecache_wont_need(struct pagecache *pc, uint64_t start, uint64_t end)
{
	/* Only pages that lie in it whole. */
	start = page_up(start);
	end = end > FILE_END ? FILE_END : page_down(end);
	if (pc->mode == PAGECACHE_SHARED || start >= end)
		return;
	evict_range(pc, start, end);
	dirty_done(pc);
}
