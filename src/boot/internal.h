/* What the files of boot/ share. */
#pragma once

#include "boot/boot.h"
#include "task/task.h"

/* The guest's first process; 1 is the kernel itself. */
#define FIRST_PID 2

/* What the launcher and the kernel process tell each other. */
enum control_kind {
	/* To the kernel process: */
	CONTROL_SIGNAL,     /* for the first process; SIGCONT: for its group */
	CONTROL_TTY_SIGNAL, /* from the terminal */
	CONTROL_FOREGROUND, /* the user's shell has us in the foreground, */
	CONTROL_BACKGROUND, /* or not, */
	CONTROL_ORPHANED,   /* or not, and no shell could change that */
	/* To the launcher: */
	CONTROL_STOPPED,        /* the first process has, by this signal */
	CONTROL_WANTS_TERMINAL, /* somebody does, in the background: SIGTTIN or SIGTTOU */
};
struct control_msg {
	uint32_t kind;
	int32_t signo;
};

/* What the launcher hands to the kernel process. */
struct launch {
	const struct boot_config *cfg;
	int root_fd;              /* of the host directory that becomes / */
	int log_fd;               /* our own: log lines, strace */
	int err_fd;               /* our own copy of standard error: the statistics */
	int control_fd;           /* read: struct control_msg; closed when we die */
	int connector_fd;         /* asks for connections: connector_ask() */
	int status_fd;            /* write: struct launch_status, once */
	int console_fd;           /* of the terminal that we were started on, or -1 */
	bool console_is_own;      /* of a description of our own, non-blocking */
	bool stdio_is_console[3]; /* which of 0 to 2 are that terminal */
	int stdio_same_as[3];     /* the lowest of 0 to 2 with the same description */
	enum control_kind place;  /* of ours at the start: CONTROL_FOREGROUND ... */
	bool has_job_control;     /* a shell could continue us */
	/* The first program starts with the caller's, as after an execve of it. */
	uint64_t ignored, blocked; /* bit N - 1: signal N */
	int nice;
	uint64_t memory; /* for guests, in bytes; 0: all that the host has */
	char cwd[4096];
	uint32_t uid, gid;
	uint32_t groups[64];
	unsigned ngroups;
};

/* How it ended: code is the exit status for the shell. */
struct launch_status {
	int32_t code;
};

/* ---- cgroup.c ---- */
/* The memory that the cgroup allows which the file self (as /proc/self/cgroup) names,
 * with cgroups mounted at mounts (as /sys/fs/cgroup); UINT64_MAX: no limit. */
uint64_t cgroup_memory_limit(const char *self, const char *mounts);

/* ---- walls.c ---- */

/* A wall and why it is missing. */
struct wall {
	const char *name;
	bool up;
	char why[96];
};
enum {
	WALL_USERNS,
	WALL_PIDNS,
	WALL_MNTNS,
	WALL_NETNS,
	WALL_IPCNS,
	WALL_UTSNS,
	WALL_ROOT,
	WALL_LANDLOCK,
	WALL_CAPS,
	WALL_SECCOMP,
	WALLS
};
extern struct wall walls[WALLS];

/* Forks the kernel process inside as many namespaces as the host gives.
 * Returns its pid, 0 in the child, or a negative errno. */
pid_t walls_fork(void);
/* In the child, before it has other threads or stubs, which get the same walls: the
 * empty root, Landlock, no capabilities. Nothing of the host's tree can be reached
 * afterwards but beneath l's directories (l NULL: nothing at all). */
void walls_enter(const struct launch *l);
/* One line with what is missing, or false when nothing is. */
bool walls_describe_missing(char *buf, size_t size);

/* ---- landlock.c ---- */
/* Only what lies beneath l's directories may be opened. 0, or why not. */
int landlock_enter(const struct launch *l) MUST_CHECK;

/* ---- filter.c ---- */
int filter_install(void) MUST_CHECK;

/* ---- sandbox.c ---- */
/* One line for the user, on standard error: "nacre: ", the text, a newline. What is
 * too long is cut. */
void PRINTF_LIKE(1, 2) say(const char *fmt, ...);
NORETURN void sandbox_main(const struct launch *l);

/* ---- mounts.c ---- */
/* devpts: the instance at /dev/pts, borrowed. */
int mounts_build(struct kernel *k, const struct launch *l, struct path *root, struct super **devpts)
	MUST_CHECK;
/* What mount(2) knows (mount_types.c). */
void mounts_register_types(void);
/* Writes back what waits in page caches: before the end. */
void mounts_sync(void);

/* ---- devices.c ---- */
struct pagecache_set;
/* Makes the devices and their nodes; says what is wrong. */
int devices_build(struct kernel *k, const struct launch *l, struct pagecache_set *caches,
		  const struct vfs_ctx *ctx) MUST_CHECK;

/* ---- connector.c ---- */
/* In the launcher: connects every device; says what is wrong. */
int connector_open(const struct boot_config *cfg) MUST_CHECK;
/* Those connections are the kernel process's alone from now on. */
void connector_forget(const struct boot_config *cfg);
/* Answers one question of the kernel process. False: it is gone. */
bool connector_serve(int socket, const struct boot_config *cfg);
/* In the kernel process: a new connection to the device of that number. */
int connector_ask(int socket, uint32_t index) MUST_CHECK;

/* ---- control.c ---- */
int control_start(struct kernel *k, int fd) MUST_CHECK;
/* To the launcher. */
void control_tell(enum control_kind kind, int signo);

/* ---- report.c ---- */
void report_stats(struct kernel *k, int fd, bool json);
void report_state(int fd);
void report_init(struct kernel *k);
