/*
 * Messages in flight: memory, what they are charged to, and what goes with them.
 *
 * Freeing a message may drop the last reference to a socket whose queue holds
 * messages with sockets, and so on as deep as a guest likes: the thread that frees
 * keeps a list, and what turns up further in is put on it.
 */
#include <string.h>

#include "abi/errno.h"
#include "base/fault.h"
#include "base/kmem.h"
#include "net/unix/unix.h"

/* What Linux charges beyond the bytes (its skb), so that buffers of a given size
 * hold about as many messages. */
#define MSG_OVERHEAD 576u
#define MSG_ALIGN 64u
#define ID_UNKNOWN 65534u

static _Thread_local struct list *freeing;

/* ---- making ---- */

static size_t charge_of(size_t size)
{
	return (size + MSG_OVERHEAD + MSG_ALIGN - 1) & ~(size_t)(MSG_ALIGN - 1);
}

int unix_msg_create(struct unix_sock *u, size_t size, struct socket_msg *m, struct unix_msg **out)
{
	struct unix_msg *msg = FAULT_POINT("unix.message") ? NULL : kmem_alloc(sizeof(*msg) + size);
	ssize_t r;

	*out = NULL;
	if (!msg)
		return -ENOBUFS;
	list_init(&msg->link);
	list_init(&msg->files_link);
	msg->files = NULL;
	msg->has_creds = m->has_creds;
	msg->creds = m->creds;
	msg->done = 0;
	r = uio_read(m->data, msg->data, size);
	if (r < 0 || (size_t)r < size) {
		kmem_free(msg);
		return -EFAULT;
	}
	msg->size = size;
	msg->charge = charge_of(size);
	unix_get(u);
	msg->sender = u;
	atomic_fetch_add(&u->charged, msg->charge);
	*out = msg;
	return 0;
}

int unix_check_control(const struct socket_msg *m, const struct vfs_ctx *ctx)
{
	const struct cred *c = ctx->cred;
	uint32_t uid = m->creds.uid, gid = m->creds.gid;

	const struct abi_cmsghdr *h;
	size_t at = 0;

	while (m->control && (h = socket_control_next(m->control, &at))) {
		if (h->level == SOL_SOCKET) /* of other levels: not looked at */
			return -EINVAL;
	}
	if (!m->has_creds)
		return 0;
	if (uid != c->uid && uid != c->euid && uid != c->suid && !cred_has_own_cap(c, CAP_SETUID))
		return -EPERM;
	if (gid != c->gid && gid != c->egid && gid != c->sgid && !cred_has_own_cap(c, CAP_SETGID))
		return -EPERM;
	return 0;
}

void unix_msg_add_creds(struct unix_msg *msg, const struct unix_sock *to, const struct vfs_ctx *ctx)
{
	if (msg->has_creds)
		return;
	if (!sock_has(&msg->sender->s, SOCK_BIT_PASSCRED) && !sock_has(&to->s, SOCK_BIT_PASSCRED) &&
	    atomic_load_explicit(&to->s.file, memory_order_relaxed))
		return;
	msg->has_creds = true;
	msg->creds = (struct ucred){ (pid_t)ctx->pid, ctx->cred->uid, ctx->cred->gid };
}

int unix_msg_attach(struct unix_msg *msg, struct socket_msg *m)
{
	int r;

	if (!m->files)
		return 0;
	r = unix_files_attach(m->files);
	if (r < 0)
		return r;
	msg->files = m->files;
	m->files = NULL;
	return 0;
}

/* ---- on a queue ---- */

void unix_msg_push_locked(struct unix_sock *to, struct unix_msg *msg)
{
	mutex_assert_held(&to->s.lock);
	list_push_back(&to->queue, &msg->link);
	to->nr_queued++;
	to->queued_bytes += msg->size;
	if (msg->files)
		unix_files_queued(to, msg);
}

void unix_msg_pop_locked(struct unix_sock *u, struct unix_msg *msg)
{
	mutex_assert_held(&u->s.lock);
	list_del(&msg->link);
	u->nr_queued--;
	u->queued_bytes -= msg->size - msg->done;
}

static const struct ucred nobody = { 0, ID_UNKNOWN, ID_UNKNOWN };

int unix_msg_take_control(struct unix_sock *u, struct unix_msg *msg, struct socket_msg *m,
			  bool peek)
{
	if (sock_has(&u->s, SOCK_BIT_PASSCRED)) {
		m->has_creds = true;
		m->creds = msg->has_creds ? msg->creds : nobody;
	}
	if (peek)
		return unix_files_share(msg, &m->files);
	m->files = unix_files_take(msg);
	return 0;
}

/* ---- freeing ---- */

bool unix_is_freeing(void)
{
	return freeing != NULL;
}

static void free_one(struct unix_msg *msg)
{
	struct unix_sock *sender = msg->sender;
	struct socket_files *files = unix_files_take(msg);
	bool was_writable = unix_is_writable(sender);

	atomic_fetch_sub(&sender->charged, msg->charge);
	if (!was_writable && unix_is_writable(sender))
		waitq_wake(&sender->s.waitq, EV_OUT | EV_WRNORM | EV_WRBAND);
	unix_put(sender);
	kmem_free(msg);
	socket_files_put(files);
}

void unix_msgs_free(struct list *msgs)
{
	if (freeing) {
		list_splice_back(freeing, msgs);
		return;
	}
	freeing = msgs;
	while (!list_empty(msgs)) {
		struct unix_msg *msg = list_first(msgs, struct unix_msg, link);

		list_del(&msg->link);
		free_one(msg);
	}
	freeing = NULL;
}

void unix_msg_free(struct unix_msg *msg)
{
	struct list one = LIST_INIT(one);

	list_push_back(&one, &msg->link);
	unix_msgs_free(&one);
}

/* ---- room to send ---- */

int unix_wait_sendable(struct unix_sock *u, struct sock_wait *w)
{
	int r;

	for (;;) {
		size_t sndbuf = (size_t)__atomic_load_n(&u->s.opt.sndbuf, __ATOMIC_RELAXED);

		r = sock_take_error(&u->s);
		if (r < 0)
			return r;
		mutex_lock(&u->s.lock);
		r = u->shutdown & UNIX_SHUT_SND ? -EPIPE : 0;
		mutex_unlock(&u->s.lock);
		if (r < 0 || atomic_load(&u->charged) < sndbuf)
			return r;
		r = sock_wait(w, &u->s.waitq, EV_OUT);
		if (r < 0)
			return r;
	}
}
