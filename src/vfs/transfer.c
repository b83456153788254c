/*
 * sendfile, splice and copy_file_range: bytes from file to file.
 *
 * copy_file_range first asks the file systems' own op (a host can copy, or even
 * share, without moving a byte here). Everything else is a pump through a buffer:
 *
 *	in has a position   read at it, write, advance by what was written: nothing
 *	                    is lost when the writer takes less
 *	in is a stream      what was read must be written: the writer waits, even
 *	                    when it is O_NONBLOCK
 *
 * The first read and the first write may block; after that a stream is read only
 * while it has something, and a pipe written only while it has room, as splice(2)
 * does.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "vfs/internal.h"
#include "vfs/notify.h"
#include "vfs/transfer.h"

#define CHUNK ((size_t)64 << 10)
#define RW_MAX ((size_t)0x7ffff000)

struct pump {
	const struct transfer *tr;
	char *buf;
	size_t chunk;
	fileoff_t in_pos; /* when in has a position */
	size_t done;
	bool stop_early; /* splice: stop when either side would block */
};

static bool is_nonblock(const struct file *f)
{
	return atomic_load_explicit(&f->flags, memory_order_relaxed) & O_NONBLOCK;
}

static ssize_t pump_read(struct pump *p, size_t want)
{
	const struct transfer *tr = p->tr;
	struct io io = { .ctx = tr->ctx };
	struct uio_seg seg;
	struct uio u;

	io.nonblock = tr->nonblock || is_nonblock(tr->in) || (tr->in->is_stream && p->done);
	uio_init_kernel(&u, &seg, UIO_TO_USER, p->buf, want);
	return file_read(tr->in, &u, tr->in->is_stream ? NULL : &p->in_pos, &io);
}

static ssize_t pump_write_once(struct pump *p, size_t from, size_t size, bool nonblock)
{
	struct io io = { .ctx = p->tr->ctx, .nonblock = nonblock };
	struct uio_seg seg;
	struct uio u;

	uio_init_kernel(&u, &seg, UIO_FROM_USER, p->buf + from, size);
	return file_write(p->tr->out, &u, p->tr->out_pos, &io);
}

/* How much of the n bytes in the buffer was written, or an error when none. */
static ssize_t pump_write(struct pump *p, size_t n)
{
	const struct transfer *tr = p->tr;
	bool may_wait = tr->in->is_stream;
	bool nonblock = tr->nonblock || is_nonblock(tr->out) || (p->stop_early && p->done);
	size_t done = 0;
	ssize_t r = 0;

	while (done < n) {
		r = pump_write_once(p, done, n - done, nonblock && !may_wait);
		if (r <= 0)
			break;
		done += (size_t)r;
		if (!may_wait && p->stop_early)
			break;
	}
	return done ? (ssize_t)done : r;
}

/* One chunk: bytes moved, 0 at the end, or an error. */
static ssize_t pump_step(struct pump *p)
{
	fileoff_t start = p->in_pos;
	size_t want = MIN(p->tr->size - p->done, p->chunk);
	ssize_t n = pump_read(p, want), written;

	if (n <= 0)
		return n;
	written = pump_write(p, (size_t)n);
	if (written < n)
		p->in_pos = start + (uint64_t)MAX(written, (ssize_t)0);
	return written;
}

static ssize_t pump_run(struct pump *p)
{
	ssize_t r = 0;

	while (p->done < p->tr->size) {
		size_t want = MIN(p->tr->size - p->done, p->chunk);

		r = pump_step(p);
		if (r <= 0)
			break;
		p->done += (size_t)r;
		if ((size_t)r < want && (p->stop_early || p->tr->in->is_stream))
			break;
	}
	return p->done ? (ssize_t)p->done : r;
}

/* Gives in its position for the length of the call. */
static ssize_t pump_positioned(struct pump *p)
{
	const struct transfer *tr = p->tr;
	int64_t pos;
	ssize_t r;

	if (tr->in->is_stream)
		return pump_run(p);
	pos = tr->in_pos ? (int64_t)*tr->in_pos : file_lseek(tr->in, 0, SEEK_CUR, tr->ctx);
	if (pos < 0)
		return tr->in_pos ? -EINVAL : pos;
	p->in_pos = (fileoff_t)pos;
	r = pump_run(p);
	if (tr->in_pos)
		*tr->in_pos = p->in_pos;
	else if (p->done)
		(void)file_lseek(tr->in, (int64_t)p->in_pos, SEEK_SET, tr->ctx);
	return r;
}

static ssize_t pump_all(const struct transfer *tr, bool stop_early)
{
	struct pump p = { .tr = tr, .stop_early = stop_early };
	ssize_t r;

	if (tr->size == 0)
		return 0;
	p.chunk = MIN(tr->size, CHUNK);
	p.buf = FAULT_POINT("transfer.buffer") ? NULL : malloc(p.chunk);
	if (!p.buf)
		return -ENOMEM;
	r = pump_positioned(&p);
	free(p.buf);
	return r;
}

/* ---- the calls ---- */

ssize_t vfs_sendfile(const struct transfer *tr)
{
	struct transfer mine = *tr;

	if (!file_may_read(tr->in) || !file_may_write(tr->out))
		return -EBADF;
	if (tr->in_pos && tr->in->is_stream)
		return -ESPIPE;
	if (tr->in->is_stream || !tr->in->ops->read || !tr->out->ops->write ||
	    S_ISDIR(tr->in->inode->mode))
		return -EINVAL;
	if (atomic_load(&tr->out->flags) & O_APPEND)
		return -EINVAL;
	mine.size = MIN(tr->size, RW_MAX);
	return pump_all(&mine, S_ISFIFO(tr->out->inode->mode));
}

/* The two ends of one pipe are two files. */
static bool is_same_pipe(const struct file *a, const struct file *b)
{
	return a->inode == b->inode || (a->ops == b->ops && a->priv == b->priv);
}

static int check_splice(const struct transfer *tr)
{
	bool in_is_pipe = S_ISFIFO(tr->in->inode->mode),
	     out_is_pipe = S_ISFIFO(tr->out->inode->mode);

	if (!file_may_read(tr->in) || !file_may_write(tr->out))
		return -EBADF;
	if (!in_is_pipe && !out_is_pipe)
		return -EINVAL;
	if ((in_is_pipe && tr->in_pos) || (out_is_pipe && tr->out_pos))
		return -ESPIPE;
	if (is_same_pipe(tr->in, tr->out))
		return -EINVAL;
	if ((tr->in_pos && tr->in->is_stream) || (tr->out_pos && tr->out->is_stream))
		return -EINVAL;
	if (!tr->in->ops->read || !tr->out->ops->write || S_ISDIR(tr->in->inode->mode))
		return -EINVAL;
	if (!out_is_pipe && (atomic_load(&tr->out->flags) & O_APPEND))
		return -EINVAL;
	return 0;
}

ssize_t vfs_splice(const struct transfer *tr)
{
	struct transfer mine = *tr;
	int r = check_splice(tr);

	if (r < 0)
		return r;
	mine.size = MIN(tr->size, RW_MAX);
	return pump_all(&mine, true);
}

static int check_copy_range(const struct transfer *tr, fileoff_t in_pos, fileoff_t out_pos)
{
	struct inode *in = tr->in->inode, *out = tr->out->inode;
	int64_t end;

	if (S_ISDIR(in->mode) || S_ISDIR(out->mode))
		return -EISDIR;
	if (!S_ISREG(in->mode) || !S_ISREG(out->mode))
		return -EINVAL;
	if (!file_may_read(tr->in) || !file_may_write(tr->out) ||
	    (atomic_load(&tr->out->flags) & O_APPEND))
		return -EBADF;
	if ((int64_t)in_pos < 0 || (int64_t)out_pos < 0)
		return -EINVAL;
	if (add_overflow((int64_t)in_pos, (int64_t)tr->size, &end) ||
	    add_overflow((int64_t)out_pos, (int64_t)tr->size, &end))
		return -EOVERFLOW;
	if (in == out && in_pos < out_pos + tr->size && out_pos < in_pos + tr->size)
		return -EINVAL;
	return 0;
}

/* The copy ends where the file ended before it: what it makes longer itself, in the
 * same file, is not copied again. */
static int cut_at_end(struct transfer *tr, fileoff_t in_pos)
{
	struct kstat st;
	int r = file_getattr(tr->in, tr->ctx, &st);

	if (r == 0)
		tr->size = in_pos >= st.size ? 0 : MIN(tr->size, st.size - in_pos);
	return r;
}

/* The op, or the pump where it cannot. */
static ssize_t copy_range_at(struct transfer *tr)
{
	ssize_t r = -EOPNOTSUPP;
	struct io limit = { .ctx = tr->ctx };
	int64_t may;

	may = vfs_write_limit(&limit, tr->out_pos, 0, tr->size);
	if (may < 0)
		return may;
	tr->size = (size_t)may;
	if (tr->in->ops->copy_range && tr->in->ops->copy_range == tr->out->ops->copy_range)
		r = tr->in->ops->copy_range(tr->in, *tr->in_pos, tr->out, *tr->out_pos, tr->size,
					    tr->ctx);
	if (r == -EXDEV || r == -EOPNOTSUPP)
		return pump_all(tr, false);
	if (r > 0) {
		*tr->in_pos += (uint64_t)r;
		*tr->out_pos += (uint64_t)r;
	}
	if (notify_is_on() && r > 0) {
		notify_file(tr->in, NOTIFY_ACCESS);
		notify_file(tr->out, NOTIFY_MODIFY);
	}
	return r;
}

/* Only the file's lseek knows its position: that of an inherited one is the
 * host's. Streams are refused for being no regular files. */
static fileoff_t start_pos(struct file *f, const fileoff_t *pos, const struct vfs_ctx *ctx)
{
	int64_t now = pos ? (int64_t)*pos : file_lseek(f, 0, SEEK_CUR, ctx);

	return pos || now >= 0 ? (fileoff_t)now : 0;
}

ssize_t vfs_copy_range(const struct transfer *tr, unsigned flags)
{
	struct transfer mine = *tr;
	fileoff_t in_pos, out_pos;
	ssize_t r;

	if (flags)
		return -EINVAL;
	if ((atomic_load(&tr->in->flags) | atomic_load(&tr->out->flags)) & O_PATH)
		return -EBADF;
	mine.size = MIN(tr->size, RW_MAX);
	in_pos = start_pos(tr->in, tr->in_pos, tr->ctx);
	out_pos = start_pos(tr->out, tr->out_pos, tr->ctx);
	r = check_copy_range(&mine, in_pos, out_pos);
	if (r == 0)
		r = cut_at_end(&mine, in_pos);
	if (r < 0)
		return r;
	if (!mine.size)
		return 0;
	mine.in_pos = &in_pos;
	mine.out_pos = &out_pos;
	r = copy_range_at(&mine);
	if (r <= 0)
		return r;
	if (tr->in_pos)
		*tr->in_pos = in_pos;
	else
		(void)file_lseek(tr->in, (int64_t)in_pos, SEEK_SET, tr->ctx);
	if (tr->out_pos)
		*tr->out_pos = out_pos;
	else
		(void)file_lseek(tr->out, (int64_t)out_pos, SEEK_SET, tr->ctx);
	return r;
}
