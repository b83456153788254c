/* What the files of fs/remote share. */
#pragma once

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/htable.h"
#include "fs/remote/remote.h"
#include "host/host.h"
#include "host/hostfd.h"

struct remote;
struct rnode;

/* Where a file was found. A reference keeps it and the parent. */
struct place {
	struct refcount refs;
	struct list link;     /* [R] on rnode.places */
	struct rnode *parent; /* [I] reference */
	char name[];          /* [I] */
};

/* What makes a file itself: all equal, or it is another one. Host bind mounts
 * show one file at two places; the mount tells them apart, so that the tree
 * stays a tree. The birth time tells a number from its reuse. */
struct identity {
	uint64_t dev, ino, mnt;
	struct timespec_k born;
	uint32_t type;
};

enum handle { HANDLE_PATH, HANDLE_READ, HANDLE_RDWR, HANDLE_WRONLY, HANDLE_KINDS };

/* [I] immutable; [R] remote.lock; [a] attr_lock; [m] map_lock; [M] maps_lock */
struct rnode {
	struct inode inode;
	struct remote *remote;                       /* [I] */
	struct identity id;                          /* [I] */
	struct hnode hash_link;                      /* [R] by identity */
	struct list dead_link;                       /* [R] */
	struct list places;                          /* [R] newest first; none: the root, or gone */
	struct remote_handle *handles[HANDLE_KINDS]; /* [R] */
	struct list lru;                             /* [R] while it may lose its handles */
	unsigned users, writers;                     /* [R] open files; those that write */
	bool keeps_handles;                          /* [R] never had a name */
	struct mutex attr_lock;
	struct kstat st;           /* [a] as last seen */
	bool is_stale;             /* [a] ask before showing st */
	atomic_bool has_no_xattrs; /* seen once, and nobody else changes it */
	struct mutex write_lock;
	struct mappable mappable;
	struct mutex maps_lock;
	struct mapping_set maps;        /* [M] */
	atomic_bool is_mapped_writable; /* maps.writable > 0 */
	struct mutex map_lock;
	struct hostmap *hostmap[2]; /* [m] for reading, for writing; while mapped */
};

struct remote {
	struct super sb;
	struct remote_backend *backend;    /* [I] */
	const struct remote_ops *ops;      /* [I] */
	enum remote_cache cache;           /* [I] */
	bool readonly;                     /* [I] */
	struct rnode *root;                /* [I] borrowed: compared, never followed */
	struct remote_handle *root_handle; /* [I] */
	atomic_ulong live;                 /* rnodes, and 1 until destroyed */
	struct mutex lock;                 /* LOCK_REMOTE */
	struct htable index;               /* [R] rnodes by identity */
	struct list lru;                   /* [R] oldest first */
	unsigned nhandles, handles_max;    /* [R] */
	struct list dead;                  /* [R] rnodes to free */
	bool is_reaping;                   /* [R] */
};

static inline struct rnode *rnode_of(struct inode *inode)
{
	return container_of(inode, struct rnode, inode);
}

static inline bool remote_is_shared(const struct remote *rm)
{
	return rm->cache == REMOTE_SHARED;
}

/* ---- node.c ---- */

/* The rnode of what was found at (parent, name), old or new; a reference. name
 * NULL: it has no place. */
int rnode_get(struct remote *rm, struct rnode *parent, const char *name, const struct statx *stx,
	      struct rnode **out) MUST_CHECK;
void remote_inode_destroy(struct inode *inode);
void remote_unref(struct remote *rm, unsigned long n);
void identity_of(const struct statx *stx, struct identity *out);
bool identity_equal(const struct identity *a, const struct identity *b);
void rnode_set_stat(struct rnode *n, const struct statx *stx);
/* Asks the backend. -ESTALE: it is not where it was. */
int rnode_refresh(struct rnode *n);
/* The cached attributes are no longer right: ask when somebody wants them. */
void rnode_changed(struct rnode *n);
/* Data was written up to `end`. */
void rnode_grew(struct rnode *n, uint64_t end);
/* The size as it counts now: asked for when others may change it. */
uint64_t rnode_size(struct rnode *n);
int remote_getattr(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx);
/* Places. The first; a reference; NULL: none. */
struct place *place_first(struct rnode *n);
void place_put(struct place *p);
int place_add(struct rnode *n, struct rnode *parent, const char *name) MUST_CHECK;
void place_remove(struct rnode *n, const struct rnode *parent, const char *name);
void place_remove_one(struct rnode *n, struct place *p);
/* The parent's number for "..". */
uint64_t rnode_parent_ino(struct rnode *n);

/* ---- handles.c: each returns a reference ---- */

int handle_get(struct rnode *n, enum handle how, struct remote_handle **out) MUST_CHECK;
/* READ, or RDWR where that is what there is; RDWR, or WRONLY where the file may
 * not be read. */
int handle_get_for(struct rnode *n, bool write, struct remote_handle **out) MUST_CHECK;
/* Any that is open already; NULL: none. */
struct remote_handle *handle_peek(struct rnode *n);
/* The directory handle and the place of a name of n, for calls by name. */
int handle_place(struct rnode *n, struct remote_handle **dir, struct place **place) MUST_CHECK;
/* An open file begins and ends to use n: invariants 2 and 3. */
void handles_use(struct rnode *n, bool write);
void handles_unuse(struct rnode *n, bool write);
/* Keeps h for ever: n has no place to open another from. */
void handles_keep(struct rnode *n, enum handle how, struct remote_handle *h);
/* A handle of the file's making waits for the open that made it, which ends the
 * loan; so does who makes a file without opening it. */
void handles_lend(struct rnode *n, struct remote_handle *h);
void handles_end_loan(struct rnode *n);
/* Takes all handles out; the caller puts them after unlocking. */
void handles_take_locked(struct rnode *n, struct remote_handle *out[HANDLE_KINDS]);

/* ---- names.c, attr.c ---- */

extern const struct inode_ops remote_dir_ops, remote_shared_dir_ops, remote_file_ops,
	remote_link_ops, remote_special_ops;
int remote_setattr(struct inode *inode, const struct setattr *sa, const struct vfs_ctx *ctx);
ssize_t remote_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
int remote_setxattr(struct inode *inode, const char *name, const void *val, size_t size, int flags);
ssize_t remote_listxattr(struct inode *inode, char *buf, size_t size);
int remote_removexattr(struct inode *inode, const char *name);

/* ---- file.c, dir.c, map.c, hostdir.c ---- */

int remote_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx);
int remote_open_dir(struct inode *inode, struct file *f, const struct vfs_ctx *ctx);
extern const struct mappable_ops remote_mappable_ops;
void map_fini(struct rnode *n);
/* The file ends at size now: mappings past it are taken away. */
void map_truncated(struct rnode *n, uint64_t size);
extern const struct remote_ops hostdir_ops;
