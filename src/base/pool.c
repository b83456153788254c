/*
 * Object pools.
 *
 * Memory comes in slabs of about 16 KiB from malloc(), cut into objects that go
 * onto the pool's free list. Slabs are never given back: freed memory is only
 * ever used again for the same type, which is what makes a stale pointer a
 * wrong object of the right type instead of a forged one. Objects too large
 * for a slab (over a quarter of one) come from calloc() each.
 *
 * With ASan or TSan each object is its own calloc(), so that these see its life.
 */
#include "base/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"

#define OBJECT_ALIGN 16
/* With malloc's own header a slab is 16 KiB. */
#define SLAB_BYTES (16384 - 16)
#define SLAB_OBJECT_MAX (SLAB_BYTES / 4)
#define FREED_BYTE 0x5b

struct pool_slab {
	_Alignas(OBJECT_ALIGN) struct pool_slab *next;
};

/* A free object begins with the pointer to the next one. */
struct free_object {
	void *next;
};

/* Every pool ever used; only grows, so that it is walked without a lock. */
static _Atomic(struct pool *) all_pools;

static void register_locked(struct pool *p)
{
	struct pool *head = atomic_load_explicit(&all_pools, memory_order_relaxed);

	p->registered = true;
	do {
		p->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&all_pools, &head, p, memory_order_release,
							memory_order_relaxed));
}

static _Atomic size_t limit = SIZE_MAX; /* of each */

void pool_set_limit(size_t bytes)
{
	atomic_store(&limit, bytes);
}

static size_t object_stride(const struct pool *p)
{
	return (MAX(p->size, sizeof(struct free_object)) + OBJECT_ALIGN - 1) &
	       ~(size_t)(OBJECT_ALIGN - 1);
}

static bool uses_slabs(const struct pool *p)
{
	return POOL_USES_SLABS && p->size <= SLAB_OBJECT_MAX;
}

static bool fault_point_fires(const struct pool *p)
{
#ifdef NACRE_DEBUG
	char name[64];

	if (likely(!atomic_load_explicit(&fault_any_armed, memory_order_relaxed)))
		return false;
	snprintf(name, sizeof(name), "pool.%s", p->name);
	return fault_fires(name);
#else
	(void)p;
	return false;
#endif
}

static int grow_locked(struct pool *p)
{
	size_t stride = object_stride(p);
	struct pool_slab *slab;
	char *at, *end;

	if (p->nr_slabs >= atomic_load(&limit) / SLAB_BYTES)
		return -ENOMEM;
	slab = malloc(SLAB_BYTES);
	if (!slab)
		return -ENOMEM;
	p->nr_slabs++;
	slab->next = p->slabs;
	p->slabs = slab;
	at = (char *)(slab + 1);
	end = (char *)slab + SLAB_BYTES;
	for (; (size_t)(end - at) >= stride; at += stride) {
		((struct free_object *)(void *)at)->next = p->free;
		p->free = at;
	}
	return 0;
}

static void *take_locked(struct pool *p)
{
	struct free_object *obj;

	if (!uses_slabs(p))
		return p->live < atomic_load(&limit) / p->size ? calloc(1, p->size) : NULL;
	if (!p->free && grow_locked(p) != 0)
		return NULL;
	obj = p->free;
	p->free = obj->next;
	return obj;
}

void *pool_alloc(struct pool *p)
{
	void *obj;

	if (fault_point_fires(p))
		return NULL;
	mutex_lock(&p->lock);
	if (!p->registered)
		register_locked(p);
	obj = take_locked(p);
	if (obj)
		p->live++;
	mutex_unlock(&p->lock);
	if (obj && uses_slabs(p))
		memset(obj, 0, p->size);
	return obj;
}

void pool_free(struct pool *p, void *obj)
{
	if (!obj)
		return;
#ifdef NACRE_DEBUG
	memset(obj, FREED_BYTE, p->size);
#endif
	mutex_lock(&p->lock);
	ASSERT(p->live > 0);
	p->live--;
	if (uses_slabs(p)) {
		((struct free_object *)obj)->next = p->free;
		p->free = obj;
	}
	mutex_unlock(&p->lock);
	if (!uses_slabs(p))
		free(obj);
}

void pool_for_each(void (*fn)(const struct pool *p, size_t live, void *arg), void *arg)
{
	struct pool *p = atomic_load_explicit(&all_pools, memory_order_acquire);

	for (; p; p = p->next) {
		size_t live;

		mutex_lock(&p->lock);
		live = p->live;
		mutex_unlock(&p->lock);
		fn(p, live, arg);
	}
}
