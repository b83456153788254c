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
	while (sh && refcount_put(&sh->refs)) {
		struct sighand *older = sh->older;

		pool_free(&sighand_pool, sh);
		sh = older;
	}
}

/* An exec may replace a shared sighand while we wait for its lock. The new one
 * holds a reference on the old one, so looking at it is safe as long as the
 * group lives. */
LOCKS_UNCHECKED struct sighand *group_sighand_lock(struct thread_group *g)
{
	for (;;) {
		struct sighand *sh = READ_ONCE(g->sighand);

		mutex_lock(&sh->lock);
		if (sh == READ_ONCE(g->sighand))
			return sh;
		mutex_unlock(&sh->lock);
	}
}

LOCKS_UNCHECKED void group_sighand_unlock(struct thread_group *g)
{
	mutex_unlock(&g->sighand->lock);
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
	group_itimers_init(g);
	g->pid_ns = pid_ns_of(ns_get(&pid_ns_first.ns));
	g->dumpable = true;
	g->stop_reported = true;
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
	ASSERT(list_empty(&g->tasks) && list_empty(&g->children) && !g->exe);
	sigqueue_flush(&g->pending);
	sighand_put(g->sighand);
	ns_put(&g->pid_ns->ns);
	pool_free(&group_pool, g);
}
