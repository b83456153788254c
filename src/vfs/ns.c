/* Namespaces: counts, numbers and names. */
#include "vfs/ns.h"

#include <errno.h>
#include <sched.h>

#include "vfs/userns.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

/* Below are the first ones. */
#define FIRST_DYNAMIC 4026532000u

static const struct {
	const char *name;
	unsigned flag;
} kinds[NS_KINDS] = {
	[NS_CGROUP] = { "cgroup", CLONE_NEWCGROUP }, [NS_IPC] = { "ipc", CLONE_NEWIPC },
	[NS_MNT] = { "mnt", CLONE_NEWNS },           [NS_NET] = { "net", CLONE_NEWNET },
	[NS_PID] = { "pid", CLONE_NEWPID },          [NS_TIME] = { "time", CLONE_NEWTIME },
	[NS_USER] = { "user", CLONE_NEWUSER },       [NS_UTS] = { "uts", CLONE_NEWUTS },
};

static atomic_uint counts[NS_KINDS];

const char *ns_kind_name(enum ns_kind kind)
{
	return kinds[kind].name;
}

unsigned ns_kind_flag(enum ns_kind kind)
{
	return kinds[kind].flag;
}

int ns_init(struct ns *ns, const struct ns_ops *ops, struct user_ns *owner)
{
	static atomic_ulong next_ino = FIRST_DYNAMIC;

	if (atomic_fetch_add(&counts[ops->kind], 1) >= NS_COUNT_MAX) {
		atomic_fetch_sub(&counts[ops->kind], 1);
		return -ENOSPC;
	}
	ns->ops = ops;
	refcount_init(&ns->refs, 1);
	ns->ino = atomic_fetch_add(&next_ino, 1);
	ns->owner = owner;
	user_ns_get(owner);
	return 0;
}

struct ns *ns_get(struct ns *ns)
{
	refcount_get(&ns->refs);
	return ns;
}

void ns_put(struct ns *ns)
{
	/* Along the owners, which can be deep: no recursion. */
	while (ns && refcount_put(&ns->refs)) {
		struct user_ns *owner = ns->owner;

		ASSERT(ns->ops->destroy);
		atomic_fetch_sub(&counts[ns->ops->kind], 1);
		ns->ops->destroy(ns);
		ns = owner ? &owner->ns : NULL;
	}
}
