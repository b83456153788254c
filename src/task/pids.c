/*
 * The pid table: one number space for threads, processes, process groups and
 * sessions, as Linux has it. An entry lives as long as anything is known under
 * its number, so a number is not handed out again while a process group or a
 * session still carries it.
 */
#include "base/pool.h"
#include "task/internal.h"

struct mutex pids_lock = MUTEX_INIT(LOCK_PIDS);

static struct ivmap pid_map; /* [P] of struct pid */
static int32_t pid_last = 1; /* [P] */

POOL_DEFINE(pid_pool, struct pid);

static struct pid *pid_of(struct ivnode *n)
{
	return n ? ivmap_entry(n, struct pid, node) : NULL;
}

struct pid *pid_lookup_locked(int32_t nr)
{
	mutex_assert_held(&pids_lock);
	return nr > 0 ? pid_of(ivmap_find(&pid_map, (uint64_t)nr)) : NULL;
}

static int pid_insert_locked(int32_t nr, struct task *t)
{
	struct pid *p = pool_alloc(&pid_pool);
	int r;

	if (!p)
		return -ENOMEM;
	p->node.start = (uint64_t)nr;
	p->node.end = (uint64_t)nr + 1;
	p->task = t;
	list_init(&p->pgrp);
	list_init(&p->session);
	r = ivmap_insert(&pid_map, &p->node);
	if (r < 0)
		pool_free(&pid_pool, p);
	return r;
}

/* Numbers rise and wrap at pid_max to 300, as Linux's do, so that a number is
 * re-used late. */
int pid_alloc_locked(struct kernel *k, int32_t want, struct task *t, int32_t *nr)
{
	int32_t first = pid_last + 1;
	uint64_t found;
	int r;

	mutex_assert_held(&pids_lock);
	if (want) {
		r = pid_insert_locked(want, t);
		if (r == 0)
			*nr = want;
		return r;
	}
	if (first >= k->pid_max)
		first = 300;
	if (ivmap_gap_up(&pid_map, (uint64_t)first, (uint64_t)k->pid_max, 1, 1, &found) < 0 &&
	    ivmap_gap_up(&pid_map, 300, (uint64_t)first, 1, 1, &found) < 0)
		return -EAGAIN;
	r = pid_insert_locked((int32_t)found, t);
	if (r < 0)
		return r;
	pid_last = (int32_t)found;
	*nr = (int32_t)found;
	return 0;
}

static void pid_maybe_free_locked(struct pid *p)
{
	if (p->task || p->group || !list_empty(&p->pgrp) || !list_empty(&p->session))
		return;
	ivmap_remove(&pid_map, &p->node);
	pool_free(&pid_pool, p);
}

void pid_set_group_locked(int32_t nr, struct thread_group *g)
{
	struct pid *p = pid_lookup_locked(nr);

	ASSERT(p && !p->group);
	p->group = g;
}

void pid_clear_task_locked(int32_t nr)
{
	struct pid *p = pid_lookup_locked(nr);

	if (!p)
		return;
	p->task = NULL;
	pid_maybe_free_locked(p);
}

void pid_clear_group_locked(int32_t nr)
{
	struct pid *p = pid_lookup_locked(nr);

	ASSERT(p);
	p->group = NULL;
	pid_maybe_free_locked(p);
}

void pid_leave_locked(struct thread_group *g)
{
	struct pid *pgrp = pid_lookup_locked(g->pgid), *session;

	list_del(&g->pgrp_link);
	if (pgrp)
		pid_maybe_free_locked(pgrp);
	session = pid_lookup_locked(g->sid);
	list_del(&g->session_link);
	if (session)
		pid_maybe_free_locked(session);
}

/* Both numbers have entries: a process group's number is that of a process
 * that lived when the group was made. */
void pid_join_locked(struct thread_group *g, int32_t pgid, int32_t sid)
{
	struct pid *pgrp = pid_lookup_locked(pgid), *session = pid_lookup_locked(sid);
	int32_t old_pgid = g->pgid, old_sid = g->sid;
	bool was_member = !list_empty(&g->pgrp_link);

	ASSERT(pgrp && session);
	list_del(&g->pgrp_link);
	list_del(&g->session_link);
	list_push_back(&pgrp->pgrp, &g->pgrp_link);
	list_push_back(&session->session, &g->session_link);
	g->pgid = pgid;
	g->sid = sid;
	if (!was_member)
		return;
	pgrp = pid_lookup_locked(old_pgid);
	if (pgrp)
		pid_maybe_free_locked(pgrp);
	session = pid_lookup_locked(old_sid);
	if (session)
		pid_maybe_free_locked(session);
}

void pid_swap_leader_locked(struct task *leader, struct task *t)
{
	struct pid *mine = pid_lookup_locked(t->tid), *lead = pid_lookup_locked(leader->tid);

	ASSERT(mine && lead);
	mine->task = leader;
	lead->task = t;
	list_for_each(c, &t->group->children, struct thread_group, sibling) {
		if (c->parent_tid == t->tid)
			c->parent_tid = t->group->pid;
		else if (c->parent_tid == t->group->pid)
			c->parent_tid = t->tid;
	}
	leader->tid = t->tid;
	t->tid = t->group->pid;
}

/* Under the lock, so that no child comes into being with the old place. */
void task_change_roots(struct kernel *k UNUSED, const struct path *old, const struct path *to)
{
	mutex_lock(&pids_lock);
	for (struct ivnode *n = ivmap_first(&pid_map); n; n = ivmap_next(n)) {
		struct task *t = pid_of(n)->task;

		if (t && t->fs)
			fs_context_change_root(t->fs, old, to);
	}
	mutex_unlock(&pids_lock);
}

/* ---- lookups ---- */

struct task *pid_find_task(struct kernel *k UNUSED, int32_t tid)
{
	struct task *t = NULL;
	struct pid *p;

	mutex_lock(&pids_lock);
	p = pid_lookup_locked(tid);
	if (p && p->task) {
		t = p->task;
		task_get(t);
	}
	mutex_unlock(&pids_lock);
	return t;
}

struct thread_group *pid_find_group(struct kernel *k UNUSED, int32_t pid)
{
	struct thread_group *g = NULL;
	struct pid *p;

	mutex_lock(&pids_lock);
	p = pid_lookup_locked(pid);
	if (p && p->group) {
		g = p->group;
		group_get(g);
	}
	mutex_unlock(&pids_lock);
	return g;
}

struct thread_group *pid_next_group(struct kernel *k UNUSED, int32_t after)
{
	struct thread_group *g = NULL;
	struct ivnode *n;

	mutex_lock(&pids_lock);
	for (n = ivmap_lower_bound(&pid_map, (uint64_t)after + 1); n; n = ivmap_next(n)) {
		if (pid_of(n)->group) {
			g = pid_of(n)->group;
			group_get(g);
			break;
		}
	}
	mutex_unlock(&pids_lock);
	return g;
}

struct task *group_next_task(struct thread_group *g, int32_t after_tid)
{
	struct task *best = NULL;

	mutex_lock(&pids_lock);
	list_for_each(t, &g->tasks, struct task, group_link) {
		if (t->tid > after_tid && (!best || t->tid < best->tid))
			best = t;
	}
	if (best)
		task_get(best);
	mutex_unlock(&pids_lock);
	return best;
}

struct task *group_any_task(struct thread_group *g)
{
	struct task *t = NULL;

	mutex_lock(&pids_lock);
	if (g->leader)
		t = g->leader;
	else if (!list_empty(&g->tasks))
		t = list_first(&g->tasks, struct task, group_link);
	if (t)
		task_get(t);
	mutex_unlock(&pids_lock);
	return t;
}

unsigned pid_count(struct kernel *k UNUSED, uint32_t uid)
{
	unsigned n = 0;

	mutex_lock(&pids_lock);
	for (struct ivnode *it = ivmap_first(&pid_map); it; it = ivmap_next(it)) {
		struct task *t = pid_of(it)->task;
		const struct cred *c;

		if (!t)
			continue;
		c = task_cred_get(t);
		if (c->uid == uid)
			n++;
		cred_put(c);
	}
	mutex_unlock(&pids_lock);
	return n;
}

int32_t group_ppid(struct thread_group *g)
{
	int32_t pid;

	mutex_lock(&pids_lock);
	pid = g->parent ? g->parent->pid : 0;
	mutex_unlock(&pids_lock);
	return pid;
}

/* ---- sessions and process groups: setpgid(2), setsid(2) ---- */

static bool pgrp_in_session_locked(int32_t pgid, int32_t sid)
{
	struct pid *p = pid_lookup_locked(pgid);

	if (!p)
		return false;
	list_for_each(g, &p->pgrp, struct thread_group, pgrp_link) {
		if (g->sid == sid)
			return true;
	}
	return false;
}

bool pgrp_exists_in_session(struct kernel *k UNUSED, int32_t pgid, int32_t sid)
{
	bool r;

	mutex_lock(&pids_lock);
	r = pgrp_in_session_locked(pgid, sid);
	mutex_unlock(&pids_lock);
	return r;
}

static int setpgid_locked(struct task *t, int32_t pid, int32_t pgid)
{
	struct pid *p = pid_lookup_locked(pid);
	struct thread_group *g = p ? p->group : NULL, *self = t->group;

	if (!g || g->is_zombie)
		return -ESRCH;
	if (g != self) {
		if (g->parent != self)
			return -ESRCH;
		if (g->sid != self->sid)
			return -EPERM;
		if (g->was_execed)
			return -EACCES;
	}
	if (g->sid == g->pid)
		return -EPERM;
	if (pgid != pid && !pgrp_in_session_locked(pgid, self->sid))
		return -EPERM;
	if (g->pgid != pgid)
		pid_join_locked(g, pgid, g->sid);
	return 0;
}

int task_setpgid(struct task *t, int32_t pid, int32_t pgid)
{
	int r;

	if (pid == 0)
		pid = t->group->pid;
	if (pgid == 0)
		pgid = pid;
	if (pgid < 0)
		return -EINVAL;
	mutex_lock(&pids_lock);
	r = setpgid_locked(t, pid, pgid);
	mutex_unlock(&pids_lock);
	return r;
}

int32_t task_getpgid(struct task *t, int32_t pid)
{
	struct pid *p;
	int32_t r;

	mutex_lock(&pids_lock);
	p = pid_lookup_locked(pid ? pid : t->group->pid);
	r = p && p->task ? p->task->group->pgid : p && p->group ? p->group->pgid : -ESRCH;
	mutex_unlock(&pids_lock);
	return r;
}

int32_t task_getsid(struct task *t, int32_t pid)
{
	struct pid *p;
	int32_t r;

	mutex_lock(&pids_lock);
	p = pid_lookup_locked(pid ? pid : t->group->pid);
	r = p && p->task ? p->task->group->sid : p && p->group ? p->group->sid : -ESRCH;
	mutex_unlock(&pids_lock);
	return r;
}

int32_t task_setsid(struct task *t)
{
	struct thread_group *g = t->group;
	int32_t r = g->pid;
	struct pid *p;

	mutex_lock(&pids_lock);
	p = pid_lookup_locked(g->pid);
	ASSERT(p);
	if (g->sid == g->pid || !list_empty(&p->pgrp)) {
		r = -EPERM;
	} else {
		pid_join_locked(g, g->pid, g->pid);
		group_set_tty_locked(g, NULL);
	}
	mutex_unlock(&pids_lock);
	return r;
}

int pids_init(struct kernel *k)
{
	ivmap_init(&pid_map);
	pid_last = 1;
	if (!k->pid_max)
		k->pid_max = 4194304;
	return 0;
}

void pids_fini(void)
{
	ASSERT(pid_map.count <= 1);
}
