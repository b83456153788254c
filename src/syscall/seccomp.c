/* seccomp(2): its operations; what they mean is task/seccomp.h. */
#include "abi/seccomp.h"

#include "abi/errno.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "task/seccomp.h"

static long get_action_avail(struct task *t, gva_t user)
{
	uint32_t action;

	if (syscall_copy_in(t, &action, user, sizeof(action)) < 0)
		return -EFAULT;
	switch (action) {
	case SECCOMP_RET_KILL_PROCESS:
	case SECCOMP_RET_KILL_THREAD:
	case SECCOMP_RET_TRAP:
	case SECCOMP_RET_ERRNO:
	case SECCOMP_RET_USER_NOTIF:
	case SECCOMP_RET_TRACE:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_ALLOW:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static long get_notif_sizes(struct task *t, gva_t user)
{
	static const struct seccomp_notif_sizes sizes = {
		.seccomp_notif = sizeof(struct seccomp_notif),
		.seccomp_notif_resp = sizeof(struct seccomp_notif_resp),
		.seccomp_data = sizeof(struct seccomp_data),
	};

	return syscall_copy_out(t, user, &sizes, sizeof(sizes));
}

SYSCALL(seccomp)
{
	uint32_t op = (uint32_t)args->a[0], flags = (uint32_t)args->a[1];
	gva_t arg = args->a[2];

	switch (op) {
	case SECCOMP_SET_MODE_STRICT:
		return flags || arg ? -EINVAL : seccomp_set_strict(t);
	case SECCOMP_SET_MODE_FILTER:
		return seccomp_set_filter(t, flags, arg);
	case SECCOMP_GET_ACTION_AVAIL:
		return flags ? -EINVAL : get_action_avail(t, arg);
	case SECCOMP_GET_NOTIF_SIZES:
		return flags ? -EINVAL : get_notif_sizes(t, arg);
	default:
		return -EINVAL;
	}
}
