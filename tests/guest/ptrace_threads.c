/* ptrace(2) and threads: each is traced by itself; their ends; an exec among them; a
 * tracer that is a thread; whom wait(2) finds. */
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "tracee.h"

static volatile int *shared;

static void options(pid_t pid, uintptr_t flags)
{
	CHECK(trace(PTRACE_SETOPTIONS, pid, 0, flags) == 0);
}

static void *thread_ends(void *arg)
{
	*(volatile int *)arg = 1;
	return NULL;
}

static int makes_thread(void)
{
	volatile int ran = 0;
	pthread_t t;

	CHECK(pthread_create(&t, NULL, thread_ends, (void *)&ran) == 0);
	CHECK(pthread_join(t, NULL) == 0);
	return ran ? 3 : 4;
}

/* The thread has a life and an end of its own for its tracer. */
static void test_thread(void)
{
	pid_t pid = traced_child(makes_thread), tid;
	int status;

	options(pid, PTRACE_O_TRACECLONE);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_CLONE));
	tid = (pid_t)message_of(pid);
	CHECK_EQ(next_stop(tid), SIGSTOP);
	go(PTRACE_CONT, pid, 0);
	go(PTRACE_CONT, tid, 0);
	/* As it ended, or as its process did, if that was first. */
	CHECK(waitpid(tid, &status, __WALL) == tid);
	CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3));
	CHECK_ERR(waitpid(tid, NULL, __WALL), ECHILD);
	expect_exit(pid, 3);
}

/* ---- a process of threads that wait ---- */

#define THREADS 3

static pthread_barrier_t *ready;
static volatile pid_t *tids;

static void *thread_waits(void *arg)
{
	tids[(long)arg] = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(ready);
	for (;;)
		pause();
	return NULL;
}

static int has_threads(void)
{
	pthread_t t;

	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t, NULL, thread_waits, (void *)i) == 0);
	pthread_barrier_wait(ready);
	return pauses();
}

static pid_t process_of_threads(void)
{
	pthread_barrierattr_t attr;
	pid_t pid;

	CHECK(pthread_barrierattr_init(&attr) == 0);
	CHECK(pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0);
	CHECK(pthread_barrier_init(ready, &attr, THREADS + 2) == 0);
	pid = plain_child(has_threads);
	pthread_barrier_wait(ready);
	return pid;
}

/* A stop signal for one stops all; each is reported. */
static void test_attach_all(void)
{
	pid_t pid = process_of_threads();

	for (int i = 0; i < THREADS; i++) {
		CHECK(trace(PTRACE_ATTACH, tids[i], 0, 0) == 0);
		CHECK_EQ(next_stop(tids[i]), SIGSTOP);
	}
	CHECK(trace(PTRACE_ATTACH, pid, 0, 0) == 0);
	CHECK_EQ(next_stop(pid), SIGSTOP);
	/* The rest stays as it is while one runs. */
	CHECK(PEEK_REG(tids[0], rsp) != PEEK_REG(tids[1], rsp));
	CHECK(PEEK_REG(tids[0], fs_base) != PEEK_REG(tids[1], fs_base));
	go(PTRACE_CONT, tids[0], SIGSTOP);
	/* The one that took it, and the rest that runs, of which there is none. */
	CHECK_EQ(next_stop(tids[0]), SIGSTOP);
	go(PTRACE_DETACH, tids[1], 0);
	kill_child(tids[0]);
	expect_killed(tids[2], SIGKILL);
	expect_killed(pid, SIGKILL);
}

static void test_seized_group_stop(void)
{
	pid_t pid = process_of_threads();
	int stop = PTRACE_EVENT_STOP << 8 | SIGSTOP, status, seen = 0;

	CHECK(trace(PTRACE_SEIZE, pid, 0, 0) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(trace(PTRACE_SEIZE, tids[i], 0, 0) == 0);
	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK_EQ(next_stop(pid), SIGSTOP);
	go(PTRACE_CONT, pid, SIGSTOP);
	for (; seen < THREADS + 1; seen++) {
		pid_t tid = waitpid(-1, &status, __WALL);

		CHECK(tid > 0 && WIFSTOPPED(status));
		CHECK_EQ(status >> 8, stop);
	}
	CHECK(kill(pid, SIGKILL) == 0);
	for (int i = 0; i < THREADS; i++)
		expect_killed(tids[i], SIGKILL);
	expect_killed(pid, SIGKILL);
}

/* ---- ends ---- */

static void *thread_exits_later(void *arg)
{
	while (!*(volatile int *)arg)
		sched_yield();
	syscall(SYS_exit, 9);
	return NULL;
}

/* The leader is gone; the process ends with its last thread. */
static int leader_exits_first(void)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, thread_exits_later, (void *)shared) == 0);
	syscall(SYS_exit, 5);
	return 0;
}

static void test_leader_exits_first(void)
{
	pid_t pid, tid;
	siginfo_t si;

	*shared = 0;
	pid = traced_child(leader_exits_first);
	options(pid, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_CLONE));
	tid = (pid_t)message_of(pid);
	CHECK_EQ(next_stop(tid), SIGSTOP);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_EXIT));
	CHECK_EQ(message_of(pid), 5 << 8);
	go(PTRACE_CONT, pid, 0);
	go(PTRACE_CONT, tid, 0);
	/* Not before the thread has ended too. */
	memset(&si, 0, sizeof(si));
	CHECK(waitid(P_PID, pid, &si, WEXITED | WNOHANG | __WALL) == 0);
	CHECK_EQ(si.si_pid, 0);
	*shared = 1;
	CHECK_EQ(next_stop(tid), EVENT(PTRACE_EVENT_EXIT));
	go(PTRACE_CONT, tid, 0);
	CHECK(waitid(P_PID, tid, &si, WEXITED | WNOWAIT | __WALL) == 0);
	CHECK_EQ(si.si_pid, tid);
	/* Not before its end has been seen. */
	memset(&si, 0, sizeof(si));
	CHECK(waitid(P_PID, pid, &si, WEXITED | WNOHANG | __WALL) == 0);
	CHECK_EQ(si.si_pid, 0);
	expect_exit(tid, 9);
	expect_exit(pid, 9);
	*shared = 0;
}

/* ---- exec ---- */

static void *thread_execs(void *arg)
{
	(void)arg;
	execl("/bin/true", "true", NULL);
	return NULL;
}

static int exec_by_thread(void)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, thread_execs, NULL) == 0);
	return pauses();
}

/* The thread that execs gets the leader's number; the leader leaves without a word. */
static void test_exec_by_thread(void)
{
	pid_t pid = traced_child(exec_by_thread), tid;

	options(pid, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_CLONE));
	tid = (pid_t)message_of(pid);
	CHECK_EQ(next_stop(tid), SIGSTOP);
	go(PTRACE_CONT, pid, 0);
	go(PTRACE_CONT, tid, 0);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_EXEC));
	CHECK_EQ(message_of(pid), tid);
	CHECK_ERR(trace(PTRACE_CONT, tid, 0, 0), ESRCH);
	CHECK_ERR(waitpid(tid, NULL, __WALL | WNOHANG), ECHILD);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0);
}

static int exec_with_threads(void)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, thread_exits_later, (void *)shared) == 0);
	execl("/bin/true", "true", NULL);
	return 7;
}

/* A thread that an exec ends is seen to end with 0. */
static void test_exec_ends_thread(void)
{
	pid_t pid, tid;

	*shared = 0;
	pid = traced_child(exec_with_threads);
	options(pid, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC);
	go(PTRACE_CONT, pid, 0);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_CLONE));
	tid = (pid_t)message_of(pid);
	CHECK_EQ(next_stop(tid), SIGSTOP);
	go(PTRACE_CONT, tid, 0);
	go(PTRACE_CONT, pid, 0);
	expect_exit(tid, 0);
	CHECK_EQ(next_stop(pid), EVENT(PTRACE_EVENT_EXEC));
	CHECK_EQ(message_of(pid), pid);
	go(PTRACE_CONT, pid, 0);
	expect_exit(pid, 0);
}

/* ---- a tracer that is a thread ---- */

static pid_t victim;

static void wait_shared(int n)
{
	while (*shared < n)
		sched_yield();
}

static void *thread_traces(void *arg)
{
	(void)arg;
	CHECK(trace(PTRACE_SEIZE, victim, 0, 0) == 0);
	*shared = 1;
	wait_shared(2);
	CHECK_EQ(waitpid(victim, NULL, __WALL | __WNOTHREAD | WNOHANG), 0);
	*shared = 3;
	wait_shared(4);
	return NULL;
}

static void test_tracing_thread(void)
{
	pthread_t t;

	*shared = 0;
	victim = plain_child(pauses);
	CHECK(pthread_create(&t, NULL, thread_traces, NULL) == 0);
	wait_shared(1);
	/* It is another thread's. */
	CHECK_ERR(trace(PTRACE_INTERRUPT, victim, 0, 0), ESRCH);
	CHECK_ERR(trace(PTRACE_SEIZE, victim, 0, 0), EPERM);
	*shared = 2;
	wait_shared(3);
	CHECK(kill(victim, SIGUSR1) == 0);
	/* Any thread may wait for it, but only its tracer may make it go on. */
	CHECK_EQ(next_stop(victim), SIGUSR1);
	CHECK_ERR(trace(PTRACE_CONT, victim, 0, 0), ESRCH);
	*shared = 4;
	/* With its tracer, the thread, tracing ends: the signal had been seen and is gone. */
	CHECK(pthread_join(t, NULL) == 0);
	CHECK(kill(victim, SIGTERM) == 0);
	expect_killed(victim, SIGTERM);
}

/* ---- whom wait(2) finds ---- */

static void test_wait(void)
{
	pid_t pid = traced_child(pauses);
	siginfo_t si;
	int status;

	go(PTRACE_CONT, pid, 0);
	CHECK(kill(pid, SIGUSR1) == 0);
	CHECK(waitid(P_PID, pid, &si, WSTOPPED | WNOWAIT) == 0);
	CHECK_EQ(si.si_code, CLD_TRAPPED);
	CHECK_EQ(si.si_status, SIGUSR1);
	CHECK_EQ(si.si_pid, pid);
	CHECK(waitid(P_ALL, 0, &si, WSTOPPED) == 0);
	CHECK_EQ(si.si_code, CLD_TRAPPED);
	/* Told once. */
	memset(&si, 0, sizeof(si));
	CHECK(waitid(P_PID, pid, &si, WSTOPPED | WNOHANG) == 0);
	CHECK_EQ(si.si_pid, 0);
	options(pid, PTRACE_O_TRACEEXIT);
	go(PTRACE_CONT, pid, SIGUSR1);
	CHECK(waitid(P_PGID, 0, &si, WSTOPPED) == 0);
	CHECK_EQ(si.si_status, EVENT(PTRACE_EVENT_EXIT));
	/* Without WUNTRACED too: such a stop is always seen. */
	go(PTRACE_CONT, pid, 0);
	CHECK(waitpid(-1, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	CHECK_ERR(waitpid(pid, &status, __WALL), ECHILD);
	CHECK_ERR(waitpid(-1, &status, __WALL), ECHILD);
}

/* Not a child: found as long as it is traced. */
static void test_wait_foreign(void)
{
	pid_t pid, tracer;

	*shared = 0;
	pid = plain_child(pauses);
	tracer = fork();
	if (tracer == 0) {
		CHECK_ERR(waitpid(pid, NULL, WNOHANG), ECHILD);
		CHECK(trace(PTRACE_ATTACH, pid, 0, 0) == 0);
		/* Its exit signal does not matter. */
		CHECK_EQ(next_stop(pid), SIGSTOP);
		CHECK_EQ(waitpid(pid, NULL, WNOHANG | __WCLONE), 0);
		go(PTRACE_DETACH, pid, 0);
		CHECK_ERR(waitpid(pid, NULL, WNOHANG), ECHILD);
		_exit(0);
	}
	expect_exit(tracer, 0);
	kill_child(pid);
}

static volatile sig_atomic_t chld_code, chld_status, chld_pid, chlds;

static void on_chld(int signo, siginfo_t *si, void *uc)
{
	(void)signo;
	(void)uc;
	chlds++;
	chld_code = si->si_code;
	chld_status = si->si_status;
	chld_pid = si->si_pid;
}

static void test_sigchld(void)
{
	struct sigaction sa, old;
	pid_t pid;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_chld;
	sa.sa_flags = SA_SIGINFO | SA_RESTART;
	CHECK(sigaction(SIGCHLD, &sa, &old) == 0);
	pid = traced_child(pauses);
	while (!chlds)
		sched_yield();
	CHECK_EQ(chld_code, CLD_TRAPPED);
	CHECK_EQ(chld_status, SIGSTOP);
	CHECK_EQ(chld_pid, pid);
	sa.sa_flags |= SA_NOCLDSTOP;
	CHECK(sigaction(SIGCHLD, &sa, NULL) == 0);
	chlds = 0;
	go(PTRACE_CONT, pid, 0);
	CHECK(kill(pid, SIGUSR1) == 0);
	CHECK_EQ(next_stop(pid), SIGUSR1);
	CHECK_EQ(chlds, 0);
	kill_child(pid);
	while (!chlds)
		sched_yield();
	CHECK_EQ(chld_code, CLD_KILLED);
	CHECK(sigaction(SIGCHLD, &old, NULL) == 0);
}

int main(void)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	shared = (volatile int *)(void *)page;
	tids = (volatile pid_t *)(void *)(page + 64);
	ready = (pthread_barrier_t *)(void *)(page + 1024);
	test_thread();
	test_attach_all();
	test_seized_group_stop();
	test_leader_exits_first();
	test_exec_by_thread();
	test_exec_ends_thread();
	test_tracing_thread();
	test_wait();
	test_wait_foreign();
	test_sigchld();
	return 0;
}
