/*
 * Pseudo terminals: opening, closing, reading and writing both sides. See
 * internal.h for the pair, ldisc.h for what happens to the bytes.
 *
 * Blocking calls sleep on their side's queue and look again; one reader of the
 * slave and one writer of each side have their turn at a time, so that a line,
 * VMIN bytes, or one write(2) stay together, as on Linux.
 */
#include "fs/tty/internal.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "base/pool.h"
#include "host/host.h"
#include "task/task.h"

#define PIECE 1024
#define DECISECOND_NS 100000000u
#define PACKET_FLOW (TIOCPKT_STOP | TIOCPKT_START)

POOL_DEFINE(pty_pool, struct pty);

static const struct file_ops master_ops, slave_ops;

/* ---- what both sides share ---- */

struct pty *pty_of_file(const struct file *f, bool *is_master)
{
	*is_master = f->ops == &master_ops;
	return *is_master || f->ops == &slave_ops ? f->priv : NULL;
}

bool pty_is_hung_up(const struct pty *p, const struct file *f)
{
	return f->ops == &slave_ops && f->version != p->generation;
}

void pty_packet_event_locked(struct pty *p, unsigned set, unsigned clear)
{
	if (!p->packet_mode)
		return;
	p->packet_status = (uint8_t)((p->packet_status & ~clear) | set);
	waitq_wake(&p->master_waitq, EV_IN | EV_RDNORM | EV_PRI);
}

static void signals_locked(struct pty *p, unsigned events)
{
	if (events & LDISC_SIGINT)
		(void)tty_signal(&p->tty, SIGINT);
	if (events & LDISC_SIGQUIT)
		(void)tty_signal(&p->tty, SIGQUIT);
	if (events & LDISC_SIGTSTP)
		(void)tty_signal(&p->tty, SIGTSTP);
}

static void packets_locked(struct pty *p, unsigned events)
{
	if (events & LDISC_FLUSHED_IN)
		pty_packet_event_locked(p, TIOCPKT_FLUSHREAD, 0);
	if (events & LDISC_FLUSHED_OUT)
		pty_packet_event_locked(p, TIOCPKT_FLUSHWRITE, 0);
	if (events & LDISC_STOPPED)
		pty_packet_event_locked(p, TIOCPKT_STOP, PACKET_FLOW);
	if (events & LDISC_STARTED)
		pty_packet_event_locked(p, TIOCPKT_START, PACKET_FLOW);
}

/* What waits goes into the discipline, as far as there is room. True: some went. */
static bool pump_locked(struct pty *p)
{
	size_t n, taken, before = p->pending.tail;

	do {
		const uint8_t *at = byteq_front(&p->pending, &n);

		taken = n ? ldisc_receive(&p->ld, at, n) : 0;
		p->pending.tail += taken;
	} while (taken);
	return p->pending.tail != before;
}

/* Each direction is woken when it has changed, and only then: a poller by edges
 * (EPOLLET) counts on both. */
void pty_settle_locked(struct pty *p)
{
	bool has_room = pump_locked(p);
	unsigned events = p->ld.events;

	p->ld.events = 0;
	signals_locked(p, events);
	packets_locked(p, events);
	if (events & LDISC_READABLE)
		waitq_wake(&p->slave_waitq, EV_IN | EV_RDNORM);
	if (events & (LDISC_STARTED | LDISC_FLUSHED_OUT))
		waitq_wake(&p->slave_waitq, EV_OUT | EV_WRNORM);
	if (p->ld.out.head != p->out_seen)
		waitq_wake(&p->master_waitq, EV_IN | EV_RDNORM);
	p->out_seen = p->ld.out.head;
	if (has_room)
		waitq_wake(&p->master_waitq, EV_OUT | EV_WRNORM);
}

/* One sleeper of a call: queued at the first wait, until sleep_end(). */
struct sleep {
	struct pty *p;
	struct waitq *q;
	struct io *io;
	struct waitq_entry entry;
	bool queued;
};

/* Until something happens: 0, -EAGAIN, -ERESTARTSYS, -ETIMEDOUT. The first call
 * only queues. Drops and retakes p->lock. */
LOCKS_UNCHECKED static int sleep_locked(struct sleep *s, uint32_t events, uint64_t deadline_ns)
{
	struct waiter *w = s->io->ctx->waiter;
	int r;

	if (s->io->nonblock)
		return -EAGAIN;
	if (!s->queued) {
		waitq_entry_init(&s->entry, w, events);
		waitq_add(s->q, &s->entry);
		s->queued = true;
		waiter_prepare(w);
		return 0;
	}
	mutex_unlock(&s->p->lock);
	r = waiter_wait(w, deadline_ns);
	waiter_prepare(w);
	mutex_lock(&s->p->lock);
	return r;
}

static void sleep_end(struct sleep *s)
{
	if (s->queued)
		waitq_remove(s->q, &s->entry);
}

/* Waits until *busy is ours. */
static int turn_begin_locked(struct pty *p, bool *busy, struct io *io)
{
	struct sleep s = { .p = p, .q = &p->turn_waitq, .io = io };
	int r = 0;

	while (*busy && r == 0)
		r = sleep_locked(&s, EV_IN, PARK_FOREVER);
	if (r == 0)
		*busy = true;
	sleep_end(&s);
	return r;
}

static void turn_end_locked(struct pty *p, bool *busy)
{
	*busy = false;
	waitq_wake_all(&p->turn_waitq, EV_IN);
}

/* ---- the slave reads ---- */

/* Moves what is there: a line, or bytes. *ended: a line (or the file) ended. */
static ssize_t slave_take_locked(struct pty *p, struct uio *u, bool *ended)
{
	bool canonical = ldisc_is_canonical(&p->ld), more = true;
	uint8_t buf[PIECE];
	ssize_t done = 0, r;

	while (more && u->remaining) {
		size_t n = ldisc_read(&p->ld, buf, MIN(sizeof(buf), u->remaining), &more);

		r = n ? uio_write(u, buf, n) : 0;
		if (r < 0)
			return done ? done : r;
		done += r;
		if ((size_t)r < n)
			break;
	}
	if (more && !u->remaining)
		ldisc_skip_eof(&p->ld);
	*ended = canonical || !u->remaining;
	return done;
}

static ssize_t slave_read_turn(struct pty *p, struct file *f, struct uio *u, struct sleep *s)
{
	const uint8_t *cc = p->ld.tio.cc;
	bool canonical = p->ld.tio.lflag & ABI_ICANON, ended = false;
	size_t min = canonical ? 0 : cc[ABI_VMIN];
	uint64_t time_ns = canonical ? 0 : (uint64_t)cc[ABI_VTIME] * DECISECOND_NS;
	uint64_t deadline = PARK_FOREVER;
	ssize_t done = 0, r = 0;

	/* VMIN 0: VTIME is a limit for the whole; else one between bytes. */
	if (!canonical && !min)
		deadline = host_clock_ns(CLOCK_MONOTONIC) + time_ns;
	while (!ended) {
		if (ldisc_readable(&p->ld, false)) {
			r = slave_take_locked(p, u, &ended);
			if (r < 0)
				break;
			done += r;
			pty_settle_locked(p);
			if ((size_t)done >= MAX(min, (size_t)1))
				break;
			if (time_ns && min)
				deadline = host_clock_ns(CLOCK_MONOTONIC) + time_ns;
			continue;
		}
		if (!p->master_is_open) {
			r = -EIO;
			break;
		}
		if (pty_is_hung_up(p, f))
			break;
		if (!canonical && !min && !time_ns)
			break;
		r = sleep_locked(s, EV_ALL, deadline);
		if (r < 0)
			break;
	}
	if (r == -ETIMEDOUT)
		r = 0;
	return done ? done : MIN(r, (ssize_t)0);
}

static ssize_t slave_read(struct file *f, struct uio *u, fileoff_t *pos UNUSED, struct io *io)
{
	struct pty *p = f->priv;
	struct sleep s = { .p = p, .q = &p->slave_waitq, .io = io };
	ssize_t r = tty_check(io->ctx->task, &p->tty, SIGTTIN);

	if (r < 0)
		return r;
	mutex_lock(&p->lock);
	if (pty_is_hung_up(p, f)) {
		mutex_unlock(&p->lock);
		return 0;
	}
	r = turn_begin_locked(p, &p->is_reading, io);
	if (r == 0) {
		r = u->remaining ? slave_read_turn(p, f, u, &s) : 0;
		turn_end_locked(p, &p->is_reading);
	}
	mutex_unlock(&p->lock);
	sleep_end(&s);
	if (r > 0)
		devpts_touch(f, false);
	return r;
}

/* ---- both write ---- */

/* Takes bytes of buf; 0: no room now; -EIO. */
static ssize_t slave_put_locked(struct pty *p, const struct file *f, const uint8_t *buf, size_t n)
{
	if (!p->master_is_open || pty_is_hung_up(p, f))
		return -EIO;
	return (ssize_t)ldisc_write(&p->ld, buf, n);
}

static ssize_t master_put_locked(struct pty *p, const uint8_t *buf, size_t n)
{
	size_t done;

	if (p->master_is_stopped)
		return 0;
	done = byteq_write(&p->pending, buf, n);
	(void)pump_locked(p);
	return (ssize_t)done;
}

/* All of one buffer: how many bytes went, and in *err why not all. */
static size_t put_all_locked(struct pty *p, struct file *f, const uint8_t *buf, size_t n,
			     struct sleep *s, ssize_t *err)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = f->ops == &master_ops ? master_put_locked(p, buf + done, n - done)
						  : slave_put_locked(p, f, buf + done, n - done);

		if (r > 0) {
			done += (size_t)r;
			continue;
		}
		if (r == 0) {
			/* The other side must see what is there while we wait. */
			pty_settle_locked(p);
			r = sleep_locked(s, EV_ALL, PARK_FOREVER);
		}
		if (r < 0) {
			*err = r;
			break;
		}
	}
	pty_settle_locked(p);
	return done;
}

static ssize_t pty_write_turn(struct pty *p, struct file *f, struct uio *u, struct sleep *s)
{
	uint8_t buf[PIECE];
	ssize_t done = 0, r = 0;

	/* An empty write tells whether one could be made. */
	if (!u->remaining && f->ops == &slave_ops)
		r = slave_put_locked(p, f, NULL, 0);
	while (u->remaining && r == 0) {
		struct uio before = *u;
		ssize_t n = uio_read(u, buf, sizeof(buf));
		size_t put;

		if (n < 0)
			return done ? done : n;
		put = put_all_locked(p, f, buf, (size_t)n, s, &r);
		done += (ssize_t)put;
		if (put < (size_t)n) {
			*u = before;
			uio_advance(u, put);
		}
	}
	return done ? done : r;
}

static ssize_t pty_write(struct pty *p, struct file *f, struct uio *u, struct io *io)
{
	bool is_master = f->ops == &master_ops;
	struct sleep s = { .p = p, .io = io };
	bool *busy = is_master ? &p->master_is_writing : &p->slave_is_writing;
	ssize_t r;

	s.q = is_master ? &p->master_waitq : &p->slave_waitq;
	mutex_lock(&p->lock);
	r = turn_begin_locked(p, busy, io);
	if (r == 0) {
		r = pty_write_turn(p, f, u, &s);
		turn_end_locked(p, busy);
	}
	mutex_unlock(&p->lock);
	sleep_end(&s);
	return r;
}

static ssize_t slave_write(struct file *f, struct uio *u, fileoff_t *pos UNUSED, struct io *io)
{
	struct pty *p = f->priv;
	ssize_t r;

	if (READ_ONCE(p->ld.tio.lflag) & ABI_TOSTOP) {
		r = tty_check(io->ctx->task, &p->tty, SIGTTOU);
		if (r < 0)
			return r;
	}
	r = pty_write(p, f, u, io);
	if (r > 0)
		devpts_touch(f, true);
	return r;
}

static ssize_t master_write(struct file *f, struct uio *u, fileoff_t *pos UNUSED, struct io *io)
{
	return pty_write(f->priv, f, u, io);
}

/* ---- the master reads ---- */

/* The packet's first byte. */
static ssize_t packet_begin_locked(struct pty *p, struct uio *u, bool *is_status)
{
	uint8_t c = p->packet_status;

	*is_status = c != 0;
	p->packet_status = 0;
	return uio_write(u, &c, 1);
}

static ssize_t master_take_locked(struct pty *p, struct uio *u)
{
	struct ldisc *ld = &p->ld;
	ssize_t done = 0, r;
	bool is_status;

	if (p->packet_mode) {
		done = packet_begin_locked(p, u, &is_status);
		if (done < 0 || is_status)
			return done;
	}
	while (u->remaining && byteq_used(&ld->out)) {
		size_t n;
		const uint8_t *at = byteq_front(&ld->out, &n);

		n = MIN(n, u->remaining);
		r = uio_write(u, at, n);
		if (r <= 0)
			return done ? done : r;
		done += r;
		ldisc_shown(ld, (size_t)r);
		if ((size_t)r < n)
			break;
	}
	return done;
}

static ssize_t master_read(struct file *f, struct uio *u, fileoff_t *pos UNUSED, struct io *io)
{
	struct pty *p = f->priv;
	struct sleep s = { .p = p, .q = &p->master_waitq, .io = io };
	ssize_t r = 0;

	if (!u->remaining)
		return 0;
	mutex_lock(&p->lock);
	for (;;) {
		if (byteq_used(&p->ld.out) || (p->packet_mode && p->packet_status)) {
			r = master_take_locked(p, u);
			pty_settle_locked(p);
			waitq_wake(&p->slave_waitq, EV_OUT | EV_WRNORM);
			break;
		}
		if (p->slave_was_closed && !p->slave_files) {
			r = -EIO;
			break;
		}
		r = sleep_locked(&s, EV_ALL, PARK_FOREVER);
		if (r < 0)
			break;
	}
	mutex_unlock(&p->lock);
	sleep_end(&s);
	return r;
}

/* ---- readiness ---- */

static uint32_t slave_poll(struct file *f, struct poll_table *pt)
{
	struct pty *p = f->priv;
	uint32_t ev = 0;

	poll_wait(pt, &p->slave_waitq);
	mutex_lock(&p->lock);
	if (pty_is_hung_up(p, f)) {
		ev = EV_IN | EV_OUT | EV_ERR | EV_HUP | EV_RDNORM | EV_WRNORM;
	} else {
		if (ldisc_readable(&p->ld, true))
			ev |= EV_IN | EV_RDNORM;
		if (ldisc_writable(&p->ld) && !p->slave_is_writing)
			ev |= EV_OUT | EV_WRNORM;
		if (!p->master_is_open)
			ev |= EV_HUP;
	}
	mutex_unlock(&p->lock);
	return ev;
}

static uint32_t master_poll(struct file *f, struct poll_table *pt)
{
	struct pty *p = f->priv;
	uint32_t ev = 0;

	poll_wait(pt, &p->master_waitq);
	mutex_lock(&p->lock);
	if (byteq_used(&p->ld.out))
		ev |= EV_IN | EV_RDNORM;
	if (p->packet_mode && p->packet_status)
		ev |= EV_PRI | EV_IN | EV_RDNORM;
	if (byteq_room(&p->pending) && !p->master_is_stopped && !p->master_is_writing)
		ev |= EV_OUT | EV_WRNORM;
	if (p->slave_was_closed && !p->slave_files)
		ev |= EV_HUP;
	mutex_unlock(&p->lock);
	return ev;
}

/* ---- opening and closing ---- */

static void pty_destroy(struct tty *tty)
{
	pool_free(&pty_pool, container_of(tty, struct pty, tty));
}

static int slave_open_locked(struct pty *p, const struct vfs_ctx *ctx)
{
	if (!p->master_is_open || p->is_locked)
		return -EIO;
	if (p->is_exclusive && !cred_has_cap(ctx->cred, CAP_SYS_ADMIN))
		return -EBUSY;
	p->slave_files++;
	p->slave_was_closed = false;
	return 0;
}

static int slave_open(struct tty *tty, struct file *f, const struct vfs_ctx *ctx)
{
	struct pty *p = container_of(tty, struct pty, tty);
	int r;

	mutex_lock(&p->lock);
	r = slave_open_locked(p, ctx);
	f->version = p->generation;
	mutex_unlock(&p->lock);
	if (r < 0)
		return r;
	tty_get(tty);
	f->ops = &slave_ops;
	f->priv = p;
	return 0;
}

static void slave_release(struct file *f)
{
	struct pty *p = f->priv;

	mutex_lock(&p->lock);
	if (--p->slave_files == 0) {
		p->slave_was_closed = true;
		p->is_exclusive = false;
		waitq_wake_all(&p->master_waitq, EV_ALL);
	}
	mutex_unlock(&p->lock);
	tty_put(&p->tty);
}

void pty_hang_up(struct pty *p)
{
	mutex_lock(&p->lock);
	p->generation++;
	ldisc_reset(&p->ld);
	p->ld.events = 0;
	waitq_wake_all(&p->slave_waitq, EV_ALL);
	mutex_unlock(&p->lock);
	tty_hang_up(&p->tty);
}

static void master_release(struct file *f)
{
	struct pty *p = f->priv;

	mutex_lock(&p->lock);
	p->master_is_open = false;
	p->packet_mode = false;
	mutex_unlock(&p->lock);
	devpts_remove(p->devpts, p->index);
	pty_hang_up(p);
	tty_put(&p->tty);
}

static void slave_hang_up(struct tty *tty)
{
	pty_hang_up(container_of(tty, struct pty, tty));
}

static const struct tty_ops pty_tty_ops = {
	.destroy = pty_destroy,
	.open = slave_open,
	.hang_up = slave_hang_up,
};

static const struct file_ops slave_ops = {
	.name = "tty",
	.release = slave_release,
	.read = slave_read,
	.write = slave_write,
	.poll = slave_poll,
	.ioctl = pty_ioctl,
};

static const struct file_ops master_ops = {
	.name = "ptmx",
	.release = master_release,
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.ioctl = pty_ioctl,
};

static struct pty *pty_create(struct devpts *dp, unsigned index)
{
	struct pty *p = pool_alloc(&pty_pool);

	if (!p)
		return NULL;
	tty_init(&p->tty, &pty_tty_ops, devpts_rdev(index));
	mutex_init(&p->lock, LOCK_TTY);
	p->devpts = dp;
	p->index = index;
	ldisc_init(&p->ld);
	byteq_init(&p->pending, p->pending_buf, sizeof(p->pending_buf));
	p->master_is_open = p->is_locked = true;
	p->generation = 1;
	waitq_init(&p->master_waitq);
	waitq_init(&p->slave_waitq);
	waitq_init(&p->turn_waitq);
	return p;
}

int pty_open_master(struct devpts *dp, struct file *f, const struct vfs_ctx *ctx)
{
	struct pty *p;
	unsigned index;
	int r = devpts_reserve(dp, &index);

	if (r < 0)
		return r;
	p = pty_create(dp, index);
	if (!p) {
		devpts_unreserve(dp, index);
		return -ENOMEM;
	}
	r = devpts_publish(dp, index, &p->tty, ctx->cred);
	if (r < 0) {
		devpts_unreserve(dp, index);
		tty_put(&p->tty);
		return r;
	}
	f->ops = &master_ops;
	f->priv = p;
	return 0;
}
