/* From file to file: sendfile, copy_file_range, splice, tee; and vmsplice. */
#include <fcntl.h>
#include <sys/stat.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "fs/pipe/pipe.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "vfs/transfer.h"

#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

/* The two descriptors and the two optional positions of a call. */
struct two_files {
	struct transfer tr;
	fileoff_t in_pos, out_pos;
};

static int get_pos(struct task *t, gva_t user, fileoff_t *pos, fileoff_t **out)
{
	int r;

	*out = NULL;
	if (!user)
		return 0;
	r = syscall_copy_in(t, pos, user, sizeof(*pos));
	if (r < 0)
		return r;
	*out = pos;
	return (int64_t)*pos < 0 ? -EINVAL : 0;
}

static int put_pos(struct task *t, gva_t user, const fileoff_t *pos)
{
	return pos ? syscall_copy_out(t, user, pos, sizeof(*pos)) : 0;
}

static int two_files_get(struct task *t, int in, int out, struct two_files *tf)
{
	tf->tr.in = fd_get(t, in);
	if (!tf->tr.in)
		return -EBADF;
	tf->tr.out = fd_get(t, out);
	if (!tf->tr.out) {
		file_put(tf->tr.in);
		return -EBADF;
	}
	return 0;
}

static void two_files_put(struct two_files *tf)
{
	file_put(tf->tr.in);
	file_put(tf->tr.out);
}

static long two_files_run(struct task *t, struct two_files *tf, gva_t in_off, gva_t out_off,
			  ssize_t (*fn)(const struct transfer *tr))
{
	long r = get_pos(t, in_off, &tf->in_pos, &tf->tr.in_pos);

	if (r == 0)
		r = get_pos(t, out_off, &tf->out_pos, &tf->tr.out_pos);
	if (r < 0)
		return r;
	tf->tr.ctx = task_vfs_begin(t);
	r = fn(&tf->tr);
	task_vfs_end(t);
	if (r >= 0 &&
	    (put_pos(t, in_off, tf->tr.in_pos) < 0 || put_pos(t, out_off, tf->tr.out_pos) < 0))
		return -EFAULT;
	return r;
}

SYSCALL(sendfile)
{
	struct two_files tf = { .tr.size = args->a[3] };
	long r;

	if ((int64_t)args->a[3] < 0)
		return -EINVAL;
	r = two_files_get(t, (int)args->a[1], (int)args->a[0], &tf);
	if (r < 0)
		return r;
	r = two_files_run(t, &tf, args->a[2], 0, vfs_sendfile);
	two_files_put(&tf);
	return syscall_write_result(t, r);
}

static ssize_t copy_range(const struct transfer *tr)
{
	return vfs_copy_range(tr, 0);
}

SYSCALL(copy_file_range)
{
	struct two_files tf = { .tr.size = args->a[4] };
	long r = two_files_get(t, (int)args->a[0], (int)args->a[2], &tf);

	if (r < 0)
		return r;
	if (args->a[5])
		r = -EINVAL;
	else
		r = two_files_run(t, &tf, args->a[1], args->a[3], copy_range);
	two_files_put(&tf);
	return syscall_write_result(t, r);
}

SYSCALL(splice)
{
	struct two_files tf = {
		.tr.size = args->a[4],
		.tr.nonblock = args->a[5] & SPLICE_F_NONBLOCK,
	};
	long r;

	if (args->a[4] == 0)
		return 0;
	if (args->a[5] & ~(uint64_t)SPLICE_FLAGS)
		return -EINVAL;
	r = two_files_get(t, (int)args->a[0], (int)args->a[2], &tf);
	if (r < 0)
		return r;
	if ((args->a[1] && S_ISFIFO(tf.tr.in->inode->mode)) ||
	    (args->a[3] && S_ISFIFO(tf.tr.out->inode->mode)))
		r = -ESPIPE;
	else
		r = two_files_run(t, &tf, args->a[1], args->a[3], vfs_splice);
	two_files_put(&tf);
	return syscall_write_result(t, r);
}

SYSCALL(tee)
{
	struct two_files tf = { .tr.size = args->a[2] };
	long r;

	if (args->a[3] & ~(uint64_t)SPLICE_FLAGS)
		return -EINVAL;
	if (args->a[2] == 0)
		return 0;
	r = two_files_get(t, (int)args->a[0], (int)args->a[1], &tf);
	if (r < 0)
		return r;
	r = pipe_tee(tf.tr.in, tf.tr.out, tf.tr.size, args->a[3] & SPLICE_F_NONBLOCK,
		     task_vfs_begin_file(t, tf.tr.in));
	task_vfs_end(t);
	two_files_put(&tf);
	return syscall_write_result(t, r);
}

/* Into a pipe: a write. Out of one: a read. */
static long vmsplice_run(struct task *t, struct file *f, gva_t iov, uint64_t count, bool nonblock)
{
	bool is_write = file_may_write(f);
	struct uio_seg segs[ABI_UIO_MAXIOV] UNINITIALIZED;
	struct io io = { .nonblock = nonblock };
	struct uio u;
	long r;

	if (!S_ISFIFO(f->inode->mode) || (!is_write && !file_may_read(f)))
		return -EBADF;
	if (count > ABI_UIO_MAXIOV)
		return -EINVAL;
	r = mm_import_iovec(t->mm, iov, (unsigned)count, segs);
	if (r < 0)
		return r;
	mm_uio_init(t->mm, &u, is_write ? UIO_FROM_USER : UIO_TO_USER, segs, (unsigned)count);
	io.ctx = task_vfs_begin_file(t, f);
	r = is_write ? file_write(f, &u, NULL, &io) : file_read(f, &u, NULL, &io);
	task_vfs_end(t);
	return is_write ? syscall_write_result(t, r) : r;
}

SYSCALL(vmsplice)
{
	struct file *f;
	long r;

	if (args->a[3] & ~(uint64_t)SPLICE_FLAGS)
		return -EINVAL;
	f = fd_get(t, (int)args->a[0]);
	if (!f)
		return -EBADF;
	r = vmsplice_run(t, f, args->a[1], args->a[2],
			 (args->a[3] & SPLICE_F_NONBLOCK) || (atomic_load(&f->flags) & O_NONBLOCK));
	file_put(f);
	return r;
}
