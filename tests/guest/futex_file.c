/* Shared futexes in a file that several processes map, and that is truncated: the
 * word that is gone is EFAULT, who sleeps on it goes on sleeping, and the word
 * that comes back at its offset is the same futex. */
#include <fcntl.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "tmpdir.h"
#include "waitfor.h"

#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ROUNDS 200

static long futex(uint32_t *addr, int op, uint32_t val, const struct timespec *timeout)
{
	return syscall(SYS_futex, addr, op, val, timeout, NULL, FUTEX_BITSET_MATCH_ANY);
}

static char *map(int fd)
{
	char *p = mmap(NULL, 4 * P, RW, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void join(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

static void a_sleeper_outlives_the_page(int fd)
{
	char *p = map(fd), *q = map(fd); /* two views of the same words */
	uint32_t *word = (uint32_t *)(p + 2 * P + 8), *twin = (uint32_t *)(q + 2 * P + 8);
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		/* Its own mapping, elsewhere. */
		uint32_t *mine = (uint32_t *)(map(fd) + 2 * P + 8);

		CHECK_EQ(futex(mine, FUTEX_WAIT, 0, NULL), 0);
		CHECK_EQ(*mine, 0);
		_exit(0);
	}
	wait_futex(word, 1, 0);
	CHECK_EQ(futex(twin, FUTEX_WAIT, 1, NULL), -1);
	CHECK(ftruncate(fd, (off_t)P) == 0);
	CHECK_ERR(futex(word, FUTEX_WAKE, 1, NULL), EFAULT);
	CHECK_ERR(futex(word, FUTEX_WAIT, 0, NULL), EFAULT);
	CHECK(ftruncate(fd, (off_t)(4 * P)) == 0);
	CHECK_EQ(futex(word + 1, FUTEX_WAKE, 1, NULL), 0);
	CHECK_EQ(futex(twin, FUTEX_WAKE, 5, NULL), 1);
	join(pid);
	CHECK(munmap(p, 4 * P) == 0 && munmap(q, 4 * P) == 0);
}

/* A private mapping's word is another futex, also while it shows the file's page. */
static void private_views_are_others(int fd)
{
	char *p = map(fd), *q = mmap(NULL, 4 * P, RW, MAP_PRIVATE, fd, 0);
	uint32_t *word = (uint32_t *)(p + P), *mine = (uint32_t *)(q + P);
	pid_t pid;

	CHECK(q != MAP_FAILED);
	*word = 0;
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK_EQ(futex(word, FUTEX_WAIT, 0, NULL), 0);
		_exit(0);
	}
	wait_futex(word, 1, 0);
	CHECK_EQ(futex(mine, FUTEX_WAKE, 5, NULL), 0);
	*mine = 1;
	CHECK_EQ(futex(mine, FUTEX_WAKE, 5, NULL), 0);
	CHECK_EQ(futex(word, FUTEX_WAKE_PRIVATE, 5, NULL), 0);
	CHECK_EQ(futex(word, FUTEX_WAKE, 5, NULL), 1);
	join(pid);
	CHECK(munmap(p, 4 * P) == 0 && munmap(q, 4 * P) == 0);
}

/* Children wait and wake while the file shrinks and grows. */
static void nothing_breaks_when_it_shrinks_again_and_again(int fd)
{
	pid_t pids[3];

	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (pids[i])
			continue;
		uint32_t *word = (uint32_t *)(map(fd) + 3 * P);
		for (int k = 0; k < ROUNDS; k++) {
			struct timespec brief = { 0, 300000 };
			long r = i < 2 ? futex(word, FUTEX_WAIT, 0, &brief)
				       : futex(word, FUTEX_WAKE, 1, NULL);

			CHECK(r >= 0 || errno == EFAULT || (i < 2 && errno == ETIMEDOUT));
		}
		_exit(0);
	}
	for (int k = 0; k < ROUNDS; k++) {
		CHECK(ftruncate(fd, k % 2 ? (off_t)(4 * P) : (off_t)P) == 0);
		usleep(100);
	}
	CHECK(ftruncate(fd, (off_t)(4 * P)) == 0);
	for (int i = 0; i < 3; i++)
		join(pids[i]);
}

int main(void)
{
	tmpdir_enter();
	for (int i = 0; i < 2; i++) {
		int fd = i ? open("file", O_RDWR | O_CREAT, 0600) : memfd_create("test", 0);

		CHECK(fd >= 0 && ftruncate(fd, (off_t)(4 * P)) == 0);
		a_sleeper_outlives_the_page(fd);
		private_views_are_others(fd);
		nothing_breaks_when_it_shrinks_again_and_again(fd);
		close(fd);
	}
	return 0;
}
