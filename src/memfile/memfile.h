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
 *	memfile.c    ranges and their references
 *	account.c    how much is used
 *	copy.c       copies into fresh ranges
 *	evict.c      what can be made again, least recently used first
 *	pressure.c   the limit
 *	hostmap.c    host files as mapfiles
 *
 * Locks: LOCK_MEMFILE, innermost of all but pools and logs.
 */
#pragma once

#include "base/base.h"
#include "base/ivmap.h"
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
	uint64_t evictable; /* bytes marked evictable */
};

/* limit: bytes of guest memory that may be in use (0: the host's memory). */
int memfile_create(uint64_t limit, struct memfile **out) MUST_CHECK;
void memfile_destroy(struct memfile *mf);

/* The memory file as a mapfile (incref and decref count pages). */
struct mapfile *memfile_mapfile(struct memfile *mf);
int memfile_fd(const struct memfile *mf);
/* Of the whole file, in bytes; most of it has no memory. */
uint64_t memfile_size(const struct memfile *mf);

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
/* The same by who shares it: bytes with more than `own` references, and the sum of
 * each byte's share among them. own: what one user holds (a private page: 1; one of an
 * object that holds a reference itself: 2). */
struct memfile_residency {
	uint64_t resident, shared, proportional;
};
void memfile_residency(struct memfile *mf, uint64_t offset, uint64_t size, unsigned own,
		       struct memfile_residency *out);
/* One byte a page, bit 0: it holds memory (as mincore(2)). */
void memfile_incore(const struct memfile *mf, uint64_t offset, uint64_t size, unsigned char *vec);

/* The kernel's address of a live range: plain memory of ours, except that the
 * host may fail to find a page (out of memory): use safecopy. */
void *memfile_addr(const struct memfile *mf, uint64_t offset);
/* The other way. */
uint64_t memfile_offset(const struct memfile *mf, const void *addr);

/* What the host has given, and what was handed out: neither walks anything. */
uint64_t memfile_used(struct memfile *mf);
void memfile_get_stats(struct memfile *mf, struct memfile_stats *out);
/* Panics when ranges and books disagree. O(n); tests. */
void memfile_check(struct memfile *mf);

/* ---- the limit ---- */

/* True when more is used than the limit allows: callers that are about to make
 * guests use more answer -ENOMEM, or call memfile_relieve() first if they may. */
bool memfile_over_limit(struct memfile *mf);
/* True when use comes near the limit, and eviction would not help: what can fail with a plain errno does (writes
 * to files in memory), so that something is left for those that would be killed. */
bool memfile_is_tight(struct memfile *mf);
/* True when use is far above the limit. Faults and copies fail only then: until a
 * victim of the guest OOM kill is gone, the others go on. */
bool memfile_is_exhausted(struct memfile *mf);
uint64_t memfile_limit(const struct memfile *mf);
/* Evicts until use is below the limit. False: it is still above, and nothing more
 * can be evicted now. => sleeps, for I/O too; no lock may be held. */
bool memfile_relieve(struct memfile *mf);
/* Has use watched while it could come near the limit (guests touch memory without
 * asking): a thread evicts shortly before it. When that is not enough it calls
 * fn, without locks and again every 10 ms: fn has guests use less (the guest
 * OOM kill); `excess` is how much less, in bytes. To be called once, before the
 * first guest runs. */
typedef void memfile_pressure_fn(void *arg, uint64_t excess);
void memfile_watch(struct memfile *mf, memfile_pressure_fn *fn, void *arg);

/* ---- eviction: ranges whose owner can re-create them ---- */

struct memfile_evict_owner;
struct memfile_evict_ops {
	/* Drop (after writing back) what can be dropped of [start, end) of the
	 * owner's own keys, which is not marked any more. What is kept and may be
	 * tried again later is marked again. Called without locks, one call at a
	 * time. May sleep; may not wait for another thread's eviction. */
	void (*evict)(struct memfile_evict_owner *o, uint64_t start, uint64_t end);
};
/* Embedded in who caches: one file's page cache. */
struct memfile_evict_owner {
	const struct memfile_evict_ops *ops;
	struct ivmap ranges; /* [memfile] marked, by the owner's keys */
};
/* Fills o; ops is a constant. */
void memfile_evict_owner_init(struct memfile_evict_owner *o, const struct memfile_evict_ops *ops);
/* Takes its ranges off the queue and waits until no evict() of it runs: before it
 * is freed. => sleeps; the caller holds no lock that evict() takes. */
void memfile_evict_owner_fini(struct memfile *mf, struct memfile_evict_owner *o);
/* [start, end) of the owner's keys may be evicted and is the most recently used of
 * all, also if it was marked before. Keys count as bytes. Without memory for
 * the mark nothing happens: what is not marked stays. */
void memfile_mark_evictable(struct memfile *mf, struct memfile_evict_owner *o, uint64_t start,
			    uint64_t end);
/* [start, end), or everything of the owner, is not to be evicted. Neither waits
 * for an evict() that runs. */
void memfile_unmark_evictable(struct memfile *mf, struct memfile_evict_owner *o, uint64_t start,
			      uint64_t end);
void memfile_mark_unevictable(struct memfile *mf, struct memfile_evict_owner *o);
/* Evicts at least `bytes` if it can, least recently used first; returns what was
 * freed: nothing while another thread evicts, or from inside an evict(). => sleeps;
 * locks that evict() takes may not be held. */
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
