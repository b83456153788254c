/*
 * Times, usage, clocks and limits of tasks and processes.
 *
 * User time is what the platform says of a context; system time is the CPU time
 * of the host thread that runs the task. Both clocks end with the thread: what
 * they said is added to the group's dead_* sums (usage_leave_locked), and the
 * task no longer counts by itself (usage_is_group).
 *
 * Locks: group.lock -> sighand.lock, which keeps contexts and runners alive.
 */
#include "abi/resource.h"
#include "abi/time.h"
#include "host/host.h"
#include "task/internal.h"

/* ---- times ---- */

static void task_times_locked(struct task *t, uint64_t *utime_ns, uint64_t *stime_ns)
{
	*utime_ns = atomic_load(&t->utime_ns) + (t->ctx ? platform_ctx_cpu_ns(t->ctx) : 0);
	*stime_ns = atomic_load(&t->stime_ns) + runner_cpu_ns(t);
}

void task_times(struct task *t, uint64_t *utime_ns, uint64_t *stime_ns)
{
	group_sighand_lock(t->group);
	task_times_locked(t, utime_ns, stime_ns);
	group_sighand_unlock(t->group);
}

void usage_leave_locked(struct task *t)
{
	struct thread_group *g = t->group;
	uint64_t ut, st;

	mutex_assert_held(&g->lock);
	task_times_locked(t, &ut, &st);
	g->dead_utime_ns += ut;
	g->dead_stime_ns += st;
	g->dead_minflt += atomic_load(&t->minflt);
	g->dead_majflt += atomic_load(&t->majflt);
	g->dead_nvcsw += atomic_load(&t->nvcsw);
	g->dead_nivcsw += atomic_load(&t->nivcsw);
	atomic_store(&t->utime_ns, ut);
	atomic_store(&t->stime_ns, st);
	t->usage_is_group = true;
}

void usage_note_rss(struct thread_group *g, struct mm *mm)
{
	struct mm_usage u;

	mm_get_usage(mm, &u);
	mutex_lock(&g->lock);
	g->maxrss = MAX(g->maxrss, u.peak_rss >> 10);
	mutex_unlock(&g->lock);
}

static void group_usage_locked(struct thread_group *g, struct kusage *out)
{
	uint64_t ut, st;

	*out = (struct kusage){
		.utime_ns = g->dead_utime_ns,
		.stime_ns = g->dead_stime_ns,
		.minflt = g->dead_minflt,
		.majflt = g->dead_majflt,
		.nvcsw = g->dead_nvcsw,
		.nivcsw = g->dead_nivcsw,
		.maxrss = g->maxrss,
	};
	list_for_each(t, &g->tasks, struct task, group_link) {
		if (t->usage_is_group)
			continue;
		task_times_locked(t, &ut, &st);
		out->utime_ns += ut;
		out->stime_ns += st;
		out->minflt += atomic_load(&t->minflt);
		out->majflt += atomic_load(&t->majflt);
		out->nvcsw += atomic_load(&t->nvcsw);
		out->nivcsw += atomic_load(&t->nivcsw);
	}
}

static void group_usage(struct thread_group *g, struct kusage *out)
{
	mutex_lock(&g->lock);
	group_sighand_lock(g);
	group_usage_locked(g, out);
	group_sighand_unlock(g);
	mutex_unlock(&g->lock);
}

void group_times(struct thread_group *g, uint64_t *utime_ns, uint64_t *stime_ns)
{
	struct kusage u;

	group_usage(g, &u);
	*utime_ns = u.utime_ns;
	*stime_ns = u.stime_ns;
}

static void children_usage(struct thread_group *g, struct kusage *out)
{
	mutex_lock(&g->lock);
	*out = (struct kusage){ .utime_ns = g->child_utime_ns,
				.stime_ns = g->child_stime_ns,
				.maxrss = g->child_maxrss };
	mutex_unlock(&g->lock);
}

static void thread_usage(struct task *t, struct kusage *out)
{
	*out = (struct kusage){ .minflt = atomic_load(&t->minflt),
				.majflt = atomic_load(&t->majflt),
				.nvcsw = atomic_load(&t->nvcsw),
				.nivcsw = atomic_load(&t->nivcsw) };
	task_times(t, &out->utime_ns, &out->stime_ns);
}

void task_usage(struct task *t, int who, struct kusage *out)
{
	struct mm_usage u;

	if (who == ABI_RUSAGE_CHILDREN) {
		children_usage(t->group, out);
		return;
	}
	if (who == ABI_RUSAGE_THREAD)
		thread_usage(t, out);
	else
		group_usage(t->group, out);
	if (t->mm && t == task_current()) {
		mm_get_usage(t->mm, &u);
		out->maxrss = MAX(out->maxrss, u.peak_rss >> 10);
	}
}

/* ---- clocks ---- */

static uint64_t sum_by_kind(int kind, uint64_t ut, uint64_t st)
{
	return kind == ABI_CLOCK_KIND_VIRT ? ut : ut + st;
}

static int thread_clock(struct task *caller, int32_t tid, int kind, uint64_t *out)
{
	struct task *t = tid ? task_find(caller, tid) : caller;
	uint64_t ut, st;

	/* Only threads of one's own process (clock_getcpuclockid(3)), and not one
	 * that is leaving: for its joiner it is gone. */
	if (t && t != caller && READ_ONCE(t->leaving)) {
		task_put(t);
		return -EINVAL;
	}
	if (t && t->group == caller->group) {
		task_times(t, &ut, &st);
		*out = sum_by_kind(kind, ut, st);
	}
	if (!t || t->group != caller->group) {
		if (tid)
			task_put(t);
		return -EINVAL;
	}
	if (tid)
		task_put(t);
	return 0;
}

static int process_clock(struct task *caller, int32_t pid, int kind, uint64_t *out)
{
	struct thread_group *g = pid ? process_find(caller, pid) : caller->group;
	uint64_t ut, st;

	if (!g)
		return -EINVAL;
	group_times(g, &ut, &st);
	*out = sum_by_kind(kind, ut, st);
	if (pid)
		group_put(g);
	return 0;
}

static int cpu_clock(struct task *t, int clock, uint64_t *out)
{
	int kind = clock & ABI_CLOCK_KIND_MASK;

	if (!t || kind == ABI_CLOCK_KIND_FD)
		return -EINVAL;
	if (clock & ABI_CLOCK_PERTHREAD)
		return thread_clock(t, ABI_CLOCK_PID(clock), kind, out);
	return process_clock(t, ABI_CLOCK_PID(clock), kind, out);
}

static bool is_host_clock(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
	case CLOCK_TAI:
		return true;
	default:
		return false;
	}
}

/* An alarm clock without hardware behind it reads as the clock that it is. */
static int host_clock_of(int clock)
{
	if (clock == CLOCK_REALTIME_ALARM)
		return CLOCK_REALTIME;
	return clock == CLOCK_BOOTTIME_ALARM ? CLOCK_BOOTTIME : clock;
}

int task_clock_ns(struct task *t, int clock, uint64_t *out)
{
	if (clock < 0)
		return cpu_clock(t, clock, out);
	if (clock == CLOCK_PROCESS_CPUTIME_ID && t)
		return process_clock(t, 0, ABI_CLOCK_KIND_SCHED, out);
	if (clock == CLOCK_THREAD_CPUTIME_ID && t)
		return thread_clock(t, 0, ABI_CLOCK_KIND_SCHED, out);
	if (!is_host_clock(clock))
		return -EINVAL;
	*out = host_clock_ns(host_clock_of(clock));
	return 0;
}

int task_clock_res_ns(struct task *t, int clock, uint64_t *out)
{
	uint64_t now;

	if (clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE)
		*out = 4000000;
	else if (clock < 0 && cpu_clock(t, clock, &now) < 0)
		return -EINVAL;
	else if (clock < 0 || is_host_clock(clock) || clock == CLOCK_PROCESS_CPUTIME_ID ||
		 clock == CLOCK_THREAD_CPUTIME_ID)
		*out = 1;
	else
		return -EINVAL;
	return 0;
}

int task_sleep(struct task *t, uint64_t deadline_ns)
{
	int r;

	for (;;) {
		waiter_prepare(&t->waiter);
		r = waiter_wait(&t->waiter, deadline_ns);
		if (r == -ETIMEDOUT)
			return 0;
		if (r < 0)
			return r;
	}
}

/* ---- limits: one word each, read without the lock on hot paths ---- */

uint64_t task_limit(struct task *t, int resource)
{
	return __atomic_load_n(&t->group->limits[resource].cur, __ATOMIC_RELAXED);
}

void group_get_limit(struct thread_group *g, int resource, struct krlimit *lim)
{
	mutex_lock(&g->lock);
	*lim = g->limits[resource];
	mutex_unlock(&g->lock);
}

/* The address space has a copy of its limits. */
static void group_update_mm_limits(struct thread_group *g)
{
	struct task *t = group_any_task(g);

	if (!t)
		return;
	mutex_lock(&pids_lock);
	if (t->mm)
		mm_limits_from(t);
	mutex_unlock(&pids_lock);
	task_put(t);
}

void group_set_limit(struct thread_group *g, int resource, const struct krlimit *lim)
{
	mutex_lock(&g->lock);
	__atomic_store_n(&g->limits[resource].cur, lim->cur, __ATOMIC_RELAXED);
	g->limits[resource].max = lim->max;
	mutex_unlock(&g->lock);
	switch (resource) {
	case RLIMIT_AS_NR:
	case RLIMIT_DATA_NR:
	case RLIMIT_STACK_NR:
	case RLIMIT_MEMLOCK_NR:
		group_update_mm_limits(g);
		break;
	case RLIMIT_CPU_NR:
		group_cpu_watch(g);
		break;
	default:
		break;
	}
}
