/*
 * io_uring_setup(2), io_uring_enter(2), io_uring_register(2) as Linux 6.18 has
 * them. The system's own header may be older, so nothing of it is used here: names
 * are those of the manual pages, and this file may not be included together with
 * <linux/io_uring.h>.
 *
 * io_uring_reg.h has the structures of io_uring_register(2).
 */
#pragma once

#include <stdint.h>

/* ---- the submission queue entry ---- */

struct io_uring_sqe {
	uint8_t opcode;
	uint8_t flags; /* IOSQE_* */
	uint16_t ioprio;
	int32_t fd;
	union {
		uint64_t off;
		uint64_t addr2;
		struct {
			uint32_t cmd_op;
			uint32_t pad1;
		};
	};
	union {
		uint64_t addr;
		uint64_t splice_off_in;
		struct {
			uint32_t level;
			uint32_t optname;
		};
	};
	uint32_t len;
	union {
		uint32_t op_flags; /* whatever the operation calls its flags */
		uint32_t rw_flags;
		uint32_t fsync_flags;
		uint16_t poll_events;
		uint32_t poll32_events;
		uint32_t sync_range_flags;
		uint32_t msg_flags;
		uint32_t timeout_flags;
		uint32_t accept_flags;
		uint32_t cancel_flags;
		uint32_t open_flags;
		uint32_t statx_flags;
		uint32_t fadvise_advice;
		uint32_t splice_flags;
		uint32_t rename_flags;
		uint32_t unlink_flags;
		uint32_t hardlink_flags;
		uint32_t xattr_flags;
		uint32_t msg_ring_flags;
		uint32_t uring_cmd_flags;
		uint32_t waitid_flags;
		uint32_t futex_flags;
		uint32_t install_fd_flags;
		uint32_t nop_flags;
		uint32_t pipe_flags;
	};
	uint64_t user_data;
	union {
		uint16_t buf_index;
		uint16_t buf_group;
	};
	uint16_t personality;
	union {
		int32_t splice_fd_in;
		uint32_t file_index;
		uint32_t optlen;
		struct {
			uint16_t addr_len;
			uint16_t pad3;
		};
	};
	union {
		struct {
			uint64_t addr3;
			uint64_t pad2;
		};
		struct {
			uint64_t attr_ptr;
			uint64_t attr_type_mask;
		};
		uint64_t optval;
	};
};
_Static_assert(sizeof(struct io_uring_sqe) == 64, "struct io_uring_sqe");
#define IORING_SQE128_SIZE 128u

#define IORING_FILE_INDEX_ALLOC (~0u)

#define IOSQE_FIXED_FILE (1u << 0)
#define IOSQE_IO_DRAIN (1u << 1)
#define IOSQE_IO_LINK (1u << 2)
#define IOSQE_IO_HARDLINK (1u << 3)
#define IOSQE_ASYNC (1u << 4)
#define IOSQE_BUFFER_SELECT (1u << 5)
#define IOSQE_CQE_SKIP_SUCCESS (1u << 6)
#define IOSQE_ALL 0x7fu

/* ---- the completion queue entry ---- */

struct io_uring_cqe {
	uint64_t user_data;
	int32_t res;
	uint32_t flags; /* IORING_CQE_F_* */
};
_Static_assert(sizeof(struct io_uring_cqe) == 16, "struct io_uring_cqe");
#define IORING_CQE32_SIZE 32u

#define IORING_CQE_F_BUFFER (1u << 0) /* the upper 16 bits are the buffer's id */
#define IORING_CQE_F_MORE (1u << 1)
#define IORING_CQE_F_SOCK_NONEMPTY (1u << 2)
#define IORING_CQE_F_NOTIF (1u << 3)
#define IORING_CQE_F_BUF_MORE (1u << 4)
#define IORING_CQE_F_SKIP (1u << 5)
#define IORING_CQE_F_32 (1u << 15)
#define IORING_CQE_BUFFER_SHIFT 16

/* ---- io_uring_setup(2) ---- */

#define IORING_SETUP_IOPOLL (1u << 0)
#define IORING_SETUP_SQPOLL (1u << 1)
#define IORING_SETUP_SQ_AFF (1u << 2)
#define IORING_SETUP_CQSIZE (1u << 3)
#define IORING_SETUP_CLAMP (1u << 4)
#define IORING_SETUP_ATTACH_WQ (1u << 5)
#define IORING_SETUP_R_DISABLED (1u << 6)
#define IORING_SETUP_SUBMIT_ALL (1u << 7)
#define IORING_SETUP_COOP_TASKRUN (1u << 8)
#define IORING_SETUP_TASKRUN_FLAG (1u << 9)
#define IORING_SETUP_SQE128 (1u << 10)
#define IORING_SETUP_CQE32 (1u << 11)
#define IORING_SETUP_SINGLE_ISSUER (1u << 12)
#define IORING_SETUP_DEFER_TASKRUN (1u << 13)
#define IORING_SETUP_NO_MMAP (1u << 14)
#define IORING_SETUP_REGISTERED_FD_ONLY (1u << 15)
#define IORING_SETUP_NO_SQARRAY (1u << 16)
#define IORING_SETUP_HYBRID_IOPOLL (1u << 17)
#define IORING_SETUP_CQE_MIXED (1u << 18)
#define IORING_SETUP_ALL ((1u << 19) - 1)

struct io_sqring_offsets {
	uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, resv1;
	uint64_t user_addr;
};

struct io_cqring_offsets {
	uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1;
	uint64_t user_addr;
};

struct io_uring_params {
	uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd;
	uint32_t resv[3];
	struct io_sqring_offsets sq_off;
	struct io_cqring_offsets cq_off;
};
_Static_assert(sizeof(struct io_uring_params) == 120, "struct io_uring_params");

#define IORING_MAX_ENTRIES 32768u
#define IORING_MAX_CQ_ENTRIES (2 * IORING_MAX_ENTRIES)

/* Offsets for mmap(2). */
#define IORING_OFF_SQ_RING 0ull
#define IORING_OFF_CQ_RING 0x8000000ull
#define IORING_OFF_SQES 0x10000000ull
#define IORING_OFF_PARAM_REGION 0x20000000ull
#define IORING_OFF_PBUF_RING 0x80000000ull
#define IORING_OFF_PBUF_SHIFT 16
#define IORING_OFF_MMAP_MASK 0xf8000000ull

/* What the kernel writes into the ring's own words. */
#define IORING_SQ_NEED_WAKEUP (1u << 0)
#define IORING_SQ_CQ_OVERFLOW (1u << 1)
#define IORING_SQ_TASKRUN (1u << 2)
/* What the program does. */
#define IORING_CQ_EVENTFD_DISABLED (1u << 0)

#define IORING_FEAT_SINGLE_MMAP (1u << 0)
#define IORING_FEAT_NODROP (1u << 1)
#define IORING_FEAT_SUBMIT_STABLE (1u << 2)
#define IORING_FEAT_RW_CUR_POS (1u << 3)
#define IORING_FEAT_CUR_PERSONALITY (1u << 4)
#define IORING_FEAT_FAST_POLL (1u << 5)
#define IORING_FEAT_POLL_32BITS (1u << 6)
#define IORING_FEAT_SQPOLL_NONFIXED (1u << 7)
#define IORING_FEAT_EXT_ARG (1u << 8)
#define IORING_FEAT_NATIVE_WORKERS (1u << 9)
#define IORING_FEAT_RSRC_TAGS (1u << 10)
#define IORING_FEAT_CQE_SKIP (1u << 11)
#define IORING_FEAT_LINKED_FILE (1u << 12)
#define IORING_FEAT_REG_REG_RING (1u << 13)
#define IORING_FEAT_RECVSEND_BUNDLE (1u << 14)
#define IORING_FEAT_MIN_TIMEOUT (1u << 15)
#define IORING_FEAT_RW_ATTR (1u << 16)
#define IORING_FEAT_NO_IOWAIT (1u << 17)

/* ---- io_uring_enter(2) ---- */

#define IORING_ENTER_GETEVENTS (1u << 0)
#define IORING_ENTER_SQ_WAKEUP (1u << 1)
#define IORING_ENTER_SQ_WAIT (1u << 2)
#define IORING_ENTER_EXT_ARG (1u << 3)
#define IORING_ENTER_REGISTERED_RING (1u << 4)
#define IORING_ENTER_ABS_TIMER (1u << 5)
#define IORING_ENTER_EXT_ARG_REG (1u << 6)
#define IORING_ENTER_NO_IOWAIT (1u << 7)
#define IORING_ENTER_ALL 0xffu

struct io_uring_getevents_arg {
	uint64_t sigmask;
	uint32_t sigmask_sz;
	uint32_t min_wait_usec;
	uint64_t ts;
};
_Static_assert(sizeof(struct io_uring_getevents_arg) == 24, "struct io_uring_getevents_arg");

#define IORING_REG_WAIT_TS (1u << 0)
struct io_uring_reg_wait {
	int64_t ts_sec, ts_nsec;
	uint32_t min_wait_usec, flags;
	uint64_t sigmask;
	uint32_t sigmask_sz, pad[3];
	uint64_t pad2[2];
};
_Static_assert(sizeof(struct io_uring_reg_wait) == 64, "struct io_uring_reg_wait");

/* ---- operations ---- */

enum io_uring_op {
	IORING_OP_NOP,
	IORING_OP_READV,
	IORING_OP_WRITEV,
	IORING_OP_FSYNC,
	IORING_OP_READ_FIXED,
	IORING_OP_WRITE_FIXED,
	IORING_OP_POLL_ADD,
	IORING_OP_POLL_REMOVE,
	IORING_OP_SYNC_FILE_RANGE,
	IORING_OP_SENDMSG,
	IORING_OP_RECVMSG,
	IORING_OP_TIMEOUT,
	IORING_OP_TIMEOUT_REMOVE,
	IORING_OP_ACCEPT,
	IORING_OP_ASYNC_CANCEL,
	IORING_OP_LINK_TIMEOUT,
	IORING_OP_CONNECT,
	IORING_OP_FALLOCATE,
	IORING_OP_OPENAT,
	IORING_OP_CLOSE,
	IORING_OP_FILES_UPDATE,
	IORING_OP_STATX,
	IORING_OP_READ,
	IORING_OP_WRITE,
	IORING_OP_FADVISE,
	IORING_OP_MADVISE,
	IORING_OP_SEND,
	IORING_OP_RECV,
	IORING_OP_OPENAT2,
	IORING_OP_EPOLL_CTL,
	IORING_OP_SPLICE,
	IORING_OP_PROVIDE_BUFFERS,
	IORING_OP_REMOVE_BUFFERS,
	IORING_OP_TEE,
	IORING_OP_SHUTDOWN,
	IORING_OP_RENAMEAT,
	IORING_OP_UNLINKAT,
	IORING_OP_MKDIRAT,
	IORING_OP_SYMLINKAT,
	IORING_OP_LINKAT,
	IORING_OP_MSG_RING,
	IORING_OP_FSETXATTR,
	IORING_OP_SETXATTR,
	IORING_OP_FGETXATTR,
	IORING_OP_GETXATTR,
	IORING_OP_SOCKET,
	IORING_OP_URING_CMD,
	IORING_OP_SEND_ZC,
	IORING_OP_SENDMSG_ZC,
	IORING_OP_READ_MULTISHOT,
	IORING_OP_WAITID,
	IORING_OP_FUTEX_WAIT,
	IORING_OP_FUTEX_WAKE,
	IORING_OP_FUTEX_WAITV,
	IORING_OP_FIXED_FD_INSTALL,
	IORING_OP_FTRUNCATE,
	IORING_OP_BIND,
	IORING_OP_LISTEN,
	IORING_OP_RECV_ZC,
	IORING_OP_EPOLL_WAIT,
	IORING_OP_READV_FIXED,
	IORING_OP_WRITEV_FIXED,
	IORING_OP_PIPE,
	IORING_OP_LAST,
};

/* NOP */
#define IORING_NOP_INJECT_RESULT (1u << 0)
#define IORING_NOP_FILE (1u << 1)
#define IORING_NOP_FIXED_FILE (1u << 2)
#define IORING_NOP_FIXED_BUFFER (1u << 3)
#define IORING_NOP_TW (1u << 4)
#define IORING_NOP_CQE32 (1u << 5)

#define IORING_FSYNC_DATASYNC (1u << 0)
#define IORING_RW_ATTR_FLAG_PI (1u << 0)

/* TIMEOUT, TIMEOUT_REMOVE, LINK_TIMEOUT */
#define IORING_TIMEOUT_ABS (1u << 0)
#define IORING_TIMEOUT_UPDATE (1u << 1)
#define IORING_TIMEOUT_BOOTTIME (1u << 2)
#define IORING_TIMEOUT_REALTIME (1u << 3)
#define IORING_LINK_TIMEOUT_UPDATE (1u << 4)
#define IORING_TIMEOUT_ETIME_SUCCESS (1u << 5)
#define IORING_TIMEOUT_MULTISHOT (1u << 6)
#define IORING_TIMEOUT_CLOCK_MASK (IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME)
#define IORING_TIMEOUT_UPDATE_MASK (IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE)

#define IORING_SPLICE_F_FD_IN_FIXED (1u << 31)

/* POLL_ADD and POLL_REMOVE, in sqe.len */
#define IORING_POLL_ADD_MULTI (1u << 0)
#define IORING_POLL_UPDATE_EVENTS (1u << 1)
#define IORING_POLL_UPDATE_USER_DATA (1u << 2)
#define IORING_POLL_ADD_LEVEL (1u << 3)

#define IORING_ASYNC_CANCEL_ALL (1u << 0)
#define IORING_ASYNC_CANCEL_FD (1u << 1)
#define IORING_ASYNC_CANCEL_ANY (1u << 2)
#define IORING_ASYNC_CANCEL_FD_FIXED (1u << 3)
#define IORING_ASYNC_CANCEL_USERDATA (1u << 4)
#define IORING_ASYNC_CANCEL_OP (1u << 5)

/* Sends and receives, in sqe.ioprio */
#define IORING_RECVSEND_POLL_FIRST (1u << 0)
#define IORING_RECV_MULTISHOT (1u << 1)
#define IORING_RECVSEND_FIXED_BUF (1u << 2)
#define IORING_SEND_ZC_REPORT_USAGE (1u << 3)
#define IORING_RECVSEND_BUNDLE (1u << 4)
#define IORING_SEND_VECTORIZED (1u << 5)
#define IORING_NOTIF_USAGE_ZC_COPIED (1u << 31)

#define IORING_ACCEPT_MULTISHOT (1u << 0)
#define IORING_ACCEPT_DONTWAIT (1u << 1)
#define IORING_ACCEPT_POLL_FIRST (1u << 2)

struct io_uring_recvmsg_out {
	uint32_t namelen, controllen, payloadlen, flags;
};

/* MSG_RING */
#define IORING_MSG_DATA 0u
#define IORING_MSG_SEND_FD 1u
#define IORING_MSG_RING_CQE_SKIP (1u << 0)
#define IORING_MSG_RING_FLAGS_PASS (1u << 1)

#define IORING_FIXED_FD_NO_CLOEXEC (1u << 0)

/* URING_CMD on a socket */
#define IORING_URING_CMD_FIXED (1u << 0)
#define IORING_URING_CMD_MULTISHOT (1u << 1)
#define IORING_URING_CMD_MASK (IORING_URING_CMD_FIXED | IORING_URING_CMD_MULTISHOT)
#define SOCKET_URING_OP_SIOCINQ 0u
#define SOCKET_URING_OP_SIOCOUTQ 1u
#define SOCKET_URING_OP_GETSOCKOPT 2u
#define SOCKET_URING_OP_SETSOCKOPT 3u
#define SOCKET_URING_OP_TX_TIMESTAMP 4u
