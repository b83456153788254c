/*
 * The open block device file: blkdev_fops of Linux. Buffered reads and writes go through the
 * page cache of the disk, which all who have it open share; O_DIRECT past it.
 *
 * A disk has a fixed size: reads end there, writes past it are ENOSPC; O_APPEND means nothing.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/pool.h"
#include "fs/blk/internal.h"

static POOL_DEFINE(blk_file_pool, struct blk_file);

static bool is_direct(const struct file *f)
{
	return atomic_load_explicit(&f->flags, memory_order_relaxed) & O_DIRECT;
}

static bool is_synchronous(const struct file *f, const struct io *io)
{
	return (atomic_load_explicit(&f->flags, memory_order_relaxed) & O_DSYNC) ||
	       (io->flags & (RWF_DSYNC | RWF_SYNC));
}

/* The uio is cut to `may` bytes; returns what was cut off, to be added again. */
static size_t cut(struct uio *u, uint64_t may)
{
	size_t off = u->remaining > may ? u->remaining - (size_t)may : 0;

	u->remaining -= off;
	return off;
}

/* An error of write-back that this descriptor has not seen, else r. */
static int checked(struct file *f, int r)
{
	struct blk_file *bf = f->priv;
	int err = errseq_check(pagecache_errors(bf->dev->cache), &bf->since);

	return err < 0 ? err : r;
}

/* ---- reading and writing ---- */

static ssize_t blk_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct blk_file *bf = f->priv;
	uint64_t size = disk_size(bf->dev);
	unsigned flags = io->flags & RWF_NOWAIT ? PAGECACHE_NOWAIT : 0;
	size_t beyond;
	ssize_t n;

	disk_catch_up(bf->dev);
	if (*pos >= size)
		return 0;
	beyond = cut(u, size - *pos);
	if (!is_direct(f))
		n = pagecache_read(bf->dev->cache, u, *pos, &bf->ra, flags);
	else if (!blk_direct_is_aligned(bf->dev, u, *pos))
		n = -EINVAL;
	else
		n = flags ? -EAGAIN : blk_direct_read(bf->dev, u, *pos);
	u->remaining += beyond;
	if (n > 0)
		*pos += (fileoff_t)n;
	return n;
}

static ssize_t write_buffered(struct blk_device *dev, struct uio *u, uint64_t pos, unsigned flags)
{
	ssize_t n;

	mutex_lock(&dev->write_lock);
	n = pagecache_write(dev->cache, u, pos, flags, 0);
	mutex_unlock(&dev->write_lock);
	return n;
}

static ssize_t blk_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct blk_file *bf = f->priv;
	struct blk_device *dev = bf->dev;
	unsigned flags = io->flags & RWF_NOWAIT ? PAGECACHE_NOWAIT : 0;
	uint64_t size = disk_size(dev);
	size_t beyond;
	ssize_t n;
	int err = 0;

	disk_catch_up(dev);
	if (dev->disk.is_readonly)
		return -EPERM;
	if (!u->remaining)
		return 0;
	if (*pos >= size)
		return -ENOSPC;
	beyond = cut(u, size - *pos);
	if (!is_direct(f))
		n = write_buffered(dev, u, *pos, flags);
	else if (!blk_direct_is_aligned(dev, u, *pos))
		n = -EINVAL;
	else
		n = flags ? -EAGAIN : blk_direct_write(dev, u, *pos);
	u->remaining += beyond;
	if (n <= 0)
		return n;
	if (is_synchronous(f, io))
		err = checked(f, pagecache_fsync(dev->cache, *pos, *pos + (uint64_t)n, true));
	*pos += (fileoff_t)n;
	return err < 0 ? err : n;
}

static int64_t blk_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx UNUSED)
{
	struct blk_file *bf = f->priv;
	uint64_t size = disk_size(bf->dev);
	fileoff_t before = f->pos;
	int64_t r;

	if (whence == SEEK_DATA || whence == SEEK_HOLE)
		return -EINVAL;
	r = vfs_lseek_size(f, off, whence, size);
	if (r < 0 || (uint64_t)r <= size)
		return r;
	f->pos = before;
	return -EINVAL;
}

/* ---- the rest ---- */

static int blk_fsync(struct file *f, bool data_only)
{
	struct blk_file *bf = f->priv;

	return checked(f, pagecache_fsync(bf->dev->cache, 0, UINT64_MAX, data_only));
}

static int blk_sync_range(struct file *f, uint64_t off, uint64_t size, unsigned flags UNUSED)
{
	struct blk_file *bf = f->priv;

	return checked(f, pagecache_flush(bf->dev->cache, off, size ? off + size : UINT64_MAX));
}

/* What a disk can do of fallocate(2): zeros in [off, off + len), inside of it. */
static int blk_fallocate(struct file *f, int mode, uint64_t off, uint64_t len,
			 const struct vfs_ctx *ctx UNUSED)
{
	struct blk_file *bf = f->priv;
	struct blk_device *dev = bf->dev;
	uint64_t size = disk_size(dev), end = off + len;
	int r;

	if (mode != FALLOC_FL_ZERO_RANGE && mode != (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE) &&
	    mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (dev->disk.is_readonly)
		return -EPERM;
	if (off >= size || (end > size && !(mode & FALLOC_FL_KEEP_SIZE)))
		return -EINVAL;
	end = MIN(end, size);
	if ((off | end) & (dev->limits.block_size - 1))
		return -EINVAL;
	mutex_lock(&dev->write_lock);
	r = disk_zero(dev, off, end - off, mode & FALLOC_FL_PUNCH_HOLE);
	mutex_unlock(&dev->write_lock);
	return r;
}

static int blk_fadvise(struct file *f, uint64_t off, uint64_t len, int advice)
{
	struct blk_file *bf = f->priv;
	struct pagecache *pc = bf->dev->cache;
	uint64_t end = len && off + len > off ? off + len : UINT64_MAX;

	switch (advice) {
	case POSIX_FADV_NORMAL:
		atomic_store(&bf->ra.advice, PAGECACHE_NORMAL);
		break;
	case POSIX_FADV_SEQUENTIAL:
		atomic_store(&bf->ra.advice, PAGECACHE_SEQUENTIAL);
		break;
	case POSIX_FADV_RANDOM:
		atomic_store(&bf->ra.advice, PAGECACHE_RANDOM);
		break;
	case POSIX_FADV_WILLNEED:
		pagecache_will_need(pc, off, MIN(end, pagecache_cached_size(pc)));
		break;
	case POSIX_FADV_DONTNEED:
		pagecache_wont_need(pc, off, end);
		break;
	default:
		break;
	}
	return 0;
}

static struct mappable *blk_mappable(struct file *f)
{
	struct blk_file *bf = f->priv;

	return &bf->dev->mappable;
}

/* O_DIRECT can come and go. */
static int blk_setfl(struct file *f UNUSED, unsigned flags UNUSED)
{
	return 0;
}

static void blk_release(struct file *f)
{
	struct blk_file *bf = f->priv;

	/* As Linux when the last one closes it: what was written is on its way. */
	if (file_may_write(f))
		(void)pagecache_flush(bf->dev->cache, 0, UINT64_MAX);
	pool_free(&blk_file_pool, bf);
}

static const struct file_ops blk_fops = {
	.name = "disk",
	.release = blk_release,
	.read = blk_read,
	.write = blk_write,
	.lseek = blk_lseek,
	.ioctl = blk_ioctl,
	.fsync = blk_fsync,
	.sync_range = blk_sync_range,
	.fallocate = blk_fallocate,
	.fadvise = blk_fadvise,
	.setfl = blk_setfl,
	.mappable = blk_mappable,
};

static int blk_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx UNUSED)
{
	struct blk_device *dev = blk_find(inode->rdev);
	struct blk_file *bf;

	if (!dev)
		return -ENXIO;
	bf = pool_alloc(&blk_file_pool);
	if (!bf)
		return -ENOMEM;
	bf->dev = dev;
	atomic_store(&bf->since, errseq_sample(pagecache_errors(dev->cache)));
	f->priv = bf;
	f->ops = &blk_fops;
	return 0;
}

const struct chrdev_ops blk_driver = { blk_open };
