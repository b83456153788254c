/*
 * Opening files for execution. Programs need execute permission, not read
 * permission: a program that its user may run but not read is opened with the
 * kernel's own right to read.
 */
#include "loader/internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "abi/stat.h"
#include "memmap/block.h"

/* Regular, on a mount that allows execution, executable for the caller. */
static int may_exec(const struct vfs_ctx *ctx, const struct path *p)
{
	struct inode *inode = path_inode(p);

	if (!inode)
		return -ENOENT;
	if (!S_ISREG(inode->mode) || (mount_flags(p->mount) & MS_NOEXEC))
		return -EACCES;
	return vfs_permission(ctx, inode, X_OK);
}

/* Opens with a credential that may read everything. */
static int open_unreadable(const struct vfs_ctx *ctx, const struct path *p, struct file **out)
{
	struct vfs_ctx kernel_ctx = *ctx;
	struct cred *cred = cred_create(0, 0);
	int err;

	if (!cred)
		return -ENOMEM;
	kernel_ctx.cred = cred;
	err = vfs_open_path(&kernel_ctx, p, O_RDONLY | O_CLOEXEC, out);
	cred_put(cred);
	return err;
}

int loader_open_path(const struct vfs_ctx *ctx, const struct path *p, struct file **out)
{
	int err = may_exec(ctx, p);

	*out = NULL;
	if (err)
		return err;
	if (vfs_permission(ctx, path_inode(p), R_OK))
		err = open_unreadable(ctx, p, out);
	else
		err = vfs_open_path(ctx, p, O_RDONLY | O_CLOEXEC, out);
	if (err)
		return err;
	err = file_deny_write(*out);
	if (err) {
		file_put(*out);
		*out = NULL;
	}
	return err;
}

int loader_open(const struct vfs_ctx *ctx, const struct path *dir, const char *name,
		unsigned lookup_flags, struct file **out)
{
	struct path p;
	int err = vfs_lookup(ctx, dir, name, lookup_flags, &p);

	*out = NULL;
	if (err)
		return err;
	/* Without LOOKUP_FOLLOW a symlink is found itself: execveat(2). */
	if (path_inode(&p) && S_ISLNK(path_inode(&p)->mode))
		err = -ELOOP;
	else
		err = loader_open_path(ctx, &p, out);
	path_put(&p);
	return err;
}

/* Reads until size bytes are there or the file ends. */
static ssize_t read_some(struct file *f, const struct vfs_ctx *ctx, uint64_t off, void *buf,
			 size_t size)
{
	struct io io = { .ctx = ctx };
	struct uio_seg seg;
	struct uio u;
	fileoff_t pos = off;
	size_t done = 0;
	ssize_t n;

	if (!size || off > (uint64_t)INT64_MAX - size)
		return 0;
	uio_init_kernel(&u, &seg, UIO_TO_USER, buf, size);
	while (done < size) {
		n = file_read(f, &u, &pos, &io);
		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int loader_read_exact(struct file *f, const struct vfs_ctx *ctx, uint64_t off, void *buf,
		      size_t size, int if_short)
{
	ssize_t n = read_some(f, ctx, off, buf, size);

	if (n < 0)
		return (int)n;
	return (size_t)n == size ? 0 : if_short;
}

ssize_t loader_read_head(struct file *f, const struct vfs_ctx *ctx, void *buf, size_t size)
{
	memset(buf, 0, size);
	return read_some(f, ctx, 0, buf, size);
}
