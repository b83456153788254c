/*
 * The inotify file: a queue of events, read in whole ones.
 *
 * An event equal to the newest one that still waits is not queued again. When the
 * queue is full, one overflow event says so, and what comes is lost until there is
 * room again.
 */
#include "fs/inotify/inotify.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/kmem.h"
#include "base/pool.h"
#include "vfs/notify.h"

/* struct inotify_event of <sys/inotify.h>, whose name is what follows. */
struct event_head {
	int32_t wd;
	uint32_t mask, cookie, len;
};

struct queued {
	struct list link;
	struct event_head head; /* as it is read, with the name */
	char name[];            /* len bytes, padded with zeros */
};

struct inotify {
	struct notify_group group;
	struct mutex lock; /* LOCK_NOTIFY_QUEUE */
	struct waitq waitq;
	struct list queue;   /* [l] oldest first */
	unsigned count;      /* [l] */
	size_t bytes;        /* [l] as they are read */
	bool has_overflowed; /* [l] the newest is the next: */
	/* There must be one however little memory there is. [I] but for its link [l] */
	struct queued overflow;
};

static POOL_DEFINE(inotify_pool, struct inotify);
static atomic_uint instances;

static size_t size_of(const struct queued *q)
{
	return sizeof(q->head) + q->head.len;
}

/* ---- events come ---- */

static struct queued *make_event(const struct notify_event *e)
{
	size_t len = e->name ? strlen(e->name) + 1 : 0, padded;
	struct queued *q;

	padded = (len + sizeof(q->head) - 1) / sizeof(q->head) * sizeof(q->head);
	q = FAULT_POINT("inotify.event") ? NULL : kmem_zalloc(sizeof(*q) + padded);
	if (!q)
		return NULL;
	q->head = (struct event_head){ e->wd, e->mask, e->cookie, (uint32_t)padded };
	if (len)
		memcpy(q->name, e->name, len);
	return q;
}

static bool is_repeated_locked(const struct inotify *in, const struct queued *q)
{
	const struct queued *last;

	if (list_empty(&in->queue) || (q->head.mask & NOTIFY_IGNORED))
		return false;
	last = list_last(&in->queue, struct queued, link);
	return last->head.mask == q->head.mask && last->head.wd == q->head.wd &&
	       last->head.len == q->head.len && memcmp(last->name, q->name, q->head.len) == 0;
}

static void push_locked(struct inotify *in, struct queued *q)
{
	list_push_back(&in->queue, &q->link);
	in->count++;
	in->bytes += size_of(q);
}

static void free_event(struct inotify *in, struct queued *q)
{
	if (q != &in->overflow)
		kmem_free(q);
}

/* Takes q over. */
static bool queue_locked(struct inotify *in, struct queued *q)
{
	if (q && is_repeated_locked(in, q)) {
		kmem_free(q);
		return false;
	}
	if (!q || in->count >= INOTIFY_MAX_EVENTS) {
		kmem_free(q);
		if (in->has_overflowed)
			return false;
		q = &in->overflow;
		in->has_overflowed = true;
	}
	push_locked(in, q);
	return true;
}

static void inotify_event(struct notify_group *g, const struct notify_event *e)
{
	struct inotify *in = container_of(g, struct inotify, group);
	struct notify_event mine = *e;
	bool is_new;

	/* What happens to the watched directory itself is not told as one. */
	if (mine.mask & (NOTIFY_MOVE_SELF | NOTIFY_DELETE_SELF))
		mine.mask &= ~NOTIFY_ISDIR;
	mutex_lock(&in->lock);
	is_new = queue_locked(in, make_event(&mine));
	mutex_unlock(&in->lock);
	if (is_new)
		waitq_wake(&in->waitq, EV_IN | EV_RDNORM);
}

/* ---- events go ---- */

/* The oldest, if it fits: taken out. -EINVAL: it does not fit; 0: none waits. */
static int take(struct inotify *in, size_t room, struct queued **out)
{
	struct queued *q;
	int r = 0;

	*out = NULL;
	mutex_lock(&in->lock);
	if (!list_empty(&in->queue)) {
		q = list_first(&in->queue, struct queued, link);
		if (size_of(q) > room) {
			r = -EINVAL;
		} else {
			list_del(&q->link);
			in->count--;
			in->bytes -= size_of(q);
			if (q->head.mask & NOTIFY_OVERFLOW)
				in->has_overflowed = false;
			*out = q;
			r = 1;
		}
	}
	mutex_unlock(&in->lock);
	return r;
}

static ssize_t give(struct inotify *in, struct uio *u, struct queued *q)
{
	size_t size = size_of(q);
	ssize_t n = uio_write(u, &q->head, size);

	free_event(in, q);
	return n == (ssize_t)size ? n : -EFAULT;
}

static int wait_for_event(struct inotify *in, struct io *io)
{
	struct waitq_entry w;
	int r = 0;

	waitq_entry_init(&w, io->ctx->waiter, EV_IN);
	waitq_add(&in->waitq, &w);
	while (r == 0) {
		bool has;

		waiter_prepare(io->ctx->waiter);
		mutex_lock(&in->lock);
		has = !list_empty(&in->queue);
		mutex_unlock(&in->lock);
		if (has)
			break;
		r = waiter_wait(io->ctx->waiter, PARK_FOREVER);
	}
	waitq_remove(&in->waitq, &w);
	return r;
}

static ssize_t inotify_read(struct file *f, struct uio *u, fileoff_t *pos UNUSED, struct io *io)
{
	struct inotify *in = f->priv;
	struct queued *q;
	ssize_t done = 0, r;

	for (;;) {
		r = take(in, u->remaining, &q);
		if (r > 0)
			r = give(in, u, q);
		if (r < 0)
			return done ? done : r;
		done += r;
		if (r > 0)
			continue;
		if (done)
			return done;
		r = io->nonblock ? -EAGAIN : wait_for_event(in, io);
		if (r < 0)
			return r;
	}
}

static uint32_t inotify_poll(struct file *f, struct poll_table *pt)
{
	struct inotify *in = f->priv;
	uint32_t ev;

	poll_wait(pt, &in->waitq);
	mutex_lock(&in->lock);
	ev = list_empty(&in->queue) ? 0 : EV_IN | EV_RDNORM;
	mutex_unlock(&in->lock);
	return ev;
}

#define FIONREAD_CMD 0x541bu

static long inotify_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct inotify *in = f->priv;
	int bytes;

	if (cmd != FIONREAD_CMD)
		return -ENOTTY;
	mutex_lock(&in->lock);
	bytes = (int)in->bytes;
	mutex_unlock(&in->lock);
	return copy_out(ctx->mem, arg, &bytes, sizeof(bytes));
}

static void inotify_release(struct file *f)
{
	struct inotify *in = f->priv;

	notify_group_fini(&in->group);
	list_for_each_safe(q, tmp, &in->queue, struct queued, link)
		free_event(in, q);
	pool_free(&inotify_pool, in);
	atomic_fetch_sub(&instances, 1);
}

struct fdinfo {
	char *buf;
	size_t size, done;
};

static void show_watch(int wd, const struct inode *inode, uint32_t mask, void *arg)
{
	struct fdinfo *info = arg;
	int n;

	if (info->done >= info->size)
		return;
	n = snprintf(info->buf + info->done, info->size - info->done,
		     "inotify wd:%x ino:%llx sdev:%llx mask:%x ignored_mask:0\n", (unsigned)wd,
		     (unsigned long long)inode->ino, (unsigned long long)inode->sb->dev, mask);
	info->done = MIN(info->done + (size_t)MAX(n, 0), info->size);
}

static size_t inotify_fdinfo(struct file *f, char *buf, size_t size)
{
	struct fdinfo info = { buf, size, 0 };
	struct inotify *in = f->priv;

	notify_for_each(&in->group, show_watch, &info);
	return info.done;
}

static const struct file_ops inotify_ops = {
	.name = "inotify",
	.release = inotify_release,
	.read = inotify_read,
	.poll = inotify_poll,
	.ioctl = inotify_ioctl,
	.show_fdinfo = inotify_fdinfo,
};

/* ---- calls ---- */

int inotify_create(unsigned flags, const struct cred *cred, struct file **out)
{
	struct inotify *in;
	int r = -ENOMEM;

	*out = NULL;
	if (atomic_fetch_add(&instances, 1) >= INOTIFY_MAX_INSTANCES) {
		r = -EMFILE;
		goto out_uncount;
	}
	in = pool_alloc(&inotify_pool);
	if (!in)
		goto out_uncount;
	notify_group_init(&in->group, inotify_event);
	mutex_init(&in->lock, LOCK_NOTIFY_QUEUE);
	waitq_init(&in->waitq);
	list_init(&in->queue);
	list_init(&in->overflow.link);
	in->overflow.head = (struct event_head){ .wd = -1, .mask = NOTIFY_OVERFLOW };
	r = file_create_anon(&inotify_ops, in, O_RDONLY | (flags & O_NONBLOCK), 0, cred, out);
	if (r == 0)
		return 0;
	pool_free(&inotify_pool, in);
out_uncount:
	atomic_fetch_sub(&instances, 1);
	return r;
}

bool inotify_is(const struct file *f)
{
	return f->ops == &inotify_ops;
}

int inotify_add(struct file *f, struct inode *inode, uint32_t mask)
{
	struct inotify *in = f->priv;

	return notify_watch(&in->group, inode, mask, INOTIFY_MAX_WATCHES);
}

int inotify_remove(struct file *f, int wd)
{
	struct inotify *in = f->priv;

	return notify_unwatch(&in->group, wd);
}
