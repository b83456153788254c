/*
 * Workers: threads that carry out requests which would block, acting for the task
 * that submitted them. Each task has its own, in two classes: bounded (files, where
 * an operation ends in a time) and unbounded (sockets, terminals and the like, which
 * may take for ever).
 *
 * A request queued here waits (WAIT_WORK) in its ring's hash. Whoever takes it off
 * the queue, a worker or a cancellation, ends that under ring.lock. A worker that
 * already runs is interrupted: what it waits in returns, the request ends with what
 * that gives.
 *
 * A worker that found nothing to do for IDLE_NS leaves.
 */
#include <sys/stat.h>
#include <time.h>

#include "base/pool.h"
#include "uring/internal.h"

#define IDLE_NS (5 * NSEC_PER_SEC)
#define UNBOUND_MAX 512u

struct worker {
	struct list link; /* [p] on busy or idle */
	struct uring_task *ut;
	struct task *task; /* [p] set before it is on a list */
	struct req *req;   /* [p] */
	enum pool_class cls;
	const void *writes;  /* [p] the inode that req writes, one at a time */
	atomic_bool is_told; /* there may be something to do */
};

static POOL_DEFINE(worker_pool, struct worker);

void pool_init(struct uring_task *ut)
{
	unsigned ncpus = ut->kernel->ncpus;

	mutex_init(&ut->pool_lock, LOCK_URING_POOL);
	list_init(&ut->busy);
	for (int i = 0; i < POOL_CLASSES; i++) {
		list_init(&ut->pool[i].queue);
		list_init(&ut->pool[i].idle);
	}
	ut->pool[POOL_BOUND].max = MAX(4 * ncpus, 8u);
	ut->pool[POOL_UNBOUND].max = UNBOUND_MAX;
}

/* ---- choosing ---- */

static bool is_regular(const struct req *req)
{
	return req->file && S_ISREG(req->file->inode->mode);
}

static enum pool_class class_of(const struct req *req)
{
	if (req->def->unbound || (req->def->unbound_nonreg && !is_regular(req)))
		return POOL_UNBOUND;
	return POOL_BOUND;
}

static const void *written_inode(const struct req *req)
{
	return req->def->hash_writes && is_regular(req) ? req->file->inode : NULL;
}

static bool is_being_written(const struct uring_task *ut, const void *inode)
{
	list_for_each(w, &ut->busy, struct worker, link) {
		if (w->writes == inode)
			return true;
	}
	return false;
}

/* The first that may start. => pool_lock */
static struct req *take_locked(struct uring_task *ut, struct pool_queue *q)
{
	list_for_each(req, &q->queue, struct req, work_link) {
		const void *inode = written_inode(req);

		if (inode && is_being_written(ut, inode))
			continue;
		list_del(&req->work_link);
		return req;
	}
	return NULL;
}

/* ---- a worker ---- */

/* What to do next, or NULL: nothing. */
static struct req *worker_next(struct worker *w)
{
	struct uring_task *ut = w->ut;
	struct pool_queue *q = &ut->pool[w->cls];
	struct req *req;

	mutex_lock(&ut->pool_lock);
	atomic_store(&w->is_told, false);
	req = take_locked(ut, q);
	if (req) {
		if (!w->req) {
			list_del(&w->link);
			list_push_back(&ut->busy, &w->link);
			q->nidle--;
		}
		w->req = req;
		req->worker = w;
		w->writes = written_inode(req);
	} else if (w->req) {
		w->req = NULL;
		w->writes = NULL;
		list_del(&w->link);
		list_push_front(&q->idle, &w->link);
		q->nidle++;
	}
	mutex_unlock(&ut->pool_lock);
	return req;
}

/* An idle worker that knows of nothing yet looks at the queue. => pool_lock */
static bool tell_locked(struct pool_queue *q)
{
	list_for_each(w, &q->idle, struct worker, link) {
		if (atomic_exchange(&w->is_told, true))
			continue;
		waiter_wake(&w->task->waiter);
		return true;
	}
	return false;
}

/* The request is not the worker's any more: nobody may interrupt it on its account.
 * One that waits for the same file may start. */
static void worker_drop(struct worker *w)
{
	struct uring_task *ut = w->ut;
	struct pool_queue *q = &ut->pool[w->cls];

	mutex_lock(&ut->pool_lock);
	waiter_init(&w->task->waiter);
	if (w->writes && !list_empty(&q->queue))
		(void)tell_locked(q);
	w->writes = NULL;
	mutex_unlock(&ut->pool_lock);
}

/* False: it waited for too long, or everybody leaves; it is on no list any more. */
static bool worker_wait(struct worker *w)
{
	struct uring_task *ut = w->ut;
	struct pool_queue *q = &ut->pool[w->cls];
	uint64_t now = 0;
	bool stays;

	(void)task_clock_ns(NULL, CLOCK_MONOTONIC, &now);
	mutex_lock(&ut->pool_lock);
	stays = !ut->pool_ends; /* if it does later, this worker is woken */
	mutex_unlock(&ut->pool_lock);
	if (stays)
		(void)waiter_wait_woken(&w->task->waiter, now + IDLE_NS);
	mutex_lock(&ut->pool_lock);
	stays = atomic_load(&w->is_told) || (!ut->pool_ends && !list_empty(&q->queue));
	if (!stays) {
		list_del(&w->link);
		q->nidle--;
		q->nworkers--;
	}
	mutex_unlock(&ut->pool_lock);
	return stays;
}

static void worker_main(struct task *h, void *arg)
{
	struct worker *w = arg;
	struct uring_task *ut = w->ut;
	struct issue is;
	struct req *req;

	issue_init(&is, h, ut);
	is.on_worker = true;
	mutex_lock(&ut->pool_lock);
	w->task = h;
	list_push_front(&ut->pool[w->cls].idle, &w->link);
	ut->pool[w->cls].nidle++;
	mutex_unlock(&ut->pool_lock);
	do {
		waiter_prepare(&h->waiter);
		while ((req = worker_next(w))) {
			issue_on_worker(req, &is);
			complete_flush(&is);
			worker_drop(w);
		}
	} while (worker_wait(w));
}

static void worker_done(void *arg)
{
	struct worker *w = arg;
	struct uring_task *ut = w->ut;

	pool_free(&worker_pool, w);
	atomic_fetch_sub(&ut->nthreads, 1);
	waitq_wake_all(&ut->idle, EV_IN);
	owner_put(ut);
}

static int worker_start(struct uring_task *ut, enum pool_class cls, struct task *of)
{
	struct worker *w = pool_alloc(&worker_pool);
	const struct task_helper what = { worker_main, worker_done, w };
	struct task *h;
	int r;

	if (!w)
		return -ENOMEM;
	w->ut = ut;
	w->cls = cls;
	list_init(&w->link);
	owner_get(ut);
	atomic_fetch_add(&ut->nthreads, 1);
	r = task_helper_start(ut->kernel, of, &what, &h);
	if (r < 0)
		worker_done(w);
	else
		task_put(h);
	return r;
}

/* ---- adding ---- */

static void fail_one(struct req *req, struct issue *is)
{
	complete_failed(req, is, -ECANCELED);
}

/* Requests that nobody will carry out. */
static void give_up(struct uring_task *ut, struct list *lost)
{
	struct req *req;

	/* A cancellation may take one of them off the list as well. */
	for (;;) {
		req = NULL;
		mutex_lock(&ut->pool_lock);
		if (!list_empty(lost)) {
			req = list_first(lost, struct req, work_link);
			list_del(&req->work_link);
		}
		mutex_unlock(&ut->pool_lock);
		if (!req)
			return;
		waiting_del(req);
		work_add(req, fail_one);
	}
}

/* No thread can be had: what nobody will ever take is given up. */
static void start_failed(struct uring_task *ut, enum pool_class cls)
{
	struct list lost = LIST_INIT(lost);

	mutex_lock(&ut->pool_lock);
	if (--ut->pool[cls].nworkers == 0)
		list_splice_back(&lost, &ut->pool[cls].queue);
	mutex_unlock(&ut->pool_lock);
	give_up(ut, &lost);
}

void pool_add(struct req *req, struct task *of)
{
	enum pool_class cls = class_of(req);
	struct uring_task *ut = req->ut;
	struct pool_queue *q = &ut->pool[cls];
	struct list lost = LIST_INIT(lost);
	bool starts = false;

	mutex_lock(&req->ring->lock);
	waiting_add_locked(req, WAIT_WORK);
	mutex_lock(&ut->pool_lock);
	req->worker = NULL;
	if (ut->pool_ends || !of || req->ring->is_dying || req->is_doomed) {
		list_push_back(&lost, &req->work_link);
	} else {
		list_push_back(&q->queue, &req->work_link);
		starts = !tell_locked(q) && q->nworkers < q->max;
		q->nworkers += starts;
	}
	mutex_unlock(&ut->pool_lock);
	mutex_unlock(&req->ring->lock);
	give_up(ut, &lost);
	if (starts && worker_start(ut, cls, of) < 0)
		start_failed(ut, cls);
}

/* ---- cancelling, ending ---- */

enum pool_cancelled pool_cancel_locked(struct req *req)
{
	struct uring_task *ut = req->ut;
	enum pool_cancelled r = POOL_NOT_THERE;

	mutex_lock(&ut->pool_lock);
	if (!list_empty(&req->work_link)) {
		list_del(&req->work_link);
		r = POOL_WAS_QUEUED;
	} else if (req->worker) {
		waiter_interrupt(&req->worker->task->waiter, true);
		r = POOL_IS_RUNNING;
	}
	mutex_unlock(&ut->pool_lock);
	return r;
}

void pool_end(struct uring_task *ut)
{
	struct list lost = LIST_INIT(lost);

	mutex_lock(&ut->pool_lock);
	ut->pool_ends = true;
	for (int i = 0; i < POOL_CLASSES; i++) {
		list_splice_back(&lost, &ut->pool[i].queue);
		list_for_each(w, &ut->pool[i].idle, struct worker, link)
			waiter_wake(&w->task->waiter);
	}
	list_for_each(w, &ut->busy, struct worker, link)
		waiter_interrupt(&w->task->waiter, true);
	mutex_unlock(&ut->pool_lock);
	give_up(ut, &lost);
}

void pool_set_max(struct uring_task *ut, uint32_t max[POOL_CLASSES])
{
	mutex_lock(&ut->pool_lock);
	for (int i = 0; i < POOL_CLASSES; i++) {
		uint32_t old = ut->pool[i].max;

		if (max[i])
			ut->pool[i].max = MIN(max[i], UNBOUND_MAX);
		max[i] = old;
	}
	mutex_unlock(&ut->pool_lock);
}
