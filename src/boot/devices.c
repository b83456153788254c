/* Devices that are other processes: --virtio-blk. */
#include <stdlib.h>
#include <sys/stat.h>
#include <stdio.h>
#include <string.h>

#include "boot/internal.h"
#include "fs/blk/blk.h"

/* How a device is reached again. */
struct way {
	int connector;
	uint32_t index;
};

static int reconnect(void *arg)
{
	const struct way *way = arg;

	return connector_ask(way->connector, way->index);
}

static int make_node(const struct vfs_ctx *ctx, const struct launch *l, const struct disk *d)
{
	char path[64];
	struct path at;
	int r;

	snprintf(path, sizeof(path), "/dev/%s", d->name);
	r = vfs_mknod(ctx, NULL, path, S_IFBLK | 0660, d->rdev);
	if (r == 0)
		r = vfs_lookup(ctx, NULL, path, 0, &at);
	if (r < 0)
		return r;
	/* Whoever starts the sandbox hands the disk to its first program. */
	r = vfs_chown(ctx, &at, l->uid, l->gid);
	path_put(&at);
	return r;
}

int devices_build(struct kernel *k, const struct launch *l, struct pagecache_set *caches,
		  const struct vfs_ctx *ctx)
{
	const struct boot_config *cfg = l->cfg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < cfg->ndisks; i++) {
		const struct boot_disk *d = &cfg->disks[i];
		struct way *way = calloc(1, sizeof(*way));
		struct blk_config bc = { .name = d->name,
					 .source = d->path,
					 .fd = d->fd,
					 .memfile = k->memfile,
					 .caches = caches,
					 .ncpus = k->ncpus,
					 .reconnect = reconnect,
					 .arg = way };
		struct disk *disk;

		if (!way)
			return -ENOMEM;
		*way = (struct way){ l->connector_fd, (uint32_t)i };
		r = blk_create(&bc, &disk);
		if (r == 0)
			r = make_node(ctx, l, disk);
		if (r < 0)
			say("--virtio-blk %s:%s: %s", d->path, d->name, strerror(-r));
	}
	return r;
}
