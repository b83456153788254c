/*
 * Asynchronous i/o of the old kind (io_submit(2)): each request is carried out while it
 * is submitted; its result waits in the context (fs/aio) until it is asked for.
 */
#include <fcntl.h>

#include "abi/aio.h"
#include "abi/errno.h"
#include "abi/fcntl.h"
#include "fs/aio/aio.h"
#include "fs/eventfd/eventfd.h"
#include "syscall/families.h"
#include "syscall/polling.h"
#include "syscall/syscall.h"
#include "vfs/filecall.h"

#define BATCH 32u /* events copied out at once */

SYSCALL(io_setup)
{
	unsigned max = (unsigned)args->a[0];
	uint64_t id;
	int r = syscall_copy_in(t, &id, args->a[1], sizeof(id));

	if (r < 0)
		return r;
	if (id || !max)
		return -EINVAL;
	r = aio_create(t, max, &id);
	if (r < 0)
		return r;
	if (syscall_copy_out(t, args->a[1], &id, sizeof(id)) < 0) {
		(void)aio_destroy(t, id);
		return -EFAULT;
	}
	return 0;
}

SYSCALL(io_destroy)
{
	return aio_destroy(t, args->a[0]);
}

/* ---- one request ---- */

/* What it came to, or -errno with *res for an error of the request itself. */
static long transfer(struct task *t, struct file *f, const struct abi_iocb *cb, enum uio_dir dir,
		     struct uio *u)
{
	unsigned flags = atomic_load(&f->flags);
	fileoff_t pos = (fileoff_t)cb->offset;
	struct io io = {
		.ctx = task_vfs_begin_file(t, f),
		.nonblock = (flags & O_NONBLOCK) || (cb->rw_flags & ABI_RWF_NOWAIT),
		.flags = cb->rw_flags,
	};
	fileoff_t *at = f->is_stream ? NULL : &pos;
	long r = dir == UIO_TO_USER ? file_read(f, u, at, &io) : file_write(f, u, at, &io);

	task_vfs_end(t);
	return r < 0 && dir == UIO_FROM_USER ? syscall_write_result(t, r) : r;
}

static int check_rw(const struct file *f, const struct abi_iocb *cb, enum uio_dir dir)
{
	bool is_read = dir == UIO_TO_USER;
	int r = syscall_check_rwf(cb->rw_flags, dir);

	if (r < 0)
		return r;
	if (is_read ? !file_may_read(f) : !file_may_write(f))
		return -EBADF;
	if (is_read ? !f->ops->read : !f->ops->write)
		return -EINVAL;
	return cb->offset < 0 ? -EINVAL : 0;
}

static int run_single(struct task *t, struct file *f, const struct abi_iocb *cb, enum uio_dir dir,
		      long *res)
{
	struct uio_seg seg;
	struct uio u;
	int r = check_rw(f, cb, dir);

	if (r == 0)
		r = mm_uio_init_single(t->mm, &u, &seg, dir, cb->buf, cb->nbytes);
	if (r == 0)
		*res = transfer(t, f, cb, dir, &u);
	return r;
}

static int run_vector(struct task *t, struct file *f, const struct abi_iocb *cb, enum uio_dir dir,
		      long *res)
{
	struct uio_seg segs[ABI_UIO_MAXIOV] UNINITIALIZED;
	unsigned count = (unsigned)MIN(cb->nbytes, (uint64_t)ABI_UIO_MAXIOV + 1);
	struct uio u;
	int r = check_rw(f, cb, dir);

	if (r == 0)
		r = mm_import_iovec(t->mm, cb->buf, count, segs);
	if (r < 0)
		return r;
	mm_uio_init(t->mm, &u, dir, segs, count);
	*res = transfer(t, f, cb, dir, &u);
	return 0;
}

static int run_sync(struct file *f, const struct abi_iocb *cb, long *res)
{
	if (cb->buf || cb->offset || cb->nbytes || cb->rw_flags)
		return -EINVAL;
	*res = file_fsync(f, cb->opcode == ABI_IOCB_FDSYNC);
	return *res == -EINVAL || *res == -EBADF ? (int)*res : 0;
}

static int run(struct task *t, struct file *f, const struct abi_iocb *cb, long *res)
{
	switch (cb->opcode) {
	case ABI_IOCB_PREAD:
		return run_single(t, f, cb, UIO_TO_USER, res);
	case ABI_IOCB_PWRITE:
		return run_single(t, f, cb, UIO_FROM_USER, res);
	case ABI_IOCB_PREADV:
		return run_vector(t, f, cb, UIO_TO_USER, res);
	case ABI_IOCB_PWRITEV:
		return run_vector(t, f, cb, UIO_FROM_USER, res);
	case ABI_IOCB_FSYNC:
	case ABI_IOCB_FDSYNC:
		return run_sync(f, cb, res);
	default:
		return -EINVAL;
	}
}

static void tell(struct file *eventfd)
{
	uint64_t one = 1;
	struct waiter w;
	const struct vfs_ctx ctx = { .cred = eventfd->cred, .waiter = &w };
	struct io io = { .ctx = &ctx, .nonblock = true };
	struct uio_seg seg;
	struct uio u;

	waiter_init(&w);
	uio_init_kernel(&u, &seg, UIO_FROM_USER, &one, sizeof(one));
	(void)!file_write(eventfd, &u, NULL, &io);
}

/* The descriptors that a request names: references. */
static int get_files(struct task *t, const struct abi_iocb *cb, struct file **f, struct file **efd)
{
	int r;

	*efd = NULL;
	*f = fd_get(t, (int)cb->fd);
	if (!*f)
		return -EBADF;
	if (atomic_load(&(*f)->flags) & O_PATH) {
		r = -EBADF;
		goto out_put_f;
	}
	if (!(cb->flags & ABI_IOCB_FLAG_RESFD))
		return 0;
	*efd = fd_get(t, (int)cb->resfd);
	r = *efd ? file_is_eventfd(*efd) ? 0 : -EINVAL : -EBADF;
	if (r == 0)
		return 0;
	if (*efd)
		file_put(*efd);
out_put_f:
	file_put(*f);
	return r;
}

/* There is room for its event. */
static int submit_reserved(struct task *t, struct aio_context *c, gva_t user,
			   const struct abi_iocb *cb)
{
	struct abi_io_event ev = { .data = cb->data, .obj = user };
	const uint32_t key = 0;
	struct file *f, *efd;
	long res = 0;
	int r = get_files(t, cb, &f, &efd);

	if (r < 0)
		return r;
	r = syscall_copy_out(t, user + offsetof(struct abi_iocb, key), &key, sizeof(key));
	if (r == 0)
		r = run(t, f, cb, &res);
	if (r == 0) {
		bool restarts = res <= -ERESTARTSYS && res >= -ERESTART_RESTARTBLOCK;

		ev.res = restarts ? -EINTR : res;
		aio_complete(c, &ev);
		if (efd)
			tell(efd);
	}
	if (efd)
		file_put(efd);
	file_put(f);
	return r;
}

static int submit_one(struct task *t, struct aio_context *c, gva_t user)
{
	struct abi_iocb cb;
	int r = syscall_copy_in(t, &cb, user, sizeof(cb));

	if (r < 0)
		return r;
	if (cb.reserved2 || (int64_t)cb.nbytes < 0)
		return -EINVAL;
	r = aio_reserve(c);
	if (r < 0)
		return r;
	r = submit_reserved(t, c, user, &cb);
	if (r < 0)
		aio_unreserve(c);
	return r;
}

SYSCALL(io_submit)
{
	int64_t nr = (int64_t)args->a[1], done;
	struct aio_context *c;
	int r;

	if (nr < 0)
		return -EINVAL;
	r = aio_find(t, args->a[0], &c);
	if (r < 0)
		return r;
	nr = MIN(nr, (int64_t)aio_capacity(c));
	for (done = 0; r == 0 && done < nr; done += r == 0) {
		uint64_t user;

		r = syscall_copy_in(t, &user, args->a[2] + (uint64_t)done * sizeof(user),
				    sizeof(user));
		if (r == 0)
			r = submit_one(t, c, user);
	}
	aio_put(c);
	return done ? done : r;
}

/* Nothing is under way once it has been submitted. */
SYSCALL(io_cancel)
{
	struct aio_context *c;
	uint32_t key;

	if (syscall_copy_in(t, &key, args->a[1] + offsetof(struct abi_iocb, key), sizeof(key)) < 0)
		return -EFAULT;
	if (key == 0 && aio_find(t, args->a[0], &c) == 0)
		aio_put(c);
	return -EINVAL;
}

/* ---- events ---- */

/* Some of what there is: how many, 0: none, -EFAULT. */
static int give_some(struct task *t, struct aio_context *c, gva_t user, int64_t room)
{
	struct abi_io_event ev[BATCH] UNINITIALIZED;
	unsigned n = aio_take(c, ev, (unsigned)MIN(room, (int64_t)BATCH));
	int r = n ? syscall_copy_out(t, user, ev, n * sizeof(ev[0])) : 0;

	aio_taken(c, ev, n, r == 0);
	return r < 0 ? r : (int)n;
}

static long get_events(struct task *t, struct aio_context *c, const struct sysargs *args,
		       uint64_t deadline_ns)
{
	int64_t min = (int64_t)args->a[1], max = (int64_t)args->a[2], got = 0;
	int r = 0;

	while (got < max) {
		r = give_some(t, c, args->a[3] + (uint64_t)got * sizeof(struct abi_io_event),
			      max - got);
		if (r < 0)
			break;
		got += r;
		if (r > 0)
			continue;
		if (got >= min)
			break;
		r = aio_wait(t, c, deadline_ns);
		if (r < 0)
			break;
	}
	if (got || r == -ETIMEDOUT)
		return got;
	return r == -ERESTARTSYS ? -EINTR : r;
}

static long getevents(struct task *t, const struct sysargs *args)
{
	int64_t min = (int64_t)args->a[1], max = (int64_t)args->a[2];
	uint64_t deadline_ns;
	struct aio_context *c;
	long r = polling_deadline(t, args->a[4], &deadline_ns);

	if (r == 0)
		r = aio_find(t, args->a[0], &c);
	if (r < 0)
		return r;
	r = min <= max && min >= 0 ? get_events(t, c, args, deadline_ns) : -EINVAL;
	aio_put(c);
	return r;
}

SYSCALL(io_getevents)
{
	return getevents(t, args);
}

SYSCALL(io_pgetevents)
{
	struct {
		uint64_t mask, size;
	} sig = { 0, 0 };
	int r = 0;

	if (args->a[5])
		r = syscall_copy_in(t, &sig, args->a[5], sizeof(sig));
	if (r == 0)
		r = polling_mask_begin(t, sig.mask, sig.size);
	return r < 0 ? r : polling_mask_end(t, sig.mask, getevents(t, args));
}
