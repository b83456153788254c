/*
 * Open files without a place in the tree: pipes, sockets, eventfds (and the
 * like, which share one inode, as in Linux), and files that never had a name.
 *
 * Each kind has a super of its own, hence a device number, with one internal
 * mount, made on first use and kept for ever.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "memmap/memmap.h"
#include "vfs/internal.h"

struct mappable vfs_mappable_anon;

struct anon_inode {
	struct inode inode;
};

static POOL_DEFINE(anon_inode_pool, struct anon_inode);

static void anon_inode_destroy(struct inode *inode)
{
	pool_free(&anon_inode_pool, container_of(inode, struct anon_inode, inode));
}

static int anon_statfs(struct super *sb, struct kstatfs *out)
{
	(void)sb;
	out->type = 0x09041934; /* ANON_INODE_FS_MAGIC */
	out->bsize = out->frsize = PAGE_SIZE;
	out->namelen = DENTRY_NAME_MAX;
	return 0;
}

static int anon_setattr(struct inode *inode, const struct setattr *sa, const struct vfs_ctx *ctx)
{
	(void)ctx;
	if (sa->valid & SETATTR_SIZE)
		return -EINVAL;
	if (sa->valid & SETATTR_MODE)
		inode->mode = (inode->mode & S_IFMT) | (sa->mode & 07777);
	if (sa->valid & SETATTR_UID)
		inode->uid = sa->uid;
	if (sa->valid & SETATTR_GID)
		inode->gid = sa->gid;
	return 0;
}

/* Opening a magic link to a pipe opens the pipe anew. */
static int anon_open(struct inode *inode, struct file *file, const struct vfs_ctx *ctx)
{
	(void)inode;
	(void)file;
	(void)ctx;
	return -ENXIO;
}

static const struct inode_ops anon_inode_ops = {
	.setattr = anon_setattr,
	.open = anon_open,
};

static const struct super_ops anon_super_ops = {
	.inode_destroy = anon_inode_destroy,
	.statfs = anon_statfs,
};

/* ---- the three kinds ---- */

struct anon_kind {
	const char *type;
	struct super sb;
	struct mount *mount;
};

static struct anon_kind kinds[] = {
	{ .type = "anon_inodefs" },
	{ .type = "pipefs" },
	{ .type = "sockfs" },
};
static struct mutex kinds_lock = MUTEX_INIT(LOCK_VFS_MOUNT);
static _Atomic bool kinds_ready;

static struct inode *anon_inode_create(struct super *sb, uint32_t mode, const struct cred *cred)
{
	static atomic_ulong next_ino = 1000;
	struct anon_inode *ai = pool_alloc(&anon_inode_pool);

	if (!ai)
		return NULL;
	inode_init(&ai->inode, &anon_inode_ops, sb, atomic_fetch_add(&next_ino, 1), mode,
		   cred->fsuid, cred->fsgid);
	return &ai->inode;
}

static int kind_init(struct anon_kind *k)
{
	struct cred root = { .refs = { 1 } };
	struct inode *inode;
	struct dentry *d;
	int r;

	if (k->mount)
		return 0;
	super_init(&k->sb, &anon_super_ops, k->type);
	k->sb.flags |= SUPER_NOEXEC;
	inode = anon_inode_create(&k->sb, 0600, &root);
	if (!inode)
		return -ENOMEM;
	d = dentry_create(NULL, &k->sb, "", 0, inode);
	inode_put(inode);
	if (!d)
		return -ENOMEM;
	atomic_fetch_or(&d->flags, DENTRY_ANON);
	r = mount_create_internal(&k->sb, d, &k->mount);
	if (r < 0)
		dentry_put(d);
	return r;
}

static int kinds_init(void)
{
	int r = 0;

	if (likely(atomic_load_explicit(&kinds_ready, memory_order_acquire)))
		return 0;
	mutex_lock(&kinds_lock);
	for (unsigned i = 0; i < ARRAY_SIZE(kinds) && r == 0; i++)
		r = kind_init(&kinds[i]);
	if (r == 0)
		atomic_store_explicit(&kinds_ready, true, memory_order_release);
	mutex_unlock(&kinds_lock);
	return r;
}

/* ---- files ---- */

/* The place of an anonymous file with an inode of its own. */
static int place_of(struct anon_kind *k, struct inode *inode, struct path *out)
{
	out->dentry = dentry_create(k->mount->root, inode->sb, "", 0, inode);
	if (!out->dentry)
		return -ENOMEM;
	out->mount = mount_get(k->mount);
	atomic_fetch_or(&out->dentry->flags, DENTRY_ANON);
	return 0;
}

/* The place of a new anonymous file: the shared one, or one of its own. */
static int anon_place(uint32_t type, const struct cred *cred, struct path *out)
{
	struct anon_kind *k = &kinds[type == S_IFIFO ? 1 : type == S_IFSOCK ? 2 : 0];
	struct inode *inode;
	int r;

	if (type == 0) {
		out->mount = mount_get(k->mount);
		out->dentry = dentry_get(k->mount->root);
		return 0;
	}
	inode = anon_inode_create(&k->sb, type | (type == S_IFSOCK ? 0777 : 0600), cred);
	if (!inode)
		return -ENOMEM;
	r = place_of(k, inode, out);
	inode_put(inode);
	return r;
}

/* Takes the place. */
static int file_at(struct path *p, const struct file_ops *ops, void *priv, unsigned flags,
		   const struct cred *cred, struct file **out)
{
	struct file *f = file_alloc(p, flags & ~(unsigned)O_CLOEXEC, cred);

	path_put(p);
	if (!f)
		return -ENFILE;
	f->ops = ops;
	f->priv = priv;
	f->is_stream = !ops->lseek;
	*out = f;
	return 0;
}

int file_create_anon(const struct file_ops *ops, void *priv, unsigned flags, uint32_t kind,
		     const struct cred *cred, struct file **out)
{
	struct path p;
	int r;

	*out = NULL;
	r = kinds_init();
	if (r == 0)
		r = anon_place(kind & S_IFMT, cred, &p);
	return r < 0 ? r : file_at(&p, ops, priv, flags, cred, out);
}

int file_create_anon_of(struct inode *inode, const struct file_ops *ops, void *priv, unsigned flags,
			const struct cred *cred, struct file **out)
{
	struct path p;
	int r;

	*out = NULL;
	r = kinds_init();
	if (r == 0)
		r = place_of(&kinds[0], inode, &p);
	return r < 0 ? r : file_at(&p, ops, priv, flags, cred, out);
}

int file_create_unnamed(struct inode *inode, const char *name, unsigned flags,
			const struct vfs_ctx *ctx, struct file **out)
{
	struct path p = { NULL, NULL };
	struct dentry *root;
	struct file *f;
	int r;

	*out = NULL;
	r = dentry_root(inode->sb, &root);
	if (r < 0)
		return r;
	p.dentry = dentry_create(root, inode->sb, name, MIN(strlen(name), (size_t)DENTRY_NAME_MAX),
				 inode);
	/* A mount of its own: it lives as long as the file. */
	r = p.dentry ? mount_create_internal(inode->sb, root, &p.mount) : -ENOMEM;
	if (r < 0) {
		dentry_put(p.dentry);
		dentry_put(root);
		return r;
	}
	super_get(inode->sb);
	atomic_fetch_or(&p.dentry->flags, DENTRY_DELETED);
	f = file_alloc(&p, flags & ~(unsigned)O_CLOEXEC, ctx->cred);
	path_put(&p);
	if (!f)
		return -ENFILE;
	r = file_open_inode(f, ctx);
	if (r < 0) {
		file_free(f);
		return r;
	}
	*out = f;
	return 0;
}
