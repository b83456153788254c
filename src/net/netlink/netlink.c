/* AF_NETLINK: the socket. See netlink.h. */
#include "net/netlink/netlink.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "abi/errno.h"
#include "base/pool.h"
#include "task/task.h"

#define RESERVED 32 /* of SO_SNDBUF, for a datagram's head */
#define GROUPS 32u
#define FIRST_CHOSEN_PORT ((uint32_t)-4096)

typedef int (*request_fn)(const struct netlink_request *rq, struct netlink_answer *a);

/* The protocols: one without a handler has news only, which never come. */
static const struct {
	int protocol;
	request_fn request;
} protocols[] = {
	{ NETLINK_ROUTE, route_request },
	{ NETLINK_KOBJECT_UEVENT, NULL },
};

struct netlink_sock {
	struct socket s;
	struct list all_link; /* [names] while it has a port */
	uint32_t port;        /* [names] and [l] to change; 0: none */
	/* [l] */
	uint32_t groups, to_port, to_groups;
	bool dead, is_cap_ack, is_strict, has_pktinfo;
	uint32_t flags; /* other options: recorded, by number */
	struct list queue;
	size_t queued;
};

static struct mutex names_lock = MUTEX_INIT(LOCK_SOCKET_NAMES);
static struct list named = LIST_INIT(named); /* [names] */
static POOL_DEFINE(netlink_pool, struct netlink_sock);

static const struct proto_ops netlink_ops;

static struct netlink_sock *netlink_of(struct socket *s)
{
	return container_of(s, struct netlink_sock, s);
}

static request_fn handler_of(const struct netlink_sock *n)
{
	for (unsigned i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (protocols[i].protocol == n->s.protocol)
			return protocols[i].request;
	}
	return NULL;
}

/* ---- life ---- */

static int create(int type, int protocol, struct socket **out)
{
	struct netlink_sock *n;

	if (type != SOCK_RAW && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	for (unsigned i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (protocols[i].protocol != protocol)
			continue;
		n = pool_alloc(&netlink_pool);
		if (!n)
			return -ENOMEM;
		socket_init(&n->s, &netlink_ops, AF_NETLINK, type, protocol);
		list_init(&n->all_link);
		list_init(&n->queue);
		*out = &n->s;
		return 0;
	}
	return -EPROTONOSUPPORT;
}

const struct net_family netlink_family = { AF_NETLINK, create };

static void netlink_destroy(struct socket *s)
{
	struct netlink_sock *n = netlink_of(s);

	ASSERT(n->dead && list_empty(&n->queue) && list_empty(&n->all_link));
	pool_free(&netlink_pool, n);
}

static void netlink_release(struct socket *s)
{
	struct netlink_sock *n = netlink_of(s);

	mutex_lock(&names_lock);
	list_del(&n->all_link);
	mutex_unlock(&names_lock);
	n->dead = true; /* nobody else has it: answers come from its own calls */
	while (!list_empty(&n->queue)) {
		struct netlink_answer *a = list_first(&n->queue, struct netlink_answer, link);

		list_del(&a->link);
		netlink_answer_free(a);
	}
}

/* ---- names ---- */

static bool port_is_free_locked(const struct netlink_sock *n, uint32_t port)
{
	list_for_each(other, &named, struct netlink_sock, all_link) {
		if (other != n && other->port == port && other->s.protocol == n->s.protocol)
			return false;
	}
	return true;
}

/* port 0: the caller's process id, or another when that is taken. */
static int take_port_locked(struct netlink_sock *n, uint32_t port, const struct vfs_ctx *ctx)
{
	int r = 0;

	mutex_lock(&names_lock);
	if (port) {
		r = port_is_free_locked(n, port) ? 0 : -EADDRINUSE;
	} else {
		port = ctx->pid;
		for (uint32_t next = FIRST_CHOSEN_PORT; !port_is_free_locked(n, port); next--)
			port = next;
	}
	if (r == 0) {
		n->port = port;
		list_push_back(&named, &n->all_link);
	}
	mutex_unlock(&names_lock);
	return r;
}

static int addr_in(const struct socket_addr *addr, struct sockaddr_nl *nl)
{
	if (addr->size < sizeof(*nl))
		return -EINVAL;
	memcpy(nl, addr->bytes, sizeof(*nl));
	return nl->nl_family == AF_NETLINK ? 0 : -EINVAL;
}

static int netlink_bind(struct socket *s, const struct socket_addr *addr, const struct vfs_ctx *ctx)
{
	struct netlink_sock *n = netlink_of(s);
	struct sockaddr_nl nl;
	int r = addr_in(addr, &nl);

	if (r < 0)
		return r;
	mutex_lock(&s->lock);
	if (!n->port)
		r = take_port_locked(n, nl.nl_pid, ctx);
	else if (nl.nl_pid != n->port)
		r = -EINVAL;
	if (r == 0)
		n->groups = nl.nl_groups;
	mutex_unlock(&s->lock);
	return r;
}

static int netlink_connect(struct socket *s, const struct socket_addr *addr, struct sock_wait *w)
{
	struct netlink_sock *n = netlink_of(s);
	struct sockaddr_nl nl;
	int r = 0;

	if (addr->size < sizeof(addr->family))
		return -EINVAL;
	if (addr->family == AF_UNSPEC) {
		mutex_lock(&s->lock);
		n->to_port = n->to_groups = 0;
		mutex_unlock(&s->lock);
		return 0;
	}
	r = addr_in(addr, &nl);
	if (r < 0)
		return r;
	if ((nl.nl_groups || nl.nl_pid) && !cred_has_cap(w->ctx->cred, CAP_NET_ADMIN))
		return -EPERM;
	mutex_lock(&s->lock);
	if (!n->port)
		r = take_port_locked(n, 0, w->ctx);
	if (r == 0) {
		n->to_port = nl.nl_pid;
		n->to_groups = nl.nl_groups;
	}
	mutex_unlock(&s->lock);
	return r;
}

static void addr_out(uint32_t port, uint32_t groups, struct socket_addr *out)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK, .nl_pid = port, .nl_groups = groups };

	memcpy(out->bytes, &nl, sizeof(nl));
	out->size = sizeof(nl);
}

static int netlink_getname(struct socket *s, enum sock_name which, struct socket_addr *out)
{
	struct netlink_sock *n = netlink_of(s);

	mutex_lock(&s->lock);
	if (which == SOCK_NAME_LOCAL)
		addr_out(n->port, n->groups, out);
	else
		addr_out(n->to_port, n->to_groups, out);
	mutex_unlock(&s->lock);
	return 0;
}

/* ---- requests ---- */

/* Puts a datagram on the queue; a queue that is full tells the reader (ENOBUFS). */
static void enqueue(struct netlink_sock *n, struct netlink_answer *a)
{
	bool is_full;

	if (!a)
		return;
	mutex_lock(&n->s.lock);
	is_full = a->failed || n->queued > (size_t)n->s.opt.rcvbuf;
	if (!is_full) {
		list_push_back(&n->queue, &a->link);
		n->queued += a->room + sizeof(*a);
	} else {
		atomic_store(&n->s.err, ENOBUFS);
	}
	mutex_unlock(&n->s.lock);
	if (is_full)
		netlink_answer_free(a);
	waitq_wake(&n->s.waitq, EV_IN | EV_RDNORM | (is_full ? EV_ERR : 0));
}

int netlink_may_post(const struct file *f)
{
	const struct socket *s = socket_of_file(f);

	if (!s)
		return -ENOTSOCK;
	return s->ops == &netlink_ops ? 0 : -EINVAL;
}

int netlink_post(struct file *f, const void *bytes, size_t size)
{
	struct netlink_answer *a;
	int r = netlink_may_post(f);

	if (r < 0)
		return r;
	a = netlink_answer_new(0, 0);
	if (!a)
		return -ENOMEM;
	netlink_raw(a, bytes, size);
	enqueue(netlink_of(socket_of_file(f)), a);
	return 0;
}

/* NLMSG_ERROR: the errno, and the request (its header only, when that is wanted or
 * there was no error). */
static void acknowledge(struct netlink_sock *n, const struct netlink_request *rq, int err)
{
	struct netlink_answer *a = netlink_answer_new(n->port, rq->h->nlmsg_seq);
	size_t quoted = sizeof(*rq->h) + (err && !n->is_cap_ack ? rq->size : 0);
	uint8_t *buf = malloc(sizeof(int32_t) + quoted);
	int32_t code = err;

	if (a && buf) {
		memcpy(buf, &code, sizeof(code));
		memcpy(buf + sizeof(code), rq->h, quoted);
		a->flags = err && !n->is_cap_ack ? 0 : NLM_F_CAPPED;
		netlink_message(a, NLMSG_ERROR, buf, sizeof(code) + quoted);
		enqueue(n, a);
	} else {
		netlink_answer_free(a);
	}
	free(buf);
}

static void handle(struct netlink_sock *n, const struct netlink_request *rq)
{
	bool is_dump = (rq->h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	struct netlink_answer *a;
	int32_t done = 0;
	int r = -ENOBUFS;

	if (!(rq->h->nlmsg_flags & NLM_F_REQUEST))
		return;
	a = netlink_answer_new(n->port, rq->h->nlmsg_seq);
	if (a) {
		a->flags = is_dump ? NLM_F_MULTI : 0;
		r = rq->h->nlmsg_type < NLMSG_MIN_TYPE ? 0 : handler_of(n)(rq, a);
	}
	if (r == 0 && is_dump && rq->h->nlmsg_type >= NLMSG_MIN_TYPE) {
		netlink_message(a, NLMSG_DONE, &done, sizeof(done));
		enqueue(n, a);
		return;
	}
	if (r == 0 && a->size)
		enqueue(n, a);
	else
		netlink_answer_free(a);
	if (r < 0 || (rq->h->nlmsg_flags & NLM_F_ACK))
		acknowledge(n, rq, r);
}

/* Each message of a datagram in turn, until one's length cannot be. */
static void handle_all(struct netlink_sock *n, const uint8_t *bytes, size_t size,
		       const struct vfs_ctx *ctx)
{
	struct netlink_request rq = { .is_strict = n->is_strict, .ctx = ctx };

	while (size >= sizeof(struct nlmsghdr)) {
		size_t step;

		rq.h = (const void *)bytes; /* aligned to 4, as all steps are */
		if (rq.h->nlmsg_len < sizeof(*rq.h) || rq.h->nlmsg_len > size)
			return;
		rq.payload = bytes + sizeof(*rq.h);
		rq.size = rq.h->nlmsg_len - sizeof(*rq.h);
		handle(n, &rq);
		step = MIN((size_t)NLMSG_ALIGN(rq.h->nlmsg_len), size);
		bytes += step;
		size -= step;
	}
}

/* Where it goes: to the kernel, if anywhere. => s.lock */
static int check_destination_locked(struct netlink_sock *n, const struct socket_msg *m,
				    const struct vfs_ctx *ctx)
{
	uint32_t port = n->to_port, groups = n->to_groups;
	struct sockaddr_nl nl;

	if (m->name && m->name->size) {
		int r = addr_in(m->name, &nl);

		if (r < 0)
			return r;
		port = nl.nl_pid;
		groups = nl.nl_groups;
	}
	if ((port || groups) && !cred_has_cap(ctx->cred, CAP_NET_ADMIN))
		return -EPERM;
	if (port || !handler_of(n))
		return -ECONNREFUSED; /* sockets do not talk to each other */
	return n->port ? 0 : take_port_locked(n, 0, ctx);
}

static ssize_t netlink_sendmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			       struct sock_wait *w)
{
	struct netlink_sock *n = netlink_of(s);
	size_t size = m->data->remaining;
	uint8_t *bytes;
	int r;

	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (!size)
		return -ENODATA;
	mutex_lock(&s->lock);
	r = check_destination_locked(n, m, w->ctx);
	if (r == 0 && size > (size_t)s->opt.sndbuf - RESERVED)
		r = -EMSGSIZE;
	mutex_unlock(&s->lock);
	if (r < 0)
		return r;
	bytes = malloc(size);
	if (!bytes)
		return -ENOBUFS;
	if (uio_read(m->data, bytes, size) < (ssize_t)size) {
		free(bytes);
		return -EFAULT;
	}
	handle_all(n, bytes, size, w->ctx);
	free(bytes);
	return (ssize_t)size;
}

/* ---- answers ---- */

/* The first, or NULL and why. => read_lock */
static struct netlink_answer *first_answer(struct netlink_sock *n, int *why)
{
	struct netlink_answer *a = NULL;

	mutex_lock(&n->s.lock);
	*why = sock_take_error(&n->s);
	if (*why == 0) {
		*why = -EAGAIN;
		if (!list_empty(&n->queue))
			a = list_first(&n->queue, struct netlink_answer, link);
	}
	mutex_unlock(&n->s.lock);
	return a;
}

static void describe(struct netlink_sock *n, struct socket_msg *m)
{
	const struct nl_pktinfo kernel = { .group = 0 };

	if (m->name)
		addr_out(0, 0, m->name); /* from the kernel */
	if (sock_has(&n->s, SOCK_BIT_PASSCRED)) {
		m->has_creds = true;
		m->creds = (struct ucred){ 0, 0, 0 };
	}
	if (m->control && n->has_pktinfo)
		(void)socket_control_add(m->control, SOL_NETLINK, NETLINK_PKTINFO, &kernel,
					 sizeof(kernel));
}

static ssize_t read_answer(struct netlink_sock *n, struct netlink_answer *a, struct socket_msg *m,
			   unsigned flags)
{
	size_t size = MIN(a->size, m->data->remaining);

	if (size && uio_write(m->data, a->bytes, size) < (ssize_t)size)
		return -EFAULT;
	if (size < a->size)
		m->flags |= MSG_TRUNC;
	describe(n, m);
	return (ssize_t)(flags & MSG_TRUNC ? a->size : size);
}

static ssize_t netlink_recvmsg(struct socket *s, struct socket_msg *m, unsigned flags,
			       struct sock_wait *w)
{
	struct netlink_sock *n = netlink_of(s);
	struct netlink_answer *a;
	ssize_t r;
	int why;

	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	for (;;) {
		mutex_lock(&s->read_lock);
		a = first_answer(n, &why);
		if (a)
			break;
		mutex_unlock(&s->read_lock);
		if (why == -EAGAIN)
			why = sock_wait(w, &s->waitq, EV_IN);
		if (why < 0)
			return why;
	}
	r = read_answer(n, a, m, flags);
	if (!(flags & MSG_PEEK)) {
		mutex_lock(&s->lock);
		list_del(&a->link);
		n->queued -= a->room + sizeof(*a);
		mutex_unlock(&s->lock);
		netlink_answer_free(a);
	}
	mutex_unlock(&s->read_lock);
	return r;
}

static uint32_t netlink_poll(struct socket *s, struct poll_table *pt)
{
	struct netlink_sock *n = netlink_of(s);
	uint32_t ev = EV_OUT | EV_WRNORM | EV_WRBAND;

	poll_wait(pt, &s->waitq);
	mutex_lock(&s->lock);
	if (!list_empty(&n->queue))
		ev |= EV_IN | EV_RDNORM;
	if (atomic_load(&s->err))
		ev |= EV_ERR;
	mutex_unlock(&s->lock);
	return ev;
}

/* ---- options ---- */

static int set_locked(struct netlink_sock *n, int name, unsigned val)
{
	switch (name) {
	case NETLINK_ADD_MEMBERSHIP:
	case NETLINK_DROP_MEMBERSHIP:
		if (!val || val - 1 >= GROUPS)
			return -EINVAL;
		if (name == NETLINK_ADD_MEMBERSHIP)
			n->groups |= 1u << (val - 1);
		else
			n->groups &= ~(1u << (val - 1));
		return 0;
	case NETLINK_PKTINFO:
		n->has_pktinfo = val;
		return 0;
	case NETLINK_CAP_ACK:
		n->is_cap_ack = val;
		return 0;
	case NETLINK_GET_STRICT_CHK:
		n->is_strict = val;
		return 0;
	case NETLINK_BROADCAST_ERROR:
	case NETLINK_NO_ENOBUFS:
	case NETLINK_EXT_ACK:
		n->flags = (n->flags & ~(1u << name)) | (val ? 1u << name : 0);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int netlink_setsockopt(struct socket *s, int level, int name, const void *val, size_t size,
			      const struct vfs_ctx *ctx UNUSED)
{
	unsigned n;
	int r;

	if (level != SOL_NETLINK)
		return -ENOPROTOOPT;
	if (size < sizeof(n))
		return -EINVAL;
	memcpy(&n, val, sizeof(n));
	mutex_lock(&s->lock);
	r = set_locked(netlink_of(s), name, n);
	mutex_unlock(&s->lock);
	return r;
}

static int get_locked(const struct netlink_sock *n, int name, int *out)
{
	switch (name) {
	case NETLINK_PKTINFO:
		*out = n->has_pktinfo;
		return 0;
	case NETLINK_CAP_ACK:
		*out = n->is_cap_ack;
		return 0;
	case NETLINK_GET_STRICT_CHK:
		*out = n->is_strict;
		return 0;
	case NETLINK_LIST_MEMBERSHIPS:
		*out = (int)n->groups;
		return 0;
	case NETLINK_BROADCAST_ERROR:
	case NETLINK_NO_ENOBUFS:
	case NETLINK_EXT_ACK:
		*out = n->flags >> name & 1;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int netlink_getsockopt(struct socket *s, int level, int name, void *val, size_t *size)
{
	int n = 0, r;

	if (level != SOL_NETLINK)
		return -ENOPROTOOPT;
	mutex_lock(&s->lock);
	r = get_locked(netlink_of(s), name, &n);
	mutex_unlock(&s->lock);
	if (r < 0)
		return r;
	if (*size < sizeof(n))
		return -EINVAL;
	*size = sizeof(n);
	memcpy(val, &n, sizeof(n));
	return 0;
}

static const struct proto_ops netlink_ops = {
	.release = netlink_release,
	.destroy = netlink_destroy,
	.bind = netlink_bind,
	.connect = netlink_connect,
	.getname = netlink_getname,
	.sendmsg = netlink_sendmsg,
	.recvmsg = netlink_recvmsg,
	.poll = netlink_poll,
	.setsockopt = netlink_setsockopt,
	.getsockopt = netlink_getsockopt,
};
