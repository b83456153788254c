/* Shared memory: one block, or pages that lie anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "abi/errno.h"
#include "base/fault.h"
#include "uring/sharedbuf.h"

#define NPAGES 4

static char *pages;

static int setup(void **state)
{
	(void)state;
	pages = aligned_alloc(PAGE_SIZE, NPAGES * PAGE_SIZE);
	if (!pages)
		return -1;
	for (size_t i = 0; i < NPAGES * PAGE_SIZE; i++)
		pages[i] = (char)(i / PAGE_SIZE * 31 + i);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sharedbuf_force_slow = false;
	free(pages);
	return 0;
}

static struct block page_at(unsigned i, unsigned count)
{
	return (struct block){ pages + i * PAGE_SIZE, count * PAGE_SIZE };
}

/* Every offset leads to where the block that holds it says. */
static void one_block_and_its_pages_look_alike(void **state)
{
	const struct block blk[] = { page_at(0, 1), page_at(1, 2), page_at(3, 1) };
	struct sharedbuf fast, slow;

	(void)state;
	assert_int_equal(sharedbuf_init(&fast, blk, 3), 0);
	assert_non_null(fast.base);
	sharedbuf_force_slow = true;
	assert_int_equal(sharedbuf_init(&slow, blk, 3), 0);
	assert_null(slow.base);
	assert_int_equal(fast.size, slow.size);
	for (uint64_t off = 0; off < fast.size; off += 16)
		assert_ptr_equal(sharedbuf_at(&fast, off, 16), sharedbuf_at(&slow, off, 16));
	sharedbuf_fini(&fast);
	sharedbuf_fini(&slow);
}

static void pages_in_any_order_are_contiguous(void **state)
{
	const struct block blk[] = { page_at(2, 2), page_at(0, 1) };
	struct sharedbuf sb;

	(void)state;
	assert_int_equal(sharedbuf_init(&sb, blk, 2), 0);
	assert_null(sb.base);
	assert_ptr_equal(sharedbuf_at(&sb, 0, 8), pages + 2 * PAGE_SIZE);
	assert_ptr_equal(sharedbuf_at(&sb, PAGE_SIZE + 8, 8), pages + 3 * PAGE_SIZE + 8);
	assert_ptr_equal(sharedbuf_at(&sb, 3 * PAGE_SIZE - 8, 8), pages + PAGE_SIZE - 8);
	shared_store_release(sharedbuf_at(&sb, 2 * PAGE_SIZE, 4), 77);
	assert_int_equal(shared_load_acquire(pages), 77);
	sharedbuf_fini(&sb);
}

static void no_memory_is_said(void **state)
{
	const struct block blk[] = { page_at(1, 1), page_at(0, 1) };
	struct sharedbuf sb;

	(void)state;
	fault_arm("uring.sharedbuf", 1);
	assert_int_equal(sharedbuf_init(&sb, blk, 2), -ENOMEM);
	assert_true(fault_fired());
	sharedbuf_fini(&sb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_block_and_its_pages_look_alike, setup,
						teardown),
		cmocka_unit_test_setup_teardown(pages_in_any_order_are_contiguous, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory_is_said, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
