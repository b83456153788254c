/*
 * fs/remote/virtiofs: the backend that serves a directory of a vhost-user-fs device (virtiofsd):
 * each op is a FUSE request or two, over a virtqueue.
 *
 *	channel.c   requests, the queues, the device's thread
 *	session.c   INIT, the mount, its end; nodes and their references
 *	names.c     ops on names in directories
 *	files.c     ops on open files: data, attributes, xattrs
 *
 * The device knows files by node numbers, and counts how often it told us of each; a node is
 * ours until we say FORGET as often. A handle of fs/remote is a node (O_PATH), or a node
 * with an open file or directory of the device's.
 *
 * Data goes from the device to page cache pages, and back, without a copy. Everything else is
 * small, and copied to and from a slot of its request.
 *
 * The device is not trusted (see vhost/ and virtq/ for its queues). A reply is copied out of
 * the slot once, and then judged: its number must be the request's, its length what was
 * written, its error an errno, its structure as long as it must be; names in directories, types
 * and sizes are looked at where they are used. A reply that is none ends the session: every
 * request fails with EIO from then on, and so do all when the device goes away, because the
 * nodes go with it.
 */
#pragma once

#include <linux/fuse.h>

#include "base/list.h"
#include "fs/remote/internal.h"
#include "host/thread.h"
#include "vhost/vhost.h"
#include "virtq/virtq.h"

#define SLOT_HALF 8192u /* what a request says, and what is answered, beside data */
#define SLOTS 32u
#define DATA_BLOCKS 32u

/* The queues of a device of ours. */
enum { QUEUE_HIPRIO, QUEUE_REQUESTS, QUEUES };

struct fuse_channel;

/* A piece of what a request says. */
struct fuse_arg {
	const void *at;
	size_t size;
};

/* One request, and its reply. */
struct fuse_call {
	uint32_t opcode;
	uint64_t node;
	struct fuse_arg in[3]; /* copied */
	/* Data, in the memory file: what the device reads behind `in`, or writes behind `out`. */
	const struct iovec *data;
	unsigned nr_data;
	bool data_is_read; /* by the device */
	/* What the reply holds: at least out_min bytes. Less than out_size of it: the rest is zeros. */
	void *out;
	size_t out_size, out_min;
	size_t got; /* bytes of the reply behind its header */
};

/* 0, the device's error, or -EIO: the session is over. => sleeps */
int channel_call(struct fuse_channel *c, struct fuse_call *call) MUST_CHECK;
/* A request that nobody answers: FORGET. May be left out when the session is over. */
void channel_tell(struct fuse_channel *c, uint32_t opcode, uint64_t node, const void *in,
		  size_t size);
/* Takes fd: connected to the device. name: for messages, borrowed for ever. */
int channel_create(int fd, const char *name, struct memfile *mf, struct fuse_channel **out)
	MUST_CHECK;
/* Ends the session: nobody calls any more. */
void channel_destroy(struct fuse_channel *c);
/* What the device says cannot be: the session is over. Returns -EIO. */
int channel_is_wrong(struct fuse_channel *c, const char *why);
struct memfile *channel_memfile(const struct fuse_channel *c);

/* ---- session.c ---- */

struct fuse_backend {
	struct remote_backend backend; /* first field */
	struct fuse_channel *channel;
	uint32_t max_write; /* bytes of one request */
};

enum fuse_kind { FUSE_NODE, FUSE_FILE, FUSE_DIRECTORY };

/* What a handle of fs/remote stands for. */
struct fuse_object {
	enum fuse_kind kind;
	uint64_t node, fh;
	uint64_t offset; /* of a directory: where it goes on */
	/* A node that others hold: nobody forgets that of the root; that of an open directory is
	 * its handle's, which is kept meanwhile. */
	bool is_root;
	struct remote_handle *holder;
};

static inline struct fuse_backend *backend_of(const struct remote_handle *h)
{
	return container_of(h->backend, struct fuse_backend, backend);
}

static inline struct fuse_channel *channel_of(const struct remote_handle *h)
{
	return backend_of(h)->channel;
}

static inline struct fuse_object *object_of(const struct remote_handle *h)
{
	return (struct fuse_object *)(uintptr_t)h->id;
}

/* A handle of what o says, which ends with the handle, or at once when this fails. */
int object_create(struct fuse_backend *b, const struct fuse_object *o, struct remote_handle **out)
	MUST_CHECK;
void object_close(struct remote_handle *h);
void node_forget(struct fuse_channel *c, uint64_t node);
/* Judges attributes. */
int attr_to_statx(struct fuse_channel *c, const struct fuse_attr *a, struct statx *stx) MUST_CHECK;

extern const struct remote_ops virtiofs_ops;

/* names.c, files.c: in the order of struct remote_ops */
int virtiofs_lookup(struct remote_handle *dir, const char *name, struct statx *stx);
int virtiofs_open(struct remote_handle *dir, const char *name, int flags, uint32_t mode,
		  struct remote_handle **out);
int virtiofs_tmpfile(struct remote_handle *dir, uint32_t mode, struct remote_handle **out);
int virtiofs_open_dir(struct remote_handle *dir, struct remote_handle **out);
ssize_t virtiofs_readdir(struct remote_handle *h, void *buf, size_t size);
ssize_t virtiofs_readlink(struct remote_handle *dir, const char *name, char *buf, size_t size);
int virtiofs_mkdir(struct remote_handle *dir, const char *name, uint32_t mode);
int virtiofs_mknod(struct remote_handle *dir, const char *name, uint32_t mode);
int virtiofs_symlink(const char *target, struct remote_handle *dir, const char *name);
int virtiofs_link(struct remote_handle *olddir, const char *oldname, struct remote_handle *newdir,
		  const char *newname);
int virtiofs_link_handle(struct remote_handle *h, struct remote_handle *newdir,
			 const char *newname);
int virtiofs_unlink(struct remote_handle *dir, const char *name, bool is_dir);
int virtiofs_rename(struct remote_handle *olddir, const char *oldname, struct remote_handle *newdir,
		    const char *newname, unsigned flags);
int virtiofs_getattr(struct remote_handle *h, struct statx *stx);
int virtiofs_chmod(struct remote_handle *h, uint32_t mode);
int virtiofs_chown(struct remote_handle *h, uint32_t uid, uint32_t gid);
int virtiofs_utimens(struct remote_handle *h, const struct timespec times[2]);
ssize_t virtiofs_read(struct remote_handle *h, const struct iovec *iov, int count, uint64_t off,
		      int rwf);
ssize_t virtiofs_write(struct remote_handle *h, const struct iovec *iov, int count, uint64_t off,
		       int rwf);
int virtiofs_truncate(struct remote_handle *h, uint64_t size);
int virtiofs_fallocate(struct remote_handle *h, int mode, uint64_t off, uint64_t size);
int virtiofs_fsync(struct remote_handle *h, bool data_only);
int virtiofs_sync_range(struct remote_handle *h, uint64_t off, uint64_t size, unsigned flags);
int64_t virtiofs_seek(struct remote_handle *h, int64_t off, int whence);
int virtiofs_fadvise(struct remote_handle *h, uint64_t off, uint64_t size, int advice);
ssize_t virtiofs_copy(struct remote_handle *in, uint64_t in_off, struct remote_handle *out,
		      uint64_t out_off, size_t size);
ssize_t virtiofs_getxattr(struct remote_handle *h, const char *name, void *buf, size_t size);
int virtiofs_setxattr(struct remote_handle *h, const char *name, const void *val, size_t size,
		      int flags);
ssize_t virtiofs_listxattr(struct remote_handle *h, char *buf, size_t size);
int virtiofs_removexattr(struct remote_handle *h, const char *name);
int virtiofs_statfs(struct remote_handle *root, struct kstatfs *out);
int virtiofs_sync(struct remote_handle *root);
