/* madvise(2), mincore(2), msync(2). */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"
#include "touch.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define SHARED (MAP_SHARED | MAP_ANONYMOUS)

/* n mapped pages between two that are not, each with its number in it. */
static char *map_filled(size_t n, int flags)
{
	char *p = mmap(NULL, (n + 2) * P, RW, flags, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK(munmap(p, P) == 0 && munmap(p + (n + 1) * P, P) == 0);
	p += P;
	for (size_t i = 0; i < n; i++)
		p[i * P] = (char)(i + 1);
	return p;
}

static void discarded_private_memory_is_zero(void)
{
	char *p = map_filled(8, ANON);

	CHECK(madvise(p + 2 * P, 3 * P, MADV_DONTNEED) == 0);
	CHECK(p[P] == 2 && p[2 * P] == 0 && p[4 * P] == 0 && p[5 * P] == 6);
	p[3 * P] = 5;
	CHECK(madvise(p, 8 * P, MADV_FREE) == 0);
	p[0] = 1; /* written after: kept */
	CHECK(p[0] == 1);
	CHECK(munmap(p, 8 * P) == 0);
}

static void discarded_shared_memory_stays(void)
{
	char *p = map_filled(4, SHARED);

	CHECK(madvise(p, 4 * P, MADV_DONTNEED) == 0);
	CHECK(p[3 * P] == 4);
	CHECK_ERR(madvise(p, P, MADV_FREE), EINVAL);
	CHECK(madvise(p, 2 * P, MADV_REMOVE) == 0);
	CHECK(p[0] == 0 && p[P] == 0 && p[2 * P] == 3);
	CHECK(munmap(p, 4 * P) == 0);
}

static void a_private_file_shows_the_file_again(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	char *p = mmap(NULL, 2 * P, RW, MAP_PRIVATE, fd, 0);

	p[1] = 'x';
	CHECK(madvise(p, 2 * P, MADV_DONTNEED) == 0);
	CHECK(p[1] == 'E');
	CHECK_ERR(madvise(p, P, MADV_FREE), EINVAL);
	CHECK_ERR(madvise(p, P, MADV_WIPEONFORK), EINVAL);
	CHECK(munmap(p, 2 * P) == 0);
	close(fd);
}

static int child_byte(const char *p)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct touch t = touch_read(p);

		_exit(t.signo ? 100 + t.signo : *p);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void fork_honours_advice(void)
{
	char *p = map_filled(4, ANON);

	CHECK(madvise(p, P, MADV_DONTFORK) == 0);
	CHECK(madvise(p + P, P, MADV_WIPEONFORK) == 0);
	CHECK_EQ(child_byte(p), 100 + SIGSEGV);
	CHECK_EQ(child_byte(p + P), 0);
	CHECK_EQ(child_byte(p + 2 * P), 3);
	CHECK(p[0] == 1 && p[P] == 2);
	CHECK(madvise(p, P, MADV_DOFORK) == 0 && madvise(p + P, P, MADV_KEEPONFORK) == 0);
	CHECK_EQ(child_byte(p), 1);
	CHECK_EQ(child_byte(p + P), 2);
	CHECK(munmap(p, 4 * P) == 0);
}

static void errors(void)
{
	char *p = map_filled(4, ANON);

	CHECK_ERR(madvise(p + 1, P, MADV_DONTNEED), EINVAL);
	CHECK_ERR(madvise(p, P, 4711), EINVAL);
	CHECK_ERR(madvise(p, SIZE_MAX - P, MADV_DONTNEED), EINVAL);
	CHECK(madvise(p, 0, MADV_DONTNEED) == 0);
	CHECK(p[0] == 1);
	/* Holes: everything else is done all the same. */
	CHECK_ERR(madvise(p, 5 * P, MADV_DONTNEED), ENOMEM);
	CHECK(p[0] == 0 && p[3 * P] == 0);
	CHECK_ERR(madvise(p - P, P, MADV_NORMAL), ENOMEM);
	CHECK_ERR(madvise(p, P, MADV_REMOVE), EINVAL);
	CHECK(mlock(p, P) == 0);
	CHECK_ERR(madvise(p, P, MADV_DONTNEED), EINVAL);
	CHECK(munlock(p, P) == 0);
	for (int advice = MADV_NORMAL; advice <= MADV_WILLNEED; advice++)
		CHECK(madvise(p, 4 * P, advice) == 0);
	CHECK(madvise(p, 4 * P, MADV_HUGEPAGE) == 0 || errno == EINVAL);
	CHECK(madvise(p, 4 * P, MADV_DONTDUMP) == 0 && madvise(p, 4 * P, MADV_DODUMP) == 0);
	CHECK(munmap(p, 4 * P) == 0);
}

static void populating_makes_pages(void)
{
	unsigned char vec[4];
	char *p = mmap(NULL, 4 * P, RW, ANON, -1, 0);

	if (madvise(p, 2 * P, MADV_POPULATE_WRITE) < 0 && errno == EINVAL)
		return; /* before Linux 5.14 */
	CHECK(mincore(p, 4 * P, vec) == 0);
	CHECK((vec[0] & 1) && (vec[1] & 1));
	CHECK(mprotect(p, P, PROT_READ) == 0);
	CHECK_ERR(madvise(p, P, MADV_POPULATE_WRITE), EINVAL);
	CHECK(madvise(p, 4 * P, MADV_POPULATE_READ) == 0);
	CHECK(munmap(p + 2 * P, P) == 0);
	CHECK_ERR(madvise(p, 4 * P, MADV_POPULATE_READ), ENOMEM);
	CHECK(munmap(p, 4 * P) == 0);
}

static void mincore_tells_what_is_there(void)
{
	unsigned char vec[8];
	char *p = mmap(NULL, 8 * P, RW, ANON, -1, 0);

	p[0] = 1;
	p[5 * P] = 1;
	CHECK(mincore(p, 8 * P, vec) == 0);
	CHECK((vec[0] & 1) && (vec[5] & 1));
	CHECK(!(vec[2] & 1) && !(vec[7] & 1));
	CHECK(madvise(p, 8 * P, MADV_DONTNEED) == 0);
	CHECK(mincore(p, 8 * P - 5, vec) == 0);
	CHECK(!(vec[0] & 1) && !(vec[5] & 1));
	CHECK_ERR(mincore(p + 1, P, vec), EINVAL);
	CHECK_ERR(mincore(p, P, NULL), EFAULT);
	CHECK(munmap(p + 4 * P, P) == 0);
	CHECK_ERR(mincore(p, 8 * P, vec), ENOMEM);
	CHECK(munmap(p, 8 * P) == 0);
}

static void msync_errors(void)
{
	char *p = map_filled(4, SHARED);

	CHECK(msync(p, 4 * P, MS_SYNC) == 0);
	CHECK(msync(p, 4 * P, MS_ASYNC) == 0);
	CHECK(msync(p, 4 * P, MS_INVALIDATE) == 0);
	CHECK_ERR(msync(p, P, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERR(msync(p, P, 64), EINVAL);
	CHECK_ERR(msync(p + 1, P, MS_SYNC), EINVAL);
	CHECK_ERR(msync(p, 5 * P, MS_SYNC), ENOMEM);
	CHECK(msync(p, 0, MS_SYNC) == 0);
	CHECK(mlock(p, P) == 0);
	CHECK_ERR(msync(p, P, MS_INVALIDATE), EBUSY);
	CHECK(munmap(p, 4 * P) == 0);
}

int main(void)
{
	touch_init();
	discarded_private_memory_is_zero();
	discarded_shared_memory_stays();
	a_private_file_shows_the_file_again();
	fork_honours_advice();
	errors();
	populating_makes_pages();
	mincore_tells_what_is_there();
	msync_errors();
	return 0;
}
