/*
 * mount, umount2 and pivot_root, for whoever has CAP_SYS_ADMIN over the mount namespace
 * that it is in: new file systems of the registered types, binds, moves, changed flags
 * and propagation types.
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
#define ATIME (unsigned)(MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)
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
	r = vfs_bind(task_mount_ns(t), &from, at, ma->flags & MS_REC);
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
	r = vfs_move_mount(task_mount_ns(t), &from, at);
	path_put(&from);
	return r;
}

/* Whose a new file system is: what shows other namespaces belongs to theirs. */
static struct user_ns *mount_owner(struct task *t, const struct mount_type *type)
{
	switch (type->shows) {
	case NS_USER:
		return t->cred->user_ns;
	case NS_PID:
		return t->group->pid_ns->ns.owner;
	default:
		return task_ns(t, type->shows)->owner;
	}
}

static long mount_new(struct task *t, const struct path *at, const struct mount_args *ma)
{
	char options[SYSCALL_PATH_MAX] UNINITIALIZED;
	char name[TYPE_NAME_MAX];
	const struct mount_type *type;
	struct user_ns *owner;
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
	owner = mount_owner(t, type);
	if (!cred_has_cap_in(t->cred, owner, CAP_SYS_ADMIN))
		return -EPERM;
	r = type->create(t->kernel, options, &sb);
	if (r < 0)
		return r;
	if (type->shows != NS_IPC) /* its queues' file system was there before */
		super_set_owner(sb, owner);
	if (!vfs_may_reveal(task_mount_ns(t), sb, per_mount_flags(ma->flags))) {
		super_put(sb);
		return -EPERM;
	}
	return vfs_mount(task_mount_ns(t), at, sb, per_mount_flags(ma->flags), NULL); /* takes sb */
}

/* Without a word about access times they stay as they are. */
static long remount(struct task *t, const struct path *at, unsigned flags)
{
	unsigned changed = per_mount_flags(flags);

	if (!(flags & ATIME))
		changed = (changed & ~ATIME) | (mount_flags(at->mount) & ATIME);
	return vfs_remount(task_mount_ns(t), at, changed);
}

/* Exactly one type, and nothing else. */
static long set_propagation(struct task *t, const struct path *at, unsigned flags)
{
	unsigned type = flags & ~(unsigned)(MS_REC | MS_SILENT);

	if ((type & ~PROPAGATION) || (type & (type - 1)))
		return -EINVAL;
	return vfs_set_propagation(task_mount_ns(t), at, type, flags & MS_REC);
}

static bool may_mount(struct task *t)
{
	return cred_has_cap_in(t->cred, task_ns(t, NS_MNT)->owner, CAP_SYS_ADMIN);
}

static long do_mount(struct task *t, const struct vfs_ctx *ctx, const struct path *at, void *arg)
{
	const struct mount_args *ma = arg;

	if (!may_mount(t))
		return -EPERM;
	if ((ma->flags & (MS_REMOUNT | MS_BIND)) == MS_REMOUNT &&
	    !cred_has_cap_in(t->cred, mount_super(at->mount)->owner, CAP_SYS_ADMIN))
		return -EPERM;
	if (ma->flags & MS_REMOUNT)
		return remount(t, at, ma->flags);
	if (ma->flags & MS_BIND)
		return mount_bind(t, ctx, at, ma);
	if (ma->flags & PROPAGATION)
		return set_propagation(t, at, ma->flags);
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

/* What lies on the place, also on "." (so pivot_root(".", ".") can be followed by
 * umount(".")). vfs_umount() knows of the one reference. */
static long do_umount(struct task *t, const struct vfs_ctx *ctx UNUSED, const struct path *p,
		      void *arg)
{
	struct path top;
	long r;

	if (!may_mount(t))
		return -EPERM;
	if (!path_cover(p, &top))
		return vfs_umount(task_mount_ns(t), p, *(const int *)arg);
	r = vfs_umount(task_mount_ns(t), &top, *(const int *)arg);
	path_put(&top);
	return r;
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

static long do_pivot(struct task *t, const struct vfs_ctx *ctx, const struct path *put_old,
		     void *arg)
{
	const struct path *new_root = arg;
	int r = vfs_pivot_root(task_mount_ns(t), &ctx->root, new_root, put_old);

	if (r == 0)
		task_change_roots(t->kernel, &ctx->root, new_root);
	return r;
}

static long keep_path(struct task *t UNUSED, const struct vfs_ctx *ctx UNUSED, const struct path *p,
		      void *arg)
{
	struct path *out = arg;

	*out = *p;
	path_get(out);
	return 0;
}

SYSCALL(pivot_root)
{
	struct path new_root;
	long r;

	if (!may_mount(t))
		return -EPERM;
	r = syscall_on_path(t, AT_FDCWD, args->a[0], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, keep_path,
			    &new_root);
	if (r < 0)
		return r;
	r = syscall_on_path(t, AT_FDCWD, args->a[1], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, do_pivot,
			    &new_root);
	path_put(&new_root);
	return r;
}
