/* native: skip
 * output: varies
 * nacre:
 * nacre: --io-uring-pages
 * A program that means no good: random entries, half of them sensible, many in chains, are
 * submitted by several threads while one writes into the rings what it likes (heads,
 * tails, masks, sizes, entries, buffer rings), and one registers what it likes. Children
 * do it, and may end as they like: the kernel is to be there afterwards. (Not natively: it
 * closes, unmaps and truncates what it finds.) Argument: the seed. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "ring.h"

#define CHILDREN 16
#define ROUNDS 1200

static struct uring r;
static char memory[16384];
static volatile int is_over;

static uint64_t next(uint64_t *s)
{
	*s = *s * 6364136223846793005ull + 1442695040888963407ull;
	return *s >> 24;
}

/* A value that may mean something. */
static uint64_t value(uint64_t *s)
{
	static const uint64_t odd[] = { 0, 1, 2, 0xffffffff, ~0ull, 1ull << 31, 1ull << 47, 4096 };
	uint64_t n = next(s);

	switch (n & 3) {
	case 0:
		return odd[n >> 2 & 7];
	case 1:
		return n >> 8 & 31;
	default:
		return (uintptr_t)memory + (n >> 8) % sizeof(memory);
	}
}

/* Entries that mere chance would hardly make. */
static void sensible(uint64_t *s, struct io_uring_sqe *e)
{
	static const int64_t times[3][2] = { { 0, 1000 }, { 0, 1000000 }, { 100, 0 } };
	static const uint8_t codes[] = { IORING_OP_LINK_TIMEOUT, IORING_OP_TIMEOUT,
					 IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL };
	uint64_t n = next(s);

	memset(&e->off, 0, sizeof(*e) - offsetof(struct io_uring_sqe, off));
	e->user_data = n >> 8 & 15;
	e->opcode = codes[n & 3];
	e->flags &= (uint8_t) ~(IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
	e->ioprio = 0;
	switch (e->opcode) {
	case IORING_OP_POLL_ADD:
		e->poll32_events = (uint32_t)(n >> 16 & 31);
		e->len = n >> 24 & 1;
		break;
	case IORING_OP_ASYNC_CANCEL:
		e->addr = n >> 16 & 15;
		e->cancel_flags = n >> 24 & 7;
		break;
	default:
		e->addr = (uintptr_t)times[n >> 16 & 1 ? 2 : n >> 17 & 1];
		e->len = 1;
		e->off = e->opcode == IORING_OP_TIMEOUT ? n >> 24 & 3 : 0;
	}
}

static void random_entry(uint64_t *s, struct io_uring_sqe *e)
{
	uint64_t n = next(s);

	memset(e, 0, sizeof(*e));
	e->opcode = (uint8_t)(n % 70);
	e->fd = (int)(n >> 8) % 24 + 3;
	e->addr = value(s);
	e->len = (uint32_t)(next(s) % 300);
	e->user_data = n >> 20 & 15;
	if (n >> 32 & 1)
		e->off = value(s);
	if (n >> 33 & 1)
		e->op_flags = (uint32_t)next(s) & 0xff;
	if (n >> 34 & 1)
		e->flags = (uint8_t)next(s);
	/* A chain, and in it what guards its request; or what ends some. */
	if ((n >> 46 & 3) == 0)
		e->flags = IOSQE_IO_LINK;
	if ((n >> 48 & 7) == 0)
		sensible(s, e);
	if (n >> 35 & 1)
		e->buf_index = (uint16_t)(next(s) & 7);
	if ((n >> 36 & 7) == 0)
		e->file_index = (uint32_t)value(s);
	if ((n >> 39 & 7) == 0)
		e->ioprio = (uint16_t)next(s) & 31;
	if ((n >> 42 & 15) == 0)
		e->addr3 = value(s);
}

static void *submits(void *arg)
{
	uint64_t s = (uintptr_t)arg;

	for (int i = 0; i < ROUNDS && !is_over; i++) {
		struct io_uring_sqe *sqes = (struct io_uring_sqe *)r.sqes;
		unsigned n = (unsigned)next(&s) % 8;

		for (unsigned k = 0; k < n; k++)
			random_entry(&s, &sqes[next(&s) % r.p.sq_entries]);
		__atomic_fetch_add(ring_word(&r, r.p.sq_off.tail), n, __ATOMIC_RELEASE);
		io_enter(r.fd, n, 0, (unsigned)next(&s) & 1, NULL, 0);
		if (next(&s) % 4 == 0)
			*ring_word(&r, r.p.cq_off.head) = *ring_word(&r, r.p.cq_off.tail);
	}
	return NULL;
}

static void *scribbles(void *arg)
{
	uint64_t s = (uintptr_t)arg;

	while (!is_over) {
		size_t words = r.rings_size / 4, at = next(&s) % (next(&s) & 1 ? 16 : words);

		((volatile uint32_t *)(void *)r.rings)[at] = (uint32_t)value(&s);
		((volatile uint32_t *)(void *)r.sqes)[next(&s) % (r.sqes_size / 4)] =
			(uint32_t)value(&s);
		if (next(&s) % 64 == 0)
			usleep(100);
	}
	return NULL;
}

static void *registers(void *arg)
{
	uint64_t s = (uintptr_t)arg;

	while (!is_over) {
		uint32_t words[32];
		uint64_t n = next(&s);

		for (size_t i = 0; i < 32; i++)
			words[i] = (n >> i & 1) ? (uint32_t)value(&s) & 63 : 0;
		if (n >> 40 & 1)
			memcpy(words, &(uint64_t){ value(&s) }, 8);
		io_register(r.fd, (unsigned)(n >> 42) % IORING_REGISTER_LAST, words,
			    n >> 41 & 1 ? 1 : (unsigned)(next(&s) % 70));
		if ((n >> 50 & 15) == 0)
			usleep(200);
	}
	return NULL;
}

static void things(void)
{
	struct iovec iov[4] = {
		{ memory, 4096 }, { memory + 4096, 100 }, { NULL, 0 }, { memory, 1 }
	};
	struct io_uring_buf_reg reg = { .ring_entries = 8, .bgid = 3, .flags = IOU_PBUF_RING_MMAP };
	int fds[12], n = 0;

	CHECK(pipe2(fds, O_NONBLOCK) == 0 && pipe(fds + 2) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds + 4) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds + 6) == 0);
	fds[8] = open("hostile_file", O_RDWR | O_CREAT, 0600);
	fds[9] = eventfd(0, 0);
	n = 10;
	io_register(r.fd, IORING_REGISTER_FILES, fds, (unsigned)n);
	io_register(r.fd, IORING_REGISTER_BUFFERS, iov, 4);
	io_register(r.fd, IORING_REGISTER_PBUF_RING, &reg, 1);
	io_register(r.fd, IORING_REGISTER_EVENTFD, &fds[9], 1);
}

static void child(uint64_t seed)
{
	static const unsigned flags[] = { 0,
					  IORING_SETUP_SUBMIT_ALL,
					  IORING_SETUP_SQPOLL,
					  IORING_SETUP_CQE32,
					  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
						  IORING_SETUP_TASKRUN_FLAG |
						  IORING_SETUP_CQE_MIXED,
					  IORING_SETUP_IOPOLL };
	pthread_t th[4];

	signal(SIGPIPE, SIG_IGN);
	alarm(10);
	ring_make(&r, 16, flags[seed % (sizeof(flags) / sizeof(flags[0]))]);
	things();
	for (unsigned i = 0; i < r.p.sq_entries; i++)
		ring_word(&r, r.p.sq_off.array)[i] = i;
	pthread_create(&th[0], NULL, submits, (void *)(uintptr_t)(seed * 3 + 1));
	pthread_create(&th[1], NULL, submits, (void *)(uintptr_t)(seed * 5 + 2));
	pthread_create(&th[2], NULL, scribbles, (void *)(uintptr_t)(seed * 7 + 3));
	pthread_create(&th[3], NULL, registers, (void *)(uintptr_t)(seed * 11 + 5));
	/* Of a ring with one issuer this is the one. */
	submits((void *)(uintptr_t)(seed * 13 + 7));
	pthread_join(th[0], NULL);
	pthread_join(th[1], NULL);
	is_over = 1;
	pthread_join(th[2], NULL);
	pthread_join(th[3], NULL);
	_exit(0);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	int status;

	ring_need();
	for (unsigned i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();

		if (pid == 0)
			child(seed + i);
		CHECK(waitpid(pid, &status, 0) == pid);
	}
	/* The kernel is there, and serves. */
	ring_make(&r, 8, 0);
	ring_sqe(&r, IORING_OP_NOP, 1);
	CHECK_EQ(ring_submit(&r, 1), 1);
	CHECK_EQ(ring_result(&r, 1), 0);
	ring_close(&r);
	return 0;
}
