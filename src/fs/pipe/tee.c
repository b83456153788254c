/*
 * tee(2): what is in one pipe is written to another, and stays.
 *
 * First there is waited, for something to read and then for room, with one lock at
 * a time. Then both are locked, in the order of their addresses, and looked at
 * again: others may have been faster.
 */
#include <fcntl.h>
#include <string.h>

#include "fs/pipe/internal.h"

static bool has_input(const struct pipe *p)
{
	return pipe_used(p) || p->npackets || !p->writers;
}

static bool has_room(const struct pipe *p)
{
	return pipe_room(p) || !p->readers;
}

/* Until the test is true for a moment. */
static int wait_until(struct pipe *p, bool (*test)(const struct pipe *p), uint32_t events,
		      struct io *io)
{
	struct waitq_entry e;
	bool queued = false;
	int r = 0;

	mutex_lock(&p->lock);
	while (r == 0 && !test(p))
		r = pipe_wait(p, &e, &queued, events, io);
	mutex_unlock(&p->lock);
	if (queued)
		waitq_remove(&p->waitq, &e);
	return r;
}

LOCKS_UNCHECKED static void lock_both(struct pipe *a, struct pipe *b)
{
	mutex_lock(a < b ? &a->lock : &b->lock);
	mutex_lock_nested(a < b ? &b->lock : &a->lock);
}

LOCKS_UNCHECKED static void unlock_both(struct pipe *a, struct pipe *b)
{
	mutex_unlock(&a->lock);
	mutex_unlock(&b->lock);
}

/* n bytes that are in one and for which there is room in the other. */
static int copy_bytes(const struct pipe *in, uint64_t from, struct pipe *out, size_t n)
{
	int r = pipe_grow(out, n);

	if (r < 0)
		return r;
	while (n) {
		size_t src = from & (in->ring_size - 1), dst = out->head & (out->ring_size - 1);
		size_t step = MIN(n, MIN(in->ring_size - src, out->ring_size - dst));

		memcpy(out->ring + dst, in->ring + src, step);
		from += step;
		out->head += step;
		n -= step;
	}
	return 0;
}

/* Whole packets, as many as fit. */
static ssize_t copy_packets(const struct pipe *in, struct pipe *out, size_t size)
{
	uint64_t from = in->tail;
	size_t done = 0;

	out->packet_mode = true;
	for (unsigned i = 0; i < in->npackets; i++) {
		size_t n = in->packets[i];
		int r;

		if (n > size - done || n > pipe_room(out))
			break;
		r = copy_bytes(in, from, out, n);
		if (r < 0)
			return done ? (ssize_t)done : r;
		out->packets[out->npackets++] = (uint32_t)n;
		from += n;
		done += n;
	}
	return (ssize_t)done;
}

/* -EAGAIN: one of them has changed meanwhile. */
static ssize_t copy_locked(const struct pipe *in, struct pipe *out, size_t size)
{
	size_t n = MIN(size, MIN(pipe_used(in), pipe_room(out)));
	int r;

	if (!out->readers)
		return -EPIPE;
	if (!pipe_used(in) && !in->npackets)
		return in->writers ? -EAGAIN : 0;
	if (!pipe_room(out))
		return -EAGAIN;
	if (in->npackets)
		return copy_packets(in, out, size);
	r = copy_bytes(in, in->tail, out, n);
	if (r == 0 && out->packet_mode)
		out->packets[out->npackets++] = (uint32_t)n;
	return r < 0 ? r : (ssize_t)n;
}

ssize_t pipe_tee(struct file *from, struct file *to, size_t size, bool nonblock,
		 const struct vfs_ctx *ctx)
{
	struct io io = { .ctx = ctx };
	struct pipe *in, *out;
	ssize_t r;

	if (!file_may_read(from) || !file_may_write(to))
		return -EBADF;
	if (!file_is_pipe(from) || !file_is_pipe(to) || from->priv == to->priv)
		return -EINVAL;
	in = from->priv;
	out = to->priv;
	io.nonblock = nonblock ||
		      ((atomic_load(&from->flags) | atomic_load(&to->flags)) & O_NONBLOCK);
	do {
		r = wait_until(in, has_input, EV_IN, &io);
		if (r == 0)
			r = wait_until(out, has_room, EV_OUT, &io);
		if (r < 0)
			return r;
		lock_both(in, out);
		r = copy_locked(in, out, size);
		unlock_both(in, out);
	} while (r == -EAGAIN && !io.nonblock);
	if (r > 0)
		waitq_wake(&out->waitq, EV_IN | EV_RDNORM);
	return r;
}
