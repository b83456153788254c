/*
 * nsfs. Each use makes an inode of its own; what programs compare, the device and the
 * inode number, is the same for all of one namespace.
 */
#include "vfs/nsfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/pool.h"
#include "vfs/internal.h"

#define NSFS_MAGIC 0x6e736673

struct ns_inode {
	struct inode inode;
	struct ns *ns; /* [I] reference */
};

static POOL_DEFINE(ns_inode_pool, struct ns_inode);

long (*nsfs_ioctl)(struct ns *ns, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx);

static struct ns_inode *of(const struct inode *inode)
{
	return container_of((struct inode *)(uintptr_t)inode, struct ns_inode, inode);
}

static long ns_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	return nsfs_ioctl ? nsfs_ioctl(of(f->inode)->ns, cmd, arg, ctx) : -ENOTTY;
}

static const struct file_ops ns_file_ops = { .name = "nsfs", .ioctl = ns_ioctl };

static int ns_open(struct inode *inode UNUSED, struct file *f, const struct vfs_ctx *ctx UNUSED)
{
	if ((atomic_load(&f->flags) & O_ACCMODE) != O_RDONLY)
		return -EPERM;
	f->ops = &ns_file_ops;
	return 0;
}

static const struct inode_ops ns_inode_ops = { .open = ns_open };

static void ns_inode_destroy(struct inode *inode)
{
	ns_put(of(inode)->ns);
	pool_free(&ns_inode_pool, of(inode));
}

static int ns_statfs(struct super *sb UNUSED, struct kstatfs *out)
{
	*out = (struct kstatfs){ .type = NSFS_MAGIC, .bsize = 4096, .namelen = 255, .frsize = 4096 };
	return 0;
}

static const struct super_ops ns_super_ops = { .inode_destroy = ns_inode_destroy,
					       .statfs = ns_statfs };

/* ---- the one mount, made on first use and kept for ever ---- */

static struct super nsfs_super;
static struct mount *nsfs_mount;

static int make_inode(struct ns *ns, struct inode **out)
{
	struct ns_inode *n = pool_alloc(&ns_inode_pool);

	*out = NULL;
	if (!n)
		return -ENOMEM;
	n->ns = ns ? ns_get(ns) : NULL;
	inode_init(&n->inode, &ns_inode_ops, &nsfs_super, ns ? ns->ino : 1,
		   ns ? S_IFREG | 0444 : S_IFDIR | 0500, 0, 0);
	*out = &n->inode;
	return 0;
}

static int make_mount(void)
{
	struct inode *root;
	struct dentry *d;
	int r;

	super_init(&nsfs_super, &ns_super_ops, "nsfs");
	r = make_inode(NULL, &root);
	if (r < 0)
		return r;
	d = dentry_create(NULL, &nsfs_super, "", 0, root);
	inode_put(root);
	r = d ? mount_create_internal(&nsfs_super, d, &nsfs_mount) : -ENOMEM;
	if (r < 0)
		dentry_put(d);
	return r;
}

static int nsfs_ready(void)
{
	static struct mutex lock = MUTEX_INIT(LOCK_VFS_MOUNT);
	int r = 0;

	mutex_lock(&lock);
	if (!nsfs_mount)
		r = make_mount();
	mutex_unlock(&lock);
	return r;
}

/* ---- files ---- */

struct ns *nsfs_ns(const struct inode *inode)
{
	return inode && inode->ops == &ns_inode_ops ? of(inode)->ns : NULL;
}

int nsfs_path(struct ns *ns, struct path *out)
{
	struct inode *inode;
	int r = nsfs_ready();

	if (r == 0)
		r = make_inode(ns, &inode);
	if (r < 0)
		return r;
	out->dentry = dentry_create(nsfs_mount->root, &nsfs_super, "", 0, inode);
	inode_put(inode);
	if (!out->dentry)
		return -ENOMEM;
	out->mount = mount_get(nsfs_mount);
	atomic_fetch_or(&out->dentry->flags, DENTRY_ANON);
	return 0;
}

int nsfs_open(struct ns *ns, const struct cred *cred, struct file **out)
{
	struct path p;
	int r = nsfs_path(ns, &p);

	*out = NULL;
	if (r < 0)
		return r;
	*out = file_alloc(&p, O_RDONLY, cred);
	path_put(&p);
	if (!*out)
		return -ENFILE;
	(*out)->ops = &ns_file_ops;
	return 0;
}
