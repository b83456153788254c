/*
 * Random memory calls in an area of 48 pages, wrong ones among them. Every result,
 * and at intervals what each page is (its lines of /proc/self/smaps), what a touch
 * of it gives and which byte it holds, is printed: the kernels must agree on all
 * of it. Nothing is left to the kernel's choice, nor to the compiler's (which
 * argument it evaluates first), so the output is the same in each run. Files end at a page's end: what becomes of bytes behind it differs from
 * file system to file system.
 *
 * args: SEED OPERATIONS [SHOW]: what there is is shown after each SHOW operations
 */
/* args: 1 30000 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"
#include "tmpdir.h"
#include "touch.h"

#define P 4096ul
#define PAGES 48u
#define FILE_PAGES 12u
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static char *area;
static uint64_t state;
static int fds[4]; /* a file read-write, the same read-only, a memfd, write-only */
static int pipe_fds[2], sink_fd;

static unsigned pick(unsigned below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33) % below;
}

static int pick_of(const int *list, unsigned n)
{
	return list[pick(n)];
}
#define PICK(...) \
	pick_of((const int[]){ __VA_ARGS__ }, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

/* Mostly good ranges. */
static char *some_addr(void)
{
	char *p = area + pick(PAGES) * P;

	return pick(24) ? p : p + PICK(1, 8, 0x800, 0xfff);
}

static size_t some_size(const char *addr)
{
	size_t left = PAGES - (size_t)(addr - area) / P, n = 1 + pick(pick(3) ? 6 : PAGES);
	size_t size = (n > left ? left : n) * P;

	switch (pick(30)) {
	case 0:
		return 0;
	case 1:
		return size - PICK(1, 2048, 4095);
	case 2:
		return (size_t)-1;
	case 3:
		return (size_t)-4096;
	case 4:
		return (size_t)1 << 62;
	default:
		return size;
	}
}

static int some_prot(void)
{
	int prot = PICK(0, 1, 1, 3, 3, 3, 3, 2, 5, 4, 7);

	return pick(40) ? prot : prot | PICK(8, 0x10, 0x100, 0x01000000, 0x02000000, 0x03000000);
}

/* An address as a page of the area. */
static void say(const char *what, long r)
{
	int err = errno;

	if (r == -1)
		printf("%s: errno %d\n", what, err);
	else if ((char *)r >= area && (char *)r < area + PAGES * P)
		printf("%s: page %zu\n", what, (size_t)((char *)r - area) / P);
	else
		printf("%s: %s\n", what, r ? "something" : "0");
}

static void say_count(const char *what, long r)
{
	if (r == -1)
		printf("%s: errno %d\n", what, errno);
	else
		printf("%s: %ld\n", what, r);
}

/* ---- calls ---- */

static void do_mmap(void)
{
	char *p = some_addr();
	size_t size = some_size(p);
	int flags = PICK(MAP_FIXED, MAP_FIXED, MAP_FIXED, MAP_FIXED_NOREPLACE), fd = -1;
	int prot = some_prot();
	off_t offset = 0;

	flags |= PICK(MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED, MAP_SHARED, MAP_SHARED_VALIDATE);
	if (pick(20) == 0)
		flags = (flags & ~0xf) | PICK(0, 4, 5, 9, 15);
	if (pick(2)) {
		flags |= MAP_ANONYMOUS;
	} else {
		fd = fds[pick(4)];
		offset = (off_t)(pick(FILE_PAGES) * P);
		if (pick(20) == 0)
			offset = PICK(1, 0x800, -4096, 0x7ffff000);
	}
	if (pick(10) == 0)
		flags |= PICK(MAP_NORESERVE, MAP_POPULATE, MAP_STACK, MAP_NONBLOCK, MAP_EXECUTABLE,
			      0x4000000, 0x8000000);
	if (pick(30) == 0)
		flags |= MAP_LOCKED;
	if (pick(30) == 0)
		flags |= MAP_GROWSDOWN;
	say("mmap", (long)mmap(p, size, prot, flags, fd, offset));
}

static void do_munmap(void)
{
	char *p = some_addr();
	size_t size = some_size(p);

	say("munmap", munmap(p, size));
}

static void do_mprotect(void)
{
	char *p = some_addr();
	size_t size = some_size(p);
	int prot = some_prot();

	say("mprotect", mprotect(p, size, prot));
}

static void do_mremap(void)
{
	char *from = some_addr(), *to = some_addr();
	size_t old = some_size(from), size = pick(2) ? old : some_size(to);
	int flags = PICK(0, 0, 1, 3, 3, 3, 7, 7, 2, 5, 8);

	/* Whether neighbours that are alike count as one mapping is the kernel's
	 * affair. */
	if (size > old && old)
		old = P;
	if (size < old && (flags & MREMAP_FIXED))
		size = P;
	/* Not where the kernel pleases. */
	if ((flags & 3) == 1) {
		if ((size_t)(from - area) + size > PAGES * P && size < ((size_t)1 << 61))
			size = P;
		flags &= ~1;
	}
	/* How much else the old range's mapping holds, all of which loses its lock with
	 * MREMAP_DONTUNMAP in Linux, neither. */
	if (flags & 4)
		munlockall();
	/* Target and growth stay inside the area. */
	if (size < ((size_t)1 << 61)) {
		if ((flags & 2) && (size_t)(to - area) + size > PAGES * P)
			return;
		if (!(flags & 2) && (size_t)(from - area) + size > PAGES * P)
			return;
	}
	/* What stays of a locked mapping is the kernel's affair too. */
	for (unsigned i = 0; (flags & MREMAP_DONTUNMAP) && i < PAGES; i++)
		(void)munlock(area + i * P, P);
	say("mremap", (long)mremap(from, old, size, flags, to));
}

static void do_madvise(void)
{
	char *p = some_addr();
	size_t size = some_size(p);
	int advice = PICK(MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED,
			  MADV_DONTNEED, MADV_DONTNEED, MADV_REMOVE, MADV_REMOVE, MADV_DONTFORK,
			  MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_DONTDUMP, MADV_DODUMP,
			  20, 22, 23, 22, 23, 24, 102, 102, 103, 103, 7, 11, 26, -1);

	/* Holes do not end it: not as far as our own stack. */
	if (size == (size_t)1 << 62)
		size = P;
	printf("(%d) ", advice);
	say("madvise", madvise(p, size, advice));
}

static void do_lock(void)
{
	char *p = some_addr();
	size_t size = some_size(p);

	switch (pick(5)) {
	case 0:
		say("mlock", mlock(p, size));
		break;
	case 1:
		say("mlock2", mlock2(p, size, (unsigned)PICK(0, 1, 1, 2)));
		break;
	default:
		say("munlock", munlock(p, size));
	}
}

static void do_msync(void)
{
	char *p = some_addr();
	size_t size = some_size(p);
	int flags = PICK(0, MS_SYNC, MS_ASYNC, MS_INVALIDATE, MS_SYNC | 2, MS_SYNC | MS_ASYNC, 8);

	say("msync", msync(p, size, flags));
}

static void do_mincore(void)
{
	char *p = some_addr();
	unsigned char vec[PAGES + 1];

	size_t size = some_size(p);

	say("mincore", mincore(p, size, vec));
}

static void do_truncate(void)
{
	int fd = PICK(0, 2);
	off_t size = (off_t)(pick(FILE_PAGES + 1) * P);

	say("ftruncate", ftruncate(fds[fd], size));
}

static void do_pwrite(void)
{
	static char buf[3 * P];
	int fd = PICK(0, 2);
	size_t size = (1 + pick(3)) * P;
	off_t at = (off_t)(pick(FILE_PAGES) * P);

	memset(buf, 'a' + (int)pick(26), sizeof(buf));
	say_count("pwrite", pwrite(fds[fd], buf, size, at));
}

/* Through the kernel: how far it comes. */
static void do_copy(void)
{
	static char drain[3 * P];
	char *p = area + pick(PAGES * P);
	size_t size = 1 + pick(3 * P);
	struct iovec local = { drain, sizeof(drain) }, remote = { p, size };
	ssize_t r;

	if (p + size > area + PAGES * P)
		size = (size_t)(area + PAGES * P - p);
	switch (pick(5)) {
	case 0:
		/* A pipe takes a page or nothing. */
		r = write(pipe_fds[1], p, 1 + (size - 1) % (P - ((size_t)p & (P - 1))));
		say_count("write", r);
		while (read(pipe_fds[0], drain, sizeof(drain)) > 0)
			;
		break;
	case 1:
		r = pread(fds[1], p, size, (off_t)pick(FILE_PAGES * P));
		say_count("pread", r);
		break;
	case 2:
		/* To a file that is not mapped: no byte is moved onto itself. */
		say_count("pwrite", pwrite(sink_fd, p, size, 0));
		break;
	case 3:
		say_count("process_vm_readv", process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
		break;
	default:
		memset(drain, 'k', sizeof(drain));
		say_count("process_vm_writev",
			  process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	}
}

static void do_touch(void)
{
	char *p = area + pick(PAGES * P);
	bool write = pick(3);
	struct touch t = write ? touch_write(p) : touch_read(p);

	printf("%s: %d %d %s\n", write ? "store" : "load", t.signo, t.signo ? t.code : 0,
	       !t.signo || t.addr == p ? "" : "elsewhere");
	if (write && !t.signo)
		*p = (char)('A' + pick(26));
}

/* ---- what there is ---- */

/* What a page's mapping is; offsets of anonymous memory mean nothing. */
static void kind_of(const char *line, unsigned long page_offset, char *kind, size_t size)
{
	char perms[8] = "", rest[400] = "";
	unsigned long off;

	CHECK(sscanf(line, "%*x-%*x %7s %lx %*s %*s %399[^\n]", perms, &off, rest) >= 2);
	snprintf(kind, size, "%s %s%lx", perms,
		 strstr(rest, "fuzz")   ? "file "
		 : strstr(rest, "zero") ? "shm "
					: "",
		 strstr(rest, "fuzz") ? off / P + page_offset : 0);
}

static void add_flags(const char *line, char *kind, size_t size)
{
	static const char *const shown[] = { " gd", " lo", " dc", " lf", " wf", " dd", " sl" };

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		if (strstr(line, shown[i]) && strlen(kind) + 4 < size)
			strcat(kind, shown[i]);
	}
}

static void show_maps(void)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long lo = 0, hi = 0, base = (unsigned long)area;
	char line[512], kind[PAGES][48] = { { 0 } };

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long start, end;
		bool is_head = sscanf(line, "%lx-%lx ", &start, &end) == 2;

		if (is_head) {
			lo = start;
			hi = end;
		}
		if (!is_head && strncmp(line, "VmFlags:", 8) != 0)
			continue;
		for (unsigned long at = lo; at < hi; at += P) {
			if (at < base || at >= base + PAGES * P)
				continue;
			if (is_head)
				kind_of(line, (at - lo) / P, kind[(at - base) / P],
					sizeof(kind[0]));
			else
				add_flags(line, kind[(at - base) / P], sizeof(kind[0]));
		}
	}
	fclose(f);
	for (unsigned i = 0; i < PAGES; i++)
		printf("%s%s", kind[i][0] ? kind[i] : "-", i % 8 == 7 ? "\n" : ", ");
}

static void show_bytes(void)
{
	for (unsigned i = 0; i < PAGES; i++) {
		volatile char *p = area + i * P;
		struct touch t = touch_read(p);

		if (t.signo)
			printf("%d/%d ", t.signo, t.code);
		else
			printf("%d.%d.%d ", p[0], p[100], p[P - 1]);
	}
	printf("\n");
}

static void show_file(int fd)
{
	char buf[P];
	unsigned sum = 0;
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, buf, sizeof(buf), at)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 31 + (unsigned char)buf[i];
		at += n;
	}
	printf("file %ld bytes, %x\n", (long)at, sum);
}

static void show(void)
{
	show_maps();
	show_bytes();
	show_file(fds[0]);
	show_file(fds[2]);
}

/* A child has the same, but for what is not to be inherited; what it writes to
 * its private pages stays there. */
static void do_fork(void)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		printf("child\n");
		show();
		for (unsigned i = 0; i < 20; i++)
			do_touch();
		show();
		fflush(stdout);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	printf("child ended %x\n", (unsigned)status);
}

static void step(void)
{
	static void (*const ops[])(void) = {
		do_mmap,     do_mmap,     do_mmap,   do_mmap,    do_munmap,   do_mprotect,
		do_mprotect, do_mprotect, do_mremap, do_mremap,  do_madvise,  do_madvise,
		do_madvise,  do_lock,     do_msync,  do_mincore, do_truncate, do_pwrite,
		do_copy,     do_copy,     do_copy,   do_copy,    do_touch,    do_touch,
		do_touch,    do_touch,    do_touch,  do_touch,   do_touch,    do_touch,
	};

	ops[pick(sizeof(ops) / sizeof(ops[0]))]();
}

int main(int argc, char **argv)
{
	unsigned n = argc > 2 ? (unsigned)atoi(argv[2]) : 1000;
	unsigned every = argc > 3 ? (unsigned)atoi(argv[3]) : 40;

	state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	tmpdir_enter();
	touch_init();
	CHECK((fds[0] = open("fuzz", O_RDWR | O_CREAT, 0600)) >= 0);
	CHECK((fds[1] = open("fuzz", O_RDONLY)) >= 0);
	CHECK((fds[2] = memfd_create("fuzz", 0)) >= 0);
	CHECK((fds[3] = open("fuzz", O_WRONLY)) >= 0);
	CHECK((sink_fd = memfd_create("sink", 0)) >= 0);
	CHECK(pipe2(pipe_fds, O_NONBLOCK) == 0);
	CHECK(ftruncate(fds[0], FILE_PAGES * P) == 0 && ftruncate(fds[2], FILE_PAGES * P) == 0);
	/* Free room all around. */
	area = mmap(NULL, (PAGES + 1024) * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(area != MAP_FAILED && munmap(area, (PAGES + 1024) * P) == 0);
	area += 512 * P;
	for (unsigned i = 0; i < n; i++) {
		printf("%u ", i);
		step();
		if (i % every == every - 1)
			show();
		if (i % 300 == 299)
			do_fork();
	}
	return 0;
}
