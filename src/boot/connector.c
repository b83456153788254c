/*
 * Connections to devices. The kernel process sits in an empty root, in a network namespace of
 * its own, and may not call connect(2); so the launcher makes them: one for each device before
 * it forks, and another each time that the kernel process asks, because a device's process may
 * be started again. What may be asked for is the number of a device, never a path.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/lock.h"
#include "boot/internal.h"
#include "host/host.h"
#include "host/net.h"

/* ---- the launcher's side ---- */

/* Does not wait: a device whose backlog is full is asked again later. */
static int connect_to(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	fd = host_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	r = host_connect(fd, (const struct sockaddr *)&sa, sizeof(sa));
	if (r == 0)
		return fd;
	host_close(fd);
	return r;
}

static int connect_or_say(const char *flag, const char *path)
{
	int fd = connect_to(path);

	if (fd < 0)
		fprintf(stderr, "nacre: %s %s: %s%s\n", flag, path, strerror(-fd),
			fd == -ECONNREFUSED ? " (nobody listens there)" : "");
	return fd;
}

int connector_open(const struct boot_config *cfg)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < cfg->ndisks; i++)
		r = cfg->disks[i].fd = connect_or_say("--virtio-blk", cfg->disks[i].path);
	for (size_t i = 0; r >= 0 && i < cfg->nshares; i++)
		r = cfg->shares[i].fd = connect_or_say("--virtiofs", cfg->shares[i].path);
	return MIN(r, 0);
}

void connector_forget(const struct boot_config *cfg)
{
	for (size_t i = 0; i < cfg->ndisks; i++) {
		host_close(cfg->disks[i].fd);
		cfg->disks[i].fd = -1;
	}
	for (size_t i = 0; i < cfg->nshares; i++) {
		host_close(cfg->shares[i].fd);
		cfg->shares[i].fd = -1;
	}
}

bool connector_serve(int socket, const struct boot_config *cfg)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	uint32_t index;
	int32_t answer;
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fd;

	if (host_read(socket, &index, sizeof(index)) != (ssize_t)sizeof(index))
		return false;
	fd = index < cfg->ndisks ? connect_to(cfg->disks[index].path) : -EINVAL;
	answer = MIN(fd, 0);
	if (fd >= 0) {
		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	(void)!host_sendmsg(socket, &m, MSG_DONTWAIT);
	if (fd >= 0)
		host_close(fd);
	return true;
}

/* ---- the kernel process's side ---- */

static struct mutex lock = MUTEX_INIT(LOCK_BOOT); /* one question at a time */

static int receive_fd(int socket)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	int32_t answer;
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c;
	ssize_t n;
	int fd;

	do
		n = host_recvmsg(socket, &m, 0);
	while (n == -EINTR);
	if (n != (ssize_t)sizeof(answer))
		return n < 0 ? (int)n : -ECONNRESET;
	c = CMSG_FIRSTHDR(&m);
	if (answer < 0 || !c || c->cmsg_type != SCM_RIGHTS)
		return answer < 0 ? answer : -ECONNREFUSED;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int connector_ask(int socket, uint32_t index)
{
	int r = -ECONNRESET;

	mutex_lock(&lock);
	if (host_write(socket, &index, sizeof(index)) == (ssize_t)sizeof(index))
		r = receive_fd(socket);
	mutex_unlock(&lock);
	return r;
}
