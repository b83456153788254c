/* Making rings. */
#pragma once

#include "uring/internal.h"

struct ring *ring_alloc(struct kernel *k); /* one reference; no layout, not listed */
extern const struct mappable_ops ring_mappable_ops;
/* Offsets for struct io_uring_params. */
void setup_fill_offsets(const struct ring_layout *l, struct io_uring_params *p);
/* Checks and rounds entries and params->cq_entries as io_uring_setup(2) does. */
int setup_check_sizes(uint32_t entries, struct io_uring_params *p) MUST_CHECK;
/* A place for the ring's file in the task's ring descriptors; takes the reference
 * on success. -EBUSY: all are used. */
int setup_install_registered(struct uring_task *ut, struct file *f, unsigned from, unsigned to)
	MUST_CHECK;
extern bool uring_is_disabled;
