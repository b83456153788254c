/*
 * madvise(2).
 *
 * A table says what each advice needs: changes of vmas take map_lock for
 * writing, discarding takes it shared. The range is walked vma by vma; a hole
 * is -ENOMEM, but only after everything else was done.
 *
 * Discarding private anonymous memory punches the pages out of the memory file
 * and leaves the mapping as it is: the host drops the page table entries, the
 * guest's next touch is a host fault, not a trap. Memory that a fork shares
 * cannot be punched; it is unmapped and its reference dropped.
 */
#include "mm/internal.h"

#include "abi/mman.h"

enum advice_kind {
	ADVICE_UNKNOWN,
	ADVICE_NOTHING, /* a hint that we have no use for */
	ADVICE_FLAG,    /* sets or clears a vma flag */
	ADVICE_DISCARD, /* private memory reads as zeros, or as the file */
	ADVICE_FREE,    /* the same, later, if ever */
	ADVICE_RECLAIM, /* a hint, but not for locked memory */
	ADVICE_REMOVE,  /* shared memory reads as zeros, for all */
	ADVICE_POPULATE,
	ADVICE_GUARD, /* pages that no access reaches (guard.c) */
	ADVICE_UNGUARD,
};

struct advice {
	int advice;
	enum advice_kind kind;
	unsigned set, clear; /* VMA_* */
};

static const struct advice advices[] = {
	{ MADV_NORMAL, ADVICE_NOTHING, 0, 0 },
	{ MADV_RANDOM, ADVICE_NOTHING, 0, 0 },
	{ MADV_SEQUENTIAL, ADVICE_NOTHING, 0, 0 },
	{ MADV_WILLNEED, ADVICE_NOTHING, 0, 0 },
	{ MADV_DONTNEED, ADVICE_DISCARD, 0, 0 },
	{ MADV_FREE, ADVICE_FREE, 0, 0 },
	{ MADV_REMOVE, ADVICE_REMOVE, 0, 0 },
	{ MADV_DONTFORK, ADVICE_FLAG, VMA_DONTFORK, 0 },
	{ MADV_DOFORK, ADVICE_FLAG, 0, VMA_DONTFORK },
	{ MADV_MERGEABLE, ADVICE_NOTHING, 0, 0 },
	{ MADV_UNMERGEABLE, ADVICE_NOTHING, 0, 0 },
	{ MADV_HUGEPAGE, ADVICE_NOTHING, 0, 0 },
	{ MADV_NOHUGEPAGE, ADVICE_NOTHING, 0, 0 },
	{ MADV_DONTDUMP, ADVICE_FLAG, VMA_DONTDUMP, 0 },
	{ MADV_DODUMP, ADVICE_FLAG, 0, VMA_DONTDUMP },
	{ MADV_WIPEONFORK, ADVICE_FLAG, VMA_WIPEONFORK, 0 },
	{ MADV_KEEPONFORK, ADVICE_FLAG, 0, VMA_WIPEONFORK },
	{ MADV_COLD, ADVICE_RECLAIM, 0, 0 },
	{ MADV_PAGEOUT, ADVICE_RECLAIM, 0, 0 },
	{ MADV_POPULATE_READ, ADVICE_POPULATE, 0, 0 },
	{ MADV_POPULATE_WRITE, ADVICE_POPULATE, 0, 0 },
	{ MADV_DONTNEED_LOCKED, ADVICE_DISCARD, 0, 0 },
	{ ABI_MADV_GUARD_INSTALL, ADVICE_GUARD, 0, 0 },
	{ ABI_MADV_GUARD_REMOVE, ADVICE_UNGUARD, 0, 0 },
};

static const struct advice unknown = { -1, ADVICE_UNKNOWN, 0, 0 };

static const struct advice *find_advice(int advice)
{
	for (size_t i = 0; i < ARRAY_SIZE(advices); i++) {
		if (advices[i].advice == advice)
			return &advices[i];
	}
	return &unknown;
}

/* ---- discarding ---- */

/* p lies in [start, end) of v, a private vma. */
static void discard_pma(struct batch *b, const struct vma *v, struct pma *p)
{
	struct memfile *mf = b->mm->env.memfile;

	if (!p->is_private)
		return; /* the file's own pages are as they should be */
	if (!v->mappable && memfile_is_exclusive(mf, p->offset, pma_size(p)))
		memfile_decommit(mf, p->offset, pma_size(p));
	else
		pma_drop(b, p);
}

static int discard(struct mm *mm, const struct vma *v, gva_t start, gva_t end)
{
	struct pma *next;
	struct batch b;
	int err, ended;

	if (v->flags & VMA_SHARED)
		return 0;
	batch_begin(&b, mm);
	err = pma_isolate(mm, start, end);
	for (struct pma *p = pma_from(mm, start); !err && p && p->node.start < end; p = next) {
		next = pma_next(p);
		discard_pma(&b, v, p);
	}
	pma_join(mm, start, end);
	ended = batch_end(&b);
	return err ? err : ended;
}

/* ---- by kind: [start, end) lies in v ---- */

/* => map_lock for writing */
static int advise_flag(struct mm *mm, const struct advice *a, struct vma *v, gva_t start, gva_t end)
{
	int err;

	if ((a->set & VMA_WIPEONFORK) && (v->mappable || (v->flags & VMA_SHARED)))
		return -EINVAL;
	if ((v->flags & a->set) == a->set && !(v->flags & a->clear))
		return 0;
	err = vma_isolate(mm, start, end);
	if (err)
		return err;
	v = vma_find(mm, start);
	v->flags = (v->flags | a->set) & ~a->clear;
	return 0;
}

/* => map_lock shared */
static int advise_discard(struct mm *mm, const struct advice *a, const struct vma *v, gva_t start,
			  gva_t end)
{
	if (v->lock != MLOCK_MODE_NONE && a->advice != MADV_DONTNEED_LOCKED)
		return -EINVAL;
	if (a->kind == ADVICE_FREE && (v->mappable || (v->flags & VMA_SHARED)))
		return -EINVAL;
	return a->kind == ADVICE_RECLAIM ? 0 : discard(mm, v, start, end);
}

/* => map_lock shared */
static int advise_guard(struct mm *mm, const struct advice *a, const struct vma *v, gva_t start,
			gva_t end)
{
	bool install = a->kind == ADVICE_GUARD;
	struct batch b;
	int err, ended;

	if (install && v->lock != MLOCK_MODE_NONE)
		return -EINVAL;
	batch_begin(&b, mm);
	err = install ? guard_install(&b, start, end) : guard_remove(&b, start, end);
	pma_join(mm, start, end);
	ended = batch_end(&b);
	return err ? err : ended;
}

/* What takes bytes away, for those who may read a sealed mapping only. */
static bool is_sealed_against(const struct vma *v, const struct advice *a)
{
	switch (a->kind) {
	case ADVICE_DISCARD:
	case ADVICE_FREE:
	case ADVICE_REMOVE:
	case ADVICE_GUARD:
		break;
	case ADVICE_FLAG:
		if (a->set & (VMA_DONTFORK | VMA_WIPEONFORK))
			break;
		return false;
	default:
		return false;
	}
	return (v->flags & VMA_SEALED) && !v->mappable && !(v->prot & MAP_W);
}

static int advise_vma(struct mm *mm, const struct advice *a, struct vma *v, gva_t start, gva_t end)
{
	if (is_sealed_against(v, a))
		return -EPERM;
	switch (a->kind) {
	case ADVICE_GUARD:
	case ADVICE_UNGUARD:
		return advise_guard(mm, a, v, start, end);
	case ADVICE_FLAG:
		return advise_flag(mm, a, v, start, end);
	case ADVICE_DISCARD:
	case ADVICE_FREE:
	case ADVICE_RECLAIM:
		return advise_discard(mm, a, v, start, end);
	default:
		return 0;
	}
}

static int advise_locked(struct mm *mm, const struct advice *a, gva_t start, gva_t end)
{
	bool hole = false;

	while (start < end) {
		struct vma *v = vma_from(mm, start);
		gva_t lo, hi;
		int err;

		if (!v || v->node.start >= end)
			return -ENOMEM;
		hole |= v->node.start > start;
		lo = MAX(start, v->node.start);
		hi = MIN(end, v->node.end);
		err = advise_vma(mm, a, v, lo, hi);
		if (err)
			return err;
		start = hi;
	}
	return hole ? -ENOMEM : 0;
}

/* ---- MADV_REMOVE: the mappable is called without locks ---- */

struct removal {
	struct mappable *mappable; /* a reference */
	fileoff_t offset;
	gva_t start, stop;
	bool hole; /* before start */
};

static int find_removable(struct mm *mm, gva_t at, gva_t end, struct removal *r)
{
	struct vma *v = vma_from(mm, at);

	if (!v || v->node.start >= end)
		return -ENOMEM;
	if (v->lock != MLOCK_MODE_NONE || !v->mappable)
		return -EINVAL;
	if (!vma_is_writable_mapping(v))
		return -EACCES;
	if (!v->mappable->ops->punch)
		return -EOPNOTSUPP;
	r->hole = v->node.start > at;
	r->start = MAX(at, v->node.start);
	r->stop = MIN(end, v->node.end);
	r->mappable = v->mappable;
	r->offset = vma_offset(v, r->start);
	v->mappable->ops->get(v->mappable);
	return 0;
}

static int advise_remove(struct mm *mm, gva_t start, gva_t end)
{
	bool hole = false;

	while (start < end) {
		struct removal r;
		int err;

		rwlock_read(&mm->map_lock);
		err = find_removable(mm, start, end, &r);
		rwlock_read_unlock(&mm->map_lock);
		if (err)
			return err;
		hole |= r.hole;
		err = r.mappable->ops->punch(r.mappable, r.offset, r.stop - r.start);
		r.mappable->ops->put(r.mappable);
		if (err)
			return err;
		start = r.stop;
	}
	return hole ? -ENOMEM : 0;
}

static int advise_populate(struct mm *mm, gva_t start, gva_t end, bool for_write)
{
	int err = mm_populate(mm, start, end, for_write ? POPULATE_WRITE : POPULATE_READ);

	/* madvise(2): -EFAULT stands for SIGBUS and SIGSEGV, -EINVAL for no permission. */
	if (err == -ENXIO)
		return -EFAULT;
	return err == -EACCES ? -EINVAL : err;
}

/* ---- the call ---- */

static int check_range(gva_t addr, uint64_t size, gva_t *end)
{
	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (size > UINT64_MAX - PAGE_SIZE || add_overflow(addr, page_up(size), end))
		return -EINVAL;
	return 0;
}

int mm_advise(struct mm *mm, gva_t addr, uint64_t size, int advice)
{
	const struct advice *a = find_advice(advice);
	gva_t end;
	int err;

	if (a->kind == ADVICE_UNKNOWN)
		return -EINVAL;
	err = check_range(addr, size, &end);
	if (err || end == addr)
		return err;
	if (a->kind == ADVICE_REMOVE)
		return advise_remove(mm, addr, end);
	if (a->kind == ADVICE_POPULATE)
		return advise_populate(mm, addr, end, advice == MADV_POPULATE_WRITE);
	if (a->kind == ADVICE_FLAG) {
		rwlock_write(&mm->map_lock);
		err = advise_locked(mm, a, addr, end);
		vma_join(mm, addr, end);
		rwlock_write_unlock(&mm->map_lock);
	} else {
		rwlock_read(&mm->map_lock);
		err = advise_locked(mm, a, addr, end);
		rwlock_read_unlock(&mm->map_lock);
	}
	return err;
}
