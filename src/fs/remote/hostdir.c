/*
 * The backend that serves a host directory: each op is one host call on one
 * name beneath a directory descriptor, or on an open descriptor.
 *
 * Opening goes through openat2 with RESOLVE_BENEATH, NO_SYMLINKS and
 * NO_MAGICLINKS, and with O_NONBLOCK, so that a fifo or a lease that somebody
 * puts in the way holds nobody up. Hosts without openat2 are older than what
 * nacre runs on. Everything else by name either does not follow a final symlink
 * by definition (mkdirat, unlinkat, renameat2, linkat, symlinkat, mknodat,
 * readlinkat) or is told not to (statx); a single component has no others.
 */
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "fs/remote/internal.h"

#ifndef O_TMPFILE
#define O_TMPFILE (020000000 | O_DIRECTORY)
#endif

#define STATX_WANTED (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)

static int fd_of(const struct remote_handle *h)
{
	return h->host->fd;
}

static int handle_of(struct remote_backend *b, int fd, const char *what, struct remote_handle **out)
{
	struct hostfd *host;
	int r = fd < 0 ? fd : hostfd_create(fd, what, &host);

	if (r < 0)
		return r;
	*out = remote_handle_create(b, host, 0);
	return *out ? 0 : -ENOMEM;
}

/* ---- names ---- */

static int hostdir_lookup(struct remote_handle *dir, const char *name, struct statx *stx)
{
	return host_statx(fd_of(dir), name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_WANTED,
			  stx);
}

static int hostdir_getattr(struct remote_handle *h, struct statx *stx)
{
	return host_statx(fd_of(h), "", AT_EMPTY_PATH, STATX_WANTED, stx);
}

static int open_beneath(struct remote_handle *dir, const char *name, int flags, uint32_t mode)
{
	flags |= O_NOFOLLOW | O_CLOEXEC;
	if (!(flags & O_PATH))
		flags |= O_NOCTTY | O_NONBLOCK | O_LARGEFILE;
	return host_openat2(fd_of(dir), name, (uint64_t)(unsigned)flags, mode,
			    RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS);
}

/* A symlink has an O_PATH handle too: NO_SYMLINKS lets O_NOFOLLOW do that. */
static int hostdir_open(struct remote_handle *dir, const char *name, int flags, uint32_t mode,
			struct remote_handle **out)
{
	int fd = open_beneath(dir, name, flags, mode);

	return handle_of(dir->backend, fd, "remote file", out);
}

static int hostdir_tmpfile(struct remote_handle *dir, uint32_t mode, struct remote_handle **out)
{
	int fd = open_beneath(dir, ".", O_TMPFILE | O_RDWR, mode);

	return handle_of(dir->backend, fd == -EISDIR ? -EOPNOTSUPP : fd, "remote file", out);
}

static int hostdir_open_dir(struct remote_handle *dir, struct remote_handle **out)
{
	int fd = open_beneath(dir, ".", O_RDONLY | O_DIRECTORY, 0);

	return handle_of(dir->backend, fd, "remote directory", out);
}

static ssize_t hostdir_readdir(struct remote_handle *h, void *buf, size_t size)
{
	return host_getdents64(fd_of(h), buf, size);
}

static ssize_t hostdir_readlink(struct remote_handle *dir, const char *name, char *buf, size_t size)
{
	return host_readlinkat(fd_of(dir), name, buf, size);
}

static int hostdir_mkdir(struct remote_handle *dir, const char *name, uint32_t mode)
{
	return host_mkdirat(fd_of(dir), name, mode);
}

static int hostdir_mknod(struct remote_handle *dir, const char *name, uint32_t mode)
{
	return host_mknodat(fd_of(dir), name, mode, 0);
}

static int hostdir_symlink(const char *target, struct remote_handle *dir, const char *name)
{
	return host_symlinkat(target, fd_of(dir), name);
}

static int hostdir_link(struct remote_handle *olddir, const char *oldname,
			struct remote_handle *newdir, const char *newname)
{
	return host_linkat(fd_of(olddir), oldname, fd_of(newdir), newname, 0);
}

/* By descriptor where the host lets us, else through its /proc, if it is
 * there. */
static int hostdir_link_handle(struct remote_handle *h, struct remote_handle *newdir,
			       const char *newname)
{
	char self[64];
	int r = host_linkat(fd_of(h), "", fd_of(newdir), newname, AT_EMPTY_PATH);

	if (r != -ENOENT && r != -EPERM)
		return r;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd_of(h));
	return host_linkat(AT_FDCWD, self, fd_of(newdir), newname, AT_SYMLINK_FOLLOW);
}

static int hostdir_unlink(struct remote_handle *dir, const char *name, bool is_dir)
{
	return host_unlinkat(fd_of(dir), name, is_dir ? AT_REMOVEDIR : 0);
}

static int hostdir_rename(struct remote_handle *olddir, const char *oldname,
			  struct remote_handle *newdir, const char *newname, unsigned flags)
{
	return host_renameat2(fd_of(olddir), oldname, fd_of(newdir), newname, flags);
}

/* ---- attributes ---- */

/* An O_PATH descriptor refuses fchmod(); fchmodat2() is of Linux 6.6, and before
 * it only /proc leads from such a descriptor to its file. */
static int hostdir_chmod(struct remote_handle *h, uint32_t mode)
{
	char self[64];
	int r = host_fchmod(fd_of(h), mode);

	if (r != -EBADF)
		return r;
	r = host_fchmodat(fd_of(h), "", mode, AT_EMPTY_PATH);
	if (r != -ENOSYS && r != -EINVAL)
		return r;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd_of(h));
	r = host_fchmodat(AT_FDCWD, self, mode, 0);
	return r == -ENOENT ? -EOPNOTSUPP : r;
}

static int hostdir_chown(struct remote_handle *h, uint32_t uid, uint32_t gid)
{
	return host_fchownat(fd_of(h), "", uid, gid, AT_EMPTY_PATH);
}

static int hostdir_utimens(struct remote_handle *h, const struct timespec times[2])
{
	return host_utimensat(fd_of(h), "", times, AT_EMPTY_PATH);
}

/* ---- open files ---- */

static ssize_t hostdir_read(struct remote_handle *h, const struct iovec *iov, int count,
			    uint64_t off, int rwf)
{
	return host_preadv2(fd_of(h), iov, count, (int64_t)off, rwf);
}

static ssize_t hostdir_write(struct remote_handle *h, const struct iovec *iov, int count,
			     uint64_t off, int rwf)
{
	return host_pwritev2(fd_of(h), iov, count, (int64_t)off, rwf);
}

static int hostdir_truncate(struct remote_handle *h, uint64_t size)
{
	return host_ftruncate(fd_of(h), size);
}

static int hostdir_fallocate(struct remote_handle *h, int mode, uint64_t off, uint64_t size)
{
	return host_fallocate(fd_of(h), mode, off, size);
}

static int hostdir_fsync(struct remote_handle *h, bool data_only)
{
	return data_only ? host_fdatasync(fd_of(h)) : host_fsync(fd_of(h));
}

static int hostdir_sync_range(struct remote_handle *h, uint64_t off, uint64_t size, unsigned flags)
{
	return host_sync_file_range(fd_of(h), off, size, flags);
}

static int64_t hostdir_seek(struct remote_handle *h, int64_t off, int whence)
{
	return host_lseek(fd_of(h), off, whence);
}

static int hostdir_fadvise(struct remote_handle *h, uint64_t off, uint64_t size, int advice)
{
	return host_fadvise(fd_of(h), off, size, advice);
}

static ssize_t hostdir_copy(struct remote_handle *in, uint64_t in_off, struct remote_handle *out,
			    uint64_t out_off, size_t size)
{
	int64_t from = (int64_t)in_off, to = (int64_t)out_off;

	return host_copy_file_range(fd_of(in), &from, fd_of(out), &to, size, 0);
}

static ssize_t hostdir_getxattr(struct remote_handle *h, const char *name, void *buf, size_t size)
{
	return host_fgetxattr(fd_of(h), name, buf, size);
}

static int hostdir_setxattr(struct remote_handle *h, const char *name, const void *val, size_t size,
			    int flags)
{
	return host_fsetxattr(fd_of(h), name, val, size, flags);
}

static ssize_t hostdir_listxattr(struct remote_handle *h, char *buf, size_t size)
{
	return host_flistxattr(fd_of(h), buf, size);
}

static int hostdir_removexattr(struct remote_handle *h, const char *name)
{
	return host_fremovexattr(fd_of(h), name);
}

/* ---- the whole ---- */

static int hostdir_statfs(struct remote_handle *root, struct kstatfs *out)
{
	struct statfs st;
	int r = host_fstatfs(fd_of(root), &st);

	if (r < 0)
		return r;
	*out = (struct kstatfs){
		.type = (uint64_t)st.f_type,
		.bsize = (uint64_t)st.f_bsize,
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.namelen = (uint64_t)st.f_namelen,
		.frsize = (uint64_t)st.f_frsize,
	};
	return 0;
}

static int hostdir_sync(struct remote_handle *root)
{
	struct remote_handle *h;
	int r = hostdir_open_dir(root, &h);

	if (r < 0)
		return r;
	r = host_syncfs(fd_of(h));
	remote_handle_put(h);
	return r;
}

const struct remote_ops hostdir_ops = {
	.lookup = hostdir_lookup,
	.getattr = hostdir_getattr,
	.open = hostdir_open,
	.tmpfile = hostdir_tmpfile,
	.open_dir = hostdir_open_dir,
	.readdir = hostdir_readdir,
	.readlink = hostdir_readlink,
	.mkdir = hostdir_mkdir,
	.mknod = hostdir_mknod,
	.symlink = hostdir_symlink,
	.link = hostdir_link,
	.link_handle = hostdir_link_handle,
	.unlink = hostdir_unlink,
	.rename = hostdir_rename,
	.chmod = hostdir_chmod,
	.chown = hostdir_chown,
	.utimens = hostdir_utimens,
	.read = hostdir_read,
	.write = hostdir_write,
	.truncate = hostdir_truncate,
	.fallocate = hostdir_fallocate,
	.fsync = hostdir_fsync,
	.sync_range = hostdir_sync_range,
	.seek = hostdir_seek,
	.fadvise = hostdir_fadvise,
	.copy = hostdir_copy,
	.getxattr = hostdir_getxattr,
	.setxattr = hostdir_setxattr,
	.listxattr = hostdir_listxattr,
	.removexattr = hostdir_removexattr,
	.statfs = hostdir_statfs,
	.sync = hostdir_sync,
};

/* Stateless: one for all mounts. */
static struct remote_backend hostdir = { .ops = &hostdir_ops };

/* A single file that came as O_PATH: opened for what it allows. */
static int reopen(int fd, bool readonly)
{
	char self[64];
	int r = -EACCES;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (!readonly)
		r = host_openat(AT_FDCWD, self, O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
	if (r < 0)
		r = host_openat(AT_FDCWD, self, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
	host_close(fd);
	return r;
}

int remote_mount_hostdir(int fd, const struct remote_options *opt, struct super **out)
{
	struct remote_options mine = *opt;
	struct remote_handle *root;
	struct stat st;
	int flags, r = host_fstat(fd, &st);

	*out = NULL;
	flags = r < 0 ? r : host_fcntl(fd, F_GETFL, 0);
	if (flags < 0) {
		host_close(fd);
		return flags;
	}
	if (S_ISREG(st.st_mode) && (flags & O_PATH)) {
		fd = reopen(fd, opt->readonly);
		flags = fd < 0 ? fd : host_fcntl(fd, F_GETFL, 0);
		if (fd < 0)
			return fd;
	}
	if (S_ISREG(st.st_mode) && (flags & O_ACCMODE) == O_RDONLY)
		mine.readonly = true;
	r = handle_of(&hostdir, fd, "remote root", &root);
	return r < 0 ? r : remote_mount(&hostdir, root, &mine, out);
}
