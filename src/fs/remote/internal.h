/* What the files of fs/remote share. */
#pragma once

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/htable.h"
#include "fs/remote/remote.h"
#include "host/host.h"
#include "host/hostfd.h"
#include "pagecache/pagecache.h"

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

/* Those after HANDLE_KINDS belong to one open file, and are kept by nobody else. */
enum handle {
	HANDLE_PATH,
	HANDLE_READ,
	HANDLE_RDWR,
	HANDLE_WRONLY,
	HANDLE_KINDS,
	HANDLE_DIRECT_READ = HANDLE_KINDS,
	HANDLE_DIRECT_RDWR,
	HANDLE_DIRECT_WRONLY,
	HANDLE_ALL_KINDS,
};

/* Which way a file's data goes. */
enum data_way { WAY_OPEN, WAY_DIRECT, WAY_CACHED };

/* [I] immutable; [R] remote.lock; [a] attr_lock; [m] map_lock; [M] maps_lock;
 * [w] set once, under write_lock */
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
	struct kstat st; /* [a] as last seen */
	bool is_stale;   /* [a] ask before showing st */
	/* [a] Ours count, whatever the backend says: see times.c. */
	bool owns_atime, owns_mtime, owns_ctime;
	atomic_bool has_no_xattrs; /* seen once, and nobody else changes it */
	struct mutex write_lock;
	_Atomic(enum data_way) way;        /* [w] */
	struct pagecache *_Atomic cache;   /* [w] WAY_CACHED */
	struct errseq errors;              /* WAY_DIRECT: of fsync */
	_Atomic uint64_t mapped_cached[2]; /* bytes mapped through the cache; writable */
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
	bool forcecache;                   /* [I] */
	struct pagecache_set *caches;      /* [I] borrowed, or NULL */
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
/* The same, but what the guest did to it is known already. */
void rnode_refresh_later(struct rnode *n);
/* Data was written straight to the backend, up to `end`. */
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
/* An O_DIRECT one, for the caller alone. -EINVAL: the backend has no such thing. */
int handle_open_direct(struct rnode *n, bool write, struct remote_handle **out) MUST_CHECK;
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

/* ---- times.c ---- */

/* Data went into the cache: it is changed now, for guests. */
void times_written(struct rnode *n);
/* Data was read through f, from the cache. */
void times_read(struct rnode *n, const struct file *f);
/* A guest sets them (n->st too), while data waits to be written back. */
void times_set(struct rnode *n, const struct setattr *sa);
/* Everything is written back: now the backend may know. */
void times_flush(struct rnode *n);
void times_flush_atime(struct rnode *n);
/* attr_lock is held: what of a fresh kstat does not count. */
void times_keep_locked(const struct rnode *n, struct kstat *st);

/* ---- file.c, cached.c, dir.c, map.c, hostdir.c ---- */

/* An open regular file. */
struct remote_file {
	struct remote_handle *h;                /* [I] */
	struct remote_handle *_Atomic o_direct; /* set once: opened with O_DIRECT */
	bool writes;                            /* [I] counts as a writer */
	atomic_uint since;                      /* errors that it has reported */
	struct pagecache_ra ra;                 /* WAY_CACHED */
};

int remote_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx);
int remote_open_dir(struct inode *inode, struct file *f, const struct vfs_ctx *ctx);
/* O_SYNC, O_DSYNC and RWF_* of a write, as RWF_* that a backend is told. */
int remote_write_flags(const struct file *f, const struct io *io);
void remote_release(struct file *f);
struct mappable *remote_mappable(struct file *f);
/* What fsync and the like answer: r, or an error that f has not reported yet. */
int remote_file_check(struct file *f, int r) MUST_CHECK;
ssize_t remote_copy_range(struct file *in, uint64_t in_off, struct file *out, uint64_t out_off,
			  size_t size, const struct vfs_ctx *ctx);

/* The cache of a file whose way is WAY_CACHED; else NULL. */
static inline struct pagecache *rnode_cache(const struct rnode *n)
{
	return atomic_load_explicit(&n->cache, memory_order_acquire);
}

/* Decides the way at the first open, by the handle. */
int cached_decide(struct rnode *n, const struct remote_handle *h) MUST_CHECK;
void cached_fini(struct rnode *n);
int cached_truncate(struct rnode *n, uint64_t size) MUST_CHECK;
extern const struct file_ops remote_cached_fops;
ssize_t cached_copy_range(struct file *in, uint64_t in_off, struct file *out, uint64_t out_off,
			  size_t size);

extern const struct mappable_ops remote_mappable_ops, remote_cached_mappable_ops;
void remote_map_get(struct mappable *m);
void remote_map_put(struct mappable *m);
size_t remote_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev, uint64_t *ino);
void map_fini(struct rnode *n);
/* The file ends at size now: mappings past it are taken away. */
void map_truncated(struct rnode *n, uint64_t size);
extern const struct remote_ops hostdir_ops;
