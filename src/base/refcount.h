/* Reference counts. They saturate: a count that would wrap stays at its
 * maximum for ever (a leak, not a use after free). */
#pragma once

#include "base/base.h"

struct refcount {
	atomic_uint n;
};

#define REFCOUNT_SATURATED (UINT32_MAX / 2)

static inline void refcount_init(struct refcount *r, unsigned n)
{
	atomic_init(&r->n, n);
}

static inline unsigned refcount_read(const struct refcount *r)
{
	return atomic_load_explicit(&r->n, memory_order_relaxed);
}

static inline void refcount_get(struct refcount *r)
{
	unsigned old = atomic_fetch_add_explicit(&r->n, 1, memory_order_relaxed);

	ASSERT(old != 0);
	if (unlikely(old >= REFCOUNT_SATURATED))
		atomic_store_explicit(&r->n, REFCOUNT_SATURATED, memory_order_relaxed);
}

/* n references at once. */
static inline void refcount_get_many(struct refcount *r, unsigned n)
{
	unsigned old = atomic_fetch_add_explicit(&r->n, n, memory_order_relaxed);

	ASSERT(old != 0);
	if (unlikely(old >= REFCOUNT_SATURATED - n))
		atomic_store_explicit(&r->n, REFCOUNT_SATURATED, memory_order_relaxed);
}

/* Takes a reference unless the count is already 0. */
static inline MUST_CHECK bool refcount_get_not_zero(struct refcount *r)
{
	unsigned old = atomic_load_explicit(&r->n, memory_order_relaxed);

	do {
		if (old == 0)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&r->n, &old, old + 1, memory_order_acquire,
							memory_order_relaxed));
	return true;
}

/* Drops n references; true when they were the last: the caller destroys. */
static inline MUST_CHECK bool refcount_put_many(struct refcount *r, unsigned n)
{
	unsigned old = atomic_load_explicit(&r->n, memory_order_relaxed);

	if (unlikely(old >= REFCOUNT_SATURATED))
		return false;
	old = atomic_fetch_sub_explicit(&r->n, n, memory_order_acq_rel);
	ASSERT(old >= n);
	return old == n;
}

/* Drops a reference; true when it was the last. */
static inline MUST_CHECK bool refcount_put(struct refcount *r)
{
	return refcount_put_many(r, 1);
}
