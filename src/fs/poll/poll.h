/* fs/poll: poll(2) over open files; select(2) is built on it. */
#pragma once

#include "vfs/vfs.h"

struct pollfd_k {
	struct file *file; /* borrowed; NULL: revents is what the caller set */
	uint32_t events, revents;
};

/* Waits until something is ready: how many entries have revents, 0 at the
 * deadline, -ERESTARTSYS (the caller picks its own restart code), -ENOMEM. */
int poll_files(struct pollfd_k *fds, unsigned n, uint64_t deadline_ns, const struct vfs_ctx *ctx);
