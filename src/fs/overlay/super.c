/*
 * The mount, and the life of onodes.
 *
 * Freeing a directory's onode frees its table and so perhaps more onodes;
 * guests choose how deep, so freeing is a loop over a list and not recursion.
 * The overlay itself lives until its last onode is gone, since a mapping can
 * hold one longer than any mount.
 */
#include <stdlib.h>
#include <time.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/pool.h"
#include "fs/overlay/internal.h"
#include "host/host.h"

#define OVERLAYFS_MAGIC 0x794c7630
/* Above the inode numbers of host file systems. */
#define NEW_INO ((uint64_t)1 << 48)

static POOL_DEFINE(onode_pool, struct onode);

struct timespec_k overlay_now(void)
{
	uint64_t ns = host_clock_ns(CLOCK_REALTIME);

	return (struct timespec_k){ (int64_t)(ns / 1000000000), (uint32_t)(ns % 1000000000) };
}

uint64_t overlay_dev(const struct overlay *ov, uint64_t lower_dev)
{
	return lower_dev == ov->lower_dev ? ov->sb.dev : lower_dev;
}

static void sync_word(uint32_t *to, const uint32_t *from)
{
	uint32_t val = READ_ONCE(*from);

	/* A copy-up changes none of them, while others look. */
	if (READ_ONCE(*to) != val)
		WRITE_ONCE(*to, val);
}

void onode_sync_mode(struct onode *o)
{
	struct inode *real = onode_real(o);

	sync_word(&o->inode.mode, &real->mode);
	sync_word(&o->inode.uid, &real->uid);
	sync_word(&o->inode.gid, &real->gid);
}

/* ---- onodes ---- */

static struct onode *onode_alloc(struct overlay *ov, const struct inode *real, uint64_t ino,
				 struct onode *parent)
{
	struct onode *o = pool_alloc(&onode_pool);
	bool is_dir = S_ISDIR(real->mode);

	if (!o)
		return NULL;
	inode_init(&o->inode, is_dir ? &overlay_dir_ops : &overlay_file_ops, &ov->sb, ino,
		   real->mode, real->uid, real->gid);
	o->inode.rdev = real->rdev;
	o->ov = ov;
	o->dev = ov->sb.dev;
	o->parent_ino = parent ? parent->inode.ino : ino;
	atomic_init(&o->upper, NULL);
	mutex_init(&o->copy_lock, LOCK_COPY_UP);
	mutex_init(&o->lock, LOCK_INODE);
	onode_maps_init(o);
	list_init(&o->dead_link);
	atomic_fetch_add(&ov->live, 1);
	return o;
}

static uint64_t index_hash(const struct inode *lower)
{
	return hash_u64((uintptr_t)lower);
}

static struct onode *index_find_locked(struct overlay *ov, const struct inode *lower)
{
	htable_for_each(n, &ov->index, index_hash(lower))
	{
		struct onode *o = container_of(n, struct onode, index_link);

		if (o->lower == lower && refcount_get_not_zero(&o->inode.refs))
			return o;
	}
	return NULL;
}

static int lower_stat(struct inode *lower, const struct vfs_ctx *ctx, struct kstat *st)
{
	if (lower->ops->getattr)
		return lower->ops->getattr(lower, st, ctx);
	inode_fill_stat(lower, st);
	return 0;
}

int onode_of_lower(struct overlay *ov, struct inode *lower, struct onode *parent,
		   const struct vfs_ctx *ctx, struct onode **out)
{
	struct onode *found, *fresh = NULL;
	struct kstat st;
	int r;

	mutex_lock(&ov->index_lock);
	found = index_find_locked(ov, lower);
	mutex_unlock(&ov->index_lock);
	if (found)
		goto out_found;
	r = lower_stat(lower, ctx, &st);
	if (r == 0)
		fresh = onode_alloc(ov, lower, st.ino, parent);
	if (!fresh) {
		inode_put(lower);
		return r < 0 ? r : -ENOMEM;
	}
	fresh->dev = overlay_dev(ov, st.dev);
	mutex_lock(&ov->index_lock);
	found = index_find_locked(ov, lower);
	if (!found) {
		fresh->lower = lower;
		htable_insert(&ov->index, &fresh->index_link, index_hash(lower));
	}
	mutex_unlock(&ov->index_lock);
	if (found) {
		inode_put(&fresh->inode);
		goto out_found;
	}
	*out = fresh;
	return 0;

out_found:
	inode_put(lower);
	*out = found;
	return 0;
}

int onode_of_new(struct overlay *ov, struct inode *upper, struct onode *parent, struct onode **out)
{
	struct onode *o =
		onode_alloc(ov, upper, NEW_INO + atomic_fetch_add(&ov->next_ino, 1), parent);

	if (!o) {
		inode_put(upper);
		return -ENOMEM;
	}
	atomic_store(&o->upper, upper);
	*out = o;
	return 0;
}

void onode_pin(struct onode *o)
{
	if (!o->lower)
		return;
	mutex_lock(&o->ov->index_lock);
	if (!o->is_pinned) {
		o->is_pinned = true;
		inode_get(&o->inode);
	}
	mutex_unlock(&o->ov->index_lock);
}

void onode_unpin(struct onode *o)
{
	bool was_pinned;

	mutex_lock(&o->ov->index_lock);
	was_pinned = o->is_pinned;
	o->is_pinned = false;
	mutex_unlock(&o->ov->index_lock);
	if (was_pinned)
		inode_put(&o->inode);
}

static void overlay_unref(struct overlay *ov, unsigned long n)
{
	if (atomic_fetch_sub(&ov->live, n) != n)
		return;
	super_put(ov->lower);
	super_put(ov->upper);
	htable_fini(&ov->index);
	free(ov);
}

static void onode_free(struct onode *o)
{
	names_clear(o);
	inode_put(atomic_load(&o->upper));
	inode_put(o->lower);
	pool_free(&onode_pool, o);
}

static void overlay_inode_destroy(struct inode *inode)
{
	struct onode *o = onode_of(inode);
	struct overlay *ov = o->ov;
	unsigned long freed = 0;

	mutex_lock(&ov->index_lock);
	htable_remove(&ov->index, &o->index_link);
	list_push_back(&ov->dead, &o->dead_link);
	if (ov->is_reaping) {
		mutex_unlock(&ov->index_lock);
		return;
	}
	ov->is_reaping = true;
	while (!list_empty(&ov->dead)) {
		o = list_first(&ov->dead, struct onode, dead_link);
		list_del(&o->dead_link);
		mutex_unlock(&ov->index_lock);
		onode_free(o);
		freed++;
		mutex_lock(&ov->index_lock);
	}
	ov->is_reaping = false;
	mutex_unlock(&ov->index_lock);
	overlay_unref(ov, freed);
}

/* ---- the mount ---- */

static int overlay_statfs(struct super *sb, struct kstatfs *out)
{
	struct overlay *ov = sb->priv;
	int r = ov->upper->ops->statfs(ov->upper, out);

	out->type = OVERLAYFS_MAGIC;
	return r;
}

/* Moves all pinned onodes to a list, by dead_link, which is free for as long as
 * the pin's reference is. */
static void take_pinned(struct overlay *ov, struct list *pinned)
{
	mutex_lock(&ov->index_lock);
	htable_for_all(n, &ov->index)
	{
		struct onode *o = container_of(n, struct onode, index_link);

		if (o->is_pinned)
			list_push_back(pinned, &o->dead_link);
		o->is_pinned = false;
	}
	mutex_unlock(&ov->index_lock);
}

static void overlay_destroy(struct super *sb)
{
	struct list pinned = LIST_INIT(pinned);
	struct overlay *ov = sb->priv;

	take_pinned(ov, &pinned);
	while (!list_empty(&pinned)) {
		struct onode *o = list_first(&pinned, struct onode, dead_link);

		list_del(&o->dead_link);
		inode_put(&o->inode);
	}
	overlay_unref(ov, 1);
}

static const struct super_ops overlay_super_ops = {
	.inode_destroy = overlay_inode_destroy,
	.statfs = overlay_statfs,
	.destroy = overlay_destroy,
};

static struct overlay *overlay_alloc(struct super *lower, struct super *upper)
{
	struct overlay *ov = FAULT_POINT("overlay.create") ? NULL : calloc(1, sizeof(*ov));

	if (!ov)
		return NULL;
	super_init(&ov->sb, &overlay_super_ops, "overlay");
	ov->sb.priv = ov;
	ov->lower = lower;
	ov->upper = upper;
	atomic_init(&ov->next_ino, 1);
	atomic_init(&ov->live, 1);
	mutex_init(&ov->index_lock, LOCK_OVERLAY);
	htable_init(&ov->index);
	list_init(&ov->dead);
	/* Nobody else uses the upper tree: its root's lock ranks inside ours. */
	rwlock_init(&upper->root->dir_lock, LOCK_VFS_DIR_UPPER);
	return ov;
}

int overlay_create(struct super *lower, struct super *upper, struct super **out)
{
	static const struct vfs_ctx none;
	struct overlay *ov = overlay_alloc(lower, upper);
	struct onode *root = NULL;
	struct kstat st;
	int r = -ENOMEM;

	*out = NULL;
	if (!ov)
		goto out_put;
	r = S_ISDIR(lower->root->mode) ? lower_stat(lower->root, &none, &st) : -ENOTDIR;
	if (r < 0)
		goto out_free;
	ov->lower_dev = st.dev;
	inode_get(lower->root);
	r = onode_of_lower(ov, lower->root, NULL, &none, &root);
	if (r < 0)
		goto out_free;
	ov->sb.root = &root->inode;
	*out = &ov->sb;
	return 0;

out_free:
	htable_fini(&ov->index);
	free(ov);
out_put:
	super_put(lower);
	super_put(upper);
	return r;
}
