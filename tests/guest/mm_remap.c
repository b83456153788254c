/* mremap(2). */
#include <stdint.h>
#include <sys/mman.h>

#include "check.h"
#include "touch.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define SHARED (MAP_SHARED | MAP_ANONYMOUS)

/* A reservation; its pages are mapped as wanted. */
static char *room(size_t n)
{
	char *p = mmap(NULL, n * P, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

	CHECK(p != MAP_FAILED && munmap(p, n * P) == 0);
	return p;
}

static char *map_at(char *p, size_t n, int flags)
{
	CHECK(mmap(p, n * P, RW, flags | MAP_FIXED, -1, 0) == p);
	for (size_t i = 0; i < n; i++)
		p[i * P] = (char)(i + 1);
	return p;
}

static void shrink_and_grow_in_place(void)
{
	char *p = map_at(room(32), 8, ANON);

	CHECK(mremap(p, 8 * P, 3 * P, 0) == p);
	CHECK_TOUCH(read, p + 3 * P, SIGSEGV, SEGV_MAPERR);
	CHECK(mremap(p, 3 * P, 8 * P, 0) == p);
	CHECK(p[2 * P] == 3 && p[3 * P] == 0);
	CHECK(mremap(p, 8 * P, 8 * P, 0) == p);
	CHECK(mmap(p + 8 * P, P, PROT_READ, ANON | MAP_FIXED, -1, 0) == p + 8 * P);
	CHECK_ERR(mremap(p, 8 * P, 9 * P, 0), ENOMEM);
	CHECK(munmap(p, 9 * P) == 0);
}

static void moves_keep_the_contents(void)
{
	char *p = map_at(room(32), 8, ANON), *q;

	CHECK(mmap(p + 8 * P, P, PROT_READ, ANON | MAP_FIXED, -1, 0) == p + 8 * P);
	q = mremap(p, 8 * P, 600 * P, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p);
	for (size_t i = 0; i < 8; i++)
		CHECK(q[i * P] == (char)(i + 1));
	CHECK(q[599 * P] == 0);
	CHECK_TOUCH(read, p, SIGSEGV, SEGV_MAPERR);
	/* A part of a mapping moves too. */
	p = mremap(q + 2 * P, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, p);
	CHECK(p[0] == 3 && p[P] == 4);
	CHECK_TOUCH(read, q + 3 * P, SIGSEGV, SEGV_MAPERR);
	CHECK(q[4 * P] == 5);
	CHECK(munmap(q, 600 * P) == 0 && munmap(p, 9 * P) == 0);
}

static void fixed_moves_replace(void)
{
	char *p = map_at(room(64), 4, ANON), *q = map_at(p + 16 * P, 4, ANON);

	q[0] = 77;
	CHECK(mremap(p, 4 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	CHECK(q[0] == 1 && q[P] == 2 && q[2 * P] == 3 && q[3 * P] == 4);
	CHECK_TOUCH(read, p + 3 * P, SIGSEGV, SEGV_MAPERR);
	CHECK(munmap(q, 4 * P) == 0);
}

static void dontunmap_leaves_an_empty_mapping(void)
{
	char *p = map_at(room(16), 4, ANON), *q;

	q = mremap(p, 4 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (q == MAP_FAILED && errno == EINVAL)
		return; /* before Linux 5.7 */
	CHECK(q != MAP_FAILED && q != p);
	CHECK(q[3 * P] == 4 && p[3 * P] == 0);
	p[0] = 9;
	CHECK(q[0] == 1);
	CHECK(munmap(p, 4 * P) == 0 && munmap(q, 4 * P) == 0);
}

static void shared_memory_is_duplicated(void)
{
	char *p = map_at(room(16), 4, SHARED), *q = mremap(p, 0, 4 * P, MREMAP_MAYMOVE);

	CHECK(q != MAP_FAILED && q != p);
	CHECK(q[P] == 2);
	q[P] = 66;
	CHECK(p[P] == 66);
	/* Beyond the object's end. */
	CHECK(munmap(p, 4 * P) == 0);
	p = mremap(q, 4 * P, 8 * P, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED);
	CHECK(p[3 * P] == 4);
	CHECK_TOUCH(read, p + 5 * P, SIGBUS, BUS_ADRERR);
	CHECK(munmap(p, 8 * P) == 0);
}

static void errors(void)
{
	int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	char *p = map_at(room(64), 4, ANON);

	CHECK_ERR(mremap(p + 1, P, P, 0), EINVAL);
	CHECK_ERR(mremap(p, P, 0, 0), EINVAL);
	CHECK_ERR(mremap(p, P, P, 64), EINVAL);
	CHECK_ERR(mremap(p, P, P, MREMAP_FIXED, p + 32 * P), EINVAL);
	CHECK_ERR(mremap(p, 4 * P, 4 * P, fixed, p + 2 * P), EINVAL);
	CHECK_ERR(mremap(p, P, P, fixed, p + 32 * P + 1), EINVAL);
	CHECK_ERR(mremap(p + 32 * P, P, 2 * P, MREMAP_MAYMOVE), EFAULT);
	CHECK_ERR(mremap(p, 8 * P, 16 * P, MREMAP_MAYMOVE), EFAULT);
	CHECK_ERR(mremap(p, 0, P, MREMAP_MAYMOVE), EINVAL);
	CHECK_ERR(mremap(p, P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL), EINVAL);
	CHECK(p[3 * P] == 4);
	CHECK(munmap(p, 4 * P) == 0);
}

static void realloc_style_growth(void)
{
	size_t n = 4;
	char *p = mmap(NULL, n * P, RW, ANON, -1, 0);

	while (n < 8192) {
		p[(n - 1) * P] = (char)n;
		p = mremap(p, n * P, 2 * n * P, MREMAP_MAYMOVE);
		CHECK(p != MAP_FAILED);
		CHECK(p[(n - 1) * P] == (char)n);
		n *= 2;
	}
	CHECK(munmap(p, n * P) == 0);
}

int main(void)
{
	touch_init();
	shrink_and_grow_in_place();
	moves_keep_the_contents();
	fixed_moves_replace();
	dontunmap_leaves_an_empty_mapping();
	shared_memory_is_duplicated();
	errors();
	realloc_style_growth();
	return 0;
}
