/*
 * Host files as mapfiles. Our own view of one is made of 2 MiB chunks, mapped
 * when a copy needs them and kept until the last reference goes.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "base/pool.h"
#include "base/refcount.h"
#include "host/host.h"
#include "memfile/memfile.h"

#define CHUNK ((uint64_t)2 << 20)

struct chunk {
	struct ivnode node;
	uint8_t *base;
};

POOL_DEFINE(chunk_pool, struct chunk);

struct hostmap {
	struct mapfile file;
	struct refcount refs;
	struct mutex lock;
	int fd;
	bool writable;
	struct ivmap chunks; /* [l] */
	void (*release)(void *arg);
	void *arg;
};

POOL_DEFINE(hostmap_pool, struct hostmap);

static struct hostmap *hostmap_of(struct mapfile *f)
{
	return container_of(f, struct hostmap, file);
}

static void hostmap_incref(struct mapfile *f, uint64_t offset UNUSED, uint64_t size UNUSED)
{
	hostmap_get(hostmap_of(f));
}

static void hostmap_decref(struct mapfile *f, uint64_t offset UNUSED, uint64_t size UNUSED)
{
	hostmap_put(hostmap_of(f));
}

static struct chunk *chunk_get_locked(struct hostmap *hm, uint64_t offset)
{
	struct ivnode *n = ivmap_find(&hm->chunks, offset);
	struct chunk *c;
	void *at;

	if (n)
		return ivmap_entry(n, struct chunk, node);
	c = pool_alloc(&chunk_pool);
	if (!c)
		return NULL;
	c->node.start = offset & ~(CHUNK - 1);
	c->node.end = c->node.start + CHUNK;
	if (host_mmap(NULL, CHUNK, PROT_READ | (hm->writable ? PROT_WRITE : 0), MAP_SHARED, hm->fd,
		      c->node.start, &at) < 0 ||
	    ivmap_insert(&hm->chunks, &c->node) < 0) {
		pool_free(&chunk_pool, c);
		return NULL;
	}
	c->base = at;
	return c;
}

static int hostmap_map_internal(struct mapfile *f, uint64_t offset, uint64_t size, int prot,
				struct block *blk, unsigned max)
{
	struct hostmap *hm = hostmap_of(f);
	unsigned n = 0;

	if ((prot & MAP_W) && !hm->writable)
		return -EACCES;
	mutex_lock(&hm->lock);
	while (size && n < max) {
		struct chunk *c = chunk_get_locked(hm, offset);
		uint64_t step;

		if (!c)
			break;
		step = MIN(size, c->node.end - offset);
		blk[n].base = c->base + (offset - c->node.start);
		blk[n++].size = step;
		offset += step;
		size -= step;
	}
	mutex_unlock(&hm->lock);
	return n ? (int)n : -ENOMEM;
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
	refcount_init(&hm->refs, 1);
	mutex_init(&hm->lock, LOCK_HOSTMAP);
	hm->fd = fd;
	hm->writable = writable;
	return 0;
}

void hostmap_get(struct hostmap *hm)
{
	refcount_get(&hm->refs);
}

void hostmap_put(struct hostmap *hm)
{
	void (*release)(void *arg);
	void *arg;

	if (!hm || !refcount_put(&hm->refs))
		return;
	while (hm->chunks.root) {
		struct chunk *c = ivmap_entry(ivmap_first(&hm->chunks), struct chunk, node);

		ivmap_remove(&hm->chunks, &c->node);
		host_munmap(c->base, CHUNK);
		pool_free(&chunk_pool, c);
	}
	release = hm->release;
	arg = hm->arg;
	pool_free(&hostmap_pool, hm);
	if (release)
		release(arg);
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
