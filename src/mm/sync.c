/* msync(2) and mincore(2). */
#include "mm/internal.h"

#include "abi/mman.h"

/* ---- msync ---- */

struct sync_step {
	struct mappable *mappable; /* a reference, or NULL: nothing to write */
	fileoff_t offset;
	gva_t stop;
	bool hole;
};

/* What to do from `at` on; holes are skipped. -ENOMEM: nothing is left. */
static int sync_step(struct mm *mm, gva_t *at, gva_t end, int flags, struct sync_step *s)
{
	struct vma *v = vma_from(mm, *at);

	*s = (struct sync_step){ 0 };
	if (!v || v->node.start >= end)
		return -ENOMEM;
	s->hole = v->node.start > *at;
	*at = MAX(*at, v->node.start);
	if ((flags & MS_INVALIDATE) && v->lock != MLOCK_MODE_NONE)
		return -EBUSY;
	s->stop = MIN(end, v->node.end);
	if ((flags & MS_SYNC) && v->mappable && v->mappable->ops->sync && (v->flags & VMA_SHARED)) {
		s->mappable = v->mappable;
		s->offset = vma_offset(v, *at);
		s->mappable->ops->get(s->mappable);
	}
	return 0;
}

static int sync_range(struct mm *mm, gva_t at, gva_t end, int flags)
{
	bool hole = false;

	while (at < end) {
		struct sync_step s;
		int err;

		rwlock_read(&mm->map_lock);
		err = sync_step(mm, &at, end, flags, &s);
		rwlock_read_unlock(&mm->map_lock);
		if (err)
			return err;
		hole |= s.hole;
		if (s.mappable) {
			err = s.mappable->ops->sync(s.mappable, s.offset, s.stop - at);
			s.mappable->ops->put(s.mappable);
		}
		if (err)
			return err;
		at = s.stop;
	}
	return hole ? -ENOMEM : 0;
}

int mm_sync(struct mm *mm, gva_t addr, uint64_t size, int flags)
{
	gva_t end;

	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC))
		return -EINVAL;
	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if ((flags & MS_ASYNC) && (flags & MS_SYNC))
		return -EINVAL;
	/* A size that wraps is a size of 0, as in Linux. */
	if (add_overflow(addr, page_up(size), &end))
		return -ENOMEM;
	return sync_range(mm, addr, end, flags);
}

/* ---- mincore ---- */

#define INCORE_PAGES 4096u

/* Pages of ours that hold memory; a host file's mapped pages count as there. */
static void pma_incore(struct mm *mm, const struct pma *p, gva_t lo, gva_t hi, unsigned char *vec)
{
	size_t n = (hi - lo) / PAGE_SIZE;

	if (p->file == memfile_mapfile(mm->env.memfile))
		memfile_incore(mm->env.memfile, pma_offset(p, lo), hi - lo, vec);
	else
		__builtin_memset(vec, !p->is_guard, n);
	for (size_t i = 0; i < n; i++)
		vec[i] &= 1;
}

static int incore_locked(struct mm *mm, gva_t start, gva_t end, unsigned char *vec)
{
	if (!vma_covers(mm, start, end))
		return -ENOMEM;
	__builtin_memset(vec, 0, (end - start) / PAGE_SIZE);
	rwlock_read(&mm->active_lock);
	for (struct pma *p = pma_from(mm, start); p && p->node.start < end; p = pma_next(p)) {
		gva_t lo = MAX(start, p->node.start), hi = MIN(end, p->node.end);

		pma_incore(mm, p, lo, hi, vec + (lo - start) / PAGE_SIZE);
	}
	rwlock_read_unlock(&mm->active_lock);
	return 0;
}

/* By pieces, which are copied out without the lock. A piece with a hole is
 * given page by page up to it. */
static int incore_piece(struct mm *mm, gva_t start, gva_t end, gva_t vec)
{
	unsigned char buf[INCORE_PAGES];
	int err;

	rwlock_read(&mm->map_lock);
	err = incore_locked(mm, start, end, buf);
	rwlock_read_unlock(&mm->map_lock);
	return err ? err : mm_copy_out(mm, vec, buf, (end - start) / PAGE_SIZE);
}

int mm_incore(struct mm *mm, gva_t addr, uint64_t size, gva_t vec)
{
	gva_t end;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (addr > mm->hi || size > mm->hi - addr)
		return -ENOMEM;
	end = addr + page_up(size);
	if (vec >= mm->hi || page_up(size) / PAGE_SIZE > mm->hi - vec)
		return -EFAULT;
	for (gva_t at = addr; at < end;) {
		gva_t stop = MIN(end, at + INCORE_PAGES * PAGE_SIZE);
		int err = incore_piece(mm, at, stop, vec + (at - addr) / PAGE_SIZE);

		if (err)
			return err;
		at = stop;
	}
	return 0;
}
