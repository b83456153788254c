/* Changes to the guest's code, and the space for code of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "abi/mman.h"
#include "mm/testlib_fake.h"

#define P PAGE_SIZE
#define MIB ((uint64_t)1 << 20)
#define RX (PROT_READ | PROT_EXEC)
#define TEXT (FAKE_LO + MIB)
#define SPACE (FAKE_LO + 8 * MIB)
#define SPACE_SIZE (4 * P)

static struct memfile *mf;
static struct mm_env env;
static struct mm *mm;
static struct fake_file file;

static gva_t map_text(struct mm *who, int prot, unsigned flags)
{
	struct mm_map_args args = { .addr = TEXT,
				    .size = 64 * P,
				    .prot = prot,
				    .flags = flags | MAP_FIXED,
				    .mappable = &file.mappable,
				    .max_prot = 7 };
	gva_t out = 0;

	assert_int_equal(mm_map(who, &args, &out), 0);
	(void)mm_install(who);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(fake_read(who, out + i * P).signo, 0);
	return out;
}

static int setup(void **state UNUSED)
{
	fake_pages = 32768;
	fake_fail_in = 0;
	if (memfile_create(256 * MIB, &mf) < 0)
		return -1;
	env = fake_env(mf);
	fake_file_init(&file, mf, MIB);
	for (unsigned i = 0; i < MIB / P; i++)
		memset(fake_file_data(&file, i * P), (int)i + 1, P);
	if (mm_create(&env, &mm) < 0)
		return -1;
	mm_user_add(mm);
	map_text(mm, RX, MAP_PRIVATE | MAP_DENYWRITE);
	return 0;
}

static int teardown(void **state UNUSED)
{
	fake_end(mm, &file, mf);
	return 0;
}

static void assert_bytes(struct mm *who, gva_t addr, const char *want)
{
	for (size_t i = 0; want[i]; i++) {
		struct fake_result r = fake_read(who, addr + i);

		assert_int_equal(r.signo, 0);
		assert_int_equal(r.value, (uint8_t)want[i]);
	}
}

static void is_seen_here_and_in_forks_only(void **state UNUSED)
{
	struct mm *child, *other;

	assert_int_equal(mm_patch_text(mm, TEXT + P + 10, "\2\2\2", "abc", 3), 0);
	assert_bytes(mm, TEXT + P + 9, "\2abc\2");
	assert_bytes(mm, TEXT + 2 * P, "\3\3");
	assert_int_equal(*fake_file_data(&file, P + 10), 2);
	assert_int_equal(mm_fork(mm, &child), 0);
	mm_user_add(child);
	assert_bytes(child, TEXT + P + 9, "\2abc\2");
	/* From here on each has its own. */
	assert_int_equal(mm_patch_text(child, TEXT + P + 13, "\2", "d", 1), 0);
	assert_int_equal(mm_patch_text(mm, TEXT + P + 10, "abc", "xyz", 3), 0);
	assert_bytes(child, TEXT + P + 9, "\2abcd\2");
	assert_bytes(mm, TEXT + P + 9, "\2xyz\2");
	assert_int_equal(mm_create(&env, &other), 0);
	map_text(other, RX, MAP_PRIVATE | MAP_DENYWRITE);
	assert_bytes(other, TEXT + P + 9, "\2\2\2\2");
	mm_check(child);
	mm_put(child);
	mm_put(other);
}

/* Where other threads run, pages are exchanged: what the first patch wrote to stays as it
 * was, in the hands of who still looks at it. */
static void is_not_written_in_place_under_others(void **state UNUSED)
{
	struct memfile_stats before, after;
	struct mm_pin *pin;
	const struct block *blocks;
	unsigned count;

	assert_int_equal(mm_patch_text(mm, TEXT + 10, "\1", "a", 1), 0);
	assert_int_equal(mm_pin(mm, TEXT, P, MAP_R, &pin), 0);
	blocks = mm_pin_blocks(pin, &count);
	assert_int_equal(mm_patch_text(mm, TEXT + 11, "\1", "b", 1), 0);
	assert_memory_equal((char *)blocks[0].base + 10, "ab", 2);
	mm_user_add(mm);
	memfile_get_stats(mf, &before);
	assert_int_equal(mm_patch_text(mm, TEXT + 12, "\1", "c", 1), 0);
	memfile_get_stats(mf, &after);
	assert_memory_equal((char *)blocks[0].base + 10, "ab\1", 3);
	assert_bytes(mm, TEXT + 10, "abc\1");
	assert_true(mm_users(mm) == 2 && !mm_user_del(mm));
	mm_unpin(pin);
}

static void wants_what_it_expects(void **state UNUSED)
{
	struct mm *other;

	assert_int_equal(mm_patch_text(mm, TEXT, "\2", "a", 1), -EAGAIN);
	assert_bytes(mm, TEXT, "\1\1");
	assert_int_equal(mm_patch_text(mm, TEXT - P, "\1", "a", 1), -EACCES);
	assert_int_equal(mm_protect(mm, TEXT, P, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	assert_int_equal(mm_patch_text(mm, TEXT, "\1", "a", 1), -EACCES);
	assert_int_equal(mm_protect(mm, TEXT, P, PROT_READ), 0);
	assert_int_equal(mm_patch_text(mm, TEXT, "\1", "a", 1), -EACCES);
	assert_int_equal(mm_create(&env, &other), 0);
	map_text(other, RX, MAP_SHARED);
	assert_int_equal(mm_patch_text(other, TEXT, "\1", "a", 1), -EACCES);
	map_text(other, RX, MAP_PRIVATE); /* a file that may still be written to */
	assert_int_equal(mm_patch_text(other, TEXT, "\1", "a", 1), -EACCES);
	mm_put(other);
}

static gva_t take(struct mm *who)
{
	return mm_code_space(who, SPACE, SPACE_SIZE, 64);
}

static void space_is_handed_out_once(void **state UNUSED)
{
	struct mm *child;
	unsigned n = 2;

	assert_int_equal(take(mm), SPACE);
	assert_int_equal(take(mm), SPACE + 64);
	assert_true(fake_read(mm, SPACE).signo == 0);
	assert_int_equal(fake_write(mm, SPACE, 1).signo, SIGSEGV);
	assert_int_equal(mm_protect(mm, SPACE, P, PROT_READ | PROT_WRITE), -EACCES);
	assert_int_equal(mm_fork(mm, &child), 0);
	assert_int_equal(take(child), SPACE + 128);
	mm_put(child);
	while (take(mm))
		n++;
	assert_int_equal(n, SPACE_SIZE / 64);
}

static void space_is_not_taken_from_the_guest(void **state UNUSED)
{
	struct mm_map_args args = { .addr = SPACE + P,
				    .size = P,
				    .prot = PROT_READ,
				    .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				    .max_prot = 7 };
	gva_t out;

	assert_int_equal(mm_map(mm, &args, &out), 0);
	assert_int_equal(take(mm), 0);
	assert_int_equal(mm_unmap(mm, SPACE + P, P), 0);
	assert_int_equal(take(mm), SPACE);
}

static void patch_all(void)
{
	assert_int_equal(take(mm), SPACE);
	assert_int_equal(mm_patch_text(mm, TEXT + 10, "\1\1", "ab", 2), 0);
	assert_int_equal(mm_patch_text(mm, TEXT + 11, "b", "c", 1), 0); /* in the first */
	assert_int_equal(mm_patch_text(mm, TEXT + 5 * P, "\6", "d", 1), 0);
	assert_int_equal(mm_patch_text(mm, TEXT + 40 * P, "\51", "e", 1), 0);
	assert_int_equal(mm_unmap(mm, TEXT + 40 * P, P), 0);
}

static void assert_taken_back(void)
{
	mm_check(mm);
	assert_bytes(mm, TEXT + 9, "\1\1\1\1");
	assert_bytes(mm, TEXT + 5 * P, "\6\6");
	assert_int_equal(take(mm), 0);
	assert_int_equal(mm_patch_text(mm, TEXT + 10, "\1\1", "ab", 2), -EACCES);
}

static void a_mapping_there_takes_all_back(void **state UNUSED)
{
	struct mm_map_args args = { .addr = SPACE + P,
				    .size = P,
				    .prot = PROT_READ | PROT_WRITE,
				    .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				    .max_prot = 7 };
	struct mm *child;
	gva_t out;

	patch_all();
	assert_int_equal(mm_fork(mm, &child), 0);
	assert_int_equal(mm_map(mm, &args, &out), 0);
	assert_taken_back();
	assert_int_equal(fake_write(mm, SPACE + P, 1).signo, 0);
	/* The child's is its own. */
	mm_user_add(child);
	assert_bytes(child, TEXT + 9, "\1ac\1");
	assert_int_equal(mm_unmap(child, FAKE_LO, fake_hi() - FAKE_LO), 0);
	mm_put(child);
}

static void an_unmapping_takes_all_back(void **state UNUSED)
{
	patch_all();
	assert_int_equal(mm_unmap(mm, SPACE - P, 2 * P), 0);
	assert_taken_back();
	assert_int_equal(fake_read(mm, SPACE).signo, SIGSEGV);
}

static void a_heap_goes_through_it(void **state UNUSED)
{
	patch_all();
	mm_set_brk_start(mm, SPACE - MIB);
	assert_int_equal(mm_brk(mm, SPACE + MIB), SPACE + MIB);
	assert_taken_back();
	assert_int_equal(fake_write(mm, SPACE, 1).signo, 0);
}

static void exec_begins_anew(void **state UNUSED)
{
	patch_all();
	assert_int_equal(mm_clear(mm), 0);
	assert_int_equal(take(mm), SPACE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(is_seen_here_and_in_forks_only),
		TEST(is_not_written_in_place_under_others),
		TEST(wants_what_it_expects),
		TEST(space_is_handed_out_once),
		TEST(space_is_not_taken_from_the_guest),
		TEST(a_mapping_there_takes_all_back),
		TEST(an_unmapping_takes_all_back),
		TEST(a_heap_goes_through_it),
		TEST(exec_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
