/* fork(2) and memory: private copies, shared pages, many generations. */
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"
#include "touch.h"

#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define SHARED (MAP_SHARED | MAP_ANONYMOUS)

static void wait_ok(pid_t pid)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

static void stores_stay_on_their_side(void)
{
	size_t n = 512;
	char *p = mmap(NULL, n * P, RW, ANON, -1, 0);
	char *flags = mmap(NULL, P, RW, SHARED, -1, 0);
	pid_t pid;

	for (size_t i = 0; i < n; i++)
		p[i * P] = (char)i;
	pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < n; i += 3)
			p[i * P] = 100;
		flags[0] = 1;
		while (!__atomic_load_n(&flags[1], __ATOMIC_ACQUIRE))
			usleep(100);
		for (size_t i = 0; i < n; i++)
			CHECK(p[i * P] == (i % 3 == 0 ? 100 : (char)i));
		_exit(0);
	}
	while (!__atomic_load_n(&flags[0], __ATOMIC_ACQUIRE))
		usleep(100);
	for (size_t i = 0; i < n; i++)
		CHECK(p[i * P] == (char)i);
	for (size_t i = 1; i < n; i += 3)
		p[i * P] = 50;
	__atomic_store_n(&flags[1], 1, __ATOMIC_RELEASE);
	wait_ok(pid);
	for (size_t i = 0; i < n; i++)
		CHECK(p[i * P] == (i % 3 == 1 ? 50 : (char)i));
	CHECK(munmap(p, n * P) == 0 && munmap(flags, P) == 0);
}

static void repeated_forks_see_the_newest(void)
{
	static char data[5 * 4096];
	char *heap = malloc(100000);

	for (int i = 1; i < 100; i++) {
		char stack[3000];
		pid_t pid;

		memset(data, i, sizeof(data));
		memset(heap, i, 100000);
		memset(stack, i, sizeof(stack));
		pid = fork();
		if (pid == 0) {
			CHECK(data[0] == i && data[20479] == i && heap[99999] == i);
			CHECK(stack[0] == i && stack[2999] == i);
			memset(data, 0, sizeof(data));
			memset(heap, 0, 100000);
			_exit(0);
		}
		wait_ok(pid);
		CHECK(data[100] == i && heap[5000] == i && stack[77] == i);
	}
	free(heap);
}

static void generations(int depth, char *p, const char *shared)
{
	pid_t pid;

	if (depth == 0)
		return;
	p[0] = (char)depth;
	pid = fork();
	if (pid == 0) {
		CHECK(p[0] == depth);
		generations(depth - 1, p, shared);
		CHECK(p[0] == (depth == 1 ? 1 : depth - 1));
		_exit(0);
	}
	wait_ok(pid);
	CHECK(p[0] == depth);
}

static void shared_pages_are_shared(void)
{
	int *n = mmap(NULL, 100 * P, RW, SHARED, -1, 0);

	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			for (int j = 0; j < 100; j++)
				__atomic_fetch_add(&n[j * 1024], 1, __ATOMIC_RELAXED);
			_exit(0);
		}
		if (i % 4 == 3)
			wait_ok(pid);
	}
	while (wait(NULL) > 0)
		;
	for (int j = 0; j < 100; j++)
		CHECK_EQ(n[j * 1024], 20);
	CHECK(munmap(n, 100 * P) == 0);
}

static void protections_are_inherited(void)
{
	char *p = mmap(NULL, 3 * P, RW, ANON, -1, 0);
	pid_t pid;

	memset(p, 4, 3 * P);
	CHECK(mprotect(p + P, P, PROT_READ) == 0);
	CHECK(mprotect(p + 2 * P, P, PROT_NONE) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK_TOUCH(write, p, 0, 0);
		CHECK_TOUCH(write, p + P, SIGSEGV, SEGV_ACCERR);
		CHECK_TOUCH(read, p + 2 * P, SIGSEGV, SEGV_ACCERR);
		CHECK(mprotect(p, 3 * P, RW) == 0);
		CHECK(p[P] == 4 && p[2 * P] == 4);
		p[2 * P] = 5;
		_exit(0);
	}
	wait_ok(pid);
	CHECK_TOUCH(write, p + P, SIGSEGV, SEGV_ACCERR);
	CHECK(mprotect(p, 3 * P, RW) == 0);
	CHECK(p[2 * P] == 4);
	CHECK(munmap(p, 3 * P) == 0);
}

static void children_unmap_for_themselves(void)
{
	char *p = mmap(NULL, 64 * P, RW, ANON, -1, 0);
	pid_t pid;

	memset(p, 8, 64 * P);
	pid = fork();
	if (pid == 0) {
		CHECK(munmap(p, 32 * P) == 0);
		CHECK(madvise(p + 32 * P, 16 * P, MADV_DONTNEED) == 0);
		CHECK(p[32 * P] == 0 && p[48 * P] == 8);
		_exit(0);
	}
	wait_ok(pid);
	for (size_t i = 0; i < 64; i++)
		CHECK(p[i * P] == 8);
	CHECK(munmap(p, 64 * P) == 0);
}

static void a_system_call_breaks_copies_too(void)
{
	char *p = mmap(NULL, 2 * P, RW, ANON, -1, 0);
	int fds[2];
	pid_t pid;

	strcpy(p, "parent");
	CHECK(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(read(fds[0], p, 5) == 5);
		CHECK(strcmp(p, "childt") == 0);
		_exit(0);
	}
	CHECK(write(fds[1], "child", 5) == 5);
	wait_ok(pid);
	CHECK(strcmp(p, "parent") == 0);
	close(fds[0]);
	close(fds[1]);
	CHECK(munmap(p, 2 * P) == 0);
}

int main(void)
{
	char *p = mmap(NULL, P, RW, ANON, -1, 0), *s = mmap(NULL, P, RW, SHARED, -1, 0);

	touch_init();
	stores_stay_on_their_side();
	repeated_forks_see_the_newest();
	generations(8, p, s);
	shared_pages_are_shared();
	protections_are_inherited();
	children_unmap_for_themselves();
	a_system_call_breaks_copies_too();
	return 0;
}
