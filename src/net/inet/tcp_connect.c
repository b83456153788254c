/*
 * connect, listen, accept.
 *
 * connect makes the whole connection at once: an embryo, which is the socket that
 * accept will return, becomes the caller's peer and goes on the listener's list. While
 * that list is full the caller is SYN_SENT on the listener's `callers`, and calls again
 * when somebody accepts. A call that nobody answers ends after as long as Linux would
 * have sent SYNs.
 *
 * A socket that does not block is told of success one call later, as in Linux
 * (EINPROGRESS), though the connection is there already.
 */
#include <string.h>
#include <time.h>

#include "abi/errno.h"
#include "host/host.h"
#include "net/inet/tcp.h"

#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MSEC 1000000ull
#define SYN_LINEAR 4 /* net.ipv4.tcp_syn_linear_timeouts */

/* ---- listen ---- */

static int listen_locked(struct tcp_sock *t, const struct vfs_ctx *ctx)
{
	int r;

	if (t->phase != TCP_UNCONNECTED || (t->state != TCP_CLOSE && t->state != TCP_LISTEN))
		return -EINVAL;
	if (t->state == TCP_LISTEN)
		return 0;
	r = inet_autobind_locked(&t->i, ctx);
	if (r == 0)
		r = claim_listen(&tcp_ports, &t->i.claim);
	if (r == 0) {
		t->state = TCP_LISTEN;
		t->i.s.is_listening = true;
	}
	return r;
}

/* One who waits for room, no longer on the list, with a reference; or NULL. */
static struct tcp_sock *caller_take(struct tcp_sock *t)
{
	struct tcp_sock *caller = NULL, *waits_on = NULL;

	for (;;) {
		mutex_lock(&t->i.s.lock);
		caller = list_empty(&t->callers)
				 ? NULL
				 : list_first(&t->callers, struct tcp_sock, wait_link);
		if (caller)
			tcp_get(caller);
		mutex_unlock(&t->i.s.lock);
		if (!caller)
			return NULL;
		tcp_lock_both(t, caller);
		if (caller->waits_on == t) {
			waits_on = t;
			list_del(&caller->wait_link);
			caller->waits_on = NULL;
		}
		tcp_unlock_both(t, caller);
		if (waits_on)
			break;
		tcp_put(caller); /* it gave up meanwhile */
	}
	tcp_put(waits_on);
	return caller;
}

static void call(struct tcp_sock *t);

/* There is room on t's list again, or t listens no longer: n callers call anew. */
static void call_again(struct tcp_sock *t, unsigned n)
{
	while (n--) {
		struct tcp_sock *caller = caller_take(t);

		if (!caller)
			return;
		call(caller);
		tcp_put(caller);
	}
}

int tcp_listen(struct socket *s, int backlog, const struct vfs_ctx *ctx)
{
	struct tcp_sock *t = tcp_of(s);
	unsigned wider = 0;
	int r;

	mutex_lock(&s->lock);
	r = listen_locked(t, ctx);
	if (r == 0) {
		if ((unsigned)backlog > t->backlog)
			wider = (unsigned)backlog - t->backlog;
		t->backlog = (unsigned)backlog;
	}
	mutex_unlock(&s->lock);
	if (r == 0)
		call_again(t, wider);
	return r;
}

void tcp_stop_listening(struct tcp_sock *t)
{
	struct list embryos = LIST_INIT(embryos);

	mutex_lock(&t->i.s.lock);
	if (t->state != TCP_LISTEN) {
		mutex_unlock(&t->i.s.lock);
		return;
	}
	t->state = TCP_CLOSE;
	t->i.s.is_listening = false;
	claim_unlisten(&tcp_ports, &t->i.claim);
	inet_unclaim_locked(&t->i);
	list_splice_back(&embryos, &t->embryos);
	t->nr_embryos = 0;
	mutex_unlock(&t->i.s.lock);
	while (!list_empty(&embryos)) {
		struct tcp_sock *e = list_first(&embryos, struct tcp_sock, wait_link);

		list_del(&e->wait_link);
		tcp_abort(e);
		tcp_close(e);
		tcp_put(e);
	}
	call_again(t, UINT32_MAX);
}

/* ---- the call ---- */

static void become_peers(struct tcp_sock *t, struct tcp_sock *other)
{
	tcp_get(other);
	t->peer = other;
	t->state = TCP_ESTABLISHED;
	t->shutdown = 0;
	t->is_done = false;
	if (!t->i.s.opt.sndbuf_locked)
		t->i.s.opt.sndbuf = MAX(t->i.s.opt.sndbuf, TCP_SNDBUF_CONNECTED);
}

/* What an accepted socket has from its listener. Nobody else has seen it yet. */
static void inherit(struct tcp_sock *e, const struct tcp_sock *t)
{
	e->i.s.family = e->i.claim.family = t->i.s.family;
	e->i.s.opt = t->i.s.opt;
	e->opt = t->opt;
	e->gives_inq = t->gives_inq;
	inet_inherit(&e->i, &t->i);
}

/* t calls the listener l. => both locks. -EAGAIN: it has to wait. */
static int connect_locked(struct tcp_sock *t, struct tcp_sock *l)
{
	struct tcp_sock *e = t->embryo;
	int r;

	if (l->state != TCP_LISTEN || t->state != TCP_SYN_SENT)
		return -ESTALE;
	if (l->nr_embryos > l->backlog)
		return -EAGAIN;
	inherit(e, l);
	r = claim_accept(&tcp_ports, &e->i.claim, &t->i.claim.remote, &t->i.claim.local,
			 l->i.claim.uid);
	if (r < 0)
		return r;
	become_peers(e, t);
	become_peers(t, e);
	e->phase = TCP_CONNECTED;
	t->embryo = NULL; /* its reference is the list's now */
	list_push_back(&l->embryos, &e->wait_link);
	l->nr_embryos++;
	return 0;
}

static void wait_on_locked(struct tcp_sock *t, struct tcp_sock *l)
{
	tcp_get(l);
	t->waits_on = l;
	list_push_back(&l->callers, &t->wait_link);
}

static void refuse(struct tcp_sock *t, int err)
{
	mutex_lock(&t->i.s.lock);
	if (t->state == TCP_SYN_SENT)
		tcp_fail_locked(t, err);
	mutex_unlock(&t->i.s.lock);
	tcp_wake(t, EV_ALL);
}

/* A socket may connect to itself (RFC 9293, 3.5: simultaneous open). */
static bool call_oneself(struct tcp_sock *t)
{
	bool is_self;

	mutex_lock(&t->i.s.lock);
	is_self = t->state == TCP_SYN_SENT && name_equal(&t->i.claim.local, &t->i.claim.remote);
	if (is_self)
		become_peers(t, t);
	mutex_unlock(&t->i.s.lock);
	return is_self;
}

/* t is SYN_SENT, and on nobody's list. */
static void call(struct tcp_sock *t)
{
	struct inet_name to, from;
	struct socket *found;
	int r = -ESTALE;

	if (call_oneself(t))
		return;
	mutex_lock(&t->i.s.lock);
	to = t->i.claim.remote;
	from = t->i.claim.local;
	if (t->state != TCP_SYN_SENT)
		r = -ECANCELED;
	mutex_unlock(&t->i.s.lock);
	while (r == -ESTALE) {
		struct tcp_sock *l;

		found = claim_find_listener(&tcp_ports, &to, &from);
		if (!found) {
			r = -ECONNREFUSED;
			break;
		}
		l = tcp_of(found);
		tcp_lock_both(t, l);
		if (t->state != TCP_SYN_SENT)
			r = -ECANCELED;
		else
			r = connect_locked(t, l);
		if (r == -EAGAIN)
			wait_on_locked(t, l);
		tcp_unlock_both(t, l);
		if (r == 0)
			waitq_wake(&found->waitq, EV_IN | EV_RDNORM);
		socket_put(found);
	}
	if (r == 0)
		tcp_wake(t, EV_OUT | EV_WRNORM);
	else if (r != -EAGAIN && r != -ECANCELED)
		refuse(t, ECONNREFUSED);
}

/* Off its listener's list. Hold no lock. */
static void stop_waiting(struct tcp_sock *t)
{
	struct tcp_sock *l, *dropped = NULL;

	mutex_lock(&t->i.s.lock);
	l = t->waits_on;
	if (l)
		tcp_get(l);
	mutex_unlock(&t->i.s.lock);
	if (!l)
		return;
	tcp_lock_both(t, l);
	if (t->waits_on == l) {
		list_del(&t->wait_link);
		t->waits_on = NULL;
		dropped = l;
	}
	tcp_unlock_both(t, l);
	tcp_put(dropped);
	tcp_put(l);
}

/* The embryo of a call that came to nothing. */
static void drop_embryo(struct tcp_sock *t)
{
	struct tcp_sock *e;

	mutex_lock(&t->i.s.lock);
	e = t->embryo;
	t->embryo = NULL;
	mutex_unlock(&t->i.s.lock);
	if (e)
		tcp_close(e);
	tcp_put(e);
}

void tcp_stop_calling(struct tcp_sock *t)
{
	mutex_lock(&t->i.s.lock);
	if (t->state == TCP_SYN_SENT) { /* a call that goes on sees it */
		t->state = TCP_CLOSE;
		t->phase = TCP_UNCONNECTED;
		inet_unclaim_locked(&t->i);
	}
	mutex_unlock(&t->i.s.lock);
	stop_waiting(t);
	(void)ktimer_cancel(&t->timer);
	drop_embryo(t);
}

void tcp_call_timeout(struct ktimer *timer)
{
	struct tcp_sock *t = container_of(timer, struct tcp_sock, timer);

	stop_waiting(t);
	refuse(t, ETIMEDOUT);
}

/* tcp(7), TCP_SYNCNT: after so many SYNs the last is waited for. */
static uint64_t call_timeout_ns(const struct tcp_options *o)
{
	unsigned n = MIN((unsigned)tcp_option(o, TCP_SYNCNT), 30u);
	uint64_t ns = (SYN_LINEAR + (2ull << n) - 1) * NSEC_PER_SEC;
	uint64_t user_ms = (uint64_t)tcp_option(o, TCP_USER_TIMEOUT);

	return user_ms ? MIN(ns, user_ms * NSEC_PER_MSEC) : ns;
}

/* ---- connect ---- */

/* Takes names and state for a call. */
static int prepare_locked(struct tcp_sock *t, struct inet_name *to, const struct vfs_ctx *ctx)
{
	struct inet_name from;
	int r;

	if (t->state != TCP_CLOSE || t->phase == TCP_CONNECTED)
		return -EISCONN;
	if (t->phase == TCP_CONNECTING || t->dead)
		return -EALREADY; /* another thread was faster */
	r = inet_route_locked(&t->i, to, &from);
	if (r < 0)
		return r;
	r = claim_connect(&tcp_ports, &t->i.claim, &from, to, ctx->cred->fsuid);
	if (r < 0)
		return r;
	t->state = TCP_SYN_SENT;
	t->phase = TCP_CONNECTING;
	t->shutdown = 0;
	t->is_done = false;
	return 0;
}

static int start_call(struct tcp_sock *t, const struct socket_addr *addr, const struct vfs_ctx *ctx)
{
	struct tcp_sock *e;
	struct inet_name to;
	uint64_t timeout_ns = 0;
	int r = name_from_sockaddr(t->i.s.family, addr, &to);

	if (r < 0)
		return r;
	r = tcp_alloc(t->i.s.family, t->i.s.protocol, &e);
	if (r < 0)
		return r;
	mutex_lock(&t->i.s.lock);
	r = prepare_locked(t, &to, ctx);
	if (r == 0) {
		t->embryo = e;
		e = NULL;
		timeout_ns = call_timeout_ns(&t->opt);
	}
	mutex_unlock(&t->i.s.lock);
	if (e) {
		tcp_close(e);
		tcp_put(e);
		return r;
	}
	call(t);
	mutex_lock(&t->i.s.lock);
	if (t->waits_on)
		r = ktimer_arm(&t->timer, host_clock_ns(CLOCK_MONOTONIC) + timeout_ns);
	mutex_unlock(&t->i.s.lock);
	return r;
}

/* Not connected, as before any connect. */
static void as_new_locked(struct tcp_sock *t)
{
	t->phase = TCP_UNCONNECTED;
	t->shutdown = 0;
	t->is_done = false;
	memcpy(t->i.claim.local.addr, t->i.bound.addr, sizeof(t->i.bound.addr));
}

/* What a call that is no longer SYN_SENT came to. */
static int call_result(struct tcp_sock *t)
{
	int r = 0;

	mutex_lock(&t->i.s.lock);
	if (t->state == TCP_CLOSE) {
		r = sock_take_error(&t->i.s);
		r = r ? r : -ECONNABORTED;
		as_new_locked(t);
	} else {
		t->phase = TCP_CONNECTED;
	}
	mutex_unlock(&t->i.s.lock);
	(void)ktimer_cancel(&t->timer);
	drop_embryo(t);
	return r;
}

/* Waits while t is SYN_SENT. busy: what to say when it may not wait. */
static int finish_call(struct tcp_sock *t, struct sock_wait *w, int busy)
{
	for (;;) {
		bool is_calling;
		int r;

		mutex_lock(&t->i.s.lock);
		is_calling = t->state == TCP_SYN_SENT;
		mutex_unlock(&t->i.s.lock);
		if (!is_calling)
			return call_result(t);
		r = sock_wait(w, &t->i.s.waitq, EV_OUT);
		if (r < 0)
			return r == -EAGAIN ? busy : r;
	}
}

/* connect(2) to AF_UNSPEC: the socket becomes as new, but for its name. */
static int disconnect(struct tcp_sock *t)
{
	bool was_connected;

	tcp_stop_listening(t);
	tcp_stop_calling(t);
	mutex_lock(&t->i.s.lock);
	was_connected = t->state != TCP_CLOSE;
	mutex_unlock(&t->i.s.lock);
	tcp_abort(t);
	tcp_forget_data(t);
	mutex_lock(&t->i.s.lock);
	atomic_store(&t->i.s.err, was_connected ? ECONNRESET : 0);
	as_new_locked(t);
	mutex_unlock(&t->i.s.lock);
	return 0;
}

int tcp_connect(struct socket *s, const struct socket_addr *addr, struct sock_wait *w)
{
	struct tcp_sock *t = tcp_of(s);
	enum tcp_phase phase;
	int r;

	if (addr->size < sizeof(addr->family))
		return -EINVAL;
	if (addr->family == AF_UNSPEC)
		return disconnect(t);
	mutex_lock(&s->lock);
	phase = t->phase;
	mutex_unlock(&s->lock);
	if (phase == TCP_CONNECTED)
		return -EISCONN;
	if (phase == TCP_CONNECTING)
		return finish_call(t, w, -EALREADY);
	r = start_call(t, addr, w->ctx);
	if (r < 0)
		return r;
	return w->nonblock ? -EINPROGRESS : finish_call(t, w, -EINPROGRESS);
}

/* ---- accept ---- */

/* -EAGAIN: nobody there. */
static int take_embryo(struct tcp_sock *t, struct tcp_sock **out)
{
	int r = 0;

	mutex_lock(&t->i.s.lock);
	if (t->state != TCP_LISTEN) {
		r = -EINVAL;
	} else if (list_empty(&t->embryos)) {
		r = -EAGAIN;
	} else {
		*out = list_first(&t->embryos, struct tcp_sock, wait_link);
		list_del(&(*out)->wait_link);
		t->nr_embryos--;
	}
	mutex_unlock(&t->i.s.lock);
	if (r == 0)
		call_again(t, 1);
	return r;
}

int tcp_accept(struct socket *s, struct sock_wait *w, struct socket **out)
{
	struct tcp_sock *t = tcp_of(s), *e;
	int r;

	*out = NULL;
	while ((r = take_embryo(t, &e)) == -EAGAIN) {
		r = sock_wait(w, &s->waitq, EV_IN);
		if (r < 0)
			return r;
	}
	if (r == 0)
		*out = &e->i.s; /* with the list's reference */
	return r;
}
