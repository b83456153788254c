/* What the files of fs/pipe share. */
#pragma once

#include "fs/pipe/pipe.h"

#define PIPE_BUF_SIZE 4096u
#define PIPE_DEFAULT 65536u
#define PIPE_MAX 1048576u
#define PIPE_SMALL 8192u /* when there are too many */
#define PACKETS_MAX 16u

struct pipe {
	struct refcount refs;
	struct mutex lock;
	struct waitq waitq;
	uint8_t *ring;                   /* [l] of ring_size bytes, a power of two */
	size_t ring_size, limit;         /* [l] */
	uint64_t head, tail;             /* [l] written and read so far */
	unsigned readers, writers;       /* [l] */
	uint64_t reader_gen, writer_gen; /* [l] opens so far: fifo rendezvous */
	uint32_t packets[PACKETS_MAX];   /* [l] lengths, in packet mode */
	unsigned npackets;
	bool packet_mode; /* [l] */
	bool is_fifo;     /* [I] has a name: open waits for the other end */
};

static inline size_t pipe_used(const struct pipe *p)
{
	return (size_t)(p->head - p->tail);
}

static inline size_t pipe_room(const struct pipe *p)
{
	if (p->packet_mode && p->npackets == PACKETS_MAX)
		return 0;
	return p->limit - pipe_used(p);
}

/* Room for `need` bytes beyond what is there, up to the limit. -ENOMEM. */
int pipe_grow(struct pipe *p, size_t need) MUST_CHECK;
/* One turn of waiting, with the lock held, which it drops meanwhile: the first only
 * queues e, so that the caller looks again and no wake is lost. -EAGAIN: io does
 * not wait; -ERESTARTSYS. The caller takes e off the queue at last. */
int pipe_wait(struct pipe *p, struct waitq_entry *e, bool *queued, uint32_t events, struct io *io)
	MUST_CHECK;
