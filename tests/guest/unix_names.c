/* AF_UNIX sockets by name: paths, abstract names, autobind, listen and accept, peer
 * credentials, backlogs, datagrams to names, errors of each call, poll. */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

static socklen_t path_addr(struct sockaddr_un *a, const char *path)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	strcpy(a->sun_path, path);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
}

static socklen_t abstract_addr(struct sockaddr_un *a, const char *name)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path + 1, name, strlen(name));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

static int sock(int type)
{
	int s = socket(AF_UNIX, type, 0);

	CHECK(s >= 0);
	return s;
}

#define ADDR(a) ((const struct sockaddr *)&(a))

static void by_path(void)
{
	struct sockaddr_un a, got;
	socklen_t size = path_addr(&a, "sock"), n = sizeof(got);
	int l = sock(SOCK_STREAM), c = sock(SOCK_STREAM), s;
	struct ucred uc;
	struct stat st;
	char buf[8];

	CHECK_ERR(connect(c, ADDR(a), size), ENOENT);
	CHECK_EQ(bind(l, ADDR(a), size), 0);
	CHECK_EQ(stat("sock", &st), 0);
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_ERR(bind(c, ADDR(a), size), EADDRINUSE);
	size = path_addr(&got, "another");
	CHECK_ERR(bind(l, ADDR(got), size), EINVAL);
	CHECK_ERR(stat("another", &st), ENOENT);
	size = path_addr(&a, "sock");
	CHECK_ERR(connect(c, ADDR(a), size), ECONNREFUSED);
	CHECK_ERR(accept(l, NULL, NULL), EINVAL);
	CHECK_EQ(listen(l, 2), 0);
	CHECK_EQ(connect(c, ADDR(a), size), 0);
	CHECK_ERR(connect(c, ADDR(a), size), EISCONN);
	CHECK_EQ(poll(&(struct pollfd){ .fd = l, .events = POLLIN }, 1, 0), 1);
	s = accept4(l, (struct sockaddr *)&got, &n, SOCK_CLOEXEC);
	CHECK(s >= 0);
	CHECK_EQ(n, sizeof(sa_family_t)); /* the client has no name */
	n = sizeof(got);
	CHECK_EQ(getsockname(s, (struct sockaddr *)&got, &n), 0);
	CHECK_EQ(n, size);
	CHECK(!memcmp(&got, &a, size));
	n = sizeof(got);
	CHECK_EQ(getpeername(c, (struct sockaddr *)&got, &n), 0);
	CHECK(!strcmp(got.sun_path, "sock"));
	n = sizeof(uc);
	CHECK_EQ(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &uc, &n), 0);
	CHECK_EQ(uc.pid, getpid());
	CHECK_EQ(uc.uid, getuid());
	CHECK_EQ(write(c, "to you", 6), 6);
	CHECK_EQ(read(s, buf, 8), 6);
	CHECK_EQ(shutdown(c, SHUT_WR), 0);
	CHECK_EQ(read(s, buf, 8), 0);
	CHECK_EQ(close(c), 0);
	CHECK_EQ(recv(s, buf, 8, 0), 0);
	CHECK_ERR(send(s, "x", 1, MSG_NOSIGNAL), EPIPE);
	close(s);
	close(l);
	c = sock(SOCK_STREAM);
	CHECK_ERR(connect(c, ADDR(a), size), ECONNREFUSED);
	CHECK_EQ(unlink("sock"), 0);
	CHECK_ERR(connect(c, ADDR(a), size), ENOENT);
	close(c);
}

static void abstract(void)
{
	struct sockaddr_un a, got;
	char name[32];
	socklen_t size, n = sizeof(got);
	int l = sock(SOCK_SEQPACKET), c = sock(SOCK_SEQPACKET | SOCK_NONBLOCK), s, type;

	snprintf(name, sizeof(name), "nacre-test-%d", getpid());
	size = abstract_addr(&a, name);
	CHECK_EQ(bind(l, ADDR(a), size), 0);
	CHECK_EQ(listen(l, 0), 0);
	CHECK_EQ(bind(c, ADDR(a), sizeof(sa_family_t)), 0); /* autobind */
	CHECK_EQ(getsockname(c, (struct sockaddr *)&got, &n), 0);
	CHECK_EQ(n, offsetof(struct sockaddr_un, sun_path) + 6);
	CHECK_EQ(connect(c, ADDR(a), size), 0);
	n = sizeof(type);
	CHECK_EQ(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &type, &n), 0);
	CHECK_EQ(type, 1);
	CHECK_EQ(getsockopt(c, SOL_SOCKET, SO_TYPE, &type, &n), 0);
	CHECK_EQ(type, SOCK_SEQPACKET);
	s = sock(SOCK_SEQPACKET | SOCK_NONBLOCK);
	CHECK_ERR(connect(s, ADDR(a), size), EAGAIN); /* the backlog is full */
	close(s);
	s = accept(l, NULL, NULL);
	CHECK(s >= 0);
	CHECK_EQ(send(c, "one", 3, 0), 3);
	CHECK_EQ(send(c, "two", 3, 0), 3);
	CHECK_EQ(recv(s, name, 2, MSG_TRUNC), 3);
	CHECK_EQ(recv(s, name, 8, 0), 3);
	CHECK(!memcmp(name, "two", 3));
	close(s);
	CHECK_EQ(poll(&(struct pollfd){ .fd = c, .events = POLLIN }, 1, 60000), 1);
	CHECK_EQ(recv(c, name, 8, 0), 0);
	close(c);
	close(l);
}

static void datagrams(void)
{
	struct sockaddr_un a, b, got;
	socklen_t na = path_addr(&a, "da"), nb = path_addr(&b, "db"), n = sizeof(got);
	int s = sock(SOCK_DGRAM), r = sock(SOCK_DGRAM), other = sock(SOCK_DGRAM);
	char buf[8];

	CHECK_ERR(send(s, "x", 1, 0), ENOTCONN);
	CHECK_EQ(bind(s, ADDR(a), na), 0);
	CHECK_EQ(bind(r, ADDR(b), nb), 0);
	CHECK_EQ(sendto(s, "hello", 5, 0, ADDR(b), nb), 5);
	CHECK_EQ(sendto(other, "anon", 4, 0, ADDR(b), nb), 4);
	CHECK_EQ(recvfrom(r, buf, 8, 0, (struct sockaddr *)&got, &n), 5);
	CHECK_EQ(n, na);
	CHECK(!strcmp(got.sun_path, "da"));
	n = sizeof(got);
	CHECK_EQ(recvfrom(r, buf, 8, 0, (struct sockaddr *)&got, &n), 4);
	CHECK_EQ(n, 0);
	CHECK_EQ(connect(r, ADDR(a), na), 0);
	CHECK_ERR(sendto(other, "no", 2, MSG_DONTWAIT, ADDR(b), nb), EPERM);
	CHECK_EQ(sendto(s, "yes", 3, 0, ADDR(b), nb), 3);
	CHECK_EQ(recv(r, buf, 8, 0), 3);
	close(r);
	CHECK_ERR(sendto(s, "x", 1, 0, ADDR(b), nb), ECONNREFUSED);
	CHECK_ERR(listen(s, 1), EOPNOTSUPP);
	close(s);
	close(other);
	unlink("da");
	unlink("db");
}

static void errors(void)
{
	struct sockaddr_un a;
	socklen_t size = path_addr(&a, "x"), n = 4;
	int s, v;

	CHECK_ERR(socket(AF_UNIX, 77, 0), EINVAL);
	CHECK_ERR(socket(AF_UNIX, SOCK_STREAM, 7), EPROTONOSUPPORT);
	CHECK_ERR(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	CHECK_ERR(socket(77, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERR(bind(0x7ffffff, ADDR(a), size), EBADF);
	s = sock(SOCK_STREAM);
	a.sun_family = AF_INET;
	CHECK_ERR(bind(s, ADDR(a), size), EINVAL);
	CHECK_ERR(connect(s, ADDR(a), size), EINVAL);
	a.sun_family = AF_UNIX;
	CHECK_ERR(bind(s, ADDR(a), sizeof(a) + 1), EINVAL);
	CHECK_ERR(bind(s, (void *)1, size), EFAULT);
	CHECK_ERR(listen(s, 1), EINVAL);
	CHECK_ERR(getpeername(s, (struct sockaddr *)&a, &n), ENOTCONN);
	CHECK_ERR(shutdown(s, 3), EINVAL);
	CHECK_EQ(shutdown(s, SHUT_RD), 0);
	CHECK_ERR(getsockopt(s, SOL_SOCKET, 9999, &v, &n), ENOPROTOOPT);
	CHECK_ERR(setsockopt(s, SOL_SOCKET, SO_RCVBUF, &v, 1), EINVAL);
	CHECK_ERR(recv(s, &v, 1, MSG_DONTWAIT), EINVAL);
	CHECK_ERR(lseek(s, 0, SEEK_SET), ESPIPE);
	close(s);
}

int main(void)
{
	by_path();
	abstract();
	datagrams();
	errors();
	return 0;
}
