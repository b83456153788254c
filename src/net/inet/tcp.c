/* TCP: the object, and how connections end. See tcp.h for the model. */
#include "net/inet/tcp.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "abi/errno.h"

static POOL_DEFINE(tcp_pool, struct tcp_sock);

static const struct proto_ops tcp_ops;

#define EV_READ (EV_IN | EV_RDNORM)
#define EV_WRITE (EV_OUT | EV_WRNORM)

/* ---- making ---- */

int tcp_alloc(int family, int protocol, struct tcp_sock **out)
{
	struct tcp_sock *t = pool_alloc(&tcp_pool);

	*out = NULL;
	if (!t)
		return -ENOMEM;
	socket_init(&t->i.s, &tcp_ops, family, SOCK_STREAM, protocol);
	t->i.s.opt.sndbuf = TCP_SNDBUF_DEFAULT;
	t->i.s.opt.rcvbuf = TCP_RCVBUF_DEFAULT;
	inet_init(&t->i);
	t->state = TCP_CLOSE;
	t->phase = TCP_UNCONNECTED;
	tcp_options_init(&t->opt);
	list_init(&t->embryos);
	list_init(&t->callers);
	list_init(&t->wait_link);
	list_init(&t->queue);
	t->skip_seq = UINT64_MAX;
	ktimer_init(&t->timer, tcp_call_timeout);
	*out = t;
	return 0;
}

int tcp_create(int family, int protocol, struct socket **out)
{
	struct tcp_sock *t;
	int r = tcp_alloc(family, protocol, &t);

	*out = r < 0 ? NULL : &t->i.s;
	return r;
}

static void tcp_destroy(struct socket *s)
{
	struct tcp_sock *t = tcp_of(s);

	ASSERT(t->dead && !t->peer && !t->waits_on && list_empty(&t->queue));
	ASSERT(t->i.claim.kind == CLAIM_NONE && list_empty(&t->embryos) && list_empty(&t->callers));
	tcp_put(t->embryo);
	pool_free(&tcp_pool, t);
}

/* ---- two locks ---- */

LOCKS_UNCHECKED void tcp_lock_both(struct tcp_sock *a, struct tcp_sock *b)
{
	struct tcp_sock *first = !b || a < b ? a : b, *second = first == a ? b : a;

	mutex_lock(&first->i.s.lock);
	if (second && first != second)
		mutex_lock_nested(&second->i.s.lock);
}

LOCKS_UNCHECKED void tcp_unlock_both(struct tcp_sock *a, struct tcp_sock *b)
{
	mutex_unlock(&a->i.s.lock);
	if (b && a != b)
		mutex_unlock(&b->i.s.lock);
}

LOCKS_UNCHECKED struct tcp_sock *tcp_lock_with_peer(struct tcp_sock *t)
{
	struct tcp_sock *peer;

	for (;;) {
		mutex_lock(&t->i.s.lock);
		peer = t->peer;
		if (!peer)
			return NULL;
		tcp_get(peer);
		mutex_unlock(&t->i.s.lock);
		tcp_lock_both(t, peer);
		if (t->peer == peer)
			return peer;
		tcp_unlock_both(t, peer);
		tcp_put(peer);
	}
}

void tcp_unlock_with_peer(struct tcp_sock *t, struct tcp_sock *peer)
{
	tcp_unlock_both(t, peer);
	tcp_put(peer);
}

void tcp_wake(struct tcp_sock *t, uint32_t events)
{
	waitq_wake_all(&t->i.s.waitq, events);
}

/* ---- the end of a connection ---- */

/* They point to each other no longer; the references are the caller's to put, after
 * it has unlocked. */
struct parted {
	struct tcp_sock *a, *b;
};

static struct parted part_locked(struct tcp_sock *t)
{
	struct parted p = { t->peer, NULL };

	if (t->peer) {
		p.b = t->peer->peer;
		t->peer->peer = NULL;
		t->peer = NULL;
	}
	if (p.a == t) /* connected to itself: one reference */
		p.b = NULL;
	return p;
}

static void parted_put(struct parted p)
{
	tcp_put(p.a);
	tcp_put(p.b);
}

void tcp_fail_locked(struct tcp_sock *t, int err)
{
	mutex_assert_held(&t->i.s.lock);
	if (t->state == TCP_CLOSE)
		return;
	atomic_store(&t->i.s.err, err);
	t->state = TCP_CLOSE;
	t->shutdown = TCP_SHUT_BOTH;
	inet_unclaim_locked(&t->i);
}

/* The error that a reset is for t. */
static int reset_error(const struct tcp_sock *t)
{
	return t->state == TCP_CLOSE_WAIT ? EPIPE : ECONNRESET;
}

/* We are closed at both ends now: the claim waits when we were the first to close. */
static void both_closed_locked(struct tcp_sock *t, bool was_first)
{
	t->state = TCP_CLOSE;
	if (was_first)
		claim_wait(&tcp_ports, &t->i.claim, t->i.is_port_fixed ? &t->i.bound : NULL, true);
	else
		inet_unclaim_locked(&t->i);
}

static void fin_arrives_locked(struct tcp_sock *t)
{
	t->shutdown |= TCP_SHUT_RCV;
	t->is_done = true;
	if (t->state == TCP_ESTABLISHED)
		t->state = TCP_CLOSE_WAIT;
	else if (t->state == TCP_FIN_WAIT2)
		both_closed_locked(t, true);
}

/* Sends our FIN. => locks of t and peer (NULL: nobody is there any more) */
static void send_fin_locked(struct tcp_sock *t, struct tcp_sock *peer)
{
	bool was_last = t->state == TCP_CLOSE_WAIT;

	if (was_last)
		both_closed_locked(t, false);
	else if (t->state == TCP_ESTABLISHED)
		t->state = TCP_FIN_WAIT2;
	else
		return;
	if (peer)
		fin_arrives_locked(peer);
	else
		claim_peer_closed(&tcp_ports, &t->i.claim.remote, &t->i.claim.local);
}

/* The reset reaches the peer, or what its end has left. => both locks */
static void send_reset_locked(struct tcp_sock *t, struct tcp_sock *peer)
{
	if (peer && peer != t)
		tcp_fail_locked(peer, reset_error(peer));
	else if (!peer && t->state == TCP_CLOSE_WAIT)
		claim_peer_reset(&tcp_ports, &t->i.claim.remote, &t->i.claim.local);
}

/* What the peer hears of. => its lock; NULL is allowed */
static uint32_t news_locked(const struct tcp_sock *peer, bool was_reset)
{
	if (!peer)
		return 0;
	if (was_reset)
		return EV_ALL;
	return EV_READ | EV_RDHUP | (peer->shutdown == TCP_SHUT_BOTH ? EV_HUP : 0);
}

/* Unlocks both, tells the peer, and drops what is no longer needed. */
static void finish(struct tcp_sock *t, struct tcp_sock *peer, struct parted p, bool was_reset)
{
	uint32_t news = news_locked(peer, was_reset);

	tcp_unlock_both(t, peer);
	if (peer)
		tcp_wake(peer, news);
	parted_put(p);
	tcp_put(peer);
}

void tcp_abort(struct tcp_sock *t)
{
	struct tcp_sock *peer = tcp_lock_with_peer(t);
	int err = reset_error(t);
	struct parted p = { NULL, NULL };

	if (t->state != TCP_CLOSE && t->state != TCP_LISTEN) {
		send_reset_locked(t, peer);
		p = part_locked(t);
		tcp_fail_locked(t, err);
	}
	finish(t, peer, p, true);
	tcp_wake(t, EV_ALL);
}

/* ---- closing ---- */

static bool has_synchronized(const struct tcp_sock *t)
{
	return t->state == TCP_ESTABLISHED || t->state == TCP_CLOSE_WAIT ||
	       t->state == TCP_FIN_WAIT2;
}

/* RFC 2525, 2.17: who closes with bytes unread says so, as does SO_LINGER of 0. */
static bool closes_with_reset(const struct tcp_sock *t)
{
	const struct linger *l = &t->i.s.opt.linger;

	return t->next_seq != t->read_seq || (l->l_onoff && !l->l_linger);
}

/* => both locks */
static bool end_connection_locked(struct tcp_sock *t, struct tcp_sock *peer)
{
	bool resets = closes_with_reset(t);

	if (!has_synchronized(t))
		return false;
	if (resets)
		send_reset_locked(t, peer);
	else
		send_fin_locked(t, peer);
	if (t->state == TCP_FIN_WAIT2 && !resets)
		claim_wait(&tcp_ports, &t->i.claim, NULL, false);
	t->state = TCP_CLOSE;
	return resets;
}

void tcp_forget_data(struct tcp_sock *t)
{
	struct list chunks = LIST_INIT(chunks);

	mutex_lock(&t->i.s.read_lock); /* rule 2 */
	mutex_lock(&t->i.s.lock);
	list_splice_back(&chunks, &t->queue);
	tcp_uncharge_locked(t, atomic_load(&t->charge));
	t->read_seq = t->next_seq;
	t->urgent = TCP_URGENT_NONE;
	t->skip_seq = UINT64_MAX;
	mutex_unlock(&t->i.s.lock);
	mutex_unlock(&t->i.s.read_lock);
	tcp_free_chunks(&chunks);
}

void tcp_close(struct tcp_sock *t)
{
	struct tcp_sock *peer;
	struct parted p;
	bool resets;

	tcp_stop_listening(t);
	tcp_stop_calling(t);
	peer = tcp_lock_with_peer(t);
	t->dead = true;
	t->shutdown = TCP_SHUT_BOTH;
	resets = end_connection_locked(t, peer);
	claim_drop(&tcp_ports, &t->i.claim);
	p = part_locked(t);
	finish(t, peer, p, resets);
	tcp_forget_data(t); /* dead: nothing comes after it */
	tcp_wake(t, EV_ALL);
}

static void tcp_release(struct socket *s)
{
	tcp_close(tcp_of(s));
}

/* shutdown(2) for sending. */
static void shut_sending(struct tcp_sock *t)
{
	struct tcp_sock *peer = tcp_lock_with_peer(t);
	struct parted p = { NULL, NULL };

	send_fin_locked(t, peer);
	if (t->state == TCP_CLOSE)
		p = part_locked(t);
	finish(t, peer, p, false);
}

static int tcp_shutdown(struct socket *s, int how)
{
	struct tcp_sock *t = tcp_of(s);
	unsigned mask = (unsigned)how + 1; /* SHUT_RD 0, WR 1, RDWR 2 */
	int state, r = 0;

	mutex_lock(&s->lock);
	state = t->state;
	if (state == TCP_CLOSE)
		r = -ENOTCONN;
	if (state != TCP_LISTEN && state != TCP_SYN_SENT)
		t->shutdown |= mask;
	mutex_unlock(&s->lock);
	if (state == TCP_LISTEN && (mask & TCP_SHUT_RCV))
		tcp_stop_listening(t);
	else if (state == TCP_SYN_SENT)
		tcp_stop_calling(t);
	else if (mask & TCP_SHUT_SND)
		shut_sending(t);
	tcp_wake(t, EV_ALL);
	return r;
}

/* ---- state ---- */

static int tcp_getname(struct socket *s, enum sock_name which, struct socket_addr *out)
{
	struct tcp_sock *t = tcp_of(s);
	int r = 0;

	mutex_lock(&s->lock);
	if (which == SOCK_NAME_PEER && (t->state == TCP_CLOSE || t->state == TCP_SYN_SENT))
		r = -ENOTCONN;
	else if (which != SOCK_NAME_LOCAL && !t->i.claim.remote.port)
		r = -ENOTCONN;
	else
		name_to_sockaddr(s->family,
				 which == SOCK_NAME_LOCAL ? &t->i.claim.local : &t->i.claim.remote,
				 out);
	mutex_unlock(&s->lock);
	return r;
}

/* => s.lock */
static uint32_t stream_events_locked(struct tcp_sock *t)
{
	uint32_t ev = 0;

	if (t->state == TCP_SYN_SENT)
		return 0;
	if (tcp_readable_locked(t) >= (size_t)t->i.s.opt.rcvlowat)
		ev |= EV_READ;
	if ((t->shutdown & TCP_SHUT_SND) || tcp_is_writable_locked(t))
		ev |= EV_WRITE;
	if (t->urgent == TCP_URGENT_VALID)
		ev |= EV_PRI;
	return ev;
}

static uint32_t tcp_poll(struct socket *s, struct poll_table *pt)
{
	struct tcp_sock *t = tcp_of(s);
	uint32_t ev = 0;

	poll_wait(pt, &s->waitq);
	mutex_lock(&s->lock);
	if (t->state == TCP_LISTEN) {
		ev = list_empty(&t->embryos) ? 0 : EV_READ;
	} else {
		if (t->shutdown == TCP_SHUT_BOTH || t->state == TCP_CLOSE)
			ev |= EV_HUP;
		if (t->shutdown & TCP_SHUT_RCV)
			ev |= EV_READ | EV_RDHUP;
		ev |= stream_events_locked(t);
		if (atomic_load(&s->err))
			ev |= EV_ERR;
	}
	mutex_unlock(&s->lock);
	return ev;
}

/* SIOCINQ, SIOCOUTQ, SIOCATMARK: -ENOIOCTLCMD when it is none of them. */
static long tcp_count(struct tcp_sock *t, unsigned cmd)
{
	long n;

	mutex_lock(&t->i.s.lock);
	switch (cmd) {
	case FIONREAD:
		n = t->state == TCP_LISTEN ? -EINVAL : (long)tcp_readable_locked(t);
		break;
	case SIOCOUTQ:
	case SIOCOUTQNSD:
		n = t->state == TCP_LISTEN ? -EINVAL : (long)tcp_unread_locked(t);
		break;
	case SIOCATMARK:
		n = t->urgent != TCP_URGENT_NONE && t->urgent_seq == t->read_seq;
		break;
	default:
		n = -ENOTTY;
		break;
	}
	mutex_unlock(&t->i.s.lock);
	return n;
}

static long tcp_ioctl(struct socket *s, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	long n = tcp_count(tcp_of(s), cmd);
	int val = (int)MIN(n, (long)INT32_MAX);

	return n < 0 ? n : copy_out(ctx->mem, arg, &val, sizeof(val));
}

static const struct proto_ops tcp_ops = {
	.release = tcp_release,
	.destroy = tcp_destroy,
	.bind = inet_bind,
	.connect = tcp_connect,
	.listen = tcp_listen,
	.accept = tcp_accept,
	.getname = tcp_getname,
	.sendmsg = tcp_sendmsg,
	.recvmsg = tcp_recvmsg,
	.shutdown = tcp_shutdown,
	.poll = tcp_poll,
	.ioctl = tcp_ioctl,
	.setsockopt = tcp_setsockopt,
	.getsockopt = tcp_getsockopt,
};
