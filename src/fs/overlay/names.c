/*
 * A directory's table of changed names. Readers come without dir_lock (reading
 * a directory), so the table has the onode's own lock; whoever changes it holds
 * dir_lock too. Nothing is freed and no reference dropped under the lock.
 */
#include <stdlib.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/kmem.h"
#include "fs/overlay/internal.h"

#define SIZE_MIN 8

static struct oentry **bucket_of(const struct otable *t, uint64_t hash)
{
	return &t->buckets[hash & (t->size - 1)];
}

struct oentry *names_find_locked(const struct onode *dir, const char *name)
{
	const struct otable *t = &dir->table;
	uint64_t hash;

	mutex_assert_held(&dir->lock);
	if (t->count == 0)
		return NULL;
	hash = hash_string(name);
	for (struct oentry *e = *bucket_of(t, hash); e; e = e->next) {
		if (e->hash == hash && strcmp(e->name, name) == 0)
			return e;
	}
	return NULL;
}

enum said names_find(struct onode *dir, const char *name, struct onode **out)
{
	enum said said = SAID_NOTHING;
	struct oentry *e;

	*out = NULL;
	mutex_lock(&dir->lock);
	e = names_find_locked(dir, name);
	if (e)
		said = e->node ? SAID_NODE : SAID_GONE;
	if (said == SAID_NODE) {
		inode_get(&e->node->inode);
		*out = e->node;
	}
	mutex_unlock(&dir->lock);
	return said;
}

static struct oentry *entry_create(const char *name)
{
	size_t len = strlen(name) + 1;
	struct oentry *e =
		FAULT_POINT("overlay.entry") ? NULL : kmem_alloc_for(KMEM_NAMES, sizeof(*e) + len);

	if (!e)
		return NULL;
	*e = (struct oentry){ .hash = hash_string(name) };
	memcpy(e->name, name, len);
	return e;
}

static int grow_locked(struct otable *t)
{
	size_t size = t->size ? t->size * 2 : SIZE_MIN;
	struct otable old = *t;

	if (t->count < t->size)
		return 0;
	t->buckets = FAULT_POINT("overlay.table") ? NULL : calloc(size, sizeof(*t->buckets));
	if (!t->buckets) {
		t->buckets = old.buckets;
		return old.size ? 0 : -ENOMEM;
	}
	t->size = size;
	for (size_t i = 0; i < old.size; i++) {
		for (struct oentry *e = old.buckets[i], *next; e; e = next) {
			next = e->next;
			e->next = *bucket_of(t, e->hash);
			*bucket_of(t, e->hash) = e;
		}
	}
	free(old.buckets);
	return 0;
}

static void insert_locked(struct otable *t, struct oentry *e)
{
	e->next = *bucket_of(t, e->hash);
	*bucket_of(t, e->hash) = e;
	t->count++;
	t->live += e->node != NULL;
}

static void unlink_locked(struct otable *t, struct oentry *e)
{
	struct oentry **at = bucket_of(t, e->hash);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	t->count--;
}

/* An entry that exists gets a new meaning; returns the old one. */
static struct onode *set_locked(struct otable *t, struct oentry *e, struct onode *node)
{
	struct onode *old = e->node;

	t->live += (node != NULL) - (old != NULL);
	e->node = node;
	return old;
}

int names_change(struct onode *dir, const char *name, struct onode *node, bool was_there)
{
	struct oentry *spare = entry_create(name), *gone = NULL, *e;
	struct onode *old = NULL;
	int r = 0;

	mutex_lock(&dir->lock);
	e = names_find_locked(dir, name);
	if (node && dir->is_removed) {
		r = -ENOENT;
	} else if (e) {
		/* This needs no memory: so a change can always be undone. */
		old = set_locked(&dir->table, e, node);
		if (!node && !e->hides_lower) {
			unlink_locked(&dir->table, e);
			gone = e;
		}
	} else {
		r = spare ? grow_locked(&dir->table) : -ENOMEM;
		if (r == 0) {
			spare->node = node;
			spare->hides_lower = was_there;
			insert_locked(&dir->table, spare);
			spare = NULL;
		}
	}
	if (r == 0 && node)
		inode_get(&node->inode);
	mutex_unlock(&dir->lock);
	kmem_free_for(KMEM_NAMES, spare);
	kmem_free_for(KMEM_NAMES, gone);
	if (r == 0)
		onode_pin(dir);
	if (old)
		inode_put(&old->inode);
	return r;
}

void names_clear(struct onode *dir)
{
	struct otable *t = &dir->table;

	for (size_t i = 0; i < t->size; i++) {
		for (struct oentry *e = t->buckets[i], *next; e; e = next) {
			next = e->next;
			if (e->node)
				inode_put(&e->node->inode);
			kmem_free_for(KMEM_NAMES, e);
		}
	}
	free(t->buckets);
	*t = (struct otable){ 0 };
}
