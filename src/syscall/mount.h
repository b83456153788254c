/* What mount(2) can mount: boot/ tells, before tasks run. */
#pragma once

#include "syscall/syscall.h"

struct mount_type {
	const char *name; /* "tmpfs", "proc" */
	/* The kind of namespace that it shows, and whose owner's it is; NS_USER: the
	 * mounter's own. */
	enum ns_kind shows;
	/* A fresh instance; one reference in *out. options: mount(2)'s data. */
	int (*create)(struct kernel *k, const char *options, struct super **out);
};
/* Borrowed for ever. At most 8. */
void syscall_register_mount_type(const struct mount_type *type);
