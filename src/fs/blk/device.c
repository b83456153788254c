/*
 * The device's session. One thread a device speaks to it: it starts the queues, reaps what
 * is done, and sees the end.
 *
 *	         connect                    gone                   too long
 *	START ------------> UP -----------------------------> AWAY ----------> AWAY, QUEUE_GONE
 *	  |                 |  <-------- connects again ------- | <---------------- |
 *	  | wrong           | it lies, or is silent             | it is another disk
 *	  v                 v                                   v
 *	error             DEAD                                DEAD
 *
 * DEAD is for ever: nothing is sent to it, and its requests' pages stay untouched.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/log.h"
#include "base/park.h"
#include "fs/blk/internal.h"
#include "host/host.h"

#define MAJOR_VIRTBLK 254
#define MINORS_PER_DISK 16
#define DISKS_MAX 26

#define MEMORY_AT ((uint64_t)1 << 30) /* where the device sees the memory file */

struct blk_patience blk_patience = {
	.request = 30 * 1000000000ull,
	.message = 10 * 1000000000ull,
	.away = 10 * 1000000000ull,
	.tick = 2 * 1000000000ull,
	.retry = 200 * 1000000ull,
};

static struct list devices = LIST_INIT(devices);

static uint64_t now_ns(void)
{
	return host_clock_ns(CLOCK_MONOTONIC);
}

struct blk_device *blk_find(uint64_t rdev)
{
	list_for_each(dev, &devices, struct blk_device, link) {
		if (dev->disk.rdev == rdev)
			return dev;
	}
	return NULL;
}

uint64_t blk_address(const struct blk_device *dev, const void *at)
{
	return MEMORY_AT + memfile_offset(dev->config.memfile, at);
}

void blk_execute(struct blk_device *dev, struct blk_request *reqs, unsigned count)
{
	struct blk_batch batch = { .left = count };
	unsigned left;

	for (unsigned i = 0; i < count; i++)
		reqs[i].batch = &batch;
	queue_submit(&dev->queues[park_tid() % dev->nr_queues], reqs, count);
	while ((left = atomic_load_explicit(&batch.left, memory_order_acquire)) != 0)
		(void)park_wait(&batch.left, left, PARK_FOREVER);
}

/* ---- the beginning of a session ---- */

static int wrong(const struct blk_device *dev, int err, const char *why)
{
	log_error("virtio-blk %s: %s", dev->config.source, why);
	return err;
}

static int broken(const struct blk_device *dev, int err)
{
	if (!vhost_error(dev->vhost)[0])
		return wrong(dev, err, strerror(-err));
	log_error("virtio-blk %s", vhost_error(dev->vhost));
	return err;
}

/* Takes fd; what the device is goes to limits. */
static int introduce(struct blk_device *dev, int fd, struct blk_limits *limits)
{
	struct virtio_blk_config c = { 0 };
	char why[96];
	int r = vhost_connect(dev->vhost, fd);

	if (r == 0)
		r = vhost_read_config(dev->vhost, &c, config_size(vhost_features(dev->vhost)));
	if (r == -EOPNOTSUPP && !vhost_error(dev->vhost)[0])
		return wrong(dev, r, "has no configuration: is it a disk?");
	if (r < 0)
		return r == -ECONNRESET ? r : broken(dev, r);
	if (!config_judge(vhost_features(dev->vhost), &c, limits, why, sizeof(why)))
		return wrong(dev, -EPROTO, why);
	return 0;
}

static int start_queues(struct blk_device *dev)
{
	int r = vhost_accept(dev->vhost, dev->limits.features);

	for (unsigned i = 0; r == 0 && i < dev->nr_queues; i++) {
		struct virtq_addresses at;

		virtq_addresses(dev->queues[i].vq, &at);
		r = queue_reset(&dev->queues[i]);
		if (r == 0)
			r = vhost_start_queue(dev->vhost, i,
					      &(struct vhost_rings){ QUEUE_SIZE, 0, at.desc,
								     at.avail, at.used });
	}
	if (r < 0)
		return r == -ECONNRESET ? r : broken(dev, r);
	for (unsigned i = 0; i < dev->nr_queues; i++)
		queue_up(&dev->queues[i]);
	return 0;
}

/* ---- its end, and its successor's beginning ---- */

static void all_gone(struct blk_device *dev, bool keeps_pages)
{
	for (unsigned i = 0; i < dev->nr_queues; i++)
		queue_gone(&dev->queues[i], keeps_pages);
}

static void all_away(struct blk_device *dev)
{
	for (unsigned i = 0; i < dev->nr_queues; i++)
		queue_away(&dev->queues[i]);
}

/* It must be the same disk, as far as can be seen: guests know its size. */
static bool is_successor(const struct blk_device *dev, const struct blk_limits *l)
{
	const struct blk_limits *old = &dev->limits;

	return !(old->features & ~l->features) && l->sectors == dev->disk.sectors &&
	       l->block_size == old->block_size && l->segments_max >= old->segments_max &&
	       l->segment_size >= old->segment_size && l->discard_max >= old->discard_max &&
	       l->write_zeroes_max >= old->write_zeroes_max;
}

/* -ECONNRESET and the like: not yet. -EPROTO: never. */
static int reconnect(struct blk_device *dev)
{
	struct blk_limits l;
	int r = dev->config.reconnect(dev->config.arg);

	if (r >= 0)
		r = introduce(dev, r, &l);
	if (r == 0 && (!is_successor(dev, &l) || vhost_nr_queues(dev->vhost) < dev->nr_queues))
		r = wrong(dev, -EPROTO, "is another disk than before");
	if (r == 0)
		r = start_queues(dev);
	if (r < 0)
		vhost_disconnect(dev->vhost);
	return r;
}

/* Whether there is a device again; else it is dead, or this is the end. */
static bool await_successor(struct blk_device *dev)
{
	uint64_t until = now_ns() + blk_patience.away;
	struct vhost_events events;
	bool waits = true;

	vhost_disconnect(dev->vhost);
	all_away(dev);
	if (!dev->config.reconnect)
		return false;
	log_warn("virtio-blk %s: the device is gone: waiting for another", dev->config.source);
	while (!atomic_load(&dev->is_ending)) {
		int r = reconnect(dev);

		if (r == 0) {
			log_warn("virtio-blk %s: there is a device again", dev->config.source);
			return true;
		}
		if (r == -EPROTO || r == -ETIMEDOUT || r == -EOPNOTSUPP)
			return false;
		all_away(dev); /* it may have had requests for a moment */
		if (waits && now_ns() > until) {
			log_error("virtio-blk %s: requests fail from now on", dev->config.source);
			all_gone(dev, false);
			waits = false;
		}
		(void)!vhost_wait(dev->vhost, &events, now_ns() + blk_patience.retry);
	}
	return false;
}

/* ---- while it lives ---- */

/* -EPROTO: a queue is broken. */
static int reap_all(struct blk_device *dev)
{
	for (unsigned i = 0; i < dev->nr_queues; i++) {
		struct blk_queue *q = &dev->queues[i];

		if (queue_reap(q) < 0)
			return wrong(dev, -EPROTO, virtq_error_text(virtq_error(q->vq)));
	}
	return 0;
}

/* A kick or a call may be lost on the way: once more. What is late for long has an end. */
static int look_for_late_ones(struct blk_device *dev)
{
	uint64_t now = now_ns();

	for (unsigned i = 0; i < dev->nr_queues; i++) {
		uint64_t oldest = queue_oldest(&dev->queues[i]);

		if (oldest < now && now - oldest > blk_patience.request)
			return wrong(dev, -ETIMEDOUT, "has not answered a request for too long");
		if (oldest < now && now - oldest > blk_patience.tick)
			vhost_kick(dev->vhost, i);
	}
	return 0;
}

/* The guest may see a disk that grows or shrinks. */
static int reread_size(struct blk_device *dev)
{
	struct virtio_blk_config c = { 0 };
	struct blk_limits l;
	char why[96];
	int r = vhost_read_config(dev->vhost, &c, config_size(dev->limits.features));

	if (r < 0)
		return r;
	if (!config_judge(dev->limits.features, &c, &l, why, sizeof(why)) ||
	    l.block_size != dev->limits.block_size)
		return wrong(dev, -EPROTO, "has changed into what cannot be");
	if (l.sectors == dev->disk.sectors)
		return 0;
	log_info("virtio-blk %s: %llu sectors now", dev->config.source,
		 (unsigned long long)l.sectors);
	atomic_store(&dev->disk.sectors, l.sectors);
	return 0;
}

/* Until the session ends: with what. 0: it was asked to. */
static int serve(struct blk_device *dev)
{
	uint64_t tick = now_ns() + blk_patience.tick;

	for (;;) {
		struct vhost_events events;
		int r = vhost_wait(dev->vhost, &events, tick), reaped = reap_all(dev);

		if (atomic_load(&dev->is_ending))
			return 0;
		if (reaped < 0)
			return reaped;
		if (r == 0 && events.config_changed)
			r = reread_size(dev);
		if (r < 0 && r != -EAGAIN)
			return r;
		if (now_ns() < tick)
			continue;
		r = look_for_late_ones(dev);
		if (r < 0)
			return r;
		tick = now_ns() + blk_patience.tick;
	}
}

static void stop(struct blk_device *dev)
{
	uint16_t base;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < dev->nr_queues; i++)
		r = vhost_stop_queue(dev->vhost, i, &base);
	vhost_disconnect(dev->vhost);
	all_gone(dev, false);
}

static void device_main(void *arg)
{
	struct blk_device *dev = arg;
	int r;

	do
		r = serve(dev);
	while (r == -ECONNRESET && await_successor(dev));
	if (atomic_load(&dev->is_ending)) {
		if (vhost_is_connected(dev->vhost))
			stop(dev);
		return;
	}
	if (r != -ECONNRESET && vhost_error(dev->vhost)[0])
		(void)broken(dev, r);
	log_error("virtio-blk %s: given up: /dev/%s fails from now on", dev->config.source,
		  dev->name);
	vhost_disconnect(dev->vhost);
	all_gone(dev, true);
}

/* ---- life ---- */

static int sync_disk(struct disk *d)
{
	return pagecache_fsync(container_of(d, struct blk_device, disk)->cache, 0, UINT64_MAX,
			       false);
}

static void describe(struct blk_device *dev)
{
	const struct blk_limits *l = &dev->limits;

	dev->disk.name = dev->name;
	dev->disk.serial = dev->serial;
	dev->disk.sectors = l->sectors;
	dev->disk.is_readonly = l->features >> VIRTIO_BLK_F_RO & 1;
	dev->disk.has_write_cache = l->features >> VIRTIO_BLK_F_FLUSH & 1;
	dev->disk.block_size = l->block_size;
	dev->disk.physical_size = l->physical_size;
	dev->disk.alignment = l->alignment;
	dev->disk.io_min = l->io_min;
	dev->disk.io_opt = l->io_opt;
	dev->disk.io_max = (uint32_t)MIN(REQUEST_BYTES_MAX, (uint64_t)l->segments_max * PAGE_SIZE);
	dev->disk.segments_max = l->segments_max;
	dev->disk.discard_max = l->discard_max * SECTOR;
	dev->disk.discard_unit = l->discard_unit * (uint32_t)SECTOR;
	dev->disk.write_zeroes_max = l->write_zeroes_max * SECTOR;
	dev->disk.nr_queues = dev->nr_queues;
	dev->disk.sync = sync_disk;
}

/* What is wrong was said. */
static int open_device(struct blk_device *dev)
{
	struct vhost_config vc = { .name = dev->config.source,
				   .nr_regions = 1,
				   .nr_queues = QUEUES_MAX,
				   .timeout_ns = blk_patience.message };
	int r;

	vc.regions[0] = (struct vhost_region){ .address = MEMORY_AT,
					       .size = memfile_size(dev->config.memfile),
					       .fd = memfile_fd(dev->config.memfile) };
	r = vhost_create(&vc, &dev->vhost);
	if (r < 0) {
		host_close(dev->config.fd);
		return wrong(dev, r, strerror(-r));
	}
	r = introduce(dev, dev->config.fd, &dev->limits);
	if (r < 0)
		return r == -ECONNRESET ? broken(dev, r) : r;
	dev->nr_queues = MIN(MIN(dev->limits.nr_queues, vhost_nr_queues(dev->vhost)),
			     MIN(QUEUES_MAX, MAX(dev->config.ncpus, 1u)));
	for (unsigned i = 0; r == 0 && i < dev->nr_queues; i++)
		r = queue_init(&dev->queues[i], dev, i);
	if (r < 0)
		return wrong(dev, r, strerror(-r));
	r = start_queues(dev);
	return r == -ECONNRESET ? broken(dev, r) : r;
}

/* Twenty bytes that a device calls itself; NUL ends them, if there is one. */
static void ask_serial(struct blk_device *dev)
{
	struct blk_request rq = { .type = VIRTIO_BLK_T_GET_ID, .nr_data = 1 };
	struct memfile *mf = dev->config.memfile;
	uint64_t at;
	char *text;

	if (memfile_alloc(mf, PAGE_SIZE, MEMFILE_RINGS, 0, &at) < 0)
		return;
	text = memfile_addr(mf, at);
	rq.data[0] = (struct virtq_buffer){ blk_address(dev, text), VIRTIO_BLK_ID_BYTES };
	blk_execute(dev, &rq, 1);
	if (rq.result == 0)
		memcpy(dev->serial, text, VIRTIO_BLK_ID_BYTES);
	for (char *p = dev->serial; *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '_';
	}
	memfile_decref(mf, at, PAGE_SIZE);
}

static void destroy(struct blk_device *dev)
{
	vhost_destroy(dev->vhost);
	pagecache_destroy(dev->cache);
	for (unsigned i = 0; i < dev->nr_queues; i++)
		queue_fini(&dev->queues[i]);
	free(dev);
}

static unsigned count_devices(void)
{
	unsigned n = 0;

	list_for_each(dev, &devices, struct blk_device, link)
		n++;
	return n;
}

int blk_create(const struct blk_config *config, struct disk **out)
{
	unsigned index = count_devices();
	struct blk_device *dev;
	int r;

	*out = NULL;
	if (vfs_disk_find(config->name) || index == DISKS_MAX) {
		host_close(config->fd);
		return index == DISKS_MAX ? -ENOSPC : -EEXIST;
	}
	dev = calloc(1, sizeof(*dev));
	if (!dev) {
		host_close(config->fd);
		return -ENOMEM;
	}
	dev->config = *config;
	strncpy(dev->name, config->name, sizeof(dev->name) - 1);
	r = open_device(dev);
	if (r == 0)
		r = disk_init(dev);
	if (r == 0)
		r = host_thread_create(&dev->thread, dev->name, 0, device_main, dev);
	if (r < 0) {
		destroy(dev);
		return r;
	}
	describe(dev);
	dev->disk.rdev = makedev(MAJOR_VIRTBLK, index * MINORS_PER_DISK);
	ask_serial(dev);
	list_push_back(&devices, &dev->link);
	vfs_disk_add(&dev->disk);
	vfs_register_blkdev(MAJOR_VIRTBLK, 0, DISKS_MAX * MINORS_PER_DISK, &blk_driver);
	*out = &dev->disk;
	return 0;
}

void blk_stop_all(void)
{
	list_for_each(dev, &devices, struct blk_device, link) {
		(void)disk_flush(dev);
		atomic_store(&dev->is_ending, true);
		vhost_wake(dev->vhost);
		host_thread_join(&dev->thread);
	}
}
