/*
 * vfs/: paths, mounts, dentries, open files, locks. It knows no task and no
 * file system: tasks hand it a vfs_ctx, file systems fill the ops below, boot/
 * mounts them.
 *
 *	super    one mounted file system instance
 *	inode    one file of it: attributes, and ops that reach the rest
 *	dentry   a name in a directory, cached; may be negative (inode NULL)
 *	mount    a super shown at a place in the tree
 *	path     (mount, dentry): a place, with references on both
 *	file     an open file description (what a descriptor points to)
 *
 * References: a dentry holds its inode and its parent; a path holds mount and
 * dentry; a file holds its path. A get has its put; the last put of an inode
 * calls super_ops.inode_destroy.
 *
 * Locks, outermost first (base/lockrank.h):
 *	file.pos_lock            LOCK_FILE_POS    read and write that move pos, and
 *	                                          readdir: the op runs inside, and
 *	                                          may look at names and mounts
 *	super.rename_lock        LOCK_VFS_RENAME  cross-directory renames
 *	  inode.dir_lock         LOCK_VFS_DIR     a directory's names: held for
 *	                                          writing around lookup misses and
 *	                                          every change, in parent-child or
 *	                                          address order for two
 *	    mount tree           LOCK_VFS_MOUNT
 *	  inode locks of the file system          LOCK_INODE, LOCK_INODE_DATA
 *	dentry hash and lru      LOCK_DCACHE
 */
#pragma once

#include "base/base.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/refcount.h"
#include "memmap/block.h"
#include "memmap/uaccess.h"
#include "vfs/cred.h"
#include "vfs/wait.h"

struct super;
struct inode;
struct dentry;
struct mount;
struct file;
struct mappable;
struct vfs;
struct file_lock_list;
struct watch_list;

struct path {
	struct mount *mount;
	struct dentry *dentry;
};

/* What a caller is, for one call: borrowed for its length. */
struct vfs_ctx {
	const struct cred *cred;
	struct waiter *waiter;     /* to sleep on */
	const struct uaccess *mem; /* guest memory, for ioctl */
	struct path root, cwd;
	uint32_t umask;
	uint64_t fsize_limit; /* RLIMIT_FSIZE; ~0 none. Exceeding: -EFBIG, and
				      the syscall layer sends SIGXFSZ */
	const void *owner;    /* identity for POSIX locks (descriptor table) */
	uint32_t pid;         /* of the process, for locks and F_GETLK */
	void *task;           /* opaque: for file systems that know tasks
				      (procfs, tty) */
	/* For inode_ops.create of a file system whose own calls say more about what
	 * is made than open(2) can; NULL: nothing. */
	const void *create_arg;
};

/* Attributes, as statx(2). */
struct kstat {
	uint64_t dev, ino, nlink, rdev;
	uint32_t mode, uid, gid;
	uint64_t size, blocks; /* blocks of 512 */
	uint32_t blksize;
	struct timespec_k {
		int64_t sec;
		uint32_t nsec;
	} atime, mtime, ctime, btime;
	uint32_t mask; /* STATX_* that are valid */
	uint64_t mnt_id;
};

#define SETATTR_MODE 1u
#define SETATTR_UID 2u
#define SETATTR_GID 4u
#define SETATTR_SIZE 8u
#define SETATTR_ATIME 16u /* to .atime */
#define SETATTR_MTIME 32u
#define SETATTR_ATIME_NOW 64u
#define SETATTR_MTIME_NOW 128u
#define SETATTR_KILL_PRIV 256u /* drop setuid/setgid bits (write, truncate) */
struct setattr {
	uint32_t valid;
	uint32_t mode, uid, gid;
	uint64_t size;
	struct timespec_k atime, mtime;
};

struct kstatfs {
	uint64_t type, bsize, blocks, bfree, bavail, files, ffree, fsid, namelen, frsize, flags;
};

/* ---- what a file system provides ---- */

/* Every op may be NULL: then -EPERM for changes (or what the caller's man page
 * says), -EINVAL for readlink, -EOPNOTSUPP for xattrs. Names are NUL-terminated
 * single components, never "." or "..", at most 255 bytes, permission-checked
 * by the caller (vfs) already. dir ops: dir->dir_lock is held for writing
 * (lookup: too). A new inode is returned with one reference. The mode of what is
 * made has its S_IFMT type, umask and setgid directories are dealt with. */
struct inode_ops {
	/* -ENOENT: no such name (a negative dentry is kept when the super says
	 * that names are stable). */
	int (*lookup)(struct inode *dir, const char *name, const struct vfs_ctx *ctx,
		      struct inode **out);
	int (*create)(struct inode *dir, const char *name, uint32_t mode, const struct vfs_ctx *ctx,
		      struct inode **out); /* regular file, exclusive; to be opened at once */
	int (*mkdir)(struct inode *dir, const char *name, uint32_t mode, const struct vfs_ctx *ctx,
		     struct inode **out);
	int (*mknod)(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev,
		     const struct vfs_ctx *ctx, struct inode **out);
	int (*symlink)(struct inode *dir, const char *name, const char *target,
		       const struct vfs_ctx *ctx, struct inode **out);
	int (*link)(struct inode *dir, const char *name, struct inode *target,
		    const struct vfs_ctx *ctx);
	int (*unlink)(struct inode *dir, const char *name, struct inode *victim,
		      const struct vfs_ctx *ctx);
	int (*rmdir)(struct inode *dir, const char *name, struct inode *victim,
		     const struct vfs_ctx *ctx);
	/* flags: RENAME_NOREPLACE (already checked), RENAME_EXCHANGE; target is
	 * the inode that is replaced or exchanged, or NULL. */
	int (*rename)(struct inode *olddir, const char *oldname, struct inode *inode,
		      struct inode *newdir, const char *newname, struct inode *target,
		      unsigned flags, const struct vfs_ctx *ctx);
	/* O_TMPFILE: an inode without a name. */
	int (*tmpfile)(struct inode *dir, uint32_t mode, const struct vfs_ctx *ctx,
		       struct inode **out);
	/* A symlink's text, not NUL-terminated; returns its length (cut to size). */
	ssize_t (*readlink)(struct inode *inode, char *buf, size_t size, const struct vfs_ctx *ctx);
	/* A magic link (/proc/pid/fd/N): jumps straight to *out (references
	 * taken). readlink still gives its text. */
	int (*follow)(struct inode *inode, const struct vfs_ctx *ctx, struct path *out);
	int (*getattr)(struct inode *inode, struct kstat *st, const struct vfs_ctx *ctx);
	int (*setattr)(struct inode *inode, const struct setattr *sa, const struct vfs_ctx *ctx);
	/* xattrs: size 0 asks for the size; -ENODATA, -ERANGE, -EOPNOTSUPP. */
	ssize_t (*getxattr)(struct inode *inode, const char *name, void *buf, size_t size);
	int (*setxattr)(struct inode *inode, const char *name, const void *val, size_t size,
			int flags);
	ssize_t (*listxattr)(struct inode *inode, char *buf, size_t size);
	int (*removexattr)(struct inode *inode, const char *name);
	/* Fills file->ops and file->priv for an open of this inode. flags are in
	 * file->flags; O_TRUNC has been done by vfs through setattr. */
	int (*open)(struct inode *inode, struct file *file, const struct vfs_ctx *ctx);
	/* shared interop mode: is a cached name still right? NULL: always. */
	bool (*revalidate)(struct inode *dir, const char *name, struct inode *inode);
};

struct super_ops {
	void (*inode_destroy)(struct inode *inode); /* the last reference went */
	int (*statfs)(struct super *sb, struct kstatfs *out);
	int (*sync)(struct super *sb);
	void (*destroy)(struct super *sb); /* the last mount went */
	/* Options for /proc/mounts, without leading comma; may be NULL. */
	size_t (*show_options)(struct super *sb, char *buf, size_t size);
};

#define SUPER_NO_NEGATIVE 1u /* do not cache that a name is missing */
#define SUPER_NO_DCACHE 2u   /* look every name up anew (procfs pids) */
#define SUPER_NOEXEC 4u      /* no file is a program, or mapped as one */
#define SUPER_OPENS_ALL 8u   /* inode_ops.open opens devices and fifos too */
#define SUPER_NODEV 16u      /* of less privileged users: no device is opened */
#define SUPER_REVEALS 32u    /* shows the kernel: may_reveal in mount_ns.c */

/* Set up by super_init(). An inode that is held when the last mount goes (by
 * a vma, say) outlives super_ops.destroy: the file system keeps its super until
 * its last inode is destroyed too. */
struct super {
	const struct super_ops *ops;
	const char *type; /* "tmpfs", "overlay", "proc" */
	char source[64];  /* first field of /proc/mounts */
	uint64_t dev;
	unsigned flags;
	struct user_ns *owner; /* [I] reference: who mounted it; set by super_set_owner() */
	struct inode *root;    /* one reference, dropped by vfs before destroy */
	struct refcount refs;
	struct mutex rename_lock;
	struct vfs *_Atomic vfs; /* the tree that shows it; NULL: none */
	void *priv;
};

/* Sets every field but root and priv; one reference, flags 0, source = type,
 * a fresh dev. */
void super_init(struct super *sb, const struct super_ops *ops, const char *type);
void super_get(struct super *sb);
/* Before it is mounted; until then it is the first user namespace's. */
void super_set_owner(struct super *sb, struct user_ns *owner);
/* The last reference drops cached names and the root inode, then destroys. */
void super_put(struct super *sb);

/* Embedded first in each file system's own inode object. Removing a directory
 * races with changes in it (only the parent's dir_lock is held): the file system
 * refuses new names in a removed directory itself, with -ENOENT. */
struct inode {
	const struct inode_ops *ops; /* first field */
	struct super *sb;
	struct refcount refs;
	uint64_t ino;
	uint32_t mode; /* type and permissions; [a] for permissions:
					kept current by the file system: vfs reads
					mode, uid, gid for its checks */
	uint32_t uid, gid;
	uint64_t rdev;
	struct rwlock dir_lock; /* directories */
	struct list dentries;   /* [dcache] aliases */
	void *_Atomic locks;    /* struct file_lock_list, made on first use */
	atomic_int writers;     /* [a] opens for writing, or (< 0) programs that run it */
	void *_Atomic special;  /* what a fifo, socket or device hangs here */
	struct watch_list *_Atomic watches; /* vfs/notify.h; made on first use */
};

/* Sets the generic fields; refs = 1. */
void inode_init(struct inode *inode, const struct inode_ops *ops, struct super *sb, uint64_t ino,
		uint32_t mode, uint32_t uid, uint32_t gid);
void inode_get(struct inode *inode);
void inode_put(struct inode *inode);
/* A generic getattr from the inode's own fields (nlink 1, size 0). */
void inode_fill_stat(const struct inode *inode, struct kstat *st);

/* The owner of a new inode in dir: uid is ctx->cred->fsuid, the group is dir's if
 * that is setgid, else fsgid. The mode that ops get is final. */
uint32_t vfs_new_gid(const struct inode *dir, const struct vfs_ctx *ctx);
/* A name of the inode for /proc/[pid]/maps: one of its cached names, seen from
 * the root of the tree, with " (deleted)" when it is. Returns the length. */
size_t inode_name(struct inode *inode, char *buf, size_t size);
/* Forgets every cached name of the inode (the backend says that they are gone). */
void inode_forget_names(struct inode *inode);

/* ---- open files ---- */

struct poll_table {
	/* Queues the poller on q; called by file_ops.poll for each queue that
	 * may make it ready. */
	void (*add)(struct poll_table *pt, struct waitq *q);
};

static inline void poll_wait(struct poll_table *pt, struct waitq *q)
{
	if (pt)
		pt->add(pt, q);
}

/* Arguments of one read or write beside the data. */
struct io {
	const struct vfs_ctx *ctx;
	bool nonblock;  /* O_NONBLOCK, RWF_NOWAIT */
	unsigned flags; /* RWF_*; file_write() adds RWF_APPEND for O_APPEND files:
			   the file system sets *pos to the size under its lock,
			   see vfs_write_limit() */
};

typedef bool (*dirent_fn)(void *arg, const char *name, size_t len, uint64_t ino, uint8_t type,
			  uint64_t next_off);

struct file_ops {
	const char *name;  /* "pipe", "eventfd": for readlink("/proc/self/fd/N") */
	bool never_passed; /* SCM_RIGHTS refuses it: io_uring */
	/* The last reference went. May sleep; no lock held. */
	void (*release)(struct file *f);
	/* A descriptor is being closed (each close, not only the last). The
	 * result is close()'s. */
	int (*flush)(struct file *f, const struct vfs_ctx *ctx);
	/* pos: in and out. NULL op: -EINVAL. Regular files read short only at the
	 * end; others as Linux. -EAGAIN when io->nonblock and it would block. */
	ssize_t (*read)(struct file *f, struct uio *u, fileoff_t *pos, struct io *io);
	ssize_t (*write)(struct file *f, struct uio *u, fileoff_t *pos, struct io *io);
	/* -ESPIPE when NULL, and then the file is a stream (no position).
	 * Called with pos_lock held. Default helpers: vfs_lseek_size. */
	int64_t (*lseek)(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx);
	/* Emits entries from f->pos on (incl. "." and ".."), updating f->pos;
	 * stops when emit returns false. Called with pos_lock held; emit may
	 * copy to guest memory: no lock that translate() takes. */
	int (*readdir)(struct file *f, dirent_fn emit, void *arg, const struct vfs_ctx *ctx);
	/* Current EV_* state; queues on pt when given. NULL: always EV_IN|EV_OUT. */
	uint32_t (*poll)(struct file *f, struct poll_table *pt);
	/* -ENOTTY when NULL or unknown. */
	long (*ioctl)(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx);
	/* fstat(2) of a file whose attributes are not its inode's. */
	int (*fstat)(struct file *f, struct kstat *st);
	int (*fsync)(struct file *f, bool data_only);
	/* sync_file_range(2); size 0: to the end. NULL: as fsync. */
	int (*sync_range)(struct file *f, uint64_t off, uint64_t size, unsigned flags);
	int (*fallocate)(struct file *f, int mode, uint64_t off, uint64_t len,
			 const struct vfs_ctx *ctx);
	int (*fadvise)(struct file *f, uint64_t off, uint64_t len, int advice);
	/* O_* status flags changed by fcntl(F_SETFL). */
	int (*setfl)(struct file *f, unsigned flags);
	/* What mmap maps: borrowed (the file keeps it alive; a vma takes its own
	 * reference). NULL op or result: -ENODEV. */
	struct mappable *(*mappable)(struct file *f);
	/* (vfs_mappable_anon: mmap maps fresh anonymous memory: /dev/zero.) */
	/* Moves bytes file to file without guest memory, e.g. host
	 * copy_file_range; -EXDEV, -EOPNOTSUPP: the caller copies. */
	ssize_t (*copy_range)(struct file *in, uint64_t in_off, struct file *out, uint64_t out_off,
			      size_t size, const struct vfs_ctx *ctx);
	/* Lines for /proc/pid/fdinfo/N beyond pos, flags, mnt_id. */
	size_t (*show_fdinfo)(struct file *f, char *buf, size_t size);
	/* F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS ... : -EINVAL when
	 * NULL or unknown. */
	long (*fcntl)(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx);
};

/* Who hears of urgent data and the like: F_SETOWN, F_SETOWN_EX (fcntl(2)). */
struct file_owner {
	int32_t pid; /* 0: nobody */
	enum { FILE_OWNER_TID, FILE_OWNER_PID, FILE_OWNER_PGRP } type;
	uint32_t uid, euid; /* of who set it */
	int signo;          /* F_SETSIG: recorded */
};

struct file {
	const struct file_ops *ops; /* first field */
	struct refcount refs;
	atomic_uint flags;       /* O_* as opened; F_SETFL changes some */
	struct path path;        /* for anonymous files: the anon mount */
	struct inode *inode;     /* borrowed from path.dentry, or own anon one */
	const struct cred *cred; /* of the opener */
	struct mutex pos_lock;
	fileoff_t pos; /* [pos_lock] */
	void *priv;
	uint64_t version;             /* readdir position helpers of the fs */
	struct list epoll_items;      /* [epoll] who watches it */
	struct file_owner owner;      /* [a] through task/'s file_owner_get() */
	bool is_stream;               /* no position: read and write take no pos_lock */
	bool is_writer, denies_write; /* its share of inode->writers */
	bool is_silent;               /* watches hear nothing of it */
};

/* An open file without a name: "anon_inode:[eventfd]", "pipe:[ino]"... kind is
 * the S_IF* type of its inode (S_IFIFO, S_IFSOCK, 0). Returns one reference.
 * -ENFILE, -ENOMEM. */
int file_create_anon(const struct file_ops *ops, void *priv, unsigned flags, uint32_t kind,
		     const struct cred *cred, struct file **out) MUST_CHECK;
/* The same of an inode of the caller's, which can be opened again through
 * /proc/self/fd. Takes its own reference. */
int file_create_anon_of(struct inode *inode, const struct file_ops *ops, void *priv, unsigned flags,
			const struct cred *cred, struct file **out) MUST_CHECK;
/* An open file of an inode that never had a name (memfd, SysV shm): shown as
 * "/NAME (deleted)". Its inode's open op fills it. Takes its own reference. */
int file_create_unnamed(struct inode *inode, const char *name, unsigned flags,
			const struct vfs_ctx *ctx, struct file **out) MUST_CHECK;
/* For stacked file systems: an open file of the inode below (borrowed: the
 * caller keeps it for as long as the file). path: the upper file's, or NULL for
 * a file that nobody sees. */
int file_open_inner(struct inode *inode, unsigned flags, const struct path *path,
		    const struct vfs_ctx *ctx, struct file **out) MUST_CHECK;
extern struct mappable vfs_mappable_anon;
/* How many names are cached. Once, at start. */
void vfs_set_names_max(unsigned max);
/* How many open files there may be in all (-ENFILE beyond), and how many there are. */
void vfs_set_files_max(unsigned max);
void vfs_get_files(unsigned *open, unsigned *max);
void file_get(struct file *f);
/* Called before a file that epolls watch is released; filled by fs/epoll. */
extern void (*vfs_file_going)(struct file *f);
void file_put(struct file *f);
/* While f is open its inode, a program, cannot be opened for writing or truncated
 * (-ETXTBSY there). -ETXTBSY: somebody writes. For files that were opened for
 * reading. */
int file_deny_write(struct file *f) MUST_CHECK;
bool file_may_read(const struct file *f); /* by its access mode; O_PATH: no */
bool file_may_write(const struct file *f);

/* read(2) and friends on an open file: access mode checks, position, append.
 * pos NULL: the file's own. */
ssize_t file_read(struct file *f, struct uio *u, fileoff_t *pos, struct io *io);
ssize_t file_write(struct file *f, struct uio *u, fileoff_t *pos, struct io *io);
int64_t file_lseek(struct file *f, int64_t off, int whence, const struct vfs_ctx *ctx);
uint32_t file_poll(struct file *f, struct poll_table *pt);
/* fstat(2). */
int file_getattr(struct file *f, const struct vfs_ctx *ctx, struct kstat *st);
/* getdents64: -ENOTDIR, -ENOENT for a removed directory. => takes pos_lock. */
int file_readdir(struct file *f, dirent_fn emit, void *arg, const struct vfs_ctx *ctx);
/* fallocate(2), all checks but those of the file system. */
int file_fallocate(struct file *f, int mode, int64_t off, int64_t len, const struct vfs_ctx *ctx);
/* close(2) on one descriptor: flush, and drop the owner's POSIX locks. The
 * reference stays the caller's. */
int file_close(struct file *f, const struct vfs_ctx *ctx);
/* For a file system's write, under its lock, with its size: applies
 * RWF_APPEND to *pos, RLIMIT_FSIZE and the largest offset. How many of `want`
 * bytes may be written (> 0 unless want is 0), or -EFBIG. */
int64_t vfs_write_limit(const struct io *io, fileoff_t *pos, uint64_t size, uint64_t want);
/* Does a read through f change atime? By O_NOATIME, the mount's flags and, when
 * relatime, the times. now_sec: the present second. */
bool file_updates_atime(const struct file *f, const struct timespec_k *atime,
			const struct timespec_k *mtime, const struct timespec_k *ctime,
			int64_t now_sec);
/* SEEK_SET, CUR, END for files of the given size. DATA and HOLE: all data. */
int64_t vfs_lseek_size(struct file *f, int64_t off, int whence, uint64_t size);
/* The path of a file for readlink("/proc/self/fd/N"); " (deleted)" included. */
ssize_t file_describe(struct file *f, const struct vfs_ctx *ctx, char *buf, size_t size);

/* ---- the tree ---- */

struct mount_ns;
struct user_ns;

/* All mount trees of a sandbox, with the first namespace, which is empty. */
int vfs_create(struct vfs **out) MUST_CHECK;
void vfs_destroy(struct vfs *v);
struct mount_ns *vfs_first_ns(struct vfs *v); /* borrowed */
/* A mount namespace is a struct ns (vfs/ns.h) with a tree of its own. A copy of `from`, with
 * one reference; what is shared goes on hearing of each other, but where the owner is
 * another: there the copies are slaves, and locked (mount_namespaces(7)). places: what
 * lies in `from` is changed to the same place in the copy. -ENOSPC, -ENOMEM. */
int mount_ns_copy(struct mount_ns *from, struct user_ns *owner, struct path *places,
		  unsigned nplaces, struct mount_ns **out) MUST_CHECK;
struct ns *mount_ns_base(struct mount_ns *ns);
struct mount_ns *mount_ns_of(struct ns *ns);
/* The changes below are made in ns, the caller's: -EINVAL when the place is in another, or
 * in none any more. */
/* Mounts sb (its reference is taken over) at *at, or as the root when at is
 * NULL. flags: MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME,
 * MS_RELATIME. */
int vfs_mount(struct mount_ns *ns, const struct path *at, struct super *sb, unsigned flags,
	      struct mount **out);
/* A mount that no tree shows, for calls that have names of their own (mq_open(2)). Takes
 * over the reference; *out, for ever, is its root. */
int vfs_mount_hidden(struct super *sb, struct path *out) MUST_CHECK;
/* Binds a subtree; flags: MS_REC: with what is mounted in it. For this and vfs_mount
 * -EINVAL: also an unbindable mount, or one alone that locked ones lie on; -ENOTDIR: one
 * of both is a directory; -ENOSPC: too many mounts. */
int vfs_bind(struct mount_ns *ns, const struct path *from, const struct path *at, unsigned flags);
/* The mount whose root *from is now lies on *at. -EINVAL: not a mount's root, or the
 * tree's, or locked, or its parent is shared, or one of both is a directory; -ELOOP: *at
 * is in the mount itself. */
int vfs_move_mount(struct mount_ns *ns, const struct path *from, const struct path *at);
/* umount2(2). *at is one reference that is known of. */
int vfs_umount(struct mount_ns *ns, const struct path *at, int flags);
/* pivot_root(2); root: the caller's. Who has it as root or working directory is to
 * follow. */
int vfs_pivot_root(struct mount_ns *ns, const struct path *root, const struct path *new_root,
		   const struct path *put_old);
/* Changes a mount's flags (MS_REMOUNT). -EINVAL: not a mount's root; -EPERM: locked. */
int vfs_remount(struct mount_ns *ns, const struct path *at, unsigned flags);
/* type: one of MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE. */
int vfs_set_propagation(struct mount_ns *ns, const struct path *at, unsigned type, bool recursive);
/* Is something mounted on *p? Then that is what umount2(2) means: *out, references to
 * what lies on top. */
bool path_cover(const struct path *p, struct path *out);
/* May a new file system like sb be mounted with these flags in ns, whose owner did not
 * mount the one that is there: does it reveal nothing that is covered there? */
bool vfs_may_reveal(struct mount_ns *ns, const struct super *sb, unsigned flags);
unsigned mount_flags(const struct mount *m);
struct super *mount_super(const struct mount *m); /* borrowed */
uint64_t mount_id(const struct mount *m);
void mount_root(struct mount *m, struct path *out);   /* its top directory: reference */
void vfs_root(struct mount_ns *ns, struct path *out); /* the tree's: reference */
uint64_t vfs_new_dev(void);                           /* an anonymous device number */
/* For each mount in order, for /proc/mounts and mountinfo; text made by fn. */
struct mount_info {
	uint64_t id, parent_id;
	struct super *sb;
	unsigned flags;
	unsigned group, master, from; /* propagation; 0: none */
	bool is_unbindable;
	char root[4096], point[4096];
};
/* Those below root, which a reader has. */
int vfs_for_each_mount(struct mount_ns *ns, const struct path *root,
		       int (*fn)(const struct mount_info *mi, void *arg), void *arg);

void path_get(const struct path *p);
void path_put(struct path *p); /* NULLs it; harmless on an empty path */
bool path_equal(const struct path *a, const struct path *b);
bool path_is_deleted(const struct path *p); /* removed, or never had a name */
bool path_is_mount_root(const struct path *p);
bool path_is_in_ns(const struct path *p, struct mount_ns *ns);
/* Absolute name under root into buf; returns its length with NUL, -ERANGE,
 * -ENAMETOOLONG; "(unreachable)" prefix as getcwd(2). */
ssize_t path_name(const struct path *p, const struct path *root, char *buf, size_t size);

/* ---- path calls: dir is where relative names start (NULL: ctx->cwd). Errors
 * as the system calls of the same name. ---- */

#define LOOKUP_FOLLOW 1u /* follow a final symlink */
#define LOOKUP_DIRECTORY 2u
#define LOOKUP_EMPTY 4u /* AT_EMPTY_PATH */
#define LOOKUP_NO_AUTOMOUNT 8u
#define LOOKUP_RESOLVE_SHIFT 16 /* openat2 RESOLVE_* bits above */

struct inode *path_inode(const struct path *p); /* borrowed; NULL if negative */
int vfs_lookup(const struct vfs_ctx *ctx, const struct path *dir, const char *name, unsigned flags,
	       struct path *out) MUST_CHECK;
/* resolve: RESOLVE_* of openat2. */
int vfs_open(const struct vfs_ctx *ctx, const struct path *dir, const char *name, unsigned flags,
	     uint32_t mode, uint64_t resolve, struct file **out) MUST_CHECK;
/* Opens what a path already names (magic links, exec). */
int vfs_open_path(const struct vfs_ctx *ctx, const struct path *p, unsigned flags,
		  struct file **out) MUST_CHECK;
int vfs_mkdir(const struct vfs_ctx *ctx, const struct path *dir, const char *name, uint32_t mode);
int vfs_mknod(const struct vfs_ctx *ctx, const struct path *dir, const char *name, uint32_t mode,
	      uint64_t rdev);
/* Makes a socket file for bind(2); out (may be NULL) gets the place. */
int vfs_mksocket(const struct vfs_ctx *ctx, const char *name, uint32_t mode, struct path *out);
int vfs_symlink(const struct vfs_ctx *ctx, const char *target, const struct path *dir,
		const char *name);
int vfs_link(const struct vfs_ctx *ctx, const struct path *olddir, const char *oldname,
	     const struct path *newdir, const char *newname, int at_flags);
int vfs_unlink(const struct vfs_ctx *ctx, const struct path *dir, const char *name);
int vfs_rmdir(const struct vfs_ctx *ctx, const struct path *dir, const char *name);
int vfs_rename(const struct vfs_ctx *ctx, const struct path *olddir, const char *oldname,
	       const struct path *newdir, const char *newname, unsigned flags);
ssize_t vfs_readlink(const struct vfs_ctx *ctx, const struct path *p, char *buf, size_t size);

/* On a place that is already found (fstat, fchmod: the file's path). */
int vfs_getattr(const struct vfs_ctx *ctx, const struct path *p, struct kstat *st);
int vfs_chmod(const struct vfs_ctx *ctx, const struct path *p, uint32_t mode);
int vfs_chown(const struct vfs_ctx *ctx, const struct path *p, uint32_t uid,
	      uint32_t gid); /* ~0: keep */
int vfs_utimes(const struct vfs_ctx *ctx, const struct path *p, const struct setattr *times);
int vfs_truncate(const struct vfs_ctx *ctx, const struct path *p, struct file *f, uint64_t size);
/* access(2): mask of R_OK (4), W_OK (2), X_OK (1), with ctx->cred's fs ids. */
int vfs_access(const struct vfs_ctx *ctx, const struct path *p, int mask);
int vfs_statfs(const struct path *p, struct kstatfs *out);
ssize_t vfs_getxattr(const struct vfs_ctx *ctx, const struct path *p, const char *name, void *buf,
		     size_t size);
int vfs_setxattr(const struct vfs_ctx *ctx, const struct path *p, const char *name, const void *val,
		 size_t size, int flags);
ssize_t vfs_listxattr(const struct vfs_ctx *ctx, const struct path *p, char *buf, size_t size);
int vfs_removexattr(const struct vfs_ctx *ctx, const struct path *p, const char *name);
int vfs_sync_all(struct vfs *v);
/* inode permission check by mode bits and capabilities: 0 or -EACCES. */
int vfs_permission(const struct vfs_ctx *ctx, struct inode *inode, int mask);

/* ---- character devices and other special files by registration ---- */

/* Opening a device node (S_IFCHR, S_IFBLK) whose number lies in the driver's
 * range calls open; without a driver: -ENXIO. */
struct chrdev_ops {
	int (*open)(struct inode *inode, struct file *file, const struct vfs_ctx *ctx);
};
void vfs_register_blkdev(unsigned major, unsigned minor_first, unsigned minor_count,
			 const struct chrdev_ops *ops);
void vfs_register_chrdev(unsigned major, unsigned minor_first, unsigned minor_count,
			 const struct chrdev_ops *ops);
/* Opening a fifo: filled by fs/pipe. */
/* An inode of a fifo or pipe is destroyed: what hangs on inode->special goes. */
extern void (*vfs_forget_fifo)(struct inode *inode);
extern int (*vfs_open_fifo)(struct inode *inode, struct file *file, const struct vfs_ctx *ctx);

/* ---- file locks ---- */

struct flock_range {
	int16_t type;
	uint64_t start, end;
	uint32_t pid;
}; /* end inclusive, ~0: eof */
/* flock(2): LOCK_SH, LOCK_EX, LOCK_UN, with LOCK_NB. */
int vfs_flock(struct file *f, int op, const struct vfs_ctx *ctx);
/* POSIX (owner = ctx->owner) or OFD (owner = the file) record locks. */
int vfs_setlk(struct file *f, struct flock_range *r, bool wait, bool ofd,
	      const struct vfs_ctx *ctx);
int vfs_getlk(struct file *f, struct flock_range *r, bool ofd, const struct vfs_ctx *ctx);
/* close(2) and exit drop a process's POSIX locks on the inode. */
void vfs_locks_drop_owner(struct file *f, const void *owner);
