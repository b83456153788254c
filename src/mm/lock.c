/*
 * mlock(2) and its family. Guest memory is never swapped by us, so a lock is a
 * promise to have pages present, and a figure against RLIMIT_MEMLOCK. The task
 * layer gives who may exceed that limit (CAP_IPC_LOCK) an infinite one.
 */
#include "mm/internal.h"

#include "abi/mman.h"

/* Bytes of [start, end) that are locked already. */
static uint64_t locked_bytes(const struct mm *mm, gva_t start, gva_t end)
{
	uint64_t sum = 0;

	for (struct vma *v = vma_from(mm, start); v && v->node.start < end; v = vma_next(v)) {
		if (v->lock != MLOCK_MODE_NONE)
			sum += MIN(end, v->node.end) - MAX(start, v->node.start);
	}
	return sum;
}

/* vma by vma up to the first hole, as Linux. */
static int set_lock(struct mm *mm, gva_t start, gva_t end, enum mlock_mode mode)
{
	while (start < end) {
		struct vma *v = vma_find(mm, start);
		gva_t stop;
		int err;

		if (!v)
			return -ENOMEM;
		stop = MIN(end, v->node.end);
		if (v->lock != mode) {
			err = vma_isolate(mm, start, stop);
			if (err)
				return err;
			vma_set_lock(mm, vma_find(mm, start), mode);
		}
		start = stop;
	}
	return 0;
}

static int lock_locked(struct mm *mm, gva_t start, gva_t end, enum mlock_mode mode)
{
	uint64_t limit = mm->limits.memlock;
	int err;

	if (mode != MLOCK_MODE_NONE && limit != NO_LIMIT &&
	    mm->books.locked + (end - start) - locked_bytes(mm, start, end) > limit)
		return -ENOMEM;
	err = set_lock(mm, start, end, mode);
	vma_join(mm, start, end);
	return err;
}

int mm_lock(struct mm *mm, gva_t addr, uint64_t size, enum mlock_mode mode)
{
	gva_t start = page_down(addr), end;
	int err;

	if (mode != MLOCK_MODE_NONE && !mm->limits.memlock)
		return -EPERM;
	if (size > UINT64_MAX - 2 * PAGE_SIZE ||
	    add_overflow(start, page_up(size + (addr - start)), &end))
		return -EINVAL;
	if (start == end)
		return 0;
	rwlock_write(&mm->map_lock);
	err = lock_locked(mm, start, end, mode);
	rwlock_write_unlock(&mm->map_lock);
	if (err || mode != MLOCK_MODE_EAGER)
		return err;
	err = mm_populate(mm, start, end, false);
	return err ? -ENOMEM : 0;
}

static int lock_all_locked(struct mm *mm, int flags)
{
	enum mlock_mode mode = flags & MCL_ONFAULT ? MLOCK_MODE_ONFAULT : MLOCK_MODE_EAGER;

	if ((flags & MCL_CURRENT) && mm->limits.memlock != NO_LIMIT &&
	    mm->vmas.span > mm->limits.memlock)
		return -ENOMEM;
	mm->lock_future = flags & MCL_FUTURE ? mode : MLOCK_MODE_NONE;
	if (!flags)
		mode = MLOCK_MODE_NONE;
	else if (!(flags & MCL_CURRENT))
		return 0;
	for (struct vma *v = vma_from(mm, 0); v; v = vma_next(v))
		vma_set_lock(mm, v, mode);
	vma_join(mm, 0, mm->hi);
	return 0;
}

int mm_lock_all(struct mm *mm, int flags)
{
	int err;

	if ((flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return -EINVAL;
	if (flags && !mm->limits.memlock)
		return -EPERM;
	rwlock_write(&mm->map_lock);
	err = lock_all_locked(mm, flags);
	rwlock_write_unlock(&mm->map_lock);
	/* Whole address spaces are not filled here: what is touched is there, and
	 * pages are never taken away. */
	return err;
}
