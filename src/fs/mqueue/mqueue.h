/*
 * fs/mqueue/: POSIX message queues (mq_overview(7)): a file system of one directory
 * whose files are queues. mq_open(2) looks names up in it wherever it is mounted, or
 * not at all; there is one.
 *
 *	dir.c     the file system: names, attributes, what a new queue may have
 *	queue.c   messages, who waits, notification
 *	file.c    the queue as an open file: poll, reading what state it is in
 *
 * Messages lie in order of priority, then of arrival. A receiver that waits gets a
 * message handed over; a sender that waits has its message put in by the receiver
 * that made the room. So nobody is overtaken.
 *
 * A queue's bytes are charged when it is made, full, to its maker (RLIMIT_MSGQUEUE).
 */
#pragma once

#include "base/kmem.h"
#include "task/task.h"
#include "vfs/vfs.h"

#define MQUEUE_QUEUES_HARD 65536u /* for CAP_SYS_RESOURCE */
#define MQUEUE_MSGS_HARD 65536
#define MQUEUE_MSG_SIZE_HARD (16 << 20)
#define MQUEUE_ALL_BYTES (64u << 20) /* of all messages; beyond: -ENOMEM */

/* Before tasks run. */
int mqueue_init(void) MUST_CHECK;
/* The file system of the caller's IPC namespace; a reference in *out, to be mounted. */
int mqueue_create(struct super **out) MUST_CHECK;

struct mqueue_attr {
	int64_t maxmsg, msgsize;
};
/* mq_open(2): flags are O_*. attr NULL: the defaults. */
int mqueue_open(struct vfs_ctx *ctx, const char *name, unsigned flags, uint32_t mode,
		const struct mqueue_attr *attr, struct file **out) MUST_CHECK;
int mqueue_unlink(const struct vfs_ctx *ctx, const char *name);

struct mqueue_state {
	int64_t maxmsg, msgsize, curmsgs;
};
/* -EBADF: not a queue. */
int mqueue_get_state(struct file *f, struct mqueue_state *out) MUST_CHECK;

struct mqueue_msg {
	struct list link;
	unsigned prio;
	size_t size;
	char text[]; /* for the caller to fill, or read */
};
/* For one that will be sent to f: -EBADF (may not be written), -EMSGSIZE, -ENOMEM. */
int mqueue_msg_create(struct file *f, size_t size, struct mqueue_msg **out) MUST_CHECK;
void mqueue_msg_free(struct mqueue_msg *m);
/* Takes m on success. deadline_ns: CLOCK_MONOTONIC. -EAGAIN, -ETIMEDOUT, -ERESTARTSYS. */
int mqueue_send(struct task *t, struct file *f, struct mqueue_msg *m, uint64_t deadline_ns);
/* size: the room that there is; -EMSGSIZE. *out is the caller's. */
int mqueue_receive(struct task *t, struct file *f, size_t size, uint64_t deadline_ns,
		   struct mqueue_msg **out);

/* Where a SIGEV_THREAD's cookie goes. */
struct mqueue_port_ops {
	void (*deliver)(void *arg, const uint8_t *cookie, size_t size);
	void (*release)(void *arg);
};
struct mqueue_notice {
	int how;                            /* SIGEV_* */
	int signo;                          /* SIGEV_SIGNAL */
	uint64_t value;                     /* the same */
	const struct mqueue_port_ops *port; /* SIGEV_THREAD: taken over on success */
	void *port_arg;
	uint8_t cookie[32];
};
/* mq_notify(2): tells the caller's process when the empty queue gets a message; n NULL:
 * no more. -EBUSY: somebody is to be told. */
int mqueue_notify(struct task *t, struct file *f, const struct mqueue_notice *n);
