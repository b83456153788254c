/*
 * Scheduling: policies, priorities, affinity.
 *
 * The host schedules; nothing here moves a thread. What guests set is checked as
 * Linux checks it, kept with the task and shown again. Affinity bounds what
 * sched_getaffinity says, and so how many threads a program starts.
 */
#include <sys/resource.h>

#include "abi/errno.h"
#include "abi/sched.h"
#include "syscall/families.h"
#include "syscall/peer.h"
#include "syscall/syscall.h"
#include "syscall/timeconv.h"
#include "task/machine.h"

#define RT_PRIORITY_MAX 99
#define RR_INTERVAL_NS 100000000u
/* A kernel that ticks 250 times a second tells of no shorter slice. */
#define RR_INTERVAL_FAIR_NS 0u
#define FAIR_SLICE_NS 700000u

SYSCALL(sched_yield)
{
	machine_yield();
	return 0;
}

/* ---- affinity ---- */

static uint64_t online_mask(const struct kernel *k)
{
	return k->ncpus >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << k->ncpus) - 1;
}

SYSCALL(sched_setaffinity)
{
	uint64_t size = MIN(args->a[1], (uint64_t)sizeof(uint64_t)), mask = 0;
	struct task *other;
	int r = 0;

	if (syscall_copy_in(t, &mask, args->a[2], size) < 0)
		return -EFAULT;
	other = peer_find(t, (int32_t)args->a[0]);
	if (!other)
		return -ESRCH;
	mask &= online_mask(t->kernel);
	if (!peer_may_schedule(t, other))
		r = -EPERM;
	else if (!mask)
		r = -EINVAL;
	else
		__atomic_store_n(&other->cpu_affinity, mask, __ATOMIC_RELAXED);
	task_put(other);
	return r;
}

SYSCALL(sched_getaffinity)
{
	uint64_t size = (uint32_t)args->a[1], mask;
	struct task *other;

	if (size * 8 < t->kernel->ncpus || (size & (sizeof(uint64_t) - 1)))
		return -EINVAL;
	other = peer_find(t, (int32_t)args->a[0]);
	if (!other)
		return -ESRCH;
	mask = __atomic_load_n(&other->cpu_affinity, __ATOMIC_RELAXED);
	task_put(other);
	if (syscall_copy_out(t, args->a[2], &mask, sizeof(mask)) < 0)
		return -EFAULT;
	return sizeof(mask);
}

/* ---- policies ---- */

static bool is_realtime(int policy)
{
	return policy == ABI_SCHED_FIFO || policy == ABI_SCHED_RR;
}

static bool policy_is_known(int policy)
{
	return policy == ABI_SCHED_NORMAL || policy == ABI_SCHED_BATCH ||
	       policy == ABI_SCHED_IDLE || is_realtime(policy);
}

SYSCALL(sched_get_priority_max)
{
	int policy = (int)args->a[0];

	if (policy == ABI_SCHED_DEADLINE || policy == ABI_SCHED_EXT)
		return 0;
	if (!policy_is_known(policy))
		return -EINVAL;
	return is_realtime(policy) ? RT_PRIORITY_MAX : 0;
}

SYSCALL(sched_get_priority_min)
{
	int policy = (int)args->a[0];

	if (policy == ABI_SCHED_DEADLINE || policy == ABI_SCHED_EXT)
		return 0;
	if (!policy_is_known(policy))
		return -EINVAL;
	return is_realtime(policy) ? 1 : 0;
}

/* For each doubling of the processors up to 8 once more. */
static uint64_t fair_slice_ns(const struct kernel *k)
{
	unsigned n = MIN(k->ncpus, 8u), doublings = 0;

	while (n >>= 1)
		doublings++;
	return (uint64_t)FAIR_SLICE_NS * (1 + doublings);
}

/* A scheduling to be set; policy -1: keep it, and reset_on_fork too. */
struct sched_request {
	int policy, priority;
	bool has_nice;
	int nice;
	bool reset_on_fork;
	bool keep_params; /* of all only reset_on_fork is set */
};

static bool is_fair(int policy)
{
	return policy == ABI_SCHED_NORMAL || policy == ABI_SCHED_BATCH;
}

bool sched_may_be_nice(struct task *t, int nice)
{
	/* RLIMIT_NICE: 20 - nice */
	return (uint64_t)(20 - nice) <= task_limit(t, RLIMIT_NICE_NR) ||
	       cred_has_cap(t->cred, CAP_SYS_NICE);
}

static int may_set(struct task *t, struct task *other, const struct sched_request *rq)
{
	uint64_t rt_limit = task_limit(other, RLIMIT_RTPRIO_NR);

	if (cred_has_cap(t->cred, CAP_SYS_NICE))
		return 0;
	if (is_realtime(rq->policy)) {
		if (rq->policy != other->policy && !rt_limit)
			return -EPERM;
		if (rq->priority > other->rt_priority && (uint64_t)rq->priority > rt_limit)
			return -EPERM;
	}
	if (other->policy == ABI_SCHED_IDLE && rq->policy != ABI_SCHED_IDLE &&
	    !sched_may_be_nice(t, other->nice))
		return -EPERM;
	if (rq->has_nice && rq->nice < other->nice && !sched_may_be_nice(t, rq->nice))
		return -EPERM;
	if (other->reset_on_fork && !rq->reset_on_fork)
		return -EPERM;
	return peer_may_schedule(t, other) ? 0 : -EPERM;
}

static int sched_set(struct task *t, struct task *other, struct sched_request rq)
{
	int r;

	if (rq.policy < 0) {
		rq.policy = other->policy;
		rq.reset_on_fork = other->reset_on_fork;
	}
	if (!policy_is_known(rq.policy))
		return -EINVAL;
	if (rq.keep_params)
		rq.priority = other->rt_priority;
	rq.has_nice = rq.has_nice && !rq.keep_params && is_fair(rq.policy);
	if (rq.priority < 0 || rq.priority > RT_PRIORITY_MAX ||
	    is_realtime(rq.policy) != (rq.priority != 0))
		return -EINVAL;
	r = may_set(t, other, &rq);
	if (r < 0)
		return r;
	__atomic_store_n(&other->reset_on_fork, rq.reset_on_fork, __ATOMIC_RELAXED);
	if (rq.keep_params)
		return 0;
	__atomic_store_n(&other->policy, rq.policy, __ATOMIC_RELAXED);
	__atomic_store_n(&other->rt_priority, rq.priority, __ATOMIC_RELAXED);
	if (rq.has_nice)
		__atomic_store_n(&other->nice, rq.nice, __ATOMIC_RELAXED);
	return 0;
}

static long sched_set_pid(struct task *t, int32_t pid, struct sched_request rq)
{
	struct task *other = peer_find(t, pid);
	int r;

	if (!other)
		return -ESRCH;
	r = sched_set(t, other, rq);
	task_put(other);
	return r;
}

/* pid and a struct sched_param: the start of sched_setparam, setscheduler. */
static long set_param(struct task *t, int32_t pid, int policy, gva_t user)
{
	struct sched_request rq = {
		.policy = policy < 0 ? policy : policy & ~ABI_SCHED_RESET_ON_FORK,
		.reset_on_fork = policy >= 0 && (policy & ABI_SCHED_RESET_ON_FORK),
	};
	struct abi_sched_param sp;

	if (!user || pid < 0)
		return -EINVAL;
	if (syscall_copy_in(t, &sp, user, sizeof(sp)) < 0)
		return -EFAULT;
	rq.priority = sp.priority;
	return sched_set_pid(t, pid, rq);
}

SYSCALL(sched_setparam)
{
	return set_param(t, (int32_t)args->a[0], -1, args->a[1]);
}

SYSCALL(sched_setscheduler)
{
	int policy = (int)args->a[1];

	if (policy < 0)
		return -EINVAL;
	return set_param(t, (int32_t)args->a[0], policy, args->a[2]);
}

SYSCALL(sched_getparam)
{
	int32_t pid = (int32_t)args->a[0];
	struct abi_sched_param sp;
	struct task *other;

	if (!args->a[1] || pid < 0)
		return -EINVAL;
	other = peer_find(t, pid);
	if (!other)
		return -ESRCH;
	sp.priority = __atomic_load_n(&other->rt_priority, __ATOMIC_RELAXED);
	task_put(other);
	return syscall_copy_out(t, args->a[1], &sp, sizeof(sp));
}

SYSCALL(sched_getscheduler)
{
	int32_t pid = (int32_t)args->a[0];
	struct task *other;
	int policy;

	if (pid < 0)
		return -EINVAL;
	other = peer_find(t, pid);
	if (!other)
		return -ESRCH;
	policy = __atomic_load_n(&other->policy, __ATOMIC_RELAXED);
	if (__atomic_load_n(&other->reset_on_fork, __ATOMIC_RELAXED))
		policy |= ABI_SCHED_RESET_ON_FORK;
	task_put(other);
	return policy;
}

SYSCALL(sched_rr_get_interval)
{
	int32_t pid = (int32_t)args->a[0];
	struct abi_timespec ts;
	struct task *other;
	int policy;

	if (pid < 0)
		return -EINVAL;
	other = peer_find(t, pid);
	if (!other)
		return -ESRCH;
	policy = __atomic_load_n(&other->policy, __ATOMIC_RELAXED);
	task_put(other);
	if (policy == ABI_SCHED_RR)
		ts = timespec_of_ns(RR_INTERVAL_NS);
	else
		ts = timespec_of_ns(policy == ABI_SCHED_FIFO ? 0 : RR_INTERVAL_FAIR_NS);
	return syscall_copy_out(t, args->a[1], &ts, sizeof(ts));
}

/* ---- sched_setattr, sched_getattr ---- */

#define ATTR_RESET_ON_FORK 0x01u
#define ATTR_KEEP_POLICY 0x08u
#define ATTR_KEEP_PARAMS 0x10u
#define ATTR_UTIL_CLAMP 0x60u
#define ATTR_FLAGS 0x7fu

/* The structure begins with its own size; 0: the first version's. */
static int get_attr(struct task *t, gva_t user, struct abi_sched_attr *attr)
{
	uint32_t size, ours = sizeof(*attr);
	int r;

	if (syscall_copy_in(t, &size, user, sizeof(size)) < 0)
		return -EFAULT;
	if (!size)
		size = ABI_SCHED_ATTR_SIZE_VER0;
	r = size < ABI_SCHED_ATTR_SIZE_VER0
		    ? -E2BIG
		    : syscall_copy_struct(t, attr, sizeof(*attr), user, size);
	if (r == -E2BIG && syscall_copy_out(t, user, &ours, sizeof(ours)) < 0)
		return -EFAULT;
	if (r == 0 && (attr->flags & ATTR_UTIL_CLAMP) && size < sizeof(*attr))
		return -EINVAL;
	return r;
}

SYSCALL(sched_setattr)
{
	struct sched_request rq = { 0 };
	struct abi_sched_attr attr;
	int r;

	if (!args->a[1] || (int32_t)args->a[0] < 0 || (uint32_t)args->a[2])
		return -EINVAL;
	r = get_attr(t, args->a[1], &attr);
	if (r < 0)
		return r;
	if ((int32_t)attr.policy < 0 || (attr.flags & ~(uint64_t)ATTR_FLAGS))
		return -EINVAL;
	rq.policy = attr.flags & ATTR_KEEP_POLICY ? -1 : (int)attr.policy;
	rq.priority = (int)attr.priority;
	rq.has_nice = true;
	rq.nice = MAX(ABI_NICE_MIN, MIN(attr.nice, ABI_NICE_MAX));
	rq.reset_on_fork = attr.flags & ATTR_RESET_ON_FORK;
	rq.keep_params = attr.flags & ATTR_KEEP_PARAMS;
	/* As a kernel without utilization clamps. */
	if ((attr.flags & ATTR_UTIL_CLAMP) && policy_is_known((int)attr.policy))
		return -EOPNOTSUPP;
	return sched_set_pid(t, (int32_t)args->a[0], rq);
}

/* What the caller's structure has more than ours is 0. */
static int put_attr(struct task *t, gva_t user, const struct abi_sched_attr *attr, uint64_t size)
{
	static const uint8_t zeros[PAGE_SIZE];
	uint64_t ours = MIN(size, (uint64_t)sizeof(*attr));

	if (syscall_copy_out(t, user, attr, ours) < 0)
		return -EFAULT;
	return syscall_copy_out(t, user + ours, zeros, size - ours);
}

SYSCALL(sched_getattr)
{
	int32_t pid = (int32_t)args->a[0];
	uint64_t size = (uint32_t)args->a[2];
	struct abi_sched_attr attr;
	struct task *other;

	if (!args->a[1] || pid < 0 || size < ABI_SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE ||
	    (uint32_t)args->a[3])
		return -EINVAL;
	other = peer_find(t, pid);
	if (!other)
		return -ESRCH;
	attr = (struct abi_sched_attr){
		.size = (uint32_t)MIN(size, (uint64_t)sizeof(attr)),
		.policy = (uint32_t)__atomic_load_n(&other->policy, __ATOMIC_RELAXED),
		.nice = __atomic_load_n(&other->nice, __ATOMIC_RELAXED),
		.priority = (uint32_t)__atomic_load_n(&other->rt_priority, __ATOMIC_RELAXED),
	};
	if (__atomic_load_n(&other->reset_on_fork, __ATOMIC_RELAXED))
		attr.flags = ATTR_RESET_ON_FORK;
	if (is_realtime((int)attr.policy))
		attr.nice = 0;
	else
		attr.runtime = fair_slice_ns(t->kernel);
	task_put(other);
	return put_attr(t, args->a[1], &attr, size);
}
