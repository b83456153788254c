/* Files of the host: contents, names, containment, modes, handles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fault.h"
#include "fs/remote/remote.h"
#include "fs/testlib_tree.h"
#include "host/hostfd.h"
#include "memmap/memmap.h"

static struct tree t;

static int mount_dir(enum remote_cache cache, bool readonly)
{
	struct remote_options opt = { .cache = cache, .readonly = readonly };
	struct super *sb;
	int fd, r;

	if (tree_init(&t) < 0)
		return -1;
	/* What is bound is "in"; what must not be reached is beside it. */
	mkdir(tree_host(&t, "in"), 0755);
	mkdir(tree_host(&t, "in/d"), 0755);
	mkdir(tree_host(&t, "out"), 0755);
	tree_host_write(&t, "in/a", "text of a");
	tree_host_write(&t, "in/d/x", "text of x");
	tree_host_write(&t, "out/x", "SECRET");
	fd = open(tree_host(&t, "in"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = remote_mount_hostdir(fd, &opt, &sb);
	return r < 0 ? r : tree_mount(&t, sb);
}

static int setup(void **state)
{
	(void)state;
	return mount_dir(REMOTE_EXCLUSIVE, false);
}

static int setup_shared(void **state)
{
	(void)state;
	return mount_dir(REMOTE_SHARED, false);
}

static int setup_readonly(void **state)
{
	(void)state;
	return mount_dir(REMOTE_EXCLUSIVE, true);
}

static int teardown(void **state)
{
	(void)state;
	return tree_fini(&t);
}

static void count_one(const struct hostfd *h, void *arg)
{
	(void)h;
	++*(unsigned *)arg;
}

static unsigned count_hostfds(void)
{
	unsigned n = 0;

	hostfd_for_each(count_one, &n);
	return n;
}

/* ---- contents ---- */

static void reads_and_writes_reach_the_host(void **state)
{
	struct file *f;
	char buf[32] = { 0 };
	struct kstat st;

	(void)state;
	assert_string_equal(tree_read(&t, "/a"), "text of a");
	f = tree_open(&t, "/a", O_RDWR);
	assert_int_equal(tree_put(&t, f, "TEXT", 4, 0), 4);
	assert_int_equal(tree_put(&t, f, "far", 3, 100), 3);
	assert_int_equal(file_getattr(f, &t.ctx, &st), 0);
	assert_int_equal(st.size, 103);
	assert_int_equal(tree_get(&t, f, buf, 9, 0), 9);
	assert_string_equal(buf, "TEXT of a");
	assert_int_equal(tree_get(&t, f, buf, 32, 101), 2);
	assert_int_equal(tree_get(&t, f, buf, 32, 103), 0);
	assert_int_equal(f->ops->fsync(f, false), 0);
	file_put(f);
	assert_string_equal(tree_host_read(&t, "in/a"), "TEXT of a");
}

static void appends_do_not_overwrite_each_other(void **state)
{
	struct file *f = tree_open(&t, "/a", O_WRONLY | O_APPEND);
	struct file *g = tree_open(&t, "/a", O_WRONLY | O_APPEND);

	(void)state;
	assert_int_equal(tree_put(&t, f, "1", 1, -1), 1);
	assert_int_equal(tree_put(&t, g, "2", 1, -1), 1);
	assert_int_equal(tree_put(&t, f, "3", 1, -1), 1);
	assert_int_equal(f->pos, 12);
	file_put(f);
	file_put(g);
	assert_string_equal(tree_host_read(&t, "in/a"), "text of a123");
}

static void lengths_and_space(void **state)
{
	struct file *f = tree_open(&t, "/a", O_RDWR);
	struct kstat st;

	(void)state;
	assert_int_equal(vfs_truncate(&t.ctx, &f->path, f, 4), 0);
	assert_string_equal(tree_read(&t, "/a"), "text");
	assert_int_equal(file_fallocate(f, 0, 0, 10000, &t.ctx), 0);
	assert_int_equal(file_getattr(f, &t.ctx, &st), 0);
	assert_int_equal(st.size, 10000);
	assert_int_equal(file_lseek(f, 0, SEEK_END, &t.ctx), 10000);
	assert_int_equal(vfs_truncate(&t.ctx, &f->path, f, 1 << 20), 0);
	assert_true(file_lseek(f, 1 << 19, SEEK_HOLE, &t.ctx) >= 1 << 19);
	file_put(f);
}

static void a_file_size_limit_holds(void **state)
{
	struct file *f = tree_open(&t, "/a", O_WRONLY | O_APPEND);

	(void)state;
	t.ctx.fsize_limit = 11;
	assert_int_equal(tree_put(&t, f, "12345", 5, -1), 2);
	assert_int_equal(tree_put(&t, f, "12345", 5, -1), -EFBIG);
	t.ctx.fsize_limit = ~(uint64_t)0;
	file_put(f);
	assert_string_equal(tree_host_read(&t, "in/a"), "text of a12");
}

static void ranges_are_copied_by_the_host(void **state)
{
	struct file *in = tree_open(&t, "/a", O_RDONLY);
	struct file *out = tree_open(&t, "/copy", O_CREAT | O_WRONLY);
	ssize_t n = in->ops->copy_range(in, 5, out, 0, 4, &t.ctx);

	(void)state;
	assert_true(n == 4 || n == -EXDEV || n == -EOPNOTSUPP);
	file_put(in);
	file_put(out);
	if (n == 4)
		assert_string_equal(tree_host_read(&t, "in/copy"), "of a");
}

/* ---- names ---- */

static void names_are_made_moved_and_removed(void **state)
{
	struct kstat st;

	(void)state;
	assert_int_equal(tree_write(&t, "/new", "made inside"), 0);
	assert_string_equal(tree_host_read(&t, "in/new"), "made inside");
	assert_int_equal(vfs_mkdir(&t.ctx, NULL, "/e", 0777), 0);
	assert_int_equal(tree_stat(&t, "/e", &st), 0);
	assert_int_equal(st.mode & 07777, 0777); /* the host's umask is not the guest's */
	assert_int_equal(vfs_rename(&t.ctx, NULL, "/new", NULL, "/e/moved", 0), 0);
	assert_string_equal(tree_read(&t, "/e/moved"), "made inside");
	assert_string_equal(tree_list(&t, "/"), "a d e");
	assert_int_equal(vfs_rmdir(&t.ctx, NULL, "/e"), -ENOTEMPTY);
	assert_int_equal(vfs_unlink(&t.ctx, NULL, "/e/moved"), 0);
	assert_int_equal(vfs_rmdir(&t.ctx, NULL, "/e"), 0);
	assert_int_equal(access(tree_host(&t, "in/e"), F_OK), -1);
	assert_int_equal(vfs_symlink(&t.ctx, "a", NULL, "/l"), 0);
	assert_string_equal(tree_read(&t, "/l"), "text of a");
	assert_int_equal(vfs_rename(&t.ctx, NULL, "/a", NULL, "/d/x", RENAME_EXCHANGE), 0);
	assert_string_equal(tree_read(&t, "/d/x"), "text of a");
	assert_string_equal(tree_read(&t, "/a"), "text of x");
}

static void what_moved_with_its_directory_is_still_found(void **state)
{
	struct file *f;
	struct path p;

	(void)state;
	assert_int_equal(vfs_lookup(&t.ctx, NULL, "/d/x", 0, &p), 0);
	assert_int_equal(vfs_rename(&t.ctx, NULL, "/d", NULL, "/e", 0), 0);
	assert_int_equal(vfs_open_path(&t.ctx, &p, O_RDONLY, &f), 0);
	file_put(f);
	path_put(&p);
	assert_string_equal(tree_read(&t, "/e/x"), "text of x");
}

static void hard_links_are_one_inode_and_outlive_a_name(void **state)
{
	struct kstat a, b;

	(void)state;
	assert_int_equal(vfs_link(&t.ctx, NULL, "/a", NULL, "/d/b", 0), 0);
	assert_int_equal(tree_stat(&t, "/a", &a), 0);
	assert_int_equal(tree_stat(&t, "/d/b", &b), 0);
	assert_int_equal(a.ino, b.ino);
	assert_int_equal(a.nlink, 2);
	assert_int_equal(vfs_unlink(&t.ctx, NULL, "/a"), 0);
	assert_string_equal(tree_read(&t, "/d/b"), "text of a");
	assert_int_equal(tree_stat(&t, "/d/b", &b), 0);
	assert_int_equal(b.nlink, 1);
}

static void an_unlinked_file_lives_while_it_is_open(void **state)
{
	struct file *f = tree_open(&t, "/a", O_RDWR);
	char buf[8] = { 0 };
	struct kstat st;

	(void)state;
	assert_int_equal(vfs_unlink(&t.ctx, NULL, "/a"), 0);
	assert_int_equal(tree_put(&t, f, "T", 1, 0), 1);
	assert_int_equal(tree_get(&t, f, buf, 4, 0), 4);
	assert_string_equal(buf, "Text");
	assert_int_equal(vfs_truncate(&t.ctx, &f->path, f, 2), 0);
	assert_int_equal(vfs_chmod(&t.ctx, &f->path, 0600), 0);
	assert_int_equal(file_getattr(f, &t.ctx, &st), 0);
	assert_int_equal(st.size, 2);
	assert_int_equal(st.nlink, 0);
	file_put(f);
}

static void a_file_without_a_name_gets_one(void **state)
{
	struct file *f;
	int r = vfs_open(&t.ctx, NULL, "/d", O_TMPFILE | O_RDWR, 0644, 0, &f);

	(void)state;
	if (r == -EOPNOTSUPP)
		skip();
	assert_int_equal(r, 0);
	assert_int_equal(tree_put(&t, f, "nameless", 8, -1), 8);
	r = vfs_link(&t.ctx, &f->path, "", NULL, "/d/named", AT_EMPTY_PATH);
	file_put(f);
	if (r == -ENOENT)
		skip(); /* neither the capability nor /proc */
	assert_int_equal(r, 0);
	assert_string_equal(tree_host_read(&t, "in/d/named"), "nameless");
	assert_string_equal(tree_read(&t, "/d/named"), "nameless");
}

static void attributes_are_changed(void **state)
{
	struct setattr sa = { .valid = SETATTR_MTIME, .mtime = { 1000000000, 5 } };
	struct kstat st;
	struct path p;
	struct stat s;

	(void)state;
	assert_int_equal(vfs_lookup(&t.ctx, NULL, "/a", 0, &p), 0);
	assert_int_equal(vfs_chmod(&t.ctx, &p, 0400), 0);
	assert_int_equal(vfs_utimes(&t.ctx, &p, &sa), 0);
	path_put(&p);
	assert_int_equal(stat(tree_host(&t, "in/a"), &s), 0);
	assert_int_equal(s.st_mode & 07777, 0400);
	assert_int_equal(s.st_mtim.tv_sec, 1000000000);
	assert_int_equal(tree_stat(&t, "/a", &st), 0);
	assert_int_equal(st.mode & 07777, 0400);
	assert_int_equal(st.mtime.nsec, 5);
}

static void xattrs_reach_the_host(void **state)
{
	char buf[16];
	struct path p;
	int r;

	(void)state;
	assert_int_equal(vfs_lookup(&t.ctx, NULL, "/a", 0, &p), 0);
	assert_int_equal(vfs_getxattr(&t.ctx, &p, "user.k", buf, sizeof(buf)), -ENODATA);
	r = vfs_setxattr(&t.ctx, &p, "user.k", "value", 5, 0);
	if (r != -EOPNOTSUPP) {
		assert_int_equal(r, 0);
		assert_int_equal(vfs_getxattr(&t.ctx, &p, "user.k", buf, sizeof(buf)), 5);
		assert_int_equal(vfs_listxattr(&t.ctx, &p, buf, sizeof(buf)), 7);
		assert_int_equal(getxattr(tree_host(&t, "in/a"), "user.k", buf, 16), 5);
		assert_int_equal(vfs_removexattr(&t.ctx, &p, "user.k"), 0);
		assert_int_equal(vfs_getxattr(&t.ctx, &p, "user.k", buf, sizeof(buf)), -ENODATA);
	}
	path_put(&p);
}

static void directories_are_read_whole_and_positions_stay(void **state)
{
	struct file *f;
	char name[64];

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "in/d/n%03d", i);
		tree_host_write(&t, name, "");
	}
	assert_int_equal(strlen(tree_list(&t, "/d")), 200 * 5 + 1);
	f = tree_open(&t, "/d", O_RDONLY | O_DIRECTORY);
	assert_int_equal(file_lseek(f, 100, SEEK_SET, &t.ctx), 100);
	assert_int_equal(file_lseek(f, 0, SEEK_CUR, &t.ctx), 100);
	assert_int_equal(file_lseek(f, 0, SEEK_END, &t.ctx), -EINVAL);
	file_put(f);
}

/* ---- what must not happen ---- */

static void a_readonly_mount_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(tree_try_open(&t, "/a", O_WRONLY), -EROFS);
	assert_int_equal(tree_write(&t, "/new", ""), -EROFS);
	assert_int_equal(vfs_mkdir(&t.ctx, NULL, "/e", 0755), -EROFS);
	assert_int_equal(vfs_unlink(&t.ctx, NULL, "/a"), -EROFS);
	assert_int_equal(vfs_rename(&t.ctx, NULL, "/a", NULL, "/b", 0), -EROFS);
	assert_string_equal(tree_read(&t, "/a"), "text of a");
}

static void symlinks_are_walked_inside(void **state)
{
	(void)state;
	assert_int_equal(symlink("../out/x", tree_host(&t, "in/rel")), 0);
	assert_int_equal(symlink(tree_host(&t, "out/x"), tree_host(&t, "in/abs")), 0);
	assert_int_equal(symlink("/proc/self/root/etc/passwd", tree_host(&t, "in/magic")), 0);
	assert_int_equal(symlink("../../../../../../a", tree_host(&t, "in/up")), 0);
	assert_string_equal(tree_read(&t, "/rel"), "-2");
	assert_string_equal(tree_read(&t, "/abs"), "-2");
	assert_string_equal(tree_read(&t, "/magic"), "-2");
	assert_string_equal(tree_read(&t, "/up"), "text of a");
}

static void a_name_given_to_another_file_is_stale(void **state)
{
	struct path p;
	struct file *f;

	(void)state;
	assert_int_equal(vfs_lookup(&t.ctx, NULL, "/a", 0, &p), 0);
	tree_host_write(&t, "in/other", "other");
	assert_int_equal(rename(tree_host(&t, "in/other"), tree_host(&t, "in/a")), 0);
	assert_int_equal(vfs_open_path(&t.ctx, &p, O_RDONLY, &f), -ESTALE);
	assert_int_equal(unlink(tree_host(&t, "in/a")), 0);
	assert_int_equal(symlink("../out/x", tree_host(&t, "in/a")), 0);
	assert_int_equal(vfs_open_path(&t.ctx, &p, O_RDONLY, &f), -ESTALE);
	assert_int_equal(vfs_open_path(&t.ctx, &p, O_RDWR, &f), -ESTALE);
	assert_int_equal(vfs_chmod(&t.ctx, &p, 0777), -ESTALE);
	assert_int_equal(vfs_truncate(&t.ctx, &p, NULL, 0), -ESTALE);
	path_put(&p);
	assert_string_equal(tree_host_read(&t, "out/x"), "SECRET");
}

struct race {
	atomic_bool stop;
	char in[128], dir[128], link[128], out[128];
};

/* d is by turns a directory and a symlink to the one outside. */
static void *swap_symlink(void *arg)
{
	struct race *r = arg;

	while (!atomic_load(&r->stop)) {
		(void)!renameat2(AT_FDCWD, r->dir, AT_FDCWD, r->link, RENAME_EXCHANGE);
		sched_yield();
	}
	return NULL;
}

static void racing_symlink_swaps_never_escape(void **state)
{
	struct race r = { .stop = false };
	pthread_t thread;
	unsigned got = 0;

	(void)state;
	strcpy(r.dir, tree_host(&t, "in/d"));
	strcpy(r.link, tree_host(&t, "in/l"));
	assert_int_equal(symlink("../out", r.link), 0);
	/* Names are looked up once: had both been seen as symlinks, nothing more
	 * would be read. */
	assert_string_equal(tree_read(&t, "/d/x"), "text of x");
	assert_int_equal(pthread_create(&thread, NULL, swap_symlink, &r), 0);
	for (int i = 0; i < 20000; i++) {
		const char *text = tree_read(&t, i % 2 ? "/d/x" : "/l/x");

		assert_null(strstr(text, "SECRET"));
		got += strcmp(text, "text of x") == 0;
		(void)!tree_write(&t, "/d/x", "text of x");
		(void)!tree_write(&t, "/d/new", "");
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	assert_string_equal(tree_host_read(&t, "out/x"), "SECRET");
	assert_int_equal(access(tree_host(&t, "out/new"), F_OK), -1);
	assert_true(got > 0);
}

static void devices_sockets_and_fifos_of_the_host_are_not_opened(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct kstat st;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	strcpy(addr.sun_path, tree_host(&t, "in/s"));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(mkfifo(tree_host(&t, "in/f"), 0644), 0);
	assert_int_equal(tree_stat(&t, "/s", &st), 0);
	assert_true(S_ISSOCK(st.mode));
	assert_int_equal(tree_try_open(&t, "/s", O_RDONLY), -ENXIO);
	/* Without pipes in this test, a fifo has nobody to open it. */
	assert_int_equal(tree_try_open(&t, "/f", O_RDONLY | O_NONBLOCK), -ENXIO);
	assert_int_equal(vfs_mknod(&t.ctx, NULL, "/f2", S_IFIFO | 0600, 0), 0);
	assert_int_equal(vfs_mknod(&t.ctx, NULL, "/null", S_IFCHR | 0600, 0x103), -EPERM);
	if (mknod(tree_host(&t, "in/zero"), S_IFCHR | 0666, 0x103) == 0) {
		assert_int_equal(tree_stat(&t, "/zero", &st), 0);
		assert_int_equal(st.rdev, 0x103);
		assert_int_equal(tree_try_open(&t, "/zero", O_RDONLY), -ENXIO);
	}
	close(fd);
}

/* ---- modes ---- */

static void shared_mode_sees_what_the_host_does(void **state)
{
	struct kstat st;

	(void)state;
	assert_string_equal(tree_read(&t, "/later"), "-2");
	tree_host_write(&t, "in/later", "made outside");
	assert_string_equal(tree_read(&t, "/later"), "made outside");
	assert_int_equal(tree_stat(&t, "/later", &st), 0);
	assert_int_equal(st.size, 12);
	tree_host_write(&t, "in/later", "longer than before");
	assert_int_equal(tree_stat(&t, "/later", &st), 0);
	assert_int_equal(st.size, 18);
	assert_int_equal(rename(tree_host(&t, "in/later"), tree_host(&t, "in/a")), 0);
	assert_string_equal(tree_read(&t, "/a"), "longer than before");
	assert_string_equal(tree_read(&t, "/later"), "-2");
	assert_int_equal(rename(tree_host(&t, "in/d"), tree_host(&t, "in/e")), 0);
	assert_string_equal(tree_read(&t, "/e/x"), "text of x");
	assert_string_equal(tree_read(&t, "/d/x"), "-2");
}

static void shared_appends_are_the_hosts(void **state)
{
	struct file *f = tree_open(&t, "/a", O_WRONLY | O_APPEND);
	int fd = open(tree_host(&t, "in/a"), O_WRONLY | O_APPEND);

	(void)state;
	assert_int_equal(tree_put(&t, f, "1", 1, -1), 1);
	assert_int_equal(write(fd, "2", 1), 1);
	assert_int_equal(tree_put(&t, f, "3", 1, -1), 1);
	assert_int_equal(f->pos, 12);
	close(fd);
	file_put(f);
	assert_string_equal(tree_host_read(&t, "in/a"), "text of a123");
}

static void a_stat_of_a_cached_name_asks_nobody(void **state)
{
	struct kstat st;

	(void)state;
	assert_int_equal(tree_stat(&t, "/a", &st), 0);
	tree_host_write(&t, "in/a", "changed behind its back");
	assert_int_equal(tree_stat(&t, "/a", &st), 0);
	assert_int_equal(st.size, 9);
}

static void a_single_file_can_be_bound(void **state)
{
	struct remote_options opt = { .cache = REMOTE_EXCLUSIVE };
	int fd = open(tree_host(&t, "in/a"), O_PATH | O_CLOEXEC);
	struct super *sb;
	struct path p;

	(void)state;
	assert_int_equal(remote_mount_hostdir(fd, &opt, &sb), 0);
	assert_int_equal(vfs_lookup(&t.ctx, NULL, "/d/x", 0, &p), 0);
	assert_int_equal(vfs_mount(vfs_first_ns(t.vfs), &p, sb, 0, NULL), 0);
	path_put(&p);
	assert_string_equal(tree_read(&t, "/d/x"), "text of a");
	assert_int_equal(tree_write(&t, "/d/x", "through the bind"), 0);
	assert_string_equal(tree_host_read(&t, "in/a"), "through the bind");
	assert_string_equal(tree_host_read(&t, "in/d/x"), "text of x");
}

/* ---- handles ---- */

static void many_files_need_few_descriptors(void **state)
{
	struct rlimit old, lim;
	unsigned before = count_hostfds();
	struct super *sb;
	struct remote_options opt = { .cache = REMOTE_EXCLUSIVE };
	struct path p;
	char name[64];
	int fd;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "in/d/dir%d", i);
		mkdir(tree_host(&t, name), 0755);
		strcat(name, "/file");
		tree_host_write(&t, name, "f");
	}
	getrlimit(RLIMIT_NOFILE, &old);
	lim = old;
	lim.rlim_cur = 64; /* the mount keeps half of it */
	setrlimit(RLIMIT_NOFILE, &lim);
	fd = open(tree_host(&t, "in/d"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(remote_mount_hostdir(fd, &opt, &sb), 0);
	assert_int_equal(vfs_lookup(&t.ctx, NULL, "/d", 0, &p), 0);
	assert_int_equal(vfs_mount(vfs_first_ns(t.vfs), &p, sb, 0, NULL), 0);
	path_put(&p);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "/d/dir%d/file", i);
		assert_string_equal(tree_read(&t, name), "f");
	}
	assert_true(count_hostfds() - before <= 40);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "/d/dir%d/file", i);
		assert_string_equal(tree_read(&t, name), "f");
	}
	setrlimit(RLIMIT_NOFILE, &old);
}

static void no_writer_stays_behind(void **state)
{
	char command[128];

	(void)state;
	assert_int_equal(tree_write(&t, "/prog", "#!/bin/true\n"), 0);
	assert_int_equal(chmod(tree_host(&t, "in/prog"), 0755), 0);
	snprintf(command, sizeof(command), "%s", tree_host(&t, "in/prog"));
	assert_int_equal(system(command), 0); /* not ETXTBSY */
}

/* ---- mappings ---- */

static void no_invalidate(struct mapping_space *ms, gva_t start, gva_t end, bool private_too)
{
	(void)ms;
	(void)start;
	(void)end;
	(void)private_too;
}

static const struct mapping_space_ops space_ops = { .invalidate = no_invalidate };

static void a_mapping_covers_the_file_and_outlives_it(void **state)
{
	struct mapping_space space = { .ops = &space_ops };
	struct file *f = tree_open(&t, "/a", O_RDWR);
	struct mappable *m = f->ops->mappable(f);
	struct translation tr[4];
	struct block blk[1];
	unsigned n;
	int r;

	(void)state;
	m->ops->get(m);
	assert_int_equal(m->ops->add_mapping(m, &space, 0x10000, 4 * PAGE_SIZE, 0, true), 0);
	file_put(f);
	assert_int_equal(vfs_unlink(&t.ctx, NULL, "/a"), 0);
	r = m->ops->translate(m, 0, PAGE_SIZE, 0, 4 * PAGE_SIZE, MAP_R, tr, 4, &n);
	translate_check(0, PAGE_SIZE, 0, 4 * PAGE_SIZE, MAP_R, r, tr, n);
	assert_int_equal(r, 0);
	assert_int_equal(tr[0].end, PAGE_SIZE);
	tr[0].file->ops->incref(tr[0].file, 0, PAGE_SIZE);
	assert_int_equal(tr[0].file->ops->map_internal(tr[0].file, 0, PAGE_SIZE, MAP_R, blk, 1), 1);
	assert_memory_equal(blk[0].base, "text of a", 9);
	tr[0].file->ops->decref(tr[0].file, 0, PAGE_SIZE);
	r = m->ops->translate(m, PAGE_SIZE, 2 * PAGE_SIZE, 0, 4 * PAGE_SIZE, MAP_W, tr, 4, &n);
	assert_int_equal(r, -EFAULT);
	m->ops->remove_mapping(m, &space, 0x10000, 4 * PAGE_SIZE, 0, true);
	m->ops->put(m);
}

/* ---- faults ---- */

#ifdef NACRE_DEBUG
static void every_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 300; n++) {
		int r;

		fault_arm(NULL, n);
		r = tree_write(&t, "/d/f", "text");
		if (r == 0)
			r = vfs_rename(&t.ctx, NULL, "/d/f", NULL, "/g", 0);
		if (r == 0)
			r = vfs_mkdir(&t.ctx, NULL, "/dir", 0755);
		if (r == 0)
			r = vfs_rmdir(&t.ctx, NULL, "/dir");
		fault_arm(NULL, 0);
		if (!fault_fired())
			return;
		assert_true(r == 0 || r == -ENOMEM || r == -ENFILE || r == -EEXIST);
		assert_string_equal(tree_read(&t, "/a"), "text of a");
		(void)!vfs_rmdir(&t.ctx, NULL, "/dir");
	}
	fail_msg("the end was not reached");
}
#endif

#define IN(fixture, name) cmocka_unit_test_setup_teardown(name, fixture, teardown)
#define T(name) IN(setup, name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reads_and_writes_reach_the_host),
		T(appends_do_not_overwrite_each_other),
		T(lengths_and_space),
		T(a_file_size_limit_holds),
		T(ranges_are_copied_by_the_host),
		T(names_are_made_moved_and_removed),
		T(what_moved_with_its_directory_is_still_found),
		T(hard_links_are_one_inode_and_outlive_a_name),
		T(an_unlinked_file_lives_while_it_is_open),
		T(a_file_without_a_name_gets_one),
		T(attributes_are_changed),
		T(xattrs_reach_the_host),
		T(directories_are_read_whole_and_positions_stay),
		IN(setup_readonly, a_readonly_mount_changes_nothing),
		T(symlinks_are_walked_inside),
		T(a_name_given_to_another_file_is_stale),
		T(racing_symlink_swaps_never_escape),
		IN(setup_shared, racing_symlink_swaps_never_escape),
		T(devices_sockets_and_fifos_of_the_host_are_not_opened),
		IN(setup_shared, shared_mode_sees_what_the_host_does),
		IN(setup_shared, shared_appends_are_the_hosts),
		T(a_stat_of_a_cached_name_asks_nobody),
		T(a_single_file_can_be_bound),
		T(many_files_need_few_descriptors),
		T(no_writer_stays_behind),
		T(a_mapping_covers_the_file_and_outlives_it),
#ifdef NACRE_DEBUG
		T(every_allocation_may_fail),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
