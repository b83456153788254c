/* The memory file: by hand, and at random against a table of pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fault.h"
#include "base/testlib_random.h"
#include "memfile/memfile.h"

#define P PAGE_SIZE
#define MIB ((uint64_t)1 << 20)

static struct memfile *mf;

static int setup(void **state UNUSED)
{
	return memfile_create(64 * MIB, &mf);
}

static int teardown(void **state UNUSED)
{
	memfile_destroy(mf);
	return 0;
}

static uint64_t alloc(uint64_t size, unsigned flags)
{
	uint64_t offset;

	assert_int_equal(memfile_alloc(mf, size, MEMFILE_ANON, flags, &offset), 0);
	memfile_check(mf);
	return offset;
}

static void fill(uint64_t offset, uint64_t size, int value)
{
	memset(memfile_addr(mf, offset), value, size);
}

static bool is_zero(uint64_t offset, uint64_t size)
{
	const uint8_t *at = memfile_addr(mf, offset);

	for (uint64_t i = 0; i < size; i++) {
		if (at[i])
			return false;
	}
	return true;
}

static uint64_t used(void)
{
	struct memfile_stats s;

	memfile_get_stats(mf, &s);
	return s.used;
}

static void what_is_handed_out_reads_as_zeros(void **state UNUSED)
{
	for (int i = 0; i < 100; i++) {
		uint64_t size = (1 + (uint64_t)i * 7 % 90) * P;
		uint64_t a = alloc(size, i & 1 ? MEMFILE_BOTTOMUP : 0);

		assert_true(is_zero(a, size));
		fill(a, size, 0xa5);
		memfile_decref(mf, a, size);
		memfile_check(mf);
	}
}

static void memory_returns_to_the_host(void **state UNUSED)
{
	uint64_t big = alloc(8 * MIB, 0), small = alloc(16 * P, 0);

	fill(big, 8 * MIB, 1);
	fill(small, 16 * P, 1);
	assert_int_equal(used(), 8 * MIB + 16 * P);
	assert_int_equal(memfile_resident(mf, big, 8 * MIB), 8 * MIB);
	memfile_decref(mf, big, 8 * MIB);
	assert_true(used() <= 16 * P);
	memfile_decref(mf, small, 16 * P);
	memfile_trim(mf);
	assert_int_equal(used(), 0);
	memfile_check(mf);
}

static void small_frees_are_bounded(void **state UNUSED)
{
	uint64_t a = alloc(16 * MIB, 0);

	fill(a, 16 * MIB, 1);
	/* Every other piece, so that none can be joined. */
	for (uint64_t at = 0; at < 16 * MIB; at += 32 * P)
		memfile_decref(mf, a + at, 16 * P);
	assert_true(used() <= 8 * MIB + MIB + 16 * P);
	memfile_check(mf);
	for (uint64_t at = 16 * P; at < 16 * MIB; at += 32 * P)
		memfile_decref(mf, a + at, 16 * P);
	memfile_trim(mf);
	assert_int_equal(used(), 0);
}

static void scratch_reuses_what_was_freed(void **state UNUSED)
{
	uint64_t a = alloc(16 * P, 0), b, zeroed;

	fill(a, 16 * P, 7);
	memfile_decref(mf, a, 16 * P);
	zeroed = alloc(16 * P, 0);
	assert_int_not_equal(zeroed, a);
	assert_true(is_zero(zeroed, 16 * P));
	b = alloc(4 * P, MEMFILE_SCRATCH);
	assert_int_equal(b, a);
	/* And once it is free again, others get it zeroed. */
	memfile_decref(mf, b, 4 * P);
	memfile_trim(mf);
	b = alloc(4 * P, 0);
	assert_true(is_zero(b, 4 * P));
}

static void references_are_counted_by_page(void **state UNUSED)
{
	uint64_t a = alloc(10 * P, 0);

	fill(a, 10 * P, 9);
	assert_true(memfile_is_exclusive(mf, a, 10 * P));
	memfile_incref(mf, a + 3 * P, 4 * P);
	memfile_check(mf);
	assert_false(memfile_is_exclusive(mf, a, 10 * P));
	assert_true(memfile_is_exclusive(mf, a, 3 * P));
	assert_true(memfile_is_exclusive(mf, a + 7 * P, 3 * P));
	assert_false(memfile_is_exclusive(mf, a + 6 * P, 2 * P));
	memfile_decref(mf, a, 10 * P);
	memfile_trim(mf);
	assert_int_equal(used(), 4 * P);
	assert_true(memfile_is_exclusive(mf, a + 3 * P, 4 * P));
	memfile_decref(mf, a + 3 * P, 4 * P);
	memfile_check(mf);
}

static void an_extent_grows_where_it_is_free(void **state UNUSED)
{
	uint64_t a = alloc(4 * P, MEMFILE_BOTTOMUP);

	assert_int_equal(memfile_alloc_at(mf, a + 4 * P, 4 * P, MEMFILE_ANON), 0);
	memfile_check(mf);
	assert_int_equal(memfile_alloc_at(mf, a + 7 * P, 4 * P, MEMFILE_ANON), -EEXIST);
	/* Now one range, of which any part can go. */
	memfile_decref(mf, a + 2 * P, 4 * P);
	memfile_decref(mf, a + 6 * P, 2 * P);
	memfile_decref(mf, a, 2 * P);
	memfile_check(mf);
}

static void large_extents_are_aligned_when_asked(void **state UNUSED)
{
	uint64_t a = alloc(P, 0), b = alloc(3 * MIB, MEMFILE_HUGE);
	uint64_t c = alloc(2 * MIB, MEMFILE_HUGE | MEMFILE_BOTTOMUP);

	assert_int_equal(b % (2 * MIB), 0);
	assert_int_equal(c % (2 * MIB), 0);
	assert_true(a > b && b > c);
}

static void decommit_zeroes_a_live_range(void **state UNUSED)
{
	uint64_t a = alloc(8 * P, 0);
	unsigned char vec[8];

	fill(a, 8 * P, 3);
	memfile_decommit(mf, a + 2 * P, 4 * P);
	assert_int_equal(used(), 4 * P);
	assert_int_equal(memfile_resident(mf, a, 8 * P), 4 * P);
	memfile_incore(mf, a, 8 * P, vec);
	assert_int_equal(vec[1] & 1, 1);
	assert_int_equal(vec[2] & 1, 0);
	assert_true(is_zero(a + 2 * P, 4 * P));
	assert_false(is_zero(a + 6 * P, P));
}

static void the_limit_is_on_what_is_used(void **state UNUSED)
{
	uint64_t a = alloc(100 * MIB, 0);

	assert_int_equal(memfile_limit(mf), 64 * MIB);
	assert_false(memfile_over_limit(mf));
	fill(a, 65 * MIB, 1);
	assert_true(memfile_over_limit(mf));
	memfile_decommit(mf, a, 2 * MIB);
	assert_false(memfile_over_limit(mf));
}

static void the_file_cannot_be_resized(void **state UNUSED)
{
	assert_int_equal(ftruncate(memfile_fd(mf), 0), -1);
	assert_int_equal(ftruncate(memfile_fd(mf), INT64_MAX / 2), -1);
	assert_int_equal(fcntl(memfile_fd(mf), F_GET_SEALS) & (F_SEAL_GROW | F_SEAL_SHRINK),
			 F_SEAL_GROW | F_SEAL_SHRINK);
}

static void no_memory_fails_an_allocation_but_no_reference(void **state UNUSED)
{
#ifdef NACRE_DEBUG
	uint64_t a, b = alloc(8 * P, 0);

	fault_arm("memfile.alloc", 1);
	assert_int_equal(memfile_alloc(mf, P, MEMFILE_ANON, 0, &a), -ENOMEM);
	fault_arm("memfile.alloc", 1);
	assert_int_equal(memfile_alloc_at(mf, 0, P, MEMFILE_ANON), -ENOMEM);
	fault_arm("pool.struct range", 1);
	assert_int_equal(memfile_alloc(mf, P, MEMFILE_ANON, 0, &a), -ENOMEM);
	assert_true(fault_fired());
	for (unsigned i = 1; i <= 2; i++) {
		fault_arm("pool.struct range", i);
		memfile_incref(mf, b + 2 * P, 3 * P);
		memfile_check(mf);
		memfile_decref(mf, b + 2 * P, 3 * P);
		assert_true(fault_fired());
		memfile_check(mf);
	}
#endif
}

/* ---- at random ---- */

#define PAGES 300u

struct slot {
	uint64_t offset;
	unsigned refs[PAGES];
	uint8_t value[PAGES];
	unsigned count;
};

static struct test_random random_state;

static unsigned pick(unsigned below)
{
	return test_pick(&random_state, below);
}

static void slot_alloc(struct slot *s)
{
	unsigned flags = pick(4) | (pick(3) ? 0 : MEMFILE_SCRATCH);
	uint64_t size;

	memset(s, 0, sizeof(*s));
	s->count = 1 + pick(pick(4) ? 20 : PAGES);
	size = s->count * P;
	s->offset = alloc(size, flags);
	if (flags & MEMFILE_SCRATCH)
		fill(s->offset, size, 0);
	assert_true(is_zero(s->offset, size));
	for (unsigned i = 0; i < s->count; i++)
		s->refs[i] = 1;
}

/* The live pages from `at` on, at most max. */
static unsigned run_of(const struct slot *s, unsigned at, unsigned max)
{
	unsigned n = 0;

	while (n < max && at + n < s->count && s->refs[at + n])
		n++;
	return n;
}

static void slot_step(struct slot *s)
{
	unsigned at = pick(s->count), n = run_of(s, at, 1 + pick(s->count));
	bool exclusive = true;

	if (!n)
		return;
	for (unsigned i = at; i < at + n; i++)
		exclusive &= s->refs[i] == 1;
	assert_int_equal(memfile_is_exclusive(mf, s->offset + at * P, n * P), exclusive);
	switch (pick(5)) {
	case 0:
		memfile_incref(mf, s->offset + at * P, n * P);
		for (unsigned i = at; i < at + n; i++)
			s->refs[i]++;
		break;
	case 1:
	case 2:
		memfile_decref(mf, s->offset + at * P, n * P);
		for (unsigned i = at; i < at + n; i++)
			s->refs[i]--;
		break;
	case 3:
		*(uint8_t *)memfile_addr(mf, s->offset + at * P) = s->value[at] =
			(uint8_t)pick(256);
		break;
	default:
		memfile_decommit(mf, s->offset + at * P, n * P);
		memset(s->value + at, 0, n);
	}
	memfile_check(mf);
}

static void slot_check(const struct slot *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (s->refs[i])
			assert_int_equal(*(uint8_t *)memfile_addr(mf, s->offset + i * P),
					 s->value[i]);
	}
}

static bool slot_is_dead(const struct slot *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (s->refs[i])
			return false;
	}
	return true;
}

static void random_references_agree_with_a_table(void **state UNUSED)
{
	static struct slot slots[8];

	test_random_init(&random_state, "memfile", 1000000);
	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++)
		slot_alloc(&slots[i]);
	while (test_random_goes_on(&random_state)) {
		struct slot *s = &slots[pick(ARRAY_SIZE(slots))];

		slot_step(s);
		if (slot_is_dead(s))
			slot_alloc(s);
		else if (pick(16) == 0)
			slot_check(s);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
		slot_check(&slots[i]);
		for (unsigned j = 0; j < slots[i].count; j++) {
			while (slots[i].refs[j]--)
				memfile_decref(mf, slots[i].offset + j * P, P);
		}
	}
	memfile_trim(mf);
	memfile_check(mf);
	assert_int_equal(used(), 0);
}

/* ---- threads ---- */

static void *alloc_and_free(void *arg)
{
	uint8_t mark = *(uint8_t *)arg;

	for (int i = 0; i < 2000; i++) {
		uint64_t a, size = (1 + (uint64_t)i % 40) * P;

		assert_int_equal(memfile_alloc(mf, size, MEMFILE_ANON, 0, &a), 0);
		for (uint64_t at = 0; at < size; at += P) {
			uint8_t *byte = (uint8_t *)memfile_addr(mf, a + at);

			assert_int_equal(*byte, 0);
			*byte = mark;
		}
		memfile_incref(mf, a, size);
		memfile_decref(mf, a, size);
		for (uint64_t at = 0; at < size; at += P)
			assert_int_equal(*(uint8_t *)memfile_addr(mf, a + at), mark);
		memfile_decref(mf, a, size);
	}
	return NULL;
}

static void threads_get_memory_of_their_own(void **state UNUSED)
{
	uint8_t marks[3] = { 1, 2, 3 };
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, alloc_and_free, &marks[i]), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	memfile_check(mf);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_handed_out_reads_as_zeros),
		TEST(memory_returns_to_the_host),
		TEST(small_frees_are_bounded),
		TEST(scratch_reuses_what_was_freed),
		TEST(references_are_counted_by_page),
		TEST(an_extent_grows_where_it_is_free),
		TEST(large_extents_are_aligned_when_asked),
		TEST(decommit_zeroes_a_live_range),
		TEST(the_limit_is_on_what_is_used),
		TEST(the_file_cannot_be_resized),
		TEST(no_memory_fails_an_allocation_but_no_reference),
		TEST(random_references_agree_with_a_table),
		TEST(threads_get_memory_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
