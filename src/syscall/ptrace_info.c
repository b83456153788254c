/* What a tracer asks about the stop that its tracee is in: the system call, and the
 * signals that wait. */
#include <linux/audit.h>
#include <string.h>

#include "abi/errno.h"
#include "abi/ptrace.h"
#include "abi/signal.h"
#include "syscall/ptrace.h"
#include "task/ptrace.h"

/* ---- the system call ---- */

static int op_of(struct task *tracee)
{
	struct ksiginfo info;

	if (ptrace_get_siginfo(tracee, &info) < 0)
		return ABI_PTRACE_SYSCALL_INFO_NONE;
	if (info.code == (SIGTRAP | ABI_PTRACE_EVENT_SECCOMP << 8))
		return ABI_PTRACE_SYSCALL_INFO_SECCOMP;
	if (info.code != (SIGTRAP | 0x80))
		return ABI_PTRACE_SYSCALL_INFO_NONE;
	switch (tracee->ptrace.message) {
	case ABI_PTRACE_EVENTMSG_SYSCALL_ENTRY:
		return ABI_PTRACE_SYSCALL_INFO_ENTRY;
	case ABI_PTRACE_EVENTMSG_SYSCALL_EXIT:
		return ABI_PTRACE_SYSCALL_INFO_EXIT;
	default:
		return ABI_PTRACE_SYSCALL_INFO_NONE;
	}
}

static void fill_args(const struct task *tracee, uint64_t args[6])
{
	const struct guest_regs *r = &tracee->regs;
	const uint64_t list[6] = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 };

	memcpy(args, list, sizeof(list));
}

/* The size of what is filled. */
static size_t fill_op(const struct task *tracee, struct abi_ptrace_syscall_info *info)
{
	int64_t rax = (int64_t)tracee->regs.rax;

	switch (info->op) {
	case ABI_PTRACE_SYSCALL_INFO_ENTRY:
		info->entry.nr = ptrace_orig_rax(tracee);
		fill_args(tracee, info->entry.args);
		return offsetof(struct abi_ptrace_syscall_info, entry) + sizeof(info->entry);
	case ABI_PTRACE_SYSCALL_INFO_EXIT:
		info->exit.rval = rax;
		info->exit.is_error = rax < 0 && rax >= -4095;
		return offsetof(struct abi_ptrace_syscall_info, exit.is_error) + 1;
	case ABI_PTRACE_SYSCALL_INFO_SECCOMP:
		info->seccomp.nr = ptrace_orig_rax(tracee);
		fill_args(tracee, info->seccomp.args);
		info->seccomp.ret_data = (uint32_t)tracee->ptrace.message;
		return offsetof(struct abi_ptrace_syscall_info, seccomp.reserved2);
	default:
		return offsetof(struct abi_ptrace_syscall_info, entry);
	}
}

long ptrace_get_syscall_info(struct task *t, struct task *tracee, uint64_t size, gva_t user)
{
	struct abi_ptrace_syscall_info info = { .op = (uint8_t)op_of(tracee),
						.arch = AUDIT_ARCH_X86_64,
						.ip = tracee->regs.rip,
						.sp = tracee->regs.rsp };
	size_t whole = fill_op(tracee, &info);

	if (syscall_copy_out(t, user, &info, MIN(size, (uint64_t)whole)) < 0)
		return -EFAULT;
	return (long)whole;
}

static int set_call(struct task *tracee, uint64_t nr, const uint64_t args[6])
{
	struct guest_regs *r = &tracee->regs;

	if ((int64_t)nr != (int32_t)nr)
		return -ERANGE;
	ptrace_set_orig_rax(tracee, nr);
	if ((int32_t)nr == -1)
		return 0;
	r->rdi = args[0];
	r->rsi = args[1];
	r->rdx = args[2];
	r->r10 = args[3];
	r->r8 = args[4];
	r->r9 = args[5];
	return 0;
}

long ptrace_set_syscall_info(struct task *t, struct task *tracee, uint64_t size, gva_t user)
{
	struct abi_ptrace_syscall_info info;

	if (size < sizeof(info))
		return -EINVAL;
	if (syscall_copy_in(t, &info, user, sizeof(info)) < 0)
		return -EFAULT;
	if (info.flags || info.reserved || info.op != op_of(tracee))
		return -EINVAL;
	switch (info.op) {
	case ABI_PTRACE_SYSCALL_INFO_ENTRY:
		return set_call(tracee, info.entry.nr, info.entry.args);
	case ABI_PTRACE_SYSCALL_INFO_EXIT:
		tracee->regs.rax = (uint64_t)info.exit.rval;
		return 0;
	case ABI_PTRACE_SYSCALL_INFO_SECCOMP:
		if (info.seccomp.reserved2)
			return -EINVAL;
		return set_call(tracee, info.seccomp.nr, info.seccomp.args);
	default:
		return -EINVAL;
	}
}

/* ---- waiting signals ---- */

long ptrace_peek_siginfos(struct task *t, struct task *tracee, gva_t user_args, gva_t user)
{
	struct abi_ptrace_peeksiginfo_args a;
	uint8_t raw[ABI_SIGINFO_SIZE];
	struct ksiginfo info;
	long n;

	if (syscall_copy_in(t, &a, user_args, sizeof(a)) < 0)
		return -EFAULT;
	if ((a.flags & ~ABI_PTRACE_PEEKSIGINFO_SHARED) || a.nr < 0)
		return -EINVAL;
	for (n = 0; n < a.nr; n++) {
		if (!ptrace_peek_siginfo(tracee, a.flags & ABI_PTRACE_PEEKSIGINFO_SHARED,
					 a.off + (uint64_t)n, &info))
			break;
		siginfo_to_user(&info, raw);
		if (syscall_copy_out(t, user + (uint64_t)n * sizeof(raw), raw, sizeof(raw)) < 0)
			return n ? n : -EFAULT;
		if (signal_is_pending(t))
			break;
	}
	return n;
}
