/*
 * fs/hostfd: descriptors that the sandbox inherits (0, 1, 2), as files.
 *
 * The open file description is shared with others (the shell's terminal, a
 * pipe's other users), so its flags are never changed: what would block is
 * waited for by poll, in the notifier's thread, and then done in pieces that
 * cannot block.
 */
#pragma once

#include "vfs/vfs.h"

/* fd stays the kernel process's own; it is closed when the file is released.
 * Returns one reference. */
int hostfd_file_create(int fd, const struct cred *cred, struct file **out) MUST_CHECK;

/* The guest's side of a host terminal: which process group has it. Filled by
 * the task layer at start; until then TIOCGPGRP answers -ENOTTY. */
struct hostfd_tty_ops {
	int32_t (*get_pgrp)(const struct vfs_ctx *ctx);
	int (*set_pgrp)(const struct vfs_ctx *ctx, int32_t pgrp);
	int32_t (*get_sid)(const struct vfs_ctx *ctx);
};
extern const struct hostfd_tty_ops *hostfd_tty_ops;
