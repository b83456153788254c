/*
 * Guard pages, madvise(MADV_GUARD_INSTALL), Linux 6.13: pages that no access
 * reaches, whatever their mapping's protection, until they are unmapped or the
 * guard is removed. No vma is needed for them: a guard is a pma that allows
 * nothing, in place of what was there. So it is moved, split, inherited by fork and
 * dropped as other pmas are; only those who fill or discard must leave it alone.
 */
#include "mm/internal.h"

static void guard_ref(struct mapfile *f UNUSED, uint64_t offset UNUSED, uint64_t size UNUSED)
{
}

static int guard_map_internal(struct mapfile *f UNUSED, uint64_t offset UNUSED,
			      uint64_t size UNUSED, int prot UNUSED, struct block *blk UNUSED,
			      unsigned max UNUSED)
{
	return -EFAULT;
}

static int guard_fd(struct mapfile *f UNUSED)
{
	return -1;
}

static const struct mapfile_ops guard_ops = {
	.incref = guard_ref,
	.decref = guard_ref,
	.map_internal = guard_map_internal,
	.fd = guard_fd,
};

static struct mapfile guard_file = { &guard_ops };

int guard_install(struct batch *b, gva_t start, gva_t end)
{
	struct mm *mm = b->mm;
	struct pma *p = pma_alloc();
	int err = p ? pma_isolate(mm, start, end) : -ENOMEM;

	if (err) {
		pma_free(p);
		return err;
	}
	pma_drop_range(b, start, end);
	p->node.start = start;
	p->node.end = end;
	p->file = &guard_file;
	p->offset = start; /* so that neighbours can be joined */
	p->is_guard = true;
	pma_insert(mm, p);
	return 0;
}

int guard_remove(struct batch *b, gva_t start, gva_t end)
{
	int err = pma_isolate(b->mm, start, end);
	uint64_t pos = start;
	struct pma *p;

	while (!err && (p = pmas_walk(&b->mm->pmas, &pos, end))) {
		if (p->is_guard)
			pma_drop(b, p);
	}
	return err;
}
