/* The ioctls of disks: what mkfs, blockdev, lsblk and fio ask. */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/hdreg.h>

#include "fs/blk/internal.h"

/* Newer than Debian 12's headers, or only in the kernel's own. */
#define BLKGETDISKSEQ_ _IOR(0x12, 128, uint64_t)

/* One number of a disk, copied out. */
struct number {
	unsigned cmd;
	uint8_t size;
	uint64_t (*get)(const struct blk_device *dev);
};

static uint64_t get_size(const struct blk_device *dev)
{
	return disk_size(dev);
}

static uint64_t get_sectors(const struct blk_device *dev)
{
	return dev->disk.sectors;
}

static uint64_t get_readonly(const struct blk_device *dev)
{
	return dev->disk.is_readonly;
}

static uint64_t get_block_size(const struct blk_device *dev)
{
	return dev->disk.block_size;
}

static uint64_t get_page_size(const struct blk_device *dev UNUSED)
{
	return PAGE_SIZE;
}

static uint64_t get_physical_size(const struct blk_device *dev)
{
	return dev->disk.physical_size;
}

static uint64_t get_io_min(const struct blk_device *dev)
{
	return dev->disk.io_min;
}

static uint64_t get_io_opt(const struct blk_device *dev)
{
	return dev->disk.io_opt;
}

static uint64_t get_alignment(const struct blk_device *dev)
{
	return dev->disk.alignment;
}

static uint64_t get_max_sectors(const struct blk_device *dev)
{
	return MIN(dev->disk.io_max / SECTOR, (uint64_t)UINT16_MAX);
}

static uint64_t get_readahead(const struct blk_device *dev UNUSED)
{
	return 256; /* sectors */
}

static uint64_t get_zero(const struct blk_device *dev UNUSED)
{
	return 0;
}

static uint64_t get_one(const struct blk_device *dev UNUSED)
{
	return 1;
}

static const struct number numbers[] = {
	{ BLKGETSIZE64, 8, get_size },     { BLKGETSIZE, 8, get_sectors },
	{ BLKROGET, 4, get_readonly },     { BLKSSZGET, 4, get_block_size },
	{ BLKBSZGET, 4, get_page_size },   { BLKPBSZGET, 4, get_physical_size },
	{ BLKIOMIN, 4, get_io_min },       { BLKIOOPT, 4, get_io_opt },
	{ BLKALIGNOFF, 4, get_alignment }, { BLKSECTGET, 2, get_max_sectors },
	{ BLKRAGET, 8, get_readahead },    { BLKFRAGET, 8, get_readahead },
	{ BLKDISCARDZEROES, 4, get_zero }, { BLKROTATIONAL, 2, get_one },
	{ BLKGETDISKSEQ_, 8, get_one },
};

/* [off, off + size), checked as Linux does. */
static int range_of(struct file *f, uint64_t arg, const struct vfs_ctx *ctx, uint64_t out[2])
{
	struct blk_file *bf = f->priv;
	struct blk_device *dev = bf->dev;
	uint64_t end;
	int r;

	if (!file_may_write(f))
		return -EBADF;
	if (dev->disk.is_readonly)
		return -EPERM;
	r = copy_in(ctx->mem, out, arg, 2 * sizeof(out[0]));
	if (r < 0)
		return r;
	if ((out[0] | out[1]) & (dev->limits.block_size - 1))
		return -EINVAL;
	if (add_overflow(out[0], out[1], &end) || end > disk_size(dev) || !out[1])
		return -EINVAL;
	return 0;
}

static long discard(struct file *f, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct blk_file *bf = f->priv;
	uint64_t range[2];
	int r;

	if (!bf->dev->disk.discard_max)
		return -EOPNOTSUPP;
	r = range_of(f, arg, ctx, range);
	return r < 0 ? r : disk_discard(bf->dev, range[0], range[1]);
}

static long zero_out(struct file *f, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct blk_file *bf = f->priv;
	uint64_t range[2];
	int r = range_of(f, arg, ctx, range);

	return r < 0 ? r : disk_zero(bf->dev, range[0], range[1], false);
}

/* Made up, as the driver of Linux does where the device says nothing. */
static long geometry(const struct blk_device *dev, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct hd_geometry g = { .heads = 64, .sectors = 32 };

	g.cylinders = (unsigned short)(dev->disk.sectors >> 11);
	return copy_out(ctx->mem, arg, &g, sizeof(g));
}

static long flush_buffers(struct blk_device *dev, const struct vfs_ctx *ctx)
{
	int r;

	if (!cred_has_cap(ctx->cred, CAP_SYS_ADMIN))
		return -EACCES;
	mutex_lock(&dev->write_lock);
	r = pagecache_invalidate(dev->cache, 0, UINT64_MAX & PAGE_MASK);
	mutex_unlock(&dev->write_lock);
	return r;
}

long blk_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct blk_file *bf = f->priv;

	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t value;

		if (numbers[i].cmd != cmd)
			continue;
		value = numbers[i].get(bf->dev);
		return copy_out(ctx->mem, arg, &value, numbers[i].size);
	}
	switch (cmd) {
	case BLKDISCARD:
		return discard(f, arg, ctx);
	case BLKZEROOUT:
		return zero_out(f, arg, ctx);
	case BLKSECDISCARD:
		return -EOPNOTSUPP;
	case BLKFLSBUF:
		return flush_buffers(bf->dev, ctx);
	case HDIO_GETGEO:
		return geometry(bf->dev, arg, ctx);
	case BLKRRPART: /* there are no partitions */
		return cred_has_cap(ctx->cred, CAP_SYS_ADMIN) ? -EINVAL : -EACCES;
	}
	return -ENOTTY;
}
