/* flock, POSIX and OFD record locks: sharing, splitting, blocking, who owns them,
 * deadlock. */
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "tmpdir.h"
#include "waitfor.h"

static int lock(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock fl = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len
	};

	return fcntl(fd, cmd, &fl);
}

/* What another process would run into on [start, start + len). */
static struct flock other_sees(int cmd, int type, off_t start, off_t len)
{
	struct flock fl = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len
	};
	int p[2], status;

	CHECK(pipe(p) == 0);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		int fd = open("f", O_RDWR);

		CHECK(fd >= 0);
		CHECK(fcntl(fd, cmd, &fl) == 0);
		CHECK_EQ(write(p[1], &fl, sizeof(fl)), sizeof(fl));
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_EQ(read(p[0], &fl, sizeof(fl)), sizeof(fl));
	close(p[0]);
	close(p[1]);
	return fl;
}

static void flocks(void)
{
	int a = open("f", O_RDONLY), b = open("f", O_RDONLY), c;

	CHECK(flock(a, LOCK_SH) == 0);
	CHECK(flock(b, LOCK_SH | LOCK_NB) == 0);
	CHECK_ERR(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK(flock(a, LOCK_UN) == 0);
	CHECK(flock(b, LOCK_EX | LOCK_NB) == 0);
	CHECK_ERR(flock(a, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	c = dup(b);
	CHECK(close(b) == 0);
	CHECK_ERR(flock(a, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	CHECK(close(c) == 0); /* the last descriptor of the open file */
	CHECK(flock(a, LOCK_EX | LOCK_NB) == 0);
	CHECK_ERR(flock(a, 0), EINVAL);
	CHECK_ERR(flock(-1, LOCK_SH), EBADF);
	close(a);
}

static void flock_waits(void)
{
	int a = open("f", O_RDONLY), status;

	CHECK(flock(a, LOCK_EX) == 0);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		int b = open("f", O_RDONLY);

		CHECK(flock(b, LOCK_EX) == 0);
		_exit(0);
	}
	wait_asleep(pid, SYS_flock);
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK(flock(a, LOCK_UN) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	close(a);
}

static void posix_locks(void)
{
	struct flock fl;
	int fd = open("f", O_RDWR), ro = open("f", O_RDONLY);

	CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 100) == 0);
	CHECK(lock(fd, F_SETLK, F_UNLCK, 40, 20) == 0);
	fl = other_sees(F_GETLK, F_WRLCK, 0, 0);
	CHECK_EQ(fl.l_type, F_WRLCK);
	CHECK_EQ(fl.l_start, 0);
	CHECK_EQ(fl.l_len, 40);
	CHECK_EQ(fl.l_pid, getpid());
	fl = other_sees(F_GETLK, F_RDLCK, 40, 20);
	CHECK_EQ(fl.l_type, F_UNLCK);
	fl = other_sees(F_GETLK, F_RDLCK, 50, 50);
	CHECK_EQ(fl.l_start, 60);
	CHECK_EQ(fl.l_len, 40);
	CHECK(lock(fd, F_SETLK, F_WRLCK, 30, 40) == 0); /* joins them again */
	fl = other_sees(F_GETLK, F_WRLCK, 0, 0);
	CHECK_EQ(fl.l_len, 100);
	CHECK(lock(fd, F_SETLK, F_RDLCK, 0, 0) == 0); /* to the end, for ever */
	fl = other_sees(F_GETLK, F_WRLCK, 1000000, 1);
	CHECK_EQ(fl.l_type, F_RDLCK);
	CHECK_EQ(fl.l_len, 0);
	CHECK_ERR(lock(ro, F_SETLK, F_WRLCK, 0, 1), EBADF);
	CHECK_ERR(lock(fd, F_SETLK, 77, 0, 1), EINVAL);
	CHECK_ERR(lock(fd, F_SETLK, F_RDLCK, -5, 1), EINVAL);
	CHECK(close(ro) == 0); /* any close of the file drops them */
	fl = other_sees(F_GETLK, F_WRLCK, 0, 0);
	CHECK_EQ(fl.l_type, F_UNLCK);
	close(fd);
}

static void ofd_locks(void)
{
	struct flock fl;
	int a = open("f", O_RDWR), b = open("f", O_RDWR), status;

	CHECK(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10) == 0);
	CHECK_ERR(lock(b, F_OFD_SETLK, F_WRLCK, 5, 10), EAGAIN);
	CHECK_ERR(lock(b, F_SETLK, F_WRLCK, 5, 10), EAGAIN);
	fl = other_sees(F_GETLK, F_WRLCK, 0, 0);
	CHECK_EQ(fl.l_pid, -1);
	pid_t pid = fork(); /* a child has the same open file */
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(lock(a, F_OFD_SETLK, F_UNLCK, 0, 10) == 0);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(lock(b, F_OFD_SETLK, F_WRLCK, 0, 10) == 0);
	close(b);
	CHECK(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10) == 0);
	close(a);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void waiting_and_deadlock(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	int fd = open("f", O_RDWR), p[2], go[2], status;
	pid_t alarm_pid;
	char c;

	CHECK(pipe(p) == 0 && pipe(go) == 0);
	CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(lock(fd, F_SETLK, F_WRLCK, 1, 1) == 0);
		CHECK_EQ(write(p[1], "r", 1), 1);
		CHECK_EQ(read(go[0], &c, 1), 1);
		/* Until the parent gives up. */
		CHECK(lock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0);
		_exit(0);
	}
	CHECK_EQ(read(p[0], &c, 1), 1);
	/* Once the child waits for us, waiting for it is a deadlock; before that a
	 * signal ends our wait. */
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	alarm_pid = signal_when_asleep(SIGALRM, SYS_fcntl, 1);
	CHECK_ERR(lock(fd, F_SETLKW, F_WRLCK, 1, 1), EINTR);
	CHECK(waitpid(alarm_pid, &status, 0) == alarm_pid && status == 0);
	CHECK_EQ(write(go[1], "g", 1), 1);
	wait_asleep(pid, SYS_fcntl);
	CHECK_ERR(lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
	CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 1) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	close(fd);
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(go[i]);
	}
}

int main(void)
{
	tmpdir_enter();
	close(tmpdir_file("f", "0123456789"));
	flocks();
	flock_waits();
	posix_locks();
	ofd_locks();
	waiting_and_deadlock();
	return 0;
}
