/* mremap(2): shrink, grow in place, or move the pmas without copying. */
#include "mm/internal.h"

#include <string.h>

/* Moves the pmas of [from, from + size) to `to`, where nothing is mapped. */
static int move_pmas(struct mm *mm, gva_t from, gva_t to, uint64_t size)
{
	struct batch b;
	struct ivnode *n, *next;
	struct list moved = LIST_INIT(moved);
	int r;

	(void)moved;
	batch_init(&b, mm, false);
	rwlock_write(&mm->active_lock);
	r = pma_isolate_locked(mm, from, from + size);
	for (n = ivmap_lower_bound(&mm->pmas, from); r == 0 && n && n->start < from + size; n = next) {
		struct pma *p = pma_of(n);
		gva_t start = n->start, end = n->end;

		next = ivmap_next(n);
		batch_unmap(&b, start, end);
		ivmap_remove(&mm->pmas, n);
		n->start = to + (start - from);
		n->end = to + (end - from);
		r = ivmap_insert(&mm->pmas, n);
		ASSERT(r == 0);
		batch_map(&b, p, n->start, n->end);
		if (to > from && to < from + size)
			break; /* never: the ranges do not overlap */
	}
	if (r == 0)
		r = batch_flush(&b);
	rwlock_write_unlock(&mm->active_lock);
	return r;
}

static int move_vma(struct mm *mm, struct vma *v, gva_t from, uint64_t old_size, uint64_t new_size, gva_t to,
		    bool dont_unmap)
{
	struct vma *c = vma_alloc();
	int r;

	if (!c)
		return -ENOMEM;
	*c = *v;
	memset(&c->node, 0, sizeof(c->node));
	c->node.start = to;
	c->node.end = to + new_size;
	c->off = v->off + (from - v->node.start);
	if (c->mappable)
		c->mappable->ops->get(c->mappable);
	r = vma_insert_new(mm, c);
	if (r < 0) {
		vma_free(c);
		return r;
	}
	if (c->locked)
		mm->locked += new_size;
	r = move_pmas(mm, from, to, MIN(old_size, new_size));
	if (r == 0 && !dont_unmap)
		r = unmap_locked(mm, from, from + old_size);
	return r;
}

/* The vma may grow where it is when nothing follows. */
static bool grow_in_place(struct mm *mm, struct vma *v, uint64_t more)
{
	gva_t end = v->node.end;

	if (more > mm->hi - end || !ivmap_is_gap(&mm->vmas, end, end + more))
		return false;
	if (v->mappable &&
	    v->mappable->ops->add_mapping(v->mappable, &mm->space, end, more,
					  v->off + (end - v->node.start),
					  v->shared && (v->max_prot & MAP_W)) < 0)
		return false;
	ivmap_resize(&mm->vmas, &v->node, v->node.start, end + more);
	if (v->locked)
		mm->locked += more;
	mm->peak_vsize = MAX(mm->peak_vsize, mm->vmas.span);
	return true;
}

static int remap_locked(struct mm *mm, gva_t old_addr, uint64_t old_size, uint64_t new_size, unsigned flags,
			gva_t new_addr, gva_t *out)
{
	struct vma *v = vma_find(mm, old_addr);
	bool dont_unmap = flags & MREMAP_DONTUNMAP;
	gva_t to = 0;
	int r;

	if (!v)
		return -EFAULT;
	if (flags & MREMAP_FIXED) {
		r = unmap_locked(mm, new_addr, new_addr + new_size);
		if (r < 0)
			return r;
		v = vma_find(mm, old_addr);
		if (!v)
			return -EFAULT;
	}
	if (old_size == 0) {
		/* A second mapping of shared memory. */
		if (!v->shared)
			return -EINVAL;
	} else if (old_size > v->node.end - old_addr) {
		return -EFAULT;
	}
	if (!(flags & MREMAP_FIXED) && !dont_unmap && old_size) {
		if (new_size <= old_size) {
			*out = old_addr;
			return new_size < old_size ? unmap_locked(mm, old_addr + new_size, old_addr + old_size) : 0;
		}
		if (mm->limits.as != ~(uint64_t)0 && mm->vmas.span + (new_size - old_size) > mm->limits.as)
			return -ENOMEM;
		if (old_addr + old_size == v->node.end && grow_in_place(mm, v, new_size - old_size)) {
			*out = old_addr;
			return 0;
		}
	}
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	if (new_size < old_size) {
		r = unmap_locked(mm, old_addr + new_size, old_addr + old_size);
		if (r < 0)
			return r;
		old_size = new_size;
		v = vma_find(mm, old_addr);
	}
	to = new_addr;
	if (!(flags & MREMAP_FIXED)) {
		r = vma_find_room(mm, dont_unmap ? new_addr : 0, new_size, 0, &to);
		if (r < 0)
			return r;
	}
	*out = to;
	if (old_size == 0) {
		r = move_vma(mm, v, old_addr, 0, new_size, to, true);
		return r;
	}
	return move_vma(mm, v, old_addr, old_size, new_size, to, dont_unmap);
}

int mm_remap(struct mm *mm, gva_t old_addr, uint64_t old_size, uint64_t new_size, unsigned flags,
	     gva_t new_addr, gva_t *out)
{
	int r;

	old_size = page_up(old_size);
	new_size = page_up(new_size);
	if (flags & ~(unsigned)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((flags & MREMAP_DONTUNMAP) && old_size != new_size)
		return -EINVAL;
	if ((old_addr & ~PAGE_MASK) || !new_size)
		return -EINVAL;
	if (new_size > mm->hi || old_addr >= mm->hi || old_size > mm->hi - old_addr)
		return -EINVAL;
	if (flags & MREMAP_FIXED) {
		if ((new_addr & ~PAGE_MASK) || new_addr < mm->lo || new_addr >= mm->hi ||
		    new_size > mm->hi - new_addr)
			return -EINVAL;
		if (new_addr < old_addr + old_size && old_addr < new_addr + new_size)
			return -EINVAL;
	}
	rwlock_write(&mm->map_lock);
	r = remap_locked(mm, old_addr, old_size, new_size, flags, new_addr, out);
	rwlock_write_unlock(&mm->map_lock);
	return r;
}
