/*
 * Host files as mapfiles.
 *
 * Guests map the descriptor itself. We need a view of our own only to copy
 * from it (copy-on-write, system calls whose buffers lie in a mapped file):
 * chunks of 2 MiB, mapped when first needed, found by offset, kept until the
 * last reference goes; address space is plentiful, and a chunk costs nothing
 * but a host mapping. The file may be truncated at any time: whoever touches a
 * chunk does it with safecopy.
 *
 * References are counted per object: one for each page that a mapping holds and
 * one for each hostmap_get(), in one sum, because mappings are split and
 * joined without asking us.
 */
#include "memfile/internal.h"

#include <sys/mman.h>

#include "base/pool.h"

#define CHUNK_SIZE ((uint64_t)2 << 20)

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

static void hostmap_free(struct hostmap *hm)
{
	void (*release)(void *arg) = hm->release;
	void *arg = hm->arg;
	struct ivnode *n;

	while ((n = ivmap_first(&hm->chunks))) {
		struct chunk *c = ivmap_entry(n, struct chunk, node);

		ivmap_remove(&hm->chunks, n);
		host_munmap(c->base, CHUNK_SIZE);
		pool_free(&hostmap_chunk_pool, c);
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

static int chunk_create(struct hostmap *hm, uint64_t start, struct chunk **out)
{
	struct chunk *c = pool_alloc(&hostmap_chunk_pool);
	void *at;
	int err;

	if (!c)
		return -ENOMEM;
	err = host_mmap(NULL, CHUNK_SIZE, PROT_READ | (hm->writable ? PROT_WRITE : 0), MAP_SHARED,
			hm->fd, start, &at);
	if (err) {
		pool_free(&hostmap_chunk_pool, c);
		return err;
	}
	c->base = at;
	c->node.start = start;
	c->node.end = start + CHUNK_SIZE;
	err = ivmap_insert(&hm->chunks, &c->node);
	ASSERT(err == 0);
	*out = c;
	return 0;
}

static int chunk_get_locked(struct hostmap *hm, uint64_t offset, struct chunk **out)
{
	struct ivnode *n = ivmap_find(&hm->chunks, offset);

	if (!n)
		return chunk_create(hm, offset & ~(CHUNK_SIZE - 1), out);
	*out = ivmap_entry(n, struct chunk, node);
	return 0;
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
