/*
 * SEND, SENDMSG and their zero-copy forms. A send never raises SIGPIPE, as in Linux.
 *
 * MSG_WAITALL on a stream: what has been sent is remembered, and the rest goes when
 * there is room.
 *
 * Bundles: provided buffers of the group are sent one behind the other, up to
 * KBUF_BUNDLE_MAX in one go, until there are none; each go posts a completion.
 *
 * Zero copy: the bytes are copied into the receiver's queue at once, so the notification
 * follows the completion at once, and says, if asked, that there was a copy.
 */
#include <stdlib.h>
#include <string.h>

#include "net/message.h"
#include "uring/files.h"
#include "uring/internal.h"
#include "uring/kbuf.h"
#include "uring/netmem.h"
#include "uring/ops.h"

#define SEND_OPTS (IORING_RECVSEND_POLL_FIRST | IORING_RECVSEND_BUNDLE | IORING_SEND_VECTORIZED)
#define ZC_OPTS                                                                                 \
	(IORING_RECVSEND_POLL_FIRST | IORING_RECVSEND_FIXED_BUF | IORING_SEND_ZC_REPORT_USAGE | \
	 IORING_SEND_VECTORIZED)

static bool is_zero_copy(const struct req *req)
{
	return req->opcode == IORING_OP_SEND_ZC || req->opcode == IORING_OP_SENDMSG_ZC;
}

static bool has_header(const struct req *req)
{
	return req->opcode == IORING_OP_SENDMSG || req->opcode == IORING_OP_SENDMSG_ZC;
}

/* ---- preparing ---- */

static int check_opts(struct req *req)
{
	const struct op_net *n = &req->net;

	if (is_zero_copy(req)) {
		if ((n->opts & ~ZC_OPTS) || (req->flags & REQ_CQE_SKIP))
			return -EINVAL;
	} else if (n->opts & ~SEND_OPTS) {
		return -EINVAL;
	}
	if (!(n->opts & IORING_RECVSEND_BUNDLE))
		return 0;
	return has_header(req) || !(req->flags & REQ_BUFFER_SELECT) ? -EINVAL : 0;
}

int send_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_net *n = &req->net;
	int err;

	n->addr = sqe->addr;
	n->len = sqe->len;
	n->flags = sqe->msg_flags | MSG_NOSIGNAL;
	n->opts = sqe->ioprio;
	if (has_header(req) && (sqe->addr2 || sqe->file_index))
		return -EINVAL;
	err = check_opts(req);
	if (err < 0)
		return err;
	if (n->opts & IORING_RECVSEND_FIXED_BUF)
		req->buf_index = sqe->buf_index;
	if (n->flags & MSG_DONTWAIT)
		req->flags |= REQ_NOWAIT;
	if (n->opts & IORING_RECVSEND_BUNDLE)
		n->flags |= MSG_WAITALL;
	if (has_header(req))
		return netmem_header(req, UIO_FROM_USER);
	return netmem_range(req, sqe->addr2, sqe->addr_len);
}

/* ---- one try ---- */

static long send_try(struct req *req, struct issue *is, struct netmem_try *x)
{
	struct op_net *n = &req->net;
	unsigned flags = n->flags & ~ABI_MSG_CMSG_COMPAT;
	long r;

	if (!file_is_socket(req->file))
		return -ENOTSOCK;
	if (is_zero_copy(req) && !netmem_is_inet(req->file))
		return -EOPNOTSUPP;
	if ((n->opts & IORING_RECVSEND_POLL_FIRST) && !(req->flags & REQ_POLL_ASYNC))
		return -EAGAIN;
	r = netmem_begin(x, req, is, UIO_FROM_USER);
	if (r < 0)
		return r;
	if (is->nonblock)
		flags |= MSG_DONTWAIT;
	return message_send(is->task, req->file, x->msg, flags);
}

/* The completion, and the notification behind it. */
static int zero_copy_done(struct req *req, struct issue *is, long r)
{
	if (r < 0)
		req_set_fail(req);
	complete_post_first(req, is, (int32_t)r, IORING_CQE_F_MORE);
	req->res = 0;
	if (req->net.opts & IORING_SEND_ZC_REPORT_USAGE)
		req->res = (int32_t)IORING_NOTIF_USAGE_ZC_COPIED;
	req->cflags = IORING_CQE_F_NOTIF;
	return ISSUE_DONE;
}

static int send_done(struct req *req, struct issue *is, long r)
{
	return is_zero_copy(req) ? zero_copy_done(req, is, r) : req_result(req, r);
}

int send_issue(struct req *req, struct issue *is)
{
	struct netmem_try x;
	long r = send_try(req, is, &x);

	if (r == -EAGAIN && !(req->flags & REQ_NOWAIT))
		return -EAGAIN;
	if (netmem_goes_on(req, &x, r))
		return -EAGAIN;
	if (r >= 0)
		x.cflags |= kbuf_take(req, (uint64_t)r);
	else
		kbuf_recycle(req);
	if (r > 0 && (req->net.opts & IORING_RECVSEND_BUNDLE) && kbuf_has_more(req) &&
	    complete_post_more(req, is, (int32_t)r, x.cflags))
		return ISSUE_AGAIN;
	req->cflags = x.cflags;
	return send_done(req, is, netmem_total(req, &x, r));
}
