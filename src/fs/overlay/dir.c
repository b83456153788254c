/*
 * Calls that find and change names. vfs holds dir_lock of the directories and
 * has checked permissions, types and flags.
 *
 * A directory whose names change is copied up (an object of attributes, no
 * more), for its times. A file that is renamed, linked or removed is not.
 */
#include <linux/fs.h>

#include "fs/overlay/internal.h"

/* ---- small changes ---- */

static int dir_changes(struct onode *dir, const struct vfs_ctx *ctx)
{
	return copy_up(dir, 0, ctx);
}

static void dir_changed(struct onode *dir, int links, const struct vfs_ctx *ctx)
{
	struct setattr sa = { .valid = SETATTR_MTIME_NOW };
	struct inode *up = atomic_load(&dir->upper);

	(void)up->ops->setattr(up, &sa, ctx);
	mutex_lock(&dir->lock);
	dir->links += links;
	mutex_unlock(&dir->lock);
}

/* Its names or place changed. */
static void node_changed(struct onode *o, int links)
{
	mutex_lock(&o->lock);
	o->links += links;
	o->ctime = overlay_now();
	mutex_unlock(&o->lock);
	if (onode_nlink(o) > 0)
		onode_pin(o);
	else
		onode_unpin(o);
}

static bool is_dir(const struct onode *o)
{
	return S_ISDIR(o->inode.mode);
}

/* An empty directory takes no more names. What is below is looked at first: a
 * name of it that is hidden can show again only through the table. */
static int dir_kill(struct onode *o, const struct vfs_ctx *ctx)
{
	int r = overlay_lower_is_empty(o, ctx);

	/* What the host does not let us list, no guest can reach either. */
	if (r < 0 && r != -EACCES)
		return r;
	r = 0;
	mutex_lock(&o->lock);
	if (o->table.live > 0)
		r = -ENOTEMPTY;
	else
		o->is_removed = true;
	mutex_unlock(&o->lock);
	return r;
}

static void dir_revive(struct onode *o)
{
	mutex_lock(&o->lock);
	o->is_removed = false;
	mutex_unlock(&o->lock);
}

/* ---- lookup ---- */

static int overlay_lookup(struct inode *dir, const char *name, const struct vfs_ctx *ctx,
			  struct inode **out)
{
	struct onode *d = onode_of(dir), *o;
	enum said said = names_find(d, name, &o);
	struct inode *lower;
	int r;

	if (said == SAID_NODE) {
		*out = &o->inode;
		return 0;
	}
	if (said == SAID_GONE || !d->lower)
		return -ENOENT;
	r = d->lower->ops->lookup(d->lower, name, ctx, &lower);
	if (r == 0)
		r = onode_of_lower(d->ov, lower, d, ctx, &o);
	if (r < 0)
		return r;
	*out = &o->inode;
	return 0;
}

/* ---- making ---- */

struct making {
	uint32_t mode;
	uint64_t rdev;
	const char *target;
};

static int make_node(struct onode *dir, const struct making *m, const struct vfs_ctx *ctx,
		     struct onode **out)
{
	struct inode *up;
	int r = upper_make(dir->ov, &dir->inode, m->mode, m->rdev, m->target, ctx, &up);

	return r < 0 ? r : onode_of_new(dir->ov, up, dir, out);
}

static int make_named(struct inode *dir, const char *name, const struct making *m,
		      const struct vfs_ctx *ctx, struct inode **out)
{
	struct onode *d = onode_of(dir), *o;
	int r = dir_changes(d, ctx);

	if (r == 0)
		r = make_node(d, m, ctx, &o);
	if (r < 0)
		return r;
	r = names_change(d, name, o, false);
	if (r < 0) {
		inode_put(&o->inode);
		return r;
	}
	dir_changed(d, is_dir(o), ctx);
	*out = &o->inode;
	return 0;
}

static int overlay_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
			 const struct vfs_ctx *ctx, struct inode **out)
{
	const struct making m = { mode, rdev, NULL };

	return make_named(dir, name, &m, ctx, out);
}

static int overlay_create_file(struct inode *dir, const char *name, uint32_t mode,
			       const struct vfs_ctx *ctx, struct inode **out)
{
	return overlay_mknod(dir, name, S_IFREG | (mode & 07777), 0, ctx, out);
}

static int overlay_mkdir(struct inode *dir, const char *name, uint32_t mode,
			 const struct vfs_ctx *ctx, struct inode **out)
{
	return overlay_mknod(dir, name, S_IFDIR | (mode & 07777), 0, ctx, out);
}

static int overlay_symlink(struct inode *dir, const char *name, const char *target,
			   const struct vfs_ctx *ctx, struct inode **out)
{
	const struct making m = { S_IFLNK | 0777, 0, target };

	return make_named(dir, name, &m, ctx, out);
}

static int overlay_tmpfile(struct inode *dir, uint32_t mode, const struct vfs_ctx *ctx,
			   struct inode **out)
{
	const struct making m = { S_IFREG | (mode & 07777), 0, NULL };
	struct onode *o;
	int r = make_node(onode_of(dir), &m, ctx, &o);

	if (r < 0)
		return r;
	o->links = -1;
	*out = &o->inode;
	return 0;
}

static int overlay_link(struct inode *dir, const char *name, struct inode *target,
			const struct vfs_ctx *ctx)
{
	struct onode *d = onode_of(dir), *o = onode_of(target);
	int r = dir_changes(d, ctx);

	if (r == 0)
		r = names_change(d, name, o, false);
	if (r < 0)
		return r;
	node_changed(o, 1);
	dir_changed(d, 0, ctx);
	return 0;
}

/* ---- removing ---- */

static int overlay_unlink(struct inode *dir, const char *name, struct inode *victim,
			  const struct vfs_ctx *ctx)
{
	struct onode *d = onode_of(dir);
	int r = dir_changes(d, ctx);

	if (r == 0)
		r = names_change(d, name, NULL, true);
	if (r < 0)
		return r;
	node_changed(onode_of(victim), -1);
	dir_changed(d, 0, ctx);
	return 0;
}

static int overlay_rmdir(struct inode *dir, const char *name, struct inode *victim,
			 const struct vfs_ctx *ctx)
{
	struct onode *d = onode_of(dir), *v = onode_of(victim);
	int r = dir_changes(d, ctx);

	if (r == 0)
		r = dir_kill(v, ctx);
	if (r < 0)
		return r;
	r = names_change(d, name, NULL, true);
	if (r < 0) {
		dir_revive(v);
		return r;
	}
	node_changed(v, 0);
	dir_changed(d, -1, ctx);
	return 0;
}

/* ---- rename ---- */

static void set_parent(struct onode *o, const struct onode *dir)
{
	if (!is_dir(o))
		return;
	mutex_lock(&o->lock);
	o->parent_ino = dir->inode.ino;
	mutex_unlock(&o->lock);
}

static int exchange(struct onode *od, const char *oldname, struct onode *o, struct onode *nd,
		    const char *newname, struct onode *t)
{
	int r = names_change(nd, newname, o, true);

	if (r < 0)
		return r;
	r = names_change(od, oldname, t, true);
	if (r < 0) {
		ASSERT(names_change(nd, newname, t, true) == 0);
		return r;
	}
	set_parent(t, od);
	node_changed(t, 0);
	return 0;
}

static int move(struct onode *od, const char *oldname, struct onode *o, struct onode *nd,
		const char *newname, struct onode *t, const struct vfs_ctx *ctx)
{
	int r = t && is_dir(t) ? dir_kill(t, ctx) : 0;

	if (r < 0)
		return r;
	r = names_change(nd, newname, o, t != NULL);
	if (r == 0) {
		r = names_change(od, oldname, NULL, true);
		if (r < 0)
			ASSERT(names_change(nd, newname, t, t != NULL) == 0);
	}
	if (r < 0) {
		if (t && is_dir(t))
			dir_revive(t);
		return r;
	}
	if (t)
		node_changed(t, is_dir(t) ? 0 : -1);
	return 0;
}

static int overlay_rename(struct inode *olddir, const char *oldname, struct inode *inode,
			  struct inode *newdir, const char *newname, struct inode *target,
			  unsigned flags, const struct vfs_ctx *ctx)
{
	struct onode *od = onode_of(olddir), *nd = onode_of(newdir), *o = onode_of(inode);
	struct onode *t = target ? onode_of(target) : NULL;
	bool swap = flags & RENAME_EXCHANGE;
	int r = dir_changes(od, ctx), lost;

	if (r == 0)
		r = dir_changes(nd, ctx);
	if (r == 0)
		r = swap ? exchange(od, oldname, o, nd, newname, t)
			 : move(od, oldname, o, nd, newname, t, ctx);
	if (r < 0)
		return r;
	set_parent(o, nd);
	node_changed(o, 0);
	lost = t && is_dir(t);
	dir_changed(od, (swap ? lost : 0) - is_dir(o), ctx);
	dir_changed(nd, is_dir(o) - lost, ctx);
	return 0;
}

#define COMMON_OPS                                                                            \
	.getattr = overlay_getattr, .setattr = overlay_setattr, .getxattr = overlay_getxattr, \
	.setxattr = overlay_setxattr, .listxattr = overlay_listxattr,                         \
	.removexattr = overlay_removexattr

const struct inode_ops overlay_dir_ops = {
	.lookup = overlay_lookup,
	.create = overlay_create_file,
	.mkdir = overlay_mkdir,
	.mknod = overlay_mknod,
	.symlink = overlay_symlink,
	.link = overlay_link,
	.unlink = overlay_unlink,
	.rmdir = overlay_rmdir,
	.rename = overlay_rename,
	.tmpfile = overlay_tmpfile,
	.open = overlay_open_dir,
	COMMON_OPS,
};

const struct inode_ops overlay_file_ops = {
	.readlink = overlay_readlink,
	.open = overlay_open,
	COMMON_OPS,
};
