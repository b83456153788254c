/* io_uring by its raw system calls, for tests: no liburing, so that nothing newer than
 * it is out of reach. A test that cannot have io_uring natively skips (ring_need). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi/io_uring_reg.h"
#include "check.h"

struct uring {
	int fd;
	struct io_uring_params p;
	char *rings, *sqes;
	size_t rings_size, sqes_size;
	unsigned pending; /* entries that were got and not submitted */
};

static inline int io_setup_ring(unsigned entries, struct io_uring_params *p)
{
	return (int)syscall(425, entries, p);
}

static inline int io_enter(int fd, unsigned submit, unsigned wait, unsigned flags, const void *arg,
			   size_t size)
{
	return (int)syscall(426, fd, submit, wait, flags, arg, size);
}

static inline int io_register(int fd, unsigned op, const void *arg, unsigned nr)
{
	return (int)syscall(427, fd, op, arg, nr);
}

void ring_need(void);
/* Opens and maps; p may hold flags and sizes. */
void ring_make(struct uring *r, unsigned entries, unsigned flags);
void ring_make_params(struct uring *r, unsigned entries, const struct io_uring_params *p);
void ring_map(struct uring *r);
void ring_unmap(struct uring *r);
void ring_close(struct uring *r);
/* The next entry, zeroed but for its operation and user_data. */
struct io_uring_sqe *ring_sqe(struct uring *r, unsigned op, uint64_t user_data);
/* Submits what was got, waits for `wait` completions: io_uring_enter's result. */
int ring_submit(struct uring *r, unsigned wait);
/* The next completion, for which it waits a few seconds at most. */
struct io_uring_cqe ring_wait(struct uring *r);
/* The same, which must be user_data's. Its result. */
int ring_result(struct uring *r, uint64_t user_data);
/* Takes the next one that is there; false: none. */
bool ring_peek(struct uring *r, struct io_uring_cqe *out);
unsigned ring_ready(const struct uring *r);
uint32_t *ring_word(const struct uring *r, unsigned off);
