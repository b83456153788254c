/* What the socket calls share: descriptors that are sockets, addresses. */
#pragma once

#include "net/socket.h"
#include "syscall/syscall.h"

/* The file of a socket, with a reference. -EBADF, -ENOTSOCK. */
int sock_file(struct task *t, int fd, struct file **out) MUST_CHECK;
/* Puts f into the table with the flags of socket(2); takes its reference, also when
 * it fails. */
int sock_install(struct task *t, struct file *f, unsigned flags) MUST_CHECK;

/* An address of the guest's. -EINVAL for a size that is none. */
int sock_addr_in(struct task *t, gva_t user, int size, struct socket_addr *out) MUST_CHECK;
/* Writes as much of addr as fits, and its whole size, to the int at user_size: the
 * room there is before. user 0: nothing. */
int sock_addr_out(struct task *t, gva_t user, gva_t user_size, const struct socket_addr *addr)
	MUST_CHECK;

/* The result of a send: SIGPIPE comes with -EPIPE of a stream. */
long sock_sent(struct task *t, const struct file *f, unsigned flags, long r);
