/*
 * What the files of mm/ share.
 *
 *	vma.c      the vma set: find, split, join, room, books
 *	pma.c      the pma set, and batches of platform operations
 *	extent.c   memory-file ranges for private memory
 *	fill.c     makes pmas for an access: from extents, from mappables
 *	cow.c      copy-on-write
 *	guard.c    guard pages
 *	fault.c    mm_fault(), stack growth
 *	usercopy.c, uio.c, atomic.c: copies
 *	pin.c      ranges that the kernel keeps
 *	filepages.c remap_file_pages()
 *	text.c     instructions of ours in the guest's code
 *	the rest   one family of calls each
 *
 * Invariants (mm_check() runs them)
 *  1. vmas and pmas lie in [lo, hi), page aligned; every page of a pma lies in
 *     a vma. A pma may reach across vmas; then they agree on its prot.
 *  2. pma.prot is what the guest may do without a fault: the vma's protection,
 *     less what the translation does not allow, less writing where a write must
 *     copy first. All pages of a pma agree.
 *  3. is_private pmas: pages of the memory file that this mm got by itself or
 *     by fork; only in private vmas. A private vma's other pmas never have
 *     MAP_W in perms.
 *  4. The platform maps nothing that no pma with is_mapped covers, and nothing
 *     with more than the pma's prot.
 *  5. A pma holds one reference on each page of its range. References are
 *     dropped only after the guest has lost the mapping (struct batch).
 *  6. The books (bytes locked, data, ...) are those of the vmas.
 */
#pragma once

#include "base/ivmap.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/refcount.h"
#include "mm/mm.h"

/* Private memory is backed in pieces of at most this; larger vmas get a piece
 * when it is touched. */
#define EXTENT_MAX ((uint64_t)64 << 20)
/* Copy-on-write copies this much, aligned to it. */
#define COW_WINDOW ((uint64_t)64 << 10)
#define COW_WINDOW_MAX ((uint64_t)1 << 20)
/* Windows that fork copies at once. */
#define HOT_WINDOWS 16
/* Writable private mappings of programs and libraries up to this are copied at
 * once: their data and relocations will be written. */
#define COPY_AT_MAP_MAX ((uint64_t)256 << 10)
/* No mapping comes closer below a growing stack. */
#define STACK_GUARD_GAP (256 * PAGE_SIZE)
/* A stack that grows gets this much at once, if nothing is in the way. */
#define STACK_GROWTH ((uint64_t)256 << 10)
#define VMA_COUNT_MAX 65530u
/* The host allows a stub 65,530 mappings; one that cannot be cut any further
 * could not be unmapped in part either, and the stub would have to die. */
#define PMA_COUNT_MAX 64000u
#define NO_LIMIT UINT64_MAX

/* What the guest asked for. [m] all of it */
struct vma {
	struct ivnode node;
	struct list link;          /* a list of the removed */
	struct mappable *mappable; /* a reference; NULL: private anonymous */
	fileoff_t offset;          /* of node.start; 0 without mappable */
	const char *name;          /* constant, or NULL */
	int prot, max_prot;        /* MAP_* */
	unsigned flags;            /* VMA_* */
	enum mlock_mode lock;
};

/* What is there. [p] all of it */
struct pma {
	struct ivnode node;
	struct list link;     /* a list of the removed */
	struct mapfile *file; /* a reference on its pages */
	uint64_t offset;      /* of node.start in file */
	int perms;            /* MAP_*: what the translation allows */
	int prot;             /* invariant 2 */
	bool is_private;
	bool need_cow;  /* private, and perhaps shared since a fork */
	bool is_mapped; /* the platform may have it */
	bool is_guard;  /* allows nothing (guard.c) */
};

/* Offsets put aside behind a growing extent (extent.c). */
struct growth {
	gva_t next;
	uint64_t offset, size;
	enum memfile_kind kind;
};
#define GROWTHS 4

/* Memory that the guest has got and not touched yet (fill.c). */
struct defer_range {
	gva_t start, end;
};
#define DEFERRED_MAX 16

/* What was changed in the guest's code (text.c). */
#define TEXT_PATCH_MAX 8
struct text_patch {
	gva_t addr;
	uint8_t size, old[TEXT_PATCH_MAX], new[TEXT_PATCH_MAX];
};

struct mm_text {
	gva_t base, end, next; /* the code space; base 0: there is none yet */
	bool is_over;          /* and will be none */
	struct text_patch *patches;
	unsigned count, room;
};

struct mm_books {
	uint64_t locked, data, stack, text;
};

/* [I] immutable, [m] map_lock, [p] active_lock, [a] atomic */
struct mm {
	struct mapping_space space;
	struct refcount refs;
	atomic_uint users;      /* [a] */
	struct mm_env env;      /* [I] */
	struct platform_as *as; /* [I] */
	gva_t lo, hi;           /* [I] what the guest may map */

	struct rwlock map_lock;
	struct ivmap vmas;           /* [m] */
	gva_t mmap_base;             /* [m] mappings are placed below it */
	struct mm_limits limits;     /* [m] */
	struct mm_layout layout;     /* [m] */
	struct mm_books books;       /* [m] */
	enum mlock_mode lock_future; /* [m] */
	atomic_uint flags;           /* [a] mm_flags() */
	uint64_t peak_vsize;         /* [m] */
	struct mm_text text;         /* [m] */
	_Atomic uint64_t peak_rss;   /* [a] */

	struct rwlock active_lock;
	struct ivmap pmas;                         /* [p] */
	struct growth growths[GROWTHS];            /* [p] */
	unsigned growth_turn;                      /* [p] */
	gva_t hot[HOT_WINDOWS];                    /* [p] where copy-on-write was last broken */
	unsigned hot_turn;                         /* [p] */
	struct defer_range deferred[DEFERRED_MAX]; /* [p] filled, but not mapped yet */
	unsigned ndeferred;                        /* [p] */
	struct list pins;                          /* [pins] struct mm_pin, pin.c */
	struct list spare_pmas;                    /* [p] for splits that must not fail */
	unsigned nspares;                          /* [p] */
};

IVMAP_TYPE(vmas, struct vma, node);
IVMAP_TYPE(pmas, struct pma, node);

/* ---- protections ---- */

/* x86: what can be written can be read. */
static inline int prot_implied(int prot)
{
	return prot & MAP_W ? prot | MAP_R : prot;
}

static inline int pma_effective(int vma_prot, const struct pma *p)
{
	int prot = prot_implied(vma_prot) & p->perms;

	return p->need_cow ? prot & ~MAP_W : prot;
}

static inline bool pma_may_write(const struct pma *p)
{
	return (p->perms & MAP_W) && !p->need_cow;
}

/* ---- vma.c: all with map_lock held, for writing where they change ---- */

static inline struct vma *vma_find(const struct mm *mm, gva_t addr)
{
	return vmas_at(&mm->vmas, addr);
}

/* The first that ends after addr. */
static inline struct vma *vma_from(const struct mm *mm, gva_t addr)
{
	return vmas_from(&mm->vmas, addr);
}

static inline struct vma *vma_next(const struct vma *v)
{
	return vmas_next(v);
}

static inline fileoff_t vma_offset(const struct vma *v, gva_t addr)
{
	return v->offset + (addr - v->node.start);
}

/* Whether stores through it reach the mappable. */
static inline bool vma_is_writable_mapping(const struct vma *v)
{
	return (v->flags & VMA_SHARED) && (v->max_prot & MAP_W);
}

/* A copy of v for [start, end), which lies in it or takes its place elsewhere;
 * holds its own reference on the mappable. NULL: no memory. */
struct vma *vma_dup(const struct vma *v, gva_t start, gva_t end, fileoff_t offset);
struct vma *vma_alloc(void);
/* Drops the reference on the mappable: not under mm's locks, unless another
 * vma holds one too. NULL is allowed. */
void vma_free(struct vma *v);
void vma_free_list(struct list *removed);
/* Tells the mappable; to be called before vma_insert(). */
int vma_announce(struct mm *mm, struct vma *v) MUST_CHECK;
void vma_renounce(struct mm *mm, struct vma *v);
/* Puts v into the set and the books; joins nothing. */
void vma_insert(struct mm *mm, struct vma *v);
/* Takes it out of both. */
void vma_remove(struct mm *mm, struct vma *v);
/* Makes start and end boundaries. -ENOMEM: too many, or no memory; the set
 * means the same as before. */
int vma_isolate(struct mm *mm, gva_t start, gva_t end) MUST_CHECK;
/* Joins what is alike inside [start, end] and across its borders. */
void vma_join(struct mm *mm, gva_t start, gva_t end);
/* Takes all vmas of [start, end), whose borders are isolated, out of the set. */
void vma_remove_range(struct mm *mm, gva_t start, gva_t end, struct list *removed);
/* To be called when the guest has lost the pages, map_lock still held. */
void vma_renounce_list(struct mm *mm, struct list *removed);
/* -EPERM when a mapping of the range is sealed. */
int vma_check_sealed(const struct mm *mm, gva_t start, gva_t end) MUST_CHECK;
bool vma_covers(const struct mm *mm, gva_t start, gva_t end);
/* Room for a mapping: at the hint if that is free. -ENOMEM. */
int vma_find_room(const struct mm *mm, gva_t hint, uint64_t size, unsigned map_flags, gva_t *out)
	MUST_CHECK;
/* Changes what the books count. */
void vma_set_prot(struct mm *mm, struct vma *v, int prot);
void vma_set_lock(struct mm *mm, struct vma *v, enum mlock_mode mode);
/* Whether size bytes more are within RLIMIT_AS and, for private writable
 * memory, RLIMIT_DATA. */
bool vma_may_expand(const struct mm *mm, uint64_t size, bool is_data);
bool vma_is_data(int prot, unsigned flags);
/* lock.c: whether the caller may lock memory at all, and so much more. */
bool mm_may_lock(const struct mm *mm);
bool mm_may_lock_more(const struct mm *mm, uint64_t more);
/* Whether the guest may map [addr, addr + size) at all. */
bool mm_range_ok(const struct mm *mm, gva_t addr, uint64_t size);

/* ---- batches (pma.c) ---- */

/*
 * What the platform must do, collected, and what must be released after it
 * has. From batch_begin() to batch_end() the active lock is held for writing.
 */
#define BATCH_OPS 64
struct batch {
	struct mm *mm;
	unsigned count;
	bool takes;          /* something is taken away: may not be lazy */
	bool populate;       /* map with the pages present */
	int err;             /* the first failure of the platform */
	struct list removed; /* struct pma */
	struct platform_op ops[BATCH_OPS];
};

void batch_begin(struct batch *b, struct mm *mm);
/* The same for who has locked already. */
void batch_init(struct batch *b, struct mm *mm);
/* Applies the rest, unlocks, and drops the references of what was removed.
 * -ENOMEM: the platform could not map; what it has not mapped will fault. A
 * dead address space is no error here: its contexts will say so. */
int batch_end(struct batch *b);
void batch_unmap(struct batch *b, gva_t start, gva_t end);

/* ---- pma.c: all with active_lock held, for writing where they change ---- */

static inline struct pma *pma_find(const struct mm *mm, gva_t addr)
{
	return pmas_at(&mm->pmas, addr);
}

static inline struct pma *pma_from(const struct mm *mm, gva_t addr)
{
	return pmas_from(&mm->pmas, addr);
}

static inline struct pma *pma_next(const struct pma *p)
{
	return pmas_next(p);
}

static inline uint64_t pma_size(const struct pma *p)
{
	return p->node.end - p->node.start;
}

static inline uint64_t pma_offset(const struct pma *p, gva_t addr)
{
	return p->offset + (addr - p->node.start);
}

struct pma *pma_alloc(void);
void pma_free(struct pma *p);
/* Fills the mm's spares again, so that pma_isolate_must() cannot fail. */
int pma_reserve(struct mm *mm) MUST_CHECK;
int pma_isolate(struct mm *mm, gva_t start, gva_t end) MUST_CHECK;
/* For those that cannot fail (invalidation): uses the spares. */
void pma_isolate_must(struct mm *mm, gva_t start, gva_t end);
void pma_join(struct mm *mm, gva_t start, gva_t end);
void pma_insert(struct mm *mm, struct pma *p);
/* Out of the set; unmapped by the batch, released after it. */
void pma_drop(struct batch *b, struct pma *p);
/* The same, but the caller maps something else over it in this batch. */
void pma_supersede(struct batch *b, struct pma *p);
/* Drops all of [start, end), whose borders are isolated. */
void pma_drop_range(struct batch *b, gva_t start, gva_t end);
/* Maps it as its prot says; nothing to do for no access. */
void pma_map(struct batch *b, struct pma *p);
/* Maps it again over what the platform may have, around addr. */
void pma_remap(struct batch *b, struct pma *p, gva_t addr);
void pma_set_prot(struct batch *b, struct pma *p, int prot);
/* Addresses of ours for the pages from addr on, at most size bytes; returns
 * the bytes that blk[] covers, 0 when none can be had. */
size_t pma_blocks(const struct mm *mm, struct pma *p, gva_t addr, size_t size, int access,
		  struct block *blk, unsigned max, unsigned *count);

/* ---- extent.c ---- */

/* size bytes of zeroed offsets for private memory at addr, with one reference.
 * grows: more will be wanted right behind it. -ENOMEM. */
int extent_alloc(struct mm *mm, gva_t addr, uint64_t size, enum memfile_kind kind, bool grows,
		 uint64_t *offset) MUST_CHECK;
/* Gives back what was put aside. */
void extent_forget(struct mm *mm);

/* ---- fill.c, cow.c: map_lock held, inside a batch ---- */

#define FILL_MAP 1u   /* the platform maps it too */
#define FILL_FORCE 2u /* whatever the vma's protection is (ptrace) */
#define FILL_GROWS 4u /* a heap: neighbouring extents wanted */
#define FILL_WHOLE 8u /* copy-on-write copies all of the vma at once */
#define FILL_TRAP 16u /* the guest trapped: map again what seems to be mapped */
#define FILL_COPY 32u /* a program's data: copied before it is written, if small */

/* Makes pmas that allow `access` for all of [start, end), which lies in v.
 * -ENXIO: past the end of the file (SIGBUS); -EFAULT: a guard page; -ENOMEM. */
int fill(struct batch *b, struct vma *v, gva_t start, gva_t end, int access, unsigned flags)
	MUST_CHECK;
/* What can be had without asking anybody when v was just made (or made accessible):
 * filled now, mapped at the next fault. */
void fill_eagerly(struct batch *b, struct vma *v, gva_t start, gva_t end, unsigned flags);
/* What is in [start, end) by then is mapped at the next fault. */
void map_later(struct batch *b, gva_t start, gva_t end);
/* Maps all that was deferred. */
void map_deferred(struct batch *b);
/* p, which must not be written yet, becomes writable at addr. */
int cow_break(struct batch *b, struct vma *v, struct pma *p, gva_t addr, unsigned flags) MUST_CHECK;
void cow_remember(struct mm *mm, gva_t addr);
/* Copies the pages around addr, size bytes aligned to it, even if they are ours alone: the
 * guest sees the copy when the batch has ended. The next fork does not expect another. */
int cow_copy(struct batch *b, struct vma *v, struct pma *p, gva_t addr, uint64_t size) MUST_CHECK;

/* ---- guard.c: inside a batch; [start, end) lies in one vma ---- */

int guard_install(struct batch *b, gva_t start, gva_t end) MUST_CHECK;
int guard_remove(struct batch *b, gva_t start, gva_t end) MUST_CHECK;

/* ---- fault.c ---- */

/* How far fault_in_some() looks at most. */
#define FAULT_AHEAD ((uint64_t)1 << 20)
/* For what the kernel touches: makes the page of addr present, and what follows up to
 * end if that is easy. Waits for memory if there is none. -EFAULT. => sleeps */
int fault_in_some(struct mm *mm, gva_t addr, gva_t end, int access, unsigned flags) MUST_CHECK;

/* Takes the locks and makes as much of [start, end) present as one vma holds.
 * code as in mm_fault(). */
int fault_in(struct mm *mm, gva_t start, gva_t end, int access, unsigned flags, int *code)
	MUST_CHECK;
enum populate {
	POPULATE_ALL,  /* MAP_POPULATE, mlockall: as far as possible */
	POPULATE_LOCK, /* mlock: to the first failure */
	POPULATE_READ, /* MADV_POPULATE_*: the same */
	POPULATE_WRITE,
};
/* Makes pages present and has the host give them memory. The first two as the
 * mapping is meant to be used. -ENOMEM (a hole too), -EACCES (not allowed), -ENXIO
 * (past the end of the file), -EFAULT (a guard page). => no lock held */
int mm_populate(struct mm *mm, gva_t start, gva_t end, enum populate how);

/* ---- pin.c ---- */

/* The address space goes: its pins live on by themselves. */
void pins_forget(struct mm *mm);
/* The first pinned part of [start, end): *lo, *hi; false: none. */
bool pins_overlap(struct mm *mm, gva_t start, gva_t end, gva_t *lo, gva_t *hi);

/* ---- text.c: map_lock held for writing ---- */

/* [start, end) is about to be taken: if code of ours lies in it, the guest's text becomes
 * again what it was. */
void text_withdraw(struct mm *mm, gva_t start, gva_t end);
/* The same where nothing of the guest's may be replaced: our code goes. */
void text_make_way(struct mm *mm, gva_t start, gva_t end, struct list *removed);
/* For a fork: -ENOMEM. */
int text_copy(const struct mm *mm, struct mm *child) MUST_CHECK;
/* All mappings are gone. */
void text_forget(struct mm *mm);

/* ---- map.c, unmap.c ---- */

/* Everything but map_lock and the freeing of `removed`. */
int mm_map_locked(struct mm *mm, const struct mm_map_args *args, uint64_t size, unsigned fill_flags,
		  struct list *removed, gva_t *out) MUST_CHECK;
int mm_unmap_locked(struct mm *mm, gva_t start, gva_t end, struct list *removed) MUST_CHECK;
