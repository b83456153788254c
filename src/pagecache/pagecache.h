/*
 * pagecache/: the pages of files that live elsewhere, kept in the memory file.
 *
 *	set.c        all caches of a sandbox: limits on dirty pages, sync, the threads
 *	cache.c      one file's cache: pages, dirty sets, claims
 *	fill.c       getting pages from the backend; read-ahead
 *	read.c       reads; positions of data and holes
 *	write.c      writes
 *	direct.c     reads and writes past the cache
 *	writeback.c  dirty pages to the backend
 *	cut.c        truncate, fallocate, invalidate, eviction
 *	map.c        the file as a mappable
 *	errseq.h     errors of write-back, once to each descriptor
 *	rangeset.h   sets of ranges
 *
 * It knows nothing of vfs or of where the bytes come from: the owner gives a
 * table of calls (struct pagecache_ops). One struct pagecache stands for one
 * regular file, or one block device.
 *
 * Modes, with exactly these meanings
 *	exclusive     nobody else changes the file: reads and writes are cached,
 *	              written back later.
 *	writethrough  reads are cached; a write is in the backend before it returns,
 *	              or returns the error and counts nothing. What is stored
 *	              through a mapping is dirty until it is written back.
 *	shared        others change it: nothing is cached, the size is asked for each
 *	              time; it cannot be mapped here (-ENODEV).
 *
 * The model. `cache` maps page-aligned ranges of the file to the memory file. `dirty`
 * are the pages that the backend does not have; `kept` those of them that a
 * writable mapping may change at any time without telling us. I/O on a range
 * begins with a claim and ends with dropping it, and holds no lock meanwhile:
 *
 *	 (not cached) --fill, whole-page write--> clean <--write back--  dirty
 *	      ^                                     |  --write, store-->   |
 *	      |______ evict, drop, cut _____________|                      |
 *	      |______________________ cut (truncate, punch) ______________|
 *
 * Invariants (pagecache_check() runs the first four)
 *  1. Cached ranges are page aligned, do not overlap, and hold one reference on
 *     their pages.
 *  2. dirty is inside cache; kept is inside dirty.
 *  3. Nothing is cached at or after page_up(size); bytes of the last page past
 *     the size are zero as far as we know (a mapping can store there).
 *  4. Claims do not overlap.
 *  5. A page that is not in kept has no writable mapping, except while it is
 *     claimed for write-back. So a clean page that nobody claims may be dropped.
 *  6. What the backend has of a cached clean page is the same bytes.
 *
 * Write-back takes writable mappings away before it reads the page, so that a
 * later store faults and makes the page dirty again: after it, the page is
 * really clean. A write-back that fails leaves its pages dirty, to be tried
 * again; the error goes to every descriptor, once.
 *
 * Who may wait for a claim. Claims for filling and cutting are held across
 * backend calls only; a claim for write-back also while mappings are taken away,
 * which waits for MM_ACTIVE. translate() waits with MM_ACTIVE held, but only for
 * pages that are not cached, and those are never claimed for write-back. Nobody
 * waits for a claim while guest memory is pinned, and nobody who holds one for
 * filling or cutting pins guest memory: the buffer may be a mapping of the same
 * pages. So bytes for the backend go through pages of ours.
 *
 * Locks
 *	FILE_WRITE             the owner's: calls marked [w] come one at a time
 *	  INODE_MAPS           pagecache.maps_lock: reverse mappings
 *	    MM_ACTIVE
 *	      INODE_LOWER_DATA pagecache.data_lock: everything else of one file
 *	        PAGECACHE      the set's lists
 *	          MEMFILE
 */
#pragma once

#include "memfile/memfile.h"
#include "memmap/memmap.h"
#include "pagecache/errseq.h"

struct pagecache;
struct pagecache_set;

/* ---- what an owner provides ---- */

/* write: flags are passed down with the bytes. */
#define PAGECACHE_IO_DSYNC 1u
#define PAGECACHE_IO_SYNC 2u
#define PAGECACHE_IO_APPEND 4u /* shared mode: at the end, wherever that is */

/* Calls on the file, each as the host call of the same name, any of them slow.
 * No lock is held but those that rank before INODE_LOWER_DATA, unless it says
 * otherwise. Blocks lie in the memory file. What they return is not believed:
 * more than was asked for counts as -EIO. */
struct pagecache_ops {
	/* A reference on the owner. get: under data_lock. */
	void (*get)(void *owner);
	void (*put)(void *owner);
	/* The first page became dirty (=> data_lock is held), none is any more. Each
	 * dirtied is followed by one cleaned. The owner must be able to write
	 * between the two. */
	void (*dirtied)(void *owner);
	void (*cleaned)(void *owner);
	/* Short counts are gone on with; 0: the end. */
	ssize_t (*read)(void *owner, const struct block *blk, unsigned count, uint64_t off);
	ssize_t (*write)(void *owner, const struct block *blk, unsigned count, uint64_t off,
			 unsigned flags);
	int (*truncate)(void *owner, uint64_t size);
	int (*fallocate)(void *owner, int mode, uint64_t off, uint64_t size);
	int (*fsync)(void *owner, bool data_only);
	/* SEEK_DATA or SEEK_HOLE. -ENXIO: none, or off is past its end. */
	int64_t (*seek)(void *owner, uint64_t off, int whence);
	/* The size as the backend knows it: in shared mode. */
	int (*size)(void *owner, uint64_t *size);
};

/* ---- all caches of a sandbox ---- */

struct pagecache_limits {
	uint64_t background; /* dirty bytes from which on they are written back */
	uint64_t hard;       /* from which on writers wait */
	uint64_t age_ns;     /* what is dirty for that long is written back */
	uint64_t readahead;  /* the largest window */
};

/* mf is borrowed; limits NULL: by the memory file's own. */
int pagecache_set_create(struct memfile *mf, const struct pagecache_limits *limits,
			 struct pagecache_set **out) MUST_CHECK;
/* No cache is left. Ends the threads. NULL is allowed. */
void pagecache_set_destroy(struct pagecache_set *set);
/* Writes everything back that is dirty now: of one group, or (NULL) of all. The
 * first error. */
int pagecache_set_sync(struct pagecache_set *set, const void *group);
uint64_t pagecache_set_dirty(const struct pagecache_set *set); /* bytes */

/* ---- one file ---- */

enum pagecache_mode { PAGECACHE_EXCLUSIVE, PAGECACHE_WRITETHROUGH, PAGECACHE_SHARED };

/* group: what pagecache_set_sync() takes together (a mount). size: the file's. */
int pagecache_create(struct pagecache_set *set, const struct pagecache_ops *ops, void *owner,
		     const void *group, enum pagecache_mode mode, uint64_t size,
		     struct pagecache **out) MUST_CHECK;
/* Nothing is mapped and no call runs. Writes nothing: the owner's last reference
 * is not gone while pages are dirty. NULL is allowed. => sleeps */
void pagecache_destroy(struct pagecache *pc);
/* -EIO and the like: only in shared mode. */
int pagecache_size(struct pagecache *pc, uint64_t *size);
/* Without asking anybody: never in shared mode. */
uint64_t pagecache_cached_size(const struct pagecache *pc);
struct errseq *pagecache_errors(struct pagecache *pc);
/* Bytes cached, and of those dirty. */
void pagecache_count(struct pagecache *pc, uint64_t *cached, uint64_t *dirty);

/* What a descriptor remembers of its reads; zero to begin with. */
struct pagecache_ra {
	_Atomic uint64_t next;   /* [a] where a sequential read would go on */
	_Atomic uint64_t filled; /* [a] how far was read ahead */
	_Atomic uint64_t window; /* [a] 0: no stream */
	atomic_uint advice;      /* [a] enum pagecache_advice */
};

enum pagecache_advice { PAGECACHE_NORMAL, PAGECACHE_SEQUENTIAL, PAGECACHE_RANDOM };

#define PAGECACHE_DIRECT 1u /* O_DIRECT */
#define PAGECACHE_NOWAIT 2u /* -EAGAIN rather than ask the backend */

/* Bytes moved, 0 at the end. ra may be NULL. => pins u */
ssize_t pagecache_read(struct pagecache *pc, struct uio *u, fileoff_t pos, struct pagecache_ra *ra,
		       unsigned flags);
/* [w] io: PAGECACHE_IO_*, passed down by writes that go to the backend at once;
 * what was cached, the caller syncs. -ENOSPC and the like also when too much
 * is dirty and cannot be written back. => pins u; waits for write-back while
 * there is too much dirty */
ssize_t pagecache_write(struct pagecache *pc, struct uio *u, fileoff_t pos, unsigned flags,
			unsigned io);

/* [w] */
int pagecache_truncate(struct pagecache *pc, uint64_t size);
/* [w] mode: FALLOC_FL_*, checked by the caller; what the backend cannot do is its
 * error. */
int pagecache_fallocate(struct pagecache *pc, int mode, uint64_t off, uint64_t size);
/* [w], but where the file ends behind the range and its size stays: then several at a time. fn
 * changes [off, off + size) of the backend's file by other means (copy_file_range, clones,
 * O_DIRECT) and returns how much; cached pages are dropped and
 * the size is raised. */
ssize_t pagecache_replace(struct pagecache *pc, uint64_t off, uint64_t size,
			  ssize_t (*fn)(void *arg), void *arg);
/* SEEK_DATA and SEEK_HOLE; -ENXIO. */
int64_t pagecache_seek(struct pagecache *pc, uint64_t off, int whence);

/* Writes [start, end) back and waits for it. The first error, which pagecache_errors()
 * has too. */
int pagecache_flush(struct pagecache *pc, uint64_t start, uint64_t end);
/* ... and has the backend make it lasting. */
int pagecache_fsync(struct pagecache *pc, uint64_t start, uint64_t end, bool data_only);
/* Reads ahead, in the background. */
void pagecache_will_need(struct pagecache *pc, uint64_t start, uint64_t end);
/* Writes [start, end) back and forgets it, where nothing is mapped. */
void pagecache_wont_need(struct pagecache *pc, uint64_t start, uint64_t end);
/* [w] The same, mapped or not: it is read anew, with the backend's size. What cannot
 * be written back stays. */
int pagecache_invalidate(struct pagecache *pc, uint64_t start, uint64_t end);

/* As the functions of struct mappable_ops. */
int pagecache_add_mapping(struct pagecache *pc, struct mapping_space *ms, gva_t addr, uint64_t size,
			  fileoff_t off, bool writable) MUST_CHECK;
void pagecache_remove_mapping(struct pagecache *pc, struct mapping_space *ms, gva_t addr,
			      uint64_t size, fileoff_t off, bool writable);
int pagecache_translate(struct pagecache *pc, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			fileoff_t opt_end, int access, struct translation *out, unsigned max,
			unsigned *count);
/* Which pages of [start, end) are cached: one byte a page. */
void pagecache_incore(struct pagecache *pc, uint64_t start, uint64_t end, unsigned char *vec);

/* Panics when an invariant does not hold. O(n); tests. */
void pagecache_check(struct pagecache *pc);
