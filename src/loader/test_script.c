/* Scripts: the text of #! lines, and what becomes of the arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi/stat.h"
#include "loader/testlib_fake.h"
#include "loader/testlib_image.h"

#define EXECUTABLE (S_IFREG | 0755)

static struct script_line line;

static int parse(const char *text)
{
	char head[SCRIPT_HEAD_SIZE] = { 0 };

	memcpy(head, text, MIN(strlen(text), sizeof(head)));
	return script_parse(head, &line);
}

#define PARSES(text, want_interp, want_arg)                            \
	do {                                                           \
		assert_int_equal(parse(text), 0);                      \
		assert_string_equal(line.interp, want_interp);         \
		assert_int_equal(line.has_arg, (want_arg)[0] != '\0'); \
		assert_string_equal(line.arg, want_arg);               \
	} while (0)

static void lines_are_split_as_linux_does(void **state UNUSED)
{
	PARSES("#!/bin/sh\n", "/bin/sh", "");
	PARSES("#!/bin/sh", "/bin/sh", "");
	PARSES("#! /bin/sh \t\n", "/bin/sh", "");
	PARSES("#!\t/bin/sh\t-e\n", "/bin/sh", "-e");
	PARSES("#!/usr/bin/env  python3  -u -S \nx y", "/usr/bin/env", "python3  -u -S");
	PARSES("#!/bin/sh\r\n", "/bin/sh\r", "");
	PARSES("#!sh\n", "sh", "");
}

static void lines_that_name_nothing_are_refused(void **state UNUSED)
{
	assert_int_equal(parse(""), -ENOEXEC);
	assert_int_equal(parse("#"), -ENOEXEC);
	assert_int_equal(parse("#!"), -ENOEXEC);
	assert_int_equal(parse("#!\n/bin/sh\n"), -ENOEXEC);
	assert_int_equal(parse("#!  \t \n"), -ENOEXEC);
	assert_int_equal(parse("echo\n"), -ENOEXEC);
}

/* A line of '#!', then n times 'a', then `rest`. */
static int parse_long(unsigned n, const char *rest)
{
	char text[1024] = "#!";

	memset(text + 2, 'a', n);
	strcpy(text + 2 + n, rest);
	return parse(text);
}

static void names_that_may_be_cut_are_refused(void **state UNUSED)
{
	assert_int_equal(parse_long(252, "\n"), 0);
	assert_int_equal(strlen(line.interp), 252);
	assert_int_equal(parse_long(253, "\n"), 0);
	assert_int_equal(strlen(line.interp), 253);
	assert_int_equal(parse_long(253, " x"), 0);
	assert_int_equal(parse_long(254, "\n"), -ENOEXEC);
	assert_int_equal(parse_long(600, "\n"), -ENOEXEC);
}

static void long_arguments_are_cut(void **state UNUSED)
{
	char text[600] = "#!/bin/sh ";

	memset(text + 10, 'x', 500);
	assert_int_equal(parse(text), 0);
	assert_int_equal(strlen(line.arg), 255 - 10);
}

/* ---- whole execs ---- */

static struct loader_strings argv, envp;
static struct image program;

static int setup(void **state UNUSED)
{
	fake_reset();
	argv = envp = (struct loader_strings){ 0 };
	image_make(&program, ET_EXEC, NULL);
	fake_file("/bin/sh", &program, sizeof(program), EXECUTABLE);
	return loader_strings_add(&argv, "zero", 4, LOADER_ARGS_MAX) ||
	       loader_strings_add(&argv, "one", 3, LOADER_ARGS_MAX);
}

static int teardown(void **state UNUSED)
{
	loader_strings_free(&argv);
	loader_strings_free(&envp);
	fake_reset();
	return 0;
}

static int check(struct file *f, const char *filename, bool cloexec)
{
	struct loader_request req = { .ctx = fake_ctx(),
				      .file = f,
				      .filename = filename,
				      .argv = &argv,
				      .envp = &envp,
				      .close_on_exec_fd = cloexec };
	struct loader_image *image;
	int err = loader_check(&req, &image);

	loader_image_free(image);
	assert_true(fake_is_balanced());
	return err;
}

static int check_text(const char *text)
{
	return check(fake_file("/script", text, strlen(text), EXECUTABLE), "/script", false);
}

static void assert_argv(const char *want, size_t size)
{
	assert_int_equal(argv.size, size);
	assert_memory_equal(argv.data, want, size);
}
#define ASSERT_ARGV(want) assert_argv(want, sizeof(want))

static void interpreter_and_argument_come_first(void **state UNUSED)
{
	assert_int_equal(check_text("#!/bin/sh -e\n"), 0);
	ASSERT_ARGV("/bin/sh\0-e\0/script\0one");
	assert_int_equal(argv.count, 4);
}

static void scripts_may_interpret_scripts(void **state UNUSED)
{
	fake_file("/inner", "#!/bin/sh\n", 10, EXECUTABLE);
	assert_int_equal(check_text("#!/inner arg\n"), 0);
	ASSERT_ARGV("/bin/sh\0/inner\0arg\0/script\0one");
}

static void five_scripts_deep_and_no_deeper(void **state UNUSED)
{
	char text[8][32], name[8][8];

	for (int i = 0; i < 8; i++) {
		snprintf(name[i], sizeof(name[i]), "/s%d", i);
		snprintf(text[i], sizeof(text[i]), i ? "#!/s%d\n" : "#!/bin/sh\n", i - 1);
		fake_file(name[i], text[i], strlen(text[i]), EXECUTABLE);
	}
	/* /s3 is four scripts deep. */
	assert_int_equal(check(fake_file("/five", "#!/s3\n", 6, EXECUTABLE), "/five", false), 0);
	assert_int_equal(check(fake_file("/six", "#!/s4\n", 6, EXECUTABLE), "/six", false), -ELOOP);
}

static void scripts_that_cannot_run(void **state UNUSED)
{
	assert_int_equal(check_text("#!/missing\n"), -ENOENT);
	assert_int_equal(check_text("#!\n"), -ENOEXEC);
	assert_int_equal(check_text("hello\n"), -ENOEXEC);
	assert_int_equal(check_text(""), -ENOEXEC);
	fake_file("/plain", "x", 1, S_IFREG | 0644);
	assert_int_equal(check_text("#!/plain\n"), -EACCES);
	fake_file("/dir", "", 0, S_IFDIR | 0755);
	assert_int_equal(check_text("#!/dir\n"), -EACCES);
	assert_int_equal(check(fake_file("/s", "#!/bin/sh\n", 10, EXECUTABLE), "/dev/fd/3", true),
			 -ENOENT);
}

static void empty_argv_becomes_the_script(void **state UNUSED)
{
	loader_strings_free(&argv);
	assert_int_equal(check_text("#!/bin/sh\n"), 0);
	ASSERT_ARGV("/bin/sh\0/script");
}

/* ---- strings ---- */

static void strings_keep_to_their_limits(void **state UNUSED)
{
	struct loader_strings s = { 0 };
	char *big = malloc(LOADER_MAX_ARG_STRLEN);

	memset(big, 'b', LOADER_MAX_ARG_STRLEN);
	assert_int_equal(loader_strings_add(&s, big, LOADER_MAX_ARG_STRLEN, LOADER_ARGS_MAX),
			 -E2BIG);
	assert_int_equal(loader_strings_add(&s, big, LOADER_MAX_ARG_STRLEN - 1, LOADER_ARGS_MAX),
			 0);
	loader_strings_free(&s);
	assert_int_equal(loader_strings_add(&s, "abc", 3, 24), 0); /* 4 and a pointer */
	assert_int_equal(loader_strings_used(&s), 12);
	assert_int_equal(loader_strings_add(&s, "abcd", 4, 24), -E2BIG);
	assert_int_equal(loader_strings_add(&s, "abc", 3, 24), 0);
	assert_int_equal(loader_strings_add(&s, "", 0, 24), -E2BIG);
	loader_strings_free(&s);
	loader_strings_free(&s);
	free(big);
	assert_int_equal(loader_arg_limit(8 << 20), 2 << 20);
	assert_int_equal(loader_arg_limit(UINT64_MAX), 6 << 20);
	assert_int_equal(loader_arg_limit(0), 128 << 10);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lines_are_split_as_linux_does),       T(lines_that_name_nothing_are_refused),
		T(names_that_may_be_cut_are_refused),   T(long_arguments_are_cut),
		T(interpreter_and_argument_come_first), T(scripts_may_interpret_scripts),
		T(five_scripts_deep_and_no_deeper),     T(scripts_that_cannot_run),
		T(empty_argv_becomes_the_script),       T(strings_keep_to_their_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
