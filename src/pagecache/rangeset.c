#include "pagecache/rangeset.h"

#include "base/pool.h"

struct range_node {
	struct ivnode node;
};

static POOL_DEFINE(range_node_pool, struct range_node);

static struct range_node *node_of(struct ivnode *n)
{
	return n ? ivmap_entry(n, struct range_node, node) : NULL;
}

struct range_node *range_node_alloc(void)
{
	return pool_alloc(&range_node_pool);
}

void range_node_free(struct range_node *n)
{
	pool_free(&range_node_pool, n);
}

void rangeset_init(struct rangeset *s)
{
	ivmap_init(&s->ranges);
}

static void drop(struct rangeset *s, struct ivnode *n)
{
	ivmap_remove(&s->ranges, n);
	range_node_free(node_of(n));
}

void rangeset_fini(struct rangeset *s)
{
	struct ivnode *n;

	while ((n = ivmap_first(&s->ranges)))
		drop(s, n);
}

static struct ivnode *take(struct range_node **spare)
{
	struct ivnode *n;

	ASSERT(*spare);
	n = &(*spare)->node;
	*spare = NULL;
	return n;
}

/* What touches or overlaps the range is swallowed; one of it is kept to stand
 * for all. */
void rangeset_add(struct rangeset *s, uint64_t start, uint64_t end, struct range_node **spare)
{
	struct ivnode *n = ivmap_lower_bound(&s->ranges, start ? start - 1 : 0), *kept = NULL;

	ASSERT(start < end);
	while (n && n->start <= end) {
		struct ivnode *next = ivmap_next(n);

		start = MIN(start, n->start);
		end = MAX(end, n->end);
		if (kept)
			drop(s, n);
		else
			kept = n;
		n = next;
	}
	if (kept) {
		ivmap_resize(&s->ranges, kept, start, end);
		return;
	}
	kept = take(spare);
	kept->start = start;
	kept->end = end;
	ASSERT(ivmap_insert(&s->ranges, kept) == 0);
}

void rangeset_remove(struct rangeset *s, uint64_t start, uint64_t end, struct range_node **spare)
{
	struct ivnode *n = ivmap_lower_bound(&s->ranges, start), *next;

	for (; n && n->start < end; n = next) {
		next = ivmap_next(n);
		if (n->start < start && n->end > end) {
			ivmap_split(&s->ranges, n, end, take(spare));
			ivmap_resize(&s->ranges, n, n->start, start);
		} else if (n->start < start) {
			ivmap_resize(&s->ranges, n, n->start, start);
		} else if (n->end > end) {
			ivmap_resize(&s->ranges, n, end, n->end);
		} else {
			drop(s, n);
		}
	}
}

bool rangeset_first(const struct rangeset *s, uint64_t start, uint64_t end, uint64_t *from,
		    uint64_t *to)
{
	const struct ivnode *n = ivmap_lower_bound(&s->ranges, start);

	if (!n || n->start >= end)
		return false;
	*from = MAX(n->start, start);
	*to = MIN(n->end, end);
	return true;
}

bool rangeset_intersects(const struct rangeset *s, uint64_t start, uint64_t end)
{
	uint64_t from, to;

	return rangeset_first(s, start, end, &from, &to);
}
