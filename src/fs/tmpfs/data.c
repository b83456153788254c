/*
 * The contents of a regular file: extents of the memory file, holes between.
 *
 * Invariants
 *  1. Extents are page aligned and each holds one reference on its pages.
 *  2. No extent begins at or after page_up(size), unless fallocate put it there
 *     with FALLOC_FL_KEEP_SIZE.
 *  3. Bytes of an extent beyond size are zero as far as we wrote them: a
 *     shrinking truncate clears the tail of the last page.
 *
 * Cutting (truncate, punch) takes extents out of the map under data_lock, then
 * has every mapping of the range forgotten, and only then drops the references:
 * a fault that translated before the cut takes its own reference under the
 * mapping space's lock, which invalidation waits for.
 */
#include <fcntl.h>

#include "fs/tmpfs/internal.h"

static POOL_DEFINE(tmpfs_extent_pool, struct tmpfs_extent);

static struct tmpfs_extent *extent_of(struct ivnode *n)
{
	return n ? ivmap_entry(n, struct tmpfs_extent, range) : NULL;
}

void tmpfs_data_init(struct tmpfs_inode *ti)
{
	struct tmpfs_data *d = &ti->data;

	rwlock_init(&d->data_lock, LOCK_INODE_DATA);
	mutex_init(&d->maps_lock, LOCK_INODE_MAPS);
	atomic_init(&d->size, 0);
	ivmap_init(&d->extents);
	mapping_set_init(&d->maps);
	atomic_init(&d->seals, F_SEAL_SEAL);
	d->mappable.ops = &tmpfs_mappable_ops;
}

static void uncharge(struct tmpfs_super *ts, uint64_t bytes)
{
	atomic_fetch_sub(&ts->used_pages, bytes / PAGE_SIZE);
}

static bool charge(struct tmpfs_super *ts, uint64_t bytes)
{
	uint64_t pages = bytes / PAGE_SIZE;

	if (atomic_fetch_add(&ts->used_pages, pages) + pages <= ts->limit_pages ||
	    ts->limit_pages == 0)
		return true;
	atomic_fetch_sub(&ts->used_pages, pages);
	return false;
}

static void extent_free(struct tmpfs_super *ts, struct tmpfs_extent *e)
{
	uint64_t size = e->range.end - e->range.start;

	memfile_decref(ts->mf, e->offset, size);
	uncharge(ts, size);
	pool_free(&tmpfs_extent_pool, e);
}

void tmpfs_data_fini(struct tmpfs_inode *ti)
{
	struct tmpfs_super *ts = tmpfs_super_of(ti);
	struct ivnode *n;

	mapping_set_fini(&ti->data.maps);
	while ((n = ivmap_first(&ti->data.extents))) {
		ivmap_remove(&ti->data.extents, n);
		extent_free(ts, extent_of(n));
	}
}

struct tmpfs_extent *tmpfs_extent_at(struct tmpfs_inode *ti, uint64_t pos)
{
	return extent_of(ivmap_find(&ti->data.extents, pos));
}

/* ---- filling ---- */

/* The extent that ends at pos grows, if the memory file has the room behind it. */
static bool grow_previous(struct tmpfs_inode *ti, uint64_t pos, uint64_t size)
{
	struct tmpfs_extent *prev = pos ? tmpfs_extent_at(ti, pos - 1) : NULL;
	uint64_t behind;

	if (!prev)
		return false;
	behind = prev->offset + (prev->range.end - prev->range.start);
	if (memfile_alloc_at(tmpfs_super_of(ti)->mf, behind, size, MEMFILE_TMPFS) < 0)
		return false;
	ivmap_resize(&ti->data.extents, &prev->range, prev->range.start, pos + size);
	return true;
}

static int new_extent(struct tmpfs_inode *ti, uint64_t pos, uint64_t size)
{
	struct tmpfs_extent *e = pool_alloc(&tmpfs_extent_pool);
	int r;

	if (!e)
		return -ENOMEM;
	r = memfile_alloc(tmpfs_super_of(ti)->mf, size, MEMFILE_TMPFS, MEMFILE_BOTTOMUP,
			  &e->offset);
	if (r < 0) {
		pool_free(&tmpfs_extent_pool, e);
		return r;
	}
	e->range.start = pos;
	e->range.end = pos + size;
	ASSERT(ivmap_insert(&ti->data.extents, &e->range) == 0);
	return 0;
}

static int fill_gap(struct tmpfs_inode *ti, uint64_t pos, uint64_t size)
{
	struct tmpfs_super *ts = tmpfs_super_of(ti);
	int r;

	if (memfile_is_exhausted(ts->mf))
		return -ENOMEM;
	if (!charge(ts, size))
		return -ENOSPC;
	if (grow_previous(ti, pos, size))
		return 0;
	r = new_extent(ti, pos, size);
	if (r < 0)
		uncharge(ts, size);
	return r;
}

uint64_t tmpfs_fill_locked(struct tmpfs_inode *ti, uint64_t start, uint64_t end, int *err)
{
	uint64_t pos = start;

	*err = 0;
	while (pos < end) {
		struct ivnode *n = ivmap_lower_bound(&ti->data.extents, pos);
		uint64_t gap_end = n ? MIN(MAX(n->start, pos), end) : end;

		if (gap_end > pos) {
			int r = fill_gap(ti, pos, gap_end - pos);

			/* Near the limit: page by page, as far as it goes. */
			if (r == -ENOSPC && gap_end - pos > PAGE_SIZE) {
				gap_end = pos + PAGE_SIZE;
				r = fill_gap(ti, pos, PAGE_SIZE);
			}
			if (r < 0) {
				*err = r;
				return pos;
			}
			pos = gap_end;
		} else {
			pos = MIN(n->end, end);
		}
	}
	return end;
}

uint64_t tmpfs_grow_locked(struct tmpfs_inode *ti, uint64_t start, uint64_t end, int *err)
{
	struct tmpfs_super *ts = tmpfs_super_of(ti);
	uint64_t there = start;

	if (!memfile_is_tight(ts->mf))
		return tmpfs_fill_locked(ti, start, end, err);
	/* What is there already can be written, and nothing else. */
	while (there < end && tmpfs_extent_at(ti, there))
		there = MIN(tmpfs_extent_at(ti, there)->range.end, end);
	*err = there == end ? 0 : ts->limit_pages ? -ENOSPC : -ENOMEM;
	return there;
}

/* ---- copying ---- */

struct cursor {
	const struct block *blk;
	size_t done; /* of *blk */
};

enum copy { COPY_OUT, COPY_IN, COPY_ZERO };

/* Moves n bytes between the cursor's blocks and mem; returns what was moved. */
static size_t cursor_copy(struct cursor *c, enum copy how, char *mem, size_t n)
{
	size_t moved = 0;

	while (moved < n) {
		size_t step = MIN(n - moved, c->blk->size - c->done), left;
		char *at = (char *)c->blk->base + c->done;

		if (how == COPY_OUT)
			left = block_safecopy(at, mem + moved, step);
		else if (how == COPY_IN)
			left = block_safecopy(mem + moved, at, step);
		else
			left = block_safezero(at, step);
		moved += step - left;
		if (left)
			break;
		c->done += step;
		if (c->done == c->blk->size) {
			c->blk++;
			c->done = 0;
		}
	}
	return moved;
}

static size_t copy_locked(struct tmpfs_inode *ti, uint64_t pos, size_t n, const struct block *blk,
			  enum copy how)
{
	struct cursor c = { blk, 0 };
	size_t done = 0;

	while (done < n) {
		struct ivnode *node = ivmap_lower_bound(&ti->data.extents, pos);
		struct tmpfs_extent *e = extent_of(node);
		bool hole = !e || e->range.start > pos;
		uint64_t end = hole ? (e ? e->range.start : UINT64_MAX) : e->range.end;
		size_t want = (size_t)MIN(n - done, end - pos), got;
		char *mem = NULL;

		if (!hole)
			mem = (char *)memfile_addr(tmpfs_super_of(ti)->mf,
						   e->offset + (pos - e->range.start));
		got = cursor_copy(&c, hole ? COPY_ZERO : how, mem, want);
		done += got;
		pos += got;
		if (got < want)
			break;
	}
	return done;
}

size_t tmpfs_copy_out_locked(struct tmpfs_inode *ti, uint64_t pos, size_t n,
			     const struct block *blk)
{
	return copy_locked(ti, pos, n, blk, COPY_OUT);
}

size_t tmpfs_copy_in_locked(struct tmpfs_inode *ti, uint64_t pos, size_t n, const struct block *blk)
{
	return copy_locked(ti, pos, n, blk, COPY_IN);
}

/* ---- cutting ---- */

/* Clears bytes of the page at pos, if it is there. */
static void zero_part_locked(struct tmpfs_inode *ti, uint64_t pos, uint64_t end)
{
	struct tmpfs_extent *e = tmpfs_extent_at(ti, pos);

	if (e && pos < end) {
		char *mem =
			memfile_addr(tmpfs_super_of(ti)->mf, e->offset + (pos - e->range.start));

		(void)!block_safezero(mem, (size_t)(end - pos));
	}
}

/* Splits the extent that crosses pos, using *spare. */
static void split_at_locked(struct tmpfs_inode *ti, uint64_t pos, struct tmpfs_extent **spare)
{
	struct tmpfs_extent *e = tmpfs_extent_at(ti, pos), *back = *spare;

	if (!e || e->range.start == pos)
		return;
	back->offset = e->offset + (pos - e->range.start);
	ivmap_split(&ti->data.extents, &e->range, pos, &back->range);
	*spare = NULL;
}

/* Takes the extents of [start, end), page aligned, out of the map onto a list. */
static struct tmpfs_extent *cut_locked(struct tmpfs_inode *ti, uint64_t start, uint64_t end,
				       struct tmpfs_extent *spares[2])
{
	struct tmpfs_extent *list = NULL;
	struct ivnode *n, *next;

	split_at_locked(ti, start, &spares[0]);
	if (end != UINT64_MAX)
		split_at_locked(ti, end, &spares[1]);
	for (n = ivmap_lower_bound(&ti->data.extents, start); n && n->start < end; n = next) {
		struct tmpfs_extent *e = extent_of(n);

		next = ivmap_next(n);
		ivmap_remove(&ti->data.extents, n);
		e->next = list;
		list = e;
	}
	return list;
}

/* Memory for at most two splits. */
static int spares_get(struct tmpfs_extent *spares[2])
{
	spares[0] = pool_alloc(&tmpfs_extent_pool);
	spares[1] = pool_alloc(&tmpfs_extent_pool);
	if (spares[0] && spares[1])
		return 0;
	pool_free(&tmpfs_extent_pool, spares[0]);
	pool_free(&tmpfs_extent_pool, spares[1]);
	return -ENOMEM;
}

static void finish_cut(struct tmpfs_inode *ti, struct tmpfs_extent *list,
		       struct tmpfs_extent *spares[2])
{
	while (list) {
		struct tmpfs_extent *next = list->next;

		extent_free(tmpfs_super_of(ti), list);
		list = next;
	}
	pool_free(&tmpfs_extent_pool, spares[0]);
	pool_free(&tmpfs_extent_pool, spares[1]);
}

/* Private copies go with pages that the file has not any more, but stay where a hole
 * is punched. */
static void invalidate(struct tmpfs_inode *ti, uint64_t start, uint64_t end, bool copies_too)
{
	mutex_lock(&ti->data.maps_lock);
	mapping_set_invalidate(&ti->data.maps, start, end, copies_too);
	mutex_unlock(&ti->data.maps_lock);
}

void tmpfs_clear_end_locked(struct tmpfs_inode *ti, uint64_t pos)
{
	uint64_t size = ti->data.size;

	if (pos > size)
		zero_part_locked(ti, size, MIN(pos, page_up(size)));
}

static bool seals_forbid(const struct tmpfs_data *d, uint64_t size)
{
	unsigned seals = atomic_load(&d->seals);

	return (size < d->size && (seals & F_SEAL_SHRINK)) ||
	       (size > d->size && (seals & F_SEAL_GROW));
}

int tmpfs_truncate(struct tmpfs_inode *ti, uint64_t size)
{
	struct tmpfs_extent *spares[2], *cut = NULL;
	struct tmpfs_data *d = &ti->data;
	bool shrinks = false;
	int r = spares_get(spares);

	if (r < 0)
		return r;
	rwlock_write(&d->data_lock);
	if (seals_forbid(d, size)) {
		r = -EPERM;
	} else {
		shrinks = size < d->size;
		tmpfs_clear_end_locked(ti, size);
		d->size = size;
		/* Even when growing: fallocate may have put pages beyond. */
		if (shrinks) {
			zero_part_locked(ti, size, page_up(size));
			cut = cut_locked(ti, page_up(size), UINT64_MAX, spares);
		}
	}
	rwlock_write_unlock(&d->data_lock);
	if (shrinks)
		invalidate(ti, page_up(size), UINT64_MAX & PAGE_MASK, true);
	finish_cut(ti, cut, spares);
	return r;
}

int tmpfs_punch(struct tmpfs_inode *ti, uint64_t start, uint64_t end)
{
	uint64_t first = page_up(start), last = page_down(end);
	struct tmpfs_extent *spares[2], *cut = NULL;
	int r = spares_get(spares);

	if (r < 0)
		return r;
	rwlock_write(&ti->data.data_lock);
	if (atomic_load(&ti->data.seals) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) {
		r = -EPERM;
	} else if (first > last) {
		zero_part_locked(ti, start, end); /* inside one page */
	} else {
		zero_part_locked(ti, start, first);
		zero_part_locked(ti, last, end);
		if (first < last)
			cut = cut_locked(ti, first, last, spares);
	}
	rwlock_write_unlock(&ti->data.data_lock);
	if (r == 0 && first < last)
		invalidate(ti, first, last, false);
	finish_cut(ti, cut, spares);
	return r;
}
