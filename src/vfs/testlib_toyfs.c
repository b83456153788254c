/* An in-memory file system for the tests of vfs/: names, links, no contents. */
#include "vfs/testlib_toyfs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES_MAX 64

struct toy_name {
	char name[256];
	struct inode *inode;
};

struct toy_inode {
	struct inode inode;
	struct toy_name names[NAMES_MAX];
	char target[256];
	uint64_t size;
	char value[64]; /* of the one xattr */
	char xattr[64];
	bool has_xattr;
};

int toy_inodes;
unsigned toy_lookups;

static struct toy_inode *toy(struct inode *inode)
{
	return container_of(inode, struct toy_inode, inode);
}

static struct toy_name *find(struct inode *dir, const char *name)
{
	for (int i = 0; i < NAMES_MAX; i++) {
		if (toy(dir)->names[i].inode && strcmp(toy(dir)->names[i].name, name) == 0)
			return &toy(dir)->names[i];
	}
	return NULL;
}

static struct toy_name *room(struct inode *dir)
{
	for (int i = 0; i < NAMES_MAX; i++) {
		if (!toy(dir)->names[i].inode)
			return &toy(dir)->names[i];
	}
	return NULL;
}

static int toy_lookup(struct inode *dir, const char *name, const struct vfs_ctx *ctx,
		      struct inode **out)
{
	struct toy_name *n = find(dir, name);

	(void)ctx;
	toy_lookups++;
	if (!n)
		return -ENOENT;
	*out = n->inode;
	inode_get(n->inode);
	return 0;
}

static const struct inode_ops toy_ops;

static struct toy_inode *toy_new(struct super *sb, uint32_t mode, uint32_t uid, uint32_t gid)
{
	static uint64_t ino = 1;
	struct toy_inode *t = calloc(1, sizeof(*t));

	inode_init(&t->inode, &toy_ops, sb, ino++, mode, uid, gid);
	toy_inodes++;
	return t;
}

static int toy_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
		     const struct vfs_ctx *ctx, struct inode **out)
{
	struct toy_name *n = room(dir);
	struct toy_inode *t;

	if (!n)
		return -ENOSPC;
	t = toy_new(dir->sb, mode, ctx->cred->fsuid, vfs_new_gid(dir, ctx));
	t->inode.rdev = rdev;
	strcpy(n->name, name);
	n->inode = &t->inode;
	inode_get(&t->inode);
	*out = &t->inode;
	return 0;
}

static int toy_create(struct inode *dir, const char *name, uint32_t mode, const struct vfs_ctx *ctx,
		      struct inode **out)
{
	return toy_mknod(dir, name, mode, 0, ctx, out);
}

static int toy_symlink(struct inode *dir, const char *name, const char *target,
		       const struct vfs_ctx *ctx, struct inode **out)
{
	int r = toy_mknod(dir, name, S_IFLNK | 0777, 0, ctx, out);

	if (r == 0)
		strncpy(toy(*out)->target, target, sizeof(toy(*out)->target) - 1);
	return r;
}

static int toy_link(struct inode *dir, const char *name, struct inode *target,
		    const struct vfs_ctx *ctx)
{
	struct toy_name *n = room(dir);

	(void)ctx;
	if (!n)
		return -ENOSPC;
	strcpy(n->name, name);
	n->inode = target;
	inode_get(target);
	return 0;
}

static int toy_unlink(struct inode *dir, const char *name, struct inode *victim,
		      const struct vfs_ctx *ctx)
{
	(void)ctx;
	find(dir, name)->inode = NULL;
	inode_put(victim);
	return 0;
}

static bool is_empty(struct inode *dir)
{
	for (int i = 0; i < NAMES_MAX; i++) {
		if (toy(dir)->names[i].inode)
			return false;
	}
	return true;
}

static int toy_rmdir(struct inode *dir, const char *name, struct inode *victim,
		     const struct vfs_ctx *ctx)
{
	return is_empty(victim) ? toy_unlink(dir, name, victim, ctx) : -ENOTEMPTY;
}

static int toy_rename(struct inode *olddir, const char *oldname, struct inode *inode,
		      struct inode *newdir, const char *newname, struct inode *target,
		      unsigned flags, const struct vfs_ctx *ctx)
{
	struct toy_name *from = find(olddir, oldname), *to = find(newdir, newname);

	(void)ctx;
	if (flags & 2) { /* RENAME_EXCHANGE */
		from->inode = target;
		to->inode = inode;
		return 0;
	}
	if (target && S_ISDIR(target->mode) && !is_empty(target))
		return -ENOTEMPTY;
	if (!to)
		to = room(newdir);
	if (!to)
		return -ENOSPC;
	from->inode = NULL;
	strcpy(to->name, newname);
	to->inode = inode;
	inode_put(target);
	return 0;
}

static int toy_tmpfile(struct inode *dir, uint32_t mode, const struct vfs_ctx *ctx,
		       struct inode **out)
{
	*out = &toy_new(dir->sb, mode, ctx->cred->fsuid, vfs_new_gid(dir, ctx))->inode;
	return 0;
}

static ssize_t toy_readlink(struct inode *inode, char *buf, size_t size, const struct vfs_ctx *ctx)
{
	size_t n = MIN(size, strlen(toy(inode)->target));

	(void)ctx;
	memcpy(buf, toy(inode)->target, n);
	return (ssize_t)n;
}

static int toy_getattr(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx)
{
	(void)ctx;
	inode_fill_stat(inode, st);
	st->size = toy(inode)->size;
	return 0;
}

static int toy_setattr(struct inode *inode, const struct setattr *sa, const struct vfs_ctx *ctx)
{
	(void)ctx;
	if (sa->valid & SETATTR_SIZE)
		toy(inode)->size = sa->size;
	if (sa->valid & SETATTR_MODE)
		inode->mode = (inode->mode & S_IFMT) | sa->mode;
	if (sa->valid & SETATTR_KILL_PRIV)
		inode->mode &= ~(uint32_t)(S_ISUID | S_ISGID);
	if (sa->valid & SETATTR_UID)
		inode->uid = sa->uid;
	if (sa->valid & SETATTR_GID)
		inode->gid = sa->gid;
	return 0;
}

static ssize_t toy_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct toy_inode *t = toy(inode);

	if (!t->has_xattr || strcmp(t->xattr, name) != 0)
		return -ENODATA;
	if (size > 0)
		memcpy(buf, t->value, MIN(size, strlen(t->value)));
	return (ssize_t)strlen(t->value);
}

static int toy_setxattr(struct inode *inode, const char *name, const void *val, size_t size,
			int flags)
{
	struct toy_inode *t = toy(inode);

	(void)flags;
	strncpy(t->xattr, name, sizeof(t->xattr) - 1);
	memset(t->value, 0, sizeof(t->value));
	memcpy(t->value, val, MIN(size, sizeof(t->value) - 1));
	t->has_xattr = true;
	return 0;
}

static ssize_t toy_listxattr(struct inode *inode, char *buf, size_t size)
{
	struct toy_inode *t = toy(inode);
	size_t n = t->has_xattr ? strlen(t->xattr) + 1 : 0;

	if (size >= n)
		memcpy(buf, t->xattr, n);
	return (ssize_t)n;
}

/* ---- open files: a size, no bytes ---- */

static ssize_t toy_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	uint64_t size = toy(f->inode)->size;
	size_t n = *pos < size ? (size_t)MIN(size - *pos, (uint64_t)u->remaining) : 0;

	(void)io;
	*pos += n;
	return uio_zero(u, n);
}

static ssize_t toy_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct toy_inode *t = toy(f->inode);
	int64_t n = vfs_write_limit(io, pos, t->size, u->remaining);

	if (n < 0)
		return n;
	uio_advance(u, (size_t)n);
	*pos += (uint64_t)n;
	t->size = MAX(t->size, *pos);
	return n;
}

static int64_t toy_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx)
{
	(void)ctx;
	return vfs_lseek_size(f, off, whence, toy(f->inode)->size);
}

static const struct file_ops toy_file_ops = {
	.name = "toy",
	.read = toy_read,
	.write = toy_write,
	.lseek = toy_lseek,
};

static int toy_open(struct inode *inode, struct file *file, const struct vfs_ctx *ctx)
{
	static const struct file_ops dir_ops = { .name = "toydir" };

	(void)ctx;
	file->ops = S_ISDIR(inode->mode) ? &dir_ops : &toy_file_ops;
	return 0;
}

static const struct inode_ops toy_ops = {
	.lookup = toy_lookup,
	.create = toy_create,
	.mkdir = toy_create,
	.mknod = toy_mknod,
	.symlink = toy_symlink,
	.link = toy_link,
	.unlink = toy_unlink,
	.rmdir = toy_rmdir,
	.rename = toy_rename,
	.tmpfile = toy_tmpfile,
	.readlink = toy_readlink,
	.getattr = toy_getattr,
	.setattr = toy_setattr,
	.getxattr = toy_getxattr,
	.setxattr = toy_setxattr,
	.listxattr = toy_listxattr,
	.open = toy_open,
};

static void toy_inode_destroy(struct inode *inode)
{
	for (int i = 0; i < NAMES_MAX; i++)
		inode_put(toy(inode)->names[i].inode);
	free(toy(inode));
	toy_inodes--;
}

static void toy_destroy(struct super *sb)
{
	free(sb);
}

static const struct super_ops toy_super_ops = {
	.inode_destroy = toy_inode_destroy,
	.destroy = toy_destroy,
};

struct super *toy_super(void)
{
	struct super *sb = calloc(1, sizeof(*sb));

	super_init(sb, &toy_super_ops, "toy");
	sb->root = &toy_new(sb, S_IFDIR | 0755, 0, 0)->inode;
	return sb;
}

/* ---- a sandbox for a test ---- */

void toy_begin(struct toy_env *e)
{
	memset(e, 0, sizeof(*e));
	waiter_init(&e->waiter);
	e->root_cred = cred_create(0, 0);
	e->user_cred = cred_create(1000, 1000);
	if (vfs_create(&e->vfs) < 0 ||
	    vfs_mount(vfs_first_ns(e->vfs), NULL, toy_super(), 0, NULL) < 0)
		abort();
	vfs_root(vfs_first_ns(e->vfs), &e->root.root);
	e->root.cwd = e->root.root;
	e->root.cred = e->root_cred;
	e->root.waiter = &e->waiter;
	e->root.umask = 022;
	e->root.fsize_limit = ~(uint64_t)0;
	e->root.owner = e;
	e->root.pid = 1;
	e->user = e->root;
	e->user.cred = e->user_cred;
	e->user.owner = &e->user;
	e->user.pid = 2;
}

void toy_end(struct toy_env *e)
{
	path_put(&e->root.root);
	vfs_destroy(e->vfs);
	cred_put(e->root_cred);
	cred_put(e->user_cred);
}

int toy_touch(struct vfs_ctx *ctx, const char *name, uint32_t mode)
{
	struct file *f;
	int r = vfs_open(ctx, NULL, name, 0100 | 0200 | 1, mode, 0, &f);

	if (r == 0)
		file_put(f);
	return r;
}
