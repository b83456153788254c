/*
 * O_DIRECT: between the device and guest memory, without a copy.
 *
 * Guest pages are pinned for as long as the device has them, so that they stay what they
 * are whatever the guest maps or forks meanwhile. A read first has what is dirty of its range
 * written; a write goes by pagecache_replace(), which has everybody else wait who wants
 * the range, and drops what is cached of it.
 *
 * What cannot be pinned (a mapping of a host's file, a buffer of the kernel's) is copied.
 */
#include <stdlib.h>

#include "fs/blk/internal.h"
#include "mm/mm.h"

#define PIECE_MAX ((uint64_t)4 << 20)

/* As Linux: what is asked for is whole blocks, and so is each piece of memory; that
 * begins where a device can begin. */
bool blk_direct_is_aligned(const struct blk_device *dev, const struct uio *u, uint64_t pos)
{
	uint64_t mask = dev->limits.block_size - 1;

	if ((pos | u->remaining) & mask)
		return false;
	for (unsigned i = u->seg; i < u->nsegs; i++) {
		uint64_t skip = i == u->seg ? u->seg_done : 0;

		if ((u->segs[i].base + skip) & (SECTOR - 1))
			return false;
		if ((u->segs[i].size - skip) & mask)
			return false;
	}
	return true;
}

/* One piece of I/O: guest memory that is pinned, or a buffer of ours. */
struct piece {
	struct blk_device *dev;
	uint32_t type;
	uint64_t pos, size;
	struct mm_pin *pin;
	struct block *blk; /* what the device gets */
	unsigned count;
	struct block own; /* the buffer, when nothing is pinned */
	struct block first[4];
};

/* The pin's blocks are whole pages: cut to the bytes that are meant. */
static int take_blocks(struct piece *p, size_t first)
{
	unsigned n;
	const struct block *pages = mm_pin_blocks(p->pin, &n);
	uint64_t left = p->size;

	p->blk = p->first;
	if (n > ARRAY_SIZE(p->first)) {
		p->blk = calloc(n, sizeof(*p->blk));
		if (!p->blk)
			return -ENOMEM;
	}
	for (p->count = 0; p->count < n && left; p->count++, first = 0) {
		struct block *b = &p->blk[p->count];

		b->base = (char *)pages[p->count].base + first;
		b->size = MIN(pages[p->count].size - first, left);
		left -= b->size;
	}
	return 0;
}

static int take_buffer(struct piece *p, struct uio *u)
{
	struct memfile *mf = p->dev->config.memfile;
	uint64_t at;
	int r;

	p->size = MIN(p->size, REQUEST_BYTES_MAX);
	r = memfile_alloc(mf, page_up(p->size), MEMFILE_PAGECACHE, 0, &at);
	if (r < 0)
		return r;
	p->own = (struct block){ memfile_addr(mf, at), p->size };
	p->blk = &p->own;
	p->count = 1;
	if (p->type != VIRTIO_BLK_T_OUT)
		return 0;
	/* Less than all: the rest cannot be read, and part of a block cannot be written. */
	return uio_read(u, p->own.base, p->size) == (ssize_t)p->size ? 0 : -EFAULT;
}

/* At most what is left of the segment. */
static int piece_begin(struct piece *p, struct uio *u)
{
	size_t first;
	ssize_t n = mm_pin_uio(u, MIN((uint64_t)u->remaining, PIECE_MAX), &p->pin, &first);

	if (n > 0) {
		p->size = (uint64_t)n;
		return take_blocks(p, first);
	}
	if (n == -ENOMEM)
		return -ENOMEM;
	p->size = u->remaining;
	return take_buffer(p, u);
}

static void piece_end(struct piece *p)
{
	struct memfile *mf = p->dev->config.memfile;

	mm_unpin(p->pin);
	if (p->own.base)
		memfile_decref(mf, memfile_offset(mf, p->own.base), page_up(p->own.size));
	if (p->blk != p->first && p->blk != &p->own)
		free(p->blk);
}

static ssize_t piece_move(void *arg)
{
	struct piece *p = arg;

	return disk_move(p->dev, p->type, p->blk, p->count, p->pos);
}

static ssize_t read_piece(struct piece *p, struct uio *u)
{
	int r = pagecache_flush(p->dev->cache, p->pos, p->pos + p->size);
	ssize_t n = r < 0 ? r : piece_move(p);

	if (n > 0 && p->own.base)
		return uio_write(u, p->own.base, (size_t)n);
	if (n > 0)
		uio_advance(u, (size_t)n);
	return n;
}

static ssize_t write_piece(struct piece *p, struct uio *u)
{
	ssize_t n = pagecache_replace(p->dev->cache, p->pos, p->size, piece_move, p);

	if (n > 0 && !p->own.base)
		uio_advance(u, (size_t)n);
	return n;
}

static ssize_t move_all(struct blk_device *dev, struct uio *u, uint64_t pos, uint32_t type)
{
	ssize_t done = 0, n = 0;

	while (u->remaining) {
		struct piece p = { .dev = dev, .type = type, .pos = pos };

		n = piece_begin(&p, u);
		if (n == 0)
			n = type == VIRTIO_BLK_T_IN ? read_piece(&p, u) : write_piece(&p, u);
		piece_end(&p);
		if (n <= 0)
			break;
		done += n;
		pos += (uint64_t)n;
		if ((uint64_t)n < p.size)
			break;
	}
	return done ? done : n;
}

ssize_t blk_direct_read(struct blk_device *dev, struct uio *u, uint64_t pos)
{
	return move_all(dev, u, pos, VIRTIO_BLK_T_IN);
}

ssize_t blk_direct_write(struct blk_device *dev, struct uio *u, uint64_t pos)
{
	return move_all(dev, u, pos, VIRTIO_BLK_T_OUT);
}
