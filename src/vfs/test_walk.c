/* Path walks, opens and names on the toy file system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fault.h"
#include "vfs/testlib_toyfs.h"

static struct toy_env env;

static int setup(void **state)
{
	(void)state;
	toy_begin(&env);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	toy_end(&env);
	return toy_inodes == 0 ? 0 : -1;
}

static int look(const struct vfs_ctx *ctx, const char *name, unsigned flags)
{
	struct path p;
	int r = vfs_lookup(ctx, NULL, name, flags, &p);

	if (r == 0)
		path_put(&p);
	return r;
}

static int open_close(const struct vfs_ctx *ctx, const char *name, unsigned flags)
{
	struct file *f;
	int r = vfs_open(ctx, NULL, name, flags, 0644, 0, &f);

	if (r == 0)
		file_put(f);
	return r;
}

static uint64_t ino_of(const char *name)
{
	struct path p;
	struct kstat st;

	assert_int_equal(vfs_lookup(&env.root, NULL, name, 0, &p), 0);
	assert_int_equal(vfs_getattr(&env.root, &p, &st), 0);
	path_put(&p);
	return st.ino;
}

static void make_tree(void)
{
	assert_int_equal(vfs_mkdir(&env.root, NULL, "/a", 0755), 0);
	assert_int_equal(vfs_mkdir(&env.root, NULL, "/a/b/", 0755), 0);
	assert_int_equal(toy_touch(&env.root, "/a/b/f", 0644), 0);
}

static void walks_find_what_is_there(void **state)
{
	(void)state;
	make_tree();
	assert_int_equal(look(&env.root, "/a/b/f", 0), 0);
	assert_int_equal(look(&env.root, "a//./b/../b/f", 0), 0);
	assert_int_equal(look(&env.root, "/../../a", 0), 0);
	assert_int_equal(look(&env.root, "/", 0), 0);
	assert_int_equal(look(&env.root, "", 0), -ENOENT);
	assert_int_equal(look(&env.root, "", LOOKUP_EMPTY), 0);
	assert_int_equal(look(&env.root, "/a/x", 0), -ENOENT);
	assert_int_equal(look(&env.root, "/a/x/y", 0), -ENOENT);
	assert_int_equal(look(&env.root, "/a/b/f/", 0), -ENOTDIR);
	assert_int_equal(look(&env.root, "/a/b/f/x", 0), -ENOTDIR);
	assert_int_equal(look(&env.root, "/a/b/f/..", 0), -ENOTDIR);
}

static void long_names_are_refused(void **state)
{
	char name[300];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(look(&env.root, name, 0), -ENAMETOOLONG);
	assert_int_equal(open_close(&env.root, name, O_CREAT | O_RDWR), -ENAMETOOLONG);
	assert_int_equal(vfs_mkdir(&env.root, NULL, name, 0755), -ENAMETOOLONG);
	name[255] = '\0';
	assert_int_equal(look(&env.root, name, 0), -ENOENT);
	assert_int_equal(toy_touch(&env.root, name, 0644), 0);
	assert_int_equal(look(&env.root, name, 0), 0);
}

static void names_are_cached_also_missing_ones(void **state)
{
	unsigned before;

	(void)state;
	make_tree();
	assert_int_equal(look(&env.root, "/a/none", 0), -ENOENT);
	before = toy_lookups;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(look(&env.root, "/a/b/f", 0), 0);
		assert_int_equal(look(&env.root, "/a/none", 0), -ENOENT);
	}
	assert_int_equal(toy_lookups, before);
	assert_int_equal(toy_touch(&env.root, "/a/none", 0644), 0);
	assert_int_equal(look(&env.root, "/a/none", 0), 0);
	assert_int_equal(toy_lookups, before);
}

static void symlinks_are_followed_to_a_bound(void **state)
{
	struct path p;
	char buf[64];

	(void)state;
	make_tree();
	assert_int_equal(vfs_symlink(&env.root, "a/b", NULL, "/ab"), 0);
	assert_int_equal(vfs_symlink(&env.root, "/ab/f", NULL, "/a/f2"), 0);
	assert_int_equal(vfs_symlink(&env.root, "loop", NULL, "/loop"), 0);
	assert_int_equal(vfs_symlink(&env.root, "nowhere", NULL, "/dangling"), 0);
	assert_int_equal(look(&env.root, "/a/f2", LOOKUP_FOLLOW), 0);
	assert_int_equal(look(&env.root, "/ab/f", 0), 0);
	assert_int_equal(look(&env.root, "/ab/", LOOKUP_DIRECTORY), 0);
	assert_int_equal(look(&env.root, "/a/f2/", 0), -ENOTDIR);
	assert_int_equal(look(&env.root, "/loop", LOOKUP_FOLLOW), -ELOOP);
	assert_int_equal(look(&env.root, "/loop/x", 0), -ELOOP);
	assert_int_equal(look(&env.root, "/loop", 0), 0);
	assert_int_equal(look(&env.root, "/dangling", LOOKUP_FOLLOW), -ENOENT);
	assert_int_equal(vfs_lookup(&env.root, NULL, "/ab", 0, &p), 0);
	assert_int_equal(vfs_readlink(&env.root, &p, buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "a/b", 3);
	path_put(&p);
}

static void forty_links_and_no_more(void **state)
{
	char name[16], target[16];

	(void)state;
	assert_int_equal(toy_touch(&env.root, "/l0", 0644), 0);
	for (int i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "/l%d", i);
		snprintf(target, sizeof(target), "l%d", i - 1);
		assert_int_equal(vfs_symlink(&env.root, target, NULL, name), 0);
	}
	assert_int_equal(look(&env.root, "/l40", LOOKUP_FOLLOW), 0);
	assert_int_equal(look(&env.root, "/l41", LOOKUP_FOLLOW), -ELOOP);
}

static int open2(const struct path *dir, const char *name, uint64_t resolve)
{
	struct file *f;
	int r = vfs_open(&env.root, dir, name, O_RDONLY, 0, resolve, &f);

	if (r == 0)
		file_put(f);
	return r;
}

static void openat2_scopes_hold(void **state)
{
	struct path a;

	(void)state;
	make_tree();
	assert_int_equal(vfs_symlink(&env.root, "/a/b/f", NULL, "/a/abs"), 0);
	assert_int_equal(vfs_symlink(&env.root, "../a/b/f", NULL, "/a/up"), 0);
	assert_int_equal(vfs_symlink(&env.root, "b/f", NULL, "/a/in"), 0);
	assert_int_equal(vfs_lookup(&env.root, NULL, "/a", 0, &a), 0);
	assert_int_equal(open2(&a, "b/f", RESOLVE_BENEATH), 0);
	assert_int_equal(open2(&a, "b/../b/f", RESOLVE_BENEATH), 0);
	assert_int_equal(open2(&a, "in", RESOLVE_BENEATH), 0);
	assert_int_equal(open2(&a, "../a/b/f", RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(open2(&a, "/a/b/f", RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(open2(&a, "abs", RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(open2(&a, "up", RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(open2(&a, "/b/f", RESOLVE_IN_ROOT), 0);
	assert_int_equal(open2(&a, "../../b/f", RESOLVE_IN_ROOT), 0);
	assert_int_equal(open2(&a, "abs", RESOLVE_IN_ROOT), -ENOENT);
	assert_int_equal(open2(&a, "in", RESOLVE_NO_SYMLINKS), -ELOOP);
	assert_int_equal(open2(&a, "b/f", RESOLVE_NO_SYMLINKS), 0);
	assert_int_equal(open2(&a, "b/f", RESOLVE_CACHED), 0);
	assert_int_equal(open2(&a, "b/unseen", RESOLVE_CACHED), -EAGAIN);
	assert_int_equal(open2(&a, "b", RESOLVE_BENEATH | RESOLVE_IN_ROOT), -EINVAL);
	path_put(&a);
}

static void opens_answer_as_linux(void **state)
{
	struct file *f;

	(void)state;
	make_tree();
	assert_int_equal(vfs_symlink(&env.root, "a/b/f", NULL, "/sym"), 0);
	assert_int_equal(vfs_symlink(&env.root, "a/new", NULL, "/tonew"), 0);
	assert_int_equal(open_close(&env.root, "/a", O_WRONLY), -EISDIR);
	assert_int_equal(open_close(&env.root, "/a", O_RDONLY | O_CREAT), -EISDIR);
	assert_int_equal(open_close(&env.root, "/a/.", O_RDONLY | O_CREAT), -EISDIR);
	assert_int_equal(open_close(&env.root, "/a/x/", O_RDONLY | O_CREAT), -EISDIR);
	assert_int_equal(open_close(&env.root, "/a/b/f", O_CREAT | O_EXCL), -EEXIST);
	assert_int_equal(open_close(&env.root, "/sym", O_CREAT | O_EXCL), -EEXIST);
	assert_int_equal(open_close(&env.root, "/sym", O_NOFOLLOW), -ELOOP);
	assert_int_equal(open_close(&env.root, "/sym", O_NOFOLLOW | O_PATH), 0);
	assert_int_equal(open_close(&env.root, "/sym", O_NOFOLLOW | O_DIRECTORY), -ENOTDIR);
	assert_int_equal(open_close(&env.root, "/a/b/f", O_DIRECTORY), -ENOTDIR);
	assert_int_equal(open_close(&env.root, "/a/b", O_DIRECTORY | O_CREAT), -EINVAL);
	assert_int_equal(open_close(&env.root, "/tonew", O_CREAT | O_WRONLY), 0);
	assert_int_equal(look(&env.root, "/a/new", 0), 0);
	assert_int_equal(vfs_open(&env.root, NULL, "/a/b/f", O_PATH | O_RDWR, 0, 0, &f), 0);
	assert_false(file_may_read(f) || file_may_write(f));
	file_put(f);
}

static void permissions_are_checked(void **state)
{
	struct path p;

	(void)state;
	make_tree();
	assert_int_equal(toy_touch(&env.root, "/secret", 0600), 0);
	assert_int_equal(open_close(&env.user, "/secret", O_RDONLY), -EACCES);
	assert_int_equal(open_close(&env.user, "/a/b/f", O_RDONLY), 0);
	assert_int_equal(open_close(&env.user, "/a/b/f", O_WRONLY), -EACCES);
	assert_int_equal(open_close(&env.user, "/a/b/f", O_RDONLY | O_TRUNC), -EACCES);
	assert_int_equal(open_close(&env.user, "/a/b/f", O_RDONLY | O_NOATIME), -EPERM);
	assert_int_equal(toy_touch(&env.user, "/a/mine", 0644), -EACCES);
	assert_int_equal(vfs_mkdir(&env.user, NULL, "/a/b", 0755), -EEXIST);
	assert_int_equal(vfs_mkdir(&env.root, NULL, "/closed", 0700), 0);
	assert_int_equal(look(&env.user, "/closed", 0), 0);
	assert_int_equal(look(&env.user, "/closed/x", 0), -EACCES);
	assert_int_equal(vfs_lookup(&env.root, NULL, "/a/b/f", 0, &p), 0);
	assert_int_equal(vfs_access(&env.root, &p, 1), -EACCES);
	assert_int_equal(vfs_access(&env.root, &p, 6), 0);
	assert_int_equal(vfs_chmod(&env.user, &p, 0777), -EPERM);
	assert_int_equal(vfs_chown(&env.user, &p, 1000, ~0u), -EPERM);
	path_put(&p);
}

static void sticky_directories_protect(void **state)
{
	struct path p;

	(void)state;
	assert_int_equal(vfs_mkdir(&env.root, NULL, "/tmp", 01755), 0);
	assert_int_equal(vfs_lookup(&env.root, NULL, "/tmp", 0, &p), 0);
	assert_int_equal(vfs_chmod(&env.root, &p, 01777), 0);
	path_put(&p);
	assert_int_equal(toy_touch(&env.root, "/tmp/roots", 0644), 0);
	assert_int_equal(toy_touch(&env.user, "/tmp/users", 0644), 0);
	assert_int_equal(vfs_unlink(&env.user, NULL, "/tmp/roots"), -EPERM);
	assert_int_equal(vfs_rename(&env.user, NULL, "/tmp/roots", NULL, "/tmp/x", 0), -EPERM);
	assert_int_equal(vfs_rename(&env.user, NULL, "/tmp/users", NULL, "/tmp/roots", 0), -EPERM);
	assert_int_equal(vfs_unlink(&env.user, NULL, "/tmp/users"), 0);
}

static void setgid_directories_pass_the_group_on(void **state)
{
	struct path p;
	struct kstat st;

	(void)state;
	assert_int_equal(vfs_mkdir(&env.root, NULL, "/g", 0755), 0);
	assert_int_equal(vfs_lookup(&env.root, NULL, "/g", 0, &p), 0);
	assert_int_equal(vfs_chown(&env.root, &p, ~0u, 77), 0);
	assert_int_equal(vfs_chmod(&env.root, &p, 02777), 0);
	path_put(&p);
	assert_int_equal(vfs_mkdir(&env.user, NULL, "/g/d", 0755), 0);
	assert_int_equal(vfs_lookup(&env.root, NULL, "/g/d", 0, &p), 0);
	assert_int_equal(vfs_getattr(&env.root, &p, &st), 0);
	assert_int_equal(st.gid, 77);
	assert_int_equal(st.mode, S_IFDIR | 02755);
	path_put(&p);
}

static void removing_answers_as_linux(void **state)
{
	(void)state;
	make_tree();
	assert_int_equal(vfs_unlink(&env.root, NULL, "/a/b"), -EISDIR);
	assert_int_equal(vfs_rmdir(&env.root, NULL, "/a/b/f"), -ENOTDIR);
	assert_int_equal(vfs_rmdir(&env.root, NULL, "/a/b"), -ENOTEMPTY);
	assert_int_equal(vfs_rmdir(&env.root, NULL, "/a/."), -EINVAL);
	assert_int_equal(vfs_rmdir(&env.root, NULL, "/a/.."), -ENOTEMPTY);
	assert_int_equal(vfs_rmdir(&env.root, NULL, "/"), -EBUSY);
	assert_int_equal(vfs_unlink(&env.root, NULL, "/a/b/f/"), -ENOTDIR);
	assert_int_equal(vfs_unlink(&env.root, NULL, "/a/none"), -ENOENT);
	assert_int_equal(vfs_unlink(&env.root, NULL, "/a/b/f"), 0);
	assert_int_equal(vfs_unlink(&env.root, NULL, "/a/b/f"), -ENOENT);
	assert_int_equal(vfs_rmdir(&env.root, NULL, "/a/b/"), 0);
}

static void a_removed_directory_takes_no_names(void **state)
{
	struct vfs_ctx ctx = env.root;
	struct path p;

	(void)state;
	make_tree();
	assert_int_equal(vfs_mkdir(&env.root, NULL, "/gone", 0755), 0);
	assert_int_equal(vfs_lookup(&env.root, NULL, "/gone", 0, &p), 0);
	assert_int_equal(vfs_rmdir(&env.root, NULL, "/gone"), 0);
	ctx.cwd = p;
	assert_true(path_is_deleted(&p));
	assert_int_equal(toy_touch(&ctx, "x", 0644), -ENOENT);
	assert_int_equal(look(&ctx, "..", 0), 0);
	path_put(&p);
}

static void links_answer_as_linux(void **state)
{
	(void)state;
	make_tree();
	assert_int_equal(vfs_link(&env.root, NULL, "/a/b/f", NULL, "/hard", 0), 0);
	assert_int_equal(ino_of("/hard"), ino_of("/a/b/f"));
	assert_int_equal(vfs_link(&env.root, NULL, "/a/b/f", NULL, "/hard", 0), -EEXIST);
	assert_int_equal(vfs_link(&env.root, NULL, "/a", NULL, "/hard2", 0), -EPERM);
	assert_int_equal(vfs_link(&env.root, NULL, "/none", NULL, "/hard2", 0), -ENOENT);
	assert_int_equal(vfs_rename(&env.root, NULL, "/hard", NULL, "/a/b/f", 0), 0);
	assert_int_equal(look(&env.root, "/hard", 0), 0); /* the same file: nothing happens */
}

static void renames_move_names(void **state)
{
	char buf[64];
	struct path p;
	uint64_t f;

	(void)state;
	make_tree();
	f = ino_of("/a/b/f");
	assert_int_equal(vfs_lookup(&env.root, NULL, "/a/b/f", 0, &p), 0);
	assert_int_equal(vfs_rename(&env.root, NULL, "/a/b/f", NULL, "/g", 0), 0);
	assert_int_equal(look(&env.root, "/a/b/f", 0), -ENOENT);
	assert_int_equal(ino_of("/g"), f);
	assert_int_equal(path_name(&p, &env.root.root, buf, sizeof(buf)), 3);
	assert_string_equal(buf, "/g");
	path_put(&p);
	assert_int_equal(vfs_rename(&env.root, NULL, "/a/b", NULL, "/moved", 0), 0);
	assert_int_equal(vfs_rename(&env.root, NULL, "/g", NULL, "/moved/g", 0), 0);
	assert_int_equal(ino_of("/moved/g"), f);
}

static void renames_answer_as_linux(void **state)
{
	uint64_t b, x;

	(void)state;
	make_tree();
	assert_int_equal(toy_touch(&env.root, "/x", 0644), 0);
	b = ino_of("/a/b");
	x = ino_of("/x");
	assert_int_equal(vfs_rename(&env.root, NULL, "/a", NULL, "/a/b/c", 0), -EINVAL);
	assert_int_equal(vfs_rename(&env.root, NULL, "/a/b/f", NULL, "/a", 0), -ENOTEMPTY);
	assert_int_equal(vfs_rename(&env.root, NULL, "/a/b", NULL, "/a", 0), -ENOTEMPTY);
	assert_int_equal(vfs_rename(&env.root, NULL, "/a", NULL, "/x", 0), -ENOTDIR);
	assert_int_equal(vfs_rename(&env.root, NULL, "/x", NULL, "/a", 0), -EISDIR);
	assert_int_equal(vfs_rename(&env.root, NULL, "/x", NULL, "/y/", 0), -ENOTDIR);
	assert_int_equal(vfs_rename(&env.root, NULL, "/none", NULL, "/y", 0), -ENOENT);
	assert_int_equal(vfs_rename(&env.root, NULL, "/a/.", NULL, "/y", 0), -EBUSY);
	assert_int_equal(vfs_rename(&env.root, NULL, "/x", NULL, "/a/b/f", RENAME_NOREPLACE),
			 -EEXIST);
	assert_int_equal(vfs_rename(&env.root, NULL, "/x", NULL, "/y", RENAME_EXCHANGE), -ENOENT);
	assert_int_equal(vfs_rename(&env.root, NULL, "/a/b", NULL, "/x", RENAME_EXCHANGE), 0);
	assert_int_equal(ino_of("/x"), b);
	assert_int_equal(ino_of("/a/b"), x);
	assert_int_equal(look(&env.root, "/x/f", 0), 0);
}

static void mounts_cover_and_uncover(void **state)
{
	struct path at, top;

	(void)state;
	make_tree();
	assert_int_equal(vfs_lookup(&env.root, NULL, "/a/b", 0, &at), 0);
	assert_int_equal(vfs_mount(vfs_first_ns(env.vfs), &at, toy_super(), MS_RDONLY, NULL), 0);
	path_put(&at);
	assert_int_equal(look(&env.root, "/a/b/f", 0), -ENOENT);
	assert_int_equal(look(&env.root, "/a/b/../b/..", 0), 0);
	assert_int_equal(toy_touch(&env.root, "/a/b/new", 0644), -EROFS);
	assert_int_equal(vfs_mkdir(&env.root, NULL, "/a/b/new", 0755), -EROFS);
	assert_int_equal(vfs_rmdir(&env.root, NULL, "/a/b"), -EBUSY);
	assert_int_equal(vfs_rename(&env.root, NULL, "/a/b", NULL, "/z", 0), -EBUSY);
	assert_int_equal(vfs_link(&env.root, NULL, "/a/b", NULL, "/z", 0), -EXDEV);
	assert_int_equal(open2(NULL, "/a/b", RESOLVE_NO_XDEV), -EXDEV);
	assert_int_equal(vfs_lookup(&env.root, NULL, "/a/b", 0, &top), 0);
	assert_true(path_is_mount_root(&top));
	assert_int_equal(vfs_umount(vfs_first_ns(env.vfs), &top, 0), 0);
	path_put(&top);
	assert_int_equal(look(&env.root, "/a/b/f", 0), 0);
}

static void binds_show_a_subtree(void **state)
{
	struct path from, at;
	char buf[64];

	(void)state;
	make_tree();
	assert_int_equal(vfs_mkdir(&env.root, NULL, "/m", 0755), 0);
	assert_int_equal(vfs_lookup(&env.root, NULL, "/a/b", 0, &from), 0);
	assert_int_equal(vfs_lookup(&env.root, NULL, "/m", 0, &at), 0);
	assert_int_equal(vfs_bind(vfs_first_ns(env.vfs), &from, &at, 0), 0);
	path_put(&at);
	path_put(&from);
	assert_int_equal(vfs_lookup(&env.root, NULL, "/m/f", 0, &at), 0);
	assert_true(path_name(&at, &env.root.root, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "/m/f");
	path_put(&at);
	assert_int_equal(look(&env.root, "/m/../a", 0), 0);
}

static void a_name_outside_the_root_is_unreachable(void **state)
{
	struct path a, b;
	char buf[64];

	(void)state;
	make_tree();
	assert_int_equal(vfs_lookup(&env.root, NULL, "/a/b", 0, &b), 0);
	assert_int_equal(vfs_lookup(&env.root, NULL, "/a", 0, &a), 0);
	assert_true(path_name(&a, &b, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "(unreachable)/a");
	assert_int_equal(path_name(&b, &env.root.root, buf, 3), -ERANGE);
	path_put(&a);
	path_put(&b);
}

static void tmpfiles_have_no_name_until_linked(void **state)
{
	struct file *f;
	char buf[64];
	ssize_t n;

	(void)state;
	make_tree();
	assert_int_equal(vfs_open(&env.root, NULL, "/a", O_TMPFILE | O_RDONLY, 0600, 0, &f),
			 -EINVAL);
	assert_int_equal(vfs_open(&env.root, NULL, "/a", O_TMPFILE | O_RDWR, 0600, 0, &f), 0);
	n = file_describe(f, &env.root, buf, sizeof(buf));
	assert_true(n > 10);
	assert_memory_equal(buf + n - 10, " (deleted)", 10);
	assert_int_equal(vfs_link(&env.root, &f->path, "", NULL, "/named", AT_EMPTY_PATH), 0);
	assert_int_equal(look(&env.root, "/named", 0), 0);
	file_put(f);
	assert_int_equal(vfs_open(&env.root, NULL, "/a", O_TMPFILE | O_RDWR | O_EXCL, 0600, 0, &f),
			 0);
	assert_int_equal(vfs_link(&env.root, &f->path, "", NULL, "/named2", AT_EMPTY_PATH),
			 -ENOENT);
	file_put(f);
}

static void every_failed_allocation_is_an_error(void **state)
{
#ifdef NACRE_DEBUG
	(void)state;
	make_tree();
	assert_int_equal(vfs_symlink(&env.root, "b/f", NULL, "/a/s"), 0);
	for (unsigned nth = 1; nth < 40; nth++) {
		struct path p = env.root.root;
		char name[32];
		int r;

		snprintf(name, sizeof(name), "/a/s%u", nth);
		fault_arm(NULL, nth);
		r = open_close(&env.root, "/a/s", O_RDWR);
		if (!fault_fired())
			r = toy_touch(&env.root, name, 0644);
		if (!fault_fired())
			r = vfs_rename(&env.root, NULL, name, NULL, "/a/r", 0);
		fault_arm(NULL, 0);
		assert_true(r == 0 || r == -ENOMEM || r == -ENFILE);
		(void)p;
	}
#else
	(void)state;
#endif
}

/* Prints the cost; fails only when it is absurd. */
static void a_cached_lookup_is_fast(void **state)
{
	struct timespec t0, t1;
	const int rounds = 200000;
	double ns;

	(void)state;
	make_tree();
	assert_int_equal(vfs_mkdir(&env.root, NULL, "/a/b/c", 0755), 0);
	assert_int_equal(toy_touch(&env.root, "/a/b/c/file", 0644), 0);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (int i = 0; i < rounds; i++) {
		struct path p;
		struct kstat st;

		if (vfs_lookup(&env.root, NULL, "/a/b/c/file", 0, &p) < 0 ||
		    vfs_getattr(&env.root, &p, &st) < 0)
			fail();
		path_put(&p);
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	ns = ((double)(t1.tv_sec - t0.tv_sec) * 1e9 + (double)(t1.tv_nsec - t0.tv_nsec)) / rounds;
	print_message("cached stat of 4 components: %.0f ns\n", ns);
	assert_true(ns < 50000);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(walks_find_what_is_there),
		T(long_names_are_refused),
		T(names_are_cached_also_missing_ones),
		T(symlinks_are_followed_to_a_bound),
		T(forty_links_and_no_more),
		T(openat2_scopes_hold),
		T(opens_answer_as_linux),
		T(permissions_are_checked),
		T(sticky_directories_protect),
		T(setgid_directories_pass_the_group_on),
		T(removing_answers_as_linux),
		T(a_removed_directory_takes_no_names),
		T(links_answer_as_linux),
		T(renames_move_names),
		T(renames_answer_as_linux),
		T(mounts_cover_and_uncover),
		T(binds_show_a_subtree),
		T(a_name_outside_the_root_is_unreachable),
		T(tmpfiles_have_no_name_until_linked),
		T(every_failed_allocation_is_an_error),
		T(a_cached_lookup_is_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
