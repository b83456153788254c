/*
 * Blocks: memory of the kernel process that stands for a guest range, cached
 * file pages or a buffer of ours; and uio, a cursor over a sequence of them.
 *
 * Reads and writes move bytes straight between page cache, host descriptor or
 * virtqueue and guest memory: a file system asks the uio for blocks, hands
 * them to preadv() or copies to them with block_copy(), and advances the uio.
 * A block may vanish under us (a mapped host file that is truncated), so bytes
 * are moved only by safecopy or by the host kernel, never by plain loads.
 *
 * uio_pin() holds the guest's mappings still until uio_unpin() (mm: its active
 * lock, shared). Between the two: do not block, do not touch another uio, and
 * take only locks that rank after LOCK_MM_ACTIVE.
 */
#pragma once

#include "base/base.h"

struct block {
	void *base;
	size_t size;
};

enum uio_dir {
	UIO_TO_USER,   /* the file is read: bytes go to the uio's memory */
	UIO_FROM_USER, /* the file is written */
};

struct uio;

struct uio_ops {
	/* Fills at most max blocks from the front of the uio, at most want bytes
	 * in all, and pins them. Returns the bytes covered (> 0), or -EFAULT
	 * when not even the first byte can be had, with nothing pinned. */
	ssize_t (*pin)(struct uio *u, size_t want, struct block *blk, unsigned max,
		       unsigned *count);
	void (*unpin)(struct uio *u);
};

/* One segment of the caller's scatter list: a guest address or, for kernel
 * uios, an address of ours. */
struct uio_seg {
	uint64_t base;
	uint64_t size;
};

struct uio {
	const struct uio_ops *ops;
	enum uio_dir dir;
	const struct uio_seg *segs; /* [borrowed] */
	unsigned nsegs;
	unsigned seg;      /* current segment */
	uint64_t seg_done; /* bytes of it done */
	size_t remaining;  /* bytes left in all */
	void *space;       /* the mm, for guest uios */
};

#define UIO_MAX_BLOCKS 16

static inline ssize_t uio_pin(struct uio *u, size_t want, struct block *blk, unsigned max,
			      unsigned *count)
{
	return u->ops->pin(u, want, blk, max, count);
}

static inline void uio_unpin(struct uio *u)
{
	u->ops->unpin(u);
}

/* Consumes n bytes (n <= remaining). */
void uio_advance(struct uio *u, size_t n);

/* A uio over a buffer of the kernel's own. *seg is the caller's storage. */
void uio_init_kernel(struct uio *u, struct uio_seg *seg, enum uio_dir dir, void *buf, size_t size);

/* Copies between a buffer of ours and the front of the uio, and advances it.
 * Returns the bytes moved: less than size at the uio's end; -EFAULT when none
 * could be moved because of a bad address (a later fault gives a short count).
 * => pins and unpins; see above for what locks may be held. */
ssize_t uio_write(struct uio *u, const void *src, size_t size); /* UIO_TO_USER */
ssize_t uio_read(struct uio *u, void *dst, size_t size);        /* UIO_FROM_USER */
ssize_t uio_zero(struct uio *u, size_t size);                   /* UIO_TO_USER */

/* Copies between two block lists with safecopy; returns the bytes copied
 * before the first fault. */
size_t block_copy(const struct block *dst, unsigned ndst, const struct block *src, unsigned nsrc);

/* The copying primitive; host/ registers its fault-tolerant copy at start-up,
 * unit tests may leave the plain default. Returns the bytes NOT copied. */
extern size_t (*block_safecopy)(void *dst, const void *src, size_t n);
extern size_t (*block_safezero)(void *dst, size_t n);
