/*
 * The character devices, one row of a table each.
 *
 * None of them has state: a read makes bytes (or none), a write takes them all.
 * They have a position that means nothing, so that lseek works as on Linux.
 */
#include "fs/dev/dev.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "host/host.h"

#define CHUNK 4096

/* ---- operations ---- */

static ssize_t null_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	(void)f;
	(void)u;
	(void)pos;
	(void)io;
	return 0;
}

static ssize_t sink_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	size_t n = u->remaining;

	(void)f;
	(void)pos;
	(void)io;
	uio_advance(u, n);
	return (ssize_t)n;
}

static ssize_t zero_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	(void)f;
	(void)pos;
	(void)io;
	return u->remaining ? uio_zero(u, u->remaining) : 0;
}

static ssize_t full_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	(void)f;
	(void)u;
	(void)pos;
	(void)io;
	return -ENOSPC;
}

static ssize_t random_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	unsigned char buf[CHUNK];
	ssize_t done = 0;

	(void)f;
	(void)pos;
	(void)io;
	while (u->remaining > 0) {
		size_t want = MIN(u->remaining, sizeof(buf));
		ssize_t n;

		host_random(buf, want);
		n = uio_write(u, buf, want);
		if (n < 0)
			return done > 0 ? done : n;
		done += n;
		if ((size_t)n < want)
			break;
	}
	return done;
}

/* The position stays 0, whatever is asked. */
static int64_t dev_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx)
{
	(void)f;
	(void)off;
	(void)whence;
	(void)ctx;
	return 0;
}

static struct mappable *zero_mappable(struct file *f)
{
	(void)f;
	return &vfs_mappable_anon;
}

static const struct file_ops null_ops = {
	.name = "null",
	.read = null_read,
	.write = sink_write,
	.lseek = dev_lseek,
};
static const struct file_ops zero_ops = {
	.name = "zero",
	.read = zero_read,
	.write = sink_write,
	.lseek = dev_lseek,
	.mappable = zero_mappable,
};
static const struct file_ops full_ops = {
	.name = "full",
	.read = zero_read,
	.write = full_write,
	.lseek = dev_lseek,
};
static const struct file_ops random_ops = {
	.name = "random",
	.read = random_read,
	.write = sink_write,
	.lseek = dev_lseek,
};

/* ---- the table ---- */

struct device {
	const char *name;
	unsigned minor; /* of major 1, mem */
	const struct file_ops *ops;
};

static const struct device devices[] = {
	{ "null", 3, &null_ops },     { "zero", 5, &zero_ops },      { "full", 7, &full_ops },
	{ "random", 8, &random_ops }, { "urandom", 9, &random_ops },
};

#define MAJOR_MEM 1
#define MAJOR_TTY 5 /* 0: /dev/tty, whose driver is fs/tty's */

static int mem_open(struct inode *inode, struct file *file, const struct vfs_ctx *ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < ARRAY_SIZE(devices); i++) {
		if (devices[i].minor == minor(inode->rdev)) {
			file->ops = devices[i].ops;
			return 0;
		}
	}
	return -ENXIO;
}

static const struct chrdev_ops mem_driver = { mem_open };

/* ---- filling /dev ---- */

static const struct {
	const char *name, *target;
} links[] = {
	{ "fd", "/proc/self/fd" },       { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "ptmx", "pts/ptmx" },
};
static const char *const directories[] = { "pts", "shm" };

static int make_nodes(const struct vfs_ctx *ctx, const struct path *dev)
{
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(devices) && r == 0; i++)
		r = vfs_mknod(ctx, dev, devices[i].name, S_IFCHR | 0666,
			      makedev(MAJOR_MEM, devices[i].minor));
	if (r == 0)
		r = vfs_mknod(ctx, dev, "tty", S_IFCHR | 0666, makedev(MAJOR_TTY, 0));
	return r;
}

static int make_links(const struct vfs_ctx *ctx, const struct path *dev)
{
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(links) && r == 0; i++)
		r = vfs_symlink(ctx, links[i].target, dev, links[i].name);
	for (unsigned i = 0; i < ARRAY_SIZE(directories) && r == 0; i++)
		r = vfs_mkdir(ctx, dev, directories[i], 0755);
	return r;
}

int devfs_populate(const struct vfs_ctx *ctx, const struct path *dev)
{
	struct vfs_ctx open_ctx = *ctx;
	int r;

	vfs_register_chrdev(MAJOR_MEM, 0, 256, &mem_driver);
	open_ctx.umask = 0;
	r = make_nodes(&open_ctx, dev);
	return r < 0 ? r : make_links(&open_ctx, dev);
}
