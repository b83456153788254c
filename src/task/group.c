/* Thread groups (processes) and signal actions: making, finding, freeing. */
#include <string.h>

#include "base/pool.h"
#include "task/internal.h"

POOL_DEFINE(group_pool, struct thread_group);
POOL_DEFINE(sighand_pool, struct sighand);

struct sighand *sighand_create(void)
{
	struct sighand *sh = pool_alloc(&sighand_pool);

	if (!sh)
		return NULL;
	refcount_init(&sh->refs, 1);
	mutex_init(&sh->lock, LOCK_SIGHAND);
	waitq_init(&sh->signalfd_waitq);
	return sh;
}

struct sighand *sighand_copy(struct sighand *old)
{
	struct sighand *sh = sighand_create();

	if (!sh)
		return NULL;
	mutex_lock(&old->lock);
	memcpy(sh->action, old->action, sizeof(sh->action));
	mutex_unlock(&old->lock);
	return sh;
}

void sighand_put(struct sighand *sh)
{
	if (sh && refcount_put(&sh->refs))
		pool_free(&sighand_pool, sh);
}

/* An exec may replace the sighand while we wait for its lock; the old one is
 * kept until the group is freed, so looking at it is safe. */
struct sighand *group_sighand_lock(struct thread_group *g)
{
	for (;;) {
		struct sighand *sh = READ_ONCE(g->sighand);

		mutex_lock(&sh->lock);
		if (sh == READ_ONCE(g->sighand))
			return sh;
		mutex_unlock(&sh->lock);
	}
}

void group_sighand_unlock(struct thread_group *g)
{
	mutex_unlock(&g->sighand->lock);
}

static void itimer_real_fired(struct ktimer *kt)
{
	struct thread_group *g = container_of(kt, struct thread_group, itimer_real);
	struct ksiginfo info = { .signo = SIGALRM, .code = SI_KERNEL };

	signal_send_group(g, &info);
	mutex_lock(&g->lock);
	if (g->itimer_real_interval_ns) {
		uint64_t next = kt->deadline_ns + g->itimer_real_interval_ns;

		if (ktimer_arm(kt, next) < 0)
			g->itimer_real_interval_ns = 0;
	}
	mutex_unlock(&g->lock);
}

/* Takes the reference on sh. */
int group_create(struct kernel *k, struct sighand *sh, struct thread_group **out)
{
	struct thread_group *g = pool_alloc(&group_pool);

	*out = NULL;
	if (!g) {
		sighand_put(sh);
		return -ENOMEM;
	}
	refcount_init(&g->refs, 1);
	g->kernel = k;
	g->sighand = sh;
	list_init(&g->tasks);
	list_init(&g->children);
	list_init(&g->sibling);
	list_init(&g->pgrp_link);
	list_init(&g->session_link);
	list_init(&g->timers);
	waitq_init(&g->child_waitq);
	waitq_init(&g->stop_waitq);
	waitq_init(&g->exit_waitq);
	waitq_init(&g->pidfd_waitq);
	sigqueue_init(&g->pending);
	mutex_init(&g->lock, LOCK_GROUP);
	ktimer_init(&g->itimer_real, itimer_real_fired);
	g->dumpable = true;
	g->stop_reported = true;
	g->cont_reported = true;
	*out = g;
	return 0;
}

void group_get(struct thread_group *g)
{
	refcount_get(&g->refs);
}

void group_put(struct thread_group *g)
{
	if (!g || !refcount_put(&g->refs))
		return;
	ASSERT(list_empty(&g->tasks) && list_empty(&g->children));
	if (g->exe)
		file_put(g->exe);
	sigqueue_flush(&g->pending, g);
	sighand_put(g->sighand);
	sighand_put(g->old_sighand);
	pool_free(&group_pool, g);
}

/* A thread leaves: what it used stays with the process. */
void group_add_usage(struct thread_group *g, struct task *t)
{
	uint64_t ut, st;

	task_times(t, &ut, &st);
	mutex_lock(&g->lock);
	g->dead_utime_ns += ut;
	g->dead_stime_ns += st;
	mutex_unlock(&g->lock);
}
