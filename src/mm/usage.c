/*
 * Figures: what /proc/[pid]/status, statm, maps, smaps and rusage say.
 *
 * What a guest has asked for is in the books. How much of it is there, only the
 * host knows: private pages are counted by asking it for the data of the memory
 * file's ranges, a few calls per pma. A host file's pages that are mapped count
 * as resident.
 */
#include "mm/internal.h"

#include <stdio.h>
#include <string.h>

static uint64_t pma_resident(const struct mm *mm, const struct pma *p, gva_t lo, gva_t hi)
{
	if (p->is_guard)
		return 0;
	if (p->file == memfile_mapfile(mm->env.memfile))
		return memfile_resident(mm->env.memfile, pma_offset(p, lo), hi - lo);
	return hi - lo;
}

static void add_resident(struct mm *mm, struct mm_usage *u)
{
	for (struct pma *p = pma_from(mm, 0); p; p = pma_next(p)) {
		uint64_t n = pma_resident(mm, p, p->node.start, p->node.end);

		u->rss += n;
		if (p->is_private)
			continue;
		if (p->file == memfile_mapfile(mm->env.memfile))
			u->rss_shared += n;
		else
			u->rss_file += n;
	}
}

void mm_get_usage(struct mm *mm, struct mm_usage *out)
{
	uint64_t peak;

	memset(out, 0, sizeof(*out));
	rwlock_read(&mm->map_lock);
	out->vsize = mm->vmas.span;
	out->peak_vsize = mm->peak_vsize;
	out->data = mm->books.data;
	out->stack = mm->books.stack;
	out->text = mm->books.text;
	out->locked = mm->books.locked;
	rwlock_read(&mm->active_lock);
	add_resident(mm, out);
	rwlock_read_unlock(&mm->active_lock);
	rwlock_read_unlock(&mm->map_lock);
	peak = atomic_load(&mm->peak_rss);
	while (out->rss > peak && !atomic_compare_exchange_weak(&mm->peak_rss, &peak, out->rss))
		;
	out->peak_rss = MAX(peak, out->rss);
}

/* ---- one vma ---- */

static void fill_resident(struct mm *mm, const struct vma *v, struct mm_vma_info *info)
{
	rwlock_read(&mm->active_lock);
	for (struct pma *p = pma_from(mm, v->node.start); p && p->node.start < v->node.end;
	     p = pma_next(p)) {
		gva_t lo = MAX(p->node.start, v->node.start);
		gva_t hi = MIN(p->node.end, v->node.end);
		uint64_t n = pma_resident(mm, p, lo, hi);

		info->rss += n;
		if (p->is_private)
			info->anon += n;
	}
	rwlock_read_unlock(&mm->active_lock);
}

static void fill_info(struct mm *mm, const struct vma *v, struct mm_vma_info *info)
{
	memset(info, 0, offsetof(struct mm_vma_info, name));
	info->name[0] = '\0';
	info->start = v->node.start;
	info->end = v->node.end;
	info->prot = v->prot;
	info->shared = v->flags & VMA_SHARED;
	info->grows_down = v->flags & VMA_GROWSDOWN;
	info->locked = v->lock != MLOCK_MODE_NONE;
	info->offset = v->offset;
	fill_resident(mm, v, info);
}

/* A path is made with locks that rank above ours: => no lock held */
static void describe(struct mappable *m, const char *name, struct mm_vma_info *info)
{
	if (m && m->ops->describe)
		m->ops->describe(m, info->name, sizeof(info->name), &info->dev, &info->ino);
	if (m)
		m->ops->put(m);
	if (name)
		(void)snprintf(info->name, sizeof(info->name), "%s", name);
}

bool mm_next_vma(struct mm *mm, gva_t addr, struct mm_vma_info *info)
{
	struct mappable *m = NULL;
	const char *name = NULL;
	const struct vma *v;

	rwlock_read(&mm->map_lock);
	v = vma_from(mm, addr);
	if (v) {
		fill_info(mm, v, info);
		name = v->name;
		m = v->mappable;
		if (m)
			m->ops->get(m);
	}
	rwlock_read_unlock(&mm->map_lock);
	describe(m, name, info);
	return v != NULL;
}
