/* Wait queues, credentials, files and file locks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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

static struct file *open_file(const char *name)
{
	struct file *f;

	assert_int_equal(vfs_open(&env.root, NULL, name, O_CREAT | O_RDWR, 0644, 0, &f), 0);
	return f;
}

/* ---- waiting ---- */

static void a_wake_before_the_sleep_is_kept(void **state)
{
	struct waiter w;
	struct waitq q;
	struct waitq_entry e;

	(void)state;
	waiter_init(&w);
	waitq_init(&q);
	waitq_entry_init(&e, &w, EV_IN);
	waitq_add(&q, &e);
	waiter_prepare(&w);
	waitq_wake(&q, EV_OUT);
	assert_int_equal(waiter_wait(&w, 1), -ETIMEDOUT);
	waitq_wake(&q, EV_IN);
	assert_int_equal(waiter_wait(&w, PARK_FOREVER), 0);
	waitq_remove(&q, &e);
	waitq_remove(&q, &e);
	waiter_prepare(&w);
	waiter_interrupt(&w, false);
	assert_int_equal(waiter_wait(&w, PARK_FOREVER), -ERESTARTSYS);
	assert_int_equal(waiter_wait_killable(&w, 1), -ETIMEDOUT);
	waiter_clear_interrupt(&w);
	assert_false(waiter_is_interrupted(&w));
}

static void one_exclusive_sleeper_is_woken(void **state)
{
	struct waiter w[3];
	struct waitq q;
	struct waitq_entry e[3];

	(void)state;
	waitq_init(&q);
	for (int i = 0; i < 3; i++) {
		waiter_init(&w[i]);
		waitq_entry_init(&e[i], &w[i], EV_IN);
		e[i].exclusive = i > 0;
		waitq_add(&q, &e[i]);
	}
	waitq_wake(&q, EV_IN);
	assert_int_equal(waiter_wait(&w[0], 1), 0);
	assert_int_equal(waiter_wait(&w[1], 1), 0);
	assert_int_equal(waiter_wait(&w[2], 1), -ETIMEDOUT);
	waitq_wake_all(&q, EV_IN);
	assert_int_equal(waiter_wait(&w[2], 1), 0);
	for (int i = 0; i < 3; i++)
		waitq_remove(&q, &e[i]);
}

static void groups_are_sorted_and_found(void **state)
{
	const uint32_t groups[] = { 30, 10, 20 };
	struct cred *c = cred_create(5, 5), *copy;

	(void)state;
	assert_int_equal(cred_set_groups(c, groups, 3), 0);
	copy = cred_copy(c);
	cred_put(c);
	assert_true(cred_in_group(copy, 10) && cred_in_group(copy, 20) && cred_in_group(copy, 5));
	assert_false(cred_in_group(copy, 15));
	assert_false(cred_has_cap(copy, CAP_CHOWN));
	cred_put(copy);
}

/* ---- files ---- */

static ssize_t put(struct file *f, size_t n, fileoff_t *pos, const struct vfs_ctx *ctx)
{
	char buf[100] = { 0 };
	struct io io = { .ctx = ctx };
	struct uio_seg seg;
	struct uio u;

	uio_init_kernel(&u, &seg, UIO_FROM_USER, buf, n);
	return file_write(f, &u, pos, &io);
}

static void writes_append_and_meet_limits(void **state)
{
	struct vfs_ctx limited = env.root;
	fileoff_t at = 3;
	struct file *f;

	(void)state;
	f = open_file("/f");
	assert_int_equal(put(f, 10, NULL, &env.root), 10);
	assert_int_equal(file_lseek(f, 0, SEEK_CUR, &env.root), 10);
	assert_int_equal(file_lseek(f, -11, SEEK_CUR, &env.root), -EINVAL);
	assert_int_equal(file_lseek(f, 2, SEEK_SET, &env.root), 2);
	atomic_fetch_or(&f->flags, O_APPEND);
	assert_int_equal(put(f, 5, &at, &env.root), 5);
	assert_int_equal(at, 15);
	limited.fsize_limit = 18;
	assert_int_equal(put(f, 10, NULL, &limited), 3);
	assert_int_equal(put(f, 10, NULL, &limited), -EFBIG);
	atomic_fetch_and(&f->flags, ~(unsigned)O_APPEND);
	at = 17;
	assert_int_equal(put(f, 10, &at, &limited), 1);
	assert_int_equal(put(f, 10, &at, &limited), -EFBIG);
	assert_int_equal(vfs_truncate(&limited, &f->path, f, 19), -EFBIG);
	file_put(f);
}

static void access_modes_are_kept(void **state)
{
	struct file *f;

	(void)state;
	file_put(open_file("/f"));
	assert_int_equal(vfs_open(&env.root, NULL, "/f", O_RDONLY, 0, 0, &f), 0);
	assert_int_equal(put(f, 1, NULL, &env.root), -EBADF);
	assert_int_equal(vfs_truncate(&env.root, &f->path, f, 0), -EINVAL);
	file_put(f);
}

static void a_write_drops_setuid(void **state)
{
	struct file *f;
	struct kstat st;

	(void)state;
	f = open_file("/f");
	assert_int_equal(vfs_chmod(&env.root, &f->path, 06755), 0);
	assert_int_equal(put(f, 1, NULL, &env.root), 1);
	assert_int_equal(vfs_getattr(&env.root, &f->path, &st), 0);
	assert_int_equal(st.mode & 07000, 06000); /* CAP_FSETID */
	assert_int_equal(put(f, 1, NULL, &env.user), 1);
	assert_int_equal(vfs_getattr(&env.root, &f->path, &st), 0);
	assert_int_equal(st.mode & 07000, 0);
	file_put(f);
}

static void anonymous_files_are_described(void **state)
{
	static const struct file_ops ops = { .name = "eventfd" };
	struct file *f;
	char buf[64];
	ssize_t n;

	(void)state;
	assert_int_equal(file_create_anon(&ops, NULL, O_RDWR, 0, env.root_cred, &f), 0);
	n = file_describe(f, &env.root, buf, sizeof(buf));
	assert_int_equal(n, 20);
	assert_memory_equal(buf, "anon_inode:[eventfd]", 20);
	assert_int_equal(file_lseek(f, 0, SEEK_SET, &env.root), -ESPIPE);
	file_put(f);
	assert_int_equal(file_create_anon(&ops, NULL, O_RDWR, S_IFIFO, env.root_cred, &f), 0);
	n = file_describe(f, &env.root, buf, sizeof(buf));
	assert_memory_equal(buf, "pipe:[", 6);
	file_put(f);
}

static void xattr_name_spaces_have_rules(void **state)
{
	struct file *f;
	char buf[64];

	(void)state;
	f = open_file("/f");
	assert_int_equal(vfs_setxattr(&env.root, &f->path, "bad", "v", 1, 0), -EOPNOTSUPP);
	assert_int_equal(vfs_setxattr(&env.root, &f->path, "user.", "v", 1, 0), -EINVAL);
	assert_int_equal(vfs_setxattr(&env.user, &f->path, "user.a", "v", 1, 0), -EACCES);
	assert_int_equal(vfs_setxattr(&env.user, &f->path, "trusted.a", "v", 1, 0), -EPERM);
	assert_int_equal(vfs_setxattr(&env.root, &f->path, "trusted.a", "v", 1, 0), 0);
	assert_int_equal(vfs_getxattr(&env.user, &f->path, "trusted.a", buf, 64), -ENODATA);
	assert_int_equal(vfs_getxattr(&env.root, &f->path, "trusted.a", buf, 64), 1);
	assert_int_equal(vfs_listxattr(&env.user, &f->path, buf, 64), 0);
	assert_int_equal(vfs_listxattr(&env.root, &f->path, buf, 64), 10);
	file_put(f);
}

/* ---- locks ---- */

static void flock_shares_and_excludes(void **state)
{
	struct file *a, *b;

	(void)state;
	a = open_file("/f");
	b = open_file("/f");
	assert_int_equal(vfs_flock(a, LOCK_SH, &env.root), 0);
	assert_int_equal(vfs_flock(b, LOCK_SH | LOCK_NB, &env.root), 0);
	assert_int_equal(vfs_flock(b, LOCK_EX | LOCK_NB, &env.root), -EWOULDBLOCK);
	assert_int_equal(vfs_flock(a, LOCK_UN, &env.root), 0);
	assert_int_equal(vfs_flock(b, LOCK_EX | LOCK_NB, &env.root), 0);
	assert_int_equal(vfs_flock(a, LOCK_SH | LOCK_NB, &env.root), -EWOULDBLOCK);
	file_put(b); /* the last close unlocks */
	assert_int_equal(vfs_flock(a, LOCK_EX | LOCK_NB, &env.root), 0);
	assert_int_equal(vfs_flock(a, 0, &env.root), -EINVAL);
	file_put(a);
}

static int set(struct file *f, const struct vfs_ctx *ctx, int type, uint64_t start, uint64_t end)
{
	struct flock_range r = { .type = (int16_t)type, .start = start, .end = end };

	return vfs_setlk(f, &r, false, false, ctx);
}

static struct flock_range get(struct file *f, const struct vfs_ctx *ctx, uint64_t start,
			      uint64_t end)
{
	struct flock_range r = { .type = F_WRLCK, .start = start, .end = end };

	assert_int_equal(vfs_getlk(f, &r, false, ctx), 0);
	return r;
}

static void record_locks_split_and_merge(void **state)
{
	struct flock_range r;
	struct file *f;

	(void)state;
	f = open_file("/f");
	assert_int_equal(set(f, &env.root, F_WRLCK, 0, 99), 0);
	assert_int_equal(set(f, &env.user, F_RDLCK, 10, 10), -EAGAIN);
	assert_int_equal(set(f, &env.root, F_UNLCK, 40, 59), 0);
	assert_int_equal(set(f, &env.user, F_WRLCK, 40, 59), 0);
	r = get(f, &env.user, 0, UINT64_MAX);
	assert_int_equal(r.type, F_WRLCK);
	assert_int_equal(r.start, 0);
	assert_int_equal(r.end, 39);
	assert_int_equal(r.pid, 1);
	r = get(f, &env.user, 50, UINT64_MAX);
	assert_int_equal(r.start, 60);
	assert_int_equal(set(f, &env.user, F_UNLCK, 0, UINT64_MAX), 0);
	assert_int_equal(set(f, &env.root, F_WRLCK, 40, 59), 0);
	r = get(f, &env.user, 50, 50);
	assert_int_equal(r.start, 0);
	assert_int_equal(r.end, 99);
	assert_int_equal(set(f, &env.root, F_RDLCK, 0, 99), 0);
	assert_int_equal(set(f, &env.user, F_RDLCK, 0, 99), 0);
	assert_int_equal(set(f, &env.root, F_WRLCK, 0, 1), -EAGAIN);
	assert_int_equal(file_close(f, &env.user), 0); /* any close drops the process's */
	assert_int_equal(set(f, &env.root, F_WRLCK, 0, 1), 0);
	assert_int_equal(file_close(f, &env.root), 0);
	assert_int_equal(get(f, &env.user, 0, UINT64_MAX).type, F_UNLCK);
	file_put(f);
}

static void ofd_locks_belong_to_the_file(void **state)
{
	struct flock_range w = { .type = F_WRLCK, .start = 0, .end = 9 };
	struct file *a, *b;

	(void)state;
	a = open_file("/f");
	b = open_file("/f");
	assert_int_equal(vfs_setlk(a, &w, false, true, &env.root), 0);
	assert_int_equal(vfs_setlk(b, &w, false, true, &env.root), -EAGAIN);
	assert_int_equal(set(b, &env.root, F_WRLCK, 0, 9), -EAGAIN);
	assert_int_equal((int)get(b, &env.root, 0, 9).pid, -1);
	file_put(a);
	assert_int_equal(vfs_setlk(b, &w, false, true, &env.root), 0);
	file_put(b);
}

struct locker {
	struct file *f;
	struct vfs_ctx ctx;
	struct waiter waiter;
	uint64_t at;
	int result;
};

static void *lock_thread(void *arg)
{
	struct locker *l = arg;
	struct flock_range r = { .type = F_WRLCK, .start = l->at, .end = l->at };

	l->result = vfs_setlk(l->f, &r, true, false, &l->ctx);
	return NULL;
}

static void a_circle_of_waiters_is_a_deadlock(void **state)
{
	struct locker user = { .ctx = env.user, .at = 0 };
	struct flock_range r = { .type = F_WRLCK, .start = 1, .end = 1 };
	pthread_t thread;
	int deadlock;

	(void)state;
	waiter_init(&user.waiter);
	user.ctx.waiter = &user.waiter;
	user.f = open_file("/f");
	assert_int_equal(set(user.f, &env.root, F_WRLCK, 0, 0), 0);
	assert_int_equal(set(user.f, &env.user, F_WRLCK, 1, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, lock_thread, &user), 0);
	/* Until the other sleeps, our own wait would be legal: so try, briefly. */
	do {
		waiter_prepare(&env.waiter);
		waiter_interrupt(&env.waiter, false);
		deadlock = vfs_setlk(user.f, &r, true, false, &env.root);
		waiter_clear_interrupt(&env.waiter);
		usleep(1000);
	} while (deadlock == -ERESTARTSYS);
	assert_int_equal(deadlock, -EDEADLK);
	assert_int_equal(set(user.f, &env.root, F_UNLCK, 0, 0), 0);
	pthread_join(thread, NULL);
	assert_int_equal(user.result, 0);
	file_close(user.f, &env.user);
	file_put(user.f);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wake_before_the_sleep_is_kept),
		cmocka_unit_test(one_exclusive_sleeper_is_woken),
		cmocka_unit_test(groups_are_sorted_and_found),
		T(writes_append_and_meet_limits),
		T(access_modes_are_kept),
		T(a_write_drops_setuid),
		T(anonymous_files_are_described),
		T(xattr_name_spaces_have_rules),
		T(flock_shares_and_excludes),
		T(record_locks_split_and_merge),
		T(ofd_locks_belong_to_the_file),
		T(a_circle_of_waiters_is_a_deadlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
