/* Copies, uios, words, futex keys, figures; and threads that race on them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "abi/mman.h"
#include "base/hash.h"
#include "host/safecopy.h"
#include "mm/testlib_fake.h"

#define P PAGE_SIZE
#define MIB ((uint64_t)1 << 20)
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define BASE (FAKE_LO + MIB)

static struct memfile *mf;
static struct mm_env env;
static struct mm *mm;

static int setup(void **state UNUSED)
{
	fake_pages = 8192;
	fake_fail_in = 0;
	block_safecopy = safecopy;
	block_safezero = safecopy_zero;
	if (memfile_create(256 * MIB, &mf) < 0)
		return -1;
	env = fake_env(mf);
	return mm_create(&env, &mm);
}

static int teardown(void **state UNUSED)
{
	mm_check(mm);
	mm_put(mm);
	memfile_trim(mf);
	memfile_check(mf);
	memfile_destroy(mf);
	return 0;
}

static gva_t map(gva_t addr, uint64_t size, int prot, unsigned flags)
{
	struct mm_map_args args = {
		.addr = addr, .size = size, .prot = prot, .flags = flags | MAP_FIXED, .max_prot = 7
	};
	gva_t out;

	assert_int_equal(mm_map(mm, &args, &out), 0);
	return out;
}

/* ---- copies ---- */

static void copies_cross_mappings(void **state UNUSED)
{
	static uint8_t in[5 * PAGE_SIZE], out[5 * PAGE_SIZE];

	map(BASE, 2 * P, RW, ANON);
	map(BASE + 2 * P, P, RW, MAP_SHARED | MAP_ANONYMOUS);
	map(BASE + 3 * P, 2 * P, RW, ANON);
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)hash_u64(i);
	assert_int_equal(mm_copy_out(mm, BASE + 10, in, 5 * P - 10), 0);
	assert_int_equal(mm_copy_in(mm, out, BASE + 10, 5 * P - 10), 0);
	assert_memory_equal(in, out, 5 * P - 10);
	assert_int_equal(mm_zero_out(mm, BASE + P, 3 * P), 0);
	assert_int_equal(fake_read(mm, BASE + 2 * P + 7).value, 0);
	assert_int_equal(fake_read(mm, BASE + P - 1).value, in[P - 11]);
	assert_int_equal(mm_copy_in(mm, out, BASE, 0), 0);
}

static void bad_addresses_are_efault(void **state UNUSED)
{
	uint8_t buf[16] = { 0 };

	map(BASE, P, PROT_READ, ANON);
	assert_int_equal(mm_copy_in(mm, buf, BASE - 1, 1), -EFAULT);
	assert_int_equal(mm_copy_in(mm, buf, BASE + P - 1, 2), -EFAULT);
	assert_int_equal(mm_copy_in(mm, buf, BASE + P - 1, 1), 0);
	assert_int_equal(mm_copy_out(mm, BASE, buf, 1), -EFAULT);
	assert_int_equal(mm_copy_in(mm, buf, 0, 1), -EFAULT);
	assert_int_equal(mm_copy_in(mm, buf, UINT64_MAX, 1), -EFAULT);
	assert_int_equal(mm_copy_in(mm, buf, UINT64_MAX - 3, 16), -EFAULT);
	assert_int_equal(mm_copy_in(mm, buf, fake_hi() - 1, 2), -EFAULT);
	assert_int_equal(mm_copy_in(mm, buf, (gva_t)1 << 63, 1), -EFAULT);
	assert_int_equal(mm_protect(mm, BASE, P, PROT_NONE), 0);
	assert_int_equal(mm_copy_in(mm, buf, BASE, 1), -EFAULT);
}

static void partial_copies_count(void **state UNUSED)
{
	uint8_t buf[64] = { 0 };

	map(BASE, P, PROT_READ, ANON);
	assert_int_equal(mm_read_partial(mm, buf, BASE + P - 10, 64, false), 10);
	assert_int_equal(mm_read_partial(mm, buf, BASE + P, 64, false), -EFAULT);
	assert_int_equal(mm_write_partial(mm, BASE, buf, 64, false), -EFAULT);
	memset(buf, 7, sizeof(buf));
	assert_int_equal(mm_write_partial(mm, BASE, buf, 64, true), 64);
	assert_int_equal(fake_read(mm, BASE + 63).value, 7);
	/* The guest may still not. */
	assert_int_equal(fake_write(mm, BASE, 1).signo, SIGSEGV);
	assert_int_equal(mm_protect(mm, BASE, P, PROT_NONE), 0);
	assert_int_equal(mm_read_partial(mm, buf, BASE, 64, true), 64);
	assert_int_equal(buf[0], 7);
}

static void a_tracers_store_is_private(void **state UNUSED)
{
	struct fake_file file;
	struct mm_map_args args = { .addr = BASE,
				    .size = P,
				    .prot = PROT_READ | PROT_EXEC,
				    .flags = MAP_PRIVATE | MAP_FIXED,
				    .mappable = &file.mappable,
				    .max_prot = 7 };
	uint8_t trap = 0xcc;
	gva_t out;

	fake_file_init(&file, mf, P);
	assert_int_equal(mm_map(mm, &args, &out), 0);
	assert_int_equal(mm_write_partial(mm, BASE, &trap, 1, true), 1);
	assert_int_equal(fake_read(mm, BASE).value, 0xcc);
	assert_int_equal(*fake_file_data(&file, 0), 0);
	mm_check(mm);
	args.flags = MAP_SHARED | MAP_FIXED;
	args.max_prot = PROT_READ | PROT_EXEC;
	assert_int_equal(mm_map(mm, &args, &out), 0);
	assert_int_equal(mm_write_partial(mm, BASE, &trap, 1, true), -EFAULT);
	assert_int_equal(mm_clear(mm), 0);
	fake_file_fini(&file);
}

static uint64_t hog;
static unsigned waits;

static bool free_at_the_third_wait(void)
{
	if (++waits == 3)
		memfile_decref(mf, hog, 300 * MIB);
	return waits <= 3;
}

static bool nothing_comes(void)
{
	waits++;
	return false;
}

static void copies_wait_for_memory(void **state UNUSED)
{
	struct mm_env mine = env;
	uint32_t old;

	mm_put(mm);
	mine.wait_for_memory = nothing_comes;
	assert_int_equal(mm_create(&mine, &mm), 0);
	assert_int_equal(memfile_alloc(mf, 300 * MIB, MEMFILE_TMPFS, 0, &hog), 0);
	memset(memfile_addr(mf, hog), 1, 280 * MIB);
	map(BASE, 2 * P, RW, ANON);
	waits = 0;
	assert_int_equal(mm_copy_out(mm, BASE, "x", 1), -EFAULT);
	assert_int_equal(mm_cmpxchg32(mm, BASE, 0, 1, &old), -EFAULT);
	assert_int_equal(waits, 2);
	mm_put(mm);

	mine.wait_for_memory = free_at_the_third_wait;
	assert_int_equal(mm_create(&mine, &mm), 0);
	map(BASE, 2 * P, RW, ANON);
	waits = 0;
	assert_int_equal(mm_copy_out(mm, BASE + P - 1, "xy", 2), 0);
	assert_int_equal(waits, 3);
}

static void strings_end_at_their_nul(void **state UNUSED)
{
	char buf[600], long_one[500];

	memset(long_one, 'x', sizeof(long_one));
	long_one[499] = 0;
	map(BASE, P, RW, ANON);
	assert_int_equal(mm_copy_out(mm, BASE + P - 6, "hello", 6), 0);
	assert_int_equal(mm_copy_in_str(mm, buf, BASE + P - 6, sizeof(buf)), 5);
	assert_string_equal(buf, "hello");
	assert_int_equal(mm_copy_in_str(mm, buf, BASE + P - 6, 6), 5);
	assert_int_equal(mm_copy_in_str(mm, buf, BASE + P - 6, 5), -ENAMETOOLONG);
	assert_int_equal(mm_copy_out(mm, BASE + P - 5, "olleh", 5), 0);
	assert_int_equal(mm_copy_in_str(mm, buf, BASE + P - 5, sizeof(buf)), -EFAULT);
	assert_int_equal(mm_copy_in_str(mm, buf, BASE + P - 5, 5), -ENAMETOOLONG);
	map(BASE + P, P, RW, ANON);
	assert_int_equal(mm_copy_out(mm, BASE + P - 100, long_one, 500), 0);
	assert_int_equal(mm_copy_in_str(mm, buf, BASE + P - 100, sizeof(buf)), 499);
	assert_string_equal(buf, long_one);
	assert_int_equal(mm_copy_in_str(mm, buf, 8, 10), -EFAULT);
}

static void a_copy_breaks_copy_on_write(void **state UNUSED)
{
	uint8_t one = 1, two = 2;
	struct mm *child;

	map(BASE, MIB, RW, ANON);
	assert_int_equal(mm_copy_out(mm, BASE, &one, 1), 0);
	assert_int_equal(mm_fork(mm, &child), 0);
	assert_int_equal(mm_copy_out(child, BASE, &two, 1), 0);
	assert_int_equal(fake_read(mm, BASE).value, 1);
	assert_int_equal(fake_read(child, BASE).value, 2);
	mm_check(child);
	mm_put(child);
}

/* ---- uios ---- */

static void a_uio_is_the_guests_own_memory(void **state UNUSED)
{
	struct uio_seg seg;
	struct block blk[UIO_MAX_BLOCKS];
	unsigned count;
	struct uio u;

	map(BASE, 8 * P, RW, ANON);
	assert_int_equal(mm_uio_init_single(mm, &u, &seg, UIO_TO_USER, BASE + 5, 3 * P), 0);
	assert_int_equal(uio_pin(&u, 3 * P, blk, UIO_MAX_BLOCKS, &count), 3 * P);
	assert_int_equal(count, 1);
	memset(blk[0].base, 9, 100);
	uio_unpin(&u);
	uio_advance(&u, 100);
	assert_int_equal(u.remaining, 3 * P - 100);
	assert_int_equal(fake_read(mm, BASE + 104).value, 9);
	assert_int_equal(fake_read(mm, BASE + 105).value, 0);
	assert_int_equal(mm_uio_init_single(mm, &u, &seg, UIO_TO_USER, fake_hi() - 1, 2), -EFAULT);
	assert_int_equal(mm_uio_init_single(mm, &u, &seg, UIO_TO_USER, BASE, UINT64_MAX), -EFAULT);
}

static void a_uio_crosses_segments_and_stops_at_a_hole(void **state UNUSED)
{
	struct uio_seg segs[] = {
		{ BASE, 10 },
		{ BASE, 0 },
		{ BASE + 2 * P - 5, 10 },
		{ BASE, 4 },
	};
	char text[] = "0123456789abcdefghijklmn", back[16] = "";
	struct uio u;

	map(BASE, 2 * P, RW, ANON);
	mm_uio_init(mm, &u, UIO_TO_USER, segs, 4);
	assert_int_equal(u.remaining, 24);
	assert_int_equal(uio_write(&u, text, 24), 15);
	assert_int_equal(mm_copy_in(mm, back, BASE + 2 * P - 5, 5), 0);
	assert_string_equal(back, "abcde");
	assert_int_equal(uio_write(&u, text, 9), -EFAULT);
	segs[0].base = BASE - 10;
	mm_uio_init(mm, &u, UIO_FROM_USER, segs, 4);
	assert_int_equal(uio_read(&u, back, 4), -EFAULT);
}

static void iovecs_are_judged_as_linux_does(void **state UNUSED)
{
	struct uio_seg segs[1024];
	uint64_t v[6] = { BASE, 10, BASE, INT64_MAX, BASE, 1 };

	map(BASE, 8 * P, RW, ANON);
	assert_int_equal(mm_copy_out(mm, BASE, v, sizeof(v)), 0);
	assert_int_equal(mm_import_iovec(mm, BASE, 1, segs), 0);
	assert_int_equal(segs[0].size, 10);
	assert_int_equal(mm_import_iovec(mm, BASE, 2, segs), -EFAULT);
	v[3] = (uint64_t)INT64_MAX + 1;
	assert_int_equal(mm_copy_out(mm, BASE, v, sizeof(v)), 0);
	assert_int_equal(mm_import_iovec(mm, BASE, 2, segs), -EINVAL);
	assert_int_equal(mm_import_iovec(mm, BASE, 1025, segs), -EINVAL);
	assert_int_equal(mm_import_iovec(mm, BASE, 0, segs), 0);
	assert_int_equal(mm_import_iovec(mm, BASE - P, 1, segs), -EFAULT);
}

/* ---- words ---- */

static void words_are_atomic_with_the_guest(void **state UNUSED)
{
	uint32_t w;

	map(BASE, P, RW, ANON);
	map(BASE + P, P, PROT_READ, ANON);
	assert_int_equal(mm_store32(mm, BASE + 4, 5), 0);
	assert_int_equal(mm_load32(mm, BASE + 4, &w), 0);
	assert_int_equal(w, 5);
	assert_int_equal(mm_cmpxchg32(mm, BASE + 4, 6, 7, &w), 0);
	assert_int_equal(w, 5);
	assert_int_equal(mm_cmpxchg32(mm, BASE + 4, 5, 7, &w), 0);
	assert_int_equal(fake_read(mm, BASE + 4).value, 7);
	assert_int_equal(mm_load32(mm, BASE + P, &w), 0);
	assert_int_equal(mm_store32(mm, BASE + P, 1), -EFAULT);
	assert_int_equal(mm_load32(mm, BASE + 2 * P, &w), -EFAULT);
	assert_int_equal(mm_load32(mm, BASE + 1, &w), -EINVAL);
}

static void futexes_are_known_by_what_they_lie_in(void **state UNUSED)
{
	struct futex_key a, b;
	struct mm *child;

	map(BASE, P, RW, ANON);
	map(BASE + P, P, RW, MAP_SHARED | MAP_ANONYMOUS);
	assert_int_equal(mm_fork(mm, &child), 0);
	assert_int_equal(mm_futex_key(mm, BASE + 8, false, &a), 0);
	assert_int_equal(mm_futex_key(mm, BASE + 8, true, &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(mm_futex_key(child, BASE + 8, false, &b), 0);
	assert_memory_not_equal(&a, &b, sizeof(a));
	assert_int_equal(mm_futex_key(mm, BASE + P + 8, false, &a), 0);
	assert_int_equal(mm_futex_key(child, BASE + P + 8, false, &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(mm_futex_key(mm, BASE + 2 * P, false, &a), -EFAULT);
	assert_int_equal(mm_futex_key(mm, BASE + 2, false, &a), -EINVAL);
	assert_int_equal(mm_futex_key(mm, fake_hi(), true, &a), -EFAULT);
	mm_put(child);
}

/* ---- figures ---- */

static void usage_tells_what_is_there(void **state UNUSED)
{
	static struct mm_vma_info info;
	struct mm_usage u;

	map(BASE, 16 * P, RW, ANON);
	map(BASE + MIB, 4 * P, RW, MAP_SHARED | MAP_ANONYMOUS);
	map(BASE + 2 * MIB, P, PROT_READ | PROT_EXEC, ANON);
	assert_int_equal(mm_zero_out(mm, BASE + P, 3 * P), 0);
	assert_int_equal(mm_zero_out(mm, BASE + MIB, P), 0);
	mm_get_usage(mm, &u);
	assert_int_equal(u.vsize, 21 * P);
	assert_int_equal(u.rss, 4 * P);
	assert_int_equal(u.rss_shared, P);
	assert_int_equal(u.data, 16 * P);
	assert_int_equal(u.text, P);
	assert_int_equal(mm_advise(mm, BASE, 16 * P, MADV_DONTNEED), 0);
	mm_get_usage(mm, &u);
	assert_int_equal(u.rss, P);
	assert_int_equal(u.peak_rss, 4 * P);
	assert_true(mm_next_vma(mm, BASE + 16 * P, &info));
	assert_int_equal(info.start, BASE + MIB);
	assert_true(info.flags & VMA_SHARED);
	assert_string_equal(info.name, "/dev/zero (deleted)");
	assert_int_equal(info.rss, P);
	assert_false(mm_next_vma(mm, BASE + 3 * MIB, &info));
}

/* ---- a host file ---- */

struct host_file {
	struct mappable mappable;
	struct hostmap *hm;
	uint64_t size;
};

static void host_ref(struct mappable *m UNUSED)
{
}

static int host_add(struct mappable *m UNUSED, struct mapping_space *ms UNUSED, gva_t addr UNUSED,
		    uint64_t size UNUSED, fileoff_t off UNUSED, bool writable UNUSED)
{
	return 0;
}

static void host_remove(struct mappable *m UNUSED, struct mapping_space *ms UNUSED,
			gva_t addr UNUSED, uint64_t size UNUSED, fileoff_t off UNUSED,
			bool writable UNUSED)
{
}

static int host_translate(struct mappable *m, fileoff_t start, fileoff_t end, fileoff_t opt_start,
			  fileoff_t opt_end, int access, struct translation *out,
			  unsigned max UNUSED, unsigned *count)
{
	struct host_file *f = container_of(m, struct host_file, mappable);

	*count = 0;
	if (start >= f->size)
		return -EFAULT;
	out[0] = (struct translation){ opt_start, MIN(opt_end, f->size), hostmap_mapfile(f->hm),
				       opt_start, access | MAP_R | MAP_X };
	*count = 1;
	return end > f->size ? -EFAULT : 0;
}

static const struct mappable_ops host_ops = {
	.get = host_ref,
	.put = host_ref,
	.add_mapping = host_add,
	.remove_mapping = host_remove,
	.translate = host_translate,
};

static void a_truncated_host_file_is_an_error_and_no_crash(void **state UNUSED)
{
	struct host_file f = { .mappable = { &host_ops }, .size = 40 * P };
	struct mm_map_args args = { .addr = BASE,
				    .size = 80 * P,
				    .prot = RW,
				    .flags = MAP_PRIVATE | MAP_FIXED,
				    .mappable = &f.mappable,
				    .max_prot = 7 };
	static uint8_t buf[40 * PAGE_SIZE];
	int fd = memfd_create("test", 0);
	gva_t out;

	safecopy_init(); /* over cmocka's own handlers, which it sets for each test */
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)f.size), 0);
	assert_int_equal(hostmap_create(fd, false, &f.hm), 0);
	assert_int_equal(mm_map(mm, &args, &out), 0);
	assert_int_equal(mm_copy_in(mm, buf, BASE, 40 * P), 0);
	assert_int_equal(mm_copy_in(mm, buf, BASE + 40 * P, 1), -EFAULT);
	assert_int_equal(fake_write(mm, BASE + 30 * P, 1).signo, 0);
	/* The host shortens it under us; we are not told. */
	assert_int_equal(ftruncate(fd, (off_t)(10 * P)), 0);
	assert_int_equal(mm_read_partial(mm, buf, BASE, 40 * P, false), 10 * P);
	assert_int_equal(fake_write(mm, BASE + 9 * P, 1).signo, 0);
	assert_int_equal(fake_write(mm, BASE + 12 * P, 1).signo, SIGBUS);
	assert_int_equal(mm_zero_out(mm, BASE + 12 * P, 1), -EFAULT);
	assert_int_equal(fake_read(mm, BASE + 30 * P).value, 1);
	mm_check(mm);
	assert_int_equal(mm_clear(mm), 0);
	hostmap_put(f.hm);
	close(fd);
}

/* ---- threads ---- */

#define RACE_PAGES 64u
static atomic_bool race_stop;

static unsigned race_pick(uint64_t *state, unsigned below)
{
	*state += 0x9e3779b97f4a7c15ull;
	return (unsigned)(hash_u64(*state) >> 32) % below;
}

static gva_t race_page(uint64_t *state)
{
	return BASE + race_pick(state, RACE_PAGES) * P;
}

static void *race_copier(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;
	uint8_t buf[256] = { 0 };

	while (!atomic_load(&race_stop)) {
		gva_t at = race_page(&state) + race_pick(&state, P);
		int code, r;

		r = race_pick(&state, 2) ? mm_copy_in(mm, buf, at, sizeof(buf))
					 : mm_zero_out(mm, at, sizeof(buf));
		assert_true(r == 0 || r == -EFAULT);
		r = mm_fault(mm, at, race_pick(&state, 2) ? MAP_R : MAP_W, &code);
		assert_true(r == 0 || r == -EFAULT || r == -ENXIO);
	}
	return NULL;
}

static void *race_mapper(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg;

	for (int i = 0; i < 3000; i++) {
		gva_t at = race_page(&state), out;
		uint64_t size = MIN((1 + race_pick(&state, 16)) * P, BASE + RACE_PAGES * P - at);
		struct mm_map_args args = { .addr = at,
					    .size = size,
					    .prot = RW,
					    .flags = MAP_FIXED | MAP_ANONYMOUS |
						     (race_pick(&state, 2) ? MAP_PRIVATE
									   : MAP_SHARED),
					    .max_prot = 7 };
		struct mm *child;
		int r;

		switch (race_pick(&state, 6)) {
		case 0:
			r = mm_unmap(mm, at, size);
			break;
		case 1:
			r = mm_protect(mm, at, size, race_pick(&state, 2) ? RW : PROT_READ);
			break;
		case 2:
			r = mm_advise(mm, at, size, MADV_DONTNEED);
			break;
		case 3:
			r = mm_fork(mm, &child);
			mm_put(r ? NULL : child);
			break;
		default:
			r = mm_map(mm, &args, &out);
		}
		assert_true(r == 0 || r == -ENOMEM);
		if (i % 16 == 0)
			mm_check(mm);
	}
	return NULL;
}

static void threads_race_and_nothing_breaks(void **state UNUSED)
{
	pthread_t copiers[2], mappers[2];

	mm_user_add(mm);
	mm_user_add(mm);
	atomic_store(&race_stop, false);
	for (uintptr_t i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&copiers[i], NULL, race_copier, (void *)(i + 1)),
				 0);
		assert_int_equal(pthread_create(&mappers[i], NULL, race_mapper, (void *)(i + 9)),
				 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(mappers[i], NULL);
	atomic_store(&race_stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(copiers[i], NULL);
	mm_user_del(mm);
	mm_user_del(mm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(copies_cross_mappings),
		TEST(bad_addresses_are_efault),
		TEST(partial_copies_count),
		TEST(a_tracers_store_is_private),
		TEST(copies_wait_for_memory),
		TEST(strings_end_at_their_nul),
		TEST(a_copy_breaks_copy_on_write),
		TEST(a_uio_is_the_guests_own_memory),
		TEST(a_uio_crosses_segments_and_stops_at_a_hole),
		TEST(iovecs_are_judged_as_linux_does),
		TEST(words_are_atomic_with_the_guest),
		TEST(futexes_are_known_by_what_they_lie_in),
		TEST(usage_tells_what_is_there),
		TEST(a_truncated_host_file_is_an_error_and_no_crash),
		TEST(threads_race_and_nothing_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
