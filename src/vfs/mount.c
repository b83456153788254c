/*
 * The mount tree.
 *
 * A mount shows a super's dentry `root` at a dentry of its parent mount. A
 * place on which another mount lies is crossed at once by every walk, so that a
 * path never rests on a covered dentry: mounting twice at a place stacks.
 *
 * Invariants
 *  1. A mount in the tree is on vfs->mounts and, but for the root, on its
 *     parent's children; the tree owns one reference on it.
 *  2. dentry->mounts counts the mounts on it, in every mount that shows it: 0
 *     spares a walk the lock.
 *  3. A detached mount has no parent: it lives on as long as paths hold it, and
 *     ".." at its root stays there. Nothing is mounted on it any more.
 *
 * A guest may nest mounts as deep as MOUNTS_MAX: walks of the tree do not recurse.
 *
 * Lock: vfs.mount_lock [m]. References are put after it is dropped.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "vfs/internal.h"

#define MOUNT_FLAGS                                                                                \
	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | \
	 MS_STRICTATIME | MS_LAZYTIME | MS_SYNCHRONOUS)

#define MOUNTS_MAX 100000 /* as fs.mount-max */

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

struct inode *path_inode(const struct path *p)
{
	return dentry_inode(p->dentry);
}

/* ---- mounts ---- */

static struct mount *mount_alloc(struct vfs *v, struct super *sb, struct dentry *root,
				 unsigned flags)
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
	return m;
}

void mount_put(struct mount *m)
{
	if (!m || !refcount_put(&m->refs))
		return;
	ASSERT(list_empty(&m->children) && !m->parent);
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
	list_for_each(m, &v->mounts, struct mount, link) {
		if (m->sb == sb) {
			found = mount_get(m);
			break;
		}
	}
	rwlock_read_unlock(&v->mount_lock);
	return found;
}

/* ---- crossing ---- */

static struct mount *child_at_locked(struct mount *m, const struct dentry *d)
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
		child = child_at_locked(p->mount, p->dentry);
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

/* ---- changing the tree ---- */

/* Lays m on a place; unplace_locked() gives up the place that it lay on, whose reference is
 * then the caller's. */
static void place_locked(struct mount *m, struct mount *parent, struct dentry *mountpoint)
{
	m->parent = parent;
	m->mountpoint = dentry_get(mountpoint);
	list_push_back(&parent->children, &m->sibling);
	atomic_fetch_add(&mountpoint->mounts, 1);
}

static struct dentry *unplace_locked(struct mount *m)
{
	struct dentry *mountpoint = m->mountpoint;

	if (mountpoint)
		atomic_fetch_sub(&mountpoint->mounts, 1);
	m->mountpoint = NULL;
	m->parent = NULL;
	list_del(&m->sibling);
	return mountpoint;
}

static int attach_locked(struct vfs *v, struct mount *m, struct mount *parent,
			 struct dentry *mountpoint)
{
	if (v->nmounts >= MOUNTS_MAX)
		return -ENOSPC;
	v->nmounts++;
	place_locked(m, parent, mountpoint);
	list_push_back(&v->mounts, &m->link);
	return 0;
}

static bool is_in_tree_locked(const struct vfs *v, const struct mount *m)
{
	return m->vfs == v && (m->parent || m == v->root);
}

static bool may_cover(const struct dentry *root, const struct path *at)
{
	bool at_dir = S_ISDIR(dentry_inode(at->dentry)->mode);

	return at_dir == (bool)S_ISDIR(dentry_inode(root)->mode);
}

static int may_attach(const struct dentry *root, const struct path *at)
{
	if (!may_cover(root, at))
		return -ENOTDIR;
	if (dentry_has(at->dentry, DENTRY_DELETED))
		return -ENOENT;
	/* A file system that caches no names must keep this one. */
	if (!dentry_is_root(at->dentry))
		dentry_hash_in(at->dentry);
	return 0;
}

/* The place that shows at *at: what lies there already is covered in its turn. No
 * references. */
static int top_of_locked(struct vfs *v, const struct path *at, struct path *top)
{
	struct mount *child;

	if (!is_in_tree_locked(v, at->mount))
		return -EINVAL;
	*top = *at;
	while ((child = child_at_locked(top->mount, top->dentry))) {
		top->mount = child;
		top->dentry = child->root;
	}
	return 0;
}

/* Attaches m (its tree reference is the caller's) on top of *at. */
static int attach_at(struct vfs *v, struct mount *m, const struct path *at)
{
	struct path top;
	int r = may_attach(m->root, at);

	if (r < 0)
		return r;
	rwlock_write(&v->mount_lock);
	r = top_of_locked(v, at, &top);
	if (r == 0)
		r = attach_locked(v, m, top.mount, top.dentry);
	rwlock_write_unlock(&v->mount_lock);
	return r;
}

int vfs_mount(struct vfs *v, const struct path *at, struct super *sb, unsigned flags,
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
	m = mount_alloc(v, sb, root, flags);
	if (!m) {
		dentry_put(root);
		r = -ENOMEM;
		goto out_put_super;
	}
	if (at) {
		r = attach_at(v, m, at);
	} else {
		rwlock_write(&v->mount_lock);
		r = v->root ? -EBUSY : 0;
		if (r == 0) {
			v->root = m;
			list_push_back(&v->mounts, &m->link);
		}
		rwlock_write_unlock(&v->mount_lock);
	}
	if (r == 0)
		atomic_store(&sb->vfs, v);
	if (r < 0)
		mount_put(m); /* puts root and sb */
	else if (out)
		*out = m;
	return r;
out_put_super:
	super_put(sb);
	return r;
}

/* Detaches m and what is mounted below it onto `gone`; their mountpoints' references
 * go with them by way of ->mountpoint. m itself need not be attached. */
static void detach_tree_locked(struct vfs *v, struct mount *top, struct list *gone)
{
	struct mount *parent = NULL;

	for (struct mount *m = top;; m = parent) {
		while (!list_empty(&m->children))
			m = list_first(&m->children, struct mount, sibling);
		parent = m->parent;
		v->nmounts -= m->mountpoint != NULL;
		m->mountpoint = unplace_locked(m);
		list_del(&m->link);
		list_push_back(gone, &m->link);
		if (m == top)
			break;
	}
}

static void put_detached(struct list *gone)
{
	list_for_each_safe(m, tmp, gone, struct mount, link) {
		struct dentry *mountpoint = m->mountpoint;

		m->mountpoint = NULL;
		list_del(&m->link);
		dentry_put(mountpoint);
		mount_put(m);
	}
}

/* ---- binds ---- */

static struct mount *mount_copy(struct vfs *v, const struct mount *m, struct dentry *root,
				unsigned flags)
{
	struct mount *copy = mount_alloc(v, m->sb, dentry_get(root), flags | mount_flags(m));

	if (copy)
		super_get(copy->sb);
	else
		dentry_put(root);
	return copy;
}

/* The mount after m in the tree below top, parents first; without those on m when
 * `skip`. NULL: that was the last. */
static struct mount *next_below_locked(struct mount *m, const struct mount *top, bool skip)
{
	if (!skip && !list_empty(&m->children))
		return list_first(&m->children, struct mount, sibling);
	for (; m != top; m = m->parent) {
		if (m->sibling.next != &m->parent->children)
			return container_of(m->sibling.next, struct mount, sibling);
	}
	return NULL;
}

/* Copies what is mounted in from->mount at or below from->dentry onto `copy`, which
 * shows that dentry. The sb's rename_lock is held. */
static int copy_below_locked(struct vfs *v, const struct path *from, struct mount *copy)
{
	struct mount *top = from->mount, *last = top, *to = copy; /* to: the copy of last */
	bool skip = false;

	for (struct mount *m = top; (m = next_below_locked(m, top, skip));) {
		struct mount *c;
		int r;

		skip = m->parent == top && !dentry_is_ancestor(from->dentry, m->mountpoint);
		if (skip)
			continue;
		for (; last != m->parent; last = last->parent)
			to = to->parent;
		c = mount_copy(v, m, m->root, 0);
		r = c ? attach_locked(v, c, to, m->mountpoint) : -ENOMEM;
		if (r < 0) {
			mount_put(c);
			return r;
		}
		last = m;
		to = c;
	}
	return 0;
}

static int bind_locked(struct vfs *v, const struct path *from, const struct path *at,
		       struct mount *copy, bool recursive)
{
	struct path top;
	int r = top_of_locked(v, at, &top);

	/* What no tree ever shows may be bound: a namespace's file, as on Linux. */
	if (r == 0 && from->mount->vfs && !is_in_tree_locked(v, from->mount))
		r = -EINVAL;
	if (r == 0 && recursive)
		r = copy_below_locked(v, from, copy);
	return r < 0 ? r : attach_locked(v, copy, top.mount, top.dentry);
}

int vfs_bind(struct vfs *v, const struct path *from, const struct path *at, unsigned flags)
{
	struct super *sb = from->mount->sb;
	struct list gone = LIST_INIT(gone);
	struct mount *m;
	int r;

	if (dentry_has(from->dentry, DENTRY_DELETED))
		return -ENOENT;
	r = may_attach(from->dentry, at);
	if (r < 0)
		return r;
	m = mount_copy(v, from->mount, from->dentry, flags);
	if (!m)
		return -ENOMEM;
	mutex_lock(&sb->rename_lock); /* below is below until it is copied */
	rwlock_write(&v->mount_lock);
	r = bind_locked(v, from, at, m, flags & MS_REC);
	if (r < 0)
		detach_tree_locked(v, m, &gone);
	rwlock_write_unlock(&v->mount_lock);
	mutex_unlock(&sb->rename_lock);
	put_detached(&gone);
	return r;
}

/* ---- moving ---- */

/* *old: the place that m left, with its reference. */
static int move_locked(struct vfs *v, struct mount *m, const struct path *at, struct dentry **old)
{
	struct path top;
	int r = top_of_locked(v, at, &top);

	if (r < 0 || !is_in_tree_locked(v, m) || !m->parent)
		return -EINVAL;
	for (const struct mount *above = top.mount; above; above = above->parent) {
		if (above == m)
			return -ELOOP;
	}
	*old = unplace_locked(m);
	place_locked(m, top.mount, top.dentry);
	return 0;
}

int vfs_move_mount(struct vfs *v, const struct path *from, const struct path *at)
{
	struct dentry *old = NULL;
	int r;

	if (!path_is_mount_root(from))
		return -EINVAL;
	r = may_attach(from->dentry, at);
	if (r < 0)
		return r == -ENOTDIR ? -EINVAL : r;
	rwlock_write(&v->mount_lock);
	r = move_locked(v, from->mount, at, &old);
	rwlock_write_unlock(&v->mount_lock);
	dentry_put(old);
	return r;
}

/* ---- unmounting, changing ---- */

int vfs_umount(struct vfs *v, const struct path *at, int flags)
{
	struct list gone = LIST_INIT(gone);
	struct mount *m = at->mount;
	int r = 0;

	if (flags & ~(MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW))
		return -EINVAL;
	if (!path_is_mount_root(at))
		return -EINVAL;
	rwlock_write(&v->mount_lock);
	if (m->vfs != v || !m->parent)
		r = -EINVAL;
	/* Two references: the tree's and the caller's path. */
	else if (!(flags & MNT_DETACH) &&
		 (!list_empty(&m->children) || refcount_read(&m->refs) > 2))
		r = -EBUSY;
	else
		detach_tree_locked(v, m, &gone);
	rwlock_write_unlock(&v->mount_lock);
	put_detached(&gone);
	return r;
}

int vfs_remount(struct vfs *v, const struct path *at, unsigned flags)
{
	if (!path_is_mount_root(at) || at->mount->vfs != v)
		return -EINVAL;
	atomic_store(&at->mount->flags, flags & MOUNT_FLAGS);
	return 0;
}

/* ---- the whole ---- */

int vfs_create(struct vfs **out)
{
	struct vfs *v = FAULT_POINT("vfs.create") ? NULL : calloc(1, sizeof(*v));

	*out = v;
	if (!v)
		return -ENOMEM;
	rwlock_init(&v->mount_lock, LOCK_VFS_MOUNT);
	list_init(&v->mounts);
	return 0;
}

void vfs_destroy(struct vfs *v)
{
	struct list gone = LIST_INIT(gone);

	if (!v)
		return;
	rwlock_write(&v->mount_lock);
	if (v->root)
		detach_tree_locked(v, v->root, &gone);
	v->root = NULL;
	rwlock_write_unlock(&v->mount_lock);
	put_detached(&gone);
	free(v);
}

void vfs_root(struct vfs *v, struct path *out)
{
	rwlock_read(&v->mount_lock);
	out->mount = mount_get(v->root);
	out->dentry = dentry_get(v->root->root);
	rwlock_read_unlock(&v->mount_lock);
	mount_cross_down(out);
}

int vfs_sync_all(struct vfs *v)
{
	uint64_t last_id = 0;
	int result = 0;

	/* One mount at a time, by rising id, so that no lock is held in sync. */
	for (;;) {
		struct mount *next = NULL;
		int r = 0;

		rwlock_read(&v->mount_lock);
		list_for_each(m, &v->mounts, struct mount, link) {
			if (m->id > last_id && (!next || m->id < next->id))
				next = m;
		}
		if (next)
			mount_get(next);
		rwlock_read_unlock(&v->mount_lock);
		if (!next)
			return result;
		last_id = next->id;
		if (next->sb->ops->sync)
			r = next->sb->ops->sync(next->sb);
		if (r < 0 && result == 0)
			result = r;
		mount_put(next);
	}
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
