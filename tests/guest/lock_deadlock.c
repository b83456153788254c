/* Deadlocks of POSIX record locks: rings of processes on several files, rings that
 * are over when a lock is given up, and open file description locks, which take no
 * part: a ring of those only a signal ends. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "tmpdir.h"

#define RING 5
#define ROUNDS 300

static int lock(int fd, int cmd, int type, off_t start)
{
	struct flock fl = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = 1
	};

	return fcntl(fd, cmd, &fl);
}

static int open_numbered(int n)
{
	char name[16];
	int fd;

	sprintf(name, "f%d", n);
	fd = open(name, O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0);
	return fd;
}

static void join(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

/* Process i holds file i and then wants file i + 1. The last to want closes the
 * ring: it gets EDEADLK, gives up what it holds, and so all others go on. */
static void ring(void)
{
	unsigned *deadlocks =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int go[2], ready[2];
	pid_t pids[RING];
	char c;

	CHECK(deadlocks != MAP_FAILED && pipe(go) == 0 && pipe(ready) == 0);
	for (int i = 0; i < RING; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (pids[i] > 0)
			continue;
		int mine = open_numbered(i), next = open_numbered((i + 1) % RING);

		CHECK(lock(mine, F_SETLK, F_WRLCK, 0) == 0);
		CHECK_EQ(write(ready[1], "r", 1), 1);
		close(go[1]);
		CHECK_EQ(read(go[0], &c, 1), 0);
		if (lock(next, F_SETLKW, i % 2 ? F_WRLCK : F_RDLCK, 0) < 0) {
			CHECK_EQ(errno, EDEADLK);
			__atomic_fetch_add(deadlocks, 1, __ATOMIC_SEQ_CST);
		}
		_exit(0);
	}
	for (int i = 0; i < RING; i++)
		CHECK_EQ(read(ready[0], &c, 1), 1);
	close(go[1]);
	for (int i = 0; i < RING; i++)
		join(pids[i]);
	CHECK_EQ(*deadlocks, 1);
	close(go[0]);
	close(ready[0]);
	close(ready[1]);
}

/* Two that read and both want to write: the second is refused. */
static void upgrade(void)
{
	int fd = open_numbered(0), p[2];
	pid_t pid;
	char c;

	CHECK(pipe(p) == 0 && lock(fd, F_SETLK, F_RDLCK, 7) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(lock(fd, F_SETLK, F_RDLCK, 7) == 0);
		CHECK_EQ(write(p[1], "r", 1), 1);
		while (lock(fd, F_SETLKW, F_WRLCK, 7) < 0) {
			CHECK_EQ(errno, EDEADLK);
			CHECK(lock(fd, F_SETLK, F_UNLCK, 7) == 0);
		}
		_exit(0);
	}
	CHECK_EQ(read(p[0], &c, 1), 1);
	if (lock(fd, F_SETLKW, F_WRLCK, 7) < 0)
		CHECK_EQ(errno, EDEADLK);
	CHECK(lock(fd, F_SETLK, F_UNLCK, 7) == 0);
	join(pid);
	close(p[0]);
	close(p[1]);
	close(fd);
}

/* The child waits for byte 0 while it holds byte 1. Once the parent has given byte 0
 * up, no wait of its own for byte 1 is a deadlock, even when the child has not run yet. */
static void released_is_no_deadlock(void)
{
	int fd = open_numbered(0), p[2];
	char c;

	CHECK(pipe(p) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid;

		CHECK(lock(fd, F_SETLK, F_WRLCK, 0) == 0);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			CHECK(lock(fd, F_SETLK, F_WRLCK, 1) == 0);
			CHECK_EQ(write(p[1], "r", 1), 1);
			CHECK(lock(fd, F_SETLKW, F_WRLCK, 0) == 0);
			_exit(0);
		}
		CHECK_EQ(read(p[0], &c, 1), 1);
		if (i % 2)
			usleep(200);
		CHECK(lock(fd, F_SETLK, F_UNLCK, 0) == 0);
		CHECK(lock(fd, F_SETLKW, F_WRLCK, 1) == 0);
		CHECK(lock(fd, F_SETLK, F_UNLCK, 1) == 0);
		join(pid);
	}
	close(p[0]);
	close(p[1]);
	close(fd);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void ofd_has_none(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval every = { { 0, 20000 }, { 0, 20000 } };
	int a = open_numbered(0), b = open_numbered(0);
	pid_t pid;

	CHECK(lock(a, F_OFD_SETLK, F_WRLCK, 0) == 0 && lock(b, F_OFD_SETLK, F_WRLCK, 1) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(lock(a, F_OFD_SETLKW, F_WRLCK, 1) == 0);
		_exit(0);
	}
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &every, NULL) == 0);
	for (int i = 0; i < 5; i++)
		CHECK_ERR(lock(b, F_OFD_SETLKW, F_WRLCK, 0), EINTR);
	every = (struct itimerval){ 0 };
	CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
	CHECK(lock(b, F_OFD_SETLK, F_UNLCK, 1) == 0);
	join(pid);
	close(a);
	close(b);
}

int main(void)
{
	tmpdir_enter();
	ring();
	upgrade();
	released_is_no_deadlock();
	ofd_has_none();
	return 0;
}
