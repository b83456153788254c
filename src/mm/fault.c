/*
 * Faults: the guest touched something and trapped, or a copy of ours found
 * nothing there.
 *
 *	no vma                    SIGSEGV, SEGV_MAPERR; or a stack that grows
 *	vma without the access    SIGSEGV, SEGV_ACCERR
 *	no pma, or not enough     fill() it
 *	pma, all as it should be  another thread was faster, or a lazy map had
 *	                          failed: map it again; or there is nothing behind
 *	                          the page: SIGBUS
 *
 * map_lock is held shared, so the vma stays; growing a stack needs it for
 * writing, and looks everything up again.
 */
#include "mm/internal.h"

#include <signal.h>

#include "host/safecopy.h"

/* How often a page is tried again for want of memory: some seconds. */
#define WAITS_MAX 500u

/* Whether a guest's own access is allowed. x86 can read whatever can be accessed at
 * all; what a protection key forbids does not come here. */
static bool vma_allows(const struct vma *v, int access, unsigned flags)
{
	if (!(flags & FILL_FORCE))
		return access == MAP_R ? v->prot != 0 : v->prot & access;
	/* A tracer may write to any private mapping, as a breakpoint; what others have too
	 * is not its to change. */
	return !(access & MAP_W) || !(v->flags & VMA_SHARED) || (v->prot & MAP_W);
}

/* ---- stacks ---- */

/* The lowest address to which v may grow. */
static gva_t growth_bound(const struct mm *mm, const struct vma *v)
{
	const struct vma *below = vmas_prev(v);
	gva_t bound = mm->lo, limit = page_down(mm->limits.stack);

	if (below) {
		bound = below->node.end;
		/* Linux keeps no gap to mappings without access: guard pages. */
		if (!(below->flags & VMA_GROWSDOWN) && below->prot)
			bound += STACK_GUARD_GAP;
	}
	return v->node.end > limit ? MAX(bound, v->node.end - limit) : bound;
}

/* How far it is to grow: the stack of the process generously, other mappings, whose
 * bounds a program may rely on, by what is touched. */
static gva_t growth_wanted(const struct vma *v, gva_t page)
{
	return v->name ? page & ~(STACK_GROWTH - 1) : page;
}

/* => map_lock for writing. The grown vma, or NULL. */
static struct vma *grow_stack(struct mm *mm, gva_t addr)
{
	gva_t start = page_down(addr), bound;
	struct vma *v = vma_from(mm, addr);
	uint64_t more;

	if (!v || v->node.start <= addr)
		return v;
	if (!(v->flags & VMA_GROWSDOWN) || addr < mm->lo)
		return NULL;
	bound = growth_bound(mm, v);
	if (start < bound)
		return NULL;
	start = MAX(growth_wanted(v, start), bound);
	more = v->node.start - start;
	if (!vma_may_expand(mm, more, false))
		return NULL;
	if (v->lock != MLOCK_MODE_NONE && !mm_may_lock_more(mm, more))
		return NULL;
	vma_remove(mm, v);
	v->node.start = start;
	vma_insert(mm, v);
	return v;
}

/* ---- faults ---- */

/* Whether the guest should have been able to do it: nothing is to be filled. */
static bool is_spurious(const struct pma *p, int access)
{
	return p && p->is_mapped && (access == MAP_R ? p->prot != 0 : p->prot & access);
}

/* Whether a mapped host file has something behind the page: it may end before it,
 * or its disk be broken or full. The host says so by a signal to the guest, as it
 * does for a race that is over, so it is asked by an access of our own. */
static bool is_backed(struct mm *mm, struct pma *p, gva_t page, int access)
{
	struct block blk;
	unsigned count;
	uint32_t val, *at;

	if (p->file == memfile_mapfile(mm->env.memfile))
		return true;
	if (!pma_blocks(mm, p, page, PAGE_SIZE, access & (MAP_R | MAP_W), &blk, 1, &count))
		return true; /* cannot say */
	at = blk.base;
	if (safecopy_load32(at, &val) < 0)
		return false;
	return !(access & MAP_W) || safecopy_cmpxchg32(at, val, val, &val) == 0;
}

/* => map_lock, shared or not */
static int fault_vma(struct mm *mm, struct vma *v, gva_t start, gva_t end, int access,
		     unsigned flags)
{
	struct batch b;
	int err, mapped;

	batch_begin(&b, mm);
	if ((flags & FILL_TRAP) && is_spurious(pma_find(mm, start), access)) {
		bool backed = is_backed(mm, pma_find(mm, start), start, access);

		if (backed)
			pma_remap(&b, pma_find(mm, start), start);
		mapped = batch_end(&b);
		return backed ? mapped : -ENXIO;
	}
	err = fill(&b, v, start, end, access, flags);
	if (flags & FILL_TRAP)
		map_deferred(&b);
	mapped = batch_end(&b);
	return err ? err : mapped;
}

static int fault_locked(struct mm *mm, struct vma *v, gva_t start, gva_t end, int access,
			unsigned flags, int *code)
{
	int err;

	*code = SEGV_MAPERR;
	if (!v || v->node.start > start)
		return -EFAULT;
	*code = SEGV_ACCERR;
	if (!vma_allows(v, access, flags))
		return -EFAULT;
	err = fault_vma(mm, v, start, MIN(end, v->node.end), access, flags);
	if (err == -EFAULT) /* a guard page, which is as if nothing were there */
		*code = SEGV_MAPERR;
	return err;
}

int fault_in(struct mm *mm, gva_t start, gva_t end, int access, unsigned flags, int *code)
{
	struct vma *v;
	bool grows;
	int err;

	*code = SEGV_MAPERR;
	if (start >= mm->hi || start >= end)
		return -EFAULT;
	rwlock_read(&mm->map_lock);
	v = vma_from(mm, start);
	grows = v && v->node.start > start && (v->flags & VMA_GROWSDOWN);
	err = fault_locked(mm, v, start, end, access, flags, code);
	rwlock_read_unlock(&mm->map_lock);
	if (likely(!grows))
		return err;
	rwlock_write(&mm->map_lock);
	v = grow_stack(mm, start);
	err = fault_locked(mm, v, start, end, access, flags, code);
	rwlock_write_unlock(&mm->map_lock);
	return err;
}

/* fault_in() of a page; for want of memory it is tried again. */
static int fault_in_page(struct mm *mm, gva_t page, int access, unsigned flags)
{
	bool (*wait)(void) = mm->env.wait_for_memory;
	unsigned tries = 0;
	int code, err;

	do {
		err = fault_in(mm, page, page + PAGE_SIZE, access, flags, &code);
	} while (unlikely(err == -ENOMEM) && wait && tries++ < WAITS_MAX && wait());
	return err;
}

int fault_in_some(struct mm *mm, gva_t addr, gva_t end, int access, unsigned flags)
{
	gva_t page = page_down(addr), stop = MIN(page_up(end), page + FAULT_AHEAD);
	int code;

	if (stop > page + PAGE_SIZE && fault_in(mm, page, stop, access, flags, &code) == 0)
		return 0;
	return fault_in_page(mm, page, access, flags) ? -EFAULT : 0;
}

int mm_fault(struct mm *mm, gva_t addr, int access, int *code)
{
	gva_t page = page_down(addr);

	return fault_in(mm, page, page + PAGE_SIZE, access, FILL_MAP | FILL_TRAP, code);
}

int mm_install(struct mm *mm)
{
	struct batch b;

	batch_begin(&b, mm);
	map_deferred(&b);
	return batch_end(&b);
}

/* Pages are not only mapped, they hold memory. => map_lock */
static int commit(struct mm *mm, gva_t start, gva_t end)
{
	struct memfile *mf = mm->env.memfile;
	int err = 0;

	rwlock_read(&mm->active_lock);
	for (struct pma *p = pma_from(mm, start); p && p->node.start < end && !err;
	     p = pma_next(p)) {
		gva_t lo = MAX(start, p->node.start), hi = MIN(end, p->node.end);

		if (p->file == memfile_mapfile(mf))
			err = memfile_commit(mf, pma_offset(p, lo), hi - lo);
	}
	rwlock_read_unlock(&mm->active_lock);
	return err;
}

/* What a mapping is touched for; 0: it allows nothing. */
static int populate_access(const struct vma *v, enum populate how)
{
	switch (how) {
	case POPULATE_READ:
		return v->prot & MAP_R;
	case POPULATE_WRITE:
		return v->prot & MAP_W;
	default:
		/* Stores into private memory would copy: that is done now. */
		if ((v->prot & MAP_W) && !(v->flags & VMA_SHARED))
			return MAP_W;
		return v->prot ? MAP_R : 0;
	}
}

/* Populates from start to the end of its vma; *stop: how far. => map_lock */
static int populate_vma(struct mm *mm, gva_t start, gva_t end, enum populate how, gva_t *stop)
{
	struct vma *v = vma_from(mm, start);
	int err, code, access;

	*stop = end;
	if (!v || v->node.start > start) {
		*stop = v ? MIN(end, v->node.start) : end;
		return -ENOMEM;
	}
	/* Piece by piece, so that others get the locks. */
	*stop = MIN(MIN(end, v->node.end), start + EXTENT_MAX);
	access = populate_access(v, how);
	if (!access)
		return -EACCES;
	if (memfile_over_limit(mm->env.memfile))
		return -ENOMEM;
	err = fault_locked(mm, v, start, *stop, access, FILL_MAP | FILL_FORCE, &code);
	return err ? err : commit(mm, start, *stop);
}

int mm_populate(struct mm *mm, gva_t start, gva_t end, enum populate how)
{
	int first = 0;

	while (start < end && (!first || how == POPULATE_ALL)) {
		gva_t stop;
		int err;

		rwlock_read(&mm->map_lock);
		err = populate_vma(mm, start, end, how, &stop);
		rwlock_read_unlock(&mm->map_lock);
		if (!first)
			first = err;
		start = stop;
	}
	return first;
}
