/* poll, select and epoll; eventfd. */
#include "fs/poll/poll.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "abi/errno.h"
#include "abi/signal.h"
#include "fs/epoll/epoll.h"
#include "fs/eventfd/eventfd.h"
#include "syscall/families.h"
#include "syscall/restart.h"
#include "syscall/syscall.h"

#define INLINE_FDS 32

static void put_files(struct pollfd_k *k, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (k[i].file)
			file_put(k[i].file);
	}
}

static int wait_files(struct task *t, struct pollfd_k *k, unsigned n, uint64_t deadline)
{
	struct vfs_ctx *ctx = task_vfs_begin(t);
	int r = poll_files(k, n, deadline, ctx);

	task_vfs_end(t);
	return r;
}

/* ---- poll ---- */

static long poll_fds(struct task *t, gva_t user, unsigned n, uint64_t deadline, struct pollfd *fds,
		     struct pollfd_k *k)
{
	int r = n ? syscall_copy_in(t, fds, user, n * sizeof(*fds)) : 0;

	if (r < 0)
		return r;
	for (unsigned i = 0; i < n; i++) {
		k[i].file = fds[i].fd >= 0 ? fd_get(t, fds[i].fd) : NULL;
		k[i].events = (uint32_t)(uint16_t)fds[i].events;
		k[i].revents = fds[i].fd >= 0 && !k[i].file ? EV_NVAL : 0;
	}
	r = wait_files(t, k, n, deadline);
	put_files(k, n);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < n; i++) {
		int16_t re = (int16_t)k[i].revents;

		if (syscall_copy_out(t, user + i * sizeof(*fds) + offsetof(struct pollfd, revents), &re,
				     sizeof(re)) < 0)
			return -EFAULT;
	}
	return r;
}

static long do_poll(struct task *t, gva_t user, unsigned n, uint64_t deadline)
{
	struct pollfd fds[INLINE_FDS];
	struct pollfd_k k[INLINE_FDS];
	void *big;
	long r;

	if (n > task_limit(t, RLIMIT_NOFILE_NR))
		return -EINVAL;
	if (n <= INLINE_FDS)
		return poll_fds(t, user, n, deadline, fds, k);
	big = calloc(n, sizeof(*fds) + sizeof(*k));
	if (!big)
		return -ENOMEM;
	r = poll_fds(t, user, n, deadline, (struct pollfd *)(void *)((struct pollfd_k *)big + n), big);
	free(big);
	return r;
}

static uint64_t ms_deadline(struct task *t, int ms)
{
	return ms < 0 ? PARK_FOREVER : ms == 0 ? 0 : syscall_deadline(t, (uint64_t)ms * 1000000);
}

SYSCALL(poll)
{
	uint64_t deadline = ms_deadline(t, (int)args->a[2]);
	long r = do_poll(t, args->a[0], (unsigned)args->a[1], deadline);

	if (r != -ERESTARTSYS)
		return r;
	t->restart = (struct restart_block){ .kind = RESTART_POLL, .deadline_ns = deadline,
					     .arg = { args->a[0], args->a[1] } };
	return -ERESTART_RESTARTBLOCK;
}

long poll_restart(struct task *t)
{
	struct restart_block rb = t->restart;
	long r = do_poll(t, rb.arg[0], (unsigned)rb.arg[1], rb.deadline_ns);

	if (r != -ERESTARTSYS)
		return r;
	t->restart = rb;
	return -ERESTART_RESTARTBLOCK;
}

/* The mask of ppoll, pselect and epoll_pwait holds for the call: it is put back
 * at its end, or after the handler of the signal that ended it. */
static int take_mask(struct task *t, gva_t user, uint64_t size)
{
	sigmask_t set;
	int r;

	if (!user)
		return 0;
	if (size != ABI_SIGSET_SIZE)
		return -EINVAL;
	r = syscall_copy_in(t, &set, user, sizeof(set));
	if (r == 0)
		signal_set_temporary_mask(t, set);
	return r;
}

static long drop_mask(struct task *t, gva_t user, long r)
{
	if (r == -ERESTARTSYS)
		return -ERESTARTNOHAND;
	if (user)
		signal_restore_mask(t);
	return r;
}

static void put_left(struct task *t, gva_t user, uint64_t deadline, bool timeval)
{
	uint64_t now, left;
	int64_t ts[2];

	if (!user || task_clock_ns(t, CLOCK_MONOTONIC, &now) < 0)
		return;
	left = deadline > now && deadline != PARK_FOREVER ? deadline - now : 0;
	ts[0] = (int64_t)(left / 1000000000);
	ts[1] = (int64_t)(left % 1000000000 / (timeval ? 1000 : 1));
	(void)!syscall_copy_out(t, user, ts, sizeof(ts));
}

/* A timeout of 0 means: only look. */
static int spec_deadline(struct task *t, gva_t user, uint64_t *deadline)
{
	uint64_t ns;
	int r;

	*deadline = PARK_FOREVER;
	if (!user)
		return 0;
	r = syscall_timespec(t, user, &ns);
	if (r == 0)
		*deadline = ns ? syscall_deadline(t, ns) : 0;
	return r;
}

SYSCALL(ppoll)
{
	uint64_t deadline;
	long r = spec_deadline(t, args->a[2], &deadline);

	if (r == 0)
		r = take_mask(t, args->a[3], args->a[4]);
	if (r < 0)
		return r;
	r = do_poll(t, args->a[0], (unsigned)args->a[1], deadline);
	put_left(t, args->a[2], deadline, false);
	return drop_mask(t, args->a[3], r);
}

/* ---- select ---- */

#define SELECT_IN (EV_IN | EV_RDNORM | EV_RDBAND | EV_HUP | EV_ERR)
#define SELECT_OUT (EV_OUT | EV_WRNORM | EV_WRBAND | EV_ERR)
#define SELECT_EX EV_PRI

struct sets {
	uint64_t *in, *out, *ex; /* one allocation: in is its start */
	size_t words;
};

static int sets_get(struct task *t, struct sets *s, int n, const gva_t user[3])
{
	s->words = ((size_t)n + 63) / 64;
	s->in = calloc(s->words * 3 + 1, 8);
	if (!s->in)
		return -ENOMEM;
	s->out = s->in + s->words;
	s->ex = s->out + s->words;
	for (int i = 0; i < 3; i++) {
		if (user[i] && syscall_copy_in(t, s->in + (size_t)i * s->words, user[i], s->words * 8) < 0)
			return -EFAULT;
	}
	return 0;
}

static int select_collect(struct task *t, const struct sets *s, int n, struct pollfd_k *k, int *fds)
{
	int count = 0;

	for (int fd = 0; fd < n; fd++) {
		uint64_t bit = (uint64_t)1 << (fd & 63);
		uint32_t ev = 0;

		ev |= s->in[fd / 64] & bit ? SELECT_IN : 0;
		ev |= s->out[fd / 64] & bit ? SELECT_OUT : 0;
		ev |= s->ex[fd / 64] & bit ? SELECT_EX : 0;
		if (!ev)
			continue;
		k[count].file = fd_get(t, fd);
		if (!k[count].file) {
			put_files(k, (unsigned)count);
			return -EBADF;
		}
		k[count].events = ev;
		k[count].revents = 0;
		fds[count++] = fd;
	}
	return count;
}

static int select_report(struct sets *s, const struct pollfd_k *k, const int *fds, int count)
{
	int n = 0;

	for (int i = 0; i < count; i++) {
		uint64_t bit = (uint64_t)1 << (fds[i] & 63), *word[3];
		static const uint32_t mask[3] = { SELECT_IN, SELECT_OUT, SELECT_EX };

		word[0] = &s->in[fds[i] / 64];
		word[1] = &s->out[fds[i] / 64];
		word[2] = &s->ex[fds[i] / 64];
		for (int j = 0; j < 3; j++) {
			if (!(*word[j] & bit))
				continue;
			if (k[i].revents & mask[j])
				n++;
			else
				*word[j] &= ~bit;
		}
	}
	return n;
}

static long do_select(struct task *t, int n, const gva_t user[3], uint64_t deadline)
{
	uint64_t max = task_limit(t, RLIMIT_NOFILE_NR);
	struct pollfd_k *k;
	struct sets s;
	int *fds, count;
	long r;

	if (n < 0)
		return -EINVAL;
	n = (int)MIN((uint64_t)n, max);
	r = sets_get(t, &s, n, user);
	k = r == 0 ? calloc((size_t)n + 1, sizeof(*k)) : NULL;
	fds = k ? calloc((size_t)n + 1, sizeof(*fds)) : NULL;
	if (r == 0 && !fds)
		r = -ENOMEM;
	count = r == 0 ? select_collect(t, &s, n, k, fds) : 0;
	if (count < 0)
		r = count;
	if (r == 0) {
		r = wait_files(t, k, (unsigned)count, deadline);
		put_files(k, (unsigned)count);
	}
	if (r >= 0)
		r = select_report(&s, k, fds, count);
	for (int i = 0; r >= 0 && i < 3; i++) {
		if (user[i] && syscall_copy_out(t, user[i], s.in + (size_t)i * s.words, s.words * 8) < 0)
			r = -EFAULT;
	}
	free(s.in);
	free(k);
	free(fds);
	return r;
}

SYSCALL(select)
{
	const gva_t sets[3] = { args->a[1], args->a[2], args->a[3] };
	uint64_t deadline = PARK_FOREVER;
	int64_t tv[2];
	long r;

	if (args->a[4]) {
		r = syscall_copy_in(t, tv, args->a[4], sizeof(tv));
		if (r < 0)
			return r;
		if (tv[0] < 0 || tv[1] < 0)
			return -EINVAL;
		tv[0] += tv[1] / 1000000;
		tv[1] %= 1000000;
		deadline = tv[0] || tv[1] ? tv[0] > 1000000000 ? PARK_FOREVER :
								 syscall_deadline(t, (uint64_t)tv[0] * 1000000000 +
											     (uint64_t)tv[1] * 1000) :
					    0;
	}
	r = do_select(t, (int)args->a[0], sets, deadline);
	put_left(t, args->a[4], deadline, true);
	return r == -ERESTARTSYS ? -ERESTARTNOHAND : r;
}

SYSCALL(pselect6)
{
	const gva_t sets[3] = { args->a[1], args->a[2], args->a[3] };
	uint64_t deadline, pack[2] = { 0, 0 };
	long r = spec_deadline(t, args->a[4], &deadline);

	if (r == 0 && args->a[5])
		r = syscall_copy_in(t, pack, args->a[5], sizeof(pack));
	if (r == 0)
		r = take_mask(t, pack[0], pack[1]);
	if (r < 0)
		return r;
	r = do_select(t, (int)args->a[0], sets, deadline);
	put_left(t, args->a[4], deadline, false);
	return drop_mask(t, pack[0], r);
}

/* ---- epoll ---- */

static long install(struct task *t, struct file *f, bool cloexec)
{
	int r = fd_install(t, f, 0, cloexec);

	if (r < 0)
		file_put(f);
	return r;
}

static long do_epoll_create(struct task *t, unsigned flags)
{
	struct file *f;
	int r;

	if (flags & ~(unsigned)O_CLOEXEC)
		return -EINVAL;
	r = epoll_create_file(t->cred, &f);
	return r < 0 ? r : install(t, f, flags & O_CLOEXEC);
}

SYSCALL(epoll_create)
{
	return (int)args->a[0] <= 0 ? -EINVAL : do_epoll_create(t, 0);
}

SYSCALL(epoll_create1)
{
	return do_epoll_create(t, (unsigned)args->a[0]);
}

SYSCALL(epoll_ctl)
{
	int op = (int)args->a[1], fd = (int)args->a[2];
	struct epoll_event ev = { 0 };
	struct file *ep, *f;
	long r;

	if (op != EPOLL_CTL_DEL && syscall_copy_in(t, &ev, args->a[3], sizeof(ev)) < 0)
		return -EFAULT;
	ep = fd_get(t, (int)args->a[0]);
	f = ep ? fd_get(t, fd) : NULL;
	r = f ? epoll_control(ep, op, f, fd, &ev) : -EBADF;
	if (f)
		file_put(f);
	if (ep)
		file_put(ep);
	return r;
}

static long do_epoll_wait(struct task *t, const struct sysargs *args, uint64_t deadline)
{
	struct epoll_event ev[64];
	int max = (int)args->a[2], r;
	struct vfs_ctx *ctx;
	struct file *ep;

	if (max <= 0 || max > INT32_MAX / (int)sizeof(ev[0]))
		return -EINVAL;
	ep = fd_get(t, (int)args->a[0]);
	if (!ep)
		return -EBADF;
	if (!file_is_epoll(ep)) {
		file_put(ep);
		return -EINVAL;
	}
	ctx = task_vfs_begin(t);
	r = epoll_wait_events(ep, ev, MIN(max, (int)ARRAY_SIZE(ev)), deadline, ctx);
	task_vfs_end(t);
	file_put(ep);
	if (r > 0 && syscall_copy_out(t, args->a[1], ev, (size_t)r * sizeof(ev[0])) < 0)
		return -EFAULT;
	return r;
}

SYSCALL(epoll_wait)
{
	long r = do_epoll_wait(t, args, ms_deadline(t, (int)args->a[3]));

	return r == -ERESTARTSYS ? -EINTR : r;
}

SYSCALL(epoll_pwait)
{
	long r = take_mask(t, args->a[4], args->a[5]);

	if (r < 0)
		return r;
	r = do_epoll_wait(t, args, ms_deadline(t, (int)args->a[3]));
	if (r == -ERESTARTSYS)
		return -EINTR;
	if (args->a[4])
		signal_restore_mask(t);
	return r;
}

SYSCALL(epoll_pwait2)
{
	uint64_t deadline;
	long r = spec_deadline(t, args->a[3], &deadline);

	if (r == 0)
		r = take_mask(t, args->a[4], args->a[5]);
	if (r < 0)
		return r;
	r = do_epoll_wait(t, args, deadline);
	if (r == -ERESTARTSYS)
		return -EINTR;
	if (args->a[4])
		signal_restore_mask(t);
	return r;
}

/* ---- eventfd ---- */

static long do_eventfd(struct task *t, uint64_t initial, unsigned flags)
{
	struct file *f;
	int r;

	if (flags & ~(1u | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	r = eventfd_create((uint32_t)initial, flags, t->cred, &f);
	return r < 0 ? r : install(t, f, flags & O_CLOEXEC);
}

SYSCALL(eventfd)
{
	return do_eventfd(t, args->a[0], 0);
}

SYSCALL(eventfd2)
{
	return do_eventfd(t, args->a[0], (unsigned)args->a[1]);
}
