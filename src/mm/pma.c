/*
 * The pma set: filling it, breaking copy-on-write, dropping.
 *
 * Every function here runs with active_lock held for writing, and puts what
 * the platform must do into a batch that the caller flushes before it unlocks.
 * References on what a guest loses are dropped after the batch (doomed).
 */
#include "mm/internal.h"

#include <string.h>

#include "base/log.h"

POOL_DEFINE(pma_pool, struct pma);

struct doomed {
	struct list link;
	struct mapfile *file;
	uint64_t offset, size;
};

POOL_DEFINE(doomed_pool, struct doomed);

struct pma *pma_alloc(void)
{
	return pool_alloc(&pma_pool);
}

void pma_free(struct pma *p)
{
	pool_free(&pma_pool, p);
}

void doomed_put(struct list *doomed)
{
	list_for_each_safe(d, tmp, doomed, struct doomed, link) {
		list_del(&d->link);
		d->file->ops->decref(d->file, d->offset, d->size);
		pool_free(&doomed_pool, d);
	}
}

/* ---- batches ---- */

void batch_init(struct batch *b, struct mm *mm, bool lazy)
{
	b->mm = mm;
	b->count = 0;
	b->lazy = lazy;
	b->result = 0;
}

int batch_flush(struct batch *b)
{
	int r = 0;

	if (b->count) {
		r = b->lazy ? platform_as_apply_lazy(b->mm->as, b->ops, b->count) :
			      platform_as_apply(b->mm->as, b->ops, b->count);
		b->count = 0;
	}
	if (r < 0 && b->result == 0)
		b->result = r;
	return b->result;
}

static struct platform_op *batch_op(struct batch *b)
{
	if (b->count == ARRAY_SIZE(b->ops))
		(void)batch_flush(b);
	return &b->ops[b->count++];
}

/* What the platform may let the guest do with it. */
int pma_prot(const struct pma *p)
{
	int prot = p->prot & p->perms;

	return p->cow ? prot & ~MAP_W : prot;
}

void batch_map(struct batch *b, const struct pma *p, gva_t start, gva_t end)
{
	struct platform_op *last = b->count ? &b->ops[b->count - 1] : NULL;
	int fd = p->file->ops->fd(p->file), prot = pma_prot(p);
	uint64_t offset = p->offset + (start - p->node.start);

	if (!prot)
		return;
	if (last && last->kind == PLATFORM_OP_MAP && last->fd == fd && last->prot == prot &&
	    last->addr + last->size == start && last->offset + last->size == offset) {
		last->size += end - start;
		return;
	}
	*batch_op(b) = (struct platform_op){ .kind = PLATFORM_OP_MAP, .prot = prot, .fd = fd,
					     .addr = start, .size = end - start, .offset = offset };
}

void batch_unmap(struct batch *b, gva_t start, gva_t end)
{
	struct platform_op *last = b->count ? &b->ops[b->count - 1] : NULL;

	if (last && last->kind == PLATFORM_OP_UNMAP && last->addr + last->size == start) {
		last->size += end - start;
		return;
	}
	*batch_op(b) = (struct platform_op){ .kind = PLATFORM_OP_UNMAP, .addr = start, .size = end - start };
}

void batch_protect(struct batch *b, gva_t start, gva_t end, int prot)
{
	struct platform_op *last = b->count ? &b->ops[b->count - 1] : NULL;

	if (last && last->kind == PLATFORM_OP_PROTECT && last->prot == prot &&
	    last->addr + last->size == start) {
		last->size += end - start;
		return;
	}
	*batch_op(b) = (struct platform_op){ .kind = PLATFORM_OP_PROTECT, .prot = prot, .addr = start,
					     .size = end - start };
}

/* ---- splitting and dropping ---- */

static int pma_split(struct mm *mm, struct pma *p, gva_t at)
{
	struct pma *back = pma_alloc();

	if (!back)
		return -ENOMEM;
	*back = *p;
	memset(&back->node, 0, sizeof(back->node));
	back->offset += at - p->node.start;
	ivmap_split(&mm->pmas, &p->node, at, &back->node);
	return 0;
}

int pma_isolate_locked(struct mm *mm, gva_t start, gva_t end)
{
	struct pma *p = pma_of(ivmap_find(&mm->pmas, start));
	int r = 0;

	if (p && p->node.start < start)
		r = pma_split(mm, p, start);
	if (r < 0)
		return r;
	p = pma_of(ivmap_find(&mm->pmas, end));
	if (p && p->node.start < end)
		r = pma_split(mm, p, end);
	return r;
}

void pma_drop_locked(struct mm *mm, gva_t start, gva_t end, struct batch *b, struct list *doomed)
{
	struct ivnode *n, *next;

	if (pma_isolate_locked(mm, start, end) < 0)
		panic("no memory to split a mapping");
	for (n = ivmap_lower_bound(&mm->pmas, start); n && n->start < end; n = next) {
		struct pma *p = pma_of(n);
		struct doomed *d = pool_alloc(&doomed_pool);

		next = ivmap_next(n);
		if (!d)
			panic("no memory to release a mapping");
		d->file = p->file;
		d->offset = p->offset;
		d->size = n->end - n->start;
		list_push_back(doomed, &d->link);
		if (b)
			batch_unmap(b, n->start, n->end);
		ivmap_remove(&mm->pmas, n);
		pma_free(p);
	}
}

/* ---- filling ---- */

static int pma_insert(struct mm *mm, gva_t start, gva_t end, struct mapfile *file, uint64_t offset,
		      int prot, int perms, bool cow, bool is_private, struct batch *b)
{
	struct pma *prev = pma_of(ivmap_upper_bound(&mm->pmas, start)), *p;
	int r;

	/* Growth of the neighbour, as a heap does it. */
	if (prev && prev->node.end == start && prev->file == file &&
	    prev->offset + (start - prev->node.start) == offset && prev->prot == prot &&
	    prev->perms == perms && prev->cow == cow && prev->is_private == is_private) {
		ivmap_resize(&mm->pmas, &prev->node, prev->node.start, end);
		batch_map(b, prev, start, end);
		return 0;
	}
	p = pma_alloc();
	if (!p)
		return -ENOMEM;
	p->node.start = start;
	p->node.end = end;
	p->file = file;
	p->offset = offset;
	p->prot = prot;
	p->perms = perms;
	p->cow = cow;
	p->is_private = is_private;
	r = ivmap_insert(&mm->pmas, &p->node);
	ASSERT(r == 0);
	batch_map(b, p, start, end);
	return 0;
}

/* Private memory for a hole between pmas. Behind the neighbour's extent if
 * that is free, so that heaps stay one piece. */
static int fill_private(struct mm *mm, struct vma *v, gva_t start, gva_t end, struct batch *b)
{
	struct memfile *mf = mm->env->memfile;
	struct pma *prev = pma_of(ivmap_upper_bound(&mm->pmas, start));
	enum memfile_kind kind = v->grows_down ? MEMFILE_STACK : MEMFILE_ANON;
	uint64_t size = end - start, offset;
	int r = -EEXIST;

	if (memfile_over_limit(mf))
		return -ENOMEM;
	if (prev && prev->node.end == start && prev->is_private && !prev->cow && prev->prot == v->prot) {
		offset = prev->offset + (start - prev->node.start);
		r = memfile_alloc_at(mf, offset, size, kind);
	}
	if (r < 0)
		r = memfile_alloc(mf, size, kind, MEMFILE_HUGE | MEMFILE_BOTTOMUP, &offset);
	if (r < 0)
		return r;
	r = pma_insert(mm, start, end, memfile_mapfile(mf), offset, v->prot, MAP_R | MAP_W | MAP_X, false,
		       true, b);
	if (r < 0)
		memfile_decref(mf, offset, size);
	return r;
}

static int fill_mappable(struct mm *mm, struct vma *v, gva_t start, gva_t end, gva_t opt_start,
			 gva_t opt_end, int access, struct batch *b)
{
	fileoff_t base = v->off - v->node.start; /* may wrap; added to addresses */
	struct translation t[16];
	unsigned count = 0;
	int r, err, want = v->shared ? access : access & ~MAP_W;

	err = v->mappable->ops->translate(v->mappable, start + base, end + base, opt_start + base,
					  opt_end + base, want ? want : MAP_R, t, ARRAY_SIZE(t), &count);
#ifdef NACRE_DEBUG
	translate_check(start + base, end + base, opt_start + base, opt_end + base, want ? want : MAP_R, err,
			t, count);
#endif
	for (unsigned i = 0; i < count; i++) {
		uint64_t size = t[i].end - t[i].start;

		t[i].file->ops->incref(t[i].file, t[i].offset, size);
		r = pma_insert(mm, t[i].start - base, t[i].end - base, t[i].file, t[i].offset, v->prot,
			       v->shared ? t[i].perms : t[i].perms | MAP_W, !v->shared, false, b);
		if (r < 0) {
			t[i].file->ops->decref(t[i].file, t[i].offset, size);
			return r;
		}
	}
	/* Past the end of the file: SIGBUS. */
	return err == -EFAULT || err == -EIO ? -ENXIO : err;
}

/* Fills every hole of [start, end), which lies in v; takes what is cheap of
 * [opt_start, opt_end) along. -ENXIO: SIGBUS. */
int pma_fill_locked(struct mm *mm, struct vma *v, gva_t start, gva_t end, gva_t opt_start,
		    gva_t opt_end, int access, struct batch *b)
{
	gva_t at = start;

	while (at < end) {
		struct ivnode *n = ivmap_lower_bound(&mm->pmas, at), *prev;
		gva_t lo, hi;
		int r;

		if (n && n->start <= at) {
			at = n->end;
			continue;
		}
		/* The hole around at, within the optional range. */
		prev = ivmap_upper_bound(&mm->pmas, at);
		lo = MAX(opt_start, prev ? prev->end : 0);
		hi = MIN(opt_end, n ? n->start : UINT64_MAX);
		if (!v->mappable) {
			if (hi - lo > EXTENT_MAX) {
				lo = MAX(lo, at & ~(EXTENT_MAX - 1));
				hi = MIN(hi, (at & ~(EXTENT_MAX - 1)) + EXTENT_MAX);
			}
			r = fill_private(mm, v, lo, hi, b);
		} else {
			r = fill_mappable(mm, v, at, MIN(end, hi), lo, hi, access, b);
		}
		if (r < 0)
			return r;
		at = hi > at ? MIN(hi, end) : at;
		n = ivmap_find(&mm->pmas, at - 1);
		at = n ? MAX(at, n->end) : at;
	}
	return 0;
}

/* ---- copy-on-write ---- */

static size_t copy_contents(struct mm *mm, const struct pma *p, gva_t lo, gva_t hi, uint64_t to)
{
	struct block src[4], dst = { memfile_addr(mm->env->memfile, to), hi - lo };
	int n = p->file->ops->map_internal(p->file, p->offset + (lo - p->node.start), hi - lo, MAP_R, src, 4);

	return n < 0 ? 0 : block_copy(&dst, 1, src, (unsigned)n);
}

/* addr lies in p, which is cow. Looks first whether nobody else is left. */
int pma_break_cow_locked(struct mm *mm, struct pma *p, gva_t addr, struct batch *b)
{
	struct memfile *mf = mm->env->memfile;
	gva_t lo = MAX(p->node.start, addr & ~(COW_UNIT - 1));
	gva_t hi = MIN(p->node.end, (addr & ~(COW_UNIT - 1)) + COW_UNIT);
	struct list doomed = LIST_INIT(doomed);
	uint64_t offset;
	int r;

	if (p->is_private && memfile_is_exclusive(mf, p->offset, p->node.end - p->node.start)) {
		p->cow = false;
		batch_protect(b, p->node.start, p->node.end, pma_prot(p));
		return 0;
	}
	if (p->is_private &&
	    memfile_is_exclusive(mf, p->offset + (lo - p->node.start), hi - lo)) {
		r = pma_isolate_locked(mm, lo, hi);
		if (r < 0)
			return r;
		p = pma_of(ivmap_find(&mm->pmas, lo));
		p->cow = false;
		batch_protect(b, lo, hi, pma_prot(p));
		return 0;
	}
	if (memfile_over_limit(mf))
		return -ENOMEM;
	r = memfile_alloc(mf, hi - lo, MEMFILE_ANON, MEMFILE_BOTTOMUP, &offset);
	if (r < 0)
		return r;
	/* A file that was truncated under the copy: what is gone reads as zeros
	 * in the copy; the guest's own access told it or will. */
	(void)copy_contents(mm, p, lo, hi, offset);
	r = pma_isolate_locked(mm, lo, hi);
	if (r < 0) {
		memfile_decref(mf, offset, hi - lo);
		return r;
	}
	p = pma_of(ivmap_find(&mm->pmas, lo));
	struct mapfile *old_file = p->file;
	uint64_t old_offset = p->offset;

	p->file = memfile_mapfile(mf);
	p->offset = offset;
	p->perms = MAP_R | MAP_W | MAP_X;
	p->cow = false;
	p->is_private = true;
	batch_map(b, p, lo, hi);
	/* The guest must not see the old pages once they are somebody else's. */
	r = batch_flush(b);
	old_file->ops->decref(old_file, old_offset, hi - lo);
	(void)doomed;
	return r;
}
