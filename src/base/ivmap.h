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
 * Nodes never move: a segment keeps its object through splits, joins and
 * changes elsewhere. So an iteration that fetches the next node before it
 * removes the current one is safe (ivmap_for_each_safe), and ivmap_walk()
 * survives any change, because it holds a key and not a node.
 *
 * A map whose segments are all of one type gets typed functions from
 * IVMAP_TYPE(), and from a struct ivmap_ops the two operations that need to know
 * what a segment is: ivmap_isolate() cuts, ivmap_join() glues.
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

/* ---- cutting and joining by what a segment means ---- */

struct ivmap_ops {
	/* A fresh object that becomes [at, n->end) of n, with the payload that is
	 * right there; its node is the caller's to fill. NULL: there may be none. */
	struct ivnode *(*split)(struct ivmap *m, const struct ivnode *n, uint64_t at);
	/* Whether n and next, which starts where n ends, mean the same as one
	 * segment would. */
	bool (*are_alike)(const struct ivnode *n, const struct ivnode *next);
	/* next was joined to the segment before it and left the map: free it. */
	void (*free)(struct ivmap *m, struct ivnode *next);
};

/* Makes start and end borders: no segment crosses them. -ENOMEM when split()
 * gives nothing; the map then means what it meant before. */
int ivmap_isolate(struct ivmap *m, const struct ivmap_ops *ops, uint64_t start, uint64_t end)
	MUST_CHECK;
/* Joins what is alike and meets at an address of [start, end]. */
void ivmap_join(struct ivmap *m, const struct ivmap_ops *ops, uint64_t start, uint64_t end);

/* ---- walks ---- */

/* The next segment of [*pos, end), or NULL; *pos becomes its end. Whatever
 * happened to the map since the last step, each step goes upward and returns
 * a segment that is there now. */
struct ivnode *ivmap_walk(const struct ivmap *m, uint64_t *pos, uint64_t end);

#define ivmap_for_each(it, m) for (struct ivnode *it = ivmap_first(m); it; it = ivmap_next(it))
/* The current segment may be removed. */
#define ivmap_for_each_safe(it, tmp, m)                                                 \
	for (struct ivnode *it = ivmap_first(m), *tmp = it ? ivmap_next(it) : NULL; it; \
	     it = tmp, tmp = it ? ivmap_next(it) : NULL)
/* The segments that intersect [from, to); `to` is evaluated at each step. */
#define ivmap_for_each_in(it, m, from, to)                                           \
	for (struct ivnode *it = ivmap_lower_bound(m, from); it && it->start < (to); \
	     it = ivmap_next(it))

/* ---- room ---- */

/* Room for `size` (a multiple of align, a power of two) inside [lo, hi):
 * the lowest (bottom-up) or highest (top-down) fit, aligned to `align`.
 * -ENOMEM when there is none. */
int ivmap_gap_up(const struct ivmap *m, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
		 uint64_t *out) MUST_CHECK;
int ivmap_gap_down(const struct ivmap *m, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
		   uint64_t *out) MUST_CHECK;

/* Panics when an invariant does not hold. O(n). */
void ivmap_check(const struct ivmap *m);

/* ---- typed ---- */

#define ivmap_entry(n, type, member) container_of(n, type, member)

/* For a map of `type`s, each headed by the ivnode `member`: NAME_of(node),
 * NAME_at(map, key), NAME_from(map, key), NAME_upto(map, key), NAME_first(map),
 * NAME_last(map), NAME_next(object), NAME_prev(object), NAME_walk(map, &pos, end). */
#define IVMAP_TYPE(name, type, member)                                                             \
	static inline UNUSED type *name##_of(const struct ivnode *n)                               \
	{                                                                                          \
		return n ? ivmap_entry(n, type, member) : NULL;                                    \
	}                                                                                          \
	static inline UNUSED type *name##_at(const struct ivmap *m, uint64_t key)                  \
	{                                                                                          \
		return name##_of(ivmap_find(m, key));                                              \
	}                                                                                          \
	static inline UNUSED type *name##_from(const struct ivmap *m, uint64_t key)                \
	{                                                                                          \
		return name##_of(ivmap_lower_bound(m, key));                                       \
	}                                                                                          \
	static inline UNUSED type *name##_upto(const struct ivmap *m, uint64_t key)                \
	{                                                                                          \
		return name##_of(ivmap_upper_bound(m, key));                                       \
	}                                                                                          \
	static inline UNUSED type *name##_first(const struct ivmap *m)                             \
	{                                                                                          \
		return name##_of(ivmap_first(m));                                                  \
	}                                                                                          \
	static inline UNUSED type *name##_last(const struct ivmap *m)                              \
	{                                                                                          \
		return name##_of(ivmap_last(m));                                                   \
	}                                                                                          \
	static inline UNUSED type *name##_next(const type *v)                                      \
	{                                                                                          \
		return name##_of(ivmap_next(&v->member));                                          \
	}                                                                                          \
	static inline UNUSED type *name##_prev(const type *v)                                      \
	{                                                                                          \
		return name##_of(ivmap_prev(&v->member));                                          \
	}                                                                                          \
	static inline UNUSED type *name##_walk(const struct ivmap *m, uint64_t *pos, uint64_t end) \
	{                                                                                          \
		return name##_of(ivmap_walk(m, pos, end));                                         \
	}                                                                                          \
	struct ivmap /* takes the semicolon */
