/* TIMEOUT, LINK_TIMEOUT and TIMEOUT_REMOVE, which also changes one that runs. */
#include "uring/cancel.h"
#include "uring/internal.h"
#include "uring/ops.h"
#include "uring/timeout.h"

#define SET_FLAGS                                                                        \
	(IORING_TIMEOUT_ABS | IORING_TIMEOUT_CLOCK_MASK | IORING_TIMEOUT_ETIME_SUCCESS | \
	 IORING_TIMEOUT_MULTISHOT)

static int one_bit_at_most(uint32_t v)
{
	return !(v & (v - 1));
}

static int prep_common(struct req *req, const struct io_uring_sqe *sqe, bool is_link)
{
	struct op_timeout *to = &req->timeout;
	uint64_t ns;
	int err;

	if (sqe->buf_index || sqe->len != 1 || sqe->splice_fd_in)
		return -EINVAL;
	if (sqe->off && is_link)
		return -EINVAL;
	to->flags = sqe->timeout_flags;
	if (to->flags & ~SET_FLAGS)
		return -EINVAL;
	if (!one_bit_at_most(to->flags & IORING_TIMEOUT_CLOCK_MASK))
		return -EINVAL;
	/* multishot requests only make sense with rel values */
	if ((to->flags & IORING_TIMEOUT_MULTISHOT) && (to->flags & IORING_TIMEOUT_ABS))
		return -EINVAL;
	if ((to->flags & IORING_TIMEOUT_MULTISHOT) && is_link)
		return -EINVAL;
	err = uring_timespec(req_task(req), sqe->addr, &ns);
	if (err < 0)
		return err;
	to->period_ns = ns;
	to->count = (uint32_t)sqe->off;
	list_init(&to->link);
	return 0;
}

int timeout_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	return prep_common(req, sqe, false);
}

int timeout_issue(struct req *req, struct issue *is)
{
	struct op_timeout *to = &req->timeout;
	int err;

	(void)is;
	if (to->flags & IORING_TIMEOUT_MULTISHOT)
		req->flags |= REQ_MULTISHOT;
	to->deadline_ns = uring_deadline(to->flags, to->period_ns);
	err = timeout_start(req);
	return err < 0 ? err : ISSUE_PENDING;
}

/* It belongs to the request before it, which must not be one itself. */
int link_timeout_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct req *last = req->ring->link.head ? req->ring->link.last : NULL;
	int err = prep_common(req, sqe, true);

	if (err < 0)
		return err;
	if (!last || last->opcode == IORING_OP_LINK_TIMEOUT)
		return -EINVAL;
	last->flags |= REQ_HAS_LTIMEOUT;
	return 0;
}

int timeout_remove_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_timeout_remove *tr = &req->tremove;
	uint64_t ns;
	int err;

	if (req->flags & (REQ_FIXED_FILE | REQ_BUFFER_SELECT))
		return -EINVAL;
	if (sqe->buf_index || sqe->len || sqe->splice_fd_in)
		return -EINVAL;
	tr->addr = sqe->addr;
	tr->flags = sqe->timeout_flags;
	if (!(tr->flags & IORING_TIMEOUT_UPDATE_MASK))
		return tr->flags ? -EINVAL : 0;
	if (!one_bit_at_most(tr->flags & IORING_TIMEOUT_CLOCK_MASK))
		return -EINVAL;
	if (tr->flags & ~(uint32_t)(IORING_TIMEOUT_UPDATE_MASK | IORING_TIMEOUT_ABS |
				    IORING_TIMEOUT_CLOCK_MASK))
		return -EINVAL;
	err = uring_timespec(req_task(req), sqe->addr2, &ns);
	tr->deadline_ns = ns;
	return err;
}

int timeout_remove_issue(struct req *req, struct issue *is)
{
	struct op_timeout_remove *tr = &req->tremove;
	const struct cancel_key key = {
		.ring = req->ring,
		.user_data = tr->addr,
		.flags = IORING_ASYNC_CANCEL_OP | IORING_ASYNC_CANCEL_USERDATA,
		.opcode = IORING_OP_TIMEOUT,
	};

	if (!(tr->flags & IORING_TIMEOUT_UPDATE_MASK))
		return req_result(req, cancel_matching(&key, is));
	return req_result(req, timeout_change(req->ring, tr->addr,
					      tr->flags & IORING_LINK_TIMEOUT_UPDATE
						      ? IORING_OP_LINK_TIMEOUT
						      : IORING_OP_TIMEOUT,
					      uring_deadline(tr->flags, tr->deadline_ns)));
}
