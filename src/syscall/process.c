/*
 * Processes and threads: clone and its relatives, the end of them, who they are.
 *
 * What clone may be asked for, and what it refuses, is judged in task/; here are
 * the shapes of the four calls: registers (clone), a structure that may grow
 * (clone3), and the two fixed ones.
 */
#include <limits.h>

#include "abi/errno.h"
#include "abi/sched.h"
#include "abi/wait.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

#define GUEST_TOP ((uint64_t)1 << 47)
#define PID_NS_LEVELS_MAX 32u

/* ---- clone ---- */

/* An exit signal that does not exist is never sent (clone(2) takes any byte). */
static int exit_signal_of(uint64_t flags)
{
	int signo = (int)(flags & ABI_CSIGNAL);

	return signo <= NSIGNALS ? signo : 0;
}

SYSCALL(clone)
{
	uint64_t flags = (uint32_t)args->a[0];
	struct clone_request req = {
		.flags = flags & ~ABI_CSIGNAL,
		.exit_signal = exit_signal_of(flags),
		.stack = args->a[1],
		.parent_tid = args->a[2],
		.pidfd = args->a[2],
		.child_tid = args->a[3],
		.tls = args->a[4],
	};

	return task_clone(t, &req);
}

SYSCALL(fork)
{
	struct clone_request req = { .exit_signal = SIGCHLD };

	return task_clone(t, &req);
}

SYSCALL(vfork)
{
	struct clone_request req = { .flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD };

	return task_clone(t, &req);
}

#define CLONE3_FLAGS (0xffffffffull | ABI_CLONE_CLEAR_SIGHAND | ABI_CLONE_INTO_CGROUP)

static int clone3_check_stack(const struct abi_clone_args *ca)
{
	if (!ca->stack != !ca->stack_size)
		return -EINVAL;
	if (ca->stack >= GUEST_TOP || ca->stack_size > GUEST_TOP - ca->stack)
		return -EINVAL;
	return 0;
}

static int clone3_check(const struct abi_clone_args *ca, uint64_t size)
{
	if (ca->set_tid_size > PID_NS_LEVELS_MAX || !ca->set_tid != !ca->set_tid_size)
		return -EINVAL;
	if ((ca->exit_signal & ~ABI_CSIGNAL) || ca->exit_signal > NSIGNALS)
		return -EINVAL;
	if ((ca->flags & ABI_CLONE_INTO_CGROUP) &&
	    (ca->cgroup > INT_MAX || size < ABI_CLONE_ARGS_SIZE_VER2))
		return -EINVAL;
	if (ca->flags & ~CLONE3_FLAGS)
		return -EINVAL;
	/* CLONE_NEWTIME lies among the bits of the signal. */
	if (ca->flags & (CLONE_DETACHED | (ABI_CSIGNAL & ~(uint64_t)CLONE_NEWTIME)))
		return -EINVAL;
	if ((ca->flags & (CLONE_THREAD | CLONE_PARENT)) && ca->exit_signal)
		return -EINVAL;
	return clone3_check_stack(ca);
}

/* set_tid has a number for each pid namespace: there is one. */
static int clone3_set_tid(struct task *t, const struct abi_clone_args *ca, int32_t *out)
{
	int32_t tid;
	int r;

	*out = 0;
	if (!ca->set_tid_size)
		return 0;
	r = syscall_copy_in(t, &tid, ca->set_tid, sizeof(tid));
	if (r < 0)
		return r;
	if (ca->set_tid_size > 1 || tid < 1)
		return -EINVAL;
	*out = tid;
	return 0;
}

SYSCALL(clone3)
{
	struct abi_clone_args ca;
	struct clone_request req;
	uint64_t size = args->a[1];
	int r;

	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < ABI_CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	r = syscall_copy_struct(t, &ca, sizeof(ca), args->a[0], size);
	if (r == 0)
		r = clone3_check(&ca, size);
	if (r < 0)
		return r;
	req = (struct clone_request){
		.flags = ca.flags,
		.exit_signal = (int)ca.exit_signal,
		.stack = ca.stack + ca.stack_size,
		.parent_tid = ca.parent_tid,
		.child_tid = ca.child_tid,
		.pidfd = ca.pidfd,
		.tls = ca.tls,
	};
	r = clone3_set_tid(t, &ca, &req.set_tid);
	return r < 0 ? r : task_clone(t, &req);
}

#define UNSHARE_SHARED (CLONE_THREAD | CLONE_VM | CLONE_SIGHAND)
#define UNSHARE_FLAGS \
	(UNSHARE_SHARED | NS_FLAGS_ALL | (uint64_t)(CLONE_FILES | CLONE_FS | CLONE_SYSVSEM))

SYSCALL(unshare)
{
	uint64_t flags = args->a[0];
	struct ns_change change;
	int r;

	if (flags & ~(uint64_t)UNSHARE_FLAGS)
		return -EINVAL;
	if (flags & CLONE_NEWUSER)
		flags |= CLONE_THREAD | CLONE_FS;
	if (flags & CLONE_NEWIPC)
		flags |= CLONE_SYSVSEM;
	if ((flags & UNSHARE_SHARED) && (READ_ONCE(t->group->ntasks) > 1 || mm_users(t->mm) > 1))
		return -EINVAL;
	r = ns_change_prepare(t, flags, &change);
	if (r == 0 && (flags & CLONE_FILES)) {
		r = task_unshare_files(t);
		if (r < 0)
			ns_change_abort(&change);
	}
	if (r < 0)
		return r;
	if (flags & CLONE_SYSVSEM)
		task_unshare_sem(t);
	ns_change_commit(t, &change);
	return 0;
}

/* ---- the end ---- */

SYSCALL(exit)
{
	task_exit(t, ABI_WAIT_EXITED((int)args->a[0]));
	return 0;
}

SYSCALL(exit_group)
{
	task_exit_group(t, ABI_WAIT_EXITED((int)args->a[0]));
	return 0;
}

/* ---- names and groups ---- */

SYSCALL(getpid)
{
	return t->group->own_pid;
}

SYSCALL(gettid)
{
	return t->own_tid;
}

SYSCALL(getppid)
{
	return pid_out(t, group_ppid(t->group));
}

SYSCALL(getpgid)
{
	return pid_out(t, task_getpgid(t, pid_in(t, (int32_t)args->a[0])));
}

SYSCALL(getpgrp)
{
	return pid_out(t, task_getpgid(t, 0));
}

SYSCALL(setpgid)
{
	return task_setpgid(t, pid_in(t, (int32_t)args->a[0]), pid_in(t, (int32_t)args->a[1]));
}

SYSCALL(getsid)
{
	return pid_out(t, task_getsid(t, pid_in(t, (int32_t)args->a[0])));
}

SYSCALL(setsid)
{
	return pid_out(t, task_setsid(t));
}

SYSCALL(set_tid_address)
{
	t->clear_child_tid = args->a[0];
	return t->own_tid;
}
