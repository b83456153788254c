/* Signals: actions, masks, waiting for them, and sending. What they do is in
 * task/. */
#include <limits.h>

#include "abi/errno.h"
#include "abi/signal.h"
#include "syscall/families.h"
#include "syscall/restart.h"
#include "syscall/syscall.h"

_Static_assert(sizeof(struct k_sigaction) == sizeof(struct abi_sigaction), "as the guest has it");

/* ---- actions and masks ---- */

SYSCALL(rt_sigaction)
{
	struct k_sigaction act, old;
	int r;

	if (args->a[3] != ABI_SIGSET_SIZE)
		return -EINVAL;
	if (args->a[1] && syscall_copy_in(t, &act, args->a[1], sizeof(act)) < 0)
		return -EFAULT;
	r = signal_action(t, (int)args->a[0], args->a[1] ? &act : NULL, args->a[2] ? &old : NULL);
	if (r == 0 && args->a[2])
		r = syscall_copy_out(t, args->a[2], &old, sizeof(old));
	return r;
}

/* The new mask, or -EINVAL. */
static int apply_how(int how, sigmask_t old, sigmask_t set, sigmask_t *out)
{
	switch (how) {
	case SIG_BLOCK:
		*out = old | set;
		return 0;
	case SIG_UNBLOCK:
		*out = old & ~set;
		return 0;
	case SIG_SETMASK:
		*out = set;
		return 0;
	default:
		return -EINVAL;
	}
}

SYSCALL(rt_sigprocmask)
{
	sigmask_t old = t->blocked, set, mask;
	int r;

	if (args->a[3] != ABI_SIGSET_SIZE)
		return -EINVAL;
	if (args->a[1]) {
		r = syscall_copy_in(t, &set, args->a[1], sizeof(set));
		if (r == 0)
			r = apply_how((int)args->a[0], old, set, &mask);
		if (r < 0)
			return r;
		signal_set_blocked(t, mask);
	}
	return args->a[2] ? syscall_copy_out(t, args->a[2], &old, sizeof(old)) : 0;
}

SYSCALL(rt_sigreturn)
{
	return signal_return(t);
}

SYSCALL(rt_sigpending)
{
	sigmask_t set = signal_pending_set(t);

	if (args->a[1] > ABI_SIGSET_SIZE)
		return -EINVAL;
	return syscall_copy_out(t, args->a[0], &set, args->a[1]);
}

SYSCALL(sigaltstack)
{
	return signal_altstack(t, args->a[0], args->a[1]);
}

/* ---- waiting ---- */

/* Until a handler has run: then it is -EINTR, and until then this call again. */
static long wait_for_handler(struct task *t)
{
	int r;

	do {
		waiter_prepare(&t->waiter);
		r = waiter_wait(&t->waiter, PARK_FOREVER);
	} while (r == 0);
	return -ERESTARTNOHAND;
}

SYSCALL(pause)
{
	return wait_for_handler(t);
}

SYSCALL(rt_sigsuspend)
{
	sigmask_t mask;

	if (args->a[1] != ABI_SIGSET_SIZE)
		return -EINVAL;
	if (syscall_copy_in(t, &mask, args->a[0], sizeof(mask)) < 0)
		return -EFAULT;
	signal_set_temporary_mask(t, mask);
	return wait_for_handler(t);
}

SYSCALL(rt_sigtimedwait)
{
	uint8_t raw[ABI_SIGINFO_SIZE];
	struct ksiginfo info;
	uint64_t deadline;
	sigmask_t set;
	int r;

	if (args->a[3] != ABI_SIGSET_SIZE)
		return -EINVAL;
	if (syscall_copy_in(t, &set, args->a[0], sizeof(set)) < 0)
		return -EFAULT;
	r = syscall_timeout(t, args->a[2], &deadline);
	if (r < 0)
		return r;
	r = signal_wait(t, set, deadline, &info);
	if (r <= 0 || !args->a[1])
		return r;
	siginfo_to_user(&info, raw);
	return syscall_copy_out(t, args->a[1], raw, sizeof(raw)) < 0 ? -EFAULT : r;
}

/* ---- sending ---- */

static bool signo_is_valid(int signo)
{
	return signo >= 0 && signo <= NSIGNALS;
}

static struct ksiginfo info_from(struct task *t, int signo, int code)
{
	return (struct ksiginfo){
		.signo = signo, .code = code, .pid = t->group->own_pid, .uid = t->cred->uid
	};
}

/* A process by the number of any of its threads, as kill(2) takes it. */
static struct thread_group *find_process(struct task *t, int32_t pid)
{
	struct thread_group *g = process_find(t, pid);
	struct task *other;

	if (g)
		return g;
	other = task_find(t, pid);
	if (!other)
		return NULL;
	g = other->group;
	group_get(g);
	task_put(other);
	return g;
}

static long send_process(struct task *t, int32_t pid, const struct ksiginfo *info)
{
	struct thread_group *g = find_process(t, pid);
	int r;

	if (!g)
		return -ESRCH;
	r = signal_may_send(t, g, info->signo);
	if (r == 0)
		r = signal_send_group(g, info);
	group_put(g);
	return r;
}

SYSCALL(kill)
{
	int32_t pid = (int32_t)args->a[0];
	int signo = (int)args->a[1];
	struct ksiginfo info = info_from(t, signo, SI_USER);

	if (!signo_is_valid(signo))
		return -EINVAL;
	if (pid > 0)
		return send_process(t, pid, &info);
	if (pid == INT_MIN)
		return -ESRCH;
	if (pid == -1)
		return signal_send_all(t, &info);
	return signal_send_pgrp(t->kernel, pid ? pid_in(t, -pid) : task_getpgid(t, 0), &info);
}

/* tgid 0: of any process (tkill). */
static long send_thread(struct task *t, int32_t tgid, int32_t tid, const struct ksiginfo *info)
{
	struct task *other = task_find(t, tid);
	int r = -ESRCH;

	if (other && (!tgid || other->group->pid == pid_in(t, tgid))) {
		r = signal_may_send(t, other->group, info->signo);
		if (r == 0)
			r = signal_send(other, info, 0);
	}
	task_put(other);
	return r;
}

SYSCALL(tkill)
{
	int32_t tid = (int32_t)args->a[0];
	int signo = (int)args->a[1];
	struct ksiginfo info = info_from(t, signo, SI_TKILL);

	if (tid <= 0 || !signo_is_valid(signo))
		return -EINVAL;
	return send_thread(t, 0, tid, &info);
}

SYSCALL(tgkill)
{
	int32_t tgid = (int32_t)args->a[0], tid = (int32_t)args->a[1];
	int signo = (int)args->a[2];
	struct ksiginfo info = info_from(t, signo, SI_TKILL);

	if (tgid <= 0 || tid <= 0 || !signo_is_valid(signo))
		return -EINVAL;
	return send_thread(t, tgid, tid, &info);
}

/* The contents of a queued signal: nobody may pretend to be the kernel, or
 * kill(2), towards another process. */
static int queued_info(struct task *t, int32_t pid, int signo, gva_t user, struct ksiginfo *info)
{
	uint8_t raw[ABI_SIGINFO_SIZE];
	struct abi_siginfo *si = (struct abi_siginfo *)(void *)raw;

	if (syscall_copy_in(t, raw, user, sizeof(raw)) < 0)
		return -EFAULT;
	si->signo = signo;
	if ((si->code >= 0 || si->code == SI_TKILL) && pid_in(t, pid) != t->group->pid)
		return -EPERM;
	if (!signo_is_valid(signo))
		return -EINVAL;
	siginfo_from_user(raw, info);
	return 0;
}

SYSCALL(rt_sigqueueinfo)
{
	int32_t pid = (int32_t)args->a[0];
	struct ksiginfo info;
	int r = queued_info(t, pid, (int)args->a[1], args->a[2], &info);

	if (r < 0)
		return r;
	return pid > 0 ? send_process(t, pid, &info) : -ESRCH;
}

SYSCALL(rt_tgsigqueueinfo)
{
	int32_t tgid = (int32_t)args->a[0], tid = (int32_t)args->a[1];
	struct ksiginfo info;
	int r;

	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	r = queued_info(t, tgid, (int)args->a[2], args->a[3], &info);
	return r < 0 ? r : send_thread(t, tgid, tid, &info);
}

/* ---- restarts ---- */

SYSCALL(restart_syscall)
{
	enum restart_kind kind = t->restart.kind;

	switch (kind) {
	case RESTART_NANOSLEEP:
		return nanosleep_restart(t);
	case RESTART_FUTEX:
		return futex_restart(t);
	case RESTART_POLL:
		return poll_restart(t);
	case RESTART_NONE:
		break;
	}
	return -EINTR;
}
