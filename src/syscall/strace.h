/*
 * --strace: the calls, signals and exits of the whole sandbox, decoded as
 * strace(1) prints them, a line each in one host write:
 *
 *	[pid] openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3
 *	[pid] --- SIGCHLD {si_code=CLD_EXITED, si_pid=7, si_status=0} ---
 *	[pid] +++ exited with 0 +++
 *
 * A call is printed when it has returned, with what it filled in. One that
 * never returns (exit, execve that succeeded) is printed as it starts.
 */
#pragma once

#include "syscall/syscall.h"

/* Switches it on, to the host descriptor fd, before the first task runs. filter:
 * names and classes (%file, %desc, %process, %network, %signal, %memory),
 * comma-separated; NULL, "" and "all": every call; a leading '!' turns it round.
 * -EINVAL: an unknown name. */
int strace_enable(const char *filter, int fd) MUST_CHECK;

/* task_ops.trace_signal and trace_exit: nothing unless it is on. */
void strace_signal(struct task *t, const struct ksiginfo *info);
void strace_exit(struct task *t, int status);

/* ---- for syscall_dispatch() ---- */

extern bool strace_enabled; /* [I] once tasks run */

#define STRACE_LINE 4096

/* One line that is being made; lives on the caller's stack. */
struct strace_line {
	size_t size;
	unsigned next_arg; /* the first that is not printed yet */
	bool wanted;
	char text[STRACE_LINE];
};

/* Prints what can be seen before the call: names and input. */
void strace_enter(struct strace_line *line, struct task *t, int64_t nr, const struct sysargs *args);
/* The rest, and the result. */
void strace_leave(struct strace_line *line, struct task *t, int64_t nr, const struct sysargs *args,
		  long ret);
