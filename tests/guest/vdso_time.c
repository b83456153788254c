/* Clocks through the vDSO: monotonic, and the same as through the system call. */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sched.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "check.h"

#define NSEC 1000000000ll

static long long ns(const struct timespec *ts)
{
	return ts->tv_sec * NSEC + ts->tv_nsec;
}

static long long now(clockid_t clock)
{
	struct timespec ts;

	CHECK(clock_gettime(clock, &ts) == 0);
	CHECK(ts.tv_nsec >= 0 && ts.tv_nsec < NSEC);
	return ns(&ts);
}

static long long raw_now(clockid_t clock)
{
	struct timespec ts;

	CHECK(syscall(SYS_clock_gettime, clock, &ts) == 0);
	return ns(&ts);
}

static const clockid_t clocks[] = { CLOCK_REALTIME,           CLOCK_MONOTONIC,
				    CLOCK_MONOTONIC_RAW,      CLOCK_BOOTTIME,
				    CLOCK_REALTIME_COARSE,    CLOCK_MONOTONIC_COARSE,
				    CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };

/* vDSO, system call, vDSO: in that order, for every clock. Coarse clocks may be
 * a tick behind, but never behind themselves. CPU clocks are system calls. */
static void both_ways_agree(void)
{
	for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		for (int round = 0; round < 100; round++) {
			long long a = now(clocks[i]);
			long long b = raw_now(clocks[i]);
			long long c = now(clocks[i]);

			CHECK(a <= b && b <= c);
			CHECK(c - a < 100 * NSEC);
		}
	}
}

static void monotonic_never_goes_back(void)
{
	long long last = now(CLOCK_MONOTONIC);

	for (int i = 0; i < 100000; i++) {
		long long t = now(CLOCK_MONOTONIC);

		CHECK(t >= last);
		last = t;
	}
}

static void it_advances_with_sleep(void)
{
	struct timespec ts = { 0, 20000000 };
	long long start = now(CLOCK_MONOTONIC), real = now(CLOCK_REALTIME);

	CHECK(nanosleep(&ts, NULL) == 0);
	CHECK(now(CLOCK_MONOTONIC) - start >= 20000000);
	CHECK(now(CLOCK_REALTIME) - real >= 15000000);
}

static void seconds_agree(void)
{
	struct timeval tv, last;
	time_t before = time(NULL), after;

	CHECK(gettimeofday(&tv, NULL) == 0);
	CHECK(tv.tv_usec >= 0 && tv.tv_usec < 1000000);
	after = syscall(SYS_time, NULL);
	CHECK(gettimeofday(&last, NULL) == 0);
	/* time() may be a tick behind. */
	CHECK(before <= tv.tv_sec && tv.tv_sec <= after + 1);
	CHECK(after <= last.tv_sec);
}

static void resolutions_agree(void)
{
	for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		struct timespec a, b;

		CHECK(clock_getres(clocks[i], &a) == 0);
		CHECK(syscall(SYS_clock_getres, clocks[i], &b) == 0);
		CHECK_EQ(ns(&a), ns(&b));
	}
	CHECK(clock_getres(CLOCK_MONOTONIC, NULL) == 0);
}

static void bad_clocks(void)
{
	struct timespec ts;

	CHECK_ERR(clock_gettime(77, &ts), EINVAL);
	CHECK_ERR(clock_getres(77, &ts), EINVAL);
}

static void cpu_number_is_ours(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CHECK(cpu >= 0 && cpu < sysconf(_SC_NPROCESSORS_CONF));
	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
}

/* ---- the symbols that libraries other than the C library look up ---- */

static const ElfW(Sym) * symtab;
static const char *strtab;
static const uint32_t *hash;
static uintptr_t bias;

static void read_dynamic(void)
{
	const ElfW(Ehdr) *eh = (const ElfW(Ehdr) *)getauxval(AT_SYSINFO_EHDR);
	const ElfW(Phdr) * ph;
	const ElfW(Dyn) *dyn = NULL;

	CHECK(eh);
	bias = (uintptr_t)eh;
	ph = (const ElfW(Phdr) *)(bias + eh->e_phoff);
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const ElfW(Dyn) *)(bias + ph[i].p_offset);
	}
	CHECK(dyn);
	for (; dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			symtab = (const ElfW(Sym) *)(bias + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_STRTAB)
			strtab = (const char *)(bias + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_HASH)
			hash = (const uint32_t *)(bias + dyn->d_un.d_ptr);
	}
	CHECK(symtab && strtab);
}

static void *symbol(const char *name)
{
	/* Linux's own vDSO has only a GNU hash table in newer kernels. */
	unsigned n = hash ? hash[1] : 64;

	for (unsigned i = 1; i < n; i++) {
		const char *s = strtab + symtab[i].st_name;

		if (!hash && (const char *)&symtab[i] >= strtab)
			break;
		if (!strcmp(s, name))
			return (void *)(bias + symtab[i].st_value);
	}
	return NULL;
}

static void symbols_work(void)
{
	struct timespec ts;
	struct timeval tv, last;
	unsigned cpu = 12345, node = 12345;
	long (*gettime)(long, struct timespec *);
	long (*getday)(struct timeval *, void *);
	long (*get_cpu)(unsigned *, unsigned *, void *);
	time_t (*get_time)(time_t *);
	long long t = now(CLOCK_MONOTONIC);
	time_t seconds;

	read_dynamic();
	gettime = (long (*)(long, struct timespec *))symbol("__vdso_clock_gettime");
	getday = (long (*)(struct timeval *, void *))symbol("__vdso_gettimeofday");
	get_cpu = (long (*)(unsigned *, unsigned *, void *))symbol("__vdso_getcpu");
	get_time = (time_t(*)(time_t *))symbol("__vdso_time");
	CHECK(gettime && getday && get_cpu && get_time);
	CHECK(symbol("clock_gettime") == (void *)gettime);
	CHECK((int)gettime(CLOCK_MONOTONIC, &ts) == 0);
	CHECK(ns(&ts) >= t && ns(&ts) <= now(CLOCK_MONOTONIC));
	CHECK((int)gettime(77, &ts) == -EINVAL);
	CHECK((int)getday(&tv, NULL) == 0);
	seconds = get_time(NULL);
	CHECK(gettimeofday(&last, NULL) == 0);
	CHECK(seconds >= tv.tv_sec - 1 && seconds <= last.tv_sec);
	CHECK((int)get_cpu(&cpu, &node, NULL) == 0);
	CHECK(cpu < 12345 && node < 12345);
	CHECK((int)get_cpu(NULL, NULL, NULL) == 0);
}

int main(void)
{
	both_ways_agree();
	monotonic_never_goes_back();
	it_advances_with_sleep();
	seconds_agree();
	resolutions_agree();
	bad_clocks();
	cpu_number_is_ours();
	symbols_work();
	puts("vdso_time: ok");
	return 0;
}
