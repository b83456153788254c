/* The uio cursor and block copies, with a copying primitive that can fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "memmap/block.h"

/* ---- a copy that faults at one address ---- */

static const char *fault_at;

static size_t faulty_copy(void *dst, const void *src, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((const char *)src + i == fault_at || (char *)dst + i == fault_at)
			return n - i;
		((char *)dst)[i] = ((const char *)src)[i];
	}
	return 0;
}

static int use_faulty_copy(void **state UNUSED)
{
	fault_at = NULL;
	block_safecopy = faulty_copy;
	return 0;
}

/* ---- a uio that pins at most a few bytes of its segments at a time ---- */

static unsigned pinned, pins, fail_pin;

static ssize_t stingy_pin(struct uio *u, size_t want, struct block *blk, unsigned max,
			  unsigned *count)
{
	uint64_t left;

	assert_false(pinned);
	assert_true(max >= 1);
	if (fail_pin && ++pins == fail_pin)
		return -EFAULT;
	while (u->segs[u->seg].size == u->seg_done) {
		u->seg++;
		u->seg_done = 0;
	}
	left = u->segs[u->seg].size - u->seg_done;
	blk[0].base = (char *)(uintptr_t)u->segs[u->seg].base + u->seg_done;
	blk[0].size = MIN(MIN((size_t)left, want), (size_t)3);
	*count = 1;
	pinned = 1;
	return (ssize_t)blk[0].size;
}

static void stingy_unpin(struct uio *u UNUSED)
{
	assert_true(pinned);
	pinned = 0;
}

static const struct uio_ops stingy_ops = { stingy_pin, stingy_unpin };

static void stingy_init(struct uio *u, const struct uio_seg *segs, unsigned nsegs)
{
	*u = (struct uio){ .ops = &stingy_ops, .segs = segs, .nsegs = nsegs };
	for (unsigned i = 0; i < nsegs; i++)
		u->remaining += segs[i].size;
	pinned = pins = fail_pin = 0;
}

/* ---- tests ---- */

static void a_kernel_uio_moves_bytes_and_advances(void **state UNUSED)
{
	char buf[8] = "abcdefg", out[8] = "";
	struct uio_seg seg;
	struct uio u;

	uio_init_kernel(&u, &seg, UIO_FROM_USER, buf, 7);
	assert_int_equal(uio_read(&u, out, 3), 3);
	assert_int_equal(u.remaining, 4);
	assert_int_equal(uio_read(&u, out + 3, 100), 4);
	assert_string_equal(out, "abcdefg");
	assert_int_equal(uio_read(&u, out, 1), 0);

	uio_init_kernel(&u, &seg, UIO_TO_USER, buf, 7);
	assert_int_equal(uio_write(&u, "XY", 2), 2);
	assert_int_equal(uio_zero(&u, 2), 2);
	assert_memory_equal(buf, "XY\0\0efg", 7);
}

static void a_cursor_crosses_empty_and_short_segments(void **state UNUSED)
{
	char a[4] = "", b[6] = "";
	struct uio_seg segs[] = {
		{ (uintptr_t)a, 0 }, { (uintptr_t)a, 4 }, { 0, 0 }, { (uintptr_t)b, 5 }, { 0, 0 },
	};
	struct uio u;

	stingy_init(&u, segs, ARRAY_SIZE(segs));
	assert_int_equal(uio_write(&u, "123456789X", 10), 9);
	assert_memory_equal(a, "1234", 4);
	assert_memory_equal(b, "56789", 5);
	assert_int_equal(u.remaining, 0);
	assert_false(pinned);
}

static void a_fault_gives_a_short_count_and_then_an_error(void **state UNUSED)
{
	char buf[10] = "", src[] = "0123456789";
	struct uio_seg seg = { (uintptr_t)buf, 10 };
	struct uio u;

	stingy_init(&u, &seg, 1);
	fault_at = buf + 4;
	assert_int_equal(uio_write(&u, src, 10), 4);
	assert_int_equal(u.remaining, 6);
	assert_false(pinned);
	assert_int_equal(uio_write(&u, src, 6), -EFAULT);
	assert_int_equal(u.remaining, 6);
}

static void a_pin_that_fails_is_a_short_count_too(void **state UNUSED)
{
	char buf[10] = "", src[] = "0123456789";
	struct uio_seg seg = { (uintptr_t)buf, 10 };
	struct uio u;

	stingy_init(&u, &seg, 1);
	fail_pin = 2;
	assert_int_equal(uio_write(&u, src, 10), 3);
	stingy_init(&u, &seg, 1);
	fail_pin = 1;
	assert_int_equal(uio_write(&u, src, 10), -EFAULT);
}

static void block_lists_of_other_shapes_are_copied(void **state UNUSED)
{
	char src[] = "abcdefghij", dst[11] = "";
	struct block from[] = { { src, 1 }, { src + 1, 0 }, { src + 1, 6 }, { src + 7, 3 } };
	struct block to[] = { { dst, 4 }, { dst + 4, 1 }, { dst + 5, 5 } };

	assert_int_equal(block_copy(to, 3, from, 4), 10);
	assert_string_equal(dst, src);
	assert_int_equal(block_copy(to, 1, from, 4), 4);
	assert_int_equal(block_copy(to, 3, from, 0), 0);
	memset(dst, 0, sizeof(dst));
	fault_at = src + 5;
	assert_int_equal(block_copy(to, 3, from, 4), 5);
	assert_string_equal(dst, "abcde");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_kernel_uio_moves_bytes_and_advances, use_faulty_copy),
		cmocka_unit_test_setup(a_cursor_crosses_empty_and_short_segments, use_faulty_copy),
		cmocka_unit_test_setup(a_fault_gives_a_short_count_and_then_an_error,
				       use_faulty_copy),
		cmocka_unit_test_setup(a_pin_that_fails_is_a_short_count_too, use_faulty_copy),
		cmocka_unit_test_setup(block_lists_of_other_shapes_are_copied, use_faulty_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
