/* UDP through the calls that the system call layer uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#include "abi/errno.h"
#include "base/fault.h"
#include "net/socket.h"

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

static struct file *dgram(void)
{
	struct file *f;

	assert_int_equal(socket_create(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0, &ctx, &f), 0);
	return f;
}

static struct file *bound(void)
{
	struct socket_addr a = addr4("127.0.0.1", 0);
	struct file *f = dgram();

	assert_int_equal(socket_bind(f, &a, &ctx), 0);
	return f;
}

static ssize_t put(struct file *f, const void *buf, size_t n, int port, struct socket_control *c)
{
	struct socket_addr to = addr4("127.0.0.1", port);
	struct uio_seg seg;
	struct uio u;
	struct socket_msg m = { .data = &u, .name = port ? &to : NULL, .control = c };

	uio_init_kernel(&u, &seg, UIO_FROM_USER, (void *)(uintptr_t)buf, n);
	return socket_sendmsg(f, &m, 0, &ctx);
}

static ssize_t get(struct file *f, void *buf, size_t n, unsigned flags, struct socket_control *c)
{
	struct uio_seg seg;
	struct uio u;
	struct socket_msg m = { .data = &u, .control = c };

	uio_init_kernel(&u, &seg, UIO_TO_USER, buf, n);
	return socket_recvmsg(f, &m, flags, &ctx);
}

static void datagrams_keep_their_borders(void **state)
{
	struct file *a = bound(), *b = dgram();
	char buf[8];

	(void)state;
	assert_int_equal(put(b, "abc", 3, port_of(a), NULL), 3);
	assert_int_equal(put(b, "", 0, port_of(a), NULL), 0);
	assert_int_equal(get(a, buf, 2, MSG_TRUNC, NULL), 3);
	assert_int_equal(get(a, buf, 8, 0, NULL), 0);
	assert_int_equal(get(a, buf, 8, 0, NULL), -EAGAIN);
	file_put(a);
	file_put(b);
}

static void a_port_without_a_socket_refuses(void **state)
{
	struct file *a = bound(), *b = dgram();
	struct socket_addr to = addr4("127.0.0.1", port_of(a));
	char buf[8];

	(void)state;
	assert_int_equal(socket_connect(b, &to, &ctx), 0);
	file_put(a);
	assert_int_equal(put(b, "x", 1, 0, NULL), 1);
	assert_int_equal(put(b, "x", 1, 0, NULL), -ECONNREFUSED);
	assert_int_equal(get(b, buf, 8, 0, NULL), -EAGAIN);
	file_put(b);
}

static void control_messages_are_told_what_was_asked(void **state)
{
	struct socket_control c = { 0 };
	const struct abi_cmsghdr *h;
	struct file *a = bound(), *b = dgram();
	size_t at = 0;
	int one = 1, ttl = 9;
	char buf[8];

	(void)state;
	assert_int_equal(socket_setsockopt(a, IPPROTO_IP, IP_RECVTTL, &one, sizeof(one), &ctx), 0);
	assert_int_equal(socket_control_add(&c, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)), 0);
	assert_int_equal(put(b, "x", 1, port_of(a), &c), 1);
	assert_int_equal(get(a, buf, 8, 0, &c), 1);
	h = socket_control_next(&c, &at);
	assert_non_null(h);
	assert_int_equal(h->type, IP_TTL);
	assert_memory_equal(h + 1, &ttl, sizeof(ttl));
	assert_null(socket_control_next(&c, &at));
	file_put(a);
	file_put(b);
}

static void control_messages_are_bounded(void **state)
{
	struct socket_control c = { 0 };
	uint8_t big[SOCKET_CONTROL_MAX] = { 0 };
	unsigned n = 0;

	(void)state;
	assert_int_equal(socket_control_add(&c, 0, 0, big, sizeof(big)), -EINVAL);
	while (socket_control_add(&c, 0, 0, big, 9) == 0)
		n++;
	assert_int_equal(n, SOCKET_CONTROL_MAX / 32);
}

static void memory_that_is_missing_fails_the_call(void **state)
{
	struct file *a = bound(), *f;

	(void)state;
	fault_arm("udp.message", 1);
	assert_int_equal(put(a, "x", 1, port_of(a), NULL), -ENOBUFS);
	fault_arm("pool.struct udp_sock", 1);
	assert_int_equal(socket_create(AF_INET, SOCK_DGRAM, 0, &ctx, &f), -ENOMEM);
	fault_arm(NULL, 0);
	file_put(a);
}

static void groups_are_left_with_their_socket(void **state)
{
	struct ip_mreq mreq = { .imr_interface.s_addr = htonl(INADDR_LOOPBACK) };
	struct file *a = bound();

	(void)state;
	for (int i = 1; i <= 20; i++) {
		mreq.imr_multiaddr.s_addr = htonl(0xef000000u + (unsigned)i);
		assert_int_equal(socket_setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq,
						   sizeof(mreq), &ctx),
				 0);
	}
	mreq.imr_multiaddr.s_addr = htonl(0xef00ffff);
	assert_int_equal(socket_setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq),
					   &ctx),
			 -ENOBUFS);
	file_put(a);
}

static void *storm(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)&seed;
	int port = port_of(arg);
	char buf[64];

	thread_init();
	for (int i = 0; i < 2000; i++) {
		struct file *f = dgram();
		struct socket_addr to = addr4(i & 1 ? "127.0.0.1" : "127.255.255.255", port);
		int one = 1;

		seed = seed * 1103515245u + 12345u;
		if (seed & 0x10000)
			(void)socket_setsockopt(f, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one),
						&ctx);
		if (seed & 0x20000)
			(void)socket_connect(f, &to, &ctx);
		(void)put(f, buf, seed >> 26, seed & 0x40000 ? port : 0, NULL);
		(void)get(f, buf, sizeof(buf), 0, NULL);
		(void)get(arg, buf, sizeof(buf), seed & 0x80000 ? MSG_PEEK : 0, NULL);
		(void)file_poll(arg, NULL);
		file_put(f);
	}
	return NULL;
}

static void a_storm_hurts_nobody(void **state)
{
	struct file *a = bound();
	pthread_t th[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&th[i], NULL, storm, a), 0);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(th[i], NULL);
	file_put(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams_keep_their_borders),
		cmocka_unit_test(a_port_without_a_socket_refuses),
		cmocka_unit_test(control_messages_are_told_what_was_asked),
		cmocka_unit_test(control_messages_are_bounded),
		cmocka_unit_test(memory_that_is_missing_fails_the_call),
		cmocka_unit_test(groups_are_left_with_their_socket),
		cmocka_unit_test(a_storm_hurts_nobody),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
