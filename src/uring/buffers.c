/*
 * Registered buffers: guest memory that is pinned, so that a read or write goes
 * straight between a file and its pages, whatever the guest has mapped there by then.
 *
 * They count as locked memory (locked.h).
 */
#include <stdlib.h>

#include "abi/fcntl.h"
#include "base/pool.h"
#include "uring/files.h"
#include "uring/internal.h"
#include "uring/locked.h"

#define BUFFER_MAX ((uint64_t)1 << 30)

struct fixed_buf {
	struct refcount refs;
	struct mm_pin *pin;
	gva_t addr;
	uint64_t size;
	struct locked_charge charge;
};

static POOL_DEFINE(fixed_buf_pool, struct fixed_buf);

/* ---- life ---- */

void fixed_buf_put(struct fixed_buf *b)
{
	if (!b || !refcount_put(&b->refs))
		return;
	mm_unpin(b->pin);
	locked_uncharge(&b->charge);
	pool_free(&fixed_buf_pool, b);
}

static int buf_create(const struct locked_user *user, struct task *t, gva_t addr, uint64_t size,
		      struct fixed_buf **out)
{
	uint64_t pages = (page_up(addr + size) - page_down(addr)) / PAGE_SIZE;
	struct fixed_buf *b = pool_alloc(&fixed_buf_pool);
	int err;

	*out = NULL;
	if (!b)
		return -ENOMEM;
	refcount_init(&b->refs, 1);
	b->addr = addr;
	b->size = size;
	err = locked_charge(user, t, pages, &b->charge);
	if (err == 0)
		err = mm_pin(t->mm, addr, size, MAP_W, &b->pin);
	if (err < 0) {
		fixed_buf_put(b);
		return err;
	}
	*out = b;
	return 0;
}

/* What the guest gives: an iovec; base 0 and size 0: an empty slot. */
static int buf_from_iovec(struct ring *r, struct task *t, const struct abi_iovec *iov,
			  struct fixed_buf **out)
{
	uint64_t end;

	*out = NULL;
	if (!iov->base)
		return iov->size ? -EFAULT : 0;
	if (!iov->size)
		return -EFAULT;
	if (iov->size > BUFFER_MAX)
		return -EFAULT;
	if (add_overflow(iov->base, page_up(iov->size), &end))
		return -EOVERFLOW;
	return buf_create(&r->locked_user, t, iov->base, iov->size, out);
}

/* ---- use ---- */

struct rsrc_node *buffers_lookup(struct ring *r, uint32_t slot)
{
	return rsrc_lookup(r, &r->buffers, slot);
}

/* The blocks of [addr, addr + want), as many as fit. */
static size_t gather(const struct fixed_buf *b, gva_t addr, size_t want, struct block *blk,
		     unsigned max, unsigned *count)
{
	unsigned nblocks;
	const struct block *from = mm_pin_blocks(b->pin, &nblocks);
	uint64_t skip = addr - page_down(b->addr);
	size_t done = 0;

	for (unsigned i = 0; i < nblocks && done < want && *count < max; i++) {
		size_t n;

		if (skip >= from[i].size) {
			skip -= from[i].size;
			continue;
		}
		n = MIN(from[i].size - skip, want - done);
		blk[(*count)++] = (struct block){ (char *)from[i].base + skip, n };
		done += n;
		skip = 0;
	}
	return done;
}

static ssize_t fixed_pin(struct uio *u, size_t want, struct block *blk, unsigned max,
			 unsigned *count)
{
	uint64_t skip = u->seg_done;
	size_t done = 0;

	*count = 0;
	want = MIN(want, u->remaining);
	for (unsigned i = u->seg; i < u->nsegs && done < want && *count < max; i++, skip = 0) {
		size_t size = MIN(u->segs[i].size - skip, (uint64_t)(want - done));

		done += gather(u->space, u->segs[i].base + skip, size, blk, max, count);
	}
	return done ? (ssize_t)done : -EFAULT;
}

static void fixed_unpin(struct uio *u UNUSED)
{
}

static const struct uio_ops fixed_uio_ops = { fixed_pin, fixed_unpin };

static bool lies_inside(const struct fixed_buf *b, gva_t addr, uint64_t size)
{
	return size <= b->size && addr >= b->addr && addr - b->addr <= b->size - size;
}

int fixed_buf_uio_vec(struct fixed_buf *b, struct uio *u, const struct uio_seg *segs,
		      unsigned nsegs, enum uio_dir dir)
{
	*u = (struct uio){
		.ops = &fixed_uio_ops,
		.dir = dir,
		.segs = segs,
		.nsegs = nsegs,
		.space = b,
	};
	for (unsigned i = 0; i < nsegs; i++) {
		if (!lies_inside(b, segs[i].base, segs[i].size))
			return -EFAULT;
		u->remaining += segs[i].size;
	}
	return 0;
}

int fixed_buf_uio(struct fixed_buf *b, struct uio *u, struct uio_seg *seg, enum uio_dir dir,
		  gva_t addr, uint64_t size)
{
	seg->base = addr;
	seg->size = size;
	return fixed_buf_uio_vec(b, u, seg, 1, dir);
}

/* ---- registering ---- */

static int iovec_at(struct task *t, gva_t arg, unsigned i, struct abi_iovec *iov)
{
	return mm_copy_in(t->mm, iov, arg + (uint64_t)i * sizeof(*iov), sizeof(*iov));
}

static int node_from_user(struct ring *r, struct task *t, gva_t iovs, gva_t tags, unsigned i,
			  struct rsrc_node **out)
{
	struct fixed_buf *b = NULL;
	struct abi_iovec iov;
	uint64_t tag = 0;
	int err;

	*out = NULL;
	err = iovec_at(t, iovs, i, &iov);
	if (err == 0 && tags)
		err = mm_copy_in(t->mm, &tag, tags + (uint64_t)i * sizeof(tag), sizeof(tag));
	if (err == 0)
		err = buf_from_iovec(r, t, &iov, &b);
	if (err < 0)
		return err;
	if (!b)
		return tag ? -EINVAL : 0;
	*out = rsrc_node_create(r, NULL, b, tag);
	if (!*out) {
		fixed_buf_put(b);
		return -ENOMEM;
	}
	return 0;
}

static long register_table(struct ring *r, struct task *t, gva_t iovs, gva_t tags, unsigned nr)
{
	struct rsrc_table *table;
	int err = 0;

	if (r->buffers)
		return -EBUSY;
	if (!nr || nr > RSRC_BUFFERS_MAX)
		return -EINVAL;
	table = rsrc_table_create(nr);
	if (!table)
		return -ENOMEM;
	for (unsigned i = 0; iovs && i < nr && err == 0; i++)
		err = node_from_user(r, t, iovs, tags, i, &table->slot[i]);
	if (err < 0) {
		rsrc_table_discard(table);
		return err;
	}
	(void)rsrc_table_swap(r, &r->buffers, table);
	return 0;
}

long buffers_register(struct ring *r, struct task *t, gva_t arg, unsigned nr)
{
	return arg ? register_table(r, t, arg, 0, nr) : -EFAULT;
}

long buffers_register2(struct ring *r, struct task *t, const struct io_uring_rsrc_register *rr)
{
	if ((rr->flags & IORING_RSRC_REGISTER_SPARSE) && rr->data)
		return -EINVAL;
	return register_table(r, t, rr->data, rr->tags, rr->nr);
}

long buffers_unregister(struct ring *r)
{
	return rsrc_table_unregister(r, &r->buffers);
}

long buffers_update(struct ring *r, struct task *t, const struct io_uring_rsrc_update2 *up)
{
	struct rsrc_node *n;
	unsigned done;
	uint32_t end;
	int err = 0;

	if (!r->buffers)
		return -ENXIO;
	if (add_overflow(up->offset, up->nr, &end))
		return -EOVERFLOW;
	if (end > r->buffers->count)
		return -EINVAL;
	for (done = 0; done < up->nr; done++) {
		struct rsrc_node *old;

		err = node_from_user(r, t, up->data, up->tags, done, &n);
		if (err < 0)
			break;
		mutex_lock(&r->lock);
		old = r->buffers->slot[up->offset + done];
		r->buffers->slot[up->offset + done] = n;
		mutex_unlock(&r->lock);
		rsrc_node_put(old);
	}
	return done ? (long)done : err;
}

/* ---- cloning ---- */

/* References on the source's buffers, at [off, off + nr); the caller drops them. */
static int collect(struct ring *src, uint32_t off, uint32_t nr, struct fixed_buf **out)
{
	int err = 0;

	mutex_lock(&src->lock);
	if (!src->buffers || off + (uint64_t)nr > src->buffers->count)
		err = -ENXIO;
	for (uint32_t i = 0; i < nr && err == 0; i++) {
		struct rsrc_node *n = src->buffers->slot[off + i];

		if (n && n->buf) {
			refcount_get(&n->buf->refs);
			out[i] = n->buf;
		}
	}
	mutex_unlock(&src->lock);
	return err;
}

/* The new table: what the old one has, and over it the clones. */
static int clone_into(struct ring *r, const struct io_uring_clone_buffers *c,
		      struct fixed_buf **bufs, struct rsrc_table *table)
{
	if (r->buffers) {
		for (unsigned i = 0; i < r->buffers->count; i++) {
			table->slot[i] = r->buffers->slot[i];
			if (table->slot[i])
				refcount_get(&table->slot[i]->refs);
		}
	}
	for (uint32_t i = 0; i < c->nr; i++) {
		rsrc_node_put(table->slot[c->dst_off + i]);
		table->slot[c->dst_off + i] = NULL;
		if (!bufs[i])
			continue;
		table->slot[c->dst_off + i] = rsrc_node_create(r, NULL, bufs[i], 0);
		if (!table->slot[c->dst_off + i])
			return -ENOMEM;
		bufs[i] = NULL;
	}
	return 0;
}

static long clone_from(struct ring *r, struct ring *src, struct io_uring_clone_buffers *c)
{
	struct rsrc_table *table = NULL;
	struct fixed_buf **bufs;
	uint32_t end, count;
	long err;

	/* Both rings' tables stay as they are only under the token: the source's may
	 * change in between, and is looked at under its lock alone. */
	if (r->buffers && !(c->flags & IORING_REGISTER_DST_REPLACE))
		return -EBUSY;
	mutex_lock(&src->lock);
	count = src->buffers ? src->buffers->count : 0;
	mutex_unlock(&src->lock);
	if (!count)
		return -ENXIO;
	if (!c->nr)
		c->nr = count;
	else if (c->nr > count)
		return -EINVAL;
	if (add_overflow(c->nr, c->src_off, &end))
		return -EOVERFLOW;
	if (end > count)
		return -EOVERFLOW;
	if (add_overflow(c->nr, c->dst_off, &end))
		return -EOVERFLOW;
	if (end > RSRC_BUFFERS_MAX)
		return -EINVAL;
	bufs = calloc(c->nr, sizeof(struct fixed_buf *));
	if (!bufs)
		return -ENOMEM;
	err = collect(src, c->src_off, c->nr, bufs);
	if (err == 0) {
		table = rsrc_table_create(MAX(end, r->buffers ? r->buffers->count : 0));
		err = table ? clone_into(r, c, bufs, table) : -ENOMEM;
	}
	for (uint32_t i = 0; i < c->nr; i++)
		fixed_buf_put(bufs[i]);
	free(bufs);
	if (err < 0) {
		rsrc_table_destroy(table);
		return err;
	}
	rsrc_table_destroy(rsrc_table_swap(r, &r->buffers, table));
	return 0;
}

long buffers_clone(struct ring *r, struct task *t, gva_t arg)
{
	struct io_uring_clone_buffers c;
	struct file *f = NULL;
	struct ring *src;
	long err;

	if (mm_copy_in(t->mm, &c, arg, sizeof(c)) < 0)
		return -EFAULT;
	if (c.flags & ~(IORING_REGISTER_SRC_REGISTERED | IORING_REGISTER_DST_REPLACE))
		return -EINVAL;
	if (!(c.flags & IORING_REGISTER_DST_REPLACE) && r->buffers)
		return -EBUSY;
	for (size_t i = 0; i < ARRAY_SIZE(c.pad); i++) {
		if (c.pad[i])
			return -EINVAL;
	}
	err = ring_file_get(t, c.src_fd, c.flags & IORING_REGISTER_SRC_REGISTERED, &f);
	if (err < 0)
		return err;
	src = ring_of(f);
	err = src ? clone_from(r, src, &c) : -EOPNOTSUPP;
	file_put(f);
	return err;
}
