/* signalfd, signalfd4. */
#include <fcntl.h>

#include "abi/errno.h"
#include "abi/signal.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

static long signalfd_make(struct task *t, sigmask_t mask, unsigned flags)
{
	struct file *f;
	int r = signalfd_create(t, mask, flags, &f);

	if (r < 0)
		return r;
	r = fd_install(t, f, 0, flags & O_CLOEXEC);
	if (r < 0)
		file_put(f);
	return r;
}

/* fd -1: a new one; else the mask of that one changes. */
static long do_signalfd(struct task *t, int fd, const struct sysargs *args, unsigned flags)
{
	sigmask_t mask;
	struct file *f;
	int r;

	if (args->a[2] != ABI_SIGSET_SIZE)
		return -EINVAL;
	if (syscall_copy_in(t, &mask, args->a[1], sizeof(mask)) < 0)
		return -EFAULT;
	if (flags & ~(unsigned)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	mask &= ~SIGMASK_UNBLOCKABLE;
	if (fd == -1)
		return signalfd_make(t, mask, flags);
	f = fd_get(t, fd);
	if (!f)
		return -EBADF;
	r = signalfd_set_mask(f, mask);
	file_put(f);
	return r < 0 ? r : fd;
}

SYSCALL(signalfd)
{
	return do_signalfd(t, (int)args->a[0], args, 0);
}

SYSCALL(signalfd4)
{
	return do_signalfd(t, (int)args->a[0], args, (unsigned)args->a[3]);
}
