/*
 * Clocks and sleeping.
 *
 * Everything sleeps on CLOCK_MONOTONIC: an absolute time of another clock is
 * turned into a deadline once, as the sleep begins. Guests cannot set clocks.
 */
#include "abi/time.h"

#include "abi/errno.h"
#include "abi/resource.h"
#include "syscall/families.h"
#include "syscall/restart.h"
#include "syscall/syscall.h"
#include "syscall/timeconv.h"

#define CPU_SLEEP_MIN_NS 1000000ull

/* ---- reading ---- */

SYSCALL(clock_gettime)
{
	struct abi_timespec ts;
	uint64_t ns;
	int r = task_clock_ns(t, (int)args->a[0], &ns);

	if (r < 0)
		return r;
	ts = timespec_of_ns(ns);
	return syscall_copy_out(t, args->a[1], &ts, sizeof(ts));
}

SYSCALL(clock_getres)
{
	struct abi_timespec ts;
	uint64_t ns;
	int r = task_clock_res_ns(t, (int)args->a[0], &ns);

	if (r < 0 || !args->a[1])
		return r;
	ts = timespec_of_ns(ns);
	return syscall_copy_out(t, args->a[1], &ts, sizeof(ts));
}

SYSCALL(gettimeofday)
{
	struct abi_timeval tv = timeval_of_ns(clock_now(t, CLOCK_REALTIME));
	struct abi_timezone tz = { 0 };

	if (args->a[0] && syscall_copy_out(t, args->a[0], &tv, sizeof(tv)) < 0)
		return -EFAULT;
	return args->a[1] ? syscall_copy_out(t, args->a[1], &tz, sizeof(tz)) : 0;
}

SYSCALL(time)
{
	int64_t sec = (int64_t)(clock_now(t, CLOCK_REALTIME) / ABI_NSEC_PER_SEC);

	if (args->a[0] && syscall_copy_out(t, args->a[0], &sec, sizeof(sec)) < 0)
		return -EFAULT;
	return sec;
}

static int64_t clock_ticks(uint64_t ns)
{
	return (int64_t)(ns / (ABI_NSEC_PER_SEC / ABI_USER_HZ));
}

SYSCALL(times)
{
	uint64_t utime, stime;
	struct kusage children;
	struct abi_tms tms;

	if (args->a[0]) {
		group_times(t->group, &utime, &stime);
		task_usage(t, ABI_RUSAGE_CHILDREN, &children);
		tms = (struct abi_tms){
			.utime = clock_ticks(utime),
			.stime = clock_ticks(stime),
			.cutime = clock_ticks(children.utime_ns),
			.cstime = clock_ticks(children.stime_ns),
		};
		if (syscall_copy_out(t, args->a[0], &tms, sizeof(tms)) < 0)
			return -EFAULT;
	}
	return clock_ticks(clock_now(t, CLOCK_MONOTONIC));
}

/* ---- setting: refused, after Linux's own checks ---- */

SYSCALL(clock_settime)
{
	uint64_t ns;
	int r;

	if ((int)args->a[0] != CLOCK_REALTIME)
		return -EINVAL;
	r = syscall_timespec(t, args->a[1], &ns);
	return r < 0 ? r : -EPERM;
}

SYSCALL(settimeofday)
{
	struct abi_timeval tv;
	uint64_t ns;
	int r = 0;

	if (args->a[0]) {
		r = syscall_copy_in(t, &tv, args->a[0], sizeof(tv));
		if (r == 0)
			r = ns_of_timeval(&tv, &ns);
	}
	return r < 0 ? r : -EPERM;
}

/* ---- sleeping ---- */

static int put_remaining(struct task *t, gva_t user, uint64_t deadline_ns)
{
	uint64_t now = clock_now(t, CLOCK_MONOTONIC);
	struct abi_timespec ts = timespec_of_ns(deadline_ns > now ? deadline_ns - now : 0);

	return user ? syscall_copy_out(t, user, &ts, sizeof(ts)) : 0;
}

/* Interrupted with time left: if no handler runs, it sleeps on to the deadline. */
static long sleep_until(struct task *t, uint64_t deadline_ns, gva_t remaining)
{
	int r = task_sleep(t, deadline_ns);

	if (r == 0 || clock_now(t, CLOCK_MONOTONIC) >= deadline_ns)
		return 0;
	if (put_remaining(t, remaining, deadline_ns) < 0)
		return -EFAULT;
	t->restart = (struct restart_block){ .kind = RESTART_NANOSLEEP,
					     .deadline_ns = deadline_ns,
					     .arg = { remaining } };
	return -ERESTART_RESTARTBLOCK;
}

long nanosleep_restart(struct task *t)
{
	return sleep_until(t, t->restart.deadline_ns, t->restart.arg[0]);
}

SYSCALL(nanosleep)
{
	uint64_t ns;
	int r = syscall_timespec(t, args->a[0], &ns);

	return r < 0 ? r : sleep_until(t, syscall_deadline(t, ns), args->a[1]);
}

/* A CPU clock's number is the complement of a thread's or process's, shifted, with bits
 * that say which clock and which of the two. */
static bool is_own_thread_clock(const struct task *t, int clock)
{
	int32_t tid = ~(clock >> 3);

	return clock < 0 && (clock & 4) && (tid == 0 || tid == t->tid);
}

/* Can clock_nanosleep wait on it? Others are -EINVAL (no such clock) or
 * -EOPNOTSUPP: a thread's own clock stands still while it sleeps. */
static int check_sleep_clock(struct task *t, int clock)
{
	uint64_t ns;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
	case CLOCK_PROCESS_CPUTIME_ID:
		return 0;
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		return cred_has_cap(t->cred, CAP_WAKE_ALARM) ? 0 : -EPERM;
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_THREAD_CPUTIME_ID:
		return -EOPNOTSUPP;
	default:
		if (clock >= 0 || is_own_thread_clock(t, clock))
			return -EINVAL;
		return task_clock_ns(t, clock, &ns);
	}
}

/* Sleeps in steps: the clock runs at most as fast as all CPUs together. */
static long sleep_cpu_clock(struct task *t, int clock, uint64_t until_ns)
{
	uint64_t now, step;
	int r;

	for (;;) {
		r = task_clock_ns(t, clock, &now);
		if (r < 0 || now >= until_ns)
			return r;
		step = MAX((until_ns - now) / t->kernel->ncpus, CPU_SLEEP_MIN_NS);
		r = task_sleep(t, syscall_deadline(t, step));
		if (r < 0)
			return -ERESTARTNOHAND;
	}
}

static bool is_cpu_clock(int clock)
{
	return clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID;
}

SYSCALL(clock_nanosleep)
{
	int clock = (int)args->a[0], r = check_sleep_clock(t, clock);
	bool is_abs = args->a[1] & TIMER_ABSTIME;
	uint64_t ns, now;

	if (r == 0)
		r = syscall_timespec(t, args->a[2], &ns);
	if (r < 0)
		return r;
	if (is_cpu_clock(clock)) {
		r = is_abs ? 0 : task_clock_ns(t, clock, &now);
		return r < 0 ? r : sleep_cpu_clock(t, clock, is_abs ? ns : now + ns);
	}
	if (!is_abs)
		return sleep_until(t, syscall_deadline(t, ns), args->a[3]);
	r = task_sleep(t, monotonic_of(t, clock, ns));
	return r < 0 ? -ERESTARTNOHAND : 0;
}

/* ---- clock discipline: to be read, not changed ---- */

#define TIME_ERROR 5
#define ADJ_ADJTIME 0x8000u
#define ADJ_OFFSET_SINGLE 0x0001u

static long timex_read(struct task *t, gva_t user)
{
	struct abi_timex tx;

	if (syscall_copy_in(t, &tx, user, sizeof(tx)) < 0)
		return -EFAULT;
	if ((tx.modes & ADJ_ADJTIME) && !(tx.modes & ADJ_OFFSET_SINGLE))
		return -EINVAL;
	if (tx.modes && tx.modes != ADJ_OFFSET_SS_READ)
		return -EPERM;
	tx = (struct abi_timex){
		.modes = tx.modes,
		.maxerror = 16000000,
		.esterror = 16000000,
		.status = STA_UNSYNC,
		.constant = 2,
		.precision = 1,
		.tolerance = 32768000,
		.time = timeval_of_ns(clock_now(t, CLOCK_REALTIME)),
		.tick = 10000,
	};
	return syscall_copy_out(t, user, &tx, sizeof(tx)) < 0 ? -EFAULT : TIME_ERROR;
}

SYSCALL(adjtimex)
{
	return timex_read(t, args->a[0]);
}

SYSCALL(clock_adjtime)
{
	int clock = (int)args->a[0];
	uint64_t ns;
	int r;

	if (clock == CLOCK_REALTIME)
		return timex_read(t, args->a[1]);
	r = task_clock_ns(t, clock, &ns);
	return r < 0 ? r : -EOPNOTSUPP;
}
