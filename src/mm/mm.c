/* Address spaces: making, emptying, invalidation; limits and layout. */
#include "mm/internal.h"

#include <string.h>

#include "base/fault.h"
#include "base/pool.h"
#include "host/host.h"

static POOL_DEFINE(mm_pool, struct mm);

/* Linux's figures for x86-64: bits of page numbers that are random, and how far
 * below the top mappings begin at the least and at the most. */
#define STACK_RANDOM_PAGES ((uint64_t)1 << 22)
#define MMAP_RANDOM_PAGES ((uint64_t)1 << 28)
#define STACK_ROOM_MIN ((uint64_t)128 << 20)

/* ---- invalidation ---- */

static void mm_invalidate(struct mapping_space *ms, gva_t start, gva_t end, bool invalidate_private)
{
	struct mm *mm = container_of(ms, struct mm, space);
	struct pma *next;
	struct batch b;
	int err;

	batch_begin(&b, mm);
	pma_isolate_must(mm, start, end);
	for (struct pma *p = pma_from(mm, start); p && p->node.start < end; p = next) {
		next = pma_next(p);
		if (!p->is_guard && (!p->is_private || invalidate_private))
			pma_drop(&b, p);
	}
	err = pma_reserve(mm);
	(void)err; /* tried again at the next mapping */
	err = batch_end(&b);
	(void)err; /* nothing was mapped */
}

static const struct mapping_space_ops space_ops = { .invalidate = mm_invalidate };

/* ---- where things go ---- */

static uint64_t random_pages(const struct mm *mm, uint64_t count)
{
	uint64_t r;

	if (!mm->env.aslr)
		return 0;
	host_random(&r, sizeof(r));
	return (r & (count - 1)) * PAGE_SIZE;
}

static void choose_mmap_base(struct mm *mm)
{
	uint64_t pad = STACK_GUARD_GAP + (mm->env.aslr ? STACK_RANDOM_PAGES * PAGE_SIZE : 0);
	uint64_t most = mm->hi / 6 * 5, room = most;

	if (mm->limits.stack < most - pad)
		room = MAX(mm->limits.stack + pad, STACK_ROOM_MIN);
	mm->mmap_base = page_down(mm->hi - room) - random_pages(mm, MMAP_RANDOM_PAGES);
}

gva_t mm_choose_stack_top(struct mm *mm)
{
	gva_t top;

	rwlock_write(&mm->map_lock);
	choose_mmap_base(mm);
	top = page_down(mm->hi) - random_pages(mm, STACK_RANDOM_PAGES);
	rwlock_write_unlock(&mm->map_lock);
	return top;
}

/* ---- making and emptying ---- */

/* Guests that are small in a test have no room for Linux's gaps. */
static void fit_mmap_base(struct mm *mm)
{
	if (mm->mmap_base <= mm->lo || mm->mmap_base > mm->hi)
		mm->mmap_base = page_down(mm->hi);
}

static void mm_init(struct mm *mm, const struct mm_env *env)
{
	mm->space.ops = &space_ops;
	refcount_init(&mm->refs, 1);
	mm->env = *env;
	rwlock_init(&mm->map_lock, LOCK_MM_MAP);
	rwlock_init(&mm->active_lock, LOCK_MM_ACTIVE);
	ivmap_init(&mm->vmas);
	ivmap_init(&mm->pmas);
	list_init(&mm->pins);
	list_init(&mm->spare_pmas);
	mm->limits = (struct mm_limits){ NO_LIMIT, NO_LIMIT, (uint64_t)8 << 20, NO_LIMIT };
	platform_guest_range(env->platform, &mm->lo, &mm->hi);
	choose_mmap_base(mm);
	fit_mmap_base(mm);
}

static void free_spares(struct mm *mm)
{
	list_for_each_safe(p, tmp, &mm->spare_pmas, struct pma, link) {
		list_del(&p->link);
		pma_free(p);
	}
	mm->nspares = 0;
}

int mm_create(const struct mm_env *env, struct mm **out)
{
	struct mm *mm = pool_alloc(&mm_pool);
	int err;

	*out = NULL;
	if (!mm)
		return -ENOMEM;
	mm_init(mm, env);
	rwlock_write(&mm->active_lock);
	err = pma_reserve(mm);
	rwlock_write_unlock(&mm->active_lock);
	if (!err)
		err = FAULT_POINT("mm.create") ? -EAGAIN
					       : platform_as_create(env->platform, &mm->as);
	if (err) {
		free_spares(mm);
		pool_free(&mm_pool, mm);
		return err;
	}
	*out = mm;
	return 0;
}

void mm_get(struct mm *mm)
{
	refcount_get(&mm->refs);
}

/* The platform holds no mapping any more. => map_lock for writing */
static void drop_everything(struct mm *mm, struct list *removed)
{
	struct batch b;
	int err;

	batch_begin(&b, mm);
	for (struct pma *p = pma_from(mm, 0); p; p = pma_next(p))
		p->is_mapped = false;
	pma_drop_range(&b, 0, UINT64_MAX);
	extent_forget(mm);
	memset(mm->hot, 0, sizeof(mm->hot));
	err = batch_end(&b);
	ASSERT(err == 0);
	vma_remove_range(mm, 0, UINT64_MAX, removed);
	vma_renounce_list(mm, removed);
}

void mm_put(struct mm *mm)
{
	struct list removed = LIST_INIT(removed);

	if (!mm || !refcount_put(&mm->refs))
		return;
	/* First nobody can reach the memory, then it is given back. */
	platform_as_destroy(mm->as);
	pins_forget(mm);
	rwlock_write(&mm->map_lock);
	drop_everything(mm, &removed);
	text_forget(mm);
	rwlock_write_unlock(&mm->map_lock);
	vma_free_list(&removed);
	free_spares(mm);
	pool_free(&mm_pool, mm);
}

int mm_clear(struct mm *mm)
{
	struct list removed = LIST_INIT(removed);
	int err;

	rwlock_write(&mm->map_lock);
	err = platform_as_clear(mm->as);
	if (!err) {
		pins_forget(mm);
		drop_everything(mm, &removed);
		memset(&mm->layout, 0, sizeof(mm->layout));
		mm->lock_future = MLOCK_MODE_NONE;
		atomic_store(&mm->flags, 0);
		mm->peak_vsize = 0;
		text_forget(mm);
		atomic_store(&mm->peak_rss, 0);
		choose_mmap_base(mm);
		fit_mmap_base(mm);
	}
	rwlock_write_unlock(&mm->map_lock);
	vma_free_list(&removed);
	return err;
}

/* ---- small things ---- */

atomic_uint *mm_flags(struct mm *mm)
{
	return &mm->flags;
}

void mm_user_add(struct mm *mm)
{
	atomic_fetch_add(&mm->users, 1);
}

bool mm_user_del(struct mm *mm)
{
	unsigned old = atomic_fetch_sub(&mm->users, 1);

	ASSERT(old);
	return old == 1;
}

unsigned mm_users(struct mm *mm)
{
	return atomic_load(&mm->users);
}

struct platform_as *mm_as(struct mm *mm)
{
	return mm->as;
}

void mm_set_limits(struct mm *mm, const struct mm_limits *lim)
{
	rwlock_write(&mm->map_lock);
	mm->limits = *lim;
	rwlock_write_unlock(&mm->map_lock);
}

void mm_get_layout(struct mm *mm, struct mm_layout *out)
{
	rwlock_read(&mm->map_lock);
	*out = mm->layout;
	rwlock_read_unlock(&mm->map_lock);
}

/* The break is mm_brk()'s: what is passed in may be older. */
void mm_set_layout(struct mm *mm, const struct mm_layout *in)
{
	struct mm_layout old;

	rwlock_write(&mm->map_lock);
	old = mm->layout;
	mm->layout = *in;
	if (old.brk_start && in->brk_start == old.brk_start)
		mm->layout.brk = old.brk;
	rwlock_write_unlock(&mm->map_lock);
}
