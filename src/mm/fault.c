/*
 * Faults: the guest touched something and trapped.
 *
 *	no vma                    SIGSEGV, SEGV_MAPERR; or a stack that grows
 *	vma without the access    SIGSEGV, SEGV_ACCERR
 *	no pma                    fill it (pma.c)
 *	pma, write, cow           copy
 *	pma, all allowed          another thread was faster, or the platform had
 *	                          forgotten: map it again
 */
#include "mm/internal.h"

/* Stacks grow down to the address, but not into the guard gap above their
 * lower neighbour, nor beyond the limit. => map_lock for writing */
static bool grow_stack_locked(struct mm *mm, gva_t addr)
{
	struct vma *v = vma_of(ivmap_lower_bound(&mm->vmas, addr));
	struct ivnode *prev;
	gva_t lo;

	if (!v || !v->grows_down || v->node.start <= addr)
		return v && v->grows_down;
	lo = page_down(addr);
	if (v->node.end - lo > mm->limits.stack)
		return false;
	lo = v->node.end - lo > STACK_STEP ? lo & ~(STACK_STEP - 1) : lo;
	if (v->node.end - lo > mm->limits.stack)
		lo = page_down(addr);
	prev = ivmap_prev(&v->node);
	if (prev && (prev->end > lo || (lo - prev->end < STACK_GUARD && vma_of(prev)->prot)))
		lo = page_down(addr);
	if (prev && (prev->end > lo || (lo - prev->end < STACK_GUARD && vma_of(prev)->prot)))
		return false;
	ivmap_resize(&mm->vmas, &v->node, lo, v->node.end);
	mm->peak_vsize = MAX(mm->peak_vsize, mm->vmas.span);
	return true;
}

static bool allows(int prot, int access)
{
	if (access & MAP_W)
		return prot & MAP_W;
	if (access & MAP_X)
		return prot & MAP_X;
	return prot & (MAP_R | MAP_W | MAP_X);
}

/* One page for one access. => map_lock shared, active_lock for writing */
static int fault_locked(struct mm *mm, struct vma *v, gva_t addr, int access, struct batch *b)
{
	gva_t page = page_down(addr), unit = addr & ~(COW_UNIT - 1);
	struct pma *p = pma_of(ivmap_find(&mm->pmas, page));
	gva_t opt_start = v->node.start, opt_end = v->node.end;
	int r;

	if (!p) {
		if (v->mappable) {
			/* As little as is cheap: the mappable may have more. */
			opt_start = MAX(opt_start, unit);
			opt_end = MIN(opt_end, unit + COW_UNIT);
		}
		r = pma_fill_locked(mm, v, page, page + PAGE_SIZE, opt_start, opt_end, access, b);
		if (r < 0)
			return r;
		p = pma_of(ivmap_find(&mm->pmas, page));
		ASSERT(p);
	} else if (!((access & MAP_W) && p->cow)) {
		if ((access & MAP_W) && !(p->perms & MAP_W)) {
			/* A shared mapping that was read first: ask again. */
			struct list doomed = LIST_INIT(doomed);

			pma_drop_locked(mm, page, page + PAGE_SIZE, b, &doomed);
			r = pma_fill_locked(mm, v, page, page + PAGE_SIZE, page, page + PAGE_SIZE, access, b);
			(void)batch_flush(b);
			doomed_put(&doomed);
			return r;
		}
		batch_map(b, p, p->node.start, p->node.end);
		return 0;
	}
	if ((access & MAP_W) && p->cow)
		return pma_break_cow_locked(mm, p, page, b);
	return 0;
}

/* Makes [addr, addr + PAGE) usable for the access, with map_lock shared. */
static int fault_page(struct mm *mm, gva_t addr, int access, int *code)
{
	struct vma *v = vma_find(mm, addr);
	struct batch b;
	int r;

	*code = SEGV_MAPERR;
	if (!v)
		return -EFAULT;
	*code = SEGV_ACCERR;
	if (!allows(v->prot, access))
		return -EFAULT;
	batch_init(&b, mm, false);
	rwlock_write(&mm->active_lock);
	r = fault_locked(mm, v, addr, access, &b);
	if (batch_flush(&b) < 0 && r == 0)
		r = 0; /* dead: the next switch tells */
	rwlock_write_unlock(&mm->active_lock);
	return r;
}

int mm_fault(struct mm *mm, gva_t addr, int access, int *code)
{
	bool grown;
	int r;

	rwlock_read(&mm->map_lock);
	r = fault_page(mm, addr, access, code);
	rwlock_read_unlock(&mm->map_lock);
	if (r != -EFAULT || *code != SEGV_MAPERR || addr < mm->lo || addr >= mm->hi)
		return r;
	rwlock_write(&mm->map_lock);
	grown = grow_stack_locked(mm, addr);
	rwlock_downgrade(&mm->map_lock);
	if (grown)
		r = fault_page(mm, addr, access, code);
	rwlock_read_unlock(&mm->map_lock);
	return r;
}
