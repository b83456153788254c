/*
 * boot/: brings a sandbox up and down; the only place that names concrete parts.
 *
 *	launch.c    the launcher: makes the kernel process, relays signals to it,
 *	            waits, gives the exit status
 *	sandbox.c   the kernel process: everything from platform to first program
 *	mounts.c    the first mount tree
 *	walls.c     the outer walls: namespaces, empty root, capabilities, Landlock
 *	filter.c    the kernel process's seccomp allow-list
 *	devices.c   devices that are other processes
 *	connector.c connections to them, which the launcher makes
 *	control.c   what the launcher and the kernel process ask of each other
 *	console.c   the terminal that nacre was started on
 *	report.c    --stats, state dumps
 *
 * Two processes: the launcher stays in the caller's place (process group,
 * terminal) and knows nothing of guests; the kernel process lives in a session
 * of its own and dies with the launcher.
 */
#pragma once

#include "base/base.h"

#define BOOT_EXIT_FAILED 125   /* nacre itself could not start */
#define BOOT_EXIT_NOEXEC 126   /* the command cannot be executed */
#define BOOT_EXIT_NOTFOUND 127 /* the command is not there */

/* Interop mode of a bound directory (fs/remote). */
enum boot_cache { BOOT_CACHE_EXCLUSIVE, BOOT_CACHE_WRITETHROUGH, BOOT_CACHE_SHARED };

struct boot_bind {
	const char *src, *dst;
	bool readonly;
	enum boot_cache cache;
	bool forcecache; /* the page cache even where the host's would do */
	int fd;          /* of src; opened by the launcher */
};

/* A vhost-user-blk device. */
struct boot_disk {
	char *path;       /* of its socket */
	const char *name; /* in /dev */
	int fd;           /* connected to it; opened by the launcher */
};

/* A mount of a vhost-user-fs device. */
struct boot_share {
	const char *path, *dst;
	enum boot_cache cache;
	int fd; /* connected to it; opened by the launcher */
};

struct boot_config {
	const char *rootfs; /* NULL: "/" */
	bool overlay;       /* writes stay in memory */
	struct boot_bind *binds;
	size_t nbinds;
	const char **tmpfs;
	size_t ntmpfs;
	struct boot_disk *disks;
	size_t ndisks;
	struct boot_share *shares;
	size_t nshares;
	char *const *argv; /* the command */
	char **envp;       /* the whole environment, owned */
	const char *cwd;   /* NULL: the caller's, or / */
	bool has_user;
	uint32_t uid, gid;
	const char *hostname;
	uint64_t timeout_ns; /* 0: none */
	uint64_t memory;     /* bytes; 0: the cgroup's or the host's */
	unsigned ncpus;      /* 0: the host's */
	const char *strace;  /* NULL: off; "": everything */
	const char *log_file;
	int log_level;
	bool stats, stats_json;
	bool no_trampolines;      /* each system call traps; programs' text stays as it is */
	bool no_uring;            /* io_uring is ENOSYS */
	const char *no_uring_ops; /* operations that are refused, with commas; or NULL */
	bool uring_pages;         /* for tests: shared memory is looked up by pages */
	const char *platform;
	bool quiet_walls; /* no line for missing walls */
};

/* Runs the command in a fresh sandbox: returns the exit status to end with. */
int boot_run(const struct boot_config *cfg);

/* Prints what this host allows; returns 0 when a sandbox can be had. */
int boot_doctor(void);

/* Emits docs/syscalls.md. */
void boot_dump_syscalls(void (*emit)(const char *line, void *arg), void *arg);
