/*
 * Completions.
 *
 * Requests that are done gather on the list of their issue; a flush posts them under
 * one hold of the lock, publishes the queue's tail once and tells those who wait once.
 * What is chained to them, or waited behind a drain, then goes on.
 *
 * The queue: we write cq_tail entries in all; the guest writes how many it has taken.
 * It is believed only so far that (tail - head) is the number of entries in use; if
 * that is more than there are, the queue is full. The entry is written before the
 * tail is stored with release; the guest loads the tail with acquire. It stores its
 * head with release when it is done with entries; we load that with acquire.
 *
 * Backlog: a completion without room is kept, and from then on all of them, so that
 * their order stays, until the guest asks for events and there is room again. When
 * it cannot be kept, the overflow word counts it, and the next wait says -EBADR.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/kmem.h"
#include "uring/files.h"
#include "uring/internal.h"
#include "uring/kbuf.h"
#include "uring/sqpoll.h"

atomic_ulong uring_stats[URING_STATS];
const char *const uring_stat_names[URING_STATS] = {
	[URING_STAT_SQES] = "uring_entries",        [URING_STAT_CQES] = "uring_completions",
	[URING_STAT_OVERFLOWS] = "uring_overflows", [URING_STAT_PUNTS] = "uring_worker_punts",
	[URING_STAT_POLLS] = "uring_poll_arms",
};

static atomic_uint nbacklog_all;

static void count(enum uring_stat s, unsigned n)
{
	atomic_fetch_add_explicit(&uring_stats[s], n, memory_order_relaxed);
}

/* ---- the queue ---- */

static uint32_t queue_room(const struct ring *r)
{
	const struct ring_layout *l = &r->layout;
	uint32_t used = r->cq_tail - shared_load_acquire(ring_word(l, RING_CQ_HEAD));

	return used >= l->cq_entries ? 0 : l->cq_entries - used;
}

/* Writes 16 bytes at the queue's end. */
static void put_slot(struct ring *r, const void *bytes)
{
	const struct ring_layout *l = &r->layout;
	uint64_t off = l->cqes_off + (((uint64_t)r->cq_tail & (l->cq_entries - 1)) << l->cqe_shift);

	memcpy(sharedbuf_at(&l->rings.buf, off, 16), bytes, 16);
}

static void put_big(struct ring *r, const uint64_t big[2])
{
	const struct ring_layout *l = &r->layout;
	uint64_t off =
		l->cqes_off + (((uint64_t)r->cq_tail & (l->cq_entries - 1)) << l->cqe_shift) + 16;

	memcpy(sharedbuf_at(&l->rings.buf, off, 16), big, 16);
}

/* A ring with entries of both sizes: a large one is two slots that do not wrap. */
static bool put_mixed_big(struct ring *r, const struct io_uring_cqe *cqe, const uint64_t big[2])
{
	static const struct io_uring_cqe skip = { .flags = IORING_CQE_F_SKIP };
	uint32_t entries = r->layout.cq_entries, need = 2;
	struct io_uring_cqe c = *cqe;
	bool at_end = (r->cq_tail & (entries - 1)) == entries - 1;

	need += at_end;
	if (queue_room(r) < need)
		return false;
	if (at_end) {
		put_slot(r, &skip);
		r->cq_tail++;
	}
	c.flags |= IORING_CQE_F_32;
	put_slot(r, &c);
	r->cq_tail++;
	put_slot(r, big);
	r->cq_tail++;
	return true;
}

/* False: no room. */
static bool put_cqe(struct ring *r, const struct io_uring_cqe *cqe, const uint64_t *big)
{
	static const uint64_t none[2];

	if (big && (r->flags & IORING_SETUP_CQE_MIXED))
		return put_mixed_big(r, cqe, big);
	if (!queue_room(r))
		return false;
	put_slot(r, cqe);
	if (r->flags & IORING_SETUP_CQE32)
		put_big(r, big ? big : none);
	r->cq_tail++;
	return true;
}

/* What was put can be seen from now on. */
static void publish(struct ring *r)
{
	shared_store_release(ring_word(&r->layout, RING_CQ_TAIL), r->cq_tail);
	atomic_store(&r->cq_published, r->cq_tail);
}

unsigned complete_unread(const struct ring *r)
{
	return atomic_load(&r->cq_published) -
	       shared_load_acquire(ring_word(&r->layout, RING_CQ_HEAD));
}

/* ---- the backlog ---- */

static void drop_cqe(struct ring *r)
{
	void *word = ring_word(&r->layout, RING_CQ_OVERFLOW);

	shared_store(word, shared_load(word) + 1);
	atomic_store(&r->has_dropped, true);
}

static void backlog_add(struct ring *r, const struct io_uring_cqe *cqe, const uint64_t *big)
	REQUIRES(r->lock)
{
	struct backlog_cqe *b = NULL;

	count(URING_STAT_OVERFLOWS, 1);
	if (atomic_fetch_add(&nbacklog_all, 1) < URING_BACKLOG_MAX && !FAULT_POINT("uring.backlog"))
		b = calloc(1, sizeof(*b));
	if (!b) {
		atomic_fetch_sub(&nbacklog_all, 1);
		drop_cqe(r);
		return;
	}
	b->cqe = *cqe;
	if (big) {
		memcpy(b->big, big, sizeof(b->big));
		b->has_big = true;
	}
	if (list_empty(&r->backlog)) {
		atomic_store(&r->has_backlog, true);
		ring_sq_flag(r, IORING_SQ_CQ_OVERFLOW, true);
	}
	list_push_back(&r->backlog, &b->link);
}

static void backlog_free(struct backlog_cqe *b)
{
	list_del(&b->link);
	free(b);
	atomic_fetch_sub(&nbacklog_all, 1);
}

void complete_flush_backlog(struct ring *r)
{
	bool moved = false;

	if (!atomic_load(&r->has_backlog))
		return;
	mutex_lock(&r->lock);
	while (!list_empty(&r->backlog)) {
		struct backlog_cqe *b = list_first(&r->backlog, struct backlog_cqe, link);

		if (!put_cqe(r, &b->cqe, b->has_big ? b->big : NULL))
			break;
		backlog_free(b);
		moved = true;
	}
	if (list_empty(&r->backlog)) {
		atomic_store(&r->has_backlog, false);
		ring_sq_flag(r, IORING_SQ_CQ_OVERFLOW, false);
	}
	if (moved)
		publish(r);
	mutex_unlock(&r->lock);
	if (moved)
		complete_notify(r, false);
}

void complete_free_backlog(struct ring *r)
{
	while (!list_empty(&r->backlog))
		backlog_free(list_first(&r->backlog, struct backlog_cqe, link));
}

/* ---- posting ---- */

static void post_locked(struct ring *r, const struct io_uring_cqe *cqe, const uint64_t *big)
	REQUIRES(r->lock)
{
	if (!list_empty(&r->backlog) || !put_cqe(r, cqe, big))
		backlog_add(r, cqe, big);
}

/* True: it has a completion. */
static bool post_req_locked(struct req *req)
{
	const struct io_uring_cqe cqe = { req->user_data, req->res, req->cflags };

	mutex_assert_held(&req->ring->lock);
	if (req->flags & REQ_CQE_SKIP)
		return false;
	post_locked(req->ring, &cqe, req->flags & REQ_BIG_CQE ? req->big : NULL);
	return true;
}

bool complete_post(struct ring *r, const struct io_uring_cqe *cqe)
{
	struct req *ended = NULL, **tail = &ended;

	mutex_lock(&r->lock);
	post_locked(r, cqe, NULL);
	count(URING_STAT_CQES, 1);
	publish(r);
	timeouts_count_locked(r, &tail);
	mutex_unlock(&r->lock);
	complete_notify(r, false);
	complete_ended(ended);
	return true;
}

void complete_post_first(struct req *req, struct issue *is, int32_t res, uint32_t cflags)
{
	const struct io_uring_cqe cqe = { req->user_data, res, cflags };

	if (is->done && is->ring == req->ring)
		complete_flush(is);
	(void)complete_post(req->ring, &cqe);
}

bool complete_post_more(struct req *req, struct issue *is, int32_t res, uint32_t cflags)
{
	const struct io_uring_cqe cqe = { req->user_data, res, cflags | IORING_CQE_F_MORE };
	struct req *ended = NULL, **tail = &ended;
	struct ring *r = req->ring;
	bool posted;

	if (is->done && is->ring == r)
		complete_flush(is);
	mutex_lock(&r->lock);
	posted = list_empty(&r->backlog) && put_cqe(r, &cqe, NULL);
	if (posted) {
		count(URING_STAT_CQES, 1);
		publish(r);
		timeouts_count_locked(r, &tail);
	}
	mutex_unlock(&r->lock);
	if (posted)
		complete_notify(r, is->on_worker);
	complete_ended(ended);
	return posted;
}

/* ---- telling ---- */

__thread const struct ring *complete_telling;

static void eventfd_signal(struct ring *r, struct file *f)
{
	uint64_t one = 1;
	struct waiter w;
	const struct vfs_ctx ctx = { .cred = f->cred, .waiter = &w };
	struct io io = { .ctx = &ctx, .nonblock = true };
	struct uio_seg seg;
	struct uio u;

	waiter_init(&w);
	uio_init_kernel(&u, &seg, UIO_FROM_USER, &one, sizeof(one));
	complete_telling = r;
	(void)!file_write(f, &u, NULL, &io);
	complete_telling = NULL;
}

static void notify_eventfd(struct ring *r, bool is_async)
{
	struct file *f = NULL;

	mutex_lock(&r->lock);
	if (r->eventfd && (!r->eventfd_async || is_async) &&
	    !(shared_load(ring_word(&r->layout, RING_CQ_FLAGS)) & IORING_CQ_EVENTFD_DISABLED)) {
		f = r->eventfd;
		file_get(f);
	}
	mutex_unlock(&r->lock);
	if (!f)
		return;
	eventfd_signal(r, f);
	file_put(f);
}

void complete_notify(struct ring *r, bool is_async)
{
	waitq_wake(&r->cq_waitq, EV_IN | EV_RDNORM);
	if (unlikely(atomic_load_explicit(&r->has_eventfd, memory_order_relaxed)))
		notify_eventfd(r, is_async);
}

/* ---- the end of requests ---- */

atomic_uint uring_nrequests;

/* What it holds is let go. */
static void req_release(struct req *req)
{
	if (req->def->cleanup)
		req->def->cleanup(req);
	else
		kmem_free_for(KMEM_URING, req->data);
	kbuf_drop(req);
	if (req->buf_node)
		rsrc_node_put(req->buf_node);
	if (req->file_node)
		rsrc_node_put(req->file_node);
	else if (req->file)
		file_put(req->file);
	if (req->cred)
		cred_put(req->cred);
}

/* A list of one ring's, by link_done; counted together as far as one task's are. */
static void free_all(struct req *req, const struct issue *is)
{
	while (req) {
		struct uring_task *ut = req->ut;
		struct ring *r = req->ring;
		unsigned n = 0;

		while (req && req->ut == ut) {
			struct req *next = req->link_done;

			req_release(req);
			req_recycle(req, is);
			req = next;
			n++;
		}
		reqs_unreserve(r, ut, n);
	}
}

void complete_later(struct req *req, struct issue *is)
{
	if (is->done && is->ring != req->ring)
		complete_flush(is);
	is->ring = req->ring;
	req->link_done = NULL;
	*is->done_tail = req;
	is->done_tail = &req->link_done;
	is->ndone++;
}

void complete_failed(struct req *req, struct issue *is, int32_t res)
{
	kbuf_recycle(req);
	req_set_fail(req);
	req->res = res;
	complete_later(req, is);
}

static void again_after_link(struct req *req, struct issue *is)
{
	issue_linked(req, is);
}

/* What is chained to those that are done goes on: as work, so that a long chain is no
 * recursion and the guest's own order of completions is kept. */
void complete_go_on(struct list *ready)
{
	while (!list_empty(ready)) {
		struct req *req = list_first(ready, struct req, work_link);

		list_del(&req->work_link);
		work_add(req, again_after_link);
	}
}

/* Posts the list, which grows by what ends with it. */
static void post_list_locked(struct ring *r, struct req *list, struct req **tail,
			     struct list *ready) REQUIRES(r->lock)
{
	unsigned posted = 0;

	for (struct req *req = list; req; req = req->link_done) {
		posted += post_req_locked(req);
		r->ncompleted++;
		if (req->flags & (REQ_LINKS | REQ_HAS_LTIMEOUT)) {
			struct req *next;

			mutex_assert_held(&req->ring->lock);
			next = link_next_locked(req, &tail);
			if (next)
				list_push_back(ready, &next->work_link);
		}
		if (!req->link_done)
			timeouts_count_locked(r, &tail);
	}
	count(URING_STAT_CQES, posted);
}

void complete_ended(struct req *list)
{
	struct list ready = LIST_INIT(ready);
	struct req *last = list;
	struct ring *r;

	if (!list)
		return;
	r = list->ring;
	while (last->link_done)
		last = last->link_done;
	mutex_lock(&r->lock);
	post_list_locked(r, list, &last->link_done, &ready);
	publish(r);
	if (atomic_load_explicit(&r->drain_active, memory_order_relaxed))
		drain_release_locked(r, &ready);
	mutex_unlock(&r->lock);
	complete_notify(r, false);
	complete_go_on(&ready);
	free_all(list, NULL);
}

void complete_flush(struct issue *is)
{
	struct list ready = LIST_INIT(ready);
	struct req *list = is->done, **tail = is->done_tail;
	struct ring *r = is->ring;

	if (!list)
		return;
	is->done = NULL;
	is->done_tail = &is->done;
	is->ndone = 0;
	mutex_lock(&r->lock);
	post_list_locked(r, list, tail, &ready);
	publish(r);
	if (atomic_load_explicit(&r->drain_active, memory_order_relaxed))
		drain_release_locked(r, &ready);
	mutex_unlock(&r->lock);
	complete_notify(r, is->on_worker);
	complete_go_on(&ready);
	free_all(list, is);
}
