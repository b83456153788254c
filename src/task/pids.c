/*
 * The pid table: one number space for threads, processes, process groups and
 * sessions, as Linux has it. An entry lives as long as anything is known under
 * its number, so a number is not handed out again while a process group or a
 * session still carries it.
 */
#include "base/kmem.h"
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

/* ---- numbers below the first namespace ---- */

static struct upid *upid_of(struct ivnode *n)
{
	return n ? ivmap_entry(n, struct upid, node) : NULL;
}

int32_t pid_number_locked(const struct pid_ns *ns, int32_t nr)
{
	const struct pid *p;

	if (ns == &pid_ns_first || nr <= 0)
		return nr;
	p = pid_lookup_locked(nr);
	if (!p || p->ns->level < ns->level || p->numbers[ns->level - 1].ns != ns)
		return 0;
	return (int32_t)p->numbers[ns->level - 1].node.start;
}

int32_t pid_from_ns_locked(const struct pid_ns *ns, int32_t nr)
{
	const struct upid *u;

	if (ns == &pid_ns_first || nr <= 0)
		return nr;
	u = upid_of(ivmap_find(&ns->numbers, (uint64_t)nr));
	return u ? (int32_t)u->pid->node.start : PID_NOBODY;
}

struct thread_group *pid_ns_next_locked(const struct pid_ns *ns, int32_t after, int32_t *nr)
{
	const struct ivmap *map = ns == &pid_ns_first ? &pid_map : &ns->numbers;

	for (struct ivnode *n = ivmap_lower_bound(map, (uint64_t)after + 1); n; n = ivmap_next(n)) {
		const struct pid *p = map == &pid_map ? pid_of(n) : upid_of(n)->pid;

		if (p->group) {
			*nr = (int32_t)n->start;
			return p->group;
		}
	}
	return NULL;
}

struct thread_group *pid_ns_next_group(const struct pid_ns *ns, int32_t after, int32_t *nr)
{
	struct thread_group *g;

	mutex_lock(&pids_lock);
	g = pid_ns_next_locked(ns, after, nr);
	if (g)
		group_get(g);
	mutex_unlock(&pids_lock);
	return g;
}

/* Numbers rise and wrap at pid_max to 300, as Linux's do, so that a number is re-used
 * late. */
static int next_number(const struct ivmap *map, int32_t last, int32_t max, uint64_t *found)
{
	int32_t first = last + 1;

	if (first >= max)
		first = 300;
	if (ivmap_gap_up(map, (uint64_t)first, (uint64_t)max, 1, 1, found) < 0 &&
	    ivmap_gap_up(map, 300, (uint64_t)first, 1, 1, found) < 0)
		return -EAGAIN;
	return 0;
}

static void drop_numbers_locked(struct pid *p, unsigned from_level)
{
	for (unsigned level = from_level; level <= p->ns->level; level++)
		ivmap_remove(&p->numbers[level - 1].ns->numbers, &p->numbers[level - 1].node);
	kmem_free_for(KMEM_TABLES, p->numbers);
	ns_put(&p->ns->ns);
}

/* want: in the innermost namespace. */
static int give_number_locked(struct kernel *k, struct pid *p, struct pid_ns *ns, int32_t want)
{
	struct upid *u = &p->numbers[ns->level - 1];
	uint64_t nr = (uint64_t)want;
	int r = 0;

	if (ns->is_dead)
		return -ENOMEM;
	/* The first to come is the init. */
	if (want && want != 1 && !ns->last)
		return -EINVAL;
	if (!want)
		r = next_number(&ns->numbers, ns->last, k->pid_max, &nr);
	if (r < 0)
		return r;
	u->node.start = nr;
	u->node.end = nr + 1;
	u->pid = p;
	u->ns = ns;
	r = ivmap_insert(&ns->numbers, &u->node);
	if (r == 0 && (!want || !ns->last))
		ns->last = (int32_t)nr;
	return r;
}

static int give_numbers_locked(struct kernel *k, struct pid *p, struct pid_ns *inner, int32_t want)
{
	p->ns = pid_ns_of(ns_get(&inner->ns));
	if (inner->level == 0)
		return 0;
	p->numbers = kmem_alloc_for(KMEM_TABLES, inner->level * sizeof(*p->numbers));
	if (!p->numbers) {
		ns_put(&inner->ns);
		return -ENOMEM;
	}
	for (struct pid_ns *ns = inner; ns->level > 0; ns = ns->parent) {
		int r = give_number_locked(k, p, ns, ns == inner ? want : 0);

		if (r < 0) {
			drop_numbers_locked(p, ns->level + 1);
			return r;
		}
	}
	return 0;
}

static int pid_insert_locked(struct kernel *k, int32_t nr, struct task *t, int32_t inner_want)
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
	r = give_numbers_locked(k, p, t ? t->group->pid_ns : &pid_ns_first, inner_want);
	if (r < 0)
		goto out_free;
	r = ivmap_insert(&pid_map, &p->node);
	if (r < 0)
		goto out_drop;
	return 0;

out_drop:
	drop_numbers_locked(p, 1);
out_free:
	pool_free(&pid_pool, p);
	return r;
}

int pid_alloc_locked(struct kernel *k, int32_t want, struct task *t, int32_t *nr)
{
	bool is_first = !t || t->group->pid_ns == &pid_ns_first;
	uint64_t found = (uint64_t)want;
	int r = 0;

	mutex_assert_held(&pids_lock);
	if (!want || !is_first)
		r = next_number(&pid_map, pid_last, k->pid_max, &found);
	if (r == 0)
		r = pid_insert_locked(k, (int32_t)found, t, is_first ? 0 : want);
	if (r < 0)
		return r;
	if (!want || !is_first)
		pid_last = (int32_t)found;
	*nr = (int32_t)found;
	if (t)
		t->own_tid = pid_number_locked(t->group->pid_ns, *nr);
	return 0;
}

static void pid_maybe_free_locked(struct pid *p)
{
	if (p->task || p->group || !list_empty(&p->pgrp) || !list_empty(&p->session))
		return;
	ivmap_remove(&pid_map, &p->node);
	drop_numbers_locked(p, 1);
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
	leader->own_tid = t->own_tid;
	t->tid = t->group->pid;
	t->own_tid = t->group->own_pid;
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
