/*
 * Terminals as processes see them: which session a terminal controls, and which
 * process group of it has it (is in the foreground). What a terminal does with
 * bytes is not known here: fs/tty and boot/console embed struct tty.
 *
 *	group.tty   the terminal that controls the process's session, if any;
 *	            inherited by fork, lost by setsid(2)
 *	tty.sid     the session that it controls, 0 none
 *	tty.pgrp    the group that has it, 0 none
 *
 *  1. tty.sid is 0, or the leader of that session had group.tty == tty when it
 *     was set; a session has one terminal, a terminal one session.
 *  2. The leader's end, TIOCNOTTY by it, and a hang-up take the terminal from
 *     every process of the session.
 *
 * Locks: pids.lock [P] guards all three. tty.pgrp and group.tty are also read
 * without it, by the check of every read and write: a stale answer is one that
 * a call a moment earlier would have got.
 */
#pragma once

#include "base/refcount.h"
#include "vfs/vfs.h"

struct kernel;
struct task;
struct thread_group;
struct tty;

struct tty_ops {
	/* The last reference went. pids.lock may be held: frees, no more. */
	void (*destroy)(struct tty *tty);
	/* open(2) of /dev/tty: fills f->ops and f->priv. -EIO: hung up. */
	int (*open)(struct tty *tty, struct file *f, const struct vfs_ctx *ctx);
	/* vhangup(2): open files are cut off; ends with tty_hang_up(). => sleeps */
	void (*hang_up)(struct tty *tty);
};

struct tty {
	const struct tty_ops *ops; /* first field */
	struct refcount refs;
	uint64_t rdev;     /* [I] for /proc/[pid]/stat */
	int32_t sid, pgrp; /* [P] */
};

/* Sets every field; one reference. */
void tty_init(struct tty *tty, const struct tty_ops *ops, uint64_t rdev);
void tty_get(struct tty *tty);
void tty_put(struct tty *tty); /* NULL is allowed */
/* What controls t's session, with a reference, or NULL. */
struct tty *tty_of_task(struct task *t);
/* The same for /proc: its device number and foreground group; 0 and -1 without. */
void tty_of_group(struct thread_group *g, uint64_t *rdev, int32_t *pgrp);

/* May t use the terminal? By POSIX's rule: 0, also when it is not t's
 * controlling terminal; else its group is sent `signo` (SIGTTIN or SIGTTOU) and
 * the call is to return what this returns: -ERESTARTSYS, or -EIO when the signal
 * would do nothing (SIGTTOU ignored or blocked: 0). */
int tty_check(struct task *t, struct tty *tty, int signo) MUST_CHECK;

/* open(2) without O_NOCTTY, readable: a session leader without a terminal gets it. */
void tty_opened(struct task *t, struct tty *tty);
/* TIOCSCTTY. steal: from another session, for CAP_SYS_ADMIN. may_read: the
 * descriptor may. -EPERM. */
int tty_acquire(struct task *t, struct tty *tty, bool steal, bool may_read);
/* TIOCNOTTY: -ENOTTY when it is not t's. */
int tty_release(struct task *t, struct tty *tty);
/* TIOCGPGRP, TIOCGSID: the number, -ENOTTY. any: the master side may ask
 * whatever controls it. */
int32_t tty_get_pgrp(struct task *t, struct tty *tty, bool any);
int32_t tty_get_sid(struct task *t, struct tty *tty, bool any);
/* TIOCSPGRP, after tty_check(SIGTTOU): -ENOTTY, -EINVAL, -ESRCH, -EPERM. */
int tty_set_pgrp(struct task *t, struct tty *tty, int32_t pgrp);

/* The first process gets it, for the session that it is born in. */
void tty_give_first(struct kernel *k, struct tty *tty);

/* To the foreground group, from the terminal. -ESRCH: there is none. */
int tty_signal(struct tty *tty, int signo);
/* The terminal is gone: SIGHUP and SIGCONT to the session's leader, which may
 * tell the others; no process has it any more. */
void tty_hang_up(struct tty *tty);
