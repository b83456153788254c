/* wait4 and waitid: what a child's report looks like in the two calls. */
#include <fcntl.h>
#include <limits.h>

#include "abi/errno.h"
#include "abi/resource.h"
#include "abi/signal.h"
#include "abi/wait.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

#define WAIT_ANY_KIND ((int)(__WNOTHREAD | __WCLONE | __WALL))
#define WAIT4_OPTIONS (WNOHANG | WUNTRACED | WCONTINUED | WAIT_ANY_KIND)

static struct abi_timeval timeval_of(uint64_t ns)
{
	return (struct abi_timeval){ .sec = (int64_t)(ns / ABI_NSEC_PER_SEC),
				     .usec = (int64_t)(ns % ABI_NSEC_PER_SEC / 1000) };
}

static int put_rusage(struct task *t, gva_t user, const struct wait_result *res)
{
	struct abi_rusage ru = { .utime = timeval_of(res->utime_ns),
				 .stime = timeval_of(res->stime_ns),
				 .maxrss = (int64_t)res->maxrss };

	return user ? syscall_copy_out(t, user, &ru, sizeof(ru)) : 0;
}

SYSCALL(wait4)
{
	int32_t pid = (int32_t)args->a[0];
	int options = (int)args->a[2], which = P_PID, r;
	struct wait_result res = { 0 };

	if (options & ~WAIT4_OPTIONS)
		return -EINVAL;
	if (pid == INT_MIN)
		return -ESRCH;
	if (pid == -1) {
		which = P_ALL;
	} else if (pid <= 0) {
		which = P_PGID;
		pid = -pid;
	}
	r = task_wait(t, which, pid_in(t, pid), options | WEXITED, &res);
	if (r <= 0)
		return r;
	if (args->a[1] && syscall_copy_out(t, args->a[1], &res.status, sizeof(res.status)) < 0)
		return -EFAULT;
	r = put_rusage(t, args->a[3], &res);
	return r < 0 ? r : res.pid;
}

SYSCALL(waitid)
{
	int which = (int)args->a[0], options = (int)args->a[3], r;
	int32_t id = (int32_t)args->a[1];
	struct wait_result res = { 0 };
	bool nonblock;

	r = task_waitid_target(t, options, &which, &id, &nonblock);
	if (r < 0)
		return r;
	r = task_wait(t, which, id, options | (nonblock ? WNOHANG : 0), &res);
	if (r < 0)
		return r;
	if (r == 0 && nonblock && !(options & WNOHANG))
		return -EAGAIN;
	if (r > 0 && put_rusage(t, args->a[4], &res) < 0)
		return -EFAULT;
	return task_waitid_put(t, args->a[2], &res);
}
