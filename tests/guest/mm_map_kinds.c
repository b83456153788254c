/* Every kind of descriptor, mapped in every way: what works, and the errors. */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "check.h"
#include "tmpdir.h"

#define P 4096ul
#define UNKNOWN_FLAG 0x200000

static void show(const char *what, int fd)
{
	static const struct {
		const char *name;
		int flags;
	} types[] = {
		{ "shared", MAP_SHARED },
		{ "private", MAP_PRIVATE },
		{ "validate", MAP_SHARED_VALIDATE },
		{ "validate unknown", MAP_SHARED_VALIDATE | UNKNOWN_FLAG },
		{ "shared unknown", MAP_SHARED | UNKNOWN_FLAG },
		{ "growing", MAP_PRIVATE | MAP_GROWSDOWN },
		{ "huge", MAP_SHARED | MAP_HUGETLB },
		{ "none", 0 },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		/* Of two errors, which comes first is no program's concern. */
		if ((types[i].flags & MAP_GROWSDOWN) && strcmp(what, "socket") == 0)
			continue;
		printf("%s, %s:", what, types[i].name);
		for (int prot = 0; prot < 8; prot++) {
			void *p = mmap(NULL, P, prot, types[i].flags, fd, 0);

			printf(" %d", p == MAP_FAILED ? errno : 0);
			if (p != MAP_FAILED)
				CHECK(munmap(p, P) == 0);
		}
		printf("\n");
	}
}

/* Mapped for reading, it may become as much as the descriptor allows. */
static void show_protect(const char *what, int fd)
{
	printf("%s, mprotect:", what);
	for (int i = 0; i < 16; i++) {
		char *p = mmap(NULL, P, i < 8 ? PROT_READ : 0, i % 8 < 4 ? MAP_SHARED : MAP_PRIVATE,
			       fd, 0);
		int prot = (i % 4) * 2;

		if (p == MAP_FAILED)
			continue;
		printf(" %d", mprotect(p, P, prot) ? errno : 0);
		CHECK(munmap(p, P) == 0);
	}
	printf("\n");
}

int main(void)
{
	int fds[2], pair[2], sealed = memfd_create("sealed", MFD_ALLOW_SEALING);
	int file;

	tmpdir_enter();
	file = tmpdir_file("file", "text");
	CHECK(pipe(fds) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	CHECK(sealed >= 0 && ftruncate(sealed, P) == 0 &&
	      fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	const struct {
		const char *name;
		int fd;
	} kinds[] = {
		{ "file", file },
		{ "read-only", open("file", O_RDONLY) },
		{ "write-only", open("file", O_WRONLY) },
		{ "appending", open("file", O_RDWR | O_APPEND) },
		{ "path", open("file", O_PATH) },
		{ "directory", open(".", O_RDONLY) },
		{ "pipe, reading", fds[0] },
		{ "pipe, writing", fds[1] },
		{ "socket", pair[0] },
		{ "eventfd", eventfd(0, 0) },
		{ "epoll", epoll_create1(0) },
		{ "memfd", memfd_create("m", 0) },
		{ "sealed", sealed },
		{ "/dev/null", open("/dev/null", O_RDWR) },
		{ "/dev/zero", open("/dev/zero", O_RDWR) },
		{ "/dev/zero, read-only", open("/dev/zero", O_RDONLY) },
		{ "/dev/full", open("/dev/full", O_RDWR) },
		{ "/proc/self/maps", open("/proc/self/maps", O_RDONLY) },
		{ "none", -1 },
		{ "closed", 1000 },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		show(kinds[i].name, kinds[i].fd);
		show_protect(kinds[i].name, kinds[i].fd);
	}
	/* More than there is. */
	for (int i = 0; i < 4; i++) {
		void *p = mmap(NULL, (size_t)1 << 45, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
			       (i < 2 ? MAP_PRIVATE : MAP_SHARED) | MAP_ANONYMOUS, -1, 0);

		printf("32 TiB %d: %s\n", i, p == MAP_FAILED ? strerror(errno) : "mapped");
		if (p != MAP_FAILED)
			CHECK(munmap(p, (size_t)1 << 45) == 0);
	}
	return 0;
}
