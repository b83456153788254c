/* Cancellation: finding what waits, and ending it. */
#pragma once

#include "mm/mm.h"
#include "uring/req.h"

struct cancel_key {
	struct ring *ring;
	uint64_t user_data;
	const struct file *file; /* IORING_ASYNC_CANCEL_FD */
	uint32_t flags;          /* IORING_ASYNC_CANCEL_* */
	uint8_t opcode;          /* IORING_ASYNC_CANCEL_OP */
	struct uring_task *ut;   /* only this task's; NULL: any */
	bool only_inflight;      /* only those that hold a ring open */
};

/* Cancels what matches: all with CANCEL_ALL or CANCEL_ANY, and then the number is the
 * result; else the first: 0, -EALREADY (it runs, and was told), -ENOENT. */
int cancel_matching(const struct cancel_key *key, struct issue *is);
#define CANCEL_FLAGS                                                                  \
	(IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ANY | \
	 IORING_ASYNC_CANCEL_FD_FIXED | IORING_ASYNC_CANCEL_USERDATA | IORING_ASYNC_CANCEL_OP)
/* The file that IORING_ASYNC_CANCEL_FD names; a reference. -EBADF. */
int cancel_file(struct ring *r, struct task *t, int32_t fd, bool is_fixed, struct file **out)
	MUST_CHECK;
/* IORING_REGISTER_SYNC_CANCEL, by the task t. The caller has the token. */
long cancel_sync(struct ring *r, struct task *t, struct uring_task *ut, gva_t arg);
/* A task leaves: all its requests, or only those that would keep a ring open. */
void cancel_of_task(struct uring_task *ut, bool all, struct issue *is);
/* The ring ends: everything. */
void cancel_of_ring(struct ring *r);

/* Every ring, by rising id: the first with id > after, with a reference. */
struct ring *rings_next(uint64_t after);
void rings_add(struct ring *r);
void rings_remove(struct ring *r);
