/*
 * pidfd_open(2): a file that stands for a process. It holds a reference on the
 * group, so the number may be re-used while the file is open: the file never
 * means another process. It polls readable once every thread has ended.
 */
#include <stdio.h>

#include "abi/fcntl.h"
#include "task/internal.h"

static void pidfd_release(struct file *f)
{
	group_put(f->priv);
}

static uint32_t pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct thread_group *g = f->priv;
	bool ended, reaped;

	poll_wait(pt, &g->pidfd_waitq);
	mutex_lock(&pids_lock);
	ended = g->is_zombie;
	reaped = ended && !g->leader;
	mutex_unlock(&pids_lock);
	if (!ended)
		return 0;
	return EV_IN | EV_RDNORM | (reaped ? EV_HUP : 0);
}

static size_t pidfd_show(struct file *f, char *buf, size_t size)
{
	struct thread_group *g = f->priv;
	int pid, n;

	mutex_lock(&pids_lock);
	pid = g->is_zombie && !g->leader ? -1 : g->pid;
	mutex_unlock(&pids_lock);
	n = snprintf(buf, size, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
	return MIN((size_t)MAX(n, 0), size);
}

static const struct file_ops pidfd_ops = {
	.name = "[pidfd]",
	.release = pidfd_release,
	.poll = pidfd_poll,
	.show_fdinfo = pidfd_show,
};

int pidfd_create(struct task *t, struct thread_group *g, unsigned flags, struct file **out)
{
	int r;

	group_get(g);
	r = file_create_anon(&pidfd_ops, g, O_RDWR | (flags & O_NONBLOCK), 0, t->cred, out);
	if (r < 0)
		group_put(g);
	return r;
}

struct thread_group *(*task_group_of_proc)(const struct file *f);

struct thread_group *pidfd_group(struct file *f)
{
	struct thread_group *g = f->priv;

	if (f->ops != &pidfd_ops)
		return NULL;
	group_get(g);
	return g;
}
