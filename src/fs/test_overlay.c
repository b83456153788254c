/* The overlay, over a host directory and below memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fault.h"
#include "fs/overlay/overlay.h"
#include "fs/remote/remote.h"
#include "fs/testlib_tree.h"
#include "fs/tmpfs/tmpfs.h"
#include "memmap/memmap.h"

static struct tree t;

static int mount_it(void)
{
	struct remote_options opt = { .cache = REMOTE_EXCLUSIVE, .readonly = true };
	struct super *lower, *upper, *sb;
	int fd = open(tree_host(&t, ""), O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = remote_mount_hostdir(fd, &opt, &lower);

	if (r == 0)
		r = tmpfs_create(t.mf, 0, 0755, 0, 0, &upper);
	if (r == 0)
		r = overlay_create(lower, upper, &sb);
	return r < 0 ? r : tree_mount(&t, sb);
}

/* a (text "lower a"), b and its second name b2, d/{x,y,sub/deep}, link -> a */
static int setup(void **state)
{
	(void)state;
	if (tree_init(&t) < 0)
		return -1;
	tree_host_write(&t, "a", "lower a");
	tree_host_write(&t, "b", "lower b");
	mkdir(tree_host(&t, "d"), 0755);
	mkdir(tree_host(&t, "d/sub"), 0755);
	tree_host_write(&t, "d/x", "lower x");
	tree_host_write(&t, "d/y", "lower y");
	tree_host_write(&t, "d/sub/deep", "lower deep");
	if (link(tree_host(&t, "b"), tree_host(&t, "b2")) < 0 ||
	    symlink("a", tree_host(&t, "link")) < 0)
		return -1;
	return mount_it();
}

static int teardown(void **state)
{
	(void)state;
	return tree_fini(&t);
}

/* ---- contents ---- */

static void a_write_copies_up_and_leaves_the_host_alone(void **state)
{
	struct file *f;

	(void)state;
	assert_string_equal(tree_read(&t, "/a"), "lower a");
	f = tree_open(&t, "/a", O_WRONLY | O_APPEND);
	assert_int_equal(tree_put(&t, f, " more", 5, -1), 5);
	file_put(f);
	assert_string_equal(tree_read(&t, "/a"), "lower a more");
	assert_string_equal(tree_read(&t, "/link"), "lower a more");
	assert_string_equal(tree_host_read(&t, "a"), "lower a");
}

static void identity_survives_copy_up(void **state)
{
	struct kstat before, after, root;
	struct path p;

	(void)state;
	assert_int_equal(tree_stat(&t, "/", &root), 0);
	assert_int_equal(tree_stat(&t, "/d/x", &before), 0);
	assert_int_equal(before.dev, root.dev);
	assert_int_equal(vfs_lookup(&t.ctx, NULL, "/d/x", 0, &p), 0);
	assert_int_equal(vfs_chmod(&t.ctx, &p, 0600), 0);
	path_put(&p);
	assert_int_equal(tree_stat(&t, "/d/x", &after), 0);
	assert_int_equal(after.mode & 07777, 0600);
	assert_int_equal(after.ino, before.ino);
	assert_int_equal(after.dev, before.dev);
	assert_int_equal(after.size, before.size);
	assert_int_equal(after.mtime.sec, before.mtime.sec);
	assert_string_equal(tree_read(&t, "/d/x"), "lower x");
}

static void a_reader_from_before_sees_what_is_written_after(void **state)
{
	struct file *r = tree_open(&t, "/a", O_RDONLY), *w;
	char buf[32] = { 0 };

	(void)state;
	assert_int_equal(tree_get(&t, r, buf, 5, -1), 5);
	w = tree_open(&t, "/a", O_WRONLY);
	assert_int_equal(tree_put(&t, w, "UPPER b", 7, 0), 7);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(tree_get(&t, r, buf, sizeof(buf), -1), 2);
	assert_string_equal(buf, " b");
	assert_int_equal(file_lseek(r, 0, SEEK_SET, &t.ctx), 0);
	assert_int_equal(tree_get(&t, r, buf, sizeof(buf), -1), 7);
	assert_memory_equal(buf, "UPPER b", 7);
	file_put(w);
	file_put(r);
}

static void holes_stay_holes(void **state)
{
	struct file *f;
	struct kstat st;
	char c;
	int fd = open(tree_host(&t, "sparse"), O_CREAT | O_RDWR, 0644);

	(void)state;
	assert_int_equal(pwrite(fd, "x", 1, 8 << 20), 1);
	close(fd);
	f = tree_open(&t, "/sparse", O_RDWR);
	assert_int_equal(file_getattr(f, &t.ctx, &st), 0);
	assert_int_equal(st.size, (8 << 20) + 1);
	assert_true(st.blocks < 4096);
	assert_int_equal(tree_get(&t, f, &c, 1, 8 << 20), 1);
	assert_int_equal(c, 'x');
	file_put(f);
}

static void truncating_copies_no_more_than_is_kept(void **state)
{
	struct file *f = tree_open(&t, "/a", O_WRONLY | O_TRUNC);
	struct path p;

	(void)state;
	file_put(f);
	assert_string_equal(tree_read(&t, "/a"), "");
	assert_int_equal(vfs_lookup(&t.ctx, NULL, "/d/x", 0, &p), 0);
	assert_int_equal(vfs_truncate(&t.ctx, &p, NULL, 3), 0);
	path_put(&p);
	assert_string_equal(tree_read(&t, "/d/x"), "low");
}

/* ---- names ---- */

static void whiteouts_hide_and_names_come_back_new(void **state)
{
	(void)state;
	assert_string_equal(tree_list(&t, "/d"), "sub x y");
	assert_int_equal(vfs_unlink(&t.ctx, NULL, "/d/x"), 0);
	assert_string_equal(tree_read(&t, "/d/x"), "-2");
	assert_string_equal(tree_list(&t, "/d"), "sub y");
	assert_int_equal(tree_write(&t, "/d/x", "new"), 0);
	assert_string_equal(tree_list(&t, "/d"), "sub x y");
	assert_string_equal(tree_read(&t, "/d/x"), "new");
	assert_int_equal(vfs_unlink(&t.ctx, NULL, "/d/x"), 0);
	assert_string_equal(tree_list(&t, "/d"), "sub y");
	assert_string_equal(tree_host_read(&t, "d/x"), "lower x");
}

static void a_directory_made_anew_is_opaque(void **state)
{
	(void)state;
	assert_int_equal(vfs_rmdir(&t.ctx, NULL, "/d"), -ENOTEMPTY);
	assert_int_equal(vfs_unlink(&t.ctx, NULL, "/d/x"), 0);
	assert_int_equal(vfs_unlink(&t.ctx, NULL, "/d/y"), 0);
	assert_int_equal(vfs_unlink(&t.ctx, NULL, "/d/sub/deep"), 0);
	assert_int_equal(vfs_rmdir(&t.ctx, NULL, "/d/sub"), 0);
	assert_int_equal(vfs_rmdir(&t.ctx, NULL, "/d"), 0);
	assert_string_equal(tree_list(&t, "/"), "a b b2 link");
	assert_int_equal(vfs_mkdir(&t.ctx, NULL, "/d", 0755), 0);
	assert_string_equal(tree_list(&t, "/d"), "");
	assert_int_equal(tree_write(&t, "/d/z", "z"), 0);
	assert_string_equal(tree_list(&t, "/d"), "z");
	assert_string_equal(tree_host_read(&t, "d/sub/deep"), "lower deep");
}

static void a_lower_directory_is_renamed_with_what_is_in_it(void **state)
{
	struct kstat before, after;

	(void)state;
	assert_int_equal(tree_stat(&t, "/d/sub", &before), 0);
	assert_int_equal(tree_write(&t, "/d/sub/added", "added"), 0);
	assert_int_equal(vfs_rename(&t.ctx, NULL, "/d", NULL, "/e", 0), 0);
	assert_string_equal(tree_list(&t, "/"), "a b b2 e link");
	assert_string_equal(tree_read(&t, "/e/sub/deep"), "lower deep");
	assert_string_equal(tree_read(&t, "/e/sub/added"), "added");
	assert_int_equal(tree_stat(&t, "/e/sub", &after), 0);
	assert_int_equal(before.ino, after.ino);
	assert_int_equal(vfs_mkdir(&t.ctx, NULL, "/d", 0755), 0);
	assert_int_equal(vfs_rename(&t.ctx, NULL, "/e/sub", NULL, "/d/sub", 0), 0);
	assert_string_equal(tree_list(&t, "/d/sub"), "added deep");
	assert_string_equal(tree_list(&t, "/e"), "x y");
}

static void rename_replaces_and_exchanges(void **state)
{
	(void)state;
	assert_int_equal(vfs_rename(&t.ctx, NULL, "/d/x", NULL, "/a", 0), 0);
	assert_string_equal(tree_read(&t, "/a"), "lower x");
	assert_string_equal(tree_list(&t, "/d"), "sub y");
	assert_int_equal(vfs_rename(&t.ctx, NULL, "/a", NULL, "/d/y", RENAME_EXCHANGE), 0);
	assert_string_equal(tree_read(&t, "/a"), "lower y");
	assert_string_equal(tree_read(&t, "/d/y"), "lower x");
	assert_int_equal(vfs_rename(&t.ctx, NULL, "/d/y", NULL, "/a", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(vfs_rename(&t.ctx, NULL, "/a", NULL, "/d", 0), -EISDIR);
	assert_int_equal(vfs_mkdir(&t.ctx, NULL, "/empty", 0755), 0);
	assert_int_equal(vfs_rename(&t.ctx, NULL, "/empty", NULL, "/d", 0), -ENOTEMPTY);
}

/* ---- links ---- */

static void hard_links_stay_one_file(void **state)
{
	struct kstat b, b2;

	(void)state;
	assert_int_equal(tree_write(&t, "/b", "written"), 0);
	assert_string_equal(tree_read(&t, "/b2"), "written");
	assert_int_equal(tree_stat(&t, "/b", &b), 0);
	assert_int_equal(tree_stat(&t, "/b2", &b2), 0);
	assert_int_equal(b.ino, b2.ino);
	assert_int_equal(b.nlink, 2);
	assert_int_equal(vfs_link(&t.ctx, NULL, "/b", NULL, "/d/b3", 0), 0);
	assert_int_equal(vfs_unlink(&t.ctx, NULL, "/b"), 0);
	assert_int_equal(vfs_unlink(&t.ctx, NULL, "/b2"), 0);
	assert_int_equal(tree_stat(&t, "/d/b3", &b), 0);
	assert_int_equal(b.nlink, 1);
	assert_int_equal(b.ino, b2.ino);
	assert_string_equal(tree_read(&t, "/d/b3"), "written");
	assert_string_equal(tree_host_read(&t, "b2"), "lower b");
}

static void link_counts_of_directories(void **state)
{
	struct kstat st;
	uint64_t before;

	(void)state;
	assert_int_equal(vfs_mkdir(&t.ctx, NULL, "/n", 0755), 0);
	assert_int_equal(vfs_mkdir(&t.ctx, NULL, "/n/1", 0755), 0);
	assert_int_equal(tree_stat(&t, "/n", &st), 0);
	assert_int_equal(st.nlink, 3);
	assert_int_equal(tree_stat(&t, "/d", &st), 0);
	before = st.nlink;
	assert_int_equal(vfs_rename(&t.ctx, NULL, "/n/1", NULL, "/d/1", 0), 0);
	assert_int_equal(tree_stat(&t, "/n", &st), 0);
	assert_int_equal(st.nlink, 2);
	assert_int_equal(tree_stat(&t, "/d", &st), 0);
	assert_true(st.nlink == before + 1 || before == 1);
}

static void a_file_without_a_name_gets_one(void **state)
{
	struct file *f;
	struct kstat st;

	(void)state;
	f = tree_open(&t, "/d", O_TMPFILE | O_RDWR);
	assert_int_equal(tree_put(&t, f, "nameless", 8, -1), 8);
	assert_int_equal(file_getattr(f, &t.ctx, &st), 0);
	assert_int_equal(st.nlink, 0);
	assert_int_equal(vfs_link(&t.ctx, &f->path, "", NULL, "/d/named", AT_EMPTY_PATH), 0);
	file_put(f);
	assert_string_equal(tree_read(&t, "/d/named"), "nameless");
	assert_string_equal(tree_list(&t, "/d"), "named sub x y");
}

static void an_unlinked_file_lives_while_it_is_open(void **state)
{
	struct file *f = tree_open(&t, "/a", O_RDWR);
	char buf[8] = { 0 };
	struct kstat st;

	(void)state;
	assert_int_equal(vfs_unlink(&t.ctx, NULL, "/a"), 0);
	assert_int_equal(tree_put(&t, f, "L", 1, 0), 1);
	assert_int_equal(tree_get(&t, f, buf, 7, 0), 7);
	assert_string_equal(buf, "Lower a");
	assert_int_equal(file_getattr(f, &t.ctx, &st), 0);
	assert_int_equal(st.nlink, 0);
	file_put(f);
}

static void nothing_is_made_in_a_removed_directory(void **state)
{
	struct path p;

	(void)state;
	assert_int_equal(vfs_mkdir(&t.ctx, NULL, "/gone", 0755), 0);
	assert_int_equal(vfs_lookup(&t.ctx, NULL, "/gone", 0, &p), 0);
	assert_int_equal(vfs_rmdir(&t.ctx, NULL, "/gone"), 0);
	assert_int_equal(vfs_mkdir(&t.ctx, &p, "x", 0755), -ENOENT);
	path_put(&p);
}

static void xattrs_come_along(void **state)
{
	char buf[16] = { 0 };
	struct path p;

	(void)state;
	if (setxattr(tree_host(&t, "a"), "user.mark", "m", 1, 0) < 0)
		skip();
	assert_int_equal(vfs_lookup(&t.ctx, NULL, "/a", 0, &p), 0);
	assert_int_equal(vfs_getxattr(&t.ctx, &p, "user.mark", buf, 16), 1);
	assert_int_equal(vfs_setxattr(&t.ctx, &p, "user.own", "oo", 2, 0), 0);
	assert_int_equal(vfs_getxattr(&t.ctx, &p, "user.mark", buf, 16), 1);
	assert_int_equal(vfs_getxattr(&t.ctx, &p, "user.own", buf, 16), 2);
	path_put(&p);
	assert_int_equal(getxattr(tree_host(&t, "a"), "user.own", buf, 16), -1);
}

/* ---- mappings ---- */

static void a_mapping_keeps_its_side(void **state)
{
	struct file *f = tree_open(&t, "/a", O_RDONLY), *w;
	struct mappable *low = f->ops->mappable(f), *up;

	(void)state;
	assert_non_null(low);
	w = tree_open(&t, "/a", O_RDWR);
	up = w->ops->mappable(w);
	assert_non_null(up);
	assert_ptr_not_equal(low, up);
	assert_ptr_equal(f->ops->mappable(f), up);
	file_put(w);
	file_put(f);
}

/* ---- much at once ---- */

static void ten_thousand_names(void **state)
{
	struct file *f;
	char name[64];
	struct kstat st;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "/d/n%d", i);
		f = tree_open(&t, name, O_CREAT | O_EXCL | O_WRONLY);
		file_put(f);
	}
	assert_int_equal(tree_stat(&t, "/d/n9999", &st), 0);
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "/d/n%d", i);
		assert_int_equal(vfs_unlink(&t.ctx, NULL, name), 0);
	}
	assert_string_equal(tree_list(&t, "/d"), "sub x y");
}

static void deep_trees_are_freed_without_recursion(void **state)
{
	struct path p, q;

	(void)state;
	path_get(&t.ctx.root);
	p = t.ctx.root;
	for (int i = 0; i < 20000; i++) {
		assert_int_equal(vfs_mkdir(&t.ctx, &p, "down", 0755), 0);
		assert_int_equal(vfs_lookup(&t.ctx, &p, "down", 0, &q), 0);
		path_put(&p);
		p = q;
	}
	path_put(&p);
}

static void *write_same_files(void *arg)
{
	struct vfs_ctx ctx = t.ctx;
	struct waiter waiter;
	struct io io = { .ctx = &ctx };

	(void)arg;
	waiter_init(&waiter);
	ctx.waiter = &waiter;
	for (int i = 0; i < 50; i++) {
		static const char *const names[] = { "/a", "/b", "/b2", "/d/x", "/d/sub/deep" };
		struct uio_seg seg;
		struct file *f;
		struct uio u;
		char c = 'z';

		if (vfs_open(&ctx, NULL, names[i % 5], O_RDWR, 0, 0, &f) < 0)
			return (void *)1;
		uio_init_kernel(&u, &seg, UIO_FROM_USER, &c, 1);
		if (file_write(f, &u, NULL, &io) != 1)
			return (void *)1;
		file_put(f);
	}
	return NULL;
}

static void many_threads_copy_up_at_once(void **state)
{
	pthread_t threads[4];
	void *result;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_same_files, NULL), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_null(result);
	}
	assert_string_equal(tree_read(&t, "/d/x"), "zower x");
	assert_string_equal(tree_read(&t, "/b2"), "zower b");
}

/* ---- faults ---- */

#ifdef NACRE_DEBUG
static int change_something(void)
{
	int r = tree_write(&t, "/a", "changed");

	if (r == 0)
		r = vfs_mkdir(&t.ctx, NULL, "/d/new", 0755);
	if (r == 0)
		r = vfs_rename(&t.ctx, NULL, "/d/sub", NULL, "/sub", 0);
	if (r == 0)
		r = vfs_link(&t.ctx, NULL, "/b", NULL, "/d/b4", 0);
	if (r == 0)
		r = vfs_unlink(&t.ctx, NULL, "/d/y");
	return r;
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 500; n++) {
		int r;

		fault_arm(NULL, n);
		r = change_something();
		fault_arm(NULL, 0);
		if (!fault_fired())
			return;
		assert_true(r == 0 || r == -ENOMEM || r == -ENFILE || r == -EEXIST || r == -ENOENT);
		/* It can be gone on with: whatever failed had no half effect. */
		assert_true(tree_try_open(&t, "/a", O_RDONLY) == 0);
		assert_string_equal(tree_host_read(&t, "a"), "lower a");
	}
	fail_msg("the end was not reached");
}
#endif

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_write_copies_up_and_leaves_the_host_alone),
		T(identity_survives_copy_up),
		T(a_reader_from_before_sees_what_is_written_after),
		T(holes_stay_holes),
		T(truncating_copies_no_more_than_is_kept),
		T(whiteouts_hide_and_names_come_back_new),
		T(a_directory_made_anew_is_opaque),
		T(a_lower_directory_is_renamed_with_what_is_in_it),
		T(rename_replaces_and_exchanges),
		T(hard_links_stay_one_file),
		T(link_counts_of_directories),
		T(a_file_without_a_name_gets_one),
		T(an_unlinked_file_lives_while_it_is_open),
		T(nothing_is_made_in_a_removed_directory),
		T(xattrs_come_along),
		T(a_mapping_keeps_its_side),
		T(ten_thousand_names),
		T(deep_trees_are_freed_without_recursion),
		T(many_threads_copy_up_at_once),
#ifdef NACRE_DEBUG
		T(every_allocation_may_fail),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
