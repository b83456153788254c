/*
 * Reads and writes past the cache: O_DIRECT, shared mode, and where memory is
 * short. Dirty pages of the range are written back first; a write drops what it
 * overwrites. The bytes go through pages of ours, see pagecache.h.
 */
#include "pagecache/internal.h"

/* Reads at most IO_MAX bytes. 0: the end. */
static ssize_t read_piece(struct pagecache *pc, struct uio *u, uint64_t pos, bool *is_last)
{
	bool is_shared = pc->mode == PAGECACHE_SHARED;
	uint64_t want = MIN((uint64_t)u->remaining, IO_MAX), size, offset, got;
	int err = 0;
	ssize_t n;

	if (!is_shared) {
		size = pagecache_cached_size(pc);
		want = pos < size ? MIN(want, size - pos) : 0;
		err = want ? pagecache_flush(pc, pos, pos + want) : 0;
	}
	if (err < 0 || !want)
		return err;
	err = pages_alloc(pc, 0, page_up(want), false, &offset);
	if (err < 0)
		return err;
	got = backend_read(pc, page_addr(pc, offset), want, pos, &err);
	if (!err && got < want && !is_shared) {
		/* The backend ends before the file does. */
		(void)!block_safezero((char *)page_addr(pc, offset) + got, want - got);
		got = want;
	}
	n = got ? uio_write(u, page_addr(pc, offset), got) : err;
	pages_free(pc, offset, page_up(want));
	*is_last = n < (ssize_t)want;
	return n;
}

ssize_t direct_read(struct pagecache *pc, struct uio *u, fileoff_t pos)
{
	bool is_last = false;
	ssize_t done = 0, n;

	while (u->remaining && !is_last) {
		n = read_piece(pc, u, pos, &is_last);
		if (n < 0)
			return done ? done : n;
		if (n == 0)
			break;
		done += n;
		pos += (uint64_t)n;
	}
	return done;
}

ssize_t direct_write(struct pagecache *pc, struct uio *u, fileoff_t pos, unsigned io)
{
	bool is_shared = pc->mode == PAGECACHE_SHARED;
	uint64_t done = 0;
	int r = 0;

	while (u->remaining && r == 0) {
		struct stage st;
		uint64_t n;

		if (!is_shared)
			r = pagecache_flush(pc, pos, pos + MIN((uint64_t)u->remaining, IO_MAX));
		if (r == 0)
			r = stage_fill(pc, u, pos, u->remaining, &st);
		if (r < 0)
			break;
		n = stage_write(pc, &st, io, false, &r);
		stage_fini(pc, &st);
		done += n;
		pos += n;
	}
	return done ? (ssize_t)done : r;
}
