/*
 * io_uring_enter(2): submits, then waits for completions.
 *
 * While its task is in here, it does its own work (owner.h). Waiting: until so many
 * completions are in the queue as were asked for, a timeout request has fired, a
 * signal, or the time is over. Who posts completions wakes only waiters that have
 * enough: an entry with a wake function of its own counts.
 *
 * A minimal wait (min_wait_usec): up to that time for all that was asked for; then for
 * the first, if there is none yet.
 */
#include <string.h>

#include "uring/internal.h"
#include "uring/setup.h"
#include "uring/sqpoll.h"
#include "uring/timeout.h"

/* Local work done in one go, at least. */
#define LOCAL_BATCH 20u

/* What the last two arguments say. */
struct wait_args {
	bool has_mask, has_time;
	sigmask_t mask;
	uint64_t time_ns, min_ns;
};

/* ---- arguments ---- */

static int get_mask(struct task *t, gva_t user, uint64_t size, struct wait_args *w)
{
	if (!user)
		return 0;
	if (size != sizeof(w->mask))
		return -EINVAL;
	if (mm_copy_in(t->mm, &w->mask, user, sizeof(w->mask)) < 0)
		return -EFAULT;
	w->has_mask = true;
	return 0;
}

static void set_time(struct wait_args *w, int64_t sec, int64_t nsec)
{
	int64_t ns = 0;

	/* Linux checks neither: what is too much is for ever, what is negative over. */
	w->has_time = true;
	if (__builtin_mul_overflow(sec, (int64_t)NSEC_PER_SEC, &ns) || add_overflow(ns, nsec, &ns))
		ns = sec < 0 ? 0 : INT64_MAX;
	w->time_ns = (uint64_t)MAX(ns, (int64_t)0);
}

/* One of the registered arguments: arg is its offset in the region. */
static int get_registered(struct task *t, struct ring *r, uint64_t arg, uint64_t size,
			  struct wait_args *w)
{
	struct io_uring_reg_wait rw;
	uint64_t end;

	if (size != sizeof(rw))
		return -EINVAL;
	if (!r->param_is_wait_arg || (arg & (sizeof(long) - 1)) ||
	    add_overflow(arg, sizeof(rw), &end) || end > r->param.buf.size)
		return -EFAULT;
	/* It may lie across two pages. */
	for (unsigned i = 0; i < sizeof(rw); i += sizeof(uint64_t))
		memcpy((char *)&rw + i, sharedbuf_at(&r->param.buf, arg + i, sizeof(uint64_t)),
		       sizeof(uint64_t));
	if (rw.flags & ~IORING_REG_WAIT_TS)
		return -EINVAL;
	if (rw.flags & IORING_REG_WAIT_TS)
		set_time(w, rw.ts_sec, rw.ts_nsec);
	w->min_ns = (uint64_t)rw.min_wait_usec * 1000;
	return get_mask(t, rw.sigmask, rw.sigmask_sz, w);
}

static int get_args(struct task *t, struct ring *r, const uint64_t a[6], struct wait_args *w)
{
	struct io_uring_getevents_arg arg;
	uint32_t flags = (uint32_t)a[3];
	int64_t ts[2];

	memset(w, 0, sizeof(*w));
	if (!(flags & IORING_ENTER_EXT_ARG))
		return get_mask(t, a[4], a[5], w);
	if (flags & IORING_ENTER_EXT_ARG_REG)
		return get_registered(t, r, a[4], a[5], w);
	if (a[5] != sizeof(arg))
		return -EINVAL;
	if (mm_copy_in(t->mm, &arg, a[4], sizeof(arg)) < 0)
		return -EFAULT;
	w->min_ns = (uint64_t)arg.min_wait_usec * 1000;
	if (arg.ts) {
		if (mm_copy_in(t->mm, ts, arg.ts, sizeof(ts)) < 0)
			return -EFAULT;
		set_time(w, ts[0], ts[1]);
	}
	return get_mask(t, arg.sigmask, arg.sigmask_sz, w);
}

/* ---- waiting ---- */

struct cq_wait {
	struct waitq_entry entry;
	struct ring *r;
	uint32_t target;   /* cq_tail that is enough */
	unsigned timeouts; /* timeouts that had fired before */
};

static bool is_enough(const struct cq_wait *w)
{
	return (int32_t)(atomic_load(&w->r->cq_published) - w->target) >= 0 ||
	       atomic_load(&w->r->cq_timeouts) != w->timeouts;
}

static void wake_if_enough(struct waitq_entry *e, uint32_t events)
{
	struct cq_wait *w = container_of(e, struct cq_wait, entry);

	(void)events;
	if (is_enough(w) || atomic_load(&w->r->has_dropped))
		waiter_wake(e->waiter);
}

static uint32_t cq_head(const struct ring *r)
{
	return shared_load_acquire(ring_word(&r->layout, RING_CQ_HEAD));
}

static void run_work(struct ring *r, struct issue *is, unsigned want)
{
	if (r->flags & IORING_SETUP_DEFER_TASKRUN)
		(void)work_run_local(r, is, MAX(want, LOCAL_BATCH));
	(void)work_run(is->ut, is);
}

static bool has_work(struct ring *r, struct issue *is)
{
	return atomic_load(&r->nlocal) || work_is_pending(is->ut);
}

/* 0, -EINTR, -ETIME, -EBADR. */
static int wait_loop(struct cq_wait *w, struct issue *is, uint64_t min_until, uint64_t until)
{
	struct waiter *waiter = &is->task->waiter;
	struct ring *r = w->r;
	int err;

	for (;;) {
		uint64_t deadline = MIN(min_until, until);

		waiter_prepare(waiter);
		run_work(r, is, (unsigned)(w->target - cq_head(r)));
		complete_flush_backlog(r);
		if (atomic_load(&r->has_dropped))
			return -EBADR;
		if (is_enough(w))
			return 0;
		if (has_work(r, is))
			continue;
		err = waiter_wait(waiter, deadline);
		if (err == -ETIMEDOUT && deadline == min_until && min_until != until) {
			/* From now on the first is enough. */
			min_until = PARK_FOREVER;
			w->target = cq_head(r) + 1;
		} else if (err == -ETIMEDOUT) {
			return -ETIME;
		} else if (err < 0) {
			return -EINTR;
		}
	}
}

static uint64_t wait_until(const struct ring *r, const struct wait_args *args, uint32_t flags)
{
	uint64_t now = uring_now(CLOCK_MONOTONIC), own, t = args->time_ns;

	if (!args->has_time)
		return PARK_FOREVER;
	if (!(flags & IORING_ENTER_ABS_TIMER))
		return add_overflow(now, t, &t) ? PARK_FOREVER : t;
	if (r->wait_clock == CLOCK_MONOTONIC)
		return t;
	own = uring_now(r->wait_clock);
	return t <= own ? 0 : now + (t - own);
}

static long wait_events(struct ring *r, struct issue *is, unsigned want, uint32_t flags,
			const struct wait_args *args)
{
	struct task *t = is->task;
	struct cq_wait w = { .r = r };
	uint64_t min_until = PARK_FOREVER;
	int err;

	want = MIN(want, r->layout.cq_entries);
	run_work(r, is, want);
	complete_flush_backlog(r);
	if (complete_unread(r) >= want)
		return 0;
	/* Polled rings have no file that could be polled: what can complete has. */
	if (r->flags & IORING_SETUP_IOPOLL)
		return 0;
	if (args->min_ns)
		min_until = uring_now(CLOCK_MONOTONIC) + args->min_ns;
	w.target = cq_head(r) + want;
	w.timeouts = atomic_load(&r->cq_timeouts);
	if (args->has_mask)
		signal_set_temporary_mask(t, args->mask);
	waitq_entry_init(&w.entry, &t->waiter, EV_IN);
	w.entry.wake = wake_if_enough;
	waitq_add(&r->cq_waitq, &w.entry);
	err = wait_loop(&w, is, min_until, wait_until(r, args, flags));
	waitq_remove(&r->cq_waitq, &w.entry);
	/* A signal's handler runs with the mask of the call. */
	if (args->has_mask && err != -EINTR)
		signal_restore_mask(t);
	return complete_unread(r) ? 0 : err;
}

/* ---- the call ---- */

static long get_events(struct ring *r, struct issue *is, const uint64_t a[6])
{
	struct wait_args args;
	int err = get_args(is->task, r, a, &args);

	if (err < 0)
		return err;
	if ((r->flags & IORING_SETUP_DEFER_TASKRUN) && ring_single(r) != is->ut)
		return -EEXIST;
	return wait_events(r, is, (unsigned)a[2], (uint32_t)a[3], &args);
}

static int check_issuer(struct ring *r, struct uring_task *ut)
{
	const struct uring_task *single = ring_single(r);

	return single && single != ut ? -EEXIST : 0;
}

static long submit(struct ring *r, struct issue *is, unsigned want)
{
	long n = check_issuer(r, is->ut);

	if (n == 0)
		n = token_take(&r->token, &is->task->waiter);
	if (n < 0)
		return n;
	n = submit_entries(r, want, is);
	token_give(&r->token);
	return n;
}

static long submit_polled(struct ring *r, struct issue *is, unsigned want, uint32_t flags)
{
	if (sqpoll_is_gone(r))
		return -EOWNERDEAD;
	if (flags & IORING_ENTER_SQ_WAKEUP)
		sqpoll_wake(r);
	if (flags & IORING_ENTER_SQ_WAIT)
		sqpoll_wait_room(r, &is->task->waiter);
	return want;
}

static long enter_ring(struct ring *r, struct issue *is, const uint64_t a[6])
{
	unsigned want = (unsigned)a[1];
	uint32_t flags = (uint32_t)a[3];
	long n = 0, err;

	if (r->flags & IORING_SETUP_SQPOLL)
		n = submit_polled(r, is, want, flags);
	else if (want)
		n = submit(r, is, want);
	if (n < 0 || (!(r->flags & IORING_SETUP_SQPOLL) && n != (long)want))
		return n;
	if (!(flags & IORING_ENTER_GETEVENTS))
		return n;
	err = get_events(r, is, a);
	if (err == -EBADR)
		atomic_store(&r->has_dropped, false);
	return n ? n : err;
}

long uring_enter_call(struct task *t, const uint64_t a[6])
{
	uint32_t flags = (uint32_t)a[3];
	struct uring_task *ut;
	struct issue is;
	struct file *f;
	struct ring *r;
	long n;

	if (uring_is_disabled)
		return -ENOSYS;
	if (flags & ~IORING_ENTER_ALL)
		return -EINVAL;
	n = ring_file_get(t, (uint32_t)a[0], flags & IORING_ENTER_REGISTERED_RING, &f);
	if (n < 0)
		return n;
	r = ring_of(f);
	n = !r ? -EOPNOTSUPP : atomic_load(&r->is_disabled) ? -EBADFD : owner_of(t, &ut);
	if (n == 0) {
		issue_init(&is, t, ut);
		owner_enter(ut);
		n = enter_ring(r, &is, a);
		complete_flush(&is);
		owner_exit(ut, &is);
	}
	file_put(f);
	return n;
}
