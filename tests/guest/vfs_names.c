/* mkdir, rmdir, link, unlink, symlink, rename, mknod: what they do, and what they
 * answer when they cannot. */
#include <limits.h>
#include <stdbool.h>
#include <linux/fs.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "tmpdir.h"

static struct stat st_of(const char *name)
{
	struct stat st;

	CHECK(lstat(name, &st) == 0);
	return st;
}

static bool exists(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0;
}

static void touch(const char *name)
{
	CHECK(close(open(name, O_CREAT | O_WRONLY, 0644)) == 0);
}

static int rename2(const char *from, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void directories(void)
{
	CHECK(mkdir("d", 0777) == 0);
	CHECK_EQ(st_of("d").st_mode, S_IFDIR | 0755);
	CHECK(mkdir("d/e///", 0700) == 0);
	CHECK_ERR(mkdir("d", 0777), EEXIST);
	CHECK_ERR(mkdir("d/.", 0777), EEXIST);
	CHECK_ERR(mkdir("d/..", 0777), EEXIST);
	CHECK_ERR(mkdir("/", 0777), EEXIST);
	CHECK_ERR(mkdir("x/y", 0777), ENOENT);
	touch("f");
	CHECK_ERR(mkdir("f/y", 0777), ENOTDIR);
	CHECK_ERR(mkdir("f", 0777), EEXIST);
	CHECK_ERR(rmdir("d"), ENOTEMPTY);
	CHECK_ERR(rmdir("d/."), EINVAL);
	CHECK_ERR(rmdir("d/e/.."), ENOTEMPTY);
	CHECK_ERR(rmdir("f"), ENOTDIR);
	CHECK_ERR(rmdir("none"), ENOENT);
	CHECK(rmdir("d/e/") == 0);
	CHECK_ERR(unlink("d"), EISDIR);
	CHECK(rmdir("d") == 0);
}

static void removed_directories(void)
{
	char buf[256];
	int fd;

	CHECK(mkdir("gone", 0755) == 0);
	fd = open("gone", O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0);
	CHECK(rmdir("gone") == 0);
	CHECK_ERR(openat(fd, "x", O_CREAT | O_WRONLY, 0600), ENOENT);
	CHECK_ERR(mkdirat(fd, "x", 0700), ENOENT);
	CHECK_ERR(syscall(SYS_getdents64, fd, buf, sizeof(buf)), ENOENT);
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_nlink, 0);
	close(fd);
}

static void links(void)
{
	CHECK(link("f", "l") == 0);
	CHECK_EQ(st_of("f").st_nlink, 2);
	CHECK_EQ(st_of("f").st_ino, st_of("l").st_ino);
	CHECK_ERR(link("f", "l"), EEXIST);
	CHECK_ERR(link("none", "l2"), ENOENT);
	CHECK_ERR(link(".", "l2"), EPERM);
	CHECK_ERR(link("f", "f/x"), ENOTDIR);
	CHECK_ERR(link("f", "l2/"), ENOENT);
	CHECK(symlink("f", "s") == 0);
	CHECK(linkat(AT_FDCWD, "s", AT_FDCWD, "ls", 0) == 0);
	CHECK(S_ISLNK(st_of("ls").st_mode));
	CHECK(linkat(AT_FDCWD, "s", AT_FDCWD, "lf", AT_SYMLINK_FOLLOW) == 0);
	CHECK_EQ(st_of("lf").st_ino, st_of("f").st_ino);
	CHECK_EQ(st_of("f").st_nlink, 3);
	CHECK_ERR(linkat(AT_FDCWD, "f", AT_FDCWD, "x", 0x4000), EINVAL);
	CHECK(unlink("lf") == 0 && unlink("l") == 0 && unlink("ls") == 0);
	CHECK_EQ(st_of("f").st_nlink, 1);
}

static void unlinked_files_live_on(void)
{
	char buf[4];
	int fd = tmpdir_file("u", "abc");

	CHECK(unlink("u") == 0);
	CHECK(!exists("u"));
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(read(fd, buf, 4), 3);
	CHECK_EQ(write(fd, "d", 1), 1);
	close(fd);
	CHECK_ERR(unlink("u"), ENOENT);
	CHECK_ERR(unlink("f/"), ENOTDIR);
	CHECK_ERR(unlink("."), EISDIR);
}

static void symlinks(void)
{
	char buf[PATH_MAX];

	CHECK_EQ(readlink("s", buf, sizeof(buf)), 1);
	CHECK_EQ(readlink("s", buf, 1), 1);
	CHECK_EQ(st_of("s").st_size, 1);
	CHECK_ERR(readlink("f", buf, sizeof(buf)), EINVAL);
	CHECK_ERR(readlink("s", buf, 0), EINVAL);
	CHECK_ERR(symlink("f", "s"), EEXIST);
	CHECK_ERR(symlink("", "e"), ENOENT);
	CHECK_ERR(symlink("f", "e/"), ENOENT);
	CHECK(unlink("s") == 0);
	CHECK(exists("f"));
}

static void renames(void)
{
	ino_t ino = st_of("f").st_ino;

	CHECK(mkdir("a", 0755) == 0 && mkdir("a/b", 0755) == 0);
	CHECK(rename("f", "a/g") == 0);
	CHECK_EQ(st_of("a/g").st_ino, ino);
	CHECK(!exists("f"));
	touch("h");
	CHECK(rename("a/g", "h") == 0);
	CHECK_EQ(st_of("h").st_ino, ino);
	CHECK(link("h", "h2") == 0);
	CHECK(rename("h", "h2") == 0); /* one file: nothing happens */
	CHECK(exists("h") && exists("h2"));
	CHECK_ERR(rename("none", "x"), ENOENT);
	CHECK_ERR(rename("a", "a/b/c"), EINVAL);
	CHECK_ERR(rename("a/b", "a"), ENOTEMPTY);
	CHECK_ERR(rename("h", "a"), EISDIR);
	CHECK_ERR(rename("a", "h"), ENOTDIR);
	CHECK_ERR(rename("h", "x/"), ENOTDIR);
	CHECK_ERR(rename("a/.", "x"), EBUSY);
	CHECK_ERR(rename("a", "x/.."), ENOENT);
	CHECK(mkdir("c", 0755) == 0);
	CHECK(rename("a/b", "c/") == 0); /* over an empty directory */
	CHECK_EQ(st_of("a").st_nlink, 2);
	touch("a/x");
	CHECK_ERR(rename("c", "a"), ENOTEMPTY);
}

static void renames_with_flags(void)
{
	ino_t h = st_of("h").st_ino, c = st_of("c").st_ino;

	CHECK_ERR(rename2("h", "c", RENAME_NOREPLACE), EEXIST);
	CHECK_ERR(rename2("h", "none", RENAME_EXCHANGE), ENOENT);
	CHECK_ERR(rename2("h", "c", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
	CHECK_ERR(rename2("h", "c", 128), EINVAL);
	CHECK(rename2("h", "i", RENAME_NOREPLACE) == 0);
	CHECK(rename2("i", "c", RENAME_EXCHANGE) == 0);
	CHECK_EQ(st_of("c").st_ino, h);
	CHECK_EQ(st_of("i").st_ino, c);
	touch("i/inside");
	CHECK(rename2("i", "a/x", RENAME_EXCHANGE) == 0);
	CHECK(exists("a/x/inside"));
	CHECK(S_ISREG(st_of("i").st_mode));
}

static void nodes(void)
{
	CHECK(mkfifo("fifo", 0600) == 0);
	CHECK(S_ISFIFO(st_of("fifo").st_mode));
	CHECK_ERR(mkfifo("fifo", 0600), EEXIST);
	CHECK(mknod("reg", S_IFREG | 0600, 0) == 0);
	CHECK(S_ISREG(st_of("reg").st_mode));
	CHECK(mknod("sock", S_IFSOCK | 0600, 0) == 0);
	CHECK_ERR(open("sock", O_RDWR), ENXIO);
	CHECK_ERR(mknod("dir", S_IFDIR | 0700, 0), EPERM);
	if (geteuid() != 0)
		CHECK_ERR(mknod("null", S_IFCHR | 0600, makedev(1, 3)), EPERM);
}

static void sticky(void)
{
	if (geteuid() != 0)
		return;
	CHECK(mkdir("tmp", 0777) == 0 && chmod("tmp", 01777) == 0 && chmod(".", 0755) == 0);
	touch("tmp/roots");
	CHECK(chmod("tmp/roots", 0666) == 0);
	CHECK(setegid(65534) == 0 && seteuid(65534) == 0);
	touch("tmp/mine");
	CHECK_ERR(unlink("tmp/roots"), EPERM);
	CHECK_ERR(rename("tmp/roots", "tmp/x"), EPERM);
	CHECK_ERR(rename("tmp/mine", "tmp/roots"), EPERM);
	CHECK(unlink("tmp/mine") == 0);
	CHECK_ERR(mkdir("sub", 0755), EACCES);
	CHECK_ERR(unlink("reg"), EACCES);
	CHECK(seteuid(0) == 0 && setegid(0) == 0);
}

static void setgid_directory(void)
{
	CHECK(mkdir("g", 0755) == 0);
	if (geteuid() == 0)
		CHECK(chown("g", -1, 12345) == 0);
	CHECK(chmod("g", 02755) == 0);
	CHECK(mkdir("g/d", 0755) == 0);
	touch("g/f");
	CHECK_EQ(st_of("g/d").st_mode & 07777, 02755);
	CHECK_EQ(st_of("g/d").st_gid, st_of("g").st_gid);
	CHECK_EQ(st_of("g/f").st_gid, st_of("g").st_gid);
}

int main(void)
{
	umask(022);
	tmpdir_enter();
	directories();
	removed_directories();
	links();
	unlinked_files_live_on();
	symlinks();
	renames();
	renames_with_flags();
	nodes();
	sticky();
	setgid_directory();
	return 0;
}
