/*
 * Open regular files, and the direct way of their data: bytes go straight between
 * the backend's handle and guest memory: the uio's blocks are handed to preadv()
 * and pwritev(). So guests' reads and writes meet the host's own page cache, and are
 * coherent with mappings and with everybody outside. cached.c is the other way.
 *
 * Writers of one file are serialised by write_lock, so that appends do not
 * overwrite each other and the size is right. In shared mode an append is the
 * host's own (RWF_APPEND), because others append too.
 *
 * Handles are shared by all who have the file open, but for O_DIRECT ones: that is
 * a property of a host descriptor. Where one cannot be had any more, because the
 * file has no name left, the shared one serves: only slower.
 */
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/pool.h"
#include "fs/remote/internal.h"

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

/* The handle for reads and writes of f. */
static struct remote_handle *data_handle(const struct file *f)
{
	struct remote_file *rf = f->priv;
	struct remote_handle *direct = NULL;

	if (unlikely(atomic_load_explicit(&f->flags, memory_order_relaxed) & O_DIRECT))
		direct = atomic_load_explicit(&rf->o_direct, memory_order_acquire);
	return direct ? direct : rf->h;
}

static ssize_t remote_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	return move_all(data_handle(f), u, pos, (int)io->flags & RWF_PASSED);
}

int remote_write_flags(const struct file *f, const struct io *io)
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
	bool asks_host = (io->flags & RWF_APPEND) && remote_is_shared(n->remote);
	int64_t may = limit_locked(n, u, pos, io);
	size_t cut;
	ssize_t r;

	if (may < 0)
		return may;
	cut = u->remaining - (size_t)may;
	u->remaining -= cut;
	r = move_all(data_handle(f), u, pos,
		     remote_write_flags(f, io) | (asks_host ? RWF_APPEND : 0));
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

ssize_t remote_copy_range(struct file *in, uint64_t in_off, struct file *out, uint64_t out_off,
			  size_t size, const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *from = rnode_of(in->inode), *n = rnode_of(out->inode);
	struct remote_file *rin = in->priv, *rout = out->priv;
	ssize_t r;

	if (from->remote->ops != n->remote->ops || !n->remote->ops->copy)
		return -EXDEV;
	if (rnode_cache(from) || rnode_cache(n)) {
		r = cached_copy_range(in, in_off, out, out_off, size);
	} else {
		mutex_lock(&n->write_lock);
		r = n->remote->ops->copy(rin->h, in_off, rout->h, out_off, size);
		mutex_unlock(&n->write_lock);
	}
	if (r > 0)
		rnode_grew(n, out_off + (uint64_t)r);
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

static struct errseq *errors_of(struct rnode *n)
{
	return rnode_cache(n) ? pagecache_errors(rnode_cache(n)) : &n->errors;
}

int remote_file_check(struct file *f, int r)
{
	struct remote_file *rf = f->priv;
	int err = errseq_check(errors_of(rnode_of(f->inode)), &rf->since);

	return err < 0 ? err : r;
}

/* The host reports an error once to each of its descriptors, which guests' share:
 * it is passed on to all of them. */
static int passed_on(struct file *f, int r)
{
	if (r < 0)
		errseq_set(&rnode_of(f->inode)->errors, r);
	return remote_file_check(f, r);
}

static int remote_fsync(struct file *f, bool data_only)
{
	struct remote_file *rf = f->priv;

	return passed_on(f, rnode_of(f->inode)->remote->ops->fsync(rf->h, data_only));
}

static int remote_sync_range(struct file *f, uint64_t off, uint64_t size, unsigned flags)
{
	struct remote_file *rf = f->priv;

	return passed_on(f, rnode_of(f->inode)->remote->ops->sync_range(rf->h, off, size, flags));
}

static int remote_fallocate(struct file *f, int mode, uint64_t off, uint64_t len,
			    const struct vfs_ctx *ctx)
{
	struct rnode *n = rnode_of(f->inode);
	struct remote_file *rf = f->priv;
	int r = 0;

	mutex_lock(&n->write_lock);
	if (!(mode & FALLOC_FL_KEEP_SIZE) && off + len > ctx->fsize_limit &&
	    off + len > rnode_size(n))
		r = -EFBIG;
	if (r == 0)
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

struct mappable *remote_mappable(struct file *f)
{
	return &rnode_of(f->inode)->mappable;
}

/* f is to have O_DIRECT. -EINVAL: the backend has no such thing. */
static int want_o_direct(struct file *f)
{
	struct rnode *n = rnode_of(f->inode);
	struct remote_handle *h, *none = NULL;
	struct remote_file *rf = f->priv;
	int r;

	if (atomic_load(&rf->o_direct) || rnode_cache(n))
		return 0;
	r = handle_open_direct(n, rf->writes, &h);
	if (r < 0)
		return r == -EINVAL ? r : 0;
	if (!atomic_compare_exchange_strong(&rf->o_direct, &none, h))
		remote_handle_put(h);
	return 0;
}

static int remote_setfl(struct file *f, unsigned flags)
{
	return flags & O_DIRECT ? want_o_direct(f) : 0;
}

void remote_release(struct file *f)
{
	struct rnode *n = rnode_of(f->inode);
	struct remote_file *rf = f->priv;

	times_flush_atime(n);
	remote_handle_put(rf->h);
	remote_handle_put(atomic_load(&rf->o_direct));
	handles_unuse(n, rf->writes);
	pool_free(&remote_file_pool, rf);
}

static const struct file_ops remote_file_fops = {
	.name = "file",
	.release = remote_release,
	.read = remote_read,
	.write = remote_write,
	.lseek = remote_lseek,
	.fsync = remote_fsync,
	.sync_range = remote_sync_range,
	.setfl = remote_setfl,
	.fallocate = remote_fallocate,
	.fadvise = remote_fadvise,
	.mappable = remote_mappable,
	.copy_range = remote_copy_range,
};

/* The handle, and which way the data goes. */
static int open_data(struct rnode *n, struct remote_file *rf)
{
	int r = handle_get_for(n, rf->writes, &rf->h);

	if (!rf->writes)
		handles_end_loan(n);
	if (r < 0)
		return r;
	r = cached_decide(n, rf->h);
	if (r < 0)
		remote_handle_put(rf->h);
	return r;
}

int remote_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx UNUSED)
{
	unsigned flags = atomic_load(&f->flags);
	bool writes = (flags & O_ACCMODE) != O_RDONLY;
	struct rnode *n = rnode_of(inode);
	struct remote_file *rf;
	int r;

	if (writes && n->remote->readonly)
		return -EROFS;
	rf = pool_alloc(&remote_file_pool);
	if (!rf)
		return -ENOMEM;
	rf->writes = writes;
	handles_use(n, writes);
	r = open_data(n, rf);
	if (r < 0)
		goto out_unuse;
	f->priv = rf;
	r = flags & O_DIRECT ? want_o_direct(f) : 0;
	if (r < 0)
		goto out_put;
	atomic_store(&rf->since, errseq_sample(errors_of(n)));
	f->ops = rnode_cache(n) ? &remote_cached_fops : &remote_file_fops;
	return 0;

out_put:
	remote_handle_put(rf->h);
out_unuse:
	handles_unuse(n, writes);
	pool_free(&remote_file_pool, rf);
	return r;
}
