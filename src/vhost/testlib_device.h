/*
 * A vhost-user device of our own, for tests: a thread that serves one connection and its
 * queues; honest, unless it is told to lie.
 */
#pragma once

#include <pthread.h>
#include <sys/uio.h>

#include "vhost/internal.h"

#define TEST_QUEUES 4u
#define TEST_BUFFERS 160u

/* What it does instead of answering a request as it should. */
enum test_lie {
	LIE_NONE,
	LIE_SILENT,
	LIE_CLOSE,
	LIE_CLOSE_HALF, /* after half of the header */
	LIE_HALF,       /* the same, and then silence */
	LIE_WRONG_REQUEST,
	LIE_NO_REPLY_BIT,
	LIE_WRONG_VERSION,
	LIE_SIZE_0,
	LIE_SHORT,
	LIE_LONG,
	LIE_HUGE,
	LIE_REFUSE, /* the number 1 */
	LIE_VALUE,  /* device->lie_value, in place of the first 8 bytes */
	LIE_LAST,
	/* Not lies: */
	TRUTH_CUT, /* the answer in two pieces */
	TRUTH_FDS, /* with descriptors */
};

struct test_ring {
	unsigned count;
	uint16_t next_avail, next_used;
	struct vhost_vring_addr addr;
	int kick, call, err;
	bool is_enabled;
};

/* One chain: what the device reads, what it writes. */
struct test_chain {
	struct iovec in[TEST_BUFFERS], out[TEST_BUFFERS];
	unsigned nr_in, nr_out;
	uint16_t head;
};

struct test_device {
	/* to be set before it starts */
	uint64_t features, protocol, nr_queues;
	uint8_t config[VHOST_CONFIG_MAX];
	uint32_t lie_at; /* a request */
	enum test_lie lie;
	uint64_t lie_value;
	/* Serves a chain: how many bytes it wrote; -1: it keeps the chain for ever. */
	int64_t (*serve)(struct test_device *d, unsigned queue, struct test_chain *c);
	void *arg;

	/* what it was told */
	int socket, backend;
	uint64_t accepted, agreed;
	atomic_uint nr_regions;
	struct {
		struct vhost_mem_region region;
		char *at;
	} memory[VHOST_REGIONS_MAX];
	struct test_ring rings[TEST_QUEUES];
	atomic_bool has_owner, is_ending;
	pthread_t thread;
	int wake;
};

/* Sets up an honest one, of TEST_QUEUES queues. */
void test_device_init(struct test_device *d);
/* Starts it: returns the other end of its socket. */
int test_device_start(struct test_device *d);
/* Ends it, as if it were killed. */
void test_device_stop(struct test_device *d);
/* Calls the queue's eventfd. */
void test_device_call(struct test_device *d, unsigned queue);
