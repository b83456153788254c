/* Host sockets: to devices (vhost-user), control, and proxied guest sockets. */
#pragma once

#include "base/base.h"

struct msghdr;
struct sockaddr;

/* All close-on-exec. */
int host_socket(int domain, int type, int protocol) MUST_CHECK;
int host_socketpair(int domain, int type, int protocol, int fds[2]) MUST_CHECK;
int host_bind(int fd, const struct sockaddr *addr, uint32_t len) MUST_CHECK;
int host_listen(int fd, int backlog) MUST_CHECK;
/* These four return -EINTR. */
int host_connect(int fd, const struct sockaddr *addr, uint32_t len) MUST_CHECK;
int host_accept4(int fd, struct sockaddr *addr, uint32_t *len, int flags) MUST_CHECK;
ssize_t host_sendmsg(int fd, const struct msghdr *msg, int flags) MUST_CHECK;
ssize_t host_recvmsg(int fd, struct msghdr *msg, int flags) MUST_CHECK;
int host_getsockopt(int fd, int level, int name, void *value, uint32_t *len) MUST_CHECK;
int host_setsockopt(int fd, int level, int name, const void *value, uint32_t len) MUST_CHECK;
int host_getsockname(int fd, struct sockaddr *addr, uint32_t *len) MUST_CHECK;
int host_getpeername(int fd, struct sockaddr *addr, uint32_t *len) MUST_CHECK;
int host_shutdown(int fd, int how);
