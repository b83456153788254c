/*
 * SECCOMP_RET_USER_NOTIF: a call waits for what a listener says of it.
 *
 *	the caller (seccomp_ask)           the listener (ioctl of its file)
 *	NEW: queued, sleeps
 *	                                   RECV: SENT
 *	installs descriptors               ADDFD, as often as wanted: waits
 *	                                   SEND: REPLIED
 *	leaves with the reply
 *
 * A notification lives on its caller's stack and is on the list for as long as the
 * caller waits; so does a request for a descriptor, on the listener's. Both are found
 * and told under the listener's lock only. The caller drops the lock while it puts a
 * descriptor into its table, which may close a file: meanwhile the request is TAKEN,
 * and who made it does not go away.
 *
 * The listener ends with its last descriptor: calls that wait get -ENOSYS, and later
 * ones too. The file keeps the filter, not the other way round.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/pool.h"
#include "task/machine.h"
#include "task/seccomp_filter.h"

enum call_state { CALL_NEW, CALL_SENT, CALL_REPLIED };
enum addfd_state { ADDFD_QUEUED, ADDFD_TAKEN, ADDFD_DONE };

/* A call that waits. All but data and task: [l] */
struct call {
	struct list link;
	uint64_t id; /* [I] */
	enum call_state state;
	const struct seccomp_data *data; /* [I] */
	struct task *task;               /* [I] */
	struct seccomp_notif_resp reply; /* from REPLIED on */
	struct list addfds;
};

/* A descriptor that the caller is to get. All but file: [l] */
struct addfd {
	struct list link;
	enum addfd_state state;
	struct file *file; /* [I] the ioctl's */
	struct seccomp_notif_addfd arg;
	struct waiter *waiter; /* of who asked for it */
	int result;            /* when it is DONE */
};

struct seccomp_listener {
	struct mutex lock;
	struct waitq waitq;  /* EV_IN: NEW ones; EV_OUT: SENT ones; EV_HUP */
	struct list calls;   /* [l] struct call, oldest first */
	uint64_t next_id;    /* [l] */
	unsigned unread;     /* [l] notifications made and not received; some may be gone */
	atomic_bool is_open; /* written [l] */
};

static POOL_DEFINE(seccomp_listener_pool, struct seccomp_listener);

static struct call *call_find_locked(struct seccomp_listener *l, uint64_t id)
{
	list_for_each(c, &l->calls, struct call, link) {
		if (c->id == id)
			return c;
	}
	return NULL;
}

static void call_wake_locked(struct call *c)
{
	waiter_wake(&c->task->waiter);
}

/* ---- the caller's side ---- */

static int addfd_install(struct task *t, const struct addfd *a)
{
	bool cloexec = a->arg.newfd_flags & O_CLOEXEC;
	int fd;

	file_get(a->file);
	if (a->arg.flags & SECCOMP_ADDFD_FLAG_SETFD)
		fd = fd_install_at(t, a->file, (int)a->arg.newfd, cloexec);
	else
		fd = fd_install(t, a->file, 0, cloexec);
	if (fd < 0)
		file_put(a->file);
	return fd;
}

/* With ADDFD_FLAG_SEND the descriptor is the call's result. */
static void addfd_reply_locked(struct seccomp_listener *l, struct call *c, int fd)
{
	if (fd >= 0)
		c->reply = (struct seccomp_notif_resp){ .val = fd };
	else if (atomic_load(&l->is_open))
		c->state = CALL_SENT; /* it did not work: it is to be answered yet */
	else
		c->reply = (struct seccomp_notif_resp){ .error = -ENOSYS };
}

LOCKS_UNCHECKED static void addfd_take_relock(struct seccomp_listener *l, struct call *c)
{
	struct addfd *a = list_first(&c->addfds, struct addfd, link);
	int fd;

	list_del(&a->link);
	a->state = ADDFD_TAKEN;
	mutex_unlock(&l->lock);
	fd = addfd_install(c->task, a);
	mutex_lock(&l->lock);
	if (a->arg.flags & SECCOMP_ADDFD_FLAG_SEND)
		addfd_reply_locked(l, c, fd);
	a->result = fd;
	a->state = ADDFD_DONE;
	waiter_wake(a->waiter);
}

/* Those that came too late. */
static void addfd_drop_all_locked(struct call *c)
{
	while (!list_empty(&c->addfds)) {
		struct addfd *a = list_first(&c->addfds, struct addfd, link);

		list_del(&a->link);
		a->result = -ESRCH;
		a->state = ADDFD_DONE;
		waiter_wake(a->waiter);
	}
}

LOCKS_UNCHECKED static int call_sleep_relock(struct seccomp_listener *l, struct call *c,
					     bool killable)
{
	struct waiter *w = &c->task->waiter;
	int r;

	mutex_unlock(&l->lock);
	r = killable ? waiter_wait_killable(w, PARK_FOREVER) : waiter_wait(w, PARK_FOREVER);
	mutex_lock(&l->lock);
	return r;
}

/* 0: REPLIED; -ERESTARTSYS. What the listener has received, only a kill interrupts, if
 * the filter wants it so. */
static int call_wait_relock(struct seccomp_listener *l, struct call *c, bool wait_killable)
{
	bool killable;
	int r;

	for (;;) {
		waiter_prepare(&c->task->waiter);
		if (!list_empty(&c->addfds)) {
			addfd_take_relock(l, c);
			continue;
		}
		if (c->state == CALL_REPLIED)
			return 0;
		killable = wait_killable && c->state == CALL_SENT;
		r = call_sleep_relock(l, c, killable);
		if (r == 0 || c->state == CALL_REPLIED)
			continue;
		if (!killable && wait_killable && c->state == CALL_SENT)
			continue;
		return r;
	}
}

static void call_init_locked(struct seccomp_listener *l, struct call *c)
{
	c->id = l->next_id++;
	list_init(&c->addfds);
	list_push_back(&l->calls, &c->link);
	l->unread++;
	waitq_wake(&l->waitq, EV_IN | EV_RDNORM);
}

enum seccomp_reply seccomp_ask(struct task *t, struct seccomp_filter *f,
			       const struct seccomp_data *sd, long *ret)
{
	struct seccomp_listener *l = f->listener;
	struct call c = { .data = sd, .task = t };
	int r;

	*ret = -ENOSYS;
	if (!l)
		return SECCOMP_ANSWERED;
	mutex_lock(&l->lock);
	if (!atomic_load(&l->is_open)) {
		mutex_unlock(&l->lock);
		return SECCOMP_ANSWERED;
	}
	call_init_locked(l, &c);
	r = call_wait_relock(l, &c, f->wait_killable);
	addfd_drop_all_locked(&c);
	list_del(&c.link);
	mutex_unlock(&l->lock);
	if (r < 0) {
		*ret = r;
		return SECCOMP_INTERRUPTED;
	}
	*ret = c.reply.error ? c.reply.error : (long)c.reply.val;
	return c.reply.flags & SECCOMP_USER_NOTIF_FLAG_CONTINUE ? SECCOMP_GO_ON : SECCOMP_ANSWERED;
}

/* ---- the listener's side ---- */

static bool nobody_can_ask(const struct seccomp_filter *f)
{
	return atomic_load(&f->users) == 0;
}

/* Takes one off the count of what is there to receive. */
static int recv_wait(struct seccomp_filter *f, struct waiter *w)
{
	struct seccomp_listener *l = f->listener;
	struct waitq_entry e;
	bool ready;
	int r = 0;

	waitq_entry_init(&e, w, EV_IN);
	waitq_add(&l->waitq, &e);
	do {
		waiter_prepare(w);
		mutex_lock(&l->lock);
		ready = l->unread || nobody_can_ask(f);
		if (l->unread)
			l->unread--;
		mutex_unlock(&l->lock);
		if (!ready)
			r = waiter_wait(w, PARK_FOREVER);
	} while (!ready && r == 0);
	waitq_remove(&l->waitq, &e);
	return r;
}

/* The oldest that is NEW becomes SENT. -ENOENT: its caller has left. */
static int recv_take(struct seccomp_listener *l, struct seccomp_notif *n)
{
	int r = -ENOENT;

	mutex_lock(&l->lock);
	list_for_each(c, &l->calls, struct call, link) {
		if (c->state != CALL_NEW)
			continue;
		c->state = CALL_SENT;
		*n = (struct seccomp_notif){ .id = c->id,
					     .pid = (uint32_t)pid_out(task_current(), c->task->tid),
					     .data = *c->data };
		waitq_wake(&l->waitq, EV_OUT | EV_WRNORM);
		r = 0;
		break;
	}
	mutex_unlock(&l->lock);
	return r;
}

/* It could not be handed over: somebody else may receive it. */
static void recv_undo(struct seccomp_listener *l, uint64_t id)
{
	struct call *c;

	mutex_lock(&l->lock);
	c = call_find_locked(l, id);
	if (c && c->state == CALL_SENT) {
		c->state = CALL_NEW;
		l->unread++;
		call_wake_locked(c); /* by any signal again */
		waitq_wake(&l->waitq, EV_IN | EV_RDNORM);
	}
	mutex_unlock(&l->lock);
}

static long notif_recv(struct seccomp_filter *f, gva_t user, const struct vfs_ctx *ctx)
{
	static const struct seccomp_notif zero;
	struct seccomp_notif n;
	int r;

	/* What is to become arguments later is 0 today. */
	if (copy_in(ctx->mem, &n, user, sizeof(n)) < 0)
		return -EFAULT;
	if (memcmp(&n, &zero, sizeof(n)) != 0)
		return -EINVAL;
	r = recv_wait(f, ctx->waiter);
	if (r == 0)
		r = recv_take(f->listener, &n);
	if (r == 0 && copy_out(ctx->mem, user, &n, sizeof(n)) < 0) {
		recv_undo(f->listener, n.id);
		r = -EFAULT;
	}
	return r;
}

/* The call of that number, if it waits for an answer. */
static int call_get_locked(struct seccomp_listener *l, uint64_t id, struct call **out)
{
	*out = call_find_locked(l, id);
	if (!*out)
		return -ENOENT;
	return (*out)->state == CALL_SENT ? 0 : -EINPROGRESS;
}

static long notif_send(struct seccomp_listener *l, gva_t user, const struct vfs_ctx *ctx)
{
	struct seccomp_notif_resp resp;
	struct call *c;
	int r;

	if (copy_in(ctx->mem, &resp, user, sizeof(resp)) < 0)
		return -EFAULT;
	if (resp.flags & ~(uint32_t)SECCOMP_USER_NOTIF_FLAG_CONTINUE)
		return -EINVAL;
	if (resp.flags && (resp.error || resp.val))
		return -EINVAL;
	mutex_lock(&l->lock);
	r = call_get_locked(l, resp.id, &c);
	if (r == 0) {
		c->reply = resp;
		c->state = CALL_REPLIED;
		call_wake_locked(c);
	}
	mutex_unlock(&l->lock);
	return r;
}

static long notif_id_valid(struct seccomp_listener *l, gva_t user, const struct vfs_ctx *ctx)
{
	struct call *c;
	uint64_t id;
	int r;

	if (copy_in(ctx->mem, &id, user, sizeof(id)) < 0)
		return -EFAULT;
	mutex_lock(&l->lock);
	r = call_get_locked(l, id, &c);
	mutex_unlock(&l->lock);
	return r < 0 ? -ENOENT : 0;
}

/* -EINVAL, -EFAULT, -E2BIG: a structure that may grow, its size in the command. */
static int addfd_get(struct seccomp_notif_addfd *arg, gva_t user, size_t size,
		     const struct vfs_ctx *ctx)
{
	uint8_t raw[PAGE_SIZE];

	if (size < sizeof(*arg) || size >= sizeof(raw))
		return -EINVAL;
	if (copy_in(ctx->mem, raw, user, size) < 0)
		return -EFAULT;
	for (size_t i = sizeof(*arg); i < size; i++) {
		if (raw[i])
			return -E2BIG;
	}
	memcpy(arg, raw, sizeof(*arg));
	if (arg->newfd_flags & ~(uint32_t)O_CLOEXEC)
		return -EINVAL;
	if (arg->flags & ~(uint32_t)(SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND))
		return -EINVAL;
	return arg->newfd && !(arg->flags & SECCOMP_ADDFD_FLAG_SETFD) ? -EINVAL : 0;
}

static int addfd_queue(struct seccomp_listener *l, struct addfd *a)
{
	bool is_reply = a->arg.flags & SECCOMP_ADDFD_FLAG_SEND;
	struct call *c;
	int r;

	mutex_lock(&l->lock);
	r = call_get_locked(l, a->arg.id, &c);
	if (r == 0 && is_reply && !list_empty(&c->addfds))
		r = -EBUSY;
	if (r == 0) {
		if (is_reply)
			c->state = CALL_REPLIED;
		list_push_front(&c->addfds, &a->link);
		call_wake_locked(c);
	}
	mutex_unlock(&l->lock);
	return r;
}

/* A signal takes it back, unless the caller is at it already, which is soon done. */
static int addfd_wait(struct seccomp_listener *l, struct addfd *a)
{
	int r = 0;

	mutex_lock(&l->lock);
	while (a->state != ADDFD_DONE) {
		bool taken = a->state == ADDFD_TAKEN;

		if (r < 0 && !taken) {
			list_del(&a->link);
			break;
		}
		waiter_prepare(a->waiter);
		mutex_unlock(&l->lock);
		if (taken)
			(void)waiter_wait_woken(a->waiter, PARK_FOREVER);
		else
			r = waiter_wait(a->waiter, PARK_FOREVER);
		mutex_lock(&l->lock);
	}
	if (a->state == ADDFD_DONE)
		r = a->result;
	mutex_unlock(&l->lock);
	return r;
}

static long notif_addfd(struct seccomp_listener *l, gva_t user, size_t size,
			const struct vfs_ctx *ctx)
{
	struct addfd a = { .state = ADDFD_QUEUED, .waiter = ctx->waiter };
	int r = addfd_get(&a.arg, user, size, ctx);

	if (r < 0)
		return r;
	a.file = fd_get(ctx->task, (int)a.arg.srcfd);
	if (!a.file || (atomic_load(&a.file->flags) & O_PATH)) {
		r = -EBADF;
		goto out_put;
	}
	r = addfd_queue(l, &a);
	if (r == 0)
		r = addfd_wait(l, &a);
out_put:
	if (a.file)
		file_put(a.file);
	return r;
}

/* To wake the listener on the caller's own CPU is a hint; the host places threads. */
static long notif_set_flags(uint64_t flags)
{
	return flags & ~(uint64_t)SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP ? -EINVAL : 0;
}

static long listener_ioctl(struct file *file, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct seccomp_filter *f = file->priv;

	switch (cmd) {
	case SECCOMP_IOCTL_NOTIF_RECV:
		return notif_recv(f, arg, ctx);
	case SECCOMP_IOCTL_NOTIF_SEND:
		return notif_send(f->listener, arg, ctx);
	case SECCOMP_IOCTL_NOTIF_ID_VALID:
	case ABI_SECCOMP_IOCTL_NOTIF_ID_VALID_OLD:
		return notif_id_valid(f->listener, arg, ctx);
	case SECCOMP_IOCTL_NOTIF_SET_FLAGS:
		return notif_set_flags(arg);
	}
	/* Of any size and direction. */
	if (_IOC_TYPE(cmd) == SECCOMP_IOC_MAGIC &&
	    _IOC_NR(cmd) == _IOC_NR(SECCOMP_IOCTL_NOTIF_ADDFD))
		return notif_addfd(f->listener, arg, _IOC_SIZE(cmd), ctx);
	return -EINVAL;
}

static uint32_t listener_poll(struct file *file, struct poll_table *pt)
{
	struct seccomp_filter *f = file->priv;
	struct seccomp_listener *l = f->listener;
	uint32_t ev = 0;

	poll_wait(pt, &l->waitq);
	mutex_lock(&l->lock);
	list_for_each(c, &l->calls, struct call, link) {
		if (c->state == CALL_NEW)
			ev |= EV_IN | EV_RDNORM;
		if (c->state == CALL_SENT)
			ev |= EV_OUT | EV_WRNORM;
	}
	mutex_unlock(&l->lock);
	return nobody_can_ask(f) ? ev | EV_HUP : ev;
}

static void listener_release(struct file *file)
{
	struct seccomp_filter *f = file->priv;
	struct seccomp_listener *l = f->listener;

	mutex_lock(&l->lock);
	atomic_store(&l->is_open, false);
	list_for_each(c, &l->calls, struct call, link) {
		if (c->state == CALL_REPLIED)
			continue;
		c->reply = (struct seccomp_notif_resp){ .error = -ENOSYS };
		c->state = CALL_REPLIED;
		call_wake_locked(c);
	}
	mutex_unlock(&l->lock);
	seccomp_filter_put(f);
}

static const struct file_ops listener_ops = {
	.name = "seccomp notify",
	.release = listener_release,
	.poll = listener_poll,
	.ioctl = listener_ioctl,
};

/* ---- its life ---- */

int seccomp_listener_create(struct seccomp_filter *f, const struct cred *cred, struct file **out)
{
	struct seccomp_listener *l = pool_alloc(&seccomp_listener_pool);
	int r;

	*out = NULL;
	if (!l)
		return -ENOMEM;
	mutex_init(&l->lock, LOCK_FILE);
	waitq_init(&l->waitq);
	list_init(&l->calls);
	/* Numbers of other listeners are not to be taken for ours. */
	machine_random(&l->next_id, sizeof(l->next_id));
	f->listener = l;
	r = file_create_anon(&listener_ops, f, O_RDWR, 0, cred, out);
	if (r < 0)
		return r; /* l goes with the filter */
	atomic_store(&l->is_open, true);
	refcount_get(&f->refs);
	return 0;
}

bool seccomp_listener_is_open(const struct seccomp_filter *f)
{
	return f->listener && atomic_load(&f->listener->is_open);
}

void seccomp_listener_hup(struct seccomp_filter *f)
{
	if (f->listener)
		waitq_wake_all(&f->listener->waitq, EV_HUP);
}

void seccomp_listener_destroy(struct seccomp_listener *l)
{
	ASSERT(!l || list_empty(&l->calls));
	pool_free(&seccomp_listener_pool, l);
}
