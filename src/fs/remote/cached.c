/*
 * Regular files whose data goes through the page cache: the calls that it makes on
 * the backend, and the open file.
 *
 * The page cache may write for as long as pages are dirty, also when no guest has
 * the file open any more: until then it counts as a writer, which keeps the handle
 * (invariant 2). So does a mapping.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/remote/internal.h"

#define IOV_MAX_HERE 32

/* ---- what the page cache calls ---- */

static void cache_get(void *owner)
{
	struct rnode *n = owner;

	inode_get(&n->inode);
}

static void cache_put(void *owner)
{
	struct rnode *n = owner;

	inode_put(&n->inode);
}

static void cache_dirtied(void *owner)
{
	handles_use(owner, true);
}

static void cache_cleaned(void *owner)
{
	times_flush(owner);
	handles_unuse(owner, true);
}

static int to_iovec(const struct block *blk, unsigned count, struct iovec *iov)
{
	unsigned n = MIN(count, (unsigned)IOV_MAX_HERE);

	for (unsigned i = 0; i < n; i++)
		iov[i] = (struct iovec){ blk[i].base, blk[i].size };
	return (int)n;
}

static ssize_t cache_read(void *owner, const struct block *blk, unsigned count, uint64_t off)
{
	struct iovec iov[IOV_MAX_HERE];
	struct rnode *n = owner;
	struct remote_handle *h;
	ssize_t r = handle_get(n, HANDLE_READ, &h);

	if (r < 0)
		return r;
	r = n->remote->ops->read(h, iov, to_iovec(blk, count, iov), off, 0);
	remote_handle_put(h);
	return r;
}

static ssize_t cache_write(void *owner, const struct block *blk, unsigned count, uint64_t off,
			   unsigned flags)
{
	struct iovec iov[IOV_MAX_HERE];
	struct rnode *n = owner;
	struct remote_handle *h;
	ssize_t r = handle_get_for(n, true, &h);
	int rwf = 0;

	if (r < 0)
		return r;
	rwf |= flags & PAGECACHE_IO_SYNC ? RWF_SYNC : 0;
	rwf |= flags & PAGECACHE_IO_DSYNC ? RWF_DSYNC : 0;
	rwf |= flags & PAGECACHE_IO_APPEND ? RWF_APPEND : 0;
	r = n->remote->ops->write(h, iov, to_iovec(blk, count, iov), off, rwf);
	remote_handle_put(h);
	return r;
}

static int cache_truncate(void *owner, uint64_t size)
{
	struct rnode *n = owner;
	struct remote_handle *h;
	int r = handle_get_for(n, true, &h);

	if (r < 0)
		return r;
	r = n->remote->ops->truncate(h, size);
	remote_handle_put(h);
	return r;
}

static int cache_fallocate(void *owner, int mode, uint64_t off, uint64_t size)
{
	struct rnode *n = owner;
	struct remote_handle *h;
	int r = handle_get_for(n, true, &h);

	if (r < 0)
		return r;
	r = n->remote->ops->fallocate(h, mode, off, size);
	remote_handle_put(h);
	return r;
}

/* By whatever handle there is: each syncs the whole file. */
static int cache_fsync(void *owner, bool data_only)
{
	struct rnode *n = owner;
	struct remote_handle *h;
	int r = 0;

	mutex_lock(&n->remote->lock);
	h = n->handles[HANDLE_RDWR] ? n->handles[HANDLE_RDWR] : n->handles[HANDLE_WRONLY];
	h = h ? h : n->handles[HANDLE_READ];
	if (h)
		remote_handle_get(h);
	mutex_unlock(&n->remote->lock);
	if (!h)
		r = handle_get(n, HANDLE_READ, &h);
	if (r < 0)
		return r;
	r = n->remote->ops->fsync(h, data_only);
	remote_handle_put(h);
	return r;
}

static int64_t cache_seek(void *owner, uint64_t off, int whence)
{
	struct rnode *n = owner;
	struct remote_handle *h;
	int64_t r = handle_get(n, HANDLE_READ, &h);

	if (r == -EACCES)
		r = handle_get_for(n, true, &h);
	if (r < 0)
		return r;
	r = n->remote->ops->seek(h, (int64_t)off, whence);
	remote_handle_put(h);
	return r;
}

static int cache_size(void *owner, uint64_t *size)
{
	struct rnode *n = owner;
	struct remote_handle *h = handle_peek(n);
	struct statx stx;
	int r = h ? n->remote->ops->getattr(h, &stx) : -ESTALE;

	remote_handle_put(h);
	if (r == 0)
		*size = stx.stx_size;
	return r;
}

static const struct pagecache_ops cache_ops = {
	.get = cache_get,
	.put = cache_put,
	.dirtied = cache_dirtied,
	.cleaned = cache_cleaned,
	.read = cache_read,
	.write = cache_write,
	.truncate = cache_truncate,
	.fallocate = cache_fallocate,
	.fsync = cache_fsync,
	.seek = cache_seek,
	.size = cache_size,
};

/* ---- which way ---- */

static enum pagecache_mode mode_of(const struct remote *rm)
{
	static const enum pagecache_mode modes[] = {
		[REMOTE_EXCLUSIVE] = PAGECACHE_EXCLUSIVE,
		[REMOTE_WRITETHROUGH] = PAGECACHE_WRITETHROUGH,
		[REMOTE_SHARED] = PAGECACHE_SHARED,
	};

	return modes[rm->cache];
}

static int go_cached(struct rnode *n)
{
	struct remote *rm = n->remote;
	struct pagecache *pc;
	int r;

	if (!rm->caches)
		return -EIO;
	/* From here on the size is the cache's: it must be right. */
	r = rnode_refresh(n);
	if (r == 0)
		r = pagecache_create(rm->caches, &cache_ops, n, rm, mode_of(rm), n->st.size, &pc);
	if (r < 0)
		return r;
	n->mappable.ops = &remote_cached_mappable_ops;
	atomic_store_explicit(&n->cache, pc, memory_order_release);
	return 0;
}

int cached_decide(struct rnode *n, const struct remote_handle *h)
{
	bool direct = h->host && !n->remote->forcecache;
	int r = 0;

	if (likely(atomic_load_explicit(&n->way, memory_order_acquire) != WAY_OPEN))
		return 0;
	mutex_lock(&n->write_lock);
	if (atomic_load(&n->way) == WAY_OPEN) {
		r = direct ? 0 : go_cached(n);
		if (r == 0)
			atomic_store(&n->way, direct ? WAY_DIRECT : WAY_CACHED);
	}
	mutex_unlock(&n->write_lock);
	return r;
}

void cached_fini(struct rnode *n)
{
	pagecache_destroy(atomic_load(&n->cache));
}

int cached_truncate(struct rnode *n, uint64_t size)
{
	int r = pagecache_truncate(rnode_cache(n), size);

	if (r == 0 && !remote_is_shared(n->remote))
		times_written(n);
	return r;
}

/* ---- the open file ---- */

static bool is_shared(const struct rnode *n)
{
	return remote_is_shared(n->remote);
}

static unsigned io_flags(const struct file *f, const struct io *io)
{
	unsigned flags = atomic_load_explicit(&f->flags, memory_order_relaxed) & O_DIRECT
				 ? PAGECACHE_DIRECT
				 : 0;

	return flags | (io->flags & RWF_NOWAIT ? PAGECACHE_NOWAIT : 0);
}

static ssize_t cached_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct rnode *n = rnode_of(f->inode);
	struct remote_file *rf = f->priv;
	ssize_t r = pagecache_read(rnode_cache(n), u, *pos, &rf->ra, io_flags(f, io));

	if (r > 0) {
		*pos += (fileoff_t)r;
		if (!is_shared(n))
			times_read(n, f);
	}
	return r;
}

/* How much may be written, and from where. */
static int64_t limit_locked(struct rnode *n, struct uio *u, fileoff_t *pos, const struct io *io)
{
	uint64_t size = 0;
	int r = io->flags & RWF_APPEND ? pagecache_size(rnode_cache(n), &size) : 0;

	return r < 0 ? r : vfs_write_limit(io, pos, size, u->remaining);
}

static ssize_t write_locked(struct rnode *n, struct file *f, struct uio *u, fileoff_t *pos,
			    struct io *io)
{
	int rwf = remote_write_flags(f, io);
	unsigned down = 0;
	int64_t may = limit_locked(n, u, pos, io);
	size_t cut;
	ssize_t r;

	if (may <= 0)
		return may;
	down |= rwf & RWF_SYNC ? PAGECACHE_IO_SYNC : 0;
	down |= rwf & RWF_DSYNC ? PAGECACHE_IO_DSYNC : 0;
	/* Others append too: where the end is, only the backend knows. */
	down |= (io->flags & RWF_APPEND) && is_shared(n) ? PAGECACHE_IO_APPEND : 0;
	cut = u->remaining - (size_t)may;
	u->remaining -= cut;
	r = pagecache_write(rnode_cache(n), u, *pos, io_flags(f, io), down);
	u->remaining += cut;
	if (r <= 0)
		return r;
	*pos += (fileoff_t)r;
	if (down & PAGECACHE_IO_APPEND)
		*pos = rnode_size(n);
	if (n->remote->cache == REMOTE_EXCLUSIVE)
		times_written(n);
	else
		rnode_changed(n);
	return r;
}

static ssize_t cached_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct rnode *n = rnode_of(f->inode);
	int rwf = remote_write_flags(f, io), err;
	ssize_t r;

	mutex_lock(&n->write_lock);
	r = write_locked(n, f, u, pos, io);
	mutex_unlock(&n->write_lock);
	/* Written, but not yet where it was asked to be. */
	if (r > 0 && (rwf & (RWF_SYNC | RWF_DSYNC)) && n->remote->cache == REMOTE_EXCLUSIVE) {
		err = pagecache_fsync(rnode_cache(n), *pos - (uint64_t)r, *pos, !(rwf & RWF_SYNC));
		err = remote_file_check(f, err);
		if (err < 0)
			return err;
	}
	return r;
}

static int64_t cached_lseek(struct file *f, int64_t off, int whence,
			    const struct vfs_ctx *ctx UNUSED)
{
	struct pagecache *pc = rnode_cache(rnode_of(f->inode));
	uint64_t size = 0;
	int64_t r = whence == SEEK_END ? pagecache_size(pc, &size) : 0;

	if (r < 0)
		return r;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return vfs_lseek_size(f, off, whence, size);
	r = off < 0 ? -ENXIO : pagecache_seek(pc, (uint64_t)off, whence);
	if (r >= 0)
		f->pos = (fileoff_t)r;
	return r;
}

static int cached_fsync(struct file *f, bool data_only)
{
	struct pagecache *pc = rnode_cache(rnode_of(f->inode));

	return remote_file_check(f, pagecache_fsync(pc, 0, UINT64_MAX, data_only));
}

static int cached_sync_range(struct file *f, uint64_t off, uint64_t size, unsigned flags UNUSED)
{
	struct pagecache *pc = rnode_cache(rnode_of(f->inode));

	return remote_file_check(f, pagecache_flush(pc, off, size ? off + size : UINT64_MAX));
}

/* Others are to see what was stored through mappings, too. */
static int cached_flush(struct file *f, const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *n = rnode_of(f->inode);

	if (n->remote->cache != REMOTE_WRITETHROUGH || !file_may_write(f))
		return 0;
	return remote_file_check(f, pagecache_flush(rnode_cache(n), 0, UINT64_MAX));
}

static int cached_fallocate(struct file *f, int mode, uint64_t off, uint64_t len,
			    const struct vfs_ctx *ctx)
{
	struct rnode *n = rnode_of(f->inode);
	uint64_t size;
	int r;

	mutex_lock(&n->write_lock);
	r = pagecache_size(rnode_cache(n), &size);
	if (r == 0 && !(mode & FALLOC_FL_KEEP_SIZE) && off + len > size &&
	    off + len > ctx->fsize_limit)
		r = -EFBIG;
	if (r == 0)
		r = pagecache_fallocate(rnode_cache(n), mode, off, len);
	mutex_unlock(&n->write_lock);
	if (r == 0 && n->remote->cache == REMOTE_EXCLUSIVE)
		times_written(n);
	if (r == 0)
		rnode_refresh_later(n);
	return r;
}

static int cached_fadvise(struct file *f, uint64_t off, uint64_t len, int advice)
{
	struct pagecache *pc = rnode_cache(rnode_of(f->inode));
	struct remote_file *rf = f->priv;
	uint64_t end = len && off + len > off ? off + len : UINT64_MAX;

	switch (advice) {
	case POSIX_FADV_NORMAL:
		atomic_store(&rf->ra.advice, PAGECACHE_NORMAL);
		break;
	case POSIX_FADV_SEQUENTIAL:
		atomic_store(&rf->ra.advice, PAGECACHE_SEQUENTIAL);
		break;
	case POSIX_FADV_RANDOM:
		atomic_store(&rf->ra.advice, PAGECACHE_RANDOM);
		break;
	case POSIX_FADV_WILLNEED:
		pagecache_will_need(pc, off, MIN(end, pagecache_cached_size(pc)));
		break;
	case POSIX_FADV_DONTNEED:
		pagecache_wont_need(pc, off, end);
		break;
	default:
		break;
	}
	return 0;
}

/* ---- from file to file ---- */

struct copy {
	const struct remote_ops *ops;
	struct remote_handle *in, *out;
	uint64_t in_off, out_off;
	size_t size;
};

static ssize_t run_copy(void *arg)
{
	const struct copy *c = arg;

	return c->ops->copy(c->in, c->in_off, c->out, c->out_off, c->size);
}

ssize_t cached_copy_range(struct file *in, uint64_t in_off, struct file *out, uint64_t out_off,
			  size_t size)
{
	struct rnode *from = rnode_of(in->inode), *n = rnode_of(out->inode);
	struct remote_file *rin = in->priv, *rout = out->priv;
	struct copy c = { n->remote->ops, rin->h, rout->h, in_off, out_off, size };
	ssize_t r = 0;

	/* All of it: the backend's file must be as long as ours. */
	if (rnode_cache(from))
		r = pagecache_flush(rnode_cache(from), 0, UINT64_MAX);
	if (r < 0)
		return r;
	mutex_lock(&n->write_lock);
	r = rnode_cache(n) ? pagecache_replace(rnode_cache(n), out_off, size, run_copy, &c)
			   : run_copy(&c);
	mutex_unlock(&n->write_lock);
	if (r > 0 && n->remote->cache == REMOTE_EXCLUSIVE && rnode_cache(n))
		times_written(n);
	return r;
}

const struct file_ops remote_cached_fops = {
	.name = "file",
	.release = remote_release,
	.flush = cached_flush,
	.read = cached_read,
	.write = cached_write,
	.lseek = cached_lseek,
	.fsync = cached_fsync,
	.sync_range = cached_sync_range,
	.fallocate = cached_fallocate,
	.fadvise = cached_fadvise,
	.mappable = remote_mappable,
	.copy_range = remote_copy_range,
};

/* ---- as a mappable ---- */

static struct rnode *rnode_of_mappable(struct mappable *m)
{
	return container_of(m, struct rnode, mappable);
}

/* The first mapping of a kind makes n used, the last one unused. */
static void map_count(struct rnode *n, uint64_t size, bool writable, bool adds)
{
	uint64_t before;

	before = adds ? atomic_fetch_add(&n->mapped_cached[writable], size)
		      : atomic_fetch_sub(&n->mapped_cached[writable], size);
	if (adds && before == 0)
		handles_use(n, writable);
	else if (!adds && before == size)
		handles_unuse(n, writable);
}

/* What faults and write-back will need is opened now, and kept. */
static int open_for_map(struct rnode *n, bool writable)
{
	struct remote_handle *h;
	int r = handle_get(n, writable ? HANDLE_RDWR : HANDLE_READ, &h);

	if (r == 0)
		remote_handle_put(h);
	return r == -ESTALE ? -ENODEV : r;
}

static int cached_add_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr,
			      uint64_t size, fileoff_t off, bool writable)
{
	struct rnode *n = rnode_of_mappable(m);
	int r;

	if (is_shared(n))
		return -ENODEV;
	map_count(n, size, writable, true);
	r = open_for_map(n, writable);
	if (r == 0)
		r = pagecache_add_mapping(rnode_cache(n), ms, addr, size, off, writable);
	if (r < 0)
		map_count(n, size, writable, false);
	return r;
}

static void cached_remove_mapping(struct mappable *m, struct mapping_space *ms, gva_t addr,
				  uint64_t size, fileoff_t off, bool writable)
{
	struct rnode *n = rnode_of_mappable(m);

	pagecache_remove_mapping(rnode_cache(n), ms, addr, size, off, writable);
	map_count(n, size, writable, false);
}

static int cached_copy_mapping(struct mappable *m, struct mapping_space *ms, gva_t src UNUSED,
			       gva_t dst, uint64_t size, fileoff_t off, bool writable)
{
	return cached_add_mapping(m, ms, dst, size, off, writable);
}

static int cached_translate(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			    fileoff_t opt_end, int access, struct translation *out, unsigned max,
			    unsigned *count)
{
	return pagecache_translate(rnode_cache(rnode_of_mappable(m)), start, end, opt_start,
				   opt_end, access, out, max, count);
}

static int cached_punch(struct mappable *m, fileoff_t off, uint64_t size)
{
	struct rnode *n = rnode_of_mappable(m);
	int r;

	if (n->remote->readonly)
		return -EROFS;
	mutex_lock(&n->write_lock);
	r = pagecache_fallocate(rnode_cache(n), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off,
				size);
	mutex_unlock(&n->write_lock);
	if (r == 0)
		times_written(n);
	return r;
}

static int cached_map_sync(struct mappable *m, fileoff_t off, uint64_t size)
{
	return pagecache_fsync(rnode_cache(rnode_of_mappable(m)), off, off + size, true);
}

const struct mappable_ops remote_cached_mappable_ops = {
	.get = remote_map_get,
	.put = remote_map_put,
	.add_mapping = cached_add_mapping,
	.remove_mapping = cached_remove_mapping,
	.copy_mapping = cached_copy_mapping,
	.translate = cached_translate,
	.punch = cached_punch,
	.sync = cached_map_sync,
	.describe = remote_describe,
};
