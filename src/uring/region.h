/*
 * Memory that the kernel shares with a guest: of its own, which the guest may mmap,
 * or the guest's, pinned. Either counts as locked memory.
 */
#pragma once

#include "memfile/memfile.h"
#include "mm/mm.h"
#include "uring/locked.h"
#include "uring/sharedbuf.h"

struct region {
	struct sharedbuf buf;
	struct memfile *mf; /* our own: where its range lies */
	uint64_t offset;    /* in mf */
	struct mm_pin *pin; /* the guest's */
	struct locked_charge charge;
};

struct region_spec {
	struct task *t; /* who asks: its address space, its limit */
	const struct locked_user *user;
	uint64_t size; /* is rounded up to pages */
	bool is_users; /* the guest's pages at addr */
	gva_t addr;
};

/* Our own reads as zeros, and all of it is there. -ENOMEM; and of the guest's -EINVAL:
 * not aligned; -EFAULT. */
int region_create(const struct region_spec *spec, struct region *out) MUST_CHECK;
/* A zeroed one is allowed. */
void region_destroy(struct region *rg);
static inline bool region_exists(const struct region *rg)
{
	return rg->buf.size != 0;
}
