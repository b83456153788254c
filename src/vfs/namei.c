/*
 * Calls that change names: mkdir, mknod, symlink, link, unlink, rmdir, rename.
 *
 * Each finds the directory, takes its dir_lock for writing, looks the name up
 * under it, checks as Linux does and in its order, calls the file system's op,
 * and brings the dentry cache in line, all under the lock.
 *
 * rename takes up to two dir_locks, by address. Between directories it first
 * takes super.rename_lock, so that no directory changes its ancestors while
 * "is the one inside the other" is being asked.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "vfs/internal.h"
#include "vfs/notify.h"

/* ---- making names ---- */

/* What to make. */
struct making {
	uint32_t mode; /* with type */
	uint64_t rdev;
	const char *target;  /* symlink */
	struct inode *inode; /* link */
};

/* The checks before a new name: 0 with a negative dentry in *out. */
static int find_free_name(struct walk *w, bool is_dir, struct dentry **out)
{
	int r;

	*out = NULL;
	if (w->last_type != LAST_NORM)
		return -EEXIST;
	r = dentry_lookup_locked(w->cur.dentry, w->last, w->last_len, w->ctx, out);
	if (r < 0)
		return r;
	if (dentry_inode(*out))
		r = -EEXIST;
	else if (w->trailing && !is_dir)
		r = -ENOENT;
	else if (mount_is_readonly(w->cur.mount))
		r = -EROFS;
	else
		r = perm_may_create(w->ctx, w->cur.dentry);
	if (r < 0) {
		dentry_put(*out);
		*out = NULL;
	}
	return r;
}

static int may_mknod(const struct vfs_ctx *ctx, uint32_t mode, uint64_t rdev)
{
	bool is_whiteout = S_ISCHR(mode) && rdev == 0;

	if ((S_ISCHR(mode) || S_ISBLK(mode)) && !is_whiteout && !cred_has_cap(ctx->cred, CAP_MKNOD))
		return -EPERM;
	return 0;
}

/* Calls the op for the type. *out: the new inode. */
static int call_make_op(const struct vfs_ctx *ctx, struct inode *dir, const char *name,
			const struct making *mk, struct inode **out)
{
	uint32_t mode = perm_new_mode(ctx, dir, mk->mode);
	int r;

	switch (mk->mode & S_IFMT) {
	case S_IFDIR:
		return dir->ops->mkdir ? dir->ops->mkdir(dir, name, mode, ctx, out) : -EPERM;
	case S_IFLNK:
		return dir->ops->symlink ? dir->ops->symlink(dir, name, mk->target, ctx, out)
					 : -EPERM;
	case S_IFREG: /* no open follows, as it does after create */
		if (dir->ops->mknod)
			return dir->ops->mknod(dir, name, mode, 0, ctx, out);
		return dir->ops->create ? dir->ops->create(dir, name, mode, ctx, out) : -EACCES;
	}
	r = may_mknod(ctx, mk->mode, mk->rdev);
	if (r < 0)
		return r;
	return dir->ops->mknod ? dir->ops->mknod(dir, name, mode, mk->rdev, ctx, out) : -EPERM;
}

static int make_at(const struct vfs_ctx *ctx, const struct path *dir, const char *name,
		   const struct making *mk, struct path *out)
{
	struct inode *inode, *made;
	struct dentry *d;
	struct walk w;
	int r = walk_parent(&w, ctx, dir, name);

	if (r < 0)
		return r;
	inode = path_inode(&w.cur);
	rwlock_write(&inode->dir_lock);
	r = find_free_name(&w, S_ISDIR(mk->mode), &d);
	if (r == 0) {
		r = call_make_op(ctx, inode, d->name, mk, &made);
		if (r == 0) {
			dentry_publish(d, made);
			notify_created(inode, d);
		}
	}
	rwlock_write_unlock(&inode->dir_lock);
	if (r == 0 && out) {
		out->mount = mount_get(w.cur.mount);
		out->dentry = dentry_get(d);
	}
	dentry_put(d);
	walk_end(&w);
	return r;
}

int vfs_mkdir(const struct vfs_ctx *ctx, const struct path *dir, const char *name, uint32_t mode)
{
	return make_at(ctx, dir, name, &(struct making){ .mode = S_IFDIR | (mode & 01777) }, NULL);
}

int vfs_mknod(const struct vfs_ctx *ctx, const struct path *dir, const char *name, uint32_t mode,
	      uint64_t rdev)
{
	struct making mk = { .mode = mode & (S_IFMT | 07777), .rdev = rdev };

	switch (mode & S_IFMT) {
	case 0:
		mk.mode |= S_IFREG;
		break;
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
		break;
	case S_IFIFO:
	case S_IFSOCK:
		mk.rdev = 0;
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	return make_at(ctx, dir, name, &mk, NULL);
}

int vfs_mksocket(const struct vfs_ctx *ctx, const char *name, uint32_t mode, struct path *out)
{
	struct making mk = { .mode = S_IFSOCK | (mode & 07777) };
	int r = make_at(ctx, NULL, name, &mk, out);

	return r == -EEXIST ? -EADDRINUSE : r;
}

int vfs_symlink(const struct vfs_ctx *ctx, const char *target, const struct path *dir,
		const char *name)
{
	if (*target == '\0')
		return -ENOENT;
	return make_at(ctx, dir, name, &(struct making){ .mode = S_IFLNK | 0777, .target = target },
		       NULL);
}

/* ---- link ---- */

static int may_link(const struct path *from, const struct path *dir)
{
	struct inode *inode = path_inode(from);

	if (from->mount != dir->mount)
		return -EXDEV;
	if (S_ISDIR(inode->mode))
		return -EPERM;
	if (!path_inode(dir)->ops->link)
		return -EPERM;
	if (dentry_has(from->dentry, DENTRY_DELETED) && !dentry_has(from->dentry, DENTRY_LINKABLE))
		return -ENOENT;
	return 0;
}

static int link_locked(const struct vfs_ctx *ctx, struct walk *w, const struct path *from)
{
	struct inode *dir = path_inode(&w->cur), *inode = path_inode(from);
	struct dentry *d;
	int r = find_free_name(w, false, &d);

	if (r < 0)
		return r;
	r = may_link(from, &w->cur);
	if (r == 0)
		r = dir->ops->link(dir, d->name, inode, ctx);
	if (r == 0) {
		inode_get(inode);
		dentry_publish(d, inode);
		atomic_fetch_and(&from->dentry->flags, ~DENTRY_LINKABLE);
		notify_linked(dir, d);
	}
	dentry_put(d);
	return r;
}

int vfs_link(const struct vfs_ctx *ctx, const struct path *olddir, const char *oldname,
	     const struct path *newdir, const char *newname, int at_flags)
{
	unsigned flags = 0;
	struct path from;
	struct walk w;
	int r;

	if (at_flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (at_flags & AT_SYMLINK_FOLLOW)
		flags |= LOOKUP_FOLLOW;
	if (at_flags & AT_EMPTY_PATH) {
		if (*oldname == '\0' && !cred_has_cap(ctx->cred, CAP_DAC_READ_SEARCH))
			return -ENOENT;
		flags |= LOOKUP_EMPTY;
	}
	r = vfs_lookup(ctx, olddir, oldname, flags, &from);
	if (r < 0)
		return r;
	r = walk_parent(&w, ctx, newdir, newname);
	if (r == 0) {
		struct inode *dir = path_inode(&w.cur);

		rwlock_write(&dir->dir_lock);
		r = link_locked(ctx, &w, &from);
		rwlock_write_unlock(&dir->dir_lock);
		walk_end(&w);
	}
	path_put(&from);
	return r;
}

/* ---- unlink and rmdir ---- */

static int check_last(const struct walk *w, bool is_dir)
{
	switch (w->last_type) {
	case LAST_NORM:
		return 0;
	case LAST_DOT:
		return is_dir ? -EINVAL : -EISDIR;
	case LAST_DOTDOT:
		return is_dir ? -ENOTEMPTY : -EISDIR;
	case LAST_ROOT:
		break;
	}
	return is_dir ? -EBUSY : -EISDIR;
}

/* unlink("name/"): never, but with what error? */
static int slashes_error(const struct dentry *d)
{
	struct inode *inode = dentry_inode(d);

	if (!inode)
		return -ENOENT;
	return S_ISDIR(inode->mode) ? -EISDIR : -ENOTDIR;
}

static int remove_locked(struct walk *w, struct dentry *d, bool is_dir)
{
	struct inode *dir = path_inode(&w->cur), *victim = dentry_inode(d);
	int r;

	if (w->trailing && !is_dir)
		return slashes_error(d);
	r = perm_may_delete(w->ctx, w->cur.dentry, d, is_dir);
	if (r < 0)
		return r;
	if (is_dir ? !dir->ops->rmdir : !dir->ops->unlink)
		return -EPERM;
	if (mount_is_busy(w->ctx, &w->cur, d))
		return -EBUSY;
	r = is_dir ? dir->ops->rmdir(dir, d->name, victim, w->ctx)
		   : dir->ops->unlink(dir, d->name, victim, w->ctx);
	if (r == 0) {
		dentry_mark_deleted(d);
		notify_removed(dir, d, is_dir);
	}
	return r;
}

static int remove_at(const struct vfs_ctx *ctx, const struct path *dir, const char *name,
		     bool is_dir)
{
	struct dentry *d = NULL;
	struct inode *inode;
	struct walk w;
	int r = walk_parent(&w, ctx, dir, name);

	if (r < 0)
		return r;
	r = check_last(&w, is_dir);
	if (r == 0 && mount_is_readonly(w.cur.mount))
		r = -EROFS;
	if (r < 0)
		goto out_end_walk;
	inode = path_inode(&w.cur);
	rwlock_write(&inode->dir_lock);
	r = dentry_lookup_locked(w.cur.dentry, w.last, w.last_len, ctx, &d);
	if (r == 0)
		r = remove_locked(&w, d, is_dir);
	rwlock_write_unlock(&inode->dir_lock);
	if (r == 0)
		mount_detach_all_on(w.cur.mount->vfs, d);
	dentry_put(d); /* the file's last reference may go here, with no lock held */
out_end_walk:
	walk_end(&w);
	return r;
}

int vfs_unlink(const struct vfs_ctx *ctx, const struct path *dir, const char *name)
{
	return remove_at(ctx, dir, name, false);
}

int vfs_rmdir(const struct vfs_ctx *ctx, const struct path *dir, const char *name)
{
	return remove_at(ctx, dir, name, true);
}

/* ---- rename ---- */

struct renaming {
	const struct vfs_ctx *ctx;
	struct walk from, to;
	struct dentry *source, *target; /* references; target may be negative */
	unsigned flags;
};

LOCKS_UNCHECKED static void lock_dirs(struct inode *a, struct inode *b)
{
	if (a != b)
		mutex_lock(&a->sb->rename_lock);
	rwlock_write(&(a < b ? a : b)->dir_lock);
	if (a != b)
		rwlock_write_nested(&(a < b ? b : a)->dir_lock);
}

LOCKS_UNCHECKED static void unlock_dirs(struct inode *a, struct inode *b)
{
	rwlock_write_unlock(&a->dir_lock);
	if (a != b) {
		rwlock_write_unlock(&b->dir_lock);
		mutex_unlock(&a->sb->rename_lock);
	}
}

static bool is_directory(const struct dentry *d)
{
	return dentry_inode(d) && S_ISDIR(dentry_inode(d)->mode);
}

/* What the two walks say already, before any lock. */
static int rename_check_walks(const struct renaming *rn)
{
	if (rn->from.cur.mount != rn->to.cur.mount)
		return -EXDEV;
	if (rn->from.last_type != LAST_NORM)
		return -EBUSY;
	if (rn->to.last_type != LAST_NORM)
		return rn->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	return mount_is_readonly(rn->from.cur.mount) ? -EROFS : 0;
}

static int rename_lookup(struct renaming *rn)
{
	int r = dentry_lookup_locked(rn->from.cur.dentry, rn->from.last, rn->from.last_len, rn->ctx,
				     &rn->source);

	if (r < 0)
		return r;
	if (!dentry_inode(rn->source))
		return -ENOENT;
	return dentry_lookup_locked(rn->to.cur.dentry, rn->to.last, rn->to.last_len, rn->ctx,
				    &rn->target);
}

/* Flags, slashes, and neither inside the other. */
static int rename_check_names(const struct renaming *rn)
{
	bool exchange = rn->flags & RENAME_EXCHANGE;

	if ((rn->flags & RENAME_NOREPLACE) && dentry_inode(rn->target))
		return -EEXIST;
	if (exchange) {
		if (!dentry_inode(rn->target))
			return -ENOENT;
		if (!is_directory(rn->target) && rn->to.trailing)
			return -ENOTDIR;
	}
	if (!is_directory(rn->source)) {
		if (rn->from.trailing || (!exchange && rn->to.trailing))
			return -ENOTDIR;
	}
	if (rn->from.cur.dentry == rn->to.cur.dentry)
		return 0;
	if (is_directory(rn->source) && dentry_is_ancestor(rn->source, rn->to.cur.dentry))
		return -EINVAL;
	if (is_directory(rn->target) && dentry_is_ancestor(rn->target, rn->from.cur.dentry))
		return exchange ? -EINVAL : -ENOTEMPTY;
	return 0;
}

/* A directory that gets another parent has its ".." written. */
static int may_reparent(const struct renaming *rn, const struct dentry *d)
{
	if (!is_directory(d) || rn->from.cur.dentry == rn->to.cur.dentry)
		return 0;
	return vfs_permission(rn->ctx, dentry_inode(d), MAY_WRITE);
}

static int rename_check_permission(const struct renaming *rn)
{
	bool exchange = rn->flags & RENAME_EXCHANGE, is_dir = is_directory(rn->source);
	int r = perm_may_delete(rn->ctx, rn->from.cur.dentry, rn->source, is_dir);

	if (r < 0)
		return r;
	if (!dentry_inode(rn->target))
		r = perm_may_create(rn->ctx, rn->to.cur.dentry);
	else
		r = perm_may_delete(rn->ctx, rn->to.cur.dentry, rn->target,
				    exchange ? is_directory(rn->target) : is_dir);
	if (r == 0 && !path_inode(&rn->from.cur)->ops->rename)
		r = -EPERM;
	if (r == 0)
		r = may_reparent(rn, rn->source);
	if (r == 0 && exchange)
		r = may_reparent(rn, rn->target);
	return r;
}

/* The cache follows. Without memory for a name it forgets what it had: the next
 * lookup asks the file system. */
static void rename_dentries(struct renaming *rn)
{
	if (rn->flags & RENAME_EXCHANGE) {
		if (dentry_exchange(rn->source, rn->target) == 0)
			return;
		dentry_unhash(rn->source);
		dentry_unhash(rn->target);
		return;
	}
	if (dentry_inode(rn->target))
		dentry_mark_deleted(rn->target);
	else
		dentry_unhash(rn->target);
	if (dentry_move(rn->source, rn->to.cur.dentry, rn->to.last, rn->to.last_len) < 0)
		dentry_unhash(rn->source);
}

/* With both names as they were, where somebody watches. */
static void rename_and_tell(struct renaming *rn)
{
	struct inode *olddir = path_inode(&rn->from.cur), *newdir = path_inode(&rn->to.cur);
	struct inode *source = dentry_inode(rn->source), *target = dentry_inode(rn->target);
	char oldname[DENTRY_NAME_MAX + 1], newname[DENTRY_NAME_MAX + 1];

	if (!notify_is_on()) {
		rename_dentries(rn);
		return;
	}
	strcpy(oldname, rn->source->name);
	strcpy(newname, rn->target->name);
	rename_dentries(rn);
	if (!(rn->flags & RENAME_EXCHANGE)) {
		notify_renamed(olddir, oldname, newdir, newname, source, target);
		return;
	}
	notify_renamed(olddir, oldname, newdir, newname, source, NULL);
	notify_renamed(newdir, newname, olddir, oldname, target, NULL);
}

static int rename_locked(struct renaming *rn)
{
	struct inode *olddir = path_inode(&rn->from.cur), *newdir = path_inode(&rn->to.cur);
	struct inode *inode, *target;
	int r = rename_lookup(rn);

	if (r == 0)
		r = rename_check_names(rn);
	if (r < 0)
		return r;
	inode = dentry_inode(rn->source);
	target = dentry_inode(rn->target);
	if (inode == target)
		return 0;
	r = rename_check_permission(rn);
	if (r < 0)
		return r;
	if (mount_is_busy(rn->ctx, &rn->from.cur, rn->source) ||
	    mount_is_busy(rn->ctx, &rn->to.cur, rn->target))
		return -EBUSY;
	r = olddir->ops->rename(olddir, rn->source->name, inode, newdir, rn->target->name, target,
				rn->flags, rn->ctx);
	if (r == 0)
		rename_and_tell(rn);
	return r;
}

int vfs_rename(const struct vfs_ctx *ctx, const struct path *olddir, const char *oldname,
	       const struct path *newdir, const char *newname, unsigned flags)
{
	struct renaming rn = { .ctx = ctx, .flags = flags };
	struct inode *a, *b;
	int r;

	if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	r = walk_parent(&rn.from, ctx, olddir, oldname);
	if (r < 0)
		return r;
	r = walk_parent(&rn.to, ctx, newdir, newname);
	if (r < 0)
		goto out_end_from;
	r = rename_check_walks(&rn);
	if (r < 0)
		goto out_end_to;
	a = path_inode(&rn.from.cur);
	b = path_inode(&rn.to.cur);
	lock_dirs(a, b);
	r = rename_locked(&rn);
	unlock_dirs(a, b);
	if (r == 0 && rn.target && !(flags & RENAME_EXCHANGE))
		mount_detach_all_on(rn.to.cur.mount->vfs, rn.target);
	dentry_put(rn.source);
	dentry_put(rn.target);
out_end_to:
	walk_end(&rn.to);
out_end_from:
	walk_end(&rn.from);
	return r;
}
