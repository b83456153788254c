/*
 * Calls on open files: checks in Linux's order, then the op. A file without the
 * op gets the answer that Linux gives for its kind.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "abi/fcntl.h"
#include "abi/stat.h"

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

/* ---- what is to be opened ---- */

#define OPEN_FLAGS                                                                              \
	((uint64_t)(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | \
		    O_SYNC | O_DSYNC | O_ASYNC | O_DIRECT | ABI_O_LARGEFILE | O_DIRECTORY |     \
		    O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE))
#define PATH_FLAGS ((uint64_t)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))

#define RESOLVE_SCOPED ((uint64_t)(ABI_RESOLVE_BENEATH | ABI_RESOLVE_IN_ROOT))

struct abi_open_how open_how_old(unsigned flags, uint64_t mode)
{
	return (struct abi_open_how){ .flags = flags & OPEN_FLAGS, .mode = mode & 07777 };
}

int open_how_check(const struct abi_open_how *how)
{
	bool makes = how->flags & (O_CREAT | ABI_O_TMPFILE_BIT);

	if ((how->flags & ~OPEN_FLAGS) || (how->resolve & ~(uint64_t)ABI_RESOLVE_VALID))
		return -EINVAL;
	if ((how->mode & ~(uint64_t)07777) || (how->mode && !makes))
		return -EINVAL;
	if ((how->flags & O_PATH) && (how->flags & ~PATH_FLAGS))
		return -EINVAL;
	return 0;
}

const char *open_dir_name(uint64_t resolve, const char *name)
{
	return resolve & RESOLVE_SCOPED ? "." : name;
}

/* ---- statx(2) ---- */

static struct abi_statx_timestamp statx_time(const struct timespec_k *ts)
{
	return (struct abi_statx_timestamp){ .sec = ts->sec, .nsec = ts->nsec };
}

void statx_fill(const struct cred *c, const struct kstat *st, const struct path *p,
		struct abi_statx *out)
{
	*out = (struct abi_statx){
		.mask = (st->mask ? st->mask : STATX_BASIC_STATS) | STATX_MNT_ID,
		.blksize = st->blksize,
		.nlink = (uint32_t)st->nlink,
		.uid = cred_uid_out(c, st->uid),
		.gid = cred_gid_out(c, st->gid),
		.mode = (uint16_t)st->mode,
		.ino = st->ino,
		.size = st->size,
		.blocks = st->blocks,
		.attributes = path_is_mount_root(p) ? STATX_ATTR_MOUNT_ROOT : 0,
		.attributes_mask = STATX_ATTR_MOUNT_ROOT,
		.atime = statx_time(&st->atime),
		.btime = statx_time(&st->btime),
		.ctime = statx_time(&st->ctime),
		.mtime = statx_time(&st->mtime),
		.rdev_major = major(st->rdev),
		.rdev_minor = minor(st->rdev),
		.dev_major = major(st->dev),
		.dev_minor = minor(st->dev),
		.mnt_id = st->mnt_id,
	};
}

bool statx_args_are_valid(unsigned flags, uint32_t mask)
{
	const unsigned known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH |
			       AT_STATX_SYNC_TYPE;

	if ((mask & STATX__RESERVED) || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return false;
	return !(flags & ~known);
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
