/* clone and clone3: the structure's sizes, flags that exclude each other, and
 * good calls with and without a stack. */
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static long clone3(struct clone_args *ca, size_t size)
{
	return syscall(SYS_clone3, ca, size);
}

static void expect(struct clone_args ca, int err)
{
	long r;

	errno = 0;
	r = clone3(&ca, sizeof(ca));
	if (r == 0)
		_exit(1);
	if (r > 0)
		waitpid((pid_t)r, NULL, __WALL);
	if (r != -1 || errno != err) {
		fprintf(stderr, "clone3(flags 0x%llx): %ld, errno %d, not %d\n",
			(unsigned long long)ca.flags, r, errno, err);
		_exit(CHECK_FAILED);
	}
}

static void sizes(void)
{
	struct clone_args ca = { .exit_signal = SIGCHLD };
	unsigned char big[256] = { 0 };
	int status;
	long pid;

	CHECK_ERR(clone3(&ca, 0), EINVAL);
	CHECK_ERR(clone3(&ca, 63), EINVAL);
	CHECK_ERR(clone3(&ca, 4097), E2BIG);
	CHECK_ERR(clone3(NULL, 64), EFAULT);
	memcpy(big, &ca, sizeof(ca));
	big[200] = 1;
	CHECK_ERR(clone3((struct clone_args *)big, sizeof(big)), E2BIG);
	big[200] = 0;
	pid = clone3((struct clone_args *)big, sizeof(big));
	if (pid == 0)
		_exit(3);
	CHECK(pid > 0);
	CHECK_EQ(waitpid((pid_t)pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 3);
	pid = clone3(&ca, 64);
	if (pid == 0)
		_exit(4);
	CHECK(pid > 0);
	CHECK_EQ(waitpid((pid_t)pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 4);
}

static void flags(void)
{
	static int32_t tid = 1;

	expect((struct clone_args){ .flags = 1ull << 60 }, EINVAL);
	expect((struct clone_args){ .flags = CLONE_DETACHED }, EINVAL);
	expect((struct clone_args){ .flags = SIGCHLD }, EINVAL);
	expect((struct clone_args){ .exit_signal = 65 }, EINVAL);
	expect((struct clone_args){ .exit_signal = 256 }, EINVAL);
	expect((struct clone_args){ .flags = CLONE_THREAD }, EINVAL);
	expect((struct clone_args){ .flags = CLONE_SIGHAND }, EINVAL);
	expect((struct clone_args){ .flags = CLONE_SIGHAND | CLONE_VM | CLONE_CLEAR_SIGHAND },
	       EINVAL);
	expect((struct clone_args){ .flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM,
				    .exit_signal = SIGCHLD },
	       EINVAL);
	expect((struct clone_args){ .flags = CLONE_FS | CLONE_NEWNS }, EINVAL);
	expect((struct clone_args){ .stack = 4096 }, EINVAL);
	expect((struct clone_args){ .stack_size = 4096 }, EINVAL);
	expect((struct clone_args){ .stack = 1ull << 63, .stack_size = 4096 }, EINVAL);
	expect((struct clone_args){ .set_tid = (uint64_t)(uintptr_t)&tid }, EINVAL);
	expect((struct clone_args){ .set_tid_size = 1 }, EINVAL);
	expect((struct clone_args){ .set_tid = (uint64_t)(uintptr_t)&tid, .set_tid_size = 33 },
	       EINVAL);
}

static void old_clone(void)
{
	int status;
	long pid;

	CHECK_ERR(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0), EINVAL);
	CHECK_ERR(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
	/* A signal that nobody knows: a child that only __WALL waits for. */
	pid = syscall(SYS_clone, 99, 0, 0, 0, 0);
	if (pid == 0)
		_exit(5);
	CHECK(pid > 0);
	CHECK_ERR(waitpid((pid_t)pid, &status, 0), ECHILD);
	CHECK_EQ(waitpid((pid_t)pid, &status, __WALL), pid);
	CHECK_EQ(WEXITSTATUS(status), 5);
}

static int child_ran;

static int child_fn(void *arg)
{
	child_ran = *(int *)arg;
	return 6;
}

static void with_stack(void)
{
	size_t size = 65536;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int arg = 42, status;
	pid_t pid;

	CHECK(stack != MAP_FAILED);
	pid = clone(child_fn, stack + size, CLONE_VM | SIGCHLD, &arg);
	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 6);
	CHECK_EQ(child_ran, 42);
}

static void tids(void)
{
	int parent = 0, child = 0, pidfd = -1, status;
	struct clone_args ca = { .flags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_PIDFD,
				 .exit_signal = SIGCHLD,
				 .parent_tid = (uint64_t)(uintptr_t)&parent,
				 .child_tid = (uint64_t)(uintptr_t)&child,
				 .pidfd = (uint64_t)(uintptr_t)&pidfd };
	long pid = clone3(&ca, sizeof(ca));

	if (pid == 0)
		_exit(child == getpid() ? 0 : 1);
	CHECK(pid > 0);
	CHECK_EQ(parent, pid);
	CHECK_EQ(child, 0);
	CHECK(pidfd >= 0);
	CHECK_EQ(waitpid((pid_t)pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	close(pidfd);
}

int main(void)
{
	sizes();
	flags();
	old_clone();
	with_stack();
	tids();
	return 0;
}
