/* Descriptors: close, dup and their relatives. */
#include <fcntl.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

SYSCALL(close)
{
	int r = fd_close(t, (int)args->a[0]);

	/* The descriptor is gone whatever happens: a restart would close another. */
	if (unlikely(r == -ERESTARTSYS || r == -ERESTARTNOINTR || r == -ERESTARTNOHAND))
		return -EINTR;
	return r;
}

SYSCALL(close_range)
{
	unsigned first = (unsigned)args->a[0], last = (unsigned)args->a[1];
	unsigned flags = (unsigned)args->a[2];
	int r;

	if (flags & ~(ABI_CLOSE_RANGE_UNSHARE | ABI_CLOSE_RANGE_CLOEXEC))
		return -EINVAL;
	if (first > last)
		return -EINVAL;
	if (flags & ABI_CLOSE_RANGE_UNSHARE) {
		r = task_unshare_files(t);
		if (r < 0)
			return r;
	}
	return fd_close_range(t, first, last, flags & ABI_CLOSE_RANGE_CLOEXEC);
}

SYSCALL(dup)
{
	struct file *f = fd_get(t, (int)args->a[0]);
	int r;

	if (!f)
		return -EBADF;
	r = fd_install(t, f, 0, false);
	if (r < 0)
		file_put(f);
	return r;
}

static long dup_to(struct task *t, int fd, int new_fd, bool cloexec)
{
	struct file *f = fd_get(t, fd);
	int r;

	if (!f)
		return -EBADF;
	r = fd_install_at(t, f, new_fd, cloexec);
	if (r < 0)
		file_put(f);
	return r;
}

SYSCALL(dup2)
{
	int fd = (int)args->a[0], new_fd = (int)args->a[1];

	if (fd == new_fd)
		return fd_get_cloexec(t, fd) < 0 ? -EBADF : fd;
	return dup_to(t, fd, new_fd, false);
}

SYSCALL(dup3)
{
	int fd = (int)args->a[0], new_fd = (int)args->a[1], flags = (int)args->a[2];

	if ((flags & ~O_CLOEXEC) || fd == new_fd)
		return -EINVAL;
	return dup_to(t, fd, new_fd, flags & O_CLOEXEC);
}
