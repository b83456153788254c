/*
 * fs/remote: files that live outside the sandbox.
 *
 *	super.c     the mount
 *	node.c      inodes: identity, places, attributes
 *	names.c     calls that find and change names
 *	attr.c      changing attributes; xattrs
 *	handles.c   open backend objects: opened when needed, kept while cheap
 *	file.c      open regular files; data straight to the backend
 *	cached.c    data through the page cache
 *	times.c     times that the backend does not know yet
 *	dir.c       open directories
 *	map.c       regular files as mappables
 *	hostdir.c   the backend that serves a host directory
 *
 * Model. A remote inode (rnode) has an identity, which never changes, and
 * places (directory and name) where it was found. Whatever needs the file
 * itself goes through a handle, which is opened by a place; after opening, the
 * identity is compared, so that a name which was given to another file under us
 * yields -ESTALE and never that other file.
 *
 * Containment. Each backend call takes one name beneath a directory handle that
 * was reached in the same way from the root, and follows no symlink, no magic
 * link and no "..": links are walked by vfs, inside. So nothing outside the
 * bound tree is opened, whatever the host does to the tree meanwhile. Devices,
 * sockets and fifos of the host are shown, never opened: opening such an inode
 * is vfs's affair (guest drivers, guest fifos).
 *
 * Invariants
 *  1. One identity in use has one rnode (the overlay relies on it).
 *  2. While a guest has a file open or mapped, a handle for it stays open:
 *     after unlink, the place is gone and only the handle leads to it.
 *  3. No handle that can write stays open once no guest has the file open or
 *     mapped for writing (a host exec would meet -ETXTBSY).
 *
 * Interop modes (docs/files.md says what each promises). exclusive and writethrough
 * believe names and attributes that were seen once; shared asks again each time.
 * Data goes one of two ways, decided at a file's first open and kept for as long
 * as the inode lives:
 *
 *	direct   the handle has a host descriptor: bytes go straight through it, and
 *	         it is what is mapped; none are held here, so that all three modes
 *	         are coherent with the host
 *	cached   it has none, or the mount forces it: through pagecache/, with the
 *	         mode's meaning
 *
 * Owners: what a guest creates belongs, outside, to whom it belongs inside when root
 * runs nacre, else to whoever does.
 *
 * Locks (base/lockrank.h)
 *	VFS_DIR              names (held by vfs)
 *	  FILE_WRITE         rnode.write_lock: writers of one file; held while guest
 *	                     memory is read
 *	    INODE_MAPS       rnode.maps_lock, the page cache's: reverse mappings
 *	      INODE_LOWER    rnode.attr_lock: attributes
 *	        INODE_LOWER_DATA  rnode.map_lock: hostmaps; the page cache's data_lock
 *	          REMOTE     remote.lock: identities, places, handles of all rnodes
 * (INODE_LOWER, because an overlay may hold INODE.)
 */
#pragma once

#include "base/refcount.h"
#include "memfile/memfile.h"
#include "vfs/vfs.h"

struct statx;
struct iovec;
struct hostfd;
struct pagecache_set;
struct remote_backend;

/* ---- mounting ---- */

enum remote_cache { REMOTE_EXCLUSIVE, REMOTE_WRITETHROUGH, REMOTE_SHARED };

struct remote_options {
	enum remote_cache cache;
	bool readonly;
	bool forcecache;              /* as if no handle had a host descriptor */
	struct pagecache_set *caches; /* borrowed; NULL: only handles with one */
	const char *source;           /* for /proc/mounts; copied */
	const char *type;             /* there too; borrowed for ever; NULL: "hostdir" */
};

/* A mount of the directory that fd names (O_PATH will do), or of a single
 * regular file: then fd should be open for what is wanted of it; an O_PATH one
 * is opened anew through /proc, which must be there. Takes fd. */
int remote_mount_hostdir(int fd, const struct remote_options *opt, struct super **out) MUST_CHECK;

/* A mount of what a vhost-user-fs device has (virtiofs/). Takes fd: a socket connected to it. name: for
 * messages, borrowed for ever. What is wrong with the device is logged. */
int remote_mount_virtiofs(int fd, const char *name, struct memfile *mf,
			  const struct remote_options *opt, struct super **out) MUST_CHECK;

/* ---- the backend's side ---- */

/* An open object of the backend: a directory (to find names in), or an open
 * file. host: its host descriptor, through which data goes and which can be
 * mapped; NULL: data goes through read and write below. */
struct remote_handle {
	struct remote_backend *backend; /* [I] */
	struct refcount refs;
	struct hostfd *host; /* [I] owned */
	uint64_t id;         /* [I] the backend's own */
};

/* What a backend provides. Names are single components, never "." or "..".
 * No lock is held but those that rank before REMOTE. Errors are negative errno
 * values, as of the host call of the same name. */
struct remote_ops {
	/* Attributes of a name, following nothing, or of a handle. */
	int (*lookup)(struct remote_handle *dir, const char *name, struct statx *stx);
	int (*getattr)(struct remote_handle *h, struct statx *stx);
	/* Opens name in dir. flags: O_PATH (a handle to name it by, of any
	 * type), O_PATH | O_DIRECTORY, O_RDONLY, O_WRONLY, O_RDWR, those with
	 * O_DIRECT, the last with O_CREAT | O_EXCL. Never follows, never waits. */
	int (*open)(struct remote_handle *dir, const char *name, int flags, uint32_t mode,
		    struct remote_handle **out);
	/* A file without a name, open for both. */
	int (*tmpfile)(struct remote_handle *dir, uint32_t mode, struct remote_handle **out);
	/* The directory itself, to be listed, synced, or asked for xattrs. */
	int (*open_dir)(struct remote_handle *dir, struct remote_handle **out);
	/* The last reference went; the descriptor is closed by the caller. May be
	 * NULL. */
	void (*close)(struct remote_handle *h);
	/* struct linux_dirent64 records, from a handle of open_dir; 0: the end. */
	ssize_t (*readdir)(struct remote_handle *h, void *buf, size_t size);
	ssize_t (*readlink)(struct remote_handle *dir, const char *name, char *buf, size_t size);

	int (*mkdir)(struct remote_handle *dir, const char *name, uint32_t mode);
	/* Fifos and sockets. */
	int (*mknod)(struct remote_handle *dir, const char *name, uint32_t mode);
	int (*symlink)(const char *target, struct remote_handle *dir, const char *name);
	int (*link)(struct remote_handle *olddir, const char *oldname, struct remote_handle *newdir,
		    const char *newname);
	/* Names an open file (of tmpfile). */
	int (*link_handle)(struct remote_handle *h, struct remote_handle *newdir,
			   const char *newname);
	int (*unlink)(struct remote_handle *dir, const char *name, bool is_dir);
	int (*rename)(struct remote_handle *olddir, const char *oldname,
		      struct remote_handle *newdir, const char *newname, unsigned flags);

	/* On a handle of open(O_PATH) or an open file; type is its S_IFMT.
	 * uid, gid ~0: keep. times as utimensat(2). */
	int (*chmod)(struct remote_handle *h, uint32_t mode);
	int (*chown)(struct remote_handle *h, uint32_t uid, uint32_t gid);
	int (*utimens)(struct remote_handle *h, const struct timespec times[2]);

	/* On open files. Without a host descriptor, all of them are asked. */
	ssize_t (*read)(struct remote_handle *h, const struct iovec *iov, int count, uint64_t off,
			int rwf);
	ssize_t (*write)(struct remote_handle *h, const struct iovec *iov, int count, uint64_t off,
			 int rwf);
	int (*truncate)(struct remote_handle *h, uint64_t size);
	int (*fallocate)(struct remote_handle *h, int mode, uint64_t off, uint64_t size);
	int (*fsync)(struct remote_handle *h, bool data_only);
	int (*sync_range)(struct remote_handle *h, uint64_t off, uint64_t size, unsigned flags);
	int64_t (*seek)(struct remote_handle *h, int64_t off, int whence); /* DATA, HOLE */
	int (*fadvise)(struct remote_handle *h, uint64_t off, uint64_t size, int advice);
	ssize_t (*copy)(struct remote_handle *in, uint64_t in_off, struct remote_handle *out,
			uint64_t out_off, size_t size);
	ssize_t (*getxattr)(struct remote_handle *h, const char *name, void *buf, size_t size);
	int (*setxattr)(struct remote_handle *h, const char *name, const void *val, size_t size,
			int flags);
	ssize_t (*listxattr)(struct remote_handle *h, char *buf, size_t size);
	int (*removexattr)(struct remote_handle *h, const char *name);

	int (*statfs)(struct remote_handle *root, struct kstatfs *out);
	int (*sync)(struct remote_handle *root);
	/* The mount is gone: frees the backend. May be NULL. */
	void (*destroy)(struct remote_backend *b);
};

struct remote_backend {
	const struct remote_ops *ops; /* first field */
};

/* A handle with one reference; host may be NULL and is taken (also when it
 * fails: NULL). */
struct remote_handle *remote_handle_create(struct remote_backend *b, struct hostfd *host,
					   uint64_t id);
struct remote_handle *remote_handle_get(struct remote_handle *h);
void remote_handle_put(struct remote_handle *h); /* NULL is allowed */

/* A mount of what root (taken) leads to: a directory, or one regular file that
 * is open for what is wanted. Takes b on success. */
int remote_mount(struct remote_backend *b, struct remote_handle *root,
		 const struct remote_options *opt, struct super **out) MUST_CHECK;
