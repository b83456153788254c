/*
 * IOSQE_IO_DRAIN: a request that starts only when all that were submitted before it
 * have completed; and those behind it wait for it to have started.
 *
 * From the first such request on everything that is submitted goes to the end of one
 * list, a chain of links as one. Its front may go when nothing is under way:
 * submitted, not completed, not on the list; with it go those behind it, up to the
 * next drain. That ends with an empty list.
 */
#include "uring/internal.h"

static unsigned chain_length(const struct req *req)
{
	unsigned n = 0;

	for (; req; req = req->link)
		n++;
	return n;
}

static unsigned under_way_locked(const struct ring *r)
{
	return atomic_load(&r->nsubmitted) - r->ncompleted - r->ndeferred;
}

void drain_release_locked(struct ring *r, struct list *ready)
{
	bool first = true, after_drain = false;

	mutex_assert_held(&r->lock);
	while (!list_empty(&r->deferred)) {
		struct req *req = list_first(&r->deferred, struct req, work_link);

		after_drain |= (req->flags & REQ_DRAIN) != 0;
		if ((first || after_drain) && under_way_locked(r))
			return;
		list_del(&req->work_link);
		list_push_back(ready, &req->work_link);
		r->ndeferred -= chain_length(req);
		first = false;
	}
	atomic_store(&r->drain_active, false);
}

bool drain_defer(struct req *req)
{
	struct list ready = LIST_INIT(ready);
	struct ring *r = req->ring;
	bool waits;
	unsigned n;

	/* A completion may have ended the last drain just now, not this one. */
	if (!atomic_load_explicit(&r->drain_active, memory_order_relaxed) &&
	    !(req->flags & REQ_DRAIN))
		return false;
	mutex_lock(&r->lock);
	n = chain_length(req);
	waits = !list_empty(&r->deferred) || under_way_locked(r) != n;
	if (waits) {
		atomic_store(&r->drain_active, true);
		r->ndeferred += n;
		list_push_back(&r->deferred, &req->work_link);
		/* The last that was under way may have completed just now, when this one
		 * was counted and not yet deferred: nobody else would look again. */
		drain_release_locked(r, &ready);
	}
	mutex_unlock(&r->lock);
	complete_go_on(&ready);
	return waits;
}

static void cancel_one(struct req *req, struct issue *is)
{
	complete_failed(req, is, -ECANCELED);
}

bool drain_cancel(struct ring *r, struct uring_task *ut)
{
	struct list found = LIST_INIT(found);
	bool any;

	mutex_lock(&r->lock);
	list_for_each_safe(req, tmp, &r->deferred, struct req, work_link) {
		if (ut && req->ut != ut)
			continue;
		list_del(&req->work_link);
		r->ndeferred -= chain_length(req);
		list_push_back(&found, &req->work_link);
	}
	mutex_unlock(&r->lock);
	any = !list_empty(&found);
	while (!list_empty(&found)) {
		struct req *req = list_first(&found, struct req, work_link);

		list_del(&req->work_link);
		req->flags &= ~(uint32_t)REQ_HARDLINK;
		req->flags |= REQ_LINK;
		work_add(req, cancel_one);
	}
	return any;
}
