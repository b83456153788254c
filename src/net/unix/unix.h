/*
 * net/unix/: AF_UNIX sockets (unix(7)).
 *
 *	unix.c      the object: making, pairing, closing, names of it, poll
 *	names.c     addresses: parsing, paths, abstract names, autobind, lookup
 *	connect.c   listen, connect, accept
 *	message.c   a message in flight: memory, accounting, credentials
 *	stream.c    sending and receiving on streams
 *	dgram.c     the same for datagrams and seqpackets
 *	collect.c   descriptors in flight, and the cycles that they make
 *
 * Model: a sender builds a message without any lock, and puts it on the receiving
 * socket's queue. Its memory is charged to the sender (SO_SNDBUF) until the receiver
 * has read all of it; a message holds a reference on its sender, which stays alive
 * for that, without a file.
 *
 *	state       may
 *	CLOSED      everything begins here; datagram sockets stay here without a
 *	            peer. Streams: connect, bind, listen
 *	LISTENING   accept; others connect. `embryos` are connections that nobody
 *	            has accepted yet: whole sockets without a file
 *	CONNECTED   has a peer, for ever (streams, seqpackets), until it is changed
 *	            (datagrams). The peer may be dead
 *
 *  1. peer holds a reference. Peers of streams point to each other.
 *  2. addr and path are set once; addr is then read without a lock.
 *  3. A dead socket (its file is gone) has an empty queue, no name and no peer, and
 *     nothing is ever queued on it again.
 *  4. Only a holder of read_lock, or the one who makes it dead, takes messages off a
 *     queue; so a reader copies the first message without socket.lock.
 *  5. Files in messages are counted in collect.c for exactly as long as they lie in a
 *     message.
 *
 * Locks are in net/socket.h.
 */
#pragma once

#include <sys/un.h>

#include "base/pool.h"
#include "net/internal.h"

#define UNIX_DGRAM_QUEUE_MAX 10 /* net.unix.max_dgram_qlen: messages that may wait, less 1 */
#define UNIX_NAME_MAX 108

#define UNIX_SHUT_RCV 1u
#define UNIX_SHUT_SND 2u
#define UNIX_SHUT_BOTH 3u

enum unix_state { UNIX_CLOSED, UNIX_LISTENING, UNIX_CONNECTED };

/* A name: [I] once made, shared by a listener and what it accepts. */
struct unix_addr {
	struct refcount refs;
	uint32_t size;           /* of the sockaddr */
	struct sockaddr_un un;   /* a path has its NUL; abstract: sun_path[0] is 0 */
	uint8_t pad;             /* for the NUL of a path of 108 */
	struct list hash_link;   /* [names] abstract ones */
	struct unix_sock *owner; /* [names] borrowed: it unlinks itself */
};

struct unix_sock {
	struct socket s;
	struct list all_link; /* [names] for /proc/net/unix */
	/* [l] all of these, by s.lock */
	enum unix_state state;
	bool dead;
	bool is_binding;
	unsigned shutdown;
	struct unix_addr *_Atomic addr;
	struct path path;
	struct unix_sock *peer;
	struct ucred peercred;
	struct list queue; /* of unix_msg */
	unsigned nr_queued;
	size_t queued_bytes;
	struct list embryos, embryo_link; /* [l] and [gc] to change, either to look */
	unsigned nr_embryos, backlog;
	/* Senders that wait for room here: in a call, on room_waitq; in poll(2),
	 * on `relays` ([relay]: dgram.c), each entry with a reference. */
	struct waitq room_waitq;
	struct list relays;
	struct list relay_link;     /* [l] of relay_of */
	struct unix_sock *relay_of; /* [l] of relay_of, borrowed */
	atomic_size_t charged;      /* [a] bytes of ours in flight */
	/* [gc] */
	unsigned inflight, gc_count;
	bool is_candidate, is_live;
	struct list inflight_link, gc_link;
	struct list file_msgs; /* messages in `queue` that have files */
};

struct unix_msg {
	struct list link;
	struct list files_link;     /* [gc] on file_msgs */
	struct unix_sock *sender;   /* reference */
	struct socket_files *files; /* [gc] once queued */
	struct ucred creds;
	bool has_creds;
	size_t charge;
	size_t size, done; /* done: read already, of a stream */
	uint8_t data[];
};

static inline struct unix_sock *unix_of(struct socket *s)
{
	return container_of(s, struct unix_sock, s);
}

static inline void unix_get(struct unix_sock *u)
{
	socket_get(&u->s);
}

static inline void unix_put(struct unix_sock *u)
{
	if (u)
		socket_put(&u->s);
}

static inline bool unix_is_stream(const struct unix_sock *u)
{
	return u->s.type == SOCK_STREAM;
}

static inline bool unix_is_connected_kind(const struct unix_sock *u)
{
	return u->s.type != SOCK_DGRAM;
}

/* ---- unix.c ---- */
int unix_create(int type, int protocol, struct socket **out) MUST_CHECK;
/* The peer with a reference, or NULL. */
struct unix_sock *unix_peer_get(struct unix_sock *u);
/* Tells a peer that u is gone: shut down, with an error when data was lost. */
void unix_hang_up(struct unix_sock *peer, bool lost_data);
/* A closed file, or an embryo whose listener goes. */
void unix_close(struct unix_sock *u, bool is_embryo);
void unix_own_creds(const struct vfs_ctx *ctx, struct ucred *out); /* effective ids */
bool unix_is_writable(const struct unix_sock *u);
/* Is it a socket file of ours? */
struct unix_sock *unix_of_file(const struct file *f);

/* ---- names.c ---- */
int unix_bind(struct socket *s, const struct socket_addr *addr, const struct vfs_ctx *ctx);
int unix_autobind(struct unix_sock *u);
/* The socket bound there, with a reference. type: -EPROTOTYPE for another. */
int unix_find(const struct socket_addr *addr, int type, const struct vfs_ctx *ctx,
	      struct unix_sock **out) MUST_CHECK;
/* Forgets the name of a socket that is closed. */
void unix_unbind(struct unix_sock *u);
void unix_addr_put(struct unix_addr *a);
void unix_name_of(const struct unix_sock *u, struct socket_addr *out); /* size 0: none */
void unix_list_add(struct unix_sock *u);
void unix_list_del(struct unix_sock *u);

/* ---- connect.c ---- */
int unix_listen(struct socket *s, int backlog, const struct vfs_ctx *ctx);
int unix_stream_connect(struct socket *s, const struct socket_addr *addr, struct sock_wait *w);
int unix_dgram_connect(struct socket *s, const struct socket_addr *addr, struct sock_wait *w);
int unix_accept(struct socket *s, struct sock_wait *w, struct socket **out);
/* Both fresh: makes them peers. */
int unix_pair(struct socket *a, struct socket *b, const struct vfs_ctx *ctx);

/* ---- message.c ---- */
/* A message with the next size bytes of m, charged to u, with m's explicit
 * credentials. -ENOMEM, -EFAULT. */
int unix_msg_create(struct unix_sock *u, size_t size, struct socket_msg *m, struct unix_msg **out)
	MUST_CHECK;
/* May the caller claim the credentials that m carries? -EPERM. -EINVAL: a control
 * message that is none of ours. */
int unix_check_control(const struct socket_msg *m, const struct vfs_ctx *ctx) MUST_CHECK;
/* As Linux: credentials go along when either end wants them. */
void unix_msg_add_creds(struct unix_msg *msg, const struct unix_sock *to,
			const struct vfs_ctx *ctx);
/* Takes m's files into the message. -ETOOMANYREFS. */
int unix_msg_attach(struct unix_msg *msg, struct socket_msg *m) MUST_CHECK;
/* Uncharges, wakes the senders, drops files: iteratively, however they nest. Hold
 * no lock. */
void unix_msg_free(struct unix_msg *msg);
void unix_msgs_free(struct list *msgs);
bool unix_is_freeing(void); /* this thread, further out */
/* Puts the message on to's queue. => s.lock of to */
void unix_msg_push_locked(struct unix_sock *to, struct unix_msg *msg);
void unix_msg_pop_locked(struct unix_sock *u, struct unix_msg *msg);
/* For a receiver: what goes with the message. peek: the files are shared. */
int unix_msg_take_control(struct unix_sock *u, struct unix_msg *msg, struct socket_msg *m,
			  bool peek);
/* Waits until u may send (room in its buffer). */
int unix_wait_sendable(struct unix_sock *u, struct sock_wait *w) MUST_CHECK;

/* ---- stream.c, dgram.c ---- */
ssize_t unix_stream_sendmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			    struct sock_wait *w);
ssize_t unix_stream_recvmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			    struct sock_wait *w);
ssize_t unix_dgram_sendmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			   struct sock_wait *w);
ssize_t unix_dgram_recvmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			   struct sock_wait *w);
ssize_t unix_seqpacket_sendmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			       struct sock_wait *w);
ssize_t unix_seqpacket_recvmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			       struct sock_wait *w);
/* poll(2) of a datagram socket with a peer: is there room? When not, u hears of
 * it as soon as there is. */
bool unix_dgram_room_or_relay(struct unix_sock *u);
/* Ends such a wish, when the peer changes or u closes. */
void unix_relay_cancel(struct unix_sock *u);
/* There is room again: everybody who waited for it hears of it. */
void unix_room_wake(struct unix_sock *u);

/* ---- collect.c ---- */
extern struct mutex unix_gc_lock;
/* From here on the message's files count as in flight. -ETOOMANYREFS. */
int unix_files_attach(struct socket_files *sf) MUST_CHECK;
/* The message is on u's queue now. => s.lock of u */
void unix_files_queued(struct unix_sock *u, struct unix_msg *msg);
/* Out of the message, out of flight: the references are the caller's. NULL: none. */
struct socket_files *unix_files_take(struct unix_msg *msg);
/* A copy with references of its own, in no message. -ENOMEM. */
int unix_files_share(struct unix_msg *msg, struct socket_files **out) MUST_CHECK;
/* Frees the messages that only they themselves can reach. Hold no lock. */
void unix_collect(void);
/* Empties u, which nobody can reach any more. */
void unix_purge(struct unix_sock *u);
