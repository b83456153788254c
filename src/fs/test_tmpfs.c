/* tmpfs: contents, names, mappings, seals, and many threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "fs/dev/dev.h"
#include "fs/tmpfs/tmpfs.h"
#include "memfile/memfile.h"
#include "memmap/memmap.h"

#define PAGES_MAX 16

static struct memfile *mf;
static struct vfs *vfs;
static struct super *memfds;
static struct vfs_ctx ctx;
static struct waiter waiter;
static const struct cred *cred;

static uint64_t used_pages(void)
{
	struct memfile_stats s;

	memfile_get_stats(mf, &s);
	return s.allocated[MEMFILE_TMPFS] / PAGE_SIZE;
}

static int setup_limited(uint64_t limit)
{
	struct super *sb;

	if (memfile_create((uint64_t)64 << 20, &mf) < 0 || vfs_create(&vfs) < 0 ||
	    tmpfs_create(mf, limit, 0755, 0, 0, &sb) < 0 ||
	    tmpfs_create(mf, 0, 0755, 0, 0, &memfds) < 0 ||
	    vfs_mount(vfs_first_ns(vfs), NULL, sb, MS_RELATIME, NULL) < 0)
		return -1;
	waiter_init(&waiter);
	cred = cred_create(0, 0);
	ctx = (struct vfs_ctx){
		.cred = cred, .waiter = &waiter, .umask = 022, .fsize_limit = ~(uint64_t)0
	};
	vfs_root(vfs_first_ns(vfs), &ctx.root);
	ctx.cwd = ctx.root;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_limited(0);
}

static int setup_small(void **state)
{
	(void)state;
	return setup_limited(PAGES_MAX * PAGE_SIZE);
}

static int teardown(void **state)
{
	uint64_t left;

	(void)state;
	path_put(&ctx.root);
	super_put(memfds);
	vfs_destroy(vfs);
	cred_put(cred);
	left = used_pages();
	memfile_destroy(mf);
	return left == 0 ? 0 : -1;
}

static struct file *open_file(const char *name, unsigned flags)
{
	struct file *f;

	assert_int_equal(vfs_open(&ctx, NULL, name, flags, 0644, 0, &f), 0);
	return f;
}

static ssize_t put(struct file *f, const void *buf, size_t n, int64_t off)
{
	struct io io = { .ctx = &ctx };
	fileoff_t pos = (fileoff_t)off;
	struct uio_seg seg;
	struct uio u;

	uio_init_kernel(&u, &seg, UIO_FROM_USER, (void *)(uintptr_t)buf, n);
	return file_write(f, &u, off < 0 ? NULL : &pos, &io);
}

static ssize_t get(struct file *f, void *buf, size_t n, int64_t off)
{
	struct io io = { .ctx = &ctx };
	fileoff_t pos = (fileoff_t)off;
	struct uio_seg seg;
	struct uio u;

	uio_init_kernel(&u, &seg, UIO_TO_USER, buf, n);
	return file_read(f, &u, off < 0 ? NULL : &pos, &io);
}

static struct kstat stat_of(struct file *f)
{
	struct kstat st;

	assert_int_equal(vfs_getattr(&ctx, &f->path, &st), 0);
	return st;
}

/* ---- contents ---- */

static void bytes_come_back_and_holes_are_zero(void **state)
{
	struct file *f;
	char buf[64];

	(void)state;
	f = open_file("/f", O_CREAT | O_RDWR);
	assert_int_equal(put(f, "hello", 5, -1), 5);
	assert_int_equal(put(f, "world", 5, 100000), 5);
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(get(f, buf, 10, 2), 10);
	assert_memory_equal(buf, "llo\0\0\0\0\0\0\0", 10);
	assert_int_equal(get(f, buf, 64, 99998), 7);
	assert_memory_equal(buf, "\0\0world", 7);
	assert_int_equal(get(f, buf, 64, 100005), 0);
	assert_int_equal(stat_of(f).size, 100005);
	assert_int_equal(stat_of(f).blocks, 16);
	assert_int_equal(file_lseek(f, 10, SEEK_DATA, &ctx), 10);
	assert_int_equal(file_lseek(f, 10, SEEK_HOLE, &ctx), 4096);
	assert_int_equal(file_lseek(f, 4096, SEEK_DATA, &ctx), 98304);
	assert_int_equal(file_lseek(f, 98304, SEEK_HOLE, &ctx), 100005);
	assert_int_equal(file_lseek(f, 100005, SEEK_DATA, &ctx), -ENXIO);
	file_put(f);
}

static void truncation_clears_what_it_cuts(void **state)
{
	char buf[16], ones[5000];
	struct file *f;

	(void)state;
	memset(ones, 1, sizeof(ones));
	f = open_file("/f", O_CREAT | O_RDWR);
	assert_int_equal(put(f, ones, 5000, 0), 5000);
	assert_int_equal(vfs_truncate(&ctx, &f->path, f, 10), 0);
	assert_int_equal(stat_of(f).blocks, 8);
	assert_int_equal(vfs_truncate(&ctx, &f->path, f, 6000), 0);
	assert_int_equal(get(f, buf, 4, 8), 4);
	assert_memory_equal(buf, "\1\1\0\0", 4);
	assert_int_equal(get(f, buf, 4, 4096), 4);
	assert_memory_equal(buf, "\0\0\0\0", 4);
	assert_int_equal(vfs_truncate(&ctx, &f->path, f, 0), 0);
	assert_int_equal(used_pages(), 0);
	file_put(f);
}

static void holes_can_be_punched(void **state)
{
	static char ones[5 * 4096], back[5 * 4096];
	struct file *f;
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	(void)state;
	memset(ones, 1, sizeof(ones));
	f = open_file("/f", O_CREAT | O_RDWR);
	assert_int_equal(put(f, ones, sizeof(ones), 0), sizeof(ones));
	assert_int_equal(file_fallocate(f, punch, 4000, 10000, &ctx), 0);
	memset(ones + 4000, 0, 10000);
	assert_int_equal(get(f, back, sizeof(back), 0), sizeof(back));
	assert_memory_equal(back, ones, sizeof(back));
	assert_int_equal(stat_of(f).blocks, 3 * 8);
	assert_int_equal(file_fallocate(f, FALLOC_FL_PUNCH_HOLE, 0, 1, &ctx), -EOPNOTSUPP);
	assert_int_equal(file_fallocate(f, 0, 0, 0, &ctx), -EINVAL);
	assert_int_equal(file_fallocate(f, FALLOC_FL_KEEP_SIZE, 0, 8 * 4096, &ctx), 0);
	assert_int_equal(stat_of(f).size, 5 * 4096);
	assert_int_equal(stat_of(f).blocks, 8 * 8);
	assert_int_equal(file_fallocate(f, 0, 0, 9 * 4096, &ctx), 0);
	assert_int_equal(stat_of(f).size, 9 * 4096);
	file_put(f);
}

static void the_size_limit_is_enospc(void **state)
{
	static char big[(PAGES_MAX + 4) * 4096];
	struct kstatfs st;
	struct file *f;

	(void)state;
	f = open_file("/f", O_CREAT | O_RDWR);
	assert_int_equal(put(f, big, sizeof(big), 0), PAGES_MAX * 4096);
	assert_int_equal(put(f, big, 1, PAGES_MAX * 4096), -ENOSPC);
	assert_int_equal(vfs_statfs(&f->path, &st), 0);
	assert_int_equal(st.blocks, PAGES_MAX);
	assert_int_equal(st.bfree, 0);
	assert_int_equal(vfs_unlink(&ctx, NULL, "/f"), 0);
	file_put(f);
	f = open_file("/g", O_CREAT | O_RDWR);
	assert_int_equal(put(f, big, 4096, 0), 4096);
	file_put(f);
}

/* Random writes, truncates, punches and reads against a byte array. */
static void contents_agree_with_a_model(void **state)
{
	enum { SIZE = 200000, STEPS = 3000 };
	static char model[SIZE], buf[SIZE];
	unsigned seed = 12345;
	uint64_t size = 0;
	struct file *f;

	(void)state;
	memset(model, 0, sizeof(model));
	f = open_file("/f", O_CREAT | O_RDWR);
	for (int i = 0; i < STEPS; i++) {
		uint64_t off = (uint64_t)rand_r(&seed) % SIZE;
		uint64_t n = (uint64_t)rand_r(&seed) % (SIZE - off) % 20000;

		switch (rand_r(&seed) % 8) {
		case 0:
			assert_int_equal(vfs_truncate(&ctx, &f->path, f, off), 0);
			if (off < size)
				memset(model + off, 0, size - off);
			size = off;
			break;
		case 1:
			if (n == 0)
				break;
			assert_int_equal(file_fallocate(f,
							FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
							(int64_t)off, (int64_t)n, &ctx),
					 0);
			memset(model + off, 0, n);
			break;
		case 2:
			assert_int_equal(get(f, buf, n, (int64_t)off),
					 off < size ? MIN(n, size - off) : 0);
			if (off < size)
				assert_memory_equal(buf, model + off, MIN(n, size - off));
			break;
		default:
			memset(buf, i, n);
			assert_int_equal(put(f, buf, n, (int64_t)off), n);
			memcpy(model + off, buf, n);
			if (n > 0)
				size = MAX(size, off + n);
		}
		assert_int_equal(stat_of(f).size, size);
	}
	assert_int_equal(get(f, buf, SIZE, 0), size);
	assert_memory_equal(buf, model, size);
	file_put(f);
}

/* ---- names ---- */

struct names {
	char seen[64][32];
	int count, stop_after;
};

static bool collect(void *arg, const char *name, size_t len, uint64_t ino, uint8_t type,
		    uint64_t next_off)
{
	struct names *n = arg;

	(void)ino;
	(void)type;
	(void)next_off;
	if (n->count == n->stop_after)
		return false;
	snprintf(n->seen[n->count++], 32, "%.*s", (int)len, name);
	return true;
}

static void directories_are_stable_while_read(void **state)
{
	struct names n = { .stop_after = 5 };
	struct file *d, *f;
	char name[32];

	(void)state;
	assert_int_equal(vfs_mkdir(&ctx, NULL, "/d", 0755), 0);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "/d/%d", i);
		file_put(open_file(name, O_CREAT | O_WRONLY));
	}
	d = open_file("/d", O_RDONLY | O_DIRECTORY);
	assert_int_equal(file_readdir(d, collect, &n, &ctx), 0);
	assert_string_equal(n.seen[0], ".");
	assert_string_equal(n.seen[1], "..");
	assert_string_equal(n.seen[4], "2");
	/* What was read, what comes next, and something new. */
	assert_int_equal(vfs_unlink(&ctx, NULL, "/d/1"), 0);
	assert_int_equal(vfs_unlink(&ctx, NULL, "/d/3"), 0);
	assert_int_equal(vfs_rename(&ctx, NULL, "/d/10", NULL, "/d/new", 0), 0);
	n.stop_after = 64;
	assert_int_equal(file_readdir(d, collect, &n, &ctx), 0);
	assert_string_equal(n.seen[5], "4");
	assert_int_equal(n.count, 2 + 3 + 15);
	assert_int_equal(file_lseek(d, 0, SEEK_SET, &ctx), 0);
	n.count = 0;
	assert_int_equal(file_readdir(d, collect, &n, &ctx), 0);
	assert_int_equal(n.count, 2 + 18);
	assert_int_equal(stat_of(d).nlink, 2);
	assert_int_equal(vfs_mkdir(&ctx, NULL, "/d/sub", 0755), 0);
	assert_int_equal(stat_of(d).nlink, 3);
	file_put(d);
	f = open_file("/d/0", O_RDONLY);
	assert_int_equal(vfs_link(&ctx, NULL, "/d/0", NULL, "/l", 0), 0);
	assert_int_equal(stat_of(f).nlink, 2);
	assert_int_equal(vfs_unlink(&ctx, NULL, "/d/0"), 0);
	assert_int_equal(vfs_unlink(&ctx, NULL, "/l"), 0);
	assert_int_equal(stat_of(f).nlink, 0);
	file_put(f);
}

static void rename_keeps_counts(void **state)
{
	struct kstat st;
	struct path p;

	(void)state;
	assert_int_equal(vfs_mkdir(&ctx, NULL, "/a", 0755), 0);
	assert_int_equal(vfs_mkdir(&ctx, NULL, "/b", 0755), 0);
	assert_int_equal(vfs_mkdir(&ctx, NULL, "/a/x", 0755), 0);
	assert_int_equal(vfs_mkdir(&ctx, NULL, "/b/x", 0755), 0);
	file_put(open_file("/b/x/f", O_CREAT | O_RDWR));
	assert_int_equal(vfs_rename(&ctx, NULL, "/a/x", NULL, "/b/x", 0), -ENOTEMPTY);
	assert_int_equal(vfs_unlink(&ctx, NULL, "/b/x/f"), 0);
	assert_int_equal(vfs_rename(&ctx, NULL, "/a/x", NULL, "/b/x", 0), 0);
	assert_int_equal(vfs_lookup(&ctx, NULL, "/b", 0, &p), 0);
	assert_int_equal(vfs_getattr(&ctx, &p, &st), 0);
	assert_int_equal(st.nlink, 3);
	path_put(&p);
	assert_int_equal(vfs_lookup(&ctx, NULL, "/a", 0, &p), 0);
	assert_int_equal(vfs_getattr(&ctx, &p, &st), 0);
	assert_int_equal(st.nlink, 2);
	path_put(&p);
	file_put(open_file("/b/x/f", O_CREAT | O_RDWR));
	file_put(open_file("/a/g", O_CREAT | O_RDWR));
	assert_int_equal(vfs_rename(&ctx, NULL, "/a/g", NULL, "/b/x", 2), 0);
	assert_int_equal(vfs_lookup(&ctx, NULL, "/a/g/f", 0, &p), 0);
	path_put(&p);
}

static void deep_trees_are_freed_without_recursion(void **state)
{
	struct vfs_ctx deep = ctx;
	struct path old = { NULL, NULL };

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct path next;

		assert_int_equal(vfs_mkdir(&deep, NULL, "d", 0755), 0);
		assert_int_equal(vfs_lookup(&deep, NULL, "d", 0, &next), 0);
		path_put(&old);
		old = next;
		deep.cwd = next;
	}
	path_put(&old);
}

static void xattrs_are_kept(void **state)
{
	struct file *f;
	char buf[32];

	(void)state;
	f = open_file("/f", O_CREAT | O_RDWR);
	assert_int_equal(vfs_setxattr(&ctx, &f->path, "user.a", "1", 1, 0), 0);
	assert_int_equal(vfs_setxattr(&ctx, &f->path, "user.a", "22", 2, 1), -EEXIST);
	assert_int_equal(vfs_setxattr(&ctx, &f->path, "user.b", "", 0, 2), -ENODATA);
	assert_int_equal(vfs_setxattr(&ctx, &f->path, "user.a", "22", 2, 2), 0);
	assert_int_equal(vfs_getxattr(&ctx, &f->path, "user.a", NULL, 0), 2);
	assert_int_equal(vfs_getxattr(&ctx, &f->path, "user.a", buf, 1), -ERANGE);
	assert_int_equal(vfs_listxattr(&ctx, &f->path, buf, 32), 7);
	assert_int_equal(vfs_removexattr(&ctx, &f->path, "user.a"), 0);
	assert_int_equal(vfs_getxattr(&ctx, &f->path, "user.a", buf, 1), -ENODATA);
	file_put(f);
}

/* ---- mapping and seals ---- */

static int invalidated;

static void on_invalidate(struct mapping_space *ms, gva_t start, gva_t end, bool private_too)
{
	(void)ms;
	(void)private_too;
	assert_true(start < end);
	invalidated++;
}

static const struct mapping_space_ops space_ops = { on_invalidate };
static struct mapping_space space = { &space_ops };

static int translate(struct mappable *m, uint64_t start, uint64_t end, int access,
		     struct translation *t, unsigned *count)
{
	int r = m->ops->translate(m, start, end, 0, end, access, t, 8, count);

	translate_check(start, end, 0, end, access, r, t, *count);
	return r;
}

static void mappings_see_what_is_written(void **state)
{
	struct translation t[8];
	struct mappable *m;
	unsigned count;
	struct file *f;

	(void)state;
	f = open_file("/f", O_CREAT | O_RDWR);
	m = f->ops->mappable(f);
	assert_int_equal(put(f, "abc", 3, 8192), 3);
	assert_int_equal(m->ops->add_mapping(m, &space, 0x10000, 0x10000, 0, true), 0);
	assert_int_equal(translate(m, 8192, 12288, MAP_R, t, &count), 0);
	assert_true(count >= 1 && t[count - 1].end == 12288);
	assert_memory_equal((char *)memfile_addr(mf, t[0].offset) + (8192 - t[0].start), "abc", 3);
	assert_int_equal(translate(m, 12288, 16384, MAP_R, t, &count), -EFAULT);
	assert_int_equal(translate(m, 0, 16384, MAP_W, t, &count), -EFAULT);
	invalidated = 0;
	assert_int_equal(vfs_truncate(&ctx, &f->path, f, 4096), 0);
	assert_int_equal(invalidated, 1);
	assert_int_equal(translate(m, 8192, 12288, MAP_R, t, &count), -EFAULT);
	m->ops->remove_mapping(m, &space, 0x10000, 0x10000, 0, true);
	file_put(f);
}

static void seals_hold(void **state)
{
	struct mappable *m;
	struct file *f;
	char buf[64];
	ssize_t n;

	(void)state;
	assert_int_equal(tmpfs_memfd_create(memfds, "x", MFD_HUGETLB, &ctx, &f), -EINVAL);
	assert_int_equal(tmpfs_memfd_create(memfds, "x", 0, &ctx, &f), 0);
	assert_int_equal(f->ops->fcntl(f, F_GET_SEALS, 0, &ctx), F_SEAL_SEAL);
	assert_int_equal(f->ops->fcntl(f, F_ADD_SEALS, F_SEAL_GROW, &ctx), -EPERM);
	file_put(f);
	assert_int_equal(tmpfs_memfd_create(memfds, "y", MFD_ALLOW_SEALING, &ctx, &f), 0);
	n = file_describe(f, &ctx, buf, sizeof(buf));
	assert_int_equal(n, 18);
	assert_memory_equal(buf, "/memfd:y (deleted)", 18);
	m = f->ops->mappable(f);
	assert_int_equal(put(f, "0123456789", 10, 0), 10);
	assert_int_equal(f->ops->fcntl(f, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK, &ctx), 0);
	assert_int_equal(vfs_truncate(&ctx, &f->path, f, 5), -EPERM);
	assert_int_equal(vfs_truncate(&ctx, &f->path, f, 15), -EPERM);
	assert_int_equal(put(f, "abcdef", 6, 8), 2);
	assert_int_equal(put(f, "abcdef", 6, 10), -EPERM);
	assert_int_equal(m->ops->add_mapping(m, &space, 0x1000, 0x1000, 0, true), 0);
	assert_int_equal(f->ops->fcntl(f, F_ADD_SEALS, F_SEAL_WRITE, &ctx), -EBUSY);
	m->ops->remove_mapping(m, &space, 0x1000, 0x1000, 0, true);
	assert_int_equal(f->ops->fcntl(f, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL, &ctx), 0);
	assert_int_equal(m->ops->add_mapping(m, &space, 0x1000, 0x1000, 0, true), -EPERM);
	assert_int_equal(put(f, "z", 1, 0), -EPERM);
	assert_int_equal(file_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1, &ctx),
			 -EPERM);
	assert_int_equal(f->ops->fcntl(f, F_ADD_SEALS, 0, &ctx), -EPERM);
	file_put(f);
}

/* ---- devices ---- */

static void devices_do_what_they_are_for(void **state)
{
	struct file *f;
	char buf[16];

	(void)state;
	assert_int_equal(devfs_populate(&ctx, &ctx.root), 0);
	f = open_file("/null", O_RDWR);
	assert_int_equal(put(f, "x", 1, -1), 1);
	assert_int_equal(get(f, buf, 1, -1), 0);
	file_put(f);
	f = open_file("/zero", O_RDWR | O_TRUNC);
	memset(buf, 1, sizeof(buf));
	assert_int_equal(get(f, buf, 2, -1), 2);
	assert_memory_equal(buf, "\0\0\1", 3);
	assert_ptr_equal(f->ops->mappable(f), &vfs_mappable_anon);
	file_put(f);
	f = open_file("/full", O_RDWR);
	assert_int_equal(put(f, "x", 1, -1), -ENOSPC);
	file_put(f);
	f = open_file("/urandom", O_RDONLY);
	assert_int_equal(get(f, buf, 16, -1), 16);
	file_put(f);
	assert_int_equal(vfs_open(&ctx, NULL, "/tty", O_RDWR, 0, 0, &f), -ENXIO);
}

/* ---- failures and threads ---- */

static void failed_allocations_leave_nothing_half_done(void **state)
{
#ifdef NACRE_DEBUG
	char name[32];

	for (unsigned nth = 1; nth < 60; nth++) {
		struct file *f = NULL;
		int r;

		snprintf(name, sizeof(name), "/f%u", nth % 7);
		fault_arm(NULL, nth);
		r = vfs_open(&ctx, NULL, name, O_CREAT | O_RDWR, 0644, 0, &f);
		if (r == 0) {
			ssize_t n = put(f, "data", 4, (int64_t)nth * 9000);

			assert_true(n == 4 || n == -ENOMEM);
			r = vfs_truncate(&ctx, &f->path, f, 100);
		}
		if (r == 0)
			r = vfs_setxattr(&ctx, &f->path, "user.x", "1", 1, 0);
		if (r == 0)
			r = vfs_rename(&ctx, NULL, name, NULL, "/other", 0);
		if (r == 0)
			r = vfs_symlink(&ctx, "x", NULL, name);
		if (r == 0)
			r = vfs_unlink(&ctx, NULL, name);
		fault_arm(NULL, 0);
		assert_true(r == 0 || r == -ENOMEM || r == -ENFILE);
		file_put(f);
		(void)vfs_unlink(&ctx, NULL, name);
	}
#endif
	(void)state;
}

struct worker {
	struct vfs_ctx ctx;
	struct waiter waiter;
	unsigned seed;
};

/* Names from a small set, so that threads meet. */
static void *work(void *arg)
{
	struct worker *w = arg;
	char a[32], b[32];

	for (int i = 0; i < 3000; i++) {
		struct file *f;
		struct path p;

		snprintf(a, sizeof(a), "/d%d/%d", rand_r(&w->seed) % 2, rand_r(&w->seed) % 4);
		snprintf(b, sizeof(b), "/d%d/%d", rand_r(&w->seed) % 2, rand_r(&w->seed) % 4);
		switch (rand_r(&w->seed) % 6) {
		case 0:
			if (vfs_open(&w->ctx, NULL, a, O_CREAT | O_RDWR, 0644, 0, &f) == 0) {
				(void)!put(f, "x", 1, rand_r(&w->seed) % 10000);
				file_put(f);
			}
			break;
		case 1:
			(void)vfs_unlink(&w->ctx, NULL, a);
			break;
		case 2:
			(void)vfs_rename(&w->ctx, NULL, a, NULL, b,
					 rand_r(&w->seed) % 3 == 0 ? 2 : 0);
			break;
		case 3:
			(void)vfs_mkdir(&w->ctx, NULL, a, 0755);
			(void)vfs_rmdir(&w->ctx, NULL, b);
			break;
		case 4:
			(void)vfs_link(&w->ctx, NULL, a, NULL, b, 0);
			break;
		default:
			if (vfs_lookup(&w->ctx, NULL, a, 0, &p) == 0) {
				char buf[64];

				assert_true(path_name(&p, &w->ctx.root, buf, sizeof(buf)) > 0);
				path_put(&p);
			}
		}
	}
	return NULL;
}

static void threads_may_do_all_of_this_at_once(void **state)
{
	struct worker w[4];
	pthread_t t[4];

	(void)state;
	assert_int_equal(vfs_mkdir(&ctx, NULL, "/d0", 0755), 0);
	assert_int_equal(vfs_mkdir(&ctx, NULL, "/d1", 0755), 0);
	for (unsigned i = 0; i < 4; i++) {
		w[i].ctx = ctx;
		waiter_init(&w[i].waiter);
		w[i].ctx.waiter = &w[i].waiter;
		w[i].seed = i;
		assert_int_equal(pthread_create(&t[i], NULL, work, &w[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bytes_come_back_and_holes_are_zero),
		T(truncation_clears_what_it_cuts),
		T(holes_can_be_punched),
		cmocka_unit_test_setup_teardown(the_size_limit_is_enospc, setup_small, teardown),
		T(contents_agree_with_a_model),
		T(directories_are_stable_while_read),
		T(rename_keeps_counts),
		T(deep_trees_are_freed_without_recursion),
		T(xattrs_are_kept),
		T(mappings_see_what_is_written),
		T(seals_hold),
		T(devices_do_what_they_are_for),
		T(failed_allocations_leave_nothing_half_done),
		T(threads_may_do_all_of_this_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
