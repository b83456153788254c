/* output: varies
 * timeout: 120
 * nacre:
 * nacre: --io-uring-pages
 * Random entries, valid and not, with random links, drains, cancellations, fixed files
 * and buffers, timeouts and messages between rings, by several threads on rings of
 * several kinds, for about two seconds. A model says what each may give: every accepted
 * entry ends with exactly one completion that has no more behind it (none at all only
 * where it asked for that), and the result is one that its kind can have.
 * Argument: the seed, which is printed. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "ring.h"

#define THREADS 4
#define RINGS 3 /* the last one is for two threads */
#define IDS 40000
#define BATCH 8
#define FILE_SIZE 16384
#define BUF 256
#define RUN_MS 1500
#define MSG_ID 0xffff0000u
#define GROUP 3

enum kind {
	FREE,
	ANY_ONE,   /* one completion, of any result */
	EXACT,     /* this result, or cancelled with its chain */
	FILE_READ, /* so many bytes of the file, or cancelled */
	WAITS,     /* may also be cancelled by itself */
	SEVERAL,   /* any number with more behind, then one */
	MESSAGE,   /* 0: the other ring gets one */
	FORGOTTEN, /* ended */
};

struct record {
	enum kind kind;
	bool may_be_silent; /* it, or one before it in its chain, asked for that */
	int res;
	unsigned off;
	unsigned char *buf;
};

struct player {
	struct uring r;
	pthread_mutex_t lock; /* all of it */
	uint64_t seed;
	struct record *rec;
	unsigned nids, open; /* open: that must still end */
	unsigned accepted, silent, ended;
	int fds[8]; /* as registered: file, pipe, eventfd, socket pair */
	unsigned char *fixed;
	struct io_uring_buf *bufs;
	unsigned nbufs;
	bool in_chain, chain_is_silent;
	atomic_uint got_messages;
};

struct thread {
	pthread_t id;
	struct player *player;
	bool is_first;
};

static struct player players[RINGS];
static pthread_barrier_t barrier;
static atomic_uint sent_messages[RINGS];
static uint64_t until;
static unsigned char text[FILE_SIZE];

enum { FD_FILE, FD_PIPE_IN, FD_PIPE_OUT, FD_EVENT, FD_SOCK_A, FD_SOCK_B, FDS, SLOT_EMPTY = FDS };

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static unsigned rnd(struct player *p, unsigned n)
{
	p->seed = p->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(p->seed >> 33) % n;
}

/* ---- what an entry is, and what it may give ---- */

static int some_fd(struct player *p, struct io_uring_sqe *s, unsigned which)
{
	if (rnd(p, 3) == 0) {
		s->flags |= IOSQE_FIXED_FILE;
		return (int)which;
	}
	return p->fds[which];
}

static void file_read(struct player *p, struct io_uring_sqe *s, struct record *rec)
{
	bool fixed = rnd(p, 2);

	s->opcode = fixed ? IORING_OP_READ_FIXED : IORING_OP_READ;
	s->fd = some_fd(p, s, FD_FILE);
	s->len = 1 + rnd(p, BUF);
	s->off = rec->off = rnd(p, FILE_SIZE - BUF);
	if (fixed)
		rec->buf = p->fixed + (size_t)(rec - p->rec) % 64 * BUF;
	else
		rec->buf = malloc(BUF);
	/* Registered memory is used by several at a time: only counted. */
	s->addr = (uintptr_t)rec->buf;
	rec->kind = FILE_READ;
	rec->res = (int)s->len;
	if (fixed && rnd(p, 8) == 0) {
		s->buf_index = 7;
		rec->kind = EXACT;
		rec->res = -EFAULT;
	}
	if (fixed)
		rec->buf = NULL;
}

static void wrong(struct player *p, struct io_uring_sqe *s, struct record *rec)
{
	rec->kind = EXACT;
	rec->res = -EINVAL;
	switch (rnd(p, 5)) {
	case 0:
		s->opcode = 200;
		break;
	case 1:
		s->opcode = IORING_OP_NOP;
		s->nop_flags = 1u << 30;
		break;
	case 2:
		s->opcode = IORING_OP_TIMEOUT;
		s->len = 2;
		break;
	case 3:
		s->opcode = IORING_OP_READ;
		s->fd = -1;
		rec->res = -EBADF;
		break;
	default:
		s->opcode = IORING_OP_FSYNC;
		s->fd = SLOT_EMPTY;
		s->flags |= IOSQE_FIXED_FILE;
		rec->res = -EBADF;
	}
}

static void nop(struct player *p, struct io_uring_sqe *s, struct record *rec)
{
	rec->kind = EXACT;
	s->opcode = IORING_OP_NOP;
	if (rnd(p, 3) == 0) {
		s->nop_flags = IORING_NOP_INJECT_RESULT;
		s->len = rnd(p, 1000);
		rec->res = (int)s->len;
		if (rnd(p, 4) == 0)
			rec->res = (int)(s->len = (unsigned)-(int)(1 + rnd(p, 30)));
	}
}

static void waits(struct player *p, struct io_uring_sqe *s, struct record *rec)
{
	static char trash[64];

	rec->kind = WAITS;
	s->addr = (uintptr_t)trash;
	s->len = sizeof(trash);
	s->off = (uint64_t)-1;
	switch (rnd(p, 4)) {
	case 0:
		s->opcode = IORING_OP_READ;
		s->fd = some_fd(p, s, FD_PIPE_IN);
		break;
	case 1:
		s->opcode = IORING_OP_RECV;
		s->fd = some_fd(p, s, FD_SOCK_A);
		s->off = 0;
		break;
	case 2:
		s->opcode = IORING_OP_POLL_ADD;
		s->fd = some_fd(p, s, FD_SOCK_A);
		s->addr = s->off = s->len = 0;
		s->poll32_events = POLLIN;
		break;
	default:
		s->opcode = IORING_OP_READ;
		s->fd = some_fd(p, s, FD_EVENT);
		s->len = 8;
	}
}

static void several(struct player *p, struct io_uring_sqe *s, struct record *rec)
{
	rec->kind = SEVERAL;
	switch (rnd(p, 3)) {
	case 0:
		s->opcode = IORING_OP_POLL_ADD;
		s->fd = some_fd(p, s, FD_SOCK_A);
		s->len = IORING_POLL_ADD_MULTI;
		s->poll32_events = POLLIN;
		break;
	case 1:
		s->opcode = IORING_OP_RECV;
		s->fd = some_fd(p, s, FD_SOCK_A);
		s->ioprio = IORING_RECV_MULTISHOT;
		s->flags |= IOSQE_BUFFER_SELECT;
		s->buf_group = GROUP;
		break;
	default:
		s->opcode = IORING_OP_READ_MULTISHOT;
		s->fd = some_fd(p, s, FD_PIPE_IN);
		s->flags |= IOSQE_BUFFER_SELECT;
		s->buf_group = GROUP;
	}
}

static void times(struct player *p, struct io_uring_sqe *s, struct record *rec)
{
	static const int64_t ts[4][2] = { { 0, 0 }, { 0, 100000 }, { 0, 2000000 }, { 9, 0 } };

	rec->kind = WAITS;
	s->opcode = IORING_OP_TIMEOUT;
	s->addr = (uintptr_t)ts[rnd(p, 4)];
	s->len = 1;
	s->off = rnd(p, 2) ? rnd(p, 6) : 0;
	if (rnd(p, 4) == 0) {
		s->timeout_flags = IORING_TIMEOUT_MULTISHOT;
		s->addr = (uintptr_t)ts[1];
		s->off = 1 + rnd(p, 4);
		rec->kind = SEVERAL;
	}
	if (p->in_chain && rnd(p, 2)) {
		s->opcode = IORING_OP_LINK_TIMEOUT;
		s->timeout_flags = 0;
		s->off = 0;
		rec->kind = ANY_ONE;
	}
}

static void cancels(struct player *p, struct io_uring_sqe *s, struct record *rec)
{
	rec->kind = ANY_ONE;
	s->addr = p->nids > 40 ? p->nids - rnd(p, 40) : 1;
	switch (rnd(p, 4)) {
	case 0:
		s->opcode = IORING_OP_TIMEOUT_REMOVE;
		break;
	case 1:
		s->opcode = IORING_OP_POLL_REMOVE;
		break;
	case 2:
		s->opcode = IORING_OP_ASYNC_CANCEL;
		s->addr = 0;
		s->fd = p->fds[rnd(p, 2) ? FD_SOCK_A : FD_PIPE_IN];
		s->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
		break;
	default:
		s->opcode = IORING_OP_ASYNC_CANCEL;
	}
}

static void moves(struct player *p, struct io_uring_sqe *s, struct record *rec)
{
	static const uint64_t one = 1;
	static const unsigned to[] = { FD_PIPE_OUT, FD_SOCK_B, FD_EVENT };
	unsigned which = rnd(p, 3);

	rec->kind = WAITS;
	s->opcode = to[which] == FD_SOCK_B ? IORING_OP_SEND : IORING_OP_WRITE;
	s->fd = some_fd(p, s, to[which]);
	s->addr = (uintptr_t)&one;
	s->len = 8;
	if (s->opcode == IORING_OP_WRITE)
		s->off = (uint64_t)-1;
}

static void message(struct player *p, struct io_uring_sqe *s, struct record *rec)
{
	unsigned to = rnd(p, RINGS);

	rec->kind = MESSAGE;
	rec->off = to;
	s->opcode = IORING_OP_MSG_RING;
	s->fd = players[to].r.fd;
	s->off = MSG_ID;
}

typedef void (*make_fn)(struct player *p, struct io_uring_sqe *s, struct record *rec);
static const make_fn makers[] = { nop,   nop,     nop,   file_read, file_read, wrong, waits,
				  waits, several, times, times,     cancels,   moves, message };

static void links(struct player *p, struct io_uring_sqe *s, struct record *rec, bool last)
{
	if (rnd(p, 8) == 0)
		s->flags |= IOSQE_ASYNC;
	if (rnd(p, 24) == 0)
		s->flags |= IOSQE_IO_DRAIN;
	if (rnd(p, 12) == 0)
		s->flags |= IOSQE_CQE_SKIP_SUCCESS;
	if (!last && rnd(p, 4) == 0)
		s->flags |= rnd(p, 3) ? IOSQE_IO_LINK : IOSQE_IO_HARDLINK;
	/* These flags make some entries wrong. */
	if (s->flags & (IOSQE_IO_DRAIN | IOSQE_CQE_SKIP_SUCCESS))
		rec->kind = rec->kind == MESSAGE ? MESSAGE : SEVERAL;
	if (!p->in_chain)
		p->chain_is_silent = false;
	p->chain_is_silent |= s->flags & IOSQE_CQE_SKIP_SUCCESS;
	rec->may_be_silent = p->chain_is_silent;
	p->in_chain = s->flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
}

/* => lock */
static void add(struct player *p, bool last)
{
	uint32_t id = ++p->nids;
	struct record *rec = &p->rec[id];
	struct io_uring_sqe *s = ring_sqe(&p->r, IORING_OP_NOP, id);

	makers[rnd(p, sizeof(makers) / sizeof(makers[0]))](p, s, rec);
	links(p, s, rec, last);
	/* What is sent silently is not known to be sent. */
	if (rec->kind == MESSAGE && rec->may_be_silent) {
		s->opcode = IORING_OP_NOP;
		s->fd = 0;
		s->off = 0;
		rec->kind = ANY_ONE;
	}
	p->accepted++;
	p->silent += rec->may_be_silent;
	p->open += !rec->may_be_silent;
}

/* ---- completions ---- */

static bool result_is_possible(const struct record *rec, int res)
{
	switch (rec->kind) {
	case EXACT:
		return res == rec->res || res == -ECANCELED || res == -EOPNOTSUPP;
	case FILE_READ:
		/* A worker that is cancelled was interrupted. */
		return res == rec->res || res == -ECANCELED || res == -EINTR;
	case MESSAGE:
		return res == 0 || res == -ECANCELED || res == -EINTR || res == -EOPNOTSUPP ||
		       res == -EBADFD;
	default:
		return true;
	}
}

static void give_buffer(struct player *p, unsigned bid)
{
	static char memory[1024];
	struct io_uring_buf *b = &p->bufs[p->nbufs % 16];

	b->addr = (uintptr_t)memory;
	b->len = 32;
	b->bid = (uint16_t)bid;
	__atomic_store_n(&p->bufs[0].resv, (uint16_t)++p->nbufs, __ATOMIC_RELEASE);
}

static void take(struct player *p, const struct io_uring_cqe *c)
{
	struct record *rec;

	if (c->flags & IORING_CQE_F_BUFFER)
		give_buffer(p, c->flags >> 16);
	if (c->user_data == MSG_ID) {
		atomic_fetch_add(&p->got_messages, 1);
		return;
	}
	CHECK(c->user_data >= 1 && c->user_data <= p->nids);
	rec = &p->rec[c->user_data];
	if (rec->kind == FORGOTTEN) {
		fprintf(stderr, "entry %u ended twice: %d\n", (unsigned)c->user_data, c->res);
		_exit(CHECK_FAILED);
	}
	if (c->flags & IORING_CQE_F_MORE) {
		CHECK_EQ(rec->kind, SEVERAL);
		return;
	}
	if (!result_is_possible(rec, c->res)) {
		fprintf(stderr, "entry %u of kind %d: %d, not %d\n", (unsigned)c->user_data,
			rec->kind, c->res, rec->res);
		_exit(CHECK_FAILED);
	}
	if (rec->kind == MESSAGE && c->res == 0)
		atomic_fetch_add(&sent_messages[rec->off], 1);
	if (rec->kind == FILE_READ && rec->buf && c->res > 0)
		CHECK(memcmp(rec->buf, text + rec->off, (size_t)c->res) == 0);
	free(rec->buf);
	rec->buf = NULL;
	rec->kind = FORGOTTEN;
	if (rec->may_be_silent)
		p->silent--;
	else
		p->open--;
	p->ended++;
}

/* True: there were some. => lock */
static bool reap(struct player *p)
{
	struct io_uring_cqe c;
	bool any = false;

	if (io_enter(p->r.fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		CHECK(errno == EINTR || errno == EBADR);
	while (ring_peek(&p->r, &c)) {
		take(p, &c);
		any = true;
	}
	return any;
}

/* Everything that was got is taken, in as many calls as it needs: a wrong entry ends a
 * submission. => lock */
static void submit(struct player *p)
{
	unsigned left = p->r.pending;
	int n = ring_submit(&p->r, 0);

	while (!(p->r.p.flags & IORING_SETUP_SQPOLL)) {
		if (n < 0) {
			CHECK(errno == EAGAIN || errno == EBUSY || errno == EINTR);
			(void)reap(p);
			n = 0;
		}
		left -= (unsigned)n;
		if (!left)
			break;
		n = io_enter(p->r.fd, left, 0, IORING_ENTER_GETEVENTS, NULL, 0);
	}
	p->in_chain = false;
}

/* ---- the threads ---- */

static void cancel_everything(struct player *p)
{
	struct io_uring_sync_cancel_reg reg = { .flags = IORING_ASYNC_CANCEL_ANY,
						.sec = 0,
						.nsec = 1000000 };

	(void)io_register(p->r.fd, IORING_REGISTER_SYNC_CANCEL, &reg, 1);
}

static void nudge(struct player *p)
{
	static const uint64_t one = 1;

	(void)write(p->fds[FD_PIPE_OUT], &one, 8);
	(void)write(p->fds[FD_EVENT], &one, 8);
	(void)send(p->fds[FD_SOCK_B], &one, 8, MSG_DONTWAIT);
}

static void plays(struct player *p)
{
	while (now_ms() < until) {
		pthread_mutex_lock(&p->lock);
		if (p->nids + BATCH < IDS) {
			unsigned n = 1 + rnd(p, BATCH);

			for (unsigned i = 1; i <= n; i++)
				add(p, i == n);
			submit(p);
		}
		if (rnd(p, 3) == 0)
			(void)reap(p);
		if (rnd(p, 4) == 0)
			nudge(p);
		/* A drain waits for what may never come. */
		if (rnd(p, 30) == 0)
			cancel_everything(p);
		pthread_mutex_unlock(&p->lock);
	}
}

/* All that must end has; what may be silent has had its time. */
static void settle(struct player *p)
{
	uint64_t limit = now_ms() + 20000;

	while (p->open) {
		cancel_everything(p);
		nudge(p);
		(void)reap(p);
		if (now_ms() > limit) {
			fprintf(stderr, "ring %d: %u of %u entries never ended\n",
				(int)(p - players), p->open, p->accepted);
			_exit(CHECK_FAILED);
		}
	}
}

/* One thread of a ring enables it and sees to its end: it may be the only one that may. */
static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct player *p = t->player;

	if (t->is_first)
		CHECK(io_register(p->r.fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0);
	pthread_barrier_wait(&barrier);
	plays(p);
	pthread_barrier_wait(&barrier);
	if (t->is_first)
		settle(p);
	/* Nobody sends messages any more. */
	pthread_barrier_wait(&barrier);
	while (t->is_first && reap(p)) {}
	return NULL;
}

/* ---- making ---- */

static void make_player(struct player *p, unsigned flags, uint64_t seed)
{
	struct io_uring_params params = { .flags = flags | IORING_SETUP_CQSIZE |
						   IORING_SETUP_R_DISABLED,
					  .sq_entries = 32,
					  .cq_entries = 64,
					  .sq_thread_idle = 5 };
	struct io_uring_buf_reg reg = { .ring_entries = 16,
					.bgid = GROUP,
					.flags = IOU_PBUF_RING_MMAP };
	struct iovec iov = { .iov_len = 64 * BUF };
	int32_t slots[FDS + 1];

	p->seed = seed;
	p->rec = calloc(IDS + 1, sizeof(*p->rec));
	p->fixed = malloc(iov.iov_len);
	iov.iov_base = p->fixed;
	pthread_mutex_init(&p->lock, NULL);
	ring_make_params(&p->r, 32, &params);
	p->fds[FD_FILE] = open("text", O_RDWR | O_CREAT, 0600);
	CHECK(pwrite(p->fds[FD_FILE], text, FILE_SIZE, 0) == FILE_SIZE);
	CHECK(pipe2(&p->fds[FD_PIPE_IN], 0) == 0);
	CHECK(fcntl(p->fds[FD_PIPE_OUT], F_SETFL, O_NONBLOCK) == 0);
	p->fds[FD_EVENT] = eventfd(0, EFD_NONBLOCK);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, &p->fds[FD_SOCK_A]) == 0);
	for (int i = 0; i < FDS; i++)
		slots[i] = p->fds[i];
	slots[SLOT_EMPTY] = -1;
	CHECK(io_register(p->r.fd, IORING_REGISTER_FILES, slots, FDS + 1) == 0);
	CHECK(io_register(p->r.fd, IORING_REGISTER_BUFFERS, &iov, 1) == 0);
	CHECK(io_register(p->r.fd, IORING_REGISTER_PBUF_RING, &reg, 1) == 0);
	p->bufs = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, p->r.fd,
		       IORING_OFF_PBUF_RING | (uint64_t)GROUP << IORING_OFF_PBUF_SHIFT);
	CHECK(p->bufs != MAP_FAILED);
	for (unsigned i = 0; i < 12; i++)
		give_buffer(p, i);
}

static unsigned first_flags(uint64_t seed)
{
	static const unsigned kinds[] = {
		0,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQE32,
		IORING_SETUP_SQE128 | IORING_SETUP_NO_SQARRAY,
	};

	return kinds[seed % (sizeof(kinds) / sizeof(kinds[0]))];
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : now_ms() ^ (uint64_t)getpid();
	const unsigned flags[RINGS] = {
		first_flags(seed),
		IORING_SETUP_SQPOLL,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
	};
	struct thread threads[THREADS];
	unsigned total = 0;

	ring_need();
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	for (unsigned i = 0; i < FILE_SIZE; i++)
		text[i] = (unsigned char)(i * 7 + i / 251);
	for (unsigned i = 0; i < RINGS; i++)
		make_player(&players[i], flags[i], seed + i * 1000003);
	until = now_ms() + RUN_MS;
	CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	for (unsigned i = 0; i < THREADS; i++) {
		threads[i].player = &players[i < RINGS ? i : RINGS - 1];
		threads[i].is_first = i < RINGS;
		CHECK(pthread_create(&threads[i].id, NULL, thread_main, &threads[i]) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i].id, NULL) == 0);
	for (unsigned i = 0; i < RINGS; i++) {
		CHECK_EQ(players[i].open, 0);
		total += players[i].ended;
	}
	for (unsigned i = 0; i < RINGS; i++)
		CHECK_EQ(players[i].got_messages, sent_messages[i]);
	printf("%u entries\n", total);
	CHECK(unlink("text") == 0);
	return 0;
}
