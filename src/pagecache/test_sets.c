/* Range sets against a bitmap; the error sequence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/hash.h"
#include "pagecache/errseq.h"
#include "pagecache/rangeset.h"

#define N 64u

static void check(const struct rangeset *s, const bool *model)
{
	uint64_t from, to, size = 0, pieces = 0;

	for (uint64_t i = 0; i < N; i++) {
		size += model[i];
		pieces += model[i] && (i == 0 || !model[i - 1]);
		assert_int_equal(rangeset_intersects(s, i, i + 1), model[i]);
		if (rangeset_first(s, i, N, &from, &to)) {
			for (uint64_t k = i; k < from; k++)
				assert_false(model[k]);
			for (uint64_t k = from; k < to; k++)
				assert_true(model[k]);
			assert_true(to == N || !model[to]);
		}
	}
	assert_int_equal(rangeset_size(s), size);
	assert_int_equal(s->ranges.count, pieces);
	assert_int_equal(rangeset_is_empty(s), size == 0);
}

static void a_range_set_agrees_with_a_bitmap(void **state)
{
	struct range_node *spare = NULL;
	bool model[N] = { false };
	struct rangeset s;

	(void)state;
	rangeset_init(&s);
	for (uint64_t i = 0; i < 20000; i++) {
		uint64_t r = hash_u64(i + 1), a = r % N, b = a + 1 + (r >> 16) % 9;

		b = MIN(b, (uint64_t)N);
		if (!spare)
			spare = range_node_alloc();
		if ((r >> 32) % 2)
			rangeset_add(&s, a, b, &spare);
		else
			rangeset_remove(&s, a, b, &spare);
		memset(model + a, (r >> 32) % 2 != 0, b - a);
		if (i % 7 == 0)
			check(&s, model);
	}
	range_node_free(spare);
	rangeset_fini(&s);
}

static void each_descriptor_sees_an_error_once(void **state)
{
	struct errseq e = { 0 };
	atomic_uint a = errseq_sample(&e), b = errseq_sample(&e), late;

	(void)state;
	assert_int_equal(errseq_check(&e, &a), 0);
	errseq_set(&e, -ENOSPC);
	assert_int_equal(errseq_check(&e, &a), -ENOSPC);
	assert_int_equal(errseq_check(&e, &a), 0);
	assert_int_equal(errseq_check(&e, &b), -ENOSPC);
	assert_int_equal(errseq_check(&e, &b), 0);
	/* The same error anew is another one. */
	errseq_set(&e, -ENOSPC);
	late = errseq_sample(&e);
	assert_int_equal(errseq_check(&e, &a), -ENOSPC);
	/* Nobody had seen it when `late` was opened. */
	assert_int_equal(errseq_check(&e, &late), -ENOSPC);
	/* Now somebody has: not the affair of those who come later. */
	late = errseq_sample(&e);
	assert_int_equal(errseq_check(&e, &late), 0);
	errseq_set(&e, -EIO);
	errseq_set(&e, -ENOSPC);
	assert_int_equal(errseq_check(&e, &late), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_set_agrees_with_a_bitmap),
		cmocka_unit_test(each_descriptor_sees_an_error_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
