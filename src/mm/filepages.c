/*
 * remap_file_pages(2): other pages of the same file, in the same place. Since Linux 4.0
 * it is a mmap(2) over a part of a shared mapping, which takes over all but the offset;
 * and so it is here.
 */
#include "mm/internal.h"

#include "abi/mman.h"

static bool are_of_one_kind(const struct vma *a, const struct vma *b)
{
	return a->mappable == b->mappable && a->flags == b->flags && a->prot == b->prot &&
	       a->max_prot == b->max_prot && a->lock == b->lock;
}

/* Whether the mapping at start goes on, in one or several pieces, to end. */
static bool reaches(const struct vma *v, gva_t end)
{
	const struct vma *next;

	for (; v->node.end < end; v = next) {
		next = vma_next(v);
		if (!next || next->node.start != v->node.end || !are_of_one_kind(v, next))
			return false;
	}
	return true;
}

static int args_of(const struct vma *v, gva_t start, uint64_t size, fileoff_t offset,
		   struct mm_map_args *out)
{
	if (!v || !vma_is_writable_mapping(v) || !reaches(v, start + size))
		return -EINVAL;
	*out = (struct mm_map_args){
		.addr = start,
		.size = size,
		.prot = v->prot,
		.flags = MAP_SHARED | MAP_FIXED | (v->lock == MLOCK_MODE_NONE ? 0 : MAP_LOCKED),
		.mappable = v->mappable,
		.offset = offset,
		.max_prot = v->max_prot,
		.name = v->name,
	};
	return 0;
}

int mm_remap_file_pages(struct mm *mm, gva_t start, uint64_t size, int prot, uint64_t page,
			unsigned flags)
{
	struct list removed = LIST_INIT(removed);
	struct mm_map_args args;
	gva_t end, at;
	int err;

	start = page_down(start);
	size = page_down(size);
	if (prot || !size || add_overflow(start, size, &end))
		return -EINVAL;
	if (page > UINT64_MAX - size / PAGE_SIZE)
		return -EINVAL;
	if (page > (UINT64_MAX >> PAGE_SHIFT))
		return -EOVERFLOW;
	rwlock_write(&mm->map_lock);
	err = args_of(vma_find(mm, start), start, size, page << PAGE_SHIFT, &args);
	if (!err)
		err = mm_map_locked(mm, &args, size, 0, &removed, &at);
	rwlock_write_unlock(&mm->map_lock);
	vma_free_list(&removed);
	if (!err && !(flags & MAP_NONBLOCK) && args.prot)
		(void)mm_populate(mm, start, end, POPULATE_ALL);
	return err;
}
