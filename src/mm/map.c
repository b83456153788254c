/* mmap, munmap, mprotect, brk, stack growth. */
#include "mm/internal.h"

#include <string.h>

static bool range_ok(struct mm *mm, gva_t addr, uint64_t size)
{
	return addr >= mm->lo && addr < mm->hi && size <= mm->hi - addr;
}

/* => map_lock for writing. The guest has lost the range when it returns. */
int unmap_locked(struct mm *mm, gva_t start, gva_t end)
{
	struct list doomed = LIST_INIT(doomed);
	struct ivnode *n, *next;
	struct batch b;
	int r;

	r = vma_isolate(mm, start, end);
	if (r < 0)
		return r;
	batch_init(&b, mm, false);
	rwlock_write(&mm->active_lock);
	pma_drop_locked(mm, start, end, &b, &doomed);
	(void)batch_flush(&b);
	rwlock_write_unlock(&mm->active_lock);
	doomed_put(&doomed);
	for (n = ivmap_lower_bound(&mm->vmas, start); n && n->start < end; n = next) {
		next = ivmap_next(n);
		vma_remove(mm, vma_of(n));
	}
	return 0;
}

/* Maps what can be mapped without a fault. Errors do not matter here: the
 * fault will report them. */
static void populate_locked(struct mm *mm, struct vma *v)
{
	struct batch b;
	bool copy = v->mappable && !v->shared && (v->prot & MAP_W) &&
		    v->node.end - v->node.start <= COPY_AT_MAP;

	if (!v->prot || (!v->mappable && v->node.end - v->node.start > EXTENT_MAX))
		return;
	batch_init(&b, mm, mm_is_lazy(mm) && !copy);
	rwlock_write(&mm->active_lock);
	if (v->mappable)
		(void)pma_fill_locked(mm, v, v->node.start, v->node.start + PAGE_SIZE, v->node.start,
				      v->node.end, MAP_R, &b);
	else
		(void)pma_fill_locked(mm, v, v->node.start, v->node.end, v->node.start, v->node.end,
				      MAP_R, &b);
	if (copy) {
		b.count = 0; /* map the copies, not what they are made of */
		for (struct ivnode *n = ivmap_lower_bound(&mm->pmas, v->node.start);
		     n && n->start < v->node.end; n = ivmap_next(n)) {
			if (pma_of(n)->cow && pma_break_cow_locked(mm, pma_of(n), n->start, &b) < 0)
				break;
			n = ivmap_find(&mm->pmas, n->start);
		}
		for (struct ivnode *n = ivmap_lower_bound(&mm->pmas, v->node.start);
		     n && n->start < v->node.end; n = ivmap_next(n))
			batch_map(&b, pma_of(n), n->start, n->end);
	}
	(void)batch_flush(&b);
	rwlock_write_unlock(&mm->active_lock);
}

static int check_limits(struct mm *mm, const struct mm_map_args *args, uint64_t size)
{
	if (args->is_kernel)
		return 0;
	if (mm->limits.as != ~(uint64_t)0 && mm->vmas.span + size > mm->limits.as)
		return -ENOMEM;
	if ((args->flags & MAP_LOCKED) && mm->locked + size > mm->limits.memlock)
		return -EAGAIN;
	return 0;
}

static int map_locked(struct mm *mm, const struct mm_map_args *args, uint64_t size, gva_t *out)
{
	bool shared = (args->flags & MAP_TYPE) != MAP_PRIVATE;
	struct mappable *m = args->mappable, *anon = NULL;
	bool fixed = args->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
	gva_t addr = args->addr;
	struct vma *v;
	int r;

	if (fixed) {
		if (addr & ~PAGE_MASK)
			return -EINVAL;
		if (!range_ok(mm, addr, size))
			return addr < mm->lo && addr + size <= mm->hi && addr + size > addr ? -EPERM : -ENOMEM;
		if ((args->flags & MAP_FIXED_NOREPLACE) && !ivmap_is_gap(&mm->vmas, addr, addr + size))
			return -EEXIST;
	} else {
		r = vma_find_room(mm, addr, size, args->flags, &addr);
		if (r < 0)
			return r;
	}
	r = check_limits(mm, args, size);
	if (r < 0)
		return r;
	if (fixed && !ivmap_is_gap(&mm->vmas, addr, addr + size)) {
		r = unmap_locked(mm, addr, addr + size);
		if (r < 0)
			return r;
	}
	if (!m && shared) {
		m = anon = shmem_create(mm->env->memfile, size);
		if (!m)
			return -ENOMEM;
	}
	v = vma_alloc();
	if (!v) {
		if (anon)
			anon->ops->put(anon);
		return -ENOMEM;
	}
	v->node.start = addr;
	v->node.end = addr + size;
	v->mappable = m;
	v->off = m ? (anon ? 0 : args->offset) : 0;
	v->prot = args->prot & (MAP_R | MAP_W | MAP_X);
	v->max_prot = args->max_prot ? args->max_prot : MAP_R | MAP_W | MAP_X;
	v->shared = shared;
	v->grows_down = args->grows_down || (args->flags & MAP_GROWSDOWN);
	v->noreserve = args->flags & MAP_NORESERVE;
	v->locked = (args->flags & MAP_LOCKED) || mm->lock_future;
	v->name = args->name;
	if (m && !anon)
		m->ops->get(m);
	r = vma_insert_new(mm, v);
	if (r < 0) {
		vma_free(v);
		return r;
	}
	if (v->locked)
		mm->locked += size;
	populate_locked(mm, v);
	vma_merge_range(mm, addr, addr + size);
	*out = addr;
	return 0;
}

int mm_map(struct mm *mm, const struct mm_map_args *args, gva_t *out)
{
	uint64_t size = page_up(args->size);
	int r;

	if (args->size == 0)
		return -EINVAL;
	if (size == 0 || size > mm->hi - mm->lo)
		return -ENOMEM;
	if (args->mappable && ((args->offset & ~PAGE_MASK) || args->offset + size < args->offset))
		return args->offset & ~PAGE_MASK ? -EINVAL : -EOVERFLOW;
	rwlock_write(&mm->map_lock);
	r = map_locked(mm, args, size, out);
	rwlock_write_unlock(&mm->map_lock);
	return r;
}

int mm_unmap(struct mm *mm, gva_t addr, uint64_t size)
{
	int r;

	size = page_up(size);
	if ((addr & ~PAGE_MASK) || !size || addr >= mm->hi || size > mm->hi - addr)
		return -EINVAL;
	rwlock_write(&mm->map_lock);
	r = unmap_locked(mm, addr, addr + size);
	rwlock_write_unlock(&mm->map_lock);
	return r;
}

/* ---- mprotect ---- */

static void protect_pmas_locked(struct mm *mm, gva_t start, gva_t end, int prot, struct batch *b)
{
	if (pma_isolate_locked(mm, start, end) < 0)
		panic("no memory to split a mapping");
	for (struct ivnode *n = ivmap_lower_bound(&mm->pmas, start); n && n->start < end; n = ivmap_next(n)) {
		struct pma *p = pma_of(n);
		int old = pma_prot(p), now;

		p->prot = prot;
		now = pma_prot(p);
		if (old == now)
			continue;
		if (old == 0)
			batch_map(b, p, n->start, n->end); /* it was left out */
		else
			batch_protect(b, n->start, n->end, now);
	}
}

int mm_protect(struct mm *mm, gva_t addr, uint64_t size, int prot)
{
	bool grows_down = prot & PROT_GROWSDOWN;
	gva_t end;
	struct batch b;
	int r = 0;

	prot &= ~(PROT_GROWSDOWN | PROT_GROWSUP);
	size = page_up(size);
	if ((addr & ~PAGE_MASK) || (prot & ~(MAP_R | MAP_W | MAP_X | 8)))
		return -EINVAL;
	if (!size)
		return 0;
	if (addr >= mm->hi || size > mm->hi - addr)
		return -ENOMEM;
	prot &= MAP_R | MAP_W | MAP_X;
	end = addr + size;
	rwlock_write(&mm->map_lock);
	if (grows_down) {
		struct vma *v = vma_find(mm, addr);

		if (v && v->grows_down)
			addr = v->node.start;
	}
	batch_init(&b, mm, false);
	for (gva_t at = addr; at < end;) {
		struct vma *v = vma_find(mm, at);
		gva_t stop;

		if (!v) {
			r = -ENOMEM;
			break;
		}
		if (v->shared && (prot & ~v->max_prot & MAP_W)) {
			r = -EACCES;
			break;
		}
		stop = MIN(end, v->node.end);
		r = vma_isolate(mm, at, stop);
		if (r < 0)
			break;
		v = vma_find(mm, at);
		v->prot = prot;
		rwlock_write(&mm->active_lock);
		protect_pmas_locked(mm, at, stop, prot, &b);
		r = batch_flush(&b);
		rwlock_write_unlock(&mm->active_lock);
		if (r < 0)
			break;
		if (v->prot && ivmap_is_gap(&mm->pmas, at, stop))
			populate_locked(mm, v);
		at = stop;
	}
	vma_merge_range(mm, addr, end);
	rwlock_write_unlock(&mm->map_lock);
	return r;
}

/* ---- brk ---- */

void mm_set_brk_start(struct mm *mm, gva_t addr)
{
	mm->layout.brk_start = mm->layout.brk = page_up(addr);
}

static int grow_brk_locked(struct mm *mm, gva_t from, gva_t to)
{
	struct mm_map_args args = { .addr = from, .size = to - from, .prot = MAP_R | MAP_W,
				    .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
				    .name = "[heap]" };
	gva_t out;

	if (to - mm->layout.brk_start > mm->limits.data)
		return -ENOMEM;
	return map_locked(mm, &args, to - from, &out);
}

gva_t mm_brk(struct mm *mm, gva_t addr)
{
	gva_t old_top, new_top, result;
	int r = 0;

	rwlock_write(&mm->map_lock);
	if (addr >= mm->layout.brk_start && addr < mm->hi) {
		old_top = page_up(mm->layout.brk);
		new_top = page_up(addr);
		if (new_top > old_top)
			r = grow_brk_locked(mm, old_top, new_top);
		else if (new_top < old_top)
			r = unmap_locked(mm, new_top, old_top);
		if (r == 0)
			mm->layout.brk = addr;
	}
	result = mm->layout.brk;
	rwlock_write_unlock(&mm->map_lock);
	return result;
}
