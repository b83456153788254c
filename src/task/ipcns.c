/*
 * IPC namespaces: System V objects and POSIX message queues. What they are ipc/ and
 * fs/mqueue/ know, each of which has a part of every namespace.
 */
#include "base/pool.h"
#include "task/internal.h"

struct ipc_ns {
	struct ns ns;
	void *part[IPC_PARTS]; /* [I] */
};

static POOL_DEFINE(ipc_ns_pool, struct ipc_ns);
static const struct ipc_part_ops *parts[IPC_PARTS]; /* [I] once tasks run */

static struct ipc_ns *of(struct ns *ns)
{
	return container_of(ns, struct ipc_ns, ns);
}

static void destroy_parts(struct ipc_ns *i)
{
	for (int p = 0; p < IPC_PARTS; p++) {
		if (i->part[p])
			parts[p]->destroy(i->part[p]);
	}
}

static void ipc_destroy(struct ns *ns)
{
	destroy_parts(of(ns));
	pool_free(&ipc_ns_pool, of(ns));
}

static const struct ns_ops ipc_ns_ops = { .kind = NS_IPC, .destroy = ipc_destroy };

static struct ipc_ns first = { .ns = NS_FIRST(&ipc_ns_ops, NS_INO_IPC) };

/* Nothing of the old one is in it. */
static int ipc_copy(struct ns *old UNUSED, struct user_ns *owner, struct ns **out)
{
	struct ipc_ns *i = pool_alloc(&ipc_ns_pool);
	int r = i ? 0 : -ENOMEM;

	for (int p = 0; r == 0 && p < IPC_PARTS; p++) {
		if (parts[p])
			r = parts[p]->create(&i->part[p]);
	}
	if (r == 0)
		r = ns_init(&i->ns, &ipc_ns_ops, owner);
	if (r < 0) {
		if (i)
			destroy_parts(i);
		pool_free(&ipc_ns_pool, i);
		return r;
	}
	*out = &i->ns;
	return 0;
}

const struct ns_kind_ops ipc_kind = { .first = &first.ns, .copy = ipc_copy };

int ipc_ns_register(enum ipc_part part, const struct ipc_part_ops *ops)
{
	parts[part] = ops;
	return ops->create(&first.part[part]);
}

void *task_ipc_part(struct task *t, enum ipc_part part)
{
	return (t ? of(task_ns(t, NS_IPC)) : &first)->part[part];
}
