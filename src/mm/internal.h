/* What the files of mm/ share. */
#pragma once

#include <signal.h>
#include <sys/mman.h>

#include "base/pool.h"
#include "base/refcount.h"
#include "mm/mm.h"

/* A private extent is made in one piece up to this; larger mappings get it
 * piece by piece, as they are touched. */
#define EXTENT_MAX ((uint64_t)64 << 20)
/* Copy-on-write breaks this much at a time. */
#define COW_UNIT ((uint64_t)64 << 10)
/* Private writable file mappings up to this are copied at once. */
#define COPY_AT_MAP ((uint64_t)256 << 10)
#define STACK_GUARD ((uint64_t)256 * PAGE_SIZE)
#define STACK_STEP ((uint64_t)256 << 10)

/* What the guest asked for. Lock: map_lock. */
struct vma {
	struct ivnode node;
	struct mappable *mappable; /* reference; NULL: private anonymous */
	fileoff_t off;             /* of node.start in the mappable */
	int prot, max_prot;
	bool shared, grows_down, locked, noreserve;
	bool dont_fork, wipe_on_fork;
	const char *name;
};

/* What is mapped. Lock: active_lock. Lies within one vma. */
struct pma {
	struct ivnode node;
	struct mapfile *file;
	uint64_t offset;  /* of node.start in file */
	int prot;         /* the vma's, kept here for copies */
	int perms;        /* what the translation allows */
	bool cow;         /* a write must first look for other users, and copy */
	bool is_private;  /* owned memory of ours, not the mappable's */
};

struct mm {
	struct mapping_space space;
	const struct mm_env *env;
	struct refcount refs;
	atomic_uint users;
	struct platform_as *as;
	struct rwlock map_lock;
	struct ivmap vmas;            /* [m] */
	struct rwlock active_lock;
	struct ivmap pmas;            /* [p] */
	struct mm_layout layout;      /* [m] */
	struct mm_limits limits;      /* [m] */
	gva_t lo, hi;                 /* [I] what may be mapped */
	gva_t mmap_base;              /* [m] mappings grow down from here */
	uint64_t locked, data;        /* [m] bytes */
	uint64_t peak_vsize, peak_rss;
	bool lock_future;             /* [m] */
};

static inline struct vma *vma_of(struct ivnode *n)
{
	return n ? ivmap_entry(n, struct vma, node) : NULL;
}

static inline struct pma *pma_of(struct ivnode *n)
{
	return n ? ivmap_entry(n, struct pma, node) : NULL;
}

static inline struct vma *vma_find(struct mm *mm, gva_t addr)
{
	return vma_of(ivmap_find(&mm->vmas, addr));
}

static inline bool mm_is_lazy(struct mm *mm)
{
	return atomic_load_explicit(&mm->users, memory_order_relaxed) <= 1;
}

/* A batch of platform operations, sent when full. */
struct batch {
	struct mm *mm;
	struct platform_op ops[64];
	unsigned count;
	bool lazy;
	int result;
};

void batch_init(struct batch *b, struct mm *mm, bool lazy);
void batch_map(struct batch *b, const struct pma *p, gva_t start, gva_t end);
void batch_unmap(struct batch *b, gva_t start, gva_t end);
void batch_protect(struct batch *b, gva_t start, gva_t end, int prot);
int batch_flush(struct batch *b);

/* ---- vma.c (map_lock held for writing) ---- */
struct vma *vma_alloc(void);
void vma_free(struct vma *v);
int vma_isolate(struct mm *mm, gva_t start, gva_t end) MUST_CHECK;
void vma_merge_range(struct mm *mm, gva_t start, gva_t end);
int vma_find_room(struct mm *mm, gva_t hint, uint64_t size, unsigned flags, gva_t *out) MUST_CHECK;
int vma_insert_new(struct mm *mm, struct vma *v) MUST_CHECK;
void vma_remove(struct mm *mm, struct vma *v);
bool vma_covers(struct mm *mm, gva_t start, gva_t end);

/* ---- pma.c (active_lock held for writing) ---- */
int pma_prot(const struct pma *p);
int pma_fill_locked(struct mm *mm, struct vma *v, gva_t start, gva_t end, gva_t opt_start,
		    gva_t opt_end, int access, struct batch *b);
int pma_break_cow_locked(struct mm *mm, struct pma *p, gva_t addr, struct batch *b);
void pma_drop_locked(struct mm *mm, gva_t start, gva_t end, struct batch *b, struct list *doomed);
int pma_isolate_locked(struct mm *mm, gva_t start, gva_t end) MUST_CHECK;
struct pma *pma_alloc(void);
void pma_free(struct pma *p);
/* Ranges whose references are dropped once the guest cannot reach them. */
void doomed_put(struct list *doomed);

/* Unmaps; map_lock held for writing. */
int unmap_locked(struct mm *mm, gva_t start, gva_t end);
int copy_now_locked(struct mm *mm, struct vma *v);

struct mappable *shmem_create(struct memfile *mf, uint64_t size);
