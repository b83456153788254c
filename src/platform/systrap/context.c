/*
 * Guest threads, and the switch into guest code and back (the waiting for each
 * other is in handover.c).
 *
 * Interrupts: context_interrupt() sets `interrupt`, then looks at `in_guest`;
 * the switch sets in_guest, then looks at interrupt. So either the switch
 * returns at once, or the interrupter signals the stub thread. A signal that
 * comes late makes one spurious trap.
 */
#include <linux/sched.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "base/pool.h"
#include "host/host.h"
#include "host/proc.h"
#include "platform/systrap/systrap.h"

POOL_DEFINE(context_pool, struct context);

#define FIRST_TRAP_NS 100000000ull

/* ---- making ---- */

/* The area becomes the next thread's signal stack and header. */
static int clone_thread_locked(struct space *s, struct context *c)
{
	struct systrap *st = space_systrap(s);
	uint64_t at = st->region + STUB_CONTEXTS + (uint64_t)c->index * CTX_SIZE;
	struct request_op ops[] = {
		{ .nr = SYS_mmap,
		  .arg = { at, CTX_SIZE, 3, 0x11, (uint64_t)st->contexts.fd,
			   (uint64_t)c->slot * CTX_SIZE } },
		{ .nr = SYS_clone,
		  .arg = { CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				   CLONE_SYSVSEM | CLONE_PARENT_SETTID,
			   0, st->region + STUB_ANSWER + offsetof(struct answer_page, tid) },
		  .kind = OP_CLONE_THREAD },
	};
	int r;

	s->req->stack.sp = at;
	s->req->stack.flags = 0;
	s->req->stack.size = CTX_HEADER;
	s->ans->tid = 0;
	atomic_store(&c->hdr->kernel_sleeps, 1);
	atomic_store(&c->hdr->spin, 0);
	r = mapper_post_locked(s, ops, ARRAY_SIZE(ops), NULL);
	if (r < 0)
		return r;
	c->tid = READ_ONCE(s->ans->tid);
	c->stub_cpu = s->mapper_cpu; /* inherited */
	/* A guest may have written it. */
	if (c->tid <= 0 || host_tgkill(s->pid, c->tid, 0) < 0)
		c->tid = 0;
	/* Its first trap: the request page may change after it. */
	while (atomic_load(&c->hdr->state) == CTX_RUN) {
		if (atomic_load(&s->dead))
			return -ESRCH;
		stub_futex_wait(&c->hdr->state, CTX_RUN, FIRST_TRAP_NS);
	}
	return atomic_load(&s->dead) ? -ESRCH : 0;
}

static int context_new_locked(struct space *s, struct context **out)
{
	struct systrap *st = space_systrap(s);
	struct context *c;
	int r;

	if (s->ncontexts >= CTX_PER_AS_MAX)
		return -EAGAIN;
	c = pool_alloc(&context_pool);
	if (!c)
		return -ENOMEM;
	c->base.impl = &systrap_impl;
	c->base.as = &s->base;
	list_init(&c->park_link);
	c->home = PLACED_ANYWHERE;
	c->index = s->ncontexts;
	mutex_lock(&st->slots_lock);
	r = slot_get(&st->contexts, &c->slot);
	if (r == 0) {
		c->area = slot_addr(&st->contexts, c->slot);
		c->hdr = (struct ctx_header *)(void *)(c->area + CTX_HEADER);
		list_push_back(&s->contexts, &c->link);
		s->ncontexts++;
	}
	mutex_unlock(&st->slots_lock);
	if (r < 0) {
		pool_free(&context_pool, c);
		return r;
	}
	r = clone_thread_locked(s, c);
	if (r == 0 && !st->shape.xstate_size)
		r = frame_find_shape(st, c);
	if (r < 0) {
		/* It stays on the list, unbound, until its stub ends: a thread
		 * may exist that uses the area. */
		return r;
	}
	STAT_INC(st, ctx_created);
	*out = c;
	return 0;
}

int context_create(struct platform_as *as, struct platform_ctx **out)
{
	struct space *s = space_of(as);
	struct context *c = NULL;
	int r = 0;

	*out = NULL;
	mutex_lock(&s->lock);
	if (atomic_load(&s->dead)) {
		r = -ESRCH;
	} else if (!list_empty(&s->parked)) {
		c = list_first(&s->parked, struct context, park_link);
		list_del(&c->park_link);
		STAT_INC(space_systrap(s), ctx_reused);
	} else {
		r = context_new_locked(s, &c);
	}
	if (r == 0)
		s->nbound++;
	mutex_unlock(&s->lock);
	if (r < 0)
		return r;
	c->long_runs = 0;
	c->by_gate = c->flags_kept = false;
	handover_begin(space_systrap(s), c);
	atomic_store(&c->cpu_tsc, 0);
	atomic_store(&c->run_start, 0);
	atomic_store(&c->interrupt, false);
	frame_xstate_reset(&c->base);
	*out = &c->base;
	return 0;
}

/* Its thread rests in its frame: it can be used again. What the guest left on
 * the signal stack goes. */
void context_destroy(struct platform_ctx *ctx)
{
	struct context *c = context_of(ctx);
	struct space *s = space_of(ctx->as);
	struct systrap *st = space_systrap(s);

	gate_leave(c);
	handover_rest(ctx);
	memset(c->area, 0, MIN(st->shape.frame, (uint32_t)CTX_HEADER));
	mutex_lock(&s->lock);
	s->nbound--;
	list_push_front(&s->parked, &c->park_link);
	mutex_unlock(&s->lock);
}

void context_free(struct context *c)
{
	struct systrap *st = space_systrap(space_of(c->base.as));

	mutex_lock(&st->slots_lock);
	slot_put(&st->contexts, c->slot);
	mutex_unlock(&st->slots_lock);
	pool_free(&context_pool, c);
}

/* ---- the switch ---- */

static void count_event(struct systrap *st, const struct platform_event *ev)
{
	switch (ev->kind) {
	case PLATFORM_EV_SYSCALL:
	case PLATFORM_EV_SYSCALL32:
		STAT_INC(st, syscalls);
		if (ev->by_gate)
			STAT_INC(st, gate_calls);
		break;
	case PLATFORM_EV_FAULT:
		STAT_INC(st, faults);
		break;
	default:
		STAT_INC(st, interrupts);
		break;
	}
}

static void store_regs(struct context *c, struct guest_regs *regs)
{
	bool flags_kept = c->flags_kept;

	c->flags_kept = false;
	c->by_gate = gate_may_return(c, regs);
	if (c->by_gate) {
		gate_store(c, regs);
		return;
	}
	gate_leave(c);
	if (flags_kept && regs->rflags == CALL_RFLAGS) /* nobody changed them */
		regs->rflags = frame_rflags(c);
	frame_store(c, regs);
}

void context_switch(struct platform_ctx *ctx, struct guest_regs *regs, struct platform_event *ev)
{
	struct context *c = context_of(ctx);
	struct space *s = space_of(ctx->as);
	struct systrap *st = space_systrap(s);

	*ev = (struct platform_event){ .kind = PLATFORM_EV_DEAD };
	if (mapper_settle(s) < 0 || atomic_load(&s->dead))
		return;
	store_regs(c, regs);
	atomic_store(&c->in_guest, true);
	if (atomic_exchange(&c->interrupt, false)) {
		atomic_store(&c->in_guest, false);
		ev->kind = PLATFORM_EV_INTERRUPTED;
		return;
	}
	c->in_call = false;
	handover(st, s, c);
	atomic_store(&c->in_guest, false);
	atomic_store(&c->interrupt, false);
	if (atomic_load(&s->dead))
		return;
	if (atomic_load(&c->hdr->state) == CTX_CALLED)
		gate_load(c, regs, ev);
	else
		frame_load(c, regs, ev);
	count_event(st, ev);
}

void context_interrupt(struct platform_ctx *ctx)
{
	struct context *c = context_of(ctx);
	struct space *s = space_of(ctx->as);

	if (atomic_exchange(&c->interrupt, true))
		return;
	if (!atomic_load(&c->in_guest) || atomic_load(&s->dead))
		return;
	/* The tid is a hint: a wrong one reaches at most a sibling thread. */
	if (c->tid > 0)
		(void)host_tgkill(s->pid, c->tid, STUB_INTERRUPT);
	/* The kernel thread starts to count how long the answer takes. */
	stub_futex_wake(&c->hdr->state);
}

uint64_t context_cpu_ns(struct platform_ctx *ctx)
{
	struct context *c = context_of(ctx);
	struct systrap *st = space_systrap(space_of(ctx->as));

	uint64_t start = atomic_load(&c->run_start), tsc = atomic_load(&c->cpu_tsc), now = rdtsc();

	if (start && now > start)
		tsc += now - start;
	return (uint64_t)((__uint128_t)tsc * SPIN_NS / (st->spin_tsc ? st->spin_tsc : 1));
}
