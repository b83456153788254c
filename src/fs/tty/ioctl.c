/*
 * What ioctl(2) asks of a terminal. Either side of a pseudo terminal may be
 * asked: modes, size and session are the slave's, flow and queues the side's own.
 *
 * Changing anything is for the foreground (SIGTTOU to others), through the
 * slave's side.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "fs/tty/internal.h"
#include "task/task.h"

#define TIOCPKT_IOCTL_BIT 0x40u
#define TCGETS2_NR 0x802c542au
#define TCSETS2_NR 0x402c542bu
#define TCSETSW2_NR 0x402c542cu
#define TCSETSF2_NR 0x402c542du

/* The caller's call. */
struct request {
	struct pty *p;
	struct file *f;
	unsigned cmd;
	uint64_t arg;
	const struct vfs_ctx *ctx;
	bool is_master;
};

static long give_int(const struct request *rq, int v)
{
	return copy_out(rq->ctx->mem, rq->arg, &v, sizeof(v));
}

static int take_int(const struct request *rq, int *v)
{
	return copy_in(rq->ctx->mem, v, rq->arg, sizeof(*v));
}

/* May the caller change the terminal? */
static int check_change(const struct request *rq)
{
	return tty_check(rq->ctx->task, &rq->p->tty, SIGTTOU);
}

/* ---- modes ---- */

/* The old structure of 16-bit flags. */
struct termio_16 {
	uint16_t iflag, oflag, cflag, lflag;
	uint8_t line;
	uint8_t cc[8];
};
_Static_assert(sizeof(struct termio_16) == 18, "struct termio");

static uint32_t speed_of(uint32_t bits, uint32_t as_told)
{
	static const uint32_t slow[] = { 0,   50,   75,   110,  134,  150,  200,   300,
					 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400 };
	static const uint32_t fast[] = { 0,       57600,   115200,  230400,  460800,  500000,
					 576000,  921600,  1000000, 1152000, 1500000, 2000000,
					 2500000, 3000000, 3500000, 4000000 };

	bits &= ABI_CBAUD;
	if (bits == ABI_BOTHER)
		return as_told;
	return bits & ABI_CBAUDEX ? fast[bits & 15] : slow[bits & 15];
}

/* What c_cflag says of the speeds. */
static void fill_speeds(struct abi_termios2 *tio)
{
	uint32_t in = tio->cflag >> ABI_IBSHIFT & ABI_CBAUD;

	tio->ospeed = speed_of(tio->cflag, tio->ospeed);
	tio->ispeed = in ? speed_of(in, tio->ispeed) : tio->ospeed;
}

static int termios_take(const struct request *rq, struct abi_termios2 *tio)
{
	struct termio_16 old;
	int r;

	switch (rq->cmd) {
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		r = copy_in(rq->ctx->mem, &old, rq->arg, sizeof(old));
		if (r < 0)
			return r;
		tio->iflag = (tio->iflag & ~0xffffu) | old.iflag;
		tio->oflag = (tio->oflag & ~0xffffu) | old.oflag;
		tio->cflag = (tio->cflag & ~0xffffu) | old.cflag;
		tio->lflag = (tio->lflag & ~0xffffu) | old.lflag;
		tio->line = old.line;
		memcpy(tio->cc, old.cc, sizeof(old.cc));
		break;
	case TCSETS2_NR:
	case TCSETSW2_NR:
	case TCSETSF2_NR:
		r = copy_in(rq->ctx->mem, tio, rq->arg, sizeof(*tio));
		break;
	default:
		r = copy_in(rq->ctx->mem, tio, rq->arg, sizeof(struct abi_termios));
	}
	if (r == 0)
		fill_speeds(tio);
	return r;
}

static bool has_flow(const struct abi_termios2 *tio)
{
	return (tio->iflag & ABI_IXON) && tio->cc[ABI_VSTOP] == ('S' & 037) &&
	       tio->cc[ABI_VSTART] == ('Q' & 037);
}

static void termios_set_locked(struct pty *p, struct abi_termios2 *tio)
{
	struct abi_termios2 old = p->ld.tio;

	tio->cflag = (tio->cflag & ~(ABI_CSIZE | ABI_PARENB)) | ABI_CS8 | ABI_CREAD;
	ldisc_set_termios(&p->ld, tio);
	if (has_flow(&old) != has_flow(tio))
		pty_packet_event_locked(p, has_flow(tio) ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP,
					TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
	if ((old.lflag | tio->lflag) & ABI_EXTPROC)
		pty_packet_event_locked(p, TIOCPKT_IOCTL_BIT, 0);
}

/* Output is never in flight: there is nothing to wait for (TCSETSW). */
static long termios_set(const struct request *rq, bool flush)
{
	struct pty *p = rq->p;
	struct abi_termios2 tio;
	int r = check_change(rq);

	if (r < 0)
		return r;
	mutex_lock(&p->lock);
	tio = p->ld.tio;
	mutex_unlock(&p->lock);
	r = termios_take(rq, &tio);
	if (r < 0)
		return r;
	mutex_lock(&p->lock);
	if (flush)
		ldisc_flush_input(&p->ld);
	termios_set_locked(p, &tio);
	pty_settle_locked(p);
	waitq_wake(&p->slave_waitq, EV_OUT | EV_WRNORM);
	mutex_unlock(&p->lock);
	return 0;
}

static long termios_get(const struct request *rq)
{
	struct abi_termios2 tio;
	struct termio_16 old;

	mutex_lock(&rq->p->lock);
	tio = rq->p->ld.tio;
	mutex_unlock(&rq->p->lock);
	if (rq->cmd == TCGETS2_NR)
		return copy_out(rq->ctx->mem, rq->arg, &tio, sizeof(tio));
	if (rq->cmd != TCGETA)
		return copy_out(rq->ctx->mem, rq->arg, &tio, sizeof(struct abi_termios));
	old = (struct termio_16){ .iflag = (uint16_t)tio.iflag,
				  .oflag = (uint16_t)tio.oflag,
				  .cflag = (uint16_t)tio.cflag,
				  .lflag = (uint16_t)tio.lflag,
				  .line = tio.line };
	memcpy(old.cc, tio.cc, sizeof(old.cc));
	return copy_out(rq->ctx->mem, rq->arg, &old, sizeof(old));
}

static long termios_ioctl(const struct request *rq)
{
	switch (rq->cmd) {
	case TCGETS:
	case TCGETS2_NR:
	case TCGETA:
		return termios_get(rq);
	case TCSETSF:
	case TCSETSF2_NR:
	case TCSETAF:
		return termios_set(rq, true);
	case TCSETS:
	case TCSETSW:
	case TCSETS2_NR:
	case TCSETSW2_NR:
	case TCSETA:
	case TCSETAW:
		return termios_set(rq, false);
	}
	return -ENOTTY;
}

/* ---- flow and queues ---- */

static long flow(const struct request *rq)
{
	struct pty *p = rq->p;
	int r = rq->is_master ? 0 : check_change(rq);
	uint8_t key = 0;

	if (r < 0)
		return r;
	mutex_lock(&p->lock);
	switch (rq->arg) {
	case ABI_TCOOFF:
	case ABI_TCOON:
		if (rq->is_master)
			p->master_is_stopped = rq->arg == ABI_TCOOFF;
		else if (rq->arg == ABI_TCOOFF)
			ldisc_stop(&p->ld, true);
		else
			ldisc_start(&p->ld, true);
		break;
	case ABI_TCIOFF:
	case ABI_TCION:
		/* To the other side: a key for the slave, a byte for the master. */
		key = p->ld.tio.cc[rq->arg == ABI_TCIOFF ? ABI_VSTOP : ABI_VSTART];
		if (key && rq->is_master)
			(void)byteq_write(&p->pending, &key, 1);
		else if (key)
			(void)byteq_write(&p->ld.out, &key, 1);
		break;
	default:
		r = -EINVAL;
	}
	pty_settle_locked(p);
	waitq_wake_all(&p->master_waitq, EV_IN | EV_OUT);
	waitq_wake_all(&p->slave_waitq, EV_OUT);
	mutex_unlock(&p->lock);
	return r;
}

/* What is on its way to this side (ABI_TCIFLUSH), or from it. */
static void flush_locked(struct pty *p, bool is_master, bool input)
{
	if (input != is_master) {
		if (is_master)
			byteq_clear(&p->pending);
		else
			ldisc_flush_input(&p->ld);
	} else if (is_master) {
		byteq_clear(&p->ld.out);
	} else {
		ldisc_flush_output(&p->ld);
	}
}

static long flush(const struct request *rq)
{
	struct pty *p = rq->p;
	int r = rq->is_master ? 0 : check_change(rq);

	if (r < 0)
		return r;
	if (rq->arg != ABI_TCIFLUSH && rq->arg != ABI_TCOFLUSH && rq->arg != ABI_TCIOFLUSH)
		return -EINVAL;
	mutex_lock(&p->lock);
	if (rq->arg != ABI_TCOFLUSH)
		flush_locked(p, rq->is_master, true);
	if (rq->arg != ABI_TCIFLUSH)
		flush_locked(p, rq->is_master, false);
	pty_settle_locked(p);
	waitq_wake_all(&p->master_waitq, EV_OUT);
	waitq_wake_all(&p->slave_waitq, EV_OUT);
	mutex_unlock(&p->lock);
	return 0;
}

static long unread(const struct request *rq)
{
	struct pty *p = rq->p;
	size_t n;

	mutex_lock(&p->lock);
	n = rq->is_master ? byteq_used(&p->ld.out) : ldisc_unread(&p->ld);
	mutex_unlock(&p->lock);
	return give_int(rq, (int)n);
}

static long set_discipline(const struct request *rq)
{
	int v, r = check_change(rq);

	if (r == 0)
		r = take_int(rq, &v);
	if (r < 0)
		return r;
	return v == 0 ? 0 : -EINVAL; /* there is N_TTY, and no other */
}

static long flow_ioctl(const struct request *rq)
{
	switch (rq->cmd) {
	case TCXONC:
		return flow(rq);
	case TCFLSH:
		return flush(rq);
	case TCSBRK:
	case TCSBRKP:
	case TIOCSBRK:
		return check_change(rq); /* a break reaches nobody here */
	case TIOCCBRK:
		return check_change(rq);
	case FIONREAD:
		return unread(rq);
	case TIOCOUTQ:
		return give_int(rq, 0);
	case TIOCGETD:
		return give_int(rq, 0);
	case TIOCSETD:
		return set_discipline(rq);
	}
	return -ENOTTY;
}

/* ---- size ---- */

static long size_get(const struct request *rq)
{
	struct abi_winsize ws;

	mutex_lock(&rq->p->lock);
	ws = rq->p->winsize;
	mutex_unlock(&rq->p->lock);
	return copy_out(rq->ctx->mem, rq->arg, &ws, sizeof(ws));
}

static long size_set(const struct request *rq)
{
	struct abi_winsize ws;
	bool changed;
	int r = copy_in(rq->ctx->mem, &ws, rq->arg, sizeof(ws));

	if (r < 0)
		return r;
	mutex_lock(&rq->p->lock);
	changed = memcmp(&ws, &rq->p->winsize, sizeof(ws)) != 0;
	rq->p->winsize = ws;
	mutex_unlock(&rq->p->lock);
	if (changed)
		(void)tty_signal(&rq->p->tty, SIGWINCH);
	return 0;
}

/* ---- whose it is ---- */

static long set_pgrp(struct tty *tty, uint64_t arg, const struct vfs_ctx *ctx)
{
	int32_t pgrp;
	int r = tty_check(ctx->task, tty, SIGTTOU);

	if (r < 0)
		return r == -EIO ? -ENOTTY : r;
	r = copy_in(ctx->mem, &pgrp, arg, sizeof(pgrp));
	return r < 0 ? r : tty_set_pgrp(ctx->task, tty, pid_in(ctx->task, pgrp));
}

long tty_session_ioctl(struct tty *tty, struct file *f, unsigned cmd, uint64_t arg,
		       const struct vfs_ctx *ctx, bool is_master)
{
	int32_t id;

	switch (cmd) {
	case TIOCSCTTY:
		return tty_acquire(ctx->task, tty, arg == 1, file_may_read(f));
	case TIOCNOTTY:
		return is_master ? -ENOTTY : tty_release(ctx->task, tty);
	case TIOCSPGRP:
		return set_pgrp(tty, arg, ctx);
	case TIOCGPGRP:
		id = tty_get_pgrp(ctx->task, tty, is_master);
		break;
	case TIOCGSID:
		id = tty_get_sid(ctx->task, tty, is_master);
		break;
	default:
		return -ENOTTY;
	}
	if (id < 0)
		return id;
	id = pid_out(ctx->task, id);
	return copy_out(ctx->mem, arg, &id, sizeof(id));
}

/* ---- exclusive use, hang-up, injection ---- */

static long set_exclusive(const struct request *rq, bool on)
{
	mutex_lock(&rq->p->lock);
	rq->p->is_exclusive = on;
	mutex_unlock(&rq->p->lock);
	return 0;
}

static long other_ioctl(const struct request *rq)
{
	unsigned dev;

	switch (rq->cmd) {
	case TIOCGWINSZ:
		return size_get(rq);
	case TIOCSWINSZ:
		return size_set(rq);
	case TIOCEXCL:
		return set_exclusive(rq, true);
	case TIOCNXCL:
		return set_exclusive(rq, false);
	case TIOCGEXCL:
		return give_int(rq, READ_ONCE(rq->p->is_exclusive));
	case TIOCGDEV:
		dev = (unsigned)rq->p->tty.rdev; /* both are numbered alike, below 2^32 */
		return copy_out(rq->ctx->mem, rq->arg, &dev, sizeof(dev));
	case TIOCVHANGUP:
		if (!cred_has_cap(rq->ctx->cred, CAP_SYS_ADMIN))
			return -EPERM;
		pty_hang_up(rq->p);
		return 0;
	case TIOCSTI:
		return -EIO; /* as with legacy_tiocsti switched off */
	case TIOCCONS:
		return -EPERM;
	}
	return tty_session_ioctl(&rq->p->tty, rq->f, rq->cmd, rq->arg, rq->ctx, rq->is_master);
}

/* ---- the master's own ---- */

static long set_packet_mode(const struct request *rq)
{
	int on, r = take_int(rq, &on);

	if (r < 0)
		return r;
	mutex_lock(&rq->p->lock);
	if (on && !rq->p->packet_mode)
		rq->p->packet_status = 0;
	rq->p->packet_mode = on;
	mutex_unlock(&rq->p->lock);
	return 0;
}

static long set_locked(const struct request *rq)
{
	int on, r = take_int(rq, &on);

	if (r < 0)
		return r;
	mutex_lock(&rq->p->lock);
	rq->p->is_locked = on;
	mutex_unlock(&rq->p->lock);
	return 0;
}

static long send_signal(const struct request *rq)
{
	int signo = (int)rq->arg;

	if (signo != SIGINT && signo != SIGQUIT && signo != SIGTSTP)
		return -EINVAL;
	(void)tty_signal(&rq->p->tty, signo);
	return 0;
}

/* The slave, opened without its name: a descriptor. */
static long open_peer(const struct request *rq)
{
	struct task *t = rq->ctx->task;
	struct path root;
	struct file *f;
	char name[16];
	int r;

	if (mount_super(rq->f->path.mount) != devpts_super(rq->p->devpts))
		return -ENODEV;
	mount_root(rq->f->path.mount, &root);
	snprintf(name, sizeof(name), "%u", rq->p->index);
	r = vfs_open(rq->ctx, &root, name, (unsigned)rq->arg, 0, 0, &f);
	path_put(&root);
	if (r < 0)
		return r;
	r = fd_install(t, f, 0, (unsigned)rq->arg & O_CLOEXEC);
	if (r < 0)
		file_put(f);
	return r;
}

static long master_ioctl(const struct request *rq)
{
	switch (rq->cmd) {
	case TIOCSPTLCK:
		return set_locked(rq);
	case TIOCGPTLCK:
		return give_int(rq, READ_ONCE(rq->p->is_locked));
	case TIOCPKT:
		return set_packet_mode(rq);
	case TIOCGPKT:
		return give_int(rq, READ_ONCE(rq->p->packet_mode));
	case TIOCGPTN:
		return give_int(rq, (int)rq->p->index);
	case TIOCSIG:
		return send_signal(rq);
	case TIOCGPTPEER:
		return open_peer(rq);
	}
	return -ENOTTY;
}

long pty_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct request rq = { .f = f, .cmd = cmd, .arg = arg, .ctx = ctx };
	bool gone;
	long r;

	rq.p = pty_of_file(f, &rq.is_master);
	mutex_lock(&rq.p->lock);
	gone = pty_is_hung_up(rq.p, f);
	mutex_unlock(&rq.p->lock);
	if (gone)
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	r = rq.is_master ? master_ioctl(&rq) : -ENOTTY;
	if (r == -ENOTTY)
		r = termios_ioctl(&rq);
	if (r == -ENOTTY)
		r = flow_ioctl(&rq);
	if (r == -ENOTTY)
		r = other_ioctl(&rq);
	return r;
}
