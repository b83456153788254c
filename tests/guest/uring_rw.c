/* nacre:
 * nacre: --io-uring-pages
 * Reads and writes: every form, on files, pipes and eventfds; provided and registered
 * buffers; what waits is cancelled; what else is done to files. */
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "ring.h"

static struct uring r;
static int file;
static char buf[65536], other[65536];

static struct io_uring_sqe *op(unsigned code, uint64_t data, int fd, const void *addr, unsigned len,
			       uint64_t off)
{
	struct io_uring_sqe *s = ring_sqe(&r, code, data);

	s->fd = fd;
	s->addr = (uintptr_t)addr;
	s->len = len;
	s->off = off;
	return s;
}

static int result(uint64_t data)
{
	CHECK_EQ(ring_submit(&r, 1), 1);
	return ring_result(&r, data);
}

static int one(unsigned code, int fd, const void *addr, unsigned len, uint64_t off)
{
	op(code, 7, fd, addr, len, off);
	return result(7);
}

static void fill(char *p, size_t n, int seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + (size_t)seed);
}

static void plain(void)
{
	struct iovec iov[2] = { { buf, 100 }, { buf + 200, 300 } };

	fill(buf, sizeof(buf), 1);
	CHECK_EQ(one(IORING_OP_WRITE, file, buf, 50000, 0), 50000);
	CHECK_EQ(one(IORING_OP_READ, file, other, 60000, 0), 50000);
	CHECK(memcmp(buf, other, 50000) == 0);
	CHECK_EQ(one(IORING_OP_READ, file, other, 100, 49990), 10);
	CHECK_EQ(one(IORING_OP_READ, file, other, 100, 60000), 0);
	/* -1: the file's own position. */
	CHECK_EQ(lseek(file, 10, SEEK_SET), 10);
	CHECK_EQ(one(IORING_OP_READ, file, other, 100, (uint64_t)-1), 100);
	CHECK(memcmp(buf + 10, other, 100) == 0);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 110);
	CHECK_EQ(one(IORING_OP_WRITE, file, "abc", 3, (uint64_t)-1), 3);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 113);
	CHECK_EQ(pwrite(file, buf + 110, 3, 110), 3);
	memset(other, 0, sizeof(other));
	CHECK_EQ(one(IORING_OP_WRITEV, file, iov, 2, 1000), 400);
	iov[0].iov_base = other;
	iov[1].iov_base = other + 200;
	CHECK_EQ(one(IORING_OP_READV, file, iov, 2, 1000), 400);
	CHECK(memcmp(buf, other, 100) == 0 && memcmp(buf + 200, other + 200, 300) == 0);
	CHECK_EQ(one(IORING_OP_READV, file, iov, 0, 0), 0);
	CHECK_EQ(one(IORING_OP_READV, file, iov, 1025, 0), -EINVAL);
	CHECK_EQ(one(IORING_OP_READV, file, (void *)8, 1, 0), -EFAULT);
	CHECK_EQ(one(IORING_OP_READ, file, (void *)8, 1, 0), -EFAULT);
	CHECK_EQ(one(IORING_OP_READ, file, (void *)(uintptr_t)(1ull << 62), 1, 0), -EFAULT);
	CHECK_EQ(one(IORING_OP_READ, 99, other, 1, 0), -EBADF);
	CHECK_EQ(one(IORING_OP_READ, file, other, 1, (uint64_t)-5), -EINVAL);
}

static void wrong(void)
{
	int ro = open("/dev/null", O_RDONLY), wo = open("/dev/null", O_WRONLY);

	CHECK_EQ(one(IORING_OP_WRITE, ro, buf, 1, 0), -EBADF);
	CHECK_EQ(one(IORING_OP_READ, wo, buf, 1, 0), -EBADF);
	op(IORING_OP_READ, 1, file, other, 1, 0)->rw_flags = 1 << 20;
	CHECK_EQ(result(1), -EOPNOTSUPP);
	op(IORING_OP_READ, 1, file, other, 1, 0)->ioprio = 1;
	CHECK_EQ(result(1), -EINVAL);
	op(IORING_OP_READ, 1, file, other, 1, 0)->ioprio = 2 << 13 | 3;
	CHECK_EQ(result(1), 1);
	op(IORING_OP_READ, 1, file, other, 1, 0)->ioprio = 5 << 13;
	CHECK_EQ(result(1), -EINVAL);
	op(IORING_OP_WRITE, 1, file, other, 1, 0)->flags = IOSQE_BUFFER_SELECT;
	CHECK_EQ(result(1), -EOPNOTSUPP);
	op(IORING_OP_READ, 1, file, other, 1, 0)->flags = IOSQE_BUFFER_SELECT;
	CHECK_EQ(result(1), -ENOBUFS);
	op(IORING_OP_READ, 1, 3, other, 1, 0)->flags = IOSQE_FIXED_FILE;
	CHECK_EQ(result(1), -EBADF);
	CHECK_EQ(one(IORING_OP_READ_FIXED, file, other, 1, 0), -EFAULT);
	CHECK_EQ(one(IORING_OP_READ_MULTISHOT, file, NULL, 0, 0), -EINVAL);
	close(ro);
	close(wo);
}

/* What the entry points to may change as soon as it is taken. */
static void stable(void)
{
	struct iovec iov = { other, 10 };
	int p[2];

	CHECK(pipe(p) == 0);
	memset(other, 0, 100);
	op(IORING_OP_READV, 1, p[0], &iov, 1, 0);
	CHECK_EQ(ring_submit(&r, 0), 1);
	iov = (struct iovec){ NULL, 99999 };
	CHECK_EQ(write(p[1], "0123456789", 10), 10);
	CHECK_EQ(ring_result(&r, 1), 10);
	CHECK(memcmp(other, "0123456789", 10) == 0);
	close(p[0]);
	close(p[1]);
}

static void expect2(int res1, int res2)
{
	for (int i = 0; i < 2; i++) {
		struct io_uring_cqe c = ring_wait(&r);

		CHECK(c.user_data == 1 || c.user_data == 2);
		CHECK_EQ(c.res, c.user_data == 1 ? res1 : res2);
	}
}

static void links(void)
{
	op(IORING_OP_WRITE, 1, file, "hello", 5, 0)->flags = IOSQE_IO_LINK;
	op(IORING_OP_READ, 2, file, other, 5, 0);
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect2(5, 5);
	CHECK(memcmp(other, "hello", 5) == 0);
	/* Less than was asked for breaks a link, but not a hard one. */
	op(IORING_OP_READ, 1, file, other, 100, 49990)->flags = IOSQE_IO_LINK;
	op(IORING_OP_NOP, 2, 0, NULL, 0, 0);
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect2(10, -ECANCELED);
	op(IORING_OP_READ, 1, file, other, 100, 49990)->flags = IOSQE_IO_HARDLINK;
	op(IORING_OP_NOP, 2, 0, NULL, 0, 0);
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect2(10, 0);
	/* A sync that fails breaks none. */
	op(IORING_OP_FALLOCATE, 1, file, NULL, 0, 0)->flags = IOSQE_IO_LINK;
	op(IORING_OP_NOP, 2, 0, NULL, 0, 0);
	CHECK_EQ(ring_submit(&r, 2), 2);
	expect2(-EINVAL, 0);
}

static void waits(unsigned flags)
{
	uint64_t count = 3;
	int p[2], e = eventfd(0, 0);

	CHECK(pipe(p) == 0);
	op(IORING_OP_READ, 1, p[0], other, 100, 0)->flags = (uint8_t)flags;
	op(IORING_OP_READ, 2, e, &count, 8, 0)->flags = (uint8_t)flags;
	CHECK_EQ(ring_submit(&r, 0), 2);
	CHECK_EQ(write(p[1], "xyz", 3), 3);
	CHECK_EQ(ring_result(&r, 1), 3);
	count = 5;
	CHECK_EQ(write(e, &count, 8), 8);
	CHECK_EQ(ring_result(&r, 2), 8);
	CHECK_EQ(count, 5);
	/* Cancelled. */
	op(IORING_OP_READ, 1, p[0], other, 100, 0)->flags = (uint8_t)flags;
	CHECK_EQ(ring_submit(&r, 0), 1);
	usleep(20000);
	ring_sqe(&r, IORING_OP_ASYNC_CANCEL, 2)->addr = 1;
	CHECK_EQ(ring_submit(&r, 0), 1);
	for (int i = 0; i < 2; i++) {
		struct io_uring_cqe c = ring_wait(&r);

		if (c.user_data == 1)
			CHECK(c.res == -ECANCELED || c.res == -EINTR);
		else
			CHECK(c.res == 0 || c.res == -EALREADY);
	}
	/* A full pipe is written as soon as there is room. */
	fcntl(p[1], F_SETPIPE_SZ, 4096);
	CHECK_EQ(write(p[1], buf, 4096), 4096);
	op(IORING_OP_WRITE, 1, p[1], buf, 4096, 0)->flags = (uint8_t)flags;
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(read(p[0], other, 4096), 4096);
	CHECK_EQ(ring_result(&r, 1), 4096);
	CHECK_EQ(read(p[0], other, 4096), 4096);
	/* Nobody waits for a request that says so; O_NONBLOCK alone does not. */
	op(IORING_OP_READ, 1, p[0], other, 100, 0)->rw_flags = 8; /* RWF_NOWAIT */
	CHECK_EQ(result(1), -EAGAIN);
	CHECK(fcntl(p[0], F_SETFL, O_NONBLOCK) == 0);
	op(IORING_OP_READ, 1, p[0], other, 100, 0);
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(write(p[1], "ab", 2), 2);
	CHECK_EQ(ring_result(&r, 1), 2);
	close(p[1]);
	CHECK_EQ(one(IORING_OP_READ, p[0], other, 100, 0), 0);
	close(p[0]);
	close(e);
}

static volatile sig_atomic_t got_pipe;

static void on_pipe(int sig)
{
	got_pipe += sig == SIGPIPE;
}

static void broken_pipe(void)
{
	int p[2];

	CHECK(pipe(p) == 0);
	close(p[0]);
	signal(SIGPIPE, on_pipe);
	CHECK_EQ(one(IORING_OP_WRITE, p[1], "x", 1, 0), -EPIPE);
	CHECK_EQ(got_pipe, 1);
	close(p[1]);
}

static void fixed(void)
{
	struct iovec iov[2] = { { buf, 8192 }, { other, sizeof(other) } };
	const struct iovec vec[2] = { { other + 16, 100 }, { other + 4096, 200 } };
	const int files[3] = { file, -1, file };
	struct io_uring_sqe *s;

	fill(buf, 8192, 3);
	CHECK_EQ(io_register(r.fd, IORING_REGISTER_BUFFERS, iov, 2), 0);
	CHECK_EQ(io_register(r.fd, IORING_REGISTER_BUFFERS, iov, 2), -1);
	CHECK_EQ(errno, EBUSY);
	CHECK_EQ(io_register(r.fd, IORING_REGISTER_FILES, files, 3), 0);
	s = op(IORING_OP_WRITE_FIXED, 1, 0, buf + 10, 8000, 0);
	s->flags = IOSQE_FIXED_FILE;
	CHECK_EQ(result(1), 8000);
	s = op(IORING_OP_READ_FIXED, 1, 2, other + 100, 8000, 0);
	s->flags = IOSQE_FIXED_FILE;
	s->buf_index = 1;
	CHECK_EQ(result(1), 8000);
	CHECK(memcmp(buf + 10, other + 100, 8000) == 0);
	op(IORING_OP_READ, 1, 1, other, 1, 0)->flags = IOSQE_FIXED_FILE;
	CHECK_EQ(result(1), -EBADF);
	CHECK_EQ(one(IORING_OP_READ_FIXED, file, buf + 8000, 193, 0), -EFAULT);
	CHECK_EQ(one(IORING_OP_READ_FIXED, file, (void *)((uintptr_t)buf - 1), 10, 0), -EFAULT);
	op(IORING_OP_READ_FIXED, 1, file, buf, 1, 0)->buf_index = 2;
	CHECK_EQ(result(1), -EFAULT);
	memset(other, 0, sizeof(other));
	op(IORING_OP_READV_FIXED, 1, file, vec, 2, 0)->buf_index = 1;
	CHECK_EQ(result(1), 300);
	CHECK(memcmp(buf + 10, other + 16, 100) == 0 && memcmp(buf + 110, other + 4096, 200) == 0);
	CHECK_EQ(io_register(r.fd, IORING_UNREGISTER_BUFFERS, NULL, 0), 0);
	CHECK_EQ(io_register(r.fd, IORING_UNREGISTER_FILES, NULL, 0), 0);
	CHECK_EQ(io_register(r.fd, IORING_UNREGISTER_FILES, NULL, 0), -1);
	CHECK_EQ(errno, ENXIO);
}

/* Pinned pages stay where they were, whatever is mapped there now. */
static void fixed_unmapped(void)
{
	char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov = { m, 8192 };

	CHECK(m != MAP_FAILED);
	fill(m, 8192, 9);
	memcpy(buf, m, 8192);
	CHECK_EQ(io_register(r.fd, IORING_REGISTER_BUFFERS, &iov, 1), 0);
	CHECK(mmap(m, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == m);
	CHECK_EQ(one(IORING_OP_WRITE_FIXED, file, m, 8192, 0), 8192);
	CHECK_EQ(pread(file, other, 8192, 0), 8192);
	CHECK(memcmp(buf, other, 8192) == 0);
	CHECK(m[100] == 0);
	CHECK_EQ(io_register(r.fd, IORING_UNREGISTER_BUFFERS, NULL, 0), 0);
	CHECK(munmap(m, 8192) == 0);
}

static void multishot(void)
{
	struct io_uring_buf_reg reg = { .ring_entries = 8, .bgid = 5 };
	struct io_uring_buf *bufs;
	struct io_uring_sqe *s;
	struct io_uring_cqe c;
	int p[2];

	CHECK(pipe(p) == 0);
	bufs = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.ring_addr = (uintptr_t)bufs;
	CHECK_EQ(io_register(r.fd, IORING_REGISTER_PBUF_RING, &reg, 1), 0);
	for (unsigned i = 0; i < 4; i++) {
		bufs[i].addr = (uintptr_t)other + i * 16;
		bufs[i].len = 16;
		bufs[i].bid = (uint16_t)(40 + i);
	}
	__atomic_store_n(&bufs[0].resv, 4, __ATOMIC_RELEASE);
	s = op(IORING_OP_READ_MULTISHOT, 3, p[0], NULL, 0, (uint64_t)-1);
	s->flags = IOSQE_BUFFER_SELECT;
	s->buf_group = 5;
	CHECK_EQ(ring_submit(&r, 0), 1);
	for (unsigned i = 0; i < 4; i++) {
		CHECK_EQ(write(p[1], "abcd", 3), 3);
		c = ring_wait(&r);
		CHECK_EQ(c.res, 3);
		CHECK_EQ(c.flags, IORING_CQE_F_MORE | IORING_CQE_F_BUFFER | (40 + i) << 16);
		CHECK(memcmp(other + i * 16, "abc", 3) == 0);
	}
	CHECK_EQ(write(p[1], "abcd", 3), 3);
	c = ring_wait(&r);
	CHECK_EQ(c.res, -ENOBUFS);
	CHECK_EQ(c.flags, 0);
	CHECK_EQ(io_register(r.fd, IORING_UNREGISTER_PBUF_RING, &reg, 1), 0);
	close(p[0]);
	close(p[1]);
}

static void whole_files(void)
{
	struct stat st;
	int p[2];

	CHECK_EQ(one(IORING_OP_FSYNC, file, NULL, 0, 0), 0);
	op(IORING_OP_FSYNC, 1, file, NULL, 0, 0)->fsync_flags = IORING_FSYNC_DATASYNC;
	CHECK_EQ(result(1), 0);
	op(IORING_OP_FSYNC, 1, file, NULL, 0, 0)->fsync_flags = 4;
	CHECK_EQ(result(1), -EINVAL);
	CHECK_EQ(one(IORING_OP_SYNC_FILE_RANGE, file, NULL, 100, 0), 0);
	CHECK_EQ(one(IORING_OP_FALLOCATE, file, (void *)4096, 0, 100000), 0);
	CHECK(fstat(file, &st) == 0 && st.st_size == 104096);
	CHECK_EQ(one(IORING_OP_FTRUNCATE, file, NULL, 0, 50000), 0);
	CHECK(fstat(file, &st) == 0 && st.st_size == 50000);
	CHECK_EQ(one(IORING_OP_FTRUNCATE, file, NULL, 1, 50000), -EINVAL);
	CHECK_EQ(one(IORING_OP_FADVISE, file, NULL, 100, 0), 0);
	CHECK_EQ(one(IORING_OP_MADVISE, -1, (void *)((uintptr_t)other & ~4095ul), 4096, 0), 0);
	CHECK(pipe(p) == 0);
	op(IORING_OP_SPLICE, 1, p[1], (void *)100, 2000, (uint64_t)-1)->splice_fd_in = file;
	CHECK_EQ(result(1), 2000);
	CHECK_EQ(read(p[0], other, 5000), 2000);
	CHECK_EQ(pread(file, buf, 2000, 100), 2000);
	CHECK(memcmp(buf, other, 2000) == 0);
	close(p[0]);
	close(p[1]);
}

static void everything(unsigned flags)
{
	ring_make(&r, 32, flags);
	CHECK(ftruncate(file, 0) == 0);
	plain();
	wrong();
	if (!(flags & IORING_SETUP_SQPOLL))
		stable();
	links();
	waits(0);
	waits(IOSQE_ASYNC);
	fixed();
	fixed_unmapped();
	multishot();
	whole_files();
	ring_close(&r);
}

int main(void)
{
	ring_need();
	file = open("uring_rw_file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(file >= 0);
	unlink("uring_rw_file");
	everything(0);
	everything(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	everything(IORING_SETUP_SQPOLL);
	ring_make(&r, 8, 0);
	broken_pipe();
	ring_close(&r);
	return 0;
}
