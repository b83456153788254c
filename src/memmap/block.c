/*
 * The uio cursor, and copies between block lists.
 *
 * Every copy goes through block_safecopy, which says how much it left out: a
 * block may vanish under us. Only the plain default, for tests without host/,
 * believes its memory.
 */
#include "memmap/block.h"

#include <string.h>

static size_t plain_copy(void *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
	return 0;
}

static size_t plain_zero(void *dst, size_t n)
{
	memset(dst, 0, n);
	return 0;
}

size_t (*block_safecopy)(void *dst, const void *src, size_t n) = plain_copy;
size_t (*block_safezero)(void *dst, size_t n) = plain_zero;

void uio_advance(struct uio *u, size_t n)
{
	ASSERT(n <= u->remaining);
	u->remaining -= n;
	while (n) {
		uint64_t left = u->segs[u->seg].size - u->seg_done;
		uint64_t step = MIN(left, (uint64_t)n);

		u->seg_done += step;
		n -= step;
		if (u->seg_done == u->segs[u->seg].size) {
			u->seg++;
			u->seg_done = 0;
		}
	}
}

/* ---- kernel buffers ---- */

static ssize_t kernel_pin(struct uio *u, size_t want, struct block *blk, unsigned max,
			  unsigned *count)
{
	ASSERT(max);
	size_t n = MIN(want, u->remaining);

	blk[0].base = (void *)(uintptr_t)(u->segs[0].base + u->seg_done);
	blk[0].size = n;
	*count = 1;
	return (ssize_t)n;
}

static void kernel_unpin(struct uio *u UNUSED)
{
}

static const struct uio_ops kernel_uio_ops = { kernel_pin, kernel_unpin };

void uio_init_kernel(struct uio *u, struct uio_seg *seg, enum uio_dir dir, void *buf, size_t size)
{
	seg->base = (uint64_t)(uintptr_t)buf;
	seg->size = size;
	*u = (struct uio){
		.ops = &kernel_uio_ops,
		.dir = dir,
		.segs = seg,
		.nsegs = 1,
		.remaining = size,
	};
}

/* ---- copies ---- */

size_t block_copy(const struct block *dst, unsigned ndst, const struct block *src, unsigned nsrc)
{
	unsigned d = 0, s = 0;
	size_t doff = 0, soff = 0, done = 0;

	while (d < ndst && s < nsrc) {
		size_t n = MIN(dst[d].size - doff, src[s].size - soff);
		char *to = (char *)dst[d].base + doff;
		const char *from = (const char *)src[s].base + soff;
		size_t left = n ? block_safecopy(to, from, n) : 0;

		done += n - left;
		if (left)
			break;
		doff += n;
		soff += n;
		if (doff == dst[d].size) {
			d++;
			doff = 0;
		}
		if (soff == src[s].size) {
			s++;
			soff = 0;
		}
	}
	return done;
}

enum move { MOVE_OUT, MOVE_IN, MOVE_ZERO };

static size_t move_blocks(enum move how, const struct block *blk, unsigned count, char *buf,
			  size_t n)
{
	size_t done = 0;

	for (unsigned i = 0; i < count && done < n; i++) {
		size_t step = MIN(blk[i].size, n - done), left;

		if (how == MOVE_OUT)
			left = block_safecopy(blk[i].base, buf + done, step);
		else if (how == MOVE_IN)
			left = block_safecopy(buf + done, blk[i].base, step);
		else
			left = block_safezero(blk[i].base, step);
		done += step - left;
		if (left)
			break;
	}
	return done;
}

static ssize_t uio_move(struct uio *u, enum move how, char *buf, size_t size)
{
	size_t done = 0;

	size = MIN(size, u->remaining);
	while (done < size) {
		struct block blk[UIO_MAX_BLOCKS];
		unsigned count;
		ssize_t got = uio_pin(u, size - done, blk, UIO_MAX_BLOCKS, &count);
		size_t n;

		if (got < 0)
			return done ? (ssize_t)done : got;
		n = move_blocks(how, blk, count, buf ? buf + done : NULL, (size_t)got);
		uio_unpin(u);
		uio_advance(u, n);
		done += n;
		if (n < (size_t)got)
			return done ? (ssize_t)done : -EFAULT;
	}
	return (ssize_t)done;
}

ssize_t uio_write(struct uio *u, const void *src, size_t size)
{
	return uio_move(u, MOVE_OUT, (char *)(uintptr_t)src, size);
}

ssize_t uio_read(struct uio *u, void *dst, size_t size)
{
	return uio_move(u, MOVE_IN, dst, size);
}

ssize_t uio_zero(struct uio *u, size_t size)
{
	return uio_move(u, MOVE_ZERO, NULL, size);
}
