/*
 * See owner.h: the work lists, the helper, and what happens when a task leaves.
 *
 * Locks: work_lock is innermost here, and is taken inside ring.lock and inside any wait
 * queue's lock (work_add() runs in wake-ups); under it nothing is called but
 * waiter_wake(). What work does is done without it. A waiter that ut->worker names is
 * woken under work_lock only, so its thread may end as soon as it has taken it away.
 *
 * Leaving, in this order, so that nobody is left who could touch the task: its ring
 * descriptors; what must not outlive it is cancelled; workers and the helper end; what
 * they still brought is done; then ut->task is NULL, and what remains is a ghost's.
 */
#include "uring/owner.h"

#include "base/log.h"
#include "base/pool.h"
#include "uring/cancel.h"
#include "uring/internal.h"
#include "uring/sqpoll.h"

static POOL_DEFINE(uring_task_pool, struct uring_task);

/* Work may bring new work (links; polls of what completions wake). What is left after
 * so many rounds is the helper's, so that a call ends. */
#define EXIT_ROUNDS 16

/* ---- life ---- */

int owner_create(struct task *t, struct uring_task **out)
{
	struct uring_task *ut = pool_alloc(&uring_task_pool);

	*out = NULL;
	if (!ut)
		return -ENOMEM;
	refcount_init(&ut->refs, 1);
	ut->kernel = t->kernel;
	ut->task = t;
	mutex_init(&ut->work_lock, LOCK_URING_WORK);
	list_init(&ut->work);
	list_init(&ut->local_rings);
	waitq_init(&ut->idle);
	pool_init(ut);
	*out = ut;
	return 0;
}

int owner_of(struct task *t, struct uring_task **out)
{
	int r = t->uring ? 0 : owner_create(t, &t->uring);

	*out = t->uring;
	return r;
}

void owner_get(struct uring_task *ut)
{
	refcount_get(&ut->refs);
}

void owner_put_many(struct uring_task *ut, unsigned n)
{
	if (refcount_put_many(&ut->refs, n))
		pool_free(&uring_task_pool, ut);
}

void owner_put(struct uring_task *ut)
{
	owner_put_many(ut, 1);
}

void owner_is_idle(struct uring_task *ut)
{
	waitq_wake_all(&ut->idle, EV_IN);
	mutex_lock(&ut->work_lock);
	if (!ut->task && ut->worker)
		waiter_wake(ut->worker);
	mutex_unlock(&ut->work_lock);
}

void issue_init(struct issue *is, struct task *t, struct uring_task *ut)
{
	*is = (struct issue){ .task = t, .ut = ut, .nonblock = true };
	is->done_tail = &is->done;
}

/* ---- work ---- */

/* Work of a ring whose task asks for it itself. => work_lock */
static void add_local(struct ring *r, struct req *req)
{
	struct uring_task *ut = req->ut;
	unsigned n;

	/* Any work may be what completes the last of those that are waited for. */
	if (list_empty(&r->local_work)) {
		list_push_back(&ut->local_rings, &r->local_link);
		r->local_told = complete_telling == r;
	}
	list_push_back(&r->local_work, &req->work_link);
	n = atomic_fetch_add(&r->nlocal, 1) + 1;
	if (r->taskrun_word)
		__atomic_fetch_or(r->taskrun_word, IORING_SQ_TASKRUN, __ATOMIC_SEQ_CST);
	if (ut->is_present) {
		waiter_wake(&ut->task->waiter);
	} else if (n == 1 && ut->worker) {
		waiter_wake(ut->worker); /* to tell those who look at the ring */
	}
}

/* Somebody is to look at the task's work. => work_lock */
static void wake_somebody(struct uring_task *ut)
{
	if (ut->is_present)
		waiter_wake(&ut->task->waiter);
	else if (ut->worker)
		waiter_wake(ut->worker);
}

void work_add(struct req *req, void (*fn)(struct req *req, struct issue *is))
{
	struct uring_task *ut = req->ut;
	struct ring *r = req->ring;

	mutex_lock(&ut->work_lock);
	req->work = fn;
	if ((r->flags & IORING_SETUP_DEFER_TASKRUN) && ut->task && !READ_ONCE(r->is_dying)) {
		add_local(r, req);
	} else {
		list_push_back(&ut->work, &req->work_link);
		wake_somebody(ut);
	}
	mutex_unlock(&ut->work_lock);
}

/* Local work of the ring becomes its task's. => work_lock */
static void move_local(struct uring_task *ut, struct ring *r)
{
	list_del(&r->local_link);
	atomic_store(&r->nlocal, 0);
	list_splice_back(&ut->work, &r->local_work);
}

/* Who adds work under the lock before this is seen here, who does later sees that the
 * ring is dying. */
void work_make_global(struct ring *r)
{
	struct uring_task *ut = r->single;

	if (!ut)
		return;
	mutex_lock(&ut->work_lock);
	if (!list_empty(&r->local_work)) {
		move_local(ut, r);
		wake_somebody(ut);
	}
	mutex_unlock(&ut->work_lock);
}

bool work_is_pending(struct uring_task *ut)
{
	bool pending;

	mutex_lock(&ut->work_lock);
	pending = !list_empty(&ut->work);
	mutex_unlock(&ut->work_lock);
	return pending;
}

static void run_list(struct list *list, struct issue *is)
{
	while (!list_empty(list)) {
		struct req *req = list_first(list, struct req, work_link);

		list_del(&req->work_link);
		req->work(req, is);
	}
	complete_flush(is);
}

bool work_run(struct uring_task *ut, struct issue *is)
{
	struct list list = LIST_INIT(list);
	bool any;

	mutex_lock(&ut->work_lock);
	list_splice_back(&list, &ut->work);
	mutex_unlock(&ut->work_lock);
	any = !list_empty(&list);
	run_list(&list, is);
	return any;
}

bool work_run_local(struct ring *r, struct issue *is, unsigned max)
{
	struct uring_task *ut = is->ut;
	struct list list = LIST_INIT(list);
	bool any = false;

	if (atomic_load(&r->nlocal) == 0)
		return false;
	mutex_lock(&ut->work_lock);
	while (max-- && !list_empty(&r->local_work)) {
		struct req *req = list_first(&r->local_work, struct req, work_link);

		list_del(&req->work_link);
		list_push_back(&list, &req->work_link);
		atomic_fetch_sub(&r->nlocal, 1);
		any = true;
	}
	if (list_empty(&r->local_work)) {
		list_del(&r->local_link);
		if (r->taskrun_word)
			__atomic_fetch_and(r->taskrun_word, ~IORING_SQ_TASKRUN, __ATOMIC_SEQ_CST);
	}
	mutex_unlock(&ut->work_lock);
	run_list(&list, is);
	return any;
}

/* ---- the helper ---- */

static void worker_is(struct uring_task *ut, struct waiter *w)
{
	mutex_lock(&ut->work_lock);
	ut->worker = w;
	mutex_unlock(&ut->work_lock);
}

/* Rings with local work, which the task has not asked for: those who poll the ring or
 * its eventfd are told, once for each time that work came. */
static void tell_local(struct uring_task *ut)
{
	struct ring *r;

	for (;;) {
		r = NULL;
		mutex_lock(&ut->work_lock);
		list_for_each(it, &ut->local_rings, struct ring, local_link) {
			if (it->local_told)
				continue;
			it->local_told = true;
			r = it;
			ring_get(r);
			break;
		}
		mutex_unlock(&ut->work_lock);
		if (!r)
			return;
		complete_notify(r, true);
		ring_put(r);
	}
}

/* The task may have given up rights since the helper was made. */
static void act_as_task(struct uring_task *ut, struct task *h)
{
	const struct cred *cred = task_cred_get(ut->task);

	cred_put(task_cred_swap(h, cred));
}

static void helper_main(struct task *h, void *arg)
{
	struct uring_task *ut = arg;
	struct issue is;
	bool ends = false;

	issue_init(&is, h, ut);
	worker_is(ut, &h->waiter);
	while (!ends) {
		waiter_prepare(&h->waiter);
		tell_local(ut);
		act_as_task(ut, h);
		if (work_run(ut, &is))
			continue;
		mutex_lock(&ut->work_lock);
		ends = ut->helper_ends;
		mutex_unlock(&ut->work_lock);
		if (!ends && waiter_wait_killable(&h->waiter, PARK_FOREVER) < 0)
			log_debug("io_uring: a helper was interrupted");
	}
	worker_is(ut, NULL);
}

static void helper_done(void *arg)
{
	struct uring_task *ut = arg;

	atomic_fetch_sub(&ut->nthreads, 1);
	waitq_wake_all(&ut->idle, EV_IN);
	owner_put(ut);
}

/* Somebody must be there for what waits when the task is not. */
static void helper_start(struct uring_task *ut, struct task *t)
{
	const struct task_helper what = { helper_main, helper_done, ut };
	struct task *h;

	if (ut->has_helper)
		return;
	owner_get(ut);
	atomic_fetch_add(&ut->nthreads, 1);
	if (task_helper_start(t->kernel, t, &what, &h) < 0) {
		helper_done(ut);
		log_warn("io_uring: no thread for pid %d: its requests wait for its next call",
			 t->group->pid);
		return;
	}
	ut->has_helper = true;
	mutex_lock(&ut->work_lock);
	ut->helper = h;
	mutex_unlock(&ut->work_lock);
}

void owner_enter(struct uring_task *ut)
{
	mutex_lock(&ut->work_lock);
	ut->is_present = true;
	mutex_unlock(&ut->work_lock);
}

void owner_exit(struct uring_task *ut, struct issue *is)
{
	bool stays = true, has_local;

	if (ut->is_sqpoll)
		return;
	for (int i = 0; stays; i++) {
		work_run(ut, is);
		if (atomic_load(&ut->nwaiting) || i == EXIT_ROUNDS)
			helper_start(ut, is->task);
		mutex_lock(&ut->work_lock);
		stays = !list_empty(&ut->work) && i < EXIT_ROUNDS;
		ut->is_present = stays;
		has_local = !list_empty(&ut->local_rings);
		if (!stays && ut->worker && (has_local || !list_empty(&ut->work)))
			waiter_wake(ut->worker);
		mutex_unlock(&ut->work_lock);
		/* It is for the task's next call; or the ring is closed, and the helper's. */
		if (!stays && has_local)
			helper_start(ut, is->task);
	}
}

/* ---- leaving ---- */

static void helper_end(struct uring_task *ut)
{
	struct task *h;

	mutex_lock(&ut->work_lock);
	ut->helper_ends = true;
	h = ut->helper;
	ut->helper = NULL;
	mutex_unlock(&ut->work_lock);
	if (!h)
		return;
	waiter_wake(&h->waiter);
	task_put(h);
}

static void local_to_work(struct uring_task *ut)
{
	mutex_lock(&ut->work_lock);
	while (!list_empty(&ut->local_rings))
		move_local(ut, list_first(&ut->local_rings, struct ring, local_link));
	mutex_unlock(&ut->work_lock);
}

/* Waits, doing the work, until done(ut). */
static void wait_until(struct uring_task *ut, struct issue *is, bool (*done)(struct uring_task *))
{
	struct waiter *w = &is->task->waiter;
	struct waitq_entry e;
	bool worked;

	waitq_entry_init(&e, w, EV_IN);
	waitq_add(&ut->idle, &e);
	for (;;) {
		waiter_prepare(w);
		local_to_work(ut);
		worked = work_run(ut, is);
		if (done(ut))
			break;
		/* A kill that is pending already must not end this wait. */
		if (!worked)
			(void)waiter_wait_woken(w, PARK_FOREVER);
	}
	waitq_remove(&ut->idle, &e);
}

static bool no_requests(struct uring_task *ut)
{
	return atomic_load(&ut->nrequests) == 0;
}

static bool no_threads(struct uring_task *ut)
{
	return atomic_load(&ut->nthreads) == 0;
}

static void ghost_main(struct task *h, void *arg)
{
	struct uring_task *ut = arg;
	struct issue is;

	issue_init(&is, NULL, ut);
	worker_is(ut, &h->waiter);
	for (;;) {
		waiter_prepare(&h->waiter);
		if (work_run(ut, &is))
			continue;
		if (no_requests(ut))
			break;
		(void)waiter_wait_woken(&h->waiter, PARK_FOREVER);
	}
	worker_is(ut, NULL);
}

/* Requests that outlive their task can only be cancelled, when what they wait for
 * happens: somebody must do that. False: there can be nobody. */
static bool ghost_start(struct uring_task *ut)
{
	const struct task_helper what = { ghost_main, helper_done, ut };
	struct task *h;

	owner_get(ut);
	atomic_fetch_add(&ut->nthreads, 1);
	if (task_helper_start(ut->kernel, NULL, &what, &h) < 0) {
		helper_done(ut);
		return false;
	}
	task_put(h);
	return true;
}

static void forget_ring_fds(struct uring_task *ut)
{
	for (unsigned i = 0; i < RING_FDS_MAX; i++) {
		file_put(ut->ring_fds[i]);
		ut->ring_fds[i] = NULL;
	}
}

void uring_leave(struct task *t, bool is_exec)
{
	struct uring_task *ut = t->uring;
	struct issue is;

	sqpoll_leave(t, is_exec);
	if (!ut)
		return;
	issue_init(&is, t, ut);
	owner_enter(ut);
	forget_ring_fds(ut);
	atomic_store(&ut->ends, is_exec);
	cancel_of_task(ut, is_exec, &is);
	pool_end(ut);
	if (is_exec)
		wait_until(ut, &is, no_requests);
	helper_end(ut);
	wait_until(ut, &is, no_threads);
	local_to_work(ut);
	(void)work_run(ut, &is);
	mutex_lock(&ut->work_lock);
	ut->task = NULL;
	ut->is_present = false;
	mutex_unlock(&ut->work_lock);
	t->uring = NULL;
	if (!no_requests(ut) && !ghost_start(ut)) {
		cancel_of_task(ut, true, &is);
		is.task = NULL;
		(void)work_run(ut, &is);
	}
	owner_put(ut);
}
