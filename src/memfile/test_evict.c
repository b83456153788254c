/* Eviction and the limit: by hand, and at random against a table of ages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fault.h"
#include "base/testlib_random.h"
#include "memfile/memfile.h"

#define P PAGE_SIZE
#define MIB ((uint64_t)1 << 20)
#define LIMIT (64 * MIB)

static struct memfile *mf;

static int setup(void **state UNUSED)
{
	return memfile_create(LIMIT, &mf);
}

static int teardown(void **state UNUSED)
{
	memfile_destroy(mf);
	return 0;
}

/* An owner whose keys are offsets into its memory. */
struct owner {
	struct memfile_evict_owner o;
	uint64_t offset, size;
	unsigned evictions;
	uint64_t first; /* start of the first eviction */
	bool keeps;
};

static void owner_evict(struct memfile_evict_owner *o, uint64_t start, uint64_t end)
{
	struct owner *w = container_of(o, struct owner, o);

	assert_true(start < end);
	if (w->evictions++ == 0)
		w->first = start;
	if (w->keeps)
		memfile_mark_evictable(mf, o, start, end);
	else
		memfile_decommit(mf, w->offset + start, end - start);
}

static const struct memfile_evict_ops owner_ops = { owner_evict };

static void owner_init(struct owner *w, uint64_t size, bool keeps)
{
	memset(w, 0, sizeof(*w));
	memfile_evict_owner_init(&w->o, &owner_ops);
	w->size = size;
	w->keeps = keeps;
	assert_int_equal(memfile_alloc(mf, size, MEMFILE_PAGECACHE, 0, &w->offset), 0);
	memset(memfile_addr(mf, w->offset), 1, size);
	memfile_mark_evictable(mf, &w->o, 0, size);
}

static void owner_fini(struct owner *w)
{
	memfile_evict_owner_fini(mf, &w->o);
	memfile_decref(mf, w->offset, w->size);
}

static uint64_t evictable(void)
{
	struct memfile_stats s;

	memfile_get_stats(mf, &s);
	return s.evictable;
}

/* ---- by hand ---- */

static void eviction_begins_with_the_least_recently_used(void **state UNUSED)
{
	struct owner a, b, c;

	owner_init(&a, 2 * MIB, false);
	owner_init(&b, 2 * MIB, false);
	owner_init(&c, 2 * MIB, false);
	memfile_mark_evictable(mf, &a.o, 0, 2 * MIB); /* used again */
	assert_int_equal(evictable(), 6 * MIB);
	assert_int_equal(memfile_evict(mf, 2 * MIB), 2 * MIB);
	assert_int_equal(b.evictions, 1);
	assert_int_equal(a.evictions + c.evictions, 0);
	memfile_mark_unevictable(mf, &c.o);
	assert_int_equal(memfile_evict(mf, 100 * MIB), 2 * MIB);
	assert_int_equal(a.evictions, 1);
	assert_int_equal(c.evictions, 0);
	assert_int_equal(evictable(), 0);
	owner_fini(&a);
	owner_fini(&b);
	owner_fini(&c);
}

static void a_range_of_an_owner_ages_by_itself(void **state UNUSED)
{
	struct owner a;

	owner_init(&a, 8 * MIB, false);
	memfile_mark_evictable(mf, &a.o, 0, 4 * MIB);
	assert_int_equal(memfile_evict(mf, MIB), MIB);
	assert_int_equal(a.first, 4 * MIB);
	memfile_unmark_evictable(mf, &a.o, MIB, 3 * MIB);
	assert_int_equal(evictable(), 5 * MIB);
	assert_int_equal(memfile_evict(mf, 100 * MIB), 5 * MIB);
	assert_int_equal(memfile_resident(mf, a.offset + MIB, 2 * MIB), 2 * MIB);
	owner_fini(&a);
}

static void no_more_is_evicted_than_was_asked_for(void **state UNUSED)
{
	struct owner a;

	owner_init(&a, 32 * MIB, false);
	assert_int_equal(memfile_evict(mf, 3 * MIB), 3 * MIB);
	assert_int_equal(memfile_evict(mf, P), MIB);
	assert_int_equal(a.evictions, 2);
	assert_int_equal(evictable(), 28 * MIB);
	owner_fini(&a);
}

static void owners_that_keep_everything_end_an_eviction(void **state UNUSED)
{
	struct owner a, b;

	owner_init(&a, 2 * MIB, true);
	owner_init(&b, 2 * MIB, true);
	assert_int_equal(memfile_evict(mf, 4 * MIB), 0);
	assert_int_equal(a.evictions, 1);
	assert_int_equal(b.evictions, 1);
	owner_fini(&a);
	owner_fini(&b);
}

static void without_memory_for_the_mark_nothing_is_evicted(void **state UNUSED)
{
#ifdef NACRE_DEBUG
	struct owner a;

	fault_arm("pool.struct evictable", 1);
	owner_init(&a, 2 * MIB, false);
	assert_true(fault_fired());
	assert_int_equal(evictable(), 0);
	assert_int_equal(memfile_evict(mf, MIB), 0);
	memfile_mark_evictable(mf, &a.o, 0, 2 * MIB);
	fault_arm("pool.struct evictable", 1);
	memfile_unmark_evictable(mf, &a.o, MIB / 2, MIB);
	assert_true(fault_fired());
	assert_int_equal(evictable(), MIB / 2);
	owner_fini(&a);
#endif
}

static void evict_inside(struct memfile_evict_owner *o, uint64_t start, uint64_t end)
{
	assert_int_equal(memfile_evict(mf, MIB), 0);
	owner_evict(o, start, end);
}

static void an_eviction_inside_an_eviction_does_nothing(void **state UNUSED)
{
	static const struct memfile_evict_ops ops = { evict_inside };
	struct owner a;

	owner_init(&a, 2 * MIB, false);
	a.o.ops = &ops;
	assert_int_equal(memfile_evict(mf, 2 * MIB), 2 * MIB);
	owner_fini(&a);
}

static void *evict_often(void *arg)
{
	atomic_bool *stop = arg;

	while (!atomic_load(stop))
		(void)memfile_evict(mf, MIB);
	return NULL;
}

static void an_owner_is_not_freed_under_its_eviction(void **state UNUSED)
{
	atomic_bool stop = false;
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, evict_often, &stop), 0);
	for (int i = 0; i < 200; i++) {
		struct owner *w = malloc(sizeof(*w));

		assert_non_null(w);
		owner_init(w, 4 * P, i % 2);
		owner_fini(w);
		free(w);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

/* ---- the limit ---- */

static void relief_evicts_below_the_limit(void **state UNUSED)
{
	struct owner a;

	assert_true(memfile_relieve(mf));
	owner_init(&a, LIMIT + 4 * MIB, false);
	assert_true(memfile_over_limit(mf));
	assert_true(memfile_relieve(mf));
	assert_false(memfile_over_limit(mf));
	/* But not everything. */
	assert_true(memfile_used(mf) > LIMIT / 2);
	owner_fini(&a);
}

static void relief_fails_when_nothing_can_be_evicted(void **state UNUSED)
{
	struct owner a;

	owner_init(&a, LIMIT + MIB, true);
	assert_false(memfile_relieve(mf));
	assert_int_equal(a.evictions > 0, true);
	owner_fini(&a);
	assert_true(memfile_relieve(mf));
}

/* Watched: until it is as it should be, or some seconds have passed. */
static bool comes_true(bool (*what)(void))
{
	for (int i = 0; i < 5000; i++) {
		if (what())
			return true;
		usleep(1000);
	}
	return false;
}

static bool is_below_limit(void)
{
	return memfile_used(mf) <= LIMIT;
}

static atomic_uint requests;
static _Atomic uint64_t hog_offset;

static void give_back(void *arg, uint64_t excess)
{
	assert_ptr_equal(arg, &requests);
	assert_true(excess > 0 && excess <= MIB);
	/* The second request is heard. */
	if (atomic_fetch_add(&requests, 1) == 1)
		memfile_decommit(mf, hog_offset, 2 * MIB);
}

static void the_watcher_evicts_what_guests_touch_too_much(void **state UNUSED)
{
	struct owner a;
	uint64_t hog;

	atomic_store(&requests, 0);
	memfile_watch(mf, give_back, &requests);
	owner_init(&a, 32 * MIB, false);
	assert_int_equal(memfile_alloc(mf, 48 * MIB, MEMFILE_ANON, 0, &hog), 0);
	memset(memfile_addr(mf, hog), 1, 48 * MIB);
	assert_true(comes_true(is_below_limit));
	assert_int_equal(atomic_load(&requests), 0);
	owner_fini(&a);
	memfile_decref(mf, hog, 48 * MIB);
}

static bool was_asked_twice(void)
{
	return atomic_load(&requests) >= 2;
}

static void the_watcher_asks_again_when_nothing_can_be_evicted(void **state UNUSED)
{
	uint64_t hog;

	atomic_store(&requests, 0);
	assert_int_equal(memfile_alloc(mf, 2 * LIMIT, MEMFILE_ANON, 0, &hog), 0);
	atomic_store(&hog_offset, hog);
	memset(memfile_addr(mf, hog), 1, LIMIT + MIB);
	memfile_watch(mf, give_back, &requests);
	assert_true(comes_true(was_asked_twice));
	assert_true(comes_true(is_below_limit));
	memfile_decref(mf, hog, 2 * LIMIT);
}

/* ---- at random ---- */

#define OWNERS 3u
#define PAGES 64u
/* In pieces so large that each is evicted alone. */
#define KEY (2 * MIB)

/* Each key's age; 0: not marked. What is evicted first is the lowest. */
static unsigned ages[OWNERS][PAGES];
static struct memfile_evict_owner owners[OWNERS];
static unsigned now, evicted;
static struct test_random rnd;

static void check_age(struct memfile_evict_owner *o, uint64_t start, uint64_t end)
{
	unsigned *mine = ages[o - owners];

	for (uint64_t key = start / KEY; key < end / KEY; key++) {
		assert_int_not_equal(mine[key], 0);
		for (unsigned i = 0; i < OWNERS * PAGES; i++) {
			unsigned other = ages[i / PAGES][i % PAGES];

			assert_true(!other || other >= mine[key]);
		}
		mine[key] = 0;
		evicted++;
	}
}

static const struct memfile_evict_ops check_ops = { check_age };

static void random_marks_agree_with_a_table_of_ages(void **state UNUSED)
{
	for (unsigned i = 0; i < OWNERS; i++)
		memfile_evict_owner_init(&owners[i], &check_ops);
	memset(ages, 0, sizeof(ages));
	test_random_init(&rnd, "eviction", 300000);
	while (test_random_goes_on(&rnd)) {
		unsigned who = test_pick(&rnd, OWNERS), at = test_pick(&rnd, PAGES);
		unsigned count = 1 + test_pick(&rnd, MIN(PAGES - at, 9u)), n = 0, before = evicted;
		bool mark = test_pick(&rnd, 2), evicts = test_pick(&rnd, 8) == 0;

		if (evicts) {
			for (unsigned i = 0; i < OWNERS * PAGES; i++)
				n += ages[i / PAGES][i % PAGES] != 0;
			/* It frees no memory, so it goes on to the end. */
			(void)memfile_evict(mf, test_pick(&rnd, 3) ? 1 : 64 * KEY);
			assert_int_equal(evicted - before, n);
		} else if (mark) {
			memfile_mark_evictable(mf, &owners[who], at * KEY, (at + count) * KEY);
			now++;
		} else {
			memfile_unmark_evictable(mf, &owners[who], at * KEY, (at + count) * KEY);
		}
		for (unsigned i = at; !evicts && i < at + count; i++)
			ages[who][i] = mark ? now : 0;
		for (unsigned i = n = 0; i < OWNERS * PAGES; i++)
			n += ages[i / PAGES][i % PAGES] != 0;
		assert_int_equal(evictable(), n * KEY);
	}
	for (unsigned i = 0; i < OWNERS; i++)
		memfile_evict_owner_fini(mf, &owners[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(eviction_begins_with_the_least_recently_used),
		TEST(a_range_of_an_owner_ages_by_itself),
		TEST(no_more_is_evicted_than_was_asked_for),
		TEST(owners_that_keep_everything_end_an_eviction),
		TEST(without_memory_for_the_mark_nothing_is_evicted),
		TEST(an_eviction_inside_an_eviction_does_nothing),
		TEST(an_owner_is_not_freed_under_its_eviction),
		TEST(relief_evicts_below_the_limit),
		TEST(relief_fails_when_nothing_can_be_evicted),
		TEST(the_watcher_evicts_what_guests_touch_too_much),
		TEST(the_watcher_asks_again_when_nothing_can_be_evicted),
		TEST(random_marks_agree_with_a_table_of_ages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
