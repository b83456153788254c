/*
 * mremap(2): shrink, grow in place, or move. A move takes the pmas along, so
 * no byte is copied whatever the size:
 *
 *	old   |== pmas ==|            |  (nothing; or the vma stays, DONTUNMAP)
 *	new              |== pmas ==|-- growth --|
 *
 * The guest loses the old place before it gets the new one, in one batch.
 */
#include "mm/internal.h"

#include "abi/mman.h"

struct remap {
	gva_t old_addr, new_addr;
	uint64_t old_size, new_size;
	unsigned flags;
};

/* ---- checks, in Linux's order ---- */

static int check_args(const struct mm *mm, const struct remap *r)
{
	bool fixed = r->flags & MREMAP_FIXED, stays = r->flags & MREMAP_DONTUNMAP;

	if (r->flags & ~(unsigned)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((fixed || stays) && !(r->flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if (stays && r->old_size != r->new_size)
		return -EINVAL;
	if ((r->old_addr & ~PAGE_MASK) || !r->new_size)
		return -EINVAL;
	if (!fixed)
		return 0;
	if ((r->new_addr & ~PAGE_MASK) || r->new_size > mm->hi ||
	    r->new_addr > mm->hi - r->new_size)
		return -EINVAL;
	if (r->old_addr + r->old_size > r->new_addr && r->new_addr + r->new_size > r->old_addr)
		return -EINVAL;
	return r->new_addr < mm->lo ? -EPERM : 0;
}

/* Whether v may be resized as asked. */
static int check_vma(const struct mm *mm, const struct vma *v, const struct remap *r)
{
	uint64_t more = r->new_size > r->old_size ? r->new_size - r->old_size : 0;
	uint64_t end;

	if (!r->old_size && !(v->flags & VMA_SHARED))
		return -EINVAL;
	if (r->old_size > v->node.end - r->old_addr)
		return -EFAULT;
	if (!more)
		return 0;
	if (v->mappable && add_overflow(vma_offset(v, r->old_addr), r->new_size, &end))
		return -EINVAL;
	if (v->lock != MLOCK_MODE_NONE &&
	    (more > mm->limits.memlock || mm->books.locked > mm->limits.memlock - more))
		return -EAGAIN;
	return vma_may_expand(mm, more, vma_is_data(v->prot, v->flags)) ? 0 : -ENOMEM;
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
	const struct vma *next = vma_next(v);
	gva_t end;

	if (add_overflow(v->node.end, more, &end) || end > mm->hi)
		return false;
	if (!next)
		return true;
	return end <= next->node.start - (next->flags & VMA_GROWSDOWN ? STACK_GUARD_GAP : 0);
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
		return err;
	}
	move_locked(mm, n, r, moved, removed);
	if (r->flags & MREMAP_DONTUNMAP)
		vma_set_lock(mm, vma_find(mm, r->old_addr), MLOCK_MODE_NONE);
	vma_join(mm, r->old_addr, r->old_addr + r->old_size);
	vma_join(mm, to, to + r->new_size);
	return 0;
}

static int choose_target(struct mm *mm, const struct remap *r, struct list *removed, gva_t *out)
{
	*out = r->new_addr;
	if (r->flags & MREMAP_FIXED)
		return mm_unmap_locked(mm, r->new_addr, r->new_addr + r->new_size, removed);
	/* DONTUNMAP takes the new address as a hint. */
	return vma_find_room(mm, r->flags & MREMAP_DONTUNMAP ? r->new_addr : 0, r->new_size, 0,
			     out);
}

/* ---- the call ---- */

static int remap_locked(struct mm *mm, struct remap *r, struct list *removed, gva_t *out)
{
	bool must_move = r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
	struct vma *v = vma_find(mm, r->old_addr);
	int err;

	*out = r->old_addr;
	if (!v)
		return -EFAULT;
	if (!must_move && r->old_size >= r->new_size && r->old_size) {
		if (r->old_size == r->new_size)
			return 0;
		return mm_unmap_locked(mm, r->old_addr + r->new_size, r->old_addr + r->old_size,
				       removed);
	}
	err = check_vma(mm, v, r);
	if (err)
		return err;
	if (must_move && r->old_size > r->new_size) {
		err = mm_unmap_locked(mm, r->old_addr + r->new_size, r->old_addr + r->old_size,
				      removed);
		if (err)
			return err;
		r->old_size = r->new_size;
	}
	if (!must_move && r->old_size == v->node.end - r->old_addr &&
	    has_room_behind(mm, v, r->new_size - r->old_size))
		return grow_in_place(mm, v, r->new_size - r->old_size);
	if (!(r->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	err = choose_target(mm, r, removed, out);
	return err ? err : move_vma(mm, r, *out, removed);
}

int mm_remap(struct mm *mm, gva_t old_addr, uint64_t old_size, uint64_t new_size, unsigned flags,
	     gva_t new_addr, gva_t *out)
{
	struct remap r = { old_addr, new_addr, page_up(old_size), page_up(new_size), flags };
	struct list removed = LIST_INIT(removed);
	bool populate = false;
	int err;

	if (old_size > mm->hi || old_addr > mm->hi)
		return flags & ~7u || old_addr & ~PAGE_MASK ? -EINVAL : -EFAULT;
	err = check_args(mm, &r);
	if (err)
		return err;
	if (r.new_size > mm->hi)
		return -ENOMEM;
	rwlock_write(&mm->map_lock);
	err = remap_locked(mm, &r, &removed, out);
	if (!err && r.new_size > r.old_size) {
		const struct vma *v = vma_find(mm, *out);

		populate = v && v->lock == MLOCK_MODE_EAGER;
	}
	rwlock_write_unlock(&mm->map_lock);
	vma_free_list(&removed);
	if (populate)
		(void)mm_populate(mm, *out, *out + r.new_size, true);
	return err;
}
