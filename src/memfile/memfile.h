/*
 * memfile/: the memory file, from which all guest memory and page cache come.
 *
 * One memfd of fixed, sparse size, sealed against growing and shrinking, mapped
 * whole and once into the kernel process: an offset is an address by one
 * addition. Offset space is handed out in page-aligned ranges with a reference
 * count per page range; the last reference frees the range, and freed ranges
 * are punched out of the file, so memory is only what was touched.
 *
 * Invariants
 *  1. A range that memfile_alloc() hands out reads as zeros.
 *  2. No two live allocations overlap; a range with no reference belongs to
 *     nobody and holds no memory, but for at most 1 MiB that was freed in small
 *     pieces and waits to be punched out together (or to be overwritten).
 *  3. The memory file never holds a structure of the kernel: guests and
 *     devices map it.
 *
 * Locks: LOCK_MEMFILE, innermost of all but pools and logs.
 */
#pragma once

#include "base/base.h"
#include "memmap/memmap.h"

/* What a range is for: accounting, /proc/meminfo, --stats. */
enum memfile_kind {
	MEMFILE_ANON,
	MEMFILE_PAGECACHE,
	MEMFILE_TMPFS,
	MEMFILE_SHARED,
	MEMFILE_RINGS,
	MEMFILE_STACK,
	MEMFILE_KINDS,
};

struct memfile;

struct memfile_stats {
	uint64_t allocated[MEMFILE_KINDS]; /* bytes of offset space, by kind */
	uint64_t used;                     /* bytes of host memory (fstat blocks) */
	uint64_t peak;
};

/* limit: bytes of guest memory that may be in use (0: the host's memory). */
int memfile_create(uint64_t limit, struct memfile **out) MUST_CHECK;
void memfile_destroy(struct memfile *mf);

/* The memory file as a mapfile (incref and decref count pages). */
struct mapfile *memfile_mapfile(struct memfile *mf);
int memfile_fd(const struct memfile *mf);

#define MEMFILE_HUGE 1u     /* align to 2 MiB where size allows */
#define MEMFILE_BOTTOMUP 2u /* default is top-down */
#define MEMFILE_SCRATCH \
	4u /* old contents may shine through: the caller
			       overwrites all of it before a guest can see it */

/* A fresh range of size bytes (page multiple, > 0) with one reference, reading
 * as zeros. -ENOMEM when the offset space is used up. */
int memfile_alloc(struct memfile *mf, uint64_t size, enum memfile_kind kind, unsigned flags,
		  uint64_t *offset) MUST_CHECK;
/* memfile_alloc() placed, if free, exactly at `at` (to grow an extent). -EEXIST. */
int memfile_alloc_at(struct memfile *mf, uint64_t at, uint64_t size, enum memfile_kind kind)
	MUST_CHECK;
/* Both may cover any live range, also parts of allocations and several. */
void memfile_incref(struct memfile *mf, uint64_t offset, uint64_t size);
void memfile_decref(struct memfile *mf, uint64_t offset, uint64_t size);
/* Punches out now what waits for it: after a large free, before measuring. */
void memfile_trim(struct memfile *mf);
/* True when every page of the range has exactly one reference. */
bool memfile_is_exclusive(struct memfile *mf, uint64_t offset, uint64_t size);
/* Has the host give memory to every page of a live range now (mlock,
 * MAP_POPULATE). -ENOMEM. */
int memfile_commit(struct memfile *mf, uint64_t offset, uint64_t size) MUST_CHECK;
/* Gives the memory of a live range back; it reads as zeros afterwards. */
void memfile_decommit(struct memfile *mf, uint64_t offset, uint64_t size);
/* Copies into a range that the caller alone has (also MEMFILE_SCRATCH). write:
 * returns the bytes that could be read from src. copy: between live ranges, page
 * aligned; pages without memory stay so. False: the host has no memory. */
size_t memfile_write(const struct memfile *mf, uint64_t to, const void *src, size_t size)
	MUST_CHECK;
bool memfile_copy(const struct memfile *mf, uint64_t to, uint64_t from, uint64_t size) MUST_CHECK;
/* Bytes of a live range that hold memory, as the host knows it. */
uint64_t memfile_resident(const struct memfile *mf, uint64_t offset, uint64_t size);
/* One byte a page, bit 0: it holds memory (as mincore(2)). */
void memfile_incore(const struct memfile *mf, uint64_t offset, uint64_t size, unsigned char *vec);

/* The kernel's address of a live range: plain memory of ours, except that the
 * host may fail to find a page (out of memory): use safecopy. */
void *memfile_addr(const struct memfile *mf, uint64_t offset);

/* True when use exceeds the limit by more than slack: callers that are about
 * to make guests use more answer -ENOMEM or trigger the guest OOM kill. */
bool memfile_over_limit(struct memfile *mf);
uint64_t memfile_limit(const struct memfile *mf);
void memfile_get_stats(struct memfile *mf, struct memfile_stats *out);
/* Panics when ranges and books disagree. O(n); tests. */
void memfile_check(struct memfile *mf);

/* ---- eviction: ranges whose owner can re-create them ---- */

struct memfile_evict_owner;
struct memfile_evict_ops {
	/* Drop (after writing back) what can be dropped of [start, end) of the
	 * owner's own key space. Called without locks; may mark again. */
	void (*evict)(struct memfile_evict_owner *o, uint64_t start, uint64_t end);
};
struct memfile_evict_owner {
	const struct memfile_evict_ops *ops;
	struct list link;   /* [memfile] least recently used first */
	uint64_t evictable; /* [memfile] bytes marked */
};
/* Fills o; ops is a constant. */
void memfile_evict_owner_init(struct memfile_evict_owner *o, const struct memfile_evict_ops *ops);
/* Takes it off the list and waits until no evict() of it runs: before it is
 * freed. => sleeps; the caller holds no lock that evict() takes. */
void memfile_evict_owner_fini(struct memfile *mf, struct memfile_evict_owner *o);
/* The owner becomes the most recently used. */
void memfile_mark_evictable(struct memfile *mf, struct memfile_evict_owner *o, uint64_t start,
			    uint64_t end);
/* Does not wait for an evict() that runs. */
void memfile_mark_unevictable(struct memfile *mf, struct memfile_evict_owner *o);
/* Evicts at least `bytes` if it can; returns what was freed. */
uint64_t memfile_evict(struct memfile *mf, uint64_t bytes);

/* ---- host files as mapfiles ---- */

struct hostmap; /* a host descriptor that can be mapped, with a chunked cache
		   of our own mappings of it */

/* fd is borrowed and must outlive it; writable: it may be mapped shared and
 * writable. Starts with one reference. */
int hostmap_create(int fd, bool writable, struct hostmap **out) MUST_CHECK;
void hostmap_get(struct hostmap *hm);
/* The last reference (ours or a page's) unmaps the chunks, then calls
 * release(arg). NULL is allowed. */
void hostmap_put(struct hostmap *hm);
void hostmap_set_release(struct hostmap *hm, void (*release)(void *arg), void *arg);
struct mapfile *hostmap_mapfile(struct hostmap *hm);
