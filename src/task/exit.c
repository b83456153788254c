/*
 * The end of tasks and processes.
 *
 *	task_exit()        this thread is to leave     (marks; exit(2))
 *	task_exit_group()  the process is to leave     (exit_group(2))
 *	group_kill()       the same, from outside      (fatal signals)
 *	task_finish()      the thread itself, in its loop: gives everything back
 *	group_end_locked() its last thread: zombie, children, parent's report
 *	group_reap_locked() somebody waited: the number becomes free
 *
 * The leader's task object stays on its group until the process is reaped, so
 * that its number and name can still be seen.
 */
#include <sys/wait.h>

#include "base/pool.h"
#include "host/host.h"
#include "abi/ptrace.h"
#include "task/internal.h"
#include "task/ptrace.h"
#include "task/seccomp.h"

/* ---- vfork: the parent waits until the child has its own memory ---- */

struct vfork {
	struct refcount refs;
	atomic_bool done;
	struct waitq waitq;
};

POOL_DEFINE(vfork_pool, struct vfork);

struct vfork *vfork_create(void)
{
	struct vfork *v = pool_alloc(&vfork_pool);

	if (!v)
		return NULL;
	refcount_init(&v->refs, 1);
	waitq_init(&v->waitq);
	return v;
}

struct vfork *vfork_get(struct vfork *v)
{
	refcount_get(&v->refs);
	return v;
}

void vfork_put(struct vfork *v)
{
	if (refcount_put(&v->refs))
		pool_free(&vfork_pool, v);
}

void vfork_release(struct task *t)
{
	struct vfork *v = t->vfork;

	if (!v)
		return;
	__atomic_store_n(&t->vfork, NULL, __ATOMIC_RELAXED);
	atomic_store(&v->done, true);
	waitq_wake_all(&v->waitq, EV_IN);
	vfork_put(v);
}

/* Only a fatal signal ends the wait early, as in Linux. */
int vfork_wait(struct task *t, struct vfork *v)
{
	struct waitq_entry e;
	int r = 0;

	waitq_entry_init(&e, &t->waiter, EV_IN);
	waitq_add(&v->waitq, &e);
	for (;;) {
		waiter_prepare(&t->waiter);
		if (atomic_load(&v->done))
			break;
		r = waiter_wait_killable(&t->waiter, PARK_FOREVER);
		if (r < 0)
			break;
	}
	waitq_remove(&v->waitq, &e);
	return r;
}

/* ---- asking to leave ---- */

void task_exit(struct task *t, int status)
{
	t->exit_status = status;
	t->exiting = true;
}

void group_kill_locked(struct thread_group *g, int status)
{
	mutex_assert_held(&g->sighand->lock);
	if (g->exiting)
		return;
	g->exiting = true;
	g->exit_status = status;
	g->stopped = g->stop_complete = g->continued = false;
	g->stop_reported = true;
	g->cont_notify = 0;
	list_for_each(t, &g->tasks, struct task, group_link)
		task_kick_locked(t, true);
}

void group_kill(struct thread_group *g, int status)
{
	group_sighand_lock(g);
	group_kill_locked(g, status);
	group_sighand_unlock(g);
}

void task_exit_group(struct task *t, int status)
{
	struct thread_group *g = t->group;
	unsigned killed;

	group_sighand_lock(g);
	/* By somebody else; it is not by itself. */
	killed = t->jobctl & JOBCTL_KILLED;
	group_kill_locked(g, status);
	t->jobctl = (t->jobctl & ~JOBCTL_KILLED) | killed;
	group_sighand_unlock(g);
	task_exit(t, g->exit_status);
}

/* ---- leaving ---- */

static void task_clear_child_tid(struct task *t)
{
	uint32_t zero = 0;

	if (!t->clear_child_tid)
		return;
	if (mm_copy_out(t->mm, t->clear_child_tid, &zero, sizeof(zero)) == 0)
		(void)futex_wake_addr(t, t->clear_child_tid, 1);
	t->clear_child_tid = 0;
}

/* From here on no signal is meant for t; what it was to take goes to others. */
static void task_leave_signals(struct task *t)
{
	group_sighand_lock(t->group);
	t->leaving = true;
	signal_retarget_locked(t, ~t->blocked);
	group_sighand_unlock(t->group);
}

bool task_is_last(struct task *t)
{
	bool last = true;

	group_sighand_lock(t->group);
	list_for_each(other, &t->group->tasks, struct task, group_link)
		last &= other == t || other->leaving;
	group_sighand_unlock(t->group);
	return last;
}

/* The context goes, and with it the clocks: what they said stays. */
static void task_release_context(struct task *t)
{
	struct platform_ctx *ctx;

	mutex_lock(&t->group->lock);
	group_sighand_lock(t->group);
	usage_leave_locked(t);
	ctx = t->ctx;
	t->ctx = NULL;
	t->runner = NULL;
	group_sighand_unlock(t->group);
	mutex_unlock(&t->group->lock);
	platform_ctx_destroy(ctx);
}

static bool is_only_thread(struct task *t)
{
	bool r;

	group_sighand_lock(t->group);
	r = t->group->ntasks == 1;
	group_sighand_unlock(t->group);
	return r;
}

static void task_release_mm(struct task *t)
{
	struct mm *mm;

	mutex_lock(&pids_lock);
	mm = t->mm;
	t->mm = NULL;
	mutex_unlock(&pids_lock);
	if (!mm)
		return;
	/* Once for all threads: it walks the address space. */
	if (mm_user_del(mm) || is_only_thread(t))
		usage_note_rss(t->group, mm);
	mm_put(mm);
}

/* Gives back what only this thread uses. */
static void task_release_resources(struct task *t)
{
	futex_exit_robust(t);
	futex_exit_pi(t);
	task_clear_child_tid(t);
	task_unshare_sem(t);
	task_release_context(t);
	task_release_mm(t);
	vfork_release(t);
	fdtable_put(task_swap_files(t, NULL), t);
	fs_context_put(task_swap_fs(t, NULL));
	nsproxy_put(task_swap_nsproxy(t, NULL));
}

/* Children of a dead process go to the nearest living subreaper of its PID namespace, or to
 * the init of that, or to us. */
static struct thread_group *reaper_of_locked(struct thread_group *g)
{
	struct thread_group *p;

	struct thread_group *init = g->pid_ns->init;

	for (p = g->parent; p && p->pid_ns == g->pid_ns && p != init; p = p->parent) {
		if (p->is_subreaper && !p->is_zombie)
			return p;
	}
	return init && init != g && !init->is_zombie ? init : g->kernel->init;
}

/* Do g and its parent tie g's group to the rest of the session: is the parent of
 * it, outside of the group? The first process has such a parent, the shell that
 * nacre was started by; those that we have adopted have not. */
static bool is_tie(const struct thread_group *g, const struct thread_group *parent)
{
	if (!parent || parent->pgid == g->pgid || parent->sid != g->sid)
		return false;
	return parent != g->kernel->init || (g->is_first && g->kernel->has_job_control);
}

/* No living member is a tie: nobody there can continue the group (POSIX,
 * "orphaned process group"). */
bool pgrp_is_orphaned_locked(struct pid *pgrp)
{
	list_for_each(g, &pgrp->pgrp, struct thread_group, pgrp_link) {
		if (!g->is_zombie && is_tie(g, g->parent))
			return false;
	}
	return true;
}

static bool pgrp_has_stopped_locked(struct pid *pgrp)
{
	list_for_each(g, &pgrp->pgrp, struct thread_group, pgrp_link) {
		if (!g->is_zombie && READ_ONCE(g->stop_complete))
			return true;
	}
	return false;
}

/* g and its parent were a tie between g's group and the rest of the session,
 * which is being cut. If it was the last, stopped members would stay so for
 * ever: they get SIGHUP and SIGCONT. */
static void tie_cut_locked(struct thread_group *g, struct thread_group *parent)
{
	struct ksiginfo hup = { .signo = SIGHUP, .code = SI_KERNEL };
	struct ksiginfo cont = { .signo = SIGCONT, .code = SI_KERNEL };
	struct pid *p = pid_lookup_locked(g->pgid);

	if (!p || !is_tie(g, parent) || !pgrp_is_orphaned_locked(p) || !pgrp_has_stopped_locked(p))
		return;
	list_for_each(member, &p->pgrp, struct thread_group, pgrp_link) {
		(void)signal_send_group(member, &hup);
		(void)signal_send_group(member, &cont);
	}
}

/* What the threads of a child asked to be told when its parent dies. */
static void tell_death_locked(struct task *dead, struct thread_group *child)
{
	struct ksiginfo info = { .code = SI_USER,
				 .pid = dead->group->own_pid,
				 .uid = task_uid(dead) };

	list_for_each(t, &child->tasks, struct task, group_link) {
		info.signo = t->pdeath_signal;
		if (info.signo)
			(void)signal_send_group(child, &info);
	}
}

/* A thread's children become those of another thread of its process, if there is
 * one; for them their parent has died all the same (PR_SET_PDEATHSIG). */
static void leave_children_locked(struct task *t)
{
	struct thread_group *g = t->group;
	int32_t heir = t->tid;

	list_for_each(other, &g->tasks, struct task, group_link) {
		if (other != t && atomic_load(&other->state) < TASK_ZOMBIE) {
			heir = other->tid;
			break;
		}
	}
	list_for_each(c, &g->children, struct thread_group, sibling) {
		if (c->parent_tid != t->tid)
			continue;
		tell_death_locked(t, c);
		c->parent_tid = heir;
	}
}

bool group_is_ended_locked(const struct thread_group *g)
{
	return g->is_zombie && !g->nzombies;
}

/* The parent wants to know nothing of its children. => pids_lock */
static bool is_reaped_unseen(struct thread_group *g)
{
	const struct k_sigaction *act;
	bool r;

	if (!g->parent || g->parent == g->kernel->init)
		return true;
	act = &group_sighand_lock(g->parent)->action[SIGCHLD - 1];
	r = g->exit_signal == SIGCHLD &&
	    (act->handler == (uint64_t)(uintptr_t)SIG_IGN || (act->flags & SA_NOCLDWAIT));
	group_sighand_unlock(g->parent);
	return r;
}

/* The process has ended, and who is to wait for it hears of that: its tracer first,
 * then its parent. => pids_lock */
static void group_report_end_locked(struct thread_group *g)
{
	struct task *leader = g->leader;
	struct thread_group *parent = g->parent;

	if (leader->ptrace.flags && ptrace_is_reparented_locked(leader)) {
		ptrace_notify_exit_locked(leader);
		return;
	}
	if (parent && parent != g->kernel->init)
		signal_notify_parent_locked(g, CLD_EXITED, g->exit_status);
	if (!leader->ptrace.flags && is_reaped_unseen(g)) {
		group_reap_locked(g);
		if (parent)
			waitq_wake_all(&parent->child_waitq, EV_IN);
	}
}

void group_untraced_locked(struct thread_group *g, bool was_reparented)
{
	if (was_reparented)
		group_report_end_locked(g);
	else if (is_reaped_unseen(g))
		group_reap_locked(g);
}

void task_reap_thread_locked(struct task *t)
{
	struct thread_group *g = t->group;

	g->nzombies--;
	group_sighand_lock(g);
	list_del(&t->group_link);
	atomic_store(&t->state, TASK_DEAD);
	group_sighand_unlock(g);
	pid_clear_task_locked(t->tid);
	waitq_wake_all(&g->exit_waitq, EV_IN);
	group_get(g);
	task_put(t);
	if (group_is_ended_locked(g))
		group_report_end_locked(g);
	group_put(g);
}

static void reparent_children_locked(struct thread_group *g)
{
	struct thread_group *reaper = reaper_of_locked(g);

	while (!list_empty(&g->children)) {
		struct thread_group *c = list_first(&g->children, struct thread_group, sibling);

		list_del(&c->sibling);
		list_push_back(&reaper->children, &c->sibling);
		c->parent = reaper;
		c->parent_tid = reaper->pid;
		c->exit_signal = SIGCHLD;
		if (!c->is_zombie)
			tie_cut_locked(c, g);
		else if (group_is_ended_locked(c) && !c->leader->ptrace.flags)
			group_report_end_locked(c);
	}
}

/* Frees the number; the last reference frees the group. => pids_lock */
void group_reap_locked(struct thread_group *g)
{
	struct task *leader = g->leader;
	struct thread_group *parent = g->parent;

	ASSERT(group_is_ended_locked(g));
	if (parent && parent != g->kernel->init) {
		mutex_lock(&parent->lock);
		parent->child_utime_ns += g->dead_utime_ns + g->child_utime_ns;
		parent->child_stime_ns += g->dead_stime_ns + g->child_stime_ns;
		parent->child_maxrss = MAX(parent->child_maxrss, MAX(g->maxrss, g->child_maxrss));
		mutex_unlock(&parent->lock);
	}
	g->leader = NULL;
	list_del(&g->sibling);
	g->parent = NULL;
	pid_leave_locked(g);
	pid_clear_task_locked(g->pid);
	pid_clear_group_locked(g->pid);
	if (leader) {
		group_sighand_lock(g);
		list_del(&leader->group_link);
		group_sighand_unlock(g);
		leader->state = TASK_DEAD;
		task_put(leader);
	}
	group_put(g);
}

static void kernel_end(struct kernel *k, int status)
{
	if (atomic_load(&k->ended))
		return;
	k->exit_status = status;
	atomic_store(&k->ended, true);
	waitq_wake_all(&k->ended_waitq, EV_IN);
}

/* The last thread has left. => pids_lock */
static void group_end_locked(struct thread_group *g)
{
	group_tty_end_locked(g);
	g->is_zombie = true;
	reparent_children_locked(g);
	tie_cut_locked(g, g->parent);
	waitq_wake_all(&g->pidfd_waitq, EV_IN);
	if (g->is_first)
		kernel_end(g->kernel, g->exit_status);
	if (group_is_ended_locked(g))
		group_report_end_locked(g);
}

/* t is no thread of its group any more. A leader stays on the list as a zombie, as
 * does one that is traced; others lose their number. True: it was the last. */
static bool task_unlink_locked(struct task *t, bool *stop_complete)
{
	struct thread_group *g = t->group;
	bool stays = t == g->leader || t->ptrace.flags;
	bool last;

	group_sighand_lock(g);
	g->ntasks--;
	last = g->ntasks == 0;
	atomic_store(&t->state, stays ? TASK_ZOMBIE : TASK_DEAD);
	if (last && !g->exiting)
		g->exit_status = t->exit_status; /* the last thread's counts */
	if (g->exec_task == t)
		g->exec_task = NULL;
	if (!stays)
		list_del(&t->group_link);
	else if (t != g->leader)
		g->nzombies++;
	*stop_complete = signal_stop_check_locked(g);
	group_sighand_unlock(g);
	if (!stays)
		pid_clear_task_locked(t->tid);
	else if (t->ptrace.flags && (t != g->leader || !last))
		ptrace_notify_exit_locked(t);
	waitq_wake_all(&g->exit_waitq, EV_IN);
	waitq_wake_all(&g->pidfd_waitq, EV_IN);
	return last;
}

/* What can only go without locks, when no thread is left. */
static void group_release_resources(struct thread_group *g)
{
	struct file *exe;

	group_timers_destroy(g);
	group_itimers_stop(g);
	mutex_lock(&g->lock);
	exe = g->exe;
	g->exe = NULL;
	mutex_unlock(&g->lock);
	if (exe)
		file_put(exe);
}

void task_finish(struct task *t)
{
	struct thread_group *g = t->group;
	bool last, stop_complete, stays;

	ptrace_event(t, ABI_PTRACE_EVENT_EXIT, (uint64_t)(uint32_t)t->exit_status);
	if (t->kernel->ops->trace_exit)
		t->kernel->ops->trace_exit(t, t->exit_status);
	t->exiting = true;
	task_leave_signals(t);
	if (t->kernel->ops->uring_leave)
		t->kernel->ops->uring_leave(t, false);
	group_timers_task_exit(t);
	seccomp_leave(t);
	task_release_resources(t);

	group_get(g);
	mutex_lock(&pids_lock);
	stays = t == g->leader || t->ptrace.flags;
	ptrace_tracer_exits_locked(t);
	leave_children_locked(t);
	last = task_unlink_locked(t, &stop_complete);
	mutex_unlock(&pids_lock);
	if (stop_complete)
		signal_report_stop(g, CLD_STOPPED);
	if (last) {
		group_release_resources(g);
		if (READ_ONCE(g->pid_ns->init) == g)
			pid_ns_end(g);
		mutex_lock(&pids_lock);
		group_end_locked(g);
		mutex_unlock(&pids_lock);
	}
	group_put(g);
	/* The pid table's reference; a leader's goes when it is reaped, or with
	 * the exec of another thread; that of a traced one, when it is waited for. */
	if (!stays)
		task_put(t);
}

/* ---- the end of the sandbox ---- */

/* Threads that end already may be in a stop for their tracers, and these for theirs. */
static void group_end_stops(struct thread_group *g)
{
	group_sighand_lock(g);
	list_for_each(t, &g->tasks, struct task, group_link)
		jobctl_kill_locked(t);
	group_sighand_unlock(g);
}

/* Passes are repeated: a fork that was under way may have made a process that
 * the first one missed. */
void task_kill_all(struct kernel *k)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	struct thread_group *g;

	atomic_store(&k->is_killed, true);
	for (;;) {
		for (int32_t after = 1; (g = pid_next_group(k, after)); group_put(g)) {
			after = g->pid;
			group_kill(g, SIGKILL);
			group_end_stops(g);
		}
		if (atomic_load(&k->ntasks) == 0)
			break;
		(void)!host_clock_nanosleep(CLOCK_MONOTONIC, 0, &ms, NULL);
	}
}
