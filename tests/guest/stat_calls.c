/* stat, lstat, fstat, fstatat and statx tell the same story; access; statfs. */
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "tmpdir.h"

static void same(const struct stat *a, const struct stat *b)
{
	CHECK_EQ(a->st_dev, b->st_dev);
	CHECK_EQ(a->st_ino, b->st_ino);
	CHECK_EQ(a->st_mode, b->st_mode);
	CHECK_EQ(a->st_nlink, b->st_nlink);
	CHECK_EQ(a->st_uid, b->st_uid);
	CHECK_EQ(a->st_gid, b->st_gid);
	CHECK_EQ(a->st_size, b->st_size);
	CHECK_EQ(a->st_mtim.tv_sec, b->st_mtim.tv_sec);
	CHECK_EQ(a->st_mtim.tv_nsec, b->st_mtim.tv_nsec);
	CHECK_EQ(a->st_ctim.tv_nsec, b->st_ctim.tv_nsec);
}

static void same_statx(const struct stat *a, const struct statx *x)
{
	CHECK_EQ(x->stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	CHECK_EQ(makedev(x->stx_dev_major, x->stx_dev_minor), a->st_dev);
	CHECK_EQ(x->stx_ino, a->st_ino);
	CHECK_EQ(x->stx_mode, a->st_mode);
	CHECK_EQ(x->stx_nlink, a->st_nlink);
	CHECK_EQ(x->stx_uid, a->st_uid);
	CHECK_EQ(x->stx_gid, a->st_gid);
	CHECK_EQ(x->stx_size, a->st_size);
	CHECK_EQ(x->stx_blocks, a->st_blocks);
	CHECK_EQ(x->stx_mtime.tv_sec, a->st_mtim.tv_sec);
	CHECK_EQ(x->stx_mtime.tv_nsec, a->st_mtim.tv_nsec);
}

static void all_agree(const char *name, int fd)
{
	struct stat a, b;
	struct statx x;

	CHECK(stat(name, &a) == 0);
	CHECK(syscall(SYS_stat, name, &b) == 0);
	same(&a, &b);
	CHECK(syscall(SYS_lstat, name, &b) == 0);
	same(&a, &b);
	CHECK(syscall(SYS_fstat, fd, &b) == 0);
	same(&a, &b);
	CHECK(fstatat(fd, "", &b, AT_EMPTY_PATH) == 0);
	same(&a, &b);
	CHECK(fstatat(AT_FDCWD, name, &b, AT_SYMLINK_NOFOLLOW) == 0);
	same(&a, &b);
	CHECK(statx(AT_FDCWD, name, 0, STATX_BASIC_STATS, &x) == 0);
	same_statx(&a, &x);
	CHECK(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x) == 0);
	same_statx(&a, &x);
}

static void regular_file(void)
{
	struct stat st;
	int fd = tmpdir_file("file", "hello");
	time_t now = time(NULL);

	all_agree("file", fd);
	CHECK(fstat(fd, &st) == 0);
	CHECK(S_ISREG(st.st_mode));
	CHECK_EQ(st.st_mode & 07777, 0644);
	CHECK_EQ(st.st_size, 5);
	CHECK_EQ(st.st_nlink, 1);
	CHECK_EQ(st.st_uid, geteuid());
	CHECK(st.st_blksize > 0);
	CHECK(st.st_mtime <= now + 1 && st.st_mtime >= now - 60);
	CHECK(link("file", "link") == 0);
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_nlink, 2);
	all_agree("link", fd);
	CHECK(unlink("file") == 0 && unlink("link") == 0);
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_nlink, 0);
	close(fd);
}

static void directory_and_symlink(void)
{
	struct stat st, target;
	int fd;

	CHECK(mkdir("dir", 0755) == 0);
	fd = open("dir", O_RDONLY | O_DIRECTORY);
	all_agree("dir", fd);
	CHECK(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode));
	CHECK(symlink("dir", "sym") == 0);
	CHECK(lstat("sym", &st) == 0);
	CHECK(S_ISLNK(st.st_mode));
	CHECK_EQ(st.st_size, 3);
	CHECK(stat("sym", &st) == 0 && stat("dir", &target) == 0);
	same(&st, &target);
	CHECK(fstatat(AT_FDCWD, "sym", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode));
	close(fd);
	fd = open("sym", O_PATH | O_NOFOLLOW);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode));
	close(fd);
}

static void others(void)
{
	struct stat st;
	int ends[2], null_fd = open("/dev/null", O_RDWR);

	CHECK(pipe(ends) == 0);
	CHECK(fstat(ends[0], &st) == 0 && S_ISFIFO(st.st_mode));
	CHECK(fstat(null_fd, &st) == 0 && S_ISCHR(st.st_mode));
	CHECK_EQ(st.st_rdev, makedev(1, 3));
	CHECK(mkfifo("fifo", 0600) == 0);
	CHECK(stat("fifo", &st) == 0 && S_ISFIFO(st.st_mode));
	close(ends[0]);
	close(ends[1]);
	close(null_fd);
}

static void errors(void)
{
	char long_name[300];
	struct stat st;
	struct statx x;
	int fd = tmpdir_file("e", "");

	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	CHECK_ERR(stat("missing", &st), ENOENT);
	CHECK_ERR(stat("", &st), ENOENT);
	CHECK_ERR(stat("e/x", &st), ENOTDIR);
	CHECK_ERR(stat("e/", &st), ENOTDIR);
	CHECK_ERR(stat(long_name, &st), ENAMETOOLONG);
	CHECK_ERR(syscall(SYS_stat, 1L, &st), EFAULT);
	CHECK_ERR(syscall(SYS_stat, "e", 1L), EFAULT);
	CHECK_ERR(syscall(SYS_fstat, fd, 1L), EFAULT);
	CHECK_ERR(fstat(-1, &st), EBADF);
	CHECK_ERR(fstatat(-1, "e", &st, 0), EBADF);
	CHECK_ERR(fstatat(fd, "e", &st, 0), ENOTDIR);
	CHECK_ERR(fstatat(fd, "", &st, 0), ENOENT);
	CHECK_ERR(fstatat(AT_FDCWD, "e", &st, 0x40000000), EINVAL);
	CHECK_ERR(statx(AT_FDCWD, "e", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, 0, &x), EINVAL);
	CHECK_ERR(statx(AT_FDCWD, "e", 0, 0x80000000, &x), EINVAL);
	CHECK(symlink("loop", "loop") == 0);
	CHECK_ERR(stat("loop", &st), ELOOP);
	CHECK(lstat("loop", &st) == 0);
	close(fd);
}

static void accesses(void)
{
	close(tmpdir_file("acc", ""));
	CHECK(chmod("acc", 0400) == 0);
	CHECK(access("acc", F_OK) == 0);
	CHECK(access("acc", R_OK) == 0);
	if (geteuid() != 0)
		CHECK_ERR(access("acc", W_OK), EACCES);
	CHECK_ERR(access("acc", X_OK), EACCES);
	CHECK_ERR(access("acc", 8), EINVAL);
	CHECK_ERR(access("none", F_OK), ENOENT);
	CHECK(symlink("none", "dangling") == 0);
	CHECK_ERR(access("dangling", F_OK), ENOENT);
	CHECK(faccessat(AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK(faccessat(AT_FDCWD, "acc", R_OK, AT_EACCESS) == 0);
	CHECK(chmod("acc", 0500) == 0);
	CHECK(access("acc", R_OK | X_OK) == 0);
}

static void file_systems(void)
{
	struct statfs a, b;
	int fd = open(".", O_RDONLY);

	CHECK(statfs(".", &a) == 0 && fstatfs(fd, &b) == 0);
	CHECK_EQ(a.f_type, b.f_type);
	CHECK_EQ(a.f_bsize, b.f_bsize);
	CHECK(a.f_namelen >= 255);
	CHECK_ERR(statfs("missing", &a), ENOENT);
	CHECK_ERR(fstatfs(-1, &a), EBADF);
	close(fd);
}

int main(void)
{
	tmpdir_enter();
	umask(022);
	regular_file();
	directory_and_symlink();
	others();
	errors();
	accesses();
	file_systems();
	return 0;
}
