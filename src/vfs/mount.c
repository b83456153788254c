/*
 * The mount trees, one of each mount namespace.
 *
 * A mount shows a super's dentry `root` at a dentry of its parent mount. A
 * place on which another mount lies is crossed at once by every walk, so that a
 * path never rests on a covered dentry: mounting twice at a place stacks.
 *
 * Invariants
 *  1. A mount in a tree is on ns->mounts and, but for the root, on its parent's
 *     children; the tree owns one reference on it.
 *  2. dentry->mounts counts the mounts on it, in every mount that shows it: 0
 *     spares a walk the lock.
 *  3. A detached mount has no namespace, no parent and no peers: it lives on as long as
 *     paths hold it, and ".." at its root stays there. Nothing is mounted on it any more.
 *  4. A copy under way has no namespace either: nobody has a path to it.
 *
 * A guest may nest mounts as deep as MOUNTS_MAX: walks of the tree do not recurse.
 *
 * Here are single mounts and places; mount_tree.c copies, binds, moves and detaches
 * trees, propagate.c has the peer groups, mount_ns.c the namespaces.
 *
 * Lock: vfs.mount_lock [m], one for all trees, because what happens in one propagates to
 * others. References are put after it is dropped.
 */
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "vfs/disk.h"
#include "vfs/internal.h"

static POOL_DEFINE(mount_pool, struct mount);

/* ---- paths ---- */

void path_get(const struct path *p)
{
	mount_get(p->mount);
	dentry_get(p->dentry);
}

void path_put(struct path *p)
{
	struct path old = *p;

	p->mount = NULL;
	p->dentry = NULL;
	/* The dentry first: the mount keeps its super alive. */
	dentry_put(old.dentry);
	mount_put(old.mount);
}

bool path_equal(const struct path *a, const struct path *b)
{
	return a->mount == b->mount && a->dentry == b->dentry;
}

bool path_is_deleted(const struct path *p)
{
	return dentry_has(p->dentry, DENTRY_DELETED);
}

bool path_is_mount_root(const struct path *p)
{
	return p->dentry == p->mount->root;
}

bool path_is_in_ns(const struct path *p, struct mount_ns *ns)
{
	return READ_ONCE(p->mount->ns) == ns;
}

struct inode *path_inode(const struct path *p)
{
	return dentry_inode(p->dentry);
}

/* ---- mounts ---- */

struct mount *mount_alloc(struct vfs *v, struct super *sb, struct dentry *root, unsigned flags)
{
	static atomic_ulong next_id = 1;
	struct mount *m = pool_alloc(&mount_pool);

	if (!m)
		return NULL;
	refcount_init(&m->refs, 1);
	m->vfs = v;
	m->sb = sb;
	m->root = root;
	m->id = atomic_fetch_add(&next_id, 1);
	atomic_init(&m->flags, flags & MOUNT_FLAGS);
	list_init(&m->children);
	list_init(&m->sibling);
	list_init(&m->link);
	list_init(&m->peers);
	list_init(&m->slaves);
	list_init(&m->slave_link);
	return m;
}

void mount_put(struct mount *m)
{
	if (!m)
		return;
	/* Whoever used it since umount2(MNT_EXPIRE) marked it takes the mark away. */
	if (unlikely(atomic_load_explicit(&m->expiring, memory_order_relaxed) > 0))
		atomic_fetch_sub(&m->expiring, 1);
	if (!refcount_put(&m->refs))
		return;
	ASSERT(list_empty(&m->children) && !m->parent && list_empty(&m->peers));
	dentry_put(m->root);
	super_put(m->sb);
	pool_free(&mount_pool, m);
}

int mount_create_internal(struct super *sb, struct dentry *root, struct mount **out)
{
	*out = mount_alloc(NULL, sb, root, 0);
	return *out ? 0 : -ENOMEM;
}

int vfs_mount_hidden(struct super *sb, struct path *out)
{
	int r = dentry_root(sb, &out->dentry);

	if (r < 0)
		return r;
	/* The mount takes the reference; the path has its own. */
	r = mount_create_internal(sb, out->dentry, &out->mount);
	if (r < 0)
		dentry_put(out->dentry);
	else
		dentry_get(out->dentry);
	return r;
}

unsigned mount_flags(const struct mount *m)
{
	return atomic_load(&m->flags);
}

struct super *mount_super(const struct mount *m)
{
	return m->sb;
}

void mount_root(struct mount *m, struct path *out)
{
	out->mount = mount_get(m);
	out->dentry = dentry_get(m->root);
}

uint64_t mount_id(const struct mount *m)
{
	return m->id;
}

struct mount *mount_find_super(struct vfs *v, const struct super *sb)
{
	struct mount *found = NULL;

	rwlock_read(&v->mount_lock);
	list_for_each(ns, &v->namespaces, struct mount_ns, link) {
		list_for_each(m, &ns->mounts, struct mount, link) {
			if (m->sb == sb && !found)
				found = mount_get(m);
		}
		if (found)
			break;
	}
	rwlock_read_unlock(&v->mount_lock);
	return found;
}

/* ---- crossing ---- */

struct mount *mount_child_at_locked(struct mount *m, const struct dentry *d)
{
	list_for_each(child, &m->children, struct mount, sibling) {
		if (child->mountpoint == d)
			return child;
	}
	return NULL;
}

bool mount_cross_down(struct path *p)
{
	struct vfs *v = p->mount->vfs;
	bool crossed = false;

	if (!v)
		return false;
	while (atomic_load_explicit(&p->dentry->mounts, memory_order_relaxed) > 0) {
		struct path old = *p;
		struct mount *child;

		rwlock_read(&v->mount_lock);
		child = mount_child_at_locked(p->mount, p->dentry);
		if (child) {
			p->mount = mount_get(child);
			p->dentry = dentry_get(child->root);
		}
		rwlock_read_unlock(&v->mount_lock);
		if (!child)
			break;
		path_put(&old);
		crossed = true;
	}
	return crossed;
}

bool path_cover(const struct path *p, struct path *out)
{
	struct vfs *v = p->mount->vfs;
	struct mount *child;

	if (!v || atomic_load_explicit(&p->dentry->mounts, memory_order_relaxed) == 0)
		return false;
	rwlock_read(&v->mount_lock);
	child = mount_child_at_locked(p->mount, p->dentry);
	if (child) {
		out->mount = mount_get(child);
		out->dentry = dentry_get(child->root);
	}
	rwlock_read_unlock(&v->mount_lock);
	if (child)
		mount_cross_down(out);
	return child != NULL;
}

bool mount_cross_up(struct path *p)
{
	struct vfs *v = p->mount->vfs;
	struct path old = *p;
	bool has_parent;

	if (!v)
		return false;
	rwlock_read(&v->mount_lock);
	has_parent = p->mount->parent != NULL;
	if (has_parent) {
		p->dentry = dentry_get(old.mount->mountpoint);
		p->mount = mount_get(old.mount->parent);
	}
	rwlock_read_unlock(&v->mount_lock);
	if (has_parent)
		path_put(&old);
	return has_parent;
}

/* ---- places ---- */

void mount_place_locked(struct mount *m, struct mount *parent, struct dentry *mountpoint)
{
	m->parent = parent;
	m->mountpoint = dentry_get(mountpoint);
	list_push_back(&parent->children, &m->sibling);
	atomic_fetch_add(&mountpoint->mounts, 1);
}

struct dentry *mount_unplace_locked(struct mount *m)
{
	struct dentry *mountpoint = m->mountpoint;

	if (mountpoint)
		atomic_fetch_sub(&mountpoint->mounts, 1);
	m->mountpoint = NULL;
	m->parent = NULL;
	list_del(&m->sibling);
	return mountpoint;
}

int mount_may_attach(const struct dentry *root, const struct path *at)
{
	bool at_dir = S_ISDIR(dentry_inode(at->dentry)->mode);

	if (at_dir != (bool)S_ISDIR(dentry_inode(root)->mode))
		return -ENOTDIR;
	if (dentry_has(at->dentry, DENTRY_DELETED))
		return -ENOENT;
	/* A file system that caches no names must keep this one. */
	if (!dentry_is_root(at->dentry))
		dentry_hash_in(at->dentry);
	return 0;
}

int mount_top_of_locked(const struct mount_ns *ns, const struct path *at, struct path *top)
{
	struct mount *child;

	if (at->mount->ns != ns)
		return -EINVAL;
	*top = *at;
	while ((child = mount_child_at_locked(top->mount, top->dentry))) {
		top->mount = child;
		top->dentry = child->root;
	}
	return 0;
}

/* ---- new mounts ---- */

/* The tree's first. */
static int become_root(struct mount_ns *ns, struct mount *m)
{
	int r;

	rwlock_write(&ns->vfs->mount_lock);
	r = ns->root ? -EBUSY : 0;
	if (r == 0) {
		ns->root = m;
		m->ns = ns;
		ns->nmounts = 1;
		list_push_back(&ns->mounts, &m->link);
	}
	rwlock_write_unlock(&ns->vfs->mount_lock);
	return r;
}

int vfs_mount(struct mount_ns *ns, const struct path *at, struct super *sb, unsigned flags,
	      struct mount **out)
{
	struct dentry *root;
	struct mount *m;
	int r;

	if (out)
		*out = NULL;
	r = dentry_root(sb, &root);
	if (r < 0)
		goto out_put_super;
	m = mount_alloc(ns->vfs, sb, root, flags);
	if (!m) {
		dentry_put(root);
		r = -ENOMEM;
		goto out_put_super;
	}
	r = at ? mount_attach_at(ns, m, at) : become_root(ns, m);
	if (r == 0)
		atomic_store(&sb->vfs, ns->vfs);
	if (r < 0)
		mount_put(m); /* puts root and sb */
	else if (out)
		*out = m;
	return r;
out_put_super:
	super_put(sb);
	return r;
}

/* Namespaces that locked a flag keep it (mount_namespaces(7)). */
static bool may_change_flags(const struct mount *m, unsigned flags)
{
	unsigned locked = m->locked_flags;
	unsigned lost = mount_flags(m) & locked & MOUNT_FLAGS_PROTECT & ~flags;
	bool atime_differs = (mount_flags(m) ^ flags) & MOUNT_FLAGS_ATIME;

	return !lost && !((locked & MOUNT_FLAGS_ATIME) && atime_differs);
}

int vfs_remount(struct mount_ns *ns, const struct path *at, unsigned flags)
{
	struct mount *m = at->mount;
	int r = 0;

	if (!path_is_mount_root(at))
		return -EINVAL;
	rwlock_write(&ns->vfs->mount_lock);
	if (m->ns != ns)
		r = -EINVAL;
	else if (!may_change_flags(m, flags))
		r = -EPERM;
	else
		atomic_store(&m->flags, flags & MOUNT_FLAGS);
	rwlock_write_unlock(&ns->vfs->mount_lock);
	return r;
}

/* ---- the whole ---- */

/* The mount of any namespace with the lowest id above `after`, with a reference. */
static struct mount *next_by_id(struct vfs *v, uint64_t after)
{
	struct mount *next = NULL;

	rwlock_read(&v->mount_lock);
	list_for_each(ns, &v->namespaces, struct mount_ns, link) {
		list_for_each(m, &ns->mounts, struct mount, link) {
			if (m->id > after && (!next || m->id < next->id))
				next = m;
		}
	}
	if (next)
		mount_get(next);
	rwlock_read_unlock(&v->mount_lock);
	return next;
}

int vfs_sync_all(struct vfs *v)
{
	uint64_t last_id = 0;
	int result = 0;

	/* One mount at a time, by rising id, so that no lock is held in sync. */
	for (;;) {
		struct mount *next = next_by_id(v, last_id);
		int r = 0;

		if (!next)
			break;
		last_id = next->id;
		if (next->sb->ops->sync)
			r = next->sb->ops->sync(next->sb);
		if (r < 0 && result == 0)
			result = r;
		mount_put(next);
	}
	for (struct disk *d = vfs_disk_next(NULL); d; d = vfs_disk_next(d)) {
		int r = d->sync(d);

		if (r < 0 && result == 0)
			result = r;
	}
	return result;
}

int vfs_statfs(const struct path *p, struct kstatfs *out)
{
	static const struct {
		unsigned mount_flag;
		uint64_t statfs_flag;
	} map[] = {
		{ MS_RDONLY, 1 }, { MS_NOSUID, 2 },     { MS_NODEV, 4 },
		{ MS_NOEXEC, 8 }, { MS_NOATIME, 1024 }, { MS_RELATIME, 4096 },
	};
	struct super *sb = p->dentry->sb;
	unsigned flags = mount_flags(p->mount);
	int r;

	memset(out, 0, sizeof(*out));
	if (!sb->ops->statfs)
		return -ENOSYS;
	r = sb->ops->statfs(sb, out);
	if (r < 0)
		return r;
	out->flags |= 32; /* ST_VALID */
	for (unsigned i = 0; i < ARRAY_SIZE(map); i++) {
		if (flags & map[i].mount_flag)
			out->flags |= map[i].statfs_flag;
	}
	return 0;
}
