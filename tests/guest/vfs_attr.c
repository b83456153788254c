/* chmod, chown, access, utimensat, truncate and statx: what they change, what
 * they take along, and who may. */
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "tmpdir.h"

static struct stat st_of(const char *name)
{
	struct stat st;

	CHECK(lstat(name, &st) == 0);
	return st;
}

static void chmods(void)
{
	int fd = tmpdir_file("f", "hello");

	CHECK(chmod("f", 07777) == 0);
	CHECK_EQ(st_of("f").st_mode, S_IFREG | 07777);
	CHECK(fchmod(fd, 0600) == 0);
	CHECK_EQ(st_of("f").st_mode, S_IFREG | 0600);
	CHECK(fchmodat(AT_FDCWD, "f", 0644, 0) == 0);
	CHECK_ERR(chmod("none", 0600), ENOENT);
	CHECK_ERR(chmod("f/", 0600), ENOTDIR);
	CHECK(symlink("f", "s") == 0);
	CHECK(chmod("s", 0640) == 0);
	CHECK_EQ(st_of("f").st_mode, S_IFREG | 0640);
	close(fd);
}

static void chowns(void)
{
	struct stat st = st_of("f");

	CHECK(chown("f", -1, -1) == 0);
	CHECK(chown("f", st.st_uid, st.st_gid) == 0);
	CHECK_ERR(chown("none", 0, 0), ENOENT);
	if (geteuid() != 0) {
		CHECK_ERR(chown("f", 0, -1), EPERM);
		CHECK_ERR(chown("f", -1, 0), EPERM);
		return;
	}
	CHECK(chmod("f", 06755) == 0);
	CHECK(chown("f", 1000, 1001) == 0);
	CHECK_EQ(st_of("f").st_uid, 1000);
	CHECK_EQ(st_of("f").st_gid, 1001);
	CHECK_EQ(st_of("f").st_mode & 07777, 0755); /* the bits go, even for root */
	CHECK(lchown("s", 7, 8) == 0);
	CHECK_EQ(st_of("s").st_uid, 7);
	CHECK_EQ(st_of("f").st_uid, 1000);
	CHECK(chmod("f", 0644) == 0);
}

static void a_write_by_another_drops_setuid(void)
{
	int fd = tmpdir_file("suid", "x");

	CHECK(fchmod(fd, 06777) == 0);
	if (geteuid() == 0) {
		CHECK(chmod(".", 0755) == 0);
		CHECK(setegid(65534) == 0 && seteuid(65534) == 0);
	}
	CHECK_EQ(write(fd, "y", 1), 1);
	CHECK_EQ(st_of("suid").st_mode & 07777, 0777);
	if (getuid() == 0)
		CHECK(seteuid(0) == 0 && setegid(0) == 0);
	close(fd);
}

static void accesses(void)
{
	CHECK(chmod("f", 0000) == 0);
	CHECK(access("f", F_OK) == 0);
	CHECK_ERR(access("none", F_OK), ENOENT);
	CHECK_ERR(access("f", 8), EINVAL);
	if (geteuid() == 0) {
		CHECK(access("f", R_OK | W_OK) == 0);
		CHECK_ERR(access("f", X_OK), EACCES); /* no execute bit at all */
		CHECK(chmod("f", 0001) == 0);
		CHECK(access("f", X_OK) == 0);
	} else {
		CHECK_ERR(access("f", R_OK), EACCES);
		CHECK_ERR(access("f", W_OK), EACCES);
		CHECK(chmod("f", 0500) == 0);
		CHECK(access("f", R_OK | X_OK) == 0);
		CHECK_ERR(access("f", W_OK), EACCES);
	}
	CHECK(chmod("f", 0644) == 0);
	CHECK(syscall(SYS_faccessat2, AT_FDCWD, "s", F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK_ERR(syscall(SYS_faccessat2, AT_FDCWD, "f", F_OK, 0x10), EINVAL);
}

static void times(void)
{
	struct timespec t[2] = { { 1000000000, 5 }, { 1234567890, 123456789 } };
	struct stat before, st;

	CHECK(utimensat(AT_FDCWD, "f", t, 0) == 0);
	st = st_of("f");
	CHECK_EQ(st.st_atim.tv_sec, 1000000000);
	CHECK_EQ(st.st_atim.tv_nsec, 5);
	CHECK_EQ(st.st_mtim.tv_sec, 1234567890);
	CHECK_EQ(st.st_mtim.tv_nsec, 123456789);
	CHECK(st.st_ctim.tv_sec > 1234567890);
	t[0].tv_nsec = UTIME_OMIT;
	t[1].tv_nsec = UTIME_NOW;
	CHECK(utimensat(AT_FDCWD, "f", t, 0) == 0);
	st = st_of("f");
	CHECK_EQ(st.st_atim.tv_sec, 1000000000);
	CHECK(st.st_mtim.tv_sec > 1234567890);
	t[1].tv_nsec = 1000000000;
	CHECK_ERR(utimensat(AT_FDCWD, "f", t, 0), EINVAL);
	t[1].tv_nsec = UTIME_OMIT;
	CHECK(utimensat(AT_FDCWD, "f", t, 0) == 0);
	t[0] = t[1] = (struct timespec){ 1, 2 };
	CHECK(utimensat(AT_FDCWD, "s", t, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK_EQ(st_of("s").st_mtim.tv_sec, 1);
	CHECK(utimensat(AT_FDCWD, "f", t, 0) == 0);
	before = st_of("f");
	int fd = open("f", O_RDWR);
	CHECK_EQ(write(fd, "z", 1), 1);
	close(fd);
	CHECK(st_of("f").st_mtim.tv_sec > before.st_mtim.tv_sec);
	CHECK(mkdir("d", 0755) == 0);
	CHECK(utimensat(AT_FDCWD, "d", t, 0) == 0);
	CHECK(close(open("d/x", O_CREAT | O_WRONLY, 0600)) == 0);
	CHECK(st_of("d").st_mtim.tv_sec > 1);
	CHECK(utimensat(AT_FDCWD, "d", t, 0) == 0);
	CHECK(unlink("d/x") == 0);
	CHECK(st_of("d").st_mtim.tv_sec > 1);
}

static void truncates(void)
{
	char buf[16] = "";
	int fd = tmpdir_file("t", "0123456789");

	CHECK(ftruncate(fd, 4) == 0);
	CHECK_EQ(st_of("t").st_size, 4);
	CHECK(truncate("t", 8) == 0);
	CHECK_EQ(pread(fd, buf, 16, 0), 8);
	CHECK(memcmp(buf, "0123\0\0\0\0", 8) == 0);
	CHECK(truncate("t", 5000000000) == 0); /* sparse */
	CHECK_EQ(st_of("t").st_size, 5000000000);
	CHECK(st_of("t").st_blocks < 1000);
	CHECK_EQ(pread(fd, buf, 16, 4999999990), 10);
	CHECK_ERR(ftruncate(fd, -1), EINVAL);
	CHECK_ERR(truncate("d", 0), EISDIR);
	CHECK_ERR(truncate("none", 0), ENOENT);
	close(fd);
	fd = open("t", O_RDONLY);
	CHECK_ERR(ftruncate(fd, 0), EINVAL);
	close(fd);
	CHECK(mkfifo("p", 0600) == 0);
	CHECK_ERR(truncate("p", 0), EINVAL);
}

static void statxes(void)
{
	struct statx x;

	CHECK(statx(AT_FDCWD, "t", 0, STATX_BASIC_STATS, &x) == 0);
	CHECK_EQ(x.stx_size, 5000000000);
	CHECK((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
	CHECK_EQ(x.stx_nlink, 1);
	CHECK_ERR(statx(AT_FDCWD, "t", 0x10, STATX_BASIC_STATS, &x), EINVAL);
	CHECK_ERR(statx(AT_FDCWD, "", 0, STATX_BASIC_STATS, &x), ENOENT);
	CHECK(statx(AT_FDCWD, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x) == 0);
	CHECK(S_ISDIR(x.stx_mode));
}

int main(void)
{
	umask(022);
	tmpdir_enter();
	chmods();
	chowns();
	a_write_by_another_drops_setuid();
	accesses();
	times();
	truncates();
	statxes();
	return 0;
}
