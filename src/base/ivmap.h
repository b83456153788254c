/*
 * The interval map: segments [start, end) of uint64_t that never overlap, each
 * the head of the caller's own object (intrusive: no allocation in here).
 *
 * It is a balanced binary tree by start; each node also knows the largest gap
 * inside its subtree, so that a search for room is O(log n) too. Everything is
 * O(log n) unless it says otherwise. No locks: the owner's lock rules.
 *
 * Invariants (ivmap_check() runs them; debug builds after every change):
 *  1. start < end for every segment.
 *  2. In-order traversal is strictly ascending: prev->end <= next->start.
 *  3. The tree is balanced (its balance rule holds at every node).
 *  4. first, last, gap of each node are those of its subtree.
 *
 * Iteration survives changes at the cursor: fetch the next node before you
 * remove the current one; splits and inserts elsewhere never move a node.
 */
#pragma once

#include "base/base.h"

struct ivnode {
	uint64_t start, end; /* [start, end); change only through ivmap_* */
	struct ivnode *left, *right, *parent;
	uint64_t first, last; /* least start and greatest end in this subtree */
	uint64_t gap;         /* largest hole between segments in this subtree */
	unsigned height;
};

struct ivmap {
	struct ivnode *root;
	size_t count;
	uint64_t span; /* sum of all lengths */
};

#define IVMAP_INIT         \
	{                  \
		NULL, 0, 0 \
	}

void ivmap_init(struct ivmap *m);

/* Inserts n with its start and end set. -EEXIST when it would overlap. */
int ivmap_insert(struct ivmap *m, struct ivnode *n) MUST_CHECK;
void ivmap_remove(struct ivmap *m, struct ivnode *n);

/* The segment that contains key, or NULL. */
struct ivnode *ivmap_find(const struct ivmap *m, uint64_t key);
/* The first segment with end > key (it contains key or lies after it), or NULL. */
struct ivnode *ivmap_lower_bound(const struct ivmap *m, uint64_t key);
/* The last segment with start <= key, or NULL. */
struct ivnode *ivmap_upper_bound(const struct ivmap *m, uint64_t key);
struct ivnode *ivmap_first(const struct ivmap *m);
struct ivnode *ivmap_last(const struct ivmap *m);
struct ivnode *ivmap_next(const struct ivnode *n);
struct ivnode *ivmap_prev(const struct ivnode *n);
/* True when no segment intersects [start, end). */
bool ivmap_is_gap(const struct ivmap *m, uint64_t start, uint64_t end);

/* Cuts n at `at` (strictly inside): n keeps the front, back (the caller's
 * fresh object) becomes the rest and is inserted. The caller copies and
 * adjusts its own payload. */
void ivmap_split(struct ivmap *m, struct ivnode *n, uint64_t at, struct ivnode *back);
/* Joins n with its neighbour next, which must start at n->end: next leaves the
 * map, and is the caller's to free. */
void ivmap_merge(struct ivmap *m, struct ivnode *n, struct ivnode *next);
/* Changes the bounds of a segment in place; must not overlap its neighbours. */
void ivmap_resize(struct ivmap *m, struct ivnode *n, uint64_t start, uint64_t end);

/* Room for `size` (a multiple of align, a power of two) inside [lo, hi):
 * the lowest (bottom-up) or highest (top-down) fit, aligned to `align`.
 * -ENOMEM when there is none. */
int ivmap_gap_up(const struct ivmap *m, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
		 uint64_t *out) MUST_CHECK;
int ivmap_gap_down(const struct ivmap *m, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
		   uint64_t *out) MUST_CHECK;

/* Panics when an invariant does not hold. O(n). */
void ivmap_check(const struct ivmap *m);

#define ivmap_for_each(it, m) for (struct ivnode *it = ivmap_first(m); it; it = ivmap_next(it))
#define ivmap_entry(n, type, member) container_of(n, type, member)
