/*
 * Ptrace-stops: how a traced task stops, how its tracer looks at it, how it goes on.
 *
 *	tracee                                 tracer
 *	------                                 ------
 *	ptrace_stop_relock():
 *	  TRACED, code, info; tell the tracer
 *	  sleeps while TRACED
 *	                                       wait(2): takes the code, leaves 0
 *	                                       ptrace_freeze(): FROZEN, if TRACED
 *	                                         registers, memory
 *	                                       ptrace_resume(): code := signal, no TRACED
 *	                                       ptrace_unfreeze()
 *	  awake: the code is what it returns
 *
 *  1. What a tracer reads and writes of a stopped task it does while FROZEN is set:
 *     a SIGKILL then takes effect only when it has finished.
 *  2. A task with a fatal signal that it has not seen yet (KILLED) does not stop; one
 *     that knows that it ends may: that is the stop of PTRACE_EVENT_EXIT.
 *  3. A tracer that goes away without PTRACE_DETACH lets its tracees go on with what
 *     they stopped for, unless wait(2) has told it.
 *
 * Everything here follows ptrace(2), "Stopped states".
 */
#include "abi/ptrace.h"
#include "abi/signal.h"
#include "task/internal.h"
#include "task/ptrace.h"

/* ---- telling the tracer ---- */

bool ptrace_is_reparented_locked(const struct task *t)
{
	mutex_assert_held(&pids_lock);
	return t->ptrace.tracer && t->ptrace.tracer->group != t->group->parent;
}

static int32_t status_of(struct task *t, int code)
{
	switch (code) {
	case CLD_CONTINUED:
		return SIGCONT;
	case CLD_STOPPED:
		return t->group->stop_signo;
	default:
		return t->ptrace.code & 0x7f;
	}
}

/* t's number for the tracer, without a lock: it is in t's namespace or above it, most
 * often in the same. */
static int32_t tid_for(const struct task *t, const struct task *tracer)
{
	return tracer->group->pid_ns == t->group->pid_ns ? t->own_tid : t->tid;
}

/* Who it is about, and to whom. */
static void send_sigchld(struct task *t, struct ksiginfo *info)
{
	uint64_t ut, st;

	task_times(t, &ut, &st);
	info->pid = tid_for(t, t->ptrace.tracer);
	info->uid = task_uid(t);
	info->utime = (int64_t)(ut / 10000000);
	info->stime = (int64_t)(st / 10000000);
	(void)signal_send_group(t->ptrace.tracer->group, info);
}

/* Sends the tracer a SIGCHLD, as long as it wants such, and ends its wait(2). */
void ptrace_notify_tracer_locked(struct task *t, int code)
{
	struct ksiginfo info = { .signo = SIGCHLD, .code = code };
	struct thread_group *to;
	struct k_sigaction act;

	mutex_assert_held(&pids_lock);
	if (!t->ptrace.tracer)
		return;
	to = t->ptrace.tracer->group;
	act = group_sighand_lock(to)->action[SIGCHLD - 1];
	group_sighand_unlock(to);
	info.status = status_of(t, code);
	if (act.handler != ABI_SIG_IGN && !(act.flags & ABI_SA_NOCLDSTOP))
		send_sigchld(t, &info);
	waitq_wake_all(&to->child_waitq, EV_IN);
}

void ptrace_notify_exit_locked(struct task *t)
{
	struct ksiginfo info = { .signo = SIGCHLD };

	mutex_assert_held(&pids_lock);
	ksiginfo_set_exit(&info, ptrace_exit_status_locked(t));
	send_sigchld(t, &info);
	waitq_wake_all(&t->ptrace.tracer->group->child_waitq, EV_IN);
}

/* group_stop: the stop has completed the one of its process, of which the parent
 * hears too, unless that is the same. */
static void report_stop(struct task *t, int why, bool group_stop)
{
	bool is_told;

	mutex_lock(&pids_lock);
	is_told = t->ptrace.tracer && !ptrace_is_reparented_locked(t);
	ptrace_notify_tracer_locked(t, why);
	mutex_unlock(&pids_lock);
	if (group_stop && !is_told)
		signal_report_stop(t->group, CLD_STOPPED);
}

/* ---- entering a stop ---- */

/* => sighand.lock, which is dropped and taken again. Returns the signal that the
 * tracer lets t go on with; `code` itself when t does not stop. */
int ptrace_stop_relock(struct task *t, int code, int why, uint64_t message, struct ksiginfo *info)
{
	struct task_ptrace *p = &t->ptrace;
	struct thread_group *g = t->group;
	bool group_stop = false;

	mutex_assert_held(&g->sighand->lock);
	if (!p->flags || (t->jobctl & JOBCTL_KILLED) || atomic_load(&t->kernel->is_killed))
		return code;
	t->jobctl |= JOBCTL_TRACED;
	p->code = code;
	p->message = message;
	p->info = info;
	atomic_store(&t->state, TASK_TRACED);
	if (why == CLD_STOPPED && (t->jobctl & JOBCTL_STOP_PENDING)) {
		t->jobctl &= ~JOBCTL_STOP_PENDING;
		group_stop = signal_stop_check_locked(g);
	}
	t->jobctl &= ~JOBCTL_TRAP_STOP;
	if (info && info->code >> 8 == ABI_PTRACE_EVENT_STOP)
		t->jobctl &= ~JOBCTL_TRAP_NOTIFY;
	if (t->jobctl & JOBCTL_TRAPPING) {
		t->jobctl &= ~JOBCTL_TRAPPING;
		waitq_wake_all(&g->stop_waitq, EV_IN);
	}
	group_sighand_unlock(g);
	report_stop(t, why, group_stop);
	jobctl_sleep(t, JOBCTL_TRACED);
	group_sighand_lock(g);
	atomic_store(&t->state, TASK_RUNNING);
	code = p->code;
	p->code = 0;
	p->message = 0;
	p->info = NULL;
	t->jobctl &= ~(JOBCTL_LISTENING | JOBCTL_FROZEN);
	signal_recalc_locked(t);
	return code;
}

/* The tracer's view of a stop that no signal caused. The process and the user lie
 * where a fault's address would. */
static struct ksiginfo stop_info(struct task *t, int signo, int code)
{
	uint32_t uid = task_uid(t);

	return (struct ksiginfo){ .signo = signo,
				  .code = code,
				  .pid = t->own_tid,
				  .uid = uid,
				  .addr = (uint32_t)t->own_tid | (uint64_t)uid << 32 };
}

int ptrace_notify(struct task *t, int code, uint64_t message)
{
	struct ksiginfo info = stop_info(t, SIGTRAP, code);
	int r;

	group_sighand_lock(t->group);
	r = ptrace_stop_relock(t, code, CLD_TRAPPED, message, &info);
	group_sighand_unlock(t->group);
	return r;
}

/* Group stop, or what a tracer by PTRACE_SEIZE asked for. */
void ptrace_trap_unlock(struct task *t)
{
	int signo = t->stop_signo ? t->stop_signo : t->group->stop_signo;
	struct ksiginfo info;

	if (t->ptrace.flags & PT_SEIZED) {
		if (!t->group->stopped || !signo)
			signo = SIGTRAP;
		info = stop_info(t, signo, signo | ABI_PTRACE_EVENT_STOP << 8);
		(void)ptrace_stop_relock(t, info.code, CLD_STOPPED, 0, &info);
	} else {
		(void)ptrace_stop_relock(t, signo, CLD_STOPPED, 0, NULL);
	}
	group_sighand_unlock(t->group);
}

/* t has taken a signal: its tracer sees it first, and may change it or throw it away.
 * => sighand.lock, dropped and taken again. Returns the signal, 0: none any more. */
int ptrace_signal_relock(struct task *t, int signo, bool from_group, struct ksiginfo *info)
{
	/* Whatever the signal is: it may become a stop signal. */
	t->stop_dequeued = true;
	signo = ptrace_stop_relock(t, signo, CLD_TRAPPED, 0, info);
	if (!signo)
		return 0;
	if (signo != info->signo)
		*info = (struct ksiginfo){ .signo = signo,
					   .code = SI_USER,
					   .pid = t->ptrace.tracer_pid,
					   .uid = t->ptrace.tracer_uid };
	if ((t->blocked & sigbit(signo)) || (t->jobctl & JOBCTL_KILLED)) {
		(void)signal_send_locked(t, info, from_group ? SEND_GROUP : 0);
		return 0;
	}
	return signo;
}

/* ---- looking at a stopped task ---- */

/* An exec gave the tracee another number, and the tracer, which has not waited for
 * that, means the thread that had the number before. */
static bool is_other_thread(const struct task *t)
{
	return t->ptrace.code == (ABI_PTRACE_EVENT_EXEC << 8 | SIGTRAP) &&
	       t->ptrace.message != (uint64_t)t->own_tid;
}

static bool freeze(struct task *tracee)
{
	bool ok;

	group_sighand_lock(tracee->group);
	ok = (tracee->jobctl & JOBCTL_TRACED) &&
	     !(tracee->jobctl & (JOBCTL_LISTENING | JOBCTL_KILLED)) && !is_other_thread(tracee);
	if (ok)
		tracee->jobctl |= JOBCTL_FROZEN;
	group_sighand_unlock(tracee->group);
	return ok;
}

int ptrace_freeze(struct task *t, struct task *tracee, bool any_state)
{
	bool ok;

	mutex_lock(&pids_lock);
	ok = tracee->ptrace.tracer == t && (any_state || freeze(tracee));
	mutex_unlock(&pids_lock);
	return ok ? 0 : -ESRCH;
}

void ptrace_unfreeze(struct task *tracee)
{
	group_sighand_lock(tracee->group);
	if (tracee->jobctl & JOBCTL_FROZEN) {
		tracee->jobctl &= ~JOBCTL_FROZEN;
		if (tracee->jobctl & JOBCTL_KILLED)
			jobctl_release_locked(tracee, JOBCTL_TRACED);
	}
	group_sighand_unlock(tracee->group);
}

int ptrace_get_siginfo(struct task *tracee, struct ksiginfo *info)
{
	int r = -EINVAL;

	group_sighand_lock(tracee->group);
	if (tracee->ptrace.info) {
		*info = *tracee->ptrace.info;
		r = 0;
	}
	group_sighand_unlock(tracee->group);
	return r;
}

int ptrace_set_siginfo(struct task *tracee, const struct ksiginfo *info)
{
	int r = -EINVAL;

	group_sighand_lock(tracee->group);
	if (tracee->ptrace.info) {
		*tracee->ptrace.info = *info;
		r = 0;
	}
	group_sighand_unlock(tracee->group);
	return r;
}

bool ptrace_peek_siginfo(struct task *tracee, bool shared, uint64_t n, struct ksiginfo *info)
{
	struct sigqueue *q = shared ? &tracee->group->pending : &tracee->pending;
	bool found = false;

	group_sighand_lock(tracee->group);
	list_for_each(e, &q->entries, struct sigqueue_entry, link) {
		if (n-- == 0) {
			*info = e->info;
			found = true;
			break;
		}
	}
	group_sighand_unlock(tracee->group);
	return found;
}

sigmask_t ptrace_get_sigmask(struct task *tracee)
{
	return tracee->restore_blocked ? tracee->saved_blocked : tracee->blocked;
}

/* It looks at its signals anyway before it goes on. */
void ptrace_set_sigmask(struct task *tracee, sigmask_t mask)
{
	group_sighand_lock(tracee->group);
	tracee->blocked = mask & ~SIGMASK_UNBLOCKABLE;
	tracee->restore_blocked = false;
	group_sighand_unlock(tracee->group);
}

/* ---- going on ---- */

void ptrace_resume(struct task *tracee, unsigned work, int signo)
{
	group_sighand_lock(tracee->group);
	if (ptrace_is_watching(tracee))
		work |= TRACE_WATCH;
	tracee->trace_work = (uint8_t)work;
	tracee->ptrace.code = signo;
	jobctl_release_locked(tracee, JOBCTL_TRACED);
	group_sighand_unlock(tracee->group);
}

/* Makes it look at its jobctl bits. listening: also one that listens stops again. */
static void wake_up_locked(struct task *t, bool listening)
{
	if (listening)
		jobctl_release_locked(t, JOBCTL_TRACED);
	task_kick_locked(t, false);
}

void ptrace_trap_notify_locked(struct task *t)
{
	(void)jobctl_set_locked(t, JOBCTL_TRAP_NOTIFY);
	wake_up_locked(t, t->jobctl & JOBCTL_LISTENING);
}

int ptrace_interrupt(struct task *tracee)
{
	int r = -EIO;

	group_sighand_lock(tracee->group);
	if (tracee->ptrace.flags & PT_SEIZED) {
		if (jobctl_set_locked(tracee, JOBCTL_TRAP_STOP))
			wake_up_locked(tracee, tracee->jobctl & JOBCTL_LISTENING);
		r = 0;
	}
	group_sighand_unlock(tracee->group);
	return r;
}

int ptrace_listen(struct task *tracee)
{
	const struct ksiginfo *info;
	int r = -EIO;

	group_sighand_lock(tracee->group);
	info = tracee->ptrace.info;
	if ((tracee->ptrace.flags & PT_SEIZED) && info &&
	    info->code >> 8 == ABI_PTRACE_EVENT_STOP) {
		tracee->jobctl |= JOBCTL_LISTENING;
		/* Something happened since it stopped. */
		if (tracee->jobctl & JOBCTL_TRAP_NOTIFY)
			wake_up_locked(tracee, true);
		r = 0;
	}
	group_sighand_unlock(tracee->group);
	return r;
}
