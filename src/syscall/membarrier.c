/*
 * membarrier(2).
 *
 * Guest threads are threads of host processes that are not ours, so the fast
 * commands of the host do not reach them; its slow one reaches everybody. Every
 * command that is offered is carried out by that one: what it promises is kept,
 * and it costs milliseconds. A process of one thread has nobody to wait for.
 * Without it on the host, membarrier is -ENOSYS, and programs do without.
 */
#include <linux/membarrier.h>

#include "abi/errno.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "task/machine.h"

#define OFFERED                                                                        \
	(MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |                     \
	 MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED | \
	 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)

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
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
		return 0;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		return mm_users(t->mm) > 1 ? machine_barrier() : 0;
	case MEMBARRIER_CMD_GLOBAL:
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
		return machine_barrier();
	default:
		return -EINVAL;
	}
}
