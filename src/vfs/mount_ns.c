/* Mount namespaces: made, copied, listed, and gone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/pool.h"
#include "vfs/internal.h"
#include "vfs/nsfs.h"
#include "vfs/userns.h"

static POOL_DEFINE(mount_ns_pool, struct mount_ns);

/* ---- one namespace ---- */

static void take_all_locked(struct mount_ns *ns, struct list *gone)
{
	if (ns->root)
		mount_tree_detach_locked(ns->root, gone);
	ns->root = NULL;
	list_del(&ns->link);
}

static void mount_ns_destroy(struct ns *base)
{
	struct mount_ns *ns = mount_ns_of(base);
	struct list gone = LIST_INIT(gone);

	rwlock_write(&ns->vfs->mount_lock);
	take_all_locked(ns, &gone);
	rwlock_write_unlock(&ns->vfs->mount_lock);
	mount_put_gone(&gone);
	pool_free(&mount_ns_pool, ns);
}

static const struct ns_ops mount_ns_ops = { .kind = NS_MNT, .destroy = mount_ns_destroy };

static int mount_ns_alloc(struct vfs *v, struct user_ns *owner, struct mount_ns **out)
{
	struct mount_ns *ns = pool_alloc(&mount_ns_pool);
	int r = ns ? ns_init(&ns->ns, &mount_ns_ops, owner) : -ENOMEM;

	*out = NULL;
	if (r < 0) {
		pool_free(&mount_ns_pool, ns);
		return r;
	}
	ns->vfs = v;
	list_init(&ns->mounts);
	list_init(&ns->link);
	*out = ns;
	return 0;
}

struct ns *mount_ns_base(struct mount_ns *ns)
{
	return &ns->ns;
}

struct mount_ns *mount_ns_of(struct ns *ns)
{
	return container_of(ns, struct mount_ns, ns);
}

/* ---- copies ---- */

/* Changes what lies in the copied tree; the old references are left in `old`. */
static void move_places_locked(const struct mount_ns *from, struct path *places, unsigned n,
			       struct path *old)
{
	for (unsigned i = 0; i < n; i++) {
		struct mount *m = places[i].mount;

		old[i] = (struct path){ NULL, NULL };
		if (!m || m->ns != from || !m->copied_to)
			continue;
		old[i] = places[i];
		places[i].mount = mount_get(m->copied_to);
		dentry_get(places[i].dentry);
	}
}

static int copy_tree_locked(struct mount_ns *from, struct mount_ns *to)
{
	bool is_less = from->ns.owner != to->ns.owner;
	struct path top = { .mount = from->root, .dentry = from->root ? from->root->root : NULL };
	int r;

	if (!top.mount)
		return -EINVAL;
	list_for_each(m, &from->mounts, struct mount, link)
		m->copied_to = NULL;
	r = mount_tree_copy_locked(&top, TREE_UNBINDABLE | (is_less ? TREE_SLAVE : 0), &to->root);
	if (r < 0)
		return r;
	if (is_less)
		mount_tree_lock_locked(to->root);
	mount_tree_enter_locked(to->root, to);
	list_push_back(&from->vfs->namespaces, &to->link);
	return 0;
}

#define PLACES_MAX 4

int mount_ns_copy(struct mount_ns *from, struct user_ns *owner, struct path *places,
		  unsigned nplaces, struct mount_ns **out)
{
	struct path old[PLACES_MAX];
	struct mount_ns *ns;
	int r = mount_ns_alloc(from->vfs, owner, &ns);

	*out = NULL;
	ASSERT(nplaces <= PLACES_MAX);
	if (r < 0)
		return r;
	rwlock_write(&from->vfs->mount_lock);
	r = copy_tree_locked(from, ns);
	if (r == 0)
		move_places_locked(from, places, nplaces, old);
	rwlock_write_unlock(&from->vfs->mount_lock);
	if (r < 0) {
		ns_put(&ns->ns);
		return r;
	}
	for (unsigned i = 0; i < nplaces; i++) {
		if (old[i].mount)
			path_put(&old[i]);
	}
	*out = ns;
	return 0;
}

/* ---- the whole ---- */

int vfs_create(struct vfs **out)
{
	struct vfs *v = FAULT_POINT("vfs.create") ? NULL : calloc(1, sizeof(*v));
	int r = v ? mount_ns_alloc(v, &user_ns_first, &v->first) : -ENOMEM;

	*out = NULL;
	if (r < 0) {
		free(v);
		return r;
	}
	v->first->ns.ino = NS_INO_MNT;
	rwlock_init(&v->mount_lock, LOCK_VFS_MOUNT);
	list_init(&v->namespaces);
	list_push_back(&v->namespaces, &v->first->link);
	*out = v;
	return 0;
}

void vfs_destroy(struct vfs *v)
{
	struct list gone = LIST_INIT(gone);

	if (!v)
		return;
	rwlock_write(&v->mount_lock);
	while (!list_empty(&v->namespaces))
		take_all_locked(list_first(&v->namespaces, struct mount_ns, link), &gone);
	rwlock_write_unlock(&v->mount_lock);
	mount_put_gone(&gone);
	ns_put(&v->first->ns);
	free(v);
}

struct mount_ns *vfs_first_ns(struct vfs *v)
{
	return v->first;
}

void vfs_root(struct mount_ns *ns, struct path *out)
{
	rwlock_read(&ns->vfs->mount_lock);
	out->mount = mount_get(ns->root);
	out->dentry = dentry_get(ns->root->root);
	rwlock_read_unlock(&ns->vfs->mount_lock);
	mount_cross_down(out);
}

/* ---- what may be revealed ---- */

/* All of m is seen, but for what lies on empty directories. */
static bool is_fully_seen(struct mount *m)
{
	list_for_each(c, &m->children, struct mount, sibling) {
		if (c->is_locked)
			return false;
	}
	return true;
}

static bool is_as_seen(struct mount *m, unsigned flags)
{
	if ((m->locked_flags & mount_flags(m) & MS_RDONLY) && !(flags & MS_RDONLY))
		return false;
	return !(m->locked_flags & MOUNT_FLAGS_ATIME) ||
	       !((mount_flags(m) ^ flags) & MOUNT_FLAGS_ATIME);
}

bool vfs_may_reveal(struct mount_ns *ns, const struct super *sb, unsigned flags)
{
	bool found = false;

	if (ns->ns.owner == &user_ns_first || !(sb->flags & SUPER_REVEALS))
		return true;
	rwlock_read(&ns->vfs->mount_lock);
	list_for_each(m, &ns->mounts, struct mount, link) {
		found |= strcmp(m->sb->type, sb->type) == 0 && dentry_is_root(m->root) &&
			 is_as_seen(m, flags) && is_fully_seen(m);
	}
	rwlock_read_unlock(&ns->vfs->mount_lock);
	return found;
}

/* ---- the list of mounts ---- */

/* The mount after id in the list's order, with a reference. */
static struct mount *next_mount(struct mount_ns *ns, const struct mount *after)
{
	struct mount *next = NULL;
	bool take = after == NULL;

	rwlock_read(&ns->vfs->mount_lock);
	list_for_each(m, &ns->mounts, struct mount, link) {
		if (take) {
			next = mount_get(m);
			break;
		}
		take = m == after;
	}
	rwlock_read_unlock(&ns->vfs->mount_lock);
	return next;
}

static void fill_relations(struct mount *m, const struct path *root, struct mount_info *mi)
{
	rwlock_read(&m->vfs->mount_lock);
	mi->parent_id = m->parent ? m->parent->id : m->id;
	mi->group = m->group;
	mi->master = m->master ? m->master->group : 0;
	mi->from = mi->master ? propagate_dominating_locked(m, root->mount) : 0;
	mi->is_unbindable = m->is_unbindable;
	rwlock_read_unlock(&m->vfs->mount_lock);
}

/* False: not to be shown (outside of root, or detached by now). */
static bool fill_info(struct mount *m, const struct path *root, struct mount_info *mi)
{
	struct path top = { .mount = m, .dentry = m->root };
	char *at;
	size_t len;

	mi->id = m->id;
	mi->sb = m->sb;
	mi->flags = mount_flags(m);
	fill_relations(m, root, mi);
	if (path_build(&top, root, mi->point, mi->point + sizeof(mi->point) - 1, &at) != 1)
		return false;
	len = (size_t)(mi->point + sizeof(mi->point) - 1 - at);
	memmove(mi->point, at, len);
	mi->point[len] = '\0';
	return true;
}

/* Where in its super the mount begins. */
static void fill_root(struct mount *m, struct mount_info *mi)
{
	const struct ns *ns = nsfs_ns(dentry_inode(m->root));
	char *at = mi->root + sizeof(mi->root) - 1;
	struct dentry *d;

	if (ns) {
		snprintf(mi->root, sizeof(mi->root), "%s:[%llu]", ns_kind_name(ns->ops->kind),
			 (unsigned long long)ns->ino);
		return;
	}
	d = dentry_get(m->root);
	*at = '\0';
	while (!dentry_is_root(d)) {
		struct dentry *parent = dentry_prepend_name(d, mi->root + 1, &at);

		if (!parent)
			break;
		*--at = '/';
		dentry_put(d);
		d = parent;
	}
	dentry_put(d);
	if (*at == '\0')
		*--at = '/';
	memmove(mi->root, at, strlen(at) + 1);
}

int vfs_for_each_mount(struct mount_ns *ns, const struct path *root,
		       int (*fn)(const struct mount_info *mi, void *arg), void *arg)
{
	struct mount_info *mi = FAULT_POINT("vfs.mount_info") ? NULL : malloc(sizeof(*mi));
	struct mount *m = NULL;
	int r = 0;

	if (!mi)
		return -ENOMEM;
	for (;;) {
		struct mount *next = next_mount(ns, m);

		mount_put(m);
		m = next;
		if (!m)
			break;
		fill_root(m, mi);
		if (fill_info(m, root, mi))
			r = fn(mi, arg);
		if (r != 0) {
			mount_put(m);
			break;
		}
	}
	free(mi);
	return r;
}
