/*
 * Overlay files as mappables: what is mapped is the mappable of one side, under
 * the overlay's own name and numbers. Each side has a mappable of its own in the
 * onode, so a mapping keeps the side that it was made of.
 *
 * The real one keeps the reverse mappings and invalidates them by itself; this
 * one holds no state and takes no lock.
 */
#include "fs/overlay/internal.h"

static struct side_map *side_of(struct mappable *m)
{
	return container_of(m, struct side_map, mappable);
}

static struct mappable *real_of(struct mappable *m)
{
	return atomic_load_explicit(&side_of(m)->real, memory_order_acquire);
}

static void overlay_map_get(struct mappable *m)
{
	inode_get(&side_of(m)->onode->inode);
}

static void overlay_map_put(struct mappable *m)
{
	inode_put(&side_of(m)->onode->inode);
}

static int overlay_add_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr,
			       uint64_t size, fileoff_t off, bool writable)
{
	struct mappable *real = real_of(m);

	return real->ops->add_mapping(real, ms, addr, size, off, writable);
}

static void overlay_remove_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr,
				   uint64_t size, fileoff_t off, bool writable)
{
	struct mappable *real = real_of(m);

	real->ops->remove_mapping(real, ms, addr, size, off, writable);
}

static int overlay_copy_mapping(struct mappable *m, struct mapping_space *ms, gva_t src, gva_t dst,
				uint64_t size, fileoff_t off, bool writable)
{
	struct mappable *real = real_of(m);

	return real->ops->copy_mapping(real, ms, src, dst, size, off, writable);
}

static int overlay_translate(struct mappable *m, fileoff_t start, fileoff_t end,
			     fileoff_t opt_start, fileoff_t opt_end, int access,
			     struct translation *out, unsigned max, unsigned *count)
{
	struct mappable *real = real_of(m);

	return real->ops->translate(real, start, end, opt_start, opt_end, access, out, max, count);
}

static int overlay_punch(struct mappable *m, fileoff_t off, uint64_t size)
{
	struct mappable *real = real_of(m);

	return real->ops->punch ? real->ops->punch(real, off, size) : -EOPNOTSUPP;
}

static int overlay_invalidate_unsavable(struct mappable *m)
{
	struct mappable *real = real_of(m);

	return real->ops->invalidate_unsavable ? real->ops->invalidate_unsavable(real) : 0;
}

static int overlay_map_sync(struct mappable *m, fileoff_t off, uint64_t size)
{
	struct mappable *real = real_of(m);

	return real->ops->sync ? real->ops->sync(real, off, size) : 0;
}

static size_t overlay_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev,
			       uint64_t *ino)
{
	struct onode *o = side_of(m)->onode;

	*dev = o->dev;
	*ino = o->inode.ino;
	return inode_name(&o->inode, buf, size);
}

static const struct mappable_ops overlay_mappable_ops = {
	.get = overlay_map_get,
	.put = overlay_map_put,
	.add_mapping = overlay_add_mapping,
	.remove_mapping = overlay_remove_mapping,
	.copy_mapping = overlay_copy_mapping,
	.translate = overlay_translate,
	.punch = overlay_punch,
	.invalidate_unsavable = overlay_invalidate_unsavable,
	.sync = overlay_map_sync,
	.describe = overlay_describe,
};

void onode_maps_init(struct onode *o)
{
	for (int i = 0; i < 2; i++) {
		o->maps[i].mappable.ops = &overlay_mappable_ops;
		o->maps[i].onode = o;
		atomic_init(&o->maps[i].real, NULL);
	}
}

struct mappable *onode_mappable(struct onode *o, struct mappable *real, bool is_upper)
{
	struct side_map *s = &o->maps[is_upper];

	/* It is the same each time: the real inode's own. */
	atomic_store_explicit(&s->real, real, memory_order_release);
	return &s->mappable;
}
