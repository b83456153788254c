/*
 * signalfd(2): a file that reads signals. It holds nothing but a mask: whose
 * signals it reads is decided by who reads. Polling looks at the polling task,
 * and queues on its signalfd_waitq, which every sent signal wakes.
 */
#include <string.h>

#include "abi/fcntl.h"
#include "abi/signal.h"
#include "base/pool.h"
#include "task/internal.h"

struct signalfd {
	_Atomic sigmask_t mask;
};

static POOL_DEFINE(signalfd_pool, struct signalfd);

static void signalfd_release(struct file *f)
{
	pool_free(&signalfd_pool, f->priv);
}

static sigmask_t signalfd_mask(struct file *f)
{
	struct signalfd *s = f->priv;

	return atomic_load(&s->mask) & ~SIGMASK_UNBLOCKABLE;
}

static void fill(const struct ksiginfo *info, struct abi_signalfd_siginfo *out)
{
	*out = (struct abi_signalfd_siginfo){
		.signo = (uint32_t)info->signo,
		.err = info->err,
		.code = info->code,
		.pid = (uint32_t)info->pid,
		.uid = cred_uid_out(task_current()->cred, info->uid),
		.fd = info->fd,
		.status = info->status,
		.value_int = (int32_t)info->value,
		.value_ptr = info->value,
		.utime = (uint64_t)info->utime,
		.stime = (uint64_t)info->stime,
		.addr = info->addr,
	};
	if (info->code == SI_TIMER) {
		out->tid = (uint32_t)info->timerid;
		out->overrun = (uint32_t)info->overrun;
	}
	if (info->signo == SIGPOLL && info->code > 0)
		out->band = (uint32_t)info->value;
	if (info->signo == SIGSYS) {
		out->syscall = info->status;
		out->call_addr = info->addr;
		out->arch = info->arch;
	}
}

static int wait_for_signal(struct task *t, struct file *f, struct ksiginfo *info)
{
	struct waitq *q = &t->group->sighand->signalfd_waitq;
	struct waitq_entry e;
	int r;

	waitq_entry_init(&e, &t->waiter, EV_IN);
	waitq_add(q, &e);
	for (;;) {
		waiter_prepare(&t->waiter);
		r = signal_dequeue(t, signalfd_mask(f), info);
		if (r)
			break;
		r = waiter_wait(&t->waiter, PARK_FOREVER);
		if (r < 0)
			break;
	}
	waitq_remove(q, &e);
	return r;
}

static ssize_t signalfd_read(struct file *f, struct uio *u, fileoff_t *pos UNUSED, struct io *io)
{
	struct task *t = io->ctx ? io->ctx->task : NULL;
	struct abi_signalfd_siginfo out;
	struct ksiginfo info;
	ssize_t done = 0, n;
	int r;

	if (!t || u->remaining < sizeof(out))
		return -EINVAL;
	while (u->remaining >= sizeof(out)) {
		r = signal_dequeue(t, signalfd_mask(f), &info);
		if (!r && (done || io->nonblock))
			return done ? done : -EAGAIN;
		if (!r)
			r = wait_for_signal(t, f, &info);
		if (r < 0)
			return r;
		fill(&info, &out);
		n = uio_write(u, &out, sizeof(out));
		if (n != (ssize_t)sizeof(out))
			return done ? done : -EFAULT;
		done += n;
	}
	return done;
}

static uint32_t signalfd_poll(struct file *f, struct poll_table *pt)
{
	struct task *t = task_current();
	sigmask_t set;

	if (!t)
		return 0;
	poll_wait(pt, &t->group->sighand->signalfd_waitq);
	group_sighand_lock(t->group);
	set = (t->pending.set | t->group->pending.set) & signalfd_mask(f);
	group_sighand_unlock(t->group);
	return set ? EV_IN | EV_RDNORM : 0;
}

static const struct file_ops signalfd_ops = {
	.name = "signalfd",
	.release = signalfd_release,
	.read = signalfd_read,
	.poll = signalfd_poll,
};

int signalfd_create(struct task *t, sigmask_t mask, unsigned flags, struct file **out)
{
	struct signalfd *s = pool_alloc(&signalfd_pool);
	int r;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	atomic_init(&s->mask, mask);
	r = file_create_anon(&signalfd_ops, s, O_RDWR | (flags & O_NONBLOCK), 0, t->cred, out);
	if (r < 0)
		pool_free(&signalfd_pool, s);
	return r;
}

int signalfd_set_mask(struct file *f, sigmask_t mask)
{
	struct signalfd *s = f->priv;

	if (f->ops != &signalfd_ops)
		return -EINVAL;
	atomic_store(&s->mask, mask);
	return 0;
}
