/* See overlay.h. */
#include "fs/overlay/overlay.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pool.h"
#include "base/log.h"

struct onode;

/* One changed name of a directory. */
struct oentry {
	struct list link;
	struct onode *node; /* reference; NULL: whiteout */
	uint32_t hash;
	char name[];
};

struct onode {
	struct inode inode;
	struct overlay *ov;
	struct mutex lock;
	struct inode *lower; /* [I] reference, may be NULL */
	struct inode *_Atomic upper; /* [lock] to set; reference */
	char upper_name[24]; /* [lock] in the upper root */
	uint32_t nlink;      /* [dir_locks] names it has lost or won here */
	int32_t link_delta;
	bool is_new;         /* made here: lower never had it */
	uint64_t dev, ino;   /* [I] as shown */
	struct list *buckets; /* [dir_lock] directories: names; NULL: none */
	size_t nentries;
	struct onode *parent; /* [dir_lock] directories: for ".." in listings */
};

#define BUCKETS 32

struct overlay {
	struct super sb;
	struct super *lower, *upper;
	overlay_list_fn list;
	atomic_ulong next_number;
	struct mutex nodes_lock; /* LOCK_DCACHE-like: the table below */
	struct list nodes[1024]; /* [nodes_lock] onodes of lower hard links */
};

POOL_DEFINE(onode_pool, struct onode);

static const struct inode_ops overlay_dir_ops, overlay_file_ops;

static struct onode *onode_of(struct inode *inode)
{
	return container_of(inode, struct onode, inode);
}

/* The side that counts. */
static struct inode *real_of(struct onode *o)
{
	struct inode *up = atomic_load(&o->upper);

	return up ? up : o->lower;
}

static struct vfs_ctx root_ctx(const struct vfs_ctx *ctx)
{
	struct vfs_ctx c = *ctx;

	c.fsize_limit = ~(uint64_t)0;
	return c;
}

/* ---- name tables ---- */

static uint32_t hash_name(const char *name)
{
	uint32_t h = 2166136261u;

	while (*name)
		h = (h ^ (uint8_t)*name++) * 16777619u;
	return h;
}

static struct oentry *entry_find(struct onode *dir, const char *name)
{
	uint32_t h = hash_name(name);

	if (!dir->buckets)
		return NULL;
	list_for_each(e, &dir->buckets[h % BUCKETS], struct oentry, link) {
		if (e->hash == h && strcmp(e->name, name) == 0)
			return e;
	}
	return NULL;
}

/* Sets what the name is; takes its own reference on node. */
static int entry_set(struct onode *dir, const char *name, struct onode *node)
{
	struct oentry *e = entry_find(dir, name);
	struct onode *old;

	if (!dir->buckets) {
		dir->buckets = malloc(BUCKETS * sizeof(*dir->buckets));
		if (!dir->buckets)
			return -ENOMEM;
		for (int i = 0; i < BUCKETS; i++)
			list_init(&dir->buckets[i]);
	}
	if (!e) {
		e = malloc(sizeof(*e) + strlen(name) + 1);
		if (!e)
			return -ENOMEM;
		e->hash = hash_name(name);
		e->node = NULL;
		strcpy(e->name, name);
		list_push_back(&dir->buckets[e->hash % BUCKETS], &e->link);
		dir->nentries++;
	}
	old = e->node;
	if (node)
		inode_get(&node->inode);
	e->node = node;
	if (old)
		inode_put(&old->inode);
	return 0;
}

static void entry_drop(struct onode *dir, struct oentry *e)
{
	struct onode *old = e->node;

	list_del(&e->link);
	dir->nentries--;
	free(e);
	if (old)
		inode_put(&old->inode);
}

/* The lower directory has a name that must be hidden. */
static bool lower_has(struct onode *dir, const char *name, const struct vfs_ctx *ctx)
{
	struct inode *found;
	int r;

	if (!dir->lower || !dir->lower->ops->lookup)
		return false;
	r = dir->lower->ops->lookup(dir->lower, name, ctx, &found);
	if (r < 0)
		return r != -ENOENT;
	inode_put(found);
	return true;
}

/* The name goes: a whiteout where the lower one would show through. */
static int entry_remove(struct onode *dir, const char *name, const struct vfs_ctx *ctx)
{
	struct oentry *e;

	if (lower_has(dir, name, ctx))
		return entry_set(dir, name, NULL);
	e = entry_find(dir, name);
	if (e)
		entry_drop(dir, e);
	return 0;
}

/* ---- onodes ---- */

static struct onode *onode_new(struct overlay *ov, struct inode *lower, struct inode *upper)
{
	struct onode *o = pool_alloc(&onode_pool);
	struct inode *real = upper ? upper : lower;
	bool dir = S_ISDIR(real->mode);

	if (!o)
		return NULL;
	o->ov = ov;
	o->lower = lower;
	atomic_init(&o->upper, upper);
	o->is_new = !lower;
	mutex_init(&o->lock, LOCK_INODE);
	o->ino = real->ino;
	inode_init(&o->inode, dir ? &overlay_dir_ops : &overlay_file_ops, &ov->sb, real->ino, real->mode,
		   real->uid, real->gid);
	o->inode.rdev = real->rdev;
	return o;
}

static void overlay_inode_destroy(struct inode *inode)
{
	struct onode *o = onode_of(inode);
	struct inode *up = atomic_load(&o->upper);
	struct vfs_ctx ctx = { 0 };

	if (o->buckets) {
		for (int i = 0; i < BUCKETS; i++) {
			while (!list_empty(&o->buckets[i]))
				entry_drop(o, list_first(&o->buckets[i], struct oentry, link));
		}
		free(o->buckets);
	}
	if (up) {
		struct inode *root = o->ov->upper->root;

		rwlock_write_nested(&root->dir_lock);
		if (S_ISDIR(up->mode))
			(void)root->ops->rmdir(root, o->upper_name, up, &ctx);
		else
			(void)root->ops->unlink(root, o->upper_name, up, &ctx);
		rwlock_write_unlock(&root->dir_lock);
		inode_put(up);
	}
	if (o->lower)
		inode_put(o->lower);
	pool_free(&onode_pool, o);
}

/* ---- making upper objects ---- */

enum make { MAKE_FILE, MAKE_DIR, MAKE_NODE, MAKE_LINK };

static int upper_make(struct overlay *ov, enum make what, uint32_t mode, uint64_t rdev, const char *target,
		      const struct vfs_ctx *ctx, char name[24], struct inode **out)
{
	struct inode *root = ov->upper->root;
	int r;

	snprintf(name, 24, "%lu", atomic_fetch_add(&ov->next_number, 1));
	rwlock_write_nested(&root->dir_lock);
	switch (what) {
	case MAKE_FILE:
		r = root->ops->create(root, name, mode, ctx, out);
		break;
	case MAKE_DIR:
		r = root->ops->mkdir(root, name, mode, ctx, out);
		break;
	case MAKE_NODE:
		r = root->ops->mknod(root, name, mode, rdev, ctx, out);
		break;
	default:
		r = root->ops->symlink(root, name, target, ctx, out);
		break;
	}
	rwlock_write_unlock(&root->dir_lock);
	return r;
}

static void sync_attrs(struct onode *o)
{
	struct inode *real = real_of(o);

	o->inode.mode = real->mode;
	o->inode.uid = real->uid;
	o->inode.gid = real->gid;
}

/* ---- copy-up ---- */

static int copy_data(struct onode *o, struct inode *up, uint64_t size, const struct vfs_ctx *ctx)
{
	struct vfs_ctx c = root_ctx(ctx);
	struct file *in = NULL, *out = NULL;
	struct io io = { .ctx = &c };
	fileoff_t from = 0, to = 0;
	char *buf = malloc(65536);
	int r = buf ? 0 : -ENOMEM;

	if (r == 0)
		r = file_create_unnamed(o->lower, "lower", O_RDONLY, &c, &in);
	if (r == 0)
		r = file_create_unnamed(up, "upper", O_WRONLY, &c, &out);
	while (r == 0 && from < size) {
		struct uio_seg seg;
		struct uio u;
		ssize_t n;

		uio_init_kernel(&u, &seg, UIO_TO_USER, buf, MIN((uint64_t)65536, size - from));
		n = in->ops->read(in, &u, &from, &io);
		if (n <= 0) {
			r = (int)n;
			break;
		}
		uio_init_kernel(&u, &seg, UIO_FROM_USER, buf, (size_t)n);
		n = out->ops->write(out, &u, &to, &io);
		if (n < 0)
			r = (int)n;
		else if (to != from)
			r = -ENOSPC;
	}
	if (in)
		file_put(in);
	if (out)
		file_put(out);
	free(buf);
	return r;
}

static int copy_attrs(struct inode *up, const struct kstat *st, const struct vfs_ctx *ctx)
{
	struct setattr sa = {
		.valid = SETATTR_UID | SETATTR_GID | SETATTR_MODE | SETATTR_ATIME | SETATTR_MTIME,
		.mode = st->mode & 07777, .uid = st->uid, .gid = st->gid, .atime = st->atime, .mtime = st->mtime,
	};

	if (S_ISLNK(st->mode))
		sa.valid &= ~SETATTR_MODE;
	return up->ops->setattr(up, &sa, ctx);
}

static void copy_xattrs(struct onode *o, struct inode *up)
{
	char names[4096], *val;
	ssize_t n;

	if (!o->lower->ops->listxattr || !up->ops->setxattr)
		return;
	n = o->lower->ops->listxattr(o->lower, names, sizeof(names));
	val = n > 0 ? malloc(65536) : NULL;
	for (ssize_t at = 0; val && at < n; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t len = o->lower->ops->getxattr(o->lower, names + at, val, 65536);

		if (len >= 0)
			(void)up->ops->setxattr(up, names + at, val, (size_t)len, 0);
	}
	free(val);
}

static int make_copy(struct onode *o, bool with_data, const struct vfs_ctx *ctx, struct inode **out)
{
	char target[4096];
	struct kstat st;
	ssize_t n;
	int r = o->lower->ops->getattr(o->lower, &st, ctx);

	if (r < 0)
		return r;
	if (S_ISREG(st.mode)) {
		r = upper_make(o->ov, MAKE_FILE, st.mode, 0, NULL, ctx, o->upper_name, out);
	} else if (S_ISDIR(st.mode)) {
		r = upper_make(o->ov, MAKE_DIR, st.mode, 0, NULL, ctx, o->upper_name, out);
	} else if (S_ISLNK(st.mode)) {
		n = o->lower->ops->readlink(o->lower, target, sizeof(target) - 1, ctx);
		if (n < 0)
			return (int)n;
		target[n] = '\0';
		r = upper_make(o->ov, MAKE_LINK, st.mode, 0, target, ctx, o->upper_name, out);
	} else {
		r = upper_make(o->ov, MAKE_NODE, st.mode, st.rdev, NULL, ctx, o->upper_name, out);
	}
	if (r < 0)
		return r;
	if (S_ISREG(st.mode) && with_data)
		r = copy_data(o, *out, st.size, ctx);
	if (r == 0)
		copy_xattrs(o, *out);
	if (r == 0)
		r = copy_attrs(*out, &st, ctx);
	if (r < 0)
		inode_put(*out);
	return r;
}

/* Afterwards the onode has an upper inode. */
static int copy_up(struct onode *o, bool with_data, const struct vfs_ctx *ctx)
{
	struct inode *up = NULL;
	int r = 0;

	if (atomic_load(&o->upper))
		return 0;
	mutex_lock(&o->lock);
	if (!atomic_load(&o->upper)) {
		r = make_copy(o, with_data, ctx, &up);
		if (r == 0)
			atomic_store(&o->upper, up);
	}
	mutex_unlock(&o->lock);
	return r;
}

/* A changed object must be found again: its name gets an entry, and so does
 * each directory above it that has only a lower one. vfs keeps the dentries of
 * an inode in use alive, so pinning by the parent's table is enough. */
static int pin(struct onode *dir, const char *name, struct onode *o)
{
	struct oentry *e = entry_find(dir, name);

	if (e && e->node == o)
		return 0;
	return entry_set(dir, name, o);
}

/* ---- names ---- */

static int overlay_lookup(struct inode *dir, const char *name, const struct vfs_ctx *ctx, struct inode **out)
{
	struct onode *d = onode_of(dir), *o;
	struct oentry *e = entry_find(d, name);
	struct inode *lower;
	int r;

	if (e) {
		if (!e->node)
			return -ENOENT;
		inode_get(&e->node->inode);
		*out = &e->node->inode;
		return 0;
	}
	if (!d->lower)
		return -ENOENT;
	r = d->lower->ops->lookup(d->lower, name, ctx, &lower);
	if (r < 0)
		return r;
	o = onode_new(d->ov, lower, NULL);
	if (!o) {
		inode_put(lower);
		return -ENOMEM;
	}
	o->parent = d;
	/* Everything found stays known to its directory: changes to it (and to
	 * what lies below it) survive the name cache. */
	r = entry_set(d, name, o);
	if (r < 0) {
		inode_put(&o->inode);
		return r;
	}
	*out = &o->inode;
	return 0;
}

static int add_new(struct onode *d, const char *name, enum make what, uint32_t mode, uint64_t rdev,
		   const char *target, const struct vfs_ctx *ctx, struct inode **out)
{
	struct inode *up = NULL;
	char number[24];
	struct onode *o;
	int r = copy_up(d, true, ctx); /* its times change */

	if (r == 0)
		r = upper_make(d->ov, what, mode, rdev, target, ctx, number, &up);
	if (r < 0)
		return r;
	o = onode_new(d->ov, NULL, up);
	if (!o) {
		inode_put(up);
		return -ENOMEM;
	}
	strcpy(o->upper_name, number);
	o->parent = d;
	if (name)
		r = pin(d, name, o);
	if (r < 0) {
		inode_put(&o->inode);
		return r;
	}
	*out = &o->inode;
	return 0;
}

static void touch(struct onode *d, const struct vfs_ctx *ctx)
{
	struct setattr sa = { .valid = SETATTR_MTIME_NOW };
	struct inode *up = atomic_load(&d->upper);

	if (up)
		(void)up->ops->setattr(up, &sa, ctx);
}

static int overlay_create_file(struct inode *dir, const char *name, uint32_t mode, const struct vfs_ctx *ctx,
			       struct inode **out)
{
	int r = add_new(onode_of(dir), name, MAKE_FILE, mode, 0, NULL, ctx, out);

	if (r == 0)
		touch(onode_of(dir), ctx);
	return r;
}

static int overlay_mkdir(struct inode *dir, const char *name, uint32_t mode, const struct vfs_ctx *ctx,
			 struct inode **out)
{
	int r = add_new(onode_of(dir), name, MAKE_DIR, mode, 0, NULL, ctx, out);

	if (r == 0) {
		onode_of(dir)->link_delta++;
		touch(onode_of(dir), ctx);
	}
	return r;
}

static int overlay_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
			 const struct vfs_ctx *ctx, struct inode **out)
{
	int r = add_new(onode_of(dir), name, MAKE_NODE, mode, rdev, NULL, ctx, out);

	if (r == 0)
		touch(onode_of(dir), ctx);
	return r;
}

static int overlay_symlink(struct inode *dir, const char *name, const char *target, const struct vfs_ctx *ctx,
			   struct inode **out)
{
	int r = add_new(onode_of(dir), name, MAKE_LINK, S_IFLNK | 0777, 0, target, ctx, out);

	if (r == 0)
		touch(onode_of(dir), ctx);
	return r;
}

static int overlay_tmpfile(struct inode *dir, uint32_t mode, const struct vfs_ctx *ctx, struct inode **out)
{
	int r = add_new(onode_of(dir), NULL, MAKE_FILE, mode, 0, NULL, ctx, out);

	if (r == 0)
		onode_of(*out)->link_delta = -1;
	return r;
}

static int overlay_link(struct inode *dir, const char *name, struct inode *target, const struct vfs_ctx *ctx)
{
	struct onode *d = onode_of(dir), *t = onode_of(target);
	int r = copy_up(d, true, ctx);

	if (r == 0)
		r = copy_up(t, true, ctx);
	if (r == 0)
		r = pin(d, name, t);
	if (r == 0) {
		t->link_delta++;
		touch(d, ctx);
	}
	return r;
}

static int overlay_unlink(struct inode *dir, const char *name, struct inode *victim, const struct vfs_ctx *ctx)
{
	struct onode *d = onode_of(dir);
	int r = copy_up(d, true, ctx);

	if (r == 0)
		r = entry_remove(d, name, ctx);
	if (r == 0) {
		onode_of(victim)->link_delta--;
		touch(d, ctx);
	}
	return r;
}

struct empty_check {
	struct onode *dir;
	bool found;
};

static bool check_hidden(void *arg, const char *name, size_t len UNUSED, uint64_t ino UNUSED,
			 uint8_t type UNUSED, uint64_t next UNUSED)
{
	struct empty_check *c = arg;
	struct oentry *e = entry_find(c->dir, name);

	if (!e || e->node)
		c->found = true;
	return true;
}

static int dir_is_empty(struct onode *o)
{
	struct empty_check c = { .dir = o };
	int r = 0;

	for (int i = 0; o->buckets && i < BUCKETS; i++) {
		list_for_each(e, &o->buckets[i], struct oentry, link) {
			if (e->node)
				return -ENOTEMPTY;
		}
	}
	if (o->lower)
		r = o->ov->list(o->lower, check_hidden, &c);
	return r < 0 ? r : c.found ? -ENOTEMPTY : 0;
}

static int overlay_rmdir(struct inode *dir, const char *name, struct inode *victim, const struct vfs_ctx *ctx)
{
	struct onode *d = onode_of(dir);
	int r = dir_is_empty(onode_of(victim));

	if (r == 0)
		r = copy_up(d, true, ctx);
	if (r == 0)
		r = entry_remove(d, name, ctx);
	if (r == 0) {
		d->link_delta--;
		onode_of(victim)->link_delta = -1000000;
		touch(d, ctx);
	}
	return r;
}

static int overlay_rename(struct inode *olddir, const char *oldname, struct inode *inode, struct inode *newdir,
			  const char *newname, struct inode *target, unsigned flags, const struct vfs_ctx *ctx)
{
	struct onode *od = onode_of(olddir), *nd = onode_of(newdir), *o = onode_of(inode);
	struct onode *t = target ? onode_of(target) : NULL;
	int r = copy_up(od, true, ctx);

	if (r == 0)
		r = copy_up(nd, true, ctx);
	if (r == 0 && t && !(flags & RENAME_EXCHANGE) && S_ISDIR(target->mode))
		r = dir_is_empty(t);
	if (r < 0)
		return r;
	/* A reference while it is in no table. */
	inode_get(inode);
	if (t && (flags & RENAME_EXCHANGE)) {
		inode_get(target);
		r = entry_set(nd, newname, o);
		if (r == 0)
			r = entry_set(od, oldname, t);
		inode_put(target);
		t->parent = od;
	} else {
		r = entry_set(nd, newname, o);
		if (r == 0)
			r = entry_remove(od, oldname, ctx);
		if (r == 0 && t)
			t->link_delta -= S_ISDIR(target->mode) ? 1000000 : 1;
	}
	inode_put(inode);
	o->parent = nd;
	touch(od, ctx);
	touch(nd, ctx);
	return r;
}

/* ---- attributes ---- */

static int overlay_getattr(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx)
{
	struct onode *o = onode_of(inode);
	struct inode *real = real_of(o);
	int64_t nlink;
	int r;

	if (real->ops->getattr)
		r = real->ops->getattr(real, st, ctx);
	else
		r = (inode_fill_stat(real, st), 0);
	if (r < 0)
		return r;
	if (o->lower && real != o->lower) {
		struct kstat low;

		/* What it was called below stays its identity. */
		if (o->lower->ops->getattr(o->lower, &low, ctx) == 0) {
			st->dev = low.dev;
			st->ino = low.ino;
			st->nlink = low.nlink;
		}
	} else if (!o->lower) {
		st->dev = o->ov->sb.dev;
		st->nlink = S_ISDIR(st->mode) ? 2 : 1;
	}
	nlink = (int64_t)st->nlink + o->link_delta;
	st->nlink = nlink < 0 ? 0 : (uint64_t)nlink;
	return 0;
}

static int overlay_setattr(struct inode *inode, const struct setattr *sa, const struct vfs_ctx *ctx)
{
	struct onode *o = onode_of(inode);
	bool all = !(sa->valid & SETATTR_SIZE) || sa->size;
	struct inode *up;
	int r = copy_up(o, all, ctx);

	if (r < 0)
		return r;
	up = atomic_load(&o->upper);
	r = up->ops->setattr ? up->ops->setattr(up, sa, ctx) : -EPERM;
	sync_attrs(o);
	return r;
}

static ssize_t overlay_readlink(struct inode *inode, char *buf, size_t size, const struct vfs_ctx *ctx)
{
	struct inode *real = real_of(onode_of(inode));

	return real->ops->readlink ? real->ops->readlink(real, buf, size, ctx) : -EINVAL;
}

static ssize_t overlay_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct inode *real = real_of(onode_of(inode));

	return real->ops->getxattr ? real->ops->getxattr(real, name, buf, size) : -EOPNOTSUPP;
}

static ssize_t overlay_listxattr(struct inode *inode, char *buf, size_t size)
{
	struct inode *real = real_of(onode_of(inode));

	return real->ops->listxattr ? real->ops->listxattr(real, buf, size) : 0;
}

static int xattr_upper(struct inode *inode, struct inode **up)
{
	struct vfs_ctx ctx = { .fsize_limit = ~(uint64_t)0 };
	struct waiter w;
	struct cred *c = cred_create(0, 0);
	int r;

	if (!c)
		return -ENOMEM;
	waiter_init(&w);
	ctx.cred = c;
	ctx.waiter = &w;
	r = copy_up(onode_of(inode), true, &ctx);
	cred_put(c);
	*up = atomic_load(&onode_of(inode)->upper);
	return r;
}

static int overlay_setxattr(struct inode *inode, const char *name, const void *val, size_t size, int flags)
{
	struct inode *up;
	int r = xattr_upper(inode, &up);

	if (r < 0)
		return r;
	return up->ops->setxattr ? up->ops->setxattr(up, name, val, size, flags) : -EOPNOTSUPP;
}

static int overlay_removexattr(struct inode *inode, const char *name)
{
	struct inode *up;
	int r = xattr_upper(inode, &up);

	if (r < 0)
		return r;
	return up->ops->removexattr ? up->ops->removexattr(up, name) : -EOPNOTSUPP;
}

/* ---- open files ---- */

struct listing {
	size_t count, capacity;
	struct item {
		char *name;
		uint64_t ino;
		uint8_t type;
	} *items;
};

static bool listing_add(struct listing *l, const char *name, uint64_t ino, uint8_t type)
{
	if (l->count == l->capacity) {
		size_t cap = l->capacity ? l->capacity * 2 : 32;
		struct item *grown = realloc(l->items, cap * sizeof(*grown));

		if (!grown)
			return false;
		l->items = grown;
		l->capacity = cap;
	}
	l->items[l->count].name = strdup(name);
	l->items[l->count].ino = ino;
	l->items[l->count].type = type;
	return l->items[l->count].name ? (l->count++, true) : false;
}

static void listing_free(struct listing *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i].name);
	free(l->items);
	free(l);
}

struct merge {
	struct onode *dir;
	struct listing *l;
};

static bool merge_lower(void *arg, const char *name, size_t len UNUSED, uint64_t ino, uint8_t type,
			uint64_t next UNUSED)
{
	struct merge *m = arg;

	/* Names in the table have been listed from there. */
	return entry_find(m->dir, name) || listing_add(m->l, name, ino, type);
}

static int read_listing(struct onode *o, struct listing **out)
{
	struct listing *l = calloc(1, sizeof(*l));
	struct merge m = { o, l };
	int r = 0;

	if (!l)
		return -ENOMEM;
	rwlock_read(&o->inode.dir_lock);
	if (!listing_add(l, ".", o->ino, DT_DIR) ||
	    !listing_add(l, "..", o->parent ? o->parent->ino : o->ino, DT_DIR))
		r = -ENOMEM;
	for (int i = 0; r == 0 && o->buckets && i < BUCKETS; i++) {
		list_for_each(e, &o->buckets[i], struct oentry, link) {
			if (e->node && !listing_add(l, e->name, e->node->ino,
						    (uint8_t)((e->node->inode.mode & S_IFMT) >> 12))) {
				r = -ENOMEM;
				break;
			}
		}
	}
	if (r == 0 && o->lower)
		r = o->ov->list(o->lower, merge_lower, &m);
	rwlock_read_unlock(&o->inode.dir_lock);
	if (r < 0) {
		listing_free(l);
		return r;
	}
	*out = l;
	return 0;
}

static int overlay_readdir(struct file *f, dirent_fn emit, void *arg, const struct vfs_ctx *ctx UNUSED)
{
	struct listing *l = f->priv;

	if (!l || f->pos == 0) {
		struct listing *fresh;
		int r = read_listing(onode_of(f->inode), &fresh);

		if (r < 0)
			return r;
		listing_free(l);
		f->priv = l = fresh;
	}
	while (f->pos < l->count) {
		struct item *it = &l->items[f->pos];

		if (!emit(arg, it->name, strlen(it->name), it->ino, it->type, f->pos + 1))
			break;
		f->pos++;
	}
	return 0;
}

static int64_t overlay_dir_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx UNUSED)
{
	if (whence == SEEK_CUR)
		off += (int64_t)f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (off < 0)
		return -EINVAL;
	f->pos = (fileoff_t)off;
	return off;
}

static void overlay_dir_release(struct file *f)
{
	listing_free(f->priv);
}

static int overlay_dir_fsync(struct file *f UNUSED, bool data_only UNUSED)
{
	return 0;
}

static const struct file_ops overlay_dir_fops = {
	.name = "directory",
	.release = overlay_dir_release,
	.lseek = overlay_dir_lseek,
	.readdir = overlay_readdir,
	.fsync = overlay_dir_fsync,
};

/* The file becomes one of the side that counts: its ops find their inode in
 * file->inode. The path keeps the onode, and that keeps both sides. */
static int overlay_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx)
{
	struct onode *o = onode_of(inode);
	unsigned flags = atomic_load(&f->flags);
	struct inode *real;
	int r = 0;

	if (S_ISDIR(inode->mode)) {
		f->ops = &overlay_dir_fops;
		return 0;
	}
	if ((flags & O_ACCMODE) != O_RDONLY)
		r = copy_up(o, true, ctx);
	if (r < 0)
		return r;
	real = real_of(o);
	if (!real->ops->open)
		return -ENXIO;
	f->inode = real;
	r = real->ops->open(real, f, ctx);
	if (r < 0)
		f->inode = inode;
	return r;
}

#define OVERLAY_COMMON_OPS                                                                          \
	.getattr = overlay_getattr, .setattr = overlay_setattr, .getxattr = overlay_getxattr,       \
	.setxattr = overlay_setxattr, .listxattr = overlay_listxattr, .removexattr = overlay_removexattr, \
	.open = overlay_open

static const struct inode_ops overlay_dir_ops = {
	.lookup = overlay_lookup,
	.create = overlay_create_file,
	.mkdir = overlay_mkdir,
	.mknod = overlay_mknod,
	.symlink = overlay_symlink,
	.link = overlay_link,
	.unlink = overlay_unlink,
	.rmdir = overlay_rmdir,
	.rename = overlay_rename,
	.tmpfile = overlay_tmpfile,
	OVERLAY_COMMON_OPS,
};

static const struct inode_ops overlay_file_ops = { .readlink = overlay_readlink, OVERLAY_COMMON_OPS };

/* ---- the mount ---- */

static int overlay_statfs(struct super *sb, struct kstatfs *out)
{
	struct overlay *ov = sb->priv;
	int r = ov->upper->ops->statfs(ov->upper, out);

	out->type = 0x794c7630; /* OVERLAYFS_SUPER_MAGIC */
	return r;
}

static void overlay_destroy(struct super *sb)
{
	struct overlay *ov = sb->priv;

	super_put(ov->lower);
	super_put(ov->upper);
	free(ov);
}

static const struct super_ops overlay_super_ops = {
	.inode_destroy = overlay_inode_destroy,
	.statfs = overlay_statfs,
	.destroy = overlay_destroy,
};

int overlay_create(struct super *lower, overlay_list_fn list, struct super *upper, struct super **out)
{
	struct overlay *ov = calloc(1, sizeof(*ov));
	struct onode *root;

	*out = NULL;
	if (!ov)
		return -ENOMEM;
	super_init(&ov->sb, &overlay_super_ops, "overlay");
	ov->sb.priv = ov;
	ov->lower = lower;
	ov->upper = upper;
	ov->list = list;
	atomic_init(&ov->next_number, 1);
	rwlock_init(&upper->root->dir_lock, LOCK_INODE_LOWER);
	inode_get(lower->root);
	root = onode_new(ov, lower->root, NULL);
	if (!root) {
		inode_put(lower->root);
		free(ov);
		return -ENOMEM;
	}
	ov->sb.root = &root->inode;
	*out = &ov->sb;
	return 0;
}
