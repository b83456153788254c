/* pipe and pipe2. */
#include <fcntl.h>

#include "abi/errno.h"
#include "fs/pipe/pipe.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

#ifndef O_NOTIFICATION_PIPE
#define O_NOTIFICATION_PIPE O_EXCL
#endif

/* Both ends get numbers, or neither. */
static int install_both(struct task *t, struct file *ends[2], bool cloexec, int fds[2])
{
	fds[0] = fd_install(t, ends[0], 0, cloexec);
	if (fds[0] < 0) {
		file_put(ends[0]);
		file_put(ends[1]);
		return fds[0];
	}
	fds[1] = fd_install(t, ends[1], 0, cloexec);
	if (fds[1] < 0) {
		(void)fd_close(t, fds[0]);
		file_put(ends[1]);
		return fds[1];
	}
	return 0;
}

static long pipe_call(struct task *t, gva_t user, int flags)
{
	struct file *ends[2];
	int fds[2], r;

	if (flags & O_NOTIFICATION_PIPE)
		return -ENOPKG;
	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	r = pipe_create((unsigned)flags & ~(unsigned)O_CLOEXEC, t->cred, ends);
	if (r < 0)
		return r;
	r = install_both(t, ends, flags & O_CLOEXEC, fds);
	if (r < 0)
		return r;
	r = syscall_copy_out(t, user, fds, sizeof(fds));
	if (r < 0) {
		(void)fd_close(t, fds[0]);
		(void)fd_close(t, fds[1]);
	}
	return r;
}

SYSCALL(pipe)
{
	return pipe_call(t, args->a[0], 0);
}

SYSCALL(pipe2)
{
	return pipe_call(t, args->a[0], (int)args->a[1]);
}
