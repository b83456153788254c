/*
 * Watches. inode->watches is a list made with the first watch and kept for as long
 * as the inode; that it is there, a call sees without a lock.
 *
 * One lock for all: events are rare, and a rename tells four lists at once. What it
 * guards holds references, so they are put after it: collected on `dead`.
 */
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <fcntl.h>

#include "base/fault.h"
#include "vfs/internal.h"
#include "vfs/notify.h"

struct watch {
	struct list on_inode; /* [n] */
	struct list on_group; /* [n] */
	struct list on_all;   /* [n] */
	struct inode *inode;  /* reference */
	struct notify_group *group;
	uint32_t mask; /* [n] */
	int wd;
};

struct watch_list {
	struct list watches; /* [n] struct watch, by on_inode */
};

static POOL_DEFINE(watch_pool, struct watch);
static struct mutex lock = MUTEX_INIT(LOCK_NOTIFY);
static struct list all = LIST_INIT(all); /* [lock] */

atomic_uint notify_count;

static struct watch_list *list_of(const struct inode *inode)
{
	return atomic_load_explicit(&inode->watches, memory_order_acquire);
}

static bool is_watched(const struct inode *inode)
{
	return inode && list_of(inode);
}

void inode_watches_free(struct inode *inode)
{
	free(list_of(inode));
}

/* ---- life ---- */

/* Takes w off all lists but `dead`, which gets it. */
static void drop_locked(struct watch *w, struct list *dead)
{
	list_del(&w->on_inode);
	list_del(&w->on_all);
	list_del(&w->on_group);
	w->group->count--;
	list_push_back(dead, &w->on_group);
	atomic_fetch_sub(&notify_count, 1);
}

static void put_dead(struct list *dead)
{
	while (!list_empty(dead)) {
		struct watch *w = list_first(dead, struct watch, on_group);

		list_del(&w->on_group);
		inode_put(w->inode);
		pool_free(&watch_pool, w);
	}
}

void notify_group_init(struct notify_group *g,
		       void (*event)(struct notify_group *g, const struct notify_event *e))
{
	*g = (struct notify_group){ .event = event };
	list_init(&g->watches);
}

void notify_group_fini(struct notify_group *g)
{
	struct list dead = LIST_INIT(dead);

	mutex_lock(&lock);
	list_for_each_safe(w, tmp, &g->watches, struct watch, on_group)
		drop_locked(w, &dead);
	mutex_unlock(&lock);
	put_dead(&dead);
}

static struct watch *find_locked(const struct notify_group *g, const struct inode *inode)
{
	list_for_each(w, &list_of(inode)->watches, struct watch, on_inode) {
		if (w->group == g)
			return w;
	}
	return NULL;
}

static bool has_list(struct inode *inode)
{
	struct watch_list *l, *none = NULL;

	if (list_of(inode))
		return true;
	l = FAULT_POINT("notify.list") ? NULL : malloc(sizeof(*l));
	if (!l)
		return false;
	list_init(&l->watches);
	if (!atomic_compare_exchange_strong(&inode->watches, &none, l))
		free(l);
	return true;
}

static int change_locked(struct watch *w, uint32_t mask)
{
	if (mask & NOTIFY_MASK_CREATE)
		return -EEXIST;
	w->mask = mask & NOTIFY_MASK_ADD ? w->mask | mask : mask;
	return w->wd;
}

static int add_locked(struct notify_group *g, struct inode *inode, uint32_t mask, struct watch *w)
{
	*w = (struct watch){ .inode = inode, .group = g, .mask = mask };
	w->wd = g->last_wd = g->last_wd == INT32_MAX ? 1 : g->last_wd + 1;
	inode_get(inode);
	list_push_back(&list_of(inode)->watches, &w->on_inode);
	list_push_back(&g->watches, &w->on_group);
	list_push_back(&all, &w->on_all);
	g->count++;
	atomic_fetch_add(&notify_count, 1);
	return w->wd;
}

int notify_watch(struct notify_group *g, struct inode *inode, uint32_t mask, unsigned max)
{
	struct watch *fresh = pool_alloc(&watch_pool), *w;
	int r;

	if (!fresh || !has_list(inode)) {
		pool_free(&watch_pool, fresh);
		return -ENOMEM;
	}
	mutex_lock(&lock);
	w = find_locked(g, inode);
	if (w) {
		r = change_locked(w, mask);
	} else if (atomic_load(&notify_count) >= max) {
		r = -ENOSPC;
	} else {
		r = add_locked(g, inode, mask, fresh);
		fresh = NULL;
	}
	mutex_unlock(&lock);
	pool_free(&watch_pool, fresh);
	return r;
}

static void tell_locked(const struct watch *w, uint32_t mask, uint32_t cookie, const char *name)
{
	const struct notify_event e = { w->wd, mask, cookie, name };

	w->group->event(w->group, &e);
}

int notify_unwatch(struct notify_group *g, int wd)
{
	struct list dead = LIST_INIT(dead);

	mutex_lock(&lock);
	list_for_each_safe(w, tmp, &g->watches, struct watch, on_group) {
		if (w->wd != wd)
			continue;
		tell_locked(w, NOTIFY_IGNORED, 0, NULL);
		drop_locked(w, &dead);
		break;
	}
	mutex_unlock(&lock);
	if (list_empty(&dead))
		return -EINVAL;
	put_dead(&dead);
	return 0;
}

void notify_for_each(struct notify_group *g,
		     void (*fn)(int wd, const struct inode *inode, uint32_t mask, void *arg),
		     void *arg)
{
	mutex_lock(&lock);
	list_for_each(w, &g->watches, struct watch, on_group)
		fn(w->wd, w->inode, w->mask, arg);
	mutex_unlock(&lock);
}

/* ---- telling ---- */

/* is_gone: the name of the child was removed. */
struct happening {
	uint32_t mask, cookie;
	const char *name;
	bool is_gone;
};

static void tell_list_locked(const struct inode *inode, const struct happening *h,
			     struct list *dead)
{
	struct watch_list *l = list_of(inode);

	if (!l)
		return;
	list_for_each_safe(w, tmp, &l->watches, struct watch, on_inode) {
		if (!(w->mask & h->mask & NOTIFY_ALL_EVENTS))
			continue;
		if (h->is_gone && (w->mask & NOTIFY_EXCL_UNLINK))
			continue;
		tell_locked(w, h->mask, h->cookie, h->name);
		if (w->mask & NOTIFY_ONESHOT) {
			tell_locked(w, NOTIFY_IGNORED, 0, NULL);
			drop_locked(w, dead);
		}
	}
}

/* To a directory with a name, and to an inode itself; either may be NULL. */
static void tell(const struct inode *dir, const struct inode *inode, struct happening *h)
{
	struct list dead = LIST_INIT(dead);

	if (!is_watched(dir) && !is_watched(inode))
		return;
	mutex_lock(&lock);
	if (dir)
		tell_list_locked(dir, h, &dead);
	h->name = NULL;
	h->is_gone = false;
	if (inode)
		tell_list_locked(inode, h, &dead);
	mutex_unlock(&lock);
	put_dead(&dead);
}

static uint32_t isdir(const struct inode *inode)
{
	return S_ISDIR(inode->mode) ? NOTIFY_ISDIR : 0;
}

static void tell_self(const struct inode *inode, uint32_t mask)
{
	struct happening h = { .mask = mask };

	tell(NULL, inode, &h);
}

static void tell_name(const struct inode *dir, const char *name, uint32_t mask, uint32_t cookie)
{
	struct happening h = { .mask = mask, .cookie = cookie, .name = name };

	tell(dir, NULL, &h);
}

void notify_dentry(struct dentry *d, uint32_t mask)
{
	char buf[DENTRY_NAME_MAX + 1], *name = buf + DENTRY_NAME_MAX;
	struct inode *inode = dentry_inode(d);
	struct dentry *parent = NULL;
	struct happening h;

	if (!inode)
		return;
	*name = '\0';
	if (!dentry_is_root(d))
		parent = dentry_prepend_name(d, buf, &name);
	h = (struct happening){ .mask = mask | isdir(inode),
				.name = name,
				.is_gone = dentry_has(d, DENTRY_DELETED) };
	tell(parent ? dentry_inode(parent) : NULL, inode, &h);
	dentry_put(parent);
}

void notify_file(struct file *f, uint32_t mask)
{
	if (!f->is_silent && f->path.dentry && !(atomic_load(&f->flags) & O_PATH))
		notify_dentry(f->path.dentry, mask);
}

void notify_inode(struct inode *inode, uint32_t mask)
{
	struct dentry *d = dentry_of_inode(inode);

	if (d)
		notify_dentry(d, mask);
	dentry_put(d);
}

/* ---- names ---- */

void notify_created(struct inode *dir, const struct dentry *d)
{
	if (notify_is_on())
		tell_name(dir, d->name, NOTIFY_CREATE | isdir(dentry_inode(d)), 0);
}

void notify_linked(struct inode *dir, const struct dentry *d)
{
	if (!notify_is_on())
		return;
	tell_self(dentry_inode(d), NOTIFY_ATTRIB); /* the count of links */
	notify_created(dir, d);
}

/* All watches of the inode, or (NULL) of sb, end with an event. */
static void end_watches(struct inode *inode, const struct super *sb, uint32_t mask)
{
	struct list dead = LIST_INIT(dead);

	mutex_lock(&lock);
	list_for_each_safe(w, tmp, &all, struct watch, on_all) {
		if (inode ? w->inode != inode : w->inode->sb != sb)
			continue;
		if ((w->mask & mask) || (mask & NOTIFY_UNMOUNT))
			tell_locked(w, mask, 0, NULL);
		tell_locked(w, NOTIFY_IGNORED, 0, NULL);
		drop_locked(w, &dead);
	}
	mutex_unlock(&lock);
	put_dead(&dead);
}

void notify_name_gone(struct inode *inode)
{
	static const struct vfs_ctx none;
	struct kstat st = { .nlink = 1 };

	if (!is_watched(inode))
		return;
	if (!inode->ops->getattr || inode->ops->getattr(inode, &st, &none) < 0 || st.nlink > 0)
		return;
	end_watches(inode, NULL, NOTIFY_DELETE_SELF);
}

void notify_removed(struct inode *dir, struct dentry *d, bool is_dir)
{
	struct inode *victim = dentry_inode(d);

	if (!notify_is_on())
		return;
	if (!is_dir)
		tell_self(victim, NOTIFY_ATTRIB);
	else if (is_watched(victim))
		dcache_prune_children(d);
	/* Only the caller's reference is left: nobody has it open. */
	if (refcount_read(&d->refs) == 1)
		notify_name_gone(victim);
	tell_name(dir, d->name, NOTIFY_DELETE | isdir(victim), 0);
}

void notify_renamed(struct inode *olddir, const char *oldname, struct inode *newdir,
		    const char *newname, struct inode *source, struct inode *replaced)
{
	static atomic_uint cookies;
	uint32_t cookie = atomic_fetch_add(&cookies, 1) + 1;

	tell_name(olddir, oldname, NOTIFY_MOVED_FROM | isdir(source), cookie);
	tell_name(newdir, newname, NOTIFY_MOVED_TO | isdir(source), cookie);
	if (replaced)
		tell_self(replaced, NOTIFY_ATTRIB | isdir(replaced));
	tell_self(source, NOTIFY_MOVE_SELF);
}

void notify_changed(struct dentry *d, unsigned valid)
{
	bool a = valid & (SETATTR_ATIME | SETATTR_ATIME_NOW);
	bool m = valid & (SETATTR_MTIME | SETATTR_MTIME_NOW);
	uint32_t mask = 0;

	if (!notify_is_on())
		return;
	if ((valid & (SETATTR_UID | SETATTR_GID | SETATTR_MODE | SETATTR_KILL_PRIV)) || (a && m))
		mask |= NOTIFY_ATTRIB;
	if ((valid & SETATTR_SIZE) || (m && !a))
		mask |= NOTIFY_MODIFY;
	if (a && !m)
		mask |= NOTIFY_ACCESS;
	if (mask)
		notify_dentry(d, mask);
}

void notify_unmounted(struct super *sb)
{
	if (notify_is_on())
		end_watches(NULL, sb, NOTIFY_UNMOUNT);
}
