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

void mm_reset_peak(struct mm *mm)
{
	atomic_store(&mm->peak_rss, 0);
}

/* ---- one vma ---- */

/* Pages of an object hold one reference of its own. */
static void add_part(struct mm *mm, const struct pma *p, gva_t lo, gva_t hi,
		     struct mm_vma_info *info)
{
	struct memfile_residency r;

	if (p->is_guard)
		return;
	if (p->file == memfile_mapfile(mm->env.memfile))
		memfile_residency(mm->env.memfile, pma_offset(p, lo), hi - lo,
				  p->is_private ? 1 : 2, &r);
	else /* how many map a host file's page is not known */
		r = (struct memfile_residency){ hi - lo, 0, hi - lo };
	info->rss += r.resident;
	info->pss += r.proportional;
	info->shared += r.shared;
	info->anon += p->is_private ? r.resident : 0;
	info->host_file += p->file == memfile_mapfile(mm->env.memfile) ? 0 : r.resident;
}

static void fill_resident(struct mm *mm, const struct vma *v, struct mm_vma_info *info)
{
	rwlock_read(&mm->active_lock);
	ivmap_for_each_in(n, &mm->pmas, v->node.start, v->node.end) add_part(
		mm, pmas_of(n), MAX(n->start, v->node.start), MIN(n->end, v->node.end), info);
	rwlock_read_unlock(&mm->active_lock);
}

static void fill_info(const struct vma *v, struct mm_vma_info *info)
{
	memset(info, 0, offsetof(struct mm_vma_info, name));
	info->name[0] = '\0';
	info->start = v->node.start;
	info->end = v->node.end;
	info->prot = v->prot;
	info->max_prot = v->max_prot;
	info->flags = v->flags;
	info->lock = v->lock;
	info->is_anonymous = !v->mappable;
	info->offset = v->offset;
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

static bool next_vma(struct mm *mm, gva_t addr, bool counts, struct mm_vma_info *info)
{
	struct mappable *m = NULL;
	const char *name = NULL;
	const struct vma *v;

	rwlock_read(&mm->map_lock);
	v = vma_from(mm, addr);
	if (v) {
		fill_info(v, info);
		if (counts)
			fill_resident(mm, v, info);
		name = v->name;
		m = v->mappable;
		if (m)
			m->ops->get(m);
	}
	rwlock_read_unlock(&mm->map_lock);
	describe(m, name, info);
	return v != NULL;
}

bool mm_next_vma(struct mm *mm, gva_t addr, struct mm_vma_info *info)
{
	return next_vma(mm, addr, true, info);
}

bool mm_next_mapping(struct mm *mm, gva_t addr, struct mm_vma_info *info)
{
	return next_vma(mm, addr, false, info);
}

/* ---- pagemap ---- */

/* Documentation/admin-guide/mm/pagemap.rst */
#define PM_EXCLUSIVE ((uint64_t)1 << 56)
#define PM_GUARD ((uint64_t)1 << 58)
#define PM_FILE ((uint64_t)1 << 61)
#define PM_PRESENT ((uint64_t)1 << 63)
#define PAGEMAP_STEP 256u

static uint64_t page_word(struct mm *mm, const struct pma *p, gva_t addr, bool is_there)
{
	struct memfile *mf = mm->env.memfile;
	uint64_t word = 0;

	if (p->is_guard)
		return PM_GUARD;
	if (!is_there)
		return 0;
	if (!p->is_private)
		word |= PM_FILE;
	else if (memfile_is_exclusive(mf, pma_offset(p, addr), PAGE_SIZE))
		word |= PM_EXCLUSIVE;
	return word | PM_PRESENT;
}

static void pagemap_part(struct mm *mm, const struct pma *p, gva_t lo, gva_t hi, uint64_t *words)
{
	unsigned char there[PAGEMAP_STEP];

	for (gva_t at = lo; at < hi; at += PAGEMAP_STEP * PAGE_SIZE) {
		gva_t stop = MIN(hi, at + PAGEMAP_STEP * PAGE_SIZE);
		size_t n = (stop - at) / PAGE_SIZE;

		memset(there, 1, n);
		if (p->file == memfile_mapfile(mm->env.memfile))
			memfile_incore(mm->env.memfile, pma_offset(p, at), stop - at, there);
		for (size_t i = 0; i < n; i++)
			*words++ = page_word(mm, p, at + i * PAGE_SIZE, there[i] & 1);
	}
}

void mm_pagemap(struct mm *mm, gva_t addr, size_t count, uint64_t *words)
{
	gva_t end = addr + count * PAGE_SIZE;

	memset(words, 0, count * sizeof(*words));
	rwlock_read(&mm->active_lock);
	ivmap_for_each_in(n, &mm->pmas, addr, end)
	{
		gva_t lo = MAX(n->start, addr), hi = MIN(n->end, end);

		pagemap_part(mm, pmas_of(n), lo, hi, words + (lo - addr) / PAGE_SIZE);
	}
	rwlock_read_unlock(&mm->active_lock);
}
