/* POSIX message queues: mq_open and its family. */
#include <fcntl.h>
#include <signal.h>

#include "abi/errno.h"
#include "abi/mqueue.h"
#include "abi/signal.h"
#include "fs/mqueue/mqueue.h"
#include "net/socket.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "syscall/timeconv.h"

#define OPEN_FLAGS ((unsigned)(O_ACCMODE | O_CREAT | O_EXCL | O_NONBLOCK))

SYSCALL(mq_open)
{
	char name[SYSCALL_PATH_MAX] UNINITIALIZED;
	unsigned flags = (unsigned)args->a[1] & OPEN_FLAGS;
	struct mqueue_attr attr;
	struct abi_mq_attr in;
	struct vfs_ctx *ctx;
	struct file *f;
	int r;

	if (args->a[3] && syscall_copy_in(t, &in, args->a[3], sizeof(in)) < 0)
		return -EFAULT;
	r = syscall_path(t, args->a[0], name);
	if (r < 0)
		return r;
	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if (args->a[3])
		attr = (struct mqueue_attr){ in.maxmsg, in.msgsize };
	ctx = task_vfs_begin(t);
	r = mqueue_open(ctx, name, flags, (uint32_t)args->a[2], args->a[3] ? &attr : NULL, &f);
	task_vfs_end(t);
	if (r < 0)
		return r;
	r = fd_install(t, f, 0, true);
	if (r < 0)
		file_put(f);
	return r;
}

SYSCALL(mq_unlink)
{
	char name[SYSCALL_PATH_MAX] UNINITIALIZED;
	int r = syscall_path(t, args->a[0], name);

	if (r < 0)
		return r;
	r = mqueue_unlink(task_vfs_begin(t), name);
	task_vfs_end(t);
	return r;
}

/* ---- messages ---- */

/* A point in time of CLOCK_REALTIME; user 0: for ever. */
static int deadline_of(struct task *t, gva_t user, uint64_t *deadline_ns)
{
	uint64_t ns;
	int r;

	*deadline_ns = PARK_FOREVER;
	if (!user)
		return 0;
	r = syscall_timespec(t, user, &ns);
	if (r == 0)
		*deadline_ns = monotonic_of(t, CLOCK_REALTIME, ns);
	return r;
}

static long send_to(struct task *t, struct file *f, const struct sysargs *args,
		    uint64_t deadline_ns)
{
	struct mqueue_msg *m;
	int r = mqueue_msg_create(f, args->a[2], &m);

	if (r < 0)
		return r;
	m->prio = (unsigned)args->a[3];
	r = syscall_copy_in(t, m->text, args->a[1], m->size);
	if (r == 0)
		r = mqueue_send(t, f, m, deadline_ns);
	if (r < 0)
		mqueue_msg_free(m);
	return r;
}

SYSCALL(mq_timedsend)
{
	uint64_t deadline_ns;
	struct file *f;
	long r = deadline_of(t, args->a[4], &deadline_ns);

	if (r < 0)
		return r;
	if ((unsigned)args->a[3] >= ABI_MQ_PRIO_MAX)
		return -EINVAL;
	f = fd_get(t, (int)args->a[0]);
	if (!f)
		return -EBADF;
	r = send_to(t, f, args, deadline_ns);
	file_put(f);
	return r;
}

/* Frees m. */
static long give_out(struct task *t, const struct sysargs *args, struct mqueue_msg *m)
{
	uint32_t prio = m->prio;
	long r = (long)m->size;

	if ((args->a[3] && syscall_copy_out(t, args->a[3], &prio, sizeof(prio)) < 0) ||
	    syscall_copy_out(t, args->a[1], m->text, m->size) < 0)
		r = -EFAULT;
	mqueue_msg_free(m);
	return r;
}

SYSCALL(mq_timedreceive)
{
	struct mqueue_msg *m;
	uint64_t deadline_ns;
	struct file *f;
	int r = deadline_of(t, args->a[4], &deadline_ns);

	if (r < 0)
		return r;
	f = fd_get(t, (int)args->a[0]);
	if (!f)
		return -EBADF;
	r = mqueue_receive(t, f, args->a[2], deadline_ns, &m);
	file_put(f);
	return r < 0 ? r : give_out(t, args, m);
}

SYSCALL(mq_getsetattr)
{
	struct abi_mq_attr in = { 0 }, out = { 0 };
	struct mqueue_state state;
	struct file *f;
	int r;

	if (args->a[1] && syscall_copy_in(t, &in, args->a[1], sizeof(in)) < 0)
		return -EFAULT;
	if (in.flags & ~(int64_t)O_NONBLOCK)
		return -EINVAL;
	f = fd_get(t, (int)args->a[0]);
	if (!f)
		return -EBADF;
	r = mqueue_get_state(f, &state);
	if (r < 0)
		goto out_put;
	out.flags = atomic_load(&f->flags) & O_NONBLOCK;
	out.maxmsg = state.maxmsg;
	out.msgsize = state.msgsize;
	out.curmsgs = state.curmsgs;
	if (args->a[1] && in.flags)
		atomic_fetch_or(&f->flags, O_NONBLOCK);
	else if (args->a[1])
		atomic_fetch_and(&f->flags, ~(unsigned)O_NONBLOCK);
	if (args->a[2])
		r = syscall_copy_out(t, args->a[2], &out, sizeof(out));
out_put:
	file_put(f);
	return r;
}

/* ---- notification ---- */

static void port_deliver(void *arg, const uint8_t *cookie, size_t size)
{
	(void)netlink_post(arg, cookie, size);
}

static void port_release(void *arg)
{
	file_put(arg);
}

static const struct mqueue_port_ops netlink_port = {
	.deliver = port_deliver,
	.release = port_release,
};

/* SIGEV_THREAD: the value points to the cookie, the signal is a netlink socket's
 * descriptor. */
static int thread_notice(struct task *t, const struct abi_sigevent *ev, struct mqueue_notice *n)
{
	struct file *f;
	int r;

	_Static_assert(sizeof(n->cookie) == ABI_MQ_COOKIE_SIZE, "cookie");
	if (syscall_copy_in(t, n->cookie, ev->value, sizeof(n->cookie)) < 0)
		return -EFAULT;
	f = fd_get(t, ev->signo);
	if (!f)
		return -EBADF;
	r = netlink_may_post(f);
	if (r < 0) {
		file_put(f);
		return r;
	}
	n->port = &netlink_port;
	n->port_arg = f;
	return 0;
}

static int get_notice(struct task *t, gva_t user, struct mqueue_notice *n)
{
	struct abi_sigevent ev;

	if (syscall_copy_in(t, &ev, user, sizeof(ev)) < 0)
		return -EFAULT;
	*n = (struct mqueue_notice){ .how = ev.notify, .signo = ev.signo, .value = ev.value };
	switch (ev.notify) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_SIGNAL:
		return (unsigned)ev.signo > ABI_NSIG ? -EINVAL : 0;
	case SIGEV_THREAD:
		return thread_notice(t, &ev, n);
	default:
		return -EINVAL;
	}
}

SYSCALL(mq_notify)
{
	struct mqueue_notice n = { .port = NULL };
	struct file *f;
	int r = 0;

	if (args->a[1])
		r = get_notice(t, args->a[1], &n);
	if (r < 0)
		return r;
	f = fd_get(t, (int)args->a[0]);
	r = f ? mqueue_notify(t, f, args->a[1] ? &n : NULL) : -EBADF;
	if (f)
		file_put(f);
	if (r < 0 && n.port)
		n.port->release(n.port_arg);
	return r;
}
