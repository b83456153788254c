/*
 * Attributes and times; and the ops of everything that is no directory.
 *
 * Times are of the coarse clock, as the kernel's own file systems have them.
 */
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/tmpfs/internal.h"
#include "host/host.h"

#define SEAL_EXEC 0x20u
#define ENTRY_SIZE 20 /* what a name adds to a directory's size, as Linux says */

struct timespec_k tmpfs_now(void)
{
	uint64_t ns = host_clock_ns(CLOCK_REALTIME_COARSE);

	return (struct timespec_k){ (int64_t)(ns / 1000000000), (uint32_t)(ns % 1000000000) };
}

void tmpfs_touch(struct tmpfs_inode *ti)
{
	struct timespec_k now = tmpfs_now();

	mutex_lock(&ti->lock);
	ti->mtime = ti->ctime = now;
	mutex_unlock(&ti->lock);
}

void tmpfs_accessed(struct tmpfs_inode *ti, const struct file *f)
{
	struct timespec_k now = tmpfs_now();

	mutex_lock(&ti->lock);
	if (file_updates_atime(f, &ti->atime, &ti->mtime, &ti->ctime, now.sec))
		ti->atime = now;
	mutex_unlock(&ti->lock);
}

static void fill_size(struct tmpfs_inode *ti, struct kstat *st)
{
	switch (ti->inode.mode & S_IFMT) {
	case S_IFDIR:
		st->size = (2 + ti->dir.by_cookie.count) * ENTRY_SIZE;
		break;
	case S_IFLNK:
		st->size = strlen(ti->target);
		break;
	case S_IFREG:
		rwlock_read(&ti->data.data_lock);
		st->size = ti->data.size;
		st->blocks = ti->data.extents.span / 512;
		rwlock_read_unlock(&ti->data.data_lock);
		break;
	}
}

int tmpfs_getattr(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx)
{
	struct tmpfs_inode *ti = tmpfs_of(inode);

	(void)ctx;
	mutex_lock(&ti->lock);
	inode_fill_stat(inode, st);
	st->nlink = ti->nlink;
	st->atime = ti->atime;
	st->mtime = ti->mtime;
	st->ctime = ti->ctime;
	st->btime = ti->btime;
	st->mask |= STATX_BTIME;
	fill_size(ti, st);
	mutex_unlock(&ti->lock);
	return 0;
}

static uint32_t without_priv(uint32_t mode)
{
	mode &= ~(uint32_t)S_ISUID;
	return mode & S_IXGRP ? mode & ~(uint32_t)S_ISGID : mode;
}

static void set_times_locked(struct tmpfs_inode *ti, const struct setattr *sa,
			     struct timespec_k now)
{
	if (sa->valid & SETATTR_ATIME)
		ti->atime = sa->atime;
	if (sa->valid & SETATTR_ATIME_NOW)
		ti->atime = now;
	if (sa->valid & SETATTR_MTIME)
		ti->mtime = sa->mtime;
	if (sa->valid & (SETATTR_MTIME_NOW | SETATTR_SIZE))
		ti->mtime = now;
	ti->ctime = now;
}

static bool breaks_exec_seal(const struct tmpfs_inode *ti, const struct setattr *sa)
{
	return (sa->valid & SETATTR_MODE) && S_ISREG(ti->inode.mode) &&
	       (atomic_load(&ti->data.seals) & SEAL_EXEC) && ((sa->mode ^ ti->inode.mode) & 0111);
}

int tmpfs_setattr(struct inode *inode, const struct setattr *sa, const struct vfs_ctx *ctx)
{
	struct tmpfs_inode *ti = tmpfs_of(inode);
	uint32_t mode;
	int r;

	(void)ctx;
	if (sa->valid & SETATTR_SIZE) {
		if (!S_ISREG(inode->mode))
			return -EINVAL;
		r = tmpfs_truncate(ti, sa->size);
		if (r < 0)
			return r;
	}
	mutex_lock(&ti->lock);
	if (breaks_exec_seal(ti, sa)) {
		mutex_unlock(&ti->lock);
		return -EPERM;
	}
	mode = inode->mode;
	if (sa->valid & SETATTR_MODE)
		mode = (mode & S_IFMT) | (sa->mode & 07777);
	if (sa->valid & SETATTR_KILL_PRIV)
		mode = without_priv(mode);
	WRITE_ONCE(inode->mode, mode);
	if (sa->valid & SETATTR_UID)
		WRITE_ONCE(inode->uid, sa->uid);
	if (sa->valid & SETATTR_GID)
		WRITE_ONCE(inode->gid, sa->gid);
	set_times_locked(ti, sa, tmpfs_now());
	mutex_unlock(&ti->lock);
	return 0;
}

static ssize_t tmpfs_readlink(struct inode *inode, char *buf, size_t size,
			      const struct vfs_ctx *ctx)
{
	struct tmpfs_inode *ti = tmpfs_of(inode);
	size_t n = MIN(size, strlen(ti->target));

	(void)ctx;
	memcpy(buf, ti->target, n);
	return (ssize_t)n;
}

static int tmpfs_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx)
{
	(void)ctx;
	if (!S_ISREG(inode->mode))
		return -ENXIO;
	f->ops = &tmpfs_file_ops;
	return 0;
}

const struct inode_ops tmpfs_inode_ops = {
	.readlink = tmpfs_readlink,
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.listxattr = tmpfs_listxattr,
	.removexattr = tmpfs_removexattr,
	.open = tmpfs_open,
};
