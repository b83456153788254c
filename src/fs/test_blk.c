/* Disks on a device in this process: a disk in memory, honest or not. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/blk/internal.h"
#include "host/safecopy.h"
#include "vhost/testlib_device.h"

#define DISK_SIZE ((uint64_t)8 << 20)
#define SECTORS (DISK_SIZE / SECTOR)
#define BIT(n) (1ull << (n))

/* How the device lies about a request. */
enum lie { HONEST, STATUS, UNTOUCHED, TOO_LONG, FORGETS, SKIPS_DATA };

struct ram_disk {
	struct test_device device;
	char *bytes;           /* outlives the device: the same disk comes back */
	atomic_uint lie;       /* enum lie */
	atomic_uint status;    /* of STATUS */
	atomic_uint nr_served; /* requests */
	atomic_uint dies_at;   /* it is killed instead of serving that one; 0: never */
	atomic_uint flushes;
	atomic_uint
		turns; /* for ThreadSanitizer, which does not see that rings order the two sides */
};

static struct ram_disk disk;
static struct memfile *mf;
static struct pagecache_set *caches;
static unsigned nr_names;

/* ---- the device's side ---- */

static size_t move_bytes(struct iovec *iov, unsigned count, char *at, bool to_disk)
{
	size_t done = 0;

	for (unsigned i = 0; i < count; i++) {
		if (to_disk)
			memcpy(at + done, iov[i].iov_base, iov[i].iov_len);
		else
			memcpy(iov[i].iov_base, at + done, iov[i].iov_len);
		done += iov[i].iov_len;
	}
	return done;
}

/* The status, and how much was written. */
static uint8_t serve_honestly(struct ram_disk *d, struct test_chain *c, int64_t *written)
{
	struct virtio_blk_outhdr h;
	struct virtio_blk_discard_write_zeroes range;
	uint64_t at;
	size_t size = 0;

	memcpy(&h, c->in[0].iov_base, sizeof(h));
	at = h.sector * SECTOR;
	for (unsigned i = 1; i < c->nr_in; i++)
		size += c->in[i].iov_len;
	for (unsigned i = 0; i + 1 < c->nr_out; i++)
		size += c->out[i].iov_len;
	switch (h.type) {
	case VIRTIO_BLK_T_IN:
		if (at + size > DISK_SIZE)
			return VIRTIO_BLK_S_IOERR;
		*written += (int64_t)move_bytes(c->out, c->nr_out - 1, d->bytes + at, false);
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_OUT:
		if (at + size > DISK_SIZE)
			return VIRTIO_BLK_S_IOERR;
		move_bytes(c->in + 1, c->nr_in - 1, d->bytes + at, true);
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_FLUSH:
		atomic_fetch_add(&d->flushes, 1);
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_GET_ID:
		strcpy(c->out[0].iov_base, "ram\ndisk");
		*written += 9;
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		memcpy(&range, c->in[1].iov_base, sizeof(range));
		if (range.sector + range.num_sectors > SECTORS)
			return VIRTIO_BLK_S_IOERR;
		memset(d->bytes + range.sector * SECTOR, 0, range.num_sectors * SECTOR);
		return VIRTIO_BLK_S_OK;
	}
	return VIRTIO_BLK_S_UNSUPP;
}

static int64_t serve_somehow(struct test_device *device, struct test_chain *c)
{
	struct ram_disk *d = device->arg;
	uint8_t *status = c->out[c->nr_out - 1].iov_base;
	unsigned n = atomic_fetch_add(&d->nr_served, 1) + 1;
	int64_t written = 1;

	if (d->dies_at && n >= d->dies_at) {
		atomic_store(&device->is_ending, true);
		return -1;
	}
	switch ((enum lie)d->lie) {
	case FORGETS:
		return -1;
	case STATUS:
		*status = (uint8_t)d->status;
		return 1;
	case SKIPS_DATA:
		*status = VIRTIO_BLK_S_OK;
		return 1;
	case UNTOUCHED:
		return 0;
	case TOO_LONG:
		*status = VIRTIO_BLK_S_OK;
		return INT32_MAX;
	default:
		*status = serve_honestly(d, c, &written);
		return written;
	}
}

static int64_t serve(struct test_device *device, unsigned queue UNUSED, struct test_chain *c)
{
	struct ram_disk *d = device->arg;
	int64_t written;

	atomic_fetch_add(&d->turns, 1);
	written = serve_somehow(device, c);
	atomic_fetch_add(&d->turns, 1);
	return written;
}

static void set_config(struct ram_disk *d, uint64_t sectors)
{
	struct virtio_blk_config c = { .capacity = sectors,
				       .seg_max = 8,
				       .blk_size = 512,
				       .num_queues = 2,
				       .max_discard_sectors = 1024,
				       .max_discard_seg = 1,
				       .discard_sector_alignment = 1,
				       .max_write_zeroes_sectors = 512,
				       .max_write_zeroes_seg = 1 };

	memcpy(d->device.config, &c, sizeof(c));
}

static int start_device(struct ram_disk *d, uint64_t sectors)
{
	test_device_init(&d->device);
	d->device.features |= BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_BLK_SIZE) |
			      BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_MQ) |
			      BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	d->device.serve = serve;
	d->device.arg = d;
	set_config(d, sectors);
	return test_device_start(&d->device);
}

/* ---- the driver's side ---- */

/* A successor: on the same disk, or one of another size. */
static atomic_bool comes_back, is_deadly;
static uint64_t next_sectors;

static int reconnect(void *arg UNUSED)
{
	if (!comes_back)
		return -ECONNREFUSED;
	test_device_stop(&disk.device);
	disk.dies_at = is_deadly;
	return start_device(&disk, next_sectors);
}

static struct blk_device *open_disk(void)
{
	struct blk_config c = { .source = "ram.sock",
				.memfile = mf,
				.caches = caches,
				.ncpus = 2,
				.reconnect = reconnect };
	struct disk *d;
	char *name;

	assert_true(asprintf(&name, "vd%u", nr_names++) > 0);
	c.name = name;
	c.fd = start_device(&disk, SECTORS);
	assert_int_equal(blk_create(&c, &d), 0);
	free(name);
	return blk_find(d->rdev);
}

static int setup_all(void **state UNUSED)
{
	blk_patience = (struct blk_patience){ .request = 300 * 1000000ull,
					      .message = 300 * 1000000ull,
					      .away = 300 * 1000000ull,
					      .tick = 50 * 1000000ull,
					      .retry = 10 * 1000000ull };
	assert_int_equal(memfile_create(0, &mf), 0);
	assert_int_equal(pagecache_set_create(mf, NULL, &caches), 0);
	return 0;
}

static int setup(void **state UNUSED)
{
	safecopy_init();
	memset(&disk, 0, sizeof(disk));
	disk.bytes = calloc(1, DISK_SIZE);
	comes_back = false;
	next_sectors = SECTORS;
	return 0;
}

/* Disks stay for ever; what is left of this one can be ended, at least. */
static void close_disk(struct blk_device *dev)
{
	atomic_store(&dev->is_ending, true);
	vhost_wake(dev->vhost);
	host_thread_join(&dev->thread);
	test_device_stop(&disk.device);
	free(disk.bytes);
}

static char *disk_bytes(void)
{
	atomic_fetch_add(&disk.turns, 1);
	return disk.bytes;
}

static char disk_byte(uint64_t off)
{
	char c = disk_bytes()[off];

	atomic_fetch_add(&disk.turns, 1);
	return c;
}

static struct block get_pages(uint64_t size)
{
	uint64_t at;

	assert_int_equal(memfile_alloc(mf, size, MEMFILE_PAGECACHE, 0, &at), 0);
	return (struct block){ memfile_addr(mf, at), size };
}

static void put_pages(struct block b)
{
	memfile_decref(mf, memfile_offset(mf, b.base), b.size);
}

static ssize_t direct(struct blk_device *dev, uint32_t type, char *buf, size_t size, uint64_t off)
{
	struct uio_seg seg;
	struct uio u;

	uio_init_kernel(&u, &seg, type == VIRTIO_BLK_T_IN ? UIO_TO_USER : UIO_FROM_USER, buf, size);
	return type == VIRTIO_BLK_T_IN ? blk_direct_read(dev, &u, off)
				       : blk_direct_write(dev, &u, off);
}

static ssize_t cached(struct blk_device *dev, uint32_t type, char *buf, size_t size, uint64_t off)
{
	struct uio_seg seg;
	struct uio u;
	ssize_t n;

	uio_init_kernel(&u, &seg, type == VIRTIO_BLK_T_IN ? UIO_TO_USER : UIO_FROM_USER, buf, size);
	if (type == VIRTIO_BLK_T_IN)
		return pagecache_read(dev->cache, &u, off, NULL, 0);
	mutex_lock(&dev->write_lock);
	n = pagecache_write(dev->cache, &u, off, 0, 0);
	mutex_unlock(&dev->write_lock);
	return n;
}

/* ---- honest ---- */

static void a_disk_is_what_its_device_says(void **state UNUSED)
{
	struct blk_device *dev = open_disk();

	assert_int_equal(disk_size(dev), DISK_SIZE);
	assert_int_equal(dev->nr_queues, 2);
	assert_int_equal(dev->disk.block_size, 512);
	assert_int_equal(dev->disk.discard_max, 1024 * SECTOR);
	assert_false(dev->disk.is_readonly);
	assert_string_equal(dev->disk.serial, "ram_disk");
	assert_ptr_equal(vfs_disk_find(dev->name), &dev->disk);
	close_disk(dev);
}

/* Blocks of odd sizes, more than a request can hold. */
static void bytes_arrive_where_they_should(void **state UNUSED)
{
	struct blk_device *dev = open_disk();
	struct block pages = get_pages(4 << 20), blk[40];
	char *at = pages.base;
	size_t size = 0;

	for (size_t i = 0; i < pages.size; i++)
		at[i] = (char)(i * 7 + i / 512);
	for (unsigned i = 0; i < ARRAY_SIZE(blk); i++) {
		blk[i] = (struct block){ at + 8192 * i, 512 * (1 + i % 16) };
		size += blk[i].size;
	}
	assert_int_equal(disk_move(dev, VIRTIO_BLK_T_OUT, blk, ARRAY_SIZE(blk), 512 * 3), size);
	for (size_t i = 0, off = 512 * 3; i < ARRAY_SIZE(blk); off += blk[i++].size)
		assert_memory_equal(disk_bytes() + off, blk[i].base, blk[i].size);
	memset(at, 0, pages.size);
	assert_int_equal(disk_move(dev, VIRTIO_BLK_T_IN, blk, ARRAY_SIZE(blk), 512 * 3), size);
	for (size_t i = 0, off = 512 * 3; i < ARRAY_SIZE(blk); off += blk[i++].size)
		assert_memory_equal(disk_bytes() + off, blk[i].base, blk[i].size);
	blk[0] = (struct block){ at, pages.size };
	assert_int_equal(disk_move(dev, VIRTIO_BLK_T_IN, blk, 1, 0), pages.size);
	assert_memory_equal(disk_bytes(), at, pages.size);
	put_pages(pages);
	close_disk(dev);
}

static void buffered_and_direct_agree(void **state UNUSED)
{
	struct blk_device *dev = open_disk();
	char *buf = malloc(1 << 20), *seen = malloc(1 << 20);

	memset(buf, 'b', 1 << 20);
	assert_int_equal(cached(dev, VIRTIO_BLK_T_OUT, buf, 100000, 5000), 100000);
	/* What is dirty is seen by a direct read, */
	assert_int_equal(direct(dev, VIRTIO_BLK_T_IN, seen, 512 * 300, 0), 512 * 300);
	assert_memory_equal(seen + 5000, buf, 100000);
	assert_int_equal(seen[4999], 0);
	assert_int_equal(disk_byte(5000), 'b');
	/* and what is written directly by a cached one. */
	memset(buf, 'd', 1 << 20);
	assert_int_equal(direct(dev, VIRTIO_BLK_T_OUT, buf, 4096, 8192), 4096);
	assert_int_equal(cached(dev, VIRTIO_BLK_T_IN, seen, 8192, 6000), 8192);
	assert_int_equal(seen[8191 - 6000], 'b');
	assert_memory_equal(seen + 8192 - 6000, buf, 4096);
	assert_int_equal(seen[8192 + 4096 - 6000], 'b');
	assert_int_equal(pagecache_fsync(dev->cache, 0, UINT64_MAX, false), 0);
	assert_true(disk.flushes > 0);
	free(buf);
	free(seen);
	close_disk(dev);
}

static void ranges_are_discarded_and_zeroed(void **state UNUSED)
{
	struct blk_device *dev = open_disk();
	char buf[4096];

	memset(disk_bytes(), 'x', DISK_SIZE);
	(void)disk_bytes();
	assert_int_equal(cached(dev, VIRTIO_BLK_T_IN, buf, sizeof(buf), 4096), sizeof(buf));
	assert_int_equal(buf[0], 'x');
	/* More than one request can say. */
	assert_int_equal(disk_discard(dev, 4096, 3 * 1024 * SECTOR), 0);
	assert_int_equal(disk_byte(4095), 'x');
	assert_int_equal(disk_byte(4096), 0);
	assert_int_equal(disk_byte(4096 + 3 * 1024 * SECTOR - 1), 0);
	assert_int_equal(disk_byte(4096 + 3 * 1024 * SECTOR), 'x');
	assert_int_equal(cached(dev, VIRTIO_BLK_T_IN, buf, sizeof(buf), 4096), sizeof(buf));
	assert_int_equal(buf[0], 0);
	assert_int_equal(disk_zero(dev, 6 << 20, 1 << 20, false), 0);
	assert_int_equal(disk_byte((7 << 20) - 1), 0);
	assert_int_equal(disk_byte(7 << 20), 'x');
	/* A device that cannot. */
	dev->limits.write_zeroes_max = dev->limits.discard_max = 0;
	assert_int_equal(disk_zero(dev, 7 << 20, 512 * 3, false), 0);
	assert_int_equal(disk_byte((7 << 20) + 512 * 3 - 1), 0);
	assert_int_equal(disk_byte((7 << 20) + 512 * 3), 'x');
	assert_int_equal(disk_discard(dev, 0, 4096), -EOPNOTSUPP);
	close_disk(dev);
}

struct job {
	struct blk_device *dev;
	unsigned number;
	bool failed;
};

static void *job_main(void *arg)
{
	struct job *j = arg;
	struct block pages = get_pages(16384);
	uint64_t room = DISK_SIZE / 8;

	for (unsigned i = 0; i < 200 && !j->failed; i++) {
		uint64_t off = j->number * room + (i * 7919 * 512) % (room - pages.size);

		off &= ~(SECTOR - 1);
		memset(pages.base, (int)(i + j->number), pages.size);
		j->failed |= disk_move(j->dev, VIRTIO_BLK_T_OUT, &pages, 1, off) !=
			     (ssize_t)pages.size;
		memset(pages.base, 0, pages.size);
		j->failed |= disk_move(j->dev, VIRTIO_BLK_T_IN, &pages, 1, off) !=
			     (ssize_t)pages.size;
		for (unsigned n = 0; n < pages.size; n += 500)
			j->failed |= ((uint8_t *)pages.base)[n] != (uint8_t)(i + j->number);
	}
	put_pages(pages);
	return NULL;
}

/* Returns how many saw an error or a wrong byte. */
static unsigned run_jobs(struct blk_device *dev)
{
	struct job jobs[8];
	pthread_t threads[8];
	unsigned failed = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(jobs); i++) {
		jobs[i] = (struct job){ dev, i, false };
		pthread_create(&threads[i], NULL, job_main, &jobs[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(jobs); i++) {
		pthread_join(threads[i], NULL);
		failed += jobs[i].failed;
	}
	return failed;
}

static void threads_share_the_queues(void **state UNUSED)
{
	struct blk_device *dev = open_disk();

	assert_int_equal(run_jobs(dev), 0);
	assert_int_equal(dev->disk.stats.in_flight, 0);
	assert_int_equal(dev->disk.stats.requests[DISK_WRITE], 8 * 200);
	close_disk(dev);
}

/* ---- the end of a device ---- */

static void nothing_is_lost_when_a_device_dies_and_comes_back(void **state UNUSED)
{
	struct blk_device *dev = open_disk();

	comes_back = true;
	disk.dies_at = 500;
	assert_int_equal(run_jobs(dev), 0);
	close_disk(dev);
}

/* Whoever serves it dies. */
static void a_deadly_request_fails_in_the_end(void **state UNUSED)
{
	struct blk_device *dev = open_disk();
	struct block page = get_pages(4096);

	comes_back = true;
	is_deadly = true;
	disk.dies_at = 1;
	assert_int_equal(disk_move(dev, VIRTIO_BLK_T_IN, &page, 1, 0), -EIO);
	is_deadly = false;
	while (disk_move(dev, VIRTIO_BLK_T_IN, &page, 1, 0) < 0)
		;
	put_pages(page);
	close_disk(dev);
}

static void requests_fail_when_no_device_comes_back(void **state UNUSED)
{
	struct blk_device *dev = open_disk();
	struct block page = get_pages(4096);

	disk.dies_at = 100;
	assert_int_equal(run_jobs(dev), 8);
	/* And at once, from then on; until there is one. */
	assert_int_equal(disk_move(dev, VIRTIO_BLK_T_IN, &page, 1, 0), -EIO);
	comes_back = true;
	while (disk_move(dev, VIRTIO_BLK_T_IN, &page, 1, 0) < 0)
		usleep(1000);
	assert_int_equal(run_jobs(dev), 0);
	put_pages(page);
	close_disk(dev);
}

static void another_disk_is_no_successor(void **state UNUSED)
{
	struct blk_device *dev = open_disk();

	comes_back = true;
	next_sectors = SECTORS / 2;
	disk.dies_at = 100;
	assert_int_equal(run_jobs(dev), 8);
	close_disk(dev);
}

/* ---- hostile ---- */

static void only_ok_is_ok(void **state UNUSED)
{
	struct blk_device *dev = open_disk();
	struct block page = get_pages(4096);

	for (unsigned status = 1; status < 256; status++) {
		disk.status = status;
		disk.lie = STATUS;
		assert_int_equal(disk_move(dev, VIRTIO_BLK_T_IN, &page, 1, 0),
				 status == VIRTIO_BLK_S_UNSUPP ? -EOPNOTSUPP : -EIO);
	}
	disk.lie = UNTOUCHED;
	assert_int_equal(disk_move(dev, VIRTIO_BLK_T_OUT, &page, 1, 0), -EIO);
	disk.lie = HONEST;
	assert_int_equal(disk_move(dev, VIRTIO_BLK_T_IN, &page, 1, 0), 4096);
	put_pages(page);
	close_disk(dev);
}

/* It says that it wrote, and did not: the reader sees zeros, nothing that was there before. */
static void data_that_never_came_is_zeros(void **state UNUSED)
{
	struct blk_device *dev = open_disk();
	char buf[8192], zeros[8192] = { 0 };

	disk.lie = SKIPS_DATA;
	for (unsigned i = 0; i < 20; i++) {
		struct block dirt = get_pages(1 << 16);

		memset(dirt.base, 's', dirt.size);
		put_pages(dirt);
		assert_int_equal(cached(dev, VIRTIO_BLK_T_IN, buf, sizeof(buf), i * 65536), 8192);
		assert_memory_equal(buf, zeros, sizeof(buf));
		assert_int_equal(direct(dev, VIRTIO_BLK_T_IN, buf, sizeof(buf), i * 65536), 8192);
		assert_memory_equal(buf, zeros, sizeof(buf));
	}
	close_disk(dev);
}

static void a_lie_in_the_ring_is_the_end(void **state UNUSED)
{
	struct blk_device *dev = open_disk();
	struct block page = get_pages(4096);

	comes_back = true; /* which does not help */
	disk.lie = TOO_LONG;
	assert_int_equal(disk_move(dev, VIRTIO_BLK_T_IN, &page, 1, 0), -EIO);
	disk.lie = HONEST;
	assert_int_equal(disk_move(dev, VIRTIO_BLK_T_IN, &page, 1, 0), -EIO);
	assert_false(memfile_is_exclusive(mf, memfile_offset(mf, page.base), page.size));
	close_disk(dev);
}

static void silence_ends_too(void **state UNUSED)
{
	struct blk_device *dev = open_disk();

	disk.lie = FORGETS;
	assert_int_equal(run_jobs(dev), 8);
	close_disk(dev);
}

/* ---- what a device says of itself ---- */

static void impossible_configurations_are_refused(void **state UNUSED)
{
	static const struct {
		struct virtio_blk_config c;
		bool is_possible;
	} rows[] = {
		{ { .capacity = 0, .blk_size = 512 }, true },
		{ { .capacity = UINT64_MAX, .blk_size = 512 }, false },
		{ { .capacity = INT64_MAX / 512 + 1, .blk_size = 512 }, false },
		{ { .capacity = 8, .blk_size = 0 }, false },
		{ { .capacity = 8, .blk_size = 3 }, false },
		{ { .capacity = 8, .blk_size = 256 }, false },
		{ { .capacity = 8, .blk_size = 4096 }, true },
		{ { .capacity = 8, .blk_size = 8192 }, false },
		{ { .capacity = 8, .blk_size = 0x80000000 }, false },
		{ { .capacity = 8, .blk_size = 512, .size_max = 1 }, false },
		{ { .capacity = 8, .blk_size = 512, .size_max = 1000 }, true },
		{ { .capacity = 8, .blk_size = 512, .seg_max = UINT32_MAX }, true },
		{ { .capacity = 8, .blk_size = 512, .num_queues = 0 }, true },
		{ { .capacity = 8, .blk_size = 512, .physical_block_exp = 255 }, true },
		{ { .capacity = 8, .blk_size = 4096, .min_io_size = 65535, .opt_io_size = ~0u },
		  true },
		{ { .capacity = 8,
		    .blk_size = 512,
		    .max_discard_seg = 1,
		    .max_discard_sectors = ~0u,
		    .discard_sector_alignment = 3 },
		  true },
		{ { .capacity = 8,
		    .blk_size = 4096,
		    .max_write_zeroes_seg = 1,
		    .max_write_zeroes_sectors = 7 },
		  true },
	};
	char why[96];

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct blk_limits l;
		bool ok = config_judge(UINT64_MAX, &rows[i].c, &l, why, sizeof(why));

		assert_int_equal(ok, rows[i].is_possible);
		if (!ok)
			continue;
		assert_in_range(l.segments_max, 1, SEGMENTS_MAX);
		assert_in_range(l.segment_size, l.block_size, REQUEST_BYTES_MAX);
		assert_int_equal(l.segment_size % l.block_size, 0);
		assert_true(l.nr_queues >= 1);
		assert_int_equal(l.sectors * SECTOR % l.block_size, 0);
		assert_int_equal(l.features & (VHOST_F_PROTOCOL_FEATURES | BIT(34) | BIT(35)), 0);
	}
	assert_true(config_judge(VHOST_F_VERSION_1, &rows[3].c, &(struct blk_limits){ 0 }, why,
				 sizeof(why)));
	free(disk.bytes);
}

static void a_wrong_device_is_refused_with_a_reason(void **state UNUSED)
{
	struct blk_config c = {
		.name = "vdx", .source = "ram.sock", .memfile = mf, .caches = caches
	};
	struct disk *d;

	/* Not a disk: no configuration. */
	test_device_init(&disk.device);
	disk.device.protocol &= ~VHOST_PROTOCOL_F_CONFIG;
	c.fd = test_device_start(&disk.device);
	assert_int_equal(blk_create(&c, &d), -EOPNOTSUPP);
	test_device_stop(&disk.device);
	c.fd = start_device(&disk, UINT64_MAX);
	assert_int_equal(blk_create(&c, &d), -EPROTO);
	test_device_stop(&disk.device);
	/* It goes in the middle of the conversation. */
	test_device_init(&disk.device);
	disk.device.lie_at = VHOST_SET_VRING_KICK;
	disk.device.lie = LIE_CLOSE;
	c.fd = test_device_start(&disk.device);
	assert_true(blk_create(&c, &d) < 0);
	test_device_stop(&disk.device);
	assert_null(vfs_disk_find("vdx"));
	free(disk.bytes);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		TEST(a_disk_is_what_its_device_says),
		TEST(bytes_arrive_where_they_should),
		TEST(buffered_and_direct_agree),
		TEST(ranges_are_discarded_and_zeroed),
		TEST(threads_share_the_queues),
		TEST(nothing_is_lost_when_a_device_dies_and_comes_back),
		TEST(a_deadly_request_fails_in_the_end),
		TEST(requests_fail_when_no_device_comes_back),
		TEST(another_disk_is_no_successor),
		TEST(only_ok_is_ok),
		TEST(data_that_never_came_is_zeros),
		TEST(a_lie_in_the_ring_is_the_end),
		TEST(silence_ends_too),
		TEST(impossible_configurations_are_refused),
		TEST(a_wrong_device_is_refused_with_a_reason),
	};
#undef TEST

	return cmocka_run_group_tests(tests, setup_all, NULL);
}
