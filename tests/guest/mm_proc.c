/* What /proc/self says of memory: maps, smaps, smaps_rollup, pagemap, statm, mem. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define PM_GUARD (1ull << 58)
#define PM_FILE (1ull << 61)
#define PM_PRESENT (1ull << 63)

/* A line of the entry of /proc/self/NAME that begins at addr, in bytes (of kB). */
static long field(const char *name, const void *addr, const char *what)
{
	char path[64], line[512];
	unsigned long start, end, at = 0;
	long value;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/%s", name);
	f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			at = start;
		if ((!addr || at == (unsigned long)addr) &&
		    strncmp(line, what, strlen(what)) == 0 &&
		    sscanf(line + strlen(what), ": %ld kB", &value) == 1) {
			fclose(f);
			return value * 1024;
		}
	}
	fclose(f);
	return -1;
}

static bool has_flag(const void *addr, const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end, at = 0;
	char line[512];
	bool has = false;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			at = start;
		if (at == (unsigned long)addr && strncmp(line, "VmFlags:", 8) == 0)
			has = strstr(line, flag);
	}
	fclose(f);
	return has;
}

static uint64_t pagemap(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t word;

	CHECK(fd >= 0);
	CHECK_EQ(pread(fd, &word, 8, (off_t)((uintptr_t)addr / P * 8)), 8);
	CHECK_ERR(pread(fd, &word, 7, 0), EINVAL);
	CHECK_ERR(pread(fd, &word, 8, 4), EINVAL);
	close(fd);
	return word;
}

/* Alone in its surroundings. */
static char *alone(size_t n)
{
	char *p = mmap(NULL, (n + 2) * P, PROT_NONE, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK(mmap(p + P, n * P, RW, ANON | MAP_FIXED, -1, 0) == p + P);
	return p + P;
}

static void touched_pages_are_there(void)
{
	char *p = alone(8);

	CHECK_EQ(field("smaps", p, "Size"), 8 * P);
	CHECK_EQ(field("smaps", p, "Rss"), 0);
	p[0] = p[3 * P] = 1;
	CHECK_EQ(field("smaps", p, "Rss"), 2 * P);
	CHECK_EQ(field("smaps", p, "Pss"), 2 * P);
	CHECK_EQ(field("smaps", p, "Anonymous"), 2 * P);
	CHECK_EQ(field("smaps", p, "Private_Dirty"), 2 * P);
	CHECK_EQ(field("smaps", p, "Shared_Dirty"), 0);
	CHECK(pagemap(p) & PM_PRESENT);
	CHECK(!(pagemap(p) & PM_FILE));
	CHECK(!(pagemap(p + P) & PM_PRESENT));
	CHECK(pagemap(p + 3 * P) & PM_PRESENT);
	CHECK_EQ(pagemap(p + 8 * P) & PM_PRESENT, 0);
	CHECK(madvise(p, 8 * P, MADV_DONTNEED) == 0);
	CHECK_EQ(field("smaps", p, "Rss"), 0);
	CHECK(!(pagemap(p) & PM_PRESENT));
}

static void a_fork_shares(void)
{
	char *p = alone(4);
	int to[2], from[2];
	char c;
	pid_t pid;

	CHECK(pipe(to) == 0 && pipe(from) == 0);
	memset(p, 1, 4 * P);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		p[0] = 2; /* all of it gets a copy, or only this page */
		CHECK(write(from[1], "x", 1) == 1 && read(to[0], &c, 1) == 1);
		_exit(0);
	}
	CHECK(read(from[0], &c, 1) == 1);
	CHECK_EQ(field("smaps", p, "Rss"), 4 * P);
	CHECK(field("smaps", p, "Private_Dirty") >= (long)P);
	CHECK_EQ(field("smaps", p, "Private_Dirty") + field("smaps", p, "Shared_Dirty"), 4 * P);
	CHECK(write(to[1], "x", 1) == 1 && waitpid(pid, NULL, 0) == pid);
	CHECK_EQ(field("smaps", p, "Pss"), 4 * P);
	CHECK_EQ(field("smaps", p, "Shared_Dirty"), 0);
}

static void flags_have_letters(void)
{
	char *p = alone(4);

	CHECK(has_flag(p, " rd wr ") && has_flag(p, " mr mw me "));
	CHECK(!has_flag(p, " sh") && !has_flag(p, " lo") && !has_flag(p, " dd"));
	CHECK(madvise(p, 4 * P, MADV_DONTDUMP) == 0 && has_flag(p, " dd"));
	CHECK(madvise(p, 4 * P, MADV_DONTFORK) == 0 && has_flag(p, " dc"));
	CHECK(madvise(p, 4 * P, MADV_WIPEONFORK) == 0 && has_flag(p, " wf"));
	CHECK(mlock(p, 4 * P) == 0 && has_flag(p, " lo"));
	CHECK_EQ(field("smaps", p, "Locked"), 4 * P);
	CHECK(munlock(p, 4 * P) == 0 && !has_flag(p, " lo"));
	CHECK(mmap(p, 4 * P, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
	CHECK(has_flag(p, " sh") && has_flag(p, " ms"));
	CHECK(mmap(p, 4 * P, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0) == p);
	CHECK(has_flag(p, " gd"));
	CHECK(mmap(p, 4 * P, RW, ANON | MAP_FIXED | MAP_NORESERVE, -1, 0) == p);
	CHECK(has_flag(p, " nr"));
}

static void shared_pages_are_a_files(void)
{
	char *p = mmap(NULL, 4 * P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	p[P] = 1;
	CHECK((pagemap(p + P) & (PM_PRESENT | PM_FILE)) == (PM_PRESENT | PM_FILE));
	CHECK(!(pagemap(p) & PM_PRESENT));
	CHECK_EQ(field("smaps", p, "Anonymous"), 0);
}

/* Two who have touched it each have half of it. */
static void a_share_is_a_half(void)
{
	char *p = mmap(NULL, 4 * P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0), c;
	int to[2], from[2];
	pid_t pid;

	CHECK(p != MAP_FAILED && pipe(to) == 0 && pipe(from) == 0);
	memset(p, 1, 4 * P);
	CHECK(mlock(p, 4 * P) == 0);
	CHECK_EQ(field("smaps", p, "Pss"), 4 * P);
	CHECK_EQ(field("smaps", p, "Locked"), 4 * P);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		memset(p, 2, 4 * P);
		CHECK_EQ(field("smaps", p, "Pss"), 2 * P);
		CHECK_EQ(field("smaps", p, "Locked"), 0);
		CHECK(write(from[1], "x", 1) == 1 && read(to[0], &c, 1) == 1);
		_exit(0);
	}
	CHECK(read(from[0], &c, 1) == 1);
	CHECK_EQ(field("smaps", p, "Rss"), 4 * P);
	CHECK_EQ(field("smaps", p, "Pss"), 2 * P);
	CHECK_EQ(field("smaps", p, "Locked"), 2 * P);
	CHECK_EQ(field("smaps", p, "Shared_Dirty"), 4 * P);
	CHECK_EQ(field("smaps", p, "Private_Dirty"), 0);
	CHECK(write(to[1], "x", 1) == 1 && waitpid(pid, NULL, 0) == pid);
	CHECK_EQ(field("smaps", p, "Pss"), 4 * P);
	CHECK(munmap(p, 4 * P) == 0);
}

static void guards_are_marked(void)
{
	int fd = open("/proc/self/mem", O_RDWR);
	char *p = alone(4), c = 7;

	memset(p, 1, 4 * P);
	if (madvise(p + P, P, 102) < 0) { /* before Linux 6.13 */
		close(fd);
		return;
	}
	CHECK(fd >= 0);
	CHECK(pagemap(p + P) & PM_GUARD);
	CHECK(!(pagemap(p + P) & PM_PRESENT) && !(pagemap(p) & PM_GUARD));
	CHECK_EQ(field("smaps", p, "Rss"), 3 * P);
	CHECK_ERR(pread(fd, &c, 1, (off_t)(uintptr_t)p + P), EIO);
	CHECK_EQ(pread(fd, &c, 1, (off_t)(uintptr_t)p + 2 * P), 1);
	CHECK_EQ(c, 1);
	CHECK(madvise(p + P, P, 103) == 0);
	CHECK_EQ(p[P], 0);
	CHECK(!(pagemap(p + P) & PM_GUARD));
	close(fd);
}

static void mem_reads_and_writes_whatever_the_protection(void)
{
	int fd = open("/proc/self/mem", O_RDWR);
	char *p = alone(4), *volatile nowhere = (char *)8, c = 7;
	off_t at = (off_t)(uintptr_t)p;

	CHECK(fd >= 0);
	p[5] = 3;
	CHECK(mprotect(p, P, PROT_NONE) == 0);
	CHECK_EQ(pread(fd, &c, 1, at + 5), 1);
	CHECK_EQ(c, 3);
	c = 9;
	CHECK_EQ(pwrite(fd, &c, 1, at + 5), 1);
	CHECK(mprotect(p, P, PROT_READ) == 0);
	CHECK_EQ(p[5], 9);
	CHECK_ERR(pread(fd, nowhere, 1, at), EFAULT);
	CHECK_ERR(pwrite(fd, nowhere, 1, at), EFAULT);
	CHECK_ERR(pread(fd, &c, 1, 0), EIO);
	CHECK(munmap(p, 4 * P) == 0);
	CHECK_ERR(pread(fd, &c, 1, at), EIO);
	close(fd);
}

static void sums_are_sums(void)
{
	long size = 0, resident = 0, rss = field("smaps_rollup", NULL, "Rss");
	size_t n = 2048;
	char *p = mmap(NULL, n * P, RW, ANON, -1, 0);
	FILE *f;

	CHECK(p != MAP_FAILED);
	memset(p, 1, n * P);
	CHECK(rss > 0);
	CHECK(field("smaps_rollup", NULL, "Rss") >= rss + (long)(n * P));
	CHECK(field("smaps_rollup", NULL, "Pss") >= (long)(n * P));
	CHECK(field("smaps_rollup", NULL, "Pss_Anon") >= (long)(n * P));
	f = fopen("/proc/self/statm", "r");
	CHECK(f && fscanf(f, "%ld %ld", &size, &resident) == 2);
	fclose(f);
	CHECK(size > resident && resident >= (long)n);
	CHECK(munmap(p, n * P) == 0);
	CHECK(field("smaps_rollup", NULL, "Rss") < rss + (long)(n * P / 2));
}

static void clear_refs_takes_numbers(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "1", 1), 1);
	CHECK_EQ(write(fd, "5\n", 2), 2);
	CHECK_ERR(write(fd, "9", 1), EINVAL);
	CHECK_ERR(write(fd, "x", 1), EINVAL);
	close(fd);
}

int main(void)
{
	touched_pages_are_there();
	a_fork_shares();
	flags_have_letters();
	shared_pages_are_a_files();
	a_share_is_a_half();
	guards_are_marked();
	mem_reads_and_writes_whatever_the_protection();
	sums_are_sums();
	clear_refs_takes_numbers();
	return 0;
}
