/* futex and its younger relatives, robust lists. */
#include "abi/futex.h"

#include "abi/errno.h"
#include "abi/time.h"
#include "syscall/families.h"
#include "syscall/peer.h"
#include "syscall/syscall.h"
#include "syscall/timeconv.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

/* ---- futex ---- */

static bool has_timeout(int op)
{
	switch (op) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return true;
	default:
		return false;
	}
}

static bool may_use_realtime(int op)
{
	return op == FUTEX_WAIT_BITSET || op == FUTEX_WAIT_REQUEUE_PI || op == FUTEX_LOCK_PI2;
}

/* FUTEX_WAIT has a relative time; the others a point in time of a clock, which
 * for the oldest PI call is always CLOCK_REALTIME. */
static int futex_deadline(struct task *t, int op, bool realtime, gva_t user, uint64_t *deadline)
{
	uint64_t ns;
	int r;

	*deadline = PARK_FOREVER;
	if (!user || !has_timeout(op))
		return 0;
	r = syscall_timespec(t, user, &ns);
	if (r < 0)
		return r;
	if (op == FUTEX_WAIT)
		*deadline = syscall_deadline(t, ns);
	else if (realtime || op == FUTEX_LOCK_PI)
		*deadline = monotonic_of(t, CLOCK_REALTIME, ns);
	else
		*deadline = ns;
	return 0;
}

SYSCALL(futex)
{
	int flags = (int)args->a[1], op = flags & FUTEX_CMD_MASK;
	bool realtime = flags & FUTEX_CLOCK_REALTIME;
	struct futex_request req = {
		.op = op,
		.is_private = flags & FUTEX_PRIVATE_FLAG,
		.addr = args->a[0],
		.addr2 = args->a[4],
		.val = (uint32_t)args->a[2],
		.val2 = (uint32_t)args->a[3],
		.val3 = (uint32_t)args->a[5],
	};
	int r;

	r = futex_deadline(t, op, realtime, args->a[3], &req.deadline_ns);
	if (r == 0 && realtime && !may_use_realtime(op))
		r = -ENOSYS;
	return r < 0 ? r : futex_call(t, &req);
}

/* ---- futex_waitv, futex_wait, futex_wake, futex_requeue ---- */

/* Only words of 32 bits, as Linux. */
static bool flags2_are_valid(uint64_t flags)
{
	return !(flags & ~(uint64_t)(ABI_FUTEX2_SIZE_MASK | ABI_FUTEX2_PRIVATE)) &&
	       (flags & ABI_FUTEX2_SIZE_MASK) == ABI_FUTEX2_SIZE_U32;
}

/* A point in time of clock; user 0: for ever. */
static int deadline2(struct task *t, gva_t user, int clock, uint64_t *deadline)
{
	uint64_t ns;
	int r;

	*deadline = PARK_FOREVER;
	if (!user)
		return 0;
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
		return -EINVAL;
	r = syscall_timespec(t, user, &ns);
	if (r == 0)
		*deadline = monotonic_of(t, clock, ns);
	return r;
}

static int get_waiters(struct task *t, gva_t user, unsigned count, struct futex_waitv_entry *out)
{
	struct abi_futex_waitv in;

	for (unsigned i = 0; i < count; i++) {
		if (syscall_copy_in(t, &in, user + i * sizeof(in), sizeof(in)) < 0)
			return -EFAULT;
		if (!flags2_are_valid(in.flags) || in.reserved || in.val > UINT32_MAX)
			return -EINVAL;
		out[i] = (struct futex_waitv_entry){ .addr = in.uaddr,
						     .val = (uint32_t)in.val,
						     .is_private = in.flags & ABI_FUTEX2_PRIVATE };
	}
	return 0;
}

SYSCALL(futex_waitv)
{
	struct futex_waitv_entry v[FUTEX_WAITV_ENTRIES] UNINITIALIZED;
	unsigned count = (unsigned)args->a[1];
	uint64_t deadline;
	int r;

	if ((uint32_t)args->a[2] || count == 0 || count > FUTEX_WAITV_ENTRIES || !args->a[0])
		return -EINVAL;
	r = deadline2(t, args->a[3], (int)args->a[4], &deadline);
	if (r == 0)
		r = get_waiters(t, args->a[0], count, v);
	return r < 0 ? r : futex_waitv_call(t, v, count, deadline);
}

SYSCALL(futex_wake)
{
	struct futex_request req = {
		.op = FUTEX_WAKE_BITSET,
		.is_private = args->a[3] & ABI_FUTEX2_PRIVATE,
		.addr = args->a[0],
		.val = (uint32_t)args->a[2],
		.val3 = (uint32_t)args->a[1],
	};

	if (!flags2_are_valid((uint32_t)args->a[3]) || args->a[1] > UINT32_MAX)
		return -EINVAL;
	return req.val == 0 ? 0 : futex_call(t, &req);
}

SYSCALL(futex_wait)
{
	struct futex_request req = {
		.op = FUTEX_WAIT_BITSET,
		.is_private = args->a[3] & ABI_FUTEX2_PRIVATE,
		.addr = args->a[0],
		.val = (uint32_t)args->a[1],
		.val3 = (uint32_t)args->a[2],
	};
	int r;

	if (!flags2_are_valid((uint32_t)args->a[3]) || args->a[1] > UINT32_MAX ||
	    args->a[2] > UINT32_MAX)
		return -EINVAL;
	r = deadline2(t, args->a[4], (int)args->a[5], &req.deadline_ns);
	return r < 0 ? r : futex_call(t, &req);
}

SYSCALL(futex_requeue)
{
	struct futex_waitv_entry v[2];
	struct futex_request req = { .op = FUTEX_CMP_REQUEUE };
	int r;

	if ((uint32_t)args->a[1] || !args->a[0])
		return -EINVAL;
	r = get_waiters(t, args->a[0], 2, v);
	if (r < 0)
		return r;
	if (v[0].is_private != v[1].is_private)
		return -EINVAL;
	req.is_private = v[0].is_private;
	req.addr = v[0].addr;
	req.addr2 = v[1].addr;
	req.val = (uint32_t)args->a[2];
	req.val2 = (uint32_t)args->a[3];
	req.val3 = v[0].val;
	return futex_call(t, &req);
}

/* ---- robust lists ---- */

SYSCALL(set_robust_list)
{
	if (args->a[1] != sizeof(struct abi_robust_list_head))
		return -EINVAL;
	__atomic_store_n(&t->robust_list, args->a[0], __ATOMIC_RELAXED);
	return 0;
}

SYSCALL(get_robust_list)
{
	struct task *other = peer_find(t, (int32_t)args->a[0]);
	uint64_t head, size = sizeof(struct abi_robust_list_head);
	int r;

	if (!other)
		return -ESRCH;
	r = peer_may_access(t, other);
	head = __atomic_load_n(&other->robust_list, __ATOMIC_RELAXED);
	task_put(other);
	if (r < 0)
		return r;
	if (syscall_copy_out(t, args->a[2], &size, sizeof(size)) < 0)
		return -EFAULT;
	return syscall_copy_out(t, args->a[1], &head, sizeof(head));
}
