/*
 * What a task does with its signals before it enters the guest: leave, stop,
 * run a handler, restart the system call that a signal interrupted.
 *
 * A task that is traced shows each signal to its tracer first (ptrace_stop.c), which
 * may change it or take it away. Group stops are in jobctl.c.
 *
 * Restarts, as signal(7): a call returns -ERESTART* in rax.
 *
 *	                    a handler runs            none runs
 *	ERESTARTNOINTR      again                     again
 *	ERESTARTSYS         again if SA_RESTART,      again
 *	                    else EINTR
 *	ERESTARTNOHAND      EINTR                     again
 *	ERESTART_RESTARTBLOCK  EINTR                  restart_syscall
 *
 * "Again" is rip -= 2 (both syscall and the patched sites return two bytes
 * after where they can be entered) with rax as it was.
 */
#include "abi/signal.h"
#include "abi/syscall_nr.h"
#include "task/internal.h"
#include "task/ptrace.h"

#define SYSCALL_INSN_SIZE 2

enum next { NEXT_NONE, NEXT_LEAVE, NEXT_AGAIN, NEXT_HANDLER };

/* ---- telling the parent ---- */

void ksiginfo_set_exit(struct ksiginfo *info, int status)
{
	if (status & 0x7f) {
		info->code = status & 0x80 ? CLD_DUMPED : CLD_KILLED;
		info->status = status & 0x7f;
	} else {
		info->code = CLD_EXITED;
		info->status = status >> 8 & 0xff;
	}
}

static void fill_identity(struct ksiginfo *info, struct thread_group *g)
{
	uint64_t ut, st;

	info->pid = g->parent ? pid_number_locked(g->parent->pid_ns, g->pid) : g->pid;
	if (g->leader) {
		const struct cred *c = task_cred_get(g->leader);

		info->uid = c->uid;
		cred_put(c);
	}
	group_times(g, &ut, &st);
	info->utime = (int64_t)(ut / 10000000);
	info->stime = (int64_t)(st / 10000000);
}

void signal_notify_parent_locked(struct thread_group *g, int code, int status)
{
	struct thread_group *parent = g->parent;
	bool is_exit = code != CLD_STOPPED && code != CLD_CONTINUED;
	struct ksiginfo info = { .signo = is_exit ? g->exit_signal : SIGCHLD, .code = code };
	struct k_sigaction act;

	mutex_assert_held(&pids_lock);
	if (!parent || parent == g->kernel->init || !info.signo)
		goto out_wake;
	act = group_sighand_lock(parent)->action[SIGCHLD - 1];
	group_sighand_unlock(parent);
	/* SIGCHLD that is ignored is never queued, not even when blocked. */
	if (info.signo == SIGCHLD && act.handler == ABI_SIG_IGN)
		goto out_wake;
	if (!is_exit && (act.flags & ABI_SA_NOCLDSTOP))
		goto out_wake;
	if (is_exit)
		ksiginfo_set_exit(&info, status);
	else
		info.status = status;
	fill_identity(&info, g);
	(void)signal_send_group(parent, &info);

out_wake:
	if (parent)
		waitq_wake_all(&parent->child_waitq, EV_IN);
}

/* ---- one signal ---- */

static void leave(struct task *t, int status)
{
	t->exit_status = status;
	t->exiting = true;
}

static void trace(struct task *t, const struct ksiginfo *info)
{
	if (t->kernel->ops->trace_signal)
		t->kernel->ops->trace_signal(t, info);
}

/* The group ends: this thread goes, the first one shows why. */
static enum next leave_unlock(struct task *t)
{
	struct thread_group *g = t->group;
	struct ksiginfo fatal = g->fatal;

	g->fatal.signo = 0;
	t->jobctl &= ~JOBCTL_KILLED;
	leave(t, g->exiting ? g->exit_status : 0);
	group_sighand_unlock(g);
	if (fatal.signo)
		trace(t, &fatal);
	return NEXT_LEAVE;
}

/* A stop that t is to enter: true when it has been in one, and the lock is dropped. */
static bool next_stop_unlock(struct task *t)
{
	if (!(t->jobctl & JOBCTL_PENDING))
		return false;
	if (!t->ptrace.flags) {
		/* What a tracer wanted went with it. */
		jobctl_clear_locked(t, JOBCTL_TRAP_MASK);
		if (!(t->jobctl & JOBCTL_STOP_PENDING))
			return false;
		jobctl_park_unlock(t);
	} else {
		ptrace_trap_unlock(t);
	}
	return true;
}

/* Looks at one thing and does it, or hands out a handler to run. */
static enum next next_action(struct task *t, struct ksiginfo *info, struct k_sigaction *act)
{
	struct thread_group *g = t->group;
	struct k_sigaction *slot;
	bool from_group;
	int signo, code;

	group_sighand_lock(g);
	if (g->exiting || (g->exec_task && g->exec_task != t))
		return leave_unlock(t);
	if (g->cont_notify) {
		code = g->cont_notify;
		g->cont_notify = 0;
		group_sighand_unlock(g);
		signal_report_stop(g, code);
		return NEXT_AGAIN;
	}
	if (next_stop_unlock(t))
		return NEXT_AGAIN;
	from_group = !(t->pending.set & ~t->blocked);
	signo = sigqueue_take_fault(&t->pending, ~t->blocked, info);
	if (!signo)
		signo = signal_dequeue_locked(t, ~t->blocked, info);
	if (!signo) {
		signal_recalc_locked(t);
		group_sighand_unlock(g);
		return NEXT_NONE;
	}
	if (unlikely(t->ptrace.flags)) {
		signo = ptrace_signal_relock(t, signo, from_group, info);
		if (!signo) {
			group_sighand_unlock(g);
			return NEXT_AGAIN;
		}
	}
	slot = &g->sighand->action[signo - 1];
	*act = *slot;
	if (signal_is_ignored_locked(g, signo)) {
		group_sighand_unlock(g);
		return NEXT_AGAIN;
	}
	if (act->handler == ABI_SIG_DFL && g->is_unkillable &&
	    !(sigbit(signo) & SIGMASK_UNBLOCKABLE)) {
		group_sighand_unlock(g);
		return NEXT_AGAIN;
	}
	if (act->handler == ABI_SIG_DFL) {
		if (sigbit(signo) & SIGMASK_STOP) {
			jobctl_stop_signal_unlock(t, signo);
			return NEXT_AGAIN;
		}
		g->fatal = *info;
		group_kill_locked(g, signo);
		return leave_unlock(t);
	}
	if (act->flags & ABI_SA_RESETHAND)
		slot->handler = ABI_SIG_DFL;
	group_sighand_unlock(g);
	return NEXT_HANDLER;
}

/* ---- restarts ---- */

/* The restart code of the call that is being left, or 0. */
static int restart_code(const struct task *t)
{
	uint64_t code = -t->regs.rax;

	if (t->sysno == -1)
		return 0;
	switch (code) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK:
		return (int)code;
	default:
		return 0;
	}
}

static void restart_call(struct task *t, uint64_t nr)
{
	t->regs.rax = nr;
	t->regs.rip -= SYSCALL_INSN_SIZE;
}

static void restart_for_handler(struct task *t, const struct k_sigaction *act)
{
	int code = restart_code(t);

	if (code == ERESTARTNOINTR || (code == ERESTARTSYS && (act->flags & ABI_SA_RESTART)))
		restart_call(t, t->orig_rax);
	else if (code)
		t->regs.rax = (uint64_t)-EINTR;
	t->sysno = -1;
}

static void restart_without_handler(struct task *t)
{
	int code = restart_code(t);

	if (code == ERESTART_RESTARTBLOCK)
		restart_call(t, ABI_NR_restart_syscall);
	else if (code)
		restart_call(t, t->orig_rax);
	t->sysno = -1;
}

/* ---- handlers ---- */

static void handler_failed(struct task *t, int signo)
{
	if (signo == SIGSEGV) {
		group_sighand_lock(t->group)->action[SIGSEGV - 1].handler = ABI_SIG_DFL;
		group_sighand_unlock(t->group);
	}
	signal_force_fault(t, SIGSEGV, SI_KERNEL, 0, t->trapno, t->error_code);
}

static void run_handler(struct task *t, const struct k_sigaction *act, const struct ksiginfo *info)
{
	sigmask_t mask;

	trace(t, info);
	restart_for_handler(t, act);
	if (sigframe_push(t, act, info) < 0) {
		handler_failed(t, info->signo);
		return;
	}
	t->restore_blocked = false;
	mask = t->blocked | act->mask;
	if (!(act->flags & ABI_SA_NODEFER))
		mask |= sigbit(info->signo);
	signal_set_blocked(t, mask);
	ptrace_step_handler(t);
}

static void deliver_slow(struct task *t)
{
	struct k_sigaction act;
	struct ksiginfo info;

	if (t->trace_work & TRACE_LEAVE)
		ptrace_call_leave(t);
	do {
		switch (next_action(t, &info, &act)) {
		case NEXT_LEAVE:
			return;
		case NEXT_HANDLER:
			run_handler(t, &act, &info);
			continue;
		case NEXT_AGAIN:
			continue;
		case NEXT_NONE:
			break;
		}
		restart_without_handler(t);
		/* May unblock something: then there is more to do. */
		signal_restore_mask(t);
		if (!waiter_is_interrupted(&t->waiter))
			return;
	} while (true);
}

void signal_deliver(struct task *t)
{
	if (unlikely(waiter_is_interrupted(&t->waiter) || t->work || restart_code(t)))
		deliver_slow(t);
}
