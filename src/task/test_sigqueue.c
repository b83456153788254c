/* Pending signals: order of arrival, one of each standard signal, limits, and
 * what a timer's own entry does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "task/testlib_task.h"
#include "task/user.h"

static struct thread_group *group;
static struct sigqueue queue;

static int setup(void **state UNUSED)
{
	ASSERT(group_create(&fake_kernel, sighand_create(), &group) == 0);
	group->limits[RLIMIT_SIGPENDING_NR].cur = 4;
	sigqueue_init(&queue);
	return 0;
}

static int teardown(void **state UNUSED)
{
	sigqueue_flush(&queue);
	assert_int_equal(user_charged(7, USER_SIGPENDING), 0);
	group_put(group);
	return 0;
}

static bool push(int signo, int code, uint64_t value)
{
	struct sigqueue_entry *e;

	sigqueue_alloc(group, 7, false, &e);
	if (e)
		e->info = (struct ksiginfo){ .signo = signo, .code = code, .value = value };
	sigqueue_push(&queue, signo, e);
	return e != NULL;
}

static uint64_t take(int signo)
{
	struct posix_timer *timer;
	struct ksiginfo info;

	assert_true(queue.set & sigbit(signo));
	sigqueue_take(&queue, signo, &info, &timer);
	assert_int_equal(info.signo, signo);
	assert_null(timer);
	return info.value;
}

static void keeps_order_of_arrival(void **state UNUSED)
{
	push(40, SI_QUEUE, 1);
	push(41, SI_QUEUE, 2);
	push(40, SI_QUEUE, 3);
	assert_int_equal(take(40), 1);
	assert_true(queue.set & sigbit(40));
	assert_int_equal(take(40), 3);
	assert_false(queue.set & sigbit(40));
	assert_int_equal(take(41), 2);
	assert_int_equal(queue.set, 0);
}

static void beyond_the_limit_only_the_bit_stays(void **state UNUSED)
{
	struct posix_timer *timer;
	struct ksiginfo info;

	for (uint64_t i = 0; i < 4; i++)
		assert_true(push(50, SI_QUEUE, i));
	assert_false(push(51, SI_USER, 9));
	sigqueue_take(&queue, 51, &info, &timer);
	assert_int_equal(info.code, SI_USER);
	assert_int_equal(info.pid, 0);
	assert_int_equal(take(50), 0);
	assert_true(push(52, SI_QUEUE, 5));
}

static void faults_go_first(void **state UNUSED)
{
	struct ksiginfo info;

	push(SIGSEGV, SI_USER, 0);
	assert_int_equal(sigqueue_take_fault(&queue, ~(sigmask_t)0, &info), 0);
	push(SIGBUS, BUS_ADRERR, 0);
	assert_int_equal(sigqueue_take_fault(&queue, ~sigbit(SIGBUS), &info), 0);
	assert_int_equal(sigqueue_take_fault(&queue, ~(sigmask_t)0, &info), SIGBUS);
	assert_int_equal(info.code, BUS_ADRERR);
}

static void removal_by_mask(void **state UNUSED)
{
	push(SIGTSTP, SI_USER, 0);
	push(SIGCONT, SI_USER, 0);
	push(SIGTTIN, SI_USER, 0);
	sigqueue_remove(&queue, SIGMASK_STOP);
	assert_int_equal(queue.set, sigbit(SIGCONT));
	assert_int_equal(user_charged(7, USER_SIGPENDING), 1);
}

static void a_timer_keeps_its_entry(void **state UNUSED)
{
	struct posix_timer *timer = (struct posix_timer *)(uintptr_t)64, *got;
	struct sigqueue_entry *e;
	struct ksiginfo info;

	sigqueue_alloc(group, 7, false, &e);
	assert_non_null(e);
	e->timer = timer;
	e->info = (struct ksiginfo){ .signo = SIGALRM, .code = SI_TIMER };
	sigqueue_push(&queue, SIGALRM, e);
	sigqueue_take(&queue, SIGALRM, &info, &got);
	assert_ptr_equal(got, timer);
	assert_true(list_empty(&e->link));
	sigqueue_push(&queue, SIGALRM, e);
	sigqueue_remove_timer(&queue, e);
	assert_int_equal(queue.set, 0);
	sigqueue_free_timer(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keeps_order_of_arrival, setup, teardown),
		cmocka_unit_test_setup_teardown(beyond_the_limit_only_the_bit_stays, setup,
						teardown),
		cmocka_unit_test_setup_teardown(faults_go_first, setup, teardown),
		cmocka_unit_test_setup_teardown(removal_by_mask, setup, teardown),
		cmocka_unit_test_setup_teardown(a_timer_keeps_its_entry, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
