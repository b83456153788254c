/* epoll. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "fs/epoll/epoll.h"
#include "syscall/families.h"
#include "syscall/polling.h"
#include "syscall/syscall.h"

/* As many as most programs ask for; more are allocated. */
#define EVENTS_ON_STACK 64

_Static_assert(sizeof(struct epoll_event) == sizeof(struct abi_epoll_event), "as the guest has it");

/* ---- interest ---- */

static long epoll_make(struct task *t, unsigned flags)
{
	struct file *f;
	int r;

	if (flags & ~(unsigned)O_CLOEXEC)
		return -EINVAL;
	r = epoll_create_file(t->cred, &f);
	if (r < 0)
		return r;
	r = fd_install(t, f, 0, flags & O_CLOEXEC);
	if (r < 0)
		file_put(f);
	return r;
}

SYSCALL(epoll_create)
{
	return (int)args->a[0] <= 0 ? -EINVAL : epoll_make(t, 0);
}

SYSCALL(epoll_create1)
{
	return epoll_make(t, (unsigned)args->a[0]);
}

SYSCALL(epoll_ctl)
{
	int op = (int)args->a[1], fd = (int)args->a[2];
	struct epoll_event ev = { 0 };
	struct file *ep, *f;
	long r = -EBADF;

	if (op != EPOLL_CTL_DEL && syscall_copy_in(t, &ev, args->a[3], sizeof(ev)) < 0)
		return -EFAULT;
	ep = fd_get(t, (int)args->a[0]);
	f = fd_get(t, fd);
	if (ep && f)
		r = epoll_control(ep, op, f, fd, &ev);
	if (f)
		file_put(f);
	if (ep)
		file_put(ep);
	return r;
}

/* ---- waiting ---- */

static int wait_and_copy(struct task *t, struct file *ep, gva_t user, int max, uint64_t deadline_ns)
{
	const struct vfs_ctx ctx = { .cred = t->cred, .waiter = &t->waiter, .task = t };
	struct epoll_event few[EVENTS_ON_STACK] UNINITIALIZED, *ev = few;
	int r;

	if (max > EVENTS_ON_STACK)
		max = MAX(MIN(max, epoll_count(ep)), EVENTS_ON_STACK);
	if (max > EVENTS_ON_STACK)
		ev = malloc((size_t)max * sizeof(*ev));
	if (!ev)
		return -ENOMEM;
	r = epoll_wait_events(ep, ev, max, deadline_ns, &ctx);
	if (r > 0 && syscall_copy_out(t, user, ev, (size_t)r * sizeof(*ev)) < 0)
		r = -EFAULT;
	if (ev != few)
		free(ev);
	return r;
}

static long epoll_run(struct task *t, const struct sysargs *args, uint64_t deadline_ns)
{
	int max = (int)args->a[2], r = -EINVAL;
	struct file *ep;

	if (max <= 0 || max > INT_MAX / (int)sizeof(struct epoll_event))
		return -EINVAL;
	ep = fd_get(t, (int)args->a[0]);
	if (!ep)
		return -EBADF;
	if (file_is_epoll(ep))
		r = wait_and_copy(t, ep, args->a[1], max, deadline_ns);
	file_put(ep);
	return r == -ERESTARTSYS ? -EINTR : r; /* never again by itself */
}

SYSCALL(epoll_wait)
{
	return epoll_run(t, args, polling_deadline_ms(t, (int)args->a[3]));
}

static long epoll_run_masked(struct task *t, const struct sysargs *args, uint64_t deadline_ns)
{
	long r = polling_mask_begin(t, args->a[4], args->a[5]);

	if (r < 0)
		return r;
	r = epoll_run(t, args, deadline_ns);
	return polling_mask_end(t, args->a[4], r);
}

SYSCALL(epoll_pwait)
{
	return epoll_run_masked(t, args, polling_deadline_ms(t, (int)args->a[3]));
}

SYSCALL(epoll_pwait2)
{
	uint64_t deadline_ns;
	int r = polling_deadline(t, args->a[3], &deadline_ns);

	return r < 0 ? r : epoll_run_masked(t, args, deadline_ns);
}
