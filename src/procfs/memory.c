/*
 * What /proc/[pid] shows of an address space: maps, smaps, smaps_rollup, pagemap,
 * clear_refs, mem.
 */
#include <stdlib.h>
#include <string.h>

#include "mm/mm.h"
#include "procfs/internal.h"

/* ---- maps ---- */

static void maps_line(const struct mm_vma_info *v, struct text *t)
{
	int n = 0;
	size_t before = t->size;

	text_add(t, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu", (unsigned long long)v->start,
		 (unsigned long long)v->end, v->prot & MAP_R ? 'r' : '-',
		 v->prot & MAP_W ? 'w' : '-', v->prot & MAP_X ? 'x' : '-',
		 v->flags & VMA_SHARED ? 's' : 'p', (unsigned long long)v->offset,
		 (unsigned)(v->dev >> 8) & 0xfff, (unsigned)v->dev & 0xff,
		 (unsigned long long)v->ino);
	n = (int)(t->size - before);
	if (v->name[0])
		text_add(t, "%*s%s", n < 73 ? 73 - n : 1, "", v->name);
	text_add(t, "\n");
}

void proc_show_maps(const struct subject *s, struct text *t)
{
	struct mm *mm = s->task ? task_mm_get(s->task) : NULL;
	struct mm_vma_info *v = malloc(sizeof(*v));

	for (gva_t at = 0; mm && v && mm_next_mapping(mm, at, v); at = v->end)
		maps_line(v, t);
	free(v);
	mm_put(mm);
}

/* ---- smaps ---- */

/* What is there, of one mapping or in sum. Which pages are dirty is not known:
 * those of a host's file count as clean, all others as dirty. */
struct sizes {
	uint64_t rss, pss, pss_anon, pss_file, pss_shmem, shared, anon, host_file, locked;
};

static void sizes_add(struct sizes *s, const struct mm_vma_info *v)
{
	s->rss += v->rss;
	s->pss += v->pss;
	s->shared += v->shared;
	s->anon += v->anon;
	s->host_file += v->host_file;
	if (v->is_anonymous)
		s->pss_anon += v->pss;
	else if (v->host_file)
		s->pss_file += v->pss;
	else
		s->pss_shmem += v->pss;
	if (v->lock != MLOCK_MODE_NONE)
		s->locked += v->pss;
}

static void row(struct text *t, const char *name, uint64_t bytes)
{
	text_add(t, "%-16s%8llu kB\n", name, (unsigned long long)bytes >> 10);
}

static void show_sizes(const struct sizes *s, bool in_sum, struct text *t)
{
	static const char *const nothing[] = {
		"AnonHugePages:",   "ShmemPmdMapped:", "FilePmdMapped:", "Shared_Hugetlb:",
		"Private_Hugetlb:", "Swap:",           "SwapPss:"
	};
	uint64_t dirty = s->rss - s->host_file;

	row(t, "Rss:", s->rss);
	row(t, "Pss:", s->pss);
	row(t, "Pss_Dirty:", s->pss - MIN(s->pss, s->host_file));
	if (in_sum) {
		row(t, "Pss_Anon:", s->pss_anon);
		row(t, "Pss_File:", s->pss_file);
		row(t, "Pss_Shmem:", s->pss_shmem);
	}
	row(t, "Shared_Clean:", 0);
	row(t, "Shared_Dirty:", s->shared);
	row(t, "Private_Clean:", s->host_file);
	row(t, "Private_Dirty:", dirty - MIN(dirty, s->shared));
	row(t, "Referenced:", s->rss);
	row(t, "Anonymous:", s->anon);
	row(t, "KSM:", 0);
	row(t, "LazyFree:", 0);
	for (size_t i = 0; i < ARRAY_SIZE(nothing); i++)
		row(t, nothing[i], 0);
	row(t, "Locked:", s->locked);
}

/* The two letters of Documentation/filesystems/proc.rst, in the order of Linux's bits. */
static void show_flags(const struct mm_vma_info *v, struct text *t)
{
	bool shared = v->flags & VMA_SHARED;
	const struct {
		const char *letters;
		bool is_set;
	} flags[] = {
		{ "rd", v->prot & MAP_R },
		{ "wr", v->prot & MAP_W },
		{ "ex", v->prot & MAP_X },
		{ "sh", shared && (v->max_prot & MAP_W) },
		{ "mr", v->max_prot & MAP_R },
		{ "mw", v->max_prot & MAP_W },
		{ "me", v->max_prot & MAP_X },
		{ "ms", shared },
		{ "gd", v->flags & VMA_GROWSDOWN },
		{ "lo", v->lock != MLOCK_MODE_NONE },
		{ "dc", v->flags & VMA_DONTFORK },
		{ "lf", v->lock == MLOCK_MODE_ONFAULT },
		{ "ac", !shared && (v->prot & MAP_W) && !(v->flags & VMA_NORESERVE) },
		{ "nr", v->flags & VMA_NORESERVE },
		{ "wf", v->flags & VMA_WIPEONFORK },
		{ "dd", v->flags & VMA_DONTDUMP },
		{ "sl", v->flags & VMA_SEALED },
	};

	text_add(t, "VmFlags: ");
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i].is_set)
			text_add(t, "%s ", flags[i].letters);
	}
	text_add(t, "\n");
}

void proc_show_smaps(const struct subject *s, struct text *t)
{
	struct mm *mm = s->task ? task_mm_get(s->task) : NULL;
	struct mm_vma_info *v = malloc(sizeof(*v));

	for (gva_t at = 0; mm && v && mm_next_vma(mm, at, v); at = v->end) {
		struct sizes sizes = { 0 };

		maps_line(v, t);
		row(t, "Size:", v->end - v->start);
		row(t, "KernelPageSize:", PAGE_SIZE);
		row(t, "MMUPageSize:", PAGE_SIZE);
		sizes_add(&sizes, v);
		show_sizes(&sizes, false, t);
		text_add(t, "THPeligible:           0\n");
		show_flags(v, t);
	}
	free(v);
	mm_put(mm);
}

void proc_show_rollup(const struct subject *s, struct text *t)
{
	struct mm *mm = s->task ? task_mm_get(s->task) : NULL;
	struct mm_vma_info *v = malloc(sizeof(*v));
	struct sizes sizes = { 0 };
	gva_t first = 0, at = 0;

	for (; mm && v && mm_next_vma(mm, at, v); at = v->end) {
		if (!at)
			first = v->start;
		sizes_add(&sizes, v);
	}
	if (at) {
		memset(v, 0, sizeof(*v));
		v->start = first;
		v->end = at;
		strcpy(v->name, "[rollup]");
		maps_line(v, t);
		show_sizes(&sizes, true, t);
	}
	free(v);
	mm_put(mm);
}

/* 1 to 4 clear bits of pages that nobody here reads; 5 forgets the peak of use. */
ssize_t proc_clear_refs(const struct subject *s, const char *buf, size_t size)
{
	struct mm *mm;
	char *end;
	long what;

	what = strtol(buf, &end, 10);
	if (end == buf || (*end && *end != '\n') || what < 1 || what > 5)
		return -EINVAL;
	mm = s->task ? task_mm_get(s->task) : NULL;
	if (mm && what == 5)
		mm_reset_peak(mm);
	mm_put(mm);
	return (ssize_t)size;
}

/* ---- pagemap ---- */

#define WORDS 512u

ssize_t proc_pagemap(const struct subject *s, struct uio *u, uint64_t off)
{
	struct mm *mm = s->task ? task_mm_get(s->task) : NULL;
	uint64_t words[WORDS], end = (uint64_t)1 << (47 - PAGE_SHIFT);
	ssize_t done = 0, n = 0;

	if ((off | u->remaining) % sizeof(words[0])) {
		mm_put(mm);
		return -EINVAL;
	}
	while (mm && u->remaining && off / sizeof(words[0]) < end) {
		uint64_t page = off / sizeof(words[0]);
		size_t count = MIN(MIN(u->remaining / sizeof(words[0]), (size_t)WORDS), end - page);

		mm_pagemap(mm, page * PAGE_SIZE, count, words);
		n = uio_write(u, words, count * sizeof(words[0]));
		if (n <= 0)
			break;
		done += n;
		off += (uint64_t)n;
	}
	mm_put(mm);
	return done ? done : n;
}

/* ---- mem ---- */

#define MEM_STEP 4096u

/* One step of at most a page's size. */
static ssize_t mem_step(struct mm *mm, struct uio *u, uint64_t off, bool write)
{
	char buf[MEM_STEP];
	size_t n = MIN(u->remaining, sizeof(buf));
	ssize_t r = (ssize_t)n;

	if (write) {
		r = uio_read(u, buf, n);
		if (r <= 0)
			return r;
	}
	r = write ? mm_write_partial(mm, off, buf, (size_t)r, true)
		  : mm_read_partial(mm, buf, off, n, true);
	if (r <= 0)
		return r == -EFAULT ? -EIO : r;
	return write ? r : uio_write(u, buf, (size_t)r);
}

/* Memory that is not there is EIO; the caller's own buffer, EFAULT. */
static ssize_t mem_move(const struct subject *s, struct uio *u, uint64_t off, bool write)
{
	struct mm *mm = s->task ? task_mm_get(s->task) : NULL;
	ssize_t done = 0, r = 0;

	while (mm && u->remaining) {
		size_t want = MIN(u->remaining, (size_t)MEM_STEP);

		r = mem_step(mm, u, off, write);
		if (r <= 0)
			break;
		done += r;
		off += (uint64_t)r;
		if ((size_t)r < want)
			break;
	}
	mm_put(mm);
	return done ? done : r;
}

ssize_t proc_mem_read(const struct subject *s, struct uio *u, uint64_t off)
{
	return mem_move(s, u, off, false);
}

ssize_t proc_mem_write(const struct subject *s, struct uio *u, uint64_t off)
{
	return mem_move(s, u, off, true);
}
