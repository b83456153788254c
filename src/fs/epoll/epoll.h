/* fs/epoll: epoll(7). */
#pragma once

#include <sys/epoll.h>

#include "vfs/vfs.h"

int epoll_create_file(const struct cred *cred, struct file **out) MUST_CHECK;
bool file_is_epoll(const struct file *f);
/* epoll_ctl(2) on an epoll file; fd is the number the guest used, part of the
 * item's identity. target is borrowed. */
int epoll_control(struct file *ep, int op, struct file *target, int fd,
		  const struct epoll_event *event);
/* How many files it watches at present. */
int epoll_count(const struct file *ep);
/* Up to max ready events; 0 at the deadline (0: do not wait); -ERESTARTSYS. */
int epoll_wait_events(struct file *ep, struct epoll_event *out, int max, uint64_t deadline_ns,
		      const struct vfs_ctx *ctx);
/* The last reference to a file goes: it leaves every epoll that watches it.
 * Registered with vfs by epoll_init(). */
void epoll_init(void);
