/*
 * The upper side: objects without names in the tmpfs, and copies of what lies
 * below. Only a regular file can be made nameless at once; anything else is made
 * under one and the same name in the upper root and loses it again before that
 * directory's lock is released.
 *
 * A copy appears whole or not at all: onode.upper is set when data, xattrs and
 * attributes are there.
 */
#include <stdlib.h>
#include <unistd.h>

#include "fs/overlay/internal.h"

#define PIECE (256 * 1024)
#define NAME "new"

/* ---- making ---- */

static int make_named_locked(struct inode *root, uint32_t mode, uint64_t rdev, const char *target,
			     const struct vfs_ctx *ctx, struct inode **out)
{
	if (S_ISDIR(mode))
		return root->ops->mkdir(root, NAME, mode, ctx, out);
	if (S_ISLNK(mode))
		return root->ops->symlink(root, NAME, target, ctx, out);
	return root->ops->mknod(root, NAME, mode, rdev, ctx, out);
}

static int make_nameless(struct inode *root, uint32_t mode, uint64_t rdev, const char *target,
			 const struct vfs_ctx *ctx, struct inode **out)
{
	int r;

	rwlock_write(&root->dir_lock);
	if (S_ISREG(mode)) {
		r = root->ops->tmpfile(root, mode, ctx, out);
	} else {
		r = make_named_locked(root, mode, rdev, target, ctx, out);
		if (r == 0 && S_ISDIR(mode))
			r = root->ops->rmdir(root, NAME, *out, ctx);
		else if (r == 0)
			r = root->ops->unlink(root, NAME, *out, ctx);
	}
	rwlock_write_unlock(&root->dir_lock);
	return r;
}

int upper_make(struct overlay *ov, const struct inode *dir, uint32_t mode, uint64_t rdev,
	       const char *target, const struct vfs_ctx *ctx, struct inode **out)
{
	struct setattr sa = { .valid = SETATTR_GID };
	int r = make_nameless(ov->upper->root, mode, rdev, target, ctx, out);

	if (r < 0 || !dir)
		return r;
	sa.gid = vfs_new_gid(dir, ctx);
	if (sa.gid != (*out)->gid)
		r = (*out)->ops->setattr(*out, &sa, ctx);
	if (r < 0)
		inode_put(*out);
	return r;
}

/* ---- copying data ---- */

struct copy {
	struct file *in, *out;
	struct vfs_ctx ctx;
	char *buf;
};

static int copy_piece(struct copy *c, fileoff_t *pos, uint64_t end)
{
	struct io io = { .ctx = &c->ctx };
	fileoff_t from = *pos, to = *pos;
	struct uio_seg seg;
	struct uio u;
	ssize_t n, m;

	uio_init_kernel(&u, &seg, UIO_TO_USER, c->buf, MIN((uint64_t)PIECE, end - from));
	n = c->in->ops->read(c->in, &u, &from, &io);
	if (n <= 0) {
		*pos = end; /* it has become shorter: the rest reads as zeros */
		return (int)n;
	}
	uio_init_kernel(&u, &seg, UIO_FROM_USER, c->buf, (size_t)n);
	m = c->out->ops->write(c->out, &u, &to, &io);
	*pos = to;
	return m < 0 ? (int)m : m < n ? -ENOSPC : 0;
}

/* The next stretch of data from *pos on: holes stay holes. */
static void find_data(struct copy *c, fileoff_t *pos, uint64_t *end, uint64_t size)
{
	int64_t r;

	*end = size;
	if (!c->in->ops->lseek)
		return;
	r = c->in->ops->lseek(c->in, (int64_t)*pos, SEEK_DATA, &c->ctx);
	if (r == -ENXIO)
		*pos = size;
	if (r < 0)
		return;
	*pos = MIN((uint64_t)r, size);
	r = c->in->ops->lseek(c->in, r, SEEK_HOLE, &c->ctx);
	if (r > 0)
		*end = MIN((uint64_t)r, size);
}

static int copy_all(struct copy *c, struct inode *up, uint64_t size)
{
	struct setattr sa = { .valid = SETATTR_SIZE, .size = size };
	fileoff_t pos = 0;
	uint64_t end;
	int r = up->ops->setattr(up, &sa, &c->ctx);

	while (r == 0 && pos < size) {
		find_data(c, &pos, &end, size);
		while (r == 0 && pos < end)
			r = copy_piece(c, &pos, end);
	}
	return r;
}

static int copy_data(struct onode *o, struct inode *up, uint64_t size, const struct vfs_ctx *ctx)
{
	struct copy c = { .ctx = *ctx };
	int r = 0;

	if (size == 0)
		return 0;
	c.ctx.fsize_limit = ~(uint64_t)0; /* the guest writes nothing here */
	c.buf = malloc(PIECE);
	if (!c.buf)
		return -ENOMEM;
	r = file_open_inner(o->lower, O_RDONLY | O_NOATIME, NULL, &c.ctx, &c.in);
	if (r == 0)
		r = file_open_inner(up, O_WRONLY, NULL, &c.ctx, &c.out);
	if (r == 0)
		r = copy_all(&c, up, size);
	file_put(c.in);
	file_put(c.out);
	free(c.buf);
	return r;
}

/* ---- copying the rest ---- */

static int copy_attrs(struct inode *up, const struct kstat *st, const struct vfs_ctx *ctx)
{
	struct setattr sa = {
		.valid = SETATTR_UID | SETATTR_GID | SETATTR_ATIME | SETATTR_MTIME,
		.mode = st->mode & 07777,
		.uid = st->uid,
		.gid = st->gid,
		.atime = st->atime,
		.mtime = st->mtime,
	};

	if (!S_ISLNK(st->mode))
		sa.valid |= SETATTR_MODE;
	return up->ops->setattr(up, &sa, ctx);
}

/* Those that cannot be read or kept are left behind. */
static int copy_xattrs(struct onode *o, struct inode *up)
{
	char *names, *val;
	ssize_t n = 0;

	if (!o->lower->ops->listxattr || !up->ops->setxattr)
		return 0;
	n = o->lower->ops->listxattr(o->lower, NULL, 0);
	if (n <= 0)
		return 0;
	names = malloc(65536 * 2);
	if (!names)
		return -ENOMEM;
	val = names + 65536;
	n = o->lower->ops->listxattr(o->lower, names, 65536);
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t len = o->lower->ops->getxattr(o->lower, names + at, val, 65536);

		if (len >= 0)
			(void)up->ops->setxattr(up, names + at, val, (size_t)len, 0);
	}
	free(names);
	return 0;
}

static int make_twin(struct onode *o, const struct kstat *st, const struct vfs_ctx *ctx,
		     struct inode **up)
{
	char *target = NULL;
	ssize_t n = 0;
	int r = 0;

	if (S_ISLNK(st->mode)) {
		target = malloc(4096);
		n = target ? o->lower->ops->readlink(o->lower, target, 4095, ctx) : -ENOMEM;
		if (n >= 0)
			target[n] = '\0';
		r = n < 0 ? (int)n : 0;
	}
	if (r == 0)
		r = upper_make(o->ov, NULL, st->mode, st->rdev, target, ctx, up);
	free(target);
	return r;
}

static int make_copy(struct onode *o, uint64_t size_max, const struct vfs_ctx *ctx,
		     struct inode **up)
{
	struct kstat st;
	int r = overlay_getattr(&o->inode, &st, ctx);

	if (r == 0)
		r = make_twin(o, &st, ctx, up);
	if (r < 0)
		return r;
	if (S_ISREG(st.mode))
		r = copy_data(o, *up, MIN(st.size, size_max), ctx);
	if (r == 0)
		r = copy_xattrs(o, *up);
	if (r == 0)
		r = copy_attrs(*up, &st, ctx);
	if (r < 0)
		inode_put(*up);
	return r;
}

int copy_up(struct onode *o, uint64_t size_max, const struct vfs_ctx *ctx)
{
	struct inode *up = NULL;
	int r = 0;

	if (likely(atomic_load_explicit(&o->upper, memory_order_acquire)))
		return 0;
	mutex_lock(&o->copy_lock);
	if (!atomic_load(&o->upper)) {
		r = make_copy(o, size_max, ctx, &up);
		if (r == 0)
			atomic_store_explicit(&o->upper, up, memory_order_release);
	}
	mutex_unlock(&o->copy_lock);
	if (r == 0) {
		onode_pin(o);
		onode_sync_mode(o);
	}
	return r;
}
