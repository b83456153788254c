/* ASYNC_CANCEL. */
#include "uring/cancel.h"
#include "uring/internal.h"
#include "uring/ops.h"

int async_cancel_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_cancel *c = &req->cancel;

	if (req->flags & REQ_BUFFER_SELECT)
		return -EINVAL;
	if (sqe->off || sqe->splice_fd_in)
		return -EINVAL;
	c->addr = sqe->addr;
	c->flags = sqe->cancel_flags;
	if (c->flags & ~(uint32_t)CANCEL_FLAGS)
		return -EINVAL;
	if (c->flags & IORING_ASYNC_CANCEL_FD) {
		if (c->flags & IORING_ASYNC_CANCEL_ANY)
			return -EINVAL;
		c->fd = sqe->fd;
	}
	if (c->flags & IORING_ASYNC_CANCEL_OP) {
		if (c->flags & IORING_ASYNC_CANCEL_ANY)
			return -EINVAL;
		c->opcode = (uint8_t)sqe->len;
	}
	return 0;
}

int async_cancel_issue(struct req *req, struct issue *is)
{
	const struct op_cancel *c = &req->cancel;
	struct cancel_key key = {
		.ring = req->ring,
		.user_data = c->addr,
		.flags = c->flags,
		.opcode = c->opcode,
	};
	struct file *file = NULL;
	int err = 0;

	if (c->flags & IORING_ASYNC_CANCEL_FD)
		err = cancel_file(req->ring, is->task, c->fd,
				  (req->flags & REQ_FIXED_FILE) ||
					  (c->flags & IORING_ASYNC_CANCEL_FD_FIXED),
				  &file);
	if (err == 0) {
		key.file = file;
		err = cancel_matching(&key, is);
		file_put(file);
	}
	return req_result(req, err);
}
