/* Directories: their entries, the working directory and the root. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "abi/dirent.h"
#include "abi/errno.h"
#include "abi/fcntl.h"
#include "syscall/families.h"
#include "syscall/syscall.h"

/* ---- getdents ---- */

#define DENTS_BUF 4096

/* Records gather in buf and go out when it is full. */
struct dents {
	struct task *t;
	gva_t user;
	size_t left; /* of the guest's buffer, not promised to a record yet */
	size_t done; /* bytes copied out */
	size_t used; /* of buf */
	int error;
	bool is_old; /* getdents: the type is the record's last byte */
	uint8_t buf[DENTS_BUF];
};

static bool dents_flush(struct dents *d)
{
	int r = d->used ? syscall_copy_out(d->t, d->user + d->done, d->buf, d->used) : 0;

	if (r < 0) {
		d->error = r;
		return false;
	}
	d->done += d->used;
	d->used = 0;
	return true;
}

static void put_record(struct dents *d, size_t reclen, const char *name, size_t len, uint64_t ino,
		       uint8_t type, uint64_t next_off)
{
	uint8_t *at = d->buf + d->used;

	memset(at, 0, reclen);
	if (d->is_old) {
		struct abi_dirent head = { .ino = ino,
					   .off = next_off,
					   .reclen = (uint16_t)reclen };

		memcpy(at, &head, ABI_DIRENT_NAME);
		memcpy(at + ABI_DIRENT_NAME, name, len);
		at[reclen - 1] = type;
	} else {
		struct abi_dirent64 head = { .ino = ino,
					     .off = (int64_t)next_off,
					     .reclen = (uint16_t)reclen,
					     .type = type };

		memcpy(at, &head, ABI_DIRENT64_NAME);
		memcpy(at + ABI_DIRENT64_NAME, name, len);
	}
	d->used += reclen;
}

static bool dents_emit(void *arg, const char *name, size_t len, uint64_t ino, uint8_t type,
		       uint64_t next_off)
{
	struct dents *d = arg;
	/* The name with its NUL, and in the old form the type behind it. */
	size_t reclen = d->is_old ? ABI_DIRENT_NAME + len + 2 : ABI_DIRENT64_NAME + len + 1;

	reclen = (reclen + 7) & ~(size_t)7;
	if (len > ABI_NAME_MAX || reclen > d->left) {
		d->error = -EINVAL; /* unless a record came before */
		return false;
	}
	if (reclen > sizeof(d->buf) - d->used && !dents_flush(d))
		return false;
	put_record(d, reclen, name, len, ino, type, next_off);
	d->left -= reclen;
	return true;
}

static long getdents_call(struct task *t, const struct sysargs *args, bool is_old)
{
	struct dents d UNINITIALIZED;
	struct file *f = fd_get(t, (int)args->a[0]);
	int r;

	if (!f)
		return -EBADF;
	d.t = t;
	d.user = args->a[1];
	d.left = (unsigned)args->a[2];
	d.done = d.used = 0;
	d.error = 0;
	d.is_old = is_old;
	if (atomic_load(&f->flags) & O_PATH) {
		r = -EBADF;
	} else {
		r = file_readdir(f, dents_emit, &d, task_vfs_begin(t));
		task_vfs_end(t);
	}
	file_put(f);
	if (d.used && dents_flush(&d))
		return (long)d.done;
	if (d.error == -EFAULT)
		return -EFAULT;
	if (d.done)
		return (long)d.done;
	return r < 0 ? r : d.error;
}

SYSCALL(getdents)
{
	return getdents_call(t, args, true);
}

SYSCALL(getdents64)
{
	return getdents_call(t, args, false);
}

/* ---- the working directory and the root ---- */

SYSCALL(getcwd)
{
	char text[SYSCALL_PATH_MAX] UNINITIALIZED;
	const struct vfs_ctx *ctx = task_vfs_begin(t);
	ssize_t n;
	int r;

	if (path_is_deleted(&ctx->cwd))
		n = -ENOENT;
	else
		n = path_name(&ctx->cwd, &ctx->root, text, sizeof(text));
	task_vfs_end(t);
	if (n < 0)
		return n;
	if ((uint64_t)n > args->a[1])
		return -ERANGE;
	r = syscall_copy_out(t, args->a[0], text, (size_t)n);
	return r < 0 ? r : n;
}

static long do_chdir(struct task *t, const struct vfs_ctx *ctx, const struct path *p,
		     void *arg UNUSED)
{
	int r;

	if (!S_ISDIR(path_inode(p)->mode))
		return -ENOTDIR;
	r = vfs_permission(ctx, path_inode(p), 1);
	if (r == 0)
		fs_context_set_cwd(t->fs, p);
	return r;
}

SYSCALL(chdir)
{
	return syscall_on_path(t, AT_FDCWD, args->a[0], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, do_chdir,
			       NULL);
}

SYSCALL(fchdir)
{
	return syscall_on_fd(t, (int)args->a[0], true, do_chdir, NULL);
}

static long do_chroot(struct task *t, const struct vfs_ctx *ctx, const struct path *p,
		      void *arg UNUSED)
{
	int r = vfs_permission(ctx, path_inode(p), 1);

	if (r < 0)
		return r;
	if (!cred_has_own_cap(ctx->cred, CAP_SYS_CHROOT))
		return -EPERM;
	fs_context_set_root(t->fs, p);
	return 0;
}

SYSCALL(chroot)
{
	return syscall_on_path(t, AT_FDCWD, args->a[0], LOOKUP_FOLLOW | LOOKUP_DIRECTORY, do_chroot,
			       NULL);
}
