/*
 * System calls fill memory while it is unmapped and mapped anew, and processes fork
 * while threads fault: a copy that comes too late reaches nobody else's memory, and a
 * child sees its parent's memory stand still.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

#define P 4096ul
#define PAGES 32u
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define ROUNDS 400
#define FORKS 30

static char *area;
static int source, pipe_fds[2], stop;

static unsigned next(unsigned *state)
{
	*state = *state * 1103515245u + 12345u;
	return *state >> 16;
}

static int goes_on(void)
{
	return !__atomic_load_n(&stop, __ATOMIC_RELAXED);
}

/* ---- munmap while read(2) fills ---- */

static void check_count(ssize_t n, size_t size)
{
	/* The end of a pipe that its feeder has left, or nothing in it. */
	if (!goes_on() && (n == 0 || (n < 0 && errno == EAGAIN)))
		return;
	CHECK((n > 0 && n <= (ssize_t)size) || (n < 0 && errno == EFAULT));
}

static void *filler(void *arg)
{
	unsigned state = (unsigned)(uintptr_t)arg;

	while (goes_on()) {
		char *p = area + next(&state) % (PAGES - 8) * P + next(&state) % P;
		size_t size = 1 + next(&state) % (7 * P);
		struct iovec v[2] = { { p, size / 2 }, { p + size / 2, size - size / 2 } };

		check_count(next(&state) % 2 ? pread(source, p, size, 0) : preadv(source, v, 2, 0),
			    size);
	}
	return NULL;
}

/* From a pipe, whose bytes another thread keeps coming. */
static void *pipe_filler(void *arg)
{
	unsigned state = (unsigned)(uintptr_t)arg;

	while (goes_on()) {
		char *p = area + next(&state) % (PAGES - 8) * P + next(&state) % P;
		size_t size = 1 + next(&state) % (7 * P);

		check_count(read(pipe_fds[0], p, size), size);
	}
	return NULL;
}

static void *pipe_feeder(void *arg)
{
	static char marks[4 * P];

	(void)arg;
	memset(marks, 'r', sizeof(marks));
	while (goes_on())
		CHECK(write(pipe_fds[1], marks, sizeof(marks)) > 0 || errno == EPIPE);
	return NULL;
}

/* Memory that nobody but this thread knows: what was freed comes back here. */
static void *innocent(void *arg)
{
	unsigned state = (unsigned)(uintptr_t)arg;

	while (goes_on()) {
		size_t n = 1 + next(&state) % 8;
		char *p = mmap(NULL, n * P, RW, ANON, -1, 0);

		CHECK(p != MAP_FAILED);
		for (size_t i = 0; i < n * P; i += 64)
			CHECK_EQ(p[i], 0);
		memset(p, 'i', n * P);
		for (size_t i = 0; i < n * P; i += 64)
			CHECK_EQ(p[i], 'i');
		CHECK(munmap(p, n * P) == 0);
	}
	return NULL;
}

static void remap_rounds(void)
{
	unsigned state = 5;

	for (int i = 0; i < ROUNDS; i++) {
		size_t at = next(&state) % PAGES, n = 1 + next(&state) % 8;
		char *p = area + at * P;

		n = n > PAGES - at ? PAGES - at : n;
		switch (next(&state) % 4) {
		case 0:
			/* The place stays taken: no stranger's memory gets in there. */
			CHECK(mmap(p, n * P, PROT_NONE, ANON | MAP_FIXED, -1, 0) == p);
			break;
		case 1:
			CHECK(madvise(p, n * P, MADV_DONTNEED) == 0);
			break;
		default:
			CHECK(mmap(p, n * P, RW, ANON | MAP_FIXED, -1, 0) == p);
		}
	}
}

static void late_copies_reach_nobody(void)
{
	void *(*const helpers[])(void *) = { filler, pipe_filler, pipe_feeder, innocent, innocent };
	enum { N = sizeof(helpers) / sizeof(helpers[0]) };
	pthread_t threads[N];

	stop = 0;
	CHECK(pipe(pipe_fds) == 0);
	for (uintptr_t i = 0; i < N; i++)
		CHECK(pthread_create(&threads[i], NULL, helpers[i], (void *)(i + 1)) == 0);
	remap_rounds();
	CHECK(mmap(area, PAGES * P, RW, ANON | MAP_FIXED, -1, 0) == area);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	/* The feeder, then the reader, may be waiting for the other. */
	pthread_join(threads[0], NULL);
	CHECK(fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK) == 0);
	for (int i = 3; i < N; i++)
		pthread_join(threads[i], NULL);
	while (pthread_tryjoin_np(threads[2], NULL)) {
		static char drain[4 * P];

		(void)!read(pipe_fds[0], drain, sizeof(drain));
	}
	CHECK(close(pipe_fds[1]) == 0);
	pthread_join(threads[1], NULL);
	close(pipe_fds[0]);
}

/* ---- fork while others fault ---- */

static volatile unsigned long *counters(unsigned page)
{
	return (volatile unsigned long *)(area + page * P);
}

/* Counts in page after page; the copy-on-write of each fork is broken at once. Some
 * pages vanish and come back. */
static void *counting(void *arg)
{
	unsigned state = (unsigned)(uintptr_t)arg, first = (unsigned)(uintptr_t)arg % 2;
	unsigned long n = 1;

	while (goes_on()) {
		for (unsigned i = first; i < PAGES; i += 2) {
			*counters(i) = n++;
			if (next(&state) % 64 == 0)
				CHECK(madvise(area + i * P, P, MADV_DONTNEED) == 0);
		}
	}
	return NULL;
}

static void child(void)
{
	unsigned long seen[PAGES];

	for (unsigned i = 0; i < PAGES; i++)
		seen[i] = *counters(i);
	for (int k = 0; k < 3; k++) {
		usleep(1000);
		for (unsigned i = 0; i < PAGES; i++)
			CHECK_EQ(*counters(i), seen[i]);
	}
	for (unsigned i = 0; i < PAGES; i++) {
		counters(i)[1] = 1; /* not the parent's to see */
		CHECK_EQ(*counters(i), seen[i]);
	}
	_exit(0);
}

static void children_see_their_own(void)
{
	pthread_t threads[2];

	stop = 0;
	for (uintptr_t i = 0; i < 2; i++)
		CHECK(pthread_create(&threads[i], NULL, counting, (void *)(i + 1)) == 0);
	for (int i = 0; i < FORKS; i++) {
		pid_t pid = fork();
		int status;

		CHECK(pid >= 0);
		if (pid == 0)
			child();
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		for (unsigned k = 0; k < PAGES; k++)
			CHECK_EQ(counters(k)[1], 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	static char marks[8 * P];

	area = mmap(NULL, PAGES * P, RW, ANON, -1, 0);
	CHECK(area != MAP_FAILED);
	memset(marks, 'r', sizeof(marks));
	source = memfd_create("source", 0);
	CHECK(source >= 0 && write(source, marks, sizeof(marks)) == sizeof(marks));
	late_copies_reach_nobody();
	CHECK(mmap(area, PAGES * P, RW, ANON | MAP_FIXED, -1, 0) == area);
	children_see_their_own();
	return 0;
}
