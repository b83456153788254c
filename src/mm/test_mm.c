/* The calls of mm/, one by one: results, errors, and what they cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "abi/mman.h"
#include "base/fault.h"
#include "mm/testlib_fake.h"

#define P PAGE_SIZE
#define MIB ((uint64_t)1 << 20)
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define BASE (FAKE_LO + MIB)

static struct memfile *mf;
static struct mm_env env;
static struct mm *mm;
static struct fake_file file;

static int setup(void **state UNUSED)
{
	fake_pages = 32768;
	fake_fail_in = 0;
	if (memfile_create(256 * MIB, &mf) < 0)
		return -1;
	env = fake_env(mf);
	fake_file_init(&file, mf, MIB);
	for (unsigned i = 0; i < MIB / P; i++)
		*fake_file_data(&file, i * P) = (uint8_t)(i + 1);
	return mm_create(&env, &mm);
}

static int teardown(void **state UNUSED)
{
	fake_end(mm, &file, mf);
	return 0;
}

/* ---- helpers ---- */

static int try_map(gva_t addr, uint64_t size, int prot, unsigned flags, gva_t *out)
{
	struct mm_map_args args = {
		.addr = addr, .size = size, .prot = prot, .flags = flags, .max_prot = 7
	};

	return mm_map(mm, &args, out);
}

static gva_t map(gva_t addr, uint64_t size, int prot, unsigned flags)
{
	gva_t out = 0;

	assert_int_equal(try_map(addr, size, prot, flags, &out), 0);
	mm_check(mm);
	(void)mm_install(mm);
	return out;
}

static gva_t map_anon(uint64_t size)
{
	return map(0, size, RW, ANON);
}

static int try_map_file(gva_t addr, uint64_t size, int prot, unsigned flags, uint64_t offset,
			gva_t *out)
{
	struct mm_map_args args = { .addr = addr,
				    .size = size,
				    .prot = prot,
				    .flags = flags,
				    .mappable = &file.mappable,
				    .offset = offset,
				    .max_prot = 7 };

	return mm_map(mm, &args, out);
}

static gva_t map_file(gva_t addr, uint64_t size, int prot, unsigned flags, uint64_t offset)
{
	gva_t out = 0;

	assert_int_equal(try_map_file(addr, size, prot, flags, offset, &out), 0);
	mm_check(mm);
	(void)mm_install(mm);
	return out;
}

static void assert_reads(struct mm *who, gva_t addr, uint8_t value)
{
	struct fake_result r = fake_read(who, addr);

	assert_int_equal(r.signo, 0);
	assert_int_equal(r.value, value);
}

static unsigned assert_writes(struct mm *who, gva_t addr, uint8_t value)
{
	struct fake_result r = fake_write(who, addr, value);

	assert_int_equal(r.signo, 0);
	return r.traps;
}

static void assert_segv(gva_t addr, int code)
{
	struct fake_result r = fake_read(mm, addr);

	assert_int_equal(r.signo, SIGSEGV);
	assert_int_equal(r.code, code);
}

static unsigned count_vmas(void)
{
	static struct mm_vma_info info;
	unsigned n = 0;

	for (gva_t at = 0; mm_next_vma(mm, at, &info); at = info.end)
		n++;
	return n;
}

/* Bytes that guests hold. */
static uint64_t used(void)
{
	struct memfile_stats stats;

	memfile_trim(mf);
	memfile_get_stats(mf, &stats);
	return stats.used - MIB; /* the file's */
}

/* ---- mmap ---- */

static void anonymous_memory_costs_no_trap(void **state UNUSED)
{
	gva_t a = map_anon(4 * MIB);
	uint64_t batches = fake_batches;

	for (uint64_t at = 0; at < 4 * MIB; at += P) {
		assert_int_equal(fake_read(mm, a + at).traps, 0);
		assert_int_equal(assert_writes(mm, a + at, 1), 0);
	}
	assert_int_equal(fake_batches, batches);
}

static void a_new_mapping_is_one_lazy_batch(void **state UNUSED)
{
	uint64_t batches = fake_batches, lazy = fake_lazy, ops = fake_ops;
	gva_t a = map_anon(MIB);

	assert_int_equal(fake_batches - batches, 1);
	assert_int_equal(fake_lazy - lazy, 1);
	assert_int_equal(fake_ops - ops, 1);
	assert_int_equal(mm_unmap(mm, a, MIB), 0);
	assert_int_equal(fake_batches - batches, 2);
	assert_int_equal(fake_ops - ops, 2);
	mm_user_add(mm);
	mm_user_add(mm);
	map_anon(MIB);
	assert_int_equal(fake_lazy - lazy, 1);
	mm_user_del(mm);
	mm_user_del(mm);
}

static void new_memory_is_mapped_when_some_is_touched(void **state UNUSED)
{
	uint64_t batches = fake_batches;
	gva_t a, b, c;

	assert_int_equal(try_map(0, MIB, RW, ANON, &a), 0);
	assert_int_equal(try_map(0, MIB, PROT_READ, ANON, &b), 0);
	assert_int_equal(try_map(0, MIB, RW, ANON, &c), 0);
	assert_int_equal(mm_protect(mm, c, P, PROT_READ), 0);
	assert_int_equal(mm_unmap(mm, b, MIB), 0);
	assert_int_equal(fake_batches, batches);
	assert_int_equal(assert_writes(mm, a, 1), 1);
	assert_int_equal(assert_writes(mm, c + P, 1), 0);
	assert_int_equal(fake_write(mm, c, 1).code, SEGV_ACCERR);
	assert_segv(b, SEGV_MAPERR);
	assert_int_equal(fake_batches - batches, 1);
	mm_check(mm);
}

static void replacing_a_mapping_is_one_operation(void **state UNUSED)
{
	gva_t a = map_anon(MIB);
	uint64_t ops = fake_ops;

	map(a, MIB, PROT_READ, ANON | MAP_FIXED);
	assert_int_equal(fake_ops - ops, 1);
}

static void nothing_is_mapped_for_no_access(void **state UNUSED)
{
	uint64_t ops = fake_ops;
	gva_t a = map(0, 16 * MIB, PROT_NONE, ANON | MAP_NORESERVE);

	assert_int_equal(fake_ops, ops);
	assert_segv(a, SEGV_ACCERR);
	assert_int_equal(mm_protect(mm, a, MIB, RW), 0);
	assert_int_equal(fake_ops, ops);
	assert_int_equal(assert_writes(mm, a + MIB - 1, 1), 1);
	assert_int_equal(assert_writes(mm, a, 1), 0);
	assert_segv(a + MIB, SEGV_ACCERR);
}

static void mmap_refuses_what_linux_refuses(void **state UNUSED)
{
	gva_t out;

	assert_int_equal(try_map(0, 0, RW, ANON, &out), -EINVAL);
	assert_int_equal(try_map(0, UINT64_MAX, RW, ANON, &out), -ENOMEM);
	assert_int_equal(try_map(0, fake_hi(), RW, ANON, &out), -ENOMEM);
	assert_int_equal(try_map(0, P, RW, MAP_ANONYMOUS, &out), -EINVAL);
	assert_int_equal(try_map(0, P, RW, MAP_ANONYMOUS | MAP_SHARED_VALIDATE, &out), -EINVAL);
	assert_int_equal(try_map(BASE + 1, P, RW, ANON | MAP_FIXED, &out), -EINVAL);
	assert_int_equal(try_map(0, P, RW, ANON | MAP_FIXED, &out), -EPERM);
	assert_int_equal(try_map(fake_hi(), P, RW, ANON | MAP_FIXED, &out), -ENOMEM);
	assert_int_equal(try_map(fake_hi() - P, 2 * P, RW, ANON | MAP_FIXED, &out), -ENOMEM);
	assert_int_equal(try_map(0, P, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, &out),
			 -EINVAL);
	assert_int_equal(try_map_file(0, P, RW, MAP_SHARED_VALIDATE | MAP_SYNC, 0, &out),
			 -EOPNOTSUPP);
	assert_int_equal(try_map_file(0, P, RW, MAP_PRIVATE, 1, &out), -EINVAL);
	assert_int_equal(try_map_file(0, 2 * P, RW, MAP_PRIVATE, UINT64_MAX - P + 1, &out),
			 -EOVERFLOW);
	map(BASE, P, RW, ANON | MAP_FIXED);
	assert_int_equal(try_map(BASE, P, RW, ANON | MAP_FIXED_NOREPLACE, &out), -EEXIST);
	assert_int_equal(try_map(BASE - P, 2 * P, RW, ANON | MAP_FIXED_NOREPLACE, &out), -EEXIST);
	assert_int_equal(count_vmas(), 1);
}

static void a_hint_is_taken_when_it_is_free(void **state UNUSED)
{
	assert_int_equal(map(BASE + 5, P, RW, ANON), BASE + P);
	assert_int_not_equal(map(BASE + P, P, PROT_READ, ANON), BASE + P);
	assert_int_equal(map(BASE, P, PROT_READ, ANON), BASE);
}

static void alike_neighbours_are_one_vma(void **state UNUSED)
{
	map(BASE, 2 * P, RW, ANON | MAP_FIXED);
	map(BASE + 4 * P, 2 * P, RW, ANON | MAP_FIXED);
	assert_int_equal(count_vmas(), 2);
	map(BASE + 2 * P, 2 * P, RW, ANON | MAP_FIXED);
	assert_int_equal(count_vmas(), 1);
	map_file(BASE + 6 * P, P, PROT_READ, MAP_PRIVATE | MAP_FIXED, 0);
	map_file(BASE + 7 * P, P, PROT_READ, MAP_PRIVATE | MAP_FIXED, P);
	map_file(BASE + 8 * P, P, PROT_READ, MAP_PRIVATE | MAP_FIXED, 0);
	assert_int_equal(count_vmas(), 3);
}

static void the_limits_hold(void **state UNUSED)
{
	struct mm_limits lim = { 10 * P, 4 * P, MIB, 2 * P };
	gva_t out, a;

	mm_set_limits(mm, &lim);
	assert_int_equal(try_map(0, 5 * P, RW, ANON, &out), -ENOMEM);
	assert_int_equal(try_map(0, 11 * P, PROT_READ, ANON, &out), -ENOMEM);
	a = map(BASE, 4 * P, RW, ANON | MAP_FIXED);
	map(BASE + MIB, 4 * P, PROT_READ, ANON | MAP_FIXED);
	assert_int_equal(mm_protect(mm, BASE + MIB, P, RW), -ENOMEM);
	/* What is replaced does not count twice. */
	map(a, 4 * P, PROT_READ, ANON | MAP_FIXED);
	assert_int_equal(try_map(0, 3 * P, PROT_READ, ANON, &out), -ENOMEM);
	assert_int_equal(try_map(0, 2 * P, PROT_READ, ANON | MAP_LOCKED, &out), 0);
	assert_int_equal(mm_lock(mm, a, P, MLOCK_MODE_EAGER), -ENOMEM);
	assert_int_equal(mm_unmap(mm, out, 2 * P), 0);
	assert_int_equal(mm_lock(mm, a, 2 * P, MLOCK_MODE_EAGER), 0);
	assert_int_equal(mm_lock(mm, a, P, MLOCK_MODE_EAGER), 0);
	assert_int_equal(mm_remap(mm, a, 2 * P, 3 * P, MREMAP_MAYMOVE, 0, &out), -EAGAIN);
	assert_int_equal(try_map(0, P, PROT_READ, ANON | MAP_LOCKED, &out), -EAGAIN);
	assert_int_equal(mm_lock(mm, a, 2 * P, MLOCK_MODE_NONE), 0);
	lim.memlock = 0;
	mm_set_limits(mm, &lim);
	assert_int_equal(mm_lock(mm, a, P, MLOCK_MODE_EAGER), -EPERM);
	assert_int_equal(mm_lock_all(mm, MCL_CURRENT), -EPERM);
	assert_int_equal(mm_lock_all(mm, 0), 0);
}

static void overcommit_has_an_end(void **state UNUSED)
{
	struct mm_map_args args = { .size = 300 * MIB, .prot = RW, .flags = ANON, .max_prot = 7 };
	struct mm *large;
	gva_t out;

	fake_pages = 131072;
	assert_int_equal(mm_create(&env, &large), 0);
	assert_int_equal(mm_map(large, &args, &out), -ENOMEM);
	args.flags |= MAP_NORESERVE;
	assert_int_equal(mm_map(large, &args, &out), 0);
	/* Piece by piece, as it is touched. */
	assert_int_equal(assert_writes(large, out + 100 * MIB, 1), 1);
	assert_int_equal(assert_writes(large, out + 100 * MIB + P, 1), 0);
	mm_check(large);
	mm_put(large);
	fake_pages = 32768;
}

static void memory_over_the_limit_is_refused(void **state UNUSED)
{
	uint64_t offset;
	gva_t out;

	assert_int_equal(memfile_alloc(mf, 300 * MIB, MEMFILE_TMPFS, 0, &offset), 0);
	memset(memfile_addr(mf, offset), 1, 257 * MIB);
	assert_int_equal(try_map(0, 2 * MIB, RW, ANON, &out), -ENOMEM);
	/* Small pieces, and faults, until a victim is gone: but not without end. */
	out = map_anon(P);
	assert_int_equal(fake_write(mm, out, 1).signo, 0);
	memset(memfile_addr(mf, offset), 1, 280 * MIB);
	out = map(BASE, P, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED);
	assert_int_equal(fake_write(mm, out, 1).signo, SIGKILL);
	memfile_decref(mf, offset, 300 * MIB);
	assert_int_equal(fake_write(mm, out, 1).signo, 0);
}

/* ---- munmap, mprotect ---- */

static void munmap_takes_the_middle(void **state UNUSED)
{
	gva_t a = map_anon(5 * P);

	for (int i = 0; i < 5; i++)
		assert_writes(mm, a + (gva_t)i * P, (uint8_t)(i + 1));
	assert_int_equal(mm_unmap(mm, a + 2 * P, 1), 0);
	mm_check(mm);
	assert_segv(a + 2 * P, SEGV_MAPERR);
	assert_reads(mm, a + P, 2);
	assert_reads(mm, a + 3 * P, 4);
	assert_int_equal(count_vmas(), 2);
	assert_int_equal(used(), 4 * P);
	assert_int_equal(mm_unmap(mm, a + 1, P), -EINVAL);
	assert_int_equal(mm_unmap(mm, a, 0), -EINVAL);
	/* Nothing of the guest's is above its part, up to where Linux's ends. */
	assert_int_equal(mm_unmap(mm, fake_hi(), P), 0);
	assert_int_equal(mm_unmap(mm, ABI_TASK_SIZE, P), -EINVAL);
	assert_int_equal(mm_unmap(mm, a, UINT64_MAX), -EINVAL);
	assert_int_equal(mm_unmap(mm, BASE, 2 * P), 0);
}

static void mprotect_splits_and_joins(void **state UNUSED)
{
	gva_t a = map_anon(4 * P);
	uint64_t ops = fake_ops;

	assert_writes(mm, a + P, 7);
	assert_int_equal(mm_protect(mm, a + P, P, PROT_READ), 0);
	assert_int_equal(fake_ops - ops, 1);
	assert_int_equal(count_vmas(), 3);
	assert_int_equal(fake_write(mm, a + P, 1).code, SEGV_ACCERR);
	assert_reads(mm, a + P, 7);
	assert_int_equal(mm_protect(mm, a + P, P, PROT_READ), 0);
	assert_int_equal(fake_ops - ops, 1);
	assert_int_equal(mm_protect(mm, a, 4 * P, RW), 0);
	assert_int_equal(count_vmas(), 1);
	assert_int_equal(assert_writes(mm, a + P, 8), 0);
	assert_int_equal(mm_protect(mm, a, P, PROT_NONE), 0);
	assert_segv(a, SEGV_ACCERR);
	assert_int_equal(mm_protect(mm, a, P, PROT_WRITE), 0);
	assert_reads(mm, a, 0);
}

static void mprotect_errors(void **state UNUSED)
{
	gva_t a = map_anon(2 * P), out;
	struct mm_map_args args = { .size = P,
				    .prot = PROT_READ,
				    .flags = MAP_SHARED,
				    .mappable = &file.mappable,
				    .max_prot = PROT_READ | PROT_EXEC };

	assert_int_equal(mm_protect(mm, a + 1, P, RW), -EINVAL);
	assert_int_equal(mm_protect(mm, a, P, 0x100), -EINVAL);
	assert_int_equal(mm_protect(mm, a, 0, RW), 0);
	assert_int_equal(mm_protect(mm, a, UINT64_MAX, RW), -ENOMEM);
	assert_int_equal(mm_protect(mm, BASE, P, RW), -ENOMEM);
	assert_int_equal(mm_protect(mm, a, P, RW | PROT_GROWSDOWN), -EINVAL);
	assert_int_equal(mm_protect(mm, a, P, RW | PROT_GROWSDOWN | PROT_GROWSUP), -EINVAL);
	/* What lies before a hole has changed. */
	assert_int_equal(mm_unmap(mm, a + P, P), 0);
	assert_int_equal(mm_protect(mm, a, 2 * P, PROT_READ), -ENOMEM);
	assert_int_equal(fake_write(mm, a, 1).signo, SIGSEGV);
	assert_int_equal(mm_map(mm, &args, &out), 0);
	assert_int_equal(mm_protect(mm, out, P, RW), -EACCES);
	args.prot = RW;
	assert_int_equal(mm_map(mm, &args, &out), -EACCES);
}

static void arenas_grow_in_one_extent(void **state UNUSED)
{
	gva_t a = map(0, 16 * MIB, PROT_NONE, ANON | MAP_NORESERVE);
	uint64_t batches;

	assert_int_equal(mm_protect(mm, a, 33 * P, RW), 0);
	batches = fake_batches;
	for (uint64_t at = 33 * P; at < 2 * MIB; at += P)
		assert_int_equal(mm_protect(mm, a + at, P, RW), 0);
	assert_int_equal(mm_install(mm), 0);
	assert_int_equal(fake_batches - batches, 1);
	mm_check(mm);
	/* One mapping of the host's: unmapped by one operation. */
	batches = fake_ops;
	assert_int_equal(mm_unmap(mm, a, 16 * MIB), 0);
	assert_int_equal(fake_ops - batches, 1);
}

/* ---- files ---- */

static void a_mapped_file_costs_no_trap(void **state UNUSED)
{
	gva_t a = map_file(0, MIB, PROT_READ, MAP_PRIVATE, 0);

	for (uint64_t at = 0; at < MIB; at += P) {
		assert_true(fake_may(mm, a + at, MAP_R));
		assert_reads(mm, a + at, (uint8_t)(at / P + 1));
	}
	assert_int_equal(file.translations, 1);
}

static void small_data_of_programs_is_copied_at_once(void **state UNUSED)
{
	gva_t a = map_file(0, 16 * P, RW, MAP_PRIVATE | MAP_DENYWRITE, P);

	assert_int_equal(assert_writes(mm, a + 3 * P, 99), 0);
	assert_reads(mm, a + 4 * P, 6);
	assert_int_equal(*fake_file_data(&file, 4 * P), 5);
}

static void other_files_show_through_until_a_page_is_stored_to(void **state UNUSED)
{
	gva_t a = map_file(0, 16 * P, RW, MAP_PRIVATE, 0);

	assert_writes(mm, a + 3 * P, 99);
	*fake_file_data(&file, 3 * P) = *fake_file_data(&file, 4 * P) = 200;
	assert_reads(mm, a + 3 * P, 99);
	assert_reads(mm, a + 4 * P, 200);
}

static void private_stores_stay_private(void **state UNUSED)
{
	gva_t a = map_file(0, MIB, RW, MAP_PRIVATE | MAP_DENYWRITE, 0);
	gva_t b = map_file(0, MIB, RW, MAP_SHARED, 0);

	/* One trap copies 64 KiB of a program's data. */
	assert_int_equal(assert_writes(mm, a + 100 * P, 77), 1);
	assert_true(fake_may(mm, a + 99 * P, MAP_W) || fake_may(mm, a + 101 * P, MAP_W));
	assert_reads(mm, b + 100 * P, 101);
	assert_writes(mm, b + 100 * P, 55);
	assert_reads(mm, a + 100 * P, 77);
	assert_int_equal(*fake_file_data(&file, 100 * P), 55);
	assert_int_equal(mm_advise(mm, a, MIB, MADV_DONTNEED), 0);
	assert_reads(mm, a + 100 * P, 55);
}

static void past_the_end_is_sigbus(void **state UNUSED)
{
	gva_t a = map_file(0, 2 * MIB, PROT_READ, MAP_PRIVATE, 0);
	gva_t b = map_file(0, 64 * P, RW, MAP_PRIVATE, MIB - 2 * P);

	assert_reads(mm, a + MIB - P, 0);
	assert_int_equal(fake_read(mm, a + MIB).signo, SIGBUS);
	assert_int_equal(assert_writes(mm, b + P, 1), 1);
	assert_int_equal(fake_write(mm, b + 2 * P, 1).signo, SIGBUS);
	fake_file_truncate(&file, MIB - P);
	assert_int_equal(fake_read(mm, a + MIB - P).signo, SIGBUS);
	assert_int_equal(fake_read(mm, b + P).signo, SIGBUS);
	assert_reads(mm, b, 255);
	fake_file_truncate(&file, MIB);
	assert_reads(mm, b + P, 0);
}

static void mappings_are_announced_and_taken_back(void **state UNUSED)
{
	gva_t a = map_file(0, 10 * P, RW, MAP_SHARED, 0), out;

	assert_int_equal(file.maps.writable, 10 * P);
	assert_int_equal(mm_unmap(mm, a + 4 * P, 2 * P), 0);
	assert_int_equal(file.maps.writable, 8 * P);
	assert_int_equal(mm_remap(mm, a, 4 * P, 20 * P, MREMAP_MAYMOVE, 0, &out), 0);
	assert_int_equal(file.maps.writable, 24 * P);
	assert_reads(mm, out + 19 * P, 20);
	assert_int_equal(mm_clear(mm), 0);
	assert_int_equal(file.maps.writable, 0);
	assert_int_equal(file.refs, 1);
}

/* ---- fork ---- */

static struct mm *fork_mm(void)
{
	struct mm *child;

	assert_int_equal(mm_fork(mm, &child), 0);
	mm_check(mm);
	mm_check(child);
	return child;
}

static void fork_copies_on_write(void **state UNUSED)
{
	gva_t a = map_anon(MIB);
	struct mm *child;
	uint64_t batches;

	assert_writes(mm, a, 1);
	assert_writes(mm, a + MIB - P, 2);
	batches = fake_batches;
	child = fork_mm();
	assert_int_equal(fake_batches - batches, 2);
	assert_true(fake_may(child, a, MAP_R));
	assert_false(fake_may(mm, a, MAP_W));
	assert_int_equal(assert_writes(child, a, 9), 1);
	assert_int_equal(assert_writes(child, a + P, 9), 0); /* the same 64 KiB */
	assert_reads(mm, a, 1);
	assert_int_equal(assert_writes(mm, a + MIB - P, 8), 1);
	assert_reads(child, a + MIB - P, 2);
	mm_check(child);
	mm_put(child);
	/* Nobody else is left: all of it at once, without copying. */
	assert_int_equal(assert_writes(mm, a + 32 * P, 3), 1);
	assert_int_equal(assert_writes(mm, a + 200 * P, 3), 0);
	assert_reads(mm, a, 1);
}

static void runs_of_copies_are_one_mapping(void **state UNUSED)
{
	gva_t a = map_anon(4 * MIB);
	struct mm *child = fork_mm();
	uint64_t ops;

	for (uint64_t at = 0; at < 4 * MIB; at += P)
		assert_writes(child, a + at, 1);
	mm_check(child);
	ops = fake_ops;
	assert_int_equal(mm_unmap(child, a, 4 * MIB), 0);
	assert_int_equal(fake_ops - ops, 1);
	mm_put(child);
}

static void fork_honours_advice(void **state UNUSED)
{
	gva_t a = map(BASE, 3 * P, RW, ANON | MAP_FIXED);
	struct mm *child;

	for (int i = 0; i < 3; i++)
		assert_writes(mm, a + (gva_t)i * P, 5);
	assert_int_equal(mm_advise(mm, a, P, MADV_DONTFORK), 0);
	assert_int_equal(mm_advise(mm, a + P, P, MADV_WIPEONFORK), 0);
	child = fork_mm();
	assert_int_equal(fake_read(child, a).signo, SIGSEGV);
	assert_reads(child, a + P, 0);
	assert_reads(child, a + 2 * P, 5);
	mm_put(child);
	assert_int_equal(mm_advise(mm, a, 2 * P, MADV_DOFORK), 0);
	assert_int_equal(mm_advise(mm, a, 2 * P, MADV_KEEPONFORK), 0);
	assert_int_equal(count_vmas(), 1);
	child = fork_mm();
	assert_reads(child, a, 5);
	mm_put(child);
}

static void shared_memory_is_shared_with_children(void **state UNUSED)
{
	gva_t a = map(0, 4 * P, RW, MAP_SHARED | MAP_ANONYMOUS);
	struct mm *child = fork_mm();

	assert_writes(child, a + P, 4);
	assert_reads(mm, a + P, 4);
	assert_int_equal(mm_unmap(mm, a, 4 * P), 0);
	assert_reads(child, a + P, 4);
	mm_put(child);
}

static void fork_fails_without_memory_and_changes_nothing(void **state UNUSED)
{
#ifdef NACRE_DEBUG
	gva_t a = map_anon(16 * P);
	struct mm *child;

	map_file(0, P, RW, MAP_SHARED, 0);
	assert_writes(mm, a, 1);
	for (unsigned nth = 1;; nth++) {
		int err;

		fault_arm(NULL, nth);
		err = mm_fork(mm, &child);
		fault_arm(NULL, 0);
		mm_check(mm);
		assert_reads(mm, a, 1);
		assert_writes(mm, a, 1);
		if (!err)
			break;
		assert_true(err == -ENOMEM || err == -EAGAIN);
		assert_null(child);
	}
	mm_put(child);
#endif
}

/* ---- mremap ---- */

static void mremap_moves_without_copying(void **state UNUSED)
{
	gva_t a = map(BASE, 4 * P, RW, ANON | MAP_FIXED), out;
	uint64_t before;

	map(BASE + 4 * P, P, PROT_READ, ANON | MAP_FIXED);
	for (int i = 0; i < 4; i++)
		assert_writes(mm, a + (gva_t)i * P, (uint8_t)(i + 1));
	before = used();
	assert_int_equal(mm_remap(mm, a, 4 * P, 8 * P, 0, 0, &out), -ENOMEM);
	assert_int_equal(mm_remap(mm, a, 4 * P, 8 * P, MREMAP_MAYMOVE, 0, &out), 0);
	mm_check(mm);
	assert_int_not_equal(out, a);
	assert_int_equal(used(), before);
	assert_segv(a, SEGV_MAPERR);
	for (int i = 0; i < 8; i++)
		assert_reads(mm, out + (gva_t)i * P, i < 4 ? (uint8_t)(i + 1) : 0);
	assert_int_equal(mm_remap(mm, out, 8 * P, P, 0, 0, &a), 0);
	assert_int_equal(a, out);
	assert_segv(out + P, SEGV_MAPERR);
	/* In place where there is room. */
	assert_int_equal(mm_remap(mm, out, P, 3 * P, 0, 0, &a), 0);
	assert_int_equal(a, out);
	assert_int_equal(assert_writes(mm, out + 2 * P, 1), 1);
}

static void mremap_to_a_fixed_place_replaces(void **state UNUSED)
{
	gva_t a = map(BASE, 2 * P, RW, ANON | MAP_FIXED), out;
	gva_t b = map(BASE + MIB, 4 * P, RW, ANON | MAP_FIXED);

	assert_writes(mm, a, 1);
	assert_writes(mm, b, 2);
	assert_writes(mm, b + 2 * P, 3);
	assert_int_equal(mm_remap(mm, a, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, b, &out), 0);
	mm_check(mm);
	assert_int_equal(out, b);
	assert_reads(mm, b, 1);
	assert_reads(mm, b + 2 * P, 3);
	assert_segv(a, SEGV_MAPERR);
}

static void mremap_may_leave_an_empty_mapping(void **state UNUSED)
{
	gva_t a = map_anon(2 * P), out;

	assert_writes(mm, a, 1);
	assert_int_equal(mm_remap(mm, a, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0, &out),
			 0);
	mm_check(mm);
	assert_reads(mm, out, 1);
	assert_reads(mm, a, 0);
	assert_writes(mm, a, 2);
	assert_reads(mm, out, 1);
}

static void mremap_of_nothing_duplicates_shared_memory(void **state UNUSED)
{
	gva_t a = map(0, 2 * P, RW, MAP_SHARED | MAP_ANONYMOUS), b = map_anon(P), out;

	assert_writes(mm, a, 1);
	assert_int_equal(mm_remap(mm, a, 0, 2 * P, MREMAP_MAYMOVE, 0, &out), 0);
	assert_reads(mm, out, 1);
	assert_writes(mm, out, 2);
	assert_reads(mm, a, 2);
	assert_int_equal(mm_remap(mm, b, 0, P, MREMAP_MAYMOVE, 0, &out), -EINVAL);
}

static void mremap_errors(void **state UNUSED)
{
	gva_t a = map(BASE, 2 * P, RW, ANON | MAP_FIXED), out;
	unsigned fixed = MREMAP_MAYMOVE | MREMAP_FIXED;

	assert_int_equal(mm_remap(mm, a, P, P, 8, 0, &out), -EINVAL);
	assert_int_equal(mm_remap(mm, a, P, P, MREMAP_FIXED, 0, &out), -EINVAL);
	assert_int_equal(mm_remap(mm, a, P, 2 * P, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, 0, &out),
			 -EINVAL);
	assert_int_equal(mm_remap(mm, a + 1, P, P, 0, 0, &out), -EINVAL);
	assert_int_equal(mm_remap(mm, a, P, 0, 0, 0, &out), -EINVAL);
	assert_int_equal(mm_remap(mm, a, P, P, fixed, a + MIB + 1, &out), -EINVAL);
	assert_int_equal(mm_remap(mm, a, 2 * P, 2 * P, fixed, a + P, &out), -EINVAL);
	assert_int_equal(mm_remap(mm, a + MIB, P, 2 * P, 0, 0, &out), -EFAULT);
	assert_int_equal(mm_remap(mm, a, 4 * P, 8 * P, MREMAP_MAYMOVE, 0, &out), -EFAULT);
	assert_int_equal(mm_remap(mm, a, P, UINT64_MAX, MREMAP_MAYMOVE, 0, &out), -EINVAL);
}

/* ---- madvise, mincore, msync ---- */

static void discarded_memory_returns_at_once(void **state UNUSED)
{
	gva_t a = map_anon(8 * MIB);
	uint64_t ops = fake_ops;

	for (uint64_t at = 0; at < 8 * MIB; at += P)
		assert_writes(mm, a + at, 1);
	assert_int_equal(used(), 8 * MIB);
	assert_int_equal(mm_advise(mm, a, 4 * MIB, MADV_DONTNEED), 0);
	assert_int_equal(used(), 4 * MIB);
	assert_int_equal(mm_advise(mm, a + 4 * MIB, 4 * MIB, MADV_FREE), 0);
	assert_int_equal(used(), 0);
	assert_int_equal(fake_ops, ops);
	assert_int_equal(assert_writes(mm, a + P, 1), 0);
	assert_reads(mm, a, 0);
}

static void discarding_does_not_touch_a_forked_twin(void **state UNUSED)
{
	gva_t a = map_anon(4 * P);
	struct mm *child;

	assert_writes(mm, a, 1);
	child = fork_mm();
	assert_int_equal(mm_advise(mm, a, 4 * P, MADV_DONTNEED), 0);
	assert_reads(child, a, 1);
	assert_reads(mm, a, 0);
	mm_put(child);
}

static void madvise_errors(void **state UNUSED)
{
	gva_t a = map(BASE, 2 * P, RW, ANON | MAP_FIXED);
	gva_t s = map(BASE + MIB, 2 * P, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED);
	gva_t f = map_file(BASE + 2 * MIB, 2 * P, PROT_READ, MAP_SHARED | MAP_FIXED, 0);

	assert_int_equal(mm_advise(mm, a + 1, P, MADV_NORMAL), -EINVAL);
	assert_int_equal(mm_advise(mm, a, P, 12345), -EINVAL);
	assert_int_equal(mm_advise(mm, a, 0, MADV_DONTNEED), 0);
	assert_int_equal(mm_advise(mm, a, UINT64_MAX, MADV_DONTNEED), -EINVAL);
	assert_writes(mm, a, 1);
	assert_int_equal(mm_advise(mm, a - P, 4 * P, MADV_DONTNEED), -ENOMEM);
	assert_reads(mm, a, 0);
	assert_int_equal(mm_advise(mm, s, P, MADV_FREE), -EINVAL);
	assert_int_equal(mm_advise(mm, s, P, MADV_WIPEONFORK), -EINVAL);
	assert_int_equal(mm_advise(mm, a, P, MADV_REMOVE), -EINVAL);
	assert_int_equal(mm_advise(mm, a, P, MADV_REMOVE), -EINVAL);
	assert_int_equal(mm_advise(mm, a, P, MADV_HWPOISON), -EINVAL);
	assert_int_equal(mm_lock(mm, a, P, MLOCK_MODE_EAGER), 0);
	assert_int_equal(mm_advise(mm, a, P, MADV_DONTNEED), -EINVAL);
	assert_int_equal(mm_advise(mm, a, P, MADV_DONTNEED_LOCKED), 0);
	assert_int_equal(mm_advise(mm, f, P, MADV_POPULATE_WRITE), -EINVAL);
	assert_int_equal(mm_advise(mm, f, P, MADV_POPULATE_READ), 0);
	assert_int_equal(mm_advise(mm, a, 3 * P, MADV_POPULATE_READ), -ENOMEM);
}

static void removed_shared_memory_is_zero_for_all(void **state UNUSED)
{
	gva_t s = map(0, 4 * P, RW, MAP_SHARED | MAP_ANONYMOUS);
	struct mm *child;

	assert_writes(mm, s + P, 1);
	assert_writes(mm, s + 2 * P, 1);
	child = fork_mm();
	assert_int_equal(mm_advise(mm, s, 2 * P, MADV_REMOVE), 0);
	assert_reads(child, s + P, 0);
	assert_reads(child, s + 2 * P, 1);
	mm_put(child);
}

static void mincore_tells_what_was_touched(void **state UNUSED)
{
	gva_t a = map(BASE, 4 * P, RW, ANON | MAP_FIXED), v = map_anon(P);
	uint8_t vec[4];

	assert_writes(mm, a + 2 * P, 1);
	assert_int_equal(mm_incore(mm, a, 4 * P, v), 0);
	assert_int_equal(mm_copy_in(mm, vec, v, 4), 0);
	assert_memory_equal(vec, "\0\0\1\0", 4);
	assert_int_equal(mm_incore(mm, a + 1, P, v), -EINVAL);
	assert_int_equal(mm_incore(mm, a, 5 * P, v), -ENOMEM);
	assert_int_equal(mm_incore(mm, a, P, BASE - P), -EFAULT);
	assert_int_equal(mm_incore(mm, a, 0, v), 0);
}

static void populated_memory_is_there(void **state UNUSED)
{
	gva_t a = map(BASE, 40 * P, RW, ANON | MAP_FIXED | MAP_POPULATE);

	assert_int_equal(used(), 40 * P);
	map(a, 40 * P, RW, ANON | MAP_FIXED);
	assert_int_equal(used(), 0);
	assert_int_equal(mm_lock(mm, a, 3 * P, MLOCK_MODE_EAGER), 0);
	assert_int_equal(used(), 3 * P);
	assert_int_equal(mm_advise(mm, a + 8 * P, P, MADV_POPULATE_READ), 0);
	assert_int_equal(used(), 4 * P);
}

static void msync_reaches_the_file(void **state UNUSED)
{
	gva_t a = map_file(BASE, 2 * P, RW, MAP_SHARED | MAP_FIXED, 0);

	assert_int_equal(mm_sync(mm, a, 2 * P, MS_SYNC), 0);
	assert_int_equal(file.syncs, 1);
	assert_int_equal(mm_sync(mm, a, 2 * P, MS_ASYNC), 0);
	assert_int_equal(file.syncs, 1);
	assert_int_equal(mm_sync(mm, a, P, MS_SYNC | MS_ASYNC), -EINVAL);
	assert_int_equal(mm_sync(mm, a + 1, P, MS_SYNC), -EINVAL);
	assert_int_equal(mm_sync(mm, a, P, 64), -EINVAL);
	assert_int_equal(mm_sync(mm, a, 3 * P, MS_SYNC), -ENOMEM);
	assert_int_equal(mm_lock(mm, a, P, MLOCK_MODE_EAGER), 0);
	assert_int_equal(mm_sync(mm, a, P, MS_INVALIDATE), -EBUSY);
}

/* ---- brk, stacks ---- */

static void the_break_moves(void **state UNUSED)
{
	gva_t b = BASE;
	uint64_t ops;

	mm_set_brk_start(mm, b);
	assert_int_equal(mm_brk(mm, 0), b);
	assert_int_equal(mm_brk(mm, b + 100), b + 100);
	assert_int_equal(assert_writes(mm, b + 99, 1), 1);
	for (int i = 1; i < 100; i++)
		assert_int_equal(mm_brk(mm, b + (gva_t)i * 33 * P), b + (gva_t)i * 33 * P);
	mm_check(mm);
	assert_int_equal(count_vmas(), 1);
	assert_reads(mm, b + 99, 1);
	/* Not into a neighbour, nor right up to it. */
	map(b + 20 * MIB, P, RW, ANON | MAP_FIXED);
	assert_int_equal(mm_brk(mm, b + 20 * MIB), b + 99 * 33 * P);
	assert_int_equal(mm_brk(mm, b + 20 * MIB - P), b + 20 * MIB - P);
	assert_int_equal(mm_brk(mm, b - 1), b + 20 * MIB - P);
	ops = fake_ops;
	assert_int_equal(mm_brk(mm, b + P), b + P);
	assert_in_range(fake_ops - ops, 1, 8);
	assert_segv(b + P, SEGV_MAPERR);
	/* What comes back is zero. */
	assert_int_equal(mm_brk(mm, b), b);
	assert_int_equal(mm_brk(mm, b + P), b + P);
	assert_reads(mm, b + 99, 0);
}

static gva_t map_stack(gva_t addr, uint64_t size)
{
	struct mm_map_args args = {
		.addr = addr,
		.size = size,
		.prot = RW,
		.flags = ANON | MAP_FIXED,
		.max_prot = 7,
		.name = "[stack]",
		.grows_down = true,
	};
	gva_t out;

	assert_int_equal(mm_map(mm, &args, &out), 0);
	assert_int_equal(mm_install(mm), 0);
	return out;
}

static void stacks_grow_by_touch(void **state UNUSED)
{
	struct mm_limits lim = { ~0ull, ~0ull, 4 * MIB, ~0ull };
	gva_t top = fake_hi() - MIB;
	gva_t s = map_stack(top - 4 * P, 4 * P);

	mm_set_limits(mm, &lim);
	assert_int_equal(assert_writes(mm, s, 1), 0);
	/* The process's own grows by more than it is touched. */
	assert_int_equal(assert_writes(mm, s - 10 * P, 1), 1);
	assert_int_equal(assert_writes(mm, s - 11 * P, 1), 0);
	mm_check(mm);
	assert_writes(mm, top - 4 * MIB, 1);
	assert_segv(top - 4 * MIB - 1, SEGV_MAPERR);
	assert_int_equal(count_vmas(), 1);
	/* Others grow up to the page; a copy of ours grows them too. */
	s = map(BASE + 8 * MIB, P, RW, ANON | MAP_FIXED | MAP_GROWSDOWN);
	assert_int_equal(mm_zero_out(mm, s - 2 * P, P), 0);
	mm_check(mm);
	assert_int_equal(assert_writes(mm, s - 3 * P, 1), 1);
	/* Also close above something: with less room than the limit on stacks. */
	s = map(BASE + 9 * MIB, P, RW, ANON | MAP_FIXED | MAP_GROWSDOWN);
	map(BASE + 9 * MIB - 8 * P, P, RW, ANON | MAP_FIXED);
	assert_segv(s - 1, SEGV_MAPERR);
	mm_check(mm);
}

static void stacks_keep_their_distance(void **state UNUSED)
{
	gva_t s = map(BASE + 2 * MIB, P, RW, ANON | MAP_FIXED | MAP_GROWSDOWN);

	map(BASE, P, RW, ANON | MAP_FIXED);
	/* 256 pages to what can be touched. */
	assert_writes(mm, BASE + P + 256 * P, 1);
	assert_segv(BASE + 256 * P, SEGV_MAPERR);
	assert_int_equal(mm_protect(mm, BASE, P, PROT_NONE), 0);
	assert_writes(mm, BASE + P, 1);
	/* And nothing is placed close below one. */
	s = map(BASE + 8 * MIB, P, RW, ANON | MAP_FIXED | MAP_GROWSDOWN);
	assert_true(map(s - 100 * P, P, RW, ANON) != s - 100 * P);
}

/* ---- mlock ---- */

static void locks_are_counted(void **state UNUSED)
{
	gva_t a = map(BASE, 10 * P, RW, ANON | MAP_FIXED);
	struct mm_usage u;

	assert_int_equal(mm_lock(mm, a + 1, 2 * P, MLOCK_MODE_EAGER), 0);
	mm_get_usage(mm, &u);
	assert_int_equal(u.locked, 3 * P);
	assert_int_equal(mm_lock(mm, a, 11 * P, MLOCK_MODE_ONFAULT), -ENOMEM);
	assert_int_equal(mm_lock_all(mm, 0), 0);
	mm_get_usage(mm, &u);
	assert_int_equal(u.locked, 0);
	assert_int_equal(count_vmas(), 1);
	assert_int_equal(mm_lock_all(mm, MCL_ONFAULT), -EINVAL);
	assert_int_equal(mm_lock_all(mm, 64), -EINVAL);
	assert_int_equal(mm_lock_all(mm, MCL_CURRENT | MCL_FUTURE), 0);
	map(BASE + MIB, P, RW, ANON | MAP_FIXED);
	mm_get_usage(mm, &u);
	assert_int_equal(u.locked, 11 * P);
	/* A hole: what lies before it is locked or unlocked all the same. */
	assert_int_equal(mm_lock(mm, a, 20 * P, MLOCK_MODE_NONE), -ENOMEM);
	mm_get_usage(mm, &u);
	assert_int_equal(u.locked, P);
}

/* ---- failures ---- */

static void a_platform_that_cannot_map_is_no_memory(void **state UNUSED)
{
	gva_t a = map(BASE, 4 * P, RW, ANON | MAP_FIXED), out;

	fake_fail_in = 1;
	assert_int_equal(try_map(BASE, P, PROT_READ, ANON | MAP_FIXED, &out), -ENOMEM);
	assert_segv(BASE, SEGV_MAPERR);
	fake_fail_in = 1;
	assert_int_equal(try_map(BASE, P, RW, ANON | MAP_FIXED, &out), 0);
	assert_int_equal(fake_write(mm, BASE, 1).signo, SIGKILL);
	assert_int_equal(fake_write(mm, BASE, 1).signo, 0);
	mm_check(mm);
	/* Copy-on-write that cannot be mapped loses no page and gives none away. */
	assert_writes(mm, a, 1);
	struct mm *child = fork_mm();

	fake_fail_in = 1;
	assert_int_equal(fake_write(mm, a, 2).signo, SIGKILL);
	assert_false(fake_may(mm, a, MAP_R));
	mm_check(mm);
	assert_int_equal(fake_write(mm, a, 2).signo, 0);
	assert_reads(child, a, 1);
	mm_put(child);
}

#ifdef NACRE_DEBUG
static int do_many_things(void)
{
	gva_t a, b, c, d;
	int err;

	err = try_map(0, 32 * P, RW, ANON, &a);
	if (!err)
		err = try_map(0, 8 * P, RW, MAP_SHARED | MAP_ANONYMOUS, &b);
	if (!err)
		err = try_map_file(0, 8 * P, RW, MAP_PRIVATE, 0, &c);
	if (!err)
		err = mm_protect(mm, a + 4 * P, P, PROT_READ);
	if (!err)
		err = try_map(a + 8 * P, P, PROT_READ, ANON | MAP_FIXED, &d);
	if (!err)
		err = mm_remap(mm, a + 16 * P, 8 * P, 64 * P, MREMAP_MAYMOVE, 0, &d);
	if (!err)
		err = mm_advise(mm, a, P, MADV_DONTFORK);
	if (!err)
		err = mm_lock(mm, b, P, MLOCK_MODE_EAGER);
	if (!err)
		err = mm_unmap(mm, a + P, P);
	if (!err)
		err = mm_zero_out(mm, c, P);
	return err;
}
#endif

static void every_allocation_may_fail(void **state UNUSED)
{
#ifdef NACRE_DEBUG
	for (unsigned nth = 1;; nth++) {
		int err;

		fault_arm(NULL, nth);
		err = do_many_things();
		if (!fault_fired()) {
			fault_arm(NULL, 0);
			assert_int_equal(err, 0);
			break;
		}
		assert_true(err == 0 || err == -ENOMEM || err == -EFAULT);
		mm_check(mm);
		memfile_check(mf);
		assert_int_equal(mm_clear(mm), 0);
		assert_int_equal(count_vmas(), 0);
		assert_int_equal(used(), 0);
	}
#endif
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(anonymous_memory_costs_no_trap),
		TEST(a_new_mapping_is_one_lazy_batch),
		TEST(new_memory_is_mapped_when_some_is_touched),
		TEST(replacing_a_mapping_is_one_operation),
		TEST(nothing_is_mapped_for_no_access),
		TEST(mmap_refuses_what_linux_refuses),
		TEST(a_hint_is_taken_when_it_is_free),
		TEST(alike_neighbours_are_one_vma),
		TEST(the_limits_hold),
		TEST(overcommit_has_an_end),
		TEST(memory_over_the_limit_is_refused),
		TEST(munmap_takes_the_middle),
		TEST(mprotect_splits_and_joins),
		TEST(mprotect_errors),
		TEST(arenas_grow_in_one_extent),
		TEST(a_mapped_file_costs_no_trap),
		TEST(small_data_of_programs_is_copied_at_once),
		TEST(other_files_show_through_until_a_page_is_stored_to),
		TEST(private_stores_stay_private),
		TEST(past_the_end_is_sigbus),
		TEST(mappings_are_announced_and_taken_back),
		TEST(fork_copies_on_write),
		TEST(runs_of_copies_are_one_mapping),
		TEST(fork_honours_advice),
		TEST(shared_memory_is_shared_with_children),
		TEST(fork_fails_without_memory_and_changes_nothing),
		TEST(mremap_moves_without_copying),
		TEST(mremap_to_a_fixed_place_replaces),
		TEST(mremap_may_leave_an_empty_mapping),
		TEST(mremap_of_nothing_duplicates_shared_memory),
		TEST(mremap_errors),
		TEST(discarded_memory_returns_at_once),
		TEST(discarding_does_not_touch_a_forked_twin),
		TEST(madvise_errors),
		TEST(removed_shared_memory_is_zero_for_all),
		TEST(mincore_tells_what_was_touched),
		TEST(populated_memory_is_there),
		TEST(msync_reaches_the_file),
		TEST(the_break_moves),
		TEST(stacks_grow_by_touch),
		TEST(stacks_keep_their_distance),
		TEST(locks_are_counted),
		TEST(a_platform_that_cannot_map_is_no_memory),
		TEST(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
