/* preadv2 and pwritev2: position -1, and the flags. */
#include <sys/uio.h>

#include "tmpdir.h"

#define RWF_UNKNOWN 0x40000000

static ssize_t get(int fd, char *buf, size_t size, off_t pos, int flags)
{
	struct iovec v = { buf, size };

	return preadv2(fd, &v, 1, pos, flags);
}

static ssize_t put(int fd, const char *text, off_t pos, int flags)
{
	struct iovec v = { (void *)text, strlen(text) };

	return pwritev2(fd, &v, 1, pos, flags);
}

int main(void)
{
	char buf[16];
	int fd, ends[2];

	tmpdir_enter();
	fd = tmpdir_file("f", "0123456789");
	CHECK_EQ(get(fd, buf, 4, -1, 0), 4);
	CHECK(memcmp(buf, "0123", 4) == 0);
	CHECK_EQ(get(fd, buf, 4, -1, 0), 4);
	CHECK(memcmp(buf, "4567", 4) == 0);
	CHECK_EQ(get(fd, buf, 2, 1, 0), 2);
	CHECK(memcmp(buf, "12", 2) == 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8);
	CHECK_ERR(get(fd, buf, 2, -2, 0), EINVAL);
	CHECK_ERR(get(fd, buf, 2, 0, RWF_UNKNOWN), EOPNOTSUPP);
	CHECK_ERR(put(fd, "x", 0, RWF_UNKNOWN), EOPNOTSUPP);

	CHECK_EQ(put(fd, "AB", -1, 0), 2);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
	CHECK_EQ(put(fd, "C", 0, RWF_DSYNC), 1);
	CHECK_EQ(put(fd, "D", 1, RWF_SYNC), 1);
	CHECK_EQ(put(fd, "end", 0, RWF_APPEND), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 13);
	CHECK_EQ(get(fd, buf, sizeof(buf), 0, 0), 13);
	CHECK(memcmp(buf, "CD234567ABend", 13) == 0);

	CHECK(pipe(ends) == 0);
	CHECK_ERR(get(ends[0], buf, 1, 0, 0), ESPIPE);
	CHECK_EQ(put(ends[1], "p", -1, 0), 1);
	CHECK_EQ(get(ends[0], buf, 1, -1, 0), 1);
	/* Nothing to read, and no wish to wait. */
	CHECK_ERR(get(ends[0], buf, 1, -1, RWF_NOWAIT), EAGAIN);
	return 0;
}
