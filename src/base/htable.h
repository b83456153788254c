/*
 * Hash tables that grow: chained, intrusive (no allocation but for the array of
 * buckets), with the hash kept in each node. The table never fails: when there
 * is no memory for more buckets, the chains get longer. No locks: the owner's
 * lock rules. Keys that a guest can choose must be hashed with a key (hash.h).
 */
#pragma once

#include "base/base.h"

#define HTABLE_FIRST_BUCKETS 64u

struct hnode {
	struct hnode *next;
	struct hnode **at; /* what points here; NULL: in no table */
	uint64_t hash;
};

struct htable {
	struct hnode **buckets; /* `few`, or allocated */
	size_t size;            /* of buckets: a power of two */
	size_t count;
	struct hnode *few[HTABLE_FIRST_BUCKETS];
};

/* The table is not to be moved. */
void htable_init(struct htable *t);
/* Frees the buckets; the nodes are the caller's. */
void htable_fini(struct htable *t);

/* n need not be initialised; it must not be in a table. */
void htable_insert(struct htable *t, struct hnode *n, uint64_t hash);
/* Harmless for a zeroed node, or one that was removed. */
void htable_remove(struct htable *t, struct hnode *n);

/* The first node with that hash, and the next one with the same; NULL: no more. */
struct hnode *htable_first(const struct htable *t, uint64_t hash);
struct hnode *htable_next(const struct hnode *n);

/* Any node at all: to empty a table. */
struct hnode *htable_any(const struct htable *t);

#define htable_for_each(it, t, h) \
	for (struct hnode *it = htable_first(t, h); it; it = htable_next(it))

/* Every node, in no order; the body may remove the one it is given. */
#define htable_for_all(it, t)                                          \
	for (size_t it##_b = 0; it##_b < (t)->size; it##_b++)          \
		for (struct hnode *it = (t)->buckets[it##_b], *it##_n; \
		     it && (it##_n = it->next, 1); it = it##_n)
