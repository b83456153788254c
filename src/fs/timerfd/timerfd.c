/*
 * timerfd_create(2).
 *
 * The timer is a point in CLOCK_MONOTONIC time and an interval; how often it has
 * expired is worked out when somebody asks. A kernel timer wakes those who wait
 * for the next expiry, and only that one: an expiry that nobody reads arms
 * nothing, so that an idle timerfd costs no CPU time.
 *
 *  1. expires_ns is 0 exactly when the timer is disarmed or a one-shot timer has
 *     been read.
 *  2. With expires_ns in the future, the kernel timer is armed for it.
 *
 * A jump of the host's CLOCK_REALTIME is not noticed: neither does it move an
 * absolute timer, nor cancel one (TFD_TIMER_CANCEL_ON_SET).
 */
#include "fs/timerfd/timerfd.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/timerfd.h>

#include "base/pool.h"
#include "host/host.h"
#include "task/ktimer.h"

#define NSEC_PER_SEC 1000000000ull

struct timerfd {
	struct mutex lock; /* LOCK_FILE */
	struct waitq waitq;
	struct ktimer timer;
	int clock;            /* [I] */
	unsigned flags;       /* [l] TFD_TIMER_* of the last setting */
	uint64_t expires_ns;  /* [l] CLOCK_MONOTONIC */
	uint64_t interval_ns; /* [l] */
};

static POOL_DEFINE(timerfd_pool, struct timerfd);

static const struct file_ops timerfd_ops;

static uint64_t now_ns(void)
{
	return host_clock_ns(CLOCK_MONOTONIC);
}

static void timerfd_fired(struct ktimer *kt)
{
	struct timerfd *tf = container_of(kt, struct timerfd, timer);

	waitq_wake(&tf->waitq, EV_IN | EV_RDNORM);
}

/* ---- the time ---- */

static bool has_expired_locked(const struct timerfd *tf, uint64_t now)
{
	return tf->expires_ns && now >= tf->expires_ns;
}

static int arm_locked(struct timerfd *tf)
{
	if (tf->expires_ns)
		return ktimer_arm(&tf->timer, tf->expires_ns);
	(void)ktimer_try_cancel(&tf->timer);
	return 0;
}

/* Takes the expiries up to now: how many; 0 none. Arms the next one. */
static uint64_t take_locked(struct timerfd *tf)
{
	uint64_t now = now_ns(), ticks = 1;

	if (!has_expired_locked(tf, now))
		return 0;
	if (tf->interval_ns) {
		ticks += (now - tf->expires_ns) / tf->interval_ns;
		tf->expires_ns += ticks * tf->interval_ns;
	} else {
		tf->expires_ns = 0;
	}
	/* -ENOMEM cannot be: the timer has had its place already. */
	(void)arm_locked(tf);
	return ticks;
}

/* Time to the next expiry, the first if it lies in the past included. */
static uint64_t remaining_locked(const struct timerfd *tf)
{
	uint64_t now = now_ns();

	if (!tf->expires_ns)
		return 0;
	if (now < tf->expires_ns)
		return tf->expires_ns - now;
	if (!tf->interval_ns)
		return 0;
	return tf->interval_ns - (now - tf->expires_ns) % tf->interval_ns;
}

static void get_locked(const struct timerfd *tf, struct timerfd_value *out)
{
	out->value_ns = remaining_locked(tf);
	out->interval_ns = tf->interval_ns;
}

static int monotonic_clock_of(int clock)
{
	if (clock == CLOCK_REALTIME_ALARM)
		return CLOCK_REALTIME;
	return clock == CLOCK_BOOTTIME_ALARM ? CLOCK_BOOTTIME : clock;
}

/* When a setting expires, in CLOCK_MONOTONIC; at most INT64_MAX. */
static uint64_t deadline_of(const struct timerfd *tf, unsigned flags, uint64_t value_ns)
{
	uint64_t now = now_ns(), left = value_ns, there;

	if (flags & TFD_TIMER_ABSTIME) {
		there = host_clock_ns(monotonic_clock_of(tf->clock));
		left = value_ns > there ? value_ns - there : 0;
	}
	return left >= INT64_MAX - now ? INT64_MAX : now + left;
}

/* ---- file ops ---- */

static ssize_t timerfd_read(struct file *f, struct uio *u, fileoff_t *pos UNUSED, struct io *io)
{
	struct timerfd *tf = f->priv;
	struct waitq_entry w;
	uint64_t ticks;
	int r = 0;

	if (u->remaining < sizeof(ticks))
		return -EINVAL;
	waitq_entry_init(&w, io->ctx->waiter, EV_IN);
	if (!io->nonblock)
		waitq_add(&tf->waitq, &w);
	for (;;) {
		waiter_prepare(io->ctx->waiter);
		mutex_lock(&tf->lock);
		ticks = take_locked(tf);
		mutex_unlock(&tf->lock);
		if (ticks)
			break;
		r = io->nonblock ? -EAGAIN : waiter_wait(io->ctx->waiter, PARK_FOREVER);
		if (r < 0)
			break;
	}
	if (!io->nonblock)
		waitq_remove(&tf->waitq, &w);
	return r < 0 ? r : uio_write(u, &ticks, sizeof(ticks));
}

static uint32_t timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *tf = f->priv;
	bool ready;

	poll_wait(pt, &tf->waitq);
	mutex_lock(&tf->lock);
	ready = has_expired_locked(tf, now_ns());
	mutex_unlock(&tf->lock);
	return ready ? EV_IN | EV_RDNORM : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *tf = f->priv;

	(void)ktimer_cancel(&tf->timer);
	pool_free(&timerfd_pool, tf);
}

static size_t timerfd_fdinfo(struct file *f, char *buf, size_t size)
{
	struct timerfd *tf = f->priv;
	struct timerfd_value v;
	unsigned flags;
	bool ready;

	mutex_lock(&tf->lock);
	get_locked(tf, &v);
	flags = tf->flags;
	ready = has_expired_locked(tf, now_ns());
	mutex_unlock(&tf->lock);
	return (size_t)snprintf(buf, size,
				"clockid: %d\nticks: %d\nsettime flags: 0%o\n"
				"it_value: (%llu, %llu)\nit_interval: (%llu, %llu)\n",
				tf->clock, ready, flags,
				(unsigned long long)(v.value_ns / NSEC_PER_SEC),
				(unsigned long long)(v.value_ns % NSEC_PER_SEC),
				(unsigned long long)(v.interval_ns / NSEC_PER_SEC),
				(unsigned long long)(v.interval_ns % NSEC_PER_SEC));
}

static const struct file_ops timerfd_ops = {
	.name = "[timerfd]",
	.release = timerfd_release,
	.read = timerfd_read,
	.poll = timerfd_poll,
	.show_fdinfo = timerfd_fdinfo,
};

/* ---- the calls ---- */

static bool clock_is_valid(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		return true;
	default:
		return false;
	}
}

int timerfd_create_file(int clock, unsigned flags, const struct cred *cred, struct file **out)
{
	struct timerfd *tf;
	int r;

	*out = NULL;
	if (!clock_is_valid(clock))
		return -EINVAL;
	tf = pool_alloc(&timerfd_pool);
	if (!tf)
		return -ENOMEM;
	mutex_init(&tf->lock, LOCK_FILE);
	waitq_init(&tf->waitq);
	ktimer_init(&tf->timer, timerfd_fired);
	tf->clock = clock;
	tf->flags = 0;
	tf->expires_ns = 0;
	tf->interval_ns = 0;
	r = file_create_anon(&timerfd_ops, tf, O_RDWR | (flags & O_NONBLOCK), 0, cred, out);
	if (r < 0)
		pool_free(&timerfd_pool, tf);
	return r;
}

int timerfd_set(struct file *f, unsigned flags, const struct timerfd_value *val,
		struct timerfd_value *old)
{
	struct timerfd *tf = f->priv;
	int r;

	if (f->ops != &timerfd_ops)
		return -EINVAL;
	mutex_lock(&tf->lock);
	if (old)
		get_locked(tf, old);
	tf->flags = flags;
	tf->interval_ns = val->interval_ns;
	tf->expires_ns = val->value_ns ? deadline_of(tf, flags, val->value_ns) : 0;
	r = arm_locked(tf);
	if (r < 0)
		tf->expires_ns = 0;
	mutex_unlock(&tf->lock);
	return r;
}

int timerfd_get(struct file *f, struct timerfd_value *out)
{
	struct timerfd *tf = f->priv;

	if (f->ops != &timerfd_ops)
		return -EINVAL;
	mutex_lock(&tf->lock);
	get_locked(tf, out);
	mutex_unlock(&tf->lock);
	return 0;
}
