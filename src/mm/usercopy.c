/*
 * Copies between the kernel and guest memory.
 *
 *	active_lock, shared
 *	  pma of the address, with the access?
 *	    yes: safecopy between the buffer and our view of its pages; go on
 *	    no:  unlock, fault_in_some(), begin again
 *
 * The common copy is one lock, one search of a small tree, one memcpy. What had
 * to be filled is mapped for the guest too, which will most likely look at it.
 *
 * The pages cannot vanish while the lock is held: whoever takes them away takes
 * it for writing. What can vanish is what lies under a host file's pages;
 * safecopy turns that into a short copy.
 */
#include "mm/internal.h"

#include <string.h>

/* A string is looked at in pieces of this. */
#define STRING_STEP 256u

enum move { MOVE_IN, MOVE_OUT, MOVE_ZERO };

struct copy {
	struct mm *mm;
	enum move how;
	bool force; /* whatever the protection is */
	uint8_t *buf;
};

static int copy_access(const struct copy *c)
{
	return c->how == MOVE_IN ? MAP_R : MAP_W;
}

static bool pma_serves(const struct pma *p, int access, bool force)
{
	if (!p || p->is_guard)
		return false;
	if (force)
		return access == MAP_R ||
		       (p->is_private ? pma_may_write(p) : (p->prot & MAP_W) != 0);
	return access == MAP_W ? p->prot & MAP_W : p->prot != 0;
}

/* Returns the bytes moved, fewer than size at a fault. */
static size_t move_block(const struct copy *c, const struct block *blk, uint8_t *buf)
{
	switch (c->how) {
	case MOVE_IN:
		return blk->size - block_safecopy(buf, blk->base, blk->size);
	case MOVE_OUT:
		return blk->size - block_safecopy(blk->base, buf, blk->size);
	case MOVE_ZERO:
		return blk->size - block_safezero(blk->base, blk->size);
	}
	return 0;
}

/* A file that cannot be mapped: through its own read and write. */
static size_t move_buffered(const struct copy *c, const struct pma *p, gva_t addr, uint8_t *buf,
			    size_t size)
{
	static const uint8_t zeros[PAGE_SIZE];
	const struct mapfile_ops *ops = p->file->ops;
	ssize_t n = 0;

	size = MIN((uint64_t)size, p->node.end - addr);
	if (c->how == MOVE_IN && ops->read)
		n = ops->read(p->file, pma_offset(p, addr), buf, size);
	else if (c->how == MOVE_OUT && ops->write)
		n = ops->write(p->file, pma_offset(p, addr), buf, size);
	else if (c->how == MOVE_ZERO && ops->write)
		n = ops->write(p->file, pma_offset(p, addr), zeros, MIN(size, sizeof(zeros)));
	return n > 0 ? (size_t)n : 0;
}

/* As much from addr on as p has in one go; 0: cannot be had. */
static size_t move_pma(const struct copy *c, struct pma *p, gva_t addr, uint8_t *buf, size_t size)
{
	struct block blk[4];
	unsigned count;
	size_t done = 0;

	if (!pma_blocks(c->mm, p, addr, size, copy_access(c), blk, ARRAY_SIZE(blk), &count))
		return move_buffered(c, p, addr, buf, size);
	for (unsigned i = 0; i < count; i++) {
		size_t n = move_block(c, &blk[i], buf ? buf + done : NULL);

		done += n;
		if (n < blk[i].size)
			break;
	}
	return done;
}

/* Moves what is there; stops at the first page that is not, or that fails:
 * *failed. */
static size_t move_present(const struct copy *c, gva_t addr, size_t size, size_t done, bool *failed)
{
	int access = copy_access(c);

	*failed = false;
	rwlock_read(&c->mm->active_lock);
	while (done < size && !*failed) {
		struct pma *p = pma_find(c->mm, addr + done);
		size_t n;

		if (!pma_serves(p, access, c->force))
			break;
		n = move_pma(c, p, addr + done, c->buf ? c->buf + done : NULL, size - done);
		done += n;
		*failed = n == 0;
	}
	rwlock_read_unlock(&c->mm->active_lock);
	return done;
}

/* Returns the bytes moved: fewer than size when the next cannot be. */
static size_t copy_run(const struct copy *c, gva_t addr, size_t size)
{
	unsigned flags = FILL_MAP | (c->force ? FILL_FORCE : 0);
	size_t done = 0;
	gva_t end;

	/* Guest addresses end far below any wrap. */
	if (addr >= c->mm->hi)
		return 0;
	end = addr + MIN((uint64_t)size, c->mm->hi - addr);
	for (;;) {
		bool failed;

		done = move_present(c, addr, end - addr, done, &failed);
		if (failed || done == end - addr)
			return done;
		if (fault_in_some(c->mm, addr + done, end, copy_access(c), flags) < 0)
			return done;
	}
}

static int copy_all(struct mm *mm, enum move how, gva_t addr, void *buf, size_t size)
{
	struct copy c = { .mm = mm, .how = how, .buf = buf };

	return copy_run(&c, addr, size) == size ? 0 : -EFAULT;
}

int mm_copy_in(struct mm *mm, void *dst, gva_t src, size_t size)
{
	return copy_all(mm, MOVE_IN, src, dst, size);
}

int mm_copy_out(struct mm *mm, gva_t dst, const void *src, size_t size)
{
	return copy_all(mm, MOVE_OUT, dst, (void *)(uintptr_t)src, size);
}

int mm_zero_out(struct mm *mm, gva_t dst, size_t size)
{
	return copy_all(mm, MOVE_ZERO, dst, NULL, size);
}

ssize_t mm_read_partial(struct mm *mm, void *dst, gva_t src, size_t size, bool ignore_prot)
{
	struct copy c = { .mm = mm, .how = MOVE_IN, .force = ignore_prot, .buf = dst };
	size_t n = copy_run(&c, src, size);

	return n || !size ? (ssize_t)n : -EFAULT;
}

ssize_t mm_write_partial(struct mm *mm, gva_t dst, const void *src, size_t size, bool ignore_prot)
{
	struct copy c = {
		.mm = mm, .how = MOVE_OUT, .force = ignore_prot, .buf = (uint8_t *)(uintptr_t)src
	};
	size_t n = copy_run(&c, dst, size);

	return n || !size ? (ssize_t)n : -EFAULT;
}

uint64_t mm_remote_extent(struct mm *mm, gva_t addr, uint64_t size, int access)
{
	gva_t at = addr, end;

	if (addr >= mm->hi)
		return 0;
	end = addr + MIN(size, mm->hi - addr);
	rwlock_read(&mm->map_lock);
	for (const struct vma *v = vma_find(mm, at); v && at < end; v = vma_next(v)) {
		if (v->node.start > at || !(v->prot & access))
			break;
		at = v->node.end;
	}
	rwlock_read_unlock(&mm->map_lock);
	return MIN(at, end) - addr;
}

ssize_t mm_copy_in_str(struct mm *mm, char *dst, gva_t src, size_t size)
{
	size_t done = 0;

	while (done < size) {
		struct copy c = { .mm = mm, .how = MOVE_IN, .buf = (uint8_t *)dst + done };
		/* Not beyond the page: what follows may not be there. */
		size_t step = MIN(size - done, (size_t)(PAGE_SIZE - ((src + done) & ~PAGE_MASK)));
		size_t n = copy_run(&c, src + done, MIN(step, (size_t)STRING_STEP));
		const char *nul = memchr(dst + done, 0, n);

		if (nul)
			return nul - dst;
		if (!n)
			return -EFAULT;
		done += n;
	}
	return -ENAMETOOLONG;
}
