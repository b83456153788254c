/*
 * The instance: its limits, and the life of its inodes.
 *
 * An inode lives while names (entries), dentries, open files or mappings hold
 * it. Freeing a directory frees its entries and so perhaps more directories;
 * guests choose how deep, so freeing is a loop over a list and not recursion:
 * whoever finds a reaper at work leaves the inode to it.
 *
 * The super lives until the last of its inodes is gone, since a mapping can
 * hold one longer than any mount.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/tmpfs/internal.h"

#define TMPFS_MAGIC 0x01021994u

static POOL_DEFINE(tmpfs_inode_pool, struct tmpfs_inode);

static void super_unref(struct tmpfs_super *ts, unsigned long n)
{
	if (atomic_fetch_sub(&ts->live, n) == n)
		free(ts);
}

struct tmpfs_inode *tmpfs_inode_create(struct tmpfs_super *ts, uint32_t mode, uint32_t uid,
				       uint32_t gid)
{
	struct tmpfs_inode *ti = pool_alloc(&tmpfs_inode_pool);

	if (!ti)
		return NULL;
	inode_init(&ti->inode, S_ISDIR(mode) ? &tmpfs_dir_inode_ops : &tmpfs_inode_ops, &ts->sb,
		   atomic_fetch_add(&ts->next_ino, 1), mode, uid, gid);
	mutex_init(&ti->lock, LOCK_INODE);
	ti->nlink = S_ISDIR(mode) ? 2 : 1;
	ti->atime = ti->mtime = ti->ctime = ti->btime = tmpfs_now();
	list_init(&ti->xattrs);
	list_init(&ti->reap);
	if (S_ISDIR(mode)) {
		ti->dir.next_cookie = 2;
		ti->dir.parent_ino = ti->inode.ino;
	} else if (S_ISREG(mode)) {
		tmpfs_data_init(ti);
	}
	atomic_fetch_add(&ts->live, 1);
	return ti;
}

static void inode_free(struct tmpfs_inode *ti)
{
	if (S_ISDIR(ti->inode.mode))
		tmpfs_dir_clear(ti);
	else if (S_ISREG(ti->inode.mode))
		tmpfs_data_fini(ti);
	else if (S_ISLNK(ti->inode.mode))
		free(ti->target);
	tmpfs_xattrs_clear(ti);
	pool_free(&tmpfs_inode_pool, ti);
}

static void tmpfs_inode_destroy(struct inode *inode)
{
	struct tmpfs_inode *ti = tmpfs_of(inode);
	struct tmpfs_super *ts = tmpfs_super_of(ti);
	unsigned long freed = 0;

	mutex_lock(&ts->reap_lock);
	list_push_back(&ts->dead, &ti->reap);
	if (ts->is_reaping) {
		mutex_unlock(&ts->reap_lock);
		return;
	}
	ts->is_reaping = true;
	while (!list_empty(&ts->dead)) {
		ti = list_first(&ts->dead, struct tmpfs_inode, reap);
		list_del(&ti->reap);
		mutex_unlock(&ts->reap_lock);
		inode_free(ti);
		freed++;
		mutex_lock(&ts->reap_lock);
	}
	ts->is_reaping = false;
	mutex_unlock(&ts->reap_lock);
	super_unref(ts, freed);
}

static int tmpfs_statfs(struct super *sb, struct kstatfs *out)
{
	struct tmpfs_super *ts = container_of(sb, struct tmpfs_super, sb);
	uint64_t used = atomic_load(&ts->used_pages), total = ts->limit_pages;

	if (total == 0) {
		struct memfile_stats stats;
		uint64_t rest;

		/* Without a limit of its own: what the memory file has left. */
		memfile_get_stats(ts->mf, &stats);
		total = memfile_limit(ts->mf) / PAGE_SIZE;
		rest = total - MIN(total, stats.used / PAGE_SIZE);
		out->bfree = rest;
	} else {
		out->bfree = total - MIN(total, used);
	}
	out->type = TMPFS_MAGIC;
	out->bsize = out->frsize = PAGE_SIZE;
	out->blocks = total;
	out->bavail = out->bfree;
	out->files = total;
	out->ffree = total - MIN(total, tmpfs_files(ts));
	out->fsid = sb->dev;
	out->namelen = 255;
	return 0;
}

static void tmpfs_destroy(struct super *sb)
{
	super_unref(container_of(sb, struct tmpfs_super, sb), 1);
}

static size_t tmpfs_show_options(struct super *sb, char *buf, size_t size)
{
	struct tmpfs_super *ts = container_of(sb, struct tmpfs_super, sb);
	int n;

	if (ts->limit_pages == 0 || size == 0)
		return 0;
	n = snprintf(buf, size, "size=%lluk", (unsigned long long)(ts->limit_pages * 4));
	return MIN((size_t)n, size - 1);
}

static const struct super_ops tmpfs_super_ops = {
	.inode_destroy = tmpfs_inode_destroy,
	.statfs = tmpfs_statfs,
	.destroy = tmpfs_destroy,
	.show_options = tmpfs_show_options,
};

int tmpfs_create(struct memfile *mf, uint64_t size_limit, uint32_t mode, uint32_t uid, uint32_t gid,
		 struct super **out)
{
	struct tmpfs_super *ts = FAULT_POINT("tmpfs.create") ? NULL : calloc(1, sizeof(*ts));
	struct tmpfs_inode *root;

	*out = NULL;
	if (!ts)
		return -ENOMEM;
	super_init(&ts->sb, &tmpfs_super_ops, "tmpfs");
	ts->mf = mf;
	ts->limit_pages = page_up(size_limit) / PAGE_SIZE;
	atomic_init(&ts->live, 1);
	atomic_init(&ts->more_names, 0);
	atomic_init(&ts->next_ino, 1);
	mutex_init(&ts->reap_lock, LOCK_REMOTE);
	list_init(&ts->dead);
	root = tmpfs_inode_create(ts, S_IFDIR | (mode & 07777), uid, gid);
	if (!root) {
		free(ts);
		return -ENOMEM;
	}
	ts->sb.root = &root->inode;
	*out = &ts->sb;
	return 0;
}
