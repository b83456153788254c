/*
 * POSIX timers: timer_create(2) and friends.
 *
 *	DISARMED ──settime──> ARMED ──expires──> FIRED (signal queued)
 *	    ^                   ^                  │ the signal is taken:
 *	    └── one-shot ───────┼──────────────────┤ overruns are counted,
 *	                        └── interval ──────┘ the next period begins
 *
 * A periodic timer is not armed while its signal is queued, so a blocked signal
 * costs nothing however short the period: the periods that have passed are
 * counted when the signal is taken (timer_getoverrun(2)). A timer owns the one
 * queue entry that its signal uses.
 *
 * Timers of CPU clocks cannot be told when they are due: they look at the clock
 * at the earliest possible time, at most every WATCH_MIN_NS (as itimer.c), and
 * each period that was missed is a signal of its own.
 *
 * Locks: group.lock [g] for the list; the timer's state under sighand.lock [s],
 * because the dequeueing of a signal changes it. A reference keeps a timer that
 * another thread deletes; `dead` says so. The ktimer's callback is waited for
 * before the last reference goes.
 */
#include <signal.h>

#include "abi/signal.h"
#include "abi/time.h"
#include "base/pool.h"
#include "host/host.h"
#include "task/internal.h"

#define WATCH_MIN_NS 4000000u
#define IGNORED_MIN_NS 1000000u

enum timer_state { TIMER_DISARMED, TIMER_ARMED, TIMER_FIRED };

struct posix_timer {
	struct refcount refs;
	struct list link;               /* [g] */
	struct thread_group *group;     /* [I] borrowed: it outlives its timers */
	int id, clock, notify;          /* [I] */
	struct task *thread;            /* [s] SIGEV_THREAD_ID: reference */
	struct task *cpu_thread;        /* [I] whose CPU clock it is: reference, or NULL */
	struct thread_group *cpu_group; /* [I] the same, of a process */
	bool to_group;                  /* [I] */
	struct sigqueue_entry *entry;   /* [I] NULL: SIGEV_NONE */
	struct ktimer kt;
	enum timer_state state; /* [s] */
	bool dead;              /* [s] */
	uint64_t expires_ns;    /* [s] on its clock */
	uint64_t interval_ns;   /* [s] */
	uint64_t extra;         /* [s] expiries that found the signal queued */
	int overrun;            /* [s] of the last signal */
};

static POOL_DEFINE(posix_timer_pool, struct posix_timer);

/* ---- clocks ---- */

static bool is_cpu_clock(int clock)
{
	return clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID;
}

/* A thread of the caller's own process, with a reference. */
static struct task *own_thread(struct task *t, int32_t tid)
{
	struct task *thread = task_find(t, tid);

	if (thread && thread->group == t->group)
		return thread;
	task_put(thread);
	return NULL;
}

/* Whose time a CPU clock counts is settled when the timer is made. */
static int clock_bind(struct posix_timer *pt, struct task *t)
{
	int32_t nr = pt->clock < 0 ? ABI_CLOCK_PID(pt->clock) : 0;

	if (!is_cpu_clock(pt->clock))
		return 0;
	if (pt->clock == CLOCK_THREAD_CPUTIME_ID ||
	    (pt->clock < 0 && (pt->clock & ABI_CLOCK_PERTHREAD)))
		pt->cpu_thread = own_thread(t, nr ? nr : t->own_tid);
	else
		pt->cpu_group = process_find(t, nr ? nr : t->group->own_pid);
	return pt->cpu_thread || pt->cpu_group ? 0 : -EINVAL;
}

/* The clock as it stands. -ESRCH: of a thread or process that is gone. => no lock */
static int timer_now(struct posix_timer *pt, uint64_t *now)
{
	uint64_t ut, st;

	if (!is_cpu_clock(pt->clock))
		return task_clock_ns(NULL, pt->clock, now);
	if (pt->cpu_thread) {
		if (atomic_load(&pt->cpu_thread->state) >= TASK_ZOMBIE)
			return -ESRCH;
		task_times(pt->cpu_thread, &ut, &st);
	} else {
		if (!__atomic_load_n(&pt->cpu_group->leader, __ATOMIC_RELAXED))
			return -ESRCH;
		group_times(pt->cpu_group, &ut, &st);
	}
	*now = ut;
	if (pt->clock > 0 || (pt->clock & ABI_CLOCK_KIND_MASK) != ABI_CLOCK_KIND_VIRT)
		*now += st;
	return 0;
}

static void arm_locked(struct posix_timer *pt, uint64_t now)
{
	uint64_t left = pt->expires_ns > now ? pt->expires_ns - now : 0, due;

	if (!pt->entry)
		return; /* SIGEV_NONE: only looked at */
	if (is_cpu_clock(pt->clock)) {
		uint64_t threads = pt->cpu_group ? MAX(READ_ONCE(pt->cpu_group->ntasks), 1u) : 1;

		left = left ? MAX(left / threads, WATCH_MIN_NS) : 0;
	}
	if (add_overflow(host_clock_ns(CLOCK_MONOTONIC), left, &due))
		due = INT64_MAX;
	(void)ktimer_arm(&pt->kt, due);
}

/* Periods that have passed at now, when expires_ns has: moves it on. */
static uint64_t forward_locked(struct posix_timer *pt, uint64_t now)
{
	uint64_t n = now > pt->expires_ns ? (now - pt->expires_ns) / pt->interval_ns : 0;

	pt->expires_ns += (n + 1) * pt->interval_ns;
	return n;
}

/* ---- expiry and delivery ---- */

static void expired_locked(struct posix_timer *pt, uint64_t now)
{
	struct task *t = pt->thread;
	int r = -EINVAL;

	if (pt->to_group && !list_empty(&pt->group->tasks))
		t = list_first(&pt->group->tasks, struct task, group_link);
	if (t && !(t->leaving && !pt->to_group))
		r = signal_send_timer_locked(t, pt->entry, pt->to_group);
	if (r == 0)
		pt->extra = 0;
	else if (r == 1)
		pt->extra++;
	if (r >= 0) {
		pt->state = pt->interval_ns ? TIMER_FIRED : TIMER_DISARMED;
		return;
	}
	/* Ignored: the periods go on unseen. */
	pt->state = TIMER_DISARMED;
	if (pt->interval_ns) {
		(void)forward_locked(pt, now);
		pt->expires_ns = MAX(pt->expires_ns, now + IGNORED_MIN_NS);
		pt->state = TIMER_ARMED;
		arm_locked(pt, now);
	}
}

static void posix_timer_fired(struct ktimer *kt)
{
	struct posix_timer *pt = container_of(kt, struct posix_timer, kt);
	uint64_t now;

	if (timer_now(pt, &now) < 0)
		return;
	group_sighand_lock(pt->group);
	if (!pt->dead && pt->state == TIMER_ARMED) {
		if (now >= pt->expires_ns)
			expired_locked(pt, now);
		else
			arm_locked(pt, now);
	}
	group_sighand_unlock(pt->group);
}

void posix_timer_delivered_locked(struct posix_timer *pt, struct ksiginfo *info)
{
	uint64_t overrun = pt->extra, now = 0;

	pt->extra = 0;
	if (pt->state == TIMER_FIRED && pt->interval_ns) {
		if (is_cpu_clock(pt->clock)) {
			now = pt->expires_ns;
			pt->expires_ns += pt->interval_ns;
		} else {
			(void)task_clock_ns(NULL, pt->clock, &now);
			overrun += forward_locked(pt, now);
		}
		pt->state = TIMER_ARMED;
		arm_locked(pt, now);
	}
	pt->overrun = (int)MIN(overrun, (uint64_t)INT32_MAX);
	info->overrun = pt->overrun;
}

/* ---- finding, freeing ---- */

static void timer_put(struct posix_timer *pt)
{
	if (!refcount_put(&pt->refs))
		return;
	sigqueue_free_timer(pt->entry);
	task_put(pt->thread);
	task_put(pt->cpu_thread);
	group_put(pt->cpu_group);
	pool_free(&posix_timer_pool, pt);
}

static struct posix_timer *timer_get(struct thread_group *g, int id)
{
	struct posix_timer *found = NULL;

	mutex_lock(&g->lock);
	list_for_each(pt, &g->timers, struct posix_timer, link) {
		if (pt->id == id) {
			found = pt;
			refcount_get(&pt->refs);
			break;
		}
	}
	mutex_unlock(&g->lock);
	return found;
}

static void entry_unqueue_locked(struct posix_timer *pt)
{
	if (!pt->entry)
		return;
	if (pt->to_group)
		sigqueue_remove_timer(&pt->group->pending, pt->entry);
	else if (pt->thread)
		sigqueue_remove_timer(&pt->thread->pending, pt->entry);
}

/* Takes over the list's reference of a timer that is off the list. */
static void timer_kill(struct posix_timer *pt)
{
	group_sighand_lock(pt->group);
	pt->dead = true;
	pt->state = TIMER_DISARMED;
	entry_unqueue_locked(pt);
	group_sighand_unlock(pt->group);
	(void)ktimer_cancel(&pt->kt);
	timer_put(pt);
}

int posix_timer_delete(struct task *t, int id)
{
	struct posix_timer *pt = timer_get(t->group, id);
	bool mine;

	if (!pt)
		return -EINVAL;
	mutex_lock(&t->group->lock);
	mine = !list_empty(&pt->link);
	list_del(&pt->link);
	mutex_unlock(&t->group->lock);
	if (mine)
		timer_kill(pt);
	timer_put(pt);
	return mine ? 0 : -EINVAL;
}

void group_timers_destroy(struct thread_group *g)
{
	for (;;) {
		struct posix_timer *pt = NULL;

		mutex_lock(&g->lock);
		if (!list_empty(&g->timers)) {
			pt = list_first(&g->timers, struct posix_timer, link);
			list_del(&pt->link);
		}
		mutex_unlock(&g->lock);
		if (!pt)
			break;
		timer_kill(pt);
	}
}

/* The thread's own queue goes with it: no timer's entry may stay on it. */
void group_timers_task_exit(struct task *t)
{
	struct thread_group *g = t->group;
	unsigned drop = 0;

	mutex_lock(&g->lock);
	group_sighand_lock(g);
	list_for_each(pt, &g->timers, struct posix_timer, link) {
		if (pt->thread != t)
			continue;
		entry_unqueue_locked(pt);
		pt->state = TIMER_DISARMED;
		pt->thread = NULL;
		drop++;
	}
	group_sighand_unlock(g);
	mutex_unlock(&g->lock);
	while (drop--)
		task_put(t);
}

/* ---- the calls ---- */

static int check_clock(struct task *t, int clock)
{
	uint64_t now;

	switch (clock) {
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
		return -EOPNOTSUPP;
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		return -EPERM;
	default:
		return task_clock_ns(t, clock, &now);
	}
}

static int check_event(struct task *t, const struct posix_timer_spec *spec, struct task **thread)
{
	*thread = NULL;
	if (!spec->has_event)
		return 0;
	switch (spec->notify) {
	case ABI_SIGEV_NONE:
		return 0;
	case ABI_SIGEV_THREAD_ID:
		*thread = own_thread(t, spec->tid);
		if (!*thread)
			return -EINVAL;
		break;
	case ABI_SIGEV_SIGNAL:
	case ABI_SIGEV_THREAD:
		break;
	default:
		return -EINVAL;
	}
	if (spec->signo >= 1 && spec->signo <= NSIGNALS)
		return 0;
	task_put(*thread);
	*thread = NULL;
	return -EINVAL;
}

static struct posix_timer *timer_alloc(struct task *t, const struct posix_timer_spec *spec)
{
	struct posix_timer *pt = pool_alloc(&posix_timer_pool);

	if (!pt)
		return NULL;
	refcount_init(&pt->refs, 1);
	list_init(&pt->link);
	ktimer_init(&pt->kt, posix_timer_fired);
	pt->group = t->group;
	pt->clock = spec->clock;
	pt->notify = spec->has_event ? spec->notify : ABI_SIGEV_SIGNAL;
	pt->to_group = pt->notify != ABI_SIGEV_THREAD_ID;
	if (pt->notify == ABI_SIGEV_NONE)
		return pt;
	sigqueue_alloc(t->group, t->cred->uid, false, &pt->entry);
	if (!pt->entry) {
		pool_free(&posix_timer_pool, pt);
		return NULL;
	}
	pt->entry->timer = pt;
	return pt;
}

/* From here on another thread may guess the id: the signal is complete. */
static int timer_publish(struct posix_timer *pt, const struct posix_timer_spec *spec, int *id)
{
	struct thread_group *g = pt->group;
	uint64_t limit = g->limits[RLIMIT_SIGPENDING_NR].cur, count = 0;
	int r = 0;

	mutex_lock(&g->lock);
	list_for_each(other, &g->timers, struct posix_timer, link)
		count++;
	if (count >= limit) {
		r = -EAGAIN;
	} else {
		pt->id = g->next_timer_id;
		g->next_timer_id = pt->id == INT32_MAX ? 0 : pt->id + 1;
		if (pt->entry)
			pt->entry->info = (struct ksiginfo){
				.signo = spec->has_event ? spec->signo : SIGALRM,
				.code = SI_TIMER,
				.timerid = pt->id,
				.value = spec->has_event ? spec->value : (uint64_t)pt->id,
			};
		*id = pt->id;
		list_push_back(&g->timers, &pt->link);
	}
	mutex_unlock(&g->lock);
	return r;
}

int posix_timer_create(struct task *t, const struct posix_timer_spec *spec, int *id)
{
	struct posix_timer *pt;
	struct task *thread;
	int r;

	r = check_clock(t, spec->clock);
	if (r < 0)
		return r;
	r = check_event(t, spec, &thread);
	if (r < 0)
		return r;
	pt = timer_alloc(t, spec);
	if (!pt) {
		task_put(thread);
		return -EAGAIN;
	}
	pt->thread = thread;
	r = clock_bind(pt, t);
	if (r == 0)
		r = timer_publish(pt, spec, id);
	if (r < 0)
		timer_put(pt);
	return r;
}

static void get_locked(struct posix_timer *pt, uint64_t now, struct itimer_value *out)
{
	uint64_t past;

	*out = (struct itimer_value){ .interval_ns = pt->interval_ns };
	if (pt->state == TIMER_DISARMED)
		return;
	if (pt->expires_ns > now) {
		out->value_ns = pt->expires_ns - now;
		return;
	}
	past = now - pt->expires_ns;
	if (pt->interval_ns)
		out->value_ns = pt->interval_ns - past % pt->interval_ns;
	else
		out->value_ns = pt->entry ? 1 : 0;
}

int posix_timer_gettime(struct task *t, int id, struct itimer_value *out)
{
	struct posix_timer *pt = timer_get(t->group, id);
	uint64_t now;

	if (!pt)
		return -EINVAL;
	if (timer_now(pt, &now) < 0)
		now = 0;
	group_sighand_lock(t->group);
	get_locked(pt, now, out);
	group_sighand_unlock(t->group);
	timer_put(pt);
	return 0;
}

static void set_locked(struct posix_timer *pt, bool is_abs, const struct itimer_value *val,
		       uint64_t now)
{
	pt->interval_ns = val->interval_ns;
	pt->extra = 0;
	pt->overrun = 0;
	pt->state = TIMER_DISARMED;
	(void)ktimer_try_cancel(&pt->kt);
	if (!val->value_ns)
		return;
	pt->expires_ns = val->value_ns;
	if (!is_abs && add_overflow(now, val->value_ns, &pt->expires_ns))
		pt->expires_ns = INT64_MAX;
	pt->state = TIMER_ARMED;
	arm_locked(pt, now);
}

int posix_timer_settime(struct task *t, int id, bool is_abs, const struct itimer_value *val,
			struct itimer_value *old)
{
	struct posix_timer *pt = timer_get(t->group, id);
	uint64_t now;
	int r;

	if (!pt)
		return -EINVAL;
	r = timer_now(pt, &now);
	if (r < 0) {
		timer_put(pt);
		return r;
	}
	group_sighand_lock(t->group);
	if (old)
		get_locked(pt, now, old);
	if (!pt->dead)
		set_locked(pt, is_abs, val, now);
	group_sighand_unlock(t->group);
	timer_put(pt);
	return 0;
}

int posix_timer_overrun(struct task *t, int id)
{
	struct posix_timer *pt = timer_get(t->group, id);
	int r;

	if (!pt)
		return -EINVAL;
	group_sighand_lock(t->group);
	r = pt->overrun;
	group_sighand_unlock(t->group);
	timer_put(pt);
	return r;
}
