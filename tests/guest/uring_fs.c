/* nacre:
 * nacre: --io-uring-pages
 * Names, descriptors, slots, messages between rings, epoll, provided buffers. */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "ring.h"

struct open_how_ {
	uint64_t flags, mode, resolve;
};

static struct uring r;
static unsigned sqe_flags;

static struct io_uring_sqe *op(unsigned code, int fd, const void *addr, unsigned len,
			       const void *addr2)
{
	struct io_uring_sqe *s = ring_sqe(&r, code, 7);

	s->fd = fd;
	s->addr = (uintptr_t)addr;
	s->len = len;
	s->addr2 = (uintptr_t)addr2;
	s->flags = (uint8_t)sqe_flags;
	return s;
}

static int result(void)
{
	CHECK_EQ(ring_submit(&r, 1), 1);
	return ring_result(&r, 7);
}

static int one(unsigned code, int fd, const void *addr, unsigned len, const void *addr2)
{
	op(code, fd, addr, len, addr2);
	return result();
}

static int at(unsigned code, const char *a, const char *b)
{
	return one(code, AT_FDCWD, a, b ? (unsigned)AT_FDCWD : 0, b);
}

static void names(void)
{
	char long_name[5000], text[10] = { 0 };
	struct stat st;
	int fd;

	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	CHECK_EQ(one(IORING_OP_MKDIRAT, AT_FDCWD, "dir", 0750, NULL), 0);
	CHECK_EQ(one(IORING_OP_MKDIRAT, AT_FDCWD, "dir", 0750, NULL), -EEXIST);
	CHECK(stat("dir", &st) == 0 && (st.st_mode & 07777) == 0750);
	op(IORING_OP_OPENAT, AT_FDCWD, "dir/a", 0640, NULL)->open_flags = O_CREAT | O_RDWR;
	fd = result();
	CHECK(fd >= 0);
	CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0640);
	CHECK_EQ(one(IORING_OP_CLOSE, fd, NULL, 0, NULL), 0);
	CHECK_EQ(one(IORING_OP_CLOSE, fd, NULL, 0, NULL), -EBADF);
	CHECK_EQ(at(IORING_OP_LINKAT, "dir/a", "dir/b"), 0);
	CHECK_EQ(at(IORING_OP_RENAMEAT, "dir/b", "dir/c"), 0);
	op(IORING_OP_RENAMEAT, AT_FDCWD, "dir/c", (unsigned)AT_FDCWD, "dir/a")->rename_flags = 1;
	CHECK_EQ(result(), -EEXIST);
	CHECK_EQ(one(IORING_OP_SYMLINKAT, AT_FDCWD, "target", 0, "dir/s"), 0);
	CHECK_EQ(readlink("dir/s", text, sizeof(text)), 6);
	CHECK(memcmp(text, "target", 6) == 0);
	CHECK_EQ(at(IORING_OP_UNLINKAT, "dir", NULL), -EISDIR);
	op(IORING_OP_UNLINKAT, AT_FDCWD, "dir", 0, NULL)->unlink_flags = AT_REMOVEDIR;
	CHECK_EQ(result(), -ENOTEMPTY);
	CHECK_EQ(at(IORING_OP_UNLINKAT, "dir/s", NULL), 0);
	CHECK_EQ(at(IORING_OP_UNLINKAT, "dir/c", NULL), 0);
	CHECK_EQ(at(IORING_OP_UNLINKAT, "dir/c", NULL), -ENOENT);
	CHECK_EQ(at(IORING_OP_UNLINKAT, long_name, NULL), -ENAMETOOLONG);
	CHECK_EQ(one(IORING_OP_UNLINKAT, AT_FDCWD, (void *)8, 0, NULL), -EFAULT);
	CHECK_EQ(one(IORING_OP_UNLINKAT, 99, "dir/a", 0, NULL), -EBADF);
	CHECK_EQ(one(IORING_OP_UNLINKAT, AT_FDCWD, "dir/a", 1, NULL), -EINVAL);
	op(IORING_OP_UNLINKAT, AT_FDCWD, "dir/a", 0, NULL)->unlink_flags = 1;
	CHECK_EQ(result(), -EINVAL);
	op(IORING_OP_UNLINKAT, AT_FDCWD, "dir/a", 0, NULL)->flags |= IOSQE_FIXED_FILE;
	CHECK_EQ(result(), -EBADF);
}

static void stats(void)
{
	struct statx stx = { 0 };
	int fd = open("dir/a", O_RDWR);

	CHECK_EQ(write(fd, "12345", 5), 5);
	CHECK_EQ(one(IORING_OP_STATX, AT_FDCWD, "dir/a", STATX_SIZE, &stx), 0);
	CHECK_EQ(stx.stx_size, 5);
	memset(&stx, 0, sizeof(stx));
	op(IORING_OP_STATX, fd, "", STATX_SIZE, &stx)->statx_flags = AT_EMPTY_PATH;
	CHECK_EQ(result(), 0);
	CHECK_EQ(stx.stx_size, 5);
	CHECK_EQ(one(IORING_OP_STATX, AT_FDCWD, "dir/none", STATX_SIZE, &stx), -ENOENT);
	CHECK_EQ(one(IORING_OP_STATX, AT_FDCWD, "dir/a", STATX_SIZE, (void *)8), -EFAULT);
	op(IORING_OP_STATX, AT_FDCWD, "dir/a", STATX_SIZE, &stx)->statx_flags = 1;
	CHECK_EQ(result(), -EINVAL);
	close(fd);
}

static void attributes(void)
{
	char value[32] = { 0 };
	int fd = open("dir/a", O_RDWR), n;

	if (setxattr("dir/a", "user.probe", "x", 1, 0) < 0)
		return;
	op(IORING_OP_SETXATTR, AT_FDCWD, "user.one", 5, "value")->addr3 = (uintptr_t) "dir/a";
	CHECK_EQ(result(), 0);
	op(IORING_OP_GETXATTR, AT_FDCWD, "user.one", sizeof(value), value)->addr3 =
		(uintptr_t) "dir/a";
	n = result();
	CHECK_EQ(n, 5);
	CHECK(memcmp(value, "value", 5) == 0);
	CHECK_EQ(one(IORING_OP_FSETXATTR, fd, "user.two", 3, "abc"), 0);
	CHECK_EQ(one(IORING_OP_FGETXATTR, fd, "user.two", 0, NULL), 3);
	CHECK_EQ(one(IORING_OP_FGETXATTR, fd, "user.two", 1, value), -ERANGE);
	CHECK_EQ(one(IORING_OP_FGETXATTR, fd, "user.none", 1, value), -ENODATA);
	CHECK_EQ(one(IORING_OP_FGETXATTR, fd, "", 1, value), -ERANGE);
	op(IORING_OP_FSETXATTR, fd, "user.two", 3, "abc")->xattr_flags = XATTR_CREATE;
	CHECK_EQ(result(), -EEXIST);
	op(IORING_OP_FSETXATTR, fd, "user.two", 3, "abc")->xattr_flags = 8;
	CHECK_EQ(result(), -EINVAL);
	close(fd);
}

static void opens(void)
{
	struct open_how_ how = { .flags = O_RDONLY };
	uint8_t big[40] = { 0 };
	int fd;

	fd = one(IORING_OP_OPENAT2, AT_FDCWD, "dir/a", sizeof(how), &how);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(one(IORING_OP_OPENAT2, AT_FDCWD, "dir/a", 8, &how), -EINVAL);
	how.resolve = 1 << 20;
	CHECK_EQ(one(IORING_OP_OPENAT2, AT_FDCWD, "dir/a", sizeof(how), &how), -EINVAL);
	memset(big, 0, sizeof(big));
	fd = one(IORING_OP_OPENAT2, AT_FDCWD, "dir/a", sizeof(big), big);
	CHECK(fd >= 0);
	close(fd);
	big[39] = 1;
	CHECK_EQ(one(IORING_OP_OPENAT2, AT_FDCWD, "dir/a", sizeof(big), big), -E2BIG);
	CHECK_EQ(one(IORING_OP_OPENAT, AT_FDCWD, "dir/none", 0, NULL), -ENOENT);
	/* A fifo: opened when the other end is. */
	CHECK(mkfifo("dir/fifo", 0600) == 0);
	op(IORING_OP_OPENAT, AT_FDCWD, "dir/fifo", 0, NULL)->open_flags = O_RDONLY;
	CHECK_EQ(ring_submit(&r, 0), 1);
	fd = open("dir/fifo", O_WRONLY);
	CHECK(fd >= 0);
	close(fd);
	fd = ring_result(&r, 7);
	CHECK(fd >= 0);
	close(fd);
	CHECK(unlink("dir/fifo") == 0);
}

static void slots(void)
{
	struct io_uring_rsrc_register reg = { .nr = 4, .flags = IORING_RSRC_REGISTER_SPARSE };
	char buf[8] = { 0 };
	struct io_uring_sqe *s;
	int fds[2], fd;

	op(IORING_OP_OPENAT, AT_FDCWD, "dir/a", 0, NULL)->file_index = 1;
	CHECK_EQ(result(), -ENXIO);
	CHECK_EQ(io_register(r.fd, IORING_REGISTER_FILES2, &reg, sizeof(reg)), 0);
	op(IORING_OP_OPENAT, AT_FDCWD, "dir/a", 0, NULL)->file_index = 3;
	CHECK_EQ(result(), 0);
	op(IORING_OP_OPENAT, AT_FDCWD, "dir/a", 0, NULL)->file_index = IORING_FILE_INDEX_ALLOC;
	CHECK_EQ(result(), 3);
	op(IORING_OP_CLOSE, 0, NULL, 0, NULL)->file_index = 4;
	CHECK_EQ(result(), 0);
	op(IORING_OP_OPENAT, AT_FDCWD, "dir/a", 0, NULL)->file_index = 5;
	CHECK_EQ(result(), -EINVAL);
	s = op(IORING_OP_OPENAT, AT_FDCWD, "dir/a", 0, NULL);
	s->file_index = 1;
	s->open_flags = O_CLOEXEC;
	CHECK_EQ(result(), -EINVAL);
	op(IORING_OP_READ, 2, buf, 5, NULL)->flags |= IOSQE_FIXED_FILE;
	CHECK_EQ(result(), 5);
	op(IORING_OP_FIXED_FD_INSTALL, 2, NULL, 0, NULL)->flags |= IOSQE_FIXED_FILE;
	fd = result();
	CHECK(fd >= 0);
	CHECK_EQ(pread(fd, buf, 5, 0), 5);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	CHECK_EQ(one(IORING_OP_FIXED_FD_INSTALL, 2, NULL, 0, NULL), -EBADF);
	op(IORING_OP_CLOSE, 0, NULL, 0, NULL)->file_index = 3;
	CHECK_EQ(result(), 0);
	op(IORING_OP_CLOSE, 0, NULL, 0, NULL)->file_index = 3;
	CHECK_EQ(result(), -EBADF);
	op(IORING_OP_PIPE, 0, fds, 0, NULL)->file_index = 3;
	CHECK_EQ(result(), 0);
	op(IORING_OP_WRITE, 3, "abc", 3, NULL)->flags |= IOSQE_FIXED_FILE;
	CHECK_EQ(result(), 3);
	op(IORING_OP_READ, 2, buf, 8, NULL)->flags |= IOSQE_FIXED_FILE;
	CHECK_EQ(result(), 3);
	CHECK_EQ(one(IORING_OP_PIPE, 0, fds, 0, NULL), 0);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	close(fds[0]);
	fds[0] = fds[1];
	s = op(IORING_OP_FILES_UPDATE, 0, fds, 1, NULL);
	CHECK_EQ(result(), 1);
	s = op(IORING_OP_FILES_UPDATE, 0, fds, 1, NULL);
	s->off = IORING_FILE_INDEX_ALLOC;
	CHECK_EQ(result(), 1);
	CHECK_EQ(fds[0], 1);
	close(fds[1]);
	s = op(IORING_OP_FILES_UPDATE, 0, fds, 1, NULL);
	s->off = IORING_FILE_INDEX_ALLOC;
	CHECK_EQ(result(), -ENFILE);
	CHECK_EQ(io_register(r.fd, IORING_UNREGISTER_FILES, NULL, 0), 0);
}

static void messages(void)
{
	struct io_uring_rsrc_register reg = { .nr = 2, .flags = IORING_RSRC_REGISTER_SPARSE };
	struct uring target, mine = r;
	struct io_uring_cqe c;
	struct io_uring_sqe *s;

	ring_make(&target, 4, 0);
	s = op(IORING_OP_MSG_RING, target.fd, NULL, 77, NULL);
	s->off = 1234;
	CHECK_EQ(result(), 0);
	c = ring_wait(&target);
	CHECK_EQ(c.user_data, 1234);
	CHECK_EQ(c.res, 77);
	CHECK_EQ(c.flags, 0);
	s = op(IORING_OP_MSG_RING, target.fd, NULL, 77, NULL);
	s->msg_ring_flags = IORING_MSG_RING_FLAGS_PASS;
	s->file_index = 0x1234;
	CHECK_EQ(result(), 0);
	CHECK_EQ(ring_wait(&target).flags, 0x1234);
	CHECK_EQ(one(IORING_OP_MSG_RING, 1, NULL, 77, NULL), -EBADFD);
	/* A file into the other's slot. */
	CHECK_EQ(io_register(r.fd, IORING_REGISTER_FILES2, &reg, sizeof(reg)), 0);
	CHECK_EQ(io_register(target.fd, IORING_REGISTER_FILES2, &reg, sizeof(reg)), 0);
	op(IORING_OP_OPENAT, AT_FDCWD, "dir/a", 0, NULL)->file_index = 2;
	CHECK_EQ(result(), 0);
	s = op(IORING_OP_MSG_RING, target.fd, (void *)IORING_MSG_SEND_FD, 0, NULL);
	s->addr3 = 1;
	s->file_index = 1;
	s->off = 55;
	CHECK_EQ(result(), 0);
	CHECK_EQ(ring_result(&target, 55), 0);
	s = op(IORING_OP_MSG_RING, target.fd, (void *)IORING_MSG_SEND_FD, 0, NULL);
	s->file_index = 1;
	CHECK_EQ(result(), -EBADF);
	CHECK_EQ(io_register(r.fd, IORING_UNREGISTER_FILES, NULL, 0), 0);
	r = target;
	s = ring_sqe(&r, IORING_OP_STATX, 7);
	s->fd = AT_FDCWD;
	s->addr = 8;
	CHECK_EQ(ring_submit(&r, 1), 1);
	CHECK_EQ(ring_result(&r, 7), -EFAULT);
	ring_close(&r);
	r = mine;
}

static void epolls(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 99 }, out[4];
	int ep = epoll_create1(0), p[2];
	struct io_uring_sqe *s;

	CHECK(pipe(p) == 0);
	s = op(IORING_OP_EPOLL_CTL, ep, &ev, EPOLL_CTL_ADD, NULL);
	s->off = (unsigned)p[0];
	CHECK_EQ(result(), 0);
	s = op(IORING_OP_EPOLL_CTL, ep, &ev, EPOLL_CTL_ADD, NULL);
	s->off = (unsigned)p[0];
	CHECK_EQ(result(), -EEXIST);
	op(IORING_OP_EPOLL_WAIT, ep, out, 4, NULL);
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(ring_result(&r, 7), 1);
	CHECK_EQ(out[0].data.u64, 99);
	CHECK_EQ(one(IORING_OP_EPOLL_WAIT, ep, out, 0, NULL), -EINVAL);
	CHECK_EQ(one(IORING_OP_EPOLL_WAIT, p[0], out, 1, NULL), -EINVAL);
	close(ep);
	close(p[0]);
	close(p[1]);
}

static void provided(void)
{
	static char bufs[4][16];
	struct io_uring_cqe c;
	struct io_uring_sqe *s;
	int p[2];

	CHECK(pipe(p) == 0);
	s = op(IORING_OP_PROVIDE_BUFFERS, 4, bufs, 16, (void *)10);
	s->buf_group = 3;
	CHECK_EQ(result(), 0);
	CHECK_EQ(write(p[1], "0123456789abcdefghij", 20), 20);
	for (unsigned i = 0; i < 2; i++) {
		s = op(IORING_OP_READ, p[0], NULL, i ? 0 : 8, NULL);
		s->flags |= IOSQE_BUFFER_SELECT;
		s->buf_group = 3;
		CHECK_EQ(ring_submit(&r, 1), 1);
		c = ring_wait(&r);
		CHECK_EQ(c.res, i ? 12 : 8);
		CHECK_EQ(c.flags, IORING_CQE_F_BUFFER | (10 + i) << 16);
	}
	CHECK(memcmp(bufs[0], "01234567", 8) == 0 && memcmp(bufs[1], "89abcdefghij", 12) == 0);
	s = op(IORING_OP_REMOVE_BUFFERS, 9, NULL, 0, NULL);
	s->buf_group = 3;
	CHECK_EQ(result(), 2);
	s = op(IORING_OP_REMOVE_BUFFERS, 9, NULL, 0, NULL);
	s->buf_group = 4;
	CHECK_EQ(result(), -ENOENT);
	CHECK_EQ(one(IORING_OP_PROVIDE_BUFFERS, 0, bufs, 16, NULL), -E2BIG);
	CHECK_EQ(one(IORING_OP_PROVIDE_BUFFERS, 4, bufs, 0, NULL), -EINVAL);
	CHECK_EQ(one(IORING_OP_PROVIDE_BUFFERS, 4, bufs, 1, (void *)65536), -E2BIG);
	CHECK_EQ(one(IORING_OP_PROVIDE_BUFFERS, 4, bufs, 1, (void *)65533), -EINVAL);
	close(p[0]);
	close(p[1]);
}

static void everything(unsigned ring_flags, unsigned flags)
{
	ring_make(&r, 16, ring_flags);
	sqe_flags = flags;
	names();
	stats();
	attributes();
	opens();
	slots();
	messages();
	epolls();
	provided();
	CHECK(unlink("dir/a") == 0 && rmdir("dir") == 0);
	ring_close(&r);
}

int main(void)
{
	ring_need();
	umask(022);
	everything(0, 0);
	everything(0, IOSQE_ASYNC);
	everything(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0);
	everything(IORING_SETUP_SQPOLL, 0);
	return 0;
}
