/* Programs: what is loaded where, and that no file, however bad, does harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi/mman.h"
#include "abi/stat.h"
#include "base/fault.h"
#include "loader/testlib_fake.h"
#include "loader/testlib_image.h"

#define RX (PROT_READ | PROT_EXEC)
#define RW (PROT_READ | PROT_WRITE)
#define EXECUTABLE (S_IFREG | 0755)

static struct image program, interp;
static struct loader_strings argv, envp;
static struct loader_result result;

static int setup(void **state UNUSED)
{
	fake_reset();
	argv = envp = (struct loader_strings){ 0 };
	result = (struct loader_result){ 0 };
	return loader_strings_add(&argv, "prog", 4, LOADER_ARGS_MAX);
}

static int teardown(void **state UNUSED)
{
	loader_strings_free(&argv);
	loader_strings_free(&envp);
	fake_reset();
	return 0;
}

static struct loader_request request(struct file *f)
{
	return (struct loader_request){
		.ctx = fake_ctx(), .file = f, .filename = "/bin/prog", .argv = &argv, .envp = &envp
	};
}

/* Checks and loads; the result of the step that failed, and in *loaded whether
 * the second was reached. Drops every reference. */
static int exec_file(struct file *f, bool *reached)
{
	struct loader_request req = request(f);
	struct loader_ids ids = { 1, 2, 3, 4, true };
	struct loader_image *image;
	int err = loader_check(&req, &image);

	*reached = !err;
	if (err)
		return err;
	err = loader_load(fake_mm(), image, &req, &ids, &result);
	loader_image_free(image);
	if (result.exe)
		file_put(result.exe);
	return err;
}

static int exec_image(const struct image *im)
{
	bool reached;
	int err = exec_file(fake_file("/bin/prog", im, sizeof(*im), EXECUTABLE), &reached);

	assert_true(fake_is_balanced());
	return err;
}

static void assert_byte(gva_t addr, uint8_t want)
{
	uint8_t got;

	assert_true(fake_peek(addr, &got, 1));
	assert_int_equal(got, want);
}

static void assert_program_at(uint64_t base)
{
	assert_int_equal(fake_prot(base + 0x1000), RX);
	assert_int_equal(fake_prot(base + 0x3000), RW);
	assert_int_equal(fake_prot(base + 0x5000), RW);
	assert_int_equal(fake_prot(base + 0x2000), -1); /* the hole */
	assert_int_equal(fake_prot(base + 0x6000), -1);
	assert_byte(base + 0x1234, 0x1234 % 251);
	assert_byte(base + 0x37ff, 0x27ff % 251);
	assert_byte(base + 0x3800, 0); /* the file goes on here */
	assert_byte(base + 0x3fff, 0);
	assert_byte(base + 0x4000, 0);
	assert_byte(base + 0x50ff, 0);
}

static void fixed_program_is_where_it_says(void **state UNUSED)
{
	image_make(&program, ET_EXEC, NULL);
	assert_int_equal(exec_image(&program), 0);
	assert_program_at(0x400000);
	assert_int_equal(result.entry, 0x401000);
	assert_string_equal(result.comm, "prog");
	assert_int_equal(fake_prot(result.stack), RW);
	assert_string_equal(fake_name(result.stack), "[stack]");
	assert_true(fake_brk_start() >= 0x406000);
	assert_int_equal(fake_layout()->code_start, 0x400000);
	assert_int_equal(fake_layout()->code_end, 0x402000);
	assert_int_equal(fake_layout()->data_start, 0x403000);
	assert_int_equal(fake_layout()->data_end, 0x403800);
}

static void static_pie_goes_among_the_mappings(void **state UNUSED)
{
	image_make(&program, ET_DYN, NULL);
	assert_int_equal(exec_image(&program), 0);
	assert_program_at(result.entry - 0x1000);
	assert_true(result.entry >= 0x700000000000);
	assert_true(fake_brk_start() < 0x700000000000);
}

static void dynamic_program_starts_in_its_interpreter(void **state UNUSED)
{
	uint64_t base;

	image_make(&program, ET_DYN, "/ld.so");
	image_make(&interp, ET_DYN, NULL);
	interp.eh.e_entry = 0x1100;
	fake_file("/ld.so", &interp, sizeof(interp), EXECUTABLE);
	assert_int_equal(exec_image(&program), 0);
	assert_program_at(result.entry - 0x1100);
	base = fake_layout()->code_start;
	assert_program_at(base);
	assert_true(base >= 0x555555554000 && base < 0x700000000000);
	assert_true(fake_brk_start() >= base + 0x6000);
}

static void without_aslr_pies_are_at_linux_base(void **state UNUSED)
{
	struct loader_request req;
	struct loader_ids ids = { 0 };
	struct loader_image *image;

	image_make(&program, ET_DYN, "/ld.so");
	image_make(&interp, ET_DYN, NULL);
	fake_file("/ld.so", &interp, sizeof(interp), EXECUTABLE);
	req = request(fake_file("/bin/prog", &program, sizeof(program), EXECUTABLE));
	req.no_aslr = true;
	assert_int_equal(loader_check(&req, &image), 0);
	assert_int_equal(loader_load(fake_mm(), image, &req, &ids, &result), 0);
	assert_int_equal(fake_layout()->code_start, 0x555555554000);
	assert_int_equal(fake_brk_start(), 0x555555554000 + 0x6000);
	file_put(result.exe);
	loader_image_free(image);
}

static void alignment_of_segments_is_kept(void **state UNUSED)
{
	image_make(&program, ET_DYN, NULL);
	program.ph[0].p_align = 0x200000;
	assert_int_equal(exec_image(&program), 0);
	assert_int_equal((result.entry - 0x1000) % 0x200000, 0);
	fake_reset();
	program.ph[0].p_align = 0x7777777; /* no power of two: ignored */
	assert_int_equal(exec_image(&program), 0);
	assert_program_at(result.entry - 0x1000);
}

static void executable_stack_when_asked_for(void **state UNUSED)
{
	image_make(&program, ET_EXEC, NULL);
	program.ph[2].p_flags |= PF_X;
	assert_int_equal(exec_image(&program), 0);
	assert_int_equal(fake_prot(result.stack), RW | PROT_EXEC);
}

static void program_over_the_stack_is_refused(void **state UNUSED)
{
	image_make(&program, ET_EXEC, NULL);
	program.ph[0].p_vaddr = 0x7fffffffd000 - 0x20000;
	program.ph[1].p_vaddr = 0x7fffffffd000 - 0x1d000;
	assert_int_equal(exec_image(&program), -EEXIST);
}

static void program_at_address_zero_is_refused(void **state UNUSED)
{
	image_make(&program, ET_EXEC, NULL);
	program.ph[0].p_vaddr = 0;
	assert_int_equal(exec_image(&program), -EPERM);
}

/* One field of a valid program, spoilt, and the error that must come of it. */
#define BAD_HEADER(field, value, want)                                    \
	do {                                                              \
		fake_reset();                                             \
		image_make(&program, ET_EXEC, NULL);                      \
		program.field = (value);                                  \
		assert_int_equal(exec_image(&program), want);             \
		assert_int_equal(fake_nranges(), 0); /* not begun with */ \
	} while (0)

static void bad_headers_are_found_before_anything_is_mapped(void **state UNUSED)
{
	BAD_HEADER(eh.e_ident[EI_MAG3], 'G', -ENOEXEC);
	BAD_HEADER(eh.e_type, ET_REL, -ENOEXEC);
	BAD_HEADER(eh.e_type, ET_CORE, -ENOEXEC);
	BAD_HEADER(eh.e_machine, EM_AARCH64, -ENOEXEC);
	BAD_HEADER(eh.e_phentsize, 32, -ENOEXEC);
	BAD_HEADER(eh.e_phnum, 0, -ENOEXEC);
	BAD_HEADER(eh.e_phnum, 0xffff, -ENOEXEC);
	BAD_HEADER(eh.e_phnum, 1170, -ENOEXEC); /* beyond the file */
	BAD_HEADER(eh.e_phoff, UINT64_MAX, -ENOEXEC);
	BAD_HEADER(eh.e_phoff, UINT64_MAX - 10, -ENOEXEC);
	BAD_HEADER(eh.e_phoff, INT64_MAX, -ENOEXEC);
	BAD_HEADER(eh.e_phoff, IMAGE_SIZE - 1, -ENOEXEC);
}

/* One field of a valid program, spoilt, so that it is found when it is mapped. */
#define BAD_SEGMENT(field, value)                                                                \
	do {                                                                                     \
		bool reached;                                                                    \
                                                                                                 \
		fake_reset();                                                                    \
		image_make(&program, ET_EXEC, NULL);                                             \
		program.field = (value);                                                         \
		assert_int_equal(                                                                \
			exec_file(fake_file("/bin/prog", &program, sizeof(program), EXECUTABLE), \
				  &reached),                                                     \
			-EINVAL);                                                                \
		assert_true(reached);                                                            \
	} while (0)

static void bad_segments_are_found_when_there_is_no_way_back(void **state UNUSED)
{
	BAD_SEGMENT(eh.e_entry, LOADER_TASK_SIZE);
	BAD_SEGMENT(eh.e_entry, UINT64_MAX);
	BAD_SEGMENT(ph[0].p_filesz, 0x2001);
	BAD_SEGMENT(ph[0].p_memsz, UINT64_MAX);
	BAD_SEGMENT(ph[0].p_vaddr, UINT64_MAX - 0x1000);
	BAD_SEGMENT(ph[0].p_vaddr, LOADER_TASK_SIZE);
	BAD_SEGMENT(ph[0].p_vaddr, 0x400001);
	BAD_SEGMENT(ph[1].p_offset, UINT64_MAX - 0xfff);
	BAD_SEGMENT(ph[1].p_offset, INT64_MAX & PAGE_MASK);
}

static void program_without_segments_is_refused(void **state UNUSED)
{
	image_make(&program, ET_EXEC, NULL);
	program.ph[0].p_type = program.ph[1].p_type = PT_NULL;
	assert_int_equal(exec_image(&program), -EINVAL);
	fake_reset();
	image_make(&program, ET_EXEC, NULL);
	program.ph[0].p_memsz = program.ph[0].p_filesz = 0;
	program.ph[1].p_memsz = program.ph[1].p_filesz = 0;
	assert_int_equal(exec_image(&program), -EINVAL);
}

static void bad_interpreters(void **state UNUSED)
{
	image_make(&program, ET_DYN, "/missing");
	assert_int_equal(exec_image(&program), -ENOENT);

	fake_file("/text", "hello", 5, EXECUTABLE);
	image_make(&program, ET_DYN, "/text");
	assert_int_equal(exec_image(&program), -EIO);

	image_make(&interp, ET_DYN, NULL);
	interp.eh.e_machine = EM_AARCH64;
	fake_file("/other", &interp, sizeof(interp), EXECUTABLE);
	image_make(&program, ET_DYN, "/other");
	assert_int_equal(exec_image(&program), -ELIBBAD);

	image_make(&interp, ET_DYN, NULL);
	fake_file("/noexec", &interp, sizeof(interp), S_IFREG | 0644);
	image_make(&program, ET_DYN, "/noexec");
	assert_int_equal(exec_image(&program), -EACCES);

	fake_file("/dir", "", 0, S_IFDIR | 0755);
	image_make(&program, ET_DYN, "/dir");
	assert_int_equal(exec_image(&program), -EACCES);

	image_make(&program, ET_DYN, "/dir");
	program.ph[0].p_filesz--; /* the NUL is cut off */
	assert_int_equal(exec_image(&program), -ENOEXEC);
	program.ph[0].p_filesz = UINT64_MAX;
	assert_int_equal(exec_image(&program), -ENOEXEC);
	program.ph[0].p_filesz = 1;
	assert_int_equal(exec_image(&program), -ENOEXEC);
}

static void unreadable_but_executable_is_run(void **state UNUSED)
{
	image_make(&interp, ET_DYN, NULL);
	fake_file("/ld.so", &interp, sizeof(interp), S_IFREG | 0111);
	image_make(&program, ET_DYN, "/ld.so");
	assert_int_equal(exec_image(&program), 0);
}

static void file_that_cannot_be_mapped_is_no_program(void **state UNUSED)
{
	bool reached;
	struct file *f;

	image_make(&program, ET_EXEC, NULL);
	f = fake_file("/bin/prog", &program, sizeof(program), EXECUTABLE);
	fake_file_unmappable(f);
	assert_int_equal(exec_file(f, &reached), -ENOEXEC);
}

static void read_errors_are_passed_on(void **state UNUSED)
{
	image_make(&program, ET_EXEC, NULL);
	fake_read_error(-EIO);
	assert_int_equal(exec_image(&program), -EIO);
}

/* Cut at every byte of the headers, and at every page after them: an error, or
 * loaded; the references always balance. */
static void truncated_anywhere_it_does_no_harm(void **state UNUSED)
{
	size_t headers = offsetof(struct image, ph) + 4 * sizeof(Elf64_Phdr);
	bool reached;
	int err;

	image_make(&program, ET_EXEC, NULL);
	for (size_t size = 0; size < sizeof(program); size += size < headers ? 1 : 512) {
		fake_reset();
		err = exec_file(fake_file("/bin/prog", &program, size, EXECUTABLE), &reached);
		if (size < headers - sizeof(Elf64_Phdr))
			assert_int_equal(err, -ENOEXEC);
		assert_true(fake_is_balanced());
	}
}

static uint64_t rng = 88172645463325252;

static uint64_t next_random(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

/* A few bytes of the headers become random, or all ones, or zero. */
static void spoil(struct image *im)
{
	size_t headers = offsetof(struct image, ph) + 4 * sizeof(Elf64_Phdr);
	unsigned n = 1 + (unsigned)(next_random() % 6);

	while (n--) {
		size_t at = (size_t)(next_random() % headers);
		uint64_t r = next_random();

		im->bytes[at] = r % 3 == 0 ? 0xff : r % 3 == 1 ? 0 : (uint8_t)(r >> 8);
	}
}

static void corrupt_anywhere_it_does_no_harm(void **state UNUSED)
{
	image_make(&interp, ET_DYN, NULL);
	for (unsigned i = 0; i < 50000; i++) {
		fake_reset();
		fake_file("/ld.so", &interp, sizeof(interp), EXECUTABLE);
		image_make(&program, i & 1 ? ET_EXEC : ET_DYN, i & 2 ? "/ld.so" : NULL);
		spoil(&program);
		(void)!exec_image(&program);
	}
}

static void every_failure_of_mm_is_survived(void **state UNUSED)
{
	int err = -1;

	image_make(&interp, ET_DYN, NULL);
	for (unsigned nth = 1; err; nth++) {
		assert_true(nth < 100);
		fake_reset();
		fake_file("/ld.so", &interp, sizeof(interp), EXECUTABLE);
		image_make(&program, ET_EXEC, "/ld.so");
		fake_mm_fail(nth);
		err = exec_image(&program);
		assert_true(err == 0 || err == -ENOMEM || err == -EFAULT);
	}
}

#ifdef NACRE_DEBUG
static void every_failed_allocation_is_survived(void **state UNUSED)
{
	int err = -1;

	image_make(&interp, ET_DYN, NULL);
	for (unsigned nth = 1; err; nth++) {
		fake_reset();
		fake_file("/ld.so", &interp, sizeof(interp), EXECUTABLE);
		image_make(&program, ET_EXEC, "/ld.so");
		fault_arm(NULL, nth);
		err = exec_image(&program);
		assert_int_equal(err, fault_fired() ? -ENOMEM : 0);
		fault_arm(NULL, 0);
	}
}
#endif

static void vdso_is_mapped_behind_its_parameters(void **state UNUSED)
{
	Elf64_Ehdr eh;
	gva_t base;

	assert_int_equal(loader_vdso_init(fake_memfile(), fake_platform()), 0);
	image_make(&program, ET_EXEC, NULL);
	assert_int_equal(
		exec_file(fake_file("/p", &program, sizeof(program), EXECUTABLE), &(bool){ 0 }), 0);
	base = fake_layout()->vdso;
	assert_true(fake_peek(base, &eh, sizeof(eh)));
	assert_memory_equal(eh.e_ident, ELFMAG, SELFMAG);
	assert_int_equal(fake_prot(base), RX);
	assert_string_equal(fake_name(base), "[vdso]");
	assert_int_equal(fake_prot(base - 1), PROT_READ);
	assert_string_equal(fake_name(base - 1), "[vvar]");
	assert_int_equal(fake_peek64(base - PAGE_SIZE), 0x7ffff0001000);
	assert_int_equal(fake_peek64(base - PAGE_SIZE + 8), 0);
	assert_int_equal(fake_peek64(base + loader_vdso_sigreturn_offset()) & 0xffffffffffffff,
			 0x50f0000000fb8); /* mov $15,%eax; syscall */
	loader_vdso_fini();
	assert_true(fake_is_balanced());
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(fixed_program_is_where_it_says),
		T(static_pie_goes_among_the_mappings),
		T(dynamic_program_starts_in_its_interpreter),
		T(without_aslr_pies_are_at_linux_base),
		T(alignment_of_segments_is_kept),
		T(executable_stack_when_asked_for),
		T(program_over_the_stack_is_refused),
		T(program_at_address_zero_is_refused),
		T(bad_headers_are_found_before_anything_is_mapped),
		T(bad_segments_are_found_when_there_is_no_way_back),
		T(program_without_segments_is_refused),
		T(bad_interpreters),
		T(unreadable_but_executable_is_run),
		T(file_that_cannot_be_mapped_is_no_program),
		T(read_errors_are_passed_on),
		T(truncated_anywhere_it_does_no_harm),
		T(corrupt_anywhere_it_does_no_harm),
		T(every_failure_of_mm_is_survived),
#ifdef NACRE_DEBUG
		T(every_failed_allocation_is_survived),
#endif
		T(vdso_is_mapped_behind_its_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
