/* A program that runs cannot be opened for writing or truncated; one that is open
 * for writing cannot be run; unlinking and replacing it can be done. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "tmpdir.h"

static void copy_self(const char *to)
{
	char buf[65536];
	int in = open("/proc/self/exe", O_RDONLY), out;
	ssize_t n;

	if (in < 0)
		SKIP("no /proc/self/exe");
	out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0755);
	CHECK(out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		CHECK_EQ(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
}

int main(int argc, char **argv)
{
	char *args[] = { (char[]){ "prog" }, (char[]){ "wait" }, NULL }, c = 0;
	int down[2], up[2], fd, status;
	pid_t pid;

	if (argc > 1) {
		(void)argv;
		CHECK_EQ(write(1, "x", 1), 1);
		CHECK_EQ(read(0, &c, 1), 1);
		return 7;
	}
	tmpdir_enter();
	copy_self("prog");
	CHECK(pipe(down) == 0 && pipe(up) == 0);

	fd = open("prog", O_RDWR);
	CHECK(fd >= 0);
	CHECK_ERR(execv("prog", args), ETXTBSY);
	close(fd);

	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		dup2(down[0], 0);
		dup2(up[1], 1);
		execv("prog", args);
		_exit(1);
	}
	CHECK_EQ(read(up[0], &c, 1), 1);
	CHECK_ERR(open("prog", O_WRONLY), ETXTBSY);
	CHECK_ERR(open("prog", O_RDWR), ETXTBSY);
	CHECK_ERR(open("prog", O_RDONLY | O_TRUNC), ETXTBSY);
	CHECK_ERR(truncate("prog", 0), ETXTBSY);
	fd = open("prog", O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
	CHECK(chmod("prog", 0700) == 0);
	CHECK(rename("prog", "other") == 0);
	copy_self("prog");
	CHECK(unlink("other") == 0);
	CHECK_EQ(write(down[1], "x", 1), 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 7);
	fd = open("prog", O_RDWR);
	CHECK(fd >= 0);
	close(fd);
	return 0;
}
