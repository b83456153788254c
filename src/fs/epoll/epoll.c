/*
 * epoll(7).
 *
 *	epoll   interest list (items by file and number), ready list
 *	item    one watched file: queued on its wait queue(s)
 *
 * A wake puts the item on the ready list and wakes the epoll's waiters; it
 * runs under the watched queue's lock and takes only ep->ready_lock. A wait
 * takes the ready list as it is, asks each file for its state, and puts level
 * triggered ones that are ready back at the end: each item at most once a wait.
 * What is still on the list then wakes another waiter.
 *
 * Locks: epoll_lock (LOCK_EPOLL_ALL) guards the shape of all interest lists;
 * ep->lock one list and its scans; ep->ready_lock
 * (LOCK_EPOLL_READY) is taken inside any wait queue. An epoll that watches
 * another takes the other's ep->lock inside its own; loops are refused under
 * epoll_lock, so there is an order, though not one of ranks.
 */
#include "fs/epoll/epoll.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/htable.h"
#include "base/pool.h"

#define QUEUES_MAX 2
#define NEST_MAX 5
#define EP_PRIVATE (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP)

struct epoll {
	struct mutex lock;       /* unranked, see above: items, scans */
	struct list items;       /* [l] */
	struct htable by_file;   /* [l] the items, by file and number */
	struct mutex ready_lock; /* LOCK_WAITER */
	struct list ready;       /* [r] */
	unsigned nitems;         /* [l] */
	struct waitq waitq;      /* threads in a wait: one is woken at a time */
	struct waitq pollq;      /* who polls this one, epolls among them */
	struct file *file;       /* [I] borrowed: we are its private part */
};

struct item {
	struct list link;       /* [l] on epoll->items */
	struct hnode node;      /* [l] in epoll->by_file */
	struct list file_link;  /* [global] on file->epoll_items */
	struct list ready_link; /* [r] */
	struct epoll *ep;
	struct file *file; /* borrowed: it takes us along when it goes */
	int fd;
	uint32_t events; /* [l] 0 after a one-shot delivery */
	uint64_t data;   /* [l] */
	struct poll_table pt;
	struct item_queue {
		struct waitq_entry entry;
		struct waitq *q;
		struct item *item;
	} queues[QUEUES_MAX];
	unsigned nqueues;
};

POOL_DEFINE(epoll_pool, struct epoll);
POOL_DEFINE(item_pool, struct item);

static struct mutex epoll_lock = MUTEX_INIT(LOCK_EPOLL_ALL);
static const struct file_ops epoll_ops;

bool file_is_epoll(const struct file *f)
{
	return f->ops == &epoll_ops;
}

/* ---- readiness ---- */

static void item_set_ready(struct item *it)
{
	struct epoll *ep = it->ep;

	mutex_lock(&ep->ready_lock);
	if (list_empty(&it->ready_link))
		list_push_back(&ep->ready, &it->ready_link);
	mutex_unlock(&ep->ready_lock);
}

static void wake_waiters(struct epoll *ep)
{
	waitq_wake(&ep->waitq, EV_IN | EV_RDNORM);
	/* Queues nest here, an epoll inside an epoll: their locks are unranked;
	 * loops are refused, so it ends. */
	waitq_wake(&ep->pollq, EV_IN | EV_RDNORM);
}

static void item_woken(struct waitq_entry *e, uint32_t events UNUSED)
{
	struct item *it = container_of(e, struct item_queue, entry)->item;

	item_set_ready(it);
	wake_waiters(it->ep);
}

/* What it waits for; nothing at all: a one-shot that has been delivered. */
static uint32_t wanted(const struct item *it)
{
	return it->events & ~EP_PRIVATE;
}

static void item_add_queue(struct poll_table *pt, struct waitq *q)
{
	struct item *it = container_of(pt, struct item, pt);
	struct item_queue *iq;

	if (it->nqueues == QUEUES_MAX)
		return;
	iq = &it->queues[it->nqueues++];
	iq->item = it;
	iq->q = q;
	waitq_entry_init(&iq->entry, NULL, wanted(it));
	iq->entry.wake = item_woken;
	iq->entry.exclusive = it->events & EPOLLEXCLUSIVE;
	waitq_add(q, &iq->entry);
}

static uint32_t item_state(struct item *it, bool queue)
{
	uint32_t want = wanted(it);

	return want ? file_poll(it->file, queue ? &it->pt : NULL) & want : 0;
}

/* ---- the interest list ---- */

static uint64_t hash_of(const struct file *f, int fd)
{
	return hash_u64_keyed((uintptr_t)f ^ (uint64_t)(unsigned)fd << 48);
}

static struct item *item_find(struct epoll *ep, struct file *f, int fd)
{
	htable_for_each(n, &ep->by_file, hash_of(f, fd))
	{
		struct item *it = container_of(n, struct item, node);

		if (it->file == f && it->fd == fd)
			return it;
	}
	return NULL;
}

static void item_remove_locked(struct item *it)
{
	for (unsigned i = 0; i < it->nqueues; i++)
		waitq_remove(it->queues[i].q, &it->queues[i].entry);
	mutex_lock(&it->ep->ready_lock);
	list_del(&it->ready_link);
	mutex_unlock(&it->ep->ready_lock);
	htable_remove(&it->ep->by_file, &it->node);
	it->ep->nitems--;
	list_del(&it->link);
	list_del(&it->file_link);
	pool_free(&item_pool, it);
}

/* Does f lead back to ep, or nest too deep? => epoll_lock */
static int check_nesting(struct epoll *ep, struct file *f, unsigned depth)
{
	struct epoll *inner;

	if (!file_is_epoll(f))
		return 0;
	inner = f->priv;
	if (inner == ep || depth > NEST_MAX)
		return -ELOOP;
	list_for_each(it, &inner->items, struct item, link) {
		int r = check_nesting(ep, it->file, depth + 1);

		if (r < 0)
			return r;
	}
	return 0;
}

static int item_add(struct epoll *ep, struct file *f, int fd, const struct epoll_event *ev)
{
	struct item *it;
	int r = check_nesting(ep, f, 1);

	if (r < 0)
		return r;
	it = pool_alloc(&item_pool);
	if (!it)
		return -ENOMEM;
	it->ep = ep;
	it->file = f;
	it->fd = fd;
	it->events = ev->events | EPOLLERR | EPOLLHUP; /* always of interest */
	it->data = ev->data.u64;
	it->pt.add = item_add_queue;
	list_init(&it->ready_link);
	list_push_back(&ep->items, &it->link);
	htable_insert(&ep->by_file, &it->node, hash_of(f, fd));
	ep->nitems++;
	list_push_back(&f->epoll_items, &it->file_link);
	if (item_state(it, true)) {
		item_set_ready(it);
		wake_waiters(ep);
	}
	return 0;
}

static int item_modify(struct epoll *ep, struct item *it, const struct epoll_event *ev)
{
	if ((ev->events | it->events) & EPOLLEXCLUSIVE)
		return -EINVAL;
	it->events = ev->events | EPOLLERR | EPOLLHUP; /* always of interest */
	it->data = ev->data.u64;
	for (unsigned i = 0; i < it->nqueues; i++) {
		struct item_queue *iq = &it->queues[i];

		waitq_remove(iq->q, &iq->entry);
		iq->entry.events = wanted(it);
		waitq_add(iq->q, &iq->entry);
	}
	if (item_state(it, false)) {
		item_set_ready(it);
		wake_waiters(ep);
	}
	return 0;
}

int epoll_control(struct file *epf, int op, struct file *target, int fd,
		  const struct epoll_event *ev)
{
	struct epoll *ep = epf->priv;
	struct item *it;
	int r;

	if (!file_is_epoll(epf) || epf == target)
		return -EINVAL;
	if (!target->ops->poll)
		return -EPERM;
	if (op == EPOLL_CTL_ADD && (ev->events & EPOLLEXCLUSIVE) &&
	    ((ev->events & EPOLLONESHOT) || file_is_epoll(target)))
		return -EINVAL;
	mutex_lock(&epoll_lock);
	mutex_lock(&ep->lock);
	it = item_find(ep, target, fd);
	switch (op) {
	case EPOLL_CTL_ADD:
		r = it ? -EEXIST : item_add(ep, target, fd, ev);
		break;
	case EPOLL_CTL_DEL:
		r = it ? 0 : -ENOENT;
		if (it)
			item_remove_locked(it);
		break;
	case EPOLL_CTL_MOD:
		r = it ? item_modify(ep, it, ev) : -ENOENT;
		break;
	default:
		r = -EINVAL;
		break;
	}
	mutex_unlock(&ep->lock);
	mutex_unlock(&epoll_lock);
	return r;
}

static void file_is_going(struct file *f)
{
	mutex_lock(&epoll_lock);
	while (!list_empty(&f->epoll_items)) {
		struct item *it = list_first(&f->epoll_items, struct item, file_link);
		struct epoll *ep = it->ep;

		mutex_lock(&ep->lock);
		item_remove_locked(it);
		mutex_unlock(&ep->lock);
	}
	mutex_unlock(&epoll_lock);
}

/* ---- waiting ---- */

int epoll_count(const struct file *epf)
{
	const struct epoll *ep = epf->priv;

	return (int)MIN(READ_ONCE(ep->nitems), (unsigned)INT_MAX);
}

static struct item *take_first(struct epoll *ep, struct list *from)
{
	struct item *it = NULL;

	mutex_lock(&ep->ready_lock);
	if (!list_empty(from)) {
		it = list_first(from, struct item, ready_link);
		list_del(&it->ready_link);
	}
	mutex_unlock(&ep->ready_lock);
	return it;
}

/* Unless a wake has put it on the ready list since it was taken. */
static void put_last(struct epoll *ep, struct list *to, struct item *it)
{
	mutex_lock(&ep->ready_lock);
	if (list_empty(&it->ready_link))
		list_push_back(to, &it->ready_link);
	mutex_unlock(&ep->ready_lock);
}

/* A scan: everything ready is taken; what it did not come to goes first in the
 * next one, what is ready still goes last. */
static void scan_begin(struct epoll *ep, struct list *scan)
{
	mutex_lock(&ep->ready_lock);
	list_splice_back(scan, &ep->ready);
	mutex_unlock(&ep->ready_lock);
}

static void scan_end(struct epoll *ep, struct list *scan, struct list *again)
{
	mutex_lock(&ep->ready_lock);
	list_splice_back(scan, &ep->ready);
	list_splice_back(scan, again);
	list_splice_back(&ep->ready, scan);
	mutex_unlock(&ep->ready_lock);
}

static int collect(struct epoll *ep, struct epoll_event *out, int max)
{
	struct list scan = LIST_INIT(scan), again = LIST_INIT(again);
	struct item *it;
	int n = 0;

	mutex_lock(&ep->lock);
	scan_begin(ep, &scan);
	while (n < max && (it = take_first(ep, &scan))) {
		uint32_t ev = item_state(it, false);

		if (!ev)
			continue;
		out[n].events = ev;
		out[n++].data.u64 = it->data;
		if (it->events & EPOLLONESHOT)
			it->events &= EP_PRIVATE;
		else if (!(it->events & EPOLLET))
			put_last(ep, &again, it);
	}
	scan_end(ep, &scan, &again);
	mutex_unlock(&ep->lock);
	return n;
}

/* Something is on the ready list: the next waiter looks. */
static void pass_on(struct epoll *ep)
{
	bool more;

	mutex_lock(&ep->ready_lock);
	more = !list_empty(&ep->ready);
	mutex_unlock(&ep->ready_lock);
	if (more)
		waitq_wake(&ep->waitq, EV_IN | EV_RDNORM);
}

int epoll_wait_events(struct file *epf, struct epoll_event *out, int max, uint64_t deadline_ns,
		      const struct vfs_ctx *ctx)
{
	struct epoll *ep = epf->priv;
	struct waitq_entry e;
	int n = collect(ep, out, max), r = 0;

	if (n || deadline_ns == 0) {
		pass_on(ep);
		return n;
	}
	waitq_entry_init(&e, ctx->waiter, EV_IN);
	e.exclusive = true;
	waitq_add(&ep->waitq, &e);
	for (;;) {
		waiter_prepare(ctx->waiter);
		n = collect(ep, out, max);
		if (n)
			break;
		r = waiter_wait(ctx->waiter, deadline_ns);
		if (r < 0) {
			n = collect(ep, out, max);
			break;
		}
	}
	waitq_remove(&ep->waitq, &e);
	pass_on(ep);
	if (n)
		return n;
	return r == -ETIMEDOUT ? 0 : r;
}

/* ---- the file ---- */

/* Is anything ready, really? Items that are not leave the list. */
static uint32_t epoll_poll(struct file *f, struct poll_table *pt)
{
	struct list scan = LIST_INIT(scan), again = LIST_INIT(again);
	struct epoll *ep = f->priv;
	struct item *it = NULL;

	poll_wait(pt, &ep->pollq);
	mutex_lock(&ep->lock);
	scan_begin(ep, &scan);
	while ((it = take_first(ep, &scan)) && !item_state(it, false))
		;
	if (it)
		put_last(ep, &again, it);
	mutex_lock(&ep->ready_lock);
	list_splice_back(&again, &scan);
	list_splice_back(&again, &ep->ready);
	list_splice_back(&ep->ready, &again);
	mutex_unlock(&ep->ready_lock);
	mutex_unlock(&ep->lock);
	return it ? EV_IN | EV_RDNORM : 0;
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = f->priv;

	mutex_lock(&epoll_lock);
	mutex_lock(&ep->lock);
	while (!list_empty(&ep->items))
		item_remove_locked(list_first(&ep->items, struct item, link));
	mutex_unlock(&ep->lock);
	mutex_unlock(&epoll_lock);
	htable_fini(&ep->by_file);
	pool_free(&epoll_pool, ep);
}

static const struct file_ops epoll_ops = {
	.name = "eventpoll",
	.release = epoll_release,
	.poll = epoll_poll,
};

int epoll_create_file(const struct cred *cred, struct file **out)
{
	struct epoll *ep = pool_alloc(&epoll_pool);
	int r;

	*out = NULL;
	if (!ep)
		return -ENOMEM;
	mutex_init(&ep->lock, LOCK_NONE);
	mutex_init(&ep->ready_lock, LOCK_EPOLL_READY);
	list_init(&ep->items);
	htable_init(&ep->by_file);
	list_init(&ep->ready);
	waitq_init(&ep->waitq);
	waitq_init(&ep->pollq);
	mutex_init(&ep->waitq.lock, LOCK_NONE);
	mutex_init(&ep->pollq.lock, LOCK_NONE);
	r = file_create_anon(&epoll_ops, ep, O_RDWR, 0, cred, out);
	if (r < 0)
		pool_free(&epoll_pool, ep);
	else
		ep->file = *out;
	return r;
}

void epoll_init(void)
{
	vfs_file_going = file_is_going;
}
