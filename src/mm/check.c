/* The checker of the invariants in internal.h. */
#include "mm/internal.h"

#include <string.h>

static void check_vmas(const struct mm *mm)
{
	struct mm_books books = { 0 };

	ivmap_check(&mm->vmas);
	ASSERT(mm->vmas.count <= VMA_COUNT_MAX);
	for (const struct vma *v = vma_from(mm, 0); v; v = vma_next(v)) {
		uint64_t size = v->node.end - v->node.start;

		ASSERT(v->node.start >= mm->lo && v->node.end <= mm->hi);
		ASSERT(!((v->node.start | v->node.end | v->offset) & ~PAGE_MASK));
		ASSERT(v->mappable || !(v->flags & VMA_SHARED));
		ASSERT(!(v->prot & ~v->max_prot) || !v->mappable);
		books.locked += v->lock != MLOCK_MODE_NONE ? size : 0;
		books.data += vma_is_data(v->prot, v->flags) ? size : 0;
		if (v->flags & VMA_GROWSDOWN)
			books.stack += size;
		else if ((v->prot & (MAP_X | MAP_W)) == MAP_X)
			books.text += size;
	}
	ASSERT(memcmp(&books, &mm->books, sizeof(books)) == 0);
}

static void check_kind(const struct mm *mm, const struct vma *v, const struct pma *p)
{
	bool is_ours = p->file == memfile_mapfile(mm->env.memfile);

	if (p->is_guard) {
		ASSERT(!p->is_private && !p->is_mapped && !p->perms);
		return;
	}
	ASSERT(!p->is_private || is_ours);
	ASSERT(!p->need_cow || p->is_private);
	if (v->flags & VMA_SHARED)
		ASSERT(!p->is_private);
	else
		ASSERT(p->is_private || !(p->perms & MAP_W));
	ASSERT(v->mappable || p->is_private);
}

static void check_pma(const struct mm *mm, const struct pma *p)
{
	gva_t at = p->node.start;

	ASSERT(!((p->node.start | p->node.end | p->offset) & ~PAGE_MASK));
	while (at < p->node.end) {
		const struct vma *v = vma_find(mm, at);

		ASSERT(v);
		ASSERT(p->prot == pma_effective(v->prot, p));
		check_kind(mm, v, p);
		at = v->node.end;
	}
}

void mm_check(struct mm *mm)
{
	rwlock_read(&mm->map_lock);
	rwlock_read(&mm->active_lock);
	check_vmas(mm);
	ivmap_check(&mm->pmas);
	for (const struct pma *p = pma_from(mm, 0); p; p = pma_next(p))
		check_pma(mm, p);
	rwlock_read_unlock(&mm->active_lock);
	rwlock_read_unlock(&mm->map_lock);
}
