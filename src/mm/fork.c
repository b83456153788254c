/*
 * Fork: the child gets every vma and every pma. Private pages become shared and
 * copy-on-write on both sides; nothing is copied here.
 *
 * The parent loses write permission in one batch, applied before anything of
 * the child can run; the child's mappings are one lazy batch, since nobody uses
 * its address space yet. Should it fail half-way, the parent keeps need_cow
 * where it was set: its next write finds the pages exclusive.
 *
 * The mappables are told of the child first (their locks rank above the active
 * locks). One that invalidates while we copy visits the older entry first, so:
 *
 *	mappable                        fork
 *	  invalidate the parent           (waits)
 *	                                  copies what is left, unlocks
 *	  invalidate the child            -> it loses whatever it got
 *
 * and if the copy came before the first visit, both are visited after it. That
 * is why a mapping set keeps its order.
 */
#include "mm/internal.h"

#include <string.h>

static int fork_vma(struct mm *child, const struct vma *v)
{
	struct vma *c = vma_dup(v, v->node.start, v->node.end, v->offset);
	int err;

	if (!c)
		return -ENOMEM;
	c->lock = MLOCK_MODE_NONE; /* mlock(2): not inherited */
	err = vma_announce(child, c);
	if (err) {
		vma_free(c);
		return err;
	}
	vma_insert(child, c);
	return 0;
}

static int fork_vmas(struct mm *mm, struct mm *child)
{
	int err = 0;

	for (struct vma *v = vma_from(mm, 0); v && !err; v = vma_next(v)) {
		if (!(v->flags & VMA_DONTFORK))
			err = fork_vma(child, v);
	}
	return err;
}

/* ---- windows that both sides will write at once ---- */

/*
 * A stack, the allocator's first pages, libc's data: parent and child both
 * write them right after every fork, which would be two traps and a copy for
 * each. Where copy-on-write was broken since the last fork, the child gets its
 * copy here, and the parent's pages stay writable. Only for processes of one
 * thread, since the copy must not be torn by another's stores.
 */
static int copy_hot(struct mm *mm, struct mm *child, const struct vma *v, gva_t lo, gva_t hi)
{
	struct memfile *mf = mm->env.memfile;
	struct pma *c = pma_alloc(), *p;
	int err = c ? pma_isolate(mm, lo, hi) : -ENOMEM;

	if (!err)
		err = memfile_alloc(mf, hi - lo, MEMFILE_ANON, MEMFILE_SCRATCH, &c->offset);
	if (err) {
		pma_free(c);
		return err;
	}
	p = pma_find(mm, lo);
	if (!memfile_copy(mf, c->offset, p->offset, hi - lo)) {
		memfile_decref(mf, c->offset, hi - lo);
		pma_free(c);
		return -ENOMEM;
	}
	c->node.start = lo;
	c->node.end = hi;
	c->file = memfile_mapfile(mf);
	c->perms = MAP_R | MAP_W | MAP_X;
	c->is_private = true;
	c->prot = pma_effective(v->prot, c);
	pma_insert(child, c);
	return 0;
}

/* Whether the page at addr was broken since the last fork; *end: of the pma and
 * vma there. */
static const struct vma *hot_vma(const struct mm *mm, gva_t addr, gva_t *end)
{
	const struct vma *v = vma_find(mm, addr);
	const struct pma *p = pma_find(mm, addr);

	if (!v || !p || !(v->prot & MAP_W) || (v->flags & (VMA_DONTFORK | VMA_WIPEONFORK)) ||
	    !p->is_private || p->need_cow)
		return NULL;
	*end = MIN(p->node.end, v->node.end);
	return v;
}

/* False: nothing of it is hot any more. */
static bool copy_hot_window(struct mm *mm, struct mm *child, gva_t start)
{
	gva_t at = start, end = start + COW_WINDOW;
	bool any = false;

	while (at < end) {
		gva_t stop = at + PAGE_SIZE;
		const struct vma *v = hot_vma(mm, at, &stop);

		stop = MIN(stop, end);
		if (v && copy_hot(mm, child, v, at, stop) < 0)
			return true; /* copied on write, then */
		any |= v != NULL;
		at = stop;
	}
	return any;
}

static void copy_hot_windows(struct mm *mm, struct mm *child)
{
	if (mm_users(mm) > 1 || memfile_over_limit(mm->env.memfile))
		return;
	for (unsigned i = 0; i < HOT_WINDOWS; i++) {
		if (mm->hot[i] && !copy_hot_window(mm, child, mm->hot[i]))
			mm->hot[i] = 0;
	}
	memcpy(child->hot, mm->hot, sizeof(child->hot));
}

/* ---- pinned memory ---- */

/* What the kernel has pinned stays the parent's: the child gets its copy now. */
static int copy_pinned_vma(struct mm *mm, struct mm *child, const struct vma *v)
{
	gva_t at = v->node.start, lo, hi;

	while (pins_overlap(mm, at, v->node.end, &lo, &hi)) {
		const struct pma *p = pma_find(mm, lo);
		int err;

		at = lo + PAGE_SIZE;
		if (!p || !p->is_private || p->need_cow || pma_find(child, lo))
			continue;
		at = MIN(hi, p->node.end);
		err = copy_hot(mm, child, v, lo, at);
		if (err)
			return err;
	}
	return 0;
}

static int copy_pinned(struct mm *mm, struct mm *child)
{
	int err = 0;

	if (list_empty(&mm->pins))
		return 0;
	for (struct vma *v = vma_from(mm, 0); v && !err; v = vma_next(v)) {
		if (!(v->flags & (VMA_DONTFORK | VMA_WIPEONFORK)))
			err = copy_pinned_vma(mm, child, v);
	}
	return err;
}

/* ---- the rest ---- */

/* The child's part of p within v. */
static int fork_pma(struct batch *parent, struct mm *child, const struct vma *v, struct pma *p)
{
	struct pma *c = pma_alloc();

	if (!c)
		return -ENOMEM;
	if (p->is_private && !p->need_cow) {
		p->need_cow = true;
		pma_set_prot(parent, p, p->prot & ~MAP_W);
	}
	c->node.start = MAX(p->node.start, v->node.start);
	c->node.end = MIN(p->node.end, v->node.end);
	c->file = p->file;
	c->offset = pma_offset(p, c->node.start);
	c->perms = p->perms;
	c->prot = p->prot;
	c->is_private = p->is_private;
	c->need_cow = p->need_cow;
	c->is_guard = p->is_guard;
	c->file->ops->incref(c->file, c->offset, pma_size(c));
	pma_insert(child, c);
	return 0;
}

static int fork_pmas(struct batch *parent, struct mm *child)
{
	struct mm *mm = parent->mm;
	int err = 0;

	for (struct vma *v = vma_from(mm, 0); v && !err; v = vma_next(v)) {
		if (v->flags & (VMA_DONTFORK | VMA_WIPEONFORK))
			continue;
		for (struct pma *p = pma_from(mm, v->node.start);
		     p && p->node.start < v->node.end && !err; p = pma_next(p)) {
			if (!pma_find(child, MAX(p->node.start, v->node.start)))
				err = fork_pma(parent, child, v, p);
		}
	}
	return err;
}

/* Both active locks, by rising address as locks of one rank must be. */
static void lock_both(struct mm *mm, struct mm *child)
{
	bool child_first = (uintptr_t)child < (uintptr_t)mm;

	rwlock_write(child_first ? &child->active_lock : &mm->active_lock);
	rwlock_write_nested(child_first ? &mm->active_lock : &child->active_lock);
}

static int map_child(struct batch *b)
{
	for (struct pma *p = pma_from(b->mm, 0); p; p = pma_next(p))
		pma_map(b, p);
	pma_join(b->mm, 0, b->mm->hi);
	return batch_end(b);
}

static int fork_locked(struct mm *mm, struct mm *child)
{
	struct batch for_parent, for_child;
	int err, shared, mapped;

	err = fork_vmas(mm, child);
	if (!err)
		err = text_copy(mm, child);
	if (err)
		return err;
	lock_both(mm, child);
	batch_init(&for_parent, mm);
	batch_init(&for_child, child);
	copy_hot_windows(mm, child);
	err = copy_pinned(mm, child);
	if (!err)
		err = fork_pmas(&for_parent, child);
	shared = batch_end(&for_parent);
	mapped = map_child(&for_child);
	if (err)
		return err;
	return shared ? shared : mapped;
}

static void fork_settings(const struct mm *mm, struct mm *child)
{
	child->mmap_base = mm->mmap_base;
	child->limits = mm->limits;
	child->layout = mm->layout;
	atomic_store(&child->flags, atomic_load(&mm->flags));
}

int mm_fork(struct mm *mm, struct mm **out)
{
	struct mm *child;
	int err = mm_create(&mm->env, &child);

	*out = NULL;
	if (err)
		return err;
	rwlock_write(&mm->map_lock);
	fork_settings(mm, child);
	err = fork_locked(mm, child);
	rwlock_write_unlock(&mm->map_lock);
	if (err) {
		mm_put(child);
		return err;
	}
	*out = child;
	return 0;
}
