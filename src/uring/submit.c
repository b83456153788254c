/*
 * Submission: entries become requests.
 *
 * The guest writes entries and an array of their indexes, then its tail, with release;
 * the tail is loaded once with acquire, and not more than the queue holds is taken. An
 * entry is copied once, to our stack; what it says is read from there. Our head tells
 * the guest, when it is stored with release, that the entries may be used again.
 *
 * Links: requests are chained while they come; a chain is issued when its last has
 * come, or the submission ends. A request that cannot be prepared breaks its chain,
 * but not before it is complete: the chain fails as a whole then.
 */
#include <string.h>

#include "base/fault.h"
#include "base/pool.h"
#include "uring/internal.h"
#include "uring/personality.h"
#include "uring/restrict.h"

/* Requests that a ring keeps for its next submission. */
#define SPARE_MAX (POOL_USES_SLABS ? 128u : 0u)

#define SQE_PLAIN (IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_ASYNC)

static POOL_DEFINE(req_pool, struct req);

/* ---- taking entries ---- */

unsigned submit_pending(const struct ring *r)
{
	const struct ring_layout *l = &r->layout;
	uint32_t n = shared_load_acquire(ring_word(l, RING_SQ_TAIL)) - r->sq_head;

	return MIN(n, l->sq_entries);
}

/* Copies the next entry. False: its index is none. */
static bool take_entry(struct ring *r, struct io_uring_sqe *out)
{
	const struct ring_layout *l = &r->layout;
	uint32_t mask = l->sq_entries - 1, index = r->sq_head++ & mask;

	if (l->array_off) {
		uint64_t at = l->array_off + (uint64_t)index * sizeof(uint32_t);

		index = shared_load(sharedbuf_at(&l->rings.buf, at, sizeof(uint32_t)));
		if (index >= l->sq_entries) {
			void *dropped = ring_word(l, RING_SQ_DROPPED);

			shared_store(dropped, shared_load(dropped) + 1);
			return false;
		}
	}
	memcpy(out, sharedbuf_at(&l->sqes.buf, (uint64_t)index << l->sqe_shift, sizeof(*out)),
	       sizeof(*out));
	return true;
}

static void commit_head(struct ring *r)
{
	shared_store_release(ring_word(&r->layout, RING_SQ_HEAD), r->sq_head);
}

/* ---- making requests ---- */

/* Room for want requests, or fewer, which are counted and have their references on the
 * ring and the task: once for all of a submission. */
static unsigned reqs_reserve(struct ring *r, struct uring_task *ut, unsigned want)
{
	unsigned n = want;
	unsigned before = atomic_fetch_add_explicit(&uring_nrequests, want, memory_order_relaxed);

	if (unlikely(before + want > URING_REQUESTS_MAX)) {
		n = URING_REQUESTS_MAX - MIN(before, URING_REQUESTS_MAX);
		atomic_fetch_sub_explicit(&uring_nrequests, want - n, memory_order_relaxed);
	}
	if (n) {
		refcount_get_many(&r->refs, n);
		refcount_get_many(&ut->refs, n);
		atomic_fetch_add(&ut->nrequests, n);
	}
	return n;
}

void reqs_unreserve(struct ring *r, struct uring_task *ut, unsigned n)
{
	if (!n)
		return;
	ring_put_many(r, n);
	atomic_fetch_sub_explicit(&uring_nrequests, n, memory_order_relaxed);
	if (atomic_fetch_sub(&ut->nrequests, n) == n)
		owner_is_idle(ut);
	owner_put_many(ut, n);
}

/* One for which there is a reservation. => the token */
static struct req *req_alloc(struct ring *r, struct uring_task *ut)
{
	struct req *req = r->spare;

	if (likely(req != NULL)) {
		r->spare = req->link_done;
		r->nspare--;
		memset(req, 0, sizeof(*req));
	} else {
		req = pool_alloc(&req_pool);
		if (!req)
			return NULL;
	}
	req->ring = r;
	req->ut = ut;
	list_init(&req->hash_link);
	list_init(&req->work_link);
	return req;
}

void req_recycle(struct req *req, const struct issue *is)
{
	struct ring *r = req->ring;

	if (!is || is->submitting != r || r->nspare >= SPARE_MAX) {
		pool_free(&req_pool, req);
		return;
	}
	req->link_done = r->spare;
	r->spare = req;
	r->nspare++;
}

void submit_free_spare(struct ring *r)
{
	while (r->spare) {
		struct req *req = r->spare;

		r->spare = req->link_done;
		pool_free(&req_pool, req);
	}
}

/* IOSQE_IO_DRAIN within a chain is for the whole chain, and for what follows it. */
static void begin_drain(struct ring *r)
{
	struct req *head = r->link.head;

	atomic_store(&r->drain_active, true);
	if (head) {
		head->flags |= REQ_DRAIN;
		r->drain_next = true;
	}
}

static int check_rare_flags(struct req *req, const struct io_uring_sqe *sqe)
{
	struct ring *r = req->ring;

	if (sqe->flags & ~IOSQE_ALL)
		return -EINVAL;
	if (sqe->flags & IOSQE_BUFFER_SELECT) {
		if (!req->def->buffer_select)
			return -EOPNOTSUPP;
		req->buf_index = sqe->buf_group;
	}
	if (sqe->flags & IOSQE_CQE_SKIP_SUCCESS)
		r->drain_disabled = true;
	if (sqe->flags & IOSQE_IO_DRAIN) {
		if (r->drain_disabled)
			return -EOPNOTSUPP;
		begin_drain(r);
	}
	return 0;
}

static void drain_what_follows(struct req *req)
{
	struct ring *r = req->ring;

	if (!r->drain_next || r->link.head)
		return;
	r->drain_next = false;
	atomic_store(&r->drain_active, true);
	req->flags |= REQ_DRAIN;
}

static const struct op_def op_invalid = { .name = "invalid" };

static int req_init(struct req *req, const struct io_uring_sqe *sqe)
{
	struct ring *r = req->ring;
	int err;

	req->user_data = sqe->user_data;
	req->flags = sqe->flags;
	req->opcode = sqe->opcode;
	req->def = &op_invalid;
	if (sqe->opcode >= IORING_OP_LAST || !uring_op_is_supported(sqe->opcode))
		return -EINVAL;
	req->def = &op_defs[sqe->opcode];
	if (unlikely(sqe->flags & ~SQE_PLAIN)) {
		err = check_rare_flags(req, sqe);
		if (err < 0)
			return err;
	}
	if (unlikely(r->restrictions) && !restrictions_allow_sqe(r->restrictions, sqe))
		return -EACCES;
	drain_what_follows(req);
	if (!req->def->has_ioprio && sqe->ioprio)
		return -EINVAL;
	if (!req->def->iopoll && (r->flags & IORING_SETUP_IOPOLL))
		return -EINVAL;
	if (req->def->needs_file)
		req->fd = sqe->fd;
	if (sqe->personality) {
		req->cred = personality_get(r, sqe->personality);
		if (!req->cred)
			return -EINVAL;
	}
	return req->def->prep(req, sqe);
}

/* ---- chaining and issuing ---- */

static void chain_add(struct link_state *link, struct req *req)
{
	if (link->head)
		link->last->link = req;
	else
		link->head = req;
	link->last = req;
}

/* The chain as far as it has come. */
static void chain_issue(struct ring *r, struct issue *is)
{
	struct req *head = r->link.head;

	r->link.head = NULL;
	issue_first(head, is);
}

/* It could not be prepared. False: submission ends here. */
static bool submit_broken(struct req *req, struct issue *is, int err)
{
	struct ring *r = req->ring;
	struct req *head = r->link.head;

	req_set_fail(req);
	req->res = err;
	if (head && !(head->flags & REQ_FAIL)) {
		req_set_fail(head);
		head->res = -ECANCELED;
	}
	if (head || (req->flags & REQ_LINKS))
		chain_add(&r->link, req);
	if (req->flags & REQ_LINKS)
		return true;
	if (head)
		chain_issue(r, is);
	else
		issue_first(req, is);
	return false;
}

static bool submit_one(struct req *req, const struct io_uring_sqe *sqe, struct issue *is)
{
	struct ring *r = req->ring;
	int err = req_init(req, sqe);

	if (unlikely(err < 0))
		return submit_broken(req, is, err);
	if (r->link.head || (req->flags & REQ_LINKS)) {
		chain_add(&r->link, req);
		if (!(req->flags & REQ_LINKS))
			chain_issue(r, is);
	} else {
		issue_first(req, is);
	}
	return true;
}

long submit_entries(struct ring *r, unsigned want, struct issue *is)
{
	unsigned left = MIN(submit_pending(r), want), done = 0, reserved, used = 0;
	bool is_full = true;
	struct io_uring_sqe sqe;

	if (!left)
		return 0;
	reserved = reqs_reserve(r, is->ut, left);
	is->submitting = r;
	for (; done < reserved; done++) {
		struct req *req = req_alloc(r, is->ut);

		if (!req)
			break;
		if (!take_entry(r, &sqe)) {
			is_full = false;
			req_recycle(req, is);
			break;
		}
		used++;
		/* Who has the token is the only one to change it. */
		atomic_store_explicit(&r->nsubmitted,
				      atomic_load_explicit(&r->nsubmitted, memory_order_relaxed) +
					      1,
				      memory_order_relaxed);
		if (!submit_one(req, &sqe, is) && !(r->flags & IORING_SETUP_SUBMIT_ALL)) {
			done++;
			break;
		}
	}
	/* They are copied: before the guest sees their completions it may write others. */
	commit_head(r);
	if (r->link.head)
		chain_issue(r, is);
	complete_flush(is);
	is->submitting = NULL;
	reqs_unreserve(r, is->ut, reserved - used);
	atomic_fetch_add_explicit(&uring_stats[URING_STAT_SQES], done, memory_order_relaxed);
	return !done && is_full ? -EAGAIN : (long)done;
}
