/* AF_UNIX through the calls that the system call layer uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "abi/errno.h"
#include "net/socket.h"

static const struct cred *cred;
static struct waiter waiter;
static struct vfs_ctx ctx;

static int setup(void **state)
{
	(void)state;
	cred = cred_create(0, 0);
	waiter_init(&waiter);
	ctx = (struct vfs_ctx){ .cred = cred, .waiter = &waiter, .pid = 42 };
	return cred ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	cred_put(cred);
	return 0;
}

static ssize_t put(struct file *f, const void *buf, size_t n, unsigned flags,
		   struct socket_files *files)
{
	struct socket_msg m = { .files = files };
	struct uio_seg seg;
	struct uio u;
	ssize_t r;

	uio_init_kernel(&u, &seg, UIO_FROM_USER, (void *)(uintptr_t)buf, n);
	m.data = &u;
	r = socket_sendmsg(f, &m, flags, &ctx);
	socket_files_put(m.files);
	return r;
}

static ssize_t get(struct file *f, void *buf, size_t n, unsigned flags, struct socket_msg *m)
{
	struct socket_msg mine = { 0 };
	struct uio_seg seg;
	struct uio u;
	ssize_t r;

	m = m ? m : &mine;
	uio_init_kernel(&u, &seg, UIO_TO_USER, buf, n);
	m->data = &u;
	r = socket_recvmsg(f, m, flags, &ctx);
	if (m == &mine)
		socket_files_put(mine.files);
	return r;
}

static struct socket_files *files_of(struct file *f)
{
	struct socket_files *sf = calloc(1, sizeof(*sf));

	assert_non_null(sf);
	sf->count = 1;
	sf->file[0] = f;
	file_get(f);
	return sf;
}

static struct socket_addr abstract(const char *name)
{
	struct socket_addr a = { .family = AF_UNIX };

	a.size = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	memcpy(a.bytes + offsetof(struct sockaddr_un, sun_path) + 1, name, strlen(name));
	return a;
}

static void a_stream_carries_bytes_and_ends(void **state)
{
	struct file *f[2];
	char buf[16];

	(void)state;
	assert_int_equal(socket_pair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, &ctx, f), 0);
	assert_int_equal(get(f[0], buf, 4, 0, NULL), -EAGAIN);
	assert_int_equal(put(f[0], "abc", 3, 0, NULL), 3);
	assert_int_equal(put(f[0], "def", 3, 0, NULL), 3);
	assert_int_equal(get(f[1], buf, 2, MSG_PEEK, NULL), 2);
	assert_int_equal(get(f[1], buf, sizeof(buf), 0, NULL), 6);
	assert_memory_equal(buf, "abcdef", 6);
	file_put(f[0]);
	assert_int_equal(get(f[1], buf, 1, 0, NULL), 0);
	assert_int_equal(put(f[1], "x", 1, 0, NULL), -EPIPE);
	file_put(f[1]);
}

static void data_lost_by_a_close_is_an_error_once(void **state)
{
	struct file *f[2];
	char c;

	(void)state;
	assert_int_equal(socket_pair(AF_UNIX, SOCK_STREAM, 0, &ctx, f), 0);
	assert_int_equal(put(f[0], "abc", 3, 0, NULL), 3);
	file_put(f[1]);
	assert_int_equal(get(f[0], &c, 1, 0, NULL), -ECONNRESET);
	assert_int_equal(get(f[0], &c, 1, 0, NULL), 0);
	file_put(f[0]);
}

static void datagrams_keep_their_borders(void **state)
{
	struct socket_msg m = { 0 };
	struct file *f[2];
	char buf[8];

	(void)state;
	assert_int_equal(socket_pair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, &ctx, f), 0);
	assert_int_equal(put(f[0], "abcdef", 6, 0, NULL), 6);
	assert_int_equal(put(f[0], "", 0, 0, NULL), 0);
	assert_int_equal(get(f[1], buf, 2, MSG_TRUNC, &m), 6);
	assert_true(m.flags & MSG_TRUNC);
	assert_int_equal(get(f[1], buf, 8, 0, NULL), 0);
	assert_int_equal(get(f[1], buf, 8, 0, NULL), -EAGAIN);
	file_put(f[0]);
	assert_int_equal(put(f[1], "x", 1, 0, NULL), -ECONNREFUSED);
	assert_int_equal(put(f[1], "x", 1, 0, NULL), -ENOTCONN);
	file_put(f[1]);
}

static void names_lead_to_listeners(void **state)
{
	struct socket_addr a = abstract("here"), got;
	struct file *l, *c, *s;
	char buf[4];

	(void)state;
	assert_int_equal(socket_create(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, &ctx, &l), 0);
	assert_int_equal(socket_create(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, &ctx, &c), 0);
	assert_int_equal(socket_listen(l, 1, &ctx), -EINVAL);
	assert_int_equal(socket_connect(c, &a, &ctx), -ECONNREFUSED);
	assert_int_equal(socket_bind(l, &a, &ctx), 0);
	assert_int_equal(socket_bind(l, &a, &ctx), -EINVAL);
	assert_int_equal(socket_bind(c, &a, &ctx), -EADDRINUSE);
	assert_int_equal(socket_listen(l, 0, &ctx), 0);
	assert_int_equal(socket_accept(l, 0, &ctx, &s, NULL), -EAGAIN);
	assert_int_equal(socket_connect(c, &a, &ctx), 0);
	assert_int_equal(socket_connect(c, &a, &ctx), -EAGAIN);
	assert_int_equal(put(c, "hi", 2, 0, NULL), 2);
	assert_int_equal(socket_accept(l, SOCK_NONBLOCK, &ctx, &s, &got), 0);
	assert_int_equal(got.size, 2);
	assert_int_equal(socket_connect(c, &a, &ctx), -EISCONN);
	assert_int_equal(get(s, buf, 4, 0, NULL), 2);
	assert_int_equal(socket_getname(c, true, &got), 0);
	assert_int_equal(got.size, a.size);
	file_put(l);
	file_put(s);
	file_put(c);
}

static void an_unaccepted_connection_is_reset(void **state)
{
	struct socket_addr a = abstract("gone");
	struct file *l, *c;
	char ch;

	(void)state;
	assert_int_equal(socket_create(AF_UNIX, SOCK_SEQPACKET, 0, &ctx, &l), 0);
	assert_int_equal(socket_create(AF_UNIX, SOCK_SEQPACKET, 0, &ctx, &c), 0);
	assert_int_equal(socket_bind(l, &a, &ctx), 0);
	assert_int_equal(socket_listen(l, 4, &ctx), 0);
	assert_int_equal(socket_connect(c, &a, &ctx), 0);
	file_put(l);
	assert_int_equal(get(c, &ch, 1, 0, NULL), -ECONNRESET);
	assert_int_equal(get(c, &ch, 1, 0, NULL), 0);
	file_put(c);
}

static void files_travel_and_stop_a_read(void **state)
{
	struct socket_msg m = { 0 };
	struct file *f[2], *g[2];
	char buf[8];

	(void)state;
	assert_int_equal(socket_pair(AF_UNIX, SOCK_STREAM, 0, &ctx, f), 0);
	assert_int_equal(socket_pair(AF_UNIX, SOCK_STREAM, 0, &ctx, g), 0);
	assert_int_equal(put(f[0], "a", 1, 0, files_of(g[0])), 1);
	assert_int_equal(put(f[0], "b", 1, 0, NULL), 1);
	assert_int_equal(get(f[1], buf, 8, 0, &m), 1);
	assert_non_null(m.files);
	assert_ptr_equal(m.files->file[0], g[0]);
	socket_files_put(m.files);
	assert_int_equal(get(f[1], buf, 8, 0, NULL), 1);
	for (int i = 0; i < 2; i++) {
		file_put(f[i]);
		file_put(g[i]);
	}
}

static void count_one(const struct socket_info *si, void *arg)
{
	(void)si;
	++*(unsigned *)arg;
}

static void cycles_in_flight_are_collected(void **state)
{
	unsigned before = 0, after = 0;
	struct file *f[2], *g[2];

	(void)state;
	socket_for_each_unix(count_one, &before);
	assert_int_equal(socket_pair(AF_UNIX, SOCK_STREAM, 0, &ctx, f), 0);
	assert_int_equal(socket_pair(AF_UNIX, SOCK_DGRAM, 0, &ctx, g), 0);
	assert_int_equal(put(f[0], "a", 1, 0, files_of(f[1])), 1);
	assert_int_equal(put(f[1], "a", 1, 0, files_of(f[0])), 1);
	assert_int_equal(put(f[1], "a", 1, 0, files_of(g[0])), 1);
	file_put(g[0]);
	file_put(g[1]);
	file_put(f[0]);
	file_put(f[1]);
	/* Nobody is told that the cycle is cut off: as in Linux, the next socket
	 * that is closed looks. */
	assert_int_equal(socket_create(AF_UNIX, SOCK_STREAM, 0, &ctx, &g[0]), 0);
	file_put(g[0]);
	socket_for_each_unix(count_one, &after);
	assert_int_equal(after, before);
}

static void deep_nesting_is_freed_without_recursion(void **state)
{
	struct file *outer = NULL;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct file *f[2];

		assert_int_equal(socket_pair(AF_UNIX, SOCK_STREAM, 0, &ctx, f), 0);
		if (outer) {
			assert_int_equal(put(f[0], "a", 1, 0, files_of(outer)), 1);
			file_put(outer);
		}
		file_put(f[0]);
		outer = f[1];
	}
	file_put(outer);
}

#define BULK ((size_t)4 << 20)

static void *bulk_writer(void *arg)
{
	struct waiter w;
	struct vfs_ctx mine = ctx;
	struct uio_seg seg;
	struct uio u;
	uint8_t *buf = malloc(BULK);
	struct socket_msg m = { .data = &u };

	for (size_t i = 0; i < BULK; i++)
		buf[i] = (uint8_t)(i * 31 >> 3);
	waiter_init(&w);
	mine.waiter = &w;
	uio_init_kernel(&u, &seg, UIO_FROM_USER, buf, BULK);
	assert_int_equal(socket_sendmsg(arg, &m, 0, &mine), BULK);
	assert_int_equal(socket_shutdown(arg, SHUT_WR), 0);
	free(buf);
	return NULL;
}

static void a_writer_waits_for_its_reader(void **state)
{
	uint8_t buf[10000];
	struct file *f[2];
	pthread_t th;
	size_t at = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(socket_pair(AF_UNIX, SOCK_STREAM, 0, &ctx, f), 0);
	assert_int_equal(pthread_create(&th, NULL, bulk_writer, f[0]), 0);
	while ((n = get(f[1], buf, sizeof(buf), 0, NULL)) > 0) {
		for (ssize_t i = 0; i < n; i++, at++)
			assert_int_equal(buf[i], (uint8_t)(at * 31 >> 3));
	}
	assert_int_equal(n, 0);
	assert_int_equal(at, BULK);
	pthread_join(th, NULL);
	file_put(f[0]);
	file_put(f[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_carries_bytes_and_ends),
		cmocka_unit_test(data_lost_by_a_close_is_an_error_once),
		cmocka_unit_test(datagrams_keep_their_borders),
		cmocka_unit_test(names_lead_to_listeners),
		cmocka_unit_test(an_unaccepted_connection_is_reset),
		cmocka_unit_test(files_travel_and_stop_a_read),
		cmocka_unit_test(cycles_in_flight_are_collected),
		cmocka_unit_test(deep_nesting_is_freed_without_recursion),
		cmocka_unit_test(a_writer_waits_for_its_reader),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
