/*
 * The vma set: what the guest asked for.
 *
 * Every change of the address space cuts the set at the borders of its range
 * first (vma_isolate), so that it then deals with whole vmas, and joins what
 * became alike afterwards (vma_join). A cut alone changes no meaning, so a
 * failure after it needs no undoing.
 *
 * The life of a vma with a mappable:
 *
 *	vma_announce() -> vma_insert() -> ... -> vma_remove()
 *	    -> the guest loses the pages -> vma_renounce() -> vma_free()
 *
 * A mappable is told of the mapping before the first page can be translated
 * and hears of its end when no page is left. Cuts and joins are not its
 * business: it counts bytes.
 */
#include "mm/internal.h"

#include <sys/mman.h>

#include "base/pool.h"

static POOL_DEFINE(vma_pool, struct vma);

/* Where MAP_32BIT goes. */
#define LOW_START 0x40000000u
#define LOW_END 0x80000000u

struct vma *vma_alloc(void)
{
	struct vma *v = pool_alloc(&vma_pool);

	if (v)
		list_init(&v->link);
	return v;
}

struct vma *vma_dup(const struct vma *v, gva_t start, gva_t end, fileoff_t offset)
{
	struct vma *d = vma_alloc();

	if (!d)
		return NULL;
	d->node.start = start;
	d->node.end = end;
	d->mappable = v->mappable;
	d->offset = v->mappable ? offset : 0;
	d->name = v->name;
	d->prot = v->prot;
	d->max_prot = v->max_prot;
	d->flags = v->flags;
	d->lock = v->lock;
	if (d->mappable)
		d->mappable->ops->get(d->mappable);
	return d;
}

void vma_free(struct vma *v)
{
	if (v && v->mappable)
		v->mappable->ops->put(v->mappable);
	pool_free(&vma_pool, v);
}

void vma_free_list(struct list *removed)
{
	list_for_each_safe(v, tmp, removed, struct vma, link) {
		list_del(&v->link);
		vma_free(v);
	}
}

/* ---- the mappable ---- */

int vma_announce(struct mm *mm, struct vma *v)
{
	if (!v->mappable)
		return 0;
	return v->mappable->ops->add_mapping(v->mappable, &mm->space, v->node.start,
					     v->node.end - v->node.start, v->offset,
					     vma_is_writable_mapping(v));
}

void vma_renounce(struct mm *mm, struct vma *v)
{
	if (v->mappable)
		v->mappable->ops->remove_mapping(v->mappable, &mm->space, v->node.start,
						 v->node.end - v->node.start, v->offset,
						 vma_is_writable_mapping(v));
}

void vma_renounce_list(struct mm *mm, struct list *removed)
{
	list_for_each(v, removed, struct vma, link)
		vma_renounce(mm, v);
}

/* ---- books ---- */

bool vma_is_data(int prot, unsigned flags)
{
	return (prot & MAP_W) && !(flags & (VMA_SHARED | VMA_GROWSDOWN));
}

static void count(struct mm *mm, const struct vma *v, bool add)
{
	uint64_t size = v->node.end - v->node.start;
	uint64_t delta = add ? size : 0 - size;

	if (v->lock != MLOCK_MODE_NONE)
		mm->books.locked += delta;
	if (vma_is_data(v->prot, v->flags))
		mm->books.data += delta;
	if (v->flags & VMA_GROWSDOWN)
		mm->books.stack += delta;
	else if ((v->prot & (MAP_X | MAP_W)) == MAP_X)
		mm->books.text += delta;
}

void vma_set_prot(struct mm *mm, struct vma *v, int prot)
{
	count(mm, v, false);
	v->prot = prot;
	count(mm, v, true);
}

void vma_set_lock(struct mm *mm, struct vma *v, enum mlock_mode mode)
{
	count(mm, v, false);
	v->lock = mode;
	count(mm, v, true);
}

bool vma_may_expand(const struct mm *mm, uint64_t size, bool is_data)
{
	if (size > mm->limits.as || mm->vmas.span > mm->limits.as - size)
		return false;
	return !is_data || mm->limits.data == NO_LIMIT ||
	       (size <= mm->limits.data && mm->books.data <= mm->limits.data - size);
}

/* ---- the set ---- */

void vma_insert(struct mm *mm, struct vma *v)
{
	int err = ivmap_insert(&mm->vmas, &v->node);

	ASSERT(err == 0);
	count(mm, v, true);
	mm->peak_vsize = MAX(mm->peak_vsize, mm->vmas.span);
}

void vma_remove(struct mm *mm, struct vma *v)
{
	count(mm, v, false);
	ivmap_remove(&mm->vmas, &v->node);
}

void vma_remove_range(struct mm *mm, gva_t start, gva_t end, struct list *removed)
{
	struct vma *next;

	for (struct vma *v = vma_from(mm, start); v && v->node.start < end; v = next) {
		ASSERT(v->node.start >= start && v->node.end <= end);
		next = vma_next(v);
		vma_remove(mm, v);
		list_push_back(removed, &v->link);
	}
}

static struct ivnode *vma_split(struct ivmap *m, const struct ivnode *n, uint64_t at)
{
	const struct vma *v = vmas_of(n);
	struct vma *back;

	if (m->count >= VMA_COUNT_MAX)
		return NULL;
	back = vma_dup(v, at, v->node.end, vma_offset(v, at));
	return back ? &back->node : NULL;
}

static bool are_alike(const struct ivnode *n, const struct ivnode *next)
{
	const struct vma *a = vmas_of(n), *b = vmas_of(next);

	return a->mappable == b->mappable && a->prot == b->prot && a->max_prot == b->max_prot &&
	       a->flags == b->flags && a->lock == b->lock && a->name == b->name &&
	       (!a->mappable || vma_offset(a, b->node.start) == b->offset);
}

static void joined(struct ivmap *m UNUSED, struct ivnode *next)
{
	vma_free(vmas_of(next)); /* the other holds a reference too */
}

static const struct ivmap_ops vma_ops = { vma_split, are_alike, joined };

int vma_isolate(struct mm *mm, gva_t start, gva_t end)
{
	rwlock_assert_write_held(&mm->map_lock);
	return ivmap_isolate(&mm->vmas, &vma_ops, start, end);
}

void vma_join(struct mm *mm, gva_t start, gva_t end)
{
	ivmap_join(&mm->vmas, &vma_ops, start, end);
}

int vma_check_sealed(const struct mm *mm, gva_t start, gva_t end)
{
	ivmap_for_each_in(n, &mm->vmas, start, end)
	{
		if (vmas_of(n)->flags & VMA_SEALED)
			return -EPERM;
	}
	return 0;
}

bool vma_covers(const struct mm *mm, gva_t start, gva_t end)
{
	for (const struct vma *v = vma_find(mm, start); v; v = vma_next(v)) {
		if (v->node.start > start)
			return false;
		if (v->node.end >= end)
			return true;
		start = v->node.end;
	}
	return false;
}

/* ---- room ---- */

bool mm_range_ok(const struct mm *mm, gva_t addr, uint64_t size)
{
	return addr >= mm->lo && addr < mm->hi && size <= mm->hi - addr;
}

/* Where a new mapping above which v lies must end. */
static gva_t end_below(const struct vma *v)
{
	if (!(v->flags & VMA_GROWSDOWN))
		return v->node.start;
	return v->node.start > STACK_GUARD_GAP ? v->node.start - STACK_GUARD_GAP : 0;
}

static bool is_free(const struct mm *mm, gva_t addr, uint64_t size)
{
	const struct vma *v = vma_from(mm, addr);

	return !v || (addr < end_below(v) && size <= end_below(v) - addr);
}

/* The highest room in [lo, hi) that keeps its distance from stacks above it. */
static int room_down(const struct mm *mm, gva_t lo, gva_t hi, uint64_t size, gva_t *out)
{
	while (hi > lo && ivmap_gap_down(&mm->vmas, lo, hi, size, PAGE_SIZE, out) == 0) {
		const struct vma *v = vma_from(mm, *out);

		if (!v || *out + size <= end_below(v))
			return 0;
		hi = MIN(hi - PAGE_SIZE, end_below(v));
	}
	return -ENOMEM;
}

static int room_up(const struct mm *mm, gva_t lo, gva_t hi, uint64_t size, gva_t *out)
{
	while (hi > lo && ivmap_gap_up(&mm->vmas, lo, hi, size, PAGE_SIZE, out) == 0) {
		const struct vma *v = vma_from(mm, *out);

		if (!v || *out + size <= end_below(v))
			return 0;
		lo = v->node.end;
	}
	return -ENOMEM;
}

int vma_find_room(const struct mm *mm, gva_t hint, uint64_t size, unsigned map_flags, gva_t *out)
{
	gva_t low_end = MIN(mm->hi, (gva_t)LOW_END);

	if (map_flags & MAP_32BIT)
		return room_up(mm, MAX(mm->lo, (gva_t)LOW_START), low_end, size, out);
	hint = hint > UINT64_MAX - PAGE_SIZE ? 0 : page_up(hint);
	if (hint && mm_range_ok(mm, hint, size) && is_free(mm, hint, size)) {
		*out = hint;
		return 0;
	}
	if (room_down(mm, mm->lo, mm->mmap_base, size, out) == 0)
		return 0;
	return room_up(mm, mm->lo, mm->hi, size, out);
}
