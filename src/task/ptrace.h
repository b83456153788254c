/*
 * Tracing of one task by another: ptrace(2).
 *
 *	ptrace.c        who traces whom: attach, detach, the end of a tracer
 *	ptrace_stop.c   ptrace-stops: entering one, looking at a stopped task, going on
 *	ptrace_event.c  what stops a task: events, system calls, single steps
 *	ptrace_wait.c   what wait(2) tells a tracer
 *	ptrace_watch.c  debug registers
 *
 * A tracer is a thread, not a process; so is what it traces. Links are under
 * pids.lock, stops under the tracee's sighand.lock (jobctl.c has the bits).
 *
 * A task in a ptrace-stop sleeps (TASK_TRACED), with everything that a guest can see
 * of it in its task structure and its context. Its tracer may read and write that,
 * as if it were the task's own thread, between ptrace_freeze() and ptrace_unfreeze().
 */
#pragma once

#include "task/task.h"

/* task.ptrace.flags: 0, or PT_PTRACED with others. */
#define PT_PTRACED 1u
#define PT_SEIZED 2u
#define PT_OPTIONS_SHIFT 3
#define PT_EVENT(event) (1u << (PT_OPTIONS_SHIFT + (event)))
#define PT_TRACESYSGOOD PT_EVENT(0)
#define PT_EXITKILL PT_EVENT(20)

/* task.trace_work: what a traced task does around its system calls. */
#define TRACE_CALLS 1u   /* stops before and after (PTRACE_SYSCALL) */
#define TRACE_EMULATE 2u /* stops before, and does not carry it out (PTRACE_SYSEMU) */
#define TRACE_STEP 4u    /* runs one instruction (PTRACE_SINGLESTEP) */
#define TRACE_WATCH 16u  /* runs one after the other, and looks what they did */
#define TRACE_LEAVE 8u   /* the call is done: what is due after it */

/* ---- links ---- */

/* PTRACE_TRACEME: -EPERM when somebody traces t, or its parent may not. */
int ptrace_traceme(struct task *t) MUST_CHECK;
/* flags: PT_*. The caller has found that t may look into the other (PTRACE_MODE_ATTACH).
 * => sleeps until a stopped one is in a ptrace-stop. -EPERM; -ERESTARTNOINTR: it is in
 * an exec, and t was interrupted. */
int ptrace_attach(struct task *t, struct task *tracee, unsigned flags) MUST_CHECK;
/* => frozen. The tracee goes on with the signal. */
void ptrace_detach(struct task *tracee, int signo);
/* PTRACE_O_* bits, checked. => frozen */
void ptrace_set_options(struct task *tracee, unsigned options);
/* The tracer's number, 0: none. Any thread. */
int32_t ptrace_tracer_tid(struct task *t);
/* Does t, which execs, have a tracer that may not see what a privileged program does? */
bool ptrace_tracer_lacks(struct task *t, int cap);

/* ---- a tracer looks at a tracee ---- */

/* -ESRCH: not t's tracee, or in no ptrace-stop. any_state: that is enough. */
int ptrace_freeze(struct task *t, struct task *tracee, bool any_state) MUST_CHECK;
/* Harmless when it runs again. */
void ptrace_unfreeze(struct task *tracee);
/* Lets a frozen tracee go on, with TRACE_* work and a signal (0: none). */
void ptrace_resume(struct task *tracee, unsigned work, int signo);
/* PTRACE_INTERRUPT, in any state. -EIO: not by PTRACE_SEIZE. */
int ptrace_interrupt(struct task *tracee) MUST_CHECK;
/* PTRACE_LISTEN. -EIO: not seized, or not in that kind of stop. */
int ptrace_listen(struct task *tracee) MUST_CHECK;
/* What the stop is about: -EINVAL when there is no siginfo. => frozen */
int ptrace_get_siginfo(struct task *tracee, struct ksiginfo *info) MUST_CHECK;
int ptrace_set_siginfo(struct task *tracee, const struct ksiginfo *info) MUST_CHECK;
/* The nth signal that waits, for the thread or its process; false: there is none. */
bool ptrace_peek_siginfo(struct task *tracee, bool shared, uint64_t n, struct ksiginfo *info);
sigmask_t ptrace_get_sigmask(struct task *tracee);
void ptrace_set_sigmask(struct task *tracee, sigmask_t mask);

/* Debug registers 0 to 7. -EIO: there is no such; -EINVAL: it asks for what is not to be
 * had. => frozen */
uint64_t ptrace_get_debugreg(const struct task *t, unsigned n);
int ptrace_set_debugreg(struct task *t, unsigned n, uint64_t val) MUST_CHECK;

/* The system call's number as a tracer sees it: -1 outside of one. => frozen */
static inline uint64_t ptrace_orig_rax(const struct task *t)
{
	return t->sysno == -1 ? ~(uint64_t)0 : t->orig_rax;
}
static inline void ptrace_set_orig_rax(struct task *t, uint64_t nr)
{
	t->sysno = (int32_t)nr;
	t->orig_rax = nr;
}

/* ---- a tracee's own thread: where it may stop ---- */

/* The tracer asked for the event: stops. An exec that it did not ask for sends SIGTRAP. */
void ptrace_event(struct task *t, int event, uint64_t message);
/* Somebody traces t, which is the caller's own; it may end at any time. */
static inline bool ptrace_is_traced(const struct task *t)
{
	return __atomic_load_n(&t->ptrace.flags, __ATOMIC_RELAXED);
}
static inline bool ptrace_event_enabled(const struct task *t, int event)
{
	return __atomic_load_n(&t->ptrace.flags, __ATOMIC_RELAXED) & PT_EVENT(event);
}
/* One system call of a task with trace_work; what is due after one. */
void ptrace_call(struct task *t);
void ptrace_call_leave(struct task *t);
/* Around one entry of the guest with TRACE_STEP. */
bool ptrace_step_begin(struct task *t);
void ptrace_step_end(struct task *t, bool forced, struct platform_event *ev);
