/*
 * Directories: names to inodes.
 *
 * An entry is in a hash table, for lookup, and in an interval map by its
 * cookie, for reading. Cookies only rise, so that a reader's position stays
 * true whatever else comes and goes: what was there when it began (or rewound)
 * and still is, it sees exactly once. Names added since are not shown to it,
 * else a reader that renames as it goes would never end.
 *
 * Removing a directory marks it dead under its own lock when it is empty; it
 * takes no names after that, whoever comes by.
 */
#include <dirent.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "fs/tmpfs/internal.h"

#define HASH_SIZE_MIN 8
#define COOKIE_FIRST 2 /* 0 is ".", 1 is ".." */

/* ---- entries ---- */

static struct tmpfs_entry *entry_create(const char *name, struct inode *inode)
{
	size_t len = strlen(name);
	struct tmpfs_entry *e = NULL;

	if (!FAULT_POINT("tmpfs.entry"))
		e = malloc(sizeof(*e) + len + 1);
	if (!e)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->inode = inode;
	inode_get(inode);
	e->hash = hash_bytes(name, len);
	e->len = len;
	memcpy(e->name, name, len + 1);
	return e;
}

/* With no lock held: the inode's last reference may go. */
static void entry_destroy(struct tmpfs_entry *e)
{
	if (!e)
		return;
	inode_put(e->inode);
	free(e);
}

static struct tmpfs_entry **bucket_of(const struct tmpfs_dir *dir, uint64_t hash)
{
	return &dir->buckets[hash & (dir->hash_size - 1)];
}

static struct tmpfs_entry *find_locked(const struct tmpfs_dir *dir, const char *name)
{
	size_t len = strlen(name);
	uint64_t hash = hash_bytes(name, len);

	if (dir->hash_size == 0)
		return NULL;
	for (struct tmpfs_entry *e = *bucket_of(dir, hash); e; e = e->next) {
		if (e->hash == hash && e->len == len && memcmp(e->name, name, len) == 0)
			return e;
	}
	return NULL;
}

/* Makes room for one more name: -ENOMEM only when there is no table at all. */
static int reserve_locked(struct tmpfs_dir *dir)
{
	size_t size = dir->hash_size ? dir->hash_size * 2 : HASH_SIZE_MIN;
	struct tmpfs_entry **old = dir->buckets, **grown = NULL;
	size_t old_size = dir->hash_size;

	if (dir->by_cookie.count < dir->hash_size)
		return 0;
	if (!FAULT_POINT("tmpfs.dir_hash"))
		grown = calloc(size, sizeof(struct tmpfs_entry *));
	if (!grown)
		return dir->hash_size ? 0 : -ENOMEM;
	dir->buckets = grown;
	dir->hash_size = size;
	for (size_t i = 0; i < old_size; i++) {
		for (struct tmpfs_entry *e = old[i], *next; e; e = next) {
			next = e->next;
			e->next = *bucket_of(dir, e->hash);
			*bucket_of(dir, e->hash) = e;
		}
	}
	free(old);
	return 0;
}

/* After reserve_locked(). */
static void insert_locked(struct tmpfs_dir *dir, struct tmpfs_entry *e)
{
	struct tmpfs_entry **bucket = bucket_of(dir, e->hash);

	e->next = *bucket;
	*bucket = e;
	e->cookie.start = dir->next_cookie++;
	e->cookie.end = dir->next_cookie;
	ASSERT(ivmap_insert(&dir->by_cookie, &e->cookie) == 0);
}

static void remove_locked(struct tmpfs_dir *dir, struct tmpfs_entry *e)
{
	struct tmpfs_entry **at = bucket_of(dir, e->hash);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	ivmap_remove(&dir->by_cookie, &e->cookie);
}

void tmpfs_dir_clear(struct tmpfs_inode *ti)
{
	struct ivnode *n;

	while ((n = ivmap_first(&ti->dir.by_cookie))) {
		struct tmpfs_entry *e = ivmap_entry(n, struct tmpfs_entry, cookie);

		ivmap_remove(&ti->dir.by_cookie, n);
		entry_destroy(e);
	}
	free(ti->dir.buckets);
}

/* ---- small changes ---- */

static void dir_changed_locked(struct tmpfs_inode *dir, int links)
{
	dir->mtime = dir->ctime = tmpfs_now();
	dir->nlink += (uint32_t)links;
}

static void add_link(struct tmpfs_inode *ti)
{
	mutex_lock(&ti->lock);
	if (ti->nlink++ > 0)
		atomic_fetch_add(&tmpfs_super_of(ti)->more_names, 1);
	ti->ctime = tmpfs_now();
	mutex_unlock(&ti->lock);
}

static void drop_link(struct tmpfs_inode *ti)
{
	mutex_lock(&ti->lock);
	if (--ti->nlink > 0)
		atomic_fetch_sub(&tmpfs_super_of(ti)->more_names, 1);
	ti->ctime = tmpfs_now();
	mutex_unlock(&ti->lock);
}

static bool has_name(struct tmpfs_inode *ti)
{
	bool has;

	mutex_lock(&ti->lock);
	has = ti->nlink > 0;
	mutex_unlock(&ti->lock);
	return has;
}

static bool is_dir(const struct inode *inode)
{
	return S_ISDIR(inode->mode);
}

/* An empty directory takes no more names from now on. */
static int kill_dir(struct tmpfs_inode *ti)
{
	int r = 0;

	mutex_lock(&ti->lock);
	if (ti->dir.by_cookie.count > 0) {
		r = -ENOTEMPTY;
	} else {
		ti->dir.is_dead = true;
		ti->nlink = 0;
		ti->ctime = tmpfs_now();
	}
	mutex_unlock(&ti->lock);
	return r;
}

/* Puts e into dir: -ENOENT (removed), -EEXIST, -ENOMEM. */
static int add_entry(struct tmpfs_inode *dir, struct tmpfs_entry *e)
{
	int r = 0;

	mutex_lock(&dir->lock);
	if (dir->dir.is_dead)
		r = -ENOENT;
	else if (find_locked(&dir->dir, e->name))
		r = -EEXIST;
	else
		r = reserve_locked(&dir->dir);
	if (r == 0) {
		insert_locked(&dir->dir, e);
		dir_changed_locked(dir, is_dir(e->inode));
	}
	mutex_unlock(&dir->lock);
	return r;
}

/* ---- lookup, making ---- */

static int tmpfs_lookup(struct inode *inode, const char *name, const struct vfs_ctx *ctx,
			struct inode **out)
{
	struct tmpfs_inode *dir = tmpfs_of(inode);
	struct tmpfs_entry *e;

	(void)ctx;
	mutex_lock(&dir->lock);
	e = find_locked(&dir->dir, name);
	if (e) {
		*out = e->inode;
		inode_get(e->inode);
	}
	mutex_unlock(&dir->lock);
	return e ? 0 : -ENOENT;
}

/* As many inodes as pages, as Linux has it by default. */
static bool is_full(struct tmpfs_super *ts)
{
	return ts->limit_pages && tmpfs_files(ts) > ts->limit_pages;
}

static int new_inode(struct inode *dir, uint32_t mode, const struct vfs_ctx *ctx,
		     struct tmpfs_inode **out)
{
	struct tmpfs_super *ts = tmpfs_super_of(tmpfs_of(dir));

	*out = NULL;
	if (is_full(ts))
		return -ENOSPC;
	*out = tmpfs_inode_create(ts, mode, ctx->cred->fsuid, vfs_new_gid(dir, ctx));
	return *out ? 0 : -ENOMEM;
}

/* Names a fresh inode; takes over the caller's reference. */
static int name_inode(struct inode *inode, const char *name, struct tmpfs_inode *ti,
		      struct inode **out)
{
	struct tmpfs_inode *dir = tmpfs_of(inode);
	struct tmpfs_entry *e = entry_create(name, &ti->inode);
	int r = -ENOMEM;

	if (is_dir(&ti->inode))
		ti->dir.parent_ino = inode->ino;
	if (e)
		r = add_entry(dir, e);
	if (r < 0) {
		entry_destroy(e);
		inode_put(&ti->inode);
		return r;
	}
	*out = &ti->inode;
	return 0;
}

static int tmpfs_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
		       const struct vfs_ctx *ctx, struct inode **out)
{
	struct tmpfs_inode *ti;
	int r = new_inode(dir, mode, ctx, &ti);

	if (r < 0)
		return r;
	ti->inode.rdev = rdev;
	return name_inode(dir, name, ti, out);
}

static int tmpfs_create_file(struct inode *dir, const char *name, uint32_t mode,
			     const struct vfs_ctx *ctx, struct inode **out)
{
	return tmpfs_mknod(dir, name, S_IFREG | (mode & 07777), 0, ctx, out);
}

static int tmpfs_mkdir(struct inode *dir, const char *name, uint32_t mode,
		       const struct vfs_ctx *ctx, struct inode **out)
{
	return tmpfs_mknod(dir, name, S_IFDIR | (mode & 07777), 0, ctx, out);
}

static int tmpfs_symlink(struct inode *dir, const char *name, const char *target,
			 const struct vfs_ctx *ctx, struct inode **out)
{
	struct tmpfs_inode *ti;
	int r = new_inode(dir, S_IFLNK | 0777, ctx, &ti);

	if (r < 0)
		return r;
	ti->target = FAULT_POINT("tmpfs.symlink") ? NULL : strdup(target);
	if (!ti->target) {
		inode_put(&ti->inode);
		return -ENOMEM;
	}
	return name_inode(dir, name, ti, out);
}

static int tmpfs_tmpfile(struct inode *dir, uint32_t mode, const struct vfs_ctx *ctx,
			 struct inode **out)
{
	struct tmpfs_inode *ti;
	int r = new_inode(dir, S_IFREG | (mode & 07777), ctx, &ti);

	if (r < 0)
		return r;
	ti->nlink = 0;
	*out = &ti->inode;
	return 0;
}

static int tmpfs_link(struct inode *dir, const char *name, struct inode *target,
		      const struct vfs_ctx *ctx)
{
	struct tmpfs_inode *ti = tmpfs_of(target);
	struct tmpfs_entry *e;
	int r;

	(void)ctx;
	if (has_name(ti) && is_full(tmpfs_super_of(ti)))
		return -ENOSPC;
	e = entry_create(name, target);
	if (!e)
		return -ENOMEM;
	r = add_entry(tmpfs_of(dir), e);
	if (r < 0)
		entry_destroy(e);
	else
		add_link(ti);
	return r;
}

/* ---- removing ---- */

static int take_entry(struct tmpfs_inode *dir, const char *name, int links)
{
	struct tmpfs_entry *e;

	mutex_lock(&dir->lock);
	e = find_locked(&dir->dir, name);
	if (e) {
		remove_locked(&dir->dir, e);
		dir_changed_locked(dir, links);
	}
	mutex_unlock(&dir->lock);
	entry_destroy(e);
	return e ? 0 : -ENOENT;
}

static int tmpfs_unlink(struct inode *dir, const char *name, struct inode *victim,
			const struct vfs_ctx *ctx)
{
	int r;

	(void)ctx;
	inode_get(victim);
	r = take_entry(tmpfs_of(dir), name, 0);
	if (r == 0)
		drop_link(tmpfs_of(victim));
	inode_put(victim);
	return r;
}

static int tmpfs_rmdir(struct inode *dir, const char *name, struct inode *victim,
		       const struct vfs_ctx *ctx)
{
	int r = kill_dir(tmpfs_of(victim));

	(void)ctx;
	return r < 0 ? r : take_entry(tmpfs_of(dir), name, -1);
}

/* ---- rename ---- */

LOCKS_UNCHECKED static void lock_two(struct tmpfs_inode *a, struct tmpfs_inode *b)
{
	mutex_lock(&(a < b ? a : b)->lock);
	if (a != b)
		mutex_lock_nested(&(a < b ? b : a)->lock);
}

LOCKS_UNCHECKED static void unlock_two(struct tmpfs_inode *a, struct tmpfs_inode *b)
{
	mutex_unlock(&a->lock);
	if (a != b)
		mutex_unlock(&b->lock);
}

static void moved(struct inode *inode, struct inode *newdir)
{
	struct tmpfs_inode *ti = tmpfs_of(inode);

	mutex_lock(&ti->lock);
	ti->ctime = tmpfs_now();
	if (is_dir(inode))
		ti->dir.parent_ino = newdir->ino;
	mutex_unlock(&ti->lock);
}

static int rename_exchange(struct inode *olddir, const char *oldname, struct inode *newdir,
			   const char *newname)
{
	struct tmpfs_inode *from = tmpfs_of(olddir), *to = tmpfs_of(newdir);
	struct tmpfs_entry *a, *b;
	struct inode *x = NULL, *y = NULL;

	lock_two(from, to);
	a = find_locked(&from->dir, oldname);
	b = find_locked(&to->dir, newname);
	if (a && b) {
		x = a->inode;
		y = b->inode;
		a->inode = y;
		b->inode = x;
		dir_changed_locked(from, is_dir(y) - is_dir(x));
		dir_changed_locked(to, is_dir(x) - is_dir(y));
	}
	unlock_two(from, to);
	if (!x)
		return -ENOENT;
	moved(x, newdir);
	moved(y, olddir);
	return 0;
}

/* Moves the name; `fresh` is its new entry. What it took out: old, replaced. */
static int move_entry(struct tmpfs_inode *from, const char *oldname, struct tmpfs_inode *to,
		      struct tmpfs_entry *fresh, struct tmpfs_entry *out[2])
{
	bool moves_dir = is_dir(fresh->inode);
	int r = 0;

	lock_two(from, to);
	out[0] = find_locked(&from->dir, oldname);
	out[1] = find_locked(&to->dir, fresh->name);
	if (!out[0] || to->dir.is_dead)
		r = -ENOENT;
	else
		r = reserve_locked(&to->dir);
	if (r == 0) {
		remove_locked(&from->dir, out[0]);
		dir_changed_locked(from, -(int)moves_dir);
		if (out[1]) {
			remove_locked(&to->dir, out[1]);
			dir_changed_locked(to, -(int)is_dir(out[1]->inode));
		}
		insert_locked(&to->dir, fresh);
		dir_changed_locked(to, moves_dir);
	}
	unlock_two(from, to);
	return r;
}

static void revive_dir(struct tmpfs_inode *ti)
{
	mutex_lock(&ti->lock);
	ti->dir.is_dead = false;
	ti->nlink = 2;
	mutex_unlock(&ti->lock);
}

static int tmpfs_rename(struct inode *olddir, const char *oldname, struct inode *inode,
			struct inode *newdir, const char *newname, struct inode *target,
			unsigned flags, const struct vfs_ctx *ctx)
{
	struct tmpfs_entry *fresh, *taken[2];
	int r;

	(void)ctx;
	if (flags & RENAME_EXCHANGE)
		return rename_exchange(olddir, oldname, newdir, newname);
	fresh = entry_create(newname, inode);
	if (!fresh)
		return -ENOMEM;
	if (target && is_dir(target)) {
		r = kill_dir(tmpfs_of(target));
		if (r < 0)
			goto out_destroy;
	}
	r = move_entry(tmpfs_of(olddir), oldname, tmpfs_of(newdir), fresh, taken);
	if (r < 0) {
		if (target && is_dir(target))
			revive_dir(tmpfs_of(target));
		goto out_destroy;
	}
	if (target && !is_dir(target))
		drop_link(tmpfs_of(target));
	moved(inode, newdir);
	entry_destroy(taken[0]);
	entry_destroy(taken[1]);
	return 0;
out_destroy:
	entry_destroy(fresh);
	return r;
}

/* ---- reading ---- */

struct listing {
	char name[256];
	size_t len;
	uint64_t ino, cookie;
	uint8_t type;
};

/* The first entry at or after pos and before `end`. */
static bool next_entry(struct tmpfs_inode *dir, uint64_t pos, uint64_t end, struct listing *out)
{
	struct tmpfs_entry *e = NULL;
	struct ivnode *n;

	mutex_lock(&dir->lock);
	n = ivmap_lower_bound(&dir->dir.by_cookie, pos);
	if (n && n->start < end) {
		e = ivmap_entry(n, struct tmpfs_entry, cookie);
		memcpy(out->name, e->name, e->len + 1);
		out->len = e->len;
		out->ino = e->inode->ino;
		out->type = (uint8_t)IFTODT(e->inode->mode);
		out->cookie = n->start;
	}
	mutex_unlock(&dir->lock);
	return e != NULL;
}

static int tmpfs_readdir(struct file *f, dirent_fn emit, void *arg, const struct vfs_ctx *ctx)
{
	struct tmpfs_inode *dir = tmpfs_of(f->inode);
	struct listing item;
	uint64_t parent_ino;

	(void)ctx;
	mutex_lock(&dir->lock);
	parent_ino = dir->dir.parent_ino;
	if (f->pos == 0 || f->version == 0)
		f->version = dir->dir.next_cookie;
	mutex_unlock(&dir->lock);
	if (f->pos == 0) {
		if (!emit(arg, ".", 1, dir->inode.ino, DT_DIR, 1))
			return 0;
		f->pos = 1;
	}
	if (f->pos == 1) {
		if (!emit(arg, "..", 2, parent_ino, DT_DIR, COOKIE_FIRST))
			return 0;
		f->pos = COOKIE_FIRST;
	}
	while (next_entry(dir, f->pos, f->version, &item)) {
		if (!emit(arg, item.name, item.len, item.ino, item.type, item.cookie + 1))
			break;
		f->pos = item.cookie + 1;
	}
	tmpfs_accessed(dir, f);
	return 0;
}

static int64_t tmpfs_dir_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx)
{
	(void)ctx;
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	if (whence == SEEK_CUR && add_overflow(off, (int64_t)f->pos, &off))
		return -EOVERFLOW;
	if (off < 0)
		return -EINVAL;
	f->pos = (uint64_t)off;
	return off;
}

static int tmpfs_dir_fsync(struct file *f, bool data_only)
{
	(void)f;
	(void)data_only;
	return 0;
}

static const struct file_ops tmpfs_dir_ops = {
	.name = "tmpfs directory",
	.lseek = tmpfs_dir_lseek,
	.readdir = tmpfs_readdir,
	.fsync = tmpfs_dir_fsync,
};

int tmpfs_dir_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx)
{
	(void)inode;
	(void)ctx;
	f->ops = &tmpfs_dir_ops;
	return 0;
}

const struct inode_ops tmpfs_dir_inode_ops = {
	.lookup = tmpfs_lookup,
	.create = tmpfs_create_file,
	.mkdir = tmpfs_mkdir,
	.mknod = tmpfs_mknod,
	.symlink = tmpfs_symlink,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.rmdir = tmpfs_rmdir,
	.rename = tmpfs_rename,
	.tmpfile = tmpfs_tmpfile,
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.listxattr = tmpfs_listxattr,
	.removexattr = tmpfs_removexattr,
	.open = tmpfs_dir_open,
};
