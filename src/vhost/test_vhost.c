/* The front end against a device in this process: honest, slow, and hostile. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/host.h"
#include "vhost/testlib_device.h"
#include "virtq/virtq.h"

#define MEMORY_SIZE ((uint64_t)1 << 20)
#define MEMORY_AT 0x40000000ull
#define TIMEOUT_NS (200 * 1000000ull) /* of what is to time out; else nothing waits for it */

struct fixture {
	struct test_device device;
	struct vhost *v;
	int memory_fd;
	char *memory;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct vhost_config config = { .name = "disk.sock",
				       .nr_regions = 1,
				       .nr_queues = TEST_QUEUES,
				       .timeout_ns = TIMEOUT_NS };
	void *at;

	f->memory_fd = host_memfd_create("memory", 0);
	assert_int_equal(host_ftruncate(f->memory_fd, MEMORY_SIZE), 0);
	assert_int_equal(host_mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
				   f->memory_fd, 0, &at),
			 0);
	f->memory = at;
	config.regions[0] = (struct vhost_region){ MEMORY_AT, MEMORY_SIZE, 0, f->memory_fd };
	test_device_init(&f->device);
	assert_int_equal(vhost_create(&config, &f->v), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vhost_destroy(f->v);
	host_munmap(f->memory, MEMORY_SIZE);
	host_close(f->memory_fd);
	free(f);
	return 0;
}

static int connect_it(struct fixture *f)
{
	return vhost_connect(f->v, test_device_start(&f->device));
}

/* All that a driver does before it starts a queue. */
static int open_session(struct fixture *f)
{
	char config[60];
	int r = connect_it(f);

	if (r == 0)
		r = vhost_read_config(f->v, config, sizeof(config));
	return r < 0 ? r
		     : vhost_accept(f->v,
				    vhost_features(f->v) & (VHOST_F_VERSION_1 | VIRTQ_F_EVENT_IDX));
}

/* ---- honest ---- */

static void an_honest_device_is_ready_for_queues(void **state)
{
	struct fixture *f = *state;
	uint8_t config[60];

	for (unsigned i = 0; i < sizeof(config); i++)
		f->device.config[i] = (uint8_t)(i + 1);
	assert_int_equal(connect_it(f), 0);
	assert_int_equal(vhost_nr_queues(f->v), TEST_QUEUES);
	assert_int_equal(vhost_features(f->v), VHOST_F_VERSION_1 | VIRTQ_F_EVENT_IDX);
	assert_int_equal(vhost_read_config(f->v, config, sizeof(config)), 0);
	assert_memory_equal(config, f->device.config, sizeof(config));
	assert_int_equal(vhost_accept(f->v, VHOST_F_VERSION_1), 0);
	assert_true(f->device.has_owner);
	assert_int_equal(f->device.accepted, VHOST_F_VERSION_1 | VHOST_F_PROTOCOL_FEATURES);
	assert_int_equal(f->device.memory[0].region.guest_address, MEMORY_AT);
	assert_int_equal(f->device.memory[0].region.size, MEMORY_SIZE);
	assert_string_equal(vhost_error(f->v), "");
	test_device_stop(&f->device);
}

/* Each set of protocol features that can be offered. */
static void every_protocol_feature_may_be_missing(void **state)
{
	static const uint64_t bits[] = { VHOST_PROTOCOL_F_MQ, VHOST_PROTOCOL_F_REPLY_ACK,
					 VHOST_PROTOCOL_F_BACKEND_REQ,
					 VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS };
	struct fixture *f = *state;

	for (unsigned set = 0; set < 2u << ARRAY_SIZE(bits); set++) {
		test_device_init(&f->device);
		/* Some that we do not know. */
		f->device.protocol = VHOST_PROTOCOL_F_CONFIG | 1ull << 1 | 1ull << 40;
		for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
			f->device.protocol |= set >> i & 1 ? bits[i] : 0;
		if (set >> ARRAY_SIZE(bits))
			f->device.features &= ~VHOST_F_PROTOCOL_FEATURES;
		assert_int_equal(connect_it(f), 0);
		assert_int_equal(vhost_accept(f->v, VHOST_F_VERSION_1), 0);
		assert_int_equal(f->device.agreed & ~f->device.protocol, 0);
		assert_int_equal(f->device.agreed & 1ull << 40, 0);
		assert_int_equal(f->device.nr_regions, 1);
		vhost_disconnect(f->v);
		test_device_stop(&f->device);
	}
}

/* ---- queues ---- */

static int64_t serve_echo(struct test_device *d UNUSED, unsigned queue UNUSED, struct test_chain *c)
{
	size_t n = MIN(c->in[0].iov_len, c->out[0].iov_len);

	memcpy(c->out[0].iov_base, c->in[0].iov_base, n);
	return (int64_t)n;
}

struct kick_arg {
	struct vhost *v;
	unsigned index;
};

static void kick(void *arg)
{
	struct kick_arg *k = arg;

	vhost_kick(k->v, k->index);
}

static struct virtq *make_queue(struct fixture *f, struct kick_arg *k, uint16_t base)
{
	uint64_t at = PAGE_SIZE * (1 + k->index);
	struct virtq_config config = { .count = 16,
				       .features = VIRTQ_F_EVENT_IDX,
				       .memory = f->memory + at,
				       .memory_size = PAGE_SIZE,
				       .device_address = MEMORY_AT + at,
				       .base = base,
				       .kick = kick,
				       .arg = k };
	struct virtq *q;

	assert_int_equal(virtq_create(&config, &q), 0);
	return q;
}

static int start_queue(struct fixture *f, struct virtq *q, unsigned index, uint16_t base)
{
	struct virtq_addresses at;

	virtq_addresses(q, &at);
	return vhost_start_queue(f->v, index,
				 &(struct vhost_rings){ virtq_count(q), base, at.desc, at.avail,
							at.used });
}

/* One message there and back, by the device's call. */
static void echo(struct fixture *f, struct virtq *q, unsigned index, const char *text)
{
	struct virtq_buffer buffers[] = { { MEMORY_AT + 0x10000, 64 },
					  { MEMORY_AT + 0x11000, 64 } };
	struct virtq_chain chain = { buffers, 1, 1, f };
	struct vhost_events events;
	struct virtq_used used;
	int n = 0;

	memset(f->memory + 0x11000, 0, 64);
	strcpy(f->memory + 0x10000, text);
	assert_int_equal(virtq_offer(q, &chain, 1), 1);
	while (n == 0) {
		assert_int_equal(vhost_wait(f->v, &events, UINT64_MAX), 0);
		assert_int_equal(events.called & ~(1ull << index), 0);
		n = virtq_poll(q, &used, 1);
	}
	assert_int_equal(n, 1);
	assert_int_equal(used.written, 64);
	assert_string_equal(f->memory + 0x11000, text);
	virtq_give_back(q, used.id);
}

static void chains_go_through_every_queue(void **state)
{
	struct fixture *f = *state;
	uint16_t base;

	f->device.serve = serve_echo;
	assert_int_equal(open_session(f), 0);
	for (unsigned i = 0; i < TEST_QUEUES; i++) {
		struct kick_arg k = { f->v, i };
		struct virtq *q = make_queue(f, &k, 65530);

		assert_int_equal(start_queue(f, q, i, 65530), 0);
		for (unsigned n = 0; n < 20; n++)
			echo(f, q, i, n & 1 ? "odd" : "even");
		assert_int_equal(vhost_stop_queue(f->v, i, &base), 0);
		assert_int_equal(base, (uint16_t)(65530 + 20));
		virtq_close(q, NULL, NULL);
		virtq_destroy(q);
	}
	vhost_disconnect(f->v);
	test_device_stop(&f->device);
}

static void a_device_that_died_is_followed_by_another(void **state)
{
	struct fixture *f = *state;
	struct kick_arg k = { f->v, 0 };
	struct vhost_events events;
	struct virtq *q = make_queue(f, &k, 0);

	f->device.serve = serve_echo;
	assert_int_equal(open_session(f), 0);
	assert_int_equal(start_queue(f, q, 0, 0), 0);
	echo(f, q, 0, "first");
	test_device_stop(&f->device);
	while (vhost_wait(f->v, &events, UINT64_MAX) == 0)
		;
	assert_string_equal(vhost_error(f->v), "disk.sock: the device is gone");
	assert_int_equal(vhost_wait(f->v, &events, 0), -EAGAIN);
	vhost_kick(f->v, 0); /* into the void */

	assert_int_equal(virtq_reset(q, 0, NULL, NULL), 0);
	test_device_init(&f->device);
	f->device.serve = serve_echo;
	assert_int_equal(open_session(f), 0);
	assert_int_equal(start_queue(f, q, 0, 0), 0);
	echo(f, q, 0, "second");
	vhost_disconnect(f->v);
	test_device_stop(&f->device);
	virtq_close(q, NULL, NULL);
	virtq_destroy(q);
}

/* ---- events ---- */

static void the_device_may_ask_too(void **state)
{
	struct fixture *f = *state;
	struct vhost_events events;
	struct {
		struct vhost_header h;
		uint64_t answer;
	} reply;
	struct vhost_header ask = { VHOST_BACKEND_CONFIG_CHANGE, VHOST_VERSION | VHOST_NEED_REPLY,
				    0 };
	int device_end;

	assert_int_equal(open_session(f), 0);
	device_end = f->device.backend;
	for (unsigned known = 0; known < 2; known++) {
		ask.request = known ? VHOST_BACKEND_CONFIG_CHANGE : 77;
		assert_int_equal(write(device_end, &ask, sizeof(ask)), sizeof(ask));
		assert_int_equal(vhost_wait(f->v, &events, UINT64_MAX), 0);
		assert_int_equal(events.config_changed, known);
		/* The header and the number lie side by side in the stream, not in memory. */
		assert_int_equal(read(device_end, &reply.h, sizeof(reply.h)), sizeof(reply.h));
		assert_int_equal(read(device_end, &reply.answer, 8), 8);
		assert_int_equal(reply.h.flags, VHOST_VERSION | VHOST_REPLY);
		assert_int_equal(reply.answer, !known);
	}
	test_device_stop(&f->device);
}

static void a_wake_ends_a_wait(void **state)
{
	struct fixture *f = *state;
	struct vhost_events events;

	vhost_wake(f->v);
	assert_int_equal(vhost_wait(f->v, &events, UINT64_MAX), 0);
	assert_true(events.woken);
	assert_int_equal(vhost_wait(f->v, &events, 0), -EAGAIN);
}

/* The device has the same open file: it fills it, and has it block. */
static void shared_descriptors_cannot_make_us_block(void **state)
{
	struct fixture *f = *state;
	struct kick_arg k = { f->v, 0 };
	struct virtq *q = make_queue(f, &k, 0);
	struct vhost_events events;
	uint64_t full = UINT64_MAX - 1;
	int call, kicks;

	assert_int_equal(open_session(f), 0);
	assert_int_equal(start_queue(f, q, 0, 0), 0);
	call = f->device.rings[0].call;
	kicks = f->device.rings[0].kick;
	assert_int_equal(fcntl(call, F_SETFL, 0), 0);
	assert_int_equal(fcntl(kicks, F_SETFL, 0), 0);
	/* The device stops reading. */
	f->device.serve = NULL;
	atomic_store(&f->device.is_ending, true);
	assert_int_equal(write(call, &full, 8), 8);
	assert_int_equal(vhost_wait(f->v, &events, UINT64_MAX), 0);
	/* Called without having called, and drained: nothing to be had any more. */
	assert_int_equal(events.called, 1);
	for (unsigned i = 0; i < 100000; i++)
		vhost_kick(f->v, 0);
	vhost_disconnect(f->v);
	test_device_stop(&f->device);
	virtq_close(q, NULL, NULL);
	virtq_destroy(q);
}

static void what_a_queue_reports_as_an_error_is_the_end(void **state)
{
	struct fixture *f = *state;
	struct kick_arg k = { f->v, 0 };
	struct virtq *q = make_queue(f, &k, 0);
	struct vhost_events events;
	uint64_t one = 1;

	assert_int_equal(open_session(f), 0);
	assert_int_equal(start_queue(f, q, 0, 0), 0);
	assert_int_equal(write(f->device.rings[0].err, &one, 8), 8);
	assert_int_equal(vhost_wait(f->v, &events, UINT64_MAX), -EPROTO);
	assert_string_equal(vhost_error(f->v), "disk.sock: reports an error of queue 0");
	vhost_disconnect(f->v);
	test_device_stop(&f->device);
	virtq_close(q, NULL, NULL);
	virtq_destroy(q);
}

static void what_nobody_asked_for_is_the_end(void **state)
{
	struct fixture *f = *state;
	struct vhost_events events;

	assert_int_equal(open_session(f), 0);
	assert_int_equal(send(f->device.socket, "hello", 5, 0), 5);
	assert_int_equal(vhost_wait(f->v, &events, UINT64_MAX), -EPROTO);
	assert_int_equal(vhost_accept(f->v, VHOST_F_VERSION_1), -ENOTCONN);
	test_device_stop(&f->device);
}

/* ---- hostile ---- */

static int expected(enum test_lie lie)
{
	switch (lie) {
	case LIE_SILENT:
	case LIE_HALF:
		return -ETIMEDOUT;
	case LIE_CLOSE:
	case LIE_CLOSE_HALF:
		return -ECONNRESET;
	case LIE_REFUSE:
		return -EOPNOTSUPP;
	default:
		return -EPROTO;
	}
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void check_lie(struct fixture *f, uint32_t request, enum test_lie lie, int want)
{
	struct kick_arg k = { f->v, 0 };
	struct virtq *q = make_queue(f, &k, 0);
	unsigned fds = open_fds();
	uint16_t base;
	int r;

	test_device_init(&f->device);
	f->device.lie_at = request;
	f->device.lie = lie;
	r = open_session(f);
	if (r == 0)
		r = start_queue(f, q, 0, 0);
	if (r == 0)
		r = vhost_stop_queue(f->v, 0, &base);
	assert_int_equal(r, want);
	if (want < 0) {
		assert_int_equal(strncmp(vhost_error(f->v), "disk.sock: ", 11), 0);
		assert_int_equal(vhost_accept(f->v, VHOST_F_VERSION_1), -ENOTCONN);
	}
	vhost_disconnect(f->v);
	test_device_stop(&f->device);
	assert_int_equal(open_fds(), fds);
	virtq_close(q, NULL, NULL);
	virtq_destroy(q);
}

static const uint32_t asked[] = { VHOST_GET_FEATURES,  VHOST_GET_PROTOCOL_FEATURES,
				  VHOST_GET_QUEUE_NUM, VHOST_GET_MAX_MEM_SLOTS,
				  VHOST_GET_CONFIG,    VHOST_GET_VRING_BASE };
static const uint32_t acknowledged[] = {
	VHOST_SET_OWNER,      VHOST_SET_BACKEND_REQ_FD, VHOST_SET_FEATURES,    VHOST_ADD_MEM_REG,
	VHOST_SET_VRING_NUM,  VHOST_SET_VRING_BASE,     VHOST_SET_VRING_ADDR,  VHOST_SET_VRING_CALL,
	VHOST_SET_VRING_KICK, VHOST_SET_VRING_ERR,      VHOST_SET_VRING_ENABLE
};

/* Time-outs take a while: at one request of each kind. */
static bool is_slow(enum test_lie lie)
{
	return lie == LIE_SILENT || lie == LIE_HALF;
}

static void every_lie_in_an_answer_is_named(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(asked); i++) {
		for (enum test_lie lie = LIE_NONE + 1; lie < LIE_REFUSE; lie++) {
			if (!is_slow(lie) || i == 0)
				check_lie(f, asked[i], lie, expected(lie));
		}
	}
}

static void every_lie_in_an_acknowledgement_is_named(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(acknowledged); i++) {
		for (enum test_lie lie = LIE_NONE + 1; lie <= LIE_REFUSE; lie++) {
			if (!is_slow(lie) || i == 0)
				check_lie(f, acknowledged[i], lie, expected(lie));
		}
	}
}

static void unusual_answers_are_taken(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(asked); i++) {
		check_lie(f, asked[i], TRUTH_CUT, 0);
		check_lie(f, asked[i], TRUTH_FDS, 0);
	}
}

static void impossible_values_are_refused(void **state)
{
	static const struct {
		uint32_t request;
		uint64_t value;
		int want;
	} rows[] = {
		{ VHOST_GET_FEATURES, VHOST_F_PROTOCOL_FEATURES, -EOPNOTSUPP },
		{ VHOST_GET_FEATURES, 0, -EOPNOTSUPP },
		{ VHOST_GET_QUEUE_NUM, 0, -EPROTO },
		{ VHOST_GET_QUEUE_NUM, 65536, -EPROTO },
		{ VHOST_GET_QUEUE_NUM, UINT64_MAX, -EPROTO },
		{ VHOST_GET_QUEUE_NUM, 65535, 0 },
		{ VHOST_GET_MAX_MEM_SLOTS, 0, -EOPNOTSUPP },
		{ VHOST_GET_CONFIG, 1, -EPROTO },              /* another offset */
		{ VHOST_GET_CONFIG, 59ull << 32, -EPROTO },    /* another size */
		{ VHOST_GET_VRING_BASE, 1, -EPROTO },          /* another queue */
		{ VHOST_GET_VRING_BASE, 1ull << 48, -EPROTO }, /* no index */
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kick_arg k = { f->v, 0 };
		struct virtq *q = make_queue(f, &k, 0);
		uint16_t base;
		int r;

		test_device_init(&f->device);
		f->device.lie_at = rows[i].request;
		f->device.lie = LIE_VALUE;
		f->device.lie_value = rows[i].value;
		r = open_session(f);
		if (r == 0)
			r = start_queue(f, q, 0, 0);
		if (r == 0)
			r = vhost_stop_queue(f->v, 0, &base);
		assert_int_equal(r, rows[i].want);
		vhost_disconnect(f->v);
		test_device_stop(&f->device);
		virtq_close(q, NULL, NULL);
		virtq_destroy(q);
	}
}

static void only_what_is_offered_can_be_accepted(void **state)
{
	struct fixture *f = *state;
	char config[8];

	f->device.protocol &= ~VHOST_PROTOCOL_F_CONFIG;
	assert_int_equal(connect_it(f), 0);
	assert_int_equal(vhost_accept(f->v, VHOST_F_VERSION_1 | 1ull << 5), -EINVAL);
	assert_int_equal(vhost_accept(f->v, VIRTQ_F_EVENT_IDX), -EINVAL);
	assert_int_equal(vhost_read_config(f->v, config, sizeof(config)), -EOPNOTSUPP);
	assert_int_equal(vhost_accept(f->v, VHOST_F_VERSION_1), 0);
	test_device_stop(&f->device);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_honest_device_is_ready_for_queues),
		TEST(every_protocol_feature_may_be_missing),
		TEST(chains_go_through_every_queue),
		TEST(a_device_that_died_is_followed_by_another),
		TEST(the_device_may_ask_too),
		TEST(a_wake_ends_a_wait),
		TEST(shared_descriptors_cannot_make_us_block),
		TEST(what_a_queue_reports_as_an_error_is_the_end),
		TEST(what_nobody_asked_for_is_the_end),
		TEST(every_lie_in_an_answer_is_named),
		TEST(every_lie_in_an_acknowledgement_is_named),
		TEST(unusual_answers_are_taken),
		TEST(impossible_values_are_refused),
		TEST(only_what_is_offered_can_be_accepted),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
