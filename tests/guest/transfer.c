/* sendfile, copy_file_range, splice, tee, vmsplice. */
#include <pthread.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "tmpdir.h"
#include "waitfor.h"

static void sendfiles(void)
{
	int in = tmpdir_file("in", "0123456789"), out = tmpdir_file("out", ""), ends[2];
	int append = open("out", O_WRONLY | O_APPEND);
	off_t off = 2;
	char buf[32];

	CHECK_EQ(sendfile(out, in, &off, 4), 4);
	CHECK_EQ(off, 6);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 0);
	CHECK_EQ(sendfile(out, in, NULL, 100), 10);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 10);
	CHECK_EQ(sendfile(out, in, NULL, 100), 0);
	CHECK_EQ(pread(out, buf, sizeof(buf), 0), 14);
	CHECK(memcmp(buf, "23450123456789", 14) == 0);
	CHECK(pipe(ends) == 0);
	off = 0;
	CHECK_EQ(sendfile(ends[1], in, &off, 3), 3);
	CHECK_EQ(read(ends[0], buf, sizeof(buf)), 3);
	CHECK(memcmp(buf, "012", 3) == 0);
	CHECK_ERR(sendfile(out, -1, NULL, 1), EBADF);
	CHECK_ERR(sendfile(-1, in, NULL, 1), EBADF);
	CHECK_ERR(sendfile(append, in, NULL, 1), EINVAL);
	off = -1;
	CHECK_ERR(sendfile(out, in, &off, 1), EINVAL);
	CHECK_ERR(sendfile(out, in, (off_t *)1, 1), EFAULT);
	close(in);
	close(out);
	close(append);
	close(ends[0]);
	close(ends[1]);
}

static void copy_ranges(void)
{
	int in = tmpdir_file("ci", "0123456789"), out = tmpdir_file("co", ""), ends[2];
	int dir = open(".", O_RDONLY), append = open("co", O_WRONLY | O_APPEND);
	off_t from = 3, to = 1;
	char buf[32];

	CHECK_EQ(copy_file_range(in, &from, out, &to, 4, 0), 4);
	CHECK_EQ(from, 7);
	CHECK_EQ(to, 5);
	CHECK_EQ(pread(out, buf, sizeof(buf), 0), 5);
	CHECK(memcmp(buf, "\0003456", 5) == 0);
	CHECK_EQ(copy_file_range(in, NULL, out, NULL, 2, 0), 2);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 2);
	CHECK_EQ(lseek(out, 0, SEEK_CUR), 2);
	CHECK_EQ(copy_file_range(in, NULL, out, NULL, 100, 0), 8);
	CHECK_EQ(copy_file_range(in, NULL, out, NULL, 100, 0), 0);
	CHECK_ERR(copy_file_range(in, NULL, out, NULL, 1, 1), EINVAL);
	CHECK_ERR(copy_file_range(in, NULL, append, NULL, 1, 0), EBADF);
	CHECK_ERR(copy_file_range(dir, NULL, out, NULL, 1, 0), EISDIR);
	CHECK(pipe(ends) == 0);
	CHECK_ERR(copy_file_range(ends[0], NULL, out, NULL, 1, 0), EINVAL);
	/* Parts of one file, but none that overlap. */
	from = 0;
	to = 20;
	CHECK_EQ(copy_file_range(out, &from, out, &to, 5, 0), 5);
	from = 0;
	to = 2;
	CHECK_ERR(copy_file_range(out, &from, out, &to, 5, 0), EINVAL);
	close(in);
	close(out);
	close(dir);
	close(append);
	close(ends[0]);
	close(ends[1]);
}

static void splices(void)
{
	int in = tmpdir_file("si", "0123456789"), out = tmpdir_file("so", ""), ends[2];
	off_t off = 4;
	char buf[32];

	CHECK(pipe(ends) == 0);
	CHECK_EQ(splice(in, &off, ends[1], NULL, 3, 0), 3);
	CHECK_EQ(off, 7);
	off = 1;
	CHECK_EQ(splice(ends[0], NULL, out, &off, 100, 0), 3);
	CHECK_EQ(off, 4);
	CHECK_EQ(pread(out, buf, sizeof(buf), 0), 4);
	CHECK(memcmp(buf, "\000456", 4) == 0);
	CHECK_ERR(splice(ends[0], NULL, out, NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_ERR(splice(in, NULL, out, NULL, 1, 0), EINVAL);
	CHECK_ERR(splice(ends[0], &off, out, NULL, 1, 0), ESPIPE);
	CHECK_ERR(splice(ends[0], NULL, ends[1], NULL, 1, 0), EINVAL);
	CHECK_ERR(splice(in, NULL, ends[1], NULL, 1, 0x100), EINVAL);
	CHECK_ERR(splice(-1, NULL, ends[1], NULL, 1, 0), EBADF);
	CHECK_EQ(splice(in, NULL, ends[1], NULL, 0, 0), 0);
	CHECK_EQ(lseek(in, 0, SEEK_END), 10);
	CHECK_EQ(splice(in, NULL, ends[1], NULL, 1, 0), 0);
	close(ends[1]);
	CHECK_EQ(splice(ends[0], NULL, out, NULL, 1, 0), 0);
	close(ends[0]);
	close(in);
	close(out);
}

static void vmsplices(void)
{
	struct iovec v[2] = { { (void *)"ab", 2 }, { (void *)"cde", 3 } };
	char buf[16];
	int ends[2], file = tmpdir_file("vm", "");

	CHECK(pipe(ends) == 0);
	CHECK_EQ(vmsplice(ends[1], v, 2, 0), 5);
	CHECK_EQ(read(ends[0], buf, sizeof(buf)), 5);
	CHECK(memcmp(buf, "abcde", 5) == 0);
	CHECK_ERR(vmsplice(file, v, 2, 0), EBADF);
	CHECK_ERR(vmsplice(ends[1], v, 2, 0x100), EINVAL);
	close(ends[0]);
	close(ends[1]);
	close(file);
}

static void *write_later(void *arg)
{
	wait_asleep(getpid(), SYS_tee);
	CHECK_EQ(write(*(int *)arg, "late", 4), 4);
	return NULL;
}

static void tees(void)
{
	int in[2], out[2], file = tmpdir_file("t", "");
	char buf[64], big[70000];
	pthread_t th;

	CHECK(pipe(in) == 0 && pipe(out) == 0);
	CHECK_EQ(write(in[1], "0123456789", 10), 10);
	CHECK_EQ(tee(in[0], out[1], 4, 0), 4);
	CHECK_EQ(tee(in[0], out[1], 100, 0), 10);
	CHECK_EQ(read(out[0], buf, sizeof(buf)), 14);
	CHECK(memcmp(buf, "01230123456789", 14) == 0);
	CHECK_EQ(read(in[0], buf, sizeof(buf)), 10);
	CHECK(memcmp(buf, "0123456789", 10) == 0);
	CHECK_ERR(tee(in[0], out[1], 10, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_EQ(tee(in[0], out[1], 0, 0), 0);
	CHECK_EQ(pthread_create(&th, NULL, write_later, &in[1]), 0);
	CHECK_EQ(tee(in[0], out[1], 10, 0), 4);
	CHECK_EQ(pthread_join(th, NULL), 0);
	/* The other pipe is full: no more fits. */
	memset(big, 'x', sizeof(big));
	CHECK_EQ(fcntl(out[1], F_SETFL, O_NONBLOCK), 0);
	while (write(out[1], big, 4096) > 0)
		;
	while (write(out[1], big, 1) > 0)
		;
	CHECK_ERR(tee(in[0], out[1], 4, 0), EAGAIN);
	CHECK_ERR(tee(in[0], in[1], 4, 0), EINVAL);
	CHECK_ERR(tee(file, out[1], 4, 0), EINVAL);
	CHECK_ERR(tee(in[0], file, 4, 0), EINVAL);
	CHECK_ERR(tee(in[1], out[1], 4, 0), EBADF);
	CHECK_ERR(tee(in[0], -1, 4, 0), EBADF);
	CHECK_ERR(tee(in[0], out[1], 4, 0x100), EINVAL);
	close(in[1]);
	CHECK_EQ(read(in[0], buf, sizeof(buf)), 4);
	while (read(out[0], big, sizeof(big)) == (ssize_t)sizeof(big))
		;
	CHECK_EQ(fcntl(out[1], F_SETFL, 0), 0);
	CHECK_EQ(tee(in[0], out[1], 4, 0), 0); /* no writer is left */
	close(out[0]);
	signal(SIGPIPE, SIG_IGN);
	close(in[0]);
	CHECK(pipe(in) == 0);
	CHECK_EQ(write(in[1], "x", 1), 1);
	CHECK_ERR(tee(in[0], out[1], 4, 0), EPIPE);
	close(in[0]);
	close(in[1]);
	close(out[1]);
	close(file);
}

int main(void)
{
	tmpdir_enter();
	sendfiles();
	copy_ranges();
	splices();
	vmsplices();
	tees();
	return 0;
}
