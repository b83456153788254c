/*
 * Calls that find and change names. vfs holds dir_lock of the directories and
 * has checked permissions, types and flags.
 */
#include <linux/fs.h>
#include <linux/stat.h>
#include <stdlib.h>

#include "fs/remote/internal.h"

/* ---- lookup ---- */

/* A directory that is gone has no names. */
static int dir_get(struct rnode *d, struct remote_handle **out)
{
	int r = handle_get(d, HANDLE_PATH, out);

	return r == -ESTALE ? -ENOENT : r;
}

static int remote_lookup(struct inode *dir, const char *name, const struct vfs_ctx *ctx UNUSED,
			 struct inode **out)
{
	struct rnode *d = rnode_of(dir), *n;
	struct remote_handle *h;
	struct statx stx;
	int r = dir_get(d, &h);

	if (r < 0)
		return r;
	r = d->remote->ops->lookup(h, name, &stx);
	remote_handle_put(h);
	if (r == 0)
		r = rnode_get(d->remote, d, name, &stx, &n);
	if (r < 0)
		return r;
	*out = &n->inode;
	return 0;
}

/* shared mode: is the name still the same file? */
static bool remote_revalidate(struct inode *dir, const char *name, struct inode *inode)
{
	struct rnode *d = rnode_of(dir);
	struct remote_handle *h;
	struct identity id;
	struct statx stx;
	int r = handle_get(d, HANDLE_PATH, &h);

	if (r < 0)
		return false;
	r = d->remote->ops->lookup(h, name, &stx);
	remote_handle_put(h);
	if (!inode)
		return r == -ENOENT;
	if (r < 0)
		return false;
	identity_of(&stx, &id);
	if (!identity_equal(&id, &rnode_of(inode)->id))
		return false;
	rnode_set_stat(rnode_of(inode), &stx);
	return true;
}

/* ---- making ---- */

static int begin_change(struct rnode *d, struct remote_handle **h)
{
	return d->remote->readonly ? -EROFS : dir_get(d, h);
}

/* Whom it belongs to is for root alone to say: other callers' files are theirs. */
static void fix_owner(const struct inode *dir, struct inode *made, const struct vfs_ctx *ctx)
{
	struct setattr sa = { .valid = SETATTR_UID | SETATTR_GID,
			      .uid = ctx->cred->fsuid,
			      .gid = vfs_new_gid(dir, ctx) };

	if (sa.uid != made->uid || sa.gid != made->gid)
		(void)!remote_setattr(made, &sa, ctx);
}

/* The host may have cut the mode by a umask of its own, or when the owner changed. */
static void fix_mode(struct inode *made, uint32_t mode, const struct vfs_ctx *ctx)
{
	struct setattr sa = { .valid = SETATTR_MODE, .mode = mode & 07777 };

	if (!S_ISLNK(made->mode) && (made->mode ^ mode) & 07777)
		(void)!remote_setattr(made, &sa, ctx);
}

static void fix_made(const struct inode *dir, struct inode *made, uint32_t mode,
		     const struct vfs_ctx *ctx)
{
	fix_owner(dir, made, ctx);
	fix_mode(made, mode, ctx);
}

/* What was just made is looked up: it is the new inode. */
static int finish_making(struct inode *dir, const char *name, uint32_t mode,
			 const struct vfs_ctx *ctx, struct inode **out)
{
	int r;

	rnode_changed(rnode_of(dir));
	r = remote_lookup(dir, name, ctx, out);
	if (r == 0)
		fix_made(dir, *out, mode, ctx);
	return r;
}

/* The inode of a file that was made and is open. */
static int rnode_of_made(struct rnode *d, const char *name, struct remote_handle *made,
			 struct rnode **out)
{
	struct statx stx;
	int r = d->remote->ops->getattr(made, &stx);

	return r < 0 ? r : rnode_get(d->remote, name ? d : NULL, name, &stx, out);
}

/* The open that made the file follows and may ask for what its mode forbids
 * (0444, for writing): the handle is lent to it. */
static int remote_create(struct inode *dir, const char *name, uint32_t mode,
			 const struct vfs_ctx *ctx, struct inode **out)
{
	struct rnode *d = rnode_of(dir), *n;
	struct remote_handle *h, *made;
	int r = begin_change(d, &h);

	if (r < 0)
		return r;
	r = d->remote->ops->open(h, name, O_RDWR | O_CREAT | O_EXCL, mode & 07777, &made);
	remote_handle_put(h);
	if (r < 0)
		return r;
	rnode_changed(d);
	r = rnode_of_made(d, name, made, &n);
	if (r == 0) {
		handles_lend(n, made);
		fix_made(dir, &n->inode, mode, ctx);
		*out = &n->inode;
	}
	remote_handle_put(made);
	return r;
}

static int remote_mkdir(struct inode *dir, const char *name, uint32_t mode,
			const struct vfs_ctx *ctx, struct inode **out)
{
	struct rnode *d = rnode_of(dir);
	struct remote_handle *h;
	int r = begin_change(d, &h);

	if (r < 0)
		return r;
	r = d->remote->ops->mkdir(h, name, mode & 07777);
	remote_handle_put(h);
	return r < 0 ? r : finish_making(dir, name, mode, ctx, out);
}

/* Fifos and sockets are names outside and live inside; no devices. */
static int remote_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev UNUSED,
			const struct vfs_ctx *ctx, struct inode **out)
{
	struct rnode *d = rnode_of(dir);
	struct remote_handle *h;
	int r;

	if (S_ISREG(mode)) {
		r = remote_create(dir, name, mode, ctx, out);
		if (r == 0)
			handles_end_loan(rnode_of(*out));
		return r;
	}
	if (!S_ISFIFO(mode) && !S_ISSOCK(mode))
		return -EPERM;
	r = begin_change(d, &h);
	if (r < 0)
		return r;
	r = d->remote->ops->mknod(h, name, mode & (S_IFMT | 07777));
	remote_handle_put(h);
	return r < 0 ? r : finish_making(dir, name, mode, ctx, out);
}

static int remote_symlink(struct inode *dir, const char *name, const char *target,
			  const struct vfs_ctx *ctx, struct inode **out)
{
	struct rnode *d = rnode_of(dir);
	struct remote_handle *h;
	int r = begin_change(d, &h);

	if (r < 0)
		return r;
	r = d->remote->ops->symlink(target, h, name);
	remote_handle_put(h);
	return r < 0 ? r : finish_making(dir, name, 0777, ctx, out);
}

static int remote_tmpfile(struct inode *dir, uint32_t mode, const struct vfs_ctx *ctx UNUSED,
			  struct inode **out)
{
	struct rnode *d = rnode_of(dir), *n;
	struct remote_handle *h, *made;
	int r = begin_change(d, &h);

	if (r < 0)
		return r;
	r = d->remote->ops->tmpfile(h, mode & 07777, &made);
	remote_handle_put(h);
	if (r < 0)
		return r;
	r = rnode_of_made(d, NULL, made, &n);
	if (r == 0) {
		handles_keep(n, HANDLE_RDWR, made);
		*out = &n->inode;
	}
	remote_handle_put(made);
	return r;
}

/* By its place if it has one, else by the handle that it must have. */
static int link_to(struct rnode *n, struct remote_handle *newdir, const char *name)
{
	const struct remote_ops *ops = n->remote->ops;
	struct remote_handle *dir, *h;
	struct place *p;
	int r = handle_place(n, &dir, &p);

	if (r == 0) {
		r = ops->link(dir, p->name, newdir, name);
		remote_handle_put(dir);
		place_put(p);
		return r;
	}
	h = handle_peek(n);
	if (h)
		r = ops->link_handle(h, newdir, name);
	remote_handle_put(h);
	return r;
}

static int remote_link(struct inode *dir, const char *name, struct inode *target,
		       const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *d = rnode_of(dir), *n = rnode_of(target);
	struct remote_handle *h;
	int r = begin_change(d, &h);

	if (r < 0)
		return r;
	r = link_to(n, h, name);
	remote_handle_put(h);
	if (r < 0)
		return r;
	rnode_changed(d);
	rnode_changed(n);
	/* Without memory for it, the new name is found by the next lookup. */
	(void)!place_add(n, d, name);
	return 0;
}

/* ---- removing ---- */

/* A name of n is gone. */
static void lost_name(struct rnode *n, const struct rnode *dir, const char *name)
{
	place_remove(n, dir, name);
	mutex_lock(&n->attr_lock);
	if (S_ISDIR(n->id.type))
		n->st.nlink = 0;
	else if (n->st.nlink > 0)
		n->st.nlink--;
	mutex_unlock(&n->attr_lock);
}

static int remove_name(struct inode *dir, const char *name, struct inode *victim, bool is_dir)
{
	struct rnode *d = rnode_of(dir);
	struct remote_handle *h;
	int r = begin_change(d, &h);

	if (r < 0)
		return r;
	r = d->remote->ops->unlink(h, name, is_dir);
	remote_handle_put(h);
	if (r < 0)
		return r;
	lost_name(rnode_of(victim), d, name);
	rnode_changed(d);
	return 0;
}

static int remote_unlink(struct inode *dir, const char *name, struct inode *victim,
			 const struct vfs_ctx *ctx UNUSED)
{
	return remove_name(dir, name, victim, false);
}

static int remote_rmdir(struct inode *dir, const char *name, struct inode *victim,
			const struct vfs_ctx *ctx UNUSED)
{
	return remove_name(dir, name, victim, true);
}

/* ---- rename ---- */

static void moved(struct rnode *n, const struct rnode *from, const char *oldname, struct rnode *to,
		  const char *newname)
{
	place_remove(n, from, oldname);
	(void)!place_add(n, to, newname);
	rnode_changed(n);
}

static int remote_rename(struct inode *olddir, const char *oldname, struct inode *inode,
			 struct inode *newdir, const char *newname, struct inode *target,
			 unsigned flags, const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *od = rnode_of(olddir), *nd = rnode_of(newdir);
	struct remote_handle *oh, *nh;
	int r = begin_change(od, &oh);

	if (r < 0)
		return r;
	r = dir_get(nd, &nh);
	if (r == 0) {
		r = od->remote->ops->rename(oh, oldname, nh, newname, flags);
		remote_handle_put(nh);
	}
	remote_handle_put(oh);
	if (r < 0)
		return r;
	if (target && (flags & RENAME_EXCHANGE))
		moved(rnode_of(target), nd, newname, od, oldname);
	else if (target)
		lost_name(rnode_of(target), nd, newname);
	moved(rnode_of(inode), od, oldname, nd, newname);
	rnode_changed(od);
	rnode_changed(nd);
	return 0;
}

static ssize_t remote_readlink(struct inode *inode, char *buf, size_t size,
			       const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *n = rnode_of(inode);
	struct remote_handle *dir;
	struct place *p;
	ssize_t r = handle_place(n, &dir, &p);

	if (r < 0)
		return r;
	r = n->remote->ops->readlink(dir, p->name, buf, size);
	remote_handle_put(dir);
	place_put(p);
	return r == -EINVAL ? -ESTALE : r; /* no link any more */
}

#define ATTR_OPS                                                                           \
	.getattr = remote_getattr, .setattr = remote_setattr, .getxattr = remote_getxattr, \
	.setxattr = remote_setxattr, .listxattr = remote_listxattr,                        \
	.removexattr = remote_removexattr

#define DIR_OPS                                                                  \
	.lookup = remote_lookup, .create = remote_create, .mkdir = remote_mkdir, \
	.mknod = remote_mknod, .symlink = remote_symlink, .link = remote_link,   \
	.unlink = remote_unlink, .rmdir = remote_rmdir, .rename = remote_rename, \
	.tmpfile = remote_tmpfile, .open = remote_open_dir, ATTR_OPS

const struct inode_ops remote_dir_ops = { DIR_OPS };
const struct inode_ops remote_shared_dir_ops = { DIR_OPS, .revalidate = remote_revalidate };
const struct inode_ops remote_file_ops = { .open = remote_open, ATTR_OPS };
const struct inode_ops remote_link_ops = { .readlink = remote_readlink, ATTR_OPS };
const struct inode_ops remote_special_ops = { ATTR_OPS };
