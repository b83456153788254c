/*
 * Rings with real threads: two submit to one ring, helpers and workers carry requests
 * on, a third reaps. Whatever the order, each entry gives one completion. For the
 * thread sanitizer above all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "net/socket.h"
#include "task/testlib_task.h"
#include "uring/internal.h"

#define SUBMITTERS 2
#define ROUNDS 300
#define ENTRIES 64u

static struct mutex queue_lock = MUTEX_INIT(LOCK_NONE);
static struct ring *ring;
static int ring_fd, sock_fd[2];
static struct file *peer;
static gva_t times;
static atomic_uint submitted, ended, ready;

/* ---- the guest's side ---- */

static struct io_uring_sqe *entry(unsigned *n, unsigned op)
{
	struct ring_layout *l = &ring->layout;
	uint32_t tail = shared_load(ring_word(l, RING_SQ_TAIL)) + *n, at = tail % l->sq_entries;
	struct io_uring_sqe *sqe = sharedbuf_at(&l->sqes.buf, at * sizeof(*sqe), sizeof(*sqe));

	shared_store(sharedbuf_at(&l->rings.buf, l->array_off + at * 4, 4), at);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = (uint8_t)op;
	(*n)++;
	return sqe;
}

static long enter(struct task *t, unsigned n, unsigned wait)
{
	const uint64_t a[6] = { (uint64_t)ring_fd, n, wait, wait ? IORING_ENTER_GETEVENTS : 0 };
	void *tail = ring_word(&ring->layout, RING_SQ_TAIL);

	shared_store_release(tail, shared_load(tail) + n);
	return uring_enter_call(t, a);
}

static void timeout(unsigned *n, uint64_t data, unsigned which)
{
	struct io_uring_sqe *s = entry(n, IORING_OP_TIMEOUT);

	s->addr = times + which * 16;
	s->len = 1;
	s->user_data = data;
}

/* A few requests that fit together. */
static unsigned some_requests(unsigned kind, uint64_t data)
{
	struct io_uring_sqe *s;
	unsigned n = 0;

	switch (kind) {
	case 0:
		(void)entry(&n, IORING_OP_NOP);
		break;
	case 1:
		entry(&n, IORING_OP_NOP)->flags = IOSQE_ASYNC;
		break;
	case 2:
		entry(&n, IORING_OP_NOP)->flags = IOSQE_IO_LINK;
		entry(&n, IORING_OP_NOP)->flags = IOSQE_IO_LINK | IOSQE_ASYNC;
		(void)entry(&n, IORING_OP_NOP);
		break;
	case 3:
		timeout(&n, data, 0);
		break;
	case 4: /* one that would last for ever, and its end */
		timeout(&n, data, 1);
		s = entry(&n, IORING_OP_ASYNC_CANCEL);
		s->addr = data;
		break;
	case 5: /* a poll with a linked timeout */
		s = entry(&n, IORING_OP_POLL_ADD);
		s->fd = sock_fd[0];
		s->poll32_events = EV_IN;
		s->flags = IOSQE_IO_LINK;
		timeout(&n, data, 0);
		s = entry(&n, IORING_OP_NOP);
		((struct io_uring_sqe *)sharedbuf_at(
			 &ring->layout.sqes.buf,
			 (shared_load(ring_word(&ring->layout, RING_SQ_TAIL)) + 1) %
				 ring->layout.sq_entries * sizeof(*s),
			 sizeof(*s)))
			->opcode = IORING_OP_LINK_TIMEOUT;
		break;
	case 6:
		s = entry(&n, IORING_OP_RECV);
		s->fd = sock_fd[0];
		s->addr = times + 512;
		s->len = 1;
		break;
	default:
		(void)entry(&n, IORING_OP_NOP);
		entry(&n, IORING_OP_NOP)->flags = IOSQE_IO_DRAIN;
		break;
	}
	return n;
}

/* There is no tree of files here. */
static struct vfs_ctx ctx_of(struct task *t)
{
	return (struct vfs_ctx){ .cred = t->cred, .waiter = &t->waiter, .task = t };
}

static void feed(void)
{
	const struct vfs_ctx ctx = ctx_of(task_current());
	struct socket_msg m = { 0 };
	struct uio_seg seg;
	char c = 'x';
	struct uio u;

	uio_init_kernel(&u, &seg, UIO_FROM_USER, &c, 1);
	m.data = &u;
	(void)!socket_sendmsg(peer, &m, MSG_DONTWAIT | MSG_NOSIGNAL, &ctx);
}

static long submit_body(struct task *t, uint64_t seed)
{
	unsigned state = (unsigned)seed;

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned n;

		state = state * 1103515245 + 12345;
		mutex_lock(&queue_lock);
		n = some_requests(state >> 16 & 7, seed << 32 | i);
		assert_int_equal(enter(t, n, 0), n);
		atomic_fetch_add(&submitted, n);
		mutex_unlock(&queue_lock);
		feed();
	}
	atomic_fetch_add(&ended, 1);
	return 0;
}

static unsigned reap(void)
{
	struct ring_layout *l = &ring->layout;
	uint32_t head = shared_load(ring_word(l, RING_CQ_HEAD)),
		 tail = shared_load_acquire(ring_word(l, RING_CQ_TAIL));

	shared_store_release(ring_word(l, RING_CQ_HEAD), tail);
	return tail - head;
}

/* Until every entry has given its completion; data keeps coming for who receives. */
static void reap_all(struct task *t)
{
	unsigned got = 0;

	while (atomic_load(&ended) < SUBMITTERS || got < atomic_load(&submitted)) {
		const uint64_t a[6] = { (uint64_t)ring_fd, 0, 0, IORING_ENTER_GETEVENTS };

		assert_true(uring_enter_call(t, a) >= 0);
		got += reap();
		feed();
	}
	assert_int_equal(got, atomic_load(&submitted));
}

/* ---- threads ---- */

static void submitter(struct guest_regs *regs, struct platform_event *ev)
{
	if (regs->r15 == 0)
		fake_call(regs, ev, submit_body, atomic_fetch_add(&ready, 1) + 1);
	else
		fake_call(regs, ev, fake_exit_thread, 0);
}

static void make_sockets(struct task *t)
{
	const struct vfs_ctx ctx = ctx_of(t);
	struct file *f[2];

	assert_int_equal(socket_pair(AF_UNIX, SOCK_STREAM, 0, &ctx, f), 0);
	file_get(f[1]);
	peer = f[1];
	for (int i = 0; i < 2; i++) {
		sock_fd[i] = fd_install(t, f[i], 0, false);
		assert_true(sock_fd[i] >= 0);
	}
}

static void make_ring(struct task *t)
{
	const int64_t ts[4] = { 0, 100000, 1000, 0 };
	struct io_uring_params p = { .flags = IORING_SETUP_CQSIZE, .cq_entries = 4096 };
	gva_t page = (gva_t)fake_map_page(t, 0);
	struct file *f;

	assert_int_equal(mm_copy_out(t->mm, page, &p, sizeof(p)), 0);
	ring_fd = (int)uring_setup_call(t, ENTRIES, page);
	assert_true(ring_fd >= 0);
	times = page + 1024;
	assert_int_equal(mm_copy_out(t->mm, times, ts, sizeof(ts)), 0);
	f = fd_get(t, ring_fd);
	ring = ring_of(f);
	file_put(f);
}

static long first_body(struct task *t, uint64_t arg UNUSED)
{
	make_sockets(t);
	make_ring(t);
	for (int i = 0; i < SUBMITTERS; i++)
		assert_true(fake_thread(t, (uint64_t)(uintptr_t)submitter) > 0);
	reap_all(t);
	file_put(peer);
	return 0;
}

static void first(struct guest_regs *regs, struct platform_event *ev)
{
	if (regs->r15 == 0)
		fake_call(regs, ev, first_body, 0);
	else
		fake_call(regs, ev, fake_exit, 0);
}

static void every_entry_gives_one_completion(void **state)
{
	static const struct uring_externals none;
	static struct task_ops ops;

	(void)state;
	fake_up();
	ops = *fake_kernel.ops;
	ops.uring_leave = uring_leave;
	fake_kernel.ops = &ops;
	uring_init(&none);
	assert_int_equal(fake_run(first), 0);
	fake_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_gives_one_completion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
