/*
 * mount, umount2 and pivot_root, for whoever has CAP_SYS_ADMIN inside: new file
 * systems of the registered types, binds, moves, and changed flags. There is one mount
 * namespace and nothing propagates, so propagation types are accepted and mean
 * nothing.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "syscall/families.h"
#include "syscall/mount.h"
#include "syscall/syscall.h"

#define TYPES_MAX 8
#define TYPE_NAME_MAX 32
#define MAGIC 0xc0ed0000u
#define MAGIC_MASK 0xffff0000u
#define PROPAGATION (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)
#define PER_MOUNT                                                                                  \
	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | \
	 MS_STRICTATIME)

static const struct mount_type *types[TYPES_MAX]; /* [I] once tasks run */
static unsigned ntypes;

void syscall_register_mount_type(const struct mount_type *type)
{
	ASSERT(ntypes < TYPES_MAX);
	types[ntypes++] = type;
}

static const struct mount_type *find_type(const char *name)
{
	for (unsigned i = 0; i < ntypes; i++) {
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	}
	return NULL;
}

struct mount_args {
	gva_t source, type, data;
	unsigned flags;
};

/* relatime is the default. */
static unsigned per_mount_flags(unsigned flags)
{
	unsigned kept = flags & PER_MOUNT;

	return kept & (MS_NOATIME | MS_STRICTATIME) ? kept : kept | MS_RELATIME;
}

/* The place that a bind or a move starts from. */
static long find_source(struct task *t, const struct vfs_ctx *ctx, gva_t source, struct path *from)
{
	char name[SYSCALL_PATH_MAX] UNINITIALIZED;
	int r = source ? syscall_path(t, source, name) : -EINVAL;

	if (r < 0)
		return r;
	return name[0] ? vfs_lookup(ctx, NULL, name, LOOKUP_FOLLOW, from) : -EINVAL;
}

static long mount_bind(struct task *t, const struct vfs_ctx *ctx, const struct path *at,
		       const struct mount_args *ma)
{
	struct path from;
	long r = find_source(t, ctx, ma->source, &from);

	if (r < 0)
		return r;
	/* A bind keeps the flags of what it shows; a remount may change them. */
	r = vfs_bind(t->kernel->vfs, &from, at, ma->flags & MS_REC);
	path_put(&from);
	return r;
}

static long mount_move(struct task *t, const struct vfs_ctx *ctx, const struct path *at,
		       const struct mount_args *ma)
{
	struct path from;
	long r = find_source(t, ctx, ma->source, &from);

	if (r < 0)
		return r;
	r = vfs_move_mount(t->kernel->vfs, &from, at);
	path_put(&from);
	return r;
}

static long mount_new(struct task *t, const struct path *at, const struct mount_args *ma)
{
	char options[SYSCALL_PATH_MAX] UNINITIALIZED;
	char name[TYPE_NAME_MAX];
	const struct mount_type *type;
	struct super *sb;
	ssize_t n = ma->type ? mm_copy_in_str(t->mm, name, ma->type, sizeof(name)) : -EINVAL;
	int r;

	if (n < 0)
		return n == -ENAMETOOLONG ? -ENODEV : n;
	type = find_type(name);
	if (!type)
		return -ENODEV;
	options[0] = '\0';
	n = ma->data ? mm_copy_in_str(t->mm, options, ma->data, sizeof(options)) : 0;
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	r = type->create(t->kernel, options, &sb);
	if (r < 0)
		return r;
	return vfs_mount(t->kernel->vfs, at, sb, per_mount_flags(ma->flags), NULL); /* takes sb */
}

static long do_mount(struct task *t, const struct vfs_ctx *ctx, const struct path *at, void *arg)
{
	const struct mount_args *ma = arg;

	if (!cred_has_cap(ctx->cred, CAP_SYS_ADMIN))
		return -EPERM;
	if (ma->flags & MS_REMOUNT)
		return vfs_remount(t->kernel->vfs, at, per_mount_flags(ma->flags));
	if (ma->flags & MS_BIND)
		return mount_bind(t, ctx, at, ma);
	if (ma->flags & PROPAGATION)
		return path_is_mount_root(at) ? 0 : -EINVAL;
	if (ma->flags & MS_MOVE)
		return mount_move(t, ctx, at, ma);
	return mount_new(t, at, ma);
}

SYSCALL(mount)
{
	struct mount_args ma = {
		.source = args->a[0],
		.type = args->a[2],
		.flags = (unsigned)args->a[3],
		.data = args->a[4],
	};

	if ((ma.flags & MAGIC_MASK) == MAGIC)
		ma.flags &= ~MAGIC_MASK;
	return syscall_on_path(t, AT_FDCWD, args->a[1], LOOKUP_FOLLOW, do_mount, &ma);
}

/* The caller's path holds a reference: vfs_umount() knows of that one. */
static long do_umount(struct task *t, const struct vfs_ctx *ctx, const struct path *at, void *arg)
{
	if (!cred_has_cap(ctx->cred, CAP_SYS_ADMIN))
		return -EPERM;
	return vfs_umount(t->kernel->vfs, at, *(const int *)arg);
}

#define UMOUNT_FORCE 1
#define UMOUNT_DETACH 2
#define UMOUNT_EXPIRE 4
#define UMOUNT_NO_FOLLOW 8

SYSCALL(umount2)
{
	int flags = (int)args->a[1];
	unsigned lookup = flags & UMOUNT_NO_FOLLOW ? 0 : LOOKUP_FOLLOW;

	if (flags & ~(UMOUNT_FORCE | UMOUNT_DETACH | UMOUNT_EXPIRE | UMOUNT_NO_FOLLOW))
		return -EINVAL;
	return syscall_on_path(t, AT_FDCWD, args->a[0], lookup, do_umount, &flags);
}

SYSCALL(pivot_root)
{
	return cred_has_cap(t->cred, CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
}
