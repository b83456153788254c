/* mount(2) of new file systems: tmpfs with its options, proc, sysfs, devpts; busy mounts,
 * wrong types and options. Natively in a mount namespace of its own. */
#include <sys/statfs.h>

#include "mountns.h"

#define TMPFS 0x01021994
#define PROC 0x9fa0
#define SYSFS 0x62656572
#define DEVPTS 0x1cd1

static void check_type(const char *type, long magic)
{
	struct statfs st;

	CHECK(mount("none", "m", type, 0, NULL) == 0);
	CHECK(statfs("m", &st) == 0);
	CHECK(st.f_type == magic);
	CHECK(umount("m") == 0);
}

static void check_tmpfs(void)
{
	static char page[4096];
	struct statfs sf;
	struct stat st;
	unsigned n = 0;
	int fd;

	CHECK(mount("none", "m", "tmpfs", MS_NOSUID, "size=64k,mode=0750,uid=7,gid=8") == 0);
	CHECK(stat("m", &st) == 0);
	CHECK((st.st_mode & 07777) == 0750 && st.st_uid == 7 && st.st_gid == 8);
	CHECK(statfs("m", &sf) == 0);
	CHECK(sf.f_blocks * (unsigned long)sf.f_bsize == 65536);
	CHECK((fd = open("m/f", O_RDWR | O_CREAT, 0600)) >= 0);
	while (write(fd, page, sizeof(page)) == (ssize_t)sizeof(page))
		n++;
	CHECK(errno == ENOSPC && n == 16);
	CHECK_ERR(umount("m"), EBUSY);
	CHECK(close(fd) == 0 && umount("m") == 0);
	CHECK_ERR(access("m/f", F_OK), ENOENT);
	CHECK_ERR(umount("m"), EINVAL);
	CHECK(mount("none", "m", "tmpfs", 0, "nr_blocks=3,mode=17755,huge=never,nr_inodes=1k") ==
	      0);
	CHECK(stat("m", &st) == 0 && (st.st_mode & 07777) == 07755);
	CHECK(statfs("m", &sf) == 0);
	CHECK(sf.f_blocks * (unsigned long)sf.f_bsize == 3 * 4096);
	CHECK(umount("m") == 0);
	/* Detached at once, gone with its last user. */
	CHECK(mount("none", "m", "tmpfs", 0, "") == 0);
	CHECK((fd = open("m/g", O_RDWR | O_CREAT, 0600)) >= 0);
	CHECK(umount2("m", MNT_DETACH) == 0);
	CHECK_ERR(access("m/g", F_OK), ENOENT);
	CHECK(write(fd, "x", 1) == 1 && close(fd) == 0);
}

static void check_errors(void)
{
	static const char *const wrong[] = { "size=x",   "size=1q",     "mode=9",      "uid=-2",
					     "nonsense", "size",        "nr_inodes=x", "huge=x",
					     "size= 1",  "nr_blocks=1%" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK_ERR(mount("none", "m", "tmpfs", 0, wrong[i]), EINVAL);
	CHECK_ERR(mount("none", "m", "nosuchfs", 0, NULL), ENODEV);
	CHECK_ERR(mount("none", "nowhere", "tmpfs", 0, NULL), ENOENT);
	CHECK_ERR(mount("none", "m", NULL, 0, NULL), EINVAL);
	CHECK_ERR(mount("none", "m", (char *)1, 0, NULL), EFAULT);
	CHECK_ERR(umount2("m", 0x100), EINVAL);
}

int main(void)
{
	mountns_enter();
	tmpdir_enter();
	CHECK(mkdir("m", 0700) == 0);
	check_tmpfs();
	check_type("tmpfs", TMPFS);
	check_type("proc", PROC);
	check_type("sysfs", SYSFS);
	check_type("devpts", DEVPTS);
	check_errors();
	return 0;
}
