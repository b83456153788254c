/* The end of processes with threads: exit_group from any thread, exit of the
 * leader alone, the last thread's end, and fatal signals. */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "waitfor.h"

static void *spin(void *arg)
{
	for (;;)
		;
	return arg;
}

static void *block(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void *leave_all(void *arg)
{
	usleep(10000);
	_exit((int)(long)arg);
}

static void *leave_alone(void *arg)
{
	wait_state(getpid(), "Z"); /* the leader goes first */
	syscall(SYS_exit, 9);
	return arg;
}

static void *crash(void *arg)
{
	volatile int *volatile low = (volatile int *)8;

	usleep(10000);
	*low = 1;
	return arg;
}

static void *signal_self(void *arg)
{
	usleep(10000);
	pthread_kill(pthread_self(), (int)(long)arg);
	return NULL;
}

static int run(void *(*fn)(void *), void *arg, int main_leaves)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		pthread_t th;

		if (!main_leaves) {
			pthread_create(&th, NULL, spin, NULL);
			pthread_create(&th, NULL, block, NULL);
		}
		pthread_create(&th, NULL, fn, arg);
		if (main_leaves)
			syscall(SYS_exit, 4);
		block(NULL);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

int main(void)
{
	struct rlimit no_core = { 0, 0 };
	siginfo_t si;
	int status;
	pid_t pid;

	setrlimit(RLIMIT_CORE, &no_core);
	CHECK_EQ(run(leave_all, (void *)17, 0), 17 << 8);
	CHECK_EQ(run(leave_all, (void *)18, 1), 18 << 8);
	/* The last thread's status counts when every thread leaves by itself. */
	CHECK_EQ(run(leave_alone, NULL, 1), 9 << 8);
	CHECK_EQ(run(crash, NULL, 0), SIGSEGV);
	CHECK_EQ(run(signal_self, (void *)SIGTERM, 0), SIGTERM);
	CHECK_EQ(run(signal_self, (void *)SIGABRT, 0), SIGABRT);
	CHECK_EQ(run(signal_self, (void *)SIGKILL, 0), SIGKILL);

	/* A leader that left is no zombie to be waited for yet. */
	pid = fork();
	if (pid == 0) {
		pthread_t th;

		pthread_create(&th, NULL, block, NULL);
		syscall(SYS_exit, 1);
	}
	wait_state(pid, "Z");
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK(kill(pid, SIGUSR1) == 0); /* kills it all the same */
	CHECK(waitid(P_PID, (id_t)pid, &si, WEXITED) == 0);
	CHECK_EQ(si.si_code, CLD_KILLED);
	CHECK_EQ(si.si_status, SIGUSR1);
	return 0;
}
