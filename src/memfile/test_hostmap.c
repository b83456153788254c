/* Host files as mapfiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "base/fault.h"
#include "host/safecopy.h"
#include "memfile/memfile.h"

#define P PAGE_SIZE
#define MIB ((uint64_t)1 << 20)

static int fd;
static bool released;

static void release(void *arg)
{
	assert_ptr_equal(arg, &fd);
	released = true;
}

static struct hostmap *make(bool writable)
{
	struct hostmap *hm;

	assert_int_equal(hostmap_create(fd, writable, &hm), 0);
	hostmap_set_release(hm, release, &fd);
	released = false;
	return hm;
}

static int setup(void **state UNUSED)
{
	fd = memfd_create("test", 0);
	return fd < 0 || ftruncate(fd, (off_t)(5 * MIB)) < 0 ||
	       pwrite(fd, "hello", 5, 2 * MIB - 2) != 5;
}

static int teardown(void **state UNUSED)
{
	return close(fd);
}

static void a_view_is_made_of_chunks(void **state UNUSED)
{
	struct hostmap *hm = make(false);
	struct mapfile *f = hostmap_mapfile(hm);
	struct block blk[4];

	assert_int_equal(f->ops->fd(f), fd);
	assert_int_equal(f->ops->map_internal(f, 2 * MIB - 2, 5, MAP_R, blk, 4), 2);
	assert_int_equal(blk[0].size, 2);
	assert_int_equal(blk[1].size, 3);
	assert_memory_equal(blk[0].base, "he", 2);
	assert_memory_equal(blk[1].base, "llo", 3);
	/* What does not fit is left out, and a second view is the same one. */
	assert_int_equal(f->ops->map_internal(f, 2 * MIB - 2, 3 * MIB, MAP_R, blk + 2, 1), 1);
	assert_ptr_equal(blk[2].base, blk[0].base);
	assert_int_equal(blk[2].size, 2);
	hostmap_put(hm);
	assert_true(released);
}

static void a_file_for_reading_has_no_writable_view(void **state UNUSED)
{
	struct hostmap *hm = make(false);
	struct mapfile *f = hostmap_mapfile(hm);
	struct block blk;

	assert_int_equal(f->ops->map_internal(f, 0, P, MAP_W, &blk, 1), -EACCES);
	hostmap_put(hm);
	hm = make(true);
	f = hostmap_mapfile(hm);
	assert_int_equal(f->ops->map_internal(f, 0, P, MAP_R | MAP_W, &blk, 1), 1);
	memcpy(blk.base, "new", 3);
	hostmap_put(hm);
	char buf[3];
	assert_int_equal(pread(fd, buf, 3, 0), 3);
	assert_memory_equal(buf, "new", 3);
}

static void references_of_pages_may_be_dropped_in_other_pieces(void **state UNUSED)
{
	struct hostmap *hm = make(false);
	struct mapfile *f = hostmap_mapfile(hm);

	f->ops->incref(f, 0, 10 * P);
	hostmap_get(hm);
	hostmap_put(hm);
	hostmap_put(hm);
	assert_false(released);
	f->ops->decref(f, 4 * P, 2 * P);
	f->ops->decref(f, 0, 4 * P);
	assert_false(released);
	f->ops->decref(f, 6 * P, 4 * P);
	assert_true(released);
}

static void a_truncated_file_is_a_short_copy(void **state UNUSED)
{
	struct hostmap *hm = make(false);
	struct mapfile *f = hostmap_mapfile(hm);
	static char buf[8 * PAGE_SIZE];
	struct block blk;

	safecopy_init(); /* over cmocka's own handlers, which it sets for each test */
	assert_int_equal(f->ops->map_internal(f, 0, 8 * P, MAP_R, &blk, 1), 1);
	assert_int_equal(ftruncate(fd, (off_t)(3 * P)), 0);
	assert_int_equal(safecopy(buf, blk.base, 8 * P), 5 * P);
	hostmap_put(hm);
}

/* How many host mappings of ours show the file. */
static unsigned host_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "memfd:test") != NULL;
	fclose(f);
	return n;
}

/* Sanitizers leave us little address space. */
#ifdef NACRE_SANITIZED
#define LARGE ((uint64_t)256 << 30)
#else
#define LARGE ((uint64_t)4 << 40)
#endif

/* A guest that has us look at all of a large file must not use up our mappings. */
static void chunks_grow_with_their_number(void **state UNUSED)
{
	struct hostmap *hm = make(false);
	struct mapfile *f = hostmap_mapfile(hm);
	uint64_t size = LARGE;
	struct block blk[2];

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(pwrite(fd, "far", 3, (off_t)(size - 3)), 3);
	/* Every other chunk first: what lies between them is cut to fit. */
	for (uint64_t at = 0; at < 100 * MIB; at += 4 * MIB)
		assert_int_equal(f->ops->map_internal(f, at, P, MAP_R, blk, 2), 1);
	for (uint64_t at = 0; at < size; at += (uint64_t)1 << 30) {
		assert_in_range(f->ops->map_internal(f, at + 3 * MIB - 1, 2, MAP_R, blk, 2), 1, 2);
		assert_memory_equal(blk[0].base, "", 1);
	}
	assert_in_range(f->ops->map_internal(f, size - 3, 3, MAP_R, blk, 2), 1, 1);
	assert_memory_equal(blk[0].base, "far", 3);
	assert_in_range(host_mappings(), 32, 160);
	/* The blocks of a range come in order and leave nothing out. */
	for (uint64_t at = 0; at < 200 * MIB; at += blk[0].size) {
		assert_in_range(f->ops->map_internal(f, at, 200 * MIB - at, MAP_R, blk, 1), 1, 1);
		assert_in_range(blk[0].size, P, 200 * MIB - at);
	}
	assert_int_equal(f->ops->map_internal(f, 2 * MIB - 2, 5, MAP_R, blk, 2), 2);
	assert_memory_equal(blk[0].base, "he", 2);
	assert_memory_equal(blk[1].base, "llo", 3);
	hostmap_put(hm);
	assert_int_equal(host_mappings(), 0);
}

static void no_memory_is_an_error(void **state UNUSED)
{
#ifdef NACRE_DEBUG
	struct hostmap *hm;
	struct block blk;

	fault_arm("pool.struct hostmap", 1);
	assert_int_equal(hostmap_create(fd, false, &hm), -ENOMEM);
	assert_null(hm);
	hm = make(false);
	fault_arm("pool.struct chunk", 1);
	assert_int_equal(hostmap_mapfile(hm)->ops->map_internal(hostmap_mapfile(hm), 0, P, MAP_R,
								&blk, 1),
			 -ENOMEM);
	hostmap_put(hm);
#endif
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_view_is_made_of_chunks),
		TEST(a_file_for_reading_has_no_writable_view),
		TEST(references_of_pages_may_be_dropped_in_other_pieces),
		TEST(a_truncated_file_is_a_short_copy),
		TEST(chunks_grow_with_their_number),
		TEST(no_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
