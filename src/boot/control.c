/* The control thread: carries out what the launcher asks for, and ends the
 * sandbox when the launcher is gone. */
#include <signal.h>
#include <sys/wait.h>

#include "base/log.h"
#include "boot/console.h"
#include "boot/internal.h"
#include "host/host.h"
#include "host/proc.h"
#include "host/thread.h"

struct control {
	struct kernel *k;
	int fd;
	struct host_thread thread;
};

static struct control control;

static void signal_first(struct kernel *k, int signo)
{
	struct ksiginfo info = { .signo = signo, .code = SI_USER };
	struct thread_group *g = pid_find_group(k, 2);

	if (!g)
		return;
	signal_send_group(g, &info);
	group_put(g);
}

static void handle(struct kernel *k, const struct control_msg *m)
{
	struct ksiginfo info = { .signo = m->signo, .code = SI_KERNEL };

	if (m->signo < 1 || m->signo > NSIGNALS)
		return;
	switch (m->kind) {
	case CONTROL_SIGNAL:
		signal_first(k, m->signo);
		break;
	case CONTROL_TTY_SIGNAL:
	case CONTROL_WINCH:
		if (signal_send_pgrp(k, console_foreground(), &info) < 0)
			signal_first(k, m->signo);
		break;
	default:
		break;
	}
}

static void control_main(void *arg)
{
	struct control *c = arg;
	struct control_msg m;

	while (host_read(c->fd, &m, sizeof(m)) == (ssize_t)sizeof(m))
		handle(c->k, &m);
	/* The launcher is gone: so are we. */
	host_exit(BOOT_EXIT_FAILED);
}

int control_start(struct kernel *k, int fd)
{
	control.k = k;
	control.fd = fd;
	return host_thread_create(&control.thread, "control", 64 * 1024, control_main, &control);
}
