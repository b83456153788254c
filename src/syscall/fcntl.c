/*
 * fcntl(2). The commands fall into four groups: descriptors, status flags and
 * owners, record locks, and what the file itself answers (pipe sizes, seals).
 * An O_PATH descriptor has only the first group, and F_GETFL.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "abi/signal.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "vfs/filecall.h"

/* The numbers of both kinds of lock on x86-64; the C library's are the same. */
_Static_assert(F_GETLK == 5 && F_SETLK == 6 && F_SETLKW == 7, "record lock commands");

/* ---- descriptors ---- */

static long dup_from(struct task *t, struct file *f, uint64_t min, bool cloexec)
{
	int r;

	if (min > INT32_MAX)
		return -EINVAL;
	file_get(f);
	r = fd_install(t, f, (int)min, cloexec);
	if (r < 0)
		file_put(f);
	return r;
}

static long same_file(struct task *t, struct file *f, int fd)
{
	struct file *other = fd_get(t, fd);
	long r = other == f;

	if (!other)
		return -EBADF;
	file_put(other);
	return r;
}

/* ---- owners: urgent data's SIGURG goes there; O_ASYNC's SIGIO is not sent ---- */

static long owner_set_ex(struct task *t, struct file *f, gva_t user)
{
	struct abi_f_owner_ex ex;
	int r = syscall_copy_in(t, &ex, user, sizeof(ex));

	if (r < 0)
		return r;
	if (ex.type < FILE_OWNER_TID || ex.type > FILE_OWNER_PGRP)
		return -EINVAL;
	return file_owner_set(t, f, ex.pid, ex.type);
}

static long owner_get_ex(struct task *t, struct file *f, gva_t user)
{
	struct file_owner o = file_owner_get(f);
	struct abi_f_owner_ex ex = { .type = (int)o.type, .pid = pid_out(t, o.pid) };

	return syscall_copy_out(t, user, &ex, sizeof(ex));
}

/* A process, or a process group by its negative number. */
static long owner_set(struct task *t, struct file *f, int32_t owner)
{
	if (owner == INT32_MIN)
		return -EINVAL;
	return file_owner_set(t, f, owner < 0 ? -owner : owner,
			      owner < 0 ? FILE_OWNER_PGRP : FILE_OWNER_PID);
}

static long owner_get(struct file *f)
{
	struct file_owner o = file_owner_get(f);

	o.pid = pid_out(task_current(), o.pid);
	return o.type == FILE_OWNER_PGRP ? -o.pid : o.pid;
}

static long owner_set_signal(struct file *f, uint64_t signo)
{
	if (signo > ABI_NSIG)
		return -EINVAL;
	file_owner_set_signal(f, (int)signo);
	return 0;
}

/* ---- record locks ---- */

/* Where the range of a struct flock starts counting. */
static int64_t lock_base(const struct vfs_ctx *ctx, struct file *f, int whence)
{
	struct kstat st;
	int r;

	switch (whence) {
	case SEEK_SET:
		return 0;
	case SEEK_CUR:
		return f->is_stream ? 0 : file_lseek(f, 0, SEEK_CUR, ctx);
	case SEEK_END:
		r = file_getattr(f, ctx, &st);
		return r < 0 ? r : (int64_t)st.size;
	}
	return -EINVAL;
}

static int lock_range(const struct vfs_ctx *ctx, struct file *f, const struct abi_flock *in,
		      struct flock_range *out)
{
	int64_t start = lock_base(ctx, f, in->whence), end = INT64_MAX;

	if (start < 0)
		return (int)start;
	if (add_overflow(start, in->start, &start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	if (in->len > 0 && add_overflow(start, in->len - 1, &end))
		return -EOVERFLOW;
	if (in->len < 0) {
		end = start - 1;
		if (add_overflow(start, in->len, &start) || start < 0)
			return -EINVAL;
	}
	out->type = in->type;
	out->start = (uint64_t)start;
	out->end = end == INT64_MAX ? ~(uint64_t)0 : (uint64_t)end;
	return 0;
}

static void lock_report(struct abi_flock *fl, const struct flock_range *range)
{
	fl->type = range->type;
	if (range->type == F_UNLCK)
		return;
	fl->whence = SEEK_SET;
	fl->start = (int64_t)range->start;
	fl->len = range->end == ~(uint64_t)0 ? 0 : (int64_t)(range->end - range->start + 1);
	fl->pid = pid_out(task_current(), (int32_t)range->pid);
}

static long lock_call(struct task *t, const struct vfs_ctx *ctx, struct file *f, int cmd,
		      gva_t user)
{
	bool ofd = cmd >= F_OFD_GETLK;
	int r, kind = ofd ? cmd - F_OFD_GETLK + F_GETLK : cmd;
	struct flock_range range = { 0 };
	struct abi_flock fl;

	r = syscall_copy_in(t, &fl, user, sizeof(fl));
	if (r < 0)
		return r;
	if (ofd && fl.pid)
		return -EINVAL;
	r = lock_range(ctx, f, &fl, &range);
	if (r < 0)
		return r;
	if (kind != F_GETLK)
		return vfs_setlk(f, &range, kind == F_SETLKW, ofd, ctx);
	r = vfs_getlk(f, &range, ofd, ctx);
	if (r < 0)
		return r;
	lock_report(&fl, &range);
	return syscall_copy_out(t, user, &fl, sizeof(fl));
}

/* ---- the call ---- */

static long fcntl_descriptor(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
	switch (cmd) {
	case F_DUPFD:
		return dup_from(t, f, arg, false);
	case F_DUPFD_CLOEXEC:
		return dup_from(t, f, arg, true);
	case F_GETFD:
		return fd_get_cloexec(t, fd);
	case F_SETFD:
		return fd_set_cloexec(t, fd, arg & FD_CLOEXEC);
	case F_GETFL:
		return (long)(atomic_load(&f->flags) & ~(unsigned)O_CLOEXEC);
	case F_DUPFD_QUERY:
		return same_file(t, f, (int)arg);
	}
	return -EBADF;
}

static long fcntl_file(struct task *t, const struct vfs_ctx *ctx, struct file *f, int cmd,
		       uint64_t arg)
{
	switch (cmd) {
	case F_SETFL:
		return file_set_flags(f, (unsigned)arg, ctx);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return lock_call(t, ctx, f, cmd, arg);
	case F_SETOWN:
		return owner_set(t, f, (int32_t)arg);
	case F_GETOWN:
		return owner_get(f);
	case F_SETOWN_EX:
		return owner_set_ex(t, f, arg);
	case F_GETOWN_EX:
		return owner_get_ex(t, f, arg);
	case F_SETSIG:
		return owner_set_signal(f, arg);
	case F_GETSIG:
		return file_owner_get(f).signo;
	case F_GETLEASE:
		return F_UNLCK;
	case F_SETLEASE:
		return arg == F_UNLCK ? -EAGAIN : -EINVAL;
	case F_NOTIFY:
		/* To be told of nothing is what everybody is told. */
		if (!(arg & ~(uint64_t)(unsigned)DN_MULTISHOT))
			return 0;
		return S_ISDIR(f->inode->mode) ? -EINVAL : -ENOTDIR;
	case F_SETPIPE_SZ:
	case F_GETPIPE_SZ:
		if (!S_ISFIFO(f->inode->mode))
			return -EBADF;
		break;
	}
	return f->ops->fcntl ? f->ops->fcntl(f, (unsigned)cmd, arg, ctx) : -EINVAL;
}

static bool is_descriptor_command(int cmd)
{
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
	case F_GETFD:
	case F_SETFD:
	case F_GETFL:
	case F_DUPFD_QUERY:
		return true;
	}
	return false;
}

SYSCALL(fcntl)
{
	int fd = (int)args->a[0], cmd = (int)args->a[1];
	struct file *f = fd_get(t, fd);
	long r = -EBADF;

	if (!f)
		return -EBADF;
	if (is_descriptor_command(cmd)) {
		r = fcntl_descriptor(t, f, fd, cmd, args->a[2]);
	} else if (!(atomic_load(&f->flags) & O_PATH)) {
		r = fcntl_file(t, task_vfs_begin_file(t, f), f, cmd, args->a[2]);
		task_vfs_end(t);
	}
	file_put(f);
	return r;
}
