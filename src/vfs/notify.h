/*
 * Watches on inodes (inotify(7)): what the calls of vfs/ tell, and what a group of
 * watches, an inotify descriptor, is to whoever keeps it.
 *
 * A watch belongs to one group and one inode, which it keeps alive; a group has at
 * most one for an inode. Events come in the order in which the calls happened,
 * those on names under the directory's dir_lock.
 *
 * Without any watch in the sandbox a call costs one load; see notify_is_on().
 *
 * Locks: LOCK_NOTIFY (all lists of watches); group ops are called inside, and
 * take LOCK_NOTIFY_QUEUE and wait queues.
 */
#pragma once

#include "vfs/vfs.h"

/* inotify's masks. */
#define NOTIFY_ACCESS 0x001u
#define NOTIFY_MODIFY 0x002u
#define NOTIFY_ATTRIB 0x004u
#define NOTIFY_CLOSE_WRITE 0x008u
#define NOTIFY_CLOSE_NOWRITE 0x010u
#define NOTIFY_OPEN 0x020u
#define NOTIFY_MOVED_FROM 0x040u
#define NOTIFY_MOVED_TO 0x080u
#define NOTIFY_CREATE 0x100u
#define NOTIFY_DELETE 0x200u
#define NOTIFY_DELETE_SELF 0x400u
#define NOTIFY_MOVE_SELF 0x800u
#define NOTIFY_ALL_EVENTS 0xfffu
#define NOTIFY_UNMOUNT 0x2000u
#define NOTIFY_OVERFLOW 0x4000u
#define NOTIFY_IGNORED 0x8000u
#define NOTIFY_ONLYDIR 0x01000000u
#define NOTIFY_DONT_FOLLOW 0x02000000u
#define NOTIFY_EXCL_UNLINK 0x04000000u
#define NOTIFY_MASK_CREATE 0x10000000u
#define NOTIFY_MASK_ADD 0x20000000u
#define NOTIFY_ISDIR 0x40000000u
#define NOTIFY_ONESHOT 0x80000000u

/* ---- a group's side ---- */

struct notify_group;

struct notify_event {
	int wd;
	uint32_t mask, cookie;
	const char *name; /* NULL: the watched inode itself */
};

struct notify_group {
	/* => LOCK_NOTIFY is held; the event is copied. */
	void (*event)(struct notify_group *g, const struct notify_event *e);
	struct list watches; /* [notify] */
	unsigned count;      /* [notify] */
	int last_wd;         /* [notify] */
};

void notify_group_init(struct notify_group *g,
		       void (*event)(struct notify_group *g, const struct notify_event *e));
/* Takes all its watches away, without events. */
void notify_group_fini(struct notify_group *g);
/* Watches inode, or changes its watch: the descriptor (> 0). mask: events and
 * NOTIFY_EXCL_UNLINK, ONESHOT, MASK_ADD, MASK_CREATE. -EEXIST, -ENOMEM, -ENOSPC (max
 * watches in all). */
int notify_watch(struct notify_group *g, struct inode *inode, uint32_t mask, unsigned max);
/* -EINVAL: no such watch. */
int notify_unwatch(struct notify_group *g, int wd);
/* For /proc/[pid]/fdinfo: calls fn for each watch. => LOCK_NOTIFY */
void notify_for_each(struct notify_group *g,
		     void (*fn)(int wd, const struct inode *inode, uint32_t mask, void *arg),
		     void *arg);

/* ---- what happened ---- */

extern atomic_uint notify_count; /* of watches */

static inline bool notify_is_on(void)
{
	return unlikely(atomic_load_explicit(&notify_count, memory_order_relaxed) > 0);
}

/* To a file by its name: its directory's watches hear of it with the name, its own
 * without. O_PATH files, and the inner ones of stacked file systems, are silent. */
void notify_file(struct file *f, uint32_t mask);
void notify_dentry(struct dentry *d, uint32_t mask);
/* To an inode by whatever name it has. */
void notify_inode(struct inode *inode, uint32_t mask);

/* Changes of names, when they have taken place; dir_lock is held. */
void notify_created(struct inode *dir, const struct dentry *d);
void notify_linked(struct inode *dir, const struct dentry *d);
void notify_removed(struct inode *dir, struct dentry *d, bool is_dir);
/* source has its new place by now; replaced: what was there, or NULL. */
void notify_renamed(struct inode *olddir, const char *oldname, struct inode *newdir,
		    const char *newname, struct inode *source, struct inode *replaced);
void notify_changed(struct dentry *d, unsigned setattr_valid);
/* The last user of a removed name is gone: it may have been the file's last. */
void notify_name_gone(struct inode *inode);
/* The file system goes. */
void notify_unmounted(struct super *sb);
