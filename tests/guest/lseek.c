/* lseek: every whence, its errors, holes, and that forked and duplicated
 * descriptors share one position. */
#include <sys/wait.h>

#include "tmpdir.h"

static void whences(int fd)
{
	CHECK_EQ(lseek(fd, 0, SEEK_END), 10);
	CHECK_EQ(lseek(fd, -3, SEEK_END), 7);
	CHECK_EQ(lseek(fd, -2, SEEK_CUR), 5);
	CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
	CHECK_EQ(lseek(fd, 5, SEEK_END), 15);
	CHECK_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERR(lseek(fd, -11, SEEK_END), EINVAL);
	CHECK_ERR(lseek(fd, -16, SEEK_CUR), EINVAL);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 15);
	CHECK_ERR(lseek(fd, 0, 5), EINVAL);
	CHECK_ERR(lseek(fd, 0, -1), EINVAL);
	CHECK_ERR(lseek(-1, 0, SEEK_SET), EBADF);
}

static void holes(int fd)
{
	off_t hole;

	/* A file system may say that all of it is data. */
	CHECK_EQ(lseek(fd, 0, SEEK_DATA), 0);
	hole = lseek(fd, 0, SEEK_HOLE);
	CHECK_EQ(hole, 10);
	CHECK_ERR(lseek(fd, 10, SEEK_DATA), ENXIO);
	CHECK_ERR(lseek(fd, 11, SEEK_HOLE), ENXIO);
	CHECK_ERR(lseek(fd, -1, SEEK_DATA), ENXIO);
}

static void shared_position(int fd)
{
	int dup_fd = dup(fd), other = open("f", O_RDONLY), status;
	char c;

	CHECK(dup_fd >= 0 && other >= 0);
	CHECK_EQ(lseek(fd, 4, SEEK_SET), 4);
	CHECK_EQ(lseek(dup_fd, 0, SEEK_CUR), 4);
	CHECK_EQ(lseek(other, 0, SEEK_CUR), 0);
	if (fork() == 0) {
		CHECK_EQ(read(fd, &c, 1), 1);
		_exit(c == '4' ? 0 : 1);
	}
	CHECK(wait(&status) > 0 && status == 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
	CHECK_EQ(read(dup_fd, &c, 1), 1);
	CHECK_EQ(c, '5');
}

static void streams(void)
{
	int ends[2];

	CHECK(pipe(ends) == 0);
	CHECK_ERR(lseek(ends[0], 0, SEEK_SET), ESPIPE);
	CHECK_ERR(lseek(ends[1], 0, SEEK_CUR), ESPIPE);
}

int main(void)
{
	int fd;

	tmpdir_enter();
	fd = tmpdir_file("f", "0123456789");
	whences(fd);
	holes(fd);
	shared_position(fd);
	streams();
	return 0;
}
