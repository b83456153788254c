/* nacre:
 * nacre: --io-uring-pages
 * Sockets: every operation, multishot accept and receive, provided buffers, bundles,
 * zero copy, over TCP, UDP and AF_UNIX. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ring.h"

static struct uring r;
static char buf[32768], in[32768];

static struct io_uring_sqe *op(unsigned code, uint64_t data, int fd, const void *addr, unsigned len)
{
	struct io_uring_sqe *s = ring_sqe(&r, code, data);

	s->fd = fd;
	s->addr = (uintptr_t)addr;
	s->len = len;
	return s;
}

static int result(uint64_t data)
{
	CHECK_EQ(ring_submit(&r, 1), 1);
	return ring_result(&r, data);
}

static void set_nodelay(int fd)
{
	int one = 1;

	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
}

static int new_socket(int family, int type)
{
	struct io_uring_sqe *s = op(IORING_OP_SOCKET, 1, family, NULL, 0);
	int fd;

	s->off = (unsigned)type;
	fd = result(1);
	CHECK(fd >= 0);
	return fd;
}

/* A listener on a free port of the loopback; its address in *a. */
static int listener(struct sockaddr_in *a)
{
	int fd = new_socket(AF_INET, SOCK_STREAM);
	socklen_t size = sizeof(*a);

	*a = (struct sockaddr_in){ .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	op(IORING_OP_BIND, 2, fd, a, 0)->addr2 = sizeof(*a);
	CHECK_EQ(result(2), 0);
	op(IORING_OP_LISTEN, 3, fd, NULL, 64);
	CHECK_EQ(result(3), 0);
	CHECK(getsockname(fd, (struct sockaddr *)a, &size) == 0);
	return fd;
}

static void expect(uint64_t data, int res)
{
	CHECK_EQ(ring_result(&r, data), res);
}

static void tcp(unsigned flags)
{
	struct sockaddr_in a, peer = { 0 };
	int l = listener(&a), c = new_socket(AF_INET, SOCK_STREAM), s = -1;
	socklen_t size = sizeof(peer);
	struct io_uring_sqe *e;

	e = op(IORING_OP_ACCEPT, 1, l, &peer, 0);
	e->addr2 = (uintptr_t)&size;
	e->flags = (uint8_t)flags;
	CHECK_EQ(ring_submit(&r, 0), 1);
	e = op(IORING_OP_CONNECT, 2, c, &a, 0);
	e->addr2 = sizeof(a);
	e->flags = (uint8_t)flags;
	CHECK_EQ(ring_submit(&r, 2), 1);
	for (int i = 0; i < 2; i++) {
		struct io_uring_cqe cqe = ring_wait(&r);

		if (cqe.user_data == 1)
			s = cqe.res;
		else
			CHECK_EQ(cqe.res, 0);
	}
	CHECK(s >= 0);
	CHECK_EQ(size, sizeof(peer));
	CHECK_EQ(peer.sin_family, AF_INET);
	set_nodelay(c);
	/* A receive that waits, then a send. */
	op(IORING_OP_RECV, 3, s, in, 100)->flags = (uint8_t)flags;
	CHECK_EQ(ring_submit(&r, 0), 1);
	op(IORING_OP_SEND, 4, c, "hello", 5);
	CHECK_EQ(ring_submit(&r, 0), 1);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(ring_wait(&r).res, 5);
	CHECK(memcmp(in, "hello", 5) == 0);
	/* MSG_WAITALL collects. */
	e = op(IORING_OP_RECV, 5, s, in, 10);
	e->msg_flags = MSG_WAITALL;
	e->flags = (uint8_t)flags;
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(send(c, "0123", 4, 0), 4);
	usleep(20000);
	CHECK_EQ(ring_ready(&r), 0);
	CHECK_EQ(send(c, "456789", 6, 0), 6);
	expect(5, 10);
	CHECK(memcmp(in, "0123456789", 10) == 0);
	/* Cancelled; not waiting; the end. */
	op(IORING_OP_RECV, 6, s, in, 10);
	CHECK_EQ(ring_submit(&r, 0), 1);
	op(IORING_OP_ASYNC_CANCEL, 7, 0, (void *)6, 0);
	CHECK_EQ(ring_submit(&r, 2), 1);
	for (int i = 0; i < 2; i++) {
		struct io_uring_cqe cqe = ring_wait(&r);

		CHECK_EQ(cqe.res, cqe.user_data == 6 ? -ECANCELED : 0);
	}
	op(IORING_OP_RECV, 8, s, in, 10)->msg_flags = MSG_DONTWAIT;
	CHECK_EQ(result(8), -EAGAIN);
	op(IORING_OP_SHUTDOWN, 9, c, NULL, SHUT_WR);
	CHECK_EQ(result(9), 0);
	op(IORING_OP_RECV, 10, s, in, 10);
	CHECK_EQ(result(10), 0);
	op(IORING_OP_SHUTDOWN, 9, 1, NULL, SHUT_WR);
	CHECK_EQ(result(9), -ENOTSOCK);
	close(s);
	close(c);
	close(l);
}

static void refused(void)
{
	struct sockaddr_in a;
	int l = listener(&a), c = new_socket(AF_INET, SOCK_STREAM);

	close(l);
	op(IORING_OP_CONNECT, 2, c, &a, 0)->addr2 = sizeof(a);
	CHECK_EQ(result(2), -ECONNREFUSED);
	op(IORING_OP_CONNECT, 2, c, (void *)8, 0)->addr2 = sizeof(a);
	CHECK_EQ(result(2), -EFAULT);
	op(IORING_OP_CONNECT, 2, c, &a, 0)->addr2 = 1000;
	CHECK_EQ(result(2), -EINVAL);
	op(IORING_OP_SOCKET, 2, 999, NULL, 0)->off = SOCK_STREAM;
	CHECK_EQ(result(2), -EAFNOSUPPORT);
	op(IORING_OP_RECV, 2, 1, in, 1);
	CHECK_EQ(result(2), -ENOTSOCK);
	op(IORING_OP_RECV, 2, c, in, 1)->ioprio = 1 << 9;
	CHECK_EQ(result(2), -EINVAL);
	op(IORING_OP_RECV, 2, c, in, 1)->ioprio = IORING_RECV_MULTISHOT;
	CHECK_EQ(result(2), -EINVAL);
	op(IORING_OP_ACCEPT, 2, c, NULL, 0);
	CHECK_EQ(result(2), -EINVAL);
	op(IORING_OP_ACCEPT, 2, c, NULL, 1);
	CHECK_EQ(result(2), -EINVAL);
	close(c);
}

static void accept_many(void)
{
	struct sockaddr_in a;
	struct io_uring_cqe cqe;
	int l = listener(&a), c[4];

	op(IORING_OP_ACCEPT, 5, l, NULL, 0)->ioprio = IORING_ACCEPT_MULTISHOT;
	CHECK_EQ(ring_submit(&r, 0), 1);
	for (int i = 0; i < 4; i++) {
		c[i] = socket(AF_INET, SOCK_STREAM, 0);
		CHECK(connect(c[i], (struct sockaddr *)&a, sizeof(a)) == 0);
		cqe = ring_wait(&r);
		CHECK_EQ(cqe.user_data, 5);
		CHECK(cqe.res >= 0);
		CHECK_EQ(cqe.flags & IORING_CQE_F_MORE, IORING_CQE_F_MORE);
		close(cqe.res);
		close(c[i]);
	}
	op(IORING_OP_ASYNC_CANCEL, 6, 0, (void *)5, 0);
	CHECK_EQ(ring_submit(&r, 2), 1);
	for (int i = 0; i < 2; i++) {
		cqe = ring_wait(&r);
		CHECK_EQ(cqe.res, cqe.user_data == 5 ? -ECANCELED : 0);
		CHECK_EQ(cqe.flags & IORING_CQE_F_MORE, 0);
	}
	close(l);
}

/* ---- provided buffers ---- */

static struct io_uring_buf *bufs;
static uint16_t tail;

static void give(unsigned bid, char *at, unsigned len)
{
	bufs[tail & 15].addr = (uintptr_t)at;
	bufs[tail & 15].len = len;
	bufs[tail & 15].bid = (uint16_t)bid;
	__atomic_store_n(&bufs[0].resv, ++tail, __ATOMIC_RELEASE);
}

static void group_open(unsigned flags)
{
	struct io_uring_buf_reg reg = { .ring_entries = 16, .bgid = 9, .flags = (uint16_t)flags };

	bufs = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.ring_addr = (uintptr_t)bufs;
	tail = 0;
	CHECK_EQ(io_register(r.fd, IORING_REGISTER_PBUF_RING, &reg, 1), 0);
}

static void group_close(void)
{
	struct io_uring_buf_reg reg = { .bgid = 9 };

	CHECK_EQ(io_register(r.fd, IORING_UNREGISTER_PBUF_RING, &reg, 1), 0);
	munmap(bufs, 4096);
}

static struct io_uring_sqe *select_op(unsigned code, int fd, unsigned len, unsigned opts)
{
	struct io_uring_sqe *s = op(code, 3, fd, NULL, len);

	s->flags = IOSQE_BUFFER_SELECT;
	s->buf_group = 9;
	s->ioprio = (uint16_t)opts;
	return s;
}

static void expect_buf(int res, unsigned flags)
{
	struct io_uring_cqe c = ring_wait(&r);

	CHECK_EQ(c.user_data, 3);
	CHECK_EQ(c.res, res);
	CHECK_EQ(c.flags & ~(unsigned)IORING_CQE_F_SOCK_NONEMPTY, flags);
}

#define BUF(n) (IORING_CQE_F_BUFFER | (unsigned)(n) << 16)

static void recv_many(int family)
{
	int s[2];

	CHECK(socketpair(family, SOCK_STREAM, 0, s) == 0);
	group_open(0);
	for (unsigned i = 0; i < 3; i++)
		give(20 + i, in + i * 100, 100);
	select_op(IORING_OP_RECV, s[0], 0, IORING_RECV_MULTISHOT);
	CHECK_EQ(ring_submit(&r, 0), 1);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(write(s[1], "abcdef", 4 + i), 4 + i);
		expect_buf((int)(4 + i), IORING_CQE_F_MORE | BUF(20 + i));
		CHECK(memcmp(in + i * 100, "abcdef", 4 + i) == 0);
	}
	CHECK_EQ(write(s[1], "x", 1), 1);
	expect_buf(-ENOBUFS, 0);
	give(30, in, 100);
	select_op(IORING_OP_RECV, s[0], 0, IORING_RECV_MULTISHOT);
	CHECK_EQ(ring_submit(&r, 0), 1);
	expect_buf(1, IORING_CQE_F_MORE | BUF(30));
	give(31, in, 100);
	close(s[1]);
	expect_buf(0, 0);
	group_close();
	close(s[0]);
}

static void incremental(void)
{
	int s[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	group_open(IOU_PBUF_RING_INC);
	give(7, in, 10);
	give(8, in + 100, 100);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(write(s[1], "abcd", 4), 4);
		select_op(IORING_OP_RECV, s[0], 0, 0);
		CHECK_EQ(ring_submit(&r, 1), 1);
		expect_buf(4, BUF(7) | IORING_CQE_F_BUF_MORE);
	}
	CHECK(memcmp(in, "abcdabcd", 8) == 0);
	CHECK_EQ(write(s[1], "abcd", 4), 4);
	select_op(IORING_OP_RECV, s[0], 0, 0);
	CHECK_EQ(ring_submit(&r, 1), 1);
	expect_buf(2, BUF(7));
	select_op(IORING_OP_RECV, s[0], 0, 0);
	CHECK_EQ(ring_submit(&r, 1), 1);
	expect_buf(2, BUF(8) | IORING_CQE_F_BUF_MORE);
	group_close();
	close(s[0]);
	close(s[1]);
}

static void bundles(void)
{
	int s[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	group_open(0);
	for (unsigned i = 0; i < 4; i++)
		give(i, in + i * 10, 10);
	CHECK_EQ(write(s[1], "0123456789abcdefghijklmno", 25), 25);
	/* How many buffers are filled at once is the kernel's choice. */
	for (unsigned got = 0; got < 25;) {
		struct io_uring_cqe c;

		select_op(IORING_OP_RECV, s[0], 0, IORING_RECVSEND_BUNDLE);
		CHECK_EQ(ring_submit(&r, 1), 1);
		c = ring_wait(&r);
		CHECK(c.res > 0);
		CHECK_EQ(c.flags & ~(unsigned)IORING_CQE_F_SOCK_NONEMPTY, BUF(got / 10));
		got += (unsigned)c.res;
	}
	CHECK(memcmp(in, "0123456789abcdefghijklmno", 25) == 0);
	CHECK_EQ(write(s[1], "x", 1), 1);
	select_op(IORING_OP_RECV, s[0], 0, IORING_RECVSEND_BUNDLE);
	CHECK_EQ(ring_submit(&r, 1), 1);
	expect_buf(1, BUF(3));
	memcpy(buf, "hello, world", 12);
	give(5, buf, 5);
	give(6, buf + 5, 7);
	select_op(IORING_OP_SEND, s[0], 0, IORING_RECVSEND_BUNDLE);
	CHECK_EQ(ring_submit(&r, 1), 1);
	expect_buf(12, BUF(5));
	CHECK_EQ(read(s[1], in, 100), 12);
	CHECK(memcmp(in, "hello, world", 12) == 0);
	select_op(IORING_OP_SEND, s[0], 0, IORING_RECVSEND_BUNDLE);
	CHECK_EQ(ring_submit(&r, 1), 1);
	expect_buf(-ENOBUFS, 0);
	group_close();
	close(s[0]);
	close(s[1]);
}

/* ---- messages ---- */

static void messages(void)
{
	struct iovec out[2] = { { buf, 3 }, { buf + 3, 4 } }, to = { in, 100 };
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct msghdr m = { .msg_iov = out, .msg_iovlen = 2 };
	struct cmsghdr *c;
	int s[2], fd;

	memcpy(buf, "abcdefg", 7);
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	op(IORING_OP_SENDMSG, 1, s[0], &m, 1);
	CHECK_EQ(result(1), 7);
	m.msg_iov = &to;
	m.msg_iovlen = 1;
	op(IORING_OP_RECVMSG, 1, s[1], &m, 1);
	CHECK_EQ(result(1), 7);
	CHECK(memcmp(in, "abcdefg", 7) == 0);
	/* Descriptors; the header may change once the entry is taken. */
	m = (struct msghdr){ .msg_iov = &to,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control) };
	op(IORING_OP_RECVMSG, 1, s[1], &m, 1);
	CHECK_EQ(ring_submit(&r, 0), 1);
	if (!(r.p.flags & IORING_SETUP_SQPOLL))
		to = (struct iovec){ NULL, 0 };
	{
		char mine[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
		struct msghdr h = { .msg_iov = out,
				    .msg_iovlen = 2,
				    .msg_control = mine,
				    .msg_controllen = sizeof(mine) };

		c = CMSG_FIRSTHDR(&h);
		*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
				       .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(c), &s[0], sizeof(int));
		CHECK_EQ(sendmsg(s[0], &h, 0), 7);
	}
	CHECK_EQ(ring_result(&r, 1), 7);
	c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	CHECK(fcntl(fd, F_GETFD) >= 0);
	close(fd);
	/* A ring cannot be passed on. */
	{
		char mine[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
		struct msghdr h = { .msg_iov = out,
				    .msg_iovlen = 2,
				    .msg_control = mine,
				    .msg_controllen = sizeof(mine) };

		c = CMSG_FIRSTHDR(&h);
		*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
				       .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(c), &r.fd, sizeof(int));
		CHECK_ERR(sendmsg(s[0], &h, 0), EINVAL);
	}
	close(s[0]);
	close(s[1]);
}

static void recvmsg_many(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
			   from;
	struct msghdr m = { .msg_namelen = sizeof(struct sockaddr_in) };
	struct io_uring_recvmsg_out out;
	struct io_uring_cqe c;
	struct io_uring_sqe *e;
	socklen_t size = sizeof(a);
	int l = socket(AF_INET, SOCK_DGRAM, 0), s = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(bind(l, (struct sockaddr *)&a, sizeof(a)) == 0);
	CHECK(getsockname(l, (struct sockaddr *)&a, &size) == 0);
	group_open(0);
	give(1, in, 100);
	give(2, in + 100, 40);
	e = select_op(IORING_OP_RECVMSG, l, 1, IORING_RECV_MULTISHOT);
	e->addr = (uintptr_t)&m;
	CHECK_EQ(ring_submit(&r, 0), 1);
	e = op(IORING_OP_SEND, 5, s, "datagram", 8);
	e->addr2 = (uintptr_t)&a;
	e->addr_len = sizeof(a);
	CHECK_EQ(ring_submit(&r, 2), 1);
	for (int i = 0; i < 2; i++) {
		c = ring_wait(&r);
		if (c.user_data == 5) {
			CHECK_EQ(c.res, 8);
			continue;
		}
		CHECK_EQ(c.res, 16 + 16 + 8);
		CHECK_EQ(c.flags & ~(unsigned)IORING_CQE_F_SOCK_NONEMPTY,
			 IORING_CQE_F_MORE | BUF(1));
	}
	memcpy(&out, in, sizeof(out));
	memcpy(&from, in + 16, sizeof(from));
	CHECK_EQ(out.namelen, 16);
	CHECK_EQ(out.controllen, 0);
	CHECK_EQ(out.payloadlen, 8);
	CHECK_EQ(out.flags, 0);
	CHECK_EQ(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK(memcmp(in + 32, "datagram", 8) == 0);
	/* More than the buffer holds. */
	CHECK_EQ(sendto(s, "0123456789", 10, 0, (struct sockaddr *)&a, sizeof(a)), 10);
	expect_buf(40, IORING_CQE_F_MORE | BUF(2));
	memcpy(&out, in + 100, sizeof(out));
	CHECK_EQ(out.flags, MSG_TRUNC);
	CHECK_EQ(sendto(s, "0", 1, 0, (struct sockaddr *)&a, sizeof(a)), 1);
	expect_buf(-ENOBUFS, 0);
	group_close();
	close(l);
	close(s);
}

static void zero_copy(void)
{
	struct sockaddr_in a;
	struct io_uring_cqe c;
	int l = listener(&a), s = socket(AF_INET, SOCK_STREAM, 0), u[2];

	CHECK(connect(s, (struct sockaddr *)&a, sizeof(a)) == 0);
	op(IORING_OP_SEND_ZC, 1, s, "hello", 5);
	CHECK_EQ(ring_submit(&r, 1), 1);
	c = ring_wait(&r);
	CHECK_EQ(c.res, 5);
	CHECK_EQ(c.flags, IORING_CQE_F_MORE);
	c = ring_wait(&r);
	CHECK_EQ(c.res, 0);
	CHECK_EQ(c.flags, IORING_CQE_F_NOTIF);
	op(IORING_OP_SEND_ZC, 1, s, "hello", 5)->flags = IOSQE_CQE_SKIP_SUCCESS;
	CHECK_EQ(result(1), -EINVAL);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, u) == 0);
	op(IORING_OP_SEND_ZC, 1, u[0], "hello", 5);
	CHECK_EQ(ring_submit(&r, 1), 1);
	c = ring_wait(&r);
	CHECK_EQ(c.res, -EOPNOTSUPP);
	if (c.flags & IORING_CQE_F_MORE)
		CHECK_EQ(ring_wait(&r).flags, IORING_CQE_F_NOTIF);
	close(u[0]);
	close(u[1]);
	close(s);
	close(l);
}

/* A send that finds no room goes on when there is some. */
static void full(void)
{
	int s[2], n;
	size_t got = 0;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK(fcntl(s[0], F_SETFL, O_NONBLOCK) == 0);
	while ((n = (int)write(s[0], buf, sizeof(buf))) > 0)
		got += (size_t)n;
	op(IORING_OP_SEND, 1, s[0], buf, sizeof(buf))->msg_flags = MSG_WAITALL;
	CHECK_EQ(ring_submit(&r, 0), 1);
	CHECK_EQ(ring_ready(&r), 0);
	CHECK(fcntl(s[1], F_SETFL, O_NONBLOCK) == 0);
	got += sizeof(buf);
	while (got) {
		n = (int)read(s[1], in, sizeof(in));
		if (n > 0)
			got -= (size_t)n;
		else
			CHECK(io_enter(r.fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0) >= 0);
	}
	expect(1, (int)sizeof(buf));
	close(s[1]);
	/* No signal. */
	op(IORING_OP_SEND, 1, s[0], "x", 1);
	CHECK_EQ(result(1), -EPIPE);
	close(s[0]);
}

static void commands(void)
{
	int s[2], value = 0;
	struct io_uring_sqe *e;

	struct sockaddr_in a;
	int l = listener(&a), t = socket(AF_INET, SOCK_STREAM, 0), c;

	CHECK(connect(t, (struct sockaddr *)&a, sizeof(a)) == 0);
	c = accept(l, NULL, NULL);
	CHECK_EQ(write(c, "12345", 5), 5);
	op(IORING_OP_POLL_ADD, 1, t, NULL, 0)->poll32_events = 1;
	CHECK_EQ(result(1), 1);
	op(IORING_OP_URING_CMD, 1, t, NULL, 0)->cmd_op = SOCKET_URING_OP_SIOCINQ;
	CHECK_EQ(result(1), 5);
	close(t);
	close(c);
	close(l);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	op(IORING_OP_URING_CMD, 1, s[0], NULL, 0)->cmd_op = SOCKET_URING_OP_SIOCINQ;
	CHECK_EQ(result(1), -EOPNOTSUPP);
	e = op(IORING_OP_URING_CMD, 1, s[0], NULL, 0);
	e->cmd_op = SOCKET_URING_OP_GETSOCKOPT;
	e->level = SOL_SOCKET;
	e->optname = SO_TYPE;
	e->optval = (uintptr_t)&value;
	e->optlen = sizeof(value);
	CHECK_EQ(result(1), sizeof(value));
	CHECK_EQ(value, SOCK_STREAM);
	value = 1;
	e = op(IORING_OP_URING_CMD, 1, s[0], NULL, 0);
	e->cmd_op = SOCKET_URING_OP_SETSOCKOPT;
	e->level = SOL_SOCKET;
	e->optname = SO_PASSCRED;
	e->optval = (uintptr_t)&value;
	e->optlen = sizeof(value);
	CHECK_EQ(result(1), 0);
	op(IORING_OP_URING_CMD, 1, s[0], NULL, 0)->cmd_op = 99;
	CHECK_EQ(result(1), -EOPNOTSUPP);
	close(s[0]);
	close(s[1]);
}

static void everything(unsigned flags)
{
	ring_make(&r, 32, flags);
	tcp(0);
	tcp(IOSQE_ASYNC);
	refused();
	accept_many();
	recv_many(AF_UNIX);
	incremental();
	bundles();
	messages();
	recvmsg_many();
	zero_copy();
	full();
	commands();
	ring_close(&r);
}

int main(void)
{
	ring_need();
	everything(0);
	everything(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	everything(IORING_SETUP_SQPOLL);
	return 0;
}
