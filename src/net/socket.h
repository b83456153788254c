/*
 * net/: sockets. A socket is an open file (struct file) whose private part is a
 * struct socket; a family (AF_UNIX in net/unix/, AF_INET and AF_INET6 in net/inet/)
 * fills the table of its operations. This header is what the system call layer and io_uring use: all
 * addresses, data and control messages are in kernel form already.
 *
 *	socket()  ->  family table  ->  struct socket  ->  proto_ops of the family
 *	                                (options, error, wait queue: common)
 *
 * Blocking follows the file's O_NONBLOCK, MSG_DONTWAIT and the time limits of
 * SO_RCVTIMEO and SO_SNDTIMEO: -EAGAIN when one says stop. Interrupted, a call
 * gives -ERESTARTSYS, or -EINTR when a time limit is set (signal(7)).
 *
 * Locks (base/lockrank.h), outermost first:
 *	socket.read_lock          LOCK_SOCKET        one reader at a time, held while
 *	                                             guest memory is copied
 *	  socket.lock             LOCK_SOCKET_PEER   state, options, queues; two at
 *	                                             once by address
 *	    names                 LOCK_SOCKET_NAMES  names and ports that are bound, and other
 *	                                             lists of all sockets
 *	    collector             LOCK_SOCKET_GC     descriptors in flight
 *
 * Not done: MSG_OOB, SO_TIMESTAMP (recorded), socket filters, SO_PEERPIDFD.
 */
#pragma once

#include <sys/socket.h>

#include "abi/socket.h"
#include "vfs/vfs.h"

/* An address in kernel form. size 0: none. */
struct socket_addr {
	uint32_t size;
	union {
		uint16_t family;
		uint8_t bytes[128];
	};
};

/* Files in a control message (SCM_RIGHTS), from malloc. Owns a reference on each. */
#define SOCKET_FILES_MAX 253u
struct socket_files {
	unsigned count;
	struct file *file[SOCKET_FILES_MAX];
};
/* Drops the references and frees. NULL is allowed. */
void socket_files_put(struct socket_files *sf);

/* Control messages but for files and credentials, in either direction: struct
 * abi_cmsghdr, each aligned to 8, with its data. */
#define SOCKET_CONTROL_MAX 512u
struct socket_control {
	size_t size;
	_Alignas(8) uint8_t bytes[SOCKET_CONTROL_MAX];
};
/* -EINVAL: there is no room. */
int socket_control_add(struct socket_control *c, int level, int type, const void *data,
		       size_t size);
/* The message at *at (0 at first), which goes on; its data is behind it. NULL: no more. */
const struct abi_cmsghdr *socket_control_next(const struct socket_control *c, size_t *at);

/* What a program sees of somebody's credentials: the caller's task reads them. */
struct ucred creds_out(struct ucred creds);

struct socket_msg {
	struct uio *data; /* [borrowed] */
	/* send: where to, NULL for the peer. recv: filled with the sender's
	 * address unless NULL. */
	struct socket_addr *name;
	/* What is here after a call is the caller's, to be put: after a send,
	 * NULL when it took them; after a receive, what came. */
	struct socket_files *files;
	bool has_creds; /* SCM_CREDENTIALS: sent explicitly; to be delivered */
	struct ucred creds;
	/* [borrowed] send: what is asked for; recv: filled. May be NULL. */
	struct socket_control *control;
	unsigned flags; /* recv: MSG_TRUNC, MSG_EOR */
};

/* ---- life ---- */

/* type may carry SOCK_NONBLOCK (SOCK_CLOEXEC is the caller's affair).
 * -EAFNOSUPPORT, -EPROTONOSUPPORT, -ESOCKTNOSUPPORT, -EINVAL, -ENFILE, -ENOMEM.
 * Returns one reference. */
int socket_create(int family, int type, int protocol, const struct vfs_ctx *ctx, struct file **out)
	MUST_CHECK;
/* socketpair(2). */
int socket_pair(int family, int type, int protocol, const struct vfs_ctx *ctx, struct file *out[2])
	MUST_CHECK;
bool file_is_socket(const struct file *f);
/* Puts a datagram from the kernel on a netlink socket's queue (mq_notify(2)): -ENOTSOCK,
 * -EINVAL for another family, -ENOMEM. The first only asks. */
int netlink_may_post(const struct file *f);
int netlink_post(struct file *f, const void *bytes, size_t size);
/* Does -EPIPE come with SIGPIPE (unless MSG_NOSIGNAL)? Only for streams. */
bool socket_raises_sigpipe(const struct file *f);

/* ---- calls: -ENOTSOCK for other files; each as the system call of its name ---- */

int socket_bind(struct file *f, const struct socket_addr *addr, const struct vfs_ctx *ctx);
int socket_listen(struct file *f, int backlog, const struct vfs_ctx *ctx);
int socket_connect(struct file *f, const struct socket_addr *addr, const struct vfs_ctx *ctx);
/* The same, never waiting: -EINPROGRESS, and -EALREADY when asked again. */
int socket_connect_begin(struct file *f, const struct socket_addr *addr, const struct vfs_ctx *ctx);
/* flags: SOCK_NONBLOCK for the new file; MSG_DONTWAIT: does not wait, whatever f says.
 * peer may be NULL. Returns one reference. */
int socket_accept(struct file *f, unsigned flags, const struct vfs_ctx *ctx, struct file **out,
		  struct socket_addr *peer);
int socket_getname(struct file *f, bool peer, struct socket_addr *out);
/* flags: MSG_*. The bytes moved (MSG_TRUNC: the datagram's own length). */
ssize_t socket_sendmsg(struct file *f, struct socket_msg *m, unsigned flags,
		       const struct vfs_ctx *ctx);
ssize_t socket_recvmsg(struct file *f, struct socket_msg *m, unsigned flags,
		       const struct vfs_ctx *ctx);
int socket_shutdown(struct file *f, int how);
int socket_setsockopt(struct file *f, int level, int name, const void *val, size_t size,
		      const struct vfs_ctx *ctx);
/* *size: in, the room at val; out, the bytes written. */
int socket_getsockopt(struct file *f, int level, int name, void *val, size_t *size);

/* ---- state, for procfs and the like ---- */

struct socket_info {
	int family, type;
	uint64_t ino;
	unsigned refs, flags, state; /* as /proc/net/unix shows them */
	char name[128];              /* "@abstract" or a path; "" unnamed */
};
/* Calls fn for each AF_UNIX socket; a snapshot that may be a moment old. */
void socket_for_each_unix(void (*fn)(const struct socket_info *si, void *arg), void *arg);

/* A row of /proc/net/tcp and its kind. Addresses as 16 bytes, IPv4 as ::ffff:a.b.c.d. */
struct inet_info {
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
	int state; /* as TCP_INFO has it */
	uint32_t tx, rx, drops;
	bool waits;       /* TIME_WAIT and the like: no socket is left */
	uint64_t wait_ns; /* for how long yet */
	uint64_t ino;
	uint32_t uid;
	unsigned refs;
};
/* Calls fn for each socket of the family and protocol (IPPROTO_TCP, UDP, UDPLITE) that
 * has a port. */
void socket_for_each_inet(int family, int protocol, void (*fn)(const struct inet_info *, void *),
			  void *arg);
