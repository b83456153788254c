/*
 * A request: one entry of a submission queue, from its copying to its completion.
 *
 *	state           who may touch it                      it ends by
 *	being made      the submitter                         being issued
 *	chained         the request before it (under lock)    that one's completion
 *	deferred        the ring's drain list (lock)          the drain
 *	issued          the thread that issues it             done, or one of:
 *	 waits: POLL    nobody; who owns poll.refs goes on    a wake, or cancellation
 *	 waits: TIMER   whoever takes it out of the hash      its time, cancellation
 *	 waits: WORK    the pool; then its worker             the worker
 *	to go on        a uring_task's work list              issued again, or done
 *	done            the list of its issue                 completion, freed
 *
 * What waits is in its ring's hash so that cancellation finds it; it is never freed
 * while it is there, and leaves it under ring.lock.
 */
#pragma once

#include "abi/io_uring.h"
#include "task/task.h"

struct ring;
struct req;
struct uring_task;
struct rsrc_node;
struct worker;

enum req_flag {
	/* as the entry has them */
	REQ_FIXED_FILE = IOSQE_FIXED_FILE,
	REQ_DRAIN = IOSQE_IO_DRAIN,
	REQ_LINK = IOSQE_IO_LINK,
	REQ_HARDLINK = IOSQE_IO_HARDLINK,
	REQ_FORCE_ASYNC = IOSQE_ASYNC,
	REQ_BUFFER_SELECT = IOSQE_BUFFER_SELECT,
	REQ_CQE_SKIP = IOSQE_CQE_SKIP_SUCCESS,
	/* our own */
	REQ_FAIL = 1 << 8,           /* what is linked to it is cancelled */
	REQ_SKIP_LINK_CQES = 1 << 9, /* and silently */
	REQ_NOWAIT = 1 << 10,        /* -EAGAIN is a result */
	REQ_MULTISHOT = 1 << 11,     /* completes more than once */
	REQ_HAS_LTIMEOUT = 1 << 12,  /* the next in the chain is its linked timeout */
	REQ_INFLIGHT = 1 << 13,      /* ends with its task: its file is a ring, and the like */
	REQ_BIG_CQE = 1 << 14,       /* big[] belongs to the completion */
	REQ_BUF_CHOSEN = 1 << 15,    /* a provided buffer is looked at: see kbuf.h */
	REQ_CANCELLED = 1 << 17,     /* a worker is to give up */
	REQ_POLL_ASYNC = 1 << 18,    /* polls for another operation, not for POLL_ADD */
	REQ_WAS_ASYNC = 1 << 19,     /* did not complete when it was submitted */
	REQ_PARTIAL = 1 << 20,       /* some bytes have moved: done_bytes */
	REQ_POLL_ONLY = 1 << 21,     /* a retry of a file that only polls */
};
#define REQ_LINKS (REQ_LINK | REQ_HARDLINK)

/* What a request waits for. */
enum req_wait { WAIT_NONE, WAIT_POLL, WAIT_TIMER, WAIT_WORK };

/* What an operation's issue says; other negative values are errors. */
#define ISSUE_DONE 0    /* req->res and req->cflags are its completion */
#define ISSUE_PENDING 1 /* it waits for something and is not ours any more */
#define ISSUE_AGAIN 2   /* multishot: once more at once */
/* -EAGAIN: it would block. */

/* Who issues, and how; lives on the stack. */
struct issue {
	struct task *task;     /* memory, descriptors, place to act with */
	struct uring_task *ut; /* whose work it is */
	bool nonblock;         /* answer -EAGAIN instead of waiting */
	bool on_worker;
	struct ring *submitting;       /* within a submission to it; NULL */
	struct ring *ring;             /* of what is on done */
	struct req *done, **done_tail; /* completed, by link_done */
	unsigned ndone;
};

void issue_init(struct issue *is, struct task *t, struct uring_task *ut);

/* ---- waiting for a file (poll.c) ---- */

#define POLL_QUEUES 2
struct poll_queue {
	struct waitq_entry entry;
	struct waitq *q;
	struct req *req;
};

struct req_poll {
	struct poll_table pt;
	/* Called as work by who owns it, when something came. */
	void (*look)(struct req *req, struct issue *is);
	atomic_uint refs; /* [a] wakes that nobody has looked at yet; see poll.c */
	uint32_t events;  /* EV_* wanted, and the POLL_* below */
	uint32_t seen;    /* of the last look */
	bool exclusive, is_level;
	uint8_t nqueues;
	int err;
	struct poll_queue queue[POLL_QUEUES];
};

/* ---- what operations keep: one of these in each request ---- */

struct op_rw {
	uint64_t addr;
	uint64_t off;
	uint32_t len;
	uint32_t flags; /* RWF_* */
};

struct op_net {
	uint64_t addr, addr2;
	uint32_t len, flags; /* flags: MSG_* */
	uint16_t opts;       /* IORING_RECVSEND_* and the like */
	uint16_t addr_len;
	uint32_t slot; /* file_index */
	uint64_t done;
	uint32_t mshot_len; /* RECV_MULTISHOT: bytes at most in all */
	uint32_t mshot_left;
	uint32_t notif_flags;
};

struct op_fs {
	int32_t dfd, dfd2;
	uint32_t flags, mode;
	uint64_t a, b, c; /* as the operation needs */
	uint32_t slot;
};

struct op_poll {
	uint32_t events; /* as the entry has them */
	uint32_t flags;  /* IORING_POLL_* */
	uint64_t old_user_data, new_user_data;
};

struct op_timeout {
	struct ktimer timer;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
	uint64_t period_ns;
	uint32_t flags, count; /* count: completions to wait for; or repeats */
	uint32_t target;       /* cq sequence that ends it */
	struct req *head;      /* LINK_TIMEOUT: what it guards [l] */
	uint64_t head_data;
	struct list link; /* [l] on ring.timeouts */
	bool has_target, is_linked;
};

struct op_timeout_remove {
	uint64_t addr, deadline_ns;
	uint32_t flags;
};

struct op_cancel {
	uint64_t addr;
	uint32_t flags;
	int32_t fd;
	uint8_t opcode;
};

struct op_msg {
	uint64_t user_data, cmd;
	uint32_t len, flags;
	uint32_t src_slot, dst_slot, cqe_flags;
	struct file *src;
};

struct op_misc {
	uint64_t a, b, c;
	uint32_t x, y;
	int32_t fd;
	uint32_t slot;
};

/* [I] set while it is made; [s] the thread that it belongs to; [l] ring.lock */
struct req {
	const struct op_def *def;    /* [I] */
	struct ring *ring;           /* [I] reference */
	struct uring_task *ut;       /* [I] reference: who submitted it */
	uint64_t user_data;          /* [I] but for POLL_UPDATE_USER_DATA [l] */
	uint8_t opcode;              /* [I] */
	uint8_t wait;                /* [l] enum req_wait */
	uint16_t buf_index;          /* fixed buffer, or group */
	uint16_t bid;                /* [s] of the (first) buffer that was chosen */
	uint16_t nbufs;              /* [s] how many were */
	uint32_t flags;              /* [s] */
	int32_t fd;                  /* [I] number or slot */
	int32_t res;                 /* [s] */
	uint32_t cflags;             /* [s] */
	uint64_t big[2];             /* [s] */
	struct file *file;           /* [s] reference of its own, or of its node */
	struct rsrc_node *file_node; /* [s] reference */
	struct rsrc_node *buf_node;  /* [s] reference */
	const struct cred *cred;     /* [I] personality; NULL: the submitter's */
	struct req *link;            /* [l] what comes after */
	struct req *link_done;       /* [s] */
	struct list hash_link;       /* [l] */
	struct list work_link;       /* [work], [pool] or the drain list [l] */
	struct worker *worker;       /* [pool] who carries it out, while WAIT_WORK */
	void (*work)(struct req *req, struct issue *is); /* [work] what to go on with */
	bool is_doomed;      /* [l] its time is over: cancelled where it would wait */
	uint32_t cancel_seq; /* [l] the last cancellation that has seen it */
	void *data;          /* [s] from malloc; op_def.cleanup frees */
	struct req_poll poll;
	union {
		struct op_rw rw;
		struct op_net net;
		struct op_fs fs;
		struct op_poll padd;
		struct op_timeout timeout;
		struct op_timeout_remove tremove;
		struct op_cancel cancel;
		struct op_msg msg;
		struct op_misc misc;
	};
};

/* One operation. */
struct op_def {
	const char *name;
	/* Reads the entry (a copy of our own) into req. An error fails the request. */
	int (*prep)(struct req *req, const struct io_uring_sqe *sqe);
	int (*issue)(struct req *req, struct issue *is);
	/* Frees req->data; NULL: free(). */
	void (*cleanup)(struct req *req);
	unsigned needs_file : 1;
	unsigned has_ioprio : 1;            /* sqe.ioprio means something */
	unsigned buffer_select : 1;         /* IOSQE_BUFFER_SELECT is allowed */
	unsigned iopoll : 1;                /* allowed in a ring with IORING_SETUP_IOPOLL */
	unsigned poll_in : 1, poll_out : 1; /* what to wait for when it would block */
	unsigned poll_exclusive : 1;
	unsigned hash_writes : 1;    /* on workers: one at a time on a regular file */
	unsigned unbound_nonreg : 1; /* may take for ever on anything but a regular file */
	unsigned unbound : 1;
	unsigned may_punt : 1; /* IOSQE_ASYNC has a worker do it */
	unsigned blocks : 1;   /* it cannot be tried without waiting: always a worker's */
};

static inline void req_set_fail(struct req *req)
{
	req->flags |= REQ_FAIL;
	if (req->flags & REQ_CQE_SKIP) {
		req->flags &= ~(uint32_t)REQ_CQE_SKIP;
		req->flags |= REQ_SKIP_LINK_CQES;
	}
}

/* The result of an operation whose failure does not break a link. */
static inline int req_done(struct req *req, long res)
{
	req->res = (int32_t)res;
	return ISSUE_DONE;
}

/* The result of an operation: failures break the link. */
static inline int req_result(struct req *req, long res)
{
	if (res < 0)
		req_set_fail(req);
	req->res = (int32_t)res;
	return ISSUE_DONE;
}
