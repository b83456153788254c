/* poll and ppoll, and what select and epoll_wait share with them (polling.h). */
#include <poll.h>
#include <stdlib.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "abi/signal.h"
#include "syscall/families.h"
#include "syscall/polling.h"
#include "syscall/restart.h"
#include "syscall/syscall.h"
#include "syscall/timeconv.h"

#define INLINE_FDS 32u

/* ---- polling.h ---- */

void polling_put_files(struct pollfd_k *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (fds[i].file)
			file_put(fds[i].file);
	}
}

int polling_wait(struct task *t, struct pollfd_k *fds, unsigned count, uint64_t deadline_ns)
{
	/* Asking files for their state needs no places. */
	const struct vfs_ctx ctx = { .cred = t->cred, .waiter = &t->waiter, .task = t };
	int r = poll_files(fds, count, deadline_ns, &ctx);

	polling_put_files(fds, count);
	return r;
}

uint64_t polling_deadline_ms(struct task *t, int ms)
{
	if (ms == 0)
		return 0;
	return ms < 0 ? PARK_FOREVER : syscall_deadline(t, (uint64_t)ms * 1000000);
}

int polling_deadline(struct task *t, gva_t user, uint64_t *deadline_ns)
{
	uint64_t ns;
	int r;

	*deadline_ns = PARK_FOREVER;
	if (!user)
		return 0;
	r = syscall_timespec(t, user, &ns);
	if (r == 0)
		*deadline_ns = ns ? syscall_deadline(t, ns) : 0;
	return r;
}

long polling_put_left(struct task *t, gva_t user, uint64_t deadline_ns, bool is_timeval, long r)
{
	uint64_t now, left = 0;
	struct abi_timespec ts;

	if (!user)
		return r;
	if (deadline_ns) {
		now = clock_now(t, CLOCK_MONOTONIC);
		left = deadline_ns > now ? MIN(deadline_ns - now, (uint64_t)INT64_MAX) : 0;
	}
	ts = timespec_of_ns(left);
	if (is_timeval)
		ts.nsec /= 1000;
	if (syscall_copy_out(t, user, &ts, sizeof(ts)) < 0 && r == -ERESTARTSYS)
		return -EINTR;
	return r;
}

int polling_mask_begin(struct task *t, gva_t user, uint64_t size)
{
	sigmask_t mask;

	if (!user)
		return 0;
	if (size != ABI_SIGSET_SIZE)
		return -EINVAL;
	if (syscall_copy_in(t, &mask, user, sizeof(mask)) < 0)
		return -EFAULT;
	signal_set_temporary_mask(t, mask);
	return 0;
}

long polling_mask_end(struct task *t, gva_t user, long r)
{
	if (user && r != -ERESTARTSYS && r != -ERESTARTNOHAND && r != -EINTR)
		signal_restore_mask(t);
	return r;
}

/* ---- poll ---- */

static void poll_collect(struct task *t, const struct abi_pollfd *fds, struct pollfd_k *k,
			 unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		k[i].file = fds[i].fd >= 0 ? fd_get(t, fds[i].fd) : NULL;
		k[i].events = (uint16_t)fds[i].events;
		k[i].revents = fds[i].fd >= 0 && !k[i].file ? EV_NVAL : 0;
	}
}

/* Writes revents and nothing else. */
static int poll_report(struct task *t, gva_t user, const struct pollfd_k *k, unsigned count)
{
	const size_t off = offsetof(struct abi_pollfd, revents);

	for (unsigned i = 0; i < count; i++) {
		uint16_t revents = (uint16_t)k[i].revents;

		if (syscall_copy_out(t, user + i * sizeof(struct abi_pollfd) + off, &revents,
				     sizeof(revents)) < 0)
			return -EFAULT;
	}
	return 0;
}

static long poll_with(struct task *t, gva_t user, unsigned count, uint64_t deadline_ns,
		      struct abi_pollfd *fds, struct pollfd_k *k)
{
	int r;

	if (count && syscall_copy_in(t, fds, user, count * sizeof(*fds)) < 0)
		return -EFAULT;
	poll_collect(t, fds, k, count);
	r = polling_wait(t, k, count, deadline_ns);
	if (r >= 0 && poll_report(t, user, k, count) < 0)
		return -EFAULT;
	return r;
}

static long poll_run(struct task *t, gva_t user, unsigned count, uint64_t deadline_ns)
{
	struct abi_pollfd fds[INLINE_FDS] UNINITIALIZED, *big_fds;
	struct pollfd_k k[INLINE_FDS] UNINITIALIZED, *big_k;
	long r = -ENOMEM;

	if (count > task_limit(t, RLIMIT_NOFILE_NR))
		return -EINVAL;
	if (count <= INLINE_FDS)
		return poll_with(t, user, count, deadline_ns, fds, k);
	big_fds = calloc(count, sizeof(*big_fds));
	big_k = calloc(count, sizeof(*big_k));
	if (big_fds && big_k)
		r = poll_with(t, user, count, deadline_ns, big_fds, big_k);
	free(big_fds);
	free(big_k);
	return r;
}

/* Interrupted without a handler, it waits on for what is left. */
static long poll_until(struct task *t, gva_t user, unsigned count, uint64_t deadline_ns)
{
	long r = poll_run(t, user, count, deadline_ns);

	if (r != -ERESTARTSYS)
		return r;
	t->restart = (struct restart_block){ .kind = RESTART_POLL,
					     .deadline_ns = deadline_ns,
					     .arg = { user, count } };
	return -ERESTART_RESTARTBLOCK;
}

SYSCALL(poll)
{
	return poll_until(t, args->a[0], (unsigned)args->a[1],
			  polling_deadline_ms(t, (int)args->a[2]));
}

long poll_restart(struct task *t)
{
	return poll_until(t, t->restart.arg[0], (unsigned)t->restart.arg[1],
			  t->restart.deadline_ns);
}

SYSCALL(ppoll)
{
	uint64_t deadline_ns;
	long r = polling_deadline(t, args->a[2], &deadline_ns);

	if (r == 0)
		r = polling_mask_begin(t, args->a[3], args->a[4]);
	if (r < 0)
		return r;
	r = poll_run(t, args->a[0], (unsigned)args->a[1], deadline_ns);
	r = polling_put_left(t, args->a[2], deadline_ns, false, r);
	r = polling_mask_end(t, args->a[3], r);
	return r == -ERESTARTSYS ? -ERESTARTNOHAND : r;
}
