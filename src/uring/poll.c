/*
 * Waiting for a file. The request is queued on the file's wait queues, and what comes
 * there makes somebody look, by this count (poll.refs):
 *
 *	wake: adds 1           the first to do so owns the request
 *	the owner              has it looked at as work: state of the file, then
 *	                         done: off the queues, nobody else has it
 *	                         else: takes its count back; zero: no owner any more,
 *	                         else more came meanwhile: looks again
 *	cancellation: adds 1 and the mark; who looks next ends it
 *
 * So one thread at a time has the request, no wake is lost, and the wake itself, which
 * runs inside the queue's lock, does nothing but count. Arming starts as the owner.
 *
 * Who looks calls the request's handler: poll_done for POLL_ADD, retrying for an
 * operation that would have blocked.
 */
#include "uring/internal.h"

#define REFS_CANCELLED (1u << 31)
#define REFS_COUNT (REFS_CANCELLED - 1)

static void look(struct req *req, struct issue *is);

static uint32_t wanted(const struct req *req)
{
	return req->poll.events | EV_ERR | EV_HUP;
}

void poll_wake(struct req *req)
{
	if ((atomic_fetch_add(&req->poll.refs, 1) & REFS_COUNT) == 0)
		work_add(req, req->poll.look);
}

static void woken(struct waitq_entry *e, uint32_t events)
{
	struct req *req = container_of(e, struct poll_queue, entry)->req;

	(void)events;
	poll_wake(req);
}

static void add_queue(struct poll_table *pt, struct waitq *q)
{
	struct req *req = container_of(pt, struct req, poll.pt);
	struct poll_queue *pq;

	if (req->poll.nqueues == POLL_QUEUES) {
		req->poll.err = -EINVAL;
		return;
	}
	pq = &req->poll.queue[req->poll.nqueues++];
	pq->req = req;
	pq->q = q;
	waitq_entry_init(&pq->entry, NULL, wanted(req));
	pq->entry.wake = woken;
	pq->entry.exclusive = req->poll.exclusive;
	waitq_add(q, &pq->entry);
}

static void unqueue(struct req *req)
{
	for (unsigned i = 0; i < req->poll.nqueues; i++)
		waitq_remove(req->poll.queue[i].q, &req->poll.queue[i].entry);
	req->poll.nqueues = 0;
}

void poll_unhook(struct req *req)
{
	unqueue(req);
	waiting_del(req);
}

/* ---- arming ---- */

enum poll_armed poll_arm(struct req *req, uint32_t events, uint32_t *mask)
{
	struct req_poll *p = &req->poll;
	unsigned one = 1;
	uint32_t state;

	poll_begin(req, look);
	p->pt.add = add_queue;
	p->events = events;
	state = file_poll(req->file, &p->pt) & wanted(req);
	*mask = state;
	/* Without a queue it is ready for ever: told once. */
	if (p->err || (state && (!(req->flags & REQ_MULTISHOT) || !p->nqueues))) {
		unqueue(req);
		return p->err ? POLL_FAILED : POLL_READY;
	}
	if (!state && !p->nqueues)
		return POLL_FAILED; /* nothing would ever come */
	atomic_fetch_add_explicit(&uring_stats[URING_STAT_POLLS], 1, memory_order_relaxed);
	req->flags |= REQ_WAS_ASYNC;
	waiting_add(req, WAIT_POLL);
	/* From here on it may be found, and from the exchange on it is not ours. */
	if (state || !atomic_compare_exchange_strong(&p->refs, &one, 0))
		work_add(req, look);
	return POLL_ARMED;
}

enum poll_armed poll_arm_for_retry(struct req *req)
{
	const struct op_def *def = req->def;
	uint32_t events = EV_PRI, mask;

	if (!req->file || !req->file->ops->poll || (!def->poll_in && !def->poll_out))
		return POLL_FAILED;
	if (def->poll_in)
		events |= EV_IN | EV_RDNORM;
	if (def->poll_out)
		events |= EV_OUT | EV_WRNORM;
	/* What comes by the error queue is no data (MSG_ERRQUEUE). */
	req->poll.exclusive = def->poll_exclusive;
	req->poll.is_level = false;
	req->flags |= REQ_POLL_ASYNC;
	return poll_arm(req, events, &mask);
}

int poll_once_more(const struct req *req)
{
	return file_poll(req->file, NULL) & (EV_IN | EV_RDNORM | EV_HUP) ? ISSUE_AGAIN : -EAGAIN;
}

void poll_cancel_locked(struct req *req)
{
	atomic_fetch_or(&req->poll.refs, REFS_CANCELLED);
	poll_wake(req);
}

bool poll_is_cancelled(const struct req *req)
{
	return atomic_load(&req->poll.refs) & REFS_CANCELLED;
}

void poll_begin(struct req *req, void (*look_fn)(struct req *req, struct issue *is))
{
	req->poll.look = look_fn;
	req->poll.err = 0;
	req->poll.nqueues = 0;
	atomic_store(&req->poll.refs, 1);
}

void poll_queue_on(struct req *req, struct waitq *q)
{
	req->poll.events = EV_ALL;
	add_queue(&req->poll.pt, q);
}

bool poll_let_go(struct req *req, unsigned *seen)
{
	return atomic_compare_exchange_strong(&req->poll.refs, seen, 0);
}

unsigned poll_refs(const struct req *req)
{
	return atomic_load(&req->poll.refs);
}

/* ---- looking ---- */

/* What happened is told; true: the request is done with polling and was passed on. */
static bool poll_add_sees(struct req *req, struct issue *is, uint32_t mask)
{
	bool more = false;

	if (req->flags & REQ_MULTISHOT)
		more = complete_post_more(req, is, (int32_t)mask, 0);
	if (more)
		return false;
	poll_unhook(req);
	req->res = (int32_t)mask;
	complete_later(req, is);
	return true;
}

/* An operation that would have blocked is tried again. */
static bool retry_sees(struct req *req, struct issue *is)
{
	int r;

	if (!(req->flags & REQ_MULTISHOT)) {
		poll_unhook(req);
		issue_again(req, is);
		return true;
	}
	do
		r = issue_try(req, is);
	while (r == ISSUE_AGAIN);
	if (r == ISSUE_PENDING || r == -EAGAIN)
		return false;
	poll_unhook(req);
	if (r < 0)
		complete_failed(req, is, r);
	else
		complete_later(req, is);
	return true;
}

static bool sees(struct req *req, struct issue *is, uint32_t mask)
{
	if (req->flags & REQ_POLL_ASYNC)
		return retry_sees(req, is);
	return poll_add_sees(req, is, mask);
}

static void give_up(struct req *req, struct issue *is)
{
	poll_unhook(req);
	complete_failed(req, is, -ECANCELED);
}

static void look(struct req *req, struct issue *is)
{
	unsigned refs = atomic_load(&req->poll.refs);
	uint32_t mask;

	do {
		if ((refs & REFS_CANCELLED) || !is->task) {
			give_up(req, is);
			return;
		}
		mask = file_poll(req->file, NULL) & wanted(req);
		if (mask && sees(req, is, mask))
			return;
		/* A level triggered one looks until there is nothing. */
		if (mask && req->poll.is_level) {
			work_add(req, look);
			return;
		}
	} while (!atomic_compare_exchange_strong(&req->poll.refs, &refs, 0));
}

/* ---- changing a poll that is armed (POLL_REMOVE) ---- */

/* The caller owns it: its queues with other events, and then it is looked at. */
static void requeue(struct req *req, uint32_t events)
{
	unqueue(req);
	req->poll.events = events;
	(void)file_poll(req->file, &req->poll.pt);
	work_add(req, look);
}

static struct req *find_poll_locked(struct ring *r, uint64_t user_data)
{
	list_for_each(req, waiting_bucket(r, user_data), struct req, hash_link) {
		if (req->user_data == user_data && req->wait == WAIT_POLL &&
		    req->opcode == IORING_OP_POLL_ADD)
			return req;
	}
	return NULL;
}

/* Cancels it, or makes the caller its owner. */
static int poll_change_locked(struct req *req, const struct op_poll *p)
{
	unsigned none = 0;

	mutex_assert_held(&req->ring->lock);
	if (!(p->flags & (IORING_POLL_UPDATE_EVENTS | IORING_POLL_UPDATE_USER_DATA)))
		poll_cancel_locked(req);
	else if (!atomic_compare_exchange_strong(&req->poll.refs, &none, 1))
		return -EALREADY;
	else if (p->flags & IORING_POLL_UPDATE_USER_DATA)
		waiting_rename_locked(req, p->new_user_data);
	return 0;
}

int poll_change(struct req *by, struct issue *is)
{
	const struct op_poll *p = &by->padd;
	struct ring *r = by->ring;
	struct req *req;
	int err;

	(void)is;
	mutex_lock(&r->lock);
	req = find_poll_locked(r, p->old_user_data);
	err = req ? poll_change_locked(req, p) : -ENOENT;
	mutex_unlock(&r->lock);
	if (err == 0 && (p->flags & (IORING_POLL_UPDATE_EVENTS | IORING_POLL_UPDATE_USER_DATA)))
		requeue(req, p->flags & IORING_POLL_UPDATE_EVENTS ? p->events & EV_ALL
								  : req->poll.events);
	return err;
}
