/*
 * Requests, and the virtqueue that they go through.
 *
 *	submit --> waiting --pump--> issued --reap--> done
 *	              ^                 |
 *	              +---- the device is gone
 *
 * A request has a slot while it is issued: its header and its status, in memory that the device
 * has. Requests wait when there are no slots or descriptors; each that comes back makes room.
 *
 * The thread that waits for a request may go on as soon as its batch counts down to 0: the
 * request is not touched after that.
 */
#include <string.h>
#include <time.h>

#include "base/park.h"
#include "fs/blk/internal.h"
#include "host/host.h"

#define OFFERED_AT_ONCE 16u
#define REAPED_AT_ONCE 32u

static uint64_t now_ns(void)
{
	return host_clock_ns(CLOCK_MONOTONIC);
}

static void unlock_and_kick(struct blk_queue *q) RELEASES(q->lock);
static void unlock_and_kick(struct blk_queue *q)
{
	bool kick = q->wants_kick;

	q->wants_kick = false;
	q->kicks += kick;
	mutex_unlock(&q->lock);
	if (kick)
		vhost_kick(q->dev->vhost, q->index);
}

/* By virtq_offer(), which the lock surrounds. */
static void note_kick(void *arg)
{
	struct blk_queue *q = arg;

	q->wants_kick = true;
}

/* ---- done ---- */

static const struct {
	enum disk_op op;
	uint32_t type;
} counted[] = {
	{ DISK_READ, VIRTIO_BLK_T_IN },
	{ DISK_WRITE, VIRTIO_BLK_T_OUT },
	{ DISK_DISCARD, VIRTIO_BLK_T_DISCARD },
	{ DISK_FLUSH, VIRTIO_BLK_T_FLUSH },
};

static void count(struct disk_stats *s, const struct blk_request *r)
{
	for (unsigned i = 0; i < ARRAY_SIZE(counted); i++) {
		if (counted[i].type != r->type)
			continue;
		atomic_fetch_add_explicit(&s->requests[counted[i].op], 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&s->sectors[counted[i].op], r->bytes / SECTOR,
					  memory_order_relaxed);
		atomic_fetch_add_explicit(&s->ns[counted[i].op], now_ns() - r->issued_ns,
					  memory_order_relaxed);
	}
}

static void finish(struct blk_queue *q, struct blk_request *r, int result)
{
	struct blk_batch *batch = r->batch;

	count(&q->dev->disk.stats, r);
	atomic_fetch_sub_explicit(&q->dev->disk.stats.in_flight, 1, memory_order_relaxed);
	r->result = result;
	/* The last of them: then the frame that holds all this may be gone. A wake of what is no
	 * futex any more wakes at most somebody who looks again. */
	if (atomic_fetch_sub_explicit(&batch->left, 1, memory_order_acq_rel) == 1)
		park_wake(&batch->left, 1);
}

static void finish_all(struct blk_queue *q, struct list *l, int result)
{
	list_for_each_safe(r, next, l, struct blk_request, link) {
		list_del(&r->link);
		finish(q, r, result);
	}
}

/* The byte is the device's until it is done, and may be anything. */
static int result_of(const struct blk_slot *slot)
{
	switch (READ_ONCE(slot->status)) {
	case VIRTIO_BLK_S_OK:
		return 0;
	case VIRTIO_BLK_S_UNSUPP:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

/* ---- to the device ---- */

static uint64_t slot_address(const struct blk_queue *q, unsigned slot, size_t offset)
{
	return q->slots_at + slot * sizeof(struct blk_slot) + offset;
}

static bool has_range(const struct blk_request *r)
{
	return r->type == VIRTIO_BLK_T_DISCARD || r->type == VIRTIO_BLK_T_WRITE_ZEROES;
}

static bool device_writes(const struct blk_request *r)
{
	return r->type == VIRTIO_BLK_T_IN || r->type == VIRTIO_BLK_T_GET_ID;
}

/* The header, then the data, then the status: readable ones first, as it happens. */
static unsigned lay_out(struct blk_queue *q, struct blk_request *r, struct virtq_buffer *out)
{
	struct blk_slot *slot = &q->slots[r->slot];
	unsigned n = 0;

	slot->header = (struct virtio_blk_outhdr){ .type = r->type, .sector = r->sector };
	slot->range = r->range;
	slot->status = 0xff;
	out[n++] = (struct virtq_buffer){ slot_address(q, r->slot, 0), sizeof(slot->header) };
	if (has_range(r))
		out[n++] = (struct virtq_buffer){ slot_address(q, r->slot,
							       offsetof(struct blk_slot, range)),
						  sizeof(slot->range) };
	memcpy(&out[n], r->data, r->nr_data * sizeof(r->data[0]));
	n += r->nr_data;
	out[n++] =
		(struct virtq_buffer){ slot_address(q, r->slot, offsetof(struct blk_slot, status)),
				       1 };
	return n;
}

/* Offers the first of those that wait, as many as there is room for at once. Returns how
 * many went. */
static unsigned pump_some_locked(struct blk_queue *q) REQUIRES(q->lock);
static unsigned pump_some_locked(struct blk_queue *q)
{
	struct virtq_buffer buffers[QUEUE_SIZE];
	struct virtq_chain chains[OFFERED_AT_ONCE];
	unsigned n = 0, used = 0, went;
	int r;

	list_for_each(rq, &q->waiting, struct blk_request, link) {
		unsigned laid, writable;

		if (n == OFFERED_AT_ONCE || n == q->nr_free || used + rq->nr_data + 3 > QUEUE_SIZE)
			break;
		rq->slot = q->free_slots[q->nr_free - 1 - n];
		laid = lay_out(q, rq, buffers + used);
		writable = 1 + (device_writes(rq) ? rq->nr_data : 0);
		chains[n++] = (struct virtq_chain){ buffers + used, laid - writable, writable, rq };
		used += laid;
	}
	r = n ? virtq_offer(q->vq, chains, n) : 0;
	went = r > 0 ? (unsigned)r : 0; /* else no room; or broken, which the thread finds */
	for (unsigned i = 0; i < went; i++) {
		struct blk_request *rq = list_first(&q->waiting, struct blk_request, link);

		list_del(&rq->link);
		list_push_back(&q->issued, &rq->link);
		rq->issued_ns = now_ns();
	}
	q->nr_free -= went;
	return went;
}

static void pump_locked(struct blk_queue *q) REQUIRES(q->lock);
static void pump_locked(struct blk_queue *q)
{
	while (q->state == QUEUE_UP && !list_empty(&q->waiting) && pump_some_locked(q) > 0)
		;
}

void queue_submit(struct blk_queue *q, struct blk_request *reqs, unsigned count)
{
	struct list failed = LIST_INIT(failed);
	struct list *to;

	atomic_fetch_add_explicit(&q->dev->disk.stats.in_flight, count, memory_order_relaxed);
	mutex_lock(&q->lock);
	to = q->state == QUEUE_GONE ? &failed : &q->waiting;
	for (unsigned i = 0; i < count; i++) {
		reqs[i].issued_ns = now_ns();
		list_push_back(to, &reqs[i].link);
	}
	pump_locked(q);
	unlock_and_kick(q);
	finish_all(q, &failed, -EIO);
}

/* ---- and back ---- */

static void free_slot_locked(struct blk_queue *q, const struct blk_request *r) REQUIRES(q->lock);
static void free_slot_locked(struct blk_queue *q, const struct blk_request *r)
{
	q->free_slots[q->nr_free++] = (uint8_t)r->slot;
}

int queue_reap(struct blk_queue *q)
{
	struct virtq_used used[REAPED_AT_ONCE];
	struct list done = LIST_INIT(done);
	int n;

	do {
		mutex_lock(&q->lock);
		n = virtq_poll(q->vq, used, REAPED_AT_ONCE);
		for (int i = 0; i < n; i++) {
			struct blk_request *r = used[i].token;

			virtq_give_back(q->vq, used[i].id);
			r->result = result_of(&q->slots[r->slot]);
			free_slot_locked(q, r);
			list_del(&r->link);
			list_push_back(&done, &r->link);
		}
		pump_locked(q);
		unlock_and_kick(q);
		list_for_each_safe(r, next, &done, struct blk_request, link) {
			list_del(&r->link);
			finish(q, r, r->result);
		}
	} while (n == (int)REAPED_AT_ONCE);
	return n < 0 ? n : 0;
}

/* ---- sessions ---- */

void queue_away(struct blk_queue *q)
{
	struct list failed = LIST_INIT(failed), again = LIST_INIT(again);

	mutex_lock(&q->lock);
	if (q->state == QUEUE_UP)
		q->state = QUEUE_AWAY;
	list_for_each_safe(r, next, &q->issued, struct blk_request, link) {
		free_slot_locked(q, r);
		list_del(&r->link);
		list_push_back(++r->deaths < DEATHS_MAX ? &again : &failed, &r->link);
	}
	list_splice_back(&again, &q->waiting);
	list_splice_back(&q->waiting, &again);
	mutex_unlock(&q->lock);
	finish_all(q, &failed, -EIO);
}

int queue_reset(struct blk_queue *q)
{
	return virtq_reset(q->vq, 0, NULL, NULL);
}

void queue_up(struct blk_queue *q)
{
	mutex_lock(&q->lock);
	q->state = QUEUE_UP;
	pump_locked(q);
	unlock_and_kick(q);
}

/* A page more of each that the device may still write to: for ever. */
static void keep_pages(const struct blk_queue *q, const struct blk_request *r)
{
	struct memfile *mf = q->dev->config.memfile;
	uint64_t base = blk_address(q->dev, memfile_addr(mf, 0));

	for (unsigned i = 0; device_writes(r) && i < r->nr_data; i++) {
		uint64_t start = page_down(r->data[i].address - base);
		uint64_t end = page_up(r->data[i].address - base + r->data[i].size);

		memfile_incref(mf, start, end - start);
	}
}

void queue_gone(struct blk_queue *q, bool keeps_pages)
{
	struct list issued = LIST_INIT(issued), waiting = LIST_INIT(waiting);

	mutex_lock(&q->lock);
	q->state = QUEUE_GONE;
	list_for_each(r, &q->issued, struct blk_request, link)
		free_slot_locked(q, r);
	list_splice_back(&issued, &q->issued);
	list_splice_back(&waiting, &q->waiting);
	mutex_unlock(&q->lock);
	list_for_each(r, &issued, struct blk_request, link) {
		if (keeps_pages)
			keep_pages(q, r);
	}
	finish_all(q, &issued, -EIO);
	finish_all(q, &waiting, -EIO);
}

uint64_t queue_oldest(struct blk_queue *q)
{
	uint64_t oldest = UINT64_MAX;

	mutex_lock(&q->lock);
	if (!list_empty(&q->issued))
		oldest = list_first(&q->issued, struct blk_request, link)->issued_ns;
	mutex_unlock(&q->lock);
	return oldest;
}

/* ---- life ---- */

int queue_init(struct blk_queue *q, struct blk_device *dev, unsigned index)
{
	struct memfile *mf = dev->config.memfile;
	struct virtq_config config = { .count = QUEUE_SIZE,
				       .features = dev->limits.features & VIRTQ_F_EVENT_IDX,
				       .kick = note_kick,
				       .arg = q };
	struct virtq_layout layout;
	uint64_t at, ring_size;
	int r = virtq_layout(QUEUE_SIZE, &layout);

	ring_size = page_up(layout.size);
	if (r == 0)
		r = memfile_alloc(mf, ring_size + page_up(SLOTS * sizeof(struct blk_slot)),
				  MEMFILE_RINGS, 0, &at);
	if (r < 0)
		return r;
	mutex_init(&q->lock, LOCK_BLK_QUEUE);
	q->dev = dev;
	q->index = index;
	list_init(&q->waiting);
	list_init(&q->issued);
	config.memory = memfile_addr(mf, at);
	config.memory_size = ring_size;
	config.device_address = blk_address(dev, config.memory);
	q->slots = memfile_addr(mf, at + ring_size);
	q->slots_at = blk_address(dev, q->slots);
	for (unsigned i = 0; i < SLOTS; i++)
		q->free_slots[q->nr_free++] = (uint8_t)i;
	r = virtq_create(&config, &q->vq);
	if (r < 0)
		memfile_decref(mf, at, ring_size + page_up(SLOTS * sizeof(struct blk_slot)));
	return r;
}

/* Its memory stays the device's. */
void queue_fini(struct blk_queue *q)
{
	if (q->vq)
		virtq_close(q->vq, NULL, NULL);
	virtq_destroy(q->vq);
	q->vq = NULL;
}
