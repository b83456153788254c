/* eventfd, timerfd, inotify: files that count or queue events. */
#include <fcntl.h>

#include "abi/errno.h"
#include "abi/time.h"
#include "fs/eventfd/eventfd.h"
#include "fs/inotify/inotify.h"
#include "fs/timerfd/timerfd.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "syscall/timeconv.h"
#include "vfs/notify.h"

#define EFD_SEMAPHORE_FLAG 1u
#define TFD_FLAGS 3u /* TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET */

static long install(struct task *t, struct file *f, unsigned flags)
{
	int r = fd_install(t, f, 0, flags & O_CLOEXEC);

	if (r < 0)
		file_put(f);
	return r;
}

/* ---- eventfd ---- */

static long eventfd_make(struct task *t, uint32_t initial, unsigned flags)
{
	struct file *f;
	int r;

	if (flags & ~(EFD_SEMAPHORE_FLAG | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	r = eventfd_create(initial, flags, t->cred, &f);
	return r < 0 ? r : install(t, f, flags);
}

SYSCALL(eventfd)
{
	return eventfd_make(t, (uint32_t)args->a[0], 0);
}

SYSCALL(eventfd2)
{
	return eventfd_make(t, (uint32_t)args->a[0], (unsigned)args->a[1]);
}

/* ---- timerfd ---- */

SYSCALL(timerfd_create)
{
	int clock = (int)args->a[0], r;
	unsigned flags = (unsigned)args->a[1];
	struct file *f;

	if (flags & ~(unsigned)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	if ((clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM) &&
	    !cred_has_cap(t->cred, CAP_WAKE_ALARM))
		return -EPERM;
	r = timerfd_create_file(clock, flags, t->cred, &f);
	return r < 0 ? r : install(t, f, flags);
}

static int put_value(struct task *t, gva_t user, const struct timerfd_value *v)
{
	struct abi_itimerspec its = { .interval = timespec_of_ns(v->interval_ns),
				      .value = timespec_of_ns(v->value_ns) };

	return syscall_copy_out(t, user, &its, sizeof(its));
}

SYSCALL(timerfd_settime)
{
	struct timerfd_value val, old;
	struct abi_itimerspec its;
	struct file *f;
	int r;

	if (syscall_copy_in(t, &its, args->a[2], sizeof(its)) < 0)
		return -EFAULT;
	r = (uint32_t)args->a[1] & ~TFD_FLAGS ? -EINVAL : ns_of_timespec(&its.value, &val.value_ns);
	if (r == 0)
		r = ns_of_timespec(&its.interval, &val.interval_ns);
	if (r < 0)
		return r;
	f = fd_get(t, (int)args->a[0]);
	if (!f)
		return -EBADF;
	r = timerfd_set(f, (unsigned)args->a[1], &val, &old);
	file_put(f);
	return r < 0 || !args->a[3] ? r : put_value(t, args->a[3], &old);
}

SYSCALL(timerfd_gettime)
{
	struct file *f = fd_get(t, (int)args->a[0]);
	struct timerfd_value val;
	int r;

	if (!f)
		return -EBADF;
	r = timerfd_get(f, &val);
	file_put(f);
	return r < 0 ? r : put_value(t, args->a[1], &val);
}

/* ---- inotify ---- */

/* All that a mask may say; other bits are not looked at, as in Linux. */
#define INOTIFY_KNOWN                                                                             \
	(NOTIFY_ALL_EVENTS | NOTIFY_UNMOUNT | NOTIFY_OVERFLOW | NOTIFY_IGNORED | NOTIFY_ONLYDIR | \
	 NOTIFY_DONT_FOLLOW | NOTIFY_EXCL_UNLINK | NOTIFY_MASK_CREATE | NOTIFY_MASK_ADD |         \
	 NOTIFY_ISDIR | NOTIFY_ONESHOT)
#define INOTIFY_KEPT                                                                     \
	(NOTIFY_ALL_EVENTS | NOTIFY_EXCL_UNLINK | NOTIFY_MASK_CREATE | NOTIFY_MASK_ADD | \
	 NOTIFY_ONESHOT)

static long inotify_make(struct task *t, unsigned flags)
{
	struct file *f;
	int r;

	if (flags & ~(unsigned)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	r = inotify_create(flags, t->cred, &f);
	return r < 0 ? r : install(t, f, flags);
}

SYSCALL(inotify_init)
{
	(void)args;
	return inotify_make(t, 0);
}

SYSCALL(inotify_init1)
{
	return inotify_make(t, (unsigned)args->a[0]);
}

struct watch_args {
	struct file *f;
	uint32_t mask;
};

static long add_watch(struct task *t UNUSED, const struct vfs_ctx *ctx, const struct path *p,
		      void *arg)
{
	const struct watch_args *w = arg;
	int r = vfs_permission(ctx, path_inode(p), 4);

	return r < 0 ? r : inotify_add(w->f, path_inode(p), w->mask & INOTIFY_KEPT);
}

SYSCALL(inotify_add_watch)
{
	struct watch_args w = { .mask = (uint32_t)args->a[2] };
	unsigned lookup = w.mask & NOTIFY_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW;
	long r = -EINVAL;

	if (!(w.mask & INOTIFY_KNOWN))
		return -EINVAL;
	w.f = fd_get(t, (int)args->a[0]);
	if (!w.f)
		return -EBADF;
	lookup |= w.mask & NOTIFY_ONLYDIR ? LOOKUP_DIRECTORY : 0;
	if (inotify_is(w.f) && (~w.mask & (NOTIFY_MASK_ADD | NOTIFY_MASK_CREATE)))
		r = syscall_on_path(t, AT_FDCWD, args->a[1], lookup, add_watch, &w);
	file_put(w.f);
	return r;
}

SYSCALL(inotify_rm_watch)
{
	struct file *f = fd_get(t, (int)args->a[0]);
	long r = -EINVAL;

	if (!f)
		return -EBADF;
	if (inotify_is(f))
		r = inotify_remove(f, (int)args->a[1]);
	file_put(f);
	return r;
}
