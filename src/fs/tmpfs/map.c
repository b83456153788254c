/*
 * The regular file as a mappable.
 *
 * A fault fills the holes of what it needs, and of up to 64 KiB around where
 * that is cheap: a trap costs more than the pages. Holes so filled are data to
 * SEEK_DATA and st_blocks.
 *
 * Sealing: a writable shared mapping may not be had once F_SEAL_WRITE or
 * F_SEAL_FUTURE_WRITE is set, and F_SEAL_WRITE may not be had while one exists;
 * both look under maps_lock. What was mapped before F_SEAL_FUTURE_WRITE stays
 * writable, so translations keep the permission.
 */
#include <fcntl.h>

#include "fs/tmpfs/internal.h"

#define FILL_AROUND ((uint64_t)64 << 10)

static struct tmpfs_inode *inode_of(struct mappable *m)
{
	return container_of(m, struct tmpfs_inode, data.mappable);
}

static void tmpfs_map_get(struct mappable *m)
{
	inode_get(&inode_of(m)->inode);
}

static void tmpfs_map_put(struct mappable *m)
{
	inode_put(&inode_of(m)->inode);
}

static int tmpfs_add_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr,
			     uint64_t size, fileoff_t off, bool writable)
{
	struct tmpfs_data *d = &inode_of(m)->data;
	int r;

	mutex_lock(&d->maps_lock);
	if (writable && (atomic_load(&d->seals) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		r = -EPERM;
	else
		r = mapping_set_add(&d->maps, ms, addr, size, off, writable);
	mutex_unlock(&d->maps_lock);
	return r;
}

static void tmpfs_remove_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr,
				 uint64_t size, fileoff_t off, bool writable)
{
	struct tmpfs_data *d = &inode_of(m)->data;

	mapping_set_remove_under(&d->maps_lock, &d->maps, ms, addr, size, off, writable);
}

static int tmpfs_copy_mapping(struct mappable *m, struct mapping_space *ms, gva_t src, gva_t dst,
			      uint64_t size, fileoff_t off, bool writable)
{
	struct tmpfs_data *d = &inode_of(m)->data;

	(void)src;
	/* A twin of what was allowed once: seals are not asked again. */
	return mapping_set_add_under(&d->maps_lock, &d->maps, ms, dst, size, off, writable);
}

/* Fills around [start, end), inside what may be translated. */
static void fill_around_locked(struct tmpfs_inode *ti, uint64_t start, uint64_t end, uint64_t lo,
			       uint64_t hi)
{
	uint64_t from = MAX(lo, start & ~(FILL_AROUND - 1));
	uint64_t to = MIN(hi, (end + FILL_AROUND - 1) & ~(FILL_AROUND - 1));
	int err;

	if (from < to)
		(void)tmpfs_fill_locked(ti, from, to, &err);
}

/* Translations from the extent at start on, as long as there is no hole. */
static unsigned emit_locked(struct tmpfs_inode *ti, uint64_t start, uint64_t lo, uint64_t hi,
			    struct translation *out, unsigned max)
{
	struct tmpfs_extent *e = tmpfs_extent_at(ti, start);
	uint64_t pos = e ? MAX(lo, e->range.start) : start;
	int perms = MAP_R | MAP_X | (atomic_load(&ti->data.seals) & F_SEAL_WRITE ? 0 : MAP_W);
	unsigned count = 0;

	while (e && count < max && pos < hi && e->range.start <= pos) {
		out[count++] = (struct translation){
			.start = pos,
			.end = MIN(e->range.end, hi),
			.file = memfile_mapfile(tmpfs_super_of(ti)->mf),
			.offset = e->offset + (pos - e->range.start),
			.perms = perms,
		};
		pos = MIN(e->range.end, hi);
		e = pos < hi ? tmpfs_extent_at(ti, pos) : NULL;
	}
	return count;
}

static int tmpfs_translate(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			   fileoff_t opt_end, int access, struct translation *out, unsigned max,
			   unsigned *count)
{
	struct tmpfs_inode *ti = inode_of(m);
	uint64_t limit, hi, need;
	int r = 0;

	*count = 0;
	if ((access & MAP_W) && (atomic_load(&ti->data.seals) & F_SEAL_WRITE))
		return -EPERM;
	rwlock_write(&ti->data.data_lock);
	limit = page_up(ti->data.size);
	need = MIN(end, limit);
	hi = MIN(opt_end, limit);
	if (start < need) {
		hi = MIN(hi, MAX(tmpfs_fill_locked(ti, start, need, &r), start));
		if (r == 0) {
			hi = MIN(opt_end, limit);
			fill_around_locked(ti, start, need, opt_start, hi);
		}
		if (hi > start)
			*count = emit_locked(ti, start, opt_start, hi, out, max);
	}
	rwlock_write_unlock(&ti->data.data_lock);
	if (r == 0 && need < end)
		r = -EFAULT;
	/* Out of room in out[]: the caller asks again for the rest. */
	if (r == 0 && (*count == 0 || out[*count - 1].end < end))
		r = -ENOMEM;
	return r;
}

static int tmpfs_map_punch(struct mappable *m, fileoff_t off, uint64_t size)
{
	return tmpfs_punch(inode_of(m), off, off + size);
}

static size_t tmpfs_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev,
			     uint64_t *ino)
{
	struct inode *inode = &inode_of(m)->inode;

	*dev = inode->sb->dev;
	*ino = inode->ino;
	return inode_name(inode, buf, size);
}

const struct mappable_ops tmpfs_mappable_ops = {
	.get = tmpfs_map_get,
	.put = tmpfs_map_put,
	.add_mapping = tmpfs_add_mapping,
	.remove_mapping = tmpfs_remove_mapping,
	.copy_mapping = tmpfs_copy_mapping,
	.translate = tmpfs_translate,
	.punch = tmpfs_map_punch,
	.describe = tmpfs_describe,
};
