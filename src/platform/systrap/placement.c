/*
 * Where the threads run.
 *
 * Waking a thread on an idle core costs up to 50 us in a virtual machine, on our own
 * core 3 us; and the host wakes a thread on an idle core whenever there is one. So
 * each pair has a home: its kernel thread is bound to it, the mapper is brought to
 * the core of whoever needs it, and the stub's thread is at home too unless both
 * sides spin (then it has a core of its own, and nobody is woken).
 *
 *	two pairs that run, two cores	pair 1: all at core 0, pair 2: all at core 1
 *	one pair that runs, two cores	kernel thread and mapper at home, the stub's
 *					thread on the other core; both spin
 *
 * A pair that starts or goes on after a rest takes the core with the fewest active
 * pairs. Other programs of the host are seen by what they take from us: a thread that
 * was preempted often is let go, and its new home is where the host has put it.
 *
 * All of it is for speed alone: a host that refuses to bind threads is as good.
 *
 * Thread numbers are hints that guests could write. A guest's thread was checked to
 * be one of its stub's; if the stub dies at that moment, the call fails.
 */
#include <sched.h>

#include "host/proc.h"
#include "platform/systrap/systrap.h"

/* What the calling kernel thread is bound to. */
static _Thread_local int bound = PLACED_ANYWHERE;

void placement_init(struct systrap *st)
{
	if (host_sched_getaffinity(0, st->cpus, sizeof(st->cpus)) < 0)
		st->opt.no_placement = true;
}

static void bind_thread(struct systrap *st, pid_t tid, int cpu)
{
	uint64_t one[ARRAY_SIZE(st->cpus)] = { 0 };

	if (cpu != PLACED_ANYWHERE)
		one[cpu / 64] = (uint64_t)1 << (cpu % 64);
	if (host_sched_setaffinity(tid, cpu == PLACED_ANYWHERE ? st->cpus : one, sizeof(st->cpus)) <
	    0)
		STAT_INC(st, unplaced);
}

static int this_cpu(void)
{
	int cpu = sched_getcpu(); /* host: getcpu */

	return cpu < 0 || cpu >= PLACED_CPUS ? 0 : cpu;
}

static unsigned active_on(const struct systrap *st, int cpu)
{
	return atomic_load_explicit(&st->active_on[cpu], memory_order_relaxed);
}

/* The core with the fewest active pairs but `other`; `first` if it is as good. */
static int choose(const struct systrap *st, int first, int other)
{
	int best = first;

	for (int cpu = 0; cpu < PLACED_CPUS && (best == other || active_on(st, best)); cpu++) {
		if (!st->cpus[cpu / 64])
			cpu |= 63;
		else if (st->cpus[cpu / 64] >> (cpu % 64) & 1 && cpu != other &&
			 (best == other || active_on(st, cpu) < active_on(st, best)))
			best = cpu;
	}
	return best;
}

void placement_begin(struct systrap *st, struct context *c)
{
	c->home = choose(st, c->home == PLACED_ANYWHERE ? this_cpu() : c->home, -1);
	atomic_fetch_add_explicit(&st->active_on[c->home], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&st->active, 1, memory_order_relaxed);
}

void placement_end(struct systrap *st, struct context *c)
{
	atomic_fetch_sub_explicit(&st->active_on[c->home], 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&st->active, 1, memory_order_relaxed);
}

void placement_let_go(struct systrap *st, struct context *c)
{
	if (st->opt.no_placement)
		return;
	bind_thread(st, 0, PLACED_ANYWHERE);
	bound = PLACED_ANYWHERE;
	c->is_let_go = true;
}

void placement_bind(struct systrap *st, struct context *c, bool stub_apart)
{
	int stub_cpu;

	if (st->opt.no_placement)
		return;
	if (c->is_let_go) {
		placement_end(st, c);
		c->home = this_cpu();
		atomic_fetch_add_explicit(&st->active_on[c->home], 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&st->active, 1, memory_order_relaxed);
		c->is_let_go = false;
	}
	if (bound != c->home) {
		bind_thread(st, 0, c->home);
		bound = c->home;
	}
	stub_cpu = c->home;
	if (stub_apart)
		stub_cpu = c->stub_cpu >= 0 && c->stub_cpu != c->home
				   ? c->stub_cpu
				   : choose(st, c->home, c->home);
	if (c->stub_cpu != stub_cpu && c->tid > 0) {
		bind_thread(st, c->tid, stub_cpu);
		c->stub_cpu = stub_cpu;
	}
}

void placement_mapper_locked(struct systrap *st, struct space *s)
{
	int cpu = this_cpu();

	if (s->mapper_cpu == cpu || st->opt.no_placement)
		return;
	bind_thread(st, s->pid, cpu);
	s->mapper_cpu = cpu;
}
