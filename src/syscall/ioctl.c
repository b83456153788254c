/* ioctl(2): what every file understands is answered here, the rest by the file. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/errno.h"
#include "abi/ioctl.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "vfs/filecall.h"

#ifndef FIOQSIZE
#define FIOQSIZE 0x5460
#endif

static long set_flag(struct task *t, const struct vfs_ctx *ctx, struct file *f, unsigned flag,
		     gva_t user)
{
	unsigned flags = atomic_load(&f->flags);
	int on, r = syscall_copy_in(t, &on, user, sizeof(on));

	if (r < 0)
		return r;
	return file_set_flags(f, on ? flags | flag : flags & ~flag, ctx);
}

/* FIONREAD of a file with a size: the bytes from its position on. */
static long bytes_left(struct task *t, const struct vfs_ctx *ctx, struct file *f, gva_t user)
{
	struct kstat st;
	int64_t left;
	int n, r = file_getattr(f, ctx, &st);

	if (r < 0)
		return r;
	left = (int64_t)st.size - file_lseek(f, 0, SEEK_CUR, ctx);
	n = (int)left;
	return syscall_copy_out(t, user, &n, sizeof(n));
}

static long block_size(struct task *t, const struct vfs_ctx *ctx, struct file *f, gva_t user)
{
	struct kstat st;
	int n, r = file_getattr(f, ctx, &st);

	if (r < 0)
		return r;
	n = (int)st.blksize;
	return syscall_copy_out(t, user, &n, sizeof(n));
}

static long file_size(struct task *t, const struct vfs_ctx *ctx, struct file *f, gva_t user)
{
	struct kstat st;
	int r = file_getattr(f, ctx, &st);

	if (r < 0)
		return r;
	if (!S_ISREG(f->inode->mode) && !S_ISDIR(f->inode->mode) && !S_ISLNK(f->inode->mode))
		return -ENOTTY;
	return syscall_copy_out(t, user, &st.size, sizeof(st.size));
}

/* -ENOTTY: not one of the commands that all files have. */
static long ioctl_generic(struct task *t, const struct vfs_ctx *ctx, struct file *f, int fd,
			  unsigned cmd, gva_t arg)
{
	switch (cmd) {
	case FIOCLEX:
		return fd_set_cloexec(t, fd, true);
	case FIONCLEX:
		return fd_set_cloexec(t, fd, false);
	case FIONBIO:
		return set_flag(t, ctx, f, O_NONBLOCK, arg);
	case FIOASYNC:
		return set_flag(t, ctx, f, O_ASYNC, arg);
	case FIOQSIZE:
		return file_size(t, ctx, f, arg);
	case ABI_FIGETBSZ:
		return block_size(t, ctx, f, arg);
	case FIONREAD:
		return S_ISREG(f->inode->mode) ? bytes_left(t, ctx, f, arg) : -ENOTTY;
	}
	return -ENOTTY;
}

static bool is_clone_command(unsigned cmd)
{
	return cmd == ABI_FICLONE || cmd == ABI_FICLONERANGE || cmd == ABI_FIDEDUPERANGE;
}

static long ioctl_run(struct task *t, struct file *f, int fd, unsigned cmd, uint64_t arg)
{
	const struct vfs_ctx *ctx = task_vfs_begin(t);
	long r = ioctl_generic(t, ctx, f, fd, cmd, arg);

	if (r == -ENOTTY && f->ops->ioctl)
		r = f->ops->ioctl(f, cmd, arg, ctx);
	if (r == -ENOTTY && is_clone_command(cmd))
		r = -EOPNOTSUPP;
	task_vfs_end(t);
	return r;
}

SYSCALL(ioctl)
{
	int fd = (int)args->a[0];
	struct file *f = fd_get(t, fd);
	long r = -EBADF;

	if (!f)
		return -EBADF;
	if (!(atomic_load(&f->flags) & O_PATH))
		r = ioctl_run(t, f, fd, (unsigned)args->a[1], args->a[2]);
	file_put(f);
	return r;
}
