/* AF_UNIX: the object. See unix.h for the model. */
#include "net/unix/unix.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "abi/errno.h"

static POOL_DEFINE(unix_pool, struct unix_sock);

static const struct proto_ops stream_ops, dgram_ops, seqpacket_ops;

/* ---- life ---- */

int unix_create(int type, int protocol, struct socket **out)
{
	const struct proto_ops *ops = type == SOCK_STREAM  ? &stream_ops
				      : type == SOCK_DGRAM ? &dgram_ops
							   : &seqpacket_ops;
	struct unix_sock *u = pool_alloc(&unix_pool);

	*out = NULL;
	if (!u)
		return -ENOMEM;
	socket_init(&u->s, ops, AF_UNIX, type, protocol);
	u->state = UNIX_CLOSED;
	u->peercred = (struct ucred){ .pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	list_init(&u->queue);
	list_init(&u->embryos);
	list_init(&u->embryo_link);
	waitq_init(&u->room_waitq);
	list_init(&u->relays);
	list_init(&u->relay_link);
	list_init(&u->inflight_link);
	list_init(&u->gc_link);
	list_init(&u->file_msgs);
	unix_list_add(u);
	*out = &u->s;
	return 0;
}

static int family_create(int type, int protocol, struct socket **out)
{
	if (protocol && protocol != PF_UNIX)
		return -EPROTONOSUPPORT;
	if (type == SOCK_RAW)
		type = SOCK_DGRAM;
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	return unix_create(type, protocol, out);
}

const struct net_family unix_family = { AF_UNIX, family_create };

static void unix_destroy(struct socket *s)
{
	struct unix_sock *u = unix_of(s);

	ASSERT(u->dead && list_empty(&u->queue) && !u->peer && list_empty(&u->inflight_link));
	ASSERT(list_empty(&u->file_msgs) && !u->relay_of);
	ASSERT(atomic_load(&u->charged) == 0);
	unix_addr_put(atomic_load(&u->addr));
	pool_free(&unix_pool, u);
}

struct unix_sock *unix_peer_get(struct unix_sock *u)
{
	struct unix_sock *peer;

	mutex_lock(&u->s.lock);
	peer = u->peer;
	if (peer)
		unix_get(peer);
	mutex_unlock(&u->s.lock);
	return peer;
}

struct unix_sock *unix_of_file(const struct file *f)
{
	struct socket *s = socket_of_file(f);

	return s && s->family == AF_UNIX ? unix_of(s) : NULL;
}

void unix_own_creds(const struct vfs_ctx *ctx, struct ucred *out)
{
	*out = (struct ucred){ .pid = (pid_t)ctx->pid,
			       .uid = ctx->cred->euid,
			       .gid = ctx->cred->egid };
}

/* ---- closing ---- */

void unix_hang_up(struct unix_sock *peer, bool lost_data)
{
	mutex_lock(&peer->s.lock);
	peer->shutdown = UNIX_SHUT_BOTH;
	if (lost_data)
		atomic_store(&peer->s.err, ECONNRESET);
	mutex_unlock(&peer->s.lock);
	waitq_wake_all(&peer->s.waitq, EV_IN | EV_RDNORM | EV_OUT | EV_RDHUP | EV_HUP | EV_ERR);
}

static void close_embryos(struct list *embryos)
{
	while (!list_empty(embryos)) {
		struct unix_sock *e = list_first(embryos, struct unix_sock, embryo_link);

		list_del(&e->embryo_link);
		unix_close(e, true);
		unix_put(e);
	}
}

/* Takes all that waits on u: messages and unaccepted connections. */
static void take_all(struct unix_sock *u, struct list *msgs, struct list *embryos)
{
	mutex_lock(&u->s.read_lock); /* rule 4 */
	mutex_lock(&u->s.lock);
	list_splice_back(msgs, &u->queue);
	u->nr_queued = u->nr_embryos = 0;
	u->queued_bytes = 0;
	mutex_lock(&unix_gc_lock);
	list_splice_back(embryos, &u->embryos);
	/* The messages may outlive u, which holds the list's head. */
	while (!list_empty(&u->file_msgs))
		list_del(u->file_msgs.next);
	mutex_unlock(&unix_gc_lock);
	mutex_unlock(&u->s.lock);
	mutex_unlock(&u->s.read_lock);
}

void unix_purge(struct unix_sock *u)
{
	struct list msgs = LIST_INIT(msgs), embryos = LIST_INIT(embryos);

	take_all(u, &msgs, &embryos);
	close_embryos(&embryos);
	unix_msgs_free(&msgs);
}

void unix_close(struct unix_sock *u, bool is_embryo)
{
	struct list msgs = LIST_INIT(msgs), embryos = LIST_INIT(embryos);
	struct unix_sock *peer;

	unix_list_del(u);
	unix_unbind(u);
	mutex_lock(&u->s.lock);
	u->dead = true;
	u->state = UNIX_CLOSED;
	u->shutdown = UNIX_SHUT_BOTH;
	peer = u->peer;
	u->peer = NULL;
	mutex_unlock(&u->s.lock);
	unix_relay_cancel(u);
	take_all(u, &msgs, &embryos); /* dead: nothing comes after it */
	if (peer && unix_is_connected_kind(u))
		unix_hang_up(peer, !list_empty(&msgs) || is_embryo);
	unix_put(peer);
	waitq_wake_all(&u->s.waitq, EV_ALL);
	unix_room_wake(u);
	close_embryos(&embryos);
	unix_msgs_free(&msgs);
}

static void unix_release(struct socket *s)
{
	unix_close(unix_of(s), false);
	if (!unix_is_freeing())
		unix_collect();
}

static int unix_shutdown(struct socket *s, int how)
{
	struct unix_sock *u = unix_of(s), *peer = NULL;
	unsigned mine = (unsigned)how + 1, theirs = 0; /* SHUT_RD 0, WR 1, RDWR 2 */

	mutex_lock(&s->lock);
	u->shutdown |= mine;
	if (u->peer && unix_is_connected_kind(u)) {
		peer = u->peer;
		unix_get(peer);
	}
	mutex_unlock(&s->lock);
	waitq_wake_all(&s->waitq, EV_ALL);
	if (!peer)
		return 0;
	if (mine & UNIX_SHUT_RCV)
		theirs |= UNIX_SHUT_SND;
	if (mine & UNIX_SHUT_SND)
		theirs |= UNIX_SHUT_RCV;
	mutex_lock(&peer->s.lock);
	peer->shutdown |= theirs;
	theirs = peer->shutdown;
	mutex_unlock(&peer->s.lock);
	waitq_wake_all(&peer->s.waitq, EV_IN | EV_RDNORM | EV_RDHUP | EV_OUT |
					       (theirs == UNIX_SHUT_BOTH ? EV_HUP : 0));
	unix_put(peer);
	return 0;
}

/* ---- names, state ---- */

static int unix_getname(struct socket *s, enum sock_name which, struct socket_addr *out)
{
	struct unix_sock *u = unix_of(s), *p = NULL;

	if (which != SOCK_NAME_LOCAL) {
		p = unix_peer_get(u);
		if (!p)
			return -ENOTCONN;
		u = p;
	}
	unix_name_of(u, out);
	if (!out->size) {
		out->family = AF_UNIX;
		out->size = sizeof(out->family);
	}
	unix_put(p);
	return 0;
}

bool unix_is_writable(const struct unix_sock *u)
{
	size_t sndbuf = (size_t)__atomic_load_n(&u->s.opt.sndbuf, __ATOMIC_RELAXED);

	return atomic_load(&u->charged) * 4 <= sndbuf;
}

static uint32_t unix_poll(struct socket *s, struct poll_table *pt)
{
	struct unix_sock *u = unix_of(s);
	uint32_t ev = 0;
	bool writable;

	poll_wait(pt, &s->waitq);
	mutex_lock(&s->lock);
	if (atomic_load(&s->err))
		ev |= EV_ERR;
	if (u->shutdown == UNIX_SHUT_BOTH)
		ev |= EV_HUP;
	if (u->shutdown & UNIX_SHUT_RCV)
		ev |= EV_RDHUP | EV_IN | EV_RDNORM;
	if (!list_empty(&u->queue) || !list_empty(&u->embryos))
		ev |= EV_IN | EV_RDNORM;
	if (unix_is_connected_kind(u) && u->state == UNIX_CLOSED)
		ev |= EV_HUP;
	writable = u->state != UNIX_LISTENING && unix_is_writable(u);
	mutex_unlock(&s->lock);
	if (writable && !unix_is_stream(u))
		writable = unix_dgram_room_or_relay(u);
	if (writable)
		ev |= EV_OUT | EV_WRNORM | EV_WRBAND;
	return ev;
}

static long unix_bytes(struct socket *s, bool out)
{
	struct unix_sock *u = unix_of(s);
	long r;

	if (out)
		return (long)atomic_load(&u->charged);
	mutex_lock(&s->lock);
	if (u->state == UNIX_LISTENING)
		r = -EINVAL;
	else if (unix_is_connected_kind(u))
		r = (long)u->queued_bytes;
	else if (list_empty(&u->queue))
		r = 0;
	else
		r = (long)list_first(&u->queue, struct unix_msg, link)->size;
	mutex_unlock(&s->lock);
	return r;
}

static long unix_ioctl(struct socket *s, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	int val;
	long n;

	if (cmd != FIONREAD && cmd != SIOCOUTQ)
		return -ENOTTY;
	n = unix_bytes(s, cmd == SIOCOUTQ);
	val = (int)MIN(n, (long)INT32_MAX);
	return n < 0 ? n : copy_out(ctx->mem, arg, &val, sizeof(val));
}

static int unix_getsockopt(struct socket *s, int level, int name, void *val, size_t *size)
{
	struct unix_sock *u = unix_of(s);
	struct ucred creds;

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (name != SO_PEERCRED)
		return -ENOPROTOOPT;
	mutex_lock(&s->lock);
	creds = u->peercred;
	mutex_unlock(&s->lock);
	creds = creds_out(creds);
	*size = MIN(*size, sizeof(creds));
	memcpy(val, &creds, *size);
	return 0;
}

/* ---- the tables ---- */

#define UNIX_COMMON                                                            \
	.release = unix_release, .destroy = unix_destroy, .bind = unix_bind,   \
	.getname = unix_getname, .shutdown = unix_shutdown, .poll = unix_poll, \
	.ioctl = unix_ioctl, .getsockopt = unix_getsockopt, .pair = unix_pair

static const struct proto_ops stream_ops = {
	UNIX_COMMON,           .connect = unix_stream_connect, .listen = unix_listen,
	.accept = unix_accept, .sendmsg = unix_stream_sendmsg, .recvmsg = unix_stream_recvmsg,
};

static const struct proto_ops dgram_ops = {
	UNIX_COMMON,
	.connect = unix_dgram_connect,
	.sendmsg = unix_dgram_sendmsg,
	.recvmsg = unix_dgram_recvmsg,
};

static const struct proto_ops seqpacket_ops = {
	UNIX_COMMON,           .connect = unix_stream_connect,    .listen = unix_listen,
	.accept = unix_accept, .sendmsg = unix_seqpacket_sendmsg, .recvmsg = unix_seqpacket_recvmsg,
};
