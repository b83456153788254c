/*
 * Sets of ranges: [start, end) that never touch, for pages that are dirty or
 * may be written through a mapping. A change needs at most one new node, which
 * the caller brings along, because it is made under a lock and must not fail.
 */
#pragma once

#include "base/ivmap.h"

struct rangeset {
	struct ivmap ranges;
};

struct range_node;

void rangeset_init(struct rangeset *s);
void rangeset_fini(struct rangeset *s);

/* A node to bring along; NULL: no memory. */
struct range_node *range_node_alloc(void) MUST_CHECK;
void range_node_free(struct range_node *n); /* NULL is allowed */

/* Both take *spare when they need it, and set it to NULL. */
void rangeset_add(struct rangeset *s, uint64_t start, uint64_t end, struct range_node **spare);
void rangeset_remove(struct rangeset *s, uint64_t start, uint64_t end, struct range_node **spare);

/* The first piece of the set in [start, end), cut to it. */
bool rangeset_first(const struct rangeset *s, uint64_t start, uint64_t end, uint64_t *from,
		    uint64_t *to);
bool rangeset_intersects(const struct rangeset *s, uint64_t start, uint64_t end);

static inline bool rangeset_is_empty(const struct rangeset *s)
{
	return s->ranges.count == 0;
}

static inline uint64_t rangeset_size(const struct rangeset *s)
{
	return s->ranges.span;
}
