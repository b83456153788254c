/*
 * mlock(2) and its family. Guest memory is never swapped by us, so a lock is a
 * promise to have pages present, and a figure against RLIMIT_MEMLOCK.
 */
#include "mm/internal.h"

#include "abi/mman.h"

static bool is_exempt(const struct mm *mm)
{
	return mm->env.may_exceed_memlock && mm->env.may_exceed_memlock();
}

bool mm_may_lock(const struct mm *mm)
{
	return mm->limits.memlock || is_exempt(mm);
}

bool mm_may_lock_more(const struct mm *mm, uint64_t more)
{
	uint64_t limit = mm->limits.memlock;

	return (more <= limit && mm->books.locked <= limit - more) || is_exempt(mm);
}

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
	int err;

	if (mode != MLOCK_MODE_NONE && end > start &&
	    !mm_may_lock_more(mm, end - start - locked_bytes(mm, start, end)))
		return -ENOMEM;
	if (end < start)
		return -EINVAL;
	err = set_lock(mm, start, end, mode);
	vma_join(mm, start, end);
	return err;
}

int mm_lock(struct mm *mm, gva_t addr, uint64_t size, enum mlock_mode mode)
{
	/* A size that wraps is a size of 0, as in Linux. */
	gva_t start = page_down(addr), end = start + page_up(size + (addr - start));
	int err;

	if (mode != MLOCK_MODE_NONE && !mm_may_lock(mm))
		return -EPERM;
	if (start == end)
		return 0;
	rwlock_write(&mm->map_lock);
	err = lock_locked(mm, start, end, mode);
	rwlock_write_unlock(&mm->map_lock);
	if (err || mode != MLOCK_MODE_EAGER)
		return err;
	err = mm_populate(mm, start, end, POPULATE_LOCK);
	/* mlock(2): what cannot be touched is ENOMEM, want of memory EAGAIN. */
	if (err == -ENOMEM)
		return -EAGAIN;
	return err ? -ENOMEM : 0;
}

static int lock_all_locked(struct mm *mm, int flags)
{
	enum mlock_mode mode = flags & MCL_ONFAULT ? MLOCK_MODE_ONFAULT : MLOCK_MODE_EAGER;

	if ((flags & MCL_CURRENT) && mm->vmas.span > mm->limits.memlock && !is_exempt(mm))
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

/* Mapping by mapping: they may change meanwhile. */
static void populate_everything(struct mm *mm)
{
	gva_t start = 0, end = 0;
	bool more = true;

	while (more) {
		const struct vma *v;

		rwlock_read(&mm->map_lock);
		v = vma_from(mm, end);
		more = v != NULL;
		if (v) {
			start = v->node.start;
			end = v->node.end;
		}
		rwlock_read_unlock(&mm->map_lock);
		if (more)
			(void)mm_populate(mm, start, end, POPULATE_ALL);
	}
}

int mm_lock_all(struct mm *mm, int flags)
{
	int err;

	if ((flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return -EINVAL;
	if (flags && !mm_may_lock(mm))
		return -EPERM;
	rwlock_write(&mm->map_lock);
	err = lock_all_locked(mm, flags);
	rwlock_write_unlock(&mm->map_lock);
	if (!err && (flags & MCL_CURRENT) && !(flags & MCL_ONFAULT))
		populate_everything(mm);
	return err;
}
