/*
 * The disk: synchronous I/O, cut into requests as the device takes them; and the calls that
 * the page cache makes, for which a disk is a file of fixed size.
 */
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "fs/blk/internal.h"

#define REQUESTS_AT_ONCE 8u

uint64_t disk_size(const struct blk_device *dev)
{
	return atomic_load_explicit(&dev->disk.sectors, memory_order_relaxed) * SECTOR;
}

/* ---- moving ---- */

/* Where in a list of blocks one is. */
struct cursor {
	const struct block *blk;
	unsigned count;
	size_t done; /* of the first */
};

/* The next request: as much as one can hold. False: there is no more. */
static bool next_move(const struct blk_device *dev, struct cursor *c, uint64_t off,
		      struct blk_request *r)
{
	r->sector = off / SECTOR;
	while (c->count && r->nr_data < dev->limits.segments_max && r->bytes < REQUEST_BYTES_MAX) {
		uint64_t n = MIN(c->blk->size - c->done, REQUEST_BYTES_MAX - r->bytes);

		n = MIN(n, (uint64_t)dev->limits.segment_size);
		r->data[r->nr_data++] =
			(struct virtq_buffer){ blk_address(dev, (char *)c->blk->base + c->done),
					       (uint32_t)n };
		r->bytes += n;
		c->done += n;
		if (c->done == c->blk->size) {
			c->blk++;
			c->count--;
			c->done = 0;
		}
	}
	return r->bytes > 0;
}

ssize_t disk_move(struct blk_device *dev, uint32_t type, const struct block *blk, unsigned count,
		  uint64_t off)
{
	struct cursor c = { blk, count, 0 };
	ssize_t done = 0;

	while (c.count) {
		struct blk_request reqs[REQUESTS_AT_ONCE];
		unsigned n = 0;

		while (n < REQUESTS_AT_ONCE) {
			struct blk_request *r = &reqs[n];

			*r = (struct blk_request){ .type = type };
			if (!next_move(dev, &c, off, r))
				break;
			off += r->bytes;
			n++;
		}
		blk_execute(dev, reqs, n);
		for (unsigned i = 0; i < n; i++) {
			if (reqs[i].result < 0)
				return done ? done : reqs[i].result;
			done += (ssize_t)reqs[i].bytes;
		}
	}
	return done;
}

int disk_flush(struct blk_device *dev)
{
	struct blk_request r = { .type = VIRTIO_BLK_T_FLUSH };

	if (!dev->disk.has_write_cache)
		return 0;
	blk_execute(dev, &r, 1);
	return r.result;
}

/* ---- ranges ---- */

int disk_range(struct blk_device *dev, uint32_t type, uint64_t off, uint64_t size, uint32_t flags)
{
	uint64_t max = type == VIRTIO_BLK_T_DISCARD ? dev->limits.discard_max
						    : dev->limits.write_zeroes_max;
	uint64_t sector = off / SECTOR, end = (off + size) / SECTOR;

	if (!max)
		return -EOPNOTSUPP;
	while (sector < end) {
		uint64_t n = MIN(end - sector, max);
		struct blk_request r = { .type = type, .bytes = n * SECTOR };

		r.range = (struct virtio_blk_discard_write_zeroes){ .sector = sector,
								    .num_sectors = (uint32_t)n,
								    .flags = flags };
		blk_execute(dev, &r, 1);
		if (r.result < 0)
			return r.result;
		sector += n;
	}
	return 0;
}

static int write_zeros(struct blk_device *dev, uint64_t off, uint64_t size)
{
	struct memfile *mf = dev->config.memfile;
	uint64_t at, room = MIN(page_up(size), REQUEST_BYTES_MAX);
	int r = memfile_alloc(mf, room, MEMFILE_PAGECACHE, 0, &at);

	if (r < 0)
		return r;
	while (size && r == 0) {
		struct block zeros = { memfile_addr(mf, at), MIN(size, room) };
		ssize_t n = disk_move(dev, VIRTIO_BLK_T_OUT, &zeros, 1, off);

		r = n < 0 ? (int)n : 0;
		off += zeros.size;
		size -= zeros.size;
	}
	memfile_decref(mf, at, room);
	return r;
}

struct range_change {
	struct blk_device *dev;
	uint64_t off, size;
	bool may_unmap;
};

static ssize_t change_discard(void *arg)
{
	struct range_change *c = arg;
	int r = disk_range(c->dev, VIRTIO_BLK_T_DISCARD, c->off, c->size, 0);

	return r < 0 ? r : (ssize_t)c->size;
}

static ssize_t change_zero(void *arg)
{
	struct range_change *c = arg;
	bool unmaps = c->may_unmap && c->dev->limits.may_unmap;
	int r = disk_range(c->dev, VIRTIO_BLK_T_WRITE_ZEROES, c->off, c->size,
			   unmaps ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0);

	if (r == -EOPNOTSUPP)
		r = write_zeros(c->dev, c->off, c->size);
	return r < 0 ? r : (ssize_t)c->size;
}

static int change(struct range_change *c, ssize_t (*fn)(void *arg))
{
	ssize_t r = pagecache_replace(c->dev->cache, c->off, c->size, fn, c);

	return r < 0 ? (int)r : 0;
}

int disk_discard(struct blk_device *dev, uint64_t off, uint64_t size)
{
	struct range_change c = { dev, off, size, false };

	return dev->limits.discard_max ? change(&c, change_discard) : -EOPNOTSUPP;
}

int disk_zero(struct blk_device *dev, uint64_t off, uint64_t size, bool may_unmap)
{
	struct range_change c = { dev, off, size, may_unmap };

	return change(&c, change_zero);
}

/* ---- what the page cache calls ---- */

/* Disks stay. */
static void cache_get(void *owner UNUSED)
{
}

static bool is_aligned(const struct blk_device *dev, const struct block *blk, unsigned count,
		       uint64_t off)
{
	uint64_t bits = off;

	for (unsigned i = 0; i < count; i++)
		bits |= blk[i].size;
	return !(bits & (dev->limits.block_size - 1));
}

/* A part of blocks, where memory is so short that no page could be cached: through a page
 * or more of our own. The page cache sees to it that nobody else writes to them meanwhile. */
static ssize_t move_part(struct blk_device *dev, uint32_t type, const struct block *blk,
			 uint64_t off)
{
	uint64_t unit = dev->limits.block_size, start = off & ~(unit - 1);
	uint64_t n = MIN(blk->size, REQUEST_BYTES_MAX / 2);
	uint64_t end = (off + n + unit - 1) & ~(unit - 1), at;
	struct memfile *mf = dev->config.memfile;
	struct block whole, part;
	ssize_t r = memfile_alloc(mf, page_up(end - start), MEMFILE_PAGECACHE, 0, &at);

	if (r < 0)
		return r;
	whole = (struct block){ memfile_addr(mf, at), end - start };
	part = (struct block){ (char *)whole.base + (off - start), n };
	r = disk_move(dev, VIRTIO_BLK_T_IN, &whole, 1, start);
	if (r == (ssize_t)whole.size && type == VIRTIO_BLK_T_IN) {
		(void)block_copy(blk, 1, &part, 1);
	} else if (r == (ssize_t)whole.size) {
		(void)block_copy(&part, 1, blk, 1);
		r = disk_move(dev, VIRTIO_BLK_T_OUT, &whole, 1, start);
	}
	memfile_decref(mf, at, page_up(end - start));
	if (r == (ssize_t)whole.size)
		return (ssize_t)n;
	return r < 0 ? r : -EIO;
}

/* What lies past the end of the disk is not there. */
static unsigned cut(const struct blk_device *dev, struct block *blk, unsigned count, uint64_t off)
{
	uint64_t left = off < disk_size(dev) ? disk_size(dev) - off : 0;
	unsigned n = 0;

	for (; n < count && left; n++) {
		blk[n].size = MIN(blk[n].size, left);
		left -= blk[n].size;
	}
	return n;
}

static ssize_t cache_move(struct blk_device *dev, uint32_t type, const struct block *blk,
			  unsigned count, uint64_t off)
{
	struct block pieces[SEGMENTS_MAX];

	count = MIN(count, SEGMENTS_MAX);
	memcpy(pieces, blk, count * sizeof(*blk));
	count = cut(dev, pieces, count, off);
	if (!count)
		return 0;
	if (!is_aligned(dev, pieces, count, off))
		return move_part(dev, type, &pieces[0], off);
	return disk_move(dev, type, pieces, count, off);
}

static ssize_t cache_read(void *owner, const struct block *blk, unsigned count, uint64_t off)
{
	return cache_move(owner, VIRTIO_BLK_T_IN, blk, count, off);
}

static ssize_t cache_write(void *owner, const struct block *blk, unsigned count, uint64_t off,
			   unsigned flags)
{
	ssize_t n = cache_move(owner, VIRTIO_BLK_T_OUT, blk, count, off);
	int r = n > 0 && (flags & (PAGECACHE_IO_SYNC | PAGECACHE_IO_DSYNC)) ? disk_flush(owner) : 0;

	return r < 0 ? r : n;
}

/* Only disk_catch_up() does this: the disk has that size already. */
static int cache_truncate(void *owner UNUSED, uint64_t size UNUSED)
{
	return 0;
}

static int cache_fallocate(void *owner UNUSED, int mode UNUSED, uint64_t off UNUSED,
			   uint64_t size UNUSED)
{
	return -EOPNOTSUPP;
}

static int cache_fsync(void *owner, bool data_only UNUSED)
{
	return disk_flush(owner);
}

static int64_t cache_seek(void *owner UNUSED, uint64_t off UNUSED, int whence UNUSED)
{
	return -EINVAL;
}

static int cache_size(void *owner, uint64_t *size)
{
	*size = disk_size(owner);
	return 0;
}

static const struct pagecache_ops cache_ops = {
	.get = cache_get,
	.put = cache_get,
	.dirtied = cache_get,
	.cleaned = cache_get,
	.read = cache_read,
	.write = cache_write,
	.truncate = cache_truncate,
	.fallocate = cache_fallocate,
	.fsync = cache_fsync,
	.seek = cache_seek,
	.size = cache_size,
};

void disk_catch_up(struct blk_device *dev)
{
	uint64_t size = disk_size(dev);
	int r = 0;

	if (likely(size == pagecache_cached_size(dev->cache)))
		return;
	mutex_lock(&dev->write_lock);
	if (size != pagecache_cached_size(dev->cache))
		r = pagecache_truncate(dev->cache, size);
	mutex_unlock(&dev->write_lock);
	if (r < 0)
		log_warn("/dev/%s: its new size is not seen yet: %s", dev->name, strerror(-r));
}

int disk_init(struct blk_device *dev)
{
	mutex_init(&dev->write_lock, LOCK_FILE_WRITE);
	dev->disk.sectors = dev->limits.sectors;
	dev->mappable.ops = &blk_mappable_ops;
	return pagecache_create(dev->config.caches, &cache_ops, dev, dev, PAGECACHE_EXCLUSIVE,
				disk_size(dev), &dev->cache);
}
