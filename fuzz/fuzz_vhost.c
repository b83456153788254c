/*
 * What a vhost-user device says: the input is all that it ever sends, on its socket, whatever it is asked.
 * A disk's driver goes as far with it as it gets. Whatever the device says, the front end ends
 * with an error that has a sentence, or with values that can be.
 *
 * sources: src/vhost/vhost.c src/vhost/message.c src/vhost/session.c src/vhost/queue.c
 * sources: src/vhost/events.c src/fs/blk/config.c src/host src/base
 * corpus: vhost
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "fs/blk/internal.h"
#include "host/host.h"
#include "host/net.h"

#define INPUT_MAX 65536 /* what a socket holds before somebody reads */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vhost *front_end(void)
{
	static struct vhost *v;
	struct vhost_config config = {
		.name = "fuzz", .nr_regions = 1, .nr_queues = 2, .timeout_ns = 1000000
	};

	if (!v) {
		config.regions[0] = (struct vhost_region){ .address = 4096,
							   .size = 4096,
							   .fd = host_memfd_create("fuzz", 0) };
		ASSERT(vhost_create(&config, &v) == 0);
	}
	return v;
}

static int talk(struct vhost *v, int fd)
{
	struct virtio_blk_config c = { 0 };
	struct blk_limits l;
	char why[96];
	uint16_t base;
	int r = vhost_connect(v, fd);

	if (r == 0)
		r = vhost_read_config(v, &c, config_size(vhost_features(v)));
	if (r < 0)
		return r;
	ASSERT(vhost_nr_queues(v) >= 1 && vhost_nr_queues(v) <= 2);
	if (!config_judge(vhost_features(v), &c, &l, why, sizeof(why)))
		return 0;
	ASSERT(l.segments_max >= 1 && l.segments_max <= SEGMENTS_MAX);
	ASSERT(l.segment_size >= l.block_size && l.segment_size <= REQUEST_BYTES_MAX);
	ASSERT(l.sectors <= INT64_MAX / SECTOR && l.nr_queues >= 1);
	r = vhost_accept(v, l.features);
	if (r == 0)
		r = vhost_start_queue(v, 0, &(struct vhost_rings){ 1, 0, 4096, 4112, 4128 });
	return r < 0 ? r : vhost_stop_queue(v, 0, &base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vhost *v = front_end();
	struct vhost_events events;
	int pair[2], r;

	if (size > INPUT_MAX || host_socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 0;
	(void)!host_write(pair[1], data, size);
	host_shutdown(pair[1], SHUT_WR);
	r = talk(v, pair[0]);
	/* No configuration is no error of the conversation. */
	ASSERT(r >= 0 || r == -EOPNOTSUPP || vhost_error(v)[0]);
	r = vhost_wait(v, &events, 0);
	ASSERT(r <= 0);
	vhost_disconnect(v);
	host_close(pair[1]);
	return 0;
}
