#include "base/kmem.h"

#include <malloc.h>
#include <stdlib.h>

static _Atomic uint64_t used;
static _Atomic uint64_t limit = UINT64_MAX;

void kmem_set_limit(uint64_t bytes)
{
	atomic_store(&limit, bytes);
}

bool kmem_is_tight(void)
{
	return atomic_load_explicit(&used, memory_order_relaxed) > atomic_load(&limit) / 2;
}

/* Counts what p costs in truth, which free() can find out again. */
static void *charge(void *p)
{
	size_t real;

	if (!p)
		return NULL;
	real = malloc_usable_size(p);
	if (atomic_fetch_add(&used, real) + real > atomic_load(&limit)) {
		atomic_fetch_sub(&used, real);
		free(p);
		return NULL;
	}
	return p;
}

void *kmem_alloc(size_t size)
{
	return charge(malloc(size));
}

void *kmem_zalloc(size_t size)
{
	return charge(calloc(1, size));
}

void kmem_free(void *p)
{
	if (p)
		atomic_fetch_sub(&used, malloc_usable_size(p));
	free(p);
}
