/* What the files of task/ share among themselves. */
#pragma once

#include "task/task.h"

/* ---- pids.c ---- */

extern struct mutex pids_lock; /* [P] */

/* Everything known under one number. */
struct pid {
	struct ivnode node;         /* [P] [nr, nr + 1) */
	struct task *task;          /* [P] the thread with this tid */
	struct thread_group *group; /* [P] the process with this pid */
	struct list pgrp, session;  /* [P] members */
	struct pid_ns *ns;          /* [I] reference: the innermost that it is in */
	struct upid *numbers;       /* [I] by level - 1: those below the first */
};

/* One number in a namespace below the first. */
struct upid {
	struct ivnode node; /* [P] in ns->numbers */
	struct pid *pid;    /* [I] */
	struct pid_ns *ns;  /* [I] borrowed from pid->ns and those above it */
};

int32_t pid_from_ns_locked(const struct pid_ns *ns, int32_t nr);
struct thread_group *pid_ns_next_locked(const struct pid_ns *ns, int32_t after, int32_t *nr);
/* The last thread of a namespace's init has left: ends all others. => sleeps */
void pid_ns_end(struct thread_group *init);

int pid_alloc_locked(struct kernel *k, int32_t want, struct task *t, int32_t *nr) MUST_CHECK;
struct pid *pid_lookup_locked(int32_t nr);
void pid_set_group_locked(int32_t nr, struct thread_group *g);
void pid_clear_task_locked(int32_t nr);
void pid_clear_group_locked(int32_t nr);
void pid_join_locked(struct thread_group *g, int32_t pgid, int32_t sid);
void pid_leave_locked(struct thread_group *g);
/* A non-leader that execs takes the leader's number. */
void pid_swap_leader_locked(struct task *leader, struct task *t);
int pids_init(struct kernel *k) MUST_CHECK;
void pids_fini(void);

/* ---- group.c ---- */

int group_create(struct kernel *k, struct sighand *sh, struct thread_group **out) MUST_CHECK;
struct sighand *sighand_create(void);
struct sighand *sighand_copy(struct sighand *sh);
void sighand_put(struct sighand *sh);
struct sighand *group_sighand_lock(struct thread_group *g);
void group_sighand_unlock(struct thread_group *g);

/* ---- task.c, run.c ---- */

int task_create(struct kernel *k, struct thread_group *g, struct task **out) MUST_CHECK;
void task_destroy(struct task *t);
/* Tells t->mm the process's limits. */
void mm_limits_from(struct task *t);
/* A host thread for a task, before there is no way back; then one of: */
int runner_reserve(struct runner **out) MUST_CHECK;
void runner_run(struct runner *r, struct task *t); /* takes its own reference */
void runner_release(struct runner *r);
/* CPU time of our own for t. t is the caller, or its sighand.lock is held. */
uint64_t runner_cpu_ns(struct task *t);
void runner_shutdown(void);

/* helper.c: the whole life of a helper, on its runner. */
void helper_run(struct task *h);

/* Makes t look at its signals: out of the guest, out of a wait. => sighand */
void task_kick_locked(struct task *t, bool killed);

/* Others may look at them (task_files_get): swapped under pids_lock. */
struct fdtable *task_swap_files(struct task *t, struct fdtable *files);
struct fs_context *task_swap_fs(struct task *t, struct fs_context *fs);

/* ---- exit.c ---- */

/* Takes the task out of everything; its thread then ends. */
void task_finish(struct task *t);
void group_reap_locked(struct thread_group *g);
/* Every thread has left, and no tracer has one to look at. => pids_lock */
bool group_is_ended_locked(const struct thread_group *g);
/* A process that has ended has lost its tracer. was_reparented: which was not its
 * parent, who hears of the end now. */
void group_untraced_locked(struct thread_group *g, bool was_reparented);
/* A thread that had ended, and only a tracer saw, goes. */
void task_reap_thread_locked(struct task *t);
void group_kill_locked(struct thread_group *g, int status); /* => sighand.lock */
bool pgrp_is_orphaned_locked(struct pid *pgrp);
/* Releases a vfork parent, if one waits. */
void vfork_release(struct task *t);
struct vfork *vfork_create(void);
int vfork_wait(struct task *t, struct vfork *v);
void vfork_put(struct vfork *v);
struct vfork *vfork_get(struct vfork *v);

/* ---- tty.c ---- */

/* NULL: none. */
void group_set_tty_locked(struct thread_group *g, struct tty *tty);
/* The process ends: a session's leader takes its terminal along. => pids_lock */
void group_tty_end_locked(struct thread_group *g);

/* ---- sigqueue.c ---- */

struct sigqueue_entry {
	struct list link;
	struct ksiginfo info;
	struct posix_timer *timer; /* whose own entry it is, or NULL */
	uint32_t uid;              /* whom it counts for */
};

/* Signals that a fault of the thread itself raises: delivered first. */
#define SIGMASK_SYNC                                                                            \
	(sigbit(SIGSEGV) | sigbit(SIGBUS) | sigbit(SIGILL) | sigbit(SIGTRAP) | sigbit(SIGFPE) | \
	 sigbit(SIGSYS))
#define SIGMASK_STOP (sigbit(SIGSTOP) | sigbit(SIGTSTP) | sigbit(SIGTTIN) | sigbit(SIGTTOU))
#define SIGMASK_CORE                                                                             \
	(sigbit(SIGQUIT) | sigbit(SIGILL) | sigbit(SIGTRAP) | sigbit(SIGABRT) | sigbit(SIGFPE) | \
	 sigbit(SIGSEGV) | sigbit(SIGBUS) | sigbit(SIGSYS) | sigbit(SIGXCPU) | sigbit(SIGXFSZ))
/* What SIG_DFL ignores. */
#define SIGMASK_IGNORE (sigbit(SIGCONT) | sigbit(SIGCHLD) | sigbit(SIGWINCH) | sigbit(SIGURG))

void sigqueue_init(struct sigqueue *q);
/* An entry for a process of the user: *out is NULL when the limit or memory is
 * exhausted. A timer's own gets its `timer` by the caller. */
void sigqueue_alloc(struct thread_group *g, uint32_t uid, bool over_limit,
		    struct sigqueue_entry **out);
void sigqueue_free_timer(struct sigqueue_entry *e); /* not queued any more */
/* e NULL: only the bit is kept. */
void sigqueue_push(struct sigqueue *q, int signo, struct sigqueue_entry *e);
/* Takes the first entry of signo, which is in q->set; *timer: whose it is. */
void sigqueue_take(struct sigqueue *q, int signo, struct ksiginfo *info,
		   struct posix_timer **timer);
/* Takes the first entry that a fault of the thread raised; 0 none. */
int sigqueue_take_fault(struct sigqueue *q, sigmask_t set, struct ksiginfo *info);
/* Takes back an entry that a timer owns. */
void sigqueue_remove_timer(struct sigqueue *q, struct sigqueue_entry *e);
/* Throws away everything in mask. */
void sigqueue_remove(struct sigqueue *q, sigmask_t mask);
void sigqueue_flush(struct sigqueue *q);

/* ---- signal.c ---- */

/* The same as signal_send, with sighand.lock held by the caller. */
int signal_send_locked(struct task *t, const struct ksiginfo *info, unsigned flags);
/* Takes one of `set` off t's queues; 0 none. */
int signal_dequeue_locked(struct task *t, sigmask_t set, struct ksiginfo *info);
/* Something makes t leave the guest or its wait: signal, stop, exit. */
bool signal_pending_locked(struct task *t);
/* Brings the waiter's interrupted bit in line with signal_pending_locked(). */
void signal_recalc_locked(struct task *t);
void signal_set_blocked_locked(struct task *t, sigmask_t mask);
/* Other threads take over the process's signals of `set` that t will not. */
void signal_retarget_locked(struct task *t, sigmask_t set);
/* Handlers go back to SIG_DFL; ignored ones stay so (exec). all: those too. */
void sighand_reset_locked(struct sighand *sh, bool all);
/* Queues a POSIX timer's own entry. 0: queued; 1: it still was; -EINVAL: ignored. */
int signal_send_timer_locked(struct task *t, struct sigqueue_entry *e, bool to_group);
/* Sends the exit, stop or continue report to the parent. status: the wait
 * status for CLD_EXITED (made CLD_KILLED as needed), else the signal.
 * => pids_lock */
void signal_notify_parent_locked(struct thread_group *g, int code, int status);
bool signal_is_ignored_locked(struct thread_group *g, int signo);
/* What SIGCHLD says of the wait status of one that has ended. */
void ksiginfo_set_exit(struct ksiginfo *info, int status);

/* ---- namespace.c, nsfs.c, uts.c ---- */

void fs_context_change_root(struct fs_context *fs, const struct path *old, const struct path *to);

extern const struct ns_kind_ops uts_kind, ipc_kind;
/* The set for whoever has cred and fs, which nobody else has yet: those of `flags` are
 * copies. A reference. -EPERM, -EINVAL, -ENOSPC, -ENOMEM. */
int nsproxy_copy(struct nsproxy *old, uint64_t flags, const struct cred *cred,
		 struct fs_context *fs, struct nsproxy **out) MUST_CHECK;
struct nsproxy *task_nsproxy_get(struct task *t); /* NULL: it has left */
struct nsproxy *task_swap_nsproxy(struct task *t, struct nsproxy *p) MUST_CHECK;
/* The credentials of a child that clone(2) makes: a reference. */
int namespace_child_cred(struct task *t, uint64_t flags, const struct cred **out) MUST_CHECK;
/* ioctl(2) on a file of nsfs. */
long namespace_ioctl(struct ns *ns, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx);

/* ---- jobctl.c: each with sighand.lock held; _unlock drops it ---- */

#define JOBCTL_STOP_PENDING 1u
#define JOBCTL_PARKED 2u
#define JOBCTL_TRAP_STOP 4u
#define JOBCTL_TRAP_NOTIFY 8u
#define JOBCTL_TRAPPING 16u
#define JOBCTL_TRACED 32u
#define JOBCTL_FROZEN 64u
#define JOBCTL_LISTENING 128u
#define JOBCTL_KILLED 256u
#define JOBCTL_TRAP_MASK (JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY)
#define JOBCTL_PENDING (JOBCTL_STOP_PENDING | JOBCTL_TRAP_MASK)

/* False: t ends, and does nothing of that any more. */
bool jobctl_set_locked(struct task *t, unsigned bits);
void jobctl_clear_locked(struct task *t, unsigned bits);
/* Ends a sleep: PARKED, TRACED. */
void jobctl_release_locked(struct task *t, unsigned bits);
/* A fatal signal: ends every stop. */
void jobctl_kill_locked(struct task *t);
/* Has t been killed, and not seen it yet? => no lock */
bool jobctl_is_killed(struct task *t);
/* Sleeps until somebody takes the bit away. => no lock */
void jobctl_sleep(struct task *t, unsigned bit);
/* The caller takes part in the group stop, and sleeps. */
void jobctl_park_unlock(struct task *t);
/* The default action of a stop signal; the caller then looks at everything again. */
void jobctl_stop_signal_unlock(struct task *t, int signo);
/* A new thread is in the stop that its process is in. */
void jobctl_join_locked(struct task *t, struct task *child);
/* SIGCONT is sent. */
void jobctl_continue_locked(struct thread_group *g);
/* A task parked or left: true when that completed the group's stop, and the
 * parent is to be told (signal_report_stop). */
bool signal_stop_check_locked(struct thread_group *g);
void signal_report_stop(struct thread_group *g, int code); /* => no lock */

/* ---- ptrace.c: with pids_lock ---- */

void ptrace_unlink_locked(struct task *tracee);
/* It ended, and an exec takes its place: its tracer waits for it no more. */
void ptrace_forget_locked(struct task *tracee);
void ptrace_inherit_locked(struct task *t, struct task *child); /* and sighand.lock */
void ptrace_tracer_exits_locked(struct task *t);

/* ---- ptrace_stop.c ---- */

/* Is t's tracer in another process than its parent? => pids_lock */
bool ptrace_is_reparented_locked(const struct task *t);
/* Sends SIGCHLD with this CLD_* code and wakes the tracer. => pids_lock */
void ptrace_notify_tracer_locked(struct task *t, int code);
int ptrace_stop_relock(struct task *t, int code, int why, uint64_t message, struct ksiginfo *info);
/* A stop with SIGTRAP; the signal that the tracer gives. => no lock */
int ptrace_notify(struct task *t, int code, uint64_t message);
/* SIGCHLD that t has ended. => pids_lock */
void ptrace_notify_exit_locked(struct task *t);
void ptrace_trap_unlock(struct task *t);
int ptrace_signal_relock(struct task *t, int signo, bool from_group, struct ksiginfo *info);
void ptrace_trap_notify_locked(struct task *t);

/* ---- ptrace_event.c ---- */

void ptrace_step_handler(struct task *t);

/* ---- ptrace_watch.c ---- */

bool ptrace_is_watching(const struct task *t);
/* Has what t watches changed since the last look? */
bool ptrace_watch_hit(struct task *t);

/* ---- ptrace_wait.c: with pids_lock ---- */

/* The wait status of a thread that has ended. */
int ptrace_exit_status_locked(struct task *t);
bool ptrace_wait_take_locked(struct task *t, int options, struct wait_result *res);
void ptrace_reap_locked(struct task *t);

/* ---- wait.c ---- */

void wait_fill_common(struct thread_group *child, struct wait_result *res);
void wait_fill_exit(int status, struct wait_result *res);

/* ---- posix_timer.c ---- */

/* A timer's signal was taken off the queue: counts overruns, arms it again. */
void posix_timer_delivered_locked(struct posix_timer *pt, struct ksiginfo *info);
void group_timers_destroy(struct thread_group *g); /* exec, exit. => no lock */
void group_timers_task_exit(struct task *t);       /* timers that signal this thread */

/* ---- itimer.c ---- */

void group_itimers_init(struct thread_group *g);
void group_itimers_stop(struct thread_group *g); /* exit */
/* The CPU limit may have changed: watch it. */
void group_cpu_watch(struct thread_group *g);

/* ---- usage.c ---- */

/* A thread's share becomes its group's; the caller then takes its context
 * away. => group.lock, sighand.lock */
void usage_leave_locked(struct task *t);
/* The caller's mm goes: its peak is the group's. => no lock */
void usage_note_rss(struct thread_group *g, struct mm *mm);

/* ---- futex.c ---- */

/* The owner of PI futexes exits: hands them over. */
void futex_exit_pi(struct task *t);

/* ---- fdtable.c ---- */

bool fdtable_is_shared(struct fdtable *ft);

/* ---- oom.c ---- */

/* t's fault found no memory: somebody goes, perhaps t. => sleeps */
void oom_fault(struct task *t);
/* The same for memory that the kernel touches for t. False: there is no use in trying
 * again, or t is killed. => sleeps */
bool oom_wait(struct task *t);

/* ---- sigframe.c ---- */

/* Pushes a frame for the handler; -EFAULT when the stack cannot hold it. */
int sigframe_push(struct task *t, const struct k_sigaction *act, const struct ksiginfo *info)
	MUST_CHECK;
bool sigframe_on_altstack(const struct task *t, uint64_t sp);
/* The extended state of one thread, for a copy on the stack. */
#define XSTATE_MAX 12288
