/*
 * task/: threads, processes, signals, futexes, timers, descriptor tables.
 *
 *	task           one guest thread, run by one host thread of ours
 *	thread_group   one process: its tasks, signal actions, limits, children
 *	pgrp, session  numbers in the pid table, with their members
 *	sighand        signal actions; shared by CLONE_SIGHAND
 *	fdtable        descriptors; shared by CLONE_FILES
 *	fs_context     cwd, root, umask; shared by CLONE_FS
 *	tty            a session's terminal: tty.h
 *
 * Life of a task (enum task_state):
 *
 *	NEW ──start──> RUNNING <──> STOPPED          (group stop, SIGCONT)
 *	                  │    <──> TRACED           (ptrace-stop, its tracer)
 *	                  │
 *	                  └─exit──> ZOMBIE ──reaped──> DEAD
 *
 * A thread that is not the leader goes to DEAD by itself. The leader stays a
 * zombie until every other thread is gone and its parent has waited; one that
 * is traced, until its tracer has (ptrace.h).
 * The process tree hangs on thread groups. Pid 1 is nacre itself: a group whose one
 * task never runs, which adopts orphans and reaps them.
 *
 * Locks, outermost first (base/lockrank.h):
 *	pids.lock     [P] pid table, parents, children, pgrps, sessions, exit
 *	                  states, stop reports          LOCK_PIDS
 *	  group.lock  [g] limits, timers, usage         LOCK_GROUP
 *	    sighand.lock [s] actions, pending queues, masks of the group's tasks,
 *	                  group exit and stop state     LOCK_SIGHAND
 *	fdtable.lock  [f] one table                     LOCK_FDTABLE
 *	fs.lock       [F] cwd, root, umask              LOCK_FS_CONTEXT
 * Fields marked [o] belong to the task's own thread alone.
 */
#pragma once

#include <signal.h>
#include <time.h>

#include "abi/errno.h"
#include "base/base.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/refcount.h"
#include "mm/mm.h"
#include "platform/platform.h"
#include "task/ktimer.h"
#include "task/namespace.h"
#include "task/pidns.h"
#include "vfs/vfs.h"

struct task;
struct thread_group;
struct sighand;
struct fdtable;
struct fs_context;
struct kernel;
struct posix_timer;
struct seccomp_filter;
struct sem_undo;
struct tty;
struct uring_task;

/* ---- signals ---- */

#define NSIGNALS 64
typedef uint64_t sigmask_t; /* bit n-1 for signal n */

static inline sigmask_t sigbit(int signo)
{
	return (sigmask_t)1 << (signo - 1);
}

#define SIGMASK_UNBLOCKABLE (sigbit(SIGKILL) | sigbit(SIGSTOP))

struct k_sigaction { /* as rt_sigaction(2) passes it */
	uint64_t handler, flags, restorer;
	sigmask_t mask;
};

/* What a signal carries: the fields of siginfo_t that exist for its kind. */
struct ksiginfo {
	int signo, code, err;
	int32_t pid;
	uint32_t uid;
	int32_t status;       /* SIGCHLD; SIGSYS: system call number */
	int64_t utime, stime; /* SIGCHLD, clock ticks */
	uint64_t addr;        /* faults; SIGSYS: call address */
	uint64_t value;       /* sigval; SIGPOLL: band */
	int32_t timerid, overrun;
	uint32_t arch;
	int32_t fd;
};

struct sigqueue {
	struct list entries; /* struct sigqueue_entry, in order of arrival */
	sigmask_t set;
};

struct sighand {
	struct refcount refs;
	struct mutex lock;
	struct k_sigaction action[NSIGNALS]; /* [s] */
	struct waitq signalfd_waitq;
	struct sighand *older; /* [P] what exec replaced by this one; see group.c */
};

/* How often a place has made system calls by a trap (trampoline.h): few places at a time
 * matter, so one that falls together with another begins again. */
#define TRAMPOLINE_COUNTS 32
#define TRAMPOLINE_HITS 8
struct trampoline_count {
	uint64_t rip;
	unsigned hits;
};

/* ---- tasks ---- */

/* A task that exits hands its PI futexes over, then no more. */
enum { FUTEX_LEAVING = 1, FUTEX_LEFT };

enum task_state { TASK_NEW, TASK_RUNNING, TASK_STOPPED, TASK_TRACED, TASK_ZOMBIE, TASK_DEAD };

/* How an interrupted call goes on when no handler ran (ERESTART_RESTARTBLOCK). */
enum restart_kind { RESTART_NONE, RESTART_NANOSLEEP, RESTART_FUTEX, RESTART_POLL };
struct restart_block {
	enum restart_kind kind;
	uint64_t deadline_ns;
	uint64_t arg[4];
	int clock, flags;
};

/* What a helper does (helper.c). */
struct task_helper {
	void (*fn)(struct task *h, void *arg);
	/* Called when the helper holds nothing of its task any more. */
	void (*done)(void *arg);
	void *arg;
};

/* What stands before and after each of a task's calls: one test when nothing does. */
#define CALL_WORK_SECCOMP 1u

/* seccomp.h has what it means. Written under sighand.lock. */
struct task_seccomp {
	atomic_int mode; /* SECCOMP_MODE_* */
	atomic_uint count;
	struct seccomp_filter *_Atomic filter; /* the youngest; reference, and its user */
};

/* The debug registers of a traced task (ptrace_watch.c). */
struct ptrace_watch {
	uint64_t addr[4], dr6, dr7;
	uint64_t old[4]; /* what was there */
};

/* Who traces a task, and the ptrace-stop that it is in (ptrace.h). */
struct task_ptrace {
	unsigned flags;                 /* [P,s] PT_*; 0: nobody does */
	struct task *tracer;            /* [P] while it lives; else NULL */
	const struct cred *tracer_cred; /* [P] reference: as it was when it began */
	int32_t tracer_pid;             /* [P] what a changed signal says of its sender */
	uint32_t tracer_uid;            /* [P] */
	struct list link;               /* [P] on tracer->ptrace.tracees */
	struct list tracees;            /* [P] whom this task traces */
	int code;                       /* [s] for wait(2), 0: told; at the end: the signal */
	uint64_t message;               /* [s] PTRACE_GETEVENTMSG */
	struct ksiginfo *info;          /* [s] PTRACE_GETSIGINFO; NULL: none */
	struct ptrace_watch watch;      /* [o] its tracer's, while it is stopped */
};

struct task {
	struct list group_link;     /* [P,s] on group->tasks */
	struct thread_group *group; /* [I] reference */
	struct refcount refs;
	struct kernel *kernel;         /* [I] */
	int32_t tid;                   /* [I] but for exec of a non-leader [P] */
	int32_t own_tid;               /* the same as its own namespace has it */
	_Atomic enum task_state state; /* [a] changed under [P] */
	char comm[16];                 /* [o] written; others may read torn */

	/* running */
	struct platform_ctx *ctx; /* [o] */
	struct mm *mm;            /* [o] written under [P]; reference */
	struct guest_regs regs;   /* [o] */
	int64_t sysno;            /* [o] current system call, -1 none */
	uint64_t orig_rax;        /* [o] */
	struct waiter waiter;
	struct restart_block restart;                           /* [o] */
	struct trampoline_count trampolines[TRAMPOLINE_COUNTS]; /* [o] */
	struct runner *runner; /* [I] once started: the host thread */

	/* what calls see */
	const struct cred *cred; /* [o] written; readers use task_cred_get */
	struct nsproxy *nsproxy; /* [o] written, under cred_lock; reference; NULL after exit */
	struct mutex cred_lock;
	struct fdtable *files; /* [o] reference; NULL after exit */
	struct fs_context *fs; /* [o] reference; NULL after exit */
	struct uaccess mem;    /* [o] */
	struct vfs_ctx vfs;    /* [o] filled by task_vfs_begin() */

	/* signals */
	sigmask_t blocked;       /* [s] */
	sigmask_t saved_blocked; /* [o] to restore after sigsuspend & co. */
	/* What is to be done on the way to the guest, and around a system call: one
	 * test for all of it. Of a task in a ptrace-stop, its tracer writes both. */
	union {
		uint16_t work;
		struct {
			bool restore_blocked; /* [o] saved_blocked */
			uint8_t trace_work;   /* [o] TRACE_*: ptrace.h */
		};
	};
	struct sigqueue pending; /* [s] */
	gva_t altstack_base;     /* [o] */
	uint64_t altstack_size;  /* [o] */
	unsigned altstack_flags; /* [o] SS_DISABLE, SS_AUTODISARM */
	sigmask_t sigwait_set;   /* [s] what rt_sigtimedwait waits for */
	bool leaving;            /* [s] exits: takes no signals any more */
	bool usage_is_group;     /* [s] counted in group.dead_*_ns already */
	bool stop_dequeued;      /* [s] took a stop signal; SIGCONT clears it */
	unsigned jobctl;         /* [s] JOBCTL_*: jobctl.c */
	int stop_signo;          /* [s] the signal of the last group stop it joined */
	struct task_ptrace ptrace;
	uint64_t fault_addr;         /* [o] of the last fault, for signal frames */
	uint32_t trapno, error_code; /* [o] */

	/* thread area, exit */
	gva_t clear_child_tid;    /* [o] */
	gva_t robust_list;        /* [o] */
	int exit_status;          /* [P] wait status of this thread */
	bool exiting;             /* [o] */
	struct vfork *vfork;      /* [o] the parent to release at exec, exit; others: if any */
	atomic_bool no_new_privs; /* [o], and set by other threads' TSYNC [s] */
	int pdeath_signal;        /* [P] */
	uint64_t start_ns;        /* [I] CLOCK_BOOTTIME */
	uint64_t timer_slack_ns;  /* [o] */
	atomic_ulong utime_ns, stime_ns; /* of earlier contexts; see task_times() */
	atomic_ulong nvcsw, nivcsw, minflt, majflt;
	uint64_t cpu_affinity;         /* [o] */
	int nice, policy, rt_priority; /* [P] */
	bool reset_on_fork;            /* [P] SCHED_RESET_ON_FORK */
	atomic_int ioprio;             /* [a] ioprio_set(2) */
	uint32_t personality;          /* [o] personality(2) */
	struct uring_task *uring;      /* [o] io_uring's, NULL: never used */
	struct task_helper helper;     /* [I] of a helper; fn NULL: a guest's thread */
	atomic_uint futex_left;        /* [a] FUTEX_LEAVING, FUTEX_LEFT; 0: neither */
	struct sem_undo *sem_undo;     /* [o] of System V semaphores: ipc/ */
	atomic_uint call_work;         /* [a] CALL_WORK_* */
	struct task_seccomp seccomp;
};

/* Resources by Linux's numbers (asm-generic/resource.h). */
enum {
	RLIMIT_CPU_NR,
	RLIMIT_FSIZE_NR,
	RLIMIT_DATA_NR,
	RLIMIT_STACK_NR,
	RLIMIT_CORE_NR,
	RLIMIT_RSS_NR,
	RLIMIT_NPROC_NR,
	RLIMIT_NOFILE_NR,
	RLIMIT_MEMLOCK_NR,
	RLIMIT_AS_NR,
	RLIMIT_LOCKS_NR,
	RLIMIT_SIGPENDING_NR,
	RLIMIT_MSGQUEUE_NR,
	RLIMIT_NICE_NR,
	RLIMIT_RTPRIO_NR,
	RLIMIT_RTTIME_NR,
	RLIMITS,
};
struct krlimit {
	uint64_t cur, max; /* ~0: no limit */
};

struct thread_group {
	struct refcount refs;
	struct kernel *kernel;   /* [I] */
	int32_t pid;             /* [I] the leader's tid */
	int32_t own_pid;         /* [I] the same as its own namespace has it */
	struct pid_ns *pid_ns;   /* [I] reference: what its numbers are in */
	bool is_unkillable;      /* [s] a namespace's init */
	struct task *leader;     /* [P] */
	struct list tasks;       /* [P,s] */
	unsigned ntasks;         /* [P,s] live threads */
	unsigned nzombies;       /* [P] dead threads, not the leader, that tracers see */
	unsigned nexecs;         /* [s] threads in an exec: nobody attaches meanwhile */
	struct sighand *sighand; /* [I] reference; replaced by exec under [P] */

	struct thread_group *parent;         /* [P] */
	int32_t parent_tid;                  /* [P] the thread of parent that counts as it */
	struct list children, sibling;       /* [P] */
	struct waitq child_waitq;            /* wait4: children changed state */
	int32_t pgid, sid;                   /* [P] */
	struct list pgrp_link, session_link; /* [P] */
	bool is_subreaper, was_execed;       /* [P] */
	bool is_first;                       /* [I] the sandbox ends with it */
	int exit_signal;                     /* [P] to the parent; 0 none */
	struct tty *_Atomic tty;             /* [P] controlling terminal (tty.h); reference */
	int32_t tty_old_pgrp;                /* [P] a leader's: who had it when it hung up */

	struct sigqueue pending; /* [s] */
	bool exiting;            /* [s] group exit: every task leaves */
	struct task *exec_task;  /* [s] this task execs, all others leave */
	int exit_status;         /* [s] wait status */
	struct ksiginfo fatal;   /* [s] the signal that ends it; signo 0 none */
	bool stopped;            /* [s] group stop in force */
	int stop_signo;          /* [s] */
	bool stop_complete;      /* [s] every task has parked */
	bool stop_reported;      /* [s] false: wait4 may still see the stop */
	bool continued;          /* [s] wait4 may still see the SIGCONT */
	int cont_notify;         /* [s] CLD_* that a task has yet to report */
	struct waitq stop_waitq; /* a tracer attaches to a parked task */
	struct waitq exit_waitq; /* ntasks, nzombies, nexecs went down */
	bool is_zombie;          /* [P] every thread has left */
	struct waitq pidfd_waitq;

	struct mutex lock;
	struct krlimit limits[RLIMITS];   /* [g] */
	struct ktimer itimer_real;        /* ITIMER_REAL: the alarm itself, */
	uint64_t itimer_real_deadline_ns; /* [g] when it is due; 0: off */
	uint64_t itimer_real_interval_ns; /* [g] */
	struct cpu_itimer {
		uint64_t expires_ns, interval_ns; /* on the CPU clock; 0: off */
	} itimer_cpu[2];                          /* [g] ITIMER_VIRTUAL, ITIMER_PROF */
	struct ktimer cpu_watch;                  /* [g] looks at the CPU clocks */
	struct list timers;                       /* [g] POSIX timers */
	int next_timer_id;                        /* [g] */
	uint64_t dead_utime_ns, dead_stime_ns;    /* [g] of exited threads */
	uint64_t child_utime_ns, child_stime_ns;  /* [g] of waited-for children */
	uint64_t dead_minflt, dead_majflt, dead_nvcsw, dead_nivcsw; /* [g] */
	uint64_t maxrss, child_maxrss;                              /* [g] KiB */
	struct file *exe;                                           /* [g] reference */
	int oom_score_adj;                                          /* [g] */
	bool oom_ignored;      /* [oom.c's] it should have been gone long ago */
	int oom_score_adj_min; /* [g] to where it may be lowered without privilege */
	bool dumpable;         /* [g] */
};

/* One sandbox. Concrete parts are filled in by boot/. */
struct kernel {
	struct platform *platform;
	struct memfile *memfile;
	struct mm_env mm_env;
	struct vfs *vfs;
	struct super *memfd_super; /* where memfds and shared segments live */
	struct thread_group *init; /* pid 1 */
	unsigned ncpus;
	uint64_t memory_limit;
	uint64_t pipe_memory; /* beyond: new pipes are small */
	uint64_t boot_ns;     /* CLOCK_BOOTTIME at start */
	int32_t pid_max;
	bool no_trampolines;
	bool has_job_control; /* somebody outside continues the first process when it stops */
	unsigned tasks_max;   /* threads in all: beyond: -EAGAIN */
	atomic_uint ntasks;
	const struct task_ops *ops;
	const struct task_ipc_ops *ipc_ops; /* NULL in tests */
	/* Set when the first process is gone: how boot/ ends the sandbox. */
	atomic_bool ended;
	atomic_bool is_killed; /* task_kill_all(): nobody stops for a tracer any more */
	int exit_status;       /* wait status of the first process */
	struct waitq ended_waitq;
	struct kernel_stats *stats; /* syscall counters, by number */
	atomic_ulong oom_kills;
};

/* What ipc/ keeps for tasks. */
struct task_ipc_ops {
	int (*share)(struct task *t, struct task *child); /* CLONE_SYSVSEM; -ENOMEM */
	void (*exit)(struct task *t);                     /* and unshare(2) */
};

/* What the layers above do for tasks, filled by boot/. */
struct task_ops {
	/* Carries the system call in t->regs out; sets t->regs.rax, or returns a
	 * restart code through it. */
	void (*syscall)(struct task *t, int64_t nr);
	/* Observes (strace): a signal is delivered; a task ends. May be NULL. */
	void (*trace_signal)(struct task *t, const struct ksiginfo *info);
	void (*trace_exit)(struct task *t, int status);
	/* The first process has stopped, by this signal. May be NULL. */
	void (*first_stopped)(int signo);
	/* The caller's task, which has used io_uring, leaves for good (exit, or an
	 * exec): ends its requests, and every helper that works for it. */
	void (*uring_leave)(struct task *t, bool is_exec);
};

/* ---- bring-up ---- */
int task_init(struct kernel *k) MUST_CHECK; /* pid table, init group */
void task_fini(struct kernel *k);
/* The first process: an empty address space, descriptors of `files`, place
 * `fs`. Not started. Takes files, fs, cred. */
int task_create_first(struct kernel *k, const struct cred *cred, struct fdtable *files,
		      struct fs_context *fs, struct task **out) MUST_CHECK;
/* Starts its host thread: runs the guest from t->regs. */
int task_start(struct task *t) MUST_CHECK;
/* The task of the calling host thread, NULL on others. */
struct task *task_current(void);
/* A thread of ours that acts for `of`, the calling thread's task or NULL: shares its
 * memory, its descriptors and its place, has its credentials as they are now. *out is
 * a reference, set before it runs. -EAGAIN, -ENOMEM. */
int task_helper_start(struct kernel *k, struct task *of, const struct task_helper *what,
		      struct task **out) MUST_CHECK;
/* Kills everything (sandbox end) and waits until every task is gone. */
void task_kill_all(struct kernel *k);

void task_get(struct task *t);
void task_put(struct task *t);
void group_get(struct thread_group *g);
void group_put(struct thread_group *g);

/* What a task of another process has, with a reference; NULL when it has left. */
/* t leaves: is no other thread of its process left? */
bool task_is_last(struct task *t);
struct mm *task_mm_get(struct task *t);
struct fdtable *task_files_get(struct task *t);
struct fs_context *task_fs_get(struct task *t);

/* ---- the pid table ---- */
struct task *pid_find_task(struct kernel *k, int32_t tid);          /* reference */
struct thread_group *pid_find_group(struct kernel *k, int32_t pid); /* reference; zombies too */
/* Iterates live processes in pid order: the first with pid > after. */
struct thread_group *pid_next_group(struct kernel *k, int32_t after);    /* reference */
struct task *group_next_task(struct thread_group *g, int32_t after_tid); /* reference */
/* A task of the group for what /proc shows: the leader or any. */
struct task *group_any_task(struct thread_group *g); /* reference */
unsigned pid_count(struct kernel *k, uint32_t uid);
int32_t group_ppid(struct thread_group *g);
int task_setpgid(struct task *t, int32_t pid, int32_t pgid);
int32_t task_getpgid(struct task *t, int32_t pid);
int32_t task_getsid(struct task *t, int32_t pid);
int32_t task_setsid(struct task *t);
bool pgrp_exists_in_session(struct kernel *k, int32_t pgid, int32_t sid);

/* ---- clone, exec, exit, wait ---- */
struct clone_request {
	uint64_t flags; /* CLONE_* without the signal */
	int exit_signal;
	gva_t stack; /* 0: the caller's */
	gva_t parent_tid, child_tid, pidfd;
	uint64_t tls;
	int32_t set_tid; /* 0: any */
};
/* Returns the child's tid (in the caller) or a negative errno. */
long task_clone(struct task *t, const struct clone_request *req);

/* Around an exec as a whole: nobody begins to trace the process meanwhile, so that what
 * is decided by that stays true. */
void task_exec_begin(struct task *t);
void task_exec_end(struct task *t);
/* exec, in order: prepare (kills the other threads and waits for them;
 * -EAGAIN when another exec or a group exit won), then an empty mm is in
 * t->mm; the caller loads the program; finish. After prepare has succeeded
 * there is no way back. */
int task_exec_prepare(struct task *t) MUST_CHECK;
void task_exec_finish(struct task *t, gva_t entry, gva_t stack, struct file *exe, const char *comm,
		      const struct cred *new_cred);

/* The current task (its whole process) leaves with the wait status: marks it;
 * the task loop carries it out as soon as the call returns to it. */
void task_exit(struct task *t, int status);
void task_exit_group(struct task *t, int status);
/* Makes every task of g leave with the wait status. => takes sighand.lock */
void group_kill(struct thread_group *g, int status);

struct wait_result {
	int32_t pid;
	uint32_t uid;
	int status;             /* wait4 status */
	int code, child_status; /* CLD_*, for waitid */
	uint64_t utime_ns, stime_ns, maxrss;
};
/* which: P_ALL, P_PID, P_PGID; options: WNOHANG, WUNTRACED (WSTOPPED), WEXITED,
 * WCONTINUED, WNOWAIT, __WCLONE, __WALL. Returns 1 with *res, 0 (WNOHANG,
 * none), -ECHILD, -ERESTARTSYS. */
int task_wait(struct task *t, int which, int32_t id, int options, struct wait_result *res);

/* waitid(2): options and which are checked, a pidfd becomes the process. -EINVAL, -EBADF. */
int task_waitid_target(struct task *t, int options, int *which, int32_t *id, bool *nonblock)
	MUST_CHECK;
/* Writes the fields of siginfo_t that waitid does. user 0: nothing. */
int task_waitid_put(struct task *t, gva_t user, const struct wait_result *res) MUST_CHECK;

/* ---- signals ---- */
#define SEND_GROUP 1u /* process-directed */
#define SEND_FORCE 2u /* a fault: cannot be ignored or blocked */
/* Queues a signal. t: any task of the target. -EAGAIN when the queue of a
 * real-time signal is full. */
int signal_send(struct task *t, const struct ksiginfo *info, unsigned flags);
int signal_send_group(struct thread_group *g, const struct ksiginfo *info);
int signal_send_pgrp(struct kernel *k, int32_t pgid, const struct ksiginfo *info); /* -ESRCH */
/* To everybody but pid 1 and the caller's process (kill -1). */
int signal_send_all(struct task *from, const struct ksiginfo *info);
/* Makes pid (0: nobody) the one that hears of f. -ESRCH: there is none. (fileowner.c) */
int file_owner_set(struct task *t, struct file *f, int32_t pid, int type) MUST_CHECK;
void file_owner_set_signal(struct file *f, int signo);
struct file_owner file_owner_get(const struct file *f);
/* Tells that one, where who set it might have. from: any task. */
void file_owner_signal(struct task *from, const struct file_owner *o, int signo);
/* The permission rule of kill(2). */
int signal_may_send(struct task *from, struct thread_group *to, int signo);
/* A fault of the running task itself; and the same with all that siginfo can say. */
void signal_force(struct task *t, const struct ksiginfo *info);
void signal_force_fault(struct task *t, int signo, int code, uint64_t addr, uint32_t trapno,
			uint32_t error_code);
/* Ends the process as by this signal's default action: nothing can keep it. */
void signal_kill(struct thread_group *g, const struct ksiginfo *info);
/* For the first task, before it starts: what it ignores and blocks from the beginning. */
void signal_inherit(struct task *t, sigmask_t ignored, sigmask_t blocked);
bool signal_is_pending(struct task *t); /* something unblocked waits */
int signal_action(struct task *t, int signo, const struct k_sigaction *act,
		  struct k_sigaction *old);
/* Changes the caller's mask. */
void signal_set_blocked(struct task *t, sigmask_t mask);
/* A mask for the length of one call (ppoll, sigsuspend): restored after the
 * handler ran, or at the end of the call. */
void signal_set_temporary_mask(struct task *t, sigmask_t mask);
void signal_restore_mask(struct task *t);
/* What sigpending(2) shows: pending, for the thread or its process, and blocked. */
sigmask_t signal_pending_set(struct task *t);
/* Masks for /proc/pid/status. */
struct signal_view {
	sigmask_t pending, group_pending, blocked, ignored, caught;
};
void signal_view(struct task *t, struct signal_view *out);
/* rt_sigtimedwait: the signal number, -EAGAIN, -EINTR. */
int signal_wait(struct task *t, sigmask_t set, uint64_t deadline_ns, struct ksiginfo *info);
/* Takes one of `set` off the caller's queues, or returns 0 (signalfd). */
int signal_dequeue(struct task *t, sigmask_t set, struct ksiginfo *info);
long signal_return(struct task *t); /* rt_sigreturn */
long signal_altstack(struct task *t, gva_t new_ss, gva_t old_ss);
/* ksiginfo <-> siginfo_t of the guest (128 bytes). */
void siginfo_to_user(const struct ksiginfo *in, uint8_t out[128]);
void siginfo_from_user(const uint8_t in[128], struct ksiginfo *out);
/* Called by the task loop before entering the guest: delivers, stops, exits. */
void signal_deliver(struct task *t);
/* The context's FP layout inside a signal frame. */
uint64_t signal_min_stack(struct kernel *k);

/* ---- credentials, descriptor tables, fs context ---- */
const struct cred *task_cred_get(struct task *t); /* reference; any thread */
/* The caller's task, or helper, has other credentials: no reference changes hands. */
const struct cred *task_cred_swap(struct task *t, const struct cred *cred) MUST_CHECK;
uint32_t task_uid(struct task *t);                         /* the real one; any thread */
void task_cred_set(struct task *t, struct cred *new_cred); /* takes it */

struct fdtable *fdtable_create(void);
struct fdtable *fdtable_get(struct fdtable *ft);
void fdtable_put(struct fdtable *ft, struct task *t);                  /* last: closes all */
int fdtable_fork(struct fdtable *ft, struct fdtable **out) MUST_CHECK; /* a copy */
/* The file, with a reference, or NULL. */
struct file *fd_get(struct task *t, int fd);
struct file *fdtable_get_file(struct fdtable *ft, int fd, bool *cloexec);
/* Lowest free descriptor >= min; takes no reference of its own: the table
 * takes over the caller's, on success only. -EMFILE; -EINVAL for a min > 0
 * beyond the limit (F_DUPFD). */
int fd_install(struct task *t, struct file *f, int min, bool cloexec) MUST_CHECK;
/* Places f at exactly fd, closing what was there (dup2); as above. -EBADF. */
int fd_install_at(struct task *t, struct file *f, int fd, bool cloexec) MUST_CHECK;
int fd_close(struct task *t, int fd);
/* A directory's descriptor with a name -> a place, with a reference: an empty path for
 * AT_FDCWD and absolute names. -EBADF, -ENOTDIR only when the name is relative. */
int fd_dir(struct task *t, int dirfd, const char *name, struct path *out) MUST_CHECK;
/* What an open file is, and where: *path, a reference. -EBADF. */
int fd_getattr(struct task *t, int fd, struct kstat *out, struct path *path) MUST_CHECK;
int fd_close_range(struct task *t, unsigned first, unsigned last, bool cloexec_only);
void fdtable_close_on_exec(struct task *t);
int fd_set_cloexec(struct task *t, int fd, bool on);
int fd_get_cloexec(struct task *t, int fd);
/* The first open descriptor >= fd, or -1 (for /proc/pid/fd). */
int fdtable_next(struct fdtable *ft, int fd);

/* How many descriptors are open, and the size of the table (/proc/pid/status). */
unsigned fdtable_count(struct fdtable *ft, unsigned *capacity);
/* unshare(2) of CLONE_FILES; CLONE_FS and the namespaces: namespace.h. */
int task_unshare_files(struct task *t) MUST_CHECK;
/* The same of CLONE_SYSVSEM, as the task's end. */
void task_unshare_sem(struct task *t);

struct fs_context {
	struct refcount refs;
	struct mutex lock;
	struct path root, cwd; /* [F] references */
	uint32_t umask;        /* [F] */
};
/* Takes the path references. */
struct fs_context *fs_context_create(struct path root, struct path cwd, uint32_t umask);
struct fs_context *fs_context_copy(struct fs_context *fs);
struct fs_context *fs_context_get(struct fs_context *fs);
void fs_context_put(struct fs_context *fs);
void fs_context_set_cwd(struct fs_context *fs, const struct path *p); /* takes own references */
void fs_context_set_root(struct fs_context *fs, const struct path *p);

/* A vfs_ctx for one call: references to root and cwd are held until _end. */
struct vfs_ctx *task_vfs_begin(struct task *t);
/* For a call on the open file f: root and cwd are left empty, which saves their
 * references, unless f is of a file system that may need them (SUPER_NO_DCACHE:
 * procfs). Ends with task_vfs_end() too. */
struct vfs_ctx *task_vfs_begin_file(struct task *t, const struct file *f);
void task_vfs_end(struct task *t);

/* ---- time and limits ---- */
uint64_t task_limit(struct task *t, int resource); /* current soft limit */
void task_times(struct task *t, uint64_t *utime_ns, uint64_t *stime_ns);
void group_times(struct thread_group *g, uint64_t *utime_ns, uint64_t *stime_ns);
struct kusage {
	uint64_t utime_ns, stime_ns, maxrss, minflt, majflt, nvcsw, nivcsw;
};
void task_usage(struct task *t, int who, struct kusage *out); /* RUSAGE_* */
/* Guest clocks; -EINVAL for unknown ones. CPU clocks of the caller included. */
int task_clock_ns(struct task *t, int clock, uint64_t *out);
int task_clock_res_ns(struct task *t, int clock, uint64_t *out);
/* Sleeps until the CLOCK_MONOTONIC deadline: 0 or -ERESTARTSYS. */
int task_sleep(struct task *t, uint64_t deadline_ns);
/* Sets a limit and what follows from it; the caller has checked permission. */
void group_set_limit(struct thread_group *g, int resource, const struct krlimit *lim);
void group_get_limit(struct thread_group *g, int resource, struct krlimit *lim);

/* ---- the guest's out-of-memory kill: oom.c ---- */
/* Guests use more memory than the limit: kills the process that is the worst by its
 * memory and its oom_score_adj, unless one is about to go already. False: there is
 * none that may be killed. No lock may be held; any thread. */
bool oom_kill(struct kernel *k);
/* For /proc/[pid]/oom_score. */
unsigned oom_score(struct thread_group *g);
/* Writes oom_score_adj, of all processes that have the same memory, as Linux does, but
 * for children of vfork. is_old: by way of oom_adj. -EACCES: privileged (CAP_SYS_RESOURCE)
 * is needed to go below what a privileged writer has set, or with is_old to lower it. */
int oom_set_score_adj(struct thread_group *g, int adj, bool is_old, bool privileged) MUST_CHECK;

/* ---- futex(2): futex.c, robust.c ---- */
struct futex_request {
	int op; /* FUTEX_* without flags */
	bool is_private;
	gva_t addr, addr2;
	uint32_t val, val2, val3;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC, PARK_FOREVER */
};
long futex_call(struct task *t, const struct futex_request *req);
int futex_wake_addr(struct task *t, gva_t addr, int count); /* exit: clear_child_tid */
void futex_exit_robust(struct task *t);

/* restart_syscall(2) of a FUTEX_WAIT with a timeout. */
long futex_restart(struct task *t);
/* futex_waitv(2): the index of a woken one, or an error. */
struct futex_waitv_entry {
	gva_t addr;
	uint32_t val;
	bool is_private;
};
#define FUTEX_WAITV_ENTRIES 128
/* A wait that no thread sleeps in. woken is called when a waiter is taken out, inside
 * the bucket's lock: it may only tell somebody, who then leaves. */
struct futex_async {
	void (*woken)(struct futex_async *fa);
	struct futex_waiter *waiters;
	unsigned count;
};
/* Compares and queues all: 0; n > 0: number n - 1 was woken already, and none is queued
 * any more, as with an error (-EAGAIN, -EFAULT, -EINVAL, -ENOMEM). */
int futex_async_wait(struct task *t, const struct futex_waitv_entry *v, unsigned count,
		     uint32_t bitset, struct futex_async *fa) MUST_CHECK;
/* Leaves all queues: which one was woken, or -1. Harmless when there are none. */
int futex_async_leave(struct futex_async *fa);
/* FUTEX_WAKE_BITSET; none for a count of 0. */
int futex_wake_exactly(struct task *t, gva_t addr, bool is_private, uint32_t bitset, int count);
long futex_waitv_call(struct task *t, const struct futex_waitv_entry *v, unsigned count,
		      uint64_t deadline_ns);

/* ---- interval timers: which is ITIMER_REAL, VIRTUAL, PROF; value 0: off ---- */
struct itimer_value {
	uint64_t value_ns, interval_ns;
};
int itimer_get(struct task *t, int which, struct itimer_value *out);
int itimer_set(struct task *t, int which, const struct itimer_value *val, struct itimer_value *old);

/* ---- POSIX timers of the caller's process, by id: -EINVAL for a wrong one ---- */
struct posix_timer_spec {
	int clock;
	int notify; /* SIGEV_* */
	int signo;
	uint64_t value; /* sigev_value */
	bool has_event; /* false: as with a NULL sigevent */
	int32_t tid;    /* SIGEV_THREAD_ID */
};
int posix_timer_create(struct task *t, const struct posix_timer_spec *spec, int *id);
/* is_abs: TIMER_ABSTIME; old may be NULL. */
int posix_timer_settime(struct task *t, int id, bool is_abs, const struct itimer_value *val,
			struct itimer_value *old);
int posix_timer_gettime(struct task *t, int id, struct itimer_value *out);
int posix_timer_overrun(struct task *t, int id);
int posix_timer_delete(struct task *t, int id);

/* ---- files that stand for tasks and signals ---- */
/* signalfd4(2): a new file; -EINVAL for bad flags is the caller's. */
int signalfd_create(struct task *t, sigmask_t mask, unsigned flags, struct file **out) MUST_CHECK;
/* Changes the mask; -EINVAL when f is no signalfd. */
int signalfd_set_mask(struct file *f, sigmask_t mask);
/* pidfd_open(2): flags PIDFD_NONBLOCK. thread: NULL, or the one of g that is meant. */
int pidfd_create(struct task *t, struct thread_group *g, struct task *thread, unsigned flags,
		 struct file **out) MUST_CHECK;
/* The process behind it, with a reference, or NULL when f is no pidfd. */
struct thread_group *pidfd_group(struct file *f);
/* The thread, with a reference, or NULL when it stands for a process (or is none). */
struct task *pidfd_thread(struct file *f);
/* The number of what it stands for; -EBADF: no pidfd. */
int32_t pidfd_number(struct file *f);
/* The same of an open directory /proc/[pid], which pidfd_send_signal(2) takes too;
 * NULL: it is none, or the process is gone. Filled by procfs/. */
extern struct thread_group *(*task_group_of_proc)(const struct file *f);
