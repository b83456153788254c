/* Calls that make, move and remove names. */
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

/* ---- one name ---- */

typedef int (*name_fn)(const struct vfs_ctx *ctx, const struct syscall_name *n, const uint64_t *a);

static long on_name(struct task *t, int dirfd, gva_t user, name_fn fn, const uint64_t *a)
{
	struct syscall_name n UNINITIALIZED;
	long r = syscall_name_get(t, dirfd, user, &n);

	if (r < 0)
		return r;
	r = fn(task_vfs_begin(t), &n, a);
	task_vfs_end(t);
	syscall_name_put(&n);
	return r;
}

static int do_mkdir(const struct vfs_ctx *ctx, const struct syscall_name *n, const uint64_t *a)
{
	return vfs_mkdir(ctx, &n->dir, n->text, (uint32_t)a[0]);
}

SYSCALL(mkdir)
{
	return on_name(t, AT_FDCWD, args->a[0], do_mkdir, &args->a[1]);
}

SYSCALL(mkdirat)
{
	return on_name(t, (int)args->a[0], args->a[1], do_mkdir, &args->a[2]);
}

static int do_mknod(const struct vfs_ctx *ctx, const struct syscall_name *n, const uint64_t *a)
{
	/* The kernel's 32-bit form: mmmM MMmm, 12 bits of major, 20 of minor. */
	uint32_t dev = (uint32_t)a[1];
	unsigned dev_major = (dev >> 8) & 0xfff, dev_minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);

	return vfs_mknod(ctx, &n->dir, n->text, (uint32_t)a[0], makedev(dev_major, dev_minor));
}

SYSCALL(mknod)
{
	return on_name(t, AT_FDCWD, args->a[0], do_mknod, &args->a[1]);
}

SYSCALL(mknodat)
{
	return on_name(t, (int)args->a[0], args->a[1], do_mknod, &args->a[2]);
}

static int do_rmdir(const struct vfs_ctx *ctx, const struct syscall_name *n,
		    const uint64_t *a UNUSED)
{
	return vfs_rmdir(ctx, &n->dir, n->text);
}

static int do_unlink(const struct vfs_ctx *ctx, const struct syscall_name *n,
		     const uint64_t *a UNUSED)
{
	return vfs_unlink(ctx, &n->dir, n->text);
}

SYSCALL(rmdir)
{
	return on_name(t, AT_FDCWD, args->a[0], do_rmdir, NULL);
}

SYSCALL(unlink)
{
	return on_name(t, AT_FDCWD, args->a[0], do_unlink, NULL);
}

SYSCALL(unlinkat)
{
	int flags = (int)args->a[2];

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	return on_name(t, (int)args->a[0], args->a[1], flags ? do_rmdir : do_unlink, NULL);
}

/* ---- two names ---- */

typedef int (*names_fn)(const struct vfs_ctx *ctx, const struct syscall_name *from,
			const struct syscall_name *to, int flags);

struct two_names {
	int from_dir, to_dir;
	gva_t from, to;
	int flags;
};

static long on_names(struct task *t, const struct two_names *two, names_fn fn)
{
	struct syscall_name from UNINITIALIZED;
	struct syscall_name to UNINITIALIZED;
	long r = syscall_name_get(t, two->from_dir, two->from, &from);

	if (r < 0)
		return r;
	r = syscall_name_get(t, two->to_dir, two->to, &to);
	if (r < 0)
		goto out_put_from;
	r = fn(task_vfs_begin(t), &from, &to, two->flags);
	task_vfs_end(t);
	syscall_name_put(&to);
out_put_from:
	syscall_name_put(&from);
	return r;
}

static int do_rename(const struct vfs_ctx *ctx, const struct syscall_name *from,
		     const struct syscall_name *to, int flags)
{
	return vfs_rename(ctx, &from->dir, from->text, &to->dir, to->text, (unsigned)flags);
}

SYSCALL(rename)
{
	const struct two_names two = { AT_FDCWD, AT_FDCWD, args->a[0], args->a[1], 0 };

	return on_names(t, &two, do_rename);
}

static struct two_names two_at(const struct sysargs *args, int flags)
{
	return (struct two_names){ (int)args->a[0], (int)args->a[2], args->a[1], args->a[3],
				   flags };
}

SYSCALL(renameat)
{
	const struct two_names two = two_at(args, 0);

	return on_names(t, &two, do_rename);
}

SYSCALL(renameat2)
{
	const struct two_names two = two_at(args, (int)args->a[4]);

	return on_names(t, &two, do_rename);
}

static int do_link(const struct vfs_ctx *ctx, const struct syscall_name *from,
		   const struct syscall_name *to, int flags)
{
	return vfs_link(ctx, &from->dir, from->text, &to->dir, to->text, flags);
}

SYSCALL(link)
{
	const struct two_names two = { AT_FDCWD, AT_FDCWD, args->a[0], args->a[1], 0 };

	return on_names(t, &two, do_link);
}

SYSCALL(linkat)
{
	const struct two_names two = two_at(args, (int)args->a[4]);

	if (two.flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return on_names(t, &two, do_link);
}

/* ---- symlink: the first name is only text ---- */

static long symlink_call(struct task *t, gva_t target, int dirfd, gva_t user)
{
	char text[SYSCALL_PATH_MAX] UNINITIALIZED;
	struct syscall_name n UNINITIALIZED;
	long r = syscall_path(t, target, text);

	if (r < 0)
		return r;
	r = syscall_name_get(t, dirfd, user, &n);
	if (r < 0)
		return r;
	r = vfs_symlink(task_vfs_begin(t), text, &n.dir, n.text);
	task_vfs_end(t);
	syscall_name_put(&n);
	return r;
}

SYSCALL(symlink)
{
	return symlink_call(t, args->a[0], AT_FDCWD, args->a[1]);
}

SYSCALL(symlinkat)
{
	return symlink_call(t, args->a[0], (int)args->a[1], args->a[2]);
}
