/* The channel between the launcher and the kernel process: a thread of the latter
 * carries out what the former asks for, and ends the sandbox when it is gone. */
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
	struct thread_group *g = pid_find_group(k, FIRST_PID);

	if (!g)
		return;
	/* A job is continued as a whole. */
	if (signo != SIGCONT || signal_send_pgrp(k, FIRST_PID, &info) < 0)
		signal_send_group(g, &info);
	group_put(g);
}

static void handle(struct kernel *k, const struct control_msg *m)
{
	switch (m->kind) {
	case CONTROL_SIGNAL:
	case CONTROL_TTY_SIGNAL:
		if (m->signo < 1 || m->signo > NSIGNALS)
			break;
		if (m->kind == CONTROL_SIGNAL)
			signal_first(k, m->signo);
		else
			console_signal(k, m->signo);
		break;
	case CONTROL_FOREGROUND:
	case CONTROL_BACKGROUND:
	case CONTROL_ORPHANED:
		console_set_place((enum control_kind)m->kind);
		break;
	default:
		break;
	}
}

void control_tell(enum control_kind kind, int signo)
{
	struct control_msg m = { .kind = (uint32_t)kind, .signo = signo };

	(void)!host_write(control.fd, &m, sizeof(m)); /* it may be gone: then so are we */
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
