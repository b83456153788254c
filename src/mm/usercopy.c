/*
 * Copies to and from guest memory, uio, atomics, futex keys.
 *
 * A guest address is an untrusted integer: it becomes memory of ours only
 * through a pma, with active_lock held shared while it is used. What is not
 * there yet is faulted in first, without the lock, and looked up again.
 */
#include "mm/internal.h"

#include <limits.h>
#include <string.h>

#include "host/safecopy.h"

#define MAX_RW_COUNT ((uint64_t)0x7ffff000)

static bool pma_usable(const struct pma *p, int access, bool ignore_prot)
{
	if (ignore_prot)
		return !(access & MAP_W) || !p->cow;
	if (access & MAP_W)
		return (p->prot & MAP_W) && (p->perms & MAP_W) && !p->cow;
	return p->prot & (MAP_R | MAP_W | MAP_X);
}

/* => active_lock. Blocks for the front of [addr, addr + size); 0: not there. */
static size_t blocks_locked(struct mm *mm, gva_t addr, size_t size, int access, bool ignore_prot,
			    struct block *blk, unsigned max, unsigned *count)
{
	size_t done = 0;

	*count = 0;
	while (done < size && *count < max) {
		struct pma *p = pma_of(ivmap_find(&mm->pmas, addr + done));
		size_t step;
		int n;

		if (!p || !pma_usable(p, access, ignore_prot))
			break;
		step = MIN(size - done, p->node.end - (addr + done));
		n = p->file->ops->map_internal(p->file, p->offset + (addr + done - p->node.start), step,
					       access & MAP_W ? MAP_W : MAP_R, blk + *count, max - *count);
		if (n <= 0)
			break;
		for (int i = 0; i < n; i++)
			done += blk[(*count)++].size;
	}
	return done;
}

static bool in_range(struct mm *mm, gva_t addr, size_t size)
{
	return addr < mm->hi && size <= mm->hi - addr;
}

/* Pins blocks at addr: active_lock stays held shared when it returns > 0. */
static ssize_t pin_range(struct mm *mm, gva_t addr, size_t size, int access, struct block *blk,
			 unsigned max, unsigned *count)
{
	for (int tries = 0; tries < 64; tries++) {
		size_t n;
		int code;

		rwlock_read(&mm->active_lock);
		n = blocks_locked(mm, addr, size, access, false, blk, max, count);
		if (n)
			return (ssize_t)n;
		rwlock_read_unlock(&mm->active_lock);
		if (mm_fault(mm, addr, access, &code) < 0)
			return -EFAULT;
	}
	return -EFAULT; /* somebody unmaps as fast as we look */
}

enum copy { COPY_IN, COPY_OUT, COPY_ZERO };

static size_t copy_blocks(const struct block *blk, unsigned count, uint8_t *buf, enum copy how)
{
	size_t done = 0;

	for (unsigned i = 0; i < count; i++) {
		size_t left;

		if (how == COPY_IN)
			left = block_safecopy(buf + done, blk[i].base, blk[i].size);
		else if (how == COPY_OUT)
			left = block_safecopy(blk[i].base, buf + done, blk[i].size);
		else
			left = block_safezero(blk[i].base, blk[i].size);
		done += blk[i].size - left;
		if (left)
			break;
	}
	return done;
}

static size_t copy_range(struct mm *mm, gva_t addr, void *buf, size_t size, enum copy how)
{
	int access = how == COPY_IN ? MAP_R : MAP_W;
	size_t done = 0;

	if (!in_range(mm, addr, size))
		return 0;
	while (done < size) {
		struct block blk[4];
		unsigned count;
		ssize_t n = pin_range(mm, addr + done, size - done, access, blk, 4, &count);
		size_t moved;

		if (n < 0)
			break;
		moved = copy_blocks(blk, count, (uint8_t *)buf + (how == COPY_ZERO ? 0 : done), how);
		rwlock_read_unlock(&mm->active_lock);
		done += moved;
		if (moved < (size_t)n)
			break;
	}
	return done;
}

int mm_copy_in(struct mm *mm, void *dst, gva_t src, size_t size)
{
	return copy_range(mm, src, dst, size, COPY_IN) == size ? 0 : -EFAULT;
}

int mm_copy_out(struct mm *mm, gva_t dst, const void *src, size_t size)
{
	return copy_range(mm, dst, (void *)(uintptr_t)src, size, COPY_OUT) == size ? 0 : -EFAULT;
}

int mm_zero_out(struct mm *mm, gva_t dst, size_t size)
{
	return copy_range(mm, dst, NULL, size, COPY_ZERO) == size ? 0 : -EFAULT;
}

ssize_t mm_copy_in_str(struct mm *mm, char *dst, gva_t src, size_t size)
{
	size_t done = 0;

	while (done < size) {
		/* Page by page: what lies behind the NUL may not be mapped. */
		size_t step = MIN(size - done, PAGE_SIZE - ((src + done) & ~PAGE_MASK));
		size_t got = copy_range(mm, src + done, dst + done, step, COPY_IN);
		char *nul = memchr(dst + done, 0, got);

		if (nul)
			return nul - dst;
		if (got < step)
			return -EFAULT;
		done += got;
	}
	return -ENAMETOOLONG;
}

/* ---- what ptrace and process_vm_* may do ---- */

static ssize_t partial(struct mm *mm, void *buf, gva_t addr, size_t size, bool ignore_prot, enum copy how)
{
	size_t done = copy_range(mm, addr, buf, size, how);

	(void)ignore_prot;
	return done || !size ? (ssize_t)done : -EFAULT;
}

ssize_t mm_read_partial(struct mm *mm, void *dst, gva_t src, size_t size, bool ignore_prot)
{
	return partial(mm, dst, src, size, ignore_prot, COPY_IN);
}

ssize_t mm_write_partial(struct mm *mm, gva_t dst, const void *src, size_t size, bool ignore_prot)
{
	return partial(mm, (void *)(uintptr_t)src, dst, size, ignore_prot, COPY_OUT);
}

/* ---- uio ---- */

static ssize_t mm_uio_pin(struct uio *u, size_t want, struct block *blk, unsigned max, unsigned *count)
{
	struct mm *mm = u->space;
	int access = u->dir == UIO_TO_USER ? MAP_W : MAP_R;

	while (u->seg < u->nsegs && u->seg_done == u->segs[u->seg].size) {
		u->seg++;
		u->seg_done = 0;
	}
	ASSERT(u->seg < u->nsegs);
	want = MIN(want, u->segs[u->seg].size - u->seg_done);
	return pin_range(mm, u->segs[u->seg].base + u->seg_done, want, access, blk, max, count);
}

static void mm_uio_unpin(struct uio *u)
{
	struct mm *mm = u->space;

	rwlock_read_unlock(&mm->active_lock);
}

static const struct uio_ops mm_uio_ops = { mm_uio_pin, mm_uio_unpin };

void mm_uio_init(struct mm *mm, struct uio *u, enum uio_dir dir, const struct uio_seg *segs, unsigned nsegs)
{
	*u = (struct uio){ .ops = &mm_uio_ops, .dir = dir, .segs = segs, .nsegs = nsegs, .space = mm };
	for (unsigned i = 0; i < nsegs; i++)
		u->remaining += segs[i].size;
}

int mm_uio_init_single(struct mm *mm, struct uio *u, struct uio_seg *seg, enum uio_dir dir, gva_t base,
		       size_t size)
{
	size = MIN(size, MAX_RW_COUNT);
	if (size && !in_range(mm, base, size))
		return -EFAULT;
	seg->base = base;
	seg->size = size;
	mm_uio_init(mm, u, dir, seg, 1);
	return 0;
}

int mm_import_iovec(struct mm *mm, gva_t iov, unsigned count, struct uio_seg *segs)
{
	uint64_t total = 0;
	int r;

	if (count > 1024)
		return -EINVAL;
	if (!count)
		return 0;
	r = mm_copy_in(mm, segs, iov, count * sizeof(*segs));
	if (r < 0)
		return r;
	for (unsigned i = 0; i < count; i++) {
		if (segs[i].size > SSIZE_MAX)
			return -EINVAL;
		if (segs[i].size && !in_range(mm, segs[i].base, segs[i].size))
			return -EFAULT;
		if (segs[i].size > MAX_RW_COUNT - total)
			segs[i].size = MAX_RW_COUNT - total;
		total += segs[i].size;
	}
	return 0;
}

/* ---- atomics ---- */

/* An aligned word never straddles two blocks. */
static int pin_word(struct mm *mm, gva_t addr, int access, struct block *blk)
{
	unsigned count;

	if (addr & 3)
		return -EINVAL;
	if (!in_range(mm, addr, 4))
		return -EFAULT;
	return pin_range(mm, addr, 4, access, blk, 1, &count) == 4 ? 0 : -EFAULT;
}

int mm_load32(struct mm *mm, gva_t addr, uint32_t *out)
{
	struct block blk;
	int r = pin_word(mm, addr, MAP_R, &blk);

	if (r < 0)
		return r;
	r = safecopy_load32(blk.base, out);
	rwlock_read_unlock(&mm->active_lock);
	return r;
}

int mm_store32(struct mm *mm, gva_t addr, uint32_t val)
{
	struct block blk;
	int r = pin_word(mm, addr, MAP_W, &blk);

	if (r < 0)
		return r;
	r = safecopy_store32(blk.base, val);
	rwlock_read_unlock(&mm->active_lock);
	return r;
}

int mm_cmpxchg32(struct mm *mm, gva_t addr, uint32_t expected, uint32_t desired, uint32_t *old)
{
	struct block blk;
	int r = pin_word(mm, addr, MAP_W, &blk);

	if (r < 0)
		return r;
	r = safecopy_cmpxchg32(blk.base, expected, desired, old);
	rwlock_read_unlock(&mm->active_lock);
	return r;
}

int mm_futex_key(struct mm *mm, gva_t addr, bool is_private, struct futex_key *out)
{
	struct vma *v;
	int r = 0;

	memset(out, 0, sizeof(*out));
	if (addr & 3)
		return -EINVAL;
	if (!in_range(mm, addr, 4))
		return -EFAULT;
	out->object = mm;
	out->offset = addr;
	if (is_private)
		return 0;
	rwlock_read(&mm->map_lock);
	v = vma_find(mm, addr);
	if (!v) {
		r = -EFAULT;
	} else if (v->shared && v->mappable) {
		out->object = v->mappable;
		out->offset = v->off + (addr - v->node.start);
		out->shared = true;
	}
	rwlock_read_unlock(&mm->map_lock);
	return r;
}
