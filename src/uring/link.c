/*
 * Links: requests that follow each other. A chain hangs on its first request, by
 * req.link; when one is done, the next goes on, or, if it failed and was not linked
 * hard, all that is left ends with -ECANCELED. A LINK_TIMEOUT in the chain belongs to
 * the request before it and ends with it.
 */
#include "uring/internal.h"

static void ended_add(struct req *req, struct req ***ended)
{
	req->link_done = NULL;
	req->link = NULL;
	req->flags &= ~(uint32_t)(REQ_LINKS | REQ_HAS_LTIMEOUT);
	**ended = req;
	*ended = &req->link_done;
}

/* The timeout behind req, which is done, is not needed any more. */
static void disarm(struct req *req, struct req ***ended)
{
	struct req *lt = req->link;

	req->flags &= ~(uint32_t)REQ_HAS_LTIMEOUT;
	if (!lt || lt->opcode != IORING_OP_LINK_TIMEOUT)
		return;
	req->link = lt->link;
	lt->link = NULL;
	lt->timeout.head = NULL;
	mutex_assert_held(&lt->ring->lock);
	if (lt->wait == WAIT_TIMER && !timeout_take_locked(lt))
		return; /* it fires at this moment, and finds nobody to cancel */
	lt->res = -ECANCELED;
	lt->cflags = 0;
	ended_add(lt, ended);
}

/* Everything behind req is cancelled. */
static void fail_chain(struct req *req, struct req ***ended)
{
	bool silent = req->flags & REQ_SKIP_LINK_CQES;
	struct req *next;

	for (struct req *it = req->link; it; it = next) {
		next = it->link;
		if (!(it->flags & REQ_FAIL))
			it->res = -ECANCELED;
		if (silent)
			it->flags |= REQ_CQE_SKIP;
		else
			it->flags &= ~(uint32_t)REQ_CQE_SKIP;
		it->cflags = 0;
		it->flags |= REQ_FAIL;
		ended_add(it, ended);
	}
	req->link = NULL;
}

struct req *link_next_locked(struct req *req, struct req ***ended)
{
	struct req *next;

	mutex_assert_held(&req->ring->lock);
	if (req->flags & REQ_HAS_LTIMEOUT)
		disarm(req, ended);
	if ((req->flags & REQ_FAIL) && !(req->flags & REQ_HARDLINK))
		fail_chain(req, ended);
	next = req->link;
	req->link = NULL;
	return next;
}
