/*
 * A queue's memory, life and errors. Offering is in offer.c, taking in take.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "virtq/internal.h"

static const char *const error_texts[] = {
	[VIRTQ_SOUND] = "no error",
	[VIRTQ_IDX_JUMPED] = "the used index went back, or past what was offered",
	[VIRTQ_ID_RANGE] = "a used id is not a descriptor's",
	[VIRTQ_ID_NOT_OFFERED] = "a used id is not of a chain that was offered",
	[VIRTQ_TOO_LONG] = "more bytes used than the chain has room for",
	[VIRTQ_GIVEN_UP] = "the device was given up",
};
static_assert(ARRAY_SIZE(error_texts) == VIRTQ_ERRORS, "a text for each error");

/* ---- memory ---- */

int virtq_layout(unsigned count, struct virtq_layout *out)
{
	if (count == 0 || count > VIRTQ_COUNT_MAX || (count & (count - 1)))
		return -EINVAL;
	out->desc = 0;
	out->avail = sizeof(struct virtq_desc) * count;
	/* flags, idx, the ring, used_event; then up to the used ring's alignment of 4 */
	out->used = (out->avail + 6 + 2ull * count + 3) & ~3ull;
	out->size = out->used + 6 + sizeof(struct virtq_used_elem) * count;
	return 0;
}

/* The rings of an idle queue that starts at base. The device's fields are ours to set
 * before it starts: avail_event must be base, else the first kick could be missed. */
static void write_rings(struct virtq *q, uint16_t base)
{
	memset((void *)q->desc, 0, sizeof(struct virtq_desc) * q->count);
	memset((void *)q->avail, 0, 6 + 2ull * q->count);
	memset((void *)q->used, 0, 6 + sizeof(struct virtq_used_elem) * q->count);
	q->avail_idx = q->kick_idx = q->used_idx = q->seen_idx = base;
	atomic_store_explicit(&q->used->idx, base, memory_order_relaxed);
	if (q->event_idx) {
		atomic_store_explicit(q->avail_event, base, memory_order_relaxed);
		atomic_store_explicit(q->used_event, base, memory_order_relaxed);
	}
	q->calls_wanted = true;
	/* Release: a device that starts by looking at the index sees the rest. */
	atomic_store_explicit(&q->avail->idx, base, memory_order_release);
}

static int check_config(const struct virtq_config *config, struct virtq_layout *layout)
{
	uint64_t end;
	int err = virtq_layout(config->count, layout);

	if (err < 0)
		return err;
	if (!config->memory || !config->kick || (config->features & ~VIRTQ_F_EVENT_IDX))
		return -EINVAL;
	if (config->memory_size < layout->size ||
	    add_overflow(config->device_address, layout->size, &end))
		return -EINVAL;
	if (((uintptr_t)config->memory | config->device_address) & (VIRTQ_ALIGN - 1))
		return -EINVAL;
	return 0;
}

int virtq_create(const struct virtq_config *config, struct virtq **out)
{
	struct virtq_layout layout;
	struct virtq *q;
	char *memory = config->memory;
	int err = check_config(config, &layout);

	*out = NULL;
	if (err < 0)
		return err;
	q = FAULT_POINT("virtq.create")
		    ? NULL
		    : calloc(1, sizeof(*q) + config->count * sizeof(q->slots[0]));
	if (!q)
		return -ENOMEM;
	mutex_init(&q->lock, LOCK_VIRTQ);
	q->count = q->nr_free = config->count;
	q->event_idx = config->features & VIRTQ_F_EVENT_IDX;
	q->desc = (void *)(memory + layout.desc);
	q->avail = (void *)(memory + layout.avail);
	q->used = (void *)(memory + layout.used);
	q->used_event = &q->avail->ring[q->count];
	q->avail_event = (void *)&q->used->ring[q->count];
	q->addresses.desc = config->device_address + layout.desc;
	q->addresses.avail = config->device_address + layout.avail;
	q->addresses.used = config->device_address + layout.used;
	q->kick = config->kick;
	q->arg = config->arg;
	list_init(&q->waiters);
	for (unsigned i = 0; i < q->count; i++)
		q->slots[i].next = i + 1 < q->count ? (uint16_t)(i + 1) : VIRTQ_NONE;
	write_rings(q, config->base);
	*out = q;
	return 0;
}

void virtq_addresses(const struct virtq *q, struct virtq_addresses *out)
{
	*out = q->addresses;
}

unsigned virtq_count(const struct virtq *q)
{
	return q->count;
}

/* ---- errors ---- */

int virtq_status_locked(const struct virtq *q)
{
	mutex_assert_held(&q->lock);
	if (q->closed)
		return -ESHUTDOWN;
	return q->error == VIRTQ_SOUND ? 0 : -EIO;
}

void virtq_break_locked(struct virtq *q, enum virtq_error error)
{
	mutex_assert_held(&q->lock);
	if (q->error != VIRTQ_SOUND)
		return;
	q->error = error;
	virtq_wake_offers_locked(q, true);
	virtq_called(q);
}

void virtq_break(struct virtq *q)
{
	mutex_lock(&q->lock);
	virtq_break_locked(q, VIRTQ_GIVEN_UP);
	mutex_unlock(&q->lock);
}

enum virtq_error virtq_error(struct virtq *q)
{
	enum virtq_error error;

	mutex_lock(&q->lock);
	error = q->error;
	mutex_unlock(&q->lock);
	return error;
}

const char *virtq_error_text(enum virtq_error error)
{
	return (unsigned)error < VIRTQ_ERRORS ? error_texts[error] : "?";
}

/* ---- the end of chains ---- */

/* Takes every chain that is offered out of the device's hands; they are
 * linked through slots[].cancelled. Returns the first. */
static uint16_t take_all_locked(struct virtq *q) REQUIRES(q->lock)
{
	uint16_t first = VIRTQ_NONE;

	for (unsigned i = q->count; i-- > 0 && q->nr_offered > 0;) {
		if (q->slots[i].state != VIRTQ_OFFERED)
			continue;
		q->slots[i].state = VIRTQ_TAKEN;
		q->slots[i].cancelled = first;
		first = (uint16_t)i;
		q->nr_offered--;
	}
	q->seen_idx = q->used_idx; /* what the device said of them is void */
	return first;
}

static void cancel_all(struct virtq *q, uint16_t id, virtq_done_fn *cancel, void *arg)
{
	while (id != VIRTQ_NONE) {
		uint16_t next = q->slots[id].cancelled;
		void *token = q->slots[id].token;

		/* Taken: nobody else's until it is given back, and then reused. */
		virtq_give_back(q, id);
		if (cancel)
			cancel(arg, token, 0);
		id = next;
	}
}

int virtq_reset(struct virtq *q, uint16_t base, virtq_done_fn *cancel, void *arg)
{
	uint16_t first;

	mutex_lock(&q->lock);
	if (q->closed) {
		mutex_unlock(&q->lock);
		return -ESHUTDOWN;
	}
	first = take_all_locked(q);
	q->error = VIRTQ_SOUND;
	write_rings(q, base);
	virtq_wake_offers_locked(q, false);
	mutex_unlock(&q->lock);
	cancel_all(q, first, cancel, arg);
	return 0;
}

void virtq_close(struct virtq *q, virtq_done_fn *cancel, void *arg)
{
	uint16_t first;

	mutex_lock(&q->lock);
	q->closed = true;
	first = take_all_locked(q);
	virtq_wake_offers_locked(q, true);
	virtq_called(q);
	mutex_unlock(&q->lock);
	cancel_all(q, first, cancel, arg);
}

void virtq_destroy(struct virtq *q)
{
	if (!q)
		return;
	ASSERT(list_empty(&q->waiters));
	ASSERT(atomic_load_explicit(&q->sleepers, memory_order_relaxed) == 0);
	free(q);
}

/* ---- the invariants of virtq.h ---- */

void virtq_check(struct virtq *q)
{
	unsigned nr_free = 0, nr_offered = 0, in_chains = 0, inner = 0;

	mutex_lock(&q->lock);
	for (unsigned id = q->free; id != VIRTQ_NONE; id = q->slots[id].next) {
		ASSERT(q->slots[id].state == VIRTQ_FREE);
		ASSERT(++nr_free <= q->count);
	}
	for (unsigned i = 0; i < q->count; i++) {
		const struct virtq_slot *s = &q->slots[i];

		inner += s->state == VIRTQ_INNER;
		nr_offered += s->state == VIRTQ_OFFERED;
		if (s->state != VIRTQ_OFFERED && s->state != VIRTQ_TAKEN)
			continue;
		in_chains += s->nr;
		for (unsigned n = s->nr; n > 1; n--) {
			s = &q->slots[s->next];
			ASSERT(s->state == VIRTQ_INNER);
			inner--;
		}
	}
	ASSERT(nr_free == q->nr_free && nr_offered == q->nr_offered && inner == 0);
	ASSERT(nr_free + in_chains == q->count);
	ASSERT((uint16_t)(q->seen_idx - q->used_idx) <= q->nr_offered);
	mutex_unlock(&q->lock);
}
