/* ptrace(2): PTRACE_SEIZE, INTERRUPT, LISTEN; group stops of traced processes, and what
 * of them a parent sees that is not the tracer. */
#include <sched.h>
#include <sys/mman.h>

#include "tracee.h"

#define STOP(signo) (PTRACE_EVENT_STOP << 8 | (signo))

static volatile int *shared;

static int spins(void)
{
	while (!*shared)
		sched_yield();
	return 2;
}

static pid_t seized(int (*fn)(void))
{
	pid_t pid = plain_child(fn);

	CHECK(trace(PTRACE_SEIZE, pid, 0, 0) == 0);
	return pid;
}

/* No stop is reported, however long one would wait. */
static void expect_nothing(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, WNOHANG | __WALL), 0);
}

static void wait_for_state(pid_t pid, const char *letters)
{
	char path[64], line[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (;;) {
		FILE *f = fopen(path, "r");
		const char *after;

		CHECK(f && fgets(line, sizeof(line), f));
		fclose(f);
		after = strrchr(line, ')');
		CHECK(after && after[1] == ' ');
		if (strchr(letters, after[2]))
			return;
		sched_yield();
	}
}

/* ---- SEIZE, INTERRUPT ---- */

static void test_seize(void)
{
	pid_t pid = seized(pauses);
	uint64_t word;
	siginfo_t si;

	/* It runs on. */
	expect_nothing(pid);
	CHECK_ERR(trace(PTRACE_PEEKDATA, pid, (uintptr_t)&shared, (uintptr_t)&word), ESRCH);
	CHECK_ERR(trace(PTRACE_SEIZE, pid, 0, 0), EPERM);
	CHECK(trace(PTRACE_INTERRUPT, pid, 0, 0) == 0);
	CHECK_EQ(next_stop(pid), STOP(SIGTRAP));
	si = siginfo_of(pid);
	CHECK_EQ(si.si_signo, SIGTRAP);
	CHECK_EQ(si.si_code, STOP(SIGTRAP));
	/* Once more, after this stop. */
	CHECK(trace(PTRACE_INTERRUPT, pid, 0, 0) == 0);
	expect_nothing(pid);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), STOP(SIGTRAP));
	go(PTRACE_DETACH, pid, 0);
	kill_child(pid);
}

static void test_errors(void)
{
	pid_t pid = plain_child(pauses);

	CHECK_ERR(trace(PTRACE_SEIZE, pid, 8, 0), EIO);
	CHECK_ERR(trace(PTRACE_SEIZE, pid, 0, 1 << 9), EIO);
	CHECK_ERR(trace(PTRACE_INTERRUPT, pid, 0, 0), ESRCH);
	CHECK(trace(PTRACE_ATTACH, pid, 0, 0) == 0);
	CHECK_ERR(trace(PTRACE_INTERRUPT, pid, 0, 0), EIO);
	CHECK_EQ(next_stop(pid), SIGSTOP);
	CHECK_ERR(trace(PTRACE_LISTEN, pid, 0, 0), EIO);
	kill_child(pid);
	pid = seized(pauses);
	CHECK(kill(pid, SIGUSR1) == 0);
	CHECK_EQ(next_stop(pid), SIGUSR1);
	CHECK_ERR(trace(PTRACE_LISTEN, pid, 0, 0), EIO); /* no PTRACE_EVENT_STOP */
	kill_child(pid);
}

/* An interrupted call goes on. */
static int reads_byte(void)
{
	char c = 0;

	return read(*shared, &c, 1) == 1 ? c : 1;
}

static void test_interrupt_call(void)
{
	int fds[2];
	pid_t pid;

	CHECK(pipe(fds) == 0);
	*shared = fds[0];
	pid = seized(reads_byte);
	wait_for_state(pid, "S");
	CHECK(trace(PTRACE_INTERRUPT, pid, 0, 0) == 0);
	CHECK_EQ(next_stop(pid), STOP(SIGTRAP));
	go(PTRACE_CONT, pid, 0);
	CHECK(write(fds[1], "k", 1) == 1);
	expect_exit(pid, 'k');
	close(fds[0]);
	close(fds[1]);
	*shared = 0;
}

/* ---- group stop of one that is seized ---- */

/* From the signal's own stop into the group stop. */
static void stop_seized(pid_t pid, int signo)
{
	CHECK(kill(pid, signo) == 0);
	CHECK_EQ(next_stop(pid), signo);
	go(PTRACE_CONT, pid, signo);
	CHECK_EQ(next_stop(pid), STOP(signo));
}

static void test_listen(void)
{
	pid_t pid = seized(pauses);
	uint64_t word;

	stop_seized(pid, SIGSTOP);
	CHECK_EQ(siginfo_of(pid).si_code, STOP(SIGSTOP));
	CHECK(trace(PTRACE_LISTEN, pid, 0, 0) == 0);
	/* Neither running nor to be looked at. */
	expect_nothing(pid);
	CHECK_ERR(trace(PTRACE_PEEKDATA, pid, (uintptr_t)&shared, (uintptr_t)&word), ESRCH);
	CHECK(kill(pid, SIGCONT) == 0);
	CHECK_EQ(next_stop(pid), STOP(SIGTRAP)); /* the group stop is over */
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGCONT);
	go(PTRACE_CONT, pid, SIGCONT);
	kill_child(pid);
}

static void test_interrupt_listening(void)
{
	pid_t pid = seized(pauses);

	stop_seized(pid, SIGSTOP);
	CHECK(trace(PTRACE_LISTEN, pid, 0, 0) == 0);
	expect_nothing(pid);
	CHECK(trace(PTRACE_INTERRUPT, pid, 0, 0) == 0);
	CHECK_EQ(next_stop(pid), STOP(SIGSTOP)); /* it still is in the group stop */
	kill_child(pid);
}

/* PTRACE_CONT lets it run in spite of the group stop. */
static void test_cont_from_group_stop(void)
{
	pid_t pid;

	*shared = 0;
	pid = seized(spins);
	stop_seized(pid, SIGSTOP);
	go(PTRACE_CONT, pid, 0);
	*shared = 1;
	expect_exit(pid, 2);
	*shared = 0;
}

/* Detached in a group stop, it stays in it. */
static void test_detach_stopped(void)
{
	pid_t pid = seized(pauses);
	int status;

	stop_seized(pid, SIGSTOP);
	go(PTRACE_DETACH, pid, 0);
	wait_for_state(pid, "T");
	CHECK(kill(pid, SIGCONT) == 0);
	CHECK(waitpid(pid, &status, WCONTINUED) == pid);
	CHECK(WIFCONTINUED(status));
	kill_child(pid);
}

/* Seized while it is stopped. */
static void test_seize_stopped(void)
{
	pid_t pid = plain_child(pauses);
	int status;

	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK(waitpid(pid, &status, WUNTRACED) == pid);
	CHECK(WIFSTOPPED(status));
	CHECK(trace(PTRACE_SEIZE, pid, 0, 0) == 0);
	/* Already in its stop as PTRACE_SEIZE returns. */
	CHECK_EQ(waitpid(pid, &status, WNOHANG | __WALL), pid);
	CHECK_EQ(status >> 8, STOP(SIGSTOP));
	kill_child(pid);
}

/* ---- the same with PTRACE_ATTACH ---- */

static void test_group_stop(void)
{
	pid_t pid = traced_child(pauses);
	siginfo_t si;

	go(PTRACE_CONT, pid, 0);
	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK_EQ(next_stop(pid), SIGSTOP);
	CHECK_EQ(siginfo_of(pid).si_signo, SIGSTOP);
	go(PTRACE_CONT, pid, SIGSTOP);
	CHECK_EQ(next_stop(pid), SIGSTOP);
	/* No signal: it is the group stop. */
	CHECK_ERR(trace(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&si), EINVAL);
	/* SIGCONT does not make it run; its tracer does. */
	CHECK(kill(pid, SIGCONT) == 0);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGCONT);
	kill_child(pid);
}

static void test_attach_stopped(void)
{
	pid_t pid = plain_child(pauses);
	int status;

	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK(waitpid(pid, &status, WUNTRACED) == pid);
	CHECK(trace(PTRACE_ATTACH, pid, 0, 0) == 0);
	CHECK_EQ(waitpid(pid, &status, WNOHANG | __WALL), pid);
	CHECK_EQ(status >> 8, SIGSTOP);
	go(PTRACE_DETACH, pid, 0);
	wait_for_state(pid, "T");
	kill_child(pid);
}

/* ---- a parent that is not the tracer ---- */

static volatile int *step;

static void wait_step(int n)
{
	while (*step < n)
		sched_yield();
}

/* Traces `pid`, which another process has made, through a group stop. */
static void traces_foreign(pid_t pid)
{
	CHECK(trace(PTRACE_SEIZE, pid, 0, 0) == 0);
	*step = 1;
	CHECK_EQ(next_stop(pid), SIGSTOP);
	*step = 2;
	wait_step(3);
	go(PTRACE_CONT, pid, SIGSTOP);
	CHECK_EQ(next_stop(pid), STOP(SIGSTOP));
	CHECK(trace(PTRACE_LISTEN, pid, 0, 0) == 0);
	CHECK_EQ(next_stop(pid), STOP(SIGTRAP));
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), SIGCONT);
	go(PTRACE_CONT, pid, SIGCONT);
	*step = 4;
	CHECK_EQ(next_stop(pid), SIGTERM);
	go(PTRACE_CONT, pid, SIGTERM);
	wait_step(5);
	expect_killed(pid, SIGTERM);
}

static void test_parent_sees_group_stop(void)
{
	pid_t pid = plain_child(pauses), tracer;
	siginfo_t si;
	int status;

	*step = 0;
	tracer = fork();
	if (tracer == 0) {
		traces_foreign(pid);
		_exit(0);
	}
	wait_step(1);
	CHECK(kill(pid, SIGSTOP) == 0);
	wait_step(2);
	/* The signal's own stop is the tracer's alone. */
	CHECK_EQ(waitpid(pid, &status, WNOHANG | WUNTRACED), 0);
	*step = 3;
	CHECK(waitpid(pid, &status, WUNTRACED) == pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK(kill(pid, SIGCONT) == 0);
	CHECK(waitpid(pid, &status, WCONTINUED) == pid);
	CHECK(WIFCONTINUED(status));
	wait_step(4);
	CHECK(kill(pid, SIGTERM) == 0);
	/* The tracer has to see the end first. */
	wait_for_state(pid, "Z");
	CHECK(waitid(P_PID, pid, &si, WEXITED | WNOHANG) == 0);
	*step = 5;
	expect_exit(tracer, 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* A tracer that does not wait for the end and goes: the parent hears of it then. */
static void test_tracer_leaves_zombie(void)
{
	pid_t pid, tracer;

	*shared = *step = 0;
	pid = plain_child(spins);
	tracer = fork();
	if (tracer == 0) {
		CHECK(trace(PTRACE_SEIZE, pid, 0, 0) == 0);
		*step = 1;
		wait_step(2);
		_exit(0);
	}
	wait_step(1);
	*shared = 1;
	wait_for_state(pid, "Z");
	CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
	*step = 2;
	expect_exit(pid, 2);
	expect_exit(tracer, 0);
	*shared = 0;
}

int main(void)
{
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	step = shared + 1;
	test_seize();
	test_errors();
	test_interrupt_call();
	test_listen();
	test_interrupt_listening();
	test_cont_from_group_stop();
	test_detach_stopped();
	test_seize_stopped();
	test_group_stop();
	test_attach_stopped();
	test_parent_sees_group_stop();
	test_tracer_leaves_zombie();
	return 0;
}
