/* The calls that take a directory descriptor: relative, absolute, AT_FDCWD, a
 * descriptor that is no directory, a bad one. */
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "tmpdir.h"

static int dir, file;

static int exists(const char *name)
{
	return access(name, F_OK) == 0;
}

static void opening(void)
{
	int fd = openat(dir, "a", O_RDWR | O_CREAT | O_EXCL, 0600);

	CHECK(fd >= 0 && exists("d/a"));
	close(fd);
	CHECK_ERR(openat(dir, "a", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERR(openat(-1, "a", O_RDONLY), EBADF);
	CHECK_ERR(openat(9999, "a", O_RDONLY), EBADF);
	CHECK_ERR(openat(file, "a", O_RDONLY), ENOTDIR);
	CHECK_ERR(openat(dir, "", O_RDONLY), ENOENT);
	fd = openat(-1, "/dev/null", O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
	fd = openat(AT_FDCWD, "d/a", O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
	CHECK_ERR(open("d/a", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERR(open("d", O_RDONLY | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERR(open((void *)1, O_RDONLY), EFAULT);
}

static long openat2_(int dirfd, const char *name, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags, .mode = mode, .resolve = resolve };

	return syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
}

static void opening2(void)
{
	struct {
		struct open_how how;
		uint64_t more;
	} big = { .how.flags = O_RDONLY };
	long fd = openat2_(dir, "a", O_RDONLY | O_CLOEXEC, 0, 0);

	CHECK(fd >= 0);
	CHECK_EQ(fcntl((int)fd, F_GETFD), FD_CLOEXEC);
	close((int)fd);
	CHECK_ERR(openat2_(dir, "a", O_RDONLY, 0600, 0), EINVAL);
	CHECK_ERR(openat2_(dir, "a", 1ull << 40, 0, 0), EINVAL);
	CHECK_ERR(openat2_(dir, "a", O_RDONLY, 0, 1ull << 40), EINVAL);
	CHECK_ERR(openat2_(dir, "../d/a", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(openat2_(dir, "/etc", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK(symlinkat("a", dir, "sym") == 0);
	CHECK_ERR(openat2_(dir, "sym", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
	fd = openat2_(dir, "/a", O_RDONLY, 0, RESOLVE_IN_ROOT);
	CHECK(fd >= 0);
	close((int)fd);
	CHECK_ERR(syscall(SYS_openat2, dir, "a", &big, 8), EINVAL);
	fd = syscall(SYS_openat2, dir, "a", &big, sizeof(big));
	CHECK(fd >= 0);
	close((int)fd);
	big.more = 1;
	CHECK_ERR(syscall(SYS_openat2, dir, "a", &big, sizeof(big)), E2BIG);
}

static void making(void)
{
	struct stat st;
	char text[16];

	CHECK(mkdirat(dir, "sub", 0755) == 0 && exists("d/sub"));
	CHECK_ERR(mkdirat(dir, "sub", 0755), EEXIST);
	CHECK_ERR(mkdirat(file, "sub", 0755), ENOTDIR);
	CHECK(mknodat(dir, "fifo", S_IFIFO | 0600, 0) == 0);
	CHECK(stat("d/fifo", &st) == 0 && S_ISFIFO(st.st_mode));
	CHECK(symlinkat("target", dir, "l") == 0);
	CHECK_EQ(readlinkat(dir, "l", text, sizeof(text)), 6);
	CHECK(memcmp(text, "target", 6) == 0);
	CHECK_EQ(readlinkat(dir, "l", text, 3), 3);
	CHECK_ERR(readlinkat(dir, "l", text, 0), EINVAL);
	CHECK_ERR(readlinkat(dir, "a", text, sizeof(text)), EINVAL);
	CHECK_ERR(symlinkat("", dir, "l2"), ENOENT);
	CHECK_ERR(symlinkat("x", dir, "l"), EEXIST);
	CHECK(linkat(dir, "a", dir, "hard", 0) == 0 && exists("d/hard"));
	CHECK_ERR(linkat(dir, "a", dir, "hard", 0), EEXIST);
	CHECK_ERR(linkat(dir, "a", dir, "h", 0x1), EINVAL);
	CHECK_ERR(linkat(dir, "sub", dir, "h", 0), EPERM);
}

static void moving(void)
{
	CHECK(renameat(dir, "hard", AT_FDCWD, "moved") == 0);
	CHECK(!exists("d/hard") && exists("moved"));
	close(tmpdir_file("other", ""));
	CHECK_ERR(renameat2(AT_FDCWD, "moved", AT_FDCWD, "other", RENAME_NOREPLACE), EEXIST);
	CHECK_ERR(renameat2(AT_FDCWD, "moved", AT_FDCWD, "other", 0x80), EINVAL);
	CHECK(renameat2(AT_FDCWD, "moved", AT_FDCWD, "new", RENAME_NOREPLACE) == 0);
	CHECK(renameat2(AT_FDCWD, "new", dir, "sub", RENAME_EXCHANGE) == 0);
	CHECK(renameat2(AT_FDCWD, "new", dir, "sub", RENAME_EXCHANGE) == 0);
	CHECK_ERR(renameat(dir, "missing", dir, "x"), ENOENT);
	CHECK_ERR(renameat(AT_FDCWD, "d", dir, "sub/x"), EINVAL);
	CHECK_ERR(renameat(AT_FDCWD, "new", dir, "sub"), EISDIR);
	CHECK_ERR(renameat(dir, "sub", AT_FDCWD, "new"), ENOTDIR);
	CHECK(rename("new", "other") == 0 && !exists("new"));
}

static void attributes(void)
{
	struct timespec ts[2] = { { 100, 5 }, { 200, 7 } };
	struct stat st;

	CHECK(fchmodat(dir, "a", 0640, 0) == 0);
	CHECK(fchownat(dir, "a", (uid_t)-1, (gid_t)-1, 0) == 0);
	CHECK(utimensat(dir, "a", ts, 0) == 0);
	CHECK(fstatat(dir, "a", &st, 0) == 0);
	CHECK_EQ(st.st_mode & 07777, 0640);
	CHECK_EQ(st.st_atim.tv_sec, 100);
	CHECK_EQ(st.st_mtim.tv_sec, 200);
	CHECK_EQ(st.st_mtim.tv_nsec, 7);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_sec = 300;
	CHECK(utimensat(dir, "a", ts, 0) == 0);
	CHECK(fstatat(dir, "a", &st, 0) == 0);
	CHECK_EQ(st.st_atim.tv_sec, 100);
	CHECK_EQ(st.st_mtim.tv_sec, 300);
	ts[1].tv_nsec = 1000000000;
	CHECK_ERR(utimensat(dir, "a", ts, 0), EINVAL);
	ts[0].tv_nsec = ts[1].tv_nsec = UTIME_OMIT;
	CHECK(utimensat(dir, "not there", ts, 0) == 0);
	CHECK(utimensat(dir, "a", NULL, 0) == 0);
	CHECK(fstatat(dir, "a", &st, 0) == 0 && st.st_mtim.tv_sec > 1000000);
	CHECK_ERR(utimensat(dir, "a", NULL, 0x40), EINVAL);
}

static void removing(void)
{
	CHECK_ERR(unlinkat(dir, "sub", 0), EISDIR);
	CHECK_ERR(unlinkat(dir, "a", AT_REMOVEDIR), ENOTDIR);
	CHECK_ERR(unlinkat(dir, "a", 0x1), EINVAL);
	close(tmpdir_file("d/sub/x", ""));
	CHECK_ERR(unlinkat(dir, "sub", AT_REMOVEDIR), ENOTEMPTY);
	CHECK(unlinkat(dir, "sub/x", 0) == 0);
	CHECK(unlinkat(dir, "sub", AT_REMOVEDIR) == 0);
	CHECK_ERR(unlinkat(dir, "sub", AT_REMOVEDIR), ENOENT);
	CHECK_ERR(rmdir("."), EINVAL);
	CHECK_ERR(rmdir("d/.."), ENOTEMPTY);
	CHECK_ERR(unlink(""), ENOENT);
}

int main(void)
{
	tmpdir_enter();
	umask(022);
	CHECK(mkdir("d", 0755) == 0);
	dir = open("d", O_RDONLY | O_DIRECTORY);
	file = tmpdir_file("f", "");
	CHECK(dir >= 0);
	opening();
	opening2();
	making();
	moving();
	attributes();
	removing();
	return 0;
}
