/*
 * Trees of mounts: copied, attached, moved, swapped and detached as a whole, here and,
 * where peers hear of it, in other places and namespaces (propagate.c).
 *
 * A copy is made loose: its mounts hang together but have no namespace, and nobody has a
 * path to them. What may fail fails while all copies are loose; then they are laid
 * on their places, and nothing fails any more.
 *
 * Lock: vfs.mount_lock for writing in all that ends in _locked. A caller that asks what
 * lies below what holds the super's rename_lock too.
 */
#include <errno.h>
#include <sys/mount.h>

#include "vfs/internal.h"
#include "vfs/nsfs.h"

/* ---- walking ---- */

struct mount *mount_next_locked(struct mount *m, const struct mount *top, bool skip)
{
	if (!skip && !list_empty(&m->children))
		return list_first(&m->children, struct mount, sibling);
	for (; m != top; m = m->parent) {
		if (m->sibling.next != &m->parent->children)
			return container_of(m->sibling.next, struct mount, sibling);
	}
	return NULL;
}

unsigned mount_tree_size_locked(struct mount *top)
{
	unsigned n = 0;

	for (struct mount *m = top; m; m = mount_next_locked(m, top, false))
		n++;
	return n;
}

/* ---- copies ---- */

static struct mount *copy_one(struct mount *m, struct dentry *root, unsigned flags)
{
	struct mount *copy = mount_alloc(m->vfs, m->sb, dentry_get(root), mount_flags(m));

	if (!copy) {
		dentry_put(root);
		return NULL;
	}
	super_get(copy->sb);
	m->copied_to = copy;
	copy->is_unbindable = m->is_unbindable && (flags & TREE_UNBINDABLE);
	copy->is_locked = m->is_locked;
	copy->locked_flags = m->locked_flags;
	/* What no tree shows has no peers. */
	if (m->ns || m->group || m->master)
		propagate_copied_locked(copy, m, flags & TREE_SLAVE);
	return copy;
}

/* Mounts that a copy leaves out, with all that is on them. */
static bool is_left_out(const struct mount *m, const struct dentry *root, unsigned flags)
{
	const struct ns *ns = nsfs_ns(dentry_inode(root));

	if (m->is_unbindable && !(flags & TREE_UNBINDABLE))
		return true;
	return ns && ns->ops->kind == NS_MNT && !(flags & TREE_NS_FILES);
}

static void drop_loose_locked(struct mount *top, struct list *gone)
{
	if (top)
		mount_tree_detach_locked(top, gone);
}

/* Copies what is mounted in from->mount at or below from->dentry onto `copy`, which
 * shows that dentry. */
static int copy_below_locked(const struct path *from, unsigned flags, struct mount *copy)
{
	struct mount *top = from->mount, *last = top, *to = copy; /* to: the copy of last */
	bool is_part = from->dentry != top->root, skip = false;

	for (struct mount *m = top; (m = mount_next_locked(m, top, skip));) {
		struct mount *c;

		skip = is_left_out(m, m->root, flags) ||
		       (is_part && m->parent == top &&
			!dentry_is_ancestor(from->dentry, m->mountpoint));
		if (skip)
			continue;
		for (; last != m->parent; last = last->parent)
			to = to->parent;
		c = copy_one(m, m->root, flags);
		if (!c)
			return -ENOMEM;
		mount_place_locked(c, to, m->mountpoint);
		last = m;
		to = c;
	}
	return 0;
}

int mount_tree_copy_locked(const struct path *from, unsigned flags, struct mount **out)
{
	struct list gone = LIST_INIT(gone);
	struct mount *copy;
	int r;

	*out = NULL;
	if (is_left_out(from->mount, from->dentry, flags))
		return -EINVAL;
	copy = copy_one(from->mount, from->dentry, flags);
	r = copy ? copy_below_locked(from, flags, copy) : -ENOMEM;
	if (r < 0) {
		/* Loose mounts were seen by nobody: nothing sleeps in putting them. */
		drop_loose_locked(copy, &gone);
		mount_put_gone(&gone);
		copy = NULL;
	}
	*out = copy;
	return r;
}

void mount_tree_lock_locked(struct mount *top)
{
	for (struct mount *m = top; m; m = mount_next_locked(m, top, false)) {
		m->locked_flags |= MOUNT_FLAGS_ATIME | (mount_flags(m) & MOUNT_FLAGS_PROTECT);
		m->is_locked = m != top;
	}
}

/* ---- attaching ---- */

void mount_tree_enter_locked(struct mount *top, struct mount_ns *ns)
{
	for (struct mount *m = top; m; m = mount_next_locked(m, top, false)) {
		ASSERT(!m->ns);
		m->ns = ns;
		ns->nmounts++;
		list_push_back(&ns->mounts, &m->link);
	}
}

/* Lays what propagated on its places: below what lies there already, so that every
 * namespace goes on seeing what it saw last. */
static void settle_copies_locked(struct list *copies, struct dentry *mountpoint,
				 const struct user_ns *owner)
{
	list_for_each_safe(c, tmp, copies, struct mount, work) {
		struct mount *at = c->parent;
		struct mount *over = mount_child_at_locked(at, mountpoint);

		list_del(&c->work);
		mount_place_locked(c, at, mountpoint);
		if (at->ns->ns.owner != owner)
			mount_tree_lock_locked(c);
		c->is_locked = false;
		mount_tree_enter_locked(c, at->ns);
		if (over) {
			struct dentry *old = mount_unplace_locked(over);

			mount_place_locked(over, c, c->root);
			dentry_put(old); /* c holds one too */
		}
	}
}

/* Attaches the loose or just unplaced m at the place `top`, and to all that hear of it. */
static int graft_locked(struct mount *m, const struct path *top)
{
	struct mount_ns *ns = top->mount->ns;
	struct list copies = LIST_INIT(copies);

	if (!m->ns && ns->nmounts + mount_tree_size_locked(m) > MOUNTS_MAX)
		return -ENOSPC;
	if (mount_is_shared(top->mount)) {
		int r;

		for (struct mount *c = m; c; c = mount_next_locked(c, m, false))
			propagate_share_locked(c);
		r = propagate_mount_locked(m, top->mount, top->dentry, &copies);
		if (r < 0)
			return r;
	}
	mount_place_locked(m, top->mount, top->dentry);
	if (!m->ns)
		mount_tree_enter_locked(m, ns);
	settle_copies_locked(&copies, top->dentry, ns->ns.owner);
	return 0;
}

int mount_attach_at(struct mount_ns *ns, struct mount *m, const struct path *at)
{
	struct super *sb = at->dentry->sb;
	struct path top;
	int r = mount_may_attach(m->root, at);

	if (r < 0)
		return r;
	mutex_lock(&sb->rename_lock); /* below is below until it is copied */
	rwlock_write(&ns->vfs->mount_lock);
	r = mount_top_of_locked(ns, at, &top);
	if (r == 0)
		r = graft_locked(m, &top);
	if (r < 0)
		propagate_leave_locked(m, false);
	rwlock_write_unlock(&ns->vfs->mount_lock);
	mutex_unlock(&sb->rename_lock);
	return r;
}

/* ---- detaching ---- */

void mount_tree_detach_locked(struct mount *top, struct list *gone)
{
	struct mount *parent = NULL;

	for (struct mount *m = top;; m = parent) {
		while (!list_empty(&m->children))
			m = list_first(&m->children, struct mount, sibling);
		parent = m->parent;
		propagate_leave_locked(m, false);
		m->mountpoint = mount_unplace_locked(m);
		list_del(&m->link);
		if (m->ns)
			m->ns->nmounts--;
		m->ns = NULL;
		list_push_back(gone, &m->link);
		if (m == top)
			break;
	}
}

void mount_put_gone(struct list *gone)
{
	list_for_each_safe(m, tmp, gone, struct mount, link) {
		struct dentry *mountpoint = m->mountpoint;

		m->mountpoint = NULL;
		list_del(&m->link);
		dentry_put(mountpoint);
		mount_put(m);
	}
}

/* What covered the root of m, alone, and does not go with it, comes down to where m lay. */
static void uncover_locked(struct mount *m)
{
	struct mount *over = mount_child_at_locked(m, m->root);

	if (over && !over->is_going && m->parent) {
		struct dentry *old = mount_unplace_locked(over);

		mount_place_locked(over, m->parent, m->mountpoint);
		dentry_put(old); /* m holds one too */
	}
}

/* top with all below it, and what goes elsewhere because of it. */
static void umount_locked(struct mount *top, struct list *gone)
{
	struct list going = LIST_INIT(going); /* what lies on others before those */

	for (struct mount *m = top; m; m = mount_next_locked(m, top, false)) {
		m->is_going = true;
		list_push_front(&going, &m->going);
	}
	propagate_umount_locked(&going);
	list_for_each_safe(m, tmp, &going, struct mount, going) {
		list_del(&m->going);
		m->is_going = false;
		uncover_locked(m);
		mount_tree_detach_locked(m, gone);
	}
}

static int check_umount_locked(struct mount_ns *ns, struct mount *m, int flags)
{
	if (m->ns != ns || !m->parent || m->is_locked)
		return -EINVAL;
	if (flags & MNT_EXPIRE) {
		if (!list_empty(&m->children) || refcount_read(&m->refs) > 2)
			return -EBUSY;
		/* The caller's path is put next, which counts as one use. */
		if (atomic_exchange(&m->expiring, 2) <= 0)
			return -EAGAIN;
	}
	if (flags & MNT_DETACH)
		return 0;
	/* Two references: the tree's and the caller's path. */
	if (!list_empty(&m->children) || refcount_read(&m->refs) > 2)
		return -EBUSY;
	return propagate_is_busy_locked(m) ? -EBUSY : 0;
}

int vfs_umount(struct mount_ns *ns, const struct path *at, int flags)
{
	struct list gone = LIST_INIT(gone);
	int r;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	if (!path_is_mount_root(at))
		return -EINVAL;
	if ((flags & MNT_EXPIRE) && (flags & (MNT_FORCE | MNT_DETACH)))
		return -EINVAL;
	rwlock_write(&ns->vfs->mount_lock);
	r = check_umount_locked(ns, at->mount, flags);
	if (r == 0)
		umount_locked(at->mount, &gone);
	rwlock_write_unlock(&ns->vfs->mount_lock);
	mount_put_gone(&gone);
	return r;
}

bool mount_is_busy(const struct vfs_ctx *ctx, const struct path *dir, const struct dentry *d)
{
	struct vfs *v = dir->mount->vfs;
	bool found = false;

	if (likely(atomic_load(&d->mounts) == 0) || !v || !ctx->root.mount)
		return atomic_load(&d->mounts) > 0;
	rwlock_read(&v->mount_lock);
	if (ctx->root.mount->ns) {
		list_for_each(m, &ctx->root.mount->ns->mounts, struct mount, link)
			found |= m->mountpoint == d;
	}
	rwlock_read_unlock(&v->mount_lock);
	return found;
}

static struct mount *any_on_locked(struct vfs *v, const struct dentry *d)
{
	list_for_each(ns, &v->namespaces, struct mount_ns, link) {
		list_for_each(m, &ns->mounts, struct mount, link) {
			if (m->mountpoint == d)
				return m;
		}
	}
	return NULL;
}

void mount_detach_all_on(struct vfs *v, struct dentry *d)
{
	struct list gone = LIST_INIT(gone);
	struct mount *m;

	if (likely(atomic_load(&d->mounts) == 0) || !v)
		return;
	rwlock_write(&v->mount_lock);
	while ((m = any_on_locked(v, d)))
		mount_tree_detach_locked(m, &gone);
	rwlock_write_unlock(&v->mount_lock);
	mount_put_gone(&gone);
}

/* ---- binds ---- */

static bool has_locked_below_locked(const struct path *from)
{
	list_for_each(m, &from->mount->children, struct mount, sibling) {
		if (m->is_locked && dentry_is_ancestor(from->dentry, m->mountpoint))
			return true;
	}
	return false;
}

/* A mount namespace that shows the file of itself, or of one that shows ours, would keep
 * itself alive: only younger ones may be bound. */
static bool is_ns_loop(const struct mount_ns *ns, const struct dentry *d)
{
	const struct ns *bound = nsfs_ns(dentry_inode(d));

	return bound && bound->ops->kind == NS_MNT && bound->ino <= ns->ns.ino;
}

static int check_bind_locked(struct mount_ns *ns, const struct path *from, bool recursive)
{
	/* What no tree ever shows may be bound: a namespace's file, as on Linux. */
	if (from->mount->vfs && from->mount->ns != ns)
		return -EINVAL;
	if (from->mount->is_unbindable || is_ns_loop(ns, from->dentry))
		return -EINVAL;
	return !recursive && has_locked_below_locked(from) ? -EINVAL : 0;
}

static int bind_locked(struct mount_ns *ns, const struct path *from, const struct path *at,
		       bool recursive, struct mount **copy)
{
	struct path top;
	int r = mount_top_of_locked(ns, at, &top);

	if (r == 0)
		r = check_bind_locked(ns, from, recursive);
	if (r < 0)
		return r;
	if (recursive) {
		r = mount_tree_copy_locked(from, TREE_NS_FILES, copy);
	} else {
		*copy = copy_one(from->mount, from->dentry, TREE_NS_FILES);
		r = *copy ? 0 : -ENOMEM;
	}
	if (r < 0)
		return r;
	if (!(*copy)->vfs)
		(*copy)->vfs = ns->vfs; /* of a file that no tree showed */
	(*copy)->is_locked = false;
	return graft_locked(*copy, &top);
}

/* The rename_locks of two supers, which may be one. */
static void lock_supers(struct super *a, struct super *b) LOCKS_UNCHECKED
{
	mutex_lock(a < b ? &a->rename_lock : &b->rename_lock);
	if (a != b)
		mutex_lock_nested(a < b ? &b->rename_lock : &a->rename_lock);
}

static void unlock_supers(struct super *a, struct super *b) LOCKS_UNCHECKED
{
	if (a != b)
		mutex_unlock(a < b ? &b->rename_lock : &a->rename_lock);
	mutex_unlock(a < b ? &a->rename_lock : &b->rename_lock);
}

int vfs_bind(struct mount_ns *ns, const struct path *from, const struct path *at, unsigned flags)
{
	struct super *from_sb = from->dentry->sb, *at_sb = at->dentry->sb;
	struct list gone = LIST_INIT(gone);
	struct mount *copy = NULL;
	int r;

	if (dentry_has(from->dentry, DENTRY_DELETED))
		return -ENOENT;
	r = mount_may_attach(from->dentry, at);
	if (r < 0)
		return r;
	lock_supers(from_sb, at_sb); /* below is below until it is copied */
	rwlock_write(&ns->vfs->mount_lock);
	r = bind_locked(ns, from, at, flags & MS_REC, &copy);
	if (r < 0)
		drop_loose_locked(copy, &gone);
	rwlock_write_unlock(&ns->vfs->mount_lock);
	unlock_supers(from_sb, at_sb);
	mount_put_gone(&gone);
	return r;
}

/* ---- moving ---- */

static bool has_unbindable_locked(struct mount *top)
{
	for (struct mount *m = top; m; m = mount_next_locked(m, top, false)) {
		if (m->is_unbindable)
			return true;
	}
	return false;
}

static int check_move_locked(struct mount_ns *ns, struct mount *m, const struct path *top)
{
	if (m->ns != ns || !m->parent || m->is_locked || mount_is_shared(m->parent))
		return -EINVAL;
	if (mount_is_shared(top->mount) && has_unbindable_locked(m))
		return -EINVAL;
	for (const struct mount *above = top->mount; above; above = above->parent) {
		if (above == m)
			return -ELOOP;
	}
	return 0;
}

/* *old: the place that m left, with its reference. */
static int move_locked(struct mount_ns *ns, struct mount *m, const struct path *at,
		       struct dentry **old)
{
	struct mount *parent = m->parent;
	struct path top;
	int r = mount_top_of_locked(ns, at, &top);

	if (r == 0)
		r = check_move_locked(ns, m, &top);
	if (r < 0)
		return r;
	*old = mount_unplace_locked(m);
	r = graft_locked(m, &top);
	if (r < 0)
		mount_place_locked(m, parent, *old);
	return r;
}

int vfs_move_mount(struct mount_ns *ns, const struct path *from, const struct path *at)
{
	struct super *sb = at->dentry->sb;
	struct dentry *old = NULL;
	int r;

	if (!path_is_mount_root(from))
		return -EINVAL;
	r = mount_may_attach(from->dentry, at);
	if (r < 0)
		return r == -ENOTDIR ? -EINVAL : r;
	mutex_lock(&sb->rename_lock);
	rwlock_write(&ns->vfs->mount_lock);
	r = move_locked(ns, from->mount, at, &old);
	rwlock_write_unlock(&ns->vfs->mount_lock);
	mutex_unlock(&sb->rename_lock);
	dentry_put(old);
	return r;
}

/* ---- pivot_root(2) ---- */

static bool is_below(const struct mount *m, const struct mount *above)
{
	while (m && m != above)
		m = m->parent;
	return m != NULL;
}

static bool has_shared_parent(const struct mount *m)
{
	return m->parent && mount_is_shared(m->parent);
}

static int check_pivot_locked(struct mount_ns *ns, const struct path *root,
			      const struct path *new_root, const struct path *old_top)
{
	struct mount *root_m = root->mount, *new_m = new_root->mount;

	if (mount_is_shared(old_top->mount) || has_shared_parent(new_m) ||
	    has_shared_parent(root_m))
		return -EINVAL;
	if (root_m->ns != ns || new_m->ns != ns || new_m->is_locked)
		return -EINVAL;
	if (dentry_has(new_root->dentry, DENTRY_DELETED))
		return -ENOENT;
	if (new_m == root_m || old_top->mount == root_m)
		return -EBUSY;
	if (!path_is_mount_root(root) || !path_is_mount_root(new_root) || !new_m->parent)
		return -EINVAL;
	/* The old root's place is reached from the new one, and that from the old. */
	return is_below(old_top->mount, new_m) && is_below(new_m, root_m) ? 0 : -EINVAL;
}

/* The new root lies where the old one lay, and that on old_top. */
static void pivot_locked(struct mount_ns *ns, struct mount *root, struct mount *new_root,
			 const struct path *old_top, struct dentry **left)
{
	struct mount *below = root->parent;

	left[0] = mount_unplace_locked(new_root);
	left[1] = mount_unplace_locked(root);
	if (below)
		mount_place_locked(new_root, below, left[1]);
	else
		ns->root = new_root;
	new_root->is_locked = root->is_locked;
	root->is_locked = false;
	mount_place_locked(root, old_top->mount, old_top->dentry);
}

int vfs_pivot_root(struct mount_ns *ns, const struct path *root, const struct path *new_root,
		   const struct path *put_old)
{
	struct dentry *left[2] = { NULL, NULL };
	struct path old_top;
	int r;

	r = mount_may_attach(root->dentry, put_old);
	if (r < 0)
		return r;
	rwlock_write(&ns->vfs->mount_lock);
	r = mount_top_of_locked(ns, put_old, &old_top);
	if (r == 0)
		r = check_pivot_locked(ns, root, new_root, &old_top);
	if (r == 0)
		pivot_locked(ns, root->mount, new_root->mount, &old_top, left);
	rwlock_write_unlock(&ns->vfs->mount_lock);
	dentry_put(left[0]);
	dentry_put(left[1]);
	return r;
}

/* ---- propagation types ---- */

static void set_propagation_locked(struct mount *m, unsigned type)
{
	if (type == MS_SHARED) {
		propagate_share_locked(m);
		m->is_unbindable = false;
		return;
	}
	propagate_leave_locked(m, type == MS_SLAVE);
	if (type != MS_SLAVE)
		m->is_unbindable = type == MS_UNBINDABLE;
}

int vfs_set_propagation(struct mount_ns *ns, const struct path *at, unsigned type, bool recursive)
{
	struct mount *top = at->mount;
	int r = 0;

	if (!path_is_mount_root(at))
		return -EINVAL;
	rwlock_write(&ns->vfs->mount_lock);
	if (top->ns != ns)
		r = -EINVAL;
	for (struct mount *m = top; r == 0 && m; m = mount_next_locked(m, top, false)) {
		set_propagation_locked(m, type);
		if (!recursive)
			break;
	}
	rwlock_write_unlock(&ns->vfs->mount_lock);
	return r;
}
