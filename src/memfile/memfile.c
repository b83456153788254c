/*
 * The memory file: offset space and references.
 *
 * One interval map holds every range that is not free to hand out. A range is
 *
 *	LIVE       refs > 0: somebody's
 *	DIRTY      refs = 0: freed in small pieces, keeps its old contents for a
 *	           moment, on the list `dirty`; may be handed out as scratch
 *	PUNCHING   refs = 0: a hole is being punched, without the lock
 *
 *	        decref, small         too many, or close
 *	  LIVE ---------------> DIRTY --------------------> PUNCHING --> (free)
 *	   |  ^_________________/ alloc(SCRATCH)                ^
 *	    \_______________ decref, large ____________________/
 *
 * What is in no range is a hole and reads as zeros; that is invariant 1. Ranges
 * leave the map only after their hole is punched, so nobody can be given old
 * contents by accident.
 *
 * Why a hole is not punched at once: fork and exit free dozens of 64 KiB copies
 * within a moment, neighbours mostly. Each fallocate() costs microseconds; one
 * for all of them costs little more. And a copy-on-write that re-uses such a
 * piece finds its pages present.
 *
 * Neighbouring ranges that are alike are joined, so that the map stays small.
 */
#include "memfile/internal.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/mman.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/pool.h"

#define HUGE_SIZE ((uint64_t)2 << 20)
#define DIRTY_PIECE_MAX ((uint64_t)256 << 10)
#define DIRTY_MAX ((uint64_t)1 << 20)
#define SPARE_RANGES 16
#define SCRATCH_TRIES 8

#ifdef NACRE_SANITIZED /* their shadow memory leaves less room */
#define SIZE_MAX_WANTED ((uint64_t)256 << 30)
#else
#define SIZE_MAX_WANTED ((uint64_t)16 << 40)
#endif
#define SIZE_MIN_USEFUL ((uint64_t)4 << 30)

enum range_state { RANGE_LIVE, RANGE_DIRTY, RANGE_PUNCHING };

struct range {
	struct ivnode node;
	struct list link; /* dirty, spares, or a list of what is being punched */
	unsigned refs;
	enum memfile_kind kind;
	enum range_state state;
};

static POOL_DEFINE(memfile_range_pool, struct range);

IVMAP_TYPE(ranges, struct range, node);

static uint64_t range_size(const struct range *r)
{
	return r->node.end - r->node.start;
}

/* ---- as a mapfile ---- */

static struct memfile *memfile_of(struct mapfile *f)
{
	return container_of(f, struct memfile, file);
}

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
	ASSERT(max);
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
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * PAGE_SIZE; /* host-setup: sysinfo */
}

/* Sized and mapped as large as the host lets us: it is sparse. */
static int map_whole(struct memfile *mf)
{
	for (mf->size = SIZE_MAX_WANTED; mf->size >= SIZE_MIN_USEFUL; mf->size /= 2) {
		void *at;
		int err = host_ftruncate(mf->fd, mf->size);

		if (err == 0)
			err = host_mmap(NULL, mf->size, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_NORESERVE, mf->fd, 0, &at);
		if (err == 0) {
			mf->base = at;
			return 0;
		}
	}
	return -ENOMEM;
}

static int make_file(struct memfile *mf)
{
	int err;

	mf->fd = host_memfd_create("nacre", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (mf->fd < 0)
		return mf->fd;
	err = map_whole(mf);
	if (err)
		return err;
	return host_fcntl(mf->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

/* Keeps the list of spare ranges filled: references are taken and dropped by
 * callers that cannot fail. */
static void fill_spares(struct memfile *mf)
{
	while (mf->nspares < SPARE_RANGES) {
		struct range *r = pool_alloc(&memfile_range_pool);

		if (!r)
			return;
		list_push_back(&mf->spares, &r->link);
		mf->nspares++;
	}
}

int memfile_create(uint64_t limit, struct memfile **out)
{
	struct memfile *mf = calloc(1, sizeof(*mf));
	int err;

	*out = NULL;
	if (!mf)
		return -ENOMEM;
	mf->file.ops = &memfile_ops;
	mutex_init(&mf->lock, LOCK_MEMFILE);
	ivmap_init(&mf->ranges);
	list_init(&mf->dirty);
	list_init(&mf->spares);
	list_init(&mf->evict_queue);
	mf->limit = limit ? limit : host_memory();
	err = make_file(mf);
	if (err) {
		memfile_destroy(mf);
		return err;
	}
	fill_spares(mf);
	*out = mf;
	return 0;
}

void memfile_destroy(struct memfile *mf)
{
	struct ivnode *n;

	if (!mf)
		return;
	pressure_fini(mf);
	while ((n = ivmap_first(&mf->ranges))) {
		ivmap_remove(&mf->ranges, n);
		pool_free(&memfile_range_pool, ranges_of(n));
	}
	list_for_each_safe(r, tmp, &mf->spares, struct range, link)
		pool_free(&memfile_range_pool, r);
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

uint64_t memfile_size(const struct memfile *mf)
{
	return mf->size;
}

void *memfile_addr(const struct memfile *mf, uint64_t offset)
{
	return mf->base + offset;
}

uint64_t memfile_offset(const struct memfile *mf, const void *addr)
{
	return (uint64_t)((const char *)addr - (const char *)mf->base);
}

/* ---- ranges ---- */

static struct range *range_take(struct memfile *mf)
{
	struct range *r = pool_alloc(&memfile_range_pool);

	if (!r) {
		if (list_empty(&mf->spares))
			panic("no memory to describe a range of the memory file");
		r = list_first(&mf->spares, struct range, link);
		list_del(&r->link);
		mf->nspares--;
	}
	list_init(&r->link);
	return r;
}

static struct ivnode *range_split(struct ivmap *m, const struct ivnode *n, uint64_t at UNUSED)
{
	struct memfile *mf = container_of(m, struct memfile, ranges);
	const struct range *r = ranges_of(n);
	struct range *back = range_take(mf);

	back->refs = r->refs;
	back->kind = r->kind;
	back->state = r->state;
	if (back->state == RANGE_DIRTY)
		list_push_back(&mf->dirty, &back->link);
	return &back->node;
}

static bool are_alike(const struct ivnode *n, const struct ivnode *next)
{
	const struct range *a = ranges_of(n), *b = ranges_of(next);

	return a->state == b->state && a->refs == b->refs &&
	       (a->kind == b->kind || a->state == RANGE_DIRTY) && a->state != RANGE_PUNCHING;
}

static void joined(struct ivmap *m UNUSED, struct ivnode *next)
{
	list_del(&ranges_of(next)->link);
	pool_free(&memfile_range_pool, ranges_of(next));
}

static const struct ivmap_ops range_ops = { range_split, are_alike, joined };

/* Makes both ends borders between ranges. */
static void isolate_locked(struct memfile *mf, uint64_t start, uint64_t end)
{
	int err = ivmap_isolate(&mf->ranges, &range_ops, start, end);

	ASSERT(err == 0);
}

/* Joins the ranges that meet at `at`, if they are alike. */
static void join_locked(struct memfile *mf, uint64_t at)
{
	ivmap_join(&mf->ranges, &range_ops, at, at);
}

static int insert_locked(struct memfile *mf, uint64_t at, uint64_t size, enum memfile_kind kind)
{
	struct range *r = pool_alloc(&memfile_range_pool);
	int err;

	if (!r)
		return -ENOMEM;
	list_init(&r->link);
	r->node.start = at;
	r->node.end = at + size;
	r->refs = 1;
	r->kind = kind;
	r->state = RANGE_LIVE;
	err = ivmap_insert(&mf->ranges, &r->node);
	if (err) {
		pool_free(&memfile_range_pool, r);
		return err;
	}
	mf->allocated[kind] += size;
	atomic_fetch_add(&mf->handed_out, size);
	join_locked(mf, at);
	join_locked(mf, at + size);
	return 0;
}

/* A dirty range becomes the caller's, most recently freed first. */
static bool take_scratch_locked(struct memfile *mf, uint64_t size, enum memfile_kind kind,
				uint64_t *offset)
{
	unsigned tries = SCRATCH_TRIES;

	for (struct list *at = mf->dirty.prev; at != &mf->dirty && tries; at = at->prev, tries--) {
		struct range *r = list_entry(at, struct range, link);

		if (range_size(r) < size)
			continue;
		*offset = r->node.start;
		isolate_locked(mf, r->node.start, r->node.start + size);
		list_del(&r->link);
		r->state = RANGE_LIVE;
		r->refs = 1;
		r->kind = kind;
		mf->dirty_bytes -= size;
		mf->allocated[kind] += size;
		return true;
	}
	return false;
}

/* Room for size bytes at a multiple of align. Any hole that could hold it wherever
 * it begins will do: to look for the best among those that hold it by their
 * luck would mean to visit them all. */
static int find_room_locked(const struct memfile *mf, uint64_t size, uint64_t align, bool bottom_up,
			    uint64_t *offset)
{
	uint64_t room, slack = align - PAGE_SIZE, at;
	int err;

	if (add_overflow(size, slack, &room))
		return -ENOMEM;
	if (bottom_up)
		err = ivmap_gap_up(&mf->ranges, 0, mf->size, room, PAGE_SIZE, &at);
	else
		err = ivmap_gap_down(&mf->ranges, 0, mf->size, room, PAGE_SIZE, &at);
	if (err == 0)
		*offset = (at + slack) & ~(align - 1);
	return err;
}

int memfile_alloc(struct memfile *mf, uint64_t size, enum memfile_kind kind, unsigned flags,
		  uint64_t *offset)
{
	uint64_t align = (flags & MEMFILE_HUGE) && size >= HUGE_SIZE ? HUGE_SIZE : PAGE_SIZE;
	int err = 0;

	ASSERT(size && !(size & ~PAGE_MASK));
	if (FAULT_POINT("memfile.alloc"))
		return -ENOMEM;
	mutex_lock(&mf->lock);
	fill_spares(mf);
	if (!(flags & MEMFILE_SCRATCH) || !take_scratch_locked(mf, size, kind, offset)) {
		err = find_room_locked(mf, size, align, flags & MEMFILE_BOTTOMUP, offset);
		if (err == 0)
			err = insert_locked(mf, *offset, size, kind);
	}
	mutex_unlock(&mf->lock);
	pressure_note(mf);
	return err;
}

int memfile_alloc_at(struct memfile *mf, uint64_t at, uint64_t size, enum memfile_kind kind)
{
	int err = -EEXIST;

	ASSERT(size && !((at | size) & ~PAGE_MASK));
	if (FAULT_POINT("memfile.alloc"))
		return -ENOMEM;
	mutex_lock(&mf->lock);
	fill_spares(mf);
	if (at < mf->size && size <= mf->size - at && ivmap_is_gap(&mf->ranges, at, at + size))
		err = insert_locked(mf, at, size, kind);
	mutex_unlock(&mf->lock);
	pressure_note(mf);
	return err;
}

/* ---- references ---- */

void memfile_incref(struct memfile *mf, uint64_t offset, uint64_t size)
{
	uint64_t end = offset + size;

	mutex_lock(&mf->lock);
	isolate_locked(mf, offset, end);
	for (uint64_t at = offset; at < end;) {
		struct range *r = ranges_at(&mf->ranges, at);

		ASSERT(r && r->refs > 0 && r->refs < UINT32_MAX);
		r->refs++;
		at = r->node.end;
	}
	join_locked(mf, offset);
	join_locked(mf, end);
	mutex_unlock(&mf->lock);
}

/* A hole, or at the least zeros. */
static void punch(const struct memfile *mf, uint64_t offset, uint64_t size)
{
	int err = host_fallocate(mf->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);

	if (err == 0)
		return;
	log_warn("memory file: cannot punch a hole (error %d): clearing instead", -err);
	if (block_safezero(memfile_addr(mf, offset), size))
		panic("memory file: cannot clear what was freed");
}

/* Punches what is on the list, without the lock, and frees it. */
static void punch_all(struct memfile *mf, struct list *doomed)
{
	if (list_empty(doomed))
		return;
	list_for_each(r, doomed, struct range, link)
		punch(mf, r->node.start, range_size(r));
	mutex_lock(&mf->lock);
	list_for_each_safe(r, tmp, doomed, struct range, link) {
		list_del(&r->link);
		ivmap_remove(&mf->ranges, &r->node);
		pool_free(&memfile_range_pool, r);
	}
	mutex_unlock(&mf->lock);
}

static void doom_dirty_locked(struct memfile *mf, struct list *doomed)
{
	list_for_each(r, &mf->dirty, struct range, link)
		r->state = RANGE_PUNCHING;
	list_splice_back(doomed, &mf->dirty);
	atomic_fetch_sub(&mf->handed_out, mf->dirty_bytes);
	mf->dirty_bytes = 0;
}

static void last_reference_locked(struct memfile *mf, struct range *r, struct list *doomed)
{
	uint64_t start = r->node.start, end = r->node.end;

	mf->allocated[r->kind] -= end - start;
	if (end - start > DIRTY_PIECE_MAX) {
		r->state = RANGE_PUNCHING;
		list_push_back(doomed, &r->link);
		atomic_fetch_sub(&mf->handed_out, end - start);
		return;
	}
	r->state = RANGE_DIRTY;
	list_push_back(&mf->dirty, &r->link);
	mf->dirty_bytes += end - start;
	/* Freed memory that a joined neighbour makes large goes with the rest. */
	join_locked(mf, start);
	join_locked(mf, end);
}

void memfile_decref(struct memfile *mf, uint64_t offset, uint64_t size)
{
	struct list doomed = LIST_INIT(doomed);
	uint64_t end = offset + size;

	mutex_lock(&mf->lock);
	isolate_locked(mf, offset, end);
	for (uint64_t at = offset; at < end;) {
		struct range *r = ranges_at(&mf->ranges, at);

		ASSERT(r && r->refs > 0);
		at = r->node.end;
		if (--r->refs == 0)
			last_reference_locked(mf, r, &doomed);
	}
	join_locked(mf, offset);
	join_locked(mf, end);
	if (mf->dirty_bytes > DIRTY_MAX)
		doom_dirty_locked(mf, &doomed);
	mutex_unlock(&mf->lock);
	punch_all(mf, &doomed);
}

void memfile_trim(struct memfile *mf)
{
	struct list doomed = LIST_INIT(doomed);

	mutex_lock(&mf->lock);
	doom_dirty_locked(mf, &doomed);
	mutex_unlock(&mf->lock);
	punch_all(mf, &doomed);
}

bool memfile_is_exclusive(struct memfile *mf, uint64_t offset, uint64_t size)
{
	bool yes = true;

	mutex_lock(&mf->lock);
	for (uint64_t at = offset; yes && at < offset + size;) {
		const struct range *r = ranges_at(&mf->ranges, at);

		ASSERT(r && r->refs > 0);
		yes = r->refs == 1;
		at = r->node.end;
	}
	mutex_unlock(&mf->lock);
	return yes;
}

unsigned memfile_refs(struct memfile *mf, uint64_t offset, uint64_t *end)
{
	const struct range *r;
	unsigned refs;

	mutex_lock(&mf->lock);
	r = ranges_at(&mf->ranges, offset);
	ASSERT(r && r->refs > 0);
	refs = r->refs;
	*end = r->node.end;
	mutex_unlock(&mf->lock);
	return refs;
}

int memfile_commit(struct memfile *mf, uint64_t offset, uint64_t size)
{
	int err = host_madvise(memfile_addr(mf, offset), size, MADV_POPULATE_WRITE);

	if (err == -EINVAL) /* a host before Linux 5.14 */
		err = host_fallocate(mf->fd, FALLOC_FL_KEEP_SIZE, offset, size);
	return err ? -ENOMEM : 0;
}

void memfile_decommit(struct memfile *mf, uint64_t offset, uint64_t size)
{
	punch(mf, offset, size);
}

void memfile_check(struct memfile *mf)
{
	uint64_t allocated[MEMFILE_KINDS] = { 0 }, dirty = 0;

	mutex_lock(&mf->lock);
	ivmap_check(&mf->ranges);
	ivmap_for_each(n, &mf->ranges) {
		const struct range *r = ranges_of(n);

		ASSERT((r->refs > 0) == (r->state == RANGE_LIVE));
		ASSERT(list_empty(&r->link) == (r->state == RANGE_LIVE));
		if (r->state == RANGE_LIVE)
			allocated[r->kind] += range_size(r);
		else if (r->state == RANGE_DIRTY)
			dirty += range_size(r);
	}
	for (int i = 0; i < MEMFILE_KINDS; i++)
		ASSERT(allocated[i] == mf->allocated[i]);
	ASSERT(dirty == mf->dirty_bytes);
	for (int i = 0; i < MEMFILE_KINDS; i++)
		dirty += allocated[i];
	ASSERT(dirty == atomic_load(&mf->handed_out));
	mutex_unlock(&mf->lock);
}
