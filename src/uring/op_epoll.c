/* EPOLL_CTL, EPOLL_WAIT: the work is fs/epoll's, which boot/ has introduced. */
#include <stdlib.h>

#include "base/kmem.h"
#include "uring/internal.h"
#include "uring/ops.h"

#define CTL_DEL 2
#define EVENT_SIZE 12 /* struct epoll_event of x86-64 */
#define EVENTS_AT_ONCE 1024

int epoll_ctl_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_misc *m = &req->misc;

	if (sqe->buf_index || sqe->splice_fd_in)
		return -EINVAL;
	m->fd = sqe->fd;
	m->x = sqe->len;              /* what to do */
	m->slot = (uint32_t)sqe->off; /* to which descriptor */
	if (m->x == CTL_DEL)
		return 0;
	req->data = kmem_alloc_for(KMEM_URING, EVENT_SIZE);
	if (!req->data)
		return -ENOMEM;
	return mm_copy_in(req_task(req)->mm, req->data, sqe->addr, EVENT_SIZE);
}

int epoll_ctl_issue(struct req *req, struct issue *is)
{
	const struct op_misc *m = &req->misc;
	struct file *ep = fd_get(is->task, m->fd), *f = fd_get(is->task, (int)m->slot);
	int r = -EBADF;

	if (ep && f)
		r = uring_ext.epoll_control(ep, (int)m->x, f, (int)m->slot, req->data);
	file_put(f);
	file_put(ep);
	return req_result(req, r);
}

int epoll_wait_prep(struct req *req, const struct io_uring_sqe *sqe)
{
	struct op_misc *m = &req->misc;

	if (sqe->off || sqe->rw_flags || sqe->buf_index || sqe->splice_fd_in)
		return -EINVAL;
	m->x = sqe->len;
	m->a = sqe->addr;
	return 0;
}

int epoll_wait_issue(struct req *req, struct issue *is)
{
	const struct op_misc *m = &req->misc;
	struct task *t = is->task;
	char *events;
	int n;

	if ((int32_t)m->x <= 0 || m->x > INT32_MAX / EVENT_SIZE ||
	    !uring_ext.file_is_epoll(req->file))
		return -EINVAL;
	n = (int)MIN(m->x, (uint32_t)EVENTS_AT_ONCE);
	events = malloc((size_t)n * EVENT_SIZE);
	if (!events)
		return -ENOMEM;
	n = uring_ext.epoll_events(req->file, events, n, task_vfs_begin_file(t, req->file));
	task_vfs_end(t);
	if (n > 0 && mm_copy_out(t->mm, m->a, events, (size_t)n * EVENT_SIZE) < 0)
		n = -EFAULT;
	free(events);
	return n == 0 ? -EAGAIN : n < 0 ? n : req_result(req, n);
}
