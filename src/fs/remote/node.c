/*
 * Remote inodes: identity, places, attributes.
 *
 * Freeing one drops its parent, and so on upwards; guests choose how deep, so
 * freeing is a loop over a list and not recursion.
 */
#include <linux/stat.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/pool.h"
#include "fs/remote/internal.h"

static POOL_DEFINE(rnode_pool, struct rnode);

/* ---- identity ---- */

static uint64_t encode_dev(uint64_t major, uint64_t minor)
{
	return (minor & 0xff) | (major << 8) | ((minor & ~(uint64_t)0xff) << 12);
}

static struct timespec_k time_of(struct statx_timestamp t)
{
	return (struct timespec_k){ t.tv_sec, t.tv_nsec };
}

void identity_of(const struct statx *stx, struct identity *out)
{
	*out = (struct identity){
		.dev = encode_dev(stx->stx_dev_major, stx->stx_dev_minor),
		.ino = stx->stx_ino,
		.mnt = stx->stx_mask & STATX_MNT_ID ? stx->stx_mnt_id : 0,
		.type = stx->stx_mode & S_IFMT,
	};
	if (stx->stx_mask & STATX_BTIME)
		out->born = time_of(stx->stx_btime);
}

bool identity_equal(const struct identity *a, const struct identity *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->mnt == b->mnt && a->type == b->type &&
	       a->born.sec == b->born.sec && a->born.nsec == b->born.nsec;
}

static uint64_t identity_hash(const struct identity *id)
{
	return hash_u64_keyed(id->ino ^ (id->dev << 40));
}

static struct rnode *find_locked(struct remote *rm, const struct identity *id)
{
	htable_for_each(link, &rm->index, identity_hash(id))
	{
		struct rnode *n = container_of(link, struct rnode, hash_link);

		if (identity_equal(&n->id, id) && refcount_get_not_zero(&n->inode.refs))
			return n;
	}
	return NULL;
}

/* ---- places ---- */

static struct place *place_create(struct rnode *parent, const char *name)
{
	size_t len = strlen(name) + 1;
	struct place *p = FAULT_POINT("remote.place") ? NULL : malloc(sizeof(*p) + len);

	if (!p)
		return NULL;
	refcount_init(&p->refs, 1);
	list_init(&p->link);
	inode_get(&parent->inode);
	p->parent = parent;
	memcpy(p->name, name, len);
	return p;
}

void place_put(struct place *p)
{
	if (!p || !refcount_put(&p->refs))
		return;
	inode_put(&p->parent->inode);
	free(p);
}

struct place *place_first(struct rnode *n)
{
	struct place *p = NULL;

	mutex_lock(&n->remote->lock);
	if (!list_empty(&n->places)) {
		p = list_first(&n->places, struct place, link);
		refcount_get(&p->refs);
	}
	mutex_unlock(&n->remote->lock);
	return p;
}

static struct place *find_place_locked(struct rnode *n, const struct rnode *parent,
				       const char *name)
{
	list_for_each(p, &n->places, struct place, link) {
		if (p->parent == parent && strcmp(p->name, name) == 0)
			return p;
	}
	return NULL;
}

int place_add(struct rnode *n, struct rnode *parent, const char *name)
{
	struct place *fresh, *p;

	mutex_lock(&n->remote->lock);
	p = find_place_locked(n, parent, name);
	mutex_unlock(&n->remote->lock);
	if (p)
		return 0;
	fresh = place_create(parent, name);
	if (!fresh)
		return -ENOMEM;
	mutex_lock(&n->remote->lock);
	p = find_place_locked(n, parent, name);
	if (!p) {
		list_push_front(&n->places, &fresh->link);
		fresh = NULL;
	}
	mutex_unlock(&n->remote->lock);
	place_put(fresh);
	return 0;
}

void place_remove(struct rnode *n, const struct rnode *parent, const char *name)
{
	struct place *p;

	mutex_lock(&n->remote->lock);
	p = find_place_locked(n, parent, name);
	if (p)
		list_del(&p->link);
	mutex_unlock(&n->remote->lock);
	place_put(p);
}

void place_remove_one(struct rnode *n, struct place *p)
{
	bool was_there;

	mutex_lock(&n->remote->lock);
	was_there = !list_empty(&p->link);
	list_del(&p->link);
	mutex_unlock(&n->remote->lock);
	if (was_there)
		place_put(p);
}

uint64_t rnode_parent_ino(struct rnode *n)
{
	struct place *p = place_first(n);
	uint64_t ino = p ? p->parent->inode.ino : n->inode.ino;

	place_put(p);
	return ino;
}

/* ---- life ---- */

static const struct inode_ops *ops_for(const struct remote *rm, uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return remote_is_shared(rm) ? &remote_shared_dir_ops : &remote_dir_ops;
	case S_IFREG:
		return &remote_file_ops;
	case S_IFLNK:
		return &remote_link_ops;
	}
	return &remote_special_ops;
}

static struct rnode *rnode_create(struct remote *rm, const struct identity *id,
				  const struct statx *stx)
{
	struct rnode *n = pool_alloc(&rnode_pool);

	if (!n)
		return NULL;
	inode_init(&n->inode, ops_for(rm, stx->stx_mode), &rm->sb, stx->stx_ino, stx->stx_mode,
		   stx->stx_uid, stx->stx_gid);
	n->remote = rm;
	n->id = *id;
	list_init(&n->dead_link);
	list_init(&n->places);
	list_init(&n->lru);
	mutex_init(&n->attr_lock, LOCK_INODE_LOWER);
	mutex_init(&n->write_lock, LOCK_FILE_WRITE);
	mutex_init(&n->maps_lock, LOCK_INODE_MAPS);
	mutex_init(&n->map_lock, LOCK_INODE_LOWER_DATA);
	n->mappable.ops = &remote_mappable_ops;
	mapping_set_init(&n->maps);
	rnode_set_stat(n, stx);
	atomic_fetch_add(&rm->live, 1);
	return n;
}

int rnode_get(struct remote *rm, struct rnode *parent, const char *name, const struct statx *stx,
	      struct rnode **out)
{
	struct rnode *n, *fresh = NULL;
	struct identity id;
	int r = 0;

	identity_of(stx, &id);
	mutex_lock(&rm->lock);
	n = find_locked(rm, &id);
	mutex_unlock(&rm->lock);
	if (!n) {
		fresh = rnode_create(rm, &id, stx);
		if (!fresh)
			return -ENOMEM;
		mutex_lock(&rm->lock);
		n = find_locked(rm, &id);
		if (!n)
			htable_insert(&rm->index, &fresh->hash_link, identity_hash(&id));
		mutex_unlock(&rm->lock);
	}
	if (!n) {
		n = fresh;
	} else {
		rnode_set_stat(n, stx);
		if (fresh)
			inode_put(&fresh->inode);
	}
	if (name)
		r = place_add(n, parent, name);
	if (r < 0) {
		inode_put(&n->inode);
		return r;
	}
	*out = n;
	return 0;
}

static void rnode_free(struct rnode *n)
{
	struct remote_handle *handles[HANDLE_KINDS];

	map_fini(n);
	cached_fini(n);
	mutex_lock(&n->remote->lock);
	handles_take_locked(n, handles);
	mutex_unlock(&n->remote->lock);
	for (int i = 0; i < HANDLE_KINDS; i++)
		remote_handle_put(handles[i]);
	while (!list_empty(&n->places)) {
		struct place *p = list_first(&n->places, struct place, link);

		list_del(&p->link);
		place_put(p);
	}
	pool_free(&rnode_pool, n);
}

void remote_inode_destroy(struct inode *inode)
{
	struct rnode *n = rnode_of(inode);
	struct remote *rm = n->remote;
	unsigned long freed = 0;

	mutex_lock(&rm->lock);
	htable_remove(&rm->index, &n->hash_link);
	list_del(&n->lru);
	list_push_back(&rm->dead, &n->dead_link);
	if (rm->is_reaping) {
		mutex_unlock(&rm->lock);
		return;
	}
	rm->is_reaping = true;
	while (!list_empty(&rm->dead)) {
		n = list_first(&rm->dead, struct rnode, dead_link);
		list_del(&n->dead_link);
		mutex_unlock(&rm->lock);
		rnode_free(n);
		freed++;
		mutex_lock(&rm->lock);
	}
	rm->is_reaping = false;
	mutex_unlock(&rm->lock);
	remote_unref(rm, freed);
}

/* ---- attributes ---- */

void rnode_set_stat(struct rnode *n, const struct statx *x)
{
	struct kstat st = {
		.dev = n->id.dev,
		.ino = x->stx_ino,
		.nlink = x->stx_nlink,
		.rdev = encode_dev(x->stx_rdev_major, x->stx_rdev_minor),
		.mode = x->stx_mode,
		.uid = x->stx_uid,
		.gid = x->stx_gid,
		.size = x->stx_size,
		.blocks = x->stx_blocks,
		.blksize = x->stx_blksize,
		.atime = time_of(x->stx_atime),
		.mtime = time_of(x->stx_mtime),
		.ctime = time_of(x->stx_ctime),
		.btime = time_of(x->stx_btime),
		.mask = x->stx_mask & (STATX_BASIC_STATS | STATX_BTIME),
	};

	mutex_lock(&n->attr_lock);
	times_keep_locked(n, &st);
	n->st = st;
	n->is_stale = false;
	WRITE_ONCE(n->inode.mode, x->stx_mode);
	WRITE_ONCE(n->inode.uid, x->stx_uid);
	WRITE_ONCE(n->inode.gid, x->stx_gid);
	n->inode.rdev = n->st.rdev;
	mutex_unlock(&n->attr_lock);
}

static int stat_by_place(struct rnode *n, struct statx *stx)
{
	struct remote_handle *dir;
	struct place *p;
	int r = handle_place(n, &dir, &p);

	if (r < 0)
		return r;
	r = n->remote->ops->lookup(dir, p->name, stx);
	remote_handle_put(dir);
	place_put(p);
	return r == -ENOENT ? -ESTALE : r;
}

int rnode_refresh(struct rnode *n)
{
	struct remote_handle *h = handle_peek(n);
	struct identity id;
	struct statx stx;
	int r;

	r = h ? n->remote->ops->getattr(h, &stx) : stat_by_place(n, &stx);
	remote_handle_put(h);
	if (r < 0)
		return r;
	identity_of(&stx, &id);
	if (!identity_equal(&id, &n->id))
		return -ESTALE;
	rnode_set_stat(n, &stx);
	return 0;
}

void rnode_changed(struct rnode *n)
{
	mutex_lock(&n->attr_lock);
	n->is_stale = true;
	n->owns_ctime = false;
	mutex_unlock(&n->attr_lock);
}

void rnode_refresh_later(struct rnode *n)
{
	mutex_lock(&n->attr_lock);
	n->is_stale = true;
	mutex_unlock(&n->attr_lock);
}

/* The cache, where there is one that keeps bytes: it knows the size. */
static struct pagecache *keeping_cache(const struct rnode *n)
{
	return remote_is_shared(n->remote) ? NULL : rnode_cache(n);
}

void rnode_grew(struct rnode *n, uint64_t end)
{
	mutex_lock(&n->attr_lock);
	n->is_stale = true;
	n->st.size = MAX(n->st.size, end);
	mutex_unlock(&n->attr_lock);
}

/* What others, or mappings of ours, may have changed. */
static bool must_ask(struct rnode *n)
{
	bool is_stale;

	mutex_lock(&n->attr_lock);
	is_stale = n->is_stale;
	mutex_unlock(&n->attr_lock);
	return is_stale || remote_is_shared(n->remote) || atomic_load(&n->is_mapped_writable);
}

uint64_t rnode_size(struct rnode *n)
{
	uint64_t size;

	if (keeping_cache(n))
		return pagecache_cached_size(keeping_cache(n));
	if (remote_is_shared(n->remote))
		(void)!rnode_refresh(n);
	mutex_lock(&n->attr_lock);
	size = n->st.size;
	mutex_unlock(&n->attr_lock);
	return size;
}

int remote_getattr(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx UNUSED)
{
	struct rnode *n = rnode_of(inode);
	int r = must_ask(n) ? rnode_refresh(n) : 0;

	/* Gone from where it was: what was last seen is the best answer. */
	if (r < 0 && r != -ESTALE)
		return r;
	mutex_lock(&n->attr_lock);
	*st = n->st;
	mutex_unlock(&n->attr_lock);
	if (keeping_cache(n)) {
		uint64_t cached, dirty;

		pagecache_count(keeping_cache(n), &cached, &dirty);
		st->size = pagecache_cached_size(keeping_cache(n));
		st->blocks = MIN(st->blocks + dirty / 512, MAX(st->blocks, (st->size + 511) / 512));
	}
	return 0;
}
