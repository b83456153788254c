/*
 * mmap(2).
 *
 *	check the arguments             no lock
 *	find the address                map_lock, for writing
 *	limits
 *	tell the mappable of the new    (may fail; nothing has changed yet)
 *	cut at the borders              (may fail; nothing has changed yet)
 *	drop old pages, fill new ones   one batch
 *	tell the old mappables
 *	free the old vmas               after map_lock
 */
#include "mm/internal.h"

#include "abi/mman.h"

#define SMALL_SIZE ((uint64_t)1 << 20)

static bool is_fixed(const struct mm_map_args *args)
{
	return args->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
}

static bool is_shared(const struct mm_map_args *args)
{
	unsigned type = args->flags & ABI_MAP_TYPE;

	return type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
}

/* A segment that the loader maps, or the dynamic linker: it alone still says that
 * nobody may write to the file. Of other files, no page may be copied before it is
 * stored to: what is written to the file until then has to show up in it. */
static bool is_program(const struct mm_map_args *args)
{
	return !is_shared(args) && (args->is_kernel || (args->flags & MAP_DENYWRITE));
}

static bool grows_down(const struct mm_map_args *args)
{
	return args->grows_down || (args->flags & MAP_GROWSDOWN);
}

/* ---- checks, in Linux's order: sizes, the address, the rest ---- */

static int check_size(const struct mm *mm, const struct mm_map_args *args, uint64_t size)
{
	if (!args->size)
		return -EINVAL;
	if (!size || size > mm->hi - mm->lo)
		return -ENOMEM;
	if (args->mappable && (args->offset & ~PAGE_MASK))
		return -EINVAL;
	/* Huge pages of the host's are not given out. */
	return args->flags & MAP_HUGETLB ? -ENOMEM : 0;
}

static int check_file(const struct mm_map_args *args, uint64_t size)
{
	if (args->offset > (uint64_t)INT64_MAX - size)
		return -EOVERFLOW;
	switch (args->flags & ABI_MAP_TYPE) {
	case MAP_PRIVATE:
	case MAP_SHARED:
		break;
	case MAP_SHARED_VALIDATE:
		if (args->flags & ~ABI_MAP_KNOWN)
			return -EOPNOTSUPP;
		break;
	default:
		return -EINVAL;
	}
	if (args->file_err)
		return args->file_err;
	if (args->prot & ~args->max_prot & (MAP_R | MAP_W | MAP_X))
		return -EACCES;
	return grows_down(args) ? -EINVAL : 0;
}

static int check_anonymous(const struct mm_map_args *args)
{
	switch (args->flags & ABI_MAP_TYPE) {
	case MAP_PRIVATE:
		return 0;
	case MAP_SHARED:
		return grows_down(args) ? -EINVAL : 0;
	case MAP_DROPPABLE:
		return grows_down(args) || (args->flags & MAP_LOCKED) ? -EINVAL : 0;
	default:
		return -EINVAL; /* MAP_SHARED_VALIDATE too */
	}
}

static int check_type(const struct mm_map_args *args, uint64_t size)
{
	if (args->mappable || args->file_err)
		return check_file(args, size);
	return check_anonymous(args);
}

static int choose_address(const struct mm *mm, const struct mm_map_args *args, uint64_t size,
			  gva_t *out)
{
	*out = args->addr;
	if (!is_fixed(args))
		return vma_find_room(mm, args->addr, size, args->flags, out);
	if (args->addr >= mm->hi || size > mm->hi - args->addr)
		return -ENOMEM;
	if (args->addr & ~PAGE_MASK)
		return -EINVAL;
	if (args->addr < mm->lo)
		return -EPERM; /* mmap_min_addr */
	if ((args->flags & MAP_FIXED_NOREPLACE) &&
	    !ivmap_is_gap(&mm->vmas, args->addr, args->addr + size))
		return -EEXIST;
	return 0;
}

/* Bytes of [start, end) that are mapped. */
static uint64_t mapped_bytes(const struct mm *mm, gva_t start, gva_t end)
{
	uint64_t sum = 0;

	for (struct vma *v = vma_from(mm, start); v && v->node.start < end; v = vma_next(v))
		sum += MIN(end, v->node.end) - MAX(start, v->node.start);
	return sum;
}

static int check_memlock(const struct mm *mm, const struct mm_map_args *args, uint64_t size)
{
	if (args->is_kernel)
		return 0;
	if ((args->flags & MAP_LOCKED) && !mm_may_lock(mm))
		return -EPERM;
	if (!(args->flags & MAP_LOCKED) && mm->lock_future == MLOCK_MODE_NONE)
		return 0;
	return mm_may_lock_more(mm, size) ? 0 : -EAGAIN;
}

static int check_limits(const struct mm *mm, const struct mm_map_args *args, gva_t addr,
			uint64_t size)
{
	unsigned flags = (is_shared(args) ? VMA_SHARED : 0) |
			 (grows_down(args) ? VMA_GROWSDOWN : 0);
	bool is_data = vma_is_data(args->prot, flags);
	bool is_private = !is_shared(args) && (args->prot & MAP_W);
	/* An object in memory is counted as a whole, whoever may write to it. */
	bool is_reserved = is_private || (is_shared(args) && !args->mappable);
	uint64_t more = size - (is_fixed(args) ? mapped_bytes(mm, addr, addr + size) : 0);
	struct memfile *mf = mm->env.memfile;

	if (mm->vmas.count >= VMA_COUNT_MAX || mm->pmas.count >= PMA_COUNT_MAX)
		return -ENOMEM;
	/* Overcommit, as Linux guesses by default: not more than there is at once. */
	if (is_reserved && !(args->flags & MAP_NORESERVE) && size > memfile_limit(mf))
		return -ENOMEM;
	if (args->is_kernel)
		return 0;
	if (!vma_may_expand(mm, more, is_data))
		return -ENOMEM;
	/* Small ones are given while a victim of the guest OOM kill goes: no program
	 * expects those to fail. */
	return is_private && size > SMALL_SIZE && memfile_over_limit(mf) ? -ENOMEM : 0;
}

/* ---- the vma ---- */

static unsigned vma_flags(const struct mm_map_args *args)
{
	/* What may be dropped at any time (it never is) survives no fork. */
	bool droppable = (args->flags & ABI_MAP_TYPE) == MAP_DROPPABLE;

	return (is_shared(args) ? VMA_SHARED : 0) | (grows_down(args) ? VMA_GROWSDOWN : 0) |
	       (args->flags & MAP_NORESERVE ? VMA_NORESERVE : 0) |
	       (droppable ? VMA_NORESERVE | VMA_WIPEONFORK | VMA_DONTDUMP : 0) |
	       (is_program(args) ? VMA_PROGRAM : 0);
}

static int attach_mappable(struct mm *mm, struct vma *v, const struct mm_map_args *args)
{
	v->mappable = args->mappable;
	v->offset = args->mappable ? args->offset : 0;
	if (v->mappable)
		v->mappable->ops->get(v->mappable);
	else if (is_shared(args))
		return mm_shmem_create(mm->env.memfile, v->node.end - v->node.start,
				       "/dev/zero (deleted)", &v->mappable);
	return 0;
}

/* A file that is sealed against writing may still be mapped shared by who only
 * reads: such a mapping can never become writable. */
static int announce(struct mm *mm, struct vma *v)
{
	int err = vma_announce(mm, v);

	if (err != -EPERM || !vma_is_writable_mapping(v) || (v->prot & MAP_W))
		return err;
	v->max_prot &= ~MAP_W;
	return vma_announce(mm, v);
}

static int make_vma(struct mm *mm, const struct mm_map_args *args, gva_t addr, uint64_t size,
		    struct vma **out)
{
	struct vma *v = vma_alloc();
	int err;

	if (!v)
		return -ENOMEM;
	v->node.start = addr;
	v->node.end = addr + size;
	v->name = args->name;
	v->prot = args->prot & (MAP_R | MAP_W | MAP_X);
	v->max_prot = args->max_prot;
	v->flags = vma_flags(args);
	v->lock = args->flags & MAP_LOCKED ? MLOCK_MODE_EAGER : mm->lock_future;
	err = attach_mappable(mm, v, args);
	if (!err)
		err = announce(mm, v);
	if (err) {
		vma_free(v);
		return err;
	}
	*out = v;
	return 0;
}

/* Makes [start, end) replaceable: no vma and no pma crosses its borders. */
static int cut(struct mm *mm, gva_t start, gva_t end)
{
	struct batch b;
	int err = vma_isolate(mm, start, end), ended;

	if (err)
		return err;
	batch_begin(&b, mm);
	err = pma_reserve(mm);
	if (!err)
		err = pma_isolate(mm, start, end);
	ended = batch_end(&b);
	return err ? err : ended;
}

/* The old pages go, the new ones come, in one batch. */
static int exchange(struct mm *mm, struct vma *v, struct list *removed, unsigned fill_flags,
		    bool populate)
{
	gva_t start = v->node.start, end = v->node.end;
	struct batch b;

	batch_begin(&b, mm);
	pma_drop_range(&b, start, end);
	vma_remove_range(mm, start, end, removed);
	vma_insert(mm, v);
	b.populate = populate;
	fill_eagerly(&b, v, start, end, fill_flags);
	return batch_end(&b);
}

int mm_map_locked(struct mm *mm, const struct mm_map_args *args, uint64_t size, unsigned fill_flags,
		  struct list *removed, gva_t *out)
{
	bool populate = (args->flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
	struct list old = LIST_INIT(old);
	struct vma *v = NULL;
	gva_t addr;
	int err;

	rwlock_assert_write_held(&mm->map_lock);
	err = choose_address(mm, args, size, &addr);
	if (!err && is_fixed(args))
		text_withdraw(mm, addr, addr + size);
	if (!err)
		err = check_memlock(mm, args, size);
	if (!err)
		err = check_type(args, size);
	if (!err && is_fixed(args))
		err = vma_check_sealed(mm, addr, addr + size);
	if (!err)
		err = check_limits(mm, args, addr, size);
	if (!err)
		err = make_vma(mm, args, addr, size, &v);
	if (err)
		return err;
	err = cut(mm, addr, addr + size);
	if (err) {
		vma_renounce(mm, v);
		list_push_back(removed, &v->link);
		vma_join(mm, addr, addr + size);
		return err;
	}
	err = exchange(mm, v, &old, fill_flags, populate);
	vma_renounce_list(mm, &old);
	list_splice_back(removed, &old);
	if (err) {
		/* The host's limit on mappings. What was there before is gone, as
		 * in Linux when mmap() fails late. */
		int undone = mm_unmap_locked(mm, addr, addr + size, removed);

		return undone ? undone : err;
	}
	vma_join(mm, addr, addr + size);
	*out = addr;
	return 0;
}

int mm_map(struct mm *mm, const struct mm_map_args *args, gva_t *out)
{
	struct list removed = LIST_INIT(removed);
	uint64_t size = args->size > UINT64_MAX - PAGE_SIZE ? 0 : page_up(args->size);
	bool populate;
	int err = check_size(mm, args, size);

	if (err)
		return err;
	(void)memfile_relieve(mm->env.memfile); /* check_limits() judges */
	rwlock_write(&mm->map_lock);
	err = mm_map_locked(mm, args, size, is_program(args) ? FILL_COPY : 0, &removed, out);
	populate = (args->flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE ||
		   (args->flags & MAP_LOCKED) || mm->lock_future == MLOCK_MODE_EAGER;
	rwlock_write_unlock(&mm->map_lock);
	vma_free_list(&removed);
	if (!err && populate && args->prot)
		(void)mm_populate(mm, *out, *out + size, POPULATE_ALL);
	return err;
}
