/* open, openat, openat2, creat. */
#include <fcntl.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "syscall/families.h"
#include "syscall/syscall.h"
#include "vfs/filecall.h"

static int open_name(struct task *t, int dirfd, gva_t user, uint64_t resolve,
		     struct syscall_name *n)
{
	int r = syscall_path(t, user, n->text);

	return r < 0 ? r : syscall_dirfd(t, dirfd, open_dir_name(resolve, n->text), &n->dir);
}

static long open_file(struct task *t, int dirfd, gva_t user, const struct abi_open_how *how)
{
	struct syscall_name n UNINITIALIZED;
	struct file *f;
	int r = open_name(t, dirfd, user, how->resolve, &n);

	if (r < 0)
		return r;
	r = vfs_open(task_vfs_begin(t), &n.dir, n.text, (unsigned)how->flags, (uint32_t)how->mode,
		     how->resolve, &f);
	task_vfs_end(t);
	syscall_name_put(&n);
	if (r < 0)
		return r;
	r = fd_install(t, f, 0, how->flags & O_CLOEXEC);
	if (r < 0)
		file_put(f);
	return r;
}

static long open_old(struct task *t, int dirfd, gva_t user, int flags, uint64_t mode)
{
	const struct abi_open_how how = open_how_old((unsigned)flags, mode);

	return open_file(t, dirfd, user, &how);
}

SYSCALL(open)
{
	return open_old(t, AT_FDCWD, args->a[0], (int)args->a[1], args->a[2]);
}

SYSCALL(openat)
{
	return open_old(t, (int)args->a[0], args->a[1], (int)args->a[2], args->a[3]);
}

SYSCALL(creat)
{
	return open_old(t, AT_FDCWD, args->a[0], O_CREAT | O_WRONLY | O_TRUNC, args->a[1]);
}

SYSCALL(openat2)
{
	struct abi_open_how how;
	int r;

	if (args->a[3] < sizeof(how))
		return -EINVAL;
	r = syscall_copy_struct(t, &how, sizeof(how), args->a[2], args->a[3]);
	if (r == 0)
		r = open_how_check(&how);
	return r < 0 ? r : open_file(t, (int)args->a[0], args->a[1], &how);
}
