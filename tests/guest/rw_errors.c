/* read and write: what they refuse, and the short counts at faults and ends. */
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <signal.h>

#include "tmpdir.h"

static char *volatile bad_address = (char *)1;
#define BAD bad_address

static void bad_descriptors(void)
{
	char c;
	int ro = open("/dev/null", O_RDONLY), wo = open("/dev/null", O_WRONLY);
	int path = open("/", O_PATH);

	CHECK(ro >= 0 && wo >= 0 && path >= 0);
	CHECK_ERR(read(-1, &c, 1), EBADF);
	CHECK_ERR(read(9999, &c, 1), EBADF);
	CHECK_ERR(write(-1, &c, 1), EBADF);
	CHECK_ERR(write(ro, &c, 1), EBADF);
	CHECK_ERR(read(wo, &c, 1), EBADF);
	CHECK_ERR(read(path, &c, 1), EBADF);
	CHECK_ERR(write(path, &c, 1), EBADF);
	CHECK_ERR(lseek(path, 0, SEEK_SET), EBADF);
	CHECK_ERR(fsync(path), EBADF);
	CHECK_ERR(ftruncate(path, 0), EBADF);
	/* The descriptor is looked at first. */
	CHECK_ERR(read(-1, BAD, 1), EBADF);
	CHECK_ERR(read(wo, BAD, 1), EBADF);
	close(ro);
	close(wo);
	close(path);
}

static void bad_addresses(void)
{
	int fd = tmpdir_file("data", "0123456789");

	CHECK_ERR(read(fd, BAD, 4), EFAULT);
	CHECK_ERR(write(fd, BAD, 4), EFAULT);
	CHECK_ERR(read(fd, (void *)(ULONG_MAX - 100), 4), EFAULT);
	CHECK_ERR(read(fd, NULL, SSIZE_MAX), EFAULT);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	CHECK_EQ(read(fd, BAD, 0), 0);
	CHECK_EQ(write(fd, BAD, 0), 0);
	close(fd);
}

/* A buffer whose second half is not there. */
static void partly_bad_buffer(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = tmpdir_file("partly", "0123456789"), ends[2];
	char got[16];

	CHECK(p != MAP_FAILED);
	CHECK(munmap(p + 4096, 4096) == 0);
	CHECK_EQ(read(fd, p + 4096 - 4, 10), 4);
	CHECK(memcmp(p + 4092, "0123", 4) == 0);
	CHECK(pipe(ends) == 0);
	CHECK_ERR(write(ends[1], p + 4096, 4), EFAULT);
	CHECK_EQ(write(ends[1], "ok", 2), 2);
	CHECK_EQ(read(ends[0], got, sizeof(got)), 2);
	close(fd);
	close(ends[0]);
	close(ends[1]);
	munmap(p, 4096);
}

static void read_only_memory_cannot_be_read_into(void)
{
	char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = tmpdir_file("ro", "x");

	CHECK(p != MAP_FAILED);
	CHECK_ERR(read(fd, p, 1), EFAULT);
	munmap(p, 4096);
	close(fd);
}

static void directories(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	char c;

	CHECK(fd >= 0);
	CHECK_ERR(read(fd, &c, 1), EISDIR);
	CHECK_ERR(write(fd, &c, 1), EBADF);
	CHECK_ERR(open(".", O_WRONLY), EISDIR);
	CHECK_ERR(open(".", O_RDWR), EISDIR);
	CHECK_ERR(ftruncate(fd, 0), EINVAL);
	CHECK_ERR(truncate(".", 0), EISDIR);
	CHECK(fsync(fd) == 0);
	close(fd);
}

static void positions(void)
{
	int fd = tmpdir_file("pos", "0123456789"), ends[2];
	char buf[8];

	CHECK_ERR(pread(fd, buf, 1, -1), EINVAL);
	CHECK_ERR(pwrite(fd, buf, 1, -1), EINVAL);
	CHECK_EQ(pread(fd, buf, 4, 3), 4);
	CHECK(memcmp(buf, "3456", 4) == 0);
	CHECK_EQ(pread(fd, buf, 8, 8), 2);
	CHECK_EQ(pread(fd, buf, 8, 10), 0);
	CHECK_EQ(pread(fd, buf, 8, 1000), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	CHECK_EQ(pwrite(fd, "XY", 2, 12), 2);
	CHECK_EQ(pread(fd, buf, 8, 9), 5);
	CHECK(memcmp(buf, "9\0\0XY", 5) == 0);
	CHECK(pipe(ends) == 0);
	CHECK_ERR(pread(ends[0], buf, 1, 0), ESPIPE);
	CHECK_ERR(pwrite(ends[1], buf, 1, 0), ESPIPE);
	close(ends[0]);
	close(ends[1]);
	close(fd);
}

static void append(void)
{
	int fd = tmpdir_file("append", "abc"), ap = open("append", O_WRONLY | O_APPEND);
	char buf[8];

	CHECK(ap >= 0);
	CHECK_EQ(write(ap, "de", 2), 2);
	CHECK_EQ(lseek(ap, 0, SEEK_CUR), 5);
	CHECK_EQ(lseek(ap, 0, SEEK_SET), 0);
	CHECK_EQ(write(ap, "f", 1), 1);
	CHECK_EQ(read(fd, buf, sizeof(buf)), 6);
	CHECK(memcmp(buf, "abcdef", 6) == 0);
	close(ap);
	close(fd);
}

static volatile sig_atomic_t xfsz;

static void on_xfsz(int signo)
{
	(void)signo;
	xfsz++;
}

static void file_size_limit(void)
{
	struct rlimit old, lim;
	int fd = tmpdir_file("limit", "");
	char buf[100] = { 0 };

	CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
	lim = old;
	lim.rlim_cur = 50;
	CHECK(signal(SIGXFSZ, on_xfsz) != SIG_ERR);
	CHECK(setrlimit(RLIMIT_FSIZE, &lim) == 0);
	CHECK_EQ(write(fd, buf, 100), 50);
	CHECK_EQ(xfsz, 0);
	CHECK_ERR(write(fd, buf, 1), EFBIG);
	CHECK_EQ(xfsz, 1);
	CHECK_ERR(ftruncate(fd, 51), EFBIG);
	CHECK_EQ(xfsz, 2);
	CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
	close(fd);
}

static void truncation(void)
{
	int fd = tmpdir_file("trunc", "0123456789"), ro = open("trunc", O_RDONLY);
	char buf[16];

	CHECK_ERR(ftruncate(fd, -1), EINVAL);
	CHECK_ERR(truncate("trunc", -1), EINVAL);
	CHECK_ERR(truncate("missing", 0), ENOENT);
	CHECK_ERR(ftruncate(ro, 0), EINVAL);
	CHECK(ftruncate(fd, 4) == 0);
	CHECK_EQ(read(fd, buf, sizeof(buf)), 4);
	CHECK(truncate("trunc", 6) == 0);
	CHECK_EQ(pread(fd, buf, sizeof(buf), 0), 6);
	CHECK(memcmp(buf, "0123\0\0", 6) == 0);
	close(fd);
	close(ro);
}

int main(void)
{
	tmpdir_enter();
	bad_descriptors();
	bad_addresses();
	partly_bad_buffer();
	read_only_memory_cannot_be_read_into();
	directories();
	positions();
	append();
	file_size_limit();
	truncation();
	return 0;
}
