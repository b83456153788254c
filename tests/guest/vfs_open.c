/* open: creation, exclusive, truncation, directories, symlinks, permissions,
 * O_PATH, O_TMPFILE, umask and their errors. */
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tmpdir.h"

static mode_t mode_of(const char *name)
{
	struct stat st;

	CHECK(lstat(name, &st) == 0);
	return st.st_mode & 07777;
}

static off_t size_of(const char *name)
{
	struct stat st;

	CHECK(stat(name, &st) == 0);
	return st.st_size;
}

static void creation(void)
{
	int fd;

	umask(027);
	fd = open("f", O_CREAT | O_WRONLY | O_EXCL, 0666);
	CHECK(fd >= 0);
	CHECK_EQ(mode_of("f"), 0640);
	CHECK_EQ(write(fd, "12345", 5), 5);
	close(fd);
	CHECK_ERR(open("f", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
	fd = open("f", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(mode_of("f"), 0640);
	CHECK_EQ(fcntl(fd, F_GETFL) & ~0100000, O_RDWR);
	close(fd);
	fd = open("f", O_RDONLY | O_TRUNC);
	CHECK(fd >= 0);
	CHECK_EQ(size_of("f"), 0);
	close(fd);
	fd = open("readonly", O_CREAT | O_RDWR, 0400); /* the mode is for the next one */
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "x", 1), 1);
	close(fd);
	umask(022);
}

static void errors(void)
{
	char name[300];

	CHECK(mkdir("d", 0755) == 0);
	CHECK_ERR(open("d", O_WRONLY), EISDIR);
	CHECK_ERR(open("d", O_RDWR), EISDIR);
	CHECK_ERR(open("d", O_RDONLY | O_CREAT, 0600), EISDIR);
	CHECK_ERR(open("d/.", O_RDONLY | O_CREAT, 0600), EISDIR);
	CHECK_ERR(open("new/", O_RDONLY | O_CREAT, 0600), EISDIR);
	CHECK_ERR(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERR(open("f/", O_RDONLY), ENOTDIR);
	CHECK_ERR(open("f/x", O_RDONLY), ENOTDIR);
	CHECK_ERR(open("f/x", O_RDONLY | O_CREAT, 0600), ENOTDIR);
	CHECK_ERR(open("none", O_RDONLY), ENOENT);
	CHECK_ERR(open("none/x", O_RDONLY | O_CREAT, 0600), ENOENT);
	CHECK_ERR(open("", O_RDONLY), ENOENT);
	memset(name, 'x', sizeof(name));
	name[256] = '\0';
	CHECK_ERR(open(name, O_RDONLY), ENAMETOOLONG);
	CHECK_ERR(open(name, O_CREAT | O_RDONLY, 0600), ENAMETOOLONG);
	CHECK_ERR(open((char *)8, O_RDONLY), EFAULT);
	name[255] = '\0';
	CHECK(close(open(name, O_CREAT | O_WRONLY, 0600)) == 0);
	CHECK(unlink(name) == 0);
}

static void long_paths(void)
{
	static char path[4200];

	for (size_t i = 0; i + 2 < sizeof(path); i += 2)
		memcpy(path + i, "./", 2);
	path[4094] = 'f';
	path[4095] = '\0';
	CHECK(close(open(path, O_RDONLY)) == 0);
	path[4095] = '/';
	path[4096] = '\0';
	CHECK_ERR(open(path, O_RDONLY), ENAMETOOLONG);
}

static void symlinks(void)
{
	int fd;

	CHECK(symlink("f", "s") == 0);
	CHECK(symlink("made", "dangling") == 0);
	CHECK(symlink("loop2", "loop1") == 0);
	CHECK(symlink("loop1", "loop2") == 0);
	CHECK(close(open("s", O_RDONLY)) == 0);
	CHECK_ERR(open("s", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_ERR(open("s", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
	CHECK_ERR(open("s", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERR(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERR(open("dangling", O_RDONLY), ENOENT);
	CHECK_ERR(open("loop1", O_RDONLY), ELOOP);
	CHECK(close(open("dangling", O_RDWR | O_CREAT, 0600)) == 0);
	CHECK_EQ(mode_of("made"), 0600);
	fd = open("s", O_PATH | O_NOFOLLOW);
	CHECK(fd >= 0);
	struct stat st;
	CHECK(fstat(fd, &st) == 0 && S_ISLNK(st.st_mode));
	char text[8];
	CHECK_EQ(readlinkat(fd, "", text, sizeof(text)), 1);
	close(fd);
}

static void path_descriptors(void)
{
	char c;
	int fd = open("f", O_PATH | O_RDWR);

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL), O_PATH);
	CHECK_ERR(read(fd, &c, 1), EBADF);
	CHECK_ERR(write(fd, "x", 1), EBADF);
	CHECK_ERR(lseek(fd, 0, SEEK_SET), EBADF);
	CHECK_ERR(fchmod(fd, 0600), EBADF);
	CHECK_ERR(ftruncate(fd, 0), EBADF);
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	close(fd);
}

static void tmpfiles(void)
{
	char path[64], buf[8];
	struct stat st;
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);

	if (fd < 0 && errno == EOPNOTSUPP)
		return;
	CHECK(fd >= 0);
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(write(fd, "tmp", 3), 3);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(linkat(AT_FDCWD, path, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW) == 0);
	CHECK(fstat(fd, &st) == 0);
	CHECK_EQ(st.st_nlink, 1);
	close(fd);
	fd = open("linked", O_RDONLY);
	CHECK(fd >= 0);
	CHECK_EQ(read(fd, buf, sizeof(buf)), 3);
	close(fd);
	fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
	CHECK(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_ERR(linkat(AT_FDCWD, path, AT_FDCWD, "linked2", AT_SYMLINK_FOLLOW), ENOENT);
	close(fd);
	CHECK_ERR(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
	CHECK_ERR(open("f", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
}

static void permissions(void)
{
	CHECK(close(open("secret", O_CREAT | O_WRONLY, 0000)) == 0);
	if (geteuid() == 0) {
		CHECK(close(open("secret", O_RDWR)) == 0);
		CHECK(chmod(".", 0755) == 0);
		CHECK(setegid(65534) == 0 && seteuid(65534) == 0);
	}
	CHECK_ERR(open("secret", O_RDONLY), EACCES);
	CHECK_ERR(open("secret", O_WRONLY), EACCES);
	CHECK(close(open("secret", O_PATH)) == 0);
	if (getuid() == 0) {
		CHECK_ERR(open("theirs", O_CREAT | O_WRONLY, 0600), EACCES);
		CHECK_ERR(open("made", O_RDONLY | O_NOATIME), EACCES);
		CHECK_ERR(open("d", O_RDONLY | O_NOATIME), EPERM);
		CHECK(seteuid(0) == 0 && setegid(0) == 0);
	}
}

int main(void)
{
	tmpdir_enter();
	creation();
	errors();
	long_paths();
	symlinks();
	path_descriptors();
	tmpfiles();
	permissions();
	return 0;
}
