/* getcwd, chdir, fchdir: names, errors, removed directories. */
#include <limits.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tmpdir.h"

static const char *cwd(void)
{
	static char buf[PATH_MAX];
	long n = syscall(SYS_getcwd, buf, sizeof(buf));

	CHECK(n > 0);
	CHECK_EQ(n, strlen(buf) + 1);
	return buf;
}

static void names(void)
{
	char want[128];
	int fd = open(".", O_RDONLY);

	CHECK(strcmp(cwd(), tmpdir) == 0);
	CHECK(mkdir("sub", 0755) == 0 && mkdir("sub/deep", 0755) == 0);
	CHECK(symlink("sub/deep", "link") == 0);
	CHECK(chdir("link") == 0);
	sprintf(want, "%s/sub/deep", tmpdir);
	CHECK(strcmp(cwd(), want) == 0);
	CHECK(chdir("..") == 0);
	sprintf(want, "%s/sub", tmpdir);
	CHECK(strcmp(cwd(), want) == 0);
	CHECK(rename(want, "../moved") == 0);
	sprintf(want, "%s/moved", tmpdir);
	CHECK(strcmp(cwd(), want) == 0);
	CHECK(chdir("/") == 0);
	CHECK(strcmp(cwd(), "/") == 0);
	CHECK(chdir("..") == 0);
	CHECK(strcmp(cwd(), "/") == 0);
	CHECK(fchdir(fd) == 0);
	CHECK(strcmp(cwd(), tmpdir) == 0);
	close(fd);
}

static void errors(void)
{
	char buf[PATH_MAX];
	int fd = tmpdir_file("file", "");

	CHECK_ERR(syscall(SYS_getcwd, buf, strlen(tmpdir)), ERANGE);
	CHECK_ERR(syscall(SYS_getcwd, buf, 0), ERANGE);
	CHECK_EQ(syscall(SYS_getcwd, buf, strlen(tmpdir) + 1), strlen(tmpdir) + 1);
	CHECK_ERR(syscall(SYS_getcwd, 1L, 4096), EFAULT);
	CHECK_ERR(chdir("missing"), ENOENT);
	CHECK_ERR(chdir("file"), ENOTDIR);
	CHECK_ERR(chdir(""), ENOENT);
	CHECK_ERR(fchdir(fd), ENOTDIR);
	CHECK_ERR(fchdir(-1), EBADF);
	CHECK(mkdir("noexec", 0600) == 0);
	if (geteuid() != 0)
		CHECK_ERR(chdir("noexec"), EACCES);
	close(fd);
}

static void removed(void)
{
	char buf[PATH_MAX];

	CHECK(mkdir("gone", 0755) == 0 && chdir("gone") == 0);
	CHECK(rmdir("../gone") == 0);
	CHECK_ERR(syscall(SYS_getcwd, buf, sizeof(buf)), ENOENT);
	CHECK_ERR(open("x", O_CREAT | O_WRONLY, 0600), ENOENT);
	CHECK_ERR(mkdir("x", 0700), ENOENT);
	CHECK(access(".", F_OK) == 0);
	CHECK(chdir(tmpdir) == 0);
}

static void per_process(void)
{
	int status;

	if (fork() == 0) {
		CHECK(chdir("/") == 0);
		_exit(0);
	}
	CHECK(wait(&status) > 0 && status == 0);
	CHECK(strcmp(cwd(), tmpdir) == 0);
}

int main(void)
{
	tmpdir_enter();
	names();
	errors();
	removed();
	per_process();
	return 0;
}
