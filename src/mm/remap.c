/*
 * mremap(2): shrink, grow in place, or move. A move takes the pmas along, so
 * no byte is copied whatever the size:
 *
 *	old   |== pmas ==|            |  (nothing; or the vma stays, DONTUNMAP)
 *	new              |== pmas ==|-- growth --|
 *
 * The guest loses the old place before it gets the new one, in one batch. A move
 * to a given place that keeps the size may span several mappings, and holes
 * between them, since Linux 6.17: it is one move after the other.
 */
#include "mm/internal.h"

#include "abi/mman.h"

struct remap {
	gva_t old_addr, new_addr;
	uint64_t old_size, new_size;
	unsigned flags;
};

static bool has_target(const struct remap *r)
{
	return r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
}

/* ---- checks, in Linux's order ---- */

static int check_target(const struct mm *mm, const struct remap *r)
{
	if (r->new_addr > mm->hi - r->new_size || (r->new_addr & ~PAGE_MASK))
		return -EINVAL;
	if (!(r->flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((r->flags & MREMAP_DONTUNMAP) && r->old_size != r->new_size)
		return -EINVAL;
	if (r->old_addr + r->old_size > r->new_addr && r->new_addr + r->new_size > r->old_addr)
		return -EINVAL;
	if (mm->vmas.count + 2 >= VMA_COUNT_MAX - 3)
		return -ENOMEM;
	return (r->flags & MREMAP_FIXED) && r->new_addr < mm->lo ? -EPERM : 0;
}

static int check_args(const struct mm *mm, const struct remap *r)
{
	if (r->flags & ~(unsigned)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((r->old_addr & ~PAGE_MASK) || !r->new_size || r->new_size > mm->hi)
		return -EINVAL;
	return has_target(r) ? check_target(mm, r) : 0;
}

/* What a larger mapping must be allowed. */
static int check_growth(const struct mm *mm, const struct vma *v, const struct remap *r)
{
	uint64_t more = r->new_size - r->old_size, end;

	if (v->mappable && add_overflow(vma_offset(v, r->old_addr), r->new_size, &end))
		return -EINVAL;
	if (v->lock != MLOCK_MODE_NONE && !mm_may_lock_more(mm, more))
		return -EAGAIN;
	return vma_may_expand(mm, more, vma_is_data(v->prot, v->flags)) ? 0 : -ENOMEM;
}

/* Whether v may be resized or moved as asked. */
static int check_vma(const struct mm *mm, const struct vma *v, const struct remap *r)
{
	if (!v)
		return -EFAULT;
	if (v->flags & VMA_SEALED)
		return -EPERM;
	if (!has_target(r) && r->new_size <= r->old_size)
		return 0;
	if (!r->old_size && !(v->flags & VMA_SHARED))
		return -EINVAL;
	/* What a shrinking move leaves behind may reach beyond v. */
	if (MIN(r->old_size, r->new_size) > v->node.end - r->old_addr)
		return -EFAULT;
	return r->new_size > r->old_size ? check_growth(mm, v, r) : 0;
}

/* ---- in place ---- */

/* Adds [end of v, end of v + more) as a vma of its own, to be joined. */
static int grow_in_place(struct mm *mm, struct vma *v, uint64_t more)
{
	gva_t start = v->node.end, end = start + more;
	struct vma *tail = vma_dup(v, start, end, vma_offset(v, start));
	struct batch b;
	int err;

	if (!tail)
		return -ENOMEM;
	err = vma_announce(mm, tail);
	if (err) {
		vma_free(tail);
		return err;
	}
	batch_begin(&b, mm);
	vma_insert(mm, tail);
	fill_eagerly(&b, tail, start, end, FILL_GROWS);
	err = batch_end(&b);
	vma_join(mm, v->node.start, end);
	(void)err; /* what the platform did not map will fault */
	return 0;
}

static bool has_room_behind(const struct mm *mm, const struct vma *v, uint64_t more)
{
	gva_t end;

	return !add_overflow(v->node.end, more, &end) && end <= mm->hi &&
	       ivmap_is_gap(&mm->vmas, v->node.end, end);
}

/* ---- moving ---- */

static void move_pmas(struct batch *b, gva_t from, gva_t end, gva_t to)
{
	struct pma *next;

	for (struct pma *p = pma_from(b->mm, from); p && p->node.start < end; p = next) {
		uint64_t size = pma_size(p);

		next = pma_next(p);
		if (p->is_mapped)
			batch_unmap(b, p->node.start, p->node.end);
		ivmap_remove(&b->mm->pmas, &p->node);
		p->node.start = to + (p->node.start - from);
		p->node.end = p->node.start + size;
		p->is_mapped = false;
		pma_insert(b->mm, p);
	}
}

static void map_moved(struct batch *b, gva_t start, gva_t end)
{
	for (struct pma *p = pma_from(b->mm, start); p && p->node.start < end; p = pma_next(p))
		pma_map(b, p);
}

static int announce_moved(struct mm *mm, struct vma *n, const struct remap *r)
{
	if (!n->mappable || r->new_size != r->old_size)
		return vma_announce(mm, n);
	return n->mappable->ops->copy_mapping(n->mappable, &mm->space, r->old_addr, n->node.start,
					      r->new_size, n->offset, vma_is_writable_mapping(n));
}

/* The pages of [old_addr, old_addr + moved) go to n's place, the old vma is
 * taken out or stays empty. Cuts are made already. */
static void move_locked(struct mm *mm, struct vma *n, const struct remap *r, uint64_t moved,
			struct list *removed)
{
	gva_t start = n->node.start, old_end = r->old_addr + r->old_size;
	struct list gone = LIST_INIT(gone);
	struct batch b;
	int err;

	batch_begin(&b, mm);
	if (moved)
		move_pmas(&b, r->old_addr, r->old_addr + moved, start);
	if (r->old_size && !(r->flags & MREMAP_DONTUNMAP)) {
		pma_drop_range(&b, r->old_addr, old_end);
		vma_remove_range(mm, r->old_addr, old_end, &gone);
	}
	vma_insert(mm, n);
	map_moved(&b, start, n->node.end);
	if (r->new_size > moved)
		fill_eagerly(&b, n, start + moved, n->node.end, FILL_GROWS);
	err = batch_end(&b);
	(void)err; /* what the platform did not map will fault */
	vma_renounce_list(mm, &gone);
	list_splice_back(removed, &gone);
}

static int cut_old(struct mm *mm, const struct remap *r)
{
	struct batch b;
	int err, ended;

	err = vma_isolate(mm, r->old_addr, r->old_addr + r->old_size);
	if (err)
		return err;
	batch_begin(&b, mm);
	err = pma_isolate(mm, r->old_addr, r->old_addr + r->old_size);
	ended = batch_end(&b);
	return err ? err : ended;
}

static int move_vma(struct mm *mm, const struct remap *r, gva_t to, struct list *removed)
{
	const struct vma *v = vma_find(mm, r->old_addr);
	struct vma *n = vma_dup(v, to, to + r->new_size, vma_offset(v, r->old_addr));
	uint64_t moved = MIN(r->old_size, r->new_size);
	int err;

	if (!n)
		return -ENOMEM;
	err = r->old_size ? cut_old(mm, r) : 0;
	if (!err)
		err = announce_moved(mm, n, r);
	if (err) {
		list_push_back(removed, &n->link);
		vma_join(mm, r->old_addr, r->old_addr + r->old_size);
		return err;
	}
	move_locked(mm, n, r, moved, removed);
	if (r->flags & MREMAP_DONTUNMAP)
		vma_set_lock(mm, vma_find(mm, r->old_addr), MLOCK_MODE_NONE);
	vma_join(mm, r->old_addr, r->old_addr + r->old_size);
	vma_join(mm, to, to + r->new_size);
	return 0;
}

static int choose_target(const struct mm *mm, const struct remap *r, gva_t *out)
{
	*out = r->new_addr;
	if (r->flags & MREMAP_FIXED)
		return 0;
	/* DONTUNMAP takes the new address as a hint. */
	return vma_find_room(mm, r->flags & MREMAP_DONTUNMAP ? r->new_addr : 0, r->new_size, 0,
			     out);
}

static int shrink(struct mm *mm, const struct remap *r, struct list *removed)
{
	if (r->old_size > mm->hi - r->old_addr)
		return -EINVAL;
	return mm_unmap_locked(mm, r->old_addr + r->new_size, r->old_addr + r->old_size, removed);
}

/* ---- with a target ---- */

static int remap_to(struct mm *mm, struct remap *r, struct list *removed, gva_t *out)
{
	const struct vma *v;
	int err = 0;

	if (r->flags & MREMAP_FIXED)
		err = mm_unmap_locked(mm, r->new_addr, r->new_addr + r->new_size, removed);
	/* A size that wraps hides that the target covers it. */
	if (!err && !vma_find(mm, r->old_addr))
		err = -EFAULT;
	if (!err && r->old_size > r->new_size) {
		err = shrink(mm, r, removed);
		r->old_size = r->new_size;
	}
	if (err)
		return err;
	v = vma_find(mm, r->old_addr);
	if ((r->flags & MREMAP_DONTUNMAP) &&
	    !vma_may_expand(mm, r->old_size, vma_is_data(v->prot, v->flags)))
		return -ENOMEM;
	err = choose_target(mm, r, out);
	return err ? err : move_vma(mm, r, *out, removed);
}

/* All mappings of [old_addr, old_addr + old_size) go, as far apart as they are. */
static int remap_several(struct mm *mm, const struct remap *all, struct list *removed, gva_t *out)
{
	uint64_t pos = all->old_addr, end = all->old_addr + all->old_size;
	struct vma *v;
	bool any = false;

	*out = all->new_addr;
	while ((v = vmas_walk(&mm->vmas, &pos, end))) {
		gva_t start = MAX(v->node.start, all->old_addr), at;
		uint64_t size = MIN(v->node.end, end) - start;
		struct remap r = { start, all->new_addr + (start - all->old_addr), size, size,
				   all->flags };
		int err;

		if (!any && start > all->old_addr)
			return -EFAULT;
		err = check_vma(mm, v, &r);
		if (!err)
			err = remap_to(mm, &r, removed, &at);
		if (err)
			return err;
		any = true;
	}
	return any ? 0 : -EFAULT;
}

/* ---- without ---- */

static int remap_at(struct mm *mm, struct remap *r, struct list *removed, gva_t *out)
{
	struct vma *v = vma_find(mm, r->old_addr);
	int err;

	*out = r->old_addr;
	if (r->old_size == r->new_size)
		return 0;
	if (r->old_size > r->new_size)
		return shrink(mm, r, removed);
	if (r->old_size == v->node.end - r->old_addr &&
	    has_room_behind(mm, v, r->new_size - r->old_size))
		return grow_in_place(mm, v, r->new_size - r->old_size);
	if (!(r->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	err = choose_target(mm, r, out);
	return err ? err : move_vma(mm, r, *out, removed);
}

/* ---- the call ---- */

static int remap_locked(struct mm *mm, struct remap *r, struct list *removed, gva_t *out)
{
	int err;

	if ((r->flags & MREMAP_FIXED) && r->old_size == r->new_size)
		return remap_several(mm, r, removed, out);
	err = check_vma(mm, vma_find(mm, r->old_addr), r);
	if (err)
		return err;
	return has_target(r) ? remap_to(mm, r, removed, out) : remap_at(mm, r, removed, out);
}

int mm_remap(struct mm *mm, gva_t old_addr, uint64_t old_size, uint64_t new_size, unsigned flags,
	     gva_t new_addr, gva_t *out)
{
	/* Sizes wrap to 0 as in Linux. */
	struct remap r = { old_addr, new_addr, page_up(old_size), page_up(new_size), flags };
	uint64_t grown = r.new_size > r.old_size ? r.new_size - r.old_size : 0;
	struct list removed = LIST_INIT(removed);
	bool populate = false;
	int err;

	rwlock_write(&mm->map_lock);
	err = check_args(mm, &r);
	if (!err)
		err = remap_locked(mm, &r, &removed, out);
	if (!err && grown) {
		const struct vma *v = vma_find(mm, *out);

		populate = v && v->lock == MLOCK_MODE_EAGER;
	}
	rwlock_write_unlock(&mm->map_lock);
	vma_free_list(&removed);
	if (populate)
		(void)mm_populate(mm, *out + r.new_size - grown, *out + r.new_size, POPULATE_ALL);
	return err;
}
