/* stat in its five forms, and statfs. */
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "abi/stat.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

/* ---- struct stat ---- */

static int stat_put(struct task *t, const struct kstat *st, gva_t user)
{
	const struct abi_stat out = {
		.dev = st->dev,
		.ino = st->ino,
		.nlink = st->nlink,
		.mode = st->mode,
		.uid = st->uid,
		.gid = st->gid,
		.rdev = st->rdev,
		.size = (int64_t)st->size,
		.blksize = st->blksize,
		.blocks = (int64_t)st->blocks,
		.atime = (uint64_t)st->atime.sec,
		.atime_nsec = st->atime.nsec,
		.mtime = (uint64_t)st->mtime.sec,
		.mtime_nsec = st->mtime.nsec,
		.ctime = (uint64_t)st->ctime.sec,
		.ctime_nsec = st->ctime.nsec,
	};

	return syscall_copy_out(t, user, &out, sizeof(out));
}

static long do_stat(struct task *t, const struct vfs_ctx *ctx, const struct path *p, void *arg)
{
	struct kstat st = { 0 };
	int r = vfs_getattr(ctx, p, &st);

	return r < 0 ? r : stat_put(t, &st, *(const gva_t *)arg);
}

SYSCALL(stat)
{
	gva_t out = args->a[1];

	return syscall_on_path(t, AT_FDCWD, args->a[0], LOOKUP_FOLLOW, do_stat, &out);
}

SYSCALL(lstat)
{
	gva_t out = args->a[1];

	return syscall_on_path(t, AT_FDCWD, args->a[0], 0, do_stat, &out);
}

SYSCALL(fstat)
{
	gva_t out = args->a[1];

	return syscall_on_fd(t, (int)args->a[0], true, do_stat, &out);
}

SYSCALL(newfstatat)
{
	int flags = (int)args->a[3];
	gva_t out = args->a[2];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
		return -EINVAL;
	return syscall_on_at(t, (int)args->a[0], args->a[1], flags, do_stat, &out);
}

/* ---- statx ---- */

static struct abi_statx_timestamp statx_time(const struct timespec_k *ts)
{
	return (struct abi_statx_timestamp){ .sec = ts->sec, .nsec = ts->nsec };
}

static void statx_fill(struct abi_statx *out, const struct kstat *st, const struct path *p)
{
	*out = (struct abi_statx){
		.mask = st->mask | STATX_MNT_ID,
		.blksize = st->blksize,
		.nlink = (uint32_t)st->nlink,
		.uid = st->uid,
		.gid = st->gid,
		.mode = (uint16_t)st->mode,
		.ino = st->ino,
		.size = st->size,
		.blocks = st->blocks,
		.attributes = path_is_mount_root(p) ? STATX_ATTR_MOUNT_ROOT : 0,
		.attributes_mask = STATX_ATTR_MOUNT_ROOT,
		.atime = statx_time(&st->atime),
		.btime = statx_time(&st->btime),
		.ctime = statx_time(&st->ctime),
		.mtime = statx_time(&st->mtime),
		.rdev_major = major(st->rdev),
		.rdev_minor = minor(st->rdev),
		.dev_major = major(st->dev),
		.dev_minor = minor(st->dev),
		.mnt_id = st->mnt_id,
	};
}

static long do_statx(struct task *t, const struct vfs_ctx *ctx, const struct path *p, void *arg)
{
	struct kstat st = { 0 };
	struct abi_statx out;
	int r = vfs_getattr(ctx, p, &st);

	if (r < 0)
		return r;
	if (!st.mask)
		st.mask = STATX_BASIC_STATS;
	statx_fill(&out, &st, p);
	return syscall_copy_out(t, *(const gva_t *)arg, &out, sizeof(out));
}

SYSCALL(statx)
{
	int flags = (int)args->a[2];
	gva_t out = args->a[4];

	if ((args->a[3] & STATX__RESERVED) || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	return syscall_on_at(t, (int)args->a[0], args->a[1], flags, do_statx, &out);
}

/* ---- statfs ---- */

static long do_statfs(struct task *t, const struct vfs_ctx *ctx UNUSED, const struct path *p,
		      void *arg)
{
	struct abi_statfs out = { 0 };
	struct kstatfs st;
	int r = vfs_statfs(p, &st);

	if (r < 0)
		return r;
	out.type = (int64_t)st.type;
	out.bsize = (int64_t)st.bsize;
	out.blocks = st.blocks;
	out.bfree = st.bfree;
	out.bavail = st.bavail;
	out.files = st.files;
	out.ffree = st.ffree;
	out.fsid[0] = (int32_t)st.fsid;
	out.fsid[1] = (int32_t)(st.fsid >> 32);
	out.namelen = (int64_t)st.namelen;
	out.frsize = (int64_t)st.frsize;
	out.flags = (int64_t)st.flags;
	return syscall_copy_out(t, *(const gva_t *)arg, &out, sizeof(out));
}

SYSCALL(statfs)
{
	gva_t out = args->a[1];

	return syscall_on_path(t, AT_FDCWD, args->a[0], LOOKUP_FOLLOW, do_statfs, &out);
}

SYSCALL(fstatfs)
{
	gva_t out = args->a[1];

	return syscall_on_fd(t, (int)args->a[0], true, do_statfs, &out);
}
