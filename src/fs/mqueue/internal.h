/* What the files of mqueue/ share. */
#pragma once

#include "fs/mqueue/mqueue.h"

/* [l] lock */
struct mqueue {
	struct inode inode;                    /* mode, uid, gid: [l] */
	int64_t maxmsg, msgsize;               /* [I] */
	uint64_t charged;                      /* [I] bytes, to charged_uid */
	uint32_t charged_uid;                  /* [I] */
	struct mutex lock;                     /* LOCK_FILE */
	struct waitq waitq;                    /* pollers */
	struct list msgs;                      /* [l] struct mqueue_msg, in order */
	struct list senders, receivers;        /* [l] who waits, in order of arrival */
	int64_t count;                         /* [l] */
	uint64_t bytes;                        /* [l] in the messages */
	unsigned nlink;                        /* [l] */
	uint64_t size;                         /* [l] as stat(2) tells it */
	struct timespec_k atime, mtime, ctime; /* [l] */
	struct thread_group *notified;         /* [l] reference; NULL: nobody */
	struct mqueue_notice notice;           /* [l] how */
};

/* ---- dir.c ---- */
struct timespec_k mqueue_now(void);

/* ---- queue.c ---- */
/* The fields of this part. */
void mqueue_setup(struct mqueue *q, int64_t maxmsg, int64_t msgsize);
/* Frees the messages. Nobody waits any more. */
void mqueue_teardown(struct mqueue *q);
/* A process closes it: it is not to be told any more. */
void mqueue_leave(struct mqueue *q, const struct task *t);

/* ---- file.c ---- */
extern const struct file_ops mqueue_file_ops;
/* -EBADF. */
int mqueue_of_file(const struct file *f, struct mqueue **out) MUST_CHECK;
