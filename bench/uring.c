/* io_uring, timed from inside: one line "name nanoseconds" each, the time of one
 * request in a stream of batches, beside the plain system call. Run natively and as
 * a guest by bench/run. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 128u
#define BLOCK 4096u
#define BLOCKS 4096u /* of the file */
#define SPINS 1000   /* for an SQPOLL thread's answer before it is waited for */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

struct ring {
	int fd;
	int is_polled; /* SQPOLL */
	_Atomic uint32_t *sq_tail, *sq_flags, *cq_head, *cq_tail;
	uint32_t sq_mask, cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static int fd;
static char *buffers; /* ENTRIES of them, registered too */

static void *map(int ring, uint64_t offset, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
		       (off_t)offset);

	must(p != MAP_FAILED, "mmap");
	return p;
}

static void ring_open(struct ring *r, uint32_t flags)
{
	struct io_uring_params p = { .flags = flags, .sq_thread_idle = 1000 };
	struct iovec registered = { buffers, ENTRIES * BLOCK };
	uint32_t *array;
	char *rings;

	r->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
	must(r->fd >= 0, "io_uring_setup");
	r->is_polled = (flags & IORING_SETUP_SQPOLL) != 0;
	rings = map(r->fd, IORING_OFF_SQ_RING,
		    p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe) +
			    p.sq_entries * sizeof(uint32_t));
	r->sqes = map(r->fd, IORING_OFF_SQES, p.sq_entries * sizeof(struct io_uring_sqe));
	r->sq_tail = (void *)(rings + p.sq_off.tail);
	r->sq_flags = (void *)(rings + p.sq_off.flags);
	r->cq_head = (void *)(rings + p.cq_off.head);
	r->cq_tail = (void *)(rings + p.cq_off.tail);
	r->cqes = (void *)(rings + p.cq_off.cqes);
	r->sq_mask = p.sq_entries - 1;
	r->cq_mask = p.cq_entries - 1;
	array = (void *)(rings + p.sq_off.array);
	for (uint32_t i = 0; i < p.sq_entries; i++)
		array[i] = i;
	must(syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_BUFFERS, &registered, 1) == 0,
	     "register buffers");
	must(syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_FILES, &fd, 1) == 0,
	     "register files");
}

static void enter(struct ring *r, uint32_t submit, uint32_t wait, uint32_t flags)
{
	must(syscall(SYS_io_uring_enter, r->fd, submit, wait, flags, NULL, 0) >= 0,
	     "io_uring_enter");
}

/* Submits the batch that has been filled in and waits until it is done. */
static void run_batch(struct ring *r, uint32_t tail, uint32_t batch)
{
	uint32_t head = atomic_load_explicit(r->cq_head, memory_order_relaxed);

	if (r->is_polled) {
		atomic_store(r->sq_tail, tail);
		atomic_thread_fence(memory_order_seq_cst);
		if (atomic_load(r->sq_flags) & IORING_SQ_NEED_WAKEUP)
			enter(r, 0, 0, IORING_ENTER_SQ_WAKEUP);
		for (int i = 0; i < SPINS; i++) {
			if (atomic_load_explicit(r->cq_tail, memory_order_acquire) - head >= batch)
				break;
			__builtin_ia32_pause();
		}
		if (atomic_load_explicit(r->cq_tail, memory_order_acquire) - head < batch)
			enter(r, 0, batch, IORING_ENTER_GETEVENTS);
	} else {
		atomic_store_explicit(r->sq_tail, tail, memory_order_release);
		enter(r, batch, batch, IORING_ENTER_GETEVENTS);
	}
	must(atomic_load_explicit(r->cq_tail, memory_order_acquire) - head == batch, "completions");
	for (uint32_t i = 0; i < batch; i++)
		must(r->cqes[(head + i) & r->cq_mask].res >= 0, "a request");
	atomic_store_explicit(r->cq_head, head + batch, memory_order_release);
}

static uint64_t random_offset(void)
{
	static uint32_t state = 1;

	state = state * 1664525u + 1013904223u;
	return (uint64_t)(state >> 16) % BLOCKS * BLOCK;
}

static void fill(struct io_uring_sqe *sqe, uint8_t opcode, uint32_t i)
{
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	if (opcode == IORING_OP_NOP)
		return;
	sqe->off = random_offset();
	sqe->addr = (uintptr_t)(buffers + (size_t)i * BLOCK);
	sqe->len = BLOCK;
	sqe->fd = fd;
	if (opcode == IORING_OP_READ_FIXED) {
		sqe->fd = 0;
		sqe->flags = IOSQE_FIXED_FILE;
	}
}

static void row(const char *name, double t0, uint32_t count)
{
	printf("%s\t%.0f\n", name, (now() - t0) / count);
	fflush(stdout);
}

static void ring_row(const char *name, struct ring *r, uint8_t opcode, uint32_t batch,
		     uint32_t count)
{
	uint32_t tail = atomic_load_explicit(r->sq_tail, memory_order_relaxed);
	double t0 = 0;

	/* The first batch warms up. */
	for (uint32_t done = 0; done < count + batch; done += batch) {
		if (done == batch)
			t0 = now();
		for (uint32_t i = 0; i < batch; i++)
			fill(&r->sqes[tail++ & r->sq_mask], opcode, i);
		run_batch(r, tail, batch);
	}
	row(name, t0, count);
}

static void plain_row(uint32_t count)
{
	double t0 = now();

	for (uint32_t i = 0; i < count; i++)
		must(pread(fd, buffers, BLOCK, (off_t)random_offset()) == BLOCK, "pread");
	row("pread 4 KiB", t0, count);
}

/* ---- TCP over loopback: one byte there and back, in one thread ---- */

static void connect_pair(int pair[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof(at);
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(listener, (struct sockaddr *)&at, size) == 0, "bind");
	must(getsockname(listener, (struct sockaddr *)&at, &size) == 0, "getsockname");
	must(listen(listener, 1) == 0, "listen");
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	must(connect(pair[0], (struct sockaddr *)&at, size) == 0, "connect");
	pair[1] = accept(listener, NULL, NULL);
	must(pair[1] >= 0, "accept");
	close(listener);
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void plain_echo_row(const int pair[2], uint32_t count)
{
	double t0 = now();
	char c = 'x';

	for (uint32_t i = 0; i < count; i++) {
		must(send(pair[0], &c, 1, 0) == 1 && recv(pair[1], &c, 1, 0) == 1, "there");
		must(send(pair[1], &c, 1, 0) == 1 && recv(pair[0], &c, 1, 0) == 1, "back");
	}
	row("TCP echo, by calls", t0, count);
}

/* Four linked requests a round trip, and one call. */
static void ring_echo_row(struct ring *r, const int pair[2], uint32_t count)
{
	static const uint8_t ops[4] = { IORING_OP_SEND, IORING_OP_RECV, IORING_OP_SEND,
					IORING_OP_RECV };
	const int ends[4] = { pair[0], pair[1], pair[1], pair[0] };
	uint32_t tail = atomic_load_explicit(r->sq_tail, memory_order_relaxed);
	double t0 = now();

	for (uint32_t done = 0; done < count; done++) {
		for (int i = 0; i < 4; i++) {
			struct io_uring_sqe *sqe = &r->sqes[tail++ & r->sq_mask];

			memset(sqe, 0, sizeof(*sqe));
			sqe->opcode = ops[i];
			sqe->fd = ends[i];
			sqe->addr = (uintptr_t)buffers;
			sqe->len = 1;
			sqe->flags = i < 3 ? IOSQE_IO_LINK : 0;
		}
		run_batch(r, tail, 4);
	}
	row("TCP echo, io_uring", t0, count);
}

int main(void)
{
	static const char path[] = "/tmp/nacre-bench-uring";
	struct ring plain, polled;
	int pair[2];

	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	buffers = mmap(NULL, ENTRIES * BLOCK, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	must(fd >= 0 && buffers != MAP_FAILED, path);
	unlink(path);
	for (uint32_t i = 0; i < BLOCKS; i++)
		must(write(fd, buffers, BLOCK) == BLOCK, "write");
	ring_open(&plain, 0);
	ring_row("nop, 1 a call", &plain, IORING_OP_NOP, 1, 1 << 15);
	ring_row("nop, 32 a call", &plain, IORING_OP_NOP, 32, 1 << 19);
	plain_row(1 << 15);
	ring_row("read 4 KiB, 1 a call", &plain, IORING_OP_READ, 1, 1 << 15);
	ring_row("read 4 KiB, 32 a call", &plain, IORING_OP_READ, 32, 1 << 17);
	ring_row("read 4 KiB, 128 a call", &plain, IORING_OP_READ, 128, 1 << 17);
	ring_row("fixed read, 32 a call", &plain, IORING_OP_READ_FIXED, 32, 1 << 17);
	connect_pair(pair);
	plain_echo_row(pair, 1 << 13);
	ring_echo_row(&plain, pair, 1 << 13);
	ring_open(&polled, IORING_SETUP_SQPOLL);
	ring_row("nop, 32, SQPOLL", &polled, IORING_OP_NOP, 32, 1 << 15);
	ring_row("read 4 KiB, 32, SQPOLL", &polled, IORING_OP_READ, 32, 1 << 15);
	ring_row("fixed read, 32, SQPOLL", &polled, IORING_OP_READ_FIXED, 32, 1 << 15);
	return 0;
}
