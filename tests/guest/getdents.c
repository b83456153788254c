/* getdents64 and getdents: every entry once, in pieces of any size, with types;
 * seeking; errors. */
#include <dirent.h>
#include <sys/syscall.h>

#include "tmpdir.h"

#define FILES 300

struct dirent64_raw {
	unsigned long ino;
	long off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};
struct dirent_raw {
	unsigned long ino, off;
	unsigned short reclen;
	char name[];
};

static int seen[FILES], dots;

static void note(const char *name, unsigned char type)
{
	int n;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		CHECK_EQ(type, DT_DIR);
		dots++;
		return;
	}
	CHECK(sscanf(name, "f%d", &n) == 1 && n >= 0 && n < FILES);
	CHECK_EQ(type, n % 3 ? DT_REG : DT_DIR);
	seen[n]++;
}

static void check_all(void)
{
	CHECK_EQ(dots, 2);
	for (int i = 0; i < FILES; i++)
		CHECK_EQ(seen[i], 1);
	memset(seen, 0, sizeof(seen));
	dots = 0;
}

static void read_all(int fd, size_t size)
{
	_Alignas(8) char buf[65536];
	long n;

	while ((n = syscall(SYS_getdents64, fd, buf, size)) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64_raw *d = (const void *)(buf + at);

			CHECK(d->reclen % 8 == 0 && at + d->reclen <= n);
			note(d->name, d->type);
			at += d->reclen;
		}
	}
	CHECK_EQ(n, 0);
	check_all();
}

static void read_all_old(int fd)
{
	_Alignas(8) char buf[1024];
	long n;

	while ((n = syscall(SYS_getdents, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent_raw *d = (const void *)(buf + at);

			note(d->name, (unsigned char)buf[at + d->reclen - 1]);
			at += d->reclen;
		}
	}
	CHECK_EQ(n, 0);
	check_all();
}

static void seek(void)
{
	DIR *dir = opendir("d");
	struct dirent *e;
	char name[256];
	long pos;

	CHECK(dir);
	for (int i = 0; i < 10; i++)
		CHECK(readdir(dir));
	pos = telldir(dir);
	e = readdir(dir);
	CHECK(e);
	strcpy(name, e->d_name);
	for (int i = 0; i < 50; i++)
		CHECK(readdir(dir));
	seekdir(dir, pos);
	e = readdir(dir);
	CHECK(e && strcmp(e->d_name, name) == 0);
	rewinddir(dir);
	while ((e = readdir(dir)))
		note(e->d_name, e->d_type);
	check_all();
	closedir(dir);
}

static void errors(int fd)
{
	char buf[256];
	int file = tmpdir_file("file", ""), gone;

	CHECK_ERR(syscall(SYS_getdents64, -1, buf, sizeof(buf)), EBADF);
	CHECK_ERR(syscall(SYS_getdents64, file, buf, sizeof(buf)), ENOTDIR);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_ERR(syscall(SYS_getdents64, fd, buf, 8), EINVAL);
	CHECK_ERR(syscall(SYS_getdents64, fd, 1L, 4096), EFAULT);
	CHECK(mkdir("gone", 0755) == 0);
	gone = open("gone", O_RDONLY | O_DIRECTORY);
	CHECK(gone >= 0 && rmdir("gone") == 0);
	CHECK_ERR(syscall(SYS_getdents64, gone, buf, sizeof(buf)), ENOENT);
	close(gone);
	close(file);
}

int main(void)
{
	char name[32];
	int fd;

	tmpdir_enter();
	CHECK(mkdir("d", 0755) == 0);
	for (int i = 0; i < FILES; i++) {
		sprintf(name, "d/f%d", i);
		if (i % 3)
			close(tmpdir_file(name, ""));
		else
			CHECK(mkdir(name, 0755) == 0);
	}
	fd = open("d", O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0);
	read_all(fd, 65536);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	read_all(fd, 64);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	read_all(fd, 5000);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	read_all_old(fd);
	seek();
	errors(fd);
	return 0;
}
