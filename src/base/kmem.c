#include "base/kmem.h"

#include <malloc.h>
#include <stdlib.h>

static _Atomic uint64_t used[KMEM_USES];
static _Atomic uint64_t limit = UINT64_MAX;

void kmem_set_limit(uint64_t bytes)
{
	atomic_store(&limit, bytes);
}

bool kmem_is_tight(void)
{
	return atomic_load_explicit(&used[KMEM_QUEUES], memory_order_relaxed) >
	       atomic_load(&limit) / 2;
}

/* Counts what p costs in truth, which kmem_free_for() can find out again. */
static void *charge(enum kmem_use use, void *p)
{
	size_t real;

	if (!p)
		return NULL;
	real = malloc_usable_size(p);
	if (atomic_fetch_add(&used[use], real) + real > atomic_load(&limit)) {
		atomic_fetch_sub(&used[use], real);
		free(p);
		return NULL;
	}
	return p;
}

void *kmem_alloc_for(enum kmem_use use, size_t size)
{
	return charge(use, malloc(size));
}

void *kmem_zalloc_for(enum kmem_use use, size_t size)
{
	return charge(use, calloc(1, size));
}

void kmem_free_for(enum kmem_use use, void *p)
{
	if (p)
		atomic_fetch_sub(&used[use], malloc_usable_size(p));
	free(p);
}
