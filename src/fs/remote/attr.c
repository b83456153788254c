/*
 * Changing attributes, and xattrs. Each change goes to a handle of the file
 * itself, so that it cannot hit another file that took the name.
 *
 * xattrs are kept for regular files and directories, which can be opened.
 * "system." names (ACLs) are not looked at: permission is mode bits.
 */
#include <linux/xattr.h>
#include <sys/stat.h>

#include "fs/remote/internal.h"

#define ANY_TIME (SETATTR_ATIME | SETATTR_MTIME | SETATTR_ATIME_NOW | SETATTR_MTIME_NOW)

/* ---- attributes ---- */

static struct timespec host_time(const struct timespec_k *t, bool set, bool now)
{
	if (now)
		return (struct timespec){ 0, UTIME_NOW };
	if (!set)
		return (struct timespec){ 0, UTIME_OMIT };
	return (struct timespec){ (time_t)t->sec, (long)t->nsec };
}

static int set_times(struct remote_handle *h, const struct setattr *sa)
{
	const struct timespec ts[2] = {
		host_time(&sa->atime, sa->valid & SETATTR_ATIME, sa->valid & SETATTR_ATIME_NOW),
		host_time(&sa->mtime, sa->valid & SETATTR_MTIME, sa->valid & SETATTR_MTIME_NOW),
	};

	return h->backend->ops->utimens(h, ts);
}

static int set_size(struct rnode *n, uint64_t size)
{
	struct remote_handle *h;
	int r = handle_get_for(n, true, &h);

	if (r < 0)
		return r;
	mutex_lock(&n->write_lock);
	r = rnode_cache(n) ? cached_truncate(n, size) : n->remote->ops->truncate(h, size);
	if (r == 0) {
		mutex_lock(&n->attr_lock);
		n->st.size = size;
		mutex_unlock(&n->attr_lock);
	}
	mutex_unlock(&n->write_lock);
	remote_handle_put(h);
	if (r == 0 && !rnode_cache(n))
		map_truncated(n, size);
	return r;
}

/* The mode that is to be set, and whether one is. */
static bool new_mode(const struct rnode *n, const struct setattr *sa, uint32_t *mode)
{
	uint32_t m = sa->valid & SETATTR_MODE ? sa->mode & 07777 : n->inode.mode & 07777;

	if (sa->valid & SETATTR_KILL_PRIV)
		m &= m & S_IXGRP ? ~(uint32_t)(S_ISUID | S_ISGID) : ~(uint32_t)S_ISUID;
	*mode = m;
	return (sa->valid & SETATTR_MODE) || m != (n->inode.mode & 07777);
}

static int set_others(struct rnode *n, const struct setattr *sa)
{
	const struct remote_ops *ops = n->remote->ops;
	struct remote_handle *h = handle_peek(n);
	uint32_t mode;
	int r = h ? 0 : handle_get(n, HANDLE_PATH, &h);

	if (r < 0)
		return r;
	if (sa->valid & (SETATTR_UID | SETATTR_GID))
		r = ops->chown(h, sa->valid & SETATTR_UID ? sa->uid : UINT32_MAX,
			       sa->valid & SETATTR_GID ? sa->gid : UINT32_MAX);
	if (r == 0 && new_mode(n, sa, &mode))
		r = ops->chmod(h, mode);
	if (r == 0 && (sa->valid & ANY_TIME))
		r = set_times(h, sa);
	if (r == 0 && (sa->valid & ANY_TIME))
		times_set(n, sa);
	rnode_changed(n);
	remote_handle_put(h);
	return r;
}

int remote_setattr(struct inode *inode, const struct setattr *sa, const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *n = rnode_of(inode);
	int r = 0;

	if (n->remote->readonly)
		return -EROFS;
	if (sa->valid & SETATTR_SIZE)
		r = set_size(n, sa->size);
	if (r == 0 && (sa->valid & ~SETATTR_SIZE))
		r = set_others(n, sa);
	/* vfs reads mode and owner from the inode: they are asked for now. */
	if (r == 0 && rnode_refresh(n) < 0)
		rnode_changed(n);
	return r;
}

/* ---- xattrs ---- */

static bool is_kept(const char *name)
{
	return strncmp(name, XATTR_SYSTEM_PREFIX, XATTR_SYSTEM_PREFIX_LEN) != 0;
}

static int xattr_handle(struct rnode *n, struct remote_handle **out)
{
	struct remote_handle *dir;
	int r;

	if (S_ISREG(n->id.type))
		return handle_get(n, HANDLE_READ, out);
	if (!S_ISDIR(n->id.type))
		return -EOPNOTSUPP;
	r = handle_get(n, HANDLE_PATH, &dir);
	if (r < 0)
		return r;
	r = n->remote->ops->open_dir(dir, out);
	remote_handle_put(dir);
	return r;
}

/* Programs ask for the xattrs of each file that they list: that there are none
 * is remembered. */
static bool has_none(struct rnode *n, struct remote_handle *h)
{
	if (remote_is_shared(n->remote) || n->remote->ops->listxattr(h, NULL, 0) != 0)
		return false;
	atomic_store(&n->has_no_xattrs, true);
	return true;
}

ssize_t remote_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct rnode *n = rnode_of(inode);
	struct remote_handle *h;
	ssize_t r;

	if (!is_kept(name))
		return -EOPNOTSUPP;
	if (atomic_load(&n->has_no_xattrs))
		return -ENODATA;
	r = xattr_handle(n, &h);
	if (r == -EOPNOTSUPP || r == -EACCES)
		return -ENODATA;
	if (r < 0)
		return r;
	r = has_none(n, h) ? -ENODATA : n->remote->ops->getxattr(h, name, buf, size);
	remote_handle_put(h);
	return r;
}

ssize_t remote_listxattr(struct inode *inode, char *buf, size_t size)
{
	struct rnode *n = rnode_of(inode);
	struct remote_handle *h;
	ssize_t r;

	if (atomic_load(&n->has_no_xattrs))
		return 0;
	r = xattr_handle(n, &h);
	if (r == -EOPNOTSUPP || r == -EACCES)
		return 0;
	if (r < 0)
		return r;
	r = has_none(n, h) ? 0 : n->remote->ops->listxattr(h, buf, size);
	remote_handle_put(h);
	return r;
}

static int begin_xattr_change(struct rnode *n, const char *name, struct remote_handle **h)
{
	if (n->remote->readonly)
		return -EROFS;
	if (!is_kept(name))
		return -EOPNOTSUPP;
	return xattr_handle(n, h);
}

int remote_setxattr(struct inode *inode, const char *name, const void *val, size_t size, int flags)
{
	struct rnode *n = rnode_of(inode);
	struct remote_handle *h;
	int r = begin_xattr_change(n, name, &h);

	if (r < 0)
		return r;
	r = n->remote->ops->setxattr(h, name, val, size, flags);
	remote_handle_put(h);
	atomic_store(&n->has_no_xattrs, false);
	rnode_changed(n);
	return r;
}

int remote_removexattr(struct inode *inode, const char *name)
{
	struct rnode *n = rnode_of(inode);
	struct remote_handle *h;
	int r = begin_xattr_change(n, name, &h);

	if (r < 0)
		return r;
	r = n->remote->ops->removexattr(h, name);
	remote_handle_put(h);
	rnode_changed(n);
	return r;
}
