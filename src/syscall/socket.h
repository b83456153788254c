/* What the socket calls share: descriptors that are sockets, addresses. */
#pragma once

#include "net/message.h"
#include "syscall/syscall.h"

/* The file of a socket, with a reference. -EBADF, -ENOTSOCK. */
int sock_file(struct task *t, int fd, struct file **out) MUST_CHECK;
/* Puts f into the table with the flags of socket(2); takes its reference, also when
 * it fails. */
int sock_install(struct task *t, struct file *f, unsigned flags) MUST_CHECK;

/* The result of a send: SIGPIPE comes with -EPIPE of a stream. */
long sock_sent(struct task *t, const struct file *f, unsigned flags, long r);
