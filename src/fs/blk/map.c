/* The disk as a mappable: its page cache is. */
#include "fs/blk/internal.h"

#include <stdio.h>

static struct blk_device *device_of(struct mappable *m)
{
	return container_of(m, struct blk_device, mappable);
}

/* Disks stay. */
static void blk_map_get(struct mappable *m UNUSED)
{
}

static int blk_add_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr, uint64_t size,
			   fileoff_t off, bool writable)
{
	return pagecache_add_mapping(device_of(m)->cache, ms, addr, size, off, writable);
}

static void blk_remove_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr,
			       uint64_t size, fileoff_t off, bool writable)
{
	pagecache_remove_mapping(device_of(m)->cache, ms, addr, size, off, writable);
}

static int blk_copy_mapping(struct mappable *m, struct mapping_space *ms, gva_t src UNUSED,
			    gva_t dst, uint64_t size, fileoff_t off, bool writable)
{
	return blk_add_mapping(m, ms, dst, size, off, writable);
}

static int blk_translate(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			 fileoff_t opt_end, int access, struct translation *out, unsigned max,
			 unsigned *count)
{
	return pagecache_translate(device_of(m)->cache, start, end, opt_start, opt_end, access, out,
				   max, count);
}

static int blk_map_sync(struct mappable *m, fileoff_t off, uint64_t size)
{
	return pagecache_fsync(device_of(m)->cache, off, off + size, true);
}

static size_t blk_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev, uint64_t *ino)
{
	*dev = device_of(m)->disk.rdev;
	*ino = 0;
	return (size_t)snprintf(buf, size, "/dev/%s", device_of(m)->name);
}

const struct mappable_ops blk_mappable_ops = {
	.get = blk_map_get,
	.put = blk_map_get,
	.add_mapping = blk_add_mapping,
	.remove_mapping = blk_remove_mapping,
	.copy_mapping = blk_copy_mapping,
	.translate = blk_translate,
	.sync = blk_map_sync,
	.describe = blk_describe,
};
