/*
 * virtq/: the driver's side of a split virtqueue (VIRTIO 1.2 and 1.3, section 2.7).
 * It knows memory, and three functions of its caller; nothing of devices, sockets
 * or the kernel around it. It has no threads.
 *
 * A queue is three arrays in memory that driver and device share. The descriptor
 * table holds buffers: address, size, direction, the next one. In the available
 * ring the driver lists the first descriptors of chains that it offers; in the
 * used ring the device lists those that it is done with, each with the number of
 * bytes that it wrote. Each ring has a 16-bit index that only grows, and wraps.
 *
 *	         offer               the device             take
 *	FREE ------------> OFFERED ----------------> used ---------> TAKEN
 *	  ^                                                            |
 *	  +--------------------------- give back ----------------------+
 *
 * The device is not trusted. What it may write at any time is the whole block.
 * The driver's own state is private, and never read back from the block; of
 * what the device says, used.idx is read once a pass, and an element of the used
 * ring once, and checked there. A device that lies makes the queue *broken*: it
 * says so with an error code, every operation fails with -EIO, every sleeper
 * wakes. A broken queue is used again after virtq_reset().
 *
 * Invariants (virtq_check() runs them; debug builds and tests call it):
 *  1. Each descriptor is free, or in exactly one chain that is OFFERED or TAKEN.
 *  2. The free list has nr_free entries; nr_offered counts the chains OFFERED.
 *  3. The used ring holds at most nr_offered chains that were not taken.
 *  4. Offers that wait are served in the order in which they came.
 *
 * Locks: one mutex a queue (LOCK_VIRTQ). The caller's functions are called with it
 * dropped: they may call the queue, except where said. All operations but
 * create, reset, close and destroy may be called by any threads at once.
 *
 * An example: one request to a block device, and its answer. `ring` is memory that
 * the device sees at RING_AT; the request lies at REQUEST_AT in its eyes.
 *
 *	static void kick(void *arg) { eventfd_write(*(int *)arg, 1); }
 *
 *	struct virtq_config config = {
 *		.count = 64, .features = VIRTQ_F_EVENT_IDX, .memory = ring,
 *		.memory_size = ring_size, .device_address = RING_AT,
 *		.kick = kick, .arg = &kick_fd,
 *	};
 *	struct virtq_buffer buffers[] = {
 *		{ REQUEST_AT, 16 },          // the device reads the header,
 *		{ REQUEST_AT + 4096, 4096 }, // writes the data
 *		{ REQUEST_AT + 16, 1 },      // and the status
 *	};
 *	struct virtq_chain chain = { buffers, 1, 2, request };
 *	struct virtq_used used;
 *	struct virtq *q;
 *
 *	if (virtq_create(&config, &q) < 0)
 *		...
 *	virtq_addresses(q, &at);             // tell the device, start it
 *	if (virtq_offer(q, &chain, 1) < 0)
 *		...
 *	// the thread that reads the call eventfd calls virtq_called(q)
 *	if (virtq_wait(q, &used, 1, deadline) == 1) {
 *		finish(used.token, used.written);
 *		virtq_give_back(q, used.id);
 *	}
 *	// stop the device, then:
 *	virtq_close(q, cancel, NULL);
 *	virtq_destroy(q);
 */
#pragma once

#include "base/base.h"

struct virtq;

#define VIRTQ_COUNT_MAX 32768u /* descriptors; 2.7 */
#define VIRTQ_ALIGN 16u        /* of the memory block, on both sides; 2.7.1 */

/* Of the device's feature word, what a queue understands. Accept no other ring feature. */
#define VIRTQ_F_EVENT_IDX (1ull << 29)

/* ---- memory ---- */

/* Where the parts lie in a block of `size` bytes, as offsets from its start. */
struct virtq_layout {
	uint64_t size, desc, avail, used;
};

/* -EINVAL: count is no power of two from 1 to VIRTQ_COUNT_MAX. */
int virtq_layout(unsigned count, struct virtq_layout *out) MUST_CHECK;

/* The addresses of the parts as the device knows them. */
struct virtq_addresses {
	uint64_t desc, avail, used;
};

/* ---- life ---- */

struct virtq_config {
	unsigned count;          /* of descriptors */
	uint64_t features;       /* VIRTQ_F_ of those that were negotiated */
	void *memory;            /* borrowed until virtq_destroy(); the device writes it */
	size_t memory_size;      /* at least virtq_layout().size */
	uint64_t device_address; /* of memory */
	uint16_t base;           /* the first index of both rings: 0 for a new device */
	/* Tells the device that there are chains. Must not block; borrows arg. */
	void (*kick)(void *arg);
	void *arg;
};

/* Lays out the rings in the memory. -EINVAL: a count, feature, size, alignment or address
 * that cannot be; -ENOMEM. */
int virtq_create(const struct virtq_config *config, struct virtq **out) MUST_CHECK;
void virtq_addresses(const struct virtq *q, struct virtq_addresses *out);
unsigned virtq_count(const struct virtq *q);

/* What becomes of a chain: used (written bytes are valid at most), or cancelled
 * (written is 0). It may offer again, to the same queue too. */
typedef void virtq_done_fn(void *arg, void *token, uint32_t written);

/* When the device has stopped and will touch the memory no more: cancels every chain
 * that is offered, and starts afresh with index base, no longer broken. Offers that wait
 * go on. Chains that are taken stay so until they are given back. -ESHUTDOWN: closed. */
int virtq_reset(struct virtq *q, uint16_t base, virtq_done_fn *cancel, void *arg) MUST_CHECK;

/* For good, when the device has stopped: wakes every sleeper, which fails with -ESHUTDOWN as
 * all that comes later; cancels every chain that is offered. Twice does no harm. */
void virtq_close(struct virtq *q, virtq_done_fn *cancel, void *arg);

/* Frees a queue that no thread is inside of: close it, join the threads that use it,
 * destroy it. NULL is allowed. */
void virtq_destroy(struct virtq *q);

/* ---- offering ---- */

/* Device addresses; no size limit below 2^32, none of a page. */
struct virtq_buffer {
	uint64_t address;
	uint32_t size; /* not 0 */
};

struct virtq_chain {
	const struct virtq_buffer *buffers; /* those that the device reads, then those it writes */
	unsigned nr_readable, nr_writable;
	void *token; /* comes back with the chain; the queue does not look at it */
};

/*
 * Offers chains in order, as many as there are descriptors for, with at most one kick,
 * and none if the device does not want it. Does not sleep. Returns how many (1 or more), or:
 * -EAGAIN	no room for the first, or others wait for room
 * -EINVAL	a chain without buffers, an empty buffer, one past the end of addresses
 * -E2BIG	a chain of more descriptors than the queue has, or of more than 2^32 bytes (2.7.5.2)
 * -EIO		broken
 * -ESHUTDOWN	closed
 * With -EINVAL and -E2BIG no chain is offered: all are checked before the first.
 */
int virtq_offer(struct virtq *q, const struct virtq_chain *chains, unsigned count) MUST_CHECK;

/*
 * The same, but sleeps for descriptors until all chains are offered, or deadline_ns
 * (CLOCK_MONOTONIC, UINT64_MAX for ever): -ETIMEDOUT when none was. Kicks before
 * it sleeps. Somebody else has to give chains back meanwhile.
 */
int virtq_offer_wait(struct virtq *q, const struct virtq_chain *chains, unsigned count,
		     uint64_t deadline_ns) MUST_CHECK;

/* Kicks whether the device wants it or not: when a device has been silent for too long. */
void virtq_kick(struct virtq *q);

/* ---- taking ---- */

struct virtq_used {
	void *token;
	uint32_t written; /* as the device says: at most the writable size. No proof that it wrote. */
	uint16_t id;      /* for virtq_buffers() and virtq_give_back() */
};

/*
 * Takes at most max used chains; returns how many. 0: none. -EIO: broken, -ESHUTDOWN:
 * closed; what came before a lie is returned first. With calls on (they are at first), a return
 * below max promises that the device, if honest, calls for the next one.
 */
int virtq_poll(struct virtq *q, struct virtq_used *out, unsigned max) MUST_CHECK;

/* The same, but turns calls on, and sleeps until there is one, or -ETIMEDOUT. Somebody tells the
 * queue of calls by virtq_called(). */
int virtq_wait(struct virtq *q, struct virtq_used *out, unsigned max, uint64_t deadline_ns)
	MUST_CHECK;

/* The same as virtq_poll(), by callback: done is called for each chain, which is
 * given back before it. Returns how many, or the error. */
int virtq_dispatch(struct virtq *q, virtq_done_fn *done, void *arg, unsigned max) MUST_CHECK;

/* The device has called (or may have: too often does no harm): wakes who is in virtq_wait(). */
void virtq_called(struct virtq *q);

/* Asks the device not to call; a hint, which it may overlook. */
void virtq_calls_off(struct virtq *q);
/* Asks it to call again; true: chains are used already, for which it may not call. */
bool virtq_calls_on(struct virtq *q) MUST_CHECK;

/* The buffers of a taken chain, as they were offered; fills at most max, returns how many
 * there are. Private copies: the device cannot have changed them. */
unsigned virtq_buffers(struct virtq *q, uint16_t id, struct virtq_buffer *out, unsigned max);

/* A taken chain's descriptors are free again: wakes an offer that waits for them. */
void virtq_give_back(struct virtq *q, uint16_t id);

/* ---- errors ---- */

enum virtq_error {
	VIRTQ_SOUND,
	VIRTQ_IDX_JUMPED,     /* used.idx went back, or past what is offered */
	VIRTQ_ID_RANGE,       /* a used id that is no descriptor's */
	VIRTQ_ID_NOT_OFFERED, /* free, taken already, or inside a chain */
	VIRTQ_TOO_LONG,       /* more bytes written than the chain had room for */
	VIRTQ_GIVEN_UP,       /* virtq_break() */
	VIRTQ_ERRORS
};

enum virtq_error virtq_error(struct virtq *q);
const char *virtq_error_text(enum virtq_error error);
/* The caller knows that the device is gone or wrong: breaks the queue unless it is broken. */
void virtq_break(struct virtq *q);

/* Panics if an invariant does not hold. For tests; takes the lock. */
void virtq_check(struct virtq *q);
