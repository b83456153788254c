/* Descriptors and the ring's own slots: CLOSE, FILES_UPDATE, FIXED_FD_INSTALL, PIPE;
 * provided buffers. */
#include <fcntl.h>

#include "uring/files.h"
#include "uring/internal.h"
#include "uring/kbuf.h"
#include "uring/ops.h"

/* ---- CLOSE ---- */

int close_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_misc *m = &req->misc;

	if (sqe->off || sqe->addr || sqe->len || sqe->rw_flags || sqe->buf_index)
		return -EINVAL;
	if (req->flags & REQ_FIXED_FILE)
		return -EBADF;
	m->fd = sqe->fd;
	m->slot = sqe->file_index;
	return m->slot && m->fd ? -EINVAL : 0;
}

int close_issue(struct req *req, struct issue *is)
{
	const struct op_misc *m = &req->misc;
	struct file *f;
	bool is_ring;

	if (m->slot)
		return req_result(req, files_close(req->ring, m->slot - 1));
	f = fd_get(is->task, m->fd);
	if (!f)
		return -EBADF;
	is_ring = file_is_uring(f);
	file_put(f);
	return req_result(req, is_ring ? -EBADF : fd_close(is->task, m->fd));
}

/* ---- FILES_UPDATE ---- */

int files_update_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_misc *m = &req->misc;

	if (req->flags & (REQ_FIXED_FILE | REQ_BUFFER_SELECT))
		return -EINVAL;
	if (sqe->rw_flags || sqe->splice_fd_in || !sqe->len)
		return -EINVAL;
	m->slot = (uint32_t)sqe->off;
	m->x = sqe->len;
	m->a = sqe->addr;
	return 0;
}

int files_update_issue(struct req *req, struct issue *is)
{
	const struct op_misc *m = &req->misc;
	const struct io_uring_rsrc_update2 up = { .offset = m->slot, .data = m->a, .nr = m->x };

	if (m->slot == IORING_FILE_INDEX_ALLOC)
		return req_result(req, files_update_alloc(req->ring, is->task, m->a, m->x));
	return req_result(req, files_update(req->ring, is->task, &up));
}

/* ---- FIXED_FD_INSTALL ---- */

int fixed_fd_install_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	if (sqe->off || sqe->addr || sqe->len || sqe->buf_index || sqe->splice_fd_in || sqe->addr3)
		return -EINVAL;
	if (!(req->flags & REQ_FIXED_FILE))
		return -EBADF;
	/* What is installed is the submitter's. */
	if (req->cred)
		return -EPERM;
	req->misc.x = sqe->install_fd_flags;
	return req->misc.x & ~IORING_FIXED_FD_NO_CLOEXEC ? -EINVAL : 0;
}

int fixed_fd_install_issue(struct req *req, struct issue *is)
{
	int fd;

	file_get(req->file);
	fd = fd_install(is->task, req->file, 0, !(req->misc.x & IORING_FIXED_FD_NO_CLOEXEC));
	if (fd < 0)
		file_put(req->file);
	return req_result(req, fd);
}

/* ---- PIPE ---- */

int pipe_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_misc *m = &req->misc;

	if (sqe->fd || sqe->off || sqe->addr3)
		return -EINVAL;
	m->a = sqe->addr;
	m->x = sqe->pipe_flags;
	m->slot = sqe->file_index;
	return m->x & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT) ? -EINVAL : 0;
}

static void take_back(struct ring *r, struct task *t, uint32_t slot, int fd)
{
	if (!slot)
		(void)fd_close(t, fd);
	else
		(void)files_close(r, slot == IORING_FILE_INDEX_ALLOC ? (uint32_t)fd : slot - 1);
}

/* Both ends get numbers, or neither. Takes both. The second slot is the next one. */
static int give_both(struct req *req, struct task *t, struct file *ends[2], int fds[2])
{
	const struct op_misc *m = &req->misc;
	bool counts = m->slot && m->slot != IORING_FILE_INDEX_ALLOC;
	uint32_t second = m->slot + counts;
	int err = 0;

	fds[0] = files_give(req->ring, t, ends[0], m->slot, m->x & O_CLOEXEC);
	if (fds[0] < 0) {
		file_put(ends[1]);
		return fds[0];
	}
	fds[1] = files_give(req->ring, t, ends[1], second, m->x & O_CLOEXEC);
	if (fds[1] < 0)
		err = fds[1];
	else
		err = mm_copy_out(t->mm, m->a, fds, 2 * sizeof(fds[0]));
	if (err == 0)
		return 0;
	take_back(req->ring, t, m->slot, fds[0]);
	if (fds[1] >= 0)
		take_back(req->ring, t, second, fds[1]);
	return err;
}

int pipe_issue(struct req *req, struct issue *is)
{
	const struct op_misc *m = &req->misc;
	struct file *ends[2];
	int fds[2], r;

	if (m->slot && (m->x & O_CLOEXEC))
		return -EINVAL;
	r = uring_ext.pipe_create(m->x & ~(uint32_t)O_CLOEXEC, is->task->cred, ends);
	if (r == 0)
		r = give_both(req, is->task, ends, fds);
	return req_result(req, r);
}

/* ---- PROVIDE_BUFFERS, REMOVE_BUFFERS ---- */

#define BUFFER_IDS 65536u

int provide_buffers_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_misc *m = &req->misc;
	uint64_t size, end;

	if (sqe->rw_flags || sqe->splice_fd_in)
		return -EINVAL;
	if (sqe->fd <= 0 || (uint32_t)sqe->fd > BUFFER_IDS)
		return -E2BIG;
	m->x = (uint32_t)sqe->fd;
	m->a = sqe->addr;
	m->y = sqe->len;
	if (!m->y)
		return -EINVAL;
	size = (uint64_t)m->y * m->x;
	if (add_overflow(m->a, size, &end))
		return -EOVERFLOW;
	if (end > (uint64_t)1 << 47)
		return -EFAULT;
	req->buf_index = sqe->buf_group;
	if (sqe->off > UINT16_MAX)
		return -E2BIG;
	m->b = sqe->off;
	return m->b + m->x > BUFFER_IDS ? -EINVAL : 0;
}

int provide_buffers_issue(struct req *req, struct issue *is UNUSED)
{
	const struct op_misc *m = &req->misc;

	return req_result(req, kbuf_provide(req->ring, req->buf_index, m->a, m->y, m->x,
					    (unsigned)m->b));
}

int remove_buffers_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	if (sqe->rw_flags || sqe->addr || sqe->len || sqe->off || sqe->splice_fd_in)
		return -EINVAL;
	if (sqe->fd <= 0 || (uint32_t)sqe->fd > BUFFER_IDS)
		return -EINVAL;
	req->misc.x = (uint32_t)sqe->fd;
	req->buf_index = sqe->buf_group;
	return 0;
}

int remove_buffers_issue(struct req *req, struct issue *is UNUSED)
{
	return req_result(req, kbuf_remove(req->ring, req->buf_index, req->misc.x));
}
