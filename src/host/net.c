#include "host/net.h"

#include <sys/socket.h>

#include "host/internal.h"

int host_socket(int domain, int type, int protocol)
{
	return (int)HOST_CALL(
		socket(domain, type | SOCK_CLOEXEC, protocol)); /* host-setup: socket */
}

int host_socketpair(int domain, int type, int protocol, int fds[2])
{
	return (int)HOST_CALL(
		socketpair(domain, type | SOCK_CLOEXEC, protocol, fds)); /* host: socketpair */
}

int host_bind(int fd, const struct sockaddr *addr, uint32_t len)
{
	return (int)HOST_CALL(bind(fd, addr, len)); /* host-setup: bind */
}

int host_listen(int fd, int backlog)
{
	return (int)HOST_CALL(listen(fd, backlog)); /* host-setup: listen */
}

int host_connect(int fd, const struct sockaddr *addr, uint32_t len)
{
	return (int)HOST_CALL(connect(fd, addr, len)); /* host-setup: connect */
}

int host_accept4(int fd, struct sockaddr *addr, uint32_t *len, int flags)
{
	return (int)HOST_CALL(accept4(fd, addr, len, flags | SOCK_CLOEXEC)); /* host: accept4 */
}

ssize_t host_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return HOST_CALL(sendmsg(fd, msg, flags | MSG_NOSIGNAL)); /* host: sendmsg */
}

ssize_t host_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return HOST_CALL(recvmsg(fd, msg, flags | MSG_CMSG_CLOEXEC)); /* host: recvmsg */
}

int host_getsockopt(int fd, int level, int name, void *value, uint32_t *len)
{
	return (int)HOST_CALL(getsockopt(fd, level, name, value, len)); /* host: getsockopt */
}

int host_setsockopt(int fd, int level, int name, const void *value, uint32_t len)
{
	return (int)HOST_CALL(setsockopt(fd, level, name, value, len)); /* host: setsockopt */
}

int host_getsockname(int fd, struct sockaddr *addr, uint32_t *len)
{
	return (int)HOST_CALL(getsockname(fd, addr, len)); /* host: getsockname */
}

int host_getpeername(int fd, struct sockaddr *addr, uint32_t *len)
{
	return (int)HOST_CALL(getpeername(fd, addr, len)); /* host: getpeername */
}

int host_shutdown(int fd, int how)
{
	return (int)HOST_CALL(shutdown(fd, how)); /* host: shutdown */
}
