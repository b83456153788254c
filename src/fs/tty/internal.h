/* What the files of fs/tty share. */
#pragma once

#include "fs/tty/ldisc.h"
#include "fs/tty/tty.h"
#include "vfs/vfs.h"

struct devpts;

#define PTY_PENDING 8192u

/*
 * A pseudo terminal: the master's side (a terminal emulator, sshd, tmux) and the
 * slave's (the terminal that programs see). The master's bytes are the keyboard.
 *
 *	master write -> pending -> ld.in  -> slave read
 *	master read  <- ld.out           <-  slave write
 *
 *  1. pending is empty or the discipline's input has no room.
 *  2. While the master is open the pair has its number in devpts.
 *  3. A slave file whose `version` is not `generation` is hung up: it reads
 *     end of file and writes EIO for ever.
 *
 * References: the master's file, each slave file, the node in devpts, and each
 * process that the terminal controls (through tty).
 */
struct pty {
	struct tty tty; /* the slave's */
	struct mutex lock;
	struct devpts *devpts;      /* [I] borrowed: it outlives its masters */
	unsigned index;             /* [I] */
	struct ldisc ld;            /* [l] the slave's */
	struct byteq pending;       /* [l] */
	bool master_is_open;        /* [l] */
	bool slave_was_closed;      /* [l] opened, and closed by the last: the master hears */
	bool is_locked;             /* [l] TIOCSPTLCK: the slave cannot be opened */
	bool is_exclusive;          /* [l] TIOCEXCL */
	bool packet_mode;           /* [l] TIOCPKT */
	uint8_t packet_status;      /* [l] TIOCPKT_* that the master has not seen */
	bool master_is_stopped;     /* [l] TCOOFF on the master */
	unsigned slave_files;       /* [l] */
	uint64_t generation;        /* [l] counts hang-ups */
	struct abi_winsize winsize; /* [l] */
	size_t out_seen;            /* [l] ld.out.head when the master was last woken */
	bool is_reading, master_is_writing, slave_is_writing; /* [l] one at a time */
	struct waitq master_waitq, slave_waitq;
	struct waitq turn_waitq; /* for one of the three to become false */
	uint8_t pending_buf[PTY_PENDING];
};

/* ---- pty.c ---- */

/* open(2) of ptmx: fills f. -ENOSPC, -ENOMEM. */
int pty_open_master(struct devpts *dp, struct file *f, const struct vfs_ctx *ctx) MUST_CHECK;
/* The pair of an open file, or NULL; *is_master. */
struct pty *pty_of_file(const struct file *f, bool *is_master);
bool pty_is_hung_up(const struct pty *p, const struct file *f); /* => lock */
/* Does what the discipline asked for, and wakes who waits. => lock */
void pty_settle_locked(struct pty *p);
/* Tells a master in packet mode. => lock */
void pty_packet_event_locked(struct pty *p, unsigned set, unsigned clear);
/* Every open slave is hung up; processes lose the terminal. => no lock */
void pty_hang_up(struct pty *p);

/* ---- ioctl.c ---- */

long pty_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx);

/* ---- devpts.c ---- */

/* The lowest free number, kept until devpts_remove(). -ENOSPC. */
int devpts_reserve(struct devpts *dp, unsigned *index) MUST_CHECK;
void devpts_unreserve(struct devpts *dp, unsigned index);
/* Gives a reserved number its node. */
int devpts_publish(struct devpts *dp, unsigned index, struct tty *tty, const struct cred *cred)
	MUST_CHECK;
/* The node goes, the number is free. */
void devpts_remove(struct devpts *dp, unsigned index);
struct super *devpts_super(struct devpts *dp);
/* Something was read or written: times of the node. */
void devpts_touch(struct file *f, bool written);
