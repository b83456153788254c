/*
 * Offering chains, and waiting for descriptors.
 *
 * Who waits is in a queue: only the first takes descriptors, and an offer that comes later
 * queues behind it even if a smaller chain would fit. So nobody starves, and one
 * thread's offers stay in order.
 */
#include "base/park.h"
#include "virtq/internal.h"

/* ---- one chain ---- */

static int check_chain(const struct virtq *q, const struct virtq_chain *chain)
{
	uint64_t total = 0, end;
	unsigned nr;

	if (add_overflow(chain->nr_readable, chain->nr_writable, &nr) || nr > q->count)
		return -E2BIG;
	if (nr == 0)
		return -EINVAL;
	for (unsigned i = 0; i < nr; i++) {
		const struct virtq_buffer *b = &chain->buffers[i];

		/* Devices take an empty descriptor for the driver's mistake, and stop. */
		if (b->size == 0 || add_overflow(b->address, (uint64_t)b->size - 1, &end))
			return -EINVAL;
		total += b->size;
	}
	return total > 1ull << 32 ? -E2BIG : 0;
}

/* Writes a chain that fits into the table and the available ring; the device does not see
 * it before publish_locked(). */
static void add_chain_locked(struct virtq *q, const struct virtq_chain *chain) REQUIRES(q->lock)
{
	unsigned nr = chain->nr_readable + chain->nr_writable;
	uint16_t head = q->free, id = head;
	struct virtq_slot *first = &q->slots[head];

	first->writable = 0;
	for (unsigned i = 0; i < nr; i++) {
		const struct virtq_buffer *b = &chain->buffers[i];
		struct virtq_desc *d = &q->desc[id];
		struct virtq_slot *s = &q->slots[id];
		bool last = i + 1 == nr, writable = i >= chain->nr_readable;
		unsigned flags = (last ? 0 : VIRTQ_DESC_NEXT) | (writable ? VIRTQ_DESC_WRITE : 0);

		s->address = b->address;
		s->size = b->size;
		s->state = VIRTQ_INNER;
		if (writable)
			first->writable += b->size;
		atomic_store_explicit(&d->address, b->address, memory_order_relaxed);
		atomic_store_explicit(&d->size, b->size, memory_order_relaxed);
		atomic_store_explicit(&d->flags, (uint16_t)flags, memory_order_relaxed);
		atomic_store_explicit(&d->next, last ? 0 : s->next, memory_order_relaxed);
		id = s->next;
	}
	q->free = id;
	q->nr_free -= nr;
	first->state = VIRTQ_OFFERED;
	first->token = chain->token;
	first->nr = (uint16_t)nr;
	q->nr_offered++;
	atomic_store_explicit(&q->avail->ring[q->avail_idx & (q->count - 1)], head,
			      memory_order_relaxed);
	q->avail_idx++;
}

/* Shows the device what was added; true: it wants a kick for it. */
static bool publish_locked(struct virtq *q) REQUIRES(q->lock)
{
	uint16_t old = q->kick_idx, event;

	if (q->avail_idx == old)
		return false;
	/* Release: descriptors and ring slots before the index (2.7.13.3.1).
	 * Pairs with the device's read of the index. */
	atomic_store_explicit(&q->avail->idx, q->avail_idx, memory_order_release);
	/* Full: our store of the index before our load of what it asks for
	 * (2.7.13.4.1). The device stores what it asks for and then looks at the index:
	 * without the fence both could read the old, and the kick be lost. */
	atomic_thread_fence(memory_order_seq_cst);
	q->kick_idx = q->avail_idx;
	if (!q->event_idx)
		return !(atomic_load_explicit(&q->used->flags, memory_order_relaxed) &
			 VIRTQ_USED_NO_NOTIFY);
	/* Whether the one that it waits for is among those just published (2.7.10). */
	event = atomic_load_explicit(q->avail_event, memory_order_relaxed);
	return (uint16_t)(q->avail_idx - event - 1) < (uint16_t)(q->avail_idx - old);
}

/* ---- waiting ---- */

void virtq_wake_offers_locked(struct virtq *q, bool everybody)
{
	mutex_assert_held(&q->lock);
	/* Under the lock: a waiter is on its thread's stack, and leaves under the lock. */
	list_for_each(w, &q->waiters, struct virtq_waiter, link) {
		if (!everybody && w->needs > q->nr_free)
			return;
		atomic_store_explicit(&w->woken, 1, memory_order_relaxed);
		park_wake(&w->woken, 1);
		if (!everybody)
			return;
	}
}

/* Sleeps until the first in the queue and needs descriptors are free; drops and retakes
 * the lock. The status, or -ETIMEDOUT. */
static int wait_for_room_relock(struct virtq *q, struct virtq_waiter *w, uint64_t deadline_ns)
	REQUIRES(q->lock)
{
	for (;;) {
		int err = virtq_status_locked(q);

		if (err < 0)
			return err;
		if (list_first(&q->waiters, struct virtq_waiter, link) == w &&
		    w->needs <= q->nr_free)
			return 0;
		atomic_store_explicit(&w->woken, 0, memory_order_relaxed);
		mutex_unlock(&q->lock);
		err = park_wait(&w->woken, 0, deadline_ns);
		mutex_lock(&q->lock);
		if (err == -ETIMEDOUT && !atomic_load_explicit(&w->woken, memory_order_relaxed))
			return err;
	}
}

/* Adds chains until there is no room for the next; returns how many. */
static unsigned add_what_fits_locked(struct virtq *q, const struct virtq_chain *chains,
				     unsigned count) REQUIRES(q->lock)
{
	unsigned n = 0;

	while (n < count && chains[n].nr_readable + chains[n].nr_writable <= q->nr_free)
		add_chain_locked(q, &chains[n++]);
	return n;
}

static int check_chains(const struct virtq *q, const struct virtq_chain *chains, unsigned count)
{
	if (count == 0 || count > INT32_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < count; i++) {
		int err = check_chain(q, &chains[i]);

		if (err < 0)
			return err;
	}
	return 0;
}

int virtq_offer(struct virtq *q, const struct virtq_chain *chains, unsigned count)
{
	unsigned n = 0;
	bool wants_kick = false;
	int err = check_chains(q, chains, count);

	if (err < 0)
		return err;
	mutex_lock(&q->lock);
	err = virtq_status_locked(q);
	if (err == 0 && list_empty(&q->waiters)) {
		n = add_what_fits_locked(q, chains, count);
		wants_kick = publish_locked(q);
	}
	mutex_unlock(&q->lock);
	if (wants_kick)
		q->kick(q->arg);
	if (err < 0)
		return err;
	return n ? (int)n : -EAGAIN;
}

int virtq_offer_wait(struct virtq *q, const struct virtq_chain *chains, unsigned count,
		     uint64_t deadline_ns)
{
	struct virtq_waiter w = { .woken = 0 };
	unsigned n = 0;
	bool wants_kick;
	int err = check_chains(q, chains, count);

	if (err < 0)
		return err;
	mutex_lock(&q->lock);
	list_push_back(&q->waiters, &w.link);
	do {
		w.needs = chains[n].nr_readable + chains[n].nr_writable;
		err = wait_for_room_relock(q, &w, deadline_ns);
		if (err < 0)
			break;
		n += add_what_fits_locked(q, chains + n, count - n);
		wants_kick = publish_locked(q);
		if (n == count) { /* leaves: the next may find room in what is left */
			list_del(&w.link);
			virtq_wake_offers_locked(q, false);
		}
		mutex_unlock(&q->lock);
		if (wants_kick)
			q->kick(q->arg);
		mutex_lock(&q->lock);
	} while (n < count);
	if (err < 0) {
		list_del(&w.link);
		virtq_wake_offers_locked(q, false);
	}
	mutex_unlock(&q->lock);
	return n ? (int)n : err;
}

void virtq_kick(struct virtq *q)
{
	q->kick(q->arg);
}
