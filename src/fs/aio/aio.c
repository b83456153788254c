/* Contexts of asynchronous i/o: see aio.h. */
#include "fs/aio/aio.h"

#include "abi/mman.h"
#include "base/kmem.h"
#include "base/pool.h"

/* The mapping's size is that of Linux's ring, which some look up in maps. */
#define EVENT_SIZE sizeof(struct abi_io_event)

struct aio_context {
	struct mappable mappable;
	struct refcount refs;    /* vmas, callers */
	struct mappable *memory; /* [I] a reference */
	uint64_t size;           /* [I] of it */
	unsigned max, capacity;  /* [I] requests asked for; events that it holds */
	struct mutex lock;       /* LOCK_FILE */
	struct waitq waitq;
	struct abi_io_event *events; /* [l] a ring of capacity */
	unsigned head, count;        /* [l] of it: the oldest, and how many */
	unsigned reserved;           /* [l] slots for what is under way, in and out */
	bool is_dead;                /* [l] */
};

static POOL_DEFINE(context_pool, struct aio_context);
static atomic_uint all_requests; /* that contexts were made for */

static struct aio_context *context_of(struct mappable *m)
{
	return container_of(m, struct aio_context, mappable);
}

void aio_put(struct aio_context *c)
{
	if (!c || !refcount_put(&c->refs))
		return;
	atomic_fetch_sub(&all_requests, c->max);
	c->memory->ops->put(c->memory);
	kmem_free(c->events);
	pool_free(&context_pool, c);
}

/* ---- the mappable ---- */

static void aio_map_get(struct mappable *m)
{
	refcount_get(&context_of(m)->refs);
}

static void aio_map_put(struct mappable *m)
{
	aio_put(context_of(m));
}

static int add_mapping(struct mappable *m UNUSED, struct mapping_space *ms UNUSED,
		       gva_t addr UNUSED, uint64_t size UNUSED, fileoff_t off UNUSED,
		       bool writable UNUSED)
{
	return 0;
}

static void remove_mapping(struct mappable *m UNUSED, struct mapping_space *ms UNUSED,
			   gva_t addr UNUSED, uint64_t size UNUSED, fileoff_t off UNUSED,
			   bool writable UNUSED)
{
}

static int copy_mapping(struct mappable *m UNUSED, struct mapping_space *ms UNUSED,
			gva_t src UNUSED, gva_t dst UNUSED, uint64_t size UNUSED,
			fileoff_t off UNUSED, bool writable UNUSED)
{
	return 0;
}

static int translate(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
		     fileoff_t opt_end, int access, struct translation *out, unsigned max,
		     unsigned *count)
{
	struct mappable *mem = context_of(m)->memory;

	return mem->ops->translate(mem, start, end, opt_start, opt_end, access, out, max, count);
}

static int sync_mapping(struct mappable *m UNUSED, fileoff_t off UNUSED, uint64_t size UNUSED)
{
	return 0;
}

static size_t describe(struct mappable *m, char *buf, size_t size, uint64_t *dev, uint64_t *ino)
{
	struct mappable *mem = context_of(m)->memory;

	return mem->ops->describe(mem, buf, size, dev, ino);
}

static const struct mappable_ops context_ops = {
	.get = aio_map_get,
	.put = aio_map_put,
	.add_mapping = add_mapping,
	.remove_mapping = remove_mapping,
	.copy_mapping = copy_mapping,
	.translate = translate,
	.sync = sync_mapping,
	.describe = describe,
};

/* ---- contexts ---- */

/* As many as Linux has room for: a page's worth at least. */
static void choose_size(struct aio_context *c, unsigned ncpus)
{
	uint64_t n = (uint64_t)MAX(c->max, ncpus * 4) * 2 + 2;

	c->size = page_up(sizeof(struct abi_aio_ring) + n * EVENT_SIZE);
	c->capacity = (unsigned)((c->size - sizeof(struct abi_aio_ring)) / EVENT_SIZE) - 1;
}

static int context_create(struct kernel *k, unsigned max, struct aio_context **out)
{
	struct aio_context *c = pool_alloc(&context_pool);
	int r;

	if (!c)
		return -ENOMEM;
	c->mappable.ops = &context_ops;
	refcount_init(&c->refs, 1);
	mutex_init(&c->lock, LOCK_FILE);
	waitq_init(&c->waitq);
	c->max = max;
	choose_size(c, k->ncpus);
	c->events = kmem_alloc(c->capacity * EVENT_SIZE);
	r = c->events ? mm_shmem_create(k->memfile, c->size, "/[aio] (deleted)", &c->memory)
		      : -ENOMEM;
	if (r < 0) {
		kmem_free(c->events);
		pool_free(&context_pool, c);
		return r;
	}
	*out = c;
	return 0;
}

static int context_map(struct task *t, struct aio_context *c, gva_t *id)
{
	const struct mm_map_args args = {
		.size = c->size,
		.prot = MAP_R | MAP_W,
		.flags = MAP_SHARED,
		.mappable = &c->mappable,
		.max_prot = MAP_R | MAP_W,
	};
	struct abi_aio_ring head = { .nr = c->capacity + 1, .header_size = sizeof(head) };
	int r = mm_map(t->mm, &args, id);

	if (r < 0)
		return r;
	r = mm_advise(t->mm, *id, c->size, MADV_DONTFORK);
	if (r == 0)
		r = mm_copy_out(t->mm, *id, &head, sizeof(head));
	if (r < 0)
		(void)mm_unmap(t->mm, *id, c->size);
	return r;
}

int aio_create(struct task *t, unsigned max, gva_t *id)
{
	struct aio_context *c;
	int r;

	if (atomic_fetch_add(&all_requests, max) + max > ABI_AIO_MAX_NR) {
		atomic_fetch_sub(&all_requests, max);
		return -EAGAIN;
	}
	r = context_create(t->kernel, max, &c);
	if (r < 0) {
		atomic_fetch_sub(&all_requests, max);
		return r;
	}
	r = context_map(t, c, id);
	aio_put(c); /* the mapping has its own */
	return r;
}

int aio_find(struct task *t, gva_t id, struct aio_context **out)
{
	struct mappable *m = mm_mappable_at(t->mm, id);

	*out = NULL;
	if (!m)
		return -EINVAL;
	if (m->ops != &context_ops) {
		m->ops->put(m);
		return -EINVAL;
	}
	*out = context_of(m);
	return 0;
}

static uint64_t mapped_size(const struct mappable *m)
{
	return m->ops == &context_ops ? container_of(m, struct aio_context, mappable)->size : 0;
}

int aio_destroy(struct task *t, gva_t id)
{
	struct aio_context *c;
	bool was_dead;
	int r = aio_find(t, id, &c);

	if (r < 0)
		return r;
	mutex_lock(&c->lock);
	was_dead = c->is_dead;
	c->is_dead = true;
	mutex_unlock(&c->lock);
	waitq_wake_all(&c->waitq, EV_IN);
	if (was_dead)
		r = -EINVAL;
	else
		(void)mm_detach(t->mm, id, mapped_size);
	aio_put(c);
	return r;
}

/* ---- events ---- */

unsigned aio_capacity(const struct aio_context *c)
{
	return c->capacity + 1;
}

int aio_reserve(struct aio_context *c)
{
	int r = 0;

	mutex_lock(&c->lock);
	if (c->is_dead)
		r = -EINVAL;
	else if (c->count + c->reserved >= c->capacity)
		r = -EAGAIN;
	else
		c->reserved++;
	mutex_unlock(&c->lock);
	return r;
}

void aio_unreserve(struct aio_context *c)
{
	mutex_lock(&c->lock);
	c->reserved--;
	mutex_unlock(&c->lock);
}

void aio_complete(struct aio_context *c, const struct abi_io_event *ev)
{
	mutex_lock(&c->lock);
	c->events[(c->head + c->count) % c->capacity] = *ev;
	c->count++;
	c->reserved--;
	mutex_unlock(&c->lock);
	waitq_wake(&c->waitq, EV_IN);
}

unsigned aio_take(struct aio_context *c, struct abi_io_event *ev, unsigned max)
{
	unsigned n;

	mutex_lock(&c->lock);
	n = MIN(max, c->count);
	for (unsigned i = 0; i < n; i++)
		ev[i] = c->events[(c->head + i) % c->capacity];
	c->head = (c->head + n) % c->capacity;
	c->count -= n;
	c->reserved += n;
	mutex_unlock(&c->lock);
	return n;
}

void aio_taken(struct aio_context *c, const struct abi_io_event *ev, unsigned n, bool arrived)
{
	mutex_lock(&c->lock);
	c->reserved -= n;
	for (unsigned i = n; !arrived && i-- > 0;) {
		c->head = (c->head + c->capacity - 1) % c->capacity;
		c->events[c->head] = ev[i];
		c->count++;
	}
	mutex_unlock(&c->lock);
	if (!arrived && n)
		waitq_wake(&c->waitq, EV_IN);
}

int aio_wait(struct task *t, struct aio_context *c, uint64_t deadline_ns)
{
	struct waitq_entry e;
	int r = 0;

	waitq_entry_init(&e, &t->waiter, EV_IN);
	waitq_add(&c->waitq, &e);
	for (;;) {
		bool is_dead, has_some;

		waiter_prepare(&t->waiter);
		mutex_lock(&c->lock);
		is_dead = c->is_dead;
		has_some = c->count > 0;
		mutex_unlock(&c->lock);
		if (is_dead)
			r = -EINVAL;
		if (r < 0 || has_some)
			break;
		r = waiter_wait(&t->waiter, deadline_ns);
		if (r < 0)
			break;
	}
	waitq_remove(&c->waitq, &e);
	return r;
}
