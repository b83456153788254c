/*
 * listen, connect, accept, socketpair.
 *
 * connect makes the whole connection at once: an embryo, which is the socket that
 * accept will return, becomes the caller's peer and is put on the listener's list.
 * So a client may write before anybody accepts. Listener and caller are locked
 * together, by address, because the state of both must hold at that moment.
 */
#include <string.h>

#include "abi/errno.h"
#include "net/unix/unix.h"

/* ---- listen ---- */

int unix_listen(struct socket *s, int backlog, const struct vfs_ctx *ctx)
{
	struct unix_sock *u = unix_of(s);
	bool wider;

	mutex_lock(&s->lock);
	if (!atomic_load(&u->addr) || u->state == UNIX_CONNECTED) {
		mutex_unlock(&s->lock);
		return -EINVAL;
	}
	wider = (unsigned)backlog > u->backlog;
	u->backlog = (unsigned)backlog;
	u->state = UNIX_LISTENING;
	s->is_listening = true;
	unix_own_creds(ctx, &u->peercred); /* what those who connect see */
	mutex_unlock(&s->lock);
	if (wider)
		unix_room_wake(u);
	return 0;
}

/* ---- connect, of streams and seqpackets ---- */

LOCKS_UNCHECKED static void lock_both(struct unix_sock *a, struct unix_sock *b)
{
	struct unix_sock *first = a < b ? a : b, *second = a < b ? b : a;

	mutex_lock(&first->s.lock);
	if (first != second)
		mutex_lock_nested(&second->s.lock);
}

LOCKS_UNCHECKED static void unlock_both(struct unix_sock *a, struct unix_sock *b)
{
	mutex_unlock(&a->s.lock);
	if (a != b)
		mutex_unlock(&b->s.lock);
}

/* Both locked. -EAGAIN: no room yet; -ESTALE: the name's owner went meanwhile. */
static int may_connect_locked(const struct unix_sock *u, const struct unix_sock *to)
{
	if (to->dead)
		return -ESTALE;
	if (to->state != UNIX_LISTENING || (to->shutdown & UNIX_SHUT_RCV))
		return -ECONNREFUSED;
	if (to->nr_embryos > to->backlog)
		return -EAGAIN;
	if (u->state == UNIX_CONNECTED)
		return -EISCONN;
	return u->state == UNIX_CLOSED && !u->dead ? 0 : -EINVAL;
}

static void connect_locked(struct unix_sock *u, struct unix_sock *to, struct unix_sock *embryo,
			   const struct vfs_ctx *ctx)
{
	struct unix_addr *a = atomic_load(&to->addr);

	refcount_get(&a->refs);
	atomic_store(&embryo->addr, a);
	embryo->state = UNIX_CONNECTED;
	unix_own_creds(ctx, &embryo->peercred);
	unix_get(u);
	embryo->peer = u;
	u->state = UNIX_CONNECTED;
	u->peercred = to->peercred;
	unix_get(embryo);
	u->peer = embryo;
	unix_get(embryo);
	mutex_lock(&unix_gc_lock);
	list_push_back(&to->embryos, &embryo->embryo_link);
	mutex_unlock(&unix_gc_lock);
	to->nr_embryos++;
}

/* Connects to a socket that was found, or waits for room there: then 0 and *done
 * is false. */
static int try_connect(struct unix_sock *u, struct unix_sock *to, struct unix_sock *embryo,
		       struct sock_wait *w, bool *done)
{
	int r;

	do {
		lock_both(u, to);
		r = may_connect_locked(u, to);
		if (r == 0)
			connect_locked(u, to, embryo, w->ctx);
		unlock_both(u, to);
		if (r == -EAGAIN)
			r = sock_wait(w, &to->room_waitq, EV_OUT);
		else if (r == 0)
			*done = true;
	} while (r == 0 && !*done);
	sock_wait_end(w);
	return r;
}

int unix_stream_connect(struct socket *s, const struct socket_addr *addr, struct sock_wait *w)
{
	struct unix_sock *u = unix_of(s), *to;
	struct socket *embryo;
	bool done = false;
	int r = 0;

	if (sock_has(s, SOCK_BIT_PASSCRED))
		r = unix_autobind(u);
	if (r == 0)
		r = unix_create(s->type, s->protocol, &embryo);
	if (r < 0)
		return r;
	do {
		r = unix_find(addr, s->type, w->ctx, &to);
		if (r < 0)
			break;
		r = try_connect(u, to, unix_of(embryo), w, &done);
		if (done)
			waitq_wake(&to->s.waitq, EV_IN | EV_RDNORM);
		unix_put(to);
	} while (r == -ESTALE);
	if (done)
		waitq_wake(&s->waitq, EV_OUT | EV_WRNORM);
	else
		unix_close(unix_of(embryo), false);
	socket_put(embryo);
	return r;
}

/* ---- accept ---- */

/* -EAGAIN: nobody there. */
static int take_embryo(struct unix_sock *u, struct unix_sock **out)
{
	bool was_full = false;
	int r = 0;

	mutex_lock(&u->s.lock);
	if (u->state != UNIX_LISTENING) {
		r = -EINVAL;
	} else if (!list_empty(&u->embryos)) {
		*out = list_first(&u->embryos, struct unix_sock, embryo_link);
		mutex_lock(&unix_gc_lock);
		list_del(&(*out)->embryo_link);
		mutex_unlock(&unix_gc_lock);
		was_full = u->nr_embryos-- > u->backlog;
	} else {
		r = u->shutdown & UNIX_SHUT_RCV ? -EINVAL : -EAGAIN;
	}
	mutex_unlock(&u->s.lock);
	if (was_full)
		unix_room_wake(u);
	return r;
}

int unix_accept(struct socket *s, struct sock_wait *w, struct socket **out)
{
	struct unix_sock *u = unix_of(s), *e;
	int r;

	*out = NULL;
	while ((r = take_embryo(u, &e)) == -EAGAIN) {
		r = sock_wait(w, &s->waitq, EV_IN);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (sock_has(s, SOCK_BIT_PASSCRED)) {
		mutex_lock(&e->s.lock);
		__atomic_fetch_or(&e->s.opt.bits, 1u << SOCK_BIT_PASSCRED, __ATOMIC_RELAXED);
		mutex_unlock(&e->s.lock);
	}
	*out = &e->s; /* with the list's reference */
	return 0;
}

/* ---- connect, of datagram sockets ---- */

/* u no longer talks to old: what old has sent is thrown away, and an old that still
 * talks to u is told. */
static void dgram_disconnected(struct unix_sock *u, struct unix_sock *old)
{
	bool tell;

	mutex_lock(&u->s.lock);
	tell = !list_empty(&u->queue);
	mutex_unlock(&u->s.lock);
	if (!tell)
		return;
	unix_purge(u);
	unix_room_wake(u);
	mutex_lock(&old->s.lock);
	tell = !old->dead && old->peer == u;
	if (tell)
		atomic_store(&old->s.err, ECONNRESET);
	mutex_unlock(&old->s.lock);
	if (tell)
		waitq_wake(&old->s.waitq, EV_ERR);
}

/* Takes the reference to peer, which may be NULL. */
static void dgram_set_peer(struct unix_sock *u, struct unix_sock *peer)
{
	struct unix_sock *old;

	mutex_lock(&u->s.lock);
	old = u->peer;
	u->peer = peer;
	u->state = peer ? UNIX_CONNECTED : UNIX_CLOSED;
	mutex_unlock(&u->s.lock);
	unix_relay_cancel(u);
	if (old && old != peer)
		dgram_disconnected(u, old);
	unix_put(old);
	waitq_wake(&u->s.waitq, EV_OUT | EV_WRNORM | EV_WRBAND);
}

int unix_dgram_connect(struct socket *s, const struct socket_addr *addr, struct sock_wait *w)
{
	struct unix_sock *u = unix_of(s), *peer;
	int r = 0;

	if (addr->size < sizeof(addr->family))
		return -EINVAL;
	if (addr->family == AF_UNSPEC) {
		dgram_set_peer(u, NULL);
		return 0;
	}
	if (sock_has(s, SOCK_BIT_PASSCRED))
		r = unix_autobind(u);
	if (r == 0)
		r = unix_find(addr, s->type, w->ctx, &peer);
	if (r < 0)
		return r;
	mutex_lock(&peer->s.lock);
	if (peer->dead)
		r = -ECONNREFUSED;
	else if (peer->peer && peer->peer != u)
		r = -EPERM;
	mutex_unlock(&peer->s.lock);
	if (r < 0)
		unix_put(peer);
	else
		dgram_set_peer(u, peer);
	return r;
}

/* ---- socketpair ---- */

int unix_pair(struct socket *a, struct socket *b, const struct vfs_ctx *ctx)
{
	struct unix_sock *ua = unix_of(a), *ub = unix_of(b);

	lock_both(ua, ub);
	unix_get(ua);
	unix_get(ub);
	ua->peer = ub;
	ub->peer = ua;
	ua->state = ub->state = UNIX_CONNECTED;
	unix_own_creds(ctx, &ua->peercred);
	ub->peercred = ua->peercred;
	unlock_both(ua, ub);
	return 0;
}
