/*
 * The open that makes a file is not held to the file's mode: 0444 may be written,
 * 0200 read, 0 both, through that descriptor; mknod() makes files as well.
 *
 * nacre:
 * nacre: --no-overlay
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "check.h"

static void made_with(int flags, mode_t mode)
{
	char buf[8] = "";
	struct stat st;
	int fd = open("f", flags | O_CREAT | O_EXCL, mode);

	CHECK(fd >= 0);
	if ((flags & O_ACCMODE) != O_RDONLY)
		CHECK_EQ(write(fd, "hello", 5), 5);
	else
		CHECK_EQ(read(fd, buf, 5), 0);
	if ((flags & O_ACCMODE) == O_RDWR) {
		CHECK_EQ(pread(fd, buf, 8, 0), 5);
		CHECK(strcmp(buf, "hello") == 0);
	}
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_mode, S_IFREG | mode);
	CHECK_EQ(ftruncate(fd, 0), (flags & O_ACCMODE) == O_RDONLY ? -1 : 0);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(stat("f", &st), 0);
	CHECK_EQ(st.st_mode, S_IFREG | mode);
	CHECK_EQ(unlink("f"), 0);
}

int main(void)
{
	static const mode_t modes[] = { 0, 0200, 0400, 0444, 0111, 0644, 04755 };
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_APPEND };
	struct stat st;

	umask(0);
	for (size_t m = 0; m < sizeof(modes) / sizeof(*modes); m++) {
		for (size_t f = 0; f < sizeof(flags) / sizeof(*flags); f++) {
			/* A write takes set-user-id away. */
			if (modes[m] != 04755 || flags[f] == O_RDONLY)
				made_with(flags[f], modes[m]);
		}
	}
	CHECK_EQ(mknod("n", S_IFREG | 0444, 0), 0);
	CHECK_EQ(stat("n", &st), 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0444);
	CHECK_EQ(unlink("n"), 0);
	return 0;
}
