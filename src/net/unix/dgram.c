/*
 * Datagrams and seqpackets: messages with their borders.
 *
 * A receiver takes UNIX_DGRAM_QUEUE_MAX + 1 messages of strangers; a pair of peers
 * is bounded only by their send buffers. Who waits for room sits on room_waitq in a
 * call, or, for poll(2), on the receiver's `relays`: its own wait queue is woken
 * when there is room, so that a poller never hangs on another socket's queue.
 *
 * Lock: relay_lock (LOCK_SOCKET_NAMES) guards every relay list.
 */
#include "abi/errno.h"
#include "net/unix/unix.h"

#define RESERVED 32 /* of SO_SNDBUF, for a datagram's head */

static struct mutex relay_lock = MUTEX_INIT(LOCK_SOCKET_NAMES);

/* ---- room ---- */

static bool is_full_locked(const struct unix_sock *to, const struct unix_sock *from)
{
	return to != from && to->peer != from && to->nr_queued > UNIX_DGRAM_QUEUE_MAX;
}

static void relay_set(struct unix_sock *u, struct unix_sock *to)
{
	mutex_lock(&relay_lock);
	if (u->relay_of)
		list_del(&u->relay_link);
	else
		unix_get(u); /* the list's */
	list_push_back(&to->relays, &u->relay_link);
	u->relay_of = to;
	mutex_unlock(&relay_lock);
}

bool unix_dgram_room_or_relay(struct unix_sock *u)
{
	struct unix_sock *peer = unix_peer_get(u);
	bool full;

	if (!peer)
		return true;
	mutex_lock(&peer->s.lock);
	full = !peer->dead && is_full_locked(peer, u);
	if (full) /* under the lock: room that comes now will find us */
		relay_set(u, peer);
	mutex_unlock(&peer->s.lock);
	unix_put(peer);
	return !full;
}

void unix_relay_cancel(struct unix_sock *u)
{
	bool had;

	mutex_lock(&relay_lock);
	had = u->relay_of;
	if (had)
		list_del(&u->relay_link);
	u->relay_of = NULL;
	mutex_unlock(&relay_lock);
	if (had)
		unix_put(u);
}

static struct unix_sock *relay_pop(struct unix_sock *u)
{
	struct unix_sock *first = NULL;

	mutex_lock(&relay_lock);
	if (!list_empty(&u->relays)) {
		first = list_first(&u->relays, struct unix_sock, relay_link);
		list_del(&first->relay_link);
		first->relay_of = NULL;
	}
	mutex_unlock(&relay_lock);
	return first;
}

void unix_room_wake(struct unix_sock *u)
{
	struct unix_sock *waiting;

	waitq_wake_all(&u->room_waitq, EV_OUT);
	while ((waiting = relay_pop(u))) {
		waitq_wake(&waiting->s.waitq, EV_OUT | EV_WRNORM | EV_WRBAND);
		unix_put(waiting);
	}
}

/* ---- sending ---- */

/* -EAGAIN: no room. -ESTALE: it is dead. */
static int deliver(struct unix_sock *u, struct unix_sock *to, struct unix_msg *msg,
		   const struct vfs_ctx *ctx)
{
	int r = 0;

	unix_msg_add_creds(msg, to, ctx);
	mutex_lock(&to->s.lock);
	if (!unix_is_connected_kind(to) && to->peer && to->peer != u)
		r = -EPERM;
	else if (to->dead)
		r = -ESTALE;
	else if (to->shutdown & UNIX_SHUT_RCV)
		r = -EPIPE;
	else if (is_full_locked(to, u))
		r = -EAGAIN;
	else
		unix_msg_push_locked(to, msg);
	mutex_unlock(&to->s.lock);
	if (r == 0)
		waitq_wake(&to->s.waitq, EV_IN | EV_RDNORM);
	return r;
}

/* The peer has gone: a datagram socket forgets it. */
static int peer_is_dead(struct unix_sock *u, struct unix_sock *peer)
{
	bool mine;

	if (unix_is_connected_kind(u))
		return -EPIPE;
	mutex_lock(&u->s.lock);
	mine = u->peer == peer;
	if (mine) {
		u->peer = NULL;
		u->state = UNIX_CLOSED;
	}
	mutex_unlock(&u->s.lock);
	if (mine)
		unix_put(peer);
	return -ECONNREFUSED;
}

/* Where the message goes, with a reference. */
static int find_receiver(struct unix_sock *u, const struct socket_addr *name,
			 const struct vfs_ctx *ctx, struct unix_sock **out)
{
	if (name)
		return unix_find(name, u->s.type, ctx, out);
	*out = unix_peer_get(u);
	return *out ? 0 : -ENOTCONN;
}

static int send_msg(struct unix_sock *u, struct unix_msg *msg, const struct socket_addr *name,
		    struct sock_wait *w)
{
	struct unix_sock *to;
	int r;

	do {
		r = find_receiver(u, name, w->ctx, &to);
		if (r < 0)
			return r;
		while ((r = deliver(u, to, msg, w->ctx)) == -EAGAIN) {
			r = sock_wait(w, &to->room_waitq, EV_OUT);
			if (r < 0)
				break;
		}
		sock_wait_end(w);
		if (r == -ESTALE && !name)
			r = peer_is_dead(u, to);
		unix_put(to);
	} while (r == -ESTALE);
	return r;
}

static ssize_t build_and_send(struct unix_sock *u, struct socket_msg *m,
			      const struct socket_addr *name, struct sock_wait *w)
{
	size_t size = m->data->remaining;
	struct unix_msg *msg;
	int r = unix_msg_create(u, size, m, &msg);

	if (r < 0)
		return r;
	r = unix_msg_attach(msg, m);
	if (r == 0)
		r = send_msg(u, msg, name, w);
	if (r < 0)
		unix_msg_free(msg);
	return r < 0 ? r : (ssize_t)size;
}

static ssize_t send_to(struct unix_sock *u, struct socket_msg *m, const struct socket_addr *name,
		       unsigned flags, struct sock_wait *w)
{
	size_t sndbuf = (size_t)__atomic_load_n(&u->s.opt.sndbuf, __ATOMIC_RELAXED);
	int r = unix_check_control(m, w->ctx);

	if (r < 0)
		return r;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (name && (name->size <= sizeof(name->family) || name->family != AF_UNIX))
		return -EINVAL;
	if (!name) {
		mutex_lock(&u->s.lock);
		r = u->peer ? 0 : -ENOTCONN;
		mutex_unlock(&u->s.lock);
	}
	if (r == 0 && sock_has(&u->s, SOCK_BIT_PASSCRED))
		r = unix_autobind(u);
	if (r == 0 && m->data->remaining > sndbuf - RESERVED)
		r = -EMSGSIZE;
	if (r == 0)
		r = unix_wait_sendable(u, w);
	return r < 0 ? r : build_and_send(u, m, name, w);
}

ssize_t unix_dgram_sendmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			   struct sock_wait *w)
{
	return send_to(unix_of(s), m, m->name && m->name->size ? m->name : NULL, flags, w);
}

ssize_t unix_seqpacket_sendmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			       struct sock_wait *w)
{
	struct unix_sock *u = unix_of(s);
	bool is_connected;
	int r = sock_take_error(s);

	if (r < 0)
		return r;
	mutex_lock(&s->lock);
	is_connected = u->state == UNIX_CONNECTED;
	mutex_unlock(&s->lock);
	if (!is_connected)
		return -ENOTCONN;
	return send_to(u, m, NULL, flags, w); /* a name is not looked at */
}

/* ---- receiving ---- */

/* The first message, or NULL and why. => u.read_lock */
static struct unix_msg *first_msg(struct unix_sock *u, bool nonblock, ssize_t *why)
{
	struct unix_msg *msg = NULL;

	mutex_lock(&u->s.lock);
	*why = -EAGAIN;
	if (!list_empty(&u->queue))
		msg = list_first(&u->queue, struct unix_msg, link);
	else if (atomic_load(&u->s.err))
		*why = sock_take_error(&u->s);
	else if ((u->shutdown & UNIX_SHUT_RCV) && (!nonblock || unix_is_connected_kind(u)))
		*why = 0;
	mutex_unlock(&u->s.lock);
	return msg;
}

static void take_off(struct unix_sock *u, struct unix_msg *msg)
{
	bool was_full;

	mutex_lock(&u->s.lock);
	was_full = u->nr_queued > UNIX_DGRAM_QUEUE_MAX;
	unix_msg_pop_locked(u, msg);
	mutex_unlock(&u->s.lock);
	if (was_full)
		unix_room_wake(u);
}

static ssize_t read_msg(struct unix_sock *u, struct unix_msg *msg, struct socket_msg *m,
			unsigned flags)
{
	size_t n = MIN(msg->size, m->data->remaining);
	ssize_t r = uio_write(m->data, msg->data, n);

	if (r < (ssize_t)n)
		return -EFAULT;
	if (n < msg->size)
		m->flags |= MSG_TRUNC;
	if (m->name)
		unix_name_of(msg->sender, m->name);
	r = unix_msg_take_control(u, msg, m, flags & MSG_PEEK);
	if (r < 0)
		return r;
	return (ssize_t)(flags & MSG_TRUNC ? msg->size : n);
}

ssize_t unix_dgram_recvmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			   struct sock_wait *w)
{
	struct unix_sock *u = unix_of(s);
	struct unix_msg *msg;
	ssize_t r;

	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	for (;;) {
		mutex_lock(&s->read_lock);
		msg = first_msg(u, w->nonblock, &r);
		if (msg)
			break;
		mutex_unlock(&s->read_lock);
		if (r == -EAGAIN)
			r = sock_wait(w, &s->waitq, EV_IN);
		else
			return r;
		if (r < 0)
			return r;
	}
	r = read_msg(u, msg, m, flags);
	if (!(flags & MSG_PEEK))
		take_off(u, msg);
	mutex_unlock(&s->read_lock);
	if (!(flags & MSG_PEEK))
		unix_msg_free(msg);
	return r;
}

ssize_t unix_seqpacket_recvmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			       struct sock_wait *w)
{
	struct unix_sock *u = unix_of(s);
	bool is_connected;

	mutex_lock(&s->lock);
	is_connected = u->state == UNIX_CONNECTED;
	mutex_unlock(&s->lock);
	return is_connected ? unix_dgram_recvmsg(s, m, flags, w) : -ENOTCONN;
}
