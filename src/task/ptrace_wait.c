/* What wait(2) tells a tracer of its tracees, each a thread of its own. */
#include <sys/wait.h>

#include "abi/signal.h"
#include "abi/wait.h"
#include "task/internal.h"
#include "task/ptrace.h"

/* A thread that ended keeps its own number; a leader's end is that of its process,
 * when no thread is left that somebody has to look at. */
static bool is_reapable(const struct task *t)
{
	if (atomic_load(&t->state) != TASK_ZOMBIE)
		return false;
	return t != t->group->leader || group_is_ended_locked(t->group);
}

int ptrace_exit_status_locked(struct task *t)
{
	struct thread_group *g = t->group;

	/* A process that ends as a whole has one status; so has its last thread. */
	return g->exiting || (t == g->leader && g->is_zombie) ? g->exit_status : t->exit_status;
}

static void fill(struct task *t, struct wait_result *res)
{
	wait_fill_common(t->group, res);
	res->pid = pid_number_locked(task_current()->group->pid_ns, t->tid);
	res->uid = task_uid(t);
}

static bool take_exit(struct task *t, int options, struct wait_result *res)
{
	if (!(options & WEXITED) || !is_reapable(t))
		return false;
	fill(t, res);
	wait_fill_exit(ptrace_exit_status_locked(t), res);
	if (!(options & WNOWAIT))
		ptrace_reap_locked(t);
	return true;
}

static bool take_stop(struct task *t, int options, struct wait_result *res)
{
	int code = 0;

	group_sighand_lock(t->group);
	if ((t->jobctl & JOBCTL_TRACED) && !(t->jobctl & JOBCTL_LISTENING)) {
		code = t->ptrace.code;
		if (!(options & WNOWAIT))
			t->ptrace.code = 0;
	}
	group_sighand_unlock(t->group);
	if (!code)
		return false;
	fill(t, res);
	res->status = code << 8 | 0x7f;
	res->code = CLD_TRAPPED;
	res->child_status = code;
	return true;
}

bool ptrace_wait_take_locked(struct task *t, int options, struct wait_result *res)
{
	mutex_assert_held(&pids_lock);
	return take_exit(t, options, res) || take_stop(t, options, res);
}

/* A tracer has waited for t's end: the parent hears of it next, if that is another. */
void ptrace_reap_locked(struct task *t)
{
	struct thread_group *g = t->group;
	bool was_reparented = ptrace_is_reparented_locked(t);

	ptrace_unlink_locked(t);
	if (t != g->leader)
		task_reap_thread_locked(t);
	else if (was_reparented)
		group_untraced_locked(g, true);
	else
		group_reap_locked(g);
}
