/*
 * The console: the terminal that nacre was started on (the first among the
 * descriptors 0 to 2), as the controlling terminal of the guest's first session,
 * under the name /dev/pts/0.
 *
 * The host's line discipline does the work, and the host keeps modes and size.
 * Two levels of job control meet here:
 *
 *	inside    the guest's process groups take turns (struct tty, task/tty.h);
 *	          keys' signals come to the launcher, which passes them on to the
 *	          guest's foreground group
 *	outside   the user's shell moves the launcher between foreground and
 *	          background and stops it; the guest is one job of that shell
 *
 * When the guest's first process stops, so does the launcher (^Z on vim). When
 * the launcher is in the background, a guest that wants the terminal waits, and
 * the launcher is stopped as a job that wanted it would be (SIGTTIN, SIGTTOU).
 */
#pragma once

#include "boot/internal.h"
#include "task/task.h"

struct super;

/* Makes the console, if there is one, and names it in devpts. */
int console_init(struct kernel *k, const struct launch *l, struct super *devpts) MUST_CHECK;
/* The first process gets it. */
void console_give(struct kernel *k);
/* The guest's descriptor fd (0 to 2), if that is the console: 1, else 0. */
int console_stdio(const struct launch *l, const struct vfs_ctx *ctx, int fd, struct file **out)
	MUST_CHECK;
/* A signal that the terminal sent to the launcher. */
void console_signal(struct kernel *k, int signo);
/* What the launcher says of its place: CONTROL_FOREGROUND and the like. */
void console_set_place(enum control_kind place);
