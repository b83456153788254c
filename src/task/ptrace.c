/*
 * Who traces whom. A link is made and broken under pids.lock; the flags change under
 * the tracee's sighand.lock too, so that either is enough to read them.
 *
 * An exec decides by whether its task is traced what privileges it gives, and a tracer
 * by the task's privileges whether it may attach: so attaching waits while the
 * tracee's process is in an exec (group.nexecs).
 */
#include "abi/ptrace.h"
#include "abi/signal.h"
#include "task/internal.h"
#include "task/ptrace.h"

/* ---- links ---- */

/* => pids_lock and the tracee's sighand.lock */
static void set_flags_locked(struct task *t, unsigned flags)
{
	__atomic_store_n(&t->ptrace.flags, flags, __ATOMIC_RELAXED);
}

/* cred: a reference, taken over. => pids_lock, the tracee's sighand.lock */
static void link_locked(struct task *tracee, struct task *tracer, const struct cred *cred,
			unsigned flags)
{
	struct task_ptrace *p = &tracee->ptrace;

	p->tracer = tracer;
	p->tracer_cred = cred;
	p->tracer_pid = tracer->tid;
	p->tracer_uid = cred->uid;
	p->watch = (struct ptrace_watch){ 0 };
	list_push_back(&tracer->ptrace.tracees, &p->link);
	set_flags_locked(tracee, flags);
}

/* The tracee is on its own; when it is stopped, it goes on. => pids_lock */
void ptrace_unlink_locked(struct task *tracee)
{
	struct task_ptrace *p = &tracee->ptrace;
	struct thread_group *g = tracee->group;
	const struct cred *cred = p->tracer_cred;

	mutex_assert_held(&pids_lock);
	list_del(&p->link);
	group_sighand_lock(g);
	p->tracer = NULL;
	p->tracer_cred = NULL;
	set_flags_locked(tracee, 0);
	jobctl_clear_locked(tracee, JOBCTL_TRAP_MASK | JOBCTL_TRAPPING);
	waitq_wake_all(&g->stop_waitq, EV_IN);
	/* One that ran while its process was stopped joins the others. */
	if (g->stopped)
		(void)jobctl_set_locked(tracee, JOBCTL_STOP_PENDING);
	if (tracee->jobctl & JOBCTL_TRACED)
		tracee->trace_work = 0;
	if (tracee->jobctl & (JOBCTL_TRACED | JOBCTL_STOP_PENDING)) {
		jobctl_release_locked(tracee, JOBCTL_TRACED);
		task_kick_locked(tracee, false);
	}
	group_sighand_unlock(g);
	cred_put(cred);
}

void ptrace_forget_locked(struct task *tracee)
{
	struct thread_group *of = tracee->ptrace.tracer->group;

	ptrace_unlink_locked(tracee);
	waitq_wake_all(&of->child_waitq, EV_IN);
}

/* The same; what has ended, and only its tracer could still see, goes. */
static void let_go_locked(struct task *tracee)
{
	struct thread_group *g = tracee->group;
	bool was_reparented = ptrace_is_reparented_locked(tracee);

	ptrace_unlink_locked(tracee);
	if (atomic_load(&tracee->state) != TASK_ZOMBIE)
		return;
	if (tracee != g->leader)
		task_reap_thread_locked(tracee);
	else if (group_is_ended_locked(g))
		group_untraced_locked(g, was_reparented);
}

/* ---- attaching ---- */

/* May a parent with these credentials trace t, who asks for it? */
static bool parent_may(struct task *t, const struct cred *cred)
{
	const struct cred *own = t->cred;

	return (own->user_ns == cred->user_ns && !(own->cap_permitted & ~cred->cap_permitted)) ||
	       cred_has_cap_in(cred, own->user_ns, CAP_SYS_PTRACE);
}

/* The thread that counts as t's parent; NULL: it is nacre itself. */
static struct task *parent_locked(struct task *t)
{
	struct pid *p = pid_lookup_locked(t->group->parent_tid);
	struct task *parent = p ? p->task : NULL;

	return parent && parent->group == t->group->parent ? parent : NULL;
}

int ptrace_traceme(struct task *t)
{
	const struct cred *cred = NULL;
	struct task *parent;
	int r = -EPERM;

	mutex_lock(&pids_lock);
	parent = t->ptrace.flags ? NULL : parent_locked(t);
	if (parent && atomic_load(&parent->state) >= TASK_ZOMBIE) {
		r = 0; /* as if it had gone right afterwards */
	} else if (parent) {
		cred = task_cred_get(parent);
		if (parent_may(t, cred)) {
			group_sighand_lock(t->group);
			link_locked(t, parent, cred, PT_PTRACED);
			group_sighand_unlock(t->group);
			cred = NULL;
			r = 0;
		}
	}
	mutex_unlock(&pids_lock);
	if (cred)
		cred_put(cred);
	return r;
}

/* One that is parked goes over into a ptrace-stop. */
static void stop_parked_locked(struct task *tracee)
{
	if ((tracee->jobctl & JOBCTL_PARKED) &&
	    jobctl_set_locked(tracee, JOBCTL_TRAP_STOP | JOBCTL_TRAPPING)) {
		jobctl_release_locked(tracee, JOBCTL_PARKED);
		task_kick_locked(tracee, false);
	}
}

/* 1: attached; 0: not yet, an exec is on its way; -EPERM. */
static int try_attach(struct task *t, struct task *tracee, const struct cred *cred, unsigned flags)
{
	struct ksiginfo stop = { .signo = SIGSTOP, .code = SI_KERNEL };
	struct thread_group *g = tracee->group;
	int r = -EPERM;

	mutex_lock(&pids_lock);
	group_sighand_lock(g);
	if (g->nexecs) {
		r = 0;
	} else if (!tracee->ptrace.flags && atomic_load(&tracee->state) < TASK_ZOMBIE) {
		link_locked(tracee, t, cred, flags);
		if (!(flags & PT_SEIZED))
			(void)signal_send_locked(tracee, &stop, 0);
		stop_parked_locked(tracee);
		r = 1;
	}
	group_sighand_unlock(g);
	mutex_unlock(&pids_lock);
	return r;
}

static bool is_trapping(struct task *tracee)
{
	bool r;

	group_sighand_lock(tracee->group);
	r = tracee->jobctl & JOBCTL_TRAPPING;
	group_sighand_unlock(tracee->group);
	return r;
}

/* So that the tracer finds it in a ptrace-stop, as it was stopped before. */
static void wait_trapped(struct task *t, struct task *tracee)
{
	struct thread_group *g = tracee->group;
	struct waitq_entry e;

	waitq_entry_init(&e, &t->waiter, EV_IN);
	waitq_add(&g->stop_waitq, &e);
	for (;;) {
		waiter_prepare(&t->waiter);
		if (!is_trapping(tracee) || waiter_wait_killable(&t->waiter, PARK_FOREVER) < 0)
			break;
	}
	waitq_remove(&g->stop_waitq, &e);
}

int ptrace_attach(struct task *t, struct task *tracee, unsigned flags)
{
	struct thread_group *g = tracee->group;
	const struct cred *cred;
	struct waitq_entry e;
	int r;

	if (tracee->helper.fn || g == t->kernel->init || g == t->group)
		return -EPERM;
	cred = task_cred_get(t);
	waitq_entry_init(&e, &t->waiter, EV_IN);
	waitq_add(&g->exit_waitq, &e);
	for (;;) {
		waiter_prepare(&t->waiter);
		r = try_attach(t, tracee, cred, flags);
		if (r)
			break;
		if (waiter_wait(&t->waiter, PARK_FOREVER) < 0) {
			r = -ERESTARTNOINTR;
			break;
		}
	}
	waitq_remove(&g->exit_waitq, &e);
	if (r < 0) {
		cred_put(cred);
		return r;
	}
	wait_trapped(t, tracee);
	return 0;
}

void ptrace_detach(struct task *tracee, int signo)
{
	mutex_lock(&pids_lock);
	tracee->ptrace.code = signo;
	let_go_locked(tracee);
	mutex_unlock(&pids_lock);
}

void ptrace_set_options(struct task *tracee, unsigned options)
{
	unsigned kept = PT_PTRACED | PT_SEIZED;

	mutex_lock(&pids_lock);
	group_sighand_lock(tracee->group);
	if (tracee->ptrace.flags)
		set_flags_locked(tracee,
				 (tracee->ptrace.flags & kept) | options << PT_OPTIONS_SHIFT);
	group_sighand_unlock(tracee->group);
	mutex_unlock(&pids_lock);
}

int32_t ptrace_tracer_tid(struct task *t)
{
	int32_t tid;

	mutex_lock(&pids_lock);
	tid = t->ptrace.tracer ? t->ptrace.tracer->tid : 0;
	mutex_unlock(&pids_lock);
	return tid;
}

bool ptrace_tracer_lacks(struct task *t, int cap)
{
	bool r;

	mutex_lock(&pids_lock);
	r = t->ptrace.tracer_cred &&
	    !cred_has_cap_in(t->ptrace.tracer_cred, t->cred->user_ns, (unsigned)cap);
	mutex_unlock(&pids_lock);
	return r;
}

/* ---- births and deaths ---- */

/* t's child belongs to t's tracer too. => pids_lock, sighand.lock of its group */
void ptrace_inherit_locked(struct task *t, struct task *child)
{
	if (!t->ptrace.flags)
		return;
	link_locked(child, t->ptrace.tracer, cred_get(t->ptrace.tracer_cred), t->ptrace.flags);
	if (child->ptrace.flags & PT_SEIZED)
		child->jobctl |= JOBCTL_TRAP_STOP;
	else
		child->pending.set |= sigbit(SIGSTOP);
}

void ptrace_tracer_exits_locked(struct task *t)
{
	struct ksiginfo kill = { .signo = SIGKILL, .code = SI_KERNEL };

	while (!list_empty(&t->ptrace.tracees)) {
		struct task *tracee = list_first(&t->ptrace.tracees, struct task, ptrace.link);

		if (tracee->ptrace.flags & PT_EXITKILL)
			(void)signal_send(tracee, &kill, SEND_GROUP);
		let_go_locked(tracee);
	}
}
