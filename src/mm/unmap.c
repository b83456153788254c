/* munmap(2), shmdt(2), and the break of the heap, brk(2). */
#include "mm/internal.h"

#include "abi/mman.h"

int mm_unmap_locked(struct mm *mm, gva_t start, gva_t end, struct list *removed)
{
	struct list gone = LIST_INIT(gone);
	struct batch b;
	int err, ended;

	rwlock_assert_write_held(&mm->map_lock);
	text_withdraw(mm, start, end);
	err = vma_check_sealed(mm, start, end);
	if (!err)
		err = vma_isolate(mm, start, end);
	if (err)
		return err;
	batch_begin(&b, mm);
	err = pma_isolate(mm, start, end);
	if (!err) {
		pma_drop_range(&b, start, end);
		vma_remove_range(mm, start, end, &gone);
	}
	ended = batch_end(&b);
	/* Unmapping cannot fail for the guest: see take_all_away(). */
	(void)ended;
	vma_renounce_list(mm, &gone);
	list_splice_back(removed, &gone);
	return err;
}

int mm_unmap(struct mm *mm, gva_t addr, uint64_t size)
{
	struct list removed = LIST_INIT(removed);
	gva_t end = addr + page_up(size);
	int err;

	if ((addr & ~PAGE_MASK) || addr > ABI_TASK_SIZE || size > ABI_TASK_SIZE - addr || !size)
		return -EINVAL;
	end = MIN(end, mm->hi); /* above, the guest has nothing */
	if (addr >= end)
		return 0;
	rwlock_write(&mm->map_lock);
	err = mm_unmap_locked(mm, addr, end, &removed);
	rwlock_write_unlock(&mm->map_lock);
	vma_free_list(&removed);
	return err;
}

/* ---- shmdt ---- */

/* Whether v is a piece of a mapping that begins, or began, at addr. */
static bool is_piece(const struct vma *v, gva_t addr)
{
	return v->mappable && v->node.start >= addr && v->node.start - addr == v->offset;
}

/* The first piece tells which mapping is meant; others may lie between its pieces. */
static int detach_locked(struct mm *mm, gva_t addr, uint64_t (*size_of)(const struct mappable *m),
			 struct list *removed)
{
	const struct mappable *m = NULL;
	uint64_t size = 0;
	gva_t at = addr;
	struct vma *v;

	while ((v = vma_from(mm, at)) && (!m || v->node.end - addr <= size)) {
		at = v->node.end;
		if (!is_piece(v, addr) || (m && v->mappable != m))
			continue;
		if (!m)
			size = size_of(v->mappable);
		if (size) {
			int err = mm_unmap_locked(mm, v->node.start, at, removed);

			if (err)
				return err;
			m = v->mappable;
		}
	}
	return m ? 0 : -EINVAL;
}

int mm_detach(struct mm *mm, gva_t addr, uint64_t (*size_of)(const struct mappable *m))
{
	struct list removed = LIST_INIT(removed);
	int err;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	rwlock_write(&mm->map_lock);
	err = detach_locked(mm, addr, size_of, &removed);
	rwlock_write_unlock(&mm->map_lock);
	vma_free_list(&removed);
	return err;
}

struct mappable *mm_mappable_at(struct mm *mm, gva_t addr)
{
	struct mappable *m = NULL;
	const struct vma *v;

	rwlock_read(&mm->map_lock);
	v = vma_find(mm, addr);
	if (v && is_piece(v, addr) && v->offset == 0) {
		m = v->mappable;
		m->ops->get(m);
	}
	rwlock_read_unlock(&mm->map_lock);
	return m;
}

/* ---- brk ---- */

void mm_set_brk_start(struct mm *mm, gva_t addr)
{
	rwlock_write(&mm->map_lock);
	mm->layout.brk_start = mm->layout.brk = page_up(addr);
	rwlock_write_unlock(&mm->map_lock);
}

/* RLIMIT_DATA counts the program's data with the heap. */
static bool is_within_limit(const struct mm *mm, gva_t brk)
{
	const struct mm_layout *l = &mm->layout;

	return mm->limits.data == NO_LIMIT ||
	       brk - l->brk_start + (l->data_end - l->data_start) <= mm->limits.data;
}

static int heap_grow(struct mm *mm, gva_t from, gva_t to, struct list *removed)
{
	struct mm_map_args args = {
		.addr = from,
		.size = to - from,
		.prot = MAP_R | MAP_W,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		.max_prot = MAP_R | MAP_W | MAP_X,
		.name = "[heap]",
	};
	gva_t out;

	text_make_way(mm, from, to + PAGE_SIZE, removed);
	/* One page stays free above it. */
	if (to > mm->hi - PAGE_SIZE || !ivmap_is_gap(&mm->vmas, from, to + PAGE_SIZE))
		return -ENOMEM;
	return mm_map_locked(mm, &args, to - from, FILL_GROWS, removed, &out);
}

gva_t mm_brk(struct mm *mm, gva_t addr)
{
	struct list removed = LIST_INIT(removed);
	bool populate = false;
	gva_t old, want, result;
	int err = 0;

	(void)memfile_relieve(mm->env.memfile);
	rwlock_write(&mm->map_lock);
	old = page_up(mm->layout.brk);
	want = addr > UINT64_MAX - PAGE_SIZE ? UINT64_MAX : page_up(addr);
	if (addr < mm->layout.brk_start || addr >= mm->hi || !is_within_limit(mm, addr))
		err = -ENOMEM;
	else if (want > old)
		err = heap_grow(mm, old, want, &removed);
	else if (want < old)
		err = mm_unmap_locked(mm, want, old, &removed);
	if (!err) {
		populate = want > old && mm->lock_future == MLOCK_MODE_EAGER;
		mm->layout.brk = addr;
	}
	result = mm->layout.brk;
	rwlock_write_unlock(&mm->map_lock);
	vma_free_list(&removed);
	if (populate)
		(void)mm_populate(mm, old, want, POPULATE_ALL);
	return result;
}
