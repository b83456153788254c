/*
 * vhost/: the front end of vhost-user: how a driver's virtqueues are given to a device that
 * is another process. (The protocol: "Vhost-user Protocol" of QEMU's documentation.)
 *
 *	vhost.c      life, errors
 *	message.c    one message out, one message in
 *	session.c    from a connected socket to queues that can be started
 *	queue.c      one queue: starting, kicking, stopping
 *	events.c     waiting for what the device does by itself
 *	protocol.h   the numbers and structures of the protocol
 *
 * The model. A socket carries requests of ours and their replies, one at a time. The first
 * ones agree on features, and hand the memory over in which rings and buffers lie. Each queue
 * then has its rings, and three descriptors: we write to *kick*, the device writes to *call*
 * and *err*. Data never passes through the socket.
 *
 *	 IDLE --vhost_connect()--> CONNECTED --vhost_accept()--> ACCEPTED: queues start and stop
 *	  ^                            |                             |
 *	  +----vhost_disconnect()------+------- any error -----------+
 *
 * The same object connects again after it was disconnected: to the device's successor.
 *
 * The device is not trusted. Of a reply, the number, the flags, the size and each value
 * is checked; descriptors that come with it are closed; it comes within the
 * time-out, or never. Anything else is an error for good: one sentence that names the device
 * (vhost_error()), and an errno that says what kind it is:
 *
 *	-ECONNRESET   the device is gone: closed, or never there
 *	-ETIMEDOUT    it is silent
 *	-EPROTO       it breaks the protocol
 *	-EOPNOTSUPP   it refuses a request, or lacks what is needed
 *	-EMFILE, -ENOMEM, ...   our own host's
 *
 * After an error all calls but vhost_disconnect() fail with -ENOTCONN. What the device can
 * always do: read and write all of the memory, at any time, also after it was disconnected
 * (it keeps its mapping). And what it shares with us of the descriptors: each is an open
 * file of two processes. So the kick is a pipe of which it gets the other end (an eventfd it
 * could make blocking, and full: then we would hang), and a call is read in a way that
 * never blocks.
 *
 * Threads. One thread uses an object, but vhost_kick() and vhost_wake() may be called by all.
 */
#pragma once

#include "base/base.h"

struct vhost;

#define VHOST_QUEUES_MAX 64u
#define VHOST_REGIONS_MAX 8u

/* Feature bits that belong to the transport, not to the device's kind. */
#define VHOST_F_PROTOCOL_FEATURES (1ull << 30) /* this folder's own: never the driver's */
#define VHOST_F_VERSION_1 (1ull << 32)

/* Memory that the device may use: [offset, offset + size) of a file. */
struct vhost_region {
	uint64_t address; /* of its first byte, as the device is told in rings and buffers */
	uint64_t size;
	uint64_t offset;
	int fd; /* borrowed; a memfd that is sealed against shrinking */
};

struct vhost_config {
	const char *name; /* begins each error; copied */
	struct vhost_region regions[VHOST_REGIONS_MAX];
	unsigned nr_regions;
	unsigned nr_queues;  /* that the driver can use at the most: 1 to VHOST_QUEUES_MAX */
	uint64_t timeout_ns; /* for the answer to a request */
};

/* ---- life ---- */

/* -EINVAL, -ENOMEM, -EMFILE. */
int vhost_create(const struct vhost_config *config, struct vhost **out) MUST_CHECK;
/* Disconnects. NULL is allowed. */
void vhost_destroy(struct vhost *v);
/* What was wrong, as a sentence that begins with the name; "" when nothing was since the last
 * vhost_connect(). */
const char *vhost_error(const struct vhost *v);

/* ---- a session ---- */

/* Takes fd over, a stream socket that is connected to the device; agrees on the protocol.
 * -EOPNOTSUPP also: the device offers no VHOST_F_VERSION_1. */
int vhost_connect(struct vhost *v, int fd) MUST_CHECK;
/* What the device offers, without VHOST_F_PROTOCOL_FEATURES. */
uint64_t vhost_features(const struct vhost *v);
/* How many queues there are: at least 1, at most config.nr_queues. */
unsigned vhost_nr_queues(const struct vhost *v);
/* Reads the first `size` bytes (1 to 256) of the device's configuration. -EOPNOTSUPP: it has
 * none. Before or after vhost_accept(). */
int vhost_read_config(struct vhost *v, void *buf, size_t size) MUST_CHECK;
/* Settles on these of the features, and hands the memory over. -EINVAL: not all are offered,
 * or VHOST_F_VERSION_1 is not among them. */
int vhost_accept(struct vhost *v, uint64_t features) MUST_CHECK;
/* The device hears of it by the closed socket, and may still use the memory for a while: stop
 * its queues first, if it is alive. */
void vhost_disconnect(struct vhost *v);
bool vhost_is_connected(const struct vhost *v);

/* ---- queues ---- */

/* Addresses are the device's (struct vhost_region). */
struct vhost_rings {
	unsigned count;             /* descriptors */
	uint16_t base;              /* the first index */
	uint64_t desc, avail, used; /* addresses */
};

/* The device may use the queue as soon as this is called. */
int vhost_start_queue(struct vhost *v, unsigned index, const struct vhost_rings *rings) MUST_CHECK;
/* When it returns 0, the device uses the queue no more; *base: chains before this index are
 * dealt with. */
int vhost_stop_queue(struct vhost *v, unsigned index, uint16_t *base) MUST_CHECK;
/* By any thread, also while there is no device: never blocks. */
void vhost_kick(struct vhost *v, unsigned index);

/* ---- events ---- */

struct vhost_events {
	uint64_t called;     /* bit N: queue N called, or seems to have */
	bool config_changed; /* it should be read again */
	bool woken;          /* vhost_wake() */
};

/*
 * Waits until something happens, or until deadline_ns (CLOCK_MONOTONIC, UINT64_MAX for ever):
 * then -EAGAIN. Errors are the device's end. While it is not connected only a
 * wake ends it.
 */
int vhost_wait(struct vhost *v, struct vhost_events *out, uint64_t deadline_ns) MUST_CHECK;
/* Ends a vhost_wait(), the next one if there is none now. */
void vhost_wake(struct vhost *v);
