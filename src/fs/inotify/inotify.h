/* fs/inotify: inotify(7) descriptors. The watches are vfs/notify.h's. */
#pragma once

#include "vfs/vfs.h"

#define INOTIFY_MAX_EVENTS 16384u
#define INOTIFY_MAX_INSTANCES 128u
#define INOTIFY_MAX_WATCHES 65536u

/* flags: O_NONBLOCK. -EMFILE: too many. */
int inotify_create(unsigned flags, const struct cred *cred, struct file **out) MUST_CHECK;
bool inotify_is(const struct file *f);
/* The watch's descriptor, > 0; mask is checked by the caller. -EEXIST, -ENOSPC, -ENOMEM. */
int inotify_add(struct file *f, struct inode *inode, uint32_t mask);
/* -EINVAL: no such watch. */
int inotify_remove(struct file *f, int wd);
