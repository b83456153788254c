/*
 * Reads through the cache, and the positions of data and holes.
 *
 * A round pins some of the caller's memory, takes data_lock and copies what is
 * cached there; a gap is filled without either. Pages may be evicted between the
 * fill and the next look, under pressure again and again: after a few rounds
 * without progress the bytes are read past the cache.
 */
#include <unistd.h>

#include "pagecache/internal.h"

#define ROUNDS_LOST 8
#define TOUCH_EVERY 256u
#define PIN_MAX ((uint64_t)2 << 20)

/* Copies from the cached run at pos. Returns the bytes: 0 at a gap, or -EFAULT. */
static ssize_t copy_out_locked(const struct pagecache *pc, uint64_t pos, uint64_t n,
			       const struct block *dst, unsigned ndst)
{
	struct block src[IO_BLOCKS];
	unsigned nsrc;
	size_t done;

	n = blocks_locked(pc, pos, n, src, IO_BLOCKS, &nsrc);
	if (!n)
		return 0;
	done = block_copy(dst, ndst, src, nsrc);
	return done ? (ssize_t)done : -EFAULT;
}

/* One round: bytes read; 0 at a gap or at the end. */
static ssize_t read_round(struct pagecache *pc, struct uio *u, uint64_t pos)
{
	uint64_t size = pagecache_cached_size(pc), want = MIN((uint64_t)u->remaining, PIN_MAX);
	struct block blk[UIO_MAX_BLOCKS];
	unsigned count;
	ssize_t got;

	if (pos >= size)
		return 0;
	got = uio_pin(u, (size_t)MIN(want, size - pos), blk, UIO_MAX_BLOCKS, &count);
	if (got < 0)
		return got;
	rwlock_read(&pc->data_lock);
	size = pagecache_cached_size(pc);
	if (pos < size)
		got = copy_out_locked(pc, pos, MIN((uint64_t)got, size - pos), blk, count);
	else
		got = 0;
	rwlock_read_unlock(&pc->data_lock);
	uio_unpin(u);
	if (got > 0)
		uio_advance(u, (size_t)got);
	return got;
}

static bool is_at_end(const struct pagecache *pc, uint64_t pos)
{
	return pos >= pagecache_cached_size(pc);
}

static ssize_t read_cached(struct pagecache *pc, struct uio *u, uint64_t pos,
			   struct pagecache_ra *ra, unsigned flags)
{
	uint64_t start = pos;
	ssize_t n = 0;

	for (unsigned lost = 0; u->remaining && !is_at_end(pc, pos);) {
		n = read_round(pc, u, pos);
		if (n > 0) {
			pos += (uint64_t)n;
			lost = 0;
			continue;
		}
		if (n < 0 || is_at_end(pc, pos))
			break;
		n = flags & PAGECACHE_NOWAIT ? -EAGAIN : fill_for_read(pc, pos, u->remaining, ra);
		if (n == -ENOMEM || ++lost > ROUNDS_LOST) {
			n = direct_read(pc, u, pos);
			pos += n > 0 ? (uint64_t)n : 0;
			break;
		}
		if (n < 0)
			break;
	}
	if (pos > start && ra)
		readahead_note(pc, ra, start, pos);
	return pos > start ? (ssize_t)(pos - start) : n;
}

ssize_t pagecache_read(struct pagecache *pc, struct uio *u, fileoff_t pos, struct pagecache_ra *ra,
		       unsigned flags)
{
	if (pc->mode == PAGECACHE_SHARED || (flags & PAGECACHE_DIRECT))
		return flags & PAGECACHE_NOWAIT ? -EAGAIN : direct_read(pc, u, pos);
	if (atomic_fetch_add_explicit(&pc->touches, 1, memory_order_relaxed) % TOUCH_EVERY ==
	    TOUCH_EVERY - 1)
		evict_mark(pc, pos, pos + u->remaining);
	return read_cached(pc, u, pos, ra, flags);
}

/* ---- data and holes ---- */

/* What is dirty is data, though the backend may not have it yet. */
static uint64_t dirty_until(struct pagecache *pc, uint64_t off)
{
	uint64_t from, to, until = off;

	rwlock_read(&pc->data_lock);
	if (rangeset_first(&pc->dirty, off, FILE_END, &from, &to) && from == off)
		until = to;
	rwlock_read_unlock(&pc->data_lock);
	return until;
}

static int64_t seek_data(struct pagecache *pc, uint64_t off, uint64_t size)
{
	int64_t r = pc->ops->seek(pc->owner, off, SEEK_DATA);
	uint64_t from, to;

	if (r < 0 && r != -ENXIO)
		return r;
	rwlock_read(&pc->data_lock);
	if (rangeset_first(&pc->dirty, off, FILE_END, &from, &to) && (r < 0 || from < (uint64_t)r))
		r = (int64_t)from;
	rwlock_read_unlock(&pc->data_lock);
	return r >= 0 && (uint64_t)r >= size ? -ENXIO : r;
}

static int64_t seek_hole(struct pagecache *pc, uint64_t off, uint64_t size)
{
	while (off < size) {
		int64_t r = pc->ops->seek(pc->owner, off, SEEK_HOLE);
		uint64_t until;

		if (r == -ENXIO || (r >= 0 && (uint64_t)r < off))
			r = (int64_t)off; /* past the backend's end */
		if (r < 0)
			return r;
		if ((uint64_t)r > off) /* its end may lie inside a page of ours */
			r = (int64_t)page_up((uint64_t)r);
		until = dirty_until(pc, (uint64_t)r);
		if (until == (uint64_t)r)
			return (int64_t)MIN((uint64_t)r, size);
		off = until;
	}
	return (int64_t)size;
}

int64_t pagecache_seek(struct pagecache *pc, uint64_t off, int whence)
{
	uint64_t size;
	int r = pagecache_size(pc, &size);

	if (r < 0)
		return r;
	if (off >= size)
		return -ENXIO;
	return whence == SEEK_DATA ? seek_data(pc, off, size) : seek_hole(pc, off, size);
}
