/*
 * Memory that the kernel shares with a guest: of its own, which the guest may mmap,
 * or the guest's, pinned.
 */
#pragma once

#include "memfile/memfile.h"
#include "mm/mm.h"
#include "uring/sharedbuf.h"

struct region {
	struct sharedbuf buf;
	struct memfile *mf; /* our own: where its range lies */
	uint64_t offset;    /* in mf */
	struct mm_pin *pin; /* the guest's */
};

/* size is rounded up to pages; reads as zeros, all of it is there. -ENOMEM. */
int region_create(struct memfile *mf, uint64_t size, struct region *out) MUST_CHECK;
/* The guest's pages at addr. -EINVAL: not aligned; -EFAULT; -ENOMEM. */
int region_create_user(struct mm *mm, gva_t addr, uint64_t size, struct region *out) MUST_CHECK;
/* A zeroed one is allowed. */
void region_destroy(struct region *rg);
static inline bool region_exists(const struct region *rg)
{
	return rg->buf.size != 0;
}
