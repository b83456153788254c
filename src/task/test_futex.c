/* Futexes between threads of one fake guest: no wake is lost, requeues move,
 * timeouts end, PI words are handed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "abi/futex.h"
#include "host/host.h"
#include "task/testlib_task.h"

#define ADDR(fn) ((uint64_t)(uintptr_t)(fn))

static gva_t page;
static atomic_int arrived, left, failed;

static int setup(void **state UNUSED)
{
	fake_up();
	atomic_store(&arrived, 0);
	atomic_store(&left, 0);
	atomic_store(&failed, 0);
	return 0;
}

static int teardown(void **state UNUSED)
{
	fake_down();
	return 0;
}

static long call(struct task *t, int op, gva_t addr, uint32_t val)
{
	struct futex_request req = { .op = op,
				     .is_private = true,
				     .addr = addr,
				     .val = val,
				     .val3 = FUTEX_BITSET_MATCH_ANY,
				     .deadline_ns = PARK_FOREVER };

	return futex_call(t, &req);
}

static uint32_t load(struct task *t, gva_t addr)
{
	uint32_t v;

	ASSERT(mm_load32(t->mm, addr, &v) == 0);
	return v;
}

static uint32_t add(struct task *t, gva_t addr, uint32_t n)
{
	uint32_t old = load(t, addr), seen;

	for (;;) {
		ASSERT(mm_cmpxchg32(t->mm, addr, old, old + n, &seen) == 0);
		if (seen == old)
			return old;
		old = seen;
	}
}

/* ---- a counter that each waits for the next value of ---- */

#define ROUNDS 400
#define PLAYERS 4

/* Waits until the word's turn is its own, and passes it on. */
static long play(struct task *t, uint64_t me)
{
	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (;;) {
			uint32_t v = load(t, page);

			if (v % PLAYERS == me)
				break;
			(void)call(t, FUTEX_WAIT, page, v);
		}
		add(t, page, 1);
		(void)call(t, FUTEX_WAKE, page, PLAYERS);
	}
	atomic_fetch_add(&left, 1);
	return 0;
}

static atomic_int next_player;

static void player(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 == 0)
		fake_call(r, ev, play, (uint64_t)atomic_fetch_add(&next_player, 1));
	else
		fake_call(r, ev, fake_exit_thread, 0);
}

static void ring(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 == 0) {
		atomic_store(&next_player, 1);
		fake_call(r, ev, fake_map_page, 0);
		return;
	}
	if (r->r15 == 1)
		page = r->rax;
	if (r->r15 < PLAYERS)
		fake_call(r, ev, fake_thread, ADDR(player));
	else if (r->r15 == PLAYERS)
		fake_call(r, ev, play, 0);
	else
		fake_call(r, ev, fake_exit_thread, 0);
}

static void no_wake_is_lost(void **state UNUSED)
{
	assert_int_equal(fake_run(ring), 0);
	assert_int_equal(atomic_load(&left), PLAYERS);
}

/* ---- requeue ---- */

static long wait_first(struct task *t, uint64_t unused UNUSED)
{
	long r;

	atomic_fetch_add(&arrived, 1);
	r = call(t, FUTEX_WAIT, page, 0);
	if (r != 0)
		atomic_fetch_add(&failed, 1);
	atomic_fetch_add(&left, 1);
	return r;
}

static void first_waiter(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 == 0)
		fake_call(r, ev, wait_first, 0);
	else
		fake_call(r, ev, fake_exit_thread, 0);
}

static void nap(void)
{
	const struct timespec ts = { .tv_nsec = 20000000 };

	ASSERT(host_clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL) == 0);
}

static long move_them(struct task *t, uint64_t unused UNUSED)
{
	struct futex_request req = { .op = FUTEX_CMP_REQUEUE,
				     .is_private = true,
				     .addr = page,
				     .addr2 = page + 64,
				     .val = 1,
				     .val2 = 3,
				     .val3 = 0 };

	while (atomic_load(&arrived) < 6)
		nap();
	nap();
	ASSERT(futex_call(t, &req) == 4);
	while (atomic_load(&left) < 1)
		nap();
	ASSERT(call(t, FUTEX_WAKE, page + 64, 100) == 3);
	ASSERT(call(t, FUTEX_WAKE, page, 100) == 2);
	req.val3 = 5;
	ASSERT(futex_call(t, &req) == -EAGAIN);
	while (atomic_load(&left) < 6)
		nap();
	return 0;
}

static void mover(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 == 0) {
		fake_call(r, ev, fake_map_page, 0);
		return;
	}
	if (r->r15 == 1)
		page = r->rax;
	if (r->r15 <= 6)
		fake_call(r, ev, fake_thread, ADDR(first_waiter));
	else if (r->r15 == 7)
		fake_call(r, ev, move_them, 0);
	else
		fake_call(r, ev, fake_exit, 0);
}

static void requeued_waiters_wake_at_their_new_place(void **state UNUSED)
{
	assert_int_equal(fake_run(mover), 0);
	assert_int_equal(atomic_load(&failed), 0);
}

/* ---- timeouts and errors ---- */

static long time_out(struct task *t, uint64_t unused UNUSED)
{
	struct futex_request req = { .op = FUTEX_WAIT, .is_private = true, .addr = page };
	uint64_t now = host_clock_ns(CLOCK_MONOTONIC);

	req.deadline_ns = now + 5000000;
	ASSERT(futex_call(t, &req) == -ETIMEDOUT);
	ASSERT(host_clock_ns(CLOCK_MONOTONIC) >= now + 5000000);
	req.val = 1;
	ASSERT(futex_call(t, &req) == -EAGAIN);
	req.addr = page + 2;
	ASSERT(futex_call(t, &req) == -EINVAL);
	req.addr = 0x20000;
	ASSERT(futex_call(t, &req) == -EFAULT);
	req.op = 99;
	ASSERT(futex_call(t, &req) == -ENOSYS);
	return 0;
}

static void timer_guest(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 == 0) {
		fake_call(r, ev, fake_map_page, 0);
	} else if (r->r15 == 1) {
		page = r->rax;
		fake_call(r, ev, time_out, 0);
	} else {
		fake_call(r, ev, fake_exit, 0);
	}
}

static void timeouts_and_errors(void **state UNUSED)
{
	assert_int_equal(fake_run(timer_guest), 0);
}

/* ---- PI ---- */

static atomic_int inside;

static long pi_rounds(struct task *t, uint64_t unused UNUSED)
{
	for (int i = 0; i < 200; i++) {
		ASSERT(call(t, FUTEX_LOCK_PI, page, 0) == 0);
		ASSERT((load(t, page) & FUTEX_TID_MASK) == (uint32_t)t->tid);
		ASSERT(atomic_fetch_add(&inside, 1) == 0);
		ASSERT(call(t, FUTEX_LOCK_PI, page, 0) == -EDEADLK);
		atomic_fetch_sub(&inside, 1);
		ASSERT(call(t, FUTEX_UNLOCK_PI, page, 0) == 0);
	}
	atomic_fetch_add(&left, 1);
	return 0;
}

static void pi_guest(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 == 0)
		fake_call(r, ev, pi_rounds, 0);
	else
		fake_call(r, ev, fake_exit_thread, 0);
}

static void pi_main(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 == 0) {
		fake_call(r, ev, fake_map_page, 0);
		return;
	}
	if (r->r15 == 1)
		page = r->rax;
	if (r->r15 <= 4)
		fake_call(r, ev, fake_thread, ADDR(pi_guest));
	else
		fake_call(r, ev, fake_exit_thread, 0);
}

static void pi_excludes(void **state UNUSED)
{
	assert_int_equal(fake_run(pi_main), 0);
	assert_int_equal(atomic_load(&left), 4);
}

/* The owner exits without unlocking, while another waits. */
static long own_it(struct task *t, uint64_t unused UNUSED)
{
	ASSERT(call(t, FUTEX_LOCK_PI, page, 0) == 0);
	atomic_fetch_add(&arrived, 1);
	while (!(load(t, page) & FUTEX_WAITERS))
		nap();
	return 0;
}

static void dying_owner(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 == 0)
		fake_call(r, ev, own_it, 0);
	else
		fake_call(r, ev, fake_exit_thread, 0);
}

static long inherit_it(struct task *t, uint64_t unused UNUSED)
{
	while (!atomic_load(&arrived))
		nap();
	ASSERT(call(t, FUTEX_LOCK_PI, page, 0) == 0);
	ASSERT(load(t, page) == ((uint32_t)t->tid | FUTEX_OWNER_DIED));
	return 0;
}

static void heir(struct guest_regs *r, struct platform_event *ev)
{
	if (r->r15 == 0) {
		fake_call(r, ev, fake_map_page, 0);
	} else if (r->r15 == 1) {
		page = r->rax;
		fake_call(r, ev, fake_thread, ADDR(dying_owner));
	} else if (r->r15 == 2) {
		fake_call(r, ev, inherit_it, 0);
	} else {
		fake_call(r, ev, fake_exit, 0);
	}
}

static void pi_is_inherited_from_the_dead(void **state UNUSED)
{
	assert_int_equal(fake_run(heir), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_wake_is_lost),
		TEST(requeued_waiters_wake_at_their_new_place),
		TEST(timeouts_and_errors),
		TEST(pi_excludes),
		TEST(pi_is_inherited_from_the_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
