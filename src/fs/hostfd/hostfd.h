/*
 * fs/hostfd: descriptors that the sandbox inherits (0, 1, 2), as files.
 *
 *	hostfd.c    making and closing them; what is not moving bytes
 *	transfer.c  reads and writes
 *	tty.c       terminals
 *	map.c       regular files as mappables
 *	notifier.c  one thread that waits for all of them
 *
 * The open file description is shared with others (the shell's terminal, the
 * other users of a pipe), so its flags are never changed, O_NONBLOCK least of
 * all; its offset is the guest's offset, so that `>>`, and a shell that goes on
 * with the same file, work. What would block is tried without blocking, and
 * waited for with the notifier:
 *
 *	MOVE_PLAIN   regular files, block devices: never block
 *	MOVE_NOWAIT  preadv2 and pwritev2 with RWF_NOWAIT: pipes (Linux 6.4), memory
 *	             devices
 *	MOVE_SOCKET  recvmsg and sendmsg with MSG_DONTWAIT
 *	MOVE_POLL    terminals, pipes of older hosts: poll() first, then at most
 *	             what poll() promised. Another user of the same pipe or terminal
 *	             may be faster; then the call blocks the task's thread until the
 *	             next input, but no lock is held and no guest memory pinned.
 *
 * (Rejected: a description of our own, by opening /proc/self/fd/N again: the
 * kernel process has no /proc. Rejected: a thread that reads ahead: it would
 * take input that is meant for the shell.)
 *
 * Such a descriptor has an inode of its own, through which /dev/stdout and
 * /proc/self/fd/1 open it again: for what the descriptor allows, with the same
 * description below, but regular files get a position of their own, as on Linux.
 *
 * A terminal's termios and window size are the host's. Who has it in the
 * foreground is the guest's affair: hooks below. It has no name inside: ttyname()
 * finds none.
 */
#pragma once

#include "vfs/vfs.h"

/* Once per process, before the first file. */
void hostfd_init(void);

/* Takes fd, also when it fails. fd 0 to 2: when the file is closed, the number
 * stays taken by something harmless, so that nothing that is opened later gets
 * it. Returns one reference. */
int hostfd_file_create(int fd, const struct cred *cred, struct file **out) MUST_CHECK;

/* The guest's side of a host terminal: which process group has it. Filled by
 * boot at start; until then TIOCGPGRP answers -ENOTTY. */
struct hostfd_tty_ops {
	int32_t (*get_pgrp)(const struct vfs_ctx *ctx);
	int (*set_pgrp)(const struct vfs_ctx *ctx, int32_t pgrp);
	int32_t (*get_sid)(const struct vfs_ctx *ctx);
};
extern const struct hostfd_tty_ops *hostfd_tty_ops;
