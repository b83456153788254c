/* See poll.h. The first pass queues the caller everywhere, later ones only
 * look: an entry stays queued until the end. */
#include "fs/poll/poll.h"

#include <stdlib.h>

#define INLINE_ENTRIES 16

struct poller {
	struct poll_table pt;
	struct waiter *waiter;
	struct waitq_entry *entries;
	struct waitq **queues;
	unsigned used, capacity;
	uint32_t events; /* of the file that is being polled */
	bool failed;
	struct waitq_entry inline_entries[INLINE_ENTRIES];
	struct waitq *inline_queues[INLINE_ENTRIES];
};

/* A file has few queues: most have one. */
static void poller_add(struct poll_table *pt, struct waitq *q)
{
	struct poller *p = container_of(pt, struct poller, pt);

	if (p->used == p->capacity) {
		p->failed = true;
		return;
	}
	waitq_entry_init(&p->entries[p->used], p->waiter, p->events | EV_ERR | EV_HUP);
	p->queues[p->used] = q;
	waitq_add(q, &p->entries[p->used++]);
}

static int poller_init(struct poller *p, unsigned nfiles, const struct vfs_ctx *ctx)
{
	p->pt.add = poller_add;
	p->waiter = ctx->waiter;
	p->used = 0;
	p->failed = false;
	p->entries = p->inline_entries;
	p->queues = p->inline_queues;
	p->capacity = INLINE_ENTRIES;
	if (nfiles * 2 <= INLINE_ENTRIES)
		return 0;
	p->capacity = nfiles * 2;
	p->entries = calloc(p->capacity, sizeof(*p->entries));
	p->queues = calloc(p->capacity, sizeof(*p->queues));
	return p->entries && p->queues ? 0 : -ENOMEM;
}

static void poller_fini(struct poller *p)
{
	for (unsigned i = 0; i < p->used; i++)
		waitq_remove(p->queues[i], &p->entries[i]);
	if (p->entries != p->inline_entries)
		free(p->entries);
	if (p->queues != p->inline_queues)
		free(p->queues);
}

static int look(struct pollfd_k *fds, unsigned n, struct poller *p)
{
	int ready = 0;

	for (unsigned i = 0; i < n; i++) {
		struct pollfd_k *pf = &fds[i];

		if (pf->file) {
			if (p)
				p->events = pf->events;
			pf->revents = file_poll(pf->file, p && !ready ? &p->pt : NULL) &
				      (pf->events | EV_ERR | EV_HUP);
		}
		ready += pf->revents != 0;
	}
	return ready;
}

int poll_files(struct pollfd_k *fds, unsigned n, uint64_t deadline_ns, const struct vfs_ctx *ctx)
{
	struct poller p;
	int r, ready;

	if (deadline_ns == 0)
		return look(fds, n, NULL);
	r = poller_init(&p, n, ctx);
	if (r < 0) {
		poller_fini(&p);
		return r;
	}
	waiter_prepare(ctx->waiter);
	ready = look(fds, n, &p);
	while (!ready) {
		r = p.failed ? -ENOMEM : waiter_wait(ctx->waiter, deadline_ns);
		waiter_prepare(ctx->waiter);
		ready = look(fds, n, NULL);
		if (r < 0)
			break;
	}
	poller_fini(&p);
	if (ready)
		return ready;
	return r == -ETIMEDOUT ? 0 : r;
}
