/* What is done to an open file as a whole, or a range of it; and to memory. Those that
 * fail without breaking a link do so in Linux. */
#include "abi/fcntl.h"
#include "uring/files.h"
#include "uring/internal.h"
#include "uring/ops.h"
#include "vfs/filecall.h"
#include "vfs/transfer.h"

/* What none of these operations has. */
static bool has_extras(const struct io_uring_sqe *sqe)
{
	return sqe->buf_index || sqe->splice_fd_in;
}

/* ---- FSYNC, SYNC_FILE_RANGE ---- */

int fsync_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_fs *fs = &req->fs;

	if (sqe->addr || has_extras(sqe))
		return -EINVAL;
	fs->flags = sqe->fsync_flags;
	if (fs->flags & ~IORING_FSYNC_DATASYNC)
		return -EINVAL;
	return (int64_t)sqe->off < 0 ? -EINVAL : 0;
}

int fsync_issue(struct req *req, struct issue *is UNUSED)
{
	return req_done(req, file_fsync(req->file, req->fs.flags & IORING_FSYNC_DATASYNC));
}

int sync_range_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_fs *fs = &req->fs;

	if (sqe->addr || has_extras(sqe))
		return -EINVAL;
	fs->a = sqe->off;
	fs->b = sqe->len;
	fs->flags = sqe->sync_range_flags;
	return 0;
}

int sync_range_issue(struct req *req, struct issue *is UNUSED)
{
	const struct op_fs *fs = &req->fs;

	return req_done(req, file_sync_range(req->file, (int64_t)fs->a, (int64_t)fs->b, fs->flags));
}

/* ---- FALLOCATE, FTRUNCATE: no SIGXFSZ, as threads of Linux' own do them ---- */

int fallocate_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_fs *fs = &req->fs;

	if (sqe->rw_flags || has_extras(sqe))
		return -EINVAL;
	fs->a = sqe->off;
	fs->b = sqe->addr;
	fs->mode = sqe->len;
	return 0;
}

int fallocate_issue(struct req *req, struct issue *is)
{
	const struct op_fs *fs = &req->fs;
	struct task *t = is->task;
	int r = file_fallocate(req->file, (int)fs->mode, (int64_t)fs->a, (int64_t)fs->b,
			       task_vfs_begin_file(t, req->file));

	task_vfs_end(t);
	return req_done(req, r);
}

int ftruncate_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	if (sqe->rw_flags || sqe->addr || sqe->len || sqe->addr3 || has_extras(sqe))
		return -EINVAL;
	req->fs.a = sqe->off;
	return 0;
}

int ftruncate_issue(struct req *req, struct issue *is)
{
	struct task *t = is->task;
	int r = -EINVAL;

	if ((int64_t)req->fs.a >= 0) {
		r = vfs_truncate(task_vfs_begin_file(t, req->file), &req->file->path, req->file,
				 req->fs.a);
		task_vfs_end(t);
	}
	return req_done(req, r);
}

/* ---- FADVISE, MADVISE ---- */

int fadvise_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_fs *fs = &req->fs;

	if (has_extras(sqe))
		return -EINVAL;
	fs->a = sqe->off;
	fs->b = sqe->addr ? sqe->addr : sqe->len;
	fs->flags = sqe->fadvise_advice;
	return 0;
}

int fadvise_issue(struct req *req, struct issue *is UNUSED)
{
	const struct op_fs *fs = &req->fs;

	return req_result(req,
			  file_fadvise(req->file, (int64_t)fs->a, (int64_t)fs->b, (int)fs->flags));
}

int madvise_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_fs *fs = &req->fs;

	if (has_extras(sqe))
		return -EINVAL;
	fs->a = sqe->addr;
	fs->b = sqe->off ? sqe->off : sqe->len;
	fs->flags = sqe->fadvise_advice;
	return 0;
}

int madvise_issue(struct req *req, struct issue *is)
{
	const struct op_fs *fs = &req->fs;

	return req_done(req, mm_advise(is->task->mm, fs->a, fs->b, (int)fs->flags));
}

/* ---- SPLICE, TEE: the other file is named in the entry, too ---- */

#define SPLICE_KNOWN (0xfu | IORING_SPLICE_F_FD_IN_FIXED)
#define SPLICE_NONBLOCK 2u

int splice_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_fs *fs = &req->fs;

	fs->a = sqe->splice_off_in;
	fs->b = sqe->off;
	fs->c = sqe->len;
	fs->flags = sqe->splice_flags;
	fs->dfd = sqe->splice_fd_in;
	return fs->flags & ~SPLICE_KNOWN ? -EINVAL : 0;
}

static struct file *splice_source(struct req *req, struct task *t)
{
	struct rsrc_node *n;
	struct file *f;

	if (!(req->fs.flags & IORING_SPLICE_F_FD_IN_FIXED))
		return fd_get(t, req->fs.dfd);
	n = files_lookup(req->ring, (uint32_t)req->fs.dfd);
	if (!n)
		return NULL;
	f = n->file;
	file_get(f);
	rsrc_node_put(n);
	return f;
}

int splice_issue(struct req *req, struct issue *is)
{
	const struct op_fs *fs = &req->fs;
	struct task *t = is->task;
	fileoff_t in_pos = fs->a, out_pos = fs->b;
	struct transfer tr = {
		.in = splice_source(req, t),
		.out = req->file,
		.in_pos = fs->a == UINT64_MAX ? NULL : &in_pos,
		.out_pos = fs->b == UINT64_MAX ? NULL : &out_pos,
		.size = fs->c,
		.nonblock = fs->flags & SPLICE_NONBLOCK,
	};
	ssize_t n = 0;

	if (!tr.in)
		return -EBADF;
	if ((tr.in_pos && (int64_t)in_pos < 0) || (tr.out_pos && (int64_t)out_pos < 0)) {
		n = -EINVAL;
	} else if (tr.size) {
		tr.ctx = task_vfs_begin(t);
		n = vfs_splice(&tr);
		task_vfs_end(t);
	}
	file_put(tr.in);
	if ((size_t)n != tr.size)
		req_set_fail(req);
	return req_done(req, n);
}

int tee_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	return sqe->splice_off_in || sqe->off ? -EINVAL : splice_prep(req, sqe);
}

int tee_issue(struct req *req, struct issue *is)
{
	const struct op_fs *fs = &req->fs;
	struct task *t = is->task;
	struct file *from = splice_source(req, t);
	ssize_t n = 0;

	if (!from)
		return -EBADF;
	if (fs->c) {
		n = uring_ext.pipe_tee(from, req->file, fs->c, fs->flags & SPLICE_NONBLOCK,
				       task_vfs_begin_file(t, from));
		task_vfs_end(t);
	}
	file_put(from);
	if ((uint64_t)n != fs->c)
		req_set_fail(req);
	return req_done(req, n);
}
