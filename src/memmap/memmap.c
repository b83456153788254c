/*
 * The checker of translate()'s postconditions, and reverse mappings.
 *
 * A mapping set is a list: what it is asked (who maps this range of the file?)
 * needs all of it anyway, entries are few, and most removals undo the newest
 * addition, so searches start at the back.
 */
#include "memmap/memmap.h"

#include "base/pool.h"

static POOL_DEFINE(mapping_pool, struct mapping);

/* ---- translations ---- */

static void check_one(const struct translation *t, fileoff_t opt_start, fileoff_t opt_end,
		      int access)
{
	ASSERT(t->start < t->end);
	ASSERT(!((t->start | t->end | t->offset) & ~PAGE_MASK));
	ASSERT(t->start >= opt_start && t->end <= opt_end);
	ASSERT((t->perms & access) == access);
	ASSERT(t->file && t->file->ops);
}

void translate_check(fileoff_t start, fileoff_t end, fileoff_t opt_start, fileoff_t opt_end,
		     int access, int result, const struct translation *t, unsigned count)
{
	ASSERT(opt_start <= start && start < end && end <= opt_end);
	ASSERT(result <= 0);
	for (unsigned i = 0; i < count; i++) {
		check_one(&t[i], opt_start, opt_end, access);
		ASSERT(i == 0 || t[i].start == t[i - 1].end);
	}
	if (result == 0)
		ASSERT(count && t[0].start <= start && t[count - 1].end >= end);
	else
		ASSERT(!count || t[0].start <= start);
}

/* ---- reverse mappings ---- */

void mapping_set_init(struct mapping_set *s)
{
	list_init(&s->entries);
	list_init(&s->spares);
	s->writable = 0;
}

static void drop_spares(struct mapping_set *s)
{
	list_for_each_safe(m, tmp, &s->spares, struct mapping, link) {
		list_del(&m->link);
		pool_free(&mapping_pool, m);
	}
}

void mapping_set_fini(struct mapping_set *s)
{
	ASSERT(list_empty(&s->entries));
	drop_spares(s);
}

int mapping_set_add(struct mapping_set *s, struct mapping_space *ms, gva_t addr, uint64_t size,
		    fileoff_t off, bool writable)
{
	struct mapping *m = pool_alloc(&mapping_pool), *spare = pool_alloc(&mapping_pool);

	ASSERT(size);
	if (!m || !spare) {
		pool_free(&mapping_pool, m);
		pool_free(&mapping_pool, spare);
		return -ENOMEM;
	}
	m->space = ms;
	m->addr = addr;
	m->size = size;
	m->off = off;
	m->writable = writable;
	list_push_back(&s->entries, &m->link);
	list_push_back(&s->spares, &spare->link);
	if (writable)
		s->writable += size;
	return 0;
}

static struct mapping *entry_for_split(struct mapping_set *s)
{
	struct mapping *m = pool_alloc(&mapping_pool);

	if (m)
		return m;
	if (list_empty(&s->spares))
		panic("no memory to split a mapping");
	m = list_first(&s->spares, struct mapping, link);
	list_del(&m->link);
	return m;
}

/* Cuts [lo, hi), which lies inside it, out of m. */
static void mapping_cut(struct mapping_set *s, struct mapping *m, gva_t lo, gva_t hi)
{
	gva_t end = m->addr + m->size;

	if (m->writable)
		s->writable -= hi - lo;
	if (lo == m->addr && hi == end) {
		list_del(&m->link);
		pool_free(&mapping_pool, m);
		return;
	}
	if (lo == m->addr) {
		m->off += hi - m->addr;
		m->size = end - hi;
		m->addr = hi;
		return;
	}
	if (hi < end) {
		struct mapping *rest = entry_for_split(s);

		*rest = *m;
		rest->off = m->off + (hi - m->addr);
		rest->addr = hi;
		rest->size = end - hi;
		list_insert_between(&rest->link, &m->link, m->link.next);
	}
	m->size = lo - m->addr;
}

/* Whether m maps some of what a removal names, and in the same way: during a
 * move the same addresses may be mapped twice, to different offsets. */
static bool mapping_matches(const struct mapping *m, const struct mapping_space *ms, gva_t addr,
			    uint64_t size, fileoff_t off, bool writable)
{
	return m->space == ms && m->writable == writable && m->addr < addr + size &&
	       addr < m->addr + m->size && m->off - m->addr == off - addr;
}

void mapping_set_remove(struct mapping_set *s, struct mapping_space *ms, gva_t addr, uint64_t size,
			fileoff_t off, bool writable)
{
	struct list *at = s->entries.prev;
	uint64_t left = size;

	while (left && at != &s->entries) {
		struct mapping *m = list_entry(at, struct mapping, link);

		at = at->prev;
		if (mapping_matches(m, ms, addr, size, off, writable)) {
			gva_t lo = MAX(addr, m->addr), hi = MIN(addr + size, m->addr + m->size);

			mapping_cut(s, m, lo, hi);
			left -= hi - lo;
		}
	}
	ASSERT(left == 0);
	if (list_empty(&s->entries))
		drop_spares(s);
}

void mapping_set_invalidate(struct mapping_set *s, fileoff_t start, fileoff_t end,
			    bool invalidate_private)
{
	list_for_each(m, &s->entries, struct mapping, link) {
		fileoff_t lo = MAX(start, m->off), hi = MIN(end, m->off + m->size);

		if (lo < hi)
			m->space->ops->invalidate(m->space, m->addr + (lo - m->off),
						  m->addr + (hi - m->off), invalidate_private);
	}
}

bool mapping_set_is_mapped(const struct mapping_set *s, fileoff_t start, fileoff_t end)
{
	list_for_each(m, &s->entries, struct mapping, link) {
		if (m->off < end && start < m->off + m->size)
			return true;
	}
	return false;
}
