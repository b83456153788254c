/*
 * access and readlink.
 *
 * access(2) asks for the real user: the whole call, the walk included, runs with
 * a credential whose file ids are the real ones, and whose capabilities are what
 * that user would have. Most callers have such a credential already.
 */
#include <fcntl.h>
#include <linux/securebits.h>
#include <unistd.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

/* ---- access ---- */

static uint64_t real_caps(const struct cred *c)
{
	if (c->securebits & SECBIT_NO_SETUID_FIXUP)
		return c->cap_effective;
	return c->uid == cred_root_uid(c) ? c->cap_permitted : 0;
}

static bool is_real_already(const struct cred *c)
{
	return c->uid == c->fsuid && c->gid == c->fsgid && c->cap_effective == real_caps(c);
}

/* *out: to be used, and put; NULL: the caller's own will do. */
static int real_cred(const struct cred *c, struct cred **out)
{
	struct cred *real;

	*out = NULL;
	if (is_real_already(c))
		return 0;
	real = cred_copy(c);
	if (!real)
		return -ENOMEM;
	real->fsuid = c->uid;
	real->fsgid = c->gid;
	real->cap_effective = real_caps(c);
	*out = real;
	return 0;
}

static long access_lookup(struct task *t, struct vfs_ctx *ctx, const struct syscall_name *n,
			  int mask, unsigned lookup)
{
	struct path p;
	int r = vfs_lookup(ctx, &n->dir, n->text, lookup, &p);

	(void)t;
	if (r < 0)
		return r;
	r = mask == F_OK ? 0 : vfs_access(ctx, &p, mask);
	path_put(&p);
	return r;
}

static long access_call(struct task *t, int dirfd, gva_t user, int mask, int flags)
{
	struct syscall_name n UNINITIALIZED;
	struct cred *real = NULL;
	unsigned lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct vfs_ctx *ctx;
	long r;

	if ((mask & ~(R_OK | W_OK | X_OK)) ||
	    (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	r = syscall_name_get(t, dirfd, user, &n);
	if (r < 0)
		return r;
	if (!(flags & AT_EACCESS))
		r = real_cred(t->cred, &real);
	if (r == 0) {
		ctx = task_vfs_begin(t);
		if (real)
			ctx->cred = real;
		r = access_lookup(t, ctx, &n, mask, lookup);
		task_vfs_end(t);
	}
	if (real)
		cred_put(real);
	syscall_name_put(&n);
	return r;
}

SYSCALL(access)
{
	return access_call(t, AT_FDCWD, args->a[0], (int)args->a[1], 0);
}

SYSCALL(faccessat)
{
	return access_call(t, (int)args->a[0], args->a[1], (int)args->a[2], 0);
}

SYSCALL(faccessat2)
{
	return access_call(t, (int)args->a[0], args->a[1], (int)args->a[2], (int)args->a[3]);
}

/* ---- readlink ---- */

struct readlink_out {
	gva_t buf;
	size_t size;
};

static long do_readlink(struct task *t, const struct vfs_ctx *ctx, const struct path *p, void *arg)
{
	const struct readlink_out *out = arg;
	char text[SYSCALL_PATH_MAX] UNINITIALIZED;
	ssize_t n = vfs_readlink(ctx, p, text, MIN(out->size, sizeof(text)));
	int r;

	if (n < 0)
		return n;
	r = syscall_copy_out(t, out->buf, text, (size_t)n);
	return r < 0 ? r : n;
}

static long readlink_call(struct task *t, int dirfd, gva_t user, gva_t buf, int size)
{
	struct readlink_out out = { .buf = buf, .size = (size_t)size };
	char first = 0;
	long r;

	if (size <= 0)
		return -EINVAL;
	r = syscall_on_path(t, dirfd, user, LOOKUP_EMPTY, do_readlink, &out);
	/* "" names the descriptor itself; of one that is no link: -ENOENT. */
	if (r == -EINVAL && syscall_copy_in(t, &first, user, 1) == 0 && first == '\0')
		return -ENOENT;
	return r;
}

SYSCALL(readlink)
{
	return readlink_call(t, AT_FDCWD, args->a[0], args->a[1], (int)args->a[2]);
}

SYSCALL(readlinkat)
{
	return readlink_call(t, (int)args->a[0], args->a[1], args->a[2], (int)args->a[3]);
}
