/*
 * uring/: io_uring for guests. Nothing here asks the host for an io_uring: rings,
 * requests, polling and workers are nacre's own, over vfs/, net/, task/ and mm/.
 *
 *	ring          one io_uring: what io_uring_setup(2) makes, an open file
 *	request       one submitted entry, from its copying to its completion
 *	uring_task    a task that has submitted: whose requests they are, and the
 *	              helpers that go on with them when it is not there itself
 *
 * The life of a request (req.h has the states):
 *
 *	copied, prepared ──> issued without blocking ──> done ──> completion posted
 *	                       │ would block                ^
 *	                       ├─ polls its file ──woken──> issued again
 *	                       └─ a worker issues it, blocking
 *
 * Locks, outermost first (base/lockrank.h). Submitting is no lock but a token (who
 * has it may sleep); no lock is held while a request is issued.
 *	ring.lock           LOCK_URING       completions, what waits, tables
 *	  uring_task.pool   LOCK_URING_POOL  queues and threads of workers
 *	  uring_task.work   LOCK_URING_WORK  requests to go on with: taken inside any
 *	                                     wait queue
 */
#pragma once

#include "base/base.h"
#include "memmap/memmap.h"
#include "task/task.h"

/* ---- the system calls: arguments as the guest gave them ---- */

long uring_setup_call(struct task *t, uint32_t entries, gva_t user);
long uring_enter_call(struct task *t, const uint64_t a[6]);
long uring_register_call(struct task *t, uint32_t fd, uint32_t opcode, gva_t arg, uint32_t nr);

/* ---- what the layers above fill and ask ---- */

/* Operations on files of folders that uring/ does not know. */
struct uring_externals {
	bool (*file_is_eventfd)(const struct file *f);
	bool (*file_is_epoll)(const struct file *f);
	/* epoll_ctl(2); event: struct epoll_event as the guest has it. */
	int (*epoll_control)(struct file *ep, int op, struct file *target, int fd,
			     const void *event);
	/* epoll_wait(2) without waiting; out: max events of 12 bytes. */
	int (*epoll_events)(struct file *ep, void *out, int max, const struct vfs_ctx *ctx);
	/* pipe2(2). */
	int (*pipe_create)(unsigned flags, const struct cred *cred, struct file *out[2]);
	/* tee(2). */
	ssize_t (*pipe_tee)(struct file *from, struct file *to, size_t size, bool nonblock,
			    const struct vfs_ctx *ctx);
};
void uring_init(const struct uring_externals *ext);
/* task_ops.uring_leave. */
void uring_leave(struct task *t, bool is_exec);

/* --no-io-uring: every call is ENOSYS. */
void uring_disable(void);
/* --io-uring-pages: rings are treated as memory that a program brings, of pages that may
 * lie anywhere (sharedbuf.h). */
void uring_use_pages(void);
/* --no-io-uring-op: a comma separated list of operations' names, which are answered
 * as those of an older kernel. -EINVAL: an unknown name. */
int uring_deny(const char *names) MUST_CHECK;

bool file_is_uring(const struct file *f);

/* ---- counters for --stats ---- */
enum uring_stat {
	URING_STAT_SQES,
	URING_STAT_CQES,
	URING_STAT_OVERFLOWS,
	URING_STAT_PUNTS,
	URING_STAT_POLLS,
	URING_STATS,
};
extern atomic_ulong uring_stats[URING_STATS];
extern const char *const uring_stat_names[URING_STATS];

/* The name of an operation ("readv"), NULL beyond the last: strace, docs. */
const char *uring_op_name(unsigned opcode);
bool uring_op_is_supported(unsigned opcode);
