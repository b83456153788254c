/* eventfd(2): a counter that reads take and writes add to. */
#include "fs/eventfd/eventfd.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/pool.h"

#define EFD_SEMAPHORE_FLAG 1u
#define COUNT_MAX (~(uint64_t)0 - 1)

struct eventfd {
	struct mutex lock; /* LOCK_FILE */
	struct waitq waitq;
	uint64_t count; /* [l] */
	bool semaphore; /* [I] */
};

POOL_DEFINE(eventfd_pool, struct eventfd);

/* Waits with the lock dropped; the entry is queued by the caller. */
LOCKS_UNCHECKED static int wait_relock(struct eventfd *e, struct io *io)
{
	int r;

	mutex_unlock(&e->lock);
	r = waiter_wait(io->ctx->waiter, PARK_FOREVER);
	mutex_lock(&e->lock);
	return r;
}

static int take(struct eventfd *e, struct io *io, uint64_t *val)
{
	struct waitq_entry w;
	int r = 0;

	waitq_entry_init(&w, io->ctx->waiter, EV_IN);
	if (!io->nonblock)
		waitq_add(&e->waitq, &w);
	mutex_lock(&e->lock);
	for (;;) {
		waiter_prepare(io->ctx->waiter);
		if (e->count)
			break;
		r = io->nonblock ? -EAGAIN : wait_relock(e, io);
		if (r < 0)
			break;
	}
	if (r == 0) {
		*val = e->semaphore ? 1 : e->count;
		e->count -= *val;
	}
	mutex_unlock(&e->lock);
	waitq_remove(&e->waitq, &w);
	if (r == 0)
		waitq_wake(&e->waitq, EV_OUT | EV_WRNORM);
	return r;
}

static ssize_t eventfd_read(struct file *f, struct uio *u, fileoff_t *pos UNUSED, struct io *io)
{
	uint64_t val;
	ssize_t r;

	if (u->remaining < sizeof(val))
		return -EINVAL;
	r = take(f->priv, io, &val);
	return r < 0 ? r : uio_write(u, &val, sizeof(val));
}

static ssize_t eventfd_write(struct file *f, struct uio *u, fileoff_t *pos UNUSED, struct io *io)
{
	struct eventfd *e = f->priv;
	struct waitq_entry w;
	uint64_t val;
	ssize_t r;

	if (u->remaining < sizeof(val))
		return -EINVAL;
	r = uio_read(u, &val, sizeof(val));
	if (r < 0)
		return r;
	if (val == ~(uint64_t)0)
		return -EINVAL;
	waitq_entry_init(&w, io->ctx->waiter, EV_OUT);
	if (!io->nonblock)
		waitq_add(&e->waitq, &w);
	mutex_lock(&e->lock);
	for (r = 0;;) {
		waiter_prepare(io->ctx->waiter);
		if (val <= COUNT_MAX - e->count)
			break;
		r = io->nonblock ? -EAGAIN : wait_relock(e, io);
		if (r < 0)
			break;
	}
	if (r == 0)
		e->count += val;
	mutex_unlock(&e->lock);
	waitq_remove(&e->waitq, &w);
	if (r == 0 && val)
		waitq_wake(&e->waitq, EV_IN | EV_RDNORM);
	return r < 0 ? r : (ssize_t)sizeof(val);
}

static uint32_t eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->priv;
	uint32_t ev = 0;

	poll_wait(pt, &e->waitq);
	mutex_lock(&e->lock);
	if (e->count)
		ev |= EV_IN;
	if (e->count < COUNT_MAX)
		ev |= EV_OUT;
	mutex_unlock(&e->lock);
	return ev;
}

static void eventfd_release(struct file *f)
{
	pool_free(&eventfd_pool, f->priv);
}

static size_t eventfd_fdinfo(struct file *f, char *buf, size_t size)
{
	struct eventfd *e = f->priv;

	return (size_t)snprintf(buf, size, "eventfd-count: %16llx\n", (unsigned long long)e->count);
}

static const struct file_ops eventfd_ops = {
	.name = "eventfd",
	.release = eventfd_release,
	.read = eventfd_read,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.show_fdinfo = eventfd_fdinfo,
};

bool file_is_eventfd(const struct file *f)
{
	return f->ops == &eventfd_ops;
}

int eventfd_create(uint64_t initial, unsigned flags, const struct cred *cred, struct file **out)
{
	struct eventfd *e = pool_alloc(&eventfd_pool);
	int r;

	*out = NULL;
	if (!e)
		return -ENOMEM;
	mutex_init(&e->lock, LOCK_FILE);
	waitq_init(&e->waitq);
	e->count = initial;
	e->semaphore = flags & EFD_SEMAPHORE_FLAG;
	r = file_create_anon(&eventfd_ops, e, O_RDWR | (flags & O_NONBLOCK), 0, cred, out);
	if (r < 0)
		pool_free(&eventfd_pool, e);
	return r;
}
