/* fs/eventfd: eventfd(2). */
#pragma once

#include "vfs/vfs.h"

bool file_is_eventfd(const struct file *f);
/* flags: EFD_SEMAPHORE (1), O_NONBLOCK. */
int eventfd_create(uint64_t initial, unsigned flags, const struct cred *cred, struct file **out)
	MUST_CHECK;
