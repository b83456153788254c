/* What the files of fs/overlay share. */
#pragma once

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/htable.h"
#include "fs/overlay/overlay.h"
#include "memmap/memmap.h"

struct oentry;

/* The changed names of a directory: a hash table. */
struct otable {
	struct oentry **buckets;
	size_t size;  /* of buckets: a power of two, or 0 */
	size_t count; /* entries, whiteouts too */
	size_t live;  /* entries with an onode */
};

struct oentry {
	struct oentry *next;
	struct onode *node; /* reference; NULL: whiteout */
	uint64_t hash;
	bool hides_lower; /* the lower directory has the name too */
	char name[];
};

/* One side of a file as a mappable. */
struct side_map {
	struct mappable mappable;
	struct onode *onode;           /* [I] */
	struct mappable *_Atomic real; /* the side's own; set before it is mapped */
};

/* [I] immutable; [c] set once, under copy_lock; [o] lock; [n] index_lock */
struct onode {
	struct inode inode;
	struct overlay *ov;          /* [I] */
	struct inode *lower;         /* [I] reference, or NULL */
	struct inode *_Atomic upper; /* [c] reference, or NULL */
	struct mutex copy_lock;
	struct mutex lock;
	uint64_t dev;            /* [I] st_dev */
	int64_t links;           /* [o] names won (or lost) here */
	struct timespec_k ctime; /* [o] of changes that left no mark elsewhere */
	struct otable table;     /* [o] directories */
	uint64_t parent_ino;     /* [o] directories: for ".." */
	bool is_removed;         /* [o] directories: takes no more names */
	bool is_pinned;          /* [n] */
	struct side_map maps[2]; /* lower, upper */
	struct hnode index_link; /* [n] */
	struct list dead_link;   /* [n] */
};

struct overlay {
	struct super sb;
	struct super *lower, *upper; /* [I] references */
	uint64_t lower_dev;          /* [I] shown as sb.dev */
	atomic_ulong next_ino;       /* [a] of what is made here */
	atomic_ulong live;           /* [a] onodes, and 1 until destroyed */
	struct mutex index_lock;
	struct htable index; /* [n] onodes with a lower inode */
	struct list dead;    /* [n] onodes to free */
	bool is_reaping;     /* [n] */
};

static inline struct onode *onode_of(struct inode *inode)
{
	return container_of(inode, struct onode, inode);
}

/* The side that counts; borrowed from the onode. */
static inline struct inode *onode_real(struct onode *o)
{
	struct inode *up = atomic_load_explicit(&o->upper, memory_order_acquire);

	return up ? up : o->lower;
}

/* ---- super.c ---- */

/* The onode of a lower inode, whose reference it takes over (also when it
 * fails). A reference. */
int onode_of_lower(struct overlay *ov, struct inode *lower, struct onode *parent,
		   const struct vfs_ctx *ctx, struct onode **out) MUST_CHECK;
/* A new onode on an upper inode, whose reference it takes over likewise. */
int onode_of_new(struct overlay *ov, struct inode *upper, struct onode *parent, struct onode **out)
	MUST_CHECK;
/* Invariant 2. Harmless when nothing has to be done. */
void onode_pin(struct onode *o);
void onode_unpin(struct onode *o);
/* st_dev of a lower file. */
uint64_t overlay_dev(const struct overlay *ov, uint64_t lower_dev);
struct timespec_k overlay_now(void);
/* vfs reads mode and owner from our inode. */
void onode_sync_mode(struct onode *o);

/* ---- names.c ---- */

/* What a table says of a name. */
enum said { SAID_NOTHING, SAID_GONE, SAID_NODE };
/* SAID_NODE: a reference in *out. => takes lock */
enum said names_find(struct onode *dir, const char *name, struct onode **out);
/* Makes the name mean node (NULL: nothing). was_there: it meant something
 * before, in the table or below. -ENOMEM; -ENOENT: the directory is removed.
 * => takes lock; dir_lock is held for writing */
int names_change(struct onode *dir, const char *name, struct onode *node, bool was_there)
	MUST_CHECK;
struct oentry *names_find_locked(const struct onode *dir, const char *name);
/* Frees the table; may put the last reference of its onodes. */
void names_clear(struct onode *dir);

/* ---- copyup.c ---- */

/* Afterwards o has an upper inode, with the first size_max bytes of the data at
 * least. */
int copy_up(struct onode *o, uint64_t size_max, const struct vfs_ctx *ctx) MUST_CHECK;
/* A nameless object on the upper side, owned as mkdir(2) in dir says. target:
 * symlinks. */
int upper_make(struct overlay *ov, const struct inode *dir, uint32_t mode, uint64_t rdev,
	       const char *target, const struct vfs_ctx *ctx, struct inode **out) MUST_CHECK;

/* ---- map.c ---- */

void onode_maps_init(struct onode *o);
/* real, which is the mappable of one side of o, under o's name. */
struct mappable *onode_mappable(struct onode *o, struct mappable *real, bool is_upper);

/* ---- dir.c, attr.c, file.c, readdir.c ---- */

extern const struct inode_ops overlay_dir_ops, overlay_file_ops;
int overlay_getattr(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx);
int overlay_setattr(struct inode *inode, const struct setattr *sa, const struct vfs_ctx *ctx);
ssize_t overlay_readlink(struct inode *inode, char *buf, size_t size, const struct vfs_ctx *ctx);
ssize_t overlay_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
int overlay_setxattr(struct inode *inode, const char *name, const void *val, size_t size,
		     int flags);
ssize_t overlay_listxattr(struct inode *inode, char *buf, size_t size);
int overlay_removexattr(struct inode *inode, const char *name);
/* How many names it has now. */
int64_t onode_nlink(struct onode *o);
int overlay_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx);
int overlay_open_dir(struct inode *inode, struct file *f, const struct vfs_ctx *ctx);
/* Does the lower directory show a name that the table does not hide? */
int overlay_lower_is_empty(struct onode *dir, const struct vfs_ctx *ctx) MUST_CHECK;
