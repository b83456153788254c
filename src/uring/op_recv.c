/*
 * RECV, RECVMSG, also multishot: one provided buffer (or a bundle) after the other,
 * until there is no buffer, no room in the completion queue, an error, or the end.
 *
 * A multishot RECVMSG puts before the bytes what came with them:
 *
 *	struct io_uring_recvmsg_out | name, namelen bytes | control, controllen bytes | data
 */
#include <string.h>

#include "net/message.h"
#include "uring/internal.h"
#include "uring/kbuf.h"
#include "uring/netmem.h"
#include "uring/ops.h"

#define RECV_OPTS (IORING_RECVSEND_POLL_FIRST | IORING_RECV_MULTISHOT | IORING_RECVSEND_BUNDLE)

/* ---- preparing ---- */

static int check_opts(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_net *n = &req->net;

	if (n->opts & ~RECV_OPTS)
		return -EINVAL;
	if (n->opts & IORING_RECV_MULTISHOT) {
		if (!(req->flags & REQ_BUFFER_SELECT) || (n->flags & MSG_WAITALL))
			return -EINVAL;
		if (req->opcode == IORING_OP_RECV) {
			n->mshot_len = n->len;
			n->mshot_left = sqe->optlen;
		} else if (sqe->optlen) {
			return -EINVAL;
		}
		req->flags |= REQ_MULTISHOT;
	} else if (sqe->optlen) {
		return -EINVAL;
	}
	if (!(n->opts & IORING_RECVSEND_BUNDLE))
		return 0;
	return req->opcode == IORING_OP_RECVMSG || !(req->flags & REQ_BUFFER_SELECT) ? -EINVAL : 0;
}

int recv_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_net *n = &req->net;
	int err;

	if (sqe->addr2)
		return -EINVAL;
	n->addr = sqe->addr;
	n->len = sqe->len;
	n->flags = sqe->msg_flags;
	n->opts = sqe->ioprio;
	if (n->flags & MSG_DONTWAIT)
		req->flags |= REQ_NOWAIT;
	err = check_opts(req, sqe);
	if (err < 0 || req->opcode == IORING_OP_RECV)
		return err;
	return netmem_header(req, UIO_TO_USER);
}

/* ---- what comes with a message, before its bytes ---- */

/* recvmsg, whose name and control messages go to the buffer's front. The result counts
 * all of it. */
static long recv_into_front(struct req *req, struct issue *is, struct netmem_try *x, unsigned flags)
{
	const struct message *h = netmem_message(req);
	struct task *t = is->task;
	gva_t front = x->msg->segs[0].base - netmem_reserved(req);
	gva_t name = front + sizeof(struct io_uring_recvmsg_out);
	struct io_uring_recvmsg_out out = { 0 };
	unsigned more = 0;
	uint64_t used = 0;
	long n, err;

	x->msg->m.name = &x->msg->name;
	x->msg->m.control = &x->msg->control;
	n = socket_recvmsg(req->file, &x->msg->m, flags, task_vfs_begin_file(t, req->file));
	task_vfs_end(t);
	if (n < 0)
		return n;
	err = message_put_control(t, &x->msg->m, name + (uint64_t)h->name_room, h->h.controllen,
				  flags & MSG_CMSG_CLOEXEC, &used, &more);
	socket_files_put(x->msg->m.files);
	x->msg->m.files = NULL;
	out.namelen = x->msg->name.size;
	out.controllen = (uint32_t)used;
	out.payloadlen = (uint32_t)n;
	out.flags = x->msg->m.flags | more;
	if (err == 0)
		err = mm_copy_out(t->mm, name, x->msg->name.bytes,
				  MIN(out.namelen, (uint32_t)h->name_room));
	if (err == 0)
		err = mm_copy_out(t->mm, front, &out, sizeof(out));
	n = MIN(n, (long)x->size);
	return err < 0 ? err : n + (long)netmem_reserved(req);
}

/* ---- one try ---- */

static long recv_plain(struct req *req, struct issue *is, struct netmem_try *x, unsigned flags)
{
	struct task *t = is->task;
	long n;

	n = socket_recvmsg(req->file, &x->msg->m, flags, task_vfs_begin_file(t, req->file));
	task_vfs_end(t);
	/* Files that came along have nowhere to go. */
	socket_files_put(x->msg->m.files);
	return n;
}

static long recv_try(struct req *req, struct issue *is, struct netmem_try *x)
{
	const struct op_net *n = &req->net;
	unsigned flags = n->flags & ~ABI_MSG_CMSG_COMPAT;
	long r;

	x->cflags = 0;
	x->size = 0;
	if (!file_is_socket(req->file))
		return -ENOTSOCK;
	if ((n->opts & IORING_RECVSEND_POLL_FIRST) && !(req->flags & REQ_POLL_ASYNC))
		return -EAGAIN;
	r = netmem_begin(x, req, is, UIO_TO_USER);
	if (r < 0)
		return r;
	if (is->nonblock)
		flags |= MSG_DONTWAIT;
	if (req->opcode == IORING_OP_RECV)
		return recv_plain(req, is, x, flags);
	if (req->flags & REQ_MULTISHOT)
		return recv_into_front(req, is, x, flags);
	return message_recv(is->task, req->file, n->addr, x->msg, flags);
}

/* Another shot? */
static bool shot(struct req *req, struct issue *is, long r, uint32_t cflags)
{
	struct op_net *n = &req->net;
	bool limited = n->mshot_left != 0;

	if (r <= 0 || !(req->flags & REQ_MULTISHOT))
		return false;
	if (limited) {
		n->mshot_left -= MIN((uint32_t)r, n->mshot_left);
		if (!n->mshot_left)
			return false;
	}
	return complete_post_more(req, is, (int32_t)r, cflags);
}

int recv_issue(struct req *req, struct issue *is)
{
	struct netmem_try x;
	long r = recv_try(req, is, &x);

	if (r == -EAGAIN && !(req->flags & REQ_NOWAIT))
		return -EAGAIN;
	if (!(req->net.flags & MSG_PEEK) && netmem_goes_on(req, &x, r))
		return -EAGAIN;
	if (r > 0)
		x.cflags |= kbuf_take(req, (uint64_t)r);
	else
		kbuf_recycle(req);
	if (shot(req, is, r, x.cflags))
		return poll_once_more(req);
	req->cflags = x.cflags;
	return req_result(req, netmem_total(req, &x, r));
}
