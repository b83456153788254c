/*
 * Messages and who waits for them: mq_send(3), mq_receive(3), mq_notify(3).
 *
 * Locks: mqueue.lock (LOCK_FILE). Waiters are woken with it held: they cannot go away
 * before. Notifications go out after it.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "abi/mqueue.h"
#include "fs/mqueue/internal.h"

struct mq_waiter {
	struct list link; /* [l] */
	struct waiter *waiter;
	struct mqueue_msg *msg; /* a sender's; or what a receiver got */
	bool done;              /* [l] off the list */
};

/* A notification on its way. */
struct notification {
	struct thread_group *to; /* NULL: none */
	struct mqueue_notice notice;
};

static atomic_ulong all_bytes; /* of all messages */

void mqueue_setup(struct mqueue *q, int64_t maxmsg, int64_t msgsize)
{
	mutex_init(&q->lock, LOCK_FILE);
	waitq_init(&q->waitq);
	list_init(&q->msgs);
	list_init(&q->senders);
	list_init(&q->receivers);
	q->maxmsg = maxmsg;
	q->msgsize = msgsize;
}

/* ---- messages ---- */

void mqueue_msg_free(struct mqueue_msg *m)
{
	if (m)
		atomic_fetch_sub(&all_bytes, m->size + sizeof(*m));
	kmem_free(m);
}

static bool may(const struct file *f, unsigned mode)
{
	unsigned have = atomic_load(&f->flags) & O_ACCMODE;

	return have == O_RDWR || have == mode;
}

int mqueue_msg_create(struct file *f, size_t size, struct mqueue_msg **out)
{
	struct mqueue *q;
	struct mqueue_msg *m = NULL;
	int r = mqueue_of_file(f, &q);

	if (r < 0)
		return r;
	if (!may(f, O_WRONLY))
		return -EBADF;
	if (size > (size_t)q->msgsize)
		return -EMSGSIZE;
	if (atomic_fetch_add(&all_bytes, size + sizeof(*m)) <= MQUEUE_ALL_BYTES)
		m = kmem_alloc(sizeof(*m) + size);
	if (!m) {
		atomic_fetch_sub(&all_bytes, size + sizeof(*m));
		return -ENOMEM;
	}
	list_init(&m->link);
	m->prio = 0;
	m->size = size;
	*out = m;
	return 0;
}

/* Behind all that are as urgent: from the end, where most belong. */
static void insert_locked(struct mqueue *q, struct mqueue_msg *m)
{
	struct list *at = q->msgs.prev;

	while (at != &q->msgs && container_of(at, struct mqueue_msg, link)->prio < m->prio)
		at = at->prev;
	list_insert_between(&m->link, at, at->next);
	q->count++;
	q->bytes += m->size;
}

static struct mqueue_msg *take_first_locked(struct mqueue *q)
{
	struct mqueue_msg *m = list_first(&q->msgs, struct mqueue_msg, link);

	list_del(&m->link);
	q->count--;
	q->bytes -= m->size;
	return m;
}

static void touch_locked(struct mqueue *q)
{
	q->atime = q->mtime = q->ctime = mqueue_now();
}

/* ---- notification ---- */

/* Nobody is to be told any more; who was is in *out. */
static void detach_locked(struct mqueue *q, struct notification *out)
{
	out->to = q->notified;
	out->notice = q->notice;
	q->notified = NULL;
}

static void deliver_cookie(struct notification *n, uint8_t why)
{
	n->notice.cookie[ABI_MQ_COOKIE_SIZE - 1] = why;
	n->notice.port->deliver(n->notice.port_arg, n->notice.cookie, ABI_MQ_COOKIE_SIZE);
}

static void finish(struct notification *n)
{
	if (n->to && n->notice.how == SIGEV_THREAD)
		n->notice.port->release(n->notice.port_arg);
	group_put(n->to);
	n->to = NULL;
}

/* The message came from t. */
static void fire(struct notification *n, const struct task *t)
{
	const struct ksiginfo info = { .signo = n->notice.signo,
				       .code = ABI_SI_MESGQ,
				       .pid = t->group->own_pid,
				       .uid = t->cred->uid,
				       .value = n->notice.value };

	if (!n->to)
		return;
	if (n->notice.how == SIGEV_SIGNAL && info.signo)
		(void)signal_send_group(n->to, &info);
	else if (n->notice.how == SIGEV_THREAD)
		deliver_cookie(n, ABI_MQ_WOKEN_UP);
	finish(n);
}

static void remove_notice(struct notification *n)
{
	if (n->to && n->notice.how == SIGEV_THREAD)
		deliver_cookie(n, ABI_MQ_REMOVED);
	finish(n);
}

void mqueue_leave(struct mqueue *q, const struct task *t)
{
	struct notification n = { .to = NULL };

	mutex_lock(&q->lock);
	if (t && q->notified == t->group)
		detach_locked(q, &n);
	mutex_unlock(&q->lock);
	remove_notice(&n);
}

int mqueue_notify(struct task *t, struct file *f, const struct mqueue_notice *notice)
{
	struct notification old = { .to = NULL };
	struct mqueue *q;
	int r = mqueue_of_file(f, &q);

	if (r < 0)
		return r;
	mutex_lock(&q->lock);
	if (!notice) {
		if (q->notified == t->group)
			detach_locked(q, &old);
	} else if (q->notified) {
		r = -EBUSY;
	} else {
		group_get(t->group);
		q->notified = t->group;
		q->notice = *notice;
		q->atime = q->ctime = mqueue_now();
	}
	mutex_unlock(&q->lock);
	remove_notice(&old);
	return r;
}

void mqueue_teardown(struct mqueue *q)
{
	struct notification n;

	while (!list_empty(&q->msgs))
		mqueue_msg_free(take_first_locked(q));
	detach_locked(q, &n);
	finish(&n);
}

/* ---- waiting ---- */

static void finish_locked(struct mq_waiter *w)
{
	list_del(&w->link);
	w->done = true;
	waiter_wake(w->waiter);
}

/* May drop and retake the queue's lock. 0: somebody has done it for w. */
LOCKS_UNCHECKED static int wait_relock(struct task *t, struct mqueue *q, struct list *waiters,
				       struct mq_waiter *w, uint64_t deadline_ns)
{
	int r = 0;

	w->waiter = &t->waiter;
	list_push_back(waiters, &w->link);
	while (!w->done && r == 0) {
		waiter_prepare(&t->waiter);
		mutex_unlock(&q->lock);
		r = waiter_wait(&t->waiter, deadline_ns);
		mutex_lock(&q->lock);
	}
	if (w->done)
		return 0;
	list_del(&w->link);
	return r;
}

static bool is_nonblocking(const struct file *f)
{
	return atomic_load(&f->flags) & O_NONBLOCK;
}

/* There is room: to a receiver that waits, or onto the queue. */
static void send_locked(struct mqueue *q, struct mqueue_msg *m, struct notification *n)
{
	struct mq_waiter *w;

	if (!list_empty(&q->receivers)) {
		w = list_first(&q->receivers, struct mq_waiter, link);
		w->msg = m;
		finish_locked(w);
	} else {
		insert_locked(q, m);
		if (q->count == 1)
			detach_locked(q, n);
	}
	touch_locked(q);
}

int mqueue_send(struct task *t, struct file *f, struct mqueue_msg *m, uint64_t deadline_ns)
{
	struct notification n = { .to = NULL };
	struct mq_waiter w = { .msg = m };
	struct mqueue *q;
	int r = mqueue_of_file(f, &q);

	if (r < 0)
		return r;
	mutex_lock(&q->lock);
	if (q->count < q->maxmsg)
		send_locked(q, m, &n);
	else if (is_nonblocking(f))
		r = -EAGAIN;
	else
		r = wait_relock(t, q, &q->senders, &w, deadline_ns);
	mutex_unlock(&q->lock);
	fire(&n, t);
	if (r == 0)
		waitq_wake(&q->waitq, EV_IN | EV_RDNORM);
	return r;
}

/* There is one: its room goes to the first sender that waits. */
static struct mqueue_msg *receive_locked(struct mqueue *q)
{
	struct mqueue_msg *m = take_first_locked(q);
	struct mq_waiter *w;

	if (!list_empty(&q->senders)) {
		w = list_first(&q->senders, struct mq_waiter, link);
		insert_locked(q, w->msg);
		finish_locked(w);
	}
	touch_locked(q);
	return m;
}

int mqueue_receive(struct task *t, struct file *f, size_t size, uint64_t deadline_ns,
		   struct mqueue_msg **out)
{
	struct mq_waiter w = { .msg = NULL };
	struct mqueue *q;
	int r = mqueue_of_file(f, &q);

	if (r == 0 && !may(f, O_RDONLY))
		r = -EBADF;
	if (r < 0)
		return r;
	if (size < (size_t)q->msgsize)
		return -EMSGSIZE;
	mutex_lock(&q->lock);
	if (q->count)
		w.msg = receive_locked(q);
	else if (is_nonblocking(f))
		r = -EAGAIN;
	else
		r = wait_relock(t, q, &q->receivers, &w, deadline_ns);
	mutex_unlock(&q->lock);
	if (r == 0)
		waitq_wake(&q->waitq, EV_OUT | EV_WRNORM);
	*out = w.msg;
	return r;
}

int mqueue_get_state(struct file *f, struct mqueue_state *out)
{
	struct mqueue *q;
	int r = mqueue_of_file(f, &q);

	if (r < 0)
		return r;
	mutex_lock(&q->lock);
	*out = (struct mqueue_state){ q->maxmsg, q->msgsize, q->count };
	mutex_unlock(&q->lock);
	return 0;
}
