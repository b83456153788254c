/*
 * seccomp(2): what guests forbid themselves. (Nacre's own filters on the host are
 * another matter: boot/filter.c.)
 *
 * A task has a mode and, in mode FILTER, a chain of filters, the youngest first:
 *
 *	task A ──> filter 3 ──> filter 2 ──> filter 1
 *	task B ────────────────────^           (forked before A added its third)
 *
 * All of a chain are run for a call, and the strictest answer counts. Filters are
 * never changed or taken away, but for their listener (seccomp_notify.c).
 *
 * The chain belongs to its task, but threads of one process may give theirs to the
 * others (TSYNC). So it is written under sighand.lock; a task reads its own without:
 * what TSYNC puts in its place contains it, hence keeps it alive.
 */
#pragma once

#include "base/base.h"

struct task;
struct seccomp_filter;

/* The call in t->sysno and t->regs is about to be made. False: it is not carried out; rax
 * becomes *ret, or the task leaves. A tracer may change it (SECCOMP_RET_TRACE). => may
 * sleep, for a listener's or a tracer's answer */
bool seccomp_admits(struct task *t, long *ret) MUST_CHECK;

/* seccomp(2), SECCOMP_SET_MODE_STRICT: -EINVAL. */
long seccomp_set_strict(struct task *t) MUST_CHECK;
/* SECCOMP_SET_MODE_FILTER: flags as the guest gives them, fprog in guest memory. 0, a
 * listener's descriptor, or the number of a thread that cannot have the filter. */
long seccomp_set_filter(struct task *t, unsigned flags, uint64_t fprog) MUST_CHECK;

/* For /proc and prctl(PR_GET_SECCOMP): SECCOMP_MODE_*, and how many filters. */
int seccomp_mode(const struct task *t);
unsigned seccomp_count(const struct task *t);

/* A child gets what its maker has. => sighand.lock of t's process */
void seccomp_fork_locked(struct task *t, struct task *child);
/* The task exits, or never ran: it uses no filter any more. */
void seccomp_leave(struct task *t);
