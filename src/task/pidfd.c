/*
 * pidfd_open(2): a file that stands for a process, or for one thread
 * (PIDFD_THREAD). It holds a reference on what it means, so the number may be
 * re-used while the file is open: the file never means another. It polls
 * readable once every thread has ended, or that one.
 */
#include <stdio.h>

#include "abi/fcntl.h"
#include "abi/wait.h"
#include "base/pool.h"
#include "task/internal.h"

struct pidfd {
	struct thread_group *group; /* [I] reference */
	struct task *thread;        /* [I] reference; NULL: the process */
};

static POOL_DEFINE(pidfd_pool, struct pidfd);

static void pidfd_release(struct file *f)
{
	struct pidfd *p = f->priv;

	task_put(p->thread);
	group_put(p->group);
	pool_free(&pidfd_pool, p);
}

enum life { LIFE_RUNS, LIFE_ENDED, LIFE_GONE };

/* Only its own thread changes a thread's number, and only to the process's. */
static int32_t number_of(const struct pidfd *p)
{
	return p->thread ? READ_ONCE(p->thread->tid) : p->group->pid;
}

/* A leader's number stays until the process has been waited for. */
static enum life life_of(const struct pidfd *p)
{
	struct thread_group *g = p->group;
	enum task_state state = p->thread ? atomic_load(&p->thread->state) : TASK_NEW;
	enum life r = LIFE_RUNS;

	mutex_lock(&pids_lock);
	if (g->is_zombie && !g->leader)
		r = LIFE_GONE;
	else if (g->is_zombie)
		r = LIFE_ENDED;
	mutex_unlock(&pids_lock);
	if (state == TASK_DEAD)
		return LIFE_GONE;
	return state == TASK_ZOMBIE && r == LIFE_RUNS ? LIFE_ENDED : r;
}

static uint32_t pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct pidfd *p = f->priv;

	poll_wait(pt, &p->group->pidfd_waitq);
	switch (life_of(p)) {
	case LIFE_RUNS:
		return 0;
	case LIFE_ENDED:
		return EV_IN | EV_RDNORM;
	case LIFE_GONE:
		break;
	}
	return EV_IN | EV_RDNORM | EV_HUP;
}

static size_t pidfd_show(struct file *f, char *buf, size_t size)
{
	struct pidfd *p = f->priv;
	int pid = life_of(p) == LIFE_GONE ? -1 : number_of(p), n;

	n = snprintf(buf, size, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
	return MIN((size_t)MAX(n, 0), size);
}

static const struct file_ops pidfd_ops = {
	.name = "[pidfd]",
	.release = pidfd_release,
	.poll = pidfd_poll,
	.show_fdinfo = pidfd_show,
};

int pidfd_create(struct task *t, struct thread_group *g, struct task *thread, unsigned flags,
		 struct file **out)
{
	struct pidfd *p = pool_alloc(&pidfd_pool);
	int r;

	*out = NULL;
	if (!p)
		return -ENOMEM;
	p->group = g;
	p->thread = thread;
	r = file_create_anon(&pidfd_ops, p, O_RDWR | (flags & O_NONBLOCK), 0, t->cred, out);
	if (r < 0) {
		pool_free(&pidfd_pool, p);
		return r;
	}
	group_get(g);
	if (thread)
		task_get(thread);
	return 0;
}

struct thread_group *(*task_group_of_proc)(const struct file *f);

struct thread_group *pidfd_group(struct file *f)
{
	struct pidfd *p = f->priv;

	if (f->ops != &pidfd_ops)
		return NULL;
	group_get(p->group);
	return p->group;
}

struct task *pidfd_thread(struct file *f)
{
	struct pidfd *p = f->priv;

	if (f->ops != &pidfd_ops || !p->thread)
		return NULL;
	task_get(p->thread);
	return p->thread;
}

int32_t pidfd_number(struct file *f)
{
	return f->ops == &pidfd_ops ? number_of(f->priv) : -EBADF;
}
