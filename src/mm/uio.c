/*
 * Guest ranges as block sequences: uio_pin() takes active_lock shared, and
 * hands out our view of the pages until uio_unpin(). Bytes then move between
 * the guest and a file, a host descriptor or a device without a buffer of ours.
 */
#include "mm/internal.h"

#include "abi/fcntl.h"

static int uio_access(const struct uio *u)
{
	return u->dir == UIO_TO_USER ? MAP_W : MAP_R;
}

/* The blocks of one range that are there now; stops at the first page that is
 * not. => active_lock shared */
static size_t gather(const struct mm *mm, gva_t addr, size_t size, int access, struct block *blk,
		     unsigned max, unsigned *count)
{
	size_t done = 0;

	while (done < size && *count < max) {
		struct pma *p = pma_find(mm, addr + done);
		unsigned n = 0;
		size_t got;

		if (!p || !(access == MAP_W ? p->prot & MAP_W : p->prot))
			break;
		got = pma_blocks(mm, p, addr + done, size - done, access, blk + *count,
				 max - *count, &n);
		if (!got)
			break;
		*count += n;
		done += got;
	}
	return done;
}

static size_t gather_all(const struct uio *u, size_t want, struct block *blk, unsigned max,
			 unsigned *count)
{
	uint64_t skip = u->seg_done;
	size_t done = 0;

	*count = 0;
	for (unsigned i = u->seg; i < u->nsegs && done < want && *count < max; i++, skip = 0) {
		size_t size = MIN(u->segs[i].size - skip, (uint64_t)(want - done));
		size_t got = gather(u->space, u->segs[i].base + skip, size, uio_access(u), blk, max,
				    count);

		done += got;
		if (got < size)
			break;
	}
	return done;
}

/* The first byte is not there: faults it in, with what follows in its segment. */
static int fault_front(const struct uio *u, size_t want)
{
	unsigned i = u->seg;
	uint64_t skip = u->seg_done;
	gva_t addr, stop;

	while (i < u->nsegs && u->segs[i].size == skip) {
		i++;
		skip = 0;
	}
	if (i == u->nsegs)
		return -EFAULT;
	addr = u->segs[i].base + skip;
	stop = addr + MIN(MIN(u->segs[i].size - skip, (uint64_t)want), FAULT_AHEAD);
	if (stop <= addr)
		return -EFAULT;
	return fault_in_some(u->space, addr, stop, uio_access(u), FILL_MAP);
}

static ssize_t guest_pin(struct uio *u, size_t want, struct block *blk, unsigned max,
			 unsigned *count)
{
	struct mm *mm = u->space;
	/* A page may be taken away again between the fault and the pin. */
	int tries = 3;

	want = MIN(want, u->remaining);
	while (tries--) {
		size_t got;

		rwlock_read(&mm->active_lock);
		got = gather_all(u, want, blk, max, count);
		if (got)
			return (ssize_t)got;
		rwlock_read_unlock(&mm->active_lock);
		if (fault_front(u, want) < 0)
			break;
	}
	return -EFAULT;
}

static void guest_unpin(struct uio *u)
{
	struct mm *mm = u->space;

	rwlock_read_unlock(&mm->active_lock);
}

static const struct uio_ops guest_uio_ops = { guest_pin, guest_unpin };

void mm_uio_init(struct mm *mm, struct uio *u, enum uio_dir dir, const struct uio_seg *segs,
		 unsigned nsegs)
{
	*u = (struct uio){
		.ops = &guest_uio_ops,
		.dir = dir,
		.segs = segs,
		.nsegs = nsegs,
		.space = mm,
	};
	for (unsigned i = 0; i < nsegs; i++)
		u->remaining += segs[i].size;
}

int mm_uio_init_single(struct mm *mm, struct uio *u, struct uio_seg *seg, enum uio_dir dir,
		       gva_t base, size_t size)
{
	if (size > mm->hi || base > mm->hi - size)
		return -EFAULT;
	seg->base = base;
	seg->size = MIN(size, (size_t)ABI_MAX_RW_COUNT);
	mm_uio_init(mm, u, dir, seg, 1);
	return 0;
}

ssize_t mm_pin_uio(const struct uio *u, size_t want, struct mm_pin **out, size_t *first)
{
	unsigned i = u->seg;
	uint64_t skip = u->seg_done;
	gva_t addr;
	int err;

	*out = NULL;
	if (u->ops != &guest_uio_ops)
		return -EOPNOTSUPP;
	for (; i < u->nsegs && u->segs[i].size == skip; skip = 0)
		i++;
	if (i == u->nsegs || !want || !u->remaining)
		return 0;
	addr = u->segs[i].base + skip;
	want = MIN(MIN(want, u->remaining), u->segs[i].size - skip);
	err = mm_pin(u->space, addr, want, uio_access(u), out);
	*first = addr - page_down(addr);
	return err < 0 ? err : (ssize_t)want;
}

int mm_import_iovec(struct mm *mm, gva_t iov, unsigned count, struct uio_seg *segs)
{
	uint64_t total = 0;
	int err;

	static_assert(sizeof(struct uio_seg) == sizeof(struct abi_iovec), "read in place");
	if (count > ABI_UIO_MAXIOV)
		return -EINVAL;
	err = mm_copy_in(mm, segs, iov, count * sizeof(*segs));
	if (err)
		return err;
	for (unsigned i = 0; i < count; i++) {
		if (segs[i].size > INT64_MAX)
			return -EINVAL;
		if (segs[i].size > mm->hi || segs[i].base > mm->hi - segs[i].size)
			return -EFAULT;
		segs[i].size = MIN(segs[i].size, ABI_MAX_RW_COUNT - total);
		total += segs[i].size;
	}
	return 0;
}
