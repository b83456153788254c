/* See fdinfo.h: the lines of Linux, as far as the buffer goes. */
#include "uring/fdinfo.h"

#include <stdarg.h>
#include <stdio.h>

#include "uring/files.h"
#include "uring/sqpoll.h"

struct text {
	char *buf;
	size_t size, used;
};

static void PRINTF_LIKE(2, 3) add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->used >= t->size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->used, t->size - t->used, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->used = MIN(t->size, t->used + (size_t)n);
}

static void show_queues(struct text *t, struct ring *r)
{
	const struct ring_layout *l = &r->layout;

	add(t, "SqMask:\t0x%x\n", l->sq_entries - 1);
	add(t, "SqHead:\t%u\n", shared_load(ring_word(l, RING_SQ_HEAD)));
	add(t, "SqTail:\t%u\n", shared_load(ring_word(l, RING_SQ_TAIL)));
	add(t, "CachedSqHead:\t%u\n", r->sq_head);
	add(t, "CqMask:\t0x%x\n", l->cq_entries - 1);
	add(t, "CqHead:\t%u\n", shared_load(ring_word(l, RING_CQ_HEAD)));
	add(t, "CqTail:\t%u\n", shared_load(ring_word(l, RING_CQ_TAIL)));
	add(t, "CachedCqTail:\t%u\n", r->cq_tail);
	add(t, "SQEs:\t%u\n", submit_pending(r));
	add(t, "CQEs:\t%u\n", complete_unread(r));
}

static void show_waiting(struct text *t, struct ring *r)
{
	add(t, "PollList:\n");
	for (unsigned i = 0; i < RING_HASH; i++) {
		list_for_each(req, &r->hash[i], struct req, hash_link) {
			if (req->wait == WAIT_POLL)
				add(t, "  op=%d, task_works=%d\n", req->opcode, 0);
		}
	}
	add(t, "CqOverflowList:\n");
	list_for_each(b, &r->backlog, struct backlog_cqe, link)
		add(t, "  user_data=%llu, res=%d, flags=%x\n", (unsigned long long)b->cqe.user_data,
		    b->cqe.res, b->cqe.flags);
}

size_t fdinfo_show(struct ring *r, char *buf, size_t size)
{
	struct text t = { buf, size, 0 };

	mutex_lock(&r->lock);
	show_queues(&t, r);
	if (r->sqpoll)
		add(&t, "SqThread:\t%d\nSqThreadCpu:\t%d\n", sqpoll_pid(r), -1);
	else
		add(&t, "SqThread:\t-1\nSqThreadCpu:\t-1\n");
	add(&t, "UserFiles:\t%u\n", r->files ? r->files->count : 0);
	add(&t, "UserBufs:\t%u\n", r->buffers ? r->buffers->count : 0);
	show_waiting(&t, r);
	mutex_unlock(&r->lock);
	return t.used;
}
