/*
 * The signal frame of x86-64 Linux (abi/signal.h draws it): made when a handler
 * is to run, taken apart by rt_sigreturn.
 *
 * The frame lies in guest memory: what comes back at rt_sigreturn is whatever
 * the guest wrote. It is read once; registers go to the platform, which takes
 * only what user code may have; the extended state is judged by
 * platform_ctx_xstate_set(). A frame that cannot be read raises SIGSEGV.
 *
 * Below the frame, the extended state ends with FP_XSTATE_MAGIC2, and its
 * software-reserved bytes tell the size: that is how a C library or a debugger
 * knows what it may look at.
 */
#include <string.h>

#include "abi/signal.h"
#include "task/internal.h"

#define RFLAGS_DF 0x400u
#define RFLAGS_TF 0x100u
#define RFLAGS_RF 0x10000u
/* AC OF DF TF SF ZF AF PF CF RF: what rt_sigreturn may change. */
#define RFLAGS_FIX 0x50dd5u
#define CS_USER 0x33
#define SS_USER 0x2b
#define FXSAVE_SIZE 512u
#define XSTATE_MIN (FXSAVE_SIZE + 64u)
#define XSTATE_ALIGN 64u

/* ---- the alternate stack ---- */

/* Linux's test: the stack grows down, so its top address counts as on it. */
static bool on_range(const struct task *t, uint64_t sp)
{
	return sp > t->altstack_base && sp - t->altstack_base <= t->altstack_size;
}

bool sigframe_on_altstack(const struct task *t, uint64_t sp)
{
	/* With autodisarm, the stack is free to be used again by itself. */
	return !(t->altstack_flags & ABI_SS_AUTODISARM) && on_range(t, sp);
}

static unsigned altstack_state(const struct task *t, uint64_t sp)
{
	if (!t->altstack_size)
		return ABI_SS_DISABLE;
	return sigframe_on_altstack(t, sp) ? ABI_SS_ONSTACK : 0;
}

static void altstack_disable(struct task *t)
{
	t->altstack_base = 0;
	t->altstack_size = 0;
	t->altstack_flags = ABI_SS_DISABLE;
}

static int altstack_set(struct task *t, const struct abi_stack *ss, uint64_t sp)
{
	unsigned mode = ss->flags & ~ABI_SS_AUTODISARM;

	if (altstack_state(t, sp) & ABI_SS_ONSTACK)
		return -EPERM;
	if (mode != ABI_SS_DISABLE && mode != ABI_SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == ABI_SS_DISABLE) {
		altstack_disable(t);
		t->altstack_flags = ss->flags;
		return 0;
	}
	if (ss->size < ABI_MINSIGSTKSZ)
		return -ENOMEM;
	t->altstack_base = ss->sp;
	t->altstack_size = ss->size;
	t->altstack_flags = ss->flags;
	return 0;
}

long signal_altstack(struct task *t, gva_t new_ss, gva_t old_ss)
{
	struct abi_stack in, out = { .sp = t->altstack_base, .size = t->altstack_size };
	int r;

	out.flags = altstack_state(t, t->regs.rsp) | (t->altstack_flags & ABI_SS_AUTODISARM);
	if (new_ss) {
		if (mm_copy_in(t->mm, &in, new_ss, sizeof(in)) < 0)
			return -EFAULT;
		r = altstack_set(t, &in, t->regs.rsp);
		if (r < 0)
			return r;
	}
	if (old_ss && mm_copy_out(t->mm, old_ss, &out, sizeof(out)) < 0)
		return -EFAULT;
	return 0;
}

/* ---- siginfo ---- */

enum siginfo_kind { INFO_KILL, INFO_TIMER, INFO_POLL, INFO_FAULT, INFO_CHLD, INFO_SYS, INFO_RT };

static enum siginfo_kind siginfo_kind(int signo, int code)
{
	if (code <= SI_USER || code >= SI_KERNEL) {
		if (code == SI_TIMER)
			return INFO_TIMER;
		if (code == SI_SIGIO)
			return INFO_POLL;
		return code < 0 ? INFO_RT : INFO_KILL;
	}
	switch (signo) {
	case SIGILL:
	case SIGFPE:
	case SIGSEGV:
	case SIGBUS:
	case SIGTRAP:
		return INFO_FAULT;
	case SIGCHLD:
		return INFO_CHLD;
	case SIGSYS:
		return INFO_SYS;
	case SIGPOLL:
		return INFO_POLL;
	default:
		return code <= 6 ? INFO_POLL : INFO_KILL; /* NSIGPOLL */
	}
}

/* The uid as the caller's program knows it. */
static uint32_t uid_out(uint32_t kuid)
{
	const struct task *t = task_current();

	return t ? cred_uid_out(t->cred, kuid) : kuid;
}

void siginfo_to_user(const struct ksiginfo *in, uint8_t out[128])
{
	struct abi_siginfo si = { .signo = in->signo, .err = in->err, .code = in->code };

	switch (siginfo_kind(in->signo, in->code)) {
	case INFO_RT:
	case INFO_KILL:
		si.rt.pid = in->pid;
		si.rt.uid = uid_out(in->uid);
		si.rt.value = in->value;
		break;
	case INFO_TIMER:
		si.timer.timerid = in->timerid;
		si.timer.overrun = in->overrun;
		si.timer.value = in->value;
		break;
	case INFO_POLL:
		si.poll.band = (int64_t)in->value;
		si.poll.fd = in->fd;
		break;
	case INFO_FAULT:
		si.fault.addr = in->addr;
		break;
	case INFO_CHLD:
		si.chld.pid = in->pid;
		si.chld.uid = uid_out(in->uid);
		si.chld.status = in->status;
		si.chld.utime = in->utime;
		si.chld.stime = in->stime;
		break;
	case INFO_SYS:
		si.sys.call_addr = in->addr;
		si.sys.sysno = in->status;
		si.sys.arch = in->arch;
		break;
	}
	memcpy(out, &si, sizeof(si));
}

static uint32_t uid_in(uint32_t uid)
{
	const struct task *t = task_current();

	return t ? cred_uid_in(t->cred, uid) : uid;
}

void siginfo_from_user(const uint8_t in[128], struct ksiginfo *out)
{
	struct abi_siginfo si;

	memcpy(&si, in, sizeof(si));
	*out = (struct ksiginfo){ .signo = si.signo, .err = si.err, .code = si.code };
	switch (siginfo_kind(si.signo, si.code)) {
	case INFO_RT:
	case INFO_KILL:
		out->pid = si.rt.pid;
		out->uid = uid_in(si.rt.uid);
		out->value = si.rt.value;
		break;
	case INFO_TIMER:
		out->timerid = si.timer.timerid;
		out->overrun = si.timer.overrun;
		out->value = si.timer.value;
		break;
	case INFO_POLL:
		out->value = (uint64_t)si.poll.band;
		out->fd = si.poll.fd;
		break;
	case INFO_FAULT:
		out->addr = si.fault.addr;
		break;
	case INFO_CHLD:
		out->pid = si.chld.pid;
		out->uid = uid_in(si.chld.uid);
		out->status = si.chld.status;
		out->utime = si.chld.utime;
		out->stime = si.chld.stime;
		break;
	case INFO_SYS:
		out->addr = si.sys.call_addr;
		out->status = si.sys.sysno;
		out->arch = si.sys.arch;
		break;
	}
}

/* ---- making a frame ---- */

static uint64_t round_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

uint64_t signal_min_stack(struct kernel *k)
{
	uint64_t xstate = platform_xstate_size(k->platform) + ABI_FP_XSTATE_MAGIC2_SIZE;

	/* The frame, two alignments, and the red zone do not all meet, but
	 * AT_MINSIGSTKSZ is an upper bound. */
	return sizeof(struct abi_rt_sigframe) + xstate + XSTATE_ALIGN + 16;
}

struct frame_place {
	uint64_t frame, fpstate;
	size_t xstate_size;
};

/* Where frame and extended state go. -EFAULT: beyond the alternate stack. */
static int place_frame(const struct task *t, const struct k_sigaction *act, struct frame_place *out)
{
	uint64_t sp = t->regs.rsp;
	bool nested = sigframe_on_altstack(t, sp), entering = false;

	sp -= ABI_RED_ZONE;
	if ((act->flags & ABI_SA_ONSTACK) && altstack_state(t, sp) == 0) {
		sp = t->altstack_base + t->altstack_size;
		entering = true;
	}
	out->xstate_size = platform_xstate_size(t->kernel->platform);
	sp = round_down(sp - out->xstate_size - ABI_FP_XSTATE_MAGIC2_SIZE, XSTATE_ALIGN);
	out->fpstate = sp;
	out->frame = round_down(sp - sizeof(struct abi_rt_sigframe), 16) - 8;
	if ((nested || entering) && !on_range(t, out->frame))
		return -EFAULT;
	return 0;
}

static void save_regs(const struct task *t, struct abi_sigcontext *sc)
{
	const struct guest_regs *r = &t->regs;

	*sc = (struct abi_sigcontext){
		.r8 = r->r8,
		.r9 = r->r9,
		.r10 = r->r10,
		.r11 = r->r11,
		.r12 = r->r12,
		.r13 = r->r13,
		.r14 = r->r14,
		.r15 = r->r15,
		.rdi = r->rdi,
		.rsi = r->rsi,
		.rbp = r->rbp,
		.rbx = r->rbx,
		.rdx = r->rdx,
		.rax = r->rax,
		.rcx = r->rcx,
		.rsp = r->rsp,
		.rip = r->rip,
		.eflags = r->rflags,
		.cs = r->cs,
		.ss = r->ss,
		.err = t->error_code,
		.trapno = t->trapno,
		.cr2 = t->fault_addr,
	};
}

static int push_xstate(struct task *t, const struct frame_place *p)
{
	uint8_t buf[XSTATE_MAX] __attribute__((aligned(64)));
	struct abi_fpx_sw_bytes sw = { .magic1 = ABI_FP_XSTATE_MAGIC1 };
	uint32_t magic2 = ABI_FP_XSTATE_MAGIC2;
	uint64_t features;
	size_t size = p->xstate_size;

	ASSERT(size >= XSTATE_MIN && size + sizeof(magic2) <= sizeof(buf));
	platform_ctx_xstate_get(t->ctx, buf);
	/* The platform's own software bytes tell its features. */
	memcpy(&features, buf + ABI_FX_SW_OFFSET + offsetof(struct abi_fpx_sw_bytes, xfeatures), 8);
	sw.xfeatures = features ? features : 3;
	sw.xstate_size = (uint32_t)size;
	sw.extended_size = (uint32_t)(size + sizeof(magic2));
	memcpy(buf + ABI_FX_SW_OFFSET, &sw, sizeof(sw));
	memcpy(buf + size, &magic2, sizeof(magic2));
	return mm_copy_out(t->mm, p->fpstate, buf, size + sizeof(magic2));
}

static int push_frame(struct task *t, const struct k_sigaction *act, const struct ksiginfo *info,
		      const struct frame_place *p)
{
	struct abi_rt_sigframe f = { .pretcode = act->restorer };
	size_t size = offsetof(struct abi_rt_sigframe, info);

	f.uc.flags = ABI_UC_FP_XSTATE | ABI_UC_SIGCONTEXT_SS | ABI_UC_STRICT_RESTORE_SS;
	f.uc.stack = (struct abi_stack){ .sp = t->altstack_base,
					 .flags = t->altstack_flags,
					 .size = t->altstack_size };
	save_regs(t, &f.uc.mcontext);
	f.uc.sigmask = t->restore_blocked ? t->saved_blocked : t->blocked;
	f.uc.mcontext.oldmask = f.uc.sigmask;
	f.uc.mcontext.fpstate = p->fpstate;
	if (act->flags & ABI_SA_SIGINFO) {
		siginfo_to_user(info, (uint8_t *)&f.info);
		size = sizeof(f);
	}
	return mm_copy_out(t->mm, p->frame, &f, size);
}

int sigframe_push(struct task *t, const struct k_sigaction *act, const struct ksiginfo *info)
{
	struct guest_regs *r = &t->regs;
	struct frame_place p;

	/* x86-64 has no code on the stack to return through. */
	if (!(act->flags & ABI_SA_RESTORER))
		return -EFAULT;
	if (place_frame(t, act, &p) < 0 || push_xstate(t, &p) < 0 ||
	    push_frame(t, act, info, &p) < 0)
		return -EFAULT;
	r->rdi = (uint64_t)info->signo;
	r->rsi = p.frame + offsetof(struct abi_rt_sigframe, info);
	r->rdx = p.frame + offsetof(struct abi_rt_sigframe, uc);
	r->rax = 0;
	r->rip = act->handler;
	r->rsp = p.frame;
	r->cs = CS_USER;
	r->ss = SS_USER;
	r->rflags &= ~(uint64_t)(RFLAGS_DF | RFLAGS_TF | RFLAGS_RF);
	if (t->altstack_flags & ABI_SS_AUTODISARM)
		altstack_disable(t);
	return 0;
}

/* ---- taking it apart ---- */

static void restore_regs(struct task *t, const struct abi_sigcontext *sc)
{
	struct guest_regs *r = &t->regs;

	r->r8 = sc->r8;
	r->r9 = sc->r9;
	r->r10 = sc->r10;
	r->r11 = sc->r11;
	r->r12 = sc->r12;
	r->r13 = sc->r13;
	r->r14 = sc->r14;
	r->r15 = sc->r15;
	r->rdi = sc->rdi;
	r->rsi = sc->rsi;
	r->rbp = sc->rbp;
	r->rbx = sc->rbx;
	r->rdx = sc->rdx;
	r->rax = sc->rax;
	r->rcx = sc->rcx;
	r->rsp = sc->rsp;
	r->rip = sc->rip;
	r->cs = sc->cs | 3;
	r->ss = sc->ss | 3;
	r->rflags = (r->rflags & ~(uint64_t)RFLAGS_FIX) | (sc->eflags & RFLAGS_FIX);
}

/* How much state the frame holds; FXSAVE_SIZE when its marks are not right. */
static size_t frame_xstate_size(struct task *t, gva_t at, const uint8_t *legacy)
{
	struct abi_fpx_sw_bytes sw;
	uint32_t magic2;

	memcpy(&sw, legacy + ABI_FX_SW_OFFSET, sizeof(sw));
	if (sw.magic1 != ABI_FP_XSTATE_MAGIC1 || sw.xstate_size < XSTATE_MIN ||
	    sw.xstate_size > platform_xstate_size(t->kernel->platform) ||
	    sw.xstate_size > sw.extended_size)
		return FXSAVE_SIZE;
	if (mm_copy_in(t->mm, &magic2, at + sw.xstate_size, sizeof(magic2)) < 0 ||
	    magic2 != ABI_FP_XSTATE_MAGIC2)
		return FXSAVE_SIZE;
	return sw.xstate_size;
}

static int restore_xstate(struct task *t, gva_t at)
{
	uint8_t buf[XSTATE_MAX] __attribute__((aligned(64)));
	size_t size;

	if (!at) {
		platform_ctx_xstate_reset(t->ctx);
		return 0;
	}
	if (at % XSTATE_ALIGN || mm_copy_in(t->mm, buf, at, FXSAVE_SIZE) < 0)
		return -EFAULT;
	size = frame_xstate_size(t, at, buf);
	ASSERT(size <= sizeof(buf));
	if (size > FXSAVE_SIZE &&
	    mm_copy_in(t->mm, buf + FXSAVE_SIZE, at + FXSAVE_SIZE, size - FXSAVE_SIZE) < 0)
		return -EFAULT;
	return platform_ctx_xstate_set(t->ctx, buf, size);
}

long signal_return(struct task *t)
{
	struct abi_ucontext uc;
	gva_t frame = t->regs.rsp - 8;

	t->sysno = -1; /* whatever rax becomes is no result of this call */
	if (mm_copy_in(t->mm, &uc, frame + offsetof(struct abi_rt_sigframe, uc), sizeof(uc)) < 0)
		goto out_bad;
	t->restore_blocked = false;
	signal_set_blocked(t, uc.sigmask);
	restore_regs(t, &uc.mcontext);
	if (restore_xstate(t, uc.mcontext.fpstate) < 0)
		goto out_bad;
	/* Judged by the handler's stack pointer, as Linux does: a handler that
	 * still is on the stack it has set keeps its setting. */
	(void)altstack_set(t, &uc.stack, frame + 8);
	return (long)t->regs.rax;

out_bad:
	signal_force_fault(t, SIGSEGV, SI_KERNEL, 0, t->trapno, t->error_code);
	return 0;
}
