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
 * A new pair begins at its maker's home, and one that goes on after a rest where it
 * was: often the other one rests next. Pairs that share a home for longer take the
 * core with the fewest active pairs.
 *
 * Other programs of the host we do not see. So nothing stays bound for long: a kernel
 * thread that shares its core with its stub is let go every few milliseconds for one
 * hand-over, and its new home is where the host has put it; in a long run of the guest
 * both threads are let go.
 *
 * All of it is for speed alone: a host that refuses to bind threads is as good.
 *
 * Thread numbers are hints that guests could write. A guest's thread was checked to
 * be one of its stub's; if the stub dies at that moment, the call fails.
 */
#include <sched.h>

#include "host/proc.h"
#include "platform/systrap/systrap.h"

#define HOME_SPINS 40 /* spin times at home, with the stub, before we let go */
#define SHARE_SPINS 2 /* and with another pair, before we look for a better one */

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

static void count(struct systrap *st, struct context *c, int cpu)
{
	c->home = cpu;
	c->share_until = rdtsc() + SHARE_SPINS * st->spin_tsc;
	atomic_fetch_add_explicit(&st->active_on[cpu], 1, memory_order_relaxed);
}

static void uncount(struct systrap *st, struct context *c)
{
	atomic_fetch_sub_explicit(&st->active_on[c->home], 1, memory_order_relaxed);
}

void placement_begin(struct systrap *st, struct context *c)
{
	if (c->home == PLACED_ANYWHERE)
		c->home = bound == PLACED_ANYWHERE ? this_cpu() : bound;
	count(st, c, c->home);
	atomic_fetch_add_explicit(&st->active, 1, memory_order_relaxed);
}

void placement_end(struct systrap *st, struct context *c)
{
	uncount(st, c);
	atomic_fetch_sub_explicit(&st->active, 1, memory_order_relaxed);
}

static void move_home(struct systrap *st, struct context *c, int cpu)
{
	uncount(st, c);
	count(st, c, cpu);
}

void placement_let_go(struct systrap *st, struct context *c)
{
	if (st->opt.no_placement)
		return;
	if (bound != PLACED_ANYWHERE)
		bind_thread(st, 0, PLACED_ANYWHERE);
	bound = PLACED_ANYWHERE;
	c->is_let_go = true;
	c->home_until = rdtsc() + HOME_SPINS * st->spin_tsc;
}

static void bind_stub(struct systrap *st, struct context *c, int cpu)
{
	if (c->stub_cpu == cpu || c->tid <= 0)
		return;
	bind_thread(st, c->tid, cpu);
	c->stub_cpu = cpu;
}

void placement_settle(struct systrap *st, struct context *c)
{
	if (st->opt.no_placement)
		return;
	placement_let_go(st, c);
	bind_stub(st, c, PLACED_ANYWHERE);
}

static void find_home(struct systrap *st, struct context *c)
{
	uint64_t now = rdtsc();
	int best;

	if (c->is_let_go) {
		c->is_let_go = false;
		move_home(st, c, this_cpu());
	} else if (active_on(st, c->home) > 1 && now > c->share_until) {
		best = choose(st, c->home, -1);
		move_home(st, c, active_on(st, best) + 1 < active_on(st, c->home) ? best : c->home);
	}
	if (!c->is_apart && now > c->home_until) {
		placement_let_go(st, c);
	} else if (bound != c->home) {
		bind_thread(st, 0, c->home);
		bound = c->home;
	}
}

void placement_bind(struct systrap *st, struct context *c)
{
	if (st->opt.no_placement)
		return;
	find_home(st, c);
	if (!c->is_apart)
		bind_stub(st, c, c->home);
	else if (c->stub_cpu == PLACED_ANYWHERE || c->stub_cpu == c->home)
		bind_stub(st, c, choose(st, c->home, c->home));
}

void placement_mapper_locked(struct systrap *st, struct space *s)
{
	int cpu = this_cpu();

	if (s->mapper_cpu == cpu || st->opt.no_placement)
		return;
	bind_thread(st, s->pid, cpu);
	s->mapper_cpu = cpu;
}

void placement_owner(struct platform_ctx *ctx, uint32_t tid)
{
	struct context *c = context_of(ctx);
	struct systrap *st = space_systrap(space_of(ctx->as));

	if (!st->opt.no_placement && tid)
		bind_thread(st, (pid_t)tid, c->home);
}
