/* fs/tmpfs to itself. */
#pragma once

#include <string.h>

#include "base/fault.h"
#include "base/pool.h"
#include "fs/tmpfs/tmpfs.h"
#include "memfile/memfile.h"
#include "memmap/memmap.h"

struct tmpfs_super {
	struct super sb;
	struct memfile *mf;      /* [I] borrowed */
	uint64_t limit_pages;    /* [I] 0: none */
	atomic_ulong used_pages; /* [a] */
	atomic_ulong live;       /* [a] inodes, and 1 until super_ops.destroy */
	atomic_ulong more_names; /* [a] of inodes, beyond the first of each */
	atomic_ulong next_ino;   /* [a] */
	struct mutex reap_lock;
	struct list dead; /* [reap] inodes to free, by ->reap */
	bool is_reaping;  /* [reap] */
};

/* One name. Owned by its directory; holds a reference on the inode. */
struct tmpfs_entry {
	struct ivnode cookie; /* [n, n + 1): its place in readdir */
	struct tmpfs_entry *next;
	struct inode *inode;
	uint64_t hash;
	size_t len;
	char name[];
};

struct tmpfs_dir {
	struct tmpfs_entry **buckets; /* hash_size of them, a power of two */
	size_t hash_size;
	struct ivmap by_cookie;
	uint64_t next_cookie;
	uint64_t parent_ino;
	bool is_dead; /* removed: takes no more names */
};

/* A piece of contents: file range cookie.start.. -> offset of the memory file. */
struct tmpfs_extent {
	struct ivnode range;
	uint64_t offset;
	struct tmpfs_extent *next; /* while on a list of pieces cut out */
};

struct tmpfs_data {
	struct rwlock data_lock;
	_Atomic uint64_t size; /* changed under data_lock */
	struct ivmap extents;  /* [data_lock] struct tmpfs_extent */
	struct mutex maps_lock;
	struct mapping_set maps; /* [maps_lock] */
	atomic_uint seals;       /* [a] F_SEAL_*: changed under maps_lock + data_lock */
	struct mappable mappable;
};

struct tmpfs_xattr {
	struct list link;
	char *name;
	size_t size;
	char *value;
};

/* [i] lock; the rest as said above. */
struct tmpfs_inode {
	struct inode inode; /* mode, uid, gid: written under [i] */
	struct mutex lock;
	uint32_t nlink;                               /* [i] */
	struct timespec_k atime, mtime, ctime, btime; /* [i] */
	struct list xattrs;                           /* [i] */
	struct list reap;
	union {
		struct tmpfs_dir dir; /* [i] */
		struct tmpfs_data data;
		char *target; /* [I] symlink */
	};
};

static inline struct tmpfs_inode *tmpfs_of(struct inode *inode)
{
	return container_of(inode, struct tmpfs_inode, inode);
}

/* What Linux counts as inodes: more names of one cost memory too. */
static inline uint64_t tmpfs_files(struct tmpfs_super *ts)
{
	return atomic_load(&ts->live) + atomic_load(&ts->more_names);
}

static inline struct tmpfs_super *tmpfs_super_of(const struct tmpfs_inode *ti)
{
	return container_of(ti->inode.sb, struct tmpfs_super, sb);
}

/* super.c */
struct tmpfs_inode *tmpfs_inode_create(struct tmpfs_super *ts, uint32_t mode, uint32_t uid,
				       uint32_t gid);

/* dir.c */
extern const struct inode_ops tmpfs_dir_inode_ops;
extern const struct inode_ops tmpfs_inode_ops; /* everything else (attr.c) */
void tmpfs_dir_clear(struct tmpfs_inode *ti);
int tmpfs_dir_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx);

/* attr.c */
struct timespec_k tmpfs_now(void);
int tmpfs_getattr(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx);
int tmpfs_setattr(struct inode *inode, const struct setattr *sa, const struct vfs_ctx *ctx);
/* Sets mtime and ctime to now. */
void tmpfs_touch(struct tmpfs_inode *ti);
void tmpfs_accessed(struct tmpfs_inode *ti, const struct file *f);

/* xattr.c */
ssize_t tmpfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
int tmpfs_setxattr(struct inode *inode, const char *name, const void *val, size_t size, int flags);
ssize_t tmpfs_listxattr(struct inode *inode, char *buf, size_t size);
int tmpfs_removexattr(struct inode *inode, const char *name);
void tmpfs_xattrs_clear(struct tmpfs_inode *ti);

/* data.c */
void tmpfs_data_init(struct tmpfs_inode *ti);
void tmpfs_data_fini(struct tmpfs_inode *ti);
struct tmpfs_extent *tmpfs_extent_at(struct tmpfs_inode *ti, uint64_t pos);
/* Fills the holes of [start, end), page aligned; data_lock for writing. Returns
 * how far it came (== end: all) and in *err why not further. */
uint64_t tmpfs_fill_locked(struct tmpfs_inode *ti, uint64_t start, uint64_t end, int *err);
/* The same for what can be refused: nothing new while memory is tight. */
uint64_t tmpfs_grow_locked(struct tmpfs_inode *ti, uint64_t start, uint64_t end, int *err);
/* Bytes of a file to blocks, holes as zeros; from blocks into filled extents.
 * Both return the bytes moved before a fault. data_lock is held. */
size_t tmpfs_copy_out_locked(struct tmpfs_inode *ti, uint64_t pos, size_t n,
			     const struct block *blk);
size_t tmpfs_copy_in_locked(struct tmpfs_inode *ti, uint64_t pos, size_t n,
			    const struct block *blk);
/* The file is about to reach beyond pos: what was stored through mappings behind its
 * end, in its last page, is not to become part of it. */
void tmpfs_clear_end_locked(struct tmpfs_inode *ti, uint64_t pos);
/* -EPERM (seals). => takes maps_lock, data_lock. */
int tmpfs_truncate(struct tmpfs_inode *ti, uint64_t size);
int tmpfs_punch(struct tmpfs_inode *ti, uint64_t start, uint64_t end);

/* file.c, map.c, memfd.c */
extern const struct file_ops tmpfs_file_ops;
extern const struct mappable_ops tmpfs_mappable_ops;
long tmpfs_fcntl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx);
