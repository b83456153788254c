/* ptrace(2): stops before and after system calls; what a tracer sees there and may
 * change; calls that a signal interrupts; PTRACE_SYSEMU; PTRACE_GET_SYSCALL_INFO. */
#include <sys/time.h>
#include <time.h>

#include "tracee.h"

#define NO_CALL ((uint64_t)-1)

static int fds[2];

static void options(pid_t pid, uintptr_t flags)
{
	CHECK(trace(PTRACE_SETOPTIONS, pid, 0, flags) == 0);
}

/* To the next stop before or after a call. */
static void next_call(pid_t pid)
{
	go(PTRACE_SYSCALL, pid, 0);
	CHECK_EQ(next_stop(pid), SYSGOOD);
}

/* To the stop before this call, past others. */
static void to_entry_of(pid_t pid, long nr)
{
	for (;;) {
		next_call(pid);
		CHECK_EQ(message_of(pid), PTRACE_EVENTMSG_SYSCALL_ENTRY);
		if ((long)PEEK_REG(pid, orig_rax) == nr)
			return;
		next_call(pid);
	}
}

static void to_exit(pid_t pid)
{
	next_call(pid);
	CHECK_EQ(message_of(pid), PTRACE_EVENTMSG_SYSCALL_EXIT);
}

/* ---- what is seen ---- */

static int calls_getppid(void)
{
	return syscall(SYS_getppid) == getppid() ? 0 : 1;
}

static void test_entry_and_exit(void)
{
	pid_t pid = traced_child(calls_getppid);
	struct user_regs_struct r;
	siginfo_t si;

	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, SYS_getppid);
	r = regs_of(pid);
	CHECK_EQ(r.rax, -ENOSYS);
	CHECK_EQ(r.orig_rax, SYS_getppid);
	si = siginfo_of(pid);
	CHECK_EQ(si.si_signo, SIGTRAP);
	CHECK_EQ(si.si_code, SYSGOOD);
	CHECK_EQ(si.si_pid, pid);
	to_exit(pid);
	r = regs_of(pid);
	CHECK_EQ(r.rax, getpid());
	CHECK_EQ(r.orig_rax, SYS_getppid);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0);
}

static void test_without_sysgood(void)
{
	pid_t pid = traced_child(calls_getppid);
	siginfo_t si;

	go(PTRACE_SYSCALL, pid, 0);
	CHECK_EQ(next_stop(pid), SIGTRAP);
	si = siginfo_of(pid);
	CHECK_EQ(si.si_code, SIGTRAP);
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(message_of(pid), PTRACE_EVENTMSG_SYSCALL_ENTRY);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0);
}

/* PTRACE_CONT from the stop before: there is none after. */
static void test_cont_from_entry(void)
{
	pid_t pid = traced_child(calls_getppid);

	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, SYS_getppid);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0);
}

static int exits_by_call(void)
{
	syscall(SYS_exit_group, 5);
	return 1;
}

/* The last call has no end. */
static void test_exit_call(void)
{
	pid_t pid = traced_child(exits_by_call);

	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, SYS_exit_group);
	go(PTRACE_SYSCALL, pid, 0);
	expect_exit(pid, 5);
}

/* ---- what is changed ---- */

static int tells_number(void)
{
	return (int)syscall(SYS_getppid, 0, 0, 0) & 0x7f;
}

static void test_number_changed(void)
{
	pid_t pid = traced_child(tells_number);

	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, SYS_getppid);
	POKE_REG(pid, orig_rax, SYS_getpid);
	to_exit(pid);
	CHECK_EQ(PEEK_REG(pid, rax), pid);
	CHECK_EQ(PEEK_REG(pid, orig_rax), SYS_getpid);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, pid & 0x7f);
}

static void test_result_changed(void)
{
	pid_t pid = traced_child(tells_number);

	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, SYS_getppid);
	to_exit(pid);
	POKE_REG(pid, rax, 0x55);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0x55);
}

static void test_skipped(void)
{
	pid_t pid = traced_child(tells_number);

	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, SYS_getppid);
	POKE_REG(pid, orig_rax, -1);
	to_exit(pid);
	CHECK_EQ(PEEK_REG(pid, rax), -ENOSYS);
	CHECK_EQ(PEEK_REG(pid, orig_rax), NO_CALL);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, -1 & 0x7f);

	/* With a result of the tracer's own. */
	pid = traced_child(tells_number);
	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, SYS_getppid);
	POKE_REG(pid, orig_rax, -1);
	POKE_REG(pid, rax, 33);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 33);
}

static int writes(void)
{
	return (int)write(fds[1], "abcdef", 6);
}

static void test_arguments_changed(void)
{
	char buf[8] = "";
	pid_t pid;

	CHECK(pipe(fds) == 0);
	pid = traced_child(writes);
	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, SYS_write);
	CHECK_EQ(PEEK_REG(pid, rdi), fds[1]);
	CHECK_EQ(PEEK_REG(pid, rdx), 6);
	POKE_REG(pid, rsi, PEEK_REG(pid, rsi) + 2);
	POKE_REG(pid, rdx, 3);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 3);
	CHECK_EQ(read(fds[0], buf, sizeof(buf)), 3);
	CHECK(!memcmp(buf, "cde", 3));
	close(fds[0]);
	close(fds[1]);
}

/* No such call: it fails, unless the tracer makes it another. */
static int calls_nonsense(void)
{
	long r = syscall(5000);

	return r == -1 && errno == ENOSYS ? 1 : (int)r & 0x7f;
}

static void test_unknown_call(void)
{
	pid_t pid = traced_child(calls_nonsense);

	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, 5000);
	to_exit(pid);
	CHECK_EQ(PEEK_REG(pid, rax), -ENOSYS);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 1);
	pid = traced_child(calls_nonsense);
	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, 5000);
	POKE_REG(pid, orig_rax, SYS_getpid);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, pid & 0x7f);
}

/* ---- interrupted calls ---- */

static void on_signal(int signo)
{
	(void)signo;
}

static void handle_usr1(int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sa.sa_flags = flags;
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
}

static int pauses_once(void)
{
	handle_usr1(SA_RESTART);
	return pause() == -1 && errno == EINTR ? 4 : 5;
}

static int reads_on(void)
{
	char c = 0;

	handle_usr1(SA_RESTART);
	return read(fds[0], &c, 1) == 1 ? c : 1;
}

static int reads_once(void)
{
	char c;

	handle_usr1(0);
	return read(fds[0], &c, 1) == -1 && errno == EINTR ? 6 : 7;
}

static int sleeps(void)
{
	struct timespec ts = { .tv_sec = 1000 }, left;

	handle_usr1(SA_RESTART);
	return nanosleep(&ts, &left) == -1 && errno == EINTR ? 8 : 9;
}

/* The call is interrupted: its exit stop shows an errno that no program sees. */
static void interrupt(pid_t pid, long nr, int expected)
{
	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, nr);
	go(PTRACE_SYSCALL, pid, 0);
	CHECK(kill(pid, SIGUSR1) == 0);
	CHECK_EQ(next_stop(pid), SYSGOOD);
	CHECK_EQ(message_of(pid), PTRACE_EVENTMSG_SYSCALL_EXIT);
	CHECK_EQ((long)PEEK_REG(pid, rax), -expected);
	CHECK_EQ(PEEK_REG(pid, orig_rax), nr);
	go(PTRACE_SYSCALL, pid, 0);
	CHECK_EQ(next_stop(pid), SIGUSR1);
	CHECK_EQ((long)PEEK_REG(pid, rax), -expected);
}

static void test_interrupted_pause(void)
{
	pid_t pid = traced_child(pauses_once);

	interrupt(pid, SYS_pause, 514); /* ERESTARTNOHAND */
	go(PTRACE_CONT, pid, SIGUSR1);
	expect_exit(pid, 4);
	/* The signal is kept: the call goes on. */
	pid = traced_child(pauses_once);
	interrupt(pid, SYS_pause, 514);
	to_entry_of(pid, SYS_pause);
	kill_child(pid);
}

static void test_interrupted_read(void)
{
	pid_t pid;

	CHECK(pipe(fds) == 0);
	pid = traced_child(reads_on);
	interrupt(pid, SYS_read, 512); /* ERESTARTSYS */
	/* After the handler, the same call again. */
	go(PTRACE_SYSCALL, pid, SIGUSR1);
	CHECK_EQ(next_stop(pid), SYSGOOD);
	CHECK_EQ(PEEK_REG(pid, orig_rax), SYS_rt_sigreturn);
	to_exit(pid);
	CHECK_EQ(PEEK_REG(pid, orig_rax), NO_CALL);
	CHECK_EQ(PEEK_REG(pid, rax), SYS_read);
	to_entry_of(pid, SYS_read);
	CHECK(write(fds[1], "x", 1) == 1);
	to_exit(pid);
	CHECK_EQ(PEEK_REG(pid, rax), 1);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 'x');

	pid = traced_child(reads_once);
	interrupt(pid, SYS_read, 512);
	go(PTRACE_CONT, pid, SIGUSR1);
	expect_exit(pid, 6);
	close(fds[0]);
	close(fds[1]);
}

static void test_interrupted_sleep(void)
{
	pid_t pid = traced_child(sleeps);

	interrupt(pid, SYS_clock_nanosleep, 516); /* ERESTART_RESTARTBLOCK */
	/* Without a handler: restart_syscall goes on with it. */
	next_call(pid);
	CHECK_EQ(PEEK_REG(pid, orig_rax), SYS_restart_syscall);
	go(PTRACE_SYSCALL, pid, 0);
	CHECK(kill(pid, SIGUSR1) == 0);
	CHECK_EQ(next_stop(pid), SYSGOOD);
	CHECK_EQ((long)PEEK_REG(pid, rax), -516);
	go(PTRACE_SYSCALL, pid, 0);
	CHECK_EQ(next_stop(pid), SIGUSR1);
	go(PTRACE_CONT, pid, SIGUSR1);
	expect_exit(pid, 8);
}

/* A debugger that calls a function in the tracee forbids the restart. */
static void test_restart_forbidden(void)
{
	pid_t pid;

	CHECK(pipe(fds) == 0);
	pid = traced_child(reads_once);
	interrupt(pid, SYS_read, 512);
	POKE_REG(pid, orig_rax, -1);
	POKE_REG(pid, rax, -EINTR);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 6);
	close(fds[0]);
	close(fds[1]);
}

/* A signal given in the stop after a call is sent as by the kernel. */
static void test_signal_from_call_stop(void)
{
	pid_t pid = traced_child(calls_getppid);
	siginfo_t si;

	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, SYS_getppid);
	to_exit(pid);
	go(PTRACE_CONT, pid, SIGTERM);
	CHECK_EQ(next_stop(pid), SIGTERM);
	si = siginfo_of(pid);
	CHECK_EQ(si.si_code, SI_KERNEL);
	go(PTRACE_CONT, pid, SIGTERM);
	expect_killed(pid, SIGTERM);
}

/* ---- killed in a stop ---- */

static void test_killed(void)
{
	pid_t pid = traced_child(writes);

	CHECK(pipe(fds) == 0);
	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, SYS_write);
	kill_child(pid);
	close(fds[0]);
	close(fds[1]);
}

/* ---- PTRACE_SYSEMU ---- */

static void test_sysemu(void)
{
	pid_t pid = traced_child(tells_number);

	options(pid, PTRACE_O_TRACESYSGOOD);
	go(PTRACE_SYSEMU, pid, 0);
	CHECK_EQ(next_stop(pid), SYSGOOD);
	CHECK_EQ(PEEK_REG(pid, orig_rax), SYS_getppid);
	CHECK_EQ(PEEK_REG(pid, rax), -ENOSYS);
	POKE_REG(pid, rax, 77);
	/* No stop after it: the next is before the next call. */
	go(PTRACE_SYSEMU, pid, 0);
	CHECK_EQ(next_stop(pid), SYSGOOD);
	CHECK_EQ(PEEK_REG(pid, orig_rax), SYS_exit_group);
	CHECK_EQ(PEEK_REG(pid, rdi), 77);
	go(PTRACE_CONT, pid, 0);
	/* exit_group was not carried out: what follows it in the C library ends it. */
	kill_child(pid);
}

/* ---- PTRACE_GET_SYSCALL_INFO ---- */

static long syscall_info(pid_t pid, struct ptrace_syscall_info *info, size_t size)
{
	memset(info, 0xee, sizeof(*info));
	return trace(PTRACE_GET_SYSCALL_INFO, pid, size, (uintptr_t)info);
}

static void test_syscall_info(void)
{
	pid_t pid = traced_child(writes);
	struct ptrace_syscall_info info;
	struct user_regs_struct r = regs_of(pid);

	CHECK(pipe(fds) == 0);
	CHECK_EQ(syscall_info(pid, &info, sizeof(info)), 24);
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_NONE);
	CHECK_EQ(info.arch, 0xc000003e);
	CHECK_EQ(info.instruction_pointer, r.rip);
	CHECK_EQ(info.stack_pointer, r.rsp);
	options(pid, PTRACE_O_TRACESYSGOOD);
	to_entry_of(pid, SYS_write);
	CHECK_EQ(syscall_info(pid, &info, sizeof(info)), 80);
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_ENTRY);
	CHECK_EQ(info.entry.nr, SYS_write);
	CHECK_EQ(info.entry.args[2], 6);
	POKE_REG(pid, rdi, -1);
	/* What does not fit is cut off. */
	CHECK_EQ(syscall_info(pid, &info, 1), 80);
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_ENTRY);
	CHECK_EQ(info.arch, 0xeeeeeeee);
	CHECK_EQ(syscall_info(pid, &info, 0), 80);
	CHECK_ERR(trace(PTRACE_GET_SYSCALL_INFO, pid, 8, 8), EFAULT);
	to_exit(pid);
	CHECK_EQ(syscall_info(pid, &info, sizeof(info)), 33);
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_EXIT);
	CHECK_EQ(info.exit.rval, -EBADF);
	CHECK_EQ(info.exit.is_error, 1);
	POKE_REG(pid, rax, 12);
	CHECK_EQ(syscall_info(pid, &info, sizeof(info)), 33);
	CHECK_EQ(info.exit.rval, 12);
	CHECK_EQ(info.exit.is_error, 0);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 12);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	test_entry_and_exit();
	test_without_sysgood();
	test_cont_from_entry();
	test_exit_call();
	test_number_changed();
	test_result_changed();
	test_skipped();
	test_arguments_changed();
	test_unknown_call();
	test_interrupted_pause();
	test_interrupted_read();
	test_interrupted_sleep();
	test_restart_forbidden();
	test_signal_from_call_stop();
	test_killed();
	test_sysemu();
	test_syscall_info();
	return 0;
}
