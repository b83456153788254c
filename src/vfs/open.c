/*
 * open(2), openat2(2): finding or making the file, and the checks of an open.
 *
 *	O_TMPFILE          a directory is found, an inode without a name made
 *	O_CREAT            the directory is found; its last name is looked up in
 *	                   the cache, then under dir_lock, and made there if it is
 *	                   missing; a symlink sends the walk on
 *	neither            a plain walk
 *
 * A file that this very open has made is not checked for permission: its mode
 * may well forbid what the open asks.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "vfs/internal.h"
#include "vfs/notify.h"

#define O_TMPFILE_BIT 020000000u
#define O_LARGEFILE_BIT 0100000u
#define O_PATH_FLAGS ((unsigned)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))

/* ---- checks ---- */

static int access_mask(unsigned flags)
{
	static const int by_mode[4] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE,
					MAY_READ | MAY_WRITE };
	int mask = by_mode[flags & O_ACCMODE];

	return flags & O_TRUNC ? mask | MAY_WRITE : mask;
}

static int check_type(const struct path *p, unsigned flags, int mask)
{
	struct inode *inode = path_inode(p);

	switch (inode->mode & S_IFMT) {
	case S_IFLNK:
		return -ELOOP;
	case S_IFDIR:
		return mask & MAY_WRITE || flags & O_CREAT ? -EISDIR : 0;
	case S_IFCHR:
	case S_IFBLK:
		return (mount_flags(p->mount) & MS_NODEV) || (p->dentry->sb->flags & SUPER_NODEV)
			       ? -EACCES
			       : 0;
	}
	return 0;
}

static int check_open(const struct vfs_ctx *ctx, const struct path *p, unsigned flags)
{
	struct inode *inode = path_inode(p);
	int mask = access_mask(flags);
	int r = check_type(p, flags, mask);

	if (r < 0)
		return r;
	if (S_ISREG(inode->mode) || S_ISDIR(inode->mode))
		r = perm_path(ctx, p, mask);
	else
		r = vfs_permission(ctx, inode, mask);
	if (r < 0)
		return r;
	if ((flags & O_NOATIME) && !perm_is_owner(ctx, inode))
		return -EPERM;
	return 0;
}

static int truncate_for_open(const struct vfs_ctx *ctx, struct inode *inode)
{
	struct setattr sa = { .valid = SETATTR_SIZE, .size = 0 };
	int r = inode_is_run(inode) ? -ETXTBSY : attr_kill_priv(ctx, inode);

	return r < 0 ? r : attr_set(ctx, inode, &sa);
}

/* ---- what is found, opened ---- */

static int make_file(const struct vfs_ctx *ctx, const struct path *p, unsigned flags,
		     struct file **out)
{
	struct file *f = file_alloc(p, flags & ~(unsigned)O_CLOEXEC, ctx->cred);
	int r;

	if (!f)
		return -ENFILE;
	if (flags & O_PATH) {
		f->ops = &path_file_ops;
		*out = f;
		return 0;
	}
	if ((flags & O_ACCMODE) != O_RDONLY && S_ISREG(f->inode->mode)) {
		r = inode_write_begin(f->inode);
		if (r < 0)
			goto out_free;
		f->is_writer = true;
	}
	r = file_open_inode(f, ctx);
	if (r < 0)
		goto out_writers;
	atomic_fetch_and(&f->flags, ~(unsigned)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC));
	*out = f;
	return 0;

out_writers:
	file_writers_end(f);
out_free:
	file_free(f);
	return r;
}

static int open_found(const struct vfs_ctx *ctx, const struct path *p, unsigned flags, bool is_new,
		      struct file **out)
{
	bool truncated = false;
	int r = 0;

	if (!(flags & O_PATH)) {
		if (!is_new)
			r = check_open(ctx, p, flags);
		truncated = (flags & O_TRUNC) && !is_new && S_ISREG(path_inode(p)->mode);
		if (r == 0 && truncated)
			r = truncate_for_open(ctx, path_inode(p));
		flags |= O_LARGEFILE_BIT;
	}
	if (r == 0)
		r = make_file(ctx, p, flags, out);
	if (r == 0 && notify_is_on()) {
		notify_file(*out, NOTIFY_OPEN);
		if (truncated)
			notify_file(*out, NOTIFY_MODIFY);
	}
	return r;
}

int vfs_open_path(const struct vfs_ctx *ctx, const struct path *p, unsigned flags,
		  struct file **out)
{
	*out = NULL;
	if (flags & O_PATH)
		flags &= O_PATH_FLAGS;
	if ((flags & O_DIRECTORY) && !S_ISDIR(path_inode(p)->mode))
		return -ENOTDIR;
	return open_found(ctx, p, flags & ~(unsigned)(O_CREAT | O_EXCL), false, out);
}

static int open_plain(const struct vfs_ctx *ctx, struct walk *w, unsigned flags, struct file **out)
{
	int r = walk_run(w);

	return r < 0 ? r : open_found(ctx, &w->cur, flags, false, out);
}

/* ---- O_TMPFILE ---- */

static int make_unnamed(const struct vfs_ctx *ctx, const struct path *dir, unsigned flags,
			uint32_t mode, struct path *out)
{
	struct inode *inode = path_inode(dir), *made;
	struct dentry *d;
	int r = perm_path(ctx, dir, MAY_WRITE | MAY_EXEC);

	if (r < 0)
		return r;
	if (!inode->ops->tmpfile)
		return -EOPNOTSUPP;
	rwlock_write(&inode->dir_lock);
	r = inode->ops->tmpfile(inode, perm_new_mode(ctx, inode, S_IFREG | mode), ctx, &made);
	rwlock_write_unlock(&inode->dir_lock);
	if (r < 0)
		return r;
	d = dentry_create(dir->dentry, dir->dentry->sb, "#tmpfile", 8, made);
	inode_put(made);
	if (!d)
		return -ENOMEM;
	atomic_fetch_or(&d->flags, DENTRY_DELETED | (flags & O_EXCL ? 0 : DENTRY_LINKABLE));
	out->mount = mount_get(dir->mount);
	out->dentry = d;
	return 0;
}

static int open_tmpfile(const struct vfs_ctx *ctx, struct walk *w, unsigned flags, uint32_t mode,
			struct file **out)
{
	struct path made;
	int r = walk_run(w);

	if (r < 0)
		return r;
	r = make_unnamed(ctx, &w->cur, flags, mode, &made);
	if (r < 0)
		return r;
	r = open_found(ctx, &made, flags, true, out);
	path_put(&made);
	return r;
}

/* ---- O_CREAT ---- */

/* d is negative; dir_lock is held. */
static int create_locked(const struct vfs_ctx *ctx, const struct path *dir, struct dentry *d,
			 uint32_t mode)
{
	struct inode *inode = path_inode(dir), *made;
	int r;

	if (mount_is_readonly(dir->mount))
		return -EROFS;
	r = perm_may_create(ctx, dir->dentry);
	if (r < 0)
		return r;
	if (!inode->ops->create)
		return -EACCES;
	r = inode->ops->create(inode, d->name, perm_new_mode(ctx, inode, S_IFREG | mode), ctx,
			       &made);
	if (r < 0)
		return r;
	dentry_publish(d, made);
	notify_created(inode, d);
	return 0;
}

/* The last name of an O_CREAT walk: found or made, a reference in *out. */
static int find_or_create(const struct vfs_ctx *ctx, struct walk *w, uint32_t mode,
			  struct dentry **out, bool *is_new)
{
	struct dentry *dir = w->cur.dentry;
	struct inode *inode = dentry_inode(dir);
	int r;

	*is_new = false;
	if (w->last_len > DENTRY_NAME_MAX)
		return -ENAMETOOLONG;
	r = dentry_lookup(dir, w->last, w->last_len, ctx, true, out);
	if (r == 0 && dentry_inode(*out))
		return 0;
	if (r == 0)
		dentry_put(*out);
	if (w->resolve & RESOLVE_CACHED)
		return -EAGAIN;
	rwlock_write(&inode->dir_lock);
	r = dentry_lookup_locked(dir, w->last, w->last_len, ctx, out);
	if (r == 0 && !dentry_inode(*out)) {
		r = create_locked(ctx, &w->cur, *out, mode);
		*is_new = r == 0;
	}
	rwlock_write_unlock(&inode->dir_lock);
	if (r < 0)
		dentry_put(*out);
	return r;
}

/* One last component: 0 cur is the file; 1 a symlink, walk on. */
static int create_step(const struct vfs_ctx *ctx, struct walk *w, unsigned flags, uint32_t mode,
		       bool *is_new)
{
	struct dentry *d = NULL;
	int r;

	*is_new = false;
	if (w->last_type != LAST_NORM)
		return walk_last(w);
	if (w->trailing)
		return -EISDIR;
	r = find_or_create(ctx, w, mode, &d, is_new);
	if (r < 0)
		return r;
	if ((flags & O_EXCL) && !*is_new) {
		dentry_put(d);
		return -EEXIST;
	}
	return walk_onto(w, d, true);
}

static int open_create(const struct vfs_ctx *ctx, struct walk *w, unsigned flags, uint32_t mode,
		       struct file **out)
{
	bool is_new = false;
	int r;

	do {
		r = walk_to_last(w);
		if (r == 0)
			r = create_step(ctx, w, flags, mode, &is_new);
	} while (r == 1);
	if (r < 0)
		return r;
	if ((flags & O_EXCL) && !is_new)
		return -EEXIST;
	return open_found(ctx, &w->cur, flags, is_new, out);
}

/* ---- the call ---- */

static int check_flags(unsigned *flags, uint32_t *mode, uint64_t resolve)
{
	bool is_tmpfile = *flags & O_TMPFILE_BIT;

	if ((resolve & RESOLVE_BENEATH) && (resolve & RESOLVE_IN_ROOT))
		return -EINVAL;
	if (*flags & O_PATH)
		*flags &= O_PATH_FLAGS;
	else if (is_tmpfile && (!(*flags & O_DIRECTORY) || !(access_mask(*flags) & MAY_WRITE)))
		return -EINVAL;
	if ((*flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
		return -EINVAL;
	if ((resolve & RESOLVE_CACHED) && (*flags & (O_CREAT | O_TRUNC | O_TMPFILE_BIT)))
		return -EAGAIN;
	*mode = *flags & (O_CREAT | O_TMPFILE_BIT) ? *mode & 07777 : 0;
	return 0;
}

int vfs_open(const struct vfs_ctx *ctx, const struct path *dir, const char *name, unsigned flags,
	     uint32_t mode, uint64_t resolve, struct file **out)
{
	unsigned lookup = 0;
	struct walk w;
	int r;

	*out = NULL;
	r = check_flags(&flags, &mode, resolve);
	if (r < 0)
		return r;
	if (!(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL))
		lookup |= LOOKUP_FOLLOW;
	if (flags & O_DIRECTORY)
		lookup |= LOOKUP_DIRECTORY;
	r = walk_begin(&w, ctx, dir, name, lookup, (unsigned)resolve);
	if (r < 0)
		return r;
	if (flags & O_TMPFILE_BIT)
		r = open_tmpfile(ctx, &w, flags, mode, out);
	else if (flags & O_CREAT)
		r = open_create(ctx, &w, flags, mode, out);
	else
		r = open_plain(ctx, &w, flags, out);
	walk_end(&w);
	return r;
}
