/*
 * The console: the terminal that the sandbox was started on, as the controlling
 * terminal of the guest's first session. Every open of it is of the same
 * host_file, which lives as long as the sandbox.
 *
 * The host's line discipline does the work, but two of its rules are ours to
 * keep, because the host sees only reads that do not block: how many bytes a raw
 * read waits for, and how long (VMIN, VTIME); and the host does not know the
 * guest's process groups (SIGTTIN, SIGTTOU).
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#include "abi/ioctl.h"
#include "abi/termios.h"
#include "fs/hostfd/internal.h"

#define DECISECOND_NS 100000000u

const struct hostfd_console_ops *hostfd_console_ops;

static int check(const struct vfs_ctx *ctx, int signo)
{
	return hostfd_console_ops ? hostfd_console_ops->check(ctx, signo) : 0;
}

static int get_modes(struct host_file *hf, struct abi_termios *t)
{
	return host_ioctl(hf->h->fd, KERNEL_TCGETS, t);
}

/* ---- reading ---- */

/* How a raw read waits. */
struct raw_wait {
	size_t min;
	uint64_t time_ns;
};

/* Enough is there for the host to call it readable, or for this very read. */
static bool has_enough(struct host_file *hf, size_t need)
{
	int n = 0;

	return host_ioctl(hf->h->fd, FIONREAD, &n) < 0 || (size_t)n >= need;
}

static uint64_t deadline_after(uint64_t ns)
{
	return ns ? host_clock_ns(CLOCK_MONOTONIC) + ns : PARK_FOREVER;
}

/* VMIN bytes without a timer: they are left to the host until all are there,
 * because it reports them to poll(2) only together. */
static ssize_t read_min(struct host_file *hf, struct uio *u, size_t min, struct io *io)
{
	ssize_t n;
	int r = 0;

	do {
		if (!io->nonblock && !has_enough(hf, MIN(min, u->remaining)))
			r = hostfd_wait(hf, POLLIN, io, PARK_FOREVER);
		n = r < 0 ? r : hostfd_attempt(hf, u, -1, 0);
		if (n == -EAGAIN && !io->nonblock)
			r = hostfd_wait(hf, POLLIN, io, PARK_FOREVER);
	} while (n == -EAGAIN && r == 0 && !io->nonblock);
	return r < 0 ? r : n;
}

/* With a timer: for the whole when VMIN is 0, else between bytes. */
static ssize_t read_timed(struct host_file *hf, struct uio *u, const struct raw_wait *w,
			  struct io *io)
{
	uint64_t deadline = w->min ? PARK_FOREVER : deadline_after(w->time_ns);
	ssize_t done = 0, n;
	int r = 0;

	for (;;) {
		n = hostfd_attempt(hf, u, -1, 0);
		if (n != -EAGAIN) {
			if (n <= 0)
				return done ? done : n;
			done += n;
			if ((size_t)done >= w->min || !u->remaining)
				return done;
			deadline = deadline_after(w->time_ns);
		}
		r = hostfd_wait(hf, POLLIN, io, deadline);
		if (r < 0)
			return done || r == -ETIMEDOUT ? done : r;
	}
}

static ssize_t console_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	struct host_file *hf = f->priv;
	struct abi_termios t;
	struct raw_wait w;
	int r = check(io->ctx, SIGTTIN);

	if (r < 0)
		return r;
	if (!u->remaining)
		return 0;
	r = get_modes(hf, &t);
	if (r < 0)
		return r;
	w = (struct raw_wait){ t.cc[ABI_VMIN], (uint64_t)t.cc[ABI_VTIME] * DECISECOND_NS };
	if ((t.lflag & ABI_ICANON) || (w.min == 1 && !w.time_ns))
		return hostfd_read(f, u, pos, io);
	if (!w.min && !w.time_ns) {
		ssize_t n = hostfd_attempt(hf, u, -1, 0);

		return n == -EAGAIN ? 0 : n;
	}
	return w.time_ns ? read_timed(hf, u, &w, io) : read_min(hf, u, w.min, io);
}

/* ---- writing ---- */

static ssize_t console_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io)
{
	const struct hostfd_console_ops *ops = hostfd_console_ops;
	struct host_file *hf = f->priv;
	struct abi_termios t;
	int r = 0;

	if (ops && ops->is_background(io->ctx) && get_modes(hf, &t) == 0 && (t.lflag & ABI_TOSTOP))
		r = check(io->ctx, SIGTTOU);
	return r < 0 ? r : hostfd_write(f, u, pos, io);
}

/* ---- the rest ---- */

static long console_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	const struct hostfd_console_ops *ops = hostfd_console_ops;
	struct host_file *hf = f->priv;
	long r = ops ? ops->session_ioctl(f, cmd, arg, ctx) : -ENOTTY;
	int n;

	if (r != -ENOTTY)
		return r;
	if (cmd == FIONREAD) {
		r = host_ioctl(hf->h->fd, cmd, &n);
		return r < 0 ? r : copy_out(ctx->mem, arg, &n, sizeof(n));
	}
	if (hostfd_tty_is_change(cmd)) {
		r = check(ctx, SIGTTOU);
		if (r < 0)
			return r;
	}
	return hostfd_tty_ioctl(hf, cmd, arg, ctx);
}

static const struct file_ops console_ops = {
	.name = "console",
	.read = console_read,
	.write = console_write,
	.poll = hostfd_poll,
	.ioctl = console_ioctl,
};

void hostfd_console_open(struct host_file *console, struct file *f)
{
	f->ops = &console_ops;
	f->priv = console;
}

int hostfd_console_create(int fd, bool is_own, struct host_file **out)
{
	struct stat st;
	int r = host_fstat(fd, &st);

	if (r < 0) {
		host_close(fd);
		return r;
	}
	r = host_file_create(fd, -1, O_RDWR, &st, out);
	if (r == 0 && is_own)
		atomic_store(&(*out)->move, MOVE_OWN);
	return r;
}
