/*
 * Taking used chains: the one place where what the device says is judged.
 */
#include "base/park.h"
#include "virtq/internal.h"

/* ---- the device's words ---- */

/* Reads used.idx, once, into seen_idx. False: it cannot be, the queue is broken. */
static bool look_locked(struct virtq *q) REQUIRES(q->lock)
{
	/* Acquire: the elements and what the device wrote to buffers, after the index
	 * that says so (2.7.14). */
	uint16_t idx = atomic_load_explicit(&q->used->idx, memory_order_acquire);
	unsigned known = (uint16_t)(q->seen_idx - q->used_idx);

	if ((uint16_t)(idx - q->seen_idx) > q->nr_offered - known) {
		virtq_break_locked(q, VIRTQ_IDX_JUMPED);
		return false;
	}
	q->seen_idx = idx;
	return true;
}

/* Takes the next chain, which the device says is used. False: it lies. */
static bool take_one_locked(struct virtq *q, struct virtq_used *out) REQUIRES(q->lock)
{
	struct virtq_used_elem *elem = &q->used->ring[q->used_idx & (q->count - 1)];
	uint32_t id = atomic_load_explicit(&elem->id, memory_order_relaxed);
	uint32_t len = atomic_load_explicit(&elem->len, memory_order_relaxed);
	struct virtq_slot *s;

	if (id >= q->count) {
		virtq_break_locked(q, VIRTQ_ID_RANGE);
		return false;
	}
	s = &q->slots[id];
	if (s->state != VIRTQ_OFFERED) {
		virtq_break_locked(q, VIRTQ_ID_NOT_OFFERED);
		return false;
	}
	if (len > s->writable) {
		virtq_break_locked(q, VIRTQ_TOO_LONG);
		return false;
	}
	s->state = VIRTQ_TAKEN;
	q->nr_offered--;
	q->used_idx++;
	out->token = s->token;
	out->written = len;
	out->id = (uint16_t)id;
	return true;
}

/* Asks for a call at the next chain; true: it may have come before we asked. */
static bool arm_locked(struct virtq *q) REQUIRES(q->lock)
{
	if (q->event_idx)
		atomic_store_explicit(q->used_event, q->used_idx, memory_order_relaxed);
	else
		atomic_store_explicit(&q->avail->flags, 0, memory_order_relaxed);
	/* Full: our wish before our last look at the index. The device stores the
	 * index and then looks at our wish: one of us sees the other's (2.7.14). */
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&q->used->idx, memory_order_relaxed) != q->used_idx;
}

static int poll_locked(struct virtq *q, struct virtq_used *out, unsigned max) REQUIRES(q->lock)
{
	unsigned n = 0;
	bool more = false;
	int err = virtq_status_locked(q);

	if (err < 0)
		return err;
	do {
		unsigned before = n;

		if (!look_locked(q))
			break;
		while (n < max && q->used_idx != q->seen_idx && take_one_locked(q, &out[n]))
			n++;
		/* What arm_locked() saw is still there, unless the index went back: so
		 * one that flaps does not hold us here. */
		if (more && n == before)
			virtq_break_locked(q, VIRTQ_IDX_JUMPED);
		/* Without the event index, calls that are on stay on by themselves. */
		more = n < max && q->error == VIRTQ_SOUND && q->event_idx && q->calls_wanted &&
		       arm_locked(q);
	} while (more);
	return n ? (int)n : virtq_status_locked(q);
}

int virtq_poll(struct virtq *q, struct virtq_used *out, unsigned max)
{
	int n;

	mutex_lock(&q->lock);
	n = poll_locked(q, out, MIN(max, VIRTQ_COUNT_MAX));
	mutex_unlock(&q->lock);
	return n;
}

/* ---- calls ---- */

void virtq_called(struct virtq *q)
{
	/* (C) Both in one order with (S): either the sleeper sees the new count and
	 * does not sleep, or we see the sleeper. */
	atomic_fetch_add_explicit(&q->calls, 1, memory_order_seq_cst);
	if (atomic_load_explicit(&q->sleepers, memory_order_seq_cst))
		park_wake(&q->calls, INT32_MAX);
}

void virtq_calls_off(struct virtq *q)
{
	mutex_lock(&q->lock);
	q->calls_wanted = false;
	/* With the event index flags stay 0 (2.7.7.1); an index that is passed
	 * already is not met again for 65536 chains, and then one call too many comes. */
	if (q->event_idx)
		atomic_store_explicit(q->used_event, (uint16_t)(q->used_idx - 1),
				      memory_order_relaxed);
	else
		atomic_store_explicit(&q->avail->flags, VIRTQ_AVAIL_NO_INTERRUPT,
				      memory_order_relaxed);
	mutex_unlock(&q->lock);
}

bool virtq_calls_on(struct virtq *q)
{
	bool more;

	mutex_lock(&q->lock);
	q->calls_wanted = true;
	more = arm_locked(q);
	mutex_unlock(&q->lock);
	return more;
}

/* virtq_poll() with calls on. */
static int poll_armed(struct virtq *q, struct virtq_used *out, unsigned max)
{
	int n;

	mutex_lock(&q->lock);
	if (!q->calls_wanted) {
		q->calls_wanted = true;
		(void)arm_locked(q); /* and look after it */
	}
	n = poll_locked(q, out, max);
	mutex_unlock(&q->lock);
	return n;
}

int virtq_wait(struct virtq *q, struct virtq_used *out, unsigned max, uint64_t deadline_ns)
{
	int n, err = 0;

	if (max == 0)
		return -EINVAL;
	max = MIN(max, VIRTQ_COUNT_MAX);
	atomic_fetch_add_explicit(&q->sleepers, 1, memory_order_seq_cst); /* (S) */
	for (;;) {
		unsigned calls = atomic_load_explicit(&q->calls, memory_order_seq_cst);

		n = poll_armed(q, out, max);
		if (n != 0 || err < 0)
			break;
		err = park_wait(&q->calls, calls, deadline_ns);
	}
	/* One call may have stood for more than this thread takes. */
	if (atomic_fetch_sub_explicit(&q->sleepers, 1, memory_order_seq_cst) > 1 && n == (int)max)
		virtq_called(q);
	return n ? n : err;
}

/* ---- afterwards ---- */

int virtq_dispatch(struct virtq *q, virtq_done_fn *done, void *arg, unsigned max)
{
	struct virtq_used used[16];
	unsigned total = 0;

	while (total < max) {
		unsigned want = MIN(max - total, (unsigned)ARRAY_SIZE(used));
		int n = virtq_poll(q, used, want);

		if (n < 0)
			return total ? (int)total : n;
		for (int i = 0; i < n; i++) {
			virtq_give_back(q, used[i].id);
			done(arg, used[i].token, used[i].written);
		}
		total += (unsigned)n;
		if ((unsigned)n < want)
			break;
	}
	return (int)total;
}

unsigned virtq_buffers(struct virtq *q, uint16_t id, struct virtq_buffer *out, unsigned max)
{
	unsigned nr;

	mutex_lock(&q->lock);
	ASSERT(id < q->count && q->slots[id].state == VIRTQ_TAKEN);
	nr = q->slots[id].nr;
	for (unsigned i = 0; i < MIN(nr, max); i++, id = q->slots[id].next) {
		out[i].address = q->slots[id].address;
		out[i].size = q->slots[id].size;
	}
	mutex_unlock(&q->lock);
	return nr;
}

void virtq_give_back_locked(struct virtq *q, uint16_t id)
{
	uint16_t last = id;
	unsigned nr;

	mutex_assert_held(&q->lock);
	ASSERT(id < q->count && q->slots[id].state == VIRTQ_TAKEN);
	nr = q->slots[id].nr;
	for (unsigned i = 0;; i++) {
		q->slots[last].state = VIRTQ_FREE;
		if (i + 1 == nr)
			break;
		last = q->slots[last].next;
	}
	q->slots[last].next = q->free;
	q->free = id;
	q->nr_free += nr;
	virtq_wake_offers_locked(q, false);
}

void virtq_give_back(struct virtq *q, uint16_t id)
{
	mutex_lock(&q->lock);
	virtq_give_back_locked(q, id);
	mutex_unlock(&q->lock);
}
