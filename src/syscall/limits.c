/* Resource limits and usage. */
#include "abi/errno.h"
#include "abi/resource.h"
#include "syscall/families.h"
#include "syscall/peer.h"
#include "syscall/syscall.h"
#include "syscall/timeconv.h"

#define NR_OPEN_MAX 1048576u

/* ---- limits ---- */

/* May the caller read or change another process's limits? prlimit(2). */
static int may_prlimit(struct task *t, struct task *other)
{
	const struct cred *me = t->cred, *c;
	bool same;

	if (t->group == other->group)
		return 0;
	c = task_cred_get(other);
	same = me->uid == c->euid && me->uid == c->suid && me->uid == c->uid &&
	       me->gid == c->egid && me->gid == c->sgid && me->gid == c->gid;
	same |= cred_has_cap_in(me, c->user_ns, CAP_SYS_RESOURCE);
	cred_put(c);
	return same ? 0 : -EPERM;
}

static int check_new(struct task *t, int resource, const struct krlimit *val,
		     const struct krlimit *old)
{
	if (val->cur > val->max)
		return -EINVAL;
	if (resource == RLIMIT_NOFILE_NR && val->max > NR_OPEN_MAX)
		return -EPERM;
	if (val->max > old->max && !cred_has_cap(t->cred, CAP_SYS_RESOURCE))
		return -EPERM;
	return 0;
}

/* val, old: NULL when not wanted. */
static int change_limit(struct task *t, struct thread_group *g, unsigned resource,
			const struct krlimit *val, struct krlimit *old)
{
	struct krlimit now;
	int r;

	if (resource >= RLIMITS)
		return -EINVAL;
	group_get_limit(g, (int)resource, &now);
	if (old)
		*old = now;
	if (!val)
		return 0;
	r = check_new(t, (int)resource, val, &now);
	if (r == 0)
		group_set_limit(g, (int)resource, val);
	return r;
}

_Static_assert(sizeof(struct krlimit) == sizeof(struct abi_rlimit), "as the guest has it");

SYSCALL(prlimit64)
{
	struct krlimit val, old;
	struct task *other;
	int r;

	if (args->a[2] && syscall_copy_in(t, &val, args->a[2], sizeof(val)) < 0)
		return -EFAULT;
	other = peer_find(t, (int32_t)args->a[0]);
	if (!other)
		return -ESRCH;
	r = may_prlimit(t, other);
	if (r == 0)
		r = change_limit(t, other->group, (unsigned)args->a[1], args->a[2] ? &val : NULL,
				 &old);
	task_put(other);
	if (r == 0 && args->a[3])
		r = syscall_copy_out(t, args->a[3], &old, sizeof(old));
	return r;
}

SYSCALL(getrlimit)
{
	struct krlimit old;
	int r = change_limit(t, t->group, (unsigned)args->a[0], NULL, &old);

	return r < 0 ? r : syscall_copy_out(t, args->a[1], &old, sizeof(old));
}

SYSCALL(setrlimit)
{
	struct krlimit val;

	if (syscall_copy_in(t, &val, args->a[1], sizeof(val)) < 0)
		return -EFAULT;
	return change_limit(t, t->group, (unsigned)args->a[0], &val, NULL);
}

/* ---- usage ---- */

SYSCALL(getrusage)
{
	int who = (int)args->a[0];
	struct abi_rusage ru;
	struct kusage u;

	if (who != ABI_RUSAGE_SELF && who != ABI_RUSAGE_CHILDREN && who != ABI_RUSAGE_THREAD)
		return -EINVAL;
	task_usage(t, who, &u);
	ru = (struct abi_rusage){
		.utime = timeval_of_ns(u.utime_ns),
		.stime = timeval_of_ns(u.stime_ns),
		.maxrss = (int64_t)u.maxrss,
		.minflt = (int64_t)u.minflt,
		.majflt = (int64_t)u.majflt,
		.nvcsw = (int64_t)u.nvcsw,
		.nivcsw = (int64_t)u.nivcsw,
	};
	return syscall_copy_out(t, args->a[1], &ru, sizeof(ru));
}
