/*
 * Random calls on a few address spaces, against the simplest model: for each
 * page of each process, what is mapped there and which byte it holds. After
 * each call: mm_check(), and at times every page is read by every process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <cmocka.h>

#include "abi/mman.h"
#include "base/testlib_random.h"
#include "mm/testlib_fake.h"

#define PAGES 192u
#define PROCS 4u
#define FILE_PAGES 40u
#define OPS 1500000u

enum what { NOTHING, ANON, SHARED_ANON, FILE_PRIVATE, FILE_SHARED };

/* A shared anonymous object: one per mmap call. */
struct object {
	uint8_t bytes[PAGES];
	unsigned count; /* pages */
	unsigned users;
};

struct page {
	enum what what;
	int prot;
	bool own;      /* FILE_PRIVATE: has its own copy */
	uint8_t value; /* ANON, or own */
	struct object *object;
	unsigned index; /* in the object or file */
};

struct proc {
	struct mm *mm;
	struct page pages[PAGES];
};

struct world {
	struct memfile *mf;
	struct mm_env env;
	struct proc procs[PROCS];
	struct fake_file files[2]; /* mapped privately; shared */
	uint8_t file_bytes[2][FILE_PAGES];
	struct test_random random;
};

static uint64_t draw(struct world *w)
{
	return test_draw(&w->random);
}

static unsigned pick(struct world *w, unsigned below)
{
	return test_pick(&w->random, below);
}

static gva_t addr_of(unsigned page)
{
	return FAKE_LO + page * PAGE_SIZE;
}

/* ---- the model ---- */

static void model_clear(struct page *p)
{
	if (p->what == SHARED_ANON && --p->object->users == 0)
		free(p->object);
	*p = (struct page){ 0 };
}

static void model_copy(struct page *to, const struct page *from)
{
	*to = *from;
	if (to->what == SHARED_ANON)
		to->object->users++;
}

static uint64_t file_pages(const struct world *w, unsigned which)
{
	return w->files[which].size / PAGE_SIZE;
}

/* Where the byte of a page is; NULL: beyond the end. */
static uint8_t *model_byte(struct world *w, struct page *p)
{
	switch (p->what) {
	case ANON:
		return &p->value;
	case SHARED_ANON:
		return p->index < p->object->count ? &p->object->bytes[p->index] : NULL;
	case FILE_PRIVATE:
		if (p->own)
			return &p->value;
		return p->index < file_pages(w, 0) ? &w->file_bytes[0][p->index] : NULL;
	case FILE_SHARED:
		return p->index < file_pages(w, 1) ? &w->file_bytes[1][p->index] : NULL;
	default:
		return NULL;
	}
}

static int model_signal(struct world *w, struct page *p, int access, int *code)
{
	int prot = p->prot & MAP_W ? p->prot | MAP_R : p->prot;

	*code = p->what == NOTHING ? SEGV_MAPERR : SEGV_ACCERR;
	if (p->what == NOTHING || !(prot & access))
		return SIGSEGV;
	return model_byte(w, p) ? 0 : SIGBUS;
}

static void model_write(struct world *w, struct page *p, uint8_t value)
{
	if (p->what == FILE_PRIVATE)
		p->own = true;
	*model_byte(w, p) = value;
}

/* ---- accesses ---- */

static void guest_read(struct world *w, struct proc *p, unsigned page)
{
	struct fake_result r = fake_read(p->mm, addr_of(page));
	int code, sig = model_signal(w, &p->pages[page], MAP_R, &code);

	assert_int_equal(r.signo, sig);
	if (sig == SIGSEGV)
		assert_int_equal(r.code, code);
	if (!sig)
		assert_int_equal(r.value, *model_byte(w, &p->pages[page]));
}

static void guest_write(struct world *w, struct proc *p, unsigned page, uint8_t value)
{
	struct fake_result r = fake_write(p->mm, addr_of(page), value);
	int code, sig = model_signal(w, &p->pages[page], MAP_W, &code);

	assert_int_equal(r.signo, sig);
	if (sig == SIGSEGV)
		assert_int_equal(r.code, code);
	if (!sig)
		model_write(w, &p->pages[page], value);
}

static void kernel_read(struct world *w, struct proc *p, unsigned page)
{
	uint8_t value = 0;
	int err = mm_copy_in(p->mm, &value, addr_of(page), 1);
	int code, sig = model_signal(w, &p->pages[page], MAP_R, &code);

	assert_int_equal(err, sig ? -EFAULT : 0);
	if (!sig)
		assert_int_equal(value, *model_byte(w, &p->pages[page]));
}

static void kernel_write(struct world *w, struct proc *p, unsigned page, uint8_t value)
{
	int err = mm_copy_out(p->mm, addr_of(page), &value, 1);
	int code, sig = model_signal(w, &p->pages[page], MAP_W, &code);

	assert_int_equal(err, sig ? -EFAULT : 0);
	if (!sig)
		model_write(w, &p->pages[page], value);
}

/* ---- calls ---- */

static struct proc *some_proc(struct world *w)
{
	for (;;) {
		struct proc *p = &w->procs[pick(w, PROCS)];

		if (p->mm)
			return p;
	}
}

static int some_prot(struct world *w)
{
	static const int prots[] = { 0, 1, 3, 3, 3, 1, 2, 5 };

	return prots[pick(w, ARRAY_SIZE(prots))];
}

/* Short ranges often, long ones sometimes. */
static unsigned some_count(struct world *w, unsigned max)
{
	return 1 + (pick(w, 4) ? pick(w, MIN(max, 8u)) : pick(w, max));
}

static void set_page(struct page *page, enum what what, int prot, struct object *o, unsigned index)
{
	model_clear(page);
	page->what = what;
	page->prot = prot;
	page->index = index;
	page->object = o;
	if (o)
		o->users++;
}

static void do_map(struct world *w, struct proc *p)
{
	enum what what = ANON + pick(w, 4);
	unsigned count = some_count(w, PAGES / 3), at = pick(w, PAGES - count), index = 0;
	bool fixed = pick(w, 2), is_file = what >= FILE_PRIVATE;
	bool shared = what == SHARED_ANON || what == FILE_SHARED;
	struct object *o = NULL;
	gva_t got;
	struct mm_map_args args = {
		.addr = pick(w, 2) || fixed ? addr_of(at) : 0,
		.size = count * PAGE_SIZE,
		.prot = some_prot(w),
		.flags = (shared ? MAP_SHARED : MAP_PRIVATE) | (fixed ? MAP_FIXED : 0) |
			 (is_file ? 0 : MAP_ANONYMOUS),
		.max_prot = 7,
	};

	if (is_file) {
		index = pick(w, FILE_PAGES);
		args.mappable = &w->files[what == FILE_SHARED].mappable;
		args.offset = index * PAGE_SIZE;
	}
	int err = mm_map(p->mm, &args, &got);

	if (err) {
		assert_int_equal(err, -ENOMEM);
		assert_false(fixed);
		return;
	}
	at = (unsigned)((got - FAKE_LO) / PAGE_SIZE);
	assert_true(at + count <= PAGES);
	if (what == SHARED_ANON) {
		o = calloc(1, sizeof(*o));
		assert_non_null(o);
		o->count = count;
	}
	for (unsigned i = 0; i < count; i++) {
		assert_true(fixed || p->pages[at + i].what == NOTHING);
		set_page(&p->pages[at + i], what, args.prot, o, index + i);
	}
}

static void do_unmap(struct world *w, struct proc *p)
{
	unsigned count = some_count(w, PAGES / 2), at = pick(w, PAGES - count);

	assert_int_equal(mm_unmap(p->mm, addr_of(at), count * PAGE_SIZE), 0);
	for (unsigned i = 0; i < count; i++)
		model_clear(&p->pages[at + i]);
}

static void do_protect(struct world *w, struct proc *p)
{
	unsigned count = some_count(w, PAGES / 2), at = pick(w, PAGES - count), i;
	int prot = some_prot(w);
	int err = mm_protect(p->mm, addr_of(at), count * PAGE_SIZE, prot);

	for (i = 0; i < count && p->pages[at + i].what != NOTHING; i++)
		p->pages[at + i].prot = prot;
	assert_int_equal(err, i < count ? -ENOMEM : 0);
}

static void do_discard(struct world *w, struct proc *p)
{
	unsigned count = some_count(w, PAGES / 2), at = pick(w, PAGES - count);
	bool hole = false;
	int err = mm_advise(p->mm, addr_of(at), count * PAGE_SIZE, MADV_DONTNEED);

	for (unsigned i = 0; i < count; i++) {
		struct page *page = &p->pages[at + i];

		hole |= page->what == NOTHING;
		if (page->what == ANON)
			page->value = 0;
		if (page->what == FILE_PRIVATE)
			page->own = false;
	}
	assert_int_equal(err, hole ? -ENOMEM : 0);
}

/* Pages that are one vma for mremap()'s purposes. */
static bool follows(const struct page *a, const struct page *b)
{
	if (a->what != b->what || a->prot != b->prot || a->object != b->object)
		return false;
	return a->what == ANON || a->index + 1 == b->index;
}

static void move_pages(struct proc *p, unsigned from, unsigned count, unsigned to,
		       unsigned new_count)
{
	struct page moved[PAGES], last;
	unsigned n = MIN(count, new_count);

	memcpy(moved, &p->pages[from], count * sizeof(moved[0]));
	memset(&p->pages[from], 0, count * sizeof(moved[0]));
	last = moved[n - 1];
	for (unsigned i = n; i < count; i++)
		model_clear(&moved[i]);
	for (unsigned i = 0; i < n; i++) {
		model_clear(&p->pages[to + i]);
		p->pages[to + i] = moved[i];
	}
	for (unsigned i = n; i < new_count; i++) {
		model_clear(&p->pages[to + i]);
		model_copy(&p->pages[to + i], &last);
		p->pages[to + i].index = last.index + (i - n) + 1;
		p->pages[to + i].value = 0;
		p->pages[to + i].own = false;
	}
}

static void do_remap(struct world *w, struct proc *p)
{
	unsigned at = pick(w, PAGES), count = 1, new_count = some_count(w, PAGES / 3), to;
	unsigned flags = pick(w, 3) ? MREMAP_MAYMOVE : 0;
	gva_t target = 0, got;
	int err;

	if (p->pages[at].what == NOTHING)
		return;
	while (at + count < PAGES && pick(w, 8) &&
	       follows(&p->pages[at + count - 1], &p->pages[at + count]))
		count++;
	if (flags && pick(w, 2)) {
		to = pick(w, PAGES - new_count);
		if (to < at + count && at < to + new_count)
			return;
		flags |= MREMAP_FIXED;
		target = addr_of(to);
	}
	err = mm_remap(p->mm, addr_of(at), count * PAGE_SIZE, new_count * PAGE_SIZE, flags, target,
		       &got);
	/* A vma may end inside the run (two mmaps that could not be joined). */
	if (err) {
		assert_true(err == -ENOMEM || err == -EFAULT);
		assert_false((flags & MREMAP_FIXED) && err == -ENOMEM);
		return;
	}
	move_pages(p, at, count, (unsigned)((got - FAKE_LO) / PAGE_SIZE), new_count);
}

static void do_fork(struct world *w, struct proc *p)
{
	struct proc *c = &w->procs[pick(w, PROCS)];

	if (c->mm)
		return;
	assert_int_equal(mm_fork(p->mm, &c->mm), 0);
	for (unsigned i = 0; i < PAGES; i++)
		model_copy(&c->pages[i], &p->pages[i]);
}

static void do_exit(struct world *w, struct proc *p)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < PROCS; i++)
		alive += w->procs[i].mm != NULL;
	if (alive == 1)
		return;
	mm_put(p->mm);
	p->mm = NULL;
	for (unsigned i = 0; i < PAGES; i++)
		model_clear(&p->pages[i]);
}

static void do_truncate(struct world *w)
{
	unsigned which = pick(w, 2), count = pick(w, FILE_PAGES + 1);

	fake_file_truncate(&w->files[which], count * PAGE_SIZE);
	for (unsigned i = count; i < FILE_PAGES; i++)
		w->file_bytes[which][i] = 0;
	for (unsigned i = 0; which == 0 && i < PROCS * PAGES; i++) {
		struct page *page = &w->procs[i / PAGES].pages[i % PAGES];

		if (page->what == FILE_PRIVATE && page->index >= count)
			page->own = false;
	}
}

/* What a page cache does that must see the next store. */
static void do_invalidate(struct world *w)
{
	struct fake_file *f = &w->files[pick(w, 2)];
	unsigned at = pick(w, FILE_PAGES), count = some_count(w, FILE_PAGES);

	mutex_lock(&f->maps_lock);
	mapping_set_invalidate(&f->maps, at * PAGE_SIZE, (at + count) * PAGE_SIZE, false);
	mutex_unlock(&f->maps_lock);
}

static void do_copy(struct world *w, struct proc *p)
{
	unsigned at = pick(w, PAGES);

	if (pick(w, 2))
		kernel_read(w, p, at);
	else
		kernel_write(w, p, at, (uint8_t)draw(w));
}

static void read_everything(struct world *w)
{
	for (unsigned i = 0; i < PROCS * PAGES; i++) {
		if (w->procs[i / PAGES].mm)
			guest_read(w, &w->procs[i / PAGES], i % PAGES);
	}
	memfile_check(w->mf);
}

static void step(struct world *w)
{
	struct proc *p = some_proc(w);
	unsigned n = pick(w, 100);

	if (n < 12)
		do_map(w, p);
	else if (n < 20)
		do_unmap(w, p);
	else if (n < 28)
		do_protect(w, p);
	else if (n < 36)
		do_remap(w, p);
	else if (n < 40)
		do_discard(w, p);
	else if (n < 43)
		do_fork(w, p);
	else if (n < 45)
		do_exit(w, p);
	else if (n < 46)
		do_truncate(w);
	else if (n < 48)
		do_invalidate(w);
	else if (n < 60)
		do_copy(w, p);
	else if (n < 75)
		guest_read(w, p, pick(w, PAGES));
	else
		guest_write(w, p, pick(w, PAGES), (uint8_t)draw(w));
	mm_check(p->mm ? p->mm : some_proc(w)->mm);
	if (pick(w, 500) == 0)
		read_everything(w);
}

/* ---- the test ---- */

static void world_init(struct world *w)
{
	fake_pages = PAGES;
	assert_int_equal(memfile_create(0, &w->mf), 0);
	w->env = fake_env(w->mf);
	for (unsigned i = 0; i < 2; i++) {
		fake_file_init(&w->files[i], w->mf, FILE_PAGES * PAGE_SIZE);
		w->files[i].seed = draw(w) | 1;
		for (unsigned j = 0; j < FILE_PAGES; j++)
			*fake_file_data(&w->files[i], j * PAGE_SIZE) = w->file_bytes[i][j] =
				(uint8_t)draw(w);
	}
	assert_int_equal(mm_create(&w->env, &w->procs[0].mm), 0);
}

static void world_fini(struct world *w)
{
	struct memfile_stats stats;
	uint64_t sum = 0;

	for (unsigned i = 0; i < PROCS; i++) {
		mm_put(w->procs[i].mm);
		for (unsigned j = 0; j < PAGES; j++)
			model_clear(&w->procs[i].pages[j]);
	}
	fake_file_fini(&w->files[0]);
	fake_file_fini(&w->files[1]);
	memfile_trim(w->mf);
	memfile_check(w->mf);
	memfile_get_stats(w->mf, &stats);
	for (int i = 0; i < MEMFILE_KINDS; i++)
		sum += stats.allocated[i];
	assert_int_equal(sum, 0);
	assert_int_equal(stats.used, 0);
	memfile_destroy(w->mf);
}

static void random_calls_agree_with_the_model(void **state UNUSED)
{
	static struct world w;

	test_random_init(&w.random, "mm", OPS);
	world_init(&w);
	while (test_random_goes_on(&w.random))
		step(&w);
	read_everything(&w);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_calls_agree_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
