/*
 * Open file descriptions: references, position, the checks before reads and
 * writes.
 *
 * Position. A file with an lseek op has one: read and write without a position
 * of their own hold pos_lock throughout, so that two threads sharing the file
 * never use the same one. A file without is a stream: it has no position, and a
 * sleeping reader holds nothing.
 *
 * Limits of a write (RLIMIT_FSIZE, the largest offset) are applied here when
 * the position is known; for an append only the file system knows it, and calls
 * vfs_write_limit() itself.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vfs/internal.h"
#include "vfs/notify.h"

#define SIZE_LARGEST ((uint64_t)INT64_MAX)
#define RWF_APPEND_BIT 0x10u
#define RWF_NOAPPEND_BIT 0x20u

static POOL_DEFINE(file_pool, struct file);
static atomic_uint file_count;
static unsigned files_max = 1u << 20;

const struct file_ops path_file_ops = { .name = "path" };

void vfs_set_files_max(unsigned max)
{
	files_max = max;
}

void vfs_get_files(unsigned *open, unsigned *max)
{
	*open = atomic_load(&file_count);
	*max = files_max;
}

/* ---- life ---- */

struct file *file_alloc(const struct path *p, unsigned flags, const struct cred *cred)
{
	struct file *f;

	if (atomic_fetch_add(&file_count, 1) >= files_max) {
		atomic_fetch_sub(&file_count, 1);
		return NULL;
	}
	f = pool_alloc(&file_pool);
	if (!f) {
		atomic_fetch_sub(&file_count, 1);
		return NULL;
	}
	refcount_init(&f->refs, 1);
	atomic_init(&f->flags, flags);
	if (p->mount)
		path_get(p);
	f->path = *p;
	f->inode = p->dentry ? path_inode(p) : NULL;
	f->cred = cred_get(cred);
	mutex_init(&f->pos_lock, LOCK_FILE_POS);
	list_init(&f->epoll_items);
	return f;
}

void file_free(struct file *f)
{
	path_put(&f->path);
	cred_put(f->cred);
	pool_free(&file_pool, f);
	atomic_fetch_sub(&file_count, 1);
}

int file_open_inode(struct file *f, const struct vfs_ctx *ctx)
{
	int r;

	if (S_ISREG(f->inode->mode) || S_ISDIR(f->inode->mode) || S_ISLNK(f->inode->mode) ||
	    (f->inode->sb->flags & SUPER_OPENS_ALL))
		r = f->inode->ops->open ? f->inode->ops->open(f->inode, f, ctx) : -ENXIO;
	else
		r = special_open(f, ctx);
	if (r == 0 && !f->ops->lseek)
		f->is_stream = true;
	return r;
}

int file_open_inner(struct inode *inode, unsigned flags, const struct path *path,
		    const struct vfs_ctx *ctx, struct file **out)
{
	static const struct path nowhere;
	struct file *f =
		file_alloc(path ? path : &nowhere, flags & ~(unsigned)O_CLOEXEC, ctx->cred);
	int r;

	*out = NULL;
	if (!f)
		return -ENFILE;
	f->inode = inode;
	f->is_silent = true;
	r = file_open_inode(f, ctx);
	if (r < 0) {
		file_free(f);
		return r;
	}
	*out = f;
	return 0;
}

void file_get(struct file *f)
{
	refcount_get(&f->refs);
}

void (*vfs_file_going)(struct file *f);

void file_put(struct file *f)
{
	if (!f || !refcount_put(&f->refs))
		return;
	if (!list_empty(&f->epoll_items) && vfs_file_going)
		vfs_file_going(f);
	if (notify_is_on())
		notify_file(f, file_may_write(f) ? NOTIFY_CLOSE_WRITE : NOTIFY_CLOSE_NOWRITE);
	if (atomic_load(&f->inode->locks))
		lock_file_gone(f);
	if (f->ops->release)
		f->ops->release(f);
	file_writers_end(f);
	file_free(f);
}

int file_close(struct file *f, const struct vfs_ctx *ctx)
{
	int r = 0;

	if (f->ops->flush)
		r = f->ops->flush(f, ctx);
	if (atomic_load(&f->inode->locks) && !(atomic_load(&f->flags) & O_PATH))
		vfs_locks_drop_owner(f, ctx->owner);
	return r;
}

bool file_may_read(const struct file *f)
{
	unsigned flags = atomic_load_explicit(&f->flags, memory_order_relaxed);

	return !(flags & O_PATH) && ((flags + 1) & 1);
}

bool file_may_write(const struct file *f)
{
	unsigned flags = atomic_load_explicit(&f->flags, memory_order_relaxed);

	return !(flags & O_PATH) && ((flags + 1) & 2);
}

/* ---- read ---- */

static ssize_t read_at(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	ssize_t r;

	if (*pos > SIZE_LARGEST)
		return -EINVAL;
	r = f->ops->read(f, u, pos, io);
	if (notify_is_on() && r > 0)
		notify_file(f, NOTIFY_ACCESS);
	return r;
}

ssize_t file_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	fileoff_t none = 0;
	ssize_t r;

	if (!file_may_read(f))
		return -EBADF;
	if (!f->ops->read)
		return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	if (f->is_stream)
		return pos ? -ESPIPE : f->ops->read(f, u, &none, io);
	if (pos)
		return read_at(f, u, pos, io);
	mutex_lock(&f->pos_lock);
	r = read_at(f, u, &f->pos, io);
	mutex_unlock(&f->pos_lock);
	return r;
}

/* ---- write ---- */

int64_t vfs_write_limit(const struct io *io, fileoff_t *pos, uint64_t size, uint64_t want)
{
	uint64_t limit = SIZE_LARGEST;

	if (io->flags & RWF_APPEND_BIT)
		*pos = size;
	if (want == 0)
		return 0;
	if (io->ctx && io->ctx->fsize_limit < limit)
		limit = io->ctx->fsize_limit;
	if (*pos >= limit)
		return -EFBIG;
	return (int64_t)MIN(want, limit - *pos);
}

/* A regular file at a position: the limits cut what the uio offers. */
static ssize_t write_limited(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	size_t all = u->remaining, cut;
	int64_t limit;
	ssize_t r;

	if (io->flags & RWF_APPEND_BIT)
		return f->ops->write(f, u, pos, io);
	limit = vfs_write_limit(io, pos, 0, all);
	if (limit < 0)
		return limit;
	cut = all - (size_t)limit;
	u->remaining -= cut;
	r = f->ops->write(f, u, pos, io);
	u->remaining += cut;
	return r;
}

static ssize_t write_checked(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	int r;

	if (*pos > SIZE_LARGEST)
		return -EINVAL;
	if (!S_ISREG(f->inode->mode))
		return f->ops->write(f, u, pos, io);
	if (unlikely(f->inode->mode & (S_ISUID | S_ISGID)) && u->remaining > 0 && io->ctx) {
		r = attr_kill_priv(io->ctx, f->inode);
		if (r < 0)
			return r;
	}
	return write_limited(f, u, pos, io);
}

static ssize_t write_at(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	ssize_t r = write_checked(f, u, pos, io);

	if (notify_is_on() && r > 0)
		notify_file(f, NOTIFY_MODIFY);
	return r;
}

ssize_t file_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	unsigned flags = atomic_load_explicit(&f->flags, memory_order_relaxed);
	struct io mine = *io;
	fileoff_t none = 0;
	ssize_t r;

	if (!file_may_write(f))
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	if (f->is_stream)
		return pos ? -ESPIPE : f->ops->write(f, u, &none, io);
	if ((flags & O_APPEND) && !(mine.flags & RWF_NOAPPEND_BIT))
		mine.flags |= RWF_APPEND_BIT;
	if (pos)
		return write_at(f, u, pos, &mine);
	mutex_lock(&f->pos_lock);
	r = write_at(f, u, &f->pos, &mine);
	mutex_unlock(&f->pos_lock);
	return r;
}

/* ---- position ---- */

int64_t file_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx)
{
	int64_t r;

	if (atomic_load(&f->flags) & O_PATH)
		return -EBADF;
	if (!f->ops->lseek)
		return -ESPIPE;
	mutex_lock(&f->pos_lock);
	r = f->ops->lseek(f, off, whence, ctx);
	mutex_unlock(&f->pos_lock);
	return r;
}

int64_t vfs_lseek_size(struct file *f, int64_t off, int whence, uint64_t size)
{
	int64_t base = 0, to;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = (int64_t)f->pos;
		break;
	case SEEK_END:
		base = (int64_t)size;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (off < 0 || (uint64_t)off >= size)
			return -ENXIO;
		base = whence == SEEK_HOLE ? (int64_t)size - off : 0;
		break;
	default:
		return -EINVAL;
	}
	if (add_overflow(base, off, &to))
		return -EOVERFLOW;
	if (to < 0)
		return -EINVAL;
	if (f->pos != (uint64_t)to) {
		f->pos = (uint64_t)to;
		f->version = 0;
	}
	return to;
}

int file_readdir(struct file *f, dirent_fn emit, void *arg, const struct vfs_ctx *ctx)
{
	int r;

	if (!f->ops->readdir)
		return -ENOTDIR;
	if (dentry_has(f->path.dentry, DENTRY_DELETED))
		return -ENOENT;
	mutex_lock(&f->pos_lock);
	r = f->ops->readdir(f, emit, arg, ctx);
	mutex_unlock(&f->pos_lock);
	if (notify_is_on())
		notify_file(f, NOTIFY_ACCESS);
	return r;
}

int file_fallocate(struct file *f, int mode, int64_t off, int64_t len, const struct vfs_ctx *ctx)
{
	int64_t end;
	int r;

	if (off < 0 || len <= 0)
		return -EINVAL;
	if (!file_may_write(f))
		return -EBADF;
	if (S_ISFIFO(f->inode->mode))
		return -ESPIPE;
	if (S_ISDIR(f->inode->mode))
		return -EISDIR;
	if (!S_ISREG(f->inode->mode) && !S_ISBLK(f->inode->mode))
		return -ENODEV;
	/* Punching never changes the size, and has to say so. */
	if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (add_overflow(off, len, &end))
		return -EFBIG;
	if (!f->ops->fallocate)
		return -EOPNOTSUPP;
	r = attr_kill_priv(ctx, f->inode);
	if (r == 0)
		r = f->ops->fallocate(f, mode, (uint64_t)off, (uint64_t)len, ctx);
	if (notify_is_on() && r == 0)
		notify_file(f, NOTIFY_MODIFY);
	return r;
}

uint32_t file_poll(struct file *f, struct poll_table *pt)
{
	if (!f->ops->poll)
		return EV_IN | EV_OUT | EV_RDNORM | EV_WRNORM;
	return f->ops->poll(f, pt);
}

bool file_updates_atime(const struct file *f, const struct timespec_k *atime,
			const struct timespec_k *mtime, const struct timespec_k *ctime,
			int64_t now_sec)
{
	unsigned flags = f->path.mount ? mount_flags(f->path.mount) : MS_RDONLY;

	if ((flags & (MS_NOATIME | MS_RDONLY)) || (atomic_load(&f->flags) & O_NOATIME))
		return false;
	if ((flags & MS_NODIRATIME) && S_ISDIR(f->inode->mode))
		return false;
	if (flags & MS_STRICTATIME)
		return true;
	if (atime->sec < mtime->sec || (atime->sec == mtime->sec && atime->nsec <= mtime->nsec))
		return true;
	if (atime->sec < ctime->sec || (atime->sec == ctime->sec && atime->nsec <= ctime->nsec))
		return true;
	return now_sec - atime->sec >= 24 * 60 * 60;
}

int file_getattr(struct file *f, const struct vfs_ctx *ctx, struct kstat *st)
{
	return f->ops->fstat ? f->ops->fstat(f, st) : vfs_getattr(ctx, &f->path, st);
}
