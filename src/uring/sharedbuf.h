/*
 * A region of memory that we share with guests, as something contiguous.
 *
 * The kernel's own memory for rings is one block: then an offset is an address by one
 * addition (fast). Memory that a guest brings is pages that may lie anywhere: then
 * the page is looked up (slow). Every element in such a region (a ring's word, an
 * entry of 8 to 128 bytes) is aligned to its size, a power of two, so it lies in one
 * page: its address is all that is ever needed, and nothing is copied out or back.
 *
 * What is there may change at any time: words are read once, with the functions
 * below. They order memory as the ring's protocol demands, on any machine.
 */
#pragma once

#include "base/base.h"
#include "memmap/block.h"

struct sharedbuf {
	char *base;   /* fast: NULL in slow mode */
	char **pages; /* slow */
	uint64_t size;
};

/* For tests: every region is treated as pages. */
extern bool sharedbuf_force_slow;

/* blk covers whole pages and stays. -ENOMEM. */
int sharedbuf_init(struct sharedbuf *sb, const struct block *blk, unsigned count) MUST_CHECK;
void sharedbuf_fini(struct sharedbuf *sb); /* a zeroed one is allowed */

/* The address of size bytes at off: they lie inside, within one page. */
static inline void *sharedbuf_at(const struct sharedbuf *sb, uint64_t off, uint64_t size)
{
	DEBUG_ASSERT(off + size <= sb->size);
	DEBUG_ASSERT(page_down(off) == page_down(off + size - 1));
	if (likely(sb->base != NULL))
		return sb->base + off;
	return sb->pages[off / PAGE_SIZE] + off % PAGE_SIZE;
}

/* What the other side publishes: what it wrote before is seen after. */
static inline uint32_t shared_load_acquire(const void *p)
{
	return __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
}

static inline uint32_t shared_load(const void *p)
{
	return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
}

/* What we publish: what was written before is seen by who loads it. */
static inline void shared_store_release(void *p, uint32_t val)
{
	__atomic_store_n((uint32_t *)p, val, __ATOMIC_RELEASE);
}

static inline void shared_store(void *p, uint32_t val)
{
	__atomic_store_n((uint32_t *)p, val, __ATOMIC_RELAXED);
}
