/* Scheduling: affinity, policies, priorities, nice, yields, and their errors. */
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

struct attr {
	unsigned size, policy;
	unsigned long long flags;
	int nice;
	unsigned priority;
	unsigned long long runtime, deadline, period;
	unsigned util_min, util_max;
};

static void affinity(void)
{
	unsigned long big[128] = { 0 }, one;
	cpu_set_t set, only;
	int cpu = -1, status;
	long n;
	pid_t pid;

	n = syscall(SYS_sched_getaffinity, 0, sizeof(big), big);
	CHECK(n > 0 && n % 8 == 0);
	CHECK_ERR(syscall(SYS_sched_getaffinity, 0, 7, big), EINVAL);
	CHECK_ERR(syscall(SYS_sched_getaffinity, 0x3fffff00, sizeof(big), big), ESRCH);
	CHECK_ERR(syscall(SYS_sched_getaffinity, 0, sizeof(big), 1), EFAULT);
	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
	CHECK(CPU_COUNT(&set) >= 1);
	for (int i = 0; i < CPU_SETSIZE && cpu < 0; i++) {
		if (CPU_ISSET(i, &set))
			cpu = i;
	}
	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	CHECK(sched_setaffinity(0, sizeof(only), &only) == 0);
	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
	CHECK_EQ(CPU_COUNT(&set), 1);
	pid = fork();
	if (!pid) {
		CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
		_exit(CPU_COUNT(&set) == 1 ? 0 : 1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	one = 0;
	CHECK_ERR(syscall(SYS_sched_setaffinity, 0, sizeof(one), &one), EINVAL);
	CHECK_ERR(syscall(SYS_sched_setaffinity, 0, sizeof(one), 1), EFAULT);
	CHECK_ERR(syscall(SYS_sched_setaffinity, 0x3fffff00, sizeof(only), &only), ESRCH);
}

static void policies(void)
{
	struct sched_param sp = { 0 };
	struct timespec ts;

	CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
	CHECK_EQ(sched_get_priority_min(SCHED_RR), 1);
	CHECK_EQ(sched_get_priority_max(SCHED_OTHER), 0);
	CHECK_ERR(sched_get_priority_max(99), EINVAL);
	CHECK_ERR(sched_get_priority_min(-1), EINVAL);
	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
	CHECK(sched_getparam(0, &sp) == 0);
	CHECK_EQ(sp.sched_priority, 0);
	CHECK(sched_setscheduler(0, SCHED_BATCH, &sp) == 0);
	CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
	CHECK(sched_setscheduler(0, SCHED_OTHER, &sp) == 0);
	CHECK(sched_setparam(0, &sp) == 0);
	CHECK(sched_rr_get_interval(0, &ts) == 0);
	sp.sched_priority = 5;
	CHECK_ERR(sched_setparam(0, &sp), EINVAL);
	CHECK_ERR(sched_setscheduler(0, SCHED_OTHER, &sp), EINVAL);
	CHECK_ERR(sched_setscheduler(0, 77, &sp), EINVAL);
	CHECK_ERR(sched_setscheduler(0, -1, &sp), EINVAL);
	CHECK_ERR(sched_setscheduler(0x3fffff00, SCHED_OTHER, &sp), ESRCH);
	CHECK_ERR(sched_getscheduler(-1), EINVAL);
	CHECK_ERR(sched_getscheduler(0x3fffff00), ESRCH);
	CHECK_ERR(syscall(SYS_sched_getparam, 0, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, 1), EFAULT);
	sp.sched_priority = 100;
	CHECK_ERR(sched_setscheduler(0, SCHED_FIFO, &sp), EINVAL);
	sp.sched_priority = 0;
	CHECK_ERR(sched_setscheduler(0, SCHED_FIFO, &sp), EINVAL);
}

static void attributes(void)
{
	struct attr a;
	unsigned char big[128] = { 0 };

	memset(&a, 0xee, sizeof(a));
	CHECK(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) == 0);
	CHECK(a.size >= 48 && a.size <= sizeof(a));
	CHECK_EQ(a.policy, SCHED_OTHER);
	CHECK_EQ(a.priority, 0);
	CHECK_ERR(syscall(SYS_sched_getattr, 0, &a, 47, 0), EINVAL);
	CHECK_ERR(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 1), EINVAL);
	CHECK_ERR(syscall(SYS_sched_getattr, 0, NULL, sizeof(a), 0), EINVAL);
	memset(&a, 0, sizeof(a));
	a.size = 48;
	a.policy = SCHED_BATCH;
	a.nice = 3;
	CHECK(syscall(SYS_sched_setattr, 0, &a, 0) == 0);
	CHECK(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) == 0);
	CHECK_EQ(a.policy, SCHED_BATCH);
	CHECK_EQ(a.nice, 3);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 3);
	memset(&a, 0, sizeof(a));
	a.size = 40;
	CHECK_ERR(syscall(SYS_sched_setattr, 0, &a, 0), E2BIG);
	memcpy(big, &(unsigned){ sizeof(big) }, 4);
	big[100] = 1;
	CHECK_ERR(syscall(SYS_sched_setattr, 0, big, 0), E2BIG);
	CHECK_ERR(syscall(SYS_sched_setattr, 0, NULL, 0), EINVAL);
	CHECK_ERR(syscall(SYS_sched_setattr, 0, &a, 1), EINVAL);
}

static void niceness(void)
{
	int status;
	pid_t pid;

	CHECK(setpriority(PRIO_PROCESS, 0, 7) == 0);
	CHECK_EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 13);
	CHECK(setpriority(PRIO_PROCESS, getpid(), 100) == 0);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
	pid = fork();
	if (!pid)
		_exit(getpriority(PRIO_PROCESS, 0) == 19 ? 0 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_ERR(syscall(SYS_getpriority, 9, 0), EINVAL);
	CHECK_ERR(syscall(SYS_getpriority, PRIO_PROCESS, 0x3fffff00), ESRCH);
	CHECK_ERR(syscall(SYS_setpriority, PRIO_PGRP, 0x3fffff00, 0), ESRCH);
	CHECK(syscall(SYS_getpriority, PRIO_USER, 0) > 0);
	CHECK(syscall(SYS_getpriority, PRIO_PGRP, 0) > 0);
	if (geteuid() != 0)
		CHECK_ERR(setpriority(PRIO_PROCESS, 0, -5), EACCES);
}

static void io_priorities(void)
{
	CHECK(syscall(SYS_ioprio_get, 1, 0) >= 0);
	CHECK(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 4) == 0);
	CHECK_ERR(syscall(SYS_ioprio_set, 9, 0, 2 << 13 | 4), EINVAL);
	CHECK_ERR(syscall(SYS_ioprio_get, 9, 0), EINVAL);
}

int main(void)
{
	affinity();
	policies();
	attributes();
	niceness();
	io_priorities();
	CHECK(sched_yield() == 0);
	return 0;
}
