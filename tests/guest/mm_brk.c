/* brk(2), the stack's growth, mlock(2). */
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "touch.h"

#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *sys_brk(char *at)
{
	return (char *)syscall(SYS_brk, at);
}

static void the_break_moves(void)
{
	char *start = sys_brk(NULL), *p;

	CHECK(sys_brk(start + 10 * P + 7) == start + 10 * P + 7);
	p = (char *)(((uintptr_t)start + P - 1) & ~(P - 1));
	memset(p, 5, 10 * P);
	CHECK(sys_brk(start + 2 * P) == start + 2 * P);
	CHECK_TOUCH(read, p + 5 * P, SIGSEGV, SEGV_MAPERR);
	CHECK(sys_brk(start + 10 * P) == start + 10 * P);
	CHECK(p[0] == 5 && p[5 * P] == 0);
	/* What it cannot do changes nothing. */
	CHECK(sys_brk((char *)16) == start + 10 * P);
	CHECK(sys_brk((char *)((uintptr_t)1 << 50)) == start + 10 * P);
	CHECK(mmap(p + 20 * P, P, RW, ANON | MAP_FIXED, -1, 0) == p + 20 * P);
	CHECK(sys_brk(p + 21 * P) == start + 10 * P);
	CHECK(munmap(p + 20 * P, P) == 0);
	for (int i = 0; i < 300; i++)
		CHECK(sys_brk(start + (10 + (size_t)i) * P) == start + (10 + (size_t)i) * P);
	memset(start, 1, 309 * P);
	CHECK(sys_brk(start) == start);
}

static void heaps_have_a_limit(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct rlimit lim = { 1 << 20, RLIM_INFINITY };
		char *start = sys_brk(NULL);

		CHECK(setrlimit(RLIMIT_DATA, &lim) == 0);
		CHECK(sys_brk(start + (4 << 20)) == start);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static int recurse(int depth)
{
	volatile char frame[4000];

	memset((char *)frame, depth, sizeof(frame));
	return depth ? recurse(depth - 1) + frame[100] - frame[200] : 0;
}

static void stacks_grow(void)
{
	CHECK(recurse(1500) == 0);
}

static void a_stack_overflow_is_a_segv(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		recurse(1000000);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void growing_mappings_keep_their_distance(void)
{
	char *room = mmap(NULL, 2048 * P, PROT_NONE, ANON | MAP_NORESERVE, -1, 0), *p;

	CHECK(munmap(room, 2048 * P) == 0);
	p = room + 2000 * P;
	CHECK(mmap(p, P, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0) == p);
	CHECK_TOUCH(write, p - 100 * P, 0, 0);
	CHECK_TOUCH(read, p - 50 * P, 0, 0);
	CHECK(mmap(room + 1000 * P, P, RW, ANON | MAP_FIXED, -1, 0) == room + 1000 * P);
	/* 256 pages above a neighbour nothing grows. */
	CHECK_TOUCH(write, room + 1200 * P, SIGSEGV, SEGV_MAPERR);
	CHECK_TOUCH(write, room + 1300 * P, 0, 0);
	CHECK(munmap(room + 1000 * P, 1001 * P) == 0);
}

static void locks_have_a_limit(void)
{
	char *p = mmap(NULL, 64 * P, RW, ANON, -1, 0);
	unsigned char vec[4];
	pid_t pid;
	int status;

	CHECK(mlock(p + 1, 3 * P) == 0);
	CHECK(mincore(p, 4 * P, vec) == 0);
	CHECK((vec[0] & 1) && (vec[3] & 1));
	CHECK(munlock(p, 64 * P) == 0);
	CHECK_ERR(mlock(p + 60 * P, 1000 * P), ENOMEM);
	CHECK_ERR(mlock(p, SIZE_MAX - P), EINVAL);
	CHECK(mlock(p, 0) == 0);
	CHECK_ERR(mlockall(0), EINVAL);
	CHECK_ERR(mlockall(64), EINVAL);
	CHECK_ERR(mlockall(4), EINVAL);
	CHECK_ERR(syscall(SYS_mlock2, p, P, 64), EINVAL);
	CHECK(syscall(SYS_mlock2, p, P, 1) == 0);
	CHECK(munlockall() == 0);
	pid = fork();
	if (pid == 0) {
		struct rlimit lim = { 8 * P, 8 * P };

		if (setrlimit(RLIMIT_MEMLOCK, &lim) < 0 || setuid(65534) < 0)
			_exit(0);
		CHECK_ERR(mlock(p, 64 * P), ENOMEM);
		CHECK(mlock(p, 8 * P) == 0);
		CHECK(mlock(p, 8 * P) == 0);
		CHECK_ERR(mlock(p + 8 * P, P), ENOMEM);
		CHECK_ERR(mmap(NULL, P, RW, ANON | MAP_LOCKED, -1, 0), EAGAIN);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(munmap(p, 64 * P) == 0);
}

int main(void)
{
	touch_init();
	the_break_moves();
	heaps_have_a_limit();
	stacks_grow();
	a_stack_overflow_is_a_segv();
	growing_mappings_keep_their_distance();
	locks_have_a_limit();
	return 0;
}
