/*
 * The gate: system calls without a signal.
 *
 * A trampoline in guest memory jumps to stub_gate (stub.S) where a `syscall`
 * instruction was executed before. The registers go through the context header
 * instead of a signal frame, so neither side enters the host; but the extended state
 * and the flags stay in the processor. A call ends in one of two ways:
 *
 *	gate_store     the guest goes on behind the instruction, with any registers
 *	               that a header can say
 *	gate_leave     somebody wants the rest of the state (signals, fork), or gives
 *	               it another: the stub's thread is told to trap, and goes on from
 *	               its frame like any other
 *
 * Whose interrupt it is: the signal finds the thread
 *
 *	before stub_gate_committed    as if before its `syscall` (gate_unwind)
 *	while the kernel has it       ignored by the handler; the kernel looks again
 *	                              after it let it go (handover.c, release())
 *	after that                    as if it had not been entered: *regs is what it
 *	                              was (gate_is_returning)
 *
 * Nothing here is believed more than a frame is: a guest that jumps into the gate with
 * registers of its own, or writes to the header, has made a call with them.
 */
#include "platform/systrap/systrap.h"

extern const char stub_text[], stub_gate[], stub_gate_saved[], stub_gate_committed[],
	stub_gate_end[];

#define CS_USER64 0x33
#define SS_USER 0x2b

static_assert(offsetof(struct ctx_header, call) == HDR_CALL, "layout.h");
static_assert(offsetof(struct ctx_header, signo) == HDR_SIGNO, "layout.h");
static_assert(offsetof(struct call_regs, rbp) == CALL_RBP, "layout.h");
static_assert(offsetof(struct call_regs, rax) == CALL_RAX, "layout.h");
static_assert(offsetof(struct call_regs, rsp) == CALL_RSP, "layout.h");
static_assert(CTX_HEADER + sizeof(struct ctx_header) <= CTX_SIZE, "layout.h");

static uint64_t at(const struct context *c, const char *label)
{
	return space_systrap(space_of(c->base.as))->region + (uint64_t)(label - stub_text);
}

uint64_t gate_address(const struct platform *p)
{
	const struct systrap *st = container_of(p, struct systrap, base);

	return st->region + (uint64_t)(stub_gate - stub_text);
}

bool gate_may_return(const struct context *c, const struct guest_regs *regs)
{
	uint64_t region = space_systrap(space_of(c->base.as))->region;

	return c->in_call && regs->rcx == regs->rip && regs->rip < region &&
	       regs->r11 == CALL_RFLAGS && regs->rflags == CALL_RFLAGS &&
	       regs->fs_base == c->fs_base && regs->gs_base == 0 && regs->cs == CS_USER64 &&
	       regs->ss == SS_USER;
}

void gate_store(struct context *c, const struct guest_regs *regs)
{
	c->hdr->call = (struct call_regs){
		.r15 = regs->r15,
		.r14 = regs->r14,
		.r13 = regs->r13,
		.r12 = regs->r12,
		.rbp = regs->rbp,
		.rbx = regs->rbx,
		.r10 = regs->r10,
		.r9 = regs->r9,
		.r8 = regs->r8,
		.rax = regs->rax,
		.rdx = regs->rdx,
		.rsi = regs->rsi,
		.rdi = regs->rdi,
		.rip = regs->rip,
		.rsp = regs->rsp,
	};
}

void gate_load(struct context *c, struct guest_regs *regs, struct platform_event *ev)
{
	const volatile struct call_regs *call = &c->hdr->call;
	uint64_t rip = call->rip;

	c->in_call = c->flags_kept = true;
	c->fs_base = READ_ONCE(c->hdr->fs_base);
	*regs = (struct guest_regs){
		.r15 = call->r15,
		.r14 = call->r14,
		.r13 = call->r13,
		.r12 = call->r12,
		.rbp = call->rbp,
		.rbx = call->rbx,
		.r11 = CALL_RFLAGS,
		.r10 = call->r10,
		.r9 = call->r9,
		.r8 = call->r8,
		.rax = call->rax,
		.rcx = rip,
		.rdx = call->rdx,
		.rsi = call->rsi,
		.rdi = call->rdi,
		.rip = rip,
		.rflags = CALL_RFLAGS,
		.rsp = call->rsp,
		.fs_base = c->fs_base,
		.cs = CS_USER64,
		.ss = SS_USER,
	};
	*ev = (struct platform_event){
		.kind = PLATFORM_EV_SYSCALL,
		.sysno = (int32_t)regs->rax,
		.by_gate = true,
	};
}

void gate_leave(struct context *c)
{
	struct space *s = space_of(c->base.as);

	if (!c->in_call)
		return;
	c->in_call = false;
	handover_full(space_systrap(s), s, c);
}

bool gate_is_returning(const struct context *c, uint64_t rip)
{
	return c->by_gate && rip >= at(c, stub_text) && rip <= at(c, stub_gate_end) &&
	       !(rip >= at(c, stub_gate) && rip < at(c, stub_gate_committed));
}

void gate_unwind(const struct context *c, struct guest_regs *regs)
{
	if (regs->rip < at(c, stub_gate) || regs->rip >= at(c, stub_gate_committed))
		return;
	if (regs->rip >= at(c, stub_gate_saved))
		regs->rax = READ_ONCE(c->hdr->call.rax);
	regs->rip = regs->rcx - 2;
}
