/*
 * See machine.h.
 *
 * The barrier is the host's MEMBARRIER_CMD_GLOBAL, which covers stub threads as
 * any others. The private expedited commands of the host reach only threads of
 * the calling process's own address space, and guest code runs in others.
 */
#include "task/machine.h"

#include <linux/membarrier.h>

#include "host/host.h"
#include "host/proc.h"
#include "task/task.h"

unsigned machine_cpu(const struct kernel *k)
{
	unsigned cpu = 0, node = 0;

	if (host_getcpu(&cpu, &node) < 0)
		return 0;
	return cpu % k->ncpus;
}

void machine_random(void *buf, size_t size)
{
	host_random(buf, size);
}

void machine_yield(void)
{
	(void)host_sched_yield();
}

int machine_barrier(void)
{
	return host_membarrier(MEMBARRIER_CMD_GLOBAL, 0);
}

bool machine_has_barrier(void)
{
	int r = host_membarrier(MEMBARRIER_CMD_QUERY, 0);

	return r >= 0 && (r & MEMBARRIER_CMD_GLOBAL);
}
