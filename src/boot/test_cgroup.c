/* The memory limit of our cgroup, from files made up for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "boot/internal.h"

static char base[] = "/tmp/nacre-cgroup-XXXXXX";

static const char *in_base(const char *name)
{
	static char path[2][256];
	static int turn;

	turn ^= 1;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", base, name);
	return path[turn];
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(in_base(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static uint64_t limit(const char *self)
{
	put("self", self);
	return cgroup_memory_limit(in_base("self"), base);
}

static int setup(void **state UNUSED)
{
	char *name = mkdtemp(base);

	return !name || mkdir(in_base("a"), 0700) || mkdir(in_base("a/b"), 0700) ||
	       mkdir(in_base("memory"), 0700) || mkdir(in_base("memory/c"), 0700);
}

static int teardown(void **state UNUSED)
{
	static const char *const names[] = { "self",
					     "a/b/memory.max",
					     "a/memory.max",
					     "memory.max",
					     "memory/c/memory.limit_in_bytes",
					     "memory/memory.limit_in_bytes",
					     "a/b",
					     "a",
					     "memory/c",
					     "memory" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		remove(in_base(names[i]));
	return remove(base);
}

static void the_smallest_on_the_way_up_counts(void **state UNUSED)
{
	assert_true(limit("0::/a/b\n") == UINT64_MAX);
	put("a/memory.max", "1000000\n");
	assert_true(limit("0::/a/b\n") == 1000000);
	put("a/b/memory.max", "max\n");
	assert_true(limit("0::/a/b\n") == 1000000);
	put("a/b/memory.max", "5000\n");
	assert_true(limit("0::/a/b\n") == 5000);
	put("memory.max", "4000\n");
	assert_true(limit("0::/a/b\n") == 4000);
	assert_true(limit("0::/\n") == 4000);
}

static void the_old_version_has_a_tree_of_its_own(void **state UNUSED)
{
	put("memory/c/memory.limit_in_bytes", "3000\n");
	assert_true(limit("3:cpu:/c\n2:memory:/c\n") == 3000);
	assert_true(limit("3:cpu:/c\n") == UINT64_MAX);
	put("memory/memory.limit_in_bytes", "2000\n");
	/* A path of the host, of which only the root is here. */
	assert_true(limit("2:memory:/docker/0123\n") == 2000);
}

static void nonsense_is_no_limit(void **state UNUSED)
{
	assert_true(cgroup_memory_limit(in_base("none"), base) == UINT64_MAX);
	assert_true(limit("") == UINT64_MAX);
	assert_true(limit("0\n0:\n:::\n5:memory") == UINT64_MAX);
	put("a/memory.max", "many\n");
	put("a/b/memory.max", "0\n");
	remove(in_base("memory.max"));
	assert_true(limit("0::/a/b") == UINT64_MAX);
	put("memory.max", "700");
	assert_true(limit("0::/../../..\n") == 700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_smallest_on_the_way_up_counts),
		cmocka_unit_test(the_old_version_has_a_tree_of_its_own),
		cmocka_unit_test(nonsense_is_no_limit),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
