/* See console.h. */
#include "boot/console.h"

#include <fcntl.h>
#include <stdio.h>

#include "fs/hostfd/hostfd.h"
#include "fs/tty/tty.h"
#include "host/host.h"

#define CONSOLE_INDEX 0
#define CONSOLE_NAME "/dev/pts/0"

static struct console {
	struct tty tty;
	struct host_file *host;
	const struct launch *launch; /* NULL: there is no console */
	atomic_int place;            /* enum control_kind: where the launcher is */
	atomic_uint answers;         /* the launcher's, counted */
	struct waitq waitq;          /* for one more */
} console;

/* ---- its place outside ---- */

void console_set_place(enum control_kind place)
{
	atomic_store(&console.place, (int)place);
	atomic_fetch_add(&console.answers, 1);
	waitq_wake_all(&console.waitq, EV_IN);
}

/* The launcher is asked, and sleeps with the job until the user brings it to the
 * foreground; or says that it is there. */
static int wait_for_place(const struct vfs_ctx *ctx, int signo)
{
	struct waitq_entry e;
	int place, r = 0;

	waitq_entry_init(&e, ctx->waiter, EV_IN);
	waitq_add(&console.waitq, &e);
	while (r == 0 && (place = atomic_load(&console.place)) != CONTROL_FOREGROUND) {
		unsigned before = atomic_load(&console.answers);

		if (place == CONTROL_ORPHANED) {
			r = -EIO;
			break;
		}
		control_tell(CONTROL_WANTS_TERMINAL, signo);
		while (r == 0 && atomic_load(&console.answers) == before) {
			waiter_prepare(ctx->waiter);
			if (atomic_load(&console.answers) == before)
				r = waiter_wait(ctx->waiter, PARK_FOREVER);
		}
	}
	waitq_remove(&console.waitq, &e);
	return r;
}

/* ---- what hostfd asks ---- */

static int check(const struct vfs_ctx *ctx, int signo)
{
	int r = tty_check(ctx->task, &console.tty, signo);

	if (r < 0 || atomic_load(&console.place) == CONTROL_FOREGROUND)
		return r;
	return wait_for_place(ctx, signo);
}

static bool is_background(const struct vfs_ctx *ctx)
{
	const struct task *t = ctx->task;

	return t && atomic_load(&t->group->tty) == &console.tty &&
	       READ_ONCE(t->group->pgid) != READ_ONCE(console.tty.pgrp);
}

static long session_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	return tty_session_ioctl(&console.tty, f, cmd, arg, ctx, false);
}

static const struct hostfd_console_ops hostfd_ops = {
	.check = check,
	.is_background = is_background,
	.session_ioctl = session_ioctl,
};

/* ---- what task/ asks ---- */

static void console_destroy(struct tty *tty UNUSED)
{
	panic("the console was given up");
}

static int console_open(struct tty *tty UNUSED, struct file *f, const struct vfs_ctx *ctx UNUSED)
{
	hostfd_console_open(console.host, f);
	return 0;
}

/* Its open files go on: they are the user's terminal. */
static void console_hang_up(struct tty *tty)
{
	tty_hang_up(tty);
}

static const struct tty_ops console_tty_ops = {
	.destroy = console_destroy,
	.open = console_open,
	.hang_up = console_hang_up,
};

/* ---- at start ---- */

int console_init(struct kernel *k UNUSED, const struct launch *l, struct super *devpts)
{
	int r;

	if (l->console_fd < 0)
		return 0;
	r = hostfd_console_create(l->console_fd, l->console_is_own, &console.host);
	if (r < 0)
		return r;
	tty_init(&console.tty, &console_tty_ops, devpts_rdev(CONSOLE_INDEX));
	waitq_init(&console.waitq);
	atomic_store(&console.place, (int)l->place);
	r = devpts_add(devpts, CONSOLE_INDEX, &console.tty, l->uid, l->gid);
	if (r < 0)
		return r;
	console.launch = l;
	hostfd_console_ops = &hostfd_ops;
	return 0;
}

void console_give(struct kernel *k)
{
	if (console.launch)
		tty_give_first(k, &console.tty);
}

int console_stdio(const struct launch *l, const struct vfs_ctx *ctx, int fd, struct file **out)
{
	int flags = host_fcntl(fd, F_GETFL, 0);
	int r;

	if (!console.launch || !l->stdio_is_console[fd] || flags < 0)
		return 0;
	r = vfs_open(ctx, NULL, CONSOLE_NAME, (unsigned)(flags & O_ACCMODE) | O_NOCTTY, 0, 0, out);
	return r < 0 ? r : 1;
}

void console_signal(struct kernel *k, int signo)
{
	struct ksiginfo info = { .signo = signo, .code = SI_KERNEL };
	struct thread_group *first;

	if (console.launch && tty_signal(&console.tty, signo) == 0 && signo != SIGHUP)
		return;
	first = pid_find_group(k, FIRST_PID);
	if (!first)
		return;
	signal_send_group(first, &info);
	group_put(first);
}
