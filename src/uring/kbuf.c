/*
 * See kbuf.h: the groups of a ring, choosing from them, and their registration.
 *
 * Locks: a group's contents, and which groups there are, change under ring.buf_token
 * alone (a token, so that who holds it may sleep: it copies to the guest with it). What
 * mmap looks at (the table, a group's link, mem, is_ring) also changes under ring.lock.
 *
 * A ring group's entries and its tail are the guest's memory: each value is read once.
 * What comes of them is checked where it is used (an address that is none, a size of
 * nothing); our head and the mask are our own. A guest that changes entries between
 * our look and our taking deceives only itself: how many buffers were chosen is kept.
 */
#include "uring/kbuf.h"

#include <stdlib.h>

#include "base/fault.h"
#include "base/pool.h"
#include "uring/internal.h"

#define GROUP_HASH 64u
#define PLAIN_MAX 65535u /* buffers of one group, as in Linux */
#define RING_ENTRIES_MAX 32768u

/* A buffer of a plain group. */
struct kbuf {
	struct list link;
	gva_t addr;
	uint32_t size;
	uint16_t id;
};

struct buf_group {
	struct list link;
	uint16_t id;
	bool is_ring, is_inc, is_ours; /* ours: memory that the guest mmaps */
	/* plain */
	struct list bufs;
	unsigned count;
	/* ring */
	struct region mem;
	uint16_t head;
	uint32_t mask;
};

struct buf_groups {
	struct list hash[GROUP_HASH];
};

static POOL_DEFINE(kbuf_pool, struct kbuf);
static POOL_DEFINE(buf_group_pool, struct buf_group);

/* ---- groups ---- */

static struct buf_group *group_find(struct ring *r, unsigned id)
{
	if (!r->groups)
		return NULL;
	list_for_each(g, &r->groups->hash[id % GROUP_HASH], struct buf_group, link) {
		if (g->id == id)
			return g;
	}
	return NULL;
}

static struct buf_group *group_create(struct ring *r, unsigned id)
{
	struct buf_group *g;

	if (!r->groups) {
		struct buf_groups *all = calloc(1, sizeof(*all));

		if (!all)
			return NULL;
		for (unsigned i = 0; i < GROUP_HASH; i++)
			list_init(&all->hash[i]);
		mutex_lock(&r->lock);
		r->groups = all;
		mutex_unlock(&r->lock);
	}
	g = pool_alloc(&buf_group_pool);
	if (!g)
		return NULL;
	g->id = (uint16_t)id;
	list_init(&g->bufs);
	mutex_lock(&r->lock);
	list_push_back(&r->groups->hash[id % GROUP_HASH], &g->link);
	mutex_unlock(&r->lock);
	return g;
}

static void group_destroy(struct ring *r, struct buf_group *g)
{
	while (!list_empty(&g->bufs)) {
		struct kbuf *b = list_first(&g->bufs, struct kbuf, link);

		list_del(&b->link);
		pool_free(&kbuf_pool, b);
	}
	mutex_lock(&r->lock);
	list_del(&g->link);
	mutex_unlock(&r->lock);
	if (g->is_ours)
		map_barrier(r);
	region_destroy(&g->mem);
	pool_free(&buf_group_pool, g);
}

void kbuf_destroy_all(struct ring *r)
{
	if (!r->groups)
		return;
	for (unsigned i = 0; i < GROUP_HASH; i++) {
		while (!list_empty(&r->groups->hash[i]))
			group_destroy(r, list_first(&r->groups->hash[i], struct buf_group, link));
	}
	free(r->groups);
	r->groups = NULL;
}

/* ---- choosing ---- */

/* Entry at index of a ring group, read once. */
static struct io_uring_buf entry_at(const struct buf_group *g, uint32_t index)
{
	const struct io_uring_buf *e =
		sharedbuf_at(&g->mem.buf, (uint64_t)(index & g->mask) * sizeof(*e), sizeof(*e));

	return (struct io_uring_buf){ .addr = READ_ONCE(e->addr),
				      .len = READ_ONCE(e->len),
				      .bid = READ_ONCE(e->bid) };
}

static uint16_t ring_tail(const struct buf_group *g)
{
	const struct io_uring_buf *first = sharedbuf_at(&g->mem.buf, 0, sizeof(*first));

	return __atomic_load_n(&first->resv, __ATOMIC_ACQUIRE);
}

static void choice_add(struct kbuf_choice *c, gva_t addr, uint64_t size)
{
	c->seg[c->count].base = addr;
	c->seg[c->count++].size = size;
	c->size += size;
}

static int choose_from_ring(struct req *req, struct buf_group *g, uint64_t want, unsigned max,
			    struct kbuf_choice *c)
{
	uint16_t avail = (uint16_t)(ring_tail(g) - g->head);

	if (!avail)
		return -ENOBUFS;
	max = MIN(max, (unsigned)avail);
	for (unsigned i = 0; i < max && (!want || c->size < want); i++) {
		struct io_uring_buf b = entry_at(g, (uint32_t)g->head + i);
		uint64_t size = b.len;

		if (i == 0)
			req->bid = b.bid;
		if (want)
			size = MIN(size, want - c->size);
		choice_add(c, b.addr, size);
	}
	return 0;
}

static int choose_plain(struct req *req, struct buf_group *g, uint64_t want, struct kbuf_choice *c)
{
	struct kbuf *b;

	if (list_empty(&g->bufs))
		return -ENOBUFS;
	b = list_first(&g->bufs, struct kbuf, link);
	req->bid = b->id;
	choice_add(c, b->addr, want ? MIN(want, (uint64_t)b->size) : b->size);
	return 0;
}

int kbuf_choose(struct req *req, struct issue *is, uint64_t want, unsigned max,
		struct kbuf_choice *out)
{
	struct ring *r = req->ring;
	struct buf_group *g;
	int err = -ENOBUFS;

	(void)is;
	out->count = 0;
	out->size = 0;
	token_take_slow(&r->buf_token);
	g = group_find(r, req->buf_index);
	if (g && g->is_ring)
		err = choose_from_ring(req, g, want, MIN(max, KBUF_BUNDLE_MAX), out);
	else if (g)
		err = choose_plain(req, g, want, out);
	if (err < 0) {
		token_give(&r->buf_token);
		return err;
	}
	req->nbufs = (uint16_t)out->count;
	req->flags |= REQ_BUF_CHOSEN;
	return 0;
}

/* ---- taking ---- */

/* A buffer of an incremental group is used up from its front. True: some is left; also
 * when nothing was used, or a size turns out to be nothing. */
static bool consume(struct buf_group *g, uint64_t n)
{
	if (!n)
		return true;
	while (n) {
		struct io_uring_buf *e = sharedbuf_at(
			&g->mem.buf, (uint64_t)(g->head & g->mask) * sizeof(*e), sizeof(*e));
		uint32_t len = READ_ONCE(e->len);

		if (n < len || !len) {
			n = MIN(n, (uint64_t)len);
			WRITE_ONCE(e->addr, READ_ONCE(e->addr) + n);
			WRITE_ONCE(e->len, len - (uint32_t)n);
			return true;
		}
		WRITE_ONCE(e->len, 0);
		g->head++;
		n -= len;
	}
	return false;
}

/* Those of the chosen buffers that n bytes have filled, at least one. A datagram may
 * have been larger than all of them. */
static void advance(struct buf_group *g, uint64_t n, unsigned chosen)
{
	do {
		struct io_uring_buf b = entry_at(g, g->head);

		g->head++;
		if (n <= b.len)
			break;
		n -= b.len;
	} while (--chosen);
}

static void take_plain(struct buf_group *g)
{
	struct kbuf *b = list_first(&g->bufs, struct kbuf, link);

	list_del(&b->link);
	g->count--;
	pool_free(&kbuf_pool, b);
}

uint32_t kbuf_take(struct req *req, uint64_t n)
{
	struct ring *r = req->ring;
	uint32_t cflags = IORING_CQE_F_BUFFER | (uint32_t)req->bid << IORING_CQE_BUFFER_SHIFT;
	struct buf_group *g;

	if (!(req->flags & REQ_BUF_CHOSEN))
		return 0;
	g = group_find(r, req->buf_index);
	if (g->is_ring && g->is_inc) {
		if (consume(g, n))
			cflags |= IORING_CQE_F_BUF_MORE;
	} else if (g->is_ring) {
		advance(g, n, req->nbufs);
	} else {
		take_plain(g);
	}
	req->flags &= ~(uint32_t)REQ_BUF_CHOSEN;
	token_give(&r->buf_token);
	return cflags;
}

bool kbuf_has_more(struct req *req)
{
	struct ring *r = req->ring;
	struct buf_group *g;
	bool more = false;

	token_take_slow(&r->buf_token);
	g = group_find(r, req->buf_index);
	if (g && g->is_ring)
		more = ring_tail(g) != g->head;
	else if (g)
		more = !list_empty(&g->bufs);
	token_give(&r->buf_token);
	return more;
}

void kbuf_recycle(struct req *req)
{
	if (!(req->flags & REQ_BUF_CHOSEN))
		return;
	req->flags &= ~(uint32_t)REQ_BUF_CHOSEN;
	token_give(&req->ring->buf_token);
}

void kbuf_drop(struct req *req)
{
	kbuf_recycle(req);
}

/* ---- plain groups ---- */

static int provide_one(struct buf_group *g, gva_t addr, uint32_t size, uint16_t id)
{
	struct kbuf *b;

	if (g->count >= PLAIN_MAX)
		return -EOVERFLOW;
	b = pool_alloc(&kbuf_pool);
	if (!b)
		return -ENOMEM;
	b->addr = addr;
	b->size = size;
	b->id = id;
	list_push_back(&g->bufs, &b->link);
	g->count++;
	return 0;
}

long kbuf_provide(struct ring *r, unsigned group, gva_t addr, uint32_t size, unsigned count,
		  unsigned first_id)
{
	struct buf_group *g;
	long err = 0;
	unsigned i;

	token_take_slow(&r->buf_token);
	g = group_find(r, group);
	if (!g)
		g = group_create(r, group);
	if (!g)
		err = -ENOMEM;
	else if (g->is_ring)
		err = -EINVAL;
	for (i = 0; i < count && err == 0; i++, addr += size) {
		err = provide_one(g, addr, size, (uint16_t)(first_id + i));
		if (err < 0 && i)
			err = 0, count = i;
	}
	token_give(&r->buf_token);
	return err;
}

long kbuf_remove(struct ring *r, unsigned group, unsigned count)
{
	struct buf_group *g;
	long done = 0;

	token_take_slow(&r->buf_token);
	g = group_find(r, group);
	if (!g) {
		done = -ENOENT;
	} else if (g->is_ring) {
		done = -EINVAL;
	} else {
		for (; done < (long)count && !list_empty(&g->bufs); done++)
			take_plain(g);
	}
	token_give(&r->buf_token);
	return done;
}

/* ---- ring groups ---- */

static int check_reg(const struct io_uring_buf_reg *reg)
{
	if (reg->resv[0] || reg->resv[1] || reg->resv[2])
		return -EINVAL;
	if (reg->flags & ~(IOU_PBUF_RING_MMAP | IOU_PBUF_RING_INC))
		return -EINVAL;
	if (!reg->ring_entries || (reg->ring_entries & (reg->ring_entries - 1)))
		return -EINVAL;
	/* cannot disambiguate full from empty with 16 bits */
	if (reg->ring_entries > RING_ENTRIES_MAX)
		return -EINVAL;
	if ((reg->flags & IOU_PBUF_RING_MMAP) && reg->ring_addr)
		return -EINVAL;
	return 0;
}

static int make_ring(struct ring *r, struct task *t, const struct io_uring_buf_reg *reg)
{
	const struct region_spec spec = {
		.t = t,
		.user = &r->locked_user,
		.is_users = !(reg->flags & IOU_PBUF_RING_MMAP),
		.addr = reg->ring_addr,
		.size = (uint64_t)reg->ring_entries * sizeof(struct io_uring_buf),
	};
	struct buf_group *g = group_find(r, reg->bgid);
	struct region mem;
	int err;

	if (g && (g->is_ring || !list_empty(&g->bufs)))
		return -EEXIST;
	err = region_create(&spec, &mem);
	if (err < 0)
		return err;
	if (!g)
		g = group_create(r, reg->bgid);
	if (!g) {
		region_destroy(&mem);
		return -ENOMEM;
	}
	g->mask = reg->ring_entries - 1;
	g->head = 0;
	g->is_inc = reg->flags & IOU_PBUF_RING_INC;
	g->is_ours = reg->flags & IOU_PBUF_RING_MMAP;
	mutex_lock(&r->lock);
	g->mem = mem;
	g->is_ring = true;
	mutex_unlock(&r->lock);
	return 0;
}

long kbuf_register_ring(struct ring *r, struct task *t, gva_t arg)
{
	struct io_uring_buf_reg reg;
	long err;

	if (mm_copy_in(t->mm, &reg, arg, sizeof(reg)) < 0)
		return -EFAULT;
	err = check_reg(&reg);
	if (err < 0)
		return err;
	token_take_slow(&r->buf_token);
	err = make_ring(r, t, &reg);
	token_give(&r->buf_token);
	return err;
}

static int ring_group_find(struct ring *r, unsigned id, struct buf_group **out)
{
	*out = group_find(r, id);
	if (!*out)
		return -ENOENT;
	return (*out)->is_ring ? 0 : -EINVAL;
}

long kbuf_unregister_ring(struct ring *r, struct task *t, gva_t arg)
{
	struct io_uring_buf_reg reg;
	struct buf_group *g;
	long err;

	if (mm_copy_in(t->mm, &reg, arg, sizeof(reg)) < 0)
		return -EFAULT;
	if (reg.resv[0] || reg.resv[1] || reg.resv[2] || reg.flags)
		return -EINVAL;
	token_take_slow(&r->buf_token);
	err = ring_group_find(r, reg.bgid, &g);
	if (err == 0)
		group_destroy(r, g);
	token_give(&r->buf_token);
	return err;
}

long kbuf_ring_status(struct ring *r, struct task *t, gva_t arg)
{
	struct io_uring_buf_status st;
	struct buf_group *g;
	long err;

	if (mm_copy_in(t->mm, &st, arg, sizeof(st)) < 0)
		return -EFAULT;
	for (size_t i = 0; i < ARRAY_SIZE(st.resv); i++) {
		if (st.resv[i])
			return -EINVAL;
	}
	token_take_slow(&r->buf_token);
	err = ring_group_find(r, st.buf_group, &g);
	if (err == 0)
		st.head = g->head;
	token_give(&r->buf_token);
	if (err == 0 && mm_copy_out(t->mm, arg, &st, sizeof(st)) < 0)
		err = -EFAULT;
	return err;
}

const struct region *kbuf_ring_region_locked(struct ring *r, unsigned group)
{
	struct buf_group *g = group_find(r, group);

	return g && g->is_ring && g->is_ours ? &g->mem : NULL;
}
