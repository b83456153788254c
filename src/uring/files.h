/*
 * What is registered: files and buffers, in tables of slots. A slot holds a node; a
 * request that uses it holds the node, which so outlives its slot. When the last
 * reference of a node with a tag goes, a completion with that tag is posted.
 *
 * ring.lock guards the tables; nodes are counted.
 */
#pragma once

#include "base/refcount.h"
#include "mm/mm.h"
#include "abi/io_uring_reg.h"
#include "uring/req.h"

struct fixed_buf;

struct rsrc_node {
	struct refcount refs;
	struct ring *ring; /* borrowed: who holds a node holds the ring */
	uint64_t tag;
	struct file *file;     /* reference, or NULL */
	struct fixed_buf *buf; /* reference, or NULL */
};

struct rsrc_table {
	unsigned count;
	struct rsrc_node *slot[]; /* [l] NULL: empty */
};

#define RSRC_FILES_MAX (1u << 15)
#define RSRC_BUFFERS_MAX (1u << 14)

/* Takes the reference on file or buf. NULL: no memory, and they stay the caller's. */
struct rsrc_node *rsrc_node_create(struct ring *r, struct file *file, struct fixed_buf *buf,
				   uint64_t tag);
/* => no lock held */
void rsrc_node_put(struct rsrc_node *node);
struct rsrc_table *rsrc_table_create(unsigned count);
/* Empties and frees it. NULL is allowed. => no lock held */
void rsrc_table_destroy(struct rsrc_table *t);
/* The same for one that was never registered: no tag is told. */
void rsrc_table_discard(struct rsrc_table *t);
/* Puts t (or NULL) into r's field slot, under the lock. What was there. */
struct rsrc_table *rsrc_table_swap(struct ring *r, struct rsrc_table **slot, struct rsrc_table *t);
/* Takes the table in the field away: 0, -ENXIO. */
long rsrc_table_unregister(struct ring *r, struct rsrc_table **slot);
/* The node at an index of r's field slot, with a reference, or NULL. */
struct rsrc_node *rsrc_lookup(struct ring *r, struct rsrc_table **slot, uint32_t index);

/* ---- files (files.c) ---- */

/* The node at a slot, with a reference, or NULL. */
struct rsrc_node *files_lookup(struct ring *r, uint32_t slot);
/* A direct descriptor: puts f into the slot `index` - 1, or, with
 * IORING_FILE_INDEX_ALLOC, into a free one, whose number is returned (else 0).
 * Takes f's reference in every case. -ENXIO: no table; -EINVAL; -ENFILE: full. */
int files_install(struct ring *r, struct file *f, uint32_t index);
/* Empties a slot: -ENXIO, -EINVAL, -EBADF. */
int files_close(struct ring *r, uint32_t slot);
/* A new descriptor of t, or a direct one of the ring: as sqe.file_index says. Takes f. */
int files_give(struct ring *r, struct task *t, struct file *f, uint32_t index, bool cloexec);

long files_register(struct ring *r, struct task *t, gva_t arg, unsigned nr);
long files_unregister(struct ring *r);
long files_register2(struct ring *r, struct task *t, const struct io_uring_rsrc_register *rr);
/* up: nr entries from offset on. */
long files_update(struct ring *r, struct task *t, const struct io_uring_rsrc_update2 *up);
long files_alloc_range(struct ring *r, struct task *t, gva_t arg);
/* IORING_OP_FILES_UPDATE with IORING_FILE_INDEX_ALLOC: gives slots out. */
long files_update_alloc(struct ring *r, struct task *t, gva_t fds, unsigned nr);

/* ---- buffers (buffers.c) ---- */

struct rsrc_node *buffers_lookup(struct ring *r, uint32_t slot);
/* A uio over [addr, addr + size) of the buffer. -EFAULT: it does not lie inside. */
int fixed_buf_uio(struct fixed_buf *buf, struct uio *u, struct uio_seg *seg, enum uio_dir dir,
		  gva_t addr, uint64_t size) MUST_CHECK;
/* The same over a vector, all of which must lie inside. */
int fixed_buf_uio_vec(struct fixed_buf *buf, struct uio *u, const struct uio_seg *segs,
		      unsigned nsegs, enum uio_dir dir) MUST_CHECK;
void fixed_buf_put(struct fixed_buf *buf);

long buffers_register(struct ring *r, struct task *t, gva_t arg, unsigned nr);
long buffers_unregister(struct ring *r);
long buffers_register2(struct ring *r, struct task *t, const struct io_uring_rsrc_register *rr);
long buffers_update(struct ring *r, struct task *t, const struct io_uring_rsrc_update2 *up);
long buffers_clone(struct ring *r, struct task *t, gva_t arg);
