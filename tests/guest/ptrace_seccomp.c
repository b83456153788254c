/* ptrace(2) and seccomp(2): SECCOMP_RET_TRACE asks the tracer. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "tracee.h"

#define DATA 0x1234

/* getppid asks; getpgrp fails with 55. */
static void filter(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | DATA),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgrp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 55),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(f[0]), f };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
}

static int calls_getppid(void)
{
	long r;

	filter();
	r = syscall(SYS_getppid, 1, 2, 3);
	return r < 0 ? errno : (int)r & 0x7f;
}

static void to_event(pid_t pid)
{
	CHECK(trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD) == 0);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_SECCOMP));
}

static void test_goes_on(void)
{
	pid_t pid = traced_child(calls_getppid);
	struct ptrace_syscall_info info;

	to_event(pid);
	CHECK_EQ(message_of(pid), DATA);
	CHECK_EQ(PEEK_REG(pid, orig_rax), SYS_getppid);
	CHECK_EQ(PEEK_REG(pid, rax), -ENOSYS);
	CHECK_EQ(trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), (uintptr_t)&info), 84);
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_SECCOMP);
	CHECK_EQ(info.seccomp.nr, SYS_getppid);
	CHECK_EQ(info.seccomp.args[1], 2);
	CHECK_EQ(info.seccomp.ret_data, DATA);
	/* The end of the call may be asked for. */
	go(PTRACE_SYSCALL, pid, 0);
	CHECK_EQ(next_stop(pid), SYSGOOD);
	CHECK_EQ(message_of(pid), PTRACE_EVENTMSG_SYSCALL_EXIT);
	CHECK_EQ(PEEK_REG(pid, rax), getpid());
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, getpid() & 0x7f);
}

static void test_changed(void)
{
	pid_t pid = traced_child(calls_getppid);

	to_event(pid);
	POKE_REG(pid, orig_rax, SYS_getpid);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, pid & 0x7f);
	/* The filter judges what it became. */
	pid = traced_child(calls_getppid);
	to_event(pid);
	POKE_REG(pid, orig_rax, SYS_getpgrp);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 55);
}

static void test_skipped(void)
{
	pid_t pid = traced_child(calls_getppid);

	to_event(pid);
	POKE_REG(pid, orig_rax, -1);
	POKE_REG(pid, rax, 99);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 99);
}

/* Nobody asked for the event. */
static void test_not_asked(void)
{
	pid_t pid = traced_child(calls_getppid);

	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, ENOSYS);
}

/* The tracer sees the call before the filter does. */
static void test_entry_first(void)
{
	pid_t pid = traced_child(calls_getppid);

	CHECK(trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD) == 0);
	do {
		go(PTRACE_SYSCALL, pid, 0);
		CHECK_EQ(next_stop(pid), SYSGOOD);
	} while (PEEK_REG(pid, orig_rax) != SYS_getppid);
	go(PTRACE_SYSCALL, pid, 0);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_SECCOMP));
	kill_child(pid);
}

int main(void)
{
	test_goes_on();
	test_changed();
	test_skipped();
	test_not_asked();
	test_entry_first();
	return 0;
}
