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

/* How --strace prints an argument. Those named _OUT, and what a call fills in
 * by its nature, are printed after the call and only when it succeeded. */
/* clang-format off */
enum arg_kind {
	ARG_NONE,
	/* numbers */
	ARG_INT, ARG_UINT, ARG_HEX, ARG_OCT, ARG_LONG, ARG_PTR, ARG_SIZE, ARG_OFF, ARG_PID, ARG_UID,
	ARG_DEV, ARG_MODE, ARG_FD, ARG_DIRFD, ARG_SIGNO, ARG_IOCTL, ARG_FCNTL_ARG,
	/* text and bytes; the next argument is the size, but for STR and PATH */
	ARG_STR, ARG_PATH, ARG_STR_IN, ARG_STR_OUT, ARG_BUF_IN, ARG_BUF_OUT,
	/* one of several names */
	ARG_WHENCE, ARG_CLOCK, ARG_FCNTL, ARG_PRCTL, ARG_ARCH_PRCTL, ARG_RLIMIT, ARG_FAMILY,
	ARG_ADVICE, ARG_FADVICE, ARG_FUTEX_OP, ARG_SIG_HOW, ARG_EPOLL_OP, ARG_ITIMER,
	ARG_SCHED_POLICY, ARG_SECCOMP_OP, ARG_PTRACE, ARG_SOCKLEVEL, ARG_WAIT_TYPE, ARG_URING_REGISTER,
	/* flags */
	ARG_OPEN_FLAGS, ARG_PROT, ARG_MAP_FLAGS, ARG_CLONE_FLAGS, ARG_AT_FLAGS, ARG_ACCESS,
	ARG_SOCKTYPE, ARG_MSG_FLAGS, ARG_WAIT_OPTIONS, ARG_FLOCK_OP, ARG_MREMAP_FLAGS,
	ARG_MSYNC_FLAGS, ARG_MOUNT_FLAGS, ARG_UMOUNT_FLAGS, ARG_TIMER_FLAGS, ARG_FILE_FLAGS,
	ARG_EVENTFD_FLAGS, ARG_RENAME_FLAGS, ARG_RWF, ARG_MEMFD_FLAGS, ARG_SPLICE_FLAGS,
	ARG_CLOSE_RANGE_FLAGS, ARG_FALLOC_MODE, ARG_STATX_MASK, ARG_URING_ENTER,
	/* structures */
	ARG_SIGSET, ARG_SIGSET_OUT, ARG_SIGACTION, ARG_SIGACTION_OUT, ARG_SIGEVENT,
	ARG_TIMESPEC, ARG_TIMESPEC_OUT, ARG_TIMESPECS, ARG_TIMEVAL, ARG_TIMEVAL_OUT, ARG_TIMEVALS,
	ARG_ITIMERSPEC, ARG_ITIMERSPEC_OUT, ARG_ITIMERVAL, ARG_ITIMERVAL_OUT,
	ARG_STAT, ARG_STATX, ARG_STATFS, ARG_UTSNAME, ARG_RLIMIT_IN, ARG_RLIMIT_OUT,
	ARG_ARGV, ARG_ENVP, ARG_IOVEC, ARG_IOVEC_OUT, ARG_PIPE_FDS, ARG_INT_OUT, ARG_WAIT_STATUS,
	ARG_POLLFDS, ARG_FDSET, ARG_EPOLL_EVENT, ARG_EPOLL_OUT, ARG_SOCKADDR, ARG_SOCKADDR_OUT,
	ARG_MSGHDR, ARG_MSGHDR_OUT, ARG_CLONE_ARGS, ARG_OPEN_HOW, ARG_DIRENTS,
	ARG_URING_PARAMS, ARG_URING_WAIT, ARG_URING_RSRC,
	ARG_KINDS,
};
/* clang-format on */

struct syscall_entry {
	const char *name;
	syscall_fn fn; /* NULL: refused */
	uint8_t nargs;
	uint8_t args[6]; /* enum arg_kind */
	uint8_t status;  /* enum syscall_status */
	int refusal;     /* errno, for SYSCALL_REFUSED */
	const char *note;
};

/* One row of the table for a family's header: every handler is declared with
 * SYSCALL(name) and defined with SYSCALL(name) { ... } using t and args. */
#define SYSCALL(name) long sys_##name(struct task *t UNUSED, const struct sysargs *args UNUSED)

#define SYSCALL_TABLE_SIZE 472
extern const struct syscall_entry syscall_table[SYSCALL_TABLE_SIZE];

/* task_ops.syscall. */
void syscall_dispatch(struct task *t, int64_t nr);

/* The table as docs/syscalls.md, a line at a time. */
void syscall_table_markdown(void (*emit)(const char *line, void *arg), void *arg);

/* ---- helpers that every family uses (util.c) ---- */

/* For big buffers on the stack, which need not be cleared on each call. */
#define UNINITIALIZED __attribute__((uninitialized))

/* Paths: copied once into buf (SYSCALL_PATH_MAX): -EFAULT, -ENAMETOOLONG. An empty
 * one is copied too: vfs answers -ENOENT unless LOOKUP_EMPTY allows it. */
#define SYSCALL_PATH_MAX 4096
int syscall_path(struct task *t, gva_t user, char *buf) MUST_CHECK;
/* dirfd -> a place: AT_FDCWD gives an empty path (use cwd). The reference is
 * the caller's (path_put). -EBADF, -ENOTDIR only when the name is relative. */
int syscall_dirfd(struct task *t, int dirfd, const char *name, struct path *out) MUST_CHECK;
int syscall_copy_in(struct task *t, void *dst, gva_t src, size_t size) MUST_CHECK;
int syscall_copy_out(struct task *t, gva_t dst, const void *src, size_t size) MUST_CHECK;
/* A structure that may grow (openat2, clone3): user_size bytes are at src; ours has
 * size. Missing bytes become 0; -E2BIG when bytes that we do not know are not 0. */
int syscall_copy_struct(struct task *t, void *dst, size_t size, gva_t src, size_t user_size)
	MUST_CHECK;
/* RWF_* of a read or write: -EOPNOTSUPP, -EINVAL (file.c). */
int syscall_check_rwf(uint64_t rwf, enum uio_dir dir) MUST_CHECK;
/* struct timespec of the guest -> ns; -EINVAL when out of range. */
int syscall_timespec(struct task *t, gva_t user, uint64_t *ns) MUST_CHECK;
/* A relative timeout -> absolute CLOCK_MONOTONIC ns; user 0: for ever. */
int syscall_timeout(struct task *t, gva_t user, uint64_t *deadline_ns) MUST_CHECK;
/* The same from nanoseconds. */
uint64_t syscall_deadline(struct task *t, uint64_t ns);

/* A name argument: where it starts and its text. Declare it UNINITIALIZED. */
struct syscall_name {
	struct path dir;
	char text[SYSCALL_PATH_MAX];
};
int syscall_name_get(struct task *t, int dirfd, gva_t user, struct syscall_name *n) MUST_CHECK;
void syscall_name_put(struct syscall_name *n);

/* Calls fn on what the name leads to; its result. lookup: LOOKUP_*. */
typedef long (*syscall_path_fn)(struct task *t, const struct vfs_ctx *ctx, const struct path *p,
				void *arg);
long syscall_on_path(struct task *t, int dirfd, gva_t user, unsigned lookup, syscall_path_fn fn,
		     void *arg);
/* Calls fn on an open file's place. may_be_path: O_PATH descriptors are allowed. */
long syscall_on_fd(struct task *t, int fd, bool may_be_path, syscall_path_fn fn, void *arg);
/* Either: the file's place when AT_EMPTY_PATH is in at_flags and the name is "" or
 * NULL, else as syscall_on_path() with LOOKUP_FOLLOW unless AT_SYMLINK_NOFOLLOW. */
long syscall_on_at(struct task *t, int dirfd, gva_t user, int at_flags, syscall_path_fn fn,
		   void *arg);

/* Does the call mean the descriptor itself: AT_EMPTY_PATH with "" or NULL? */
bool syscall_names_fd(struct task *t, int dirfd, gva_t user, int at_flags);

/* What a failed write sends before it returns: SIGPIPE, SIGXFSZ. Returns r. */
long syscall_write_result(struct task *t, long r);
