/* The id maps of user namespaces: what may be written, and what ids mean then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/kmem.h"
#include "vfs/cred.h"

struct env {
	struct cred *outer, *inner;
	struct user_ns *ns;
};

static int setup(void **state)
{
	static struct env e;

	e.outer = cred_create(0, 0);
	assert_non_null(e.outer);
	assert_int_equal(user_ns_create(e.outer, &e.inner), 0);
	e.ns = e.inner->user_ns;
	*state = &e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	cred_put(e->inner);
	cred_put(e->outer);
	return 0;
}

static int write_uids(struct env *e, const char *text)
{
	return user_ns_write_map(e->ns, ID_UID, text, e->outer, e->outer);
}

static void refuses_what_is_no_map(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"0",
		"0 0",
		"0 0 0",
		"0 0 1 1",
		"a 0 1",
		"0 b 1",
		"-1 0 1",
		"0x0 0 1",
		"4294967295 0 1",
		"0 4294967295 1",
		"4294967296 0 1",
		"1 0 4294967295",
		"0 0 1\n0 5 1",   /* inside twice */
		"0 0 10\n20 9 1", /* outside twice */
		"0 0 1\n\n1 1 1",
		"0 0 1;1 1 1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(write_uids(*state, bad[i]), -EINVAL);
	assert_int_equal(write_uids(*state, " 0\t0   1 \n"), 0);
	assert_int_equal(write_uids(*state, "0 0 1"), -EPERM); /* once */
}

static void refuses_too_many_lines(void **state)
{
	char text[341 * 16] = "";
	size_t n = 0;

	for (int i = 0; i < 341; i++)
		n += (size_t)sprintf(text + n, "%d %d 1\n", 2 * i, 3 * i + 1);
	assert_int_equal(write_uids(*state, text), -EINVAL);
	*strrchr(text, '\n') = '\0';
	*strrchr(text, '\n') = '\0';
	assert_int_equal(write_uids(*state, text), 0);
}

static void translates_both_ways(void **state)
{
	struct env *e = *state;
	struct id_extent x;

	assert_int_equal(user_ns_id_out(e->ns, ID_UID, 0), ID_OVERFLOW);
	assert_int_equal(write_uids(e, "0 1000 1\n1 100000 65535\n"), 0);
	assert_int_equal(user_ns_id_in(e->ns, ID_UID, 0), 1000);
	assert_int_equal(user_ns_id_in(e->ns, ID_UID, 65535), 165534);
	assert_int_equal(user_ns_id_in(e->ns, ID_UID, 65536), ID_INVALID);
	assert_int_equal(user_ns_id_in(e->ns, ID_UID, ID_INVALID), ID_INVALID);
	assert_int_equal(user_ns_id_find(e->ns, ID_UID, 1000), 0);
	assert_int_equal(user_ns_id_find(e->ns, ID_UID, 1001), ID_INVALID);
	assert_int_equal(user_ns_id_out(e->ns, ID_UID, 99999), ID_OVERFLOW);
	assert_int_equal(user_ns_id_in(e->ns, ID_GID, 0), ID_INVALID); /* no map yet */
	assert_true(user_ns_show_extent(e->ns, ID_UID, e->ns, 1, &x));
	assert_true(x.inside == 1 && x.outside == 100000 && x.count == 65535);
	assert_false(user_ns_show_extent(e->ns, ID_UID, e->ns, 2, &x));
}

/* Maps of a namespace below go through the one above. */
static void nested_maps(void **state)
{
	struct env *e = *state;
	struct cred *below;
	struct user_ns *u;

	assert_int_equal(write_uids(e, "0 1000 10"), 0);
	assert_int_equal(user_ns_create(e->inner, &below), -EPERM); /* its ids mean nothing */
	e->inner->euid = 1000;
	assert_int_equal(user_ns_write_map(e->ns, ID_GID, "0 0 1", e->outer, e->outer), 0);
	assert_int_equal(user_ns_create(e->inner, &below), 0);
	u = below->user_ns;
	/* More than the parent has, or across two of its extents. */
	assert_int_equal(user_ns_write_map(u, ID_UID, "0 5 6", e->inner, e->inner), -EPERM);
	assert_int_equal(user_ns_write_map(u, ID_UID, "7 5 5", e->inner, e->inner), 0);
	assert_int_equal(user_ns_id_in(u, ID_UID, 7), 1005);
	assert_int_equal(user_ns_id_find(u, ID_UID, 1009), 11);
	/* Capabilities: over what is below, not above. */
	assert_true(cred_has_cap_in(e->inner, u, CAP_KILL));
	assert_true(cred_has_cap_in(e->outer, u, CAP_KILL));
	assert_false(cred_has_cap_in(below, e->ns, CAP_KILL));
	assert_false(cred_has_cap(e->inner, CAP_KILL));
	cred_put(below);
}

static void setgroups_is_denied_for_good(void **state)
{
	struct env *e = *state;

	assert_int_equal(user_ns_write_setgroups(e->ns, "no"), -EINVAL);
	assert_int_equal(user_ns_write_setgroups(e->ns, "denyx"), -EINVAL);
	assert_int_equal(user_ns_write_setgroups(e->ns, "allow\n"), 0);
	assert_int_equal(user_ns_write_setgroups(e->ns, "deny \n"), 0);
	assert_int_equal(user_ns_write_setgroups(e->ns, "allow"), -EPERM);
	assert_int_equal(user_ns_write_map(e->ns, ID_GID, "0 0 1", e->outer, e->outer), 0);
	assert_false(user_ns_may_setgroups(e->ns));
	assert_int_equal(user_ns_write_setgroups(e->ns, "deny"), -EPERM); /* too late */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(refuses_what_is_no_map),       T(refuses_too_many_lines),
		T(translates_both_ways),         T(nested_maps),
		T(setgroups_is_denied_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
