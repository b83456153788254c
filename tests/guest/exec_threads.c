/* exec from a thread: the others go, the process keeps its number, and the
 * caller becomes the leader; a vfork child of a threaded process. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "waitfor.h"

extern char **environ;
static char self[4096];

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void *spinner(void *arg)
{
	for (;;)
		;
	return arg;
}

static void *execer(void *arg)
{
	char pid[16];
	char *argv[] = { self, "check", pid, NULL };

	(void)arg;
	sprintf(pid, "%d", getpid());
	execve(self, argv, environ);
	_exit(126);
}

static int reap(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static void from(int use_thread)
{
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t th;

		for (int i = 0; i < 3; i++)
			pthread_create(&th, NULL, i ? sleeper : spinner, NULL);
		if (use_thread) {
			pthread_create(&th, NULL, execer, NULL);
			sleeper(NULL);
		}
		execer(NULL);
	}
	CHECK_EQ(reap(pid), 55 << 8);
}

/* Two at once: one of them wins. */
static void race(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t a, b;

		pthread_create(&a, NULL, execer, NULL);
		pthread_create(&b, NULL, execer, NULL);
		sleeper(NULL);
	}
	CHECK_EQ(reap(pid), 55 << 8);
}

/* The leader has left already. */
static void *late_execer(void *arg)
{
	wait_state(getpid(), "Z");
	return execer(arg);
}

static void leaderless(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t th;

		pthread_create(&th, NULL, late_execer, NULL);
		syscall(SYS_exit, 3);
	}
	CHECK_EQ(reap(pid), 55 << 8);
}

static volatile int running = 1, counter;

static void *count(void *arg)
{
	while (running)
		counter++;
	return arg;
}

/* Threads of the parent run on while its vfork child execs. */
static void vfork_beside_threads(void)
{
	pthread_t th;
	int before;

	pthread_create(&th, NULL, count, NULL);
	for (int i = 0; i < 5; i++) {
		pid_t pid = vfork();

		if (pid == 0) {
			char *argv[] = { self, "exit", NULL };

			execve(self, argv, environ);
			_exit(126);
		}
		CHECK(pid > 0);
		CHECK_EQ(reap(pid), 7 << 8);
	}
	before = counter;
	while (counter == before)
		;
	running = 0;
	pthread_join(th, NULL);
}

int main(int argc, char **argv)
{
	ssize_t n;

	if (argc > 2 && !strcmp(argv[1], "check")) {
		CHECK_EQ(getpid(), atoi(argv[2]));
		CHECK_EQ(syscall(SYS_gettid), getpid());
		/* Alone: nobody else to signal. */
		CHECK_ERR(syscall(SYS_tgkill, getpid(), getpid() + 1, 0), ESRCH);
		return 55;
	}
	if (argc > 1)
		return 7;
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	CHECK(n > 0);
	for (int i = 0; i < 3; i++) {
		from(0);
		from(1);
		race();
		leaderless();
	}
	vfork_beside_threads();
	return 0;
}
