/* memfd_create: contents, mapping, seals. */
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <sys/mman.h>

#include "tmpdir.h"

static int make(unsigned flags)
{
	int fd = memfd_create("test", flags);

	CHECK(fd >= 0);
	return fd;
}

static void contents(void)
{
	char buf[64], path[64];
	struct stat st;
	int fd = make(MFD_CLOEXEC);
	ssize_t n;

	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(write(fd, "hello", 5), 5);
	CHECK_EQ(pread(fd, buf, 64, 1), 4);
	CHECK(fstat(fd, &st) == 0);
	CHECK(S_ISREG(st.st_mode));
	CHECK_EQ(st.st_nlink, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, buf, sizeof(buf));
	CHECK_EQ(n, strlen("/memfd:test (deleted)"));
	CHECK(memcmp(buf, "/memfd:test (deleted)", (size_t)n) == 0);
	int again = open(path, O_RDONLY);
	CHECK(again >= 0);
	CHECK_EQ(read(again, buf, 64), 5);
	close(again);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	close(fd);
	CHECK_ERR(memfd_create("x", 0x800), EINVAL);
	CHECK_ERR(memfd_create((char *)8, 0), EFAULT);
}

static void mapping(void)
{
	int fd = make(0);
	char *p, c;

	CHECK(ftruncate(fd, 8192) == 0);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	p[5000] = 'm';
	CHECK_EQ(pread(fd, &c, 1, 5000), 1);
	CHECK_EQ(c, 'm');
	CHECK_EQ(pwrite(fd, "w", 1, 5001), 1);
	CHECK_EQ(p[5001], 'w');
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096) == 0);
	CHECK_EQ(p[5000], 0);
	/* The process may copy its own mapping of the file into the file. */
	p[0] = 'a';
	CHECK_EQ(pwrite(fd, p, 4096, 4096), 4096);
	CHECK_EQ(p[4096], 'a');
	CHECK(munmap(p, 8192) == 0);
	close(fd);
}

static void seals(void)
{
	int fd = make(MFD_ALLOW_SEALING);
	void *p;

	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK_EQ(write(fd, "0123456789", 10), 10);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	CHECK_ERR(ftruncate(fd, 5), EPERM);
	CHECK(ftruncate(fd, 4096) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
	CHECK_ERR(ftruncate(fd, 8192), EPERM);
	CHECK_ERR(pwrite(fd, "x", 1, 4096), EPERM);
	CHECK_ERR(fallocate(fd, 0, 0, 8192), EPERM);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK(munmap(p, 4096) == 0);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, 0x1000), EINVAL);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	CHECK_ERR(pwrite(fd, "x", 1, 0), EPERM);
	CHECK_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1), EPERM);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK_EQ(errno, EPERM);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	((char *)p)[0] = 'p';
	CHECK(munmap(p, 4096) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	close(fd);
}

static void future_write(void)
{
	int fd = make(MFD_ALLOW_SEALING);
	char *p;

	CHECK(ftruncate(fd, 4096) == 0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
	p[0] = 'x'; /* what was mapped stays writable */
	CHECK_ERR(pwrite(fd, "y", 1, 0), EPERM);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK_EQ(errno, EPERM);
	CHECK_EQ(p[0], 'x');
	CHECK(munmap(p, 4096) == 0);
	close(fd);
}

int main(void)
{
	contents();
	mapping();
	seals();
	future_write();
	return 0;
}
