/* sched_setattr and sched_getattr: what is set, what is kept, and what a child gets with
 * SCHED_RESET_ON_FORK. */
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define RESET 1u
#define KEEP_POLICY 8u
#define KEEP_PARAMS 16u
#define UTIL_CLAMP_MIN 0x20u

struct attr { /* as sched_setattr(2) has it */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static long set(unsigned size, int policy, unsigned flags, int nice, unsigned priority)
{
	struct attr a = { .size = size,
			  .policy = (uint32_t)policy,
			  .flags = flags,
			  .nice = nice,
			  .priority = priority };

	return syscall(SYS_sched_setattr, 0, &a, 0);
}

static void expect(int policy, unsigned flags, int nice, unsigned priority)
{
	struct attr a = { 0 };

	CHECK_EQ(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0), 0);
	CHECK_EQ(a.size, sizeof(a));
	CHECK_EQ(a.policy, policy);
	CHECK_EQ(a.flags, flags);
	CHECK_EQ(a.nice, nice);
	CHECK_EQ(a.priority, priority);
	CHECK_EQ(sched_getscheduler(0), policy | (flags & RESET ? SCHED_RESET_ON_FORK : 0));
}

static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void policies(void)
{
	CHECK_EQ(set(48, SCHED_BATCH, 0, 3, 0), 0);
	expect(SCHED_BATCH, 0, 3, 0);
	/* Priorities of one class leave those of the other alone, which are not shown. */
	CHECK_EQ(set(48, SCHED_FIFO, RESET, 7, 10), 0);
	expect(SCHED_FIFO, RESET, 0, 10);
	CHECK_EQ(set(48, SCHED_OTHER, KEEP_POLICY, 7, 11), 0);
	expect(SCHED_FIFO, RESET, 0, 11);
	/* Nothing but the flag. */
	CHECK_EQ(set(48, SCHED_RR, KEEP_PARAMS, 7, 12), 0);
	expect(SCHED_FIFO, 0, 0, 11);
	CHECK_ERR(set(48, SCHED_OTHER, KEEP_PARAMS, 7, 0), EINVAL);
	CHECK_EQ(set(48, SCHED_IDLE, 0, 9, 0), 0);
	expect(SCHED_IDLE, 0, 3, 0);
	CHECK_ERR(set(48, SCHED_OTHER, 0x80, 0, 0), EINVAL);
	CHECK_ERR(set(48, SCHED_OTHER, UTIL_CLAMP_MIN, 0, 0), EINVAL);
	CHECK_ERR(set(48, SCHED_OTHER, 0, 0, 1), EINVAL);
	CHECK_ERR(set(48, 4, 0, 0, 0), EINVAL);
}

static void larger_structure(void)
{
	uint8_t buf[4096];

	memset(buf, 0x55, sizeof(buf));
	CHECK_EQ(syscall(SYS_sched_getattr, 0, buf, 48, 0), 0);
	CHECK_EQ(*(uint32_t *)buf, 48);
	CHECK_EQ(buf[48], 0x55);
	CHECK_EQ(syscall(SYS_sched_getattr, 0, buf, 4096, 0), 0);
	CHECK_EQ(*(uint32_t *)buf, sizeof(struct attr));
	for (unsigned i = sizeof(struct attr); i < sizeof(buf); i++)
		CHECK_EQ(buf[i], 0);
}

static void plain_child(void)
{
	expect(SCHED_OTHER, 0, 0, 0);
}

static void batch_child(void)
{
	expect(SCHED_BATCH, 0, 5, 0);
}

static void reset_on_fork(void)
{
	struct sched_param sp = { .sched_priority = 5 };

	CHECK_EQ(sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &sp), 0);
	expect(SCHED_FIFO, RESET, 0, 5);
	in_child(plain_child);
	CHECK_EQ(set(48, SCHED_OTHER, RESET, -5, 0), 0);
	in_child(plain_child);
	CHECK_EQ(set(48, SCHED_BATCH, RESET, 5, 0), 0);
	in_child(batch_child);
	expect(SCHED_BATCH, RESET, 5, 0);
	/* sched_setparam(2) leaves it. */
	sp.sched_priority = 0;
	CHECK_EQ(sched_setparam(0, &sp), 0);
	expect(SCHED_BATCH, RESET, 5, 0);
	/* Only the privileged take it away. */
	CHECK(setresuid(65534, 65534, 65534) == 0);
	CHECK_ERR(sched_setscheduler(0, SCHED_BATCH, &sp), EPERM);
	CHECK_EQ(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &sp), 0);
}

int main(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	in_child(policies);
	in_child(larger_structure);
	in_child(reset_on_fork);
	return 0;
}
