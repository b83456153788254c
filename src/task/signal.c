/*
 * Signals: queueing, choosing who takes one, masks and actions. What a task
 * does with a signal that it takes is in sigdeliver.c.
 *
 * A signal is pending for a thread (task.pending) or a process
 * (group.pending). Whoever makes one deliverable kicks a thread that would
 * take it: its waiter's interrupted bit is set, and its context is thrown out
 * of the guest.
 *
 *  1. The interrupted bit of a live task is set whenever
 *     signal_pending_locked() is true for a reason that was meant for it. It
 *     may be set without reason: then the task looks, and clears it.
 *  2. The bit is cleared only under sighand.lock, when nothing is pending
 *     (signal_recalc_locked). A sender sets it under the same lock, so no
 *     kick is lost:
 *
 *	sender, under the lock            the task, under the lock
 *	queue, set bit, kick              nothing pending: clear bit
 *	                                  (before: the sender sets it after;
 *	                                   after: something is pending)
 *
 *  3. A signal that its handler ignores is dropped when it is sent, unless it
 *     is blocked: the action may change before it is unblocked.
 *  4. A fatal signal without a core dump kills the group as it is sent, so that
 *     threads in unkillable places see it at once.
 *
 * Locks: pids.lock -> group.lock -> sighand.lock -> wait queues.
 */
#include "abi/signal.h"
#include "task/internal.h"

#ifndef CAP_KILL
#define CAP_KILL 5
#endif

/* ---- what is pending ---- */

static sigmask_t deliverable_locked(struct task *t)
{
	return (t->pending.set | t->group->pending.set) & ~t->blocked;
}

bool signal_pending_locked(struct task *t)
{
	struct thread_group *g = t->group;

	mutex_assert_held(&g->sighand->lock);
	return g->exiting || (g->exec_task && g->exec_task != t) || g->cont_notify ||
	       (t->jobctl & JOBCTL_PENDING) || deliverable_locked(t);
}

void signal_recalc_locked(struct task *t)
{
	if (signal_pending_locked(t))
		waiter_interrupt(&t->waiter, false);
	else
		waiter_clear_interrupt(&t->waiter);
}

bool signal_is_pending(struct task *t)
{
	bool r;

	if (!waiter_is_interrupted(&t->waiter))
		return false;
	group_sighand_lock(t->group);
	r = signal_pending_locked(t);
	group_sighand_unlock(t->group);
	return r;
}

sigmask_t signal_pending_set(struct task *t)
{
	sigmask_t r;

	group_sighand_lock(t->group);
	r = (t->pending.set | t->group->pending.set) & t->blocked;
	group_sighand_unlock(t->group);
	return r;
}

void signal_inherit(struct task *t, sigmask_t ignored, sigmask_t blocked)
{
	struct sighand *sh = group_sighand_lock(t->group);

	for (int i = 0; i < NSIGNALS; i++) {
		if (ignored & sigbit(i + 1))
			sh->action[i].handler = ABI_SIG_IGN;
	}
	signal_set_blocked_locked(t, blocked);
	group_sighand_unlock(t->group);
}

void signal_view(struct task *t, struct signal_view *out)
{
	struct thread_group *g = t->group;
	struct sighand *sh = group_sighand_lock(g);

	*out = (struct signal_view){
		.pending = t->pending.set,
		.group_pending = g->pending.set,
		.blocked = t->blocked,
	};
	for (int i = 0; i < NSIGNALS; i++) {
		if (sh->action[i].handler == ABI_SIG_IGN)
			out->ignored |= sigbit(i + 1);
		else if (sh->action[i].handler != ABI_SIG_DFL)
			out->caught |= sigbit(i + 1);
	}
	group_sighand_unlock(g);
}

void task_kick_locked(struct task *t, bool killed)
{
	waiter_interrupt(&t->waiter, killed);
	if (t->ctx)
		platform_ctx_interrupt(t->ctx);
	if (killed)
		jobctl_kill_locked(t);
}

/* ---- sending ---- */

bool signal_is_ignored_locked(struct thread_group *g, int signo)
{
	uint64_t handler = g->sighand->action[signo - 1].handler;

	return handler == ABI_SIG_IGN ||
	       (handler == ABI_SIG_DFL && (sigbit(signo) & SIGMASK_IGNORE));
}

static void remove_from_all_locked(struct thread_group *g, sigmask_t mask)
{
	sigqueue_remove(&g->pending, mask);
	list_for_each(t, &g->tasks, struct task, group_link)
		sigqueue_remove(&t->pending, mask);
}

/* Does a signal that the init of a PID namespace has no handler for not concern it? One
 * from outside may kill or stop it. */
static bool is_spared_locked(const struct thread_group *g, int signo, bool from_outside)
{
	if (!g->is_unkillable || g->sighand->action[signo - 1].handler != ABI_SIG_DFL)
		return false;
	return !(from_outside && (sigbit(signo) & SIGMASK_UNBLOCKABLE));
}

static bool is_from_outside(const struct thread_group *g)
{
	const struct task *from = task_current();

	return !from || !pid_ns_is_in(from->group->pid_ns, g->pid_ns);
}

/* What sending does whoever gets it: SIGCONT ends a stop as it is sent, whatever
 * becomes of the signal. False: it goes no further. */
static bool prepare_locked(struct task *t, int signo)
{
	struct thread_group *g = t->group;
	sigmask_t bit = sigbit(signo);

	if (g->exiting)
		return false;
	if (!(t->blocked & bit) && is_spared_locked(g, signo, is_from_outside(g)))
		return false;
	if (bit & SIGMASK_STOP)
		remove_from_all_locked(g, sigbit(SIGCONT));
	if (signo == SIGCONT) {
		remove_from_all_locked(g, SIGMASK_STOP);
		jobctl_continue_locked(g);
	}
	/* A tracer sees also what would be ignored. */
	if ((t->blocked & bit) || t->ptrace.flags)
		return true;
	return !signal_is_ignored_locked(g, signo);
}

static bool wants_locked(struct task *t, int signo)
{
	enum task_state state = atomic_load(&t->state);

	if (t->leaving || state >= TASK_ZOMBIE)
		return false;
	if (t->blocked & ~t->sigwait_set & sigbit(signo))
		return false;
	return state != TASK_STOPPED && state != TASK_TRACED;
}

static struct task *choose_locked(struct task *t, int signo, unsigned flags)
{
	if (wants_locked(t, signo))
		return t;
	if (!(flags & SEND_GROUP))
		return NULL;
	list_for_each(other, &t->group->tasks, struct task, group_link) {
		if (other != t && wants_locked(other, signo))
			return other;
	}
	return NULL;
}

/* The default action kills, and no core could be wanted. */
static bool is_fatal_locked(struct thread_group *g, const struct task *target, int signo)
{
	sigmask_t bit = sigbit(signo);

	return !target->ptrace.flags && g->sighand->action[signo - 1].handler == ABI_SIG_DFL &&
	       !(bit & (SIGMASK_IGNORE | SIGMASK_STOP | SIGMASK_CORE | target->blocked));
}

/* The signal is queued (or its bit is set): somebody takes it. */
static void complete_locked(struct task *t, const struct ksiginfo *info, unsigned flags)
{
	struct thread_group *g = t->group;
	struct task *target = choose_locked(t, info->signo, flags);

	waitq_wake_all(&g->sighand->signalfd_waitq, EV_IN);
	if (!target)
		return;
	if (is_fatal_locked(g, target, info->signo)) {
		g->fatal = *info;
		group_kill_locked(g, info->signo);
		return;
	}
	task_kick_locked(target, false);
}

/* Only a real-time signal that somebody queued himself may fail. */
static bool may_lose_info(const struct ksiginfo *info)
{
	return info->signo < ABI_SIGRTMIN || info->code == SI_USER;
}

int signal_send_locked(struct task *t, const struct ksiginfo *info, unsigned flags)
{
	struct thread_group *g = t->group;
	struct sigqueue *q = flags & SEND_GROUP ? &g->pending : &t->pending;
	struct sigqueue_entry *e;
	int signo = info->signo;

	mutex_assert_held(&g->sighand->lock);
	ASSERT(signo >= 1 && signo <= NSIGNALS);
	if (!prepare_locked(t, signo))
		return 0;
	if (signo == SIGKILL) {
		g->fatal = *info;
		group_kill_locked(g, SIGKILL);
		return 0;
	}
	if (signo < ABI_SIGRTMIN && (q->set & sigbit(signo)))
		return 0;
	sigqueue_alloc(g, task_uid(t), signo < ABI_SIGRTMIN && info->code >= 0, &e);
	if (!e && !may_lose_info(info))
		return -EAGAIN;
	if (e) {
		e->info = *info;
		/* A sender that is not in the namespace has no number there. */
		if (info->code <= 0 && is_from_outside(g))
			e->info.pid = 0;
	}
	sigqueue_push(q, signo, e);
	complete_locked(t, info, flags);
	return 0;
}

int signal_send_timer_locked(struct task *t, struct sigqueue_entry *e, bool to_group)
{
	struct thread_group *g = t->group;
	unsigned flags = to_group ? SEND_GROUP : 0;

	if (!list_empty(&e->link))
		return 1;
	if (!prepare_locked(t, e->info.signo))
		return -EINVAL;
	sigqueue_push(to_group ? &g->pending : &t->pending, e->info.signo, e);
	complete_locked(t, &e->info, flags);
	return 0;
}

/* Pid 1, ourselves, takes and ignores everything. */
static bool is_init(const struct thread_group *g)
{
	return g == g->kernel->init;
}

int signal_send(struct task *t, const struct ksiginfo *info, unsigned flags)
{
	int r;

	if (info->signo == 0 || is_init(t->group))
		return 0;
	group_sighand_lock(t->group);
	r = signal_send_locked(t, info, flags);
	group_sighand_unlock(t->group);
	return r;
}

int signal_send_group(struct thread_group *g, const struct ksiginfo *info)
{
	struct task *t;
	int r = 0;

	if (info->signo == 0 || is_init(g))
		return 0;
	group_sighand_lock(g);
	/* The leader first. */
	if (!list_empty(&g->tasks)) {
		t = list_first(&g->tasks, struct task, group_link);
		r = signal_send_locked(t, info, SEND_GROUP);
	}
	group_sighand_unlock(g);
	return r;
}

/* ---- who may send: kill(2) ---- */

static bool creds_allow(const struct cred *from, const struct cred *to)
{
	return from->euid == to->suid || from->euid == to->uid || from->uid == to->suid ||
	       from->uid == to->uid || cred_has_cap_in(from, to->user_ns, CAP_KILL);
}

static int may_send_locked(struct task *from, struct thread_group *to, int signo)
{
	const struct cred *mine, *theirs;
	bool ok;

	mutex_assert_held(&pids_lock);
	if (from->group == to || !to->leader)
		return 0;
	if (signo == SIGCONT && from->group->sid == to->sid)
		return 0;
	mine = task_cred_get(from);
	theirs = task_cred_get(to->leader);
	ok = creds_allow(mine, theirs);
	cred_put(theirs);
	cred_put(mine);
	return ok ? 0 : -EPERM;
}

int signal_may_send(struct task *from, struct thread_group *to, int signo)
{
	int r;

	mutex_lock(&pids_lock);
	r = may_send_locked(from, to, signo);
	mutex_unlock(&pids_lock);
	return r;
}

/* From a task by kill(2): checked. From the kernel (a terminal): not. */
static int send_checked_locked(struct thread_group *g, const struct ksiginfo *info)
{
	struct task *from = info->code <= 0 ? task_current() : NULL;
	int r = from ? may_send_locked(from, g, info->signo) : 0;

	return r < 0 ? r : signal_send_group(g, info);
}

int signal_send_pgrp(struct kernel *k UNUSED, int32_t pgid, const struct ksiginfo *info)
{
	int r, err = -ESRCH;
	struct pid *p;

	mutex_lock(&pids_lock);
	p = pid_lookup_locked(pgid);
	if (p) {
		list_for_each(g, &p->pgrp, struct thread_group, pgrp_link) {
			r = send_checked_locked(g, info);
			if (r == 0 || err != 0)
				err = r;
		}
	}
	mutex_unlock(&pids_lock);
	return err;
}

int signal_send_all(struct task *from, const struct ksiginfo *info)
{
	struct thread_group *g;
	int32_t after = 1;
	int r, err = -ESRCH;

	while ((g = pid_next_group(from->kernel, after))) {
		after = g->pid;
		if (g != from->group && pid_out(from, after) > 1) {
			mutex_lock(&pids_lock);
			r = send_checked_locked(g, info);
			mutex_unlock(&pids_lock);
			if (r != -EPERM)
				err = r;
		}
		group_put(g);
	}
	return err;
}

/* ---- faults ---- */

/* A blocked or ignored fault cannot be left out: the default action kills. */
static void force_locked(struct task *t, const struct ksiginfo *info)
{
	struct k_sigaction *act = &t->group->sighand->action[info->signo - 1];
	sigmask_t bit = sigbit(info->signo);

	if ((t->blocked & bit) || act->handler == ABI_SIG_IGN) {
		act->handler = ABI_SIG_DFL;
		t->blocked &= ~bit;
	}
	if (act->handler == ABI_SIG_DFL)
		t->group->is_unkillable = false;
	(void)signal_send_locked(t, info, 0);
	signal_recalc_locked(t);
}

void signal_force_fault(struct task *t, int signo, int code, uint64_t addr, uint32_t trapno,
			uint32_t error_code)
{
	struct ksiginfo info = { .signo = signo, .code = code, .addr = addr };

	t->trapno = trapno;
	t->error_code = error_code;
	if (trapno == 14)
		t->fault_addr = addr;
	signal_force(t, &info);
}

void signal_force(struct task *t, const struct ksiginfo *info)
{
	group_sighand_lock(t->group);
	force_locked(t, info);
	group_sighand_unlock(t->group);
}

void signal_kill(struct thread_group *g, const struct ksiginfo *info)
{
	group_sighand_lock(g);
	if (!g->exiting) {
		g->fatal = *info;
		group_kill_locked(g, info->signo);
	}
	group_sighand_unlock(g);
}

/* ---- actions ---- */

void sighand_reset_locked(struct sighand *sh, bool all)
{
	for (int i = 0; i < NSIGNALS; i++) {
		struct k_sigaction *act = &sh->action[i];
		uint64_t handler = act->handler;

		*act = (struct k_sigaction){ .handler = ABI_SIG_DFL };
		if (!all && handler == ABI_SIG_IGN)
			act->handler = ABI_SIG_IGN;
	}
}

int signal_action(struct task *t, int signo, const struct k_sigaction *act, struct k_sigaction *old)
{
	struct thread_group *g = t->group;
	struct k_sigaction *slot;

	if (signo < 1 || signo > NSIGNALS || (act && (sigbit(signo) & SIGMASK_UNBLOCKABLE)))
		return -EINVAL;
	slot = &group_sighand_lock(g)->action[signo - 1];
	if (old)
		*old = *slot;
	if (act) {
		*slot = *act;
		slot->flags &= ABI_SA_FLAGS;
		slot->mask &= ~SIGMASK_UNBLOCKABLE;
		/* POSIX: what becomes ignored is no longer pending. */
		if (signal_is_ignored_locked(g, signo))
			remove_from_all_locked(g, sigbit(signo));
	}
	group_sighand_unlock(g);
	return 0;
}

/* ---- masks ---- */

void signal_retarget_locked(struct task *t, sigmask_t set)
{
	sigmask_t left = t->group->pending.set & set;

	if (!left)
		return;
	list_for_each(other, &t->group->tasks, struct task, group_link) {
		if (other == t || other->leaving || atomic_load(&other->state) >= TASK_ZOMBIE ||
		    !(left & ~other->blocked))
			continue;
		task_kick_locked(other, false);
		left &= other->blocked;
		if (!left)
			break;
	}
}

void signal_set_blocked_locked(struct task *t, sigmask_t mask)
{
	sigmask_t more;

	mask &= ~SIGMASK_UNBLOCKABLE;
	more = mask & ~t->blocked;
	t->blocked = mask;
	signal_retarget_locked(t, more);
	signal_recalc_locked(t);
}

void signal_set_blocked(struct task *t, sigmask_t mask)
{
	group_sighand_lock(t->group);
	signal_set_blocked_locked(t, mask);
	group_sighand_unlock(t->group);
}

void signal_set_temporary_mask(struct task *t, sigmask_t mask)
{
	t->saved_blocked = t->blocked;
	t->restore_blocked = true;
	signal_set_blocked(t, mask);
}

void signal_restore_mask(struct task *t)
{
	if (!t->restore_blocked)
		return;
	t->restore_blocked = false;
	signal_set_blocked(t, t->saved_blocked);
}

/* ---- taking signals off the queues ---- */

/* Faults first, then the lowest number (signal(7)). */
static int next_signo(sigmask_t set)
{
	if (set & SIGMASK_SYNC)
		set &= SIGMASK_SYNC;
	return set ? __builtin_ctzll(set) + 1 : 0;
}

int signal_dequeue_locked(struct task *t, sigmask_t set, struct ksiginfo *info)
{
	struct thread_group *g = t->group;
	struct sigqueue *q = &t->pending;
	struct posix_timer *timer;
	int signo;

	mutex_assert_held(&g->sighand->lock);
	signo = next_signo(q->set & set);
	if (!signo) {
		q = &g->pending;
		signo = next_signo(q->set & set);
	}
	if (!signo)
		return 0;
	sigqueue_take(q, signo, info, &timer);
	if (timer)
		posix_timer_delivered_locked(timer, info);
	if (sigbit(signo) & SIGMASK_STOP)
		t->stop_dequeued = true;
	return signo;
}

int signal_dequeue(struct task *t, sigmask_t set, struct ksiginfo *info)
{
	int signo;

	group_sighand_lock(t->group);
	signo = signal_dequeue_locked(t, set & ~SIGMASK_UNBLOCKABLE, info);
	if (signo)
		signal_recalc_locked(t);
	group_sighand_unlock(t->group);
	return signo;
}

/* One look: the signal, -EINTR, or 0 for nothing yet. */
static int wait_look(struct task *t, sigmask_t set, struct ksiginfo *info)
{
	int r;

	group_sighand_lock(t->group);
	r = signal_dequeue_locked(t, set, info);
	if (!r) {
		signal_recalc_locked(t);
		if (signal_pending_locked(t))
			r = -EINTR;
	}
	group_sighand_unlock(t->group);
	return r;
}

int signal_wait(struct task *t, sigmask_t set, uint64_t deadline_ns, struct ksiginfo *info)
{
	int r;

	set &= ~SIGMASK_UNBLOCKABLE;
	group_sighand_lock(t->group);
	t->sigwait_set = set;
	group_sighand_unlock(t->group);
	for (;;) {
		waiter_prepare(&t->waiter);
		r = wait_look(t, set, info);
		if (r)
			break;
		if (waiter_wait(&t->waiter, deadline_ns) == -ETIMEDOUT) {
			r = wait_look(t, set, info);
			if (!r)
				r = -EAGAIN;
			break;
		}
	}
	group_sighand_lock(t->group);
	t->sigwait_set = 0;
	signal_recalc_locked(t);
	group_sighand_unlock(t->group);
	return r;
}
