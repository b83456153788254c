/*
 * What a disk's queue costs: 4 KiB random reads from a thread of ours, with no guest around it.
 *
 *	blk SOCKET DEPTH [SECONDS]
 *
 * DEPTH requests are under way all the time, given in batches of a quarter; one batch is replaced at a
 * time. Prints requests per second, and kicks a request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/park.h"
#include "fs/blk/internal.h"
#include "host/host.h"
#include "host/safecopy.h"

#define BATCHES 4u
#define DEPTH_MAX 128u
#define PIECE 4096u

struct flight {
	struct blk_batch batch;
	struct blk_request reqs[DEPTH_MAX];
};

static struct flight flights[BATCHES];

static int connect_to(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static struct blk_device *open_disk(const char *path, char **memory)
{
	struct blk_config c = { .name = "bench", .source = path, .ncpus = 1 };
	struct disk *d;
	uint64_t at;

	safecopy_init();
	if (memfile_create(0, &c.memfile) < 0 ||
	    pagecache_set_create(c.memfile, NULL, &c.caches) < 0 ||
	    memfile_alloc(c.memfile, BATCHES * DEPTH_MAX * PIECE, MEMFILE_PAGECACHE, 0, &at) < 0)
		exit(1);
	c.fd = connect_to(path);
	if (blk_create(&c, &d) < 0)
		exit(1);
	*memory = memfile_addr(c.memfile, at);
	return blk_find(d->rdev);
}

static void launch(struct blk_device *dev, struct flight *f, char *memory, unsigned count)
{
	static uint64_t seed = 1;

	atomic_store(&f->batch.left, count);
	for (unsigned i = 0; i < count; i++) {
		uint64_t block;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		block = (seed >> 24) % (disk_size(dev) / PIECE);
		f->reqs[i] = (struct blk_request){ .batch = &f->batch,
						   .type = VIRTIO_BLK_T_IN,
						   .sector = block * (PIECE / SECTOR),
						   .nr_data = 1,
						   .bytes = PIECE };
		f->reqs[i].data[0] =
			(struct virtq_buffer){ blk_address(dev, memory + i * PIECE), PIECE };
	}
	queue_submit(&dev->queues[0], f->reqs, count);
}

static void land(struct flight *f, unsigned count)
{
	unsigned left;

	while ((left = atomic_load(&f->batch.left)) != 0)
		(void)park_wait(&f->batch.left, left, PARK_FOREVER);
	for (unsigned i = 0; i < count; i++) {
		if (f->reqs[i].result < 0) {
			fprintf(stderr, "a request failed: %s\n", strerror(-f->reqs[i].result));
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	unsigned depth = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
	unsigned batches = depth < BATCHES ? 1 : BATCHES, count = depth / batches;
	double seconds = argc > 3 ? atof(argv[3]) : 1, took;
	uint64_t start, now, done = 0;
	struct blk_device *dev;
	char *memory;

	if (argc < 3 || depth < 1 || depth > DEPTH_MAX) {
		fprintf(stderr, "usage: blk SOCKET DEPTH [SECONDS]\n");
		return 2;
	}
	dev = open_disk(argv[1], &memory);
	for (unsigned i = 0; i < batches; i++)
		launch(dev, &flights[i], memory + i * DEPTH_MAX * PIECE, count);
	start = host_clock_ns(CLOCK_MONOTONIC);
	for (unsigned i = 0;; i = (i + 1) % batches) {
		land(&flights[i], count);
		done += count;
		now = host_clock_ns(CLOCK_MONOTONIC);
		if ((double)(now - start) / 1e9 > seconds)
			break;
		launch(dev, &flights[i], memory + i * DEPTH_MAX * PIECE, count);
	}
	took = (double)(now - start) / 1e9;
	for (unsigned i = 0; i < batches; i++)
		land(&flights[i], count);
	printf("%.0f requests/s, %.3f kicks each\n", (double)done / took,
	       (double)dev->queues[0].kicks / (double)done);
	blk_stop_all();
	return 0;
}
