/*
 * Message queues: msgop(2).
 *
 * Receivers that find nothing wait on the queue in order of arrival; a sender
 * looks for one that wants its message and hands it over, so that none is
 * overtaken. Senders that find no room wait for any change and look again.
 *
 * Locks: queue.o.lock (LOCK_IPC_OBJECT). Receivers are woken with it held: they
 * cannot go away before.
 */
#include <string.h>

#include "ipc/internal.h"

struct msg {
	struct list link; /* [q] */
	int64_t type;
	size_t size;
	void *text; /* kmem; NULL when size is 0 */
};

struct msg_queue {
	struct ipc_object o;
	struct list msgs, receivers;        /* [o] */
	struct waitq room_waitq;            /* senders */
	uint64_t bytes, count, bytes_max;   /* [o] */
	int64_t stime, rtime;               /* [o] */
	int32_t last_sender, last_receiver; /* [o] */
};

/* What a receiver wants. */
struct msg_wish {
	int64_t type;
	int flags;
	size_t size;
};

struct msg_receiver {
	struct list link; /* [q] */
	const struct msg_wish *wish;
	struct waiter *waiter;
	int32_t pid;
	bool done; /* [q] off the list; msg or error says how */
	struct msg *msg;
	int error;
};

static atomic_ulong all_bytes; /* in all queues */

static struct msg_queue *queue_of(struct ipc_object *o)
{
	return container_of(o, struct msg_queue, o);
}

static void msg_free(struct msg *m)
{
	if (!m)
		return;
	atomic_fetch_sub(&all_bytes, m->size + sizeof(*m));
	kmem_free(m->text);
	kmem_free(m);
}

static void queue_destroy(struct ipc_object *o)
{
	struct msg_queue *q = queue_of(o);

	while (!list_empty(&q->msgs)) {
		struct msg *m = list_first(&q->msgs, struct msg, link);

		list_del(&m->link);
		msg_free(m);
	}
	kmem_free(q);
}

static void queue_cut_locked(struct ipc_object *o);

const struct ipc_kind msg_kind = { .max = MSG_QUEUES,
				   .cut_locked = queue_cut_locked,
				   .destroy = queue_destroy };

static struct ipc_table *queues(void)
{
	return ipc_table_of(IPC_KIND_MSG);
}

/* ---- msgget ---- */

static int queue_make(const void *arg UNUSED, struct ipc_object **out)
{
	struct msg_queue *q = kmem_zalloc(sizeof(*q));

	if (!q)
		return -ENOMEM;
	list_init(&q->msgs);
	list_init(&q->receivers);
	waitq_init(&q->room_waitq);
	q->bytes_max = MSG_QUEUE_BYTES;
	*out = &q->o;
	return 0;
}

int msg_get(struct task *t, int32_t key, int flags)
{
	static const struct ipc_maker maker = { queue_make, NULL, NULL };

	return ipc_get(queues(), t, key, flags, &maker);
}

/* ---- choosing ---- */

static bool wants(const struct msg_wish *w, int64_t type)
{
	if (w->type == 0)
		return true;
	if (w->type > 0)
		return (type == w->type) == !(w->flags & ABI_MSG_EXCEPT);
	/* INT64_MIN has no opposite: any type is below. */
	return w->type == INT64_MIN || type <= -w->type;
}

/* The message that a wish means: the first, or of a negative type the lowest. */
static struct msg *find_locked(struct msg_queue *q, const struct msg_wish *w)
{
	struct msg *found = NULL;
	int64_t place = 0;

	list_for_each(m, &q->msgs, struct msg, link) {
		if (w->flags & ABI_MSG_COPY) {
			if (place++ == w->type)
				return m;
			continue;
		}
		if (!wants(w, m->type))
			continue;
		if (w->type >= 0)
			return m;
		if (!found || m->type < found->type)
			found = m;
	}
	return found;
}

/* ---- sending ---- */

static void finish_locked(struct msg_receiver *r, struct msg *m, int error)
{
	list_del(&r->link);
	r->msg = m;
	r->error = error;
	r->done = true;
	waiter_wake(r->waiter);
}

/* To somebody who waits for it: who has too little room for it hears so. */
static bool hand_over_locked(struct msg_queue *q, struct msg *m)
{
	list_for_each_safe(r, tmp, &q->receivers, struct msg_receiver, link) {
		if (!wants(r->wish, m->type))
			continue;
		if (r->wish->size < m->size && !(r->wish->flags & ABI_MSG_NOERROR)) {
			finish_locked(r, NULL, -E2BIG);
			continue;
		}
		q->last_receiver = r->pid;
		q->rtime = ipc_now();
		finish_locked(r, m, 0);
		return true;
	}
	return false;
}

static bool has_room_locked(const struct msg_queue *q, size_t size)
{
	return q->bytes + size <= q->bytes_max && q->count + 1 <= q->bytes_max;
}

static void send_locked(struct task *t, struct msg_queue *q, struct msg *m)
{
	q->last_sender = t->group->pid;
	q->stime = ipc_now();
	if (hand_over_locked(q, m))
		return;
	list_push_back(&q->msgs, &m->link);
	q->bytes += m->size;
	q->count++;
}

/* May drop and retake the queue's lock. */
LOCKS_UNCHECKED static int wait_for_room_relock(struct task *t, struct msg_queue *q, size_t size)
{
	struct waitq_entry e;
	int r = 0;

	waitq_entry_init(&e, &t->waiter, EV_OUT);
	waitq_add(&q->room_waitq, &e);
	while (r == 0 && !q->o.removed) {
		waiter_prepare(&t->waiter);
		if (has_room_locked(q, size))
			break;
		mutex_unlock(&q->o.lock);
		r = waiter_wait(&t->waiter, PARK_FOREVER);
		mutex_lock(&q->o.lock);
	}
	waitq_remove(&q->room_waitq, &e);
	if (q->o.removed)
		return -EIDRM;
	return r < 0 ? -ERESTARTNOHAND : ipc_permission(t, &q->o, 0222);
}

static int msg_make(int64_t type, void *text, size_t size, struct msg **out)
{
	struct msg *m;

	if (atomic_fetch_add(&all_bytes, size + sizeof(*m)) > MSG_ALL_BYTES) {
		atomic_fetch_sub(&all_bytes, size + sizeof(*m));
		return -ENOMEM;
	}
	m = kmem_zalloc(sizeof(*m));
	if (!m) {
		atomic_fetch_sub(&all_bytes, size + sizeof(*m));
		return -ENOMEM;
	}
	m->type = type;
	m->size = size;
	m->text = text;
	*out = m;
	return 0;
}

int msg_send(struct task *t, int id, int64_t type, void *text, size_t size, int flags)
{
	struct ipc_object *o;
	struct msg *m;
	int r = ipc_use(queues(), t, id, 0222, &o);

	if (r < 0)
		return r;
	if (!has_room_locked(queue_of(o), size))
		r = flags & ABI_IPC_NOWAIT ? -EAGAIN : wait_for_room_relock(t, queue_of(o), size);
	if (r == 0)
		r = msg_make(type, text, size, &m);
	if (r == 0)
		send_locked(t, queue_of(o), m);
	ipc_unlock_put(o);
	return r;
}

/* ---- receiving ---- */

static int take_locked(struct task *t, struct msg_queue *q, const struct msg_wish *w,
		       struct msg **out)
{
	struct msg *m = find_locked(q, w);

	if (!m)
		return -ENOMSG;
	if (w->size < m->size && !(w->flags & ABI_MSG_NOERROR))
		return -E2BIG;
	list_del(&m->link);
	q->bytes -= m->size;
	q->count--;
	q->last_receiver = t->group->pid;
	q->rtime = ipc_now();
	*out = m;
	waitq_wake_all(&q->room_waitq, EV_OUT);
	return 0;
}

/* MSG_COPY: the message at a place stays where it is. */
static ssize_t copy_locked(struct msg_queue *q, const struct msg_wish *w, int64_t *type,
			   void **text)
{
	struct msg *m = find_locked(q, w);

	if (!m)
		return -ENOMSG;
	if (w->size < m->size && !(w->flags & ABI_MSG_NOERROR))
		return -E2BIG;
	*text = kmem_alloc(m->size + 1);
	if (!*text)
		return -ENOMEM;
	if (m->size)
		memcpy(*text, m->text, m->size);
	*type = m->type;
	return (ssize_t)MIN(m->size, w->size);
}

/* Until a sender has handed one over. May drop and retake the queue's lock.
 * -EAGAIN: find out again whether it is allowed. */
LOCKS_UNCHECKED static int wait_for_msg_relock(struct task *t, struct msg_queue *q,
					       const struct msg_wish *w, struct msg **out)
{
	struct msg_receiver me = { .wish = w, .waiter = &t->waiter, .pid = t->group->pid };
	int r = 0;

	list_push_back(&q->receivers, &me.link);
	while (!me.done && r == 0) {
		waiter_prepare(&t->waiter);
		mutex_unlock(&q->o.lock);
		r = waiter_wait(&t->waiter, PARK_FOREVER);
		mutex_lock(&q->o.lock);
	}
	if (me.done)
		r = me.error;
	else
		list_del(&me.link);
	*out = me.msg;
	return r == -ERESTARTSYS ? -ERESTARTNOHAND : r;
}

static int receive_once(struct task *t, int id, const struct msg_wish *w, struct msg **out)
{
	struct ipc_object *o;
	int r = ipc_use(queues(), t, id, 0444, &o);

	if (r < 0)
		return r;
	r = take_locked(t, queue_of(o), w, out);
	if (r == -ENOMSG && !(w->flags & ABI_IPC_NOWAIT))
		r = wait_for_msg_relock(t, queue_of(o), w, out);
	ipc_unlock_put(o);
	return r;
}

static int receive(struct task *t, int id, const struct msg_wish *w, struct msg **out)
{
	int r;

	do {
		r = receive_once(t, id, w, out);
	} while (r == -EAGAIN);
	return r;
}

static ssize_t receive_copy(struct task *t, int id, const struct msg_wish *w, int64_t *type,
			    void **text)
{
	struct ipc_object *o;
	ssize_t n;
	int r;

	if ((w->flags & ABI_MSG_EXCEPT) || !(w->flags & ABI_IPC_NOWAIT))
		return -EINVAL;
	r = ipc_use(queues(), t, id, 0444, &o);
	if (r < 0)
		return r;
	n = copy_locked(queue_of(o), w, type, text);
	ipc_unlock_put(o);
	return n;
}

ssize_t msg_receive(struct task *t, int id, size_t size, int64_t type, int flags, int64_t *type_out,
		    void **text)
{
	const struct msg_wish w = { type, flags, size };
	struct msg *m = NULL;
	ssize_t n;
	int r;

	*text = NULL;
	if (flags & ABI_MSG_COPY)
		return receive_copy(t, id, &w, type_out, text);
	r = receive(t, id, &w, &m);
	if (r < 0)
		return r;
	*type_out = m->type;
	*text = m->text;
	m->text = NULL;
	n = (ssize_t)MIN(m->size, size);
	msg_free(m);
	return n;
}

/* ---- msgctl ---- */

static void wake_all_locked(struct msg_queue *q, int error)
{
	while (!list_empty(&q->receivers))
		finish_locked(list_first(&q->receivers, struct msg_receiver, link), NULL, error);
	waitq_wake_all(&q->room_waitq, EV_OUT);
}

static void queue_cut_locked(struct ipc_object *o)
{
	wake_all_locked(queue_of(o), -EIDRM);
}

int msg_remove(struct task *t, int id)
{
	return ipc_remove(queues(), t, id);
}

static void fill_locked(const struct msg_queue *q, struct abi_msqid *out)
{
	*out = (struct abi_msqid){ .stime = q->stime,
				   .rtime = q->rtime,
				   .ctime = q->o.ctime,
				   .cbytes = q->bytes,
				   .qnum = q->count,
				   .qbytes = q->bytes_max,
				   .lspid = pid_out(task_current(), q->last_sender),
				   .lrpid = pid_out(task_current(), q->last_receiver) };
	ipc_fill_perm(&q->o, &out->perm);
}

int msg_stat(struct task *t, int id, bool by_index, bool any, struct abi_msqid *out)
{
	struct ipc_object *o;
	int r = ipc_find(queues(), id, by_index, &o);

	if (r < 0)
		return r;
	mutex_lock(&o->lock);
	r = o->removed ? -EIDRM : any ? 0 : ipc_permission(t, o, 0444);
	if (r == 0) {
		fill_locked(queue_of(o), out);
		r = by_index ? o->id : 0;
	}
	mutex_unlock(&o->lock);
	ipc_put(o);
	return r;
}

static int set_locked(struct task *t, struct msg_queue *q, const struct abi_msqid *val)
{
	int r = ipc_is_owner(t, &q->o);

	if (r < 0)
		return r;
	if (val->qbytes > MSG_QUEUE_BYTES && !cred_has_cap(t->cred, CAP_SYS_RESOURCE))
		return -EPERM;
	r = ipc_set_perm(t, &q->o, &val->perm);
	if (r < 0)
		return r;
	q->bytes_max = val->qbytes;
	/* There may be room now; and who waits may not be allowed to any more. */
	wake_all_locked(q, -EAGAIN);
	return 0;
}

int msg_set(struct task *t, int id, const struct abi_msqid *val)
{
	struct ipc_object *o;
	int r = ipc_find(queues(), id, false, &o);

	if (r < 0)
		return r;
	mutex_lock(&o->lock);
	r = o->removed ? -EIDRM : set_locked(t, queue_of(o), val);
	mutex_unlock(&o->lock);
	ipc_put(o);
	return r;
}

static void add_up(int id UNUSED, const struct abi_msqid *s, void *arg)
{
	struct abi_msginfo *info = arg;

	info->msgmap += (int)s->qnum;
	info->msgtql += (int)s->cbytes;
}

int msg_info(bool used, struct abi_msginfo *out)
{
	*out = (struct abi_msginfo){
		.msgpool = MSG_QUEUES * MSG_QUEUE_BYTES / 1024,
		.msgmap = MSG_QUEUE_BYTES,
		.msgmax = MSG_SIZE_MAX,
		.msgmnb = MSG_QUEUE_BYTES,
		.msgmni = MSG_QUEUES,
		.msgssz = 16,
		.msgtql = MSG_QUEUE_BYTES,
		.msgseg = 0xffff,
	};
	if (used) {
		mutex_lock(&queues()->lock);
		out->msgpool = (int)queues()->used;
		mutex_unlock(&queues()->lock);
		out->msgmap = out->msgtql = 0;
		msg_for_each(add_up, out);
	}
	return ipc_last_index(queues());
}

void msg_for_each(void (*fn)(int id, const struct abi_msqid *s, void *arg), void *arg)
{
	struct abi_msqid s;
	int last = ipc_last_index(queues());

	for (int i = 0; i <= last; i++) {
		int id = msg_stat(NULL, i, true, true, &s);

		if (id >= 0)
			fn(id, &s, arg);
	}
}
