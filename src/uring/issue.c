/*
 * How a request is carried out.
 *
 *	inline     by who submits, without blocking
 *	  -EAGAIN  its file can be waited for: polled, and tried again when it is ready;
 *	           ready at once: tried again, a few times
 *	           else: a worker
 *	worker     the same for files that can be waited for, so that no worker is held
 *	           by them; others are issued blocking
 *
 * -EAGAIN is the result for descriptors with O_NONBLOCK and requests with RWF_NOWAIT
 * or MSG_DONTWAIT (REQ_NOWAIT).
 */
#include <fcntl.h>

#include "uring/files.h"
#include "uring/internal.h"
#include "uring/kbuf.h"

/* A file that says ready, and then would block, is not asked for ever. */
#define RETRIES 16

/* ---- its file ---- */

static bool assign_fixed(struct req *req)
{
	struct rsrc_node *node = files_lookup(req->ring, (uint32_t)req->fd);

	if (!node)
		return false;
	req->file_node = node;
	req->file = node->file;
	return true;
}

bool issue_assign_file(struct req *req, struct task *t)
{
	if (req->file)
		return true;
	if (req->flags & REQ_FIXED_FILE)
		return assign_fixed(req);
	req->file = t ? fd_get(t, req->fd) : NULL;
	if (!req->file)
		return false;
	if (atomic_load_explicit(&req->file->flags, memory_order_relaxed) & O_PATH)
		return false;
	if (file_is_uring(req->file))
		req->flags |= REQ_INFLIGHT;
	return true;
}

/* ---- signals ---- */

void issue_write_failed(struct req *req, const struct issue *is, int err)
{
	struct task *t = req->ut->task;
	struct ksiginfo info = { .code = SI_USER };

	if (err == -EPIPE)
		info.signo = SIGPIPE;
	else if (err == -EFBIG && t && task_limit(t, RLIMIT_FSIZE_NR) != UINT64_MAX)
		info.signo = SIGXFSZ;
	/* Threads of ours take none, as those of Linux. */
	if (!info.signo || !t || t->helper.fn || is->on_worker)
		return;
	info.pid = t->group->own_pid;
	info.uid = task_uid(t);
	(void)signal_send(t, &info, 0);
}

/* ---- carrying out ---- */

/* Restart codes mean that it was interrupted: by a cancellation, here. */
static int no_restart(int r)
{
	switch (r) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK:
		return -EINTR;
	default:
		return r;
	}
}

void issue_keep_cred(struct req *req, const struct issue *is)
{
	if (!req->cred && is->task)
		req->cred = cred_get(is->task->cred);
}

/* From one try to the next no buffer is held. */
static int end_of_try(struct req *req, int r)
{
	if (r != ISSUE_PENDING)
		kbuf_recycle(req);
	return no_restart(r);
}

int issue_try(struct req *req, struct issue *is)
{
	struct task *t = is->task;
	const struct cred *own;
	int r;

	if (req->def->needs_file && !issue_assign_file(req, t))
		return -EBADF;
	if (is->nonblock && req->def->blocks)
		return -EAGAIN;
	if (likely(!req->cred))
		return end_of_try(req, req->def->issue(req, is));
	own = task_cred_swap(t, req->cred);
	r = req->def->issue(req, is);
	(void)!task_cred_swap(t, own);
	return end_of_try(req, r);
}

static void finish(struct req *req, struct issue *is, int r)
{
	if (r == ISSUE_DONE)
		complete_later(req, is);
	else if (r < 0)
		complete_failed(req, is, r);
}

void issue_punt(struct req *req, struct issue *is)
{
	atomic_fetch_add_explicit(&uring_stats[URING_STAT_PUNTS], 1, memory_order_relaxed);
	/* Its file is found now: the worker's time is later. */
	if (req->def->needs_file && !issue_assign_file(req, is->task)) {
		complete_failed(req, is, -EBADF);
		return;
	}
	req->flags |= REQ_WAS_ASYNC;
	issue_keep_cred(req, is);
	pool_add(req, is->task);
}

/* It would block. False: to be tried again at once. */
static bool wait_or_punt(struct req *req, struct issue *is)
{
	issue_keep_cred(req, is);
	switch (poll_arm_for_retry(req)) {
	case POLL_ARMED:
		return true;
	case POLL_READY:
		return false;
	case POLL_FAILED:
		break;
	}
	issue_punt(req, is);
	return true;
}

static bool waits_inline(struct req *req, int r)
{
	return r == -EAGAIN && !(req->flags & REQ_NOWAIT);
}

static void issue_inline(struct req *req, struct issue *is)
{
	int r;

	for (int i = 0; i < RETRIES; i++) {
		do
			r = issue_try(req, is);
		while (r == ISSUE_AGAIN);
		if (!waits_inline(req, r)) {
			finish(req, is, r);
			return;
		}
		if (wait_or_punt(req, is))
			return;
	}
	issue_punt(req, is);
}

void issue_first(struct req *req, struct issue *is)
{
	/* What is broken does not wait behind a drain. Nothing of its chain is done. */
	if (unlikely(req->flags & REQ_FAIL)) {
		req->flags = (req->flags & ~(uint32_t)REQ_HARDLINK) | REQ_LINK;
		complete_later(req, is);
		return;
	}
	if (drain_defer(req))
		return;
	if (unlikely(req->flags & REQ_FORCE_ASYNC) && req->def->may_punt)
		issue_punt(req, is);
	else
		issue_inline(req, is);
}

static bool is_over(const struct req *req, const struct issue *is)
{
	return !is->task || READ_ONCE(req->ring->is_dying) || atomic_load(&req->ut->ends);
}

void issue_again(struct req *req, struct issue *is)
{
	if (unlikely(is_over(req, is)))
		complete_failed(req, is, -ECANCELED);
	else
		issue_inline(req, is);
}

void issue_linked(struct req *req, struct issue *is)
{
	if (unlikely(is_over(req, is)))
		complete_failed(req, is, -ECANCELED);
	else if (req->flags & REQ_FAIL)
		complete_later(req, is);
	else if ((req->flags & REQ_FORCE_ASYNC) && req->def->may_punt)
		issue_punt(req, is);
	else
		issue_inline(req, is);
}

/* ---- on a worker ---- */

/* A worker's request is its own only after it has left the hash. */
static void worker_finish(struct req *req, struct issue *is, int r)
{
	if (r == ISSUE_PENDING)
		return;
	waiting_del(req);
	finish(req, is, r);
}

static bool can_poll(const struct req *req)
{
	return req->file && req->file->ops->poll && (req->def->poll_in || req->def->poll_out);
}

void issue_on_worker(struct req *req, struct issue *is)
{
	bool polls = can_poll(req) && !(req->flags & REQ_NOWAIT);
	int r;

	is->nonblock = polls;
	for (int i = 0;; i++) {
		do
			r = issue_try(req, is);
		while (r == ISSUE_AGAIN);
		if (r != -EAGAIN || !polls) {
			worker_finish(req, is, r);
			return;
		}
		switch (poll_arm_for_retry(req)) {
		case POLL_ARMED:
			return;
		case POLL_FAILED:
			polls = is->nonblock = false;
			break;
		case POLL_READY:
			if (i >= RETRIES)
				polls = is->nonblock = false;
			break;
		}
	}
}
