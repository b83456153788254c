/* Shared anonymous memory: a mappable that is one range of the memory file. */
#include <stdio.h>

#include "mm/internal.h"

struct shmem {
	struct mappable mappable;
	struct refcount refs;
	struct memfile *mf;
	uint64_t offset, size;
};

POOL_DEFINE(shmem_pool, struct shmem);

static struct shmem *shmem_of(struct mappable *m)
{
	return container_of(m, struct shmem, mappable);
}

static void shmem_get(struct mappable *m)
{
	refcount_get(&shmem_of(m)->refs);
}

static void shmem_put(struct mappable *m)
{
	struct shmem *s = shmem_of(m);

	if (!refcount_put(&s->refs))
		return;
	memfile_decref(s->mf, s->offset, s->size);
	pool_free(&shmem_pool, s);
}

static int shmem_add_mapping(struct mappable *m UNUSED, struct mapping_space *ms UNUSED, gva_t addr UNUSED,
			     uint64_t size UNUSED, fileoff_t off UNUSED, bool writable UNUSED)
{
	return 0; /* it never changes what an offset means */
}

static void shmem_remove_mapping(struct mappable *m UNUSED, struct mapping_space *ms UNUSED,
				 gva_t addr UNUSED, uint64_t size UNUSED, fileoff_t off UNUSED,
				 bool writable UNUSED)
{
}

static int shmem_copy_mapping(struct mappable *m UNUSED, struct mapping_space *ms UNUSED, gva_t src UNUSED,
			      gva_t dst UNUSED, uint64_t size UNUSED, fileoff_t off UNUSED,
			      bool writable UNUSED)
{
	return 0;
}

static int shmem_translate(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			   fileoff_t opt_end, int access UNUSED, struct translation *out, unsigned max UNUSED,
			   unsigned *count)
{
	struct shmem *s = shmem_of(m);

	*count = 0;
	if (start >= s->size)
		return -EFAULT;
	out[0].start = opt_start;
	out[0].end = MIN(opt_end, s->size);
	out[0].file = memfile_mapfile(s->mf);
	out[0].offset = s->offset + opt_start;
	out[0].perms = MAP_R | MAP_W | MAP_X;
	*count = 1;
	return end > s->size ? -EFAULT : 0;
}

static size_t shmem_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev, uint64_t *ino)
{
	*dev = 1;
	*ino = shmem_of(m)->offset >> PAGE_SHIFT;
	return (size_t)snprintf(buf, size, "/dev/zero (deleted)");
}

static const struct mappable_ops shmem_ops = {
	.get = shmem_get,
	.put = shmem_put,
	.add_mapping = shmem_add_mapping,
	.remove_mapping = shmem_remove_mapping,
	.copy_mapping = shmem_copy_mapping,
	.translate = shmem_translate,
	.describe = shmem_describe,
};

struct mappable *shmem_create(struct memfile *mf, uint64_t size)
{
	struct shmem *s = pool_alloc(&shmem_pool);

	if (!s)
		return NULL;
	if (memfile_alloc(mf, size, MEMFILE_SHARED, MEMFILE_HUGE, &s->offset) < 0) {
		pool_free(&shmem_pool, s);
		return NULL;
	}
	s->mappable.ops = &shmem_ops;
	refcount_init(&s->refs, 1);
	s->mf = mf;
	s->size = size;
	return &s->mappable;
}
