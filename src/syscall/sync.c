/* What is done to a whole file or a range of it: reaching the disk, allocation,
 * truncation, advice, flock. */
#include <fcntl.h>
#include <sys/stat.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "vfs/filecall.h"

typedef long (*file_fn)(struct task *t, const struct vfs_ctx *ctx, struct file *f,
			const uint64_t *a);

static long on_file(struct task *t, const struct sysargs *args, file_fn fn)
{
	struct file *f = fd_get(t, (int)args->a[0]);
	long r;

	if (!f)
		return -EBADF;
	r = fn(t, task_vfs_begin_file(t, f), f, args->a);
	task_vfs_end(t);
	file_put(f);
	return r;
}

static long do_fsync(struct task *t UNUSED, const struct vfs_ctx *ctx UNUSED, struct file *f,
		     const uint64_t *a UNUSED)
{
	return file_fsync(f, false);
}

SYSCALL(fsync)
{
	return on_file(t, args, do_fsync);
}

static long do_fdatasync(struct task *t UNUSED, const struct vfs_ctx *ctx UNUSED, struct file *f,
			 const uint64_t *a UNUSED)
{
	return file_fsync(f, true);
}

SYSCALL(fdatasync)
{
	return on_file(t, args, do_fdatasync);
}

SYSCALL(sync)
{
	(void)vfs_sync_all(t->kernel->vfs);
	return 0;
}

static long do_syncfs(struct task *t UNUSED, const struct vfs_ctx *ctx UNUSED, struct file *f,
		      const uint64_t *a UNUSED)
{
	return file_sync_fs(f);
}

SYSCALL(syncfs)
{
	return on_file(t, args, do_syncfs);
}

static long do_sync_range(struct task *t UNUSED, const struct vfs_ctx *ctx UNUSED, struct file *f,
			  const uint64_t *a)
{
	return file_sync_range(f, (int64_t)a[1], (int64_t)a[2], (unsigned)a[3]);
}

SYSCALL(sync_file_range)
{
	return on_file(t, args, do_sync_range);
}

static long do_fallocate(struct task *t, const struct vfs_ctx *ctx, struct file *f,
			 const uint64_t *a)
{
	long r = file_fallocate(f, (int)a[1], (int64_t)a[2], (int64_t)a[3], ctx);

	return syscall_write_result(t, r);
}

SYSCALL(fallocate)
{
	return on_file(t, args, do_fallocate);
}

static long do_ftruncate(struct task *t, const struct vfs_ctx *ctx, struct file *f,
			 const uint64_t *a)
{
	if ((int64_t)a[1] < 0)
		return -EINVAL;
	if (atomic_load(&f->flags) & O_PATH)
		return -EBADF;
	return syscall_write_result(t, vfs_truncate(ctx, &f->path, f, a[1]));
}

SYSCALL(ftruncate)
{
	return on_file(t, args, do_ftruncate);
}

static long do_truncate(struct task *t, const struct vfs_ctx *ctx, const struct path *p, void *arg)
{
	return syscall_write_result(t, vfs_truncate(ctx, p, NULL, *(const uint64_t *)arg));
}

SYSCALL(truncate)
{
	uint64_t size = args->a[1];

	if ((int64_t)size < 0)
		return -EINVAL;
	return syscall_on_path(t, AT_FDCWD, args->a[0], LOOKUP_FOLLOW, do_truncate, &size);
}

static long do_fadvise(struct task *t UNUSED, const struct vfs_ctx *ctx UNUSED, struct file *f,
		       const uint64_t *a)
{
	return file_fadvise(f, (int64_t)a[1], (int64_t)a[2], (int)a[3]);
}

SYSCALL(fadvise64)
{
	return on_file(t, args, do_fadvise);
}

static long do_readahead(struct task *t UNUSED, const struct vfs_ctx *ctx UNUSED, struct file *f,
			 const uint64_t *a)
{
	if (!file_may_read(f))
		return -EBADF;
	if (!S_ISREG(f->inode->mode) && !S_ISBLK(f->inode->mode))
		return -EINVAL;
	return file_fadvise(f, (int64_t)a[1], (int64_t)(a[2] & INT64_MAX), POSIX_FADV_WILLNEED);
}

SYSCALL(readahead)
{
	return on_file(t, args, do_readahead);
}

static long do_flock(struct task *t UNUSED, const struct vfs_ctx *ctx, struct file *f,
		     const uint64_t *a)
{
	return vfs_flock(f, (int)a[1], ctx);
}

SYSCALL(flock)
{
	return on_file(t, args, do_flock);
}
