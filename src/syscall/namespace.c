/* setns(2): joins a namespace that a file stands for, or those of a process. */
#include "abi/errno.h"
#include "abi/sched.h"
#include "syscall/families.h"
#include "syscall/peer.h"
#include "syscall/syscall.h"
#include "vfs/nsfs.h"

static long join_process(struct task *t, struct thread_group *g, uint64_t flags)
{
	struct task *other;
	long r;

	if (!flags || (flags & ~(uint64_t)NS_FLAGS_ALL))
		return -EINVAL;
	other = group_any_task(g);
	if (!other)
		return -ESRCH;
	r = peer_may_access(t, other);
	task_put(other);
	return r < 0 ? r : task_setns_group(t, g, flags);
}

static long join_file(struct task *t, const struct file *f, uint64_t flags)
{
	struct ns *ns = nsfs_ns(f->inode);

	if (!ns || (flags && flags != ns_kind_flag(ns->ops->kind)))
		return -EINVAL;
	return task_setns(t, ns);
}

SYSCALL(setns)
{
	struct file *f = fd_get(t, (int)args->a[0]);
	uint64_t flags = (uint32_t)args->a[1];
	struct thread_group *g;
	long r;

	if (!f)
		return -EBADF;
	g = pidfd_group(f);
	r = g ? join_process(t, g, flags) : join_file(t, f, flags);
	group_put(g);
	file_put(f);
	return r;
}
