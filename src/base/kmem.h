/*
 * Memory of the kernel process of which guests decide how much there is, and that is
 * in no pool (base/pool.h, which has a limit of its own). Counted by use, each use up
 * to the limit: what waits in queues must not keep files from being made, nor
 * the other way round.
 */
#pragma once

#include "base/base.h"

enum kmem_use {
	KMEM_QUEUES,  /* bytes on their way: sockets, messages, events; System V objects */
	KMEM_NAMES,   /* of files: names in the overlay, extended attributes */
	KMEM_TABLES,  /* of descriptors and groups */
	KMEM_FILTERS, /* programs of seccomp filters */
	KMEM_URING,   /* what io_uring's requests carry; tables of slots and pinned pages */
	KMEM_USES
};

/* Bytes for each use; none until it is set. */
void kmem_set_limit(uint64_t bytes);
/* Not zeroed. NULL: no memory, or more than the limit. */
void *kmem_alloc_for(enum kmem_use use, size_t size) MUST_CHECK;
/* The same, zeroed. */
void *kmem_zalloc_for(enum kmem_use use, size_t size) MUST_CHECK;
/* With the use that it was allocated for; NULL is allowed. */
void kmem_free_for(enum kmem_use use, void *p);

/* ---- queues ---- */

/* More than half of the limit is used: what can wait for memory does. */
bool kmem_is_tight(void);

static inline MUST_CHECK void *kmem_alloc(size_t size)
{
	return kmem_alloc_for(KMEM_QUEUES, size);
}

static inline MUST_CHECK void *kmem_zalloc(size_t size)
{
	return kmem_zalloc_for(KMEM_QUEUES, size);
}

static inline void kmem_free(void *p)
{
	kmem_free_for(KMEM_QUEUES, p);
}
