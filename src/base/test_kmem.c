#include "base/kmem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void nothing_beyond_the_limit(void **state UNUSED)
{
	void *a, *b;

	kmem_set_limit(10000);
	a = kmem_alloc(6000);
	assert_non_null(a);
	memset(a, 1, 6000);
	assert_null(kmem_alloc(6000));
	assert_true(kmem_is_tight());
	b = kmem_zalloc(3000);
	assert_non_null(b);
	assert_int_equal(*(char *)b, 0);
	kmem_free(a);
	a = kmem_alloc(6000);
	assert_non_null(a);
	kmem_free(a);
	kmem_free(b);
	kmem_free(NULL);
	assert_false(kmem_is_tight());
	assert_null(kmem_alloc(20000));
}

static void one_use_leaves_the_others_theirs(void **state UNUSED)
{
	void *a, *b;

	kmem_set_limit(10000);
	a = kmem_alloc_for(KMEM_QUEUES, 9000);
	b = kmem_alloc_for(KMEM_NAMES, 9000);
	assert_non_null(a);
	assert_non_null(b);
	assert_null(kmem_zalloc_for(KMEM_NAMES, 2000));
	kmem_free_for(KMEM_NAMES, b);
	assert_true(kmem_is_tight());
	b = kmem_zalloc_for(KMEM_NAMES, 2000);
	assert_non_null(b);
	kmem_free_for(KMEM_NAMES, b);
	kmem_free_for(KMEM_QUEUES, a);
	assert_false(kmem_is_tight());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_beyond_the_limit),
		cmocka_unit_test(one_use_leaves_the_others_theirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
