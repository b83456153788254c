/* ptrace(2): debug registers, set to watch stores. */
#include "tracee.h"

#define DEBUGREG(n) (offsetof(struct user, u_debugreg) + 8 * (n))
#define STORES4 (1ull | 1ull << 16 | 3ull << 18) /* the first: four bytes, stores */

static volatile int watched, other;

static int stores(void)
{
	for (int i = 0; i < 100; i++)
		other++;
	watched = 5;
	other++;
	watched = 6;
	return 3;
}

static void poke(pid_t pid, int n, uint64_t val)
{
	CHECK(trace(PTRACE_POKEUSR, pid, DEBUGREG(n), val) == 0);
}

static void expect_hit(pid_t pid, int value)
{
	siginfo_t si;

	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGTRAP);
	si = siginfo_of(pid);
	CHECK_EQ(si.si_code, TRAP_HWBKPT);
	CHECK_EQ((uintptr_t)si.si_addr, PEEK_REG(pid, rip));
	CHECK_EQ(peek_user(pid, DEBUGREG(6)) & 0xf, 1);
	CHECK_EQ((int)peek(PTRACE_PEEKDATA, pid, (uintptr_t)&watched), value);
	poke(pid, 6, 0);
}

static void test_stores(void)
{
	pid_t pid = traced_child(stores);

	poke(pid, 0, (uintptr_t)&watched);
	poke(pid, 7, STORES4);
	CHECK_EQ(peek_user(pid, DEBUGREG(0)), (uintptr_t)&watched);
	CHECK_EQ(peek_user(pid, DEBUGREG(7)) & 1, 1);
	expect_hit(pid, 5);
	expect_hit(pid, 6);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 3);
}

static void test_switched_off(void)
{
	pid_t pid = traced_child(stores);

	poke(pid, 0, (uintptr_t)&watched);
	poke(pid, 7, STORES4);
	expect_hit(pid, 5);
	poke(pid, 7, 0);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 3);
}

static void test_errors(void)
{
	pid_t pid = traced_child(stores);

	CHECK_ERR(trace(PTRACE_POKEUSR, pid, DEBUGREG(0), 1ull << 63), EINVAL);
	poke(pid, 0, (uintptr_t)&watched + 1); /* four bytes there are not aligned */
	CHECK_ERR(trace(PTRACE_POKEUSR, pid, DEBUGREG(7), STORES4), EINVAL);
	kill_child(pid);
}

int main(void)
{
	test_stores();
	test_switched_off();
	test_errors();
	return 0;
}
