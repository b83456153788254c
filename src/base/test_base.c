/* The small parts: reference counts, pools, fault points, log, hashes, bitmaps. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bitmap.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/refcount.h"

static void last_put_says_so(void **state)
{
	struct refcount r;

	(void)state;
	refcount_init(&r, 1);
	refcount_get(&r);
	assert_true(refcount_get_not_zero(&r));
	assert_int_equal(refcount_read(&r), 3);
	assert_false(refcount_put(&r));
	assert_false(refcount_put(&r));
	assert_true(refcount_put(&r));
	assert_false(refcount_get_not_zero(&r));
}

static void saturated_count_never_ends(void **state)
{
	struct refcount r;

	(void)state;
	refcount_init(&r, REFCOUNT_SATURATED);
	refcount_get(&r);
	assert_int_equal(refcount_read(&r), REFCOUNT_SATURATED);
	assert_false(refcount_put(&r));
	assert_int_equal(refcount_read(&r), REFCOUNT_SATURATED);
}

struct thing {
	uint64_t words[9];
};

struct huge {
	char bytes[20000];
};

static POOL_DEFINE(thing_pool, struct thing);
static POOL_DEFINE(huge_pool, struct huge);

static void find_things(const struct pool *p, size_t live, void *arg)
{
	if (p == &thing_pool)
		*(size_t *)arg = live;
}

static void pool_gives_zeroed_distinct_objects(void **state)
{
	enum { COUNT = 1000 };
	struct thing *things[COUNT];
	const struct thing zero = { .words = { 0 } };
	size_t live = 0;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < COUNT; i++) {
			things[i] = pool_alloc(&thing_pool);
			assert_non_null(things[i]);
			assert_memory_equal(things[i], &zero, sizeof(zero));
			assert_int_equal((uintptr_t)things[i] % 16, 0);
			memset(things[i], i + 1, sizeof(*things[i]));
		}
		for (int i = 0; i < COUNT; i++)
			assert_int_equal(*(unsigned char *)things[i], (i + 1) & 0xff);
		pool_for_each(find_things, &live);
		assert_int_equal(live, COUNT);
		for (int i = 0; i < COUNT; i++)
			pool_free(&thing_pool, things[i]);
	}
	pool_for_each(find_things, &live);
	assert_int_equal(live, 0);
	pool_free(&thing_pool, NULL);
}

static void large_objects_have_pools_too(void **state)
{
	struct huge *h = pool_alloc(&huge_pool);

	(void)state;
	assert_non_null(h);
	assert_int_equal(h->bytes[sizeof(h->bytes) - 1], 0);
	assert_int_equal(huge_pool.live, 1);
	pool_free(&huge_pool, h);
	assert_int_equal(huge_pool.live, 0);
}

#ifdef NACRE_DEBUG

static bool passes(void)
{
	return !FAULT_POINT("test.point");
}

static void nth_passing_fails_once(void **state)
{
	(void)state;
	assert_true(passes());
	fault_arm("test.point", 2);
	assert_true(passes());
	assert_false(fault_fired());
	assert_false(passes());
	assert_true(fault_fired());
	assert_true(passes());
	fault_arm("test.other", 1);
	assert_true(passes());
	fault_arm(NULL, 1);
	assert_false(passes());
	fault_arm("test.point", 1);
	fault_arm("test.point", 0);
	assert_true(passes());
}

static void a_pool_has_a_limit(void **state UNUSED)
{
	struct thing *first = NULL, *t;
	struct huge *h;
	size_t count = 0;

	pool_set_limit(0);
	h = pool_alloc(&huge_pool);
	assert_null(h);
	pool_set_limit(sizeof(struct huge));
	h = pool_alloc(&huge_pool);
	assert_non_null(h);
	assert_null(pool_alloc(&huge_pool));
	pool_free(&huge_pool, h);
	/* Objects that there are already can be had. */
	pool_set_limit(0);
	while ((t = pool_alloc(&thing_pool))) {
		memcpy((void *)t, &first, sizeof(struct thing *));
		first = t;
		count++;
	}
	while (first) {
		t = first;
		memcpy(&first, (const void *)t, sizeof(struct thing *));
		pool_free(&thing_pool, t);
	}
	pool_set_limit(SIZE_MAX);
	t = pool_alloc(&thing_pool);
	assert_non_null(t);
	pool_free(&thing_pool, t);
	assert_true(count < 10000);
}

static void pool_allocation_can_be_made_to_fail(void **state)
{
	struct thing *t;

	(void)state;
	fault_arm("pool.struct thing", 1);
	assert_null(pool_alloc(&thing_pool));
	assert_true(fault_fired());
	t = pool_alloc(&thing_pool);
	assert_non_null(t);
	pool_free(&thing_pool, t);
}

#endif

static size_t read_back(int fd, char *text, size_t size)
{
	ssize_t got = pread(fd, text, size - 1, 0);

	assert_true(got >= 0);
	text[got] = '\0';
	return (size_t)got;
}

static void log_writes_lines_up_to_its_level(void **state)
{
	FILE *file = tmpfile();
	char text[8192], longer[4000];
	int fd;

	(void)state;
	assert_non_null(file);
	fd = fileno(file);
	log_init(fd, LOG_INFO);
	log_info("seven is %d", 7);
	log_debug("not shown");
	read_back(fd, text, sizeof(text));
	assert_non_null(strstr(text, " info: seven is 7\n"));
	assert_null(strstr(text, "not shown"));
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	log_warn("%s", longer);
	read_back(fd, text, sizeof(text));
	assert_non_null(strstr(text, "xxx...\n"));
	log_init(-1, LOG_DEBUG);
	log_error("to nobody");
	fclose(file);
}

static void log_levels_have_names(void **state)
{
	(void)state;
	assert_int_equal(log_level_parse("error"), LOG_ERROR);
	assert_int_equal(log_level_parse("debug"), LOG_DEBUG);
	assert_int_equal(log_level_parse("loud"), -EINVAL);
}

static void bitmap_finds_bits(void **state)
{
	uint64_t map[BITMAP_WORDS(130)] = { 0 };

	(void)state;
	assert_int_equal(bitmap_find_set(map, 130, 0), 130);
	bitmap_set(map, 3);
	bitmap_set(map, 64);
	bitmap_set(map, 129);
	assert_int_equal(bitmap_find_set(map, 130, 0), 3);
	assert_int_equal(bitmap_find_set(map, 130, 4), 64);
	assert_int_equal(bitmap_find_set(map, 130, 65), 129);
	assert_int_equal(bitmap_find_set(map, 129, 65), 129);
	assert_int_equal(bitmap_find_clear(map, 130, 3), 4);
	bitmap_clear(map, 64);
	assert_false(bitmap_test(map, 64));
	assert_true(bitmap_test(map, 129));
	assert_int_equal(bitmap_find_clear(map, 130, 130), 130);
}

static void hash_depends_on_every_byte_and_the_key(void **state)
{
	struct hash_key old = hash_key;
	char text[] = "the quick brown fox";
	uint64_t first = hash_string(text);

	(void)state;
	assert_true(first == hash_bytes(text, strlen(text)));
	for (size_t i = 0; text[i]; i++) {
		text[i] ^= 1;
		assert_true(hash_string(text) != first);
		text[i] ^= 1;
	}
	assert_true(hash_bytes("", 0) != hash_bytes("\0", 1));
	hash_key.k0 ^= 1;
	assert_true(hash_string(text) != first);
	hash_key = old;
	assert_true(hash_string(text) == first);
	assert_true(hash_u64(1) != hash_u64(2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_put_says_so),
		cmocka_unit_test(saturated_count_never_ends),
		cmocka_unit_test(pool_gives_zeroed_distinct_objects),
		cmocka_unit_test(large_objects_have_pools_too),
#ifdef NACRE_DEBUG
		cmocka_unit_test(nth_passing_fails_once),
		cmocka_unit_test(a_pool_has_a_limit),
		cmocka_unit_test(pool_allocation_can_be_made_to_fail),
#endif
		cmocka_unit_test(log_writes_lines_up_to_its_level),
		cmocka_unit_test(log_levels_have_names),
		cmocka_unit_test(bitmap_finds_bits),
		cmocka_unit_test(hash_depends_on_every_byte_and_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
