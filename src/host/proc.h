/*
 * Host processes: starting and ending them, signals, and the set-up of the
 * walls around the kernel process (namespaces, mounts, credentials, filters).
 */
#pragma once

#include "base/base.h"

struct rlimit;
struct rusage;
struct sigaction;

/* What became of a child: code is CLD_*, status the exit status or signal. */
struct host_child {
	pid_t pid;
	int code;
	int status;
};

/* Signal sets here are the host kernel's 64 bits: bit n-1 is signal n. */
#define HOST_SIGBIT(sig) ((uint64_t)1 << ((sig)-1))

/* Through libc: 0 in the child. */
pid_t host_fork(void) MUST_CHECK;
/* Into new namespaces (CLONE_NEW* flags): 0 in the child. */
pid_t host_fork_into(int namespaces) MUST_CHECK;
/* Not through libc: the child may only make host calls and exec or _exit.
 * args is a struct clone_args without a stack. */
pid_t host_clone3(void *args, size_t size) MUST_CHECK;
int host_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags);
NORETURN void host_exit(int status);

int host_kill(pid_t pid, int sig);
int host_tgkill(pid_t tgid, pid_t tid, int sig);
int host_pidfd_open(pid_t pid, unsigned flags) MUST_CHECK;
int host_pidfd_send_signal(int pidfd, int sig);
/* Returns -EINTR; child->pid is 0 when WNOHANG found nothing. */
int host_waitid(int idtype, id_t id, struct host_child *child, int options) MUST_CHECK;
/* Retries EINTR. usage may be NULL. */
pid_t host_wait4(pid_t pid, int *status, int options, struct rusage *usage);

/* Do two descriptors of ours share one open file description? False when the
 * host does not tell. */
bool host_same_description(int a, int b);

int host_sigaction(int sig, const struct sigaction *act, struct sigaction *old) MUST_CHECK;
/* The signals that this process ignores, those that libc keeps for itself too: bit
 * N - 1 is signal N. */
uint64_t host_ignored_signals(void);
/* set and old may be NULL. */
int host_sigprocmask(int how, const uint64_t *set, uint64_t *old);
int host_signalfd(uint64_t set, int flags) MUST_CHECK;
/* A stack of its own for signal handlers of the calling thread. */
int host_sigaltstack(void *stack, size_t size) MUST_CHECK;

pid_t host_getpid(void);
pid_t host_getppid(void);
pid_t host_gettid(void);
uid_t host_getuid(void);
uid_t host_geteuid(void);
gid_t host_getgid(void);
gid_t host_getegid(void);
pid_t host_setsid(void) MUST_CHECK;
int host_setpgid(pid_t pid, pid_t pgid) MUST_CHECK;
int host_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
/* new and old may be NULL. */
int host_prlimit(pid_t pid, int resource, const struct rlimit *new_limit, struct rlimit *old)
	MUST_CHECK;
int host_getrusage(int who, struct rusage *usage) MUST_CHECK;

int host_sched_yield(void);
/* mask: an array of 64-bit words, size in bytes. */
int host_sched_setaffinity(pid_t tid, const uint64_t *mask, size_t size) MUST_CHECK;
/* The count of bytes that the host filled in. */
int host_sched_getaffinity(pid_t tid, uint64_t *mask, size_t size) MUST_CHECK;
int host_getcpu(unsigned *cpu, unsigned *node);

int host_seccomp(unsigned op, unsigned flags, void *args);
int host_setns(int fd, int type) MUST_CHECK;
int host_unshare(int flags) MUST_CHECK;
int host_mount(const char *source, const char *target, const char *type, unsigned long flags,
	       const char *data) MUST_CHECK;
int host_umount2(const char *target, int flags) MUST_CHECK;
int host_pivot_root(const char *new_root, const char *put_old) MUST_CHECK;
int host_chroot(const char *path) MUST_CHECK;
int host_chdir(const char *path) MUST_CHECK;
int host_fchdir(int fd) MUST_CHECK;
mode_t host_umask(mode_t mask);
int host_sethostname(const char *name, size_t len) MUST_CHECK;
int host_setresuid(uid_t ruid, uid_t euid, uid_t suid) MUST_CHECK;
int host_setresgid(gid_t rgid, gid_t egid, gid_t sgid) MUST_CHECK;
int host_setgroups(size_t count, const gid_t *groups) MUST_CHECK;
/* Capability sets as 64-bit masks, of the calling thread. */
int host_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable) MUST_CHECK;
int host_capget(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable) MUST_CHECK;

/* ---- Landlock: landlock(7) ---- */

struct landlock_ruleset {
	uint64_t fs, net; /* the rights that are taken unless a rule gives them */
};
/* 1 and up; -ENOSYS, -EOPNOTSUPP: switched off. */
int host_landlock_version(void);
/* size: as much of rs as the version knows. A descriptor. */
int host_landlock_create(const struct landlock_ruleset *rs, size_t size) MUST_CHECK;
int host_landlock_add_path(int ruleset, int fd, uint64_t rights) MUST_CHECK;
/* The calling thread and what it clones. */
int host_landlock_restrict(int ruleset) MUST_CHECK;
