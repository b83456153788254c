/* Inherited descriptors: pipes, sockets, files, terminals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/fault.h"
#include "fs/hostfd/hostfd.h"
#include "fs/testlib_tree.h"
#include "host/hostfd.h"
#include "memmap/memmap.h"

static struct tree t;

static int copy_in_plain(void *space UNUSED, void *dst, gva_t src, size_t size)
{
	memcpy(dst, (const void *)(uintptr_t)src, size);
	return 0;
}

static int copy_out_plain(void *space UNUSED, gva_t dst, const void *src, size_t size)
{
	memcpy((void *)(uintptr_t)dst, src, size);
	return 0;
}

static const struct uaccess_ops plain_ops = { copy_in_plain, copy_out_plain };
static const struct uaccess plain = { &plain_ops, NULL };

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	hostfd_init();
	if (tree_init(&t) < 0)
		return -1;
	t.ctx.mem = &plain;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return tree_fini(&t);
}

static struct file *wrap(int fd)
{
	struct file *f;

	assert_int_equal(hostfd_file_create(fd, t.cred, &f), 0);
	return f;
}

struct later {
	int fd;
	unsigned delay_us;
	const char *text;
	char *sink; /* reads instead */
	size_t size, got;
	struct waiter *interrupts;
};

static void *act_later(void *arg)
{
	struct later *l = arg;

	usleep(l->delay_us);
	if (l->interrupts)
		waiter_interrupt(l->interrupts, false);
	if (l->text)
		(void)!write(l->fd, l->text, strlen(l->text));
	while (l->sink && l->got < l->size) {
		ssize_t n = read(l->fd, l->sink + l->got, l->size - l->got);

		if (n <= 0)
			break;
		l->got += (size_t)n;
	}
	return NULL;
}

/* ---- pipes ---- */

static void a_reader_waits_for_the_writer(void **state)
{
	struct later l = { .delay_us = 50000, .text = "late" };
	int p[2], flags;
	char buf[16] = { 0 };
	struct file *f;
	pthread_t thread;

	(void)state;
	assert_int_equal(pipe(p), 0);
	f = wrap(p[0]);
	l.fd = p[1];
	pthread_create(&thread, NULL, act_later, &l);
	assert_int_equal(tree_get(&t, f, buf, sizeof(buf), -1), 4);
	assert_string_equal(buf, "late");
	pthread_join(thread, NULL);
	flags = fcntl(p[0], F_GETFL);
	assert_false(flags & O_NONBLOCK);
	close(p[1]);
	assert_int_equal(tree_get(&t, f, buf, sizeof(buf), -1), 0);
	file_put(f);
	assert_int_equal(fcntl(p[0], F_GETFL), -1);
}

static void a_nonblocking_guest_gets_eagain(void **state)
{
	char buf[16];
	struct file *f;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	f = wrap(p[0]);
	atomic_fetch_or(&f->flags, O_NONBLOCK);
	assert_int_equal(tree_get(&t, f, buf, sizeof(buf), -1), -EAGAIN);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(tree_get(&t, f, buf, sizeof(buf), -1), 1);
	close(p[1]);
	file_put(f);
}

static void a_signal_ends_the_wait(void **state)
{
	struct later l = { .delay_us = 30000, .fd = -1 };
	struct file *f;
	pthread_t thread;
	char buf[4];
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	f = wrap(p[0]);
	l.interrupts = &t.waiter;
	pthread_create(&thread, NULL, act_later, &l);
	assert_int_equal(tree_get(&t, f, buf, sizeof(buf), -1), -ERESTARTSYS);
	pthread_join(thread, NULL);
	waiter_clear_interrupt(&t.waiter);
	close(p[1]);
	file_put(f);
}

static void a_large_write_goes_through_a_full_pipe(void **state)
{
	enum { SIZE = 1 << 20 };
	struct later l = { .delay_us = 20000, .size = SIZE };
	char *data = malloc(SIZE);
	struct file *f;
	pthread_t thread;
	int p[2];

	(void)state;
	for (int i = 0; i < SIZE; i++)
		data[i] = (char)(i * 7);
	assert_int_equal(pipe(p), 0);
	f = wrap(p[1]);
	l.fd = p[0];
	l.sink = malloc(SIZE);
	pthread_create(&thread, NULL, act_later, &l);
	assert_int_equal(tree_put(&t, f, data, SIZE, -1), SIZE);
	pthread_join(thread, NULL);
	assert_int_equal(l.got, SIZE);
	assert_memory_equal(l.sink, data, SIZE);
	atomic_fetch_or(&f->flags, O_NONBLOCK);
	assert_int_equal(tree_put(&t, f, data, SIZE, -1), 65536);
	assert_int_equal(tree_put(&t, f, data, SIZE, -1), -EAGAIN);
	file_put(f);
	close(p[0]);
	free(l.sink);
	free(data);
}

static void a_pipe_without_readers_is_broken(void **state)
{
	struct file *f;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	f = wrap(p[1]);
	close(p[0]);
	assert_int_equal(tree_put(&t, f, "x", 1, -1), -EPIPE);
	assert_true(file_poll(f, NULL) & EV_ERR);
	file_put(f);
}

static void streams_have_no_position(void **state)
{
	struct file *f;
	char c;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	f = wrap(p[0]);
	assert_int_equal(file_lseek(f, 0, SEEK_CUR, &t.ctx), -ESPIPE);
	assert_int_equal(tree_get(&t, f, &c, 1, 0), -ESPIPE);
	close(p[1]);
	file_put(f);
}

/* ---- polling ---- */

static struct waitq *polled;

static void remember_queue(struct poll_table *pt, struct waitq *q)
{
	(void)pt;
	polled = q;
}

static void both_directions_are_waited_for_at_once(void **state)
{
	struct poll_table pt = { .add = remember_queue };
	struct waitq_entry in, out;
	struct waiter win, wout;
	char buf[4096] = { 0 };
	struct file *f;
	uint64_t soon;
	struct timespec ts;
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	f = wrap(s[0]);
	atomic_fetch_or(&f->flags, O_NONBLOCK);
	while (tree_put(&t, f, buf, sizeof(buf), -1) > 0)
		;
	assert_int_equal(file_poll(f, &pt) & (EV_IN | EV_OUT), 0);
	waiter_init(&win);
	waiter_init(&wout);
	waitq_entry_init(&in, &win, EV_IN);
	waitq_entry_init(&out, &wout, EV_OUT);
	waitq_add(polled, &in);
	waitq_add(polled, &out);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	soon = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec + 5000000000ull;
	/* First the one, then, without anybody asking again, the other. */
	assert_int_equal(write(s[1], "x", 1), 1);
	assert_int_equal(waiter_wait(&win, soon), 0);
	while (recv(s[1], buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(waiter_wait(&wout, soon), 0);
	waitq_remove(polled, &in);
	waitq_remove(polled, &out);
	file_put(f);
	close(s[1]);
}

/* ---- files ---- */

static void the_offset_is_shared_with_the_host(void **state)
{
	struct file *f;
	char buf[8] = { 0 };
	int fd;

	(void)state;
	tree_host_write(&t, "f", "0123456789");
	fd = open(tree_host(&t, "f"), O_RDWR);
	assert_int_equal(read(fd, buf, 2), 2);
	f = wrap(dup(fd));
	assert_int_equal(tree_get(&t, f, buf, 3, -1), 3);
	assert_memory_equal(buf, "234", 3);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 5);
	assert_int_equal(tree_get(&t, f, buf, 2, 8), 2);
	assert_memory_equal(buf, "89", 2);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 5);
	assert_int_equal(file_lseek(f, -1, SEEK_END, &t.ctx), 9);
	assert_int_equal(tree_put(&t, f, "AB", 2, -1), 2);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 11);
	assert_string_equal(tree_host_read(&t, "f"), "012345678AB");
	file_put(f);
	close(fd);
}

static void appending_goes_to_the_end(void **state)
{
	struct file *f;
	int fd;

	(void)state;
	tree_host_write(&t, "f", "start");
	fd = open(tree_host(&t, "f"), O_WRONLY | O_APPEND);
	f = wrap(dup(fd));
	assert_int_equal(tree_put(&t, f, "1", 1, -1), 1);
	assert_int_equal(write(fd, "2", 1), 1);
	assert_int_equal(tree_put(&t, f, "3", 1, -1), 1);
	file_put(f);
	close(fd);
	assert_string_equal(tree_host_read(&t, "f"), "start123");
}

static void fstat_shows_the_hosts_file(void **state)
{
	struct kstat st;
	struct stat s;
	struct file *f;

	(void)state;
	tree_host_write(&t, "f", "text");
	assert_int_equal(stat(tree_host(&t, "f"), &s), 0);
	f = wrap(open(tree_host(&t, "f"), O_RDONLY));
	assert_int_equal(file_getattr(f, &t.ctx, &st), 0);
	assert_int_equal(st.size, 4);
	assert_int_equal(st.ino, s.st_ino);
	assert_int_equal(st.mode, s.st_mode);
	file_put(f);
}

static void a_regular_file_can_be_mapped(void **state)
{
	struct translation tr[2];
	struct mappable *m;
	struct file *f;
	unsigned n;
	int r;

	(void)state;
	tree_host_write(&t, "f", "mapped");
	f = wrap(open(tree_host(&t, "f"), O_RDONLY));
	m = f->ops->mappable(f);
	assert_non_null(m);
	m->ops->get(m);
	file_put(f);
	r = m->ops->translate(m, 0, PAGE_SIZE, 0, 8 * PAGE_SIZE, MAP_R, tr, 2, &n);
	translate_check(0, PAGE_SIZE, 0, 8 * PAGE_SIZE, MAP_R, r, tr, n);
	assert_int_equal(r, 0);
	assert_false(tr[0].perms & MAP_W);
	m->ops->put(m);
}

/* ---- devices ---- */

static void null_and_zero(void **state)
{
	char buf[4] = "abc";
	struct file *f = wrap(open("/dev/null", O_RDWR));

	(void)state;
	assert_int_equal(tree_get(&t, f, buf, 4, -1), 0);
	assert_int_equal(tree_put(&t, f, buf, 4, -1), 4);
	file_put(f);
	f = wrap(open("/dev/zero", O_RDONLY));
	assert_int_equal(tree_get(&t, f, buf, 4, -1), 4);
	assert_memory_equal(buf, "\0\0\0\0", 4);
	file_put(f);
}

static void a_terminal(void **state)
{
	struct winsize ws = { .ws_row = 11, .ws_col = 22 };
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	uint8_t termios[64] = { 0 };
	char buf[16] = { 0 };
	struct kstat st;
	struct file *f;

	(void)state;
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		skip();
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (slave < 0)
		skip();
	f = wrap(slave);
	assert_int_equal(f->ops->ioctl(f, 0x5401, (uintptr_t)termios, &t.ctx), 0);
	assert_int_equal(f->ops->ioctl(f, 0x5402, (uintptr_t)termios, &t.ctx), 0);
	assert_int_equal(f->ops->ioctl(f, TIOCSWINSZ, (uintptr_t)&ws, &t.ctx), 0);
	ws.ws_row = 0;
	assert_int_equal(f->ops->ioctl(f, TIOCGWINSZ, (uintptr_t)&ws, &t.ctx), 0);
	assert_int_equal(ws.ws_row, 11);
	assert_int_equal(f->ops->ioctl(f, TIOCGPGRP, (uintptr_t)&ws, &t.ctx), -ENOTTY);
	assert_int_equal(f->ops->ioctl(f, TIOCSTI, (uintptr_t) "x", &t.ctx), -EIO);
	assert_int_equal(file_getattr(f, &t.ctx, &st), 0);
	assert_true(S_ISCHR(st.mode));
	assert_int_equal(write(master, "line\n", 5), 5);
	assert_int_equal(tree_get(&t, f, buf, sizeof(buf), -1), 5);
	assert_string_equal(buf, "line\n");
	assert_int_equal(tree_put(&t, f, "out", 3, -1), 3);
	file_put(f);
	close(master);
}

/* ---- life ---- */

static void the_standard_numbers_stay_taken(void **state)
{
	int p[2], saved = dup(0), fd;
	struct file *f;
	char c;

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(dup2(p[1], 0), 0);
	close(p[1]);
	f = wrap(0);
	assert_int_equal(tree_put(&t, f, "x", 1, -1), 1);
	file_put(f);
	/* The pipe is closed, and 0 is not free. */
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(read(p[0], &c, 1), 0);
	fd = open("/dev/null", O_RDONLY);
	assert_true(fd > 0);
	close(fd);
	close(p[0]);
	dup2(saved, 0);
	close(saved);
}

static void count_one(const struct hostfd *h UNUSED, void *arg)
{
	++*(unsigned *)arg;
}

static unsigned count_hostfds(void)
{
	unsigned n = 0;

	hostfd_for_each(count_one, &n);
	return n;
}

#ifdef NACRE_DEBUG
static void every_allocation_may_fail(void **state)
{
	unsigned before = count_hostfds();

	(void)state;
	tree_host_write(&t, "f", "text");
	for (unsigned n = 1; n < 50; n++) {
		int fd = open(tree_host(&t, "f"), O_RDONLY), r;
		struct file *f;

		fault_arm(NULL, n);
		r = hostfd_file_create(fd, t.cred, &f);
		fault_arm(NULL, 0);
		if (r == 0)
			file_put(f);
		assert_int_equal(fcntl(fd, F_GETFD), -1);
		assert_int_equal(count_hostfds(), before);
		if (!fault_fired())
			return;
	}
	fail_msg("the end was not reached");
}
#endif

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_reader_waits_for_the_writer),
		T(a_nonblocking_guest_gets_eagain),
		T(a_signal_ends_the_wait),
		T(a_large_write_goes_through_a_full_pipe),
		T(a_pipe_without_readers_is_broken),
		T(streams_have_no_position),
		T(both_directions_are_waited_for_at_once),
		T(the_offset_is_shared_with_the_host),
		T(appending_goes_to_the_end),
		T(fstat_shows_the_hosts_file),
		T(a_regular_file_can_be_mapped),
		T(null_and_zero),
		T(a_terminal),
		T(the_standard_numbers_stay_taken),
#ifdef NACRE_DEBUG
		T(every_allocation_may_fail),
#endif
	};

	(void)count_hostfds;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
