/* A queue as an open file. Messages do not go by read and write: a read tells what
 * state the queue is in, as text. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "fs/mqueue/internal.h"

#define TEXT_SIZE 100

int mqueue_of_file(const struct file *f, struct mqueue **out)
{
	if (f->ops != &mqueue_file_ops)
		return -EBADF;
	*out = f->priv;
	return 0;
}

static int state_text(struct mqueue *q, char *buf)
{
	int how = 0, signo = 0, pid = 0, n;

	mutex_lock(&q->lock);
	if (q->notified) {
		how = q->notice.how;
		signo = how == SIGEV_SIGNAL ? q->notice.signo : 0;
		pid = q->notified->pid;
	}
	n = snprintf(buf, TEXT_SIZE, "QSIZE:%-10llu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n",
		     (unsigned long long)q->bytes, how, signo, pid);
	q->atime = q->ctime = mqueue_now();
	mutex_unlock(&q->lock);
	return n;
}

static ssize_t mqueue_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io UNUSED)
{
	char buf[TEXT_SIZE];
	size_t size = (size_t)state_text(f->priv, buf), n;
	ssize_t r;

	if (*pos >= size)
		return 0;
	n = MIN(size - *pos, u->remaining);
	r = n ? uio_write(u, buf + *pos, n) : 0;
	if (r > 0)
		*pos += (fileoff_t)r;
	return r;
}

static int64_t mqueue_lseek(struct file *f, int64_t off, int whence,
			    const struct vfs_ctx *ctx UNUSED)
{
	struct mqueue *q = f->priv;

	return vfs_lseek_size(f, off, whence, q->size);
}

static uint32_t mqueue_poll(struct file *f, struct poll_table *pt)
{
	struct mqueue *q = f->priv;
	uint32_t ev = 0;

	poll_wait(pt, &q->waitq);
	mutex_lock(&q->lock);
	if (q->count)
		ev |= EV_IN | EV_RDNORM;
	if (q->count < q->maxmsg)
		ev |= EV_OUT | EV_WRNORM;
	mutex_unlock(&q->lock);
	return ev;
}

static int mqueue_flush(struct file *f, const struct vfs_ctx *ctx)
{
	mqueue_leave(f->priv, ctx->task);
	return 0;
}

static void mqueue_release(struct file *f UNUSED)
{
}

const struct file_ops mqueue_file_ops = {
	.name = "mqueue",
	.release = mqueue_release,
	.flush = mqueue_flush,
	.read = mqueue_read,
	.lseek = mqueue_lseek,
	.poll = mqueue_poll,
};
