#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "host/host.h"
#include "host/internal.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

int host_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve };

	return (int)HOST_RETRY(
		syscall(SYS_openat2, dirfd, path, &how, sizeof(how))); /* host: openat2 */
}

int host_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return (int)HOST_RETRY(openat(dirfd, path, flags | O_CLOEXEC, mode)); /* host: openat */
}

int host_close(int fd)
{
	return (int)HOST_CALL(close(fd)); /* host: close */
}

int host_close_range(unsigned first, unsigned last)
{
	return (int)HOST_CALL(
		syscall(SYS_close_range, first, last, 0)); /* host-setup: close_range */
}

ssize_t host_read(int fd, void *buf, size_t size)
{
	return HOST_RETRY(read(fd, buf, size)); /* host: read */
}

ssize_t host_write(int fd, const void *buf, size_t size)
{
	return HOST_RETRY(write(fd, buf, size)); /* host: write */
}

ssize_t host_pread(int fd, void *buf, size_t size, fileoff_t off)
{
	return HOST_RETRY(pread(fd, buf, size, (off_t)off)); /* host: pread64 */
}

ssize_t host_pwrite(int fd, const void *buf, size_t size, fileoff_t off)
{
	return HOST_RETRY(pwrite(fd, buf, size, (off_t)off)); /* host: pwrite64 */
}

ssize_t host_readv(int fd, const struct iovec *iov, int count)
{
	return HOST_RETRY(readv(fd, iov, count)); /* host: readv */
}

ssize_t host_writev(int fd, const struct iovec *iov, int count)
{
	return HOST_RETRY(writev(fd, iov, count)); /* host: writev */
}

/* preadv2 and pwritev2 go past libc, which emulates them on old hosts. */

ssize_t host_preadv2(int fd, const struct iovec *iov, int count, int64_t off, int flags)
{
	return HOST_RETRY(syscall(SYS_preadv2, fd, iov, count, off, 0L, flags)); /* host: preadv2 */
}

ssize_t host_pwritev2(int fd, const struct iovec *iov, int count, int64_t off, int flags)
{
	return HOST_RETRY(
		syscall(SYS_pwritev2, fd, iov, count, off, 0L, flags)); /* host: pwritev2 */
}

int64_t host_lseek(int fd, int64_t off, int whence)
{
	return HOST_CALL(lseek(fd, off, whence)); /* host: lseek */
}

ssize_t host_copy_file_range(int in, int64_t *in_off, int out, int64_t *out_off, size_t size,
			     unsigned flags)
{
	return HOST_RETRY(
		copy_file_range(in, in_off, out, out_off, size, flags)); /* host: copy_file_range */
}

ssize_t host_splice(int in, int64_t *in_off, int out, int64_t *out_off, size_t size, unsigned flags)
{
	return HOST_RETRY(splice(in, in_off, out, out_off, size, flags)); /* host: splice */
}

int host_fstat(int fd, struct stat *st)
{
	return (int)HOST_CALL(fstat(fd, st)); /* host: fstat newfstatat */
}

int host_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	return (int)HOST_CALL(fstatat(dirfd, path, st, flags)); /* host: newfstatat */
}

int host_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *stx)
{
	return (int)HOST_CALL(syscall(SYS_statx, dirfd, path, flags, mask, stx)); /* host: statx */
}

int host_fstatfs(int fd, struct statfs *st)
{
	return (int)HOST_RETRY(fstatfs(fd, st)); /* host: fstatfs */
}

int host_faccessat(int dirfd, const char *path, int mode, int flags)
{
	return (int)HOST_CALL(faccessat(dirfd, path, mode, flags)); /* host: faccessat faccessat2 */
}

ssize_t host_getdents64(int fd, void *buf, size_t size)
{
	return HOST_CALL(syscall(SYS_getdents64, fd, buf, size)); /* host: getdents64 */
}

ssize_t host_readlinkat(int dirfd, const char *path, char *buf, size_t size)
{
	return HOST_CALL(readlinkat(dirfd, path, buf, size)); /* host: readlinkat */
}

int host_ftruncate(int fd, fileoff_t size)
{
	return (int)HOST_RETRY(ftruncate(fd, (off_t)size)); /* host: ftruncate */
}

int host_fallocate(int fd, int mode, fileoff_t off, fileoff_t size)
{
	return (int)HOST_RETRY(fallocate(fd, mode, (off_t)off, (off_t)size)); /* host: fallocate */
}

int host_fsync(int fd)
{
	return (int)HOST_RETRY(fsync(fd)); /* host: fsync */
}

int host_fdatasync(int fd)
{
	return (int)HOST_RETRY(fdatasync(fd)); /* host: fdatasync */
}

int host_syncfs(int fd)
{
	return (int)HOST_RETRY(syncfs(fd)); /* host: syncfs */
}

int host_sync_file_range(int fd, fileoff_t off, fileoff_t size, unsigned flags)
{
	return (int)HOST_RETRY(
		sync_file_range(fd, (off_t)off, (off_t)size, flags)); /* host: sync_file_range */
}

int host_fadvise(int fd, fileoff_t off, fileoff_t size, int advice)
{
	/* Returns the error instead of setting errno. */
	return -posix_fadvise(fd, (off_t)off, (off_t)size, advice); /* host: fadvise64 */
}

int host_flock(int fd, int operation)
{
	return (int)HOST_RETRY(flock(fd, operation)); /* host: flock */
}

int host_unlinkat(int dirfd, const char *path, int flags)
{
	return (int)HOST_CALL(unlinkat(dirfd, path, flags)); /* host: unlinkat */
}

int host_mkdirat(int dirfd, const char *path, mode_t mode)
{
	return (int)HOST_CALL(mkdirat(dirfd, path, mode)); /* host: mkdirat */
}

int host_renameat2(int olddir, const char *oldpath, int newdir, const char *newpath, unsigned flags)
{
	return (int)HOST_CALL(syscall(SYS_renameat2, olddir, oldpath, newdir, newpath,
				      flags)); /* host: renameat2 */
}

int host_linkat(int olddir, const char *oldpath, int newdir, const char *newpath, int flags)
{
	return (int)HOST_CALL(linkat(olddir, oldpath, newdir, newpath, flags)); /* host: linkat */
}

int host_symlinkat(const char *target, int dirfd, const char *path)
{
	return (int)HOST_CALL(symlinkat(target, dirfd, path)); /* host: symlinkat */
}

int host_mknodat(int dirfd, const char *path, mode_t mode, dev_t dev)
{
	return (int)HOST_CALL(mknodat(dirfd, path, mode, dev)); /* host: mknodat */
}

int host_fchmod(int fd, mode_t mode)
{
	return (int)HOST_CALL(fchmod(fd, mode)); /* host: fchmod */
}

int host_fchmodat(int dirfd, const char *path, mode_t mode, int flags)
{
	if (flags == 0)
		return (int)HOST_CALL(
			syscall(SYS_fchmodat, dirfd, path, mode)); /* host: fchmodat */
	return (int)HOST_CALL(
		syscall(SYS_fchmodat2, dirfd, path, mode, flags)); /* host: fchmodat2 */
}

int host_fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
	return (int)HOST_CALL(fchownat(dirfd, path, uid, gid, flags)); /* host: fchownat */
}

int host_utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)
{
	/* libc refuses a NULL path. */
	return (int)HOST_CALL(
		syscall(SYS_utimensat, dirfd, path, times, flags)); /* host: utimensat */
}

ssize_t host_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	return HOST_CALL(fgetxattr(fd, name, value, size)); /* host: fgetxattr */
}

ssize_t host_lgetxattr(const char *path, const char *name, void *value, size_t size)
{
	return HOST_CALL(lgetxattr(path, name, value, size)); /* host: lgetxattr */
}

int host_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	return (int)HOST_CALL(fsetxattr(fd, name, value, size, flags)); /* host: fsetxattr */
}

int host_lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
	return (int)HOST_CALL(lsetxattr(path, name, value, size, flags)); /* host: lsetxattr */
}

ssize_t host_flistxattr(int fd, char *list, size_t size)
{
	return HOST_CALL(flistxattr(fd, list, size)); /* host: flistxattr */
}

ssize_t host_llistxattr(const char *path, char *list, size_t size)
{
	return HOST_CALL(llistxattr(path, list, size)); /* host: llistxattr */
}

int host_fremovexattr(int fd, const char *name)
{
	return (int)HOST_CALL(fremovexattr(fd, name)); /* host: fremovexattr */
}

int host_lremovexattr(const char *path, const char *name)
{
	return (int)HOST_CALL(lremovexattr(path, name)); /* host: lremovexattr */
}
