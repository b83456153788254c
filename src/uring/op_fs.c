/*
 * Names: what the calls of the same names do. Names are copied when the entry is
 * taken, so the program may reuse their memory then.
 *
 * These end by themselves, so they are carried out at once, by who submits. Those that
 * fail without breaking a link (all but opening) do so in Linux.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/fcntl.h"
#include "abi/stat.h"
#include "base/kmem.h"
#include "uring/files.h"
#include "uring/internal.h"
#include "uring/ops.h"
#include "vfs/filecall.h"

#define NAME_SIZE 4096

/* ---- names ---- */

/* What hangs on a request: one name or two, and a value. */
struct names {
	size_t second; /* where it begins in text; 0: there is none */
	size_t value, value_size;
	char text[];
};

static const char *first_name(const struct req *req)
{
	return ((const struct names *)req->data)->text;
}

static const char *second_name(const struct req *req)
{
	const struct names *n = req->data;

	return n->text + n->second;
}

/* Copies the strings at a and, unless 0, b, and room for a value. */
static int names_get(struct req *req, gva_t a, gva_t b, size_t value_size)
{
	char one[NAME_SIZE] __attribute__((uninitialized));
	char two[NAME_SIZE] __attribute__((uninitialized));
	struct mm *mm = req_task(req)->mm;
	ssize_t na = mm_copy_in_str(mm, one, a, sizeof(one)), nb = 0;
	struct names *n;

	if (na >= 0 && b)
		nb = mm_copy_in_str(mm, two, b, sizeof(two));
	if (na < 0 || nb < 0)
		return (int)MIN(na, nb);
	n = kmem_alloc_for(KMEM_URING, sizeof(*n) + (size_t)na + 1 + (size_t)nb + 1 + value_size);
	if (!n)
		return -ENOMEM;
	n->second = (size_t)na + 1;
	n->value = n->second + (size_t)nb + 1;
	n->value_size = value_size;
	memcpy(n->text, one, (size_t)na);
	n->text[na] = '\0';
	memcpy(n->text + n->second, two, (size_t)nb);
	n->text[n->second + (size_t)nb] = '\0';
	req->data = n;
	return 0;
}

static int names_prep(struct req *req, const struct io_uring_sqe *sqe, gva_t b)
{
	if (sqe->buf_index || sqe->splice_fd_in)
		return -EINVAL;
	if (req->flags & REQ_FIXED_FILE)
		return -EBADF;
	req->fs.dfd = sqe->fd;
	return names_get(req, sqe->addr, b, 0);
}

/* ---- one name ---- */

typedef int (*name_fn)(const struct vfs_ctx *ctx, const struct path *dir, const struct req *req);

static int on_name(struct req *req, struct issue *is, name_fn fn)
{
	struct task *t = is->task;
	struct path dir;
	int r = fd_dir(t, req->fs.dfd, first_name(req), &dir);

	if (r == 0) {
		r = fn(task_vfs_begin(t), &dir, req);
		task_vfs_end(t);
		path_put(&dir);
	}
	return req_done(req, r);
}

int unlinkat_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	if (sqe->off || sqe->len)
		return -EINVAL;
	req->fs.flags = sqe->unlink_flags;
	if (req->fs.flags & ~(uint32_t)AT_REMOVEDIR)
		return -EINVAL;
	return names_prep(req, sqe, 0);
}

static int do_unlink(const struct vfs_ctx *ctx, const struct path *dir, const struct req *req)
{
	return req->fs.flags ? vfs_rmdir(ctx, dir, first_name(req))
			     : vfs_unlink(ctx, dir, first_name(req));
}

int unlinkat_issue(struct req *req, struct issue *is)
{
	return on_name(req, is, do_unlink);
}

int mkdirat_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	if (sqe->off || sqe->rw_flags)
		return -EINVAL;
	req->fs.mode = sqe->len;
	return names_prep(req, sqe, 0);
}

static int do_mkdir(const struct vfs_ctx *ctx, const struct path *dir, const struct req *req)
{
	return vfs_mkdir(ctx, dir, first_name(req), req->fs.mode & 07777);
}

int mkdirat_issue(struct req *req, struct issue *is)
{
	return on_name(req, is, do_mkdir);
}

/* ---- two names ---- */

struct two_dirs {
	struct path from, to;
};

static int two_dirs_get(struct task *t, const struct req *req, struct two_dirs *d)
{
	int r = fd_dir(t, req->fs.dfd, first_name(req), &d->from);

	if (r < 0)
		return r;
	r = fd_dir(t, req->fs.dfd2, second_name(req), &d->to);
	if (r < 0)
		path_put(&d->from);
	return r;
}

static void two_dirs_put(struct two_dirs *d)
{
	path_put(&d->from);
	path_put(&d->to);
}

int renameat_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	req->fs.dfd2 = (int32_t)sqe->len;
	req->fs.flags = sqe->rename_flags;
	return sqe->addr2 ? names_prep(req, sqe, sqe->addr2) : -EFAULT;
}

int renameat_issue(struct req *req, struct issue *is)
{
	struct task *t = is->task;
	struct two_dirs d;
	int r = two_dirs_get(t, req, &d);

	if (r == 0) {
		r = vfs_rename(task_vfs_begin(t), &d.from, first_name(req), &d.to, second_name(req),
			       req->fs.flags);
		task_vfs_end(t);
		two_dirs_put(&d);
	}
	return req_done(req, r);
}

int linkat_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	req->fs.dfd2 = (int32_t)sqe->len;
	req->fs.flags = sqe->hardlink_flags;
	return sqe->addr2 ? names_prep(req, sqe, sqe->addr2) : -EFAULT;
}

int linkat_issue(struct req *req, struct issue *is)
{
	struct task *t = is->task;
	struct two_dirs d;
	int r = -EINVAL;

	if (!(req->fs.flags & ~(uint32_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)))
		r = two_dirs_get(t, req, &d);
	if (r == 0) {
		r = vfs_link(task_vfs_begin(t), &d.from, first_name(req), &d.to, second_name(req),
			     (int)req->fs.flags);
		task_vfs_end(t);
		two_dirs_put(&d);
	}
	return req_done(req, r);
}

/* The first name is only text. */
int symlinkat_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	if (sqe->len || sqe->rw_flags)
		return -EINVAL;
	return sqe->addr2 ? names_prep(req, sqe, sqe->addr2) : -EFAULT;
}

int symlinkat_issue(struct req *req, struct issue *is)
{
	struct task *t = is->task;
	struct path dir;
	int r = fd_dir(t, req->fs.dfd, second_name(req), &dir);

	if (r == 0) {
		r = vfs_symlink(task_vfs_begin(t), first_name(req), &dir, second_name(req));
		task_vfs_end(t);
		path_put(&dir);
	}
	return req_done(req, r);
}

/* ---- STATX ---- */

int statx_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_fs *fs = &req->fs;

	fs->mode = sqe->len;
	fs->a = sqe->addr2;
	fs->flags = sqe->statx_flags;
	/* No name, with AT_EMPTY_PATH: the descriptor itself. */
	if (!sqe->addr && (fs->flags & AT_EMPTY_PATH)) {
		if (sqe->buf_index || sqe->splice_fd_in)
			return -EINVAL;
		fs->dfd = sqe->fd;
		return 0;
	}
	return names_prep(req, sqe, 0);
}

static int stat_open_file(struct task *t, int fd, struct abi_statx *out)
{
	struct kstat st = { 0 };
	struct path p;
	int r = fd_getattr(t, fd, &st, &p);

	if (r < 0)
		return r;
	statx_fill(t->cred, &st, &p, out);
	path_put(&p);
	return 0;
}

static int stat_name(struct task *t, const struct op_fs *fs, const char *name,
		     struct abi_statx *out)
{
	unsigned lookup = fs->flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	const struct vfs_ctx *ctx;
	struct kstat st = { 0 };
	struct path dir, p;
	int r = fd_dir(t, fs->dfd, name, &dir);

	if (r < 0)
		return r;
	if (fs->flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	ctx = task_vfs_begin(t);
	r = vfs_lookup(ctx, &dir, name, lookup, &p);
	if (r == 0) {
		r = vfs_getattr(ctx, &p, &st);
		if (r == 0)
			statx_fill(t->cred, &st, &p, out);
		path_put(&p);
	}
	task_vfs_end(t);
	path_put(&dir);
	return r;
}

int statx_issue(struct req *req, struct issue *is)
{
	const struct op_fs *fs = &req->fs;
	const char *name = req->data ? first_name(req) : "";
	struct abi_statx out;
	int r = -EINVAL;

	if (!statx_args_are_valid(fs->flags, fs->mode))
		return req_done(req, r);
	if (!*name && (fs->flags & AT_EMPTY_PATH) && fs->dfd != AT_FDCWD)
		r = stat_open_file(is->task, fs->dfd, &out);
	else
		r = stat_name(is->task, fs, name, &out);
	if (r == 0)
		r = mm_copy_out(is->task->mm, fs->a, &out, sizeof(out));
	return req_done(req, r);
}

/* ---- extended attributes: by name (of the file: the second name) or descriptor ---- */

#define XATTR_NAME_ROOM 256
#define XATTR_VALUE_MAX 65536u

static int xattr_prep(struct req *req, const struct io_uring_sqe *sqe, bool by_name, bool sets)
{
	struct op_fs *fs = &req->fs;
	size_t value_size = 0;
	struct names *n;
	int err;

	if (by_name && (req->flags & REQ_FIXED_FILE))
		return -EBADF;
	fs->a = sqe->addr2;
	fs->b = sqe->len;
	fs->flags = sqe->xattr_flags;
	if (fs->flags & ~(sets ? 3u : 0u))
		return -EINVAL;
	if (sets && fs->b > XATTR_VALUE_MAX)
		return -E2BIG;
	if (sets)
		value_size = fs->b;
	if (by_name && !sqe->addr3)
		return -EFAULT;
	err = names_get(req, sqe->addr, by_name ? sqe->addr3 : 0, value_size);
	if (err == -ENAMETOOLONG)
		return -ERANGE;
	if (err < 0)
		return err;
	n = req->data;
	if (n->second == 1 || n->second > XATTR_NAME_ROOM)
		return -ERANGE;
	return value_size ? mm_copy_in(req_task(req)->mm, n->text + n->value, fs->a, value_size)
			  : 0;
}

int setxattr_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	return xattr_prep(req, sqe, true, true);
}

int fsetxattr_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	return xattr_prep(req, sqe, false, true);
}

int getxattr_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	return xattr_prep(req, sqe, true, false);
}

int fgetxattr_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	return xattr_prep(req, sqe, false, false);
}

typedef long (*xattr_fn)(struct req *req, struct task *t, const struct vfs_ctx *ctx,
			 const struct path *p);

static long do_setxattr(struct req *req, struct task *t UNUSED, const struct vfs_ctx *ctx,
			const struct path *p)
{
	const struct names *n = req->data;

	return vfs_setxattr(ctx, p, n->text, n->text + n->value, n->value_size, (int)req->fs.flags);
}

static long do_getxattr(struct req *req, struct task *t, const struct vfs_ctx *ctx,
			const struct path *p)
{
	size_t size = MIN((size_t)req->fs.b, (size_t)XATTR_VALUE_MAX);
	char *buf = malloc(size + 1);
	long r = -ENOMEM;

	if (!buf)
		return r;
	r = vfs_getxattr(ctx, p, first_name(req), size ? buf : NULL, size);
	if (r > 0 && size && mm_copy_out(t->mm, req->fs.a, buf, (size_t)r) < 0)
		r = -EFAULT;
	free(buf);
	return r;
}

static int xattr_by_name(struct req *req, struct issue *is, xattr_fn fn)
{
	struct task *t = is->task;
	const struct vfs_ctx *ctx = task_vfs_begin(t);
	const struct path here = { NULL, NULL };
	struct path p;
	long r = vfs_lookup(ctx, &here, second_name(req), LOOKUP_FOLLOW, &p);

	if (r == 0) {
		r = fn(req, t, ctx, &p);
		path_put(&p);
	}
	task_vfs_end(t);
	return req_done(req, r);
}

static int xattr_by_file(struct req *req, struct issue *is, xattr_fn fn)
{
	struct task *t = is->task;
	long r = fn(req, t, task_vfs_begin_file(t, req->file), &req->file->path);

	task_vfs_end(t);
	return req_done(req, r);
}

int setxattr_issue(struct req *req, struct issue *is)
{
	return xattr_by_name(req, is, do_setxattr);
}

int fsetxattr_issue(struct req *req, struct issue *is)
{
	return xattr_by_file(req, is, do_setxattr);
}

int getxattr_issue(struct req *req, struct issue *is)
{
	return xattr_by_name(req, is, do_getxattr);
}

int fgetxattr_issue(struct req *req, struct issue *is)
{
	return xattr_by_file(req, is, do_getxattr);
}

/* ---- OPENAT, OPENAT2 ---- */

static int open_prep(struct req *req, const struct io_uring_sqe *sqe,
		     const struct abi_open_how *how)
{
	struct op_fs *fs = &req->fs;

	if (sqe->buf_index)
		return -EINVAL;
	if (req->flags & REQ_FIXED_FILE)
		return -EBADF;
	fs->dfd = sqe->fd;
	fs->a = how->flags;
	fs->b = how->mode;
	fs->c = how->resolve;
	fs->slot = sqe->file_index;
	if (fs->slot && (how->flags & O_CLOEXEC))
		return -EINVAL;
	return names_get(req, sqe->addr, 0, 0);
}

int openat_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	const struct abi_open_how how = open_how_old(sqe->open_flags, sqe->len);

	return open_prep(req, sqe, &how);
}

int openat2_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct mm *mm = req_task(req)->mm;
	struct abi_open_how how;
	uint8_t more[64];

	if (sqe->len < sizeof(how))
		return -EINVAL;
	if (sqe->len > PAGE_SIZE)
		return -E2BIG;
	/* A longer structure is allowed when what we do not know of it is zero. */
	for (size_t at = sizeof(how); at < sqe->len; at += sizeof(more)) {
		size_t n = MIN(sqe->len - at, sizeof(more));

		if (mm_copy_in(mm, more, sqe->addr2 + at, n) < 0)
			return -EFAULT;
		for (size_t i = 0; i < n; i++) {
			if (more[i])
				return -E2BIG;
		}
	}
	if (mm_copy_in(mm, &how, sqe->addr2, sizeof(how)) < 0)
		return -EFAULT;
	return open_prep(req, sqe, &how);
}

/* Opening a fifo or a device may take for ever. Only a guess: the name may lead
 * elsewhere by the time it is opened. */
static bool may_wait(const struct vfs_ctx *ctx, const struct path *dir, const struct req *req)
{
	unsigned lookup = req->fs.a & O_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	bool waits = false;
	struct path p;

	if ((req->fs.a & (O_PATH | O_DIRECTORY)) ||
	    vfs_lookup(ctx, dir, first_name(req), lookup, &p) < 0)
		return false;
	if (path_inode(&p)) {
		uint32_t mode = path_inode(&p)->mode;

		waits = S_ISFIFO(mode) || S_ISCHR(mode) || S_ISBLK(mode);
	}
	path_put(&p);
	return waits;
}

static int open_file(struct req *req, struct issue *is, struct file **out)
{
	const struct op_fs *fs = &req->fs;
	struct task *t = is->task;
	const struct vfs_ctx *ctx;
	struct path dir;
	int r = fd_dir(t, fs->dfd, open_dir_name(fs->c, first_name(req)), &dir);

	if (r < 0)
		return r;
	ctx = task_vfs_begin(t);
	if (is->nonblock && may_wait(ctx, &dir, req))
		r = -EAGAIN;
	else
		r = vfs_open(ctx, &dir, first_name(req), (unsigned)fs->a, (uint32_t)fs->b, fs->c,
			     out);
	task_vfs_end(t);
	path_put(&dir);
	return r;
}

int openat_issue(struct req *req, struct issue *is)
{
	const struct op_fs *fs = &req->fs;
	const struct abi_open_how how = { fs->a, fs->b, fs->c };
	struct file *f;
	int r = 0;

	if (req->opcode == IORING_OP_OPENAT2)
		r = open_how_check(&how);
	if (r == 0)
		r = open_file(req, is, &f);
	if (r < 0)
		return r;
	return req_result(req, files_give(req->ring, is->task, f, fs->slot, fs->a & O_CLOEXEC));
}
