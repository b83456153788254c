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
 *     ".." at its root stays there.
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

static void attach_locked(struct vfs *v, struct mount *m, struct mount *parent,
			  struct dentry *mountpoint)
{
	m->parent = parent;
	m->mountpoint = dentry_get(mountpoint);
	list_push_back(&parent->children, &m->sibling);
	list_push_back(&v->mounts, &m->link);
	atomic_fetch_add(&mountpoint->mounts, 1);
}

/* Takes m out of the tree; m and *mountpoint are then the caller's to put. */
static void detach_locked(struct mount *m, struct dentry **mountpoint)
{
	*mountpoint = m->mountpoint;
	if (m->mountpoint)
		atomic_fetch_sub(&m->mountpoint->mounts, 1);
	m->mountpoint = NULL;
	m->parent = NULL;
	list_del(&m->sibling);
	list_del(&m->link);
}

static bool may_cover(const struct dentry *root, const struct path *at)
{
	bool at_dir = S_ISDIR(dentry_inode(at->dentry)->mode);

	return at_dir == (bool)S_ISDIR(dentry_inode(root)->mode);
}

/* Attaches m (its tree reference is the caller's) on top of *at. */
static int attach_at(struct vfs *v, struct mount *m, const struct path *at)
{
	struct path top = *at;

	if (!may_cover(m->root, at))
		return -ENOTDIR;
	if (dentry_has(at->dentry, DENTRY_DELETED))
		return -ENOENT;
	path_get(&top);
	/* A file system that caches no names must keep this one. */
	if (!dentry_is_root(at->dentry))
		dentry_hash_in(at->dentry);
	rwlock_write(&v->mount_lock);
	for (;;) {
		struct mount *child = child_at_locked(top.mount, top.dentry);

		if (!child)
			break;
		top.mount = child;
		top.dentry = child->root;
	}
	attach_locked(v, m, top.mount, top.dentry);
	rwlock_write_unlock(&v->mount_lock);
	top = *at;
	path_put(&top);
	return 0;
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

int vfs_bind(struct vfs *v, const struct path *from, const struct path *at, unsigned flags)
{
	struct mount *m;
	int r;

	if (dentry_has(from->dentry, DENTRY_DELETED))
		return -ENOENT;
	m = mount_alloc(v, from->mount->sb, dentry_get(from->dentry),
			flags | mount_flags(from->mount));
	if (!m) {
		dentry_put(from->dentry);
		return -ENOMEM;
	}
	super_get(m->sb);
	r = attach_at(v, m, at);
	if (r < 0)
		mount_put(m);
	return r;
}

/* Detaches m's children and theirs onto `gone`, linked by ->sibling; their
 * mountpoints' references go with them by way of ->mountpoint. */
static void detach_tree_locked(struct mount *m, struct list *gone)
{
	struct dentry *mountpoint;

	while (!list_empty(&m->children))
		detach_tree_locked(list_first(&m->children, struct mount, sibling), gone);
	detach_locked(m, &mountpoint);
	m->mountpoint = mountpoint;
	list_push_back(gone, &m->link);
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
		detach_tree_locked(m, &gone);
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
		detach_tree_locked(v->root, &gone);
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
