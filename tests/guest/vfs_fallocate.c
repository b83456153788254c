/* Sparse files: fallocate, holes punched, SEEK_DATA and SEEK_HOLE; limits of the
 * file size; append. */
#include <linux/falloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "tmpdir.h"

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static struct stat st_of(int fd)
{
	struct stat st;

	CHECK(fstat(fd, &st) == 0);
	return st;
}

static void reserve(void)
{
	int fd = tmpdir_file("a", "");

	CHECK(fallocate(fd, 0, 0, 65536) == 0);
	CHECK_EQ(st_of(fd).st_size, 65536);
	CHECK(st_of(fd).st_blocks >= 128);
	CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 65536, 65536) == 0);
	CHECK_EQ(st_of(fd).st_size, 65536);
	CHECK_ERR(fallocate(fd, 0, 0, 0), EINVAL);
	CHECK_ERR(fallocate(fd, 0, -1, 1), EINVAL);
	CHECK_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1), EOPNOTSUPP);
	CHECK_ERR(fallocate(fd, 0x1000, 0, 1), EOPNOTSUPP);
	close(fd);
	fd = open("a", O_RDONLY);
	CHECK_ERR(fallocate(fd, 0, 0, 1), EBADF);
	close(fd);
	int p[2];
	CHECK(pipe(p) == 0);
	CHECK_ERR(fallocate(p[1], 0, 0, 1), ESPIPE);
}

static void punch(void)
{
	static char ones[65536], back[65536];
	int fd = tmpdir_file("b", "");

	memset(ones, 1, sizeof(ones));
	CHECK_EQ(write(fd, ones, sizeof(ones)), sizeof(ones));
	CHECK(fallocate(fd, PUNCH, 10000, 30000) == 0);
	memset(ones + 10000, 0, 30000);
	CHECK_EQ(pread(fd, back, sizeof(back), 0), sizeof(back));
	CHECK(memcmp(ones, back, sizeof(back)) == 0);
	CHECK(st_of(fd).st_blocks <= 128 - 48);
	CHECK(fallocate(fd, PUNCH, 1 << 20, 4096) == 0); /* beyond the end */
	CHECK_EQ(st_of(fd).st_size, 65536);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 12288);
	CHECK_EQ(lseek(fd, 12288, SEEK_DATA), 36864);
	CHECK_EQ(lseek(fd, 36864, SEEK_HOLE), 65536);
	CHECK_ERR(lseek(fd, 65536, SEEK_DATA), ENXIO);
	CHECK_ERR(lseek(fd, 65536, SEEK_HOLE), ENXIO);
	CHECK_ERR(lseek(fd, -1, SEEK_DATA), ENXIO);
	CHECK_EQ(lseek(fd, 5, SEEK_DATA), 5);
	close(fd);
}

static void sparse(void)
{
	int fd = tmpdir_file("c", "");

	CHECK_EQ(pwrite(fd, "end", 3, 1L << 40), 3);
	CHECK_EQ(st_of(fd).st_size, (1L << 40) + 3);
	CHECK(st_of(fd).st_blocks < 64);
	CHECK_EQ(lseek(fd, 0, SEEK_DATA), 1L << 40);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 0);
	close(fd);
}

static void append(void)
{
	char buf[16];
	int fd = tmpdir_file("d", "abc"), fd2;

	close(fd);
	fd = open("d", O_RDWR | O_APPEND);
	fd2 = open("d", O_RDWR);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(write(fd, "d", 1), 1);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
	CHECK_EQ(pwrite(fd2, "12345678", 8, 2), 8);
	CHECK_EQ(write(fd, "e", 1), 1);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 11);
	CHECK_EQ(pwrite(fd, "f", 1, 0), 1); /* appends all the same */
	CHECK_EQ(pread(fd, buf, 16, 0), 12);
	CHECK(memcmp(buf, "ab12345678ef", 12) == 0);
	CHECK(fcntl(fd, F_SETFL, 0) == 0);
	CHECK_EQ(pwrite(fd, "X", 1, 0), 1);
	CHECK_EQ(pread(fd, buf, 1, 0), 1);
	CHECK_EQ(buf[0], 'X');
}

static void size_limit(void)
{
	struct rlimit rl = { 10, RLIM_INFINITY };
	int fd = tmpdir_file("e", "");

	signal(SIGXFSZ, SIG_IGN);
	CHECK(setrlimit(RLIMIT_FSIZE, &rl) == 0);
	CHECK_EQ(write(fd, "0123456789ABC", 13), 10);
	CHECK_ERR(write(fd, "x", 1), EFBIG);
	CHECK_EQ(pwrite(fd, "xyz", 3, 8), 2);
	CHECK_ERR(ftruncate(fd, 11), EFBIG);
	CHECK(ftruncate(fd, 10) == 0);
	CHECK_ERR(fallocate(fd, 0, 0, 11), EFBIG);
	rl.rlim_cur = RLIM_INFINITY;
	CHECK(setrlimit(RLIMIT_FSIZE, &rl) == 0);
	CHECK_EQ(pwrite(fd, "x", 1, 100), 1);
}

int main(void)
{
	tmpdir_enter();
	reserve();
	punch();
	sparse();
	append();
	size_limit();
	return 0;
}
