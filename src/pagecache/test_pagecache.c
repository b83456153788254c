/* The cache of one file: what each call does, in each mode, also when it fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/falloc.h>
#include <time.h>
#include <unistd.h>

#include "host/host.h"
#include "host/safecopy.h"
#include "pagecache/testlib_backend.h"

#define P PAGE_SIZE
#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)

static struct memfile *mf;
static struct pagecache_set *set;
static struct fake_backend back;
static struct pagecache *pc;
static uint8_t buf[4 * 1024 * 1024];

/* ---- a file ---- */

static uint8_t pattern(uint64_t i)
{
	return (uint8_t)(i * 7 + (i >> 8) + (i >> 12) * 3 + 1);
}

static const struct pagecache_limits test_limits = {
	.background = UINT64_MAX, /* nothing on its own */
	.hard = UINT64_MAX,
	.age_ns = (uint64_t)3600 * 1000000000,
	.readahead = MIB,
};

static void begin_with(enum pagecache_mode mode, uint64_t size, const struct pagecache_limits *lim)
{
	block_safecopy = safecopy;
	block_safezero = safecopy_zero;
	safecopy_init(); /* over cmocka's own handlers, which it sets for each test */
	assert_int_equal(memfile_create(0, &mf), 0);
	assert_int_equal(pagecache_set_create(mf, lim, &set), 0);
	fake_init(&back);
	back.size = size;
	for (uint64_t i = 0; i < size; i++)
		back.bytes[i] = pattern(i);
	assert_int_equal(pagecache_create(set, &fake_ops, &back, NULL, mode, size, &pc), 0);
}

static void begin(enum pagecache_mode mode, uint64_t size)
{
	begin_with(mode, size, &test_limits);
}

static void end(void)
{
	struct memfile_stats st;

	pagecache_check(pc);
	assert_int_equal(pagecache_set_sync(set, NULL), 0);
	/* Background reads hold a reference. */
	while (atomic_load(&back.refs))
		usleep(100);
	assert_int_equal(pagecache_set_dirty(set), 0);
	pagecache_destroy(pc);
	pagecache_set_destroy(set);
	fake_fini(&back);
	memfile_get_stats(mf, &st);
	assert_int_equal(st.allocated[MEMFILE_PAGECACHE], 0);
	memfile_check(mf);
	memfile_destroy(mf);
}

static ssize_t read_at(uint64_t pos, size_t n, unsigned flags)
{
	struct uio_seg seg;
	struct uio u;

	memset(buf, 0xee, n);
	uio_init_kernel(&u, &seg, UIO_TO_USER, buf, n);
	return pagecache_read(pc, &u, pos, NULL, flags);
}

static ssize_t write_at(uint64_t pos, const void *bytes, size_t n, unsigned flags)
{
	struct uio_seg seg;
	struct uio u;

	uio_init_kernel(&u, &seg, UIO_FROM_USER, (void *)(uintptr_t)bytes, n);
	return pagecache_write(pc, &u, pos, flags, 0);
}

static ssize_t fill_at(uint64_t pos, uint8_t value, size_t n, unsigned flags)
{
	memset(buf, value, n);
	return write_at(pos, buf, n, flags);
}

static void assert_pattern(const uint8_t *at, uint64_t pos, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(at[i], pattern(pos + i));
}

static void assert_all(const uint8_t *at, uint8_t value, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(at[i], value);
}

static uint64_t cached(void)
{
	uint64_t c, d;

	pagecache_count(pc, &c, &d);
	return c;
}

static uint64_t dirty(void)
{
	uint64_t c, d;

	pagecache_count(pc, &c, &d);
	return d;
}

static uint64_t size(void)
{
	uint64_t s;

	assert_int_equal(pagecache_size(pc, &s), 0);
	return s;
}

/* ---- reading ---- */

static void a_read_asks_the_backend_once(void **state)
{
	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 10 * P + 100);
	assert_int_equal(read_at(P + 10, 3 * P, 0), 3 * P);
	assert_pattern(buf, P + 10, 3 * P);
	assert_int_equal(fake_calls(&back, FAKE_READ), 1);
	assert_int_equal(cached(), 4 * P);
	assert_int_equal(read_at(2 * P, 2 * P, 0), 2 * P);
	assert_int_equal(fake_calls(&back, FAKE_READ), 1);
	assert_int_equal(read_at(9 * P, 5 * P, 0), P + 100);
	assert_pattern(buf, 9 * P, P + 100);
	assert_int_equal(read_at(10 * P + 100, 10, 0), 0);
	assert_int_equal(read_at(100 * P, 10, 0), 0);
	end();
}

static void a_read_that_may_not_wait_gets_what_is_cached(void **state)
{
	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 8 * P);
	assert_int_equal(read_at(0, P, PAGECACHE_NOWAIT), -EAGAIN);
	assert_int_equal(read_at(0, P, 0), P);
	assert_int_equal(read_at(0, 2 * P, PAGECACHE_NOWAIT), P);
	assert_int_equal(write_at(4 * P, "x", 1, PAGECACHE_NOWAIT), -EAGAIN);
	assert_int_equal(write_at(3, "x", 1, PAGECACHE_NOWAIT), 1);
	assert_int_equal(back.bytes[3], pattern(3));
	end();
}

static void a_stream_is_read_ahead(void **state)
{
	struct pagecache_ra ra = { 0 };
	unsigned calls;

	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 6 * MIB);
	for (uint64_t pos = 0; pos < 6 * MIB; pos += 16 * KIB) {
		struct uio_seg seg;
		struct uio u;

		uio_init_kernel(&u, &seg, UIO_TO_USER, buf, 16 * KIB);
		assert_int_equal(pagecache_read(pc, &u, pos, &ra, 0), 16 * KIB);
		assert_pattern(buf, pos, 16 * KIB);
	}
	calls = fake_calls(&back, FAKE_READ);
	/* 384 reads; windows of 128 KiB that double to 1 MiB. */
	assert_true(calls < 30);
	assert_true(atomic_load(&ra.window) >= MIB);
	end();
}

static void reads_here_and_there_fetch_only_what_they_need(void **state)
{
	struct pagecache_ra ra = { 0 };

	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 6 * MIB);
	for (uint64_t i = 1; i < 40; i++) {
		struct uio_seg seg;
		struct uio u;

		uio_init_kernel(&u, &seg, UIO_TO_USER, buf, P);
		assert_int_equal(pagecache_read(pc, &u, (i * 37 % 40) * 32 * P, &ra, 0), P);
	}
	assert_int_equal(cached(), 39 * P);
	pagecache_will_need(pc, 0, MIB);
	while (cached() < MIB)
		usleep(100);
	end();
}

static void errors_of_reads_reach_who_needs_the_bytes(void **state)
{
	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 8 * P);
	fake_fail(&back, FAKE_READ, -EIO, 1);
	assert_int_equal(read_at(0, P, 0), -EIO);
	assert_int_equal(cached(), 0);
	assert_int_equal(read_at(0, P, 0), P);
	fake_fail(&back, FAKE_READ, -ESTALE, 1);
	assert_int_equal(read_at(0, 2 * P, 0), P);
	atomic_store(&back.lies, true);
	assert_int_equal(read_at(4 * P, P, 0), -EIO);
	atomic_store(&back.lies, false);
	end();
}

static void a_backend_that_ends_early_reads_as_zeros(void **state)
{
	(void)state;
	begin(PAGECACHE_WRITETHROUGH, 8 * P);
	back.size = 3 * P + 5; /* it shrank, and we were not told */
	assert_int_equal(read_at(0, 8 * P, 0), 8 * P);
	assert_pattern(buf, 0, 3 * P + 5);
	assert_all(buf + 3 * P + 5, 0, 5 * P - 5);
	back.size = 8 * P;
	end();
}

/* ---- writing ---- */

static void writes_are_kept_until_flushed(void **state)
{
	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 4 * P);
	assert_int_equal(write_at(P + 5, "hello", 5, 0), 5);
	assert_int_equal(fake_calls(&back, FAKE_READ), 1); /* the rest of the page */
	assert_int_equal(fake_calls(&back, FAKE_WRITE), 0);
	assert_int_equal(dirty(), P);
	assert_int_equal(read_at(P, 12, 0), 12);
	assert_memory_equal(buf + 5, "hello", 5);
	assert_pattern(buf, P, 5);
	assert_pattern(buf + 10, P + 10, 2);
	assert_int_equal(pagecache_flush(pc, 0, UINT64_MAX), 0);
	assert_int_equal(dirty(), 0);
	assert_memory_equal(back.bytes + P + 5, "hello", 5);
	assert_int_equal(back.size, 4 * P);
	end();
}

static void whole_pages_are_written_without_reading(void **state)
{
	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 64 * P);
	assert_int_equal(fill_at(8 * P, 1, 16 * P, 0), 16 * P);
	assert_int_equal(fake_calls(&back, FAKE_READ), 0);
	/* Past the end there is nothing to read either. */
	assert_int_equal(write_at(64 * P, "tail", 4, 0), 4);
	assert_int_equal(write_at(64 * P + 4, "more", 4, 0), 4);
	assert_int_equal(fake_calls(&back, FAKE_READ), 0);
	assert_int_equal(size(), 64 * P + 8);
	/* Two parts and whole pages between. */
	assert_int_equal(fill_at(40 * P + 100, 2, 3 * P, 0), 3 * P);
	assert_int_equal(fake_calls(&back, FAKE_READ), 2);
	assert_int_equal(read_at(40 * P, 4 * P, 0), 4 * P);
	assert_pattern(buf, 40 * P, 100);
	assert_all(buf + 100, 2, 3 * P);
	assert_pattern(buf + 3 * P + 100, 43 * P + 100, P - 100);
	assert_int_equal(pagecache_flush(pc, 0, UINT64_MAX), 0);
	assert_int_equal(back.size, 64 * P + 8);
	assert_memory_equal(back.bytes + 64 * P, "tailmore", 8);
	assert_all(back.bytes + 8 * P, 1, 16 * P);
	end();
}

static void a_gap_left_by_a_write_past_the_end_reads_as_zeros(void **state)
{
	(void)state;
	begin(PAGECACHE_EXCLUSIVE, P + 10);
	assert_int_equal(read_at(P, P, 0), 10);
	assert_int_equal(write_at(5 * P + 7, "x", 1, 0), 1);
	assert_int_equal(size(), 5 * P + 8);
	assert_int_equal(read_at(0, 8 * P, 0), 5 * P + 8);
	assert_pattern(buf, 0, P + 10);
	assert_all(buf + P + 10, 0, 4 * P - 3);
	assert_int_equal(buf[5 * P + 7], 'x');
	assert_int_equal(pagecache_seek(pc, 2 * P, SEEK_DATA), 5 * P);
	assert_int_equal(pagecache_seek(pc, 0, SEEK_HOLE), 2 * P);
	assert_int_equal(pagecache_seek(pc, 5 * P, SEEK_HOLE), 5 * P + 8);
	assert_int_equal(pagecache_seek(pc, 6 * P, SEEK_DATA), -ENXIO);
	end();
}

static void a_page_that_cannot_be_read_can_still_be_written(void **state)
{
	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 4 * P);
	fake_fail(&back, FAKE_READ, -EACCES, UINT32_MAX); /* open for writing only */
	assert_int_equal(write_at(10, "abc", 3, 0), 3);
	assert_memory_equal(back.bytes + 10, "abc", 3);
	assert_int_equal(dirty(), 0);
	fake_fail(&back, FAKE_READ, 0, 0);
	assert_int_equal(read_at(0, P, 0), P);
	assert_memory_equal(buf + 10, "abc", 3);
	end();
}

static void what_cannot_be_written_back_stays_dirty(void **state)
{
	atomic_uint since, other;

	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 4 * P);
	since = errseq_sample(pagecache_errors(pc));
	other = since;
	assert_int_equal(fill_at(0, 3, 2 * P, 0), 2 * P);
	fake_fail(&back, FAKE_WRITE, -ENOSPC, 1);
	assert_int_equal(pagecache_fsync(pc, 0, UINT64_MAX, false), -ENOSPC);
	assert_true(dirty() > 0);
	assert_int_equal(errseq_check(pagecache_errors(pc), &since), -ENOSPC);
	assert_int_equal(read_at(0, 2 * P, 0), 2 * P);
	assert_all(buf, 3, 2 * P);
	assert_int_equal(pagecache_fsync(pc, 0, UINT64_MAX, false), 0);
	assert_all(back.bytes, 3, 2 * P);
	assert_int_equal(errseq_check(pagecache_errors(pc), &since), 0);
	assert_int_equal(errseq_check(pagecache_errors(pc), &other), -ENOSPC);
	fake_fail(&back, FAKE_FSYNC, -EIO, 1);
	assert_int_equal(pagecache_fsync(pc, 0, UINT64_MAX, true), -EIO);
	assert_int_equal(errseq_check(pagecache_errors(pc), &other), -EIO);
	end();
}

static void too_much_dirty_makes_writers_write(void **state)
{
	static const struct pagecache_limits lim = {
		.background = MIB, .hard = 2 * MIB, .age_ns = 1000000000ull * 3600, .readahead = MIB
	};

	(void)state;
	begin_with(PAGECACHE_EXCLUSIVE, 0, &lim);
	for (uint64_t pos = 0; pos < 8 * MIB; pos += 64 * KIB) {
		assert_int_equal(fill_at(pos, 1, 64 * KIB, 0), 64 * KIB);
		assert_true(dirty() <= 3 * MIB);
	}
	assert_true(fake_calls(&back, FAKE_WRITE) > 0);
	/* A full disk: no writer waits for ever, and none believes it was kept. */
	fake_fail(&back, FAKE_WRITE, -ENOSPC, UINT32_MAX);
	for (uint64_t pos = 0, r = 0; pos < 8 * MIB && (ssize_t)r >= 0; pos += 64 * KIB) {
		r = (uint64_t)fill_at(pos, 2, 64 * KIB, 0);
		if ((ssize_t)r < 0)
			assert_int_equal((ssize_t)r, -ENOSPC);
		assert_true(dirty() <= 3 * MIB);
	}
	fake_fail(&back, FAKE_WRITE, 0, 0);
	end();
}

static void pages_in_write_back_count_as_dirty(void **state)
{
	static const struct pagecache_limits lim = {
		.background = MIB, .hard = 2 * MIB, .age_ns = 1000000000ull * 3600, .readahead = MIB
	};
	uint64_t pos = 0;
	ssize_t r;

	(void)state;
	begin_with(PAGECACHE_EXCLUSIVE, 4 * MIB, &lim);
	for (; pos < 4 * MIB; pos += 64 * KIB)
		assert_int_equal(read_at(pos, 64 * KIB, 0), 64 * KIB);
	/* A megabyte is on its way to the backend, and fails there at last. */
	atomic_store(&back.is_held, true);
	for (pos = 0; pos <= MIB; pos += 64 * KIB)
		assert_int_equal(fill_at(pos, 1, 64 * KIB, PAGECACHE_NOWAIT), 64 * KIB);
	while (!fake_calls(&back, FAKE_WRITE))
		usleep(100);
	assert_true(dirty() < MIB);
	while ((r = fill_at(pos, 1, 64 * KIB, PAGECACHE_NOWAIT)) > 0)
		pos += 64 * KIB;
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(pos, 2 * MIB + 64 * KIB);
	fake_fail(&back, FAKE_WRITE, -ENOSPC, UINT32_MAX);
	atomic_store(&back.is_held, false);
	while (dirty() != pos)
		usleep(100);
	fake_fail(&back, FAKE_WRITE, 0, 0);
	end();
}

static void old_dirty_pages_are_written_in_the_background(void **state)
{
	static const struct pagecache_limits lim = {
		.background = MIB, .hard = 2 * MIB, .age_ns = 1000000, .readahead = MIB
	};

	(void)state;
	begin_with(PAGECACHE_EXCLUSIVE, P, &lim);
	fake_fail(&back, FAKE_WRITE, -EIO, 1);
	assert_int_equal(write_at(0, "old", 3, 0), 3);
	while (dirty() || fake_calls(&back, FAKE_WRITE) < 2)
		usleep(1000);
	assert_memory_equal(back.bytes, "old", 3);
	while (atomic_load(&back.dirty_holds))
		usleep(1000);
	end();
}

/* ---- the other modes, and past the cache ---- */

static void writethrough_is_in_the_backend_at_once(void **state)
{
	(void)state;
	begin(PAGECACHE_WRITETHROUGH, 4 * P);
	assert_int_equal(read_at(0, P, 0), P);
	assert_int_equal(write_at(10, "abc", 3, 0), 3);
	assert_memory_equal(back.bytes + 10, "abc", 3);
	assert_int_equal(dirty(), 0);
	assert_int_equal(fill_at(2 * P, 5, P, 0), P);
	assert_int_equal(cached(), 2 * P); /* what was written whole is there to be read */
	fake_fail(&back, FAKE_WRITE, -ENOSPC, 1);
	assert_int_equal(write_at(10, "xyz", 3, 0), -ENOSPC);
	assert_int_equal(read_at(10, 3, 0), 3);
	assert_memory_equal(buf, back.bytes + 10, 3);
	assert_int_equal(write_at(4 * P, "end", 3, 0), 3);
	assert_int_equal(size(), 4 * P + 3);
	assert_int_equal(back.size, 4 * P + 3);
	end();
}

static void shared_keeps_nothing(void **state)
{
	struct space s;

	(void)state;
	begin(PAGECACHE_SHARED, 4 * P);
	assert_int_equal(read_at(0, 2 * P, 0), 2 * P);
	assert_pattern(buf, 0, 2 * P);
	back.bytes[3] = 77; /* somebody else */
	assert_int_equal(read_at(3, 1, 0), 1);
	assert_int_equal(buf[0], 77);
	back.size = 6 * P;
	assert_int_equal(size(), 6 * P);
	assert_int_equal(read_at(5 * P, 9 * P, 0), P);
	assert_int_equal(write_at(10, "abc", 3, 0), 3);
	assert_memory_equal(back.bytes + 10, "abc", 3);
	assert_int_equal(pagecache_truncate(pc, 5), 0);
	assert_int_equal(size(), 5);
	assert_int_equal(cached(), 0);
	assert_int_equal(space_map(&s, mf, pc, 4, true), -ENODEV);
	free(s.pages);
	end();
}

static void direct_io_goes_past_the_cache(void **state)
{
	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 8 * P);
	assert_int_equal(write_at(100, "dirty", 5, 0), 5);
	assert_int_equal(read_at(0, P, PAGECACHE_DIRECT), P);
	assert_memory_equal(buf + 100, "dirty", 5);
	assert_memory_equal(back.bytes + 100, "dirty", 5);
	assert_int_equal(read_at(0, 8 * P, 0), 8 * P);
	assert_int_equal(write_at(200, "dirtier", 7, 0), 7);
	assert_int_equal(fill_at(P, 9, 2 * P, PAGECACHE_DIRECT), 2 * P);
	assert_all(back.bytes + P, 9, 2 * P);
	assert_int_equal(cached(), 6 * P); /* what was overwritten is dropped */
	assert_int_equal(read_at(P, 2 * P, 0), 2 * P);
	assert_all(buf, 9, 2 * P);
	assert_int_equal(write_at(9 * P, "end", 3, PAGECACHE_DIRECT), 3);
	assert_int_equal(size(), 9 * P + 3);
	assert_int_equal(read_at(8 * P, 4 * P, PAGECACHE_DIRECT), P + 3);
	end();
}

/* ---- sizes and space ---- */

static void truncate_cuts_and_clears(void **state)
{
	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 8 * P);
	assert_int_equal(fill_at(0, 4, 8 * P, 0), 8 * P);
	fake_fail(&back, FAKE_TRUNCATE, -EIO, 1);
	assert_int_equal(pagecache_truncate(pc, P), -EIO);
	assert_int_equal(size(), 8 * P);
	assert_int_equal(read_at(0, 8 * P, 0), 8 * P);
	assert_all(buf, 4, 8 * P);
	assert_int_equal(pagecache_truncate(pc, 3 * P + 10), 0);
	assert_int_equal(cached(), 4 * P);
	assert_int_equal(dirty(), 4 * P);
	assert_int_equal(pagecache_truncate(pc, 6 * P), 0);
	assert_int_equal(read_at(0, 9 * P, 0), 6 * P);
	assert_all(buf, 4, 3 * P + 10);
	assert_all(buf + 3 * P + 10, 0, 3 * P - 10);
	assert_int_equal(pagecache_flush(pc, 0, UINT64_MAX), 0);
	assert_int_equal(back.size, 6 * P);
	assert_all(back.bytes, 4, 3 * P + 10);
	assert_all(back.bytes + 3 * P + 10, 0, 3 * P - 10);
	assert_int_equal(pagecache_truncate(pc, 0), 0);
	assert_int_equal(cached(), 0);
	end();
}

static void fallocate_in_all_its_forms(void **state)
{
	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 16 * P);
	assert_int_equal(read_at(0, 16 * P, 0), 16 * P);
	assert_int_equal(fill_at(4 * P, 4, 4 * P, 0), 4 * P);
	assert_int_equal(pagecache_fallocate(pc, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					     3 * P + 10, 2 * P),
			 0);
	assert_int_equal(read_at(3 * P, 3 * P, 0), 3 * P);
	assert_pattern(buf, 3 * P, 10);
	assert_all(buf + 10, 0, 2 * P);
	assert_all(buf + 2 * P + 10, 4, P - 10);
	assert_int_equal(pagecache_fallocate(pc, 0, 0, 18 * P), 0);
	assert_int_equal(size(), 18 * P);
	assert_int_equal(pagecache_fallocate(pc, FALLOC_FL_ZERO_RANGE, 17 * P, 2 * P), 0);
	assert_int_equal(size(), 19 * P);
	assert_int_equal(pagecache_fallocate(pc, FALLOC_FL_COLLAPSE_RANGE, 2 * P, 4 * P), 0);
	assert_int_equal(size(), 15 * P);
	assert_int_equal(read_at(0, 6 * P, 0), 6 * P);
	assert_pattern(buf, 0, 2 * P);
	assert_all(buf + 2 * P, 4, 2 * P);
	assert_pattern(buf + 4 * P, 8 * P, 2 * P);
	assert_int_equal(pagecache_fallocate(pc, FALLOC_FL_INSERT_RANGE, P, P), 0);
	assert_int_equal(size(), 16 * P);
	assert_int_equal(read_at(0, 3 * P, 0), 3 * P);
	assert_pattern(buf, 0, P);
	assert_all(buf + P, 0, P);
	assert_pattern(buf + 2 * P, P, P);
	end();
}

/* ---- mappings ---- */

static void a_mapping_and_calls_see_the_same_bytes(void **state)
{
	struct space s;
	uint8_t v;

	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 40 * P + 10);
	assert_int_equal(space_map(&s, mf, pc, 48, true), 0);
	assert_int_equal(space_load(&s, 20 * P + 3, &v), 0);
	assert_int_equal(v, pattern(20 * P + 3));
	assert_int_equal(space_count(&s), 16); /* 64 KiB around it */
	assert_int_equal(fake_calls(&back, FAKE_READ), 1);
	assert_int_equal(dirty(), 0);
	assert_int_equal(space_store(&s, 20 * P + 3, 99), 0);
	assert_int_equal(read_at(20 * P + 3, 1, 0), 1);
	assert_int_equal(buf[0], 99);
	assert_int_equal(write_at(20 * P + 3, "w", 1, 0), 1);
	assert_int_equal(space_load(&s, 20 * P + 3, &v), 0);
	assert_int_equal(v, 'w');
	/* Past the end: the last page is there, and no more. */
	assert_int_equal(space_load(&s, 40 * P + 100, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(space_load(&s, 41 * P, &v), -EFAULT);
	assert_int_equal(space_store(&s, 41 * P, 1), -EFAULT);
	space_unmap(&s);
	end();
}

static void write_back_takes_the_mapping_away(void **state)
{
	struct space s;
	uint8_t v;

	(void)state;
	begin(PAGECACHE_WRITETHROUGH, 16 * P);
	assert_int_equal(space_map(&s, mf, pc, 16, true), 0);
	assert_int_equal(space_store(&s, 5, 1), 0);
	assert_int_equal(pagecache_flush(pc, 0, UINT64_MAX), 0);
	assert_int_equal(back.bytes[5], 1);
	assert_int_equal(dirty(), 0);
	assert_int_equal(space_count(&s), 0);
	/* So that this is noticed: */
	assert_int_equal(space_store(&s, 5, 2), 0);
	assert_true(dirty() > 0);
	fake_fail(&back, FAKE_WRITE, -EIO, 1);
	assert_int_equal(pagecache_flush(pc, 0, UINT64_MAX), -EIO);
	assert_int_equal(space_load(&s, 5, &v), 0);
	assert_int_equal(v, 2);
	assert_int_equal(pagecache_flush(pc, 0, UINT64_MAX), 0);
	assert_int_equal(back.bytes[5], 2);
	space_unmap(&s);
	end();
}

static void truncate_and_direct_writes_reach_mappings(void **state)
{
	struct space s;
	uint8_t v;

	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 16 * P);
	assert_int_equal(space_map(&s, mf, pc, 16, true), 0);
	assert_int_equal(space_load(&s, 9 * P, &v), 0);
	assert_int_equal(fill_at(9 * P, 7, P, PAGECACHE_DIRECT), P);
	assert_int_equal(space_load(&s, 9 * P, &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(pagecache_truncate(pc, 4 * P + 1), 0);
	assert_int_equal(space_load(&s, 9 * P, &v), -EFAULT);
	assert_int_equal(space_load(&s, 4 * P + 1, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(pagecache_truncate(pc, 16 * P), 0);
	assert_int_equal(space_load(&s, 9 * P, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(pagecache_fallocate(pc, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, P),
			 0);
	assert_int_equal(space_load(&s, 1, &v), 0);
	assert_int_equal(v, 0);
	back.bytes[2 * P] = 55;
	assert_int_equal(space_load(&s, 2 * P, &v), 0);
	assert_int_equal(v, pattern(2 * P));
	assert_int_equal(pagecache_invalidate(pc, 0, UINT64_MAX), 0);
	assert_int_equal(space_load(&s, 2 * P, &v), 0);
	assert_int_equal(v, 55);
	space_unmap(&s);
	end();
}

static void a_fault_needs_only_its_own_page(void **state)
{
	struct space s;
	uint8_t v;

	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 16 * P);
	assert_int_equal(space_map(&s, mf, pc, 16, true), 0);
	fake_fail(&back, FAKE_READ, -EIO, 1); /* the large read around it */
	assert_int_equal(space_load(&s, 3 * P, &v), 0);
	assert_int_equal(v, pattern(3 * P));
	fake_fail(&back, FAKE_READ, -ESTALE, UINT32_MAX);
	assert_int_equal(space_load(&s, 9 * P, &v), -EIO);
	fake_fail(&back, FAKE_READ, 0, 0);
	space_unmap(&s);
	end();
}

/* ---- eviction ---- */

static void eviction_spares_what_is_mapped(void **state)
{
	struct space s;
	uint8_t v;

	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 6 * MIB);
	assert_int_equal(fill_at(0, 8, 4 * MIB, 0), 4 * MIB);
	assert_int_equal(space_map(&s, mf, pc, 1, true), 0);
	assert_int_equal(space_store(&s, 0, 77), 0);
	memfile_evict(mf, 4 * MIB);
	assert_int_equal(cached(), 2 * MIB); /* the piece that is mapped in part */
	assert_all(back.bytes + 2 * MIB, 8, 2 * MIB);
	assert_int_equal(read_at(0, 4 * MIB, 0), 4 * MIB);
	assert_int_equal(buf[0], 77);
	assert_all(buf + 1, 8, 4 * MIB - 1);
	space_unmap(&s);
	assert_true(memfile_evict(mf, 4 * MIB) > 0);
	assert_int_equal(cached(), 0);
	assert_int_equal(back.bytes[0], 77);
	assert_int_equal(space_map(&s, mf, pc, 1, true), 0);
	assert_int_equal(space_load(&s, 0, &v), 0);
	assert_int_equal(v, 77);
	space_unmap(&s);
	end();
}

static void what_is_not_wanted_any_more_goes(void **state)
{
	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 16 * P);
	assert_int_equal(read_at(0, 16 * P, 0), 16 * P);
	assert_int_equal(write_at(5 * P, "x", 1, 0), 1);
	pagecache_wont_need(pc, P + 1, 10 * P - 1);
	assert_int_equal(cached(), 9 * P);
	assert_int_equal(back.bytes[5 * P], 'x');
	end();
}

struct replacement {
	uint64_t off, size;
	uint8_t value;
};

static ssize_t replace(void *arg)
{
	struct replacement *r = arg;

	memset(back.bytes + r->off, r->value, r->size);
	back.size = MAX(back.size, r->off + r->size);
	return (ssize_t)r->size;
}

static void bytes_that_come_another_way_are_seen(void **state)
{
	struct replacement r = { 2 * P + 10, 3 * P, 6 };

	(void)state;
	begin(PAGECACHE_EXCLUSIVE, 4 * P);
	assert_int_equal(fill_at(0, 1, 4 * P, 0), 4 * P);
	assert_int_equal(pagecache_replace(pc, r.off, r.size, replace, &r), 3 * P);
	assert_int_equal(size(), 5 * P + 10);
	assert_int_equal(read_at(0, 8 * P, 0), 5 * P + 10);
	assert_all(buf, 1, 2 * P + 10);
	assert_all(buf + 2 * P + 10, 6, 3 * P);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_asks_the_backend_once),
		cmocka_unit_test(a_read_that_may_not_wait_gets_what_is_cached),
		cmocka_unit_test(a_stream_is_read_ahead),
		cmocka_unit_test(reads_here_and_there_fetch_only_what_they_need),
		cmocka_unit_test(errors_of_reads_reach_who_needs_the_bytes),
		cmocka_unit_test(a_backend_that_ends_early_reads_as_zeros),
		cmocka_unit_test(writes_are_kept_until_flushed),
		cmocka_unit_test(whole_pages_are_written_without_reading),
		cmocka_unit_test(a_gap_left_by_a_write_past_the_end_reads_as_zeros),
		cmocka_unit_test(a_page_that_cannot_be_read_can_still_be_written),
		cmocka_unit_test(what_cannot_be_written_back_stays_dirty),
		cmocka_unit_test(too_much_dirty_makes_writers_write),
		cmocka_unit_test(pages_in_write_back_count_as_dirty),
		cmocka_unit_test(old_dirty_pages_are_written_in_the_background),
		cmocka_unit_test(writethrough_is_in_the_backend_at_once),
		cmocka_unit_test(shared_keeps_nothing),
		cmocka_unit_test(direct_io_goes_past_the_cache),
		cmocka_unit_test(truncate_cuts_and_clears),
		cmocka_unit_test(fallocate_in_all_its_forms),
		cmocka_unit_test(a_mapping_and_calls_see_the_same_bytes),
		cmocka_unit_test(write_back_takes_the_mapping_away),
		cmocka_unit_test(truncate_and_direct_writes_reach_mappings),
		cmocka_unit_test(a_fault_needs_only_its_own_page),
		cmocka_unit_test(eviction_spares_what_is_mapped),
		cmocka_unit_test(what_is_not_wanted_any_more_goes),
		cmocka_unit_test(bytes_that_come_another_way_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
