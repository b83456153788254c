/* Sockets, but for what is sent: SOCKET, BIND, LISTEN, CONNECT, ACCEPT, SHUTDOWN, and
 * URING_CMD, which asks for options and counts. */
#include <string.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>

#include "base/kmem.h"
#include "net/message.h"
#include "uring/files.h"
#include "uring/internal.h"
#include "uring/netmem.h"
#include "uring/ops.h"

#define NEW_FLAGS ((uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK))

/* ---- SOCKET ---- */

int socket_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_misc *m = &req->misc;
	uint32_t flags;

	if (sqe->addr || sqe->rw_flags || sqe->buf_index)
		return -EINVAL;
	m->fd = sqe->fd; /* the family */
	m->x = (uint32_t)sqe->off;
	m->y = sqe->len; /* the protocol */
	m->slot = sqe->file_index;
	flags = m->x & ~ABI_SOCK_TYPE_MASK;
	if (m->slot && (flags & SOCK_CLOEXEC))
		return -EINVAL;
	return flags & ~NEW_FLAGS ? -EINVAL : 0;
}

int socket_issue(struct req *req, struct issue *is)
{
	const struct op_misc *m = &req->misc;
	struct task *t = is->task;
	struct file *f;
	int r = socket_create(m->fd, (int)(m->x & ~(uint32_t)SOCK_CLOEXEC), (int)m->y,
			      task_vfs_begin(t), &f);

	task_vfs_end(t);
	if (r == 0)
		r = files_give(req->ring, t, f, m->slot, m->x & SOCK_CLOEXEC);
	return req_result(req, r);
}

/* ---- BIND, CONNECT: an address, read when the entry is taken ---- */

static int address_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	if (sqe->len || sqe->buf_index || sqe->rw_flags || sqe->splice_fd_in)
		return -EINVAL;
	req->data = kmem_alloc_for(KMEM_URING, sizeof(struct socket_addr));
	if (!req->data)
		return -ENOMEM;
	return sock_addr_in(req_task(req), sqe->addr, (int)sqe->addr2, req->data);
}

int bind_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	return address_prep(req, sqe);
}

int bind_issue(struct req *req, struct issue *is)
{
	struct task *t = is->task;
	int r = socket_bind(req->file, req->data, task_vfs_begin(t));

	task_vfs_end(t);
	return req_result(req, r);
}

int connect_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	return address_prep(req, sqe);
}

/* Begun once; asked again when the socket is writable, whether that was it. */
int connect_issue(struct req *req, struct issue *is)
{
	bool is_begun = req->net.done != 0;
	struct task *t = is->task;
	int r;

	if (is->nonblock)
		r = socket_connect_begin(req->file, req->data, task_vfs_begin(t));
	else
		r = socket_connect(req->file, req->data, task_vfs_begin(t));
	task_vfs_end(t);
	if (is->nonblock && (r == -EINPROGRESS || r == -EAGAIN || (r == -EALREADY && is_begun))) {
		req->net.done = 1;
		return -EAGAIN;
	}
	if (r == -EISCONN && is_begun)
		r = 0;
	return req_result(req, r);
}

int listen_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	if (sqe->addr || sqe->buf_index || sqe->rw_flags || sqe->splice_fd_in || sqe->addr2)
		return -EINVAL;
	req->misc.x = sqe->len;
	return 0;
}

int listen_issue(struct req *req, struct issue *is)
{
	struct task *t = is->task;
	int r = socket_listen(req->file, (int)req->misc.x, task_vfs_begin(t));

	task_vfs_end(t);
	return req_result(req, r);
}

/* ---- ACCEPT ---- */

#define ACCEPT_OPTS (IORING_ACCEPT_MULTISHOT | IORING_ACCEPT_DONTWAIT | IORING_ACCEPT_POLL_FIRST)

int accept_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_net *n = &req->net;

	if (sqe->len || sqe->buf_index)
		return -EINVAL;
	n->addr = sqe->addr;
	n->addr2 = sqe->addr2;
	n->flags = sqe->accept_flags;
	n->opts = sqe->ioprio;
	n->slot = sqe->file_index;
	if (n->opts & ~ACCEPT_OPTS)
		return -EINVAL;
	if (n->slot && (n->flags & SOCK_CLOEXEC))
		return -EINVAL;
	if ((n->opts & IORING_ACCEPT_MULTISHOT) && n->slot && n->slot != IORING_FILE_INDEX_ALLOC)
		return -EINVAL;
	if (n->flags & ~NEW_FLAGS)
		return -EINVAL;
	if (n->opts & IORING_ACCEPT_MULTISHOT)
		req->flags |= REQ_MULTISHOT;
	if (n->opts & IORING_ACCEPT_DONTWAIT)
		req->flags |= REQ_NOWAIT;
	return 0;
}

/* The new descriptor or slot, or an error. */
static int accept_one(struct req *req, struct issue *is)
{
	const struct op_net *n = &req->net;
	struct task *t = is->task;
	struct socket_addr peer;
	struct file *f;
	int r;

	r = socket_accept(req->file,
			  (n->flags & SOCK_NONBLOCK) | (is->nonblock ? MSG_DONTWAIT : 0u),
			  task_vfs_begin(t), &f, &peer);
	task_vfs_end(t);
	if (r < 0)
		return r;
	r = sock_addr_out(t, n->addr, n->addr2, &peer);
	if (r < 0) {
		file_put(f);
		return r;
	}
	return files_give(req->ring, t, f, n->slot, n->flags & SOCK_CLOEXEC);
}

int accept_issue(struct req *req, struct issue *is)
{
	int r;

	if ((req->net.opts & IORING_ACCEPT_POLL_FIRST) && !(req->flags & REQ_POLL_ASYNC))
		return -EAGAIN;
	r = accept_one(req, is);
	if (r == -EAGAIN)
		return -EAGAIN;
	if (r >= 0 && (req->flags & REQ_MULTISHOT) && complete_post_more(req, is, r, 0))
		return ISSUE_AGAIN;
	return req_result(req, r);
}

/* ---- SHUTDOWN ---- */

int shutdown_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	if (sqe->off || sqe->addr || sqe->rw_flags || sqe->buf_index || sqe->splice_fd_in)
		return -EINVAL;
	req->misc.x = sqe->len;
	return 0;
}

int shutdown_issue(struct req *req, struct issue *is UNUSED)
{
	return req_result(req, socket_shutdown(req->file, (int)req->misc.x));
}

/* ---- URING_CMD ---- */

#define OPTION_MAX 256u

int uring_cmd_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_misc *m = &req->misc;

	if (sqe->pad1 || (sqe->uring_cmd_flags & ~IORING_URING_CMD_MASK))
		return -EINVAL;
	m->x = sqe->cmd_op;
	m->y = sqe->optlen;
	m->a = sqe->level;
	m->b = sqe->optname;
	m->c = sqe->optval;
	return 0;
}

/* Where an ioctl that fills in an int finds it. */
static int int_out(void *space, gva_t dst UNUSED, const void *src, size_t size)
{
	memcpy(space, src, MIN(size, sizeof(int)));
	return 0;
}

static int int_in(void *space UNUSED, void *dst UNUSED, gva_t src UNUSED, size_t size UNUSED)
{
	return -EFAULT;
}

static long count_bytes(struct req *req, struct issue *is, unsigned cmd)
{
	static const struct uaccess_ops ops = { int_in, int_out };
	struct task *t = is->task;
	struct vfs_ctx ctx = *task_vfs_begin_file(t, req->file);
	int count = 0;
	const struct uaccess mem = { &ops, &count };
	long r = -EOPNOTSUPP;

	ctx.mem = &mem;
	if (netmem_is_inet(req->file))
		r = req->file->ops->ioctl(req->file, cmd, 0, &ctx);
	task_vfs_end(t);
	return r < 0 ? r : count;
}

/* The size of the option is the result. */
static long get_option(struct req *req, struct issue *is)
{
	const struct op_misc *m = &req->misc;
	uint8_t val[OPTION_MAX] = { 0 };
	size_t size = MIN(m->y, OPTION_MAX);
	int r;

	if (m->a != SOL_SOCKET)
		return -EOPNOTSUPP;
	if ((int32_t)m->y < 0)
		return -EINVAL;
	r = socket_getsockopt(req->file, SOL_SOCKET, (int)m->b, val, &size);
	if (r == 0)
		r = mm_copy_out(is->task->mm, m->c, val, size);
	return r < 0 ? r : (long)size;
}

static long set_option(struct req *req, struct issue *is)
{
	const struct op_misc *m = &req->misc;
	uint8_t val[OPTION_MAX] = { 0 };
	size_t size = MIN(m->y, OPTION_MAX);
	struct task *t = is->task;
	int r;

	if ((int32_t)m->y < 0)
		return -EINVAL;
	r = mm_copy_in(t->mm, val, m->c, size);
	if (r < 0)
		return r;
	r = socket_setsockopt(req->file, (int)m->a, (int)m->b, val, size, task_vfs_begin(t));
	task_vfs_end(t);
	return r;
}

int uring_cmd_issue(struct req *req, struct issue *is)
{
	if (!file_is_socket(req->file))
		return -EOPNOTSUPP;
	switch (req->misc.x) {
	case SOCKET_URING_OP_SIOCINQ:
		return req_result(req, count_bytes(req, is, SIOCINQ));
	case SOCKET_URING_OP_SIOCOUTQ:
		return req_result(req, count_bytes(req, is, SIOCOUTQ));
	case SOCKET_URING_OP_GETSOCKOPT:
		return req_result(req, get_option(req, is));
	case SOCKET_URING_OP_SETSOCKOPT:
		return req_result(req, set_option(req, is));
	default:
		return -EOPNOTSUPP;
	}
}
