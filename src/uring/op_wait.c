/*
 * What waits for other things than files: WAITID for children, FUTEX_WAIT and
 * FUTEX_WAITV for words. Each is queued where the system call's thread would be, and
 * looked at when something came there (poll.c has the ownership). They end with their
 * process: nobody else could know of it.
 */
#include <sys/wait.h>

#include "abi/futex.h"
#include "base/kmem.h"
#include "uring/internal.h"
#include "uring/ops.h"

/* The owner's: it is over. */
static void done(struct req *req, struct issue *is, long res)
{
	poll_unhook(req);
	(void)req_result(req, res);
	complete_later(req, is);
}

static bool is_over(const struct req *req, const struct issue *is)
{
	return poll_is_cancelled(req) || !is->task;
}

/* ---- WAITID ---- */

int waitid_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_misc *m = &req->misc;

	if (sqe->addr || sqe->buf_index || sqe->addr3 || sqe->waitid_flags)
		return -EINVAL;
	m->x = sqe->len; /* which kind */
	m->fd = sqe->fd; /* its number */
	m->y = sqe->file_index;
	m->a = sqe->addr2;
	return 0;
}

/* 1: res says; 0: nothing yet. */
static int look_for_child(struct req *req, struct task *t, struct wait_result *res)
{
	const struct op_misc *m = &req->misc;

	return task_wait(t, (int)m->x, m->fd, (int)m->y | WNOHANG, res);
}

static void look_waitid(struct req *req, struct issue *is)
{
	unsigned seen;

	do {
		struct wait_result res = { 0 };
		int r;

		seen = poll_refs(req);
		if (is_over(req, is)) {
			done(req, is, -ECANCELED);
			return;
		}
		r = look_for_child(req, is->task, &res);
		if (r > 0)
			r = task_waitid_put(is->task, req->misc.a, &res) < 0 ? -EFAULT : 1;
		if (r != 0) {
			done(req, is, MIN(r, 0));
			return;
		}
	} while (!poll_let_go(req, &seen));
}

int waitid_issue(struct req *req, struct issue *is)
{
	struct op_misc *m = &req->misc;
	struct task *t = is->task;
	struct wait_result res = { 0 };
	bool nonblock;
	int which = (int)m->x;
	int r = task_waitid_target(t, (int)m->y, &which, &m->fd, &nonblock);

	if (r < 0)
		return r;
	m->x = (uint32_t)which;
	if ((m->y & WNOHANG) || nonblock) {
		r = look_for_child(req, t, &res);
		if (r == 0 && !(m->y & WNOHANG))
			return req_result(req, -EAGAIN);
		if (r >= 0)
			r = task_waitid_put(t, m->a, &res);
		return req_result(req, r);
	}
	req->flags |= REQ_INFLIGHT;
	poll_begin(req, look_waitid);
	poll_queue_on(req, &t->group->child_waitq);
	waiting_add(req, WAIT_POLL);
	look_waitid(req, is);
	return ISSUE_PENDING;
}

/* ---- FUTEX_WAIT, FUTEX_WAITV ---- */

struct futex_op {
	struct futex_async fa;
	struct req *req;
	uint32_t mask;
	unsigned count;
	struct futex_waitv_entry v[];
};

static bool flags_are_valid(uint64_t flags)
{
	return !(flags & ~(uint64_t)(ABI_FUTEX2_SIZE_MASK | ABI_FUTEX2_PRIVATE)) &&
	       (flags & ABI_FUTEX2_SIZE_MASK) == ABI_FUTEX2_SIZE_U32;
}

static struct futex_op *futex_op_create(struct req *req, unsigned count)
{
	struct futex_op *fo = kmem_zalloc_for(KMEM_URING, sizeof(*fo) + count * sizeof(fo->v[0]));

	if (!fo)
		return NULL;
	fo->req = req;
	fo->count = count;
	fo->mask = FUTEX_BITSET_MATCH_ANY;
	req->data = fo;
	return fo;
}

int futex_wait_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct futex_op *fo;

	if (sqe->len || sqe->futex_flags || sqe->buf_index || sqe->file_index)
		return -EINVAL;
	if (!flags_are_valid((uint32_t)sqe->fd))
		return -EINVAL;
	/* Words have 32 bits. */
	if (sqe->addr2 > UINT32_MAX || sqe->addr3 > UINT32_MAX)
		return -EINVAL;
	fo = futex_op_create(req, 1);
	if (!fo)
		return -ENOMEM;
	fo->mask = (uint32_t)sqe->addr3;
	fo->v[0] =
		(struct futex_waitv_entry){ .addr = sqe->addr,
					    .val = (uint32_t)sqe->addr2,
					    .is_private = (uint32_t)sqe->fd & ABI_FUTEX2_PRIVATE };
	return 0;
}

int futex_waitv_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct futex_op *fo;

	if (sqe->fd || sqe->buf_index || sqe->file_index || sqe->addr2 || sqe->futex_flags ||
	    sqe->addr3)
		return -EINVAL;
	if (!sqe->len || sqe->len > FUTEX_WAITV_ENTRIES)
		return -EINVAL;
	fo = futex_op_create(req, sqe->len);
	if (!fo)
		return -ENOMEM;
	for (unsigned i = 0; i < fo->count; i++) {
		struct abi_futex_waitv in;

		if (mm_copy_in(req_task(req)->mm, &in, sqe->addr + i * sizeof(in), sizeof(in)) < 0)
			return -EFAULT;
		if (!flags_are_valid(in.flags) || in.reserved || in.val > UINT32_MAX)
			return -EINVAL;
		fo->v[i] =
			(struct futex_waitv_entry){ .addr = in.uaddr,
						    .val = (uint32_t)in.val,
						    .is_private = in.flags & ABI_FUTEX2_PRIVATE };
	}
	return 0;
}

static void futex_told(struct futex_async *fa)
{
	poll_wake(container_of(fa, struct futex_op, fa)->req);
}

/* Told once, or cancelled: both end it. */
static void look_futex(struct req *req, struct issue *is)
{
	struct futex_op *fo = req->data;
	int woken = futex_async_leave(&fo->fa);

	done(req, is, woken >= 0 ? woken : -ECANCELED);
}

int futex_wait_issue(struct req *req, struct issue *is)
{
	struct futex_op *fo = req->data;
	unsigned seen;
	int r;

	if (!fo->mask)
		return req_result(req, -EINVAL);
	fo->fa.woken = futex_told;
	req->flags |= REQ_INFLIGHT;
	poll_begin(req, look_futex);
	r = futex_async_wait(is->task, fo->v, fo->count, fo->mask, &fo->fa);
	if (r != 0)
		return req_result(req, r > 0 ? r - 1 : r);
	seen = poll_refs(req);
	waiting_add(req, WAIT_POLL);
	if (seen != 1 || !poll_let_go(req, &seen))
		look_futex(req, is);
	return ISSUE_PENDING;
}

void futex_wait_cleanup(struct req *req)
{
	if (req->data)
		(void)futex_async_leave(&((struct futex_op *)req->data)->fa);
	kmem_free_for(KMEM_URING, req->data);
}

/* ---- FUTEX_WAKE ---- */

int futex_wake_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_misc *m = &req->misc;

	if (sqe->len || sqe->futex_flags || sqe->buf_index || sqe->file_index)
		return -EINVAL;
	if (!flags_are_valid((uint32_t)sqe->fd) || sqe->addr3 > UINT32_MAX)
		return -EINVAL;
	m->a = sqe->addr;
	m->b = sqe->addr2;
	m->x = (uint32_t)sqe->addr3;
	m->y = (uint32_t)sqe->fd;
	return m->b > UINT32_MAX ? -EINVAL : 0;
}

int futex_wake_issue(struct req *req, struct issue *is)
{
	const struct op_misc *m = &req->misc;

	return req_result(req, futex_wake_exactly(is->task, m->a, m->y & ABI_FUTEX2_PRIVATE, m->x,
						  (int)MIN(m->b, (uint64_t)INT32_MAX)));
}
