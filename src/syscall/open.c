/* open, openat, openat2, creat. The old ones ignore flags that they do not know,
 * openat2 refuses them. */
#include <fcntl.h>

#include "abi/errno.h"
#include "abi/fcntl.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

#define OPEN_FLAGS                                                                              \
	((uint64_t)(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | \
		    O_SYNC | O_DSYNC | O_ASYNC | O_DIRECT | ABI_O_LARGEFILE | O_DIRECTORY |     \
		    O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE))
#define PATH_FLAGS ((uint64_t)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))

#define RESOLVE_SCOPED ((uint64_t)(ABI_RESOLVE_BENEATH | ABI_RESOLVE_IN_ROOT))

/* For a scoped walk the descriptor counts even when the name is absolute. */
static int open_name(struct task *t, int dirfd, gva_t user, uint64_t resolve,
		     struct syscall_name *n)
{
	int r = syscall_path(t, user, n->text);

	if (r < 0)
		return r;
	return syscall_dirfd(t, dirfd, resolve & RESOLVE_SCOPED ? "." : n->text, &n->dir);
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
	const struct abi_open_how how = {
		.flags = (uint64_t)(unsigned)flags & OPEN_FLAGS,
		.mode = mode & 07777,
	};

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

static int check_how(const struct abi_open_how *how)
{
	bool makes = how->flags & (O_CREAT | ABI_O_TMPFILE_BIT);

	if ((how->flags & ~OPEN_FLAGS) || (how->resolve & ~(uint64_t)ABI_RESOLVE_VALID))
		return -EINVAL;
	if ((how->mode & ~(uint64_t)07777) || (how->mode && !makes))
		return -EINVAL;
	if ((how->flags & O_PATH) && (how->flags & ~PATH_FLAGS))
		return -EINVAL;
	return 0;
}

SYSCALL(openat2)
{
	struct abi_open_how how;
	int r;

	if (args->a[3] < sizeof(how))
		return -EINVAL;
	r = syscall_copy_struct(t, &how, sizeof(how), args->a[2], args->a[3]);
	if (r == 0)
		r = check_how(&how);
	return r < 0 ? r : open_file(t, (int)args->a[0], args->a[1], &how);
}
