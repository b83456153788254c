/* output: varies
 * nacre:
 * nacre: --io-uring-pages
 * An echo server as such servers are written for io_uring: multishot accept, multishot
 * receive into a ring of buffers, sends from these; 256 connections at once, over TCP and
 * AF_UNIX. Clients, by plain calls, hold what comes back against what they sent. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MIN(a, b) ((a) < (b) ? (a) : (b))

#include "ring.h"

#define CONNECTIONS 256
#define BUFFERS 64u
#define BUFFER 512
#define ROUNDS 8
#define GROUP 1

enum { ACCEPT = 1, RECV, SEND };

struct conn {
	int fd;
	unsigned sending; /* buffers that are under way */
	bool has_recv, is_over;
};

static struct uring r;
static struct io_uring_buf *ring_bufs;
static uint16_t given;
static char memory[BUFFERS][BUFFER];
static struct conn conns[CONNECTIONS + 16];
static unsigned nconns, nclosed, shortages;
static struct sockaddr_storage where;
static socklen_t where_size;

/* ---- the server ---- */

static void give(unsigned bid)
{
	struct io_uring_buf *b = &ring_bufs[given % BUFFERS];

	b->addr = (uintptr_t)memory[bid];
	b->len = BUFFER;
	b->bid = (uint16_t)bid;
	__atomic_store_n(&ring_bufs[0].resv, ++given, __ATOMIC_RELEASE);
}

/* user_data: what | connection << 8 | buffer << 32. */
static struct io_uring_sqe *entry(unsigned op, unsigned what, unsigned conn, unsigned bid)
{
	if (r.pending == r.p.sq_entries)
		CHECK(ring_submit(&r, 0) >= 0);
	return ring_sqe(&r, op, what | (uint64_t)conn << 8 | (uint64_t)bid << 32);
}

static void receive(unsigned c)
{
	struct io_uring_sqe *s = entry(IORING_OP_RECV, RECV, c, 0);

	s->fd = conns[c].fd;
	s->ioprio = IORING_RECV_MULTISHOT;
	s->flags = IOSQE_BUFFER_SELECT;
	s->buf_group = GROUP;
	conns[c].has_recv = true;
}

static void echo(unsigned c, unsigned bid, unsigned size)
{
	struct io_uring_sqe *s = entry(IORING_OP_SEND, SEND, c, bid);

	s->fd = conns[c].fd;
	s->addr = (uintptr_t)memory[bid];
	s->len = size;
	s->msg_flags = MSG_WAITALL;
	conns[c].sending++;
}

static void close_if_done(unsigned c)
{
	struct conn *k = &conns[c];

	if (!k->is_over || k->sending || k->has_recv || k->fd < 0)
		return;
	CHECK(close(k->fd) == 0);
	k->fd = -1;
	nclosed++;
}

static void on_recv(const struct io_uring_cqe *e, unsigned c)
{
	if (!(e->flags & IORING_CQE_F_MORE))
		conns[c].has_recv = false;
	if (e->res > 0) {
		CHECK(e->flags & IORING_CQE_F_BUFFER);
		/* One at a time, or they would come back in another order. */
		echo(c, e->flags >> 16, (unsigned)e->res);
	} else if (e->res == -ENOBUFS) {
		shortages++;
	} else {
		CHECK_EQ(e->res, 0);
		conns[c].is_over = true;
	}
	if (!conns[c].has_recv && !conns[c].is_over)
		receive(c);
	close_if_done(c);
}

static void on_completion(const struct io_uring_cqe *e)
{
	unsigned c = e->user_data >> 8 & 0xffffff, bid = (unsigned)(e->user_data >> 32);

	switch (e->user_data & 0xff) {
	case ACCEPT:
		CHECK(e->res >= 0 && (e->flags & IORING_CQE_F_MORE));
		CHECK(nconns < CONNECTIONS);
		conns[nconns].fd = e->res;
		receive(nconns++);
		break;
	case RECV:
		on_recv(e, c);
		break;
	case SEND:
		CHECK(e->res > 0);
		give(bid);
		conns[c].sending--;
		close_if_done(c);
		break;
	default:
		CHECK(!"a completion of ours");
	}
}

static void serve(int listener, unsigned flags)
{
	struct io_uring_params p = { .flags = flags | IORING_SETUP_CQSIZE, .cq_entries = 4096 };
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS,
					.bgid = GROUP,
					.flags = IOU_PBUF_RING_MMAP };
	struct io_uring_sqe *s;
	struct io_uring_cqe e;

	nconns = nclosed = given = 0;
	memset(conns, 0, sizeof(conns));
	ring_make_params(&r, 128, &p);
	CHECK(io_register(r.fd, IORING_REGISTER_PBUF_RING, &reg, 1) == 0);
	ring_bufs = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd,
			 IORING_OFF_PBUF_RING | (uint64_t)GROUP << IORING_OFF_PBUF_SHIFT);
	CHECK(ring_bufs != MAP_FAILED);
	for (unsigned i = 0; i < BUFFERS; i++)
		give(i);
	s = entry(IORING_OP_ACCEPT, ACCEPT, 0, 0);
	s->fd = listener;
	s->ioprio = IORING_ACCEPT_MULTISHOT;
	while (nclosed < CONNECTIONS) {
		CHECK(ring_submit(&r, 1) >= 0);
		while (ring_peek(&r, &e))
			on_completion(&e);
	}
	CHECK(munmap(ring_bufs, 4096) == 0);
	ring_close(&r);
}

/* ---- the clients: all of them by one thread ---- */

static unsigned char byte(unsigned c, unsigned at)
{
	return (unsigned char)(c * 31 + at * 7);
}

static void exchange(int fd, unsigned c, unsigned *at, unsigned size)
{
	unsigned char buf[1500];

	for (unsigned i = 0; i < size; i++)
		buf[i] = byte(c, *at + i);
	CHECK(send(fd, buf, size, 0) == (int)size);
	*at += size;
}

static void expect(int fd, unsigned c, unsigned *at, unsigned upto)
{
	unsigned char buf[1500];

	while (*at < upto) {
		ssize_t n = recv(fd, buf, MIN(sizeof(buf), upto - *at), 0);

		CHECK(n > 0);
		for (ssize_t i = 0; i < n; i++)
			CHECK_EQ(buf[i], byte(c, *at + (unsigned)i));
		*at += (unsigned)n;
	}
}

static void *clients(void *arg)
{
	static unsigned sent[CONNECTIONS], back[CONNECTIONS];
	int family = *(int *)arg, fds[CONNECTIONS];
	char rest;

	memset(sent, 0, sizeof(sent));
	memset(back, 0, sizeof(back));
	for (unsigned c = 0; c < CONNECTIONS; c++) {
		fds[c] = socket(family, SOCK_STREAM, 0);
		CHECK(connect(fds[c], (struct sockaddr *)&where, where_size) == 0);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		/* Not more than a buffer: the order of several is the server's own affair. */
		for (unsigned c = 0; c < CONNECTIONS; c++)
			exchange(fds[c], c, &sent[c], 1 + (c * 13 + round * 101) % BUFFER);
		for (unsigned c = 0; c < CONNECTIONS; c++)
			expect(fds[c], c, &back[c], sent[c]);
	}
	for (unsigned c = 0; c < CONNECTIONS; c++) {
		CHECK(shutdown(fds[c], SHUT_WR) == 0);
		CHECK(recv(fds[c], &rest, 1, 0) == 0);
		CHECK(close(fds[c]) == 0);
	}
	return NULL;
}

/* ---- both ---- */

static int listen_on(int family)
{
	int fd = socket(family, SOCK_STREAM, 0);

	memset(&where, 0, sizeof(where));
	if (family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)&where;

		in->sin_family = AF_INET;
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		CHECK(bind(fd, (struct sockaddr *)in, sizeof(*in)) == 0);
	} else {
		const struct sockaddr any = { .sa_family = AF_UNIX };

		/* An abstract name that the kernel chooses. */
		CHECK(bind(fd, &any, sizeof(any.sa_family)) == 0);
	}
	where_size = sizeof(where);
	CHECK(getsockname(fd, (struct sockaddr *)&where, &where_size) == 0);
	CHECK(listen(fd, CONNECTIONS) == 0);
	return fd;
}

static void run(int family, unsigned flags)
{
	int listener = listen_on(family);
	pthread_t th;

	CHECK(pthread_create(&th, NULL, clients, &family) == 0);
	serve(listener, flags);
	CHECK(pthread_join(th, NULL) == 0);
	CHECK(close(listener) == 0);
}

int main(void)
{
	struct rlimit files = { 2048, 2048 };

	ring_need();
	(void)setrlimit(RLIMIT_NOFILE, &files);
	run(AF_INET, 0);
	run(AF_INET, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	run(AF_UNIX, 0);
	run(AF_UNIX, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	printf("short of buffers %u times\n", shortages);
	return 0;
}
