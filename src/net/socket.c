/*
 * Sockets as files, and the way from a call to the family that answers it. What
 * is checked here holds for all families; the rest is theirs.
 */
#include <asm/sockios.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "abi/errno.h"
#include "host/host.h"
#include "net/internal.h"
#include "task/task.h"

#define TYPE_MASK 0xf
#define TYPE_MAX 11
#define FAMILY_MAX 46
#define SOMAXCONN_LIMIT 4096

static const struct file_ops socket_file_ops;

static const struct net_family *const families[] = {
	&unix_family,
	&inet_family,
	&inet6_family,
	&netlink_family,
};

/* ---- the common part ---- */

void socket_init(struct socket *s, const struct proto_ops *ops, int family, int type, int protocol)
{
	s->ops = ops;
	refcount_init(&s->refs, 1);
	s->family = family;
	s->type = type;
	s->protocol = protocol;
	mutex_init(&s->read_lock, LOCK_SOCKET);
	mutex_init(&s->lock, LOCK_SOCKET_PEER);
	waitq_init(&s->waitq);
	s->opt = (struct sock_options){
		.sndbuf = SOCK_BUF_DEFAULT,
		.rcvbuf = SOCK_BUF_DEFAULT,
		.rcvlowat = 1,
	};
	atomic_init(&s->err, 0);
	s->is_listening = false;
	atomic_init(&s->file, NULL);
}

void socket_put(struct socket *s)
{
	if (s && refcount_put(&s->refs))
		s->ops->destroy(s);
}

struct socket *socket_of_file(const struct file *f)
{
	return f->ops == &socket_file_ops ? f->priv : NULL;
}

bool file_is_socket(const struct file *f)
{
	return f->ops == &socket_file_ops;
}

bool socket_raises_sigpipe(const struct file *f)
{
	const struct socket *s = socket_of_file(f);

	return s && s->type == SOCK_STREAM;
}

void socket_files_put(struct socket_files *sf)
{
	if (!sf)
		return;
	for (unsigned i = 0; i < sf->count; i++)
		file_put(sf->file[i]);
	free(sf);
}

/* ---- waiting ---- */

static void wait_begin(struct sock_wait *w, struct socket *s, const struct vfs_ctx *ctx,
		       bool nonblock, bool is_receive)
{
	*w = (struct sock_wait){ .s = s, .ctx = ctx, .nonblock = nonblock };
	if (nonblock)
		return;
	mutex_lock(&s->lock);
	w->timeout_ns = is_receive ? s->opt.rcvtimeo_ns : s->opt.sndtimeo_ns;
	mutex_unlock(&s->lock);
	w->has_timeout = w->timeout_ns != 0;
}

int sock_wait(struct sock_wait *w, struct waitq *q, uint32_t events)
{
	int r;

	if (w->nonblock)
		return -EAGAIN;
	if (w->queue != q || w->entry.events != events) {
		sock_wait_end(w);
		waitq_entry_init(&w->entry, w->ctx->waiter, events);
		waitq_add(q, &w->entry);
		w->queue = q;
		waiter_prepare(w->ctx->waiter);
		return 0;
	}
	if (!w->deadline_ns)
		w->deadline_ns = w->has_timeout ? host_clock_ns(CLOCK_MONOTONIC) + w->timeout_ns
						: PARK_FOREVER;
	r = waiter_wait(w->ctx->waiter, w->deadline_ns);
	waiter_prepare(w->ctx->waiter);
	if (r == -ETIMEDOUT)
		return -EAGAIN;
	return r == -ERESTARTSYS && w->has_timeout ? -EINTR : r;
}

void sock_wait_end(struct sock_wait *w)
{
	if (w->queue)
		waitq_remove(w->queue, &w->entry);
	w->queue = NULL;
}

static bool is_nonblock(const struct file *f)
{
	return atomic_load_explicit(&f->flags, memory_order_relaxed) & O_NONBLOCK;
}

/* ---- making them ---- */

static int find_family(int family, const struct net_family **out)
{
	if (family < 0 || family >= FAMILY_MAX)
		return -EAFNOSUPPORT;
	for (unsigned i = 0; i < ARRAY_SIZE(families); i++) {
		if (families[i]->family == family) {
			*out = families[i];
			return 0;
		}
	}
	return -EAFNOSUPPORT;
}

static int new_socket(int family, int type, int protocol, struct socket **out)
{
	const struct net_family *nf;
	int r;

	*out = NULL;
	if (type & ~(TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (family >= 0 && family < FAMILY_MAX && (type & TYPE_MASK) >= TYPE_MAX)
		return -EINVAL;
	r = find_family(family, &nf);
	return r < 0 ? r : nf->create(type & TYPE_MASK, protocol, out);
}

/* The socket's reference goes to the file; on failure it is dropped. */
static int wrap(struct socket *s, unsigned flags, const struct vfs_ctx *ctx, struct file **out)
{
	int r = file_create_anon(&socket_file_ops, s, O_RDWR | (flags & SOCK_NONBLOCK), S_IFSOCK,
				 ctx->cred, out);

	if (r < 0) {
		s->ops->release(s);
		socket_put(s);
		return r;
	}
	atomic_store(&s->file, *out);
	return 0;
}

int socket_create(int family, int type, int protocol, const struct vfs_ctx *ctx, struct file **out)
{
	struct socket *s;
	int r = new_socket(family, type, protocol, &s);

	*out = NULL;
	return r < 0 ? r : wrap(s, (unsigned)type, ctx, out);
}

int socket_pair(int family, int type, int protocol, const struct vfs_ctx *ctx, struct file *out[2])
{
	struct socket *a, *b;
	int r;

	out[0] = out[1] = NULL;
	r = socket_create(family, type, protocol, ctx, &out[0]);
	if (r < 0)
		return r;
	r = socket_create(family, type, protocol, ctx, &out[1]);
	if (r < 0)
		goto out_first;
	a = out[0]->priv;
	b = out[1]->priv;
	r = a->ops->pair ? a->ops->pair(a, b, ctx) : -EOPNOTSUPP;
	if (r == 0)
		return 0;
	file_put(out[1]);
out_first:
	file_put(out[0]);
	out[0] = out[1] = NULL;
	return r;
}

/* ---- calls ---- */

int socket_bind(struct file *f, const struct socket_addr *addr, const struct vfs_ctx *ctx)
{
	struct socket *s = socket_of_file(f);

	if (!s)
		return -ENOTSOCK;
	return s->ops->bind ? s->ops->bind(s, addr, ctx) : -EOPNOTSUPP;
}

int socket_listen(struct file *f, int backlog, const struct vfs_ctx *ctx)
{
	struct socket *s = socket_of_file(f);

	if (!s)
		return -ENOTSOCK;
	if ((unsigned)backlog > SOMAXCONN_LIMIT)
		backlog = SOMAXCONN_LIMIT;
	return s->ops->listen ? s->ops->listen(s, backlog, ctx) : -EOPNOTSUPP;
}

static int connect_to(struct file *f, const struct socket_addr *addr, bool nonblock,
		      const struct vfs_ctx *ctx)
{
	struct socket *s = socket_of_file(f);
	struct sock_wait w;
	int r;

	if (!s)
		return -ENOTSOCK;
	if (!s->ops->connect)
		return -EOPNOTSUPP;
	wait_begin(&w, s, ctx, nonblock, false);
	r = s->ops->connect(s, addr, &w);
	sock_wait_end(&w);
	return r;
}

int socket_connect(struct file *f, const struct socket_addr *addr, const struct vfs_ctx *ctx)
{
	return connect_to(f, addr, is_nonblock(f), ctx);
}

int socket_connect_begin(struct file *f, const struct socket_addr *addr, const struct vfs_ctx *ctx)
{
	return connect_to(f, addr, true, ctx);
}

int socket_accept(struct file *f, unsigned flags, const struct vfs_ctx *ctx, struct file **out,
		  struct socket_addr *peer)
{
	struct socket *s = socket_of_file(f), *fresh;
	struct sock_wait w;
	int r;

	*out = NULL;
	if (!s)
		return -ENOTSOCK;
	if (flags & ~(unsigned)(SOCK_CLOEXEC | SOCK_NONBLOCK | MSG_DONTWAIT))
		return -EINVAL;
	if (!s->ops->accept)
		return -EOPNOTSUPP;
	wait_begin(&w, s, ctx, is_nonblock(f) || (flags & MSG_DONTWAIT), true);
	r = s->ops->accept(s, &w, &fresh);
	sock_wait_end(&w);
	if (r < 0)
		return r;
	r = wrap(fresh, flags & ~(unsigned)MSG_DONTWAIT, ctx, out);
	if (r < 0 || !peer)
		return r;
	r = fresh->ops->getname(fresh, SOCK_NAME_ACCEPTED, peer);
	if (r < 0) { /* gone already */
		file_put(*out);
		*out = NULL;
		return -ECONNABORTED;
	}
	return 0;
}

int socket_getname(struct file *f, bool peer, struct socket_addr *out)
{
	struct socket *s = socket_of_file(f);

	if (!s)
		return -ENOTSOCK;
	return s->ops->getname(s, peer ? SOCK_NAME_PEER : SOCK_NAME_LOCAL, out);
}

ssize_t socket_sendmsg(struct file *f, struct socket_msg *m, unsigned flags,
		       const struct vfs_ctx *ctx)
{
	struct socket *s = socket_of_file(f);
	struct sock_wait w;
	ssize_t r;

	if (!s)
		return -ENOTSOCK;
	wait_begin(&w, s, ctx, is_nonblock(f) || (flags & MSG_DONTWAIT), false);
	r = s->ops->sendmsg(s, m, flags, &w);
	sock_wait_end(&w);
	return r;
}

ssize_t socket_recvmsg(struct file *f, struct socket_msg *m, unsigned flags,
		       const struct vfs_ctx *ctx)
{
	struct socket *s = socket_of_file(f);
	struct sock_wait w;
	ssize_t r;

	if (!s)
		return -ENOTSOCK;
	m->files = NULL;
	m->has_creds = false;
	m->flags = 0;
	if (m->control)
		m->control->size = 0;
	if (m->name)
		m->name->size = 0;
	wait_begin(&w, s, ctx, is_nonblock(f) || (flags & MSG_DONTWAIT), true);
	r = s->ops->recvmsg(s, m, flags, &w);
	sock_wait_end(&w);
	return r;
}

int socket_shutdown(struct file *f, int how)
{
	struct socket *s = socket_of_file(f);

	if (!s)
		return -ENOTSOCK;
	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	return s->ops->shutdown ? s->ops->shutdown(s, how) : -EOPNOTSUPP;
}

int socket_setsockopt(struct file *f, int level, int name, const void *val, size_t size,
		      const struct vfs_ctx *ctx)
{
	struct socket *s = socket_of_file(f);

	if (!s)
		return -ENOTSOCK;
	if (level == SOL_SOCKET)
		return sockopt_set(s, name, val, size, ctx);
	return s->ops->setsockopt ? s->ops->setsockopt(s, level, name, val, size, ctx)
				  : -EOPNOTSUPP;
}

int socket_getsockopt(struct file *f, int level, int name, void *val, size_t *size)
{
	struct socket *s = socket_of_file(f);

	if (!s)
		return -ENOTSOCK;
	if (level == SOL_SOCKET)
		return sockopt_get(s, name, val, size);
	return s->ops->getsockopt ? s->ops->getsockopt(s, level, name, val, size) : -EOPNOTSUPP;
}

/* ---- the file ---- */

static ssize_t socket_read(struct file *f, struct uio *u, fileoff_t *pos UNUSED, struct io *io)
{
	struct socket_msg m = { .data = u };
	ssize_t r;

	if (!u->remaining) /* as Linux: not even an error */
		return 0;
	r = socket_recvmsg(f, &m, io->nonblock ? MSG_DONTWAIT : 0, io->ctx);
	socket_files_put(m.files);
	return r;
}

static ssize_t socket_write(struct file *f, struct uio *u, fileoff_t *pos UNUSED, struct io *io)
{
	struct socket_msg m = { .data = u };

	return socket_sendmsg(f, &m, io->nonblock ? MSG_DONTWAIT : 0, io->ctx);
}

static uint32_t socket_poll(struct file *f, struct poll_table *pt)
{
	struct socket *s = f->priv;

	return s->ops->poll(s, pt);
}

/* A process, or a process group by its negative number. */
static long owner_in(struct file *f, uint64_t arg, const struct vfs_ctx *ctx)
{
	int32_t pid;

	if (copy_in(ctx->mem, &pid, arg, sizeof(pid)) < 0)
		return -EFAULT;
	if (pid == INT32_MIN)
		return -EINVAL;
	return file_owner_set(ctx->task, f, pid < 0 ? -pid : pid,
			      pid < 0 ? FILE_OWNER_PGRP : FILE_OWNER_PID);
}

static long owner_out(struct file *f, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct file_owner o = file_owner_get(f);
	int32_t pid = o.type == FILE_OWNER_PGRP ? -o.pid : o.pid;

	return copy_out(ctx->mem, arg, &pid, sizeof(pid));
}

static long socket_ioctl(struct file *f, unsigned cmd, uint64_t arg, const struct vfs_ctx *ctx)
{
	struct socket *s = f->priv;
	long r;

	switch (cmd) {
	case FIOSETOWN:
	case SIOCSPGRP:
		return owner_in(f, arg, ctx);
	case FIOGETOWN:
	case SIOCGPGRP:
		return owner_out(f, arg, ctx);
	}
	r = s->ops->ioctl ? s->ops->ioctl(s, cmd, arg, ctx) : -ENOTTY;
	return r == -ENOTTY ? ifreq_ioctl(s, cmd, arg, ctx) : r;
}

static void socket_release(struct file *f)
{
	struct socket *s = f->priv;

	s->ops->release(s);
	socket_put(s);
}

static const struct file_ops socket_file_ops = {
	.name = "socket",
	.release = socket_release,
	.read = socket_read,
	.write = socket_write,
	.poll = socket_poll,
	.ioctl = socket_ioctl,
};
