/*
 * One file's cache: its life, its pages, its dirty sets, and claims.
 *
 * Claims are told apart by nobody but their holders. A thread that waits for one
 * sleeps on `turns`, which grows with each that is dropped:
 *
 *	waiter                          holder
 *	  data_lock                       data_lock
 *	  overlaps: turn = turns (A)      off the map
 *	  waiters++                       turns++ (B), wake if waiters
 *	  unlock                          unlock
 *	  sleep while turns == turn
 *
 * A stream of readers could keep a truncate waiting for ever, each claiming
 * before the last has dropped. So those who fill for a read stand back while a
 * cutter waits. Faults do not: they hold MM_ACTIVE, for which a write-back may wait
 * that the cutter waits for.
 */
#include "base/fault.h"
#include "base/park.h"
#include "base/pool.h"
#include "pagecache/internal.h"

static POOL_DEFINE(pagecache_pool, struct pagecache);
static POOL_DEFINE(pagecache_segment_pool, struct segment);

/* ---- life ---- */

int pagecache_create(struct pagecache_set *set, const struct pagecache_ops *ops, void *owner,
		     const void *group, enum pagecache_mode mode, uint64_t size,
		     struct pagecache **out)
{
	struct pagecache *pc;
	int r = set_start_threads(set);

	*out = NULL;
	if (r < 0)
		return r;
	pc = pool_alloc(&pagecache_pool);
	if (!pc)
		return -ENOMEM;
	pc->ops = ops;
	pc->owner = owner;
	pc->group = group;
	pc->set = set;
	pc->mode = mode;
	mutex_init(&pc->maps_lock, LOCK_INODE_MAPS);
	mapping_set_init(&pc->maps);
	rwlock_init(&pc->data_lock, LOCK_INODE_LOWER_DATA);
	atomic_init(&pc->size, size);
	ivmap_init(&pc->cache);
	rangeset_init(&pc->dirty);
	rangeset_init(&pc->kept);
	ivmap_init(&pc->claims);
	memfile_evict_owner_init(&pc->evict, &pagecache_evict_ops);
	list_init(&pc->dirty_link);
	*out = pc;
	return 0;
}

void pagecache_destroy(struct pagecache *pc)
{
	struct spares none = { 0 };

	if (!pc)
		return;
	memfile_evict_owner_fini(pc->set->mf, &pc->evict);
	ASSERT(!pc->is_held && !pc->claims.count);
	mapping_set_fini(&pc->maps);
	segments_free(pc, segments_cut_locked(pc, 0, FILE_END, &none));
	rangeset_fini(&pc->dirty);
	rangeset_fini(&pc->kept);
	pool_free(&pagecache_pool, pc);
}

uint64_t pagecache_cached_size(const struct pagecache *pc)
{
	return atomic_load_explicit(&pc->size, memory_order_acquire);
}

int pagecache_size(struct pagecache *pc, uint64_t *size)
{
	if (pc->mode == PAGECACHE_SHARED)
		return pc->ops->size(pc->owner, size);
	*size = pagecache_cached_size(pc);
	return 0;
}

struct errseq *pagecache_errors(struct pagecache *pc)
{
	return &pc->errors;
}

void pagecache_count(struct pagecache *pc, uint64_t *cached, uint64_t *dirty)
{
	rwlock_read(&pc->data_lock);
	*cached = pc->cache.span;
	*dirty = rangeset_size(&pc->dirty);
	rwlock_read_unlock(&pc->data_lock);
}

/* ---- spares ---- */

int spares_get(struct spares *s, unsigned segments, unsigned ranges)
{
	bool ok = true;

	*s = (struct spares){ 0 };
	for (unsigned i = 0; i < segments; i++)
		ok = ok && (s->segments[i] = pool_alloc(&pagecache_segment_pool)) != NULL;
	for (unsigned i = 0; i < ranges; i++)
		ok = ok && (s->ranges[i] = range_node_alloc()) != NULL;
	if (ok)
		return 0;
	spares_put(s);
	return -ENOMEM;
}

void spares_put(struct spares *s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(s->segments); i++)
		pool_free(&pagecache_segment_pool, s->segments[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(s->ranges); i++)
		range_node_free(s->ranges[i]);
	*s = (struct spares){ 0 };
}

/* ---- claims ---- */

bool claim_overlaps_locked(const struct pagecache *pc, uint64_t start, uint64_t end)
{
	return !ivmap_is_gap(&pc->claims, start, end);
}

void claim_take_locked(struct pagecache *pc, struct claim *c, uint64_t start, uint64_t end)
{
	rwlock_assert_write_held(&pc->data_lock);
	*c = (struct claim){ .node = { .start = start, .end = end }, .serial = ++pc->serial };
	ASSERT(ivmap_insert(&pc->claims, &c->node) == 0);
}

void claim_drop_locked(struct pagecache *pc, struct claim *c)
{
	rwlock_assert_write_held(&pc->data_lock);
	ivmap_remove(&pc->claims, &c->node);
	atomic_fetch_add(&pc->turns, 1); /* (B) pairs with (A) */
	if (pc->waiters)
		park_wake(&pc->turns, UINT32_MAX);
}

void claim_wait_relock(struct pagecache *pc)
{
	unsigned turn = atomic_load(&pc->turns); /* (A) */

	pc->waiters++;
	rwlock_write_unlock(&pc->data_lock);
	(void)park_wait(&pc->turns, turn, PARK_FOREVER);
	rwlock_write(&pc->data_lock);
	pc->waiters--;
}

/* A write-back of the range that began no later than `serial`. */
static bool is_written_back(const struct pagecache *pc, uint64_t start, uint64_t end,
			    uint64_t serial)
{
	const struct ivnode *n = ivmap_lower_bound(&pc->claims, start);

	for (; n && n->start < end; n = ivmap_next(n)) {
		const struct claim *c = ivmap_entry(n, struct claim, node);

		if (c->is_writeback && c->serial <= serial)
			return true;
	}
	return false;
}

void claim_wait_writebacks_relock(struct pagecache *pc, uint64_t start, uint64_t end)
{
	uint64_t serial = pc->serial;

	while (is_written_back(pc, start, end, serial))
		claim_wait_relock(pc);
}

void claim_cut_relock(struct pagecache *pc, struct claim *c, uint64_t start, uint64_t end)
{
	pc->cutters++;
	while (claim_overlaps_locked(pc, start, end))
		claim_wait_relock(pc);
	/* Those who stand back sleep on turns too, and are woken by our drop. */
	pc->cutters--;
	claim_take_locked(pc, c, start, end);
}

/* ---- pages ---- */

/* Behind the file's page before pos, so that what is next to one another in the
 * file can be mapped in one piece. */
static bool alloc_behind(struct pagecache *pc, uint64_t pos, uint64_t size, uint64_t *offset)
{
	const struct segment *prev = NULL;

	rwlock_read(&pc->data_lock);
	if (pos)
		prev = segment_at(pc, pos - 1);
	if (prev)
		*offset = prev->offset + (prev->node.end - prev->node.start);
	rwlock_read_unlock(&pc->data_lock);
	return prev && memfile_alloc_at(pc->set->mf, *offset, size, MEMFILE_PAGECACHE) == 0;
}

int pages_alloc(struct pagecache *pc, uint64_t pos, uint64_t size, bool is_scratch,
		uint64_t *offset)
{
	unsigned flags = MEMFILE_BOTTOMUP | (is_scratch ? MEMFILE_SCRATCH : 0);

	if (FAULT_POINT("pagecache.pages"))
		return -ENOMEM;
	if (alloc_behind(pc, pos, size, offset))
		return 0;
	return memfile_alloc(pc->set->mf, size, MEMFILE_PAGECACHE, flags, offset);
}

void pages_free(struct pagecache *pc, uint64_t offset, uint64_t size)
{
	if (size)
		memfile_decref(pc->set->mf, offset, size);
}

struct segment *segment_at(const struct pagecache *pc, uint64_t pos)
{
	return segment_of(ivmap_find(&pc->cache, pos));
}

uint64_t cached_until_locked(const struct pagecache *pc, uint64_t pos, uint64_t end)
{
	const struct ivnode *n = ivmap_find(&pc->cache, pos);

	while (n && n->start <= pos && pos < end) {
		pos = n->end;
		n = ivmap_next(n);
	}
	return MIN(pos, end);
}

uint64_t gap_until_locked(const struct pagecache *pc, uint64_t pos, uint64_t end)
{
	const struct ivnode *n = ivmap_lower_bound(&pc->cache, pos);

	return n ? MIN(MAX(n->start, pos), end) : end;
}

/* Joins s with what follows it, where the memory does too. */
static void join_next_locked(struct pagecache *pc, struct segment *s)
{
	struct segment *next = segment_of(ivmap_next(&s->node));

	if (!next || next->node.start != s->node.end ||
	    next->offset != s->offset + (s->node.end - s->node.start))
		return;
	ivmap_merge(&pc->cache, &s->node, &next->node);
	pool_free(&pagecache_segment_pool, next);
}

void segment_insert_locked(struct pagecache *pc, uint64_t pos, uint64_t size, uint64_t offset,
			   struct segment **spare)
{
	struct segment *s = pos ? segment_at(pc, pos - 1) : NULL;

	rwlock_assert_write_held(&pc->data_lock);
	if (s && s->offset + (pos - s->node.start) == offset) {
		ivmap_resize(&pc->cache, &s->node, s->node.start, pos + size);
	} else {
		s = *spare;
		ASSERT(s);
		*spare = NULL;
		*s = (struct segment){ .node = { .start = pos, .end = pos + size },
				       .offset = offset };
		ASSERT(ivmap_insert(&pc->cache, &s->node) == 0);
	}
	join_next_locked(pc, s);
}

static void split_at_locked(struct pagecache *pc, uint64_t pos, struct spares *sp)
{
	struct segment *s = segment_at(pc, pos), **spare, *back;

	if (!s || s->node.start == pos)
		return;
	spare = sp->segments[0] ? &sp->segments[0] : &sp->segments[1];
	back = *spare;
	ASSERT(back);
	*spare = NULL;
	*back = (struct segment){ .offset = s->offset + (pos - s->node.start) };
	ivmap_split(&pc->cache, &s->node, pos, &back->node);
}

struct segment *segments_cut_locked(struct pagecache *pc, uint64_t start, uint64_t end,
				    struct spares *sp)
{
	struct segment *list = NULL;
	struct ivnode *n, *next;

	memfile_unmark_evictable(pc->set->mf, &pc->evict, start, end);
	split_at_locked(pc, start, sp);
	split_at_locked(pc, end, sp);
	for (n = ivmap_lower_bound(&pc->cache, start); n && n->start < end; n = next) {
		struct segment *s = segment_of(n);

		next = ivmap_next(n);
		ivmap_remove(&pc->cache, n);
		s->next = list;
		list = s;
	}
	return list;
}

void segments_free(struct pagecache *pc, struct segment *list)
{
	while (list) {
		struct segment *next = list->next;

		pages_free(pc, list->offset, list->node.end - list->node.start);
		pool_free(&pagecache_segment_pool, list);
		list = next;
	}
}

uint64_t blocks_locked(const struct pagecache *pc, uint64_t pos, uint64_t n, struct block *blk,
		       unsigned max, unsigned *count)
{
	const struct segment *s = segment_at(pc, pos);
	uint64_t done = 0;

	*count = 0;
	while (s && s->node.start <= pos && done < n && *count < max) {
		uint64_t skip = pos - s->node.start;
		uint64_t step = MIN(s->node.end - pos, n - done);

		blk[(*count)++] = (struct block){ page_addr(pc, s->offset + skip), step };
		pos += step;
		done += step;
		s = segment_of(ivmap_next(&s->node));
	}
	return done;
}

void zero_locked(struct pagecache *pc, uint64_t start, uint64_t end)
{
	while (start < end) {
		const struct segment *s = segment_of(ivmap_lower_bound(&pc->cache, start));
		uint64_t from, to;

		if (!s || s->node.start >= end)
			return;
		from = MAX(s->node.start, start);
		to = MIN(s->node.end, end);
		(void)!block_safezero(page_addr(pc, s->offset + (from - s->node.start)), to - from);
		start = to;
	}
}

/* ---- dirty pages ---- */

void dirty_add_locked(struct pagecache *pc, uint64_t start, uint64_t end, struct range_node **spare)
{
	uint64_t before = rangeset_size(&pc->dirty);

	rwlock_assert_write_held(&pc->data_lock);
	rangeset_add(&pc->dirty, start, end, spare);
	if (!pc->is_held) {
		pc->is_held = true;
		pc->ops->get(pc->owner);
		pc->ops->dirtied(pc->owner);
		set_file_dirtied(pc);
	}
	set_dirty_grew(pc->set, rangeset_size(&pc->dirty) - before);
}

void dirty_remove_locked(struct pagecache *pc, uint64_t start, uint64_t end, struct spares *s)
{
	uint64_t before = rangeset_size(&pc->dirty);

	rwlock_assert_write_held(&pc->data_lock);
	rangeset_remove(&pc->dirty, start, end, &s->ranges[0]);
	rangeset_remove(&pc->kept, start, end, &s->ranges[1]);
	set_dirty_shrank(pc->set, before - rangeset_size(&pc->dirty));
}

void dirty_done(struct pagecache *pc)
{
	bool is_last;

	rwlock_write(&pc->data_lock);
	is_last = pc->is_held && rangeset_is_empty(&pc->dirty) && pc->writebacks == 0;
	if (is_last) {
		pc->is_held = false;
		set_file_cleaned(pc);
	}
	rwlock_write_unlock(&pc->data_lock);
	if (is_last) {
		void *owner = pc->owner;
		const struct pagecache_ops *ops = pc->ops;

		ops->cleaned(owner);
		ops->put(owner); /* pc may be gone now */
	}
}

void size_set_locked(struct pagecache *pc, uint64_t size)
{
	uint64_t old = atomic_load(&pc->size), less = MIN(old, size);

	rwlock_assert_write_held(&pc->data_lock);
	atomic_store_explicit(&pc->size, size, memory_order_release);
	if (size != old && (less & ~PAGE_MASK))
		zero_locked(pc, less, page_up(less));
}

/* ---- the checker ---- */

static void check_inside(const struct pagecache *pc, const struct rangeset *s, const char *what)
{
	uint64_t from, to;

	for (uint64_t at = 0; rangeset_first(s, at, FILE_END, &from, &to); at = to) {
		if ((from | to) & ~PAGE_MASK || cached_until_locked(pc, from, to) != to)
			panic("page cache: %s pages that are not cached", what);
	}
}

void pagecache_check(struct pagecache *pc)
{
	uint64_t from, to;

	rwlock_read(&pc->data_lock);
	ivmap_check(&pc->cache);
	ivmap_check(&pc->claims);
	ivmap_for_each(n, &pc->cache) {
		ASSERT(!((n->start | n->end | segment_of(n)->offset) & ~PAGE_MASK));
		ASSERT(n->end <= page_up(pc->size));
	}
	check_inside(pc, &pc->dirty, "dirty");
	check_inside(pc, &pc->kept, "kept");
	for (uint64_t at = 0; rangeset_first(&pc->kept, at, FILE_END, &from, &to); at = to) {
		uint64_t a, b;

		ASSERT(rangeset_first(&pc->dirty, from, to, &a, &b) && a == from && b == to);
	}
	ASSERT(pc->is_held || rangeset_is_empty(&pc->dirty));
	ASSERT(pc->mode != PAGECACHE_SHARED || pc->cache.count == 0);
	rwlock_read_unlock(&pc->data_lock);
}
