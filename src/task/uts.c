/* UTS namespaces: the names of the machine. */
#include <errno.h>
#include <string.h>

#include "base/pool.h"
#include "task/internal.h"

static POOL_DEFINE(uts_ns_pool, struct uts_ns);

static struct uts_ns *of(struct ns *ns)
{
	return container_of(ns, struct uts_ns, ns);
}

static void uts_destroy(struct ns *ns)
{
	pool_free(&uts_ns_pool, of(ns));
}

static const struct ns_ops uts_ops = { .kind = NS_UTS, .destroy = uts_destroy };

struct uts_ns uts_ns_first = {
	.ns = NS_FIRST(&uts_ops, NS_INO_UTS),
	.lock = MUTEX_INIT(LOCK_USER),
	.domainname = "(none)",
};

struct uts_ns *task_uts(struct task *t)
{
	return of(task_ns(t, NS_UTS));
}

static int uts_copy(struct ns *old, struct user_ns *owner, struct ns **out)
{
	struct uts_ns *from = of(old), *u = pool_alloc(&uts_ns_pool);
	int r = u ? ns_init(&u->ns, &uts_ops, owner) : -ENOMEM;

	if (r < 0) {
		pool_free(&uts_ns_pool, u);
		return r;
	}
	mutex_init(&u->lock, LOCK_USER);
	mutex_lock(&from->lock);
	memcpy(u->hostname, from->hostname, sizeof(u->hostname));
	memcpy(u->domainname, from->domainname, sizeof(u->domainname));
	mutex_unlock(&from->lock);
	*out = &u->ns;
	return 0;
}

const struct ns_kind_ops uts_kind = { .first = &uts_ns_first.ns, .copy = uts_copy };
