/*
 * Copy-on-write.
 *
 * Two kinds of pages must not be written in place: a mappable's pages in a
 * private vma, and private pages that a fork may have shared (need_cow). The
 * second may turn out to be ours alone again, because the other side copied
 * them or is gone: the memory file's reference counts tell, and no lock of
 * other address spaces is needed, since only a holder can make new references.
 *
 *	all of the pma exclusive       writable again as it is
 *	the window exclusive           the window writable again
 *	else                           the window is copied
 *
 * The window is the aligned 64 KiB around the address, cut to the pma; behind
 * a run of copies it is larger, up to 1 MiB: who writes memory in order will go
 * on. A file that may still be written to (it is no program) is copied page by
 * page, because the neighbours must go on to show what is written. When the source ends within it (a file that was truncated), what lies
 * before is kept; when the page itself is gone, the write is SIGBUS.
 *
 * Where copies were broken is remembered for the next fork (fork.c).
 */
#include "mm/internal.h"

struct window {
	gva_t lo, hi;
};

static struct window window_at(const struct vma *v, const struct pma *p, gva_t addr, uint64_t size)
{
	gva_t at = addr & ~(size - 1);

	return (struct window){ MAX(MAX(at, p->node.start), v->node.start),
				MIN(MIN(at + size, p->node.end), v->node.end) };
}

static void write_again(struct batch *b, const struct vma *v, struct pma *p)
{
	p->need_cow = false;
	pma_set_prot(b, p, pma_effective(v->prot, p));
}

/* Tries to do without a copy. 1: done, 0: a copy is needed. */
static int take_back(struct batch *b, const struct vma *v, struct pma *p, struct window w)
{
	struct memfile *mf = b->mm->env.memfile;
	struct window whole = window_at(v, p, p->node.start, (uint64_t)1 << 63);
	int err;

	if (!p->is_private)
		return 0;
	if (memfile_is_exclusive(mf, pma_offset(p, whole.lo), whole.hi - whole.lo))
		w = whole;
	else if (!memfile_is_exclusive(mf, pma_offset(p, w.lo), w.hi - w.lo))
		return 0;
	err = pma_isolate(b->mm, w.lo, w.hi);
	if (err)
		return err;
	write_again(b, v, pma_find(b->mm, w.lo));
	return 1;
}

/* Copies [w.lo, w.hi) of p to the memory file; returns the whole pages that
 * could be read, in bytes. */
static uint64_t copy_pages(struct mm *mm, struct pma *p, struct window w, uint64_t to)
{
	struct memfile *mf = mm->env.memfile;
	uint64_t done = 0, size = w.hi - w.lo;

	if (p->is_private)
		return memfile_copy(mf, to, pma_offset(p, w.lo), size) ? size : 0;
	while (done < size) {
		struct block src[4];
		unsigned count;
		uint64_t before = done;

		if (!pma_blocks(mm, p, w.lo + done, size - done, MAP_R, src, 4, &count))
			break;
		for (unsigned i = 0; i < count; i++) {
			size_t n = memfile_write(mf, to + done, src[i].base, src[i].size);

			done += n;
			if (n < src[i].size)
				return page_down(done);
		}
		ASSERT(done > before);
	}
	return page_down(done);
}

/* The copy that ends at addr, if there is one. */
static const struct pma *run_below(const struct mm *mm, const struct vma *v, gva_t addr)
{
	const struct pma *below = addr > v->node.start ? pma_find(mm, addr - 1) : NULL;

	return below && below->is_private && !below->need_cow ? below : NULL;
}

/* Where the copy goes. Behind the last copy if that was just below, so that a
 * run of copies is one mapping. */
static int copy_target(struct mm *mm, const struct vma *v, struct window w, uint64_t *offset)
{
	if (run_below(mm, v, w.lo))
		return extent_alloc(mm, w.lo, w.hi - w.lo, MEMFILE_ANON, true, offset);
	if (memfile_is_exhausted(mm->env.memfile))
		return -ENOMEM;
	return memfile_alloc(mm->env.memfile, w.hi - w.lo, MEMFILE_ANON, MEMFILE_SCRATCH, offset);
}

/* Puts the copy in place of what p has in the window. */
static int replace(struct batch *b, const struct vma *v, struct window w, uint64_t offset)
{
	struct mm *mm = b->mm;
	struct pma *copy = pma_alloc(), *old;
	int err = copy ? pma_isolate(mm, w.lo, w.hi) : -ENOMEM;

	if (err) {
		pma_free(copy);
		return err;
	}
	old = pma_find(mm, w.lo);
	ASSERT(old->node.start == w.lo && old->node.end == w.hi);
	copy->node.start = w.lo;
	copy->node.end = w.hi;
	copy->file = memfile_mapfile(mm->env.memfile);
	copy->offset = offset;
	copy->perms = MAP_R | MAP_W | MAP_X;
	copy->is_private = true;
	copy->prot = pma_effective(v->prot, copy);
	/* Mapped where the old one was: its pages may be somebody else's soon. */
	if (old->is_mapped && copy->prot) {
		pma_supersede(b, old);
		pma_insert(mm, copy);
		pma_map(b, copy);
	} else {
		pma_drop(b, old);
		pma_insert(mm, copy);
	}
	return 0;
}

/* Copies the window, or what of it can be read; -ENXIO when that does not
 * reach behind addr. */
static int copy_window(struct batch *b, const struct vma *v, struct pma *p, gva_t addr,
		       struct window w)
{
	struct memfile *mf = b->mm->env.memfile;
	uint64_t offset, got, size = w.hi - w.lo;
	int err = copy_target(b->mm, v, w, &offset);

	if (err)
		return err;
	got = copy_pages(b->mm, p, w, offset);
	if (got < size)
		memfile_decref(mf, offset + got, size - got);
	if (got <= addr - w.lo) {
		if (got)
			memfile_decref(mf, offset, got);
		return p->is_private ? -ENOMEM : -ENXIO;
	}
	w.hi = w.lo + got;
	err = replace(b, v, w, offset);
	if (err)
		memfile_decref(mf, offset, got);
	return err;
}

static uint64_t window_size(const struct mm *mm, const struct vma *v, const struct pma *p,
			    gva_t addr, unsigned flags)
{
	const struct pma *below;
	uint64_t size = COW_WINDOW;

	if (flags & FILL_WHOLE)
		return (uint64_t)1 << 63;
	if (!p->is_private && !(v->flags & VMA_PROGRAM))
		return PAGE_SIZE;
	below = run_below(mm, v, window_at(v, p, addr, COW_WINDOW).lo);
	while (below && size < COW_WINDOW_MAX && size < pma_size(below))
		size *= 2;
	return size;
}

void cow_remember(struct mm *mm, gva_t addr)
{
	gva_t window = addr & ~(COW_WINDOW - 1);

	for (unsigned i = 0; i < HOT_WINDOWS; i++) {
		if (mm->hot[i] == window)
			return;
	}
	mm->hot[mm->hot_turn++ % HOT_WINDOWS] = window;
}

int cow_break(struct batch *b, struct vma *v, struct pma *p, gva_t addr, unsigned flags)
{
	uint64_t size = window_size(b->mm, v, p, addr, flags);
	struct window w = window_at(v, p, addr, size);
	int err;

	if (p->is_private)
		cow_remember(b->mm, addr);
	err = take_back(b, v, p, w);
	if (err)
		return err < 0 ? err : 0;
	err = copy_window(b, v, p, addr, w);
	if (err == -ENXIO && w.hi - w.lo > PAGE_SIZE)
		err = copy_window(b, v, p, addr, window_at(v, p, addr, PAGE_SIZE));
	return err;
}

int cow_copy(struct batch *b, struct vma *v, struct pma *p, gva_t addr, uint64_t size)
{
	return copy_window(b, v, p, addr, window_at(v, p, addr, size));
}
