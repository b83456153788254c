/* openat2: the scopes of RESOLVE_*, magic links, and what it refuses. */
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "tmpdir.h"

static int top;

static int open2(const char *name, uint64_t flags, uint64_t resolve)
{
	struct open_how how = { .flags = flags, .resolve = resolve };

	return (int)syscall(SYS_openat2, top, name, &how, sizeof(how));
}

#define OPENS(name, resolve)                                               \
	do {                                                               \
		int opens_fd = open2(name, O_RDONLY | O_CLOEXEC, resolve); \
		CHECK(opens_fd >= 0);                                      \
		close(opens_fd);                                           \
	} while (0)
#define FAILS(name, resolve, err) CHECK_ERR(open2(name, O_RDONLY, resolve), err)

static void scopes(void)
{
	OPENS("d/f", RESOLVE_BENEATH);
	OPENS("d/../d/f", RESOLVE_BENEATH);
	OPENS("in", RESOLVE_BENEATH);
	FAILS("..", RESOLVE_BENEATH, EXDEV);
	FAILS("d/../../x", RESOLVE_BENEATH, EXDEV);
	FAILS("/etc", RESOLVE_BENEATH, EXDEV);
	FAILS("abs", RESOLVE_BENEATH, EXDEV);
	FAILS("out", RESOLVE_BENEATH, EXDEV);
	OPENS("/d/f", RESOLVE_IN_ROOT);
	OPENS("../../d/f", RESOLVE_IN_ROOT);
	OPENS("absd", RESOLVE_IN_ROOT);
	FAILS("abs", RESOLVE_IN_ROOT, ENOENT);
	FAILS("d", RESOLVE_IN_ROOT | RESOLVE_BENEATH, EINVAL);
}

static void links(void)
{
	char magic[64];

	FAILS("in", RESOLVE_NO_SYMLINKS, ELOOP);
	FAILS("ld/f", RESOLVE_NO_SYMLINKS, ELOOP);
	OPENS("d/f", RESOLVE_NO_SYMLINKS);
	OPENS("in", RESOLVE_NO_MAGICLINKS);
	snprintf(magic, sizeof(magic), "/proc/self/fd/%d", top);
	OPENS(magic, 0);
	FAILS(magic, RESOLVE_NO_MAGICLINKS, ELOOP);
	FAILS(magic, RESOLVE_NO_SYMLINKS, ELOOP);
	FAILS("/proc/version", RESOLVE_NO_XDEV, EXDEV);
}

static void refusals(void)
{
	struct open_how how = { .flags = O_RDONLY };
	char big[64] = { 0 };

	FAILS("d", 0x4000, EINVAL);
	CHECK_ERR(open2("d", O_RDONLY | (1ull << 40), 0), EINVAL);
	how.mode = 0600;
	CHECK_ERR(syscall(SYS_openat2, top, "d", &how, sizeof(how)), EINVAL);
	how.mode = 0;
	CHECK_ERR(syscall(SYS_openat2, top, "d", &how, 8), EINVAL);
	memcpy(big, &how, sizeof(how));
	CHECK(close((int)syscall(SYS_openat2, top, "d", big, sizeof(big))) == 0);
	big[60] = 1;
	CHECK_ERR(syscall(SYS_openat2, top, "d", big, sizeof(big)), E2BIG);
	CHECK_ERR(open2("d", O_PATH | O_RDWR, 0), EINVAL);
	how.flags = O_CREAT | O_WRONLY;
	how.mode = 0600;
	how.resolve = RESOLVE_BENEATH;
	int fd = (int)syscall(SYS_openat2, top, "d/new", &how, sizeof(how));
	CHECK(fd >= 0);
	close(fd);
}

int main(void)
{
	tmpdir_enter();
	CHECK(mkdir("d", 0755) == 0);
	close(tmpdir_file("d/f", "x"));
	CHECK(symlink("d/f", "in") == 0);
	CHECK(symlink("d", "ld") == 0);
	CHECK(symlink("../x", "out") == 0);
	CHECK(symlink("/d/f", "absd") == 0);
	CHECK(symlink("/etc/passwd", "abs") == 0);
	top = open(".", O_RDONLY | O_DIRECTORY);
	CHECK(top >= 0);
	scopes();
	links();
	refusals();
	return 0;
}
