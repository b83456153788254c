/*
 * File locks: flock(2), POSIX record locks and OFD locks (fcntl(2)).
 *
 * Model. Each inode that was ever locked has a list with two kinds of locks:
 *
 *	flock    whole file; owner: the open file description
 *	record   byte ranges, per owner sorted and never overlapping; owner: the
 *	         process (its descriptor table) for POSIX, the open file
 *	         description for OFD: one list, since they conflict
 *
 * Setting a range first makes sure that the memory for the worst case is there
 * (two new locks: a split and the range itself), then cuts the owner's locks
 * out of the range and inserts the new one, merged with its neighbours of the
 * same type.
 *
 * Waiting. A blocked request sleeps on the list's queue, and all are woken at
 * every release to try again. A blocked POSIX request is on the list of blocked
 * with the owner that it waits for; before sleeping, the chain of these is
 * followed: if it comes back to the requester, -EDEADLK. OFD locks and flock
 * are not looked at, as in Linux. Whoever gives locks up takes those that wait
 * for it off that list, under the same lock: until they run and try again they
 * wait for nobody, and must not make a deadlock of a chain that is no more.
 *
 * Lock: one mutex for all lists: they are short, and the chain spans inodes.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>

#include "base/fault.h"
#include "vfs/internal.h"

#define CHAIN_MAX 64

struct flock_lock {
	struct list link;
	const struct file *owner;
	bool exclusive;
};

struct record {
	struct list link;
	const void *owner;
	uint64_t start, end; /* inclusive */
	uint32_t pid;
	int16_t type; /* F_RDLCK, F_WRLCK */
	bool ofd;
};

struct file_lock_list {
	struct list flocks;  /* [filelock] struct flock_lock */
	struct list records; /* [filelock] struct record, by owner, then start */
	struct waitq waitq;
};

/* A POSIX request that sleeps; on its thread's stack. */
struct blocked {
	struct list link;
	const struct file_lock_list *on;
	const void *owner, *waits_for;
};

static struct mutex filelock = MUTEX_INIT(LOCK_VFS_FILELOCK);
static struct list blocked_list = LIST_INIT(blocked_list);

static POOL_DEFINE(lock_list_pool, struct file_lock_list);
static POOL_DEFINE(flock_pool, struct flock_lock);
static POOL_DEFINE(record_pool, struct record);

/* ---- lists ---- */

static struct file_lock_list *list_of(struct inode *inode)
{
	return atomic_load_explicit(&inode->locks, memory_order_acquire);
}

static struct file_lock_list *list_make(struct inode *inode)
{
	struct file_lock_list *l = list_of(inode);
	void *expected = NULL;

	if (l)
		return l;
	l = pool_alloc(&lock_list_pool);
	if (!l)
		return NULL;
	list_init(&l->flocks);
	list_init(&l->records);
	waitq_init(&l->waitq);
	if (!atomic_compare_exchange_strong(&inode->locks, &expected, l)) {
		pool_free(&lock_list_pool, l);
		l = expected;
	}
	return l;
}

void lock_list_destroy(struct file_lock_list *l)
{
	if (!l)
		return;
	ASSERT(list_empty(&l->flocks));
	/* An owner that never closed (a descriptor table given up by force). */
	list_for_each_safe(r, tmp, &l->records, struct record, link) {
		list_del(&r->link);
		pool_free(&record_pool, r);
	}
	pool_free(&lock_list_pool, l);
}

/* Sleeps until the list changes. The entry is queued already. */
static int wait_for_change(struct waiter *w)
{
	return waiter_wait(w, PARK_FOREVER);
}

/* ---- flock ---- */

static struct flock_lock *flock_find(struct file_lock_list *l, const struct file *f)
{
	list_for_each(fl, &l->flocks, struct flock_lock, link) {
		if (fl->owner == f)
			return fl;
	}
	return NULL;
}

static bool flock_conflicts(struct file_lock_list *l, const struct file *f, bool exclusive)
{
	list_for_each(fl, &l->flocks, struct flock_lock, link) {
		if (fl->owner != f && (exclusive || fl->exclusive))
			return true;
	}
	return false;
}

static bool flock_drop_locked(struct file_lock_list *l, const struct file *f)
{
	struct flock_lock *fl = flock_find(l, f);

	if (!fl)
		return false;
	list_del(&fl->link);
	pool_free(&flock_pool, fl);
	return true;
}

/* One try. *spare is used up when a lock is added. Converting a lock gives the
 * old one up first, as Linux does: it is not atomic. */
static int flock_try(struct file_lock_list *l, struct file *f, bool exclusive,
		     struct flock_lock **spare)
{
	struct flock_lock *mine;
	bool dropped = false;
	int r = 0;

	mutex_lock(&filelock);
	mine = flock_find(l, f);
	if (mine && mine->exclusive == exclusive)
		goto out_unlock;
	if (mine)
		dropped = flock_drop_locked(l, f);
	if (flock_conflicts(l, f, exclusive)) {
		r = -EWOULDBLOCK;
		goto out_unlock;
	}
	(*spare)->owner = f;
	(*spare)->exclusive = exclusive;
	list_push_back(&l->flocks, &(*spare)->link);
	*spare = NULL;
out_unlock:
	mutex_unlock(&filelock);
	if (dropped)
		waitq_wake_all(&l->waitq, EV_ALL);
	return r;
}

static int flock_set(struct file_lock_list *l, struct file *f, bool exclusive, bool wait,
		     struct waiter *w)
{
	struct flock_lock *spare = pool_alloc(&flock_pool);
	struct waitq_entry e;
	int r;

	if (!spare)
		return -ENOLCK;
	if (!wait) {
		r = flock_try(l, f, exclusive, &spare);
		pool_free(&flock_pool, spare);
		return r;
	}
	waitq_entry_init(&e, w, EV_ALL);
	waitq_add(&l->waitq, &e);
	for (;;) {
		waiter_prepare(w);
		r = flock_try(l, f, exclusive, &spare);
		if (r != -EWOULDBLOCK)
			break;
		r = wait_for_change(w);
		if (r < 0)
			break;
	}
	waitq_remove(&l->waitq, &e);
	pool_free(&flock_pool, spare);
	return r;
}

static void flock_unlock(struct file_lock_list *l, struct file *f)
{
	bool dropped;

	mutex_lock(&filelock);
	dropped = flock_drop_locked(l, f);
	mutex_unlock(&filelock);
	if (dropped)
		waitq_wake_all(&l->waitq, EV_ALL);
}

int vfs_flock(struct file *f, int op, const struct vfs_ctx *ctx)
{
	struct file_lock_list *l;
	int kind = op & ~LOCK_NB;

	if (atomic_load(&f->flags) & O_PATH)
		return -EBADF;
	if (kind != LOCK_SH && kind != LOCK_EX && kind != LOCK_UN)
		return -EINVAL;
	l = list_make(f->inode);
	if (!l)
		return -ENOLCK;
	if (kind == LOCK_UN) {
		flock_unlock(l, f);
		return 0;
	}
	return flock_set(l, f, kind == LOCK_EX, !(op & LOCK_NB), ctx->waiter);
}

/* ---- deadlocks ---- */

static const void *blocked_on(const void *owner)
{
	list_for_each(b, &blocked_list, struct blocked, link) {
		if (b->owner == owner)
			return b->waits_for;
	}
	return NULL;
}

static bool would_deadlock(const void *owner, const void *holder)
{
	for (unsigned i = 0; holder && i < CHAIN_MAX; i++) {
		if (holder == owner)
			return true;
		holder = blocked_on(holder);
	}
	return false;
}

/* Locks of `holder` on l went: those that wait for them are about to be woken. */
static void unblock_waiters_locked(const struct file_lock_list *l, const void *holder)
{
	list_for_each_safe(b, tmp, &blocked_list, struct blocked, link) {
		if (b->on == l && b->waits_for == holder)
			list_del(&b->link);
	}
}

/* ---- record locks ---- */

static const struct record *record_conflict(struct file_lock_list *l, const void *owner,
					    const struct flock_range *want)
{
	list_for_each(r, &l->records, struct record, link) {
		if (r->owner != owner && r->start <= want->end && want->start <= r->end &&
		    (r->type == F_WRLCK || want->type == F_WRLCK))
			return r;
	}
	return NULL;
}

/* Memory for one change: at most a split and the new lock. */
struct spares {
	struct record *rec[2];
};

static int spares_get(struct spares *s)
{
	s->rec[0] = pool_alloc(&record_pool);
	s->rec[1] = pool_alloc(&record_pool);
	if (s->rec[0] && s->rec[1])
		return 0;
	pool_free(&record_pool, s->rec[0]);
	pool_free(&record_pool, s->rec[1]);
	return -ENOLCK;
}

static void spares_put(struct spares *s)
{
	pool_free(&record_pool, s->rec[0]);
	pool_free(&record_pool, s->rec[1]);
}

static struct record *spares_take(struct spares *s)
{
	unsigned i = s->rec[0] ? 0 : 1;
	struct record *r = s->rec[i];

	ASSERT(r);
	s->rec[i] = NULL;
	return r;
}

/* Removes [start, end] from the owner's locks. True when something went. */
static bool records_cut(struct file_lock_list *l, const void *owner, uint64_t start, uint64_t end,
			struct spares *s)
{
	bool changed = false;

	list_for_each_safe(r, tmp, &l->records, struct record, link) {
		if (r->owner != owner || r->end < start || end < r->start)
			continue;
		changed = true;
		if (r->start < start && r->end > end) {
			struct record *back = spares_take(s);

			*back = *r;
			back->start = end + 1;
			r->end = start - 1;
			list_insert_between(&back->link, &r->link, r->link.next);
		} else if (r->start < start) {
			r->end = start - 1;
		} else if (r->end > end) {
			r->start = end + 1;
		} else {
			list_del(&r->link);
			pool_free(&record_pool, r);
		}
	}
	if (changed)
		unblock_waiters_locked(l, owner);
	return changed;
}

/* Joins `mine` with the owner's neighbours of the same type. */
static void record_merge(struct file_lock_list *l, struct record *mine)
{
	list_for_each_safe(r, tmp, &l->records, struct record, link) {
		if (r == mine || r->owner != mine->owner || r->type != mine->type)
			continue;
		if (r->end + 1 == mine->start && r->end != UINT64_MAX)
			mine->start = r->start;
		else if (mine->end + 1 == r->start && mine->end != UINT64_MAX)
			mine->end = r->end;
		else
			continue;
		list_del(&r->link);
		pool_free(&record_pool, r);
	}
}

static void record_add(struct file_lock_list *l, const void *owner, const struct flock_range *want,
		       bool ofd, struct spares *s)
{
	struct record *r = spares_take(s);

	r->owner = owner;
	r->start = want->start;
	r->end = want->end;
	r->pid = ofd ? UINT32_MAX : want->pid;
	r->type = want->type;
	r->ofd = ofd;
	list_push_back(&l->records, &r->link);
	record_merge(l, r);
}

/* ---- setting ---- */

struct request {
	struct file_lock_list *l;
	const void *owner;
	const struct flock_range *want;
	bool ofd, wait;
	struct spares spares;
	struct blocked blocked; /* [filelock] */
};

/* One try: 0 done (*changed: others may go on), -EAGAIN, -EDEADLK. */
static int request_try(struct request *rq, bool *changed)
{
	const struct record *conflict = NULL;
	int r = 0;

	*changed = false;
	mutex_lock(&filelock);
	list_del(&rq->blocked.link);
	if (rq->want->type != F_UNLCK)
		conflict = record_conflict(rq->l, rq->owner, rq->want);
	if (!conflict) {
		*changed =
			records_cut(rq->l, rq->owner, rq->want->start, rq->want->end, &rq->spares);
		if (rq->want->type != F_UNLCK)
			record_add(rq->l, rq->owner, rq->want, rq->ofd, &rq->spares);
	} else if (rq->wait && !rq->ofd && !conflict->ofd &&
		   would_deadlock(rq->owner, conflict->owner)) {
		r = -EDEADLK;
	} else {
		r = -EAGAIN;
		if (rq->wait && !rq->ofd && !conflict->ofd) {
			rq->blocked.waits_for = conflict->owner;
			list_push_back(&blocked_list, &rq->blocked.link);
		}
	}
	mutex_unlock(&filelock);
	return r;
}

static int request_run(struct request *rq, struct waiter *w)
{
	struct waitq_entry e;
	bool changed;
	int r;

	if (!rq->wait) {
		r = request_try(rq, &changed);
		if (changed)
			waitq_wake_all(&rq->l->waitq, EV_ALL);
		return r;
	}
	waitq_entry_init(&e, w, EV_ALL);
	waitq_add(&rq->l->waitq, &e);
	for (;;) {
		waiter_prepare(w);
		r = request_try(rq, &changed);
		if (r != -EAGAIN)
			break;
		r = wait_for_change(w);
		if (r < 0)
			break;
	}
	waitq_remove(&rq->l->waitq, &e);
	mutex_lock(&filelock);
	list_del(&rq->blocked.link);
	mutex_unlock(&filelock);
	if (changed)
		waitq_wake_all(&rq->l->waitq, EV_ALL);
	return r;
}

int vfs_setlk(struct file *f, struct flock_range *range, bool wait, bool ofd,
	      const struct vfs_ctx *ctx)
{
	struct request rq = { .want = range, .wait = wait, .ofd = ofd };
	int r;

	if (range->type != F_RDLCK && range->type != F_WRLCK && range->type != F_UNLCK)
		return -EINVAL;
	if (range->start > range->end)
		return -EINVAL;
	if ((range->type == F_RDLCK && !file_may_read(f)) ||
	    (range->type == F_WRLCK && !file_may_write(f)))
		return -EBADF;
	rq.l = range->type == F_UNLCK ? list_of(f->inode) : list_make(f->inode);
	if (!rq.l)
		return range->type == F_UNLCK ? 0 : -ENOLCK;
	rq.owner = ofd ? (const void *)f : ctx->owner;
	rq.blocked.owner = rq.owner;
	rq.blocked.on = rq.l;
	list_init(&rq.blocked.link);
	range->pid = ctx->pid;
	r = spares_get(&rq.spares);
	if (r < 0)
		return r;
	r = request_run(&rq, ctx->waiter);
	spares_put(&rq.spares);
	return r;
}

int vfs_getlk(struct file *f, struct flock_range *range, bool ofd, const struct vfs_ctx *ctx)
{
	struct file_lock_list *l = list_of(f->inode);
	const struct record *conflict = NULL;

	if ((range->type != F_RDLCK && range->type != F_WRLCK) || range->start > range->end)
		return -EINVAL;
	mutex_lock(&filelock);
	if (l)
		conflict = record_conflict(l, ofd ? (const void *)f : ctx->owner, range);
	if (conflict) {
		range->type = conflict->type;
		range->start = conflict->start;
		range->end = conflict->end;
		range->pid = conflict->pid;
	} else {
		range->type = F_UNLCK;
	}
	mutex_unlock(&filelock);
	return 0;
}

/* ---- giving up ---- */

static void drop_records(struct file_lock_list *l, const void *owner)
{
	bool dropped = false;

	mutex_lock(&filelock);
	list_for_each_safe(r, tmp, &l->records, struct record, link) {
		if (r->owner != owner)
			continue;
		list_del(&r->link);
		pool_free(&record_pool, r);
		dropped = true;
	}
	if (dropped)
		unblock_waiters_locked(l, owner);
	mutex_unlock(&filelock);
	if (dropped)
		waitq_wake_all(&l->waitq, EV_ALL);
}

void vfs_locks_drop_owner(struct file *f, const void *owner)
{
	struct file_lock_list *l = list_of(f->inode);

	if (l)
		drop_records(l, owner);
}

void lock_file_gone(struct file *f)
{
	struct file_lock_list *l = list_of(f->inode);

	if (!l)
		return;
	flock_unlock(l, f);
	drop_records(l, f);
}
