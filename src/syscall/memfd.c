/* memfd_create. */
#include "abi/errno.h"
#include "abi/mman.h"
#include "fs/tmpfs/tmpfs.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

/* "memfd:" and the name make a file name. */
#define MEMFD_NAME_SIZE (256u - sizeof("memfd:") + 1)
#define MEMFD_FLAGS (MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC)

SYSCALL(memfd_create)
{
	unsigned flags = (unsigned)args->a[1];
	char name[MEMFD_NAME_SIZE];
	struct vfs_ctx *ctx;
	struct file *f;
	ssize_t n;
	int r;

	if ((flags & ~MEMFD_FLAGS) || ((flags & MFD_NOEXEC_SEAL) && (flags & MFD_EXEC)))
		return -EINVAL;
	n = mm_copy_in_str(t->mm, name, args->a[0], sizeof(name));
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	ctx = task_vfs_begin(t);
	r = tmpfs_memfd_create(t->kernel->memfd_super, name, flags, ctx, &f);
	task_vfs_end(t);
	if (r < 0)
		return r;
	r = fd_install(t, f, 0, flags & MFD_CLOEXEC);
	if (r < 0)
		file_put(f);
	return r;
}
