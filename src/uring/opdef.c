/*
 * The operations. One row each: its name, how it is prepared and issued, what it
 * allows. docs/io_uring.md is checked against this table.
 */
#include <string.h>

#include "uring/internal.h"
#include "uring/ops.h"

struct uring_externals uring_ext;
static bool denied[IORING_OP_LAST];

void uring_init(const struct uring_externals *ext)
{
	uring_ext = *ext;
}

/* clang-format off */
const struct op_def op_defs[IORING_OP_LAST] = {
#define ROW(number, op, ...) [IORING_OP_##number] = { .name = #op, .prep = op##_prep, .issue = op##_issue, ##__VA_ARGS__ }
/* The same preparation, or issue, serves several. */
#define ROW_OF(number, op, prep_, issue_, ...) \
	[IORING_OP_##number] = { .name = #op, .prep = prep_##_prep, .issue = issue_##_issue, ##__VA_ARGS__ }
#define READS .needs_file = 1, .poll_in = 1, .has_ioprio = 1, .iopoll = 1, .unbound_nonreg = 1, .may_punt = 1
#define WRITES .needs_file = 1, .poll_out = 1, .has_ioprio = 1, .iopoll = 1, .unbound_nonreg = 1, .hash_writes = 1, .may_punt = 1
	ROW(NOP, nop, .iopoll = 1, .may_punt = 1),
	/* op_rw.c */
	ROW_OF(READV, readv, rw_vec, read, READS, .buffer_select = 1),
	ROW_OF(WRITEV, writev, rw_vec, write, WRITES),
	ROW_OF(READ_FIXED, read_fixed, rw_fixed, read, READS),
	ROW_OF(WRITE_FIXED, write_fixed, rw_fixed, write, WRITES),
	ROW_OF(READV_FIXED, readv_fixed, rw_vec, read, READS),
	ROW_OF(WRITEV_FIXED, writev_fixed, rw_vec, write, WRITES),
	ROW_OF(READ, read, rw, read, READS, .buffer_select = 1),
	ROW_OF(WRITE, write, rw, write, WRITES),
	ROW(READ_MULTISHOT, read_multishot, .needs_file = 1, .poll_in = 1, .buffer_select = 1, .unbound_nonreg = 1, .may_punt = 1),
	/* op_file.c */
	ROW(FSYNC, fsync, .needs_file = 1, .may_punt = 1),
	ROW_OF(SYNC_FILE_RANGE, sync_file_range, sync_range, sync_range, .needs_file = 1, .may_punt = 1),
	ROW(FALLOCATE, fallocate, .needs_file = 1, .hash_writes = 1, .may_punt = 1),
	ROW(FTRUNCATE, ftruncate, .needs_file = 1, .hash_writes = 1, .may_punt = 1),
	ROW(FADVISE, fadvise, .needs_file = 1, .may_punt = 1),
	ROW(MADVISE, madvise, .may_punt = 1),
	ROW(TEE, tee, .needs_file = 1, .hash_writes = 1, .unbound_nonreg = 1, .blocks = 1, .may_punt = 1),
	ROW(SPLICE, splice, .needs_file = 1, .hash_writes = 1, .unbound_nonreg = 1, .blocks = 1, .may_punt = 1),
	/* op_fs.c */
	ROW(OPENAT, openat, .may_punt = 1),
	ROW_OF(OPENAT2, openat2, openat2, openat, .may_punt = 1),
	ROW(STATX, statx, .may_punt = 1),
	ROW(RENAMEAT, renameat, .may_punt = 1),
	ROW(UNLINKAT, unlinkat, .may_punt = 1),
	ROW(MKDIRAT, mkdirat, .may_punt = 1),
	ROW(SYMLINKAT, symlinkat, .may_punt = 1),
	ROW(LINKAT, linkat, .may_punt = 1),
	ROW(SETXATTR, setxattr, .may_punt = 1),
	ROW(GETXATTR, getxattr, .may_punt = 1),
	ROW(FSETXATTR, fsetxattr, .needs_file = 1, .may_punt = 1),
	ROW(FGETXATTR, fgetxattr, .needs_file = 1, .may_punt = 1),
	/* op_desc.c */
	ROW(CLOSE, close, .may_punt = 1),
	ROW(FILES_UPDATE, files_update, .iopoll = 1),
	ROW(FIXED_FD_INSTALL, fixed_fd_install, .needs_file = 1),
	ROW(PIPE, pipe),
	ROW(PROVIDE_BUFFERS, provide_buffers, .iopoll = 1),
	ROW(REMOVE_BUFFERS, remove_buffers, .iopoll = 1),
	/* op_epoll.c, op_msg.c */
	ROW(EPOLL_CTL, epoll_ctl, .may_punt = 1),
	ROW(EPOLL_WAIT, epoll_wait, .needs_file = 1, .poll_in = 1),
	ROW(MSG_RING, msg_ring, .needs_file = 1, .iopoll = 1),
	/* op_send.c, op_recv.c */
#define SENDS .needs_file = 1, .poll_out = 1, .has_ioprio = 1, .unbound_nonreg = 1, .may_punt = 1
#define RECEIVES .needs_file = 1, .poll_in = 1, .has_ioprio = 1, .buffer_select = 1, .unbound_nonreg = 1, .may_punt = 1
	ROW(SEND, send, SENDS, .buffer_select = 1),
	ROW_OF(SENDMSG, sendmsg, send, send, SENDS),
	ROW_OF(SEND_ZC, send_zc, send, send, SENDS),
	ROW_OF(SENDMSG_ZC, sendmsg_zc, send, send, SENDS),
	ROW(RECV, recv, RECEIVES),
	ROW_OF(RECVMSG, recvmsg, recv, recv, RECEIVES),
	/* op_sock.c */
	ROW(SOCKET, socket, .may_punt = 1),
	ROW(BIND, bind, .needs_file = 1),
	ROW(LISTEN, listen, .needs_file = 1),
	ROW(CONNECT, connect, .needs_file = 1, .poll_out = 1, .unbound_nonreg = 1, .may_punt = 1),
	ROW(ACCEPT, accept, .needs_file = 1, .poll_in = 1, .poll_exclusive = 1, .has_ioprio = 1, .unbound_nonreg = 1, .may_punt = 1),
	ROW(SHUTDOWN, shutdown, .needs_file = 1, .may_punt = 1),
	ROW(URING_CMD, uring_cmd, .needs_file = 1, .iopoll = 1, .may_punt = 1),
	/* op_wait.c */
	ROW(WAITID, waitid),
	ROW(FUTEX_WAIT, futex_wait, .cleanup = futex_wait_cleanup),
	ROW_OF(FUTEX_WAITV, futex_waitv, futex_waitv, futex_wait, .cleanup = futex_wait_cleanup),
	ROW(FUTEX_WAKE, futex_wake),
	/* op_poll.c, op_timeout.c, op_cancel.c */
	ROW(POLL_ADD, poll_add, .needs_file = 1),
	ROW(POLL_REMOVE, poll_remove),
	ROW(TIMEOUT, timeout),
	ROW(TIMEOUT_REMOVE, timeout_remove),
	ROW(ASYNC_CANCEL, async_cancel),
	ROW_OF(LINK_TIMEOUT, link_timeout, link_timeout, op_no),
};
/* clang-format on */

int op_no_issue(struct req *req UNUSED, struct issue *is UNUSED)
{
	return -ECANCELED;
}

const char *uring_op_name(unsigned opcode)
{
	return opcode < IORING_OP_LAST ? op_defs[opcode].name : NULL;
}

bool uring_op_is_supported(unsigned opcode)
{
	return opcode < IORING_OP_LAST && op_defs[opcode].prep && !denied[opcode];
}

static int deny_one(const char *name, size_t size)
{
	for (unsigned i = 0; i < IORING_OP_LAST; i++) {
		const char *n = op_defs[i].name;

		if (n && strlen(n) == size && memcmp(n, name, size) == 0) {
			denied[i] = true;
			return 0;
		}
	}
	return -EINVAL;
}

int uring_deny(const char *names)
{
	int err = 0;

	while (*names && err == 0) {
		size_t n = strcspn(names, ",");

		err = deny_one(names, n);
		names += n + (names[n] == ',');
	}
	return err;
}
