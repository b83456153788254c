/* The backend that serves a host directory: each op is one host call. */
#include <linux/openat2.h>
#include <linux/stat.h>

#include "fs/remote/internal.h"

#define STATX_WANTED (STATX_BASIC_STATS | STATX_BTIME)

static int hostdir_stat(int dir, const char *name, struct statx *stx)
{
	return host_statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_WANTED, stx);
}

static int hostdir_fstat(int fd, struct statx *stx)
{
	return host_statx(fd, "", AT_EMPTY_PATH, STATX_WANTED, stx);
}

static int hostdir_open(int dir, const char *name, int flags, uint32_t mode)
{
	/* With O_PATH openat2 takes no flag that means nothing. */
	int harmless = flags & O_PATH ? 0 : O_NOCTTY | O_NONBLOCK;

	return host_openat2(dir, name, (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC | harmless), mode,
			    RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS);
}

static ssize_t hostdir_readlink(int dir, const char *name, char *buf, size_t size)
{
	return host_readlinkat(dir, name, buf, size);
}

static int hostdir_mkdir(int dir, const char *name, uint32_t mode)
{
	return host_mkdirat(dir, name, mode);
}

static int hostdir_symlink(const char *target, int dir, const char *name)
{
	return host_symlinkat(target, dir, name);
}

static int hostdir_link(int olddir, const char *oldname, int newdir, const char *newname)
{
	return host_linkat(olddir, oldname, newdir, newname, 0);
}

static int hostdir_unlink(int dir, const char *name, bool is_dir)
{
	return host_unlinkat(dir, name, is_dir ? AT_REMOVEDIR : 0);
}

static int hostdir_rename(int olddir, const char *oldname, int newdir, const char *newname,
			  unsigned flags)
{
	return host_renameat2(olddir, oldname, newdir, newname, flags);
}

const struct remote_ops hostdir_ops = {
	.stat = hostdir_stat,
	.fstat = hostdir_fstat,
	.open = hostdir_open,
	.readlink = hostdir_readlink,
	.mkdir = hostdir_mkdir,
	.symlink = hostdir_symlink,
	.link = hostdir_link,
	.unlink = hostdir_unlink,
	.rename = hostdir_rename,
};
