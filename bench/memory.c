/*
 * What memory costs: `memory` prints the names of the rows, `memory NAME MIB FILE` does
 * one and prints "operations nanoseconds-per-operation". One row a process, so that
 * bench/run can count its traps. MIB is the size of what is called big, FILE is a
 * file of that size.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static size_t big;
static const char *file;
static double started, ended;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void start(void)
{
	started = now();
}

static void stop(void)
{
	ended = now();
}

static char *map(size_t size)
{
	char *p = mmap(NULL, size, RW, ANON, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static long touch(char *p, size_t size)
{
	for (size_t i = 0; i < size; i += P)
		((volatile char *)p)[i] = 1;
	return (long)(size / P);
}

/* ---- rows: each returns how many operations lie between start() and stop() ---- */

/* What starting a process costs in traps. */
static long nothing(void)
{
	start();
	stop();
	return 1;
}

static long touch_first(void)
{
	char *p = map(big);
	long n;

	start();
	n = touch(p, big);
	stop();
	return n;
}

static long touch_again(void)
{
	char *p = map(big);
	long n;

	touch(p, big);
	start();
	n = touch(p, big);
	stop();
	return n;
}

static long touch_after_dontneed(void)
{
	char *p = map(big);
	long n;

	touch(p, big);
	start();
	if (madvise(p, big, MADV_DONTNEED))
		abort();
	n = touch(p, big);
	stop();
	return n;
}

static long map_and_unmap(void)
{
	long n = 20000;

	start();
	for (long i = 0; i < n; i++)
		munmap(map(16 * P), 16 * P);
	stop();
	return n;
}

static long map_touch_unmap(void)
{
	long n = 10000;

	start();
	for (long i = 0; i < n; i++) {
		char *p = map(16 * P);

		touch(p, 16 * P);
		munmap(p, 16 * P);
	}
	stop();
	return n;
}

static long protect(void)
{
	char *p = map(256 * P);
	long n = 20000;

	touch(p, 256 * P);
	start();
	for (long i = 0; i < n; i++) {
		if (mprotect(p, 256 * P, i % 2 ? RW : PROT_READ))
			abort();
	}
	stop();
	return n;
}

/* A half of it changes sides each time, and is touched. */
static long protect_half_and_touch(void)
{
	char *p = map(32 * P);
	long n = 5000;

	touch(p, 32 * P);
	start();
	for (long i = 0; i < n; i++) {
		mprotect(p, 16 * P, PROT_READ);
		mprotect(p, 16 * P, RW);
		touch(p, 16 * P);
	}
	stop();
	return n;
}

static long fork_big(void)
{
	long n = 10;

	touch(map(big), big);
	start();
	for (long i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	stop();
	return n;
}

static long copy_on_write(void)
{
	size_t size = big / 16;
	char *p = map(size), c;
	int hold[2];
	pid_t pid;
	long n;

	touch(p, size);
	if (pipe(hold))
		abort();
	pid = fork();
	if (pid == 0) {
		close(hold[1]);
		_exit(read(hold[0], &c, 1) != 0);
	}
	start();
	n = touch(p, size);
	stop();
	close(hold[1]);
	waitpid(pid, NULL, 0);
	return n;
}

static long read_mapped(void)
{
	int fd = open(file, O_RDONLY);
	volatile char *p = mmap(NULL, big, PROT_READ, MAP_SHARED, fd, 0);
	unsigned sum = 0;

	if (fd < 0 || p == MAP_FAILED)
		abort();
	start();
	for (size_t i = 0; i < big; i += P)
		sum += (unsigned char)p[i];
	stop();
	return sum ? (long)(big / P) : -1;
}

static long move(void)
{
	size_t size = big / 4;
	char *room = mmap(NULL, 2 * size, PROT_NONE, ANON, -1, 0), *p = map(size);
	long n = 200;

	if (room == MAP_FAILED)
		abort();
	touch(p, size);
	start();
	for (long i = 0; i < n; i++) {
		char *to = room + (i % 2 ? size : 0);

		p = mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		if (p != to || p[size - P] != 1)
			abort();
	}
	stop();
	return n;
}

static long grow(void)
{
	size_t size = P;
	char *p = map(size);
	long n = 0;

	start();
	for (; size < big / 4; n++) {
		p = mremap(p, size, size + 64 * P, MREMAP_MAYMOVE);
		if (p == MAP_FAILED)
			abort();
		p[size] = 1;
		size += 64 * P;
	}
	stop();
	return n;
}

/* Sizes as programs have them, and now and then a large one. */
static long mallocs(void)
{
	enum { LIVE = 4096 };
	static char *live[LIVE];
	uint64_t state = 1;
	long n = 1000000;

	start();
	for (long i = 0; i < n; i++) {
		size_t size, at;

		state = state * 6364136223846793005ull + 1442695040888963407ull;
		at = (state >> 33) % LIVE;
		size = 16 + (state >> 45) % ((state >> 57) ? 512 : 256 * 1024);
		free(live[at]);
		live[at] = malloc(size);
		memset(live[at], 1, size < P ? size : P);
	}
	stop();
	return n;
}

static const struct {
	const char *name;
	long (*run)(void);
} rows[] = {
	{ "nothing", nothing },
	{ "touch a page, first", touch_first },
	{ "touch a page, again", touch_again },
	{ "touch, after DONTNEED", touch_after_dontneed },
	{ "mmap, munmap", map_and_unmap },
	{ "mmap, touch 16, munmap", map_touch_unmap },
	{ "mprotect", protect },
	{ "2 mprotects, touch 16", protect_half_and_touch },
	{ "fork a big process", fork_big },
	{ "copy-on-write, a page", copy_on_write },
	{ "mapped file, a page", read_mapped },
	{ "mremap: move a quarter", move },
	{ "mremap: grow, 256 KiB", grow },
	{ "malloc, free", mallocs },
};

int main(int argc, char **argv)
{
	big = (argc > 2 ? strtoul(argv[2], NULL, 0) : 1024) << 20;
	file = argc > 3 ? argv[3] : "";
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		long n;

		if (argc < 2) {
			puts(rows[i].name);
		} else if (strcmp(argv[1], rows[i].name) == 0) {
			n = rows[i].run();
			printf("%ld %.1f\n", n, (ended - started) / (double)n);
		}
	}
	return 0;
}
