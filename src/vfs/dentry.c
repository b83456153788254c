/*
 * The dentry cache: names in directories, found by (parent, name).
 *
 * Model. A dentry is a name under a parent. Cached ones are in a hash table of
 * buckets and on one list (lru). The table owns a reference, so that a dentry
 * in it never dies under a lookup, and one outside it dies with its last user.
 *
 *	created --publish--> hashed --unhash--> held only by its users --> freed
 *
 * Invariants
 *  1. A hashed dentry has at least one reference; it may be unhashed for want
 *     of room only when the table's is the only one (children hold parents).
 *  2. parent and name change only while the dentry is unhashed, with dir_lock
 *     of both parents held for writing (and rename_lock between directories).
 *  3. inode goes from NULL to non-NULL once and never back: whoever holds a
 *     positive dentry may use its inode without a lock.
 *
 * A rename takes the dentry out of its bucket, changes it, and puts it into the
 * new one. A lookup in between finds neither name, goes for dir_lock, which the
 * rename holds, and finds the new state then: names change atomically.
 *
 * Locks, all LOCK_DCACHE, never two at once: a stripe of buckets; a stripe of
 * dentries (parent and name, for readers without dir_lock); lru; aliases.
 *
 * The lru is a clock: a lookup sets DENTRY_REFERENCED, the hand clears it and
 * takes what it finds cleared. Lookups so never touch the list. It is wound by
 * lookups that missed and at the end of each walk (which may have made a name),
 * after they have dropped their locks, because the last put of an inode may take
 * its time.
 */
#include <stdlib.h>

#include "base/fault.h"
#include "base/hash.h"
#include "vfs/internal.h"
#include "vfs/notify.h"

#define BUCKETS 32768u
#define STRIPES 256u
#define SHRINK_BATCH 32

struct stripe {
	_Alignas(64) struct mutex lock;
};

static struct dentry *buckets[BUCKETS];
static struct stripe bucket_locks[STRIPES] = {
	[0 ... STRIPES - 1] = { .lock = MUTEX_INIT(LOCK_DCACHE) },
};
static struct stripe tree_locks[STRIPES] = {
	[0 ... STRIPES - 1] = { .lock = MUTEX_INIT(LOCK_DCACHE) },
};
static struct mutex alias_lock = MUTEX_INIT(LOCK_DCACHE);
static struct mutex lru_lock = MUTEX_INIT(LOCK_DCACHE);
static struct list lru = LIST_INIT(lru); /* [lru_lock] every hashed dentry */
static atomic_uint lru_count;
static unsigned lru_max = 65536;

static POOL_DEFINE(dentry_pool, struct dentry);

atomic_uint dcache_rename_seq;

static struct mutex *bucket_lock(uint64_t hash)
{
	return &bucket_locks[hash % STRIPES].lock;
}

static struct mutex *tree_lock(const struct dentry *d)
{
	return &tree_locks[hash_u64((uintptr_t)d) % STRIPES].lock;
}

/* ---- making and freeing ---- */

static bool set_name(struct dentry *d, const char *name, size_t len)
{
	d->name = d->short_name;
	if (len >= DENTRY_INLINE_NAME) {
		d->name = FAULT_POINT("dentry.name") ? NULL : malloc(len + 1);
		if (!d->name)
			return false;
	}
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	d->name_len = (uint32_t)len;
	return true;
}

static void free_name(struct dentry *d)
{
	if (d->name != d->short_name)
		free(d->name);
	d->name = NULL;
}

struct dentry *dentry_create(struct dentry *parent, struct super *sb, const char *name, size_t len,
			     struct inode *inode)
{
	struct dentry *d = pool_alloc(&dentry_pool);

	if (!d)
		return NULL;
	if (!set_name(d, name, len)) {
		pool_free(&dentry_pool, d);
		return NULL;
	}
	refcount_init(&d->refs, 1);
	d->sb = sb;
	d->parent = parent ? dentry_get(parent) : d;
	atomic_init(&d->flags, parent ? 0 : DENTRY_ROOT);
	list_init(&d->lru);
	list_init(&d->alias);
	if (inode)
		dentry_instantiate(d, inode);
	return d;
}

/* Frees d, which nobody refers to; returns the parent, whose reference the
 * caller must put. */
static struct dentry *dentry_free(struct dentry *d)
{
	struct inode *inode = dentry_inode(d);
	struct dentry *parent = dentry_is_root(d) ? NULL : d->parent;

	DEBUG_ASSERT(!dentry_has(d, DENTRY_HASHED));
	if (inode) {
		mutex_lock(&alias_lock);
		list_del(&d->alias);
		mutex_unlock(&alias_lock);
		if (notify_is_on() && dentry_has(d, DENTRY_DELETED))
			notify_name_gone(inode);
		inode_put(inode);
	}
	free_name(d);
	pool_free(&dentry_pool, d);
	return parent;
}

void dentry_put(struct dentry *d)
{
	while (d && refcount_put(&d->refs))
		d = dentry_free(d);
}

void dentry_instantiate(struct dentry *d, struct inode *inode)
{
	DEBUG_ASSERT(!dentry_inode(d));
	inode_get(inode);
	mutex_lock(&alias_lock);
	list_push_back(&inode->dentries, &d->alias);
	mutex_unlock(&alias_lock);
	atomic_store_explicit(&d->inode, inode, memory_order_release);
}

void dentry_publish(struct dentry *d, struct inode *inode)
{
	dentry_instantiate(d, inode);
	inode_put(inode);
	if (!(d->sb->flags & SUPER_NO_DCACHE))
		dentry_hash_in(d);
}

static struct dentry *find_root_alias(struct inode *root)
{
	struct dentry *found = NULL;

	mutex_lock(&alias_lock);
	list_for_each(d, &root->dentries, struct dentry, alias) {
		if (dentry_is_root(d) && refcount_get_not_zero(&d->refs)) {
			found = d;
			break;
		}
	}
	mutex_unlock(&alias_lock);
	return found;
}

int dentry_root(struct super *sb, struct dentry **out)
{
	/* Serialises the makers; two roots of one super would part its tree. */
	mutex_lock(&sb->rename_lock);
	*out = find_root_alias(sb->root);
	if (!*out)
		*out = dentry_create(NULL, sb, "/", 1, sb->root);
	mutex_unlock(&sb->rename_lock);
	return *out ? 0 : -ENOMEM;
}

/* ---- the hash table ---- */

uint64_t dentry_hash(const struct dentry *parent, const char *name, size_t len)
{
	return hash_bytes(name, len) + hash_u64((uintptr_t)parent);
}

struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len)
{
	uint64_t hash = dentry_hash(parent, name, len);
	struct mutex *lock = bucket_lock(hash);
	struct dentry *d;

	mutex_lock(lock);
	for (d = buckets[hash % BUCKETS]; d; d = d->hash_next) {
		if (d->hash == hash && d->parent == parent && d->name_len == len &&
		    memcmp(d->name, name, len) == 0)
			break;
	}
	if (d)
		dentry_get(d);
	mutex_unlock(lock);
	if (d && !dentry_has(d, DENTRY_REFERENCED))
		atomic_fetch_or_explicit(&d->flags, DENTRY_REFERENCED, memory_order_relaxed);
	return d;
}

static void bucket_insert(struct dentry *d)
{
	uint64_t hash = dentry_hash(d->parent, d->name, d->name_len);
	struct mutex *lock = bucket_lock(hash);

	mutex_lock(lock);
	d->hash = hash;
	d->hash_next = buckets[hash % BUCKETS];
	buckets[hash % BUCKETS] = d;
	atomic_fetch_or(&d->flags, DENTRY_HASHED);
	mutex_unlock(lock);
}

/* Takes d out of its bucket when it is there and has no more references than
 * max_refs. d->hash is stable: only the holder of dir_lock puts it back. */
static bool bucket_remove(struct dentry *d, unsigned max_refs)
{
	uint64_t hash = d->hash;
	struct mutex *lock = bucket_lock(hash);
	bool removed = false;

	mutex_lock(lock);
	if (dentry_has(d, DENTRY_HASHED) && d->hash == hash &&
	    refcount_read(&d->refs) <= max_refs) {
		struct dentry **at = &buckets[hash % BUCKETS];

		while (*at != d)
			at = &(*at)->hash_next;
		*at = d->hash_next;
		d->hash_next = NULL;
		atomic_fetch_and(&d->flags, ~DENTRY_HASHED);
		removed = true;
	}
	mutex_unlock(lock);
	return removed;
}

void dentry_hash_in(struct dentry *d)
{
	if (dentry_has(d, DENTRY_HASHED))
		return;
	dentry_get(d);
	atomic_fetch_or(&d->flags, DENTRY_REFERENCED);
	/* The list first: what is hashed must be found by the shrinker and by
	 * dcache_prune_super(). */
	mutex_lock(&lru_lock);
	list_push_back(&lru, &d->lru);
	mutex_unlock(&lru_lock);
	atomic_fetch_add(&lru_count, 1);
	bucket_insert(d);
}

/* After bucket_remove(): the table's reference goes too. */
static void forget_removed(struct dentry *d)
{
	mutex_lock(&lru_lock);
	list_del(&d->lru);
	mutex_unlock(&lru_lock);
	atomic_fetch_sub(&lru_count, 1);
	dentry_put(d);
}

void dentry_unhash(struct dentry *d)
{
	if (bucket_remove(d, UINT32_MAX))
		forget_removed(d);
}

void dentry_mark_deleted(struct dentry *d)
{
	dentry_unhash(d);
	atomic_fetch_and(&d->flags, ~DENTRY_LINKABLE);
	atomic_fetch_or(&d->flags, DENTRY_DELETED);
}

void inode_forget_names(struct inode *inode)
{
	struct dentry *found;

	do {
		found = NULL;
		mutex_lock(&alias_lock);
		list_for_each(d, &inode->dentries, struct dentry, alias) {
			if (dentry_has(d, DENTRY_HASHED) && refcount_get_not_zero(&d->refs)) {
				found = d;
				break;
			}
		}
		mutex_unlock(&alias_lock);
		if (found) {
			dentry_unhash(found);
			dentry_put(found);
		}
	} while (found);
}

struct dentry *dentry_of_inode(struct inode *inode)
{
	struct dentry *found = NULL;

	mutex_lock(&alias_lock);
	for (int deleted = 0; deleted < 2 && !found; deleted++) {
		list_for_each(d, &inode->dentries, struct dentry, alias) {
			if (dentry_has(d, DENTRY_DELETED) == (bool)deleted &&
			    refcount_get_not_zero(&d->refs)) {
				found = d;
				break;
			}
		}
	}
	mutex_unlock(&alias_lock);
	return found;
}

/* ---- the clock ---- */

/* Collects references on at most SHRINK_BATCH unused dentries (of sb, or below
 * parent; both NULL: any), looking at no more than *look, which it counts down. */
static unsigned lru_collect(struct dentry **found, unsigned *look, const struct super *sb,
			    const struct dentry *parent)
{
	unsigned count = 0;

	mutex_lock(&lru_lock);
	for (; *look > 0 && count < SHRINK_BATCH && !list_empty(&lru); (*look)--) {
		struct dentry *d = list_first(&lru, struct dentry, lru);
		bool used = dentry_has(d, DENTRY_REFERENCED);

		list_del(&d->lru);
		list_push_back(&lru, &d->lru);
		if ((sb && d->sb != sb) || (parent && READ_ONCE(d->parent) != parent))
			continue;
		atomic_fetch_and(&d->flags, ~DENTRY_REFERENCED);
		if ((used && !sb && !parent) || refcount_read(&d->refs) != 1)
			continue;
		if (refcount_get_not_zero(&d->refs))
			found[count++] = d;
	}
	mutex_unlock(&lru_lock);
	return count;
}

/* Drops d if it is still used by nobody but the table and the caller. */
static bool drop_if_unused(struct dentry *d)
{
	if (!bucket_remove(d, 2))
		return false;
	forget_removed(d);
	return true;
}

/* climb: goes on with each parent that becomes unused by it, so that a deep
 * chain goes at once and not a leaf each time. */
static unsigned drop_unused(struct dentry **found, unsigned count, bool climb)
{
	unsigned dropped = 0;

	for (unsigned i = 0; i < count; i++) {
		struct dentry *d = found[i];

		while (drop_if_unused(d)) {
			struct dentry *parent = dentry_get_parent(d);

			dropped++;
			dentry_put(d);
			d = parent;
			if (!climb)
				break;
		}
		dentry_put(d);
	}
	return dropped;
}

void vfs_set_names_max(unsigned max)
{
	lru_max = max;
}

void dcache_shrink(void)
{
	struct dentry *found[SHRINK_BATCH];
	unsigned look = 4 * SHRINK_BATCH;

	if (likely(atomic_load_explicit(&lru_count, memory_order_relaxed) <= lru_max))
		return;
	drop_unused(found, lru_collect(found, &look, NULL, NULL), false);
}

void dcache_prune_super(struct super *sb)
{
	struct dentry *found[SHRINK_BATCH];
	unsigned dropped;

	/* A pass frees what it meets unused, and upwards from there; a parent that
	 * another child still holds is for the next one. */
	do {
		unsigned left = atomic_load(&lru_count), count;

		dropped = 0;
		do {
			count = lru_collect(found, &left, sb, NULL);
			dropped += drop_unused(found, count, true);
		} while (count > 0);
	} while (dropped > 0);
}

void dcache_prune_children(struct dentry *parent)
{
	unsigned left = atomic_load(&lru_count), count;
	struct dentry *found[SHRINK_BATCH];

	do {
		count = lru_collect(found, &left, NULL, parent);
		drop_unused(found, count, false);
	} while (count > 0);
}

/* ---- the tree ---- */

struct dentry *dentry_get_parent(struct dentry *d)
{
	struct mutex *lock = tree_lock(d);
	struct dentry *parent;

	mutex_lock(lock);
	parent = dentry_get(d->parent);
	mutex_unlock(lock);
	return parent;
}

struct dentry *dentry_prepend_name(struct dentry *d, const char *buf, char **end)
{
	struct mutex *lock = tree_lock(d);
	struct dentry *parent = NULL;

	mutex_lock(lock);
	if ((size_t)(*end - buf) >= d->name_len) {
		*end -= d->name_len;
		memcpy(*end, d->name, d->name_len);
		parent = dentry_get(d->parent);
	}
	mutex_unlock(lock);
	return parent;
}

bool dentry_is_ancestor(struct dentry *maybe_ancestor, struct dentry *d)
{
	/* rename_lock is held: no directory gets another parent meanwhile. */
	for (;;) {
		if (d == maybe_ancestor)
			return true;
		if (dentry_is_root(d))
			return false;
		d = d->parent;
	}
}

/* Gives an unhashed d a parent and the name of a dentry that only carries it
 * (set_name()); returns the old parent, to be put. */
static struct dentry *retie(struct dentry *d, struct dentry *parent, const struct dentry *name_from)
{
	struct mutex *lock = tree_lock(d);
	struct dentry *old = d->parent;
	char *old_name = d->name == d->short_name ? NULL : d->name;

	dentry_get(parent);
	mutex_lock(lock);
	if (old != parent)
		d->parent = parent; /* rename_lock is held only then */
	d->name_len = name_from->name_len;
	if (name_from->name == name_from->short_name) {
		memcpy(d->short_name, name_from->short_name, DENTRY_INLINE_NAME);
		d->name = d->short_name;
	} else {
		d->name = name_from->name;
	}
	mutex_unlock(lock);
	free(old_name);
	return old;
}

int dentry_move(struct dentry *d, struct dentry *parent, const char *name, size_t len)
{
	struct dentry carrier;
	struct dentry *old;
	bool was_hashed = dentry_has(d, DENTRY_HASHED);

	if (!set_name(&carrier, name, len))
		return -ENOMEM;
	dentry_get(d);
	atomic_fetch_add(&dcache_rename_seq, 1);
	if (was_hashed)
		dentry_unhash(d);
	old = retie(d, parent, &carrier);
	atomic_fetch_add(&dcache_rename_seq, 1);
	if (was_hashed)
		dentry_hash_in(d);
	dentry_put(d);
	dentry_put(old);
	return 0;
}

int dentry_exchange(struct dentry *a, struct dentry *b)
{
	struct dentry a_name, b_name;
	struct dentry *a_parent = a->parent, *b_parent = b->parent;
	bool a_hashed = dentry_has(a, DENTRY_HASHED), b_hashed = dentry_has(b, DENTRY_HASHED);

	if (!set_name(&a_name, a->name, a->name_len))
		return -ENOMEM;
	if (!set_name(&b_name, b->name, b->name_len)) {
		free_name(&a_name);
		return -ENOMEM;
	}
	atomic_fetch_add(&dcache_rename_seq, 1);
	dentry_unhash(a);
	dentry_unhash(b);
	dentry_get(a_parent);
	dentry_put(retie(a, b_parent, &b_name));
	dentry_put(retie(b, a_parent, &a_name));
	dentry_put(a_parent);
	atomic_fetch_add(&dcache_rename_seq, 1);
	if (a_hashed)
		dentry_hash_in(a);
	if (b_hashed)
		dentry_hash_in(b);
	return 0;
}

/* ---- lookup ---- */

/* name is the caller's: d's own may be changing. */
static bool is_valid(struct dentry *parent, struct dentry *d, const char *name, size_t len)
{
	struct inode *dir = dentry_inode(parent);
	char copy[DENTRY_NAME_MAX + 1];

	if (likely(!dir->ops->revalidate) || atomic_load(&d->mounts) > 0)
		return true;
	memcpy(copy, name, len);
	copy[len] = '\0';
	return dir->ops->revalidate(dir, copy, dentry_inode(d));
}

/* A cached and valid child, or NULL. */
static struct dentry *find_valid(struct dentry *parent, const char *name, size_t len)
{
	struct dentry *d = dentry_find(parent, name, len);

	if (d && unlikely(!is_valid(parent, d, name, len))) {
		dentry_unhash(d);
		dentry_put(d);
		d = NULL;
	}
	return d;
}

int dentry_lookup_locked(struct dentry *parent, const char *name, size_t len,
			 const struct vfs_ctx *ctx, struct dentry **out)
{
	struct inode *dir = dentry_inode(parent), *inode = NULL;
	struct dentry *d = find_valid(parent, name, len);
	unsigned no_cache;
	int r;

	rwlock_assert_write_held(&dir->dir_lock);
	*out = d;
	if (d)
		return 0;
	if (len > DENTRY_NAME_MAX)
		return -ENAMETOOLONG;
	if (dentry_has(parent, DENTRY_DELETED))
		return -ENOENT;
	if (!dir->ops->lookup)
		return -ENOTDIR;
	d = dentry_create(parent, parent->sb, name, len, NULL);
	if (!d)
		return -ENOMEM;
	r = dir->ops->lookup(dir, d->name, ctx, &inode);
	if (r < 0 && r != -ENOENT) {
		dentry_put(d);
		return r;
	}
	no_cache = SUPER_NO_DCACHE;
	if (r == 0) {
		dentry_instantiate(d, inode);
		inode_put(inode);
	} else {
		no_cache |= SUPER_NO_NEGATIVE;
	}
	if (!(parent->sb->flags & no_cache))
		dentry_hash_in(d);
	*out = d;
	return 0;
}

int dentry_lookup(struct dentry *parent, const char *name, size_t len, const struct vfs_ctx *ctx,
		  bool cached_only, struct dentry **out)
{
	struct inode *dir = dentry_inode(parent);
	int r;

	*out = find_valid(parent, name, len);
	if (likely(*out))
		return 0;
	if (cached_only)
		return -EAGAIN;
	rwlock_write(&dir->dir_lock);
	r = dentry_lookup_locked(parent, name, len, ctx, out);
	rwlock_write_unlock(&dir->dir_lock);
	dcache_shrink();
	return r;
}
