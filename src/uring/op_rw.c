/*
 * READ, WRITE and their relatives: where the bytes lie, and one transfer.
 *
 *	READ, WRITE                a range of guest memory; or a provided buffer
 *	READV, WRITEV              a vector, copied when the entry is taken
 *	READ_FIXED, WRITE_FIXED    a range of a registered buffer
 *	READV_FIXED, WRITEV_FIXED  a vector, all of it within a registered buffer
 *	READ_MULTISHOT             provided buffers, one after the other
 *
 * Files with a position are read and written at once, whoever asks: a file system is
 * no place to wait in for long. Streams say -EAGAIN, and are polled.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "abi/fcntl.h"
#include "base/kmem.h"
#include "uring/files.h"
#include "uring/internal.h"
#include "uring/kbuf.h"
#include "uring/ops.h"

#define RWF_KNOWN                                                                         \
	(ABI_RWF_HIPRI | ABI_RWF_NOWAIT | ABI_RWF_DSYNC | ABI_RWF_SYNC | ABI_RWF_APPEND | \
	 ABI_RWF_NOAPPEND | ABI_RWF_NOSIGNAL)

/* ioprio_set(2) */
#define IOPRIO_CLASS_SHIFT 13
enum { IOPRIO_NONE, IOPRIO_RT, IOPRIO_BE, IOPRIO_IDLE };

/* ---- preparing ---- */

static int check_ioprio(const struct task *t, unsigned ioprio)
{
	unsigned class = ioprio >> IOPRIO_CLASS_SHIFT, level = ioprio & 7;

	switch (class) {
	case IOPRIO_NONE:
		return level ? -EINVAL : 0;
	case IOPRIO_RT:
		if (!cred_has_cap(t->cred, CAP_SYS_ADMIN) && !cred_has_cap(t->cred, CAP_SYS_NICE))
			return -EPERM;
		return 0;
	case IOPRIO_BE:
	case IOPRIO_IDLE:
		return 0;
	default:
		return -EINVAL;
	}
}

static int prep_common(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_rw *rw = &req->rw;
	int err = check_ioprio(req_task(req), sqe->ioprio);

	if (err < 0)
		return err;
	/* Protection information: no file here has any. */
	if (sqe->attr_type_mask)
		return -EINVAL;
	rw->addr = sqe->addr;
	rw->off = sqe->off;
	rw->len = sqe->len;
	rw->flags = sqe->rw_flags;
	if (!(req->flags & REQ_BUFFER_SELECT))
		req->buf_index = sqe->buf_index;
	return 0;
}

/* The vector of the entry, which may change as soon as the entry is taken. */
static int import_vector(struct req *req)
{
	struct op_rw *rw = &req->rw;
	struct task *t = req_task(req);
	int err;

	if (rw->len > ABI_UIO_MAXIOV)
		return -EINVAL;
	req->data = kmem_alloc_for(KMEM_URING, sizeof(struct uio_seg) * MAX(rw->len, 1u));
	if (!req->data)
		return -ENOMEM;
	err = mm_import_iovec(t->mm, rw->addr, rw->len, req->data);
	if (err < 0 || !(req->flags & REQ_BUFFER_SELECT))
		return err;
	/* A provided buffer takes the place of the one range; its size stays. */
	if (rw->len != 1)
		return -EINVAL;
	rw->len = (uint32_t)((struct uio_seg *)req->data)->size;
	return 0;
}

int rw_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct uio_seg seg;
	struct uio u;
	int err = prep_common(req, sqe);

	if (err < 0 || (req->flags & REQ_BUFFER_SELECT))
		return err;
	/* A range that no address space has. */
	return mm_uio_init_single(req_task(req)->mm, &u, &seg, UIO_TO_USER, req->rw.addr,
				  req->rw.len);
}

int rw_vec_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	int err = prep_common(req, sqe);

	return err < 0 ? err : import_vector(req);
}

int rw_fixed_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	return prep_common(req, sqe);
}

int read_multishot_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	int err;

	if (!(req->flags & REQ_BUFFER_SELECT))
		return -EINVAL;
	err = prep_common(req, sqe);
	if (err < 0)
		return err;
	if (req->rw.addr || req->rw.len)
		return -EINVAL;
	req->flags |= REQ_MULTISHOT;
	return 0;
}

/* ---- one transfer ---- */

struct transfer_try {
	struct req *req;
	struct issue *is;
	enum uio_dir dir;
	struct uio u;
	struct uio_seg seg;
	struct kbuf_choice bufs;
	size_t want;
	uint32_t cflags;
};

static bool has_position(const struct file *f)
{
	return !f->is_stream;
}

/* What is not given back when it would block is taken at once. */
static int choose_buffer(struct transfer_try *x)
{
	struct req *req = x->req;
	int err = kbuf_choose(req, x->is, req->rw.len, 1, &x->bufs);

	if (err < 0)
		return err;
	if (!x->is->nonblock || has_position(req->file))
		x->cflags = kbuf_take(req, x->bufs.size);
	x->seg = x->bufs.seg[0];
	return mm_uio_init_single(x->is->task->mm, &x->u, &x->seg, x->dir, x->seg.base,
				  x->seg.size);
}

static int find_fixed(struct req *req)
{
	if (!req->buf_node)
		req->buf_node = buffers_lookup(req->ring, req->buf_index);
	return req->buf_node ? 0 : -EFAULT;
}

static int find_memory(struct transfer_try *x)
{
	struct req *req = x->req;
	struct op_rw *rw = &req->rw;
	struct mm *mm = x->is->task->mm;
	int err;

	if (req->flags & REQ_BUFFER_SELECT)
		return choose_buffer(x);
	switch (req->opcode) {
	case IORING_OP_READ_FIXED:
	case IORING_OP_WRITE_FIXED:
		err = find_fixed(req);
		return err < 0 ? err
			       : fixed_buf_uio(req->buf_node->buf, &x->u, &x->seg, x->dir, rw->addr,
					       rw->len);
	case IORING_OP_READV_FIXED:
	case IORING_OP_WRITEV_FIXED:
		err = find_fixed(req);
		return err < 0 ? err
			       : fixed_buf_uio_vec(req->buf_node->buf, &x->u, req->data, rw->len,
						   x->dir);
	case IORING_OP_READV:
	case IORING_OP_WRITEV:
		mm_uio_init(mm, &x->u, x->dir, req->data, rw->len);
		return 0;
	default:
		return mm_uio_init_single(mm, &x->u, &x->seg, x->dir, rw->addr, rw->len);
	}
}

/* In a ring with IORING_SETUP_IOPOLL completions are asked for again and again: of files
 * whose transfers end by themselves, around the cache, as disks' do in Linux. */
static bool may_be_polled_for(const struct file *f)
{
	return S_ISREG(f->inode->mode) && (atomic_load(&f->flags) & O_DIRECT);
}

static int check_file(struct req *req, enum uio_dir dir)
{
	const struct op_rw *rw = &req->rw;
	uint32_t flags = rw->flags;

	if (dir == UIO_TO_USER ? !file_may_read(req->file) : !file_may_write(req->file))
		return -EBADF;
	if (flags & ~RWF_KNOWN)
		return -EOPNOTSUPP;
	if ((flags & ABI_RWF_APPEND) && (flags & ABI_RWF_NOAPPEND))
		return -EINVAL;
	if ((req->ring->flags & IORING_SETUP_IOPOLL) && !may_be_polled_for(req->file))
		return -EOPNOTSUPP;
	if (flags & ABI_RWF_NOWAIT)
		req->flags |= REQ_NOWAIT;
	if (has_position(req->file) && rw->off != UINT64_MAX && (int64_t)rw->off < 0)
		return -EINVAL;
	return 0;
}

static ssize_t move(struct transfer_try *x)
{
	struct req *req = x->req;
	struct file *f = req->file;
	struct task *t = x->is->task;
	fileoff_t off = req->rw.off, *pos = &off;
	uint32_t flags = req->rw.flags;
	struct io io = { .ctx = task_vfs_begin_file(t, f) };
	ssize_t n;

	if (f->is_stream || off == UINT64_MAX)
		pos = NULL;
	io.nonblock = f->is_stream && (x->is->nonblock || (flags & ABI_RWF_NOWAIT));
	io.flags = x->dir == UIO_TO_USER ? flags & ~ABI_RWF_APPEND : flags;
	x->want = x->u.remaining;
	if (x->dir == UIO_TO_USER)
		n = file_read(f, &x->u, pos, &io);
	else
		n = file_write(f, &x->u, pos, &io);
	task_vfs_end(t);
	if (n < 0 && x->dir == UIO_FROM_USER && !(flags & ABI_RWF_NOSIGNAL))
		issue_write_failed(req, x->is, (int)n);
	return n;
}

/* The bytes moved, or an error. What was chosen is still to be taken or given back. */
static ssize_t try_once(struct transfer_try *x)
{
	ssize_t n = find_memory(x);

	if (n == 0)
		n = check_file(x->req, x->dir);
	if (n == 0)
		n = move(x);
	return n;
}

/* Less than was asked for breaks a link. */
static int rw_done(struct transfer_try *x, ssize_t n)
{
	struct req *req = x->req;

	if (n >= 0)
		x->cflags |= kbuf_take(req, (uint64_t)n);
	req->cflags = x->cflags;
	if (n < 0)
		return (int)n;
	if ((size_t)n != x->want)
		req_set_fail(req);
	req->res = (int32_t)n;
	return ISSUE_DONE;
}

int read_issue(struct req *req, struct issue *is)
{
	struct transfer_try x = { .req = req, .is = is, .dir = UIO_TO_USER };

	return rw_done(&x, try_once(&x));
}

int write_issue(struct req *req, struct issue *is)
{
	struct transfer_try x = { .req = req, .is = is, .dir = UIO_FROM_USER };

	return rw_done(&x, try_once(&x));
}

int read_multishot_issue(struct req *req, struct issue *is)
{
	struct transfer_try x = { .req = req, .is = is, .dir = UIO_TO_USER };
	ssize_t n;

	if (!req->file->ops->poll)
		return -EBADFD;
	n = try_once(&x);
	if (n == -EAGAIN)
		return -EAGAIN;
	if (n > 0)
		x.cflags |= kbuf_take(req, (uint64_t)n);
	if (n > 0 && complete_post_more(req, is, (int32_t)n, x.cflags))
		return poll_once_more(req);
	if (n < 0)
		req_set_fail(req);
	req->res = (int32_t)n;
	req->cflags = x.cflags;
	return ISSUE_DONE;
}
