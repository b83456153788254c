/*
 * Messages as sendmsg(2) and recvmsg(2) have them, in a guest's memory: read once,
 * then sent or received, if need be in several tries. io_uring's are the same.
 */
#pragma once

#include "abi/socket.h"
#include "net/socket.h"
#include "task/task.h"

/* One message on its way: its header, and what its parts became. */
struct message {
	struct abi_msghdr h;
	struct socket_addr name; /* of who it goes to, or came from */
	struct socket_msg m;
	struct socket_control control;
	struct uio u;
	int32_t name_room; /* h.namelen as it was given, also without a name */
	enum uio_dir dir;
	struct uio_seg *segs; /* [borrowed] h.iovlen of them */
};

/* Reads the header at user: segs is room for ABI_UIO_MAXIOV. -EFAULT, -EINVAL,
 * -EMSGSIZE. */
int message_init(struct task *t, struct message *msg, struct uio_seg *segs, gva_t user,
		 enum uio_dir dir) MUST_CHECK;
/* Before each try: the data begins at byte `done`. */
void message_rewind(struct task *t, struct message *msg, uint64_t done);
/* The bytes moved, or an error. */
long message_send(struct task *t, struct file *f, struct message *msg, unsigned flags);
/* Writes what recvmsg changes of the header at user. */
long message_recv(struct task *t, struct file *f, gva_t user, struct message *msg, unsigned flags);
/* The control messages that came with m, as far as room bytes at `at` hold them; *used
 * and *flags (MSG_CTRUNC) say more. -EFAULT. */
int message_put_control(struct task *t, const struct socket_msg *m, gva_t at, uint64_t room,
			bool cloexec, uint64_t *used, unsigned *flags) MUST_CHECK;

/* An address of the guest's. -EINVAL for a size that is none. */
int sock_addr_in(struct task *t, gva_t user, int size, struct socket_addr *out) MUST_CHECK;
/* Writes as much of addr as fits, and its whole size, to the int at user_size: the
 * room there is before. user 0: nothing. */
int sock_addr_out(struct task *t, gva_t user, gva_t user_size, const struct socket_addr *addr)
	MUST_CHECK;
