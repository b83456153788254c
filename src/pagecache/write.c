/*
 * Writes.
 *
 * Cached pages are written to where they are, straight from the caller's memory.
 * Everything else is staged: the bytes are copied to pages of ours first, because
 * nobody may pin guest memory while he holds a claim. Whole staged pages then
 * become the file's; a part of a page is joined with what the backend has of the
 * rest, unless the file ends there.
 *
 *	              page at pos is
 *	              cached          not cached
 *	exclusive     copy, dirty     stage; whole pages become cached and dirty; for
 *	                              a part the page is read first, or, if it cannot
 *	                              be, the bytes go to the backend
 *	writethrough  stage; to the backend; over cached pages; whole pages become
 *	              cached, clean
 *
 * Writers come one at a time [w], so the size and what lies past it is stable
 * here; fills, faults, write-back and eviction go on.
 */
#include "pagecache/internal.h"

#define PIN_MAX ((uint64_t)1 << 20)

/* ---- staging ---- */

static uint64_t stage_size(const struct stage *st)
{
	return page_up(st->pos + st->n) - page_down(st->pos);
}

/* Where a position of the file is in the stage. */
static uint64_t stage_offset(const struct stage *st, uint64_t pos)
{
	return st->offset + (pos - page_down(st->pos));
}

int stage_fill(struct pagecache *pc, struct uio *u, fileoff_t pos, size_t want, struct stage *st)
{
	uint64_t head = pos - page_down(pos), n = MIN((uint64_t)want, IO_MAX - head), size;
	ssize_t got;
	char *at;
	int r;

	size = page_up(head + n);
	*st = (struct stage){ .pos = pos };
	r = pages_alloc(pc, page_down(pos), size, true, &st->offset);
	if (r < 0)
		return r;
	at = page_addr(pc, st->offset);
	got = uio_read(u, at + head, (size_t)n);
	if (got <= 0) {
		pages_free(pc, st->offset, size);
		return got < 0 ? (int)got : -EFAULT;
	}
	st->n = (uint64_t)got;
	pages_free(pc, st->offset + stage_size(st), size - stage_size(st));
	size = stage_size(st);
	(void)!block_safezero(at, head);
	(void)!block_safezero(at + head + st->n, size - head - st->n);
	return 0;
}

void stage_fini(struct pagecache *pc, struct stage *st)
{
	pages_free(pc, st->offset + st->freed, stage_size(st) - st->freed);
}

/* ---- into the cache ---- */

/* The file's new size is `end` at the least; what is cached between the old end and
 * pos is cleared, before bytes are stored at pos. */
static void clear_to_locked(struct pagecache *pc, uint64_t pos)
{
	uint64_t size = atomic_load(&pc->size);

	if (pos > size && (size & ~PAGE_MASK))
		zero_locked(pc, size, MIN(pos, page_up(size)));
}

static void raise_size_locked(struct pagecache *pc, uint64_t end)
{
	if (end > atomic_load(&pc->size))
		atomic_store_explicit(&pc->size, end, memory_order_release);
}

/* Does a write of [pos, end) leave bytes of the file in the page at pos? */
static bool leaves_old_bytes(const struct pagecache *pc, uint64_t pos, uint64_t end)
{
	uint64_t page = page_down(pos), size = atomic_load(&pc->size);

	return (pos > page && size > page) || (end < page + PAGE_SIZE && size > end);
}

/* Whole pages of [pos, end), or what counts as such because the file ends there: how
 * far they go. pos: none. */
static uint64_t whole_until(const struct pagecache *pc, uint64_t pos, uint64_t end)
{
	if (leaves_old_bytes(pc, pos, end))
		return pos;
	if (!leaves_old_bytes(pc, page_down(end - 1), end))
		return end;
	return page_down(end);
}

/* Staged pages become the file's. [pos, end) is a gap that nobody claims, or that
 * the caller has claimed. */
static void adopt_locked(struct pagecache *pc, struct stage *st, uint64_t pos, uint64_t end,
			 struct spares *sp)
{
	uint64_t page = page_down(pos), at = stage_offset(st, page);

	clear_to_locked(pc, pos);
	segment_insert_locked(pc, page, page_up(end) - page, at, &sp->segments[0]);
	/* Those before were copied from, and are of no more use. */
	pages_free(pc, st->offset + st->freed, at - (st->offset + st->freed));
	st->freed = page_up(end) - page_down(st->pos);
}

/* Copies staged bytes of [pos, end) over cached pages; gaps are skipped. */
static void copy_over_locked(struct pagecache *pc, const struct stage *st, uint64_t pos,
			     uint64_t end)
{
	clear_to_locked(pc, pos);
	while (pos < end) {
		const struct segment *s = segment_of(ivmap_lower_bound(&pc->cache, pos));
		uint64_t from, to;

		if (!s || s->node.start >= end)
			return;
		from = MAX(s->node.start, pos);
		to = MIN(s->node.end, end);
		(void)!block_safecopy(page_addr(pc, s->offset + (from - s->node.start)),
				      page_addr(pc, stage_offset(st, from)), to - from);
		pos = to;
	}
}

/* ---- exclusive: later to the backend ---- */

/* Over the cached run at pos. Returns the bytes; 0: there is none. */
static ssize_t overwrite(struct pagecache *pc, struct uio *u, uint64_t pos)
{
	struct block src[UIO_MAX_BLOCKS], dst[IO_BLOCKS];
	unsigned nsrc, ndst;
	struct spares sp;
	ssize_t done, got;
	int r = spares_get(&sp, 0, 1);

	if (r < 0)
		return r;
	got = uio_pin(u, (size_t)MIN((uint64_t)u->remaining, PIN_MAX), src, UIO_MAX_BLOCKS, &nsrc);
	if (got < 0) {
		spares_put(&sp);
		return got;
	}
	rwlock_write(&pc->data_lock);
	done = (ssize_t)blocks_locked(pc, pos, (uint64_t)got, dst, IO_BLOCKS, &ndst);
	if (done > 0) {
		clear_to_locked(pc, pos);
		done = (ssize_t)block_copy(dst, ndst, src, nsrc);
		if (done > 0) {
			raise_size_locked(pc, pos + (uint64_t)done);
			dirty_add_locked(pc, page_down(pos), page_up(pos + (uint64_t)done),
					 &sp.ranges[0]);
		} else {
			done = -EFAULT;
		}
	}
	rwlock_write_unlock(&pc->data_lock);
	uio_unpin(u);
	if (done > 0)
		uio_advance(u, (size_t)done);
	spares_put(&sp);
	return done;
}

/* What install_step() found at the stage's front. */
enum found { FOUND_PLACE, FOUND_PART, FOUND_CLAIM };

static enum found install_locked(struct pagecache *pc, struct stage *st, uint64_t pos,
				 uint64_t *until, struct spares *sp)
{
	const struct ivnode *claim = ivmap_lower_bound(&pc->claims, pos);
	uint64_t end = st->pos + st->n, page = page_down(pos);

	*until = cached_until_locked(pc, pos, end);
	if (*until > pos) {
		copy_over_locked(pc, st, pos, *until);
	} else {
		if (claim && claim->start < page + PAGE_SIZE)
			return FOUND_CLAIM;
		end = gap_until_locked(pc, pos, end);
		end = claim ? MIN(end, claim->start) : end;
		*until = whole_until(pc, pos, end);
		if (*until == pos)
			return FOUND_PART;
		adopt_locked(pc, st, pos, *until, sp);
	}
	raise_size_locked(pc, *until);
	dirty_add_locked(pc, page, page_up(*until), &sp->ranges[0]);
	return FOUND_PLACE;
}

/* The page at pos gets its old bytes; or, when it cannot be read, the backend gets
 * the new ones. Returns how far the stage is dealt with. */
static uint64_t install_part(struct pagecache *pc, struct stage *st, uint64_t pos, int *err)
{
	uint64_t page = page_down(pos), end = MIN(st->pos + st->n, page + PAGE_SIZE);
	struct stage part = { .pos = pos, .n = end - pos, .offset = stage_offset(st, page) };
	uint64_t done;

	if (fill_gap(pc, page, page + PAGE_SIZE, FILL_YIELDS, err) > page)
		return pos;
	done = stage_write(pc, &part, 0, false, err);
	return pos + done;
}

/* Puts the whole stage into the cache. Returns the bytes; less than n: *err. */
static uint64_t install(struct pagecache *pc, struct stage *st, int *err)
{
	uint64_t pos = st->pos, end = pos + st->n, until;
	struct spares sp = { 0 };

	*err = 0;
	while (pos < end && !*err) {
		enum found found;

		spares_put(&sp);
		*err = spares_get(&sp, 1, 1);
		if (*err)
			break;
		rwlock_write(&pc->data_lock);
		while ((found = install_locked(pc, st, pos, &until, &sp)) == FOUND_CLAIM)
			claim_wait_relock(pc);
		rwlock_write_unlock(&pc->data_lock);
		pos = found == FOUND_PART ? install_part(pc, st, pos, err) : until;
	}
	spares_put(&sp);
	evict_mark(pc, st->pos, pos);
	return pos - st->pos;
}

static ssize_t write_gap(struct pagecache *pc, struct uio *u, uint64_t pos)
{
	uint64_t end, done;
	struct stage st;
	bool has = has_room(pc, MIN((uint64_t)u->remaining, IO_MAX));
	int r;

	rwlock_read(&pc->data_lock);
	end = gap_until_locked(pc, pos, pos + u->remaining);
	rwlock_read_unlock(&pc->data_lock);
	r = stage_fill(pc, u, pos, (size_t)MAX(end - pos, (uint64_t)1), &st);
	if (r < 0)
		return r;
	done = has ? install(pc, &st, &r) : stage_write(pc, &st, 0, false, &r);
	stage_fini(pc, &st);
	return done ? (ssize_t)done : r;
}

static ssize_t write_later(struct pagecache *pc, struct uio *u, uint64_t pos, unsigned flags)
{
	int last = atomic_load(&pc->last_result);
	ssize_t n;

	/* More than may be is dirty, and this file's cannot be written. */
	if (set_is_over(pc->set) && last < 0)
		return last;
	if (set_is_over(pc->set) && (flags & PAGECACHE_NOWAIT))
		return -EAGAIN;
	n = overwrite(pc, u, pos);
	if (n == 0)
		n = flags & PAGECACHE_NOWAIT ? -EAGAIN : write_gap(pc, u, pos);
	if (n > 0 && !(flags & PAGECACHE_NOWAIT))
		set_throttle(pc);
	return n;
}

/* ---- the backend first ---- */

/* What is in the backend now fills gaps of the cache, where it is whole pages. */
static void adopt_clean_locked(struct pagecache *pc, struct stage *st, uint64_t end,
			       struct spares *sp)
{
	uint64_t pos = st->pos;

	while (pos < end && sp->segments[0]) {
		uint64_t gap, until = cached_until_locked(pc, pos, end);

		if (until > pos) {
			pos = until;
			continue;
		}
		gap = gap_until_locked(pc, pos, end);
		until = whole_until(pc, pos, gap);
		if (until > pos)
			adopt_locked(pc, st, pos, until, sp);
		pos = gap;
	}
}

uint64_t stage_write(struct pagecache *pc, struct stage *st, unsigned io, bool is_cached, int *err)
{
	struct block blk = { page_addr(pc, stage_offset(st, st->pos)), st->n };
	uint64_t start = page_down(st->pos), end = page_up(st->pos + st->n), done;
	struct segment *dropped = NULL;
	struct spares sp;
	struct claim c;

	*err = spares_get(&sp, 1, 0);
	if (*err)
		return 0;
	rwlock_write(&pc->data_lock);
	claim_cut_relock(pc, &c, start, end);
	rwlock_write_unlock(&pc->data_lock);
	done = backend_write(pc, &blk, 1, st->pos, io, err);
	rwlock_write(&pc->data_lock);
	copy_over_locked(pc, st, st->pos, st->pos + done);
	if (done)
		raise_size_locked(pc, st->pos + done);
	if (is_cached && !*err)
		adopt_clean_locked(pc, st, st->pos + done, &sp);
	else
		dropped = drop_clean_locked(pc, start, end, true);
	claim_drop_locked(pc, &c);
	rwlock_write_unlock(&pc->data_lock);
	if (dropped)
		mappings_forget(pc, start, end, false);
	segments_free(pc, dropped);
	spares_put(&sp);
	return done;
}

static ssize_t write_through(struct pagecache *pc, struct uio *u, uint64_t pos, unsigned io)
{
	struct stage st;
	uint64_t done;
	int r = stage_fill(pc, u, pos, u->remaining, &st);

	if (r < 0)
		return r;
	done = stage_write(pc, &st, io, has_room(pc, st.n), &r);
	stage_fini(pc, &st);
	/* What failed counts nothing, though some of it may have got there. */
	return r < 0 ? r : (ssize_t)done;
}

ssize_t pagecache_write(struct pagecache *pc, struct uio *u, fileoff_t pos, unsigned flags,
			unsigned io)
{
	ssize_t done = 0, n = 0;

	if (pc->mode == PAGECACHE_SHARED || (flags & PAGECACHE_DIRECT))
		return flags & PAGECACHE_NOWAIT ? -EAGAIN : direct_write(pc, u, pos, io);
	if (pc->mode == PAGECACHE_WRITETHROUGH && (flags & PAGECACHE_NOWAIT))
		return -EAGAIN;
	while (u->remaining) {
		if (pc->mode == PAGECACHE_WRITETHROUGH)
			n = write_through(pc, u, pos, io);
		else
			n = write_later(pc, u, pos, flags);
		if (n <= 0)
			break;
		done += n;
		pos += (uint64_t)n;
	}
	return done ? done : n;
}
