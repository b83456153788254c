/* What the files of task/ share among themselves. */
#pragma once

#include "task/task.h"

/* ---- pids.c ---- */

extern struct mutex pids_lock; /* [P] */

/* Everything known under one number. */
struct pid {
	struct ivnode node;          /* [P] [nr, nr + 1) */
	struct task *task;           /* [P] the thread with this tid */
	struct thread_group *group;  /* [P] the process with this pid */
	struct list pgrp, session;   /* [P] members */
};

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
void group_add_usage(struct thread_group *g, struct task *t);

/* ---- task.c, run.c ---- */

int task_create(struct kernel *k, struct thread_group *g, struct task **out) MUST_CHECK;
void task_destroy(struct task *t);
int runner_start(struct task *t) MUST_CHECK;
uint64_t runner_cpu_ns(struct task *t);
void runner_shutdown(void);

/* Makes t look at its signals: out of the guest, out of a wait. => sighand */
void task_kick_locked(struct task *t, bool killed);

/* ---- exit.c ---- */

/* Takes the task out of everything; its thread then ends. */
void task_finish(struct task *t);
void group_reap_locked(struct thread_group *g);
/* Releases a vfork parent, if one waits. */
void vfork_release(struct task *t);
struct vfork *vfork_create(void);
int vfork_wait(struct task *t, struct vfork *v);
void vfork_put(struct vfork *v);
struct vfork *vfork_get(struct vfork *v);

/* ---- signal.c ---- */

void sigqueue_init(struct sigqueue *q);
void sigqueue_flush(struct sigqueue *q, struct thread_group *g);
/* The same as signal_send, with sighand.lock held by the caller. */
int signal_send_locked(struct task *t, const struct ksiginfo *info, unsigned flags);
int signal_dequeue_locked(struct task *t, sigmask_t mask, struct ksiginfo *info);
bool signal_pending_locked(struct task *t);
/* Sends the exit, stop or continue report to the parent. => pids_lock */
void signal_notify_parent_locked(struct thread_group *g, int code, int status);

/* ---- sigframe.c ---- */

/* Pushes a frame for the handler; -EFAULT when the stack cannot hold it. */
int sigframe_push(struct task *t, const struct k_sigaction *act, const struct ksiginfo *info) MUST_CHECK;
