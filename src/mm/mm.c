/* Address spaces: making, copying, emptying, invalidation. */
#include "mm/internal.h"

#include <string.h>

#include "host/host.h"

POOL_DEFINE(mm_pool, struct mm);

static struct mm *mm_of_space(struct mapping_space *ms)
{
	return container_of(ms, struct mm, space);
}

static void mm_invalidate(struct mapping_space *ms, gva_t start, gva_t end, bool invalidate_private)
{
	struct mm *mm = mm_of_space(ms);
	struct list doomed = LIST_INIT(doomed);
	struct batch b;

	batch_init(&b, mm, false);
	rwlock_write(&mm->active_lock);
	if (pma_isolate_locked(mm, start, end) < 0)
		panic("no memory to split a mapping");
	for (struct ivnode *n = ivmap_lower_bound(&mm->pmas, start), *next; n && n->start < end; n = next) {
		next = ivmap_next(n);
		if (!pma_of(n)->is_private || invalidate_private)
			pma_drop_locked(mm, n->start, n->end, &b, &doomed);
	}
	(void)batch_flush(&b);
	rwlock_write_unlock(&mm->active_lock);
	doomed_put(&doomed);
}

static const struct mapping_space_ops mm_space_ops = { mm_invalidate };

static uint64_t random_below(const struct mm_env *env, uint64_t n)
{
	uint64_t r = 0;

	if (env->aslr)
		host_random(&r, sizeof(r));
	return r % n;
}

static void choose_base(struct mm *mm)
{
	uint64_t stack_room = (uint64_t)256 << 20;

	mm->mmap_base = mm->hi - stack_room - random_below(mm->env, (uint64_t)1 << 28) * PAGE_SIZE;
}

static int mm_alloc(const struct mm_env *env, struct mm **out)
{
	struct mm *mm = pool_alloc(&mm_pool);
	int r;

	*out = NULL;
	if (!mm)
		return -ENOMEM;
	mm->space.ops = &mm_space_ops;
	mm->env = env;
	refcount_init(&mm->refs, 1);
	rwlock_init(&mm->map_lock, LOCK_MM_MAP);
	rwlock_init(&mm->active_lock, LOCK_MM_ACTIVE);
	mm->limits = (struct mm_limits){ ~(uint64_t)0, ~(uint64_t)0, 8u << 20, ~(uint64_t)0 };
	platform_guest_range(env->platform, &mm->lo, &mm->hi);
	choose_base(mm);
	r = platform_as_create(env->platform, &mm->as);
	if (r < 0) {
		pool_free(&mm_pool, mm);
		return r;
	}
	*out = mm;
	return 0;
}

int mm_create(const struct mm_env *env, struct mm **out)
{
	return mm_alloc(env, out);
}

void mm_get(struct mm *mm)
{
	refcount_get(&mm->refs);
}

static void drop_all(struct mm *mm)
{
	struct list doomed = LIST_INIT(doomed);

	rwlock_write(&mm->active_lock);
	pma_drop_locked(mm, 0, UINT64_MAX, NULL, &doomed);
	rwlock_write_unlock(&mm->active_lock);
	doomed_put(&doomed);
	while (mm->vmas.root)
		vma_remove(mm, vma_of(ivmap_first(&mm->vmas)));
}

void mm_put(struct mm *mm)
{
	if (!mm || !refcount_put(&mm->refs))
		return;
	/* First nobody can reach the memory, then it is given back. */
	platform_as_destroy(mm->as);
	rwlock_write(&mm->map_lock);
	drop_all(mm);
	rwlock_write_unlock(&mm->map_lock);
	pool_free(&mm_pool, mm);
}

int mm_clear(struct mm *mm)
{
	int r = platform_as_clear(mm->as);

	if (r < 0)
		return r;
	rwlock_write(&mm->map_lock);
	drop_all(mm);
	memset(&mm->layout, 0, sizeof(mm->layout));
	mm->locked = mm->data = 0;
	mm->lock_future = false;
	mm->peak_vsize = mm->peak_rss = 0;
	choose_base(mm);
	rwlock_write_unlock(&mm->map_lock);
	return 0;
}

void mm_user_add(struct mm *mm)
{
	atomic_fetch_add(&mm->users, 1);
}

void mm_user_del(struct mm *mm)
{
	atomic_fetch_sub(&mm->users, 1);
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

void mm_set_layout(struct mm *mm, const struct mm_layout *in)
{
	rwlock_write(&mm->map_lock);
	mm->layout = *in;
	rwlock_write_unlock(&mm->map_lock);
}

gva_t mm_choose_stack_top(struct mm *mm)
{
	return mm->hi - random_below(mm->env, (uint64_t)1 << 14) * PAGE_SIZE;
}

/* ---- fork ---- */

static int fork_vma(struct mm *child, const struct vma *v)
{
	struct vma *c = vma_alloc();
	int r;

	if (!c)
		return -ENOMEM;
	*c = *v;
	memset(&c->node, 0, sizeof(c->node));
	c->node.start = v->node.start;
	c->node.end = v->node.end;
	c->locked = false;
	if (c->mappable)
		c->mappable->ops->get(c->mappable);
	r = vma_insert_new(child, c);
	if (r < 0)
		vma_free(c);
	return r;
}

/* Private memory becomes copy-on-write on both sides. */
static int fork_pma(struct mm *child, struct pma *p, struct batch *parent_batch, struct batch *child_batch)
{
	struct pma *c = pma_alloc();
	int old = pma_prot(p), r;

	if (!c)
		return -ENOMEM;
	if (p->is_private && !p->cow) {
		p->cow = true;
		if (pma_prot(p) != old)
			batch_protect(parent_batch, p->node.start, p->node.end, pma_prot(p));
	}
	*c = *p;
	memset(&c->node, 0, sizeof(c->node));
	c->node.start = p->node.start;
	c->node.end = p->node.end;
	c->file->ops->incref(c->file, c->offset, c->node.end - c->node.start);
	r = ivmap_insert(&child->pmas, &c->node);
	ASSERT(r == 0);
	batch_map(child_batch, c, c->node.start, c->node.end);
	return 0;
}

static int fork_locked(struct mm *mm, struct mm *child)
{
	struct batch pb, cb;
	int r = 0;

	batch_init(&pb, mm, false);
	batch_init(&cb, child, false);
	for (struct ivnode *n = ivmap_first(&mm->vmas); n && r == 0; n = ivmap_next(n)) {
		if (!vma_of(n)->dont_fork)
			r = fork_vma(child, vma_of(n));
	}
	if (r < 0)
		return r;
	rwlock_write(&mm->active_lock);
	rwlock_write(&child->active_lock);
	for (struct ivnode *n = ivmap_first(&mm->pmas); n && r == 0; n = ivmap_next(n)) {
		struct vma *v = vma_find(mm, n->start);

		if (v && !v->dont_fork && !v->wipe_on_fork)
			r = fork_pma(child, pma_of(n), &pb, &cb);
	}
	if (r == 0)
		r = batch_flush(&pb);
	if (r == 0)
		r = batch_flush(&cb);
	rwlock_write_unlock(&child->active_lock);
	rwlock_write_unlock(&mm->active_lock);
	return r;
}

int mm_fork(struct mm *mm, struct mm **out)
{
	struct mm *child;
	int r;

	*out = NULL;
	r = mm_alloc(mm->env, &child);
	if (r < 0)
		return r;
	/* Nobody else knows the child: while it is made, its locks come second,
	 * wherever it lies. */
	child->map_lock.rank = LOCK_MM_MAP2;
	child->active_lock.rank = LOCK_MM_ACTIVE2;
	rwlock_write(&mm->map_lock);
	rwlock_write(&child->map_lock);
	child->layout = mm->layout;
	child->limits = mm->limits;
	child->mmap_base = mm->mmap_base;
	r = fork_locked(mm, child);
	rwlock_write_unlock(&child->map_lock);
	rwlock_write_unlock(&mm->map_lock);
	child->map_lock.rank = LOCK_MM_MAP;
	child->active_lock.rank = LOCK_MM_ACTIVE;
	if (r < 0) {
		mm_put(child);
		return r == -ESRCH ? -EAGAIN : r;
	}
	*out = child;
	return 0;
}

/* ---- figures ---- */

void mm_get_usage(struct mm *mm, struct mm_usage *out)
{
	*out = (struct mm_usage){ 0 };
	rwlock_read(&mm->map_lock);
	out->vsize = mm->vmas.span;
	out->peak_vsize = mm->peak_vsize;
	out->locked = mm->locked;
	for (struct ivnode *n = ivmap_first(&mm->vmas); n; n = ivmap_next(n)) {
		struct vma *v = vma_of(n);
		uint64_t size = n->end - n->start;

		if (v->grows_down)
			out->stack += size;
		else if (v->prot & MAP_X)
			out->text += size;
		else if (!v->shared && (v->prot & MAP_W))
			out->data += size;
	}
	rwlock_read(&mm->active_lock);
	for (struct ivnode *n = ivmap_first(&mm->pmas); n; n = ivmap_next(n)) {
		uint64_t size = n->end - n->start;

		/* What is mapped counts as resident up to an extent's usual
		 * fill; the host alone knows which pages were touched. */
		if (pma_of(n)->is_private)
			out->rss += MIN(size, (uint64_t)1 << 20);
		else
			out->rss_file += size;
	}
	rwlock_read_unlock(&mm->active_lock);
	out->rss += out->rss_file;
	out->peak_rss = mm->peak_rss = MAX(mm->peak_rss, out->rss);
	rwlock_read_unlock(&mm->map_lock);
}

bool mm_next_vma(struct mm *mm, gva_t addr, struct mm_vma_info *info)
{
	struct vma *v;

	rwlock_read(&mm->map_lock);
	v = vma_of(ivmap_lower_bound(&mm->vmas, addr));
	if (v) {
		memset(info, 0, offsetof(struct mm_vma_info, name) + 1);
		info->start = v->node.start;
		info->end = v->node.end;
		info->prot = v->prot;
		info->shared = v->shared;
		info->grows_down = v->grows_down;
		info->locked = v->locked;
		if (v->mappable) {
			info->offset = v->off;
			v->mappable->ops->describe(v->mappable, info->name, sizeof(info->name), &info->dev,
						   &info->ino);
		} else if (v->name) {
			strcpy(info->name, v->name);
		}
		info->rss = info->anon = v->node.end - v->node.start;
	}
	rwlock_read_unlock(&mm->map_lock);
	return v != NULL;
}

void mm_check(struct mm *mm)
{
	rwlock_read(&mm->map_lock);
	rwlock_read(&mm->active_lock);
	ivmap_check(&mm->vmas);
	ivmap_check(&mm->pmas);
	for (struct ivnode *n = ivmap_first(&mm->pmas); n; n = ivmap_next(n)) {
		struct vma *v = vma_find(mm, n->start);

		ASSERT(v && v->node.end >= n->end);
		ASSERT(pma_of(n)->prot == v->prot);
		ASSERT(!pma_of(n)->is_private || !v->shared);
	}
	rwlock_read_unlock(&mm->active_lock);
	rwlock_read_unlock(&mm->map_lock);
}
