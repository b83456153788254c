/* A file of the system, read in every way: all agree. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "check.h"

#define FILE_NAME "/bin/sh"

static char *read_whole(int fd, size_t size)
{
	char *buf = malloc(size);
	size_t at = 0;

	CHECK(buf != NULL);
	while (at < size) {
		ssize_t n = read(fd, buf + at, at % 2 ? 1000 : 777);

		CHECK(n > 0);
		at += (size_t)n;
	}
	CHECK_EQ(read(fd, buf, 1), 0);
	return buf;
}

static void all_ways_agree(int fd, const char *whole, size_t size)
{
	char a[300], b[5000];
	struct iovec iov[2] = { { a, sizeof(a) }, { b, sizeof(b) } };
	char *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

	CHECK(map != MAP_FAILED);
	CHECK(memcmp(map, whole, size) == 0);
	CHECK_EQ(preadv(fd, iov, 2, 1234), 5300);
	CHECK(memcmp(a, whole + 1234, 300) == 0);
	CHECK(memcmp(b, whole + 1534, 5000) == 0);
	CHECK_EQ(pread(fd, a, sizeof(a), (off_t)size - 10), 10);
	CHECK(memcmp(a, whole + size - 10, 10) == 0);
	CHECK_EQ(pread(fd, a, sizeof(a), (off_t)size), 0);
	CHECK_EQ(pread(fd, a, sizeof(a), (off_t)size + 100000), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), (off_t)size);
	CHECK_EQ(munmap(map, size), 0);
	CHECK_ERR(write(fd, "x", 1), EBADF);
}

/* The directory says the same numbers as stat. */
static void numbers_agree(const char *dir)
{
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(dir);
	int seen = 0;

	CHECK(d != NULL);
	while ((e = readdir(d)) && seen < 200) {
		if (e->d_type != DT_REG && e->d_type != DT_LNK)
			continue;
		CHECK_EQ(fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
		CHECK_EQ(st.st_ino, e->d_ino);
		CHECK(S_ISLNK(st.st_mode) == (e->d_type == DT_LNK));
		seen++;
	}
	CHECK(seen > 0);
	closedir(d);
}

int main(void)
{
	struct stat st, st2;
	int fd = open(FILE_NAME, O_RDONLY);
	char *whole;

	CHECK(fd >= 0);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(stat(FILE_NAME, &st2), 0);
	CHECK_EQ(st.st_ino, st2.st_ino);
	CHECK_EQ(st.st_dev, st2.st_dev);
	CHECK(st.st_size > 10000);
	whole = read_whole(fd, (size_t)st.st_size);
	all_ways_agree(fd, whole, (size_t)st.st_size);
	free(whole);
	close(fd);
	numbers_agree("/usr/bin");
	CHECK_ERR(open("/bin/sh/x", O_RDONLY), ENOTDIR);
	CHECK_ERR(open("/bin/there-is-no-such", O_RDONLY), ENOENT);
	return 0;
}
