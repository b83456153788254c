/*
 * clone(2): new threads and processes.
 *
 * A child is made in steps, each undone when a later one fails; nobody can see
 * it before child_link(), and after that nothing fails any more:
 *
 *	check_flags, check_limits
 *	child_create     group (own or the caller's), task
 *	child_share      files, fs, credentials, what is inherited
 *	child_memory     mm (shared or copied), context, extended state
 *	child_pidfd      a descriptor for it in the caller's table
 *	runner_reserve   its host thread
 *	child_link       numbers, tree, lists: it exists
 *	runner_run       it runs
 *
 * A signal that is pending when the call begins, or a kill before child_link(),
 * restarts the call: so a signal to a process group never misses a child that
 * was being made.
 */
#include "abi/sched.h"
#include "abi/signal.h"
#include "abi/ptrace.h"
#include "task/internal.h"
#include "task/ptrace.h"
#include "task/seccomp.h"

#ifndef CAP_SYS_ADMIN
#define CAP_SYS_ADMIN 21
#endif
#ifndef CAP_SYS_RESOURCE
#define CAP_SYS_RESOURCE 24
#endif

#define FORK_TRIES 3
#define GUEST_TOP ((uint64_t)1 << 47)

static bool has(const struct clone_request *req, uint64_t flag)
{
	return (req->flags & flag) == flag;
}

/* ---- checks ---- */

static int check_namespaces(struct task *t, const struct clone_request *req)
{
	struct pid_ns *pid_ns = t->group->pid_ns;

	/* Threads of one process have their numbers in one namespace; an init has no
	 * siblings. */
	if (has(req, CLONE_THREAD) && &pid_ns->ns != t->nsproxy->of[NS_PID])
		return -EINVAL;
	if (has(req, CLONE_PARENT) && READ_ONCE(pid_ns->init) == t->group)
		return -EINVAL;
	if ((req->flags & (CLONE_NEWNS | CLONE_NEWUSER)) && has(req, CLONE_FS))
		return -EINVAL;
	if ((req->flags & (CLONE_NEWUSER | CLONE_NEWPID)) && has(req, CLONE_THREAD))
		return -EINVAL;
	if (has(req, CLONE_NEWIPC) && has(req, CLONE_SYSVSEM))
		return -EINVAL;
	return 0;
}

static int check_flags(struct task *t, const struct clone_request *req)
{
	if (has(req, CLONE_THREAD) && !has(req, CLONE_SIGHAND))
		return -EINVAL;
	if (has(req, CLONE_SIGHAND) && !has(req, CLONE_VM))
		return -EINVAL;
	if (has(req, CLONE_SIGHAND) && (req->flags & ABI_CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if (has(req, CLONE_PIDFD) && (req->flags & CLONE_DETACHED))
		return -EINVAL;
	if (has(req, CLONE_PIDFD) && has(req, CLONE_PARENT_SETTID) && req->pidfd == req->parent_tid)
		return -EINVAL;
	if (req->flags & ABI_CLONE_INTO_CGROUP)
		return -EINVAL;
	if (has(req, CLONE_SETTLS) && req->tls >= GUEST_TOP)
		return -EPERM;
	if (req->set_tid) {
		if (req->set_tid < 0 || req->set_tid >= t->kernel->pid_max)
			return -EINVAL;
		if (!cred_has_cap_in(t->cred, t->nsproxy->of[NS_PID]->owner, CAP_SYS_ADMIN))
			return -EPERM;
	}
	return check_namespaces(t, req);
}

static int check_limits(struct task *t)
{
	uint64_t limit = task_limit(t, RLIMIT_NPROC_NR);

	/* Counting a user's threads is slow; all threads together are an upper
	 * bound that is at hand. */
	if (atomic_load(&t->kernel->ntasks) < limit || t->cred->uid == 0 ||
	    cred_has_cap(t->cred, CAP_SYS_RESOURCE) || cred_has_cap(t->cred, CAP_SYS_ADMIN))
		return 0;
	return pid_count(t->kernel, t->cred->uid) >= limit ? -EAGAIN : 0;
}

/* ---- the parts of a child ---- */

static struct sighand *child_sighand(struct task *t, const struct clone_request *req)
{
	struct sighand *sh = t->group->sighand;

	if (has(req, CLONE_SIGHAND)) {
		refcount_get(&sh->refs);
		return sh;
	}
	sh = sighand_copy(sh);
	if (sh && (req->flags & ABI_CLONE_CLEAR_SIGHAND)) {
		mutex_lock(&sh->lock);
		sighand_reset_locked(sh, false);
		mutex_unlock(&sh->lock);
	}
	return sh;
}

static int child_group(struct task *t, const struct clone_request *req, struct thread_group **out)
{
	struct thread_group *from = t->group, *g;
	struct sighand *sh = child_sighand(t, req);
	int r;

	if (!sh)
		return -ENOMEM;
	r = group_create(t->kernel, sh, &g);
	if (r < 0)
		return r;
	mutex_lock(&from->lock);
	for (int i = 0; i < RLIMITS; i++)
		g->limits[i] = from->limits[i];
	g->exe = from->exe;
	if (g->exe)
		file_get(g->exe);
	g->oom_score_adj = from->oom_score_adj;
	g->oom_score_adj_min = from->oom_score_adj_min;
	g->dumpable = from->dumpable;
	mutex_unlock(&from->lock);
	*out = g;
	return 0;
}

static void group_abandon(struct thread_group *g)
{
	if (g->exe)
		file_put(g->exe);
	g->exe = NULL;
	group_put(g);
}

/* With SCHED_RESET_ON_FORK a child has nothing that needs privileges. */
static void inherit_scheduling(const struct task *t, struct task *child)
{
	child->nice = t->nice;
	child->policy = t->policy;
	child->rt_priority = t->rt_priority;
	if (!t->reset_on_fork)
		return;
	if (t->policy == ABI_SCHED_FIFO || t->policy == ABI_SCHED_RR) {
		child->policy = ABI_SCHED_NORMAL;
		child->rt_priority = 0;
		child->nice = 0;
	}
	child->nice = MAX(child->nice, 0);
}

static void child_inherit(struct task *t, struct task *child, const struct clone_request *req)
{
	for (size_t i = 0; i < sizeof(child->comm); i++)
		child->comm[i] = t->comm[i];
	child->regs = t->regs;
	child->sysno = t->sysno;
	child->orig_rax = t->orig_rax;
	child->regs.rax = 0;
	if (req->stack)
		child->regs.rsp = req->stack;
	if (has(req, CLONE_SETTLS))
		child->regs.fs_base = req->tls;
	child->blocked = t->restore_blocked ? t->saved_blocked : t->blocked;
	/* A thread, or a child that borrows our memory while we run on, must not
	 * share our signal stack; a vfork child may: we sleep. */
	if ((req->flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM) {
		child->altstack_base = t->altstack_base;
		child->altstack_size = t->altstack_size;
		child->altstack_flags = t->altstack_flags;
	}
	if (has(req, CLONE_CHILD_CLEARTID))
		child->clear_child_tid = req->child_tid;
	child->timer_slack_ns = t->timer_slack_ns;
	child->cpu_affinity = t->cpu_affinity;
	atomic_store(&child->ioprio, atomic_load(&t->ioprio));
	inherit_scheduling(t, child);
	child->personality = t->personality;
}

/* Nobody sees g yet. */
static void group_set_pid_ns(struct thread_group *g, struct ns *ns)
{
	struct pid_ns *old = g->pid_ns;

	g->pid_ns = pid_ns_of(ns_get(ns));
	ns_put(&old->ns);
}

static int child_share(struct task *t, struct task *child, const struct clone_request *req)
{
	int r;

	child_inherit(t, child, req);
	r = namespace_child_cred(t, req->flags, &child->cred);
	if (r < 0)
		return r;
	if (has(req, CLONE_FS))
		child->fs = fs_context_get(t->fs);
	else
		child->fs = fs_context_copy(t->fs);
	if (!child->fs)
		return -ENOMEM;
	r = nsproxy_copy(t->nsproxy, req->flags, child->cred, child->fs, &child->nsproxy);
	if (r < 0)
		return r;
	if (!has(req, CLONE_THREAD))
		group_set_pid_ns(child->group, child->nsproxy->of[NS_PID]);
	if (has(req, CLONE_SYSVSEM) && t->kernel->ipc_ops) {
		r = t->kernel->ipc_ops->share(t, child);
		if (r < 0)
			return r;
	}
	if (has(req, CLONE_FILES)) {
		child->files = fdtable_get(t->files);
		return 0;
	}
	r = fdtable_fork(t->files, &child->files);
	return r;
}

static int copy_xstate(struct task *t, struct task *child)
{
	uint8_t buf[XSTATE_MAX] __attribute__((aligned(64)));
	size_t size = platform_xstate_size(t->kernel->platform);

	ASSERT(size <= sizeof(buf));
	platform_ctx_xstate_get(t->ctx, buf);
	return platform_ctx_xstate_set(child->ctx, buf, size);
}

static int child_context(struct task *child)
{
	mm_user_add(child->mm);
	return platform_ctx_create(mm_as(child->mm), &child->ctx);
}

/* Somebody on the host may kill the process that is to be the child's address space
 * before it is the child's (-ESRCH): nothing that the guest should hear of. */
static int fork_memory(struct task *t, struct task *child)
{
	int r = -ESRCH;

	for (int tries = 0; r == -ESRCH && tries < FORK_TRIES; tries++) {
		if (child->mm) {
			mm_user_del(child->mm);
			mm_put(child->mm);
			child->mm = NULL;
		}
		r = mm_fork(t->mm, &child->mm);
		if (r == 0)
			r = child_context(child);
	}
	return r;
}

static int child_memory(struct task *t, struct task *child, const struct clone_request *req)
{
	int r;

	if (has(req, CLONE_VM)) {
		mm_get(t->mm);
		child->mm = t->mm;
		r = child_context(child);
	} else {
		r = fork_memory(t, child);
	}
	if (r < 0)
		return r == -ESRCH ? -ENOMEM : r;
	return copy_xstate(t, child);
}

/* Everything but numbers and names. The group keeps its creator's reference:
 * it becomes the pid table's. */
static int child_create(struct task *t, const struct clone_request *req, struct task **out)
{
	struct thread_group *g = t->group;
	struct task *child;
	int r;

	if (!has(req, CLONE_THREAD)) {
		r = child_group(t, req, &g);
		if (r < 0)
			return r;
	}
	r = task_create(t->kernel, g, &child);
	if (r < 0)
		goto out_group;
	r = child_share(t, child, req);
	if (r == 0)
		r = child_memory(t, child, req);
	if (r < 0)
		goto out_child;
	*out = child;
	return 0;

out_child:
	task_put(child);
out_group:
	if (g != t->group)
		group_abandon(g);
	return r;
}

static void child_destroy(struct task *t, struct task *child)
{
	struct thread_group *g = child->group;

	if (child->vfork) {
		vfork_put(child->vfork);
		child->vfork = NULL;
	}
	task_put(child);
	if (g != t->group)
		group_abandon(g);
}

/* ---- pidfd ---- */

/* Puts a descriptor into the caller's table; the child's number comes later. */
static int child_pidfd(struct task *t, struct task *child, const struct clone_request *req, int *fd)
{
	struct file *f;
	uint32_t value;
	int r;

	*fd = -1;
	if (!has(req, CLONE_PIDFD))
		return 0;
	r = pidfd_create(t, child->group, has(req, CLONE_THREAD) ? child : NULL, 0, &f);
	if (r < 0)
		return r;
	r = fd_install(t, f, 0, true);
	if (r < 0) {
		file_put(f);
		return r;
	}
	value = (uint32_t)r;
	if (mm_copy_out(t->mm, req->pidfd, &value, sizeof(value)) < 0) {
		(void)fd_close(t, r);
		return -EFAULT;
	}
	*fd = r;
	return 0;
}

/* ---- it comes into being ---- */

static void link_process_locked(struct task *t, struct task *child, const struct clone_request *req)
{
	struct thread_group *g = child->group, *parent = t->group;

	g->pid = child->tid;
	g->own_pid = child->own_tid;
	if (g->pid_ns->level > 0 && !g->pid_ns->init) {
		g->pid_ns->init = g;
		g->is_unkillable = true;
	}
	g->leader = child;
	g->exit_signal = req->exit_signal;
	g->parent_tid = t->tid;
	if (has(req, CLONE_PARENT) && parent->parent) {
		g->exit_signal = parent->exit_signal;
		g->parent_tid = parent->parent_tid;
		parent = parent->parent;
	}
	group_set_tty_locked(g, t->group->tty);
	g->ntasks = 1;
	list_push_back(&g->tasks, &child->group_link);
	pid_set_group_locked(g->pid, g);
	pid_join_locked(g, t->group->pgid, t->group->sid);
	g->parent = parent;
	list_push_back(&parent->children, &g->sibling);
}

/* Its number for the caller. */
static int child_link(struct task *t, struct task *child, const struct clone_request *req,
		      bool is_traced)
{
	struct thread_group *g = t->group;
	int32_t seen = 0;
	int r;

	mutex_lock(&pids_lock);
	r = pid_alloc_locked(t->kernel, req->set_tid, child, &child->tid);
	if (r < 0)
		goto out_unlock;
	seen = pid_number_locked(g->pid_ns, child->tid);
	group_sighand_lock(g);
	if (g->exiting || (g->exec_task && g->exec_task != t)) {
		r = -ERESTARTNOINTR;
	} else if (has(req, CLONE_THREAD)) {
		g->ntasks++;
		list_push_back(&g->tasks, &child->group_link);
		jobctl_join_locked(t, child);
	}
	if (r == 0)
		seccomp_fork_locked(t, child);
	if (r == 0 && unlikely(is_traced))
		ptrace_inherit_locked(t, child);
	group_sighand_unlock(g);
	if (r < 0)
		pid_clear_task_locked(child->tid);
	else if (!has(req, CLONE_THREAD))
		link_process_locked(t, child, req);

out_unlock:
	mutex_unlock(&pids_lock);
	return r < 0 ? r : seen;
}

/* Errors are ignored, as Linux does: the child exists. */
static void write_tids(struct task *t, struct task *child, const struct clone_request *req,
		       int32_t seen)
{
	uint32_t tid = (uint32_t)child->own_tid;
	int r = 0;

	if (has(req, CLONE_PARENT_SETTID))
		r = mm_copy_out(t->mm, req->parent_tid, &seen, sizeof(seen));
	if (has(req, CLONE_CHILD_SETTID))
		r |= mm_copy_out(child->mm, req->child_tid, &tid, sizeof(tid));
	(void)r;
}

/* Its number for the caller. */
static int child_begin(struct task *t, struct task *child, const struct clone_request *req,
		       bool is_traced)
{
	struct runner *runner;
	int32_t seen;
	int r, fd;

	r = child_pidfd(t, child, req, &fd);
	if (r < 0)
		return r;
	r = runner_reserve(&runner);
	if (r < 0)
		goto out_close;
	r = child_link(t, child, req, is_traced);
	if (r < 0)
		goto out_runner;
	seen = r;
	write_tids(t, child, req, seen);
	if (!has(req, CLONE_THREAD))
		group_cpu_watch(child->group);
	runner_run(runner, child);
	return seen;

out_runner:
	runner_release(runner);
out_close:
	if (fd >= 0)
		(void)fd_close(t, fd);
	return r;
}

/* The event by which t's tracer hears of the child, or 0. */
static int clone_event(const struct task *t, const struct clone_request *req)
{
	int event = ABI_PTRACE_EVENT_FORK;

	if (has(req, CLONE_UNTRACED))
		return 0;
	if (has(req, CLONE_VFORK))
		event = ABI_PTRACE_EVENT_VFORK;
	else if (req->exit_signal != SIGCHLD)
		event = ABI_PTRACE_EVENT_CLONE;
	return ptrace_event_enabled(t, event) ? event : 0;
}

/* The child runs, as tid for t: tells the tracer, and waits until a vfork child is on its own. */
static void child_begun(struct task *t, int32_t tid, int event, struct vfork *v)
{
	if (event)
		ptrace_event(t, event, (uint64_t)tid);
	if (v && vfork_wait(t, v) == 0 && ptrace_event_enabled(t, ABI_PTRACE_EVENT_VFORK_DONE))
		ptrace_event(t, ABI_PTRACE_EVENT_VFORK_DONE, (uint64_t)tid);
}

long task_clone(struct task *t, const struct clone_request *req)
{
	int event = clone_event(t, req), r;
	struct vfork *v = NULL;
	struct task *child;

	r = check_flags(t, req);
	if (r == 0)
		r = check_limits(t);
	if (r < 0)
		return r;
	if (signal_is_pending(t))
		return -ERESTARTNOINTR;
	r = child_create(t, req, &child);
	if (r < 0)
		return r;
	if (has(req, CLONE_VFORK)) {
		v = vfork_create();
		if (!v) {
			child_destroy(t, child);
			return -ENOMEM;
		}
		child->vfork = vfork_get(v);
	}
	task_get(child); /* it may end before we have its number */
	r = child_begin(t, child, req, event || has(req, CLONE_PTRACE));
	if (r < 0)
		child_destroy(t, child);
	task_put(child);
	if (r > 0)
		child_begun(t, r, event, v);
	if (v)
		vfork_put(v);
	return r;
}
