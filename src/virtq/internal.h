/* What the files of virtq/ share: the rings as the device sees them, and the private state. */
#pragma once

#include "base/list.h"
#include "base/lock.h"
#include "virtq/virtq.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the rings are little-endian");

/* ---- shared with the device: relaxed atomics, for it may write at any time ---- */

#define VIRTQ_DESC_NEXT 1u
#define VIRTQ_DESC_WRITE 2u
#define VIRTQ_AVAIL_NO_INTERRUPT 1u
#define VIRTQ_USED_NO_NOTIFY 1u

struct virtq_desc { /* 2.7.5 */
	_Atomic uint64_t address;
	_Atomic uint32_t size;
	_Atomic uint16_t flags, next;
};

struct virtq_avail { /* 2.7.6; used_event follows the ring */
	_Atomic uint16_t flags, idx;
	_Atomic uint16_t ring[];
};

struct virtq_used_elem {
	_Atomic uint32_t id, len;
};

struct virtq_used_ring { /* 2.7.8; avail_event follows the ring */
	_Atomic uint16_t flags, idx;
	struct virtq_used_elem ring[];
};

static_assert(sizeof(struct virtq_desc) == 16 && sizeof(struct virtq_used_elem) == 8 &&
		      sizeof(struct virtq_avail) == 4 && sizeof(struct virtq_used_ring) == 4,
	      "the sizes of 2.7");

/* ---- private ---- */

enum virtq_state {
	VIRTQ_FREE,
	VIRTQ_INNER,   /* in a chain, not its first */
	VIRTQ_OFFERED, /* first of a chain that the device may have */
	VIRTQ_TAKEN,   /* first of a chain that the caller has */
};

#define VIRTQ_NONE UINT16_MAX /* no descriptor: there are at most 32768 */

/* What we know of a descriptor: the table itself is never read back. */
struct virtq_slot {
	uint64_t address;
	uint64_t writable; /* of a first one: bytes that the device may write */
	void *token;       /* of a first one */
	uint32_t size;
	uint16_t next;      /* in the chain, or in the free list */
	uint16_t cancelled; /* of a first one: the next in virtq_cancel_all() */
	uint16_t nr;        /* of a first one: descriptors in the chain */
	uint8_t state;
};

/* An offer that sleeps: on its thread's stack, on the list until it leaves by itself. */
struct virtq_waiter {
	struct list link;
	unsigned needs; /* descriptors for its next chain */
	atomic_uint woken;
};

/* [I] immutable, [l] lock, [a] atomic, [d] the device's too */
struct virtq {
	struct mutex lock;
	unsigned count;                   /* [I] */
	bool event_idx;                   /* [I] */
	struct virtq_desc *desc;          /* [I] the array is [d] */
	struct virtq_avail *avail;        /* [I] likewise */
	struct virtq_used_ring *used;     /* [I] likewise */
	_Atomic uint16_t *used_event;     /* [I] likewise: we ask for a call after this one */
	_Atomic uint16_t *avail_event;    /* [I] likewise: it asks for a kick after this one */
	struct virtq_addresses addresses; /* [I] */
	void (*kick)(void *arg);          /* [I] */
	void *arg;                        /* [I] */

	uint16_t avail_idx;     /* [l] what we have published */
	uint16_t kick_idx;      /* [l] avail_idx when a kick was last thought of */
	uint16_t used_idx;      /* [l] chains before this one are taken */
	uint16_t seen_idx;      /* [l] the last used.idx that was believed */
	uint16_t free;          /* [l] the free list */
	unsigned nr_free;       /* [l] */
	unsigned nr_offered;    /* [l] */
	bool calls_wanted;      /* [l] */
	bool closed;            /* [l] */
	enum virtq_error error; /* [l] */
	struct list waiters;    /* [l] of virtq_waiter, first come first */

	atomic_uint calls;    /* [a] counts up at each call: who is in virtq_wait() sleeps on it */
	atomic_uint sleepers; /* [a] how many are */

	struct virtq_slot slots[]; /* [l] */
};

/* 0, -EIO or -ESHUTDOWN. */
int virtq_status_locked(const struct virtq *q) REQUIRES(q->lock);
void virtq_break_locked(struct virtq *q, enum virtq_error error) REQUIRES(q->lock);
/* Wakes the first offer that waits if there is room for it; with everybody, all of them. */
void virtq_wake_offers_locked(struct virtq *q, bool everybody) REQUIRES(q->lock);
void virtq_give_back_locked(struct virtq *q, uint16_t id) REQUIRES(q->lock);
