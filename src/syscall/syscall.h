/*
 * syscall/: decode, copy in, call, copy out. One file per family; one table.
 *
 * A handler gets the task and the six argument registers and returns what goes
 * into rax: a value, a negative errno, or a restart code. It checks and copies
 * its arguments itself, once, and calls the layer that does the work: it holds
 * no logic that a second entry (io_uring) would need again.
 */
#pragma once

#include "base/base.h"
#include "task/task.h"

struct sysargs {
	uint64_t a[6];
};

typedef long (*syscall_fn)(struct task *t, const struct sysargs *args);

enum syscall_status {
	SYSCALL_DONE,
	SYSCALL_PARTIAL, /* note says what is missing */
	SYSCALL_REFUSED, /* always `refusal`; note says why */
};

/* How --strace prints an argument; after the call for the out ones. */
enum arg_kind {
	ARG_NONE, ARG_INT, ARG_UINT, ARG_HEX, ARG_OCT, ARG_LONG, ARG_PTR, ARG_FD, ARG_DIRFD,
	ARG_STR, ARG_PATH, ARG_BUF_IN, ARG_BUF_OUT, ARG_SIZE, ARG_OFF, ARG_OPEN_FLAGS, ARG_MODE,
	ARG_PROT, ARG_MAP_FLAGS, ARG_SIGNO, ARG_SIGSET, ARG_SIGACTION, ARG_CLONE_FLAGS,
	ARG_TIMESPEC, ARG_TIMEVAL, ARG_STAT, ARG_ARGV, ARG_FUTEX_OP, ARG_AT_FLAGS, ARG_WHENCE,
	ARG_CLOCK, ARG_IOCTL, ARG_FCNTL, ARG_PRCTL, ARG_RLIMIT, ARG_WAIT_STATUS, ARG_PIPE_FDS,
	ARG_IOVEC, ARG_FAMILY, ARG_SOCKTYPE, ARG_ADVICE, ARG_PID, ARG_UID,
};

struct syscall_entry {
	const char *name;
	syscall_fn fn;          /* NULL: refused */
	uint8_t nargs;
	uint8_t args[6];        /* enum arg_kind */
	uint8_t status;         /* enum syscall_status */
	int refusal;            /* errno, for SYSCALL_REFUSED */
	const char *note;
};

/* One row of the table for a family's header: every handler is declared with
 * SYSCALL(name) and defined with SYSCALL(name) { ... } using t and args. */
#define SYSCALL(name) long sys_##name(struct task *t UNUSED, const struct sysargs *args UNUSED)

#define SYSCALL_TABLE_SIZE 472
extern const struct syscall_entry syscall_table[SYSCALL_TABLE_SIZE];

/* task_ops.syscall. */
void syscall_dispatch(struct task *t, int64_t nr);

/* Helpers that every family uses (util.c). Paths: copied once into buf (4096);
 * -EFAULT, -ENAMETOOLONG, -ENOENT when empty and not allowed. */
#define SYSCALL_PATH_MAX 4096
int syscall_path(struct task *t, gva_t user, char *buf) MUST_CHECK;
/* dirfd -> a place: AT_FDCWD gives an empty path (use cwd). The reference is
 * the caller's (path_put). -EBADF, -ENOTDIR only when the name is relative. */
int syscall_dirfd(struct task *t, int dirfd, const char *name, struct path *out) MUST_CHECK;
int syscall_copy_in(struct task *t, void *dst, gva_t src, size_t size) MUST_CHECK;
int syscall_copy_out(struct task *t, gva_t dst, const void *src, size_t size) MUST_CHECK;
/* struct timespec of the guest -> ns; -EINVAL when out of range. */
int syscall_timespec(struct task *t, gva_t user, uint64_t *ns) MUST_CHECK;
/* A relative or absolute timeout -> absolute CLOCK_MONOTONIC ns; user 0: for ever. */
int syscall_timeout(struct task *t, gva_t user, uint64_t *deadline_ns) MUST_CHECK;
