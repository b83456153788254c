/*
 * The guest's own out-of-memory kill.
 *
 * When guests use more than the limit and nothing can be evicted, a process has to
 * go: the one that frees most, moved up or down by what its owner wrote to
 * oom_score_adj (proc(5)). Its memory comes back when its last thread has left, so
 * there is one victim at a time:
 *
 *	none ---- oom_kill() chooses, kills ----> dying ---- zombie, GRACE_NS ----> none
 *	  |                                         ^ |
 *	  +--- somebody ends by itself -------------+ +-- PATIENCE_NS over, or use grew
 *	                                                  by a GROWTH_FRACTION: ignored,
 *	                                                  another is chosen
 *
 * Others touch memory meanwhile that they were given before, and processes that end
 * may come without end: far above the limit (memfile_is_exhausted()) nobody waits for
 * what ends by itself, and use never grows by more than a fraction without a kill.
 *
 * Badness is what a process has of the memory file; pages that are mapped from host
 * files cost guests nothing.
 */
#include <linux/oom.h>
#include <time.h>

#include "base/log.h"
#include "host/host.h"
#include "mm/mm.h"
#include "task/internal.h"

/* A victim that has not gone by then hangs somewhere. */
#define PATIENCE_NS ((uint64_t)2000000000)
/* How long the memory of one that has gone may take to follow. */
#define GRACE_NS ((uint64_t)200000000)
/* That much of the limit may come on top until a victim is gone. */
#define GROWTH_FRACTION 16
/* How long a fault waits before it looks for memory again. */
#define FAULT_WAIT_NS ((uint64_t)5000000)
#define NOT_A_VICTIM INT64_MIN

static struct {
	atomic_bool is_choosing;     /* guards the others */
	struct thread_group *victim; /* reference; killed, or ends by itself */
	uint64_t since_ns;           /* when it was chosen */
	uint64_t ended_ns;           /* when it was found ended; 0: not yet */
	uint64_t used;               /* bytes of the memory file, then */
} oom;

/* Of any thread that still has it: the leader may have left. */
static struct mm *group_mm_get(struct thread_group *g)
{
	struct mm *mm = NULL;
	struct task *t;

	for (int32_t tid = 0; !mm && (t = group_next_task(g, tid)); task_put(t)) {
		tid = t->tid;
		mm = task_mm_get(t);
	}
	return mm;
}

static bool group_has_ended(struct thread_group *g)
{
	bool ended;

	mutex_lock(&pids_lock);
	ended = g->is_zombie;
	mutex_unlock(&pids_lock);
	return ended;
}

/* In pages. */
static int64_t badness(struct thread_group *g, const struct mm_usage *u)
{
	int64_t total = (int64_t)(g->kernel->memory_limit >> PAGE_SHIFT);
	int adj = READ_ONCE(g->oom_score_adj);

	if (adj == OOM_SCORE_ADJ_MIN)
		return NOT_A_VICTIM;
	return (int64_t)((u->rss - MIN(u->rss_file, u->rss)) >> PAGE_SHIFT) + adj * (total / 1000);
}

unsigned oom_score(struct thread_group *g)
{
	int64_t total = (int64_t)(g->kernel->memory_limit >> PAGE_SHIFT), points, score;
	struct mm *mm = group_mm_get(g);
	struct mm_usage u;

	if (!mm)
		return 0;
	mm_get_usage(mm, &u);
	mm_put(mm);
	points = badness(g, &u);
	score = points == NOT_A_VICTIM ? 0
				       : (1000 + points * 1000 / MAX(total, (int64_t)1)) * 2 / 3;
	return (unsigned)MAX(score, (int64_t)0);
}

static bool is_in_vfork(struct thread_group *g)
{
	struct task *t = group_any_task(g);
	bool is = t && __atomic_load_n(&t->vfork, __ATOMIC_RELAXED);

	task_put(t);
	return is;
}

static void set_adj_locked(struct thread_group *g, int adj, bool is_floor)
{
	mutex_assert_held(&g->lock);
	g->oom_score_adj = adj;
	if (is_floor)
		g->oom_score_adj_min = adj;
}

int oom_set_score_adj(struct thread_group *g, int adj, bool is_old, bool privileged)
{
	bool is_floor = privileged && !is_old, may;
	struct thread_group *other;
	struct mm *mm;

	mutex_lock(&g->lock);
	may = privileged || adj >= (is_old ? g->oom_score_adj : g->oom_score_adj_min);
	if (may)
		set_adj_locked(g, adj, is_floor);
	mutex_unlock(&g->lock);
	if (!may)
		return -EACCES;
	if (is_in_vfork(g))
		return 0;
	mm = group_mm_get(g);
	for (int32_t pid = 0; mm && (other = pid_next_group(g->kernel, pid)); group_put(other)) {
		struct mm *its = group_mm_get(other);

		pid = other->pid;
		if (its == mm && other != g && !is_in_vfork(other)) {
			mutex_lock(&other->lock);
			set_adj_locked(other, adj, is_floor);
			mutex_unlock(&other->lock);
		}
		mm_put(its);
	}
	mm_put(mm);
	return 0;
}

/* ---- choosing ---- */

struct candidate {
	struct thread_group *group; /* reference; NULL: none yet */
	bool is_ending;             /* by itself: there is no better one. It may have
				       let go of its mm, which takes time to free */
	struct mm *mm;              /* what it shares with others that must go too */
	int64_t points;
	struct mm_usage usage;
};

static void candidate_put(struct candidate *c)
{
	mm_put(c->mm);
	group_put(c->group);
}

static bool is_worse(const struct candidate *c, const struct candidate *than, bool may_wait)
{
	if (c->group->oom_ignored || than->is_ending)
		return false;
	if (c->is_ending)
		return may_wait;
	return c->mm && c->points != NOT_A_VICTIM && (!than->group || c->points > than->points);
}

/* Judges g; takes the reference. */
static void consider(struct candidate *worst, struct thread_group *g, bool may_wait)
{
	struct candidate c = {
		.group = g,
		.mm = group_mm_get(g),
		.is_ending = READ_ONCE(g->exiting) && !group_has_ended(g),
	};

	if (c.mm) {
		mm_get_usage(c.mm, &c.usage);
		c.points = badness(g, &c.usage);
	}
	if (is_worse(&c, worst, may_wait)) {
		candidate_put(worst);
		*worst = c;
	} else {
		candidate_put(&c);
	}
}

/* Whoever shares the memory holds it too: a child of vfork. */
static void kill_all_users(struct kernel *k, const struct mm *mm)
{
	struct thread_group *g;

	for (int32_t pid = 0; (g = pid_next_group(k, pid)); group_put(g)) {
		struct mm *its = group_mm_get(g);

		pid = g->pid;
		if (its == mm)
			group_kill(g, SIGKILL);
		mm_put(its);
	}
}

static void kill_candidate(struct kernel *k, const struct candidate *c)
{
	struct task *t = group_any_task(c->group);

	log_warn("out of memory: killed process %d (%.15s), which used %llu KiB, oom_score_adj %d",
		 c->group->pid, t ? t->comm : "?", (unsigned long long)c->usage.rss >> 10,
		 c->group->oom_score_adj);
	task_put(t);
	group_kill(c->group, SIGKILL);
	kill_all_users(k, c->mm);
	atomic_fetch_add(&k->oom_kills, 1);
}

static bool choose(struct kernel *k)
{
	bool may_wait = !memfile_is_exhausted(k->memfile);
	struct candidate worst = { 0 };
	struct thread_group *g;

	for (int32_t pid = 0; (g = pid_next_group(k, pid));) {
		pid = g->pid;
		consider(&worst, g, may_wait);
	}
	if (!worst.group)
		return false;
	if (!worst.is_ending)
		kill_candidate(k, &worst);
	group_get(worst.group);
	oom.victim = worst.group;
	oom.since_ns = host_clock_ns(CLOCK_MONOTONIC);
	oom.ended_ns = 0;
	oom.used = memfile_used(k->memfile);
	candidate_put(&worst);
	return true;
}

/* Or has just died: what it had goes a little later, if others have to let go of it
 * (rings, files in flight). */
static bool is_victim_dying(struct kernel *k)
{
	uint64_t now = host_clock_ns(CLOCK_MONOTONIC);
	bool ended;

	if (!oom.victim)
		return false;
	ended = group_has_ended(oom.victim);
	if (ended && !oom.ended_ns)
		oom.ended_ns = now;
	if (now - oom.since_ns < PATIENCE_NS && (!ended || now - oom.ended_ns < GRACE_NS) &&
	    memfile_used(k->memfile) <= oom.used + k->memory_limit / GROWTH_FRACTION)
		return true;
	oom.victim->oom_ignored = !ended;
	group_put(oom.victim);
	oom.victim = NULL;
	return false;
}

bool oom_kill(struct kernel *k)
{
	bool found;

	if (atomic_exchange(&oom.is_choosing, true))
		return true;
	found = is_victim_dying(k) || choose(k);
	atomic_store(&oom.is_choosing, false);
	return found;
}

/* Not the limit: the host has no memory, or our tables are full. */
static void kill_itself(struct task *t)
{
	log_warn("pid %d: out of memory, killed", t->group->pid);
	group_kill(t->group, SIGKILL);
}

/* A host sleep, not task_sleep(): no other signal of t's may end the wait, for the call
 * in the middle of which this is would fail then. */
bool oom_wait(struct task *t)
{
	const struct timespec nap = { .tv_nsec = FAULT_WAIT_NS };
	struct kernel *k = t->kernel;

	if (READ_ONCE(t->group->exiting) || !memfile_over_limit(k->memfile) || !oom_kill(k))
		return false;
	(void)!host_clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	return !READ_ONCE(t->group->exiting);
}

void oom_fault(struct task *t)
{
	if (!oom_wait(t) && !READ_ONCE(t->group->exiting))
		kill_itself(t);
}
