/* madvise, msync, mincore, mlock. */
#include "mm/internal.h"

#include <string.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/* Private memory reads as zeros again, shared memory as its object has it. */
static void dont_need_locked(struct mm *mm, gva_t start, gva_t end)
{
	struct list doomed = LIST_INIT(doomed);
	struct memfile *mf = mm->env->memfile;
	struct batch b;

	batch_init(&b, mm, false);
	rwlock_write(&mm->active_lock);
	if (pma_isolate_locked(mm, start, end) < 0)
		panic("no memory to split a mapping");
	for (struct ivnode *n = ivmap_lower_bound(&mm->pmas, start), *next; n && n->start < end; n = next) {
		struct pma *p = pma_of(n);
		struct vma *v = vma_find(mm, n->start);

		next = ivmap_next(n);
		/* Ours alone, and of no file: stay mapped, lose the contents. */
		if (p->is_private && !v->mappable &&
		    memfile_is_exclusive(mf, p->offset, n->end - n->start))
			memfile_decommit(mf, p->offset, n->end - n->start);
		else if (!v->shared)
			pma_drop_locked(mm, n->start, n->end, &b, &doomed);
	}
	(void)batch_flush(&b);
	rwlock_write_unlock(&mm->active_lock);
	doomed_put(&doomed);
}

static int advise_vma(struct mm *mm, gva_t start, gva_t end, int advice)
{
	struct vma *v;
	int r, code;

	switch (advice) {
	case MADV_DONTNEED:
	case MADV_FREE:
		v = vma_find(mm, start);
		if (v->locked)
			return -EINVAL;
		if (advice == MADV_FREE && (v->mappable || v->shared))
			return -EINVAL;
		dont_need_locked(mm, start, end);
		return 0;
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
		r = vma_isolate(mm, start, end);
		if (r < 0)
			return r;
		v = vma_find(mm, start);
		if (advice == MADV_WIPEONFORK && (v->mappable || v->shared))
			return -EINVAL;
		if (advice == MADV_DONTFORK || advice == MADV_DOFORK)
			v->dont_fork = advice == MADV_DONTFORK;
		else
			v->wipe_on_fork = advice == MADV_WIPEONFORK;
		return 0;
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		rwlock_downgrade(&mm->map_lock);
		rwlock_read_unlock(&mm->map_lock);
		r = 0;
		for (gva_t at = start; at < end && r == 0; at += PAGE_SIZE)
			r = mm_fault(mm, at, advice == MADV_POPULATE_READ ? MAP_R : MAP_W, &code);
		rwlock_write(&mm->map_lock);
		return r == -ENXIO ? -EFAULT : r;
	default:
		return 0;
	}
}

static bool advice_is_known(int advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return true;
	default:
		return false;
	}
}

int mm_advise(struct mm *mm, gva_t addr, uint64_t size, int advice)
{
	gva_t end, at;
	bool hole = false;
	int r = 0;

	if (!advice_is_known(advice))
		return -EINVAL;
	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (size && !page_up(size))
		return -EINVAL;
	size = page_up(size);
	if (add_overflow(addr, size, &end))
		return -EINVAL;
	if (!size)
		return 0;
	rwlock_write(&mm->map_lock);
	for (at = addr; at < end && r == 0;) {
		struct ivnode *n = ivmap_lower_bound(&mm->vmas, at);
		gva_t stop;

		if (!n || n->start >= end) {
			hole = true;
			break;
		}
		hole |= n->start > at;
		at = MAX(at, n->start);
		stop = MIN(end, n->end);
		r = advise_vma(mm, at, stop, advice);
		at = stop;
	}
	rwlock_write_unlock(&mm->map_lock);
	return r < 0 ? r : hole ? -ENOMEM : 0;
}

int mm_sync(struct mm *mm, gva_t addr, uint64_t size, int flags)
{
	gva_t end;
	int r = 0;

	if ((addr & ~PAGE_MASK) || (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) ||
	    ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	size = page_up(size);
	if (add_overflow(addr, size, &end))
		return -ENOMEM;
	for (gva_t at = addr; at < end;) {
		struct mappable *m = NULL;
		struct vma *v;
		fileoff_t off = 0;
		uint64_t part = 0;
		int err = 0;

		rwlock_read(&mm->map_lock);
		v = vma_of(ivmap_lower_bound(&mm->vmas, at));
		if (!v || v->node.start > at)
			err = -ENOMEM;
		if (err == 0 && (flags & MS_INVALIDATE) && v->locked)
			err = -EBUSY;
		if (err == 0) {
			part = MIN(end, v->node.end) - at;
			if (v->mappable && v->shared && v->mappable->ops->sync && (flags & MS_SYNC)) {
				m = v->mappable;
				off = v->off + (at - v->node.start);
				m->ops->get(m);
			}
		}
		rwlock_read_unlock(&mm->map_lock);
		if (err < 0)
			return err;
		if (m) {
			r = m->ops->sync(m, off, part);
			m->ops->put(m);
			if (r < 0)
				return r;
		}
		at += part;
	}
	return r;
}

int mm_incore(struct mm *mm, gva_t addr, uint64_t size, gva_t vec)
{
	gva_t end;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (addr >= mm->hi || size > mm->hi - addr)
		return -ENOMEM;
	end = addr + page_up(size);
	for (gva_t at = addr; at < end; at += PAGE_SIZE, vec++) {
		struct vma *v;
		uint8_t in = 0;

		rwlock_read(&mm->map_lock);
		v = vma_find(mm, at);
		rwlock_read(&mm->active_lock);
		in = v && (ivmap_find(&mm->pmas, at) != NULL);
		rwlock_read_unlock(&mm->active_lock);
		rwlock_read_unlock(&mm->map_lock);
		if (!v)
			return -ENOMEM;
		if (mm_copy_out(mm, vec, &in, 1) < 0)
			return -EFAULT;
	}
	return 0;
}

int mm_lock(struct mm *mm, gva_t addr, uint64_t size, enum mlock_mode mode)
{
	bool on = mode != MLOCK_MODE_NONE;
	gva_t start = page_down(addr), end = page_up(addr + size);
	int r = 0;

	if (end < start)
		return -EINVAL;
	if (start == end)
		return 0;
	rwlock_write(&mm->map_lock);
	if (on && mm->limits.memlock != ~(uint64_t)0 && mm->locked + (end - start) > mm->limits.memlock)
		r = mm->limits.memlock ? -ENOMEM : -EPERM;
	if (r == 0 && !vma_covers(mm, start, end))
		r = -ENOMEM;
	if (r == 0)
		r = vma_isolate(mm, start, end);
	for (struct ivnode *n = ivmap_lower_bound(&mm->vmas, start); r == 0 && n && n->start < end;
	     n = ivmap_next(n)) {
		uint64_t len = n->end - n->start;

		if (on && !vma_of(n)->locked)
			mm->locked += len;
		else if (!on && vma_of(n)->locked)
			mm->locked -= len;
		vma_of(n)->locked = on;
	}
	if (r == 0)
		vma_merge_range(mm, start, end);
	rwlock_write_unlock(&mm->map_lock);
	return r;
}

int mm_lock_all(struct mm *mm, int flags)
{
	rwlock_write(&mm->map_lock);
	mm->lock_future = flags & MCL_FUTURE;
	if (!flags || (flags & MCL_CURRENT)) {
		mm->locked = flags ? mm->vmas.span : 0;
		for (struct ivnode *n = ivmap_first(&mm->vmas); n; n = ivmap_next(n))
			vma_of(n)->locked = flags != 0;
	}
	rwlock_write_unlock(&mm->map_lock);
	return 0;
}
