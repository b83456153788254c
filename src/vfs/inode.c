/*
 * The generic part of inodes and supers: references and plain attributes. What
 * an inode means is its file system's affair.
 *
 * A super's references are its mounts'. When the last goes, the names cached
 * for it are dropped (each holds an inode), then its root, then it is destroyed.
 */
#include <string.h>
#include <stdio.h>
#include <sys/stat.h>
#include <linux/stat.h>

#include "vfs/internal.h"
#include "vfs/notify.h"

void super_init(struct super *sb, const struct super_ops *ops, const char *type)
{
	sb->ops = ops;
	sb->type = type;
	snprintf(sb->source, sizeof(sb->source), "%s", type);
	sb->dev = vfs_new_dev();
	sb->flags = 0;
	sb->owner = user_ns_get(&user_ns_first);
	sb->root = NULL;
	refcount_init(&sb->refs, 1);
	mutex_init(&sb->rename_lock, LOCK_VFS_RENAME);
	atomic_init(&sb->vfs, NULL);
	sb->priv = NULL;
}

void super_set_owner(struct super *sb, struct user_ns *owner)
{
	user_ns_put(sb->owner);
	sb->owner = user_ns_get(owner);
	if (owner != &user_ns_first && strcmp(sb->type, "devpts") != 0)
		sb->flags |= SUPER_NODEV;
}

void super_get(struct super *sb)
{
	refcount_get(&sb->refs);
}

void super_put(struct super *sb)
{
	struct inode *root;

	if (!sb || !refcount_put(&sb->refs))
		return;
	notify_unmounted(sb);
	dcache_prune_super(sb);
	root = sb->root;
	sb->root = NULL;
	inode_put(root);
	user_ns_put(sb->owner);
	sb->owner = &user_ns_first;
	if (sb->ops->destroy)
		sb->ops->destroy(sb);
}

/* Numbers of anonymous devices, as Linux: major 0. */
uint64_t vfs_new_dev(void)
{
	static atomic_ulong next_minor = 20;
	uint64_t n = atomic_fetch_add(&next_minor, 1);

	return (n & 0xff) | (n & ~(uint64_t)0xff) << 12;
}

void inode_init(struct inode *inode, const struct inode_ops *ops, struct super *sb, uint64_t ino,
		uint32_t mode, uint32_t uid, uint32_t gid)
{
	inode->ops = ops;
	inode->sb = sb;
	refcount_init(&inode->refs, 1);
	inode->ino = ino;
	inode->mode = mode;
	inode->uid = uid;
	inode->gid = gid;
	inode->rdev = 0;
	rwlock_init(&inode->dir_lock, LOCK_VFS_DIR);
	list_init(&inode->dentries);
	atomic_init(&inode->locks, NULL);
	atomic_init(&inode->writers, 0);
	atomic_init(&inode->special, NULL);
	atomic_init(&inode->watches, NULL);
}

void inode_get(struct inode *inode)
{
	refcount_get(&inode->refs);
}

void inode_put(struct inode *inode)
{
	if (!inode || !refcount_put(&inode->refs))
		return;
	ASSERT(list_empty(&inode->dentries));
	lock_list_destroy(atomic_load(&inode->locks));
	atomic_store(&inode->locks, NULL);
	inode_watches_free(inode);
	if (S_ISFIFO(inode->mode) && vfs_forget_fifo)
		vfs_forget_fifo(inode);
	inode->sb->ops->inode_destroy(inode);
}

void inode_fill_stat(const struct inode *inode, struct kstat *st)
{
	memset(st, 0, sizeof(*st));
	st->dev = inode->sb->dev;
	st->ino = inode->ino;
	st->nlink = 1;
	st->rdev = inode->rdev;
	st->mode = inode->mode;
	st->uid = inode->uid;
	st->gid = inode->gid;
	st->blksize = (uint32_t)PAGE_SIZE;
	st->mask = STATX_BASIC_STATS;
}
