/* process_vm_readv and process_vm_writev: between parent and child, in pieces of
 * any shape, partial at bad addresses, errors. */
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

static char area[3 * 4096] = "parent";

static struct iovec iov(void *base, size_t size)
{
	return (struct iovec){ base, size };
}

static void with_child(pid_t pid)
{
	struct iovec l[20], r[20];
	static char buf[3 * 4096];

	l[0] = iov(buf, sizeof(buf));
	r[0] = iov(area, sizeof(area));
	CHECK_EQ(process_vm_readv(pid, l, 1, r, 1, 0), sizeof(area));
	CHECK(!strcmp(buf, "child"));
	CHECK(!strcmp(area, "parent"));
	for (size_t i = 6; i < sizeof(buf); i++)
		CHECK(buf[i] == (char)(i * 7));
	memset(buf, 0, sizeof(buf));
	/* Pieces that do not fit each other, empty ones among them. */
	for (int i = 0; i < 20; i++) {
		l[i] = iov(buf + i * 100, i % 3 ? 100 : 0);
		r[i] = iov(area + 1000 + i * 70, 70);
	}
	CHECK_EQ(process_vm_readv(pid, l, 20, r, 20, 0), 13 * 100);
	CHECK(buf[100] == (char)(1000 * 7) && buf[199] == (char)(1099 * 7));
	CHECK(buf[400] == (char)(1200 * 7));
	memcpy(buf, "written", 8);
	l[0] = iov(buf, 8);
	r[0] = iov(area, 8);
	CHECK_EQ(process_vm_writev(pid, l, 1, r, 1, 0), 8);
}

static void errors(pid_t pid, char *hole)
{
	char buf[8192];
	struct iovec l = iov(buf, sizeof(buf)), r = iov(hole, 8192), many[2];

	/* The second page is not there. */
	CHECK_EQ(process_vm_readv(pid, &l, 1, &r, 1, 0), 4096);
	r = iov(hole + 4096, 100);
	CHECK_ERR(process_vm_readv(pid, &l, 1, &r, 1, 0), EFAULT);
	r = iov(area, 100);
	l = iov(hole + 4096, 100);
	CHECK_ERR(process_vm_readv(pid, &l, 1, &r, 1, 0), EFAULT);
	l = iov(buf, 100);
	CHECK_ERR(process_vm_readv(pid, &l, 1, &r, 1, 1), EINVAL);
	CHECK_ERR(process_vm_readv(pid, &l, IOV_MAX + 1, &r, 1, 0), EINVAL);
	CHECK_ERR(process_vm_readv(pid, (struct iovec *)1, 1, &r, 1, 0), EFAULT);
	CHECK_ERR(process_vm_readv(0x3fffff00, &l, 1, &r, 1, 0), ESRCH);
	CHECK_EQ(process_vm_readv(pid, &l, 1, &r, 0, 0), 0);
	many[0] = iov(area, 50);
	many[1] = iov(area, (size_t)SSIZE_MAX + 1);
	CHECK_ERR(process_vm_readv(pid, &l, 1, many, 2, 0), EINVAL);
	/* Memory that may not be written. */
	r = iov(hole, 100);
	CHECK_ERR(process_vm_writev(pid, &l, 1, &r, 1, 0), EFAULT);
}

static void self(void)
{
	char a[100] = "own", b[100];
	struct iovec l = iov(b, 100), r = iov(a, 100);

	CHECK_EQ(process_vm_readv(getpid(), &l, 1, &r, 1, 0), 100);
	CHECK(!strcmp(b, "own"));
}

int main(void)
{
	char *hole = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), c;
	int up[2], down[2], status;
	pid_t pid;

	CHECK(hole != MAP_FAILED);
	CHECK(munmap(hole + 4096, 4096) == 0);
	CHECK(pipe(up) == 0 && pipe(down) == 0);
	self();
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		memcpy(area, "child", 6);
		for (size_t i = 6; i < sizeof(area); i++)
			area[i] = (char)(i * 7);
		CHECK_EQ(write(up[1], "x", 1), 1);
		CHECK_EQ(read(down[0], &c, 1), 1);
		_exit(strcmp(area, "written") ? 1 : 0);
	}
	CHECK_EQ(read(up[0], &c, 1), 1);
	with_child(pid);
	errors(pid, hole);
	CHECK_EQ(write(down[1], "x", 1), 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return 0;
}
