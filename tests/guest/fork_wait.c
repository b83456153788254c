/* fork, exit statuses, wait4: memory is copied, statuses are right, children
 * are reaped once, rusage is filled. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"

static int global = 1;

static void memory_is_a_copy(void)
{
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int local = 10, status;
	pid_t pid;

	CHECK(shared != MAP_FAILED);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK_EQ(global, 1);
		global = 2;
		local = 20;
		*shared = 30;
		_exit(7);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 7);
	CHECK_EQ(global, 1);
	CHECK_EQ(local, 10);
	CHECK_EQ(*shared, 30);
	CHECK_ERR(waitpid(pid, &status, 0), ECHILD);
	munmap(shared, 4096);
}

static void statuses(void)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGSEGV, SIGUSR1, 34, 64 };
	int status;
	pid_t pid;

	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		pid = fork();
		if (pid == 0) {
			kill(getpid(), signals[i]);
			_exit(1);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status));
		CHECK_EQ(WTERMSIG(status), signals[i]);
		CHECK(!WCOREDUMP(status));
	}
	for (int code = 0; code < 600; code += 85) {
		pid = fork();
		if (pid == 0)
			_exit(code);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, (code & 255) << 8);
	}
}

static void many_children(void)
{
	enum { N = 40 };
	pid_t pids[N];
	int seen[N] = { 0 }, status;

	for (int i = 0; i < N; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (pids[i] == 0)
			_exit(i);
	}
	for (int n = 0; n < N; n++) {
		pid_t pid = wait(&status);
		int i = WEXITSTATUS(status);

		CHECK(WIFEXITED(status) && i < N);
		CHECK_EQ(pid, pids[i]);
		CHECK(!seen[i]);
		seen[i] = 1;
	}
	CHECK_ERR(wait(NULL), ECHILD);
}

static void nested(int depth)
{
	int status;
	pid_t pid, parent = getpid();

	if (depth == 0)
		return;
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK_EQ(getppid(), parent);
		nested(depth - 1);
		_exit(depth);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), depth);
}

static void usage_of_child(void)
{
	struct rusage ru;
	volatile unsigned long x __attribute__((unused)) = 0;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		for (unsigned long i = 0; i < 60000000; i++)
			x += i;
		_exit(0);
	}
	memset(&ru, 0, sizeof(ru));
	CHECK_EQ(wait4(pid, &status, 0, &ru), pid);
	CHECK_EQ(status, 0);
	CHECK(ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec > 1000);
	CHECK(ru.ru_maxrss > 0);
	CHECK(getrusage(RUSAGE_CHILDREN, &ru) == 0);
	CHECK(ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec > 1000);
}

int main(void)
{
	struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	memory_is_a_copy();
	statuses();
	many_children();
	nested(6);
	usage_of_child();
	return 0;
}
