/* net/: what a family implements, and the common part of every socket. */
#pragma once

#include "net/socket.h"

struct socket;

/* One call that may have to wait. */
struct sock_wait {
	struct socket *s;
	const struct vfs_ctx *ctx;
	struct waitq_entry entry;
	struct waitq *queue; /* where entry is, or NULL */
	bool nonblock;
	bool has_timeout;
	uint64_t timeout_ns;  /* SO_RCVTIMEO or SO_SNDTIMEO; 0: none */
	uint64_t deadline_ns; /* set at the first sleep */
};

enum sock_name {
	SOCK_NAME_LOCAL,
	SOCK_NAME_PEER,
	SOCK_NAME_ACCEPTED, /* the peer, also one that has gone already */
};

/* Every op may be NULL: -EOPNOTSUPP. No lock is held when they are called. */
struct proto_ops {
	/* The file is gone: disconnect, wake everybody, forget the name. */
	void (*release)(struct socket *s);
	/* The last reference is gone: free. */
	void (*destroy)(struct socket *s);
	int (*bind)(struct socket *s, const struct socket_addr *addr, const struct vfs_ctx *ctx);
	int (*connect)(struct socket *s, const struct socket_addr *addr, struct sock_wait *w);
	int (*listen)(struct socket *s, int backlog, const struct vfs_ctx *ctx);
	/* Returns a reference. */
	int (*accept)(struct socket *s, struct sock_wait *w, struct socket **out);
	int (*getname)(struct socket *s, enum sock_name which, struct socket_addr *out);
	ssize_t (*sendmsg)(struct socket *s, struct socket_msg *m, unsigned flags,
			   struct sock_wait *w);
	ssize_t (*recvmsg)(struct socket *s, struct socket_msg *m, unsigned flags,
			   struct sock_wait *w);
	int (*shutdown)(struct socket *s, int how);
	uint32_t (*poll)(struct socket *s, struct poll_table *pt);
	/* -ENOTTY: not one of the family's. */
	long (*ioctl)(struct socket *s, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx);
	/* Options of every level, of SOL_SOCKET those that are not common: -ENOPROTOOPT. */
	int (*setsockopt)(struct socket *s, int level, int name, const void *val, size_t size,
			  const struct vfs_ctx *ctx);
	int (*getsockopt)(struct socket *s, int level, int name, void *val, size_t *size);
	/* socketpair(2): both fresh. */
	int (*pair)(struct socket *a, struct socket *b, const struct vfs_ctx *ctx);
};

/* Options that every family has, recorded or obeyed. */
struct sock_options {
	int sndbuf, rcvbuf;
	bool sndbuf_locked, rcvbuf_locked; /* set by the program */
	int rcvlowat;
	int priority, mark;
	int timestamping;                  /* SOF_TIMESTAMPING_* */
	uint64_t rcvtimeo_ns, sndtimeo_ns; /* 0: none */
	struct linger linger;
	uint32_t bits; /* 1 << enum sock_bit */
};

enum sock_bit {
	SOCK_BIT_DEBUG,
	SOCK_BIT_REUSEADDR,
	SOCK_BIT_REUSEPORT,
	SOCK_BIT_KEEPALIVE,
	SOCK_BIT_DONTROUTE,
	SOCK_BIT_BROADCAST,
	SOCK_BIT_OOBINLINE,
	SOCK_BIT_NO_CHECK,
	SOCK_BIT_PASSCRED,
	SOCK_BIT_PASSSEC,
	SOCK_BIT_TIMESTAMP,     /* also when it is in nanoseconds */
	SOCK_BIT_TIMESTAMPNS,   /* which it is */
	SOCK_BIT_TIMESTAMP_NEW, /* with the numbers of SO_TIMESTAMP_NEW */
	SOCK_BIT_WIFI_STATUS,
	SOCK_BIT_RXQ_OVFL,
	SOCK_BIT_ZEROCOPY,
};

#define SOCK_BUF_DEFAULT 212992
#define SOCK_SNDBUF_MIN 4608
#define SOCK_RCVBUF_MIN 2304

/* Letters: [I] set before anybody sees it, [l] lock, [a] atomic. */
struct socket {
	const struct proto_ops *ops; /* first field */
	struct refcount refs;        /* the file, peers, messages of ours in flight */
	int family, type, protocol;  /* [I] */
	struct mutex read_lock;      /* LOCK_SOCKET */
	struct mutex lock;           /* LOCK_SOCKET_PEER */
	struct waitq waitq;
	struct sock_options opt; /* [l]; sndbuf and bits are also read without */
	atomic_int err;          /* [a] SO_ERROR: positive errno */
	bool is_listening;       /* [l] SO_ACCEPTCONN */
	/* [a] borrowed; NULL before it has one. So a family knows its own in
	 * descriptors that are passed. */
	struct file *_Atomic file;
};

struct net_family {
	int family;
	/* type is without flags. Returns a reference. */
	int (*create)(int type, int protocol, struct socket **out);
};
extern const struct net_family unix_family, inet_family, inet6_family, netlink_family;

/* Sets the common part; one reference. */
void socket_init(struct socket *s, const struct proto_ops *ops, int family, int type, int protocol);
static inline void socket_get(struct socket *s)
{
	refcount_get(&s->refs);
}
void socket_put(struct socket *s);
/* Of a file that is a socket, else NULL. */
struct socket *socket_of_file(const struct file *f);

static inline bool sock_has(const struct socket *s, enum sock_bit bit)
{
	return __atomic_load_n(&s->opt.bits, __ATOMIC_RELAXED) & (1u << bit);
}

/* Takes the pending error: 0 or -errno. */
static inline int sock_take_error(struct socket *s)
{
	return atomic_load_explicit(&s->err, memory_order_relaxed) ? -atomic_exchange(&s->err, 0)
								   : 0;
}

/* Waiting. The first call queues and returns 0 (look again: no wake is lost), later
 * ones sleep. 0, or why to give up: -EAGAIN, -ERESTARTSYS, -EINTR. On another
 * queue than before, it starts anew. Hold no lock. A caller's queue must live
 * until sock_wait_end(). */
int sock_wait(struct sock_wait *w, struct waitq *q, uint32_t events) MUST_CHECK;
void sock_wait_end(struct sock_wait *w);

/* SO_TIMESTAMP and the like, SO_RXQ_OVFL, as control messages. drops: messages lost so
 * far. => s.lock */
void sock_describe(const struct socket *s, uint64_t time_ns, uint32_t drops,
		   struct socket_control *c);

/* netdevice(7), for sockets of every family: -ENOTTY for other commands. */
long ifreq_ioctl(struct socket *s, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx);

int sockopt_set(struct socket *s, int name, const void *val, size_t size,
		const struct vfs_ctx *ctx);
int sockopt_get(struct socket *s, int name, void *val, size_t *size);
