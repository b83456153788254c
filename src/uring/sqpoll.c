/*
 * See sqpoll.h. Going to sleep without losing an entry:
 *
 *	thread                                program
 *	NEED_WAKEUP set                       entry, tail stored with release
 *	full barrier                          full barrier (the manual asks for it)
 *	tail loaded: nothing? sleeps          NEED_WAKEUP loaded: set? enter(SQ_WAKEUP)
 *
 * One of the two sees what the other did.
 */
#include "uring/sqpoll.h"

#include "base/pool.h"
#include "task/machine.h"
#include "uring/cancel.h"

#define IDLE_DEFAULT_NS NSEC_PER_SEC
/* With several rings, each gets its turn after so many entries. */
#define ENTRIES_IN_TURN 8u

/* [s] sqpolls_lock, [I] immutable */
struct sqpoll {
	struct refcount refs;       /* rings, the thread, who looks */
	struct list link;           /* [s] of all */
	struct list rings;          /* [s] struct ring.sqpoll_link */
	struct thread_group *group; /* [I] whose it is: compared only */
	int pid;                    /* [I] the group's */
	struct uring_task *ut;      /* [I] reference */
	struct task *thread;        /* [s] reference; NULL: gone */
	bool ends;                  /* [s] */
	uint64_t idle_ns;           /* [s] the longest that a ring asked for */
	unsigned turn;              /* [o] */
	struct waitq waitq;         /* who waits for room, or for the end */
};

static POOL_DEFINE(sqpoll_pool, struct sqpoll);
static struct mutex sqpolls_lock = MUTEX_INIT(LOCK_URING_RINGS);
static struct list sqpolls = LIST_INIT(sqpolls); /* [s] */

static void sqpoll_put(struct sqpoll *sq)
{
	if (!refcount_put(&sq->refs))
		return;
	owner_put(sq->ut);
	pool_free(&sqpoll_pool, sq);
}

/* ---- the thread ---- */

/* The next ring of this turn, with a reference, or NULL; *several: there are more. */
static struct ring *next_ring(struct sqpoll *sq, bool *several)
{
	struct ring *found = NULL;

	mutex_lock(&sqpolls_lock);
	*several = !list_empty(&sq->rings) && sq->rings.next->next != &sq->rings;
	list_for_each(r, &sq->rings, struct ring, sqpoll_link) {
		if (r->sqpoll_turn == sq->turn)
			continue;
		r->sqpoll_turn = sq->turn;
		found = r;
		ring_get(r);
		break;
	}
	mutex_unlock(&sqpolls_lock);
	return found;
}

static bool submit_ring(struct ring *r, struct issue *is, bool several)
{
	const struct cred *own = is->task->cred;
	unsigned want = submit_pending(r);
	long n;

	if (!want || atomic_load(&r->is_disabled) || READ_ONCE(r->is_dying))
		return false;
	if (several)
		want = MIN(want, ENTRIES_IN_TURN);
	token_take_slow(&r->token);
	is->task->cred = r->sqpoll_cred;
	n = submit_entries(r, want, is);
	is->task->cred = own;
	token_give(&r->token);
	waitq_wake_all(&r->sqpoll->waitq, EV_OUT);
	return n > 0;
}

/* True: something was done. */
static bool run_once(struct sqpoll *sq, struct issue *is)
{
	bool several, any = false;
	struct ring *r;

	sq->turn++;
	while ((r = next_ring(sq, &several))) {
		any |= submit_ring(r, is, several);
		ring_put(r);
	}
	return work_run(sq->ut, is) || any;
}

/* Says that the thread sleeps, or does not; true: a ring has entries. */
static bool set_need_wakeup(struct sqpoll *sq, bool on)
{
	bool pending = false;

	mutex_lock(&sqpolls_lock);
	list_for_each(r, &sq->rings, struct ring, sqpoll_link) {
		mutex_lock(&r->lock);
		ring_sq_flag(r, IORING_SQ_NEED_WAKEUP, on);
		mutex_unlock(&r->lock);
		atomic_thread_fence(memory_order_seq_cst);
		pending |= submit_pending(r) && !atomic_load(&r->is_disabled);
	}
	mutex_unlock(&sqpolls_lock);
	return pending;
}

static bool shall_end(struct sqpoll *sq)
{
	bool ends;

	mutex_lock(&sqpolls_lock);
	sq->ends |= list_empty(&sq->rings); /* none can be attached any more */
	ends = sq->ends;
	mutex_unlock(&sqpolls_lock);
	return ends;
}

static void sleep_until_woken(struct sqpoll *sq, struct task *h)
{
	waiter_prepare(&h->waiter);
	if (!set_need_wakeup(sq, true) && !work_is_pending(sq->ut) && !shall_end(sq))
		(void)waiter_wait_woken(&h->waiter, PARK_FOREVER);
	(void)set_need_wakeup(sq, false);
}

static void sqpoll_main(struct task *h, void *arg)
{
	struct sqpoll *sq = arg;
	uint64_t until = 0;
	struct issue is;

	mutex_lock(&sq->ut->work_lock);
	sq->ut->task = h;
	sq->ut->is_present = true;
	mutex_unlock(&sq->ut->work_lock);
	h->uring = sq->ut;
	issue_init(&is, h, sq->ut);
	while (!shall_end(sq)) {
		uint64_t now = uring_now(CLOCK_MONOTONIC);

		if (run_once(sq, &is))
			until = now + READ_ONCE(sq->idle_ns);
		else if (now >= until)
			sleep_until_woken(sq, h);
		else
			machine_yield();
	}
	(void)set_need_wakeup(sq, true);
	owner_get(sq->ut); /* uring_leave() drops one */
	uring_leave(h, true);
}

static void sqpoll_done(void *arg)
{
	struct sqpoll *sq = arg;
	struct task *h;

	mutex_lock(&sqpolls_lock);
	h = sq->thread;
	sq->thread = NULL;
	list_del(&sq->link);
	mutex_unlock(&sqpolls_lock);
	waitq_wake_all(&sq->waitq, EV_ALL);
	task_put(h);
	sqpoll_put(sq);
}

/* ---- making ---- */

static int thread_start(struct sqpoll *sq, struct task *t)
{
	const struct task_helper what = { sqpoll_main, sqpoll_done, sq };
	int r;

	refcount_get(&sq->refs);
	mutex_lock(&sqpolls_lock);
	list_push_back(&sqpolls, &sq->link);
	mutex_unlock(&sqpolls_lock);
	r = task_helper_start(t->kernel, t, &what, &sq->thread);
	if (r < 0)
		sqpoll_done(sq);
	return r;
}

static int sqpoll_create(struct task *t, struct sqpoll **out)
{
	struct sqpoll *sq = pool_alloc(&sqpoll_pool);
	int r;

	*out = NULL;
	if (!sq)
		return -ENOMEM;
	refcount_init(&sq->refs, 1);
	list_init(&sq->link);
	list_init(&sq->rings);
	waitq_init(&sq->waitq);
	sq->group = t->group;
	sq->pid = t->group->pid;
	r = owner_create(t, &sq->ut);
	if (r < 0) {
		pool_free(&sqpoll_pool, sq);
		return r;
	}
	sq->ut->task = NULL;
	sq->ut->is_sqpoll = true;
	*out = sq;
	return 0;
}

/* Another ring's thread, with a reference. -EPERM: another process's. */
static int sqpoll_attach(struct task *t, uint32_t fd, struct sqpoll **out)
{
	struct file *f = fd_get(t, (int)fd);
	struct ring *other;
	int r = 0;

	*out = NULL;
	if (!f)
		return -ENXIO;
	other = ring_of(f);
	if (!other || !other->sqpoll) {
		r = -EINVAL;
	} else if (other->sqpoll->group != t->group) {
		r = -EPERM;
	} else {
		refcount_get(&other->sqpoll->refs);
		*out = other->sqpoll;
	}
	file_put(f);
	return r;
}

int sqpoll_setup(struct task *t, struct ring *r, const struct io_uring_params *p)
{
	uint64_t idle = (uint64_t)p->sq_thread_idle * 1000000;
	int err = -EPERM;
	bool attached;

	if (!(p->flags & IORING_SETUP_SQPOLL))
		return p->flags & IORING_SETUP_SQ_AFF ? -EINVAL : 0;
	if ((p->flags & IORING_SETUP_SQ_AFF) && p->sq_thread_cpu >= t->kernel->ncpus)
		return -EINVAL;
	if (p->flags & IORING_SETUP_ATTACH_WQ)
		err = sqpoll_attach(t, p->wq_fd, &r->sqpoll);
	attached = err == 0;
	if (err == -EPERM)
		err = sqpoll_create(t, &r->sqpoll);
	if (err < 0)
		return err;
	r->sqpoll_cred = cred_get(t->cred);
	mutex_lock(&sqpolls_lock);
	if (r->sqpoll->ends) {
		mutex_unlock(&sqpolls_lock);
		return -ENXIO;
	}
	r->sqpoll->idle_ns = MAX(r->sqpoll->idle_ns, idle ? idle : IDLE_DEFAULT_NS);
	list_push_back(&r->sqpoll->rings, &r->sqpoll_link);
	mutex_unlock(&sqpolls_lock);
	return attached ? 0 : thread_start(r->sqpoll, t);
}

void sqpoll_remove(struct ring *r)
{
	struct sqpoll *sq = r->sqpoll;

	mutex_lock(&sqpolls_lock);
	list_del(&r->sqpoll_link);
	if (sq->thread)
		waiter_wake(&sq->thread->waiter);
	mutex_unlock(&sqpolls_lock);
}

void sqpoll_free(struct ring *r)
{
	if (!r->sqpoll)
		return;
	cred_put(r->sqpoll_cred);
	sqpoll_put(r->sqpoll);
	r->sqpoll = NULL;
}

/* ---- from outside ---- */

bool sqpoll_is_gone(const struct ring *r)
{
	bool gone;

	mutex_lock(&sqpolls_lock);
	gone = !r->sqpoll->thread || r->sqpoll->ends;
	mutex_unlock(&sqpolls_lock);
	return gone;
}

void sqpoll_wake(struct ring *r)
{
	mutex_lock(&sqpolls_lock);
	if (r->sqpoll->thread)
		waiter_wake(&r->sqpoll->thread->waiter);
	mutex_unlock(&sqpolls_lock);
}

void sqpoll_wait_room(struct ring *r, struct waiter *w)
{
	struct waitq_entry e;

	waitq_entry_init(&e, w, EV_ALL);
	waitq_add(&r->sqpoll->waitq, &e);
	for (;;) {
		waiter_prepare(w);
		if (submit_pending(r) < r->layout.sq_entries || sqpoll_is_gone(r) ||
		    waiter_wait(w, PARK_FOREVER) < 0)
			break;
	}
	waitq_remove(&r->sqpoll->waitq, &e);
}

int sqpoll_pid(const struct ring *r)
{
	return sqpoll_is_gone(r) ? -1 : r->sqpoll->pid;
}

/* One of the process's that still has its thread, with a reference; it is told. */
static struct sqpoll *tell_one(struct thread_group *g)
{
	struct sqpoll *found = NULL;

	mutex_lock(&sqpolls_lock);
	list_for_each(sq, &sqpolls, struct sqpoll, link) {
		if (sq->group != g)
			continue;
		found = sq;
		refcount_get(&sq->refs);
		sq->ends = true;
		if (sq->thread)
			waiter_wake(&sq->thread->waiter);
		break;
	}
	mutex_unlock(&sqpolls_lock);
	return found;
}

static bool thread_is_gone(struct sqpoll *sq)
{
	bool gone;

	mutex_lock(&sqpolls_lock);
	gone = !sq->thread;
	mutex_unlock(&sqpolls_lock);
	return gone;
}

static void wait_gone(struct sqpoll *sq)
{
	struct waitq_entry e;
	struct waiter w;

	waiter_init(&w);
	waitq_entry_init(&e, &w, EV_ALL);
	waitq_add(&sq->waitq, &e);
	for (;;) {
		waiter_prepare(&w);
		if (thread_is_gone(sq))
			break;
		(void)waiter_wait_woken(&w, PARK_FOREVER);
	}
	waitq_remove(&sq->waitq, &e);
}

void sqpoll_leave(struct task *t, bool is_exec)
{
	struct sqpoll *sq;

	if (t->helper.fn || (!is_exec && !task_is_last(t)))
		return;
	while ((sq = tell_one(t->group))) {
		wait_gone(sq);
		sqpoll_put(sq);
	}
}
