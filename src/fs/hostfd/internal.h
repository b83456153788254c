/* What the files of fs/hostfd share. */
#pragma once

#include "fs/hostfd/hostfd.h"
#include "fs/hostfd/notifier.h"
#include "host/host.h"
#include "host/hostfd.h"

struct hostfd_map;

enum move { MOVE_PLAIN, MOVE_NOWAIT, MOVE_SOCKET, MOVE_POLL, MOVE_OWN };

/* One inherited descriptor: the inode of all open files that lead to it. */
struct host_file {
	struct inode inode;
	struct hostfd *h;       /* [I] a duplicate of `original` */
	int original;           /* [I] kept until the last file is closed */
	uint32_t kind;          /* [I] S_IF* */
	unsigned access;        /* [I] O_ACCMODE */
	bool is_tty, can_seek;  /* [I] */
	_Atomic enum move move; /* found out by trying */
	struct notify notify;   /* wakes waitq when the host says so */
	struct waitq waitq;
	struct hostfd_map *map; /* [I] regular files, else NULL; a reference */
};

/* ---- transfer.c ---- */

ssize_t hostfd_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io);
ssize_t hostfd_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io);
uint32_t hostfd_poll(struct file *f, struct poll_table *pt);
/* One attempt, that does not block: bytes, 0, -EAGAIN. off -1: no position. */
ssize_t hostfd_attempt(struct host_file *hf, struct uio *u, int64_t off, int flags);
/* Until one of the poll(2) events holds: 0, -EAGAIN, -ERESTARTSYS, -ETIMEDOUT. */
int hostfd_wait(struct host_file *hf, short events, const struct io *io, uint64_t deadline_ns);
/* Was it opened by name? Then its position is not the description's. */
bool hostfd_has_own_pos(const struct file *f);
/* How to begin with a descriptor of this kind. */
enum move hostfd_first_move(const struct host_file *hf);

/* ---- hostfd.c ---- */

struct stat;
/* Takes own, and original (-1: none), also when it fails. flags: O_*; st: of own. */
int host_file_create(int own, int original, unsigned flags, const struct stat *st,
		     struct host_file **out) MUST_CHECK;

/* ---- tty.c ---- */

#define KERNEL_TCGETS 0x5401u

bool hostfd_is_terminal(int fd);
/* A command that only the foreground may give. */
bool hostfd_tty_is_change(unsigned cmd);
long hostfd_tty_ioctl(struct host_file *hf, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx);

/* ---- map.c ---- */

/* Shares h. flags: the O_ACCMODE of the descriptor. */
int hostfd_map_create(struct hostfd *h, unsigned flags, struct hostfd_map **out) MUST_CHECK;
void hostfd_map_put(struct hostfd_map *m); /* NULL is allowed */
struct mappable *hostfd_mappable(struct hostfd_map *m);
