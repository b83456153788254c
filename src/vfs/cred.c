/*
 * Credentials. An object is changed only while its maker alone holds it; once
 * published it is immutable, so readers need no lock. A change is a copy, the
 * edit, and a swap of the pointer by the task layer.
 */
#include "vfs/cred.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/kmem.h"
#include "base/pool.h"
#include "vfs/userns.h"

static POOL_DEFINE(cred_pool, struct cred);

struct cred *cred_create(uint32_t uid, uint32_t gid)
{
	struct cred *c = pool_alloc(&cred_pool);

	if (!c)
		return NULL;
	refcount_init(&c->refs, 1);
	c->uid = c->euid = c->suid = c->fsuid = uid;
	c->gid = c->egid = c->sgid = c->fsgid = gid;
	c->user_ns = user_ns_get(&user_ns_first);
	c->cap_bounding = CAPS_ALL;
	if (uid == 0)
		c->cap_permitted = c->cap_effective = CAPS_ALL;
	return c;
}

static uint32_t *copy_groups(const uint32_t *groups, uint32_t count)
{
	uint32_t *copy;

	if (FAULT_POINT("cred.groups"))
		return NULL;
	copy = kmem_alloc_for(KMEM_TABLES, (size_t)count * sizeof(*copy));
	if (copy)
		memcpy(copy, groups, (size_t)count * sizeof(*copy));
	return copy;
}

struct cred *cred_copy(const struct cred *c)
{
	struct cred *copy = pool_alloc(&cred_pool);

	if (!copy)
		return NULL;
	*copy = *c;
	refcount_init(&copy->refs, 1);
	copy->groups = NULL;
	copy->ngroups = 0;
	if (c->ngroups > 0) {
		copy->groups = copy_groups(c->groups, c->ngroups);
		if (!copy->groups) {
			pool_free(&cred_pool, copy);
			return NULL;
		}
		copy->ngroups = c->ngroups;
	}
	user_ns_get(copy->user_ns);
	return copy;
}

/* Moves an element of a heap down to where it belongs. */
static void sift(uint32_t *heap, uint32_t count, uint32_t at)
{
	for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
		uint32_t down = heap[at];

		if (child + 1 < count && heap[child + 1] > heap[child])
			child++;
		if (down >= heap[child])
			return;
		heap[at] = heap[child];
		heap[child] = down;
	}
}

/* A heap sort: it needs no memory. glibc's qsort() does, and asks the host how much
 * there is, for which our filter kills us. */
static void sort_groups(uint32_t *groups, uint32_t count)
{
	for (uint32_t i = count / 2; i-- > 0;)
		sift(groups, count, i);
	for (uint32_t end = count; end > 1;) {
		uint32_t largest = groups[0];

		end--;
		groups[0] = groups[end];
		groups[end] = largest;
		sift(groups, end, 0);
	}
}

int cred_set_groups(struct cred *c, const uint32_t *groups, uint32_t count)
{
	uint32_t *copy = NULL;

	if (count > 0) {
		copy = copy_groups(groups, count);
		if (!copy)
			return -ENOMEM;
		sort_groups(copy, count);
	}
	kmem_free_for(KMEM_TABLES, c->groups);
	c->groups = copy;
	c->ngroups = count;
	return 0;
}

/* Only the count changes, which is no part of what is immutable. */
static struct cred *writable(const struct cred *c)
{
	return (struct cred *)(uintptr_t)c;
}

const struct cred *cred_get(const struct cred *c)
{
	refcount_get(&writable(c)->refs);
	return c;
}

void cred_put(const struct cred *c)
{
	if (c && refcount_put(&writable(c)->refs)) {
		kmem_free_for(KMEM_TABLES, c->groups);
		user_ns_put(c->user_ns);
		pool_free(&cred_pool, writable(c));
	}
}

bool cred_has_cap(const struct cred *c, unsigned cap)
{
	return cred_has_cap_in(c, &user_ns_first, cap);
}

bool cred_has_cap_in(const struct cred *c, const struct user_ns *ns, unsigned cap)
{
	for (;; ns = user_ns_parent(ns)) {
		if (ns == c->user_ns)
			return c->cap_effective >> cap & 1;
		if (ns->level <= c->user_ns->level)
			return false;
		/* Who made a namespace has all in it, as seen from the one above. */
		if (user_ns_parent(ns) == c->user_ns && ns->owner_uid == c->euid)
			return true;
	}
}

void cred_enter_user_ns(struct cred *c, struct user_ns *ns)
{
	struct user_ns *old = c->user_ns;

	c->securebits = 0;
	c->cap_inheritable = c->cap_ambient = 0;
	c->cap_permitted = c->cap_effective = c->cap_bounding = CAPS_ALL;
	c->user_ns = user_ns_get(ns);
	user_ns_put(old);
}

static int compare_groups(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

bool cred_in_group(const struct cred *c, uint32_t gid)
{
	if (c->fsgid == gid)
		return true;
	return c->ngroups > 0 &&
	       bsearch(&gid, c->groups, c->ngroups, sizeof(gid), compare_groups) != NULL;
}
