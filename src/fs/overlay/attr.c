/*
 * Attributes, xattrs and link text: those of the side that counts, under the
 * identity that the onode was born with.
 *
 * Link counts. A file below has its lower count; a directory too, unless its
 * file system does not count (1). What was made here starts with 1 or 2. To
 * that comes what the onode has won and lost.
 */
#include "fs/overlay/internal.h"

static int real_stat(struct inode *real, struct kstat *st, const struct vfs_ctx *ctx)
{
	if (real->ops->getattr)
		return real->ops->getattr(real, st, ctx);
	inode_fill_stat(real, st);
	return 0;
}

static int64_t base_links(struct onode *o)
{
	static const struct vfs_ctx none;
	struct kstat st;

	if (!o->lower)
		return S_ISDIR(o->inode.mode) ? 2 : 1;
	return real_stat(o->lower, &st, &none) == 0 ? (int64_t)st.nlink : 1;
}

int64_t onode_nlink(struct onode *o)
{
	int64_t base = base_links(o), links;
	bool is_removed;

	mutex_lock(&o->lock);
	links = o->links;
	is_removed = o->is_removed;
	mutex_unlock(&o->lock);
	if (!S_ISDIR(o->inode.mode))
		return MAX(base + links, (int64_t)0);
	if (is_removed)
		return 0;
	return base < 2 ? 1 : MAX(base + links, (int64_t)2);
}

static bool is_later(const struct timespec_k *a, const struct timespec_k *b)
{
	return a->sec > b->sec || (a->sec == b->sec && a->nsec > b->nsec);
}

int overlay_getattr(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx)
{
	struct onode *o = onode_of(inode);
	int r = real_stat(onode_real(o), st, ctx);

	if (r < 0)
		return r;
	st->dev = o->dev;
	st->ino = inode->ino;
	st->nlink = (uint64_t)onode_nlink(o);
	mutex_lock(&o->lock);
	if (is_later(&o->ctime, &st->ctime))
		st->ctime = o->ctime;
	mutex_unlock(&o->lock);
	return 0;
}

int overlay_setattr(struct inode *inode, const struct setattr *sa, const struct vfs_ctx *ctx)
{
	struct onode *o = onode_of(inode);
	int r = copy_up(o, sa->valid & SETATTR_SIZE ? sa->size : UINT64_MAX, ctx);
	struct inode *up;

	if (r < 0)
		return r;
	up = atomic_load(&o->upper);
	r = up->ops->setattr(up, sa, ctx);
	onode_sync_mode(o);
	return r;
}

ssize_t overlay_readlink(struct inode *inode, char *buf, size_t size, const struct vfs_ctx *ctx)
{
	struct inode *real = onode_real(onode_of(inode));

	return real->ops->readlink ? real->ops->readlink(real, buf, size, ctx) : -EINVAL;
}

/* ---- xattrs ---- */

ssize_t overlay_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct inode *real = onode_real(onode_of(inode));

	return real->ops->getxattr ? real->ops->getxattr(real, name, buf, size) : -EOPNOTSUPP;
}

ssize_t overlay_listxattr(struct inode *inode, char *buf, size_t size)
{
	struct inode *real = onode_real(onode_of(inode));

	return real->ops->listxattr ? real->ops->listxattr(real, buf, size) : 0;
}

/* The upper inode, made if need be. These calls bring no context: the copy is
 * made as root, as every copy's owner is set afterwards. */
static int upper_for_xattr(struct inode *inode, struct inode **up)
{
	struct onode *o = onode_of(inode);
	struct cred *root;
	struct vfs_ctx ctx = { .fsize_limit = ~(uint64_t)0 };
	struct waiter waiter;
	int r = 0;

	if (!atomic_load(&o->upper)) {
		root = cred_create(0, 0);
		if (!root)
			return -ENOMEM;
		waiter_init(&waiter);
		ctx.cred = root;
		ctx.waiter = &waiter;
		r = copy_up(o, UINT64_MAX, &ctx);
		cred_put(root);
	}
	*up = atomic_load(&o->upper);
	return r;
}

int overlay_setxattr(struct inode *inode, const char *name, const void *val, size_t size, int flags)
{
	struct inode *up;
	int r = upper_for_xattr(inode, &up);

	if (r < 0)
		return r;
	return up->ops->setxattr ? up->ops->setxattr(up, name, val, size, flags) : -EOPNOTSUPP;
}

int overlay_removexattr(struct inode *inode, const char *name)
{
	struct inode *up;
	int r = upper_for_xattr(inode, &up);

	if (r < 0)
		return r;
	return up->ops->removexattr ? up->ops->removexattr(up, name) : -EOPNOTSUPP;
}
