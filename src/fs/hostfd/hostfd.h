/*
 * fs/hostfd: descriptors that the sandbox inherits (0, 1, 2), as files.
 *
 *	hostfd.c    making and closing them; what is not moving bytes
 *	transfer.c  reads and writes
 *	tty.c       terminals: what may be asked of them
 *	console.c   the terminal that the sandbox was started on
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
 *	MOVE_OWN     the console, when the launcher could open the terminal anew:
 *	             that description is ours alone, and non-blocking
 *
 * (Rejected: a description of our own of everything, by opening /proc/self/fd/N
 * again: a file's would have an offset of its own, and pipes have a mode that
 * /proc may not give. Rejected: a thread that reads ahead: it would
 * take input that is meant for the shell.)
 *
 * Such a descriptor has an inode of its own, through which /dev/stdout and
 * /proc/self/fd/1 open it again: for what the descriptor allows, with the same
 * description below, but regular files get a position of their own, as on Linux.
 *
 * A terminal's termios and window size are the host's, and its line discipline
 * does the work. One terminal, the console, is also the controlling terminal of
 * the guest's first session: whose turn it is there is told by the hooks below.
 */
#pragma once

#include "vfs/vfs.h"

struct host_file;

/* Once per process, before the first file. */
void hostfd_init(void);

/* Takes fd, also when it fails. fd 0 to 2: when the file is closed, the number
 * stays taken by something harmless, so that nothing that is opened later gets
 * it. Returns one reference. */
int hostfd_file_create(int fd, const struct cred *cred, struct file **out) MUST_CHECK;

/* The console, from a descriptor of the terminal, which is taken. is_own: of a
 * description that is nobody else's, and non-blocking. For the sandbox's life. */
int hostfd_console_create(int fd, bool is_own, struct host_file **out) MUST_CHECK;
/* Fills f, which is being opened. */
void hostfd_console_open(struct host_file *console, struct file *f);

/* The guest's side of the console. Filled by boot at start. */
struct hostfd_console_ops {
	/* May the caller read (SIGTTIN), or change modes or write (SIGTTOU) now?
	 * 0, or what its call is to return. May sleep. */
	int (*check)(const struct vfs_ctx *ctx, int signo);
	/* Is the caller in the background, so that TOSTOP matters? */
	bool (*is_background)(const struct vfs_ctx *ctx);
	/* TIOCGPGRP and the like. -ENOTTY for others. */
	long (*session_ioctl)(struct file *f, unsigned cmd, uint64_t arg,
			      const struct vfs_ctx *ctx);
};
extern const struct hostfd_console_ops *hostfd_console_ops;
