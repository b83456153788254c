/* What the files of pagecache/ share. */
#pragma once

#include "base/ivmap.h"
#include "base/list.h"
#include "base/lock.h"
#include "host/thread.h"
#include "pagecache/pagecache.h"
#include "pagecache/rangeset.h"

/* A backend call moves at most this much. */
#define IO_MAX ((uint64_t)1 << 20)
#define IO_BLOCKS 32u
#define FILE_END (UINT64_MAX & PAGE_MASK)

/* A cached piece: file range -> memory file. */
struct segment {
	struct ivnode node;
	uint64_t offset;
	struct segment *next; /* on a list of pieces cut out */
};

/* I/O on a range, held by the thread in whose frame it lies. */
struct claim {
	struct ivnode node;
	uint64_t serial;
	bool is_writeback;
};

/* [I] immutable, [m] maps_lock, [d] data_lock, [a] atomic, [s] set->lock, [w] the
 * owner's writer */
struct pagecache {
	const struct pagecache_ops *ops; /* [I] */
	void *owner;                     /* [I] */
	const void *group;               /* [I] */
	struct pagecache_set *set;       /* [I] */
	enum pagecache_mode mode;        /* [I] */

	struct mutex maps_lock;
	struct mapping_set maps; /* [m] */

	struct rwlock data_lock;
	_Atomic uint64_t size; /* [a] changed by [w], under [d] */
	struct ivmap cache;    /* [d] struct segment */
	struct rangeset dirty; /* [d] */
	struct rangeset kept;  /* [d] */
	struct ivmap claims;   /* [d] struct claim */
	unsigned waiters;      /* [d] for a claim */
	unsigned cutters;      /* [d] of those, who will claim to cut */
	unsigned writebacks;   /* [d] under way */
	uint64_t serial;       /* [d] of the last claim */
	bool is_held;          /* [d] a reference on the owner: pages are or were dirty */
	atomic_uint turns;     /* [a] grows as a claim is dropped */
	struct errseq errors;
	atomic_int last_result; /* [a] of a write-back: 0, or its error */

	struct memfile_evict_owner evict;
	atomic_uint touches; /* [a] reads since it was last moved up */

	struct list dirty_link; /* [s] on set->dirty_files */
	uint64_t dirty_since;   /* [s] ns */
	uint64_t retry_at;      /* [s] ns: not before, after an error */
	unsigned sync_turn;     /* [s] the last sync that visited it */
};

/* Files whose pages are to be read in the background. */
#define READ_QUEUE 64u

struct read_job {
	struct pagecache *pc; /* a reference on its owner */
	uint64_t start, end;
};

struct worker {
	struct host_thread thread;
	bool is_started;  /* [s] */
	atomic_uint kick; /* [a] grows when there is something to do */
};

struct pagecache_set {
	struct memfile *mf;             /* [I] */
	struct pagecache_limits limits; /* [I] */
	_Atomic uint64_t dirty;         /* [a] bytes, of all files */
	_Atomic uint64_t writing;       /* [a] bytes in write-back: not dirty, maybe again */
	struct mutex lock;              /* LOCK_PAGECACHE */
	struct list dirty_files;        /* [s] oldest first */
	unsigned sync_turn;             /* [s] */
	struct read_job jobs[READ_QUEUE];
	unsigned job_first, job_count; /* [s] */
	struct worker flusher, reader;
	atomic_bool is_ending;
	atomic_uint progress;  /* [a] grows as pages become clean: throttled writers */
	atomic_uint throttled; /* [a] how many wait for that */
};

/* ---- cache.c ---- */

static inline struct segment *segment_of(struct ivnode *n)
{
	return n ? ivmap_entry(n, struct segment, node) : NULL;
}

/* Memory that a change of the sets may need, brought along. */
struct spares {
	struct segment *segments[2];
	struct range_node *ranges[3];
};

int spares_get(struct spares *s, unsigned segments, unsigned ranges) MUST_CHECK;
void spares_put(struct spares *s);

/* Claims. _relock: waits without data_lock, so that everything may have changed.
 * An end past everything is FILE_END. */
bool claim_overlaps_locked(const struct pagecache *pc, uint64_t start, uint64_t end);
void claim_take_locked(struct pagecache *pc, struct claim *c, uint64_t start, uint64_t end);
void claim_drop_locked(struct pagecache *pc, struct claim *c);
/* Until some claim is dropped. */
void claim_wait_relock(struct pagecache *pc);
/* For cutting: readers that only fill stand back. */
void claim_cut_relock(struct pagecache *pc, struct claim *c, uint64_t start, uint64_t end);
/* Until those write-backs of the range have ended that are under way now. */
void claim_wait_writebacks_relock(struct pagecache *pc, uint64_t start, uint64_t end);

/* Pages of the memory file, one reference each, near where the file's pages before
 * pos are. is_scratch: all of it will be overwritten. => no lock of ours */
int pages_alloc(struct pagecache *pc, uint64_t pos, uint64_t size, bool is_scratch,
		uint64_t *offset) MUST_CHECK;
void pages_free(struct pagecache *pc, uint64_t offset, uint64_t size);
static inline void *page_addr(const struct pagecache *pc, uint64_t offset)
{
	return memfile_addr(pc->set->mf, offset);
}

/* The piece at pos, or NULL. */
struct segment *segment_at(const struct pagecache *pc, uint64_t pos);
/* Where the cached run from pos on ends: pos, when it is not cached. */
uint64_t cached_until_locked(const struct pagecache *pc, uint64_t pos, uint64_t end);
/* Where the gap at pos ends. */
uint64_t gap_until_locked(const struct pagecache *pc, uint64_t pos, uint64_t end);
/* Pages become cached; takes over their references. Takes *spare if needed. */
void segment_insert_locked(struct pagecache *pc, uint64_t pos, uint64_t size, uint64_t offset,
			   struct segment **spare);
/* Takes the pieces of [start, end), page aligned, out. */
struct segment *segments_cut_locked(struct pagecache *pc, uint64_t start, uint64_t end,
				    struct spares *s);
/* Frees a list of pieces and their pages. => no lock of ours */
void segments_free(struct pagecache *pc, struct segment *list);
/* Blocks of the cached run at pos, at most n bytes. Returns the bytes covered. */
uint64_t blocks_locked(const struct pagecache *pc, uint64_t pos, uint64_t n, struct block *blk,
		       unsigned max, unsigned *count);
/* Bytes of cached pages set to zero; gaps are skipped. */
void zero_locked(struct pagecache *pc, uint64_t start, uint64_t end);

/* The sets. What becomes dirty is cached. Takes spares if needed. */
void dirty_add_locked(struct pagecache *pc, uint64_t start, uint64_t end,
		      struct range_node **spare);
void dirty_remove_locked(struct pagecache *pc, uint64_t start, uint64_t end, struct spares *s);
/* After dirty pages got fewer, when no call on pc is to follow: gives up the reference
 * that dirty pages hold, if none is left. => no lock of ours */
void dirty_done(struct pagecache *pc);
/* The size changes; the rest of a last page that is cached is cleared. */
void size_set_locked(struct pagecache *pc, uint64_t size);

/* [start, end) was used, or may be evicted again: the cached pages around it become
 * the last to go. => any lock but the memory file's */
void evict_mark(struct pagecache *pc, uint64_t start, uint64_t end);
extern const struct memfile_evict_ops pagecache_evict_ops;

/* ---- fill.c ---- */

/* Gets the page at pos (page aligned), and what is missing behind it as far as `end`,
 * in one backend read at most. Returns where the run that is cached now ends;
 * pos: *err, or (0) that is past the end of the file. */
#define FILL_YIELDS 1u /* stands back for cutters, evicts: never under MM_ACTIVE */
uint64_t fill_gap(struct pagecache *pc, uint64_t pos, uint64_t end, unsigned flags, int *err);
/* What a read at pos of n bytes needs, and what it is worth to read ahead. */
int fill_for_read(struct pagecache *pc, uint64_t pos, uint64_t n, struct pagecache_ra *ra);
/* A read of [pos, end) went through the cache. */
void readahead_note(struct pagecache *pc, struct pagecache_ra *ra, uint64_t pos, uint64_t end);
/* As the op, until size bytes are read, the end (less than size), or *err. */
uint64_t backend_read(struct pagecache *pc, void *buf, uint64_t size, uint64_t off, int *err)
	MUST_CHECK;
/* Returns how much was written; less than size: *err. */
uint64_t backend_write(struct pagecache *pc, struct block *blk, unsigned count, uint64_t off,
		       unsigned flags, int *err) MUST_CHECK;

/* Whether the cache may take more pages; evicts to make it so. Guests' memory comes
 * first. => no lock of ours */
bool has_room(struct pagecache *pc, uint64_t bytes);

/* ---- write.c ---- */

/* Pages of ours with the bytes for [pos, pos + n) of the file, at the same place in
 * their pages; the rest of them is zero. */
struct stage {
	uint64_t pos, n;
	uint64_t offset; /* in the memory file, of the page that holds pos */
	uint64_t freed;  /* the first `freed` bytes of it are no longer ours */
};

/* Takes at most IO_MAX bytes off u. -EFAULT, -ENOMEM. */
int stage_fill(struct pagecache *pc, struct uio *u, fileoff_t pos, size_t want, struct stage *st)
	MUST_CHECK;
void stage_fini(struct pagecache *pc, struct stage *st);
/* The bytes go to the backend first, with their range claimed, and over what is
 * cached; then either whole pages are cached (clean), or clean pages are dropped.
 * Returns the bytes written: less than n: *err. [w] => forgets mappings */
uint64_t stage_write(struct pagecache *pc, struct stage *st, unsigned io, bool is_cached, int *err)
	MUST_CHECK;

/* ---- direct.c, writeback.c, cut.c, set.c ---- */

ssize_t direct_read(struct pagecache *pc, struct uio *u, fileoff_t pos);
ssize_t direct_write(struct pagecache *pc, struct uio *u, fileoff_t pos, unsigned io);

/* Writes back at most `bytes` of [start, end); skips: leaves out what is claimed
 * rather than wait. The first error. */
int writeback_range(struct pagecache *pc, uint64_t start, uint64_t end, uint64_t bytes, bool skips);
/* Mappings of [start, end) are taken away. => no lock of ours */
void mappings_forget(struct pagecache *pc, uint64_t start, uint64_t end, bool private_too);

/* Drops pages of [start, end) that are clean; returns the pieces. claimed: the range
 * is claimed by the caller; else claimed pages are left out. What memory for
 * splitting cannot be had for stays. */
struct segment *drop_clean_locked(struct pagecache *pc, uint64_t start, uint64_t end, bool claimed);

/* => data_lock */
void set_file_dirtied(struct pagecache *pc);
void set_file_cleaned(struct pagecache *pc);
void set_dirty_grew(struct pagecache_set *set, uint64_t bytes);
void set_dirty_shrank(struct pagecache_set *set, uint64_t bytes);
/* Around a write-back, before its pages are not dirty any more and after they would
 * be again. */
void set_write_begins(struct pagecache_set *set, uint64_t bytes);
void set_write_ended(struct pagecache_set *set, uint64_t bytes);
/* Queues a read; it may be left out. The caller has a reference on the owner. */
void set_read_later(struct pagecache *pc, uint64_t start, uint64_t end);
int set_start_threads(struct pagecache_set *set) MUST_CHECK;
bool set_is_over(const struct pagecache_set *set); /* the hard limit */
/* A writer of pc waits while too much is dirty. */
void set_throttle(struct pagecache *pc);
