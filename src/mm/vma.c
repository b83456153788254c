/* The vma set: splitting, merging, finding room. */
#include "mm/internal.h"

#include <string.h>

POOL_DEFINE(vma_pool, struct vma);

struct vma *vma_alloc(void)
{
	return pool_alloc(&vma_pool);
}

void vma_free(struct vma *v)
{
	if (v->mappable)
		v->mappable->ops->put(v->mappable);
	pool_free(&vma_pool, v);
}

static bool vma_writable_mapping(const struct vma *v)
{
	return v->shared && (v->max_prot & MAP_W);
}

static int vma_split(struct mm *mm, struct vma *v, gva_t at)
{
	struct vma *back = vma_alloc();
	uint64_t delta = at - v->node.start;

	if (!back)
		return -ENOMEM;
	*back = *v;
	memset(&back->node, 0, sizeof(back->node));
	if (back->mappable)
		back->mappable->ops->get(back->mappable);
	back->off += delta;
	ivmap_split(&mm->vmas, &v->node, at, &back->node);
	return 0;
}

/* Makes start and end boundaries between vmas. */
int vma_isolate(struct mm *mm, gva_t start, gva_t end)
{
	struct vma *v = vma_find(mm, start);
	int r = 0;

	if (v && v->node.start < start)
		r = vma_split(mm, v, start);
	if (r < 0)
		return r;
	v = vma_find(mm, end);
	if (v && v->node.start < end)
		r = vma_split(mm, v, end);
	return r;
}

static bool may_merge(const struct vma *a, const struct vma *b)
{
	return a->node.end == b->node.start && a->mappable == b->mappable && a->prot == b->prot &&
	       a->max_prot == b->max_prot && a->shared == b->shared && a->grows_down == b->grows_down &&
	       a->locked == b->locked && a->noreserve == b->noreserve && a->dont_fork == b->dont_fork &&
	       a->wipe_on_fork == b->wipe_on_fork && a->name == b->name &&
	       (!a->mappable || a->off + (a->node.end - a->node.start) == b->off);
}

/* Merges what can be merged inside [start, end] and across both borders. */
void vma_merge_range(struct mm *mm, gva_t start, gva_t end)
{
	struct ivnode *n = ivmap_lower_bound(&mm->vmas, start ? start - 1 : 0);

	while (n) {
		struct ivnode *next = ivmap_next(n);

		if (!next || next->start > end)
			break;
		if (may_merge(vma_of(n), vma_of(next))) {
			ivmap_merge(&mm->vmas, n, next);
			vma_free(vma_of(next));
		} else {
			n = next;
		}
	}
}

int vma_insert_new(struct mm *mm, struct vma *v)
{
	uint64_t size = v->node.end - v->node.start;
	int r = 0;

	if (v->mappable)
		r = v->mappable->ops->add_mapping(v->mappable, &mm->space, v->node.start, size, v->off,
						  vma_writable_mapping(v));
	if (r < 0)
		return r;
	r = ivmap_insert(&mm->vmas, &v->node);
	ASSERT(r == 0);
	mm->peak_vsize = MAX(mm->peak_vsize, mm->vmas.span);
	return 0;
}

void vma_remove(struct mm *mm, struct vma *v)
{
	uint64_t size = v->node.end - v->node.start;

	ivmap_remove(&mm->vmas, &v->node);
	if (v->locked)
		mm->locked -= size;
	if (v->mappable)
		v->mappable->ops->remove_mapping(v->mappable, &mm->space, v->node.start, size, v->off,
						 vma_writable_mapping(v));
	vma_free(v);
}

bool vma_covers(struct mm *mm, gva_t start, gva_t end)
{
	while (start < end) {
		struct vma *v = vma_find(mm, start);

		if (!v)
			return false;
		start = v->node.end;
	}
	return true;
}

/* Room must not touch the guard gap below a stack that may still grow. */
static bool range_is_free(struct mm *mm, gva_t start, gva_t end)
{
	struct ivnode *n = ivmap_lower_bound(&mm->vmas, start);

	if (!n)
		return true;
	if (n->start < end)
		return false;
	return !(vma_of(n)->grows_down && n->start - end < STACK_GUARD);
}

int vma_find_room(struct mm *mm, gva_t hint, uint64_t size, unsigned flags, gva_t *out)
{
	uint64_t align = size >= ((uint64_t)2 << 20) ? (uint64_t)2 << 20 : PAGE_SIZE;
	int r;

	hint = page_down(hint);
	if (hint >= mm->lo && hint < mm->hi && size <= mm->hi - hint && range_is_free(mm, hint, hint + size)) {
		*out = hint;
		return 0;
	}
	if (flags & MAP_32BIT) {
		r = ivmap_gap_up(&mm->vmas, 0x40000000, 0x80000000, size, PAGE_SIZE, out);
		return r;
	}
	/* Aligned where large, so that both page tables can use huge pages;
	 * lengths that are no multiple of it take the plain way. */
	if (size % align)
		align = PAGE_SIZE;
	r = ivmap_gap_down(&mm->vmas, mm->lo, mm->mmap_base, size, align, out);
	if (r < 0)
		r = ivmap_gap_up(&mm->vmas, mm->mmap_base, mm->hi, size, PAGE_SIZE, out);
	return r;
}
