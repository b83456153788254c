/* Clocks, sleeping, timers. */
#include <string.h>
#include <time.h>

#include "abi/errno.h"
#include "abi/resource.h"
#include "abi/signal.h"
#include "abi/time.h"
#include "syscall/families.h"
#include "syscall/restart.h"
#include "syscall/syscall.h"

#define NSEC 1000000000ull

static struct abi_timespec to_timespec(uint64_t ns)
{
	return (struct abi_timespec){ (int64_t)(ns / NSEC), (int64_t)(ns % NSEC) };
}

static struct abi_timeval to_timeval(uint64_t ns)
{
	return (struct abi_timeval){ (int64_t)(ns / NSEC), (int64_t)(ns % NSEC / 1000) };
}

SYSCALL(clock_gettime)
{
	struct abi_timespec ts;
	uint64_t ns;
	int r = task_clock_ns(t, (int)args->a[0], &ns);

	if (r < 0)
		return r;
	ts = to_timespec(ns);
	return syscall_copy_out(t, args->a[1], &ts, sizeof(ts));
}

SYSCALL(clock_getres)
{
	struct abi_timespec ts;
	uint64_t ns;
	int r = task_clock_res_ns((int)args->a[0], &ns);

	if (r < 0 || !args->a[1])
		return r;
	ts = to_timespec(ns);
	return syscall_copy_out(t, args->a[1], &ts, sizeof(ts));
}

SYSCALL(clock_settime)
{
	uint64_t ns;
	int r = syscall_timespec(t, args->a[1], &ns);

	if (r < 0)
		return r;
	return (int)args->a[0] == CLOCK_REALTIME ? -EPERM : -EINVAL;
}

SYSCALL(gettimeofday)
{
	struct abi_timezone tz = { 0 };
	struct abi_timeval tv;
	uint64_t ns;
	int r = task_clock_ns(t, CLOCK_REALTIME, &ns);

	tv = to_timeval(ns);
	if (r == 0 && args->a[0])
		r = syscall_copy_out(t, args->a[0], &tv, sizeof(tv));
	if (r == 0 && args->a[1])
		r = syscall_copy_out(t, args->a[1], &tz, sizeof(tz));
	return r;
}

SYSCALL(settimeofday)
{
	return -EPERM;
}

SYSCALL(time)
{
	uint64_t ns;
	int64_t sec;
	int r = task_clock_ns(t, CLOCK_REALTIME, &ns);

	if (r < 0)
		return r;
	sec = (int64_t)(ns / NSEC);
	if (args->a[0] && syscall_copy_out(t, args->a[0], &sec, sizeof(sec)) < 0)
		return -EFAULT;
	return sec;
}

SYSCALL(times)
{
	struct thread_group *g = t->group;
	struct abi_tms tms;
	uint64_t ut, st, now;
	const uint64_t tick = NSEC / ABI_USER_HZ;
	int r;

	group_times(g, &ut, &st);
	tms = (struct abi_tms){ (int64_t)(ut / tick), (int64_t)(st / tick), (int64_t)(g->child_utime_ns / tick),
				(int64_t)(g->child_stime_ns / tick) };
	r = task_clock_ns(t, CLOCK_MONOTONIC, &now);
	if (r == 0 && args->a[0])
		r = syscall_copy_out(t, args->a[0], &tms, sizeof(tms));
	return r < 0 ? r : (long)(now / tick);
}

SYSCALL(adjtimex)
{
	uint32_t modes;
	int r = syscall_copy_in(t, &modes, args->a[0], sizeof(modes));

	return r < 0 ? r : -EPERM;
}

/* ---- sleeping ---- */

static void put_remaining(struct task *t, gva_t user, uint64_t deadline)
{
	struct abi_timespec left;
	uint64_t now;

	if (!user || task_clock_ns(t, CLOCK_MONOTONIC, &now) < 0)
		return;
	left = to_timespec(deadline > now ? deadline - now : 0);
	(void)!syscall_copy_out(t, user, &left, sizeof(left));
}

static long sleep_until(struct task *t, uint64_t deadline, gva_t rem, bool relative)
{
	int r = task_sleep(t, deadline);

	if (r != -ERESTARTSYS)
		return r;
	if (!relative)
		return -ERESTARTNOHAND;
	put_remaining(t, rem, deadline);
	t->restart = (struct restart_block){ .kind = RESTART_NANOSLEEP, .deadline_ns = deadline, .arg = { rem } };
	return -ERESTART_RESTARTBLOCK;
}

SYSCALL(nanosleep)
{
	uint64_t ns;
	int r = syscall_timespec(t, args->a[0], &ns);

	return r < 0 ? r : sleep_until(t, syscall_deadline(t, ns), args->a[1], true);
}

/* The deadline on another clock, as one on CLOCK_MONOTONIC. */
static int convert_deadline(struct task *t, int clock, uint64_t at, uint64_t *deadline)
{
	uint64_t now, mono;
	int r = task_clock_ns(t, clock, &now);

	if (r == 0)
		r = task_clock_ns(t, CLOCK_MONOTONIC, &mono);
	if (r == 0)
		*deadline = at > now ? mono + (at - now) : mono;
	return r;
}

SYSCALL(clock_nanosleep)
{
	int clock = (int)args->a[0], r;
	uint64_t ns, deadline, now;

	if (clock == CLOCK_THREAD_CPUTIME_ID)
		return -EINVAL;
	r = task_clock_ns(t, clock, &now);
	if (r == 0)
		r = syscall_timespec(t, args->a[2], &ns);
	if (r < 0)
		return r;
	if (!(args->a[1] & TIMER_ABSTIME))
		return sleep_until(t, syscall_deadline(t, ns), args->a[3], true);
	r = convert_deadline(t, clock, ns, &deadline);
	return r < 0 ? r : sleep_until(t, deadline, 0, false);
}

long nanosleep_restart(struct task *t)
{
	struct restart_block rb = t->restart;

	return sleep_until(t, rb.deadline_ns, rb.arg[0], true);
}
