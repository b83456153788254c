/*
 * A kernel for unit tests: real tasks, groups, memory and descriptors over a
 * platform whose guests are C functions. The "guest" of a task is the function
 * that regs.rip points to: each entry into the guest calls it once, and it says
 * how it comes back by filling in *ev. Most guests only make calls:
 *
 *	static void guest(struct guest_regs *r, struct platform_event *ev)
 *	{
 *		fake_call(r, ev, some_call, arg);
 *	}
 *
 * where some_call(task, arg) runs as a system call, and its result is in rax at
 * the next entry. r15 counts the entries, from 0.
 */
#pragma once

#include "task/internal.h"

typedef void (*fake_guest_fn)(struct guest_regs *r, struct platform_event *ev);
typedef long (*fake_call_fn)(struct task *t, uint64_t arg);

extern struct kernel fake_kernel;

/* Brings the kernel up; fake_down() waits until all tasks are gone. */
void fake_up(void);
void fake_down(void);
/* The first process, running `guest`; not started. */
struct task *fake_first(fake_guest_fn guest);
/* Starts it, waits for its end, and returns its wait status. */
int fake_run(fake_guest_fn guest);

void fake_call(struct guest_regs *r, struct platform_event *ev, fake_call_fn fn, uint64_t arg);
/* The guest raises a fault. */
void fake_fault(struct platform_event *ev, int signo, int code, uint64_t addr);
/* Spins in the guest until interrupted. */
void fake_spin(struct platform_event *ev);

/* Calls for guests. */
long fake_exit(struct task *t, uint64_t status); /* exit_group */
long fake_exit_thread(struct task *t, uint64_t status);
/* Forks: the child runs the guest at `guest` (and shares the place: there is no
 * file tree here). */
long fake_fork(struct task *t, uint64_t guest);
long fake_thread(struct task *t, uint64_t guest);
/* wait4 for any child: its pid; the status is in *fake_wait_status. */
long fake_wait(struct task *t, uint64_t options);
extern _Thread_local int fake_wait_status;
/* One page of guest memory that is readable and writable. */
long fake_map_page(struct task *t, uint64_t unused);
