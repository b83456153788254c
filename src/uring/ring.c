/*
 * A ring as an open file: its making, poll, its end.
 *
 * A mapping holds the file, as in Linux: a program may close the descriptor and go on
 * through the mapping. When the last reference to the file goes, nobody can submit or
 * wait any more: everything that waits is cancelled, which ends by itself; the last
 * request frees the ring.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/pool.h"
#include "uring/cancel.h"
#include "uring/fdinfo.h"
#include "uring/files.h"
#include "uring/internal.h"
#include "uring/kbuf.h"
#include "uring/personality.h"
#include "uring/restrict.h"
#include "uring/setup.h"
#include "uring/sqpoll.h"

static POOL_DEFINE(ring_pool, struct ring);

/* ---- life ---- */

struct ring *ring_alloc(struct kernel *k)
{
	struct ring *r = pool_alloc(&ring_pool);

	if (!r)
		return NULL;
	refcount_init(&r->refs, 1);
	r->kernel = k;
	r->mappable.ops = &ring_mappable_ops;
	mutex_init(&r->maps_lock, LOCK_INODE_MAPS);
	mapping_set_init(&r->maps);
	mutex_init(&r->lock, LOCK_URING);
	token_init(&r->token);
	token_init(&r->buf_token);
	waitq_init(&r->cq_waitq);
	list_init(&r->backlog);
	list_init(&r->timeouts);
	list_init(&r->deferred);
	list_init(&r->local_work);
	list_init(&r->local_link);
	list_init(&r->sqpoll_link);
	list_init(&r->rings_link);
	for (unsigned i = 0; i < RING_HASH; i++)
		list_init(&r->hash[i]);
	r->wait_clock = CLOCK_MONOTONIC;
	return r;
}

void ring_get(struct ring *r)
{
	refcount_get(&r->refs);
}

void ring_put_many(struct ring *r, unsigned n)
{
	if (refcount_put_many(&r->refs, n))
		ring_destroy(r);
}

void ring_put(struct ring *r)
{
	ring_put_many(r, 1);
}

void ring_destroy(struct ring *r)
{
	r->is_dying = true;
	rings_remove(r);
	submit_free_spare(r);
	complete_free_backlog(r);
	rsrc_table_destroy(r->files);
	rsrc_table_destroy(r->buffers);
	kbuf_destroy_all(r);
	personalities_destroy(r);
	free(r->restrictions);
	if (r->eventfd)
		file_put(r->eventfd);
	region_destroy(&r->param);
	ring_layout_destroy(&r->layout);
	sqpoll_free(r);
	if (r->single)
		owner_put(r->single);
	mapping_set_fini(&r->maps);
	pool_free(&ring_pool, r);
}

/* ---- the file ---- */

/* What it holds of others goes now, not when the last request is done: files that are
 * registered may be waited for by somebody. */
static void ring_release(struct file *f)
{
	struct ring *r = f->priv;
	struct rsrc_table *files, *buffers;

	if (r->sqpoll)
		sqpoll_remove(r);
	mutex_lock(&r->lock);
	r->is_dying = true;
	files = r->files;
	buffers = r->buffers;
	r->files = r->buffers = NULL;
	mutex_unlock(&r->lock);
	work_make_global(r);
	cancel_of_ring(r);
	rsrc_table_destroy(files);
	rsrc_table_destroy(buffers);
	ring_put(r);
}

static uint32_t ring_poll(struct file *f, struct poll_table *pt)
{
	struct ring *r = f->priv;
	uint32_t ev = 0;

	poll_wait(pt, &r->cq_waitq);
	mutex_lock(&r->lock);
	if (submit_pending(r) < r->layout.sq_entries)
		ev |= EV_OUT | EV_WRNORM;
	if (complete_unread(r) || atomic_load(&r->has_backlog) || atomic_load(&r->nlocal))
		ev |= EV_IN | EV_RDNORM;
	mutex_unlock(&r->lock);
	return ev;
}

static struct mappable *ring_mappable(struct file *f)
{
	struct ring *r = f->priv;

	return &r->mappable;
}

static size_t ring_fdinfo(struct file *f, char *buf, size_t size)
{
	return fdinfo_show(f->priv, buf, size);
}

static const struct file_ops ring_ops = {
	.name = "[io_uring]",
	.never_passed = true,
	.release = ring_release,
	.poll = ring_poll,
	.mappable = ring_mappable,
	.show_fdinfo = ring_fdinfo,
};

bool file_is_uring(const struct file *f)
{
	return f->ops == &ring_ops;
}

struct ring *ring_of(const struct file *f)
{
	return file_is_uring(f) ? f->priv : NULL;
}

int ring_open(struct ring *r, const struct cred *cred, struct file **out)
{
	int err = file_create_anon(&ring_ops, r, O_RDWR, 0, cred, out);

	if (err == 0)
		r->file = *out;
	return err;
}

int ring_file_get(struct task *t, uint32_t fd, bool is_registered, struct file **out)
{
	struct file *f;

	*out = NULL;
	if (!is_registered) {
		*out = fd_get(t, (int)fd);
		return *out ? 0 : -EBADF;
	}
	if (!t->uring || fd >= RING_FDS_MAX)
		return -EINVAL;
	f = t->uring->ring_fds[fd];
	if (!f)
		return -EBADF;
	file_get(f);
	*out = f;
	return 0;
}

/* The word is ours: the guest may write into it, which is its own loss. */
void ring_sq_flag(struct ring *r, uint32_t bit, bool on)
{
	uint32_t *word = ring_word(&r->layout, RING_SQ_FLAGS);

	if (on)
		__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
}
