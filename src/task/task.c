/* Tasks: making and freeing them, their credentials, their place for path
 * calls. What they do is in run.c, fork.c, exit.c, exec.c, signal.c. */
#include <string.h>

#include "base/pool.h"
#include "task/internal.h"
#include "task/seccomp.h"
#include "vfs/nsfs.h"

POOL_DEFINE(task_pool, struct task);

static int mem_copy_in(void *space, void *dst, gva_t src, size_t size)
{
	struct task *t = space;

	return mm_copy_in(t->mm, dst, src, size);
}

static int mem_copy_out(void *space, gva_t dst, const void *src, size_t size)
{
	struct task *t = space;

	return mm_copy_out(t->mm, dst, src, size);
}

static const struct uaccess_ops task_mem_ops = {
	.copy_in = mem_copy_in,
	.copy_out = mem_copy_out,
};

/* The guest's thread takes no core while its task waits. */
static void task_rests(struct waiter *w)
{
	struct task *t = container_of(w, struct task, waiter);

	if (t->ctx)
		platform_ctx_rest(t->ctx);
}

/* A task without memory, descriptors or number; the caller adds them. Takes a
 * reference on g. */
int task_create(struct kernel *k, struct thread_group *g, struct task **out)
{
	struct task *t;

	*out = NULL;
	if (atomic_fetch_add(&k->ntasks, 1) >= k->tasks_max) {
		atomic_fetch_sub(&k->ntasks, 1);
		return -EAGAIN;
	}
	t = pool_alloc(&task_pool);
	if (!t) {
		atomic_fetch_sub(&k->ntasks, 1);
		return -ENOMEM;
	}
	refcount_init(&t->refs, 1);
	list_init(&t->group_link);
	group_get(g);
	t->group = g;
	t->kernel = k;
	t->sysno = -1;
	waiter_init(&t->waiter);
	t->waiter.on_sleep = task_rests;
	mutex_init(&t->cred_lock, LOCK_CRED);
	sigqueue_init(&t->pending);
	list_init(&t->ptrace.link);
	list_init(&t->ptrace.tracees);
	t->altstack_flags = SS_DISABLE;
	t->mem.ops = &task_mem_ops;
	t->mem.space = t;
	t->timer_slack_ns = 50000;
	t->cpu_affinity = k->ncpus >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << k->ncpus) - 1;
	(void)task_clock_ns(NULL, CLOCK_BOOTTIME, &t->start_ns);
	*out = t;
	return 0;
}

void task_get(struct task *t)
{
	refcount_get(&t->refs);
}

void task_put(struct task *t)
{
	if (t && refcount_put(&t->refs))
		task_destroy(t);
}

void task_destroy(struct task *t)
{
	struct kernel *k = t->kernel;

	ASSERT(list_empty(&t->group_link) && !t->ptrace.tracer && list_empty(&t->ptrace.tracees));
	task_unshare_sem(t);
	seccomp_leave(t);
	platform_ctx_destroy(t->ctx);
	if (t->mm) {
		mm_user_del(t->mm);
		mm_put(t->mm);
	}
	if (t->files)
		fdtable_put(t->files, NULL);
	if (t->fs)
		fs_context_put(t->fs);
	if (t->cred)
		cred_put(t->cred);
	nsproxy_put(t->nsproxy);
	sigqueue_flush(&t->pending);
	group_put(t->group);
	pool_free(&task_pool, t);
	atomic_fetch_sub(&k->ntasks, 1);
}

void task_unshare_sem(struct task *t)
{
	if (t->sem_undo)
		t->kernel->ipc_ops->exit(t);
}

/* ---- credentials ---- */

const struct cred *task_cred_get(struct task *t)
{
	const struct cred *c;

	mutex_lock(&t->cred_lock);
	c = cred_get(t->cred);
	mutex_unlock(&t->cred_lock);
	return c;
}

const struct cred *task_cred_swap(struct task *t, const struct cred *cred)
{
	const struct cred *old;

	mutex_lock(&t->cred_lock);
	old = t->cred;
	t->cred = cred;
	mutex_unlock(&t->cred_lock);
	return old;
}

uint32_t task_uid(struct task *t)
{
	uint32_t uid;

	mutex_lock(&t->cred_lock);
	uid = t->cred->uid;
	mutex_unlock(&t->cred_lock);
	return uid;
}

void task_cred_set(struct task *t, struct cred *new_cred)
{
	const struct cred *old;

	mutex_lock(&t->cred_lock);
	old = t->cred;
	t->cred = new_cred;
	mutex_unlock(&t->cred_lock);
	if (old)
		cred_put(old);
}

/* ---- the place and identity for path calls ---- */

/* All but the places. */
static struct vfs_ctx *vfs_fill(struct task *t)
{
	struct vfs_ctx *v = &t->vfs;

	v->cred = t->cred;
	v->waiter = &t->waiter;
	v->mem = &t->mem;
	v->fsize_limit = task_limit(t, RLIMIT_FSIZE_NR);
	v->owner = t->files;
	v->pid = (uint32_t)t->group->pid;
	v->task = t;
	return v;
}

struct vfs_ctx *task_vfs_begin(struct task *t)
{
	struct vfs_ctx *v = vfs_fill(t);

	ASSERT(t->fs && !v->root.dentry);
	mutex_lock(&t->fs->lock);
	v->root = t->fs->root;
	v->cwd = t->fs->cwd;
	path_get(&v->root);
	path_get(&v->cwd);
	v->umask = t->fs->umask;
	mutex_unlock(&t->fs->lock);
	return v;
}

struct vfs_ctx *task_vfs_begin_file(struct task *t, const struct file *f)
{
	if (unlikely(f->inode->sb->flags & SUPER_NO_DCACHE))
		return task_vfs_begin(t);
	return vfs_fill(t);
}

void task_vfs_end(struct task *t)
{
	path_put(&t->vfs.root);
	path_put(&t->vfs.cwd);
}

/* ---- bring-up ---- */

void mm_limits_from(struct task *t)
{
	struct mm_limits lim = {
		.as = task_limit(t, RLIMIT_AS_NR),
		.data = task_limit(t, RLIMIT_DATA_NR),
		.stack = task_limit(t, RLIMIT_STACK_NR),
		.memlock = task_limit(t, RLIMIT_MEMLOCK_NR),
	};

	mm_set_limits(t->mm, &lim);
}

static void init_limits(struct thread_group *g)
{
	for (int i = 0; i < RLIMITS; i++)
		g->limits[i] = (struct krlimit){ ~(uint64_t)0, ~(uint64_t)0 };
	g->limits[RLIMIT_STACK_NR].cur = 8u << 20;
	g->limits[RLIMIT_CORE_NR].cur = 0;
	g->limits[RLIMIT_NPROC_NR] = (struct krlimit){ g->kernel->tasks_max, g->kernel->tasks_max };
	g->limits[RLIMIT_NOFILE_NR] = (struct krlimit){ 1024, 1048576 };
	g->limits[RLIMIT_MEMLOCK_NR] = (struct krlimit){ 8u << 20, 8u << 20 };
	g->limits[RLIMIT_SIGPENDING_NR] = (struct krlimit){ 16384, 16384 };
	g->limits[RLIMIT_MSGQUEUE_NR] = (struct krlimit){ 819200, 819200 };
	g->limits[RLIMIT_NICE_NR] = (struct krlimit){ 0, 0 };
	g->limits[RLIMIT_RTPRIO_NR] = (struct krlimit){ 0, 0 };
}

static bool may_exceed_memlock(void)
{
	const struct task *t = task_current();

	return t && cred_has_cap(t->cred, CAP_IPC_LOCK);
}

/* That of a task that is killed does not wait: the memory may be its own. */
static bool wait_for_memory(void)
{
	struct task *t = task_current();

	return t && oom_wait(t);
}

/*
 * Process 1 is the kernel. Its only thread is there to be looked at: it never runs, takes
 * no signal, has no memory and no descriptors, and counts as no task.
 */
static int init_create_task(struct kernel *k)
{
	struct task *t;
	int r = task_create(k, k->init, &t);

	if (r < 0)
		return r;
	atomic_fetch_sub(&k->ntasks, 1);
	t->tid = 1;
	atomic_store(&t->state, TASK_RUNNING);
	strcpy(t->comm, "nacre");
	t->cred = cred_create(0, 0);
	k->init->leader = t;
	k->init->ntasks = 1;
	list_push_back(&k->init->tasks, &t->group_link);
	return t->cred ? 0 : -ENOMEM;
}

static void init_destroy_task(struct kernel *k)
{
	struct task *t = k->init->leader;

	if (!t)
		return;
	k->init->leader = NULL;
	list_del(&t->group_link);
	atomic_fetch_add(&k->ntasks, 1);
	task_put(t);
}

int task_init(struct kernel *k)
{
	struct sighand *sh;
	int32_t nr;
	int r;

	r = pids_init(k);
	if (r < 0)
		return r;
	k->mm_env.may_exceed_memlock = may_exceed_memlock;
	k->mm_env.wait_for_memory = wait_for_memory;
	waitq_init(&k->ended_waitq);
	nsfs_ioctl = namespace_ioctl;
	if (!k->tasks_max)
		k->tasks_max = 4096;
	sh = sighand_create();
	if (!sh)
		return -ENOMEM;
	r = group_create(k, sh, &k->init);
	if (r < 0)
		return r;
	r = init_create_task(k);
	if (r < 0)
		return r;
	mutex_lock(&pids_lock);
	r = pid_alloc_locked(k, 1, k->init->leader, &nr);
	if (r == 0) {
		k->init->pid = k->init->own_pid = 1;
		pid_set_group_locked(1, k->init);
		pid_join_locked(k->init, 1, 1);
	}
	mutex_unlock(&pids_lock);
	init_limits(k->init);
	return r;
}

void task_fini(struct kernel *k)
{
	runner_shutdown();
	mutex_lock(&pids_lock);
	while (!list_empty(&k->init->children))
		group_reap_locked(list_first(&k->init->children, struct thread_group, sibling));
	list_del(&k->init->pgrp_link);
	list_del(&k->init->session_link);
	pid_clear_task_locked(1);
	pid_clear_group_locked(1);
	mutex_unlock(&pids_lock);
	init_destroy_task(k);
	group_put(k->init);
	k->init = NULL;
	pids_fini();
}

int task_create_first(struct kernel *k, const struct cred *cred, struct fdtable *files,
		      struct fs_context *fs, struct task **out)
{
	struct sighand *sh = sighand_create();
	struct thread_group *g;
	struct task *t = NULL;
	int r;

	*out = NULL;
	if (!sh)
		return -ENOMEM;
	r = group_create(k, sh, &g);
	if (r < 0)
		return r;
	memcpy(g->limits, k->init->limits, sizeof(g->limits));
	r = task_create(k, g, &t);
	if (r < 0)
		goto out_put_group;
	r = nsproxy_create_first(k, &t->nsproxy);
	if (r < 0)
		goto out_put_task;
	r = mm_create(&k->mm_env, &t->mm);
	if (r < 0)
		goto out_put_task;
	mm_user_add(t->mm);
	mm_limits_from(t);
	r = platform_ctx_create(mm_as(t->mm), &t->ctx);
	if (r < 0)
		goto out_put_task;
	t->files = files;
	t->fs = fs;
	t->cred = cred;
	mutex_lock(&pids_lock);
	r = pid_alloc_locked(k, 0, t, &t->tid);
	if (r == 0) {
		g->pid = t->tid;
		g->own_pid = t->own_tid;
		g->leader = t;
		g->exit_signal = SIGCHLD;
		g->is_first = true;
		g->ntasks = 1;
		list_push_back(&g->tasks, &t->group_link);
		pid_set_group_locked(g->pid, g);
		/* A job of its own in our session, as a shell would start it. */
		pid_join_locked(g, g->pid, k->init->sid);
		g->parent = k->init;
		list_push_back(&k->init->children, &g->sibling);
		group_get(g);
	}
	mutex_unlock(&pids_lock);
	if (r < 0)
		goto out_put_task;
	group_put(g);
	*out = t;
	return 0;

out_put_task:
	t->files = NULL;
	t->fs = NULL;
	t->cred = NULL;
	task_put(t);
out_put_group:
	group_put(g);
	return r;
}

/* ---- what others may look at ---- */

struct mm *task_mm_get(struct task *t)
{
	struct mm *mm;

	mutex_lock(&pids_lock);
	mm = t->mm;
	if (mm)
		mm_get(mm);
	mutex_unlock(&pids_lock);
	return mm;
}

struct fdtable *task_files_get(struct task *t)
{
	struct fdtable *ft;

	mutex_lock(&pids_lock);
	ft = t->files ? fdtable_get(t->files) : NULL;
	mutex_unlock(&pids_lock);
	return ft;
}

struct fs_context *task_fs_get(struct task *t)
{
	struct fs_context *fs;

	mutex_lock(&pids_lock);
	fs = t->fs ? fs_context_get(t->fs) : NULL;
	mutex_unlock(&pids_lock);
	return fs;
}

struct fdtable *task_swap_files(struct task *t, struct fdtable *files)
{
	struct fdtable *old;

	mutex_lock(&pids_lock);
	old = t->files;
	t->files = files;
	mutex_unlock(&pids_lock);
	return old;
}

struct fs_context *task_swap_fs(struct task *t, struct fs_context *fs)
{
	struct fs_context *old;

	mutex_lock(&pids_lock);
	old = t->fs;
	t->fs = fs;
	mutex_unlock(&pids_lock);
	return old;
}
