/*
 * What mmap maps of a ring: the region that the offset names. Only memory of our own
 * can be mapped; what the guest has brought it has.
 *
 * A mapping holds the file. A region may go while it is mapped (a buffer ring that is
 * unregistered, rings that are resized): the mapping keeps its pages, by references
 * of its own. Between the translation and the taking of that reference a fault holds
 * its address space's lock; who takes a region away passes through all these locks
 * (map_barrier) before it frees.
 */
#include <stdio.h>

#include "uring/internal.h"
#include "uring/kbuf.h"
#include "uring/setup.h"

static struct ring *ring_of_mappable(struct mappable *m)
{
	return container_of(m, struct ring, mappable);
}

static void map_get(struct mappable *m)
{
	file_get(ring_of_mappable(m)->file);
}

static void map_put(struct mappable *m)
{
	file_put(ring_of_mappable(m)->file);
}

static bool region_find_locked(struct ring *r, fileoff_t off, fileoff_t *start, uint64_t *mf_offset,
			       uint64_t *size)
{
	const struct region *rg = NULL;

	*start = off & IORING_OFF_MMAP_MASK;
	switch (*start) {
	case IORING_OFF_SQ_RING:
	case IORING_OFF_CQ_RING:
		rg = &r->layout.rings;
		break;
	case IORING_OFF_SQES:
		rg = &r->layout.sqes;
		break;
	case IORING_OFF_PBUF_RING:
		rg = kbuf_ring_region_locked(r, (unsigned)((off & ~IORING_OFF_MMAP_MASK) >>
							   IORING_OFF_PBUF_SHIFT));
		*start = off & ~(((fileoff_t)1 << IORING_OFF_PBUF_SHIFT) - 1);
		break;
	default:
		break;
	}
	/* Within the mask of the entries' own offset. */
	if (off >= IORING_OFF_PARAM_REGION && off < IORING_OFF_PARAM_REGION + r->param.buf.size) {
		rg = &r->param;
		*start = IORING_OFF_PARAM_REGION;
	}
	if (!rg || !region_exists(rg) || rg->pin)
		return false;
	*mf_offset = rg->offset;
	*size = rg->buf.size;
	return true;
}

/* The memory file's range for what mmap's offset names. False: there is nothing. */
static bool region_at(struct ring *r, fileoff_t off, fileoff_t *start, uint64_t *mf_offset,
		      uint64_t *size)
{
	bool found;

	mutex_lock(&r->lock);
	found = region_find_locked(r, off, start, mf_offset, size);
	mutex_unlock(&r->lock);
	return found;
}

void map_barrier(struct ring *r)
{
	mutex_lock(&r->maps_lock);
	mapping_set_barrier(&r->maps);
	mutex_unlock(&r->maps_lock);
}

static int map_add(struct mappable *m, struct mapping_space *ms, gva_t addr, uint64_t size,
		   fileoff_t off, bool writable)
{
	struct ring *r = ring_of_mappable(m);
	uint64_t mf_offset, all;
	fileoff_t start;

	/* A longer mapping is one whose rest has no pages. */
	if (!region_at(r, off, &start, &mf_offset, &all))
		return -ENOMEM;
	return mapping_set_add_under(&r->maps_lock, &r->maps, ms, addr, size, off, writable);
}

static void map_remove(struct mappable *m, struct mapping_space *ms, gva_t addr, uint64_t size,
		       fileoff_t off, bool writable)
{
	struct ring *r = ring_of_mappable(m);

	mapping_set_remove_under(&r->maps_lock, &r->maps, ms, addr, size, off, writable);
}

static int map_copy(struct mappable *m, struct mapping_space *ms, gva_t src UNUSED, gva_t dst,
		    uint64_t size, fileoff_t off, bool writable)
{
	struct ring *r = ring_of_mappable(m);

	return mapping_set_add_under(&r->maps_lock, &r->maps, ms, dst, size, off, writable);
}

static int map_translate(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			 fileoff_t opt_end, int access UNUSED, struct translation *out,
			 unsigned max, unsigned *count)
{
	struct ring *r = ring_of_mappable(m);
	uint64_t mf_offset, all;
	fileoff_t base;

	*count = 0;
	if (!max || !region_at(r, start, &base, &mf_offset, &all) || start >= base + all)
		return -EFAULT;
	out->start = MAX(opt_start, base);
	out->end = MIN(opt_end, base + all);
	out->file = memfile_mapfile(r->kernel->memfile);
	out->offset = mf_offset + (out->start - base);
	out->perms = MAP_R | MAP_W;
	*count = 1;
	return out->end < end ? -EFAULT : 0;
}

static size_t map_describe(struct mappable *m UNUSED, char *buf, size_t size, uint64_t *dev,
			   uint64_t *ino)
{
	*dev = *ino = 0;
	return (size_t)snprintf(buf, size, "anon_inode:[io_uring]");
}

const struct mappable_ops ring_mappable_ops = {
	.get = map_get,
	.put = map_put,
	.add_mapping = map_add,
	.remove_mapping = map_remove,
	.copy_mapping = map_copy,
	.translate = map_translate,
	.describe = map_describe,
};
