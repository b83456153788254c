/*
 * read, write and their relatives, lseek.
 *
 * The plain ones are the hottest calls there are: one descriptor lookup, nothing
 * from the heap, no places in the context.
 */
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

/* One transfer between a file and guest memory. */
struct rw {
	struct task *t;
	struct file *f;
	enum uio_dir dir;
	fileoff_t *pos; /* NULL: the file's own */
	unsigned rwf;   /* RWF_* */
};

static bool rw_is_allowed(const struct rw *rw)
{
	return rw->dir == UIO_TO_USER ? file_may_read(rw->f) : file_may_write(rw->f);
}

static long rw_run(const struct rw *rw, struct uio *u)
{
	unsigned flags = atomic_load_explicit(&rw->f->flags, memory_order_relaxed);
	struct io io = {
		.ctx = task_vfs_begin_file(rw->t, rw->f),
		.nonblock = (flags & O_NONBLOCK) || (rw->rwf & ABI_RWF_NOWAIT),
		.flags = rw->rwf,
	};
	long r;

	if (rw->dir == UIO_TO_USER)
		r = file_read(rw->f, u, rw->pos, &io);
	else
		r = file_write(rw->f, u, rw->pos, &io);
	task_vfs_end(rw->t);
	if (unlikely(r < 0) && rw->dir == UIO_FROM_USER && !(rw->rwf & ABI_RWF_NOSIGNAL))
		return syscall_write_result(rw->t, r);
	return r;
}

/* The descriptor, then one range. */
static inline long rw_single(struct rw *rw, int fd, gva_t base, uint64_t size)
{
	struct uio_seg seg;
	struct uio u;
	long r = -EBADF;

	rw->f = fd_get(rw->t, fd);
	if (!rw->f)
		return -EBADF;
	if (rw_is_allowed(rw)) {
		r = mm_uio_init_single(rw->t->mm, &u, &seg, rw->dir, base, size);
		if (likely(r == 0))
			r = (int64_t)size < 0 ? -EINVAL : rw_run(rw, &u);
	}
	file_put(rw->f);
	return r;
}

/* The descriptor, then a vector of ranges. */
static long rw_vector(struct rw *rw, int fd, gva_t iov, uint64_t count)
{
	struct uio_seg segs[ABI_UIO_MAXIOV] UNINITIALIZED;
	struct uio u;
	long r = -EBADF;

	rw->f = fd_get(rw->t, fd);
	if (!rw->f)
		return -EBADF;
	if (rw_is_allowed(rw)) {
		r = mm_import_iovec(rw->t->mm, iov, (unsigned)MIN(count, (uint64_t)UINT_MAX), segs);
		if (r == 0) {
			mm_uio_init(rw->t->mm, &u, rw->dir, segs, (unsigned)count);
			r = rw_run(rw, &u);
		}
	}
	file_put(rw->f);
	return r;
}

SYSCALL(read)
{
	struct rw rw = { .t = t, .dir = UIO_TO_USER };

	return rw_single(&rw, (int)args->a[0], args->a[1], args->a[2]);
}

SYSCALL(write)
{
	struct rw rw = { .t = t, .dir = UIO_FROM_USER };

	return rw_single(&rw, (int)args->a[0], args->a[1], args->a[2]);
}

static long rw_at(struct task *t, const struct sysargs *args, enum uio_dir dir)
{
	fileoff_t pos = args->a[3];
	struct rw rw = { .t = t, .dir = dir, .pos = &pos };

	if ((int64_t)pos < 0)
		return -EINVAL;
	return rw_single(&rw, (int)args->a[0], args->a[1], args->a[2]);
}

SYSCALL(pread64)
{
	return rw_at(t, args, UIO_TO_USER);
}

SYSCALL(pwrite64)
{
	return rw_at(t, args, UIO_FROM_USER);
}

SYSCALL(readv)
{
	struct rw rw = { .t = t, .dir = UIO_TO_USER };

	return rw_vector(&rw, (int)args->a[0], args->a[1], args->a[2]);
}

SYSCALL(writev)
{
	struct rw rw = { .t = t, .dir = UIO_FROM_USER };

	return rw_vector(&rw, (int)args->a[0], args->a[1], args->a[2]);
}

static long rw_vector_at(struct task *t, const struct sysargs *args, enum uio_dir dir, unsigned rwf)
{
	fileoff_t pos = args->a[3];
	struct rw rw = { .t = t, .dir = dir, .pos = &pos, .rwf = rwf };

	if ((int64_t)pos < 0)
		return -EINVAL;
	return rw_vector(&rw, (int)args->a[0], args->a[1], args->a[2]);
}

SYSCALL(preadv)
{
	return rw_vector_at(t, args, UIO_TO_USER, 0);
}

SYSCALL(pwritev)
{
	return rw_vector_at(t, args, UIO_FROM_USER, 0);
}

/* What a kernel without uncached buffered i/o and atomic writes takes. */
int syscall_check_rwf(uint64_t rwf, enum uio_dir dir)
{
	uint64_t ok = ABI_RWF_HIPRI | ABI_RWF_NOWAIT | ABI_RWF_DSYNC | ABI_RWF_SYNC;

	if (dir == UIO_FROM_USER)
		ok |= ABI_RWF_APPEND | ABI_RWF_NOAPPEND | ABI_RWF_NOSIGNAL;
	else
		ok |= ABI_RWF_APPEND;
	if (rwf & ~ok)
		return -EOPNOTSUPP;
	if ((rwf & ABI_RWF_APPEND) && (rwf & ABI_RWF_NOAPPEND))
		return -EINVAL;
	return 0;
}

static long rw_vector2(struct task *t, const struct sysargs *args, enum uio_dir dir)
{
	uint64_t rwf = args->a[5];
	int r = syscall_check_rwf(rwf, dir);

	if (r < 0)
		return r;
	if (dir == UIO_TO_USER)
		rwf &= ~(uint64_t)ABI_RWF_APPEND;
	if ((int64_t)args->a[3] == -1) {
		struct rw rw = { .t = t, .dir = dir, .rwf = (unsigned)rwf };

		return rw_vector(&rw, (int)args->a[0], args->a[1], args->a[2]);
	}
	return rw_vector_at(t, args, dir, (unsigned)rwf);
}

SYSCALL(preadv2)
{
	return rw_vector2(t, args, UIO_TO_USER);
}

SYSCALL(pwritev2)
{
	return rw_vector2(t, args, UIO_FROM_USER);
}

SYSCALL(lseek)
{
	int whence = (int)args->a[2];
	struct file *f = fd_get(t, (int)args->a[0]);
	long r = -EINVAL;

	if (!f)
		return -EBADF;
	if (atomic_load_explicit(&f->flags, memory_order_relaxed) & O_PATH) {
		r = -EBADF;
	} else if (whence >= SEEK_SET && whence <= SEEK_HOLE) {
		r = file_lseek(f, (int64_t)args->a[1], whence, task_vfs_begin_file(t, f));
		task_vfs_end(t);
	}
	file_put(f);
	return r;
}
