/*
 * Semaphores: semop(2).
 *
 * An operation is a list of changes that happen all or none. What cannot happen
 * now waits on the set's list, in order of arrival, with its changes; whoever
 * changes a value goes through the list and carries out, for the waiters, what
 * has become possible. So a waiter that is woken has its result already, and
 * nothing is overtaken that could have gone on.
 *
 *	semop:  lock; perform ── done ──> update_locked (others); unlock
 *	                   └─ blocked: queue; unlock; sleep until w.done
 *
 * What is to be undone when a process ends (SEM_UNDO) is an array of adjustments
 * for each pair of undo list (shared by CLONE_SYSVSEM) and set. It hangs on both;
 * its memory belongs to the undo list, and it holds a reference on the set.
 *
 * Locks: undo.lock (LOCK_IPC_UNDO), a list of what is to be undone
 *	  -> set.o.lock (LOCK_IPC_OBJECT), a set and the adjustments for it.
 * Waiters are woken with the set's lock held: they cannot go away before.
 */
#include <linux/sched.h>
#include <sched.h>
#include <string.h>

#include "base/pool.h"
#include "ipc/internal.h"

struct sem {
	uint16_t val;
	int32_t pid; /* of the last change */
};

struct sem_set {
	struct ipc_object o;
	unsigned n;          /* [I] */
	int64_t otime;       /* [o] */
	struct list waiters; /* [o] struct sem_waiter */
	struct list adjs;    /* [o] struct sem_adj, by set_link */
	struct sem *sems;    /* [o] n of them; NULL when removed */
};

struct sem_adj {
	struct list undo_link; /* [undo.lock] */
	struct list set_link;  /* [set] */
	struct sem_set *set;   /* [I] reference */
	int16_t by[];          /* [set] one for each semaphore */
};

struct sem_undo {
	struct refcount refs; /* the tasks that share it */
	struct mutex lock;
	struct list adjs; /* [l] struct sem_adj, by undo_link */
};

/* One semop(2). */
struct sem_call {
	const struct abi_sembuf *ops;
	unsigned nops;
	struct sem_adj *adj; /* NULL: nothing to be undone */
	int32_t pid;
	const struct abi_sembuf *blocking; /* why it waits */
};

struct sem_waiter {
	struct list link; /* [set] */
	struct sem_call *call;
	struct waiter *waiter;
	bool done; /* [set] off the list, with its result */
	int result;
};

static atomic_uint all_sems;       /* in all sets */
static atomic_ulong all_adj_bytes; /* of all adjustments */

static POOL_DEFINE(sem_undo_pool, struct sem_undo);

static struct sem_set *set_of(struct ipc_object *o)
{
	return container_of(o, struct sem_set, o);
}

static void set_destroy(struct ipc_object *o)
{
	struct sem_set *s = set_of(o);

	atomic_fetch_sub(&all_sems, s->n);
	kmem_free(s->sems);
	kmem_free(s);
}

static void set_cut_locked(struct ipc_object *o);

const struct ipc_kind sem_kind = { .max = SEM_SETS,
				   .cut_locked = set_cut_locked,
				   .destroy = set_destroy };

static struct ipc_table *sets(void)
{
	return ipc_table_of(IPC_KIND_SEM);
}

/* ---- semget ---- */

static int set_make(const void *arg, struct ipc_object **out)
{
	unsigned n = *(const unsigned *)arg;
	struct sem_set *s;

	if (n == 0)
		return -EINVAL;
	if (atomic_fetch_add(&all_sems, n) + n > SEM_ALL) {
		atomic_fetch_sub(&all_sems, n);
		return -ENOSPC;
	}
	s = kmem_zalloc(sizeof(*s));
	if (s)
		s->sems = kmem_zalloc(n * sizeof(*s->sems));
	if (!s || !s->sems) {
		atomic_fetch_sub(&all_sems, n);
		kmem_free(s);
		return -ENOMEM;
	}
	s->n = n;
	list_init(&s->waiters);
	list_init(&s->adjs);
	*out = &s->o;
	return 0;
}

static int set_fits(const struct ipc_object *o, const void *arg)
{
	const struct sem_set *s = container_of(o, struct sem_set, o);

	return *(const unsigned *)arg > s->n ? -EINVAL : 0;
}

int sem_get(struct task *t, int32_t key, int nsems, int flags)
{
	unsigned n = (unsigned)nsems;
	const struct ipc_maker maker = { set_make, set_fits, &n };

	if (nsems < 0 || nsems > SEM_PER_SET)
		return -EINVAL;
	return ipc_get(sets(), t, key, flags, &maker);
}

/* ---- carrying out ---- */

static void revert_locked(struct sem_set *s, const struct sem_call *c, unsigned n)
{
	while (n-- > 0) {
		const struct abi_sembuf *op = &c->ops[n];

		s->sems[op->num].val = (uint16_t)(s->sems[op->num].val - op->op);
		if (op->flags & ABI_SEM_UNDO)
			c->adj->by[op->num] = (int16_t)(c->adj->by[op->num] + op->op);
	}
}

/* One change: 0, 1 (it has to wait), -ERANGE. */
static int change_locked(struct sem_set *s, struct sem_call *c, const struct abi_sembuf *op)
{
	struct sem *sem = &s->sems[op->num];
	int val = sem->val + op->op, adj;

	if ((op->op == 0 && sem->val != 0) || val < 0)
		return 1;
	if (val > SEM_MAX)
		return -ERANGE;
	if (op->flags & ABI_SEM_UNDO) {
		adj = c->adj->by[op->num] - op->op;
		if (adj < -SEM_MAX - 1 || adj > SEM_MAX)
			return -ERANGE;
		c->adj->by[op->num] = (int16_t)adj;
	}
	sem->val = (uint16_t)val;
	return 0;
}

/* All or none: 0; 1: has to wait, for c->blocking; -EAGAIN, -ERANGE. */
static int perform_locked(struct sem_set *s, struct sem_call *c)
{
	int r = 0;

	for (unsigned i = 0; i < c->nops; i++) {
		r = change_locked(s, c, &c->ops[i]);
		if (r == 0)
			continue;
		revert_locked(s, c, i);
		c->blocking = &c->ops[i];
		return r == 1 && (c->ops[i].flags & ABI_IPC_NOWAIT) ? -EAGAIN : r;
	}
	for (unsigned i = 0; i < c->nops; i++)
		s->sems[c->ops[i].num].pid = c->pid;
	s->otime = ipc_now();
	return 0;
}

static void finish_locked(struct sem_waiter *w, int result)
{
	list_del(&w->link);
	w->result = result;
	w->done = true;
	waiter_wake(w->waiter);
}

/* Values have changed: who can go on does, the first first. */
static void update_locked(struct sem_set *s)
{
	bool again;

	do {
		again = false;
		list_for_each_safe(w, tmp, &s->waiters, struct sem_waiter, link) {
			int r = perform_locked(s, w->call);

			if (r == 1)
				continue;
			finish_locked(w, r);
			if (r == 0) {
				again = true;
				break;
			}
		}
	} while (again);
}

/* ---- what is to be undone ---- */

static size_t adj_size(const struct sem_set *s)
{
	return sizeof(struct sem_adj) + s->n * sizeof(int16_t);
}

static void adj_free(struct sem_adj *adj)
{
	atomic_fetch_sub(&all_adj_bytes, adj_size(adj->set));
	ipc_put(&adj->set->o);
	kmem_free(adj);
}

/* Takes those whose set is gone off the list. => undo.lock */
static void undo_purge_locked(struct sem_undo *u)
{
	list_for_each_safe(adj, tmp, &u->adjs, struct sem_adj, undo_link) {
		struct ipc_object *o = &adj->set->o;

		if (!atomic_load(&o->removed))
			continue;
		/* Whoever removes it may just be at its list. */
		mutex_lock(&o->lock);
		list_del(&adj->set_link);
		mutex_unlock(&o->lock);
		list_del(&adj->undo_link);
		adj_free(adj);
	}
}

static int adj_make_locked(struct sem_undo *u, struct sem_set *s, struct sem_adj **out)
{
	struct sem_adj *adj = NULL;

	if (atomic_fetch_add(&all_adj_bytes, adj_size(s)) <= SEM_ADJ_BYTES)
		adj = kmem_zalloc(adj_size(s));
	if (!adj) {
		atomic_fetch_sub(&all_adj_bytes, adj_size(s));
		return -ENOSPC;
	}
	refcount_get(&s->o.refs);
	adj->set = s;
	list_init(&adj->set_link);
	list_push_back(&u->adjs, &adj->undo_link);
	mutex_lock(&s->o.lock);
	if (!s->o.removed)
		list_push_back(&s->adjs, &adj->set_link);
	mutex_unlock(&s->o.lock);
	*out = adj;
	return 0;
}

/* The caller's own, made when there is none. */
static struct sem_undo *undo_of(struct task *t)
{
	struct sem_undo *u = t->sem_undo;

	if (u)
		return u;
	u = pool_alloc(&sem_undo_pool);
	if (!u)
		return NULL;
	refcount_init(&u->refs, 1);
	mutex_init(&u->lock, LOCK_IPC_UNDO);
	list_init(&u->adjs);
	t->sem_undo = u;
	return u;
}

/* The caller's adjustments for the set, which stay while he does. */
static int adj_get(struct task *t, struct sem_set *s, struct sem_adj **out)
{
	struct sem_undo *u = undo_of(t);
	int r = 0;

	*out = NULL;
	if (!u)
		return -ENOMEM;
	mutex_lock(&u->lock);
	undo_purge_locked(u);
	list_for_each(adj, &u->adjs, struct sem_adj, undo_link) {
		if (adj->set == s)
			*out = adj;
	}
	if (!*out)
		r = adj_make_locked(u, s, out);
	mutex_unlock(&u->lock);
	return r;
}

int sem_undo_share(struct task *t, struct task *child)
{
	struct sem_undo *u = undo_of(t);

	if (!u)
		return -ENOMEM;
	refcount_get(&u->refs);
	child->sem_undo = u;
	return 0;
}

static void undo_one(struct sem_adj *adj, int32_t pid)
{
	struct sem_set *s = adj->set;

	mutex_lock(&s->o.lock);
	if (!s->o.removed) {
		for (unsigned i = 0; i < s->n; i++) {
			int val = s->sems[i].val + adj->by[i];

			if (adj->by[i] == 0)
				continue;
			s->sems[i].val = (uint16_t)MAX(MIN(val, SEM_MAX), 0);
			s->sems[i].pid = pid;
		}
		s->otime = ipc_now();
		update_locked(s);
	}
	list_del(&adj->set_link);
	mutex_unlock(&s->o.lock);
}

void sem_undo_exit(struct task *t)
{
	struct sem_undo *u = t->sem_undo;

	t->sem_undo = NULL;
	if (!u || !refcount_put(&u->refs))
		return;
	while (!list_empty(&u->adjs)) {
		struct sem_adj *adj = list_first(&u->adjs, struct sem_adj, undo_link);

		list_del(&adj->undo_link);
		undo_one(adj, t->group->pid);
		adj_free(adj);
	}
	pool_free(&sem_undo_pool, u);
}

/* ---- semop ---- */

/* Sleeps until somebody has carried the call out. */
static int sem_wait(struct task *t, struct sem_set *s, struct sem_waiter *w, uint64_t deadline_ns)
{
	int r = 0;

	for (;;) {
		mutex_lock(&s->o.lock);
		if (w->done || r < 0) {
			if (w->done)
				r = w->result;
			else
				list_del(&w->link);
			mutex_unlock(&s->o.lock);
			return r;
		}
		waiter_prepare(&t->waiter);
		mutex_unlock(&s->o.lock);
		r = waiter_wait(&t->waiter, deadline_ns);
		if (r == -ETIMEDOUT)
			r = -EAGAIN;
		else if (r < 0)
			r = -EINTR; /* never restarted */
	}
}

static int sem_run(struct task *t, struct sem_set *s, struct sem_call *c, uint64_t deadline_ns)
{
	struct sem_waiter w = { .call = c, .waiter = &t->waiter };
	int r;

	mutex_lock(&s->o.lock);
	r = s->o.removed ? -EIDRM : perform_locked(s, c);
	if (r == 0)
		update_locked(s);
	if (r == 1)
		list_push_back(&s->waiters, &w.link);
	mutex_unlock(&s->o.lock);
	return r == 1 ? sem_wait(t, s, &w, deadline_ns) : r;
}

static int check_ops(struct task *t, struct sem_set *s, const struct abi_sembuf *ops, unsigned nops,
		     bool *undo)
{
	bool alters = false;
	int r;

	*undo = false;
	for (unsigned i = 0; i < nops; i++) {
		if (ops[i].num >= s->n)
			return -EFBIG;
		alters |= ops[i].op != 0;
		*undo |= (ops[i].flags & ABI_SEM_UNDO) != 0;
	}
	mutex_lock(&s->o.lock);
	r = ipc_permission(t, &s->o, alters ? 0222 : 0444);
	mutex_unlock(&s->o.lock);
	return r;
}

int sem_op(struct task *t, int id, const struct abi_sembuf *ops, unsigned nops,
	   uint64_t deadline_ns)
{
	struct sem_call c = { .ops = ops, .nops = nops, .pid = t->group->pid };
	struct ipc_object *o;
	bool undo;
	int r = ipc_find(sets(), id, false, &o);

	if (r < 0)
		return r;
	r = check_ops(t, set_of(o), ops, nops, &undo);
	if (r == 0 && undo)
		r = adj_get(t, set_of(o), &c.adj);
	if (r == 0)
		r = sem_run(t, set_of(o), &c, deadline_ns);
	ipc_put(o);
	return r;
}

/* ---- semctl ---- */

static void set_cut_locked(struct ipc_object *o)
{
	struct sem_set *s = set_of(o);

	while (!list_empty(&s->waiters))
		finish_locked(list_first(&s->waiters, struct sem_waiter, link), -EIDRM);
	while (!list_empty(&s->adjs))
		list_del(s->adjs.next);
	kmem_free(s->sems);
	s->sems = NULL;
}

int sem_remove(struct task *t, int id)
{
	return ipc_remove(sets(), t, id);
}

static void fill_locked(const struct sem_set *s, struct abi_semid *out)
{
	*out = (struct abi_semid){ .otime = s->otime, .ctime = s->o.ctime, .nsems = s->n };
	ipc_fill_perm(&s->o, &out->perm);
}

int sem_stat(struct task *t, int id, bool by_index, bool any, struct abi_semid *out)
{
	struct ipc_object *o;
	int r = ipc_find(sets(), id, by_index, &o);

	if (r < 0)
		return r;
	mutex_lock(&o->lock);
	r = o->removed ? -EIDRM : any ? 0 : ipc_permission(t, o, 0444);
	if (r == 0) {
		fill_locked(set_of(o), out);
		r = by_index ? o->id : 0;
	}
	mutex_unlock(&o->lock);
	ipc_put(o);
	return r;
}

int sem_set_perm(struct task *t, int id, const struct abi_ipc_perm *perm)
{
	struct ipc_object *o;
	int r = ipc_find(sets(), id, false, &o);

	if (r < 0)
		return r;
	mutex_lock(&o->lock);
	r = o->removed ? -EIDRM : ipc_set_perm(t, o, perm);
	mutex_unlock(&o->lock);
	ipc_put(o);
	return r;
}

/* Who waits for this semaphore: to rise, or to become 0. */
static int count_waiters_locked(const struct sem_set *s, int num, bool zero)
{
	int n = 0;

	list_for_each(w, &s->waiters, struct sem_waiter, link) {
		const struct abi_sembuf *b = w->call->blocking;

		n += b->num == num && (b->op == 0) == zero;
	}
	return n;
}

static int get_one_locked(const struct sem_set *s, int num, int cmd)
{
	switch (cmd) {
	case ABI_GETVAL:
		return s->sems[num].val;
	case ABI_GETPID:
		return pid_out(task_current(), s->sems[num].pid);
	case ABI_GETNCNT:
		return count_waiters_locked(s, num, false);
	default:
		return count_waiters_locked(s, num, true);
	}
}

int sem_get_one(struct task *t, int id, int num, int cmd)
{
	struct ipc_object *o;
	int r = ipc_use(sets(), t, id, 0444, &o);

	if (r < 0)
		return r;
	if (num < 0 || (unsigned)num >= set_of(o)->n)
		r = -EINVAL;
	else
		r = get_one_locked(set_of(o), num, cmd);
	ipc_unlock_put(o);
	return r;
}

/* A value that is set from outside is not to be undone by anybody. */
static void assign_locked(struct sem_set *s, unsigned num, int val, int32_t pid)
{
	s->sems[num].val = (uint16_t)val;
	s->sems[num].pid = pid;
	list_for_each(adj, &s->adjs, struct sem_adj, set_link)
		adj->by[num] = 0;
}

int sem_set_one(struct task *t, int id, int num, int val)
{
	struct ipc_object *o;
	int r;

	if (val < 0 || val > SEM_MAX)
		return -ERANGE;
	r = ipc_use(sets(), t, id, 0222, &o);
	if (r < 0)
		return r;
	if (num < 0 || (unsigned)num >= set_of(o)->n) {
		r = -EINVAL;
	} else {
		assign_locked(set_of(o), (unsigned)num, val, t->group->pid);
		o->ctime = ipc_now();
		update_locked(set_of(o));
	}
	ipc_unlock_put(o);
	return r;
}

int sem_get_all(struct task *t, int id, uint16_t **out, unsigned *n)
{
	struct ipc_object *o;
	struct sem_set *s;
	int r = ipc_use(sets(), t, id, 0444, &o);

	*out = NULL;
	if (r < 0)
		return r;
	s = set_of(o);
	*n = s->n;
	*out = kmem_alloc(s->n * sizeof(uint16_t));
	if (!*out)
		r = -ENOMEM;
	for (unsigned i = 0; r == 0 && i < s->n; i++)
		(*out)[i] = s->sems[i].val;
	ipc_unlock_put(o);
	return r;
}

int sem_count(struct task *t, int id)
{
	struct ipc_object *o;
	int r = ipc_use(sets(), t, id, 0222, &o);

	if (r < 0)
		return r;
	r = (int)set_of(o)->n;
	ipc_unlock_put(o);
	return r;
}

int sem_set_all(struct task *t, int id, const uint16_t *values, unsigned n)
{
	struct ipc_object *o;
	int r;

	for (unsigned i = 0; i < n; i++) {
		if (values[i] > SEM_MAX)
			return -ERANGE;
	}
	r = ipc_use(sets(), t, id, 0222, &o);
	if (r < 0)
		return r;
	if (n != set_of(o)->n) {
		r = -EINVAL;
	} else {
		for (unsigned i = 0; i < n; i++)
			assign_locked(set_of(o), i, values[i], t->group->pid);
		o->ctime = ipc_now();
		update_locked(set_of(o));
	}
	ipc_unlock_put(o);
	return r;
}

int sem_info(bool used, struct abi_seminfo *out)
{
	*out = (struct abi_seminfo){
		.semmap = SEM_ALL,
		.semmni = SEM_SETS,
		.semmns = SEM_ALL,
		.semmnu = SEM_ALL,
		.semmsl = SEM_PER_SET,
		.semopm = SEM_OPS,
		.semume = SEM_OPS,
		.semusz = 20,
		.semvmx = SEM_MAX,
		.semaem = SEM_MAX,
	};
	if (used) {
		mutex_lock(&sets()->lock);
		out->semusz = (int)sets()->used;
		mutex_unlock(&sets()->lock);
		out->semaem = (int)atomic_load(&all_sems);
	}
	return ipc_last_index(sets());
}

void sem_for_each(void (*fn)(int id, const struct abi_semid *s, void *arg), void *arg)
{
	struct abi_semid s;
	int last = ipc_last_index(sets());

	for (int i = 0; i <= last; i++) {
		int id = sem_stat(NULL, i, true, true, &s);

		if (id >= 0)
			fn(id, &s, arg);
	}
}
