/* mmap(2), munmap(2): placement, flags, errors, and what a touch finds. */
#include <fcntl.h>
#include <stdint.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"
#include "touch.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* n pages in a row that nobody uses. */
static char *room(size_t n)
{
	char *p = mmap(NULL, n * P, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK(munmap(p, n * P) == 0);
	return p;
}

static void anonymous_memory_is_zero(void)
{
	char *p = mmap(NULL, 300 * P + 5, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < 301 * P; i += 64)
		CHECK(p[i] == 0);
	memset(p, 7, 301 * P);
	CHECK(munmap(p, 300 * P + 5) == 0);
	p = mmap(NULL, 301 * P, RW, ANON, -1, 0);
	for (size_t i = 0; i < 301 * P; i += P)
		CHECK(p[i] == 0);
	CHECK(munmap(p, 301 * P) == 0);
}

static void arguments_are_judged(void)
{
	char *p = room(8);

	CHECK_ERR(mmap(NULL, 0, RW, ANON, -1, 0), EINVAL);
	CHECK_ERR(mmap(NULL, SIZE_MAX, RW, ANON, -1, 0), ENOMEM);
	CHECK_ERR(mmap(NULL, (size_t)1 << 47, RW, ANON | MAP_NORESERVE, -1, 0), ENOMEM);
	CHECK_ERR(mmap(NULL, P, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERR(mmap(NULL, P, RW, MAP_ANONYMOUS | MAP_SHARED_VALIDATE, -1, 0), EINVAL);
	CHECK_ERR(mmap(NULL, P, RW, MAP_PRIVATE, -1, 0), EBADF);
	CHECK_ERR(mmap(NULL, P, RW, MAP_PRIVATE, 12345, 0), EBADF);
	CHECK_ERR(mmap(p + 1, P, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
	CHECK_ERR(mmap((void *)(uintptr_t)0xfffffffffffff000, P, RW, ANON | MAP_FIXED, -1, 0),
		  ENOMEM);
	CHECK_ERR(mmap((void *)((uintptr_t)1 << 50), P, RW, ANON | MAP_FIXED, -1, 0), ENOMEM);
	CHECK_ERR(mmap(NULL, P, RW, ANON, -1, 1), EINVAL);
	CHECK_ERR(mmap(NULL, P, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0), EINVAL);
	CHECK_ERR(munmap(p + 1, P), EINVAL);
	CHECK_ERR(munmap(p, 0), EINVAL);
	CHECK_ERR(munmap(p, SIZE_MAX), EINVAL);
	CHECK_ERR(munmap((void *)((uintptr_t)1 << 50), P), EINVAL);
	CHECK_ERR(munmap((void *)0x7ffffffff000, P), EINVAL);
	CHECK_ERR(munmap(NULL, 0x800000000000), EINVAL);
	CHECK(munmap(p, 8 * P) == 0);
}

static void files_are_judged(void)
{
	int ro = open("/proc/self/exe", O_RDONLY), wo, dir = open("/", O_RDONLY | O_DIRECTORY);
	int path = open("/proc/self/exe", O_PATH), fds[2];
	char name[] = "/tmp/mm_map.XXXXXX";

	wo = mkstemp(name);
	CHECK(wo >= 0 && ro >= 0 && dir >= 0 && path >= 0 && pipe(fds) == 0);
	CHECK(ftruncate(wo, 4 * (off_t)P) == 0);
	close(wo);
	wo = open(name, O_WRONLY);
	CHECK_ERR(mmap(NULL, P, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
	CHECK_ERR(mmap(NULL, P, PROT_WRITE, MAP_SHARED, wo, 0), EACCES);
	CHECK_ERR(mmap(NULL, P, RW, MAP_SHARED, ro, 0), EACCES);
	CHECK(mmap(NULL, P, RW, MAP_PRIVATE, ro, 0) != MAP_FAILED);
	CHECK_ERR(mmap(NULL, P, PROT_READ, MAP_PRIVATE, dir, 0), ENODEV);
	CHECK_ERR(mmap(NULL, P, PROT_READ, MAP_PRIVATE, fds[0], 0), ENODEV);
	CHECK_ERR(mmap(NULL, P, PROT_READ, MAP_PRIVATE, path, 0), EBADF);
	CHECK_ERR(mmap(NULL, P, PROT_READ, MAP_PRIVATE, ro, 100), EINVAL);
	unlink(name);
	close(ro);
	close(wo);
	close(dir);
	close(path);
	close(fds[0]);
	close(fds[1]);
}

static void fixed_mappings_replace(void)
{
	char *p = mmap(NULL, 4 * P, RW, ANON, -1, 0);

	memset(p, 1, 4 * P);
	CHECK(mmap(p + P, 2 * P, RW, ANON | MAP_FIXED, -1, 0) == p + P);
	CHECK(p[0] == 1 && p[P] == 0 && p[3 * P - 1] == 0 && p[3 * P] == 1);
	CHECK_ERR(mmap(p, P, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
	CHECK(p[0] == 1);
	CHECK(munmap(p + P, P) == 0);
	CHECK(mmap(p + P, P, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p + P);
	CHECK_ERR(mmap(p, 4 * P, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
	CHECK(munmap(p, 4 * P) == 0);
}

static void hints_are_taken_when_free(void)
{
	char *p = room(16), *q;

	CHECK(mmap(p + 5 * P, P, RW, ANON, -1, 0) == p + 5 * P);
	q = mmap(p + 5 * P, P, RW, ANON, -1, 0);
	CHECK(q != MAP_FAILED && q != p + 5 * P);
	CHECK(munmap(q, P) == 0 && munmap(p + 5 * P, P) == 0);
	q = mmap(NULL, P, RW, ANON | MAP_32BIT, -1, 0);
	CHECK(q != MAP_FAILED && (uintptr_t)q < 0x80000000u);
	CHECK_TOUCH(write, q, 0, 0);
	CHECK(munmap(q, P) == 0);
}

static void munmap_takes_what_is_there(void)
{
	char *p = mmap(NULL, 6 * P, RW, ANON, -1, 0);

	memset(p, 9, 6 * P);
	CHECK(munmap(p + P, P) == 0 && munmap(p + 3 * P, 1) == 0);
	CHECK_TOUCH(read, p + P, SIGSEGV, SEGV_MAPERR);
	CHECK_TOUCH(write, p + 3 * P + 7, SIGSEGV, SEGV_MAPERR);
	CHECK(p[0] == 9 && p[2 * P] == 9 && p[4 * P] == 9);
	CHECK(munmap(p, 6 * P) == 0);
	CHECK(munmap(p, 6 * P) == 0);
	CHECK_TOUCH(read, p + 5 * P, SIGSEGV, SEGV_MAPERR);
}

static void a_null_page_cannot_be_touched(void)
{
	CHECK_TOUCH(read, (char *)16, SIGSEGV, SEGV_MAPERR);
	CHECK_TOUCH(write, (char *)16, SIGSEGV, SEGV_MAPERR);
}

static void large_reservations_cost_nothing(void)
{
	size_t size = (size_t)64 << 30;
	char *p = mmap(NULL, size, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK(mprotect(p + (size / 2), 8 * P, RW) == 0);
	p[size / 2] = 1;
	CHECK_TOUCH(read, p + size / 2 - 1, SIGSEGV, SEGV_ACCERR);
	CHECK(munmap(p, size) == 0);
	p = mmap(NULL, size, RW, ANON | MAP_NORESERVE, -1, 0);
	CHECK(p != MAP_FAILED);
	for (size_t at = 0; at < size; at += size / 16)
		p[at] = 1;
	CHECK(munmap(p, size) == 0);
}

static void the_address_space_has_a_limit(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct rlimit lim;

		CHECK(getrlimit(RLIMIT_AS, &lim) == 0);
		lim.rlim_cur = (rlim_t)1 << 30;
		CHECK(setrlimit(RLIMIT_AS, &lim) == 0);
		CHECK_ERR(mmap(NULL, (size_t)1 << 30, RW, ANON, -1, 0), ENOMEM);
		CHECK_ERR(mmap(NULL, (size_t)1 << 30, PROT_NONE, ANON | MAP_NORESERVE, -1, 0),
			  ENOMEM);
		CHECK(mmap(NULL, (size_t)100 << 20, RW, ANON, -1, 0) != MAP_FAILED);
		lim.rlim_cur = (rlim_t)64 << 20;
		CHECK(setrlimit(RLIMIT_DATA, &lim) == 0);
		CHECK_ERR(mmap(NULL, (size_t)80 << 20, RW, ANON, -1, 0), ENOMEM);
		CHECK(mmap(NULL, (size_t)80 << 20, PROT_READ, ANON, -1, 0) != MAP_FAILED);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void populated_memory_is_there(void)
{
	unsigned char vec[16];
	char *p = mmap(NULL, 16 * P, RW, ANON | MAP_POPULATE, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK(mincore(p, 16 * P, vec) == 0);
	for (int i = 0; i < 16; i++)
		CHECK(vec[i] & 1);
	CHECK(munmap(p, 16 * P) == 0);
}

static void many_small_mappings_hold(void)
{
	enum { N = 2000 };
	char *p = room(2 * N);

	for (size_t i = 0; i < N; i++) {
		CHECK(mmap(p + 2 * i * P, P, RW, ANON | MAP_FIXED, -1, 0) == p + 2 * i * P);
		p[2 * i * P] = (char)i;
	}
	for (size_t i = 0; i < N; i++)
		CHECK(p[2 * i * P] == (char)i);
	CHECK_TOUCH(read, p + P, SIGSEGV, SEGV_MAPERR);
	CHECK(munmap(p, 2 * N * P) == 0);
}

/* A program may take everything away, itself included. */
static void munmap_of_everything(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		munmap(NULL, 0x7ffffffff000);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

int main(void)
{
	touch_init();
	anonymous_memory_is_zero();
	arguments_are_judged();
	files_are_judged();
	fixed_mappings_replace();
	hints_are_taken_when_free();
	munmap_takes_what_is_there();
	a_null_page_cannot_be_touched();
	large_reservations_cost_nothing();
	the_address_space_has_a_limit();
	populated_memory_is_there();
	many_small_mappings_hold();
	munmap_of_everything();
	return 0;
}
