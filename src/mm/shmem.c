/*
 * Shared memory objects: what MAP_SHARED | MAP_ANONYMOUS and SysV shm map. A
 * fixed size, backed by the memory file in extents that are made when a page of
 * them is first asked for; the object holds one reference on each, mappings
 * more. Nothing is ever invalidated, so no reverse mappings are kept.
 */
#include "mm/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/pool.h"

struct shmem_extent {
	struct ivnode node; /* of the object */
	uint64_t offset;    /* in the memory file */
};

/* [I] immutable, [l] lock */
struct shmem {
	struct mappable mappable;
	struct refcount refs;
	struct mutex lock;    /* LOCK_INODE_DATA */
	struct memfile *mf;   /* [I] */
	uint64_t size;        /* [I] */
	uint64_t ino;         /* [I] */
	char name[48];        /* [I] */
	struct ivmap extents; /* [l] */
};

static POOL_DEFINE(shmem_pool, struct shmem);
static POOL_DEFINE(shmem_extent_pool, struct shmem_extent);

/* The device that Linux shows for its own internal mount. */
#define SHMEM_DEV 1

static struct shmem *shmem_of(struct mappable *m)
{
	return container_of(m, struct shmem, mappable);
}

static struct shmem_extent *extent_of(struct ivnode *n)
{
	return ivmap_entry(n, struct shmem_extent, node);
}

static void shmem_get(struct mappable *m)
{
	refcount_get(&shmem_of(m)->refs);
}

static void shmem_put(struct mappable *m)
{
	struct shmem *s = shmem_of(m);
	struct ivnode *n;

	if (!refcount_put(&s->refs))
		return;
	while ((n = ivmap_first(&s->extents))) {
		ivmap_remove(&s->extents, n);
		memfile_decref(s->mf, extent_of(n)->offset, n->end - n->start);
		pool_free(&shmem_extent_pool, extent_of(n));
	}
	pool_free(&shmem_pool, s);
}

static int shmem_add_mapping(struct mappable *m UNUSED, struct mapping_space *ms UNUSED,
			     gva_t addr UNUSED, uint64_t size UNUSED, fileoff_t off UNUSED,
			     bool writable UNUSED)
{
	return 0;
}

static void shmem_remove_mapping(struct mappable *m UNUSED, struct mapping_space *ms UNUSED,
				 gva_t addr UNUSED, uint64_t size UNUSED, fileoff_t off UNUSED,
				 bool writable UNUSED)
{
}

static int shmem_copy_mapping(struct mappable *m UNUSED, struct mapping_space *ms UNUSED,
			      gva_t src UNUSED, gva_t dst UNUSED, uint64_t size UNUSED,
			      fileoff_t off UNUSED, bool writable UNUSED)
{
	return 0;
}

/* The extent at off, made if need be: the aligned piece, or all of a small
 * object. */
static int extent_at_locked(struct shmem *s, fileoff_t off, struct shmem_extent **out)
{
	struct ivnode *n = ivmap_find(&s->extents, off);
	struct shmem_extent *x;
	int err;

	if (n) {
		*out = extent_of(n);
		return 0;
	}
	if (memfile_is_exhausted(s->mf))
		return -ENOMEM;
	x = pool_alloc(&shmem_extent_pool);
	if (!x)
		return -ENOMEM;
	x->node.start = off & ~(EXTENT_MAX - 1);
	x->node.end = MIN(s->size, x->node.start + EXTENT_MAX);
	err = memfile_alloc(s->mf, x->node.end - x->node.start, MEMFILE_SHARED, MEMFILE_HUGE,
			    &x->offset);
	if (!err)
		err = ivmap_insert(&s->extents, &x->node);
	if (err) {
		pool_free(&shmem_extent_pool, x);
		return err;
	}
	*out = x;
	return 0;
}

static int shmem_translate(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			   fileoff_t opt_end, int access UNUSED, struct translation *out,
			   unsigned max, unsigned *count)
{
	struct shmem *s = shmem_of(m);
	fileoff_t at = start, stop = MIN(end, s->size);
	unsigned n = 0;
	int err = 0;

	mutex_lock(&s->lock);
	while (at < stop && n < max && !err) {
		struct shmem_extent *x = NULL;
		struct translation *t = &out[n];

		err = extent_at_locked(s, at, &x);
		if (err)
			break;
		t->start = n ? x->node.start : MAX(opt_start, x->node.start);
		t->end = MIN(opt_end, x->node.end);
		t->file = memfile_mapfile(s->mf);
		t->offset = x->offset + (t->start - x->node.start);
		t->perms = MAP_R | MAP_W | MAP_X;
		at = t->end;
		n++;
	}
	mutex_unlock(&s->lock);
	*count = n;
	if (!err && at < end)
		err = at < stop ? -ENOMEM : -EFAULT;
	return err;
}

static int shmem_sync(struct mappable *m UNUSED, fileoff_t off UNUSED, uint64_t size UNUSED)
{
	return 0;
}

static int shmem_punch(struct mappable *m, fileoff_t off, uint64_t size)
{
	struct shmem *s = shmem_of(m);
	fileoff_t end = off + size;

	mutex_lock(&s->lock);
	for (struct ivnode *n = ivmap_lower_bound(&s->extents, off); n && n->start < end;
	     n = ivmap_next(n)) {
		fileoff_t lo = MAX(off, n->start), hi = MIN(end, n->end);

		memfile_decommit(s->mf, extent_of(n)->offset + (lo - n->start), hi - lo);
	}
	mutex_unlock(&s->lock);
	return 0;
}

static size_t shmem_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev,
			     uint64_t *ino)
{
	const struct shmem *s = shmem_of(m);

	*dev = SHMEM_DEV;
	*ino = s->ino;
	return (size_t)snprintf(buf, size, "%s", s->name);
}

static const struct mappable_ops shmem_ops = {
	.get = shmem_get,
	.put = shmem_put,
	.add_mapping = shmem_add_mapping,
	.remove_mapping = shmem_remove_mapping,
	.copy_mapping = shmem_copy_mapping,
	.translate = shmem_translate,
	.punch = shmem_punch,
	.sync = shmem_sync,
	.describe = shmem_describe,
};

int mm_shmem_create(struct memfile *mf, uint64_t size, const char *name, struct mappable **out)
{
	static _Atomic uint64_t next_ino = 1;
	struct shmem *s = pool_alloc(&shmem_pool);

	*out = NULL;
	if (!s)
		return -ENOMEM;
	ASSERT(size && !(size & ~PAGE_MASK));
	s->mappable.ops = &shmem_ops;
	refcount_init(&s->refs, 1);
	mutex_init(&s->lock, LOCK_INODE_DATA);
	s->mf = mf;
	s->size = size;
	s->ino = atomic_fetch_add(&next_ino, 1);
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	ivmap_init(&s->extents);
	*out = &s->mappable;
	return 0;
}

uint64_t mm_shmem_resident(struct mappable *m)
{
	struct shmem *s = shmem_of(m);
	uint64_t sum = 0;

	mutex_lock(&s->lock);
	ivmap_for_each(n, &s->extents)
		sum += memfile_resident(s->mf, extent_of(n)->offset, n->end - n->start);
	mutex_unlock(&s->lock);
	return sum;
}
