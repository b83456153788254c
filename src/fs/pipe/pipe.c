/*
 * Pipes and fifos: a ring of bytes between readers and writers.
 *
 * The ring grows with what is in it, from one page to its limit, so that an
 * idle pipe costs little. head and tail count bytes for ever; their difference
 * is what is in the pipe.
 *
 * Rules that programs rely on (pipe(7)):
 *  1. A write of at most PIPE_BUF bytes is one piece among the bytes of others.
 *  2. A read returns what is there; it waits only while there is nothing.
 *  3. With no writer left a read at the end gives 0; with no reader left a
 *     write gives -EPIPE.
 *  4. In packet mode (O_DIRECT) each write is a packet, and a read takes at
 *     most one; what does not fit into the reader's buffer is lost.
 *
 * Locks: pipe.lock (LOCK_PIPE) guards everything; guest memory is copied with
 * it held. Wakes are sent after it is dropped, and only when somebody can wait:
 * readers when the pipe was empty, writers when it was full.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/pool.h"
#include "fs/pipe/internal.h"

POOL_DEFINE(pipe_pool, struct pipe);

static _Atomic uint64_t limits_sum;      /* [a] of all pipes */
static uint64_t limits_max = UINT64_MAX; /* [I] */

/* Another pipe may hold `to` bytes, where it was `from`. */
static bool limit_change(size_t from, size_t to)
{
	uint64_t before = atomic_fetch_add(&limits_sum, (uint64_t)to - from);

	return to <= from || before - from + to <= limits_max;
}

static const struct file_ops pipe_ops;

static struct pipe *pipe_new(void)
{
	struct pipe *p = pool_alloc(&pipe_pool);

	if (!p)
		return NULL;
	refcount_init(&p->refs, 1);
	mutex_init(&p->lock, LOCK_PIPE);
	waitq_init(&p->waitq);
	p->limit = PIPE_DEFAULT;
	if (!limit_change(0, PIPE_DEFAULT)) {
		p->limit = PIPE_SMALL;
		(void)limit_change(PIPE_DEFAULT, PIPE_SMALL);
	}
	return p;
}

static void pipe_put(struct pipe *p)
{
	if (!refcount_put(&p->refs))
		return;
	(void)limit_change(p->limit, 0);
	free(p->ring);
	pool_free(&pipe_pool, p);
}

int pipe_grow(struct pipe *p, size_t need)
{
	size_t size = p->ring_size ? p->ring_size : PIPE_BUF_SIZE, used = pipe_used(p);
	uint8_t *ring;

	need = MIN(need + used, p->limit);
	if (need <= p->ring_size)
		return 0;
	while (size < need)
		size *= 2;
	ring = malloc(size);
	if (!ring)
		return -ENOMEM;
	for (size_t i = 0; i < used; i++)
		ring[i] = p->ring[(p->tail + i) & (p->ring_size - 1)];
	free(p->ring);
	p->ring = ring;
	p->ring_size = size;
	p->tail = 0;
	p->head = used;
	return 0;
}

/* ---- reading ---- */

/* Moves at most n bytes out of the ring. */
static ssize_t ring_read(struct pipe *p, struct uio *u, size_t n)
{
	ssize_t done = 0;

	while (n && u->remaining) {
		size_t at = p->tail & (p->ring_size - 1), step = MIN(n, p->ring_size - at);
		ssize_t r = uio_write(u, p->ring + at, step);

		if (r <= 0)
			return done ? done : r;
		p->tail += (uint64_t)r;
		done += r;
		n -= (size_t)r;
		if ((size_t)r < step)
			break;
	}
	return done;
}

static ssize_t read_packet(struct pipe *p, struct uio *u)
{
	uint64_t end = p->tail + p->packets[0];
	ssize_t r = ring_read(p, u, p->packets[0]);

	if (r < 0)
		return r;
	p->tail = end;
	p->npackets--;
	memmove(p->packets, p->packets + 1, p->npackets * sizeof(p->packets[0]));
	return r;
}

LOCKS_UNCHECKED int pipe_wait(struct pipe *p, struct waitq_entry *e, bool *queued, uint32_t events,
			      struct io *io)
{
	int r;

	if (io->nonblock)
		return -EAGAIN;
	if (!*queued) {
		/* Queue first, look again after: no wake can be lost. */
		waitq_entry_init(e, io->ctx->waiter, events);
		waitq_add(&p->waitq, e);
		*queued = true;
		waiter_prepare(io->ctx->waiter);
		return 0;
	}
	mutex_unlock(&p->lock);
	r = waiter_wait(io->ctx->waiter, PARK_FOREVER);
	waiter_prepare(io->ctx->waiter);
	mutex_lock(&p->lock);
	return r;
}

static ssize_t pipe_read(struct file *f, struct uio *u, fileoff_t *pos UNUSED, struct io *io)
{
	struct pipe *p = f->priv;
	struct waitq_entry e;
	bool queued = false, was_full;
	ssize_t r = 0;

	if (!u->remaining)
		return 0;
	mutex_lock(&p->lock);
	while (!pipe_used(p) && !(p->packet_mode && p->npackets)) {
		if (!p->writers)
			goto out;
		r = pipe_wait(p, &e, &queued, EV_IN, io);
		if (r < 0)
			goto out;
	}
	was_full = pipe_room(p) < PIPE_BUF_SIZE;
	r = p->npackets ? read_packet(p, u) : ring_read(p, u, pipe_used(p));
	mutex_unlock(&p->lock);
	if (queued)
		waitq_remove(&p->waitq, &e);
	if (was_full && r > 0)
		waitq_wake(&p->waitq, EV_OUT | EV_WRNORM);
	return r;
out:
	mutex_unlock(&p->lock);
	if (queued)
		waitq_remove(&p->waitq, &e);
	return r;
}

/* ---- writing ---- */

static ssize_t ring_write(struct pipe *p, struct uio *u, size_t n)
{
	ssize_t done = 0;
	int err = pipe_grow(p, n);

	if (err < 0)
		return err;
	while (n) {
		size_t at = p->head & (p->ring_size - 1), step = MIN(n, p->ring_size - at);
		ssize_t r = uio_read(u, p->ring + at, step);

		if (r <= 0)
			return done ? done : r;
		p->head += (uint64_t)r;
		done += r;
		n -= (size_t)r;
		if ((size_t)r < step)
			break;
	}
	return done;
}

/* How much may be written now: all of a small write or nothing. */
static size_t may_write(const struct pipe *p, size_t want)
{
	size_t room = pipe_room(p);

	if (p->packet_mode)
		want = MIN(want, (size_t)PIPE_BUF_SIZE);
	if (want <= PIPE_BUF_SIZE)
		return room >= want ? want : 0;
	return MIN(room, want);
}

static ssize_t pipe_write(struct file *f, struct uio *u, fileoff_t *pos UNUSED, struct io *io)
{
	struct pipe *p = f->priv;
	struct waitq_entry e;
	bool queued = false, wake = false;
	ssize_t done = 0, r = 0;

	if (!u->remaining) /* nothing, not even -EPIPE */
		return 0;
	mutex_lock(&p->lock);
	p->packet_mode |= (atomic_load(&f->flags) & O_DIRECT) != 0;
	do {
		size_t n;

		if (!p->readers) {
			r = -EPIPE;
			break;
		}
		n = may_write(p, u->remaining);
		if (!n && u->remaining) {
			/* Readers must see what is there while we wait. */
			if (wake && queued) {
				mutex_unlock(&p->lock);
				waitq_wake(&p->waitq, EV_IN | EV_RDNORM);
				wake = false;
				mutex_lock(&p->lock);
			}
			r = pipe_wait(p, &e, &queued, EV_OUT, io);
			if (r < 0)
				break;
			continue;
		}
		wake = true; /* also when there was something: edges of epoll */
		r = ring_write(p, u, n);
		if (r < 0)
			break;
		if (p->packet_mode && r > 0)
			p->packets[p->npackets++] = (uint32_t)r;
		done += r;
		if ((size_t)r < n)
			break;
	} while (u->remaining);
	mutex_unlock(&p->lock);
	if (queued)
		waitq_remove(&p->waitq, &e);
	if (wake)
		waitq_wake(&p->waitq, EV_IN | EV_RDNORM);
	return done ? done : r;
}

/* ---- the rest of a file ---- */

static uint32_t pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->priv;
	uint32_t ev = 0;

	poll_wait(pt, &p->waitq);
	mutex_lock(&p->lock);
	if (file_may_read(f)) {
		if (pipe_used(p) || p->npackets)
			ev |= EV_IN | EV_RDNORM;
		if (!p->writers && f->version != p->writer_gen)
			ev |= EV_HUP;
	}
	if (file_may_write(f)) {
		if (pipe_room(p) >= PIPE_BUF_SIZE)
			ev |= EV_OUT | EV_WRNORM;
		if (!p->readers)
			ev |= EV_ERR;
	}
	mutex_unlock(&p->lock);
	return ev;
}

static long pipe_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct pipe *p = f->priv;
	int n;

	if (cmd != FIONREAD)
		return -ENOTTY;
	mutex_lock(&p->lock);
	n = (int)pipe_used(p);
	mutex_unlock(&p->lock);
	return copy_out(ctx->mem, arg, &n, sizeof(n));
}

static long set_size(struct pipe *p, uint64_t want)
{
	size_t size = PIPE_BUF_SIZE;
	long r;

	if (want > PIPE_MAX)
		return -EPERM;
	while (size < want)
		size *= 2;
	mutex_lock(&p->lock);
	if (size < pipe_used(p)) {
		r = -EBUSY;
	} else if (!limit_change(p->limit, size)) {
		(void)limit_change(size, p->limit);
		r = -EPERM;
	} else {
		p->limit = size;
		r = (long)size;
	}
	mutex_unlock(&p->lock);
	waitq_wake(&p->waitq, EV_OUT | EV_WRNORM);
	return r;
}

static long pipe_fcntl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx UNUSED)
{
	struct pipe *p = f->priv;

	switch (cmd) {
	case F_SETPIPE_SZ:
		return set_size(p, (uint32_t)arg);
	case F_GETPIPE_SZ:
		return (long)p->limit;
	default:
		return -EINVAL;
	}
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->priv;
	struct inode *inode = f->inode;
	bool last;

	mutex_lock(&p->lock);
	if (file_may_read(f))
		p->readers--;
	if (file_may_write(f))
		p->writers--;
	last = !p->readers && !p->writers;
	if (last) {
		/* A fifo forgets what nobody can read any more. */
		p->head = p->tail = 0;
		p->npackets = 0;
	}
	mutex_unlock(&p->lock);
	waitq_wake_all(&p->waitq, EV_IN | EV_OUT | EV_HUP | EV_ERR);
	(void)inode;
	pipe_put(p);
}

static const struct file_ops pipe_ops = {
	.name = "pipe",
	.release = pipe_release,
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.fcntl = pipe_fcntl,
};

bool file_is_pipe(const struct file *f)
{
	return f->ops == &pipe_ops;
}

int pipe_create(unsigned flags, const struct cred *cred, struct file *out[2])
{
	struct pipe *p = pipe_new();
	int r;

	out[0] = out[1] = NULL;
	if (!p)
		return -ENOMEM;
	r = file_create_anon(&pipe_ops, p, O_RDONLY | (flags & O_NONBLOCK), S_IFIFO, cred, &out[0]);
	if (r < 0) {
		pipe_put(p);
		return r;
	}
	p->readers = 1;
	r = file_create_anon(&pipe_ops, p, O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)), S_IFIFO,
			     cred, &out[1]);
	if (r < 0) {
		file_put(out[0]);
		out[0] = NULL;
		return r;
	}
	refcount_get(&p->refs);
	p->writers = p->readers = 1;
	p->writer_gen = p->reader_gen = 1;
	/* Either end can be opened anew through /proc/self/fd. */
	for (int i = 0; i < 2; i++) {
		refcount_get(&p->refs);
		atomic_store(&out[i]->inode->special, p);
	}
	return 0;
}

/* ---- fifos ---- */

/* The pipe of a fifo hangs on its inode while the inode lives in memory. */
static struct pipe *fifo_pipe(struct inode *inode)
{
	struct pipe *p = atomic_load(&inode->special), *fresh;
	void *expected = NULL;

	if (p)
		return p;
	fresh = pipe_new();
	if (!fresh)
		return NULL;
	fresh->is_fifo = true;
	if (atomic_compare_exchange_strong(&inode->special, &expected, fresh))
		return fresh;
	pipe_put(fresh);
	return expected;
}

/* open(2) of one end waits for the other (fifo(7)). */
LOCKS_UNCHECKED static int fifo_rendezvous(struct pipe *p, bool reader, unsigned flags,
					   const struct vfs_ctx *ctx)
{
	struct io io = { .ctx = ctx };
	struct waitq_entry e;
	bool queued = false;
	uint64_t gen = reader ? p->writer_gen : p->reader_gen;
	int r = 0;

	if (flags & O_NONBLOCK) {
		return !reader && !p->readers ? -ENXIO : 0;
	}
	while (r == 0 &&
	       (reader ? !p->writers && p->writer_gen == gen : !p->readers && p->reader_gen == gen))
		r = pipe_wait(p, &e, &queued, EV_ALL, &io);
	if (queued) {
		mutex_unlock(&p->lock);
		waitq_remove(&p->waitq, &e);
		mutex_lock(&p->lock);
	}
	return r;
}

static int fifo_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx)
{
	struct pipe *p = fifo_pipe(inode);
	unsigned flags = atomic_load(&f->flags), mode = flags & O_ACCMODE;
	bool reads = mode != O_WRONLY, writes = mode != O_RDONLY;
	int r = 0;

	if (!p)
		return -ENOMEM;
	mutex_lock(&p->lock);
	if (p->is_fifo && mode == O_WRONLY && (flags & O_NONBLOCK) && !p->readers) {
		mutex_unlock(&p->lock);
		return -ENXIO;
	}
	p->readers += reads;
	p->reader_gen += reads;
	p->writers += writes;
	p->writer_gen += writes;
	/* A reader that was opened before any writer sees no hang-up yet. */
	f->version = p->writers ? 0 : p->writer_gen;
	mutex_unlock(&p->lock);
	waitq_wake_all(&p->waitq, EV_ALL);
	mutex_lock(&p->lock);
	if (mode != O_RDWR && p->is_fifo)
		r = fifo_rendezvous(p, mode == O_RDONLY, flags, ctx);
	if (r < 0) {
		p->readers -= reads;
		p->writers -= writes;
	}
	mutex_unlock(&p->lock);
	if (r < 0)
		return r;
	refcount_get(&p->refs);
	f->ops = &pipe_ops;
	f->priv = p;
	f->is_stream = true;
	return 0;
}

static void fifo_forget(struct inode *inode)
{
	struct pipe *p = atomic_load(&inode->special);

	if (p)
		pipe_put(p);
}

void pipe_init(uint64_t memory)
{
	limits_max = memory;
	vfs_forget_fifo = fifo_forget;
	vfs_open_fifo = fifo_open;
}
