/* See sharedbuf.h. */
#include "uring/sharedbuf.h"

#include "base/fault.h"
#include "base/kmem.h"

bool sharedbuf_force_slow;

static bool is_contiguous(const struct block *blk, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		if ((char *)blk[i - 1].base + blk[i - 1].size != (char *)blk[i].base)
			return false;
	}
	return true;
}

int sharedbuf_init(struct sharedbuf *sb, const struct block *blk, unsigned count)
{
	size_t n = 0;

	*sb = (struct sharedbuf){ 0 };
	for (unsigned i = 0; i < count; i++) {
		ASSERT(!(blk[i].size & ~PAGE_MASK));
		sb->size += blk[i].size;
	}
	if (is_contiguous(blk, count) && !sharedbuf_force_slow) {
		sb->base = blk[0].base;
		return 0;
	}
	if (FAULT_POINT("uring.sharedbuf"))
		return -ENOMEM;
	sb->pages = kmem_alloc_for(KMEM_URING, sb->size / PAGE_SIZE * sizeof(*sb->pages));
	if (!sb->pages)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		for (size_t off = 0; off < blk[i].size; off += PAGE_SIZE)
			sb->pages[n++] = (char *)blk[i].base + off;
	}
	return 0;
}

void sharedbuf_fini(struct sharedbuf *sb)
{
	kmem_free_for(KMEM_URING, sb->pages);
	*sb = (struct sharedbuf){ 0 };
}
