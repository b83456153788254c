/*
 * Filling: pmas for an access.
 *
 * fill() walks the required range and looks at what is at each address:
 *
 *	nothing, private anonymous    an extent for the whole hole, as far as the
 *	                              vma and EXTENT_MAX reach
 *	nothing, mappable             translate(): at least the required pages, and
 *	                              what else of the hole is cheap
 *	a pma that lacks a permission that the mappable could give
 *	                              dropped, and translated again for this access
 *	a private vma's pma, write    copy-on-write (cow.c)
 *	a guard                       fails
 *	a pma that will do            next
 *
 * Each step makes progress at the address or fails, so the walk ends. What was
 * made before a failure stays: it is right, only less than was asked.
 *
 * Mapping comes last, so that pages which copy-on-write replaces in the same
 * walk never reach the platform.
 *
 * New memory is filled at once but mapped at the next fault, with all that has come
 * by then, in one batch: a program maps a library in five calls, and much memory is
 * gone again or written by read() only, before it is touched.
 */
#include "mm/internal.h"

#define TRANSLATIONS 16

/* The hole around addr, within v. */
static void hole_around(const struct mm *mm, const struct vma *v, gva_t addr, gva_t *lo, gva_t *hi)
{
	const struct ivnode *next = ivmap_lower_bound(&mm->pmas, addr);
	const struct ivnode *prev = ivmap_upper_bound(&mm->pmas, addr);

	*lo = prev ? MAX(v->node.start, prev->end) : v->node.start;
	*hi = next ? MIN(v->node.end, next->start) : v->node.end;
}

static void pma_init(struct pma *p, const struct vma *v, gva_t start, gva_t end)
{
	p->node.start = start;
	p->node.end = end;
	p->prot = pma_effective(v->prot, p);
}

/* ---- private anonymous memory ---- */

static int fill_extent(struct batch *b, const struct vma *v, gva_t addr, unsigned flags)
{
	enum memfile_kind kind = v->flags & VMA_GROWSDOWN ? MEMFILE_STACK : MEMFILE_ANON;
	struct mm *mm = b->mm;
	struct pma *p = pma_alloc();
	gva_t lo, hi;
	int err;

	if (!p)
		return -ENOMEM;
	hole_around(mm, v, addr, &lo, &hi);
	if (hi - lo > EXTENT_MAX) {
		gva_t piece = addr & ~(EXTENT_MAX - 1);

		lo = MAX(lo, piece);
		hi = MIN(hi, piece + EXTENT_MAX);
	}
	err = extent_alloc(mm, lo, hi - lo, kind, flags & FILL_GROWS, &p->offset);
	if (err) {
		pma_free(p);
		return err;
	}
	p->file = memfile_mapfile(mm->env.memfile);
	p->perms = MAP_R | MAP_W | MAP_X;
	p->is_private = true;
	pma_init(p, v, lo, hi);
	pma_insert(mm, p);
	return 0;
}

/* ---- mappables ---- */

static int insert_translation(struct batch *b, const struct vma *v, const struct translation *t)
{
	struct pma *p = pma_alloc();
	gva_t start = v->node.start + (t->start - v->offset);

	if (!p)
		return -ENOMEM;
	p->file = t->file;
	p->offset = t->offset;
	p->perms = vma_is_writable_mapping(v) ? t->perms : t->perms & ~MAP_W;
	pma_init(p, v, start, start + (t->end - t->start));
	t->file->ops->incref(t->file, t->offset, t->end - t->start);
	pma_insert(b->mm, p);
	return 0;
}

/* What translate() is asked for: stores into private mappings are ours. */
static int translate_access(const struct vma *v, int access)
{
	if (!(v->flags & VMA_SHARED))
		access &= ~MAP_W;
	return access ? access : MAP_R;
}

/* Fills the hole at addr, up to `end` if possible, with what v's mappable has. */
static int fill_translated(struct batch *b, const struct vma *v, gva_t addr, gva_t end, int access)
{
	struct translation t[TRANSLATIONS];
	fileoff_t start, stop, opt_start, opt_stop;
	unsigned count = 0;
	gva_t lo, hi;
	int err, want = translate_access(v, access);

	hole_around(b->mm, v, addr, &lo, &hi);
	start = vma_offset(v, addr);
	stop = vma_offset(v, MIN(end, hi));
	opt_start = vma_offset(v, lo);
	opt_stop = vma_offset(v, hi);
	err = v->mappable->ops->translate(v->mappable, start, stop, opt_start, opt_stop, want, t,
					  TRANSLATIONS, &count);
#ifdef NACRE_DEBUG
	translate_check(start, stop, opt_start, opt_stop, want, err, t, count);
#endif
	for (unsigned i = 0; i < count; i++) {
		int e = insert_translation(b, v, &t[i]);

		if (e)
			return e;
	}
	if (pma_find(b->mm, addr))
		return 0; /* progress; an error further on will come up there */
	if (err == -EFAULT || err == -EIO)
		return -ENXIO;
	return err ? err : -ENOMEM;
}

static int fill_hole(struct batch *b, const struct vma *v, gva_t addr, gva_t end, int access,
		     unsigned flags)
{
	if (!v->mappable)
		return fill_extent(b, v, addr, flags);
	return fill_translated(b, v, addr, end, access);
}

/* p is the mappable's and does not allow the access: asked again, for the
 * window around addr, it may. */
static int drop_to_ask_again(struct batch *b, gva_t addr, const struct pma *p)
{
	gva_t window = addr & ~(COW_WINDOW - 1);
	gva_t lo = MAX(window, p->node.start), hi = MIN(window + COW_WINDOW, p->node.end);
	int err = pma_isolate(b->mm, lo, hi);

	if (!err)
		pma_drop_range(b, lo, hi);
	return err;
}

/* ---- the walk ---- */

/* Makes p good for the access at addr, or takes it away so that the hole will
 * be filled; *done: it is good. */
static int fill_existing(struct batch *b, struct vma *v, struct pma *p, gva_t addr, int access,
			 unsigned flags, bool *done)
{
	bool copies = (access & MAP_W) && !(v->flags & VMA_SHARED);
	int lacks = translate_access(v, access) & ~p->perms;

	*done = false;
	if (p->is_guard)
		return -EFAULT;
	if (!p->is_private && lacks)
		return drop_to_ask_again(b, addr, p);
	if (copies && !pma_may_write(p))
		return cow_break(b, v, p, addr, flags);
	*done = true;
	return 0;
}

static void map_range(struct batch *b, gva_t start, gva_t end)
{
	for (struct pma *p = pma_from(b->mm, start); p && p->node.start < end; p = pma_next(p))
		pma_map(b, p);
}

static int fill_walk(struct batch *b, struct vma *v, gva_t addr, gva_t end, int access,
		     unsigned flags)
{
	while (addr < end) {
		struct pma *p = pma_find(b->mm, addr);
		bool done = false;
		int err;

		if (p)
			err = fill_existing(b, v, p, addr, access, flags, &done);
		else
			err = fill_hole(b, v, addr, end, access, flags);
		if (err)
			return err;
		if (done)
			addr = p->node.end;
	}
	return 0;
}

int fill(struct batch *b, struct vma *v, gva_t start, gva_t end, int access, unsigned flags)
{
	struct mm *mm = b->mm;
	const struct ivnode *next, *prev;
	gva_t lo, hi;
	int err;

	rwlock_assert_write_held(&mm->active_lock);
	ASSERT(start >= v->node.start && end <= v->node.end && start < end);
	/* Nothing outside of the outermost holes can change. */
	prev = ivmap_upper_bound(&mm->pmas, start);
	next = ivmap_lower_bound(&mm->pmas, end - 1);
	lo = prev ? MAX(v->node.start, prev->start) : v->node.start;
	hi = next ? MIN(v->node.end, next->end) : v->node.end;
	err = fill_walk(b, v, start, end, access, flags);
	if (flags & FILL_MAP)
		map_range(b, lo, hi);
	pma_join(mm, lo, hi);
	return err;
}

void map_deferred(struct batch *b)
{
	struct mm *mm = b->mm;

	for (unsigned i = 0; i < mm->ndeferred; i++)
		map_range(b, mm->deferred[i].start, mm->deferred[i].end);
	mm->ndeferred = 0;
}

void map_later(struct batch *b, gva_t start, gva_t end)
{
	struct mm *mm = b->mm;
	struct defer_range *last = mm->ndeferred ? &mm->deferred[mm->ndeferred - 1] : NULL;

	if (last && start <= last->end && end >= last->start) {
		last->start = MIN(last->start, start);
		last->end = MAX(last->end, end);
		return;
	}
	if (mm->ndeferred == DEFERRED_MAX)
		map_deferred(b);
	mm->deferred[mm->ndeferred++] = (struct defer_range){ start, end };
}

void fill_eagerly(struct batch *b, struct vma *v, gva_t start, gva_t end, unsigned flags)
{
	uint64_t size = end - start;
	gva_t first = start + PAGE_SIZE;
	int err = 0;

	if (!v->prot)
		return;
	/* A batch that takes something away cannot wait, and what replaces it goes
	 * with it. */
	if (b->populate || b->takes)
		flags |= FILL_MAP;
	if (!v->mappable) {
		/* Large ones may stay empty for ever: piece by piece. */
		if (size <= EXTENT_MAX)
			err = fill(b, v, start, end, MAP_R, flags);
	} else if (!(flags & FILL_COPY) || !(v->prot & MAP_W) || size > COPY_AT_MAP_MAX) {
		err = fill(b, v, start, first, MAP_R, flags);
	} else {
		err = fill(b, v, start, end, MAP_W, flags | FILL_WHOLE);
	}
	(void)err; /* the guest's own access will meet it again */
	if (!(flags & FILL_MAP))
		map_later(b, start, end);
}
