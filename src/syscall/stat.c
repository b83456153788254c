/* stat in its five forms, and statfs. */
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "abi/stat.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "vfs/filecall.h"

/* ---- what a place, or an open file, says of itself ---- */

typedef int (*put_fn)(struct task *t, const struct kstat *st, const struct path *p, gva_t user);

struct stat_out {
	put_fn put;
	gva_t user;
};

static long stat_place(struct task *t, const struct vfs_ctx *ctx, const struct path *p, void *arg)
{
	const struct stat_out *out = arg;
	struct kstat st = { 0 };
	int r = vfs_getattr(ctx, p, &st);

	return r < 0 ? r : out->put(t, &st, p, out->user);
}

static long stat_file(struct task *t, int fd, const struct stat_out *out)
{
	struct kstat st = { 0 };
	struct path p;
	int r = fd_getattr(t, fd, &st, &p);

	if (r < 0)
		return r;
	r = out->put(t, &st, &p, out->user);
	path_put(&p);
	return r;
}

static long stat_at(struct task *t, int dirfd, gva_t name, int flags, struct stat_out *out)
{
	if (syscall_names_fd(t, dirfd, name, flags))
		return stat_file(t, dirfd, out);
	return syscall_on_at(t, dirfd, name, flags, stat_place, out);
}

/* ---- struct stat ---- */

static int stat_put(struct task *t, const struct kstat *st, const struct path *p UNUSED, gva_t user)
{
	const struct abi_stat out = {
		.dev = st->dev,
		.ino = st->ino,
		.nlink = st->nlink,
		.mode = st->mode,
		.uid = cred_uid_out(t->cred, st->uid),
		.gid = cred_gid_out(t->cred, st->gid),
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

SYSCALL(stat)
{
	struct stat_out out = { stat_put, args->a[1] };

	return syscall_on_path(t, AT_FDCWD, args->a[0], LOOKUP_FOLLOW, stat_place, &out);
}

SYSCALL(lstat)
{
	struct stat_out out = { stat_put, args->a[1] };

	return syscall_on_path(t, AT_FDCWD, args->a[0], 0, stat_place, &out);
}

SYSCALL(fstat)
{
	const struct stat_out out = { stat_put, args->a[1] };

	return stat_file(t, (int)args->a[0], &out);
}

SYSCALL(newfstatat)
{
	struct stat_out out = { stat_put, args->a[2] };
	int flags = (int)args->a[3];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
		return -EINVAL;
	return stat_at(t, (int)args->a[0], args->a[1], flags, &out);
}

/* ---- statx ---- */

static int statx_put(struct task *t, const struct kstat *st, const struct path *p, gva_t user)
{
	struct abi_statx out;

	statx_fill(t->cred, st, p, &out);
	return syscall_copy_out(t, user, &out, sizeof(out));
}

SYSCALL(statx)
{
	struct stat_out out = { statx_put, args->a[4] };
	int flags = (int)args->a[2];

	if (!statx_args_are_valid((unsigned)flags, (uint32_t)args->a[3]))
		return -EINVAL;
	return stat_at(t, (int)args->a[0], args->a[1], flags, &out);
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
