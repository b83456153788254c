/*
 * Extended attributes: the rules of the name spaces (xattr(7)); the values are
 * the file system's. POSIX ACLs (system.*) are not kept.
 */
#include <linux/limits.h>
#include <linux/limits.h>
#include <linux/xattr.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "vfs/internal.h"
#include "vfs/notify.h"

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static int check_user(const struct vfs_ctx *ctx, const struct inode *inode, int mask)
{
	if (!S_ISREG(inode->mode) && !S_ISDIR(inode->mode))
		return mask & MAY_WRITE ? -EPERM : -ENODATA;
	if (S_ISDIR(inode->mode) && (inode->mode & S_ISVTX) && (mask & MAY_WRITE) &&
	    !perm_is_owner(ctx, inode))
		return -EPERM;
	return 0;
}

static int check_name(const struct vfs_ctx *ctx, struct inode *inode, const char *name, int mask)
{
	size_t len = strlen(name);
	int r;

	if (len == 0 || len > XATTR_NAME_MAX)
		return -ERANGE;
	if (has_prefix(name, "security.")) {
		if (!(mask & MAY_WRITE))
			return 0;
		return cred_has_cap(ctx->cred, strcmp(name, "security.capability") == 0
						       ? CAP_SETFCAP
						       : CAP_SYS_ADMIN)
			       ? 0
			       : -EPERM;
	}
	if (has_prefix(name, "trusted.")) {
		if (!cred_has_cap(ctx->cred, CAP_SYS_ADMIN))
			return mask & MAY_WRITE ? -EPERM : -ENODATA;
	} else if (has_prefix(name, "user.")) {
		if (name[5] == '\0')
			return -EINVAL;
		r = check_user(ctx, inode, mask);
		if (r < 0)
			return r;
	} else {
		return -EOPNOTSUPP;
	}
	return vfs_permission(ctx, inode, mask);
}

ssize_t vfs_getxattr(const struct vfs_ctx *ctx, const struct path *p, const char *name, void *buf,
		     size_t size)
{
	struct inode *inode = path_inode(p);
	int r = check_name(ctx, inode, name, MAY_READ);

	if (r < 0)
		return r;
	return inode->ops->getxattr ? inode->ops->getxattr(inode, name, buf, size) : -EOPNOTSUPP;
}

static int check_change(const struct vfs_ctx *ctx, const struct path *p, const char *name)
{
	if (mount_is_readonly(p->mount))
		return -EROFS;
	return check_name(ctx, path_inode(p), name, MAY_WRITE);
}

int vfs_setxattr(const struct vfs_ctx *ctx, const struct path *p, const char *name, const void *val,
		 size_t size, int flags)
{
	struct inode *inode = path_inode(p);
	int r;

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	r = check_change(ctx, p, name);
	if (r < 0)
		return r;
	if (!inode->ops->setxattr)
		return -EOPNOTSUPP;
	r = inode->ops->setxattr(inode, name, val, size, flags);
	if (notify_is_on() && r == 0)
		notify_dentry(p->dentry, NOTIFY_ATTRIB);
	return r;
}

int vfs_removexattr(const struct vfs_ctx *ctx, const struct path *p, const char *name)
{
	struct inode *inode = path_inode(p);
	int r = check_change(ctx, p, name);

	if (r < 0)
		return r;
	if (!inode->ops->removexattr)
		return -EOPNOTSUPP;
	r = inode->ops->removexattr(inode, name);
	if (notify_is_on() && r == 0)
		notify_dentry(p->dentry, NOTIFY_ATTRIB);
	return r;
}

/* Takes the names out of the list that the caller may not see. */
static size_t filter_names(const struct vfs_ctx *ctx, char *list, size_t size)
{
	size_t kept = 0, len;

	if (cred_has_cap(ctx->cred, CAP_SYS_ADMIN))
		return size;
	for (size_t at = 0; at < size; at += len) {
		len = strnlen(list + at, size - at - 1) + 1;
		if (has_prefix(list + at, "trusted."))
			continue;
		memmove(list + kept, list + at, len);
		kept += len;
	}
	return kept;
}

ssize_t vfs_listxattr(const struct vfs_ctx *ctx, const struct path *p, char *buf, size_t size)
{
	struct inode *inode = path_inode(p);
	char *all;
	ssize_t r;

	if (!inode->ops->listxattr)
		return -EOPNOTSUPP;
	all = FAULT_POINT("xattr.list") ? NULL : malloc(XATTR_LIST_MAX);
	if (!all)
		return -ENOMEM;
	r = inode->ops->listxattr(inode, all, XATTR_LIST_MAX);
	if (r > 0)
		r = (ssize_t)filter_names(ctx, all, (size_t)r);
	if (r > 0 && size > 0) {
		if ((size_t)r > size)
			r = -ERANGE;
		else
			memcpy(buf, all, (size_t)r);
	}
	free(all);
	return r;
}
