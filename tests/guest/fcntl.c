/* fcntl: descriptors, status flags, owners, pipe sizes, record locks. */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "tmpdir.h"

static void descriptors(int fd)
{
	int d = fcntl(fd, F_DUPFD, 20);

	CHECK_EQ(d, 20);
	CHECK_EQ(fcntl(d, F_GETFD), 0);
	CHECK_EQ(fcntl(fd, F_DUPFD, 20), 21);
	CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 20), 22);
	CHECK_EQ(fcntl(22, F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(d, F_SETFD, FD_CLOEXEC) == 0);
	CHECK_EQ(fcntl(d, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	CHECK(ioctl(d, FIONCLEX) == 0);
	CHECK_EQ(fcntl(d, F_GETFD), 0);
	CHECK(ioctl(d, FIOCLEX) == 0);
	CHECK_EQ(fcntl(d, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(fcntl(fd, F_DUPFD, -1), EINVAL);
	CHECK_ERR(fcntl(fd, F_DUPFD, 1 << 30), EINVAL);
	CHECK_ERR(fcntl(-1, F_GETFD), EBADF);
	CHECK_ERR(fcntl(fd, 9999, 0), EINVAL);
	close(20);
	close(21);
	close(22);
}

static void status_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL), on = 1, path;

	CHECK_EQ(flags & O_ACCMODE, O_RDWR);
	CHECK(fcntl(fd, F_SETFL, flags | O_APPEND | O_NONBLOCK) == 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND | O_NONBLOCK);
	/* Neither the access mode nor O_CREAT and the like can be set. */
	CHECK(fcntl(fd, F_SETFL, O_WRONLY | O_EXCL) == 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_EXCL), O_RDWR);
	CHECK(ioctl(fd, FIONBIO, &on) == 0);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	on = 0;
	CHECK(ioctl(fd, FIONBIO, &on) == 0);
	CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK_ERR(ioctl(fd, FIONBIO, 1L), EFAULT);
	CHECK_ERR(ioctl(fd, TIOCGWINSZ, &on), ENOTTY);
	CHECK_ERR(ioctl(-1, FIONBIO, &on), EBADF);
	path = open("f", O_PATH);
	CHECK(fcntl(path, F_GETFL) & O_PATH);
	CHECK_ERR(fcntl(path, F_SETFL, O_APPEND), EBADF);
	CHECK_ERR(ioctl(path, FIONBIO, &on), EBADF);
	close(path);
}

static void bytes_to_read(int fd)
{
	int n = -1, ends[2];

	CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
	CHECK(ioctl(fd, FIONREAD, &n) == 0);
	CHECK_EQ(n, 7);
	CHECK(pipe(ends) == 0);
	CHECK_EQ(write(ends[1], "abc", 3), 3);
	CHECK(ioctl(ends[0], FIONREAD, &n) == 0);
	CHECK_EQ(n, 3);
	CHECK(fcntl(ends[0], F_GETPIPE_SZ) >= 4096);
	CHECK(fcntl(ends[1], F_SETPIPE_SZ, 8192) >= 8192);
	CHECK(fcntl(ends[0], F_GETPIPE_SZ) >= 8192);
	CHECK_ERR(fcntl(fd, F_GETPIPE_SZ), EBADF);
	close(ends[0]);
	close(ends[1]);
}

static void owners(int fd)
{
	CHECK(fcntl(fd, F_SETOWN, getpid()) == 0);
	CHECK_EQ(fcntl(fd, F_GETOWN), getpid());
	CHECK(fcntl(fd, F_SETSIG, SIGUSR1) == 0);
	CHECK_EQ(fcntl(fd, F_GETSIG), SIGUSR1);
	CHECK_ERR(fcntl(fd, F_SETSIG, 100), EINVAL);
}

/* ---- record locks, seen from a child ---- */

static struct flock lock_of(short type, off_t start, off_t len)
{
	return (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len
	};
}

/* Runs fn in a child and gives its answer. */
static int in_child(int (*fn)(int fd), int fd)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(fd));
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int child_sees_lock(int fd)
{
	struct flock fl = lock_of(F_WRLCK, 0, 0);

	CHECK(fcntl(fd, F_GETLK, &fl) == 0);
	CHECK_EQ(fl.l_type, F_WRLCK);
	CHECK_EQ(fl.l_start, 2);
	CHECK_EQ(fl.l_len, 3);
	CHECK_EQ(fl.l_whence, SEEK_SET);
	CHECK_EQ(fl.l_pid, getppid());
	fl = lock_of(F_RDLCK, 4, 1);
	CHECK_ERR(fcntl(fd, F_SETLK, &fl), EAGAIN);
	fl = lock_of(F_WRLCK, 5, 5);
	CHECK(fcntl(fd, F_SETLK, &fl) == 0);
	return 0;
}

static int child_sees_nothing(int fd)
{
	struct flock fl = lock_of(F_WRLCK, 0, 0);

	CHECK(fcntl(fd, F_GETLK, &fl) == 0);
	return fl.l_type == F_UNLCK ? 0 : 1;
}

static void record_locks(int fd)
{
	struct flock fl = lock_of(F_WRLCK, 2, 3);
	int ro = open("f", O_RDONLY);

	CHECK(fcntl(fd, F_SETLK, &fl) == 0);
	CHECK_EQ(in_child(child_sees_lock, fd), 0);
	/* One's own lock is no conflict. */
	fl = lock_of(F_WRLCK, 0, 0);
	CHECK(fcntl(fd, F_GETLK, &fl) == 0 && fl.l_type == F_UNLCK);
	fl = lock_of(F_WRLCK, 0, 1);
	CHECK_ERR(fcntl(ro, F_SETLK, &fl), EBADF);
	fl = lock_of(F_WRLCK, -1, 1);
	CHECK_ERR(fcntl(fd, F_SETLK, &fl), EINVAL);
	fl = lock_of(7, 0, 1);
	CHECK_ERR(fcntl(fd, F_SETLK, &fl), EINVAL);
	CHECK_ERR(fcntl(fd, F_SETLK, (struct flock *)1), EFAULT);
	/* A negative length; relative to the end. */
	fl = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -2, .l_len = -3 };
	CHECK(fcntl(fd, F_SETLK, &fl) == 0);
	/* Closing any descriptor of the file drops them all. */
	close(ro);
	CHECK_EQ(in_child(child_sees_nothing, fd), 0);
}

static void ofd_locks(int fd)
{
	struct flock fl = lock_of(F_WRLCK, 0, 0);
	int other = open("f", O_RDWR);

	CHECK(fcntl(fd, F_OFD_SETLK, &fl) == 0);
	CHECK_ERR(fcntl(other, F_OFD_SETLK, &fl), EAGAIN);
	fl = lock_of(F_RDLCK, 1, 1);
	CHECK(fcntl(other, F_OFD_GETLK, &fl) == 0);
	CHECK_EQ(fl.l_type, F_WRLCK);
	CHECK_EQ(fl.l_pid, -1);
	fl = lock_of(F_WRLCK, 0, 0);
	fl.l_pid = 1;
	CHECK_ERR(fcntl(fd, F_OFD_SETLK, &fl), EINVAL);
	fl = lock_of(F_UNLCK, 0, 0);
	CHECK(fcntl(fd, F_OFD_SETLK, &fl) == 0);
	close(other);
}

int main(void)
{
	int fd;

	tmpdir_enter();
	fd = tmpdir_file("f", "0123456789");
	descriptors(fd);
	status_flags(fd);
	bytes_to_read(fd);
	owners(fd);
	record_locks(fd);
	ofd_locks(fd);
	CHECK_EQ(fcntl(fd, F_NOTIFY, DN_MULTISHOT), 0); /* nothing to be told of */
	return 0;
}
