/* What the files of operations give to the table (opdef.c). */
#pragma once

#include "uring/req.h"

extern struct uring_externals uring_ext;

#define OP(name)                                                          \
	int name##_prep(struct req *req, const struct io_uring_sqe *sqe); \
	int name##_issue(struct req *req, struct issue *is)

int op_no_issue(struct req *req, struct issue *is);

OP(nop);

OP(poll_add);
OP(poll_remove);

OP(timeout);
OP(timeout_remove);
OP(async_cancel);
int link_timeout_prep(struct req *req, const struct io_uring_sqe *sqe);

int rw_prep(struct req *req, const struct io_uring_sqe *sqe);
int rw_vec_prep(struct req *req, const struct io_uring_sqe *sqe);
int rw_fixed_prep(struct req *req, const struct io_uring_sqe *sqe);
int read_issue(struct req *req, struct issue *is);
int write_issue(struct req *req, struct issue *is);
OP(read_multishot);

OP(fsync);
OP(sync_range);
OP(fallocate);
OP(ftruncate);
OP(fadvise);
OP(madvise);
OP(splice);
OP(tee);

OP(openat);
OP(statx);
OP(renameat);
OP(unlinkat);
OP(mkdirat);
OP(symlinkat);
OP(linkat);
OP(setxattr);
OP(getxattr);
OP(fsetxattr);
OP(fgetxattr);
int openat2_prep(struct req *req, const struct io_uring_sqe *sqe);

OP(close);
OP(files_update);
OP(fixed_fd_install);
OP(pipe);
OP(provide_buffers);
OP(remove_buffers);
OP(epoll_ctl);
OP(epoll_wait);
OP(msg_ring);

OP(send);
OP(recv);
OP(socket);
OP(bind);
OP(listen);
OP(connect);
OP(accept);
OP(shutdown);
OP(uring_cmd);

OP(waitid);
OP(futex_wait);
OP(futex_wake);
int futex_waitv_prep(struct req *req, const struct io_uring_sqe *sqe);
void futex_wait_cleanup(struct req *req);
