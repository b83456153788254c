/* remap_file_pages(2): other pages of a file in the same place. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "tmpdir.h"
#include "touch.h"

#define P 4096ul
#define PAGES 8u
#define RW (PROT_READ | PROT_WRITE)

static long remap(char *p, size_t size, int prot, size_t page, int flags)
{
	return syscall(SYS_remap_file_pages, p, size, prot, page, flags);
}

static void numbered(int fd)
{
	CHECK(fd >= 0 && ftruncate(fd, (off_t)(PAGES * P)) == 0);
	for (unsigned i = 0; i < PAGES; i++) {
		char c = (char)('0' + i);

		CHECK(pwrite(fd, &c, 1, (off_t)(i * P)) == 1);
	}
}

static void pages_change_places(int fd)
{
	char *p = mmap(NULL, PAGES * P, RW, MAP_SHARED, fd, 0), c;

	CHECK(p != MAP_FAILED);
	for (unsigned i = 0; i < PAGES; i++)
		CHECK(remap(p + i * P, P, 0, PAGES - 1 - i, 0) == 0);
	for (unsigned i = 0; i < PAGES; i++)
		CHECK_EQ(p[i * P], '0' + PAGES - 1 - i);
	/* A store goes to where it is now. */
	p[0] = 'x';
	CHECK(pread(fd, &c, 1, (off_t)((PAGES - 1) * P)) == 1);
	CHECK_EQ(c, 'x');
	p[0] = '0' + PAGES - 1;
	/* Across the pieces, back to one. Addresses and sizes are cut to pages. */
	CHECK(remap(p + 100, PAGES * P + 100, 0, 0, MAP_NONBLOCK) == 0);
	for (unsigned i = 0; i < PAGES; i++)
		CHECK_EQ(p[i * P], '0' + i);
	CHECK(remap(p, P, 0, PAGES, 0) == 0);
	CHECK_TOUCH(read, p, SIGBUS, BUS_ADRERR);
	CHECK(munmap(p, PAGES * P) == 0);
}

static void errors(int fd)
{
	char *p = mmap(NULL, PAGES * P, RW, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, P, RW, MAP_PRIVATE, fd, 0);
	char *anon = mmap(NULL, P, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ro = open("file", O_RDONLY);
	char *reader = mmap(NULL, P, PROT_READ, MAP_SHARED, ro, 0);

	CHECK(p != MAP_FAILED && private != MAP_FAILED && anon != MAP_FAILED &&
	      reader != MAP_FAILED);
	CHECK_ERR(remap(p, P, PROT_READ, 1, 0), EINVAL);
	CHECK_ERR(remap(p, 0, 0, 1, 0), EINVAL);
	CHECK_ERR(remap(p, P - 1, 0, 1, 0), EINVAL);
	CHECK_ERR(remap(p, (size_t)-P, 0, 1, 0), EINVAL);
	CHECK_ERR(remap(p, P, 0, SIZE_MAX, 0), EINVAL);
	CHECK_ERR(remap(p, P, 0, SIZE_MAX / P, 0), EOVERFLOW);
	CHECK_ERR(remap(p, P, 0, SIZE_MAX - 1, 0), EOVERFLOW);
	CHECK_ERR(remap(private, P, 0, 1, 0), EINVAL);
	CHECK_ERR(remap(anon, P, 0, 1, 0), EINVAL);
	CHECK_ERR(remap(reader, P, 0, 1, 0), EINVAL);
	CHECK_ERR(remap((char *)P, P, 0, 1, 0), EINVAL);
	/* Pieces that differ, and a hole. */
	CHECK(mprotect(p + 2 * P, P, PROT_READ) == 0);
	CHECK_ERR(remap(p, 4 * P, 0, 4, 0), EINVAL);
	CHECK(remap(p + 2 * P, P, 0, 4, 0) == 0);
	CHECK_EQ(p[2 * P], '4');
	CHECK_TOUCH(write, p + 2 * P, SIGSEGV, SEGV_ACCERR);
	CHECK(munmap(p + 6 * P, P) == 0);
	CHECK_ERR(remap(p + 4 * P, 4 * P, 0, 0, 0), EINVAL);
	CHECK_EQ(p[4 * P], '4');
	CHECK(munmap(p, PAGES * P) == 0 && munmap(private, P) == 0 && munmap(anon, P) == 0 &&
	      munmap(reader, P) == 0);
	close(ro);
}

static void shared_anonymous_memory_too(void)
{
	char *p = mmap(NULL, 2 * P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	CHECK(p != MAP_FAILED);
	p[0] = 'a';
	p[P] = 'b';
	CHECK(remap(p, P, 0, 1, 0) == 0);
	CHECK_EQ(p[0], 'b');
	pid = fork();
	if (pid == 0) {
		p[0] = 'c';
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_EQ(p[P], 'c');
	CHECK(munmap(p, 2 * P) == 0);
}

int main(void)
{
	int file;

	touch_init();
	tmpdir_enter();
	file = open("file", O_RDWR | O_CREAT, 0600);
	numbered(file);
	pages_change_places(file);
	errors(file);
	file = memfd_create("test", 0);
	numbered(file);
	pages_change_places(file);
	shared_anonymous_memory_too();
	return 0;
}
