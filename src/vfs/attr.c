/*
 * Attributes of a place that is already found: who may change what, and what a
 * change of one takes along (setuid bits, times).
 *
 * The file system stores; it sets ctime by itself, and mtime when the size
 * changes.
 */
#include <linux/stat.h>
#include <sys/stat.h>

#include "vfs/internal.h"
#include "vfs/notify.h"

#define KEEP (~0u)

int attr_set(const struct vfs_ctx *ctx, struct inode *inode, const struct setattr *sa)
{
	return inode->ops->setattr ? inode->ops->setattr(inode, sa, ctx) : -EPERM;
}

/* ... and tells who watches. */
static int change(const struct vfs_ctx *ctx, const struct path *p, const struct setattr *sa)
{
	int r = attr_set(ctx, path_inode(p), sa);

	if (r == 0)
		notify_changed(p->dentry, sa->valid);
	return r;
}

int vfs_getattr(const struct vfs_ctx *ctx, const struct path *p, struct kstat *st)
{
	struct inode *inode = path_inode(p);
	int r = 0;

	if (inode->ops->getattr)
		r = inode->ops->getattr(inode, st, ctx);
	else
		inode_fill_stat(inode, st);
	st->mnt_id = p->mount->id;
	return r;
}

/* A setgid bit without group execution means mandatory locking, once. */
static bool has_priv_bits(uint32_t mode)
{
	return (mode & S_ISUID) || (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
}

int attr_kill_priv(const struct vfs_ctx *ctx, struct inode *inode)
{
	struct setattr sa = { .valid = SETATTR_KILL_PRIV };

	if (!S_ISREG(inode->mode) || !has_priv_bits(inode->mode))
		return 0;
	if (perm_has_cap(ctx->cred, inode, CAP_FSETID))
		return 0;
	if (notify_is_on())
		notify_inode(inode, NOTIFY_ATTRIB);
	return attr_set(ctx, inode, &sa);
}

int vfs_chmod(const struct vfs_ctx *ctx, const struct path *p, uint32_t mode)
{
	struct inode *inode = path_inode(p);
	struct setattr sa = { .valid = SETATTR_MODE, .mode = mode & 07777 };

	if (mount_is_readonly(p->mount))
		return -EROFS;
	if (S_ISLNK(inode->mode))
		return -EOPNOTSUPP;
	if (!perm_is_owner(ctx, inode))
		return -EPERM;
	if (!cred_in_group(ctx->cred, inode->gid) && !perm_has_cap(ctx->cred, inode, CAP_FSETID))
		sa.mode &= ~(uint32_t)S_ISGID;
	return change(ctx, p, &sa);
}

static int may_chown(const struct vfs_ctx *ctx, const struct inode *inode, uint32_t uid,
		     uint32_t gid)
{
	const struct cred *cred = ctx->cred;

	if (perm_has_cap(cred, inode, CAP_CHOWN))
		return 0;
	if (uid != KEEP && (cred->fsuid != inode->uid || uid != inode->uid))
		return -EPERM;
	if (gid != KEEP &&
	    (cred->fsuid != inode->uid || (gid != inode->gid && !cred_in_group(cred, gid))))
		return -EPERM;
	return 0;
}

int vfs_chown(const struct vfs_ctx *ctx, const struct path *p, uint32_t uid, uint32_t gid)
{
	struct inode *inode = path_inode(p);
	struct setattr sa = { .uid = uid, .gid = gid };
	int r;

	if (mount_is_readonly(p->mount))
		return -EROFS;
	r = may_chown(ctx, inode, uid, gid);
	if (r < 0)
		return r;
	if (uid != KEEP)
		sa.valid |= SETATTR_UID;
	if (gid != KEEP)
		sa.valid |= SETATTR_GID;
	/* Even root loses the bits of a program that changes hands. */
	if (!S_ISDIR(inode->mode) && has_priv_bits(inode->mode))
		sa.valid |= SETATTR_KILL_PRIV;
	return sa.valid ? change(ctx, p, &sa) : 0;
}

int vfs_utimes(const struct vfs_ctx *ctx, const struct path *p, const struct setattr *times)
{
	const unsigned now = SETATTR_ATIME_NOW | SETATTR_MTIME_NOW;
	const unsigned any = SETATTR_ATIME | SETATTR_MTIME | now;
	struct inode *inode = path_inode(p);
	struct setattr sa = *times;

	sa.valid &= any;
	if (!sa.valid)
		return 0; /* both UTIME_OMIT */
	if (mount_is_readonly(p->mount))
		return -EROFS;
	if (!perm_is_owner(ctx, inode)) {
		/* "Now" for both asks only for write permission. */
		if ((sa.valid & any) != now)
			return -EPERM;
		if (vfs_permission(ctx, inode, MAY_WRITE) < 0)
			return -EACCES;
	}
	return change(ctx, p, &sa);
}

int vfs_truncate(const struct vfs_ctx *ctx, const struct path *p, struct file *f, uint64_t size)
{
	struct inode *inode = path_inode(p);
	struct setattr sa = { .valid = SETATTR_SIZE, .size = size };
	int r;

	if ((int64_t)size < 0)
		return -EINVAL;
	if (f && !file_may_write(f))
		return -EINVAL;
	if (S_ISDIR(inode->mode))
		return f ? -EINVAL : -EISDIR;
	if (!S_ISREG(inode->mode))
		return -EINVAL;
	if (!f) {
		r = perm_path(ctx, p, MAY_WRITE);
		if (r < 0)
			return r;
		if (inode_is_run(inode))
			return -ETXTBSY;
	}
	if (size > ctx->fsize_limit)
		return -EFBIG;
	r = attr_kill_priv(ctx, inode);
	return r < 0 ? r : change(ctx, p, &sa);
}
