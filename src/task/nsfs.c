/* What ioctl(2) asks of a namespace's file (ioctl_nsfs(2)). */
#include <fcntl.h>

#include "task/internal.h"
#include "vfs/nsfs.h"
#include "vfs/userns.h"

/* <linux/nsfs.h> */
#define NS_GET_USERNS 0xb701u
#define NS_GET_PARENT 0xb702u
#define NS_GET_NSTYPE 0xb703u
#define NS_GET_OWNER_UID 0xb704u

/* Is u the user namespace of c, or below it? What is above is not in sight. */
static bool is_in_sight(const struct cred *c, const struct user_ns *u)
{
	return user_ns_is_in(u, c->user_ns);
}

static long open_ns(struct task *t, struct ns *ns)
{
	struct file *f;
	int r = nsfs_open(ns, t->cred, &f);

	if (r < 0)
		return r;
	r = fd_install(t, f, 0, true);
	if (r < 0)
		file_put(f);
	return r;
}

static long get_parent(struct task *t, struct ns *ns)
{
	struct ns *parent;

	if (!ns->ops->parent)
		return -EINVAL;
	parent = ns->ops->parent(ns);
	if (!parent)
		return -EPERM;
	if (ns->ops->kind == NS_USER && !is_in_sight(t->cred, ns->owner))
		return -EPERM;
	if (ns->ops->kind == NS_PID && !pid_ns_is_in(pid_ns_of(parent), t->group->pid_ns))
		return -EPERM;
	return open_ns(t, parent);
}

static long get_owner_uid(struct task *t, const struct ns *ns, gva_t user)
{
	const struct user_ns *u = container_of((struct ns *)(uintptr_t)ns, struct user_ns, ns);
	uint32_t uid;

	if (ns->ops->kind != NS_USER)
		return -EINVAL;
	uid = cred_uid_out(t->cred, u->owner_uid);
	return mm_copy_out(t->mm, user, &uid, sizeof(uid));
}

long namespace_ioctl(struct ns *ns, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct task *t = ctx->task;

	switch (cmd) {
	case NS_GET_USERNS:
		if (!ns->owner || !is_in_sight(t->cred, ns->owner))
			return -EPERM;
		return open_ns(t, &ns->owner->ns);
	case NS_GET_PARENT:
		return get_parent(t, ns);
	case NS_GET_NSTYPE:
		return ns_kind_flag(ns->ops->kind);
	case NS_GET_OWNER_UID:
		return get_owner_uid(t, ns, arg);
	}
	return -ENOTTY;
}
