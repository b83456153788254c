/* ptrace(2): PTRACE_TRACEME, ATTACH, CONT, DETACH, KILL, memory, the registers, signals
 * that the tracer lets through, changes or keeps, and who may do what. */
#include "tracee.h"

static volatile uint64_t word = 0x1122334455667788ull;
static const volatile uint64_t constant = 0x5a5a5a5a5a5a5a5aull;
static volatile sig_atomic_t handled;

static int returns_7(void)
{
	return 7;
}

static int returns_word(void)
{
	return (int)(word & 0xff);
}

static int returns_constant(void)
{
	return (int)(constant & 0xff);
}

static void handler(int signo)
{
	handled = signo;
}

/* Exits with the number of the signal that its handler saw. */
static int raises_usr1(void)
{
	signal(SIGUSR1, handler);
	signal(SIGUSR2, handler);
	raise(SIGUSR1);
	return handled;
}

/* ---- the requests ---- */

static void test_traceme(void)
{
	pid_t pid = traced_child(returns_7);

	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 7);
	pid = fork();
	if (pid == 0) {
		CHECK(trace(PTRACE_TRACEME, 0, 0, 0) == 0);
		CHECK_ERR(trace(PTRACE_TRACEME, 0, 0, 0), EPERM);
		_exit(0);
	}
	expect_exit(pid, 0);
}

static void test_memory(void)
{
	pid_t pid = traced_child(returns_word);

	CHECK_EQ(peek(PTRACE_PEEKDATA, pid, (uintptr_t)&word), word);
	CHECK_EQ(peek(PTRACE_PEEKTEXT, pid, (uintptr_t)&word), word);
	/* Not aligned. */
	CHECK_EQ(peek(PTRACE_PEEKDATA, pid, (uintptr_t)&word + 3) & 0xffffffff,
		 (word >> 24) & 0xffffffff);
	CHECK(trace(PTRACE_POKEDATA, pid, (uintptr_t)&word, 0x2a) == 0);
	CHECK_EQ(peek(PTRACE_PEEKDATA, pid, (uintptr_t)&word), 0x2a);
	CHECK_EQ(word, 0x1122334455667788ull);
	CHECK_ERR(trace(PTRACE_PEEKDATA, pid, 8, (uintptr_t)&handled), EIO);
	CHECK_ERR(trace(PTRACE_POKEDATA, pid, 8, 0), EIO);
	CHECK_ERR(trace(PTRACE_PEEKDATA, pid, (uintptr_t)-8, (uintptr_t)&handled), EIO);
	CHECK_ERR(trace(PTRACE_PEEKDATA, pid, (uintptr_t)&word, 8), EFAULT);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0x2a);
}

/* What may only be read is copied, as for a breakpoint. */
static void test_read_only_memory(void)
{
	pid_t pid = traced_child(returns_constant);

	CHECK(trace(PTRACE_POKEDATA, pid, (uintptr_t)&constant, 0x17) == 0);
	CHECK_EQ(peek(PTRACE_PEEKDATA, pid, (uintptr_t)&constant), 0x17);
	CHECK_EQ(constant, 0x5a5a5a5a5a5a5a5aull);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0x17);
}

static void test_breakpoint(void)
{
	pid_t pid = traced_child(returns_7);
	uintptr_t at = (uintptr_t)returns_7;
	uint64_t text = peek(PTRACE_PEEKTEXT, pid, at);
	struct user_regs_struct r;
	siginfo_t si;

	CHECK(trace(PTRACE_POKETEXT, pid, at, (text & ~0xffull) | 0xcc) == 0);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGTRAP);
	r = regs_of(pid);
	CHECK_EQ(r.rip, at + 1);
	si = siginfo_of(pid);
	CHECK_EQ(si.si_signo, SIGTRAP);
	CHECK_EQ(si.si_code, SI_KERNEL);
	CHECK(trace(PTRACE_POKETEXT, pid, at, text) == 0);
	r.rip = at;
	CHECK(trace(PTRACE_SETREGS, pid, 0, (uintptr_t)&r) == 0);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 7);
}

static void test_detach(void)
{
	pid_t pid = traced_child(raises_usr1);

	go(PTRACE_DETACH, pid, 0);
	expect_exit(pid, SIGUSR1);
	pid = traced_child(returns_7);
	go(PTRACE_DETACH, pid, SIGKILL);
	expect_killed(pid, SIGKILL);
}

static void test_kill(void)
{
	pid_t pid = traced_child(returns_7);

	go(PTRACE_KILL, pid, 0);
	expect_killed(pid, SIGKILL);
	pid = traced_child(returns_7);
	CHECK(kill(pid, SIGKILL) == 0);
	expect_killed(pid, SIGKILL);
}

/* ---- signals ---- */

static void test_signal_passed_on(void)
{
	pid_t pid = traced_child(raises_usr1);
	siginfo_t si;

	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGUSR1);
	si = siginfo_of(pid);
	CHECK_EQ(si.si_signo, SIGUSR1);
	CHECK_EQ(si.si_code, SI_TKILL);
	CHECK_EQ(si.si_pid, pid);
	go(PTRACE_CONT, pid, SIGUSR1);
	expect_exit(pid, SIGUSR1);
}

static void test_signal_changed(void)
{
	pid_t pid = traced_child(raises_usr1);

	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGUSR1);
	go(PTRACE_CONT, pid, SIGUSR2);
	expect_exit(pid, SIGUSR2);
}

static void test_signal_kept(void)
{
	pid_t pid = traced_child(raises_usr1);

	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGUSR1);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0);
}

static int raises_chld(void)
{
	raise(SIGCHLD); /* ignored by default: the tracer sees it all the same */
	return 3;
}

static void test_signal_ignored(void)
{
	pid_t pid = traced_child(raises_chld);

	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGCHLD);
	go(PTRACE_CONT, pid, SIGCHLD);
	expect_exit(pid, 3);
}

static void test_signal_fatal(void)
{
	pid_t pid = traced_child(pauses);

	go(PTRACE_CONT, pid, 0);
	CHECK(kill(pid, SIGTERM) == 0);
	CHECK_EQ(next_stop(pid), SIGTERM);
	go(PTRACE_CONT, pid, SIGTERM);
	expect_killed(pid, SIGTERM);
}

/* ---- attaching ---- */

static void test_attach(void)
{
	pid_t pid = plain_child(pauses);
	siginfo_t si;

	CHECK(trace(PTRACE_ATTACH, pid, 0, 0) == 0);
	CHECK_ERR(trace(PTRACE_ATTACH, pid, 0, 0), EPERM);
	CHECK_EQ(next_stop(pid), SIGSTOP);
	si = siginfo_of(pid);
	CHECK_EQ(si.si_signo, SIGSTOP);
	go(PTRACE_CONT, pid, 0);
	CHECK(kill(pid, SIGUSR1) == 0);
	CHECK_EQ(next_stop(pid), SIGUSR1);
	go(PTRACE_DETACH, pid, 0);
	CHECK(kill(pid, SIGTERM) == 0);
	expect_killed(pid, SIGTERM);
}

/* ---- errors ---- */

static void test_errors(void)
{
	pid_t pid = plain_child(pauses), traced;
	uint64_t out;

	CHECK_ERR(trace(PTRACE_CONT, pid, 0, 0), ESRCH); /* not ours */
	CHECK_ERR(trace(PTRACE_PEEKDATA, pid, (uintptr_t)&word, (uintptr_t)&out), ESRCH);
	CHECK_ERR(trace(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
	CHECK_ERR(trace(PTRACE_ATTACH, 0x3fffffff, 0, 0), ESRCH);
	CHECK_ERR(trace(PTRACE_ATTACH, 0, 0, 0), ESRCH);
	CHECK_ERR(trace(PTRACE_ATTACH, -1, 0, 0), ESRCH);
	kill_child(pid);
	CHECK_ERR(trace(PTRACE_ATTACH, pid, 0, 0), ESRCH);

	traced = traced_child(pauses);
	CHECK_ERR(trace(PTRACE_CONT, traced, 0, 65), EIO);
	CHECK_ERR(trace(PTRACE_CONT, traced, 0, -1), EIO);
	CHECK_ERR(trace(PTRACE_DETACH, traced, 0, 65), EIO);
	CHECK_ERR(trace(0x4999, traced, 0, 0), EIO);
	CHECK_ERR(trace(-1, traced, 0, 0), EIO);
	go(PTRACE_CONT, traced, 0);
	/* It runs. */
	CHECK_ERR(trace(PTRACE_CONT, traced, 0, 0), ESRCH);
	CHECK_ERR(trace(PTRACE_PEEKDATA, traced, (uintptr_t)&word, (uintptr_t)&out), ESRCH);
	kill_child(traced);
}

/* A zombie is nobody's to trace. */
static void test_zombie(void)
{
	pid_t pid = plain_child(returns_7);
	siginfo_t si;

	CHECK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT) == 0);
	CHECK_ERR(trace(PTRACE_ATTACH, pid, 0, 0), EPERM);
	expect_exit(pid, 7);
}

int main(void)
{
	test_traceme();
	test_memory();
	test_read_only_memory();
	test_breakpoint();
	test_detach();
	test_kill();
	test_signal_passed_on();
	test_signal_changed();
	test_signal_kept();
	test_signal_ignored();
	test_signal_fatal();
	test_attach();
	test_errors();
	test_zombie();
	return 0;
}
