/* memfd_create(2) and its seals, as mappings see them. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

#include "check.h"
#include "touch.h"

#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)

static int make(unsigned flags, size_t pages)
{
	int fd = memfd_create("test", flags);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)(pages * P)) == 0);
	return fd;
}

static void it_is_memory_and_a_file(void)
{
	int fd = make(MFD_CLOEXEC, 4);
	char *p = mmap(NULL, 4 * P, RW, MAP_SHARED, fd, 0), buf[6] = "";

	CHECK(p != MAP_FAILED && p[0] == 0);
	strcpy(p + P, "hello");
	CHECK(pread(fd, buf, 5, (off_t)P) == 5 && strcmp(buf, "hello") == 0);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, P, P) == 0);
	CHECK(p[P] == 0);
	CHECK(munmap(p, 4 * P) == 0);
	close(fd);
}

static void seals_hold(void)
{
	int fd = make(MFD_ALLOW_SEALING, 4);
	char *p = mmap(NULL, P, RW, MAP_SHARED, fd, 0), *q;

	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	CHECK_ERR(ftruncate(fd, (off_t)P), EPERM);
	CHECK(ftruncate(fd, 5 * (off_t)P) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
	CHECK_ERR(ftruncate(fd, 6 * (off_t)P), EPERM);
	CHECK_ERR(pwrite(fd, "x", 1, 5 * (off_t)P), EPERM);
	/* A writable mapping stands in the way of the write seal. */
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK(munmap(p, P) == 0);
	q = mmap(NULL, P, RW, MAP_PRIVATE, fd, 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	CHECK_ERR(mmap(NULL, P, RW, MAP_SHARED, fd, 0), EPERM);
	CHECK_ERR(pwrite(fd, "x", 1, 0), EPERM);
	CHECK_TOUCH(write, q, 0, 0);
	p = mmap(NULL, P, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_TOUCH(read, p, 0, 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	CHECK(munmap(p, P) == 0 && munmap(q, P) == 0);
	close(fd);
}

static void errors(void)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	name[250] = '\0';
	CHECK_ERR(memfd_create(name, 0), EINVAL);
	name[249] = '\0';
	CHECK(memfd_create(name, 0) >= 0);
	CHECK_ERR(memfd_create("x", 0x10000), EINVAL);
	CHECK_ERR(memfd_create((const char *)1, 0), EFAULT);
}

int main(void)
{
	touch_init();
	it_is_memory_and_a_file();
	seals_hold();
	errors();
	return 0;
}
