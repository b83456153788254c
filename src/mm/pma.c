/*
 * The pma set: what is there; and the batches that carry its changes to the
 * platform.
 *
 * A page that the guest loses may be somebody else's a moment later, so the
 * order is: take the pma out of the set, let the platform unmap it, and only
 * then drop the reference. A batch keeps that order for any number of pmas.
 *
 * A batch that only maps into empty ranges may be lazy when one task alone uses
 * the address space (see platform.h). When the platform fails in the middle of
 * a batch that takes something away, we do not know what the guest still has:
 * everything that the batch names is unmapped, and if not even that works, the
 * address space is killed.
 */
#include "mm/internal.h"

#include "base/log.h"
#include "base/pool.h"

static POOL_DEFINE(pma_pool, struct pma);

#define SPARE_PMAS 2

/* ---- batches ---- */

void batch_begin(struct batch *b, struct mm *mm)
{
	rwlock_write(&mm->active_lock);
	batch_init(b, mm);
}

void batch_init(struct batch *b, struct mm *mm)
{
	rwlock_assert_write_held(&mm->active_lock);
	b->mm = mm;
	b->count = 0;
	b->takes = false;
	b->populate = false;
	b->err = 0;
	list_init(&b->removed);
}

/* After a failure: whatever was to change is taken away from the guest. */
static void take_all_away(struct batch *b)
{
	for (unsigned i = 0; i < b->count; i++) {
		struct platform_op op = {
			.kind = PLATFORM_OP_UNMAP,
			.addr = b->ops[i].addr,
			.size = b->ops[i].size,
		};
		int err = platform_as_apply(b->mm->as, &op, 1);

		if (err && err != -ESRCH) {
			log_warn("an address space cannot be unmapped (error %d): killed", -err);
			platform_as_kill(b->mm->as);
			return;
		}
	}
}

static void batch_flush(struct batch *b)
{
	bool lazy = !b->takes && mm_users(b->mm) <= 1;
	int err;

	if (!b->count)
		return;
	if (lazy)
		err = platform_as_apply_lazy(b->mm->as, b->ops, b->count);
	else
		err = platform_as_apply(b->mm->as, b->ops, b->count);
	if (err && err != -ESRCH) {
		if (b->takes)
			take_all_away(b);
		if (!b->err)
			b->err = -ENOMEM;
	}
	b->count = 0;
	b->takes = false;
}

static struct platform_op *batch_last(struct batch *b, enum platform_op_kind kind, gva_t end)
{
	struct platform_op *op = b->count ? &b->ops[b->count - 1] : NULL;

	return op && op->kind == kind && op->addr + op->size == end ? op : NULL;
}

static struct platform_op *batch_next(struct batch *b)
{
	if (b->count == BATCH_OPS)
		batch_flush(b);
	return &b->ops[b->count++];
}

void batch_unmap(struct batch *b, gva_t start, gva_t end)
{
	struct platform_op *op = batch_last(b, PLATFORM_OP_UNMAP, start);

	if (op)
		op->size += end - start;
	else
		*batch_next(b) = (struct platform_op){
			.kind = PLATFORM_OP_UNMAP,
			.addr = start,
			.size = end - start,
		};
	b->takes = true;
}

static void batch_protect(struct batch *b, gva_t start, gva_t end, int prot)
{
	struct platform_op *op = batch_last(b, PLATFORM_OP_PROTECT, start);

	if (op && op->prot == prot)
		op->size += end - start;
	else
		*batch_next(b) = (struct platform_op){
			.kind = PLATFORM_OP_PROTECT,
			.prot = prot,
			.addr = start,
			.size = end - start,
		};
	b->takes = true;
}

static void batch_map(struct batch *b, const struct pma *p, gva_t start, gva_t end)
{
	struct platform_op *op = batch_last(b, PLATFORM_OP_MAP, start);
	uint64_t offset = pma_offset(p, start);
	int fd = p->file->ops->fd(p->file);

	if (op && op->prot == p->prot && op->fd == fd && op->offset + op->size == offset) {
		op->size += end - start;
		return;
	}
	/* What was to be unmapped there is replaced anyway. */
	op = b->count ? &b->ops[b->count - 1] : NULL;
	if (!op || op->kind != PLATFORM_OP_UNMAP || op->addr != start || op->size != end - start)
		op = batch_next(b);
	*op = (struct platform_op){
		.kind = PLATFORM_OP_MAP,
		.prot = p->prot,
		.fd = fd,
		.populate = b->populate,
		.addr = start,
		.size = end - start,
		.offset = offset,
	};
}

static void release(struct list *removed)
{
	list_for_each_safe(p, tmp, removed, struct pma, link) {
		list_del(&p->link);
		p->file->ops->decref(p->file, p->offset, pma_size(p));
		pma_free(p);
	}
}

int batch_end(struct batch *b)
{
	batch_flush(b);
	rwlock_write_unlock(&b->mm->active_lock);
	release(&b->removed);
	return b->err;
}

/* ---- the set ---- */

struct pma *pma_alloc(void)
{
	struct pma *p = pool_alloc(&pma_pool);

	if (p)
		list_init(&p->link);
	return p;
}

void pma_free(struct pma *p)
{
	pool_free(&pma_pool, p);
}

int pma_reserve(struct mm *mm)
{
	rwlock_assert_write_held(&mm->active_lock);
	while (mm->nspares < SPARE_PMAS) {
		struct pma *p = pma_alloc();

		if (!p)
			return -ENOMEM;
		list_push_back(&mm->spare_pmas, &p->link);
		mm->nspares++;
	}
	return 0;
}

static struct pma *spare_take(struct mm *mm)
{
	struct pma *p;

	if (list_empty(&mm->spare_pmas))
		panic("no memory to split a pma");
	p = list_first(&mm->spare_pmas, struct pma, link);
	list_del(&p->link);
	mm->nspares--;
	return p;
}

void pma_insert(struct mm *mm, struct pma *p)
{
	int err = ivmap_insert(&mm->pmas, &p->node);

	ASSERT(err == 0);
}

static struct ivnode *pma_split(const struct pma *p, struct pma *back, gva_t at)
{
	back->file = p->file;
	back->offset = pma_offset(p, at);
	back->perms = p->perms;
	back->prot = p->prot;
	back->is_private = p->is_private;
	back->need_cow = p->need_cow;
	back->is_mapped = p->is_mapped;
	back->is_guard = p->is_guard;
	return &back->node;
}

static struct ivnode *split_may(struct ivmap *m, const struct ivnode *n, uint64_t at)
{
	struct pma *back = m->count < PMA_COUNT_MAX ? pma_alloc() : NULL;

	return back ? pma_split(pmas_of(n), back, at) : NULL;
}

static struct ivnode *split_must(struct ivmap *m, const struct ivnode *n, uint64_t at)
{
	struct pma *back = pma_alloc();

	if (!back)
		back = spare_take(container_of(m, struct mm, pmas));
	return pma_split(pmas_of(n), back, at);
}

static bool are_alike(const struct ivnode *n, const struct ivnode *next)
{
	const struct pma *a = pmas_of(n), *b = pmas_of(next);

	return a->file == b->file && a->perms == b->perms && a->prot == b->prot &&
	       a->is_private == b->is_private && a->need_cow == b->need_cow &&
	       a->is_mapped == b->is_mapped && a->is_guard == b->is_guard &&
	       pma_offset(a, b->node.start) == b->offset;
}

static void joined(struct ivmap *m UNUSED, struct ivnode *next)
{
	pma_free(pmas_of(next)); /* its reference is the other's now */
}

static const struct ivmap_ops pma_ops = { split_may, are_alike, joined };
static const struct ivmap_ops pma_ops_must = { split_must, are_alike, joined };

int pma_isolate(struct mm *mm, gva_t start, gva_t end)
{
	rwlock_assert_write_held(&mm->active_lock);
	return ivmap_isolate(&mm->pmas, &pma_ops, start, end);
}

void pma_isolate_must(struct mm *mm, gva_t start, gva_t end)
{
	int err;

	rwlock_assert_write_held(&mm->active_lock);
	err = ivmap_isolate(&mm->pmas, &pma_ops_must, start, end);
	ASSERT(err == 0);
}

void pma_join(struct mm *mm, gva_t start, gva_t end)
{
	ivmap_join(&mm->pmas, &pma_ops, start, end);
}

void pma_supersede(struct batch *b, struct pma *p)
{
	b->takes |= p->is_mapped;
	ivmap_remove(&b->mm->pmas, &p->node);
	list_push_back(&b->removed, &p->link);
}

void pma_drop(struct batch *b, struct pma *p)
{
	if (p->is_mapped)
		batch_unmap(b, p->node.start, p->node.end);
	pma_supersede(b, p);
}

void pma_drop_range(struct batch *b, gva_t start, gva_t end)
{
	struct pma *next;

	for (struct pma *p = pma_from(b->mm, start); p && p->node.start < end; p = next) {
		ASSERT(p->node.start >= start && p->node.end <= end);
		next = pma_next(p);
		pma_drop(b, p);
	}
}

void pma_map(struct batch *b, struct pma *p)
{
	if (p->is_mapped || !p->prot)
		return;
	batch_map(b, p, p->node.start, p->node.end);
	p->is_mapped = true;
}

void pma_remap(struct batch *b, struct pma *p, gva_t addr)
{
	gva_t window = addr & ~(COW_WINDOW - 1);
	gva_t start = MAX(p->node.start, window);
	gva_t end = MIN(p->node.end, window + COW_WINDOW);

	ASSERT(p->is_mapped);
	b->takes = true;
	batch_map(b, p, start, end);
}

void pma_set_prot(struct batch *b, struct pma *p, int prot)
{
	if (p->prot == prot)
		return;
	p->prot = prot;
	if (p->is_mapped)
		batch_protect(b, p->node.start, p->node.end, prot);
}

size_t pma_blocks(const struct mm *mm, struct pma *p, gva_t addr, size_t size, int access,
		  struct block *blk, unsigned max, unsigned *count)
{
	size_t n = MIN((uint64_t)size, p->node.end - addr), sum = 0;
	int got;

	if (likely(p->file == memfile_mapfile(mm->env.memfile))) {
		blk[0].base = memfile_addr(mm->env.memfile, pma_offset(p, addr));
		blk[0].size = n;
		*count = 1;
		return n;
	}
	*count = 0;
	got = p->file->ops->map_internal(p->file, pma_offset(p, addr), n, access, blk, max);
	for (int i = 0; i < got; i++)
		sum += blk[i].size;
	*count = got > 0 ? (unsigned)got : 0;
	return sum;
}
