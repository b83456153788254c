/*
 * Open regular files: each forwards to an inner file of the side that counts.
 * A file opened below goes over to the copy when there is one; both inner files
 * then live until it is closed, because others may be in the middle of a read.
 */
#include <stdlib.h>

#include "base/pool.h"
#include "fs/overlay/internal.h"

/* [I] lower; upper: set at most once */
struct ofile {
	struct file *lower;
	struct file *_Atomic upper;
};

static POOL_DEFINE(ofile_pool, struct ofile);

static int open_side(struct file *f, struct inode *side, const struct vfs_ctx *ctx,
		     struct file **out)
{
	return file_open_inner(side, atomic_load(&f->flags), &f->path, ctx, out);
}

static int go_up(struct file *f, struct file **out)
{
	const struct vfs_ctx ctx = { .cred = f->cred, .fsize_limit = ~(uint64_t)0 };
	struct ofile *of = f->priv;
	struct file *fresh, *none = NULL;
	int r = open_side(f, atomic_load(&onode_of(f->inode)->upper), &ctx, &fresh);

	if (r < 0)
		return r;
	*out = fresh;
	if (!atomic_compare_exchange_strong(&of->upper, &none, fresh)) {
		file_put(fresh);
		*out = none;
	}
	return 0;
}

/* The inner file to use now; borrowed. */
static int inner_of(struct file *f, struct file **out)
{
	struct ofile *of = f->priv;

	*out = atomic_load_explicit(&of->upper, memory_order_acquire);
	if (likely(*out))
		return 0;
	*out = of->lower;
	if (likely(!atomic_load_explicit(&onode_of(f->inode)->upper, memory_order_acquire)))
		return 0;
	return go_up(f, out);
}

static ssize_t overlay_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct file *in;
	int r = inner_of(f, &in);

	return r < 0 ? r : in->ops->read(in, u, pos, io);
}

static ssize_t overlay_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct file *in;
	int r = inner_of(f, &in);

	return r < 0 ? r : in->ops->write(in, u, pos, io);
}

static int64_t overlay_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx)
{
	struct file *in;
	int64_t r = inner_of(f, &in);

	if (r < 0)
		return r;
	in->pos = f->pos;
	r = in->ops->lseek(in, off, whence, ctx);
	f->pos = in->pos;
	return r;
}

static int overlay_fsync(struct file *f, bool data_only)
{
	struct ofile *of = f->priv;
	struct file *in = atomic_load(&of->upper);

	/* What is below was not changed. */
	return in && in->ops->fsync ? in->ops->fsync(in, data_only) : 0;
}

static int overlay_fallocate(struct file *f, int mode, uint64_t off, uint64_t len,
			     const struct vfs_ctx *ctx)
{
	struct file *in;
	int r = inner_of(f, &in);

	if (r < 0)
		return r;
	return in->ops->fallocate ? in->ops->fallocate(in, mode, off, len, ctx) : -EOPNOTSUPP;
}

static int overlay_fadvise(struct file *f, uint64_t off, uint64_t len, int advice)
{
	struct file *in;
	int r = inner_of(f, &in);

	if (r < 0)
		return r;
	return in->ops->fadvise ? in->ops->fadvise(in, off, len, advice) : 0;
}

static long overlay_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct file *in;
	int r = inner_of(f, &in);

	if (r < 0)
		return r;
	in->pos = f->pos; /* FIONREAD counts from there */
	return in->ops->ioctl ? in->ops->ioctl(in, cmd, arg, ctx) : -ENOTTY;
}

static struct mappable *overlay_mappable(struct file *f)
{
	struct ofile *of = f->priv;
	struct mappable *real;
	struct file *in;

	if (inner_of(f, &in) < 0 || !in->ops->mappable)
		return NULL;
	real = in->ops->mappable(in);
	return real ? onode_mappable(onode_of(f->inode), real, in != of->lower) : NULL;
}

static ssize_t overlay_copy_range(struct file *in, uint64_t in_off, struct file *out,
				  uint64_t out_off, size_t size, const struct vfs_ctx *ctx)
{
	struct file *from, *to;
	int r = inner_of(in, &from);

	if (r == 0)
		r = inner_of(out, &to);
	if (r < 0)
		return r;
	if (!from->ops->copy_range || from->ops->copy_range != to->ops->copy_range)
		return -EXDEV;
	return from->ops->copy_range(from, in_off, to, out_off, size, ctx);
}

static void ofile_free(struct ofile *of)
{
	file_put(of->lower);
	file_put(atomic_load(&of->upper));
	pool_free(&ofile_pool, of);
}

static void overlay_release(struct file *f)
{
	ofile_free(f->priv);
}

static const struct file_ops overlay_file_fops = {
	.name = "file",
	.release = overlay_release,
	.read = overlay_read,
	.write = overlay_write,
	.lseek = overlay_lseek,
	.ioctl = overlay_ioctl,
	.fsync = overlay_fsync,
	.fallocate = overlay_fallocate,
	.fadvise = overlay_fadvise,
	.mappable = overlay_mappable,
	.copy_range = overlay_copy_range,
};

int overlay_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx)
{
	struct onode *o = onode_of(inode);
	bool writes = (atomic_load(&f->flags) & O_ACCMODE) != O_RDONLY;
	struct file *in = NULL;
	struct inode *up;
	struct ofile *of;
	int r = writes ? copy_up(o, UINT64_MAX, ctx) : 0;

	if (r < 0)
		return r;
	of = pool_alloc(&ofile_pool);
	if (!of)
		return -ENOMEM;
	up = atomic_load(&o->upper);
	r = open_side(f, up ? up : o->lower, ctx, &in);
	if (r < 0) {
		pool_free(&ofile_pool, of);
		return r;
	}
	if (up)
		atomic_init(&of->upper, in);
	else
		of->lower = in;
	f->priv = of;
	f->ops = &overlay_file_fops;
	return 0;
}
