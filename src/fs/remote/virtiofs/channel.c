/*
 * Requests, and the queues that they go through. A request has a slot: memory that the device has
 * too, for what it says and what is answered. Whoever asks waits; the device's thread
 * wakes it.
 *
 *	FREE --take--> USED, the caller's --offer--> SENT, the device's --reply--> USED --> FREE
 *	                                              |
 *	                                              +-- the session ends: LOST
 *
 * What the device still has when the session ends it may write for ever, if it lives: slots
 * and pages that are LOST are never used again. Callers hear EIO.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "base/log.h"
#include "base/park.h"
#include "fs/remote/virtiofs/internal.h"
#include "host/host.h"

#define MEMORY_AT ((uint64_t)1 << 30) /* where the device sees the memory file */
#define QUEUE_SIZE 512u
#define MESSAGE_TIMEOUT (10 * 1000000000ull)
#define REQUEST_TIMEOUT (120 * 1000000000ull)
#define TICK (5 * 1000000000ull)

enum slot_state { SLOT_FREE, SLOT_USED, SLOT_SENT, SLOT_LOST };

/* [c] lock; the rest is the one's that has it */
struct slot {
	enum slot_state state; /* [c] */
	char *in, *out;        /* [I] the halves of its memory */
	uint64_t unique;
	const struct iovec *data; /* of the call, which waits */
	unsigned nr_data;
	bool data_is_read, has_reply;
	uint64_t sent_ns;
	uint32_t written;    /* as the device says */
	atomic_uint is_done; /* futex word: 1 */
};

struct queue {
	struct virtq *vq;
	struct fuse_channel *channel;
	unsigned index;
};

struct fuse_channel {
	struct mutex lock;
	struct memfile *mf; /* [I] */
	const char *name;   /* [I] */
	struct vhost *vhost;
	struct queue queues[QUEUES];
	struct slot slots[SLOTS];
	unsigned nr_free;      /* [c] */
	atomic_uint frees;     /* [a] counts up when a slot becomes free, or the session ends */
	atomic_bool is_over;   /* [a] */
	atomic_bool is_ending; /* [a] we end it */
	uint64_t unique;       /* [c] */
	struct host_thread thread;
};

static uint64_t now_ns(void)
{
	return host_clock_ns(CLOCK_MONOTONIC);
}

static uint64_t address(const struct fuse_channel *c, const void *at)
{
	return MEMORY_AT + memfile_offset(c->mf, at);
}

struct memfile *channel_memfile(const struct fuse_channel *c)
{
	return c->mf;
}

/* ---- slots ---- */

static struct slot *slot_try(struct fuse_channel *c)
{
	struct slot *s = NULL;

	mutex_lock(&c->lock);
	for (unsigned i = 0; c->nr_free && !s && i < SLOTS; i++) {
		if (c->slots[i].state == SLOT_FREE)
			s = &c->slots[i];
	}
	if (s) {
		s->state = SLOT_USED;
		s->unique = c->unique += 2; /* the last bit is for interrupts */
		c->nr_free--;
	}
	mutex_unlock(&c->lock);
	return s;
}

/* NULL: the session is over. => sleeps */
static struct slot *slot_take(struct fuse_channel *c)
{
	struct slot *s = NULL;

	while (!atomic_load(&c->is_over)) {
		unsigned frees = atomic_load(&c->frees);

		s = slot_try(c);
		if (s)
			break;
		if (!atomic_load(&c->is_over))
			(void)park_wait(&c->frees, frees, PARK_FOREVER);
	}
	return s;
}

static void slot_free(struct fuse_channel *c, struct slot *s)
{
	mutex_lock(&c->lock);
	if (s->state != SLOT_LOST) {
		s->state = SLOT_FREE;
		c->nr_free++;
	}
	mutex_unlock(&c->lock);
	atomic_fetch_add(&c->frees, 1);
	park_wake(&c->frees, 1);
}

/* ---- the end ---- */

/* The device may write there for as long as it lives: a reference for ever. */
static void keep_pages(struct fuse_channel *c, const struct slot *s)
{
	for (unsigned i = 0; !s->data_is_read && i < s->nr_data; i++) {
		uint64_t start = memfile_offset(c->mf, s->data[i].iov_base);
		uint64_t end = page_up(start + s->data[i].iov_len);

		memfile_incref(c->mf, page_down(start), end - page_down(start));
	}
}

/* By the device's thread. */
static void end_session(struct fuse_channel *c, bool keeps_pages)
{
	atomic_store(&c->is_over, true);
	for (unsigned i = 0; i < QUEUES; i++)
		virtq_break(c->queues[i].vq);
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *s = &c->slots[i];
		bool was_sent;

		mutex_lock(&c->lock);
		was_sent = s->state == SLOT_SENT;
		if (was_sent)
			s->state = SLOT_LOST;
		mutex_unlock(&c->lock);
		if (!was_sent)
			continue;
		if (keeps_pages)
			keep_pages(c, s);
		atomic_store(&s->is_done, 1);
		park_wake(&s->is_done, 1);
	}
	atomic_fetch_add(&c->frees, 1);
	park_wake(&c->frees, UINT32_MAX);
}

int channel_is_wrong(struct fuse_channel *c, const char *why)
{
	if (!atomic_exchange(&c->is_over, true))
		log_error("virtiofs %s: %s", c->name, why);
	vhost_wake(c->vhost);
	return -EIO;
}

/* ---- there ---- */

static size_t put_arg(struct slot *s, size_t at, const void *arg, size_t size)
{
	ASSERT(size <= SLOT_HALF - at);
	memcpy(s->in + at, arg, size);
	return at + size;
}

/* The request into the slot: its length there. */
static size_t fill(struct slot *s, const struct fuse_call *call, size_t data_size)
{
	struct fuse_in_header h = { .opcode = call->opcode,
				    .unique = s->unique,
				    .nodeid = call->node };
	size_t at = sizeof(h);

	for (unsigned i = 0; i < ARRAY_SIZE(call->in); i++) {
		if (call->in[i].size)
			at = put_arg(s, at, call->in[i].at, call->in[i].size);
	}
	h.len = (uint32_t)(at + (call->data_is_read ? data_size : 0));
	memcpy(s->in, &h, sizeof(h));
	memset(s->out, 0, sizeof(struct fuse_out_header));
	return at;
}

static unsigned put_data(const struct fuse_channel *c, const struct fuse_call *call,
			 struct virtq_buffer *out)
{
	for (unsigned i = 0; i < call->nr_data; i++)
		out[i] = (struct virtq_buffer){ address(c, call->data[i].iov_base),
						(uint32_t)call->data[i].iov_len };
	return call->nr_data;
}

static int send(struct fuse_channel *c, unsigned queue, struct slot *s,
		const struct fuse_call *call, bool has_reply)
{
	struct virtq_buffer buffers[2 + DATA_BLOCKS];
	struct virtq_chain chain = { .buffers = buffers, .token = s };
	size_t data_size = 0;
	unsigned n = 0;
	int r;

	ASSERT(call->nr_data <= DATA_BLOCKS && call->out_size <= SLOT_HALF - 16);
	for (unsigned i = 0; i < call->nr_data; i++)
		data_size += call->data[i].iov_len;
	buffers[n++] =
		(struct virtq_buffer){ address(c, s->in), (uint32_t)fill(s, call, data_size) };
	if (call->data_is_read)
		n += put_data(c, call, buffers + n);
	chain.nr_readable = n;
	if (has_reply)
		buffers[n++] = (struct virtq_buffer){ address(c, s->out),
						      (uint32_t)(sizeof(struct fuse_out_header) +
								 call->out_size) };
	if (!call->data_is_read)
		n += put_data(c, call, buffers + n);
	chain.nr_writable = n - chain.nr_readable;
	s->data = call->data;
	s->nr_data = call->nr_data;
	s->data_is_read = call->data_is_read;
	s->has_reply = has_reply;
	s->sent_ns = now_ns();
	atomic_store(&s->is_done, 0);
	mutex_lock(&c->lock);
	s->state = SLOT_SENT;
	mutex_unlock(&c->lock);
	r = virtq_offer_wait(c->queues[queue].vq, &chain, 1, PARK_FOREVER);
	return r == 1 ? 0 : -EIO;
}

/* ---- and back ---- */

/* Copied once, and then judged. */
static int judge(struct fuse_channel *c, struct slot *s, struct fuse_call *call)
{
	struct fuse_out_header h;
	size_t head;

	if (s->written < sizeof(h))
		return channel_is_wrong(c, "answers with less than a header");
	memcpy(&h, s->out, sizeof(h));
	if (h.unique != s->unique || h.len != s->written)
		return channel_is_wrong(c, "answers another request, or with another length");
	if (h.error > 0 || h.error < -4095 || (h.error && h.len != sizeof(h)))
		return channel_is_wrong(c, "answers with what is no error");
	if (h.error)
		return h.error;
	call->got = h.len - sizeof(h);
	if (call->got < call->out_min)
		return channel_is_wrong(c, "answers with less than the answer");
	head = MIN(call->got, call->out_size);
	if (call->out_size) {
		memcpy(call->out, s->out + sizeof(h), head);
		memset((char *)call->out + head, 0, call->out_size - head);
	}
	return 0;
}

int channel_call(struct fuse_channel *c, struct fuse_call *call)
{
	struct slot *s = slot_take(c);
	int r;

	if (!s)
		return -EIO;
	r = send(c, QUEUE_REQUESTS, s, call, true);
	while (r == 0 && !atomic_load_explicit(&s->is_done, memory_order_acquire))
		(void)park_wait(&s->is_done, 0, PARK_FOREVER);
	/* Some devices say nothing to the last one. */
	if (r == 0 && call->opcode != FUSE_DESTROY)
		r = atomic_load(&c->is_over) ? -EIO : judge(c, s, call);
	slot_free(c, s);
	return r;
}

void channel_tell(struct fuse_channel *c, uint32_t opcode, uint64_t node, const void *in,
		  size_t size)
{
	struct fuse_call call = { .opcode = opcode, .node = node, .in = { { in, size } } };
	struct slot *s = slot_take(c);

	if (s)
		(void)!send(c, QUEUE_HIPRIO, s, &call, false);
}

/* By virtq_dispatch(): the device is done with it. */
static void replied(void *arg, void *token, uint32_t written)
{
	struct fuse_channel *c = arg;
	struct slot *s = token;

	mutex_lock(&c->lock);
	s->state = SLOT_USED;
	mutex_unlock(&c->lock);
	if (!s->has_reply) {
		slot_free(c, s);
		return;
	}
	s->written = written;
	atomic_store_explicit(&s->is_done, 1, memory_order_release);
	park_wake(&s->is_done, 1);
}

/* ---- the device's thread ---- */

static bool is_late(struct fuse_channel *c)
{
	uint64_t now = now_ns();
	bool late = false;

	mutex_lock(&c->lock);
	for (unsigned i = 0; i < SLOTS; i++) {
		const struct slot *s = &c->slots[i];

		late |= s->state == SLOT_SENT && now > s->sent_ns + REQUEST_TIMEOUT;
	}
	mutex_unlock(&c->lock);
	return late;
}

/* 0: goes on. */
static int serve_once(struct fuse_channel *c, uint64_t *tick)
{
	struct vhost_events events;
	int r = vhost_wait(c->vhost, &events, *tick);

	for (unsigned i = 0; i < QUEUES; i++) {
		if (virtq_dispatch(c->queues[i].vq, replied, c, QUEUE_SIZE) >= 0)
			continue;
		(void)channel_is_wrong(c, virtq_error_text(virtq_error(c->queues[i].vq)));
		return -EPROTO;
	}
	if (now_ns() >= *tick) {
		*tick = now_ns() + TICK;
		if (is_late(c)) {
			(void)channel_is_wrong(c, "has not answered a request for too long");
			return -ETIMEDOUT;
		}
	}
	if (atomic_load(&c->is_over))
		return -EPROTO;
	return r == -EAGAIN ? 0 : r;
}

static void channel_main(void *arg)
{
	struct fuse_channel *c = arg;
	uint64_t tick = now_ns() + TICK;
	int r = 0;

	while (r == 0 && !atomic_load(&c->is_ending))
		r = serve_once(c, &tick);
	if (r < 0 && vhost_error(c->vhost)[0])
		log_error("virtiofs %s: its files fail from now on", vhost_error(c->vhost));
	end_session(c, r != -ECONNRESET);
	vhost_disconnect(c->vhost);
}

/* ---- life ---- */

static void kick(void *arg)
{
	const struct queue *q = arg;

	vhost_kick(q->channel->vhost, q->index);
}

static int queue_init(struct fuse_channel *c, unsigned index)
{
	struct queue *q = &c->queues[index];
	struct virtq_config config = { .count = QUEUE_SIZE,
				       .features = vhost_features(c->vhost) & VIRTQ_F_EVENT_IDX,
				       .kick = kick,
				       .arg = q };
	struct virtq_layout layout;
	uint64_t at;
	int r = virtq_layout(QUEUE_SIZE, &layout);

	if (r == 0)
		r = memfile_alloc(c->mf, page_up(layout.size), MEMFILE_RINGS, 0, &at);
	if (r < 0)
		return r;
	q->channel = c;
	q->index = index;
	config.memory = memfile_addr(c->mf, at);
	config.memory_size = page_up(layout.size);
	config.device_address = address(c, config.memory);
	return virtq_create(&config, &q->vq);
}

static int slots_init(struct fuse_channel *c)
{
	uint64_t at;
	int r = memfile_alloc(c->mf, SLOTS * 2 * SLOT_HALF, MEMFILE_RINGS, 0, &at);

	for (unsigned i = 0; r == 0 && i < SLOTS; i++) {
		c->slots[i].in = memfile_addr(c->mf, at + i * 2 * SLOT_HALF);
		c->slots[i].out = c->slots[i].in + SLOT_HALF;
	}
	c->nr_free = SLOTS;
	return r;
}

static int start(struct fuse_channel *c)
{
	int r = vhost_accept(c->vhost,
			     vhost_features(c->vhost) & (VHOST_F_VERSION_1 | VIRTQ_F_EVENT_IDX));

	for (unsigned i = 0; r == 0 && i < QUEUES; i++) {
		struct virtq_addresses at;

		virtq_addresses(c->queues[i].vq, &at);
		r = vhost_start_queue(c->vhost, i,
				      &(struct vhost_rings){ QUEUE_SIZE, 0, at.desc, at.avail,
							     at.used });
	}
	return r;
}

static int open_channel(struct fuse_channel *c, int fd)
{
	struct vhost_config vc = {
		.name = c->name, .nr_regions = 1, .nr_queues = QUEUES, .timeout_ns = MESSAGE_TIMEOUT
	};
	int r;

	vc.regions[0] = (struct vhost_region){ .address = MEMORY_AT,
					       .size = memfile_size(c->mf),
					       .fd = memfile_fd(c->mf) };
	r = vhost_create(&vc, &c->vhost);
	if (r < 0) {
		host_close(fd);
		return r;
	}
	r = vhost_connect(c->vhost, fd);
	if (r == 0 && vhost_nr_queues(c->vhost) < QUEUES)
		r = -EOPNOTSUPP;
	for (unsigned i = 0; r == 0 && i < QUEUES; i++)
		r = queue_init(c, i);
	if (r == 0)
		r = slots_init(c);
	return r < 0 ? r : start(c);
}

static void channel_free(struct fuse_channel *c)
{
	vhost_destroy(c->vhost);
	for (unsigned i = 0; i < QUEUES; i++) {
		if (c->queues[i].vq)
			virtq_close(c->queues[i].vq, NULL, NULL);
		virtq_destroy(c->queues[i].vq);
	}
	free(c);
}

int channel_create(int fd, const char *name, struct memfile *mf, struct fuse_channel **out)
{
	struct fuse_channel *c = calloc(1, sizeof(*c));
	int r;

	*out = NULL;
	if (!c) {
		host_close(fd);
		return -ENOMEM;
	}
	mutex_init(&c->lock, LOCK_FUSE_CHANNEL);
	c->mf = mf;
	c->name = name;
	r = open_channel(c, fd);
	if (r == 0)
		r = host_thread_create(&c->thread, "virtiofs", 0, channel_main, c);
	if (r < 0) {
		if (c->vhost && vhost_error(c->vhost)[0])
			log_error("virtiofs %s", vhost_error(c->vhost));
		channel_free(c);
		return r;
	}
	*out = c;
	return 0;
}

/* The memory stays the device's. */
void channel_destroy(struct fuse_channel *c)
{
	atomic_store(&c->is_ending, true);
	vhost_wake(c->vhost);
	host_thread_join(&c->thread);
	channel_free(c);
}
