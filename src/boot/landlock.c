/*
 * One of the outer walls: Landlock (landlock(7)). The kernel process opens host files
 * beneath the directories that the sandbox was given, and nothing else ever; binds of
 * TCP ports and connections are none of its business. Rights that the host's version
 * does not know are left out.
 */
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "boot/internal.h"
#include "host/host.h"
#include "host/proc.h"

/* linux/landlock.h of newer systems; a right and the version that brought it. */
#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_FIRST ((1ull << 13) - 1)
#define FS_REFER (1ull << 13)     /* 2 */
#define FS_TRUNCATE (1ull << 14)  /* 3 */
#define FS_IOCTL_DEV (1ull << 15) /* 5 */
#define NET_ALL 3ull              /* 4 */

/* What one may do to a file rather than a directory. */
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_READ (FS_READ_FILE | FS_READ_DIR)

static struct landlock_ruleset rights_of(int version)
{
	struct landlock_ruleset rs = { .fs = FS_FIRST };

	if (version >= 2)
		rs.fs |= FS_REFER;
	if (version >= 3)
		rs.fs |= FS_TRUNCATE;
	if (version >= 4)
		rs.net = NET_ALL;
	if (version >= 5)
		rs.fs |= FS_IOCTL_DEV;
	return rs;
}

static int allow(int ruleset, int fd, bool readonly, uint64_t handled)
{
	uint64_t rights = readonly ? FS_READ : handled & ~(FS_EXECUTE | FS_IOCTL_DEV);
	struct stat st;
	int r = host_fstat(fd, &st);

	if (r < 0)
		return r;
	if (!S_ISDIR(st.st_mode))
		rights &= FS_OF_FILES;
	return host_landlock_add_path(ruleset, fd, rights);
}

static int allow_all(int ruleset, const struct launch *l, uint64_t handled)
{
	const struct boot_config *cfg = l->cfg;
	int r = allow(ruleset, l->root_fd, cfg->overlay, handled);

	for (size_t i = 0; r == 0 && i < cfg->nbinds; i++)
		r = allow(ruleset, cfg->binds[i].fd, cfg->binds[i].readonly, handled);
	return r;
}

int landlock_enter(const struct launch *l)
{
	int version = host_landlock_version(), fd, r = 0;
	struct landlock_ruleset rs;

	if (version < 1)
		return version < 0 ? version : -ENOSYS;
	rs = rights_of(version);
	fd = host_landlock_create(&rs, version >= 4 ? sizeof(rs) : sizeof(rs.fs));
	if (fd < 0)
		return fd;
	if (l)
		r = allow_all(fd, l, rs.fs);
	if (r == 0)
		r = host_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (r == 0)
		r = host_landlock_restrict(fd);
	host_close(fd);
	return r;
}
