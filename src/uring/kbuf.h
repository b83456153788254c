/*
 * Provided buffers: memory that a program gives in groups, from which a request with
 * IOSQE_BUFFER_SELECT takes one (or, as a bundle, several) when there is something to
 * put there.
 *
 *	plain group   a list: PROVIDE_BUFFERS adds, REMOVE_BUFFERS takes away
 *	ring group    an array shared with the guest, which adds at its tail; we take at
 *	              our head
 *
 * A buffer is only looked at while the operation tries, and taken when bytes have
 * moved: a request that waits holds none. From the look to the end of the try the
 * issuing thread has the ring's buffer token, so nobody else gets the same buffer; an
 * operation that may block takes at once and gives the token back.
 *
 * Groups and their contents change only under the token.
 */
#pragma once

#include "mm/mm.h"
#include "uring/region.h"
#include "uring/req.h"

#define KBUF_BUNDLE_MAX 64u

/* What was chosen. */
struct kbuf_choice {
	struct uio_seg seg[KBUF_BUNDLE_MAX];
	unsigned count;
	uint64_t size; /* of all */
};

/* Chooses buffers of the group req->buf_index, at most max of them, for at most *want
 * bytes (0: whatever they hold). -ENOBUFS; -EFAULT: its address is none. */
int kbuf_choose(struct req *req, struct issue *is, uint64_t want, unsigned max,
		struct kbuf_choice *out) MUST_CHECK;
/* Bytes have moved, n of them: what was chosen is the guest's again, and the
 * completion's flags say so. */
uint32_t kbuf_take(struct req *req, uint64_t n);
/* Does the group of req have a buffer at this moment? */
bool kbuf_has_more(struct req *req);
/* Nothing has moved: it is as if nothing had been chosen. Harmless if so. */
void kbuf_recycle(struct req *req);
/* A request is freed. */
void kbuf_drop(struct req *req);

/* PROVIDE_BUFFERS and REMOVE_BUFFERS: results as the operation's. */
long kbuf_provide(struct ring *r, unsigned group, gva_t addr, uint32_t size, unsigned count,
		  unsigned first_id);
long kbuf_remove(struct ring *r, unsigned group, unsigned count);

/* ---- io_uring_register(2) ---- */
long kbuf_register_ring(struct ring *r, struct task *t, gva_t arg);
long kbuf_unregister_ring(struct ring *r, struct task *t, gva_t arg);
long kbuf_ring_status(struct ring *r, struct task *t, gva_t arg);
/* The memory of a ring group that the kernel made, for mmap; or NULL. => ring.lock */
const struct region *kbuf_ring_region_locked(struct ring *r, unsigned group);
void kbuf_destroy_all(struct ring *r);
