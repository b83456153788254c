/*
 * The way of every system call: count it, find its row, call its handler, put
 * the result into rax. Restart codes are left there for signal_deliver(), which
 * knows from t->sysno that a call was made.
 *
 * A number outside the table, negative or with the x32 bit, is -ENOSYS, as are
 * numbers without a row.
 */
#include "abi/errno.h"
#include "syscall/stats.h"
#include "syscall/strace.h"
#include "syscall/syscall.h"
#include "task/seccomp.h"

struct kernel_stats kernel_stats;

static long syscall_refuse(const struct syscall_entry *e)
{
	return e->refusal ? -e->refusal : -ENOSYS;
}

static inline long syscall_call(const struct syscall_entry *e, struct task *t,
				const struct sysargs *args)
{
	return likely(e->fn != NULL) ? e->fn(t, args) : syscall_refuse(e);
}

static const struct syscall_entry *syscall_find(int64_t nr)
{
	static const struct syscall_entry none = { .refusal = ENOSYS };

	if (unlikely((uint64_t)nr >= SYSCALL_TABLE_SIZE)) {
		atomic_fetch_add_explicit(&kernel_stats.syscalls_unknown, 1, memory_order_relaxed);
		return &none;
	}
	atomic_fetch_add_explicit(&kernel_stats.syscalls[nr], 1, memory_order_relaxed);
	return &syscall_table[nr];
}

static struct sysargs args_of(const struct task *t)
{
	const struct guest_regs *r = &t->regs;

	return (struct sysargs){ { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 } };
}

/* A call that the task's own filters look at first; their tracer may make another of it. */
static COLD __attribute__((noinline)) long syscall_call_filtered(const struct syscall_entry *e,
								 struct task *t, int64_t nr)
{
	struct sysargs args;
	long ret;

	if (!seccomp_admits(t, &ret))
		return ret;
	args = args_of(t);
	return syscall_call(t->sysno == nr ? e : syscall_find(t->sysno), t, &args);
}

static inline bool is_filtered(struct task *t)
{
	return unlikely(atomic_load_explicit(&t->call_work, memory_order_relaxed) &
			CALL_WORK_SECCOMP);
}

static COLD __attribute__((noinline)) long syscall_call_traced(const struct syscall_entry *e,
							       struct task *t, int64_t nr,
							       const struct sysargs *args)
{
	struct strace_line line;
	long ret;

	strace_enter(&line, t, nr, args);
	ret = is_filtered(t) ? syscall_call_filtered(e, t, nr) : syscall_call(e, t, args);
	strace_leave(&line, t, nr, args, ret);
	return ret;
}

void syscall_dispatch(struct task *t, int64_t nr)
{
	const struct sysargs args = args_of(t);
	const struct syscall_entry *e = syscall_find(nr);
	long ret;

	if (unlikely(strace_enabled))
		ret = syscall_call_traced(e, t, nr, &args);
	else if (is_filtered(t))
		ret = syscall_call_filtered(e, t, nr);
	else
		ret = syscall_call(e, t, &args);
	lock_assert_none_held("the end of a system call");
	DEBUG_ASSERT(!t->vfs.root.dentry); /* task_vfs_end() was called */
	t->regs.rax = (uint64_t)ret;
}
