/*
 * The open regular file: bytes move straight between the memory file and the
 * caller's memory.
 *
 * Each round pins a stretch of the caller's memory first and takes data_lock
 * then: the caller's memory may be a mapping of this very file, whose faults
 * take data_lock. So a write of many rounds is not atomic as a whole, as in
 * Linux.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "fs/tmpfs/internal.h"

#define ROUND_MAX ((size_t)1 << 20)
#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static struct tmpfs_inode *inode_of(const struct file *f)
{
	return tmpfs_of(f->inode);
}

/* ---- read ---- */

/* One round: bytes read, 0 at the end, -EFAULT. */
static ssize_t read_round(struct tmpfs_inode *ti, struct uio *u, uint64_t pos)
{
	struct block blk[UIO_MAX_BLOCKS];
	uint64_t size = atomic_load(&ti->data.size);
	size_t want = MIN(u->remaining, ROUND_MAX), n = 0;
	unsigned count;
	ssize_t got;

	if (pos >= size)
		return 0;
	got = uio_pin(u, (size_t)MIN(want, size - pos), blk, UIO_MAX_BLOCKS, &count);
	if (got < 0)
		return got;
	rwlock_read(&ti->data.data_lock);
	size = ti->data.size;
	if (pos < size) {
		got = (ssize_t)MIN((uint64_t)got, size - pos);
		n = tmpfs_copy_out_locked(ti, pos, (size_t)got, blk);
	} else {
		got = 0;
	}
	rwlock_read_unlock(&ti->data.data_lock);
	uio_unpin(u);
	uio_advance(u, n);
	return n == 0 && got > 0 ? -EFAULT : (ssize_t)n;
}

static ssize_t tmpfs_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct tmpfs_inode *ti = inode_of(f);
	ssize_t done = 0, n;

	(void)io;
	while (u->remaining > 0) {
		n = read_round(ti, u, *pos);
		if (n < 0 && done == 0)
			return n;
		if (n <= 0)
			break;
		done += n;
		*pos += (uint64_t)n;
	}
	tmpfs_accessed(ti, f);
	return done;
}

/* ---- write ---- */

/* How many of n bytes may be written at pos, by seals. */
static int64_t seal_limit(const struct tmpfs_data *d, uint64_t pos, uint64_t n)
{
	unsigned seals = atomic_load(&d->seals);

	if (seals & SEALS_WRITE)
		return -EPERM;
	if (!(seals & F_SEAL_GROW) || pos + n <= d->size)
		return (int64_t)n;
	return pos >= d->size ? -EPERM : (int64_t)(d->size - pos);
}

static ssize_t write_locked(struct tmpfs_inode *ti, const struct block *blk, size_t got,
			    fileoff_t *pos, const struct io *io)
{
	struct tmpfs_data *d = &ti->data;
	int64_t n = vfs_write_limit(io, pos, d->size, got);
	uint64_t filled;
	int err;

	if (n > 0)
		n = seal_limit(d, *pos, (uint64_t)n);
	if (n <= 0)
		return n;
	filled = tmpfs_grow_locked(ti, page_down(*pos), page_up(*pos + (uint64_t)n), &err);
	if (filled <= *pos)
		return err;
	tmpfs_clear_end_locked(ti, *pos);
	n = (int64_t)MIN((uint64_t)n, filled - *pos);
	n = (int64_t)tmpfs_copy_in_locked(ti, *pos, (size_t)n, blk);
	if (n == 0)
		return -EFAULT;
	if (*pos + (uint64_t)n > d->size)
		d->size = *pos + (uint64_t)n;
	return n;
}

static ssize_t write_round(struct tmpfs_inode *ti, struct uio *u, fileoff_t *pos,
			   const struct io *io)
{
	struct block blk[UIO_MAX_BLOCKS];
	unsigned count;
	ssize_t got = uio_pin(u, MIN(u->remaining, ROUND_MAX), blk, UIO_MAX_BLOCKS, &count), n;

	if (got < 0)
		return got;
	rwlock_write(&ti->data.data_lock);
	n = write_locked(ti, blk, (size_t)got, pos, io);
	rwlock_write_unlock(&ti->data.data_lock);
	uio_unpin(u);
	if (n > 0) {
		uio_advance(u, (size_t)n);
		*pos += (uint64_t)n;
	}
	return n;
}

static ssize_t tmpfs_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct tmpfs_inode *ti = inode_of(f);
	ssize_t done = 0, n = 0;

	while (u->remaining > 0) {
		n = write_round(ti, u, pos, io);
		if (n <= 0)
			break;
		done += n;
	}
	if (done == 0)
		return n;
	tmpfs_touch(ti);
	return done;
}

/* ---- position, space ---- */

/* The next data (or hole) at or after off; size when there is none. */
static uint64_t seek_locked(struct tmpfs_inode *ti, uint64_t off, bool data)
{
	uint64_t size = ti->data.size;
	struct ivnode *n = ivmap_lower_bound(&ti->data.extents, off);

	if (data)
		return n ? MIN(MAX(n->start, off), size) : size;
	while (n && n->start <= off) {
		off = n->end;
		n = ivmap_next(n);
	}
	return MIN(off, size);
}

static int64_t tmpfs_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx)
{
	struct tmpfs_inode *ti = inode_of(f);
	uint64_t size, to;

	(void)ctx;
	rwlock_read(&ti->data.data_lock);
	size = ti->data.size;
	to = off >= 0 ? seek_locked(ti, (uint64_t)off, whence == SEEK_DATA) : 0;
	rwlock_read_unlock(&ti->data.data_lock);
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return vfs_lseek_size(f, off, whence, size);
	if (off < 0 || (uint64_t)off >= size || (whence == SEEK_DATA && to >= size))
		return -ENXIO;
	f->pos = to;
	return (int64_t)to;
}

static int reserve(struct tmpfs_inode *ti, int mode, uint64_t off, uint64_t end)
{
	struct tmpfs_data *d = &ti->data;
	int r = 0;

	rwlock_write(&d->data_lock);
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > d->size &&
	    (atomic_load(&d->seals) & F_SEAL_GROW))
		r = -EPERM;
	else
		(void)tmpfs_grow_locked(ti, page_down(off), page_up(end), &r);
	if (r == 0 && !(mode & FALLOC_FL_KEEP_SIZE) && end > d->size) {
		tmpfs_clear_end_locked(ti, end);
		d->size = end;
	}
	rwlock_write_unlock(&d->data_lock);
	return r;
}

static int tmpfs_fallocate(struct file *f, int mode, uint64_t off, uint64_t len,
			   const struct vfs_ctx *ctx)
{
	struct tmpfs_inode *ti = inode_of(f);
	int r;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		r = tmpfs_punch(ti, off, off + len);
	} else {
		if (!(mode & FALLOC_FL_KEEP_SIZE) && ctx && off + len > ctx->fsize_limit)
			return -EFBIG;
		r = reserve(ti, mode, off, off + len);
	}
	if (r == 0)
		tmpfs_touch(ti);
	return r;
}

static int tmpfs_fsync(struct file *f, bool data_only)
{
	(void)f;
	(void)data_only;
	return 0;
}

static int tmpfs_fadvise(struct file *f, uint64_t off, uint64_t len, int advice)
{
	(void)f;
	(void)off;
	(void)len;
	(void)advice;
	return 0;
}

static struct mappable *tmpfs_mappable(struct file *f)
{
	return &inode_of(f)->data.mappable;
}

const struct file_ops tmpfs_file_ops = {
	.name = "tmpfs",
	.read = tmpfs_read,
	.write = tmpfs_write,
	.lseek = tmpfs_lseek,
	.fsync = tmpfs_fsync,
	.fallocate = tmpfs_fallocate,
	.fadvise = tmpfs_fadvise,
	.mappable = tmpfs_mappable,
	.fcntl = tmpfs_fcntl,
};
