/* Reverse mappings, by hand and at random against a table of counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fault.h"
#include "base/testlib_random.h"
#include "memmap/memmap.h"

#define P PAGE_SIZE

struct call {
	struct mapping_space *space;
	gva_t start, end;
	bool invalidate_private;
};

static struct call calls[512];
static unsigned ncalls;

static void note(struct mapping_space *ms, gva_t start, gva_t end, bool invalidate_private)
{
	assert_true(ncalls < ARRAY_SIZE(calls));
	calls[ncalls++] = (struct call){ ms, start, end, invalidate_private };
}

static const struct mapping_space_ops note_ops = { note };

static struct mapping_space one = { &note_ops }, two = { &note_ops };

static void invalidate(struct mapping_set *s, fileoff_t start, fileoff_t end)
{
	ncalls = 0;
	mapping_set_invalidate(s, start, end, true);
}

static void an_invalidation_finds_each_mapping_of_the_range(void **state UNUSED)
{
	struct mapping_set s;

	mapping_set_init(&s);
	assert_int_equal(mapping_set_add(&s, &one, 100 * P, 10 * P, 5 * P, true), 0);
	assert_int_equal(mapping_set_add(&s, &two, 300 * P, 4 * P, 12 * P, false), 0);
	assert_int_equal(s.writable, 10 * P);
	invalidate(&s, 6 * P, 13 * P);
	assert_int_equal(ncalls, 2);
	assert_ptr_equal(calls[0].space, &one);
	assert_int_equal(calls[0].start, 101 * P);
	assert_int_equal(calls[0].end, 108 * P);
	assert_true(calls[0].invalidate_private);
	assert_ptr_equal(calls[1].space, &two);
	assert_int_equal(calls[1].start, 300 * P);
	assert_int_equal(calls[1].end, 301 * P);
	invalidate(&s, 0, 5 * P);
	assert_int_equal(ncalls, 0);
	assert_true(mapping_set_is_mapped(&s, 15 * P, 16 * P));
	assert_false(mapping_set_is_mapped(&s, 16 * P, 99 * P));
	mapping_set_remove(&s, &one, 100 * P, 10 * P, 5 * P, true);
	mapping_set_remove(&s, &two, 300 * P, 4 * P, 12 * P, false);
	assert_int_equal(s.writable, 0);
	mapping_set_fini(&s);
}

static void a_removal_in_the_middle_leaves_both_ends(void **state UNUSED)
{
	struct mapping_set s;

	mapping_set_init(&s);
	assert_int_equal(mapping_set_add(&s, &one, 100 * P, 10 * P, 0, true), 0);
	mapping_set_remove(&s, &one, 103 * P, 2 * P, 3 * P, true);
	assert_int_equal(s.writable, 8 * P);
	invalidate(&s, 0, 10 * P);
	assert_int_equal(ncalls, 2);
	assert_int_equal(calls[0].end, 103 * P);
	assert_int_equal(calls[1].start, 105 * P);
	assert_false(mapping_set_is_mapped(&s, 3 * P, 5 * P));
	/* What was added as one is removed across the hole's ends in pieces. */
	mapping_set_remove(&s, &one, 100 * P, P, 0, true);
	mapping_set_remove(&s, &one, 109 * P, P, 9 * P, true);
	mapping_set_remove(&s, &one, 101 * P, 2 * P, P, true);
	mapping_set_remove(&s, &one, 105 * P, 4 * P, 5 * P, true);
	mapping_set_fini(&s);
}

static void a_removal_spans_mappings_that_were_added_apart(void **state UNUSED)
{
	struct mapping_set s;

	mapping_set_init(&s);
	assert_int_equal(mapping_set_add(&s, &one, 100 * P, 2 * P, 0, false), 0);
	assert_int_equal(mapping_set_add(&s, &one, 102 * P, 2 * P, 2 * P, false), 0);
	mapping_set_remove(&s, &one, 100 * P, 4 * P, 0, false);
	mapping_set_fini(&s);
}

static void a_removal_tells_offsets_and_spaces_apart(void **state UNUSED)
{
	struct mapping_set s;

	mapping_set_init(&s);
	assert_int_equal(mapping_set_add(&s, &one, 100 * P, P, 0, false), 0);
	assert_int_equal(mapping_set_add(&s, &one, 100 * P, P, 7 * P, false), 0);
	assert_int_equal(mapping_set_add(&s, &two, 100 * P, P, 0, false), 0);
	mapping_set_remove(&s, &one, 100 * P, P, 0, false);
	invalidate(&s, 0, P);
	assert_int_equal(ncalls, 1);
	assert_ptr_equal(calls[0].space, &two);
	assert_true(mapping_set_is_mapped(&s, 7 * P, 8 * P));
	mapping_set_remove(&s, &one, 100 * P, P, 7 * P, false);
	mapping_set_remove(&s, &two, 100 * P, P, 0, false);
	mapping_set_fini(&s);
}

/* While a mapping takes the place of one that shows the same, both are there. */
static void what_is_mapped_twice_is_removed_twice(void **state UNUSED)
{
	struct mapping_set s;

	mapping_set_init(&s);
	assert_int_equal(mapping_set_add(&s, &one, 100 * P, 4 * P, 10 * P, true), 0);
	assert_int_equal(mapping_set_add(&s, &one, 98 * P, 10 * P, 8 * P, true), 0);
	assert_int_equal(s.writable, 14 * P);
	mapping_set_remove(&s, &one, 100 * P, 4 * P, 10 * P, true);
	assert_true(mapping_set_is_mapped(&s, 10 * P, 14 * P));
	assert_int_equal(mapping_set_count(&s), 1);
	mapping_set_remove(&s, &one, 98 * P, 10 * P, 8 * P, true);
	assert_true(mapping_set_is_empty(&s));
	mapping_set_fini(&s);
}

#define MANY 20000u

/* One page at many places, each found again at once; the order stays that of addition. */
static void many_views_are_found(void **state UNUSED)
{
	struct mapping_set s;

	mapping_set_init(&s);
	for (uint64_t i = 0; i < MANY; i++)
		assert_int_equal(mapping_set_add(&s, i % 2 ? &one : &two, i * P, P, 7 * P, false),
				 0);
	assert_int_equal(mapping_set_count(&s), MANY);
	for (uint64_t i = 0; i < MANY - 10; i++)
		mapping_set_remove(&s, i % 2 ? &one : &two, i * P, P, 7 * P, false);
	invalidate(&s, 0, 100 * P);
	assert_int_equal(ncalls, 10);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(calls[i].start, (MANY - 10 + i) * P);
		mapping_set_remove(&s, calls[i].space, calls[i].start, P, 7 * P, false);
	}
	assert_true(mapping_set_is_empty(&s));
	mapping_set_fini(&s);
}

static void a_barrier_asks_each_view_once(void **state UNUSED)
{
	struct mapping_set s;

	mapping_set_init(&s);
	assert_int_equal(mapping_set_add(&s, &one, 100 * P, 4 * P, 0, true), 0);
	assert_int_equal(mapping_set_add(&s, &one, 106 * P, 4 * P, 6 * P, true), 0);
	assert_int_equal(mapping_set_add(&s, &two, 100 * P, 4 * P, 0, true), 0);
	ncalls = 0;
	mapping_set_barrier(&s);
	assert_int_equal(ncalls, 2);
	assert_int_equal(calls[0].start, calls[0].end);
	mapping_set_remove(&s, &one, 100 * P, 4 * P, 0, true);
	mapping_set_remove(&s, &one, 106 * P, 4 * P, 6 * P, true);
	mapping_set_remove(&s, &two, 100 * P, 4 * P, 0, true);
	mapping_set_fini(&s);
}

static void no_memory_fails_an_addition_but_no_removal(void **state UNUSED)
{
#ifdef NACRE_DEBUG
	struct mapping_set s;

	mapping_set_init(&s);
	for (unsigned nth = 1; nth <= 2; nth++) {
		fault_arm("pool.struct mapping", nth);
		assert_int_equal(mapping_set_add(&s, &one, 0, P, 0, false), -ENOMEM);
		assert_true(fault_fired());
		assert_true(mapping_set_is_empty(&s));
	}
	fault_arm("pool.struct mapping_view", 1);
	assert_int_equal(mapping_set_add(&s, &one, 0, P, 0, false), -ENOMEM);
	assert_true(fault_fired());
	assert_int_equal(mapping_set_add(&s, &one, 0, 5 * P, 0, false), 0);
	fault_arm("pool.struct mapping", 1);
	mapping_set_remove(&s, &one, 2 * P, P, 2 * P, false);
	assert_true(fault_fired());
	mapping_set_remove(&s, &one, 0, 2 * P, 0, false);
	mapping_set_remove(&s, &one, 3 * P, 2 * P, 3 * P, false);
	mapping_set_fini(&s);
#endif
}

/* ---- at random, against a table of counts ---- */

#define PAGES 48u
#define DELTAS 3u /* distances between addresses and offsets, in pages */
#define VIEWS 12u /* two spaces, three distances, writable or not */

static struct test_random random_state;

static unsigned pick(unsigned below)
{
	return test_pick(&random_state, below);
}

/* mapped[view][page]: how often the offset is mapped. */
static unsigned mapped[VIEWS][PAGES];

static struct mapping_space *space_of(unsigned view)
{
	return view % 2 ? &two : &one;
}

static gva_t addr_of(unsigned view, unsigned page)
{
	return (1000 * (view / 2 % DELTAS) + page) * P;
}

static bool is_writable(unsigned view)
{
	return view >= 2 * DELTAS;
}

/* What the set says of [from, to) must be what the table says. */
static void check_range(struct mapping_set *s, unsigned from, unsigned to)
{
	bool seen[2 * DELTAS][PAGES] = { { 0 } };
	bool any = false;

	invalidate(s, from * P, to * P);
	for (unsigned i = 0; i < ncalls; i++) {
		for (gva_t a = calls[i].start; a < calls[i].end; a += P)
			seen[a / P / 1000 * 2 + (calls[i].space == &two)][a / P % 1000] = true;
	}
	for (unsigned v = 0; v < 2 * DELTAS; v++) {
		for (unsigned i = 0; i < PAGES; i++) {
			bool is = i >= from && i < to && mapped[v][i] + mapped[v + 2 * DELTAS][i];

			assert_int_equal(seen[v][i], is);
			any |= is;
		}
	}
	assert_int_equal(mapping_set_is_mapped(s, from * P, to * P), any);
}

static void check_books(const struct mapping_set *s)
{
	uint64_t writable = 0;

	for (unsigned v = 2 * DELTAS; v < VIEWS; v++) {
		for (unsigned i = 0; i < PAGES; i++)
			writable += mapped[v][i] * P;
	}
	assert_int_equal(s->writable, writable);
}

static void random_step(struct mapping_set *s)
{
	unsigned v = pick(VIEWS), at = pick(PAGES), count = 1 + pick(PAGES - at), n = 0;
	bool remove = pick(2);

	while (remove && n < count && mapped[v][at + n])
		n++;
	if (n)
		mapping_set_remove(s, space_of(v), addr_of(v, at), n * P, at * P, is_writable(v));
	for (unsigned i = 0; i < n; i++)
		mapped[v][at + i]--;
	if (remove)
		return;
	while (n < count && mapped[v][at + n] < 3)
		n++;
	if (n)
		assert_int_equal(mapping_set_add(s, space_of(v), addr_of(v, at), n * P, at * P,
						 is_writable(v)),
				 0);
	for (unsigned i = 0; i < n; i++)
		mapped[v][at + i]++;
}

static void random_mappings_agree_with_a_table(void **state UNUSED)
{
	struct mapping_set s;

	test_random_init(&random_state, "mapping_set", 3000000);
	mapping_set_init(&s);
	while (test_random_goes_on(&random_state)) {
		random_step(&s);
		if (pick(64) == 0) {
			unsigned from = pick(PAGES);

			check_range(&s, from, from + 1 + pick(PAGES - from));
			check_books(&s);
		}
	}
	check_range(&s, 0, PAGES);
	for (unsigned v = 0; v < VIEWS; v++) {
		for (unsigned i = 0; i < PAGES; i++) {
			for (; mapped[v][i]; mapped[v][i]--)
				mapping_set_remove(&s, space_of(v), addr_of(v, i), P, i * P,
						   is_writable(v));
		}
	}
	mapping_set_fini(&s);
}

/* ---- the checker ---- */

static int no_fd(struct mapfile *f UNUSED)
{
	return -1;
}

static const struct mapfile_ops nothing_ops = { .fd = no_fd };
static struct mapfile nothing = { &nothing_ops };

static void a_right_translation_passes_the_checker(void **state UNUSED)
{
	struct translation t[2] = {
		{ 0, 2 * P, &nothing, 8 * P, MAP_R | MAP_X },
		{ 2 * P, 5 * P, &nothing, 40 * P, MAP_R },
	};

	translate_check(P, 4 * P, 0, 6 * P, MAP_R, 0, t, 2);
	translate_check(P, 6 * P, 0, 6 * P, MAP_R, -EFAULT, t, 2);
	translate_check(P, 6 * P, 0, 6 * P, MAP_R, -EIO, t, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_invalidation_finds_each_mapping_of_the_range),
		cmocka_unit_test(a_removal_in_the_middle_leaves_both_ends),
		cmocka_unit_test(a_removal_spans_mappings_that_were_added_apart),
		cmocka_unit_test(a_removal_tells_offsets_and_spaces_apart),
		cmocka_unit_test(what_is_mapped_twice_is_removed_twice),
		cmocka_unit_test(many_views_are_found),
		cmocka_unit_test(a_barrier_asks_each_view_once),
		cmocka_unit_test(no_memory_fails_an_addition_but_no_removal),
		cmocka_unit_test(random_mappings_agree_with_a_table),
		cmocka_unit_test(a_right_translation_passes_the_checker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
