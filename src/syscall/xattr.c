/* Extended attributes: 16 calls, which are four with four ways to name a file. */
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/xattr.h>
#include <stdlib.h>
#include <string.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "base/fault.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

#define AT_FLAGS_OK (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)

/* struct xattr_args of setxattrat and getxattrat. */
struct xattr_args {
	uint64_t value;
	uint32_t size, flags;
};

struct xattr_call {
	char name[XATTR_NAME_MAX + 1];
	gva_t value;
	size_t size;
	int flags;
};

/* An empty or too long name is -ERANGE. */
static int name_get(struct task *t, gva_t user, struct xattr_call *c)
{
	ssize_t n = mm_copy_in_str(t->mm, c->name, user, sizeof(c->name));

	if (n == 0 || n == -ENAMETOOLONG)
		return -ERANGE;
	return n < 0 ? (int)n : 0;
}

static void *value_alloc(size_t size)
{
	return FAULT_POINT("syscall.xattr") ? NULL : malloc(size ? size : 1);
}

/* ---- set ---- */

static long do_set(struct task *t, const struct vfs_ctx *ctx, const struct path *p, void *arg)
{
	struct xattr_call *c = arg;
	void *value = value_alloc(c->size);
	long r;

	if (!value)
		return -ENOMEM;
	r = syscall_copy_in(t, value, c->value, c->size);
	if (r == 0)
		r = vfs_setxattr(ctx, p, c->name, value, c->size, c->flags);
	free(value);
	return r;
}

static int set_args(struct task *t, const uint64_t *a, struct xattr_call *c)
{
	c->value = a[1];
	c->size = a[2];
	c->flags = (int)a[3];
	if (c->flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	if (c->size > XATTR_SIZE_MAX)
		return -E2BIG;
	return name_get(t, a[0], c);
}

static long set_path(struct task *t, const struct sysargs *args, unsigned lookup)
{
	struct xattr_call c;
	int r = set_args(t, &args->a[1], &c);

	return r < 0 ? r : syscall_on_path(t, AT_FDCWD, args->a[0], lookup, do_set, &c);
}

SYSCALL(setxattr)
{
	return set_path(t, args, LOOKUP_FOLLOW);
}

SYSCALL(lsetxattr)
{
	return set_path(t, args, 0);
}

SYSCALL(fsetxattr)
{
	struct xattr_call c;
	int r = set_args(t, &args->a[1], &c);

	return r < 0 ? r : syscall_on_fd(t, (int)args->a[0], false, do_set, &c);
}

/* The arguments of the newest two, in a structure. a: dirfd, path, at_flags, name,
 * args, size of args. */
static int at_args(struct task *t, const struct sysargs *args, struct xattr_args *xa)
{
	if (args->a[2] & ~(uint64_t)AT_FLAGS_OK)
		return -EINVAL;
	if (args->a[5] < sizeof(*xa))
		return -EINVAL;
	return syscall_copy_struct(t, xa, sizeof(*xa), args->a[4], args->a[5]);
}

SYSCALL(setxattrat)
{
	struct xattr_args xa;
	struct xattr_call c;
	int r = at_args(t, args, &xa);

	if (r == 0)
		r = set_args(t, (const uint64_t[4]){ args->a[3], xa.value, xa.size, xa.flags }, &c);
	if (r < 0)
		return r;
	return syscall_on_at(t, (int)args->a[0], args->a[1], (int)args->a[2], do_set, &c);
}

/* ---- get and list: size 0 asks how much there is ---- */

typedef ssize_t (*fetch_fn)(const struct vfs_ctx *ctx, const struct path *p, const char *name,
			    void *buf, size_t size);

static long fetch(struct task *t, const struct vfs_ctx *ctx, const struct path *p,
		  const struct xattr_call *c, fetch_fn fn)
{
	size_t size = MIN(c->size, (size_t)XATTR_SIZE_MAX);
	void *buf = NULL;
	long r;

	if (size) {
		buf = value_alloc(size);
		if (!buf)
			return -ENOMEM;
	}
	r = fn(ctx, p, c->name, buf, size);
	if (r > 0 && size && syscall_copy_out(t, c->value, buf, (size_t)r) < 0)
		r = -EFAULT;
	free(buf);
	return r;
}

static long do_get(struct task *t, const struct vfs_ctx *ctx, const struct path *p, void *arg)
{
	return fetch(t, ctx, p, arg, vfs_getxattr);
}

static int get_args(struct task *t, const uint64_t *a, struct xattr_call *c)
{
	c->value = a[1];
	c->size = a[2];
	return name_get(t, a[0], c);
}

static long get_path(struct task *t, const struct sysargs *args, unsigned lookup)
{
	struct xattr_call c;
	int r = get_args(t, &args->a[1], &c);

	return r < 0 ? r : syscall_on_path(t, AT_FDCWD, args->a[0], lookup, do_get, &c);
}

SYSCALL(getxattr)
{
	return get_path(t, args, LOOKUP_FOLLOW);
}

SYSCALL(lgetxattr)
{
	return get_path(t, args, 0);
}

SYSCALL(fgetxattr)
{
	struct xattr_call c;
	int r = get_args(t, &args->a[1], &c);

	return r < 0 ? r : syscall_on_fd(t, (int)args->a[0], false, do_get, &c);
}

SYSCALL(getxattrat)
{
	struct xattr_args xa;
	struct xattr_call c;
	int r = at_args(t, args, &xa);

	if (r == 0 && xa.flags)
		r = -EINVAL;
	if (r == 0)
		r = get_args(t, (const uint64_t[3]){ args->a[3], xa.value, xa.size }, &c);
	if (r < 0)
		return r;
	return syscall_on_at(t, (int)args->a[0], args->a[1], (int)args->a[2], do_get, &c);
}

static ssize_t list_names(const struct vfs_ctx *ctx, const struct path *p, const char *name UNUSED,
			  void *buf, size_t size)
{
	return vfs_listxattr(ctx, p, buf, size);
}

static long do_list(struct task *t, const struct vfs_ctx *ctx, const struct path *p, void *arg)
{
	return fetch(t, ctx, p, arg, list_names);
}

static long list_path(struct task *t, const struct sysargs *args, unsigned lookup)
{
	struct xattr_call c = { .value = args->a[1], .size = args->a[2] };

	return syscall_on_path(t, AT_FDCWD, args->a[0], lookup, do_list, &c);
}

SYSCALL(listxattr)
{
	return list_path(t, args, LOOKUP_FOLLOW);
}

SYSCALL(llistxattr)
{
	return list_path(t, args, 0);
}

SYSCALL(flistxattr)
{
	struct xattr_call c = { .value = args->a[1], .size = args->a[2] };

	return syscall_on_fd(t, (int)args->a[0], false, do_list, &c);
}

SYSCALL(listxattrat)
{
	struct xattr_call c = { .value = args->a[3], .size = args->a[4] };

	if (args->a[2] & ~(uint64_t)AT_FLAGS_OK)
		return -EINVAL;
	return syscall_on_at(t, (int)args->a[0], args->a[1], (int)args->a[2], do_list, &c);
}

/* ---- remove ---- */

static long do_remove(struct task *t UNUSED, const struct vfs_ctx *ctx, const struct path *p,
		      void *arg)
{
	return vfs_removexattr(ctx, p, ((const struct xattr_call *)arg)->name);
}

static long remove_path(struct task *t, const struct sysargs *args, unsigned lookup)
{
	struct xattr_call c;
	int r = name_get(t, args->a[1], &c);

	return r < 0 ? r : syscall_on_path(t, AT_FDCWD, args->a[0], lookup, do_remove, &c);
}

SYSCALL(removexattr)
{
	return remove_path(t, args, LOOKUP_FOLLOW);
}

SYSCALL(lremovexattr)
{
	return remove_path(t, args, 0);
}

SYSCALL(fremovexattr)
{
	struct xattr_call c;
	int r = name_get(t, args->a[1], &c);

	return r < 0 ? r : syscall_on_fd(t, (int)args->a[0], false, do_remove, &c);
}

SYSCALL(removexattrat)
{
	struct xattr_call c;
	int r = name_get(t, args->a[3], &c);

	if (r < 0)
		return r;
	if (args->a[2] & ~(uint64_t)AT_FLAGS_OK)
		return -EINVAL;
	return syscall_on_at(t, (int)args->a[0], args->a[1], (int)args->a[2], do_remove, &c);
}
