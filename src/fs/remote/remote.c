/* Remote inodes and their names. */
#include "fs/remote/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#include "base/log.h"
#include "host/proc.h"

POOL_DEFINE(rnode_pool, struct rnode);

static const struct inode_ops remote_dir_ops, remote_file_ops, remote_link_ops, remote_special_ops;

static uint64_t stx_dev(const struct statx *stx)
{
	return ((uint64_t)stx->stx_dev_major << 32) | stx->stx_dev_minor;
}

static uint64_t encode_dev(uint64_t major, uint64_t minor)
{
	return (minor & 0xff) | (major << 8) | ((minor & ~(uint64_t)0xff) << 12);
}

void rnode_set_stat(struct rnode *n, const struct statx *x)
{
	struct kstat *st = &n->st;

	mutex_lock(&n->attr_lock);
	*st = (struct kstat){
		.dev = encode_dev(x->stx_dev_major, x->stx_dev_minor),
		.ino = x->stx_ino,
		.nlink = x->stx_nlink,
		.rdev = encode_dev(x->stx_rdev_major, x->stx_rdev_minor),
		.mode = x->stx_mode,
		.uid = x->stx_uid,
		.gid = x->stx_gid,
		.size = x->stx_size,
		.blocks = x->stx_blocks,
		.blksize = x->stx_blksize,
		.atime = { x->stx_atime.tv_sec, x->stx_atime.tv_nsec },
		.mtime = { x->stx_mtime.tv_sec, x->stx_mtime.tv_nsec },
		.ctime = { x->stx_ctime.tv_sec, x->stx_ctime.tv_nsec },
		.btime = { x->stx_btime.tv_sec, x->stx_btime.tv_nsec },
		.mask = x->stx_mask & (STATX_BASIC_STATS | STATX_BTIME),
	};
	n->inode.mode = x->stx_mode;
	n->inode.uid = x->stx_uid;
	n->inode.gid = x->stx_gid;
	n->inode.rdev = st->rdev;
	mutex_unlock(&n->attr_lock);
}

static const struct inode_ops *ops_for(uint32_t mode)
{
	if (S_ISDIR(mode))
		return &remote_dir_ops;
	if (S_ISREG(mode))
		return &remote_file_ops;
	if (S_ISLNK(mode))
		return &remote_link_ops;
	return &remote_special_ops;
}

static struct list *bucket(struct remote *rm, uint64_t dev, uint64_t ino)
{
	return &rm->hash[(ino * 0x9e3779b97f4a7c15ull ^ dev * 0xff51afd7ed558ccdull) >> 54];
}

/* An inode with the same identity that is still in use, with a reference. */
static struct rnode *find_locked(struct remote *rm, const struct statx *stx)
{
	list_for_each(n, bucket(rm, stx_dev(stx), stx->stx_ino), struct rnode, hash_link) {
		if (n->inode.ino == stx->stx_ino && n->dev == stx_dev(stx) && !n->is_gone &&
		    ((n->inode.mode ^ stx->stx_mode) & S_IFMT) == 0 &&
		    refcount_get_not_zero(&n->inode.refs))
			return n;
	}
	return NULL;
}

static struct rnode *rnode_new(struct remote *rm, struct rnode *parent, const char *name,
			       const struct statx *stx)
{
	struct rnode *n = pool_alloc(&rnode_pool);

	if (!n)
		return NULL;
	if (name) {
		n->name = strdup(name);
		if (!n->name) {
			pool_free(&rnode_pool, n);
			return NULL;
		}
	}
	inode_init(&n->inode, ops_for(stx->stx_mode), &rm->sb, stx->stx_ino, stx->stx_mode, stx->stx_uid,
		   stx->stx_gid);
	n->remote = rm;
	n->dev = stx_dev(stx);
	list_init(&n->lru);
	list_init(&n->hash_link);
	mutex_init(&n->attr_lock, LOCK_INODE_LOWER);
	mutex_init(&n->maps_lock, LOCK_INODE_MAPS);
	mutex_init(&n->map_lock, LOCK_INODE_LOWER_DATA);
	n->mappable.ops = &remote_mappable_ops;
	mapping_set_init(&n->maps);
	if (parent) {
		inode_get(&parent->inode);
		n->parent = parent;
	}
	rnode_set_stat(n, stx);
	return n;
}

/* Hard links of one file are one inode: find it, or make it. */
static int rnode_get(struct remote *rm, struct rnode *parent, const char *name, const struct statx *stx,
		     struct inode **out)
{
	struct rnode *n = NULL, *fresh;

	mutex_lock(&rm->lock);
	n = find_locked(rm, stx);
	mutex_unlock(&rm->lock);
	if (n) {
		rnode_set_stat(n, stx);
		*out = &n->inode;
		return 0;
	}
	fresh = rnode_new(rm, parent, name, stx);
	if (!fresh)
		return -ENOMEM;
	mutex_lock(&rm->lock);
	list_push_back(bucket(rm, fresh->dev, fresh->inode.ino), &fresh->hash_link);
	mutex_unlock(&rm->lock);
	*out = &fresh->inode;
	return 0;
}

static void remote_inode_destroy(struct inode *inode)
{
	struct rnode *n = rnode_of(inode), *parent;

	map_fini(n);
	mutex_lock(&n->remote->lock);
	handles_drop_locked(n);
	list_del(&n->hash_link);
	parent = n->parent;
	mutex_unlock(&n->remote->lock);
	free(n->name);
	pool_free(&rnode_pool, n);
	if (parent)
		inode_put(&parent->inode);
}

/* ---- attributes ---- */

/* Asks the host anew: always in shared mode, and after what changes them. */
int rnode_refresh(struct rnode *n)
{
	struct statx stx;
	struct hostfd *h = NULL;
	char name[256];
	int r;

	mutex_lock(&n->remote->lock);
	if (n->write_fd || n->read_fd)
		h = hostfd_get(n->write_fd ? n->write_fd : n->read_fd);
	mutex_unlock(&n->remote->lock);
	if (h) {
		r = n->remote->ops->fstat(h->fd, &stx);
	} else if (!n->parent) {
		r = n->remote->ops->fstat(n->remote->root_fd->fd, &stx);
	} else {
		r = handle_place(n, &h, name);
		if (r == 0)
			r = n->remote->ops->stat(h->fd, name, &stx);
	}
	hostfd_put(h);
	if (r == 0 && (stx.stx_ino != n->inode.ino || stx_dev(&stx) != n->dev))
		r = -ESTALE;
	if (r == 0)
		rnode_set_stat(n, &stx);
	return r;
}

static int remote_getattr(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *n = rnode_of(inode);
	int r = 0;

	if (n->remote->cache == REMOTE_SHARED)
		r = rnode_refresh(n);
	if (r < 0 && r != -ESTALE)
		return r;
	mutex_lock(&n->attr_lock);
	*st = n->st;
	mutex_unlock(&n->attr_lock);
	return 0;
}

static struct timespec host_time(const struct timespec_k *t, bool set, bool now)
{
	if (now)
		return (struct timespec){ 0, UTIME_NOW };
	if (!set)
		return (struct timespec){ 0, UTIME_OMIT };
	return (struct timespec){ (time_t)t->sec, (long)t->nsec };
}

static int set_times(int dir, const char *name, const struct setattr *sa)
{
	struct timespec ts[2] = {
		host_time(&sa->atime, sa->valid & SETATTR_ATIME, sa->valid & SETATTR_ATIME_NOW),
		host_time(&sa->mtime, sa->valid & SETATTR_MTIME, sa->valid & SETATTR_MTIME_NOW),
	};

	return host_utimensat(dir, name, ts, AT_SYMLINK_NOFOLLOW);
}

static int set_size(struct rnode *n, uint64_t size)
{
	struct hostfd *h;
	int r = handle_get(n, HANDLE_WRITE, &h);

	if (r < 0)
		return r;
	r = host_ftruncate(h->fd, size);
	hostfd_put(h);
	if (r == 0)
		map_truncated(n, size);
	return r;
}

static int set_by_name(struct rnode *n, const struct setattr *sa)
{
	struct hostfd *dir;
	char name[256];
	int r = handle_place(n, &dir, name);

	if (r < 0)
		return r;
	if (sa->valid & SETATTR_MODE)
		r = host_fchmodat(dir->fd, name, sa->mode & 07777, S_ISLNK(n->inode.mode) ? AT_SYMLINK_NOFOLLOW : 0);
	if (r == 0 && (sa->valid & (SETATTR_UID | SETATTR_GID)))
		r = host_fchownat(dir->fd, name, sa->valid & SETATTR_UID ? sa->uid : (uid_t)-1,
				  sa->valid & SETATTR_GID ? sa->gid : (gid_t)-1, AT_SYMLINK_NOFOLLOW);
	if (r == 0 && (sa->valid & (SETATTR_ATIME | SETATTR_MTIME | SETATTR_ATIME_NOW | SETATTR_MTIME_NOW)))
		r = set_times(dir->fd, name, sa);
	hostfd_put(dir);
	return r;
}

static int remote_setattr(struct inode *inode, const struct setattr *sa, const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *n = rnode_of(inode);
	int r = 0;

	if (n->remote->readonly)
		return -EROFS;
	if (sa->valid & SETATTR_SIZE)
		r = set_size(n, sa->size);
	if (r == 0 && (sa->valid & ~(SETATTR_SIZE | SETATTR_KILL_PRIV)))
		r = set_by_name(n, sa);
	if (r == 0)
		r = rnode_refresh(n);
	return r;
}

/* ---- names ---- */

static int remote_lookup(struct inode *dir, const char *name, const struct vfs_ctx *ctx UNUSED,
			 struct inode **out)
{
	struct rnode *d = rnode_of(dir);
	struct hostfd *h;
	struct statx stx;
	int r = handle_get(d, HANDLE_PATH, &h);

	if (r < 0)
		return r;
	r = d->remote->ops->stat(h->fd, name, &stx);
	hostfd_put(h);
	return r < 0 ? r : rnode_get(d->remote, d, name, &stx, out);
}

static int remote_readonly(struct rnode *n)
{
	return n->remote->readonly ? -EROFS : 0;
}

/* What was just made is looked up: it is the new inode. */
static int made(struct inode *dir, const char *name, const struct vfs_ctx *ctx, int r, struct inode **out)
{
	if (r < 0)
		return r;
	(void)rnode_refresh(rnode_of(dir));
	return remote_lookup(dir, name, ctx, out);
}

static int remote_create(struct inode *dir, const char *name, uint32_t mode, const struct vfs_ctx *ctx,
			 struct inode **out)
{
	struct rnode *d = rnode_of(dir);
	struct hostfd *h;
	int fd, r = remote_readonly(d);

	if (r == 0)
		r = handle_get(d, HANDLE_PATH, &h);
	if (r < 0)
		return r;
	fd = d->remote->ops->open(h->fd, name, O_RDWR | O_CREAT | O_EXCL, mode & 07777);
	hostfd_put(h);
	if (fd >= 0)
		host_close(fd);
	return made(dir, name, ctx, fd < 0 ? fd : 0, out);
}

static int remote_mkdir(struct inode *dir, const char *name, uint32_t mode, const struct vfs_ctx *ctx,
			struct inode **out)
{
	struct rnode *d = rnode_of(dir);
	struct hostfd *h;
	int r = remote_readonly(d);

	if (r == 0)
		r = handle_get(d, HANDLE_PATH, &h);
	if (r < 0)
		return r;
	r = d->remote->ops->mkdir(h->fd, name, mode & 07777);
	hostfd_put(h);
	return made(dir, name, ctx, r, out);
}

static int remote_symlink(struct inode *dir, const char *name, const char *target, const struct vfs_ctx *ctx,
			  struct inode **out)
{
	struct rnode *d = rnode_of(dir);
	struct hostfd *h;
	int r = remote_readonly(d);

	if (r == 0)
		r = handle_get(d, HANDLE_PATH, &h);
	if (r < 0)
		return r;
	r = d->remote->ops->symlink(target, h->fd, name);
	hostfd_put(h);
	return made(dir, name, ctx, r, out);
}

static int remote_link(struct inode *dir, const char *name, struct inode *target,
		       const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *d = rnode_of(dir), *t = rnode_of(target);
	struct hostfd *h, *from;
	char old[256];
	int r = remote_readonly(d);

	if (r == 0)
		r = handle_place(t, &from, old);
	if (r < 0)
		return r;
	r = handle_get(d, HANDLE_PATH, &h);
	if (r == 0) {
		r = d->remote->ops->link(from->fd, old, h->fd, name);
		hostfd_put(h);
	}
	hostfd_put(from);
	return r < 0 ? r : rnode_refresh(t);
}

/* The name is gone; another link may still lead to the file, but we know of
 * none: open handles keep serving it. */
static void forget_place(struct rnode *n)
{
	mutex_lock(&n->remote->lock);
	n->is_gone = true;
	mutex_unlock(&n->remote->lock);
}

static int remove_name(struct inode *dir, const char *name, struct inode *victim, bool is_dir)
{
	struct rnode *d = rnode_of(dir), *v = rnode_of(victim);
	struct hostfd *h, *keep = NULL;
	int r = remote_readonly(d);

	if (r == 0)
		r = handle_get(d, HANDLE_PATH, &h);
	if (r < 0)
		return r;
	/* Guests that hold it open go on using it: have the descriptor first. */
	if (S_ISREG(v->inode.mode) && refcount_read(&v->inode.refs) > 2 &&
	    handle_get(v, HANDLE_WRITE, &keep) < 0)
		keep = NULL;
	r = d->remote->ops->unlink(h->fd, name, is_dir);
	hostfd_put(h);
	if (r == 0) {
		if (v->name && v->parent == d && strcmp(v->name, name) == 0)
			forget_place(v);
		mutex_lock(&v->attr_lock);
		if (v->st.nlink)
			v->st.nlink -= is_dir ? v->st.nlink : 1;
		mutex_unlock(&v->attr_lock);
		(void)rnode_refresh(d);
	}
	hostfd_put(keep);
	return r;
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

static void set_place(struct rnode *n, struct rnode *parent, const char *name)
{
	struct rnode *old;
	char *copy = strdup(name);

	if (!copy) {
		forget_place(n); /* it can only be used through open handles */
		return;
	}
	inode_get(&parent->inode);
	mutex_lock(&n->remote->lock);
	old = n->parent;
	n->parent = parent;
	free(n->name);
	n->name = copy;
	mutex_unlock(&n->remote->lock);
	if (old)
		inode_put(&old->inode);
}

static int remote_rename(struct inode *olddir, const char *oldname, struct inode *inode,
			 struct inode *newdir, const char *newname, struct inode *target, unsigned flags,
			 const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *od = rnode_of(olddir), *nd = rnode_of(newdir);
	struct hostfd *oh, *nh;
	int r = remote_readonly(od);

	if (r == 0)
		r = handle_get(od, HANDLE_PATH, &oh);
	if (r < 0)
		return r;
	r = handle_get(nd, HANDLE_PATH, &nh);
	if (r == 0) {
		r = od->remote->ops->rename(oh->fd, oldname, nh->fd, newname, flags);
		hostfd_put(nh);
	}
	hostfd_put(oh);
	if (r < 0)
		return r;
	set_place(rnode_of(inode), nd, newname);
	if (target && (flags & RENAME_EXCHANGE))
		set_place(rnode_of(target), od, oldname);
	else if (target)
		forget_place(rnode_of(target));
	(void)rnode_refresh(od);
	if (nd != od)
		(void)rnode_refresh(nd);
	return 0;
}

static ssize_t remote_readlink(struct inode *inode, char *buf, size_t size, const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *n = rnode_of(inode);
	struct hostfd *dir;
	char name[256];
	ssize_t r = handle_place(n, &dir, name);

	if (r < 0)
		return r;
	r = n->remote->ops->readlink(dir->fd, name, buf, size);
	hostfd_put(dir);
	return r;
}

/* shared mode: is the name still the same file? */
static bool remote_revalidate(struct inode *dir, const char *name, struct inode *inode)
{
	struct rnode *d = rnode_of(dir);
	struct hostfd *h;
	struct statx stx;
	int r;

	if (d->remote->cache != REMOTE_SHARED)
		return true;
	if (handle_get(d, HANDLE_PATH, &h) < 0)
		return false;
	r = d->remote->ops->stat(h->fd, name, &stx);
	hostfd_put(h);
	if (!inode)
		return r == -ENOENT;
	if (r < 0 || stx.stx_ino != inode->ino || stx_dev(&stx) != rnode_of(inode)->dev)
		return false;
	rnode_set_stat(rnode_of(inode), &stx);
	return true;
}

/* ---- xattrs ---- */

static int xattr_handle(struct rnode *n, struct hostfd **out)
{
	if (S_ISREG(n->inode.mode))
		return handle_get(n, HANDLE_READ, out);
	return -EOPNOTSUPP;
}

static ssize_t remote_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct hostfd *h;
	ssize_t r = xattr_handle(rnode_of(inode), &h);

	if (r < 0)
		return r == -EOPNOTSUPP ? -ENODATA : r;
	r = host_fgetxattr(h->fd, name, buf, size);
	hostfd_put(h);
	return r;
}

static int remote_setxattr(struct inode *inode, const char *name, const void *val, size_t size, int flags)
{
	struct hostfd *h;
	int r = remote_readonly(rnode_of(inode));

	if (r == 0)
		r = xattr_handle(rnode_of(inode), &h);
	if (r < 0)
		return r;
	r = host_fsetxattr(h->fd, name, val, size, flags);
	hostfd_put(h);
	return r;
}

static ssize_t remote_listxattr(struct inode *inode, char *buf, size_t size)
{
	struct hostfd *h;
	ssize_t r = xattr_handle(rnode_of(inode), &h);

	if (r < 0)
		return r == -EOPNOTSUPP ? 0 : r;
	r = host_flistxattr(h->fd, buf, size);
	hostfd_put(h);
	return r;
}

static int remote_removexattr(struct inode *inode, const char *name)
{
	struct hostfd *h;
	int r = remote_readonly(rnode_of(inode));

	if (r == 0)
		r = xattr_handle(rnode_of(inode), &h);
	if (r < 0)
		return r;
	r = host_fremovexattr(h->fd, name);
	hostfd_put(h);
	return r;
}

#define REMOTE_COMMON_OPS                                                        \
	.getattr = remote_getattr, .setattr = remote_setattr, .getxattr = remote_getxattr, \
	.setxattr = remote_setxattr, .listxattr = remote_listxattr, .removexattr = remote_removexattr

static const struct inode_ops remote_dir_ops = {
	.lookup = remote_lookup,
	.create = remote_create,
	.mkdir = remote_mkdir,
	.symlink = remote_symlink,
	.link = remote_link,
	.unlink = remote_unlink,
	.rmdir = remote_rmdir,
	.rename = remote_rename,
	.open = remote_open,
	.revalidate = remote_revalidate,
	REMOTE_COMMON_OPS,
};

static const struct inode_ops remote_file_ops = { .open = remote_open, REMOTE_COMMON_OPS };
static const struct inode_ops remote_link_ops = { .readlink = remote_readlink, REMOTE_COMMON_OPS };
/* Devices, sockets and fifos of the host are seen, never opened. */
static const struct inode_ops remote_special_ops = { REMOTE_COMMON_OPS };

/* ---- the mount ---- */

static int remote_statfs(struct super *sb, struct kstatfs *out)
{
	struct remote *rm = sb->priv;
	struct statfs st;
	int r = host_fstatfs(rm->root_fd->fd, &st);

	if (r < 0)
		return r;
	*out = (struct kstatfs){
		.type = (uint64_t)st.f_type, .bsize = (uint64_t)st.f_bsize, .blocks = st.f_blocks,
		.bfree = st.f_bfree, .bavail = st.f_bavail, .files = st.f_files, .ffree = st.f_ffree,
		.namelen = (uint64_t)st.f_namelen, .frsize = (uint64_t)st.f_frsize,
	};
	return 0;
}

static int remote_sync(struct super *sb)
{
	struct remote *rm = sb->priv;

	/* An O_PATH descriptor cannot be synced, and writes went through. */
	(void)rm;
	return 0;
}

static void remote_destroy(struct super *sb)
{
	struct remote *rm = sb->priv;

	hostfd_put(rm->root_fd);
	free(rm);
}

static const struct super_ops remote_super_ops = {
	.inode_destroy = remote_inode_destroy,
	.statfs = remote_statfs,
	.sync = remote_sync,
	.destroy = remote_destroy,
};

static unsigned handles_limit(void)
{
	struct rlimit lim;

	if (host_prlimit(0, RLIMIT_NOFILE, NULL, &lim) < 0 || lim.rlim_cur == RLIM_INFINITY)
		return 4096;
	return (unsigned)MIN((uint64_t)lim.rlim_cur / 2, (uint64_t)16384);
}

int remote_mount_hostdir(int fd, const struct remote_options *opt, struct super **out)
{
	struct remote *rm = calloc(1, sizeof(*rm));
	struct statx stx;
	struct rnode *root;
	int r = -ENOMEM;

	*out = NULL;
	if (!rm)
		goto out_close;
	rm->ops = &hostdir_ops;
	rm->cache = opt->cache;
	rm->readonly = opt->readonly;
	mutex_init(&rm->lock, LOCK_REMOTE);
	for (unsigned i = 0; i < REMOTE_HASH; i++)
		list_init(&rm->hash[i]);
	list_init(&rm->lru);
	rm->handles_max = handles_limit();
	r = rm->ops->fstat(fd, &stx);
	if (r < 0)
		goto out_free;
	super_init(&rm->sb, &remote_super_ops, "hostdir");
	snprintf(rm->sb.source, sizeof(rm->sb.source), "%s", opt->source ? opt->source : "host");
	rm->sb.priv = rm;
	if (opt->cache == REMOTE_SHARED)
		rm->sb.flags |= SUPER_NO_NEGATIVE;
	r = hostfd_create(fd, "remote root", &rm->root_fd);
	if (r < 0) {
		free(rm);
		return r; /* it closed fd */
	}
	root = rnode_new(rm, NULL, NULL, &stx);
	if (!root) {
		hostfd_put(rm->root_fd);
		free(rm);
		return -ENOMEM;
	}
	rm->sb.root = &root->inode;
	*out = &rm->sb;
	return 0;

out_free:
	free(rm);
out_close:
	host_close(fd);
	return r;
}
