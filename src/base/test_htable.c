#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/htable.h"

struct item {
	struct hnode link;
	uint64_t key;
	bool is_in;
};

#define ITEMS 5000u

static struct item *find(struct htable *t, uint64_t hash, uint64_t key)
{
	htable_for_each(n, t, hash)
	{
		struct item *it = container_of(n, struct item, link);

		if (it->key == key)
			return it;
	}
	return NULL;
}

static uint64_t hash_of(uint64_t key)
{
	return hash_u64(key / 3); /* some have equal hashes */
}

static void check(struct htable *t, struct item *items)
{
	size_t there = 0, seen = 0;

	for (uint64_t i = 0; i < ITEMS; i++) {
		assert_ptr_equal(find(t, hash_of(i), i), items[i].is_in ? &items[i] : NULL);
		there += items[i].is_in;
	}
	assert_int_equal(t->count, there);
	htable_for_all(n, t) seen++;
	assert_int_equal(seen, there);
}

static void fill(struct htable *t, struct item *items)
{
	for (uint64_t i = 0; i < ITEMS; i++) {
		items[i] = (struct item){ .key = i, .is_in = true };
		htable_insert(t, &items[i].link, hash_of(i));
	}
}

static void every_node_is_found_until_removed(void **state)
{
	struct item *items = calloc(ITEMS, sizeof(*items));
	struct htable t;

	(void)state;
	htable_init(&t);
	assert_null(htable_any(&t));
	fill(&t, items);
	assert_true(t.size > HTABLE_FIRST_BUCKETS);
	check(&t, items);
	for (uint64_t i = 0; i < ITEMS; i += 2) {
		htable_remove(&t, &items[i].link);
		htable_remove(&t, &items[i].link);
		items[i].is_in = false;
	}
	check(&t, items);
	htable_for_all(n, &t) htable_remove(&t, n);
	assert_int_equal(t.count, 0);
	assert_null(htable_any(&t));
	htable_fini(&t);
	free(items);
}

static void without_memory_it_stays_small_and_right(void **state)
{
	struct item *items = calloc(ITEMS, sizeof(*items));
	struct htable t;

	(void)state;
	htable_init(&t);
	fault_arm("htable.grow", 1);
	fill(&t, items);
	assert_true(fault_fired());
	check(&t, items);
	htable_fini(&t);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_node_is_found_until_removed),
		cmocka_unit_test(without_memory_it_stays_small_and_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
