/* Nodes and tables: see files.h. */
#include "base/fault.h"
#include "base/kmem.h"
#include "base/pool.h"
#include "uring/files.h"
#include "uring/internal.h"

static POOL_DEFINE(rsrc_node_pool, struct rsrc_node);

struct rsrc_node *rsrc_node_create(struct ring *r, struct file *file, struct fixed_buf *buf,
				   uint64_t tag)
{
	struct rsrc_node *n = pool_alloc(&rsrc_node_pool);

	if (!n)
		return NULL;
	refcount_init(&n->refs, 1);
	n->ring = r;
	n->file = file;
	n->buf = buf;
	n->tag = tag;
	return n;
}

void rsrc_node_put(struct rsrc_node *n)
{
	if (!n || !refcount_put(&n->refs))
		return;
	if (n->tag && !READ_ONCE(n->ring->is_dying)) {
		const struct io_uring_cqe cqe = { .user_data = n->tag };

		(void)complete_post(n->ring, &cqe);
	}
	if (n->file)
		file_put(n->file);
	fixed_buf_put(n->buf);
	pool_free(&rsrc_node_pool, n);
}

struct rsrc_table *rsrc_table_create(unsigned count)
{
	struct rsrc_table *t;

	if (FAULT_POINT("uring.table"))
		return NULL;
	t = kmem_zalloc_for(KMEM_URING, sizeof(*t) + count * sizeof(struct rsrc_node *));
	if (t)
		t->count = count;
	return t;
}

void rsrc_table_destroy(struct rsrc_table *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->count; i++)
		rsrc_node_put(t->slot[i]);
	kmem_free_for(KMEM_URING, t);
}

void rsrc_table_discard(struct rsrc_table *t)
{
	for (unsigned i = 0; i < t->count; i++) {
		if (t->slot[i])
			t->slot[i]->tag = 0;
	}
	rsrc_table_destroy(t);
}

struct rsrc_table *rsrc_table_swap(struct ring *r, struct rsrc_table **slot, struct rsrc_table *t)
{
	struct rsrc_table *old;

	mutex_lock(&r->lock);
	old = *slot;
	*slot = t;
	mutex_unlock(&r->lock);
	return old;
}

long rsrc_table_unregister(struct ring *r, struct rsrc_table **slot)
{
	struct rsrc_table *old = rsrc_table_swap(r, slot, NULL);

	rsrc_table_destroy(old);
	return old ? 0 : -ENXIO;
}

struct rsrc_node *rsrc_lookup(struct ring *r, struct rsrc_table **slot, uint32_t index)
{
	struct rsrc_node *n = NULL;

	mutex_lock(&r->lock);
	if (*slot && index < (*slot)->count)
		n = (*slot)->slot[index];
	if (n)
		refcount_get(&n->refs);
	mutex_unlock(&r->lock);
	return n;
}
