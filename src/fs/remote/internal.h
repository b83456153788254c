/* What the files of fs/remote share. */
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include "base/pool.h"
#include "fs/remote/remote.h"
#include "host/host.h"
#include "host/hostfd.h"

struct remote;

/* The backend: everything is one name beneath a directory handle, or an open
 * handle. Handles are host descriptors here; a backend without them (virtiofs)
 * gives handles with fd -1 and fills read and write instead. */
struct remote_ops {
	int (*stat)(int dir, const char *name, struct statx *stx);
	int (*fstat)(int fd, struct statx *stx);
	/* flags: O_PATH | O_DIRECTORY, O_RDONLY, O_RDWR, with O_CREAT | O_EXCL. */
	int (*open)(int dir, const char *name, int flags, uint32_t mode);
	ssize_t (*readlink)(int dir, const char *name, char *buf, size_t size);
	int (*mkdir)(int dir, const char *name, uint32_t mode);
	int (*symlink)(const char *target, int dir, const char *name);
	int (*link)(int olddir, const char *oldname, int newdir, const char *newname);
	int (*unlink)(int dir, const char *name, bool is_dir);
	int (*rename)(int olddir, const char *oldname, int newdir, const char *newname, unsigned flags);
};

extern const struct remote_ops hostdir_ops;

struct rnode {
	struct inode inode;
	struct remote *remote;
	struct list hash_link;     /* [R] by identity */
	struct rnode *parent;      /* [R] reference; NULL: the root */
	char *name;                /* [R] in parent; owned */
	bool is_gone;              /* [R] its name was removed */
	uint64_t dev;              /* [I] with inode.ino: identity */
	struct hostfd *path_fd;    /* [R] directories: O_PATH */
	struct hostfd *read_fd;    /* [R] regular files: O_RDONLY */
	struct hostfd *write_fd;   /* [R] regular files: O_RDWR */
	struct list lru;           /* [R] while it holds any of them */
	struct mutex attr_lock;    /* LOCK_INODE */
	struct kstat st;           /* [attr_lock] as last seen */
	struct mappable mappable;
	struct mutex maps_lock;    /* LOCK_INODE_MAPS */
	struct mapping_set maps;   /* [maps_lock] */
	struct mutex map_lock;     /* LOCK_INODE_DATA */
	struct hostmap *hostmap[2]; /* [map_lock] read-only, writable; once made
				       they stay: a translation may point to them */
};

#define REMOTE_HASH 1024

struct remote {
	struct super sb;
	const struct remote_ops *ops;
	enum remote_cache cache;
	bool readonly;
	struct mutex lock;                   /* [R] LOCK_REMOTE */
	struct list hash[REMOTE_HASH];       /* [R] */
	struct list lru;                     /* [R] inodes with handles, oldest first */
	unsigned nhandles, handles_max;      /* [R] */
	struct hostfd *root_fd;              /* [I] */
};

static inline struct rnode *rnode_of(struct inode *inode)
{
	return container_of(inode, struct rnode, inode);
}

/* ---- handles.c: each returns a reference ---- */
enum handle { HANDLE_PATH, HANDLE_READ, HANDLE_WRITE };
int handle_get(struct rnode *n, enum handle how, struct hostfd **out) MUST_CHECK;
void handles_drop_locked(struct rnode *n);
/* The parent's directory handle and the name (copied into buf, 256 bytes):
 * where calls by name go. */
int handle_place(struct rnode *n, struct hostfd **dir, char *buf) MUST_CHECK;

/* ---- remote.c ---- */
int rnode_refresh(struct rnode *n);
void rnode_set_stat(struct rnode *n, const struct statx *stx);

/* ---- file.c ---- */
int remote_open(struct inode *inode, struct file *f, const struct vfs_ctx *ctx);

/* ---- map.c ---- */
extern const struct mappable_ops remote_mappable_ops;
void map_fini(struct rnode *n);
void map_truncated(struct rnode *n, uint64_t size);
