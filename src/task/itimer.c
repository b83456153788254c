/*
 * Interval timers: setitimer(2), and RLIMIT_CPU.
 *
 * ITIMER_REAL is one ktimer. Its callback checks itimer_real_deadline_ns under
 * group.lock: a late callback of a timer that was changed does nothing. The
 * shortest interval is REAL_INTERVAL_MIN_NS, so that a guest cannot keep the
 * timer thread of all sandboxed processes busy.
 *
 * ITIMER_VIRTUAL, ITIMER_PROF and RLIMIT_CPU count CPU time, which nobody
 * tells us of: the cpu_watch timer looks at the clocks when the process could
 * have reached the next limit at the earliest (all its threads running at
 * once), and at most every WATCH_MIN_NS, which is Linux's own grain (a tick).
 * A process without such timers has no watch.
 */
#include <sys/time.h>

#include "host/host.h"
#include "task/internal.h"

#define REAL_INTERVAL_MIN_NS 50000u
#define WATCH_MIN_NS 4000000u
#define NS_PER_SEC 1000000000u

/* ---- ITIMER_REAL ---- */

static void real_fired(struct ktimer *kt)
{
	struct thread_group *g = container_of(kt, struct thread_group, itimer_real);
	struct ksiginfo info = { .signo = SIGALRM, .code = SI_KERNEL };
	uint64_t now = host_clock_ns(CLOCK_MONOTONIC), next = 0;
	bool due;

	mutex_lock(&g->lock);
	due = g->itimer_real_deadline_ns && now >= g->itimer_real_deadline_ns;
	if (due) {
		if (g->itimer_real_interval_ns) {
			next = g->itimer_real_deadline_ns + g->itimer_real_interval_ns;
			next = MAX(next, now + REAL_INTERVAL_MIN_NS);
		}
		g->itimer_real_deadline_ns = next;
		if (next && ktimer_arm(kt, next) < 0)
			g->itimer_real_deadline_ns = 0;
	}
	mutex_unlock(&g->lock);
	if (due)
		(void)signal_send_group(g, &info);
}

static void real_get_locked(struct thread_group *g, struct itimer_value *out)
{
	uint64_t now = host_clock_ns(CLOCK_MONOTONIC), due = g->itimer_real_deadline_ns;

	out->interval_ns = g->itimer_real_interval_ns;
	/* One that is due but has not fired shows 1 us, as Linux does. */
	out->value_ns = !due ? 0 : due > now ? due - now : 1000;
}

static int real_set_locked(struct thread_group *g, const struct itimer_value *val)
{
	uint64_t due;

	if (!val->value_ns) {
		g->itimer_real_deadline_ns = 0;
		g->itimer_real_interval_ns = 0;
		(void)ktimer_try_cancel(&g->itimer_real);
		return 0;
	}
	if (add_overflow(host_clock_ns(CLOCK_MONOTONIC), val->value_ns, &due))
		due = INT64_MAX;
	g->itimer_real_deadline_ns = due;
	g->itimer_real_interval_ns = val->interval_ns;
	return ktimer_arm(&g->itimer_real, due);
}

/* ---- CPU time ---- */

struct cpu_events {
	bool fire[2], xcpu, kill;
	uint64_t next_ns; /* CPU time until the next event, UINT64_MAX none */
};

static void look_at_itimer(struct cpu_itimer *it, uint64_t now, bool *fire, uint64_t *next_ns)
{
	if (!it->expires_ns)
		return;
	*fire = now >= it->expires_ns;
	if (*fire) {
		if (!it->interval_ns) {
			it->expires_ns = 0;
			return;
		}
		it->expires_ns = MAX(it->expires_ns + it->interval_ns, now + 1);
	}
	*next_ns = MIN(*next_ns, it->expires_ns - now);
}

/* The soft limit signals once a second, and is moved on for that; the hard one
 * kills (setrlimit(2)). */
static void look_at_limit(struct krlimit *lim, uint64_t now, struct cpu_events *ev)
{
	uint64_t sec = now / NS_PER_SEC;

	if (lim->max != UINT64_MAX && sec >= lim->max) {
		ev->kill = true;
		return;
	}
	if (lim->cur != UINT64_MAX && sec >= lim->cur) {
		ev->xcpu = true;
		__atomic_store_n(&lim->cur, sec + 1, __ATOMIC_RELAXED);
	}
	if (MIN(lim->cur, lim->max) < UINT64_MAX / NS_PER_SEC)
		ev->next_ns = MIN(ev->next_ns, MIN(lim->cur, lim->max) * NS_PER_SEC - now);
}

static void watch_arm_locked(struct thread_group *g, uint64_t cpu_ns)
{
	uint64_t threads = MAX(READ_ONCE(g->ntasks), 1u);
	uint64_t wait = MAX(cpu_ns / MIN(threads, (uint64_t)g->kernel->ncpus + 1), WATCH_MIN_NS);

	if (cpu_ns != UINT64_MAX)
		(void)ktimer_arm(&g->cpu_watch, host_clock_ns(CLOCK_MONOTONIC) + wait);
}

static void send(struct thread_group *g, int signo)
{
	struct ksiginfo info = { .signo = signo, .code = SI_KERNEL };

	(void)signal_send_group(g, &info);
}

static void cpu_watch_fired(struct ktimer *kt)
{
	struct thread_group *g = container_of(kt, struct thread_group, cpu_watch);
	struct cpu_events ev = { .next_ns = UINT64_MAX };
	uint64_t ut, st;

	group_times(g, &ut, &st);
	mutex_lock(&g->lock);
	look_at_itimer(&g->itimer_cpu[0], ut, &ev.fire[0], &ev.next_ns);
	look_at_itimer(&g->itimer_cpu[1], ut + st, &ev.fire[1], &ev.next_ns);
	look_at_limit(&g->limits[RLIMIT_CPU_NR], ut + st, &ev);
	watch_arm_locked(g, ev.next_ns);
	mutex_unlock(&g->lock);
	if (ev.fire[0])
		send(g, SIGVTALRM);
	if (ev.fire[1])
		send(g, SIGPROF);
	if (ev.xcpu)
		send(g, SIGXCPU);
	if (ev.kill)
		group_kill(g, SIGKILL);
}

void group_cpu_watch(struct thread_group *g)
{
	mutex_lock(&g->lock);
	if (g->limits[RLIMIT_CPU_NR].cur != UINT64_MAX ||
	    g->limits[RLIMIT_CPU_NR].max != UINT64_MAX)
		watch_arm_locked(g, 0);
	mutex_unlock(&g->lock);
}

/* ---- the calls ---- */

static struct cpu_itimer *cpu_itimer_of(struct thread_group *g, int which)
{
	return &g->itimer_cpu[which == ITIMER_VIRTUAL ? 0 : 1];
}

static uint64_t cpu_now(struct thread_group *g, int which)
{
	uint64_t ut, st;

	if (which == ITIMER_REAL)
		return 0;
	group_times(g, &ut, &st);
	return which == ITIMER_VIRTUAL ? ut : ut + st;
}

static void get_locked(struct thread_group *g, int which, uint64_t now, struct itimer_value *out)
{
	struct cpu_itimer *it;

	if (which == ITIMER_REAL) {
		real_get_locked(g, out);
		return;
	}
	it = cpu_itimer_of(g, which);
	out->interval_ns = it->interval_ns;
	out->value_ns = !it->expires_ns ? 0 : it->expires_ns > now ? it->expires_ns - now : 1000;
}

static int set_locked(struct thread_group *g, int which, uint64_t now,
		      const struct itimer_value *val)
{
	struct cpu_itimer *it;

	if (which == ITIMER_REAL)
		return real_set_locked(g, val);
	it = cpu_itimer_of(g, which);
	it->interval_ns = val->value_ns ? val->interval_ns : 0;
	it->expires_ns = 0;
	if (val->value_ns) {
		if (add_overflow(now, val->value_ns, &it->expires_ns))
			it->expires_ns = INT64_MAX;
		watch_arm_locked(g, val->value_ns);
	}
	return 0;
}

int itimer_get(struct task *t, int which, struct itimer_value *out)
{
	uint64_t now;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	now = cpu_now(t->group, which);
	mutex_lock(&t->group->lock);
	get_locked(t->group, which, now, out);
	mutex_unlock(&t->group->lock);
	return 0;
}

int itimer_set(struct task *t, int which, const struct itimer_value *val, struct itimer_value *old)
{
	uint64_t now;
	int r;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	now = cpu_now(t->group, which);
	mutex_lock(&t->group->lock);
	if (old)
		get_locked(t->group, which, now, old);
	r = set_locked(t->group, which, now, val);
	mutex_unlock(&t->group->lock);
	return r;
}

void group_itimers_init(struct thread_group *g)
{
	ktimer_init(&g->itimer_real, real_fired);
	ktimer_init(&g->cpu_watch, cpu_watch_fired);
}

void group_itimers_stop(struct thread_group *g)
{
	mutex_lock(&g->lock);
	g->itimer_real_deadline_ns = 0;
	g->itimer_cpu[0].expires_ns = 0;
	g->itimer_cpu[1].expires_ns = 0;
	g->limits[RLIMIT_CPU_NR].max = UINT64_MAX;
	__atomic_store_n(&g->limits[RLIMIT_CPU_NR].cur, UINT64_MAX, __ATOMIC_RELAXED);
	mutex_unlock(&g->lock);
	(void)ktimer_cancel(&g->itimer_real);
	(void)ktimer_cancel(&g->cpu_watch);
}
