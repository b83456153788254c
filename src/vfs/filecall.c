/*
 * Calls on open files: checks in Linux's order, then the op. A file without the
 * op gets the answer that Linux gives for its kind.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "vfs/filecall.h"
#include "vfs/internal.h"

#define SYNC_RANGE_FLAGS \
	(SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)

static bool is_path_only(const struct file *f)
{
	return atomic_load_explicit(&f->flags, memory_order_relaxed) & O_PATH;
}

static bool has_data(const struct file *f)
{
	return S_ISREG(f->inode->mode) || S_ISBLK(f->inode->mode);
}

/* ---- reaching the disk ---- */

int file_fsync(struct file *f, bool data_only)
{
	if (is_path_only(f))
		return -EBADF;
	if (f->ops->fsync)
		return f->ops->fsync(f, data_only);
	return has_data(f) || S_ISDIR(f->inode->mode) ? 0 : -EINVAL;
}

int file_sync_range(struct file *f, int64_t off, int64_t size, unsigned flags)
{
	int64_t end;

	if (is_path_only(f))
		return -EBADF;
	if (off < 0 || size < 0 || (flags & ~(unsigned)SYNC_RANGE_FLAGS) ||
	    add_overflow(off, size, &end))
		return -EINVAL;
	if (!has_data(f) && !S_ISDIR(f->inode->mode) && !S_ISLNK(f->inode->mode))
		return -ESPIPE;
	if (flags && f->ops->sync_range)
		return f->ops->sync_range(f, (uint64_t)off, (uint64_t)size, flags);
	return flags ? file_fsync(f, true) : 0;
}

int file_sync_fs(struct file *f)
{
	struct super *sb = f->inode->sb;

	if (is_path_only(f))
		return -EBADF;
	return sb->ops->sync ? sb->ops->sync(sb) : 0;
}

/* ---- advice ---- */

int file_fadvise(struct file *f, int64_t off, int64_t size, int advice)
{
	if (is_path_only(f))
		return -EBADF;
	if (S_ISFIFO(f->inode->mode))
		return -ESPIPE;
	if (size < 0 || advice < POSIX_FADV_NORMAL || advice > POSIX_FADV_NOREUSE)
		return -EINVAL;
	if (!f->ops->fadvise)
		return 0;
	return f->ops->fadvise(f, (uint64_t)off, (uint64_t)size, advice);
}

/* ---- status flags ---- */

#define FLAGS_CHANGEABLE ((unsigned)(O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME))

int file_set_flags(struct file *f, unsigned flags, const struct vfs_ctx *ctx)
{
	unsigned old = atomic_load(&f->flags);
	unsigned new_flags = (old & ~FLAGS_CHANGEABLE) | (flags & FLAGS_CHANGEABLE);
	int r = 0;

	if (is_path_only(f))
		return -EBADF;
	if ((new_flags & ~old & O_NOATIME) && !perm_is_owner(ctx, f->inode))
		return -EPERM;
	if (f->ops->setfl)
		r = f->ops->setfl(f, new_flags);
	if (r == 0)
		atomic_store(&f->flags, new_flags);
	return r;
}
