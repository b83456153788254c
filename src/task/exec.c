/*
 * execve(2), the task's side. The order, in task_exec_prepare():
 *
 *	 1. the other threads are told to leave, and have left
 *	 2. the caller takes the leader's place and number
 *	 3. descriptors and signal actions become its own
 *	 4. it gets an empty address space: a new one if somebody else uses the
 *	    old one (a vfork child), else the old one cleared
 *	 5. what belonged to the old program goes: handlers, alternate stack,
 *	    thread area, POSIX timers
 *
 * then the caller loads the program, then task_exec_finish(). Steps 3 and 4 can
 * fail for want of memory; the caller is then alone, but runs on.
 */
#include <string.h>

#include "abi/signal.h"
#include "task/internal.h"
#include "task/ptrace.h"

#define RFLAGS_INIT 0x202u
#define CS_USER 0x33
#define SS_USER 0x2b

void task_exec_begin(struct task *t)
{
	group_sighand_lock(t->group);
	t->group->nexecs++;
	group_sighand_unlock(t->group);
}

void task_exec_end(struct task *t)
{
	group_sighand_lock(t->group);
	t->group->nexecs--;
	group_sighand_unlock(t->group);
	waitq_wake_all(&t->group->exit_waitq, EV_IN);
}

/* ---- the other threads ---- */

/* -EAGAIN: another exec or the end of the process came first. */
static int claim_group(struct task *t)
{
	struct thread_group *g = t->group;
	int r = 0;

	group_sighand_lock(g);
	if (g->exiting || g->exec_task) {
		r = -EAGAIN;
	} else {
		g->exec_task = t;
		list_for_each(other, &g->tasks, struct task, group_link) {
			if (other != t)
				task_kick_locked(other, true);
		}
	}
	group_sighand_unlock(g);
	return r;
}

static void unclaim_group(struct task *t)
{
	group_sighand_lock(t->group);
	t->group->exec_task = NULL;
	group_sighand_unlock(t->group);
}

/* 1: alone; 0: not yet; -EAGAIN: the process is being killed. */
static int is_alone(struct thread_group *g)
{
	int r;

	mutex_lock(&pids_lock);
	group_sighand_lock(g);
	r = g->exiting ? -EAGAIN : g->ntasks == 1 && !g->nzombies;
	group_sighand_unlock(g);
	mutex_unlock(&pids_lock);
	return r;
}

static int wait_alone(struct task *t)
{
	struct thread_group *g = t->group;
	struct waitq_entry e;
	int r;

	waitq_entry_init(&e, &t->waiter, EV_IN);
	waitq_add(&g->exit_waitq, &e);
	for (;;) {
		waiter_prepare(&t->waiter);
		r = is_alone(g);
		if (r)
			break;
		if (waiter_wait_killable(&t->waiter, PARK_FOREVER) < 0) {
			r = -EAGAIN;
			break;
		}
	}
	waitq_remove(&g->exit_waitq, &e);
	return r < 0 ? r : 0;
}

/* The old leader, a zombie by now, gives its place and number. */
static void become_leader(struct task *t)
{
	struct thread_group *g = t->group;
	struct task *leader = NULL;

	mutex_lock(&pids_lock);
	if (g->leader != t) {
		leader = g->leader;
		if (leader->ptrace.flags)
			ptrace_forget_locked(leader);
		pid_swap_leader_locked(leader, t);
		pid_clear_task_locked(leader->tid);
		group_sighand_lock(g);
		list_del(&leader->group_link);
		atomic_store(&leader->state, TASK_DEAD);
		g->leader = t;
		group_sighand_unlock(g);
	}
	g->exit_signal = SIGCHLD;
	mutex_unlock(&pids_lock);
	task_put(leader); /* the pid table's reference */
}

/* ---- what becomes its own ---- */

static int unshare_sighand(struct task *t)
{
	struct thread_group *g = t->group;
	struct sighand *old = g->sighand, *sh;

	if (refcount_read(&old->refs) == 1)
		return 0;
	sh = sighand_copy(old);
	if (!sh)
		return -ENOMEM;
	sh->older = old; /* takes over the group's reference */
	mutex_lock(&pids_lock);
	mutex_lock(&old->lock);
	__atomic_store_n(&g->sighand, sh, __ATOMIC_RELEASE);
	mutex_unlock(&old->lock);
	mutex_unlock(&pids_lock);
	return 0;
}

/* ---- the address space ---- */

/* What the old program left in its memory for others to see. */
static void leave_old_memory(struct task *t)
{
	uint32_t zero = 0;

	futex_exit_robust(t);
	futex_exit_pi(t);
	atomic_store(&t->futex_left, 0); /* the next program's are its own */
	t->robust_list = 0;
	if (t->clear_child_tid && mm_users(t->mm) > 1 &&
	    mm_copy_out(t->mm, t->clear_child_tid, &zero, sizeof(zero)) == 0)
		(void)futex_wake_addr(t, t->clear_child_tid, 1);
	t->clear_child_tid = 0;
	usage_note_rss(t->group, t->mm);
}

static void swap_mm(struct task *t, struct mm *mm, struct platform_ctx *ctx)
{
	struct platform_ctx *old_ctx;
	struct mm *old_mm;

	mutex_lock(&pids_lock);
	group_sighand_lock(t->group);
	old_mm = t->mm;
	old_ctx = t->ctx;
	atomic_fetch_add(&t->utime_ns, platform_ctx_cpu_ns(old_ctx));
	t->mm = mm;
	t->ctx = ctx;
	group_sighand_unlock(t->group);
	mutex_unlock(&pids_lock);
	platform_ctx_destroy(old_ctx);
	mm_user_del(old_mm);
	mm_put(old_mm);
}

static int replace_mm(struct task *t)
{
	struct platform_ctx *ctx;
	struct mm *mm;
	int r;

	r = mm_create(&t->kernel->mm_env, &mm);
	if (r < 0)
		return r;
	r = platform_ctx_create(mm_as(mm), &ctx);
	if (r < 0) {
		mm_put(mm);
		return r;
	}
	mm_user_add(mm);
	leave_old_memory(t);
	swap_mm(t, mm, ctx);
	return 0;
}

static int empty_mm(struct task *t)
{
	int r;

	if (mm_users(t->mm) > 1) {
		r = replace_mm(t);
	} else {
		leave_old_memory(t);
		r = mm_clear(t->mm);
	}
	if (r < 0)
		return r;
	mm_limits_from(t);
	mutex_lock(&pids_lock);
	t->group->was_execed = true; /* before a vfork parent can look */
	mutex_unlock(&pids_lock);
	vfork_release(t);
	return 0;
}

/* ---- the whole ---- */

static void forget_old_program(struct task *t)
{
	struct thread_group *g = t->group;

	group_timers_destroy(g);
	sighand_reset_locked(group_sighand_lock(g), false);
	group_sighand_unlock(g);
	t->altstack_base = 0;
	t->altstack_size = 0;
	t->altstack_flags = ABI_SS_DISABLE;
	t->restart.kind = RESTART_NONE;
	t->ptrace.watch = (struct ptrace_watch){ 0 };
	t->trace_work &= (uint8_t)~TRACE_WATCH;
}

int task_exec_prepare(struct task *t)
{
	int r = claim_group(t);

	if (r < 0)
		return r;
	r = wait_alone(t);
	if (r < 0)
		goto out;
	become_leader(t);
	if (t->kernel->ops->uring_leave)
		t->kernel->ops->uring_leave(t, true);
	r = task_unshare_files(t);
	if (r < 0)
		goto out;
	r = unshare_sighand(t);
	if (r < 0)
		goto out;
	r = empty_mm(t);
	if (r < 0)
		goto out;
	forget_old_program(t);

out:
	unclaim_group(t);
	return r;
}

static void set_exe(struct thread_group *g, struct file *exe)
{
	struct file *old;

	if (exe)
		file_get(exe);
	mutex_lock(&g->lock);
	old = g->exe;
	g->exe = exe;
	mutex_unlock(&g->lock);
	if (old)
		file_put(old);
}

static void take_cred(struct task *t, const struct cred *new_cred)
{
	const struct cred *old;

	if (!new_cred)
		return;
	mutex_lock(&t->cred_lock);
	old = t->cred;
	t->cred = new_cred;
	mutex_unlock(&t->cred_lock);
	t->pdeath_signal =
		old->euid == new_cred->euid && old->egid == new_cred->egid ? t->pdeath_signal : 0;
	cred_put(old);
}

void task_exec_finish(struct task *t, gva_t entry, gva_t stack, struct file *exe, const char *comm,
		      const struct cred *new_cred)
{
	struct thread_group *g = t->group;

	fdtable_close_on_exec(t);
	set_exe(g, exe);
	take_cred(t, new_cred);
	memset(t->comm, 0, sizeof(t->comm));
	memcpy(t->comm, comm, strnlen(comm, sizeof(t->comm) - 1));

	platform_ctx_xstate_reset(t->ctx);
	t->regs = (struct guest_regs){
		.rip = entry, .rsp = stack, .rflags = RFLAGS_INIT, .cs = CS_USER, .ss = SS_USER
	};
}
