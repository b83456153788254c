/*
 * Pending signals: a set of numbers, and entries that carry what siginfo shows.
 *
 *  1. A number is in q->set as long as the signal is pending; it may have no
 *     entry (the limit was reached): then it looks like kill(2) by nobody.
 *  2. Entries stand in order of arrival; standard signals have at most one,
 *     real-time signals any number.
 *  3. A POSIX timer owns one entry for life, so that its signal never meets
 *     the limit; an entry that is not queued points to itself.
 *  4. Every entry counts for the user that was the target's when it was made.
 *
 * Locks: the sighand.lock of the group that the queue belongs to.
 */
#include "base/pool.h"
#include "task/internal.h"
#include "task/user.h"

static POOL_DEFINE(sigqueue_pool, struct sigqueue_entry);

void sigqueue_init(struct sigqueue *q)
{
	list_init(&q->entries);
	q->set = 0;
}

static void entry_free(struct sigqueue_entry *e)
{
	user_uncharge(e->uid, USER_SIGPENDING, 1);
	pool_free(&sigqueue_pool, e);
}

void sigqueue_alloc(struct thread_group *g, uint32_t uid, bool over_limit,
		    struct sigqueue_entry **out)
{
	uint64_t limit = __atomic_load_n(&g->limits[RLIMIT_SIGPENDING_NR].cur, __ATOMIC_RELAXED);
	struct sigqueue_entry *e;

	*out = NULL;
	if (!user_charge(uid, USER_SIGPENDING, 1, over_limit ? ~(uint64_t)0 : limit))
		return;
	e = pool_alloc(&sigqueue_pool);
	if (!e) {
		user_uncharge(uid, USER_SIGPENDING, 1);
		return;
	}
	list_init(&e->link);
	e->uid = uid;
	*out = e;
}

void sigqueue_free_timer(struct sigqueue_entry *e)
{
	ASSERT(!e || list_empty(&e->link));
	if (e)
		entry_free(e);
}

void sigqueue_push(struct sigqueue *q, int signo, struct sigqueue_entry *e)
{
	q->set |= sigbit(signo);
	if (e)
		list_push_back(&q->entries, &e->link);
}

static void entry_drop(struct sigqueue_entry *e)
{
	list_del(&e->link);
	if (!e->timer)
		entry_free(e);
}

void sigqueue_take(struct sigqueue *q, int signo, struct ksiginfo *info, struct posix_timer **timer)
{
	struct sigqueue_entry *found = NULL;

	*timer = NULL;
	q->set &= ~sigbit(signo);
	list_for_each(e, &q->entries, struct sigqueue_entry, link) {
		if (e->info.signo != signo)
			continue;
		if (found) { /* one more stays */
			q->set |= sigbit(signo);
			break;
		}
		found = e;
	}
	if (!found) {
		*info = (struct ksiginfo){ .signo = signo, .code = SI_USER };
		return;
	}
	*info = found->info;
	*timer = found->timer;
	entry_drop(found);
}

int sigqueue_take_fault(struct sigqueue *q, sigmask_t set, struct ksiginfo *info)
{
	struct posix_timer *timer;

	if (!(q->set & set & SIGMASK_SYNC))
		return 0;
	list_for_each(e, &q->entries, struct sigqueue_entry, link) {
		int signo = e->info.signo;

		if (!(sigbit(signo) & set & SIGMASK_SYNC) || e->info.code <= SI_USER)
			continue;
		sigqueue_take(q, signo, info, &timer);
		return signo;
	}
	return 0;
}

void sigqueue_remove_timer(struct sigqueue *q, struct sigqueue_entry *e)
{
	if (list_empty(&e->link))
		return;
	list_del(&e->link);
	list_for_each(other, &q->entries, struct sigqueue_entry, link) {
		if (other->info.signo == e->info.signo)
			return;
	}
	q->set &= ~sigbit(e->info.signo);
}

void sigqueue_remove(struct sigqueue *q, sigmask_t mask)
{
	if (!(q->set & mask))
		return;
	q->set &= ~mask;
	list_for_each_safe(e, tmp, &q->entries, struct sigqueue_entry, link) {
		if (sigbit(e->info.signo) & mask)
			entry_drop(e);
	}
}

void sigqueue_flush(struct sigqueue *q)
{
	sigqueue_remove(q, ~(sigmask_t)0);
}
