/*
 * What a task does with its signals before it enters the guest: leave, stop,
 * run a handler, restart the system call that a signal interrupted.
 *
 * Group stop. A task that takes a stop signal sets group.stopped and kicks the
 * others; each parks in stop_park() and counts itself in nstopped. The one
 * that completes the count tells the parent (CLD_STOPPED). SIGCONT, as it is
 * sent, clears all of it and bumps stop_seq, so that a task still asleep in an
 * earlier stop counts itself again in a later one; the first task awake tells
 * the parent (CLD_CONTINUED). SIGKILL wakes parked tasks through
 * WAITER_KILLED.
 *
 * A terminal's stop signals are ignored in an orphaned process group, which
 * only pids.lock can tell: it is taken without sighand.lock, and stop_dequeued
 * says afterwards whether a SIGCONT came in between.
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

#define SYSCALL_INSN_SIZE 2

enum next { NEXT_NONE, NEXT_LEAVE, NEXT_AGAIN, NEXT_HANDLER };

/* ---- stop and continue ---- */

bool signal_stop_check_locked(struct thread_group *g)
{
	if (!g->stopped || g->stop_complete || g->nstopped < g->ntasks || g->ntasks == 0)
		return false;
	g->stop_complete = true;
	g->stop_reported = false;
	g->continued = false;
	return true;
}

void signal_report_stop(struct thread_group *g, int code)
{
	mutex_lock(&pids_lock);
	if (g->parent)
		signal_notify_parent_locked(g, code, code == CLD_STOPPED ? g->stop_signo : SIGCONT);
	mutex_unlock(&pids_lock);
	if (g->is_first && code == CLD_STOPPED && g->kernel->ops->first_stopped)
		g->kernel->ops->first_stopped(g->stop_signo);
}

static bool stop_is_over(struct thread_group *g, unsigned seq)
{
	bool over;

	group_sighand_lock(g);
	over = !g->stopped || g->stop_seq != seq || g->exiting || g->exec_task;
	group_sighand_unlock(g);
	return over;
}

/* Enters with sighand.lock held, returns without. */
static void stop_park_unlock(struct task *t)
{
	struct thread_group *g = t->group;
	unsigned seq = g->stop_seq;
	struct waitq_entry e;
	bool complete;

	g->nstopped++;
	atomic_store(&t->state, TASK_STOPPED);
	complete = signal_stop_check_locked(g);
	group_sighand_unlock(g);
	if (complete)
		signal_report_stop(g, CLD_STOPPED);

	waitq_entry_init(&e, &t->waiter, EV_IN);
	waitq_add(&g->stop_waitq, &e);
	for (;;) {
		waiter_prepare(&t->waiter);
		if (stop_is_over(g, seq) ||
		    waiter_wait_killable(&t->waiter, PARK_FOREVER) == -ERESTARTSYS)
			break;
	}
	waitq_remove(&g->stop_waitq, &e);
	atomic_store(&t->state, TASK_RUNNING);
}

static void stop_begin_locked(struct task *t, int signo)
{
	struct thread_group *g = t->group;

	if (g->stopped)
		return;
	g->stopped = true;
	g->stop_signo = signo;
	g->nstopped = 0;
	g->stop_complete = false;
	list_for_each(other, &g->tasks, struct task, group_link) {
		if (other != t)
			task_kick_locked(other, false);
	}
}

static bool group_is_orphaned(struct thread_group *g)
{
	struct pid *p;
	bool r;

	mutex_lock(&pids_lock);
	p = pid_lookup_locked(g->pgid);
	r = !p || pgrp_is_orphaned_locked(p);
	mutex_unlock(&pids_lock);
	return r;
}

/* The default action of a stop signal. Enters with sighand.lock held, returns
 * without; the caller looks at everything again. */
static void stop_signal_unlock(struct task *t, int signo)
{
	struct thread_group *g = t->group;
	bool orphaned = false;

	if (signo != SIGSTOP) {
		group_sighand_unlock(g);
		orphaned = group_is_orphaned(g);
		group_sighand_lock(g);
	}
	if (!orphaned && t->stop_dequeued && !g->exiting)
		stop_begin_locked(t, signo);
	t->stop_dequeued = false;
	group_sighand_unlock(g);
}

/* ---- telling the parent ---- */

static void fill_exit_info(struct ksiginfo *info, int status)
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

	info->pid = g->pid;
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
		fill_exit_info(&info, status);
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
	leave(t, g->exiting ? g->exit_status : 0);
	group_sighand_unlock(g);
	if (fatal.signo)
		trace(t, &fatal);
	return NEXT_LEAVE;
}

/* Looks at one thing and does it, or hands out a handler to run. */
static enum next next_action(struct task *t, struct ksiginfo *info, struct k_sigaction *act)
{
	struct thread_group *g = t->group;
	struct k_sigaction *slot;
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
	if (g->stopped) {
		stop_park_unlock(t);
		return NEXT_AGAIN;
	}
	signo = sigqueue_take_fault(&t->pending, ~t->blocked, info);
	if (!signo)
		signo = signal_dequeue_locked(t, ~t->blocked, info);
	if (!signo) {
		signal_recalc_locked(t);
		group_sighand_unlock(g);
		return NEXT_NONE;
	}
	slot = &g->sighand->action[signo - 1];
	*act = *slot;
	if (signal_is_ignored_locked(g, signo)) {
		group_sighand_unlock(g);
		return NEXT_AGAIN;
	}
	if (act->handler == ABI_SIG_DFL) {
		if (sigbit(signo) & SIGMASK_STOP) {
			stop_signal_unlock(t, signo);
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
}

static void deliver_slow(struct task *t)
{
	struct k_sigaction act;
	struct ksiginfo info;

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
	if (unlikely(waiter_is_interrupted(&t->waiter) || t->restore_blocked || restart_code(t)))
		deliver_slow(t);
}
