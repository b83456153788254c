/*
 * Sending and receiving. A write becomes chunks of at most CHUNK_MAX bytes, small
 * ones share a chunk; a read goes on from chunk to chunk, and stops at urgent data.
 *
 * Urgent data (RFC 6093): the last byte of a send with MSG_OOB. A reader stops before
 * it; the next read skips it, unless SO_OOBINLINE makes it a byte like any other. A
 * second urgent byte takes the place of the first, which is then read as data.
 */
#include <string.h>

#include "abi/errno.h"
#include "base/fault.h"
#include "base/kmem.h"
#include "net/inet/tcp.h"
#include "task/task.h"

#define CHUNK_MAX ((size_t)64 << 10)
#define CHUNK_SHARED ((size_t)4096) /* a chunk that small writes share */
#define SMALL_WRITE ((size_t)1024)

/* ---- memory ---- */

static size_t charge_of(const struct tcp_chunk *c)
{
	return sizeof(*c) + c->room;
}

static struct tcp_chunk *chunk_new(size_t room)
{
	struct tcp_chunk *c = FAULT_POINT("tcp.chunk") ? NULL : kmem_alloc(sizeof(*c) + room);

	if (!c)
		return NULL;
	list_init(&c->link);
	c->room = room;
	c->size = c->done = 0;
	return c;
}

void tcp_free_chunks(struct list *chunks)
{
	while (!list_empty(chunks)) {
		struct tcp_chunk *c = list_first(chunks, struct tcp_chunk, link);

		list_del(&c->link);
		kmem_free(c);
	}
}

static void charge_locked(struct tcp_sock *t, size_t size)
{
	mutex_assert_held(&t->i.s.lock);
	atomic_fetch_add(&t->charge, size);
}

void tcp_uncharge_locked(struct tcp_sock *t, size_t size)
{
	mutex_assert_held(&t->i.s.lock);
	atomic_fetch_sub(&t->charge, size);
}

/* ---- room ---- */

/* Unread bytes beyond what the receiver's window takes. */
size_t tcp_unread_locked(const struct tcp_sock *t)
{
	size_t charge, window;

	mutex_assert_held(&t->i.s.lock);
	if (!t->peer)
		return 0;
	charge = atomic_load(&t->peer->charge);
	window = (size_t)__atomic_load_n(&t->peer->i.s.opt.rcvbuf, __ATOMIC_RELAXED) / 2;
	return charge > window ? charge - window : 0;
}

static size_t sndbuf_of(const struct tcp_sock *t)
{
	return (size_t)__atomic_load_n(&t->i.s.opt.sndbuf, __ATOMIC_RELAXED);
}

/* May anything be sent? When not, the peer's reader will tell us. */
static bool has_room_locked(struct tcp_sock *t)
{
	if (!t->peer)
		return true;
	for (int i = 0; i < 2; i++) {
		if (tcp_unread_locked(t) < sndbuf_of(t) &&
		    (!kmem_is_tight() || !atomic_load(&t->peer->charge)))
			return true;
		atomic_store(&t->wants_room, true); /* and look once more */
	}
	return false;
}

bool tcp_is_writable_locked(struct tcp_sock *t)
{
	for (int i = 0; i < 2; i++) {
		size_t used = tcp_unread_locked(t), size = sndbuf_of(t);

		if (used < size && size - used >= used / 2)
			return true;
		atomic_store(&t->wants_room, true);
	}
	return false;
}

/* t has read something: its peer, with a reference, if that is to be woken. */
static struct tcp_sock *writer_to_wake_locked(struct tcp_sock *t)
{
	struct tcp_sock *w = t->peer;
	size_t charge = atomic_load(&t->charge), size, window;

	if (!w || !atomic_load(&w->wants_room))
		return NULL;
	size = sndbuf_of(w);
	window = (size_t)t->i.s.opt.rcvbuf / 2;
	if (charge > window && size - MIN(charge - window, size) < (charge - window) / 2)
		return NULL;
	atomic_store(&w->wants_room, false);
	tcp_get(w);
	return w;
}

/* ---- sending ---- */

/* Why nothing more can be sent: 0, it can. An error is taken by who has sent nothing
 * yet. => lock */
static int send_error_locked(struct tcp_sock *t, bool is_first)
{
	int r = 0;

	if (atomic_load(&t->i.s.err))
		r = is_first ? sock_take_error(&t->i.s) : -EPIPE;
	if (r < 0)
		return r;
	if (t->shutdown & TCP_SHUT_SND)
		return -EPIPE;
	switch (t->state) {
	case TCP_ESTABLISHED:
	case TCP_CLOSE_WAIT:
		return has_room_locked(t) ? 0 : -EAGAIN;
	case TCP_SYN_SENT:
		return -EAGAIN;
	default:
		return -EPIPE;
	}
}

/* Waits until there is room. *peer, with a reference: where to send; NULL: nobody
 * reads there any more. */
static int wait_for_room(struct tcp_sock *t, bool is_first, struct sock_wait *w,
			 struct tcp_sock **peer)
{
	int r;

	for (;;) {
		mutex_lock(&t->i.s.lock);
		r = send_error_locked(t, is_first);
		*peer = r == 0 ? t->peer : NULL;
		if (*peer)
			tcp_get(*peer);
		mutex_unlock(&t->i.s.lock);
		if (r != -EAGAIN)
			return r;
		r = sock_wait(w, &t->i.s.waitq, EV_OUT);
		if (r < 0)
			return r;
	}
}

/* The last byte that came is urgent. One that was urgent before becomes data, but
 * when it is the next to be read it is skipped, as in Linux. */
static void mark_urgent_locked(struct tcp_sock *to, uint8_t byte)
{
	uint64_t seq = to->next_seq - 1;

	if (to->urgent != TCP_URGENT_NONE && to->urgent_seq == to->read_seq &&
	    !sock_has(&to->i.s, SOCK_BIT_OOBINLINE))
		to->skip_seq = to->urgent_seq;
	to->urgent_seq = seq;
	to->urgent = TCP_URGENT_VALID;
	to->urgent_byte = byte;
}

/* Are bytes of from still welcome at to? => to's lock */
static bool takes_data_locked(const struct tcp_sock *to, const struct tcp_sock *from)
{
	return to->peer == from && !to->is_done && to->state != TCP_CLOSE;
}

static void came_locked(struct tcp_sock *to, const struct tcp_chunk *c, size_t n, bool urgent)
{
	to->next_seq += n;
	to->nr_received++;
	if (urgent)
		mark_urgent_locked(to, c->data[c->size - 1]);
}

/* Puts the bytes behind those of the last chunk, where there is room for all. */
static bool append_locked(struct tcp_sock *to, const void *buf, size_t n, bool urgent)
{
	struct tcp_chunk *last;

	if (list_empty(&to->queue))
		return false;
	last = list_last(&to->queue, struct tcp_chunk, link);
	if (last->room - last->size < n)
		return false;
	memcpy(last->data + last->size, buf, n);
	last->size += n;
	came_locked(to, last, n, urgent);
	return true;
}

static void data_came(struct tcp_sock *to, bool urgent)
{
	waitq_wake(&to->i.s.waitq, EV_IN | EV_RDNORM | (urgent ? EV_PRI : 0));
}

/* SIGURG to the owner of the receiver's file. */
static void signal_urgent(struct tcp_sock *to, const struct vfs_ctx *ctx)
{
	struct file_owner owner = { .pid = 0 };
	struct file *f;

	mutex_lock(&to->i.s.lock);
	f = atomic_load(&to->i.s.file);
	if (f && !to->dead) /* it lives for as long as the lock is held */
		owner = file_owner_get(f);
	mutex_unlock(&to->i.s.lock);
	if (owner.pid && ctx->task)
		file_owner_signal(ctx->task, &owner, SIGURG);
}

/* Puts c on the queue; -ESTALE frees it: to takes no more from t. */
static ssize_t deliver(struct tcp_sock *t, struct tcp_sock *to, struct tcp_chunk *c, bool urgent)
{
	ssize_t n = (ssize_t)c->size;

	mutex_lock(&to->i.s.lock);
	if (takes_data_locked(to, t)) {
		list_push_back(&to->queue, &c->link);
		charge_locked(to, charge_of(c));
		came_locked(to, c, c->size, urgent);
		c = NULL;
	}
	mutex_unlock(&to->i.s.lock);
	if (c) {
		kmem_free(c);
		return -ESTALE;
	}
	data_came(to, urgent);
	return n;
}

/* A part of a write in a chunk of its own. */
static ssize_t send_chunk(struct tcp_sock *t, struct tcp_sock *to, struct uio *u, unsigned flags)
{
	size_t n = MIN(u->remaining, kmem_is_tight() ? CHUNK_SHARED : CHUNK_MAX);
	struct tcp_chunk *c = chunk_new(n);
	ssize_t r;

	if (!c)
		return -ENOBUFS;
	r = uio_read(u, c->data, n);
	if (r <= 0) {
		kmem_free(c);
		return -EFAULT;
	}
	c->size = (size_t)r;
	return deliver(t, to, c, (flags & MSG_OOB) && !u->remaining);
}

/* A small write to a reader that is behind: into the last chunk, or into a new one
 * that has room for what comes next. */
static ssize_t send_small(struct tcp_sock *t, struct tcp_sock *to, struct uio *u, unsigned flags)
{
	uint8_t buf[SMALL_WRITE];
	struct tcp_chunk *c;
	bool urgent, done = false;
	ssize_t n = uio_read(u, buf, MIN(u->remaining, sizeof(buf)));

	if (n <= 0)
		return -EFAULT;
	urgent = (flags & MSG_OOB) && !u->remaining;
	mutex_lock(&to->i.s.lock);
	if (takes_data_locked(to, t))
		done = append_locked(to, buf, (size_t)n, urgent);
	mutex_unlock(&to->i.s.lock);
	if (done) {
		data_came(to, urgent);
		return n;
	}
	c = chunk_new(CHUNK_SHARED);
	if (!c)
		return -ENOBUFS;
	memcpy(c->data, buf, (size_t)n);
	c->size = (size_t)n;
	return deliver(t, to, c, urgent);
}

static ssize_t send_part(struct tcp_sock *t, struct tcp_sock *to, struct uio *u, unsigned flags)
{
	if (u->remaining <= SMALL_WRITE && atomic_load(&to->charge))
		return send_small(t, to, u, flags);
	return send_chunk(t, to, u, flags);
}

/* Bytes for a socket that is gone: its system answers with a reset. */
static ssize_t send_to_nobody(struct tcp_sock *t, struct uio *u)
{
	size_t n = MIN(u->remaining, CHUNK_MAX);

	uio_advance(u, n);
	tcp_abort(t);
	return (ssize_t)n;
}

static ssize_t send_all(struct tcp_sock *t, struct uio *u, unsigned flags, struct sock_wait *w)
{
	ssize_t done = 0, r;

	do {
		struct tcp_sock *to;

		r = wait_for_room(t, done == 0, w, &to);
		if (r < 0)
			break;
		if (u->remaining)
			r = to ? send_part(t, to, u, flags) : send_to_nobody(t, u);
		if (to && r > 0 && (flags & MSG_OOB) && !u->remaining)
			signal_urgent(to, w->ctx);
		tcp_put(to);
		if (r > 0)
			done += r;
	} while ((r > 0 || r == -ESTALE) && u->remaining);
	return done ? done : r == -ESTALE ? -EPIPE : r;
}

ssize_t tcp_sendmsg(struct socket *s, struct socket_msg *m, unsigned flags, struct sock_wait *w)
{
	if (flags & MSG_FASTOPEN) /* net.ipv4.tcp_fastopen is 0 */
		return -EOPNOTSUPP;
	return send_all(tcp_of(s), m->data, flags, w);
}

/* ---- receiving ---- */

size_t tcp_readable_locked(const struct tcp_sock *t)
{
	uint64_t end = t->next_seq;

	if (t->state == TCP_SYN_SENT)
		return 0;
	if (t->urgent != TCP_URGENT_NONE && !sock_has(&t->i.s, SOCK_BIT_OOBINLINE) &&
	    t->urgent_seq >= t->read_seq)
		end = t->urgent_seq > t->read_seq ? t->urgent_seq : end - 1;
	if (t->skip_seq == t->read_seq)
		end--;
	return (size_t)(end - t->read_seq);
}

struct reading {
	struct tcp_sock *t;
	struct socket_msg *m;
	unsigned flags;
	size_t target;     /* bytes that must come before it returns */
	size_t done;       /* bytes read so far */
	uint64_t seq;      /* the next byte: beyond read_seq for a peek */
	struct list spent; /* chunks to be freed without locks */
};

/* What can be read without looking at the queue again. */
struct piece {
	const uint8_t *data;
	size_t size;
	bool skips; /* the byte at seq is urgent: it goes unread, then look again */
};

/* Where seq is in the queue. */
static struct piece find_locked(const struct tcp_sock *t, uint64_t seq)
{
	uint64_t at = t->read_seq;

	list_for_each(c, &t->queue, struct tcp_chunk, link) {
		size_t left = c->size - c->done;

		if (seq < at + left) {
			size_t off = c->done + (size_t)(seq - at);

			return (struct piece){ .data = c->data + off, .size = c->size - off };
		}
		at += left;
	}
	return (struct piece){ 0 };
}

/* Urgent data ends a piece before it, or is skipped. */
static void limit_by_urgent_locked(const struct tcp_sock *t, uint64_t seq, struct piece *p)
{
	if (t->urgent == TCP_URGENT_NONE || t->urgent_seq < seq)
		return;
	if (t->urgent_seq > seq)
		p->size = MIN(p->size, (size_t)(t->urgent_seq - seq));
	else if (!sock_has(&t->i.s, SOCK_BIT_OOBINLINE))
		p->skips = true;
}

/* Why there is nothing to read: -EAGAIN, 0 for the end, or an error. => lock */
static int empty_reason_locked(struct tcp_sock *t, size_t done)
{
	if (done)
		return atomic_load(&t->i.s.err) || t->state == TCP_CLOSE ||
				       (t->shutdown & TCP_SHUT_RCV)
			       ? 0
			       : -EAGAIN;
	if (t->is_done)
		return 0;
	if (atomic_load(&t->i.s.err))
		return sock_take_error(&t->i.s);
	if (t->shutdown & TCP_SHUT_RCV)
		return 0;
	return t->state == TCP_CLOSE ? -ENOTCONN : -EAGAIN;
}

/* The next piece; none: *why, as empty_reason_locked(), or 0 at urgent data. */
static struct piece next_piece(struct reading *rd, int *why)
{
	struct tcp_sock *t = rd->t;
	struct piece p = { 0 };

	mutex_lock(&t->i.s.lock);
	*why = 0;
	if (t->urgent != TCP_URGENT_NONE && t->urgent_seq == rd->seq && rd->done)
		goto out;
	p = find_locked(t, rd->seq);
	if (p.data && t->skip_seq == rd->seq)
		p.skips = true;
	else if (p.data)
		limit_by_urgent_locked(t, rd->seq, &p);
	else
		*why = t->state == TCP_LISTEN ? -ENOTCONN : empty_reason_locked(t, rd->done);
out:
	mutex_unlock(&t->i.s.lock);
	return p;
}

/* Takes n bytes off the queue; a writer to be woken is returned. */
static struct tcp_sock *consume(struct reading *rd, size_t n)
{
	struct tcp_sock *t = rd->t, *writer;
	size_t left = n;

	mutex_lock(&t->i.s.lock);
	while (left) {
		struct tcp_chunk *c = list_first(&t->queue, struct tcp_chunk, link);
		size_t part = MIN(left, c->size - c->done);

		c->done += part;
		left -= part;
		if (c->done == c->size) {
			list_del(&c->link);
			tcp_uncharge_locked(t, charge_of(c));
			list_push_back(&rd->spent, &c->link);
		}
	}
	t->read_seq += n;
	if (t->urgent != TCP_URGENT_NONE && t->read_seq > t->urgent_seq)
		t->urgent = TCP_URGENT_NONE;
	if (t->skip_seq < t->read_seq)
		t->skip_seq = UINT64_MAX;
	writer = writer_to_wake_locked(t);
	mutex_unlock(&t->i.s.lock);
	return writer;
}

static void advance(struct reading *rd, size_t n)
{
	struct tcp_sock *writer;

	rd->seq += n;
	if (rd->flags & MSG_PEEK)
		return;
	writer = consume(rd, n);
	if (writer)
		tcp_wake(writer, EV_OUT | EV_WRNORM);
	tcp_put(writer);
}

/* MSG_TRUNC throws bytes away unseen. */
static ssize_t copy_piece(struct reading *rd, const struct piece *p, size_t want)
{
	if (!(rd->flags & MSG_TRUNC))
		return uio_write(rd->m->data, p->data, want);
	uio_advance(rd->m->data, want);
	return (ssize_t)want;
}

/* Reads what is there. => read_lock. Why it stopped, as next_piece(); 1: enough. */
static int read_ready(struct reading *rd)
{
	do { /* also who asks for nothing waits until there is something */
		int why;
		struct piece p = next_piece(rd, &why);
		ssize_t n;

		if (!p.size)
			return why;
		if (!rd->m->data->remaining)
			return 1;
		if (p.skips) {
			advance(rd, 1);
			continue;
		}
		n = copy_piece(rd, &p, MIN(p.size, rd->m->data->remaining));
		if (n <= 0)
			return rd->done ? 1 : -EFAULT;
		advance(rd, (size_t)n);
		rd->done += (size_t)n;
	} while (rd->m->data->remaining);
	return 1;
}

static ssize_t read_stream(struct reading *rd, struct sock_wait *w)
{
	struct tcp_sock *t = rd->t;
	int why;

	for (;;) {
		mutex_lock(&t->i.s.read_lock);
		if (!rd->done || !(rd->flags & MSG_PEEK)) {
			mutex_lock(&t->i.s.lock);
			rd->seq = t->read_seq;
			mutex_unlock(&t->i.s.lock);
		}
		why = read_ready(rd);
		mutex_unlock(&t->i.s.read_lock);
		tcp_free_chunks(&rd->spent);
		if (why != -EAGAIN || rd->done >= rd->target)
			break;
		why = sock_wait(w, &t->i.s.waitq, EV_IN);
		if (why < 0)
			break;
	}
	return rd->done || why > 0 ? (ssize_t)rd->done : why;
}

/* recv(2) with MSG_OOB. */
static ssize_t read_urgent(struct tcp_sock *t, struct socket_msg *m, unsigned flags)
{
	uint8_t byte = 0;
	ssize_t r = 0;

	mutex_lock(&t->i.s.lock);
	if (sock_has(&t->i.s, SOCK_BIT_OOBINLINE) || t->urgent != TCP_URGENT_VALID)
		r = -EINVAL;
	else if (t->state == TCP_CLOSE && !t->is_done)
		r = -ENOTCONN;
	byte = t->urgent_byte;
	if (r == 0 && !(flags & MSG_PEEK))
		t->urgent = TCP_URGENT_READ;
	mutex_unlock(&t->i.s.lock);
	if (r < 0)
		return r;
	m->flags |= MSG_OOB;
	if (!m->data->remaining) {
		m->flags |= MSG_TRUNC;
		return 0;
	}
	if (flags & MSG_TRUNC)
		return 1;
	return uio_write(m->data, &byte, 1);
}

ssize_t tcp_recvmsg(struct socket *s, struct socket_msg *m, unsigned flags, struct sock_wait *w)
{
	struct reading rd = { .t = tcp_of(s), .m = m, .flags = flags };

	if (flags & MSG_ERRQUEUE)
		return -EAGAIN;
	if (flags & MSG_OOB)
		return read_urgent(rd.t, m, flags);
	list_init(&rd.spent);
	mutex_lock(&s->lock);
	rd.target = (size_t)s->opt.rcvlowat;
	mutex_unlock(&s->lock);
	rd.target = flags & MSG_WAITALL ? m->data->remaining : MIN(rd.target, m->data->remaining);
	if (!rd.target)
		rd.target = 1;
	return read_stream(&rd, w);
}
