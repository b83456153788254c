/*
 * wait4(2) and waitid(2): children that ended, stopped or continued.
 *
 * One look goes over the children under pids.lock: a report that is found is
 * taken (or only read, WNOWAIT) there and then, so that two waiters never get
 * the same one. If there is none, the waiter sleeps on child_waitq, to which
 * it was added before the look; whoever makes a report wakes it under
 * pids.lock.
 */
#include <fcntl.h>

#include "abi/signal.h"
#include "abi/wait.h"
#include "task/internal.h"
#include "task/ptrace.h"

struct wait_request {
	int which, options;
	int32_t id;
	struct task *own; /* __WNOTHREAD: the caller, whose own children count; else NULL */
	struct wait_result *res;
};

static bool is_eligible(struct thread_group *child, const struct wait_request *w)
{
	if (w->which == P_PID && child->pid != w->id)
		return false;
	if (w->which == P_PGID && child->pgid != w->id)
		return false;
	if (w->own && child->parent_tid != w->own->tid)
		return false;
	/* "Clone" children are those that do not report with SIGCHLD. */
	return (w->options & (int)__WALL) ||
	       (child->exit_signal != SIGCHLD) == !!(w->options & (int)__WCLONE);
}

void wait_fill_common(struct thread_group *child, struct wait_result *res)
{
	const struct cred *c;

	*res = (struct wait_result){ .pid = pid_number_locked(task_current()->group->pid_ns,
							      child->pid) };
	if (child->leader) {
		c = task_cred_get(child->leader);
		res->uid = c->uid;
		cred_put(c);
	}
	group_times(child, &res->utime_ns, &res->stime_ns);
	mutex_lock(&child->lock);
	res->utime_ns += child->child_utime_ns;
	res->stime_ns += child->child_stime_ns;
	res->maxrss = MAX(child->maxrss, child->child_maxrss);
	mutex_unlock(&child->lock);
}

void wait_fill_exit(int status, struct wait_result *res)
{
	res->status = status;
	if (WIFSIGNALED(status)) {
		res->code = WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
		res->child_status = WTERMSIG(status);
	} else {
		res->code = CLD_EXITED;
		res->child_status = WEXITSTATUS(status);
	}
}

static bool take_exit(struct thread_group *child, const struct wait_request *w)
{
	/* Of one that is traced its tracer hears first. */
	if (!group_is_ended_locked(child) || child->leader->ptrace.flags || !(w->options & WEXITED))
		return false;
	wait_fill_common(child, w->res);
	wait_fill_exit(child->exit_status, w->res);
	if (!(w->options & WNOWAIT))
		group_reap_locked(child);
	return true;
}

static bool take_stop(struct thread_group *child, const struct wait_request *w)
{
	bool found;
	int signo;

	if (!(w->options & WSTOPPED) || child->is_zombie)
		return false;
	group_sighand_lock(child);
	found = child->stop_complete && !child->stop_reported;
	signo = child->stop_signo;
	if (found && !(w->options & WNOWAIT))
		child->stop_reported = true;
	group_sighand_unlock(child);
	if (!found)
		return false;
	wait_fill_common(child, w->res);
	w->res->status = ABI_WAIT_STOPPED(signo);
	w->res->code = CLD_STOPPED;
	w->res->child_status = signo;
	return true;
}

static bool take_continue(struct thread_group *child, const struct wait_request *w)
{
	bool found;

	if (!(w->options & WCONTINUED) || child->is_zombie)
		return false;
	group_sighand_lock(child);
	found = child->continued;
	if (found && !(w->options & WNOWAIT))
		child->continued = false;
	group_sighand_unlock(child);
	if (!found)
		return false;
	wait_fill_common(child, w->res);
	w->res->status = ABI_WAIT_CONTINUED;
	w->res->code = CLD_CONTINUED;
	w->res->child_status = SIGCONT;
	return true;
}

/* One that is traced from its parent's process is seen as a tracee, and reports each
 * stop once. */
static bool take_child(struct thread_group *child, const struct wait_request *w)
{
	struct task *leader = child->leader;

	if (leader && leader->ptrace.flags && !ptrace_is_reparented_locked(leader)) {
		if (ptrace_wait_take_locked(leader, w->options, w->res))
			return true;
		return take_continue(child, w);
	}
	return take_exit(child, w) || take_stop(child, w) || take_continue(child, w);
}

static bool is_eligible_tracee(const struct task *t, const struct wait_request *w)
{
	if (w->which == P_PID)
		return t->tid == w->id;
	return w->which != P_PGID || t->group->pgid == w->id;
}

/* The same of those that one thread traces. */
static int look_at_tracees(struct task *tracer, const struct wait_request *w)
{
	int r = -ECHILD;

	list_for_each(t, &tracer->ptrace.tracees, struct task, ptrace.link) {
		if (!is_eligible_tracee(t, w))
			continue;
		r = 0;
		if (ptrace_wait_take_locked(t, w->options, w->res))
			return 1;
	}
	return r;
}

static int look_at_all_tracees(struct thread_group *g, const struct wait_request *w)
{
	int r = -ECHILD;

	if (w->own)
		return look_at_tracees(w->own, w);
	list_for_each(t, &g->tasks, struct task, group_link) {
		r = MAX(r, look_at_tracees(t, w));
		if (r == 1)
			break;
	}
	return r;
}

/* 1: *res is filled; 0: nothing yet; -ECHILD. */
static int wait_look(struct thread_group *g, const struct wait_request *w)
{
	struct wait_request own = *w;
	int r = -ECHILD;

	mutex_lock(&pids_lock);
	if (own.which == P_PGID && own.id == 0)
		own.id = g->pgid;
	list_for_each(child, &g->children, struct thread_group, sibling) {
		if (!is_eligible(child, &own))
			continue;
		r = 0;
		if (take_child(child, &own)) {
			r = 1;
			break;
		}
	}
	if (r != 1)
		r = MAX(r, look_at_all_tracees(g, &own));
	mutex_unlock(&pids_lock);
	return r;
}

int task_wait(struct task *t, int which, int32_t id, int options, struct wait_result *res)
{
	const struct wait_request w = { .which = which,
					.id = id,
					.options = options,
					.own = options & __WNOTHREAD ? t : NULL,
					.res = res };
	struct thread_group *g = t->group;
	struct waitq_entry e;
	int r;

	waitq_entry_init(&e, &t->waiter, EV_IN);
	waitq_add(&g->child_waitq, &e);
	for (;;) {
		waiter_prepare(&t->waiter);
		r = wait_look(g, &w);
		if (r != 0 || (options & WNOHANG))
			break;
		r = waiter_wait(&t->waiter, PARK_FOREVER);
		if (r < 0)
			break;
	}
	waitq_remove(&g->child_waitq, &e);
	return r;
}

/* ---- waitid(2) ---- */

#define WAITID_STATES (WEXITED | WSTOPPED | WCONTINUED)
#define WAITID_OPTIONS (WNOHANG | WNOWAIT | WAITID_STATES | (int)(__WNOTHREAD | __WCLONE | __WALL))

/* What waitid writes of siginfo_t: these fields and no others. */
int task_waitid_put(struct task *t, gva_t user, const struct wait_result *res)
{
	int32_t head[3] = { res->pid ? SIGCHLD : 0, 0, res->code };
	struct {
		int32_t pid;
		uint32_t uid;
		int32_t status;
	} tail = { res->pid, cred_uid_out(t->cred, res->uid), res->child_status };
	int r;

	if (!user)
		return 0;
	r = mm_copy_out(t->mm, user, head, sizeof(head));
	return r < 0 ? r
		     : mm_copy_out(t->mm, user + offsetof(struct abi_siginfo, chld), &tail,
				   sizeof(tail));
}

/* The process behind a pidfd; a non-blocking one makes waitid so. */
static int pid_of_pidfd(struct task *t, int fd, int32_t *pid, bool *nonblock)
{
	struct file *f = fd_get(t, fd);

	if (!f)
		return -EBADF;
	*pid = pidfd_number(f);
	*nonblock = atomic_load(&f->flags) & O_NONBLOCK;
	file_put(f);
	return MIN(*pid, 0);
}

int task_waitid_target(struct task *t, int options, int *which, int32_t *id, bool *nonblock)
{
	if ((options & ~WAITID_OPTIONS) || !(options & WAITID_STATES))
		return -EINVAL;
	*nonblock = false;
	switch (*which) {
	case P_ALL:
		return 0;
	case P_PID:
		if (*id <= 0)
			return -EINVAL;
		*id = pid_in(t, *id);
		return 0;
	case P_PGID:
		if (*id < 0)
			return -EINVAL;
		*id = pid_in(t, *id);
		return 0;
	case P_PIDFD:
		if (*id < 0)
			return -EINVAL;
		*which = P_PID;
		return pid_of_pidfd(t, *id, id, nonblock);
	default:
		return -EINVAL;
	}
}
