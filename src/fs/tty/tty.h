/*
 * fs/tty: terminals. Pseudo terminals with their line discipline, the file
 * system in which they have names, and the devices /dev/tty and /dev/ptmx.
 *
 *	ldisc.c, input.c, output.c   the line discipline, pure (ldisc.h)
 *	pty.c                        a pair: reading, writing, opening, hanging up
 *	ioctl.c                      what may be asked of either side
 *	devpts.c                     /dev/pts: one node for each terminal, and ptmx
 *
 * Whose terminal it is, and who is in the foreground, is task/tty.h's.
 *
 * A terminal of another kind (the host's, that nacre was started on) gets a
 * name through devpts_add().
 *
 * Locks: pty.lock (LOCK_TTY) guards a pair, with its line discipline; guest
 * memory is copied with it held, signals are sent with it held (pids.lock
 * inside). devpts.lock (LOCK_INODE) guards the table of names, inside.
 */
#pragma once

#include "task/tty.h"

struct super;

/* The drivers of terminals' device numbers; once. */
void tty_register_devices(void);

struct devpts_options {
	uint32_t uid, gid; /* of nodes; ~0: the opener's */
	uint32_t mode;     /* of nodes: 0620 */
	uint32_t ptmx_mode;
	unsigned max; /* terminals */
};
extern const struct devpts_options devpts_defaults;
/* A fresh instance, mounted by the caller. The first one is also the one of
 * /dev/ptmx nodes (5, 2) on other file systems. -ENOMEM. */
int devpts_create(const struct devpts_options *opt, struct super **out) MUST_CHECK;
/* Parses mount(2)'s data: -EINVAL. */
int devpts_parse(const char *text, struct devpts_options *opt) MUST_CHECK;
/* A name for a terminal (a reference is taken) with this number, owned by uid
 * and gid. -EBUSY, -ENOSPC, -ENOMEM. */
int devpts_add(struct super *sb, unsigned index, struct tty *tty, uint32_t uid, uint32_t gid)
	MUST_CHECK;
/* Its device number: what struct tty.rdev is to be. */
uint64_t devpts_rdev(unsigned index);

/* The ioctls of sessions and foreground groups, for a terminal of any kind;
 * is_master: from the master's side. -ENOTTY for others. */
long tty_session_ioctl(struct tty *tty, struct file *f, unsigned cmd, uint64_t arg,
		       const struct vfs_ctx *ctx, bool is_master);
