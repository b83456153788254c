/*
 * Reads and writes on inherited descriptors. See hostfd.h for the ways.
 *
 * Each attempt either moves bytes, ends the call, or says -EAGAIN; then the task
 * waits until the notifier sees the descriptor ready. There is no lost wake-up:
 * the task is on the queue before it looks (poll) and arms.
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "fs/hostfd/internal.h"
#include "host/net.h"

#define BOUNCE 4096
/* A pipe that polls writable takes PIPE_BUF bytes; a terminal some. */
#define PIPE_PIECE 4096
#define TTY_PIECE 1024
#define RWF_APPEND_BIT 0x10u

static int fd_of(const struct host_file *hf)
{
	return hf->h->fd;
}

enum move hostfd_first_move(const struct host_file *hf)
{
	if (S_ISREG(hf->kind) || S_ISBLK(hf->kind) || S_ISDIR(hf->kind))
		return MOVE_PLAIN;
	if (S_ISSOCK(hf->kind))
		return MOVE_SOCKET;
	return hf->is_tty ? MOVE_POLL : MOVE_NOWAIT;
}

/* ---- readiness ---- */

static uint32_t poll_now(struct host_file *hf, short events)
{
	struct pollfd p = { .fd = fd_of(hf), .events = events };

	return host_poll(&p, 1, 0) > 0 ? (uint32_t)(unsigned short)p.revents : 0;
}

/* Somebody is queued, or is about to look: have the notifier wake him. */
static void arm(struct host_file *hf, short events)
{
	if (events)
		notifier_arm(&hf->notify, events);
}

int hostfd_wait(struct host_file *hf, short events, const struct io *io, uint64_t deadline_ns)
{
	struct waitq_entry e;
	int r = 0;

	if (io->nonblock) {
		/* An edge-triggered poller waits for the next change. */
		if (atomic_load(&hf->waitq.count) > 0)
			arm(hf, events);
		return -EAGAIN;
	}
	waitq_entry_init(&e, io->ctx->waiter, (uint32_t)(unsigned short)events | EV_ERR | EV_HUP);
	waitq_add(&hf->waitq, &e);
	for (;;) {
		waiter_prepare(io->ctx->waiter);
		if (poll_now(hf, events))
			break;
		arm(hf, events);
		r = waiter_wait(io->ctx->waiter, deadline_ns);
		if (r < 0)
			break;
	}
	waitq_remove(&hf->waitq, &e);
	return r;
}

uint32_t hostfd_poll(struct file *f, struct poll_table *pt)
{
	struct host_file *hf = f->priv;
	short want = 0;
	uint32_t ev;

	if (atomic_load(&hf->move) == MOVE_PLAIN)
		return EV_IN | EV_OUT | EV_RDNORM | EV_WRNORM;
	poll_wait(pt, &hf->waitq);
	ev = poll_now(hf, POLLIN | POLLOUT | POLLPRI | POLLRDHUP);
	if (!(ev & (EV_IN | EV_HUP)) && file_may_read(f))
		want |= POLLIN;
	if (!(ev & (EV_OUT | EV_ERR)) && file_may_write(f))
		want |= POLLOUT;
	if (pt || atomic_load(&hf->waitq.count) > 0)
		arm(hf, want);
	if (ev & EV_IN)
		ev |= EV_RDNORM;
	if (ev & EV_OUT)
		ev |= EV_WRNORM;
	return ev;
}

/* ---- one attempt ---- */

static ssize_t move_socket(struct host_file *hf, struct iovec *iov, unsigned count, bool write)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };

	return write ? host_sendmsg(fd_of(hf), &msg, MSG_DONTWAIT | MSG_NOSIGNAL)
		     : host_recvmsg(fd_of(hf), &msg, MSG_DONTWAIT);
}

/* off -1: at the description's own offset. */
static ssize_t move_iov(struct host_file *hf, struct iovec *iov, unsigned count, int64_t off,
			int flags, bool write)
{
	if (atomic_load(&hf->move) == MOVE_SOCKET)
		return move_socket(hf, iov, count, write);
	if (atomic_load(&hf->move) == MOVE_NOWAIT)
		flags |= RWF_NOWAIT;
	return write ? host_pwritev2(fd_of(hf), iov, (int)count, off, flags)
		     : host_preadv2(fd_of(hf), iov, (int)count, off, flags);
}

/* Straight between the host and guest memory: nothing here blocks. */
static ssize_t move_direct(struct host_file *hf, struct uio *u, int64_t off, int flags)
{
	bool write = u->dir == UIO_FROM_USER;
	struct block blk[UIO_MAX_BLOCKS];
	struct iovec iov[UIO_MAX_BLOCKS];
	unsigned count = 0;
	ssize_t n, want = uio_pin(u, u->remaining, blk, UIO_MAX_BLOCKS, &count);

	if (want < 0)
		return want;
	for (unsigned i = 0; i < count; i++)
		iov[i] = (struct iovec){ blk[i].base, blk[i].size };
	n = move_iov(hf, iov, count, off, flags, write);
	uio_unpin(u);
	if (n > 0)
		uio_advance(u, (size_t)n);
	/* This host cannot do so without blocking: from now on, ask first. */
	if (n == -EOPNOTSUPP && atomic_load(&hf->move) == MOVE_NOWAIT) {
		atomic_store(&hf->move, MOVE_POLL);
		return -EINTR;
	}
	return n;
}

/* After poll(): through a buffer, because it may block in spite of it. */
static ssize_t move_bounced(struct host_file *hf, struct uio *u)
{
	bool write = u->dir == UIO_FROM_USER;
	size_t piece = hf->is_tty && write ? TTY_PIECE : PIPE_PIECE;
	struct uio before = *u;
	char buf[BOUNCE];
	ssize_t n, moved;

	if (!poll_now(hf, write ? POLLOUT : POLLIN))
		return -EAGAIN;
	piece = MIN(piece, u->remaining);
	if (!write) {
		n = host_read(fd_of(hf), buf, piece);
		return n <= 0 ? n : uio_write(u, buf, (size_t)n);
	}
	moved = uio_read(u, buf, piece);
	if (moved <= 0)
		return moved;
	n = host_write(fd_of(hf), buf, (size_t)moved);
	if (n == moved)
		return n;
	*u = before; /* what was not taken is offered again */
	if (n > 0)
		uio_advance(u, (size_t)n);
	return n;
}

ssize_t hostfd_attempt(struct host_file *hf, struct uio *u, int64_t off, int flags)
{
	ssize_t n;

	do {
		if (atomic_load(&hf->move) == MOVE_POLL)
			n = move_bounced(hf, u);
		else
			n = move_direct(hf, u, off, flags);
	} while (n == -EINTR);
	return n;
}

/* ---- the calls ---- */

/* The position that the host keeps, or one of the caller's. */
static int64_t offset_of(const struct file *f, const fileoff_t *pos)
{
	if (f->is_stream || (pos == &f->pos && !hostfd_has_own_pos(f)))
		return -1;
	return (int64_t)*pos;
}

ssize_t hostfd_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct host_file *hf = f->priv;
	int64_t off = offset_of(f, pos);
	ssize_t n;
	int r;

	if (!u->remaining)
		return 0;
	while ((n = hostfd_attempt(hf, u, off, 0)) == -EAGAIN) {
		r = hostfd_wait(hf, POLLIN, io, PARK_FOREVER);
		if (r < 0)
			return r;
	}
	if (n > 0)
		*pos += (fileoff_t)n;
	return n;
}

/* Where an append ended. */
static fileoff_t size_of(const struct host_file *hf, fileoff_t otherwise)
{
	struct stat st;

	return host_fstat(fd_of(hf), &st) < 0 ? otherwise : (fileoff_t)st.st_size;
}

ssize_t hostfd_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct host_file *hf = f->priv;
	int64_t off = offset_of(f, pos);
	int flags = S_ISREG(hf->kind) ? (int)(io->flags & RWF_APPEND_BIT) : 0;
	ssize_t done = 0;

	while (u->remaining) {
		ssize_t n = hostfd_attempt(hf, u, off, flags);

		if (n == -EAGAIN)
			n = hostfd_wait(hf, POLLOUT, io, PARK_FOREVER);
		else if (n == 0)
			break;
		if (n < 0)
			return done ? done : n;
		done += n;
		if (off >= 0)
			off += n;
	}
	*pos += (fileoff_t)done;
	if (done && off >= 0 && (flags & RWF_APPEND_BIT))
		*pos = size_of(hf, *pos);
	return done;
}
