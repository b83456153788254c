/*
 * Reverse mappings: who maps which offsets of a mappable.
 *
 *	set    the views, oldest first, and a hash table of them when there are many
 *	view   (space, offset - address, writable): an interval map of offsets
 *	entry  a range of offsets that the view maps, and how often
 *
 * An address space maps a library with one view, and a shared segment mapped at a
 * thousand places with a thousand. So adding and removing, which name the view, cost
 * O(log n) whatever else is mapped; questions about a range of offsets ask each view.
 *
 * Ranges of a view may be mapped more than once: while a mapping takes the place of
 * one that shows the same, both are there. And what was added in one piece may be
 * removed in several, and the other way round.
 *
 * Order: a child of fork adds its views after those of its parent, so that an invalidation
 * reaches the parent first, and fork cannot take over what it has just lost.
 */
#include "memmap/memmap.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/htable.h"
#include "base/ivmap.h"
#include "base/pool.h"

/* More views than this get an index. */
#define FEW_VIEWS 8u

struct mapping_view {
	struct list link;
	struct hnode hash;
	struct mapping_set *set;
	struct mapping_space *space;
	uint64_t delta; /* offset - address, modulo 2^64 */
	bool writable;
	struct ivmap entries; /* struct mapping, by offset */
};

struct mapping {
	struct ivnode node;
	struct list link; /* among the spares */
	unsigned count;   /* how often it is mapped */
};

IVMAP_TYPE(mappings, struct mapping, node);

static POOL_DEFINE(mapping_pool, struct mapping);
static POOL_DEFINE(mapping_view_pool, struct mapping_view);

void mapping_set_init(struct mapping_set *s)
{
	*s = (struct mapping_set){ 0 };
	list_init(&s->views);
	list_init(&s->spares);
}

/* What a set that nobody maps need not keep. */
static void shrink(struct mapping_set *s)
{
	list_for_each_safe(m, tmp, &s->spares, struct mapping, link) {
		list_del(&m->link);
		pool_free(&mapping_pool, m);
	}
	if (s->index)
		htable_fini(s->index);
	free(s->index);
	s->index = NULL;
}

void mapping_set_fini(struct mapping_set *s)
{
	ASSERT(mapping_set_is_empty(s));
	shrink(s);
}

/* ---- views ---- */

static uint64_t view_hash(const struct mapping_space *ms, uint64_t delta)
{
	return hash_u64_keyed(delta ^ hash_u64((uintptr_t)ms));
}

static bool view_is(const struct mapping_view *v, const struct mapping_space *ms, uint64_t delta,
		    bool writable)
{
	return v->space == ms && v->delta == delta && v->writable == writable;
}

static struct mapping_view *view_find(const struct mapping_set *s, const struct mapping_space *ms,
				      uint64_t delta, bool writable)
{
	if (s->index) {
		htable_for_each(n, s->index, view_hash(ms, delta))
		{
			struct mapping_view *v = container_of(n, struct mapping_view, hash);

			if (view_is(v, ms, delta, writable))
				return v;
		}
		return NULL;
	}
	list_for_each(v, &s->views, struct mapping_view, link) {
		if (view_is(v, ms, delta, writable))
			return v;
	}
	return NULL;
}

/* Without memory for it the list is searched as before. */
static void make_index(struct mapping_set *s)
{
	s->index = malloc(sizeof(*s->index));
	if (!s->index)
		return;
	htable_init(s->index);
	list_for_each(v, &s->views, struct mapping_view, link)
		htable_insert(s->index, &v->hash, view_hash(v->space, v->delta));
}

static struct mapping_view *view_create(struct mapping_set *s, struct mapping_space *ms,
					uint64_t delta, bool writable)
{
	struct mapping_view *v = pool_alloc(&mapping_view_pool);

	if (!v)
		return NULL;
	v->set = s;
	v->space = ms;
	v->delta = delta;
	v->writable = writable;
	ivmap_init(&v->entries);
	list_push_back(&s->views, &v->link);
	s->nviews++;
	if (s->index)
		htable_insert(s->index, &v->hash, view_hash(ms, delta));
	else if (s->nviews > FEW_VIEWS)
		make_index(s);
	return v;
}

/* Frees v if it maps nothing. */
static void view_settle(struct mapping_view *v)
{
	struct mapping_set *s = v->set;

	if (v->entries.count)
		return;
	if (s->index)
		htable_remove(s->index, &v->hash);
	list_del(&v->link);
	s->nviews--;
	pool_free(&mapping_view_pool, v);
	if (mapping_set_is_empty(s))
		shrink(s);
}

/* ---- entries ---- */

static struct mapping *entry_alloc(struct mapping_set *s, bool must)
{
	struct mapping *m = pool_alloc(&mapping_pool);

	if (m || !must)
		return m;
	if (list_empty(&s->spares))
		panic("no memory to split a mapping");
	m = list_first(&s->spares, struct mapping, link);
	list_del(&m->link);
	return m;
}

static struct ivnode *entry_split(struct ivmap *map, const struct ivnode *n, bool must)
{
	struct mapping_set *s = container_of(map, struct mapping_view, entries)->set;
	struct mapping *back = entry_alloc(s, must);

	if (!back)
		return NULL;
	back->count = mappings_of(n)->count;
	return &back->node;
}

static struct ivnode *entry_try_split(struct ivmap *map, const struct ivnode *n, uint64_t at UNUSED)
{
	return entry_split(map, n, false);
}

static struct ivnode *entry_must_split(struct ivmap *map, const struct ivnode *n,
				       uint64_t at UNUSED)
{
	return entry_split(map, n, true);
}

static bool entries_are_alike(const struct ivnode *n, const struct ivnode *next)
{
	return mappings_of(n)->count == mappings_of(next)->count;
}

static void entry_free(struct ivmap *map UNUSED, struct ivnode *n)
{
	pool_free(&mapping_pool, mappings_of(n));
}

static const struct ivmap_ops may_fail = { entry_try_split, entries_are_alike, entry_free };
static const struct ivmap_ops may_not_fail = { entry_must_split, entries_are_alike, entry_free };

/* Entries that nobody maps come and go within one call: gaps filled before they are
 * counted, and what was counted down. */
static void drop_unmapped(struct ivmap *map, fileoff_t start, fileoff_t end)
{
	uint64_t pos = start;
	struct mapping *m;

	while ((m = mappings_walk(map, &pos, end))) {
		if (m->count)
			continue;
		ivmap_remove(map, &m->node);
		pool_free(&mapping_pool, m);
	}
}

static int fill_gaps(struct mapping_view *v, fileoff_t start, fileoff_t end)
{
	while (start < end) {
		struct mapping *next = mappings_from(&v->entries, start), *m;
		fileoff_t stop = next ? MIN(next->node.start, end) : end;
		int err;

		if (start < stop) {
			m = entry_alloc(v->set, false);
			if (!m)
				return -ENOMEM;
			m->node.start = start;
			m->node.end = stop;
			err = ivmap_insert(&v->entries, &m->node);
			ASSERT(err == 0);
		}
		start = next ? MAX(stop, MIN(next->node.end, end)) : end;
	}
	return 0;
}

/* => returns the bytes of entries that lie in [start, end), whose ends are borders */
static uint64_t count_all(struct ivmap *map, fileoff_t start, fileoff_t end, int by)
{
	uint64_t found = 0;

	ivmap_for_each_in(n, map, start, end)
	{
		mappings_of(n)->count += (unsigned)by;
		found += n->end - n->start;
	}
	return found;
}

static int entries_add(struct mapping_view *v, fileoff_t start, fileoff_t end)
{
	int err = ivmap_isolate(&v->entries, &may_fail, start, end);

	if (err == 0)
		err = fill_gaps(v, start, end);
	if (err == 0)
		count_all(&v->entries, start, end, 1);
	else
		drop_unmapped(&v->entries, start, end);
	ivmap_join(&v->entries, &may_fail, start, end);
	return err;
}

/* ---- the set ---- */

static int put_spare_aside(struct mapping_set *s)
{
	struct mapping *spare = pool_alloc(&mapping_pool);

	if (!spare)
		return -ENOMEM;
	list_push_back(&s->spares, &spare->link);
	return 0;
}

int mapping_set_add(struct mapping_set *s, struct mapping_space *ms, gva_t addr, uint64_t size,
		    fileoff_t off, bool writable)
{
	struct mapping_view *v = view_find(s, ms, off - addr, writable);
	int err;

	ASSERT(size);
	if (!v)
		v = view_create(s, ms, off - addr, writable);
	if (!v)
		return -ENOMEM;
	err = put_spare_aside(s);
	if (err == 0)
		err = entries_add(v, off, off + size);
	if (err == 0 && writable)
		s->writable += size;
	view_settle(v);
	return err;
}

void mapping_set_remove(struct mapping_set *s, struct mapping_space *ms, gva_t addr, uint64_t size,
			fileoff_t off, bool writable)
{
	struct mapping_view *v = view_find(s, ms, off - addr, writable);
	fileoff_t end = off + size;
	uint64_t found;
	int err;

	ASSERT(v);
	err = ivmap_isolate(&v->entries, &may_not_fail, off, end);
	ASSERT(err == 0);
	found = count_all(&v->entries, off, end, -1);
	ASSERT(found == size);
	drop_unmapped(&v->entries, off, end);
	ivmap_join(&v->entries, &may_not_fail, off, end);
	if (writable)
		s->writable -= size;
	view_settle(v);
}

int mapping_set_add_under(struct mutex *lock, struct mapping_set *s, struct mapping_space *ms,
			  gva_t addr, uint64_t size, fileoff_t off, bool writable)
{
	int err;

	mutex_lock(lock);
	err = mapping_set_add(s, ms, addr, size, off, writable);
	mutex_unlock(lock);
	return err;
}

void mapping_set_remove_under(struct mutex *lock, struct mapping_set *s, struct mapping_space *ms,
			      gva_t addr, uint64_t size, fileoff_t off, bool writable)
{
	mutex_lock(lock);
	mapping_set_remove(s, ms, addr, size, off, writable);
	mutex_unlock(lock);
}

static void invalidate(const struct mapping_view *v, fileoff_t start, fileoff_t end,
		       bool invalidate_private)
{
	v->space->ops->invalidate(v->space, start - v->delta, end - v->delta, invalidate_private);
}

void mapping_set_invalidate(struct mapping_set *s, fileoff_t start, fileoff_t end,
			    bool invalidate_private)
{
	list_for_each(v, &s->views, struct mapping_view, link) {
		ivmap_for_each_in(n, &v->entries, start, end)
			invalidate(v, MAX(n->start, start), MIN(n->end, end), invalidate_private);
	}
}

void mapping_set_barrier(struct mapping_set *s)
{
	list_for_each(v, &s->views, struct mapping_view, link) {
		fileoff_t at = mappings_first(&v->entries)->node.start;

		invalidate(v, at, at, false);
	}
}

bool mapping_set_is_mapped(const struct mapping_set *s, fileoff_t start, fileoff_t end)
{
	list_for_each(v, &s->views, struct mapping_view, link) {
		if (!ivmap_is_gap(&v->entries, start, end))
			return true;
	}
	return false;
}

uint64_t mapping_set_count(const struct mapping_set *s)
{
	uint64_t n = 0;

	list_for_each(v, &s->views, struct mapping_view, link) {
		ivmap_for_each(it, &v->entries)
			n += mappings_of(it)->count;
	}
	return n;
}
