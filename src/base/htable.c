/* Growth doubles the buckets when there are twice as many nodes; nothing ever
 * shrinks: a tree of files that was large once will be large again. */
#include "base/htable.h"

#include <stdlib.h>

#include "base/fault.h"

void htable_init(struct htable *t)
{
	*t = (struct htable){ .size = HTABLE_FIRST_BUCKETS };
	t->buckets = t->few;
}

void htable_fini(struct htable *t)
{
	if (t->buckets != t->few)
		free(t->buckets);
	t->buckets = NULL;
	t->size = t->count = 0;
}

static void chain(struct hnode **bucket, struct hnode *n)
{
	n->next = *bucket;
	n->at = bucket;
	if (n->next)
		n->next->at = &n->next;
	*bucket = n;
}

static void grow(struct htable *t)
{
	size_t size = t->size * 4;
	struct hnode **fresh = FAULT_POINT("htable.grow") ? NULL : calloc(size, sizeof(*fresh));

	if (!fresh)
		return;
	for (size_t i = 0; i < t->size; i++) {
		struct hnode *n = t->buckets[i], *next;

		for (; n; n = next) {
			next = n->next;
			chain(&fresh[n->hash & (size - 1)], n);
		}
	}
	if (t->buckets != t->few)
		free(t->buckets);
	t->buckets = fresh;
	t->size = size;
}

void htable_insert(struct htable *t, struct hnode *n, uint64_t hash)
{
	if (t->count >= t->size * 2)
		grow(t);
	n->hash = hash;
	chain(&t->buckets[hash & (t->size - 1)], n);
	t->count++;
}

void htable_remove(struct htable *t, struct hnode *n)
{
	if (!n->at)
		return;
	*n->at = n->next;
	if (n->next)
		n->next->at = n->at;
	n->next = NULL;
	n->at = NULL;
	t->count--;
}

static struct hnode *skip_others(struct hnode *n, uint64_t hash)
{
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

struct hnode *htable_first(const struct htable *t, uint64_t hash)
{
	return skip_others(t->buckets[hash & (t->size - 1)], hash);
}

struct hnode *htable_next(const struct hnode *n)
{
	return skip_others(n->next, n->hash);
}

struct hnode *htable_any(const struct htable *t)
{
	for (size_t i = 0; t->count && i < t->size; i++) {
		if (t->buckets[i])
			return t->buckets[i];
	}
	return NULL;
}
