/*
 * PID namespaces (pid_namespaces(7)): what numbers tasks have for whom.
 *
 * Inside the kernel a number is always that in the first namespace: every task, process
 * group and session has one there. What is in a namespace below has one more in that and
 * in each above. Numbers are translated where they come from a program or go to one:
 * pid_in() and pid_out(). Of what is not in the program's namespace it sees 0.
 *
 * The first process of a namespace is its init: orphans become its children, signals that
 * it has no handler for do not reach it (but SIGKILL and SIGSTOP from above), and with it
 * all others end.
 */
#pragma once

#include "base/ivmap.h"
#include "vfs/ns.h"

struct task;
struct thread_group;
struct pid;

struct pid_ns {
	struct ns ns;
	struct pid_ns *parent;     /* [I] reference; NULL: the first */
	unsigned level;            /* [I] 0: the first */
	struct ivmap numbers;      /* [P] of struct upid; the first has its own, in pids.c */
	int32_t last;              /* [P] the number given last */
	struct thread_group *init; /* [P] borrowed: NULL before it lives, and when it ended */
	bool is_dead;              /* [P] init has ended: nobody comes into being any more */
};

extern struct pid_ns pid_ns_first;
extern const struct ns_kind_ops pid_ns_kind;

static inline struct pid_ns *pid_ns_of(struct ns *ns)
{
	return container_of(ns, struct pid_ns, ns);
}

/* Is `inner` outer, or below it? */
bool pid_ns_is_in(const struct pid_ns *inner, const struct pid_ns *outer);

/* That no task has: what pid_in() says of a number that means nothing. */
#define PID_NOBODY INT32_MAX
/* From a program in t's namespace; 0 and negative ones, which mean something else, stay. */
int32_t pid_in(struct task *t, int32_t nr);
/* To it: 0 when it is not in that namespace, or gone; 0 and negative ones stay. */
int32_t pid_out(struct task *t, int32_t nr);
int32_t pid_number_in(const struct pid_ns *ns, int32_t nr);
/* => pids_lock */
int32_t pid_number_locked(const struct pid_ns *ns, int32_t nr);
/* What the number of a namespace is in the first one, or PID_NOBODY. */
int32_t pid_from_ns(const struct pid_ns *ns, int32_t nr);
/* Lookups by numbers of t's namespace: references, or NULL. */
struct task *task_find(struct task *t, int32_t tid);
struct thread_group *process_find(struct task *t, int32_t pid);
/* Iterates the processes of ns in the order of its numbers: the first above after. */
struct thread_group *pid_ns_next_group(const struct pid_ns *ns, int32_t after, int32_t *nr);
