/*
 * uring_task: a task that submits requests, as io_uring sees it.
 *
 * A request that waited and may go on is put on its task's work list, from any
 * context, even inside a wait queue's lock. Who takes it off:
 *
 *	the task is inside io_uring_enter()   the task itself
 *	it runs guest code, or another call   its helper, a thread that acts for it
 *	it has left, requests of it remain    its ghost, which can only cancel
 *
 * Work of a ring with IORING_SETUP_DEFER_TASKRUN waits on the ring's own list until
 * the task asks for events; the helper then only tells those who look at the ring.
 *
 * The kernel thread of IORING_SETUP_SQPOLL is a task of its own in this sense, which
 * is always inside.
 *
 * [w] work_lock, [p] pool_lock, [o] the task's own thread, [I] immutable, [a] atomic
 */
#pragma once

#include "base/list.h"
#include "base/lock.h"
#include "base/refcount.h"
#include "task/task.h"

struct req;
struct ring;
struct issue;

#define RING_FDS_MAX 16

enum pool_class { POOL_BOUND, POOL_UNBOUND, POOL_CLASSES };

struct pool_queue {
	struct list queue; /* [p] struct req.work_link */
	struct list idle;  /* [p] struct worker */
	unsigned nworkers; /* [p] */
	unsigned nidle;    /* [p] */
	unsigned max;      /* [p] */
};

struct uring_task {
	struct refcount refs;    /* the task, its requests, its threads */
	struct kernel *kernel;   /* [I] */
	struct task *task;       /* [w] borrowed; NULL when it has left */
	struct mutex work_lock;  /* LOCK_URING_WORK */
	struct list work;        /* [w] struct req.work_link */
	struct list local_rings; /* [w] struct ring.local_link: with local work */
	bool is_present;         /* [w] the task itself does the work */
	struct waiter *worker;   /* [w] of the helper or ghost; NULL: none */
	bool helper_ends;        /* [w] */
	bool has_helper;         /* [o] */
	struct task *helper;     /* [w] reference, while it runs */
	atomic_uint nthreads;    /* [a] helper and workers that hold what is the task's */
	atomic_uint nrequests;   /* [a] not freed yet */
	atomic_uint nwaiting;    /* [a] of them in a ring's hash */
	struct waitq idle;       /* woken when one of these two falls */

	struct mutex pool_lock; /* LOCK_URING_POOL */
	struct pool_queue pool[POOL_CLASSES];
	struct list busy; /* [p] struct worker */
	bool pool_ends;   /* [p] no new work, everybody leaves */

	struct file *ring_fds[RING_FDS_MAX]; /* [o] references */
	bool is_sqpoll;                      /* [I] */
	atomic_bool ends;                    /* [a] everything is cancelled, what comes later too */
};

/* t's own, made at the first use. -ENOMEM. t is the calling thread's. */
int owner_of(struct task *t, struct uring_task **out) MUST_CHECK;
int owner_create(struct task *t, struct uring_task **out) MUST_CHECK;
void owner_get(struct uring_task *ut);
void owner_put(struct uring_task *ut);
void owner_put_many(struct uring_task *ut, unsigned n);
/* Its last request is freed: tells who waits for that. */
void owner_is_idle(struct uring_task *ut);

/* The task is inside io_uring, and does its work itself; then not any more. end
 * does what is left. */
void owner_enter(struct uring_task *ut);
void owner_exit(struct uring_task *ut, struct issue *is);

/* fn(req) is to be called as soon as somebody can. Any context. */
void work_add(struct req *req, void (*fn)(struct req *req, struct issue *is));
/* The task's work, but for local work of rings; true: there was some. */
bool work_run(struct uring_task *ut, struct issue *is);
/* Work of a ring with DEFER_TASKRUN, by its one submitter: at most max requests. */
bool work_run_local(struct ring *r, struct issue *is, unsigned max);
bool work_is_pending(struct uring_task *ut);
/* The ring ends: nobody will ask it for its local work any more. => r->is_dying set */
void work_make_global(struct ring *r);

/* ---- pool.c ---- */

void pool_init(struct uring_task *ut);
/* Queues a request: it waits, WAIT_WORK. of: who asks, for new threads. */
void pool_add(struct req *req, struct task *of);
enum pool_cancelled { POOL_NOT_THERE, POOL_WAS_QUEUED, POOL_IS_RUNNING };
/* Takes it out of the queue, or has its worker give up. => ring.lock */
enum pool_cancelled pool_cancel_locked(struct req *req);
/* Tells workers to leave when they are done, and interrupts them. */
void pool_end(struct uring_task *ut);
/* Sets the most workers of each class (0: leaves it), and returns what it was. */
void pool_set_max(struct uring_task *ut, uint32_t max[POOL_CLASSES]);
