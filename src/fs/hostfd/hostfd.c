/* See hostfd.h. Reads and writes go straight between the host and guest
 * memory, as in fs/remote. */
#include "fs/hostfd/hostfd.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include "fs/hostfd/notifier.h"
#include "host/host.h"
#include "memfile/memfile.h"

#define PIPE_PIECE 4096

struct host_file {
	int fd;
	uint32_t kind;        /* S_IF* */
	bool is_tty, can_seek;
	struct notify notify; /* wakes waitq when the host says so */
	struct waitq waitq;
};

const struct hostfd_tty_ops *hostfd_tty_ops;

static uint32_t poll_now(struct host_file *hf, short events)
{
	struct pollfd p = { .fd = hf->fd, .events = events };

	return host_poll(&p, 1, 0) > 0 ? (uint32_t)(unsigned short)p.revents : 0;
}

/* Waits until one of events holds. */
static int wait_for(struct host_file *hf, short events, const struct io *io)
{
	struct waitq_entry e;
	int r = 0;

	if (io->nonblock)
		return -EAGAIN;
	waitq_entry_init(&e, io->ctx->waiter, EV_ALL);
	waitq_add(&hf->waitq, &e);
	for (;;) {
		waiter_prepare(io->ctx->waiter);
		if (poll_now(hf, events))
			break;
		notifier_arm(&hf->notify, events);
		r = waiter_wait(io->ctx->waiter, PARK_FOREVER);
		if (r < 0)
			break;
	}
	waitq_remove(&hf->waitq, &e);
	return r;
}

static int iov_of_blocks(const struct block *blk, unsigned count, struct iovec *iov)
{
	for (unsigned i = 0; i < count; i++)
		iov[i] = (struct iovec){ blk[i].base, blk[i].size };
	return (int)count;
}

/* pos NULL: at the host's own position, which others may share. */
static ssize_t host_move(int fd, const struct iovec *iov, int count, const fileoff_t *pos, bool write)
{
	if (!pos)
		return write ? host_writev(fd, iov, count) : host_readv(fd, iov, count);
	return write ? host_pwritev2(fd, iov, count, (int64_t)*pos, 0) :
		       host_preadv2(fd, iov, count, (int64_t)*pos, 0);
}

static ssize_t transfer(struct host_file *hf, struct uio *u, size_t limit, fileoff_t *pos, bool write)
{
	struct block blk[UIO_MAX_BLOCKS];
	struct iovec iov[UIO_MAX_BLOCKS];
	unsigned count;
	ssize_t n, want = uio_pin(u, MIN(u->remaining, limit), blk, UIO_MAX_BLOCKS, &count);

	if (want < 0)
		return want;
	iov_of_blocks(blk, count, iov);
	n = host_move(hf->fd, iov, (int)count, pos, write);
	uio_unpin(u);
	if (n > 0) {
		uio_advance(u, (size_t)n);
		if (pos)
			*pos += (uint64_t)n;
	}
	return n;
}

/* The caller's own position, or NULL: the file's is the host's. */
static fileoff_t *own_pos(const struct file *f, fileoff_t *pos)
{
	const struct host_file *hf = f->priv;

	return hf->can_seek && pos != &f->pos ? pos : NULL;
}

/* Regular files and the like: never wait. */
static bool never_blocks(const struct host_file *hf)
{
	return S_ISREG(hf->kind) || S_ISBLK(hf->kind);
}

static ssize_t hostfd_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct host_file *hf = f->priv;
	fileoff_t *at = own_pos(f, pos);
	ssize_t n;

	if (!u->remaining)
		return 0;
	for (;;) {
		if (!never_blocks(hf) && !poll_now(hf, POLLIN)) {
			int r = wait_for(hf, POLLIN, io);

			if (r < 0)
				return r;
		}
		/* Another reader of the same pipe may have been faster: then
		 * this blocks for as long as it takes, holding the guest's
		 * mappings still; so look again right before. */
		n = transfer(hf, u, SIZE_MAX, at, false);
		if (n != -EAGAIN)
			return n;
	}
}

/* POLLOUT on a pipe means that PIPE_BUF bytes fit. */
static size_t write_piece(const struct host_file *hf)
{
	return S_ISFIFO(hf->kind) || hf->is_tty || S_ISSOCK(hf->kind) ? PIPE_PIECE : SIZE_MAX;
}

static ssize_t hostfd_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct host_file *hf = f->priv;
	fileoff_t *at = own_pos(f, pos);
	ssize_t done = 0;

	while (u->remaining) {
		uint32_t ev = never_blocks(hf) ? EV_OUT : poll_now(hf, POLLOUT);
		ssize_t n;

		if (!(ev & (EV_OUT | EV_ERR | EV_HUP))) {
			int r = done && io->nonblock ? -EAGAIN : wait_for(hf, POLLOUT, io);

			if (r < 0)
				return done ? done : r;
			continue;
		}
		n = transfer(hf, u, write_piece(hf), at, true);
		if (n == -EAGAIN)
			continue;
		if (n <= 0)
			return done ? done : n;
		done += n;
	}
	return done;
}

static int64_t hostfd_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx UNUSED)
{
	struct host_file *hf = f->priv;

	return hf->can_seek ? host_lseek(hf->fd, off, whence) : -ESPIPE;
}

static uint32_t hostfd_poll(struct file *f, struct poll_table *pt)
{
	struct host_file *hf = f->priv;
	uint32_t ev;

	if (never_blocks(hf))
		return EV_IN | EV_OUT | EV_RDNORM | EV_WRNORM;
	poll_wait(pt, &hf->waitq);
	ev = poll_now(hf, POLLIN | POLLOUT | POLLPRI | POLLRDHUP);
	if (pt && !(ev & EV_IN))
		notifier_arm(&hf->notify, POLLIN);
	if (pt && !(ev & EV_OUT))
		notifier_arm(&hf->notify, POLLOUT);
	if (ev & EV_IN)
		ev |= EV_RDNORM;
	if (ev & EV_OUT)
		ev |= EV_WRNORM;
	return ev;
}

/* ---- terminals ---- */

#define TCGETS_ 0x5401
#define TCSETS_ 0x5402
#define TCSETSW_ 0x5403
#define TCSETSF_ 0x5404
#define KERNEL_TERMIOS_SIZE 36

static long tty_ioctl(struct host_file *hf, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	const struct hostfd_tty_ops *ops = hostfd_tty_ops;
	uint8_t termios[64] = { 0 };
	struct winsize ws;
	int32_t pgrp;
	int r;

	switch (cmd) {
	case TCGETS_:
		r = host_ioctl(hf->fd, cmd, termios);
		return r < 0 ? r : copy_out(ctx->mem, arg, termios, KERNEL_TERMIOS_SIZE);
	case TCSETS_:
	case TCSETSW_:
	case TCSETSF_:
		r = copy_in(ctx->mem, termios, arg, KERNEL_TERMIOS_SIZE);
		return r < 0 ? r : host_ioctl(hf->fd, cmd, termios);
	case TIOCGWINSZ:
		r = host_ioctl(hf->fd, cmd, &ws);
		return r < 0 ? r : copy_out(ctx->mem, arg, &ws, sizeof(ws));
	case TIOCSWINSZ:
		r = copy_in(ctx->mem, &ws, arg, sizeof(ws));
		return r < 0 ? r : host_ioctl(hf->fd, cmd, &ws);
	case TCFLSH:
	case TCXONC:
	case TCSBRK:
		return host_ioctl(hf->fd, cmd, (void *)(uintptr_t)(arg & 3));
	case TIOCGPGRP:
	case TIOCGSID:
		if (!ops)
			return -ENOTTY;
		pgrp = cmd == TIOCGPGRP ? ops->get_pgrp(ctx) : ops->get_sid(ctx);
		return pgrp < 0 ? pgrp : copy_out(ctx->mem, arg, &pgrp, sizeof(pgrp));
	case TIOCSPGRP:
		if (!ops)
			return -ENOTTY;
		r = copy_in(ctx->mem, &pgrp, arg, sizeof(pgrp));
		return r < 0 ? r : ops->set_pgrp(ctx, pgrp);
	case TIOCSCTTY:
		return 0;
	default:
		return -ENOTTY;
	}
}

static long hostfd_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct host_file *hf = f->priv;
	int n, r;

	if (cmd == FIONREAD) {
		r = host_ioctl(hf->fd, cmd, &n);
		return r < 0 ? r : copy_out(ctx->mem, arg, &n, sizeof(n));
	}
	return hf->is_tty ? tty_ioctl(hf, cmd, arg, ctx) : -ENOTTY;
}

static int hostfd_fsync(struct file *f, bool data_only)
{
	struct host_file *hf = f->priv;

	return data_only ? host_fdatasync(hf->fd) : host_fsync(hf->fd);
}

static void hostfd_release(struct file *f)
{
	struct host_file *hf = f->priv;

	notifier_remove(&hf->notify);
	host_close(hf->fd);
	free(hf);
}

/* What fstat(2) says of it: the host's own attributes. */
static int hostfd_fstat(struct file *f, struct kstat *st)
{
	struct host_file *hf = f->priv;
	struct stat s;
	int r = host_fstat(hf->fd, &s);

	if (r < 0)
		return r;
	*st = (struct kstat){
		.dev = s.st_dev, .ino = s.st_ino, .nlink = s.st_nlink, .rdev = s.st_rdev,
		.mode = s.st_mode, .uid = s.st_uid, .gid = s.st_gid, .size = (uint64_t)s.st_size,
		.blocks = (uint64_t)s.st_blocks, .blksize = (uint32_t)s.st_blksize,
		.atime = { s.st_atim.tv_sec, (uint32_t)s.st_atim.tv_nsec },
		.mtime = { s.st_mtim.tv_sec, (uint32_t)s.st_mtim.tv_nsec },
		.ctime = { s.st_ctim.tv_sec, (uint32_t)s.st_ctim.tv_nsec },
		.mask = 0x7ff,
	};
	return 0;
}

static const struct file_ops hostfd_ops = {
	.name = "host",
	.release = hostfd_release,
	.read = hostfd_read,
	.write = hostfd_write,
	.lseek = hostfd_lseek,
	.poll = hostfd_poll,
	.ioctl = hostfd_ioctl,
	.fsync = hostfd_fsync,
	.fstat = hostfd_fstat,
};

int hostfd_file_create(int fd, const struct cred *cred, struct file **out)
{
	struct host_file *hf = calloc(1, sizeof(*hf));
	struct stat st;
	int r, flags;

	*out = NULL;
	if (!hf)
		return -ENOMEM;
	r = host_fstat(fd, &st);
	flags = host_fcntl(fd, F_GETFL, 0);
	if (r < 0 || flags < 0) {
		free(hf);
		return r < 0 ? r : flags;
	}
	hf->fd = fd;
	hf->kind = st.st_mode & S_IFMT;
	hf->is_tty = S_ISCHR(st.st_mode) && isatty(fd);
	hf->can_seek = host_lseek(fd, 0, SEEK_CUR) >= 0;
	waitq_init(&hf->waitq);
	notify_init(&hf->notify, fd, &hf->waitq);
	r = file_create_anon(&hostfd_ops, hf, (unsigned)flags & (O_ACCMODE | O_APPEND | O_NONBLOCK),
			     hf->kind, cred, out);
	if (r < 0)
		free(hf);
	else
		(*out)->is_stream = !hf->can_seek;
	return r;
}
