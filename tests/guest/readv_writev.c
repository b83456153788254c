/* readv, writev, preadv, pwritev: scattering, limits, faults in the middle. */
#include <limits.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tmpdir.h"

static void gather_and_scatter(void)
{
	int fd = tmpdir_file("v", "");
	char a[4] = "", b[8] = "", c[4] = "";
	struct iovec out[4] = {
		{ (void *)"abc", 3 }, { NULL, 0 }, { (void *)"defgh", 5 }, { (void *)"i", 1 }
	};
	struct iovec in[3] = { { a, 2 }, { b, 5 }, { c, 4 } };

	CHECK_EQ(writev(fd, out, 4), 9);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 9);
	CHECK_EQ(preadv(fd, in, 3, 0), 9);
	CHECK(memcmp(a, "ab", 2) == 0 && memcmp(b, "cdefg", 5) == 0 && memcmp(c, "hi", 2) == 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 9);
	CHECK_EQ(pwritev(fd, out, 1, 7), 3);
	CHECK_EQ(lseek(fd, 5, SEEK_SET), 5);
	CHECK_EQ(readv(fd, in, 2), 5);
	CHECK(memcmp(a, "fg", 2) == 0 && memcmp(b, "abc", 3) == 0);
	CHECK_EQ(readv(fd, in, 2), 0);
	CHECK_ERR(preadv(fd, in, 1, -1), EINVAL);
	close(fd);
}

static void limits(void)
{
	static struct iovec many[IOV_MAX + 1];
	static char byte[IOV_MAX + 1];
	int fd = tmpdir_file("limits", "");

	for (int i = 0; i <= IOV_MAX; i++)
		many[i] = (struct iovec){ &byte[i], 1 };
	CHECK_EQ(writev(fd, many, IOV_MAX), IOV_MAX);
	CHECK_ERR(writev(fd, many, IOV_MAX + 1), EINVAL);
	CHECK_ERR(syscall(SYS_writev, fd, many, -1L), EINVAL);
	CHECK_EQ(writev(fd, many, 0), 0);
	CHECK_EQ(writev(fd, NULL, 0), 0);
	CHECK_ERR(syscall(SYS_writev, fd, 1L, 1), EFAULT);
	many[1].iov_len = SIZE_MAX;
	CHECK_ERR(writev(fd, many, 2), EINVAL);
	CHECK_ERR(syscall(SYS_writev, -1, 1L, 1), EBADF);
	CHECK_ERR(syscall(SYS_readv, fd, 1L, 1), EFAULT);
	close(fd);
}

static void faults(void)
{
	int fd = tmpdir_file("faults", "0123456789");
	char a[4];
	struct iovec v[2] = { { a, 4 }, { (void *)1, 4 } };

	/* The good part is moved, and the position with it. */
	CHECK_EQ(readv(fd, v, 2), 4);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
	CHECK_ERR(readv(fd, v + 1, 1), EFAULT);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
	v[1].iov_base = (void *)ULONG_MAX;
	CHECK_ERR(readv(fd, v, 2), EFAULT);
	close(fd);
}

static void pipes(void)
{
	int ends[2];
	char a[3], b[3];
	struct iovec out[2] = { { (void *)"12", 2 }, { (void *)"345", 3 } };
	struct iovec in[2] = { { a, 3 }, { b, 3 } };

	CHECK(pipe(ends) == 0);
	CHECK_EQ(writev(ends[1], out, 2), 5);
	CHECK_EQ(readv(ends[0], in, 2), 5);
	CHECK(memcmp(a, "123", 3) == 0 && memcmp(b, "45", 2) == 0);
	CHECK_ERR(preadv(ends[0], in, 1, 0), ESPIPE);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	tmpdir_enter();
	gather_and_scatter();
	limits();
	faults();
	pipes();
	return 0;
}
