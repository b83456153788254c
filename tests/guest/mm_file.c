/* Mapped files: coherence, private copies, ends, truncation. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"
#include "touch.h"

#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)

static int make_file(const char *dir, size_t pages)
{
	char name[100];
	int fd;

	snprintf(name, sizeof(name), "%s/mm_file.XXXXXX", dir);
	fd = mkstemp(name);
	CHECK(fd >= 0 && unlink(name) == 0);
	for (size_t i = 0; i < pages; i++) {
		char page[P];

		memset(page, (int)i + 1, P);
		CHECK(write(fd, page, P) == (ssize_t)P);
	}
	return fd;
}

static void reads_and_maps_agree(int fd)
{
	char *p = mmap(NULL, 8 * P, RW, MAP_SHARED, fd, 0), byte;

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < 8; i++)
		CHECK(p[i * P + 5] == (char)(i + 1));
	p[2 * P] = 'm';
	CHECK(pread(fd, &byte, 1, 2 * (off_t)P) == 1 && byte == 'm');
	CHECK(pwrite(fd, "w", 1, 3 * (off_t)P) == 1);
	CHECK(p[3 * P] == 'w');
	CHECK(msync(p, 8 * P, MS_SYNC) == 0);
	CHECK(munmap(p, 8 * P) == 0);
	CHECK(pread(fd, &byte, 1, 2 * (off_t)P) == 1 && byte == 'm');
}

static void two_mappings_are_one_memory(int fd)
{
	char *p = mmap(NULL, 4 * P, RW, MAP_SHARED, fd, 0);
	char *q = mmap(NULL, 2 * P, RW, MAP_SHARED, fd, (off_t)P);

	p[P] = 'a';
	CHECK(q[0] == 'a');
	q[P] = 'b';
	CHECK(p[2 * P] == 'b');
	CHECK(munmap(p, 4 * P) == 0 && munmap(q, 2 * P) == 0);
}

static void processes_share_it(int fd)
{
	char *p = mmap(NULL, P, RW, MAP_SHARED, fd, 0);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		p[10] = 'c';
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(p[10] == 'c');
	CHECK(munmap(p, P) == 0);
}

static void private_stores_stay_private(int fd, size_t pages)
{
	char *p = mmap(NULL, pages * P, RW, MAP_PRIVATE, fd, 0), byte;

	for (size_t i = 0; i < pages; i++)
		p[i * P + 9] = 'p';
	for (size_t i = 0; i < pages; i++) {
		CHECK(pread(fd, &byte, 1, (off_t)(i * P + 9)) == 1 && byte == (char)(i + 1));
		CHECK(p[i * P + 8] == (char)(i + 1) && p[i * P + 9] == 'p');
	}
	CHECK(munmap(p, pages * P) == 0);
}

static void the_last_page_ends_in_zeros(int fd)
{
	char *p;

	CHECK(ftruncate(fd, 2 * (off_t)P + 100) == 0);
	p = mmap(NULL, 8 * P, RW, MAP_SHARED, fd, 0);
	CHECK(p[2 * P + 99] == 3);
	for (size_t i = 2 * P + 100; i < 3 * P; i++)
		CHECK(p[i] == 0);
	CHECK_TOUCH(read, p + 3 * P, SIGBUS, BUS_ADRERR);
	CHECK_TOUCH(write, p + 7 * P + 11, SIGBUS, BUS_ADRERR);
	/* A system call meets EFAULT there. */
	CHECK_ERR(pread(fd, p + 4 * P, 10, 0), EFAULT);
	CHECK(munmap(p, 8 * P) == 0);
}

static void truncation_takes_pages_away(int fd)
{
	char *p, *q;

	CHECK(ftruncate(fd, 6 * (off_t)P) == 0);
	p = mmap(NULL, 6 * P, RW, MAP_SHARED, fd, 0);
	q = mmap(NULL, 6 * P, RW, MAP_PRIVATE, fd, 0);
	memset(p, 'x', 6 * P);
	q[5 * P] = 'q';
	q[0] = 'q';
	CHECK(ftruncate(fd, 3 * (off_t)P) == 0);
	CHECK_TOUCH(read, p + 3 * P, SIGBUS, BUS_ADRERR);
	CHECK_TOUCH(read, q + 5 * P, SIGBUS, BUS_ADRERR);
	CHECK(p[3 * P - 1] == 'x' && q[0] == 'q');
	CHECK(ftruncate(fd, 6 * (off_t)P) == 0);
	CHECK(p[3 * P] == 0 && p[5 * P] == 0);
	p[5 * P] = 'n';
	CHECK(p[5 * P] == 'n');
	CHECK(munmap(p, 6 * P) == 0 && munmap(q, 6 * P) == 0);
}

static void growth_shows_in_an_old_mapping(int fd)
{
	char *p;

	CHECK(ftruncate(fd, (off_t)P) == 0);
	p = mmap(NULL, 4 * P, PROT_READ, MAP_SHARED, fd, 0);
	CHECK_TOUCH(read, p + P, SIGBUS, BUS_ADRERR);
	CHECK(pwrite(fd, "new", 3, 2 * (off_t)P) == 3);
	CHECK(p[P] == 0 && p[2 * P] == 'n');
	CHECK(munmap(p, 4 * P) == 0);
}

static void a_mapping_outlives_its_descriptor(const char *dir)
{
	int fd = make_file(dir, 4);
	char *p = mmap(NULL, 4 * P, RW, MAP_SHARED, fd, 0);

	close(fd);
	CHECK(p[3 * P] == 4);
	p[3 * P] = 5;
	CHECK(munmap(p, 3 * P) == 0);
	CHECK(p[3 * P] == 5);
	CHECK(munmap(p + 3 * P, P) == 0);
}

static void a_mapped_file_is_a_buffer(const char *dir)
{
	int from = make_file(dir, 8), to = make_file(dir, 0);
	char *p = mmap(NULL, 8 * P, PROT_READ, MAP_SHARED, from, 0), byte;

	CHECK(write(to, p + 10, 7 * P) == (ssize_t)(7 * P));
	CHECK(pread(to, &byte, 1, 6 * (off_t)P) == 1 && byte == 7);
	CHECK_ERR(pread(to, p, 1, 0), EFAULT);
	CHECK(munmap(p, 8 * P) == 0);
	close(from);
	close(to);
}

static void all_of_it(const char *dir)
{
	int fd = make_file(dir, 64);

	private_stores_stay_private(fd, 64);
	private_stores_stay_private(fd, 8);
	reads_and_maps_agree(fd);
	two_mappings_are_one_memory(fd);
	processes_share_it(fd);
	close(fd);
	fd = make_file(dir, 8);
	the_last_page_ends_in_zeros(fd);
	truncation_takes_pages_away(fd);
	growth_shows_in_an_old_mapping(fd);
	close(fd);
	a_mapping_outlives_its_descriptor(dir);
	a_mapped_file_is_a_buffer(dir);
}

int main(void)
{
	struct stat st;

	touch_init();
	all_of_it(".");
	all_of_it("/tmp");
	if (stat("/dev/shm", &st) == 0)
		all_of_it("/dev/shm");
	return 0;
}
