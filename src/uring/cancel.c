/*
 * What waits, and its cancellation.
 *
 * Everything that waits is in its ring's hash by user_data. What is found there under
 * ring.lock cannot go away; how it ends depends on what it waits for:
 *
 *	POLL          marked; who looks at it next ends it, which is brought about
 *	TIMER         taken out and completed here, unless it fires at this moment
 *	WORK          taken off the queue and completed; or its worker is interrupted
 */
#include "uring/cancel.h"

#include "uring/files.h"
#include "uring/internal.h"
#include "uring/timeout.h"

/* ---- all rings ---- */

static struct mutex rings_lock = MUTEX_INIT(LOCK_URING_RINGS);
static struct list rings = LIST_INIT(rings); /* [rings] by id */

void rings_add(struct ring *r)
{
	static uint64_t last;

	mutex_lock(&rings_lock);
	r->id = ++last;
	list_push_back(&rings, &r->rings_link);
	mutex_unlock(&rings_lock);
}

void rings_remove(struct ring *r)
{
	mutex_lock(&rings_lock);
	list_del(&r->rings_link);
	mutex_unlock(&rings_lock);
}

struct ring *rings_next(uint64_t after)
{
	struct ring *found = NULL;

	mutex_lock(&rings_lock);
	list_for_each(r, &rings, struct ring, rings_link) {
		if (r->id > after && refcount_get_not_zero(&r->refs)) {
			found = r;
			break;
		}
	}
	mutex_unlock(&rings_lock);
	return found;
}

/* ---- the hash ---- */

struct list *waiting_bucket(struct ring *r, uint64_t user_data)
{
	return &r->hash[(user_data * 0x9e3779b97f4a7c15ull) >> 58];
}
_Static_assert(RING_HASH == 1u << (64 - 58), "waiting_bucket() gives the upper bits");

static bool req_is_over_locked(const struct req *req)
{
	return req->ring->is_dying || req->is_doomed || atomic_load(&req->ut->ends);
}

void waiting_add_locked(struct req *req, enum req_wait wait)
{
	struct ring *r = req->ring;

	mutex_assert_held(&r->lock);
	if (req->wait == WAIT_NONE) {
		list_push_back(waiting_bucket(r, req->user_data), &req->hash_link);
		atomic_fetch_add(&req->ut->nwaiting, 1);
	}
	req->wait = wait;
	if (req->flags & REQ_HAS_LTIMEOUT)
		ltimeout_arm_locked(req);
	/* Nobody will come to cancel it any more. */
	if (unlikely(req_is_over_locked(req)) && wait == WAIT_POLL)
		poll_cancel_locked(req);
}

void waiting_add(struct req *req, enum req_wait wait)
{
	mutex_lock(&req->ring->lock);
	waiting_add_locked(req, wait);
	mutex_unlock(&req->ring->lock);
}

void waiting_del_locked(struct req *req)
{
	mutex_assert_held(&req->ring->lock);
	if (req->wait == WAIT_NONE)
		return;
	list_del(&req->hash_link);
	req->wait = WAIT_NONE;
	atomic_fetch_sub(&req->ut->nwaiting, 1);
}

void waiting_del(struct req *req)
{
	mutex_lock(&req->ring->lock);
	waiting_del_locked(req);
	mutex_unlock(&req->ring->lock);
}

void waiting_rename_locked(struct req *req, uint64_t user_data)
{
	mutex_assert_held(&req->ring->lock);
	list_del(&req->hash_link);
	req->user_data = user_data;
	list_push_back(waiting_bucket(req->ring, user_data), &req->hash_link);
}

/* ---- matching ---- */

static bool matches(const struct req *req, const struct cancel_key *k)
{
	uint32_t flags = k->flags;

	/* It belongs to the request that it guards, and ends with that. */
	if (req->opcode == IORING_OP_LINK_TIMEOUT)
		return false;
	if (k->ut && req->ut != k->ut)
		return false;
	if (k->only_inflight && !(req->flags & REQ_INFLIGHT))
		return false;
	if (flags & IORING_ASYNC_CANCEL_ANY)
		return true;
	if ((flags & IORING_ASYNC_CANCEL_FD) && req->file != k->file)
		return false;
	if ((flags & IORING_ASYNC_CANCEL_OP) && req->opcode != k->opcode)
		return false;
	if (!(flags & (IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_OP)) ||
	    (flags & IORING_ASYNC_CANCEL_USERDATA))
		return req->user_data == k->user_data;
	return true;
}

/* ---- ending one ---- */

/* Linux gives the number of those that were cancelled, which is one. */
static bool tells_number(const struct req *req)
{
	return req->opcode == IORING_OP_FUTEX_WAIT || req->opcode == IORING_OP_FUTEX_WAITV ||
	       req->opcode == IORING_OP_WAITID;
}

/* 0 or 1: it ends with -ECANCELED; -EALREADY: it runs; -ENOENT: it ends by itself now.
 * What is to be completed here is put on *ended. */
static int end_locked(struct req *req, struct req ***ended)
{
	mutex_assert_held(&req->ring->lock);
	switch ((enum req_wait)req->wait) {
	case WAIT_POLL:
		poll_cancel_locked(req);
		return tells_number(req);
	case WAIT_TIMER:
		if (!timeout_take_locked(req))
			return -EALREADY;
		break;
	case WAIT_WORK:
		switch (pool_cancel_locked(req)) {
		case POOL_IS_RUNNING:
			return -EALREADY;
		case POOL_NOT_THERE:
			return -ENOENT;
		case POOL_WAS_QUEUED:
			break;
		}
		waiting_del_locked(req);
		break;
	case WAIT_NONE:
		return -ENOENT;
	}
	req_set_fail(req);
	req->res = -ECANCELED;
	req->cflags = 0;
	req->link_done = NULL;
	**ended = req;
	*ended = &req->link_done;
	return 0;
}

struct cancel_run {
	const struct cancel_key *key;
	struct req **ended; /* where the next to be completed is put */
	uint32_t seq;
	int count, first; /* how many were found; the first one's result */
};

static bool end_bucket_locked(struct list *b, struct cancel_run *run, bool all)
{
	list_for_each_safe(req, tmp, b, struct req, hash_link) {
		int r;

		if (!matches(req, run->key) || req->cancel_seq == run->seq)
			continue;
		req->cancel_seq = run->seq;
		r = end_locked(req, &run->ended);
		if (r == -ENOENT)
			continue;
		if (!run->count++)
			run->first = r;
		if (!all)
			return true;
	}
	return false;
}

static void end_all_locked(struct ring *r, struct cancel_run *run, bool all, bool by_data)
{
	if (by_data) {
		end_bucket_locked(waiting_bucket(r, run->key->user_data), run, all);
		return;
	}
	for (unsigned i = 0; i < RING_HASH; i++) {
		if (end_bucket_locked(&r->hash[i], run, all))
			return;
	}
}

int cancel_matching(const struct cancel_key *key, struct issue *is)
{
	static atomic_uint seq;
	bool all = key->flags & (IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY);
	bool by_data = !(key->flags & (IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_FD |
				       IORING_ASYNC_CANCEL_OP)) ||
		       (key->flags & IORING_ASYNC_CANCEL_USERDATA &&
			!(key->flags & IORING_ASYNC_CANCEL_ANY));
	struct req *ended = NULL;
	struct cancel_run run = {
		.key = key,
		.ended = &ended,
		.seq = atomic_fetch_add(&seq, 1) + 1,
	};

	(void)is;
	mutex_lock(&key->ring->lock);
	end_all_locked(key->ring, &run, all, by_data);
	mutex_unlock(&key->ring->lock);
	complete_ended(ended);
	if (all)
		return run.count;
	return run.count ? run.first : -ENOENT;
}

/* ---- IORING_REGISTER_SYNC_CANCEL ---- */

static int sync_key(struct ring *r, struct task *t, const struct io_uring_sync_cancel_reg *sc,
		    struct cancel_key *key, struct file **file)
{
	int err;

	*file = NULL;
	*key = (struct cancel_key){
		.ring = r,
		.user_data = sc->addr,
		.flags = sc->flags,
		.opcode = sc->opcode,
	};
	if (!(sc->flags & IORING_ASYNC_CANCEL_FD))
		return 0;
	err = cancel_file(r, t, sc->fd, sc->flags & IORING_ASYNC_CANCEL_FD_FIXED, file);
	key->file = *file;
	return err;
}

/* Again and again until what runs has ended, too. */
static long sync_until_gone(const struct cancel_key *key, struct issue *is, uint64_t deadline_ns)
{
	struct ring *r = key->ring;
	struct waiter *w = &is->task->waiter;
	struct waitq_entry e;
	bool worked;
	int err;

	waitq_entry_init(&e, w, EV_IN);
	waitq_add(&r->cq_waitq, &e);
	for (;;) {
		waiter_prepare(w);
		err = cancel_matching(key, is);
		if (err != -EALREADY)
			break;
		worked = work_run_local(r, is, UINT32_MAX);
		if (work_run(is->ut, is) || worked)
			continue;
		token_give(&r->token);
		err = waiter_wait(w, deadline_ns);
		token_take_slow(&r->token);
		if (err < 0) {
			err = err == -ETIMEDOUT ? -ETIME : -EINTR;
			break;
		}
	}
	waitq_remove(&r->cq_waitq, &e);
	return err == -ENOENT || err > 0 ? 0 : err;
}

long cancel_sync(struct ring *r, struct task *t, struct uring_task *ut, gva_t arg)
{
	struct io_uring_sync_cancel_reg sc;
	uint64_t deadline = PARK_FOREVER;
	struct cancel_key key;
	struct issue is;
	struct file *file;
	long err;

	if (mm_copy_in(t->mm, &sc, arg, sizeof(sc)) < 0)
		return -EFAULT;
	if (sc.flags & ~(uint32_t)CANCEL_FLAGS)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(sc.pad); i++) {
		if (sc.pad[i])
			return -EINVAL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sc.pad2); i++) {
		if (sc.pad2[i])
			return -EINVAL;
	}
	err = sync_key(r, t, &sc, &key, &file);
	if (err < 0)
		return err;
	issue_init(&is, t, ut);
	err = cancel_matching(&key, &is);
	if (err == -EALREADY) {
		if (sc.sec != -1 || sc.nsec != -1)
			deadline = uring_deadline(0, (uint64_t)sc.sec * NSEC_PER_SEC +
							     (uint64_t)sc.nsec);
		err = sync_until_gone(&key, &is, deadline);
	}
	file_put(file);
	return err > 0 ? 0 : err;
}

int cancel_file(struct ring *r, struct task *t, int32_t fd, bool is_fixed, struct file **out)
{
	struct rsrc_node *n;

	*out = NULL;
	if (!is_fixed) {
		*out = fd_get(t, fd);
		return *out ? 0 : -EBADF;
	}
	n = files_lookup(r, (uint32_t)fd);
	if (!n)
		return -EBADF;
	file_get(n->file);
	*out = n->file;
	rsrc_node_put(n);
	return 0;
}

/* ---- ending many ---- */

void cancel_of_task(struct uring_task *ut, bool all, struct issue *is)
{
	struct ring *r;

	for (uint64_t after = 0; (r = rings_next(after)); ring_put(r)) {
		const struct cancel_key key = {
			.ring = r,
			.flags = IORING_ASYNC_CANCEL_ANY,
			.ut = ut,
			.only_inflight = !all,
		};

		after = r->id;
		if (all)
			(void)drain_cancel(r, ut);
		(void)cancel_matching(&key, is);
	}
}

void cancel_of_ring(struct ring *r)
{
	const struct cancel_key key = { .ring = r, .flags = IORING_ASYNC_CANCEL_ANY };

	(void)drain_cancel(r, NULL);
	(void)cancel_matching(&key, NULL);
}
