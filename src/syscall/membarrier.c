/*
 * membarrier(2).
 *
 * Guest threads are threads of host processes that are not ours, so the fast
 * commands of the host do not reach them; its slow one reaches everybody. Every
 * command that is offered is carried out by that one: what it promises is kept,
 * and it costs milliseconds. A process of one thread has nobody to wait for.
 * Without it on the host, membarrier is -ENOSYS, and programs do without.
 *
 * Who wants a private command has to register first, as on Linux, where that is what
 * makes it fast.
 */
#include <linux/membarrier.h>

#include "abi/errno.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "task/machine.h"

#ifndef MEMBARRIER_CMD_GET_REGISTRATIONS
#define MEMBARRIER_CMD_GET_REGISTRATIONS (1 << 9)
#endif

#define OFFERED                                                                        \
	(MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |                     \
	 MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED | \
	 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_CMD_GET_REGISTRATIONS)

static long register_for(struct task *t, unsigned flag)
{
	atomic_fetch_or(mm_flags(t->mm), flag);
	return 0;
}

static long private_barrier(struct task *t)
{
	if (!(atomic_load(mm_flags(t->mm)) & MM_BARRIER_PRIVATE))
		return -EPERM;
	return mm_users(t->mm) > 1 ? machine_barrier() : 0;
}

static long registrations(struct task *t)
{
	unsigned flags = atomic_load(mm_flags(t->mm));
	long r = 0;

	if (flags & MM_BARRIER_GLOBAL)
		r |= MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;
	if (flags & MM_BARRIER_PRIVATE)
		r |= MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
	return r;
}

SYSCALL(membarrier)
{
	if (!machine_has_barrier())
		return -ENOSYS;
	if (args->a[1])
		return -EINVAL;
	switch ((int)args->a[0]) {
	case MEMBARRIER_CMD_QUERY:
		return OFFERED;
	case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
		return register_for(t, MM_BARRIER_GLOBAL);
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
		return register_for(t, MM_BARRIER_PRIVATE);
	case MEMBARRIER_CMD_GET_REGISTRATIONS:
		return registrations(t);
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		return private_barrier(t);
	case MEMBARRIER_CMD_GLOBAL:
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
		return machine_barrier();
	default:
		return -EINVAL;
	}
}
