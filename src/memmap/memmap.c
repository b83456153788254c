/* The checker of translate()'s postconditions, and reverse mappings. */
#include "memmap/memmap.h"

#include "base/pool.h"

POOL_DEFINE(mapping_pool, struct mapping);

void translate_check(fileoff_t start, fileoff_t end, fileoff_t opt_start, fileoff_t opt_end,
		     int access, int result, const struct translation *t, unsigned count)
{
	ASSERT(opt_start <= start && start < end && end <= opt_end);
	for (unsigned i = 0; i < count; i++) {
		ASSERT(t[i].start < t[i].end);
		ASSERT(!((t[i].start | t[i].end | t[i].offset) & ~PAGE_MASK));
		ASSERT(t[i].start >= opt_start && t[i].end <= opt_end);
		ASSERT(i == 0 || t[i].start == t[i - 1].end);
		ASSERT((t[i].perms & access) == access);
		ASSERT(t[i].file);
	}
	if (result == 0)
		ASSERT(count && t[0].start <= start && t[count - 1].end >= end);
	else
		ASSERT(!count || t[0].start <= start);
}

void mapping_set_init(struct mapping_set *s)
{
	list_init(&s->entries);
	s->writable = 0;
}

void mapping_set_fini(struct mapping_set *s)
{
	ASSERT(list_empty(&s->entries));
}

int mapping_set_add(struct mapping_set *s, struct mapping_space *ms, gva_t addr, uint64_t size,
		    fileoff_t off, bool writable)
{
	struct mapping *m = pool_alloc(&mapping_pool);

	if (!m)
		return -ENOMEM;
	m->space = ms;
	m->addr = addr;
	m->size = size;
	m->off = off;
	m->writable = writable;
	list_push_back(&s->entries, &m->link);
	if (writable)
		s->writable += size;
	return 0;
}

/* Cuts [addr, end) out of m, which intersects it. */
static void mapping_cut(struct mapping_set *s, struct mapping *m, gva_t addr, gva_t end)
{
	gva_t m_end = m->addr + m->size, lo = MAX(addr, m->addr), hi = MIN(end, m_end);

	if (m->writable)
		s->writable -= hi - lo;
	if (hi < m_end && lo > m->addr) {
		struct mapping *rest = pool_alloc(&mapping_pool);

		if (!rest)
			panic("no memory to split a mapping");
		*rest = *m;
		rest->addr = hi;
		rest->size = m_end - hi;
		rest->off = m->off + (hi - m->addr);
		list_push_back(&s->entries, &rest->link);
		m->size = lo - m->addr;
	} else if (lo > m->addr) {
		m->size = lo - m->addr;
	} else if (hi < m_end) {
		m->off += hi - m->addr;
		m->size = m_end - hi;
		m->addr = hi;
	} else {
		list_del(&m->link);
		pool_free(&mapping_pool, m);
	}
}

void mapping_set_remove(struct mapping_set *s, struct mapping_space *ms, gva_t addr, uint64_t size,
			fileoff_t off UNUSED, bool writable)
{
	list_for_each_safe(m, tmp, &s->entries, struct mapping, link) {
		if (m->space == ms && m->writable == writable && m->addr < addr + size &&
		    addr < m->addr + m->size)
			mapping_cut(s, m, addr, addr + size);
	}
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
