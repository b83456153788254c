/*
 * TCP between two sockets of the sandbox (tcp(7), RFC 9293's states).
 *
 *	tcp.c          the object: making, state changes at the end of a life, poll
 *	tcp_connect.c  connect, listen, accept
 *	tcp_stream.c   sending, receiving, urgent data
 *	tcp_option.c   options of level IPPROTO_TCP, TCP_INFO
 *
 * Two ends of a connection point to each other. A sender makes a chunk of its bytes
 * without any lock and puts it on the receiver's queue; nothing is ever in flight. So
 * the states that wait for an acknowledgement do not occur, and a FIN is there when it
 * is sent:
 *
 *	CLOSE ─listen─> LISTEN        ─connect─> SYN_SENT (only while the listener's
 *	                                         queue is full) ──> ESTABLISHED
 *	ESTABLISHED ─we close──> FIN_WAIT2 ─they close─> CLOSE, a claim in TIME_WAIT
 *	ESTABLISHED ─they close─> CLOSE_WAIT ─we close─> CLOSE
 *
 * A socket whose file goes in FIN_WAIT2 leaves a claim in FIN_WAIT, and the other end
 * without a peer.
 *
 *  1. peer holds a reference, and points back. Both are set and cleared together, with
 *     both locks held. CLOSE_WAIT without a peer: nobody reads there any more.
 *  2. Only a holder of read_lock takes chunks off a queue that is not dead: a reader
 *     copies from the first chunk without socket.lock. `size` of the last chunk grows.
 *  3. A socket is on its listener's `embryos` without a file until it is accepted, or
 *     on `callers` while it is SYN_SENT. `waits_on` is that listener.
 *  4. Bytes have numbers from 0 on each way: `read_seq` is the next to be read,
 *     `next_seq` the next to come, `urgent_seq` that of the urgent one, `skip_seq` that
 *     of one that was urgent and is not read (UINT64_MAX: none).
 *
 * What a sender may have unread: its send buffer (SO_SNDBUF), beyond what the
 * receiver's buffer takes (half of SO_RCVBUF, as in Linux). While memory is tight
 * (base/kmem.h) each gets one small chunk at a time.
 */
#pragma once

#include <linux/tcp.h>
#include <netinet/in.h>

#include "base/pool.h"
#include "net/inet/inet.h"
#include "task/ktimer.h"

#define TCP_SHUT_RCV 1u
#define TCP_SHUT_SND 2u
#define TCP_SHUT_BOTH 3u

#define TCP_SNDBUF_DEFAULT 16384
#define TCP_RCVBUF_DEFAULT 131072
#define TCP_SNDBUF_CONNECTED 2626560 /* what Linux raises it to on lo */
#define TCP_MSS_LO 65483             /* lo's MTU without headers and time stamps */

/* As TCP_INFO and /proc/net/tcp show them. */
enum tcp_state {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_FIN_WAIT2 = 5,
	TCP_TIME_WAIT = 6, /* of a claim without a socket */
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LISTEN = 10,
};

/* What connect(2) has told its caller. */
enum tcp_phase { TCP_UNCONNECTED, TCP_CONNECTING, TCP_CONNECTED };

enum tcp_urgent { TCP_URGENT_NONE, TCP_URGENT_VALID, TCP_URGENT_READ };

/* Bytes on their way to a reader. */
struct tcp_chunk {
	struct list link;
	size_t room, size, done; /* done: read already */
	uint8_t data[];
};

/* Options of IPPROTO_TCP: recorded, and given back, but where a comment says more. */
struct tcp_options {
	int value[32]; /* by number */
	char congestion[16];
};

struct tcp_sock {
	struct inet_sock i;
	/* [l] all of these */
	enum tcp_state state;
	enum tcp_phase phase;
	bool dead;    /* its file is gone */
	bool is_done; /* a FIN came */
	/* [a] Somebody waits for room to send; pairs with the peer's `charge`: set before
	 * that is looked at, and looked at after that went down. */
	atomic_bool wants_room;
	bool gives_inq; /* TCP_INQ: what is left goes with what is read */
	unsigned shutdown;
	struct tcp_sock *peer;
	struct tcp_options opt;
	/* A listener. */
	struct list embryos, callers;
	unsigned nr_embryos, backlog;
	/* One that connects, or waits to be accepted: [l] of waits_on too. */
	struct list wait_link;
	struct tcp_sock *waits_on; /* reference, of a caller */
	struct tcp_sock *embryo;   /* reference: what a caller will be connected to */
	struct ktimer timer;       /* of a caller */
	/* What came and was not read. */
	struct list queue;    /* of tcp_chunk */
	atomic_size_t charge; /* memory of the queue; the peer reads it without our lock */
	uint64_t read_seq, next_seq, urgent_seq, skip_seq;
	enum tcp_urgent urgent;
	uint8_t urgent_byte;
	uint64_t nr_received; /* chunks, for TCP_INFO */
};

static inline struct tcp_sock *tcp_of(struct socket *s)
{
	return container_of(s, struct tcp_sock, i.s);
}

static inline void tcp_get(struct tcp_sock *t)
{
	socket_get(&t->i.s);
}

static inline void tcp_put(struct tcp_sock *t)
{
	if (t)
		socket_put(&t->i.s);
}

/* ---- tcp.c ---- */
int tcp_alloc(int family, int protocol, struct tcp_sock **out) MUST_CHECK;
/* Both locks, in order; b may be a, or NULL. */
void tcp_lock_both(struct tcp_sock *a, struct tcp_sock *b);
void tcp_unlock_both(struct tcp_sock *a, struct tcp_sock *b);
/* Locks t and its peer, and returns that with a reference, or NULL. */
struct tcp_sock *tcp_lock_with_peer(struct tcp_sock *t) MUST_CHECK;
void tcp_unlock_with_peer(struct tcp_sock *t, struct tcp_sock *peer); /* puts peer */
/* A connection that is reset or refused, seen from t. => t's lock */
void tcp_fail_locked(struct tcp_sock *t, int err);
/* Ends t's connection with a reset: the other end gets the error. Hold no lock. */
void tcp_abort(struct tcp_sock *t);
/* A socket without a file, as if it was closed. */
void tcp_close(struct tcp_sock *t);
void tcp_forget_data(struct tcp_sock *t);
void tcp_wake(struct tcp_sock *t, uint32_t events);

/* ---- tcp_connect.c ---- */
int tcp_connect(struct socket *s, const struct socket_addr *addr, struct sock_wait *w);
int tcp_listen(struct socket *s, int backlog, const struct vfs_ctx *ctx);
int tcp_accept(struct socket *s, struct sock_wait *w, struct socket **out);
/* A listener that is one no longer: those who wait on it are turned away. */
void tcp_stop_listening(struct tcp_sock *t);
/* A caller gives up. */
void tcp_stop_calling(struct tcp_sock *t);
void tcp_call_timeout(struct ktimer *timer);

/* ---- tcp_stream.c ---- */
void tcp_free_chunks(struct list *chunks);
/* size bytes of memory left t's queue. => t's lock */
void tcp_uncharge_locked(struct tcp_sock *t, size_t size);
ssize_t tcp_sendmsg(struct socket *s, struct socket_msg *m, unsigned flags, struct sock_wait *w);
ssize_t tcp_recvmsg(struct socket *s, struct socket_msg *m, unsigned flags, struct sock_wait *w);
/* How much of t's send buffer is in use, and is a third of it free? => t's lock */
size_t tcp_unread_locked(const struct tcp_sock *t);
bool tcp_is_writable_locked(struct tcp_sock *t);
/* Bytes that a read would give. => s.lock */
size_t tcp_readable_locked(const struct tcp_sock *t);

/* ---- tcp_option.c ---- */
void tcp_options_init(struct tcp_options *o);
/* As it was set; of numbers below 32. */
int tcp_option(const struct tcp_options *o, int name);
int tcp_setsockopt(struct socket *s, int level, int name, const void *val, size_t size,
		   const struct vfs_ctx *ctx);
int tcp_getsockopt(struct socket *s, int level, int name, void *val, size_t *size);
