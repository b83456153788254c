/*
 * Device nodes and fifos: what opening them means is registered by the folders
 * above. Registration happens while a sandbox is brought up, before guests run;
 * the table is only read afterwards.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "vfs/internal.h"

#define DRIVERS_MAX 64

struct driver {
	bool is_block;
	unsigned major, first, count;
	const struct chrdev_ops *ops;
};

static struct driver drivers[DRIVERS_MAX];
static atomic_uint nr_drivers;

void (*vfs_forget_fifo)(struct inode *inode);
int (*vfs_open_fifo)(struct inode *inode, struct file *file, const struct vfs_ctx *ctx);

static struct driver *find_driver(bool is_block, unsigned maj, unsigned min)
{
	unsigned count = atomic_load_explicit(&nr_drivers, memory_order_acquire);

	for (unsigned i = 0; i < count; i++) {
		struct driver *d = &drivers[i];

		if (d->is_block == is_block && d->major == maj && min >= d->first &&
		    min - d->first < d->count)
			return d;
	}
	return NULL;
}

static void register_driver(const struct driver *d)
{
	struct driver *known = find_driver(d->is_block, d->major, d->first);
	unsigned n = atomic_load(&nr_drivers);

	/* A second registration (another sandbox of a test) replaces the first. */
	if (known && known->first == d->first && known->count == d->count) {
		known->ops = d->ops;
		return;
	}
	ASSERT(n < DRIVERS_MAX);
	drivers[n] = *d;
	atomic_store_explicit(&nr_drivers, n + 1, memory_order_release);
}

void vfs_register_chrdev(unsigned maj, unsigned minor_first, unsigned minor_count,
			 const struct chrdev_ops *ops)
{
	register_driver(&(struct driver){ false, maj, minor_first, minor_count, ops });
}

void vfs_register_blkdev(unsigned maj, unsigned minor_first, unsigned minor_count,
			 const struct chrdev_ops *ops)
{
	register_driver(&(struct driver){ true, maj, minor_first, minor_count, ops });
}

int special_open(struct file *f, const struct vfs_ctx *ctx)
{
	struct inode *inode = f->inode;
	struct driver *d;

	switch (inode->mode & S_IFMT) {
	case S_IFIFO:
		return vfs_open_fifo ? vfs_open_fifo(inode, f, ctx) : -ENXIO;
	case S_IFCHR:
	case S_IFBLK:
		d = find_driver(S_ISBLK(inode->mode), major(inode->rdev), minor(inode->rdev));
		return d ? d->ops->open(inode, f, ctx) : -ENXIO;
	}
	return -ENXIO;
}
