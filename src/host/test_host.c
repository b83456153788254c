#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <cmocka.h>

#include "base/fault.h"
#include "host/host.h"
#include "host/hostfd.h"
#include "host/net.h"
#include "host/proc.h"
#include "host/safecopy.h"
#include "host/thread.h"

#define MAP_PAGES 4

/* A shared mapping of which only the first page is backed: the rest is SIGBUS. */
struct cut_map {
	int fd;
	char *base;
};

static void cut_map_create(struct cut_map *m)
{
	void *at;

	m->fd = host_memfd_create("cut", 0);
	assert_true(m->fd >= 0);
	assert_int_equal(host_ftruncate(m->fd, MAP_PAGES * PAGE_SIZE), 0);
	assert_int_equal(host_mmap(NULL, MAP_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
				   m->fd, 0, &at),
			 0);
	m->base = at;
	memset(m->base, 'm', MAP_PAGES * PAGE_SIZE);
	assert_int_equal(host_ftruncate(m->fd, PAGE_SIZE), 0);
}

static void cut_map_destroy(struct cut_map *m)
{
	host_munmap(m->base, MAP_PAGES * PAGE_SIZE);
	host_close(m->fd);
}

/* In each test again: cmocka installs handlers of its own before each. */
static void handle_faults(void)
{
	safecopy_init();
}

static void copies_of_every_small_size_are_exact(void **state)
{
	unsigned char src[1200], dst[1200];

	(void)state;
	handle_faults();
	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (unsigned char)(i * 7 + 1);
	for (size_t size = 0; size <= 1100; size++) {
		memset(dst, 0xee, sizeof(dst));
		assert_int_equal(safecopy(dst + 8, src + size % 9, size), 0);
		assert_memory_equal(dst + 8, src + size % 9, size);
		assert_int_equal(dst[7], 0xee);
		assert_int_equal(dst[8 + size], 0xee);
	}
}

/* From `before` bytes in front of the end, a copy stops exactly there. */
static void copy_across_the_end(struct cut_map *m, size_t before, size_t size)
{
	static char other[PAGE_SIZE];
	char *edge = m->base + PAGE_SIZE - before;
	size_t left = size > before ? size - before : 0;

	memset(other, 'o', sizeof(other));
	assert_int_equal(safecopy(other, edge, size), left);
	for (size_t i = 0; i < sizeof(other); i++)
		assert_int_equal(other[i], i < size - left ? 'm' : 'o');
	assert_int_equal(safecopy(edge, other, size), left);
}

static void truncated_file_ends_a_copy_at_the_exact_byte(void **state)
{
	static const size_t sizes[] = { 1,  2,  3,  4,   7,   8,   9,   15,   16,
					17, 31, 40, 100, 511, 512, 600, 2000, 4000 };
	struct cut_map m;

	(void)state;
	handle_faults();
	cut_map_create(&m);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (size_t before = 0; before <= 40; before++)
			copy_across_the_end(&m, before, sizes[i]);
	}
	assert_int_equal(safecopy_zero(m.base + PAGE_SIZE - 100, 300), 200);
	assert_int_equal(m.base[PAGE_SIZE - 100], 0);
	assert_int_equal(m.base[PAGE_SIZE - 101], 'm');
	assert_int_equal(safecopy_zero(m.base, 100), 0);
	cut_map_destroy(&m);
}

static void unmapped_addresses_fail(void **state)
{
	char byte = 0;
	void *hole;

	(void)state;
	handle_faults();
	assert_int_equal(host_mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
				   &hole),
			 0);
	assert_int_equal(safecopy(hole, &byte, 1), 1);
	assert_int_equal(safecopy(&byte, hole, 1), 1);
	assert_int_equal(safecopy_zero(hole, 77), 77);
	host_munmap(hole, PAGE_SIZE);
	assert_int_equal(safecopy(&byte, hole, 1), 1);
}

static void words_are_exchanged_or_fault(void **state)
{
	struct cut_map m;
	uint32_t word = 0, got = 99, *bad;

	(void)state;
	handle_faults();
	cut_map_create(&m);
	bad = (uint32_t *)(void *)(m.base + PAGE_SIZE);
	assert_int_equal(safecopy_store32(&word, 5), 0);
	assert_int_equal(safecopy_load32(&word, &got), 0);
	assert_int_equal(got, 5);
	assert_int_equal(safecopy_cmpxchg32(&word, 4, 6, &got), 0);
	assert_int_equal(got, 5);
	assert_int_equal(word, 5);
	assert_int_equal(safecopy_cmpxchg32(&word, 5, 6, &got), 0);
	assert_int_equal(got, 5);
	assert_int_equal(word, 6);
	assert_int_equal(safecopy_load32(bad, &got), -EFAULT);
	assert_int_equal(safecopy_store32(bad, 1), -EFAULT);
	assert_int_equal(safecopy_cmpxchg32(bad, 0, 1, &got), -EFAULT);
	cut_map_destroy(&m);
}

static void a_fault_elsewhere_panics(void **state)
{
	struct host_child child;
	void *hole;
	pid_t pid;

	(void)state;
	handle_faults();
	assert_int_equal(host_mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
				   &hole),
			 0);
	pid = host_fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = host_openat(AT_FDCWD, "/dev/null", O_WRONLY, 0);

		signal(SIGABRT, SIG_DFL);
		if (host_dup3(null, 2, 0) == 2)
			*(volatile char *)hole = 1;
		host_exit(0);
	}
	assert_int_equal(host_waitid(P_PID, (id_t)pid, &child, WEXITED), 0);
	assert_int_equal(child.pid, pid);
	assert_int_not_equal(child.code, CLD_EXITED);
	assert_int_equal(child.status, SIGABRT);
	host_munmap(hole, PAGE_SIZE);
}

static void wrappers_return_negative_errno(void **state)
{
	char byte;
	void *at;

	(void)state;
	assert_int_equal(host_openat(AT_FDCWD, "/nonexistent", O_RDONLY, 0), -ENOENT);
	assert_int_equal(host_read(-1, &byte, 1), -EBADF);
	assert_int_equal(host_mmap(NULL, 1, PROT_READ, MAP_PRIVATE, -1, 0, &at), -EBADF);
	assert_null(at);
	assert_int_equal(host_fadvise(-1, 0, 0, POSIX_FADV_NORMAL), -EBADF);
}

static void openat2_stays_beneath(void **state)
{
	int dir = host_openat(AT_FDCWD, "/proc/self", O_PATH | O_DIRECTORY, 0);
	struct stat st;
	int fd;

	(void)state;
	assert_true(dir >= 0);
	fd = host_openat2(dir, "status", O_RDONLY, 0, 0x08 /* RESOLVE_BENEATH */);
	if (fd == -ENOSYS)
		skip();
	assert_true(fd >= 0);
	assert_int_equal(host_fstat(fd, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(host_fcntl(fd, F_GETFD, 0), FD_CLOEXEC);
	host_close(fd);
	assert_int_equal(host_openat2(dir, "../version", O_RDONLY, 0, 0x08), -EXDEV);
	host_close(dir);
}

static void waiting_ends_at_the_timeout(void **state)
{
	struct pollfd fd = { .events = POLLIN };
	uint64_t start = host_clock_ns(CLOCK_MONOTONIC);

	(void)state;
	fd.fd = host_eventfd(0, EFD_NONBLOCK);
	assert_true(fd.fd >= 0);
	assert_int_equal(host_poll(&fd, 1, 2000000), 0);
	assert_true(host_clock_ns(CLOCK_MONOTONIC) - start >= 2000000);
	assert_int_equal(host_write(fd.fd, &(uint64_t){ 1 }, 8), 8);
	assert_int_equal(host_poll(&fd, 1, -1), 1);
	host_close(fd.fd);
}

static void add_one(void *arg)
{
	*(int *)arg += 1;
}

static void threads_run_and_end(void **state)
{
	struct host_thread t;
	int value = 1;

	(void)state;
	assert_int_equal(host_thread_create(&t, "a-name-that-is-too-long", 0, add_one, &value), 0);
	host_thread_join(&t);
	assert_int_equal(value, 2);
#ifdef NACRE_DEBUG
	fault_arm("host.thread", 1);
	assert_int_equal(host_thread_create(&t, "t", 0, add_one, &value), -EAGAIN);
#endif
}

struct tally {
	int count;
	int fd;
};

static void tally_fd(const struct hostfd *h, void *arg)
{
	struct tally *t = arg;

	t->count++;
	t->fd = h->fd;
}

static void hostfd_is_listed_until_the_last_put(void **state)
{
	struct tally t = { 0 };
	struct hostfd *h;
	int fds[2];

	(void)state;
	assert_int_equal(host_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(hostfd_create(fds[0], "test", &h), 0);
	hostfd_for_each(tally_fd, &t);
	assert_int_equal(t.count, 1);
	assert_int_equal(t.fd, fds[0]);
	hostfd_put(hostfd_get(h));
	assert_true(host_fcntl(fds[0], F_GETFD, 0) >= 0);
	hostfd_put(h);
	assert_int_equal(host_fcntl(fds[0], F_GETFD, 0), -EBADF);
	hostfd_for_each(tally_fd, &t);
	assert_int_equal(t.count, 1);
#ifdef NACRE_DEBUG
	fault_arm("pool.struct hostfd", 1);
	assert_int_equal(hostfd_create(fds[1], "test", &h), -ENOMEM);
	assert_null(h);
	assert_int_equal(host_fcntl(fds[1], F_GETFD, 0), -EBADF);
#else
	host_close(fds[1]);
#endif
}

static void random_bytes_differ(void **state)
{
	unsigned char a[600], b[600];

	(void)state;
	host_random(a, sizeof(a));
	host_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_of_every_small_size_are_exact),
		cmocka_unit_test(truncated_file_ends_a_copy_at_the_exact_byte),
		cmocka_unit_test(unmapped_addresses_fail),
		cmocka_unit_test(words_are_exchanged_or_fault),
		cmocka_unit_test(a_fault_elsewhere_panics),
		cmocka_unit_test(wrappers_return_negative_errno),
		cmocka_unit_test(openat2_stays_beneath),
		cmocka_unit_test(waiting_ends_at_the_timeout),
		cmocka_unit_test(threads_run_and_end),
		cmocka_unit_test(hostfd_is_listed_until_the_last_put),
		cmocka_unit_test(random_bytes_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
