/*
 * Job control: the group stop, and how a task sleeps through stops of any kind.
 *
 * Each task has a word of bits, task.jobctl [s]:
 *
 *	STOP_PENDING  it is to take part in the group stop
 *	PARKED        it does, asleep (TASK_STOPPED), until SIGCONT or SIGKILL
 *	TRAP_STOP     traced: it is to enter a stop (group stop, interrupt)
 *	TRAP_NOTIFY   traced by PTRACE_SEIZE: something about the group stop changed
 *	TRAPPING      a tracer waits until it has gone from PARKED to TRACED
 *	TRACED        asleep in a ptrace-stop (TASK_TRACED)
 *	FROZEN        and its tracer is looking at it: not even SIGKILL ends the stop
 *	LISTENING     and its tracer listens (PTRACE_LISTEN): not stopped, for wait(2)
 *	KILLED        a fatal signal that it has not seen yet
 *
 * A task that takes a stop signal sets group.stopped, and STOP_PENDING of each. One
 * that is not traced parks; one that is traced enters a ptrace-stop instead, from
 * which its tracer may let it run while the others stay. The stop is complete, and
 * the parent is told (CLD_STOPPED), when STOP_PENDING is set nowhere any more.
 * SIGCONT, as it is sent, takes all of it back; the first task that is awake tells
 * the parent (CLD_CONTINUED). A SIGKILL ends every sleep.
 *
 * A terminal's stop signals are ignored in an orphaned process group, which only
 * pids.lock can tell: it is taken without sighand.lock, and stop_dequeued says
 * afterwards whether a SIGCONT came in between.
 */
#include "abi/signal.h"
#include "task/internal.h"
#include "task/ptrace.h"

/* ---- the bits ---- */

bool jobctl_set_locked(struct task *t, unsigned bits)
{
	mutex_assert_held(&t->group->sighand->lock);
	if ((t->jobctl & JOBCTL_KILLED) || t->leaving || atomic_load(&t->state) >= TASK_ZOMBIE)
		return false;
	t->jobctl |= bits;
	return true;
}

void jobctl_clear_locked(struct task *t, unsigned bits)
{
	mutex_assert_held(&t->group->sighand->lock);
	if (bits & JOBCTL_STOP_PENDING)
		t->stop_dequeued = false;
	t->jobctl &= ~bits;
	if (!(t->jobctl & JOBCTL_PENDING) && (t->jobctl & JOBCTL_TRAPPING)) {
		t->jobctl &= ~JOBCTL_TRAPPING;
		waitq_wake_all(&t->group->stop_waitq, EV_IN);
	}
}

void jobctl_release_locked(struct task *t, unsigned bits)
{
	if (!(t->jobctl & bits))
		return;
	t->jobctl &= ~bits;
	waiter_wake(&t->waiter);
}

void jobctl_kill_locked(struct task *t)
{
	jobctl_clear_locked(t, JOBCTL_PENDING);
	t->jobctl |= JOBCTL_KILLED;
	jobctl_release_locked(t, JOBCTL_PARKED);
	if (!(t->jobctl & JOBCTL_FROZEN))
		jobctl_release_locked(t, JOBCTL_TRACED);
}

static bool has_bit(struct task *t, unsigned bit)
{
	bool r;

	group_sighand_lock(t->group);
	r = t->jobctl & bit;
	group_sighand_unlock(t->group);
	return r;
}

bool jobctl_is_killed(struct task *t)
{
	return has_bit(t, JOBCTL_KILLED);
}

void jobctl_sleep(struct task *t, unsigned bit)
{
	for (;;) {
		waiter_prepare(&t->waiter);
		if (!has_bit(t, bit))
			break;
		(void)waiter_wait_woken(&t->waiter, PARK_FOREVER);
	}
}

/* ---- the group stop ---- */

bool signal_stop_check_locked(struct thread_group *g)
{
	if (!g->stopped || g->stop_complete || g->ntasks == 0)
		return false;
	list_for_each(t, &g->tasks, struct task, group_link) {
		if ((t->jobctl & JOBCTL_STOP_PENDING) && atomic_load(&t->state) < TASK_ZOMBIE)
			return false;
	}
	g->stop_complete = true;
	g->stop_reported = false;
	g->continued = false;
	return true;
}

/* => pids_lock */
static void report_to_parent_locked(struct thread_group *g, int code)
{
	struct task *leader = g->leader;

	if (g->parent)
		signal_notify_parent_locked(g, code, code == CLD_STOPPED ? g->stop_signo : SIGCONT);
	if (code == CLD_CONTINUED && leader && ptrace_is_reparented_locked(leader))
		ptrace_notify_tracer_locked(leader, code);
}

void signal_report_stop(struct thread_group *g, int code)
{
	mutex_lock(&pids_lock);
	report_to_parent_locked(g, code);
	mutex_unlock(&pids_lock);
	if (g->is_first && code == CLD_STOPPED && g->kernel->ops->first_stopped)
		g->kernel->ops->first_stopped(g->stop_signo);
}

void jobctl_park_unlock(struct task *t)
{
	struct thread_group *g = t->group;
	bool complete;

	jobctl_clear_locked(t, JOBCTL_STOP_PENDING);
	t->jobctl |= JOBCTL_PARKED;
	atomic_store(&t->state, TASK_STOPPED);
	complete = signal_stop_check_locked(g);
	group_sighand_unlock(g);
	if (complete)
		signal_report_stop(g, CLD_STOPPED);
	jobctl_sleep(t, JOBCTL_PARKED);
	atomic_store(&t->state, TASK_RUNNING);
}

/* Another task is to take part. */
static void stop_other_locked(struct task *t, int signo)
{
	if ((t->jobctl & JOBCTL_PARKED) || !jobctl_set_locked(t, JOBCTL_STOP_PENDING))
		return;
	t->stop_signo = signo;
	if (t->ptrace.flags & PT_SEIZED)
		ptrace_trap_notify_locked(t);
	else
		task_kick_locked(t, false);
}

/* A traced task may run while the group is stopped, and take another stop signal:
 * then all stop again, but the parent saw the first. */
static void stop_begin_locked(struct task *t, int signo)
{
	struct thread_group *g = t->group;

	if (t->jobctl & JOBCTL_STOP_PENDING)
		return;
	if (!g->stop_complete)
		g->stop_signo = signo;
	g->stopped = true;
	if (jobctl_set_locked(t, JOBCTL_STOP_PENDING))
		t->stop_signo = signo;
	list_for_each(other, &g->tasks, struct task, group_link) {
		if (other != t)
			stop_other_locked(other, signo);
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

void jobctl_stop_signal_unlock(struct task *t, int signo)
{
	struct thread_group *g = t->group;
	bool orphaned = false;

	if (signo != SIGSTOP) {
		group_sighand_unlock(g);
		orphaned = group_is_orphaned(g);
		group_sighand_lock(g);
	}
	if (!orphaned && t->stop_dequeued && !g->exiting && !g->exec_task)
		stop_begin_locked(t, signo);
	t->stop_dequeued = false;
	group_sighand_unlock(g);
}

void jobctl_join_locked(struct task *t, struct task *child)
{
	if (!t->group->stopped)
		return;
	child->jobctl |= JOBCTL_STOP_PENDING;
	child->stop_signo = t->stop_signo;
}

/* The parent's report needs pids.lock: the first task that wakes makes it. */
void jobctl_continue_locked(struct thread_group *g)
{
	list_for_each(t, &g->tasks, struct task, group_link) {
		jobctl_clear_locked(t, JOBCTL_STOP_PENDING);
		jobctl_release_locked(t, JOBCTL_PARKED);
		if (t->ptrace.flags & PT_SEIZED)
			ptrace_trap_notify_locked(t);
	}
	if (!g->stopped)
		return;
	g->cont_notify = g->stop_complete ? CLD_CONTINUED : CLD_STOPPED;
	g->continued = g->stop_complete;
	g->stopped = false;
	g->stop_complete = false;
	g->stop_reported = true;
	/* Those that had not parked yet report, if all others are gone. */
	list_for_each(t, &g->tasks, struct task, group_link)
		task_kick_locked(t, false);
}
