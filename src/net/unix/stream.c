/*
 * Streams. A write becomes messages of at most CHUNK_MAX bytes; a read goes on from
 * message to message, and stops
 *	after one that brought files: they belong to its bytes
 *	before one of another sender, when credentials are asked for (SO_PASSCRED)
 */
#include "abi/errno.h"
#include "net/unix/unix.h"

#define CHUNK_MAX ((size_t)64 << 10)

/* ---- sending ---- */

/* The next message of m, with its files on the first. Returns its size. */
static ssize_t send_one(struct unix_sock *u, struct unix_sock *peer, struct socket_msg *m,
			const struct vfs_ctx *ctx)
{
	size_t half = (size_t)__atomic_load_n(&u->s.opt.sndbuf, __ATOMIC_RELAXED) / 2;
	size_t size = MIN(MIN(m->data->remaining, CHUNK_MAX), half);
	struct unix_msg *msg;
	int r = unix_msg_create(u, size, m, &msg);

	if (r < 0)
		return r;
	r = unix_msg_attach(msg, m);
	if (r == 0) {
		unix_msg_add_creds(msg, peer, ctx);
		mutex_lock(&peer->s.lock);
		if (peer->dead || (peer->shutdown & UNIX_SHUT_RCV))
			r = -EPIPE;
		else
			unix_msg_push_locked(peer, msg);
		mutex_unlock(&peer->s.lock);
	}
	if (r < 0) {
		unix_msg_free(msg);
		return r;
	}
	waitq_wake(&peer->s.waitq, EV_IN | EV_RDNORM);
	return (ssize_t)size;
}

static int send_check(struct unix_sock *u, const struct socket_msg *m, unsigned flags,
		      const struct vfs_ctx *ctx)
{
	int r = unix_check_control(m, ctx);

	if (r < 0)
		return r;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	mutex_lock(&u->s.lock);
	if (m->name && m->name->size)
		r = u->state == UNIX_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	else if (!u->peer)
		r = -ENOTCONN;
	else if (u->shutdown & UNIX_SHUT_SND)
		r = -EPIPE;
	mutex_unlock(&u->s.lock);
	return r;
}

ssize_t unix_stream_sendmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			    struct sock_wait *w)
{
	struct unix_sock *u = unix_of(s), *peer;
	ssize_t done = 0, r = send_check(u, m, flags, w->ctx);

	if (r < 0)
		return r;
	peer = unix_peer_get(u);
	if (!peer)
		return -ENOTCONN;
	while (m->data->remaining) {
		r = unix_wait_sendable(u, w);
		if (r == 0)
			r = send_one(u, peer, m, w->ctx);
		if (r < 0)
			break;
		done += r;
	}
	unix_put(peer);
	return done ? done : r;
}

/* ---- receiving ---- */

struct reading {
	struct unix_sock *u;
	struct socket_msg *m;
	unsigned flags;
	size_t target;       /* bytes that must come before it returns */
	struct list spent;   /* messages to be freed without locks */
	struct unix_msg *at; /* peeking: the message before the next */
	bool has_sender;     /* creds of what was read so far are known */
	bool sender_has_creds;
	struct ucred creds;
};

/* The next message, or NULL and why: -EAGAIN, or when nothing was read so far the
 * pending error, or 0 for the end. */
static struct unix_msg *next_msg(struct reading *rd, bool is_enough, ssize_t *why)
{
	struct unix_sock *u = rd->u;
	struct list *next;
	struct unix_msg *msg = NULL;

	mutex_lock(&u->s.lock);
	next = rd->at ? rd->at->link.next : u->queue.next;
	*why = -EAGAIN;
	if (next != &u->queue)
		msg = list_entry(next, struct unix_msg, link);
	else if (!is_enough && atomic_load(&u->s.err))
		*why = sock_take_error(&u->s);
	else if (!is_enough && (u->shutdown & UNIX_SHUT_RCV))
		*why = 0;
	mutex_unlock(&u->s.lock);
	return msg;
}

static bool is_other_sender(struct reading *rd, const struct unix_msg *msg)
{
	if (!sock_has(&rd->u->s, SOCK_BIT_PASSCRED))
		return false;
	if (!rd->has_sender) {
		rd->has_sender = true;
		rd->sender_has_creds = msg->has_creds;
		rd->creds = msg->creds;
		return false;
	}
	return rd->sender_has_creds != msg->has_creds ||
	       (msg->has_creds &&
		(rd->creds.pid != msg->creds.pid || rd->creds.uid != msg->creds.uid ||
		 rd->creds.gid != msg->creds.gid));
}

/* n bytes of the message were read. */
static void consume(struct reading *rd, struct unix_msg *msg, size_t n)
{
	struct unix_sock *u = rd->u;

	if (rd->flags & MSG_PEEK) {
		rd->at = msg;
		return;
	}
	mutex_lock(&u->s.lock);
	msg->done += n;
	u->queued_bytes -= n;
	if (msg->done == msg->size) {
		unix_msg_pop_locked(u, msg);
		list_push_back(&rd->spent, &msg->link);
	}
	mutex_unlock(&u->s.lock);
}

/* Copies from one message. The bytes, or -EFAULT; *stop: read no further. */
static ssize_t read_one(struct reading *rd, struct unix_msg *msg, bool *stop)
{
	struct socket_msg *m = rd->m;
	size_t want = MIN(msg->size - msg->done, m->data->remaining);
	ssize_t n = uio_write(m->data, msg->data + msg->done, want);
	int r;

	*stop = true;
	if (n < 0)
		return n;
	if (m->name && !m->name->size)
		unix_name_of(msg->sender, m->name);
	r = unix_msg_take_control(rd->u, msg, m, rd->flags & MSG_PEEK);
	if (r < 0)
		return r;
	*stop = (size_t)n < want || m->files;
	consume(rd, msg, (size_t)n);
	return n;
}

/* Reads until something says stop. => u.read_lock. *why as next_msg() */
static size_t read_ready(struct reading *rd, size_t done, ssize_t *why)
{
	size_t got = 0;
	bool stop = false;

	*why = 1;
	do {
		struct unix_msg *msg = next_msg(rd, done + got >= rd->target, why);
		ssize_t n;

		if (!msg)
			return got;
		*why = 1;
		if (is_other_sender(rd, msg))
			return got;
		n = read_one(rd, msg, &stop);
		if (n < 0) {
			*why = n;
			return got;
		}
		got += (size_t)n;
	} while (!stop && rd->m->data->remaining);
	return got;
}

static ssize_t stream_read(struct reading *rd, struct sock_wait *w)
{
	struct unix_sock *u = rd->u;
	size_t done = 0;
	ssize_t why;

	for (;;) {
		mutex_lock(&u->s.read_lock);
		done += read_ready(rd, done, &why);
		mutex_unlock(&u->s.read_lock);
		unix_msgs_free(&rd->spent);
		if (why != -EAGAIN || done >= rd->target)
			break;
		why = sock_wait(w, &u->s.waitq, EV_IN);
		if (why < 0)
			break;
	}
	return done || why > 0 ? (ssize_t)done : why;
}

ssize_t unix_stream_recvmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			    struct sock_wait *w)
{
	struct reading rd = { .u = unix_of(s), .m = m, .flags = flags };
	bool is_connected;

	if (flags & MSG_OOB)
		return -EINVAL;
	mutex_lock(&s->lock);
	is_connected = rd.u->state == UNIX_CONNECTED;
	rd.target = (size_t)s->opt.rcvlowat;
	mutex_unlock(&s->lock);
	if (!is_connected)
		return -EINVAL;
	list_init(&rd.spent);
	rd.target = flags & MSG_WAITALL ? m->data->remaining : MIN(rd.target, m->data->remaining);
	if (!rd.target || (flags & MSG_PEEK)) /* a peek keeps no place while it sleeps */
		rd.target = 1;
	return stream_read(&rd, w);
}
