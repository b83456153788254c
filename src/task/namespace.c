/* Sets of namespaces: made, changed together, joined. See namespace.h. */
#include "task/namespace.h"

#include <sched.h>

#include "base/pool.h"
#include "task/internal.h"
#include "vfs/nsfs.h"
#include "vfs/userns.h"

static POOL_DEFINE(nsproxy_pool, struct nsproxy);

/* ---- the kinds ---- */

static POOL_DEFINE(cgroup_ns_pool, struct ns);

static void cgroup_ns_destroy(struct ns *ns)
{
	pool_free(&cgroup_ns_pool, ns);
}

static const struct ns_ops cgroup_ops = { .kind = NS_CGROUP, .destroy = cgroup_ns_destroy };
static const struct ns_ops net_ops = { .kind = NS_NET };
static const struct ns_ops time_ops = { .kind = NS_TIME };

static struct ns first_cgroup = NS_FIRST(&cgroup_ops, NS_INO_CGROUP);
static struct ns first_net = NS_FIRST(&net_ops, NS_INO_NET);
static struct ns first_time = NS_FIRST(&time_ops, NS_INO_TIME);

/* Everybody is in the one cgroup that there is: the root of every such namespace. */
static int cgroup_ns_copy(struct ns *old UNUSED, struct user_ns *owner, struct ns **out)
{
	struct ns *ns = pool_alloc(&cgroup_ns_pool);
	int r = ns ? ns_init(ns, &cgroup_ops, owner) : -ENOMEM;

	if (r < 0)
		pool_free(&cgroup_ns_pool, ns);
	else
		*out = ns;
	return r;
}

static const struct ns_kind_ops cgroup_kind = { .first = &first_cgroup, .copy = cgroup_ns_copy };
static const struct ns_kind_ops only_net = { .first = &first_net };
static const struct ns_kind_ops only_time = { .first = &first_time };

static const struct ns_kind_ops *kinds[NS_KINDS] = {
	/* [I] once tasks run */
	[NS_CGROUP] = &cgroup_kind, [NS_IPC] = &ipc_kind,   [NS_NET] = &only_net,
	[NS_PID] = &pid_ns_kind,    [NS_TIME] = &only_time, [NS_UTS] = &uts_kind,
};

void ns_register(enum ns_kind kind, const struct ns_kind_ops *ops)
{
	kinds[kind] = ops;
}

static bool wants(uint64_t flags, enum ns_kind kind)
{
	return flags & ns_kind_flag(kind);
}

/* ---- sets ---- */

struct nsproxy *nsproxy_get(struct nsproxy *p)
{
	refcount_get(&p->refs);
	return p;
}

void nsproxy_put(struct nsproxy *p)
{
	if (!p || !refcount_put(&p->refs))
		return;
	for (int i = 0; i < NS_KINDS; i++)
		ns_put(p->of[i]);
	pool_free(&nsproxy_pool, p);
}

static struct nsproxy *nsproxy_alloc(void)
{
	struct nsproxy *p = pool_alloc(&nsproxy_pool);

	if (p)
		refcount_init(&p->refs, 1);
	return p;
}

int nsproxy_create_first(struct kernel *k, struct nsproxy **out)
{
	struct nsproxy *p = nsproxy_alloc();

	*out = p;
	if (!p)
		return -ENOMEM;
	for (int i = 0; i < NS_KINDS; i++) {
		if (!kinds[i])
			continue;
		if (!kinds[i]->first->owner)
			kinds[i]->first->owner = user_ns_get(&user_ns_first);
		p->of[i] = ns_get(kinds[i]->first);
	}
	if (k->vfs)
		p->of[NS_MNT] = ns_get(mount_ns_base(vfs_first_ns(k->vfs)));
	return 0;
}

struct ns *task_ns(struct task *t, enum ns_kind kind)
{
	return t->nsproxy->of[kind];
}

struct mount_ns *task_mount_ns(struct task *t)
{
	return mount_ns_of(task_ns(t, NS_MNT));
}

struct ns *task_ns_get(struct task *t, enum ns_kind kind)
{
	struct ns *ns = NULL;

	mutex_lock(&t->cred_lock);
	if (t->nsproxy)
		ns = kind == NS_USER ? &t->cred->user_ns->ns : t->nsproxy->of[kind];
	if (ns)
		ns_get(ns);
	mutex_unlock(&t->cred_lock);
	return ns;
}

struct ns *task_active_ns_get(struct task *t, enum ns_kind kind)
{
	if (kind == NS_PID)
		return ns_get(&t->group->pid_ns->ns);
	return task_ns_get(t, kind);
}

struct nsproxy *task_nsproxy_get(struct task *t)
{
	struct nsproxy *p;

	mutex_lock(&t->cred_lock);
	p = t->nsproxy ? nsproxy_get(t->nsproxy) : NULL;
	mutex_unlock(&t->cred_lock);
	return p;
}

struct nsproxy *task_swap_nsproxy(struct task *t, struct nsproxy *p)
{
	struct nsproxy *old;

	mutex_lock(&t->cred_lock);
	old = t->nsproxy;
	t->nsproxy = p;
	mutex_unlock(&t->cred_lock);
	return old;
}

/* ---- unshare(2), clone(2) ---- */

/* Nobody else looks at fs yet. */
static int copy_mounts(struct nsproxy *old, struct user_ns *owner, struct fs_context *fs,
		       struct ns **out)
{
	struct path places[] = { fs->root, fs->cwd };
	struct mount_ns *ns;
	int r = mount_ns_copy(mount_ns_of(old->of[NS_MNT]), owner, places, ARRAY_SIZE(places), &ns);

	if (r < 0)
		return r;
	fs->root = places[0];
	fs->cwd = places[1];
	*out = mount_ns_base(ns);
	return 0;
}

static int copy_kind(struct nsproxy *old, enum ns_kind kind, struct user_ns *owner,
		     struct fs_context *fs, struct ns **out)
{
	if (kind == NS_MNT)
		return copy_mounts(old, owner, fs, out);
	if (!kinds[kind] || !kinds[kind]->copy)
		return -EINVAL;
	return kinds[kind]->copy(old->of[kind], owner, out);
}

/* Kinds that there is but one of are refused before any is made. */
static int check_kinds(uint64_t flags)
{
	for (enum ns_kind kind = 0; kind < NS_KINDS; kind++) {
		if (kind == NS_MNT || kind == NS_USER || !wants(flags, kind))
			continue;
		if (!kinds[kind] || !kinds[kind]->copy)
			return -EINVAL;
	}
	return 0;
}

int nsproxy_copy(struct nsproxy *old, uint64_t flags, const struct cred *cred,
		 struct fs_context *fs, struct nsproxy **out)
{
	struct nsproxy *p;
	int r = 0;

	*out = NULL;
	if (!(flags & NS_FLAGS_ALL & ~(uint64_t)CLONE_NEWUSER)) {
		*out = nsproxy_get(old);
		return 0;
	}
	if (!cred_has_cap_in(cred, cred->user_ns, CAP_SYS_ADMIN))
		return -EPERM;
	r = check_kinds(flags);
	if (r < 0)
		return r;
	p = nsproxy_alloc();
	if (!p)
		return -ENOMEM;
	for (enum ns_kind kind = 0; r == 0 && kind < NS_KINDS; kind++) {
		if (kind != NS_USER && wants(flags, kind))
			r = copy_kind(old, kind, cred->user_ns, fs, &p->of[kind]);
		else if (old->of[kind])
			p->of[kind] = ns_get(old->of[kind]);
	}
	if (r < 0)
		nsproxy_put(p);
	else
		*out = p;
	return r;
}

/* Not from a changed root: inside, its owner could leave that. */
static bool user_ns_may_unshare(struct task *t)
{
	struct path root;
	bool ok;

	vfs_root(task_mount_ns(t), &root);
	mutex_lock(&t->fs->lock);
	ok = path_equal(&t->fs->root, &root);
	mutex_unlock(&t->fs->lock);
	path_put(&root);
	return ok;
}

int namespace_child_cred(struct task *t, uint64_t flags, const struct cred **out)
{
	struct cred *c;
	int r;

	if (!(flags & CLONE_NEWUSER)) {
		*out = cred_get(t->cred);
		return 0;
	}
	if (!user_ns_may_unshare(t))
		return -EPERM;
	r = user_ns_create(t->cred, &c);
	*out = c;
	return r;
}

int ns_change_prepare(struct task *t, uint64_t flags, struct ns_change *c)
{
	const struct cred *cred = t->cred;
	int r = 0;

	*c = (struct ns_change){ NULL, NULL, NULL };
	if (flags & CLONE_NEWUSER) {
		r = user_ns_may_unshare(t) ? user_ns_create(t->cred, &c->cred) : -EPERM;
		cred = c->cred;
	}
	if (r == 0 && (flags & (CLONE_NEWNS | CLONE_FS))) {
		c->fs = fs_context_copy(t->fs);
		r = c->fs ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = nsproxy_copy(t->nsproxy, flags, cred, c->fs, &c->proxy);
	if (r < 0)
		ns_change_abort(c);
	return r;
}

void ns_change_commit(struct task *t, struct ns_change *c)
{
	if (c->cred)
		task_cred_set(t, c->cred);
	if (c->fs)
		fs_context_put(task_swap_fs(t, c->fs));
	if (c->proxy)
		nsproxy_put(task_swap_nsproxy(t, c->proxy));
}

void ns_change_abort(struct ns_change *c)
{
	nsproxy_put(c->proxy);
	fs_context_put(c->fs);
	cred_put(c->cred);
	*c = (struct ns_change){ NULL, NULL, NULL };
}

/* ---- setns(2) ---- */

static bool is_alone_in_fs(struct task *t)
{
	return refcount_read(&t->fs->refs) == 1;
}

static bool may_join(const struct cred *c, const struct ns *ns)
{
	return cred_has_cap_in(c, ns->owner, CAP_SYS_ADMIN) &&
	       cred_has_cap_in(c, c->user_ns, CAP_SYS_ADMIN);
}

static int join_mounts(struct task *t, const struct cred *cred, struct ns *ns)
{
	if (!may_join(cred, ns) || !cred_has_cap_in(cred, cred->user_ns, CAP_SYS_CHROOT))
		return -EPERM;
	return is_alone_in_fs(t) ? 0 : -EINVAL;
}

static int join_user(struct task *t, struct ns *ns, struct ns_change *c)
{
	struct user_ns *u = container_of(ns, struct user_ns, ns);

	if (u == t->cred->user_ns || READ_ONCE(t->group->ntasks) > 1 || !is_alone_in_fs(t))
		return -EINVAL;
	if (!cred_has_cap_in(t->cred, u, CAP_SYS_ADMIN))
		return -EPERM;
	c->cred = cred_copy(t->cred);
	if (!c->cred)
		return -ENOMEM;
	cred_enter_user_ns(c->cred, u);
	return 0;
}

static int join(struct task *t, struct ns *ns, struct ns_change *c)
{
	enum ns_kind kind = ns->ops->kind;
	const struct cred *cred = c->cred ? c->cred : t->cred;
	int r;

	if (kind == NS_USER)
		return join_user(t, ns, c);
	if (kind == NS_MNT)
		r = join_mounts(t, cred, ns);
	else
		r = may_join(cred, ns) ? 0 : -EPERM;
	if (r == 0 && kinds[kind] && kinds[kind]->may_join)
		r = kinds[kind]->may_join(t, ns);
	if (r < 0)
		return r;
	ns_put(c->proxy->of[kind]);
	c->proxy->of[kind] = ns_get(ns);
	return 0;
}

static int change_begin(struct task *t, struct ns_change *c)
{
	*c = (struct ns_change){ .proxy = nsproxy_alloc() };
	if (!c->proxy)
		return -ENOMEM;
	for (int i = 0; i < NS_KINDS; i++) {
		if (t->nsproxy->of[i])
			c->proxy->of[i] = ns_get(t->nsproxy->of[i]);
	}
	return 0;
}

/* Who joins other mounts starts at their root. */
static void change_end(struct task *t, struct ns_change *c)
{
	bool moves = c->proxy->of[NS_MNT] != t->nsproxy->of[NS_MNT];

	ns_change_commit(t, c);
	if (moves) {
		struct path root;

		vfs_root(task_mount_ns(t), &root);
		fs_context_set_root(t->fs, &root);
		fs_context_set_cwd(t->fs, &root);
		path_put(&root);
	}
}

int task_setns(struct task *t, struct ns *ns)
{
	struct ns_change c;
	int r = change_begin(t, &c);

	if (r == 0)
		r = join(t, ns, &c);
	if (r < 0)
		ns_change_abort(&c);
	else
		change_end(t, &c);
	return r;
}

/* In this order, as a user namespace gives what the others ask for. */
static const enum ns_kind join_order[] = { NS_USER, NS_MNT,    NS_UTS, NS_IPC,
					   NS_PID,  NS_CGROUP, NS_NET, NS_TIME };

static int join_those_of(struct task *t, struct task *of, uint64_t flags, struct ns_change *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(join_order); i++) {
		struct ns *ns;

		if (!wants(flags, join_order[i]))
			continue;
		ns = task_active_ns_get(of, join_order[i]);
		r = ns ? join(t, ns, c) : -ESRCH;
		ns_put(ns);
	}
	return r;
}

int task_setns_group(struct task *t, struct thread_group *g, uint64_t flags)
{
	struct task *of = group_any_task(g);
	struct ns_change c;
	int r = of ? change_begin(t, &c) : -ESRCH;

	if (r == 0) {
		r = join_those_of(t, of, flags, &c);
		if (r < 0)
			ns_change_abort(&c);
		else
			change_end(t, &c);
	}
	task_put(of);
	return r;
}
