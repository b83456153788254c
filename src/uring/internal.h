/*
 * What the files of uring/ share.
 *
 *	sharedbuf.c  memory shared with guests as something contiguous
 *	region.c     such memory: ours, or pinned of the guest's
 *	setup.c      io_uring_setup(2)
 *	ring.c       a ring as an open file: mmap, poll, its end
 *	enter.c      io_uring_enter(2): waiting for completions
 *	submit.c     taking entries off the submission queue; links are made
 *	issue.c      how a request is carried out, and where it goes when it would block
 *	complete.c   completions: the queue, its overflow, who is told; what comes next
 *	drain.c      IOSQE_IO_DRAIN
 *	owner.c      uring_task: work to go on with, the helper
 *	pool.c       workers
 *	poll.c       waiting for a file
 *	timeout.c, cancel.c
 *	op*.c        one file per family of operations; opdef.c is their table
 */
#pragma once

#include "abi/io_uring.h"
#include "abi/io_uring_reg.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/refcount.h"
#include "task/ktimer.h"
#include "uring/owner.h"
#include "uring/region.h"
#include "uring/req.h"
#include "uring/uring.h"

#define NSEC_PER_SEC 1000000000ull

/* Requests of all rings together; beyond: io_uring_enter() gives EAGAIN. */
#define URING_REQUESTS_MAX (1u << 18)
/* Completions that wait for room in their queues, of all rings. */
#define URING_BACKLOG_MAX (1u << 20)
/* What waits, by user_data. */
#define RING_HASH 64u

struct uring_task;
struct rsrc_table;
struct buf_groups;
struct restrictions;
struct sqpoll;
struct personalities;

/*
 * A token: what one thread at a time has, and may sleep with. No lock of base/, which
 * would have to be ranked among all that an operation may take.
 */
struct token {
	atomic_uint state; /* [a] 1: taken */
	struct waitq waitq;
};
void token_init(struct token *k);
bool token_try(struct token *k) MUST_CHECK;
/* -EINTR: interrupted. => sleeps; no lock held */
int token_take(struct token *k, struct waiter *w) MUST_CHECK;
void token_take_slow(struct token *k); /* uninterruptible */
void token_give(struct token *k);

/* A completion that found no room in the queue. */
struct backlog_cqe {
	struct list link;
	struct io_uring_cqe cqe;
	bool has_big;
	uint64_t big[2];
};

/* Where things lie in the shared memory, and how much of them there is: copies of
 * our own of what the guest could overwrite. Replaced as a whole by a resize. */
struct ring_layout {
	struct region rings, sqes;
	uint32_t sq_entries, cq_entries;
	uint32_t cqes_off, array_off; /* in rings; array_off 0: no array */
	uint32_t sqe_shift, cqe_shift;
};

/* Offsets in the rings region, as Linux has them. */
enum ring_word {
	RING_SQ_HEAD = 0,
	RING_SQ_TAIL = 4,
	RING_CQ_HEAD = 8,
	RING_CQ_TAIL = 12,
	RING_SQ_MASK = 16,
	RING_CQ_MASK = 20,
	RING_SQ_ENTRIES = 24,
	RING_CQ_ENTRIES = 28,
	RING_SQ_DROPPED = 32,
	RING_SQ_FLAGS = 36,
	RING_CQ_FLAGS = 40,
	RING_CQ_OVERFLOW = 44,
	RING_CQES = 64,
};

/* Entries that are being chained while they are submitted. */
struct link_state {
	struct req *head, *last;
};

/* [I] immutable, [t] who has the token, [l] lock, [a] atomic; layout is replaced
 * under both, so either is enough to look at it. */
struct ring {
	struct mappable mappable; /* of the file */
	struct mutex maps_lock;   /* LOCK_INODE_MAPS */
	struct mapping_set maps;  /* [maps_lock] */
	struct refcount refs;     /* the file, each request, who looks at it */
	struct kernel *kernel;
	struct file *file;      /* [I] borrowed: valid until it is released */
	unsigned flags;         /* [I] IORING_SETUP_*, but R_DISABLED [a] */
	uint64_t id;            /* [I] */
	struct list rings_link; /* [rings] */

	/* submitting */
	struct token token;             /* who submits or registers */
	struct token buf_token;         /* who looks at provided buffers: kbuf.h */
	struct ring_layout layout;      /* [t,l] */
	uint32_t sq_head;               /* [t] */
	struct req *spare;              /* [t] requests to use again, by link_done */
	unsigned nspare;                /* [t] */
	struct link_state link;         /* [t] */
	bool drain_next;                /* [t] */
	bool drain_disabled;            /* [t] */
	struct uring_task *single;      /* [t] reference; SINGLE_ISSUER: who */
	struct sqpoll *sqpoll;          /* [I] reference, or NULL */
	struct list sqpoll_link;        /* [sqpoll] */
	unsigned sqpoll_turn;           /* [sqpoll] */
	const struct cred *sqpoll_cred; /* [I] reference */
	atomic_bool is_disabled;        /* [a] R_DISABLED is in force */
	bool is_registered_only;        /* [I] */
	struct locked_user locked_user; /* [I] */

	struct mutex lock; /* LOCK_URING */

	/* completing */
	uint32_t cq_tail;         /* [l] written; its copy in the ring is for the guest */
	atomic_uint cq_published; /* [a] the same for who waits without the lock */
	struct list backlog;      /* [l] struct backlog_cqe */
	unsigned nbacklog;        /* [l] */
	atomic_bool has_backlog;  /* [a] */
	atomic_bool has_dropped;  /* [a] a completion was lost; told once */
	atomic_uint cq_timeouts;  /* [a] timeouts that fired: end waits early */
	struct waitq cq_waitq;    /* who waits for completions, or polls the ring */
	struct file *eventfd;     /* [l] reference */
	bool eventfd_async;       /* [l] only for what did not complete at once */
	atomic_bool has_eventfd;  /* [a] */
	int wait_clock;           /* [l] IORING_REGISTER_CLOCK */

	/* what waits */
	struct list hash[RING_HASH]; /* [l] struct req.hash_link */
	unsigned nwaiting;           /* [l] */
	struct list timeouts;        /* [l] those that count completions */
	atomic_uint nsubmitted;      /* [a] [t] to change: requests ever made */
	unsigned ncompleted;         /* [l] of them */
	unsigned ndeferred;          /* [l] of them: on deferred, with their chains */
	struct list deferred;        /* [l] behind a drain, struct req.work_link */
	atomic_bool drain_active;    /* [a] [l] to change */
	bool is_dying;               /* [l] set; its last descriptor is closed */

	/* DEFER_TASKRUN: work that only the one submitter does */
	struct list local_work; /* [work of that task] */
	struct list local_link; /* [work of that task] on its local_rings */
	bool local_told;        /* [work of that task] who polls the ring knows of it */
	uint32_t *taskrun_word; /* [work of that task] to set IORING_SQ_TASKRUN in; NULL */
	atomic_uint nlocal;     /* [a] */

	/* what was registered */
	struct rsrc_table *files, *buffers;  /* [l] */
	uint32_t alloc_start, alloc_end;     /* [l] slots that are given out */
	uint32_t alloc_hint;                 /* [l] */
	struct buf_groups *groups;           /* [l] */
	struct personalities *personalities; /* [l] */
	struct restrictions *restrictions;   /* [t], fixed when the ring is enabled */
	struct region param;                 /* [t] IORING_REGISTER_MEM_REGION */
	bool param_is_wait_arg;              /* [t] */
	unsigned iowq_limit[2];              /* [t] 0: not set */
};

/* ---- rings (ring.c) ---- */

void ring_get(struct ring *r);
void ring_put(struct ring *r);
void ring_put_many(struct ring *r, unsigned n);
/* The ring behind f, or NULL. Borrowed: f keeps it. */
struct ring *ring_of(const struct file *f);
/* Makes the open file of a ring; takes the caller's reference on success. */
int ring_open(struct ring *r, const struct cred *cred, struct file **out) MUST_CHECK;
/* Frees what no request needs any more. The last reference. */
void ring_destroy(struct ring *r);

/* f, a descriptor of t's or (is_registered) an index of its ring descriptors; a
 * reference. -EBADF, -EINVAL. */
int ring_file_get(struct task *t, uint32_t fd, bool is_registered, struct file **out) MUST_CHECK;

static inline void *ring_word(const struct ring_layout *l, enum ring_word off)
{
	return sharedbuf_at(&l->rings.buf, off, sizeof(uint32_t));
}

/* Sets and clears IORING_SQ_* in the word that the guest reads. */
void ring_sq_flag(struct ring *r, uint32_t bit, bool on) REQUIRES(r->lock);

/* setup.c: allocates and fills a layout. */
struct layout_spec {
	unsigned flags; /* IORING_SETUP_* */
	uint32_t sq_entries, cq_entries;
	struct task *t; /* who asks */
	const struct locked_user *user;
	gva_t rings_at, sqes_at; /* NO_MMAP */
};
int ring_layout_create(const struct layout_spec *spec, struct ring_layout *out) MUST_CHECK;
void ring_layout_destroy(struct ring_layout *l);

/* map.c: faults that saw a region which has been taken away have got their references. */
void map_barrier(struct ring *r);

/* The task that submits: only while an entry is prepared. */
static inline struct task *req_task(const struct req *req)
{
	return req->ut->task;
}

/* SINGLE_ISSUER: whose ring it is; NULL: anybody's. It may have left. */
static inline const struct uring_task *ring_single(const struct ring *r)
{
	return __atomic_load_n(&r->single, __ATOMIC_RELAXED);
}

/* Once. The reference keeps another task's from getting the same address. */
static inline void ring_set_single(struct ring *r, struct uring_task *ut)
{
	owner_get(ut);
	__atomic_store_n(&r->single, ut, __ATOMIC_RELAXED);
}

/* ---- submit.c ---- */

/* Takes at most `want` entries: how many were, or an error. The caller has the
 * token. */
long submit_entries(struct ring *r, unsigned want, struct issue *is);
/* Entries that are there. */
unsigned submit_pending(const struct ring *r);
extern atomic_uint uring_nrequests;

/* ---- issue.c ---- */

/* Issues a prepared request, inline. */
void issue_first(struct req *req, struct issue *is);
/* Goes on with one that has polled, or whose link before is done. */
void issue_again(struct req *req, struct issue *is);
/* The next of a chain. */
void issue_linked(struct req *req, struct issue *is);
/* Issues on a worker, blocking. */
void issue_on_worker(struct req *req, struct issue *is);
/* One try: ISSUE_* or an error, with the request's file and credentials. */
int issue_try(struct req *req, struct issue *is);
/* It goes on later, with the rights of now. */
void issue_keep_cred(struct req *req, const struct issue *is);
/* A write failed: SIGPIPE, SIGXFSZ to who submitted it, as from write(2). */
void issue_write_failed(struct req *req, const struct issue *is, int err);
/* Hands it to a worker. */
void issue_punt(struct req *req, struct issue *is);
/* The file that the entry names, in req->file. False: there is none. */
bool issue_assign_file(struct req *req, struct task *t);

/* ---- complete.c ---- */

/* Posts one that is not the request's last. False: no room, nothing is lost yet. */
bool complete_post_more(struct req *req, struct issue *is, int32_t res, uint32_t cflags);
/* The first of two that a request posts in any case: kept if there is no room. */
void complete_post_first(struct req *req, struct issue *is, int32_t res, uint32_t cflags);
/* A completion without a request: for rings that are told by others. */
bool complete_post(struct ring *r, const struct io_uring_cqe *cqe);
/* Puts the request on the issue's list of those that are done; they are posted, and
 * what is linked to them goes on, when it is flushed. */
void complete_later(struct req *req, struct issue *is);
/* The same with an error, for the request and what hangs on it. */
void complete_failed(struct req *req, struct issue *is, int32_t res);
void complete_flush(struct issue *is);
/* Moves what has waited for room into the queue. */
void complete_flush_backlog(struct ring *r);
/* Completions that the guest has not taken. */
unsigned complete_unread(const struct ring *r);
void complete_notify(struct ring *r, bool is_async);
/* The ring whose eventfd this thread signals at the moment: work that comes by that (the
 * ring reads the eventfd) is told already. */
extern __thread const struct ring *complete_telling;
void complete_free_backlog(struct ring *r);

/* Posts and frees a list of requests of one ring, by link_done. NULL is allowed. */
void complete_ended(struct req *list);
/* Those that may be issued now, by work_link, become work. */
void complete_go_on(struct list *ready);
/* Gives its memory back; is: who does so, perhaps within a submission. NULL: nobody. */
void req_recycle(struct req *req, const struct issue *is);
/* n requests of the ring and the task are no more. */
void reqs_unreserve(struct ring *r, struct uring_task *ut, unsigned n);
void submit_free_spare(struct ring *r);

/* ---- link.c ---- */

/* req is done: what is chained to it and may go on, or NULL. What fails with it, and
 * its linked timeout, is put on *ended, by link_done. */
struct req *link_next_locked(struct req *req, struct req ***ended);

/* ---- drain.c ---- */

/* True: req, with its chain, was put behind the drain. */
bool drain_defer(struct req *req);
/* Those that may go on now. */
void drain_release_locked(struct ring *r, struct list *ready) REQUIRES(r->lock);
/* Cancels what is deferred: ut's, or everybody's (NULL). */
bool drain_cancel(struct ring *r, struct uring_task *ut);

/* ---- what waits (cancel.c) ---- */

/* Into and out of what can be found for cancellation. Arms the linked timeout. */
void waiting_add_locked(struct req *req, enum req_wait wait);
void waiting_add(struct req *req, enum req_wait wait);
void waiting_del_locked(struct req *req);
void waiting_del(struct req *req);
void waiting_rename_locked(struct req *req, uint64_t user_data);
struct list *waiting_bucket(struct ring *r, uint64_t user_data);

/* ---- poll.c ---- */

enum poll_armed { POLL_ARMED, POLL_READY, POLL_FAILED };
/* Waits for events (EV_*) on req->file; when they come, handler(req) is called as work
 * (see poll.c). READY: there already, nothing waits; *mask says which. FAILED: the
 * file cannot be waited for. */
enum poll_armed poll_arm(struct req *req, uint32_t events, uint32_t *mask);
/* Waits until a would-be-blocking operation may go on. */
enum poll_armed poll_arm_for_retry(struct req *req);
/* After a shot: ISSUE_AGAIN if its file has more, else -EAGAIN: a buffer is asked for
 * only when there is something to put there. */
int poll_once_more(const struct req *req);
/* Has it end with -ECANCELED. => ring.lock, and it waits WAIT_POLL */
void poll_cancel_locked(struct req *req);
/* For what waits for other things in the same way: begin makes the caller the owner;
 * queue_on queues it, then waiting_add(WAIT_POLL); let_go ends the ownership unless
 * something came since *seen was read with poll_refs() (then *seen is new: look
 * again, poll_is_cancelled() first). poll_wake() is what a waker calls. */
void poll_begin(struct req *req, void (*look)(struct req *req, struct issue *is));
void poll_queue_on(struct req *req, struct waitq *q);
bool poll_let_go(struct req *req, unsigned *seen);
unsigned poll_refs(const struct req *req);
bool poll_is_cancelled(const struct req *req);
void poll_wake(struct req *req);
/* What POLL_REMOVE asks for: 0, -ENOENT, -EALREADY. */
int poll_change(struct req *by, struct issue *is);
/* Takes a multishot request, which is polled and ours, off its queues. */
void poll_unhook(struct req *req);

/* ---- timeout.c ---- */

/* The linked timeout behind req starts, if there is one. */
void ltimeout_arm_locked(struct req *req);
/* Takes a timer's request out: true, and it is the caller's to complete. */
bool timeout_take_locked(struct req *req);
/* Completions came: timeouts that count them. => ring.lock */
void timeouts_count_locked(struct ring *r, struct req ***ended) REQUIRES(r->lock);
uint64_t uring_now(int clock);

/* ---- opdef.c ---- */
extern const struct op_def op_defs[IORING_OP_LAST];
