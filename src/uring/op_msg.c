/* MSG_RING: a completion, or a file of a slot, for another ring. */
#include "uring/files.h"
#include "uring/internal.h"
#include "uring/msg.h"
#include "uring/ops.h"

static int msg_read(struct op_msg *m, const struct io_uring_sqe *sqe)
{
	if (sqe->buf_index || sqe->personality)
		return -EINVAL;
	m->user_data = sqe->off;
	m->len = sqe->len;
	m->cmd = sqe->addr;
	m->src_slot = (uint32_t)sqe->addr3;
	m->dst_slot = sqe->file_index;
	m->flags = sqe->msg_ring_flags;
	return m->flags & ~(IORING_MSG_RING_CQE_SKIP | IORING_MSG_RING_FLAGS_PASS) ? -EINVAL : 0;
}

int msg_ring_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	return msg_read(&req->msg, sqe);
}

static int send_data(struct ring *to, const struct op_msg *m)
{
	bool passes = m->flags & IORING_MSG_RING_FLAGS_PASS;
	const struct io_uring_cqe cqe = {
		.user_data = m->user_data,
		.res = (int32_t)m->len,
		.flags = passes ? m->dst_slot : 0,
	};

	if (m->src_slot || (m->flags & ~IORING_MSG_RING_FLAGS_PASS))
		return -EINVAL;
	if (!passes && m->dst_slot)
		return -EINVAL;
	if (atomic_load(&to->is_disabled))
		return -EBADFD;
	return complete_post(to, &cqe) ? 0 : -EOVERFLOW;
}

static int send_file(struct ring *from, struct ring *to, const struct op_msg *m)
{
	struct io_uring_cqe cqe = { .user_data = m->user_data };
	struct rsrc_node *n;
	int r;

	if (m->len || to == from)
		return -EINVAL;
	if (atomic_load(&to->is_disabled))
		return -EBADFD;
	n = files_lookup(from, m->src_slot);
	if (!n)
		return -EBADF;
	file_get(n->file);
	r = files_install(to, n->file, m->dst_slot);
	rsrc_node_put(n);
	if (r < 0 || (m->flags & IORING_MSG_RING_CQE_SKIP))
		return r;
	cqe.res = r;
	return complete_post(to, &cqe) ? r : -EOVERFLOW;
}

int msg_ring_issue(struct req *req, struct issue *is UNUSED)
{
	const struct op_msg *m = &req->msg;
	struct ring *to = ring_of(req->file);
	int r = -EINVAL;

	if (!to)
		r = -EBADFD;
	else if (m->cmd == IORING_MSG_DATA)
		r = send_data(to, m);
	else if (m->cmd == IORING_MSG_SEND_FD)
		r = send_file(req->ring, to, m);
	return req_result(req, r);
}

/* IORING_REGISTER_SEND_MSG_RING: the same for who has no ring. */
static long send_without_ring(struct task *t, gva_t arg, unsigned nr)
{
	struct io_uring_sqe sqe;
	struct op_msg m = { 0 };
	struct file *f;
	long r;

	if (!arg || nr != 1)
		return -EINVAL;
	if (mm_copy_in(t->mm, &sqe, arg, sizeof(sqe)) < 0)
		return -EFAULT;
	if (sqe.flags || sqe.opcode != IORING_OP_MSG_RING)
		return -EINVAL;
	r = msg_read(&m, &sqe);
	if (r < 0)
		return r;
	if (m.cmd != IORING_MSG_DATA)
		return -EINVAL;
	f = fd_get(t, sqe.fd);
	if (!f)
		return -EBADF;
	r = file_is_uring(f) ? send_data(ring_of(f), &m) : -EBADFD;
	file_put(f);
	return r;
}

long register_without_ring(struct task *t, unsigned opcode, gva_t arg, unsigned nr)
{
	return opcode == IORING_REGISTER_SEND_MSG_RING ? send_without_ring(t, arg, nr) : -EINVAL;
}
