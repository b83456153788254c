/*
 * Registers and extended state of a guest thread, in the signal frame that the
 * host pushed onto its signal stack. The memory is shared with the guest: each
 * value is read once, and what goes back is complete and sane, so that the
 * host takes it (rt_sigreturn): user code and stack segments, no reserved
 * flags, an empty mask, our signal stack, a well-formed XSAVE header.
 *
 * Layout (Linux, arch/x86: struct rt_sigframe):
 *
 *	frame + 0    address to return to
 *	      + 8    ucontext: flags, link, stack, sigcontext, mask
 *	      + 312  siginfo
 *	fpstate      FXSAVE image, XSAVE header at 512, then the components
 */
#include <linux/audit.h>
#include <string.h>

#include "platform/systrap/systrap.h"

struct host_sigcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t fpstate;
	uint64_t reserved[8];
};

struct host_frame {
	uint64_t pretcode;
	uint64_t uc_flags, uc_link;
	struct {
		uint64_t sp;
		int32_t flags, pad;
		uint64_t size;
	} uc_stack;
	struct host_sigcontext mc;
	uint64_t uc_sigmask;
	struct {
		int32_t signo, err, code, pad;
		uint64_t addr; /* SIGSYS: call address */
		int32_t syscall;
		uint32_t arch;
		uint8_t rest[96];
	} info;
};

static_assert(offsetof(struct host_frame, info) == 312, "rt_sigframe");
static_assert(sizeof(struct host_sigcontext) == 256, "sigcontext");

#define XSTATE_BV 512
#define XSTATE_HEADER_END 576
#define SW_BYTES 464
#define SW_MAGIC1 0x46505853u
#define SW_MAGIC2 0x46505845u
#define MXCSR_OFFSET 24
#define MXCSR_DEFAULT 0x1f80u
#define MXCSR_MASK 0xffffu
#define FCW_DEFAULT 0x37fu

#define CS_USER64 0x33
#define CS_USER32 0x23
#define SS_USER 0x2b

/* What user code may have in its flags: CF PF AF ZF SF TF DF OF NT RF AC ID.
 * IF and the reserved bit 1 are always set; IOPL, VM never. */
#define RFLAGS_USER 0x254dd5u
#define RFLAGS_SET 0x202u

static struct host_frame *frame_of(struct context *c)
{
	const struct systrap *st = space_systrap(space_of(c->base.as));

	return (struct host_frame *)(void *)(c->area + st->shape.frame);
}

static uint8_t *fpstate_of(struct context *c)
{
	const struct systrap *st = space_systrap(space_of(c->base.as));

	return c->area + st->shape.fpstate;
}

uint64_t area_addr(const struct context *c)
{
	const struct systrap *st = space_systrap(space_of(c->base.as));

	return st->region + STUB_CONTEXTS + (uint64_t)c->index * CTX_SIZE;
}

/* The first frame: no guest code has run yet, so it can be believed. Frames
 * are pushed downwards from the header: look for the fpstate pointer. */
int frame_find_shape(struct systrap *st, struct context *c)
{
	uint64_t base = area_addr(c);

	for (uint32_t off = CTX_HEADER - sizeof(struct host_frame); off > 1024; off -= 8) {
		struct host_frame *f = (struct host_frame *)(void *)(c->area + off);
		uint64_t fp = f->mc.fpstate - base;
		uint32_t magic, size;

		if (f->pretcode != st->region || f->info.signo != SIGSYS || fp >= CTX_HEADER - 576)
			continue;
		memcpy(&magic, c->area + fp + SW_BYTES, 4);
		memcpy(&size, c->area + fp + SW_BYTES + 16, 4);
		if (magic != SW_MAGIC1 || size < XSTATE_HEADER_END || fp + size + 4 > CTX_HEADER)
			continue;
		st->shape.frame = off;
		st->shape.fpstate = (uint32_t)fp;
		st->shape.xstate_size = size;
		memcpy(&st->shape.xfeatures, c->area + fp + SW_BYTES + 8, 8);
		memcpy(st->shape.sw_bytes, c->area + fp + SW_BYTES, sizeof(st->shape.sw_bytes));
		return 0;
	}
	st->failing = "the host's signal frame looks like none that we know";
	return -ENOSYS;
}

static uint64_t sane_base(uint64_t base)
{
	return base < ((uint64_t)1 << 47) ? base : 0;
}

void frame_store(struct context *c, const struct guest_regs *regs)
{
	struct host_frame *f = frame_of(c);
	struct host_sigcontext *m = &f->mc;
	uint64_t area = area_addr(c);

	m->r8 = regs->r8;
	m->r9 = regs->r9;
	m->r10 = regs->r10;
	m->r11 = regs->r11;
	m->r12 = regs->r12;
	m->r13 = regs->r13;
	m->r14 = regs->r14;
	m->r15 = regs->r15;
	m->rdi = regs->rdi;
	m->rsi = regs->rsi;
	m->rbp = regs->rbp;
	m->rbx = regs->rbx;
	m->rdx = regs->rdx;
	m->rax = regs->rax;
	m->rcx = regs->rcx;
	m->rsp = regs->rsp;
	m->rip = regs->rip;
	m->rflags = (regs->rflags & RFLAGS_USER) | RFLAGS_SET;
	m->cs = regs->cs == CS_USER32 ? CS_USER32 : CS_USER64;
	m->ss = SS_USER;
	m->fs = m->gs = 0;
	m->fpstate = area + space_systrap(space_of(c->base.as))->shape.fpstate;
	f->uc_flags = 7; /* UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS */
	f->uc_stack.sp = area;
	f->uc_stack.flags = 0;
	f->uc_stack.size = CTX_HEADER;
	f->uc_sigmask = 0;
	c->hdr->fs_base = sane_base(regs->fs_base);
	/* A guest that does not use it lends it to the gate. */
	c->hdr->gs_base = regs->gs_base ? sane_base(regs->gs_base) : area;
}

uint64_t frame_rflags(struct context *c)
{
	return READ_ONCE(frame_of(c)->mc.rflags);
}

static void load_regs(struct context *c, struct guest_regs *regs)
{
	const volatile struct host_sigcontext *m = &frame_of(c)->mc;

	regs->r8 = m->r8;
	regs->r9 = m->r9;
	regs->r10 = m->r10;
	regs->r11 = m->r11;
	regs->r12 = m->r12;
	regs->r13 = m->r13;
	regs->r14 = m->r14;
	regs->r15 = m->r15;
	regs->rdi = m->rdi;
	regs->rsi = m->rsi;
	regs->rbp = m->rbp;
	regs->rbx = m->rbx;
	regs->rdx = m->rdx;
	regs->rax = m->rax;
	regs->rcx = m->rcx;
	regs->rsp = m->rsp;
	regs->rip = m->rip;
	regs->rflags = m->rflags;
	regs->cs = m->cs;
	regs->ss = m->ss;
	regs->fs_base = READ_ONCE(c->hdr->fs_base);
	regs->gs_base = READ_ONCE(c->hdr->gs_base);
	if (regs->gs_base == area_addr(c))
		regs->gs_base = 0;
}

void frame_load(struct context *c, struct guest_regs *regs, struct platform_event *ev)
{
	const volatile struct host_frame *f = frame_of(c);
	int signo = (int)READ_ONCE(c->hdr->signo);

	*ev = (struct platform_event){ .kind = PLATFORM_EV_INTERRUPTED };
	if (signo == STUB_INTERRUPT && gate_is_returning(c, f->mc.rip))
		return; /* *regs is still what it was entered with */
	load_regs(c, regs);
	gate_unwind(c, regs);
	switch (signo) {
	case SIGSYS:
		ev->sysno = (int32_t)f->info.syscall;
		ev->kind = f->info.arch == AUDIT_ARCH_X86_64 ? PLATFORM_EV_SYSCALL
							     : PLATFORM_EV_SYSCALL32;
		break;
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
		ev->kind = PLATFORM_EV_FAULT;
		ev->signo = signo;
		ev->code = f->info.code;
		ev->addr = f->info.addr;
		ev->trapno = (uint32_t)f->mc.trapno;
		ev->error_code = (uint32_t)f->mc.err;
		/* The frame's cr2 is true where siginfo has none. */
		if (ev->trapno == 14)
			ev->addr = f->mc.cr2;
		break;
	default:
		break;
	}
}

/* ---- extended state ---- */

void frame_xstate_get(struct platform_ctx *ctx, void *buf)
{
	struct context *c = context_of(ctx);

	gate_leave(c);
	memcpy(buf, fpstate_of(c), space_systrap(space_of(ctx->as))->shape.xstate_size);
}

/* What the host checks at rt_sigreturn, put right. */
static void make_sane(const struct frame_shape *shape, uint8_t *fp)
{
	uint64_t bv;
	uint32_t mxcsr, magic2 = SW_MAGIC2;

	memcpy(&bv, fp + XSTATE_BV, 8);
	bv &= shape->xfeatures;
	memcpy(fp + XSTATE_BV, &bv, 8);
	memset(fp + XSTATE_BV + 8, 0, XSTATE_HEADER_END - XSTATE_BV - 8);
	memcpy(&mxcsr, fp + MXCSR_OFFSET, 4);
	mxcsr &= MXCSR_MASK;
	memcpy(fp + MXCSR_OFFSET, &mxcsr, 4);
	memcpy(fp + SW_BYTES, shape->sw_bytes, sizeof(shape->sw_bytes));
	memcpy(fp + shape->xstate_size, &magic2, 4);
}

int frame_xstate_set(struct platform_ctx *ctx, const void *buf, size_t size)
{
	struct context *c = context_of(ctx);
	const struct frame_shape *shape = &space_systrap(space_of(ctx->as))->shape;
	uint8_t *fp = fpstate_of(c);

	if (size < 512 || (size > 512 && size < XSTATE_HEADER_END))
		return -EINVAL;
	gate_leave(c);
	size = MIN(size, (size_t)shape->xstate_size);
	memset(fp, 0, shape->xstate_size);
	memcpy(fp, buf, size);
	if (size == 512) {
		uint64_t legacy = 3; /* x87 and SSE */

		memcpy(fp + XSTATE_BV, &legacy, 8);
	}
	make_sane(shape, fp);
	return 0;
}

void frame_xstate_reset(struct platform_ctx *ctx)
{
	struct context *c = context_of(ctx);
	const struct frame_shape *shape = &space_systrap(space_of(ctx->as))->shape;
	uint8_t *fp = fpstate_of(c);
	uint16_t fcw = FCW_DEFAULT;
	uint32_t mxcsr = MXCSR_DEFAULT;

	gate_leave(c);
	memset(fp, 0, shape->xstate_size);
	memcpy(fp, &fcw, 2);
	memcpy(fp + MXCSR_OFFSET, &mxcsr, 4);
	make_sane(shape, fp);
}
