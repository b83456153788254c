/* Modes, owners, times and the umask. */
#include <fcntl.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "abi/time.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

#define AT_FLAGS_OF_NAMES (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)

/* ---- mode ---- */

static long do_chmod(struct task *t UNUSED, const struct vfs_ctx *ctx, const struct path *p,
		     void *arg)
{
	return vfs_chmod(ctx, p, *(const uint32_t *)arg);
}

SYSCALL(chmod)
{
	uint32_t mode = (uint32_t)args->a[1];

	return syscall_on_path(t, AT_FDCWD, args->a[0], LOOKUP_FOLLOW, do_chmod, &mode);
}

SYSCALL(fchmod)
{
	uint32_t mode = (uint32_t)args->a[1];

	return syscall_on_fd(t, (int)args->a[0], false, do_chmod, &mode);
}

SYSCALL(fchmodat)
{
	uint32_t mode = (uint32_t)args->a[2];

	return syscall_on_path(t, (int)args->a[0], args->a[1], LOOKUP_FOLLOW, do_chmod, &mode);
}

SYSCALL(fchmodat2)
{
	uint32_t mode = (uint32_t)args->a[2];
	int flags = (int)args->a[3];

	if (flags & ~AT_FLAGS_OF_NAMES)
		return -EINVAL;
	return syscall_on_at(t, (int)args->a[0], args->a[1], flags, do_chmod, &mode);
}

SYSCALL(umask)
{
	uint32_t old;

	mutex_lock(&t->fs->lock);
	old = t->fs->umask;
	t->fs->umask = (uint32_t)args->a[0] & 0777;
	mutex_unlock(&t->fs->lock);
	return old;
}

/* ---- owner ---- */

struct owner {
	uint32_t uid, gid;
};

static long do_chown(struct task *t, const struct vfs_ctx *ctx, const struct path *p, void *arg)
{
	const struct owner *o = arg;
	uint32_t uid = cred_uid_in(t->cred, o->uid), gid = cred_gid_in(t->cred, o->gid);

	if ((o->uid != ID_INVALID && uid == ID_INVALID) ||
	    (o->gid != ID_INVALID && gid == ID_INVALID))
		return -EINVAL;
	return vfs_chown(ctx, p, uid, gid);
}

SYSCALL(chown)
{
	struct owner o = { (uint32_t)args->a[1], (uint32_t)args->a[2] };

	return syscall_on_path(t, AT_FDCWD, args->a[0], LOOKUP_FOLLOW, do_chown, &o);
}

SYSCALL(lchown)
{
	struct owner o = { (uint32_t)args->a[1], (uint32_t)args->a[2] };

	return syscall_on_path(t, AT_FDCWD, args->a[0], 0, do_chown, &o);
}

SYSCALL(fchown)
{
	struct owner o = { (uint32_t)args->a[1], (uint32_t)args->a[2] };

	return syscall_on_fd(t, (int)args->a[0], false, do_chown, &o);
}

SYSCALL(fchownat)
{
	struct owner o = { (uint32_t)args->a[2], (uint32_t)args->a[3] };
	int flags = (int)args->a[4];

	if (flags & ~AT_FLAGS_OF_NAMES)
		return -EINVAL;
	return syscall_on_at(t, (int)args->a[0], args->a[1], flags, do_chown, &o);
}

/* ---- times ---- */

static const struct setattr both_now = { .valid = SETATTR_ATIME_NOW | SETATTR_MTIME_NOW };

static long do_utimes(struct task *t UNUSED, const struct vfs_ctx *ctx, const struct path *p,
		      void *arg)
{
	return vfs_utimes(ctx, p, arg);
}

/* One of the two times of utimensat: which bits it sets. -EINVAL. */
static int time_from_timespec(const struct abi_timespec *ts, struct timespec_k *out, unsigned set,
			      unsigned set_now)
{
	if (ts->nsec == ABI_UTIME_OMIT)
		return 0;
	if (ts->nsec == ABI_UTIME_NOW)
		return (int)set_now;
	if (ts->nsec < 0 || ts->nsec >= ABI_NSEC_PER_SEC)
		return -EINVAL;
	*out = (struct timespec_k){ .sec = ts->sec, .nsec = (uint32_t)ts->nsec };
	return (int)set;
}

static int times_from_timespecs(struct task *t, gva_t user, struct setattr *sa)
{
	struct abi_timespec ts[2];
	int a, m, r;

	*sa = both_now;
	if (!user)
		return 0;
	r = syscall_copy_in(t, ts, user, sizeof(ts));
	if (r < 0)
		return r;
	a = time_from_timespec(&ts[0], &sa->atime, SETATTR_ATIME, SETATTR_ATIME_NOW);
	m = time_from_timespec(&ts[1], &sa->mtime, SETATTR_MTIME, SETATTR_MTIME_NOW);
	if (a < 0 || m < 0)
		return -EINVAL;
	sa->valid = (unsigned)a | (unsigned)m;
	return 0;
}

SYSCALL(utimensat)
{
	int flags = (int)args->a[3];
	struct setattr sa;
	int r = times_from_timespecs(t, args->a[2], &sa);

	if (r < 0 || !sa.valid) /* both UTIME_OMIT: not even the name is looked at */
		return r;
	if (flags & ~AT_FLAGS_OF_NAMES)
		return -EINVAL;
	if (args->a[1] == 0 && (int)args->a[0] != AT_FDCWD)
		return flags ? -EINVAL : syscall_on_fd(t, (int)args->a[0], false, do_utimes, &sa);
	return syscall_on_at(t, (int)args->a[0], args->a[1], flags, do_utimes, &sa);
}

static int times_from_timevals(struct task *t, gva_t user, struct setattr *sa)
{
	struct abi_timeval tv[2];
	int r;

	*sa = both_now;
	if (!user)
		return 0;
	r = syscall_copy_in(t, tv, user, sizeof(tv));
	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++) {
		if (tv[i].usec < 0 || tv[i].usec >= 1000000)
			return -EINVAL;
	}
	sa->valid = SETATTR_ATIME | SETATTR_MTIME;
	sa->atime = (struct timespec_k){ tv[0].sec, (uint32_t)tv[0].usec * 1000 };
	sa->mtime = (struct timespec_k){ tv[1].sec, (uint32_t)tv[1].usec * 1000 };
	return 0;
}

static long utimes_at(struct task *t, int dirfd, gva_t user, gva_t times)
{
	struct setattr sa;
	int r = times_from_timevals(t, times, &sa);

	if (r < 0)
		return r;
	if (!user && dirfd != AT_FDCWD)
		return syscall_on_fd(t, dirfd, false, do_utimes, &sa);
	return syscall_on_path(t, dirfd, user, LOOKUP_FOLLOW, do_utimes, &sa);
}

SYSCALL(utimes)
{
	return utimes_at(t, AT_FDCWD, args->a[0], args->a[1]);
}

SYSCALL(futimesat)
{
	return utimes_at(t, (int)args->a[0], args->a[1], args->a[2]);
}

SYSCALL(utime)
{
	struct setattr sa = both_now;
	struct abi_utimbuf buf;
	int r;

	if (args->a[1]) {
		r = syscall_copy_in(t, &buf, args->a[1], sizeof(buf));
		if (r < 0)
			return r;
		sa.valid = SETATTR_ATIME | SETATTR_MTIME;
		sa.atime.sec = buf.actime;
		sa.mtime.sec = buf.modtime;
	}
	return syscall_on_path(t, AT_FDCWD, args->a[0], LOOKUP_FOLLOW, do_utimes, &sa);
}
