/* execve and execveat: every error that they are known for, with the caller alive
 * after it, and scripts. */
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "tmpdir.h"

static const char *self;

static void write_file(const char *name, const void *data, size_t size, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, data, size), size);
	CHECK(fchmod(fd, mode) == 0);
	close(fd);
}

static void write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text), 0755);
}

/* What a child's exec of name with one argument "arg" comes to: its exit status,
 * or -errno, or 1000 + the signal that ended it. */
static int exec_at(int dirfd, const char *name, int flags)
{
	char *argv[] = { "argv0", "arg", NULL };
	char *envp[] = { NULL };
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, err;
	pid_t pid;

	CHECK(shared != MAP_FAILED);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, dirfd, name, argv, envp, flags);
		*shared = errno;
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	err = *shared;
	munmap(shared, 4096);
	if (err)
		return -err;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int exec(const char *name)
{
	return exec_at(AT_FDCWD, name, 0);
}

static void paths(void)
{
	char long_name[5000];

	CHECK_EQ(exec("missing"), -ENOENT);
	CHECK_EQ(exec(""), -ENOENT);
	CHECK_EQ(exec("missing/x"), -ENOENT);
	write_text("file", "not a program\n");
	CHECK_EQ(exec("file/x"), -ENOTDIR);
	CHECK_EQ(exec("file/"), -ENOTDIR);
	CHECK(symlink("loop", "loop") == 0);
	CHECK_EQ(exec("loop"), -ELOOP);
	memset(long_name, 'x', sizeof(long_name));
	long_name[300] = '\0';
	CHECK_EQ(exec(long_name), -ENAMETOOLONG);
	long_name[300] = 'x';
	long_name[4999] = '\0';
	CHECK_EQ(exec(long_name), -ENAMETOOLONG);
	CHECK_ERR(syscall(SYS_execve, 8, NULL, NULL), EFAULT);
}

static void not_allowed(void)
{
	write_file("plain", "#!/bin/sh\n", 10, 0644);
	CHECK_EQ(exec("plain"), -EACCES);
	CHECK(mkdir("dir", 0755) == 0);
	CHECK_EQ(exec("dir"), -EACCES);
	CHECK_EQ(exec("."), -EACCES);
	CHECK(mkfifo("fifo", 0777) == 0);
	CHECK_EQ(exec("fifo"), -EACCES);
	CHECK_EQ(exec("/dev/null"), -EACCES);
}

static void not_programs(void)
{
	char elf[64] = ELFMAG;

	CHECK_EQ(exec("file"), -ENOEXEC);
	write_file("empty", "", 0, 0755);
	CHECK_EQ(exec("empty"), -ENOEXEC);
	write_file("short", "\177EL", 3, 0755);
	CHECK_EQ(exec("short"), -ENOEXEC);
	write_file("magic", elf, 4, 0755);
	CHECK_EQ(exec("magic"), -ENOEXEC);
	write_file("zeros", elf, sizeof(elf), 0755);
	CHECK_EQ(exec("zeros"), -ENOEXEC);
}

/* A program of our own with one byte changed. */
static void broken_elf(void)
{
	static char buf[1 << 20];
	Elf64_Ehdr *eh = (Elf64_Ehdr *)buf;
	int fd = open(self, O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf));
	Elf64_Phdr *ph = (Elf64_Phdr *)(buf + sizeof(*eh));

	CHECK(n > 4096 && n < (ssize_t)sizeof(buf));
	close(fd);
	eh->e_machine = EM_ARM;
	write_file("arm", buf, (size_t)n, 0755);
	CHECK_EQ(exec("arm"), -ENOEXEC);
	eh->e_machine = EM_X86_64;
	eh->e_type = ET_REL;
	write_file("object", buf, (size_t)n, 0755);
	CHECK_EQ(exec("object"), -ENOEXEC);
	eh->e_type = ET_DYN;
	write_file("headers", buf, 100, 0755);
	CHECK_EQ(exec("headers"), -ENOEXEC);
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_INTERP)
			strcpy(buf + ph[i].p_offset, "/nope");
	}
	write_file("nointerp", buf, (size_t)n, 0755);
	CHECK_EQ(exec("nointerp"), -ENOENT);
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_INTERP)
			strcpy(buf + ph[i].p_offset, "/dev/null");
	}
	write_file("badinterp", buf, (size_t)n, 0755);
	CHECK_EQ(exec("badinterp"), -EACCES);
}

static void scripts(void)
{
	char text[512];

	write_text("good", "#!/bin/sh\nexit 42\n");
	CHECK_EQ(exec("good"), 42);
	write_text("args", "#!/bin/sh -e\n[ \"$0\" = args ] && [ \"$1\" = arg ] && exit 43\n");
	CHECK_EQ(exec("args"), 43);
	snprintf(text, sizeof(text), "#!%s  one   arg  \n", self);
	write_text("self", text);
	CHECK_EQ(exec("self"), 44);
	write_text("nobody", "#!/no/such/interpreter\n");
	CHECK_EQ(exec("nobody"), -ENOENT);
	write_text("nothing", "#!\n");
	CHECK_EQ(exec("nothing"), -ENOEXEC);
	write_text("dirinterp", "#!/tmp\n");
	CHECK_EQ(exec("dirinterp"), -EACCES);
	write_text("textinterp", "#!file\n");
	CHECK_EQ(exec("textinterp"), -ENOEXEC);
}

/* Each is the interpreter of the one before; the last is a program. */
static void nested_scripts(void)
{
	char name[16], text[512];

	snprintf(text, sizeof(text), "#!%s  one   arg  \n", self);
	write_text("s0", text);
	for (int i = 1; i < 7; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		snprintf(text, sizeof(text), "#!s%d\n", i - 1);
		write_text(name, text);
	}
	CHECK_EQ(exec("s1"), 44);
	CHECK_EQ(exec("s4"), 44);
	CHECK_EQ(exec("s5"), -ELOOP);
	write_text("me", "#!me\n");
	CHECK_EQ(exec("me"), -ELOOP);
}

static void by_descriptor(void)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY), fd, closing;

	CHECK(dir >= 0);
	CHECK_EQ(exec_at(dir, "good", 0), 42);
	CHECK_EQ(exec_at(dir, "missing", 0), -ENOENT);
	CHECK_EQ(exec_at(dir, "", AT_EMPTY_PATH), -EACCES);
	CHECK_EQ(exec_at(dir, "good", 0x4000000), -EINVAL);
	CHECK_EQ(exec_at(99, "good", 0), -EBADF);
	CHECK_EQ(exec_at(99, "", AT_EMPTY_PATH), -EBADF);
	CHECK(symlink("good", "link") == 0);
	CHECK_EQ(exec_at(dir, "link", 0), 42);
	CHECK_EQ(exec_at(dir, "link", AT_SYMLINK_NOFOLLOW), -ELOOP);
	fd = open("good", O_RDONLY);
	CHECK_EQ(exec_at(fd, "", 0), -ENOENT);
	CHECK_EQ(exec_at(fd, "good", 0), -ENOTDIR);
	if (access("/dev/fd", F_OK) == 0)
		CHECK_EQ(exec_at(fd, "", AT_EMPTY_PATH), 42);
	/* The interpreter could not open a descriptor that exec closes. */
	closing = open("good", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(exec_at(closing, "", AT_EMPTY_PATH), -ENOENT);
	close(closing);
	close(fd);
	fd = open(self, O_PATH | O_CLOEXEC);
	CHECK_EQ(exec_at(fd, "", AT_EMPTY_PATH), 46);
	close(fd);
	close(dir);
}

int main(int argc, char **argv)
{
	char path[4096];

	/* As the interpreter of a script: argv is self, the argument, script, arg. */
	if (argc >= 4 && !strcmp(argv[1], "one   arg"))
		return strcmp(argv[argc - 1], "arg") ? 45 : 44;
	if (argc == 2 && !strcmp(argv[1], "arg"))
		return strcmp(argv[0], "argv0") ? 45 : 46;
	CHECK(realpath(argv[0], path));
	self = path;
	tmpdir_enter();
	paths();
	not_allowed();
	not_programs();
	broken_elf();
	scripts();
	nested_scripts();
	by_descriptor();
	puts("exec_errors: ok");
	return 0;
}
