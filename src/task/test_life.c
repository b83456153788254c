/* Processes and threads from birth to reaping, on a platform of C functions:
 * fork, wait, threads, kill, stop and continue, exec's departure of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/fault.h"
#include "task/testlib_task.h"

static int setup(void **state UNUSED)
{
	fake_up();
	return 0;
}

static int teardown(void **state UNUSED)
{
	fake_down();
	return 0;
}

#define ADDR(fn) ((uint64_t)(uintptr_t)(fn))

static void exits_5(struct guest_regs *r, struct platform_event *ev)
{
	fake_call(r, ev, fake_exit, 5);
}

static void spins(struct guest_regs *r UNUSED, struct platform_event *ev)
{
	fake_spin(ev);
}

/* ---- fork and wait ---- */

static void forks_and_waits(struct guest_regs *r, struct platform_event *ev)
{
	switch (r->r15) {
	case 0:
		fake_call(r, ev, fake_fork, ADDR(exits_5));
		break;
	case 1:
		ASSERT((long)r->rax > 2);
		r->rbx = r->rax;
		fake_call(r, ev, fake_wait, 0);
		break;
	case 2:
		ASSERT(r->rax == r->rbx);
		ASSERT(fake_wait_status == 5 << 8);
		fake_call(r, ev, fake_wait, 0);
		break;
	default:
		ASSERT((long)r->rax == -ECHILD);
		fake_call(r, ev, fake_exit, 7);
	}
}

static void status_reaches_the_parent(void **state UNUSED)
{
	assert_int_equal(fake_run(forks_and_waits), 7 << 8);
}

/* ---- many processes, some orphaned ---- */

static void forks_twice(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 < 2)
		fake_call(r, ev, fake_fork, ADDR(exits_5));
	else
		fake_call(r, ev, fake_exit, 1);
}

static void forks_many(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 < 20)
		fake_call(r, ev, fake_fork, ADDR(forks_twice));
	else if (r->r15 == 20 || (long)r->rax > 0)
		fake_call(r, ev, fake_wait, 0);
	else
		fake_call(r, ev, fake_exit, 0);
}

static void orphans_are_reaped(void **state UNUSED)
{
	assert_int_equal(fake_run(forks_many), 0);
	task_kill_all(&fake_kernel);
	assert_int_equal(atomic_load(&fake_kernel.ntasks), 0);
	assert_null(pid_next_group(&fake_kernel, 1));
}

static void forks_for_ever(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 && (long)r->rax < 0) {
		ASSERT((long)r->rax == -EAGAIN);
		fake_call(r, ev, fake_exit, 3);
		return;
	}
	fake_call(r, ev, fake_fork, ADDR(spins));
}

static void the_number_of_tasks_is_bounded(void **state UNUSED)
{
	assert_int_equal(fake_run(forks_for_ever), 3 << 8);
}

/* ---- threads ---- */

static atomic_int nthreads_ran;

static void thread_ends(struct guest_regs *r, struct platform_event *ev)
{
	atomic_fetch_add(&nthreads_ran, 1);
	fake_call(r, ev, fake_exit_thread, 9);
}

static void starts_threads(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 < 10)
		fake_call(r, ev, fake_thread, ADDR(thread_ends));
	else
		fake_call(r, ev, fake_exit_thread, 4);
}

static void the_last_thread_ends_the_process(void **state UNUSED)
{
	int status;

	atomic_store(&nthreads_ran, 0);
	status = fake_run(starts_threads);
	assert_int_equal(atomic_load(&nthreads_ran), 10);
	assert_true(status == 4 << 8 || status == 9 << 8);
}

static void group_exit_starts(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 < 5)
		fake_call(r, ev, fake_thread, ADDR(spins));
	else
		fake_call(r, ev, fake_exit, 6);
}

static void group_exit_takes_every_thread(void **state UNUSED)
{
	assert_int_equal(fake_run(group_exit_starts), 6 << 8);
}

/* ---- signals ---- */

static long send_to(struct task *t, uint64_t pid_and_signo)
{
	struct ksiginfo info = { .signo = (int)(pid_and_signo & 255),
				 .code = SI_USER,
				 .pid = t->group->pid };
	struct thread_group *g = pid_find_group(t->kernel, (int32_t)(pid_and_signo >> 8));
	int r = g ? signal_send_group(g, &info) : -ESRCH;

	group_put(g);
	return r;
}

static void signal_child(struct guest_regs *r, struct platform_event *ev, int signo)
{
	fake_call(r, ev, send_to, r->rbx << 8 | (uint64_t)signo);
}

static void kills_its_child(struct guest_regs *r, struct platform_event *ev)
{
	switch (r->r15) {
	case 0:
		fake_call(r, ev, fake_fork, ADDR(spins));
		break;
	case 1:
		r->rbx = r->rax;
		signal_child(r, ev, SIGTERM);
		break;
	case 2:
		ASSERT(r->rax == 0);
		fake_call(r, ev, fake_wait, 0);
		break;
	default:
		ASSERT(r->rax == r->rbx);
		ASSERT(fake_wait_status == SIGTERM);
		fake_call(r, ev, fake_exit, 0);
	}
}

static void a_signal_ends_a_running_guest(void **state UNUSED)
{
	assert_int_equal(fake_run(kills_its_child), 0);
}

static void two_spin(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 == 0)
		fake_call(r, ev, fake_thread, ADDR(spins));
	else
		fake_spin(ev);
}

static void stops_its_child(struct guest_regs *r, struct platform_event *ev)
{
	switch (r->r15) {
	case 0:
		fake_call(r, ev, fake_fork, ADDR(two_spin));
		break;
	case 1:
		r->rbx = r->rax;
		signal_child(r, ev, SIGSTOP);
		break;
	case 2:
		fake_call(r, ev, fake_wait, WUNTRACED | WCONTINUED);
		break;
	case 3:
		ASSERT(r->rax == r->rbx);
		ASSERT(fake_wait_status == (SIGSTOP << 8 | 0x7f));
		fake_call(r, ev, fake_wait, WNOHANG | WUNTRACED | WCONTINUED);
		break;
	case 4:
		ASSERT(r->rax == 0);
		signal_child(r, ev, SIGCONT);
		break;
	case 5:
		fake_call(r, ev, fake_wait, WUNTRACED | WCONTINUED);
		break;
	case 6:
		ASSERT(fake_wait_status == 0xffff);
		signal_child(r, ev, SIGSTOP);
		break;
	case 7:
		fake_call(r, ev, fake_wait, WUNTRACED);
		break;
	case 8:
		ASSERT(fake_wait_status == (SIGSTOP << 8 | 0x7f));
		signal_child(r, ev, SIGKILL);
		break;
	case 9:
		fake_call(r, ev, fake_wait, 0);
		break;
	default:
		ASSERT(fake_wait_status == SIGKILL);
		fake_call(r, ev, fake_exit, 0);
	}
}

static void stop_and_continue_are_reported(void **state UNUSED)
{
	assert_int_equal(fake_run(stops_its_child), 0);
}

static void faults(struct guest_regs *r UNUSED, struct platform_event *ev)
{
	fake_fault(ev, SIGFPE, FPE_INTDIV, 0x1234);
}

static void a_fault_kills(void **state UNUSED)
{
	assert_int_equal(fake_run(faults), SIGFPE);
}

/* ---- exec ---- */

static long exec_it(struct task *t, uint64_t guest)
{
	int32_t pid = t->group->pid;
	int r = task_exec_prepare(t);

	if (r < 0)
		return r;
	ASSERT(t->tid == pid && t->group->leader == t && t->group->ntasks == 1);
	task_exec_finish(t, guest, 0, NULL, "new", NULL);
	return 0;
}

static void execs(struct guest_regs *r, struct platform_event *ev)
{
	fake_call(r, ev, exec_it, ADDR(exits_5));
}

static void starts_execer(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 < 3)
		fake_call(r, ev, fake_thread, ADDR(spins));
	else if (r->r15 < 5)
		fake_call(r, ev, fake_thread, ADDR(execs)); /* two race */
	else
		fake_spin(ev);
}

static void exec_of_a_thread_becomes_the_leader(void **state UNUSED)
{
	assert_int_equal(fake_run(starts_execer), 5 << 8);
}

/* ---- pid table ---- */

static void numbers_wrap_and_are_kept(void **state UNUSED)
{
	struct task *t = fake_first(NULL);
	int32_t first, nr;

	fake_kernel.pid_max = 310;
	mutex_lock(&pids_lock);
	assert_int_equal(pid_alloc_locked(&fake_kernel, 305, t, &first), 0);
	assert_int_equal(pid_alloc_locked(&fake_kernel, 305, t, &nr), -EEXIST);
	for (int i = 0; i < 400; i++) {
		assert_int_equal(pid_alloc_locked(&fake_kernel, 0, t, &nr), 0);
		assert_true(nr > 2 && nr < 310 && nr != 305);
		pid_clear_task_locked(nr);
	}
	pid_clear_task_locked(305);
	mutex_unlock(&pids_lock);
	task_finish(t);
}

#ifdef NACRE_DEBUG
static unsigned fail_at;

static void fork_fails(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 == 0) {
		fault_arm(NULL, fail_at);
		fake_call(r, ev, fake_fork, ADDR(exits_5));
	} else if (r->r15 == 1) {
		fault_arm(NULL, 0);
		ASSERT((long)r->rax == -ENOMEM || (long)r->rax == -EAGAIN || (long)r->rax > 0);
		fake_call(r, ev, fake_wait, 0);
	} else {
		fake_call(r, ev, fake_exit, 0);
	}
}

static void a_failing_fork_leaves_nothing(void **state UNUSED)
{
	for (fail_at = 1; fail_at < 20; fail_at++) {
		assert_int_equal(fake_run(fork_fails), 0);
		fake_down();
		fake_up();
	}
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(status_reaches_the_parent),           TEST(orphans_are_reaped),
		TEST(the_number_of_tasks_is_bounded),      TEST(the_last_thread_ends_the_process),
		TEST(group_exit_takes_every_thread),       TEST(a_signal_ends_a_running_guest),
		TEST(stop_and_continue_are_reported),      TEST(a_fault_kills),
		TEST(exec_of_a_thread_becomes_the_leader), TEST(numbers_wrap_and_are_kept),
#ifdef NACRE_DEBUG
		TEST(a_failing_fork_leaves_nothing),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
