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
