/* Interval timers and POSIX timers: the times of their structures; the timers
 * themselves are in task/. */
#include <sys/time.h>

#include "abi/errno.h"
#include "abi/signal.h"
#include "abi/time.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "syscall/timeconv.h"

/* ---- getitimer, setitimer, alarm ---- */

static struct abi_itimerval itimerval_of(const struct itimer_value *v)
{
	return (struct abi_itimerval){ .interval = timeval_of_ns(v->interval_ns),
				       .value = timeval_of_ns(v->value_ns) };
}

SYSCALL(getitimer)
{
	struct abi_itimerval itv;
	struct itimer_value val;
	int r = itimer_get(t, (int)args->a[0], &val);

	if (r < 0)
		return r;
	itv = itimerval_of(&val);
	return syscall_copy_out(t, args->a[1], &itv, sizeof(itv));
}

static int get_itimerval(struct task *t, gva_t user, struct itimer_value *out)
{
	struct abi_itimerval itv;
	int r;

	*out = (struct itimer_value){ 0 };
	if (!user)
		return 0; /* Linux takes it for zeros */
	r = syscall_copy_in(t, &itv, user, sizeof(itv));
	if (r == 0)
		r = ns_of_timeval(&itv.value, &out->value_ns);
	if (r == 0)
		r = ns_of_timeval(&itv.interval, &out->interval_ns);
	return r;
}

SYSCALL(setitimer)
{
	struct itimer_value val, old;
	struct abi_itimerval itv;
	int r = get_itimerval(t, args->a[1], &val);

	if (r == 0)
		r = itimer_set(t, (int)args->a[0], &val, &old);
	if (r < 0 || !args->a[2])
		return r;
	itv = itimerval_of(&old);
	return syscall_copy_out(t, args->a[2], &itv, sizeof(itv));
}

SYSCALL(alarm)
{
	struct itimer_value val = { .value_ns = (uint64_t)(uint32_t)args->a[0] * ABI_NSEC_PER_SEC };
	struct itimer_value old;
	uint64_t sec, ns;
	int r = itimer_set(t, ITIMER_REAL, &val, &old);

	if (r < 0)
		return r;
	sec = old.value_ns / ABI_NSEC_PER_SEC;
	ns = old.value_ns % ABI_NSEC_PER_SEC;
	/* Rounded, but never to 0: that says that there was none. */
	if ((sec == 0 && ns) || ns >= ABI_NSEC_PER_SEC / 2)
		sec++;
	return (long)sec;
}

/* ---- POSIX timers ---- */

static int get_sigevent(struct task *t, gva_t user, struct posix_timer_spec *spec)
{
	struct abi_sigevent ev;

	if (!user)
		return 0;
	if (syscall_copy_in(t, &ev, user, sizeof(ev)) < 0)
		return -EFAULT;
	spec->has_event = true;
	spec->notify = ev.notify;
	spec->signo = ev.signo;
	spec->value = ev.value;
	spec->tid = ev.tid;
	return 0;
}

SYSCALL(timer_create)
{
	struct posix_timer_spec spec = { .clock = (int)args->a[0] };
	int id, r = get_sigevent(t, args->a[1], &spec);

	if (r == 0)
		r = posix_timer_create(t, &spec, &id);
	if (r < 0)
		return r;
	if (syscall_copy_out(t, args->a[2], &id, sizeof(id)) < 0) {
		(void)posix_timer_delete(t, id);
		return -EFAULT;
	}
	return 0;
}

static struct abi_itimerspec itimerspec_of(const struct itimer_value *v)
{
	return (struct abi_itimerspec){ .interval = timespec_of_ns(v->interval_ns),
					.value = timespec_of_ns(v->value_ns) };
}

SYSCALL(timer_settime)
{
	struct abi_itimerspec its;
	struct itimer_value val, old;
	int r;

	if (!args->a[2])
		return -EINVAL;
	r = syscall_copy_in(t, &its, args->a[2], sizeof(its));
	if (r == 0)
		r = ns_of_timespec(&its.value, &val.value_ns);
	if (r == 0)
		r = ns_of_timespec(&its.interval, &val.interval_ns);
	if (r == 0)
		r = posix_timer_settime(t, (int)args->a[0], args->a[1] & TIMER_ABSTIME, &val, &old);
	if (r < 0 || !args->a[3])
		return r;
	its = itimerspec_of(&old);
	return syscall_copy_out(t, args->a[3], &its, sizeof(its));
}

SYSCALL(timer_gettime)
{
	struct abi_itimerspec its;
	struct itimer_value val;
	int r = posix_timer_gettime(t, (int)args->a[0], &val);

	if (r < 0)
		return r;
	its = itimerspec_of(&val);
	return syscall_copy_out(t, args->a[1], &its, sizeof(its));
}

SYSCALL(timer_getoverrun)
{
	return posix_timer_overrun(t, (int)args->a[0]);
}

SYSCALL(timer_delete)
{
	return posix_timer_delete(t, (int)args->a[0]);
}
