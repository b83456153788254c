/*
 * mprotect(2), and mseal(2).
 *
 * vma by vma, as Linux does it: when a later one refuses (a hole, a mapping
 * that may never be written), the earlier ones have changed already.
 *
 * Only pmas that the platform has cost it an operation, and only when what the
 * guest may do really changes: write permission on pages that must be copied
 * first is granted by the fault.
 */
#include "mm/internal.h"

#include "abi/mman.h"

#define PROT_KNOWN (PROT_READ | PROT_WRITE | PROT_EXEC | ABI_PROT_SEM)

static void protect_pmas(struct batch *b, const struct vma *v, gva_t start, gva_t end)
{
	bool later = false;

	for (struct pma *p = pma_from(b->mm, start); p && p->node.start < end; p = pma_next(p)) {
		ASSERT(p->node.start >= start && p->node.end <= end);
		pma_set_prot(b, p, pma_effective(v->prot, p));
		later |= p->prot && !p->is_mapped;
	}
	if (later)
		map_later(b, start, end);
}

/* New access to private anonymous memory: filled at once, as mmap() would. A
 * heap made of PROT_NONE that becomes usable from the front grows. */
static void fill_new(struct batch *b, struct vma *v, int old_prot)
{
	if (old_prot == 0 && v->prot && !v->mappable)
		fill_eagerly(b, v, v->node.start, v->node.end, FILL_GROWS);
}

/* Locked private pages become writable: stores to them would copy, which a lock is to
 * spare the guest. */
static void copy_locked(struct batch *b, struct vma *v, int old_prot)
{
	int err;

	if (v->lock != MLOCK_MODE_EAGER || (v->flags & VMA_SHARED) || (old_prot & MAP_W) ||
	    !(v->prot & MAP_W))
		return;
	err = fill(b, v, v->node.start, v->node.end, MAP_W, 0);
	(void)err; /* a store will meet it again */
}

/* v is cut to the range. */
static int protect_vma(struct batch *b, struct vma *v, int prot)
{
	struct mm *mm = b->mm;
	uint64_t size = v->node.end - v->node.start;
	bool more_data = vma_is_data(prot, v->flags) && !vma_is_data(v->prot, v->flags);
	int old = v->prot, err;

	if (more_data && mm->limits.data != NO_LIMIT &&
	    (size > mm->limits.data || mm->books.data > mm->limits.data - size))
		return -ENOMEM;
	err = pma_isolate(mm, v->node.start, v->node.end);
	if (err)
		return err;
	vma_set_prot(mm, v, prot);
	protect_pmas(b, v, v->node.start, v->node.end);
	copy_locked(b, v, old);
	fill_new(b, v, old);
	return 0;
}

static int protect_range(struct batch *b, gva_t start, gva_t end, int prot)
{
	while (start < end) {
		struct vma *v = vma_find(b->mm, start);
		gva_t stop;
		int err;

		if (!v)
			return -ENOMEM;
		stop = MIN(end, v->node.end);
		if (prot & ~v->max_prot)
			return -EACCES;
		if (v->flags & VMA_SEALED)
			return -EPERM;
		if (v->prot != prot) {
			err = vma_isolate(b->mm, start, stop);
			if (!err)
				err = protect_vma(b, vma_find(b->mm, start), prot);
			if (err)
				return err;
		}
		start = stop;
	}
	return 0;
}

/* PROT_GROWSDOWN: from the start of the vma, which must be one that grows. */
static int widen(const struct mm *mm, int grows, gva_t *start, gva_t end)
{
	const struct vma *v = vma_from(mm, *start);

	if (!v)
		return -ENOMEM;
	if (grows & PROT_GROWSUP)
		return v->node.start > *start ? -ENOMEM : -EINVAL;
	if (!(grows & PROT_GROWSDOWN))
		return 0;
	if (v->node.start >= end)
		return -ENOMEM;
	if (!(v->flags & VMA_GROWSDOWN))
		return -EINVAL;
	*start = v->node.start;
	return 0;
}

static int protect_locked(struct mm *mm, gva_t start, gva_t end, int prot, int grows)
{
	struct batch b;
	int err = widen(mm, grows, &start, end), ended;

	if (err)
		return err;
	batch_begin(&b, mm);
	err = protect_range(&b, start, end, prot);
	pma_join(mm, start, end);
	ended = batch_end(&b);
	vma_join(mm, start, end);
	return err ? err : ended;
}

int mm_protect(struct mm *mm, gva_t addr, uint64_t size, int prot)
{
	int grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
	gva_t end;
	int err;

	prot &= ~(PROT_GROWSDOWN | PROT_GROWSUP);
	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || (addr & ~PAGE_MASK))
		return -EINVAL;
	if (!size)
		return 0;
	end = addr + page_up(size);
	if (end <= addr)
		return -ENOMEM;
	if (prot & ~PROT_KNOWN)
		return -EINVAL;
	rwlock_write(&mm->map_lock);
	err = protect_locked(mm, addr, end, prot & (MAP_R | MAP_W | MAP_X), grows);
	rwlock_write_unlock(&mm->map_lock);
	return err;
}

/* ---- mseal ---- */

static int seal_locked(struct mm *mm, gva_t start, gva_t end)
{
	if (!vma_covers(mm, start, end))
		return -ENOMEM;
	while (start < end) {
		gva_t stop = MIN(end, vma_find(mm, start)->node.end);
		int err = vma_isolate(mm, start, stop);

		if (err)
			return err;
		vma_find(mm, start)->flags |= VMA_SEALED;
		start = stop;
	}
	return 0;
}

int mm_seal(struct mm *mm, gva_t addr, uint64_t size, uint64_t flags)
{
	gva_t end;
	int err;

	if (flags || (addr & ~PAGE_MASK) || size > UINT64_MAX - PAGE_SIZE)
		return -EINVAL;
	if (add_overflow(addr, page_up(size), &end))
		return -EINVAL;
	if (end == addr)
		return 0;
	rwlock_write(&mm->map_lock);
	err = seal_locked(mm, addr, end);
	vma_join(mm, addr, end);
	rwlock_write_unlock(&mm->map_lock);
	return err;
}
