/*
 * Getting pages from the backend, and reading ahead.
 *
 * A fill claims a gap, reads into fresh pages without a lock, and puts them in.
 * The backend may end before the file does, while what we wrote further on is
 * still dirty here: the rest reads as zeros.
 *
 * Read-ahead. Each descriptor notes where a sequential read would go on. A read
 * that misses there doubles the window (from 128 KiB to the set's limit) and
 * fetches it with what it needs itself; once a stream's reads come within half a
 * window of what was fetched, the next window is fetched in the background. A
 * read elsewhere ends the stream, and fetches only what it needs.
 */
#include "pagecache/internal.h"

#define WINDOW_FIRST ((uint64_t)128 << 10)

/* ---- backend calls ---- */

uint64_t backend_read(struct pagecache *pc, void *buf, uint64_t size, uint64_t off, int *err)
{
	uint64_t done = 0;

	*err = 0;
	while (done < size) {
		struct block blk = { (char *)buf + done, size - done };
		ssize_t n = pc->ops->read(pc->owner, &blk, 1, off + done);

		if (n > 0 && (uint64_t)n > size - done) /* a backend may lie */
			n = -EIO;
		if (n < 0)
			*err = (int)n;
		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	return done;
}

/* The first n bytes of the blocks are dealt with. */
static void blocks_advance(struct block **blk, unsigned *count, uint64_t n)
{
	while (n && n >= (*blk)->size) {
		n -= (*blk)->size;
		(*blk)++;
		(*count)--;
	}
	if (n) {
		(*blk)->base = (char *)(*blk)->base + n;
		(*blk)->size -= n;
	}
}

uint64_t backend_write(struct pagecache *pc, struct block *blk, unsigned count, uint64_t off,
		       unsigned flags, int *err)
{
	uint64_t size = 0, done = 0;

	for (unsigned i = 0; i < count; i++)
		size += blk[i].size;
	*err = 0;
	while (done < size) {
		ssize_t n = pc->ops->write(pc->owner, blk, count, off + done, flags);

		if (n == 0 || (n > 0 && (uint64_t)n > size - done))
			n = -EIO;
		if (n < 0) {
			*err = (int)n;
			break;
		}
		blocks_advance(&blk, &count, (uint64_t)n);
		done += (uint64_t)n;
	}
	return done;
}

/* ---- filling ---- */

/* Reads [pos, end) into fresh pages. Returns where what is good ends, a page
 * boundary; pos: *err. */
static uint64_t read_pages(struct pagecache *pc, uint64_t offset, uint64_t pos, uint64_t end,
			   int *err)
{
	uint64_t want = end - pos, whole;
	uint64_t got = backend_read(pc, page_addr(pc, offset), want, pos, err);

	if (*err) {
		/* Pages before it are good; it comes up again behind them. */
		if (got >= PAGE_SIZE)
			*err = 0;
		return pos + page_down(got);
	}
	/* The rest is zeros, whatever the backend left there. */
	whole = page_up(got);
	if (whole > got)
		(void)!block_safezero((char *)page_addr(pc, offset) + got, whole - got);
	if (whole < want)
		memfile_decommit(pc->set->mf, offset + whole, want - whole);
	return end;
}

/* Claims the gap at pos, or finds it cached. Returns where that ends. */
static uint64_t claim_gap(struct pagecache *pc, struct claim *c, uint64_t pos, uint64_t end,
			  unsigned flags, bool *is_cached)
{
	const struct ivnode *next;
	uint64_t stop, until;

	rwlock_write(&pc->data_lock);
	for (;;) {
		stop = MIN(end, page_up(atomic_load(&pc->size)));
		until = pos < stop ? cached_until_locked(pc, pos, stop) : pos;
		*is_cached = until > pos || pos >= stop;
		if (*is_cached)
			break;
		if (!((flags & FILL_YIELDS) && pc->cutters) &&
		    !claim_overlaps_locked(pc, pos, pos + PAGE_SIZE)) {
			next = ivmap_lower_bound(&pc->claims, pos);
			until = gap_until_locked(pc, pos, MIN(stop, pos + IO_MAX));
			until = next ? MIN(until, next->start) : until;
			claim_take_locked(pc, c, pos, until);
			break;
		}
		claim_wait_relock(pc);
	}
	rwlock_write_unlock(&pc->data_lock);
	return until;
}

/* Fills what was claimed. Returns where what is good ends. */
static uint64_t fill_claimed(struct pagecache *pc, struct claim *c, struct spares *sp, int *err)
{
	uint64_t pos = c->node.start, end = c->node.end, good = pos, offset;

	*err = pages_alloc(pc, pos, end - pos, false, &offset);
	if (*err)
		end = pos;
	else
		good = read_pages(pc, offset, pos, end, err);
	rwlock_write(&pc->data_lock);
	if (good > pos)
		segment_insert_locked(pc, pos, good - pos, offset, &sp->segments[0]);
	claim_drop_locked(pc, c);
	rwlock_write_unlock(&pc->data_lock);
	pages_free(pc, offset + (good - pos), end - good);
	if (good > pos)
		evict_mark(pc, pos, good);
	return good;
}

bool has_room(struct pagecache *pc, uint64_t bytes)
{
	if (!memfile_over_limit(pc->set->mf))
		return true;
	(void)memfile_evict(pc->set->mf, bytes);
	return !memfile_over_limit(pc->set->mf);
}

uint64_t fill_gap(struct pagecache *pc, uint64_t pos, uint64_t end, unsigned flags, int *err)
{
	struct spares sp;
	struct claim c;
	bool is_cached;
	uint64_t until;

	*err = 0;
	if ((flags & FILL_YIELDS) && !has_room(pc, MIN(end - pos, IO_MAX)))
		*err = -ENOMEM;
	else
		*err = spares_get(&sp, 1, 0);
	if (*err)
		return pos;
	until = claim_gap(pc, &c, pos, end, flags, &is_cached);
	if (!is_cached)
		until = fill_claimed(pc, &c, &sp, err);
	spares_put(&sp);
	return until;
}

/* ---- reading ahead ---- */

static uint64_t next_window(const struct pagecache *pc, const struct pagecache_ra *ra)
{
	uint64_t max = pc->set->limits.readahead, now = atomic_load(&ra->window);

	if (atomic_load(&ra->advice) == PAGECACHE_SEQUENTIAL)
		max *= 2;
	return MIN(now ? now * 2 : WINDOW_FIRST, max);
}

int fill_for_read(struct pagecache *pc, uint64_t pos, uint64_t n, struct pagecache_ra *ra)
{
	uint64_t end = page_up(pos + n), window = 0, until;
	int err;

	if (ra && atomic_load(&ra->advice) != PAGECACHE_RANDOM) {
		if (pos == atomic_load(&ra->next))
			window = next_window(pc, ra);
		atomic_store(&ra->window, window);
	}
	until = fill_gap(pc, page_down(pos), end + window, FILL_YIELDS, &err);
	if (ra)
		atomic_store(&ra->filled, until);
	return until > pos ? 0 : err;
}

void readahead_note(struct pagecache *pc, struct pagecache_ra *ra, uint64_t pos, uint64_t end)
{
	uint64_t window, filled;

	if (pos != atomic_load(&ra->next))
		atomic_store(&ra->window, 0);
	atomic_store(&ra->next, end);
	window = atomic_load(&ra->window);
	filled = atomic_load(&ra->filled);
	if (!window || end + window / 2 < filled || filled >= pagecache_cached_size(pc))
		return;
	window = next_window(pc, ra);
	/* Of threads that share the descriptor, one asks. */
	if (!atomic_compare_exchange_strong(&ra->filled, &filled, filled + window))
		return;
	atomic_store(&ra->window, window);
	set_read_later(pc, filled, filled + window);
}

void pagecache_will_need(struct pagecache *pc, uint64_t start, uint64_t end)
{
	if (pc->mode != PAGECACHE_SHARED && start < end)
		set_read_later(pc, page_down(start), end);
}
