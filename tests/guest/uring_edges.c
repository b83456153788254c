/* nacre:
 * nacre: --io-uring-pages
 * Corners of io_uring where Linux's answer is not the obvious one: rings that are not
 * enabled yet, times that are none, buffers that are taken although nothing came, rings
 * that are closed while their work waits, memory that counts as locked. */
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "ring.h"

#define BUFFERS 8

static struct uring r;
static char memory[64];

/* ---- provided buffers ---- */

static struct io_uring_buf *bufs;
static unsigned nbufs;

static void group_make(uint16_t flags)
{
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS,
					.flags = IOU_PBUF_RING_MMAP | flags };

	CHECK(io_register(r.fd, IORING_REGISTER_PBUF_RING, &reg, 1) == 0);
	bufs = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, IORING_OFF_PBUF_RING);
	CHECK(bufs != MAP_FAILED);
	nbufs = 0;
}

static void group_give(void *addr, unsigned len)
{
	struct io_uring_buf *b = &bufs[nbufs % BUFFERS];

	b->addr = (uintptr_t)addr;
	b->len = len;
	b->bid = (uint16_t)(10 + nbufs);
	__atomic_store_n(&bufs[0].resv, (uint16_t)++nbufs, __ATOMIC_RELEASE);
}

static unsigned group_head(void)
{
	struct io_uring_buf_status st = { 0 };

	CHECK(io_register(r.fd, IORING_REGISTER_PBUF_STATUS, &st, 1) == 0);
	return st.head;
}

/* One request with a buffer of the group: its result, which buffer (-1: none), whether
 * some of that is left, and how many are gone. */
static void taken(unsigned op, int fd, unsigned len, uint64_t off, unsigned flags, int res, int bid,
		  bool more, unsigned head)
{
	struct io_uring_sqe *s = ring_sqe(&r, op, 1);
	struct io_uring_cqe c;

	s->fd = fd;
	s->len = len;
	s->off = off;
	s->flags = IOSQE_BUFFER_SELECT;
	s->op_flags = flags;
	CHECK_EQ(ring_submit(&r, 1), 1);
	c = ring_wait(&r);
	CHECK_EQ(c.res, res);
	CHECK_EQ(c.flags & IORING_CQE_F_BUFFER ? (int)(c.flags >> 16) : -1, bid);
	CHECK_EQ(!!(c.flags & IORING_CQE_F_BUF_MORE), more);
	CHECK_EQ(group_head(), head);
}

/* A file that cannot be waited for takes its buffer first, whatever comes then. */
static void buffers_of_files(void)
{
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(write(fd, "hello", 5) == 5);
	ring_make(&r, 8, 0);
	group_make(0);
	group_give((void *)1, 32);
	for (int i = 0; i < 4; i++)
		group_give(memory, 32);
	taken(IORING_OP_READ, fd, 10, 0, 0, -EFAULT, 10, false, 1);
	taken(IORING_OP_READ, fd, 10, 100, 0, 0, 11, false, 2);
	taken(IORING_OP_READ, fd, 0, 0, 0, 5, 12, false, 3);
	taken(IORING_OP_READ, fd, 10, (uint64_t)-5, 0, -EINVAL, 13, false, 4);
	CHECK(close(fd) == 0 && unlink("file") == 0);
	ring_close(&r);
}

static void buffers_of_pipes(void)
{
	int p[2];

	CHECK(pipe(p) == 0 && write(p[1], "abc", 3) == 3);
	ring_make(&r, 8, 0);
	group_make(0);
	group_give((void *)1, 32);
	for (int i = 0; i < 3; i++)
		group_give(memory, 32);
	taken(IORING_OP_READ, p[0], 10, 0, 0, -EFAULT, -1, false, 0);
	CHECK(close(p[1]) == 0 && read(p[0], memory, 10) == 3);
	taken(IORING_OP_READ_MULTISHOT, p[0], 0, 0, 0, 0, -1, false, 0);
	taken(IORING_OP_READ, p[0], 4, 0, 0, 0, 10, false, 1);
	CHECK(close(p[0]) == 0);
	ring_close(&r);
}

/* A message larger than its buffer takes no second one. */
static void buffers_of_datagrams(void)
{
	int s[2];

	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(send(s[1], "0123456789012345678901234567890", 30, 0) == 30);
	ring_make(&r, 8, 0);
	group_make(0);
	for (int i = 0; i < 6; i++)
		group_give(memory, 8);
	taken(IORING_OP_RECV, s[0], 0, 0, MSG_TRUNC, 30, 10, false, 1);
	taken(IORING_OP_RECV, s[0], 0, 0, 0, 8, 11, false, 2);
	taken(IORING_OP_RECV, s[0], 0, 0, MSG_DONTWAIT, -EAGAIN, -1, false, 2);
	CHECK(close(s[0]) == 0 && close(s[1]) == 0);
	ring_close(&r);
}

/* A group whose buffers are used up piece by piece, one of them of no size. */
static void buffers_in_pieces(void)
{
	int p[2];

	CHECK(pipe(p) == 0 && write(p[1], "0123456789", 10) == 10);
	ring_make(&r, 8, 0);
	group_make(IOU_PBUF_RING_INC);
	group_give(memory, 8);
	group_give(memory, 0);
	group_give(memory, 8);
	taken(IORING_OP_READ, p[0], 4, 0, 0, 4, 10, true, 0);
	taken(IORING_OP_READ, p[0], 0, 0, 0, 4, 10, false, 1);
	taken(IORING_OP_READ, p[0], 0, 0, 0, 0, 11, true, 1);
	CHECK(close(p[0]) == 0 && close(p[1]) == 0);
	ring_close(&r);
}

static int provide(unsigned op, int count)
{
	struct io_uring_sqe *s = ring_sqe(&r, op, 1);

	s->fd = count;
	if (op == IORING_OP_PROVIDE_BUFFERS) {
		s->addr = (uintptr_t)memory;
		s->len = 1;
	}
	CHECK_EQ(ring_submit(&r, 1), 1);
	return ring_result(&r, 1);
}

static void groups_are_limited(void)
{
	ring_make(&r, 8, 0);
	CHECK_EQ(provide(IORING_OP_PROVIDE_BUFFERS, 65536), 0);
	CHECK_EQ(provide(IORING_OP_REMOVE_BUFFERS, 65536), 65535);
	CHECK_EQ(provide(IORING_OP_PROVIDE_BUFFERS, 65535), 0);
	CHECK_EQ(provide(IORING_OP_PROVIDE_BUFFERS, 1), -EOVERFLOW);
	ring_close(&r);
}

/* ---- rings ---- */

static void resized_before_it_is_enabled(void)
{
	struct io_uring_params p = { .sq_entries = 16 };

	ring_make(&r, 8,
		  IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
			  IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG);
	CHECK(io_register(r.fd, IORING_REGISTER_RESIZE_RINGS, &p, 1) == 0);
	CHECK_EQ(p.sq_entries, 16);
	ring_unmap(&r);
	r.p.sq_entries = p.sq_entries;
	r.p.cq_entries = p.cq_entries;
	r.p.sq_off = p.sq_off;
	r.p.cq_off = p.cq_off;
	ring_map(&r);
	CHECK(io_register(r.fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0);
	ring_sqe(&r, IORING_OP_NOP, 5);
	CHECK_EQ(ring_submit(&r, 1), 1);
	CHECK_EQ(ring_result(&r, 5), 0);
	ring_close(&r);
}

static int timed_wait(int64_t sec, int64_t nsec)
{
	const int64_t ts[2] = { sec, nsec };
	const struct io_uring_getevents_arg arg = { .ts = (uintptr_t)ts };

	return io_enter(r.fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg,
			sizeof(arg));
}

static void times_that_are_none(void)
{
	ring_make(&r, 8, 0);
	CHECK_ERR(timed_wait(0, -1), ETIME);
	CHECK_ERR(timed_wait(-1, 0), ETIME);
	CHECK_ERR(timed_wait(-1, 1000000000), ETIME);
	CHECK_ERR(timed_wait(-5, -5), ETIME);
	CHECK_ERR(timed_wait(0, 1000000), ETIME);
	ring_close(&r);
}

static void nothing_to_poll_for(void)
{
	ring_make(&r, 8, IORING_SETUP_IOPOLL);
	CHECK_EQ(io_enter(r.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0), 0);
	ring_close(&r);
}

/* What waits in a ring, or has yet to be gone on with, ends when the ring is closed:
 * the socket's last holder is gone, its peer sees that. */
static void closed_with_work(unsigned flags, bool linked)
{
	struct pollfd pf = { .events = POLLIN };
	struct io_uring_sqe *s;
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	ring_make(&r, 8, flags);
	if (linked)
		ring_sqe(&r, IORING_OP_NOP, 1)->flags = IOSQE_IO_LINK;
	s = ring_sqe(&r, IORING_OP_RECV, 2);
	s->fd = pair[0];
	s->addr = (uintptr_t)memory;
	s->len = 8;
	CHECK_EQ(io_enter(r.fd, 0, 0, 0, NULL, 0), 0);
	__atomic_store_n(ring_word(&r, r.p.sq_off.tail), r.pending, __ATOMIC_RELEASE);
	CHECK_EQ(io_enter(r.fd, r.pending, 0, 0, NULL, 0), (int)r.pending);
	ring_close(&r);
	CHECK(close(pair[0]) == 0);
	pf.fd = pair[1];
	CHECK(poll(&pf, 1, 60000) == 1);
	CHECK(pf.revents & POLLHUP);
	CHECK(close(pair[1]) == 0);
}

/* ---- links ---- */

static const int64_t soon[2] = { 0, 1000000 }, never[2] = { 1000, 0 };

static struct io_uring_sqe *guarded_read(int fd, unsigned flags)
{
	struct io_uring_sqe *s = ring_sqe(&r, IORING_OP_READ, 1);

	s->fd = fd;
	s->addr = (uintptr_t)memory;
	s->len = 8;
	s->off = (uint64_t)-1;
	s->flags = (uint8_t)(IOSQE_IO_LINK | flags);
	return s;
}

static void link_timeout(const int64_t ts[2], unsigned flags)
{
	struct io_uring_sqe *s = ring_sqe(&r, IORING_OP_LINK_TIMEOUT, 2);

	s->addr = (uintptr_t)ts;
	s->len = 1;
	s->flags = (uint8_t)flags;
}

static int cancel(uint64_t user_data, unsigned flags)
{
	struct io_uring_sqe *s = ring_sqe(&r, IORING_OP_ASYNC_CANCEL, 9);

	s->addr = user_data;
	s->cancel_flags = flags;
	CHECK_EQ(ring_submit(&r, 1), 1);
	for (;;) {
		struct io_uring_cqe c = ring_wait(&r);

		if (c.user_data == 9)
			return c.res;
		CHECK(c.user_data <= 2 && c.res == -ECANCELED);
	}
}

/* A linked timeout is not found by itself: it ends with what it guards. */
static void linked_timeouts_are_not_cancelled(void)
{
	int p[2];

	CHECK(pipe(p) == 0);
	ring_make(&r, 8, 0);
	guarded_read(p[0], 0);
	link_timeout(never, 0);
	CHECK_EQ(ring_submit(&r, 0), 2);
	CHECK_EQ(cancel(2, 0), -ENOENT);
	CHECK_EQ(cancel(2, IORING_ASYNC_CANCEL_ALL), 0);
	CHECK_EQ(cancel(0, IORING_ASYNC_CANCEL_ANY), 1);
	while (ring_ready(&r))
		CHECK_EQ(ring_wait(&r).res, -ECANCELED);
	ring_close(&r);
	CHECK(close(p[0]) == 0 && close(p[1]) == 0);
}

/* Neither that it fires nor that it is not needed any more is a failure. */
static void linked_timeouts_are_silent(void)
{
	int p[2];

	CHECK(pipe(p) == 0);
	ring_make(&r, 8, 0);
	guarded_read(p[0], 0);
	link_timeout(soon, IOSQE_CQE_SKIP_SUCCESS);
	CHECK_EQ(ring_submit(&r, 1), 2);
	CHECK_EQ(ring_result(&r, 1), -ECANCELED);
	CHECK(write(p[1], "12345678", 8) == 8);
	guarded_read(p[0], 0);
	link_timeout(never, IOSQE_CQE_SKIP_SUCCESS);
	CHECK_EQ(ring_submit(&r, 1), 2);
	CHECK_EQ(ring_result(&r, 1), 8);
	ring_sqe(&r, IORING_OP_NOP, 3);
	CHECK_EQ(ring_submit(&r, 1), 1);
	CHECK_EQ(ring_result(&r, 3), 0);
	ring_close(&r);
	CHECK(close(p[0]) == 0 && close(p[1]) == 0);
}

/* A chain with a wrong entry is not done, hard links or not, and waits for no drain. */
static void broken_chains(void)
{
	struct io_uring_sqe *s;
	int p[2];

	CHECK(pipe(p) == 0);
	ring_make(&r, 8, 0);
	guarded_read(p[0], IOSQE_IO_DRAIN)->flags &= (uint8_t)~IOSQE_IO_LINK;
	s = ring_sqe(&r, IORING_OP_NOP, 5);
	s->nop_flags = 1u << 30;
	s->flags = IOSQE_IO_HARDLINK | IOSQE_IO_DRAIN;
	ring_sqe(&r, IORING_OP_NOP, 6);
	CHECK_EQ(ring_submit(&r, 2), 3);
	CHECK_EQ(ring_result(&r, 5), -EINVAL);
	CHECK_EQ(ring_result(&r, 6), -ECANCELED);
	CHECK(write(p[1], "12345678", 8) == 8);
	CHECK_EQ(ring_result(&r, 1), 8);
	ring_close(&r);
	CHECK(close(p[0]) == 0 && close(p[1]) == 0);
}

static void cancelled_by_file(void)
{
	struct io_uring_sync_cancel_reg reg = { .flags = IORING_ASYNC_CANCEL_FD,
						.sec = -1,
						.nsec = -1 };
	int p[2];

	CHECK(pipe(p) == 0);
	ring_make(&r, 8, 0);
	guarded_read(p[0], 0)->flags = 0;
	CHECK_EQ(ring_submit(&r, 0), 1);
	reg.fd = p[1];
	CHECK_ERR(io_register(r.fd, IORING_REGISTER_SYNC_CANCEL, &reg, 1), ENOENT);
	reg.fd = p[0];
	CHECK_EQ(io_register(r.fd, IORING_REGISTER_SYNC_CANCEL, &reg, 1), 0);
	CHECK_EQ(ring_result(&r, 1), -ECANCELED);
	ring_close(&r);
	CHECK(close(p[0]) == 0 && close(p[1]) == 0);
}

/* ---- files ---- */

/* No signal, as it is no thread of the program's that does it. */
static void file_too_large(void)
{
	const struct rlimit small = { 4096, RLIM_INFINITY },
			    large = { RLIM_INFINITY, RLIM_INFINITY };
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct io_uring_sqe *s;

	ring_make(&r, 8, 0);
	CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
	s = ring_sqe(&r, IORING_OP_FALLOCATE, 1);
	s->fd = fd;
	s->addr = 100000;
	CHECK_EQ(ring_submit(&r, 1), 1);
	CHECK_EQ(ring_result(&r, 1), -EFBIG);
	s = ring_sqe(&r, IORING_OP_FTRUNCATE, 1);
	s->fd = fd;
	s->off = 100000;
	CHECK_EQ(ring_submit(&r, 1), 1);
	CHECK_EQ(ring_result(&r, 1), -EFBIG);
	CHECK(setrlimit(RLIMIT_FSIZE, &large) == 0);
	CHECK(close(fd) == 0 && unlink("file") == 0);
	ring_close(&r);
}

static int tee_once(int from, int to, unsigned len)
{
	struct io_uring_sqe *s = ring_sqe(&r, IORING_OP_TEE, 1);

	s->fd = to;
	s->splice_fd_in = from;
	s->len = len;
	CHECK_EQ(ring_submit(&r, 1), 1);
	return ring_result(&r, 1);
}

static void tees(void)
{
	int a[2], b[2];

	CHECK(pipe(a) == 0 && pipe(b) == 0 && write(a[1], "12345", 5) == 5);
	ring_make(&r, 8, 0);
	CHECK_EQ(tee_once(a[0], b[1], 3), 3);
	CHECK_EQ(tee_once(a[0], b[1], 100), 5);
	CHECK_EQ(tee_once(a[0], b[1], 0), 0);
	CHECK_EQ(tee_once(a[0], a[1], 5), -EINVAL);
	CHECK_EQ(tee_once(a[1], b[1], 5), -EBADF);
	CHECK_EQ(tee_once(r.fd, b[1], 5), -EINVAL);
	CHECK_EQ(tee_once(-1, b[1], 5), -EBADF);
	CHECK(read(b[0], memory, 20) == 8 && memcmp(memory, "12312345", 8) == 0);
	CHECK(read(a[0], memory, 20) == 5 && memcmp(memory, "12345", 5) == 0);
	ring_close(&r);
	for (int i = 0; i < 2; i++)
		CHECK(close(a[i]) == 0 && close(b[i]) == 0);
}

/* ---- locked memory ---- */

static int ring_within(unsigned pages)
{
	const struct rlimit lim = { pages * 4096ul, 1 << 20 };
	struct io_uring_params p = { 0 };
	int fd, err;

	CHECK(setrlimit(RLIMIT_MEMLOCK, &lim) == 0);
	fd = io_setup_ring(32, &p);
	err = errno;
	if (fd >= 0)
		CHECK(close(fd) == 0);
	return fd < 0 ? -err : 0;
}

/* Of a user that nobody else is: a ring of 32 is two pages. */
static void rings_are_locked(void)
{
	int status;
	pid_t pid;

	if (getuid() != 0)
		return;
	pid = fork();
	if (pid == 0) {
		CHECK(setresgid(61234, 61234, 61234) == 0);
		CHECK(setresuid(61234, 61234, 61234) == 0);
		CHECK_EQ(ring_within(0), -ENOMEM);
		CHECK_EQ(ring_within(1), -ENOMEM);
		CHECK_EQ(ring_within(2), 0);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

int main(void)
{
	ring_need();
	buffers_of_files();
	buffers_of_pipes();
	buffers_of_datagrams();
	buffers_in_pieces();
	groups_are_limited();
	resized_before_it_is_enabled();
	times_that_are_none();
	nothing_to_poll_for();
	for (int linked = 0; linked < 2; linked++) {
		closed_with_work(0, linked);
		closed_with_work(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, linked);
	}
	linked_timeouts_are_not_cancelled();
	linked_timeouts_are_silent();
	broken_chains();
	cancelled_by_file();
	file_too_large();
	tees();
	rings_are_locked();
	return 0;
}
