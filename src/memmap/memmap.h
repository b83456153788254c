/*
 * memmap/: the contracts between guest memory and everything that can be
 * mapped. Contracts only: no policy, no state but reverse mappings.
 *
 *	mappable       what can be mapped: a file, a shm segment. It translates
 *	               its own offsets to ranges of mapfiles.
 *	mapfile        what a translation points to and the platform maps: the
 *	               memory file, or a host file's descriptor.
 *	mapping_space  who maps: one guest address space (mm). It is told to
 *	               invalidate what it translated.
 *	translation    mappable range -> mapfile range, with the permissions that
 *	               may be mapped without asking again.
 *	mapping_set    a mappable's reverse mappings.
 *
 * Life of a translation: mm asks translate() under its active lock, takes its
 * own reference on the mapfile range before it unlocks, maps it. When the
 * mappable changes what an offset means (truncate, eviction, write-back that
 * must see later stores) it calls invalidate on every mapping space that maps
 * the range; after that returns no mapping of it exists.
 *
 * Locks (see base/lockrank.h):
 *	MM_MAP                    add_mapping, remove_mapping, copy_mapping
 *	  INODE_MAPS              the mapping set; held while invalidating
 *	    MM_ACTIVE             invalidate() takes it; translate() is called in it
 *	      INODE, INODE_DATA   what translate() may take
 *	        MEMFILE           incref, decref
 */
#pragma once

#include "base/base.h"
#include "base/list.h"
#include "base/lock.h"
#include "memmap/block.h"

/* Access types and permissions: PROT_READ, PROT_WRITE, PROT_EXEC bits. */
#define MAP_R 1
#define MAP_W 2
#define MAP_X 4

/* ---- mapfile ---- */

struct htable;
struct mapfile;

struct mapfile_ops {
	/* Takes (drops) a reference on each page of [offset, offset + size).
	 * For the memory file the last reference frees the range. */
	void (*incref)(struct mapfile *f, uint64_t offset, uint64_t size);
	void (*decref)(struct mapfile *f, uint64_t offset, uint64_t size);
	/* Addresses of ours for a range that the caller holds a reference to:
	 * fills blk[] in order, returns how many, or a negative errno (-ENODEV:
	 * cannot be mapped: use read and write). prot: MAP_R, MAP_W. */
	int (*map_internal)(struct mapfile *f, uint64_t offset, uint64_t size, int prot,
			    struct block *blk, unsigned max);
	/* Buffered fallback for files that cannot be mapped; may be NULL. */
	ssize_t (*read)(struct mapfile *f, uint64_t offset, void *buf, size_t size);
	ssize_t (*write)(struct mapfile *f, uint64_t offset, const void *buf, size_t size);
	/* The host descriptor to map [offset, ...) from. Borrowed. */
	int (*fd)(struct mapfile *f);
};

struct mapfile {
	const struct mapfile_ops *ops;
};

/* ---- translation ---- */

struct translation {
	fileoff_t start, end; /* source range in the mappable, page aligned */
	struct mapfile *file;
	uint64_t offset; /* of `start` in file, page aligned */
	int perms;       /* MAP_*: what may be mapped of it */
};

/* ---- mapping_space ---- */

struct mapping_space;

struct mapping_space_ops {
	/* Forgets every translation inside [start, end) of guest addresses that
	 * came from the mappable, and unmaps it from the guest before returning.
	 * invalidate_private: private copies (copy-on-write) are dropped too
	 * (truncate); otherwise they stay. => takes MM_ACTIVE. */
	void (*invalidate)(struct mapping_space *ms, gva_t start, gva_t end,
			   bool invalidate_private);
};

struct mapping_space {
	const struct mapping_space_ops *ops;
};

/* ---- mappable ---- */

struct mappable;

struct mappable_ops {
	/* A reference on the object behind the mappable; a vma holds one. */
	void (*get)(struct mappable *m);
	void (*put)(struct mappable *m);
	/* ms maps [addr, addr + size) to [off, off + size). writable: it may
	 * become a shared writable mapping. Errors: -ENODEV (cannot be mapped),
	 * -EPERM or -EACCES (seals). The same range is removed as often as it was
	 * added, perhaps in other pieces. => MM_MAP is held for writing. */
	int (*add_mapping)(struct mappable *m, struct mapping_space *ms, gva_t addr, uint64_t size,
			   fileoff_t off, bool writable);
	void (*remove_mapping)(struct mappable *m, struct mapping_space *ms, gva_t addr,
			       uint64_t size, fileoff_t off, bool writable);
	/* mremap: a mapping of [src, src + size) gets a twin at dst (same
	 * offsets); as add_mapping. */
	int (*copy_mapping)(struct mappable *m, struct mapping_space *ms, gva_t src, gva_t dst,
			    uint64_t size, fileoff_t off, bool writable);
	/* Fills out[] with translations, in order and without holes, that cover
	 * as much of `optional` [opt_start, opt_end) as is cheap, and as much of
	 * `required` [start, end), which lies inside it, as is possible, for an
	 * access of `access` (one or more MAP_* bits). Returns their number in
	 * *count and: 0 when all of required is covered; else the error that
	 * stopped it (-EFAULT: past the end of the file: SIGBUS; -EIO; -ENOMEM)
	 * with what could be covered before it. perms of each include access.
	 * => MM_ACTIVE is held (a reference must be taken before it is dropped). */
	int (*translate)(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			 fileoff_t opt_end, int access, struct translation *out, unsigned max,
			 unsigned *count);
	/* MADV_REMOVE: [off, off + size) reads as zeros from now on, for everybody.
	 * NULL: not supported. => no lock of mm is held. */
	int (*punch)(struct mappable *m, fileoff_t off, uint64_t size);
	/* Before a snapshot: drop what cannot be saved (host descriptors). */
	int (*invalidate_unsavable)(struct mappable *m);
	/* msync(MS_SYNC): write [off, off + size) back. */
	int (*sync)(struct mappable *m, fileoff_t off, uint64_t size);
	/* Name, device and inode for /proc/[pid]/maps. Returns the length. => no
	 * lock of mm is held. */
	size_t (*describe)(struct mappable *m, char *buf, size_t size, uint64_t *dev,
			   uint64_t *ino);
};

struct mappable {
	const struct mappable_ops *ops;
};

/* Postconditions of translate(); panics with the one that fails. Called by mm
 * after every translate in debug builds and tests. */
void translate_check(fileoff_t start, fileoff_t end, fileoff_t opt_start, fileoff_t opt_end,
		     int access, int result, const struct translation *t, unsigned count);

/* ---- reverse mappings ---- */

/*
 * A mappable's mappings (mapping.c). Embedded in the object; lock: the owner's, of
 * rank LOCK_INODE_MAPS. What one space maps at one distance between offsets and
 * addresses is a view: an interval map of offsets.
 */
struct mapping_set {
	struct list views;    /* struct mapping_view, oldest first */
	struct htable *index; /* of the views, when they are many; or NULL */
	unsigned nviews;
	struct list spares; /* struct mapping: for removals that split */
	uint64_t writable;  /* bytes mapped writable (seals, keep-dirty) */
};

void mapping_set_init(struct mapping_set *s);
/* Frees nothing that is still mapped: panics when entries are left. */
void mapping_set_fini(struct mapping_set *s);
int mapping_set_add(struct mapping_set *s, struct mapping_space *ms, gva_t addr, uint64_t size,
		    fileoff_t off, bool writable) MUST_CHECK;
/* Never fails. A removal in the middle of an entry splits it; each add puts an
 * entry aside for when there is no memory for that. */
void mapping_set_remove(struct mapping_set *s, struct mapping_space *ms, gva_t addr, uint64_t size,
			fileoff_t off, bool writable);
/* The same two, taking the mappable's maps lock for it. */
int mapping_set_add_under(struct mutex *lock, struct mapping_set *s, struct mapping_space *ms,
			  gva_t addr, uint64_t size, fileoff_t off, bool writable) MUST_CHECK;
void mapping_set_remove_under(struct mutex *lock, struct mapping_set *s, struct mapping_space *ms,
			      gva_t addr, uint64_t size, fileoff_t off, bool writable);
/* Calls invalidate on every mapping of [start, end) (file offsets). A space that maps
 * since a fork comes after the one that it was forked from (fork relies on that). */
void mapping_set_invalidate(struct mapping_set *s, fileoff_t start, fileoff_t end,
			    bool invalidate_private);
/* Waits until nobody that maps is between a translation and its reference: an
 * invalidation of nothing. */
void mapping_set_barrier(struct mapping_set *s);
bool mapping_set_is_mapped(const struct mapping_set *s, fileoff_t start, fileoff_t end);
static inline bool mapping_set_is_empty(const struct mapping_set *s)
{
	return s->nviews == 0;
}
/* How many separate mappings there are. O(n). */
uint64_t mapping_set_count(const struct mapping_set *s);

/* ---- what a mapping is asked to be ---- */

enum mlock_mode { MLOCK_MODE_NONE, MLOCK_MODE_EAGER, MLOCK_MODE_ONFAULT };

/* The identity under which a shared futex is known: (mappable, offset), or for
 * private memory (mm, address). Plain data: equal bytes mean the same futex. */
struct futex_key {
	const void *object;
	uint64_t offset;
	bool shared;
};
