/* Other processes, as a call's argument: finding them, and the rules that say
 * who may look into whom. */
#pragma once

#include "syscall/syscall.h"

/* The task with this tid, 0: the caller; a reference, or NULL (-ESRCH). */
struct task *peer_find(struct task *t, int32_t tid);

/* ptrace(2), "ptrace access mode checking": may t read (attach to) other? The
 * real ids are compared (process_vm_readv, pidfd_getfd, get_robust_list).
 * 0 or -EPERM. */
int peer_may_access(struct task *t, struct task *other) MUST_CHECK;
/* The rule of sched_setaffinity and setpriority: the caller's effective uid is
 * the other's real or effective one, or CAP_SYS_NICE. */
bool peer_may_schedule(struct task *t, struct task *other);
/* May the caller give itself this nice value, which is better than what it has? By
 * RLIMIT_NICE or CAP_SYS_NICE (sched.c). */
bool sched_may_be_nice(struct task *t, int nice);
