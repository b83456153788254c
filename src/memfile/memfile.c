/*
 * The memory file: offset space, references, accounting.
 *
 * live: an interval map of struct range {refs, kind}: neighbours with equal
 * refs and kind are merged where a change made them equal. Free space is what
 * live does not cover; it is always punched out, so invariant 1 needs no
 * clearing.
 */
#include "memfile/memfile.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/pool.h"
#include "host/host.h"

#define HUGE_SIZE ((uint64_t)2 << 20)

struct range {
	struct ivnode node;
	unsigned refs;
	enum memfile_kind kind;
};

POOL_DEFINE(range_pool, struct range);

struct memfile {
	struct mapfile file;
	struct mutex lock;
	int fd;
	uint8_t *base;
	uint64_t size, limit;
	struct ivmap live;                 /* [m] */
	uint64_t allocated[MEMFILE_KINDS]; /* [m] */
	uint64_t peak;                     /* [m] as of the last look */
	struct list owners;                /* [m] */
};

static struct memfile *memfile_of(struct mapfile *f)
{
	return container_of(f, struct memfile, file);
}

static struct range *range_of(struct ivnode *n)
{
	return n ? ivmap_entry(n, struct range, node) : NULL;
}

/* ---- the mapfile ---- */

static void mapfile_incref(struct mapfile *f, uint64_t offset, uint64_t size)
{
	memfile_incref(memfile_of(f), offset, size);
}

static void mapfile_decref(struct mapfile *f, uint64_t offset, uint64_t size)
{
	memfile_decref(memfile_of(f), offset, size);
}

static int mapfile_map_internal(struct mapfile *f, uint64_t offset, uint64_t size, int prot UNUSED,
				struct block *blk, unsigned max)
{
	if (!max)
		return 0;
	blk[0].base = memfile_addr(memfile_of(f), offset);
	blk[0].size = size;
	return 1;
}

static int mapfile_fd(struct mapfile *f)
{
	return memfile_of(f)->fd;
}

static const struct mapfile_ops memfile_ops = {
	.incref = mapfile_incref,
	.decref = mapfile_decref,
	.map_internal = mapfile_map_internal,
	.fd = mapfile_fd,
};

/* ---- bring-up ---- */

static uint64_t host_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * PAGE_SIZE;
}

/* As large as the address space gives; sparse, so it costs nothing. */
static int map_whole(struct memfile *mf)
{
	void *at;

	for (mf->size = (uint64_t)8 << 40; mf->size >= (uint64_t)1 << 32; mf->size >>= 1) {
		int r = host_ftruncate(mf->fd, mf->size);

		if (r < 0)
			continue;
		r = host_mmap(NULL, mf->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, mf->fd, 0, &at);
		if (r == 0) {
			mf->base = at;
			return 0;
		}
	}
	return -ENOMEM;
}

int memfile_create(uint64_t limit, struct memfile **out)
{
	struct memfile *mf = calloc(1, sizeof(*mf));
	int r;

	*out = NULL;
	if (!mf)
		return -ENOMEM;
	mf->file.ops = &memfile_ops;
	mutex_init(&mf->lock, LOCK_MEMFILE);
	ivmap_init(&mf->live);
	list_init(&mf->owners);
	mf->limit = limit ? limit : host_memory();
	mf->fd = host_memfd_create("nacre-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	r = mf->fd < 0 ? mf->fd : map_whole(mf);
	if (r == 0)
		r = host_fcntl(mf->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	if (r < 0) {
		memfile_destroy(mf);
		return r;
	}
	*out = mf;
	return 0;
}

void memfile_destroy(struct memfile *mf)
{
	if (!mf)
		return;
	while (mf->live.root) {
		struct range *r = range_of(ivmap_first(&mf->live));

		ivmap_remove(&mf->live, &r->node);
		pool_free(&range_pool, r);
	}
	if (mf->base)
		host_munmap(mf->base, mf->size);
	if (mf->fd >= 0)
		host_close(mf->fd);
	free(mf);
}

struct mapfile *memfile_mapfile(struct memfile *mf)
{
	return &mf->file;
}

int memfile_fd(const struct memfile *mf)
{
	return mf->fd;
}

void *memfile_addr(const struct memfile *mf, uint64_t offset)
{
	return mf->base + offset;
}

uint64_t memfile_limit(const struct memfile *mf)
{
	return mf->limit;
}

/* ---- allocation ---- */

static int insert_locked(struct memfile *mf, uint64_t at, uint64_t size, enum memfile_kind kind)
{
	struct range *r = pool_alloc(&range_pool);
	int err;

	if (!r)
		return -ENOMEM;
	r->node.start = at;
	r->node.end = at + size;
	r->refs = 1;
	r->kind = kind;
	err = ivmap_insert(&mf->live, &r->node);
	if (err < 0) {
		pool_free(&range_pool, r);
		return err;
	}
	mf->allocated[kind] += size;
	return 0;
}

int memfile_alloc(struct memfile *mf, uint64_t size, enum memfile_kind kind, unsigned flags,
		  uint64_t *offset)
{
	uint64_t align = (flags & MEMFILE_HUGE) && size >= HUGE_SIZE ? HUGE_SIZE : PAGE_SIZE;
	int r;

	ASSERT(size && !(size & ~PAGE_MASK));
	if (FAULT_POINT("memfile.alloc"))
		return -ENOMEM;
	mutex_lock(&mf->lock);
	if (flags & MEMFILE_BOTTOMUP)
		r = ivmap_gap_up(&mf->live, 0, mf->size, size, align, offset);
	else
		r = ivmap_gap_down(&mf->live, 0, mf->size, size, align, offset);
	if (r == 0)
		r = insert_locked(mf, *offset, size, kind);
	mutex_unlock(&mf->lock);
	return r;
}

int memfile_alloc_at(struct memfile *mf, uint64_t at, uint64_t size, enum memfile_kind kind)
{
	int r = -EEXIST;

	mutex_lock(&mf->lock);
	if (at + size <= mf->size && ivmap_is_gap(&mf->live, at, at + size))
		r = insert_locked(mf, at, size, kind);
	mutex_unlock(&mf->lock);
	return r;
}

/* Makes `at` a boundary between ranges. */
static void isolate_locked(struct memfile *mf, uint64_t at)
{
	struct range *r = range_of(ivmap_find(&mf->live, at)), *back;

	if (!r || r->node.start == at)
		return;
	back = pool_alloc(&range_pool);
	if (!back)
		panic("no memory to split a range of the memory file");
	back->refs = r->refs;
	back->kind = r->kind;
	ivmap_split(&mf->live, &r->node, at, &back->node);
}

static void merge_locked(struct memfile *mf, uint64_t at)
{
	struct range *r = range_of(ivmap_find(&mf->live, at)), *p;

	if (!r || r->node.start != at)
		return;
	p = range_of(ivmap_prev(&r->node));
	if (p && p->node.end == at && p->refs == r->refs && p->kind == r->kind) {
		ivmap_merge(&mf->live, &p->node, &r->node);
		pool_free(&range_pool, r);
	}
}

void memfile_incref(struct memfile *mf, uint64_t offset, uint64_t size)
{
	mutex_lock(&mf->lock);
	isolate_locked(mf, offset);
	isolate_locked(mf, offset + size);
	for (struct ivnode *n = ivmap_find(&mf->live, offset); n && n->start < offset + size; n = ivmap_next(n))
		range_of(n)->refs++;
	merge_locked(mf, offset);
	merge_locked(mf, offset + size);
	mutex_unlock(&mf->lock);
}

static void punch(struct memfile *mf, uint64_t offset, uint64_t size)
{
	int r = host_fallocate(mf->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);

	if (r < 0)
		panic("cannot punch a hole into the memory file: %d", -r);
}

/* Free ranges leave the map only when they are punched, so that nobody gets
 * them with old contents; punching is done without the lock. */
void memfile_decref(struct memfile *mf, uint64_t offset, uint64_t size)
{
	uint64_t end = offset + size, at = offset;

	mutex_lock(&mf->lock);
	isolate_locked(mf, offset);
	isolate_locked(mf, end);
	while (at < end) {
		struct range *r = range_of(ivmap_find(&mf->live, at));
		uint64_t lo, hi;

		ASSERT(r && r->refs > 0);
		lo = r->node.start;
		hi = r->node.end;
		at = hi;
		if (--r->refs)
			continue;
		mutex_unlock(&mf->lock);
		punch(mf, lo, hi - lo);
		mutex_lock(&mf->lock);
		mf->allocated[r->kind] -= hi - lo;
		ivmap_remove(&mf->live, &r->node);
		pool_free(&range_pool, r);
	}
	merge_locked(mf, offset);
	merge_locked(mf, end);
	mutex_unlock(&mf->lock);
}

bool memfile_is_exclusive(struct memfile *mf, uint64_t offset, uint64_t size)
{
	bool yes = true;

	mutex_lock(&mf->lock);
	for (struct ivnode *n = ivmap_find(&mf->live, offset); yes && n && n->start < offset + size;
	     n = ivmap_next(n))
		yes = range_of(n)->refs == 1;
	mutex_unlock(&mf->lock);
	return yes;
}

void memfile_decommit(struct memfile *mf, uint64_t offset, uint64_t size)
{
	punch(mf, offset, size);
}

/* ---- accounting ---- */

static uint64_t used_now(struct memfile *mf)
{
	struct stat st;

	return host_fstat(mf->fd, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

bool memfile_over_limit(struct memfile *mf)
{
	uint64_t total = 0, used;

	mutex_lock(&mf->lock);
	for (int i = 0; i < MEMFILE_KINDS; i++)
		total += mf->allocated[i];
	mutex_unlock(&mf->lock);
	if (total <= mf->limit)
		return false; /* cannot be: not even all of it is touched */
	used = used_now(mf);
	mutex_lock(&mf->lock);
	mf->peak = MAX(mf->peak, used);
	mutex_unlock(&mf->lock);
	return used > mf->limit;
}

void memfile_get_stats(struct memfile *mf, struct memfile_stats *out)
{
	out->used = used_now(mf);
	mutex_lock(&mf->lock);
	for (int i = 0; i < MEMFILE_KINDS; i++)
		out->allocated[i] = mf->allocated[i];
	mf->peak = MAX(mf->peak, out->used);
	out->peak = mf->peak;
	mutex_unlock(&mf->lock);
}

/* ---- eviction ---- */

void memfile_mark_evictable(struct memfile *mf, struct memfile_evict_owner *o, uint64_t start,
			    uint64_t end)
{
	mutex_lock(&mf->lock);
	if (!o->evictable)
		list_push_back(&mf->owners, &o->link);
	o->evictable += end - start;
	mutex_unlock(&mf->lock);
}

void memfile_mark_unevictable(struct memfile *mf, struct memfile_evict_owner *o)
{
	mutex_lock(&mf->lock);
	if (o->evictable)
		list_del(&o->link);
	o->evictable = 0;
	mutex_unlock(&mf->lock);
}

uint64_t memfile_evict(struct memfile *mf, uint64_t bytes)
{
	uint64_t before = used_now(mf), now = before;

	while (before - now < bytes) {
		struct memfile_evict_owner *o = NULL;

		mutex_lock(&mf->lock);
		if (!list_empty(&mf->owners)) {
			o = list_first(&mf->owners, struct memfile_evict_owner, link);
			list_del(&o->link);
			o->evictable = 0;
		}
		mutex_unlock(&mf->lock);
		if (!o)
			break;
		o->ops->evict(o, 0, UINT64_MAX);
		now = MIN(before, used_now(mf));
	}
	return before - now;
}
