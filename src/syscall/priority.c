/*
 * Priorities by process, group and user: getpriority(2), ioprio_set(2) and their
 * opposites. The host schedules, and there is no queue of disk requests: what is set is
 * kept with each task and shown again.
 */
#include "abi/errno.h"
#include "abi/sched.h"
#include "syscall/families.h"
#include "syscall/peer.h"
#include "syscall/syscall.h"

/* ---- whom a call means ---- */

enum who { WHO_PROCESS, WHO_PGRP, WHO_USER }; /* as setpriority(2) counts */

struct walk {
	struct task *t;
	/* True ends the walk. */
	bool (*visit)(struct walk *w, struct task *other);
	bool user_0_is_root; /* and not the caller */
	bool set;
	int value;  /* to set */
	int result; /* -ESRCH while nobody was found */
	bool found;
};

static bool visit_group(struct walk *w, struct thread_group *g)
{
	struct task *other;
	int32_t after = 0;
	bool ends = false;

	while (!ends && (other = group_next_task(g, after))) {
		after = other->tid;
		ends = w->visit(w, other);
		w->found = true;
		task_put(other);
	}
	return ends;
}

/* id: the group's, or the uid. */
static bool matches(struct thread_group *g, enum who which, uint32_t id)
{
	const struct cred *c;
	struct task *other;
	bool r;

	if (which == WHO_PGRP)
		return (uint32_t)g->pgid == id;
	other = group_any_task(g);
	if (!other)
		return false;
	c = task_cred_get(other);
	r = c->uid == id;
	cred_put(c);
	task_put(other);
	return r;
}

static long walk_one(struct walk *w, int32_t tid)
{
	struct task *other = peer_find(w->t, tid);

	if (!other)
		return -ESRCH;
	(void)w->visit(w, other);
	task_put(other);
	return w->result;
}

/* who 0: the caller's own. */
static long walk_run(struct walk *w, enum who which, int32_t who)
{
	struct task *t = w->t;
	struct thread_group *g;
	int32_t after = 0;
	uint32_t id = (uint32_t)who;
	bool ends = false;

	w->result = -ESRCH;
	if (which == WHO_PROCESS)
		return walk_one(w, who);
	if (!who && !(which == WHO_USER && w->user_0_is_root))
		id = which == WHO_PGRP ? (uint32_t)t->group->pgid : t->cred->uid;
	else if (which == WHO_PGRP)
		id = (uint32_t)pid_in(t, who);
	else if (which == WHO_USER)
		id = cred_uid_in(t->cred, id);
	if (which == WHO_USER && id == ID_INVALID)
		return -ESRCH;
	while (!ends && (g = pid_next_group(t->kernel, after))) {
		after = g->pid;
		if (matches(g, which, id))
			ends = visit_group(w, g);
		group_put(g);
	}
	return w->result;
}

/* ---- nice ---- */

static int set_nice(struct walk *w, struct task *other)
{
	int nice = MAX(ABI_NICE_MIN, MIN(w->value, ABI_NICE_MAX));

	if (!peer_may_schedule(w->t, other))
		return -EPERM;
	if (nice < other->nice && !sched_may_be_nice(w->t, nice))
		return -EACCES;
	__atomic_store_n(&other->nice, nice, __ATOMIC_RELAXED);
	return 0;
}

/* The last failure counts; of what is found, the best: as 20 - nice. */
static bool nice_visit(struct walk *w, struct task *other)
{
	int r;

	if (w->set) {
		r = set_nice(w, other);
		if (r < 0 || !w->found)
			w->result = r;
	} else {
		r = 20 - __atomic_load_n(&other->nice, __ATOMIC_RELAXED);
		w->result = w->found ? MAX(w->result, r) : r;
	}
	return false;
}

static long nice_call(struct task *t, const struct sysargs *args, bool set)
{
	struct walk w = { .t = t, .visit = nice_visit, .set = set, .value = (int)args->a[2] };

	if ((unsigned)args->a[0] > WHO_USER)
		return -EINVAL;
	return walk_run(&w, (enum who)args->a[0], (int32_t)args->a[1]);
}

SYSCALL(getpriority)
{
	return nice_call(t, args, false);
}

SYSCALL(setpriority)
{
	return nice_call(t, args, true);
}

/* ---- i/o priorities ---- */

/* A priority is class << 13 | hints << 3 | level. */
#define IO_CLASS(v) ((v) >> 13 & 7)
enum io_class { IO_NONE, IO_REALTIME, IO_BEST_EFFORT, IO_IDLE };

static int check_io(struct task *t, int value)
{
	switch (IO_CLASS(value)) {
	case IO_REALTIME:
		if (!cred_has_cap(t->cred, CAP_SYS_NICE) && !cred_has_cap(t->cred, CAP_SYS_ADMIN))
			return -EPERM;
		return 0;
	case IO_BEST_EFFORT:
	case IO_IDLE:
		return 0;
	case IO_NONE:
		return value & 7 ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

/* What follows from a task's nice value where nothing was set. */
static int io_by_nice(const struct task *other)
{
	int policy = __atomic_load_n(&other->policy, __ATOMIC_RELAXED);
	int level = (__atomic_load_n(&other->nice, __ATOMIC_RELAXED) + 20) / 5;
	int class = IO_BEST_EFFORT;

	if (policy == ABI_SCHED_IDLE)
		class = IO_IDLE;
	else if (policy == ABI_SCHED_FIFO || policy == ABI_SCHED_RR)
		class = IO_REALTIME;
	return class << 13 | level;
}

static bool may_set_io(struct task *t, struct task *other)
{
	const struct cred *theirs = task_cred_get(other);
	bool ok = theirs->uid == t->cred->euid || theirs->uid == t->cred->uid ||
		  cred_has_cap_in(t->cred, theirs->user_ns, CAP_SYS_NICE);

	cred_put(theirs);
	return ok;
}

/* The first that may not be set ends it. */
static bool io_set_visit(struct walk *w, struct task *other)
{
	if (!may_set_io(w->t, other)) {
		w->result = -EPERM;
		return true;
	}
	atomic_store(&other->ioprio, w->value);
	w->result = 0;
	return false;
}

/* Of one task as it was set; of many the best, as it counts. */
static bool io_get_one_visit(struct walk *w, struct task *other)
{
	w->result = atomic_load(&other->ioprio);
	return false;
}

static bool io_get_best_visit(struct walk *w, struct task *other)
{
	int value = atomic_load(&other->ioprio);

	if (IO_CLASS(value) == IO_NONE)
		value = io_by_nice(other);
	w->result = w->found ? MIN(w->result, value) : value;
	return false;
}

/* ioprio_set(2) counts what is meant from 1. */
static long io_walk(struct walk *w, const struct sysargs *args)
{
	int which = (int)args->a[0];

	if (which < 1 || which > WHO_USER + 1)
		return -EINVAL;
	w->user_0_is_root = true; /* contrary to its man page */
	return walk_run(w, (enum who)(which - 1), (int32_t)args->a[1]);
}

SYSCALL(ioprio_set)
{
	struct walk w = { .t = t, .visit = io_set_visit, .value = (int)args->a[2] & 0xffff };
	int r = check_io(t, (int)args->a[2]);

	return r < 0 ? r : io_walk(&w, args);
}

SYSCALL(ioprio_get)
{
	bool is_one = (int)args->a[0] == 1;
	struct walk w = { .t = t, .visit = is_one ? io_get_one_visit : io_get_best_visit };

	return io_walk(&w, args);
}
