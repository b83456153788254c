/* execve and execveat: directories, descriptors, empty paths, symlinks, scripts
 * through descriptors, arguments at the edge of memory, limits, errors; setuid
 * programs under no_new_privs. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "tmpdir.h"

static char self[4096];
static char *const no_env[] = { NULL };

static long execveat_(int fd, const char *path, char *const argv[], int flags)
{
	return syscall(SYS_execveat, fd, path, argv, no_env, flags);
}

static int wait_for(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define IN_CHILD(code)                \
	({                            \
		pid_t pid_ = fork();  \
		CHECK(pid_ >= 0);     \
		if (pid_ == 0) {      \
			code;         \
			_exit(errno); \
		}                     \
		wait_for(pid_);       \
	})

static char *args(const char *what)
{
	return (char *)(uintptr_t)what;
}

static void good_ones(void)
{
	char *argv[] = { args("x"), args("child"), NULL };
	int fd = open(self, O_RDONLY | O_CLOEXEC), path = open(self, O_PATH), dir;
	char dirname[4096], *slash;

	strcpy(dirname, self);
	slash = strrchr(dirname, '/');
	*slash = '\0';
	dir = open(dirname, O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0 && path >= 0 && dir >= 0);
	CHECK_EQ(IN_CHILD(execveat_(fd, "", argv, AT_EMPTY_PATH)), 42);
	CHECK_EQ(IN_CHILD(execveat_(path, "", argv, AT_EMPTY_PATH)), 42);
	CHECK_EQ(IN_CHILD(execveat_(dir, slash + 1, argv, 0)), 42);
	CHECK_EQ(IN_CHILD(execveat_(-1, self, argv, 0)), 42);
	CHECK_EQ(IN_CHILD(execveat_(AT_FDCWD, self, argv, 0)), 42);
	close(fd);
	close(path);
	close(dir);
}

static void bad_ones(void)
{
	char *argv[] = { args("x"), args("child"), NULL };
	int fd = open(self, O_RDONLY);

	CHECK_ERR(execveat_(fd, "", argv, 0), ENOENT);
	CHECK_ERR(execveat_(fd, "x", argv, 0), ENOTDIR);
	CHECK_ERR(execveat_(999, "x", argv, 0), EBADF);
	CHECK_ERR(execveat_(AT_FDCWD, self, argv, 0x40000000), EINVAL);
	CHECK_ERR(execveat_(AT_FDCWD, "/no/such/file", argv, 0), ENOENT);
	CHECK_ERR(execveat_(AT_FDCWD, "/", argv, 0), EACCES);
	CHECK_ERR(execveat_(AT_FDCWD, "/dev/null", argv, 0), EACCES);
	CHECK_ERR(syscall(SYS_execve, 1, argv, no_env), EFAULT);
	CHECK_ERR(syscall(SYS_execve, self, 1, no_env), EFAULT);
	CHECK_ERR(syscall(SYS_execve, self, argv, 1), EFAULT);
	argv[1] = (char *)1;
	CHECK_ERR(execveat_(AT_FDCWD, self, argv, 0), EFAULT);
	close(fd);
}

static void files(void)
{
	char *argv[] = { args("x"), args("child"), NULL };

	tmpdir_enter();
	CHECK(symlink(self, "link") == 0);
	CHECK_EQ(IN_CHILD(execveat_(AT_FDCWD, "link", argv, 0)), 42);
	CHECK_ERR(execveat_(AT_FDCWD, "link", argv, AT_SYMLINK_NOFOLLOW), ELOOP);
	close(tmpdir_file("plain", "#!/bin/true\n"));
	CHECK_ERR(execveat_(AT_FDCWD, "plain", argv, 0), EACCES);
	CHECK(chmod("plain", 0755) == 0);
	close(tmpdir_file("junk", "no program\n"));
	CHECK(chmod("junk", 0755) == 0);
	CHECK_ERR(execveat_(AT_FDCWD, "junk", argv, 0), ENOEXEC);
	close(tmpdir_file("empty", ""));
	CHECK(chmod("empty", 0755) == 0);
	CHECK_ERR(execveat_(AT_FDCWD, "empty", argv, 0), ENOEXEC);
	tmpdir_leave();
}

/* A script that is run through a descriptor finds itself in /dev/fd; through one
 * that exec closes, it cannot. */
static void scripts(void)
{
	char *argv[] = { args("x"), args("child"), NULL };
	int fd, closing;

	tmpdir_enter();
	close(tmpdir_file("s", "#!/bin/sh\nexit 33\n"));
	CHECK(chmod("s", 0755) == 0);
	fd = open("s", O_RDONLY);
	closing = open("s", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(IN_CHILD(execve("s", argv, no_env)), 33);
	if (access("/dev/fd/0", F_OK) == 0)
		CHECK_EQ(IN_CHILD(execveat_(fd, "", argv, AT_EMPTY_PATH)), 33);
	CHECK_ERR(execveat_(closing, "", argv, AT_EMPTY_PATH), ENOENT);
	close(fd);
	close(closing);
	tmpdir_leave();
}

/* The argument array and its last string end where memory ends. */
static void edges(void)
{
	char *page = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char **argv = (char **)(page + 4096 - 3 * sizeof(char *));
	char *text = page + 8192 - 6;

	CHECK(page != MAP_FAILED);
	CHECK(mprotect(page + 8192, 4096, PROT_NONE) == 0);
	memcpy(text, "child", 6);
	argv[0] = text;
	argv[1] = text;
	argv[2] = NULL;
	CHECK_EQ(IN_CHILD(execve(self, argv, no_env)), 42);
	/* Without its NUL. */
	text[5] = 'x';
	CHECK_ERR(execve(self, argv, no_env), EFAULT);
	munmap(page, 12288);
}

static void limits(void)
{
	static char big[32 * 4096 + 1];
	static char *many[20000];
	char *argv[] = { args("x"), args("long"), big, NULL };

	memset(big, 'a', sizeof(big) - 1);
	CHECK_ERR(execve(self, argv, no_env), E2BIG);
	big[sizeof(big) - 2] = '\0';
	CHECK_EQ(IN_CHILD(execve(self, argv, no_env)), 43);
	for (int i = 0; i < 19999; i++)
		many[i] = big;
	CHECK_ERR(execve(self, many, no_env), E2BIG);
	/* None at all: an empty one. */
	CHECK_EQ(IN_CHILD(execve(self, NULL, no_env)), 44);
}

static void set_id(void)
{
	char *argv[] = { args("x"), args("ids"), NULL };

	if (geteuid() != 0)
		return;
	tmpdir_enter();
	CHECK(chmod(".", 0755) == 0);
	CHECK_EQ(IN_CHILD(execl("/bin/cp", "cp", self, "prog", NULL)), 0);
	CHECK(chown("prog", 1234, 4321) == 0);
	CHECK(chmod("prog", 06755) == 0);
	if (IN_CHILD(execve("./prog", argv, no_env)) != 0) /* or the mount has nosuid */
		CHECK_EQ(IN_CHILD(execve("./prog", argv, no_env)), 45);
	CHECK_EQ(IN_CHILD(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); execve("./prog", argv, no_env)),
		 45);
	tmpdir_leave();
}

static int child_main(int argc, char **argv)
{
	if (argc == 1 && !*argv[0])
		return 44;
	if (!strcmp(argv[1], "child"))
		return argc == 2 ? 42 : 1;
	if (!strcmp(argv[1], "long"))
		return strlen(argv[2]) == 32 * 4096 - 1 ? 43 : 1;
	if (!strcmp(argv[1], "ids"))
		return geteuid() == 1234 && getegid() == 4321 && getuid() == 0 ? 0 : 45;
	return 1;
}

int main(int argc, char **argv)
{
	ssize_t n;

	if (argc > 1 || !*argv[0])
		return child_main(argc, argv);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		SKIP("no /proc/self/exe");
	good_ones();
	bad_ones();
	files();
	scripts();
	edges();
	limits();
	set_id();
	return 0;
}
