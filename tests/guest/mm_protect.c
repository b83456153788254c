/* mprotect(2): what each protection allows, splits, errors. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

#include "check.h"
#include "tmpdir.h"
#include "touch.h"

#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static unsigned count_maps(const char *lo, const char *hi)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[4500];
	unsigned n = 0;

	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && end > (uintptr_t)lo &&
		    start < (uintptr_t)hi)
			n++;
	}
	fclose(f);
	return n;
}

static void protections_allow_what_they_say(void)
{
	char *p = mmap(NULL, 4 * P, RW, ANON, -1, 0);

	memset(p, 3, 4 * P);
	CHECK(mprotect(p + P, P, PROT_READ) == 0);
	CHECK_TOUCH(read, p + P, 0, 0);
	CHECK_TOUCH(write, p + P, SIGSEGV, SEGV_ACCERR);
	CHECK_TOUCH(write, p + 2 * P, 0, 0);
	CHECK(mprotect(p, 4 * P, PROT_NONE) == 0);
	CHECK_TOUCH(read, p + 3 * P + 1, SIGSEGV, SEGV_ACCERR);
	CHECK_TOUCH(write, p, SIGSEGV, SEGV_ACCERR);
	CHECK(mprotect(p, P, PROT_WRITE) == 0);
	CHECK_TOUCH(read, p, 0, 0);
	CHECK(p[1] == 3);
	CHECK(mprotect(p, 4 * P, RW) == 0);
	CHECK(p[P] == 3 && p[2 * P] == 1);
	CHECK(munmap(p, 4 * P) == 0);
}

static void neighbours_split_and_join(void)
{
	char *p = mmap(NULL, 16 * P, PROT_NONE, ANON, -1, 0);

	/* Keep other mappings from joining in. */
	CHECK(mprotect(p + P, 14 * P, RW) == 0);
	CHECK_EQ(count_maps(p + P, p + 15 * P), 1);
	for (int i = 2; i < 14; i += 2)
		CHECK(mprotect(p + (size_t)i * P, P, PROT_READ) == 0);
	CHECK_EQ(count_maps(p + P, p + 15 * P), 13);
	CHECK(mprotect(p + P, 14 * P, RW) == 0);
	CHECK_EQ(count_maps(p + P, p + 15 * P), 1);
	CHECK(munmap(p, 16 * P) == 0);
}

static void errors(void)
{
	char *p = mmap(NULL, 4 * P, RW, ANON, -1, 0), *q;
	int fd = open("/proc/self/exe", O_RDONLY);

	CHECK_ERR(mprotect(p + 1, P, RW), EINVAL);
	CHECK_ERR(mprotect(p, P, 0x1000), EINVAL);
	CHECK(mprotect(p, 0, RW) == 0);
	CHECK_ERR(mprotect(p, SIZE_MAX, RW), ENOMEM);
	CHECK_ERR(mprotect(p, P, RW | 0x01000000), EINVAL);
	CHECK(munmap(p + 2 * P, P) == 0);
	/* What lies before the hole has changed, what lies behind it has not. */
	CHECK_ERR(mprotect(p, 4 * P, PROT_READ), ENOMEM);
	CHECK_TOUCH(write, p + P, SIGSEGV, SEGV_ACCERR);
	CHECK_TOUCH(write, p + 3 * P, 0, 0);
	q = mmap(NULL, P, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(q != MAP_FAILED);
	CHECK_ERR(mprotect(q, P, RW), EACCES);
	CHECK(mprotect(q, P, PROT_NONE) == 0 && mprotect(q, P, PROT_READ) == 0);
	CHECK_TOUCH(read, q, 0, 0);
	CHECK(munmap(q, P) == 0 && munmap(p, 4 * P) == 0);
	close(fd);
}

static void code_runs_where_it_may(void)
{
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov $42,%eax; ret */
	char *p = mmap(NULL, P, RW, ANON, -1, 0);
	int (*f)(void) = (int (*)(void))(uintptr_t)p;
	struct touch seen;

	memcpy(p, code, sizeof(code));
	if (sigsetjmp(touch_back, 1) == 0) {
		f();
		CHECK(!"memory without PROT_EXEC was executed");
	}
	seen = touch_seen;
	CHECK_EQ(seen.signo, SIGSEGV);
	CHECK_EQ(seen.code, SEGV_ACCERR);
	CHECK(seen.addr == p);
	CHECK(mprotect(p, P, PROT_READ | PROT_EXEC) == 0);
	CHECK(f() == 42);
	CHECK_TOUCH(write, p, SIGSEGV, SEGV_ACCERR);
	CHECK(mprotect(p, P, RW | PROT_EXEC) == 0);
	p[1] = 43;
	CHECK(f() == 43);
	CHECK(munmap(p, P) == 0);
}

static void private_files_become_writable(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	char first, *p = mmap(NULL, P, PROT_READ, MAP_PRIVATE, fd, 0);

	CHECK(p != MAP_FAILED);
	first = p[0];
	CHECK_TOUCH(write, p, SIGSEGV, SEGV_ACCERR);
	CHECK(mprotect(p, P, RW) == 0);
	CHECK_TOUCH(write, p, 0, 0);
	CHECK(p[0] == 1 && p[1] == 'E');
	CHECK(munmap(p, P) == 0);
	p = mmap(NULL, P, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(p[0] == first);
	CHECK(munmap(p, P) == 0);
	close(fd);
}

static void flips_keep_the_contents(void)
{
	char *p = mmap(NULL, 64 * P, RW, ANON, -1, 0);

	for (int i = 0; i < 200; i++) {
		size_t at = (size_t)(i * 7 % 64) * P;

		CHECK(mprotect(p + at, P, PROT_READ) == 0);
		CHECK(mprotect(p + at, P, RW) == 0);
		p[at] = (char)i;
		CHECK(p[at] == (char)i);
	}
	CHECK(munmap(p, 64 * P) == 0);
}

/* What is locked is there: also the copy that a store would make. */
static void locked_pages_get_their_copies(void)
{
	int fd = tmpdir_file("locked", "aaaa");
	char *p = mmap(NULL, P, PROT_READ, MAP_PRIVATE, fd, 0);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(p[0], 'a');
	CHECK_EQ(pwrite(fd, "bb", 2, 0), 2);
	CHECK_EQ(p[0], 'b');
	CHECK(mlock(p, P) == 0 && mprotect(p, P, RW) == 0);
	CHECK_EQ(pwrite(fd, "cc", 2, 0), 2);
	CHECK_EQ(p[0], 'b');
	CHECK(munmap(p, P) == 0 && close(fd) == 0);
}

int main(void)
{
	touch_init();
	tmpdir_enter();
	protections_allow_what_they_say();
	neighbours_split_and_join();
	errors();
	code_runs_where_it_may();
	private_files_become_writable();
	flips_keep_the_contents();
	locked_pages_get_their_copies();
	return 0;
}
