/* sendmsg and recvmsg over AF_UNIX pairs: gathering, peeking, truncation,
 * descriptors and credentials in control messages, what does not fit, SIGPIPE,
 * sendmmsg and recvmmsg, shutdown, errors. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "waitfor.h"

static void pair(int type, int s[2])
{
	CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
}

static void drop(int s[2])
{
	close(s[0]);
	close(s[1]);
}

static ssize_t send_with(int s, const void *data, size_t size, void *control, size_t csize,
			 int flags)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = csize
	};

	return sendmsg(s, &m, flags);
}

static void streams(void)
{
	struct iovec iov[3];
	char a[4], b[4], buf[16];
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };
	int s[2];

	pair(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, s);
	CHECK_EQ(fcntl(s[0], F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(s[1], F_GETFL) & O_NONBLOCK);
	CHECK_ERR(recv(s[0], buf, 1, 0), EAGAIN);
	iov[0] = (struct iovec){ "abc", 3 };
	iov[1] = (struct iovec){ NULL, 0 };
	iov[2] = (struct iovec){ "defgh", 5 };
	CHECK_EQ(sendmsg(s[0], &m, 0), 8);
	CHECK_EQ(recv(s[1], buf, 16, MSG_PEEK), 8);
	iov[0] = (struct iovec){ a, 4 };
	iov[1] = (struct iovec){ b, 2 };
	m.msg_iovlen = 2;
	m.msg_flags = 0x1234;
	CHECK_EQ(recvmsg(s[1], &m, 0), 6);
	CHECK(!memcmp(a, "abcd", 4) && !memcmp(b, "ef", 2));
	CHECK_EQ(m.msg_flags, 0);
	CHECK_EQ(m.msg_controllen, 0);
	CHECK_EQ(read(s[1], buf, 16), 2);
	CHECK_EQ(write(s[1], "x", 1), 1);
	CHECK_EQ(send(s[1], "yz", 2, 0), 2);
	CHECK_EQ(recvfrom(s[0], buf, 16, 0, NULL, NULL), 3);
	drop(s);
}

static void datagrams(int type)
{
	struct iovec iov;
	char buf[16];
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int s[2];

	pair(type, s);
	CHECK_EQ(send(s[0], "first", 5, 0), 5);
	CHECK_EQ(send(s[0], "second", 6, 0), 6);
	iov = (struct iovec){ buf, 3 };
	CHECK_EQ(recvmsg(s[1], &m, MSG_PEEK), 3);
	CHECK(m.msg_flags & MSG_TRUNC);
	CHECK_EQ(recv(s[1], buf, 3, MSG_TRUNC), 5);
	CHECK_EQ(recv(s[1], buf, 16, MSG_DONTWAIT), 6);
	CHECK(!memcmp(buf, "second", 6));
	CHECK_ERR(recv(s[1], buf, 16, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(send(s[0], "", 0, 0), 0);
	CHECK_EQ(recv(s[1], buf, 16, MSG_DONTWAIT), 0);
	drop(s);
}

/* ---- descriptors ---- */

union fds {
	struct cmsghdr h;
	char space[CMSG_SPACE(300 * sizeof(int))];
};

static void fill_fds(union fds *u, const int *fd, int n)
{
	memset(u, 0, sizeof(*u));
	u->h.cmsg_level = SOL_SOCKET;
	u->h.cmsg_type = SCM_RIGHTS;
	u->h.cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(&u->h), fd, n * sizeof(int));
}

static struct msghdr recv_fds(int s, char *buf, size_t size, union fds *u, size_t room, int flags)
{
	struct iovec iov = { buf, size };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = u, .msg_controllen = room
	};

	memset(u, 0xff, sizeof(*u));
	CHECK(recvmsg(s, &m, flags) >= 0);
	return m;
}

static void rights(int type)
{
	int s[2], p[2], got;
	char buf[16];
	union fds u;
	struct msghdr m;
	struct stat a, b;

	pair(type, s);
	CHECK(pipe(p) == 0);
	fill_fds(&u, p, 2);
	CHECK_EQ(send_with(s[0], "x", 1, &u, CMSG_SPACE(8), 0), 1);
	m = recv_fds(s[1], buf, 16, &u, sizeof(u), MSG_CMSG_CLOEXEC);
	CHECK(!(m.msg_flags & MSG_CTRUNC));
	CHECK_EQ(u.h.cmsg_len, CMSG_LEN(8));
	CHECK_EQ(m.msg_controllen, CMSG_SPACE(8));
	CHECK(u.h.cmsg_level == SOL_SOCKET && u.h.cmsg_type == SCM_RIGHTS);
	memcpy(&got, CMSG_DATA(&u.h), sizeof(got));
	CHECK(got != p[0] && fcntl(got, F_GETFD) == FD_CLOEXEC);
	CHECK(fstat(got, &a) == 0 && fstat(p[0], &b) == 0);
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	CHECK_EQ(write(p[1], "q", 1), 1);
	CHECK_EQ(read(got, buf, 1), 1);
	close(got);
	memcpy(&got, CMSG_DATA(&u.h) + 4, sizeof(got));
	close(got);

	/* Room for one of them: the other is dropped, and the pipe ends. */
	fill_fds(&u, p, 2);
	CHECK_EQ(send_with(s[0], "x", 1, &u, CMSG_SPACE(8), 0), 1);
	close(p[1]);
	m = recv_fds(s[1], buf, 16, &u, CMSG_LEN(4), 0);
	CHECK(m.msg_flags & MSG_CTRUNC);
	CHECK_EQ(u.h.cmsg_len, CMSG_LEN(4));
	memcpy(&got, CMSG_DATA(&u.h), sizeof(got));
	CHECK_EQ(fcntl(got, F_GETFD), 0);
	CHECK_EQ(read(got, buf, 1), 0);
	close(got);

	/* A plain read drops them. */
	CHECK_EQ(read(p[0], buf, 1), 0);
	fill_fds(&u, s, 1);
	CHECK_EQ(send_with(s[0], "x", 1, &u, CMSG_SPACE(4), 0), 1);
	CHECK_EQ(read(s[1], buf, 16), 1);
	close(p[0]);
	drop(s);
}

static void rights_errors(void)
{
	int s[2], many[300];
	union fds u;

	pair(SOCK_STREAM, s);
	for (int i = 0; i < 300; i++)
		many[i] = s[0];
	fill_fds(&u, many, 254);
	CHECK_ERR(send_with(s[0], "x", 1, &u, CMSG_SPACE(254 * 4), 0), EINVAL);
	fill_fds(&u, many, 253);
	CHECK_EQ(send_with(s[0], "x", 1, &u, CMSG_SPACE(253 * 4), 0), 1);
	many[0] = 9999;
	fill_fds(&u, many, 1);
	CHECK_ERR(send_with(s[0], "x", 1, &u, CMSG_SPACE(4), 0), EBADF);
	u.h.cmsg_len = 8;
	CHECK_ERR(send_with(s[0], "x", 1, &u, CMSG_SPACE(4), 0), EINVAL);
	u.h.cmsg_len = sizeof(u);
	CHECK_ERR(send_with(s[0], "x", 1, &u, CMSG_SPACE(4), 0), EINVAL);
	fill_fds(&u, many, 1);
	u.h.cmsg_type = 77;
	CHECK_ERR(send_with(s[0], "x", 1, &u, CMSG_SPACE(4), 0), EINVAL);
	drop(s);
}

/* A descriptor that is in a message alone lives on; one in a message that
 * nobody reads goes with the socket. */
static void in_flight(void)
{
	int s[2], p[2], got;
	char buf[4];
	union fds u;

	pair(SOCK_DGRAM, s);
	CHECK(pipe(p) == 0);
	fill_fds(&u, &p[1], 1);
	CHECK_EQ(send_with(s[0], "x", 1, &u, CMSG_SPACE(4), 0), 1);
	CHECK_EQ(send_with(s[0], "x", 1, &u, CMSG_SPACE(4), 0), 1);
	close(p[1]);
	recv_fds(s[1], buf, 4, &u, sizeof(u), 0);
	memcpy(&got, CMSG_DATA(&u.h), sizeof(got));
	CHECK_EQ(write(got, "alive", 5), 5);
	close(got);
	CHECK_EQ(read(p[0], buf, 4), 4);
	drop(s);
	CHECK_EQ(read(p[0], buf, 4), 1);
	CHECK_EQ(read(p[0], buf, 4), 0);
	close(p[0]);
}

/* ---- credentials ---- */

static void credentials(void)
{
	int s[2], one = 1;
	char buf[4];
	union fds u;
	struct msghdr m;
	struct ucred uc = { getpid(), getuid(), getgid() }, peer;
	socklen_t len = sizeof(peer);

	pair(SOCK_STREAM, s);
	CHECK(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0);
	CHECK(len == sizeof(peer) && peer.pid == getpid() && peer.uid == geteuid());
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) == 0);
	CHECK_EQ(write(s[0], "x", 1), 1);
	m = recv_fds(s[1], buf, 4, &u, sizeof(u), 0);
	CHECK(u.h.cmsg_type == SCM_CREDENTIALS && u.h.cmsg_len == CMSG_LEN(sizeof(uc)));
	CHECK_EQ(m.msg_controllen, CMSG_SPACE(sizeof(uc)));
	memcpy(&peer, CMSG_DATA(&u.h), sizeof(peer));
	CHECK(peer.pid == uc.pid && peer.uid == uc.uid && peer.gid == uc.gid);
	memset(&u, 0, sizeof(u));
	u.h.cmsg_level = SOL_SOCKET;
	u.h.cmsg_type = SCM_CREDENTIALS;
	u.h.cmsg_len = CMSG_LEN(sizeof(uc));
	memcpy(CMSG_DATA(&u.h), &uc, sizeof(uc));
	CHECK_EQ(send_with(s[0], "x", 1, &u, CMSG_SPACE(sizeof(uc)), 0), 1);
	/* Cut in the middle. */
	m = recv_fds(s[1], buf, 4, &u, CMSG_LEN(4), 0);
	CHECK(m.msg_flags & MSG_CTRUNC);
	CHECK_EQ(u.h.cmsg_len, CMSG_LEN(4));
	if (geteuid() != 0) {
		memset(&u, 0, sizeof(u));
		u.h.cmsg_level = SOL_SOCKET;
		u.h.cmsg_type = SCM_CREDENTIALS;
		u.h.cmsg_len = CMSG_LEN(sizeof(uc));
		uc.uid = 0;
		memcpy(CMSG_DATA(&u.h), &uc, sizeof(uc));
		CHECK_ERR(send_with(s[0], "x", 1, &u, CMSG_SPACE(sizeof(uc)), 0), EPERM);
		uc.uid = getuid();
		uc.pid = 1;
		memcpy(CMSG_DATA(&u.h), &uc, sizeof(uc));
		CHECK_ERR(send_with(s[0], "x", 1, &u, CMSG_SPACE(sizeof(uc)), 0), EPERM);
	}
	drop(s);
}

/* ---- ends ---- */

static volatile sig_atomic_t pipes;

static void on_pipe(int sig)
{
	(void)sig;
	pipes++;
}

static void broken(void)
{
	struct pollfd p;
	char buf[4];
	int s[2];

	signal(SIGPIPE, on_pipe);
	pair(SOCK_STREAM, s);
	CHECK_EQ(write(s[1], "left", 4), 4);
	CHECK(shutdown(s[1], SHUT_WR) == 0);
	CHECK_ERR(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(pipes, 0);
	CHECK_ERR(send(s[1], "x", 1, 0), EPIPE);
	CHECK_EQ(pipes, 1);
	CHECK_ERR(write(s[1], "x", 1), EPIPE);
	CHECK_EQ(pipes, 2);
	p = (struct pollfd){ s[0], POLLIN | POLLRDHUP, 0 };
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK(p.revents & POLLRDHUP);
	CHECK_EQ(read(s[0], buf, 4), 4);
	CHECK_EQ(read(s[0], buf, 4), 0);
	CHECK_EQ(write(s[0], "back", 4), 4);
	CHECK_EQ(read(s[1], buf, 4), 4);
	close(s[1]);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK(p.revents & POLLHUP);
	CHECK_ERR(write(s[0], "x", 1), EPIPE);
	CHECK_EQ(pipes, 3);
	CHECK_ERR(shutdown(s[0], 7), EINVAL);
	close(s[0]);
}

/* A full socket blocks its writer until the reader has made room. */
static void flow(void)
{
	static char big[1 << 20], back[1 << 20];
	struct pollfd p;
	int s[2], status;
	size_t at = 0;
	ssize_t n;
	pid_t pid;

	pair(SOCK_STREAM, s);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 31 >> 3);
	while (send(s[0], big, 4096, MSG_DONTWAIT) > 0)
		;
	CHECK_EQ(errno, EAGAIN);
	p = (struct pollfd){ s[0], POLLOUT, 0 };
	CHECK_EQ(poll(&p, 1, 0), 0);
	drop(s);
	pair(SOCK_STREAM, s);
	pid = fork();
	if (!pid) {
		CHECK_EQ(write(s[0], big, sizeof(big)), sizeof(big));
		_exit(0);
	}
	close(s[0]);
	while ((n = read(s[1], back + at, sizeof(back) - at)) > 0)
		at += (size_t)n;
	CHECK_EQ(at, sizeof(big));
	CHECK(!memcmp(big, back, sizeof(big)));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	close(s[1]);
}

static void waiting(void)
{
	struct timeval tv = { 0, 30000 };
	struct timespec a, b;
	char buf[8];
	int s[2], status;
	pid_t pid, self = getpid();

	pair(SOCK_STREAM, s);
	CHECK(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	CHECK_ERR(recv(s[0], buf, 8, 0), EAGAIN);
	clock_gettime(CLOCK_MONOTONIC, &b);
	CHECK((b.tv_sec - a.tv_sec) * 1000000000l + b.tv_nsec - a.tv_nsec >= 29000000);
	pid = fork();
	if (!pid) {
		wait_asleep(self, SYS_recvfrom);
		CHECK_EQ(write(s[0], "abcd", 4), 4);
		wait_asleep(self, SYS_recvfrom);
		CHECK_EQ(write(s[0], "efgh", 4), 4);
		_exit(0);
	}
	CHECK_EQ(recv(s[1], buf, 8, MSG_WAITALL), 8);
	CHECK(!memcmp(buf, "abcdefgh", 8));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	drop(s);
}

/* ---- many at once ---- */

static void plural(void)
{
	struct mmsghdr mm[5];
	struct iovec iov[5];
	struct timespec ts = { 0, 20000000 };
	char buf[5][8];
	int s[2];

	pair(SOCK_DGRAM, s);
	memset(mm, 0, sizeof(mm));
	for (int i = 0; i < 3; i++) {
		iov[i] = (struct iovec){ (void *)(uintptr_t) "abcdef", (size_t)i + 1 };
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
	}
	CHECK_EQ(sendmmsg(s[0], mm, 3, 0), 3);
	CHECK(mm[0].msg_len == 1 && mm[1].msg_len == 2 && mm[2].msg_len == 3);
	for (int i = 0; i < 5; i++) {
		iov[i] = (struct iovec){ buf[i], 8 };
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
		mm[i].msg_len = 99;
	}
	CHECK_EQ(recvmmsg(s[1], mm, 5, MSG_WAITFORONE, NULL), 3);
	CHECK(mm[2].msg_len == 3 && mm[3].msg_len == 99);
	CHECK_ERR(recvmmsg(s[1], mm, 5, MSG_DONTWAIT, &ts), EAGAIN);
	mm[1].msg_hdr.msg_iov = (struct iovec *)1;
	CHECK_EQ(send(s[0], "q", 1, 0), 1);
	CHECK_EQ(recvmmsg(s[1], mm, 5, MSG_DONTWAIT, NULL), 1);
	ts.tv_nsec = -1;
	CHECK_ERR(recvmmsg(s[1], mm, 5, 0, &ts), EINVAL);
	drop(s);
}

static void errors(void)
{
	struct msghdr m = { 0 };
	struct sockaddr_storage name;
	socklen_t len;
	int s[2], p[2], value;
	char buf[4];

	CHECK_ERR(socketpair(AF_UNIX, 9, 0, s), ESOCKTNOSUPPORT);
	CHECK_ERR(socketpair(AF_UNIX, SOCK_STREAM | 0x100, 0, s), EINVAL);
	CHECK_ERR(socket(9999, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERR(socketpair(AF_UNIX, SOCK_STREAM, 99, s), EPROTONOSUPPORT);
	CHECK_ERR(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 1), EFAULT);
	pair(SOCK_STREAM, s);
	CHECK(pipe(p) == 0);
	CHECK_ERR(send(p[1], "x", 1, 0), ENOTSOCK);
	CHECK_ERR(recvmsg(p[0], &m, 0), ENOTSOCK);
	CHECK_ERR(listen(p[0], 1), ENOTSOCK);
	CHECK_ERR(send(9999, "x", 1, 0), EBADF);
	CHECK_ERR(syscall(SYS_sendmsg, s[0], 1, 0), EFAULT);
	CHECK_ERR(syscall(SYS_sendto, s[0], 1, 4, 0, NULL, 0), EFAULT);
	m.msg_iovlen = 1025;
	CHECK_ERR(sendmsg(s[0], &m, 0), EMSGSIZE);
	CHECK_ERR(recvmsg(s[0], &m, 0), EMSGSIZE);
	len = sizeof(name);
	CHECK(getsockname(s[0], (struct sockaddr *)&name, &len) == 0);
	CHECK(len == 2 && name.ss_family == AF_UNIX);
	len = sizeof(name);
	CHECK(getpeername(s[0], (struct sockaddr *)&name, &len) == 0);
	CHECK_ERR(syscall(SYS_getsockname, s[0], &name, 1), EFAULT);
	CHECK_ERR(syscall(SYS_setsockopt, s[0], SOL_SOCKET, SO_PASSCRED, 1, 4), EFAULT);
	CHECK_ERR(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &value, 2), EINVAL);
	CHECK_ERR(setsockopt(s[0], SOL_SOCKET, 9999, &value, 4), ENOPROTOOPT);
	len = sizeof(value);
	CHECK(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &value, &len) == 0);
	CHECK(value == SOCK_STREAM && len == 4);
	len = 2;
	CHECK(getsockopt(s[0], SOL_SOCKET, SO_DOMAIN, &value, &len) == 0);
	CHECK_EQ(len, 2);
	CHECK(recv(s[0], buf, 4, MSG_OOB | MSG_DONTWAIT) == -1);
	CHECK(errno == EINVAL || errno == EOPNOTSUPP); /* as Linux is built */
	CHECK_ERR(lseek(s[0], 0, SEEK_SET), ESPIPE);
	close(p[0]);
	close(p[1]);
	drop(s);
}

int main(void)
{
	streams();
	datagrams(SOCK_DGRAM);
	datagrams(SOCK_SEQPACKET);
	rights(SOCK_STREAM);
	rights(SOCK_DGRAM);
	rights_errors();
	in_flight();
	credentials();
	broken();
	flow();
	waiting();
	plural();
	errors();
	return 0;
}
