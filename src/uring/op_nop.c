/* NOP: what a request costs; and, by its flags, files, buffers and results to try. */
#include "uring/files.h"
#include "uring/internal.h"
#include "uring/ops.h"

#define NOP_FLAGS                                                                     \
	(IORING_NOP_INJECT_RESULT | IORING_NOP_FIXED_FILE | IORING_NOP_FIXED_BUFFER | \
	 IORING_NOP_FILE | IORING_NOP_TW | IORING_NOP_CQE32)

int nop_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_misc *m = &req->misc;

	m->x = sqe->nop_flags;
	if (m->x & ~NOP_FLAGS)
		return -EINVAL;
	m->y = m->x & IORING_NOP_INJECT_RESULT ? sqe->len : 0;
	if (m->x & IORING_NOP_FILE)
		req->fd = sqe->fd;
	if (m->x & IORING_NOP_FIXED_FILE)
		req->flags |= REQ_FIXED_FILE;
	if (m->x & IORING_NOP_FIXED_BUFFER)
		req->buf_index = sqe->buf_index;
	if (m->x & IORING_NOP_CQE32) {
		if (!(req->ring->flags & (IORING_SETUP_CQE32 | IORING_SETUP_CQE_MIXED)))
			return -EINVAL;
		req->big[0] = sqe->off;
		req->big[1] = sqe->addr;
		req->flags |= REQ_BIG_CQE;
	}
	return 0;
}

static void nop_later(struct req *req, struct issue *is)
{
	complete_later(req, is);
}

int nop_issue(struct req *req, struct issue *is)
{
	struct op_misc *m = &req->misc;

	if ((m->x & IORING_NOP_FILE) && !issue_assign_file(req, is->task))
		return req_result(req, -EBADF);
	if (m->x & IORING_NOP_FIXED_BUFFER) {
		req->buf_node = buffers_lookup(req->ring, req->buf_index);
		if (!req->buf_node)
			return req_result(req, -EFAULT);
	}
	(void)req_result(req, (int32_t)m->y);
	if (!(m->x & IORING_NOP_TW) || is->on_worker)
		return ISSUE_DONE;
	work_add(req, nop_later);
	return ISSUE_PENDING;
}
