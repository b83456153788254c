/*
 * From a connected socket to queues that can be started, in the order of the
 * specification: features are asked for, the protocol is agreed on, the device becomes
 * ours; then features are settled, and the memory is handed over.
 */
#include <string.h>
#include <sys/socket.h>

#include "host/host.h"
#include "host/net.h"
#include "vhost/internal.h"

/* What we know of the protocol. INFLIGHT_SHMFD is not among it: after a reconnection the
 * driver gives its requests anew, in rings that are new. */
#define PROTOCOL_FEATURES                                                                  \
	(VHOST_PROTOCOL_F_MQ | VHOST_PROTOCOL_F_REPLY_ACK | VHOST_PROTOCOL_F_BACKEND_REQ | \
	 VHOST_PROTOCOL_F_CONFIG | VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS)

/* ---- connecting ---- */

static int agree_on_protocol(struct vhost *v)
{
	uint64_t theirs;
	int r;

	if (!(v->offered & VHOST_F_PROTOCOL_FEATURES))
		return 0;
	r = vhost_ask_u64(v, VHOST_GET_PROTOCOL_FEATURES, &theirs);
	if (r < 0)
		return r;
	theirs &= PROTOCOL_FEATURES;
	r = vhost_send(v, VHOST_SET_PROTOCOL_FEATURES, &theirs, sizeof(theirs), -1);
	if (r == 0)
		v->protocol = theirs;
	return r;
}

/* Without the protocol feature nobody says how many there are: one. */
static int count_queues(struct vhost *v)
{
	uint64_t n = 1;
	int r = 0;

	if (v->protocol & VHOST_PROTOCOL_F_MQ)
		r = vhost_ask_u64(v, VHOST_GET_QUEUE_NUM, &n);
	if (r < 0)
		return r;
	if (n < 1 || n > UINT16_MAX)
		return vhost_fail(v, -EPROTO, "says that it has %llu queues",
				  (unsigned long long)n);
	v->nr_queues = (unsigned)MIN(n, (uint64_t)v->config.nr_queues);
	return 0;
}

static int check_memory_slots(struct vhost *v)
{
	uint64_t n;
	int r = 0;

	if (v->protocol & VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS) {
		r = vhost_ask_u64(v, VHOST_GET_MAX_MEM_SLOTS, &n);
		if (r == 0 && n < v->config.nr_regions)
			r = vhost_fail(v, -EOPNOTSUPP, "takes %llu pieces of memory only",
				       (unsigned long long)n);
	}
	return r;
}

/* On which the device asks us: it says there that its configuration changed. */
static int give_backend_channel(struct vhost *v)
{
	int pair[2], r;

	if (!(v->protocol & VHOST_PROTOCOL_F_BACKEND_REQ))
		return 0;
	r = host_socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	if (r < 0)
		return vhost_fail(v, r, "cannot make a channel: %s", strerror(-r));
	v->backend = pair[0];
	r = vhost_send(v, VHOST_SET_BACKEND_REQ_FD, NULL, 0, pair[1]);
	host_close(pair[1]);
	return r;
}

int vhost_connect(struct vhost *v, int fd)
{
	int r;

	vhost_disconnect(v);
	v->socket = fd;
	v->err = 0;
	v->error[0] = '\0';
	v->offered = v->accepted = v->protocol = 0;
	r = vhost_ask_u64(v, VHOST_GET_FEATURES, &v->offered);
	if (r == 0 && !(v->offered & VHOST_F_VERSION_1))
		r = vhost_fail(v, -EOPNOTSUPP,
			       "offers features %#llx, without VERSION_1: it is too old",
			       (unsigned long long)v->offered);
	if (r == 0)
		r = agree_on_protocol(v);
	if (r == 0)
		r = vhost_send(v, VHOST_SET_OWNER, NULL, 0, -1);
	if (r == 0)
		r = count_queues(v);
	if (r == 0)
		r = check_memory_slots(v);
	return r < 0 ? r : give_backend_channel(v);
}

uint64_t vhost_features(const struct vhost *v)
{
	return v->offered & ~VHOST_F_PROTOCOL_FEATURES;
}

unsigned vhost_nr_queues(const struct vhost *v)
{
	return v->nr_queues;
}

int vhost_read_config(struct vhost *v, void *buf, size_t size)
{
	union vhost_payload p = { .config = { .size = (uint32_t)size } };
	int r;

	ASSERT(size >= 1 && size <= VHOST_CONFIG_MAX);
	if (!vhost_is_connected(v))
		return -ENOTCONN;
	if (!(v->protocol & VHOST_PROTOCOL_F_CONFIG))
		return -EOPNOTSUPP;
	r = vhost_ask(v, VHOST_GET_CONFIG, &p, VHOST_CONFIG_HEADER + size,
		      VHOST_CONFIG_HEADER + size);
	if (r < 0)
		return r;
	if (p.config.offset != 0 || p.config.size != size)
		return vhost_fail(v, -EPROTO, "answers GET_CONFIG with [%u, +%u) of it",
				  p.config.offset, p.config.size);
	memcpy(buf, p.config.bytes, size);
	return 0;
}

/* ---- accepting ---- */

/* The "user" addresses of the protocol are the device's too: which ours are is nobody's
 * business. */
static struct vhost_mem_region region_of(const struct vhost_region *r)
{
	return (struct vhost_mem_region){ .guest_address = r->address,
					  .size = r->size,
					  .user_address = r->address,
					  .mmap_offset = r->offset };
}

static int give_memory_at_once(struct vhost *v)
{
	struct vhost_mem_table t = { .count = v->config.nr_regions };
	int fds[VHOST_REGIONS_MAX];

	for (unsigned i = 0; i < t.count; i++) {
		t.regions[i] = region_of(&v->config.regions[i]);
		fds[i] = v->config.regions[i].fd;
	}
	return vhost_send_fds(v, VHOST_SET_MEM_TABLE, &t,
			      offsetof(struct vhost_mem_table, regions) +
				      t.count * sizeof(t.regions[0]),
			      fds, t.count);
}

static int give_memory_by_slots(struct vhost *v)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < v->config.nr_regions; i++) {
		struct vhost_mem_slot slot = { .region = region_of(&v->config.regions[i]) };

		r = vhost_send(v, VHOST_ADD_MEM_REG, &slot, sizeof(slot), v->config.regions[i].fd);
	}
	return r;
}

/* Without acknowledgements: the device has dealt with all that was sent once it answers a
 * question. */
static int settle(struct vhost *v)
{
	uint64_t features;

	if (v->protocol & VHOST_PROTOCOL_F_REPLY_ACK)
		return 0;
	return vhost_ask_u64(v, VHOST_GET_FEATURES, &features);
}

int vhost_accept(struct vhost *v, uint64_t features)
{
	int r;

	if (!vhost_is_connected(v))
		return -ENOTCONN;
	if ((features & ~vhost_features(v)) || !(features & VHOST_F_VERSION_1))
		return -EINVAL;
	features |= v->offered & VHOST_F_PROTOCOL_FEATURES;
	r = vhost_send(v, VHOST_SET_FEATURES, &features, sizeof(features), -1);
	if (r < 0)
		return r;
	v->accepted = features;
	r = v->protocol & VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS ? give_memory_by_slots(v)
							       : give_memory_at_once(v);
	if (r == 0)
		r = settle(v);
	v->is_accepted = r == 0;
	return r;
}
