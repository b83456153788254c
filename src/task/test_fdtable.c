/* Descriptor tables: lowest numbers, growth, close-on-exec, copies, races. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/fault.h"
#include "host/thread.h"
#include "task/testlib_task.h"

static atomic_int released;
static struct task *task;

static void count_release(struct file *f UNUSED)
{
	atomic_fetch_add(&released, 1);
}

static const struct file_ops ops = { .name = "test", .release = count_release };

static struct file *new_file(void)
{
	struct file *f;

	ASSERT(file_create_anon(&ops, NULL, O_RDWR, 0, task->cred, &f) == 0);
	return f;
}

static int install(int min, bool cloexec)
{
	struct file *f = new_file();
	int fd = fd_install(task, f, min, cloexec);

	if (fd < 0)
		file_put(f);
	return fd;
}

static int setup(void **state UNUSED)
{
	fake_up();
	task = fake_first(NULL);
	task->group->limits[RLIMIT_NOFILE_NR].cur = 1024;
	atomic_store(&released, 0);
	return 0;
}

/* The task was never started: it leaves by hand. */
static int teardown(void **state UNUSED)
{
	task_finish(task);
	fake_down();
	return 0;
}

static void gives_the_lowest_number(void **state UNUSED)
{
	for (int i = 0; i < 10; i++)
		assert_int_equal(install(0, false), i);
	assert_int_equal(fd_close(task, 3), 0);
	assert_int_equal(fd_close(task, 7), 0);
	assert_int_equal(released, 2);
	assert_int_equal(install(5, false), 7);
	assert_int_equal(install(0, false), 3);
	assert_int_equal(install(0, false), 10);
	assert_int_equal(fd_close(task, 11), -EBADF);
	assert_int_equal(fd_close(task, -1), -EBADF);
}

static void grows_to_the_limit(void **state UNUSED)
{
	for (int i = 0; i < 1024; i++)
		assert_int_equal(install(0, false), i);
	assert_int_equal(install(0, false), -EMFILE);
	assert_int_equal(install(2000, false), -EINVAL);
	assert_int_equal(fd_close(task, 500), 0);
	assert_int_equal(install(0, false), 500);
	assert_int_equal(fdtable_count(task->files, NULL), 1024);
}

static void far_numbers(void **state UNUSED)
{
	assert_int_equal(install(900, true), 900);
	assert_int_equal(install(900, false), 901);
	assert_int_equal(fd_get_cloexec(task, 900), 1);
	assert_int_equal(fd_get_cloexec(task, 901), 0);
	assert_int_equal(install(0, false), 0);
	assert_int_equal(fdtable_next(task->files, 1), 900);
	assert_int_equal(fdtable_next(task->files, 902), -1);
}

static void replaces_and_closes(void **state UNUSED)
{
	struct file *f = new_file(), *got;

	assert_int_equal(install(0, false), 0);
	assert_int_equal(fd_install_at(task, f, 0, true), 0);
	assert_int_equal(released, 1);
	got = fd_get(task, 0);
	assert_ptr_equal(got, f);
	file_put(got);
	f = new_file();
	assert_int_equal(fd_install_at(task, f, 1024, false), -EBADF);
	file_put(f);
}

static void closes_on_exec(void **state UNUSED)
{
	for (int i = 0; i < 100; i++)
		assert_int_equal(install(0, i % 3 == 0), i);
	fdtable_close_on_exec(task);
	for (int i = 0; i < 100; i++)
		assert_int_equal(fd_get_cloexec(task, i), i % 3 == 0 ? -EBADF : 0);
	assert_int_equal(install(0, false), 0);
	assert_int_equal(install(0, false), 3);
}

static void closes_ranges(void **state UNUSED)
{
	for (int i = 0; i < 200; i++)
		assert_int_equal(install(0, false), i);
	assert_int_equal(fd_close_range(task, 10, 5, false), -EINVAL);
	assert_int_equal(fd_close_range(task, 64, 127, false), 0);
	assert_int_equal(released, 64);
	assert_int_equal(fd_close_range(task, 150, ~0u, true), 0);
	assert_int_equal(fd_get_cloexec(task, 149), 0);
	assert_int_equal(fd_get_cloexec(task, 199), 1);
	assert_int_equal(fdtable_next(task->files, 64), 128);
}

static void a_copy_is_its_own(void **state UNUSED)
{
	struct fdtable *copy;
	struct file *f;
	bool cloexec;

	for (int i = 0; i < 70; i++)
		assert_int_equal(install(0, i == 5), i);
	assert_int_equal(fdtable_fork(task->files, &copy), 0);
	assert_int_equal(fd_close(task, 5), 0);
	assert_int_equal(released, 0);
	f = fdtable_get_file(copy, 5, &cloexec);
	assert_non_null(f);
	assert_true(cloexec);
	file_put(f);
	fdtable_put(copy, NULL);
	assert_int_equal(released, 1);
}

static void memory_failures(void **state UNUSED)
{
#ifdef NACRE_DEBUG
	struct fdtable *copy;

	fault_arm("fdtable.grow", 1);
	assert_int_equal(install(100, false), -ENOMEM);
	assert_int_equal(install(100, false), 100);
	fault_arm("fdtable.grow", 1);
	assert_int_equal(fdtable_fork(task->files, &copy), -ENOMEM);
	assert_null(copy);
	assert_int_equal(released, 1);
#endif
}

static void open_and_close(void *arg UNUSED)
{
	for (int i = 0; i < 2000; i++) {
		int fd = install(0, false);

		ASSERT(fd >= 0);
		ASSERT(fd_close(task, fd) == 0);
	}
}

static void threads_share_it(void **state UNUSED)
{
	struct host_thread th[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(host_thread_create(&th[i], "test", 0, open_and_close, NULL), 0);
	for (int i = 0; i < 4; i++)
		host_thread_join(&th[i]);
	assert_int_equal(released, 8000);
	assert_int_equal(fdtable_count(task->files, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gives_the_lowest_number, setup, teardown),
		cmocka_unit_test_setup_teardown(grows_to_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(far_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(replaces_and_closes, setup, teardown),
		cmocka_unit_test_setup_teardown(closes_on_exec, setup, teardown),
		cmocka_unit_test_setup_teardown(closes_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(a_copy_is_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_share_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
