/*
 * The guest's vDSO (vdso(7)). Each function goes through the parameter page to the
 * host's own function of that name, which the platform has moved into the guest's
 * address space, or makes the system call. The host's functions fall back to a
 * system call themselves, for clocks that cannot be read in user space; that traps
 * to our kernel like any other.
 *
 * Runs on the guest's stack with the guest's registers: no libc, no data, no
 * relocation.
 */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "abi/syscall_nr.h"
#include "loader/vdso_params.h"

struct timeval_v {
	int64_t sec, usec;
};

int __vdso_clock_gettime(int clock, struct timespec *ts);
int __vdso_gettimeofday(struct timeval_v *tv, void *tz);
time_t __vdso_time(time_t *t);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);
int __vdso_clock_getres(int clock, struct timespec *res);

extern const struct vdso_params vdso_params __attribute__((visibility("hidden")));

#define ALIAS(name) __attribute__((weak, alias("__vdso_" #name)))

static inline long syscall3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

int __vdso_clock_gettime(int clock, struct timespec *ts)
{
	int (*host)(int, struct timespec *) =
		(int (*)(int, struct timespec *))vdso_params.clock_gettime;

	return host ? host(clock, ts) : (int)syscall3(ABI_NR_clock_gettime, clock, (long)ts, 0);
}

int __vdso_gettimeofday(struct timeval_v *tv, void *tz)
{
	int (*host)(struct timeval_v *, void *) =
		(int (*)(struct timeval_v *, void *))vdso_params.gettimeofday;

	return host ? host(tv, tz) : (int)syscall3(ABI_NR_gettimeofday, (long)tv, (long)tz, 0);
}

time_t __vdso_time(time_t *t)
{
	time_t (*host)(time_t *) = (time_t(*)(time_t *))vdso_params.time;

	return host ? host(t) : syscall3(ABI_NR_time, (long)t, 0, 0);
}

/* The host's CPU numbers are folded into the guest's. */
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	long (*host)(unsigned *, unsigned *, void *) =
		(long (*)(unsigned *, unsigned *, void *))vdso_params.getcpu;
	uint32_t ncpus = vdso_params.ncpus;
	unsigned number;
	long ret;

	if (!host)
		return syscall3(ABI_NR_getcpu, (long)cpu, (long)node, 0);
	ret = host(&number, node, unused);
	if (cpu)
		*cpu = ncpus && number >= ncpus ? number % ncpus : number;
	if (node)
		*node = 0;
	return ret;
}

int __vdso_clock_getres(int clock, struct timespec *res)
{
	int (*host)(int, struct timespec *) =
		(int (*)(int, struct timespec *))vdso_params.clock_getres;

	return host ? host(clock, res) : (int)syscall3(ABI_NR_clock_getres, clock, (long)res, 0);
}

/* The names without prefix, for programs that look them up (vdso(7)). */
ALIAS(clock_gettime) int clock_gettime(clockid_t clock, struct timespec *ts);
ALIAS(time) time_t time(time_t *t);
ALIAS(clock_getres) int clock_getres(clockid_t clock, struct timespec *res);
int gettimeofday(struct timeval_v *tv, void *tz) ALIAS(gettimeofday);
long getcpu(unsigned *cpu, unsigned *node, void *unused) ALIAS(getcpu);
