/*
 * Memory of the kernel process of which guests decide how much there is, and that is
 * in no pool (base/pool.h, which has a limit of its own): bytes on their way through
 * sockets, extended attributes, names in the overlay, descriptor tables. Counted as a whole.
 */
#pragma once

#include "base/base.h"

/* Bytes in all; none until it is set. */
void kmem_set_limit(uint64_t bytes);
/* More than half of the limit is used: what can wait for memory does. */
bool kmem_is_tight(void);
/* Not zeroed. NULL: no memory, or more than the limit. */
void *kmem_alloc(size_t size) MUST_CHECK;
/* The same, zeroed. */
void *kmem_zalloc(size_t size) MUST_CHECK;
/* Of kmem_alloc(); NULL is allowed. */
void kmem_free(void *p);
