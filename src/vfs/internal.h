/* vfs/ to itself: dentries, mounts and what its files share. */
#pragma once

#include <string.h>
#include <sys/mount.h>

#include "base/pool.h"
#include "vfs/ns.h"
#include "vfs/vfs.h"

/* ---- dentries (dentry.c) ---- */

#define DENTRY_INLINE_NAME 40

/*
 * [I] immutable; [a] atomic; [b] the lock of its hash bucket; [t] its tree
 * lock (dcache.c's stripes), and dir_lock of both parents for writing;
 * [l] the lru lock; [n] the alias lock.
 *
 * A hashed dentry holds one reference of its own (the hash table's). inode goes
 * from NULL to an inode at most once, under the parent's dir_lock.
 */
struct dentry {
	struct refcount refs;
	atomic_uint flags;             /* [a] DENTRY_* */
	_Atomic(struct inode *) inode; /* [a] NULL: negative. Holds a reference */
	struct dentry *parent;         /* [t] itself for a root. Holds a reference */
	struct super *sb;              /* [I] */
	struct dentry *hash_next;      /* [b] */
	_Atomic uint64_t hash;         /* [b] of (parent, name) */
	uint32_t name_len;             /* [t] */
	char *name;                    /* [t] NUL-terminated: short_name, or its own */
	atomic_uint mounts;            /* [a] how many mounts lie on it */
	struct list lru;               /* [l] while hashed */
	struct list alias;             /* [n] on inode->dentries */
	char short_name[DENTRY_INLINE_NAME];
};

#define DENTRY_HASHED 1u     /* [b] */
#define DENTRY_DELETED 2u    /* its name was removed, or it never had one */
#define DENTRY_LINKABLE 4u   /* O_TMPFILE: deleted, yet may be linked */
#define DENTRY_REFERENCED 8u /* used since the shrinker last came by */
#define DENTRY_ANON 16u      /* a name for show only ("pipe:[12]") */
#define DENTRY_ROOT 32u      /* [I] its parent is itself */
#define DENTRY_NAME_MAX 255

static inline struct inode *dentry_inode(const struct dentry *d)
{
	return atomic_load_explicit(&d->inode, memory_order_acquire);
}

static inline bool dentry_has(const struct dentry *d, unsigned flag)
{
	return atomic_load_explicit(&d->flags, memory_order_relaxed) & flag;
}

static inline bool dentry_is_root(const struct dentry *d)
{
	return dentry_has(d, DENTRY_ROOT);
}

static inline struct dentry *dentry_get(struct dentry *d)
{
	refcount_get(&d->refs);
	return d;
}

void dentry_put(struct dentry *d);
/* An unhashed dentry; takes its own references on parent (NULL: a root) and
 * inode (may be NULL). NULL: no memory. */
struct dentry *dentry_create(struct dentry *parent, struct super *sb, const char *name, size_t len,
			     struct inode *inode);
/* The one root dentry of a super, made on first use; a reference. */
int dentry_root(struct super *sb, struct dentry **out) MUST_CHECK;
/* The parent as of now; a reference. */
struct dentry *dentry_get_parent(struct dentry *d);
uint64_t dentry_hash(const struct dentry *parent, const char *name, size_t len);
/* A cached child, positive or negative, with a reference; NULL: not cached. */
struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len);
/* parent's dir_lock is held for writing for those below. */
void dentry_hash_in(struct dentry *d);
/* Unhashes; the caller's reference stays. */
void dentry_unhash(struct dentry *d);
/* A negative dentry becomes positive; takes its own reference on inode. */
void dentry_instantiate(struct dentry *d, struct inode *inode);
/* A negative dentry gets its new inode (the caller's reference is taken over)
 * and is cached, if its file system allows. */
void dentry_publish(struct dentry *d, struct inode *inode);
void dentry_mark_deleted(struct dentry *d);
/* d moves to (parent, name). -ENOMEM before anything changed. Both dir_locks. */
int dentry_move(struct dentry *d, struct dentry *parent, const char *name, size_t len) MUST_CHECK;
/* a and b change places. */
int dentry_exchange(struct dentry *a, struct dentry *b) MUST_CHECK;
bool dentry_is_ancestor(struct dentry *maybe_ancestor, struct dentry *d);
/* One of the inode's names, with a reference; one that is not deleted if any. */
struct dentry *dentry_of_inode(struct inode *inode);
/* Drops some names if too many are cached. No lock may be held. */
void dcache_shrink(void);
/* Forgets the names cached below a directory that is removed: they hold it. */
void dcache_prune_children(struct dentry *parent);
void dcache_prune_super(struct super *sb);
/* Even while nothing moves; odd while a rename is changing a name. */
extern atomic_uint dcache_rename_seq;
/* Copies d's name (no NUL) to the end of [buf, *end), moving *end down; returns
 * its parent as of the same moment (a reference), NULL for no room. */
struct dentry *dentry_prepend_name(struct dentry *d, const char *buf, char **end);

/* One name below a parent whose dir_lock is held for writing: cached, or asked
 * from the file system and cached. Negative dentries are returned as such. */
int dentry_lookup_locked(struct dentry *parent, const char *name, size_t len,
			 const struct vfs_ctx *ctx, struct dentry **out) MUST_CHECK;
/* The same, taking the lock only on a miss; cached_only: -EAGAIN instead. */
int dentry_lookup(struct dentry *parent, const char *name, size_t len, const struct vfs_ctx *ctx,
		  bool cached_only, struct dentry **out) MUST_CHECK;

/* ---- mounts (mount.c) ---- */

#define MOUNT_FLAGS_PROTECT (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define MOUNT_FLAGS_ATIME (MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)
#define MOUNT_FLAGS (MOUNT_FLAGS_PROTECT | MOUNT_FLAGS_ATIME | MS_LAZYTIME | MS_SYNCHRONOUS)

#define MOUNTS_MAX 100000 /* in one namespace, as fs.mount-max */

/* [I] immutable; [m] vfs.mount_lock; [a] atomic. */
struct mount {
	struct refcount refs;      /* [a] the tree's one, paths' */
	struct super *sb;          /* [I] holds a reference */
	struct dentry *root;       /* [I] holds a reference */
	struct vfs *vfs;           /* [I] NULL: internal (pipes, memfd) */
	uint64_t id;               /* [I] */
	atomic_uint flags;         /* [a] MS_*; changed under [m] */
	atomic_int expiring;       /* [a] > 0: marked by MNT_EXPIRE and not used since */
	struct mount_ns *ns;       /* [m] whose tree shows it; NULL: none, or not yet */
	struct mount *parent;      /* [m] borrowed: NULL for the root or when detached */
	struct dentry *mountpoint; /* [m] in parent; holds a reference */
	struct list children;      /* [m] */
	struct list sibling;       /* [m] on parent->children */
	struct list link;          /* [m] on ns->mounts */

	/* propagate.c */
	unsigned group;         /* [m] its peer group's number; 0: not shared */
	bool is_unbindable;     /* [m] */
	struct list peers;      /* [m] the ring of its group */
	struct mount *master;   /* [m] borrowed: it hears of that one's group; NULL: none */
	struct list slaves;     /* [m] those whose master it is */
	struct list slave_link; /* [m] on master->slaves */
	bool is_locked;         /* [m] comes and goes with its parent only */
	unsigned locked_flags;  /* [m] MS_* that may not be changed any more */
	/* For the length of one change [m]: */
	uint64_t seen;           /* by which search */
	struct mount *copy;      /* what propagates to it */
	struct mount *copied_to; /* by the last copy of its tree */
	struct list work;
	struct list going; /* among those that are unmounted together */
	bool is_going;
};

struct mount_ns {
	struct ns ns;
	struct vfs *vfs;    /* [I] */
	struct list mounts; /* [m] in the order of mounting */
	struct mount *root; /* [m] holds the tree's reference */
	unsigned nmounts;   /* [m] */
	struct list link;   /* [m] on vfs->namespaces */
};

struct vfs {
	struct rwlock mount_lock;
	struct list namespaces; /* [m] of struct mount_ns */
	struct mount_ns *first; /* [I] */
};

static inline struct mount *mount_get(struct mount *m)
{
	refcount_get(&m->refs);
	return m;
}

void mount_put(struct mount *m);
/* Takes over root and the reference on sb when it succeeds. NULL: no memory. */
struct mount *mount_alloc(struct vfs *v, struct super *sb, struct dentry *root, unsigned flags);
/* A mount that no tree shows, for inodes without a place. Takes over root. */
int mount_create_internal(struct super *sb, struct dentry *root, struct mount **out) MUST_CHECK;
/* Some mount of sb in some tree, with a reference, or NULL. */
struct mount *mount_find_super(struct vfs *v, const struct super *sb);
/* Goes from p down into what is mounted on it, as often as needed. True when p
 * changed. */
bool mount_cross_down(struct path *p);
/* p is a mount's root: goes to the mountpoint below; false at the tree's root. */
bool mount_cross_up(struct path *p);

static inline bool mount_is_readonly(const struct mount *m)
{
	return atomic_load_explicit(&m->flags, memory_order_relaxed) & 1u; /* MS_RDONLY */
}

/* What lies on m at d: borrowed, or NULL. */
struct mount *mount_child_at_locked(struct mount *m, const struct dentry *d);
/* Lays m on a place; mount_unplace_locked() gives up the place that it lay on, whose
 * reference is then the caller's. */
void mount_place_locked(struct mount *m, struct mount *parent, struct dentry *mountpoint);
struct dentry *mount_unplace_locked(struct mount *m);
/* May something with that root be laid there? -ENOTDIR, -ENOENT. No lock held. */
int mount_may_attach(const struct dentry *root, const struct path *at) MUST_CHECK;
/* The place that shows at *at: what lies there already is covered in its turn. No
 * references. -EINVAL: *at is not in ns. */
int mount_top_of_locked(const struct mount_ns *ns, const struct path *at, struct path *top)
	MUST_CHECK;

/* ---- trees of mounts (mount_tree.c) ---- */

/* The mount after m in the tree below top, parents first; without those on m when
 * `skip`. NULL: that was the last. */
struct mount *mount_next_locked(struct mount *m, const struct mount *top, bool skip);
unsigned mount_tree_size_locked(struct mount *top);

#define TREE_SLAVE 1u      /* copies hear of what they are copies of, if that is shared */
#define TREE_UNBINDABLE 2u /* also unbindable mounts */
#define TREE_NS_FILES 4u   /* also binds of files that stand for mount namespaces */
/* A copy of what shows at *from and below it, without a place and a namespace; one
 * reference, the tree's. from's rename_lock is held unless it is a mount's root. */
int mount_tree_copy_locked(const struct path *from, unsigned flags, struct mount **out) MUST_CHECK;
/* A tree that has no namespace yet gets one. */
void mount_tree_enter_locked(struct mount *top, struct mount_ns *ns);
/* Takes top, and what is mounted below it, out of its namespace and its peer groups and
 * onto `gone`, for mount_put_gone() without the lock. */
void mount_tree_detach_locked(struct mount *top, struct list *gone);
void mount_put_gone(struct list *gone);
/* As mount_namespaces(7): what was mounted by the more privileged stays as it is. The
 * top itself may go. */
void mount_tree_lock_locked(struct mount *top);
/* Attaches m (its tree reference is the caller's) on top of *at. */
int mount_attach_at(struct mount_ns *ns, struct mount *m, const struct path *at) MUST_CHECK;
/* d is removed: what was mounted on it, in any namespace, goes. No lock held. */
void mount_detach_all_on(struct vfs *v, struct dentry *d);
/* Does something lie on d in the namespace of ctx? Then it may not be removed. */
bool mount_is_busy(const struct vfs_ctx *ctx, const struct path *dir, const struct dentry *d);

/* ---- peer groups (propagate.c) ---- */

static inline bool mount_is_shared(const struct mount *m)
{
	return m->group != 0;
}

/* m becomes shared, in a group of its own unless it is. */
void propagate_share_locked(struct mount *m);
/* A fresh copy takes its place beside or below what it is a copy of. */
void propagate_copied_locked(struct mount *copy, struct mount *of, bool as_slave);
/* Leaves its peers; becomes their slave when that is asked for and they are some. */
void propagate_leave_locked(struct mount *m, bool as_slave);
/* `tree` is about to be laid on (parent, mountpoint): makes a copy for each mount that
 * hears of it, on `copies`, each with its place in ->parent and no ->mountpoint yet. The
 * sb's rename_lock is held. -ENOSPC, -ENOMEM: nothing was made. */
int propagate_mount_locked(struct mount *tree, struct mount *parent, struct dentry *mountpoint,
			   struct list *copies) MUST_CHECK;
/* Adds to `going` (what lies on others before those, is_going) what goes with them. */
void propagate_umount_locked(struct list *going);
/* Would a copy of m that goes with it be in use? */
bool propagate_is_busy_locked(struct mount *m);
/* The nearest group below `top` in its namespace that m hears of; 0: none. */
unsigned propagate_dominating_locked(struct mount *m, const struct mount *top);

/* ---- the path walk (walk.c) ---- */

enum last_type { LAST_NORM, LAST_DOT, LAST_DOTDOT, LAST_ROOT };

#define MAX_SYMLINKS 40

struct walk {
	const struct vfs_ctx *ctx;
	struct path cur;  /* references */
	struct path root; /* borrowed: the caller's, or the start of a scoped walk */
	unsigned flags;   /* LOOKUP_* */
	unsigned resolve; /* RESOLVE_* */
	unsigned links;   /* symlinks followed so far */
	const char *rest; /* of the name, after the last component */
	/* the last component, after walk_to_last() */
	const char *last;
	size_t last_len;
	enum last_type last_type;
	bool trailing; /* slashes follow it */
	/* link texts under way: a text is freed when the walk ends */
	unsigned depth;
	const char *stack[MAX_SYMLINKS];
	void *text[MAX_SYMLINKS];
};

int walk_begin(struct walk *w, const struct vfs_ctx *ctx, const struct path *dir, const char *name,
	       unsigned flags, unsigned resolve) MUST_CHECK;
void walk_end(struct walk *w);
/* Goes on until only the last component is left: cur is its directory. */
int walk_to_last(struct walk *w) MUST_CHECK;
/* Steps onto the last component: 0 done; 1: it was a symlink to follow, go on
 * with walk_to_last(); -ENOENT when negative. */
int walk_last(struct walk *w) MUST_CHECK;
/* As walk_last for a dentry already found (a reference, taken over). */
int walk_onto(struct walk *w, struct dentry *d, bool is_last) MUST_CHECK;
/* The whole walk. */
int walk_run(struct walk *w) MUST_CHECK;
/* Looks up a directory and leaves the last component unresolved. */
int walk_parent(struct walk *w, const struct vfs_ctx *ctx, const struct path *dir, const char *name)
	MUST_CHECK;

/* ---- permissions (perm.c) ---- */

#define MAY_EXEC 1
#define MAY_WRITE 2
#define MAY_READ 4

/* May names be added to (made in) this directory? dir_lock held. */
int perm_may_create(const struct vfs_ctx *ctx, const struct dentry *dir);
/* May victim's name be removed? -ENOENT, -EACCES, -EPERM, -ENOTDIR, -EISDIR,
 * -EBUSY. dir_lock held. */
int perm_may_delete(const struct vfs_ctx *ctx, const struct dentry *dir,
		    const struct dentry *victim, bool is_dir);
/* A capability over an inode: in the caller's user namespace, when its ids mean something
 * there. */
bool perm_has_cap(const struct cred *cred, const struct inode *inode, unsigned cap);
bool perm_is_owner(const struct vfs_ctx *ctx, const struct inode *inode); /* or CAP_FOWNER */
/* As vfs_permission, and -EROFS for writes on read-only mounts. */
int perm_path(const struct vfs_ctx *ctx, const struct path *p, int mask);
/* The mode that a new inode gets in dir (umask, setgid directories). */
uint32_t perm_new_mode(const struct vfs_ctx *ctx, const struct inode *dir, uint32_t mode);

/* Drops setuid and setgid before contents change, unless CAP_FSETID. */
int attr_kill_priv(const struct vfs_ctx *ctx, struct inode *inode);
/* setattr through the inode's op. */
int attr_set(const struct vfs_ctx *ctx, struct inode *inode, const struct setattr *sa) MUST_CHECK;

/* ---- programs and their writers (writers.c) ---- */

/* One more that writes: -ETXTBSY while it is run. */
int inode_write_begin(struct inode *inode) MUST_CHECK;
bool inode_is_run(const struct inode *inode);
/* f goes: gives its share back. */
void file_writers_end(struct file *f);

/* ---- watches (notify.c) ---- */

void inode_watches_free(struct inode *inode);

/* Builds the name of p under root (NULL: of the tree) in [buf, end), from *at on; at least
 * "/". 1: root was reached; 0: the top of a tree was. -ENAMETOOLONG. (pathname.c) */
int path_build(const struct path *p, const struct path *root, char *buf, char *end, char **at)
	MUST_CHECK;

/* ---- the rest ---- */

/* A file with references on everything but ops. Takes its own. */
struct file *file_alloc(const struct path *p, unsigned flags, const struct cred *cred);
/* Undoes file_alloc(): release is not called. */
void file_free(struct file *f);
/* Calls the inode's (or the driver's) open. */
int file_open_inode(struct file *f, const struct vfs_ctx *ctx) MUST_CHECK;
int special_open(struct file *f, const struct vfs_ctx *ctx) MUST_CHECK;
void lock_list_destroy(struct file_lock_list *l);
/* The last reference of a file went: its flock and OFD locks. */
void lock_file_gone(struct file *f);
extern const struct file_ops path_file_ops; /* O_PATH */
