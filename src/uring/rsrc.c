/* Nodes and tables: see files.h. */
#include <stdlib.h>

#include "base/fault.h"
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
	t = calloc(1, sizeof(*t) + count * sizeof(struct rsrc_node *));
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
	free(t);
}
