/*
 * What stops a traced task of its own accord: events (PTRACE_O_TRACE*), system calls
 * (PTRACE_SYSCALL, PTRACE_SYSEMU), single steps.
 *
 * A task with trace_work takes its system calls through ptrace_call(). The stop after
 * the call is due on the way back to the guest (TRACE_LEAVE), because a tracer may also
 * ask for it in the middle of the call, in an event's stop.
 *
 * A step is the processor's trap flag, set while the guest runs its one instruction and
 * taken back afterwards, so that neither the guest nor its tracer sees it, but where
 * the instruction is one that loads the flags. After a system call instruction the
 * processor's trap would come one instruction late: the step ends with the call.
 */
#include "abi/ptrace.h"
#include "abi/signal.h"
#include "task/internal.h"
#include "task/ptrace.h"

#define RFLAGS_TF 0x100u
#define TRAP_DEBUG 1
#define INSN_POPF 0x9d
#define INSN_IRET 0xcf

/* ---- events ---- */

/* The stop was in the middle of a call: its end may have to be told. */
static void owe_leave(struct task *t)
{
	if (t->trace_work & (TRACE_CALLS | TRACE_STEP | TRACE_WATCH))
		t->trace_work |= TRACE_LEAVE;
}

void ptrace_event(struct task *t, int event, uint64_t message)
{
	struct ksiginfo trap = { .signo = SIGTRAP, .code = SI_USER };
	unsigned flags = __atomic_load_n(&t->ptrace.flags, __ATOMIC_RELAXED);

	if (likely(!flags))
		return;
	if (flags & PT_EVENT(event)) {
		(void)ptrace_notify(t, event << 8 | SIGTRAP, message);
		owe_leave(t);
	} else if (event == ABI_PTRACE_EVENT_EXEC && !(flags & PT_SEIZED)) {
		trap.pid = t->group->own_pid;
		trap.uid = task_uid(t);
		(void)signal_send(t, &trap, 0);
	}
}

/* ---- system calls ---- */

/* A stop before or after a call. False: t was killed in it. */
static bool call_stop(struct task *t, uint64_t message)
{
	struct ksiginfo info = { .code = SI_KERNEL };
	unsigned flags = __atomic_load_n(&t->ptrace.flags, __ATOMIC_RELAXED);
	int signo;

	if (!flags) { /* the tracer is gone */
		t->trace_work = 0;
		return true;
	}
	signo = ptrace_notify(t, SIGTRAP | (flags & PT_TRACESYSGOOD ? 0x80 : 0), message);
	if (jobctl_is_killed(t))
		return false;
	if (signo > 0 && signo <= NSIGNALS) {
		info.signo = signo;
		(void)signal_send(t, &info, 0);
	}
	return true;
}

void ptrace_call(struct task *t)
{
	bool emulate = t->trace_work & TRACE_EMULATE, go_on = true;

	t->regs.rax = (uint64_t)-ENOSYS;
	t->trace_work &= (uint8_t)~TRACE_LEAVE;
	if (t->trace_work & (TRACE_CALLS | TRACE_EMULATE))
		go_on = call_stop(t, ABI_PTRACE_EVENTMSG_SYSCALL_ENTRY);
	if (!(t->trace_work & TRACE_EMULATE))
		owe_leave(t);
	if (emulate || !go_on || t->sysno == -1)
		return;
	t->kernel->ops->syscall(t, t->sysno);
}

/* As the trap that the processor would raise. */
static void send_trap(struct task *t, int code)
{
	signal_force_fault(t, SIGTRAP, code, t->regs.rip, TRAP_DEBUG, 0);
}

void ptrace_call_leave(struct task *t)
{
	uint8_t work = t->trace_work;
	bool hit = (work & TRACE_WATCH) && ptrace_watch_hit(t);

	t->trace_work &= (uint8_t)~TRACE_LEAVE;
	if (work & TRACE_STEP)
		send_trap(t, TRAP_BRKPT);
	else if (work & TRACE_CALLS)
		(void)call_stop(t, ABI_PTRACE_EVENTMSG_SYSCALL_EXIT);
	if (hit && !(work & TRACE_STEP))
		send_trap(t, TRAP_HWBKPT);
}

/* ---- single steps ---- */

/* Does the next instruction load the trap flag itself? */
static bool loads_flags(struct task *t)
{
	uint8_t insn[15];
	ssize_t n = mm_read_partial(t->mm, insn, t->regs.rip, sizeof(insn), true);

	for (ssize_t i = 0; i < n; i++) {
		switch (insn[i]) {
		case INSN_POPF:
		case INSN_IRET:
			return true;
		case 0x66: /* prefixes */
		case 0x67:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x26:
		case 0x64:
		case 0x65:
		case 0xf0:
		case 0xf2:
		case 0xf3:
			continue;
		default:
			if (insn[i] >= 0x40 && insn[i] <= 0x4f) /* REX */
				continue;
			return false;
		}
	}
	return false;
}

bool ptrace_step_begin(struct task *t)
{
	bool is_own = t->regs.rflags & RFLAGS_TF;

	t->regs.rflags |= RFLAGS_TF;
	return !is_own && !loads_flags(t);
}

void ptrace_step_end(struct task *t, bool forced, struct platform_event *ev)
{
	bool hit;

	if (forced)
		t->regs.rflags &= ~(uint64_t)RFLAGS_TF;
	if (ev->kind != PLATFORM_EV_FAULT || ev->trapno != TRAP_DEBUG)
		return;
	hit = (t->trace_work & TRACE_WATCH) && ptrace_watch_hit(t);
	if (!ptrace_is_traced(t))
		t->trace_work = 0;
	else if (t->trace_work & TRACE_STEP)
		return;
	else if (hit)
		ev->code = TRAP_HWBKPT;
	/* Of a step that nobody asked for, or waits for any more, the guest knows nothing. */
	if (forced && !(hit && t->trace_work))
		ev->kind = PLATFORM_EV_INTERRUPTED;
}

/* A handler is about to run in the middle of a step, which ends there. */
void ptrace_step_handler(struct task *t)
{
	if (!(t->trace_work & TRACE_STEP))
		return;
	t->trace_work &= (uint8_t)~TRACE_STEP;
	if (ptrace_is_traced(t))
		(void)ptrace_notify(t, SIGTRAP, 0);
}
