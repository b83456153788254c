/*
 * A mapped file is truncated and grown while threads touch it and system calls copy
 * from and to its mappings, shared and private: what lies behind the end is SIGBUS at its
 * own address, or a short copy or EFAULT; what lies before it is there; and no
 * byte is ever one that nobody wrote.
 *
 * nacre:
 * nacre: --no-overlay
 * nacre: --bind {cwd}:{cwd},cache=exclusive
 * nacre: --bind {cwd}:{cwd},cache=exclusive,forcecache
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#include "check.h"
#include "tmpdir.h"

#define P 4096ul
#define PAGES 32u
#define RW (PROT_READ | PROT_WRITE)
#define ROUNDS 300

static char *areas[2]; /* shared, private */
static int fd, source, stop;
static __thread sigjmp_buf back;
static __thread volatile char *touching;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	CHECK_EQ(sig, SIGBUS);
	CHECK_EQ(info->si_code, BUS_ADRERR);
	CHECK(info->si_addr == touching);
	siglongjmp(back, 1);
}

static unsigned next(unsigned *state)
{
	*state = *state * 1103515245u + 12345u;
	return *state >> 16;
}

static char *somewhere(unsigned *state)
{
	return areas[next(state) % 2] + next(state) % PAGES * P + next(state) % P;
}

/* Whether the touch worked. */
static int touch(volatile char *p, int is_store)
{
	touching = p;
	if (sigsetjmp(back, 1))
		return 0;
	if (is_store) {
		*p = 'm';
	} else {
		char c = *p;

		CHECK(c == 0 || c == 'm');
	}
	return 1;
}

static void *toucher(void *arg)
{
	unsigned state = (unsigned)(uintptr_t)arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		char *p = somewhere(&state);

		touch(p, next(&state) % 2);
	}
	return NULL;
}

static void check_bytes(const char *p, ssize_t n)
{
	for (ssize_t i = 0; i < n; i++)
		CHECK(p[i] == 0 || p[i] == 'm');
}

static void *copier(void *arg)
{
	unsigned state = (unsigned)(uintptr_t)arg;
	static __thread char buf[2 * P];
	int sink = memfd_create("sink", 0);

	CHECK(sink >= 0);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		char *p = somewhere(&state);
		size_t size = 1 + next(&state) % (2 * P);
		int is_write = next(&state) % 2;
		ssize_t n;

		size = p + size > areas[0] + 2 * PAGES * P ? 1 : size;
		n = is_write ? pwrite(sink, p, size, 0) : pread(source, p, size, 0);
		CHECK((n > 0 && n <= (ssize_t)size) || (n < 0 && errno == EFAULT));
		if (is_write && n > 0) {
			CHECK_EQ(pread(sink, buf, (size_t)n, 0), n);
			check_bytes(buf, n);
		}
	}
	close(sink);
	return NULL;
}

/* Through the file itself, never behind its end. */
static void *reader(void *arg)
{
	unsigned state = (unsigned)(uintptr_t)arg;
	static __thread char buf[2 * P];

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		ssize_t n = pread(fd, buf, sizeof(buf), (off_t)(next(&state) % (PAGES * P)));

		CHECK(n >= 0);
		check_bytes(buf, n);
	}
	return NULL;
}

/* The only one who changes the size: what it touches then is certain. */
static void truncate_and_look(void)
{
	unsigned state = 77;

	for (int i = 0; i < ROUNDS; i++) {
		size_t pages = next(&state) % (PAGES + 1), end;
		off_t size = (off_t)(pages * P) - (pages && next(&state) % 4 == 0 ? 100 : 0);

		CHECK(ftruncate(fd, size) == 0);
		for (int k = 0; k < 2; k++) {
			if (pages < PAGES) {
				end = pages + next(&state) % (PAGES - pages);
				CHECK(!touch(areas[k] + end * P, next(&state) % 2));
			}
			if (pages)
				CHECK(touch(areas[k] + next(&state) % pages * P, next(&state) % 2));
		}
	}
}

static void run(int file)
{
	struct {
		void *(*start)(void *);
		pthread_t thread;
	} helpers[] = { { toucher, 0 }, { toucher, 0 }, { copier, 0 }, { reader, 0 } };

	fd = file;
	stop = 0;
	CHECK(fd >= 0 && ftruncate(fd, PAGES * P) == 0);
	areas[0] = mmap(NULL, 2 * PAGES * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(areas[0] != MAP_FAILED);
	areas[1] = areas[0] + PAGES * P;
	CHECK(mmap(areas[0], PAGES * P, RW, MAP_SHARED | MAP_FIXED, fd, 0) == areas[0]);
	CHECK(mmap(areas[1], PAGES * P, RW, MAP_PRIVATE | MAP_FIXED, fd, 0) == areas[1]);
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(pthread_create(&helpers[i].thread, NULL, helpers[i].start, (void *)(i + 1)) ==
		      0);
	truncate_and_look();
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 4; i++)
		pthread_join(helpers[i].thread, NULL);
	CHECK(munmap(areas[0], 2 * PAGES * P) == 0);
	close(fd);
}

int main(void)
{
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	char marks[2 * P];

	tmpdir_enter();
	CHECK(sigaction(SIGSEGV, &act, NULL) == 0 && sigaction(SIGBUS, &act, NULL) == 0);
	memset(marks, 'm', sizeof(marks));
	source = memfd_create("source", 0);
	CHECK(source >= 0 && write(source, marks, sizeof(marks)) == sizeof(marks));
	run(memfd_create("test", 0));
	run(open("file", O_RDWR | O_CREAT, 0600));
	return 0;
}
