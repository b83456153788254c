/*
 * Host files as mapfiles.
 *
 * Guests map the descriptor itself. We need a view of our own only to copy
 * from it (copy-on-write, system calls whose buffers lie in a mapped file):
 * chunks, mapped when first needed, found by offset, kept until the last
 * reference goes. The file may be truncated at any time: whoever touches a chunk
 * does it with safecopy.
 *
 * Address space is plentiful, but the host gives a process 65,530 mappings, and
 * guests choose how much of how many files we look at. So a file's chunks grow: the
 * first 32 are of 2 MiB, the next 32 each 32 times as large, and so on. A file of any
 * size gets by with some 160, and all files together with CHUNKS_MAX: beyond, what would
 * need another is -ENOMEM. (To drop chunks earlier would take a way to know that
 * nobody copies from them.)
 *
 * References are counted per object: one for each page that a mapping holds and
 * one for each hostmap_get(), in one sum, because mappings are split and
 * joined without asking us.
 */
#include "memfile/internal.h"

#include <sys/mman.h>

#include "base/pool.h"

#define CHUNK_MIN ((uint64_t)2 << 20)
#define CHUNK_SHIFT_MAX 20u /* of CHUNK_MIN: 2 TiB */
#define CHUNKS_OF_A_SIZE 32u
#define CHUNK_GROWTH_SHIFT 5u /* each size is so many powers of two larger */
#define CHUNKS_MAX 16384u     /* of all files */

struct chunk {
	struct ivnode node;
	uint8_t *base;
};

/* [I] immutable, [l] lock, [a] atomic */
struct hostmap {
	struct mapfile file;
	struct mutex lock;     /* LOCK_HOSTMAP */
	_Atomic uint64_t refs; /* [a] */
	int fd;                /* [I] borrowed */
	bool writable;         /* [I] */
	struct ivmap chunks;   /* [l] */
	void (*release)(void *arg);
	void *arg;
};

IVMAP_TYPE(chunks, struct chunk, node);

static atomic_uint nchunks; /* of all files */

static POOL_DEFINE(hostmap_chunk_pool, struct chunk);
static POOL_DEFINE(hostmap_pool, struct hostmap);

static struct hostmap *hostmap_of(struct mapfile *f)
{
	return container_of(f, struct hostmap, file);
}

/* ---- references ---- */

static void refs_add(struct hostmap *hm, uint64_t n)
{
	uint64_t old = atomic_fetch_add_explicit(&hm->refs, n, memory_order_relaxed);

	ASSERT(old);
}

static struct chunk *chunk_alloc(void)
{
	struct chunk *c = NULL;

	if (atomic_fetch_add(&nchunks, 1) < CHUNKS_MAX)
		c = pool_alloc(&hostmap_chunk_pool);
	if (!c)
		atomic_fetch_sub(&nchunks, 1);
	return c;
}

static void chunk_free(struct chunk *c)
{
	atomic_fetch_sub(&nchunks, 1);
	pool_free(&hostmap_chunk_pool, c);
}

static void hostmap_free(struct hostmap *hm)
{
	void (*release)(void *arg) = hm->release;
	void *arg = hm->arg;
	struct chunk *c;

	while ((c = chunks_first(&hm->chunks))) {
		ivmap_remove(&hm->chunks, &c->node);
		host_munmap(c->base, c->node.end - c->node.start);
		chunk_free(c);
	}
	pool_free(&hostmap_pool, hm);
	if (release)
		release(arg);
}

static void refs_sub(struct hostmap *hm, uint64_t n)
{
	uint64_t old = atomic_fetch_sub_explicit(&hm->refs, n, memory_order_acq_rel);

	ASSERT(old >= n);
	if (old == n)
		hostmap_free(hm);
}

static void hostmap_incref(struct mapfile *f, uint64_t offset UNUSED, uint64_t size)
{
	refs_add(hostmap_of(f), size / PAGE_SIZE);
}

static void hostmap_decref(struct mapfile *f, uint64_t offset UNUSED, uint64_t size)
{
	refs_sub(hostmap_of(f), size / PAGE_SIZE);
}

void hostmap_get(struct hostmap *hm)
{
	refs_add(hm, 1);
}

void hostmap_put(struct hostmap *hm)
{
	if (hm)
		refs_sub(hm, 1);
}

/* ---- our view ---- */

/* The range around offset, of `size` and aligned so, that no chunk has yet. */
static void chunk_place(const struct hostmap *hm, struct chunk *c, uint64_t offset, uint64_t size)
{
	const struct chunk *below = chunks_upto(&hm->chunks, offset);
	const struct chunk *above = chunks_from(&hm->chunks, offset);

	c->node.start = offset & ~(size - 1);
	c->node.end = c->node.start + size;
	if (below)
		c->node.start = MAX(c->node.start, below->node.end);
	if (above)
		c->node.end = MIN(c->node.end, above->node.start);
}

static int chunk_map(const struct hostmap *hm, struct chunk *c, uint64_t offset, uint64_t size)
{
	int prot = PROT_READ | (hm->writable ? PROT_WRITE : 0), err;
	void *at;

	chunk_place(hm, c, offset, size);
	err = host_mmap(NULL, c->node.end - c->node.start, prot, MAP_SHARED, hm->fd, c->node.start,
			&at);
	c->base = at;
	return err;
}

static int chunk_create_locked(struct hostmap *hm, uint64_t offset, struct chunk **out)
{
	unsigned step = (unsigned)(hm->chunks.count / CHUNKS_OF_A_SIZE) * CHUNK_GROWTH_SHIFT;
	unsigned shift = MIN(step, CHUNK_SHIFT_MAX);
	struct chunk *c = chunk_alloc();
	int err;

	if (!c)
		return -ENOMEM;
	err = chunk_map(hm, c, offset, CHUNK_MIN << shift);
	while (err && shift) { /* no such room, or past the largest offset */
		shift -= CHUNK_GROWTH_SHIFT;
		err = chunk_map(hm, c, offset, CHUNK_MIN << shift);
	}
	if (err) {
		chunk_free(c);
		return err;
	}
	err = ivmap_insert(&hm->chunks, &c->node);
	ASSERT(err == 0);
	*out = c;
	return 0;
}

static int chunk_get_locked(struct hostmap *hm, uint64_t offset, struct chunk **out)
{
	*out = chunks_at(&hm->chunks, offset);
	return *out ? 0 : chunk_create_locked(hm, offset, out);
}

static int hostmap_map_internal(struct mapfile *f, uint64_t offset, uint64_t size, int prot,
				struct block *blk, unsigned max)
{
	struct hostmap *hm = hostmap_of(f);
	unsigned n = 0;
	int err = 0;

	if ((prot & MAP_W) && !hm->writable)
		return -EACCES;
	mutex_lock(&hm->lock);
	while (size && n < max) {
		struct chunk *c;
		uint64_t step;

		err = chunk_get_locked(hm, offset, &c);
		if (err)
			break;
		step = MIN(size, c->node.end - offset);
		blk[n].base = c->base + (offset - c->node.start);
		blk[n].size = step;
		n++;
		offset += step;
		size -= step;
	}
	mutex_unlock(&hm->lock);
	return n ? (int)n : err;
}

static int hostmap_fd(struct mapfile *f)
{
	return hostmap_of(f)->fd;
}

static const struct mapfile_ops hostmap_ops = {
	.incref = hostmap_incref,
	.decref = hostmap_decref,
	.map_internal = hostmap_map_internal,
	.fd = hostmap_fd,
};

int hostmap_create(int fd, bool writable, struct hostmap **out)
{
	struct hostmap *hm = pool_alloc(&hostmap_pool);

	*out = hm;
	if (!hm)
		return -ENOMEM;
	hm->file.ops = &hostmap_ops;
	mutex_init(&hm->lock, LOCK_HOSTMAP);
	atomic_init(&hm->refs, 1);
	hm->fd = fd;
	hm->writable = writable;
	ivmap_init(&hm->chunks);
	return 0;
}

void hostmap_set_release(struct hostmap *hm, void (*release)(void *arg), void *arg)
{
	hm->release = release;
	hm->arg = arg;
}

struct mapfile *hostmap_mapfile(struct hostmap *hm)
{
	return &hm->file;
}
