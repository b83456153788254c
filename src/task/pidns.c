/* PID namespaces: made, ended, and the translation of numbers. See pidns.h. */
#include "task/pidns.h"

#include "base/pool.h"
#include "host/host.h"
#include "task/internal.h"
#include "vfs/userns.h"

static POOL_DEFINE(pid_ns_pool, struct pid_ns);

static struct ns *pid_ns_above(struct ns *ns)
{
	struct pid_ns *parent = pid_ns_of(ns)->parent;

	return parent ? &parent->ns : NULL;
}

static void pid_ns_destroy(struct ns *ns)
{
	struct pid_ns *p = pid_ns_of(ns);
	struct pid_ns *parent = p->parent;

	pool_free(&pid_ns_pool, p);
	ns_put(&parent->ns);
}

static const struct ns_ops pid_ns_ops = { .kind = NS_PID,
					  .destroy = pid_ns_destroy,
					  .parent = pid_ns_above };

struct pid_ns pid_ns_first = { .ns = NS_FIRST(&pid_ns_ops, NS_INO_PID) };

bool pid_ns_is_in(const struct pid_ns *inner, const struct pid_ns *outer)
{
	while (inner && inner != outer)
		inner = inner->parent;
	return inner != NULL;
}

/* Only in the namespace that the caller itself is in: not twice before a fork. */
static int pid_ns_copy(struct ns *old, struct user_ns *owner, struct ns **out)
{
	struct pid_ns *parent = pid_ns_of(old), *p;
	int r;

	if (task_current()->group->pid_ns != parent || !user_ns_is_in(owner, old->owner))
		return -EINVAL;
	if (parent->level >= NS_LEVEL_MAX)
		return -ENOSPC;
	p = pool_alloc(&pid_ns_pool);
	r = p ? ns_init(&p->ns, &pid_ns_ops, owner) : -ENOMEM;
	if (r < 0) {
		pool_free(&pid_ns_pool, p);
		return r;
	}
	p->parent = pid_ns_of(ns_get(&parent->ns));
	p->level = parent->level + 1;
	ivmap_init(&p->numbers);
	*out = &p->ns;
	return 0;
}

/* Children may go down, never up. */
static int pid_ns_may_join(struct task *t, struct ns *ns)
{
	return pid_ns_is_in(pid_ns_of(ns), t->group->pid_ns) ? 0 : -EINVAL;
}

const struct ns_kind_ops pid_ns_kind = {
	.first = &pid_ns_first.ns,
	.copy = pid_ns_copy,
	.may_join = pid_ns_may_join,
};

/* ---- numbers ---- */

int32_t pid_number_in(const struct pid_ns *ns, int32_t nr)
{
	if (ns == &pid_ns_first || nr <= 0)
		return nr;
	mutex_lock(&pids_lock);
	nr = pid_number_locked(ns, nr);
	mutex_unlock(&pids_lock);
	return nr;
}

int32_t pid_out(struct task *t, int32_t nr)
{
	return pid_number_in(t->group->pid_ns, nr);
}

int32_t pid_from_ns(const struct pid_ns *ns, int32_t nr)
{
	if (ns == &pid_ns_first || nr <= 0)
		return nr;
	mutex_lock(&pids_lock);
	nr = pid_from_ns_locked(ns, nr);
	mutex_unlock(&pids_lock);
	return nr;
}

int32_t pid_in(struct task *t, int32_t nr)
{
	return pid_from_ns(t->group->pid_ns, nr);
}

struct task *task_find(struct task *t, int32_t tid)
{
	return pid_find_task(t->kernel, pid_in(t, tid));
}

struct thread_group *process_find(struct task *t, int32_t pid)
{
	return pid_find_group(t->kernel, pid_in(t, pid));
}

/* ---- the end of a namespace ---- */

/* Kills all but init and reaps those that are its own. True: none is left. */
static bool end_others_locked(struct pid_ns *ns, struct thread_group *init)
{
	struct thread_group *g;
	bool none = true;
	int32_t after = 0;

	while ((g = pid_ns_next_locked(ns, after, &after))) {
		if (g == init)
			continue;
		none = false;
		if (!g->is_zombie)
			group_kill(g, SIGKILL);
		else if (g->parent == init)
			group_reap_locked(g);
	}
	return none;
}

/* As on Linux, also waits for those whose parents are outside and have yet to reap them.
 * Passes are repeated: a fork may have been under way. */
void pid_ns_end(struct thread_group *init)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	struct pid_ns *ns = init->pid_ns;
	bool none;

	for (;;) {
		mutex_lock(&pids_lock);
		ns->is_dead = true;
		none = end_others_locked(ns, init);
		if (none)
			ns->init = NULL;
		mutex_unlock(&pids_lock);
		if (none)
			return;
		(void)!host_clock_nanosleep(CLOCK_MONOTONIC, 0, &ms, NULL);
	}
}
