/*
 * Open regular files. Bytes go straight between the backend's handle and guest
 * memory: the uio's blocks are handed to preadv() and pwritev(). So guests' reads
 * and writes meet the host's own page cache, and are coherent with mappings and
 * with everybody outside.
 *
 * The direct path is the only one so far; where a handle has no descriptor, or
 * the mount forces it, the page cache comes in between in move().
 *
 * Writers of one file are serialised by write_lock, so that appends do not
 * overwrite each other and the size is right. In shared mode an append is the
 * host's own (RWF_APPEND), because others append too.
 */
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/pool.h"
#include "fs/remote/internal.h"

struct remote_file {
	struct remote_handle *h; /* [I] */
	bool writes;             /* [I] counts as a writer */
};

static POOL_DEFINE(remote_file_pool, struct remote_file);

#define RWF_PASSED 0x0f /* HIPRI, DSYNC, SYNC, NOWAIT mean the same below */

/* ---- moving bytes ---- */

/* One piece; *short_of_it: less than was asked for, so it is the end. */
static ssize_t move(struct remote_handle *h, struct uio *u, fileoff_t pos, int rwf, bool *was_short)
{
	const struct remote_ops *ops = h->backend->ops;
	struct block blk[UIO_MAX_BLOCKS];
	struct iovec iov[UIO_MAX_BLOCKS];
	unsigned count = 0;
	ssize_t n, want = uio_pin(u, u->remaining, blk, UIO_MAX_BLOCKS, &count);

	if (want < 0)
		return want;
	for (unsigned i = 0; i < count; i++)
		iov[i] = (struct iovec){ blk[i].base, blk[i].size };
	n = u->dir == UIO_TO_USER ? ops->read(h, iov, (int)count, pos, rwf)
				  : ops->write(h, iov, (int)count, pos, rwf);
	uio_unpin(u);
	if (n > want) /* a backend may lie */
		n = -EIO;
	if (n > 0)
		uio_advance(u, (size_t)n);
	*was_short = n < want;
	return n;
}

static ssize_t move_all(struct remote_handle *h, struct uio *u, fileoff_t *pos, int rwf)
{
	bool was_short = false;
	ssize_t done = 0;

	while (u->remaining && !was_short) {
		ssize_t n = move(h, u, *pos, rwf, &was_short);

		if (n < 0)
			return done ? done : n;
		*pos += (fileoff_t)n;
		done += n;
	}
	return done;
}

static ssize_t remote_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct remote_file *rf = f->priv;

	return move_all(rf->h, u, pos, (int)io->flags & RWF_PASSED);
}

static int write_flags(const struct file *f, const struct io *io)
{
	unsigned flags = atomic_load_explicit(&f->flags, memory_order_relaxed);
	int rwf = (int)io->flags & RWF_PASSED;

	if ((flags & O_SYNC) == O_SYNC)
		rwf |= RWF_SYNC;
	else if (flags & O_DSYNC)
		rwf |= RWF_DSYNC;
	return rwf;
}

/* How much may be written, and from where; write_lock is held. */
static int64_t limit_locked(struct rnode *n, struct uio *u, fileoff_t *pos, const struct io *io)
{
	bool appends = io->flags & RWF_APPEND;

	return vfs_write_limit(io, pos, appends ? rnode_size(n) : 0, u->remaining);
}

static ssize_t write_locked(struct rnode *n, struct file *f, struct uio *u, fileoff_t *pos,
			    struct io *io)
{
	struct remote_file *rf = f->priv;
	bool asks_host = (io->flags & RWF_APPEND) && remote_is_shared(n->remote);
	int64_t may = limit_locked(n, u, pos, io);
	size_t cut;
	ssize_t r;

	if (may < 0)
		return may;
	cut = u->remaining - (size_t)may;
	u->remaining -= cut;
	r = move_all(rf->h, u, pos, write_flags(f, io) | (asks_host ? RWF_APPEND : 0));
	u->remaining += cut;
	if (r > 0)
		rnode_grew(n, *pos);
	if (r > 0 && asks_host)
		*pos = rnode_size(n);
	return r;
}

static ssize_t remote_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct rnode *n = rnode_of(f->inode);
	ssize_t r;

	mutex_lock(&n->write_lock);
	r = write_locked(n, f, u, pos, io);
	mutex_unlock(&n->write_lock);
	return r;
}

static ssize_t remote_copy_range(struct file *in, uint64_t in_off, struct file *out,
				 uint64_t out_off, size_t size, const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *from = rnode_of(in->inode), *n = rnode_of(out->inode);
	struct remote_file *rin = in->priv, *rout = out->priv;
	ssize_t r;

	if (from->remote->ops != n->remote->ops || !n->remote->ops->copy)
		return -EXDEV;
	mutex_lock(&n->write_lock);
	r = n->remote->ops->copy(rin->h, in_off, rout->h, out_off, size);
	if (r > 0)
		rnode_grew(n, out_off + (uint64_t)r);
	mutex_unlock(&n->write_lock);
	/* The host cannot between these two: then it is done here. */
	return r == -EINVAL || r == -ENOSYS || r == -EPERM ? -EXDEV : r;
}

/* ---- the rest ---- */

static int64_t remote_lseek(struct file *f, int64_t off, int whence,
			    const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *n = rnode_of(f->inode);
	struct remote_file *rf = f->priv;
	int64_t r;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return vfs_lseek_size(f, off, whence, whence == SEEK_END ? rnode_size(n) : 0);
	if (off < 0)
		return -ENXIO;
	r = n->remote->ops->seek(rf->h, off, whence);
	if (r >= 0)
		f->pos = (fileoff_t)r;
	return r;
}

static int remote_fsync(struct file *f, bool data_only)
{
	struct remote_file *rf = f->priv;

	return rnode_of(f->inode)->remote->ops->fsync(rf->h, data_only);
}

static int remote_fallocate(struct file *f, int mode, uint64_t off, uint64_t len,
			    const struct vfs_ctx *ctx)
{
	struct rnode *n = rnode_of(f->inode);
	struct remote_file *rf = f->priv;
	int r;

	if (off + len > ctx->fsize_limit)
		return -EFBIG;
	mutex_lock(&n->write_lock);
	r = n->remote->ops->fallocate(rf->h, mode, off, len);
	if (r == 0 && rnode_refresh(n) < 0)
		rnode_changed(n);
	mutex_unlock(&n->write_lock);
	return r;
}

static int remote_fadvise(struct file *f, uint64_t off, uint64_t len, int advice)
{
	struct remote_file *rf = f->priv;

	return rnode_of(f->inode)->remote->ops->fadvise(rf->h, off, len, advice);
}

static struct mappable *remote_mappable(struct file *f)
{
	return &rnode_of(f->inode)->mappable;
}

static void remote_release(struct file *f)
{
	struct remote_file *rf = f->priv;

	remote_handle_put(rf->h);
	handles_unuse(rnode_of(f->inode), rf->writes);
	pool_free(&remote_file_pool, rf);
}

static const struct file_ops remote_file_fops = {
	.name = "file",
	.release = remote_release,
	.read = remote_read,
	.write = remote_write,
	.lseek = remote_lseek,
	.fsync = remote_fsync,
	.fallocate = remote_fallocate,
	.fadvise = remote_fadvise,
	.mappable = remote_mappable,
	.copy_range = remote_copy_range,
};

int remote_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *n = rnode_of(inode);
	bool writes = (atomic_load(&f->flags) & O_ACCMODE) != O_RDONLY;
	struct remote_file *rf;
	int r;

	if (writes && n->remote->readonly)
		return -EROFS;
	rf = pool_alloc(&remote_file_pool);
	if (!rf)
		return -ENOMEM;
	rf->writes = writes;
	handles_use(n, writes);
	r = handle_get_for(n, writes, &rf->h);
	if (!writes)
		handles_end_loan(n);
	if (r < 0) {
		handles_unuse(n, writes);
		pool_free(&remote_file_pool, rf);
		return r;
	}
	f->priv = rf;
	f->ops = &remote_file_fops;
	return 0;
}
