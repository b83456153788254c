/* The split virtqueue with a model device: honest, in this thread or one of its own, and hostile. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/fault.h"
#include "base/park.h"
#include "base/testlib_random.h"
#include "virtq/internal.h"

#define DEVICE_BASE 0x100000000ull /* where the device sees the block */
#define MAX_COUNT 64u              /* of most tests */

/* ---- the model device: to the specification, from the device's side ---- */

struct device {
	struct virtq *q;
	unsigned count;
	bool event_idx;
	char *memory;
	size_t size;
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used_ring *used;
	_Atomic uint16_t *used_event, *avail_event;
	uint16_t next_avail, next_used;
	atomic_uint kicks;
	unsigned calls;
};

static void device_kick(void *arg)
{
	struct device *d = arg;

	atomic_fetch_add(&d->kicks, 1);
	park_wake(&d->kicks, 1);
}

static struct virtq_config device_config(struct device *d, unsigned count, bool event_idx,
					 uint16_t base)
{
	struct virtq_layout layout;

	memset(d, 0, sizeof(*d));
	assert_int_equal(virtq_layout(count, &layout), 0);
	d->count = count;
	d->event_idx = event_idx;
	d->size = layout.size;
	/* Exactly the size: a sanitizer sees each byte beyond. */
	assert_int_equal(posix_memalign((void **)&d->memory, VIRTQ_ALIGN, layout.size), 0);
	memset(d->memory, 0xa5, layout.size);
	d->desc = (void *)(d->memory + layout.desc);
	d->avail = (void *)(d->memory + layout.avail);
	d->used = (void *)(d->memory + layout.used);
	d->used_event = &d->avail->ring[count];
	d->avail_event = (void *)&d->used->ring[count];
	d->next_avail = d->next_used = base;
	return (struct virtq_config){
		.count = count,
		.features = event_idx ? VIRTQ_F_EVENT_IDX : 0,
		.memory = d->memory,
		.memory_size = layout.size,
		.device_address = DEVICE_BASE,
		.base = base,
		.kick = device_kick,
		.arg = d,
	};
}

static void device_init(struct device *d, unsigned count, bool event_idx, uint16_t base)
{
	struct virtq_config config = device_config(d, count, event_idx, base);

	assert_int_equal(virtq_create(&config, &d->q), 0);
}

static void device_fini(struct device *d)
{
	virtq_close(d->q, NULL, NULL);
	virtq_check(d->q);
	virtq_destroy(d->q);
	free(d->memory);
}

/* The next chain's first descriptor, or -1. */
static int device_pop(struct device *d)
{
	if (atomic_load_explicit(&d->avail->idx, memory_order_acquire) == d->next_avail)
		return -1;
	return atomic_load_explicit(&d->avail->ring[d->next_avail++ & (d->count - 1)],
				    memory_order_relaxed);
}

/* Goes to sleep as the specification says; false: there is something after all. */
static bool device_sleep(struct device *d)
{
	if (d->event_idx)
		atomic_store_explicit(d->avail_event, d->next_avail, memory_order_relaxed);
	else
		atomic_store_explicit(&d->used->flags, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&d->avail->idx, memory_order_relaxed) == d->next_avail;
}

static void device_no_kicks(struct device *d)
{
	if (!d->event_idx)
		atomic_store_explicit(&d->used->flags, VIRTQ_USED_NO_NOTIFY, memory_order_relaxed);
}

/* Returns a chain, and calls if the driver wants it; true: it called. */
static bool device_use(struct device *d, uint32_t id, uint32_t len)
{
	struct virtq_used_elem *e = &d->used->ring[d->next_used & (d->count - 1)];
	bool call;

	atomic_store_explicit(&e->id, id, memory_order_relaxed);
	atomic_store_explicit(&e->len, len, memory_order_relaxed);
	atomic_store_explicit(&d->used->idx, ++d->next_used, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (d->event_idx)
		call = atomic_load_explicit(d->used_event, memory_order_relaxed) ==
		       (uint16_t)(d->next_used - 1);
	else
		call = !(atomic_load_explicit(&d->avail->flags, memory_order_relaxed) &
			 VIRTQ_AVAIL_NO_INTERRUPT);
	if (call) {
		d->calls++;
		virtq_called(d->q);
	}
	return call;
}

/* ---- chains ---- */

static int tokens[VIRTQ_COUNT_MAX];

static const struct virtq_buffer some_buffers[] = {
	{ 0x1000, 16 }, { 0x2000, 4096 }, { 0x9000, 1 }, { 0xa000, 7 }
};

static struct virtq_chain chain_of(unsigned readable, unsigned writable, void *token)
{
	return (struct virtq_chain){ some_buffers, readable, writable, token };
}

static int offer(struct device *d, unsigned readable, unsigned writable, void *token)
{
	struct virtq_chain chain = chain_of(readable, writable, token);

	return virtq_offer(d->q, &chain, 1);
}

/* ---- creation ---- */

static void test_sizes_and_alignments_are_those_of_the_specification(void **state UNUSED)
{
	struct virtq_layout l;

	for (unsigned n = 0; n <= 2 * VIRTQ_COUNT_MAX; n++) {
		bool good = n && n <= VIRTQ_COUNT_MAX && !(n & (n - 1));

		assert_int_equal(virtq_layout(n, &l), good ? 0 : -EINVAL);
		if (!good)
			continue;
		assert_true(l.desc % 16 == 0 && l.avail % 2 == 0 && l.used % 4 == 0);
		assert_true(l.avail >= l.desc + 16ull * n && l.used >= l.avail + 6 + 2ull * n);
		assert_true(l.size == l.used + 6 + 8ull * n);
	}
}

static void test_create_refuses_what_cannot_be(void **state UNUSED)
{
	struct device d;
	struct virtq_config good = device_config(&d, 8, true, 0), c;
	struct virtq_addresses at;
	struct virtq *q;

#define REFUSED(field, value)                                    \
	do {                                                     \
		c = good;                                        \
		c.field = value;                                 \
		assert_int_equal(virtq_create(&c, &q), -EINVAL); \
		assert_null(q);                                  \
	} while (0)
	REFUSED(count, 0);
	REFUSED(count, 12);
	REFUSED(count, 65536);
	REFUSED(features, 1ull << 34);
	REFUSED(memory, NULL);
	REFUSED(memory, d.memory + 8);
	REFUSED(memory_size, d.size - 1);
	REFUSED(device_address, DEVICE_BASE + 8);
	REFUSED(device_address, UINT64_MAX - 15);
	REFUSED(kick, NULL);
#ifdef NACRE_DEBUG
	fault_arm("virtq.create", 1);
	assert_int_equal(virtq_create(&good, &q), -ENOMEM);
	fault_arm(NULL, 0);
#endif
	assert_int_equal(virtq_create(&good, &d.q), 0);
	virtq_addresses(d.q, &at);
	assert_true(at.desc == DEVICE_BASE && at.avail == DEVICE_BASE + 128);
	assert_int_equal(virtq_count(d.q), 8);
	device_fini(&d);
}

/* ---- offering ---- */

static void test_the_device_finds_the_chain_as_offered(void **state UNUSED)
{
	struct device d;
	int head;

	device_init(&d, 8, false, 65535);
	assert_int_equal(offer(&d, 2, 2, NULL), 1);
	head = device_pop(&d);
	assert_true(head >= 0);
	for (unsigned i = 0; i < 4; i++) {
		struct virtq_desc *desc = &d.desc[head];

		assert_true(desc->address == some_buffers[i].address);
		assert_true(desc->size == some_buffers[i].size);
		assert_int_equal(desc->flags,
				 (i < 3 ? VIRTQ_DESC_NEXT : 0) | (i >= 2 ? VIRTQ_DESC_WRITE : 0));
		head = desc->next;
	}
	assert_int_equal(device_pop(&d), -1);
	device_fini(&d);
}

static void test_bad_chains_are_refused(void **state UNUSED)
{
	struct device d;
	struct virtq_buffer bad[] = { { 0x1000, 1 }, { 0x1000, 0 } };
	struct virtq_buffer past[] = { { UINT64_MAX, 2 } };
	struct virtq_buffer huge[] = { { 0, UINT32_MAX }, { 0, 2 } };
	struct virtq_chain chains[] = { chain_of(1, 0, NULL), { bad, 1, 1, NULL } };
	struct virtq_chain c1 = { past, 0, 1, NULL }, c2 = { huge, 1, 1, NULL };

	device_init(&d, 2, false, 0);
	assert_int_equal(virtq_offer(d.q, chains, 2), -EINVAL);
	assert_int_equal(virtq_offer(d.q, chains, 0), -EINVAL);
	assert_int_equal(virtq_offer(d.q, &c1, 1), -EINVAL);
	assert_int_equal(virtq_offer(d.q, &c2, 1), -E2BIG);
	huge[1].size = 1; /* 2^32 in all */
	assert_int_equal(virtq_offer(d.q, &c2, 1), 1);
	assert_int_equal(offer(&d, 0, 0, NULL), -EINVAL);
	assert_int_equal(offer(&d, 2, 1, NULL), -E2BIG);
	assert_int_equal(offer(&d, UINT32_MAX, 1, NULL), -E2BIG);
	assert_int_equal(offer(&d, 1, 0, NULL), -EAGAIN);
	virtq_check(d.q);
	device_fini(&d);
}

static void test_a_batch_costs_one_kick_or_none(void **state UNUSED)
{
	struct virtq_chain chains[6];
	struct device d;

	for (unsigned i = 0; i < 6; i++)
		chains[i] = chain_of(1, 1, &tokens[i]);
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		device_init(&d, 8, event_idx, 65533);
		assert_int_equal(virtq_offer(d.q, chains, 3), 3);
		assert_int_equal(d.kicks, 1);
		device_no_kicks(&d); /* with the event index: the event is passed */
		assert_int_equal(virtq_offer(d.q, chains + 3, 3), 1);
		assert_int_equal(d.kicks, 1);
		assert_false(device_sleep(&d));
		while (device_pop(&d) >= 0)
			;
		assert_true(device_sleep(&d));
		virtq_kick(d.q);
		assert_int_equal(d.kicks, 2);
		device_fini(&d);
	}
}

static void test_chains_come_back_in_the_device_s_order(void **state UNUSED)
{
	struct virtq_buffer out[4];
	struct virtq_used used[4];
	struct device d;
	int heads[3];

	device_init(&d, 8, true, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(offer(&d, 1, 1, &tokens[i]), 1);
		heads[i] = device_pop(&d);
	}
	assert_int_equal(virtq_poll(d.q, used, 4), 0);
	for (unsigned i = 3; i-- > 0;)
		device_use(&d, (uint32_t)heads[i], 100 * i);
	assert_int_equal(virtq_poll(d.q, used, 2), 2);
	assert_int_equal(virtq_poll(d.q, used + 2, 2), 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_ptr_equal(used[i].token, &tokens[2 - i]);
		assert_int_equal(used[i].written, 100 * (2 - i));
		/* What the device does to the table is not believed. */
		memset((void *)d.desc, 0xff, 16ull * d.count);
		assert_int_equal(virtq_buffers(d.q, used[i].id, out, 4), 2);
		assert_memory_equal(out, some_buffers, sizeof(out[0]) * 2);
		virtq_give_back(d.q, used[i].id);
		virtq_check(d.q);
	}
	device_fini(&d);
}

/* ---- ends ---- */

static unsigned cancelled;

static void count_cancelled(void *arg, void *token, uint32_t written)
{
	assert_ptr_equal(arg, &cancelled);
	assert_true((int *)token >= tokens && (int *)token < tokens + VIRTQ_COUNT_MAX);
	assert_int_equal(written, 0);
	cancelled++;
}

static void test_reset_cancels_what_is_offered_once(void **state UNUSED)
{
	struct virtq_used used;
	struct device d;

	cancelled = 0;
	device_init(&d, 8, true, 9);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(offer(&d, 1, 1, &tokens[i]), 1);
	device_use(&d, (uint32_t)device_pop(&d), 0);
	assert_int_equal(virtq_poll(d.q, &used, 1), 1);
	virtq_break(d.q);
	assert_int_equal(offer(&d, 1, 0, NULL), -EIO);
	assert_int_equal(virtq_reset(d.q, 77, count_cancelled, &cancelled), 0);
	assert_int_equal(cancelled, 2);
	virtq_check(d.q);
	virtq_give_back(d.q, used.id); /* taken before the reset */
	d.next_avail = d.next_used = 77;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(offer(&d, 1, 1, &tokens[i]), 1);
	device_use(&d, (uint32_t)device_pop(&d), 1);
	assert_int_equal(virtq_poll(d.q, &used, 1), 1);
	assert_ptr_equal(used.token, &tokens[0]);
	virtq_close(d.q, count_cancelled, &cancelled);
	assert_int_equal(cancelled, 5);
	assert_int_equal(offer(&d, 1, 0, NULL), -ESHUTDOWN);
	assert_int_equal(virtq_poll(d.q, &used, 1), -ESHUTDOWN);
	assert_int_equal(virtq_reset(d.q, 0, NULL, NULL), -ESHUTDOWN);
	device_fini(&d);
}

struct sleeper {
	struct device *d;
	pthread_t thread;
	unsigned nr;
	int result;
};

static void *offer_asleep(void *arg)
{
	struct sleeper *s = arg;
	struct virtq_chain chain = chain_of(s->nr, 0, &tokens[s->nr]);

	s->result = virtq_offer_wait(s->d->q, &chain, 1, PARK_FOREVER);
	return NULL;
}

static void *wait_asleep(void *arg)
{
	struct sleeper *s = arg;
	struct virtq_used used;

	s->result = virtq_wait(s->d->q, &used, 1, PARK_FOREVER);
	return NULL;
}

/* Returns when n offers are in the queue for room. */
static void until_waiting(struct device *d, unsigned n)
{
	for (;;) {
		unsigned found = 0;

		mutex_lock(&d->q->lock);
		list_for_each(w, &d->q->waiters, struct virtq_waiter, link)
			found++;
		mutex_unlock(&d->q->lock);
		if (found == n)
			return;
		sched_yield();
	}
}

static void test_offers_wait_in_order(void **state UNUSED)
{
	struct sleeper s[2];
	struct virtq_used used;
	struct device d;

	device_init(&d, 4, true, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(offer(&d, 1, 0, &tokens[0]), 1);
	for (unsigned i = 0; i < 2; i++) { /* first one of 3, then one of 1 */
		s[i] = (struct sleeper){ .d = &d, .nr = i ? 1 : 3 };
		assert_int_equal(pthread_create(&s[i].thread, NULL, offer_asleep, &s[i]), 0);
		until_waiting(&d, i + 1);
	}
	for (unsigned i = 0; i < 4; i++) {
		/* Room for the small ones, and nobody overtakes. */
		until_waiting(&d, i < 3 ? 2 : 1);
		if (i < 3)
			assert_int_equal(offer(&d, 1, 0, &tokens[0]), -EAGAIN);
		device_use(&d, (uint32_t)device_pop(&d), 0);
		assert_int_equal(virtq_poll(d.q, &used, 1), 1);
		virtq_give_back(d.q, used.id);
	}
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(s[i].thread, NULL);
		assert_int_equal(s[i].result, 1);
	}
	device_use(&d, (uint32_t)device_pop(&d), 0);
	assert_int_equal(virtq_poll(d.q, &used, 1), 1);
	assert_ptr_equal(used.token, &tokens[3]);
	device_fini(&d);
}

static void test_deadlines_end_waits(void **state UNUSED)
{
	struct virtq_chain chain = chain_of(2, 0, NULL);
	struct virtq_used used;
	struct device d;

	device_init(&d, 2, true, 0);
	assert_int_equal(virtq_offer_wait(d.q, &chain, 1, 1), 1);
	assert_int_equal(virtq_offer_wait(d.q, &chain, 1, 1), -ETIMEDOUT);
	assert_int_equal(virtq_wait(d.q, &used, 1, 1), -ETIMEDOUT);
	virtq_check(d.q);
	device_fini(&d);
}

static void test_close_and_break_wake_sleepers(void **state UNUSED)
{
	for (int closes = 0; closes < 2; closes++) {
		struct sleeper s[3];
		struct device d;

		device_init(&d, 4, closes, 0);
		assert_int_equal(offer(&d, 4, 0, &tokens[0]), 1);
		for (unsigned i = 0; i < 3; i++) {
			s[i] = (struct sleeper){ .d = &d, .nr = 1 };
			assert_int_equal(pthread_create(&s[i].thread, NULL,
							i ? offer_asleep : wait_asleep, &s[i]),
					 0);
		}
		until_waiting(&d, 2);
		while (!atomic_load(&d.q->sleepers))
			sched_yield();
		if (closes)
			virtq_close(d.q, NULL, NULL);
		else
			virtq_break(d.q);
		for (unsigned i = 0; i < 3; i++) {
			pthread_join(s[i].thread, NULL);
			assert_int_equal(s[i].result, closes ? -ESHUTDOWN : -EIO);
		}
		device_fini(&d);
	}
}

/* ---- hostile devices ---- */

/* Two chains are offered: first of 1 + 1 descriptors, 4096 bytes writable, then of 1. */
static const struct {
	const char *lie;
	int id;           /* relative to the first chain's */
	uint32_t id_more; /* added on top */
	uint32_t len;
	int jump; /* of used.idx */
	enum virtq_error error;
} lies[] = {
	{ "index past what is offered", 0, 0, 0, 3, VIRTQ_IDX_JUMPED },
	{ "index back by one", 0, 0, 0, -1, VIRTQ_IDX_JUMPED },
	{ "index half around", 0, 0, 0, 32768, VIRTQ_IDX_JUMPED },
	{ "id is the count", 0, 8, 0, 1, VIRTQ_ID_RANGE },
	{ "id truncated is good", 0, 0x10000, 0, 1, VIRTQ_ID_RANGE },
	{ "id all ones", -1, 0, 0, 1, VIRTQ_ID_RANGE },
	{ "id in a chain", 1, 0, 0, 1, VIRTQ_ID_NOT_OFFERED },
	{ "id never offered", 5, 0, 0, 1, VIRTQ_ID_NOT_OFFERED },
	{ "same id twice", 0, 0, 4096, 2, VIRTQ_ID_NOT_OFFERED },
	{ "one byte too long", 0, 0, 4097, 1, VIRTQ_TOO_LONG },
	{ "length all ones", 0, 0, UINT32_MAX, 1, VIRTQ_TOO_LONG },
	{ "written where nothing is writable", 2, 0, 1, 1, VIRTQ_TOO_LONG },
};

static void test_lies_break_the_queue(void **state UNUSED)
{
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		bool twice = lies[i].jump == 2;
		struct virtq_used used[4];
		struct device d;
		uint32_t head;

		device_init(&d, 8, i & 1, 65535);
		assert_int_equal(offer(&d, 1, 1, &tokens[0]), 1);
		assert_int_equal(offer(&d, 1, 0, &tokens[1]), 1);
		head = (uint32_t)device_pop(&d);
		for (unsigned n = 0; n < 8; n++) {
			d.used->ring[n].id = head + (uint32_t)lies[i].id + lies[i].id_more;
			d.used->ring[n].len = lies[i].len;
		}
		atomic_store(&d.used->idx, (uint16_t)(65535 + lies[i].jump));
		/* What came before the lie is good. */
		assert_int_equal(virtq_poll(d.q, used, 4), twice ? 1 : -EIO);
		assert_int_equal(virtq_poll(d.q, used + 1, 1), -EIO);
		assert_int_equal(virtq_error(d.q), lies[i].error);
		assert_string_not_equal(virtq_error_text(virtq_error(d.q)), "?");
		assert_int_equal(offer(&d, 1, 0, NULL), -EIO);
		virtq_check(d.q);
		cancelled = 0;
		assert_int_equal(virtq_reset(d.q, 0, count_cancelled, &cancelled), 0);
		assert_int_equal(cancelled, twice ? 1 : 2);
		virtq_check(d.q);
		device_fini(&d);
	}
}

/* Three chains are used and one of them is taken: what is seen and not yet taken counts. */
static void test_an_index_that_leaves_what_was_seen_is_noticed(void **state UNUSED)
{
	static const uint16_t lies_later[] = { 2, 4 }; /* back; past what is offered */
	struct virtq_used used[2];

	for (size_t k = 0; k < ARRAY_SIZE(lies_later); k++) {
		struct device d;

		device_init(&d, 8, false, 0);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(offer(&d, 0, 1, &tokens[i]), 1);
			device_use(&d, (uint32_t)device_pop(&d), 0);
		}
		assert_int_equal(virtq_poll(d.q, used, 1), 1); /* has seen 3 */
		atomic_store(&d.used->idx, lies_later[k]);
		assert_int_equal(virtq_poll(d.q, used, 1), -EIO);
		assert_int_equal(virtq_error(d.q), VIRTQ_IDX_JUMPED);
		device_fini(&d);
	}
}

static void offer_again(void *arg, void *token, uint32_t written)
{
	struct device *d = arg;

	assert_int_equal(written, 3);
	assert_int_equal(offer(d, 2, 2, token), 1);
}

static void test_a_callback_may_offer_the_chain_again(void **state UNUSED)
{
	struct device d;

	device_init(&d, 4, true, 0); /* room for one: it is given back before the callback */
	assert_int_equal(offer(&d, 2, 2, &tokens[0]), 1);
	for (unsigned i = 0; i < 10; i++) {
		device_use(&d, (uint32_t)device_pop(&d), 3);
		assert_int_equal(virtq_dispatch(d.q, offer_again, &d, 100), 1);
		virtq_check(d.q);
	}
	assert_int_equal(virtq_dispatch(d.q, offer_again, &d, 100), 0);
	device_fini(&d);
}

static void ignore_done(void *arg UNUSED, void *token UNUSED, uint32_t written UNUSED)
{
}

static void test_a_device_that_scribbles_harms_only_its_queue(void **state UNUSED)
{
	struct test_random r;
	struct device d;
	unsigned broken = 0;

	test_random_init(&r, "scribbles", 100000);
	device_init(&d, 16, true, 0);
	while (test_random_goes_on(&r)) {
		unsigned in_ring = (unsigned)((char *)d.used - d.memory);
		unsigned at = test_pick(&r, 2) ? test_pick(&r, (unsigned)d.size)
					       : in_ring + test_pick(&r, 32);

		d.memory[at] = (char)(test_pick(&r, 4) ? test_pick(&r, 4) : test_pick(&r, 256));
		if (offer(&d, test_pick(&r, 3), test_pick(&r, 3), &tokens[0]) == -EIO ||
		    virtq_dispatch(d.q, ignore_done, NULL, 1 + test_pick(&r, 20)) == -EIO) {
			broken++;
			assert_int_equal(virtq_reset(d.q, (uint16_t)test_draw(&r), NULL, NULL), 0);
		}
		virtq_check(d.q);
	}
	assert_true(broken > 0);
	device_fini(&d);
}

/* ---- random, against a model ---- */

struct model {
	struct test_random r;
	struct device d;
	int heads[MAX_COUNT]; /* chains that the device has */
	uint64_t rooms[MAX_COUNT];
	void *owners[MAX_COUNT];
	unsigned nr_heads, nr_free, in_ring; /* in_ring: used, and not taken */
	uint32_t expected[65536];            /* written, by place in the used ring */
	void *expected_token[65536];
	uint16_t taken;
	bool asleep, call_promised;
};

static void model_offer(struct model *m)
{
	struct virtq_chain chains[4];
	unsigned count = 1 + test_pick(&m->r, 4), fits = 0, left = m->nr_free;
	unsigned kicks = m->d.kicks;
	int n;

	for (unsigned i = 0; i < count; i++) {
		unsigned readable = test_pick(&m->r, 3), writable = test_pick(&m->r, 3);

		if (readable + writable == 0 || readable + writable > m->d.count)
			readable = 1, writable = 0;
		chains[i] = chain_of(readable, writable, &tokens[test_pick(&m->r, 1000)]);
		if (fits == i && readable + writable <= left) {
			left -= readable + writable;
			fits++;
		}
	}
	n = virtq_offer(m->d.q, chains, count);
	assert_int_equal(n, fits ? (int)fits : -EAGAIN);
	m->nr_free = left;
	if (fits && m->asleep) {
		assert_int_equal(m->d.kicks, kicks + 1);
		m->asleep = false;
	}
	assert_true(m->d.kicks <= kicks + 1);
}

static void model_device(struct model *m)
{
	int head;

	m->asleep = false;
	device_no_kicks(&m->d);
	while (m->nr_heads < MAX_COUNT && (head = device_pop(&m->d)) >= 0) {
		unsigned i = m->nr_heads++;

		m->heads[i] = head;
		m->owners[i] = m->d.q->slots[head].token;
		m->rooms[i] = m->d.q->slots[head].writable;
	}
	if (test_pick(&m->r, 3) == 0)
		m->asleep = device_sleep(&m->d);
	for (unsigned n = test_pick(&m->r, 5); n && m->nr_heads; n--) {
		unsigned i = test_pick(&m->r, m->nr_heads);
		uint32_t len = test_pick(&m->r, (unsigned)m->rooms[i] + 1);
		uint16_t at = m->d.next_used;
		bool called;

		m->expected[at] = len;
		m->expected_token[at] = m->owners[i];
		called = device_use(&m->d, (uint32_t)m->heads[i], len);
		assert_true(called || !m->call_promised);
		m->call_promised = false;
		m->in_ring++;
		m->nr_heads--;
		m->heads[i] = m->heads[m->nr_heads];
		m->owners[i] = m->owners[m->nr_heads];
		m->rooms[i] = m->rooms[m->nr_heads];
	}
}

static void model_take(struct model *m)
{
	struct virtq_used used[8];
	unsigned max = 1 + test_pick(&m->r, 8);
	int n = virtq_poll(m->d.q, used, max);

	assert_int_equal(n, MIN(max, m->in_ring));
	m->in_ring -= (unsigned)n;
	for (int i = 0; i < n; i++, m->taken++) {
		assert_int_equal(used[i].written, m->expected[m->taken]);
		assert_ptr_equal(used[i].token, m->expected_token[m->taken]);
		m->nr_free += virtq_buffers(m->d.q, used[i].id, NULL, 0);
		virtq_give_back(m->d.q, used[i].id);
	}
	if ((unsigned)n < max && m->d.q->calls_wanted)
		m->call_promised = true;
}

static void model_run(struct model *m, unsigned count, bool event_idx, unsigned ops)
{
	uint16_t base = (uint16_t)test_draw(&m->r);

	m->nr_heads = m->in_ring = 0;
	m->nr_free = count;
	m->taken = base;
	m->call_promised = true;
	m->asleep = true; /* a new device is */
	device_init(&m->d, count, event_idx, base);
	while (ops-- && test_random_goes_on(&m->r)) {
		switch (test_pick(&m->r, 8)) {
		case 0:
			virtq_calls_off(m->d.q);
			m->call_promised = false;
			break;
		case 1:
			assert_int_equal(virtq_calls_on(m->d.q), m->in_ring > 0);
			m->call_promised = m->in_ring == 0;
			break;
		case 2:
		case 3:
			model_offer(m);
			break;
		case 4:
		case 5:
			model_device(m);
			break;
		default:
			model_take(m);
		}
		if (test_pick(&m->r, 16) == 0)
			virtq_check(m->d.q);
		assert_int_equal(m->d.q->nr_free, m->nr_free);
	}
	device_fini(&m->d);
}

static void test_random_operations_agree_with_a_model(void **state UNUSED)
{
	static struct model m;

	test_random_init(&m.r, "virtq model", 4000000);
	while (m.r.left)
		for (unsigned shift = 0; shift <= 6; shift++)
			model_run(&m, 1u << shift, test_pick(&m.r, 2), 300000);
}

static void test_the_largest_queue_is_filled_whole(void **state UNUSED)
{
	struct virtq_used used;
	struct device d;

	device_init(&d, VIRTQ_COUNT_MAX, true, 65000);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < VIRTQ_COUNT_MAX; i++)
			assert_int_equal(offer(&d, 0, 1, &tokens[i]), 1);
		assert_int_equal(offer(&d, 1, 0, NULL), -EAGAIN);
		for (unsigned i = 0; i < VIRTQ_COUNT_MAX; i++)
			device_use(&d, (uint32_t)device_pop(&d), 0);
		for (unsigned i = 0; i < VIRTQ_COUNT_MAX; i++) {
			assert_int_equal(virtq_poll(d.q, &used, 1), 1);
			assert_ptr_equal(used.token, &tokens[i]);
			virtq_give_back(d.q, used.id);
		}
	}
	virtq_check(d.q);
	device_fini(&d);
}

/* ---- threads: two offer, one takes, one is the device ---- */

#define THREADED_MAX 400000u

struct threaded {
	struct device d;
	unsigned each;
	atomic_bool stop;
	/* Plain memory, ordered by the queue alone: TSan judges it. */
	uint64_t request[2][THREADED_MAX / 2], answer[2][THREADED_MAX / 2];
};

static void *threaded_device(void *arg)
{
	struct threaded *t = arg;
	struct device *d = &t->d;

	while (!atomic_load(&t->stop)) {
		unsigned kicks = atomic_load(&d->kicks);
		int head = device_pop(d);

		if (head < 0) {
			if (device_sleep(d) && !atomic_load(&t->stop))
				park_wait(&d->kicks, kicks, PARK_FOREVER);
			device_no_kicks(d);
			continue;
		}
		{
			struct virtq_desc *in = &d->desc[head], *out = &d->desc[in->next];
			uint64_t *from = (void *)(uintptr_t)in->address;
			uint64_t *to = (void *)(uintptr_t)out->address;

			*to = ~*from;
			device_use(d, (uint32_t)head, out->size);
		}
	}
	return NULL;
}

struct offerer {
	struct threaded *t;
	unsigned nr;
};

static void *threaded_offerer(void *arg)
{
	struct offerer *o = arg;
	struct threaded *t = o->t;

	for (unsigned i = 0; i < t->each; i++) {
		struct virtq_buffer b[] = { { (uintptr_t)&t->request[o->nr][i], 8 },
					    { (uintptr_t)&t->answer[o->nr][i], 8 } };
		struct virtq_chain c = { b, 1, 1, &t->request[o->nr][i] };

		t->request[o->nr][i] = (uint64_t)o->nr << 32 | i;
		if (virtq_offer_wait(t->d.q, &c, 1, PARK_FOREVER) != 1)
			abort();
	}
	return NULL;
}

static void threaded_take(struct threaded *t)
{
	unsigned next[2] = { 0, 0 };

	for (unsigned left = 2 * t->each; left;) {
		struct virtq_used used[8];
		int n = virtq_wait(t->d.q, used, 8, PARK_FOREVER);

		assert_true(n > 0);
		for (int i = 0; i < n; i++, left--) {
			uint64_t *request = used[i].token;
			unsigned nr = *request >> 32;

			/* Each thread's offers arrive in its order. */
			assert_int_equal((uint32_t)*request, next[nr]);
			assert_int_equal(used[i].written, 8);
			assert_true(t->answer[nr][next[nr]] == ~*request);
			next[nr]++;
			virtq_give_back(t->d.q, used[i].id);
		}
	}
}

static void run_threads(unsigned count, bool event_idx, unsigned chains)
{
	static struct threaded t;
	struct offerer o[2] = { { &t, 0 }, { &t, 1 } };
	pthread_t device, offerers[2];

	t.each = MIN(chains / TEST_OPS_DIVISOR, THREADED_MAX) / 2;
	atomic_store(&t.stop, false);
	memset(t.answer, 0, sizeof(t.answer));
	device_init(&t.d, count, event_idx, 65000);
	assert_int_equal(pthread_create(&device, NULL, threaded_device, &t), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&offerers[i], NULL, threaded_offerer, &o[i]), 0);
	threaded_take(&t);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(offerers[i], NULL);
	atomic_store(&t.stop, true);
	virtq_kick(t.d.q);
	pthread_join(device, NULL);
	assert_int_equal(t.d.q->nr_free, count);
	device_fini(&t.d);
}

static void test_threads_with_event_index(void **state UNUSED)
{
	run_threads(64, true, 140000);
	run_threads(4, true, 40000);
}

static void test_threads_with_flags(void **state UNUSED)
{
	run_threads(64, false, 140000);
	run_threads(2, false, 40000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_and_alignments_are_those_of_the_specification),
		cmocka_unit_test(test_create_refuses_what_cannot_be),
		cmocka_unit_test(test_the_device_finds_the_chain_as_offered),
		cmocka_unit_test(test_bad_chains_are_refused),
		cmocka_unit_test(test_a_batch_costs_one_kick_or_none),
		cmocka_unit_test(test_chains_come_back_in_the_device_s_order),
		cmocka_unit_test(test_reset_cancels_what_is_offered_once),
		cmocka_unit_test(test_offers_wait_in_order),
		cmocka_unit_test(test_deadlines_end_waits),
		cmocka_unit_test(test_close_and_break_wake_sleepers),
		cmocka_unit_test(test_lies_break_the_queue),
		cmocka_unit_test(test_an_index_that_leaves_what_was_seen_is_noticed),
		cmocka_unit_test(test_a_callback_may_offer_the_chain_again),
		cmocka_unit_test(test_a_device_that_scribbles_harms_only_its_queue),
		cmocka_unit_test(test_random_operations_agree_with_a_model),
		cmocka_unit_test(test_the_largest_queue_is_filled_whole),
		cmocka_unit_test(test_threads_with_event_index),
		cmocka_unit_test(test_threads_with_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
