/* Extended attributes: a short list per inode; the rules are vfs/xattr.c's. */
#include <linux/xattr.h>

#include "base/kmem.h"
#include "fs/tmpfs/internal.h"

#define XATTR_BYTES_MAX (256u << 10) /* of one inode, names and values */

static struct tmpfs_xattr *find_locked(struct tmpfs_inode *ti, const char *name)
{
	list_for_each(x, &ti->xattrs, struct tmpfs_xattr, link) {
		if (strcmp(x->name, name) == 0)
			return x;
	}
	return NULL;
}

static void xattr_free(struct tmpfs_xattr *x)
{
	if (!x)
		return;
	list_del(&x->link);
	kmem_free_for(KMEM_NAMES, x);
}

/* Name and value lie behind the head. */
static struct tmpfs_xattr *xattr_alloc(const char *name, const void *val, size_t size)
{
	size_t name_size = strlen(name) + 1;
	struct tmpfs_xattr *x = NULL;

	if (!FAULT_POINT("tmpfs.xattr"))
		x = kmem_alloc_for(KMEM_NAMES, sizeof(*x) + name_size + size);
	if (!x)
		return NULL;
	list_init(&x->link);
	x->name = (char *)(x + 1);
	memcpy(x->name, name, name_size);
	x->value = x->name + name_size;
	x->size = size;
	if (size > 0)
		memcpy(x->value, val, size);
	return x;
}

static size_t total_locked(struct tmpfs_inode *ti)
{
	size_t total = 0;

	list_for_each(x, &ti->xattrs, struct tmpfs_xattr, link)
		total += x->size + strlen(x->name) + 1;
	return total;
}

ssize_t tmpfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct tmpfs_inode *ti = tmpfs_of(inode);
	struct tmpfs_xattr *x;
	ssize_t r = -ENODATA;

	mutex_lock(&ti->lock);
	x = find_locked(ti, name);
	if (x) {
		r = (ssize_t)x->size;
		if (size > 0 && size < x->size)
			r = -ERANGE;
		else if (size > 0)
			memcpy(buf, x->value, x->size);
	}
	mutex_unlock(&ti->lock);
	return r;
}

static int set_locked(struct tmpfs_inode *ti, struct tmpfs_xattr *x, int flags)
{
	struct tmpfs_xattr *old = find_locked(ti, x->name);

	if (old && (flags & XATTR_CREATE))
		return -EEXIST;
	if (!old && (flags & XATTR_REPLACE))
		return -ENODATA;
	if (total_locked(ti) + x->size > XATTR_BYTES_MAX)
		return -ENOSPC;
	xattr_free(old);
	list_push_back(&ti->xattrs, &x->link);
	ti->ctime = tmpfs_now();
	return 0;
}

int tmpfs_setxattr(struct inode *inode, const char *name, const void *val, size_t size, int flags)
{
	struct tmpfs_inode *ti = tmpfs_of(inode);
	struct tmpfs_xattr *x = xattr_alloc(name, val, size);
	int r;

	if (!x)
		return -ENOMEM;
	mutex_lock(&ti->lock);
	r = set_locked(ti, x, flags);
	mutex_unlock(&ti->lock);
	if (r < 0)
		xattr_free(x);
	return r;
}

ssize_t tmpfs_listxattr(struct inode *inode, char *buf, size_t size)
{
	struct tmpfs_inode *ti = tmpfs_of(inode);
	size_t used = 0;
	bool fits = true;

	mutex_lock(&ti->lock);
	list_for_each(x, &ti->xattrs, struct tmpfs_xattr, link) {
		size_t n = strlen(x->name) + 1;

		if (size > 0 && used + n <= size)
			memcpy(buf + used, x->name, n);
		else if (size > 0)
			fits = false;
		used += n;
	}
	mutex_unlock(&ti->lock);
	return fits ? (ssize_t)used : -ERANGE;
}

int tmpfs_removexattr(struct inode *inode, const char *name)
{
	struct tmpfs_inode *ti = tmpfs_of(inode);
	struct tmpfs_xattr *x;

	mutex_lock(&ti->lock);
	x = find_locked(ti, name);
	xattr_free(x);
	if (x)
		ti->ctime = tmpfs_now();
	mutex_unlock(&ti->lock);
	return x ? 0 : -ENODATA;
}

void tmpfs_xattrs_clear(struct tmpfs_inode *ti)
{
	list_for_each_safe(x, tmp, &ti->xattrs, struct tmpfs_xattr, link)
		xattr_free(x);
}
