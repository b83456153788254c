/* ptrace(2): PTRACE_EVENT stops of fork, vfork, clone, exec and exit; children that are
 * traced from their first instruction; PTRACE_O_EXITKILL and the end of a tracer. */
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "tracee.h"

static volatile int *shared;

static int forks(void)
{
	int status;
	pid_t pid = syscall(SYS_fork);

	if (pid == 0)
		_exit(3);
	CHECK(waitpid(pid, &status, 0) == pid);
	return WEXITSTATUS(status);
}

static int vforks(void)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0)
		_exit(4);
	CHECK(waitpid(pid, &status, 0) == pid);
	return WEXITSTATUS(status);
}

static pid_t raw_clone(unsigned long flags)
{
	return (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
}

static int clones(void)
{
	int status;
	pid_t pid = raw_clone(0); /* no SIGCHLD: not a fork */

	if (pid == 0)
		_exit(5);
	CHECK(waitpid(pid, &status, __WALL) == pid);
	return WEXITSTATUS(status);
}

static int clones_untraced(void)
{
	int status;
	pid_t pid = raw_clone(CLONE_UNTRACED | SIGCHLD);

	if (pid == 0)
		_exit(6);
	CHECK(waitpid(pid, &status, 0) == pid);
	return WEXITSTATUS(status);
}

static int clones_traced(void)
{
	int status;
	pid_t pid = raw_clone(CLONE_PTRACE | SIGCHLD);

	if (pid == 0)
		_exit(7);
	CHECK(waitpid(pid, &status, 0) == pid);
	return WEXITSTATUS(status);
}

static void options(pid_t pid, uintptr_t flags)
{
	CHECK(trace(PTRACE_SETOPTIONS, pid, 0, flags) == 0);
}

/* ---- children ---- */

/* The parent's stop and the new child's come in any order. Lets both go on; returns the
 * child. */
static pid_t expect_birth(pid_t pid, int event)
{
	siginfo_t si;
	pid_t child;

	CHECK_EQ(next_stop(pid), EVENT(event));
	child = (pid_t)message_of(pid);
	CHECK(child > 0 && child != pid);
	si = siginfo_of(pid);
	CHECK_EQ(si.si_signo, SIGTRAP);
	CHECK_EQ(si.si_code, EVENT(event));
	CHECK_EQ(next_stop(child), SIGSTOP);
	go(PTRACE_CONT, pid, 0);
	go(PTRACE_CONT, child, 0);
	return child;
}

static void test_birth(int (*fn)(void), uintptr_t option, int event, int code)
{
	pid_t pid = traced_child(fn), child;

	options(pid, option);
	go(PTRACE_CONT, pid, 0);
	child = expect_birth(pid, event);
	expect_exit(child, code);
	/* Now its parent may see it. */
	CHECK_EQ(next_stop(pid), SIGCHLD);
	go(PTRACE_CONT, pid, SIGCHLD);
	expect_exit(pid, code);
}

static void test_clone(void)
{
	pid_t pid = traced_child(clones), child;

	options(pid, PTRACE_O_TRACECLONE);
	go(PTRACE_CONT, pid, 0);
	child = expect_birth(pid, PTRACE_EVENT_CLONE);
	expect_exit(child, 5);
	expect_exit(pid, 5);
}

static void test_vfork_done(void)
{
	pid_t pid = traced_child(vforks);
	uint64_t child;

	options(pid, PTRACE_O_TRACEVFORKDONE);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_VFORK_DONE));
	child = message_of(pid);
	CHECK(child > 0 && child != (uint64_t)pid);
	go(PTRACE_CONT, pid, 0);
	if (next_stop(pid) == SIGCHLD)
		go(PTRACE_CONT, pid, SIGCHLD);
	expect_exit(pid, 4);
}

/* Nobody hears of the child. */
static void test_untraced(void)
{
	pid_t pid = traced_child(clones_untraced);

	options(pid, PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGCHLD);
	go(PTRACE_CONT, pid, SIGCHLD);
	expect_exit(pid, 6);
}

/* Traced without an event: only the child stops. */
static void test_clone_ptrace(void)
{
	pid_t pid = traced_child(clones_traced), child;
	int status;

	go(PTRACE_CONT, pid, 0);
	child = waitpid(-1, &status, __WALL);
	CHECK(child > 0 && child != pid);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(status >> 8, SIGSTOP);
	go(PTRACE_CONT, child, 0);
	expect_exit(child, 7);
	CHECK_EQ(next_stop(pid), SIGCHLD);
	go(PTRACE_CONT, pid, SIGCHLD);
	expect_exit(pid, 7);
}

/* The child of a seized one stops with PTRACE_EVENT_STOP; it inherits the options. */
static void test_seized_birth(void)
{
	int fds[2];
	pid_t pid, child;
	char c = 0;

	CHECK(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(read(fds[0], &c, 1) == 1);
		_exit(forks());
	}
	CHECK(trace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXIT) == 0);
	CHECK(write(fds[1], &c, 1) == 1);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_FORK));
	child = (pid_t)message_of(pid);
	CHECK_EQ(next_stop(child), EVENT(PTRACE_EVENT_STOP));
	CHECK_EQ(siginfo_of(child).si_code, EVENT(PTRACE_EVENT_STOP));
	go(PTRACE_CONT, child, 0);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(child), EVENT(PTRACE_EVENT_EXIT));
	CHECK_EQ(message_of(child), 3 << 8);
	go(PTRACE_CONT, child, 0);
	expect_exit(child, 3);
	CHECK_EQ(next_stop(pid), SIGCHLD);
	go(PTRACE_CONT, pid, SIGCHLD);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_EXIT));
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 3);
	close(fds[0]);
	close(fds[1]);
}

/* PTRACE_SYSCALL from an event's stop: the call's own end is seen. */
static void test_call_end_after_event(void)
{
	pid_t pid = traced_child(forks), child;

	options(pid, PTRACE_O_TRACEFORK | PTRACE_O_TRACESYSGOOD);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_FORK));
	child = (pid_t)message_of(pid);
	go(PTRACE_SYSCALL, pid, 0);
	CHECK_EQ(next_stop(pid), SYSGOOD);
	CHECK_EQ(message_of(pid), PTRACE_EVENTMSG_SYSCALL_EXIT);
	CHECK_EQ(PEEK_REG(pid, rax), child);
	CHECK_EQ(next_stop(child), SIGSTOP);
	CHECK_EQ(PEEK_REG(child, rax), 0);
	go(PTRACE_CONT, child, 0);
	expect_exit(child, 3);
	kill_child(pid);
}

/* ---- exec ---- */

static int execs(void)
{
	execl("/bin/true", "true", NULL);
	return 9;
}

static void test_exec_event(void)
{
	pid_t pid = traced_child(execs);

	options(pid, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_EXEC));
	CHECK_EQ(message_of(pid), pid);
	CHECK_EQ(PEEK_REG(pid, orig_rax), SYS_execve);
	go(PTRACE_SYSCALL, pid, 0);
	CHECK_EQ(next_stop(pid), SYSGOOD);
	CHECK_EQ(PEEK_REG(pid, rax), 0);
	CHECK_EQ(PEEK_REG(pid, orig_rax), SYS_execve);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0);
}

static void test_exec_trap(void)
{
	pid_t pid = traced_child(execs);
	siginfo_t si;

	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGTRAP);
	si = siginfo_of(pid);
	CHECK_EQ(si.si_code, SI_USER);
	CHECK_EQ(si.si_pid, pid);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0);
}

/* ---- exit ---- */

static int exits_8(void)
{
	return 8;
}

static void test_exit_event(void)
{
	pid_t pid = traced_child(exits_8);

	options(pid, PTRACE_O_TRACEEXIT);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_EXIT));
	CHECK_EQ(message_of(pid), 8 << 8);
	/* Its registers and its memory are still there. */
	CHECK_EQ(PEEK_REG(pid, orig_rax), SYS_exit_group);
	CHECK_EQ(peek(PTRACE_PEEKDATA, pid, (uintptr_t)&shared), (uintptr_t)shared);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 8);
}

static void test_exit_by_signal(void)
{
	pid_t pid = traced_child(pauses);

	options(pid, PTRACE_O_TRACEEXIT);
	go(PTRACE_CONT, pid, 0);
	CHECK(kill(pid, SIGTERM) == 0);
	CHECK_EQ(next_stop(pid), SIGTERM);
	go(PTRACE_CONT, pid, SIGTERM);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_EXIT));
	CHECK_EQ(message_of(pid), SIGTERM);
	go(PTRACE_CONT, pid, 0);
	expect_killed(pid, SIGTERM);
}

/* ---- the end of a tracer ---- */

/* In a process of its own: traces `pid`, tells, and is gone. */
static void trace_and_leave(pid_t pid, uintptr_t flags)
{
	pid_t tracer = fork();

	if (tracer == 0) {
		CHECK(trace(PTRACE_SEIZE, pid, 0, flags) == 0);
		CHECK(trace(PTRACE_INTERRUPT, pid, 0, 0) == 0);
		CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_STOP));
		_exit(0);
	}
	expect_exit(tracer, 0);
}

static int waits_for_shared(void)
{
	while (!*shared)
		sched_yield();
	return 2;
}

static void test_tracer_leaves(void)
{
	pid_t pid;

	*shared = 0;
	pid = plain_child(waits_for_shared);
	trace_and_leave(pid, 0);
	*shared = 1;
	expect_exit(pid, 2);
}

static void test_exitkill(void)
{
	pid_t pid;

	*shared = 0;
	pid = plain_child(waits_for_shared);
	trace_and_leave(pid, PTRACE_O_EXITKILL);
	expect_killed(pid, SIGKILL);
}

static void test_option_errors(void)
{
	pid_t pid = traced_child(exits_8);

	CHECK_ERR(trace(PTRACE_SETOPTIONS, pid, 0, 1 << 9), EINVAL);
	CHECK_ERR(trace(PTRACE_SETOPTIONS, pid, 0, ~0ul), EINVAL);
	options(pid, PTRACE_O_EXITKILL | 0xff);
	CHECK_EQ(message_of(pid), 0);
	go(PTRACE_DETACH, pid, 0);
	expect_exit(pid, 8);
}

int main(void)
{
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	test_birth(forks, PTRACE_O_TRACEFORK, PTRACE_EVENT_FORK, 3);
	test_birth(vforks, PTRACE_O_TRACEVFORK, PTRACE_EVENT_VFORK, 4);
	test_clone();
	test_vfork_done();
	test_untraced();
	test_clone_ptrace();
	test_seized_birth();
	test_call_end_after_event();
	test_exec_event();
	test_exec_trap();
	test_exit_event();
	test_exit_by_signal();
	test_tracer_leaves();
	test_exitkill();
	test_option_errors();
	return 0;
}
