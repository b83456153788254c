/* TCP through the calls that the system call layer uses, and the table of ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "abi/errno.h"
#include "base/fault.h"
#include "net/inet/claim.h"

static const struct cred *cred;
static _Thread_local struct waiter waiter;
static _Thread_local struct vfs_ctx ctx;

static void thread_init(void)
{
	waiter_init(&waiter);
	ctx = (struct vfs_ctx){ .cred = cred, .waiter = &waiter, .pid = 42 };
}

static int setup(void **state)
{
	(void)state;
	cred = cred_create(0, 0);
	thread_init();
	return cred ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	cred_put(cred);
	return 0;
}

/* ---- helpers ---- */

static struct socket_addr addr4(const char *text, int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct socket_addr a = { .size = sizeof(sin) };

	inet_pton(AF_INET, text, &sin.sin_addr);
	memcpy(a.bytes, &sin, sizeof(sin));
	return a;
}

static int port_of(struct file *f)
{
	struct socket_addr a;
	struct sockaddr_in sin;

	assert_int_equal(socket_getname(f, false, &a), 0);
	memcpy(&sin, a.bytes, sizeof(sin));
	return ntohs(sin.sin_port);
}

static struct file *stream(int flags)
{
	struct file *f;

	assert_int_equal(socket_create(AF_INET, SOCK_STREAM | flags, 0, &ctx, &f), 0);
	return f;
}

static struct file *listener(int backlog)
{
	struct socket_addr a = addr4("127.0.0.1", 0);
	struct file *l = stream(SOCK_NONBLOCK);

	assert_int_equal(socket_bind(l, &a, &ctx), 0);
	assert_int_equal(socket_listen(l, backlog, &ctx), 0);
	return l;
}

static int connect_to(struct file *f, int port)
{
	struct socket_addr a = addr4("127.0.0.1", port);

	return socket_connect(f, &a, &ctx);
}

static void pair(struct file *p[2])
{
	struct file *l = listener(1);

	p[0] = stream(0);
	assert_int_equal(connect_to(p[0], port_of(l)), 0);
	assert_int_equal(socket_accept(l, 0, &ctx, &p[1], NULL), 0);
	file_put(l);
}

static ssize_t put(struct file *f, const void *buf, size_t n, unsigned flags)
{
	struct uio_seg seg;
	struct uio u;
	struct socket_msg m = { .data = &u };

	uio_init_kernel(&u, &seg, UIO_FROM_USER, (void *)(uintptr_t)buf, n);
	return socket_sendmsg(f, &m, flags, &ctx);
}

static ssize_t get(struct file *f, void *buf, size_t n, unsigned flags)
{
	struct uio_seg seg;
	struct uio u;
	struct socket_msg m = { .data = &u };

	uio_init_kernel(&u, &seg, UIO_TO_USER, buf, n);
	return socket_recvmsg(f, &m, flags, &ctx);
}

/* ---- streams ---- */

static void bytes_arrive_in_order(void **state)
{
	struct file *p[2];
	char buf[16];

	(void)state;
	pair(p);
	assert_int_equal(get(p[0], buf, 4, MSG_DONTWAIT), -EAGAIN);
	for (int i = 0; i < 5; i++)
		assert_int_equal(put(p[1], "ab", 2, 0), 2);
	assert_int_equal(get(p[0], buf, 3, MSG_PEEK), 3);
	assert_int_equal(get(p[0], buf, 16, 0), 10);
	assert_memory_equal(buf, "ababababab", 10);
	file_put(p[0]);
	file_put(p[1]);
}

static void a_close_with_unread_bytes_resets(void **state)
{
	struct file *p[2];
	char c;

	(void)state;
	pair(p);
	assert_int_equal(put(p[0], "x", 1, 0), 1);
	file_put(p[1]);
	assert_int_equal(get(p[0], &c, 1, 0), -ECONNRESET);
	assert_int_equal(get(p[0], &c, 1, 0), 0);
	assert_int_equal(put(p[0], "x", 1, 0), -EPIPE);
	file_put(p[0]);
}

static void a_write_to_a_closed_end_is_lost_and_then_fails(void **state)
{
	struct file *p[2];
	char c;

	(void)state;
	pair(p);
	file_put(p[1]);
	assert_int_equal(get(p[0], &c, 1, 0), 0);
	assert_int_equal(put(p[0], "x", 1, 0), 1);
	assert_int_equal(put(p[0], "x", 1, 0), -EPIPE);
	file_put(p[0]);
}

static void unaccepted_connections_are_reset(void **state)
{
	struct file *l = listener(1), *c = stream(0), *waits = stream(SOCK_NONBLOCK);
	struct file *more = stream(0);
	int port = port_of(l);
	char ch;

	(void)state;
	assert_int_equal(connect_to(c, port), 0);
	assert_int_equal(connect_to(more, port), 0);
	assert_int_equal(connect_to(waits, port), -EINPROGRESS);
	file_put(l);
	assert_int_equal(get(c, &ch, 1, 0), -ECONNRESET);
	assert_int_equal(connect_to(waits, port), -ECONNREFUSED);
	file_put(c);
	file_put(more);
	file_put(waits);
}

static void a_caller_waits_for_room(void **state)
{
	struct file *l = listener(0), *a = stream(0), *b = stream(SOCK_NONBLOCK), *s;
	int port = port_of(l);

	(void)state;
	assert_int_equal(connect_to(a, port), 0);
	assert_int_equal(connect_to(b, port), -EINPROGRESS);
	assert_int_equal(connect_to(b, port), -EALREADY);
	assert_int_equal(socket_accept(l, 0, &ctx, &s, NULL), 0);
	assert_int_equal(connect_to(b, port), 0);
	file_put(s);
	assert_int_equal(socket_accept(l, 0, &ctx, &s, NULL), 0);
	file_put(b);
	b = stream(SOCK_NONBLOCK);
	file_put(s);
	file_put(a);
	file_put(b);
	file_put(l);
}

static void memory_that_is_missing_fails_the_call(void **state)
{
	struct file *p[2], *f;

	(void)state;
	pair(p);
	fault_arm("tcp.chunk", 1);
	assert_int_equal(put(p[0], "x", 1, 0), -ENOBUFS);
	fault_arm("pool.struct tcp_sock", 1);
	assert_int_equal(socket_create(AF_INET, SOCK_STREAM, 0, &ctx, &f), -ENOMEM);
	fault_arm(NULL, 0);
	assert_int_equal(put(p[0], "x", 1, 0), 1);
	file_put(p[0]);
	file_put(p[1]);
}

#define BULK ((size_t)8 << 20)

static void *bulk_writer(void *arg)
{
	uint8_t *buf = malloc(BULK);

	thread_init();
	for (size_t i = 0; i < BULK; i++)
		buf[i] = (uint8_t)(i * 31 >> 3);
	for (size_t at = 0, n = 1; at < BULK; at += n, n = n * 3 % 70001 + 1) {
		n = MIN(n, BULK - at);
		assert_int_equal(put(arg, buf + at, n, 0), n);
	}
	assert_int_equal(socket_shutdown(arg, SHUT_WR), 0);
	free(buf);
	return NULL;
}

static void a_writer_waits_for_its_reader(void **state)
{
	uint8_t buf[10000];
	struct file *p[2];
	pthread_t th;
	size_t at = 0;
	ssize_t n;

	(void)state;
	pair(p);
	assert_int_equal(pthread_create(&th, NULL, bulk_writer, p[0]), 0);
	while ((n = get(p[1], buf, sizeof(buf), 0)) > 0) {
		for (ssize_t i = 0; i < n; i++, at++)
			assert_int_equal(buf[i], (uint8_t)(at * 31 >> 3));
	}
	assert_int_equal(n, 0);
	assert_int_equal(at, BULK);
	pthread_join(th, NULL);
	file_put(p[0]);
	file_put(p[1]);
}

/* ---- many threads: nothing is lost, nothing is used after it is freed ---- */

struct storm {
	int port;
	unsigned seed;
};

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16;
}

static void *storm_client(void *arg)
{
	struct storm *st = arg;
	struct linger reset = { 1, 0 };

	thread_init();
	for (int i = 0; i < 300; i++) {
		unsigned r = next_random(&st->seed);
		struct file *f = stream(r & 1 ? SOCK_NONBLOCK : 0);
		char c;

		(void)connect_to(f, st->port);
		if (r & 2)
			(void)put(f, "hello", 5, 0);
		if (r & 4)
			(void)socket_shutdown(f, (int)(r >> 8) % 3);
		if (r & 8)
			(void)get(f, &c, 1, MSG_DONTWAIT);
		if (r & 16)
			(void)socket_setsockopt(f, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset),
						&ctx);
		(void)file_poll(f, NULL);
		file_put(f);
	}
	return NULL;
}

static void *storm_server(void *arg)
{
	struct file *l = arg, *s;
	unsigned seed = (unsigned)(uintptr_t)&s, idle = 0;

	thread_init();
	while (idle < 200) {
		char buf[8];

		if (socket_accept(l, SOCK_NONBLOCK, &ctx, &s, NULL) < 0) {
			struct timespec ts = { .tv_nsec = 1000000 };

			nanosleep(&ts, NULL);
			idle++;
			continue;
		}
		idle = 0;
		if (next_random(&seed) & 1)
			(void)get(s, buf, sizeof(buf), 0);
		if (next_random(&seed) & 1)
			(void)put(s, "answer", 6, 0);
		file_put(s);
	}
	return NULL;
}

static bool count_owned(const struct inet_claim *c, void *arg)
{
	*(unsigned *)arg += c->owner != NULL;
	return true;
}

static void a_storm_leaves_nothing_behind(void **state)
{
	struct file *l = listener(3);
	struct storm st[3];
	pthread_t clients[3], servers[2];
	unsigned left = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&servers[i], NULL, storm_server, l), 0);
	for (unsigned i = 0; i < 3; i++) {
		st[i] = (struct storm){ port_of(l), i + 1 };
		assert_int_equal(pthread_create(&clients[i], NULL, storm_client, &st[i]), 0);
	}
	for (unsigned i = 0; i < 3; i++)
		pthread_join(clients[i], NULL);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(servers[i], NULL);
	file_put(l);
	claim_for_each(&tcp_ports, 0, count_owned, &left);
	assert_int_equal(left, 0);
}

/* ---- ports ---- */

UNUSED static void chosen_ports_differ_until_none_is_left(void **state)
{
	unsigned max = EPHEMERAL_LAST - EPHEMERAL_FIRST + 1, taken = 0;
	struct socket_addr a = addr4("127.0.0.77", 0);
	struct file **f = calloc(max + 1, sizeof(struct file *)), *c;

	(void)state;
	for (; taken <= max; taken++) {
		f[taken] = stream(0);
		if (socket_bind(f[taken], &a, &ctx) < 0)
			break;
	}
	assert_int_equal(taken, max);
	assert_int_equal(socket_bind(f[taken], &a, &ctx), -EADDRINUSE);
	c = stream(0);
	a = addr4("127.0.0.1", 1);
	assert_int_equal(socket_connect(c, &a, &ctx), -EADDRNOTAVAIL);
	file_put(c);
	for (unsigned i = 0; i <= taken; i++)
		file_put(f[i]);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_arrive_in_order),
		cmocka_unit_test(a_close_with_unread_bytes_resets),
		cmocka_unit_test(a_write_to_a_closed_end_is_lost_and_then_fails),
		cmocka_unit_test(unaccepted_connections_are_reset),
		cmocka_unit_test(a_caller_waits_for_room),
		cmocka_unit_test(memory_that_is_missing_fails_the_call),
		cmocka_unit_test(a_writer_waits_for_its_reader),
		cmocka_unit_test(a_storm_leaves_nothing_behind),
#ifndef NACRE_SANITIZED /* 28,232 sockets take a minute there */
		cmocka_unit_test(chosen_ports_differ_until_none_is_left),
#endif
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
