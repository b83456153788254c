/*
 * The hand-over between a kernel thread and its stub thread: a pair.
 *
 * The hand-over goes through one word in the context area, hdr->state:
 *
 *	kernel thread                         stub thread
 *	-------------                         -----------
 *	writes the frame
 *	state = RUN             (A)
 *	if stub_sleeps: wake    (B)           sees RUN, or is woken
 *	                                      ... guest code ...
 *	spins, or:                            trap: host writes the frame
 *	kernel_sleeps = 1       (C)           state = TRAPPED        (D)
 *	state still RUN? sleep  (C')          kernel_sleeps? wake us (D')
 *
 * (C),(C') and (D),(D') are each a store and a load with a full fence between
 * them, so at least one side sees the other's store: either the kernel does
 * not sleep or the stub wakes it. (A),(B) pair with stub_sleeps likewise.
 *
 * A side that spins answers in 0.1 us; waking one that sleeps costs 5 us on its own
 * core and 50 us when an idle core must be got out of its halt. So both spin, for
 * about as long as a sleep would cost, but only while that takes nothing from
 * others:
 *
 *	active pairs * 2 <= cores	a pair is active from its making until its kernel
 *					thread sleeps for something other than the guest
 *					(handover_rest), and again from its next entry
 *	the host is not contended	our threads were not preempted of late
 *	runs of the guest are short	a long computation is not watched
 *
 * A guest that made itself deaf to the interrupt (stub.S) is given DEAF_AFTER_NS
 * and then loses its stub.
 */
#include <sys/resource.h>
#include <time.h>

#include "base/log.h"
#include "host/host.h"
#include "host/proc.h"
#include "platform/systrap/systrap.h"

#define DEAF_AFTER_NS 10000000000ull
/* Runs in a row that outlasted the spinning before it is given up, and how many
 * are slept through before it is tried again. */
#define LONG_RUNS_MAX 4
#define LONG_RUNS_RETRY 16
/* Spins between two looks at how often we were preempted. */
#define PREEMPT_CHECK 64
#define PREEMPT_MAX 4
/* Spin times for which nobody spins after that. */
#define CONTENDED_SPINS 200
/* Hand-overs on one core, alone, before the stub's thread gets one of its own. */
#define ALONE_RUNS 6
/* A run that is longer is the host's to place. */
#define SETTLED_NS 3000000ull

/* ---- when to spin ---- */

static bool may_spin(const struct systrap *st)
{
	return !st->opt.no_spin &&
	       atomic_load_explicit(&st->active, memory_order_relaxed) * 2 <= st->opt.ncpus &&
	       rdtsc() >= atomic_load_explicit(&st->contended_until, memory_order_relaxed);
}

/* A thread that spins and is preempted again and again takes a core from others
 * that need it, often from the very thread that it waits for. Our own threads
 * preempt us too, when we wake them: with a sleep or a mapper's batch in between,
 * the count begins anew. */
static void check_preemption(struct systrap *st, struct space *s, struct context *c)
{
	struct rusage ru;
	bool undisturbed = c->batches == READ_ONCE(s->seq);

	c->batches = READ_ONCE(s->seq);
	c->spins = undisturbed ? c->spins + 1 : 0;
	if (c->spins % PREEMPT_CHECK || host_getrusage(RUSAGE_THREAD, &ru) < 0)
		return;
	if (c->spins && ru.ru_nivcsw - c->preempted > PREEMPT_MAX) {
		atomic_store(&st->contended_until, rdtsc() + st->spin_tsc * CONTENDED_SPINS);
		placement_let_go(st, c);
	}
	c->preempted = ru.ru_nivcsw;
}

static bool expects_short_run(struct context *c)
{
	if (c->long_runs < LONG_RUNS_MAX)
		return true;
	if (++c->long_runs < LONG_RUNS_MAX + LONG_RUNS_RETRY)
		return false;
	c->long_runs = LONG_RUNS_MAX - 1;
	return true;
}

void handover_begin(struct systrap *st, struct context *c)
{
	if (c->active)
		return;
	c->active = true;
	c->alone_runs = 0;
	placement_begin(st, c);
}

void handover_rest(struct platform_ctx *ctx)
{
	struct context *c = context_of(ctx);

	if (!c->active)
		return;
	c->active = false;
	placement_end(space_systrap(space_of(ctx->as)), c);
	/* The stub stops spinning: its core is free for whom we wait for. */
	atomic_store_explicit(&c->hdr->spin, 0, memory_order_relaxed);
}

/* ---- the hand-over ---- */

/* Whether the stub's thread has a core of its own: decided while it sleeps, since to
 * move it while it spins costs more than it gains. Those that rest often stay at home:
 * a few sleeps on one core cost less than one wake-up of another. */
static void choose_place(struct context *c, bool spin)
{
	if (!atomic_load_explicit(&c->hdr->stub_sleeps, memory_order_relaxed))
		return;
	if (!spin)
		c->alone_runs = 0;
	c->is_apart = spin && c->alone_runs++ >= ALONE_RUNS;
}

static void release(struct systrap *st, struct space *s, struct context *c)
{
	struct ctx_header *h = c->hdr;
	bool spin;

	handover_begin(st, c);
	spin = may_spin(st);
	choose_place(c, spin);
	placement_bind(st, c);
	spin &= c->is_apart;
	atomic_store_explicit(&h->spin, spin ? (uint32_t)st->spin_tsc : 0, memory_order_relaxed);
	atomic_store(&h->state, CTX_RUN); /* (A) */
	if (atomic_load(&h->stub_sleeps)) /* (B) */
		stub_futex_wake(&h->state);
	/* The stub may have ignored an interrupt that came before (A): in a call of the
	 * gate it takes every one for a late one. */
	if (c->by_gate && atomic_load(&c->interrupt) && c->tid > 0)
		(void)host_tgkill(s->pid, c->tid, STUB_INTERRUPT);
}

/* Returns true when the trap was seen while spinning. */
static bool spin_for_trap(struct systrap *st, struct space *s, struct context *c)
{
	uint64_t start = rdtsc();

	/* On our own core it runs only when we sleep. */
	if (!c->is_apart || !may_spin(st) || !expects_short_run(c))
		return false;
	check_preemption(st, s, c);
	do {
		for (int i = 0; i < 20; i++) {
			if (atomic_load_explicit(&c->hdr->state, memory_order_acquire) != CTX_RUN)
				return true;
			__builtin_ia32_pause();
		}
	} while (rdtsc() - start < st->spin_tsc && may_spin(st));
	return false;
}

static void sleep_for_trap(struct systrap *st, struct space *s, struct context *c)
{
	struct ctx_header *h = c->hdr;
	uint64_t now, deaf_at = 0; /* when its time to answer an interrupt is over */
	bool settled = false;

	atomic_store(&h->kernel_sleeps, 1);                                   /* (C) */
	while (atomic_load(&h->state) == CTX_RUN && !atomic_load(&s->dead)) { /* (C') */
		uint64_t timeout = settled ? UINT64_MAX : SETTLED_NS;

		if (atomic_load(&c->interrupt)) {
			/* Wakes come without a trap too: only the clock counts. */
			now = host_clock_ns(CLOCK_MONOTONIC);
			if (!deaf_at)
				deaf_at = now + DEAF_AFTER_NS;
			if (now < deaf_at) {
				timeout = deaf_at - now;
			} else {
				log_warn("stub %d does not answer: killed", s->pid);
				space_kill(&s->base);
			}
		}
		stub_futex_wait(&h->state, CTX_RUN, timeout);
		if (!settled && atomic_load(&h->state) == CTX_RUN)
			placement_settle(st, c);
		settled = true;
	}
	atomic_store_explicit(&h->kernel_sleeps, 0, memory_order_relaxed);
}

void handover(struct systrap *st, struct space *s, struct context *c)
{
	uint64_t start = rdtsc(), ran;

	release(st, s, c);
	atomic_store_explicit(&c->run_start, start, memory_order_relaxed);
	if (spin_for_trap(st, s, c)) {
		STAT_INC(st, spins_won);
	} else {
		STAT_INC(st, sleeps);
		c->batches = UINT32_MAX;
		sleep_for_trap(st, s, c);
	}
	ran = rdtsc() - start;
	atomic_store_explicit(&c->run_start, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->cpu_tsc, ran, memory_order_relaxed);
	/* A sleep's own cost is in it too: up to twice the spin time is short. */
	if (ran < 2 * st->spin_tsc)
		c->long_runs = 0;
	else if (c->long_runs < LONG_RUNS_MAX)
		c->long_runs++;
}

/* A trap of its own making: as long as it takes, there is nothing else to do. */
void handover_full(struct systrap *st, struct space *s, struct context *c)
{
	struct ctx_header *h = c->hdr;
	uint64_t start = rdtsc(), give_up = host_clock_ns(CLOCK_MONOTONIC) + DEAF_AFTER_NS;

	atomic_store(&h->state, CTX_FULL);
	if (atomic_load(&h->stub_sleeps))
		stub_futex_wake(&h->state);
	while (c->is_apart && atomic_load(&h->state) == CTX_FULL && rdtsc() - start < st->spin_tsc)
		__builtin_ia32_pause();
	atomic_store(&h->kernel_sleeps, 1);
	while (atomic_load(&h->state) == CTX_FULL && !atomic_load(&s->dead)) {
		if (host_clock_ns(CLOCK_MONOTONIC) > give_up) {
			log_warn("stub %d does not answer: killed", s->pid);
			space_kill(&s->base);
		}
		stub_futex_wait(&h->state, CTX_FULL, SETTLED_NS);
	}
	atomic_store_explicit(&h->kernel_sleeps, 0, memory_order_relaxed);
}
