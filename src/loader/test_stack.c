/* The first stack: read back as a C library's start code would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi/stat.h"
#include "loader/testlib_fake.h"
#include "loader/testlib_image.h"

static struct image program;
static struct loader_strings argv, envp;
static struct loader_result result;

static int setup(void **state UNUSED)
{
	fake_reset();
	argv = envp = (struct loader_strings){ 0 };
	image_make(&program, ET_EXEC, NULL);
	return loader_vdso_init(fake_memfile(), fake_platform());
}

static int teardown(void **state UNUSED)
{
	loader_strings_free(&argv);
	loader_strings_free(&envp);
	loader_vdso_fini();
	fake_reset();
	return 0;
}

static int run(const char *filename)
{
	struct loader_request req = { .ctx = fake_ctx(),
				      .file = fake_file("/p", &program, sizeof(program),
							S_IFREG | 0755),
				      .filename = filename,
				      .argv = &argv,
				      .envp = &envp };
	struct loader_ids ids = { .uid = 1, .euid = 2, .gid = 3, .egid = 4, .secure = true };
	struct loader_image *image;
	int err = loader_check(&req, &image);

	if (err)
		return err;
	err = loader_load(fake_mm(), image, &req, &ids, &result);
	loader_image_free(image);
	return err;
}

static void add(struct loader_strings *s, const char *str)
{
	assert_int_equal(loader_strings_add(s, str, strlen(str), LOADER_ARGS_MAX), 0);
}

static void assert_string_at(gva_t addr, const char *want)
{
	size_t size = strlen(want) + 1;
	char *got = malloc(size);

	assert_true(fake_peek(addr, got, size));
	assert_memory_equal(got, want, size);
	free(got);
}

static uint64_t word(size_t i)
{
	return fake_peek64(result.stack + i * 8);
}

/* The value of an auxv entry; the vector starts at word `at`. */
static uint64_t aux(size_t at, uint64_t type)
{
	for (; word(at) != AT_NULL; at += 2) {
		if (word(at) == type)
			return word(at + 1);
	}
	fail_msg("no auxv entry %lu", type);
	return 0;
}

static void arguments_and_environment_are_in_order(void **state UNUSED)
{
	add(&argv, "prog");
	add(&argv, "");
	add(&argv, "two words");
	add(&envp, "A=1");
	add(&envp, "PATH=/bin");
	assert_int_equal(run("/bin/prog"), 0);
	assert_int_equal(result.stack % 16, 0);
	assert_int_equal(word(0), 3);
	assert_string_at(word(1), "prog");
	assert_string_at(word(2), "");
	assert_string_at(word(3), "two words");
	assert_int_equal(word(4), 0);
	assert_string_at(word(5), "A=1");
	assert_string_at(word(6), "PATH=/bin");
	assert_int_equal(word(7), 0);
	assert_int_equal(fake_layout()->arg_start, word(1));
	assert_int_equal(fake_layout()->arg_end, word(5));
	assert_int_equal(fake_layout()->env_start, word(5));
	assert_int_equal(fake_layout()->env_end, word(6) + strlen("PATH=/bin") + 1);
	assert_int_equal(fake_layout()->stack_start, result.stack);
}

static void auxv_is_complete_and_true(void **state UNUSED)
{
	size_t at = 4;
	uint8_t random[16], zero[16] = { 0 };
	const struct mm_layout *l = fake_layout();

	add(&argv, "prog");
	assert_int_equal(run("/bin/prog"), 0);
	assert_int_equal(aux(at, AT_PHDR), 0x400000 + offsetof(struct image, ph));
	assert_int_equal(aux(at, AT_PHENT), 56);
	assert_int_equal(aux(at, AT_PHNUM), 3);
	assert_int_equal(aux(at, AT_PAGESZ), 4096);
	assert_int_equal(aux(at, AT_BASE), 0);
	assert_int_equal(aux(at, AT_FLAGS), 0);
	assert_int_equal(aux(at, AT_ENTRY), 0x401000);
	assert_int_equal(aux(at, AT_UID), 1);
	assert_int_equal(aux(at, AT_EUID), 2);
	assert_int_equal(aux(at, AT_GID), 3);
	assert_int_equal(aux(at, AT_EGID), 4);
	assert_int_equal(aux(at, AT_SECURE), 1);
	assert_int_equal(aux(at, AT_CLKTCK), 100);
	assert_string_at(aux(at, AT_PLATFORM), "x86_64");
	assert_string_at(aux(at, AT_EXECFN), "/bin/prog");
	assert_int_equal(aux(at, AT_SYSINFO_EHDR), l->vdso);
	assert_true(aux(at, AT_MINSIGSTKSZ) >= 832 + 440);
	assert_true(fake_peek(aux(at, AT_RANDOM), random, 16));
	assert_memory_not_equal(random, zero, 16);
	assert_int_equal(l->auxv_count % 2, 0);
	for (size_t i = 0; i < l->auxv_count; i++)
		assert_int_equal(l->auxv[i], word(at + i));
	assert_int_equal(l->auxv[l->auxv_count - 2], AT_NULL);
}

static void phdrs_outside_every_segment_have_no_address(void **state UNUSED)
{
	program.ph[0].p_offset = 0x1000;
	program.ph[0].p_filesz = program.ph[0].p_memsz = 0x1000;
	add(&argv, "prog");
	assert_int_equal(run("/bin/prog"), 0);
	assert_int_equal(aux(4, AT_PHDR), 0);
}

static void missing_argv0_is_an_empty_string(void **state UNUSED)
{
	assert_int_equal(run("/bin/prog"), 0);
	assert_int_equal(word(0), 1);
	assert_string_at(word(1), "");
}

static void many_and_long_strings_arrive(void **state UNUSED)
{
	char *big = malloc(LOADER_MAX_ARG_STRLEN);
	char text[32];

	memset(big, 'x', LOADER_MAX_ARG_STRLEN - 1);
	big[LOADER_MAX_ARG_STRLEN - 1] = '\0';
	for (int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "arg%d", i);
		add(&argv, text);
	}
	for (int i = 0; i < 10; i++)
		add(&envp, big);
	assert_int_equal(run("/bin/prog"), 0);
	assert_int_equal(word(0), 10000);
	assert_string_at(word(10000), "arg9999");
	assert_string_at(word(10002 + 9), big);
	assert_int_equal(word(10002 + 10), 0);
	assert_int_equal(fake_prot(result.stack - (128 << 10)), 3);
	free(big);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(arguments_and_environment_are_in_order),
		T(auxv_is_complete_and_true),
		T(phdrs_outside_every_segment_have_no_address),
		T(missing_argv0_is_an_empty_string),
		T(many_and_long_strings_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
