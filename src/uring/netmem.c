/*
 * See netmem.h. What hangs on a request is read once, when the entry is taken, and is
 * its own: a header and its vector (SENDMSG, RECVMSG), a vector, an address. Each try
 * starts from a copy of it, moved on by what earlier tries have transferred.
 *
 * Locks: none; a request belongs to the thread that issues it. While provided buffers
 * are chosen that thread has the ring's buffer token (kbuf.h).
 */
#include "uring/netmem.h"

#include <string.h>

#include "abi/fcntl.h"
#include "base/kmem.h"
#include "uring/files.h"
#include "uring/internal.h"

/* What hangs on a request: the header as it was, an address, a vector. */
struct netmem {
	struct message msg;
	bool has_header;
	unsigned nsegs;
	struct uio_seg seg[];
};

static struct netmem *netmem_create(struct req *req, const struct uio_seg *seg, unsigned nsegs)
{
	struct netmem *m = kmem_zalloc_for(KMEM_URING, sizeof(*m) + nsegs * sizeof(*seg));

	if (!m)
		return NULL;
	m->nsegs = nsegs;
	if (nsegs)
		memcpy(m->seg, seg, nsegs * sizeof(*seg));
	m->msg.segs = m->seg;
	m->msg.h.iovlen = nsegs;
	req->data = m;
	return m;
}

int netmem_header(struct req *req, enum uio_dir dir)
{
	struct uio_seg segs[ABI_UIO_MAXIOV] __attribute__((uninitialized));
	struct message msg;
	struct netmem *m;
	int err = message_init(req_task(req), &msg, segs, req->net.addr, dir);

	if (err < 0)
		return err;
	m = netmem_create(req, segs, (unsigned)msg.h.iovlen);
	if (!m)
		return -ENOMEM;
	m->has_header = true;
	m->msg = msg;
	m->msg.segs = m->seg;
	if (m->msg.m.name)
		m->msg.m.name = &m->msg.name;
	if (!(req->flags & REQ_BUFFER_SELECT))
		return 0;
	if (m->msg.name_room < 0 || m->msg.h.controllen > INT32_MAX)
		return -EOVERFLOW;
	/* A provided buffer takes the place of the vector, which may only say how much
	 * of it is to be used. */
	if (m->nsegs > 1)
		return -EINVAL;
	req->net.len = m->nsegs ? (uint32_t)m->seg[0].size : 0;
	return 0;
}

static int read_vector(struct req *req)
{
	struct uio_seg segs[ABI_UIO_MAXIOV] __attribute__((uninitialized));
	const struct op_net *n = &req->net;
	int err = -EINVAL;

	if (n->len <= ABI_UIO_MAXIOV)
		err = mm_import_iovec(req_task(req)->mm, n->addr, n->len, segs);
	if (err < 0)
		return err;
	return netmem_create(req, segs, n->len) ? 0 : -ENOMEM;
}

int netmem_range(struct req *req, gva_t name, int name_size)
{
	struct netmem *m;
	int err = 0;

	if (req->net.opts & IORING_SEND_VECTORIZED)
		err = read_vector(req);
	if (err < 0 || !name)
		return err;
	m = req->data ? req->data : netmem_create(req, NULL, 0);
	if (!m)
		return -ENOMEM;
	m->msg.m.name = &m->msg.name;
	return sock_addr_in(req_task(req), name, name_size, &m->msg.name);
}

struct message *netmem_message(const struct req *req)
{
	struct netmem *m = req->data;

	return m && m->has_header ? &m->msg : NULL;
}

uint64_t netmem_reserved(const struct req *req)
{
	const struct message *msg = netmem_message(req);

	if (!msg || !(req->flags & REQ_MULTISHOT))
		return 0;
	return sizeof(struct io_uring_recvmsg_out) + (uint64_t)msg->name_room + msg->h.controllen;
}

bool netmem_is_inet(struct file *f)
{
	struct socket_addr name = { 0 };

	(void)socket_getname(f, false, &name);
	return name.family == AF_INET || name.family == AF_INET6;
}

/* ---- one try ---- */

/* Provided buffers as segments: each must be memory. */
static int take_buffers(struct netmem_try *x, struct req *req, struct issue *is)
{
	const struct op_net *n = &req->net;
	bool bundle = n->opts & IORING_RECVSEND_BUNDLE;
	uint64_t reserved = netmem_reserved(req), want = n->len;
	struct uio_seg seg;
	struct uio u;
	int err;

	if ((req->flags & REQ_MULTISHOT) && n->mshot_len)
		want = n->mshot_left ? MIN(n->mshot_len, n->mshot_left) : n->mshot_len;
	else if ((req->flags & REQ_MULTISHOT) && n->mshot_left)
		want = n->mshot_left;
	if (reserved)
		want = 0;
	err = kbuf_choose(req, is, want, bundle ? KBUF_BUNDLE_MAX : 1, &x->bufs);
	if (err < 0)
		return err;
	for (unsigned i = 0; i < x->bufs.count; i++) {
		err = mm_uio_init_single(is->task->mm, &u, &seg, UIO_TO_USER, x->bufs.seg[i].base,
					 x->bufs.seg[i].size);
		if (err < 0)
			return err;
	}
	if (reserved > x->bufs.size)
		return -EFAULT;
	if (!is->nonblock)
		x->cflags = kbuf_take(req, x->bufs.size);
	x->bufs.seg[0].base += reserved;
	x->bufs.seg[0].size -= reserved;
	x->msg->segs = x->bufs.seg;
	x->msg->h.iovlen = x->bufs.count;
	return 0;
}

static int find_fixed(struct netmem_try *x, struct req *req)
{
	const struct op_net *n = &req->net;
	struct fixed_buf *buf;

	if (!req->buf_node)
		req->buf_node = buffers_lookup(req->ring, req->buf_index);
	if (!req->buf_node)
		return -EFAULT;
	buf = req->buf_node->buf;
	x->msg->m.data = &x->msg->u;
	if (x->msg->h.iovlen)
		return fixed_buf_uio_vec(buf, &x->msg->u, x->msg->segs, (unsigned)x->msg->h.iovlen,
					 UIO_FROM_USER);
	return fixed_buf_uio(buf, &x->msg->u, &x->seg, UIO_FROM_USER, n->addr, n->len);
}

static int find_range(struct netmem_try *x, struct req *req, struct issue *is, enum uio_dir dir)
{
	struct uio u;

	x->msg->segs = &x->seg;
	x->msg->h.iovlen = 1;
	return mm_uio_init_single(is->task->mm, &u, &x->seg, dir, req->net.addr, req->net.len);
}

int netmem_begin(struct netmem_try *x, struct req *req, struct issue *is, enum uio_dir dir)
{
	struct netmem *m = req->data;
	int err = 0;

	x->cflags = 0;
	x->size = 0;
	x->msg = &x->own;
	if (m)
		x->own = m->msg;
	else
		memset(&x->own, 0, sizeof(x->own));
	if (m && m->msg.m.name)
		x->own.m.name = &x->own.name;
	x->own.dir = dir;
	if (req->net.opts & IORING_RECVSEND_FIXED_BUF) {
		err = find_fixed(x, req);
		if (err == 0)
			uio_advance(&x->own.u, req->net.done);
		x->size = x->own.u.remaining;
		return err;
	}
	if (req->flags & REQ_BUFFER_SELECT)
		err = take_buffers(x, req, is);
	else if (!m || (!m->has_header && !m->nsegs))
		err = find_range(x, req, is, dir);
	if (err < 0)
		return err;
	message_rewind(is->task, &x->own, req->net.done);
	x->size = x->own.u.remaining;
	return 0;
}

/* ---- several tries ---- */

bool netmem_goes_on(struct req *req, const struct netmem_try *x, long r)
{
	struct op_net *n = &req->net;

	if (r <= 0 || (uint64_t)r >= x->size || !(n->flags & MSG_WAITALL) ||
	    (req->flags & (REQ_NOWAIT | REQ_BUFFER_SELECT)) || !socket_raises_sigpipe(req->file))
		return false;
	n->done += (uint64_t)r;
	return true;
}

long netmem_total(struct req *req, const struct netmem_try *x, long r)
{
	const struct op_net *n = &req->net;

	if (r >= 0 && (n->flags & MSG_WAITALL) && (uint64_t)r < x->size)
		req_set_fail(req);
	if (!n->done)
		return r;
	return r < 0 ? (long)n->done : r + (long)n->done;
}
