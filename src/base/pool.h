/*
 * Typed object pools: one per type, so that every object of a type can be
 * found (snapshots, leak checks, state dumps), and freed memory is re-used for
 * the same type only. With sanitizers on, each object is its own malloc.
 */
#pragma once

#include "base/list.h"
#include "base/lock.h"

/* 0: sanitizers watch each object's life. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POOL_USES_SLABS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define POOL_USES_SLABS 0
#endif
#endif
#ifndef POOL_USES_SLABS
#define POOL_USES_SLABS 1
#endif

struct pool_slab;

struct pool {
	const char *name;
	size_t size;
	struct mutex lock;
	void *free;              /* [lock] singly linked free objects */
	struct pool_slab *slabs; /* [lock] */
	size_t live;             /* [lock] objects handed out */
	size_t nr_slabs;         /* [lock] */
	struct pool *next;       /* all pools, for pool_for_each */
	bool registered;
};

/* At file scope: POOL_DEFINE(dentry_pool, struct dentry); */
#define POOL_DEFINE(var, type) \
	struct pool var = { .name = #type, .size = sizeof(type), .lock = MUTEX_INIT(LOCK_POOL) }

/* Returns a zeroed object, or NULL when there is no memory, the pool is at its
 * limit or fault point "pool.NAME" fired. */
void *pool_alloc(struct pool *p) MUST_CHECK;
/* No pool takes more than that from the host, in bytes; none until it is set. Each
 * by itself: what one type has taken it keeps, and the others must live on. */
void pool_set_limit(size_t bytes);
/* NULL is allowed. */
void pool_free(struct pool *p, void *obj);

/* Calls fn for each pool ever used, with its count of live objects. */
void pool_for_each(void (*fn)(const struct pool *p, size_t live, void *arg), void *arg);
