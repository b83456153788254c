/* POLL_ADD and POLL_REMOVE, which also changes a poll that is armed. */
#include "uring/cancel.h"
#include "uring/internal.h"
#include "uring/ops.h"

#define POLL_UPDATE_FLAGS \
	(IORING_POLL_UPDATE_EVENTS | IORING_POLL_UPDATE_USER_DATA | IORING_POLL_ADD_MULTI)
#define EXCLUSIVE_BIT (1u << 28) /* EPOLLEXCLUSIVE */

/* The old form has 16 bits; IORING_FEAT_POLL_32BITS: all of them count. */
static uint32_t events_of(const struct io_uring_sqe *sqe)
{
	return sqe->poll32_events;
}

int poll_add_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_poll *p = &req->padd;

	if (sqe->buf_index || sqe->off || sqe->addr)
		return -EINVAL;
	p->flags = sqe->len;
	if (p->flags & ~IORING_POLL_ADD_MULTI)
		return -EINVAL;
	if ((p->flags & IORING_POLL_ADD_MULTI) && (req->flags & REQ_CQE_SKIP))
		return -EINVAL;
	p->events = events_of(sqe);
	return 0;
}

static uint32_t wanted_events(uint32_t events)
{
	return events & EV_ALL;
}

int poll_add_issue(struct req *req, struct issue *is)
{
	struct op_poll *p = &req->padd;
	uint32_t mask;

	(void)is;
	req->poll.exclusive = p->events & EXCLUSIVE_BIT;
	if (p->flags & IORING_POLL_ADD_MULTI)
		req->flags |= REQ_MULTISHOT;
	switch (poll_arm(req, wanted_events(p->events), &mask)) {
	case POLL_ARMED:
		return ISSUE_PENDING;
	case POLL_READY:
		req->res = (int32_t)mask;
		return ISSUE_DONE;
	case POLL_FAILED:
		break;
	}
	return -EINVAL;
}

int poll_remove_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_poll *p = &req->padd;

	if (sqe->buf_index || sqe->splice_fd_in)
		return -EINVAL;
	p->flags = sqe->len;
	if (p->flags & ~POLL_UPDATE_FLAGS)
		return -EINVAL;
	/* meaningless without update */
	if (p->flags == IORING_POLL_ADD_MULTI)
		return -EINVAL;
	p->old_user_data = sqe->addr;
	p->new_user_data = sqe->off;
	if (!(p->flags & IORING_POLL_UPDATE_USER_DATA) && p->new_user_data)
		return -EINVAL;
	if (p->flags & IORING_POLL_UPDATE_EVENTS)
		p->events = events_of(sqe);
	else if (sqe->poll32_events)
		return -EINVAL;
	return 0;
}

int poll_remove_issue(struct req *req, struct issue *is)
{
	return req_result(req, poll_change(req, is));
}
