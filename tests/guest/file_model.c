/*
 * One file, random calls against an array of bytes: reads and writes at random
 * places, through two descriptors, O_DIRECT, O_SYNC and O_APPEND, through a shared
 * and a private mapping, by another process; truncate, fallocate, copy_file_range,
 * fsync, msync and fadvise between. What one way wrote every other way reads.
 *
 * nacre:
 * nacre: --no-overlay
 * nacre: --bind {cwd}:{cwd},cache=exclusive
 * nacre: --bind {cwd}:{cwd},cache=exclusive,forcecache
 * nacre: --bind {cwd}:{cwd},cache=writethrough,forcecache
 * nacre: --bind {cwd}:{cwd},cache=shared
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "tmpdir.h"

#define MAX (512 << 10)
#define OPS 2500
#define PAGE 4096

static unsigned char model[MAX];
static size_t size;
static int fd, sync_fd, append_fd, direct_fd;
static unsigned char *map;
static unsigned char *aligned; /* for O_DIRECT */
static uint64_t seed = 12345;

static uint64_t pick(uint64_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % below;
}

static void fill(unsigned char *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (unsigned char)pick(256);
}

static void compare(const unsigned char *got, size_t pos, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++) {
		if (got[i] != model[pos + i]) {
			fprintf(stderr, "%s: byte %zu is %#x, not %#x; size %zu\n", what, pos + i,
				got[i], model[pos + i], size);
			_exit(CHECK_FAILED);
		}
	}
}

static size_t range(size_t *pos)
{
	*pos = pick(MAX - 1);
	return 1 + pick(pick(4) ? 5000 : MAX - *pos) % (MAX - *pos);
}

static size_t expected(size_t pos, size_t n)
{
	return pos >= size ? 0 : n < size - pos ? n : size - pos;
}

/* ---- each way ---- */

static void do_read(void)
{
	static unsigned char buf[MAX];
	size_t pos, n = range(&pos);

	CHECK_EQ(pread(pick(2) ? fd : sync_fd, buf, n, pos), expected(pos, n));
	compare(buf, pos, expected(pos, n), "pread");
}

static void do_readv(void)
{
	static unsigned char buf[MAX];
	size_t pos, n = range(&pos), a = pick(n + 1);
	struct iovec iov[2] = { { buf, a }, { buf + a, n - a } };

	CHECK_EQ(preadv2(fd, iov, 2, pos, 0), expected(pos, n));
	compare(buf, pos, expected(pos, n), "preadv2");
}

static void do_write(void)
{
	int to = pick(3) ? fd : sync_fd;
	size_t pos, n = range(&pos);

	fill(model + pos, n);
	CHECK_EQ(pwrite(to, model + pos, n, pos), n);
	size = pos + n > size ? pos + n : size;
}

static void do_write_synced(void)
{
	static const int flags[] = { RWF_DSYNC, RWF_SYNC };
	size_t pos = pick(MAX - 100), n = 1 + pick(99);
	struct iovec iov = { model + pos, n };

	fill(model + pos, n);
	CHECK_EQ(pwritev2(fd, &iov, 1, pos, flags[pick(2)]), n);
	size = pos + n > size ? pos + n : size;
}

static void do_append(void)
{
	size_t n = 1 + pick(3000);

	if (size + n > MAX)
		return;
	fill(model + size, n);
	CHECK_EQ(write(append_fd, model + size, n), n);
	size += n;
	CHECK_EQ(lseek(append_fd, 0, SEEK_CUR), size);
}

static void do_direct(void)
{
	size_t pos = pick(MAX / PAGE) * PAGE, n = (1 + pick(8)) * PAGE;

	if (direct_fd < 0 || pos + n > MAX)
		return;
	if (pick(2)) {
		fill(aligned, n);
		memcpy(model + pos, aligned, n);
		CHECK_EQ(pwrite(direct_fd, aligned, n, pos), n);
		size = pos + n > size ? pos + n : size;
	} else {
		CHECK_EQ(pread(direct_fd, aligned, n, pos), expected(pos, n));
		compare(aligned, pos, expected(pos, n), "O_DIRECT");
	}
}

static void do_map(void)
{
	size_t pos = pick(MAX), n = 1 + pick(100);

	n = expected(pos, n);
	if (pick(2)) {
		compare(map + pos, pos, n, "mapping");
	} else {
		fill(model + pos, n);
		memcpy(map + pos, model + pos, n);
	}
}

/* Pages that it has not written to follow the file. */
static void do_private(void)
{
	size_t pos = pick(MAX), n = expected(pos, 5000);
	unsigned char *p = mmap(NULL, MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	CHECK(p != MAP_FAILED);
	compare(p + pos, pos, n, "private mapping");
	if (n) {
		p[pos] ^= 0xff;
		CHECK_EQ(pread(fd, aligned, 1, pos), 1);
		compare(aligned, pos, 1, "after a private store");
	}
	CHECK_EQ(munmap(p, MAX), 0);
}

static void do_truncate(void)
{
	size_t to = pick(4) ? pick(MAX) : pick(MAX / PAGE) * PAGE;

	CHECK_EQ(pick(2) ? ftruncate(fd, to) : truncate("f", to), 0);
	if (to < size)
		memset(model + to, 0, MAX - to);
	size = to;
}

static void do_fallocate(void)
{
	size_t pos, n = range(&pos);
	int r;

	switch (pick(3)) {
	case 0:
		r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos, n);
		if (r == 0 && pos < size)
			memset(model + pos, 0, expected(pos, n));
		break;
	case 1:
		r = fallocate(fd, FALLOC_FL_ZERO_RANGE, pos, n);
		if (r == 0)
			memset(model + pos, 0, n);
		if (r == 0)
			size = pos + n > size ? pos + n : size;
		break;
	default:
		r = fallocate(fd, 0, pos, n);
		if (r == 0)
			size = pos + n > size ? pos + n : size;
	}
	CHECK(r == 0 || errno == EOPNOTSUPP);
}

static void do_copy(void)
{
	size_t n = 1 + pick(60000), from = pick(MAX - n), to = pick(MAX - n);
	loff_t in = (loff_t)from, out = (loff_t)to;
	ssize_t done;

	if (from < to + n && to < from + n)
		return;
	done = copy_file_range(fd, &in, sync_fd, &out, n, 0);
	CHECK(done >= 0 && (size_t)done <= expected(from, n));
	CHECK(done > 0 || expected(from, n) == 0);
	memmove(model + to, model + from, (size_t)done);
	if (done > 0 && to + (size_t)done > size)
		size = to + (size_t)done;
}

static void do_sync(void)
{
	switch (pick(6)) {
	case 0:
		CHECK_EQ(fsync(fd), 0);
		break;
	case 1:
		CHECK_EQ(fdatasync(sync_fd), 0);
		break;
	case 2:
		CHECK_EQ(sync_file_range(fd, pick(MAX), pick(MAX), SYNC_FILE_RANGE_WRITE), 0);
		break;
	case 3:
		CHECK_EQ(msync(map, MAX, MS_SYNC), 0);
		break;
	case 4:
		CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
		break;
	default:
		CHECK_EQ(posix_fadvise(fd, pick(MAX), pick(MAX), POSIX_FADV_WILLNEED), 0);
	}
}

static void do_positions(void)
{
	off_t at = pick(MAX), r = lseek(fd, at, SEEK_DATA);
	struct stat st;

	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_size, size);
	if (r < 0) {
		CHECK(errno == ENXIO);
		r = (off_t)size;
	}
	for (off_t i = at; i < r && i < (off_t)size; i++)
		CHECK(model[i] == 0); /* a hole is zeros */
	if (at < (off_t)size) {
		r = lseek(fd, at, SEEK_HOLE);
		CHECK(r >= at && r <= (off_t)size);
	} else {
		CHECK_ERR(lseek(fd, at, SEEK_HOLE), ENXIO);
	}
}

/* Another process sees what we see. */
static void do_other_process(void)
{
	int status;
	pid_t pid;

	if (pick(40))
		return;
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		int other = open("f", O_RDONLY);
		static unsigned char buf[MAX];

		CHECK_EQ(read(other, buf, MAX), size);
		compare(buf, 0, size, "another process");
		compare(map, 0, size, "another process's mapping");
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

int main(void)
{
	static void (*const ops[])(void) = {
		do_read,      do_read,   do_readv, do_write, do_write,     do_write_synced,
		do_append,    do_direct, do_map,   do_map,   do_private,   do_truncate,
		do_fallocate, do_copy,   do_sync,  do_sync,  do_positions, do_other_process,
	};

	tmpdir_enter();
	fd = open("f", O_RDWR | O_CREAT, 0644);
	sync_fd = open("f", O_RDWR | O_SYNC);
	append_fd = open("f", O_WRONLY | O_APPEND | O_DSYNC);
	direct_fd = open("f", O_RDWR | O_DIRECT); /* not everywhere */
	CHECK(fd >= 0 && sync_fd >= 0 && append_fd >= 0);
	map = mmap(NULL, MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	CHECK_EQ(posix_memalign((void **)&aligned, PAGE, 8 * PAGE), 0);
	for (int i = 0; i < OPS; i++)
		ops[pick(sizeof(ops) / sizeof(*ops))]();
	return 0;
}
