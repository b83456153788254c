/* fs/timerfd: timerfd_create(2). */
#pragma once

#include "vfs/vfs.h"

/* Times in nanoseconds; value 0: disarmed. */
struct timerfd_value {
	uint64_t value_ns, interval_ns;
};

/* clock: CLOCK_REALTIME, MONOTONIC, BOOTTIME and the two ALARM clocks (-EINVAL for
 * others); flags: O_NONBLOCK. */
int timerfd_create_file(int clock, unsigned flags, const struct cred *cred, struct file **out)
	MUST_CHECK;
/* flags: TFD_TIMER_*, as they are shown in /proc. old may be NULL. -EINVAL: f is no
 * timerfd. */
int timerfd_set(struct file *f, unsigned flags, const struct timerfd_value *val,
		struct timerfd_value *old);
int timerfd_get(struct file *f, struct timerfd_value *out);
