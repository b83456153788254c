#include "ring.h"

#include <sched.h>
#include <time.h>

#define WAIT_SECONDS 20

uint32_t *ring_word(const struct uring *r, unsigned off)
{
	return (uint32_t *)(void *)(r->rings + off);
}

void ring_need(void)
{
	struct io_uring_params p = { 0 };
	int fd = io_setup_ring(1, &p);

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		SKIP("no io_uring here");
	CHECK(fd >= 0);
	close(fd);
}

void ring_map(struct uring *r)
{
	size_t sqe = r->p.flags & IORING_SETUP_SQE128 ? 128 : 64;
	size_t cqe = r->p.flags & IORING_SETUP_CQE32 ? 32 : 16;
	size_t array = r->p.sq_off.array + r->p.sq_entries * sizeof(uint32_t);

	r->rings_size = r->p.cq_off.cqes + r->p.cq_entries * cqe;
	if (!(r->p.flags & IORING_SETUP_NO_SQARRAY) && array > r->rings_size)
		r->rings_size = array;
	r->sqes_size = r->p.sq_entries * sqe;
	r->rings = mmap(NULL, r->rings_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			r->fd, IORING_OFF_SQ_RING);
	CHECK(r->rings != MAP_FAILED);
	r->sqes = mmap(NULL, r->sqes_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
		       IORING_OFF_SQES);
	CHECK(r->sqes != MAP_FAILED);
}

void ring_make_params(struct uring *r, unsigned entries, const struct io_uring_params *p)
{
	memset(r, 0, sizeof(*r));
	r->p = *p;
	r->fd = io_setup_ring(entries, &r->p);
	CHECK(r->fd >= 0);
	ring_map(r);
}

void ring_make(struct uring *r, unsigned entries, unsigned flags)
{
	struct io_uring_params p = { .flags = flags };

	ring_make_params(r, entries, &p);
}

void ring_unmap(struct uring *r)
{
	CHECK(munmap(r->rings, r->rings_size) == 0);
	CHECK(munmap(r->sqes, r->sqes_size) == 0);
}

void ring_close(struct uring *r)
{
	ring_unmap(r);
	CHECK(close(r->fd) == 0);
}

struct io_uring_sqe *ring_sqe(struct uring *r, unsigned op, uint64_t user_data)
{
	uint32_t mask = *ring_word(r, r->p.sq_off.ring_mask);
	uint32_t tail = *ring_word(r, r->p.sq_off.tail) + r->pending, index = tail & mask;
	const uint32_t *head = ring_word(r, r->p.sq_off.head);
	size_t size = r->p.flags & IORING_SETUP_SQE128 ? 128 : 64;
	struct io_uring_sqe *sqe = (void *)(r->sqes + index * size);

	/* A polling thread may not have come to say that it has taken the last ones. */
	while ((r->p.flags & IORING_SETUP_SQPOLL) &&
	       tail - __atomic_load_n(head, __ATOMIC_ACQUIRE) >= r->p.sq_entries)
		sched_yield();
	CHECK(tail - __atomic_load_n(head, __ATOMIC_ACQUIRE) < r->p.sq_entries);
	if (!(r->p.flags & IORING_SETUP_NO_SQARRAY))
		ring_word(r, r->p.sq_off.array)[index] = index;
	memset(sqe, 0, size);
	sqe->opcode = (uint8_t)op;
	sqe->user_data = user_data;
	r->pending++;
	return sqe;
}

int ring_submit(struct uring *r, unsigned wait)
{
	uint32_t *tail = ring_word(r, r->p.sq_off.tail);
	unsigned n = r->pending, flags = wait ? IORING_ENTER_GETEVENTS : 0;

	__atomic_store_n(tail, *tail + n, __ATOMIC_RELEASE);
	r->pending = 0;
	if (r->p.flags & IORING_SETUP_SQPOLL) {
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (*(volatile uint32_t *)ring_word(r, r->p.sq_off.flags) & IORING_SQ_NEED_WAKEUP)
			flags |= IORING_ENTER_SQ_WAKEUP;
		if (!flags)
			return (int)n;
	}
	if (r->p.flags & IORING_SETUP_DEFER_TASKRUN)
		flags |= IORING_ENTER_GETEVENTS;
	return io_enter(r->fd, n, wait, flags, NULL, 0);
}

unsigned ring_ready(const struct uring *r)
{
	return __atomic_load_n(ring_word(r, r->p.cq_off.tail), __ATOMIC_ACQUIRE) -
	       *ring_word(r, r->p.cq_off.head);
}

bool ring_peek(struct uring *r, struct io_uring_cqe *out)
{
	uint32_t *head = ring_word(r, r->p.cq_off.head);
	uint32_t mask = *ring_word(r, r->p.cq_off.ring_mask);
	size_t size = r->p.flags & IORING_SETUP_CQE32 ? 32 : 16;

	if (!ring_ready(r))
		return false;
	*out = *(struct io_uring_cqe *)(void *)(r->rings + r->p.cq_off.cqes +
						(*head & mask) * size);
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return true;
}

struct io_uring_cqe ring_wait(struct uring *r)
{
	const int64_t ts[2] = { WAIT_SECONDS, 0 };
	const struct io_uring_getevents_arg arg = { .ts = (uint64_t)(uintptr_t)ts };
	struct io_uring_cqe cqe;
	int n;

	while (!ring_peek(r, &cqe)) {
		n = io_enter(r->fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg,
			     sizeof(arg));
		CHECK(n >= 0 || errno == EINTR);
	}
	return cqe;
}

int ring_result(struct uring *r, uint64_t user_data)
{
	struct io_uring_cqe cqe = ring_wait(r);

	CHECK_EQ(cqe.user_data, user_data);
	return cqe.res;
}
